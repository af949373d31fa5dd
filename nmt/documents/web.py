"""HTML files: `nmt.text.html`, with the encoding that the file says it has."""

import contextlib
import re

from nmt.documents.document import (
    Document,
    Encoding,
    ReadingOptions,
    Translations,
    decode,
    is_translatable,
    limited,
)
from nmt.text.html import parse_html

_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""<\?xml[^>]+encoding\s*=\s*["']([\w:.-]+)["']""")
# By HTML's standard these names mean Windows-1252, which has quotes where Latin-1 has controls.
_LATIN_1 = ("iso-8859-1", "iso8859-1", "latin1", "latin-1", "ascii", "us-ascii")
_ONE_BYTE = re.compile(r"(?:iso-?8859|windows-?125|cp-?125|latin|l[1-9]\b|(?:us-)?ascii|koi8)")
_WINDOWS_1252_ONLY = re.compile(rb"[\x80-\x9f]")
_HEAD = re.compile(r"<(?:head|body)\b", re.IGNORECASE)
_ROOT = re.compile(r"<html\b[^<>]*>", re.IGNORECASE)
_LANGUAGE = re.compile(r"""(\s(?:xml:)?lang\s*=\s*["']?)([\w-]+)""", re.IGNORECASE)
_SCANNED = 1024  # bytes, in which HTML expects the declaration


class HtmlDocument(Document):
    """`.html`: text, and the attributes that people read."""

    media_type = "text/html"
    is_xml = False

    def __init__(self, content: bytes, options: ReadingOptions):
        start = content[:_SCANNED]
        declared = _XML_ENCODING.match(start.lstrip()) or _CHARSET.search(start)
        name = declared[1].decode("ascii") if declared else None
        if not self.is_xml and name:
            name = _actual_encoding(name, content)
        text, self._encoding = decode(content, name)
        # Browsers read a page in ASCII that declares nothing in an encoding of their own.
        if not self.is_xml and not name and content.isascii() and _ROOT.search(text):
            self._encoding = Encoding("ascii")
        is_xml = self.is_xml or text.lstrip().startswith("<?xml")
        self._markup = parse_html(text, attributes=True, stand_ins=options.stand_ins, is_xml=is_xml)
        units = (unit for unit in self._markup.units if is_translatable(unit.text))
        self.units = list(limited(units))
        self._options = options

    def filled(self, translations: Translations) -> bytes:
        text = self._markup.filled([translations.get(unit) for unit in self._markup.units])
        if translations:
            text = self._in_target_language(text)
        return self._encoding.encode(text, "xmlcharrefreplace")

    def _in_target_language(self, text: str) -> str:
        """With the language that the root element names."""
        head = _HEAD.search(text)
        end = head.start() if head else 0
        return (
            _ROOT.sub(lambda tag: _LANGUAGE.sub(self._new_language, tag[0]), text[:end])
            + (text[end:])
        )

    def _new_language(self, match: re.Match[str]) -> str:
        return match[1] + (self._options.target if self._options.is_source(match[2]) else match[2])


def _actual_encoding(declared: str, content: bytes) -> str:
    """What a page is written in that declares an encoding. Letters of one byte each are no UTF-8
    except by a very rare chance, so what can be read as UTF-8 was declared wrongly, as in pages
    whose server declares the right encoding."""
    name = declared.lower()
    if _ONE_BYTE.match(name) and not content.isascii():
        with contextlib.suppress(UnicodeDecodeError):
            content.decode("utf-8")
            return "utf-8"
    if name in _LATIN_1 and _WINDOWS_1252_ONLY.search(content):
        return "cp1252"
    return declared


class XhtmlDocument(HtmlDocument):
    """`.xhtml`"""

    media_type = "application/xhtml+xml"
    is_xml = True
