"""Office files: formatting lands on the right words, and all else stays."""

import io
import re

import docx
import openpyxl
import pptx
import pytest
from fixtures.documents import (
    changed_entries,
    docx_letter,
    pptx_slides,
    read,
    refilled,
    same,
    saved,
    shout,
    translated,
    unzipped,
    word,
    xlsx_sheet,
    zipped,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError


def texts(suffix, content):
    return [unit.text for unit in read(suffix, content).units]


def runs(content):
    """(text, bold, italic) of the runs of each paragraph of the body."""
    document = docx.Document(io.BytesIO(content))
    return [
        [(run.text, bool(run.bold), bool(run.italic)) for run in paragraph.runs]
        for paragraph in document.paragraphs
    ]


def body(content):
    text = unzipped(content)["word/document.xml"].decode()
    return text.split("<w:body>")[1].removesuffix("</w:body></w:document>")


def test_runs_are_one_sentence_and_formatting_goes_with_its_words():
    assert texts(".docx", docx_letter())[1] == "This is bold and this italic text."
    assert runs(translated(".docx", docx_letter()))[1] == [
        ("TEXT. ", False, False),
        ("ITALIC", False, True),
        (" THIS AND ", False, False),
        ("BOLD", True, False),
        (" IS THIS", False, False),
    ]


def test_tables_headers_and_tabs_of_a_letter():
    document = docx.Document(io.BytesIO(translated(".docx", docx_letter())))
    assert [cell.text for cell in document.tables[0].rows[0].cells] == ["CELL LEFT", "42"]
    assert document.sections[0].header.paragraphs[0].text == "TEXT HEADER THE"
    assert document.paragraphs[2].text == "NAME:\tHERE VALUE\nLINE NEW"
    assert document.paragraphs[0].style.name == "Heading 1"


def test_only_the_parts_with_text_change():
    changed = changed_entries(docx_letter(), translated(".docx", docx_letter()))
    assert sorted(changed) == ["word/document.xml", "word/header1.xml", "word/styles.xml"]


WORD_RUN = '<w:r>{}<w:t xml:space="preserve">{}</w:t></w:r>'.format


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        (  # a whole paragraph in bold has no markup inside
            "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>one two</w:t></w:r></w:p>",
            "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>TWO ONE</w:t></w:r></w:p>",
        ),
        (  # runs that differ in the time of their editing, their language and spelling marks
            '<w:p><w:r w:rsidR="1"><w:t>one</w:t></w:r><w:proofErr w:type="spellStart"/>'
            '<w:r w:rsidR="2"><w:rPr><w:lang w:val="en"/></w:rPr>'
            '<w:t xml:space="preserve"> two</w:t></w:r></w:p>',
            '<w:p><w:r><w:t>TWO ONE</w:t></w:r><w:proofErr w:type="spellStart"/></w:p>',
        ),
        (  # a link
            '<w:p><w:r><w:t xml:space="preserve">go </w:t></w:r><w:hyperlink w:anchor="a"><w:r>'
            "<w:rPr><w:i/></w:rPr><w:t>right here</w:t></w:r></w:hyperlink></w:p>",
            '<w:p><w:hyperlink w:anchor="a"><w:r><w:rPr><w:i/></w:rPr><w:t>HERE RIGHT</w:t></w:r>'
            '</w:hyperlink><w:r><w:t xml:space="preserve"> GO</w:t></w:r></w:p>',
        ),
        (  # a link that is a field
            '<w:p><w:r><w:t xml:space="preserve">go </w:t></w:r><w:r><w:fldChar '
            'w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK "u" </w:instrText></w:r>'
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>right here</w:t></w:r><w:r>'
            '<w:fldChar w:fldCharType="end"/></w:r></w:p>',
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK "u" '
            '</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r>'
            '<w:t>HERE RIGHT</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r><w:r>'
            '<w:t xml:space="preserve"> GO</w:t></w:r></w:p>',
        ),
        (  # another field moves as one, with what it shows
            '<w:p><w:r><w:t xml:space="preserve">page </w:t></w:r><w:r><w:fldChar '
            'w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGE </w:instrText></w:r><w:r>'
            '<w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>one</w:t></w:r><w:r><w:fldChar '
            'w:fldCharType="end"/></w:r><w:r><w:t xml:space="preserve"> now</w:t></w:r></w:p>',
            '<w:p><w:r><w:t xml:space="preserve">NOW PAGE </w:t></w:r><w:r><w:fldChar '
            'w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGE </w:instrText></w:r><w:r>'
            '<w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>one</w:t></w:r><w:r><w:fldChar '
            'w:fldCharType="end"/></w:r></w:p>',
        ),
        (  # a link that is a simple field, and a field of a form
            '<w:p><w:r><w:t xml:space="preserve">go </w:t></w:r><w:fldSimple w:instr=" HYPERLINK '
            '&quot;u&quot; "><w:fldData>AA</w:fldData><w:r><w:rPr><w:u/></w:rPr><w:t>right here'
            '</w:t></w:r></w:fldSimple><w:r><w:t xml:space="preserve"> </w:t></w:r><w:fldSimple '
            'w:instr="FORMTEXT"><w:r><w:t>now</w:t></w:r></w:fldSimple></w:p>',
            '<w:p><w:fldSimple w:instr="FORMTEXT"><w:r><w:t>NOW</w:t></w:r></w:fldSimple><w:r><w:t'
            ' xml:space="preserve"> </w:t></w:r><w:fldSimple w:instr=" HYPERLINK &quot;u&quot; ">'
            "<w:fldData>AA</w:fldData><w:r><w:rPr><w:u/></w:rPr><w:t>HERE RIGHT</w:t></w:r>"
            '</w:fldSimple><w:r><w:t xml:space="preserve"> GO</w:t></w:r></w:p>',
        ),
        *(  # other simple fields move as one, with what they show
            (
                f'<w:p><w:r><w:t xml:space="preserve">see </w:t></w:r><w:fldSimple w:instr="{code}"'
                "><w:r><w:t>one two</w:t></w:r></w:fldSimple></w:p>",
                f'<w:p><w:r><w:t xml:space="preserve">SEE </w:t></w:r><w:fldSimple w:instr="{code}"'
                "><w:r><w:t>one two</w:t></w:r></w:fldSimple></w:p>",
            )
            for code in ("PAGE", " DATE x", "REF _Ref1 \\h", " SEQ Figure ", "MERGEFIELD Name")
        ),
        (  # the text under an annotation is translated, and the annotation stays
            '<w:p><w:r><w:t xml:space="preserve">the </w:t></w:r><w:r><w:ruby><w:rubyPr/><w:rt>'
            "<w:r><w:t>no word</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>big</w:t></w:r></w:rubyBase>"
            '</w:ruby></w:r><w:r><w:t xml:space="preserve"> dog</w:t></w:r></w:p>',
            '<w:p><w:r><w:t xml:space="preserve">DOG </w:t></w:r><w:r><w:ruby><w:rubyPr/><w:rt>'
            "<w:r><w:t>no word</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>BIG</w:t></w:r></w:rubyBase>"
            '</w:ruby></w:r><w:r><w:t xml:space="preserve"> THE</w:t></w:r></w:p>',
        ),
        (  # a line end is a space
            "<w:p><w:r><w:t>one\n  two</w:t></w:r></w:p>",
            "<w:p><w:r><w:t>TWO ONE</w:t></w:r></w:p>",
        ),
        (  # a field in one run, as Google Docs writes it
            '<w:p><w:r><w:t xml:space="preserve">page </w:t></w:r><w:r><w:rPr><w:b/></w:rPr>'
            '<w:fldChar w:fldCharType="begin"/><w:instrText>PAGE</w:instrText><w:fldChar '
            'w:fldCharType="separate"/><w:t>one</w:t><w:fldChar w:fldCharType="end"/></w:r><w:r>'
            '<w:t xml:space="preserve"> now</w:t></w:r></w:p>',
            '<w:p><w:r><w:t xml:space="preserve">NOW PAGE </w:t></w:r><w:r><w:rPr><w:b/></w:rPr>'
            '<w:fldChar w:fldCharType="begin"/><w:instrText>PAGE</w:instrText><w:fldChar '
            'w:fldCharType="separate"/><w:t>one</w:t><w:fldChar w:fldCharType="end"/></w:r></w:p>',
        ),
        (  # deleted text stays, a footnote keeps its word
            '<w:p><w:r><w:t>one</w:t></w:r><w:r><w:footnoteReference w:id="1"/></w:r><w:del>'
            "<w:r><w:delText>no</w:delText></w:r></w:del><w:r>"
            '<w:t xml:space="preserve"> two</w:t></w:r></w:p>',
            "<w:p><w:r><w:t>TWO ONE</w:t></w:r><w:r>"
            '<w:footnoteReference w:id="1"/></w:r><w:del><w:r><w:delText>no</w:delText></w:r>'
            "</w:del></w:p>",
        ),
        (  # a field that goes on in another paragraph
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>TOC</w:instrText>'
            '</w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>one two</w:t></w:r>'
            "</w:p>",
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>TOC</w:instrText>'
            '</w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>TWO ONE</w:t></w:r>'
            "</w:p>",
        ),
        (  # a content control
            "<w:p><w:sdt><w:sdtPr/><w:sdtContent><w:r><w:t>one two</w:t></w:r></w:sdtContent>"
            "</w:sdt></w:p>",
            "<w:p><w:sdt><w:sdtPr/><w:sdtContent><w:r><w:t>TWO ONE</w:t></w:r></w:sdtContent>"
            "</w:sdt></w:p>",
        ),
        *(  # a control with entries of its own, or with a value that stands elsewhere
            (
                '<w:p><w:r><w:t xml:space="preserve">one two </w:t></w:r><w:sdt><w:sdtPr>'
                f"<w:alias/>{kind}</w:sdtPr><w:sdtContent><w:r><w:t>three four</w:t></w:r>"
                "</w:sdtContent></w:sdt></w:p>",
                '<w:p><w:r><w:t xml:space="preserve">TWO ONE </w:t></w:r><w:sdt><w:sdtPr>'
                f"<w:alias/>{kind}</w:sdtPr><w:sdtContent><w:r><w:t>three four</w:t></w:r>"
                "</w:sdtContent></w:sdt></w:p>",
            )
            for kind in ("<w:dropDownList/>", "<w:comboBox/>", '<w:dataBinding w:xpath="x"/>')
        ),
        (  # the same around paragraphs
            "<w:sdt><w:sdtPr><w:comboBox/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>one two</w:t>"
            "</w:r></w:p></w:sdtContent></w:sdt><w:p><w:r><w:t>three four</w:t></w:r></w:p>",
            "<w:sdt><w:sdtPr><w:comboBox/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>one two</w:t>"
            "</w:r></w:p></w:sdtContent></w:sdt><w:p><w:r><w:t>FOUR THREE</w:t></w:r></w:p>",
        ),
        (  # a text box inside a paragraph
            "<w:p><w:r><w:t>one two</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r>"
            "<w:t>three four</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>",
            "<w:p><w:r><w:t>TWO ONE</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r>"
            "<w:t>FOUR THREE</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>",
        ),
    ],
)
def test_what_stands_in_a_paragraph_of_word(paragraph, expected):
    assert body(translated(".docx", word(paragraph))) == expected


def field(code, text):
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'.format
    shown = f"{mark('separate')}<w:r><w:t>{text}</w:t></w:r>" if text else ""
    return f"{mark('begin')}<w:r><w:instrText>{code}</w:instrText></w:r>{shown}{mark('end')}"


SIMPLE_FIELD = '<w:fldSimple w:instr="{}"><w:r><w:t>{}</w:t></w:r></w:fldSimple>'.format
CHOICE = (
    "<w:sdt><w:sdtPr><w:comboBox/></w:sdtPr><w:sdtContent><w:r><w:t>{}</w:t></w:r></w:sdtContent>"
    "</w:sdt>"
).format
FORMULA = (
    '<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:r><m:t>{}'
    "</m:t></m:r></m:oMath>"
).format


def read_around(value, rest):
    """What is read of a sentence with a field, which stays."""
    source = word(f"<w:p>{WORD_RUN('', 'see ')}{value}{WORD_RUN('', rest)}</w:p>")
    (unit,) = read(".docx", source, stand_ins=True).units
    assert value in body(translated(".docx", source, stand_ins=True))
    return unit.text


@pytest.mark.parametrize(
    "value",
    [
        field("REF _Ref1", "Figure 3"),
        field(" DATE ", "05/01/2026"),
        field(" DATE ", "x").replace("</w:r><w:r>", ""),  # in one run
        SIMPLE_FIELD("MERGEFIELD Name", "Ann"),
        CHOICE("a dog"),
        FORMULA("x=3"),
    ],
)
def test_a_field_is_a_word_of_its_sentence_for_a_model_that_copies(value):
    assert read_around(value, ", one") == "see {1}, one"


@pytest.mark.parametrize(
    "value",
    [
        field("PAGE", "iv"),
        field(" NUMPAGES ", "ten"),
        SIMPLE_FIELD("PAGE", "x"),
        SIMPLE_FIELD("SEQ Figure", "3"),
        field("ADDIN cite", "[1, 2]"),
        field('XE "a dog"', ""),
        CHOICE(" "),
    ],
)
def test_a_page_a_number_and_a_field_that_shows_nothing_are_no_words(value):
    assert read_around(value, " one") == "see one"


def test_the_date_on_a_slide_is_a_word_and_its_number_is_none():
    value = '<a:fld type="{}"><a:t>{}</a:t></a:fld>'.format
    for kind, shown, expected in (("datetime1", "1 May", "seen {1}"), ("slidenum", "‹#›", "seen")):
        slide = f"<x {DRAWING}><a:p><a:r><a:t>seen </a:t></a:r>{value(kind, shown)}</a:p></x>"
        entries = {**unzipped(pptx_slides()), "ppt/slides/slide9.xml": slide}
        assert expected in [
            unit.text for unit in read(".pptx", zipped(entries), stand_ins=True).units
        ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("bookmarkStart", "bookmarkEnd"),
        ("commentRangeStart", "commentRangeEnd"),
        ("permStart", "permEnd"),
    ],
)
def test_the_start_of_a_range_stays_before_its_end(start, end):
    run = '<w:r><w:t xml:space="preserve">{} </w:t></w:r>'.format
    source = f'{run("one")}<w:{start} w:id="0"/>{run("two three")}<w:{end} w:id="0"/>{run("four")}'
    found = body(translated(".docx", word(f"<w:p>{source}</w:p>")))
    assert 0 < found.index(start) < found.index(end)


RAISED = '<w:rPr><w:vertAlign w:val="superscript"/></w:rPr>'


@pytest.mark.parametrize("mark", ["1", "[2]", "*", "1, 2", " 3 "])
def test_the_number_of_a_note_typed_as_text_is_no_text_and_stays_behind_its_word(mark):
    run = WORD_RUN(RAISED, mark)
    split = f'<w:proofErr w:type="spellEnd"/>{run}'
    for note in (run, split, f'<w:hyperlink w:anchor="n">{run}</w:hyperlink>'):
        content = word(f"<w:p>{WORD_RUN('', 'one time')}{note}{WORD_RUN('', ' more')}</w:p>")
        assert texts(".docx", content) == ["one time more"]
        found = body(translated(".docx", content))
        assert found.index("TIME<") < found.index(run) < found.index(" ONE<")
        assert body(refilled(".docx", content)).count(run) == 1


FONT = '<w:rPr><w:rFonts w:ascii="{0}" w:hAnsi="{0}"/></w:rPr>'.format


@pytest.mark.parametrize("font", ["Wingdings", "Wingdings 3", "Webdings", "Symbol"])
def test_text_in_a_font_of_symbols_moves_as_one_and_text_around_it_has_its_own_font(font):
    symbol = f"<w:r>{FONT(font)}<w:t>à</w:t></w:r>"
    content = word(f"<w:p>{WORD_RUN('', 'one two')}{symbol}{WORD_RUN('', ' three')}</w:p>")
    assert texts(".docx", content) == ["one two three"]
    expected = f"<w:p>{WORD_RUN('', 'THREE TWO')}{symbol}{WORD_RUN('', ' ONE')}</w:p>"
    expected = expected.replace(' xml:space="preserve">THREE', ">THREE")
    assert body(translated(".docx", content)) == expected
    content = word(
        f"<w:p>{symbol * 9}<w:r>{FONT(font)}<w:tab/></w:r>{WORD_RUN('', 'one two')}</w:p>"
    )
    expected = body(content).replace(' xml:space="preserve">one two', ">TWO ONE")
    assert body(translated(".docx", content)) == expected
    assert texts(".docx", word(f"<w:p>{WORD_RUN(FONT('Arial'), 'one two')}</w:p>")) == ["one two"]


def test_symbols_on_a_slide_and_in_a_cell_move_as_one():
    run = "<a:r>{}<a:t>{}</a:t></a:r>".format
    symbol = run('<a:rPr><a:latin typeface="Wingdings"/></a:rPr>', "J")
    # Of characters for private use alone
    other = '<a:rPr><a:sym typeface="Wingdings"/></a:rPr>'
    slide = f"<x {DRAWING}><a:p>{run(other, 'one two ')}{symbol}</a:p></x>"
    entries = {**unzipped(pptx_slides()), "ppt/slides/slide9.xml": slide}
    assert "one two" in texts(".pptx", zipped(entries))
    found = unzipped(translated(".pptx", zipped(entries)))["ppt/slides/slide9.xml"].decode()
    assert f"{run(other, 'TWO ONE ')}{symbol}" in found
    symbol = '<r><rPr><rFont val="Wingdings"/></rPr><t>J</t></r>'
    content = with_strings(f"</t></si><si><r><t>one two</t></r>{symbol}</si><si><t>x")
    assert "one two" in texts(".xlsx", content)
    changed = unzipped(translated(".xlsx", content))["xl/sharedStrings.xml"].decode()
    assert f"<si><r><t>TWO ONE</t></r>{symbol}</si>" in changed


@pytest.mark.parametrize(
    ("before", "raised", "text"),
    [
        ("20 m", "2", "20 m2 more"),
        ("10", "3", "103 more"),
        ("in 1998", "1", "in 1998 more"),
        ("the 1", "st", "the 1st more"),
        ("a time", "-1", "a time-1 more"),
    ],
)
def test_an_exponent_is_part_of_its_word(before, raised, text):
    runs = WORD_RUN("", before) + WORD_RUN(RAISED, raised) + WORD_RUN("", " more")
    assert texts(".docx", word(f"<w:p>{runs}</w:p>")) == [text]


def test_the_number_of_a_note_on_a_slide_and_in_a_cell_is_no_text():
    run = "<a:r>{}<a:t>{}</a:t></a:r>".format
    raised = run('<a:rPr baseline="30000"/>', "1")
    slide = f"<x {DRAWING}><a:p>{run('', 'one time')}{raised}{run('', ' more')}</a:p></x>"
    entries = {**unzipped(pptx_slides()), "ppt/slides/slide9.xml": slide}
    assert "one time more" in texts(".pptx", zipped(entries))
    assert (
        raised in unzipped(translated(".pptx", zipped(entries)))["ppt/slides/slide9.xml"].decode()
    )
    raised = '<r><rPr><vertAlign val="superscript"/></rPr><t>1</t></r>'
    cell = f"</t></si><si><r><t>one time</t></r>{raised}<r><t> more</t></r></si><si><t>x"
    assert "one time more" in texts(".xlsx", with_strings(cell))


@pytest.mark.parametrize("name", ["smartTag", "customXml", "bdo", "dir"])
def test_what_goes_around_runs_is_translated(name):
    properties = f"<w:{name}Pr/>" if name in ("smartTag", "customXml") else ""
    inside = f"<w:p><w:{name}>{properties}<w:r><w:t>{{}}</w:t></w:r></w:{name}></w:p>".format
    assert body(translated(".docx", word(inside("one two")))) == inside("TWO ONE")


def test_paragraphs_without_text_take_no_memory():
    empty = "<w:p/><w:p><w:r><w:t> </w:t></w:r></w:p>"
    document = read(".docx", word(f"{empty * 50}<w:p><w:r><w:t>one</w:t></w:r></w:p>"))
    assert len(document._paragraphs) == 1


def test_the_main_part_has_the_name_that_the_archive_says():
    entries = {
        name.replace("document", "document2"): content.replace(b"document.xml", b"document2.xml")
        for name, content in unzipped(word("<w:p><w:r><w:t>one two</w:t></w:r></w:p>")).items()
    }
    changed = unzipped(translated(".docx", zipped(entries)))
    assert b"TWO ONE" in changed["word/document2.xml"]


def test_the_case_of_the_name_of_a_part_does_not_matter():
    entries = unzipped(with_strings("one two"))
    entries["xl/SharedStrings.xml"] = entries.pop("xl/sharedStrings.xml")
    changed = unzipped(translated(".xlsx", zipped(entries)))
    assert b"TWO ONE" in changed["xl/SharedStrings.xml"]


def test_strict_open_xml_is_refused_in_one_line():
    entries = unzipped(word("<w:p><w:r><w:t>one</w:t></w:r></w:p>"))
    strict = entries["word/document.xml"].replace(
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
    )
    with pytest.raises(UserError, match="Strict Open XML"):
        read(".docx", zipped({**entries, "word/document.xml": strict}))


DRAWING = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
DIAGRAM = f"<x {DRAWING}><a:p><a:r><a:t>{{}}</a:t></a:r></a:p></x>".format
CHART = (
    '<c:x xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"><c:strCache><c:pt '
    'idx="0"><c:v>{}</c:v></c:pt></c:strCache><c:numCache><c:pt idx="0"><c:v>3</c:v></c:pt>'
    "</c:numCache></c:x>"
).format
COMMENT = (
    '<comments xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><text><r>'
    "<t>{}</t></r></text></comments>"
).format


NEW_CHART = (
    f'<cx:x xmlns:cx="http://schemas.microsoft.com/office/drawing/2014/chartex" {DRAWING}>'
    "<cx:tx><cx:txData><cx:f>a</cx:f><cx:v>{0}</cx:v></cx:txData></cx:tx><a:p><a:r><a:t>{0}</a:t>"
    "</a:r></a:p></cx:x>"
).format
NOTES = (
    '<w:x xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:p><w:r>'
    "<w:t>{}</w:t></w:r></w:p></w:x>"
).format


SLIDE_COMMENT = (
    '<p:cmLst xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"><p:cm '
    'authorId="0"><p:pos x="10" y="10"/><p:text>{}</p:text></p:cm></p:cmLst>'
).format


@pytest.mark.parametrize(
    ("suffix", "name", "part"),
    [
        *(
            (suffix, f"{folder}/{name}", part)
            for suffix, folder in ((".docx", "word"), (".pptx", "ppt"), (".xlsx", "xl"))
            for name, part in (
                ("charts/chart1.xml", CHART),
                ("diagrams/data1.xml", DIAGRAM),
                ("diagrams/drawing1.xml", DIAGRAM),
                ("charts/chartEx1.xml", NEW_CHART),
                ("drawings/drawing1.xml", DIAGRAM),
            )
        ),
        *(
            (".docx", f"word/{name}2.xml", NOTES)
            for name in ("header", "footer", "footnotes", "endnotes", "comments")
        ),
        (".xlsx", "xl/comments1.xml", COMMENT),
        (".pptx", "ppt/comments/comment1.xml", SLIDE_COMMENT),
        (".pptx", "ppt/comments/modernComment_101_0.xml", DIAGRAM),
        (".xlsx", "xl/comments/comment1.xml", COMMENT),
    ],
)
def test_charts_diagrams_text_boxes_and_comments_are_translated(suffix, name, part):
    example = {".docx": docx_letter, ".pptx": pptx_slides, ".xlsx": xlsx_sheet}[suffix]()
    changed = unzipped(translated(suffix, zipped({**unzipped(example), name: part("one two")})))
    assert part("TWO ONE") in changed[name].decode()


def test_text_in_the_source_language_becomes_text_in_the_target_language():
    def of(languages):
        run = '<w:r><w:rPr><w:lang w:val="{}"/></w:rPr><w:t>one two</w:t></w:r>'
        paragraphs = "".join(f"<w:p>{run.format(language)}</w:p>" for language in languages)
        style = '<w:style w:styleId="a"><w:lang w:eastAsia="en-US" w:val="{}"/></w:style>'
        styles = "".join(style.format(language) for language in languages)
        parts = {f"word/styles{n}.xml": f"<w:x>{styles}</w:x>" for n in ("", "2")}
        return zipped({**unzipped(word(paragraphs)), **parts})

    changed = unzipped(translated(".docx", of(["en-US", "de-DE", "en"]), shout))
    expected = unzipped(translated(".docx", of(["fr", "de-DE", "fr"]), shout))
    assert changed == expected and b'w:eastAsia="en-US"' in changed["word/styles.xml"]
    same_language = translated(".docx", of(["en-US"]), shout, target="en")
    assert b"en-US" in unzipped(same_language)["word/document.xml"]


def test_slides_name_the_target_language():
    language = b'<a:rPr lang="en-GB" altLang="en-US"'
    entries = {
        name: content.replace(b"<a:r><a:t>", b"<a:r>" + language + b"/><a:t>")
        for name, content in unzipped(pptx_slides()).items()
    }
    slide = unzipped(translated(".pptx", zipped(entries)))["ppt/slides/slide1.xml"]
    assert b'<a:rPr lang="fr" altLang="en-US"' in slide and b"en-GB" not in slide


STYLES = ("", "<w:rPr><w:b/></w:rPr>", "<w:rPr><w:i/></w:rPr>")
PIECES = st.one_of(
    st.tuples(st.sampled_from(STYLES), st.text(st.sampled_from("ab .é1"), max_size=5)).map(
        lambda one: f'<w:r>{one[0]}<w:t xml:space="preserve">{one[1]}</w:t></w:r>'
    ),
    st.sampled_from(
        [
            "<w:r><w:tab/></w:r>",
            '<w:r><w:footnoteReference w:id="1"/></w:r>',
            '<w:bookmarkStart w:id="0"/>',
            "<w:hyperlink><w:r><w:t>a b</w:t></w:r></w:hyperlink>",
            '<w:fldSimple w:instr="HYPERLINK a"><w:r><w:t>a</w:t></w:r></w:fldSimple>',
            "<w:r><w:ruby><w:rt><w:r><w:t>c</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>a</w:t></w:r>"
            "</w:rubyBase></w:ruby></w:r>",
        ]
    ),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(PIECES, max_size=8))
def test_any_paragraph_keeps_its_text_and_formatting_when_it_is_written_again(pieces):
    content = word(f"<w:p>{''.join(pieces)}</w:p>")
    assert letters(refilled(".docx", content)) == letters(content)
    for translate in (shout, None):
        again = (
            translated(".docx", content, translate) if translate else translated(".docx", content)
        )
        for name in (
            "tab/",
            "footnoteReference",
            "bookmarkStart",
            "hyperlink>",
            "fldSimple",
            "ruby",
        ):
            assert body(again).count(f"<w:{name}") == body(content).count(f"<w:{name}")


def letters(content):
    """Each character of the body with its formatting; white space is not formatted."""
    found = []
    for paragraph in docx.Document(io.BytesIO(content)).paragraphs:
        for part in paragraph.iter_inner_content():
            for run in getattr(part, "runs", [part]):
                style = (bool(run.bold), bool(run.italic))
                found += [(one, *style) for one in run.text if not one.isspace()]
    return found


# ---------------------------------------------------------------------------------- slides, sheets


def test_slides_and_notes():
    slides = pptx.Presentation(io.BytesIO(translated(".pptx", pptx_slides())))
    (slide,) = slides.slides
    assert slide.shapes.title.text == "HERE TITLE SLIDE"
    (paragraph,) = slide.placeholders[1].text_frame.paragraphs
    found = [(run.text, bool(run.font.bold)) for run in paragraph.runs]
    assert found == [("STRONG", True), (" ONE POINT", False)]
    assert slide.notes_slide.notes_text_frame.text == "HELLO SAY"


def test_cells_are_translated_and_formulas_numbers_and_headers_of_tables_stay():
    sheet = openpyxl.load_workbook(
        io.BytesIO(translated(".xlsx", xlsx_sheet())), rich_text=True
    ).active
    values = [[cell.value for cell in row] for row in sheet.iter_rows(max_col=2, max_row=3)]
    assert values == [["NAME FRUIT", "COUNT"], ["APPLE GREEN", 3], ["TWO\nHERE LINES", "=A1"]]
    assert [sheet["D1"].value, sheet["E1"].value] == ["Table head", "Other head"]
    rich = sheet["A4"].value
    assert str(rich) == "PEAR GOOD VERY"
    assert [part.font.b for part in rich if not isinstance(part, str)] == [True]


def with_strings(*strings):
    """A workbook whose only text are these strings, with the name of a column in its table."""
    entries = unzipped(xlsx_sheet())
    items = "".join(f"<si><t>{one}</t></si>" for one in strings)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    entries["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{items}</sst>'
    table = entries["xl/tables/table1.xml"].replace(b"Table head", b"Total_x000a_cost")
    return zipped({**entries, "xl/tables/table1.xml": table})


def test_a_header_of_several_lines_stays_as_the_table_names_it():
    for header in ("Total\ncost", "Total_x000D_\ncost"):
        assert {"Total", "cost"}.isdisjoint(texts(".xlsx", with_strings(header)))
    assert {"Total", "costs"} <= set(texts(".xlsx", with_strings("Total\ncosts")))


def test_the_label_of_the_totals_of_a_table_stays():
    entries = unzipped(with_strings("Sum of all", "one two"))
    table = entries["xl/tables/table1.xml"].replace(b"name=", b'totalsRowLabel="Sum of all" name=')
    found = texts(".xlsx", zipped({**entries, "xl/tables/table1.xml": table}))
    assert "one two" in found and "Sum of all" not in found


def test_the_line_end_of_windows_that_excel_escapes_is_no_word():
    changed = unzipped(translated(".xlsx", with_strings("one two_x000D_\nthree four")))
    assert b">TWO ONE_x000D_\nFOUR THREE<" in changed["xl/sharedStrings.xml"]


def workbook(rows, **parts):
    """A workbook with these rows, and more text in the XML of its sheet, before an element."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    entries = unzipped(saved(book))
    sheet = entries["xl/worksheets/sheet1.xml"].decode()
    for before, part in parts.items():
        sheet = sheet.replace(f"<{before}", f"{part}<{before}")
    return zipped({**entries, "xl/worksheets/sheet1.xml": sheet})


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        ('=IF(A1="Yes", B1, "")', ""),
        ('=COUNTIF(A:A,"yes")', ""),
        *((f'=COUNTIF(A:A,"{operator}Yes")', "") for operator in ("=", "<>", "<", "<=", ">", ">=")),
        (
            "",
            '<dataValidations count="1"><dataValidation type="list" sqref="A1"><formula1>'
            '"No, Yes"</formula1></dataValidation></dataValidations>',
        ),
        (
            "",
            '<autoFilter ref="A1:A2"><filterColumn colId="0"><filters><filter val="Yes"/>'
            "</filters></filterColumn></autoFilter>",
        ),
        (
            "",
            '<conditionalFormatting sqref="A1"><cfRule type="cellIs" priority="1" operator="equal">'
            "<formula>&quot;Yes&quot;</formula></cfRule></conditionalFormatting>",
        ),
    ],
)
def test_a_cell_stays_that_something_else_in_the_workbook_is_compared_with(formula, part):
    content = workbook([["Yes", "Yes sir", formula]], pageMargins=part)
    assert texts(".xlsx", content) == ["Yes sir"]
    assert texts(".xlsx", workbook([["Yes", "Yes sir"]])) == ["Yes", "Yes sir"]


CELLS = (
    '<row r="9"><c r="A9" t="str"><v>{0}</v></c><c r="B9" t="str"><f>A9</f><v>{1}</v></c>'
    '<c r="C9"><v>3</v></c><c r="D9" t="str"><v>Yes</v></c></row>'
).format


@pytest.mark.parametrize(
    ("text", "new"), [("one two", "TWO ONE"), (" one_x000D_\nfour two", " ONE_x000D_\nTWO FOUR")]
)
def test_a_text_that_stands_in_its_cell_is_translated_and_that_of_a_formula_stays(text, new):
    entries = unzipped(workbook([["Yes sir", '=IF(A1="Yes", B1, "")']]))
    name = "xl/worksheets/sheet1.xml"
    sheet = entries[name].decode().replace("</sheetData>", CELLS(text, "no text") + "</sheetData>")
    content = zipped({**entries, name: sheet})
    found = texts(".xlsx", content)
    assert "Yes sir" in found and "Yes" not in found and "no text" not in found
    assert CELLS(new, "no text") in unzipped(translated(".xlsx", content))[name].decode()


def test_a_cell_with_a_million_attributes_takes_no_time():
    entries = unzipped(workbook([["Yes sir"]]))
    entries["xl/worksheets/sheet2.xml"] = b"<x>" + b'<c t="str"' + b' t="str"' * 1_000_000
    assert texts(".xlsx", zipped(entries)) == ["Yes sir"]


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        ('=INDIRECT("\'"&A1&"\'!B2")', ""),
        ("=SUM(indirect (A1))", ""),
        (
            "",
            '<dataValidations count="1"><dataValidation type="list" sqref="C1"><formula1>'
            'INDIRECT(SUBSTITUTE(A1," ","_"))</formula1></dataValidation></dataValidations>',
        ),
        (
            "",
            "<extLst><ext><x14:dataValidation xmlns:x14='x14' xmlns:xm='xm'><x14:formula1><xm:f>"
            "INDIRECT(A1)</xm:f></x14:formula1></x14:dataValidation></ext></extLst>",
        ),
    ],
)
def test_a_cell_with_the_name_of_a_sheet_or_of_a_range_stays_where_formulas_read_names(
    formula, part
):
    def of(formula, part):
        entries = unzipped(
            workbook([["data", "Big fruits", "fruits", "more"], [formula]], pageMargins=part)
        )
        names = b'<definedNames><definedName name="Big_fruits">$A$1</definedName></definedNames>'
        book = entries["xl/workbook.xml"].replace(b"<calcPr", names + b"<calcPr")
        assert b'name="Sheet"' in book and names in book
        book = book.replace(b'name="Sheet"', b'name="Data"')
        tables = {"xl/tables/table1.xml": '<table displayName="Fruits"/>'}
        return zipped({**entries, "xl/workbook.xml": book, **tables})

    assert texts(".xlsx", of(formula, part)) == ["more"]
    assert texts(".xlsx", of("", "")) == ["data", "Big fruits", "fruits", "more"]


def test_an_empty_value_in_a_list_keeps_no_comment():
    part = (
        '<dataValidations count="1"><dataValidation type="list" sqref="A1"><formula1>'
        '"No,,Yes"</formula1></dataValidation></dataValidations>'
    )
    entries = unzipped(workbook([["Yes", "Yes sir"]], pageMargins=part))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    comments = f'<comments xmlns="{main}"><comment><text><t>seen</t></text></comment></comments>'
    assert "seen" in texts(".xlsx", zipped({**entries, "xl/comments1.xml": comments}))


def test_excel_is_told_to_calculate_where_a_text_has_changed():
    def calculated(properties, translate=shout):
        entries = unzipped(workbook([["one two", "=A1"]]))
        book = re.sub(rb"<calcPr[^<>]*/>", properties, entries["xl/workbook.xml"])
        changed = translated(".xlsx", zipped({**entries, "xl/workbook.xml": book}), translate)
        return re.findall(rb"<calcPr[^<>]*/>", unzipped(changed)["xl/workbook.xml"])

    assert calculated(b'<calcPr calcId="1"/>') == [b'<calcPr fullCalcOnLoad="1" calcId="1"/>']
    assert calculated(b'<calcPr calcId="1"/>', same) == [b'<calcPr calcId="1"/>']
    stated = b'<calcPr calcId="1" fullCalcOnLoad="1"/>'
    assert calculated(stated) == [stated] and calculated(b"") == []


def test_names_of_a_workbook_are_read_whatever_its_main_part_is_called():
    entries = {
        name.replace("workbook.xml", "workbook2.xml"): content.replace(
            b"/workbook.xml", b"/workbook2.xml"
        )
        for name, content in unzipped(workbook([["Yes", "no"]])).items()
    }
    defined = b'<definedNames><definedName name="x">"Yes"</definedName></definedNames><calcPr'
    book = entries["xl/workbook2.xml"].replace(b"<calcPr", defined)
    assert texts(".xlsx", zipped({**entries, "xl/workbook2.xml": book})) == ["no"]


def test_the_header_of_a_pivot_table_stays():
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    pivot = f'<x xmlns="{main}"><cacheFields><cacheField name="Yes"/></cacheFields></x>'
    entries = {
        **unzipped(workbook([["Yes", "no"]])),
        "xl/pivotCache/pivotCacheDefinition1.xml": pivot,
    }
    assert texts(".xlsx", zipped(entries)) == ["no"]


def test_tabs_and_columns_stay_in_slides_and_cells():
    example = {
        **unzipped(pptx_slides()),
        "ppt/slides/slide9.xml": DIAGRAM("9:00\tone two    three"),
    }
    changed = unzipped(translated(".pptx", zipped(example)))
    assert DIAGRAM("9:00\tTWO ONE    THREE") in changed["ppt/slides/slide9.xml"].decode()
    changed = unzipped(translated(".xlsx", with_strings("one two\tthree")))
    assert b">TWO ONE\tTHREE<" in changed["xl/sharedStrings.xml"]


READING = '<rPh sb="0" eb="3"><t>no word</t></rPh><phoneticPr fontId="1"/>'


def test_a_cell_with_a_reading_is_compared_without_it_and_loses_it_with_its_text():
    def with_readings(content):
        entries = unzipped(content)
        strings = entries["xl/sharedStrings.xml"].replace(b"</si>", f"{READING}</si>".encode())
        return zipped({**entries, "xl/sharedStrings.xml": strings})

    content = with_readings(with_strings("Total_x000a_cost", "one two"))  # a table's column
    strings = unzipped(translated(".xlsx", content))["xl/sharedStrings.xml"].decode()
    stays, changed = re.findall("<si>.*?</si>", strings)
    assert stays == f"<si><t>Total_x000a_cost</t>{READING}</si>"
    assert changed == '<si><t>TWO ONE</t><phoneticPr fontId="1"/></si>'
