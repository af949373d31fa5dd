"""An ONNX graph with its matrices in 8 bits: products of integers, in a quarter of the memory.

A product x W becomes (round(x / a) round(W / b)) a b, where `b` is one scale for each column of W and `a` one for each
row of x, taken as it comes. One scale for all of x, ONNX Runtime's own "dynamic quantization", would let the sentences
of a batch change each other's rounding; by rows, a sentence is translated alike in any company.
"""

# M rows  I inputs  O outputs

from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

# x in -63..63, stored as 1..127, W in -127..127: the sum of two products stays below 2^15, where processors without
# VNNI keep it (and cut what is larger). So every processor computes the same, and the eighth bit of x is not missed.
LARGEST_INPUT, MIDDLE = 63, 64
LARGEST_WEIGHT = 127
TINY = np.float32(1e-9)  # instead of a scale of 0


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with every product of a matrix and constant weights in integers, those inside loops too."""
    model = onnx.shape_inference.infer_shapes(model)
    _quantize(model.graph)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def _quantize(graph: onnx.GraphProto) -> None:
    constants = {constant.name: constant for constant in graph.initializer}
    added: dict[str, onnx.TensorProto] = {}
    nodes: list[onnx.NodeProto] = []
    rows: dict[str, tuple[str, str]] = {}  # x -> the names of its integers and of their scales

    def constant(name: str, value: Any) -> str:
        added[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    step, middle = (
        constant("quantize_step", np.float32(1 / LARGEST_INPUT)),
        constant("quantize_middle", np.uint8(MIDDLE)),
    )
    last, tiny = constant("quantize_last", np.array([-1])), constant("quantize_tiny", TINY)
    for old in graph.node:
        for attribute in old.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _quantize(attribute.g)
        if not _is_product_with_weights(old, graph, constants):
            nodes.append(old)
            continue
        x, weights = old.input
        if x not in rows:
            largest = node("ReduceMax", [node("Abs", [x], f"{x}_absolute"), last], f"{x}_largest", keepdims=1)
            scale = node("Max", [largest, tiny], f"{x}_scale")
            scaled = node("Div", [x, scale], f"{x}_scaled")
            rows[x] = node("QuantizeLinear", [scaled, step, middle], f"{x}_integer"), scale
        integer, scale = rows[x]
        if f"{weights}_integer" not in added:
            weights_IO = numpy_helper.to_array(constants[weights])
            scale_O = np.maximum(np.abs(weights_IO).max(axis=0) / LARGEST_WEIGHT, TINY)
            constant(f"{weights}_integer", np.rint(weights_IO / scale_O).astype(np.int8))
            constant(f"{weights}_scale", scale_O)
        inputs = [integer, f"{weights}_integer", step, f"{weights}_scale", middle]
        product = node("MatMulIntegerToFloat", inputs, f"{old.output[0]}_of_integers", domain="com.microsoft")
        node("Mul", [product, scale], old.output[0])

    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    used = _names_used(graph)
    graph.initializer.extend(value for name, value in {**constants, **added}.items() if name in used)


def _is_product_with_weights(node: onnx.NodeProto, graph: onnx.GraphProto, constants: dict[str, Any]) -> bool:
    """A vector is no matrix: nothing is won with it."""
    if node.op_type != "MatMul" or node.input[1] not in constants or min(constants[node.input[1]].dims) < 2:
        return False
    known = [value for value in [*graph.value_info, *graph.input] if value.name == node.input[0]]
    return len(constants[node.input[1]].dims) == 2 and bool(known) and len(known[0].type.tensor_type.shape.dim) == 2


def _names_used(graph: onnx.GraphProto) -> set[str]:
    """By nodes and outputs, and by the loops inside, which see the names around them."""
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    inner = [
        attribute.g for node in graph.node for attribute in node.attribute if attribute.type == AttributeProto.GRAPH
    ]
    return used.union(*map(_names_used, inner))
