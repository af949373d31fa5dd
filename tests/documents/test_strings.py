"""JSON and tables."""

import csv
import io
import json

import pytest
from fixtures.documents import read, refilled, same, shout, translated, translator
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError


def test_values_are_translated_and_keys_and_layout_stay():
    source = '{ "one two": "three four",\n\t"n": [1.50, null, "five\\nsix {x} "]}\n'
    expected = '{ "one two": "FOUR THREE",\n\t"n": [1.50, null, "FIVE\\n{x} SIX "]}\n'
    assert translated(".json", source) == expected


@pytest.mark.parametrize(
    "value", ["http://a.org/b", "a@b.org", "{name}", "42", "%s", "", "2024-05-12"]
)
def test_addresses_numbers_and_placeholders_stay(value):
    source = json.dumps([value, "one"])
    assert translated(".json", source) == json.dumps([value, "ONE"])


def test_inline_tags_of_a_string_go_with_their_words():
    source = '"Click <a href=\\"u\\">right here</a> & go <b/> on"'
    expected = '"ON GO <b/> & <a href=\\"u\\">HERE RIGHT</a> CLICK"'
    assert translated(".json", source) == expected


def test_a_message_with_plural_forms_stays_and_is_counted():
    source = '"{n, plural, one {# file} other {# files}}"'
    assert translated(".json", source) == source


def test_a_file_that_escapes_what_is_not_ascii_goes_on_to():
    assert translated(".json", '"\\u00e9t\\u00e9 a"') == '"A \\u00c9T\\u00c9"'
    assert translated(".json", '"été a"') == '"A ÉTÉ"'


@pytest.mark.parametrize("content", ["{", "[1,]", "{'a': 1}", "[" * 100_000])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(UserError, match="expected JSON"):
        read(".json", content)


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
        ("a b\nc d\n", "B A\nD C\n"),
        ("a b,\n,c d", "B A,\n,D C"),
        ("", ""),
    ],
)
def test_cells_are_translated_and_delimiters_and_quotes_stay(source, expected):
    assert translated(".csv", source) == expected


def test_a_translation_with_a_delimiter_is_quoted():
    def translate(lines, alignments):
        return same(["x, y" for _ in lines], alignments)

    assert translated(".csv", "a,b\nc,d\n", translate) == '"x, y","x, y"\n"x, y","x, y"\n'


def test_cells_between_tabs_are_never_quoted():
    assert translated(".tsv", 'a "b\tc d\n\te\n') == '"B A\tD C\n\tE\n'


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


def test_a_line_that_states_the_delimiter_stays():
    assert translated(".csv", "sep=;\r\none two;a, b\r\n") == "sep=;\r\nTWO ONE;B A,\r\n"
