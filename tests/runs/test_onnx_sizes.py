"""Graphs that would fill the memory are refused before ONNX Runtime sees them."""

import functools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmt.runs.onnx_sizes import Tensor, check_sizes, read_graph, tensors
from nmt.runs.package import Package, installed_models

node = helper.make_node


@functools.cache
def graphs():
    """The graphs of a model that ships, and the shapes of the constants that are not in them."""
    package = Package.open(installed_models()["en-fr"])
    return {
        name: (graph.model, {key: array.shape for key, array in graph.arrays.items()})
        for name, graph in package.graphs().items()
    }


def changed(name, change):
    """The graph of a package after `change(model)`."""
    content, shapes = graphs()[name]
    model = onnx.load_from_string(content)
    change(model)
    return read_graph(model.SerializeToString(), shapes)


def check(change, name="encoder"):
    read = {key: changed(key, change if key == name else lambda _: None) for key in graphs()}
    check_sizes(**read)


def more(*nodes, **constants):
    """A change that adds nodes after the others, and constants."""

    def change(model):
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()
        )

    return change


RANGE = [
    node("Range", ["zero", "n", "one"], ["range"]),
    node("Unsqueeze", ["range", "first"], ["row"]),
    node("Unsqueeze", ["range", "second"], ["column"]),
]
NUMBERS = {"zero": 0, "n": 20_000, "one": 1, "first": [0], "second": [1]}
IDS = [node("Shape", ["ids"], ["shape"]), node("Cast", ["ids"], ["x"], to=TensorProto.FLOAT)]
DOUBLED = [node("Concat", [f"x{i}"] * 2, [f"x{i + 1}"], axis=0) for i in range(40)]

TOO_LARGE = {
    "a broadcast of a range": more(*RANGE, node("Mul", ["row", "column"], ["y"]), **NUMBERS),
    "a product of a range": more(*RANGE, node("MatMul", ["column", "row"], ["y"]), **NUMBERS),
    "a broadcast of constants": more(
        node("Add", ["row", "column"], ["y"]),
        row=np.zeros((1, 30_000)),
        column=np.ones((30_000, 1)),
    ),
    "a concatenation, again and again": more(node("Identity", ["ids"], ["x0"]), *DOUBLED),
    "an expansion": more(node("Expand", ["ids", "n"], ["y"]), n=[2**20, 1, 1]),
    "as many ones": more(node("ConstantOfShape", ["n"], ["y"]), n=[10**4] * 3),
    "a power of the length": more(
        *IDS,
        node("Unsqueeze", ["x", "first"], ["a"]),
        node("Unsqueeze", ["x", "last"], ["b"]),
        node("Add", ["a", "b"], ["c"]),
        node("Unsqueeze", ["c", "first"], ["d"]),
        node("Unsqueeze", ["c", "last"], ["e"]),
        node("Add", ["d", "e"], ["f"]),
        node("Unsqueeze", ["f", "first"], ["g"]),
        node("Unsqueeze", ["f", "last"], ["h"]),
        node("Add", ["g", "h"], ["i"]),
        first=[0],
        last=[-1],
    ),
    "many of an ordinary size": more(
        node("ConstantOfShape", ["n"], ["y0"]),
        *(node("Neg", [f"y{i}"], [f"y{i + 1}"]) for i in range(300)),
        n=[10**6],
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_graph_that_would_fill_the_memory_is_refused(name):
    with pytest.raises(ValueError, match="makes too large a tensor"):
        check(TOO_LARGE[name])


def declares(name, *axes):
    def change(model):
        kind = TensorProto.INT32 if name == "ids" else TensorProto.FLOAT
        value = helper.make_tensor_value_info(name, kind, axes)
        old = [one for one in model.graph.input if one.name == name]
        (old[0].CopyFrom if old else model.graph.value_info.append)(value)

    return change


def with_opset(model):
    model.opset_import[0].version = 11


def twice(model):
    body = next(one for one in model.graph.node if one.op_type == "Scan").attribute
    body.append(next(one for one in body if one.name == "body"))


UNBOUNDED = {
    "an operator of others": (more(node("Tile", ["ids", "ids"], ["y"])), "operator 'Tile'"),
    "a domain of others": (more(node("Neg", ["ids"], ["y"], domain="x")), "operators of 'x'"),
    "an operator with a body": (
        more(node("If", ["ids"], ["y"], then_branch=helper.make_graph([], "g", [], []))),
        "operator 'If'",
    ),
    "a size that is computed": (
        more(*IDS, node("Mul", ["shape", "shape"], ["n"]), node("Expand", ["x", "n"], ["y"])),
        "the size of a tensor comes from 'n'",
    ),
    "a size that wraps": (
        more(
            *IDS,
            node("Cast", ["shape"], ["n"], to=TensorProto.INT8),
            node("Cast", ["n"], ["wide"], to=TensorProto.INT64),
            node("Reshape", ["x", "wide"], ["y"]),
        ),
        "the size of a tensor comes from 'wide'",
    ),
    "a size that may be 0, which copies another": (
        more(
            *IDS,
            node("Slice", ["x", "from", "to", "last"], ["part"]),
            node("Shape", ["part"], ["of_part"]),
            node("Slice", ["of_part", "last", "two"], ["length"]),
            node("Concat", ["last", "length"], ["of_both"], axis=0),
            node("Reshape", ["x", "of_both"], ["y"]),
            **{"from": [9], "to": [2**31], "last": [1], "two": [2]},
        ),
        "sizes that may be 0",
    ),
    "a range that is not counted from 0": (
        more(node("Range", ["n", "zero", "n"], ["y"]), n=-1, zero=0),
        "does not count from 0",
    ),
    "a shape that is not so": (declares("ids", 10**6, 10**6), "declared with another shape"),
    "another version": (with_opset, "these versions of the operators"),
    "an attribute that stands twice": (twice, "body stands twice"),
    "a tensor of nowhere": (more(node("Neg", ["nowhere"], ["y"])), "no tensor 'nowhere'"),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_a_graph_whose_sizes_have_no_bound_is_refused(name):
    change, message = UNBOUNDED[name]
    with pytest.raises(ValueError, match=message):
        check(change)


def test_a_state_that_grows_with_each_step_is_refused():
    def change(model):
        name = next(one.name for one in model.graph.output if one.name.startswith("next_state"))
        for one in model.graph.node:
            one.output[:] = ["old" if output == name else output for output in one.output]
            one.input[:] = ["old" if given == name else given for given in one.input]
        model.graph.node.append(node("Concat", ["old", "old"], [name], axis=1))
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")

    with pytest.raises(ValueError, match="grows with each step"):
        check(change, "step")


def test_a_state_that_grows_in_a_loop_is_refused():
    def change(model):
        scan = next(one for one in model.graph.node if one.op_type == "Scan")
        body = next(one.g for one in scan.attribute if one.name == "body")
        name = body.output[0].name
        body.node.append(node("Concat", [name, name], ["grown"], axis=0))
        body.output[0].CopyFrom(helper.make_empty_tensor_value_info("grown"))

    with pytest.raises(ValueError, match="the state of a Scan grows"):
        check(change)


def test_files_of_something_else_are_refused():
    content, _ = graphs()["encoder"]
    for other in (b"", content + content, b"\xff" * 20, b"\x38\x07"):
        with pytest.raises(ValueError):
            read_graph(other)


def test_bounds_by_hand():
    made = [
        *IDS,
        node("Slice", ["shape", "zero", "one"], ["batch"]),
        node("Concat", ["batch", "three"], ["sizes"], axis=0),
        node("ConstantOfShape", ["sizes"], ["zeros"]),  # 2, 3
        node("Unsqueeze", ["x", "one"], ["wide"]),  # 2, 1, 5
        node("Unsqueeze", ["zeros", "two"], ["high"]),  # 2, 3, 1
        node("Add", ["wide", "high"], ["sum"]),  # 2, 3, 5
        node("Reshape", ["sum", "flat"], ["rows"]),  # 6, 5
        node("ReduceMax", ["rows", "one"], ["largest"], keepdims=0),  # 6
        node("Split", ["rows"], ["left", "right"], axis=1, num_outputs=2),  # 6, 3
        node("Transpose", ["rows"], ["columns"]),  # 5, 6
        node("MatMul", ["columns", "left"], ["product"]),  # 5, 3
        node("Gather", ["x", "ids"], ["found"]),  # 2, 5, 5
        node("Squeeze", ["batch", "zero"], ["count"]),
        node("Range", ["start", "count", "step"], ["range"]),  # 2
    ]
    constants = {"zero": [0], "one": [1], "two": [2], "three": [3], "flat": [-1, 5]}
    constants |= {"start": 0, "step": 1}
    held = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT32, ["n", "m"])
    outputs = [helper.make_empty_tensor_value_info("sum")]
    graph = helper.make_graph(made, "graph", [ids], outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    bounds = tensors(read_graph(model.SerializeToString()), {"ids": Tensor((2, 5))}, 10**4)
    expected = {
        "batch": (1,),
        "zeros": (2, 3),
        "sum": (2, 3, 5),
        "rows": (6, 5),
        "largest": (6,),
        "left": (6, 3),
        "right": (6, 3),
        "product": (5, 3),
        "found": (2, 5, 5),
        "range": (2,),
    }
    assert {name: bounds[name].axes for name in expected} == expected
    assert bounds["sizes"].sizes == (2, 3)
