"""Consensus: by hand, against sacreBLEU, and what search does with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from nmt.config import DecodingConfig
from nmt.consensus import by_consensus
from nmt.search import Hypothesis


def hypothesis_of(ids, score=0.0, truncated=False):
    return Hypothesis(tuple(ids), score, score, truncated, ())


def test_what_the_others_agree_on_by_hand():
    """[1 2] is as likely as the others, which have 3 and 4 in common. Expected: 1, 1/3; 2, 1/3; 3 and 4, 2/3; their
    bigram (3, 4), 2/3."""
    hypotheses = [hypothesis_of(ids) for ids in ([1, 2], [3, 4, 5], [3, 4])]
    found = by_consensus(hypotheses, 1.0)
    length = (2 + 3 + 2) / 3
    of_345 = ((2 / 3 + 2 / 3 + 1 / 3) / 3 * (2 / 3 + 1 / 3 + 1) / (2 + 1) * (1 / 3 + 1) / (1 + 1)) ** (1 / 4)
    of_34 = ((2 / 3 + 2 / 3) / 2 * (2 / 3 + 1) / 2) ** (1 / 4) * np.exp(1 - length / 2)
    of_12 = ((1 / 3 + 1 / 3) / 2 * (1 / 3 + 1) / 2) ** (1 / 4) * np.exp(1 - length / 2)
    assert [h.ids for h in found] == [(3, 4), (3, 4, 5), (1, 2)]
    assert [h.score for h in found] == pytest.approx([of_34, of_345, of_12])


texts = st.lists(st.integers(1, 4), min_size=1, max_size=9)


@given(texts, texts)
def test_against_one_hypothesis_it_is_sacrebleu(reference, ids):
    """Where one hypothesis has all the probability, the others' scores are sentence BLEU against it."""
    metric = BLEU(smooth_method="add-k", smooth_value=1, tokenize="none")
    found = by_consensus([hypothesis_of(reference, 0.0), hypothesis_of(ids, -100.0)], 10.0)
    of_ids = next(h for h in found if h.log_prob == -100.0)
    expected = metric.sentence_score(" ".join(map(str, ids)), [" ".join(map(str, reference))]).score / 100
    assert of_ids.score == pytest.approx(expected)
    assert max(h.score for h in found) == pytest.approx(1.0)


@given(st.lists(st.tuples(texts, st.floats(-3, 0)), min_size=1, max_size=6, unique_by=lambda one: tuple(one[0])))
def test_the_order_of_the_hypotheses_does_not_matter(rows):
    hypotheses = [hypothesis_of(*row) for row in rows]
    forwards, backwards = by_consensus(hypotheses, 10.0), by_consensus(hypotheses[::-1], 10.0)
    scores = [{h.ids: h.score for h in found} for found in (forwards, backwards)]
    assert scores[0] == pytest.approx(scores[1])
    assert [h.score for h in forwards] == sorted(scores[0].values(), reverse=True)


def test_empty_and_truncated_hypotheses():
    found = by_consensus([hypothesis_of([]), hypothesis_of([1, 2], truncated=True), hypothesis_of([1, 3])], 1.0)
    assert [h.ids for h in found] == [(1, 3), (), (1, 2)]  # what is truncated is last, whatever it has in common
    assert by_consensus([hypothesis_of([])], 1.0)[0].ids == ()
    assert by_consensus([], 1.0) == []


def test_sampling_has_no_consensus():
    with pytest.raises(ValueError, match="sampling has none"):
        DecodingConfig(sampling=True, consensus=10.0)
