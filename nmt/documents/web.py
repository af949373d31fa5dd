"""HTML files: `nmt.text.html`, with the encoding that the file says it has."""

import re

from nmt.documents.document import (
    Document,
    ReadingOptions,
    Translations,
    decode,
    is_translatable,
)
from nmt.text.html import parse_html

_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""<\?xml[^>]+encoding\s*=\s*["']([\w:.-]+)["']""")
_SCANNED = 1024  # bytes, in which HTML expects the declaration


class HtmlDocument(Document):
    """`.html`: text, and the attributes that people read."""

    media_type = "text/html"
    is_xml = False

    def __init__(self, content: bytes, options: ReadingOptions):
        start = content[:_SCANNED]
        declared = _XML_ENCODING.match(start.lstrip()) or _CHARSET.search(start)
        text, self._encoding = decode(content, declared[1].decode("ascii") if declared else None)
        is_xml = text.lstrip().startswith("<?xml")
        self._markup = parse_html(text, attributes=True, stand_ins=options.stand_ins, is_xml=is_xml)
        self.units = [unit for unit in self._markup.units if is_translatable(unit.text)]

    def filled(self, translations: Translations) -> bytes:
        text = self._markup.filled([translations.get(unit) for unit in self._markup.units])
        return self._encoding.encode(text, "xmlcharrefreplace")


class XhtmlDocument(HtmlDocument):
    """`.xhtml`"""

    media_type = "application/xhtml+xml"
    is_xml = True
