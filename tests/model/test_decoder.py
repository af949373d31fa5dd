"""One recurrence: every view of the decoder gives the same numbers."""

import itertools
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmt.attention import AdditiveScore, GeneralScore
from nmt.config.loader import SCORES, DecoderConfig
from nmt.linear import Product, StepProduct
from nmt.model.decoder_cells import DECODER_CELLS
from nmt.model.recurrent import CELLS, scan

SOURCE = tf.constant([[4, 9, 7, 5, 3], [8, 6, 3, 0, 0], [3, 0, 0, 0, 0]])
TARGET = tf.constant([[2, 5, 6, 5, 9], [2, 4, 7, 0, 0], [2, 12, 4, 8, 0]])
BRIDGES = ("zero", "last", "dense")
EVERY_CELL = tuple(DECODER_CELLS)
NORMALIZED = [name for name in CELLS if name.startswith("layer_norm")]
DTYPES = ("float32", "mixed_bfloat16")

# The full product over plain cells for one score. Each other meets two cells, one of them with
# input feeding. Bridges and lexical memory meet every value of each of the others.
OTHERS = [score for score in SCORES if score != "additive"]
VARIANTS = [
    {
        "attention": f"{cell}/{score}",
        "layer": layer,
        "input_feeding": feeding,
        "num_layers": layers,
        "bridge": BRIDGES[index % 3],
        "lexical": index // 3 % 2 == 1 and score != "none",
    }
    for index, (cell, score, layer, feeding, layers) in enumerate(
        (
            *itertools.product(EVERY_CELL, ("additive",), ("gru", "lstm"), (False, True), (1, 2)),
            *(
                (
                    EVERY_CELL[(n + feeding) % 2],
                    score,
                    ("gru", "lstm")[n // 2 % 2],
                    feeding,
                    1 + n // 4 % 2,
                )
                for n, score in enumerate(OTHERS)
                for feeding in (False, True)
            ),
            *zip(
                ("attend_first", "update_first") * 2,
                ("additive", "general") * 2,
                NORMALIZED * 2,
                (False, True, True, False),
                (1, 1, 2, 2),
                strict=True,
            ),
        )
    )
]


def describe(variant):
    feeding = "feeding" if variant["input_feeding"] else "no feeding"
    lexical = "-lexical" if variant["lexical"] else ""
    layers = f"{variant['layer']}x{variant['num_layers']}"
    return f"{variant['attention']}-{layers}-{feeding}-{variant['bridge']}{lexical}"


every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=map(describe, VARIANTS))


def numbers(structure):
    return [
        keras.ops.convert_to_numpy(keras.ops.cast(leaf, "float32"))
        for leaf in tf.nest.flatten(structure)
    ]


def assert_close(ours, expected, atol=1e-5):
    tf.nest.assert_same_structure(ours, expected)
    for x, y in zip(numbers(ours), numbers(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=0.0, atol=atol)


def force(model, ids_BT, state, memory):
    """Teacher forcing -> logits btv, weights bts, last state."""
    output, *others = model.decoder(ids_BT, state, memory)
    return model.decoder.logits(output), *others


def fold_step(model, ids_BT, state, memory):
    """`step` folded over the target -> logits btv, weights bts, last state."""
    logits, weights = [], []
    for t in range(ids_BT.shape[1]):
        logits_B1V, weights_B1S, state = model.step(ids_BT[:, t : t + 1], state, memory)
        logits.append(logits_B1V)
        weights.append(weights_B1S)
    return tf.concat(logits, 1), tf.concat(weights, 1), state


# In bfloat16 a number has 8 bits, hence is off by up to 1/256 of its size; logits here go up to 4.
# Measured: equal on AVX-512. Room is left for processors that add up in another order.
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.03)], ids=DTYPES
)
@every_variant
def test_teacher_forcing_equals_step_folded_over_the_target(variant, dtype, tolerance, tiny_model):
    model = tiny_model(encoder_layers=variant["num_layers"], dtype=dtype, **variant)
    memory, state = model.encode(SOURCE)
    logits, weights, last = force(model, TARGET, state, memory)
    assert np.std(numbers(logits)[0], axis=(0, 1)).min() > 0.01  # ids and sources do matter here
    assert_close((logits, weights, last), fold_step(model, TARGET, state, memory), tolerance)
    assert weights.dtype == tf.float32


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def numpy_gru(cell, gates, hidden):
    units, recurrent = len(hidden), hidden @ cell.recurrent_kernel.numpy()
    z, r = (
        sigmoid(gates[:units] + recurrent[:units]),
        sigmoid((gates + recurrent)[units : 2 * units]),
    )
    candidate = np.tanh(
        gates[2 * units :] + r * (recurrent[2 * units :] + cell.recurrent_bias.numpy())
    )
    return z * hidden + (1 - z) * candidate


@pytest.mark.parametrize("input_feeding", [True, False], ids=["feeding", "no feeding"])
@pytest.mark.parametrize("num_layers", [1, 2], ids="{} layers".format)
@pytest.mark.parametrize("name", ["bahdanau", "luong", "conditional/additive"])
def test_the_decoder_computes_what_the_paper_writes(name, num_layers, input_feeding, tiny_model):
    """Against the equations in NumPy: one sentence, step by step, a vector at a time."""
    model = tiny_model(attention=name, num_layers=num_layers, input_feeding=input_feeding)
    decoder, score, source, target = model.decoder, model.decoder.score, [4, 9, 7, 3], [2, 5, 6, 12]
    memory, state = model.encode(tf.constant([source]))
    logits, weights, _ = force(model, tf.constant([target]), state, memory)
    states_SD = memory.values[0].numpy()
    hidden, output = [h[0, 0].numpy() for (h,) in state.hidden], np.zeros(9)
    kernels = [(cell.kernel.numpy(), cell.bias.numpy()) for cell in decoder.cells]

    def attend(query):
        if name != "luong":  # e_j = v . tanh(W s + U h_j + b)
            keys = states_SD @ score.key_layer.kernel.numpy() + score.key_layer.bias.numpy()
            energies = (
                np.tanh(query @ score.query_layer.kernel.numpy() + keys) @ score.v.numpy()[:, 0]
            )
        else:  # h_t . W h_s
            energies = states_SD @ (score.key_layer.kernel.numpy() / len(query) ** 0.5) @ query
        return softmax(energies), softmax(energies) @ states_SD

    for t, word in enumerate(target):
        embedded = model.target_embedding.matrix.numpy()[word] * np.sqrt(5.0)  # to unit variance
        weights_S, context = attend(sum(hidden))  # each layer's inputs are added to its outputs
        fed = ([context] if name == "bahdanau" else []) + ([output] if input_feeding else [])
        gates = embedded @ kernels[0][0] + kernels[0][1]
        if fed:
            gates = gates + np.concatenate(fed) @ decoder.feed_layer.kernel.numpy()
        hidden[0] = numpy_gru(decoder.cells[0], gates, hidden[0])
        if num_layers == 2:
            hidden[1] = numpy_gru(
                decoder.cells[1], hidden[0] @ kernels[1][0] + kernels[1][1], hidden[1]
            )
        if name != "bahdanau":
            weights_S, context = attend(sum(hidden))
        if name == "conditional/additive":  # a second transition, of the top layer's state
            cell = decoder.context_cell
            hidden[-1] = numpy_gru(
                cell, context @ cell.kernel.numpy() + cell.bias.numpy(), hidden[-1]
            )
        features = [sum(hidden), context] + ([embedded] if name != "luong" else [])
        readout = decoder.readout_layer
        output = np.tanh(np.concatenate(features) @ readout.kernel.numpy() + readout.bias.numpy())
        expected = decoder.vocabulary.numpy() @ output + decoder.vocabulary_bias.numpy()
        np.testing.assert_allclose(weights[0, t], weights_S, atol=1e-5)
        np.testing.assert_allclose(logits[0, t], expected, atol=1e-5)


@pytest.mark.parametrize("attention", ["attend_first/additive", "update_first/general"])
def test_logits_at_a_step_do_not_depend_on_later_targets(attention, tiny_model):
    model = tiny_model(attention=attention, input_feeding=True)
    memory, state = model.encode(SOURCE)
    whole, _, _ = force(model, TARGET, state, memory)
    part, _, _ = force(model, TARGET[:, :3], state, memory)
    assert_close(part, whole[:, :3])


@every_variant
def test_a_step_of_several_hypotheses_equals_a_step_of_each(variant, tiny_model):
    model = tiny_model(**variant)
    memory, start = model.encode(SOURCE)
    prefixes = [[2, 5], [2, 9], [2, 4]]
    states, columns = [], [tf.fill((len(SOURCE), 1), prefix[-1]) for prefix in prefixes]
    for prefix in prefixes:  # hypotheses of a sentence have seen different words
        _, _, state = fold_step(
            model, tf.repeat([[prefix[0], prefix[1] + 1]], len(SOURCE), 0), start, memory
        )
        states.append(state)
    together = model.step(
        tf.concat(columns, 1), tf.nest.map_structure(lambda *s: tf.concat(s, 1), *states), memory
    )
    alone = [model.step(ids, state, memory) for ids, state in zip(columns, states, strict=True)]
    assert_close(together, tf.nest.map_structure(lambda *s: tf.concat(s, 1), *alone))
    assert not np.allclose(together[0][:, 0], together[0][:, 1], atol=1e-3)


@pytest.mark.parametrize("layer", CELLS)
@pytest.mark.parametrize("num_layers", [1, 2], ids="{} layers".format)
def test_attending_once_after_the_recurrence_equals_attending_within_it(
    layer, num_layers, tiny_model, monkeypatch
):
    model = tiny_model(attention="update_first/general", layer=layer, num_layers=num_layers)
    memory, state = model.encode(SOURCE)
    calls, attend_once = [], model.decoder.score.call
    monkeypatch.setattr(
        model.decoder.score,
        "call",
        lambda *args: calls.append(args[0].shape[1]) or attend_once(*args),
    )
    fast = model.decoder(TARGET, state, memory)
    assert calls == [TARGET.shape[1]]  # one call, of all queries
    monkeypatch.setattr(model.decoder.score, "carries_state", True)
    slow = model.decoder(TARGET, state, memory)
    assert set(calls[1:]) == {1}
    assert_close(fast, slow)


@pytest.mark.parametrize("variant", VARIANTS[::15], ids=map(describe, VARIANTS[::15]))
def test_gradients_taken_after_the_loop_are_those_taken_within_it(variant, tiny_model, monkeypatch):
    model = tiny_model(**variant)

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(model(SOURCE, TARGET, training=True)))
        return [
            tf.convert_to_tensor(gradient)
            for gradient in tape.gradient(loss, model.trainable_variables)
        ]

    received = gradients()

    def plain_scan(*args, weights=(), **options):
        def plain(leaf):
            return Product(leaf.kernel, leaf.bias) if isinstance(leaf, StepProduct) else leaf

        return scan(*args, weights=tf.nest.map_structure(plain, weights), **options)

    monkeypatch.setattr("nmt.model.decoder.scan", plain_scan)
    monkeypatch.setattr("nmt.model.encoder.scan", plain_scan)
    expected = tf.function(gradients.python_function, autograph=False)()
    assert_close(received, expected)


def test_a_lexical_memory_is_states_and_embeddings_and_attention_looks_at_the_states(tiny_model):
    model = tiny_model(attention="bahdanau", lexical=True)
    memory, _ = model.encode(SOURCE)
    embedded = model.source_embedding(SOURCE)
    width = embedded.shape[-1]
    np.testing.assert_array_equal(memory.values[..., -width:], embedded)
    np.testing.assert_array_equal(
        memory.keys, model.decoder.score.project_keys(memory.values[..., :-width])
    )


class ShyScore(GeneralScore):
    """Avoids what has been looked at: carries the sum of past scores."""

    carries_state = True

    def initial_state(self, keys_BSU, num_queries):
        return (
            tf.zeros((tf.shape(keys_BSU)[0], num_queries, tf.shape(keys_BSU)[1]), keys_BSU.dtype),
        )

    def call(self, query_BTH, keys_BSU, state):
        scores_BTS, _ = super().call(query_BTH, keys_BSU, ())
        return scores_BTS - 0.5 * state[0], (state[0] + scores_BTS,)


class DoubledScore(AdditiveScore):
    """Overrides `call` without the weights that the class it extends takes in a loop."""

    def call(self, query_BTH, keys_BSU, state):
        scores_BTS, state = super().call(query_BTH, keys_BSU, state)
        return 2.0 * scores_BTS, state


def test_a_score_that_extends_another_need_not_take_its_weights(tiny_model):
    plain = tiny_model(attention="attend_first/additive")
    model = tiny_model(attention=f"attend_first/{__name__}:DoubledScore")
    for variable, other in zip(model.variables, plain.variables, strict=True):
        variable.assign(other)
    assert plain.decoder.score.loop_weights() and not model.decoder.score.loop_weights()
    plain.decoder.score.v.assign(2.0 * plain.decoder.score.v)
    assert_close(model.teacher_forced(SOURCE, TARGET), plain.teacher_forced(SOURCE, TARGET))


def test_every_cell_that_a_config_may_name_has_a_class():
    assert set(DECODER_CELLS) == set(get_args(DecoderConfig.model_fields["cell"].annotation))


@pytest.mark.parametrize("input_feeding", [True, False], ids=["feeding", "no feeding"])
@pytest.mark.parametrize("cell", ["attend_first", "update_first"])
def test_a_score_of_ones_own_may_carry_state(cell, input_feeding, tiny_model):
    plain = tiny_model(attention=f"{cell}/general", input_feeding=input_feeding)
    model = tiny_model(attention=f"{cell}/{__name__}:ShyScore", input_feeding=input_feeding)
    memory, state = model.encode(SOURCE)
    outputs = force(model, TARGET, state, memory)
    assert_close(outputs, fold_step(model, TARGET, state, memory))
    _, plain_weights = plain.teacher_forced(SOURCE, TARGET)
    assert_close(outputs[1][:, 0], plain_weights[:, 0])
    assert not np.allclose(outputs[1][0, 1:], plain_weights[0, 1:], atol=1e-3)


@pytest.mark.parametrize("attention", ["attend_first/additive", "update_first/general"])
def test_input_feeding_is_felt_from_the_second_step_on(attention, tiny_model):
    model = tiny_model(attention=attention, input_feeding=True)
    memory, state = model.encode(SOURCE)
    _, _, state = model.step(TARGET[:, :1], state, memory)
    assert state.output.shape == (3, 1, 9)
    with_output, _, _ = model.step(TARGET[:, 1:2], state, memory)
    without, _, _ = model.step(
        TARGET[:, 1:2], state._replace(output=tf.zeros_like(state.output)), memory
    )
    assert not np.allclose(with_output, without, atol=1e-3)


@pytest.mark.parametrize("cell", EVERY_CELL)
def test_which_state_asks_is_what_tells_the_two_cells_apart(cell, tiny_model):
    """Attend first: the old state is the query, so the new word cannot change the weights. Update
    first: it can."""
    model = tiny_model(attention=f"{cell}/general")
    memory, state = model.encode(SOURCE)
    _, weights_BKS, _ = model.step(
        tf.constant([[4, 9]] * 3),
        tf.nest.map_structure(lambda s: tf.repeat(s, 2, 1), state),
        memory,
    )
    assert np.allclose(weights_BKS[0, 0], weights_BKS[0, 1], atol=1e-3) == (cell == "attend_first")


def test_the_zero_bridge_starts_from_nothing(tiny_model):
    _, state = tiny_model(bridge="zero", layer="lstm", num_layers=2).encode(SOURCE)
    assert [[entry.shape for entry in layer] for layer in state.hidden] == [[(3, 1, 8)] * 2] * 2
    assert not any(np.any(entry) for entry in numbers(state))


@pytest.mark.parametrize("encoder_layers", [1, 2], ids="encoder of {}".format)
def test_the_last_bridge_hands_each_layer_the_final_state_of_its_peer(encoder_layers, tiny_model):
    model = tiny_model(bridge="last", layer="lstm", num_layers=2, encoder_layers=encoder_layers)
    mask = SOURCE != 0
    _, final = model.encoder(model.source_embedding(SOURCE), mask)
    _, state = model.encode(SOURCE)
    for index in range(2):
        for ours, expected in zip(
            state.hidden[index], final[min(index, encoder_layers - 1)], strict=True
        ):
            np.testing.assert_array_equal(ours[:, 0], expected)


def test_the_dense_bridge_maps_the_top_layers_final_state(tiny_model):
    model = tiny_model(bridge="dense", layer="lstm", num_layers=2, encoder_layers=2)
    _, final = model.encoder(model.source_embedding(SOURCE), SOURCE != 0)
    _, state = model.encode(SOURCE)
    top = [entry.numpy() for entry in final[-1]]
    layers = [[layer.kernel.numpy(), layer.bias.numpy()] for layer in model.decoder.bridge_layers]
    for index, (hidden, carry) in enumerate(state.hidden):
        (kernel, bias), (carry_kernel, carry_bias) = layers[2 * index : 2 * index + 2]
        np.testing.assert_allclose(hidden[:, 0], np.tanh(top[0] @ kernel + bias), atol=1e-5)
        np.testing.assert_allclose(carry[:, 0], top[1] @ carry_kernel + carry_bias, atol=1e-5)


@pytest.mark.parametrize(("tied", "matrices"), [("none", 3), ("target", 2), ("all", 1)])
def test_tied_embeddings_are_one_variable(tied, matrices, tiny_model):
    model = tiny_model(tied=tied)
    source, target = model.source_embedding.matrix, model.target_embedding.matrix
    assert (source is target) == (tied == "all")
    sizes = set(model.vocabulary_sizes)
    assert (
        sum(len(v.shape) == 2 and v.shape[0] in sizes for v in model.trainable_variables)
        == matrices
    )
    assert len({id(v) for v in model.trainable_variables}) == len(model.trainable_variables)


@pytest.mark.parametrize("tied", ["none", "target"])
def test_only_tied_weights_move_the_vocabulary_with_the_embedding(tied, tiny_model):
    model = tiny_model(tied=tied)
    before = model(SOURCE, TARGET)
    model.target_embedding.matrix.assign(
        tf.tensor_scatter_nd_add(model.target_embedding.matrix.value, [[1]], [tf.ones(5)])
    )
    changed = np.any(~np.isclose(model(SOURCE, TARGET), before, atol=1e-6), axis=(0, 1))
    # Word 1 is not in the target, so as an input it is never seen; as an output it is.
    np.testing.assert_array_equal(np.flatnonzero(changed), [] if tied == "none" else [1])


def test_dropout_of_the_decoder_is_active_only_in_training(tiny_model):
    model = tiny_model(num_layers=2, input_feeding=True, dropout=0.5)
    plain = tiny_model(num_layers=2, input_feeding=True)
    memory, state = model.encode(SOURCE)
    expected = plain.decoder(TARGET, state, memory)
    assert_close(model.decoder(TARGET, state, memory), expected)
    assert_close(plain.decoder(TARGET, state, memory, training=True), expected)
    first, second = (model.decoder(TARGET, state, memory, training=True)[0] for _ in range(2))
    assert not np.allclose(first, expected[0], atol=1e-3)
    assert not np.allclose(first, second, atol=1e-3)


def test_one_dropout_mask_between_layers_serves_all_steps_of_a_sentence(tiny_model, monkeypatch):
    model = tiny_model(num_layers=2, dropout=0.5)
    inputs, cell = [], model.decoder.cells[1]
    project = cell.project
    monkeypatch.setattr(
        cell, "project", lambda x, weights: inputs.append(x.numpy()) or project(x, weights)
    )
    memory, state = model.encode(SOURCE)
    with_state = model.decoder(TARGET, state, memory, training=True)
    assert with_state[0].shape[:2] == TARGET.shape
    dropped = np.stack([x[:, 0] for x in inputs]) == 0.0
    assert dropped.shape[0] == TARGET.shape[1]
    assert dropped.any() and not dropped.all()
    assert (dropped == dropped[:1]).all()
    assert np.any(dropped[0, 0] != dropped[0, 1])  # each sentence has its own
