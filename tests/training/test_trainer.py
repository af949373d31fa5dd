"""The loop: what is computed and when, and what goes wrong. Resuming: test_resume.

Compiling a step takes seconds at eight units, too. So only numbers are tested on real steps; when
something happens is tested on `instant` ones, which learn nothing.
"""

import errno
import json
import logging
import math
import os
import re
import sys

import numpy as np
import pytest
import tensorflow as tf
from fixtures.package import packaged_run
from fixtures.run import (
    history,
    interrupt,
    last_checkpoint,
    last_state,
    steps_of,
    toy_pairs,
    trained_run,
    write_pairs,
)
from fixtures.train import SUMS

from nmt.config.loader import parse_config
from nmt.errors import UserError
from nmt.evaluation.metrics import bleu
from nmt.inference.translator import Translator
from nmt.runs.package import Package
from nmt.runs.run_folder import Run, load_arrays
from nmt.training import trainer as module
from nmt.training.distributed import Workers
from nmt.training.optimizers import learning_rate
from nmt.training.setup import prepare
from nmt.training.train_step import TrainStep
from nmt.training.trainer import Trainer, train
from nmt.training.validation import Validation

pytest_plugins = ["fixtures.train"]


@pytest.mark.parametrize("config", ["quickstart", {"data": {}}])
def test_what_is_no_config_is_refused(config, tmp_path):
    with pytest.raises(TypeError, match=r"config must be a Config, such as load_config\(recipe\)"):
        train(config, tmp_path)


def test_every_update_takes_the_rate_of_its_step(small, tmp_path, instant, monkeypatch):
    taken = []
    monkeypatch.setattr(
        TrainStep,
        "apply",
        lambda *_, learning_rate, **__: (taken.append(learning_rate), SUMS, True)[1:],
    )
    config = small(max_steps=6, warmup_steps=2)
    run = train(config, tmp_path / "run").path
    assert taken == pytest.approx([learning_rate(config.training, step, 6) for step in range(6)])
    assert [float(row["learning_rate"]) for row in history(run)] == pytest.approx(
        [taken[4], taken[5]]
    )


# ------------------------------------------------------------------------------- when things happen


@pytest.mark.parametrize(
    "steps, every, expected", [(None, None, [3, 6, 9, 12]), (7, 2, [2, 4, 6, 7]), (2, None, [2])]
)
def test_evaluations_come_when_they_are_due_and_at_the_end(
    steps, every, expected, small, tmp_path, instant
):
    run = train(small(max_steps=steps, evaluate_every=every), tmp_path / "run").path
    assert steps_of(run) == expected
    assert [int(row["epoch"]) for row in history(run)] == [math.ceil(step / 3) for step in expected]


def test_the_best_weights_are_those_of_the_best_evaluation(
    small, tmp_path, instant, before_each_step
):
    instant([10.0, 30.0, 30.0, 20.0])
    before_each_step(
        lambda trainer, *_: trainer.train_step.averaged.trainable_variables[0].assign_add(
            tf.ones_like(trainer.train_step.averaged.trainable_variables[0])
        )
    )
    run = train(small(evaluate_every=None), tmp_path / "run").path
    arrays, facts = load_arrays(run / "best.npz")
    assert facts["step"] == 6 and facts["dev_bleu"] == 30.0
    start = Run.open(run).build_model().trainable_variables[0]
    np.testing.assert_allclose(arrays[start.path], start.numpy() + 6.0, atol=1e-5)
    facts = last_state(run)[1]
    assert facts["best_bleu"] == 30.0 and facts["evaluations_since_best"] == 2


def test_training_stops_when_it_has_run_out_of_patience(small, tmp_path, instant):
    instant([10.0, 30.0, 29.0, 30.0])
    config = small(epochs=9, evaluate_every=None, early_stopping_patience=2)
    run = train(config, tmp_path / "run").path
    assert [float(row["dev_bleu"]) for row in history(run)] == [10.0, 30.0, 29.0, 30.0]
    train(config, run)  # asked again, it stays stopped
    assert steps_of(run) == [3, 6, 9, 12]


def test_a_score_of_zero_is_kept_too(small, tmp_path, instant):
    instant([0.0])
    run = train(small(max_steps=1), tmp_path / "run").path
    assert load_arrays(run / "best.npz")[1]["dev_bleu"] == 0.0


@pytest.mark.parametrize("batch_size", [60, 150])
def test_batches_may_be_counted_in_target_tokens(
    batch_size, small, tmp_path, instant, before_each_step
):
    shapes = []
    before_each_step(lambda trainer, source, target: shapes.append(target.shape))
    config = small(batch_unit="target_tokens", batch_size=batch_size, epochs=2, evaluate_every=None)
    run = train(config, tmp_path / "run").path
    assert max(sentences * (length - 1) for sentences, length in shapes) <= batch_size
    assert len({sentences for sentences, _ in shapes}) > 1
    assert last_state(run)[1]["step"] == len(shapes) == steps_of(run)[-1]


def test_every_epoch_is_whole_however_batches_are_counted(
    small, tmp_path, instant, before_each_step, monkeypatch
):
    monkeypatch.setattr(
        "nmt.training.input_pipeline.BATCHES_AT_ONCE", 2
    )  # so that epochs differ in their number of batches
    seen = []
    before_each_step(lambda trainer, source, target: seen.extend(source.numpy().tolist()))
    config = small(batch_unit="target_tokens", batch_size=60, epochs=5, evaluate_every=None)
    corpus = prepare(config, tmp_path / "run").corpus
    train(config, tmp_path / "run")
    assert len(seen) == 5 * len(corpus)


# --------------------------------------------------------------------------------- what is computed


@pytest.fixture(scope="module")
def observed(small, tmp_path_factory):
    """A trainer after 7 steps, and what it did: the weights before and after each, their average at
    the end, and the sums of each."""
    trainer = Trainer(
        prepare(small(max_steps=7), tmp_path_factory.mktemp("runs") / "observed"), Workers()
    )
    update = trainer.train_step
    weights, sums = [update.variables[1].numpy()], []

    def noting(parts, **numbers):
        result = apply(parts, **numbers)
        sums.append(result[0])
        weights.append(update.variables[1].numpy())
        return result

    apply, update.apply = update.apply, noting
    trainer.run_to_end()
    del update.apply
    average = update.averaged.trainable_variables[1]
    assert average.path == update.variables[1].path
    return trainer, weights, average.numpy(), np.array(sums, np.float64)


def test_the_average_is_that_of_the_formula(observed):
    """average <- average + (1 - decay) (weights - average), where decay = min(0.5, (1 + step) / (10
    + step))."""
    _, weights, reported, _ = observed
    average = weights[0].astype(np.float64)
    for step, new in enumerate(weights[1:]):
        average += (1 - min(0.5, (1 + step) / (10 + step))) * (new - average)
    np.testing.assert_allclose(reported, average, atol=1e-6)
    assert not np.allclose(reported, weights[-1], atol=1e-4)


def test_reported_losses_are_means_over_tokens_since_the_last_evaluation(observed):
    trainer, *_, sums = observed
    for row, part in zip(trainer.progress.history, (sums[:5], sums[5:]), strict=True):
        objective, cross_entropy, correct, tokens = part.sum(axis=0)[:4]
        assert row["train_objective"] == pytest.approx(objective / tokens, abs=1e-4)
        assert row["train_loss"] == pytest.approx(cross_entropy / tokens, abs=1e-4)
        assert row["train_accuracy"] == pytest.approx(correct / tokens, abs=1e-4)
    assert (
        trainer.pipeline.corpus.target.lengths.sum() + 48 == sums[:3, 3].sum()
    )  # an epoch's tokens, each with its </s>


def test_without_averaging_the_trained_weights_themselves_are_evaluated(observed):
    trainer, *_ = observed
    update = trainer.train_step
    update.apply(
        next(trainer.pipeline.batches(0)), learning_rate=0.01, decay=0.0
    )  # the decay of `ema_decay: 0`, at any step
    for average, variable in zip(
        update.averaged.trainable_variables, update.variables, strict=True
    ):
        np.testing.assert_allclose(average.numpy(), variable.numpy(), atol=1e-6)


def test_an_average_decay_of_zero_is_taken_from_the_first_step_on(
    small, tmp_path, monkeypatch, instant
):
    decays = []
    monkeypatch.setattr(
        TrainStep, "apply", lambda *_, decay, **__: (decays.append(decay), SUMS, True)[1:]
    )
    train(small(ema_decay=0.0, max_steps=3), tmp_path / "run")
    assert decays == [0.0, 0.0, 0.0]


def test_bfloat16_trains_and_is_kept_in_float32(small, tmp_path):
    run = train(small(precision="bfloat16", evaluate_every=6), tmp_path / "run").path
    assert json.loads((run / "run.json").read_text())["precision"] == "bfloat16"
    assert {array.dtype for array in load_arrays(run / "best.npz")[0].values()} == {
        np.dtype("float32")
    }
    rows = history(run)
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])


def test_the_reported_score_is_that_of_the_weights_that_are_kept():
    """The last link: history, best.npz, a fresh translator and sacreBLEU say the same number."""
    run = Run.open(trained_run())
    sources, references = zip(*prepare(run.config, run.path).dev, strict=True)
    hypotheses = [
        translation.text for translation in Translator.load(run).translate(sources, beam_size=1)
    ]
    best = max(float(row["dev_bleu"]) for row in history(run.path))
    assert best > 5
    assert bleu(hypotheses, [references]) == pytest.approx(best, abs=0.005)


# -------------------------------------------------------------- parts, budgets, other runs' weights


def test_batches_of_several_parts_are_fewer_steps(small, tmp_path, monkeypatch, instant):
    sizes = []
    monkeypatch.setattr(
        TrainStep,
        "apply",
        lambda self, parts, **_: (
            sizes.append([len(weights) for ((*_, weights),) in parts]),
            SUMS,
            True,
        )[1:],
    )
    run = train(small(gradient_accumulation=2, evaluate_every=None), tmp_path / "run").path
    assert sizes == [[16, 16], [16]] * 4
    assert steps_of(run) == [2, 4, 6, 8]


@pytest.mark.parametrize(("compiling", "budget", "steps"), [(0.0, 11, 30), (0.5, 14, 29)])
def test_a_budget_becomes_a_number_of_steps_once(
    compiling, budget, steps, small, tmp_path, monkeypatch, instant
):
    """0.1 s a step and 1 s an evaluation after each 5 of them, which is 0.3 s a step; but for the
    last one. To compile for another size of batch, of which there are three, takes `compiling`
    seconds."""
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def apply(self, parts, *, learning_rate, **_):
        clock[0] += 0.1 + (0.0 if parts[0][0][1].shape in shapes else compiling)
        shapes.add(parts[0][0][1].shape)
        rates.append(learning_rate)
        return SUMS, True

    rates, shapes = [], set()
    monkeypatch.setattr(TrainStep, "apply", apply)
    monkeypatch.setattr(Validation, "seconds", lambda self: 1.0)
    config = small(budget=f"{budget}s", schedule="cosine", epochs=1)
    interrupt(monkeypatch, config, tmp_path / "run", 2)
    measured = 2 * 3  # an epoch has no more batches; each is measured when all is compiled, too
    spent = 0.1 * measured + 3 * compiling
    assert steps == int((0.97 * budget - 1.0 - spent - 3 * compiling) / 0.3)
    assert last_state(tmp_path / "run")[1]["budgeted_steps"] == steps
    clock[0] += 1000.0  # the plan is followed, and not made again
    train(config, tmp_path / "run")
    assert last_state(tmp_path / "run")[1]["step"] == steps
    assert len(rates) == measured + steps and rates[-1] < 0.02 * 0.02  # annealed


def test_a_budget_that_is_too_small_is_refused(small, tmp_path, monkeypatch, instant):
    monkeypatch.setattr(Validation, "seconds", lambda self: 10.0)
    for _ in range(2):  # the same command again does not train without a plan
        with pytest.raises(
            UserError, match=r"10s is not enough: preparing takes .* Give 1\ds at the least"
        ):
            train(small(budget="10s"), tmp_path / "run")


def test_a_changed_budget_is_planned_anew_and_without_one_the_epochs_count(
    small, tmp_path, monkeypatch, instant
):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def apply(self, parts, **_):
        clock[0] += 1.0
        return SUMS, True

    monkeypatch.setattr(TrainStep, "apply", apply)
    monkeypatch.setattr(Validation, "seconds", lambda self: 0.0)
    # 12 steps are measured twice; an epoch has three.
    train(small(budget="20s"), tmp_path / "run")
    assert last_state(tmp_path / "run")[1]["step"] == int(0.97 * 20 - 6)
    train(small(budget="60s"), tmp_path / "run", accept_changes=True)
    facts = last_state(tmp_path / "run")[1]
    assert facts["step"] == facts["budgeted_steps"] and facts["budget"] == "60s"
    assert 0.97 * 60 - 6 - 6 - 3 <= facts["step"] <= 0.97 * 60 - 6
    train(small(epochs=30), tmp_path / "run", accept_changes=True)
    assert last_state(tmp_path / "run")[1]["step"] == 30 * 3


def test_a_run_that_is_told_to_have_ended_is_evaluated_as_it_is(
    small, tmp_path, monkeypatch, instant
):
    interrupt(monkeypatch, small(), tmp_path / "run", 3)
    run = train(small(max_steps=2), tmp_path / "run", accept_changes=True).path
    assert steps_of(run) == [3] and (run / "best.npz").exists()


def test_on_another_dev_set_the_best_is_sought_anew(small, data, tmp_path, monkeypatch, instant):
    instant([50.0, 30.0, 20.0])
    interrupt(monkeypatch, small(), tmp_path / "run", 7)
    config = small()
    dev = write_pairs(tmp_path / "dev", toy_pairs(4, seed=9))
    config = config.model_copy(update={"data": config.data.model_copy(update={"dev": dev})})
    run = train(config, tmp_path / "run", accept_changes=True).path
    assert load_arrays(run / "best.npz")[1]["dev_bleu"] == 30.0
    assert last_state(run)[1]["best_bleu"] == 30.0


def test_a_finished_run_is_evaluated_on_another_dev_set(
    small, data, tmp_path, monkeypatch, instant
):
    instant([50.0, 30.0])
    run = train(small(max_steps=2), tmp_path / "run").path
    config = small(max_steps=2)
    dev = write_pairs(tmp_path / "dev", toy_pairs(4, seed=9))
    config = config.model_copy(update={"data": config.data.model_copy(update={"dev": dev})})
    for _ in range(2):
        train(config, run, accept_changes=True)
        assert steps_of(run) == [2, 2]
        assert load_arrays(run / "best.npz")[1]["dev_bleu"] == 30.0


def test_measuring_for_a_budget_leaves_no_trace(small, tmp_path):
    config = small(budget="1h", warmup_steps=0)
    trainer = Trainer(prepare(config, tmp_path / "run"), Workers())
    before = {name: variable.numpy() for name, variable in trainer.train_step.state.items()}
    trainer._begin()
    trainer._plan_budget()
    assert trainer.progress.budgeted_steps > 100
    for name, variable in trainer.train_step.state.items():
        np.testing.assert_array_equal(variable.numpy(), before[name], err_msg=name)


def test_fine_tuning_begins_with_the_weights_of_the_other_run(small, tmp_path):
    parent = Run.open(trained_run())
    values = parent.config.model_dump()
    values["training"] |= {
        "init_from": str(parent.path),
        "learning_rate": 1e-9,
        "max_steps": 1,
        "warmup_steps": 0,
    }
    run = train(parse_config(values, "here"), tmp_path / "run").path
    expected, facts = load_arrays(parent.path / "best.npz")
    ours, our_facts = load_arrays(run / "best.npz")
    for name, array in expected.items():
        np.testing.assert_allclose(ours[name], array, atol=1e-6)
    assert our_facts["dev_bleu"] == facts["dev_bleu"]


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_what_fine_tuning_keeps_is_a_mean_with_the_initial_weights(tmp_path, ema_decay):
    """`keep_initial` 0.25: a quarter of the start and three of what is kept without it."""
    parent = Run.open(trained_run())

    def weights(name, keep_initial):
        values = parent.config.model_dump()
        values["training"] |= {
            "init_from": str(parent.path),
            "keep_initial": keep_initial,
            "ema_decay": ema_decay,
            "max_steps": 3,
            "warmup_steps": 0,
        }
        return load_arrays(train(parse_config(values, "here"), tmp_path / name).path / "best.npz")[
            0
        ]

    initial, _ = load_arrays(parent.path / "best.npz")
    tuned, kept = weights("tuned", 0.0), weights("kept", 0.25)
    assert max(np.abs(tuned[name] - initial[name]).max() for name in tuned) > 1e-3
    for name, array in kept.items():
        expected = 0.25 * initial[name] + 0.75 * tuned[name]
        np.testing.assert_allclose(array, expected, atol=1e-6, err_msg=name)


def test_fine_tuning_begins_with_the_weights_of_a_package(tmp_path):
    path = packaged_run()
    values = Run.open(trained_run()).config.model_dump()
    values["training"] |= {
        "init_from": str(path),
        "learning_rate": 1e-9,
        "max_steps": 1,
        "warmup_steps": 0,
    }
    run = train(parse_config(values, "here"), tmp_path / "run").path
    ours, _ = load_arrays(run / "best.npz")
    for name, array in Package.open(path).weights().items():
        np.testing.assert_allclose(ours[name], array, atol=1e-6)


# ------------------------------------------------------------------------------ what is left behind


def test_the_columns_of_the_history_are_written_for_tensorboard(small, tmp_path, instant):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    instant([10.0, 30.0])
    run = train(small(max_steps=4, evaluate_every=2, tensorboard=True), tmp_path / "run").path
    events = loader.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    values = [
        (event.step, float(tf.make_ndarray(event.tensor_proto)))
        for event in events.Tensors("dev_bleu")
    ]
    assert values == [(2, 10.0), (4, 30.0)]
    assert set(events.Tags()["tensors"]) == set(history(run)[0])


def test_tensorboard_that_is_not_installed_is_said_before_training(
    small, tmp_path, monkeypatch, instant
):
    monkeypatch.setattr(module, "is_installed", lambda package: False)
    with pytest.raises(UserError, match=r"pip install 'nmt-attention\[tensorboard\]'"):
        train(small(tensorboard=True), tmp_path / "run")


def test_the_end_is_summed_up(small, tmp_path, instant, caplog):
    instant([10.0, 30.0, 20.0, 20.0])
    with caplog.at_level(logging.INFO, logger="nmt"):
        train(small(evaluate_every=None), tmp_path / "run")
    assert "trained 12 steps in" in caplog.text
    assert "best dev BLEU 30.00 (greedy) after step 6, epoch 2: its weights are kept" in caplog.text


def test_a_log_without_a_progress_bar_says_each_minute_how_far_training_is(
    small, tmp_path, instant, monkeypatch, caplog
):
    instant([10.0, 30.0, 20.0, 20.0])
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, logger="nmt"):
        run = train(small(evaluate_every=None), tmp_path / "run").path
    # 2 nats over 2 tokens a step
    lines = re.findall(
        r"step (\d+) of 12: loss 1\.000, [\d,]+ tokens/s, \d\d:\d\d left", caplog.text
    )
    assert lines == [str(step) for step in range(1, 13)]
    assert "step 12 of 12: loss 1.000" in (run / "train.log").read_text("utf-8")


def test_a_missing_matplotlib_costs_the_curve_and_nothing_else(
    small, tmp_path, monkeypatch, caplog, instant
):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level(logging.INFO, logger="nmt"):
        run = train(small(max_steps=4, evaluate_every=2), tmp_path / "run").path
    assert "no learning curve" in caplog.text and not (run / "curve.png").exists()
    assert steps_of(run) == [2, 4]


def test_a_curve_that_cannot_be_written_costs_nothing_else(small, tmp_path, monkeypatch, instant):
    def plot_history(history, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(module, "plot_history", plot_history)
    assert steps_of(train(small(), tmp_path / "run").path) == [5, 10, 12]


# ---------------------------------------------------------------------------------- what goes wrong


@pytest.fixture
def losses(monkeypatch, instant):
    """losses(f): the step that has been done n times before has the loss f(n); above the limit it
    is not applied."""

    def losses(function):
        rates = []

        def apply(self, parts, *, learning_rate, decay, limit):
            loss = function(len(rates))
            rates.append(learning_rate)
            return SUMS._replace(objective=2.0 * loss), loss <= limit  # NaN is not

        monkeypatch.setattr(TrainStep, "apply", apply)
        return rates

    return losses


def test_a_loss_that_is_no_number_is_skipped_and_said(small, tmp_path, losses, caplog):
    losses(lambda n: math.nan if n == 7 else 1.0)
    run = train(small(), tmp_path / "run").path
    assert "step 8: loss nan a token (usually 1)" in caplog.text and "skipped" in caplog.text
    assert [float(row["train_objective"]) for row in history(run)] == [1.0, 1.0, 1.0]
    assert last_state(run)[1]["step"] == 12


def test_a_loss_that_explodes_goes_back_to_the_last_state_with_half_the_rate(
    small, tmp_path, losses, caplog
):
    """Steps 8 to 17 explode; training goes on from the state after step 5, and does 13 more."""
    rates = losses(lambda n: 1000.0 if 7 <= n < 17 else 1.0)
    config = small(epochs=6, schedule="constant", warmup_steps=0)
    run = train(config, tmp_path / "run").path
    assert (
        "training diverged: 10 steps in a row were skipped. Back to step 5, with 0.5 of"
        in caplog.text
    )
    assert rates == [0.02] * 17 + [0.01] * 13
    assert steps_of(run) == [5, 10, 15, 18]
    assert last_state(run)[1]["rollbacks"] == 1
    train(config, run)  # and this is remembered
    assert len(rates) == 30


def test_a_state_after_which_nothing_goes_well_is_set_aside(small, tmp_path, losses):
    losses(lambda n: math.nan if 5 <= n < 25 else 1.0)
    run = train(small(epochs=9), tmp_path / "run").path
    assert [path.name for path in (run / "checkpoints").glob("*.diverged")] == [
        "step-00000005.diverged"
    ]
    assert last_state(run)[1]["rollbacks"] == 2


def test_training_that_diverges_again_and_again_is_given_up(small, tmp_path, losses):
    rates = losses(lambda n: 1.0 if n < 7 else math.nan)
    run = tmp_path / "run"
    with pytest.raises(UserError, match=r"diverged at step .*, for the 4th time, .* learning rate"):
        train(small(epochs=99, schedule="constant", warmup_steps=0), run)
    assert len(rates) == 7 + 4 * 10
    arrays, facts = last_state(run)
    assert facts["skipped_in_a_row"] == 0 and all(
        np.all(np.isfinite(array)) for array in arrays.values()
    )


def test_nothing_is_saved_while_steps_are_being_skipped(small, tmp_path, monkeypatch, losses):
    losses(lambda n: math.nan if 3 <= n < 9 else 1.0)
    assert not interrupt(monkeypatch, small(), tmp_path / "run", 6).saved
    assert last_state(tmp_path / "run")[1]["step"] == 0
    losses(lambda n: 1.0)
    train(small(), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [5, 10, 12]


def test_on_a_plateau_the_rate_is_reduced(small, tmp_path, losses, instant):
    rates = losses(lambda n: 1.0)
    instant([10.0, 10.0, 9.0, 11.0])
    config = small(schedule="plateau", plateau_patience=2, warmup_steps=0, evaluate_every=None)
    train(config, tmp_path / "run")
    assert rates == [0.02] * 9 + [0.01] * 3


@pytest.mark.parametrize("steps", [0, 6])
def test_a_run_that_fails_before_its_first_step_leaves_room_for_the_one_that_mends_it(
    steps, small, tmp_path, monkeypatch, instant
):
    config, run = small(), tmp_path / "run"

    def fail(self, signals=()):
        self.save()
        raise UserError("no")

    if steps:
        interrupt(monkeypatch, config, run, steps)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_to_end", fail)
        with pytest.raises(UserError, match="no"):
            train(config, run)
    other = small(seed=2, freeze=["encoder"])
    if steps:
        with pytest.raises(UserError, match="another config"):
            train(other, run)
    else:
        train(other, run)
        assert Run.open(run).config == other and steps_of(run) == [5, 10, 12]


def test_what_diverges_before_it_was_ever_evaluated_claims_no_best_weights(small, tmp_path, losses):
    losses(lambda n: math.nan)
    with pytest.raises(UserError, match="diverged") as caught:
        train(small(epochs=99, evaluate_every=500), tmp_path / "run")
    assert "best weights" not in str(caught.value) and not Run.exists(tmp_path / "run")


def test_a_log_that_finds_no_room_costs_no_words(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger("nmt"), "propagate", False)
    run = Run(tmp_path, None, None, None)
    with run.log_file():
        (handler,) = logging.getLogger("nmt").handlers

        def full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        handler.flush = full
        logging.getLogger("nmt.training.trainer").warning("hello")
    assert capsys.readouterr().err == ""
    assert "hello" in (tmp_path / "train.log").read_text()


def test_a_full_disk_stops_training_and_spares_the_last_save(small, tmp_path, monkeypatch, instant):
    config, run = small(), tmp_path / "run"
    interrupt(monkeypatch, config, run, 2)
    before = last_checkpoint(run).read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="Free some disk space"):
            train(config, run)
    assert last_checkpoint(run).read_bytes() == before
    train(config, run)
    assert steps_of(run) == [5, 10, 12]
