"""Ensembles by the mean of probabilities, over tables and, for the invariants, over models."""

import numpy as np
import pytest
from fixtures.search import (
    EOS,
    TableEngine,
    beam_search,
    every_hypothesis,
    one,
    random_table,
    sentences,
    summary,
)

from nmt.search.ensemble import Ensemble, top_ids

TABLES = [
    random_table(seed, vocabulary=6, masked=masked)
    for seed, masked in [(1, 0.0), (2, 0.3), (3, 0.0)]
]


def mean_table(sentence, tokens):
    probabilities = [np.exp(table(sentence, tokens)) for table in TABLES]
    with np.errstate(divide="ignore"):
        return np.log(np.mean(probabilities, axis=0))


def ensemble():
    return Ensemble([TableEngine(table) for table in TABLES])


def test_a_wide_beam_finds_what_brute_force_finds_under_the_mean():
    [found] = beam_search(ensemble(), *one(5), beam_size=64, n_best=64)
    expected = every_hypothesis(mean_table, 7, 5, lambda length: 1.0)[:64]
    assert [(h.ids, h.truncated) for h in found] == [(ids, cut) for ids, cut, _ in expected]
    np.testing.assert_allclose(
        [h.score for h in found], [score for *_, score in expected], atol=1e-6
    )


@pytest.mark.parametrize(
    "options", [{}, {"no_repeat_ngram_size": 1}, {"sampling": True}, {"coverage_penalty": 0.5}]
)
def test_log_probabilities_are_those_of_the_mean_under_any_control(options):
    found = beam_search(
        ensemble(), sentences(3), np.array([6, 5, 7]), beam_size=3, n_best=3, **options
    )
    for sentence, hypotheses in zip((5, 6, 7), found, strict=True):
        for hypothesis in hypotheses:
            tokens = hypothesis.ids if hypothesis.truncated else (*hypothesis.ids, EOS)
            expected = [mean_table(sentence, tokens[:t])[token] for t, token in enumerate(tokens)]
            np.testing.assert_allclose(hypothesis.token_log_probs, expected, atol=1e-5)


def test_an_ensemble_of_one_model_with_itself_is_that_model():
    engine = TableEngine(TABLES[0])
    alone = beam_search(engine, sentences(3), np.full(3, 7), beam_size=3, n_best=3)
    twice = beam_search(
        Ensemble([engine, engine]), sentences(3), np.full(3, 7), beam_size=3, n_best=3
    )
    for mine, theirs in zip(alone, twice, strict=True):
        assert [summary(h)[:2] for h in mine] == [summary(h)[:2] for h in theirs]
        np.testing.assert_allclose(
            [h.log_prob for h in mine], [h.log_prob for h in theirs], atol=1e-6
        )


def test_a_step_answers_as_the_protocol_says():
    engine, ids_BS = ensemble(), sentences(2)
    memory, state = engine.encode(ids_BS)
    last = np.full((2, 1), 2)
    whole = engine.step(last, state, memory, 50)
    assert whole.ids_BKC.tolist() == [[list(range(6))]] * 2 and whole.weights_BKS is None
    np.testing.assert_allclose(
        whole.log_probs_BKC[:, 0], [mean_table(5, ()), mean_table(6, ())], atol=1e-6
    )
    named = np.array([[[5, -1]], [[3, 5]]])
    some = engine.step(last, state, memory, 2, named, True)
    order = np.argsort(-whole.log_probs_BKC, axis=2)[:, :, :2]
    assert np.array_equal(some.ids_BKC, np.concatenate([order, named], axis=2))
    np.testing.assert_allclose(some.log_probs_BKC[1, 0, 2:], whole.log_probs_BKC[1, 0, [3, 5]])
    assert some.log_probs_BKC[0, 0, 3] == -np.inf
    weights = [
        of_model.step(last, its_state, its_memory, 2, None, True).weights_BKS
        for of_model, its_state, its_memory in zip(engine.engines, state, memory, strict=True)
    ]
    expected = np.mean(weights, axis=0)
    np.testing.assert_allclose(some.weights_BKS, expected)


def test_the_best_are_descending_and_lower_ids_come_first_among_equals():
    log_probs = np.array([[[0.1, 0.5, 0.5, 0.2, 0.3]]])
    assert top_ids(log_probs, 3).tolist() == [[[1, 2, 4]]]


def test_force_gives_the_log_probability_that_search_gave(tiny_model):
    from nmt.inference.keras_engine import KerasEngine

    models = [tiny_model(seed=1), tiny_model(seed=1, attention="update_first/general")]
    engine = Ensemble([KerasEngine(model, [0, 1, 2]) for model in models])
    source = np.array([[4, 9, 7, 5, 3], [8, 6, 3, 0, 0]])
    found = beam_search(engine, source, np.array([6, 6]), beam_size=3, length_penalty=1.0)
    for row, [hypothesis] in zip(source, found, strict=True):
        target = np.array([[2, *hypothesis.ids, *([] if hypothesis.truncated else [3])]])
        log_probs, weights = engine.force(row[None], target)
        np.testing.assert_allclose(log_probs[0], hypothesis.token_log_probs, atol=1e-4)
        assert weights.shape == (1, target.shape[1] - 1, 5)
