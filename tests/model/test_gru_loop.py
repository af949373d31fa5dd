"""GRUs in one loop equal `scan` of each of them: states, and gradients written by hand."""

import numpy as np
import pytest
import tensorflow as tf

from nmt.model.encoder import _scan
from nmt.model.gru_loop import scan_grus
from nmt.model.recurrent import GRUCell

BATCH, STEPS, INPUTS, UNITS = 3, 5, 4, 6
MASKS = {
    "no padding": [5, 5, 5],
    "padding": [5, 2, 1],
    "a row of padding only": [3, 0, 5],
}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def states_and_gradients(run, cells, mask, graph):
    """By inputs and all variables, of a sum in which every state has its own weight."""
    inputs = tf.constant(random(BATCH, STEPS, INPUTS))

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            states = run([cell.project(inputs) for cell in cells], mask)
            losses = [
                tf.reduce_sum(
                    tf.sin(tf.cast(x, "float32")) * random(BATCH, STEPS, UNITS, seed=3 + i)
                )
                for i, x in enumerate(states)
            ]
        variables = [v.value for cell in cells for v in cell.trainable_variables]
        return states, tape.gradient(losses, [inputs, *variables])

    return (tf.function(compute) if graph else compute)()


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("lengths", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("mixed_bfloat16", 0.05)])
def test_the_loop_equals_a_scan_of_each_cell(
    dtype, tolerance, directions, lengths, graph, randomize
):
    cells = [
        randomize(GRUCell(INPUTS, UNITS, name=f"gru_{d}", dtype=dtype), seed=d)
        for d in range(directions)
    ]
    mask = tf.sequence_mask(lengths, STEPS)
    states, gradients = states_and_gradients(
        lambda gates, mask: scan_grus(cells, gates, mask), cells, mask, graph
    )
    expected_states, expected_gradients = states_and_gradients(
        lambda gates, mask: [
            _scan(cell, gates[d], mask, reverse=bool(d))[0] for d, cell in enumerate(cells)
        ],
        cells,
        mask,
        graph,
    )
    for ours, expected in zip(
        [*states, *gradients], [*expected_states, *expected_gradients], strict=True
    ):
        assert ours.dtype == expected.dtype
        ours, expected = (tf.cast(x, "float32").numpy() for x in (ours, expected))
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(ours, expected, atol=tolerance * max(1, np.abs(expected).max()))


def test_a_state_at_padding_is_exactly_the_one_before(randomize):
    cell = randomize(GRUCell(INPUTS, UNITS, name="gru"))
    gates = 100 * cell.project(tf.constant(random(BATCH, STEPS, INPUTS)))
    (states,) = scan_grus([cell], [gates], tf.sequence_mask([2, 2, 2], STEPS))
    np.testing.assert_array_equal(states[:, 2:], np.repeat(states[:, 1:2], STEPS - 2, axis=1))
