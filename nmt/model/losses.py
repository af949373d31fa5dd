"""Masked, label-smoothed cross-entropy, and the metrics reported with it.

B batch  T target  R readout  V vocabulary  N rows: real target tokens
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from nmt.linear import Tensor

ROWS = 512  # rows of logits that are computed at once
ROWS_MULTIPLE = 64  # the rows of the last part are padded to a multiple of it


class Loss(NamedTuple):
    """Sums over the real target tokens of a batch, so that parts of a batch can be added before
    dividing."""

    objective: Tensor  # label-smoothed cross-entropy, which training minimises
    cross_entropy: Tensor  # nats; exp(cross_entropy / tokens) is the perplexity
    correct: Tensor  # correctly predicted tokens
    tokens: Tensor


def masked_loss(
    logits_BTV: Tensor,
    ids_BT: Tensor,
    label_smoothing: float = 0.0,
    weights_B: Tensor | None = None,
    padding_id: int = 0,
) -> Loss:
    """logits btv, ids bt -> sums over real tokens, in float32 whatever the precision of the logits.

    A sentence of weight 2, and its tokens, count as if the batch held it twice.
    """
    mask = _token_weights(ids_BT, weights_B, padding_id)
    objective, cross_entropy, correct = smoothed_cross_entropy(logits_BTV, ids_BT, label_smoothing)
    return Loss(
        ops.sum(mask * objective),
        ops.sum(mask * cross_entropy),
        ops.sum(mask * correct),
        ops.sum(mask),
    )


def coverage_loss(
    weights_BTS: Tensor, ids_BT: Tensor, weights_B: Tensor | None = None, padding_id: int = 0
) -> Tensor:
    """A penalty for attending repeatedly to the same states: the sum over real tokens of

    sum_s min(weight_ts, coverage_ts)    (See et al., 2017, equation 12)

    where the coverage is the sum of the weights of all steps before.
    """
    coverage_BTS = ops.cumsum(weights_BTS, axis=1) - weights_BTS
    weights_BT = _token_weights(ids_BT, weights_B, padding_id)
    return ops.sum(weights_BT * ops.sum(ops.minimum(weights_BTS, coverage_BTS), axis=-1))


def smoothed_cross_entropy(
    logits_BTV: Tensor, ids_BT: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """-> objective, cross-entropy and whether no token is likelier, all bt; only the first is
    differentiable.

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
    output_BTR: Tensor,
    matrix_VR: Tensor,
    bias_V: Tensor,
    ids_BT: Tensor,
    label_smoothing: float = 0.0,
    weights_B: Tensor | None = None,
    padding_id: int = 0,
) -> Loss:
    """`masked_loss` of the logits `output . matrix^T + bias`, without materialising them.

    Logits are the largest tensor of training, and writing and reading them takes most of their
    time. Here a few rows at a time go from product to gradient, p - q, while they are in the cache;
    padding is skipped; and the gradient is computed together with the sums. The numbers are those
    of `masked_loss` and its gradient.
    """
    weights_BT = _token_weights(ids_BT, weights_B, padding_id)
    real = tf.where(tf.reshape(weights_BT, [-1]) != 0.0)[:, 0]
    num_rows = ROWS_MULTIPLE * tf.maximum(1, -(-tf.size(real) // ROWS_MULTIPLE))
    padding = num_rows - tf.size(real)  # rows of weight 0
    rows_NR, ids_N, weights_N = (
        tf.pad(
            tf.gather(tf.reshape(x, (-1, *x.shape[2:])), real),
            [[0, padding]] + [[0, 0]] * (x.shape.rank - 2),
        )
        for x in map(tf.convert_to_tensor, (output_BTR, ids_BT, weights_BT))
    )

    @tf.custom_gradient
    def compute(rows_NR: Tensor, matrix_VR: Tensor, bias_V: Tensor) -> Any:
        cast_VR = tf.cast(matrix_VR, rows_NR.dtype)

        def add(
            start: Any, sums: Any, to_rows: Any, to_matrix_VR: Tensor, to_bias_V: Tensor
        ) -> Any:
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
    logits: Tensor, bias_V: Tensor, ids_N: Tensor, weights_N: Tensor, label_smoothing: float
) -> Any:
    """-> the first three sums of `Loss`, and the gradient of the first by logits and bias.

    One pass over the logits, instead of the dozen that separate operations take; compiled once for
    each number of rows.
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
    # Compared with the maximum, which exists already: argmax would take another two passes.
    columns = (objective_N, normalizers_N - chosen_N, tf.cast(chosen_N >= highest_N, tf.float32))
    vocabulary_size = tf.shape(logits)[-1]
    q_NV = (1.0 - label_smoothing) * tf.one_hot(ids_N, vocabulary_size)
    q_NV += label_smoothing / tf.cast(vocabulary_size, tf.float32)
    # In float32 up to here: in bfloat16 a p near 1 would round to 1, and its gradient to 0.
    gradient_NV = (weights_N / totals_N)[:, None] * exponentials_NV - weights_N[:, None] * q_NV
    sums = tf.stack([tf.reduce_sum(weights_N * column) for column in columns])
    return sums, tf.cast(gradient_NV, logits.dtype), tf.reduce_sum(gradient_NV, axis=0)


def _token_weights(ids_BT: Tensor, weights_B: Tensor, padding_id: int) -> Tensor:
    """-> bt, 0 for padding."""
    mask_BT = ops.cast(ops.not_equal(ids_BT, padding_id), "float32")
    return mask_BT if weights_B is None else mask_BT * weights_B[:, None]
