"""Cross-entropy: on paper, against Keras, and its hand-written gradient against automatic
differentiation."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmt.model import losses
from nmt.model.losses import (
    Loss,
    coverage_loss,
    masked_loss,
    smoothed_cross_entropy,
    vocabulary_loss,
)

BATCH, TARGET, VOCABULARY = 3, 4, 7
IDS = tf.constant([[5, 2, 6, 3], [1, 3, 0, 0], [3, 0, 0, 0]])
MASK = (IDS != 0).numpy()
SMOOTHING = pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5], ids="smoothing {}".format)


def random_logits(scale=2.0):
    return tf.constant(
        scale * np.random.default_rng(0).normal(size=(BATCH, TARGET, VOCABULARY)), "float32"
    )


def logits_of(probabilities):
    """Logits are free up to a constant: here another one in every row."""
    logits = np.log(np.array(probabilities, "float32"))
    return tf.constant(logits + np.arange(logits.shape[1])[None, :, None])


def numbers(loss):
    return [float(x) for x in loss]


def expected_gradient(logits, label_smoothing, dtype):
    """Of the formula -sum_v q_v log p_v, by automatic differentiation."""
    with tf.GradientTape() as tape:
        tape.watch(logits)
        q = tf.one_hot(IDS, VOCABULARY) * (1.0 - label_smoothing) + label_smoothing / VOCABULARY
        objective = -tf.reduce_sum(q * tf.nn.log_softmax(tf.cast(logits, "float32")), axis=-1)
        loss = tf.reduce_sum(objective * MASK)
    return tf.cast(tape.gradient(loss, logits), dtype)


def test_the_loss_by_hand():
    logits = logits_of([[[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]])
    loss = masked_loss(logits, tf.constant([[1, 2]]))
    # -ln 1/4 - ln 1/2 = ln 8; the first token is not the likeliest, the second is.
    assert numbers(loss) == pytest.approx([math.log(8), math.log(8), 1, 2])


def test_label_smoothing_by_hand():
    logits = logits_of([[[0.5, 0.25, 0.25]]])
    loss = masked_loss(logits, tf.constant([[1]]), label_smoothing=0.3)
    # q = (0.1, 0.8, 0.1):  0.1 ln 2 + 0.8 ln 4 + 0.1 ln 4 = 1.9 ln 2. The cross-entropy is not.
    assert numbers(loss) == pytest.approx([1.9 * math.log(2), 2 * math.log(2), 0, 1])


def test_even_logits_cost_the_logarithm_of_the_vocabulary():
    loss = masked_loss(tf.zeros((BATCH, TARGET, VOCABULARY)), IDS, label_smoothing=0.1)
    assert numbers(loss)[:2] == pytest.approx([7 * math.log(VOCABULARY)] * 2)
    assert float(loss.tokens) == 7


@SMOOTHING
def test_the_loss_equals_that_of_keras(label_smoothing):
    logits = random_logits()
    # Keras cuts p off at 1e-7 unless it is handed logits.
    keras_loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing, reduction=None
    )
    expected = keras_loss(tf.one_hot(IDS, VOCABULARY), logits)[MASK]
    loss = masked_loss(logits, IDS, label_smoothing)
    assert float(loss.objective) == pytest.approx(float(np.sum(expected)), rel=1e-5)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)(
        IDS, logits
    )[MASK]
    assert float(loss.cross_entropy) == pytest.approx(float(np.sum(plain)), rel=1e-5)


def test_padding_is_ignored():
    logits = random_logits()
    other = tf.where(MASK[:, :, None], logits, 1000.0 * random_logits())
    more_padding = [
        tf.pad(logits, [[0, 1], [0, 2], [0, 0]], constant_values=9.0),
        tf.pad(IDS, [[0, 1], [0, 2]]),
    ]
    expected = numbers(masked_loss(logits, IDS, 0.1))
    assert numbers(masked_loss(other, IDS, 0.1)) == expected
    assert numbers(masked_loss(*more_padding, 0.1)) == pytest.approx(expected, rel=1e-6)


def test_padding_gets_no_gradient():
    logits = random_logits()
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = masked_loss(logits, IDS, 0.1).objective
    gradient = tape.gradient(loss, logits).numpy()
    assert not np.any(gradient[~MASK])
    assert np.all(gradient[MASK])


def test_sums_of_parts_are_the_sum_of_the_whole():
    logits = random_logits()
    parts = [masked_loss(logits[row : row + 1], IDS[row : row + 1], 0.1) for row in range(BATCH)]
    total = [sum(column) for column in zip(*map(numbers, parts), strict=True)]
    assert total == pytest.approx(numbers(masked_loss(logits, IDS, 0.1)), rel=1e-5)
    assert Loss._fields == ("objective", "cross_entropy", "correct", "tokens")


def test_another_padding_id_can_be_named():
    assert float(masked_loss(random_logits(), IDS, padding_id=3).tokens) == np.sum(IDS != 3)


def test_correct_tokens_are_counted():
    logits = 10.0 * tf.one_hot([[5, 2, 1, 3], [1, 1, 0, 0], [3, 0, 0, 0]], VOCABULARY)
    assert float(masked_loss(logits, IDS).correct) == 5  # padding "predicted right" does not count


def test_a_token_is_right_if_none_is_likelier():
    logits = tf.constant([[[2.0, 3.0, 3.0], [2.0, 3.0, 3.0], [2.0, 2.9, 3.0]]])
    assert float(masked_loss(logits, tf.constant([[1, 2, 1]])).correct) == 2


# In bfloat16 a gradient p - q is rounded to 8 bits twice, both times to a number of at most 1.
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 2**-8)], ids=["float32", "bfloat16"]
)
@SMOOTHING
def test_the_gradient_equals_that_of_automatic_differentiation(label_smoothing, dtype, tolerance):
    logits = tf.cast(random_logits(), dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = masked_loss(logits, IDS, label_smoothing).objective
    gradient = tape.gradient(loss, logits)
    assert gradient.dtype == dtype
    expected = expected_gradient(logits, label_smoothing, dtype)
    np.testing.assert_allclose(
        tf.cast(gradient, "float32"), tf.cast(expected, "float32"), rtol=0.0, atol=tolerance
    )


def test_the_gradient_of_a_confident_token_survives_bfloat16():
    logits = tf.constant([[[0.0, 7.0, 0.0]]], "bfloat16")  # p = 0.9982
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = masked_loss(logits, tf.constant([[1]])).objective
    gradient = tf.cast(tape.gradient(loss, logits), "float32")
    np.testing.assert_allclose(gradient, [[[0.00091, -0.00182, 0.00091]]], rtol=0.01)


@SMOOTHING
def test_the_gradient_by_hand_is_p_minus_q_times_what_comes_from_above(label_smoothing):
    logits, upstream = logits_of([[[0.5, 0.25, 0.25]]]), 3.0
    with tf.GradientTape() as tape:
        tape.watch(logits)
        objective, *_ = smoothed_cross_entropy(logits, tf.constant([[1]]), label_smoothing)
        loss = upstream * tf.reduce_sum(objective)
    q = np.array([0.0, 1.0, 0.0]) * (1 - label_smoothing) + label_smoothing / 3
    np.testing.assert_allclose(
        tape.gradient(loss, logits), [[upstream * ([0.5, 0.25, 0.25] - q)]], atol=1e-6
    )


@pytest.mark.parametrize("id_dtype", ["int32", "int64"])
def test_a_graph_of_unknown_shape_computes_the_same(id_dtype):
    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None)), tf.TensorSpec((None, None), id_dtype)]
    )
    def loss_and_gradient(logits, ids):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = masked_loss(logits, ids, 0.1)
        return loss, tape.gradient(loss.objective, logits)

    logits = random_logits()
    loss, gradient = loss_and_gradient(logits, tf.cast(IDS, id_dtype))
    assert numbers(loss) == pytest.approx(numbers(masked_loss(logits, IDS, 0.1)), rel=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient(logits, 0.1, "float32"), atol=1e-6)


def test_sums_are_float32_whatever_the_precision_of_the_logits():
    """In bfloat16 a sum of ones stops at 256."""
    loss = masked_loss(tf.zeros((1, 1000, 4), "bfloat16"), tf.ones((1, 1000), "int32"), 0.1)
    assert {x.dtype for x in loss} == {tf.float32}
    assert numbers(loss) == pytest.approx([1000 * math.log(4), 1000 * math.log(4), 1000, 1000])


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_large_logits_stay_finite(scale):
    logits = random_logits(scale)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = masked_loss(logits, IDS, 0.1)
    assert np.all(np.isfinite(numbers(loss)))
    assert np.all(np.isfinite(tape.gradient(loss.objective, logits)))


def test_a_batch_of_padding_costs_nothing():
    assert numbers(masked_loss(random_logits(), tf.zeros_like(IDS), 0.1)) == [0, 0, 0, 0]


def output_and_vocabulary(dtype, units=5):
    """Outputs btr in `dtype`, a matrix vr and a bias v."""
    shapes = (BATCH, TARGET, units), (VOCABULARY, units), (VOCABULARY,)
    output, *vocabulary = (
        tf.random.stateless_normal(shape, (index, 7)) for index, shape in enumerate(shapes)
    )
    return tf.cast(output, dtype), *vocabulary


def plain_loss(output, matrix, bias, *arguments):
    logits = tf.einsum("btr,vr->btv", output, tf.cast(matrix, output.dtype)) + tf.cast(
        bias, output.dtype
    )
    return masked_loss(logits, *arguments)


def differentiated(loss, inputs, *arguments):
    """-> sums and gradients of three times the objective."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        sums = loss(*inputs, *arguments)
        objective = 3.0 * sums.objective
    return sums, tape.gradient(objective, inputs)


# In bfloat16 logits and gradients are rounded to 8 bits; gradients here go up to 20, their terms to
# 9.
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.2)], ids=["float32", "bfloat16"]
)
@pytest.mark.parametrize(
    "weights", [None, [0.5, 2.0, 1.0], [1.0, 0.0, 3.0]], ids="weights {}".format
)
@pytest.mark.parametrize("rows", [2, 4, 512], ids="{} rows at once".format)
@SMOOTHING
def test_the_loss_in_parts_is_that_of_whole_logits(
    label_smoothing, rows, weights, dtype, tolerance, monkeypatch
):
    monkeypatch.setattr(losses, "ROWS", rows)
    monkeypatch.setattr(losses, "ROWS_MULTIPLE", 2)
    inputs = output_and_vocabulary(dtype)
    arguments = (IDS, label_smoothing, None if weights is None else tf.constant(weights))
    expected, expected_gradients = differentiated(plain_loss, inputs, *arguments)
    sums, gradients = differentiated(vocabulary_loss, inputs, *arguments)
    compiled = tf.function(differentiated, autograph=False)
    graph_sums, graph_gradients = compiled(vocabulary_loss, inputs, *arguments)
    assert numbers(sums) == pytest.approx(numbers(expected), rel=tolerance / 3)
    assert numbers(graph_sums) == pytest.approx(numbers(sums), rel=1e-6)
    for gradient, graph_gradient, wanted in zip(
        gradients, graph_gradients, expected_gradients, strict=True
    ):
        assert gradient.dtype == wanted.dtype
        np.testing.assert_allclose(
            tf.cast(gradient, "float32"), tf.cast(wanted, "float32"), rtol=0.0, atol=tolerance
        )
        np.testing.assert_allclose(
            tf.cast(graph_gradient, "float32"), tf.cast(gradient, "float32"), atol=tolerance / 10
        )


def test_a_batch_of_padding_has_no_loss_in_parts_and_no_gradient():
    inputs = output_and_vocabulary("float32")
    sums, gradients = differentiated(vocabulary_loss, inputs, tf.zeros_like(IDS), 0.1)
    assert numbers(sums) == [0, 0, 0, 0]
    for gradient, variable in zip(gradients, inputs, strict=True):
        np.testing.assert_array_equal(gradient, tf.zeros_like(variable))


def test_a_confident_token_keeps_its_gradient_in_parts_in_bfloat16():
    output, matrix = tf.ones((1, 1, 1), "bfloat16"), tf.constant([[0.0], [7.0], [0.0]])
    _, (_, to_matrix, to_bias) = differentiated(
        vocabulary_loss, (output, matrix, tf.zeros(3)), tf.constant([[1]])
    )
    np.testing.assert_allclose(to_bias, [0.00273, -0.00546, 0.00273], rtol=0.01)  # p = 0.9982
    np.testing.assert_allclose(to_matrix[:, 0], to_bias, rtol=0.01)


def test_the_coverage_loss_by_hand():
    """See et al. (2017), equation 12: min of each weight and of what its place has had before."""
    weights = tf.constant([[[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]]])
    # Coverage: (0, 0), (0.5, 0.5), (0.75, 1.25); hence 0, 0.25 + 0.5 and 0.75. The last token may
    # be padding.
    assert float(coverage_loss(weights, tf.constant([[5, 6, 7]]))) == pytest.approx(1.5)
    assert float(
        coverage_loss(weights, tf.constant([[5, 6, 0]]), tf.constant([2.0]))
    ) == pytest.approx(1.5)
