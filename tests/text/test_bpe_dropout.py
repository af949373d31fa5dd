"""BPE-dropout: other segmentations of the same text, drawn as the paper says."""

from collections import Counter

import numpy as np
import pytest

from nmt.text import bpe_dropout
from nmt.text.bpe_dropout import SubwordSampler
from nmt.text.tokenizer import TAG_ID, train_tokenizer

LINES = [
    "the cat sat on the mat",
    "a black cat, and a white hat",
    "the hat of the cat is on the mat 12",
    "é  à la mer",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(
        LINES * 5,
        algorithm="bpe",
        vocabulary_size=330,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=100,
    )


def encoded(tokenizer, lines=(*LINES, "the ☃ cat", "unseen words: cathat")):
    return [np.array(ids) for ids in tokenizer.encode_batch(lines)]


def test_without_dropout_the_segmentation_is_that_of_the_tokenizer(tokenizer):
    rows = encoded(tokenizer)
    assert SubwordSampler(tokenizer, 0.0, seed=1).batch(rows) == [row.tolist() for row in rows]


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.99])
def test_every_segmentation_spells_the_same_text(dropout, tokenizer):
    rows = encoded(tokenizer)
    for epoch in range(5):
        for row, other in zip(
            rows, SubwordSampler(tokenizer, dropout, seed=1).batch(rows, epoch), strict=True
        ):
            assert tokenizer.decode(other) == tokenizer.decode(row)


def test_nearly_all_merges_dropped_leaves_characters(tokenizer):
    (row,) = SubwordSampler(tokenizer, 0.999, seed=1).batch(encoded(tokenizer, ["the cat"]))
    assert tokenizer.pieces(row) == ["▁", "t", "h", "e", "▁", "c", "a", "t"]


def test_a_merge_is_dropped_with_the_probability_that_is_asked_for(tokenizer):
    """ "▁a" is one merge of two characters: it stands apart in 30 of 100 draws."""
    sampler = SubwordSampler(tokenizer, 0.3, seed=1)
    (row,) = encoded(tokenizer, ["a"])
    generator = np.random.default_rng(0)
    apart = []
    for seed in range(20):  # a word has few variants under one seed
        sampler = SubwordSampler(tokenizer, 0.3, seed=seed)
        apart += [len(sampler.sample(row, generator)) == 2 for _ in range(200)]
    assert np.mean(apart) == pytest.approx(0.3, abs=0.05)


def test_draws_are_a_pure_function_of_seed_and_path(tokenizer):
    rows = encoded(tokenizer) * 5
    draws = [
        SubwordSampler(tokenizer, 0.3, seed).batch(rows, *path) for seed, *path in [(1, 2, 3)] * 2
    ]
    assert draws[0] == draws[1]
    others = [
        SubwordSampler(tokenizer, 0.3, seed).batch(rows, *path)
        for seed, *path in [(2, 2, 3), (1, 3, 2)]
    ]
    assert draws[0] not in others


def test_a_word_is_split_in_several_ways_in_one_batch(tokenizer):
    rows = encoded(tokenizer, ["cat"]) * 50
    ways = Counter(map(tuple, SubwordSampler(tokenizer, 0.3, seed=1).batch(rows)))
    assert len(ways) > 2 and tuple(rows[0].tolist()) in ways


def test_forgetting_variants_changes_nothing_and_bounds_them(tokenizer, monkeypatch):
    rows = encoded(tokenizer) * 5
    expected = SubwordSampler(tokenizer, 0.3, seed=1).batch(rows, 2)
    monkeypatch.setattr(bpe_dropout, "MAX_CACHED", 3)
    sampler = SubwordSampler(tokenizer, 0.3, seed=1)
    assert sampler.batch(rows, 2) == expected
    assert len(sampler._variants) <= 3


def test_words_with_bytes_stay_as_they_are(tokenizer):
    (row,) = encoded(tokenizer, ["☃"])
    assert SubwordSampler(tokenizer, 0.9, seed=1).batch([row]) == [row.tolist()]


def test_the_tag_of_a_back_translated_source_stays(tokenizer):
    rows = [np.array([TAG_ID, *row]) for row in encoded(tokenizer)]
    for row in SubwordSampler(tokenizer, 0.5, seed=1).batch(rows):
        assert row[0] == TAG_ID and TAG_ID not in row[1:]
