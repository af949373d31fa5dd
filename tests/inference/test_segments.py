"""How a line is cut, and what the model reads of each part."""

import pytest

from nmt.inference.segments import cut, read_pair
from nmt.text.model_input import Casing, ModelInput
from nmt.text.placeholders import Copier
from nmt.text.tokenizer import train_tokenizer

CASING = Casing(names={"paul": "Paul"}, common=frozenset({"is", "tired", "today", "and"}))
VIEW = ModelInput("view", "fr", CASING, CASING)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(
        ["He is tired today."],
        algorithm="bpe",
        vocabulary_size=300,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=100,
    )


@pytest.mark.parametrize(
    ("line", "read", "is_shouted"),
    [
        ("He is tired today.", "He is tired today.", False),
        ("PAUL IS TIRED TODAY.", "Paul is tired today.", True),
        ("  **Paul Is Tired Today**", "Paul is tired today", False),
        ("Paul Is Tired Today and www.Is.com", "Paul is tired today and www.Is.com", False),
    ],
)
def test_the_model_reads_capitals_and_titles_in_small_letters(tokenizer, line, read, is_shouted):
    copier = Copier(("urls",), lambda line: set(), VIEW)
    (sentence,) = cut(0, line, tokenizer, copier, 100, "en")
    assert sentence.masked.text == read and sentence.is_shouted == is_shouted
    source, target = read_pair(copier, line, "x")
    assert source.masked.text == read and target.masked.text == "x"
