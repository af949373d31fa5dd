"""Scores and attention: on paper, and by the invariant of weights. Keras's own layers:
test_keras_attention.py."""

import math

import numpy as np
import pytest
import tensorflow as tf

from nmt.attention import AdditiveScore, DotScore, GeneralScore, Score, make_score, score_class
from nmt.config import loader as config
from nmt.config.loader import SCORES
from nmt.errors import UserError

BATCH, SOURCE, TARGET, UNITS = 3, 6, 4, 5
LENGTHS = [6, 4, 1]
LN3, ATANH_HALF = math.log(3.0), math.atanh(0.5)
VALUES = tf.constant([[[4.0, 0.0], [0.0, 4.0]]])
LOOKING = [name for name in SCORES if name != "none"]
BELOW_ONE = ("local_p", "monotonic")  # rows may sum to less
ALL_REAL = tf.constant([[True, True]])


def random(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), "float32")


def mask():
    return tf.sequence_mask(LENGTHS, SOURCE)


def look(score, query, states, values, mask):
    keys = score.project_keys(states)
    context, weights, _ = score.attend(
        query, keys, values, mask, score.initial_state(keys, query.shape[1])
    )
    return context, weights


def make(name, units=UNITS, **options):
    fitting = {"monotonic": {"noise": 0.0}, "multihead": {"heads": units}}.get(name, {})
    return score_class(name)(
        units,
        units,
        units,
        name=name,
        **{**SCORES[name].options().model_dump(), **fitting, **options},
    )


def test_dot_attention_by_hand():
    query, states = tf.constant([[[1.0, 0.0], [0.0, 1.0]]]), tf.constant([[[0.0, 0.0], [LN3, 0.0]]])
    # First query: scores 0 and ln 3, hence weights 1/4 and 3/4. Second query: 0 and 0.
    context, weights = look(DotScore(2, 2, 2, name="dot"), query, states, VALUES, ALL_REAL)
    np.testing.assert_allclose(weights, [[[0.25, 0.75], [0.5, 0.5]]], atol=1e-6)
    np.testing.assert_allclose(context, [[[1.0, 3.0], [2.0, 2.0]]], atol=1e-5)


def test_general_attention_by_hand():
    score = GeneralScore(2, 2, 2, name="general")
    root = 2.0**0.5  # W is the kernel divided by the root of the query's width
    score.key_layer.kernel.assign([[0.0, 2.0 * root], [root, 0.0]])  # (a, b) -> (b, 2 a)
    query, states = (
        tf.constant([[[1.0, 0.0], [0.0, 1.0]]]),
        tf.constant([[[LN3 / 2, 0.0], [0.0, LN3]]]),
    )
    np.testing.assert_allclose(score.project_keys(states), [[[0.0, LN3], [LN3, 0.0]]], atol=1e-6)
    context, weights = look(score, query, states, VALUES, ALL_REAL)
    np.testing.assert_allclose(weights, [[[0.25, 0.75], [0.75, 0.25]]], atol=1e-6)
    np.testing.assert_allclose(context, [[[1.0, 3.0], [3.0, 1.0]]], atol=1e-5)


def test_additive_attention_by_hand():
    score = AdditiveScore(2, 2, 2, name="additive")
    score.query_layer.kernel.assign([[0.0, 1.0], [1.0, 0.0]])  # swaps
    score.key_layer.kernel.assign([[2.0, 0.0], [0.0, 2.0]])  # doubles
    score.key_layer.bias.assign([0.0, ATANH_HALF])
    score.v.assign([[2 * LN3], [0.0]])
    query = tf.constant([[[0.0, ATANH_HALF], [1.0, 0.0]]])  # swapped: (atanh 1/2, 0) and (0, 1)
    states = tf.constant(
        [[[-ATANH_HALF / 2, 3.0], [0.0, 5.0]]]
    )  # keys: (-atanh 1/2, ...) and (0, ...)
    # First query: tanh of the first entry is 0 and 1/2, hence scores 0 and ln 3. Second query: -1/2
    # and 0.
    scores, _ = score(query, score.project_keys(states), ())
    np.testing.assert_allclose(scores, [[[0.0, LN3], [-LN3, 0.0]]], atol=1e-6)
    _, weights = look(score, query, states, VALUES, ALL_REAL)
    np.testing.assert_allclose(weights, [[[0.25, 0.75], [0.25, 0.75]]], atol=1e-6)


def test_the_bias_of_additive_keys_counts():
    score = AdditiveScore(1, 1, 1, name="additive")
    score.key_layer.kernel.assign([[1.0]])
    score.key_layer.bias.assign([0.5])
    np.testing.assert_allclose(score.project_keys(tf.constant([[[1.0]]])), [[[1.5]]])


def test_padding_leaves_attention_to_the_real_positions():
    query, states = tf.constant([[[1.0, 0.0]]]), tf.constant([[[0.0, 0.0], [LN3, 0.0], [9.0, 0.0]]])
    values = tf.constant([[[4.0], [8.0], [100.0]]])
    context, weights = look(
        DotScore(2, 2, 2, name="dot"), query, states, values, tf.constant([[True, True, False]])
    )
    np.testing.assert_allclose(weights, [[[0.25, 0.75, 0.0]]], atol=1e-6)
    np.testing.assert_allclose(context, [[[7.0]]], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("magnitude", [0.0, 1.0, 1000.0], ids="magnitude {}".format)
@pytest.mark.parametrize("name", LOOKING)
def test_weights_are_non_negative_zero_on_padding_and_sum_to_one(name, magnitude, dtype, randomize):
    score = randomize(make(name, dtype=dtype), scale=2.0)
    query, states = (
        magnitude * random(BATCH, TARGET, UNITS),
        magnitude * random(BATCH, SOURCE, UNITS, seed=1),
    )
    query, states = tf.cast(query, score.compute_dtype), tf.cast(states, score.compute_dtype)
    context, weights = look(score, query, states, states, mask())
    assert weights.dtype == tf.float32
    assert context.dtype == score.compute_dtype
    assert np.all(weights >= 0.0)
    for row, length in zip(weights.numpy(), LENGTHS, strict=True):
        assert np.all(row[:, length:] == 0.0)
        sums = row[:, :length].sum(-1)
        if name in BELOW_ONE:
            assert np.all(sums < 1.0 + 1e-6)
        else:
            np.testing.assert_allclose(sums, 1.0, atol=1e-6)


@pytest.mark.parametrize("name", LOOKING)
def test_what_stands_on_padding_does_not_change_attention(name, randomize):
    score = randomize(make(name))
    query, states = random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, UNITS, seed=1)
    other = tf.where(mask()[:, :, None], states, 1000.0)
    for ours, expected in zip(
        look(score, query, other, other, mask()),
        look(score, query, states, states, mask()),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", LOOKING)
def test_each_query_is_answered_on_its_own(name, randomize):
    score = randomize(make(name))
    query, states = random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, UNITS, seed=1)
    together, _ = look(score, query, states, states, mask())
    for t in range(TARGET):
        alone, _ = look(score, query[:, t : t + 1], states, states, mask())
        np.testing.assert_allclose(alone, together[:, t : t + 1], atol=1e-6)


@pytest.mark.parametrize(
    "attention", ["attend_first/additive", "update_first/general", "attend_first/general"]
)
def test_keys_are_projected_once_a_sentence(attention, tiny_model, monkeypatch):
    model = tiny_model(attention=attention)
    key_layer, calls = model.decoder.score.key_layer, []
    project = key_layer.call
    monkeypatch.setattr(key_layer, "call", lambda inputs: calls.append(inputs) or project(inputs))
    source, target = tf.constant([[5, 6, 3]]), tf.constant([[2, 7, 8, 9]])
    model.teacher_forced(source, target)
    assert len(calls) == 1
    memory, state = model.encode(source)
    for _ in range(3):
        _, _, state = model.step(target[:, :1], state, memory)
    assert len(calls) == 2


def test_every_name_leads_to_a_score_and_every_option_to_an_argument():
    for name, mechanism in SCORES.items():
        assert issubclass(score_class(name), Score)
        make_score(name, (4, 4, 4), mechanism.options().model_dump(), name=name)
    assert {score for _, score in config.ATTENTIONS.values()} <= SCORES.keys()


def test_a_score_is_found_by_its_name_or_by_where_its_class_is():
    assert score_class("dot") is DotScore
    assert score_class("nmt.attention:GeneralScore", allow_custom=True) is GeneralScore


@pytest.mark.parametrize(
    "name", ["aditive", "no.such.module:Score", "nmt.attention:NoScore", ":DotScore", "nmt:"]
)
def test_a_score_that_is_nowhere_is_an_error(name):
    with pytest.raises(UserError, match=r"no score .*Use one of additive, .*none, or MODULE:CLASS"):
        score_class(name, allow_custom=True)


@pytest.mark.parametrize("name", ["math:pi", "nmt.errors:UserError"])
def test_what_is_no_score_is_an_error(name):
    with pytest.raises(UserError, match=r"to be a subclass of nmt\.attention\.Score"):
        score_class(name, allow_custom=True)
