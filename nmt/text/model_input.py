"""What the model reads of a line: a view from which everything is gone that keyboards, PDFs and web
pages do to a sentence without changing it.

    raw line ─peel─> core ─Copier.mask (by `CharacterView.read`)─> masked line ─quiet─> tokenizer

- Characters (`SOURCE`, `TARGET`): NFC; each run of Unicode spaces and tabs is one space; what
  Unicode calls default ignorable (soft hyphen, zero-width characters, BOM, direction marks) and
  control characters are nothing, except joiners inside emoji and in scripts that need them;
  typographic quotes, apostrophes, hyphens, ellipses and ligatures are plain ones. Of a target
  only what nobody sees is changed: its typography is for the model to learn.
- Edges (`peel`): edge space, enclosing quotes, brackets and emphasis, list markers, emoji and other
  signs, all but one of "!!!". They are put back around the translation, quotes in the form of the
  target language.
- Capitals (`Casing`): a line in capitals is read in small letters and answered in capitals; a
  line Where Each Word Begins With a Capital is read in small letters, but for names.
- A line without letters is not translated.

Training reads its pairs through the same view, so the model meets plain characters only. All of it
is deterministic, and every character of the view has a span in the raw line.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from nmt.text.characters import EMOJI, IGNORABLE, RAW, SOURCE, TARGET, UNSEEN, CharacterView

Kind = Literal["view", "raw", "nfc", "nfkc"]  # of view; the others are those of older runs

# ---------------------------------------------------------------------------------------- edges

_EDGE = re.compile(rf"(?:\s|{UNSEEN})++")
_NO_SPACE = re.compile(r"\S+")
_MARKER = re.compile(
    r"(?P<bullet>[-–—―•*·‣▪◦+]|>{1,6}|#{1,6}|\[[ xX✓]?\])(?=\s)"
    r"|(?P<glued>[-–—―•·‣▪◦>])(?=[^\W\d_])"
    r"|(?P<number>\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{2,5})\)|\d{1,3}\.(?:\d{1,3}\.)*)(?=\s)"
)


def _closings(pairs: str) -> dict[str, str]:
    """Opening mark -> closing ones."""
    return {pair[0]: pair[1:] for pair in pairs.split(" ")}


_DOUBLE_QUOTES = _closings('""” “”" „“”" ”” «» »« ＂＂ 〝〞〟')
_SINGLE_QUOTES = _closings("'' ‘’ ‚‘’ ‹›")
_BRACKETS = _closings(
    "() [] （） ［］ ｛｝ 【】 〔〕 「」 『』 〈〉 《》 〖〗"
)  # not {}: placeholders
_EMPHASIS = ("***", "**", "*", "___", "__", "_", "~~", "~", "==", "```", "``", "`")
_FINAL = ".!?…,;:"
_BEFORE_QUOTE, _AFTER_QUOTE = " ([", f" )]{_FINAL}"  # within a quotation, or nothing after
_MARKS = "marks "  # begins the kind of a layer
_SIGNS = " signs "  # ends the kind of a layer before the text, begins that of one behind it

# Signs that are no part of a sentence where they stand at its edge, with the spaces beside them.
_SIGN = rf"[{EMOJI}\u200d\u20e3\ufe0e\ufe0f\ufffc\ufffd\ue000-\uf8ff\U000e0020-\U000e007f|]"
_LEADING_SIGNS = re.compile(
    rf"(?:(?:{_SIGN}|[0-9#*]\ufe0f?\u20e3|…|\.\.++|(?:[:;=][-o^']?[()\[\]DPp*/|\\]+|<3)(?=\s))\s*+)++"
)
_TRAILING_SIGNS = re.compile(  # of a text that is reversed
    rf"(?:(?:\u20e3\ufe0f?[0-9#*]|{_SIGN}|(?:[()\[\]DPp*/|\\]+[-o^']?[:;=]|3<)(?=\s))\s*+)++"
)
_ENDS_IN_SIGN = re.compile(rf"{_SIGN}|[()\[\]DPp*/|\\3]")

# Language -> what it quotes with. Of a language that is not here, quotes stay as they are.
_QUOTES = {
    "cs": ("„", "“"),
    "de": ("„", "“"),
    "en": ('"', '"'),
    "es": ("«", "»"),
    "fr": ("«\u00a0", "\u00a0»"),
    "it": ("«", "»"),
    "nl": ('"', '"'),
    "pl": ("„", "”"),
    "pt": ('"', '"'),
    "ru": ("«", "»"),
    "uk": ("«", "»"),
}
_ALSO = {"en": "“”", "nl": "“”„", "pt": "“”«»", "it": "“”", "es": "“”"}  # forms in use beside it
_MOST_LAYERS = 6


class Layer(NamedTuple):
    """One mark around a text, or before it: what lies inside is text[start:end]."""

    kind: str  # layers of source and target with the same kind are the same
    start: int
    end: int
    before: str  # as it is written around a translation
    after: str


@dataclass(frozen=True)
class Peeled:
    """A raw line, of which line[start:end] is read, and what stands around its translation."""

    line: str
    start: int
    end: int
    before: str = ""
    after: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def core(self) -> str:
        return self.line[self.start : self.end]


def peel(
    line: str,
    language: str | None = None,
    kinds: Sequence[str] | None = None,
    is_translation: bool = False,
) -> Peeled:
    """A line without its edges. Quotes take the form of `language`, that of the translation.

    With `kinds`, marks are peeled only as far as they are of these kinds, in order: as those of the
    line that this one translates. If it `is_translation` of ours, it may end without a "!" of its
    own before the further ones of the source.
    """
    start, end, before, after = _strip(line, 0, len(line))
    found: list[str] = []
    for _ in range(_MOST_LAYERS):
        if start == end:
            break
        expected = next(iter(kinds[len(found) :]), None) if kinds is not None else None
        if is_translation and expected and expected.startswith(_MARKS):
            layer = _marks(line, start, end, expected.removeprefix(_MARKS))
        else:
            # Quotes inside quotes stay as they are: twice the same would not be told apart.
            layer = _outermost(line, start, end, None if "double" in found else language)
        if layer is None or not has_letters(line[layer.start : layer.end]):
            break
        if kinds is not None and layer.kind != expected:
            break
        _add_kind(found, layer.kind)
        start, end, inner_before, inner_after = _strip(line, layer.start, layer.end)
        if layer.kind == "double" and line[layer.start - 1] in "«»":  # whose space is theirs
            inner_before, inner_after = inner_before.strip(), inner_after.strip()
        before, after = before + layer.before + inner_before, inner_after + layer.after + after
    return Peeled(line, start, end, before, after, tuple(found))


def _add_kind(found: list[str], kind: str) -> None:
    """Signs with something unseen between them are one layer in a translation, which has none of
    it."""
    last = found[-1] if found else ""
    if last.endswith(_SIGNS) and kind.endswith(_SIGNS):
        found[-1] = last.removesuffix(_SIGNS) + kind
    elif last.startswith(_SIGNS) and kind.startswith(_SIGNS):
        found[-1] = kind + last.removeprefix(_SIGNS)
    else:
        found.append(kind)


def peel_pair(source: str, target: str) -> tuple[Peeled, Peeled]:
    """Both sides of a training pair, without the marks that stand around both."""
    first = peel(source)
    second = peel(target, kinds=first.kinds)
    return (first if first.kinds == second.kinds else peel(source, kinds=second.kinds)), second


def _strip(line: str, start: int, end: int) -> tuple[int, int, str, str]:
    """Where the text without edge space starts and ends, and the space before and after it."""
    if start < end and line[start].isalnum() and line[end - 1] in _LAST:  # most lines end here
        return start, end, "", ""
    leading = _EDGE.match(line, start, end)
    if leading:
        start = leading.end()
    last = end
    # By hand: a search for spaces at an end is quadratic in what stands before it.
    while last > start and (line[last - 1].isspace() or _is_unseen(line, last - 1)):
        last -= 1
    spaces = _NO_SPACE.sub("", leading[0]) if leading else "", _NO_SPACE.sub("", line[last:end])
    return start, last, *spaces


_LAST = frozenset(".!?,;:)]\"'" + "abcdefghijklmnopqrstuvwxyzé0123456789")
_IGNORABLES = re.compile(f"[{IGNORABLE}\u200c\u200d]")


def _is_unseen(line: str, index: int) -> bool:
    return bool(_IGNORABLES.match(line, index))


def _outermost(line: str, start: int, end: int, language: str | None) -> Layer | None:
    if line[start].isalpha() and ")" not in line[start + 1 : start + 6]:  # most lines
        return _tail(line, start, end)
    return (
        _marker(line, start, end)
        or _pair_of_marks(line, start, end, language)
        or _leading_signs(line, start, end)
        or _emphasized(line, start, end)
        or _tail(line, start, end)
    )


def _marker(line: str, start: int, end: int) -> Layer | None:
    marker = _MARKER.match(line, start, end)
    return marker and Layer(marker["number"] or "bullet", marker.end(), end, marker[0], "")


def _pair_of_marks(line: str, start: int, end: int, language: str | None) -> Layer | None:
    opening = line[start]
    for kind, closings in (("double", _DOUBLE_QUOTES), ("single", _SINGLE_QUOTES), ("", _BRACKETS)):
        if opening in closings:
            return _enclosed(line, start, end, kind or opening, closings[opening], language)
    return None


def _leading_signs(line: str, start: int, end: int) -> Layer | None:
    signs = _LEADING_SIGNS.match(line, start, end)
    return signs and Layer("".join(signs[0].split()) + _SIGNS, signs.end(), end, signs[0], "")


def _emphasized(line: str, start: int, end: int) -> Layer | None:
    """The layer of a mark of emphasis around a text, maybe with punctuation after it."""
    mark = next((mark for mark in _EMPHASIS if line.startswith(mark, start, end)), None)
    if mark is None:
        return None
    last = end
    while last > start and line[last - 1] in _FINAL:
        last -= 1
    size = len(mark)
    if last - start <= 2 * size or not line.endswith(mark, start, last):
        return None
    inner = line[start + size : last - size]
    if mark[0] in inner or inner[0].isspace() or inner[-1].isspace():
        return None
    return Layer(mark, start + size, last - size, mark, mark + line[last:end])


def _marks(line: str, start: int, end: int, marks: str) -> Layer | None:
    """The layer of the marks that a text ends with, if it does."""
    if not line.endswith(marks, start, end):
        return None
    return Layer(_MARKS + marks, start, end - len(marks), "", marks)


def _tail(line: str, start: int, end: int) -> Layer | None:
    """Signs behind a text, or the marks behind its first "!" or "?"."""
    last = line[end - 1]
    if last in "!?":
        place = end - 1
        while place > start and line[place - 1] in "!?":
            place -= 1
        if place + 1 < end:
            return _marks(line, start, end, line[place + 1 : end])
    elif _ENDS_IN_SIGN.match(last):
        signs = _TRAILING_SIGNS.match(line[start:end][::-1])
        if signs:
            place = end - signs.end()
            kind = _SIGNS + "".join(line[place:end].split())
            return Layer(kind, start, place, "", line[place:end])
    return None


def _enclosed(
    line: str, start: int, end: int, kind: str, closings: str, language: str | None
) -> Layer | None:
    """The layer of a pair of marks, if the second one closes the first one and ends the text, maybe
    with punctuation after it."""
    last = end - 1
    while last > start and line[last] in _FINAL and line[last] not in closings:
        last -= 1
    opening, closing = line[start], line[last]
    inner = line[start + 1 : last]
    if last <= start + 1 or closing not in closings:
        return None
    if kind == "single":
        if re.search(r"(?<!\w)['‘’]|['‘’](?!\w)", inner):  # more than apostrophes
            return None
    elif not (
        _is_quoting(inner, opening) if opening == closing else _is_balanced(inner, opening, closing)
    ):
        return None
    before, after = opening, closing
    if kind == "double" and language in _QUOTES and opening not in _ALSO.get(language, ""):
        before, after = _QUOTES[language]
    return Layer(kind, start + 1, last, before, after + line[last + 1 : end])


def _is_quoting(text: str, quote: str) -> bool:
    """Whether all quotes in a text stand in pairs around words of it: "A" in `the letter "A".`, not
    in `A" and "B`, which is the inside of two quotations."""
    parts = text.split(quote)  # every second one is quoted
    return len(parts) % 2 == 1 and all(
        parts[i]
        and parts[i] == parts[i].strip()
        and parts[i - 1]
        and parts[i - 1][-1] in _BEFORE_QUOTE
        and parts[i + 1][:1] in _AFTER_QUOTE
        for i in range(1, len(parts), 2)
    )


def _is_balanced(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == opening) - (character == closing)
        if depth < 0:
            return False
    return depth == 0


_LETTER = re.compile(r"[^\W\d_]")


def has_letters(line: str) -> bool:
    """Whether there is anything to translate in a line. "½" and "①" are numbers."""
    return any(map(str.isalpha, line))


# --------------------------------------------------------------------------------------- capitals

_WORD = re.compile(r"[^\W_]+")
_SENTENCE_START = re.compile(r"(?:^|[.!?:…]['\"”»)]*\s+)\W*$")
_MOST_NAMES = 5_000
_MOST_COMMON = 10_000
_FEWEST_SEEN = 3  # of a name or a common word
_LONGEST_SMALL = 4  # letters of a word that titles leave small, such as "with"
_REST = re.compile(r"['’-]([^\W_]+)")  # of a word that begins with a letter and one of these


def is_shouted(text: str) -> bool:
    """Whether a line has two words or more of two letters or more, all in capitals. Addresses,
    placeholders and words with digits do not count."""
    text = text.replace("ß", "ẞ")
    if text.upper() != text and not _NO_WORD.search(text):
        return False  # most lines end here
    text = _PLACEHOLDER.sub(" ", text)
    text = " ".join(word for word in text.split() if not _NO_WORD.search(word))
    if text.upper() != text:
        return False
    words = [word for word in _WORD.findall(text) if word.upper() != word.lower()]
    return sum(len(word) > 1 for word in words) > 1


_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%(?:\(\w+\))?[a-z]|<[^<>]*>")
_NO_WORD = re.compile(r"://|@|www\.|[\d{%<]")


@dataclass(frozen=True)
class Casing:
    """How a language is cased, as far as training text shows it."""

    starts_upper: bool = True  # its lines begin with a capital
    names: Mapping[str, str] = field(default_factory=dict)  # "paris" -> "Paris", "usa" -> "USA"
    common: frozenset[str] = frozenset()  # words in small letters

    @classmethod
    def learn(cls, lines: Iterable[str]) -> "Casing":
        """From lines of training text: words that are mostly written with capitals where no
        sentence begins, and the most frequent others."""
        forms: dict[str, Counter[str]] = {}
        num_upper = num_lines = 0
        for line in lines:
            first = _LETTER.search(line)
            if not first or is_shouted(line):
                continue
            num_lines += 1
            num_upper += first[0].isupper()
            for match in _WORD.finditer(line, first.end()):
                if not _SENTENCE_START.search(line[max(0, match.start() - 6) : match.start()]):
                    forms.setdefault(match[0].lower(), Counter())[match[0]] += 1
        names: list[tuple[int, str, str]] = []
        common: list[tuple[int, str, str]] = []
        for word, counts in forms.items():
            ((form, count),) = counts.most_common(1)
            if len(form) == len(word) and count >= _FEWEST_SEEN:
                (common if form == word else names).append((-count, word, form))
        return cls(
            starts_upper=not num_lines or num_upper > 0.5 * num_lines,
            names={word: form for _, word, form in sorted(names)[:_MOST_NAMES]},
            common=frozenset(word for _, word, _ in sorted(common)[:_MOST_COMMON]),
        )

    def is_titled(self, text: str) -> bool:
        """Whether a line is in title case: only short words begin with a small letter, and no more
        than there are common words with a capital behind the first word, two or more. Where a mark
        ends the line as it ends sentences, with names in them, there are fewer."""
        if not self.common:
            return False
        num_words = num_small = num_raised = 0
        for match in _WORD.finditer(text):
            word = match[0]
            if word.upper() == word.lower():
                continue
            num_words += 1
            if num_words == 1:
                continue
            if word[0].isupper():
                is_word = len(word) > 1 or self._is_elided(match)
                num_raised += is_word and self._is_raised(word)
            elif text[match.start() - 1] in "'’":
                continue  # goes on with a word, as in "L'air" and "Don't"
            elif len(word) > _LONGEST_SMALL:
                return False  # most lines end here
            else:
                num_small += 1
        has_mark = text.endswith((".", "!", "?"))
        return num_raised > 1 and num_raised >= num_small + has_mark

    def _is_raised(self, word: str) -> bool:
        """Whether a common word is written with a capital."""
        small = word.lower()
        return word != small and word[1:] == small[1:] and small in self.common

    def _is_elided(self, match: re.Match[str]) -> bool:
        """Whether a letter goes on with a word that is no name: "L'Air", "L'air", "A-T-Il"."""
        rest = _REST.match(match.string, match.end())
        return rest is not None and (rest[1] == rest[1].lower() or self._is_raised(rest[1]))

    def lowered(self, text: str, is_start: bool = True) -> str:
        """A text in title case with its common words in small letters; `is_start` of a sentence,
        its first word stays as it is."""
        first = _LETTER.search(text) if is_start else None
        start = first.end() if first else 0

        def lower(match: re.Match[str]) -> str:
            word = match[0]
            # A letter by itself is a name, as in "Plan B:", unless a word follows as after "A".
            has_space = match.string[match.end() : match.end() + 1] == " "
            is_word = len(word) > 1 or has_space or self._is_elided(match)
            return word.lower() if is_word and self._is_raised(word) else word

        return text[:start] + _WORD.sub(lower, text[start:])

    def quiet(self, text: str, is_start: bool = True) -> str:
        """A text in capitals in small letters, as long as before; names and, `is_start` of a
        sentence, its first letter as the language has them."""
        text = "".join(map(_small, text))
        text = _WORD.sub(lambda match: self.names.get(match[0], match[0]), text)
        first = _LETTER.search(text) if is_start and self.starts_upper else None
        if first and len(first[0].upper()) == 1:
            text = text[: first.start()] + first[0].upper() + text[first.end() :]
        return text

    def as_dict(self) -> dict[str, Any]:
        record = {"starts_upper": self.starts_upper, "names": " ".join(self.names.values())}
        return record | {"common": " ".join(sorted(self.common))} if self.common else record

    @classmethod
    def from_dict(cls, record: Any) -> "Casing":
        """What `as_dict` wrote. Raises ValueError for anything else."""
        try:
            names = record["names"].split()
            common = record.get("common", "").split()  # older runs have none
            return cls(
                bool(record["starts_upper"]),
                {name.lower(): name for name in names},
                frozenset(common),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("expected `starts_upper` and `names`") from error


def _small(character: str) -> str:
    small = character.lower()
    return small if len(small) == 1 else character


# ------------------------------------------------------------------------------------ all of them


@dataclass(frozen=True)
class ModelInput:
    """How a run's model reads the lines of its two languages.

    `kind` is "view" for all that this module does. Runs of older versions were trained on text as
    it is ("raw"), or in a Unicode normal form ("nfc", "nfkc").
    """

    kind: Kind = "raw"
    target_language: str | None = None
    source_casing: Casing = Casing()
    target_casing: Casing = Casing()
    target_characters: CharacterView = TARGET

    @property
    def source(self) -> CharacterView:
        return SOURCE if self.kind == "view" else self._form

    @property
    def target(self) -> CharacterView:
        return self.target_characters if self.kind == "view" else self._form

    @property
    def _form(self) -> CharacterView:
        return {"nfc": CharacterView("NFC"), "nfkc": CharacterView("NFKC")}.get(self.kind, RAW)

    def peel(self, line: str) -> Peeled:
        """A source line without its edges."""
        if self.kind != "view":
            return Peeled(line, 0, len(line))
        return peel(line, self.target_language)

    def peel_target(self, source: Peeled, target: str) -> Peeled:
        """What stands inside the marks that a translation of `source` has around it."""
        if self.kind != "view":
            return Peeled(target, 0, len(target))
        return peel(target, kinds=source.kinds, is_translation=True)

    def peel_pair(self, source: str, target: str) -> tuple[Peeled, Peeled]:
        """Both sides of a training pair, without the marks that stand around both."""
        if self.kind != "view":
            return Peeled(source, 0, len(source)), Peeled(target, 0, len(target))
        return peel_pair(source, target)

    def is_copied(self, line: str) -> bool:
        """Whether a line is not translated, as nothing in it could be."""
        return self.kind == "view" and not has_letters(line)

    def is_shouted(self, core: str) -> bool:
        return self.kind == "view" and is_shouted(core)

    def is_titled(self, core: str) -> bool:
        return self.kind == "view" and self.source_casing.is_titled(core)

    def recasing(self, core: str) -> Callable[[str, bool], str] | None:
        """How the letters of a source line are read, if not as they are: a method of `Casing`."""
        if self.is_shouted(core):
            return self.source_casing.quiet
        return self.source_casing.lowered if self.is_titled(core) else None
