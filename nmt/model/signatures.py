"""A model's `encode` and `step` as functions of named tensors, for formats without nested
structures.

encode: ids -> memory_*, state_*
step:   ids, memory_*, state_* -> logits, weights, next_state_*

`*` stands for the names and indices of the parts of `Memory` and `DecoderState`: `memory_keys`,
`state_hidden_0_0` (layer 0, its first entry).
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from nmt.model.seq2seq import Seq2Seq

IDS = tf.TensorSpec((None, None), tf.int32, "ids")


def named_leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of nested (named) tuples, by the names and indices that lead to them."""
    if isinstance(tree, tuple | list):
        for part, branch in zip(getattr(tree, "_fields", range(len(tree))), tree, strict=True):
            yield from named_leaves(branch, f"{name}_{part}")
    else:
        yield name, tree


def encode_function(model: Seq2Seq) -> tf.types.experimental.GenericFunction:
    @tf.function(input_signature=[IDS], autograph=False)
    def encode(ids: Any) -> dict[str, Any]:
        memory, state = model.encode(ids)
        return dict([*named_leaves(memory, "memory"), *named_leaves(state, "state")])

    return encode


def step_function(model: Seq2Seq, folds: bool = True) -> tf.types.experimental.GenericFunction:
    """`model.single_step_model()` as a function of named tensors. `folds`: see
    `nmt.linear.Product`."""
    single_step = model.single_step_model(folds)
    inputs = single_step.input
    named = [*named_leaves(inputs["memory"], "memory"), *named_leaves(inputs["state"], "state")]
    specs = [tf.TensorSpec(leaf.shape, leaf.dtype, name) for name, leaf in named]

    @tf.function(input_signature=[IDS, *specs], autograph=False)
    def step(ids: Any, *leaves: Any) -> dict[str, Any]:
        memory, state = tf.nest.pack_sequence_as((inputs["memory"], inputs["state"]), leaves)
        outputs = single_step({"ids": ids, "memory": memory, "state": state})
        state = dict(named_leaves(outputs["state"], "next_state"))
        return {"logits": outputs["logits"], "weights": outputs["weights"], **state}

    return step
