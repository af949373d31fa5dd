"""Which language a line is in: by the words of the corpus itself, and by a language detector.

Each word has a weight, the logarithm of how much more frequent it is on the target side than on the
source side. The sum over a line is evidence for one of the two languages, for any pair of
languages and at the cost of a look-up per word. The detector (py3langid) decides about a sample,
from which the words are then counted, and about lines whose words say little: those may be in a
third language.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.about import is_installed
from nmt.corpora.words import is_copied
from nmt.text.language_id import detectable, language_name, most_probable

Words = Sequence[str]

MAX_WORDS = 1000  # of a line; the rest is not looked at
SMOOTHING = 0.5
MAX_WEIGHT = 4.0
NUM_DETECTED = 1000  # pairs of the sample that the detector looks at
MIN_WORDS = 5  # of a line for the detector
MIN_CONFIDENCE = 98.0  # per cent
WEAK = 0.3  # evidence a word below which a line may be in a third language
TOTAL, MEAN = 6.0, 0.7  # evidence for the other language, in all and a word
MIXED = 0.25  # evidence for the right language, of that for the other: more is a mixture
PART_TOTAL, PART_WORDS = 12.0, 6  # the same of a part of a line


@dataclass(frozen=True)
class Verdict:
    """What is wrong with the languages of a pair; `kind` is the key of a check."""

    kind: str
    detail: str


@dataclass(frozen=True)
class LanguageEvidence:
    """Weights of words, and which languages each side is in as a whole.

    `expected` are the languages of the two sides; None where the detector does not know them.
    `majority` are the languages that most of the sample is in, as far as that is known.
    """

    weights: dict[str, float]
    expected: tuple[str | None, str | None]
    majority: tuple[str | None, str | None]

    @classmethod
    def from_sample(
        cls,
        words: Sequence[tuple[Words, Words]],
        texts: Sequence[tuple[str, str]],
        languages: tuple[str, str],
    ) -> "LanguageEvidence":
        expected = _detectable(languages)
        majority: tuple[str | None, str | None] = (None, None)
        chosen = list(words)
        if None not in expected:
            step = max(1, len(words) // NUM_DETECTED)
            detected = [
                (pair, tuple(most_probable(side).language for side in text))
                for pair, text in zip(words[::step], texts[::step], strict=True)
                if min(map(len, pair)) >= MIN_WORDS
            ]
            majority = (
                _most_common(found[0] for _, found in detected),
                _most_common(found[1] for _, found in detected),
            )
            is_swapped = majority == (expected[1], expected[0])
            # The words of lines in the right languages only: a tenth of Spanish is not French.
            right = majority if is_swapped else expected
            seed = [pair for pair, found in detected if found == right]
            if seed:
                weights = _weights(seed)
                chosen = [
                    pair
                    for pair in words
                    if _mean(weights, pair[0]) < -MEAN and _mean(weights, pair[1]) > MEAN
                ]
            if is_swapped:
                chosen = [(target, source) for source, target in chosen]
        return cls(_weights(chosen), expected, majority)

    def verdict(self, pair: tuple[Words, Words], text: tuple[str, str]) -> Verdict | None:
        """What is wrong with the languages of a pair, or None."""
        if is_copied(*pair):
            return Verdict("untranslated", "both sides are the same")
        evidence = [self._evidence(words, side) for side, words in enumerate(pair)]
        wrong = [_is_wrong(values) for values in evidence]
        if all(wrong):
            return Verdict("swapped", "each side reads as the other's language")
        for side in (0, 1):
            if wrong[side]:
                other = self.expected[1 - side]
                name = language_name(other) if other else "the language of the other side"
                return Verdict("wrong_language", f"the {SIDES[side]} reads as {name}")
            if third := self._third_language(side, evidence[side], text[side]):
                return Verdict(
                    "wrong_language", f"the {SIDES[side]} reads as {language_name(third)}"
                )
        for side in (0, 1):
            if part := _worst_part(evidence[side]):
                start, end = part
                words = " ".join(pair[side][start:end][:12])
                return Verdict(
                    "half_translated",
                    f"in the {SIDES[side]}, words of the other side's language: {words}",
                )
        return None

    def _evidence(self, words: Words, side: int) -> list[float]:
        """Of each word, for the language that it should be in."""
        sign = 1.0 if side else -1.0
        return [sign * self.weights.get(word, 0.0) for word in words[:MAX_WORDS]]

    def _third_language(self, side: int, evidence: list[float], text: str) -> str | None:
        expected = self.expected[side]
        if expected is None or len(evidence) < MIN_WORDS:
            return None
        is_wrong_as_a_whole = self.majority[side] not in (None, *self.expected)
        if sum(evidence) >= WEAK * len(evidence) and not is_wrong_as_a_whole:
            return None
        if sum(map(str.isalpha, text)) * 2 < len(text):
            return None
        found = most_probable(text)
        is_other = found.language not in self.expected and found.confidence >= MIN_CONFIDENCE
        return found.language if is_other else None


SIDES = ("source", "target")


def can_detect() -> bool:
    return is_installed("py3langid")


def _detectable(languages: tuple[str, str]) -> tuple[str | None, str | None]:
    if not can_detect():
        return None, None
    codes = [language.lower().replace("_", "-").partition("-")[0] for language in languages]
    source, target = (code if code in detectable() else None for code in codes)
    return source, target


def _most_common(languages: object) -> str | None:
    counts = Counter(languages)  # type: ignore[call-overload]
    if not counts:
        return None
    language, count = counts.most_common(1)[0]
    return str(language) if 2 * count > counts.total() else None


def _weights(pairs: Sequence[tuple[Words, Words]]) -> dict[str, float]:
    source = Counter(word for words, _ in pairs for word in words[:MAX_WORDS])
    target = Counter(word for _, words in pairs for word in words[:MAX_WORDS])
    num_source, num_target = source.total(), target.total()
    if not num_source or not num_target:
        return {}
    weights = {}
    for word in source.keys() | target.keys():
        if not word.isdigit():
            weight = math.log((target[word] + SMOOTHING) / (num_target + SMOOTHING))
            weight -= math.log((source[word] + SMOOTHING) / (num_source + SMOOTHING))
            weights[word] = max(-MAX_WEIGHT, min(MAX_WEIGHT, weight))
    return weights


def _mean(weights: dict[str, float], words: Words) -> float:
    words = words[:MAX_WORDS]
    return sum(weights.get(word, 0.0) for word in words) / max(1, len(words))


def _is_wrong(evidence: list[float]) -> bool:
    """Whether a line as a whole is in the language of the other side."""
    right = sum([value for value in evidence if value > 0])
    wrong = right - sum(evidence)
    is_clear = wrong - right > max(TOTAL, MEAN * len(evidence))
    return is_clear and right <= MIXED * wrong


def _worst_part(evidence: list[float]) -> tuple[int, int] | None:
    """The consecutive words with the most evidence for the wrong language, if it is enough."""
    if sum(value for value in evidence if value < 0) > -PART_TOTAL:
        return None
    lowest, best = 0.0, (0, 0)
    total, start = 0.0, 0
    for index, value in enumerate(evidence):
        if total >= 0:
            total, start = 0.0, index
        total += value
        if total < lowest:
            lowest, best = total, (start, index + 1)
    is_enough = lowest <= -PART_TOTAL and best[1] - best[0] >= PART_WORDS
    return best if is_enough else None
