"""The Keras engine: a model's `encode` and `step`, compiled, for search, and `force` for given
targets.

B batch  S source  T target  K hypotheses  V vocabulary  C candidates
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nmt.model.seq2seq import Seq2Seq
from nmt.search.beam import Step


class KerasEngine:
    """Runs a model for `nmt.search.beam`. The best candidates are taken inside the compiled step,
    so that V-wide rows never leave it; `forbidden_ids` are masked after the softmax, so that the
    other log-probabilities stay the model's own."""

    def __init__(self, model: Seq2Seq, forbidden_ids: Sequence[int] = ()):
        bias_V = np.zeros(model.vocabulary_sizes[1], np.float32)
        bias_V[list(forbidden_ids)] = -np.inf
        self._bias_V = tf.constant(bias_V)
        self.model = model
        ids_spec = tf.TensorSpec((None, None), tf.int32)
        self._encode = tf.function(model.encode, input_signature=[ids_spec], autograph=False)
        self._force = tf.function(
            self._forced, input_signature=[ids_spec, ids_spec], autograph=False
        )
        self._step: Any = None
        self._step_whole: Any = None
        self._memory: tuple[Any, Any] = (None, None)

    def encode(self, ids_BS: np.ndarray) -> tuple[Any, Any]:
        """ids bs, padded with 0 -> memory and the state of one hypothesis a sentence."""
        memory, state = self._encode(tf.constant(ids_BS, tf.int32))
        if self._step is None:
            # Of the graph, not of these sentences: a score may remember a number for each source
            # position.
            signature = _any_size(*self._encode.get_concrete_function().structured_outputs)
            self._step = tf.function(self._candidates, input_signature=signature, autograph=False)
            self._step_whole = tf.function(
                self._whole_rows, input_signature=signature, autograph=False
            )
        return tf.nest.map_structure(_to_numpy, (memory, state))

    def step(
        self,
        ids_BK: np.ndarray,
        state: Any,
        memory: Any,
        num_candidates: int,
        named_ids_BKN: np.ndarray | None = None,
        with_weights: bool = False,
    ) -> Step:
        """See `nmt.search.beam.Engine`."""
        cached = self._memory  # which another thread may replace
        if cached[0] is not memory:  # the same object from step to step, until sentences leave
            cached = self._memory = memory, tf.nest.map_structure(tf.constant, memory)
        state = tf.nest.map_structure(tf.constant, state)
        ids = tf.constant(np.ascontiguousarray(ids_BK, np.int32))
        named = (
            np.zeros((*ids_BK.shape, 0), np.int32)
            if named_ids_BKN is None
            else named_ids_BKN.astype(np.int32)
        )
        function = (
            self._step if num_candidates < self.model.vocabulary_sizes[1] else self._step_whole
        )
        outputs = function(ids, state, cached[1], tf.constant(named), tf.constant(num_candidates))
        step = Step(*tf.nest.map_structure(_to_numpy, outputs))
        return step if with_weights else step._replace(weights_BKS=None)

    def force(self, source_BS: np.ndarray, target_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Teacher forcing: sources bs and targets bt (<s> first), padded with 0 ->
        log-probabilities bt of each target token after <s>, 0 where that is padding, and the
        attention weights bts that predicted it: t is one shorter. No id is forbidden here: a text
        is scored as it stands."""
        outputs = self._force(tf.constant(source_BS, tf.int32), tf.constant(target_BT, tf.int32))
        return tf.nest.map_structure(_to_numpy, outputs)

    def _forced(self, source_BS: Any, target_BT: Any) -> Any:
        logits_BTV, weights_BTS = self.model.teacher_forced(source_BS, target_BT[:, :-1])
        next_BT = target_BT[:, 1:]
        log_probs_BTV = tf.nn.log_softmax(tf.cast(logits_BTV, tf.float32))
        log_probs_BT = tf.gather(log_probs_BTV, next_BT, batch_dims=2)
        return tf.where(next_BT == 0, 0.0, log_probs_BT), tf.cast(weights_BTS, tf.float32)

    def _candidates(
        self, ids_BK: Any, state: Any, memory: Any, named_ids_BKN: Any, num_candidates: Any
    ) -> Any:
        log_probs_BKV, weights_BKS, state = self._log_probs(ids_BK, state, memory)
        best = tf.math.top_k(log_probs_BKV, num_candidates)
        return (
            *_with_named(best.values, best.indices, log_probs_BKV, named_ids_BKN),
            state,
            weights_BKS,
        )

    def _whole_rows(
        self, ids_BK: Any, state: Any, memory: Any, named_ids_BKN: Any, num_candidates: Any
    ) -> Any:
        log_probs_BKV, weights_BKS, state = self._log_probs(ids_BK, state, memory)
        ids_BKV = tf.broadcast_to(tf.range(tf.shape(log_probs_BKV)[-1]), tf.shape(log_probs_BKV))
        return (
            *_with_named(log_probs_BKV, ids_BKV, log_probs_BKV, named_ids_BKN),
            state,
            weights_BKS,
        )

    def _log_probs(self, ids_BK: Any, state: Any, memory: Any) -> Any:
        logits_BKV, weights_BKS, state = self.model.step(ids_BK, state, memory)
        log_probs_BKV = tf.nn.log_softmax(tf.cast(logits_BKV, tf.float32)) + self._bias_V
        return log_probs_BKV, tf.cast(weights_BKS, tf.float32), state


def _with_named(
    log_probs_BKC: Any, ids_BKC: Any, log_probs_BKV: Any, named_ids_BKN: Any
) -> tuple[Any, Any]:
    """The named ids behind the candidates; -1, which names nothing, gets -inf."""
    named_BKN = tf.gather(log_probs_BKV, tf.maximum(named_ids_BKN, 0), batch_dims=2)
    named_BKN = tf.where(named_ids_BKN < 0, -np.inf, named_BKN)
    return tf.concat([log_probs_BKC, named_BKN], axis=2), tf.concat(
        [ids_BKC, named_ids_BKN], axis=2
    )


def _any_size(memory: Any, state: Any) -> list[Any]:
    """One graph for any number of sentences, hypotheses and source positions. Takes the symbolic
    outputs of `encode`."""

    def spec(tensor: Any) -> tf.TensorSpec:
        return tf.TensorSpec((None, None, *tensor.shape[2:]), tensor.dtype)

    specs = tf.nest.map_structure(spec, (state, memory))
    return [
        tf.TensorSpec((None, None), tf.int32),
        *specs,
        tf.TensorSpec((None, None, None), tf.int32),
        tf.TensorSpec((), tf.int32),
    ]


def _to_numpy(tensor: Any) -> np.ndarray:
    return tensor.numpy()
