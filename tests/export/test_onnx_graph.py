"""The ONNX graphs against the model they were exported from, by invariant, over cells, scores,
layers and input feeding."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from conftest import _tiny_model
from fixtures.onnx import SOURCE, TARGET, VARIANTS, both_engines, integer_engine, onnx_engine

from nmt.attention import DotScore, GeneralScore
from nmt.config.schema import SCORES
from nmt.errors import UserError
from nmt.export.int8 import quantized
from nmt.export.onnx_graph import (
    Graph,
    best,
    encoder_graph,
    hoisted,
    step_graph,
    within_one,
)
from nmt.inference.keras_engine import KerasEngine
from nmt.model.recurrent import GRUCell, LSTMCell
from nmt.model.seq2seq import Seq2Seq
from nmt.model.signatures import named_leaves
from nmt.runs.onnx_sizes import Tensor, check_sizes, read_graph, tensors
from nmt.search.beam import search

every_variant = pytest.mark.parametrize("name", VARIANTS)


def operators(graph):
    return {node.op_type for node in graph.graph.node}


@every_variant
def test_encode_of_a_sentence_alone_is_that_of_the_model(name):
    keras, ours = both_engines(name)
    for row in SOURCE:
        ids = row[row != 0][None]
        memory, state = keras.encode(ids)
        expected = dict([*named_leaves(memory, "memory"), *named_leaves(state, "state")])
        names = [
            output.name for output in ours._encoder.get_outputs()
        ]  # of which steps may read some in another form
        found = dict(
            zip(names, ours._encoder.run(names, {"ids": ids.astype(np.int32)}), strict=True)
        )
        assert found.keys() >= expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, atol=1e-5, err_msg=key)


@every_variant
def test_steps_folded_over_a_target_are_the_teacher_forced_pass(name):
    """Invariants 1 and 4: Keras computes the whole target of a padded batch at once."""
    keras, ours = both_engines(name)
    real = TARGET[:, 1:] != 0
    for found, expected in zip(
        ours.force(SOURCE, TARGET), keras.force(SOURCE, TARGET), strict=True
    ):
        assert found.shape == expected.shape and found.dtype == np.float32
        np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


@every_variant
def test_a_beam_finds_what_it_finds_with_keras(name):
    """Invariant 2: with the log-probabilities of a teacher-forced pass."""
    keras, ours = both_engines(name)
    found, expected = (
        search(engine, SOURCE, [9, 6, 4], beam_size=3, n_best=2) for engine in (ours, keras)
    )
    for row, of_ours, of_keras in zip(SOURCE, found, expected, strict=True):
        for hypothesis, same in zip(of_ours, of_keras, strict=True):
            assert hypothesis.ids == same.ids and hypothesis.truncated == same.truncated
            assert hypothesis.log_prob == pytest.approx(same.log_prob, abs=1e-4)
            target = np.array([[2, *hypothesis.ids, *([] if hypothesis.truncated else [3])]])
            assert ours.force(row[None], target)[0].sum() == pytest.approx(
                hypothesis.log_prob, abs=1e-4
            )


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_padding_and_company_do_not_change_a_sentence(precision):
    """Invariant 4, in integers too: every row has a scale of its own."""
    engine = integer_engine() if precision == "int8" else both_engines()[1]
    together = search(engine, SOURCE, [9] * 3, beam_size=3)
    wide = np.pad(SOURCE[::-1], ((0, 0), (0, 4)))
    padded = search(engine, wide, [9] * 3, beam_size=3)[::-1]
    for row, (one,), (other,) in zip(SOURCE, together, padded, strict=True):
        ((alone,),) = search(engine, row[row != 0][None], [9], beam_size=3)
        assert alone.ids == one.ids == other.ids
        assert alone.log_prob == pytest.approx(one.log_prob, abs=1e-5)
        assert other.log_prob == pytest.approx(one.log_prob, abs=1e-5)


@pytest.mark.parametrize(
    "name", ["attend first, additive", "update first, general", "update first, monotonic"]
)
def test_what_a_step_would_compute_of_memory_alone_the_encoder_does(name):
    model = both_engines(name)[0].model
    encoder, step = encoder_graph(model), step_graph(model)
    before = [graph.SerializeToString() for graph in (encoder, step)]
    more, less = hoisted(encoder, step)
    assert [graph.SerializeToString() for graph in (encoder, step)] == before
    memory = {value.name for value in less.graph.input if value.name.startswith("memory_")}
    assert memory <= {value.name for value in more.graph.output}
    alone = memory | {constant.name for constant in less.graph.initializer}
    left = {
        node.op_type
        for node in less.graph.node
        if memory & set(node.input) and set(node.input) <= alone
    }
    assert left <= {"Shape", "Slice"}  # what is not of each sentence
    assert len(step.graph.node) - len(less.graph.node) > 3
    sessions = [
        onnxruntime.InferenceSession(g.SerializeToString()) for g in (encoder, step, more, less)
    ]
    for row in SOURCE:
        of_steps = []
        for encode, step_once in (sessions[:2], sessions[2:]):
            names = [output.name for output in encode.get_outputs()]
            encoded = dict(
                zip(
                    names,
                    encode.run(names, {"ids": row[row != 0][None].astype(np.int32)}),
                    strict=True,
                )
            )
            feed = {"ids": np.array([[2]], np.int32), "num_candidates": np.array([4]), **encoded}
            feed["named_ids"] = np.zeros((1, 1, 0), np.int64)
            read = {value.name for value in step_once.get_inputs()}
            of_steps.append(
                step_once.run(
                    ["all_log_probs"], {name: feed[name] for name in feed if name in read}
                )[0]
            )
        np.testing.assert_array_equal(*of_steps)


def test_a_scan_computes_what_the_operators_do():
    keras, native = both_engines("attend first, dot")  # with layers of LSTM
    scanned = onnx_engine(keras.model, native=False)
    found, expected = (engine.force(SOURCE, TARGET)[0] for engine in (scanned, native))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    graphs = [operators(encoder_graph(keras.model, of)) for of in (True, False)]
    assert [found & {"GRU", "LSTM", "Scan"} for found in graphs] == [{"LSTM"}, {"Scan"}]


def test_cells_that_no_operator_knows_become_a_scan():
    keras, _ = both_engines("conditional, general")
    assert operators(encoder_graph(keras.model)) & {"GRU", "LSTM", "Scan"} == {"Scan"}


class CoverageScore(GeneralScore):
    """Carries a state: what was looked at already scores lower."""

    carries_state = True

    def initial_state(self, keys_BSU, num_queries):
        return tf.zeros((tf.shape(keys_BSU)[0], num_queries, tf.shape(keys_BSU)[1]))

    def call(self, query_BTH, keys_BSU, state):
        scores_BTS, _ = super().call(query_BTH, keys_BSU, ())
        return scores_BTS - state, state + tf.nn.sigmoid(scores_BTS)


def test_a_score_from_outside_the_package_that_carries_a_state(tiny_model):
    model = tiny_model(attention="attend_first/test_onnx_graph:CoverageScore")
    ours, keras = onnx_engine(model), KerasEngine(model)
    real = TARGET[:, 1:] != 0
    for found, expected in zip(
        ours.force(SOURCE, TARGET), keras.force(SOURCE, TARGET), strict=True
    ):
        np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


class LoopingScore(DotScore):
    def call(self, query_BTH, keys_BSU, state):
        scores, state = super().call(query_BTH, keys_BSU, state)
        return tf.while_loop(
            lambda i, _: i < tf.shape(keys_BSU)[1], lambda i, x: (i + 1, 0.9 * x), (0, scores)
        )[1], state


class FarScore(DotScore):
    def call(self, query_BTH, keys_BSU, state):
        scores, state = super().call(query_BTH, keys_BSU, state)
        return tf.math.betainc(
            tf.ones_like(scores), tf.ones_like(scores), tf.nn.sigmoid(scores)
        ), state


@pytest.mark.parametrize(("score", "reason"), [("LoopingScore", "Loop"), ("FarScore", "Betainc")])
def test_what_cannot_be_converted_faithfully_is_refused(score, reason, tiny_model):
    model = tiny_model(attention=f"update_first/test_onnx_graph:{score}", bridge="last")
    with pytest.raises(UserError, match=f"step cannot be written in ONNX.*{reason}"):
        step_graph(model)


def test_the_operators_know_the_cells_of_the_package():
    """A cell changed, or a new one, must not pass for the operator's."""
    from nmt.export.onnx_graph import OPERATORS
    from nmt.model.recurrent import CELLS

    assert set(OPERATORS) == {GRUCell, LSTMCell} <= set(CELLS.values())


def test_the_graphs_need_no_newer_runtime_than_they_say(tiny_model):
    model = tiny_model()
    for graph in (encoder_graph(model), step_graph(model)):
        assert graph.ir_version == 10 and {
            (o.domain, o.version) for o in graph.opset_import if not o.domain
        } == {("", 18)}
        onnx.checker.check_model(graph, full_check=True)


@pytest.mark.parametrize("size", [97, 640, 2400, 7500])
@pytest.mark.parametrize("kind", ["many equal", "few equal"])
def test_the_best_are_the_first_of_the_largest(size, kind):
    """In groups (all sizes but the first) as without: TopK takes the first of equal values."""
    graph = Graph("best")
    values = graph.input("values", onnx.TensorProto.FLOAT, ["batch", "hypotheses", size])
    count = graph.input("count", onnx.TensorProto.INT64, [1])
    largest, places = best(graph, values, count, size)
    model = graph.finish({"largest": largest, "places": places})
    assert ("ReduceMax" in operators(model)) == (size != 97)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    random = np.random.default_rng(size)
    for count in (1, 2, 6, 30, size):
        values_BKV = random.integers(0, 3 if kind == "many equal" else 3 * size, (2, 3, size))
        order = np.argsort(-values_BKV, axis=2, kind="stable")[:, :, :count]
        feed = {"values": values_BKV.astype(np.float32), "count": np.array([count])}
        found, where = session.run(None, feed)
        np.testing.assert_array_equal(where, order)
        np.testing.assert_array_equal(found, np.take_along_axis(values_BKV, order, axis=2))


@pytest.mark.parametrize("vocabulary_size", [11, 640])
def test_the_candidates_are_bounded(vocabulary_size):
    """By no more than the vocabulary, however many are asked for."""
    model = Seq2Seq(_tiny_model().config, vocabulary_size, vocabulary_size)
    encoder, step = hoisted(encoder_graph(model, native=False), step_graph(model))
    check_sizes(*(read_graph(graph.SerializeToString()) for graph in (encoder, step)))


PACKAGED = {**{score: {"attention": f"update_first/{score}"} for score in SCORES}, **VARIANTS}


@pytest.mark.parametrize("name", PACKAGED)
def test_the_graphs_of_every_cell_and_score_may_be_packaged(name):
    """And no tensor is larger than its bound, which is computed without ONNX Runtime."""
    model = _tiny_model(**PACKAGED[name])
    graphs = encoder_graph(model, native=False), step_graph(model)
    encoder, step = hoisted(*(quantized(graph, within_one(model)) for graph in graphs))
    check_sizes(*(read_graph(graph.SerializeToString()) for graph in (encoder, step)))
    ids = SOURCE.astype(np.int32)
    encoded = dict(zip(names_of(encoder), bounded(encoder, {"ids": ids}), strict=True))
    given = {"ids": ids[:, :2], "num_candidates": np.array([4])}
    given["named_ids"] = np.ones((len(ids), 2, 3), np.int64)
    for name, array in encoded.items():
        given[name] = np.repeat(array, 2, axis=1) if name.startswith("state_") else array
    bounded(step, given)


def names_of(model):
    return [output.name for output in model.graph.output]


def bounded(model, feed):
    """Runs a graph, with all its tensors, and compares their shapes with the bounds."""
    names = [name for node in model.graph.node for name in node.output if name]
    all_of_it = onnx.ModelProto()
    all_of_it.CopyFrom(model)
    del all_of_it.graph.output[:]
    all_of_it.graph.output.extend(map(onnx.helper.make_empty_tensor_value_info, names))
    session = onnxruntime.InferenceSession(all_of_it.SerializeToString())
    feed = {value.name: feed[value.name] for value in session.get_inputs()}
    arrays = dict(zip(names, session.run(names, feed), strict=True))
    shapes = {name: Tensor(array.shape) for name, array in feed.items()}
    bounds = tensors(read_graph(model.SerializeToString()), shapes, 2**30)
    for name, array in arrays.items():
        limits = bounds[name].axes
        assert len(array.shape) == len(limits) and all(np.array(array.shape) <= limits), name
        assert bounds[name].may_be_empty or array.size
    return [arrays[name] for name in names_of(model)]
