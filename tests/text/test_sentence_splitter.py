"""Sentence splitting: nothing is lost, and the rules of both languages of this project hold."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import Interrupted
from nmt.text.sentence_splitter import sentences


@pytest.mark.parametrize(
    "language, expected",
    [
        ("en", ["Mr. Smith met J. R. Brown at 3.5 km.  ", "Really? ", "Yes!"]),
        ("fr", ["M. Dupont a vu J.-C. Martin. ", "Quoi\u202f? ", "« Ça va ? » ", "Oui\u00a0!"]),
        ("en", ["One.\u2028", "Two.\x85", "Three."]),
        ("xx", ["No such language. ", "English rules serve."]),
        ("en", ["one sentence"]),
        ("en", ["  Edges stay. ", "Here too.  "]),
        ("en", ["See chapter 3. ", "The bus leaves at 7. ", "Version 2.0. ", "It is out."]),
        ("fr", ["1. Lisez le chapitre 4. ", "Ensuite, reposez-vous."]),
    ],
)
def test_sentences_by_hand(language, expected):
    assert sentences("".join(expected), language) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        st.one_of(
            st.characters(exclude_categories=["Cs"]), st.sampled_from(" .!?ABc1\r\t\x85\u2028()«»…")
        ),
        max_size=40,
    ),
    st.sampled_from(["en", "fr", "xx", ""]),
)
def test_joined_they_are_the_text_and_none_is_blank(text, language):
    found = sentences(text, language)
    assert "".join(found) == text
    assert len(found) == 1 or all(sentence.strip() for sentence in found) or not text


@pytest.mark.parametrize("text", ["Le plan A\u00a0.", "Oui. Le plan A\u00a0. Non."])
def test_a_text_that_makes_the_library_panic_is_left_unsplit(text):
    """sentencex 1.0.32 raises what is no Exception."""
    assert "".join(sentences(text, "fr")) == text


class PanicException(BaseException):
    pass


@pytest.mark.parametrize(
    "error, caught",
    [
        (KeyboardInterrupt(), False),
        (SystemExit(), False),
        (Interrupted(15), False),
        (PanicException(), True),
        (ValueError(), True),
    ],
)
def test_only_what_is_meant_to_end_the_program_passes(error, caught, monkeypatch):
    def segment(language, text):
        raise error

    monkeypatch.setattr("nmt.text.sentence_splitter.segment", segment)
    if caught:
        assert sentences("One. Two.", "en") == ["One. Two."]
    else:
        with pytest.raises(type(error)):
            sentences("One. Two.", "en")


@pytest.mark.parametrize("text", ["find www.ｅ.org dog", "see a.B.c now", "v1.Next is out"])
def test_no_sentence_ends_within_a_word(text):
    assert sentences(text, "en") == [text]


@pytest.mark.parametrize(
    "text", ["Hello" + "." * 100_000, "Hello" + " !" * 50_000, "...?" * 20_000]
)
def test_marks_without_a_word_after_them_take_linear_time(text):
    start = time.process_time()
    assert sentences(text, "en") == [text]
    assert time.process_time() - start < 1
