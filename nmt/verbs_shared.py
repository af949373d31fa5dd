"""What the verbs that use a trained run share: its argument, the options of search, and the way it is loaded."""

import argparse
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.console import import_tensorflow

if TYPE_CHECKING:
    from nmt.translator import Translator


LINES_AT_ONCE = 2048  # read, sorted by length and decoded together from a file or a pipe


def run_argument(parser: argparse.ArgumentParser) -> None:
    """Which translator: its folder, what it runs on, and its dictionary."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder, or an export's")
    parser.add_argument("--engine", metavar="keras|onnx", help="(default: onnx, if there is an export)")
    parser.add_argument("--precision", metavar="float32|int8", help="(default: what the export proved good)")
    parser.add_argument("--dictionary", type=Path, metavar="TSV", help="source words, and what each becomes exactly")


def load(options: argparse.Namespace) -> "Translator":
    from nmt.copying import read_dictionary
    from nmt.exported import choose
    from nmt.run import Run

    opened = Run.open(options.run)  # what is wrong with it, or with the dictionary, is said before TensorFlow loads
    dictionary = read_dictionary(options.dictionary) if options.dictionary else None
    opened.copier(dictionary)
    chosen = choose(options.run, options.engine, options.precision)
    if chosen is None:
        import_tensorflow()
    from nmt.translator import Translator

    engine, precision = ("onnx", chosen[1]) if chosen else ("keras", None)
    return Translator.load(opened, engine, precision, dictionary)


def alignment_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reverse", type=Path, metavar="RUN", help="a run of the other direction, to symmetrise with")
    parser.add_argument("--lag", type=int, default=0, metavar="N", help="attention comes N steps late (default: 0)")
    parser.add_argument(
        "--threshold", type=_share, default=0.0, metavar="P", help="no link for a word that looks less than P anywhere"
    )


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, received {text}")
    return value


def load_both(options: argparse.Namespace) -> "tuple[Translator, Translator | None]":
    """The run and, if there is one, that of the other direction, for which a dictionary is the wrong way round."""
    reverse = argparse.Namespace(**{**vars(options), "run": options.reverse, "dictionary": None})
    return load(options), load(reverse) if options.reverse else None


def write_answers(windows: Iterable[Iterable[str]], path: Path | None = None) -> None:
    """Lines to a file, which appears when it is whole; or, a window at once, to standard output."""
    from nmt.text import write_lines

    if path:
        write_lines(path, chain.from_iterable(windows))
        return
    for window in windows:
        sys.stdout.buffer.writelines(line.encode() + b"\n" for line in window)
        sys.stdout.buffer.flush()


def search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beam-size", type=int, metavar="K", help="1: greedy (default: the run's config)")
    parser.add_argument("--length-penalty", type=float, metavar="ALPHA", help="0: none (default: the run's config)")
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="lines decoded together (default: the run's config)"
    )


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("beam_size", "length_penalty", "batch_size")}
