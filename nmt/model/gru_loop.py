"""Several GRUs in one loop over time: both directions of an encoder's layer.

B batch  T time  D GRUs  H units  G gates (3H)

`recurrent.scan` is the general loop, and the oracle of this one. Here the GRUs share the operations
of each step, and the gradient is written by hand: whatever depends on the forward pass alone is
computed for all steps at once, outside of the loop backward.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from nmt.linear import Tensor
from nmt.model.recurrent import GRUCell


def scan_grus(cells: Sequence[GRUCell], gates: Sequence[Tensor], mask_BT: Tensor) -> list[Tensor]:
    """The states, bth, of GRUs of one size that start from zeros; every second one runs backward.

    gates: for each cell what its `project` returns, btg. Where the mask is false, a state stays as
    it is: there the update gate is exactly 1.
    """
    dtype = gates[0].dtype
    weights = [cell.recurrent_weights() for cell in cells]
    hold_TB = tf.transpose(1e4 * tf.cast(tf.logical_not(mask_BT), dtype))
    states_TDBH = _loop(
        tf.stack([_in_order(d, tf.transpose(x, [1, 0, 2])) for d, x in enumerate(gates)], axis=1),
        tf.stack([_in_order(d, hold_TB) for d in range(len(cells))], axis=1)[..., None],
        tf.stack([each.product.kernel for each in weights]),
        tf.stack([each.bias for each in weights])[:, None],
    )
    return [
        tf.transpose(_in_order(d, states_TBH), [1, 0, 2])
        for d, states_TBH in enumerate(tf.unstack(states_TDBH, len(cells), axis=1))
    ]


def _in_order(direction: int, tensor_T: Tensor) -> Tensor:
    return tf.reverse(tensor_T, [0]) if direction % 2 else tensor_T


def _loop(gates_TDBG: Tensor, hold_TDB1: Tensor, kernel_DHG: Tensor, bias_D1H: Tensor) -> Tensor:
    """The states, tdbh. With a_n = U_n h + b (see `GRUCell`), and d the gradient of the next state:

    d_z = d (h - n) z (1 - z),  d_n = d (1 - z) (1 - n^2),  d_r = d_n a_n r (1 - r),
    and the gradient of h is d z + [d_z, d_r, d_n r] U^T.
    """
    (num_grus, units, _), dtype = kernel_DHG.shape, gates_TDBG.dtype
    steps, _, batch, _ = tf.unstack(tf.shape(gates_TDBG))
    initial_DBH = tf.zeros((num_grus, batch, units), dtype)

    @tf.custom_gradient
    def states(gates: Tensor, kernel: Tensor, bias: Tensor) -> Any:
        inputs, holds = _array(gates), _array(hold_TDB1)

        def step(t: Tensor, hidden: Tensor, written: Any) -> Any:
            x_zr, x_n = tf.split(inputs.read(t), [2 * units, units], axis=-1)
            a_zr, a_n = tf.split(tf.matmul(hidden, kernel), [2 * units, units], axis=-1)
            zr = tf.sigmoid(x_zr + (a_zr + holds.read(t)))  # r is 1, too, and then changes nothing
            z, r = tf.split(zr, 2, axis=-1)
            a_n += bias
            n = tf.tanh(x_n + r * a_n)
            hidden = z * hidden + (1 - z) * n
            return t + 1, hidden, _write(t, written, (hidden, zr, n, a_n))

        _, _, written = tf.while_loop(
            lambda t, *_: t < steps, step, (0, initial_DBH, _arrays(4, dtype, steps))
        )
        hidden, zr, n, a_n = (array.stack() for array in written)

        def gradient(upstream: Tensor) -> Any:
            z, r = tf.split(zr, 2, axis=-1)
            before = tf.concat([initial_DBH[None], hidden[:-1]], axis=0)
            to_z, to_n = _array((before - n) * z * (1 - z)), _array((1 - z) * (1 - n * n))
            to_r = _array(a_n * r * (1 - r))
            keep, reset, upstreams = _array(z), _array(r), _array(upstream)

            def step_back(t: Tensor, d: Tensor, written: Any) -> Any:
                d += upstreams.read(t)
                d_n = d * to_n.read(t)
                d_a = tf.concat(
                    [d * to_z.read(t), d_n * to_r.read(t), d_n * reset.read(t)], axis=-1
                )
                d = d * keep.read(t) + tf.matmul(d_a, kernel, transpose_b=True)
                return t - 1, d, _write(t, written, (d_a, d_n))

            _, _, written = tf.while_loop(
                lambda t, *_: t >= 0,
                step_back,
                (steps - 1, tf.zeros_like(initial_DBH), _arrays(2, dtype, steps)),
            )
            d_a, d_n = (array.stack() for array in written)
            d_zr, d_a_n = tf.split(d_a, [2 * units, units], axis=-1)
            to_bias = tf.reduce_sum(tf.cast(d_a_n, "float32"), [0, 2])[:, None]
            rows_DNH, rows_DNG = (
                tf.reshape(tf.transpose(x, [1, 0, 2, 3]), (num_grus, -1, width))
                for x, width in ((before, units), (d_a, 3 * units))
            )
            to_kernel = tf.matmul(rows_DNH, rows_DNG, transpose_a=True)
            return tf.concat([d_zr, d_n], axis=-1), to_kernel, tf.cast(to_bias, dtype)

        return hidden, gradient

    return states(gates_TDBG, kernel_DHG, bias_D1H)


def _array(tensor_T: Tensor) -> tf.TensorArray:
    """The entries of the first axis, for a loop that reads them one by one."""
    return tf.TensorArray(tensor_T.dtype, tf.shape(tensor_T)[0]).unstack(tensor_T)


def _arrays(count: int, dtype: Any, steps: Tensor) -> list[tf.TensorArray]:
    return [tf.TensorArray(dtype, steps) for _ in range(count)]


def _write(t: Tensor, arrays: Sequence[tf.TensorArray], values: Sequence[Tensor]) -> Any:
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]
