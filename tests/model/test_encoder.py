"""Embedding and encoder: padding changes nothing, and Keras's own layers agree."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmt.config.schema import EncoderConfig
from nmt.model.encoder import Embedding, Encoder
from nmt.model.recurrent import CELLS

BATCH, SOURCE, INPUTS, UNITS = 3, 5, 4, 6
LENGTHS = [5, 3, 1]
DIRECTIONS = pytest.mark.parametrize(
    "bidirectional", [True, False], ids=["bidirectional", "forward"]
)
LAYERS = pytest.mark.parametrize("num_layers", [1, 2], ids="{} layers".format)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def make_encoder(layer, num_layers, bidirectional, **options):
    config = EncoderConfig(units=UNITS, num_layers=num_layers, bidirectional=bidirectional)
    return Encoder(config, layer, INPUTS, **options)


def keras_weights(cell):
    bias = cell.bias.numpy()
    if len(cell.weights) == 4:  # a GRU: Keras has two biases for every gate
        bias = np.stack([bias, np.concatenate([np.zeros(2 * cell.units), cell.recurrent_bias])])
    return [cell.kernel, cell.recurrent_kernel, bias]


def run_keras(encoder, inputs, mask=None):
    """Keras's layers with the weights of our encoder -> states, final states, as our encoder should
    return them."""
    finals = []
    for index, cells in enumerate(encoder.layers):
        make = keras.layers.GRU if len(cells[0].weights) == 4 else keras.layers.LSTM
        layer = make(cells[0].units, return_sequences=True, return_state=True)
        layer = keras.layers.Bidirectional(layer) if len(cells) == 2 else layer
        layer.build(inputs.shape)
        layer.set_weights([array for cell in cells for array in keras_weights(cell)])
        outputs, *final = layer(inputs, mask=mask)
        finals.append(np.concatenate(np.split(np.array(final), len(cells)), axis=-1))
        inputs = outputs + inputs if index else outputs
    return inputs, finals


@pytest.mark.parametrize("layer", ["gru", "lstm"])
@DIRECTIONS
@LAYERS
def test_encoder_equals_stacked_layers_of_keras(layer, bidirectional, num_layers, randomize):
    encoder = randomize(make_encoder(layer, num_layers, bidirectional))
    inputs = random(BATCH, SOURCE, INPUTS)
    states, final = encoder(inputs, tf.ones((BATCH, SOURCE), "bool"))
    expected, expected_final = run_keras(encoder, inputs)
    np.testing.assert_allclose(states, expected, atol=1e-5)
    np.testing.assert_allclose(final, expected_final, atol=1e-5)


@pytest.mark.parametrize("layer", ["gru", "lstm"])
def test_encoder_equals_masked_layers_of_keras_at_real_positions(layer, randomize):
    encoder = randomize(make_encoder(layer, 1, True))
    inputs, mask = random(BATCH, SOURCE, INPUTS), tf.sequence_mask(LENGTHS, SOURCE)
    states, final = encoder(inputs, mask)
    expected, expected_final = run_keras(encoder, inputs, mask)
    np.testing.assert_allclose(states[mask], expected[mask], atol=1e-5)
    np.testing.assert_allclose(final, expected_final, atol=1e-5)


@pytest.mark.parametrize("layer", CELLS)
@DIRECTIONS
@LAYERS
def test_padding_changes_neither_real_states_nor_final_states(
    layer, bidirectional, num_layers, randomize
):
    encoder = randomize(make_encoder(layer, num_layers, bidirectional))
    inputs = 100.0 * random(BATCH, SOURCE, INPUTS, seed=1)  # what stands on padding is large
    sentences = [random(1, length, INPUTS, seed=length) for length in LENGTHS]
    for row, sentence in enumerate(sentences):
        inputs[row, : LENGTHS[row]] = sentence[0]
    states, final = encoder(inputs, tf.sequence_mask(LENGTHS, SOURCE))
    for row, sentence in enumerate(sentences):
        alone, final_alone = encoder(sentence, tf.ones(sentence.shape[:2], "bool"))
        np.testing.assert_allclose(states[row, : LENGTHS[row]], alone[0], atol=1e-5)
        np.testing.assert_allclose(
            np.array(final)[:, :, row], np.array(final_alone)[:, :, 0], atol=1e-5
        )


@pytest.mark.parametrize("layer", CELLS)
def test_final_states_are_those_of_the_last_real_and_of_the_first_position(layer, randomize):
    encoder = randomize(make_encoder(layer, 1, True))
    states, ((hidden, *_),) = encoder(
        random(BATCH, SOURCE, INPUTS), tf.sequence_mask(LENGTHS, SOURCE)
    )
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(hidden[row, :UNITS], states[row, length - 1, :UNITS])
        np.testing.assert_array_equal(hidden[row, UNITS:], states[row, 0, UNITS:])


def test_there_is_one_final_state_a_layer_and_its_entries_are_as_wide_as_the_states():
    states, final = make_encoder("lstm", 2, True)(
        random(BATCH, SOURCE, INPUTS), tf.ones((BATCH, SOURCE), "bool")
    )
    assert states.shape == (BATCH, SOURCE, 2 * UNITS)
    assert [[tuple(entry.shape) for entry in layer] for layer in final] == [
        [(BATCH, 2 * UNITS)] * 2
    ] * 2


def test_a_layer_that_says_nothing_passes_its_inputs_on(randomize):
    encoder = randomize(make_encoder("gru", 2, True))
    for cell in encoder.layers[1]:
        for variable in cell.weights:
            variable.assign(tf.zeros_like(variable))  # then its states stay 0
    first = make_encoder("gru", 1, True)
    first.set_weights(encoder.get_weights()[: len(first.weights)])
    inputs, mask = random(BATCH, SOURCE, INPUTS), tf.ones((BATCH, SOURCE), "bool")
    np.testing.assert_array_equal(encoder(inputs, mask)[0], first(inputs, mask)[0])
    assert np.any(first(inputs, mask)[0])


def test_the_first_layers_inputs_are_not_added():
    encoder = Encoder(EncoderConfig(units=UNITS), "gru", 2 * UNITS)  # widths would allow it
    for variable in encoder.weights:
        variable.assign(tf.zeros_like(variable))
    states, _ = encoder(random(BATCH, SOURCE, 2 * UNITS), tf.ones((BATCH, SOURCE), "bool"))
    np.testing.assert_array_equal(states, np.zeros((BATCH, SOURCE, 2 * UNITS)))


@LAYERS
def test_dropout_of_states_is_active_only_in_training(num_layers, randomize):
    plain, dropped = (
        randomize(make_encoder("gru", num_layers, True, dropout=rate)) for rate in (0.0, 0.5)
    )
    inputs, mask = random(BATCH, SOURCE, INPUTS), tf.ones((BATCH, SOURCE), "bool")
    np.testing.assert_array_equal(dropped(inputs, mask)[0], plain(inputs, mask)[0])
    np.testing.assert_array_equal(plain(inputs, mask, training=True)[0], plain(inputs, mask)[0])
    states = dropped(inputs, mask, training=True)[0]
    assert 0.3 < np.mean(states == 0.0) < 0.7
    assert np.any(states != dropped(inputs, mask, training=True)[0])


def test_embedding_looks_vectors_up_and_scales_them():
    embedding = Embedding(3, 4, name="embedding")
    embedding.matrix.assign([[0.0, 1.0, 0.0, 0.0], [2.0, 3.0, 0.0, 0.0], [4.0, 5.0, 0.0, 6.0]])
    vectors = embedding(tf.constant([[2, 0]]))
    np.testing.assert_array_equal(
        vectors, [[[8.0, 10.0, 0.0, 12.0], [0.0, 2.0, 0.0, 0.0]]]
    )  # times the root of 4


def test_vectors_start_with_unit_variance_whatever_their_width():
    for units in (16, 256):
        vectors = Embedding(500, units, name="embedding")(tf.range(500)[None])
        assert np.std(vectors) == pytest.approx(1.0, abs=0.05)


def test_an_embedding_can_share_the_matrix_of_another():
    first = Embedding(3, 2, name="first")
    second = Embedding(3, 2, matrix=first.matrix, name="second")
    assert second.matrix is first.matrix
    ids = tf.constant([[0, 1, 2]])
    np.testing.assert_array_equal(first(ids), second(ids))


@pytest.mark.parametrize("kind", ["dropout", "word_dropout"])
def test_dropout_of_embeddings_is_active_only_in_training_and_keeps_the_mean(kind):
    embedding, ids = Embedding(7, 8, name="embedding", **{kind: 0.25}), tf.fill((40, 50), 3)
    embedding.matrix.assign(tf.fill((7, 8), 8**-0.5))
    np.testing.assert_allclose(embedding(ids), np.ones((40, 50, 8)), rtol=1e-6)
    vectors = embedding(ids, training=True).numpy()
    np.testing.assert_allclose(np.unique(vectors), [0.0, 1 / 0.75], rtol=1e-6)
    np.testing.assert_allclose(vectors.mean(), 1.0, atol=0.05)
    whole_words = np.all(vectors == vectors[:, :, :1])
    assert whole_words == (kind == "word_dropout")


def test_the_same_seed_repeats_the_dropout():
    ids = tf.fill((4, 5), 3)
    first, second, other = (
        Embedding(7, 8, dropout=0.5, seed=seed, name="embedding") for seed in (1, 1, 2)
    )
    other.matrix.assign(first.matrix)
    expected = first(ids, training=True)
    np.testing.assert_array_equal(second(ids, training=True), expected)
    assert np.any(other(ids, training=True) != expected)


def test_mixed_precision_keeps_weights_in_float32_and_computes_in_bfloat16():
    encoder = make_encoder("lstm", 2, True, dtype="mixed_bfloat16")
    states, final = encoder(random(BATCH, SOURCE, INPUTS), tf.sequence_mask(LENGTHS, SOURCE))
    assert {variable.dtype for variable in encoder.trainable_variables} == {"float32"}
    assert {tensor.dtype.name for tensor in tf.nest.flatten((states, final))} == {"bfloat16"}
