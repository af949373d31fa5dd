"""The verbs for given translations: score, align."""

import argparse
import zipfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli import shared
from nmt.cli.console import say, verb
from nmt.cli.shared import (
    LINES_AT_ONCE,
    STANDARD_INPUT,
    AlignmentOptions,
    RunOptions,
    alignment_arguments,
    file_or_standard,
    given_path,
    load_both,
    numbered_from,
    paths_read,
    run_argument,
    write_answers,
)
from nmt.errors import UserError
from nmt.terminal import progress_bar

if TYPE_CHECKING:
    from nmt.inference.aligner import AlignedPair
    from nmt.inference.outputs import ScoredTarget


def add_verbs(verbs: Any) -> None:
    score = verb(verbs, "score", _score, "print the log-probability of each given translation")
    _pair_arguments(score)
    score.add_argument(
        "--json",
        action="store_true",
        help="write one JSON object per line, with the tokens and their scores",
    )

    align = verb(
        verbs, "align", _align, "link the words of translations to source words, by attention"
    )
    _pair_arguments(align)
    align.add_argument(
        "--output",
        type=file_or_standard,
        metavar="FILE",
        help="file to write (default, or -: standard output)",
    )
    align.add_argument(
        "--format",
        choices=["pharaoh", "json", "npz"],
        default="pharaoh",
        help=(
            "pharaoh: word links `i-j`, from 0 (default); with all weights, json: one object per"
            " line, or npz: arrays in a NumPy file"
        ),
    )
    alignment_arguments(align)
    align.add_argument(
        "--symmetrise",
        metavar="METHOD",
        help=(
            "with --reverse: intersection, union, grow-diag, grow-diag-final, "
            "grow-diag-final-and (default), forward, backward"
        ),
    )


def _pair_arguments(parser: argparse.ArgumentParser) -> None:
    run_argument(parser)
    parser.add_argument(
        "--source",
        type=given_path,
        required=True,
        metavar="FILE",
        help="source sentences, one per line",
    )
    parser.add_argument(
        "--target",
        type=given_path,
        required=True,
        metavar="FILE",
        help="their translations, one per line",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="lines scored together (default: the run's config)",
    )


def _score(options: argparse.Namespace) -> int:
    from nmt.inference.outputs import perplexity

    windows = _pairs_in_windows(options)
    translator = shared.load(RunOptions.parsed(options))
    translator.check_options(batch_size=options.batch_size)
    log_prob, num_tokens, num_lines = 0.0, 0, 0

    def answers() -> Iterator[list[str]]:
        nonlocal log_prob, num_tokens, num_lines
        for pairs in windows:
            with numbered_from(num_lines):
                scored = translator.score(*zip(*pairs, strict=True), batch_size=options.batch_size)
            yield [
                _scored_line(index, line, options.json)
                for index, line in enumerate(scored, num_lines)
            ]
            log_prob += sum(line.log_prob for line in scored)
            num_tokens += sum(len(line.tokens) for line in scored)
            num_lines += len(scored)

    write_answers(answers())
    say(
        f"perplexity = {perplexity(log_prob, num_tokens):.2f}  {num_tokens:,} tokens, {num_lines:,}"
        f" line{'' if num_lines == 1 else 's'}"
    )
    return 0


def _scored_line(index: int, scored: "ScoredTarget", as_json: bool) -> str:
    from nmt.inference.outputs import json_line

    return json_line(index, scored.as_dict()) if as_json else f"{scored.log_prob:.4f}"


def _align(options: argparse.Namespace) -> int:
    from nmt.evaluation.word_alignment import SYMMETRISATIONS
    from nmt.inference.aligner import align_pairs
    from nmt.text.lines import refuse_overwriting

    method = options.symmetrise or ("grow-diag-final-and" if options.reverse else "forward")
    if method not in SYMMETRISATIONS:
        raise UserError(
            f"--symmetrise must be one of {', '.join(SYMMETRISATIONS)}. Received: {method!r}."
        )
    if options.symmetrise and not options.reverse:
        raise UserError(
            "--symmetrise needs links of both directions. Give the run of the other one with"
            " --reverse."
        )
    if options.format == "npz" and not options.output:
        raise UserError("--format npz writes a file of arrays. Name it with --output.")
    if options.output:
        refuse_overwriting(options.output, paths_read(options))
    windows = _pairs_in_windows(options)
    links = AlignmentOptions.parsed(options)
    forward, backward = load_both(RunOptions.parsed(options), links.reverse)
    forward.check_options(batch_size=options.batch_size)
    with progress_bar("aligning", hidden=not options.output) as bar:

        def aligned() -> "Iterator[list[AlignedPair]]":
            number = 0
            for pairs in windows:
                with numbered_from(number):
                    window = align_pairs(
                        forward,
                        backward,
                        *zip(*pairs, strict=True),
                        lag=links.lag,
                        batch_size=options.batch_size,
                        progress=bar.update,
                    )
                yield window
                number += len(pairs)

        if options.format == "npz":
            _write_arrays(options.output, chain.from_iterable(aligned()), method, links.threshold)
        else:
            as_json = options.format == "json"
            lines = _aligned_lines(aligned(), method, links.threshold, as_json)
            write_answers(lines, options.output)
    return 0


def _aligned_lines(
    windows: "Iterable[list[AlignedPair]]", method: str, threshold: float, as_json: bool
) -> Iterator[list[str]]:
    from nmt.evaluation.word_alignment import format_pharaoh
    from nmt.inference.outputs import json_line

    number = 0
    for pairs in windows:
        links = [format_pharaoh(pair.links(method, threshold)) for pair in pairs]
        if as_json:
            both = enumerate(zip(pairs, links, strict=True), number)
            links = [
                json_line(index, {"links": of_pair, **pair.as_dict()})
                for index, (pair, of_pair) in both
            ]
        yield links
        number += len(pairs)


def _write_arrays(
    path: Path, pairs: "Iterable[AlignedPair]", method: str, threshold: float
) -> None:
    """Write `weights_0`, `links_0`, `weights_1`, ... for NumPy: a row a target word, a column a
    source word."""
    import numpy as np

    from nmt.text.lines import atomic_write

    with (
        atomic_write(path) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for index, pair in enumerate(pairs):
            links = np.array(sorted(pair.links(method, threshold)), np.int32).reshape(-1, 2)
            arrays = {"links": links, "weights": pair.forward.weights_TS.astype(np.float32)}
            if pair.backward:
                arrays["reverse_weights"] = pair.backward.weights_TS.astype(np.float32)
            for name, array in arrays.items():
                with archive.open(f"{name}_{index}.npy", "w") as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)


def _pairs_in_windows(options: argparse.Namespace) -> Iterator[list[tuple[str, str]]]:
    """Pairs of lines. The files are read twice, so that unequal lengths are reported before the
    model loads."""
    from nmt.text.lines import ParallelFiles, read_parallel

    for path in (options.source, options.target):
        if str(path) == "-" or (path.exists() and not path.is_file()):
            received = STANDARD_INPUT if str(path) == "-" else "a pipe or a folder"
            raise UserError(
                f"{path}: expected a file, which can be read twice. Received: {received}."
            )
    files = ParallelFiles(options.source, options.target)
    for _ in read_parallel(files):
        pass
    pairs = read_parallel(files)
    return iter(lambda: list(islice(pairs, LINES_AT_ONCE)), [])
