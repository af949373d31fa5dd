"""Languages by name, and by text."""

import pytest

from nmt.text.language_id import Detected, detect, language_name


def test_a_language_has_a_name_or_at_least_a_code():
    assert language_name("fr") == "French" and language_name("src") == "src"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two young men are talking in front of the old house by the river.", "en"),
        ("Deux jeunes hommes discutent devant la vieille maison près de la rivière.", "fr"),
        ("Zwei junge Männer unterhalten sich vor dem alten Haus am Fluss.", "de"),
    ],
)
def test_a_sentence_is_enough(text, expected):
    found = detect(text, ["de", "en", "fr"])
    assert found[0].language == expected and found[0].confidence > 90
    assert [one.confidence for one in found] == sorted(
        (one.confidence for one in found), reverse=True
    )


def test_no_text_is_in_no_language():
    assert detect(" \n", ["en", "tlh"]) == [Detected("en", 0.0), Detected("tlh", 0.0)]
