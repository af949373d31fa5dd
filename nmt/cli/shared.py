"""Arguments that several verbs have in common, as small typed objects, and loading of runs."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import LineError, UserError
from nmt.terminal import import_tensorflow

if TYPE_CHECKING:
    from nmt.inference.translator import Translator
    from nmt.search.glossary import Glossary


STANDARD_INPUT = "standard input"  # in messages
LINES_AT_ONCE = 2048  # read, sorted by length and decoded together from a file or a pipe


def recipe_arguments(parser: argparse.ArgumentParser, optional: str = "") -> None:
    """The recipe, and its texts where they are not the recipe's own. `optional` says when the
    recipe may be left out."""
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?" if optional else None,
        help=f"a recipe's name (see `nmt recipes`) or a YAML file{optional}",
    )
    parser.add_argument(
        "--data",
        metavar="PREFIX",
        help=(
            "training text: PREFIX.en and PREFIX.fr (for other languages set data.source and"
            " data.target), A,B or a .tsv"
        ),
    )
    parser.add_argument(
        "--dev",
        metavar="PREFIX",
        help="development text, which chooses the weights that are kept"
        + ("; without it and a recipe, a part of --data" if optional else ""),
    )


def given_texts(options: argparse.Namespace) -> dict[str, str]:
    """Keys of the section `data` that `recipe_arguments` were given."""
    return {
        key: path
        for key, path in (("train", options.data), ("dev", options.dev))
        if path is not None
    }


def given_path(text: str) -> Path:
    """A path that an option names. An empty one, which an unset variable of a shell leaves, would
    be the current folder. `~` is the home folder: shells leave it as it is in `--run=~/mine`."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path. Received: an empty text")
    return Path(os.path.expanduser(text))


class Once(argparse.Action):
    """Keeps a value, and refuses a second one, which would silently replace the first."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        if getattr(namespace, self.dest) is not self.default:
            parser.error(f"{option} is given twice, and takes one file")
        setattr(namespace, self.dest, values)


def file_or_standard(text: str) -> Path | None:
    """A file, or None for `-`: standard input or output."""
    return None if text == "-" else given_path(text)


def lines_of(path: Path | None) -> Iterator[str]:
    """The lines of a file, or of standard input."""
    from nmt.text.lines import decode_lines, read_lines

    return read_lines(path) if path else decode_lines(sys.stdin.buffer, STANDARD_INPUT)


def check_read_once(texts: Sequence[Path | None]) -> None:
    """Raises UserError if several texts are standard input (None)."""
    if (count := texts.count(None)) > 1:
        raise UserError(
            f"{STANDARD_INPUT} is one text. Received: - for {count}. Name files for the others."
        )


@contextlib.contextmanager
def numbered_from(first: int) -> Iterator[None]:
    """Gives the error of a line of a window the number that the line has in the whole text, of
    which the window begins at `first`."""
    try:
        yield
    except LineError as error:
        raise LineError(first + error.index, error.message) from None


def paths_read(options: argparse.Namespace, output: str = "output") -> list[Path]:
    """All files and folders that the arguments name, but for `output`: none of them is to be
    overwritten."""
    values = [value for name, value in vars(options).items() if name != output]
    each = chain.from_iterable(value if isinstance(value, list) else [value] for value in values)
    return [value for value in each if isinstance(value, Path)]


# -------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True)
class RunOptions:
    """A trained run to load, or several as an ensemble, and the engine to run it on."""

    runs: tuple[Path, ...]
    engine: str | None = None
    precision: str | None = None
    dictionary: Path | None = None
    allow_custom: bool = False

    @classmethod
    def parsed(cls, options: argparse.Namespace) -> "RunOptions":
        """From the arguments of `run_argument`."""
        return cls(
            tuple(options.runs),
            options.engine,
            options.precision,
            options.dictionary,
            options.allow_custom,
        )


def run_argument(parser: argparse.ArgumentParser, ensemble: bool = False) -> None:
    """The run (or runs, for an ensemble, which takes the first run's config), its engine and its
    dictionary."""
    text = "run folder, folder of an export, NAME.nmt, or name of an installed model"
    text += "; several RUNs are an ensemble" if ensemble else ""
    nargs: Any = "+" if ensemble else 1
    parser.add_argument("runs", type=given_path, nargs=nargs, metavar="RUN", help=text)
    engine_arguments(parser)
    parser.add_argument(
        "--dictionary",
        type=given_path,
        action=Once,
        metavar="TSV",
        help="lines of a source word, a tab, and its exact translation",
    )


def engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        metavar="keras|onnx",
        help="what computes the model (default: onnx, if exported)",
    )
    parser.add_argument(
        "--precision", metavar="float32|int8", help="(default: chosen when the run was exported)"
    )
    custom_argument(parser)


def custom_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-custom",
        action="store_true",
        help="import the score MODULE:CLASS that the config names: code, which you must trust",
    )


def load(options: RunOptions) -> "Translator":
    """Load a run, or an ensemble. A mistake in a run or in the dictionary is reported before
    TensorFlow loads."""
    from nmt.inference.onnx_artifact import select_export
    from nmt.runs.package import open_run
    from nmt.runs.run_folder import check_compatible
    from nmt.text.lines import read_phrase_table

    runs = [open_run(path, options.allow_custom) for path in options.runs]
    dictionary = read_phrase_table(options.dictionary) if options.dictionary else None
    for run in runs:
        run.copier(dictionary)
    check_compatible(runs)
    exports = [select_export(run, options.engine, options.precision) for run in runs]
    for run, export in zip(runs, exports, strict=True):
        if export is None:
            run.weights_file()
    if None in exports:
        import_tensorflow()
    from nmt.inference.translator import Translator

    loaded = []
    for run, export in zip(runs, exports, strict=True):
        engine, precision = ("onnx", export[1]) if export else ("keras", None)
        loaded.append(Translator.load(run, engine, precision, dictionary))
    return Translator.ensemble(loaded)


# -------------------------------------------------------------------------------------- alignments


@dataclass(frozen=True)
class AlignmentOptions:
    """How attention becomes links: a run of the other direction to symmetrise with, the lag of the
    attention, and the least weight of a link."""

    reverse: Path | None
    lag: int
    threshold: float

    @classmethod
    def parsed(cls, options: argparse.Namespace) -> "AlignmentOptions":
        """From the arguments of `alignment_arguments`."""
        return cls(options.reverse, options.lag, options.threshold)

    @property
    def are_given(self) -> bool:
        return bool(self.reverse or self.lag or self.threshold)


def alignment_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reverse",
        type=given_path,
        metavar="RUN",
        help="run of the other direction, to symmetrise the links with",
    )
    parser.add_argument(
        "--lag",
        type=int,
        default=0,
        metavar="N",
        help="use the attention N steps later (default: 0)",
    )
    parser.add_argument(
        "--threshold",
        type=_threshold,
        default=0.0,
        metavar="P",
        help="link only words whose largest weight exceeds P (default: 0)",
    )


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(
            f"must be a number of at least 0 and below 1. Received: {text!r}"
        )
    return value


def load_both(run: RunOptions, reverse: Path | None) -> "tuple[Translator, Translator | None]":
    """The run and, if there is one, the run of the other direction, to which the dictionary does
    not apply."""
    other = replace(run, runs=(reverse,), dictionary=None) if reverse else None
    return load(run), load(other) if other else None


def write_answers(windows: Iterable[Iterable[str]], path: Path | None = None) -> None:
    """Write lines to a file, which appears once it is complete, or to standard output, window by
    window."""
    from nmt.text.lines import write_lines

    if path:
        write_lines(path, chain.from_iterable(windows))
        return
    for window in windows:
        sys.stdout.buffer.writelines(line.encode() + b"\n" for line in window)
        sys.stdout.buffer.flush()


# ------------------------------------------------------------------------------------------ search


_SEARCH: tuple[tuple[str, type, str, str], ...] = (
    ("beam-size", int, "K", "hypotheses kept per sentence; 1: greedy search"),
    ("batch-size", int, "N", "lines decoded together"),
    ("penalty", str, "power|gnmt", "length penalty: |y|^ALPHA or ((5 + |y|) / 6)^ALPHA"),
    ("length-penalty", float, "ALPHA", "exponent of the length penalty; 0: none"),
    ("mbr", float, "SCALE", "choose by minimum Bayes risk over the beam (e.g. 10); 0: by score"),
    ("coverage-penalty", float, "BETA", "GNMT's, for source words without attention; 0: none"),
    ("max-length-ratio", float, "R", "at most R times the source's tokens + max_length_offset"),
    ("min-length-ratio", float, "R", "at least R times the source's tokens"),
    ("no-repeat-ngram-size", int, "N", "no sequence of N tokens occurs twice; 0: no limit"),
    ("repetition-penalty", float, "X", "factor on log-probabilities of repeated tokens; 1: none"),
    (
        "stopping",
        str,
        "best|first",
        "stop when no better hypothesis is possible, or when n-best have finished",
    ),
)
_DIVERSITY: tuple[tuple[str, type, str, str], ...] = (
    ("num-beam-groups", int, "G", "groups of K / G hypotheses"),
    ("diversity-penalty", float, "LAMBDA", "penalty for tokens of earlier groups (e.g. 0.5)"),
    ("temperature", float, "T", "below 1 sharper, above 1 flatter"),
    ("top-k", int, "N", "draw from the N likeliest tokens"),
    ("top-p", float, "P", "draw from the fewest likeliest tokens of probability P"),
    ("seed", int, "N", "seed of sampling"),
)


def search_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of search. The run's config has the values of options that are not given."""
    search = parser.add_argument_group("search (defaults: the run's config)")
    search.add_argument(
        "--split-sentences",
        action=argparse.BooleanOptionalAction,
        help="translate a line sentence by sentence",
    )
    for name, type_, metavar, text in _SEARCH:
        search.add_argument(f"--{name}", type=type_, metavar=metavar, help=text)
    diverse = parser.add_argument_group("diverse beam search, or sampling")
    diverse.add_argument(
        "--sampling",
        action="store_const",
        const=True,
        help="draw n-best samples instead of searching",
    )
    for name, type_, metavar, text in _DIVERSITY:
        diverse.add_argument(f"--{name}", type=type_, metavar=metavar, help=text)
    wording = parser.add_argument_group("words of the translation")
    wording.add_argument(
        "--glossary",
        type=given_path,
        action=Once,
        metavar="TSV",
        help="lines of a source phrase, a tab, and the phrase it requires",
    )
    wording.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="WORDS",
        help="phrase that every translation must contain; may be repeated",
    )
    wording.add_argument(
        "--ban",
        action="append",
        default=[],
        metavar="WORDS",
        help="phrase that no translation may contain; may be repeated",
    )
    wording.add_argument(
        "--ban-file",
        type=given_path,
        metavar="FILE",
        help="phrases that no translation may contain, one per line",
    )


@dataclass(frozen=True)
class SearchOptions:
    """Options of search and of wording, read once: None leaves the run's value."""

    decoding: Mapping[str, Any]
    glossary: "Glossary | None" = None
    required: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()

    @classmethod
    def parsed(cls, options: argparse.Namespace) -> "SearchOptions":
        """From the arguments of `search_arguments`. UserError for a glossary or a list of banned
        phrases that cannot be read."""
        names = [name.replace("-", "_") for name, *_ in (*_SEARCH, *_DIVERSITY)]
        names += ["sampling", "split_sentences"]
        glossary, banned = None, list(options.ban)
        if options.glossary:
            from nmt.search.glossary import Glossary

            glossary = Glossary.load(options.glossary)
        if options.ban_file:
            from nmt.text.lines import is_blank, read_lines

            banned += [line for line in read_lines(options.ban_file) if not is_blank(line)]
        return cls(
            {name: getattr(options, name) for name in names},
            glossary,
            tuple(options.require),
            tuple(banned),
        )

    def keywords(self) -> dict[str, Any]:
        """As `Translator.translate` takes them."""
        return {
            **self.decoding,
            "glossary": self.glossary,
            "required": self.required,
            "banned": self.banned,
        }
