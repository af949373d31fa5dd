"""How a line is cut, and what the model reads of each part."""

import pytest

from nmt.inference.segments import SourceLine, cut, joined_text, read_pair
from nmt.search.beam import Hypothesis
from nmt.text.characters import typography
from nmt.text.model_input import Casing, ModelInput
from nmt.text.placeholders import Copier
from nmt.text.tokenizer import COPY_IDS, train_tokenizer

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


@pytest.mark.parametrize("source", ["he is www.a.org/l'eau", "HE IS www.a.org/l'eau"])
def test_spans_follow_what_a_typography_and_capitals_change_around_a_copy(tokenizer, source):
    copier = Copier(("urls",), lambda line: set(), VIEW)
    line = SourceLine(0, source)
    line.sentences = cut(0, source, tokenizer, copier, 100, None)
    (segment,) = line.segments
    ids = tokenizer.encode(
        copier.mask_target(line.sentences[0].masked, "l'is www.a.org/l'eau d'is?")
    )
    segment.hypotheses = [Hypothesis(tuple(ids), 0.0, 0.0, False, ())]
    text, spans = joined_text(tokenizer, line, 0, typography("curly", "narrow"), with_spans=True)
    expected = "l’is www.a.org/l'eau d’is\u202f?"
    if source.startswith("HE"):
        expected = "L’IS www.a.org/l'eau D’IS\u202f?"
    assert text == expected
    (place,) = (span for id, span in zip(ids, spans, strict=True) if id in COPY_IDS)
    assert text[slice(*place)].strip() == "www.a.org/l'eau"
    assert text[slice(*spans[-1])].strip() == "?"
