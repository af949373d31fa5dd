"""The text in HTML: taken out to be translated, and put back; everything else stays as it is, byte
for byte.

By HTML's own rules of where a tag begins and ends, in one pass: the standard library's parser takes
minutes for some 20,000 characters that are no good HTML, as of Python 3.11.7.
"""

import html
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# HTML's own white space: U+00A0 is text. Where something has no end, it goes on to that of the
# document.
_SPACES = " \t\n\f\r"
_WHITE_SPACE = re.compile(rf"[{_SPACES}]+")
_NUMBER = re.compile(r"&#0*(\d+)")
_MARKUP = re.compile(
    r"""
      <!--(?:-?>|.*?(?:--!?>|\Z))                                               # a comment
    | <(?:[!?]|/(?![a-zA-Z]|\Z))[^>]*+(?:>|\Z)                                 # a declaration, or an odd comment
    | <(?P<slash>/?)(?P<name>[a-zA-Z][^ \t\n\f\r/>]*+)                          # a tag ...
      (?P<rest>(?:[^=>]|=[ \t\n\f\r]*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*+)>       # ... and its attributes
    | </?[a-zA-Z].*                                                             # a tag without end
    """,
    re.DOTALL | re.VERBOSE,
)
_NOT_TRANSLATED = re.compile(
    r"""[\s"']translate\s*=\s*(?:"no"|'no'|no)(?![^\s/"'])""", re.IGNORECASE
)
_RAW = ("script", "style", "xmp", "iframe", "noembed", "noframes")  # what is in them is no HTML
# What ends an element that has no end tag: one of these, unless it stands in one of `_CONTAINERS`,
# or its parent's end.
_BLOCKS = (
    "address",
    "article",
    "aside",
    "blockquote",
    "details",
    "div",
    "dl",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
)
_ENDED_BY = {
    "p": _BLOCKS,
    "li": ("li",),
    "dt": ("dt", "dd"),
    "dd": ("dt", "dd"),
    "tr": ("tr",),
    "td": ("td", "th", "tr"),
    "th": ("td", "th", "tr"),
    "option": ("option", "optgroup"),
}
_CONTAINERS = ("dl", "menu", "ol", "select", "table", "ul")
_VOID = (
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
)


@dataclass(frozen=True)
class Markup:
    """A document in pieces, those at `places` text; `texts` are the same as one reads them, each on
    one line."""

    pieces: tuple[str, ...]
    places: tuple[int, ...]
    texts: tuple[str, ...]

    def filled(self, texts: Sequence[str]) -> str:
        """The document with other texts, escaped, in the places of its own."""
        pieces = list(self.pieces)
        for place, text in zip(self.places, texts, strict=True):
            pieces[place] = html.escape(text, quote=False)
        return "".join(pieces)


def parse_markup(document: str) -> Markup:
    """Any string is a document.

    No text are scripts, styles, comments, and elements with `translate="no"`. White space around a
    text is markup, and inside it is a space.
    """
    pieces: list[str] = []
    places, texts = [], []
    for is_text, run in itertools.groupby(_runs(document), key=lambda run: run[0]):
        raw = "".join(piece for _, piece in run)
        if not is_text:
            pieces.append(raw)
            continue
        text = raw.strip(_SPACES)
        before, after = (
            raw[: len(raw) - len(raw.lstrip(_SPACES))],
            raw[len(raw.rstrip(_SPACES)) :] if text else "",
        )
        if text:
            places.append(len(pieces) + 1)
            # More than eight digits are no character's, and Python reads no number of thousands.
            numbers_cut = _NUMBER.sub(lambda match: f"&#{match[1][:8]}", text)
            texts.append(_WHITE_SPACE.sub(" ", html.unescape(numbers_cut)))
        pieces += [before, text, after]
    return Markup(tuple(pieces), tuple(places), tuple(texts))


def _runs(document: str) -> Iterator[tuple[bool, str]]:
    """(whether it is to be translated, as written), one after the other."""
    kept = ""  # the element that is not translated
    inside: Counter[str] = Counter()  # it: the elements that are open
    end = 0
    while match := _MARKUP.search(document, end):
        yield not kept, document[end : match.start()]
        end = match.end()
        name = (match["name"] or "").lower()
        if match["slash"]:
            if inside[name]:
                inside[name] -= 1
            elif name == kept or kept in _ENDED_BY:  # its own end, or its parent's
                kept = ""
        elif name in _RAW:
            closing = re.compile(rf"</{name}(?=[ \t\n\f\r/>])", re.IGNORECASE).search(document, end)
            end = closing.start() if closing else len(document)
            inside[name] += 1
        elif name and name not in _VOID and not match["rest"].endswith("/"):
            if name in _ENDED_BY.get(kept, ()) and not any(
                inside[container] for container in _CONTAINERS
            ):
                kept = ""
            if kept:
                inside[name] += 1
            elif _NOT_TRANSLATED.search(match["rest"]):
                kept, inside = name, Counter()
        yield False, document[match.start() : end]
    yield not kept, document[end:]
