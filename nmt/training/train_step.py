"""One update of the weights, as a graph: loss, gradient, clipping, optimizer, moving average.

B batch  S source  T target  V vocabulary
"""

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nmt.config.loader import TrainingConfig, nearest
from nmt.errors import UserError
from nmt.model.losses import Loss, coverage_loss, vocabulary_loss
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.run_folder import assign
from nmt.training.distributed import Workers
from nmt.training.input_pipeline import TrainingBatch
from nmt.training.optimizers import build_optimizer

logger = logging.getLogger(__name__)


class TrainStep:
    """Updates `model`, and `averaged`, a model whose weights are the moving average."""

    def __init__(self, model: Seq2Seq, averaged: Seq2Seq, config: TrainingConfig, workers: Workers):
        self.model, self.averaged, self.config, self.workers = model, averaged, config, workers
        self.variables: list[keras.Variable] = unfrozen(model.trainable_variables, config.freeze)
        self.optimizer = build_optimizer(config, self.variables)
        # What `keep_initial` keeps: the weights that training starts from.
        self.initial: dict[str, tf.Variable] = {
            variable.path: tf.Variable(variable.value, trainable=False)
            for variable in (averaged.trainable_variables if config.keep_initial else ())
        }
        parts = (
            [*self.variables, *Loss(0.0, 0.0, 0.0, 0.0)] if config.gradient_accumulation > 1 else []
        )
        self._sums = [tf.Variable(tf.zeros_like(part), trainable=False) for part in parts]
        ids, number = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((), tf.float32)
        part = [(ids, ids, tf.TensorSpec((None,), tf.float32))] * workers.num_devices
        self._add = tf.function(self._add_gradient, input_signature=[part], autograph=False)
        self._finish = tf.function(
            self._update, input_signature=[part, number, number], autograph=False
        )
        # One pass over the weights; three times as fast as op by op. Its shapes never change.
        self._assign_compiled = tf.function(self._assign, jit_compile=True, autograph=False)

    def apply(
        self,
        parts: Sequence[list[TrainingBatch]],
        *,
        learning_rate: float,
        decay: float,
        limit: float = math.inf,
    ) -> tuple[Loss, bool]:
        """Returns sums over all parts of the batch, before the update, and whether the weights were
        updated.

        A part has a batch for each device of this process. Weights are not updated if loss or
        gradient is not finite, as NaN would spread to all weights, or if the objective per token is
        above `limit`. `decay` is that of the moving average.
        """
        self.optimizer.learning_rate = learning_rate
        for part in parts[:-1]:
            self._add(part)
        *sums, applied = self._finish(
            parts[-1], *(tf.constant(x, tf.float32) for x in (decay, limit))
        )
        return Loss(*map(float, sums)), bool(applied)

    def loss(self, source_BS: Any, target_BT: Any, weights_B: Any) -> Loss:
        """Training minimises `objective` / `tokens`."""
        target_BT, next_BT = target_BT[:, :-1], target_BT[:, 1:]
        output_BTR, weights_BTS = self.model.outputs(source_BS, target_BT, training=True)
        vocabulary_weights, smoothing = (
            self.model.decoder.vocabulary_weights,
            self.config.label_smoothing,
        )
        sums = vocabulary_loss(output_BTR, *vocabulary_weights, next_BT, smoothing, weights_B)
        if self.config.coverage_loss:
            repeated = self.config.coverage_loss * coverage_loss(weights_BTS, next_BT, weights_B)
            sums = sums._replace(objective=sums.objective + repeated)
        return sums

    def _gradient(self, batch: TrainingBatch) -> list[Any]:
        """The gradient of the objective, not yet divided by the tokens, and the sums of `Loss`."""
        with tf.GradientTape() as tape:
            sums = self.loss(*batch)
        return [*map(tf.convert_to_tensor, tape.gradient(sums.objective, self.variables)), *sums]

    def _add_gradient(self, part: list[TrainingBatch]) -> None:
        for total, value in zip(self._sums, self.workers.add(self._gradient, part), strict=True):
            total.assign_add(value)

    def _update(self, part: list[TrainingBatch], decay: Any, limit: Any) -> Any:
        """Adds the last part of a batch to those before it, and updates the weights.

        The gradient of all workers is whole before it is divided by the tokens of all and clipped.
        The optimizer is called outside of any replica, where it adds up nothing by itself.
        """
        values = self.workers.add(self._gradient, part)
        if self._sums:
            values = [total + value for total, value in zip(self._sums, values, strict=True)]
            for total in self._sums:
                total.assign(tf.zeros_like(total))
        gradients, sums = values[: len(self.variables)], Loss(*values[len(self.variables) :])
        scale = tf.math.divide_no_nan(1.0, sums.tokens)  # all may weigh nothing
        norm = scale * tf.linalg.global_norm(gradients)
        good = tf.math.is_finite(sums.objective)
        good &= sums.objective <= tf.math.multiply_no_nan(limit, sums.tokens)
        good &= tf.math.is_finite(norm)  # a finite loss can have a gradient that is not
        scale *= self.config.clip_norm / tf.maximum(norm, self.config.clip_norm)
        return (
            *sums,
            tf.cond(good, lambda: self._assign_compiled(gradients, scale, decay), lambda: False),
        )

    def _assign(self, gradients: list[Any], scale: Any, decay: Any) -> bool:
        self.optimizer.apply([scale * gradient for gradient in gradients], self.variables)
        for average, variable in zip(
            self.averaged.trainable_variables, self.model.trainable_variables, strict=True
        ):
            # With `keep_initial`, the moving average of a mean: the mean of the moving average.
            if self.initial:
                initial = self.initial[average.path]
                new = variable + self.config.keep_initial * (initial - variable)
            else:
                new = variable
            average.assign(average + (1.0 - decay) * (new - average))
        return True

    @property
    def state(self) -> dict[str, Any]:
        """Name -> variable, for everything that changes: weights, averages, optimizer, random
        states.

        Random states and moments go by their order: Keras numbers the generators of a process, and
        Adafactor gives two moments one name.
        """
        trainable = {id(variable) for variable in self.model.trainable_variables}
        generators = [
            variable for variable in self.model.variables if id(variable) not in trainable
        ]
        return {
            **{f"model/{variable.path}": variable for variable in self.model.trainable_variables},
            **{
                f"average/{variable.path}": variable
                for variable in self.averaged.trainable_variables
            },
            **{
                f"optimizer/{i:03d}": variable
                for i, variable in enumerate(self.optimizer.variables)
            },
            **{f"random/{i:03d}": variable for i, variable in enumerate(generators)},
            **{f"initial/{path}": variable for path, variable in self.initial.items()},
        }

    def restore(self, arrays: Mapping[str, np.ndarray], where: Path) -> None:
        """Assigns what `state` names. Raises UserError, and assigns nothing, if the arrays do not
        fit.

        Where dropout was added or taken away since they were saved, random states begin anew.
        """
        # Random states are the chief's. No two workers must drop the same units: a seed is followed
        # by a counter.
        rank = np.array([self.workers.rank, 0])
        ours = self.state
        theirs = {
            name: array + rank if name.startswith("random/") else array
            for name, array in arrays.items()
        }
        if any(name.startswith("random/") for name in ours.keys() ^ theirs.keys()):
            logger.warning(
                "dropout has other random states than those that were saved: they begin anew"
            )
            for states in (ours, theirs):
                for name in [name for name in states if name.startswith("random/")]:
                    del states[name]
        assign(ours, theirs, where)

    def checksum(self) -> int:
        """CRC-32 of the trained weights."""
        checksum = 0
        for variable in self.model.trainable_variables:
            checksum = zlib.crc32(variable.numpy(), checksum)
        return checksum

    def averaged_weights(self) -> dict[str, np.ndarray]:
        return {variable.path: variable.numpy() for variable in self.averaged.trainable_variables}


def unfrozen(variables: Sequence[Any], freeze: Sequence[str]) -> list[Any]:
    """The variables whose names begin with none of the prefixes `freeze`. Raises UserError for a
    prefix of no name."""
    names = [variable.path for variable in variables]
    for beginning in freeze:
        if not any(name.startswith(beginning) for name in names):
            raise UserError(
                "training.freeze: no weights have a name that begins with"
                f" '{beginning}'{nearest(beginning, names)}. Their names: {', '.join(names)}."
            )
    kept = [variable for variable in variables if not variable.path.startswith(tuple(freeze))]
    if not kept:
        raise UserError(
            "training.freeze: expected weights that are left to train. Received: names of all of"
            " them."
        )
    return kept
