"""Which tensors an ONNX file reads from elsewhere, found without the package `onnx`.

ONNX Runtime would open the files that a model names. A model from a stranger must name none, so its
protocol buffer is searched before ONNX Runtime sees it.
"""

from collections.abc import Iterator
from typing import TypeAlias

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
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14  # fields of a tensor


def external_initializers(model: bytes) -> set[str]:
    """The names of the initialisers of the main graph that are not in the file. Raises ValueError
    for anything else that is not in the file, and for bytes that are no model."""
    return set(_search(memoryview(model), "model", 0))


def _search(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise ValueError("the graph is too deep")
    name, is_external = "", False
    for field, value in fields(message):
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


def fields(message: memoryview) -> Iterator[Field]:
    """Number and value of each field; fixed-width numbers as their bytes."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        field, wire_type = key >> 3, key & 7
        if wire_type == 0:
            number, position = varint(message, position)
            yield field, number
            continue
        if wire_type == 2:
            length, position = varint(message, position)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if position + length > len(message):
            raise ValueError("a field ends beyond its message")
        yield field, message[position : position + length]
        position += length


def varint(message: memoryview, position: int) -> tuple[int, int]:
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
