"""Documents on the command line."""

import argparse
from types import SimpleNamespace

import pytest
from fixtures.documents import PO, docx_letter, unzipped
from fixtures.run import expected_texts

from nmt.cli import documents
from nmt.errors import LineError

pytest_plugins = ["fixtures.cli"]


@pytest.fixture
def file(tmp_path):
    """file(name, content) -> its path"""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_document_is_known_by_its_suffix(run, nmt_, one_model, file, tmp_path):
    (cat,) = expected_texts(["cat dog."])
    path = file("a.html", "<p class=x>cat dog.</p>\n")
    output = tmp_path / "b.html"
    code, out, err = nmt_("translate", run, "--input", path, "--output", output)
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == "1 segment translated"
    assert output.read_text("utf-8") == f"<p class=x>{cat}</p>\n"


def test_an_office_document_keeps_its_parts(run, nmt_, one_model, file, tmp_path):
    output = tmp_path / "b.docx"
    code, _, err = nmt_(
        "translate", run, "--input", file("a.docx", docx_letter()), "--output", output
    )
    assert code == 0 and "7 segments translated" in err
    assert list(unzipped(output.read_bytes())) == list(unzipped(docx_letter()))


@pytest.mark.parametrize("name", ["a.txt", "a.en", "a", "a.html"])
def test_lines_are_lines(run, nmt_, one_model, file, name):
    expected = expected_texts(["cat dog.", "river?"])
    path = file(name, "cat dog.\n\nriver?\n")
    options = ["--format", "lines"] if name == "a.html" else []
    code, out, err = nmt_("translate", run, "--input", path, *options)
    assert (code, out, err) == (0, f"{expected[0]}\n\n{expected[1]}\n", "")


def test_text_is_paragraphs_also_from_standard_input(run, nmt_, one_model):
    expected = expected_texts(["cat dog."])
    code, out, err = nmt_("translate", run, "--format", "text", stdin=b"  - cat dog.\r\n\r\n42")
    assert (code, out) == (0, f"  - {expected[0]}\r\n\r\n42".replace("\r\n", "\r\n"))
    assert err == "1 segment translated\n"


def test_translations_are_kept_unless_new_ones_are_asked_for(run, nmt_, one_model, file):
    path = file("a.po", PO)
    _, out, _ = nmt_("translate", run, "--input", path)
    assert "mot gardé" in out
    _, out, _ = nmt_("translate", run, "--input", path, "--retranslate")
    assert "mot gardé" not in out


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.html", ["--n-best", "2"], "--n-best is for lines"),
        ("a.html", ["--json"], "add --format lines"),
        ("a.txt", ["--format", "html", "--alignments"], "--alignments is for lines"),
        ("a.txt", ["--format", "nonsense"], "--format must be one of lines, text, txt, md"),
        ("a.doc", [], "formats of Office 97-2003 are not read"),
        ("a.docm", [], "documents with macros are not translated"),
        ("a.pdf", ["--output", "b.pdf"], "Give --output a name in .txt"),
        ("a.docx", ["--output", "b.PDF"], "of .docx is .docx. Give --output a name in .docx. Re"),
        ("a.docx", ["--output", "b.txt"], "the translation of .docx is .docx"),
        ("a.srt", ["--output", "b.vtt"], "the translation of .srt is .srt"),
        ("a.en", ["--output", "b.docx"], "lines of text are no .docx"),
        ("a.en", ["--output", "b.pdf"], "lines of text are no .pdf"),
        ("a.docx", [], "expected a Word document"),
        ("a.xlsx", ["--output", "b.xlsx"], "expected a workbook"),
        ("a.json", [], "expected JSON"),
        ("missing.html", [], "cannot be read: No such file"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    run, nmt_, one_model, file, tmp_path, monkeypatch, name, arguments, message
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name if name.startswith("missing") else file(name, b"{ one")
    code, out, err = nmt_("translate", run, "--input", path, *arguments)
    assert (code, out) == (1, "")
    assert message in err and err.startswith("nmt: error: ") and err.count("\n") == 1
    assert not list(tmp_path.glob("b.*")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("start", ["", "\ufeff", "\n"])
def test_xml_of_no_known_suffix_is_refused_unless_it_is_meant(
    run, nmt_, one_model, file, start, tmp_path
):
    path = file("a.strings", f"{start}<?xml version='1.0'?>\n<a>cat dog.</a>\n")
    output = tmp_path / "b.strings"
    code, out, err = nmt_("translate", run, "--input", path, "--output", output)
    assert (code, out) == (1, "") and not output.exists()
    assert "Received: XML." in err and "--format lines" in err and err.count("\n") == 1
    code, _, err = nmt_("translate", run, "--input", path, "--format", "lines")
    assert (code, err) == (0, "")


def test_a_document_of_100_mb_is_refused_without_reading_it_all(run, nmt_, one_model, tmp_path):
    path = tmp_path / "a.html"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    code, _, err = nmt_("translate", run, "--input", path)
    assert code == 1 and "at most 50 MB" in err


class _Read(Exception):
    """Raised where the input is read."""


@pytest.mark.parametrize("suffix", [".srt", ".json", ".xliff", ".xhtml", ".pdf"])
def test_a_terminal_gets_any_text(suffix, monkeypatch):
    def read(path):
        raise _Read

    monkeypatch.setattr("nmt.cli.documents.is_terminal", lambda stream: True)
    monkeypatch.setattr("nmt.cli.documents._read", read)
    with pytest.raises(_Read):
        documents.translate(argparse.Namespace(input=None, output=None), suffix)


@pytest.mark.parametrize(("content", "code"), [('["a", "b"]', 1), ('["a", "ok"]', 0), ("[1]", 0)])
def test_the_exit_code_says_that_nothing_was_translated(content, code, monkeypatch, file, capfd):
    def translate(lines, **options):
        return [
            LineError(0, "too long") if line != "ok" else _translation("fine") for line in lines
        ]

    translator = SimpleNamespace(
        check_options=lambda **options: None,
        translate=translate,
        run=SimpleNamespace(
            config=SimpleNamespace(
                data=SimpleNamespace(source="en", target="fr"), copying=SimpleNamespace(classes=())
            )
        ),
    )
    search = SimpleNamespace(decoding={}, keywords=lambda: {"split_sentences": None})
    monkeypatch.setattr(documents.SearchOptions, "parsed", lambda options: search)
    monkeypatch.setattr(documents.RunOptions, "parsed", lambda options: None)
    monkeypatch.setattr(documents.shared, "load", lambda options: translator)
    output = file("b.json", "")
    options = argparse.Namespace(input=file("a.json", content), output=output, retranslate=False)
    assert documents.translate(options, ".json") == code
    assert ("nothing" in capfd.readouterr().err) == ("ok" not in content)


def _translation(text):
    return SimpleNamespace(candidates=[SimpleNamespace(text=text, alignment=None)])


def test_a_terminal_gets_no_archive(run, nmt_, one_model, file, monkeypatch):
    monkeypatch.setattr("nmt.cli.documents.is_terminal", lambda stream: True)
    code, _, err = nmt_("translate", run, "--input", file("a.docx", docx_letter()))
    assert code == 1 and "Give --output FILE" in err
