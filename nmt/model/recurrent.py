"""GRU and LSTM cells, and the one loop that scans a cell over time.

B batch  T time  H units  G gates (3H or 4H)
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nmt.linear import _scope, linear, weight
from nmt.seeding import derive_seed

CellState = tuple[Any, ...]  # (h,) of a GRU, (h, c) of an LSTM


class _Cell(keras.layers.Layer):
    """A recurrent cell in two parts, so that what depends on the inputs alone is computed for all
    steps at once.

    `project` maps inputs ...i to gates ...g; `step` maps gates ...g and the state (each ...h) to
    the next state, whose first entry is the output.
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

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        return ops.zeros(shape, dtype)

    def project(self, inputs: Any) -> Any:
        return linear(ops.cast(inputs, self.compute_dtype), self.kernel, self.bias)

    def _recur(self, hidden: Any) -> Any:
        return linear(hidden, self.recurrent_kernel)

    def initial_state(self, *leading: Any) -> CellState:
        return tuple(
            ops.zeros((*leading, self.units), self.compute_dtype) for _ in range(self.num_states)
        )


class GRUCell(_Cell):
    """Cho et al. (2014), with the reset gate after the recurrent product, as in cuDNN, Keras and
    ONNX:

    z = sigmoid(x_z + U_z h),  r = sigmoid(x_r + U_r h),  n = tanh(x_n + r * (U_n h + b)),  h' = z h + (1 - z) n.
    """

    num_gates, num_states = 3, 1

    def __init__(self, input_units: int, units: int, **kwargs: Any):
        super().__init__(input_units, units, **kwargs)
        self.recurrent_bias = self.add_weight((units,), initializer="zeros", name="recurrent_bias")

    def step(self, gates: Any, state: CellState) -> CellState:
        (hidden,) = state
        recurrent = self._recur(hidden)
        # `split` and not slices, whose gradients are padded with zeros and added up.
        x_zr, x_n = ops.split(gates, [2 * self.units], axis=-1)
        h_zr, h_n = ops.split(recurrent, [2 * self.units], axis=-1)
        z, r = ops.split(ops.sigmoid(x_zr + h_zr), 2, axis=-1)
        candidate = ops.tanh(x_n + r * (h_n + weight(self.recurrent_bias, hidden.dtype)))
        return (candidate + z * (hidden - candidate),)


class LSTMCell(_Cell):
    """Hochreiter and Schmidhuber (1997) with a forget gate: i, f, o = sigmoid, g = tanh of x + U h;
    c' = f c + i g,  h' = o tanh(c'). The forget gate's bias starts at 1 (Jozefowicz et al., 2015).
    """

    num_gates, num_states = 4, 2

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        return ops.concatenate(
            [
                ops.zeros(self.units),
                ops.ones(self.units),
                ops.zeros(2 * self.units),
            ]  # gates: i, f, g, o
        )

    def step(self, gates: Any, state: CellState) -> CellState:
        hidden, carry = state
        i, f, g, o = ops.split(gates + self._recur(hidden), 4, axis=-1)
        carry = ops.sigmoid(f) * carry + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(carry), carry


class _LayerNormalized(_Cell):
    """Ba et al. (2016), section 3.1 and supplement: what inputs and what states add to the gates are normalised apart,
    each gate on its own (Chen et al., 2018, 2.1), before gain and bias:  gain (a - mean(a)) / std(a).
    """

    def __init__(self, input_units: int, units: int, **kwargs: Any):
        super().__init__(input_units, units, **kwargs)
        width = (self.num_gates * units,)
        self.gain = self.add_weight(width, initializer="ones", name="gain")
        self.recurrent_gain = self.add_weight(width, initializer="ones", name="recurrent_gain")

    def project(self, inputs: Any) -> Any:
        sums = linear(ops.cast(inputs, self.compute_dtype), self.kernel)
        return self._normalize(sums) * weight(self.gain, sums.dtype) + weight(self.bias, sums.dtype)

    def _recur(self, hidden: Any) -> Any:
        sums = super()._recur(hidden)
        return self._normalize(sums) * weight(self.recurrent_gain, sums.dtype)

    def _normalize(self, sums: Any) -> Any:
        gates = ops.reshape(sums, (*ops.shape(sums)[:-1], self.num_gates, self.units))
        gates = ops.cast(gates, "float32")  # a variance in bfloat16 is off by percents
        mean, variance = ops.moments(gates, axes=-1, keepdims=True)
        return ops.cast(
            ops.reshape((gates - mean) * ops.rsqrt(variance + 1e-5), ops.shape(sums)), sums.dtype
        )


class LayerNormGRUCell(_LayerNormalized, GRUCell):
    """A GRU whose gates are layer-normalised."""


class LayerNormLSTMCell(_LayerNormalized, LSTMCell):
    """An LSTM whose gates are layer-normalised."""


CELLS = {
    "gru": GRUCell,
    "lstm": LSTMCell,
    "layer_norm_gru": LayerNormGRUCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}


def scan(
    step: Callable[[Any, Any], Any],
    inputs: Any,
    initial: Any,
    *,
    kernels: Sequence[Any] = (),
    reverse: bool = False,
) -> Any:
    """Folds `step(carry, inputs_at_t) -> carry` over the second axis.

    inputs: a structure of bt...; initial: the carry, a structure of b...; returns every carry, a
    structure of bt....

    `kernels` are weights io that `step` multiplies by `linear` exactly once, with b rows. Their
    gradient, the sum over t of x_t^T dy_t, is then one product after the loop instead of T small
    ones and their sums within it: same numbers, less time. To that end each x_t leaves the loop as
    an output, and each dy_t as the gradient of a dummy input.
    """
    time_major = tf.nest.map_structure(_swap, inputs)
    if not kernels:
        return tf.nest.map_structure(_swap, tf.scan(step, time_major, initial, reverse=reverse))

    first = tf.nest.flatten(time_major)[0]
    steps, batch = tf.unstack(tf.shape(first)[:2])
    seen: list[
        Any
    ] = []  # by kernel, x of all steps; known once the loop is built, and so before any gradient is
    dummies = [
        _dummy(kernel, first.dtype, (steps, batch), seen, index)
        for index, kernel in enumerate(kernels)
    ]

    def tapped_step(carry: Any, inputs_at_t: Any) -> Any:
        inputs_at_t, dummies_at_t = inputs_at_t
        taps = [_Tap(dummy) for dummy in dummies_at_t]
        waiting = _scope.taps = {id(kernel): tap for kernel, tap in zip(kernels, taps, strict=True)}
        try:
            carry = step(carry[0], inputs_at_t)
        finally:
            _scope.taps = {}
        if waiting:
            raise ValueError(
                f"expected `step` to multiply by each of {len(kernels)} kernels. Left:"
                f" {len(waiting)}."
            )
        return carry, [tap.rows for tap in taps]

    rows = [tf.zeros((batch, kernel.shape[0]), first.dtype) for kernel in kernels]
    carries, rows = tf.scan(tapped_step, (time_major, dummies), (initial, rows), reverse=reverse)
    seen += rows
    return tf.nest.map_structure(_swap, carries)


class _Tap:
    """One product of a step: keeps its rows, and leaves the gradient of its weights to the dummy."""

    def __init__(self, dummy: Any):
        self.dummy, self.rows = dummy, None

    def __call__(self, rows: Any, kernel: Any) -> Any:
        @tf.custom_gradient
        def product(rows: Any, dummy: Any) -> Any:
            return tf.matmul(rows, kernel), lambda upstream: (
                tf.matmul(upstream, kernel, transpose_b=True),
                upstream,
            )

        self.rows = rows
        return product(rows, self.dummy)


def _dummy(kernel: Any, dtype: Any, leading: Any, seen: list[Any], index: int) -> Any:
    """Zeros of the shape of a kernel's products at all steps; what flows back to them becomes the
    kernel's gradient."""

    @tf.custom_gradient
    def zeros(kernel: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            rows, upstream = (tf.reshape(x, (-1, x.shape[-1])) for x in (seen[index], upstream))
            return tf.matmul(rows, upstream, transpose_a=True)

        return tf.zeros((*leading, kernel.shape[1]), dtype), gradient

    return zeros(weight(kernel, dtype))


def _swap(tensor: Any) -> Any:
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
