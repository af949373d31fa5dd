"""An ONNX graph with its matrices in 8 bits: products of integers, in a quarter of the memory.

A product x W becomes (round(x / a) round(W / b)) a b, where `b` is one scale for each column of W and `a` one for each
row of x, taken as it comes, or for each part of a row that was put together. One scale for all of x, ONNX Runtime's own
"dynamic quantization", would let the sentences of a batch change each other's rounding; by rows, a sentence is
translated alike in any company.
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
    rows: dict[str, tuple[str, str]] = {}  # x, or a part of it -> the names of its integers and of their scales
    parts = _parts(graph)

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
        weights_IO = numpy_helper.to_array(constants[weights])
        terms = []
        for start, stop in parts.get(x, [(0, len(weights_IO))]):
            part, weights_part = (name if len(parts.get(x, ())) < 2 else f"{name}_{start}" for name in (x, weights))
            if part not in rows:
                if part != x:
                    ends = constant(f"{part}_start", np.array([start])), constant(f"{part}_stop", np.array([stop]))
                    node("Slice", [x, *ends, last], part)
                largest = node(
                    "ReduceMax", [node("Abs", [part], f"{part}_absolute"), last], f"{part}_largest", keepdims=1
                )
                scale = node("Max", [largest, tiny], f"{part}_scale")
                scaled = node("Div", [part, scale], f"{part}_scaled")
                rows[part] = node("QuantizeLinear", [scaled, step, middle], f"{part}_integer"), scale
            integer, scale = rows[part]
            if f"{weights_part}_integer" not in added:
                scale_O = np.maximum(np.abs(weights_IO[start:stop]).max(axis=0) / LARGEST_WEIGHT, TINY)
                constant(f"{weights_part}_integer", np.rint(weights_IO[start:stop] / scale_O).astype(np.int8))
                constant(f"{weights_part}_scale", scale_O)
            inputs = [integer, f"{weights_part}_integer", step, f"{weights_part}_scale", middle]
            term = f"{old.output[0]}_term_{start}"
            product = node("MatMulIntegerToFloat", inputs, f"{term}_of_integers", domain="com.microsoft")
            terms.append(node("Mul", [product, scale], term))
        node("Sum", terms, old.output[0])

    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    used = _names_used(graph)
    graph.initializer.extend(value for name, value in {**constants, **added}.items() if name in used)


def _parts(graph: onnx.GraphProto) -> dict[str, list[tuple[int, int]]]:
    """x -> where its parts start and stop, if it is a concatenation (reshaped, perhaps). Each part has a scale of its
    own: an embedding is several times as large as a state, of which one scale for both would leave but few bits."""
    shapes = {value.name: value.type.tensor_type.shape.dim for value in [*graph.value_info, *graph.input]}
    makers = {name: node for node in graph.node for name in node.output}
    found = {}
    for name, maker in makers.items():
        joined = makers.get(maker.input[0]) if maker.op_type == "Reshape" else maker
        if joined is None or joined.op_type != "Concat" or not all(shapes.get(part) for part in joined.input):
            continue
        (axis,) = (attribute.i for attribute in joined.attribute if attribute.name == "axis")
        widths = [shapes[part][-1].dim_value for part in joined.input]
        if axis in (-1, len(shapes[joined.input[0]]) - 1) and all(widths):
            stops = np.cumsum(widths).tolist()
            found[name] = list(zip([0, *stops[:-1]], stops, strict=True))
    return found


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
