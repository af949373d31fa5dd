"""What a report looks for. A new check is a subclass of Check and an entry of CHECKS.

A corpus is read twice. In the first pass a check may `observe` the pairs; then it is told what was
`learnt` from a sample; in the second pass it looks `at` each pair and says what is wrong with it.
"""

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nmt.about import install_command, is_installed
from nmt.corpora import duplicates, misalignment, typography
from nmt.corpora.languages import can_detect
from nmt.corpora.pairs import LENGTH_RATIO, TRANSLATION, Learned, Pair, feature_values
from nmt.corpora.words import (
    LETTERS_PER_WORD,
    MAX_LENGTH_RATIO,
    MAX_WORDS,
    has_extreme_ratio,
    is_long,
    num_words,
    words_of,
)
from nmt.text.characters import IGNORABLE, UNSEEN
from nmt.text.lines import ParallelFiles, read_parallel

Sides = tuple[str, str]


@dataclass
class HeldOut:
    """The sides of a dev or test set, normalised, each with its line number."""

    files: ParallelFiles
    sides: tuple[dict[str, int], dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.sides = ({}, {})
        for number, pair in enumerate(read_parallel(self.files), start=1):
            for lines, text in zip(self.sides, pair, strict=True):
                if key := " ".join(words_of(text)):
                    lines.setdefault(key, number)


@dataclass(frozen=True)
class Task:
    """What a report is about, beside the corpus itself."""

    languages: tuple[str, str]
    held_out: dict[str, list[HeldOut]] = field(default_factory=dict)  # by "dev", "test"


class Check:
    """One thing that may be wrong with a pair.

    `advice` says what to do. `is_dropped` and `is_fixed` are the defaults of `nmt data clean`. A
    check that `is_fixable` has a `fix`.
    """

    meaning = ""
    advice = ""
    needs_sample = False
    is_dropped = False
    is_fixable = False
    is_fixed = False

    def __init__(self, key: str, task: Task):
        self.key, self.task = key, task

    def missing(self) -> str:
        """Why the check cannot be made here, or nothing."""
        return ""

    def observe(self, pairs: Sequence[Pair]) -> None:
        """First pass: some consecutive pairs."""

    def learn(self, learned: Learned) -> None:
        """Between the passes. Called with an empty sample, too, if `needs_sample` is not set."""

    def at(self, pair: Pair) -> str | None:
        """Second pass: what is wrong with the pair, in a few words; None if nothing is."""
        return None

    def afterwards(self) -> Iterable[tuple[int, str]]:
        """Line numbers found once all pairs have been seen, in order, each with a few words."""
        return ()

    def details(self) -> dict[str, object]:
        """Further figures for the report."""
        return {}

    def fix(self, source: str, target: str) -> Sides:
        """Both sides of a pair that was found, without the fault."""
        return source, target


# ------------------------------------------------------------------------- blank and repeated


class Blank(Check):
    meaning = "pairs with a side that is empty or only white space"
    advice = "Drop them. Training does so, too."
    is_dropped = True

    def at(self, pair: Pair) -> str | None:
        return "" if pair.is_blank else None


class ExactDuplicates(Check):
    meaning = "extra copies of pairs: both sides are the same, byte for byte"
    advice = "Drop the copies, unless frequent sentences should count more."
    is_dropped = True

    def __init__(self, key: str, task: Task):
        super().__init__(key, task)
        self._hashes: list[np.ndarray] = []
        self._first = np.zeros(0, np.int64)

    def observe(self, pairs: Sequence[Pair]) -> None:
        hashes = [duplicates.pair_hash(pair.source, pair.target) for pair in pairs]
        self._hashes.append(np.array(hashes, np.uint64))

    def learn(self, learned: Learned) -> None:
        if self._hashes:
            hashes = np.concatenate(self._hashes)
            _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
            self._first = first[inverse]
        self._hashes.clear()

    def first_copy(self, pair: Pair) -> int:
        """The number of the first line with this pair."""
        return int(self._first[pair.number - 1]) + 1

    def at(self, pair: Pair) -> str | None:
        first = self.first_copy(pair)
        return None if pair.is_blank or first == pair.number else f"as line {first}"


class NearDuplicates(ExactDuplicates):
    meaning = (
        "pairs that differ from an earlier one by little: case, accents, punctuation, or a word in"
        f" a long sentence (Jaccard similarity of word bigrams at least {duplicates.SIMILARITY})"
    )
    advice = (
        "Harmless in small numbers. Drop them from text made by templates or copied from page to"
        " page, which otherwise outweighs everything else."
    )
    is_dropped = False

    def __init__(self, key: str, task: Task):
        super().__init__(key, task)
        self._bands = duplicates.Bands()

    def missing(self) -> str:
        return "" if duplicates.can_compare() else f"needs rensa: {install_command('data')}"

    def observe(self, pairs: Sequence[Pair]) -> None:
        super().observe(pairs)
        self._bands.add(pairs)

    def learn(self, learned: Learned) -> None:
        super().learn(learned)
        first = self._first  # exact copies are another finding
        self._near = duplicates.NearDuplicates(
            (int(index), int(first[earlier]))
            for index, earlier in self._bands.candidates()
            if first[index] == index and first[earlier] != index
        )
        del self._bands

    def at(self, pair: Pair) -> str | None:
        if pair.is_blank or not (pair.source_words and pair.target_words):
            return None
        earlier = self._near.earlier_copy(pair.number - 1, pair)
        return None if earlier == duplicates.NO_LINE else f"like line {earlier + 1}"


# -------------------------------------------------------------------------------------- leaks


class Leak(Check):
    """Pairs that share a side with a held-out set; subclasses name the set."""

    set_name = ""
    advice = (
        "Drop them from the training text: a score on lines that were trained on measures memory."
        " Short everyday sentences on one side only may be chance."
    )
    is_dropped = True

    def __init__(self, key: str, task: Task):
        super().__init__(key, task)
        self._sets = task.held_out.get(self.set_name, [])
        self._counts: Counter[str] = Counter()
        self._lines: dict[str, set[tuple[int, int]]] = {"source": set(), "target": set()}

    def missing(self) -> str:
        return "" if self._sets else f"give --{self.set_name}"

    def at(self, pair: Pair) -> str | None:
        keys = " ".join(pair.source_words), " ".join(pair.target_words)
        shared: dict[str, int] = {}
        for number, held_out in enumerate(self._sets):
            for side, lines, key in zip(self._lines, held_out.sides, keys, strict=True):
                if key in lines:
                    shared.setdefault(side, lines[key])
                    self._lines[side].add((number, lines[key]))
        if not shared:
            return None
        name = "both" if len(shared) == 2 else next(iter(shared))
        self._counts[name] += 1
        return f"{name}: {self.set_name} line {min(shared.values())}"

    def details(self) -> dict[str, object]:
        return {
            "by side": {name: self._counts[name] for name in ("both", "source", "target")},
            f"{self.set_name} lines": {side: len(lines) for side, lines in self._lines.items()},
        }


class DevInTrain(Leak):
    set_name = "dev"
    meaning = "pairs that share a side with the dev set, whatever the case, accents and punctuation"


class TestInTrain(Leak):
    set_name = "test"
    meaning = "pairs that share a side with a test set, whatever the case, accents and punctuation"


# ---------------------------------------------------------------------------------- languages


class LanguageCheck(Check):
    """Pairs whose languages have one kind of fault."""

    needs_sample = True

    def learn(self, learned: Learned) -> None:
        self._languages = learned.languages

    def at(self, pair: Pair) -> str | None:
        verdict = pair.verdict(self._languages)
        return verdict.detail if verdict and verdict.kind == self.key else None


class Swapped(LanguageCheck):
    meaning = "pairs with the two sides exchanged"
    advice = "Exchange the sides (--fix swapped), or drop the pairs."
    is_dropped = True
    is_fixable = True

    def fix(self, source: str, target: str) -> Sides:
        return target, source


class WrongLanguage(LanguageCheck):
    meaning = "pairs with a side in another language than it should be in"
    advice = "Drop them. Many of them in one place are text that belongs to another corpus."
    is_dropped = True

    def details(self) -> dict[str, object]:
        if not can_detect():
            return {"note": f"other languages are not detected: {install_command('data')}"}
        return {}


class Untranslated(LanguageCheck):
    meaning = "pairs whose two sides have the same words, more than a name"
    advice = "Drop them: they teach a model to copy instead of translating."
    is_dropped = True


class HalfTranslated(LanguageCheck):
    meaning = "pairs with a part of a side in the language of the other side"
    advice = "Look at the examples. Titles and quotations are right; drop the rest."


# --------------------------------------------------------------------------------- characters


class Mojibake(Check):
    meaning = "pairs with letters that were decoded wrongly, such as Ã© for é, or lost (U+FFFD)"
    advice = "Fix them (--fix mojibake) by ftfy, and drop those with lost letters."
    is_fixable = is_fixed = True

    def missing(self) -> str:
        return "" if is_installed("ftfy") else f"needs ftfy: {install_command('data')}"

    def at(self, pair: Pair) -> str | None:
        for line in (pair.source, pair.target):
            if line.isascii():
                continue
            if "\ufffd" in line:
                return "a letter was lost (U+FFFD)"
            if not _MAY_BE_MOJIBAKE.search(line):
                continue
            if (fixed := _repaired(line)) != line:
                before, after = _difference(line, fixed)
                return f"{before!r} for {after!r}"
        return None

    def fix(self, source: str, target: str) -> Sides:
        return _repaired(source), _repaired(target)


# Bytes of UTF-8 are not ASCII in any other encoding, and two or more make a letter. U+00A0, the
# second byte of some, may have become a space.
_MAY_BE_MOJIBAKE = re.compile("[^\x00-\x7f]{2}|[ÂÃÅÎÐÙâ] ")


def _repaired(line: str) -> str:
    from ftfy import fix_encoding

    fixed: str = fix_encoding(line)
    return fixed


def _difference(before: str, after: str) -> tuple[str, str]:
    """The words around the first difference of two lines."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    start = before.rfind(" ", 0, start) + 1
    return tuple(line[start:].split(" ")[0][:30] for line in (before, after))  # type: ignore[return-value]


_CONTROLS = re.compile(rf"[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029\ue000-\uf8ff]|{UNSEEN}")
_WHITE_CONTROLS = re.compile(r"[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]+")
# With the tags that follow: each of them counts as a part of a flag because of the one before it.
_HIDDEN = re.compile(rf"(?:{UNSEEN}|[\ue000-\uf8ff])[\U000e0000-\U000e007f]*+")
_MAY_HOLD_CONTROLS = re.compile(
    rf"[{IGNORABLE}\t-\r\x1c-\x1f\x85\u200c\u200d\u2028\u2029\ufe00-\ufe0f\ue000-\uf8ff"
    "\U000e0000-\U000e01ef]"
)


class ControlCharacters(Check):
    meaning = "pairs with control, zero-width or private characters, soft hyphens, or tabs"
    advice = "Remove them (--fix control_characters); tabs and line separators become spaces."
    is_fixable = is_fixed = True

    def __init__(self, key: str, task: Task):
        super().__init__(key, task)
        self._counts: Counter[str] = Counter()

    def at(self, pair: Pair) -> str | None:
        found: dict[str, None] = {}
        for line in (pair.source, pair.target):
            is_plain = line.isascii() and line.isprintable()
            if not is_plain and _MAY_HOLD_CONTROLS.search(line):
                found |= dict.fromkeys(_CONTROLS.findall(line))
        if not found:
            return None
        names = [f"U+{ord(c):04X} {unicodedata.name(c, '')}".strip().lower() for c in found]
        names = [f"U{name[1:]}" for name in names]
        self._counts.update(names)
        return ", ".join(names[:4])

    def details(self) -> dict[str, object]:
        return {"pairs by character": dict(self._counts.most_common(12))}

    def fix(self, source: str, target: str) -> Sides:
        return _without_controls(source), _without_controls(target)


def _without_controls(line: str) -> str:
    line = _WHITE_CONTROLS.sub(" ", line)
    while (shorter := _HIDDEN.sub("", line)) != line:
        line = shorter  # a joiner has lost the selector that it stood after
    return line


_SPACES = re.compile(r"^[ \u00a0\u202f\u3000]|[ \u00a0\u202f\u3000]$|  ")
_EDGE = "[ \u00a0\u202f\u3000]"
# The lookbehind keeps a run of spaces from being tried again at each of its spaces.
_SPACES_TO_FIX = re.compile(rf"^{_EDGE}+|(?<!{_EDGE}){_EDGE}+$|(?<= ) +")


class Spaces(Check):
    meaning = "pairs with spaces at an edge of a line, or several in a row"
    advice = "Remove them (--fix spaces)."
    is_fixable = is_fixed = True

    def at(self, pair: Pair) -> str | None:
        found = [
            name
            for name, line in (("source", pair.source), ("target", pair.target))
            if _SPACES.search(line)
        ]
        return " and ".join(found) if found and not pair.is_blank else None

    def fix(self, source: str, target: str) -> Sides:
        return _SPACES_TO_FIX.sub("", source), _SPACES_TO_FIX.sub("", target)


class MixedTypography(Check):
    meaning = (
        "pairs with another apostrophe, quotation mark or space before ! ? : ; than most lines of"
        " their side"
    )
    advice = (
        "A model learns the mixture as noise. --fix mixed_typography writes all apostrophes, spaces"
        " and curly quotes as most lines do; data.typography does the same in training."
    )
    needs_sample = True
    is_fixable = True

    def __init__(self, key: str, task: Task):
        super().__init__(key, task)
        self._counts: Counter[str] = Counter()

    def learn(self, learned: Learned) -> None:
        self._conventions = learned.conventions

    def at(self, pair: Pair) -> str | None:
        found = [
            f"{language}: {difference}"
            for language, convention, line in (
                (self.task.languages[0], self._conventions.source, pair.source),
                (self.task.languages[1], self._conventions.target, pair.target),
            )
            for difference in convention.differences(line)
        ]
        self._counts.update(found)
        return ", ".join(found) if found else None

    def details(self) -> dict[str, object]:
        conventions = (self._conventions.source, self._conventions.target)
        return {
            "most lines": {
                language: {kind: convention.majority[kind] for kind in typography.KINDS
                           if kind in convention.majority}
                for language, convention in zip(self.task.languages, conventions, strict=True)
            },
            "pairs that differ": dict(self._counts.most_common()),
        }  # fmt: skip

    def fix(self, source: str, target: str) -> Sides:
        return self._conventions.normalize(source, target)


# ------------------------------------------------------------------------- length and content


class LengthRatio(Check):
    meaning = (
        f"pairs with a side that is more than {MAX_LENGTH_RATIO:g} times as long, in characters, as"
        " the other side predicts by the median ratio of the corpus"
    )
    advice = (
        "Drop them: part of the text is missing on a side, or the lines do not belong together."
    )
    needs_sample = True
    is_dropped = True

    def learn(self, learned: Learned) -> None:
        # A character of Chinese translates to several of English.
        scale = learned.scales.get(LENGTH_RATIO)
        self._median_ratio = math.exp(scale.median) if scale else 1.0

    def at(self, pair: Pair) -> str | None:
        if pair.is_blank or not has_extreme_ratio(pair.source, pair.target, self._median_ratio):
            return None
        return f"{len(pair.source)} and {len(pair.target)} characters"


class LongLines(Check):
    meaning = (
        f"pairs with more than {MAX_WORDS} words on a side; in scripts without spaces,"
        f" {LETTERS_PER_WORD} letters count as a word"
    )
    advice = (
        "Training leaves out pairs with more than data.max_tokens sub-words. Split them if they"
        " matter, or drop them to save space."
    )

    def at(self, pair: Pair) -> str | None:
        if not is_long(pair.source, pair.target):
            return None
        return f"{num_words(pair.source)} and {num_words(pair.target)} words"


class Misaligned(Check):
    meaning = (
        "pairs in stretches of three or more whose words hardly translate each other, by IBM model"
        " 1 on a sample: a line is missing on one side, or paragraphs are out of order"
    )
    advice = (
        "Look at the places. Drop the stretches, or align the documents that they come from again."
    )
    needs_sample = True
    is_dropped = True

    def __init__(self, key: str, task: Task):
        super().__init__(key, task)
        self._scores = array("f")
        self._previous = ("", "")
        self._stretches: list[tuple[int, int]] = []

    def learn(self, learned: Learned) -> None:
        self._lexicon = learned.lexicon

    def at(self, pair: Pair) -> str | None:
        # A line repeated with several translations of an idiom is the same evidence again.
        sides = pair.source, pair.target
        is_new = not any(map(str.__eq__, sides, self._previous))
        self._scores.append(pair.translation_score(self._lexicon) if is_new else 0.0)
        self._previous = sides
        return None

    def afterwards(self) -> Iterable[tuple[int, str]]:
        self._stretches = misalignment.stretches(np.frombuffer(self._scores, np.float32))
        for start, end in self._stretches:
            for index in range(start, end):
                yield index + 1, f"lines {start + 1} to {end}"

    def details(self) -> dict[str, object]:
        return {"stretches": [f"{start + 1}-{end}" for start, end in self._stretches[:50]]}


class Outliers(Check):
    FAR = 8.0
    meaning = (
        "pairs far from the rest in length, length ratio, share of letters, or how well their words"
        f" translate each other (more than {FAR:g} robust standard deviations)"
    )
    advice = (
        "Look at the examples: lists, tables, numbers, code, or unrelated lines. Drop what is no"
        " text."
    )
    needs_sample = True

    def learn(self, learned: Learned) -> None:
        self._scales, self._lexicon = learned.scales, learned.lexicon

    def at(self, pair: Pair) -> str | None:
        if pair.is_blank:
            return None
        values = feature_values(pair, pair.translation_score(self._lexicon))
        distances = {
            name: self._scales[name].distance(value)
            for name, value in values.items()
            if name in self._scales
        }
        if distances.get(TRANSLATION, 0.0) > 0:  # better than most is no fault
            del distances[TRANSLATION]
        if not distances:
            return None
        name = max(distances, key=lambda name: abs(distances[name]))
        if abs(distances[name]) <= self.FAR:
            return None
        return f"{name}: {distances[name]:+.0f} standard deviations"


CHECKS: dict[str, type[Check]] = {
    "blank": Blank,
    "exact_duplicates": ExactDuplicates,
    "near_duplicates": NearDuplicates,
    "dev_in_train": DevInTrain,
    "test_in_train": TestInTrain,
    "swapped": Swapped,
    "wrong_language": WrongLanguage,
    "untranslated": Untranslated,
    "half_translated": HalfTranslated,
    "mojibake": Mojibake,
    "control_characters": ControlCharacters,
    "spaces": Spaces,
    "mixed_typography": MixedTypography,
    "length_ratio": LengthRatio,
    "long_lines": LongLines,
    "misaligned": Misaligned,
    "outliers": Outliers,
}
