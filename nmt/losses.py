"""Masked, label-smoothed cross-entropy, and what is reported beside it.

B batch  T target  V vocabulary
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops


class Loss(NamedTuple):
    """Sums over the real target tokens of a batch, so that parts of a batch can be added before dividing."""

    objective: Any  # label-smoothed cross-entropy, which training minimises
    cross_entropy: Any  # nats; exp(cross_entropy / tokens) is the perplexity
    correct: Any  # tokens predicted right
    tokens: Any


def masked_loss(
    logits_BTV: Any, ids_BT: Any, label_smoothing: float = 0.0, weights_B: Any = None, padding_id: int = 0
) -> Loss:
    """logits btv, ids bt -> sums over real tokens, in float32 whatever the precision of the logits.

    With weights, a sentence of weight 2 counts, its tokens too, as if it stood there twice.
    """
    mask = ops.cast(ops.not_equal(ids_BT, padding_id), "float32")
    if weights_B is not None:
        mask *= weights_B[:, None]
    objective, cross_entropy, correct = smoothed_cross_entropy(logits_BTV, ids_BT, label_smoothing)
    return Loss(ops.sum(mask * objective), ops.sum(mask * cross_entropy), ops.sum(mask * correct), ops.sum(mask))


def divergence(logits_BTV: Any, ids_BT: Any, weights_B: Any = None, padding_id: int = 0) -> Any:
    """How much two passes over the same targets, the two halves of the batch, disagree: the sum over real tokens of

    (KL(p || q) + KL(q || p)) / 2 = sum_v (p_v - q_v) (log p_v - log q_v) / 2       (R-Drop, Liang et al., 2021, eq. 2).
    """

    @tf.custom_gradient
    def compute(logits: Any) -> Any:
        log_p, log_q = tf.split(tf.nn.log_softmax(tf.cast(logits, "float32")), 2)
        p, q = tf.exp(log_p), tf.exp(log_q)
        ratio = log_p - log_q
        divergence_bt = 0.5 * tf.reduce_sum((p - q) * ratio, axis=-1)

        def gradient(upstream: Any) -> Any:
            from_p, from_q = (tf.reduce_sum(x * ratio, axis=-1, keepdims=True) for x in (p, q))
            scale = 0.5 * upstream[..., None]
            to_p = scale * (p * (ratio - from_p) + p - q)
            to_q = scale * (q * (from_q - ratio) + q - p)
            return tf.cast(tf.concat([to_p, to_q], axis=0), logits.dtype)

        return divergence_bt, gradient

    mask = ops.cast(ops.not_equal(tf.split(ids_BT, 2)[0], padding_id), "float32")
    if weights_B is not None:
        mask *= tf.split(weights_B, 2)[0][:, None]
    return ops.sum(mask * compute(logits_BTV))


def coverage_loss(weights_BTS: Any, ids_BT: Any, weights_B: Any = None, padding_id: int = 0) -> Any:
    """How much attention looks where it has looked before: the sum over real tokens of

    sum_s min(weight_ts, coverage_ts),  coverage: the sum of the weights of all steps before      (See et al., 2017, 12)
    """
    coverage_BTS = ops.cumsum(weights_BTS, axis=1) - weights_BTS
    mask = ops.cast(ops.not_equal(ids_BT, padding_id), "float32")
    if weights_B is not None:
        mask *= weights_B[:, None]
    return ops.sum(mask * ops.sum(ops.minimum(weights_BTS, coverage_BTS), axis=-1))


def smoothed_cross_entropy(logits_BTV: Any, ids_BT: Any, label_smoothing: float) -> tuple[Any, Any, Any]:
    """-> objective, cross-entropy and whether no token is likelier, all bt; only the first has a gradient.

    Szegedy et al. (2016), section 7: the target distribution q is (1 - e) one-hot + e / V, so with logits x and token y

    -sum_v q_v log p_v = logsumexp(x) - (1 - e) x_y - e mean(x),  whose gradient is p - q.

    The gradient is written by hand: derived from the formula, that of x_y alone is a tensor as large as the logits.
    Nothing else in training is as large, and all the time goes into reading and writing it: XLA fuses what TensorFlow
    does in a dozen passes into four, and is compiled anew, in a fifth of a second, for each number of tokens.
    """
    ids = tf.reshape(ids_BT, [-1])

    @tf.custom_gradient
    def compute(logits: Any) -> Any:
        *columns, normalizer = _forward(logits, ids, label_smoothing)

        def gradient(upstream: Any, *_: Any) -> Any:
            return _backward(logits, ids, label_smoothing, normalizer, upstream)

        return columns, gradient

    columns = compute(ops.reshape(logits_BTV, (-1, ops.shape(logits_BTV)[-1])))
    objective, cross_entropy, correct = (tf.reshape(column, tf.shape(ids_BT)) for column in columns)
    return objective, cross_entropy, correct


@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)
def _forward(logits: Any, ids: Any, label_smoothing: float) -> Any:
    logits_f32 = tf.cast(logits, "float32")
    highest = tf.reduce_max(logits_f32, axis=-1)
    normalizer = highest + tf.math.log(tf.reduce_sum(tf.exp(logits_f32 - highest[:, None]), axis=-1))
    chosen = tf.gather(logits_f32, ids, batch_dims=1)
    objective = normalizer - (1.0 - label_smoothing) * chosen
    if label_smoothing:
        objective -= label_smoothing * tf.reduce_mean(logits_f32, axis=-1)
    # The maximum is at hand; its place (argmax) would take another two passes.
    return objective, normalizer - chosen, tf.cast(chosen >= highest, "float32"), normalizer


@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)
def _backward(logits: Any, ids: Any, label_smoothing: float, normalizer: Any, upstream: Any) -> Any:
    vocabulary_size = tf.shape(logits)[-1]
    p = tf.exp(tf.cast(logits, "float32") - normalizer[:, None])
    q = (1.0 - label_smoothing) * tf.one_hot(ids, vocabulary_size)
    q += label_smoothing / tf.cast(vocabulary_size, "float32")
    # Not cast before: in bfloat16 p of a token known well would round to 1, and its gradient to nothing.
    return tf.cast((p - q) * upstream[:, None], logits.dtype)
