"""The ONNX engine keeps the contract of `nmt.search.beam.Engine`: it equals that of Keras."""

import os
import sys

import numpy as np
import onnx
import pytest
from fixtures.onnx import FORBIDDEN, SOURCE, both_engines, integer_engine, onnx_engine

from nmt.errors import UserError
from nmt.export.onnx_graph import encoder_graph, hoisted, step_graph
from nmt.inference.onnx_engine import OnnxEngine
from nmt.search.beam import map_arrays

IDS = np.array([[2, 5, 6, 7], [2, 9, 8, 7], [3, 4, 10, 2]])
NAMED = np.array([[[3, -1], [4, 5], [1, 6], [10, 10]]] * 3)


def step(engine, num_hypotheses, *arguments, **options):
    """One step of so many hypotheses, all in the first state."""
    memory, state = engine.encode(SOURCE)
    state = map_arrays(lambda leaf: np.repeat(leaf, num_hypotheses, axis=1), state)
    return engine.step(IDS[:, :num_hypotheses], state, memory, *arguments, **options)


@pytest.mark.parametrize("num_hypotheses", [1, 4])
@pytest.mark.parametrize("num_candidates", [1, 5, 11, 50])
@pytest.mark.parametrize("named", [False, True], ids=["the best", "and named ids"])
def test_a_step_is_that_of_keras(num_hypotheses, num_candidates, named):
    keras, ours = both_engines()
    named_ids = NAMED[:, :num_hypotheses] if named else None
    found, expected = (
        step(engine, num_hypotheses, num_candidates, named_ids) for engine in (ours, keras)
    )
    assert found.log_probs_BKC.dtype == np.float32 and found.ids_BKC.dtype == np.int32
    np.testing.assert_allclose(found.log_probs_BKC, expected.log_probs_BKC, atol=1e-5)
    clear = np.isfinite(expected.log_probs_BKC)  # the order of what is forbidden says nothing
    np.testing.assert_array_equal(found.ids_BKC[clear], expected.ids_BKC[clear])
    assert found.weights_BKS is None


def test_behind_what_is_forbidden_the_next_best_come():
    """The engine asks again, as the graph forbids nothing."""
    model = both_engines()[0].model
    free = step(onnx_engine(model, forbidden=()), 4, 10)
    favourites = free.ids_BKC[0, 0, :3].tolist()
    found = step(onnx_engine(model, forbidden=favourites), 4, 2)
    allowed = ~np.isin(free.ids_BKC, favourites)
    for row in np.ndindex(allowed.shape[:2]):
        np.testing.assert_array_equal(found.ids_BKC[row], free.ids_BKC[row][allowed[row]][:2])
        np.testing.assert_array_equal(
            found.log_probs_BKC[row], free.log_probs_BKC[row][allowed[row]][:2]
        )


def test_weights_come_when_they_are_asked_for():
    keras, ours = both_engines()
    found, expected = (
        step(engine, 4, 2, with_weights=True).weights_BKS for engine in (ours, keras)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_forced_text_may_hold_forbidden_ids():
    _, ours = both_engines()
    target = np.array([[2, FORBIDDEN[-1], 3]])
    log_probs, weights = ours.force(SOURCE[:1], target)
    assert (
        np.isfinite(log_probs).all()
        and log_probs.shape == (1, 2)
        and weights.shape == (1, 2, SOURCE.shape[1])
    )


def test_integers_are_close_to_floats():
    _, floats = both_engines()
    found, expected = (step(engine, 1, 11).log_probs_BKC for engine in (integer_engine(), floats))
    finite = np.isfinite(expected)
    difference = np.abs(found[finite] - expected[finite]).max()
    assert 0.0 < difference < 0.1


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "encoder.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"encoder\.onnx cannot be loaded.*nmt export"):
        OnnxEngine(path, path)


def written(folder):
    """The files of both graphs."""
    model = both_engines()[0].model
    paths = [folder / "encoder.onnx", folder / "step.onnx"]
    for path, graph in zip(paths, hoisted(encoder_graph(model), step_graph(model)), strict=True):
        onnx.save(graph, path)
    return paths


@pytest.mark.parametrize("location", ["weights.bin", "../secret", "/etc/passwd", "link"])
def test_a_graph_of_a_folder_that_names_a_file_is_refused(location, tmp_path):
    encoder, step = written(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    (tmp_path / "link").symlink_to("weights.bin")
    graph = onnx.load(encoder)
    constant = graph.graph.initializer.add(name="more", dims=[4], data_type=onnx.TensorProto.FLOAT)
    constant.data_location = onnx.TensorProto.EXTERNAL
    constant.external_data.add(key="location", value=location)
    encoder.write_bytes(graph.SerializeToString())
    with pytest.raises(UserError, match=r"encoder\.onnx: expected a graph with all.*for more"):
        OnnxEngine(encoder, step)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_may_have_a_name_that_is_no_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    assert OnnxEngine(*written(folder)).encode(SOURCE)
