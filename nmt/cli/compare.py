"""The verb `compare`: variants of a recipe, trained with several seeds."""

import argparse
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli.console import say, verb
from nmt.cli.shared import custom_argument, given_path, given_texts, recipe_arguments
from nmt.errors import UserError
from nmt.terminal import import_tensorflow

if TYPE_CHECKING:
    from nmt.comparison.measuring import ComparedText


def add_verbs(verbs: Any) -> None:
    compare = verb(
        verbs,
        "compare",
        _compare,
        "train variants of a recipe with several seeds, and compare them",
    )
    recipe_arguments(compare)
    compare.add_argument(
        "--attention",
        metavar="NAME,...",
        help=(
            "the first is the baseline; CELL/SCORE, bahdanau or luong, optionally with"
            " other keys of model.decoder: luong,update_first/dot,luong+input_feeding=true"
            " (default: the recipe's)"
        ),
    )
    compare.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="runs of each variant (default: 3)"
    )
    compare.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="trainings at a time, each on its share of the cores (default: 1)",
    )
    compare.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=VALUE,...",
        help="train every attention with every value of another key; may be repeated",
    )
    compare.add_argument(
        "--output",
        type=given_path,
        metavar="DIR",
        help="folder of the runs and the report (default: runs/RECIPE-comparison)",
    )
    compare.add_argument(
        "--test",
        action="append",
        default=[],
        metavar="NAME=PREFIX",
        help="a test set; may be repeated",
    )
    compare.add_argument(
        "--gold-alignments",
        nargs=2,
        metavar=("PREFIX", "GOLD"),
        help=(
            "text with gold links, `i-j` sure, `ipj` possible, from 1: for the alignment error rate"
        ),
    )
    compare.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the recipe for all variants",
    )
    custom_argument(compare)


def _compare(options: argparse.Namespace) -> int:
    import_tensorflow()
    from nmt.comparison.measuring import DEV, EvaluationTexts, GoldAlignments
    from nmt.comparison.plan import plan
    from nmt.comparison.runner import compare, train_in_processes
    from nmt.config.loader import Config, check_score, load_config
    from nmt.inference.aligner import read_gold
    from nmt.text.lines import make_folder

    for name in ("seeds", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} must be at least 1. Received: {getattr(options, name)}.")
    given = given_texts(options)

    def config(overrides: Any) -> Config:
        config = load_config(options.recipe, [*options.set, *overrides])
        return config.model_copy(update={"data": config.data.model_copy(update=given)})

    name = Path(options.recipe).stem
    folder = options.output or Path("runs") / f"{name}-comparison"
    planned = plan(config, options.attention, options.vary, options.seeds, folder)
    allow_custom = options.allow_custom
    if not allow_custom:
        scores = {run.config.model.decoder.score for run in planned}
        typed = {score for score in scores if _is_typed(score, options)}
        for score in scores - typed:
            check_score(score, allow_custom=False)
        allow_custom = bool(typed)
    data = planned[0].config.data
    texts = {DEV: _read(data.dev, data)}
    for test in options.test:
        label, equals, prefix = test.partition("=")
        if not equals:
            label, prefix = Path(test).name, test
        if not re.fullmatch(r"[\w.-]+", label):
            raise UserError(
                f"--test {test}: expected a name of letters, digits and -_. only. Received:"
                f" {label!r}."
            )
        if label in texts:
            raise UserError(
                f"--test {test}: there is a text {label!r} already. Give another name: NAME=PREFIX."
            )
        texts[label] = _read(prefix, data)
    gold = None
    if options.gold_alignments:
        prefix, path = options.gold_alignments
        aligned = _read(prefix, data)
        gold = GoldAlignments(aligned, read_gold(Path(path), aligned.sources, aligned.references))
    make_folder(folder)
    train = partial(train_in_processes, num_jobs=options.jobs, allow_custom=allow_custom)
    tests = EvaluationTexts(texts, gold)
    compare(f"Comparison: {name}", planned, tests, folder, train, allow_custom)
    say(f"done. The report is {folder / 'report.md'}")
    return 0


def _is_typed(score: str, options: argparse.Namespace) -> bool:
    """Whether the command line names a variant's score itself."""
    from nmt.config.loader import is_typed_score

    attentions = re.split("[,+]", options.attention or "")
    varied = [
        f"{key}={value}"
        for key, _, values in (v.partition("=") for v in options.vary)
        for value in values.split(",")
    ]
    typed = [*options.set, *varied, *(f"model.decoder.attention={name}" for name in attentions)]
    return is_typed_score(score, typed)


def _read(prefix: Any, data: Any) -> "ComparedText":
    from nmt.comparison.measuring import ComparedText
    from nmt.text.lines import read_parallel, resolve_parallel

    files = resolve_parallel(prefix, data.source, data.target)
    pairs = list(read_parallel(files))
    if not pairs:
        raise UserError(f"expected at least one line. Received: none in {files.source}.")
    return ComparedText(*map(list, zip(*pairs, strict=True)))
