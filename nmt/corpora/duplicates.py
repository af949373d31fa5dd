"""Pairs that occur more than once: the same, and nearly the same by MinHash (Broder 1997)."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nmt.about import is_installed
from nmt.corpora.pairs import Pair

SIMILARITY = 0.8  # Jaccard similarity of two near duplicates
NUM_BANDS, ROWS = 8, 4  # finds 98 % of the pairs at 0.8, and 38 % at 0.5, which are compared then
MAX_KEPT = 500_000  # earlier pairs in memory, to be compared with later ones
NO_LINE = -1


def pair_hash(source: str, target: str) -> int:
    text = f"{source}\n{target}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def bigrams(pair: Pair) -> list[str]:
    """Pairs of neighbouring words of both sides, with the edges of the lines.

    Words differ neither by case nor by punctuation. One other word changes two bigrams of a side,
    so that short sentences about different things are no near duplicates.
    """
    found = []
    for side, words in (("<", pair.source_words), (">", pair.target_words)):
        previous = side
        for word in words:
            found.append(f"{side}{previous} {word}")
            previous = word
        found.append(f"{side}{previous}{side}")
    return found


def can_compare() -> bool:
    return is_installed("rensa")


_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64
)


def _mixed(rows: np.ndarray) -> np.ndarray:
    """One hash of 32 bits for the ROWS values, on the last axis, of each band."""
    mixed = (rows * _MULTIPLIERS).sum(axis=-1, dtype=np.uint64)
    return (mixed >> np.uint64(32)).astype(np.uint32)


class Bands:
    """Locality-sensitive hashing: pairs that agree in a band of their signatures are candidates.

    Of each pair only a 32-bit hash per band is kept.
    """

    def __init__(self) -> None:
        self._bands: list[np.ndarray] = []

    def add(self, pairs: Sequence[Pair]) -> None:
        from rensa import RMinHash

        digests = RMinHash.digests_from_token_sets(
            [bigrams(pair) for pair in pairs], num_perm=NUM_BANDS * ROWS, seed=1
        )
        rows = np.array(digests, np.uint64).reshape(len(pairs), NUM_BANDS, ROWS)
        self._bands.append(_mixed(rows))

    def candidates(self) -> Iterator[tuple[int, int]]:
        """(index, earlier index) of pairs that agree in a band: with the first and the previous
        one of those that do."""
        if not self._bands:
            return
        bands = np.concatenate(self._bands)
        for band in range(NUM_BANDS):
            order = np.argsort(bands[:, band], kind="stable")
            values = bands[order, band]
            is_same = np.concatenate([[False], values[1:] == values[:-1]])
            starts = np.maximum.accumulate(np.where(is_same, 0, np.arange(len(order))))
            for place in np.flatnonzero(is_same).tolist():
                index = int(order[place])
                yield index, int(order[place - 1])
                if starts[place] != place - 1:
                    yield index, int(order[starts[place]])


class NearDuplicates:
    """Compares candidates in the order of the lines, keeping the bigrams of the earlier ones."""

    def __init__(self, candidates: Iterable[tuple[int, int]]):
        self._earlier: dict[int, set[int]] = {}
        for index, earlier in candidates:
            self._earlier.setdefault(index, set()).add(earlier)
        self._needed = {index for found in self._earlier.values() for index in found}
        self._kept: dict[int, frozenset[int]] = {}

    def earlier_copy(self, index: int, pair: Pair) -> int:
        """The index of an earlier pair that is nearly the same, or NO_LINE."""
        earlier = self._earlier.pop(index, None)
        if earlier is None and index not in self._needed:
            return NO_LINE
        grams = frozenset(map(hash, bigrams(pair)))
        if index in self._needed:
            if len(self._kept) >= MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))  # the oldest
            self._kept[index] = grams
        for other in sorted(earlier or ()):
            if other in self._kept and _jaccard(grams, self._kept[other]) >= SIMILARITY:
                return other
        return NO_LINE


def _jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)
