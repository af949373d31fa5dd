"""The decoder: one recurrence, seen as a single step or scanned over a whole target.

B batch  S source  T target  K hypotheses of a sentence  E embedding  H units  D memory width  R readout  V vocabulary
"""

import functools
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from nmt.attention import make_score
from nmt.linear import Linear, linear, weights_cast_once
from nmt.model.recurrent import CELLS, CellState, scan
from nmt.seeding import derive_seed


class Memory(NamedTuple):
    """What a decoder sees of the source; does not change while a sentence is decoded."""

    keys: Any  # bsu, states projected once per sentence
    values: Any  # bsd
    mask: Any  # bs, true at real positions


class DecoderState(NamedTuple):
    """What changes from step to step; every leaf starts with the axes b, k."""

    hidden: tuple[CellState, ...]  # one entry a layer: (h,) of a GRU, (h, c) of an LSTM
    output: Any  # the vector the vocabulary layer read last, bkr; () without input feeding
    attention: Any  # whatever the score carries


class Decoder(keras.layers.Layer):
    """Attention over the memory, a stack of recurrent layers, a readout and the vocabulary.

    cell `attend_first` (Bahdanau et al., 2015): the last hidden state asks, the context enters the
    recurrent layer, and the readout sees state, context and embedding. cell `update_first` (Luong
    et al., 2015): the recurrent layer moves on, its new state asks, and the readout sees state and
    context. cell `conditional` (Firat and Cho, 2016; Sennrich et al., 2017, "Nematus", eq. 2-4): a
    first transition reads the last word, its state asks, a second one reads the context, and the
    readout sees state, context and embedding. Input feeding hands the last readout to the first
    layer, in all.

    `embedding` maps ids to vectors; with `tied` its matrix is the vocabulary layer's too (Press and
    Wolf, 2017).
    """

    def __init__(
        self,
        embedding: Any,
        vocabulary_size: int,
        memory_units: int,
        *,
        layer: str,
        units: int,
        num_layers: int,
        cell: str,
        score: str,
        attention_units: int,
        input_feeding: bool,
        readout_units: int,
        bridge: str,
        tied: bool,
        score_options: Mapping[str, Any],
        lexical_units: int = 0,
        layer_dropout: float = 0.0,
        readout_dropout: float = 0.0,
        seed: int = 0,
        name: str = "decoder",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.units, self.cell, self.input_feeding, self.bridge, self.tied = (
            units,
            cell,
            input_feeding,
            bridge,
            tied,
        )
        self.readout_units, self.embedding = readout_units, embedding
        common: dict[str, Any] = {"seed": seed, "dtype": self.dtype_policy}
        embedding_units = embedding.units

        # What each step feeds the first layer beside the embedding, whose part is computed for all
        # steps at once.
        value_units = memory_units + lexical_units
        fed_units = (value_units if cell == "attend_first" else 0) + (
            readout_units if input_feeding else 0
        )
        self.cells = [
            CELLS[layer](
                units if index else embedding_units, units, name=f"{name}_cell_{index}", **common
            )
            for index in range(num_layers)
        ]
        gates = self.cells[0].num_gates * units
        self.feed_layer = (
            Linear(fed_units, gates, use_bias=False, name=f"{name}_feed", **common)
            if fed_units
            else None
        )
        score_name = re.sub(
            r"\W", "_", f"{name}_{score}"
        )  # of MODULE:CLASS, too, a layer's name must be made
        widths = (units, memory_units, attention_units)
        self.score = make_score(score, widths, score_options, name=score_name, **common)
        self.context_cell = (
            CELLS[layer](value_units, units, name=f"{name}_context_cell", **common)
            if cell == "conditional"
            else None
        )
        features = units + value_units + (embedding_units if cell != "update_first" else 0)
        self.readout_layer = Linear(features, readout_units, name=f"{name}_readout", **common)
        self.bridge_layers = [
            Linear(memory_units, units, name=f"{name}_bridge_{index}_{entry}", **common)
            for index in range(num_layers)
            for entry in range(self.cells[0].num_states if bridge == "dense" else 0)
        ]
        if not tied:
            glorot = keras.initializers.GlorotUniform(seed=derive_seed(seed, name, "vocabulary"))
            self.vocabulary = self.add_weight(
                (vocabulary_size, readout_units), initializer=glorot, name="vocabulary"
            )
        self.vocabulary_bias = self.add_weight(
            (vocabulary_size,), initializer="zeros", name="vocabulary_bias"
        )

        def dropout(rate: float, *path: Any, **options: Any) -> Any:
            return keras.layers.Dropout(
                rate, seed=derive_seed(seed, name, *path), dtype=self.dtype_policy, **options
            )

        # Between stacked layers one mask serves all steps of a sentence (Gal and Ghahramani, 2016).
        self.layer_dropouts = [
            dropout(layer_dropout, "layer", index) for index in range(1, num_layers)
        ]
        self.readout_dropout = dropout(readout_dropout, "readout")
        self.built = True

    def build_memory(self, states_BSD: Any, mask_BS: Any, embedded_BSE: Any = None) -> Memory:
        """What attention looks at are the states; what it fetches are the states and, if given, the
        embeddings: the way from a source word to its translation past all recurrence (after Nguyen
        and Chiang, 2018)."""
        values = (
            states_BSD
            if embedded_BSE is None
            else ops.concatenate([states_BSD, embedded_BSE], axis=-1)
        )
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

    def step(
        self, ids_BK: Any, state: DecoderState, memory: Memory
    ) -> tuple[Any, Any, DecoderState]:
        """One step of K hypotheses a sentence -> logits bkv, weights bks, state. The hypotheses
        stand on the queries' axis of attention, so they share their sentence's memory and nothing
        is repeated K times."""
        embedded_BKE = self.embedding(ids_BK)
        gates_BKG = self.cells[0].project(embedded_BKE)
        no_masks = self._layer_masks(embedded_BKE, training=False)
        state, context_BKD, weights_BKS = self._transition(
            embedded_BKE, gates_BKG, state, memory, no_masks
        )
        return self.logits(self._output(state, context_BKD, embedded_BKE)), weights_BKS, state

    def call(
        self, ids_BT: Any, state: DecoderState, memory: Memory, training: bool = False
    ) -> tuple[Any, Any, DecoderState]:
        """Teacher forcing: `step` scanned over the target -> output btr, which `logits` reads,
        weights bts, last state.

        What depends on the inputs alone or on the outputs alone is computed for all steps at once,
        outside the scan.
        """
        with weights_cast_once(self):
            return self._teacher_forced(ids_BT, state, memory, training)

    def logits(self, output_BTR: Any) -> Any:
        """The vocabulary layer: btr -> btv."""
        return linear(output_BTR, *self.vocabulary_weights, transposed=True)

    @property
    def vocabulary_weights(self) -> tuple[Any, Any]:
        """Matrix vr and bias v."""
        return self.embedding.matrix if self.tied else self.vocabulary, self.vocabulary_bias

    def _teacher_forced(
        self, ids_BT: Any, state: DecoderState, memory: Memory, training: bool
    ) -> Any:
        embedded_BTE = self.embedding(ids_BT, training=training)
        gates_BTG = self.cells[0].project(embedded_BTE)
        masks = self._layer_masks(embedded_BTE, training)
        if self.cell == "update_first" and not self.input_feeding and not self.score.carries_state:
            # Nothing that attention computes enters the recurrence: run it over T, then attend
            # once.
            def update(hidden: Any, gates: Any) -> Any:
                return self._update(ops.expand_dims(gates, 1), hidden, masks)

            hidden = _squeeze(scan(update, gates_BTG, state.hidden, kernels=self._cell_kernels()))
            context_BTD, weights_BTS, attention = self.score.attend(
                _top(hidden), *memory, state.attention
            )
            states = DecoderState(hidden, (), attention)
        else:

            def transition(carry: Any, inputs_at_t: Any) -> Any:
                gates, embedded = inputs_at_t
                inputs = ops.expand_dims(embedded, 1), ops.expand_dims(gates, 1)
                return self._transition(*inputs, carry[0], memory, masks)

            start = (
                state,
                ops.zeros_like(memory.values[:, :1]),
                ops.zeros_like(memory.mask, "float32")[:, None],
            )
            kernels = [*self._cell_kernels(), *self._transition_kernels()]
            inputs = gates_BTG, embedded_BTE
            states, context_BTD, weights_BTS = _squeeze(
                scan(transition, inputs, start, kernels=kernels)
            )
        output_BTR = self._output(states, context_BTD, embedded_BTE)
        last = tf.nest.map_structure(lambda entry: entry[:, -1:], states)
        return self.readout_dropout(output_BTR, training=training), weights_BTS, last

    def _transition(
        self, embedded_BKE: Any, gates_BKG: Any, state: DecoderState, memory: Memory, masks: Any
    ) -> Any:
        """The recurrence -> next state, context bkd, weights bks. All else in this class is a view
        of it."""
        fed, attention = [], state.attention
        if self.cell == "attend_first":
            context_BKD, weights_BKS, attention = self.score.attend(
                _top(state.hidden), *memory, attention
            )
            fed.append(context_BKD)
        if self.input_feeding:
            fed.append(state.output)
        if self.feed_layer:
            gates_BKG = gates_BKG + self.feed_layer(ops.concatenate(fed, axis=-1))
        hidden = self._update(gates_BKG, state.hidden, masks)
        top = _top(hidden)
        if self.cell != "attend_first":
            context_BKD, weights_BKS, attention = self.score.attend(top, *memory, attention)
        if self.context_cell:
            hidden = (
                *hidden[:-1],
                self.context_cell.step(self.context_cell.project(context_BKD), hidden[-1]),
            )
            top = _top(hidden)
        output = self._readout(top, context_BKD, embedded_BKE) if self.input_feeding else ()
        return DecoderState(hidden, output, attention), context_BKD, weights_BKS

    def _cell_kernels(self) -> list[Any]:
        """What `_update` multiplies by, each once."""
        first, *others = self.cells
        return [
            first.recurrent_kernel,
            *(k for cell in others for k in (cell.kernel, cell.recurrent_kernel)),
        ]

    def _transition_kernels(self) -> list[Any]:
        """What `_transition` multiplies by beside those, each once."""
        kernels = self.score.query_kernels()
        kernels += [self.feed_layer.kernel] if self.feed_layer else []
        kernels += (
            [self.context_cell.kernel, self.context_cell.recurrent_kernel]
            if self.context_cell
            else []
        )
        return kernels + ([self.readout_layer.kernel] if self.input_feeding else [])

    def _update(
        self, gates_BKG: Any, hidden: tuple[CellState, ...], masks: Any
    ) -> tuple[CellState, ...]:
        """One step of the stack; from the second layer on, a layer's inputs are added to its
        outputs (see `_top`)."""
        new = [self.cells[0].step(gates_BKG, hidden[0])]
        for cell, state, mask in zip(self.cells[1:], hidden[1:], masks, strict=True):
            inputs = _top(new) if mask is None else _top(new) * mask
            new.append(cell.step(cell.project(inputs), state))
        return tuple(new)

    def _output(self, state: DecoderState, context_BKD: Any, embedded_BKE: Any) -> Any:
        """The vector that the vocabulary layer reads; under input feeding the recurrence has
        computed it already."""
        return (
            state.output
            if self.input_feeding
            else self._readout(_top(state.hidden), context_BKD, embedded_BKE)
        )

    def _readout(self, hidden_BKH: Any, context_BKD: Any, embedded_BKE: Any) -> Any:
        features = [hidden_BKH, context_BKD] + (
            [embedded_BKE] if self.cell != "update_first" else []
        )
        return ops.tanh(self.readout_layer(ops.concatenate(features, axis=-1)))

    def _layer_masks(self, inputs: Any, training: bool) -> list[Any]:
        if not training:
            return [None for _ in self.layer_dropouts]
        ones = ops.ones((ops.shape(inputs)[0], 1, self.units), self.compute_dtype)
        return [dropout(ones, training=True) for dropout in self.layer_dropouts]


def _top(hidden: Sequence[CellState]) -> Any:
    """What a stack of residual layers hands on: the sum of its layers' outputs."""
    return functools.reduce(operator.add, [entries[0] for entries in hidden])


def _squeeze(states: Any) -> Any:
    """Leaves b, t, 1, ... -> b, t, ...: the T states of one hypothesis look like those of T
    hypotheses."""
    return tf.nest.map_structure(lambda entry: tf.squeeze(entry, 2), states)
