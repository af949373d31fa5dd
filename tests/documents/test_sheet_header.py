"""Headers and footers of sheets in Excel."""

import io
import re

import openpyxl
import pytest
from fixtures.documents import read, reverse, same, saved, shout, translated, unzipped, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.sheet_header import _CODE, MAX_LENGTH, SheetHeader
from nmt.documents.translating import translate_document


def workbook(headers, name="oddHeader", sheet="xl/worksheets/sheet1.xml"):
    """A workbook whose only text are these headers, as they are written in XML."""
    entries = unzipped(saved(openpyxl.Workbook()))
    written = "".join(f"<{name}>{one}</{name}>" for one in headers)
    part = entries.pop("xl/worksheets/sheet1.xml").decode()
    part = part.replace("</worksheet>", f"<headerFooter>{written}</headerFooter></worksheet>")
    return zipped({**entries, sheet: part})


def translated_header(header, translate=reverse, **options):
    content = translated(".xlsx", workbook([header]), translate, **options)
    part = unzipped(content)["xl/worksheets/sheet1.xml"].decode()
    return part.partition("<oddHeader>")[2].partition("</oddHeader>")[0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("&amp;Lone two&amp;Cthree&amp;R&amp;D", "&amp;LTWO ONE&amp;CTHREE&amp;R&amp;D"),
        (
            "&amp;L&amp;&quot;Arial,Bold&quot;&amp;12one two&amp;KFF0000&amp;Bfour&amp;B",
            '&amp;L&amp;"Arial,Bold"&amp;12TWO ONE&amp;KFF0000&amp;BFOUR&amp;B',
        ),
        ("&amp;K01+033one two", "&amp;K01+033TWO ONE"),
        ("Page &amp;P of &amp;N", "OF PAGE &amp;P &amp;N"),
        ("one &amp;P+1 two", "TWO ONE &amp;P+1"),
        ("one &amp;&amp; two", "TWO &amp;&amp; ONE"),
        ("one two\nthree four", "TWO ONE\nFOUR THREE"),
        ("&amp;8one two 3", "&amp;8 3 TWO ONE"),  # not of size 83
        ("&amp;G&amp;F &amp;A &amp;Z&amp;T", "&amp;G&amp;F &amp;A &amp;Z&amp;T"),
        ("one two&amp;", "TWO ONE&amp;"),
        ("été un", "UN &#201;T&#201;"),
    ],
)
def test_texts_are_translated_and_codes_stay(header, expected):
    assert translated_header(header) == expected


def test_fields_are_part_of_the_sentence_for_a_model_that_copies():
    (unit,) = read(".xlsx", workbook(["Page &amp;P of &amp;N"]), stand_ins=True).units
    assert unit.text == "Page {1} of {2}"
    assert translated_header("Page &amp;P of &amp;N", stand_ins=True) == "&amp;N OF &amp;P PAGE"


@pytest.mark.parametrize("place", ["odd", "even", "first"])
@pytest.mark.parametrize("kind", ["Header", "Footer"])
@pytest.mark.parametrize("folder", ["worksheets", "chartsheets"])
def test_all_headers_and_footers_of_all_sheets(place, kind, folder):
    sheet = f"xl/{folder}/sheet1.xml"
    content = workbook(["one two", "&amp;P", "three"], place + kind, sheet)
    part = unzipped(translated(".xlsx", content))[sheet].decode()
    name = place + kind
    assert f"<{name}>TWO ONE</{name}><{name}>&amp;P</{name}><{name}>THREE</{name}>" in part


def test_a_sheet_with_cells_of_its_own_text_has_its_headers_translated_too():
    sheet = "xl/worksheets/sheet1.xml"
    entries = unzipped(workbook(["&amp;Lone two"]))
    cell = (
        b'<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>three four</t></is></c></row>'
        b"</sheetData>"
    )
    entries[sheet] = re.sub(rb"<sheetData.*(?=<pageMargins)", cell, entries[sheet])
    book = openpyxl.load_workbook(io.BytesIO(translated(".xlsx", zipped(entries))))
    assert book.active["A1"].value == "FOUR THREE"
    assert book.active.oddHeader.left.text == "TWO ONE"


def test_a_header_never_gets_longer_than_excel_allows():
    def longer(lines, alignments):
        return same([f"{line} more" for line in lines], alignments)

    full = f"&amp;L{'a' * 120}&amp;C{'b' * 120}&amp;Rc"
    outcome = translate_document(read(".xlsx", workbook([full, "&amp;Lone"])), longer)
    assert b"<oddHeader>&amp;Lone more<" in unzipped(outcome.content)["xl/worksheets/sheet1.xml"]
    assert [one.reason for one in outcome.left] == ["a header has at most 255 characters"] * 3
    half = translated_header(f"&amp;L{'a' * 110}&amp;C{'b' * 110}&amp;Rc", longer)
    assert len(half.replace("&amp;", "&")) <= MAX_LENGTH and half.endswith("c more")


def test_a_header_that_is_too_long_already_stays_however_many_texts_it_has():
    content = workbook(["&amp;Lone&amp;Ctwo" * 10_000])
    outcome = translate_document(read(".xlsx", content), reverse)
    assert len(outcome.left) == outcome.num_units == 20_000
    assert unzipped(outcome.content) == unzipped(content)


CODES = ["&L", "&C", "&R", "&P", "&N+2", "&D", '&"Arial,Bold"', "&12", "&KFF00aa", "&B", "&&", "&"]
PIECES = st.lists(
    st.sampled_from([*CODES, "a b", " ", "c", "3", "+4", "é", "<d>", "\n"]), max_size=8
)


@settings(deadline=None, max_examples=40)
@given(PIECES)
def test_any_header_stays_itself_and_keeps_its_codes(pieces):
    source = "".join(pieces)
    assert SheetHeader(source).filled({}) == source
    for translate in (reverse, shout):
        header = SheetHeader(source)
        results = translate([unit.text for unit in header.units], alignments=True)
        new = header.filled(
            {unit: one.candidates[0] for unit, one in zip(header.units, results, strict=True)}
        )
        assert codes(new) == codes(source)


def codes(header):
    return sorted(match[0] for match in _CODE.finditer(header))
