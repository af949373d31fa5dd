"""BPE-dropout (Provilkov et al., 2020): alternative segmentations of words, so that a model learns
what their parts mean."""

import random
from collections.abc import Sequence

import numpy as np

from nmt.seeding import derive_seed
from nmt.text.tokenizer import COPY_IDS, SMALL_ID, Tokenizer

NUM_VARIANTS = 64  # of each word; each occurrence draws one
MAX_CACHED = 500_000  # variants; text without spaces has as many words as lines


class SubwordSampler:
    """Re-segments encoded lines. Each possible BPE merge is skipped with probability `dropout`.

    Variants of a word are computed once and cached: merging in Python is slow, and words repeat.
    """

    def __init__(self, tokenizer: Tokenizer, dropout: float, seed: int):
        self.dropout, self.seed = dropout, seed
        pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
        self._ids = {piece: id for id, piece in enumerate(pieces)}
        self._pieces = pieces
        last_symbol = SMALL_ID if tokenizer.folds_initial else COPY_IDS[-1]
        self._fixed = {
            id
            for id in range(tokenizer.vocabulary_size)
            if tokenizer.is_byte(id) or id <= last_symbol
        }
        self._starts = np.array([piece.startswith("▁") for piece in pieces])
        self._variants: dict[tuple[tuple[int, ...], int], tuple[int, ...]] = {}

    def batch(self, rows: Sequence[np.ndarray], *path: int) -> list[list[int]]:
        """Another segmentation of each line; a pure function of lines and `path`, such as epoch and
        batch."""
        generator = np.random.default_rng(derive_seed(self.seed, "subwords", *path))
        return [self.sample(row, generator) for row in rows]

    def sample(self, ids: np.ndarray, generator: np.random.Generator) -> list[int]:
        """Another segmentation of the line that `ids` encode."""
        cuts = np.flatnonzero(self._starts[ids])
        bounds = [0, *cuts[cuts > 0].tolist(), len(ids)]
        drawn = generator.integers(NUM_VARIANTS, size=len(bounds) - 1).tolist()
        row: list[int] = ids.tolist()
        result: list[int] = []
        for start, end, index in zip(bounds, bounds[1:], drawn, strict=False):
            key = (tuple(row[start:end]), index)
            if key not in self._variants:
                if len(self._variants) >= MAX_CACHED:
                    self._variants.clear()
                self._variants[key] = self._segment(*key)
            result += self._variants[key]
        return result

    def _segment(self, word: tuple[int, ...], index: int) -> tuple[int, ...]:
        if not self._fixed.isdisjoint(word):
            return word
        generator = random.Random(derive_seed(self.seed, "subwords", *word, index))
        symbols = list("".join(self._pieces[id] for id in word))
        while True:
            # Ids of BPE pieces are in the order of their merges: the lowest id is the merge learnt
            # first.
            merges = [
                (id, place)
                for place in range(len(symbols) - 1)
                if (id := self._ids.get(symbols[place] + symbols[place + 1])) is not None
                and generator.random() >= self.dropout
            ]
            if not merges:
                return tuple(self._ids[symbol] for symbol in symbols)
            _, place = min(merges)
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
