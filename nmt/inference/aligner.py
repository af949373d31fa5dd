"""Word alignments of parallel lines, by one model or by two of opposite directions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import UserError
from nmt.evaluation.word_alignment import (
    SYMMETRISATIONS,
    Alignment,
    AlignmentScore,
    Links,
    alignment_score,
    diagonal_links,
    parse_gold,
    reversed_links,
)
from nmt.inference.outputs import DIGITS
from nmt.inference.translator import ProgressCallback, Translator
from nmt.text.lines import read_lines

Gold = tuple[Links, Links]  # sure, possible


@dataclass(frozen=True)
class AlignedPair:
    """The alignments of a pair of lines by one model or two. The targets of `backward` are words of
    the source line."""

    forward: Alignment
    backward: Alignment | None = None

    def links(self, method: str = "forward", threshold: float = 0.0) -> Links:
        """Links by a method of SYMMETRISATIONS, which is ignored if there is one model. See
        `strongest_links` for `threshold`."""
        there = self.forward.links(threshold)
        if self.backward is None:
            return there
        return SYMMETRISATIONS[method](there, reversed_links(self.backward.links(threshold)))

    def as_dict(self) -> dict[str, Any]:
        """`weights` has a row for each target word, `reverse_weights` one for each source word."""
        reverse = (
            {}
            if self.backward is None
            else {"reverse_weights": self.backward.weights_TS.round(DIGITS).tolist()}
        )
        return {
            "source_words": self.forward.source_words,
            "target_words": self.forward.target_words,
            "source_spans": self.forward.source_spans,
            "target_spans": self.forward.target_spans,
            "weights": self.forward.weights_TS.round(DIGITS).tolist(),
            **reverse,
        }


def align_pairs(
    forward: Translator,
    backward: Translator | None,
    sources: Iterable[str],
    targets: Iterable[str],
    *,
    lag: int = 0,
    batch_size: int | None = None,
    progress: ProgressCallback | None = None,
) -> list[AlignedPair]:
    """Aligns each source line with its target line. Raises UserError unless there are equally many,
    and the models translate in opposite directions."""
    if backward:
        there, back = forward.run.config.data, backward.run.config.data
        if (there.source, there.target) != (back.target, back.source):
            raise UserError(
                f"the reversed run must translate {there.target} -> {there.source}. "
                f"Received: one for {back.source} -> {back.target}."
            )
    sources, targets = list(sources), list(targets)
    aligned = forward.align_lines(
        sources, targets, lag=lag, batch_size=batch_size, progress=progress
    )
    if not backward:
        return [AlignedPair(there) for there in aligned]
    reversed_ = backward.align_lines(targets, sources, lag=lag, batch_size=batch_size)
    return [AlignedPair(*pair) for pair in zip(aligned, reversed_, strict=True)]


# ------------------------------------------------------------------------------- against gold links


def read_gold(path: Path, sources: Sequence[str], targets: Sequence[str]) -> list[Gold]:
    """Reads the gold links of each pair of lines (`parse_gold`). Raises UserError, with the line,
    for links that do not fit the lines, and if no link is sure."""
    lines = list(read_lines(path))
    if not len(lines) == len(sources) == len(targets):
        raise UserError(
            "source, target and gold alignments must have equally many lines. Received:"
            f" {len(sources)}, {len(targets)}, and {len(lines)} in {path}."
        )
    gold = []
    for number, (line, source, target) in enumerate(
        zip(lines, sources, targets, strict=True), start=1
    ):
        try:
            sure, possible = parse_gold(line)
        except UserError as error:
            raise UserError(f"{path}, line {number}: {error}") from error
        num_source, num_target = len(source.split()), len(target.split())
        beyond = [(s + 1, t + 1) for s, t in sorted(possible) if s >= num_source or t >= num_target]
        if beyond:
            raise UserError(
                f"{path}, line {number}: expected links between {num_source} source and"
                f" {num_target} target words, counted from 1 and parted by white space. Received:"
                f" {beyond[0][0]} to {beyond[0][1]}."
            )
        gold.append((sure, possible))
    if not any(sure for sure, _ in gold):  # before anything is trained or aligned
        raise UserError(f"{path}: an error rate needs sure gold links, `i-j`. Received: none.")
    return gold


def alignment_scores(
    aligned: Sequence[AlignedPair], gold: Sequence[Gold], threshold: float = 0.0
) -> dict[str, AlignmentScore]:
    """Scores of every applicable method, and of the diagonal as a baseline, by name."""
    methods = SYMMETRISATIONS if all(pair.backward for pair in aligned) else ["forward"]
    scores = {
        method: alignment_score([pair.links(method, threshold) for pair in aligned], gold)
        for method in methods
    }
    sizes = [(len(pair.forward.source_words), len(pair.forward.target_words)) for pair in aligned]
    return {**scores, "diagonal": alignment_score([diagonal_links(*size) for size in sizes], gold)}
