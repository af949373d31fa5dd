"""What Keras's own attention layers compute, beside our scores: where they are equal, and where
they are not.

`docs/attention/keras_layers.md` tells a reader what is shown here.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmt.attention import AdditiveScore, ConcatScore, DotScore, GeneralScore, ScaledDotScore, Score
from nmt.model.mechanisms import MultiHeadScore

BATCH, SOURCE, TARGET, UNITS = 3, 6, 4, 5
MASK = np.arange(SOURCE) < np.array([6, 4, 1])[:, None]
QUERY_MASK = np.arange(TARGET) < np.array([4, 2, 3])[:, None]
QUERY, KEYS, VALUES, STATES = (
    np.random.default_rng(seed).normal(size=(BATCH, steps, width)).astype("float32")
    for seed, (steps, width) in enumerate(
        [(TARGET, UNITS), (SOURCE, UNITS), (SOURCE, 2), (SOURCE, 7)]
    )
)


def look(score, query=QUERY, states=KEYS, values=VALUES, mask=MASK):
    """-> context and weights by one of our scores."""
    context, weights, _ = score.attend(
        tf.constant(query),
        score.project_keys(tf.constant(states)),
        tf.constant(values),
        tf.constant(mask),
        (),
    )
    return context, weights


def ask(layer, query=QUERY, keys=KEYS, values=VALUES, mask=MASK, query_mask=None, **options):
    """-> context and weights by one of Keras's layers."""
    inputs = [tf.constant(query), tf.constant(values), tf.constant(keys)]
    return layer(
        inputs, mask=[query_mask, tf.constant(mask)], return_attention_scores=True, **options
    )


def assert_equal(ours, theirs):
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, atol=1e-6)


def assert_unequal(our, their):
    assert np.max(np.abs(our - their)) > 0.01


def dense(kernel, bias=None):
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([np.array(weight) for weight in (kernel, bias) if weight is not None])
    return layer


# -------------------------------------------------------------------------------------------- equal


def test_attention_is_the_dot_score():
    assert_equal(look(DotScore(UNITS, UNITS, UNITS, name="dot")), ask(keras.layers.Attention()))


def test_attention_with_use_scale_is_the_scaled_dot_score():
    layer, score = (
        keras.layers.Attention(use_scale=True),
        ScaledDotScore(UNITS, UNITS, UNITS, name="scaled_dot"),
    )
    ask(layer)
    layer.scale.assign(1.7)
    score.g.assign(1.7)
    assert_equal(look(score), ask(layer))


def test_attention_behind_a_dense_layer_is_the_general_score_whose_kernel_is_divided(randomize):
    score = randomize(GeneralScore(UNITS, 7, UNITS, name="general"))
    keys = dense(score.key_layer.kernel / UNITS**0.5)(STATES)
    assert_equal(look(score, states=STATES), ask(keras.layers.Attention(), keys=keys))


@pytest.mark.parametrize("use_scale", [False, True])
def test_attention_in_mode_concat_is_the_concat_score_with_multiples_of_the_identity(use_scale):
    layer, scale = keras.layers.Attention(score_mode="concat", use_scale=use_scale), 1.0
    ask(layer)
    layer.concat_score_weight.assign(0.6)
    if use_scale:
        scale = 1.7
        layer.scale.assign(scale)
    score = ConcatScore(UNITS, UNITS, UNITS, name="concat")
    for part in (score.query_layer, score.key_layer):
        part.kernel.assign(scale * np.eye(UNITS))
    score.v.assign(np.full((UNITS, 1), 0.6))
    assert_equal(look(score), ask(layer))


@pytest.mark.parametrize("kind", [AdditiveScore, ConcatScore])
def test_additive_attention_between_two_dense_layers_is_the_additive_score(kind, randomize):
    """With a bias in the layer of the keys, as `additive` has, or without, as `concat`."""
    score = randomize(kind(UNITS, 7, 8, name="additive"))
    query, keys = (
        dense(score.query_layer.kernel)(QUERY),
        dense(score.key_layer.kernel, score.key_layer.bias)(STATES),
    )
    layer = keras.layers.AdditiveAttention()
    layer.build([query.shape, VALUES.shape, keys.shape])
    layer.set_weights([score.v[:, 0]])
    assert_equal(look(score, states=STATES), ask(layer, query, keys))


def test_additive_attention_without_scale_sums_as_if_v_were_ones():
    score = ConcatScore(UNITS, UNITS, UNITS, name="concat")
    for part in (score.query_layer, score.key_layer):
        part.kernel.assign(np.eye(UNITS))
    score.v.assign(np.ones((UNITS, 1)))
    assert_equal(look(score), ask(keras.layers.AdditiveAttention(use_scale=False)))


def test_multi_head_attention_without_biases_is_the_multihead_score_before_the_output_projection(
    randomize,
):
    units, heads = 8, 2
    query, states = (
        np.repeat(QUERY, 2, axis=-1)[..., :units],
        np.repeat(STATES, 2, axis=-1)[..., :units],
    )
    score = MultiHeadScore(units, units, units, name="multihead", heads=heads)
    randomize(score)
    layer = keras.layers.MultiHeadAttention(heads, units // heads, use_bias=False)
    layer.build(query.shape, states.shape, states.shape)
    kernels = [
        part.kernel.numpy() for part in (score.query_layer, score.key_layer, score.value_layer)
    ]
    identity = np.eye(units).reshape(heads, units // heads, units)
    layer.set_weights([*(kernel.reshape(units, heads, -1) for kernel in kernels), identity])
    context, weights_of_heads = layer(
        query,
        states,
        attention_mask=MASK[:, None].repeat(TARGET, axis=1),
        return_attention_scores=True,
    )
    assert_equal(look(score, query, states, states), (context, np.mean(weights_of_heads, axis=1)))


def test_a_value_mask_is_our_mask_and_a_query_mask_puts_zeros_where_nobody_asks():
    context, weights = look(DotScore(UNITS, UNITS, UNITS, name="dot"))
    expected = np.where(QUERY_MASK[..., None], context, 0.0)
    assert_equal((expected, weights), ask(keras.layers.Attention(), query_mask=QUERY_MASK))


def test_a_causal_mask_shows_each_query_the_keys_up_to_its_own_place():
    score = DotScore(UNITS, UNITS, UNITS, name="dot")
    context, weights = ask(keras.layers.Attention(), use_causal_mask=True)
    for t in range(TARGET):
        ours = look(score, QUERY[:, t : t + 1], mask=MASK & (np.arange(SOURCE) <= t))
        assert_equal(ours, (context[:, t : t + 1], weights[:, t : t + 1]))


class KerasAttention(Score):
    """Keras's layer where a score of ours would stand."""

    def build_weights(self):
        self.layer = keras.layers.Attention()

    def attend(self, query_BTH, keys_BSU, values_BSD, mask_BS, state):
        masks = [None, mask_BS]
        return *self.layer(
            [query_BTH, values_BSD, keys_BSU], mask=masks, return_attention_scores=True
        ), state


@pytest.mark.parametrize("cell", ["attend_first", "update_first"])
def test_attention_of_keras_works_inside_our_decoder(cell, tiny_model):
    ours, theirs = (  # `last` gives encoder and decoder one width, as a dot product needs
        tiny_model(attention=f"{cell}/{score}", bridge="last", score_options={})
        for score in ("dot", f"{__name__}:KerasAttention")
    )
    source, target = tf.constant([[5, 6, 7, 3], [8, 3, 0, 0]]), tf.constant([[2, 7, 8], [2, 9, 4]])
    logits, weights = theirs.teacher_forced(source, target)
    assert_equal(ours.teacher_forced(source, target), (logits, weights))
    memory, state = theirs.encode(source)
    for t in range(3):
        stepped, _, state = theirs.step(target[:, t : t + 1], state, memory)
        np.testing.assert_allclose(stepped[:, 0], logits[:, t], atol=1e-6)


# ---------------------------------------------------------------------------------------- not equal


def test_attention_in_mode_concat_is_not_the_concat_score_of_luong(randomize):
    """It has one number where the paper has a matrix and a vector."""
    layer = keras.layers.Attention(score_mode="concat")
    ask(layer)
    assert layer.count_params() == 1
    score = randomize(ConcatScore(UNITS, UNITS, UNITS, name="concat"), scale=1.0)
    assert score.count_params() == 2 * UNITS**2 + UNITS
    assert_unequal(look(score)[1], ask(layer)[1])


def test_additive_attention_alone_is_not_the_additive_score(randomize):
    score = randomize(AdditiveScore(UNITS, UNITS, UNITS, name="additive"), scale=1.0)
    layer = keras.layers.AdditiveAttention()
    ask(layer)
    layer.set_weights([score.v[:, 0]])
    assert_unequal(look(score)[1], ask(layer)[1])


def test_the_learned_scale_of_attention_is_not_that_of_vaswani():
    """It begins at 1, where `SelfAttention` and `MultiHeadAttention` divide by the root of the
    width."""
    layer = keras.layers.Attention(use_scale=True)
    ask(layer)
    assert layer.scale.numpy() == 1.0
    assert_equal(ask(layer), ask(keras.layers.Attention()))


def test_dropout_of_attention_leaves_rows_that_do_not_sum_to_one():
    layer = keras.layers.Attention(dropout=0.5, seed=1)
    assert_equal(ask(layer, training=False), ask(keras.layers.Attention()))
    sums = np.sum(ask(layer, training=True)[1], axis=-1)
    assert_unequal(sums, np.ones_like(sums))


@pytest.mark.parametrize("keras_layer", [keras.layers.Attention, keras.layers.AdditiveAttention])
def test_weights_of_keras_are_in_the_precision_of_the_layer(keras_layer):
    keys, query = np.tile(KEYS, (1, 50, 1)), QUERY
    values, mask = np.tile(VALUES, (1, 50, 1)), np.tile(MASK, (1, 50))
    _, weights = ask(keras_layer(dtype="mixed_bfloat16"), query, keys, values, mask)
    assert weights.dtype == "bfloat16"
    sums = np.sum(tf.cast(weights, "float32"), axis=-1)
    assert np.max(np.abs(sums - 1.0)) > 1e-4
    score = DotScore(UNITS, UNITS, UNITS, name="dot", dtype="mixed_bfloat16")
    _, ours = look(score, *(tf.cast(array, "bfloat16") for array in (query, keys, values)), mask)
    np.testing.assert_allclose(np.sum(ours, axis=-1), 1.0, atol=1e-6)


def test_a_sequence_of_padding_alone_gets_weights_from_keras():
    """`nmt.layers` answer it with weights 0; see test_layers.py."""
    _, weights = ask(keras.layers.Attention(), mask=np.zeros_like(MASK))
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1.0, atol=1e-6)
