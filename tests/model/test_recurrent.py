"""Cells and the scan: by hand, and against Keras's own layers with copied weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmt.linear import Linear, Product, StepProduct, linear, unfolded
from nmt.model.recurrent import CELLS, GRUCell, LSTMCell, scan
from nmt.seeding import derive_seed

BATCH, STEPS, INPUTS, UNITS = 3, 5, 4, 6


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def cell_and_twin(name, randomize):
    """Our cell, and Keras's layer with the same weights."""
    cell = randomize(CELLS[name](INPUTS, UNITS, name=name))
    options = {"return_sequences": True, "return_state": True}
    twin = (
        keras.layers.GRU(UNITS, reset_after=True, **options)
        if name == "gru"
        else keras.layers.LSTM(UNITS, **options)
    )
    twin.build((BATCH, STEPS, INPUTS))
    if name == "gru":
        # Keras has two biases for every gate. Only the candidate's recurrent one stands inside the
        # reset gate's product, the others can be split in any way.
        recurrent = random(3 * UNITS, seed=7)
        recurrent[2 * UNITS :] = cell.recurrent_bias
        bias = cell.bias.numpy() - np.concatenate([recurrent[: 2 * UNITS], np.zeros(UNITS)])
        twin.set_weights([cell.kernel, cell.recurrent_kernel, np.stack([bias, recurrent])])
    else:
        twin.set_weights([cell.kernel, cell.recurrent_kernel, cell.bias])
    return cell, twin


def step_of(cell):
    return lambda state, gates, weights: cell.step(gates, state, weights or None)


def run(cell, inputs, initial, **options):
    return scan(step_of(cell), cell.project(inputs), initial, **options)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_scanned_cell_equals_the_layer_of_keras(name, randomize):
    cell, twin = cell_and_twin(name, randomize)
    inputs = random(BATCH, STEPS, INPUTS)
    initial = tuple(random(BATCH, UNITS, seed=1 + i) for i in range(cell.num_states))
    states = run(cell, inputs, initial)
    expected, *final = twin(inputs, initial_state=list(initial))
    np.testing.assert_allclose(states[0], expected, atol=1e-6)
    assert len(states) == len(final)
    for ours, theirs in zip(states, final, strict=True):
        np.testing.assert_allclose(ours[:, -1], theirs, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_a_reverse_scan_equals_a_scan_of_the_reversed_inputs(name, randomize):
    cell = randomize(CELLS[name](INPUTS, UNITS, name=name))
    inputs, initial = random(BATCH, STEPS, INPUTS), cell.initial_state(BATCH)
    backward = run(cell, inputs, initial, reverse=True)
    forward_of_reversed = run(cell, inputs[:, ::-1], initial)
    for ours, expected in zip(backward, forward_of_reversed, strict=True):
        np.testing.assert_allclose(ours, expected[:, ::-1], atol=1e-6)


def test_a_gru_step_by_hand():
    cell = GRUCell(1, 1, name="gru")
    cell.recurrent_kernel.assign([[0.0, 0.0, 1.0]])  # gates: z, r, n
    cell.recurrent_bias.assign([3.0])
    # z = r = sigmoid(0) = 1/2,  n = tanh(-2 + 1/2 (1 * 1 + 3)) = 0,  h' = 1/2 * 1 + 1/2 * 0.
    (hidden,) = cell.step(tf.constant([[0.0, 0.0, -2.0]]), (tf.constant([[1.0]]),))
    np.testing.assert_allclose(hidden, [[0.5]], atol=1e-7)


def test_the_update_gate_of_a_gru_keeps_the_old_state():
    cell = GRUCell(1, 1, name="gru")
    (kept,) = cell.step(tf.constant([[50.0, 0.0, 2.0]]), (tf.constant([[0.25]]),))
    (replaced,) = cell.step(tf.constant([[-50.0, 0.0, 50.0]]), (tf.constant([[0.25]]),))
    np.testing.assert_allclose([kept, replaced], [[[0.25]], [[1.0]]], atol=1e-6)


def test_an_lstm_step_by_hand():
    cell = LSTMCell(1, 1, name="lstm")
    cell.recurrent_kernel.assign([[0.0, 0.0, 1.0, 0.0]])  # gates: i, f, g, o
    # i = 1/2, f = 1/2, o = 1:  g = tanh(-1 + 1 * 1) = 0,  c' = 1/2 * 3 + 1/2 * 0,  h' = tanh(c').
    hidden, carry = cell.step(
        tf.constant([[0.0, 0.0, -1.0, 50.0]]), (tf.constant([[1.0]]), tf.constant([[3.0]]))
    )
    np.testing.assert_allclose([hidden, carry], [[[np.tanh(1.5)]], [[1.5]]], atol=1e-6)


@pytest.mark.parametrize(
    ("gates", "carry"),
    [
        ([50.0, -50.0, 50.0, 50.0], 1.0),
        ([-50.0, 50.0, 50.0, 50.0], 3.0),
        ([-50.0, -50.0, 50.0, 50.0], 0.0),
    ],
    ids=["input gate", "forget gate", "both closed"],
)
def test_each_gate_of_an_lstm_has_its_place(gates, carry):
    cell = LSTMCell(1, 1, name="lstm")
    _, new = cell.step(tf.constant([gates]), (tf.constant([[0.0]]), tf.constant([[3.0]])))
    np.testing.assert_allclose(new, [[carry]], atol=1e-6)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_layer_normalised_cell_is_the_cell_on_normalised_sums(name, randomize):
    """Ba et al. (2016), supplement, in NumPy: each gate's sum over the inputs, and over the state,
    is normalised."""

    def normalized(sums):
        gates = sums.reshape(*sums.shape[:-1], -1, UNITS)
        return (
            (gates - gates.mean(-1, keepdims=True)) / np.sqrt(gates.var(-1, keepdims=True) + 1e-5)
        ).reshape(sums.shape)

    cell = randomize(CELLS[f"layer_norm_{name}"](INPUTS, UNITS, name=name))
    inputs, state = (
        random(BATCH, INPUTS),
        tuple(random(BATCH, UNITS, seed=i) for i in range(1, 1 + cell.num_states)),
    )
    x = normalized(inputs @ cell.kernel.numpy()) * cell.gain + cell.bias
    h = normalized(state[0] @ cell.recurrent_kernel.numpy()) * cell.recurrent_gain
    np.testing.assert_allclose(cell.project(inputs), x, atol=1e-5)
    received = cell.step(cell.project(inputs), tuple(map(tf.constant, state)))

    plain = CELLS[name](
        INPUTS, UNITS, name="plain"
    )  # made to add h to its gates, whatever its state's width
    plain._recur = lambda hidden, weights: tf.constant(h)
    if name == "gru":
        plain.recurrent_bias.assign(cell.recurrent_bias)
    for ours, expected in zip(
        received, plain.step(tf.constant(x), tuple(map(tf.constant, state))), strict=True
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_only_the_forget_gates_bias_starts_at_one():
    np.testing.assert_array_equal(
        LSTMCell(2, 3, name="lstm").bias, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    )


def test_scan_returns_every_carry():
    totals = scan(
        lambda total, x, _: total + x, tf.constant([[1, 2, 3], [4, 5, 6]]), tf.constant([0, 10])
    )
    np.testing.assert_array_equal(totals, [[1, 3, 6], [14, 19, 25]])


def test_a_reverse_scan_starts_at_the_end_and_keeps_the_places():
    totals = scan(
        lambda total, x, _: total + x, tf.constant([[1, 2, 3]]), tf.constant([0]), reverse=True
    )
    np.testing.assert_array_equal(totals, [[6, 5, 3]])


def test_scan_takes_structures():
    inputs, start = (
        {"x": tf.constant([[1.0, 2.0]]), "y": tf.constant([[3.0, 4.0]])},
        (tf.zeros(1), (tf.ones(1),)),
    )
    total, (product,) = scan(lambda c, i, _: (c[0] + i["x"], (c[1][0] * i["y"],)), inputs, start)
    np.testing.assert_array_equal(total, [[1, 3]])
    np.testing.assert_array_equal(product, [[3, 12]])


@pytest.mark.parametrize("leading", [(2,), (2, 3), (2, 3, 4)], ids=str)
def test_linear_multiplies_the_last_axis(leading):
    inputs, kernel, bias = (
        random(*leading, INPUTS),
        random(INPUTS, UNITS, seed=1),
        random(UNITS, seed=2),
    )
    outputs = linear(tf.constant(inputs), tf.constant(kernel), tf.constant(bias))
    np.testing.assert_allclose(outputs, inputs @ kernel + bias, atol=1e-5)


def test_linear_by_hand():
    outputs = linear(
        tf.constant([[1.0, 2.0]]), tf.constant([[1.0, 0.0], [3.0, 1.0]]), tf.constant([10.0, 20.0])
    )
    np.testing.assert_array_equal(outputs, [[17.0, 22.0]])


def test_linear_takes_a_transposed_kernel():
    kernel, inputs, bias = (
        random(UNITS, INPUTS),
        random(2, 3, INPUTS, seed=1),
        random(UNITS, seed=2),
    )
    outputs = linear(tf.constant(inputs), tf.constant(kernel), tf.constant(bias), transposed=True)
    np.testing.assert_allclose(outputs, inputs @ kernel.T + bias, atol=1e-5)


def test_linear_computes_in_the_precision_of_its_inputs():
    layer = Linear(INPUTS, UNITS, name="layer")
    assert linear(tf.ones((2, INPUTS), "bfloat16"), layer.kernel, layer.bias).dtype == tf.bfloat16
    mixed = Linear(INPUTS, UNITS, name="layer", dtype="mixed_bfloat16")
    assert mixed.kernel.dtype == "float32"
    assert mixed(tf.ones((2, INPUTS))).dtype == tf.bfloat16


def test_an_unfolded_product_computes_the_same_without_reshaping_its_inputs():
    inputs, layer = tf.constant(random(2, 3, INPUTS)), Linear(INPUTS, UNITS, name="layer")
    (product,) = unfolded((layer.product(),))

    def operations(function):
        graph = tf.function(function).get_concrete_function(inputs).graph
        return {operation.type for operation in graph.get_operations()}

    np.testing.assert_allclose(product(inputs), layer(inputs), atol=1e-6)
    assert "Reshape" in operations(layer.product()) and "Reshape" not in operations(product)


def test_several_kernels_stacked_are_one_batched_product():
    inputs, kernels = random(2, BATCH, INPUTS), random(2, INPUTS, UNITS, seed=1)
    product = Product(tf.constant(kernels), folds=False)
    np.testing.assert_allclose(product(tf.constant(inputs)), inputs @ kernels, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_two_cells_stacked_step_as_each_does_alone(name, randomize):
    """As both directions of an encoder layer would in one loop."""
    cells = [
        randomize(CELLS[name](INPUTS, UNITS, name=f"{name}_{seed}"), seed=seed) for seed in range(2)
    ]
    gates = tf.constant(random(2, BATCH, cells[0].num_gates * UNITS))
    state = tuple(tf.constant(random(2, BATCH, UNITS, seed=i)) for i in range(cells[0].num_states))

    def stacked(*parts):
        if parts[0] is None:
            return None
        if isinstance(parts[0], Product):
            return Product(tf.stack([part.kernel for part in parts]), folds=False)
        return tf.stack(parts)[:, None]

    weights = tf.nest.map_structure(stacked, *(cell.recurrent_weights() for cell in cells))
    together = cells[0].step(gates, state, weights)
    for index, cell in enumerate(cells):
        alone = cell.step(gates[index], tuple(entry[index] for entry in state))
        for ours, expected in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours[index], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", CELLS)
def test_taking_weights_once_changes_neither_numbers_nor_gradients(name, dtype, randomize):
    cell = randomize(CELLS[name](INPUTS, UNITS, name=name, dtype=dtype))
    inputs = random(BATCH, STEPS, INPUTS)

    def outputs_and_gradients(once):
        with tf.GradientTape() as tape:
            weights = tf.nest.map_structure(plain, cell.recurrent_weights()) if once else ()
            outputs = run(cell, inputs, cell.initial_state(BATCH), weights=weights)[0]
            loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
        return outputs, tape.gradient(loss, [v.value for v in cell.trainable_variables])

    outputs, gradients = outputs_and_gradients(once=True)
    expected_outputs, expected_gradients = outputs_and_gradients(once=False)
    np.testing.assert_array_equal(*(tf.cast(x, "float32") for x in (outputs, expected_outputs)))
    tolerance = 1e-6 if dtype == "float32" else 0.03
    for variable, ours, expected in zip(
        cell.trainable_variables, gradients, expected_gradients, strict=True
    ):
        assert np.any(expected), variable.path
        np.testing.assert_allclose(
            ours, expected, rtol=tolerance, atol=tolerance, err_msg=variable.path
        )


def test_the_same_name_and_seed_give_the_same_weights():
    for first, second in zip(
        CELLS["gru"](4, 6, seed=3, name="x").weights,
        GRUCell(4, 6, seed=3, name="x").weights,
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "other", [{"seed": 4, "name": "x"}, {"seed": 3, "name": "y"}], ids=["seed", "name"]
)
def test_another_seed_or_name_gives_other_weights(other):
    cell, another = GRUCell(4, 6, seed=3, name="x"), GRUCell(4, 6, **other)
    assert not np.any(cell.kernel.numpy() == another.kernel.numpy())
    assert not np.any(cell.recurrent_kernel.numpy() == another.recurrent_kernel.numpy())


def test_one_more_layer_does_not_shift_the_weights_of_the_next():
    alone = Linear(4, 6, seed=3, name="x")
    keras.utils.set_random_seed(12)
    Linear(4, 6, seed=3, name="one_more")
    np.testing.assert_array_equal(alone.kernel, Linear(4, 6, seed=3, name="x").kernel)


def test_seeds_depend_on_the_whole_path_and_nothing_else():
    paths = [
        (1,),
        (2,),
        (1, "encoder"),
        (1, "decoder"),
        (1, "encoder", 0),
        (1, "encoder", 1),
        (1, 0, "encoder"),
    ]
    seeds = [derive_seed(*path) for path in paths]
    assert len(set(seeds)) == len(paths)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == [derive_seed(*path) for path in paths]
    assert (
        derive_seed(1, "encoder") == 392769129
    )  # the same in every process: not Python's own salted hash


def plain(leaf):
    """A product whose gradient is taken within the loop."""
    return Product(leaf.kernel, leaf.bias) if isinstance(leaf, StepProduct) else leaf


def gradients(cell, weights, graph):
    """Of a scan's outputs, by weights and inputs."""
    inputs = tf.constant(random(BATCH, STEPS, INPUTS))

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            states = run(cell, inputs, cell.initial_state(BATCH), weights=weights())
            loss = tf.reduce_sum(tf.sin(states[0]) * random(BATCH, STEPS, UNITS, seed=3))
        variables = cell.trainable_variables
        return loss, tape.gradient(loss, [inputs, *variables])

    return (tf.function(compute, autograph=False) if graph else compute)()


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_a_kernels_gradient_taken_after_the_loop_is_that_taken_within_it(name, graph, randomize):
    cell = randomize(CELLS[name](INPUTS, UNITS, name=name))
    loss, expected = gradients(cell, tuple, graph)
    tapped_loss, received = gradients(cell, cell.recurrent_weights, graph)
    assert float(loss) == pytest.approx(float(tapped_loss), abs=1e-6)
    for ours, theirs in zip(received, expected, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(("times", "message"), [(0, "Left: 1"), (2, "once. Received: twice")])
def test_a_product_that_a_step_does_not_compute_once_is_an_error(times, message):
    def step(total, x, product):
        for _ in range(times):
            total = total + product(x)
        return total

    product = StepProduct(tf.eye(INPUTS))
    inputs, start = tf.constant(random(BATCH, STEPS, INPUTS)), tf.zeros((BATCH, INPUTS))
    with pytest.raises(ValueError, match=message):
        scan(step, inputs, start, weights=product)


def test_weights_reach_the_step_in_their_structure():
    product = StepProduct(tf.constant([[2.0]]), tf.constant([1.0]))
    weights = {"pair": (product, None), "factor": tf.constant(10.0)}
    totals = scan(
        lambda total, x, w: total + w["factor"] * w["pair"][0](x),
        tf.constant([[[1.0], [2.0]]]),
        tf.zeros((1, 1)),
        weights=weights,
    )
    np.testing.assert_array_equal(totals, [[[30.0], [80.0]]])
