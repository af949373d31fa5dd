"""One update: a gradient that is no number changes nothing."""

import math

import numpy as np
import pytest
import tensorflow as tf

from nmt import update as module
from nmt.config import TrainingConfig
from nmt.update import Update

IDS = np.array([[4, 5, 6, 3], [7, 3, 0, 0]], np.int32)
SHIFTED = np.array([[2, 8, 9, 3], [2, 7, 3, 0]], np.int32)


def values(update):
    return {name: variable.numpy() for name, variable in update.state.items()}


def test_gradients_that_are_no_numbers_change_nothing(tiny_model, monkeypatch):
    """The loss of a step can be finite and its gradient not; an optimizer that took it would never be mended."""

    @tf.custom_gradient
    def bad_gradient(value):
        return value, lambda upstream: upstream * math.nan

    def masked_loss(*arguments):
        sums = good_loss(*arguments)
        return sums._replace(objective=bad_gradient(sums.objective))

    good_loss = module.masked_loss
    monkeypatch.setattr(module, "masked_loss", masked_loss)
    update = Update(tiny_model(), tiny_model(), TrainingConfig())
    before = values(update)
    sums, applied = update.apply(IDS, SHIFTED, learning_rate=0.1, decay=0.5)
    assert not applied and math.isfinite(sums.objective)
    for name, value in values(update).items():
        if value.shape or name.partition("/")[0] != "optimizer":  # the rate and the iterations may be set
            np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_an_update_moves_every_weight_and_its_average_half_way(tiny_model):
    update = Update(tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd", clip_norm=1e9))
    before = values(update)
    sums, applied = update.apply(IDS, SHIFTED, learning_rate=0.1, decay=0.5)
    after = values(update)
    assert applied and sums.tokens == 5
    for variable in update.variables:
        old, new = before[f"model/{variable.path}"], after[f"model/{variable.path}"]
        assert np.any(old != new), variable.path
        np.testing.assert_allclose(after[f"average/{variable.path}"], (old + new) / 2, atol=1e-6)


@pytest.mark.parametrize("norm", [0.5, 0.01])
def test_the_gradient_is_clipped_to_the_norm(norm, tiny_model):
    update = Update(tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd", clip_norm=norm))
    before = [variable.numpy() for variable in update.variables]
    update.apply(IDS, SHIFTED, learning_rate=1.0, decay=0.0)
    moved = [variable.numpy() - old for variable, old in zip(update.variables, before, strict=True)]
    assert math.sqrt(sum(np.sum(np.square(part)) for part in moved)) == pytest.approx(norm, rel=1e-3)


def test_a_loss_above_the_limit_changes_nothing(tiny_model):
    update = Update(tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd"))
    before = values(update)
    loss = update.loss(IDS, SHIFTED)
    usual = float(loss.objective / loss.tokens)
    assert not update.apply(IDS, SHIFTED, learning_rate=1.0, decay=0.5, limit=usual - 0.01)[1]
    for name, value in values(update).items():
        if name.startswith(("model/", "average/")):
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert update.apply(IDS, SHIFTED, learning_rate=1.0, decay=0.5, limit=usual + 0.01)[1]
