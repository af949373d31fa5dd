"""The verbs that inspect a run: evaluate, plot."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.cli import shared
from nmt.cli.console import say, verb
from nmt.cli.shared import (
    STANDARD_INPUT,
    AlignmentOptions,
    RunOptions,
    SearchOptions,
    alignment_arguments,
    check_read_once,
    file_or_standard,
    given_path,
    lines_of,
    load_both,
    paths_read,
    run_argument,
    search_arguments,
)
from nmt.errors import UserError
from nmt.terminal import progress_bar


def add_verbs(verbs: Any) -> None:
    evaluate = verb(verbs, "evaluate", _evaluate, "translate a test set and score it")
    run_argument(evaluate, ensemble=True)
    evaluate.add_argument(
        "--source",
        type=file_or_standard,
        required=True,
        metavar="FILE",
        help="lines to translate; -: standard input",
    )
    evaluate.add_argument(
        "--reference",
        type=file_or_standard,
        required=True,
        action="append",
        metavar="FILE",
        help="their reference translations; may be repeated; -: standard input",
    )
    evaluate.add_argument(
        "--group-references",
        action="store_true",
        help="score each distinct source against all its references",
    )
    evaluate.add_argument(
        "--save-hypotheses", type=given_path, metavar="FILE", help="also write the translations"
    )
    evaluate.add_argument("--json", action="store_true", help="print the scores as JSON")
    evaluate.add_argument(
        "--gold-alignments",
        type=given_path,
        metavar="GOLD",
        help=(
            "translate nothing: align source and reference and print the error rate against gold"
            " links, `i-j` sure, `ipj` possible, from 1"
        ),
    )
    alignment_arguments(evaluate)
    search_arguments(evaluate)

    plot = verb(verbs, "plot", _plot, "draw the attention of a translation")
    run_argument(plot)
    plot.add_argument("sentence", metavar="SENTENCE", help="the sentence to translate")
    plot.add_argument(
        "--target",
        metavar="SENTENCE",
        help="draw the attention of this translation instead of the model's own",
    )
    plot.add_argument(
        "--output",
        type=given_path,
        default=Path("heatmap.png"),
        metavar="FILE",
        help="picture to write: .png, .svg or .pdf (default: %(default)s)",
    )
    search_arguments(plot)


def _evaluate(options: argparse.Namespace) -> int:
    from nmt.evaluation.metrics import corpus_scores, group_references, typography_agreement
    from nmt.text.lines import write_lines

    check_read_once([options.source, *options.reference])
    sources = list(lines_of(options.source))
    references: Sequence[Sequence[str | None]] = [
        list(lines_of(path)) for path in options.reference
    ]
    source_name = options.source or STANDARD_INPUT
    for path, lines in zip(options.reference, references, strict=True):
        if len(lines) != len(sources):
            raise UserError(
                f"source and reference must have equally many lines. Received: {len(sources)} in"
                f" {source_name}, {len(lines)} in {path or STANDARD_INPUT}."
            )
    if not sources:
        raise UserError(f"expected at least one line. Received: none in {source_name}.")
    if options.gold_alignments:
        return _evaluate_alignments(options, sources, references)
    if AlignmentOptions.parsed(options).are_given:
        raise UserError(
            "--reverse, --lag and --threshold are about alignments. Give gold links with"
            " --gold-alignments."
        )
    saved = options.save_hypotheses
    if saved:
        _check_writable(saved, paths_read(options, "save_hypotheses"))
    if options.group_references:
        if len(references) > 1:
            raise UserError(
                f"--group-references takes one --reference. Received: {len(references)}."
            )
        sources, references = group_references(sources, [str(line) for line in references[0]])
    search = SearchOptions.parsed(options)
    translator = shared.load(RunOptions.parsed(options))
    start = time.perf_counter()
    with progress_bar("translating", total=len(sources)) as bar:
        translations = translator.translate(sources, **search.keywords(), progress=bar.update)
    seconds = time.perf_counter() - start
    hypotheses = [translation.text for translation in translations]
    scores, typography = (
        corpus_scores(hypotheses, references),
        typography_agreement(hypotheses, references),
    )
    say(f"{len(sources):,} lines in {seconds:.1f} s")
    if options.json:
        print(
            json.dumps(
                {
                    "scores": [s.as_dict() for s in scores],
                    "typography": typography.as_dict(),
                    "lines": len(sources),
                }
            )
        )
    else:
        print(*scores, typography, sep="\n")
    if saved:  # last, as it may fail
        write_lines(saved, hypotheses)
    return 0


def _check_writable(path: Path, inputs: Sequence[Path]) -> None:
    """Before the translation, which may take long."""
    from nmt.text.lines import refuse_overwriting, refuse_unwritable

    if str(path) == "-":
        raise UserError(
            "expected a file to write to, as standard output has other results. Received: -."
        )
    refuse_unwritable(path)
    refuse_overwriting(path, inputs)


def _evaluate_alignments(
    options: argparse.Namespace, sources: Sequence[str], references: Sequence[Sequence[str | None]]
) -> int:
    from nmt.inference.aligner import align_pairs, alignment_scores, read_gold

    if options.save_hypotheses or options.group_references or len(references) > 1:
        raise UserError(
            "--gold-alignments aligns each source line with its one reference. Leave out"
            " --save-hypotheses, --group-references and further references."
        )
    search = SearchOptions.parsed(options)
    given = [name for name, value in search.keywords().items() if value not in (None, ())]
    if others := [name for name in given if name != "batch_size"]:
        raise UserError(
            "--gold-alignments translates nothing, and of the options of search takes --batch-size"
            f" only. Received: {', '.join(others)}."
        )
    targets = [str(line) for line in references[0]]
    gold = read_gold(options.gold_alignments, sources, targets)
    links = AlignmentOptions.parsed(options)
    forward, backward = load_both(RunOptions.parsed(options), links.reverse)
    aligned = align_pairs(
        forward, backward, sources, targets, lag=links.lag, batch_size=options.batch_size
    )
    scores = alignment_scores(aligned, gold, links.threshold)
    if options.json:
        scores_by_name = {name: score.as_dict() for name, score in scores.items()}
        print(json.dumps({"alignments": scores_by_name, "lines": len(sources)}))
    else:
        print(*(f"{name}: {score}" for name, score in scores.items()), sep="\n")
    return 0


def _plot(options: argparse.Namespace) -> int:
    from nmt.evaluation.plots import picture_path, plot_attention
    from nmt.text.lines import is_blank

    if is_blank(options.sentence):
        raise UserError("expected a sentence to translate. Received: a blank one.")
    _check_writable(picture_path(options.output), paths_read(options))
    search = SearchOptions.parsed(options)
    translator = shared.load(RunOptions.parsed(options))
    translator.check_options(**search.decoding)
    target = options.target
    if target is None:
        (translation,) = translator.translate([options.sentence], **search.keywords())
        target = translation.text
    alignment = translator.align(options.sentence, target)
    plot_attention(
        alignment.weights_TS, alignment.source_words, alignment.target_words, options.output
    )
    print(target)
    return 0
