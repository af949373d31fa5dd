"""A stack of (bidirectional) GRU or LSTM layers over the embedded source.

B batch  S source  E embedding  D memory width
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nmt.config.schema import EncoderConfig
from nmt.linear import Tensor
from nmt.model.recurrent import CELLS, CellState, CellWeights, scan
from nmt.seeding import derive_seed


class Embedding(keras.layers.Layer):
    """ids bs -> vectors bse. Dropout zeroes single entries, word dropout whole vectors (Sennrich et
    al., 2016).

    `matrix` (ve): the weights of another layer, shared instead of creating new ones.
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

    def call(self, ids: Tensor, training: bool = False) -> Tensor:
        # Scaled to unit variance (Vaswani et al., 2017, 3.4): a size that suits the tied output is
        # too small for an input.
        vectors = ops.cast(tf.gather(self.matrix, ids) * self.units**0.5, self.compute_dtype)
        return self.dropout(self.word_dropout(vectors, training=training), training=training)


class Encoder(keras.layers.Layer):
    """embedded bse, mask bs -> states bsd and, for each layer, its final state (entries bd).

    From the second layer on, a layer's inputs are added to its outputs. `dropout` applies to the
    outputs of every layer.
    """

    def __init__(
        self,
        config: EncoderConfig,
        layer: str,
        input_units: int,
        *,
        dropout: float = 0.0,
        seed: int = 0,
        name: str = "encoder",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        directions = ("forward", "backward") if config.bidirectional else ("forward",)
        width = config.units * len(directions)
        common: dict[str, Any] = {"seed": seed, "dtype": self.dtype_policy}
        self.layers = [
            [
                CELLS[layer](
                    width if index else input_units,
                    config.units,
                    name=f"{name}_{direction}_{index}",
                    **common,
                )
                for direction in directions
            ]
            for index in range(config.num_layers)
        ]
        self.dropouts = [
            keras.layers.Dropout(
                dropout, seed=derive_seed(seed, name, "dropout", index), dtype=self.dtype_policy
            )
            for index in range(config.num_layers)
        ]
        self.built = True

    def call(
        self, embedded_BSE: Tensor, mask_BS: Tensor, training: bool = False
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
    def _run(cell: Any, inputs: Any, mask_BS: Tensor, reverse: bool) -> tuple[CellState, CellState]:
        """All states and the final one, of one cell in one direction. Padding does not change the
        state, so that the forward final state is that of the last real position, and the backward
        pass starts there."""

        def step(state: CellState, inputs_at_t: Any, weights: CellWeights) -> CellState:
            gates, mask = inputs_at_t
            return tuple(
                ops.where(mask, new, old)
                for new, old in zip(cell.step(gates, state, weights), state, strict=True)
            )

        states = scan(
            step,
            (cell.project(inputs), mask_BS[:, :, None]),
            cell.initial_state(ops.shape(inputs)[0]),
            weights=cell.recurrent_weights(),
            reverse=reverse,
        )
        return states, tuple(entry[:, 0 if reverse else -1] for entry in states)
