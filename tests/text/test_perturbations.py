"""What people do to a sentence as they type it."""

import random

import pytest

from nmt.text.perturbations import (
    TYPING_ERRORS,
    final_mark,
    small_initial,
    title_case,
    typing_error,
    without_final_mark,
)

SENTENCE = "The Dogs don't sleep."


@pytest.mark.parametrize("kind", TYPING_ERRORS)
def test_a_typing_error_changes_one_word_of_three_letters_or_more(kind):
    for seed in range(50):
        wrong = typing_error(SENTENCE, random.Random(seed), kind)
        words = list(zip(SENTENCE.split(), wrong.split(), strict=True))
        assert sum(a != b for a, b in words) <= 1
        assert all(a[0] == b[0] for a, b in words), "a word begins as it did"


def test_typing_errors_are_what_their_names_say():
    generator = random.Random(1)
    assert TYPING_ERRORS["doubled_letter"]("word", 2, generator) == "worrd"
    assert TYPING_ERRORS["dropped_letter"]("word", 2, generator) == "wod"
    assert TYPING_ERRORS["swapped_letters"]("word", 2, generator) == "wodr"
    assert TYPING_ERRORS["swapped_letters"]("word", 3, generator) == "wodr"
    assert TYPING_ERRORS["neighbouring_key"]("word", 1, generator)[1] in "ipkl"
    assert TYPING_ERRORS["neighbouring_key"]("été", 2, generator) == "étéé"  # no key of its own


def test_the_same_generator_makes_the_same_error():
    assert len({typing_error(SENTENCE, random.Random(3)) for _ in range(5)}) == 1


@pytest.mark.parametrize("text", ["", "42", "a b c", "?!"])
def test_a_text_without_long_words_stays(text):
    assert typing_error(text, random.Random(1)) == text


@pytest.mark.parametrize(
    ("text", "without", "mark"),
    [
        ("He sleeps.", "He sleeps", "."),
        ("Il dort\u202f?", "Il dort", "?"),
        ("Wait...", "Wait", "..."),
        ("He sleeps", "He sleeps", ""),
        ("?", "?", ""),
        ("", "", ""),
    ],
)
def test_a_final_mark_is_left_out_with_its_space(text, without, mark):
    assert (without_final_mark(text), final_mark(text)) == (without, mark)


def test_case_is_changed_where_a_word_begins():
    assert small_initial("The dog") == "the dog" and small_initial("NATO is") == "NATO is"
    assert title_case("the dog's été") == "The Dog's Été"
