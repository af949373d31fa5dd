"""Books."""

import pytest
from fixtures.documents import changed_entries, epub, read, translated, unzipped, zipped

from nmt.errors import UserError


def test_chapters_contents_and_title_are_translated():
    entries = unzipped(translated(".epub", epub()))
    chapter = entries["OEBPS/text/one a.xhtml"].decode()
    assert "<p>NIGHT. <em>DARK</em> A WAS IT</p><p>CHIPS &amp; FISH<br/>HERE</p>" in chapter
    assert chapter.startswith('<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>')
    assert "<text>ONE CHAPTER</text>" in entries["OEBPS/toc.ncx"].decode()
    link = '<a href="text/one%20a.xhtml">ONE CHAPTER</a>'
    assert link in entries["OEBPS/nav.xhtml"].decode()
    assert "<dc:title>NIGHT THE</dc:title>" in entries["OEBPS/book.opf"].decode()
    assert "<dc:language>fr</dc:language>" in entries["OEBPS/book.opf"].decode()


def test_only_what_has_text_changes_and_the_media_type_stays_first():
    content = translated(".epub", epub())
    assert changed_entries(epub(), content) == [
        "OEBPS/book.opf",
        "OEBPS/nav.xhtml",
        "OEBPS/toc.ncx",
        "OEBPS/text/one a.xhtml",
    ]
    assert content[30:58] == b"mimetypeapplication/epub+zip"


def encrypted(name):
    return zipped(
        {
            **unzipped(epub()),
            "META-INF/encryption.xml": "<encryption xmlns='urn:oasis:names:tc:opendocument:xmlns:"
            "container'><EncryptedData xmlns='http://www.w3.org/2001/04/xmlenc#'><CipherData>"
            f"<CipherReference URI='{name}'/></CipherData></EncryptedData></encryption>",
        }
    )


def test_a_book_with_encrypted_chapters_is_refused_but_not_one_with_encrypted_fonts():
    with pytest.raises(UserError, match="encrypted"):
        read(".epub", encrypted("OEBPS/text/one%20a.xhtml"))
    assert read(".epub", encrypted("OEBPS/font.otf")).units


def test_a_book_without_a_file_that_it_names_is_read():
    entries = unzipped(epub())
    del entries["OEBPS/text/one a.xhtml"]
    assert "The night" in [unit.text for unit in read(".epub", zipped(entries)).units]


def test_the_author_stays():
    entries = unzipped(epub())
    author = b"<docAuthor><text>Rose Young</text></docAuthor>"
    contents = entries["OEBPS/toc.ncx"].replace(b"<navMap>", author + b"<navMap>")
    changed = unzipped(translated(".epub", zipped({**entries, "OEBPS/toc.ncx": contents})))
    assert author in changed["OEBPS/toc.ncx"]


def test_names_in_utf_8_that_no_flag_says_are_read_and_written_again():
    entries = {
        name.replace("one a", "caf__"): content.replace(b"one%20a", "café".encode())
        for name, content in unzipped(epub()).items()
    }
    content = zipped(entries).replace(b"caf__", "café".encode())  # the name is five bytes too
    changed = unzipped(translated(".epub", content))
    assert b"DARK" in changed["OEBPS/text/café.xhtml"]


def test_names_in_another_encoding_are_read():
    content = zipped({**unzipped(epub()), "notes__": "x"}).replace(b"notes__", b"notes\xff\xfe")
    assert len(unzipped(translated(".epub", content))) == len(unzipped(content))


@pytest.mark.parametrize("media_type", ["text/html", "text/x-oeb1-document"])
def test_chapters_of_old_books_are_translated(media_type):
    entries = unzipped(epub())
    package = entries["OEBPS/book.opf"].replace(b"application/xhtml+xml", media_type.encode())
    container = entries["META-INF/container.xml"].replace(b'"OEBPS', b'"/OEBPS')
    book = {**entries, "OEBPS/book.opf": package, "META-INF/container.xml": container}
    assert b"DARK" in unzipped(translated(".epub", zipped(book)))["OEBPS/text/one a.xhtml"]


def test_contents_and_package_name_the_target_language():
    entries = unzipped(epub())
    for name, element in (("OEBPS/toc.ncx", b"<ncx "), ("OEBPS/book.opf", b"<package ")):
        entries[name] = entries[name].replace(element, element + b'xml:lang="en-US" ')
    changed = unzipped(translated(".epub", zipped(entries)))
    for name in ("OEBPS/toc.ncx", "OEBPS/book.opf"):
        assert b'xml:lang="fr"' in changed[name] and b"en-US" not in changed[name]
