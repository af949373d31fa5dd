"""Optimizers by name, and the learning rate of each step."""

import math

import keras

from nmt.config.loader import TrainingConfig

OPTIMIZERS = {
    "adadelta": keras.optimizers.Adadelta,
    "adafactor": keras.optimizers.Adafactor,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
    "ftrl": keras.optimizers.Ftrl,
    "lamb": keras.optimizers.Lamb,
    "lion": keras.optimizers.Lion,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def build_optimizer(
    config: TrainingConfig, variables: list[keras.Variable]
) -> keras.optimizers.Optimizer:
    optimizer = OPTIMIZERS[config.optimizer](config.learning_rate)
    optimizer.build(variables)
    return optimizer


def learning_rate(
    config: TrainingConfig, step: int, total_steps: int, reductions: int = 0
) -> float:
    """The rate of a step, from 0: a linear warm-up, then the schedule.

    cosine: to 0 at `total_steps` (Loshchilov and Hutter, 2017); inverse_sqrt: rate * sqrt(warmup /
    step); plateau: times `plateau_factor` for each of the `reductions`.
    """
    warmup = min(config.warmup_steps, total_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "cosine":
        share = (step - warmup) / max(1, total_steps - warmup)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
    if config.schedule == "inverse_sqrt":
        return config.learning_rate * math.sqrt(max(1, warmup) / (step + 1))
    if config.schedule == "plateau":
        return config.learning_rate * config.plateau_factor**reductions
    return config.learning_rate
