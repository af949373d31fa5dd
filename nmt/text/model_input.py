"""What the model reads of a line: a view from which everything is gone that keyboards, PDFs and web
pages do to a sentence without changing it.

    raw line ─peel─> core ─Copier.mask (which calls `read_source`)─> masked line ─quiet─> tokenizer

- Characters (`SOURCE`, `TARGET`): NFC; each run of Unicode spaces and tabs is one space; what Unicode
  calls default ignorable (soft hyphen, zero-width characters, BOM, direction marks) and control
  characters are nothing, except joiners inside emoji and in scripts that need them; typographic
  quotes, apostrophes, hyphens, ellipses and ligatures are plain ones. Of a target only what nobody
  sees is changed: its typography is for the model to learn.
- Edges (`peel`): edge space, enclosing quotes, brackets and emphasis, list markers. They are put back
  around the translation, quotes in the form of the target language.
- Capitals (`Casing`): a line in capitals is read in small letters and answered in capitals.
- A line without letters is not translated.

Training reads its pairs through the same view, so the model meets plain characters only. All of it
is deterministic, and every character of the view has a span in the raw line.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Span = tuple[int, int]  # start and end, in characters
Kind = Literal["view", "raw", "nfc", "nfkc"]  # of view; the others are those of older runs

# ---------------------------------------------------------------------------------- characters

# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt) without the joiners U+200C
# and U+200D, variation selectors and tags, which have rules of their own; and control characters
# that are no white space.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
)
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# Scripts in which joiners decide how letters are shaped: Arabic to Thaana, Brahmic ones, Mongolian.
_JOINING = (
    "\u0600-\u08ff\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u18af\u1900-\u1cff\ua840-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff"
)
_UNSEEN = (
    rf"(?:[{_IGNORABLE}]"
    rf"|(?<![{_JOINING}])\u200c"
    rf"|(?<![{_JOINING}])(?<![{_EMOJI}\ufe0f])\u200d|(?<![{_JOINING}])\u200d(?![{_EMOJI}])"
    rf"|(?<![{_EMOJI}0-9#*])[\ufe00-\ufe0f]|[\U000e0100-\U000e01ef]"
    r"|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f])"
)
# Possessive quantifiers throughout: a run is read once, however long it is.
_SPACES = rf"(?={_UNSEEN}*+\s)(?:\s|{_UNSEEN})++"
_LIGATURES = {c: unicodedata.normalize("NFKC", c) for c in "ﬀﬁﬂﬃﬄﬅﬆ"}

_RULES: tuple[tuple[str, str, str], ...] = (  # name, pattern, replacement
    # "Quoi ?" and "Quoi?" are the same question; " :)" is no colon.
    (
        "before_mark",
        r"(?<=[\w\u0300-\u036f)\]\"'«»‹›“”„‟″〝〞＂’‘‚‛ʼ′＇])"
        rf"{_SPACES}(?=[!?;:\u037e]++(?:\s|$))",
        "",
    ),
    ("guillemets", r"(?<!\w)[«‹]\s++|\s++[»›](?!\w)|[«»]", '"'),
    ("space", _SPACES, " "),
    ("unseen", rf"{_UNSEEN}++", ""),
    ("double", "[“”„‟″〝〞＂]", '"'),
    ("single", r"[’‘‚‛ʼ′＇‹›]|(?<=\w)[`´\u1fef](?=\w)", "'"),
    ("hyphen", "[‐‑−]", "-"),
    ("ellipsis", "…", "..."),
    ("ligature", "[ﬀ-ﬆ]", ""),
)
# What a rule's match can begin with. Asked first, as it is nothing of this almost everywhere.
_SPECIAL = (
    rf"\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200d\u2028-\u202f\u205f\u3000{_IGNORABLE}"
    r"\ufe00-\ufe0f\U000e0000-\U000e01ef«»‹›“”„‟″〝〞＂’‘‚‛ʼ′＇`´\u1fef‐‑−…ﬀ-ﬆ"
)
_SOURCE_RULES = re.compile(
    rf"(?=[{_SPECIAL}]| [ {_SPECIAL}!?;:\u037e])(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern, _ in _RULES)
    + ")"
)
_TARGET_RULES = re.compile(rf"(?P<unseen>{_UNSEEN}++)|(?P<space>[ \t][ \t]++|\t)")
_REPLACEMENTS = {name: replacement for name, _, replacement in _RULES}

# Text that no rule changes, found many times faster than by trying them.
_PLAIN_WORD = (
    r"[a-zA-Z0-9À-ÖØ-öø-žŒœ,.'\"()%€$&/*+=#@_-][a-zA-Z0-9À-ÖØ-öø-žŒœ,.'\"()%€$&/*+=#@_:;!?-]*"
)
_PLAIN = re.compile(rf" ?{_PLAIN_WORD}(?: {_PLAIN_WORD})*+ ?|")


_MOST_PASSES = (
    5  # what one replacement leaves may match another rule: a mark in a mark, once or twice
)


def _replacement(match: re.Match[str]) -> str:
    rule = match.lastgroup or ""
    return _LIGATURES[match[0]] if rule == "ligature" else _REPLACEMENTS[rule]


@dataclass(frozen=True)
class CharacterView:
    """Characters as the model reads them, with the way back.

    `form` is a Unicode normal form or none; `rules` replace what they match in the text that has
    that form.
    """

    form: Literal["NFC", "NFKC"] | None = None
    rules: re.Pattern[str] | None = None

    def read(self, text: str) -> str:
        """The text as the model reads it; reading that again changes nothing."""
        if self.rules is _SOURCE_RULES and _PLAIN.fullmatch(text):
            return text
        for _ in range(_MOST_PASSES):
            before, text = text, self._once(text)
            if text == before:
                break
        return text

    def spans(self, text: str) -> list[Span]:
        """For each character of `read(text)` the span of `text` that it was made of."""
        spans = [(i, i + 1) for i in range(len(text))]
        for _ in range(_MOST_PASSES):
            before, text, of_pass = text, self._once(text), self._spans_once(text)
            if text == before:
                break
            spans = [(spans[start][0], spans[end - 1][1]) for start, end in of_pass]
        return spans

    def _once(self, text: str) -> str:
        if self.rules:
            text = self.rules.sub(_replacement, text)
        return unicodedata.normalize(self.form, text) if self.form else text

    def _spans_once(self, text: str) -> list[Span]:
        replaced: list[Span] = []
        end = 0
        for match in self.rules.finditer(text) if self.rules else ():
            replaced += [(i, i + 1) for i in range(end, match.start())]
            replaced += [match.span()] * len(_replacement(match))
            end = match.end()
        replaced += [(i, i + 1) for i in range(end, len(text))]
        if self.form is None:
            return replaced
        text = self.rules.sub(_replacement, text) if self.rules else text
        if unicodedata.is_normalized(self.form, text):
            return replaced
        clusters = _normalized_spans(text, self.form)
        return [(replaced[start][0], replaced[end - 1][1]) for start, end in clusters]


def _normalized_spans(text: str, form: Literal["NFC", "NFKC"]) -> list[Span]:
    """For each character of the text in a normal form the span that it was made of."""
    normalize = unicodedata.normalize
    spans: list[Span] = []
    start, end = 0, 0
    while start < len(text):
        end += 1
        # A cluster ends where the next character neither combines with it nor changes its form.
        while end < len(text) and (
            unicodedata.combining(text[end])
            or normalize(form, text[start:end]) + normalize(form, text[end])
            != normalize(form, text[start : end + 1])
        ):
            end += 1
        spans += [(start, end)] * len(normalize(form, text[start:end]))
        start = end
    return spans


RAW = CharacterView()
SOURCE = CharacterView("NFC", _SOURCE_RULES)
TARGET = CharacterView("NFC", _TARGET_RULES)

# ---------------------------------------------------------------------------------------- edges

_EDGE = re.compile(rf"(?:\s|{_UNSEEN})++")
_NO_SPACE = re.compile(r"\S+")
_MARKER = re.compile(
    r"(?P<bullet>[-–—•*·‣▪◦+>]|#{1,6})(?=\s)|(?P<number>\(?(?:\d{1,3}|[a-zA-Z])\)|\d{1,3}\.)(?=\s)"
)
_DOUBLE_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«", "＂": "＂", "”": "”"}
_SINGLE_QUOTES = {"'": "'", "‘": "’", "‚": "‘’", "‹": "›"}
_BRACKETS = {"(": ")", "[": "]", "{": "}", "（": "）", "【": "】"}
_EMPHASIS = ("***", "**", "*", "___", "__", "_", "~~", "~")
_FINAL = ".!?…,;:"

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
    """A raw line, of which line[start:end] is to be read, and what stands around its translation."""

    line: str
    start: int
    end: int
    before: str = ""
    after: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def core(self) -> str:
        return self.line[self.start : self.end]


def peel(line: str, language: str | None = None, kinds: Sequence[str] | None = None) -> Peeled:
    """A line without its edges; `language` is that of its translation, whose quotes replace its own.

    With `kinds`, marks are peeled only as far as they are of these kinds, in order: as those of the
    line that this one translates.
    """
    start, end, before, after = _strip(line, 0, len(line))
    found: list[str] = []
    while len(found) < _MOST_LAYERS and start < end:
        layer = _outermost(line, start, end, language)
        if layer is None or not has_letters(line[layer.start : layer.end]):
            break
        if kinds is not None and layer.kind != next(iter(kinds[len(found) :]), None):
            break
        found.append(layer.kind)
        start, end, inner_before, inner_after = _strip(line, layer.start, layer.end)
        if layer.kind == "double" and line[layer.start - 1] in "«»":  # whose space is theirs
            inner_before, inner_after = inner_before.strip(), inner_after.strip()
        before, after = before + layer.before + inner_before, inner_after + layer.after + after
    return Peeled(line, start, end, before, after, tuple(found))


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
_IGNORABLES = re.compile(f"[{_IGNORABLE}\u200c\u200d]")


def _is_unseen(line: str, index: int) -> bool:
    return bool(_IGNORABLES.match(line, index))


def _outermost(line: str, start: int, end: int, language: str | None) -> Layer | None:
    opening = line[start]
    if opening.isalpha() and line[start + 1 : start + 2] != ")":  # most lines end here
        return None
    marker = _MARKER.match(line, start, end)
    if marker:
        return Layer(marker["number"] or "bullet", marker.end(), end, marker[0], "")
    for kind, closings in (("double", _DOUBLE_QUOTES), ("single", _SINGLE_QUOTES), ("", _BRACKETS)):
        if opening in closings:
            return _enclosed(line, start, end, kind or opening, closings[opening], language)
    mark = next((mark for mark in _EMPHASIS if line.startswith(mark, start, end)), None)
    if mark and end - start > 2 * len(mark) and line.endswith(mark, start, end):
        inner = line[start + len(mark) : end - len(mark)]
        if mark[0] not in inner and not inner[0].isspace() and not inner[-1].isspace():
            return Layer(mark, start + len(mark), end - len(mark), mark, mark)
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
    elif kind == "double":
        if opening in inner or closing in inner:
            return None
    elif not _is_balanced(inner, opening, closing):
        return None
    before, after = opening, closing
    if kind == "double" and language in _QUOTES and opening not in _ALSO.get(language, ""):
        before, after = _QUOTES[language]
    return Layer(kind, start + 1, last, before, after + line[last + 1 : end])


def _is_balanced(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == opening) - (character == closing)
        if depth < 0:
            return False
    return depth == 0


_LETTER = re.compile(r"[^\W\d_]")


def has_letters(line: str) -> bool:
    """Whether there is anything to translate in a line."""
    return bool(_LETTER.search(line))


# --------------------------------------------------------------------------------------- capitals

_WORD = re.compile(r"[^\W_]+")
_ADDRESS = re.compile(r"\S*(?:://|@|www\.)\S*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:…]['\"”»)]*\s+)\W*$")
_MOST_NAMES = 5_000
_FEWEST_SEEN = 3  # of a name


def is_shouted(text: str) -> bool:
    """Whether a line has two words or more of two letters or more, all in capitals. Addresses do
    not count."""
    if text.upper() != text and not ("://" in text or "@" in text or "www." in text):
        return False  # most lines end here
    text = _ADDRESS.sub("", text)
    if text.upper() != text:
        return False
    words = [word for word in _WORD.findall(text) if word.upper() != word.lower()]
    return sum(len(word) > 1 for word in words) > 1


@dataclass(frozen=True)
class Casing:
    """How a language is cased, as far as training text shows it."""

    starts_upper: bool = True  # its lines begin with a capital
    names: Mapping[str, str] = field(default_factory=dict)  # "paris" -> "Paris", "usa" -> "USA"

    @classmethod
    def learn(cls, lines: Iterable[str]) -> "Casing":
        """From lines of training text: words that are mostly written with capitals where no
        sentence begins."""
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
        names = []
        for word, counts in forms.items():
            ((form, count),) = counts.most_common(1)
            if form != word and len(form) == len(word) and count >= _FEWEST_SEEN:
                names.append((-count, word, form))
        starts_upper = not num_lines or num_upper > 0.5 * num_lines
        return cls(starts_upper, {word: form for _, word, form in sorted(names)[:_MOST_NAMES]})

    def quiet(self, text: str, is_start: bool = True) -> str:
        """A text in capitals in small letters, as long as before; names and, `is_start` of a
        sentence, its first letter as the language has them."""
        text = "".join(map(_small, text))
        text = _WORD.sub(lambda match: self.names.get(match[0], match[0]), text)
        first = _LETTER.search(text) if is_start and self.starts_upper else None
        if first and len(first[0].upper()) == 1:
            text = text[: first.start()] + first[0].upper() + text[first.end() :]
        return text

    def to_json(self) -> dict[str, Any]:
        return {"starts_upper": self.starts_upper, "names": list(self.names.values())}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Casing":
        """Raises ValueError, TypeError or KeyError for what `to_json` does not write."""
        names = [str(name) for name in record["names"]]
        return cls(bool(record["starts_upper"]), {name.lower(): name for name in names})


def _small(character: str) -> str:
    small = character.lower()
    return small if len(small) == 1 else character


def shouted(text: str) -> str:
    """A text in capitals."""
    return text.upper()


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

    @property
    def source(self) -> CharacterView:
        return SOURCE if self.kind == "view" else self._form

    @property
    def target(self) -> CharacterView:
        return TARGET if self.kind == "view" else self._form

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
        return peel(target, kinds=source.kinds)

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

    def to_json(self) -> str:
        """What was learnt from training text; kind and languages stand in the run's config."""
        sides = {"source": self.source_casing.to_json(), "target": self.target_casing.to_json()}
        return json.dumps(sides, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, kind: Kind, target_language: str | None) -> "ModelInput":
        """Raises ValueError for what `to_json` does not write."""
        try:
            record = json.loads(text)
            casings = (Casing.from_json(record[side]) for side in ("source", "target"))
            return cls(kind, target_language, *casings)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"expected casing of source and target: {error!r}") from error


Reader = Callable[[str], str]
