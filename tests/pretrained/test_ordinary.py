"""The ordinary sentences: well-formed, and compared as a reader would."""

import re
import unicodedata

import pytest
from pretrained.ordinary import FOLDER, Ordinary, expand, plain, read_ordinary

DIRECTIONS = [("en", "fr"), ("fr", "en")]
both_directions = pytest.mark.parametrize(("source", "target"), DIRECTIONS)


@both_directions
def test_sixty_sentences_of_which_most_have_several_translations(source, target):
    sentences = read_ordinary(source, target)
    assert len(sentences) == 60
    assert sum(len(sentence.translations) >= 2 for sentence in sentences) >= 54
    assert all(sentence.translations for sentence in sentences)


@both_directions
def test_no_sentence_and_no_translation_of_one_is_listed_twice(source, target):
    sentences = read_ordinary(source, target)
    assert len({plain(sentence.source) for sentence in sentences}) == 60
    for sentence in sentences:
        translations = [plain(text) for text in sentence.translations]
        assert len(set(translations)) == len(translations), sentence.source


def test_no_sentence_is_a_translation_of_the_other_direction():
    forward, backward = (read_ordinary(*direction) for direction in DIRECTIONS)
    for sentences, others in ((forward, backward), (backward, forward)):
        translations = {plain(text) for other in others for text in other.translations}
        assert not translations & {plain(sentence.source) for sentence in sentences}


@both_directions
def test_the_files_are_nfc_and_every_text_begins_and_ends_like_a_sentence(source, target):
    text = (FOLDER / f"sentences.{source}-{target}.tsv").read_text("utf-8")
    assert text == unicodedata.normalize("NFC", text) and text.endswith("\n")
    assert "\r" not in text and "’" not in text and "\u00a0" not in text
    for sentence in read_ordinary(source, target):
        for line in (sentence.source, *sentence.translations):
            assert re.fullmatch(
                r"[A-ZÀÇÉÊ](?!.*\s[,.])(?!.*' )(?!.* ')[^\[\]|]*[^.!?][.!?]", line
            ), line


def test_french_puts_a_space_before_high_marks_and_english_none():
    for source, target in DIRECTIONS:
        for sentence in read_ordinary(source, target):
            sides = {source: [sentence.source], target: list(sentence.translations)}
            assert not [line for line in sides["fr"] if re.search(r"\S[!?:;]", line)]
            assert not [line for line in sides["en"] if re.search(r"\s[!?:;]", line)]


def test_a_pattern_stands_for_each_of_its_choices():
    assert list(expand("[Peux|Pourrais]-tu venir[| demain] ?")) == [
        "Peux-tu venir ?",
        "Peux-tu venir demain ?",
        "Pourrais-tu venir ?",
        "Pourrais-tu venir demain ?",
    ]
    assert list(expand("You [please|] help.")) == ["You please help.", "You help."]


@pytest.mark.parametrize(
    "translation",
    [
        "C'est « loin », l'été ?",
        "C’est «\u202floin\u202f», l’été\u202f?",
        "C'est “loin”, l'e\u0301te\u0301\u00a0?",
        "C'est \"loin\", l'été?",
        "  C'est  « loin », l'été ? ",
    ],
)
def test_typography_does_not_count(translation):
    assert Ordinary("Is it far?", ("C'est « loin », l'été ?",)).accepts(translation)


@pytest.mark.parametrize(
    "translation",
    ["c'est loin, l'été ?", "C'est loin, l'ete ?", "C'est loin l'été ?", "C'est loin, l'été !", ""],
)
def test_capitals_accents_and_marks_count(translation):
    assert not Ordinary("Is it far?", ("C'est loin, l'été ?",)).accepts(translation)


def test_a_space_between_thousands_does_not_count_but_one_between_pairs_of_digits_does():
    assert plain("250\u202f000 euros") == plain("250000 euros")
    assert plain("06 12 34") != plain("061234")
