"""Archives and XML from strangers."""

import contextlib
import io
import struct
import zipfile

import pytest
from fixtures.documents import docx_letter, epub, odt, read, unzipped, word, xlsx_sheet, zipped

from nmt.documents import archive
from nmt.documents.archive import Archive, parse_xml
from nmt.errors import UserError


def refused(suffix, content, match):
    with pytest.raises(UserError, match=match) as error:
        read(suffix, content)
    assert "\n" not in str(error.value)


def test_unchanged_entries_keep_name_order_time_attributes_and_compression():
    before = zipfile.ZipFile(io.BytesIO(epub()))
    after = zipfile.ZipFile(
        io.BytesIO(Archive(epub(), "a book").replaced({"OEBPS/style.css": b""}))
    )
    for old, new in zip(before.infolist(), after.infolist(), strict=True):
        for name in ("filename", "date_time", "external_attr", "compress_type", "comment"):
            assert getattr(old, name) == getattr(new, name)
        assert (old.filename == "OEBPS/style.css") == (before.read(old) != after.read(new))


def test_macros_and_signatures_are_copied_as_any_other_part():
    entries = {**unzipped(docx_letter()), "word/vbaProject.bin": b"\x00macro"}
    assert (
        unzipped(Archive(zipped(entries), "x").replaced({}))["word/vbaProject.bin"] == b"\x00macro"
    )


def test_a_document_with_a_password_is_refused():
    refused(".docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password")


def test_an_encrypted_archive_is_refused():
    content = bytearray(word(""))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.find(signature)
        content[position + offset] |= 1
    refused(".docx", bytes(content), "encrypted")


def test_an_encrypted_open_document_is_refused():
    entries = unzipped(odt())
    entries["META-INF/manifest.xml"] = b"<m xmlns:manifest='x'><manifest:encryption-data/></m>"
    refused(".odt", zipped(entries), "encrypted")


def test_a_damaged_archive_is_refused():
    content = bytearray(docx_letter())
    content[len(content) // 2] ^= 255
    content[len(content) // 3] ^= 255
    refused(".docx", bytes(content), "damaged")


def test_an_archive_of_something_else_is_refused():
    refused(".docx", xlsx_sheet(), r"without word/document\.xml")
    refused(".odt", docx_letter(), r"without content\.xml")
    refused(".epub", docx_letter(), r"without META-INF/container\.xml")


def test_an_archive_that_expands_too_much_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(archive, "MAX_EXPANDED", 10**6)
    bomb = zipped({**unzipped(word("")), "word/media/x": bytes(2 * 10**6)})
    assert len(bomb) < 10**4
    refused(".docx", bomb, "expands to more than 1 MB")


def test_an_entry_that_lies_about_its_size_is_refused():
    content = bytearray(zipped({**unzipped(word("")), "word/media/x": bytes(10**6)}))
    position = content.rfind(b"PK\x01\x02")
    content[position + 24 : position + 28] = struct.pack("<I", 100)
    refused(".docx", bytes(content), "damaged")


def test_a_part_that_is_too_long_to_be_parsed_is_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_XML", 1000)
    refused(".docx", word("<w:p/>" * 200), "more than 0 MB of text")


def test_parts_that_are_too_long_together_are_refused(monkeypatch):
    entries = unzipped(word(""))
    entries["word/header1.xml"] = entries["word/document.xml"]
    monkeypatch.setattr(archive, "MAX_XML", sum(map(len, entries.values())) - 100)
    read(".docx", word(""))
    entries = {**entries, **{f"word/header{n}.xml": entries["word/document.xml"] for n in "23456"}}
    refused(".docx", zipped(entries), "MB of text")


def test_many_parts_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_ENTRIES", 3)
    refused(".docx", word(""), "more than 3 parts")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    "declared",
    [
        LAUGHS,
        '<!ENTITY l9 SYSTEM "file:///etc/passwd">',
        '<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> <!ENTITY l9 "y">',
    ],
)
def test_entities_are_refused_and_nothing_is_loaded(declared):
    content = f"<!DOCTYPE a [{declared}]><a>&l9;</a>".encode()
    with pytest.raises(UserError, match="entit"):
        parse_xml(content, "the file")
    refused(".tmx", f"<!DOCTYPE tmx [{declared}]><tmx>&l9;</tmx>", "entit")


def test_deep_nesting_is_refused():
    for depth in (300, 100_000):
        with pytest.raises(
            UserError, match=r"Received: Excessive depth [^,]*, line 1, column \d+\.$"
        ):
            parse_xml(b"<a>" * depth + b"</a>" * depth, "the file")


def test_damaged_xml_in_a_document_is_refused():
    refused(".docx", word("<w:p>"), r"word/document\.xml: expected XML")


@pytest.mark.parametrize("make", [docx_letter, epub, odt, xlsx_sheet])
def test_an_archive_that_is_cut_off_or_changed_anywhere_is_refused_or_read(make):
    content = make()
    for place in range(0, len(content), max(1, len(content) // 150)):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        for one in (content[:place], content[place:], bytes(damaged)):
            with contextlib.suppress(UserError):
                Archive(one, "a document")
