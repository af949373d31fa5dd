"""IBM model 1 (Brown et al. 1993): whether two lines translate each other, by their words."""

import itertools
import math
import random
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from nmt.corpora.words import is_unspaced

Words = Sequence[str]
NULL = ""
SEED = 1


class Lexicon:
    """Probabilities t(target word | source word), trained on pairs of lines by EM.

    A line counts as a set of words. Words that the sample has only once are unknown, but a word
    that stands on both sides, such as a name or a number, translates itself.
    """

    MAX_WORDS = 30  # of a line; the rest is not looked at
    # Target words that are more frequent say little, and rarer ones are not known well enough. Both
    # are left out of scores where there are so many others.
    COMMON, RARE, LARGE = 0.01, 5, 1000
    MAX_CELLS = 4_000_000  # pairs of words to train on: bounds memory and time
    ITERATIONS = 5
    UNRELATED = 0.2  # weight of the words' frequencies, which explain any word
    # Words that are seen in training, and unexplained, before any other: what explains a rare word
    # is not known well.
    PRIOR = 2.0
    COPY = 0.5  # probability that a word translates itself
    SMALLEST = 5e-3  # lower probabilities are not stored

    def __init__(
        self, table: dict[str, dict[str, float]], unrelated: dict[str, tuple[float, float]]
    ):
        self._table = table  # target word -> source word -> probability
        self._unrelated = unrelated  # target word -> its frequency, and the weight of that

    @classmethod
    def train(cls, pairs: Sequence[tuple[Words, Words]]) -> "Lexicon":
        # In random order: a corpus is sorted by subject or length, and the rest may be cut off.
        pairs = _first_cells(random.Random(SEED).sample(pairs, len(pairs)), cls.MAX_CELLS)
        sides = [(_distinct(source), _distinct(target)) for source, target in pairs]
        indices = [
            {word: i for i, word in enumerate([NULL, *_repeated(lines)])}
            for lines in ([source for source, _ in sides], [target for _, target in sides])
        ]
        source_ids, target_ids = [], []
        for source, target in sides:
            known = [indices[0][word] for word in source if word in indices[0]]
            found = [indices[1][word] for word in target if word in indices[1]]
            source_ids.append(np.array([0, *known], np.int64))
            target_ids.append(np.array(found, np.int64))
        table = cls._expectation_maximization(source_ids, target_ids, indices)
        counts = Counter(word for _, target in pairs for word in target[: cls.MAX_WORDS])
        total = sum(counts.values())
        fewest, most = 1.0, float(total)
        if len(indices[1]) > cls.LARGE:
            fewest, most = cls.RARE, cls.COMMON * total
        unrelated = {
            word: (count / total, (cls.UNRELATED * count + cls.PRIOR) / (count + cls.PRIOR))
            for word in indices[1]
            if fewest <= (count := counts[word]) <= most
        }
        return cls(table, unrelated)

    @classmethod
    def _expectation_maximization(
        cls,
        source_ids: list[np.ndarray],
        target_ids: list[np.ndarray],
        indices: list[dict[str, int]],
    ) -> dict[str, dict[str, float]]:
        # A cell is a source word and a target word of one pair of lines.
        num_source = len(indices[0])
        cells, groups, group = [], [], 0
        for source, target in zip(source_ids, target_ids, strict=True):
            cells.append((target[:, None] * num_source + source[None, :]).ravel())
            groups.append(np.repeat(np.arange(group, group + len(target)), len(source)))
            group += len(target)
        if not group:
            return {}
        entries, entry_of_cell = np.unique(np.concatenate(cells), return_inverse=True)
        group_of_cell = np.concatenate(groups)
        source_of_entry = entries % num_source
        probabilities = np.ones(len(entries))
        for _ in range(cls.ITERATIONS):
            weights = probabilities[entry_of_cell]
            weights /= np.bincount(group_of_cell, weights)[group_of_cell]
            counts = np.bincount(entry_of_cell, weights, len(entries))
            probabilities = counts / np.bincount(source_of_entry, counts)[source_of_entry]
        source_words, target_words = list(indices[0]), list(indices[1])
        table: dict[str, dict[str, float]] = {}
        for index in np.flatnonzero(probabilities >= cls.SMALLEST):
            target_id, source_id = divmod(int(entries[index]), num_source)
            row = table.setdefault(target_words[target_id], {})
            row[source_words[source_id]] = float(probabilities[index])
        return table

    def score(self, source: Words, target: Words) -> float:
        """log p(target | source) - log p(target): above 0 for lines that belong together, below 0
        for lines that do not."""
        words = set(source[: self.MAX_WORDS])
        words.add(NULL)
        size, score = len(words), 0.0
        for word in target[: self.MAX_WORDS]:
            if not (unrelated := self._unrelated.get(word)):
                continue
            frequency, weight = unrelated
            row = self._table.get(word, {})
            explained = sum([row[other] for other in row.keys() & words])
            if word in words:
                explained = max(explained, self.COPY)
            mixture = weight * frequency + (1 - weight) * explained / size
            score += math.log(mixture / frequency)
        return score


class CrossFittedLexicon:
    """Two lexicons, each trained on one half of the sample. A pair is scored by the lexicon of the
    other half: one that was trained on the pair itself explains whatever stands in it.

    The half of a pair depends on its words only. Copies of a pair are in the same half, and so are
    pairs outside the sample in one of the two. Where the target is in a script without spaces and
    the source is not, the target explains the source: the letters of a word that is unknown would
    all count against the pair.
    """

    def __init__(self, lexicons: tuple[Lexicon, Lexicon], is_reversed: bool):
        self._lexicons, self._is_reversed = lexicons, is_reversed

    @classmethod
    def train(cls, pairs: Sequence[tuple[Words, Words]]) -> "CrossFittedLexicon":
        halves: tuple[list[tuple[Words, Words]], ...] = ([], [])
        num_letters = [sum(is_unspaced(word) for p in pairs for word in p[side]) for side in (0, 1)]
        is_reversed = num_letters[1] > num_letters[0]
        for source, target in pairs:
            halves[_half(source, target)].append(
                (target, source) if is_reversed else (source, target)
            )
        return cls((Lexicon.train(halves[0]), Lexicon.train(halves[1])), is_reversed)

    def score(self, source: Words, target: Words) -> float:
        """`Lexicon.score` by the lexicon that was not trained on this pair."""
        lexicon = self._lexicons[1 - _half(source, target)]
        return lexicon.score(target, source) if self._is_reversed else lexicon.score(source, target)


def _half(source: Words, target: Words) -> int:
    text = f"{' '.join(source)}\n{' '.join(target)}"
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) & 1


def _first_cells(
    pairs: Sequence[tuple[Words, Words]], max_cells: int
) -> Sequence[tuple[Words, Words]]:
    """The first pairs, so many that they have at most this many pairs of words."""
    num_cells = 0
    for index, (source, target) in enumerate(pairs):
        num_cells += (1 + len(source[: Lexicon.MAX_WORDS])) * len(target[: Lexicon.MAX_WORDS])
        if num_cells > max_cells:
            return pairs[:index]
    return pairs


def _distinct(words: Words) -> list[str]:
    return list(dict.fromkeys(words[: Lexicon.MAX_WORDS]))


def _repeated(lines: Sequence[Sequence[str]]) -> list[str]:
    counts = Counter(itertools.chain.from_iterable(lines))
    return [word for word, count in counts.items() if count > 1]
