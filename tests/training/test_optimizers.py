"""The learning rate by hand, and Keras's optimizers as we use them."""

import math
from typing import get_args

import keras
import pytest
import tensorflow as tf

from nmt.config.loader import TrainingConfig
from nmt.training.optimizers import OPTIMIZERS, build_optimizer, learning_rate

# ----------------------------------------------------------------------------------------- schedule


def rates(schedule, steps, warmup=4, total=12):
    config = TrainingConfig(learning_rate=0.8, warmup_steps=warmup, schedule=schedule)
    return [learning_rate(config, step, total) for step in steps]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "inverse_sqrt"])
def test_the_rate_is_warmed_up_linearly(schedule):
    assert rates(schedule, range(4)) == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_a_constant_rate_stays():
    assert rates("constant", [4, 11, 100]) == [0.8, 0.8, 0.8]


def test_the_cosine_goes_to_zero_at_the_end():
    quarter = 0.4 * (1 + math.cos(math.pi / 4))
    assert rates("cosine", [4, 6, 8, 10, 12, 20]) == pytest.approx(
        [0.8, quarter, 0.4, 0.8 - quarter, 0, 0]
    )
    assert rates("cosine", [11])[0] > 0  # the last step still moves


def test_the_inverse_square_root_goes_on_from_the_warm_up():
    assert rates("inverse_sqrt", [3, 15, 63]) == pytest.approx([0.8, 0.4, 0.2])
    assert rates("inverse_sqrt", [0, 3, 99], warmup=0) == pytest.approx([0.8, 0.4, 0.08])


def test_without_a_warm_up_the_first_step_has_the_whole_rate():
    assert rates("constant", [0], warmup=0) == rates("cosine", [0], warmup=0) == [0.8]


def test_a_warm_up_is_no_longer_than_the_training():
    assert rates("cosine", range(3), warmup=100, total=2) == pytest.approx([0.4, 0.8, 0.8])


# --------------------------------------------------------------------------------------- optimizers


def test_the_config_knows_the_same_names():
    assert set(get_args(TrainingConfig.model_fields["optimizer"].annotation)) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_weights_and_shows_all_of_its_state(name):
    variable = keras.Variable([[1.0, -2.0]], name="weight")
    optimizer = build_optimizer(TrainingConfig(optimizer=name), [variable])
    count = len(optimizer.variables)
    optimizer.learning_rate = 0.05
    apply = tf.function(
        lambda gradient: optimizer.apply([gradient], [variable]), jit_compile=True
    )  # as `TrainStep` does
    apply(tf.constant([[1.0, -1.0]]))
    assert variable.numpy()[0, 0] < 1.0 and variable.numpy()[0, 1] > -2.0
    assert len(optimizer.variables) == count >= 2  # the iterations, the rate, and what it carries
