"""The loop: the schedule by hand, resuming by law, and what a run leaves behind."""

import contextlib
import csv
import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from fixtures_run import tiny_config, toy_data, trained_run

from nmt import train as module
from nmt.config import TrainingConfig
from nmt.errors import UserError
from nmt.evaluate import bleu
from nmt.prepare import prepare
from nmt.run import Run, load_arrays
from nmt.train import Interrupted, Trainer, learning_rate, train
from nmt.translator import Translator

# 48 pairs are 3 batches an epoch: 12 steps. All that has a state: LSTM cells, dropout everywhere, averages.
MODEL = {
    "layer": "lstm",
    "decoder": {"attention": "luong", "input_feeding": True, "num_layers": 2},
    "dropout": dict.fromkeys(["embedding", "layer", "readout", "source_word", "target_word"], 0.1),
}
TRAINING = {"epochs": 4, "evaluate_every": 5}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_data(tmp_path_factory.mktemp("text"), num_pairs=48, num_dev=3)


@pytest.fixture(scope="module")
def small(data):
    def small(model=None, **training):
        return tiny_config(data, model=model or {}, training={**TRAINING, **training})

    return small


@pytest.fixture(scope="module")
def full(data):
    return tiny_config(data, model=MODEL, training=TRAINING)


@pytest.fixture(scope="module")
def uninterrupted(full, tmp_path_factory):
    return train(full, tmp_path_factory.mktemp("runs") / "uninterrupted").path


class After(list):
    """What `run_to_end` asks after each step whether a signal has come: one does after so many steps."""

    def __init__(self, steps):
        super().__init__([signal.SIGINT])
        self.steps = steps

    def __bool__(self):
        self.steps -= 1
        return self.steps < 0


def interrupt(monkeypatch, config, path, steps):
    """Trains a run for so many steps and stops it as Ctrl-C would."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "_signals_noted", lambda: contextlib.nullcontext(After(steps - 1)))
        with pytest.raises(Interrupted, match="SIGINT"):
            train(config, path)


def history(run):
    with open(run / "history.csv", newline="", encoding="utf-8") as stream:
        return [{key: value for key, value in row.items() if key != "minutes"} for row in csv.DictReader(stream)]


def assert_same_run(ours, expected):
    """Every weight, average, optimizer slot and random state bit for bit, and every number ever reported."""
    for name in ("last.npz", "best.npz"):
        arrays, facts = load_arrays(ours / name)
        expected_arrays, expected_facts = load_arrays(expected / name)
        assert arrays.keys() == expected_arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, expected_arrays[key], err_msg=f"{name} {key}", strict=True)
        times = ("seconds", "minutes", "history")
        assert {k: v for k, v in facts.items() if k not in times} == {
            k: v for k, v in expected_facts.items() if k not in times
        }
    assert history(ours) == history(expected)


# ------------------------------------------------------------------------------------------- law 7: as if nothing were


@pytest.mark.parametrize("stops", [(7,), (1, 2, 6)], ids=str)
def test_a_run_that_was_interrupted_and_resumed_is_the_same_run(stops, full, uninterrupted, tmp_path, monkeypatch):
    done = 0
    for stop in stops:
        interrupt(monkeypatch, full, tmp_path / "run", stop)
        done += stop
        assert load_arrays(tmp_path / "run" / "last.npz")[1]["step"] == done
    train(full, tmp_path / "run")
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_run_that_was_killed_goes_on_from_its_last_save(full, uninterrupted, tmp_path, monkeypatch):
    """The steps since the last save are lost, and done again alike. Step 5 was saved, with its evaluation."""

    def killed(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        steps = iter(range(7))
        train_on = Trainer._train_on
        patch.setattr(
            Trainer, "_train_on", lambda *args: train_on(*args) if next(steps, None) is not None else killed()
        )
        with pytest.raises(MemoryError):
            train(full, tmp_path / "run")
    assert load_arrays(tmp_path / "run" / "last.npz")[1]["step"] == 5
    train(full, tmp_path / "run")
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_run_that_was_killed_between_its_two_files_repeats_the_evaluation(full, uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        save = Trainer.save
        patch.setattr(Trainer, "save", lambda self: save(self) if self.progress.step < 10 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(full, tmp_path / "run")
    train(full, tmp_path / "run")
    assert_same_run(tmp_path / "run", uninterrupted)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(small, tmp_path):
    first, second, other = (
        train(small(max_steps=4, seed=seed), tmp_path / name).path for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    )
    assert_same_run(first, second)
    different = history(first)[0]["train_loss"], history(other)[0]["train_loss"]
    assert different[0] != different[1]


def test_training_again_what_is_trained_changes_nothing(full, uninterrupted):
    before = {file.name: file.read_bytes() for file in uninterrupted.iterdir() if file.is_file()}
    train(full, uninterrupted)
    assert {file.name: file.read_bytes() for file in uninterrupted.iterdir() if file.is_file()} == before


def test_the_checkpoint_holds_random_states_optimizer_and_averages(uninterrupted):
    arrays, facts = load_arrays(uninterrupted / "last.npz")
    kinds = [name.partition("/")[0] for name in arrays]
    assert kinds.count("optimizer") > 2 * kinds.count("average")  # two moments a weight, and the iterations
    assert kinds.count("model") > kinds.count("average")  # seeds beside the weights
    assert facts["step"] == 12


def test_a_checkpoint_of_another_model_is_refused(small, tmp_path):
    run = train(small(max_steps=1), tmp_path / "run").path
    other = train(small({"encoder": {"units": 5}}, max_steps=1), tmp_path / "other").path
    (run / "last.npz").write_bytes((other / "last.npz").read_bytes())
    with pytest.raises(UserError, match=r"last\.npz does not fit the config"):
        train(small(max_steps=1), run)


def test_a_damaged_checkpoint_is_reported(small, tmp_path):
    run = train(small(max_steps=1), tmp_path / "run").path
    (run / "last.npz").write_bytes((run / "last.npz").read_bytes()[:-100])
    with pytest.raises(UserError, match=r"last\.npz is damaged"):
        train(small(max_steps=1), run)


# ------------------------------------------------------------------------------------------------------ signals


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_sigterm_saves_and_the_same_command_resumes(small, tmp_path):
    config = small({"encoder": {"units": 9}}, epochs=30, evaluate_every=15)
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(config.to_yaml())
    command = [sys.executable, "-m", "nmt", "train", str(recipe), "--run", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for((run / "last.npz").is_file, process)  # its first evaluation
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, err
    assert out == "" and "Traceback" not in err
    assert err.rstrip().endswith("stopped by SIGTERM; everything is saved. The same command resumes.")
    stopped_at = load_arrays(run / "last.npz")[1]["step"]
    assert 15 <= stopped_at < 90

    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert f"resumed at step {stopped_at} of 90" in process.stderr
    log = (run / "train.log").read_text("utf-8")
    assert f"resumed at step {stopped_at} of 90" in log and "dev BLEU" in log and "SIGTERM" in log
    assert_same_run(run, train(config, tmp_path / "in this process").path)


def test_a_second_signal_stops_at_once():
    with pytest.raises(KeyboardInterrupt), module._signals_noted() as noted:
        os.kill(os.getpid(), signal.SIGINT)
        wait = time.monotonic() + 5
        while not noted and time.monotonic() < wait:
            time.sleep(0.001)
        assert noted == [signal.SIGINT]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_signal_handlers_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with module._signals_noted():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signals_are_left_alone_outside_the_main_thread():
    failures = []

    def use():
        try:
            with module._signals_noted() as noted:
                assert noted == []
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not failures


# ------------------------------------------------------------------------------------------------------ schedule


def rates(schedule, steps, warmup=4, total=12):
    config = TrainingConfig(learning_rate=0.8, warmup_steps=warmup, schedule=schedule)
    return [learning_rate(config, step, total) for step in steps]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "inverse_sqrt"])
def test_the_rate_is_warmed_up_linearly(schedule):
    assert rates(schedule, range(4)) == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_a_constant_rate_stays():
    assert rates("constant", [4, 11, 100]) == [0.8, 0.8, 0.8]


def test_the_cosine_goes_to_zero_at_the_last_step():
    quarter = 0.4 * (1 + math.cos(math.pi / 4))
    assert rates("cosine", [4, 6, 8, 10, 12, 20]) == pytest.approx([0.8, quarter, 0.4, 0.8 - quarter, 0, 0])
    assert rates("cosine", [11])[0] > 0


def test_the_inverse_square_root_goes_on_from_the_warm_up():
    assert rates("inverse_sqrt", [3, 15, 63]) == pytest.approx([0.8, 0.4, 0.2])
    assert rates("inverse_sqrt", [0, 3, 99], warmup=0) == pytest.approx([0.8, 0.4, 0.08])


def test_without_a_warm_up_the_first_step_has_the_whole_rate():
    assert rates("constant", [0], warmup=0) == rates("cosine", [0], warmup=0) == [0.8]


def test_a_warm_up_ends_with_the_training():
    assert rates("cosine", range(3), warmup=100, total=2) == pytest.approx([0.4, 0.8, 0.8])


def test_the_optimizer_takes_the_rate_of_each_step(small, tmp_path, monkeypatch):
    taken = []
    train_on = Trainer._train_on

    def noting(self, *arguments):
        train_on(self, *arguments)
        taken.append(float(self.optimizer.learning_rate))

    monkeypatch.setattr(Trainer, "_train_on", noting)
    config = small(max_steps=6, warmup_steps=2)
    run = train(config, tmp_path / "run").path
    assert taken == pytest.approx([learning_rate(config.training, step, 6) for step in range(6)])
    assert [float(row["learning_rate"]) for row in history(run)] == pytest.approx([taken[4], taken[5]])


# ---------------------------------------------------------------------------------------------- what is evaluated


@pytest.mark.parametrize("steps, every, expected", [(None, None, [3, 6, 9, 12]), (7, 2, [2, 4, 6, 7]), (2, None, [2])])
def test_evaluations_come_when_they_are_due_and_at_the_end(steps, every, expected, small, tmp_path):
    run = train(small(max_steps=steps, evaluate_every=every, epochs=4), tmp_path / "run").path
    assert [int(row["step"]) for row in history(run)] == expected


def test_the_best_weights_are_those_of_the_best_evaluation(small, tmp_path, monkeypatch):
    scores = iter([10.0, 30.0, 30.0, 20.0])
    kept, evaluate = [], Trainer.evaluate

    def noting(self):
        evaluate(self)
        kept.append([variable.numpy() for variable in self.averaged.trainable_variables])

    monkeypatch.setattr(module, "bleu", lambda *_: next(scores))
    monkeypatch.setattr(Trainer, "evaluate", noting)
    run = train(small(evaluate_every=None), tmp_path / "run").path
    arrays, facts = load_arrays(run / "best.npz")
    assert facts["step"] == 6 and facts["dev_bleu"] == 30.0
    for ours, expected in zip(arrays.values(), kept[1], strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert load_arrays(run / "last.npz")[1]["best_bleu"] == 30.0


def test_training_stops_when_it_has_run_out_of_patience(small, tmp_path, monkeypatch):
    scores = iter([10.0, 30.0, 29.0, 30.0, 99.0])
    monkeypatch.setattr(module, "bleu", lambda *_: next(scores))
    config = small(epochs=9, evaluate_every=None, patience=2)
    run = train(config, tmp_path / "run").path
    assert [float(row["dev_bleu"]) for row in history(run)] == [10.0, 30.0, 29.0, 30.0]
    assert train(config, run.parent / "run").path == run  # resumed, it stays stopped
    assert len(history(run)) == 4


def trainer_after(config, path, steps, monkeypatch):
    trainers = []
    start = Trainer.__init__
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "__init__", lambda self, prepared: (start(self, prepared), trainers.append(self))[0])
        train(config.model_copy(update={"training": config.training.model_copy(update={"max_steps": steps})}), path)
    return trainers[0]


def test_without_averaging_the_trained_weights_themselves_are_evaluated(small, tmp_path, monkeypatch):
    trainer = trainer_after(small(average_decay=0.0), tmp_path / "run", 3, monkeypatch)
    for average, variable in zip(trainer.averaged.trainable_variables, trainer.model.trainable_variables, strict=True):
        np.testing.assert_allclose(average.numpy(), variable.numpy(), atol=1e-7)


def test_the_average_is_that_of_the_formula(small, tmp_path, monkeypatch):
    """average <- average + (1 - decay) (weights - average), where decay = min(0.5, (1 + step) / (10 + step))."""
    weights = []
    train_on = Trainer._train_on

    def noting(self, *arguments):
        if not weights:
            weights.append(self.model.trainable_variables[1].numpy())
        train_on(self, *arguments)
        weights.append(self.model.trainable_variables[1].numpy())

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_on", noting)
        trainer = trainer_after(small(average_decay=0.5), tmp_path / "run", 12, monkeypatch)
    average = weights[0].astype(np.float64)
    for step, new in enumerate(weights[1:]):
        average += (1 - min(0.5, (1 + step) / (10 + step))) * (new - average)
    assert trainer.model.trainable_variables[1].path == trainer.averaged.trainable_variables[1].path
    np.testing.assert_allclose(trainer.averaged.trainable_variables[1].numpy(), average, atol=1e-6)


def test_the_reported_score_is_that_of_the_run_that_is_kept():
    """The last link: history, best.npz, a fresh translator and sacreBLEU say the same number."""
    run = Run.open(trained_run())
    dev = prepare(run.config, run.path).dev
    sources, references = zip(*dev, strict=True)
    hypotheses = [translation.text for translation in Translator.load(run).translate(sources, beam_size=1)]
    best = max(float(row["dev_bleu"]) for row in history(run.path))
    assert bleu(hypotheses, [references]) == pytest.approx(best, abs=0.005)


def test_the_losses_are_means_over_tokens_since_the_last_evaluation(small, tmp_path, monkeypatch):
    sums = []
    train_on = Trainer._train_on

    def noting(self, *arguments):
        before = self._sums.copy()
        train_on(self, *arguments)
        sums.append(self._sums - before)

    monkeypatch.setattr(Trainer, "_train_on", noting)
    rows = history(train(small(max_steps=5, evaluate_every=3), tmp_path / "run").path)
    for row, part in zip(rows, (sums[:3], sums[3:]), strict=True):
        objective, cross_entropy, correct, tokens = np.sum(part, axis=0)
        assert float(row["train_objective"]) == pytest.approx(objective / tokens, abs=1e-4)
        assert float(row["train_loss"]) == pytest.approx(cross_entropy / tokens, abs=1e-4)
        assert float(row["train_accuracy"]) == pytest.approx(correct / tokens, abs=1e-4)


def test_the_dev_loss_is_the_mean_log_probability_of_a_reference_s_token(small, data, tmp_path, monkeypatch):
    trainer = trainer_after(small(), tmp_path / "run", 2, monkeypatch)
    tokenizers = trainer.run.source_tokenizer, trainer.run.target_tokenizer
    losses = []
    for pair in trainer.dev:
        source, target = (tokenizer.encode(line) for tokenizer, line in zip(tokenizers, pair, strict=True))
        logits = trainer.averaged(tf.constant([[*source, 3]]), tf.constant([[2, *target]]))
        log_probs = tf.nn.log_softmax(logits)[0].numpy()
        losses += [-log_probs[t, id] for t, id in enumerate([*target, 3])]
    assert trainer.progress.history[-1]["dev_loss"] == pytest.approx(np.mean(losses), abs=1e-4)


def test_the_dev_loss_is_that_of_normalised_text(data, tmp_path, monkeypatch):
    from fixtures_run import write_pairs

    pairs = [("ｃａｔ ｄｏｇ.", "ｃｈａｔ chien."), ("house.", "maison.")]
    plain = [("cat dog.", "chat chien."), ("house.", "maison.")]
    losses = []
    for name, dev in (("wide", pairs), ("plain", plain)):
        texts = {**data, "dev": write_pairs(tmp_path / name, dev), "normalization": "nfkc"}
        trainer = trainer_after(tiny_config(texts), tmp_path / f"run {name}", 2, monkeypatch)
        losses.append(trainer.progress.history[-1]["dev_loss"])
    assert losses[0] == losses[1]


# ------------------------------------------------------------------------------------------------ what is left behind


def test_a_run_leaves_history_curve_samples_and_weights(full, data, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="nmt"):
        run = train(full, tmp_path / "run").path
    assert {file.name for file in run.iterdir()} == {
        "config.yaml", "run.json", "tokenizer.model", "corpus", "last.npz", "best.npz", "history.csv", "curve.png",
    }  # fmt: skip
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    rows = history(run)
    assert list(rows[0]) == [
        "step", "epoch", "learning_rate", "train_objective", "train_loss", "train_accuracy", "dev_loss", "dev_bleu",
    ]  # fmt: skip
    assert [(row["step"], row["epoch"]) for row in rows] == [("5", "2"), ("10", "4"), ("12", "4")]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    source, target = next(iter(prepare(full, run).dev))
    assert f"  source     {source}\n" in caplog.text and f"  reference  {target}\n" in caplog.text
    assert "48 training pairs; dropped: none; 3 dev pairs" in caplog.text


def test_losses_fall(uninterrupted):
    rows = history(uninterrupted)
    for name in ("train_objective", "train_loss", "dev_loss"):
        assert float(rows[-1][name]) < float(rows[0][name]), name


def test_a_missing_matplotlib_costs_the_curve_and_nothing_else(small, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with caplog.at_level(logging.INFO, logger="nmt"):
        run = train(small(max_steps=4, evaluate_every=2), tmp_path / "run").path
    assert "no learning curve" in caplog.text and not (run / "curve.png").exists()
    assert len(history(run)) == 2


@pytest.mark.parametrize("optimizer", ["adamw", "nadam", "rmsprop", "sgd"])
def test_every_optimizer_trains(optimizer, small, tmp_path):
    rows = history(train(small(optimizer=optimizer, learning_rate=0.05, evaluate_every=6), tmp_path / "run").path)
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])


def test_batches_may_be_counted_in_target_tokens(small, tmp_path, monkeypatch):
    sizes = []
    train_on = Trainer._train_on

    def noting(self, source, target, bar):
        sizes.append((target.shape[0], target.shape[0] * (target.shape[1] - 1)))
        train_on(self, source, target, bar)

    monkeypatch.setattr(Trainer, "_train_on", noting)
    config = small(batch_unit="target_tokens", batch_size=150, epochs=2, evaluate_every=None)
    run = train(config, tmp_path / "run").path
    assert max(size for _, size in sizes) <= 150
    assert len({count for count, _ in sizes}) > 1
    last = load_arrays(run / "last.npz")[1]
    assert last["step"] == len(sizes)


def test_bfloat16_trains_and_is_kept_in_float32(small, tmp_path):
    run = train(small(precision="bfloat16", evaluate_every=6), tmp_path / "run").path
    assert json.loads((run / "run.json").read_text())["precision"] == "bfloat16"
    assert {array.dtype for array in load_arrays(run / "best.npz")[0].values()} == {np.dtype("float32")}
    rows = history(run)
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])


# --------------------------------------------------------------------------------------------------- what goes wrong


def test_a_loss_that_is_no_number_stops_training_and_spares_the_last_save(small, tmp_path, monkeypatch):
    train_on = Trainer._train_on

    def poisoned(self, *arguments):
        if self.progress.step == 7:
            self.model.trainable_variables[0].assign(self.model.trainable_variables[0] * np.nan)
        train_on(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_on", poisoned)
        with pytest.raises(UserError, match=r"no longer finite at step 7.*learning_rate"):
            train(small(), tmp_path / "run")
    arrays, facts = load_arrays(tmp_path / "run" / "last.npz")
    assert facts["step"] == 5 and all(np.all(np.isfinite(array)) for array in arrays.values())
    assert train(small(), tmp_path / "run").path == tmp_path / "run"


def test_gradients_that_are_no_numbers_are_never_saved(small, tmp_path, monkeypatch):
    """The loss of a step may be finite, and its gradient not: the next save would be the end of the run."""
    interrupt(monkeypatch, small(), tmp_path / "run", 2)
    loss = module.masked_loss

    def bad_gradient(*arguments):
        sums = loss(*arguments)
        return sums._replace(objective=sums.objective + 0.0 * tf.sqrt(tf.reduce_sum(arguments[0] * 0.0)))

    with monkeypatch.context() as patch:
        patch.setattr(module, "masked_loss", bad_gradient)
        patch.setattr(module, "_signals_noted", lambda: contextlib.nullcontext(After(0)))
        with pytest.raises((UserError, Interrupted)):
            train(small(), tmp_path / "run")
    arrays, _ = load_arrays(tmp_path / "run" / "last.npz")
    assert all(np.all(np.isfinite(array)) for array in arrays.values())


def test_a_full_disk_stops_training_and_spares_the_last_save(small, tmp_path, monkeypatch):
    import errno

    config, run = small(), tmp_path / "run"
    interrupt(monkeypatch, config, run, 2)
    before = (run / "last.npz").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="Make room"):
            train(config, run)
    assert (run / "last.npz").read_bytes() == before
