"""Consensus: by hand, against sacreBLEU, and what search does with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from nmt.config.loader import DecodingConfig
from nmt.search.beam import Hypothesis
from nmt.search.mbr import bleu_of_pairs, minimum_bayes_risk


def hypothesis_of(ids, score=0.0, truncated=False):
    return Hypothesis(tuple(ids), score, score, truncated, ())


def test_what_the_others_agree_on_by_hand():
    """[1 2] is as likely as the others, which share 3 and 4, and shares no word with them."""
    hypotheses = [hypothesis_of(ids) for ids in ([1, 2], [3, 4, 5], [3, 4])]
    found = minimum_bayes_risk(hypotheses, 1.0)
    of_345_to_34 = (2 / 3 * (1 + 1) / (2 + 1) * 1 / (1 + 1) * 1) ** (1 / 4)
    of_34_to_345 = np.exp(1 - 3 / 2)  # all of it is there, but it is too short
    expected = [(of_345_to_34 + 1) / 3, (of_34_to_345 + 1) / 3, 1 / 3]
    assert [h.ids for h in found] == [(3, 4, 5), (3, 4), (1, 2)]
    assert [h.score for h in found] == pytest.approx(expected)


def test_the_likelier_one_counts_for_more():
    """Of two that differ each agrees with itself, so the likelier one wins, and by as much as it is
    likelier."""
    found = minimum_bayes_risk([hypothesis_of([1], -1.0), hypothesis_of([2], -0.5)], 2.0)
    assert [(h.ids, h.score) for h in found] == [
        ((2,), pytest.approx(1 / (1 + np.exp(-1)))),
        ((1,), pytest.approx(1 / (1 + np.exp(1)))),
    ]


texts = st.lists(st.integers(1, 4), min_size=1, max_size=9)


@given(st.lists(texts, min_size=1, max_size=4))
def test_each_pair_is_sacrebleu(rows):
    metric = BLEU(smooth_method="add-k", smooth_value=1, tokenize="none")
    written = [" ".join(map(str, row)) for row in rows]
    expected = [
        [metric.sentence_score(text, [reference]).score / 100 for reference in written]
        for text in written
    ]
    assert bleu_of_pairs(rows) == pytest.approx(np.array(expected))


@given(
    st.lists(
        st.tuples(texts, st.floats(-3, 0)),
        min_size=1,
        max_size=6,
        unique_by=lambda one: tuple(one[0]),
    )
)
def test_the_order_of_the_hypotheses_does_not_matter(rows):
    hypotheses = [hypothesis_of(*row) for row in rows]
    forwards, backwards = (
        minimum_bayes_risk(hypotheses, 10.0),
        minimum_bayes_risk(hypotheses[::-1], 10.0),
    )
    scores = [{h.ids: h.score for h in found} for found in (forwards, backwards)]
    assert scores[0] == pytest.approx(scores[1])
    assert [h.score for h in forwards] == sorted(scores[0].values(), reverse=True)


def test_empty_and_truncated_hypotheses():
    found = minimum_bayes_risk(
        [hypothesis_of([]), hypothesis_of([1, 2], truncated=True), hypothesis_of([1, 3])], 1.0
    )
    assert [h.ids for h in found] == [
        (1, 3),
        (),
        (1, 2),
    ]  # what is truncated is last, whatever it has in common
    assert bleu_of_pairs([[], [1]]).tolist() == [[1, 0], [0, 1]]
    assert minimum_bayes_risk([hypothesis_of([])], 1.0)[0].ids == ()
    assert minimum_bayes_risk([], 1.0) == []


def test_sampling_has_no_consensus():
    with pytest.raises(ValueError, match="sampling has none"):
        DecodingConfig(sampling=True, mbr=10.0)
