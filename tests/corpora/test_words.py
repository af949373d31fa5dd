"""Words of lines, and rules for pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.corpora import words
from nmt.corpora.words import has_extreme_ratio, has_letters_only, is_copied, is_long, words_of


def test_words_are_small_without_accents_and_punctuation():
    assert words_of("L'Été, déjà_là… Œuvre") == ["l", "ete", "deja", "la", "oeuvre"]
    assert words_of("soft\u00adly ½ ﬁn e\u0301te\u0301") == ["softly", "1", "2", "fin", "ete"]


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (("लड़का गया", "लड़की गई"), 2),
        (("かき", "がき"), 1),
        (("งานที่", "งานที"), 1),
        (("مُعَلِّم", "مُعَلَّم"), 1),
    ],
)
def test_words_of_other_scripts_keep_the_marks_that_tell_them_apart(lines, number):
    first, second = map(words_of, lines)
    assert first != second and len(first) == len(second) == number


def test_words_with_marks_are_made_of_letters():
    words = words_of("लड़का लड़की से बात करता है 12")
    assert [has_letters_only(word) for word in words] == [True] * 6 + [False]
    assert is_copied(words, words)


@given(st.text(st.sampled_from("aZ é'ÉœŒßÿ’…\u00a0-_9²½ﬁ\u0301\u00adİ"), max_size=20))
def test_the_fast_way_gives_the_same_words(line):
    assert words_of(line) == words._MARKED_WORD.findall(words._normalized(line))


def test_a_long_line_has_more_than_a_hundred_words():
    assert not is_long("a " * 100, "b") and is_long("b", "a " * 101)
    assert not is_long("word" * 1000, "b")


def test_a_ratio_is_extreme_in_long_pairs_only():
    assert not has_extreme_ratio("No!", "x" * 39) and has_extreme_ratio("x" * 40, "y" * 13)
    assert not has_extreme_ratio("x" * 42, "y" * 14)


def test_a_ratio_is_measured_against_the_median_one():
    assert not has_extreme_ratio("x" * 40, "y" * 10, 0.25)
    assert has_extreme_ratio("x" * 40, "y" * 31, 0.25) and has_extreme_ratio("x" * 40, "yyy", 0.25)


def test_a_copy_is_more_than_a_name():
    assert is_copied(list("abcd"), list("abcd")) and not is_copied(list("abc"), list("abc"))
    assert not is_copied(list("abc1"), list("abc1")) and not is_copied(list("abcd"), list("abce"))
