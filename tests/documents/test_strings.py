"""JSON and tables."""

import csv
import html
import io
import json

import pytest
from fixtures.documents import read, refilled, reverse, same, shout, translated, translator
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.translating import translate_document
from nmt.errors import UserError


def test_values_are_translated_and_keys_and_layout_stay():
    source = '{ "one two": "three four",\n\t"n": [1.50, null, "five\\nsix {x} "]}\n'
    expected = '{ "one two": "FOUR THREE",\n\t"n": [1.50, null, "FIVE\\n{x} SIX "]}\n'
    assert translated(".json", source) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("http://a.org/b", "a@b.org", "{name}", "42", "%s", "", "2024-05-12"),
        *("%r %(x)a", "%Y-%m-%d", "%H:%M", "%PATH%", "%1", "%L2 %n", "$NAME$", "<%= x %>"),
        *("{n, number} {d , date, short}", "${t('x y')} #{a b}", "$t(common.ok)"),
        *("@:common.ok", "@.lower:ok", ":name", ":smile:", "@count %user_name", "%<count>d"),
        *("*|FNAME|*", '$t(girls, {"count": {{girls}} })', "{{ name | upper }}", "[20,*]"),
        *(
            "%#@items@",
            "/usr/local/bin",
            "~/.bashrc",
            r"C:\new\a.txt",
            "thumbs.jpg#xywh=0,0,160,90",
        ),
    ],
)
def test_addresses_numbers_and_placeholders_stay(value):
    source = json.dumps([value, "one"])
    assert translated(".json", source) == json.dumps([value, "ONE"])


@pytest.mark.parametrize(
    "value",
    [
        *("first_name", "MAX_2", "#ff00aa", "#fab", "0x3f6fd5c8", "en-US", "pt_BR"),
        *("image/svg+xml", "src/main.js", "b/c_d.png", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
        *("home.title", "errors.not_found.a", "/api/v1/users", "../a/b", "~/x/", "./a.b"),
        *("d41d8cd98f00b204e9800998ecf8427e", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04+01:00"),
    ],
)
def test_what_is_for_programs_stays(value):
    source = f'["{value}", "one {value}"]'
    assert translated(".json", source, shout).startswith(f'["{value}", "ONE ')
    assert translated(".csv", f"{value};one\n", shout) == f"{value};ONE\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"one two.\nThree four.\n\n five", r"TWO. ONE\nFOUR. THREE\n\n FIVE"),
        ("one apple|many apples", "APPLE ONE|APPLES MANY"),
        ("|one two|three|four five", "|TWO ONE|THREE|FIVE FOUR"),
        ("one two \n | | three\u00a0 |four", "TWO ONE \n | | THREE\u00a0 |FOUR"),
        ("{0} one two | [2,*] three four", "TWO ONE {0} | FOUR THREE [2,*]"),
        (r"in C:\new now", r"NOW C:\NEW IN"),
        (r"let \nabla be", r"BE \NABLA LET"),
        ("%<n>d one <b>two three</b>", "<b>THREE TWO</b> ONE %<n>d"),
    ],
)
def test_line_breaks_and_bars_of_programs_divide_a_string(source, expected):
    assert json.loads(translated(".json", json.dumps(source))) == expected


@pytest.mark.parametrize(
    "value", ["well-known", "and/or", "iPhone", "Mr.", "p.m.", "Yes.No", "1st", "#one"]
)
def test_a_word_is_not_for_programs(value):
    assert translated(".json", f'"{value}"', shout) == f'"{value.upper()}"'


@pytest.mark.parametrize(
    "text", ["Hi $NAME$", "%1 files", "See $t(a.b)", "See @:a.b", "Hi :name", "See %#@items@"]
)
def test_a_translation_that_loses_a_placeholder_of_a_program_is_discarded(text):
    def forget(lines, alignments):
        return same(["rien"], alignments)

    outcome = translate_document(read(".json", json.dumps(text)), forget)
    assert len(outcome.left) == 1 and "is lost" in outcome.left[0].reason


def test_inline_tags_of_a_string_go_with_their_words():
    source = '"Click <a href=\\"u\\">right here</a> & go <b/> on"'
    expected = '"ON GO <b/> & <a href=\\"u\\">HERE RIGHT</a> CLICK"'
    assert translated(".json", source) == expected


@pytest.mark.parametrize(
    ("suffix", "document"), [(".json", '["@"]'), (".csv", "@;1"), (".md", "@")]
)
@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        (
            "Press <kbd>Enter</kbd> and run <code>make clean</code> now.",
            "Press {1} and run {2} now.",
            "NOW. <code>make clean</code> RUN AND <kbd>Enter</kbd> PRESS",
        ),
        (
            "The <span translate='no'>Big <i>Apple</i></span> <b class='x notranslate'>a</b> now",
            "The {1} {2} now",
            "NOW <b class='x notranslate'>a</b> <span translate='no'>Big <i>Apple</i></span> THE",
        ),
        (  # with another one and a tag without an end in it
            "one <code>a <code>b</code> <c> d</code> two",
            "one {1} two",
            "TWO <code>a <code>b</code> <c> d</code> ONE",
        ),
        (
            "one <code translate='yes'>two three</code> four",
            "one two three four",
            "FOUR <code translate='yes'>THREE TWO</code> ONE",
        ),
    ],
)
def test_elements_that_html_does_not_translate_stay_in_other_formats(
    suffix, document, source, text, expected
):
    document, expected = (document.replace("@", one) for one in (source, expected))
    assert [unit.text for unit in read(suffix, document, stand_ins=True).units] == [text]
    assert translated(suffix, document, stand_ins=True) == expected


def test_an_element_without_an_end_is_translated():
    assert translated(".json", '"one <code>two three"') == '"ONE <code>THREE TWO"'
    assert (
        translated(".json", '"one <b>a <code>two</b> c</code>"')
        == '"ONE <b>A <code>TWO</b> C</code>"'
    )


def test_many_elements_without_an_end_are_read_at_once():
    source = '"one ' + "<code>" * 30_000 + '"'
    assert translated(".json", source) == source.replace("one", "ONE")


ANGULAR = '{VAR_PLURAL, plural, =0 {just now} other {<x id="I" equiv-text="{{n}}"/> hours ago}}'
ICU_MESSAGES = {
    ".json": '"{n, plural, one {# file} other {# files}}"',
    ".csv": "1,2\n" * 5 + '3,"{n, plural,\n  one {# file}\n  other {# files}}"\n',
    ".po": 'msgid ""\nmsgstr ""\n\nmsgid ""\n"{n, plural,\\n"\n"one {a file}\\n"\n"}"\nmsgstr ""\n',
    ".xliff": '<xliff version="1.2"><file source-language="en"><body><trans-unit id="1">'
    f"<source>{ANGULAR}</source></trans-unit></body></file></xliff>",
}


@pytest.mark.parametrize("suffix", ICU_MESSAGES)
def test_a_message_with_plural_forms_stays_and_is_counted_once(suffix):
    source = ICU_MESSAGES[suffix]
    outcome = translate_document(read(suffix, source), reverse)
    assert [one.reason for one in outcome.left] == ["a message with plural forms"]
    (line,) = [line for line in source.splitlines() if "plural" in line]
    assert line in outcome.content.decode() and b"ONE" not in outcome.content
    assert b"AGO" not in outcome.content and b"FILE" not in outcome.content


def test_numbered_tags_go_with_their_words():
    source = '"Click <0>right here</0> or <1 /> go, 1<2 and 3>2"'
    expected = '"3>2 AND 1<2 GO, OR <1 /> <0>HERE RIGHT</0> CLICK"'
    assert translated(".json", source) == expected


def test_entities_are_read_as_characters_and_written_again():
    source = '"Fish &amp; chips are &lt;b&gt; &quot;good&quot;&nbsp;here"'
    written = json.loads(translated(".json", source))
    assert html.unescape(written).split() == ["HERE", '"GOOD"', "<B>", "ARE", "CHIPS", "&", "FISH"]
    assert "&amp;" in written and "&lt;B&gt;" in written
    assert translated(".json", '"a & b <i>c</i>"') == '"<i>C</i> B & A"'


def test_what_looks_like_an_entity_and_is_none_of_html_is_a_placeholder():
    assert translated(".json", '"one &brandName; two"') == '"TWO &brandName; ONE"'


def test_a_file_that_escapes_what_is_not_ascii_goes_on_to():
    assert translated(".json", '"\\u00e9t\\u00e9 a"') == '"A \\u00c9T\\u00c9"'
    assert translated(".json", '"été a"') == '"A ÉTÉ"'


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r'"one \u003cb\u003etwo\u003c/b\u003e"', r'"\u003cb\u003eTWO\u003c/b\u003e ONE"'),
        (r'["it\u0027s one", "two\/three"]', r'["ONE IT\u0027S", "TWO\/THREE"]'),
        (r'["a\\/b c", "d\u0041\u0022 e"]', r'["C A\\/B", "E DA\""]'),
    ],
)
def test_what_a_program_escapes_without_need_stays_escaped(source, expected):
    assert translated(".json", source) == expected
    assert json.loads(expected)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_columns_in_a_string_stay_columns(suffix):
    source = r'"  -v, --verbose     print more\n\tone two\t3\tfour five"'
    expected = r'"  --VERBOSE -V,     MORE PRINT\n\tTWO ONE\t3\tFIVE FOUR"'
    assert translated(suffix, source) == expected


@pytest.mark.parametrize("content", ["{", "[1,\n]", "{'a': 1}", "[" * 100_000, "[1]\n[2]"])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(UserError, match=r"line \d: expected JSON"):
        read(".json", content)


def test_a_number_may_have_any_length():
    source = f'[{"9" * 5000}, "one"]'
    assert translated(".json", source) == source.replace("one", "ONE")


def test_each_line_is_a_value_of_its_own_and_line_ends_and_blank_lines_stay():
    source = '{ "b": "one two",\t"a": 1.50}\r\n\n  \r\n"three \\u00e9"\n[1e3, "{x} four"]'
    expected = '{ "b": "TWO ONE",\t"a": 1.50}\r\n\n  \r\n"\\u00c9 THREE"\n[1e3, "FOUR {x}"]'
    assert translated(".jsonl", source) == expected
    line_separator = '"one\u2028two"\n"three"'
    assert translated(".jsonl", line_separator, same) == line_separator


@pytest.mark.parametrize(
    ("content", "line"),
    [('"a"\n\n{"b": }\n"c"', 3), ('["a",\n"b"]', 1), ('"a" "b"\n', 1), ('"a"\n' + "[" * 10**5, 2)],
)
def test_a_line_that_is_no_json_is_named(content, line):
    with pytest.raises(UserError, match=rf"^line {line}: expected JSON\. Received: .*\.$"):
        read(".jsonl", content)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@settings(deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_any_json_stays_itself(value, is_ascii, indent):
    source = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    assert translated(".json", source, same) == source
    assert shape(json.loads(translated(".json", source, shout))) == shape(value)


@settings(deadline=None)
@given(st.lists(VALUES, max_size=4), st.booleans())
def test_any_json_lines_stay_themselves(values, is_ascii):
    source = "\n".join(json.dumps(value, ensure_ascii=is_ascii) for value in values)
    assert translated(".jsonl", source, same) == source
    lines = translated(".jsonl", source, shout).split("\n") if source else []
    assert [shape(json.loads(line)) for line in lines] == [shape(value) for value in values]


def shape(value):
    if isinstance(value, list):
        return [shape(one) for one in value]
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return str if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a b,1\nc,d e\n", "B A,1\nC,E D\n"),
        ("a b;1,5\nc;2,5\n", "B A;1,5\nC;2,5\n"),
        ('"a ""b"" c",x\r\n"d\ne",y\r\n', '"C ""B"" A",X\r\n"D\nE",Y\r\n'),
        ('"a, b\nc, d\ne, f";1\ng h;2\n', '"B A,\nD C,\nF E,";1\nH G;2\n'),
        ("a b\nc d\n", "B A\nD C\n"),
        ("a b,\n,c d", "B A,\n,D C"),
        ("", ""),
        (r'"a \"b\" c",d e', r'"C \"B\" A",E D'),
        ('"a" b "c",d e\n"f,g\n', '"C" B "A",E D\n"F,G\n'),
        ('=SUM(A1:B2),a b\n"=IF(A1,""x y"",B1)",c\n', '=SUM(A1:B2),B A\n"=IF(A1,""x y"",B1)",C\n'),
        ("a b,c\n1,2,3,d e\n\n,,\nf g\n", "B A,C\n1,2,3,E D\n\n,,\nG F\n"),
    ],
)
def test_cells_are_translated_and_delimiters_and_quotes_stay(source, expected):
    assert translated(".csv", source) == expected


def test_a_long_cell_is_read():
    source = f"{'a' * 140_000},b\n"
    assert translated(".csv", source, same) == source


def test_a_translation_with_a_delimiter_is_quoted():
    def translate(lines, alignments):
        return same(["x, y" for _ in lines], alignments)

    assert translated(".csv", "a,b\nc,d\n", translate) == '"x, y","x, y"\n"x, y","x, y"\n'


def test_cells_between_tabs_are_never_quoted():
    assert translated(".tsv", 'a "b\tc d\n\te\n') == '"B A\tD C\n\tE\n'
    assert translated(".tsv", '"a b\tc d\n\te"\n') == 'B "A\tD C\n\tE"\n'


def test_quotes_around_a_cell_between_tabs_stay():
    def quoted(lines, alignments):
        return same([f"« {line.upper()} »" for line in lines], alignments)

    source = '"a ""b"" c"\t"d e"\n"f\ng"\th\n'
    expected = '"« A ""B"" C »"\t"« D E »"\n"« F »\n« G »"\t« H »\n'
    assert translated(".tsv", source, quoted) == expected


CELLS = st.lists(
    st.lists(st.text(st.sampled_from('ab é1"\n, ;'), max_size=6), min_size=2, max_size=2),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(CELLS, st.sampled_from(",;\t"))
def test_any_table_keeps_its_cells(rows, delimiter):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    source = stream.getvalue()
    assert translated(".csv", source, same) == source
    assert len(refilled(".csv", source).decode().splitlines()) == len(source.splitlines())


def test_a_value_that_begins_with_a_quote_is_quoted():
    @translator
    def quoted(words):
        return ['"Oui"', "dit-il"], []

    written = translated(".csv", "1;yes he said\n", quoted)
    assert list(csv.reader(io.StringIO(written), delimiter=";")) == [["1", '"Oui" dit-il']]


def test_quotes_of_a_translation_are_escaped_as_those_of_the_table():
    def quoted(lines, alignments):
        return same([f'{line}, "q"' for line in lines], alignments)

    source = r'"a ""b""",c' + "\n"
    assert translated(".csv", source, quoted) == '"a ""b"", ""q""","c, ""q"""\n'
    source = r'"a \"b\"",c,"d"' + "\n"
    expected = r'"a \"b\", \"q\"","c, \"q\"","d, \"q\""' + "\n"
    assert translated(".csv", source, quoted) == expected


def test_a_line_that_states_the_delimiter_stays():
    assert translated(".csv", "sep=;\r\none two;a, b\r\n") == "sep=;\r\nTWO ONE;B A,\r\n"
