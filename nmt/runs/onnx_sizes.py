"""How large the tensors of a packaged translator may become, found without the package `onnx`.

ONNX Runtime computes whatever a graph says, and a graph of a few nodes can make tensors that fill
the memory. The graphs of nmt consist of some fifty operators, and what decides the sizes of their
tensors is in the graph: constants, and the shapes of other tensors. So upper bounds of all shapes
are computed here, node by node, before ONNX Runtime sees the graph, and a graph for which that is
not possible is refused.

Shapes that a graph declares are compared with the bounds, as ONNX Runtime relies on them when it
computes constants in advance.

The bounds hold for inputs of up to `LINES`, `SOURCE` and `HYPOTHESES`, and for larger ones they
grow as polynomials do.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nmt.runs.onnx_file import Field, fields, varint

# The inputs for which the bounds hold: a line alone, and a batch.
LINES, SOURCE, HYPOTHESES, NAMED = (1, 64), 256, 16, 16
# Numbers in the inputs and outputs of all nodes: for each line, and for each number of the weights.
MAX_OF_LINE, MAX_OF_WEIGHTS = 2**28, 8
MAX_ENTRIES, MAX_RANK, MAX_LIST = 20_000, 8, 64
OPSETS = {"": 18, "com.microsoft": 1}  # of all packages: the meanings of the operators

Axes = tuple[int, ...]


class Tensor(NamedTuple):
    """Upper bounds of a tensor's axes, and of its numbers if it is a short list of sizes."""

    axes: Axes
    sizes: tuple[int, ...] | None = None
    is_constant: bool = False  # the sizes are the numbers themselves
    may_be_empty: bool = False

    @property
    def num_values(self) -> int:
        return math.prod(self.axes)


@dataclass
class Node:
    """A node, as far as sizes depend on it."""

    operator: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, "int | list[int] | Graph | None"] = field(default_factory=dict)

    def number(self, name: str, default: int | None = None) -> int:
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise ValueError(f"{self.operator} has no attribute {name}")
        return value

    def numbers(self, name: str) -> list[int]:
        value = self.attributes.get(name, [])
        if not isinstance(value, list):
            raise ValueError(f"the attribute {name} of {self.operator} is no list")
        return value


@dataclass
class Graph:
    """A graph: its nodes, its constants, and the names of its inputs and outputs."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Tensor] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    declared: dict[str, list[int]] = field(default_factory=dict)  # axes of tensors; 0: any size


def check_sizes(encoder: Graph, step: Graph) -> None:
    """Raises ValueError for graphs with operators that no package of nmt has, and for those whose
    tensors may become too large: see `MAX_OF_LINE`."""
    constants = [one.num_values for graph in (encoder, step) for one in graph.constants.values()]
    for lines in LINES:
        limit = MAX_OF_LINE * lines + MAX_OF_WEIGHTS * sum(constants)
        encoded = tensors(encoder, {"ids": Tensor((lines, SOURCE))}, limit)
        # Their order may change with that of the lines, so numbers are no longer known as sizes.
        outputs = {
            name: _of(encoded, name)._replace(sizes=None, is_constant=False)
            for name in encoder.outputs
        }
        states = [name for name in outputs if name.startswith("state_")]
        for name in states:  # the engine repeats them for each hypothesis
            axes = outputs[name].axes
            repeated = (*axes[:1], *(n * HYPOTHESES for n in axes[1:2]), *axes[2:])
            outputs[name] = outputs[name]._replace(axes=repeated)
        given = {
            "ids": Tensor((lines, HYPOTHESES)),
            "num_candidates": Tensor((1,)),
            "named_ids": Tensor((lines, HYPOTHESES, NAMED), may_be_empty=True),
        }
        stepped = tensors(step, outputs | given, limit)
        for name in states:
            if not _fits(_of(stepped, f"next_{name}").axes, outputs[name].axes):
                raise ValueError(f"{name} grows with each step")


def tensors(
    graph: Graph, given: Mapping[str, Tensor], limit: int, outer: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The bounds of all tensors of a graph. Raises ValueError if they have more than `limit`
    numbers together, as inputs and outputs of nodes, or if there is no bound."""
    known = {**(outer or {}), **graph.constants, **given}
    total = 0
    for node in graph.nodes:
        inputs = [_of(known, name) if name else None for name in node.inputs]
        if node.operator == "Scan":
            outputs = _scan(node, [one for one in inputs if one], known, limit)
        elif node.operator in _RULES:
            outputs = _RULES[node.operator](node, _Inputs(node, inputs))
        else:
            raise ValueError(f"no package of nmt has the operator {node.operator!r}")
        if node.domain != ("com.microsoft" if node.operator == "MatMulIntegerToFloat" else ""):
            raise ValueError(f"no package of nmt has the operators of {node.domain!r}")
        if len(outputs) < len(node.outputs) or any(len(one.axes) > MAX_RANK for one in outputs):
            raise ValueError(f"unexpected outputs of the operator {node.operator}")
        total += sum(one.num_values for one in [*inputs, *outputs] if one)
        if total > limit:
            raise ValueError(f"the operator {node.operator} makes too large a tensor")
        known |= zip(node.outputs, outputs, strict=False)
    for name, axes in graph.declared.items():
        if axes and name in known and not _fits(tuple(axes), known[name].axes):
            raise ValueError(f"{name!r} is declared with another shape than it has")
    return known


def _of(known: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in known:
        raise ValueError(f"there is no tensor {name!r}")
    return known[name]


def _fits(axes: Axes, limits: Axes) -> bool:
    return len(axes) == len(limits) and all(
        n <= limit for n, limit in zip(axes, limits, strict=True)
    )


# --------------------------------------------------------------------------------------- operators


class _Inputs:
    """The inputs of a node."""

    def __init__(self, node: Node, inputs: Sequence[Tensor | None]):
        self._node, self._inputs = node, inputs
        self.may_be_empty = any(one.may_be_empty for one in self.all)

    @property
    def all(self) -> list[Tensor]:
        return [one for one in self._inputs if one]

    def __getitem__(self, index: int) -> Tensor:
        one = self._inputs[index] if index < len(self._inputs) else None
        if one is None:
            raise ValueError(f"the operator {self._node.operator} lacks an input")
        return one

    def has(self, index: int) -> bool:
        return index < len(self._inputs) and self._inputs[index] is not None

    def sizes(self, index: int) -> tuple[int, ...]:
        """Numbers that decide a shape."""
        sizes = self[index].sizes
        if sizes is None:
            raise ValueError(f"the size of a tensor comes from {self._node.inputs[index]!r}")
        return sizes

    def constants(self, index: int) -> tuple[int, ...]:
        sizes = self.sizes(index)
        if not self[index].is_constant:
            raise ValueError(f"{self._node.inputs[index]!r} is not constant")
        return sizes


_Rule = Callable[[Node, _Inputs], list[Tensor]]


def _place(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"there is no axis {axis} of {rank}")
    return axis % rank


def _broadcast(shapes: Iterable[Axes]) -> Axes:
    shapes = list(shapes)
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(axes)) + axes for axes in shapes]
    return tuple(max(axis) for axis in zip(*padded, strict=True))


def _elementwise(node: Node, inputs: _Inputs) -> list[Tensor]:
    axes = _broadcast(one.axes for one in inputs.all)
    return [Tensor(axes, may_be_empty=inputs.may_be_empty)]


def _same(node: Node, inputs: _Inputs) -> list[Tensor]:
    return [inputs[0]]


def _cast(node: Node, inputs: _Inputs) -> list[Tensor]:
    is_wide = node.number("to") in _INTEGERS  # others wrap or lose large numbers
    return [inputs[0] if is_wide else inputs[0]._replace(sizes=None)]


def _reduce(node: Node, inputs: _Inputs) -> list[Tensor]:
    axes = inputs[0].axes
    places = {_place(axis, len(axes)) for axis in inputs.constants(1)}
    if not places:
        raise ValueError(f"{node.operator} names no axes")
    if node.number("keepdims", 1):
        kept = tuple(1 if place in places else n for place, n in enumerate(axes))
    else:
        kept = tuple(n for place, n in enumerate(axes) if place not in places)
    return [Tensor(kept, may_be_empty=inputs.may_be_empty)]


def _transpose(node: Node, inputs: _Inputs) -> list[Tensor]:
    axes = inputs[0].axes
    order = node.numbers("perm") or list(range(len(axes)))[::-1]
    if sorted(order) != list(range(len(axes))):
        raise ValueError("the axes of a Transpose are not those of its input")
    return [Tensor(tuple(axes[i] for i in order), may_be_empty=inputs.may_be_empty)]


def _unsqueeze(node: Node, inputs: _Inputs) -> list[Tensor]:
    one, added = inputs[0], inputs.constants(1)
    rank = len(one.axes) + len(added)
    places = {_place(axis, rank) for axis in added}
    if len(places) < len(added):
        raise ValueError("an axis of an Unsqueeze stands twice")
    rest = iter(one.axes)
    axes = tuple(1 if place in places else next(rest) for place in range(rank))
    return [one._replace(axes=axes, sizes=one.sizes if rank == 1 else None)]


def _squeeze(node: Node, inputs: _Inputs) -> list[Tensor]:
    one = inputs[0]
    places = {_place(axis, len(one.axes)) for axis in inputs.constants(1)}
    axes = tuple(n for place, n in enumerate(one.axes) if place not in places)
    return [one._replace(axes=axes)]


def _concat(node: Node, inputs: _Inputs) -> list[Tensor]:
    shapes = [one.axes for one in inputs.all]
    place = _place(node.number("axis"), len(inputs[0].axes))
    if len({len(axes) for axes in shapes}) > 1:
        raise ValueError("the inputs of a Concat differ in rank")
    axes = [max(each) for each in zip(*shapes, strict=True)]
    axes[place] = sum(each[place] for each in shapes)
    sizes = [size for one in inputs.all for size in one.sizes or ()]
    is_list = all(one.sizes is not None for one in inputs.all) and len(sizes) <= MAX_LIST
    is_constant = is_list and all(one.is_constant for one in inputs.all)
    of_sizes = tuple(sizes) if is_list else None
    return [Tensor(tuple(axes), of_sizes, is_constant, inputs.may_be_empty)]


def _split(node: Node, inputs: _Inputs) -> list[Tensor]:
    axes = inputs[0].axes
    place = _place(node.number("axis", 0), len(axes))
    count = max(len(node.outputs), 1)
    parts = inputs.constants(1) if inputs.has(1) else (-(-axes[place] // count),) * count
    if len(parts) != count or min(parts) < 0:
        raise ValueError("a Split has other outputs than parts")
    empty = inputs.may_be_empty or min(parts) == 0
    return [Tensor((*axes[:place], part, *axes[place + 1 :]), may_be_empty=empty) for part in parts]


def _slice(node: Node, inputs: _Inputs) -> list[Tensor]:
    one, starts, ends = inputs[0], inputs.constants(1), inputs.constants(2)
    places = inputs.constants(3) if inputs.has(3) else tuple(range(len(starts)))
    steps = inputs.constants(4) if inputs.has(4) else (1,) * len(starts)
    axes, empty = list(one.axes), one.may_be_empty
    for start, end, axis, step in zip(starts, ends, places, steps, strict=True):
        place = _place(axis, len(axes))
        if 0 <= start <= end:
            axes[place] = min(axes[place], end - start)
        empty |= not (start == 0 and end > 0 and step > 0)
    sizes = None
    if one.sizes is not None and len(axes) == 1 and steps == (1,):
        sizes = one.sizes[starts[0] : ends[0]]
        axes, empty = [len(sizes)], one.may_be_empty or not sizes
    return [Tensor(tuple(axes), sizes, one.is_constant and sizes is not None, empty)]


def _gather(node: Node, inputs: _Inputs) -> list[Tensor]:
    one, ids = inputs[0], inputs[1]
    place = _place(node.number("axis", 0), len(one.axes))
    axes = (*one.axes[:place], *ids.axes, *one.axes[place + 1 :])
    sizes = None
    if one.sizes is not None and ids.is_constant and len(axes) < 2:
        sizes = tuple(one.sizes[_place(i, len(one.sizes))] for i in ids.sizes or ())
    is_constant = one.is_constant and sizes is not None
    return [Tensor(axes, sizes, is_constant, inputs.may_be_empty)]


def _gather_elements(node: Node, inputs: _Inputs) -> list[Tensor]:
    return [Tensor(inputs[1].axes, may_be_empty=inputs.may_be_empty)]


def _product(node: Node, inputs: _Inputs) -> list[Tensor]:
    left, right = inputs[0].axes, inputs[1].axes
    if min(len(left), len(right)) < 2:
        raise ValueError(f"{node.operator} of a vector")
    axes = (*_broadcast([left[:-2], right[:-2]]), left[-2], right[-1])
    return [Tensor(axes, may_be_empty=inputs.may_be_empty)]


def _shape(node: Node, inputs: _Inputs) -> list[Tensor]:
    one = inputs[0]
    sizes = one.axes[node.number("start", 0) : node.number("end", MAX_RANK)]
    # At least 1: the number 0 in a list of sizes is always a constant.
    bounds = tuple(max(size, 1) for size in sizes)
    return [Tensor((len(sizes),), bounds, may_be_empty=one.may_be_empty)]


def _reshape(node: Node, inputs: _Inputs) -> list[Tensor]:
    one, sizes = inputs[0], inputs.sizes(1)
    if not inputs[1].is_constant and (min(sizes, default=1) < 1 or inputs[1].may_be_empty):
        raise ValueError("a Reshape to sizes that may be 0 or -1")
    if node.number("allowzero", 0):
        raise ValueError("a Reshape that allows the size 0")
    axes = [one.axes[_place(i, len(one.axes))] if n == 0 else n for i, n in enumerate(sizes)]
    if -1 in axes:
        rest = math.prod(n for i, n in enumerate(sizes) if n > 0)
        rest *= math.prod(axes[i] for i, n in enumerate(sizes) if n == 0)
        axes[axes.index(-1)] = -(-one.num_values // max(rest, 1))
    if min(axes, default=1) < 0:
        raise ValueError("a Reshape to a negative size")
    return [Tensor(tuple(axes), may_be_empty=one.may_be_empty)]


def _constant_of_shape(node: Node, inputs: _Inputs) -> list[Tensor]:
    sizes = inputs.sizes(0)
    empty = inputs.may_be_empty or min(sizes, default=1) < 1
    return [Tensor(tuple(max(size, 0) for size in sizes), may_be_empty=empty)]


def _expand(node: Node, inputs: _Inputs) -> list[Tensor]:
    sizes = inputs.sizes(1)
    empty = inputs.may_be_empty or min(sizes, default=1) < 1
    axes = _broadcast([inputs[0].axes, tuple(max(size, 1) for size in sizes)])
    return [Tensor(axes, may_be_empty=empty)]


def _range(node: Node, inputs: _Inputs) -> list[Tensor]:
    (start,), (limit,), (delta,) = inputs.constants(0), inputs.sizes(1), inputs.constants(2)
    if (start, delta) != (0, 1):
        raise ValueError("a Range that does not count from 0")
    return [Tensor((max(limit, 0),), may_be_empty=inputs.may_be_empty or limit < 1)]


def _top_k(node: Node, inputs: _Inputs) -> list[Tensor]:
    return [Tensor(inputs[0].axes, may_be_empty=True)] * 2


_ELEMENTWISE = [
    "Abs",
    "Add",
    "And",
    "CumSum",
    "Div",
    "Equal",
    "Exp",
    "Less",
    "LessOrEqual",
    "LogSoftmax",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "QuantizeLinear",
    "Reciprocal",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(["ReduceMax", "ReduceMean", "ReduceSum"], _reduce),
    **dict.fromkeys(["MatMul", "MatMulIntegerToFloat"], _product),
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Identity": _same,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


def _scan(
    node: Node, inputs: Sequence[Tensor], known: Mapping[str, Tensor], limit: int
) -> list[Tensor]:
    body, num_scanned = node.attributes.get("body"), node.number("num_scan_inputs")
    num_states = len(inputs) - num_scanned
    in_axes, out_axes = node.numbers("scan_input_axes"), node.numbers("scan_output_axes")
    if not isinstance(body, Graph) or num_states < 0 or len(in_axes) != num_scanned:
        raise ValueError("unexpected inputs of the operator Scan")
    states, scanned, length = list(inputs[:num_states]), [], 0
    for one, axis in zip(inputs[num_states:], in_axes, strict=True):
        place = _place(axis, len(one.axes))
        length = max(length, one.axes[place])
        scanned.append(one._replace(axes=one.axes[:place] + one.axes[place + 1 :], sizes=None))
    states = [one._replace(sizes=None) for one in states]
    given = dict(zip(body.inputs, [*states, *scanned], strict=True))
    of_body = tensors(body, given, limit, known)
    outputs = [_of(of_body, name)._replace(sizes=None) for name in body.outputs]
    if len(outputs) != num_states + len(out_axes):
        raise ValueError("unexpected outputs of the operator Scan")
    for before, after in zip(states, outputs, strict=False):
        if not _fits(after.axes, before.axes):
            raise ValueError("the state of a Scan grows")
    empty = any(one.may_be_empty for one in [*inputs, *outputs])
    collected = []
    for one, axis in zip(outputs[num_states:], out_axes, strict=True):
        place = _place(axis, len(one.axes) + 1)
        axes = (*one.axes[:place], length, *one.axes[place:])
        collected.append(Tensor(axes, may_be_empty=empty))
    return [*(Tensor(one.axes, may_be_empty=empty) for one in states), *collected]


# ----------------------------------------------------------------------------------------- reading

_INTEGERS: dict[int, tuple[int, str]] = {6: (5, "<i4"), 7: (7, "<i8")}  # type -> field, format


def read_graph(model: bytes, shapes: Mapping[str, Axes] | None = None) -> Graph:
    """The graph of an ONNX file. `shapes` are those of the constants that are not in the file.
    Raises ValueError for what no export of nmt has."""
    graphs, versions = [], []
    for number, value in fields(memoryview(model)):
        if number == 7:
            graphs.append(_message(value))
        elif number == 8:
            opset = dict(fields(_message(value)))
            domain = _text(opset.get(1, memoryview(b"")))
            versions += [(domain, opset.get(2))] if domain in OPSETS else []
    if len(graphs) != 1:
        raise ValueError("expected one graph")
    if not OPSETS.items() >= set(versions) >= {("", OPSETS[""])}:
        raise ValueError(f"no package of nmt has these versions of the operators: {versions}")
    return _graph(graphs[0], shapes or {})


def _graph(message: memoryview, shapes: Mapping[str, Axes]) -> Graph:
    graph = Graph()
    for number, value in fields(message):
        if number == 1:
            graph.nodes.append(_node(_message(value)))
        elif number == 5:
            name, constant = _constant(list(fields(_message(value))), shapes)
            graph.constants[name] = constant
        elif number in (11, 12, 13):  # inputs, outputs, others
            name = _text(dict(fields(_message(value))).get(1))
            dimensions = [dict(fields(one)).get(1, 0) for one in _inside(value, 2, 1, 2, 1)]
            graph.declared[name] = [n for n in dimensions if isinstance(n, int)]
            graph.inputs += [name] * (number == 11)
            graph.outputs += [name] * (number == 12)
        if len(graph.nodes) + len(graph.constants) + len(graph.declared) > MAX_ENTRIES:
            raise ValueError(f"it has more than {MAX_ENTRIES:,} nodes, constants and shapes")
    return graph


def _inside(value: int | memoryview, *path: int) -> Iterator[memoryview]:
    """The messages within messages that a path of fields leads to."""
    if not path:
        yield _message(value)
        return
    for number, inner in fields(_message(value)):
        if number == path[0]:
            yield from _inside(inner, *path[1:])


def _node(message: memoryview) -> Node:
    node = Node()
    for number, value in fields(message):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            node.operator = _text(value)
        elif number == 7:
            node.domain = _text(value)
        elif number == 5:
            name, attribute = _attribute(list(fields(_message(value))))
            if name in node.attributes:
                raise ValueError(f"the attribute {name} stands twice")
            node.attributes[name] = attribute
    return node


def _attribute(attribute: Sequence[Field]) -> tuple[str, "int | list[int] | Graph | None"]:
    of_field = dict(attribute)
    name = _text(of_field.get(1))
    graphs = [_message(value) for number, value in attribute if number == 6]
    if len(graphs) > 1:
        raise ValueError(f"the attribute {name} has several graphs")
    if graphs:
        return name, _graph(graphs[0], {})
    if 8 in of_field:
        return name, _integers(attribute, 8)
    number = of_field.get(3)
    return name, _signed(number) if isinstance(number, int) else None


def _constant(tensor: Sequence[Field], shapes: Mapping[str, Axes]) -> tuple[str, Tensor]:
    of_field = dict(tensor)
    name, data_type = _text(of_field.get(8)), of_field.get(2)
    axes = tuple(shapes[name]) if name in shapes else tuple(_integers(tensor, 1))
    if min(axes, default=1) < 1:
        raise ValueError(f"the constant {name!r} is empty")
    is_list = len(axes) < 2 and math.prod(axes) <= MAX_LIST and name not in shapes
    if not (is_list and isinstance(data_type, int) and data_type in _INTEGERS):
        return name, Tensor(axes)
    number, dtype = _INTEGERS[data_type]
    raw = np.frombuffer(_message(of_field[9]), dtype) if 9 in of_field else None
    sizes = tuple(_integers(tensor, number) if raw is None else map(int, raw))
    if len(sizes) != math.prod(axes):
        raise ValueError(f"the constant {name!r} has another number of values than its shape")
    return name, Tensor(axes, sizes, is_constant=True)


def _integers(message: Sequence[Field], number: int) -> list[int]:
    """The numbers of a repeated field, packed or not."""
    found: list[int] = []
    for key, value in message:
        if key == number and isinstance(value, int):
            found.append(_signed(value))
        elif key == number and isinstance(value, memoryview):
            position = 0
            while position < len(value) and len(found) <= MAX_LIST:
                one, position = varint(value, position)
                found.append(_signed(one))
    if len(found) > MAX_LIST:
        raise ValueError(f"a list of more than {MAX_LIST} integers")
    return found


def _signed(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def _message(value: int | memoryview | None) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("a number in place of a message")
    return value


def _text(value: int | memoryview | None) -> str:
    return bytes(_message(value)).decode("utf-8")
