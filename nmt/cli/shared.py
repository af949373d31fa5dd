"""What verbs share: arguments of a recipe and of a trained run, options of search, and the way a
run is loaded."""

import argparse
import functools
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.terminal import import_tensorflow

if TYPE_CHECKING:
    from nmt.inference.translator import Translator


LINES_AT_ONCE = 2048  # read, sorted by length and decoded together from a file or a pipe


def recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Which experiment, and its text where that is not the recipe's."""
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a recipe's name (see `nmt recipes`) or a YAML file"
    )
    parser.add_argument(
        "--data", metavar="PREFIX", help="training text: PREFIX.en and PREFIX.fr, A,B or a .tsv"
    )
    parser.add_argument("--dev", metavar="PREFIX", help="development text")


def given_texts(options: argparse.Namespace) -> dict[str, str]:
    """What `recipe_arguments` said of the section `data`."""
    return {
        key: path
        for key, path in (("train", options.data), ("dev", options.dev))
        if path is not None
    }


def run_argument(parser: argparse.ArgumentParser, ensemble: bool = False) -> None:
    """Which translator: its folder, what it runs on, and its dictionary. An ensemble takes its
    first run's config."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, or an export's")
    if ensemble:
        parser.add_argument(
            "others", type=Path, nargs="*", metavar="RUN", help="others, for an ensemble"
        )
    engine_arguments(parser)
    parser.add_argument(
        "--dictionary", type=Path, metavar="TSV", help="source words, and what each becomes exactly"
    )


def engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", metavar="keras|onnx", help="(default: onnx, if there is an export)"
    )
    parser.add_argument(
        "--precision", metavar="float32|int8", help="(default: what the export proved good)"
    )


def load(options: argparse.Namespace) -> "Translator":
    from nmt.inference.onnx_artifact import choose
    from nmt.runs.run_folder import Run, refuse_unlike
    from nmt.text.lines import read_phrase_table

    # What is wrong with a run, with the dictionary or with a glossary, is said before TensorFlow
    # loads.
    if hasattr(options, "glossary"):
        search_options(options)
    runs = [Run.open(path) for path in (options.run, *getattr(options, "others", ()))]
    dictionary = (
        read_phrase_table(options.dictionary) if getattr(options, "dictionary", None) else None
    )
    for run in runs:
        run.copier(dictionary)
    refuse_unlike(runs)
    chosen = [choose(run.path, options.engine, options.precision) for run in runs]
    if None in chosen:
        import_tensorflow()
    from nmt.inference.translator import Translator

    loaded = []
    for run, of_run in zip(runs, chosen, strict=True):
        engine, precision = ("onnx", of_run[1]) if of_run else ("keras", None)
        loaded.append(Translator.load(run, engine, precision, dictionary))
    return Translator.ensemble(loaded)


def alignment_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reverse",
        type=Path,
        metavar="RUN",
        help="a run of the other direction, to symmetrise with",
    )
    parser.add_argument(
        "--lag", type=int, default=0, metavar="N", help="attention comes N steps late (default: 0)"
    )
    parser.add_argument(
        "--threshold",
        type=_share,
        default=0.0,
        metavar="P",
        help="no link for a word that looks less than P anywhere",
    )


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, received {text}")
    return value


def load_both(options: argparse.Namespace) -> "tuple[Translator, Translator | None]":
    """The run and, if there is one, that of the other direction, for which a dictionary is the
    wrong way round."""
    reverse = argparse.Namespace(
        **{**vars(options), "run": options.reverse, "others": (), "dictionary": None}
    )
    return load(options), load(reverse) if options.reverse else None


def write_answers(windows: Iterable[Iterable[str]], path: Path | None = None) -> None:
    """Lines to a file, which appears when it is whole; or, a window at once, to standard output."""
    from nmt.text.lines import write_lines

    if path:
        write_lines(path, chain.from_iterable(windows))
        return
    for window in windows:
        sys.stdout.buffer.writelines(line.encode() + b"\n" for line in window)
        sys.stdout.buffer.flush()


def search_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of search; what is not given is as the run's config says."""

    def option(group: Any, name: str, type: Any, metavar: str, help: str, **rest: Any) -> None:
        group.add_argument(f"--{name}", type=type, metavar=metavar, help=help, **rest)

    search = parser.add_argument_group("search (defaults: the run's config)")
    option(search, "beam-size", int, "K", "1: greedy")
    option(search, "batch-size", int, "N", "lines decoded together")
    option(search, "penalty", str, "power|gnmt", "of length: |y|^ALPHA or ((5 + |y|) / 6)^ALPHA")
    option(search, "length-penalty", float, "ALPHA", "0: none")
    option(
        search,
        "mbr",
        float,
        "SCALE",
        "what the beam's hypotheses agree on most (10, say); 0: the likeliest",
    )
    option(search, "coverage-penalty", float, "BETA", "GNMT's, for source words left out; 0: none")
    option(
        search,
        "max-length-ratio",
        float,
        "R",
        "at most R times the source's tokens, and max_length_offset",
    )
    option(search, "min-length-ratio", float, "R", "at least R times the source's tokens")
    option(
        search, "no-repeat-ngram-size", int, "N", "no N tokens in a row occur twice; 0: they may"
    )
    option(
        search,
        "repetition-penalty",
        float,
        "X",
        "times the log-probability of a token that is there; 1: none",
    )
    option(
        search,
        "stopping",
        str,
        "best|first",
        "when nothing better can come, or when n-best have finished",
    )
    diverse = parser.add_argument_group("diverse beam search, or sampling")
    option(diverse, "num-beam-groups", int, "G", "groups of K / G hypotheses")
    option(
        diverse,
        "diversity-penalty",
        float,
        "LAMBDA",
        "of the penalty on tokens of earlier groups (0.5, say)",
    )
    diverse.add_argument("--sampling", action="store_const", const=True, help="draw n-best samples")
    option(diverse, "temperature", float, "T", "below 1 sharper, above 1 flatter")
    option(diverse, "top-k", int, "N", "draw from the N likeliest tokens")
    option(diverse, "top-p", float, "P", "draw from the fewest likeliest tokens of probability P")
    option(diverse, "seed", int, "N", "of sampling")

    wording = parser.add_argument_group("words of the translation")
    option(
        wording,
        "glossary",
        Path,
        "TSV",
        "source phrases, the phrase each requires (best with --length-penalty 0)",
    )
    option(
        wording,
        "require",
        str,
        "WORDS",
        "a phrase of every translation; may be repeated",
        action="append",
    )
    option(
        wording, "ban", str, "WORDS", "a phrase of no translation; may be repeated", action="append"
    )
    option(wording, "ban-file", Path, "FILE", "phrases of no translation, one a line")


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    """As `Translator.translate` takes them: None where nothing was given."""
    from nmt.config.loader import DecodingConfig

    return {
        **{
            name: getattr(options, name)
            for name in DecodingConfig.model_fields
            if hasattr(options, name)
        },
        "glossary": _glossary(options.glossary) if options.glossary else None,
        "required": options.require or (),
        "banned": (*(options.ban or ()), *(_lines(options.ban_file) if options.ban_file else ())),
    }


@functools.cache
def _glossary(path: Path) -> Any:
    from nmt.search.glossary import Glossary

    return Glossary.load(path)


@functools.cache
def _lines(path: Path) -> list[str]:
    from nmt.text.lines import is_blank, read_lines

    return [line for line in read_lines(path) if not is_blank(line)]
