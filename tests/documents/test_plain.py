"""Plain text in paragraphs."""

import pytest
from fixtures.documents import TEXT, read, refilled, reverse, same, shout, translated
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.translating import translate_document
from nmt.errors import UserError


def texts(content):
    return [unit.text for unit in read(".txt", content).units]


def test_the_lines_of_a_wrapped_paragraph_are_one_text():
    assert texts(TEXT) == [
        "Hello there.",
        "This is a long paragraph that has been wrapped at some width, which is about fifty or so"
        " characters, and it goes on.",
        "one item",
        "two items",
    ]


def test_a_line_that_ended_early_ends_its_paragraph():
    poem = "Roses are red,\nviolets are blue.\n"
    assert texts(poem) == ["Roses are red,", "violets are blue."]
    letter = "Dear Sir,\nthis line is as long as lines get in this letter, more\nor less.\n"
    assert texts(letter)[0] == "Dear Sir,"


def test_indents_bullets_blank_lines_and_line_ends_stay():
    content = "\ufeff* one\r\n\r\n   1. two\r\n\t\r\nthree  \r\n"
    expected = "\ufeff* ONE\r\n\r\n   1. TWO\r\n\t\r\nTHREE  \r\n"
    assert translated(".txt", content, shout) == expected


def test_utf_16_stays_utf_16():
    content = "\ufeffone".encode("utf-16-le")
    assert translated(".txt", content, shout) == "\ufeffONE".encode("utf-16-le")


def test_another_encoding_is_named_with_the_command_that_converts_it():
    with pytest.raises(UserError, match=r"line 2: expected UTF-8.*0xe9.*iconv"):
        read(".txt", "one\ncaf\xe9".encode("latin-1"))


LINES = st.lists(st.text(st.sampled_from("ab.-1 \t|\f{}é\u00a0"), max_size=60), max_size=8)


@settings(deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_any_text_stays_byte_for_byte_if_its_translation_is_itself(lines, end):
    content = end.join(lines)
    assert translated(".txt", content, same) == content


@settings(deadline=None)
@given(LINES)
def test_any_text_that_is_written_again_has_the_same_words_and_blank_lines(lines):
    content = "\n".join(lines)
    again = refilled(".txt", content).decode()
    assert again.split() == content.split()
    blank = [[line.strip() == "" for line in one.split("\n\n")] for one in (content, again)]
    assert blank[0] == blank[1]


@settings(deadline=None)
@given(LINES)
def test_no_translation_changes_the_number_of_paragraphs(lines):
    content = "\n".join(lines)
    outcome = translate_document(read(".txt", content), reverse)
    assert outcome.content.decode().count("\n\n") == content.count("\n\n")


QUOTED = """Bob wrote:
> this is a line of mail that is as long as it gets in
> it, and so goes on.
>
>> and another one
 * new
"""


def test_the_marks_of_quoted_mail_are_no_text():
    assert texts(QUOTED)[1:3] == [
        "this is a line of mail that is as long as it gets in it, and so goes on.",
        "and another one",
    ]
    assert translated(".txt", QUOTED, shout) == QUOTED.upper()


def test_the_cells_of_a_table_are_texts_of_their_own_and_its_columns_stay():
    table = (
        "Name of the thing      Price     Where it is\n"
        "A green apple, big\t1.50\tin the shop    \n"
        "   Another good pear      2.50    in the market\n"
    )
    assert texts(table)[:3] == ["Name of the thing", "Price", "Where it is"]
    assert translated(".txt", table, shout) == table.upper()


def test_a_wrapped_paragraph_that_is_not_translated_is_not_wrapped_again():
    wrapped = "this is a line that is  wrapped, as the next one\n  would not fit into it, and so"
    for rest in (".\n", " is this one, too\n     in it.\n"):  # with an indent of its own
        for content in (wrapped + rest, (wrapped + rest).replace("\n", "\r\n")):
            assert translated(".txt", content, same) == content


def test_a_table_of_characters_keeps_its_cells():
    table = "+-----+------+\n| a b | c d  |\n|-----|------|\n  | e f|g h |\n"
    expected = "+-----+------+\n| B A | D C  |\n|-----|------|\n  | F E|H G |\n"
    assert translated(".txt", table) == expected
    assert translated(".txt", "a | b\n") == "B | A\n"


@pytest.mark.parametrize("end", ["\f", "\v", "\u2028", "\u2029", "\x85", "\f\n"])
def test_the_end_of_a_page_or_of_a_line_of_any_kind_stays(end):
    assert translated(".txt", f"one two{end}three four") == f"TWO ONE{end}FOUR THREE"
