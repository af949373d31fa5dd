"""Products of inputs and weights, in the precision of the computation, and the layer that holds
one."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nmt.seeding import derive_seed

_scope = threading.local()


@contextlib.contextmanager
def weights_cast_once(layer: keras.layers.Layer) -> Iterator[None]:
    """Inside, `weight` returns tensors cast here: once, and not again at each step of a loop that
    is traced inside."""
    outer = getattr(_scope, "weights", {})
    # Keras reads a variable in the precision of the layer that is being called.
    _scope.weights = {
        **outer,
        **{id(v): ops.cast(v, layer.compute_dtype) for v in layer.trainable_variables},
    }
    try:
        yield
    finally:
        _scope.weights = outer


@contextlib.contextmanager
def products_as_they_are() -> Iterator[None]:
    """Inside, `linear` hands inputs of any rank to the product: for ONNX, whose MatMul folds them
    by itself."""
    _scope.folds = False
    try:
        yield
    finally:
        _scope.folds = True


def weight(variable: Any, dtype: Any) -> Any:
    """A variable's value in the precision of the computation."""
    return ops.cast(getattr(_scope, "weights", {}).get(id(variable), variable), dtype)


def linear(inputs: Any, kernel: Any, bias: Any = None, transposed: bool = False) -> Any:
    """inputs ...i, kernel io (oi if `transposed`) -> ...o, as one product of two matrices, in the
    inputs' precision.

    A product of a rank-3 with a rank-2 tensor would be broadcast as a batch of small ones.
    """
    tap = getattr(_scope, "taps", {}).pop(id(kernel), None)
    kernel = weight(kernel, inputs.dtype)
    input_units, units = reversed(kernel.shape) if transposed else kernel.shape
    folds = getattr(_scope, "folds", True)
    rows = ops.reshape(inputs, (-1, input_units)) if folds else inputs
    outputs = tap(rows, kernel) if tap else tf.matmul(rows, kernel, transpose_b=transposed)
    if bias is not None:
        outputs = outputs + weight(bias, inputs.dtype)
    return ops.reshape(outputs, (*ops.shape(inputs)[:-1], units)) if folds else outputs


class Linear(keras.layers.Layer):
    """inputs ...i -> ...o. Knows its width from the start, so that it exists before any data does."""

    def __init__(
        self,
        input_units: int,
        units: int,
        *,
        use_bias: bool = True,
        seed: int = 0,
        name: str,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.supports_masking = True  # Keras's, of steps, which stay what they are
        glorot = keras.initializers.GlorotUniform(seed=derive_seed(seed, name, "kernel"))
        self.kernel = self.add_weight((input_units, units), initializer=glorot, name="kernel")
        self.bias = (
            self.add_weight((units,), initializer="zeros", name="bias") if use_bias else None
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        return linear(ops.cast(inputs, self.compute_dtype), self.kernel, self.bias)
