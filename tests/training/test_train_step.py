"""One update: a gradient that is no number changes nothing."""

import math

import numpy as np
import pytest
import tensorflow as tf

from nmt.config.loader import TrainingConfig
from nmt.errors import UserError
from nmt.training import train_step as module
from nmt.training.distributed import Workers
from nmt.training.train_step import TrainStep

IDS = np.array([[4, 5, 6, 3], [7, 3, 0, 0]], np.int32)
SHIFTED = np.array([[2, 8, 9, 3], [2, 7, 3, 0]], np.int32)
BATCH = (IDS, SHIFTED, np.ones(2, np.float32))


@pytest.fixture(autouse=True)
def eagerly():
    """Compiling takes seconds each time; one test, and those of training, show that the graph does
    the same."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def values(update):
    return {name: variable.numpy() for name, variable in update.state.items()}


def test_gradients_that_are_no_numbers_change_nothing(tiny_model, monkeypatch):
    """The loss of a step can be finite and its gradient not; an optimizer that took it would never
    be mended."""

    @tf.custom_gradient
    def bad_gradient(value):
        return value, lambda upstream: upstream * math.nan

    def vocabulary_loss(*arguments):
        sums = good_loss(*arguments)
        return sums._replace(objective=bad_gradient(sums.objective))

    good_loss = module.vocabulary_loss
    monkeypatch.setattr(module, "vocabulary_loss", vocabulary_loss)
    update = TrainStep(tiny_model(), tiny_model(), TrainingConfig(), Workers())
    before = values(update)
    sums, applied = update.apply([[BATCH]], learning_rate=0.1, decay=0.5)
    assert not applied and math.isfinite(sums.objective)
    for name, value in values(update).items():
        if (
            value.shape or name.partition("/")[0] != "optimizer"
        ):  # the rate and the iterations may be set
            np.testing.assert_array_equal(value, before[name], err_msg=name)


@pytest.mark.parametrize("how", ["eagerly", "in a graph"])
def test_an_update_moves_every_weight_and_its_average_half_way(how, tiny_model):
    tf.config.run_functions_eagerly(how == "eagerly")
    update = TrainStep(
        tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd", clip_norm=1e9), Workers()
    )
    before = values(update)
    sums, applied = update.apply([[BATCH]], learning_rate=0.1, decay=0.5)
    after = values(update)
    assert applied and sums.tokens == 5
    for variable in update.variables:
        old, new = before[f"model/{variable.path}"], after[f"model/{variable.path}"]
        assert np.any(old != new), variable.path
        np.testing.assert_allclose(after[f"average/{variable.path}"], (old + new) / 2, atol=1e-6)


@pytest.mark.parametrize("norm", [0.5, 0.01])
def test_the_gradient_is_clipped_to_the_norm(norm, tiny_model):
    update = TrainStep(
        tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd", clip_norm=norm), Workers()
    )
    before = [variable.numpy() for variable in update.variables]
    update.apply([[BATCH]], learning_rate=1.0, decay=0.0)
    moved = [variable.numpy() - old for variable, old in zip(update.variables, before, strict=True)]
    assert math.sqrt(sum(np.sum(np.square(part)) for part in moved)) == pytest.approx(
        norm, rel=1e-3
    )


def test_a_loss_above_the_limit_changes_nothing(tiny_model):
    update = TrainStep(tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd"), Workers())
    before = values(update)
    loss = update.loss(*BATCH)
    usual = float(loss.objective / loss.tokens)
    assert not update.apply([[BATCH]], learning_rate=1.0, decay=0.5, limit=usual - 0.01)[1]
    for name, value in values(update).items():
        if name.startswith(("model/", "average/")):
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert update.apply([[BATCH]], learning_rate=1.0, decay=0.5, limit=usual + 0.01)[1]


# -------------------------------------------------------------------------------- parts and weights


def after(tiny_model, *parts, **config):
    """The weights after one step of SGD on these parts, and the reported sums."""
    update = TrainStep(
        tiny_model(), tiny_model(), TrainingConfig(optimizer="sgd", **config), Workers()
    )
    sums, applied = update.apply([[part] for part in parts], learning_rate=1.0, decay=0.5)
    assert applied
    return {
        name: value for name, value in values(update).items() if name.startswith("model/")
    }, sums


def assert_close(ours, theirs, but=()):
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], atol=1e-6, err_msg=name)


def test_a_batch_in_parts_is_the_batch(tiny_model):
    whole, whole_sums = after(tiny_model, BATCH)
    parts = [
        (IDS[:1], SHIFTED[:1], np.ones(1, np.float32)),
        (IDS[1:, :2], SHIFTED[1:, :3], np.ones(1, np.float32)),
    ]
    ours, sums = after(tiny_model, *parts, gradient_accumulation=2)
    assert_close(ours, whole)
    assert sums == pytest.approx(whole_sums, rel=1e-5)


def test_slices_of_parts_are_the_batch(tiny_model):
    """Two parts of two slices each; one slice is empty."""
    whole, whole_sums = after(tiny_model, BATCH)
    workers = Workers(batch_slices=2)
    assert workers.num_devices == 2
    update = TrainStep(
        tiny_model(),
        tiny_model(),
        TrainingConfig(optimizer="sgd", gradient_accumulation=2),
        workers,
    )
    parts = [
        [tuple(x[row] for x in BATCH) for row in (slice(i, i + 1), slice(i, i))] for i in range(2)
    ]
    sums, applied = update.apply(parts, learning_rate=1.0, decay=0.5)
    assert applied and sums == pytest.approx(whole_sums, rel=1e-5)
    assert_close(whole, values(update))


def test_the_parts_of_one_batch_are_forgotten_in_the_next(tiny_model):
    update = TrainStep(
        tiny_model(), tiny_model(), TrainingConfig(gradient_accumulation=2), Workers()
    )
    for _ in range(2):
        sums, _ = update.apply([[BATCH], [BATCH]], learning_rate=0.0, decay=0.5)
        assert sums.tokens == 10
    assert (
        update.apply([[BATCH]], learning_rate=0.0, decay=0.5)[0].tokens == 5
    )  # the last one of an epoch may be short


def test_a_weight_of_two_counts_as_if_the_sentence_stood_there_twice(tiny_model):
    ours, sums = after(tiny_model, (IDS, SHIFTED, np.array([2.0, 1.0], np.float32)))
    twice = [0, 0, 1]
    theirs, their_sums = after(tiny_model, (IDS[twice], SHIFTED[twice], np.ones(3, np.float32)))
    assert_close(ours, theirs)
    assert sums == pytest.approx(their_sums, rel=1e-5)


def test_what_weighs_nothing_changes_nothing(tiny_model):
    before = values(TrainStep(tiny_model(), tiny_model(), TrainingConfig(), Workers()))
    ours, sums = after(tiny_model, (IDS, SHIFTED, np.zeros(2, np.float32)))
    assert sums == (0.0, 0.0, 0.0, 0.0)
    assert_close(ours, before)


# ------------------------------------------------------------------------------------- frozen parts


def test_frozen_weights_stay_and_all_others_move(tiny_model):
    model = tiny_model()
    before = values(TrainStep(model, tiny_model(), TrainingConfig(), Workers()))
    ours, _ = after(tiny_model, BATCH, freeze=["encoder", "target_embedding/matrix"])
    moved = {
        name.removeprefix("model/") for name, value in ours.items() if np.any(value != before[name])
    }
    frozen = ("encoder", "target_embedding/matrix")
    assert moved == {v.path for v in model.trainable_variables if not v.path.startswith(frozen)}


def test_a_name_that_is_none_is_refused_with_the_nearest(tiny_model):
    with pytest.raises(
        UserError,
        match=(
            r"no weights .* begins with 'decodr_readout/bias'. Did you mean 'decoder_readout/bias'"
        ),
    ):
        TrainStep(
            tiny_model(), tiny_model(), TrainingConfig(freeze=["decodr_readout/bias"]), Workers()
        )


def test_freezing_everything_is_refused(tiny_model):
    with pytest.raises(UserError, match="left to train"):
        TrainStep(
            tiny_model(),
            tiny_model(),
            TrainingConfig(freeze=["source", "target", "encoder", "decoder"]),
            Workers(),
        )


@pytest.mark.parametrize("attention", ["attend_first/coverage", "update_first/general"])
def test_the_coverage_loss_is_minimised_with_the_rest(attention, tiny_model):
    def objective(factor):
        update = TrainStep(
            tiny_model(attention=attention),
            tiny_model(),
            TrainingConfig(coverage_loss=factor),
            Workers(),
        )
        return float(update.loss(*map(tf.constant, BATCH)).objective)

    plain, once, twice = map(objective, (0.0, 1.0, 2.0))
    assert once > plain + 0.1
    assert twice - once == pytest.approx(once - plain, rel=1e-4)
