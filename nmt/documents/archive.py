"""Documents that are ZIP archives of XML files: parts are replaced, and all others copied.

Nothing is extracted to disk. Encrypted and damaged archives are refused, and so are those that
expand to more than a document does.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from nmt.documents.document import library
from nmt.errors import UserError

MAX_ENTRIES = 10_000
MAX_EXPANDED = 250_000_000  # bytes, of all entries together
MAX_XML = 50_000_000  # bytes of all parts that are parsed
# How Word writes documents with a password, and what the formats before 2007 are.
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Archive:
    """The entries of a ZIP archive, read and checked."""

    def __init__(self, content: bytes, kind: str):
        self._kind = kind
        self._num_parsed = 0  # bytes
        if content.startswith(_COMPOUND_FILE):
            raise UserError(
                f"expected {kind}. Received: a document with a password, or one of Office 97-2003."
                " Save it without a password and in today's format."
            )
        try:
            self._zip = _opened(content)
            self._check()
            if (damaged := self._zip.testzip()) is not None:
                raise zipfile.BadZipFile(damaged)
        except UserError:
            raise
        except Exception as error:  # of a dozen kinds from zipfile, depending on the damage
            raise UserError(
                f"expected {kind}. Received: no ZIP archive, or a damaged one."
            ) from error

    def _check(self) -> None:
        self._entries = self._zip.infolist()
        if any(entry.flag_bits & 1 for entry in self._entries):
            raise UserError("the document is encrypted. Save it without a password.")
        if len(self._entries) > MAX_ENTRIES:
            raise UserError(f"the document has more than {MAX_ENTRIES} parts.")
        # The sizes are those of the directory; reading an entry stops at its size.
        if sum(entry.file_size for entry in self._entries) > MAX_EXPANDED:
            raise UserError(f"the document expands to more than {MAX_EXPANDED // 10**6} MB.")
        if len({entry.filename for entry in self._entries}) < len(self._entries):
            raise zipfile.BadZipFile("two entries with one name")

    @property
    def names(self) -> list[str]:
        return [entry.filename for entry in self._entries]

    def read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except KeyError:
            raise UserError(
                f"expected {self._kind}. Received: an archive without {name}."
            ) from None

    def read_text(self, name: str) -> bytes:
        """The content of an entry to be parsed. UserError if all of them are too long."""
        content = self.read(name)
        self._num_parsed += len(content)
        if self._num_parsed > MAX_XML:
            raise UserError(f"the document has more than {MAX_XML // 10**6} MB of text. Split it.")
        return content

    def read_xml(self, name: str) -> Any:
        return parse_xml(self.read_text(name), name)

    def replaced(self, changed: Mapping[str, bytes]) -> bytes:
        """The archive with the content of some entries changed, in the same order."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as new:
            new.comment = self._zip.comment
            for entry in self._entries:
                content = changed.get(entry.filename)
                # With the entry's time, attributes and compression.
                new.writestr(entry, self._zip.read(entry) if content is None else content)
        return stream.getvalue()


def _opened(content: bytes) -> zipfile.ZipFile:
    """With names in UTF-8, also where no flag says so: zipfile takes them for code page 437."""
    try:
        return zipfile.ZipFile(io.BytesIO(content), metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(io.BytesIO(content))


def parse_xml(content: bytes, name: str) -> Any:
    """The root of an XML document. Entities are not resolved and nothing is loaded."""
    if len(content) > MAX_XML:
        raise UserError(f"{name} is longer than {MAX_XML // 10**6} MB.")
    etree = library("lxml.etree")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        strip_cdata=False,
        remove_blank_text=False,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = getattr(error, "msg", None) or str(error)
        reason = reason.replace(", use XML_PARSE_HUGE option", "")  # advice for programmers
        raise UserError(f"{name}: expected XML. Received: {reason}.") from None
    subset = root.getroottree().docinfo.internalDTD
    if subset is not None and any(True for _ in subset.iterentities()):
        raise UserError(f"{name} declares entities, which no document needs.")
    return root


def write_xml(root: Any) -> bytes:
    """With the declaration that it had."""
    tree = root.getroottree()
    info = tree.docinfo
    written: bytes = library("lxml.etree").tostring(
        tree,
        encoding=info.encoding or "UTF-8",
        xml_declaration=True,
        standalone=info.standalone or None,
    )
    return written
