"""Characters as the model reads them, as a typographic convention has them, and the way back.

French corpora mix `'` with `’`, `"` with `« »`, and U+0020, U+00A0, U+202F and nothing before
`! ? : ;`. A model learns the mixture as noise: a convention for its targets takes that away, and
another one may be asked for where translations are written.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from nmt.text.spans import Span

# Name, pattern, and what replaces a match: a text, or a function of the matched text.
Rule = tuple[str, str, str | Callable[[str], str]]
Apostrophe = Literal["keep", "straight", "curly"]
Space = Literal["keep", "narrow", "no_break", "plain", "none"]
Quotes = Literal["keep", "straight", "guillemets"]

# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt) without the joiners U+200C
# and U+200D, variation selectors and tags, which have rules of their own; and control characters
# that are no white space.
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
)
EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# Scripts in which joiners decide how letters are shaped: Arabic to Thaana, Brahmic ones, Mongolian.
_JOINING = (
    "\u0600-\u08ff\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u18af\u1900-\u1cff\ua840-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff"
)
UNSEEN = (
    rf"(?:[{IGNORABLE}]"
    rf"|(?<![{_JOINING}])\u200c"
    rf"|(?<![{_JOINING}])(?<![{EMOJI}\ufe0f])\u200d|(?<![{_JOINING}])\u200d(?![{EMOJI}])"
    rf"|(?<![{EMOJI}0-9#*])[\ufe00-\ufe0f]|[\U000e0100-\U000e01ef]"
    r"|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f])"
)
# Possessive quantifiers throughout: a run is read once, however long it is.
_SPACES = rf"(?={UNSEEN}*+\s)(?:\s|{UNSEEN})++"

# Web pages write them so, and what reads pages often leaves them so: it&#39;s
_DOUBLE_ENTITY = r"&(?:quot|[lr]dquo|#0{0,3}34|#[xX]0{0,2}22);"
_SINGLE_ENTITY = r"&(?:apos|[lr]squo|#0{0,3}39|#[xX]0{0,2}27);"
QUOTE_ENTITY = f"(?:{_DOUBLE_ENTITY}|{_SINGLE_ENTITY})"

_RULES: tuple[Rule, ...] = (
    # "Quoi ?" and "Quoi?" are the same question; " :)" is no colon.
    (
        "before_mark",
        r"(?<=[\w\u0300-\u036f)\]\"'«»‹›“”„‟″〝〞＂’‘‚‛ʼ′＇])"
        rf"{_SPACES}(?=[!?;:\u037e]++(?:\s|$))",
        "",
    ),
    ("guillemets", r"(?<!\w)[«‹]\s++|\s++[»›](?!\w)|[«»]", '"'),
    ("space", _SPACES, " "),
    ("unseen", rf"{UNSEEN}++", ""),
    ("double", f"[“”„‟″〝〞＂]|{_DOUBLE_ENTITY}", '"'),
    ("single", rf"[’‘‚‛ʼ′＇‹›]|(?<=\w)[`´\u1fef](?=\w)|{_SINGLE_ENTITY}", "'"),
    ("hyphen", "[‐‑−]", "-"),
    ("ellipsis", "…", "..."),
    # and full-width letters and digits
    (
        "ligature",
        "[ﬀ-ﬆ\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]",
        lambda written: unicodedata.normalize("NFKC", written),
    ),
)
# What a rule's match can begin with. Asked first, as it is nothing of this almost everywhere.
_SPECIAL = (
    rf"\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200d\u2028-\u202f\u205f\u3000{IGNORABLE}"
    r"\ufe00-\ufe0f\U000e0000-\U000e01ef«»‹›“”„‟″〝〞＂’‘‚‛ʼ′＇`´\u1fef‐‑−…ﬀ-ﬆ"
    r"\uff10-\uff19\uff21-\uff3a\uff41-\uff5a&"
)
_SOURCE_GATE = rf"(?=[{_SPECIAL}]| [ {_SPECIAL}!?;:\u037e])"
_TARGET_RULES: tuple[Rule, ...] = (
    ("unseen", rf"{UNSEEN}++", ""),
    ("space", r"[ \t][ \t]++|\t", " "),
)

# Text that no rule changes, found many times faster than by trying them.
_PLAIN_WORD = (
    r"[a-zA-Z0-9À-ÖØ-öø-žŒœ,.'\"()%€$/*+=#@_-][a-zA-Z0-9À-ÖØ-öø-žŒœ,.'\"()%€$/*+=#@_:;!?-]*"
)
_PLAIN = re.compile(rf" ?{_PLAIN_WORD}(?: {_PLAIN_WORD})*+ ?|")


# Normalisation sorts combining marks by class, which takes quadratic time. No writing system has so
# many on one letter (Unicode Standard Annex 15, "Stream-Safe Text Format").
_MOST_MARKS = 30
_MAY_HAVE_MORE_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{_MOST_MARKS + 1}}}")

# What one replacement leaves may match another rule: a mark in a mark, once or twice.
_MOST_PASSES = 5


class Rules:
    """Replacements by regular expressions; where several match, the first of them counts."""

    def __init__(self, rules: Iterable[Rule], gate: str = ""):
        rules = tuple(rules)
        self.pattern = re.compile(
            gate + "(?:" + "|".join(f"(?P<{n}>{p})" for n, p, _ in rules) + ")"
        )
        self._replacements = {name: replacement for name, _, replacement in rules}

    def replacement(self, match: re.Match[str]) -> str:
        replacement = self._replacements[match.lastgroup or ""]
        return replacement if isinstance(replacement, str) else replacement(match[0])

    def replace(self, text: str) -> str:
        return self.pattern.sub(self.replacement, text)

    def spans(self, text: str) -> list[Span]:
        """For each character of `replace(text)` the span of `text` that it was made of. One that
        was put between two has that of the first."""
        spans: list[Span] = []
        end = 0
        for match in self.pattern.finditer(text):
            start = match.start()
            spans += [(i, i + 1) for i in range(end, start)]
            replaced = match.span() if match[0] else (max(0, start - 1), max(1, start))
            spans += [replaced] * len(self.replacement(match))
            end = match.end()
        return spans + [(i, i + 1) for i in range(end, len(text))]


_SOURCE_RULES = Rules(_RULES, _SOURCE_GATE)


@dataclass(frozen=True)
class CharacterView:
    """Characters as somebody reads them, with the way back: what `rules` make of a text, in a
    Unicode normal form, if any."""

    form: Literal["NFC", "NFKC"] | None = None
    rules: Rules | None = None

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
        text = self.rules.replace(text) if self.rules else text
        return unicodedata.normalize(self.form, _limit_marks(text)[0]) if self.form else text

    def _spans_once(self, text: str) -> list[Span]:
        replaced = self.rules.spans(text) if self.rules else [(i, i + 1) for i in range(len(text))]
        text = self.rules.replace(text) if self.rules else text
        if self.form is None:
            return replaced
        text, places = _limit_marks(text)
        replaced = [replaced[i] for i in places]
        if unicodedata.is_normalized(self.form, text):
            return replaced
        clusters = _normalized_spans(text, self.form)
        return [(replaced[start][0], replaced[end - 1][1]) for start, end in clusters]


def _limit_marks(text: str) -> tuple[str, Sequence[int]]:
    """A text without the marks beyond 30 in a row, and where each of its characters stood."""
    if not _MAY_HAVE_MORE_MARKS.search(text):
        return text, range(len(text))
    places, num_marks = [], 0
    for i, character in enumerate(text):
        num_marks = num_marks + 1 if unicodedata.category(character).startswith("M") else 0
        if num_marks <= _MOST_MARKS:
            places.append(i)
    return "".join(text[i] for i in places), places


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


# ---------------------------------------------------------------------------------- typography

_TYPOGRAPHIC_SPACES = {"narrow": "\u202f", "no_break": "\u00a0", "plain": " ", "none": ""}
# Not "10:30", "http://" or ":)": a mark stands after a word, and before a space or the end.
_BEFORE_MARK = (
    r"(?<=[\w)\]%€\"'’»])(?:[ \u00a0\u202f]|(?<![ \u00a0\u202f])(?=[!?;:]))"
    r"(?=[!?;:]++(?:[\s»\"]|$)|[!?]++[)\]])"
)


# Not of feet and inches: 5'10"
_OPENING_QUOTE = r"(?<![^\s(\[{«])[\"“„](?=\S)"
_CLOSING_QUOTE = r"(?<=[^\s\d(\[{«])[\"”](?![^\s.,;:!?…)\]}»])"


def typography_rules(apostrophe: Apostrophe, space: Space, quotes: Quotes) -> list[Rule]:
    """What brings a text to one convention."""
    rules: list[Rule] = []
    if apostrophe != "keep":
        pattern = r"(?<=[^\W_])['’](?=[^\W_])|(?<=[^\W_])['’](?=\s|$)"
        rules.append(("apostrophe", pattern, "'" if apostrophe == "straight" else "’"))
    opening, closing = r"«[ \u00a0\u202f]?", r"[ \u00a0\u202f]?»"
    if space != "keep":
        rules.append(("before_mark", _BEFORE_MARK, _TYPOGRAPHIC_SPACES[space]))
    if quotes == "straight":
        rules += [("opening", f"{opening}|[“„]", '"'), ("closing", f"{closing}|”", '"')]
    elif quotes == "guillemets" or space != "keep":
        character = _TYPOGRAPHIC_SPACES["no_break" if space == "keep" else space]
        if quotes == "guillemets":
            opening, closing = f"{opening}|{_OPENING_QUOTE}", f"{closing}|{_CLOSING_QUOTE}"
        rules += [("opening", opening, f"«{character}"), ("closing", closing, f"{character}»")]
    return rules


RAW = CharacterView()
SOURCE = CharacterView("NFC", _SOURCE_RULES)
TARGET = CharacterView("NFC", Rules(_TARGET_RULES))


def target_view(
    apostrophe: Apostrophe = "keep", space: Space = "keep", quotes: Quotes = "keep"
) -> CharacterView:
    """The view of targets that have one typography."""
    rules = typography_rules(apostrophe, space, quotes)
    return CharacterView("NFC", Rules((*_TARGET_RULES, *rules))) if rules else TARGET


def typography(
    apostrophe: Apostrophe = "keep", space: Space = "keep", quotes: Quotes = "keep"
) -> CharacterView:
    """A text with these apostrophes and double quotes, this space before `! ? : ;` and inside
    `« »`; nothing else is changed."""
    rules = typography_rules(apostrophe, space, quotes)
    return CharacterView(None, Rules(rules)) if rules else RAW
