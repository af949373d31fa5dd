"""The decoder: one recurrence, seen as a single step or scanned over a whole target.

B batch  S source  T target  K hypotheses of a sentence  E embedding  H units  D memory width
R readout  V vocabulary
"""

import dataclasses
import functools
import operator
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from nmt.attention import make_score
from nmt.config.loader import ModelConfig
from nmt.linear import Linear, Product, Tensor, linear
from nmt.model.decoder_cells import DECODER_CELLS, DecoderState, Hidden
from nmt.model.encoder import Embedding
from nmt.model.recurrent import CELLS, CellState, CellWeights, scan
from nmt.seeding import derive_seed


class Memory(NamedTuple):
    """What a decoder reads of the source; does not change while a sentence is decoded."""

    keys: Tensor  # bsu, states projected once per sentence
    values: Tensor  # bsd
    mask: Tensor  # bs, true at real positions


class DecoderWeights(NamedTuple):
    """The weights that a step multiplies by, in the precision of the computation: taken once for
    all steps of a loop. None where the model, or the loop, has no use for them."""

    inputs: tuple[CellWeights | None, ...]  # one entry per layer
    states: tuple[CellWeights, ...]
    feed: Any  # Product
    context: Any  # CellWeights of the inputs and of the state of the second transition
    score: dict[str, Any]  # see `Score.loop_weights`
    readout: Any  # Product
    vocabulary: Any  # Product

    @property
    def of_cells(self) -> "DecoderWeights":
        """Those of a loop that attends after it."""
        return DecoderWeights((None, *self.inputs[1:]), self.states, None, None, {}, None, None)


class Decoder(keras.layers.Layer):
    """Attention over the memory, a stack of recurrent layers, a readout and the vocabulary.

    `nmt.model.decoder_cells` says in which order a step attends and updates. Under input feeding
    the last readout enters the first layer, whatever the cell. `embedding` maps ids to vectors;
    with tied embeddings its matrix is the vocabulary layer's too (Press and Wolf, 2017).
    """

    def __init__(
        self,
        config: ModelConfig,
        embedding: Embedding,
        vocabulary_size: int,
        *,
        allow_custom: bool = False,
        seed: int = 0,
        name: str = "decoder",
        **kwargs: Any,
    ):
        # The state of a score may be in float32 where all else is not.
        super().__init__(name=name, autocast=False, **kwargs)
        section = config.decoder
        self.cell = DECODER_CELLS[section.cell]()
        self.units, self.readout_units = section.units, config.readout_units
        self.input_feeding, self.bridge = section.input_feeding, section.bridge
        self.tied = config.tied_embeddings != "none"
        self.embedding = embedding
        common: dict[str, Any] = {"seed": seed, "dtype": self.dtype_policy}
        cell_class, units, memory_units = CELLS[config.layer], section.units, config.memory_units

        self.cells = [
            cell_class(
                units if index else embedding.units, units, name=f"{name}_cell_{index}", **common
            )
            for index in range(section.num_layers)
        ]
        value_units = memory_units + (embedding.units if section.lexical else 0)
        # What each step feeds the first layer beside the embedding, whose part is computed for all
        # steps at once.
        fed_units = value_units if self.cell.feeds_context else 0
        fed_units += self.readout_units if self.input_feeding else 0
        self.feed_layer: Any = None
        if fed_units:
            gates = self.cells[0].num_gates * units
            self.feed_layer = Linear(
                fed_units, gates, use_bias=False, name=f"{name}_feed", **common
            )
        score_name = re.sub(r"\W", "_", f"{name}_{section.score}")  # a score may be MODULE:CLASS
        self.score = make_score(
            section.score,
            (units, memory_units, section.attention_units or units),
            section.all_score_options,
            allow_custom,
            name=score_name,
            **common,
        )
        self.context_cell: Any = None
        if self.cell.reads_context:
            self.context_cell = cell_class(
                value_units, units, name=f"{name}_context_cell", **common
            )
        features = units + value_units
        features += embedding.units if self.cell.readout_reads_embedding else 0
        self.readout_layer = Linear(features, self.readout_units, name=f"{name}_readout", **common)
        self.bridge_layers = [
            Linear(memory_units, units, name=f"{name}_bridge_{index}_{entry}", **common)
            for index in range(section.num_layers)
            for entry in range(self.cells[0].num_states if self.bridge == "dense" else 0)
        ]
        if not self.tied:
            glorot = keras.initializers.GlorotUniform(seed=derive_seed(seed, name, "vocabulary"))
            self.vocabulary = self.add_weight(
                (vocabulary_size, self.readout_units), initializer=glorot, name="vocabulary"
            )
        self.vocabulary_bias = self.add_weight(
            (vocabulary_size,), initializer="zeros", name="vocabulary_bias"
        )

        def dropout(rate: float, *path: Any) -> keras.layers.Dropout:
            seed_of_path = derive_seed(seed, name, *path)
            return keras.layers.Dropout(rate, seed=seed_of_path, dtype=self.dtype_policy)

        # Between stacked layers one mask serves all steps of a sentence (Gal and Ghahramani, 2016).
        self.layer_dropouts = [
            dropout(config.dropout.layer, "layer", index) for index in range(1, section.num_layers)
        ]
        self.readout_dropout = dropout(config.dropout.readout, "readout")
        self.built = True

    def build_memory(
        self, states_BSD: Tensor, mask_BS: Tensor, embedded_BSE: Tensor | None = None
    ) -> Memory:
        """The keys come from the states; the values are the states and, if given, the embeddings: a
        path from a source word to its translation that skips the recurrence (after Nguyen and
        Chiang, 2018)."""
        values = states_BSD
        if embedded_BSE is not None:
            values = ops.concatenate([states_BSD, embedded_BSE], axis=-1)
        return Memory(self.score.project_keys(states_BSD), values, mask_BS)

    def initial_state(self, final: tuple[CellState, ...], memory: Memory) -> DecoderState:
        """The state of one hypothesis (K = 1) before the first step, by the bridge from the
        encoder's final states."""
        batch = ops.shape(memory.keys)[0]
        hidden = []
        for index, cell in enumerate(self.cells):
            if self.bridge == "zero":
                entries = cell.initial_state(batch)
            elif self.bridge == "last":
                entries = final[min(index, len(final) - 1)]
            else:  # tanh keeps h in the range of a cell's output; c of an LSTM has no such range
                layers = self.bridge_layers[index * cell.num_states : (index + 1) * cell.num_states]
                entries = tuple(
                    layer(entry) for layer, entry in zip(layers, final[-1], strict=True)
                )
                entries = (ops.tanh(entries[0]), *entries[1:])
            hidden.append(tuple(entry[:, None] for entry in entries))
        output = (
            ops.zeros((batch, 1, self.readout_units), self.compute_dtype)
            if self.input_feeding
            else ()
        )
        return DecoderState(tuple(hidden), output, self.score.start(memory.keys, final[-1][0]))

    def step_weights(self) -> DecoderWeights:
        context = None
        if self.context_cell:
            context = self.context_cell.input_weights(), self.context_cell.recurrent_weights()
        matrix, bias = (ops.cast(weight, self.compute_dtype) for weight in self.vocabulary_weights)
        return DecoderWeights(
            inputs=tuple(cell.input_weights() for cell in self.cells),
            states=tuple(cell.recurrent_weights() for cell in self.cells),
            feed=self.feed_layer.product() if self.feed_layer else None,
            context=context,
            score=self.score.loop_weights(),
            readout=self.readout_layer.product(),
            vocabulary=Product(matrix, bias, transposed=True),
        )

    def step(
        self,
        ids_BK: Tensor,
        state: DecoderState,
        memory: Memory,
        weights: DecoderWeights | None = None,
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """One step of K hypotheses per sentence -> logits bkv, weights bks, state. The hypotheses
        are the queries of attention, so they share their sentence's memory and nothing is repeated
        K times."""
        weights = weights or self.step_weights()
        embedded_BKE = self.embedding(ids_BK)
        gates_BKG = self.cells[0].project(embedded_BKE, weights.inputs[0])
        no_masks = self._layer_masks(embedded_BKE, training=False)
        step = _Step(self, memory, no_masks, weights)
        state, context_BKD, weights_BKS = step.transition(embedded_BKE, gates_BKG, state)
        output_BKR = step.output(state, context_BKD, embedded_BKE)
        return weights.vocabulary(output_BKR), weights_BKS, state

    def call(
        self, ids_BT: Tensor, state: DecoderState, memory: Memory, training: bool = False
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """Teacher forcing: `step` scanned over the target -> output btr, which `logits` reads,
        weights bts, last state.

        What depends on the inputs alone or on the outputs alone is computed for all steps at once,
        outside the scan.
        """
        weights = self.step_weights()
        embedded_BTE = self.embedding(ids_BT, training=training)
        gates_BTG = self.cells[0].project(embedded_BTE, weights.inputs[0])
        step = _Step(self, memory, self._layer_masks(embedded_BTE, training), weights)
        if self.cell.context_recurs or self.input_feeding or self.score.carries_state:
            states, context_BTD, weights_BTS = _scan(step, embedded_BTE, gates_BTG, state)
        else:
            states, context_BTD, weights_BTS = _scan_then_attend(step, gates_BTG, state)
        output_BTR = step.output(states, context_BTD, embedded_BTE)
        last = tf.nest.map_structure(lambda entry: entry[:, -1:], states)
        return self.readout_dropout(output_BTR, training=training), weights_BTS, last

    def logits(self, output_BTR: Tensor) -> Tensor:
        """The vocabulary layer: btr -> btv."""
        return linear(output_BTR, *self.vocabulary_weights, transposed=True)

    @property
    def vocabulary_weights(self) -> tuple[Any, Any]:
        """Matrix vr and bias v."""
        return self.embedding.matrix if self.tied else self.vocabulary, self.vocabulary_bias

    def _layer_masks(self, inputs: Tensor, training: bool) -> list[Any]:
        if not training:
            return [None for _ in self.layer_dropouts]
        ones = ops.ones((ops.shape(inputs)[0], 1, self.units), self.compute_dtype)
        return [dropout(ones, training=True) for dropout in self.layer_dropouts]


@dataclasses.dataclass(frozen=True)
class _Step:
    """One step of the recurrence, in the parts that a cell of the decoder puts in order."""

    decoder: Decoder
    memory: Memory
    masks: Sequence[Any]  # of dropout, between the layers
    weights: DecoderWeights

    def transition(
        self, embedded_BKE: Tensor, gates_BKG: Tensor, state: DecoderState
    ) -> tuple[DecoderState, Tensor, Tensor]:
        """-> next state, context bkd, weights bks. Every view of the decoder computes this."""
        new = self.decoder.cell.transition(self, gates_BKG, state)
        output = ()
        if self.decoder.input_feeding:
            output = self._read_out(new.hidden, new.context_BKD, embedded_BKE)
        state = DecoderState(new.hidden, output, new.attention)
        return state, new.context_BKD, new.weights_BKS

    def attend(self, hidden: Hidden, attention: Any) -> tuple[Tensor, Tensor, Any]:
        given = {"weights": self.weights.score} if self.weights.score else {}
        return self.decoder.score.attend(_top(hidden), *self.memory, attention, **given)

    def update(
        self, gates_BKG: Tensor, state: DecoderState, context_BKD: Tensor | None = None
    ) -> Hidden:
        fed = [] if context_BKD is None else [context_BKD]
        fed += [state.output] if self.decoder.input_feeding else []
        if fed:
            gates_BKG = gates_BKG + self.weights.feed(ops.concatenate(fed, axis=-1))
        return self.update_stack(gates_BKG, state.hidden)

    def update_stack(self, gates_BKG: Tensor, hidden: Hidden) -> Hidden:
        """From the second layer on, a layer's inputs are added to its outputs (see `_top`)."""
        first, *others = self.decoder.cells
        new = [first.step(gates_BKG, hidden[0], self.weights.states[0])]
        for index, (cell, mask) in enumerate(zip(others, self.masks, strict=True), 1):
            inputs = _top(new) if mask is None else _top(new) * mask
            gates_BKG = cell.project(inputs, self.weights.inputs[index])
            new.append(cell.step(gates_BKG, hidden[index], self.weights.states[index]))
        return tuple(new)

    def read_context(self, context_BKD: Tensor, hidden: Hidden) -> Hidden:
        cell, (of_inputs, of_state) = self.decoder.context_cell, self.weights.context
        gates_BKG = cell.project(context_BKD, of_inputs)
        return *hidden[:-1], cell.step(gates_BKG, hidden[-1], of_state)

    def output(self, state: DecoderState, context_BKD: Tensor, embedded_BKE: Tensor) -> Tensor:
        """The vector that the vocabulary layer reads; under input feeding the recurrence has
        computed it already."""
        if self.decoder.input_feeding:
            return state.output
        return self._read_out(state.hidden, context_BKD, embedded_BKE)

    def _read_out(self, hidden: Hidden, context_BKD: Tensor, embedded_BKE: Tensor) -> Tensor:
        features = [_top(hidden), context_BKD]
        features += [embedded_BKE] if self.decoder.cell.readout_reads_embedding else []
        return ops.tanh(self.weights.readout(ops.concatenate(features, axis=-1)))


def _scan(
    step: _Step, embedded_BTE: Tensor, gates_BTG: Tensor, state: DecoderState
) -> tuple[DecoderState, Tensor, Tensor]:
    """The step over all T -> states, context btd, weights bts."""

    def transition(carry: Any, inputs_at_t: Any, weights: DecoderWeights) -> Any:
        gates, embedded = inputs_at_t
        step_at_t = dataclasses.replace(step, weights=weights)
        return step_at_t.transition(
            ops.expand_dims(embedded, 1), ops.expand_dims(gates, 1), carry[0]
        )

    start = (
        state,
        ops.zeros_like(step.memory.values[:, :1]),
        ops.zeros_like(step.memory.mask, "float32")[:, None],
    )
    weights = step.weights._replace(
        inputs=step.weights.of_cells.inputs,
        readout=step.weights.readout if step.decoder.input_feeding else None,
        vocabulary=None,
    )
    return _squeeze(scan(transition, (gates_BTG, embedded_BTE), start, weights=weights))


def _scan_then_attend(
    step: _Step, gates_BTG: Tensor, state: DecoderState
) -> tuple[DecoderState, Tensor, Tensor]:
    """The same where nothing that attention returns enters the recurrence: a scan of the cells,
    then attention once, of all queries."""

    def update(hidden: Hidden, gates: Tensor, weights: DecoderWeights) -> Hidden:
        return dataclasses.replace(step, weights=weights).update_stack(
            ops.expand_dims(gates, 1), hidden
        )

    hidden = _squeeze(scan(update, gates_BTG, state.hidden, weights=step.weights.of_cells))
    context_BTD, weights_BTS, attention = step.attend(hidden, state.attention)
    return DecoderState(hidden, (), attention), context_BTD, weights_BTS


def _top(hidden: Sequence[CellState]) -> Tensor:
    """The output of a stack of residual layers: the sum of its layers' outputs."""
    return functools.reduce(operator.add, [entries[0] for entries in hidden])


def _squeeze(states: Any) -> Any:
    """Leaves b, t, 1, ... -> b, t, ...: the T states of one hypothesis look like those of T
    hypotheses."""
    return tf.nest.map_structure(lambda entry: tf.squeeze(entry, 2), states)
