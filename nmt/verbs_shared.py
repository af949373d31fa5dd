"""What the verbs that use a trained run share: its argument, the options of search, and the way it is loaded."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.console import import_tensorflow

if TYPE_CHECKING:
    from nmt.translator import Translator


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


def search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beam-size", type=int, metavar="K", help="1: greedy (default: the run's config)")
    parser.add_argument("--length-penalty", type=float, metavar="ALPHA", help="0: none (default: the run's config)")
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="lines decoded together (default: the run's config)"
    )


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("beam_size", "length_penalty", "batch_size")}
