"""PDF: the text that pypdf finds, as plain text. Layout, pictures and formatting are lost."""

import itertools
import logging
import re

from nmt.about import install_command
from nmt.documents.document import (
    Document,
    Encoding,
    ReadingOptions,
    Translations,
    is_translatable,
    library,
)
from nmt.documents.plain import Paragraph, fill_paragraphs, paragraphs
from nmt.errors import UserError

MAX_PAGES = 2000
MAX_OPERATIONS = 3_000_000  # of all pages: 0.1 ms each, and forms may draw forms many times
_SLACK = 0.25  # of the width of a line of print
_HYPHENATED = re.compile(r"(?<=[^\W\d_])-\n(?=[a-zà-öø-ÿ])")


class PdfDocument(Document):
    """`.pdf`, to text only."""

    media_type = "text/plain; charset=utf-8"
    libraries = ("pypdf",)
    output_suffix = ".txt"

    def __init__(self, content: bytes, options: ReadingOptions):
        text = _extracted(content)
        if not text.strip():
            raise UserError("the PDF holds no text: it may be a scan, which needs OCR first.")
        self._parts = paragraphs(_HYPHENATED.sub("", text), _SLACK)
        self.units = [
            part
            for part in self._parts
            if isinstance(part, Paragraph) and is_translatable(part.text)
        ]

    def filled(self, translations: Translations) -> bytes:
        return Encoding("utf-8").encode(fill_paragraphs(self._parts, translations), "replace")


def _extracted(content: bytes) -> str:
    import io

    pypdf = library("pypdf")
    # Of a damaged file it logs what it tries, and then raises.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    if b"%PDF-" not in content[:1024]:
        raise UserError("expected a PDF. Received: another file.")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UserError("the PDF is encrypted. Save it without a password.")
        if len(reader.pages) > MAX_PAGES:
            raise UserError(f"the PDF has more than {MAX_PAGES} pages. Split it.")
        number = itertools.count(1)

        def count(*_: object) -> None:
            if next(number) > MAX_OPERATIONS:
                raise UserError(f"the PDF has more than {MAX_OPERATIONS:,} operations. Split it.")

        pages = [
            page.extract_text(visitor_operand_before=count).strip("\n") for page in reader.pages
        ]
    except UserError:
        raise
    except pypdf.errors.DependencyError as error:  # of AES
        raise UserError(
            "the PDF is encrypted with AES, which needs cryptography. Install it with:"
            f" {install_command('documents')}"
        ) from error
    except Exception as error:  # pypdf raises whatever a damaged file causes
        detail = str(error) or type(error).__name__
        raise UserError(f"expected a PDF. Received: a damaged one ({detail}).") from error
    return "\n\n".join(pages) + "\n"
