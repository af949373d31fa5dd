"""Products of inputs and weights, in the precision of the computation, and the layer that holds
the weights of one.

A layer hands out its weights as a `Product`, cast once, and a loop over time passes it to each
step.
"""

import dataclasses
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras import ops

from nmt.seeding import derive_seed

Tensor: TypeAlias = Any  # a TensorFlow tensor, or what converts to one


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """inputs ...i -> inputs . kernel + bias, ...o, with a kernel io (oi if `transposed`; nio for n
    products of inputs nbi, side by side, which are not folded).

    `folds`: fold the leading axes into one, because TensorFlow would broadcast a product of a
    rank-3 with a rank-2 tensor as a batch of small products.
    """

    kernel: Tensor
    bias: Tensor | None = None
    transposed: bool = False
    folds: bool = True

    def __call__(self, inputs: Tensor) -> Tensor:
        if not self.folds:
            return self._add_bias(self.multiply(inputs))
        input_units, units = reversed(self.kernel.shape) if self.transposed else self.kernel.shape
        outputs = self._add_bias(self.multiply(ops.reshape(inputs, (-1, input_units))))
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], units))

    def _add_bias(self, outputs: Tensor) -> Tensor:
        return outputs if self.bias is None else outputs + self.bias

    def multiply(self, rows: Tensor) -> Tensor:
        return tf.matmul(rows, self.kernel, transpose_b=self.transposed)


class StepProduct(Product):
    """A product that every step of a loop computes exactly once, with one row per sentence.

    Elsewhere it is an ordinary product; `nmt.model.recurrent.scan` takes its gradient after the
    loop.
    """


def unfolded(weights: Any) -> Any:
    """The same structure of weights, with products that leave inputs of any rank as they are: for
    ONNX, whose MatMul folds by itself."""
    return tf.nest.map_structure(
        lambda leaf: dataclasses.replace(leaf, folds=False) if isinstance(leaf, Product) else leaf,
        weights,
    )


def linear(
    inputs: Tensor, kernel: Tensor, bias: Tensor | None = None, transposed: bool = False
) -> Tensor:
    """inputs ...i, kernel io (oi if `transposed`) -> ...o, in the precision of the inputs."""
    kernel = ops.cast(kernel, inputs.dtype)
    bias = None if bias is None else ops.cast(bias, inputs.dtype)
    return Product(kernel, bias, transposed)(inputs)


class Linear(keras.layers.Layer):
    """inputs ...i -> ...o. Its width is given, so that its weights exist before any data does."""

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
        self.supports_masking = True  # the steps stay where they are
        glorot = keras.initializers.GlorotUniform(seed=derive_seed(seed, name, "kernel"))
        self.kernel = self.add_weight((input_units, units), initializer=glorot, name="kernel")
        self.bias = (
            self.add_weight((units,), initializer="zeros", name="bias") if use_bias else None
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return self.product()(ops.cast(inputs, self.compute_dtype))

    def product(self) -> StepProduct:
        """The layer's weights in the precision of the computation, as a loop needs them."""
        bias = None if self.bias is None else ops.cast(self.bias, self.compute_dtype)
        return StepProduct(ops.cast(self.kernel, self.compute_dtype), bias)
