"""An ensemble of models with the same vocabularies as one engine, by the mean of probabilities.

M models  B batch  K hypotheses  V vocabulary  C candidates  S source  T target
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Protocol

import numpy as np

from nmt.search.beam import Engine, Step


class ForcingEngine(Engine, Protocol):
    """An engine that can also score given translations.

    One that several threads may use at once has an attribute `num_workers`, the number of threads.
    """

    def force(self, source_BS: np.ndarray, target_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Padded ids, targets including <s> -> log-probabilities bt of the tokens after <s>,
        attention weights bts."""


class Ensemble:
    """p(y_t | y_<t, x) = 1/M sum over m of p_m(y_t | y_<t, x) at each step, as in fairseq.

    Attention is averaged, too. Memory and state are tuples with one entry per model.
    """

    def __init__(self, engines: Sequence[ForcingEngine]):
        self.engines = tuple(engines)
        self.num_workers = min(getattr(engine, "num_workers", 1) for engine in engines)

    def encode(self, ids_BS: np.ndarray) -> tuple[Any, Any]:
        encoded = [engine.encode(ids_BS) for engine in self.engines]
        return tuple(memory for memory, _ in encoded), tuple(state for _, state in encoded)

    def step(
        self,
        ids_BK: np.ndarray,
        state: Any,
        memory: Any,
        num_candidates: int,
        named_ids_BKN: np.ndarray | None = None,
        with_weights: bool = False,
    ) -> Step:
        """See `nmt.search.beam.Engine`.

        The mean needs whole rows of every model. The logarithm is slow, so the best ids are found
        by the sum of probabilities and only theirs are computed exactly.
        """
        whole_row = np.iinfo(np.int32).max
        steps = [
            engine.step(ids_BK, model_state, model_memory, whole_row, None, with_weights)
            for engine, model_state, model_memory in zip(self.engines, state, memory, strict=True)
        ]
        log_probs = [step.log_probs_BKC for step in steps]
        vocabulary_size = log_probs[0].shape[2]
        ids_BKC = np.broadcast_to(np.arange(vocabulary_size, dtype=np.int32), log_probs[0].shape)
        if num_candidates < vocabulary_size:
            ids_BKC = top_ids(reduce(np.add, map(np.exp, log_probs)), num_candidates)
        if named_ids_BKN is not None:
            ids_BKC = np.concatenate([ids_BKC, named_ids_BKN.astype(np.int32)], axis=2)
        places_BKC = np.maximum(ids_BKC, 0)
        log_probs_BKC = log_mean_probability(
            [np.take_along_axis(row, places_BKC, axis=2) for row in log_probs]
        )
        weights = [step.weights_BKS for step in steps if step.weights_BKS is not None]
        return Step(
            np.where(ids_BKC < 0, -np.inf, log_probs_BKC),
            ids_BKC,
            tuple(step.state for step in steps),
            np.mean(weights, axis=0) if weights else None,
        )

    def force(self, source_BS: np.ndarray, target_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Teacher forcing: the log-probability of each target token after <s>, and the attention
        of the step that predicts it."""
        forced = [engine.force(source_BS, target_BT) for engine in self.engines]
        return log_mean_probability([log_probs for log_probs, _ in forced]), np.mean(
            [w for _, w in forced], axis=0
        )


def log_mean_probability(log_probs: Sequence[np.ndarray]) -> np.ndarray:
    """log(1/M sum of exp(log-probabilities)), elementwise; -inf where all are -inf."""
    total = log_probs[0]
    for log_probs_of_model in log_probs[1:]:
        total = np.logaddexp(total, log_probs_of_model)
    return total - np.float32(np.log(len(log_probs)))


def top_ids(values_BKV: np.ndarray, count: int) -> np.ndarray:
    """The ids of the `count` greatest values of each row, descending; ties by lower id."""
    candidates = np.argpartition(values_BKV, -count, axis=2)[:, :, -count:]
    candidates.sort(axis=2)
    order = np.argsort(-np.take_along_axis(values_BKV, candidates, axis=2), axis=2, kind="stable")
    return np.take_along_axis(candidates, order, axis=2).astype(np.int32)
