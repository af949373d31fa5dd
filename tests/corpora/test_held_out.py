"""Splits by hashes."""

import pytest

from nmt.corpora.catalogue import CATALOGUE
from nmt.corpora.held_out import Split, line_hash, pair_hashes, read_hashes

PAIRS = [("Hi.", "Salut !"), ("Run!", "Cours !"), ("Run!", "Courez !"), ("No.", "Non.")]


def test_a_hash_is_the_beginning_of_sha256_without_spaces():
    assert line_hash("") == "e3b0c442"
    assert line_hash("Hi.") == line_hash(" Hi. ") != line_hash("hi.")


def test_a_line_hash_ignores_kinds_of_spaces_and_apostrophes():
    assert (
        line_hash("L'été ?") == line_hash("L’été\u202f?") == line_hash("L'e\u0301te\u0301\u00a0?")
    )


def test_held_out_pairs_are_found_in_their_order_and_their_sources_are_kept_out_of_training():
    split = Split({"dev": [pair_hashes(*PAIRS[3]), pair_hashes(*PAIRS[1])]})
    assert list(split.training_pairs(PAIRS)) == [PAIRS[0]]  # without Run! / Courez !
    assert split.held_out("dev") == [PAIRS[3], PAIRS[1]]


def test_a_set_may_have_a_pair_twice():
    twice = ("Hi.", "Salut\u00a0!")
    split = Split({"dev": [pair_hashes(*PAIRS[0])] * 2})
    assert list(split.training_pairs([PAIRS[0], twice])) == []
    assert split.held_out("dev") == [PAIRS[0], twice]


def test_a_set_is_found_as_far_as_it_is_there():
    split = Split({"test": [pair_hashes("Gone.", "Parti."), pair_hashes(*PAIRS[0])]})
    assert len(list(split.training_pairs(PAIRS))) == 3
    assert split.held_out("test") == [PAIRS[0]]


@pytest.mark.parametrize("corpus", [c for c in CATALOGUE.values() if c.held_out])
def test_every_held_out_set_has_its_hashes(corpus):
    for name in corpus.held_out:
        hashes = read_hashes(corpus.name, name)
        assert len(hashes) == 2000
        assert all(len(a) == len(b) == 8 and int(a + b, 16) >= 0 for a, b in hashes)
