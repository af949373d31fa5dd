"""Masked, label-smoothed cross-entropy, and what is reported beside it.

B batch  T target  R readout  V vocabulary  N rows: real target tokens
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

ROWS, ROWS_MULTIPLE = (
    512,
    64,
)  # of logits that are computed at once: in all, and what a last part is a multiple of


class Loss(NamedTuple):
    """Sums over the real target tokens of a batch, so that parts of a batch can be added before
    dividing."""

    objective: Any  # label-smoothed cross-entropy, which training minimises
    cross_entropy: Any  # nats; exp(cross_entropy / tokens) is the perplexity
    correct: Any  # tokens predicted right
    tokens: Any


def masked_loss(
    logits_BTV: Any,
    ids_BT: Any,
    label_smoothing: float = 0.0,
    weights_B: Any = None,
    padding_id: int = 0,
) -> Loss:
    """logits btv, ids bt -> sums over real tokens, in float32 whatever the precision of the logits.

    With weights, a sentence of weight 2 counts, its tokens too, as if it stood there twice.
    """
    mask = _token_weights(ids_BT, weights_B, padding_id)
    objective, cross_entropy, correct = smoothed_cross_entropy(logits_BTV, ids_BT, label_smoothing)
    return Loss(
        ops.sum(mask * objective),
        ops.sum(mask * cross_entropy),
        ops.sum(mask * correct),
        ops.sum(mask),
    )


def coverage_loss(weights_BTS: Any, ids_BT: Any, weights_B: Any = None, padding_id: int = 0) -> Any:
    """How much attention looks where it has looked before: the sum over real tokens of

    sum_s min(weight_ts, coverage_ts),  coverage: the sum of the weights of all steps before      (See et al., 2017, 12)
    """
    coverage_BTS = ops.cumsum(weights_BTS, axis=1) - weights_BTS
    weights_BT = _token_weights(ids_BT, weights_B, padding_id)
    return ops.sum(weights_BT * ops.sum(ops.minimum(weights_BTS, coverage_BTS), axis=-1))


def smoothed_cross_entropy(
    logits_BTV: Any, ids_BT: Any, label_smoothing: float
) -> tuple[Any, Any, Any]:
    """-> objective, cross-entropy and whether no token is likelier, all bt; only the first is to be
    differentiated.

    Szegedy et al. (2016), section 7: the target distribution q is (1 - e) one-hot + e / V, and the
    objective -sum_v q_v log p_v.
    """
    log_probs_BTV = tf.nn.log_softmax(ops.cast(logits_BTV, "float32"))
    chosen_BT = tf.gather(log_probs_BTV, ids_BT, batch_dims=2)
    objective_BT = -(1.0 - label_smoothing) * chosen_BT - label_smoothing * ops.mean(
        log_probs_BTV, axis=-1
    )
    return (
        objective_BT,
        -chosen_BT,
        ops.cast(chosen_BT >= ops.max(log_probs_BTV, axis=-1), "float32"),
    )


def vocabulary_loss(
    output_BTR: Any,
    matrix_VR: Any,
    bias_V: Any,
    ids_BT: Any,
    label_smoothing: float = 0.0,
    weights_B: Any = None,
    padding_id: int = 0,
) -> Loss:
    """`masked_loss` of the logits `output . matrix^T + bias`, which never exist as a whole.

    Nothing in training is as large as logits, and what is slow about them is writing and reading
    them. Here a few rows at a time go from product to gradient, p - q, while they are in the cache;
    padding has no rows; and the gradient is computed at once, with the sums. It is `masked_loss`,
    differentiated, in all but speed and memory.
    """
    weights_BT = _token_weights(ids_BT, weights_B, padding_id)
    real = tf.where(tf.reshape(weights_BT, [-1]) != 0.0)[:, 0]
    num_rows = ROWS_MULTIPLE * tf.maximum(1, -(-tf.size(real) // ROWS_MULTIPLE))
    padding = num_rows - tf.size(real)  # rows that weigh nothing
    rows_NR, ids_N, weights_N = (
        tf.pad(
            tf.gather(tf.reshape(x, (-1, *x.shape[2:])), real),
            [[0, padding]] + [[0, 0]] * (x.shape.rank - 2),
        )
        for x in map(tf.convert_to_tensor, (output_BTR, ids_BT, weights_BT))
    )

    @tf.custom_gradient
    def compute(rows_NR: Any, matrix_VR: Any, bias_V: Any) -> Any:
        cast_VR = tf.cast(matrix_VR, rows_NR.dtype)

        def add(start: Any, sums: Any, to_rows: Any, to_matrix_VR: Any, to_bias_V: Any) -> Any:
            part = slice(start, start + ROWS)
            logits = tf.matmul(rows_NR[part], cast_VR, transpose_b=True)
            part_sums, gradient, part_to_bias_V = _loss_of_rows(
                logits, bias_V, ids_N[part], weights_N[part], label_smoothing
            )
            to_rows = to_rows.write(start // ROWS, tf.matmul(gradient, cast_VR))
            to_matrix_VR += tf.cast(
                tf.matmul(gradient, rows_NR[part], transpose_a=True), tf.float32
            )
            return start + ROWS, sums + part_sums, to_rows, to_matrix_VR, to_bias_V + part_to_bias_V

        num_parts = -(-num_rows // ROWS)
        to_rows = tf.TensorArray(
            rows_NR.dtype, num_parts, infer_shape=False, element_shape=(None, rows_NR.shape[1])
        )
        start = (0, tf.zeros(3), to_rows, tf.zeros(matrix_VR.shape), tf.zeros(bias_V.shape))
        _, sums, *gradients = tf.while_loop(
            lambda start, *_: start < num_rows, add, start, parallel_iterations=1
        )

        def gradient(upstream: Any, *_: Any) -> Any:
            to_rows, to_matrix_VR, to_bias_V = gradients
            return (
                tf.cast(upstream, rows_NR.dtype) * to_rows.concat(),
                upstream * to_matrix_VR,
                upstream * to_bias_V,
            )

        return tuple(tf.unstack(sums)), gradient

    objective, cross_entropy, correct = compute(
        rows_NR, *map(tf.convert_to_tensor, (matrix_VR, bias_V))
    )
    return Loss(objective, cross_entropy, correct, ops.sum(weights_N))


@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)
def _loss_of_rows(
    logits: Any, bias_V: Any, ids_N: Any, weights_N: Any, label_smoothing: float
) -> Any:
    """-> the first three sums of `Loss`, and the gradient of the first by logits and bias.

    One pass over the logits where TensorFlow's operations take a dozen; compiled once for each
    number of rows.
    """
    logits_NV = tf.cast(logits, tf.float32) + bias_V
    highest_N = tf.reduce_max(logits_NV, axis=-1)
    exponentials_NV = tf.exp(logits_NV - highest_N[:, None])
    totals_N = tf.reduce_sum(exponentials_NV, axis=-1)
    normalizers_N = highest_N + tf.math.log(totals_N)
    chosen_N = tf.gather(logits_NV, ids_N, batch_dims=1)
    objective_N = normalizers_N - (1.0 - label_smoothing) * chosen_N
    if label_smoothing:
        objective_N -= label_smoothing * tf.reduce_mean(logits_NV, axis=-1)
    # The maximum is at hand; its place (argmax) would take another two passes.
    columns = (objective_N, normalizers_N - chosen_N, tf.cast(chosen_N >= highest_N, tf.float32))
    vocabulary_size = tf.shape(logits)[-1]
    q_NV = (1.0 - label_smoothing) * tf.one_hot(ids_N, vocabulary_size)
    q_NV += label_smoothing / tf.cast(vocabulary_size, tf.float32)
    # Not cast before: in bfloat16 p of a token known well would round to 1, and its gradient to
    # nothing.
    gradient_NV = (weights_N / totals_N)[:, None] * exponentials_NV - weights_N[:, None] * q_NV
    sums = tf.stack([tf.reduce_sum(weights_N * column) for column in columns])
    return sums, tf.cast(gradient_NV, logits.dtype), tf.reduce_sum(gradient_NV, axis=0)


def _token_weights(ids_BT: Any, weights_B: Any, padding_id: int) -> Any:
    """-> bt, 0 for padding."""
    mask_BT = ops.cast(ops.not_equal(ids_BT, padding_id), "float32")
    return mask_BT if weights_B is None else mask_BT * weights_B[:, None]
