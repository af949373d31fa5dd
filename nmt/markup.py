"""The text in HTML: taken out to be translated, and put back; everything else stays as it is, byte for byte.

By HTML's own rules of where a tag begins and ends, in one pass: the standard library's parser takes minutes for some
20,000 characters that are no good HTML, as of Python 3.11.7.
"""

import html
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# HTML's own white space: U+00A0 is text. Where something has no end, it goes on to that of the document.
_WHITE_SPACE = re.compile(r"[ \t\n\f\r]+")
_TEXT = re.compile(r"([ \t\n\f\r]*)(.*?)([ \t\n\f\r]*)", re.DOTALL)
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
_NOT_TRANSLATED = re.compile(r"""[\s"']translate\s*=\s*(?:"no"|'no'|no)(?![^\s/"'])""", re.IGNORECASE)
_RAW = ("script", "style", "xmp", "iframe", "noembed", "noframes")  # what is in them is no HTML
_VOID = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")


@dataclass(frozen=True)
class Markup:
    """A document in pieces, those at `places` text; `texts` are the same as one reads them, each on one line."""

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

    No text are scripts, styles, comments, and elements with `translate="no"`. White space around a text is markup, and
    inside it is a space.
    """
    pieces: list[str] = []
    places, texts = [], []
    for is_text, run in itertools.groupby(_runs(document), key=lambda run: run[0]):
        raw = "".join(piece for _, piece in run)
        if not is_text:
            pieces.append(raw)
            continue
        before, text, after = _TEXT.fullmatch(raw).groups()  # type: ignore[union-attr]  # it matches anything
        if text:
            places.append(len(pieces) + 1)
            texts.append(_WHITE_SPACE.sub(" ", html.unescape(text)))
        pieces += [before, text, after]
    return Markup(tuple(pieces), tuple(places), tuple(texts))


def _runs(document: str) -> Iterator[tuple[bool, str]]:
    """(whether it is to be translated, as written), one after the other."""
    kept, depth = "", 0  # the element that is not translated, and how many of its name are open
    end = 0
    while match := _MARKUP.search(document, end):
        yield not depth, document[end : match.start()]
        end = match.end()
        name = (match["name"] or "").lower()
        if match["slash"]:
            if depth and name == kept:
                depth -= 1
        elif name in _RAW:
            closing = re.compile(rf"</{name}(?=[ \t\n\f\r/>])", re.IGNORECASE).search(document, end)
            end = closing.start() if closing else len(document)
        elif name and name not in _VOID and not match["rest"].endswith("/"):
            if not depth and _NOT_TRANSLATED.search(match["rest"]):
                kept, depth = name, 1
            elif depth and name == kept:
                depth += 1
        yield False, document[match.start() : end]
    yield not depth, document[end:]
