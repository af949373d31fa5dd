"""A Seq2Seq model as two ONNX graphs: the encoder, run once per sentence, and one step of the
decoder.

encoder: ids bs -> memory_*, state_*
step:    ids bk, memory_*, state_*, num_candidates, named_ids bkn
         -> log_probs bkc and candidates bkc (the c best, descending), all_log_probs bkv,
            named_log_probs bkn, weights bks, next_state_*

with the names of `nmt.model.signatures`. tf2onnx converts everything but loops, whatever it may be.
It converts TensorFlow loops (version 1.17) incorrectly and without an error, so the encoder's are
written here: with ONNX's own operators GRU and LSTM, which stop at the end of each sentence and
start there on the way back, or, for cells that these cannot express, as a Scan over the converted
step of the cells.
"""

# B batch  S source  K hypotheses of a sentence  C candidates  N named ids  V vocabulary
# D memory width  L directions of a layer (1 or 2)  I inputs of a layer  H units of one direction
# G gates (3H or 4H)

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from nmt.errors import UserError
from nmt.linear import Tensor, unfolded
from nmt.model.recurrent import GRUCell, LSTMCell
from nmt.model.seq2seq import Seq2Seq
from nmt.model.signatures import IDS, named_leaves, step_function

OPSET = 18  # the newest that tf2onnx 1.17 writes
IR_VERSION = 10  # of ONNX Runtime 1.19 and newer


class Graph:
    """An ONNX graph that grows node by node; tensors are known by name."""

    def __init__(self, name: str):
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._domains: dict[str, int] = {"": OPSET}

    def input(self, name: str, element_type: int, axes: Sequence[int | str]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, element_type, axes))
        return name

    def constant(self, value: Any) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, num_outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node and returns its output, or a list of its outputs. "" omits an optional
        input."""
        names = [f"{operator}_{len(self._nodes)}_{index}" for index in range(num_outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0] if num_outputs == 1 else names

    def include(self, part: onnx.ModelProto, inputs: Mapping[str, str]) -> dict[str, str]:
        """Adds another model. `inputs` and the returned outputs map its names to those of this
        graph."""
        prefix = f"part_{len(self._nodes)}_"
        part = onnx.compose.add_prefix(part, prefix)
        for name in (value.name for value in part.graph.input):
            self._nodes.append(
                helper.make_node("Identity", [inputs[name.removeprefix(prefix)]], [name])
            )
        self._nodes += part.graph.node
        self._constants += part.graph.initializer
        self._domains |= {opset.domain: opset.version for opset in part.opset_import}
        return {value.name.removeprefix(prefix): value.name for value in part.graph.output}

    def finish(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """The model with the outputs `name: tensor`; the graph itself stays as it is."""
        made = {tensor for node in self._nodes for tensor in node.output}
        names: dict[str, str] = {}  # tensors that are renamed and not copied
        copies = []
        for name, tensor in outputs.items():
            if tensor in names or tensor not in made:
                copies.append(helper.make_node("Identity", [tensor], [name]))
            else:
                names[tensor] = name
        nodes = [_renamed(node, names) for node in [*self._nodes, *copies]]
        graph = helper.make_graph(nodes, self.name, self._inputs, [], self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._domains.items()]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="nmt"
        )
        types = {
            value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info
        }
        model.graph.output.extend(types[name] for name in outputs)
        onnx.checker.check_model(model)
        return model


def convert(function: Any, specs: Sequence[tf.TensorSpec]) -> onnx.ModelProto:
    """Converts a function of tensors that returns a dict of tensors; `specs` name the inputs.

    Raises UserError if it contains a loop, or an operation that ONNX does not have.
    """
    import tf2onnx  # here, because importing it takes a second

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        model, _ = tf2onnx.convert.from_function(
            tf.function(function, autograph=False), specs, opset=OPSET
        )
    except Exception as error:
        raise UserError(
            f"the model's {function.__name__} cannot be written in ONNX: {error}"
        ) from error
    # tf2onnx passes on operations that it does not know.
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    found = {node.op_type for node in model.graph.node}
    refused = sorted(found - known | found & {"Loop", "Scan"})
    if refused:
        raise UserError(
            f"the model's {function.__name__} cannot be written in ONNX faithfully, because of:"
            f" {', '.join(refused)}. Write it without, or translate with Keras."
        )
    return model


# -------------------------------------------------------------------------------------- the encoder


def encoder_graph(model: Seq2Seq, native: bool = True) -> onnx.ModelProto:
    """`Seq2Seq.encode`. `native`: by the operators GRU and LSTM, if they can express the cells;
    else by Scan."""
    graph = Graph("encoder")
    ids = graph.input("ids", TensorProto.INT32, ["batch", "source"])

    def embed(ids: Any) -> dict[str, Any]:
        return dict(zip(("embedded", "mask"), model.embed(ids), strict=True))

    parts = graph.include(convert(embed, [IDS]), {"ids": ids})
    states, finals = parts["embedded"], []
    native &= all(type(cell) in OPERATORS for cells in model.encoder.layers for cell in cells)
    layer = native_layer if native else scanned_layer
    for index, cells in enumerate(model.encoder.layers):
        outputs, final = layer(graph, cells, states, parts["mask"])
        states = graph.node("Add", outputs, states) if index else outputs
        finals.append(final)
    return graph.finish(_build_memory(graph, model, {**parts, "states": states}, finals))


def _build_memory(
    graph: Graph, model: Seq2Seq, parts: Mapping[str, str], finals: Sequence[Sequence[str]]
) -> dict[str, str]:
    """The part of `encode` after the recurrence."""
    width = model.config.memory_units
    specs = [
        tf.TensorSpec((None, None, model.source_embedding.units), tf.float32, "embedded"),
        tf.TensorSpec((None, None), tf.bool, "mask"),
        tf.TensorSpec((None, None, width), tf.float32, "states"),
    ]
    named = {
        f"final_{layer}_{entry}": name
        for layer, final in enumerate(finals)
        for entry, name in enumerate(final)
    }
    specs += [tf.TensorSpec((None, width), tf.float32, name) for name in named]
    structure = [tuple(final) for final in finals]

    def build_memory(embedded: Any, mask: Any, states: Any, *entries: Any) -> dict[str, Any]:
        final = tuple(tf.nest.pack_sequence_as(structure, entries))
        memory, state = model.build_memory(embedded, mask, states, final)
        return dict([*named_leaves(memory, "memory"), *named_leaves(state, "state")])

    return graph.include(convert(build_memory, specs), {**parts, **named})


def native_layer(
    graph: Graph, cells: Sequence[Any], inputs: str, mask: str
) -> tuple[str, list[str]]:
    """One layer, in one or both directions, as an operator: inputs bsi -> states bs(lh), final
    entries b(lh).

    On padding the states are 0, and not the last state; attention never sees them.
    """
    operator, order = OPERATORS[type(cells[0])]
    lengths_B = graph.node(
        "ReduceSum", graph.node("Cast", mask, to=TensorProto.INT32), graph.constant([1]), keepdims=0
    )
    weights = [_operator_weights(cell, order) for cell in cells]
    outputs_SLBH, *final_LBH = graph.node(
        operator,
        graph.node("Transpose", inputs, perm=[1, 0, 2]),
        *(graph.constant(np.stack(kind)) for kind in zip(*weights, strict=True)),
        lengths_B,
        num_outputs=1 + cells[0].num_states,
        hidden_size=cells[0].units,
        direction="bidirectional" if len(cells) == 2 else "forward",
        **({"linear_before_reset": 1} if operator == "GRU" else {}),
    )
    states = graph.node("Transpose", outputs_SLBH, perm=[2, 0, 1, 3])
    width = len(cells) * cells[0].units
    return graph.node("Reshape", states, graph.constant([0, 0, width])), [
        graph.node(
            "Reshape", graph.node("Transpose", final, perm=[1, 0, 2]), graph.constant([0, width])
        )
        for final in final_LBH
    ]


def _operator_weights(cell: Any, order: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W gi, R gh and the biases of both, 2g. Our kernels are ig and hg, and the order of our gates
    may differ."""

    def gates(values: Any) -> np.ndarray:
        parts = np.split(np.asarray(values), len(order), axis=-1)
        return np.concatenate([parts[index] for index in order], axis=-1)

    recurrent_bias = np.zeros(cell.bias.shape, np.float32)
    if isinstance(cell, GRUCell):  # only the candidate, the last gate, needs two biases
        recurrent_bias[2 * cell.units :] = cell.recurrent_bias
    biases = np.concatenate([gates(cell.bias), gates(recurrent_bias)])
    return gates(cell.kernel).T, gates(cell.recurrent_kernel).T, biases


# Cell -> operator, and the index of our gate at each place of its weights: GRU z, r, n;
# LSTM i, o, f, g.
OPERATORS = {GRUCell: ("GRU", (0, 1, 2)), LSTMCell: ("LSTM", (0, 3, 1, 2))}


def scanned_layer(
    graph: Graph, cells: Sequence[Any], inputs: str, mask: str
) -> tuple[str, list[str]]:
    """The same as a Scan, for any cells: both directions take their steps together, from either
    end."""
    names = [f"gates_{d}" for d in range(len(cells))]
    states = [
        (f"state_{d}_{entry}", cell.units)
        for d, cell in enumerate(cells)
        for entry in range(cell.num_states)
    ]

    def project(inputs: Tensor) -> dict[str, Tensor]:
        return {
            name: cell.project(inputs, unfolded(cell.input_weights()))
            for name, cell in zip(names, cells, strict=True)
        }

    def step(*tensors: Any) -> dict[str, Any]:
        """States of all directions, then gates of each, then a mask b1 of each -> the states, and
        the outputs of each. Where the mask is 0, on padding, the states do not change; attention
        never sees the outputs there."""
        recurrent = [unfolded(cell.recurrent_weights()) for cell in cells]
        flat, gates, masks = (
            tensors[: len(states)],
            tensors[len(states) : -len(cells)],
            tensors[-len(cells) :],
        )
        new = {}
        for d, (cell, weights) in enumerate(zip(cells, recurrent, strict=True)):
            old = flat[d * cell.num_states : (d + 1) * cell.num_states]
            stepped = cell.step(gates[d], old, weights)
            for entry, (after, before) in enumerate(zip(stepped, old, strict=True)):
                new[f"new_{d}_{entry}"] = before + masks[d] * (after - before)
            new[f"output_{d}"] = stepped[0]
        return new

    input_units = cells[0].kernel.shape[0]
    projected = convert(project, [tf.TensorSpec((None, None, input_units), tf.float32, "inputs")])
    gates = graph.include(projected, {"inputs": inputs})
    specs = [tf.TensorSpec((None, units), tf.float32, name) for name, units in states]
    widths = [cell.bias.shape[0] for cell in cells]
    specs += [
        tf.TensorSpec((None, width), tf.float32, name)
        for name, width in zip(names, widths, strict=True)
    ]
    specs += [tf.TensorSpec((None, 1), tf.float32, f"mask_{d}") for d in range(len(cells))]
    converted = convert(step, specs).graph
    made = {value.name: value for value in converted.output}
    order = [name.replace("state", "new") for name, _ in states]
    order += [f"output_{d}" for d in range(len(cells))]
    body = helper.make_graph(
        converted.node,
        converted.name,
        converted.input,
        [made[name] for name in order],
        converted.initializer,
        value_info=converted.value_info,
    )
    batch = graph.node("Shape", mask, start=0, end=1)
    mask = graph.node(
        "Unsqueeze", graph.node("Cast", mask, to=TensorProto.FLOAT), graph.constant([2])
    )
    zeros = [
        graph.node("ConstantOfShape", graph.node("Concat", batch, graph.constant([units]), axis=0))
        for _, units in states
    ]
    directions = list(range(len(cells)))  # 0: forward, 1: backward
    ends = graph.node(
        "Scan",
        *zeros,
        *(gates[name] for name in names),
        *[mask] * len(cells),
        num_outputs=len(states) + len(cells),
        body=body,
        num_scan_inputs=2 * len(cells),
        scan_input_axes=[1] * 2 * len(cells),
        scan_input_directions=directions * 2,
        scan_output_axes=[1] * len(cells),
        scan_output_directions=directions,
    )
    num_states = cells[0].num_states
    finals = [ends[entry : len(states) : num_states] for entry in range(num_states)]
    return graph.node("Concat", *ends[len(states) :], axis=2), [
        graph.node("Concat", *final, axis=1) for final in finals
    ]


def within_one(model: Seq2Seq) -> set[str]:
    """Tensors of both graphs that lie between -1 and 1, so that `nmt.export.int8` need not compute
    their maximum.

    The output of a cell does: it is a mean of its last output and of a tanh, or a product of
    sigmoid and tanh.
    """
    config = model.config
    names = {f"state_{d}_0" for d in range(2)}  # of scanned layers, their first entries
    for layer in range(config.decoder.num_layers):
        names |= {f"state_hidden_{layer}_0", f"next_state_hidden_{layer}_0"}
    if config.decoder.input_feeding:
        names.add("state_output")
    # Otherwise the memory holds sums of layers, or embeddings.
    if config.encoder.num_layers == 1 and not config.decoder.lexical:
        names.add("memory_values")
    return names


class _Partition(NamedTuple):
    """The nodes of a step, by how often they have to be computed."""

    once: list[onnx.NodeProto]  # per sentence: they depend on the memory and constants alone
    each: list[onnx.NodeProto]  # at every step
    names: dict[str, str]  # tensors of the step that the encoder computes -> their names there


def hoisted(
    encoder: onnx.ModelProto, step: onnx.ModelProto
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The same two graphs, but with everything that a step computes from memory and constants alone
    moved into the encoder, which runs once per sentence. A step reads it as further parts of the
    memory."""
    step = onnx.shape_inference.infer_shapes(step)
    parts = _partition(step.graph)
    read = {name for node in parts.each for name in node.input}
    values = {value.name: value for value in [*step.graph.value_info, *step.graph.input]}
    handed_over = {  # each once, though several tensors of the step may be the same in the encoder
        ours: _renamed_value(values[name], ours)
        for name, ours in parts.names.items()
        if name in read
    }
    return (
        _with_more_nodes(encoder, step.graph, parts, handed_over.values()),
        _with_fewer_nodes(step, parts, handed_over.values()),
    )


def _partition(step: onnx.GraphProto) -> _Partition:
    constants = {constant.name for constant in step.initializer}
    values = {value.name: value for value in step.value_info}
    names = {value.name: value.name for value in step.input if value.name.startswith("memory_")}
    once, each = [], []
    for node in step.node:
        inputs = set(node.input)
        of_memory = inputs & names.keys() and inputs <= names.keys() | constants
        if not (of_memory and all(_is_of_sentences(values.get(name)) for name in node.output)):
            each.append(node)
        elif node.op_type == "Identity":
            names[node.output[0]] = names[node.input[0]]
        else:
            once.append(node)
            names |= {name: f"memory_{name}" for name in node.output}
    return _Partition(once, each, names)


def _is_of_sentences(value: onnx.ValueInfoProto | None) -> bool:
    """Whether its first axis is the batch, as in all parts of the memory."""
    if value is None:
        return False
    return [axis.dim_param for axis in value.type.tensor_type.shape.dim][:1] == ["batch"]


def _with_more_nodes(
    encoder: onnx.ModelProto,
    step: onnx.GraphProto,
    parts: _Partition,
    outputs: Iterable[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The encoder with the nodes of a step that are computed once, and the constants they read."""
    read = {name for node in parts.once for name in node.input}
    constants = {
        constant.name: f"memory_{constant.name}"
        for constant in step.initializer
        if constant.name in read
    }
    names = {**parts.names, **constants}
    there = {value.name for value in encoder.graph.output}
    return _rebuilt(
        encoder,
        nodes=[*encoder.graph.node, *(_renamed(node, names) for node in parts.once)],
        inputs=encoder.graph.input,
        outputs=[*encoder.graph.output, *(value for value in outputs if value.name not in there)],
        constants=[
            *encoder.graph.initializer,
            *(
                _renamed_value(constant, constants[constant.name])
                for constant in step.initializer
                if constant.name in constants
            ),
        ],
    )


def _with_fewer_nodes(
    step: onnx.ModelProto, parts: _Partition, inputs: Iterable[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """The step without the nodes that are computed once."""
    nodes = [_renamed(node, parts.names) for node in parts.each]
    read = {name for node in nodes for name in node.input}
    return _rebuilt(
        step,
        nodes=nodes,
        inputs=[*(value for value in step.graph.input if value.name not in parts.names), *inputs],
        outputs=step.graph.output,
        constants=[constant for constant in step.graph.initializer if constant.name in read],
    )


def _rebuilt(
    model: onnx.ModelProto,
    *,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto],
) -> onnx.ModelProto:
    """A model of these parts, with the name and versions of another."""
    return helper.make_model(
        helper.make_graph(nodes, model.graph.name, inputs, outputs, constants),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        producer_name=model.producer_name,
    )


def _renamed(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    """A copy that reads and writes tensors by their new names."""
    new = onnx.NodeProto()
    new.CopyFrom(node)
    new.input[:] = [names.get(name, name) for name in node.input]
    new.output[:] = [names.get(name, name) for name in node.output]
    return new


def _renamed_value(value: Any, name: str) -> Any:
    """A copy of a constant, or of the type of a tensor, under another name."""
    new = type(value)()
    new.CopyFrom(value)
    new.name = name
    return new


# ----------------------------------------------------------------------------------------- the step


def step_graph(model: Seq2Seq) -> onnx.ModelProto:
    """The single-step model, followed by the candidates: of the V log-probabilities of a hypothesis
    only those that a search asks for leave the graph. No id is forbidden here (see
    `nmt.inference.onnx_engine`)."""
    graph = Graph("step")
    function = step_function(model, folds=False)
    part = convert(function.python_function, function.input_signature)
    for value in part.graph.input:
        axes = ["batch", "hypotheses" if value.name.startswith(("ids", "state")) else "source"]
        shape = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        graph.input(
            value.name,
            value.type.tensor_type.elem_type,
            [*axes, *(n or "source" for n in shape[2:])],
        )
    num_candidates = graph.input("num_candidates", TensorProto.INT64, [1])
    named_ids = graph.input("named_ids", TensorProto.INT64, ["batch", "hypotheses", "named"])
    outputs = graph.include(part, {value.name: value.name for value in part.graph.input})
    log_probs_BKV = graph.node("LogSoftmax", outputs.pop("logits"), axis=-1)
    best_BKC, candidates_BKC = best(graph, log_probs_BKV, num_candidates, model.vocabulary_sizes[1])
    found = {
        "log_probs": best_BKC,
        "candidates": graph.node("Cast", candidates_BKC, to=TensorProto.INT32),
        "all_log_probs": log_probs_BKV,
        "named_log_probs": graph.node("GatherElements", log_probs_BKV, named_ids, axis=2),
    }
    return graph.finish({**found, **outputs})


def best(graph: Graph, values_BKV: str, count: str, size: int) -> tuple[str, str]:
    """The `count` largest of `size` values and their positions: what TopK returns, which compares
    one value after the other and, of 12,000, would take a third of a step.

    The values are divided into groups. One pass, which is vectorised, finds the maximum of each
    group. A group that holds one of the C largest values has one of the C largest maxima, so only
    the values of C groups are ranked, in the order of their positions: of equal values, the first
    is taken.
    """
    width = _group_width(size)
    if width == size:
        return tuple(graph.node("TopK", values_BKV, count, num_outputs=2))
    values_BKGW = graph.node("Reshape", values_BKV, graph.constant([0, 0, size // width, width]))
    maxima_BKG = graph.node("ReduceMax", values_BKGW, graph.constant([-1]), keepdims=0)
    chosen = graph.node("Min", count, graph.constant([size // width]))
    _, groups_BKC = graph.node("TopK", maxima_BKG, chosen, num_outputs=2, sorted=0)
    groups_BKC, _ = graph.node("TopK", groups_BKC, chosen, num_outputs=2, largest=0)
    starts_BKC = graph.node("Mul", groups_BKC, graph.constant(width))
    starts_BKC1 = graph.node("Unsqueeze", starts_BKC, graph.constant([3]))
    places_BKCW = graph.node("Add", starts_BKC1, graph.constant(np.arange(width)))
    places_BKN = graph.node("Reshape", places_BKCW, graph.constant([0, 0, -1]))
    values_BKN = graph.node("GatherElements", values_BKV, places_BKN, axis=2)
    best_BKC, order_BKC = graph.node("TopK", values_BKN, count, num_outputs=2)
    return best_BKC, graph.node("GatherElements", places_BKN, order_BKC, axis=2)


def _group_width(size: int) -> int:
    """The divisor of `size` with which `best` ranks fewest values, or `size` itself, one group, if
    none saves half of the work."""
    usual = 6  # candidates, with five hypotheses

    def num_ranked(width: int) -> int:
        return size // width + usual * width

    divisors = [width for width in range(8, 257) if size % width == 0]
    width = min(divisors, key=num_ranked, default=size)
    return width if num_ranked(width) < size / 2 else size
