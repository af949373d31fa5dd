"""Attention layers for any Keras model: against NumPy and Keras's own, with padding, in bfloat16,
and reloaded."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from nmt.errors import UserError
from nmt.layers import AttentionLayer, AttentionPooling, SelfAttention, TimeStepAttention

BATCH, STEPS, QUERIES, WIDTH, QUERY_WIDTH = 3, 6, 4, 5, 7
LENGTHS, QUERY_LENGTHS = [6, 4, 1], [4, 1, 3]
MASK = np.arange(STEPS) < np.array(LENGTHS)[:, None]
QUERY_MASK = np.arange(QUERIES) < np.array(QUERY_LENGTHS)[:, None]
INPUTS = np.random.default_rng(1).normal(size=(BATCH, STEPS, WIDTH)).astype("float32")
DECODER = np.random.default_rng(2).normal(size=(BATCH, QUERIES, QUERY_WIDTH)).astype("float32")

LAYERS = {
    "attention_layer": lambda **options: AttentionLayer(8, **options),
    "pooling_luong": lambda **options: AttentionPooling(3, **options),
    "pooling_bahdanau": lambda **options: AttentionPooling(3, score="bahdanau", **options),
    "self_attention": lambda **options: SelfAttention(4, **options),
    "time_steps": lambda **options: TimeStepAttention(**options),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def of(name, inputs):
    """The layer's inputs and their mask."""
    return ([inputs, DECODER], [MASK, QUERY_MASK]) if name == "attention_layer" else (inputs, MASK)


def look(layer, inputs, mask):
    """-> output and weights, the steps that are attended to last."""
    if isinstance(layer, AttentionLayer):
        return layer(inputs, mask=mask)
    output, weights = layer(inputs, mask=mask, return_attention_scores=True)
    return output, (
        ops.transpose(weights, (0, 2, 1)) if isinstance(layer, TimeStepAttention) else weights
    )


def built(name, randomize, **options):
    layer = LAYERS[name](**options)
    layer(of(name, INPUTS)[0])
    return randomize(layer)


def softmax(scores, real):
    exp = np.where(real, np.exp(scores), 0.0)
    return exp / exp.sum(-1, keepdims=True)


def dense(kernel):
    layer = keras.layers.Dense(kernel.shape[1], use_bias=False)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([np.array(kernel)])
    return layer


def test_attention_of_a_decoder_sequence_equals_numpy(randomize):
    layer = built("attention_layer", randomize)
    v, w, u = (
        weight.numpy()
        for weight in (
            layer.score.v,
            *layer.score.query_layer.weights,
            *layer.score.key_layer.weights,
        )
    )
    context, weights = look(layer, [INPUTS, DECODER], [MASK, QUERY_MASK])
    for b in range(BATCH):
        for t in range(QUERY_LENGTHS[b]):
            scores = [(np.tanh(DECODER[b, t] @ w + state @ u) @ v)[0] for state in INPUTS[b]]
            row = softmax(scores, MASK[b])
            np.testing.assert_allclose(weights[b, t], row, atol=1e-6)
            np.testing.assert_allclose(context[b, t], row @ INPUTS[b], atol=1e-6)
        assert np.all(context[b, QUERY_LENGTHS[b] :] == 0.0)


def test_attention_of_a_decoder_sequence_equals_additive_attention_of_keras_after_dense_layers(
    randomize,
):
    layer = built("attention_layer", randomize)
    query, keys = (
        dense(layer.score.query_layer.kernel)(DECODER),
        dense(layer.score.key_layer.kernel)(INPUTS),
    )
    additive = keras.layers.AdditiveAttention()
    additive.build([query.shape, INPUTS.shape, keys.shape])
    additive.set_weights([layer.score.v[:, 0]])
    expected = additive(
        [query, INPUTS, keys], mask=[QUERY_MASK, MASK], return_attention_scores=True
    )
    context, weights = look(layer, [INPUTS, DECODER], [MASK, QUERY_MASK])
    np.testing.assert_allclose(context, expected[0], atol=1e-6)
    np.testing.assert_allclose(weights[QUERY_MASK], expected[1][QUERY_MASK], atol=1e-6)


def test_attention_is_as_wide_as_the_encoder_if_nothing_is_said():
    layer = AttentionLayer()
    context, weights = layer([INPUTS, DECODER])
    assert context.shape == (BATCH, QUERIES, WIDTH) and weights.shape == (BATCH, QUERIES, STEPS)
    assert layer.count_params() == QUERY_WIDTH * WIDTH + WIDTH * WIDTH + WIDTH


@pytest.mark.parametrize("score", ["luong", "bahdanau"])
def test_pooling_equals_numpy_from_the_last_real_step(score, randomize):
    layer = built(f"pooling_{score}", randomize)
    output, weights = look(layer, INPUTS, MASK)
    matrices = [matrix.numpy() for matrix in layer.score_layer.weights]
    for b, length in enumerate(LENGTHS):
        states, last = INPUTS[b, :length], INPUTS[b, length - 1]
        if score == "luong":
            scores = states @ matrices[0] @ last
        else:
            v, w_1, w_2 = matrices
            scores = (np.tanh(last @ w_1 + states @ w_2) @ v)[:, 0]
        row = softmax(scores, True)
        np.testing.assert_allclose(weights[b, :length], row, atol=1e-6)
        expected = np.tanh(np.concatenate([row @ states, last]) @ layer.output_layer.kernel.numpy())
        np.testing.assert_allclose(output[b], expected, atol=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if name != "time_steps"]
)  # its weights belong to places
def test_padding_may_stand_before_the_sequence(name, randomize):
    layer = built(name, randomize)
    inputs, mask = of(name, INPUTS)
    flipped = np.stack(
        [np.roll(row, STEPS - length, axis=0) for row, length in zip(INPUTS, LENGTHS, strict=True)]
    )
    flipped_inputs = [flipped, DECODER] if name == "attention_layer" else flipped
    flipped_mask = [MASK[:, ::-1], QUERY_MASK] if name == "attention_layer" else MASK[:, ::-1]
    (output, weights), (ours, our_weights) = (
        look(layer, inputs, mask),
        look(layer, flipped_inputs, flipped_mask),
    )
    np.testing.assert_allclose(our_weights[2, ..., -1], weights[2, ..., 0], atol=1e-6)
    if name == "self_attention":
        ours = np.stack(
            [np.roll(row, length, axis=0) for row, length in zip(ours, LENGTHS, strict=True)]
        )
    np.testing.assert_allclose(ours, output, atol=1e-6)


@pytest.mark.parametrize(("score", "parameters"), [("luong", 8192), ("bahdanau", 12352)])
def test_parameters_of_pooling(score, parameters):
    layer = AttentionPooling(32, score=score)
    layer.build((None, None, 64))
    assert layer.count_params() == parameters


@pytest.mark.parametrize("scale", [None, 3.0])
def test_self_attention_equals_attention_of_keras_on_projected_inputs(scale, randomize):
    layer = built("self_attention", randomize, scale=scale)
    query, keys, values = (
        dense(part.kernel)(INPUTS)
        for part in (layer.query_layer, layer.key_layer, layer.value_layer)
    )
    theirs = [query / (2.0 if scale is None else scale), values, keys]  # 2 = sqrt of 4 units
    expected = keras.layers.Attention()(theirs, mask=[MASK, MASK], return_attention_scores=True)
    context, weights = look(layer, INPUTS, MASK)
    np.testing.assert_allclose(context, expected[0], atol=1e-6)
    np.testing.assert_allclose(weights[MASK], expected[1][MASK], atol=1e-6)


def test_time_steps_are_weighed_as_in_numpy(randomize):
    layer = built("time_steps", randomize)
    output, weights = look(layer, INPUTS, MASK)
    kernel, bias = (weight.numpy() for weight in layer.time_layer.weights)
    for b in range(BATCH):
        for d in range(WIDTH):
            feature = np.where(MASK[b], INPUTS[b, :, d], 0.0)
            row = softmax(feature @ kernel + bias, MASK[b])
            np.testing.assert_allclose(weights[b, d], row, atol=1e-6)
            np.testing.assert_allclose(output[b, :, d], row * feature, atol=1e-6)


def test_time_steps_are_weighed_as_by_the_block_of_keras_layers(randomize):
    layer, block = built("time_steps", randomize), keras.layers.Dense(STEPS, activation="softmax")
    expected = INPUTS * np.transpose(block(np.transpose(INPUTS, (0, 2, 1))), (0, 2, 1))
    layer.time_layer.set_weights(block.get_weights())
    np.testing.assert_allclose(layer(INPUTS), expected, atol=1e-6)


def test_time_steps_have_110_parameters_if_they_are_ten():
    layer = TimeStepAttention()
    layer.build((None, 10, 3))
    assert layer.count_params() == 110


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@every_layer
def test_weights_are_float32_non_negative_zero_on_padding_and_sum_to_one(name, dtype, randomize):
    layer = built(name, randomize, dtype=dtype)
    output, weights = look(layer, *of(name, INPUTS))
    assert output.dtype == layer.compute_dtype and weights.dtype == "float32"
    assert np.all(weights >= 0.0)
    for row, length in zip(weights.numpy(), LENGTHS, strict=True):
        assert np.all(row[..., length:] == 0.0)
        np.testing.assert_allclose(row[..., :length].sum(-1), 1.0, atol=1e-6)


@every_layer
def test_mixed_precision_is_near_to_float32(name, randomize):
    layer, mixed = built(name, randomize), built(name, randomize, dtype="mixed_bfloat16")
    for ours, expected in zip(
        look(mixed, *of(name, INPUTS)), look(layer, *of(name, INPUTS)), strict=True
    ):
        np.testing.assert_allclose(tf.cast(ours, "float32"), expected, atol=0.05)


@pytest.mark.parametrize("rubbish", [1000.0, np.nan])
@every_layer
def test_what_stands_on_padding_does_not_count(name, rubbish, randomize):
    layer = built(name, randomize)

    def outputs_and_gradients(filling):
        inputs, mask = of(name, np.where(MASK[..., None], INPUTS, np.float32(filling)))
        if name == "attention_layer":  # the same in its queries
            queries = np.where(QUERY_MASK[..., None], inputs[1], np.float32(filling))
            inputs, mask = [inputs[0], queries], [mask[0], QUERY_MASK]
        with tf.GradientTape() as tape:
            output, weights = look(layer, inputs, mask)
            loss = tf.reduce_sum(output**2)
        return [output, weights, *tape.gradient(loss, layer.trainable_variables)]

    for ours, expected in zip(
        outputs_and_gradients(rubbish), outputs_and_gradients(0.0), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


@every_layer
def test_a_sequence_of_padding_alone_has_no_weights_and_no_nan(name, randomize):
    layer = built(name, randomize)
    inputs, _ = of(name, INPUTS)
    nothing = np.zeros_like(MASK)
    with tf.GradientTape() as tape:
        output, weights = look(
            layer, inputs, [nothing, QUERY_MASK] if name == "attention_layer" else nothing
        )
        loss = tf.reduce_sum(output)
    assert np.all(output == 0.0) and np.all(weights == 0.0)
    assert all(
        np.all(np.isfinite(gradient)) for gradient in tape.gradient(loss, layer.trainable_variables)
    )


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("shape", [(0, STEPS), (BATCH, 0), (0, 0)], ids=str)
@every_layer
def test_an_empty_batch_and_a_sequence_of_no_steps_have_their_shapes(name, shape, masked):
    batch, steps = shape
    sequence, mask = np.zeros((batch, steps, WIDTH), "float32"), np.ones(shape, "bool")
    inputs: Any = sequence
    if name == "attention_layer":
        inputs = [sequence, DECODER[:batch]]
        mask = [mask, np.ones((batch, QUERIES), "bool")]
    layer = LAYERS[name]()
    output, weights = look(layer, inputs, mask if masked else None)
    shapes = {
        "attention_layer": ((batch, QUERIES, WIDTH), (batch, QUERIES, steps)),
        "pooling_luong": ((batch, 3), (batch, steps)),
        "pooling_bahdanau": ((batch, 3), (batch, steps)),
        "self_attention": ((batch, steps, 4), (batch, steps, steps)),
        "time_steps": ((batch, steps, WIDTH), (batch, WIDTH, steps)),
    }
    assert (tuple(output.shape), tuple(weights.shape)) == shapes[name]
    assert not np.any(output)
    if name != "time_steps":  # the same through a model with both axes unknown
        spec = tf.nest.map_structure(lambda x: keras.Input((None, x.shape[-1])), inputs)
        model = keras.Model(spec, layer(spec))
        np.testing.assert_array_equal(tf.nest.flatten(model(inputs))[0], output)


@every_layer
def test_integers_are_read_as_floats(name):
    inputs, mask = of(name, np.random.default_rng(3).integers(-2, 3, INPUTS.shape))
    layer = LAYERS[name](dtype="mixed_bfloat16")
    floats = tf.nest.map_structure(lambda sequence: sequence.astype("float32"), inputs)
    for ours, expected in zip(look(layer, inputs, mask), look(layer, floats, mask), strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.filterwarnings("error")  # of Keras, which takes the softmax of one number for a slip
@every_layer
def test_a_sequence_of_one_step_is_attended_to_without_a_warning(name):
    inputs, _ = of(name, INPUTS[:, :1])
    _, weights = look(LAYERS[name](), inputs, None)
    np.testing.assert_allclose(weights, np.ones(weights.shape), atol=1e-6)


@every_layer
def test_every_weight_is_trained(name, randomize):
    layer = built(name, randomize)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(look(layer, *of(name, INPUTS))[0]))
    assert all(
        np.any(gradient != 0.0) for gradient in tape.gradient(loss, layer.trainable_variables)
    )


@every_layer
def test_the_time_axis_may_be_none(name, randomize):
    if name == "time_steps":
        with pytest.raises(UserError, match="fixed number of steps"):
            LAYERS[name]()(keras.Input((None, WIDTH)))
        return
    encoder, decoder = keras.Input((None, WIDTH)), keras.Input((None, QUERY_WIDTH))
    layer = LAYERS[name]()
    if name == "attention_layer":
        model = keras.Model([encoder, decoder], layer([encoder, decoder]))
    else:
        model = keras.Model([encoder, decoder], layer(encoder, return_attention_scores=True))
    for steps in (STEPS, 2):
        inputs = [INPUTS[:, :steps], DECODER]
        expected = look(layer, inputs if name == "attention_layer" else inputs[0], None)
        for ours, reference in zip(model(inputs), expected, strict=True):
            np.testing.assert_allclose(ours, reference, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@every_layer
def test_shapes_and_types_are_known_before_there_is_data(name, dtype):
    layer = LAYERS[name](dtype=dtype)
    inputs, _ = of(name, INPUTS)
    symbols = tf.nest.map_structure(lambda array: keras.Input(batch_shape=array.shape), inputs)
    shapes = tf.nest.map_structure(np.shape, inputs)
    options = {} if name == "attention_layer" else {"return_attention_scores": True}
    specs, results = layer(symbols, **options), layer(inputs, **options)
    assert [(tuple(spec.shape), spec.dtype) for spec in specs] == [
        (tuple(result.shape), result.dtype.name) for result in results
    ]
    expected = [tuple(result.shape) for result in results]
    output_shape = layer.compute_output_shape(shapes if name != "attention_layer" else list(shapes))
    assert output_shape == (tuple(expected) if name == "attention_layer" else expected[0])


@pytest.mark.filterwarnings("error:Layer")  # Keras's, where a mask is lost
def test_masks_come_from_the_embedding_and_are_handed_on():
    ids, query_ids = np.array([[4, 2, 7, 0, 0], [1, 3, 0, 0, 0]]), np.array([[5, 6, 0], [8, 0, 0]])
    embedding = keras.layers.Embedding(9, WIDTH, mask_zero=True)
    source, target = embedding(ids), embedding(query_ids)
    context, weights = AttentionLayer()([source, target])
    np.testing.assert_array_equal(weights.numpy()[:, 0] > 0, ids > 0)
    np.testing.assert_array_equal(keras.layers.GlobalAveragePooling1D()(context)[1], context[1, 0])
    states = SelfAttention(4)(source)
    np.testing.assert_allclose(
        keras.layers.GlobalAveragePooling1D()(states)[1], np.mean(states[1, :2], axis=0), atol=1e-6
    )
    pooling = AttentionPooling(3)
    np.testing.assert_allclose(pooling(states)[1:], pooling(states.numpy()[1:, :2]), atol=1e-6)
    assert not hasattr(pooling(states), "_keras_mask")
    steps = TimeStepAttention()(source)
    pooled = [
        pooling(SelfAttention(4, seed=1)(states))[-1] for states in (steps, steps.numpy()[1:, :2])
    ]
    np.testing.assert_allclose(*pooled, atol=1e-6)


@every_layer
def test_equal_seeds_make_equal_layers(name):
    inputs, _ = of(name, INPUTS)

    def kernels(**options):
        layer = LAYERS[name](**options)
        layer(inputs)
        return np.concatenate([np.ravel(weight) for weight in layer.get_weights()])

    np.testing.assert_array_equal(kernels(seed=1), kernels(seed=1))
    assert np.any(kernels(seed=1) != kernels(seed=2))
    assert np.any(kernels() != kernels())
    keras.utils.set_random_seed(3)
    first = kernels()
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(kernels(), first)


@pytest.mark.parametrize(
    "layer",
    [
        AttentionLayer(8, seed=3, name="a"),
        AttentionPooling(3, score="bahdanau", dtype="mixed_bfloat16"),
        SelfAttention(4, scale=2.5),
        TimeStepAttention(seed=4),
    ],
)
def test_a_layer_is_its_config(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert keras.layers.deserialize(keras.layers.serialize(layer)).get_config() == config


LOADING = """
import sys
import numpy as np
import nmt.layers
import keras
arrays = np.load(sys.argv[1])
for path in sys.argv[2:]:
    outputs = keras.models.load_model(path).predict([arrays["ids"], arrays["decoder"]], verbose=0)
    for index, output in enumerate(outputs):
        np.testing.assert_array_equal(output, arrays[f"output_{index}"])
"""


def test_a_model_loads_in_a_fresh_process_without_custom_objects(tmp_path):
    ids, decoder = keras.Input((STEPS,)), keras.Input((None, QUERY_WIDTH))
    states = keras.layers.Embedding(9, WIDTH, mask_zero=True)(ids)
    context, weights = AttentionLayer()([states, decoder])
    attended, own_weights = SelfAttention(4, scale=3.0)(states, return_attention_scores=True)
    pooled = [
        AttentionPooling(3, score=score)(TimeStepAttention()(states))
        for score in ("luong", "bahdanau")
    ]
    model = keras.Model([ids, decoder], [context, weights, attended, own_weights, *pooled])
    arrays = {
        "ids": np.array([[4, 2, 7, 1, 0, 0], [1, 3, 0, 0, 0, 0], [8, 8, 5, 2, 6, 1]]),
        "decoder": DECODER,
    }
    outputs = model.predict(list(arrays.values()), verbose=0)
    np.savez(
        tmp_path / "a.npz",
        **arrays,
        **{f"output_{index}": output for index, output in enumerate(outputs)},
    )
    paths = [tmp_path / "model.keras", tmp_path / "model.h5"]
    for path in paths:
        model.save(path)
    command = [sys.executable, "-c", LOADING, str(tmp_path / "a.npz"), *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_model_saved_before_the_modules_moved_into_packages_loads():
    path = Path(__file__).parent / "fixtures" / "old" / "attention_layers.keras"
    ids = np.array([[4, 2, 7, 0], [1, 0, 0, 0], [8, 8, 5, 2]])
    decoder = np.random.default_rng(0).normal(size=(3, 2, 3)).astype("float32")
    outputs = keras.models.load_model(path)([ids, decoder])
    sums = [float(np.sum(np.abs(output))) for output in outputs]
    np.testing.assert_allclose(sums, [0.19541, 6.0, 0.17143, 0.1015, 0.19502], atol=2e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttentionPooling(3, score="dot"), "one of luong, bahdanau. Received: 'dot'"),
        (lambda: AttentionPooling(0), "units must be at least 1"),
        (lambda: AttentionLayer(-1), "units must be at least 1"),
        (lambda: AttentionLayer("4"), "units must be an integer"),
        (lambda: AttentionPooling(None), "units must be an integer"),
        (lambda: SelfAttention(2.0), "units must be an integer"),
        (lambda: SelfAttention(True), "units must be an integer"),
        (lambda: SelfAttention(4, scale="2"), "must be a finite number"),
        (lambda: SelfAttention(4, scale=float("nan")), "must be a finite number"),
        (lambda: AttentionLayer()([INPUTS, DECODER], mask=MASK), "mask must be"),
        (lambda: AttentionLayer()([INPUTS, DECODER], mask=[MASK]), "mask must be"),
        (lambda: AttentionLayer()({"a": INPUTS, "b": DECODER}), "expected .encoder_out"),
        (lambda: SelfAttention(4).compute_output_shape((2, 5)), "expected one sequence"),
        (lambda: AttentionPooling(4).compute_output_shape((2, 5)), "expected one sequence"),
        (lambda: TimeStepAttention().compute_output_shape((2, 5)), "expected one sequence"),
        (lambda: SelfAttention(4, scale=0), "must not be 0"),
        (lambda: AttentionLayer()(INPUTS), r"expected \[encoder_out, decoder_out\]"),
        (
            lambda: AttentionLayer()([INPUTS, DECODER, DECODER]),
            r"expected \[encoder_out, decoder_out\]",
        ),
        (lambda: SelfAttention(4)([INPUTS, INPUTS]), "expected one sequence"),
        (lambda: AttentionPooling(4)(INPUTS[0]), "expected one sequence"),
    ],
)
def test_what_cannot_be_is_an_error(make, message):
    with pytest.raises(UserError, match=message):
        make()


@every_layer
def test_a_built_layer_refuses_sequences_of_another_width_or_length(name, randomize):
    layer = built(name, randomize)
    other = INPUTS[:, :-1] if name == "time_steps" else INPUTS[..., :-1]
    with pytest.raises(ValueError, match="incompatible with the layer: expected axis"):
        layer(of(name, other)[0])


def test_units_and_scale_may_be_numbers_of_numpy():
    layer = SelfAttention(np.int64(4), scale=np.float32(2.0))
    assert SelfAttention.from_config(layer.get_config())(INPUTS).shape == (BATCH, STEPS, 4)
    assert (type(layer.units), type(layer.scale)) == (int, float)
