"""The text in HTML: taken out to be translated, and put back; everything else stays as it is, byte for byte."""

import html
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

# HTML's own white space: U+00A0 is text.
_TEXT = re.compile(r"([ \t\n\f\r]*)(.*?)([ \t\n\f\r]*)", re.DOTALL)
_WHITE_SPACE = re.compile(r"[ \t\n\f\r]+")


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
    """Any string is a document: what is no good HTML is markup or text as the parser takes it.

    No text are scripts, styles, comments, and elements with `translate="no"`. White space around a text is markup, and
    inside it is a space.
    """
    pieces: list[str] = []
    places, texts = [], []
    for is_text, run in itertools.groupby(_Parser(document).runs(), key=lambda run: run[0]):
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


class _Parser(HTMLParser):
    """Notes only where things begin: what lies between two beginnings is kept as it was written."""

    def __init__(self, document: str):
        super().__init__(convert_charrefs=False)
        self._document = document
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", document))]
        self._beginnings = [(0, False)]
        self._kept = ""  # the element whose text is no text, and how many of its name are open
        self._depth = 0

    def runs(self) -> list[tuple[bool, str]]:
        """(whether it is text, as written), one after the other."""
        self.feed(self._document)
        self.close()
        ends = [*(start for start, _ in self._beginnings[1:]), len(self._document)]
        return [
            (is_text, self._document[start:end]) for (start, is_text), end in zip(self._beginnings, ends, strict=True)
        ]

    def _begin(self, is_text: bool = False) -> None:
        line, column = self.getpos()
        self._beginnings.append((self._line_starts[line - 1] + column, is_text and not self._depth))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin()
        if not self._depth and (tag in ("script", "style") or ("translate", "no") in attrs):
            self._kept = tag
        self._depth += tag == self._kept

    def handle_endtag(self, tag: str) -> None:
        self._begin()
        if tag == self._kept:
            self._depth -= 1
            self._kept = self._kept if self._depth else ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin()

    def handle_data(self, data: str) -> None:
        self._begin(is_text=True)

    def handle_entityref(self, name: str) -> None:
        self._begin(is_text=True)

    def handle_charref(self, name: str) -> None:
        self._begin(is_text=True)

    def handle_comment(self, data: str) -> None:
        self._begin()

    def handle_decl(self, decl: str) -> None:
        self._begin()

    def handle_pi(self, data: str) -> None:
        self._begin()

    def unknown_decl(self, data: str) -> None:
        self._begin()
