"""Which tensors an ONNX file reads from elsewhere, and which operators it has, found without the
package `onnx`.

ONNX Runtime would open the files that a model names, and compute whatever it says. A model from a
stranger must name no file and not fill the memory, so its protocol buffer is searched before ONNX
Runtime sees it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

MAX_DEPTH = 64  # of messages within messages

Field: TypeAlias = tuple[int, int | memoryview]  # number and value

# Message -> its fields that hold messages with tensors (onnx.proto, IR version 10).
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {},
}
# Other places of tensors, which no export of nmt has: training graphs, functions, sparse tensors.
_REFUSED = {"model": {20, 25}, "graph": {15}, "attribute": {22, 23}}
# Operators of the packages of nmt, for all of its scores and cells.
OPERATORS = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Concat",
        "ConstantOfShape",
        "CumSum",
        "Div",
        "Equal",
        "Exp",
        "Expand",
        "GRU",
        "Gather",
        "GatherElements",
        "Identity",
        "LSTM",
        "Less",
        "LessOrEqual",
        "LogSoftmax",
        "MatMul",
        "MatMulIntegerToFloat",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Not",
        "QuantizeLinear",
        "Range",
        "Reciprocal",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Reshape",
        "Scan",
        "Shape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Softplus",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tanh",
        "TopK",
        "Transpose",
        "Unsqueeze",
    ]
)
# Those of them whose output is as large as the values of an input say: which inputs.
_SIZES = {"ConstantOfShape": (0,), "Expand": (1,), "Range": (0, 1, 2)}
_PASSING_SIZES = {"Cast", "Concat", "Gather", "Identity", "Slice", "Squeeze", "Unsqueeze"}
MAX_GROWTH = 2**20  # of a tensor, beyond the sizes of others
_NODE, _INITIALISER = 1, 5  # fields of a graph
_INPUT, _OUTPUT, _OPERATOR = 1, 2, 4  # fields of a node
_DATA_TYPE, _RAW = 2, 9  # fields of a tensor
_INTEGERS: dict[int | memoryview | None, tuple[int, str]] = {6: (5, "<i4"), 7: (7, "<i8")}
MAX_SIZES_BYTES = 512  # of a list of sizes
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14  # fields of a tensor


def external_initializers(model: bytes) -> set[str]:
    """The names of the initialisers of the main graph that are not in the file. Raises ValueError
    for anything else that is not in the file, and for bytes that are no model."""
    return set(_search(memoryview(model), "model", 0))


def _search(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise ValueError("the graph is too deep")
    name, is_external = "", False
    for field, value in _fields(message):
        if field in _REFUSED.get(kind, ()):
            raise ValueError(f"unexpected field {field} of a {kind}")
        inner = _MESSAGES[kind].get(field)
        if inner:
            if not isinstance(value, memoryview):
                raise ValueError(f"field {field} of a {kind} is not a message")
            yield from _search(value, inner, depth + 1)
        elif kind == "tensor" and field == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode("utf-8")
        elif kind == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
            is_external = True
    if is_external:
        if depth != 2:  # model, graph, tensor
            raise ValueError(f"the tensor {name!r} of an inner graph is not in the file")
        yield name


def _fields(message: memoryview) -> Iterator[Field]:
    """Number and value of each field; fixed-width numbers as their bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire_type = key >> 3, key & 7
        if wire_type == 0:
            number, position = _varint(message, position)
            yield field, number
            continue
        if wire_type == 2:
            length, position = _varint(message, position)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if position + length > len(message):
            raise ValueError("a field ends beyond its message")
        yield field, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("a number ends beyond its message")
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a number of more than 64 bits")


# ---------------------------------------------------------------------------------------- operators


def check_operators(model: bytes) -> None:
    """Raises ValueError for operators that no package of nmt has, and for tensors whose size is a
    large number in the graph: a small file must not fill the memory."""
    for field, value in _fields(memoryview(model)):
        if field == 7 and isinstance(value, memoryview):
            _check_graph(value, 0)


def _check_graph(graph: memoryview, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("the graph is too deep")
    nodes: list[tuple[str, list[str]]] = []
    makers: dict[str, tuple[str, list[str]]] = {}
    numbers: dict[str, list[int]] = {}  # of the initialisers
    for field, value in _fields(graph):
        if field not in (_NODE, _INITIALISER) or not isinstance(value, memoryview):
            continue
        fields = list(_fields(value))
        if field == _NODE:
            operator = (_texts(fields, _OPERATOR) or [""])[-1]
            if operator not in OPERATORS:
                raise ValueError(f"no package of nmt has the operator {operator!r}")
            node = operator, _texts(fields, _INPUT)
            nodes.append(node)
            makers |= dict.fromkeys(_texts(fields, _OUTPUT), node)
            for inner in _inner_graphs(fields):
                _check_graph(inner, depth + 1)
        else:
            numbers |= dict.fromkeys(_texts(fields, _NAME), _integers(fields))
    growths = {name: math.prod(max(1, abs(one)) for one in of) for name, of in numbers.items()}
    for operator, inputs in nodes:
        growth = [_growth(inputs[i], makers, growths, 0) for i in _SIZES.get(operator, ())]
        if math.prod(growth) > MAX_GROWTH:
            raise ValueError(f"the operator {operator} makes too large a tensor")


def _growth(
    name: str,
    makers: Mapping[str, tuple[str, list[str]]],
    growths: dict[str, int],
    depth: int,
) -> int:
    """The product of the numbers in a list of sizes; sizes of other tensors count as 1. `growths`
    has those that are known, and gets this one."""
    if name in growths:
        return growths[name]
    operator, inputs = makers.get(name, ("", []))
    if operator != "Shape" and (operator not in _PASSING_SIZES or depth > MAX_DEPTH):
        raise ValueError(f"the size of a tensor comes from {operator or 'an input'}")
    lists = [] if operator == "Shape" else inputs if operator == "Concat" else inputs[:1]
    growths[name] = math.prod(_growth(one, makers, growths, depth + 1) for one in lists)
    return growths[name]


def _inner_graphs(node: Sequence[Field]) -> Iterator[memoryview]:
    for field, attribute in node:
        if field == 5 and isinstance(attribute, memoryview):
            for number, value in _fields(attribute):
                if number in (6, 11) and isinstance(value, memoryview):
                    yield value


def _texts(message: Sequence[Field], number: int) -> list[str]:
    return [
        bytes(value).decode("utf-8")
        for field, value in message
        if field == number and isinstance(value, memoryview)
    ]


def _integers(tensor: Sequence[Field]) -> list[int]:
    """The numbers of a tensor; too large a one for what is no short list of integers in it."""
    data_type = next((value for field, value in reversed(tensor) if field == _DATA_TYPE), None)
    if data_type not in _INTEGERS or {_EXTERNAL_DATA, _DATA_LOCATION} & {f for f, _ in tensor}:
        return [MAX_GROWTH + 1]
    of_type, dtype = _INTEGERS[data_type]
    found: list[int] = []
    for field, value in tensor:
        if isinstance(value, memoryview) and len(value) > MAX_SIZES_BYTES:
            return [MAX_GROWTH + 1]
        if field == _RAW and isinstance(value, memoryview):
            found += np.frombuffer(value, dtype).tolist()
        elif field == of_type and isinstance(value, int):
            found.append(value)
        elif field == of_type and isinstance(value, memoryview):  # packed
            position = 0
            while position < len(value):
                number, position = _varint(value, position)
                found.append(number)
    return found
