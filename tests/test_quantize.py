"""Products in integers: close to those in floats, and of each row by itself."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmt.quantize import LARGEST_INPUT, MIDDLE, quantized

GENERATOR = np.random.default_rng(3)
WEIGHTS = GENERATOR.normal(0, 0.1, (64, 24)).astype(np.float32)


def product_model(weights, inputs=("m", 64)):
    """x -> x W, and x -> x v beside it."""
    vector = np.ones((weights.shape[0], 1), np.float32)
    nodes = [helper.make_node("MatMul", ["x", "W"], ["y"]), helper.make_node("MatMul", ["x", "v"], ["sum"])]
    graph = helper.make_graph(
        nodes, "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "sum")],
        [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(vector, "v")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x.astype(np.float32)})


def test_by_hand():
    """x = (63, -31), scale 1; columns 127 (1, -0.5) and 127 (2, 1), scales 1 and 2: whole numbers, so nothing is lost
    but half a unit of -63.5 and 63.5."""
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
    largest = next(t for t in quantized(product_model(weights)).graph.initializer if t.data_type == TensorProto.INT8)
    assert 2 * (MIDDLE + LARGEST_INPUT) * int(np.abs(numpy_helper.to_array(largest)).max()) < 2**15


@pytest.mark.parametrize("inputs", [("m", 64), ("b", "m", 64)], ids=["rank 2", "rank 3"])
def test_what_is_not_a_product_of_two_matrices_stays(inputs):
    model = quantized(product_model(WEIGHTS, inputs))
    kept = {node.output[0] for node in model.graph.node if node.op_type == "MatMul"}
    assert kept == ({"sum"} if len(inputs) == 2 else {"sum", "y"})


def test_the_weights_take_a_quarter_and_the_model_given_stays_as_it_is():
    model = product_model(np.zeros((512, 512), np.float32), ("m", 512))
    before = model.SerializeToString()
    assert quantized(model).ByteSize() < 0.27 * len(before)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("reshaped", [False, True], ids=["", "reshaped"])
def test_what_was_put_together_has_a_scale_for_each_part(reshaped):
    """Large numbers beside small ones must not take their bits."""
    axes = ["b", "k", 32] if reshaped else ["m", 32]
    weights = WEIGHTS * (np.arange(64) < 32)[:, None].astype(np.float32)  # what is large counts for nothing
    nodes = [helper.make_node("Concat", ["small", "large"], ["joined"], axis=-1)]
    if reshaped:
        nodes.append(helper.make_node("Reshape", ["joined", "shape"], ["x"]))
    nodes.append(helper.make_node("MatMul", [nodes[-1].output[0], "W"], ["y"]))
    graph = helper.make_graph(
        nodes, "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in ("small", "large")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(np.array([-1, 64]), "shape")],
    )  # fmt: skip
    model = quantized(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    small = GENERATOR.normal(0, 1e-3, (5, 4, 32) if reshaped else (20, 32)).astype(np.float32)
    (product,) = session.run(["y"], {"small": small, "large": 1e6 * small})
    exact = small.reshape(-1, 32) @ weights[:32]
    np.testing.assert_allclose(product, exact, atol=0.1 * exact.std())
