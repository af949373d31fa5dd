"""The text of a PDF."""

import io

import pypdf
import pytest
from fixtures.documents import pdf, read, translated

from nmt.errors import UserError

LINES = [
    "This is a long paragraph that has been set in lines of",
    "print, of about fifty or so charac-",
    "ters, and it goes on.",
]


def test_the_lines_of_a_paragraph_are_joined_and_a_hyphen_at_the_end_of_one_goes():
    (unit,) = read(
        ".pdf", pdf(["This is a long paragraph that was printed on one", *LINES[1:]])
    ).units
    assert unit.text.endswith("fifty or so characters, and it goes on.")


def test_the_translation_is_text():
    assert translated(".pdf", pdf(["one two"], ["three four"])) == b"TWO ONE\n\nFOUR THREE\n"


def encrypted(password, algorithm):
    writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(pdf(["one two"]))))
    writer.encrypt(password, "of its owner", algorithm=algorithm)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_pdf_with_a_password_is_refused_and_one_that_only_its_owner_edits_is_read(algorithm):
    with pytest.raises(UserError, match="encrypted"):
        read(".pdf", encrypted("secret", algorithm))
    assert [unit.text for unit in read(".pdf", encrypted("", algorithm)).units] == ["one two"]


def test_a_pdf_for_which_a_library_is_missing_is_no_damaged_one(monkeypatch):
    def is_encrypted(reader):
        raise pypdf.errors.DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr(pypdf.PdfReader, "is_encrypted", property(is_encrypted))
    with pytest.raises(UserError, match=r"encrypted with AES, which needs cryptography\. Install"):
        read(".pdf", pdf(["one"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pdf([""]), "holds no text"),
        (b"not a pdf", "expected a PDF"),
        (pdf(["one"])[:200], "damaged"),
    ],
)
def test_what_has_no_text_is_refused(content, message):
    with pytest.raises(UserError, match=message):
        read(".pdf", content)


def test_what_a_damaged_file_makes_the_library_log_is_not_shown(caplog):
    with pytest.raises(UserError, match="damaged"):
        read(".pdf", pdf("one two")[:200])
    assert not caplog.records


def test_a_file_has_at_most_so_many_operations(monkeypatch):
    monkeypatch.setattr("nmt.documents.pdf.MAX_OPERATIONS", 40)
    assert read(".pdf", pdf(["one"] * 10)).units
    with pytest.raises(UserError, match=r"^the PDF has more than 40 operations\. Split it\.$"):
        read(".pdf", pdf(["one"] * 10, ["two"] * 10))
