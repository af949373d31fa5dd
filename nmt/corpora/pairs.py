"""Pairs of lines as the checks see them, and what is learnt from a sample of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nmt.corpora.ibm_model1 import CrossFittedLexicon, Lexicon
from nmt.corpora.languages import LanguageEvidence, Verdict
from nmt.corpora.typography import Conventions
from nmt.corpora.words import has_letters_only, words_of
from nmt.text.lines import ParallelFiles, is_blank, read_parallel

LENGTH_RATIO = "length ratio"  # a feature
TRANSLATION = "IBM model 1"  # a feature: how well the words translate each other
Z_SCORE = 1.4826  # of a median absolute deviation: the standard deviation, if it is normal


class Pair:
    """A pair of lines with its number, from 1, and the words of both sides."""

    def __init__(self, number: int, source: str, target: str):
        self.number, self.source, self.target = number, source, target
        self._verdict: list[Verdict | None] = []
        self._score: float | None = None

    @cached_property
    def source_words(self) -> list[str]:
        return words_of(self.source)

    @cached_property
    def target_words(self) -> list[str]:
        return words_of(self.target)

    @cached_property
    def is_blank(self) -> bool:
        return is_blank(self.source) or is_blank(self.target)

    def verdict(self, languages: LanguageEvidence) -> Verdict | None:
        """What is wrong with the languages; several checks ask."""
        if not self._verdict:
            words, text = (self.source_words, self.target_words), (self.source, self.target)
            self._verdict.append(None if self.is_blank else languages.verdict(words, text))
        return self._verdict[0]

    def translation_score(self, lexicon: CrossFittedLexicon) -> float:
        """`CrossFittedLexicon.score`; several checks ask."""
        if self._score is None:
            self._score = lexicon.score(self.source_words, self.target_words)
        return self._score


def read_pairs(files: ParallelFiles) -> Iterator[Pair]:
    for number, (source, target) in enumerate(read_parallel(files), start=1):
        yield Pair(number, source, target)


class Scale(NamedTuple):
    """Median and spread of a feature, which a few extreme values do not move."""

    median: float
    deviation: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Scale":
        median = float(np.median(values))
        deviation = Z_SCORE * float(np.median(np.abs(values - median)))
        return cls(median, max(deviation, 0.05))

    def distance(self, value: float) -> float:
        return (value - self.median) / self.deviation


@dataclass(frozen=True)
class Learned:
    """What a random sample of the corpus says about all of it."""

    languages: LanguageEvidence
    lexicon: CrossFittedLexicon
    conventions: Conventions
    scales: dict[str, Scale]

    @classmethod
    def from_sample(cls, sample: Sequence[Pair], languages: tuple[str, str]) -> "Learned":
        sample = [pair for pair in sample if not pair.is_blank]
        words = [(pair.source_words, pair.target_words) for pair in sample]
        evidence = LanguageEvidence.from_sample(
            words, [(pair.source, pair.target) for pair in sample], languages
        )
        lexicon = CrossFittedLexicon.train(words)
        conventions = Conventions.from_sample((pair.source, pair.target) for pair in sample)
        features = [feature_values(p, p.translation_score(lexicon)) for p in sample]
        scales = {}
        for name in features[0] if features else ():
            values = np.array([values[name] for values in features if name in values])
            if len(values):
                scales[name] = Scale.of(values)
        return cls(evidence, lexicon, conventions, scales)


def feature_values(pair: Pair, translation_score: float) -> dict[str, float]:
    """Numbers by which a pair may be far from the rest."""
    values = {
        "characters of the source": math.log1p(len(pair.source)),
        "characters of the target": math.log1p(len(pair.target)),
        LENGTH_RATIO: math.log((1 + len(pair.target)) / (1 + len(pair.source))),
        "letters in the source": letter_share(pair.source, pair.source_words),
        "letters in the target": letter_share(pair.target, pair.target_words),
    }
    if pair.target_words and pair.source_words:
        words = pair.target_words[: Lexicon.MAX_WORDS]
        values[TRANSLATION] = translation_score / len(words)
    return values


def letter_share(text: str, words: Sequence[str]) -> float:
    """Share of letters among the characters of a line, spaces left out."""
    joined = "".join(words)
    if has_letters_only(joined):
        num_letters = len(joined)
    else:
        num_letters = sum([len(word) for word in words if has_letters_only(word)])
    return num_letters / max(1, len(text) - text.count(" "))
