"""The whole model: the invariants of padding, saving, one recurrence and
learning."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nmt.attention import GeneralScore
from nmt.config.loader import ModelConfig
from nmt.model.losses import masked_loss
from nmt.model.seq2seq import Seq2Seq

SOURCE = tf.constant([[4, 9, 7, 5, 3], [8, 6, 3, 0, 0], [5, 3, 0, 0, 0]])
TARGET = tf.constant([[2, 5, 6, 5], [2, 4, 7, 0], [2, 8, 0, 0]])
PAPERS = pytest.mark.parametrize("attention", ["bahdanau", "luong"])

EVERYTHING = {"layer": "lstm", "num_layers": 2, "encoder_layers": 2, "input_feeding": True}
VARIANTS = {
    "bahdanau": {"attention": "bahdanau", "tied": "all"},
    "luong": {"attention": "luong", "tied": "target"},
    "bahdanau with all": {"attention": "bahdanau", **EVERYTHING},
    "luong with all": {"attention": "luong", **EVERYTHING},
    "dot in bfloat16": {
        "attention": "update_first/dot",
        "dtype": "mixed_bfloat16",
        "bridge": "last",
    },
}
OWN_SCORE = {"attention": "update_first/nmt.attention:GeneralScore"}
every_variant = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


def numbers(structure):
    return [
        keras.ops.convert_to_numpy(keras.ops.cast(leaf, "float32"))
        for leaf in tf.nest.flatten(structure)
    ]


def assert_close(ours, expected, atol):
    tf.nest.assert_same_structure(ours, expected)
    for x, y in zip(numbers(ours), numbers(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=0.0, atol=atol)


@every_variant
def test_padding_does_not_change_logits(options, tiny_model):
    model = tiny_model(**{**options, "dtype": "float32"})
    logits, weights = model.teacher_forced(SOURCE, TARGET)
    padded_logits, padded_weights = model.teacher_forced(tf.pad(SOURCE, [[0, 0], [0, 4]]), TARGET)
    assert_close(padded_logits, logits, 1e-6)
    assert_close(padded_weights[:, :, :5], weights, 1e-6)
    assert not np.any(padded_weights[:, :, 5:])


@every_variant
def test_batch_mates_do_not_change_logits(options, tiny_model):
    model = tiny_model(**{**options, "dtype": "float32"})
    together = model(SOURCE, TARGET)
    assert_close(model(SOURCE[::-1], TARGET[::-1])[::-1], together, 1e-6)
    for row, length in enumerate([5, 3, 2]):
        assert_close(
            model(SOURCE[row : row + 1, :length], TARGET[row : row + 1]),
            together[row : row + 1],
            1e-6,
        )


def test_logits_depend_on_every_word_of_source_and_target(tiny_model):
    model = tiny_model()
    logits = model(SOURCE, TARGET)[0].numpy()
    for position in range(5):
        changed = SOURCE.numpy()
        changed[0, position] = 10
        assert not np.any(np.all(np.isclose(model(changed, TARGET)[0], logits, atol=1e-5), axis=-1))
    for position in range(4):
        changed = TARGET.numpy()
        changed[0, position] = 10
        same = np.all(np.isclose(model(SOURCE, changed)[0], logits, atol=1e-5), axis=-1)
        np.testing.assert_array_equal(same, np.arange(4) < position)


LOAD_IN_A_FRESH_PROCESS = """
import sys
from pathlib import Path

import keras
import numpy as np

import nmt.model.seq2seq

folder = Path(sys.argv[1])
for path in folder.glob("*.keras"):
    model = keras.saving.load_model(path)
    arrays = np.load(path.with_suffix(".npz"))
    logits = keras.ops.cast(model(arrays["source"], arrays["target"]), "float32")
    np.testing.assert_array_equal(logits, arrays["logits"], err_msg=path.stem)
    print(path.stem, model.dtype_policy.name, len(model.trainable_variables))
"""


def test_a_saved_model_loads_in_a_fresh_process_without_custom_objects(tmp_path, tiny_model):
    expected = set()
    for name, options in VARIANTS.items():
        model, stem = tiny_model(**options), name.replace(" ", "_")
        model.save(tmp_path / f"{stem}.keras")
        logits = numbers(model(SOURCE, TARGET))[0]
        np.savez(tmp_path / f"{stem}.npz", source=SOURCE, target=TARGET, logits=logits)
        expected.add(f"{stem} {model.dtype_policy.name} {len(model.trainable_variables)}")
    process = subprocess.run(
        [sys.executable, "-c", LOAD_IN_A_FRESH_PROCESS, tmp_path], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert set(process.stdout.splitlines()) == expected


def test_a_model_saved_before_the_modules_moved_into_packages_loads():
    path = Path(__file__).parents[1] / "fixtures" / "old" / "seq2seq.keras"
    logits = keras.saving.load_model(path)(np.array([[4, 5, 3]]), np.array([[2, 5]]))
    expected = [
        [-0.327579, 0.427634, -0.207325, 0.140760, 0.171919, -0.226132, 0.515035],
        [0.024948, 0.252397, -0.169033, 0.009492, -0.044336, -0.081025, 0.056943],
    ]
    np.testing.assert_allclose(logits[0], expected, atol=1e-5)


GRU = "kernel recurrent_kernel bias recurrent_bias"
LSTM = "kernel recurrent_kernel bias"
LAYER_NORM_LSTM = f"{LSTM} gain recurrent_gain"
# Options of a model, and the weights of its layers: saved runs find them by these paths.
WEIGHTS_OF_LAYERS = {
    "attend first": (
        {"attention": "attend_first/monotonic"},
        {
            "target_embedding": "matrix",
            "source_embedding": "matrix",
            "encoder_forward_0": GRU,
            "encoder_backward_0": GRU,
            "decoder": "vocabulary vocabulary_bias",
            "decoder_cell_0": GRU,
            "decoder_feed": "kernel",
            "decoder_monotonic": "v g r",
            "seed_generator": "seed_generator_state",
            "decoder_monotonic_query": "kernel",
            "decoder_monotonic_key": "kernel bias",
            "decoder_readout": "kernel bias",
            "decoder_bridge_0_0": "kernel bias",
        },
    ),
    "update first": (
        {"attention": "update_first/local_p", "layer": "layer_norm_lstm", "tied": "all"},
        {
            "target_embedding": "matrix",
            "encoder_forward_0": LAYER_NORM_LSTM,
            "encoder_backward_0": LAYER_NORM_LSTM,
            "decoder": "vocabulary_bias",
            "decoder_cell_0": LAYER_NORM_LSTM,
            "decoder_local_p": "v",
            "decoder_local_p_key": "kernel",
            "decoder_local_p_position": "kernel",
            "decoder_readout": "kernel bias",
            "decoder_bridge_0_0": "kernel bias",
            "decoder_bridge_0_1": "kernel bias",
        },
    ),
    "conditional": (
        {
            "attention": "conditional/coverage",
            "num_layers": 2,
            "input_feeding": True,
            "lexical": True,
            "bridge": "zero",
            "tied": "target",
        },
        {
            "target_embedding": "matrix",
            "source_embedding": "matrix",
            "encoder_forward_0": GRU,
            "encoder_backward_0": GRU,
            "decoder": "vocabulary_bias",
            "decoder_cell_0": GRU,
            "decoder_cell_1": GRU,
            "decoder_feed": "kernel",
            "decoder_coverage": "v w",
            "decoder_coverage_query": "kernel",
            "decoder_coverage_key": "kernel bias",
            "decoder_context_cell": GRU,
            "decoder_readout": "kernel bias",
        },
    ),
    "multihead": (
        {
            "attention": "attend_first/multihead",
            "layer": "lstm",
            "encoder_layers": 2,
            "bridge": "last",
        },
        {
            "target_embedding": "matrix",
            "source_embedding": "matrix",
            "encoder_forward_0": LSTM,
            "encoder_backward_0": LSTM,
            "encoder_forward_1": LSTM,
            "encoder_backward_1": LSTM,
            "decoder": "vocabulary vocabulary_bias",
            "decoder_cell_0": LSTM,
            "decoder_feed": "kernel",
            "decoder_multihead_query": "kernel",
            "decoder_multihead_key": "kernel",
            "decoder_multihead_value": "kernel",
            "decoder_readout": "kernel bias",
        },
    ),
}


@pytest.mark.parametrize(("options", "layers"), WEIGHTS_OF_LAYERS.values(), ids=WEIGHTS_OF_LAYERS)
def test_the_paths_of_weights_stay_as_they_are(options, layers, tiny_model):
    model = tiny_model(**options, randomize=False)
    expected = [f"{layer}/{name}" for layer, names in layers.items() for name in names.split()]
    # Keras numbers a seed generator by how many there were before it.
    paths = [re.sub(r"seed_generator_\d+/", "seed_generator/", v.path) for v in model.variables]
    assert paths == expected


def test_a_saved_model_with_a_custom_score_loads_with_the_class_that_is_given(tmp_path, tiny_model):
    model = tiny_model(**OWN_SCORE)
    model.save(tmp_path / "own.keras")
    with pytest.raises(
        Exception, match=r"score 'nmt\.attention:GeneralScore' is code from outside"
    ):
        keras.saving.load_model(tmp_path / "own.keras")
    objects = {"nmt.attention:GeneralScore": GeneralScore}
    loaded = keras.saving.load_model(tmp_path / "own.keras", custom_objects=objects)
    assert_close(numbers(loaded(SOURCE, TARGET)), numbers(model(SOURCE, TARGET)), atol=1e-6)


def test_names_of_layers_are_names_that_tensorflow_accepts_for_scopes(tiny_model):
    # Only the names: what a refused scope leaves behind would spoil the tests that follow.
    paths = [variable.path for variable in tiny_model(**OWN_SCORE).variables]
    assert not [path for path in paths if not re.fullmatch(r"[A-Za-z0-9_.\\/>-]*", path)]


@every_variant
def test_the_single_step_model_is_a_keras_model_that_equals_step(options, tiny_model):
    model = tiny_model(**options)
    single_step = model.single_step_model()
    assert isinstance(single_step, keras.Model)
    memory, state = model.encode(SOURCE)
    for t in range(TARGET.shape[1]):
        ids = TARGET[:, t : t + 1]
        logits, weights, next_state = model.step(ids, state, memory)
        outputs = single_step({"ids": ids, "state": state, "memory": memory})
        tolerance = 1e-6 if model.compute_dtype == "float32" else 0.02
        assert_close(
            outputs, {"logits": logits, "weights": weights, "state": next_state}, tolerance
        )
        state = next_state


def test_the_single_step_model_takes_any_number_of_sentences_hypotheses_and_positions(tiny_model):
    model = tiny_model(input_feeding=True)
    single_step = model.single_step_model()
    memory, state = model.encode(SOURCE[:2, :3])
    state = tf.nest.map_structure(lambda entry: tf.repeat(entry, 4, axis=1), state)
    ids = tf.constant([[2, 5, 6, 7], [2, 9, 8, 7]])
    outputs = single_step({"ids": ids, "state": state, "memory": memory})
    assert outputs["logits"].shape == (2, 4, 13)
    assert outputs["weights"].shape == (2, 4, 3)
    assert_close(outputs["logits"], model.step(ids, state, memory)[0], 1e-6)


def test_the_single_step_model_has_the_same_variables_and_no_others(tiny_model):
    model = tiny_model(input_feeding=True, num_layers=2)
    single_step = model.single_step_model()
    ours = {id(variable) for variable in model.trainable_variables}
    theirs = {id(variable) for variable in single_step.trainable_variables}
    assert theirs and theirs <= ours
    assert theirs == {id(variable) for variable in model.decoder.trainable_variables}
    memory, state = model.encode(SOURCE)
    inputs = {"ids": TARGET[:, :1], "state": state, "memory": memory}
    before = single_step(inputs)["logits"]
    model.decoder.vocabulary_bias.assign_add(tf.ones(13))
    assert_close(single_step(inputs)["logits"], before + 1.0, 1e-5)


@pytest.mark.parametrize("bridge", ["zero", "last", "dense"])
@every_variant
def test_gradients_reach_every_trainable_variable(options, bridge, tiny_model):
    model = tiny_model(**{**options, "bridge": bridge})
    with tf.GradientTape() as tape:
        loss = masked_loss(
            model(SOURCE, TARGET[:, :-1], training=True), TARGET[:, 1:], 0.1
        ).objective
    variables = model.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, [v.value for v in variables]), strict=True
    ):
        assert gradient is not None, variable.path
        assert gradient.dtype == tf.float32, variable.path
        gradient = tf.convert_to_tensor(gradient)
        assert np.all(np.isfinite(gradient)), variable.path
        assert np.any(gradient), variable.path


def test_gradients_equal_finite_differences(tiny_model):
    """Through the scan, the shared matrix and the loss, along a random direction in the space of
    all weights."""
    model = tiny_model(tied="all", input_feeding=True, num_layers=2)
    variables = model.trainable_variables

    def loss():
        return masked_loss(model(SOURCE, TARGET[:, :-1]), TARGET[:, 1:], 0.1).objective

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [v.value for v in variables])
    generator, step = np.random.default_rng(5), 1e-3
    direction = [generator.normal(size=v.shape).astype("float32") for v in variables]
    slope = sum(
        float(tf.reduce_sum(g * d))
        for g, d in zip(map(tf.convert_to_tensor, gradients), direction, strict=True)
    )
    values, start = [], model.get_weights()
    originals = [v.numpy() for v in variables]
    for sign in (1, -1):
        for variable, original, d in zip(variables, originals, direction, strict=True):
            variable.assign(original + sign * step * d)
        values.append(float(loss()))
    model.set_weights(start)
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-2)


def variables_by_path(model):
    return {v.path: v.numpy() for v in model.trainable_variables}


@pytest.mark.parametrize(
    "other",
    [
        {"attention": "luong"},
        {"num_layers": 2},
        {"input_feeding": True},
        {"bridge": "zero"},
        {"tied": "target"},
    ],
    ids=str,
)
def test_two_variants_under_one_seed_share_the_weights_of_their_common_parts(other, tiny_model):
    first = variables_by_path(tiny_model(attention="bahdanau", randomize=False))
    second = variables_by_path(tiny_model(**{"attention": "bahdanau", **other}, randomize=False))
    same_shape = {
        path for path in first.keys() & second.keys() if first[path].shape == second[path].shape
    }
    assert (
        sum("encoder" in path for path in same_shape) == 8
    )  # kernel, recurrent kernel and two biases a direction
    assert sum("embedding" in path for path in same_shape) == 2
    assert sum("cell_0" in path for path in same_shape) == 4
    for path in same_shape:
        np.testing.assert_array_equal(first[path], second[path], err_msg=path)


def test_another_seed_gives_other_weights(tiny_model):
    first, second = (tiny_model(seed=seed, randomize=False) for seed in (1, 2))
    for path, ours in variables_by_path(first).items():
        if np.any(ours):
            assert not np.any(ours == variables_by_path(second)[path]), path


@PAPERS
def test_the_same_seed_repeats_training_dropout(attention, tiny_model):
    first, second = (tiny_model(attention=attention, dropout=0.5) for _ in range(2))
    np.testing.assert_array_equal(
        first(SOURCE, TARGET, training=True), second(SOURCE, TARGET, training=True)
    )


def test_inference_does_not_advance_the_dropout_of_training(tiny_model):
    first, second = (tiny_model(dropout=0.5) for _ in range(2))
    first(SOURCE, TARGET)
    np.testing.assert_array_equal(
        first(SOURCE, TARGET, training=True), second(SOURCE, TARGET, training=True)
    )


def test_the_number_of_parameters_by_hand():
    # vocabulary 20, embedding 4, encoder 2 x 3, decoder 5, attention 7, readout 4
    config = {
        "embedding_units": 4,
        "tied_embeddings": "all",
        "encoder": {"units": 3},
        "decoder": {"attention": "bahdanau", "units": 5, "attention_units": 7, "bridge": "dense"},
    }
    model = Seq2Seq(config, 20, 20)
    embedding = 20 * 4
    encoder = 2 * (
        4 * 9 + 3 * 9 + 9 + 3
    )  # inputs, states, bias, and the bias inside the reset gate's product
    cell = 4 * 15 + 5 * 15 + 15 + 5
    feed = 6 * 15
    attention = 5 * 7 + 6 * 7 + 7 + 7
    bridge = 6 * 5 + 5
    readout = (5 + 6 + 4) * 4 + 4
    vocabulary_bias = 20
    parts = [embedding, encoder, cell, feed, attention, bridge, readout, vocabulary_bias]
    assert model.count_params() == sum(parts) == 685


def test_a_model_is_built_from_a_plain_mapping_and_gives_it_back():
    model = Seq2Seq({"embedding_units": 4, "decoder": {"attention": "luong"}}, 20, 21, seed=3)
    config = model.get_config()
    again = Seq2Seq.from_config(config)
    assert again.config == model.config == ModelConfig.model_validate(config["config"])
    assert (again.vocabulary_sizes, again.seed) == ((20, 21), 3)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_logits_are_as_precise_as_the_computation_and_weights_are_float32(dtype, tiny_model):
    logits, weights = tiny_model(dtype=dtype).teacher_forced(SOURCE, TARGET)
    assert logits.dtype == ("bfloat16" if dtype == "mixed_bfloat16" else "float32")
    assert weights.dtype == tf.float32


def test_a_graph_computes_what_eager_execution_does(tiny_model):
    model = tiny_model(input_feeding=True, num_layers=2)
    graph = tf.function(
        model.teacher_forced, input_signature=[tf.TensorSpec((None, None), tf.int32)] * 2
    )
    assert_close(graph(SOURCE, TARGET), model.teacher_forced(SOURCE, TARGET), 1e-6)


BOS, EOS, FIRST_WORD, VOCABULARY, LONGEST = 2, 3, 4, 16, 8


def reversal_batch(generator, size):
    """-> source bs (words, </s>, padding), target (<s>, the words from last to first, </s>,
    padding)."""
    source, target = np.zeros((size, LONGEST + 1), "int32"), np.zeros((size, LONGEST + 2), "int32")
    for row in range(size):
        words = generator.integers(FIRST_WORD, VOCABULARY, generator.integers(1, LONGEST + 1))
        source[row, : len(words) + 1] = [*words, EOS]
        target[row, : len(words) + 2] = [BOS, *words[::-1], EOS]
    return source, target


@PAPERS
def test_reversal_is_learnt_within_400_steps(attention):
    config = {
        "embedding_units": 32,
        "encoder": {"units": 16},
        "decoder": {"attention": attention, "units": 32},
        "dropout": {"embedding": 0.0, "layer": 0.0, "readout": 0.0},
    }
    model = Seq2Seq(config, VOCABULARY, VOCABULARY, seed=1)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(1e-2, 400), global_clipnorm=1.0
    )

    @tf.function(autograph=False)
    def train(source, target):
        with tf.GradientTape() as tape:
            loss = masked_loss(model(source, target[:, :-1], training=True), target[:, 1:])
            objective = loss.objective / loss.tokens
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(objective, variables), variables, strict=True))

    generator = np.random.default_rng(1)
    for _ in range(400):
        train(*map(tf.constant, reversal_batch(generator, 64)))

    source, target = reversal_batch(np.random.default_rng(2), 200)
    memory, state = model.encode(tf.constant(source))
    ids, words = tf.fill((200, 1), BOS), []
    for _ in range(LONGEST + 1):
        logits, _, state = model.step(ids, state, memory)
        ids = tf.argmax(logits, axis=-1, output_type=tf.int32)
        words.append(ids.numpy())
    expected = target[:, 1:]
    right = (np.concatenate(words, axis=1) == expected) | (expected == 0)
    assert right.all(axis=1).mean() > 0.95  # whole sentences
