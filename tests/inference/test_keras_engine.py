"""The Keras engine against the model it runs: the same numbers, whatever is asked for and in
whatever shape.

B batch  S source  K hypotheses  V vocabulary
"""

import numpy as np
import pytest
import tensorflow as tf

from nmt.config.schema import SCORES
from nmt.inference.keras_engine import KerasEngine
from nmt.search.beam import map_arrays

SOURCE = np.array([[4, 9, 7, 5, 3], [8, 6, 3, 0, 0], [5, 3, 0, 0, 0]])
IDS = np.array([[2, 5, 6, 7], [2, 9, 8, 7], [3, 4, 10, 2]])
VARIANTS = {
    "bahdanau": {"attention": "bahdanau"},
    "luong with all": {
        "attention": "luong",
        "layer": "lstm",
        "num_layers": 2,
        "input_feeding": True,
        "tied": "target",
    },
}
every_variant = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


def times(state, num_hypotheses):
    """The state of one hypothesis a sentence as that of several, each a little another one."""
    generator = np.random.default_rng(0)

    def repeat(leaf):
        leaf = np.repeat(leaf, num_hypotheses, axis=1)
        return leaf + generator.normal(0, 0.3, leaf.shape).astype(leaf.dtype)

    return map_arrays(repeat, state)


def expected_log_probs(model, ids, state, memory):
    logits, _, new_state = model.step(
        tf.constant(ids, tf.int32), *map_arrays(tf.constant, (state, memory))
    )
    return tf.nn.log_softmax(logits).numpy(), map_arrays(lambda leaf: leaf.numpy(), new_state)


def assert_states_close(ours, expected):
    tf.nest.assert_same_structure(ours, expected)
    for x, y in zip(tf.nest.flatten(ours), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


@every_variant
@pytest.mark.parametrize("num_hypotheses", [1, 4])
@pytest.mark.parametrize("num_candidates", [1, 5])
def test_candidates_are_the_best_log_probabilities_of_the_model(
    options, num_hypotheses, num_candidates, tiny_model
):
    model = tiny_model(**options)
    engine = KerasEngine(model)
    memory, state = engine.encode(SOURCE)
    state = times(state, num_hypotheses)
    ids = IDS[:, :num_hypotheses]
    log_probs, best, new_state, _ = engine.step(ids, state, memory, num_candidates)
    expected, expected_state = expected_log_probs(model, ids, state, memory)
    assert log_probs.shape == best.shape == (3, num_hypotheses, num_candidates)
    np.testing.assert_array_equal(best, np.argsort(-expected, axis=-1)[..., :num_candidates])
    np.testing.assert_allclose(log_probs, np.take_along_axis(expected, best, axis=-1), atol=1e-5)
    assert_states_close(new_state, expected_state)


@every_variant
def test_encode_is_that_of_the_model(options, tiny_model):
    model = tiny_model(**options)
    memory, state = KerasEngine(model).encode(SOURCE)
    expected = map_arrays(lambda leaf: leaf.numpy(), model.encode(tf.constant(SOURCE, tf.int32)))
    assert_states_close((memory, state), expected)
    assert all(isinstance(leaf, np.ndarray) for leaf in tf.nest.flatten((memory, state)))


@pytest.mark.parametrize("num_candidates", [13, 50])
def test_as_many_candidates_as_the_vocabulary_has_are_the_whole_row(num_candidates, tiny_model):
    model = tiny_model()
    engine = KerasEngine(model)
    memory, state = engine.encode(SOURCE)
    log_probs, ids, _, _ = engine.step(IDS[:, :1], state, memory, num_candidates)
    assert np.array_equal(ids, np.broadcast_to(np.arange(13), (3, 1, 13)))
    np.testing.assert_allclose(
        log_probs, expected_log_probs(model, IDS[:, :1], state, memory)[0], atol=1e-5
    )


@pytest.mark.parametrize("num_candidates", [2, 13])
def test_named_ids_follow_the_candidates(num_candidates, tiny_model):
    model = tiny_model()
    engine = KerasEngine(model, forbidden_ids=[1])
    memory, state = engine.encode(SOURCE)
    state, ids = times(state, 2), IDS[:, :2]
    named = np.array([[[5, -1, 1], [12, 5, 3]], [[-1, -1, -1], [4, 4, -1]], [[3, 8, 9], [0, 2, 7]]])
    plain = engine.step(ids, state, memory, num_candidates)
    log_probs, both_ids, new_state, _ = engine.step(ids, state, memory, num_candidates, named)
    np.testing.assert_array_equal(both_ids[..., num_candidates:], named)
    np.testing.assert_array_equal(both_ids[..., :num_candidates], plain.ids_BKC)
    np.testing.assert_array_equal(log_probs[..., :num_candidates], plain.log_probs_BKC)
    rows = expected_log_probs(model, ids, state, memory)[0]
    expected = np.take_along_axis(rows, np.maximum(named, 0), axis=2)
    np.testing.assert_allclose(
        log_probs[..., num_candidates:],
        np.where((named < 0) | (named == 1), -np.inf, expected),
        atol=1e-5,
    )
    assert_states_close(new_state, plain.state)


@every_variant
def test_weights_are_those_that_predicted_the_candidates_and_come_when_asked_for(
    options, tiny_model
):
    model = tiny_model(**options)
    engine = KerasEngine(model)
    memory, state = engine.encode(SOURCE)
    state = times(state, 4)
    _, expected, _ = model.step(
        tf.constant(IDS, tf.int32), *map_arrays(tf.constant, (state, memory))
    )
    assert engine.step(IDS, state, memory, 3).weights_BKS is None
    weights = engine.step(IDS, state, memory, 3, with_weights=True).weights_BKS
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)


def test_forbidden_ids_have_no_probability_and_the_others_keep_theirs(tiny_model):
    model, forbidden = tiny_model(), [0, 1, 2, 7, 12]
    free, bound = KerasEngine(model), KerasEngine(model, forbidden)
    memory, state = free.encode(SOURCE)
    bound.encode(SOURCE)
    log_probs, best, _, _ = free.step(IDS[:, :1], state, memory, 13)
    bound_log_probs, bound_best, _, _ = bound.step(IDS[:, :1], state, memory, 13)
    allowed = [id for id in range(13) if id not in forbidden]
    for row in range(3):
        of_id = dict(zip(best[row, 0], log_probs[row, 0], strict=True))
        bound_of_id = dict(zip(bound_best[row, 0], bound_log_probs[row, 0], strict=True))
        assert all(bound_of_id[id] == of_id[id] for id in allowed)
        assert all(bound_of_id[id] == -np.inf for id in forbidden)


def test_hypotheses_of_a_sentence_do_not_touch_each_other(tiny_model):
    engine = KerasEngine(tiny_model(input_feeding=True))
    memory, state = engine.encode(SOURCE)
    state = times(state, 4)
    together, best, _, _ = engine.step(IDS, state, memory, 5)
    for k in range(4):
        one = map_arrays(lambda leaf, k=k: leaf[:, k : k + 1], state)
        alone, best_alone, _, _ = engine.step(IDS[:, k : k + 1], one, memory, 5)
        np.testing.assert_allclose(alone[:, 0], together[:, k], atol=1e-5)
        np.testing.assert_array_equal(best_alone[:, 0], best[:, k])


def test_one_graph_serves_every_shape(tiny_model):
    engine = KerasEngine(tiny_model(input_feeding=True))
    for batch, source, hypotheses in [(3, 5, 1), (1, 2, 4), (2, 3, 2), (3, 4, 7)]:
        memory, state = engine.encode(SOURCE[:batch, :source])
        ids = np.full((batch, hypotheses), 4)
        log_probs, *_ = engine.step(ids, times(state, hypotheses), memory, batch + 1)
        assert log_probs.shape == (batch, hypotheses, batch + 1)
    assert engine._encode.experimental_get_tracing_count() == 1
    assert engine._step.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("score", SCORES)
def test_sentences_of_another_length_follow_whatever_the_score_remembers(score, tiny_model):
    """Coverage and monotonic attention remember a number for each source position."""
    model = tiny_model(attention=f"update_first/{score}")
    engine = KerasEngine(model)
    for source in (SOURCE, SOURCE[:, :3], np.pad(SOURCE, ((0, 0), (0, 4)))):
        memory, state = engine.encode(source)
        step = engine.step(IDS[:, :1], state, memory, num_candidates=3)
        expected, expected_state = expected_log_probs(model, IDS[:, :1], state, memory)
        best = -np.sort(-expected, axis=2)[:, :, :3]
        np.testing.assert_allclose(step.log_probs_BKC, best, atol=1e-5)
        assert_states_close(step.state, expected_state)


def test_another_memory_is_another_answer(tiny_model):
    """The engine keeps the memory of the last step at hand, and must notice when it is given
    another."""
    engine = KerasEngine(tiny_model())
    answers = []
    for rows in ([0, 1], [1, 0], [0, 1]):
        memory, state = engine.encode(SOURCE[rows])
        first, *_ = engine.step(IDS[:2, :1], state, memory, 13)
        swapped, *_ = engine.step(
            IDS[:2, :1], state, map_arrays(lambda leaf: leaf[::-1].copy(), memory), 13
        )
        again, *_ = engine.step(IDS[:2, :1], state, memory, 13)
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, swapped)
        answers.append(first)
    np.testing.assert_allclose(answers[0], answers[2], atol=1e-6)
    assert not np.allclose(answers[0], answers[1])


def test_ids_of_any_integer_type_and_layout_are_taken(tiny_model):
    engine = KerasEngine(tiny_model())
    memory, state = engine.encode(SOURCE.astype(np.int64))
    expected, *_ = engine.step(IDS[:, :1], state, memory, 5)
    wide = np.zeros((3, 9), np.int64)
    wide[:, ::9] = IDS[:, :1]
    ours, *_ = engine.step(wide[:, ::9], state, memory, 5)
    np.testing.assert_array_equal(ours, expected)


def test_a_model_in_bfloat16_gives_log_probabilities_in_float32(tiny_model):
    engine = KerasEngine(tiny_model(dtype="mixed_bfloat16"))
    memory, state = engine.encode(SOURCE)
    log_probs, _, state, _ = engine.step(IDS[:, :1], state, memory, 13)
    again, *_ = engine.step(IDS[:, 1:2], state, memory, 13)
    for values in (log_probs, again):
        assert values.dtype == np.float32
        np.testing.assert_allclose(np.exp(values).sum(-1), 1.0, atol=1e-5)


def test_weights_that_change_change_the_answer_at_once(tiny_model, randomize):
    """Training evaluates through one engine, again and again."""
    model = tiny_model()
    engine = KerasEngine(model)
    memory, state = engine.encode(SOURCE)
    before, *_ = engine.step(IDS[:, :1], state, memory, 13)
    randomize(model, seed=9)
    memory, state = engine.encode(SOURCE)
    after, *_ = engine.step(IDS[:, :1], state, memory, 13)
    expected, _ = expected_log_probs(model, IDS[:, :1], state, memory)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, expected, atol=1e-5)


TARGET = np.array([[2, 4, 9, 7, 3], [2, 6, 1, 3, 0], [2, 3, 0, 0, 0]])


@every_variant
def test_force_equals_step_folded_over_the_target(options, tiny_model):
    """Invariants 1 and 2: a given target has the log-probabilities that search gives it."""
    model = tiny_model(**options)
    engine = KerasEngine(model, forbidden_ids=[1, 12])
    log_probs, weights = engine.force(SOURCE, TARGET)
    assert log_probs.shape == (3, 4) and weights.shape == (3, 4, 5)
    memory, state = model.encode(tf.constant(SOURCE, tf.int32))
    for t in range(4):
        logits, expected_weights, state = model.step(
            tf.constant(TARGET[:, t : t + 1], tf.int32), state, memory
        )
        expected = tf.nn.log_softmax(logits).numpy()[np.arange(3), 0, TARGET[:, t + 1]]
        real = TARGET[:, t + 1] != 0
        np.testing.assert_allclose(log_probs[real, t], expected[real], atol=1e-5)
        assert not log_probs[~real, t].any()
        np.testing.assert_allclose(weights[real, t], expected_weights.numpy()[real, 0], atol=1e-5)
