"""A stack of (bidirectional) GRU or LSTM layers over the embedded source.

B batch  S source  E embedding  D memory width
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nmt.linear import weights_cast_once
from nmt.model.recurrent import CELLS, CellState, scan
from nmt.seeding import derive_seed


class Embedding(keras.layers.Layer):
    """ids bs -> vectors bse. Dropout falls on single entries, word dropout on whole vectors
    (Sennrich et al., 2016).

    `matrix` (ve) shares another layer's weights instead of creating some.
    """

    def __init__(
        self,
        vocabulary_size: int,
        units: int,
        *,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        matrix: Any = None,
        seed: int = 0,
        name: str,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.units = units
        normal = keras.initializers.RandomNormal(
            stddev=units**-0.5, seed=derive_seed(seed, name, "matrix")
        )
        self.matrix = (
            matrix
            if matrix is not None
            else self.add_weight((vocabulary_size, units), initializer=normal, name="matrix")
        )
        options = {"seed": derive_seed(seed, name, "dropout"), "dtype": self.dtype_policy}
        self.dropout = keras.layers.Dropout(dropout, **options)
        options["seed"] = derive_seed(seed, name, "word_dropout")
        self.word_dropout = keras.layers.Dropout(
            word_dropout, noise_shape=(None, None, 1), **options
        )
        self.built = True

    def call(self, ids: Any, training: bool = False) -> Any:
        # To unit variance (Vaswani et al., 2017, 3.4): what is right for the tied output is too
        # small for an input.
        vectors = ops.cast(tf.gather(self.matrix, ids) * self.units**0.5, self.compute_dtype)
        return self.dropout(self.word_dropout(vectors, training=training), training=training)


class Encoder(keras.layers.Layer):
    """embedded bse, mask bs -> states bsd and, for each layer, its final state (entries bd).

    From the second layer on, a layer's inputs are added to its outputs. `dropout` falls on every
    layer's outputs.
    """

    def __init__(
        self,
        layer: str,
        input_units: int,
        units: int,
        num_layers: int,
        bidirectional: bool,
        *,
        dropout: float = 0.0,
        seed: int = 0,
        name: str = "encoder",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.layers = []
        width = units * (2 if bidirectional else 1)
        for index in range(num_layers):
            cells = []
            for direction in ("forward", "backward")[: 2 if bidirectional else 1]:
                cell_name = f"{name}_{direction}_{index}"
                inputs = width if index else input_units
                cells.append(
                    CELLS[layer](inputs, units, seed=seed, name=cell_name, dtype=self.dtype_policy)
                )
            self.layers.append(cells)
        self.dropouts = [
            keras.layers.Dropout(
                dropout, seed=derive_seed(seed, name, "dropout", index), dtype=self.dtype_policy
            )
            for index in range(num_layers)
        ]
        self.built = True

    def call(
        self, embedded_BSE: Any, mask_BS: Any, training: bool = False
    ) -> tuple[Any, tuple[CellState, ...]]:
        inputs: Any = embedded_BSE
        final = []
        for index, (cells, dropout) in enumerate(zip(self.layers, self.dropouts, strict=True)):
            directions = [
                self._run(cell, inputs, mask_BS, reverse=bool(d)) for d, cell in enumerate(cells)
            ]
            outputs = ops.concatenate([states[0] for states, _ in directions], axis=-1)
            outputs = dropout(outputs + inputs if index else outputs, training=training)
            final.append(
                tuple(
                    ops.concatenate(entries, axis=-1)
                    for entries in zip(*(f for _, f in directions), strict=True)
                )
            )
            inputs = outputs
        return inputs, tuple(final)

    @staticmethod
    def _run(cell: Any, inputs: Any, mask_BS: Any, reverse: bool) -> tuple[CellState, CellState]:
        """All states and the final one, of one cell in one direction. Padding leaves the state as
        it is, so that the forward final state is that of the last real position, and the backward
        pass starts there."""

        def step(state: CellState, inputs_at_t: Any) -> CellState:
            gates, mask = inputs_at_t
            return tuple(
                ops.where(mask, new, old)
                for new, old in zip(cell.step(gates, state), state, strict=True)
            )

        start = cell.initial_state(ops.shape(inputs)[0])
        with weights_cast_once(cell):
            gates = cell.project(inputs)
            states = scan(
                step,
                (gates, mask_BS[:, :, None]),
                start,
                kernels=[cell.recurrent_kernel],
                reverse=reverse,
            )
        return states, tuple(entry[:, 0 if reverse else -1] for entry in states)
