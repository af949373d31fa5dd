"""Headers and footers of sheets in Excel: texts with codes in them, such as `&LPage &P of &N`."""

import html
import re
from collections.abc import Iterator, Sequence

from nmt.documents.document import Translations, blocks, placed, words
from nmt.text.html_blocks import AlignedText, Block, PartsBuilder, Tag

MAX_LENGTH = 255  # characters; Excel takes a workbook with a longer header for a damaged one

# Found without a parser, for which a sheet may be too long
_ELEMENT = re.compile(
    rb"(?P<before><(?:\w+:)?(?:odd|even|first)(?:Header|Footer)(?:\s[^<>]*)?>)(?P<text>[^<>]+)"
)
_CODE = re.compile(
    r"(?P<field>&(?:[PN](?:[+-]\d+)?|[DTGFAZ]))"  # page, pages, date, time, picture, names
    r"|&&"
    r'|(?P<format>&(?:"[^"]*"|\d+|K(?:[0-9a-fA-F]{6}|\d\d[+-]\d{3})|.?)|\r\n|\n|\r)',
    re.DOTALL,
)
_JOINED = re.compile(r"(?:&\d+|&[PN][+-]\d+)\0\d|&[PN]\0[+-]\d")  # a code, and a number after it


class SheetHeader:
    """The text of a header or footer. Codes of fields are part of its sentences; those of
    formatting, and of the left, middle and right section, end them."""

    def __init__(self, text: str, stand_ins: bool = False):
        self._length = len(text)
        builder = PartsBuilder(stand_ins)
        position = 0
        for match in _CODE.finditer(text):
            builder.add(*words(text[position : match.start()]))
            position = match.end()
            if match["field"]:
                builder.add(Tag(match[0], "point", is_copied=True))
            elif match["format"]:
                builder.boundary(match[0])
            else:
                builder.add("&")
        builder.add(*words(text[position:]))
        builder.end_text()
        self._parts = builder.parts
        self.units: Sequence[Block] = blocks(builder.parts)

    def is_changed(self, translations: Translations) -> bool:
        return any(unit in translations for unit in self.units)

    def has_room(self, unit: Block, translation: AlignedText) -> bool:
        """Whether the header is short enough whatever becomes of its other units. One that is too
        long already is not: it may have thousands of them."""
        if self._length > MAX_LENGTH:
            return False
        added = len(self.filled({unit: translation})) - self._length
        return added <= (MAX_LENGTH - self._length) // len(self.units)

    def filled(self, translations: Translations) -> str:
        written, last = "", ""
        for part in self._parts:
            # A part is a code, or text with codes in it.
            for entry in placed([part], translations):
                is_text = isinstance(entry, str)
                text = entry.replace("&", "&&") if isinstance(entry, str) else entry.raw
                if is_text and _JOINED.match(f"{last}\0{text}"):
                    written += " "
                written, last = written + text, "" if is_text else text
        return written


def read_headers(sheet: bytes, stand_ins: bool = False) -> list[SheetHeader]:
    """The headers and footers in the XML of a sheet."""
    if b"headerFooter" not in sheet:  # most have none, and are long
        return []
    return [
        SheetHeader(html.unescape(match["text"].decode("utf-8", "replace")), stand_ins)
        for match in _ELEMENT.finditer(sheet)
    ]


def write_headers(
    sheet: bytes, headers: Sequence[SheetHeader], translations: Translations
) -> bytes:
    """The XML of a sheet with its headers translated."""
    remaining: Iterator[SheetHeader] = iter(headers)

    def new(match: re.Match[bytes]) -> bytes:
        header = next(remaining)
        if not header.is_changed(translations):
            return match[0]
        text = html.escape(header.filled(translations), quote=False)
        return match["before"] + text.encode("ascii", "xmlcharrefreplace")

    return _ELEMENT.sub(new, sheet)
