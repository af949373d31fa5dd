"""An ONNX graph with its matrices in 8 bits: integer products, in a quarter of the memory.

A product x W becomes (round(x / a) round(W / b)) a b, with a scale `b` for each column of W and a
scale `a` for each row of x, computed at run time; if x is a concatenation, for each part of a row.
With one scale for all of x, as in ONNX Runtime's own "dynamic quantization", the sentences of a
batch would change each other's rounding; with scales by row, a translation does not depend on the
rest of the batch. Values between -1 and 1, such as outputs of tanh, need no scale. Embeddings have
a scale for each token.
"""

# M rows  I inputs  O outputs  V tokens

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

# x is in -63..63, stored as 1..127, and W in -127..127: the sum of two products stays below 2^15,
# where processors without VNNI saturate. So every processor computes the same, for one bit of x.
LARGEST_INPUT, MIDDLE = 63, 64
LARGEST_WEIGHT = 127
TINY = np.float32(1e-9)  # instead of a scale of 0


def quantized(model: onnx.ModelProto, within_one: Collection[str] = ()) -> onnx.ModelProto:
    """The same model with every constant matrix in 8 bits: products in integers, also inside loops,
    and embeddings. `within_one` names tensors known to lie between -1 and 1."""
    model = onnx.shape_inference.infer_shapes(model)  # a copy
    _Quantizer(model.graph, within_one).quantize()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def as_integers(weights_IO: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights in 8 bits, and the scale of each column."""
    scale_O = np.maximum(np.abs(weights_IO).max(axis=0) / LARGEST_WEIGHT, TINY)
    return np.rint(weights_IO / scale_O).astype(np.int8), scale_O


def _is_lookup(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether the node gathers rows of a constant matrix."""
    if (
        node.op_type != "Gather"
        or node.input[0] not in constants
        or len(constants[node.input[0]].dims) != 2
    ):
        return False
    return all(attribute.i == 0 for attribute in node.attribute if attribute.name == "axis")


class _Quantizer:
    """Replaces the nodes of a graph."""

    def __init__(self, graph: onnx.GraphProto, within_one: Collection[str]):
        self._graph, self._within_one = graph, within_one
        self._constants = {constant.name: constant for constant in graph.initializer}
        values = [*graph.value_info, *graph.input, *graph.output]
        self._shapes = {value.name: value.type.tensor_type.shape.dim for value in values}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._nodes: list[onnx.NodeProto] = []  # the new ones
        # x -> the names of its integers and of their scales
        self._integers: dict[str, tuple[str, str | None]] = {}
        self._step = self._constant("quantize_step", np.float32(1 / LARGEST_INPUT))
        self._middle = self._constant("quantize_middle", np.uint8(MIDDLE))
        self._last = self._constant("quantize_last", [-1])
        self._tiny = self._constant("quantize_tiny", TINY)

    def quantize(self) -> None:
        done: list[onnx.NodeProto] = []
        for node in self._graph.node:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    _Quantizer(attribute.g, self._within_one).quantize()
            if node in done:
                continue
            if _is_lookup(node, self._constants):
                self._lookup(node.input[0], node.input[1], node.output[0])
            elif not self._is_product_with_weights(node):
                self._nodes.append(node)
            elif (addition := self._addition_of_bias(node)) is None:
                self._product(node.input[0], node.input[1], None, node.output[0])
            else:
                (bias,) = set(addition.input) - set(node.output)
                self._product(node.input[0], node.input[1], bias, addition.output[0])
                done.append(addition)
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        used = _names_used(self._graph)
        for node in self._nodes:
            # The parts of a concatenation have products of their own.
            if node.op_type == "Concat" and node.output[0] not in used:
                self._graph.node.remove(node)
        self._graph.initializer.extend(
            value for name, value in self._constants.items() if name in used
        )

    def _is_product_with_weights(self, node: onnx.NodeProto) -> bool:
        """Whether it multiplies by a constant matrix. Vectors are skipped: no speed-up."""
        weights = self._constants.get(node.input[1]) if node.op_type == "MatMul" else None
        return weights is not None and len(weights.dims) == 2 and min(weights.dims) > 1

    def _addition_of_bias(self, product: onnx.NodeProto) -> onnx.NodeProto | None:
        """The node that adds a constant vector to this product, if nothing else reads the
        product."""
        readers = self._readers.get(product.output[0], [])
        if len(readers) != 1 or readers[0].op_type != "Add":
            return None
        others = [
            self._constants.get(name) for name in readers[0].input if name != product.output[0]
        ]
        return (
            readers[0]
            if len(others) == 1 and others[0] is not None and len(others[0].dims) == 1
            else None
        )

    def _lookup(self, table: str, ids: str, output: str) -> None:
        """output = table[ids], of a table in 8 bits with a scale for each row."""
        name = f"{table}_rows"
        if f"{name}_scale" not in self._constants:
            integers_IV, scale_V = as_integers(numpy_helper.to_array(self._constants[table]).T)
            self._constant(f"{name}_integer", np.ascontiguousarray(integers_IV.T))
            self._constant(f"{name}_scale", scale_V[:, None])
        integers = self._node("Gather", [f"{name}_integer", ids], f"{output}_integer")
        scale = self._node("Gather", [f"{name}_scale", ids], f"{output}_scale")
        values = self._node("Cast", [integers], f"{output}_value", to=onnx.TensorProto.FLOAT)
        self._node("Mul", [values, scale], output)

    def _product(self, x: str, weights: str, bias: str | None, output: str) -> None:
        """output = x W + bias, as a sum over the parts of x."""
        terms, start = [], 0
        for part, width in self._unlike_parts(x) or [(x, self._constants[weights].dims[0])]:
            integers, scale = self._of_input(part)
            weights_integers, weights_scale = self._of_weights(weights, start, start + width)
            operands = [integers, weights_integers, self._step, weights_scale, self._middle]
            name, start = f"{output}_{start}", start + width
            if scale is None and bias:  # added in the same pass
                operands, bias = [*operands, "", bias], None
            term = self._node(
                "MatMulIntegerToFloat", operands, f"{name}_product", domain="com.microsoft"
            )
            terms.append(self._node("Mul", [term, scale], name) if scale else term)
        terms += [bias] if bias else []
        if len(terms) == 1:
            self._nodes[-1].output[0] = output
        else:
            self._node("Sum", terms, output)

    def _unlike_parts(self, x: str) -> list[tuple[str, int]] | None:
        """The parts of x and their widths, if it is a concatenation. Each has a scale of its own:
        an embedding is several times as large as a state, and one scale for both would leave the
        state only a few bits."""
        joined = self._makers.get(x)
        if joined is None or joined.op_type != "Concat" or self._is_within_one(x):
            return None
        if not all(self._shapes.get(part) for part in joined.input):
            return None
        (axis,) = (attribute.i for attribute in joined.attribute if attribute.name == "axis")
        widths = [self._shapes[part][-1].dim_value for part in joined.input]
        is_last = axis in (-1, len(self._shapes[joined.input[0]]) - 1)
        return list(zip(joined.input, widths, strict=True)) if is_last and all(widths) else None

    def _is_within_one(self, x: str) -> bool:
        """Whether it is known to lie between -1 and 1."""
        maker = self._makers.get(x)
        if x in self._within_one or maker is None:
            return x in self._within_one
        if maker.op_type == "Concat":
            return all(map(self._is_within_one, maker.input))
        if maker.op_type in ("Identity", "Reshape"):
            return self._is_within_one(maker.input[0])
        weights = self._makers.get(maker.input[0])
        if (
            maker.op_type == "MatMul" and weights is not None and weights.op_type == "Softmax"
        ):  # a mean
            return self._is_within_one(maker.input[1])
        return maker.op_type == "Tanh"

    def _of_input(self, x: str) -> tuple[str, str | None]:
        """The names of its integers and of their scales, one per row; None if x lies between -1 and
        1."""
        if x not in self._integers:
            scaled, scale = x, None
            if not self._is_within_one(x):
                sizes = self._node("Abs", [x], f"{x}_absolute")
                largest = self._node("ReduceMax", [sizes, self._last], f"{x}_largest", keepdims=1)
                scale = self._node("Max", [largest, self._tiny], f"{x}_scale")
                scaled = self._node("Div", [x, scale], f"{x}_scaled")
            integers = self._node(
                "QuantizeLinear", [scaled, self._step, self._middle], f"{x}_integer"
            )
            self._integers[x] = integers, scale
        return self._integers[x]

    def _of_weights(self, weights: str, start: int, stop: int) -> tuple[str, str]:
        """The names of the integers of these rows and of their scales, one per column."""
        name = f"{weights}_{start}"
        if f"{name}_scale" not in self._constants:
            integers_IO, scale_O = as_integers(
                numpy_helper.to_array(self._constants[weights])[start:stop]
            )
            self._constant(f"{name}_scale", scale_O)
            if embeddings := self._same_transposed(integers_IO):
                self._node("Transpose", [embeddings], f"{name}_integer", perm=[1, 0])
            else:
                self._constant(f"{name}_integer", integers_IO)
        return f"{name}_integer", f"{name}_scale"

    def _same_transposed(self, integers_IO: np.ndarray) -> str | None:
        """The embeddings whose transpose these weights are: tied ones are stored once, and ONNX
        Runtime transposes them as it loads the graph."""
        for name, constant in self._constants.items():
            is_table = name.endswith("_rows_integer")
            if is_table and tuple(constant.dims) == integers_IO.shape[::-1]:
                embeddings_VI = numpy_helper.to_array(constant)
                if np.array_equal(embeddings_VI.T, integers_IO):
                    return name
        return None

    def _constant(self, name: str, value: Any) -> str:
        self._constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _names_used(graph: onnx.GraphProto) -> set[str]:
    """By nodes and outputs, and by the bodies of loops, which see the names of the outer graph."""
    used = {name for node in graph.node for name in node.input} | {
        value.name for value in graph.output
    }
    inner = [
        attribute.g
        for node in graph.node
        for attribute in node.attribute
        if attribute.type == AttributeProto.GRAPH
    ]
    return used.union(*map(_names_used, inner))
