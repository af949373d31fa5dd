"""Word alignments: from attention between sub-words to links between words; their formats, union
and error rate; and how attention behaves.

S source words or pieces  T target words or pieces

**Which row belongs to which token.** Row t of a teacher-forced pass is the attention of the step
that reads target token t - 1 and predicts target token t; so row t is taken for token t. All cells
agree on this, though their queries know different things. `update_first` (Luong) and `conditional`
ask with the state that has just read token t - 1. `attend_first` (Bahdanau) asks with the state
before that, which has read up to token t - 2, and token t - 1 joins the context only in the
recurrent layer: its rows are softer, and now and then look at what the token before needed.
`with_lag` takes row t + lag for token t: 1 for a model that looks at a source word only once it has
written it, -1 for one that looks ahead. `nmt evaluate --alignments --lag` measures which fits; so
far it has always been 0.
"""

import bisect
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmt.errors import UserError

Links = frozenset[tuple[int, int]]  # (source word, target word), from 0
Span = tuple[int, int]  # start and end, in characters

_PHARAOH = re.compile(r"(\d+)-(\d+)", re.ASCII)
_GOLD = re.compile(r"(\d+)([-p])(\d+)", re.ASCII)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a model looked while it wrote `target_words`: weights ts over words; rows sum to at
    most 1.

    Words are what white space parts. A word's span says where in the raw line it stands:
    `line[start:end]`. Each target piece but </s> belongs to a word, -1: to none.
    """

    source_words: list[str]
    target_words: list[str]
    weights_TS: np.ndarray
    source_spans: list[Span]
    target_spans: list[Span]
    target_word_of_piece: Sequence[int] = ()

    def links(self, threshold: float = 0.0) -> Links:
        """`strongest_links` of the weights."""
        return strongest_links(self.weights_TS, threshold)


# ---------------------------------------------------------------------------- from weights to links


def with_lag(weights_TS: np.ndarray, lag: int) -> np.ndarray:
    """Row t + lag in the place of row t; the first or last row where there is none. See above."""
    return weights_TS[np.clip(np.arange(len(weights_TS)) + lag, 0, max(len(weights_TS) - 1, 0))]


def merge_pieces(
    weights_TS: Any,
    source_words_of_piece: Sequence[int],
    target_words_of_piece: Sequence[int],
    num_words: tuple[int, int] | None = None,
) -> np.ndarray:
    """Attention between words, from attention between the pieces they were cut into.

    `source_words_of_piece[s]` is the index of the word that piece s belongs to, -1 for one to leave
    out (`</s>`, padding); likewise for the target. Columns are summed over the pieces of a source
    word, for a row is a distribution over them; rows are averaged over the pieces of a target word,
    so a row still sums to 1 if no source piece was left out. The result has a column and a row for
    each of `num_words`, source and target (not given: up to the highest index); a word without
    pieces gets zeros.

    Raises ValueError if a sequence is not as long as its axis, or holds an index below -1.
    """
    weights_TS = np.asarray(weights_TS, np.float64)
    shape = len(target_words_of_piece), len(source_words_of_piece)
    if weights_TS.shape != shape:
        raise ValueError(
            f"weights must have a row for each target and a column for each source piece: {shape}. "
            f"Received: {weights_TS.shape}."
        )
    source_words, target_words = (
        np.array(source_words_of_piece, int),
        np.array(target_words_of_piece, int),
    )
    for side, words in (("source", source_words), ("target", target_words)):
        if words.min(initial=-1) < -1:
            raise ValueError(
                f"{side} words must be indices from 0, or -1 to leave a piece out. Received:"
                f" {words.min()}."
            )
    num_source, num_target = num_words or (
        source_words.max(initial=-1) + 1,
        target_words.max(initial=-1) + 1,
    )
    sums_TS = np.zeros((num_target, num_source))
    add_pieces(sums_TS, weights_TS, source_words, target_words)
    return mean_over_pieces(sums_TS, target_words)


def add_pieces(
    sums_TS: np.ndarray, weights_TS: np.ndarray, source_words: np.ndarray, target_words: np.ndarray
) -> None:
    """Adds attention between pieces to sums over words, in place. See `merge_pieces`."""
    is_source, is_target = source_words >= 0, target_words >= 0
    words, places = np.unique(source_words[is_source], return_inverse=True)
    # Scattered sums rather than products with 0-1 matrices, in which one NaN would reach every
    # word.
    by_word_TS = np.zeros((np.count_nonzero(is_target), len(words)))
    np.add.at(by_word_TS.T, places, weights_TS[np.ix_(is_target, is_source)].T)
    np.add.at(sums_TS, (target_words[is_target][:, None], words[None, :]), by_word_TS)


def mean_over_pieces(sums_TS: np.ndarray, target_words: np.ndarray) -> np.ndarray:
    """Sums over the pieces of each target word -> means."""
    counts_T = np.bincount(target_words[target_words >= 0], minlength=len(sums_TS))
    return sums_TS / np.maximum(counts_T, 1)[:, None]


def strongest_links(weights_TS: np.ndarray, threshold: float = 0.0) -> Links:
    """Each target word with the source word that has most of its weight, where that is above
    `threshold`.

    The first of equals wins. A higher threshold leaves doubtful words unaligned: precision grows,
    recall falls.
    """
    if not weights_TS.size:
        return frozenset()
    best_T = weights_TS.argmax(axis=1)
    return frozenset((int(s), t) for t, s in enumerate(best_T) if weights_TS[t, s] > threshold)


def diagonal_links(num_source: int, num_target: int) -> Links:
    """The baseline that reads no word: each target word with the source word as far along in its
    sentence."""
    if not num_source:
        return frozenset()
    return frozenset(((2 * t + 1) * num_source // (2 * num_target), t) for t in range(num_target))


# ----------------------------------------------------------------------------------- symmetrisation

_NEIGHBOURS = [
    (-1, 0),
    (0, -1),
    (1, 0),
    (0, 1),
    (-1, -1),
    (-1, 1),
    (1, -1),
    (1, 1),
]  # in the order they are tried


def forward_alone(forward: Links, backward: Links) -> Links:
    return forward


def backward_alone(forward: Links, backward: Links) -> Links:
    return backward


def intersection(forward: Links, backward: Links) -> Links:
    return forward & backward


def union(forward: Links, backward: Links) -> Links:
    return forward | backward


def grow_diag(forward: Links, backward: Links) -> Links:
    """The intersection, grown: links of the union that touch it, diagonally too, and reach a word
    not yet linked.

    The order is that of Moses' symal, on which the outcome depends: by target word, then source
    word, and a link that was added counts from then on.
    """
    candidates, grown = forward | backward, forward & backward
    linked_sources, linked_targets = {s for s, _ in grown}, {t for _, t in grown}
    order = sorted((t, s) for s, t in grown)
    size_before = -1
    while len(order) > size_before:
        size_before = len(order)
        place = 0
        while place < len(order):
            t, s = order[place]
            for new in [(t + dt, s + ds) for dt, ds in _NEIGHBOURS]:
                if (new[1], new[0]) in candidates and not (
                    new[1] in linked_sources and new[0] in linked_targets
                ):
                    linked_sources.add(new[1])
                    linked_targets.add(new[0])
                    place += new < (t, s)  # this link moves up by one
                    bisect.insort(order, new)
            place += 1
    return frozenset((s, t) for t, s in order)


def grow_diag_final(forward: Links, backward: Links) -> Links:
    """`grow_diag`, and then every link of the union with a word, on either side, that nothing is
    linked to yet."""
    return _final(grow_diag(forward, backward), forward, backward, both=False)


def grow_diag_final_and(forward: Links, backward: Links) -> Links:
    """`grow_diag`, and then every link of the union between two words that nothing is linked to
    yet."""
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


# Och and Ney (2003); Koehn, Och and Marcu (2003). `forward` has links from a model source ->
# target, at most one a target word; `backward` from a model target -> source, at most one a source
# word; both as (source, target).
SYMMETRISATIONS = {
    "forward": forward_alone,
    "backward": backward_alone,
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
    """What `format_pharaoh` wrote. Raises UserError for anything else."""
    return frozenset((int(s), int(t)) for s, t in _parsed(_PHARAOH, line, "links such as 0-0 1-2"))


def parse_gold(line: str) -> tuple[Links, Links]:
    """Sure and possible links of a hand-made alignment: `i-j` sure, `ipj` possible, source first,
    from **1**.

    Sure links are possible ones, too. Both are returned from 0. Raises UserError for what is no
    such line.
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
            raise UserError(f"expected {expected}. Received: {text!r}.")
        yield match.groups()


# --------------------------------------------------------------------------------------- error rate


@dataclass(frozen=True)
class AlignmentScore:
    """Links against gold ones (Och and Ney, 2003, equations 2 and 3). Precision is of possible,
    recall of sure links.

    AER = 1 - (|A & S| + |A & P|) / (|A| + |S|) over all sentences together: 0 is best.
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
    """`gold` holds (sure, possible) for each sentence. Raises UserError for unequal counts and
    where there is no gold.

    Precision is 1 where there are no links at all: none is wrong.
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
    right = sum(
        len(links & (sure | possible))
        for links, (sure, possible) in zip(hypotheses, gold, strict=True)
    )
    found = sum(len(links & sure) for links, (sure, _) in zip(hypotheses, gold, strict=True))
    return AlignmentScore(
        precision=right / num_links if num_links else 1.0,
        recall=found / num_sure,
        error_rate=1 - (found + right) / (num_links + num_sure),
        num_links=num_links,
    )


# ---------------------------------------------------------------------------------------- behaviour


@dataclass(frozen=True)
class Behaviour:
    """How attention between words behaves over a text. None where there is nothing to say: of a
    model without any.

    entropy       of a target word's weights, in bits, mean: 0 where all looks at one word, log2 S where none stands out
    coverage      what a source word gets from all target words together, at most 1 (as in GNMT's penalty), mean
    monotonicity  of the steps to the next target word at which another source word becomes the strongest, the share
                  that goes forward
    """

    entropy: float | None = None
    coverage: float | None = None
    monotonicity: float | None = None


def attention_behaviour(alignments: Iterable[Alignment]) -> Behaviour:
    """Of all words of a text alike. A row is scaled to sum to 1: part of it was `</s>`'s. Empty
    rows are left out."""
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
