"""Attention that does more than compare: each equation in NumPy, one query after the other."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nmt.attention import Score, make_score
from nmt.config.loader import SCORES, ConfigError, parse_config
from nmt.errors import UserError
from nmt.model.mechanisms import expected_alignment

UNITS, SOURCE = 4, 6
STATES = np.random.default_rng(1).normal(size=(SOURCE, UNITS)).astype("float32")
QUERIES = np.random.default_rng(2).normal(size=(5, UNITS)).astype("float32")
LENGTH = 5  # of the source; one state is padding
REAL = np.arange(SOURCE) < LENGTH
PLACES = np.arange(1, SOURCE + 1)


def softmax(scores, real=REAL):
    exp = np.where(real, np.exp(scores), 0.0)
    return exp / exp.sum()


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def make(name, randomize, **options):
    options = {**SCORES[name].options().model_dump(), **options}
    return randomize(make_score(name, (UNITS, UNITS, 3), options, name=name), scale=0.7)


def rows_of(score, final=None):
    """The weights of one query after the other, ts, and the contexts, td."""
    states = tf.constant(STATES[None])
    keys = score.project_keys(states)
    state, weights, contexts = (
        score.start(keys, tf.zeros((1, UNITS)) if final is None else final),
        [],
        [],
    )
    for query in QUERIES:
        arguments = tf.constant(query[None, None]), keys, states, tf.constant(REAL[None]), state
        context, row, state = score.attend(*arguments)
        weights.append(row[0, 0].numpy())
        contexts.append(context[0, 0].numpy())
    return np.array(weights), np.array(contexts)


def additive_scores(score, query, seen=0.0):
    keys = STATES @ score.key_layer.kernel.numpy()
    keys = keys + (0.0 if score.key_layer.bias is None else score.key_layer.bias.numpy())
    return np.tanh(query @ score.query_layer.kernel.numpy() + keys + seen) @ score.v.numpy()[:, 0]


def general_scores(score, query):
    return STATES @ (score.key_layer.kernel.numpy() / UNITS**0.5) @ query


def test_normed_additive_is_additive_along_a_direction_of_length_g(randomize):
    score = make("normed_additive", randomize)
    v = score.v.numpy()[:, 0]
    length = score.g.numpy() / np.linalg.norm(v)
    expected = [softmax(additive_scores(score, query) * length) for query in QUERIES]
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)


def test_concat_is_a_matrix_over_query_and_state_one_above_the_other(randomize):
    score = make("concat", randomize)
    matrix = np.concatenate([score.query_layer.kernel, score.key_layer.kernel])
    expected = [
        softmax(
            [
                np.tanh(np.concatenate([query, state]) @ matrix) @ score.v.numpy()[:, 0]
                for state in STATES
            ]
        )
        for query in QUERIES
    ]
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["dot", "general"])
def test_a_scaled_score_is_g_times_the_score(name, randomize):
    score = make(f"scaled_{name}", randomize)
    score.g.assign(2.5)
    scores = [
        STATES @ query if name == "dot" else general_scores(score, query) for query in QUERIES
    ]
    np.testing.assert_allclose(rows_of(score)[0], [softmax(2.5 * row) for row in scores], atol=1e-6)


def test_location_sees_places_and_none_past_its_maximum(randomize):
    score = make("location", randomize, max_length=3)
    kernel = score.place_layer.kernel.numpy()
    expected = [np.pad(softmax(query @ kernel, np.full(3, True)), (0, 3)) for query in QUERIES]
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)
    longer = make("location", randomize, max_length=9)
    expected = [softmax((query @ longer.place_layer.kernel.numpy())[:SOURCE]) for query in QUERIES]
    np.testing.assert_allclose(rows_of(longer)[0], expected, atol=1e-6)


def test_local_m_moves_a_place_a_step_and_stays_at_the_end(randomize):
    score = make("local_m", randomize, window=1)
    expected = [
        softmax(general_scores(score, query), REAL & (abs(PLACES - min(step, LENGTH)) <= 1))
        for step, query in enumerate(QUERIES, 1)
    ]
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)
    assert np.count_nonzero(expected[0]) == 2 and np.count_nonzero(expected[1]) == 3


def test_local_p_predicts_a_place_and_weighs_by_a_gaussian_around_it(randomize):
    score = make("local_p", randomize, window=2)
    expected = []
    for query in QUERIES:
        place = LENGTH * sigmoid(
            np.tanh(query @ score.position_layer.kernel.numpy()) @ score.v.numpy()[:, 0]
        )
        inside = REAL & (abs(PLACES - place) <= 2)
        expected.append(
            softmax(general_scores(score, query), inside) * np.exp(-((PLACES - place) ** 2) / 2)
        )  # D/2 = 1
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)
    assert np.all(np.sum(expected, axis=1) < 1.0)


def test_heads_attend_apart_and_stand_side_by_side(randomize):
    score = make("multihead", randomize, heads=2)
    queries = QUERIES @ score.query_layer.kernel.numpy()
    keys, values = (
        STATES @ score.key_layer.kernel.numpy(),
        STATES @ score.value_layer.kernel.numpy(),
    )
    halves = [slice(0, 2), slice(2, 4)]
    rows = [[softmax(keys[:, half] @ query[half] / 2**0.5) for half in halves] for query in queries]
    weights, contexts = rows_of(score)
    np.testing.assert_allclose(weights, np.mean(rows, axis=1), atol=1e-6)
    expected = [
        np.concatenate([a @ values[:, half] for a, half in zip(row, halves, strict=True)])
        for row in rows
    ]
    np.testing.assert_allclose(contexts, expected, atol=1e-5)


def test_coverage_is_what_was_looked_at_so_far(randomize):
    score, seen, expected = make("coverage", randomize), np.zeros(SOURCE), []
    for query in QUERIES:
        expected.append(
            softmax(additive_scores(score, query, np.outer(seen, score.w.numpy()[:, 0])))
        )
        seen = seen + expected[-1]
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["coverage", "monotonic"])
def test_the_state_is_exact_where_all_else_is_in_bfloat16(name):
    """In bfloat16, 1 + 0.0035 is 1."""
    options = SCORES[name].options().model_dump()
    score = make_score(name, (4, 4, 3), options, name=name, dtype="mixed_bfloat16")
    keys = score.project_keys(tf.cast(STATES[None], "bfloat16"))
    state = score.start(keys, tf.zeros((1, UNITS), "bfloat16"))
    query = tf.cast(QUERIES[None, :1], "bfloat16")
    total = state
    for _ in range(3):
        arguments = keys, tf.cast(STATES[None], "bfloat16"), tf.constant(REAL[None])
        _, weights, state = score.attend(query, *arguments, state)
        total = total + weights if name == "coverage" else weights
    assert state.dtype == "float32"
    np.testing.assert_array_equal(state, total)


def stopping(score, query):
    direction = score.g.numpy() / np.linalg.norm(score.v.numpy())
    return np.where(REAL, sigmoid(additive_scores(score, query) * direction + score.r.numpy()), 0.0)


def test_monotonic_expects_what_the_recurrence_of_the_paper_gives(randomize):
    """Equation 9: q_j = (1 - p_(j-1)) q_(j-1) + last_j,  weight_j = p_j q_j."""
    score, last, expected = make("monotonic", randomize), np.eye(SOURCE)[0], []
    for query in QUERIES:
        p, q, row = stopping(score, query), 0.0, np.zeros(SOURCE)
        for j in range(SOURCE):
            q = (1.0 - p[j - 1] if j else 0.0) * q + last[j]
            row[j] = p[j] * q
        expected.append(row)
        last = row
    np.testing.assert_allclose(rows_of(score)[0], expected, atol=1e-6)
    assert np.all(np.diff(np.sum(expected, axis=1)) < 0.0)  # more and more have walked past the end


def test_hard_monotonic_stops_at_the_first_likely_place_and_never_turns_back(randomize):
    score, place, expected = make("monotonic", randomize, mode="hard", initial_bias=0.0), 0, []
    score.r.assign(0.1)
    for query in QUERIES:
        p = stopping(score, query)
        while place < SOURCE and p[place] <= 0.5:
            place += 1
        expected.append(np.eye(SOURCE + 1)[place, :SOURCE])  # nothing, past the end
    rows, contexts = rows_of(score)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(contexts, rows @ STATES, atol=1e-6)


def test_what_stands_behind_a_sure_stop_is_not_lost_and_has_a_gradient():
    """Where equation 10 of the paper divides by zero."""
    scores = tf.constant([[[200.0, 200.0, -1.0, 200.0]]])
    last = tf.constant([[[0.0, 0.0, 1.0, 0.0]]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        weights = expected_alignment(scores, tf.constant([[True] * 4]), last)
        loss = tf.reduce_sum(weights * tf.range(4.0))
    np.testing.assert_allclose(
        weights[0, 0], [0.0, 0.0, sigmoid(-1.0), 1.0 - sigmoid(-1.0)], atol=1e-4
    )
    assert np.all(np.isfinite(tape.gradient(loss, scores)))


def test_noise_is_added_in_training_only(tiny_model):
    model = tiny_model(attention="attend_first/monotonic", score_options={"noise": 1.0})
    source, target = tf.constant([[4, 5, 6, 3]]), tf.constant([[2, 7, 8]])
    first, second = (model.teacher_forced(source, target)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    first, second = (model.teacher_forced(source, target, training=True)[1] for _ in range(2))
    assert not np.allclose(first, second, atol=1e-3)


def test_uniform_is_the_mean_and_none_the_final_state(randomize):
    weights, contexts = rows_of(make("uniform", randomize))
    np.testing.assert_allclose(weights, np.tile(REAL / LENGTH, (5, 1)), atol=1e-6)
    np.testing.assert_allclose(contexts, np.tile(STATES[:LENGTH].mean(0), (5, 1)), atol=1e-6)
    final = tf.constant([[1.0, -2.0, 3.0, 4.0]])
    weights, contexts = rows_of(make("none", randomize), final)
    assert not weights.any()
    np.testing.assert_array_equal(contexts, np.tile(final, (5, 1)))


@pytest.mark.parametrize("name", SCORES)
def test_every_gradient_is_finite_and_every_weight_has_one(name, tiny_model):
    model = tiny_model(attention=f"attend_first/{name}")
    score = model.decoder.score
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(
            tf.sin(
                model(
                    tf.constant([[4, 9, 5, 7, 6, 3], [6, 3, 0, 0, 0, 0]]), tf.ones((2, 4), tf.int32)
                )
            )
        )
    for variable, gradient in zip(
        score.trainable_variables, tape.gradient(loss, score.trainable_variables), strict=True
    ):
        assert np.all(np.isfinite(gradient)) and np.any(tf.convert_to_tensor(gradient)), (
            variable.path
        )


def test_what_two_mechanisms_share_starts_bit_identical(tiny_model):
    plain = {
        v.path: v for v in tiny_model(attention="attend_first/additive", randomize=False).variables
    }
    for name in set(SCORES) - {
        "additive",
        "dot",
        "scaled_dot",
        "multihead",
    }:  # whose memory is wider here
        model = tiny_model(attention=f"attend_first/{name}", randomize=False)
        own = {id(v) for v in model.decoder.score.variables}
        shared = [v for v in model.trainable_variables if id(v) not in own]
        assert len(shared) > 8
        for variable in shared:
            np.testing.assert_array_equal(
                variable, plain[variable.path], err_msg=f"{name}: {variable.path}"
            )


class Sharp(Score):
    """A score of one's own, with an option."""

    def build_weights(self, *, factor=2.0):
        self.factor = factor

    def call(self, query_BTH, keys_BSU, state):
        return self.factor * tf.matmul(query_BTH, keys_BSU, transpose_b=True), state


def test_options_of_a_score_of_ones_own_are_what_its_weights_take(tiny_model):
    score = tiny_model(
        attention=f"attend_first/{__name__}:Sharp", bridge="last", score_options={"factor": 3.0}
    ).decoder.score
    assert score.factor == 3.0
    with pytest.raises(
        UserError, match=r"no option 'facto'; it has factor. Did you mean 'factor'\?"
    ):
        tiny_model(
            attention=f"attend_first/{__name__}:Sharp", bridge="last", score_options={"facto": 3.0}
        )


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (
            {"score": "local_p", "score_options": {"windw": 3}},
            r"'local_p' has no option 'windw'.*'window'\?$",
        ),
        (
            {"score": "local_p", "score_options": {"window": 0}},
            r"'window' of score 'local_p' must be gr.*, received 0",
        ),
        (
            {"score": "dot", "score_options": {"window": 3}},
            r"'dot' has no option 'window'; it has none",
        ),
        (
            {"score": "monotonic", "score_options": {"mode": "soft"}},
            r"'mode' of score 'monotonic' must be 'expected'",
        ),
        (
            {"score": "multihead", "score_options": {"heads": 3}},
            r"to be multiples of 3, received 512 and 512",
        ),
        ({"score": "none", "lexical": True}, r"'none' attends to no source word"),
    ],
)
def test_a_wrong_option_is_told(decoder, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({"model": {"decoder": decoder}}, "experiment.yaml")


def test_the_documented_custom_score_trains_steps_and_takes_its_option(
    tiny_model, tmp_path, monkeypatch
):
    page = Path(__file__).parents[2] / "docs" / "attention" / "adding.md"
    text = page.read_text(encoding="utf-8")
    code = next(
        block for block in text.split("```python\n") if "class CosineScore" in block
    ).partition("```")[0]
    assert len(code.splitlines()) < 20
    (tmp_path / "cosine.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    model = tiny_model(
        attention="attend_first/cosine:CosineScore", score_options={"sharpness": 3.0}
    )
    source, target = tf.constant([[4, 5, 6, 3]]), tf.constant([[2, 7]])
    memory, state = model.encode(source)
    logits, weights = model.teacher_forced(source, target)
    for t in range(2):
        logits_B1V, weights_B1S, state = model.step(target[:, t : t + 1], state, memory)
        np.testing.assert_allclose(logits_B1V, logits[:, t : t + 1], atol=1e-5)
        np.testing.assert_allclose(weights_B1S, weights[:, t : t + 1], atol=1e-5)
    assert (
        np.ptp(np.log(weights)) <= 6.0 and np.ptp(weights) > 0.01
    )  # a cosine times 3 is between -3 and 3
