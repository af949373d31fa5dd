"""OpenDocument: paragraphs of text and inline elements."""

import pytest
from fixtures.documents import (
    ODF,
    ODT_BODY,
    changed_entries,
    odt,
    read,
    same,
    translated,
    unzipped,
    zipped,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def body(content):
    text = unzipped(content)["content.xml"].decode()
    return text.split("<office:text>")[1].split("</office:text>")[0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<text:h>one two</text:h>", "<text:h>TWO ONE</text:h>"),
        (
            '<text:p>one <text:span text:style-name="B">two</text:span> three</text:p>',
            '<text:p>THREE <text:span text:style-name="B">TWO</text:span> ONE</text:p>',
        ),
        (
            '<text:p>go <text:a xlink:href="u">right here</text:a></text:p>',
            '<text:p><text:a xlink:href="u">HERE RIGHT</text:a> GO</text:p>',
        ),
        (
            "<text:p>one two<text:tab/>three four<text:line-break/>five</text:p>",
            "<text:p>TWO ONE<text:tab/>FOUR THREE<text:line-break/>FIVE</text:p>",
        ),
        (
            "<text:p>one<text:note><text:note-body><text:p>two three</text:p></text:note-body>"
            "</text:note> four</text:p>",
            "<text:p>FOUR ONE<text:note><text:note-body><text:p>THREE TWO</text:p>"
            "</text:note-body></text:note></text:p>",
        ),
        (
            "<text:p>page <text:page-number>one</text:page-number></text:p>",
            "<text:p>PAGE <text:page-number>one</text:page-number></text:p>",
        ),
        (
            "<text:p>the <text:ruby><text:ruby-base>big</text:ruby-base><text:ruby-text>no word"
            "</text:ruby-text></text:ruby> dog</text:p>",
            "<text:p>DOG <text:ruby><text:ruby-base>BIG</text:ruby-base><text:ruby-text>no word"
            "</text:ruby-text></text:ruby> THE</text:p>",
        ),
        *(  # what a reader fills in
            (
                f"<text:p>see <{name}>one two</{name}></text:p>",
                f"<text:p><{name}>TWO ONE</{name}> SEE</text:p>",
            )
            for name in ("text:text-input", "text:content-control")
        ),
        (
            "<text:tracked-changes><text:p>one two</text:p></text:tracked-changes>",
            "<text:tracked-changes><text:p>one two</text:p></text:tracked-changes>",
        ),
        (
            '<table:table-cell office:value-type="date"><text:p>1 May two</text:p>'
            "</table:table-cell>",
            '<table:table-cell office:value-type="date"><text:p>1 May two</text:p>'
            "</table:table-cell>",
        ),
    ],
)
def test_what_stands_in_a_text_document(source, expected):
    assert body(translated(".odt", odt(source))) == expected


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("<text:bookmark-ref>Figure 3</text:bookmark-ref>", "see {1}, one"),
        ("<text:user-field-get>Ann</text:user-field-get>", "see {1}, one"),
        ("<text:date>05/01/2026</text:date>", "see {1}, one"),
        ('<text:drop-down><text:label text:value="a"/>a</text:drop-down>', "see {1}, one"),
        ("<text:sequence>3</text:sequence>", "see , one"),
        ("<text:page-number>iv</text:page-number>", "see , one"),
        ("<text:hidden-text>a</text:hidden-text>", "see , one"),
        (
            "<text:note><text:note-citation>a</text:note-citation><text:note-body/></text:note>",
            "see , one",
        ),
    ],
)
def test_a_field_is_a_word_of_its_sentence_for_a_model_that_copies(field, text):
    source = odt(f"<text:p>see {field}, one</text:p>")
    assert [unit.text for unit in read(".odt", source, stand_ins=True).units] == [text]
    assert field in body(translated(".odt", source, stand_ins=True))


def test_spaces_at_an_edge_and_in_a_row_are_elements():
    def of(source):
        return body(translated(".odt", odt(f"<text:p>{source}</text:p>")))

    assert of("<text:s/>one two") == '<text:p><text:s text:c="1"/>TWO ONE</text:p>'
    assert of('<text:s text:c="4"/>one') == '<text:p><text:s text:c="4"/>ONE</text:p>'
    found = of('one<text:tab/><text:s text:c="3"/>a')
    assert found == '<text:p>ONE<text:tab/> <text:s text:c="2"/>A</text:p>'


def test_the_white_space_of_a_pretty_printed_file_is_one_space_or_none():
    span = '<text:span text:style-name="B">{}</text:span>'.format
    source = f"<text:p>\n  {span(' one')}\n   {span(' two')}\n</text:p>"
    found = body(translated(".odt", odt(source)))
    assert found == f"<text:p>{span('TWO')} {span('ONE')} </text:p>"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ('text:bookmark-start text:name="b"', 'text:bookmark-end text:name="b"'),
        ('text:reference-mark-start text:name="b"', 'text:reference-mark-end text:name="b"'),
        ('office:annotation office:name="b"', 'office:annotation-end office:name="b"'),
    ],
)
def test_the_start_of_a_range_stays_before_its_end(start, end):
    source = f"<text:p>one <{start}/>two three <{end}/>four</text:p>"
    found = body(translated(".odt", odt(source)))
    assert 0 < found.index(start) < found.index(end)


def styled(text, properties):
    """A document with a style T1 of these properties."""
    entries = unzipped(odt(text))
    style = (
        '<style:style style:name="T1" style:family="text"><style:text-properties '
        f"{properties}/></style:style></office:automatic-styles>"
    )
    content = entries["content.xml"].decode().replace("</office:automatic-styles>", style)
    return zipped({**entries, "content.xml": content})


def test_text_in_a_font_of_symbols_moves_as_one():
    symbol = '<text:span text:style-name="T1">à</text:span>'
    source = styled(f"<text:p>one two {symbol} three</text:p>", 'style:font-name="Wingdings"')
    assert [unit.text for unit in read(".odt", source).units] == ["one two three"]
    assert body(translated(".odt", source)) == f"<text:p>THREE TWO {symbol} ONE</text:p>"


@pytest.mark.parametrize("position", ["super 58%", "33% 58%"])
def test_the_number_of_a_note_typed_as_text_is_no_text_and_stays_behind_its_word(position):
    def of(text):
        return styled(text, f'style:text-position="{position}"')

    note = '<text:span text:style-name="T1">1</text:span>'
    source = f"<text:p>one time{note} more</text:p><text:p>20 m{note} of</text:p>"
    assert [unit.text for unit in read(".odt", of(source)).units] == ["one time more", "20 m1 of"]
    found = body(translated(".odt", of(source)))
    assert f"<text:p>MORE TIME{note} ONE</text:p>" in found and f"M{note} 20" in found
    assert body(translated(".odt", of(source), same)) == body(of(source))
    lowered = of(source.replace("T1", "B"))
    assert read(".odt", lowered).units[0].text == "one time1 more"


def test_a_comment_on_a_number_is_translated():
    source = (
        '<table:table-cell office:value-type="float"><office:annotation><text:p>one two</text:p>'
        "</office:annotation><text:p>3 kg</text:p></table:table-cell>"
    )
    assert [unit.text for unit in read(".ods", odt(source)).units] == ["one two"]


def test_styles_name_the_target_language():
    styles = (
        f"<office:document-styles {ODF}><style:style><style:text-properties fo:country='US' "
        'fo:language="en"/><style:text-properties fo:language="de" fo:country="DE"/>'
        "</style:style></office:document-styles>"
    )
    content = zipped({**unzipped(odt()), "styles.xml": styles})
    found = unzipped(translated(".odt", content))["styles.xml"].decode()
    assert found == styles.replace("'US'", '"none"').replace('"en"', '"fr"')
    assert unzipped(translated(".odt", content, target="en"))["styles.xml"].decode() == styles


def test_only_the_content_changes():
    assert changed_entries(odt(), translated(".odt", odt())) == ["content.xml"]


INLINE = ["<text:s/>", "<text:tab/>", "<text:bookmark/>", "<text:note>h</text:note>"]
SPANS = [
    '<text:span text:style-name="B">d e</text:span>',
    "<text:span>f <text:a>g</text:a></text:span>",
    "<text:ruby><text:ruby-base>i</text:ruby-base><text:ruby-text>j</text:ruby-text></text:ruby>",
]
PIECES = st.sampled_from(["a", " ", "b c", *INLINE, *SPANS])


@settings(deadline=None, max_examples=40)
@given(st.lists(PIECES, max_size=8))
def test_any_paragraph_keeps_its_elements(pieces):
    content = odt(f"<text:p>{''.join(pieces)}</text:p>")
    assert body(translated(".odt", content, same)) == body(content)
    again = body(translated(".odt", content))
    for name in ("tab", "span", "a", "bookmark", "note", "ruby-base", "ruby-text>j<"):
        assert again.count(f"<text:{name}") == body(content).count(f"<text:{name}")


def test_the_example_has_text_in_all_kinds():
    assert len(read(".odt", odt(ODT_BODY)).units) == 5


def cell(text, attributes=""):
    return (
        f'<table:table-cell office:value-type="string" {attributes}><text:p>{text}</text:p>'
        "</table:table-cell>"
    )


def row(*cells, around=""):
    return f"<table:table>{around}<table:table-row>{''.join(cells)}</table:table-row></table:table>"


def test_a_cell_shows_its_new_text_and_that_of_a_formula_is_calculated_again():
    source = odt(
        row(
            cell("one two", 'office:string-value="one two"'),
            cell("three", 'table:formula="x" office:string-value="three"'),
        )
    )
    found = body(translated(".ods", source))
    assert "TWO ONE" in found and "string-value" not in found
    assert 'table:formula="x"/>' in found and "three" not in found
    assert body(translated(".ods", source, same)) == body(source)
    number = '<table:table-cell table:formula="x" office:value-type="float" office:value="3">'
    shown = f"{number}<text:p>3 kg</text:p></table:table-cell>"
    assert shown in body(translated(".ods", odt(row(cell("one"), shown))))


@pytest.mark.parametrize(
    "around",
    [
        cell("x", "table:formula='of:=IF([.A1]=&quot;Yes&quot;;1;2)'"),
        cell("x", "table:formula='of:=COUNTIF([.A:.A];&quot;&lt;&gt;Yes&quot;)'"),
        "<table:content-validation table:condition='of:cell-content-is-in-list(&quot;No&quot;;"
        "&quot;yes&quot;)'/>",
        '<calcext:conditional-formats xmlns:calcext="urn:org:documentfoundation:names:experimental:'
        'calc:xmlns:calcext:1.0"><calcext:condition calcext:value="=&quot;Yes&quot;"/>'
        "</calcext:conditional-formats>",
        "<style:style><style:map style:condition='cell-content()=&quot;Yes&quot;'/></style:style>",
        '<table:filter-condition table:value="Yes"/>',
        '<table:data-pilot-field table:source-field-name="Yes"/>',
    ],
)
def test_a_cell_stays_that_something_else_in_the_sheet_is_compared_with(around):
    source = odt(row(cell("Yes"), cell("Yes sir"), around=around))
    assert [unit.text for unit in read(".ods", source).units] == ["Yes sir"]


@pytest.mark.parametrize(
    "around",
    [
        cell("x", "table:formula='of:=SUM(INDIRECT([.A1]))'"),
        "<table:content-validation table:condition='of:cell-content-is-in-list(INDIRECT([.A1]))'/>",
    ],
)
def test_a_cell_with_the_name_of_a_sheet_or_of_a_range_stays_where_formulas_read_names(around):
    def of(around):
        named = '<table:named-range table:name="Big_fruits"/><table:table table:name="Data"/>'
        cells = row(cell("data"), cell("Big fruits"), cell("more"), around=named + around)
        return [unit.text for unit in read(".ods", odt(cells)).units]

    assert of(around) == ["more"]
    assert of("") == ["data", "Big fruits", "more"]


def test_marks_of_an_index_go_around_their_words():
    name = "text:alphabetical-index-mark"
    source = (
        f'<text:p>one <{name}-start text:id="a"/>two three<{name}-end text:id="a"/> four</text:p>'
    )
    found = body(translated(".odt", odt(source)))
    assert 0 < found.index(f"<{name}-start") < found.index(f"<{name}-end")
    assert "text:s" not in found


def test_charts_inside_a_document_are_translated():
    chart = f"<office:document-content {ODF}><text:p>{{}}</text:p></office:document-content>".format
    entries = {**unzipped(odt()), "Object 1/content.xml": chart("one two")}
    changed = unzipped(translated(".odt", zipped(entries)))
    assert chart("TWO ONE") in changed["Object 1/content.xml"].decode()
