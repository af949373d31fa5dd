"""Lexicons: what they learn, and from which pairs."""

import itertools

import pytest

from nmt.corpora.ibm_model1 import CrossFittedLexicon, Lexicon

NUMBERS = [
    (f"{a} {b}".split(), f"{a}x {b}x".split())
    for a, b in itertools.permutations([f"n{i}" for i in range(12)], 2)
]


def test_words_that_occur_together_explain_each_other():
    lexicon = Lexicon.train(NUMBERS)
    assert lexicon.score(["n1", "n2"], ["n1x", "n2x"]) > 2
    assert lexicon.score(["n1", "n2"], ["n3x", "n4x"]) < -1


def test_a_pair_is_not_scored_by_a_lexicon_that_was_trained_on_it():
    """Two wrong pairs teach that their words belong together, to who is trained on them."""
    wrong = (["odd", "even"], ["rouge", "vert"])
    pairs = [*NUMBERS, wrong, wrong]
    assert Lexicon.train(pairs).score(*wrong) > 2
    assert CrossFittedLexicon.train(pairs).score(*wrong) <= 0


def test_what_is_cut_off_is_not_the_end_of_the_corpus(monkeypatch):
    monkeypatch.setattr(Lexicon, "MAX_CELLS", 2 * 3 * len(NUMBERS))
    others = [([f"{w}s" for w in source], [f"{w}t" for w in target]) for source, target in NUMBERS]
    lexicon = Lexicon.train([*NUMBERS, *others])
    for source, target in (NUMBERS[0], others[0]):
        assert lexicon.score(source, target) > 2


@pytest.mark.parametrize("pairs", [[], [([], [])], [(["a"], [])], [([], ["b"])], [(["a"], ["b"])]])
def test_nothing_is_learnt_from_nothing(pairs):
    assert CrossFittedLexicon.train(pairs).score(["a"], ["b"]) == 0


def test_the_side_with_letters_explains_the_side_with_words():
    letters = [(source, ["字", *target, "字"]) for source, target in NUMBERS]
    lexicon = CrossFittedLexicon.train(letters)
    assert lexicon._is_reversed
    assert not CrossFittedLexicon.train([pair[::-1] for pair in letters])._is_reversed
    assert lexicon.score(*letters[0]) > 0 > lexicon.score(letters[0][0], letters[-1][1])
