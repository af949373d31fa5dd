"""GRU and LSTM cells, and the loop that scans a cell over time.

B batch  T time  H units  G gates (3H or 4H)
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from nmt.linear import Product, StepProduct, Tensor
from nmt.seeding import derive_seed

CellState = tuple[Tensor, ...]  # (h,) of a GRU, (h, c) of an LSTM


class CellWeights(NamedTuple):
    """The weights that turn a cell's inputs, or its state, into gates, cast once for a whole loop.

    `step` is a function of gates, state and these: the weights of several cells can be stacked on a
    leading axis, with gates and states to match, and run in one loop.
    """

    product: Product
    bias: Tensor | None = None  # added after the product has been normalised, or reset
    gain: Tensor | None = None  # of the layer normalisation


class _Cell(keras.layers.Layer):
    """A recurrent cell in two parts, so that the part that depends on the inputs alone is computed
    for all steps at once.

    `project` maps inputs ...i to gates ...g; `step` maps gates ...g and the state (each ...h) to
    the next state, whose first entry is the output. Inside a loop both take the weights that
    `input_weights` and `recurrent_weights` returned before it.
    """

    num_gates: int
    num_states: int

    def __init__(self, input_units: int, units: int, *, seed: int = 0, name: str, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.units = units
        glorot = keras.initializers.GlorotUniform(seed=derive_seed(seed, name, "kernel"))
        orthogonal = keras.initializers.Orthogonal(seed=derive_seed(seed, name, "recurrent_kernel"))
        width = self.num_gates * units
        self.kernel = self.add_weight((input_units, width), initializer=glorot, name="kernel")
        self.recurrent_kernel = self.add_weight(
            (units, width), initializer=orthogonal, name="recurrent_kernel"
        )
        self.bias = self.add_weight((width,), initializer=self._initial_bias, name="bias")
        self.built = True

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Tensor:
        return ops.zeros(shape, dtype)

    def input_weights(self) -> CellWeights:
        return CellWeights(StepProduct(self._cast(self.kernel), self._cast(self.bias)))

    def recurrent_weights(self) -> CellWeights:
        return CellWeights(StepProduct(self._cast(self.recurrent_kernel)))

    def project(self, inputs: Tensor, weights: CellWeights | None = None) -> Tensor:
        weights = weights or self.input_weights()
        return weights.product(ops.cast(inputs, self.compute_dtype))

    def step(
        self, gates: Tensor, state: CellState, weights: CellWeights | None = None
    ) -> CellState:
        raise NotImplementedError

    def _recur(self, hidden: Tensor, weights: CellWeights) -> Tensor:
        """The state's part of the gates."""
        return weights.product(hidden)

    def _cast(self, variable: keras.Variable) -> Tensor:
        return ops.cast(variable, self.compute_dtype)

    def initial_state(self, *leading: Any) -> CellState:
        return tuple(
            ops.zeros((*leading, self.units), self.compute_dtype) for _ in range(self.num_states)
        )


class GRUCell(_Cell):
    """Cho et al. (2014), with the reset gate after the recurrent product, as in cuDNN, Keras and
    ONNX:

    z = sigmoid(x_z + U_z h),  r = sigmoid(x_r + U_r h),  n = tanh(x_n + r * (U_n h + b)),
    h' = z h + (1 - z) n.
    """

    num_gates, num_states = 3, 1

    def __init__(self, input_units: int, units: int, **kwargs: Any):
        super().__init__(input_units, units, **kwargs)
        self.recurrent_bias = self.add_weight((units,), initializer="zeros", name="recurrent_bias")

    def recurrent_weights(self) -> CellWeights:
        return super().recurrent_weights()._replace(bias=self._cast(self.recurrent_bias))

    def step(
        self, gates: Tensor, state: CellState, weights: CellWeights | None = None
    ) -> CellState:
        weights = weights or self.recurrent_weights()
        (hidden,) = state
        recurrent = self._recur(hidden, weights)
        # `split` and not slices, whose gradients are padded with zeros and added up.
        x_zr, x_n = ops.split(gates, [2 * self.units], axis=-1)
        h_zr, h_n = ops.split(recurrent, [2 * self.units], axis=-1)
        z, r = ops.split(ops.sigmoid(x_zr + h_zr), 2, axis=-1)
        candidate = ops.tanh(x_n + r * (h_n + weights.bias))
        return (candidate + z * (hidden - candidate),)


class LSTMCell(_Cell):
    """Hochreiter and Schmidhuber (1997) with a forget gate: i, f, o = sigmoid, g = tanh of x + U h;
    c' = f c + i g,  h' = o tanh(c'). The forget gate's bias starts at 1 (Jozefowicz et al., 2015).
    """

    num_gates, num_states = 4, 2

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Tensor:
        zeros = ops.zeros(self.units)
        return ops.concatenate([zeros, ops.ones(self.units), zeros, zeros])  # gates: i, f, g, o

    def step(
        self, gates: Tensor, state: CellState, weights: CellWeights | None = None
    ) -> CellState:
        weights = weights or self.recurrent_weights()
        hidden, carry = state
        i, f, g, o = ops.split(gates + self._recur(hidden, weights), 4, axis=-1)
        carry = ops.sigmoid(f) * carry + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(carry), carry


class _LayerNormalized(_Cell):
    """Ba et al. (2016), section 3.1 and supplement: the inputs' and the state's part of the gates
    are normalised separately, each gate on its own (Chen et al., 2018, 2.1), before gain and bias:

    gain (a - mean(a)) / std(a).
    """

    def __init__(self, input_units: int, units: int, **kwargs: Any):
        super().__init__(input_units, units, **kwargs)
        width = (self.num_gates * units,)
        self.gain = self.add_weight(width, initializer="ones", name="gain")
        self.recurrent_gain = self.add_weight(width, initializer="ones", name="recurrent_gain")

    def input_weights(self) -> CellWeights:
        kernel, bias, gain = map(self._cast, (self.kernel, self.bias, self.gain))
        return CellWeights(StepProduct(kernel), bias, gain)

    def recurrent_weights(self) -> CellWeights:
        return super().recurrent_weights()._replace(gain=self._cast(self.recurrent_gain))

    def project(self, inputs: Tensor, weights: CellWeights | None = None) -> Tensor:
        weights = weights or self.input_weights()
        return self._normalize(super().project(inputs, weights)) * weights.gain + weights.bias

    def _recur(self, hidden: Tensor, weights: CellWeights) -> Tensor:
        return self._normalize(super()._recur(hidden, weights)) * weights.gain

    def _normalize(self, sums: Tensor) -> Tensor:
        gates = ops.reshape(sums, (*ops.shape(sums)[:-1], self.num_gates, self.units))
        gates = ops.cast(gates, "float32")  # a variance in bfloat16 is off by percents
        mean, variance = ops.moments(gates, axes=-1, keepdims=True)
        return ops.cast(
            ops.reshape((gates - mean) * ops.rsqrt(variance + 1e-5), ops.shape(sums)), sums.dtype
        )


class LayerNormGRUCell(_LayerNormalized, GRUCell):
    """A GRU whose gates are layer-normalised."""


class LayerNormLSTMCell(_LayerNormalized, LSTMCell):
    """An LSTM whose gates are layer-normalised; c is not, unlike in the supplement of Ba et al."""


CELLS = {
    "gru": GRUCell,
    "lstm": LSTMCell,
    "layer_norm_gru": LayerNormGRUCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}


def scan(
    step: Callable[[Any, Any, Any], Any],
    inputs: Any,
    initial: Any,
    *,
    weights: Any = (),
    reverse: bool = False,
) -> Any:
    """Folds `step(carry, inputs_at_t, weights) -> carry` over the second axis.

    inputs: a structure of bt...; initial: the carry, a structure of b...; returns every carry, a
    structure of bt....

    `weights` is a structure that `step` receives as its third argument. The gradient of each
    `StepProduct` in it, the sum over t of x_t^T dy_t, is taken as one product after the loop
    instead of T small ones and their sums within it: same numbers, less time. For that, each x_t
    leaves the loop as an output, and each dy_t as the gradient of a dummy input.
    """
    time_major = tf.nest.map_structure(_swap, inputs)
    products = [leaf for leaf in tf.nest.flatten(weights) if isinstance(leaf, StepProduct)]
    if not products:
        carries = tf.scan(
            lambda carry, inputs_at_t: step(carry, inputs_at_t, weights),
            time_major,
            initial,
            reverse=reverse,
        )
        return tf.nest.map_structure(_swap, carries)

    first = tf.nest.flatten(time_major)[0]
    steps, batch = tf.unstack(tf.shape(first)[:2])
    rows_TBI: list[Tensor] = []  # one entry per product; filled once the loop is built
    dummies = [
        _dummy(product.kernel, (steps, batch), rows_TBI, index)
        for index, product in enumerate(products)
    ]

    def tapped_step(carry: Any, inputs_at_t: Any) -> Any:
        inputs_at_t, dummies_at_t = inputs_at_t
        taps = [
            _Tap.of(product, dummy) for product, dummy in zip(products, dummies_at_t, strict=True)
        ]
        carry = step(carry[0], inputs_at_t, _replace_step_products(weights, taps))
        unused = sum(not tap.rows for tap in taps)
        if unused:
            raise ValueError(
                f"expected `step` to compute each of {len(taps)} products. Left: {unused}."
            )
        return carry, [tap.rows[0] for tap in taps]

    rows = [tf.zeros((batch, product.kernel.shape[0]), first.dtype) for product in products]
    carries, rows = tf.scan(tapped_step, (time_major, dummies), (initial, rows), reverse=reverse)
    rows_TBI += rows
    return tf.nest.map_structure(_swap, carries)


def _replace_step_products(weights: Any, taps: list["_Tap"]) -> Any:
    remaining = iter(taps)
    return tf.nest.map_structure(
        lambda leaf: next(remaining) if isinstance(leaf, StepProduct) else leaf, weights
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Tap(Product):
    """A product in one step of a loop: keeps its rows, and passes the gradient of its outputs to
    the dummy and none to the kernel."""

    dummy: Tensor = None
    rows: list[Tensor] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, product: Product, dummy: Tensor) -> "_Tap":
        if product.transposed:
            raise ValueError("expected a kernel of inputs by outputs. Received: a transposed one.")
        return cls(product.kernel, product.bias, product.transposed, product.folds, dummy)

    def multiply(self, rows: Tensor) -> Tensor:
        if self.rows:
            raise ValueError("expected `step` to compute each product once. Received: twice.")

        @tf.custom_gradient
        def product(rows: Tensor, dummy: Tensor) -> Any:
            return tf.matmul(rows, self.kernel), lambda upstream: (
                tf.matmul(upstream, self.kernel, transpose_b=True),
                upstream,
            )

        self.rows.append(rows)
        return product(rows, self.dummy)


def _dummy(kernel: Tensor, leading: Any, rows_TBI: list[Tensor], index: int) -> Tensor:
    """Zeros of the shape of a kernel's products at all steps. The gradient that flows back to them
    becomes the kernel's gradient."""

    @tf.custom_gradient
    def zeros(kernel: Tensor) -> Any:
        def gradient(upstream: Tensor) -> Tensor:
            rows, upstream = (tf.reshape(x, (-1, x.shape[-1])) for x in (rows_TBI[index], upstream))
            return tf.matmul(rows, upstream, transpose_a=True)

        return tf.zeros((*leading, kernel.shape[1]), kernel.dtype), gradient

    return zeros(kernel)


def _swap(tensor: Tensor) -> Tensor:
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
