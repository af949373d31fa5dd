"""The formats by suffix, and reading a document of one of them."""

from collections.abc import Mapping
from pathlib import PurePath

from nmt.about import is_installed
from nmt.documents.bilingual import TmxDocument, XliffDocument
from nmt.documents.document import MAX_BYTES, Document, ReadingOptions
from nmt.documents.epub import EpubDocument
from nmt.documents.gettext_catalog import PoDocument
from nmt.documents.markdown import MarkdownDocument
from nmt.documents.opendocument import OpenDocument, OpenPresentation, OpenSpreadsheet
from nmt.documents.openxml import DocxDocument, PptxDocument, XlsxDocument
from nmt.documents.pdf import PdfDocument
from nmt.documents.plain import TextDocument
from nmt.documents.strings import CsvDocument, JsonDocument, JsonLinesDocument, TsvDocument
from nmt.documents.subtitles import SubtitleDocument, VttDocument
from nmt.documents.web import HtmlDocument, XhtmlDocument
from nmt.errors import UserError

FORMATS: Mapping[str, type[Document]] = {
    ".txt": TextDocument,
    ".md": MarkdownDocument,
    ".markdown": MarkdownDocument,
    ".html": HtmlDocument,
    ".htm": HtmlDocument,
    ".xhtml": XhtmlDocument,
    ".srt": SubtitleDocument,
    ".vtt": VttDocument,
    ".po": PoDocument,
    ".pot": PoDocument,
    ".xliff": XliffDocument,
    ".xlf": XliffDocument,
    ".sdlxliff": XliffDocument,  # of Trados
    ".mqxliff": XliffDocument,  # of memoQ
    ".tmx": TmxDocument,
    ".json": JsonDocument,
    ".jsonl": JsonLinesDocument,
    ".ndjson": JsonLinesDocument,
    ".csv": CsvDocument,
    ".tsv": TsvDocument,
    ".docx": DocxDocument,
    ".odt": OpenDocument,
    ".odp": OpenPresentation,
    ".ods": OpenSpreadsheet,
    ".pptx": PptxDocument,
    ".xlsx": XlsxDocument,
    ".epub": EpubDocument,
    ".pdf": PdfDocument,
}
# Formats with macros are other formats to office programs, and their macros may depend on the text.
_REFUSED = {
    **dict.fromkeys((".docm", ".pptm", ".xlsm"), "documents with macros are not translated"),
    **dict.fromkeys((".doc", ".ppt", ".xls"), "formats of Office 97-2003 are not read"),
    ".rtf": "RTF is not read",
}


def suffix_of(name: str | PurePath) -> str | None:
    """The suffix of a document by the name of its file; None if it is no format's.

    Raises UserError for formats that are known and not supported.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in _REFUSED:
        raise UserError(f"{_REFUSED[suffix]}. Save it as .docx, .pptx, .xlsx or OpenDocument.")
    return suffix if suffix in FORMATS else None


def available() -> list[str]:
    """The suffixes of the formats whose libraries are installed."""
    return [
        suffix for suffix, format in FORMATS.items() if all(map(is_installed, format.libraries))
    ]


def read_document(content: bytes, suffix: str, options: ReadingOptions) -> Document:
    """Raises UserError for content that is not of the format, or for too much of it."""
    if len(content) > MAX_BYTES:
        raise UserError(
            f"a document may have at most {MAX_BYTES // 10**6} MB. Received: more. Split it."
        )
    return FORMATS[suffix](content, options)


def output_name(name: str, target: str) -> str:
    """The name of a translated document, as LibreTranslate names it: `letter_fr.docx`."""
    path = PurePath(name)
    suffix = FORMATS[path.suffix.lower()].output_suffix or path.suffix
    return f"{path.stem}_{target}{suffix}"
