"""Products in integers: close to those in floats, and of each row by itself."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmt.export.int8 import LARGEST_INPUT, MIDDLE, quantized

GENERATOR = np.random.default_rng(3)
WEIGHTS = GENERATOR.normal(0, 0.1, (64, 24)).astype(np.float32)


def product_model(weights, inputs=("m", 64)):
    """x -> x W, and x -> x v beside it."""
    vector = np.ones((weights.shape[0], 1), np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["y"]),
        helper.make_node("MatMul", ["x", "v"], ["sum"]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "sum")],
        [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(vector, "v")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model, x):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x.astype(np.float32)})


def test_by_hand():
    """x = (63, -31), scale 1; columns 127 (1, -0.5) and 127 (2, 1), scales 1 and 2: whole numbers,
    so nothing is lost but half a unit of -63.5 and 63.5."""
    weights = np.array([[127.0, 254.0], [-63.0, 126.0]], np.float32)
    (product, _) = run(quantized(product_model(weights, ("m", 2))), np.array([[63.0, -31.0]]))
    np.testing.assert_allclose(product, [[63 * 127 + 31 * 63, 63 * 254 - 31 * 126]])


def test_products_are_close_to_those_of_floats():
    x = GENERATOR.normal(0, 1, (50, 64))
    exact = x @ WEIGHTS
    (product, _) = run(quantized(product_model(WEIGHTS)), x)
    error = np.abs(product - exact).max() / exact.std()
    assert 0.0 < error < 0.1


def test_a_row_is_computed_alike_in_any_company():
    x = GENERATOR.normal(0, 1, (5, 64))
    model = quantized(product_model(WEIGHTS))
    (alone, _), (together, _) = run(model, x[:1]), run(model, np.concatenate([x, 1e4 * x]))
    np.testing.assert_array_equal(together[:1], alone)


def test_rows_of_any_size_are_taken():
    x = np.array([[0.0] * 64, [1e-30] * 64, [1e30] * 64])
    (product, _) = run(quantized(product_model(WEIGHTS)), x)
    np.testing.assert_allclose(product[:2], 0.0, atol=1e-20)
    np.testing.assert_allclose(product[2] / 1e30, WEIGHTS.sum(0), atol=0.05)


def test_no_sum_of_two_products_leaves_16_bits():
    """Processors without VNNI add pairs in 16 bits, and cut."""
    x, weights = np.full((1, 64), 5.0), np.full((64, 24), 3.0, np.float32)
    (product, _) = run(quantized(product_model(weights)), x)
    np.testing.assert_allclose(product, 64 * 15.0, rtol=1e-6)
    largest = next(
        t
        for t in quantized(product_model(weights)).graph.initializer
        if t.data_type == TensorProto.INT8
    )
    assert 2 * (MIDDLE + LARGEST_INPUT) * int(np.abs(numpy_helper.to_array(largest)).max()) < 2**15


@pytest.mark.parametrize("inputs", [("m", 64), ("b", "k", 64)], ids=["rank 2", "rank 3"])
def test_a_product_with_a_vector_stays(inputs):
    model = quantized(product_model(WEIGHTS, inputs))
    assert {node.output[0] for node in model.graph.node if node.op_type == "MatMul"} == {"sum"}


def test_the_weights_take_a_quarter_and_the_model_given_stays_as_it_is():
    model = product_model(np.zeros((512, 512), np.float32), ("m", 512))
    before = model.SerializeToString()
    assert quantized(model).ByteSize() < 0.27 * len(before)
    assert model.SerializeToString() == before


def layer_model(nodes, inputs, within_one=()):
    """y, of these nodes, with the constants W and b."""
    graph = helper.make_graph(
        nodes,
        "layer",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)
            for name, axes in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(WEIGHTS, "W"),
            numpy_helper.from_array(np.arange(24, dtype=np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model = quantized(model, within_one)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return model, lambda **feed: session.run(
        ["y"], {name: x.astype(np.float32) for name, x in feed.items()}
    )[0]


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_what_was_put_together_has_a_scale_for_each_part(scale):
    """Large numbers beside small ones must not take their bits."""
    nodes = [
        helper.make_node("Concat", ["small", "large"], ["x"], axis=-1),
        helper.make_node("MatMul", ["x", "W"], ["y"]),
    ]
    model, run_layer = layer_model(nodes, {"small": ["b", "k", 32], "large": ["b", "k", 32]})
    small, large = GENERATOR.normal(0, 1e-3, (2, 5, 4, 32))
    product = run_layer(small=small, large=scale * large) - run_layer(
        small=0 * small, large=scale * large
    )
    exact = small @ WEIGHTS[:32]
    np.testing.assert_allclose(product, exact, atol=0.1 * exact.std() + 1e-6 * scale)
    assert "Concat" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("of_tanh", [True, False])
def test_a_bias_is_added_once(of_tanh):
    """What comes out of tanh needs no scale of its own, and the product takes the bias in."""
    nodes = [
        helper.make_node("Tanh" if of_tanh else "Identity", ["x"], ["z"]),
        helper.make_node("MatMul", ["z", "W"], ["product"]),
        helper.make_node("Add", ["b", "product"], ["y"]),
    ]
    model, run_layer = layer_model(nodes, {"x": ["b", "k", 64]})
    x = GENERATOR.normal(0, 1, (5, 4, 64))
    exact = (np.tanh(x) if of_tanh else x) @ WEIGHTS
    error = run_layer(x=x) - np.arange(24) - exact
    assert 0.0 < np.abs(error).max() < 0.1 * exact.std()
    assert ("ReduceMax" in {node.op_type for node in model.graph.node}) is not of_tanh


def test_what_is_known_to_lie_within_one_and_its_means_need_no_scale():
    nodes = [
        helper.make_node("Softmax", ["scores"], ["weights"]),
        helper.make_node("MatMul", ["weights", "values"], ["mean"]),
        helper.make_node("Concat", ["state", "mean"], ["joined"], axis=-1),
        helper.make_node("MatMul", ["joined", "W"], ["y"]),
    ]
    inputs = {"scores": ["b", "k", "s"], "values": ["b", "s", 32], "state": ["b", "k", 32]}
    scores, values = GENERATOR.normal(0, 1, (2, 3, 5)), GENERATOR.uniform(-1, 1, (2, 5, 32))
    state = GENERATOR.uniform(-1, 1, (2, 3, 32))
    weights = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    exact = np.concatenate([state, weights @ values], axis=2) @ WEIGHTS
    for known, num_products in [((), 2), (("state",), 2), (("state", "values"), 1)]:
        model, run_layer = layer_model(nodes, inputs, known)
        np.testing.assert_allclose(
            run_layer(scores=scores, values=values, state=state), exact, atol=0.1 * exact.std()
        )
        operators = [node.op_type for node in model.graph.node]
        assert operators.count("MatMulIntegerToFloat") == num_products
        assert operators.count("ReduceMax") == 2 - len(known)


def lookup_model():
    """y = (2 vectors[ids]) W + b, and logits = y' vectors^T for states y' of their width."""
    vectors = GENERATOR.normal(0, 1, (9, 64)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["vectors", "ids"], ["vector"]),
        helper.make_node("Mul", ["vector", "two"], ["doubled"]),
        helper.make_node("MatMul", ["doubled", "W"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["y"]),
        helper.make_node("MatMul", ["doubled", "transposed"], ["logits"]),
    ]
    constants = {
        "vectors": vectors,
        "two": np.array(2, np.float32),
        "W": WEIGHTS,
        "b": np.arange(24, dtype=np.float32),
        "transposed": np.ascontiguousarray(vectors.T),
    }
    graph = helper.make_graph(
        nodes,
        "lookup",
        [helper.make_tensor_value_info("ids", TensorProto.INT32, ["b", "k"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "logits")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return vectors, quantized(model)


def test_embeddings_have_a_scale_for_each_token():
    vectors, model = lookup_model()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ids = np.array([[0, 8], [3, 3]], np.int32)
    product, logits = session.run(["y", "logits"], {"ids": ids})
    doubled = 2 * vectors[ids]
    for ours, exact in (
        (product - np.arange(24), doubled @ WEIGHTS),
        (logits, doubled @ vectors.T),
    ):
        assert 0.0 < np.abs(ours - exact).max() < 0.1 * exact.std()


def test_tied_embeddings_are_stored_once():
    _, model = lookup_model()
    shapes = [
        list(one.dims) for one in model.graph.initializer if one.data_type == TensorProto.INT8
    ]
    assert sorted(shapes) == [[9, 64], [64, 24]]
