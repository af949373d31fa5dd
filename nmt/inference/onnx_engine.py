"""The ONNX engine: `encode`, `step` and `force` by ONNX Runtime, from two graphs; loads no
TensorFlow.

B batch  S source  T target  K hypotheses  V vocabulary  C candidates  N named ids
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Read when ONNX Runtime is imported, which from 1.29 on sends telemetry and leaves files in the
# home folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from nmt.errors import UserError
from nmt.inference.parallel import num_cores
from nmt.runs.onnx_file import external_initializers
from nmt.runs.package import PackagedGraph
from nmt.search.beam import Step
from nmt.terminal import printable

Tensors = dict[str, np.ndarray]


class OnnxEngine:
    """Runs the two graphs of `nmt.export.onnx_graph`. Memory and state are dicts of arrays, by
    their names in the graphs.

    It has no state between calls: `num_workers` threads, one for each core, may use it at once.
    """

    def __init__(
        self,
        encoder: Path | PackagedGraph,
        step: Path | PackagedGraph,
        forbidden_ids: Sequence[int] = (),
    ):
        self._encoder, self._step = _session(encoder), _session(step)
        read = {value.name for value in self._step.get_inputs()}
        self._encoded = [
            output.name for output in self._encoder.get_outputs() if output.name in read
        ]
        self._state = [name for name in self._encoded if name.startswith("state_")]
        self._next_state = [f"next_{name}" for name in self._state]
        log_probs = next(
            output for output in self._step.get_outputs() if output.name == "all_log_probs"
        )
        self._vocabulary_size = log_probs.shape[2]
        self._is_barred = np.zeros(
            self._vocabulary_size + 1, bool
        )  # by id, and -1, which names nothing
        self._is_barred[[*forbidden_ids, -1]] = True
        self.num_workers = num_cores()

    def encode(self, ids_BS: np.ndarray) -> tuple[Tensors, Tensors]:
        """ids bs, padded with 0 -> memory and the state of one hypothesis a sentence."""
        outputs = self._encoder.run(self._encoded, {"ids": np.ascontiguousarray(ids_BS, np.int32)})
        memory = dict(zip(self._encoded, outputs, strict=True))
        return memory, {name: memory.pop(name) for name in self._state}

    def step(
        self,
        ids_BK: np.ndarray,
        state: Tensors,
        memory: Tensors,
        num_candidates: int,
        named_ids_BKN: np.ndarray | None = None,
        with_weights: bool = False,
    ) -> Step:
        """See `nmt.search.beam.Engine`. The graph itself forbids no ids, which would cost a pass
        over all V log-probabilities: a trained model hardly ever proposes an id that it never saw.
        If it does, the step is run again with more candidates."""
        whole = num_candidates >= self._vocabulary_size
        outputs = ["all_log_probs"] if whole else ["log_probs", "candidates"]
        outputs += ["named_log_probs"] * (named_ids_BKN is not None) + ["weights"] * with_weights
        found, new_state = self._run(
            outputs, ids_BK, state, memory, 1 if whole else num_candidates, named_ids_BKN
        )
        if whole:
            log_probs_BKC = found["all_log_probs"]
            log_probs_BKC[:, :, self._is_barred[:-1]] = -np.inf
            ids_BKC = np.broadcast_to(
                np.arange(self._vocabulary_size, dtype=np.int32), log_probs_BKC.shape
            )
        else:
            log_probs_BKC, ids_BKC = found["log_probs"], found["candidates"]
            if np.count_nonzero(self._is_barred[ids_BKC]):
                log_probs_BKC, ids_BKC = self._best_allowed(ids_BK, state, memory, num_candidates)
        if named_ids_BKN is not None:
            named_BKN = self._allowed(found["named_log_probs"], named_ids_BKN)
            log_probs_BKC = np.concatenate([log_probs_BKC, named_BKN], axis=2)
            ids_BKC = np.concatenate([ids_BKC, named_ids_BKN], axis=2, dtype=np.int32)
        return Step(log_probs_BKC, ids_BKC, new_state, found.get("weights"))

    def _best_allowed(
        self, ids_BK: np.ndarray, state: Tensors, memory: Tensors, num_candidates: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best candidates that are allowed, descending, from as many more as are forbidden."""
        count = min(num_candidates + np.count_nonzero(self._is_barred), self._vocabulary_size)
        found, _ = self._run(["log_probs", "candidates"], ids_BK, state, memory, count, None)
        log_probs_BKC = self._allowed(found["log_probs"], found["candidates"])
        best_BKC = (-log_probs_BKC).argsort(axis=2, kind="stable")[:, :, :num_candidates]
        ids_BKC = np.take_along_axis(found["candidates"], best_BKC, axis=2)
        return np.take_along_axis(log_probs_BKC, best_BKC, axis=2), ids_BKC

    def _allowed(self, log_probs_BKN: np.ndarray, ids_BKN: np.ndarray) -> np.ndarray:
        """-inf where an id is forbidden, or is -1 (padding)."""
        return np.where(self._is_barred[ids_BKN], np.float32(-np.inf), log_probs_BKN)

    def force(self, source_BS: np.ndarray, target_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Teacher forcing: sources bs and targets bt (<s> first), padded with 0 ->
        log-probabilities bt of each target token after <s>, 0 where that is padding, and the
        attention weights bts that predicted it: t is one shorter. No id is forbidden here. This
        is `step`, folded over the target."""
        memory, state = self.encode(source_BS)
        log_probs_TB, weights_TBS = [], []
        for t in range(target_BT.shape[1] - 1):
            ids_B1, next_B11 = target_BT[:, t : t + 1], target_BT[:, t + 1, None, None]
            found, state = self._run(
                ["named_log_probs", "weights"], ids_B1, state, memory, 1, next_B11
            )
            log_probs_TB.append(
                np.where(next_B11 == 0, np.float32(0), found["named_log_probs"])[:, 0, 0]
            )
            weights_TBS.append(found["weights"][:, 0])
        return np.stack(log_probs_TB, axis=1), np.stack(weights_TBS, axis=1)

    def _run(
        self,
        outputs: list[str],
        ids_BK: np.ndarray,
        state: Tensors,
        memory: Tensors,
        num_candidates: int,
        named_ids_BKN: np.ndarray | None,
    ) -> tuple[Tensors, Tensors]:
        """One step -> the outputs asked for, and the new state."""
        none_BK0 = np.empty((*ids_BK.shape, 0), np.int64)
        named_ids_BKN = (
            none_BK0 if named_ids_BKN is None else np.maximum(named_ids_BKN, 0).astype(np.int64)
        )
        feed = {
            "ids": np.ascontiguousarray(ids_BK, np.int32),
            "num_candidates": np.array([num_candidates], np.int64),
            "named_ids": named_ids_BKN,
            **state,
            **memory,
        }
        found: list[Any] = self._step.run([*outputs, *self._next_state], feed)
        state = dict(zip(self._state, found[len(outputs) :], strict=True))
        return dict(zip(outputs, found[: len(outputs)], strict=True)), state


def _session(graph: Path | PackagedGraph) -> onnxruntime.InferenceSession:
    """Configures ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    # Batches run in parallel instead, each on one core: most operations are too small to divide.
    options.intra_op_num_threads = 1
    where, remedy = str(graph), "Write it again with `nmt export`."
    if isinstance(graph, PackagedGraph):
        where, remedy = graph.where, "Get it again."
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in graph.arrays.values()]
        options.add_external_initializers(list(graph.arrays), values)
    try:
        model = graph.model if isinstance(graph, PackagedGraph) else _self_contained(graph)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except UserError:
        raise
    except Exception as error:  # of a dozen kinds from onnxruntime, depending on the damage
        raise UserError(f"{where} cannot be loaded ({_first_line(error)}). {remedy}") from error


def _self_contained(path: Path) -> bytes:
    """The content of a graph; ONNX Runtime could not open a path that is no UTF-8. UserError if it
    names files, which older versions of ONNX Runtime would read wherever they are, and ValueError
    for what is no graph."""
    try:
        model = path.read_bytes()
        named = external_initializers(model)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
    if named:
        raise UserError(
            f"{path}: expected a graph with all its tensors, as `nmt export` writes it. Received:"
            f" one that names a file, for {printable(min(named))}. Write it again."
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
