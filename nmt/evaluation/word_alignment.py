"""Word alignments from attention: links between words, symmetrisation, formats, alignment error
rate, and statistics of attention.

S source words or pieces  T target words or pieces

**Which row belongs to which token.** Row t of a teacher-forced pass is the attention of the step
that reads target token t - 1 and predicts target token t, so row t aligns token t. This holds for
all cells, although their queries differ. In `update_first` (Luong) and `conditional` the query is
the state after token t - 1. In `attend_first` (Bahdanau) it is the state after token t - 2; token
t - 1 joins the context in the recurrent layer only. Its rows are softer and sometimes attend to
what the previous token needed. `with_lag` aligns token t by row t + lag: 1 for a model that attends
to a source word only after translating it, -1 for one that attends ahead. `nmt evaluate
--gold-alignments --lag` measures which lag fits; so far it has always been 0.
"""

import bisect
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmt.errors import UserError
from nmt.text.spans import Span

Links = frozenset[tuple[int, int]]  # (source word, target word), from 0

_PHARAOH = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
_GOLD = re.compile(r"(\d{1,9})([-p])(\d{1,9})", re.ASCII)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Attention between the words of a line and its translation, weights ts; rows sum to at most 1.

    Words are separated by white space. Spans are those of the words in the raw lines.
    """

    source_words: list[str]
    target_words: list[str]
    weights_TS: np.ndarray
    source_spans: list[Span]
    target_spans: list[Span]
    target_word_of_piece: Sequence[int] = ()  # for each target piece but </s>; -1: no word

    def links(self, threshold: float = 0.0) -> Links:
        """Links (source word, target word), from 0: of each target word to the source word with the
        highest weight, if that is above the threshold."""
        return strongest_links(self.weights_TS, threshold)


# ---------------------------------------------------------------------------- from weights to links


def with_lag(weights_TS: np.ndarray, lag: int) -> np.ndarray:
    """Replaces row t by row t + lag, or by the first or last row where there is none. See above."""
    num_rows = len(weights_TS)
    lag = max(-num_rows, min(num_rows, lag))  # a larger one may not fit into 64 bits
    return weights_TS[np.clip(np.arange(num_rows) + lag, 0, max(num_rows - 1, 0))]


def merge_pieces(
    weights_TS: Any,
    source_words_of_piece: Sequence[int],
    target_words_of_piece: Sequence[int],
    num_words: tuple[int, int] | None = None,
) -> np.ndarray:
    """Attention between words from attention between their pieces.

    `source_words_of_piece[s]` is the index of the word of piece s, or -1 to leave the piece out
    (`</s>`, padding); likewise for the target. Columns are summed over the pieces of a source word,
    as a row is a distribution over them. Rows are averaged over the pieces of a target word, so a
    row still sums to 1 if no source piece is left out. The result has `num_words` (source, target)
    columns and rows, by default up to the highest index; a word without pieces gets zeros.

    Raises ValueError if a sequence is not as long as its axis, or holds an index below -1.
    """
    weights_TS = np.asarray(weights_TS, np.float64)
    shape = len(target_words_of_piece), len(source_words_of_piece)
    if weights_TS.shape != shape:
        raise ValueError(
            f"weights must have a row for each target and a column for each source piece: {shape}. "
            f"Received: {weights_TS.shape}."
        )
    source_words = np.array(source_words_of_piece, int)
    target_words = np.array(target_words_of_piece, int)
    for side, words in (("source", source_words), ("target", target_words)):
        if words.min(initial=-1) < -1:
            raise ValueError(
                f"{side} words must be indices from 0, or -1 to leave a piece out. Received:"
                f" {words.min()}."
            )
    if num_words is None:
        num_words = source_words.max(initial=-1) + 1, target_words.max(initial=-1) + 1
    num_source, num_target = num_words
    sums_TS = np.zeros((num_target, num_source))
    add_pieces(sums_TS, weights_TS, source_words, target_words)
    return mean_over_pieces(sums_TS, target_words)


def add_pieces(
    sums_TS: np.ndarray, weights_TS: np.ndarray, source_words: np.ndarray, target_words: np.ndarray
) -> None:
    """Adds attention between pieces to sums over words, in place. See `merge_pieces`."""
    is_source, is_target = source_words >= 0, target_words >= 0
    words, places = np.unique(source_words[is_source], return_inverse=True)
    # Scattered sums instead of products with 0-1 matrices, where one NaN would affect every word.
    by_word_TS = np.zeros((np.count_nonzero(is_target), len(words)))
    np.add.at(by_word_TS.T, places, weights_TS[np.ix_(is_target, is_source)].T)
    np.add.at(sums_TS, (target_words[is_target][:, None], words[None, :]), by_word_TS)


def mean_over_pieces(sums_TS: np.ndarray, target_words: np.ndarray) -> np.ndarray:
    """Divides sums over the pieces of each target word by the number of its pieces."""
    counts_T = np.bincount(target_words[target_words >= 0], minlength=len(sums_TS))
    return sums_TS / np.maximum(counts_T, 1)[:, None]


def strongest_links(weights_TS: np.ndarray, threshold: float = 0.0) -> Links:
    """Links each target word to the source word with the highest weight, if above `threshold`.

    Ties go to the first source word. A higher threshold leaves doubtful words unaligned: precision
    rises and recall falls.
    """
    if not weights_TS.size:
        return frozenset()
    best_T = weights_TS.argmax(axis=1)
    return frozenset((int(s), t) for t, s in enumerate(best_T) if weights_TS[t, s] > threshold)


def diagonal_links(num_source: int, num_target: int) -> Links:
    """Baseline: links each target word to the source word at the same relative position."""
    if not num_source:
        return frozenset()
    return frozenset(((2 * t + 1) * num_source // (2 * num_target), t) for t in range(num_target))


# ----------------------------------------------------------------------------------- symmetrisation

# In the order in which symal tries them.
_NEIGHBOURS = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]


def forward_only(forward: Links, backward: Links) -> Links:
    return forward


def backward_only(forward: Links, backward: Links) -> Links:
    return backward


def intersection(forward: Links, backward: Links) -> Links:
    return forward & backward


def union(forward: Links, backward: Links) -> Links:
    return forward | backward


def grow_diag(forward: Links, backward: Links) -> Links:
    """Grows the intersection by links of the union that are adjacent to it, also diagonally, and
    have a word without a link.

    The result depends on the order, which is that of Moses' symal: by target word, then source
    word, and added links count at once.
    """
    candidates, grown = forward | backward, forward & backward
    linked_sources, linked_targets = {s for s, _ in grown}, {t for _, t in grown}
    order = sorted((t, s) for s, t in grown)
    size_before = -1
    while len(order) > size_before:
        size_before = len(order)
        index = 0
        while index < len(order):
            t, s = order[index]
            for new in [(t + dt, s + ds) for dt, ds in _NEIGHBOURS]:
                if (new[1], new[0]) in candidates and not (
                    new[1] in linked_sources and new[0] in linked_targets
                ):
                    linked_sources.add(new[1])
                    linked_targets.add(new[0])
                    index += new < (t, s)  # the current link moves up by one
                    bisect.insort(order, new)
            index += 1
    return frozenset((s, t) for t, s in order)


def grow_diag_final(forward: Links, backward: Links) -> Links:
    """`grow_diag`, then every link of the union with at least one word that has no link yet."""
    return _final(grow_diag(forward, backward), forward, backward, both=False)


def grow_diag_final_and(forward: Links, backward: Links) -> Links:
    """`grow_diag`, then every link of the union between two words that have no link yet."""
    return _final(grow_diag(forward, backward), forward, backward, both=True)


def _final(grown: Links, forward: Links, backward: Links, both: bool) -> Links:
    linked_sources, linked_targets = {s for s, _ in grown}, {t for _, t in grown}
    result = set(grown)
    for links in (forward, backward):  # by target word, then source word, as above
        for s, t in sorted(links - result, key=lambda link: (link[1], link[0])):
            is_new = (s not in linked_sources, t not in linked_targets)
            if all(is_new) if both else any(is_new):
                result.add((s, t))
                linked_sources.add(s)
                linked_targets.add(t)
    return frozenset(result)


# Och and Ney (2003); Koehn, Och and Marcu (2003). `forward` links come from a model source ->
# target, at most one per target word; `backward` links from a model target -> source, at most one
# per source word. Both are (source, target).
SYMMETRISATIONS = {
    "forward": forward_only,
    "backward": backward_only,
    "intersection": intersection,
    "union": union,
    "grow-diag": grow_diag,
    "grow-diag-final": grow_diag_final,
    "grow-diag-final-and": grow_diag_final_and,
}


def reversed_links(links: Links) -> Links:
    return frozenset((s, t) for t, s in links)


# ------------------------------------------------------------------------------------------ formats


def format_pharaoh(links: Links) -> str:
    """`i-j`, source first, from 0, by source word: "0-0 1-2"."""
    return " ".join(f"{s}-{t}" for s, t in sorted(links))


def parse_pharaoh(line: str) -> Links:
    """Parses the format of `format_pharaoh`. Raises UserError for anything else."""
    return frozenset((int(s), int(t)) for s, t in _parsed(_PHARAOH, line, "links such as 0-0 1-2"))


def parse_gold(line: str) -> tuple[Links, Links]:
    """Sure and possible links of a manual alignment: `i-j` sure, `ipj` possible, source first,
    counted from **1**.

    Sure links are also possible links. Both are returned counted from 0. Raises UserError for any
    other line.
    """
    sure, possible = set(), set()
    for s, kind, t in _parsed(_GOLD, line, "sure and possible links such as 1-1 2p3"):
        if not (int(s) and int(t)):
            raise UserError(f"gold alignments count words from 1. Received: {s}{kind}{t}.")
        possible.add((int(s) - 1, int(t) - 1))
        if kind == "-":
            sure.add((int(s) - 1, int(t) - 1))
    return frozenset(sure), frozenset(possible)


def _parsed(form: re.Pattern[str], line: str, expected: str) -> Iterable[tuple[str, ...]]:
    for text in line.split():
        match = form.fullmatch(text)
        if not match:
            raise UserError(f"expected {expected}. Received: {text[:60]!r}.")
        yield match.groups()


# --------------------------------------------------------------------------------------- error rate


@dataclass(frozen=True)
class AlignmentScore:
    """Links against gold links (Och and Ney, 2003, equations 2 and 3).

    Precision counts possible, recall sure links. The alignment error rate over all sentences is
    AER = 1 - (|A & S| + |A & P|) / (|A| + |S|); 0 is best.
    """

    precision: float
    recall: float
    error_rate: float
    num_links: int

    def as_dict(self) -> Mapping[str, float | int]:
        return {
            "precision": self.precision,
            "recall": self.recall,
            "aer": self.error_rate,
            "links": self.num_links,
        }

    def __str__(self) -> str:
        rates = f"precision {100 * self.precision:.1f}, recall {100 * self.recall:.1f}"
        return f"AER = {100 * self.error_rate:.1f}  {rates}, {self.num_links} links"


def alignment_score(
    hypotheses: Sequence[Links], gold: Sequence[tuple[Links, Links]]
) -> AlignmentScore:
    """`gold` holds (sure, possible) links for each sentence.

    Precision is 1 if there are no links. Raises UserError for unequal counts and if there are no
    sure gold links.
    """
    if len(hypotheses) != len(gold):
        raise UserError(
            f"alignments and gold alignments must be equally many. Received: {len(hypotheses)} and"
            f" {len(gold)}."
        )
    num_links = sum(map(len, hypotheses))
    num_sure = sum(len(sure) for sure, _ in gold)
    if not num_sure:
        raise UserError("an error rate needs sure gold links. Received: none.")
    num_possible_hits = sum(
        len(links & (sure | possible))
        for links, (sure, possible) in zip(hypotheses, gold, strict=True)
    )
    num_sure_hits = sum(
        len(links & sure) for links, (sure, _) in zip(hypotheses, gold, strict=True)
    )
    return AlignmentScore(
        precision=num_possible_hits / num_links if num_links else 1.0,
        recall=num_sure_hits / num_sure,
        error_rate=1 - (num_sure_hits + num_possible_hits) / (num_links + num_sure),
        num_links=num_links,
    )


# ---------------------------------------------------------------------------- attention statistics


@dataclass(frozen=True)
class Behaviour:
    """Statistics of attention between words over a text; None for a model without attention.

    entropy       mean entropy of a target word's weights, in bits: 0 if all weight is on one word,
                  log2 S if it is uniform
    coverage      mean over source words of the total weight from all target words, capped at 1 as
                  in the coverage penalty of GNMT
    monotonicity  share of forward moves among the moves of the strongest source word from one
                  target word to the next
    """

    entropy: float | None = None
    coverage: float | None = None
    monotonicity: float | None = None


def attention_behaviour(alignments: Iterable[Alignment]) -> Behaviour:
    """Statistics over all words of a text with equal weight.

    Rows are scaled to sum to 1, as part of their weight may be on `</s>`. Empty rows are left out.
    """
    entropies: list[np.ndarray] = []
    coverages: list[np.ndarray] = []
    moves: list[np.ndarray] = []
    for weights_TS in (
        alignment.weights_TS for alignment in alignments if alignment.weights_TS.size
    ):
        coverages.append(np.minimum(weights_TS.sum(axis=0), 1.0))
        weights_TS = weights_TS[weights_TS.any(axis=1)]
        weights_TS = weights_TS / weights_TS.sum(axis=1, keepdims=True)
        entropies.append(
            -np.sum(weights_TS * np.log2(np.where(weights_TS > 0, weights_TS, 1.0)), axis=1)
        )
        moves.append(np.diff(weights_TS.argmax(axis=1)))
    if not any(map(len, entropies)):
        return Behaviour()
    moved = [move for move in itertools.chain.from_iterable(moves) if move]
    return Behaviour(
        entropy=float(np.mean(np.concatenate(entropies))),
        coverage=float(np.mean(np.concatenate(coverages))),
        monotonicity=float(np.mean(np.array(moved) > 0)) if moved else None,
    )
