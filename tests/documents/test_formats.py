"""What holds for every format."""

import shutil
import subprocess
import time

import pytest
from fixtures import documents
from fixtures.documents import example, read, refilled, reverse, same, swap_case, translated, word

from nmt.documents.document import MAX_BYTES, ReadingOptions
from nmt.documents.formats import FORMATS, available, output_name, read_document, suffix_of
from nmt.documents.translating import translate_document
from nmt.errors import UserError

every_format = pytest.mark.parametrize("suffix", FORMATS)
in_archives = pytest.mark.parametrize("suffix", documents.ARCHIVES)


@every_format
def test_a_real_file_is_translated(suffix):
    outcome = translate_document(read(suffix, example(suffix)), reverse)
    assert outcome.num_units and not outcome.left
    assert outcome.content != example(suffix)


def entries(content):
    return documents.unzipped(content) if content.startswith(b"PK") else content


@pytest.mark.parametrize("suffix", [one for one in FORMATS if one != ".pdf"])
def test_a_translation_that_is_the_text_itself_changes_nothing(suffix):
    content = example(suffix)
    if FORMATS[suffix].is_bilingual:  # the same translations whoever writes them
        content = translated(suffix, content, same)
    assert entries(translated(suffix, content, same)) == entries(content)


@pytest.mark.parametrize("suffix", [one for one in FORMATS if one != ".pdf"])
def test_a_document_that_is_written_again_has_the_same_units(suffix):
    again = refilled(suffix, example(suffix))
    if not FORMATS[suffix].is_bilingual:
        units = [
            [unit.text for unit in read(suffix, one).units] for one in (example(suffix), again)
        ]
        assert units[0] == units[1]
    assert refilled(suffix, again) == again


@every_format
def test_swapping_the_case_twice_is_no_change(suffix):
    if FORMATS[suffix].is_bilingual or suffix == ".pdf":
        pytest.skip("its translation is another document")
    once = translated(suffix, example(suffix), swap_case)
    assert entries(once) != entries(example(suffix))
    twice = translated(suffix, once, swap_case)
    assert entries(twice) == entries(refilled(suffix, example(suffix)))


@in_archives
def test_only_the_parts_with_text_change_in_an_archive(suffix):
    content = example(suffix)
    changed = documents.changed_entries(content, translated(suffix, content))
    assert changed and all(name.endswith(("xml", "opf", "ncx", "xhtml")) for name in changed)
    assert not [name for name in changed if "rels" in name]


@every_format
def test_an_empty_file_is_refused_in_one_line_or_stays_empty(suffix):
    try:
        assert translated(suffix, b"").strip() in (b"", b'#\nmsgid ""\nmsgstr ""')
    except UserError as error:
        assert "\n" not in str(error)


@every_format
def test_what_is_no_document_is_refused_or_translated_but_never_breaks(suffix):
    for content in (
        b"\x00\xff\x00",
        b"\xff\xfe\xfa",
        b"PK\x03\x04 cut",
        b"<a>",
        b"{",
        b"%PDF-1.4 x",
    ):
        try:
            translated(suffix, content)
        except UserError as error:
            assert "\n" not in str(error)


@every_format
def test_a_file_that_breaks_off_is_refused_or_translated_but_never_breaks(suffix):
    content = example(suffix)
    for size in range(0, len(content), max(1, len(content) // 20)):
        try:
            translated(suffix, content[:size])
        except UserError as error:
            assert "\n" not in str(error)


BEGIN = '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
LINK = (
    f"{BEGIN}<w:r><w:instrText>HYPERLINK</w:instrText></w:r><w:r><w:fldChar "
    'w:fldCharType="separate"/></w:r>'
)
END = '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
CUE = "1\n00:00:01,000 --> 00:00:02,000\n"


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".json", f'"{"<aaaa" * 4000} one"'),
        (".json", f'"<{"a" * 20_000} one"'),
        (".json", f'"one{" " * 50_000}two three"'),
        *((".json", f'"{one * 10_000} one"') for one in (":a", "`a", "`a <b", "|a.")),
        (".txt", f"a{' ' * 20_000}b"),
        (".txt", f"|a{' ' * 20_000}b"),
        (".srt", f"{CUE}{'a ' * 4000}\n"),
        (".srt", f"{CUE}a{'</v> ' * 4000}b\n"),
        (".srt", f"{CUE}a{'.' * 20_000}b\n\n2\n00:00:02,000 --> 00:00:03,000\nc\n"),
        (".srt", CUE + "one two three four\n" * 1000),
        *(
            (".md", f"{one * 4000} one")
            for one in (
                "\\(",
                "\\[",
                "[",
                "==",
                "{",
                "{%",
                "{{<",
                "%%",
                "@",
                "#a",
                "$",
                "<rt>",
                "[@a",
            )
        ),
        (".md", "a\\\n" * 1000),
        (".docx", word(f"<w:p>{BEGIN * 3000}<w:r><w:t>one</w:t></w:r></w:p>")),
        (".docx", word(f"<w:p>{LINK * 1000}<w:r><w:t>one</w:t></w:r>{END * 1000}</w:p>")),
    ],
)
def test_the_time_of_hostile_content_is_not_quadratic(suffix, content):
    start = time.process_time()
    translated(suffix, content)
    assert time.process_time() - start < 2


def test_a_document_has_at_most_so_many_bytes():
    with pytest.raises(UserError, match="50 MB"):
        read_document(bytes(MAX_BYTES + 1), ".txt", ReadingOptions())


@pytest.mark.parametrize("suffix", [one for one in FORMATS if one not in (".htm", ".pdf")])
def test_a_document_has_at_most_so_many_segments(suffix, monkeypatch):
    num_segments = len(read(suffix, example(suffix)).units)
    for module in ("document", "gettext_catalog"):
        monkeypatch.setattr(f"nmt.documents.{module}.MAX_UNITS", 0)
    with pytest.raises(UserError, match="Split it"):
        read(suffix, example(suffix))
    assert num_segments


@pytest.mark.parametrize("content", ["one\n\n" * 3, "one\r\r" * 3, "one\r\n\r\n" * 3])
def test_a_document_has_at_most_so_many_lines(content, monkeypatch):
    monkeypatch.setattr("nmt.documents.document.MAX_LINES", 6)
    assert read(".txt", content).units
    with pytest.raises(UserError, match="at most 6 lines"):
        read(".txt", content + content)


def test_a_text_has_at_most_so_many_words_and_tags(monkeypatch):
    monkeypatch.setattr("nmt.text.html_blocks.MAX_ENTRIES", 100)
    assert read(".html", "<p>one two").units
    for content in ("one " * 100, "<b>" * 101, "<p>" * 101, "<p>one" * 6):
        with pytest.raises(UserError, match="Split it"):
            read(".html", content)


def test_a_format_is_known_by_its_suffix():
    assert suffix_of("a/Letter.DOCX") == ".docx"
    assert suffix_of("a/letter.en") is None
    for name in ("a.docm", "a.doc", "a.rtf"):
        with pytest.raises(UserError, match="docx"):
            suffix_of(name)


def test_the_name_of_a_translation_says_its_language():
    assert output_name("my.letter.docx", "fr") == "my.letter_fr.docx"
    assert output_name("paper.pdf", "fr") == "paper_fr.txt"


def test_a_format_is_available_where_its_libraries_are_installed(monkeypatch):
    assert available() == list(FORMATS)
    monkeypatch.setattr("nmt.documents.formats.is_installed", lambda name: name != "lxml")
    assert ".docx" not in available() and ".srt" in available()


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("nmt.documents.document.importlib.import_module", missing)
    with pytest.raises(UserError, match=r"needs polib.*nmt-attention\[documents\]"):
        read(".po", documents.PO)


# ---------------------------------------------------------------- the programs that open the files


@pytest.mark.skipif(not shutil.which("msgfmt"), reason="msgfmt (gettext) is not installed")
def test_msgfmt_accepts_a_translated_catalog(tmp_path):
    path = tmp_path / "fr.po"
    path.write_text(translated(".po", documents.PO), "utf-8")
    command = ["msgfmt", "-c", "--use-fuzzy", "-o", str(tmp_path / "fr.mo"), str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not result.stderr


@pytest.mark.skipif(not shutil.which("epubcheck"), reason="EPUBCheck is not installed")
def test_epubcheck_accepts_a_translated_book(tmp_path):
    path = tmp_path / "translated.epub"
    path.write_bytes(translated(".epub", documents.epub()))
    result = subprocess.run(["epubcheck", str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
@pytest.mark.parametrize("suffix", [".docx", ".odt", ".pptx", ".xlsx"])
def test_libreoffice_opens_a_translated_document(suffix, tmp_path):
    path = tmp_path / f"translated{suffix}"
    path.write_bytes(translated(suffix, example(suffix)))
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless"]
    command += ["--convert-to", "pdf", "--outdir", str(tmp_path), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    text = translated(".pdf", (tmp_path / "translated.pdf").read_bytes(), same).decode()
    expected = {".docx": "TITLE BIG A", ".odt": "TEXT LINK", ".pptx": "HERE TITLE SLIDE"}
    assert expected.get(suffix, "PEAR GOOD VERY") in text
