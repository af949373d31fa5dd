"""Invariant 7: a run interrupted and resumed equals one never interrupted, bit for bit."""

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from fixtures.run import (
    assert_same_run,
    history,
    interrupt,
    last_checkpoint,
    last_state,
    tiny_config,
    toy_pairs,
    without_times,
    write_pairs,
)
from fixtures.train import TRAINING

from nmt.config.loader import load_config
from nmt.errors import UserError
from nmt.runs.checkpoints import only_trainer
from nmt.runs.run_folder import load_arrays, save_arrays
from nmt.training import trainer as module
from nmt.training.trainer import Trainer, train

pytest_plugins = ["fixtures.train"]

# ------------------------------------------------------------------ invariant 7: as if nothing were


def test_a_run_that_was_interrupted_and_resumed_is_the_same_run(
    stateful, uninterrupted, tmp_path, monkeypatch, caplog
):
    """Twice, and the second time its newest state was damaged."""
    run = tmp_path / "run"
    interrupt(monkeypatch, stateful, run, 2)
    assert last_state(run)[1]["step"] == 2
    interrupt(monkeypatch, stateful, run, 4)  # at the end of the second epoch, after an evaluation
    assert last_state(run)[1]["step"] == 6
    last_checkpoint(run).write_bytes(last_checkpoint(run).read_bytes()[:-1000])
    train(stateful, run)
    assert "step-00000006.npz is damaged" in caplog.text and "resuming from" in caplog.text
    assert_same_run(run, uninterrupted)


def test_a_run_that_was_killed_while_it_saved_is_the_same_run(
    stateful, uninterrupted, tmp_path, monkeypatch
):
    """best.npz of step 10 is written, the last state is that of step 5: all since then is done
    again, and alike."""

    def save_or_die(self):
        if self.progress.step == 10:
            raise MemoryError
        save(self)

    save = Trainer.save
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", save_or_die)
        with pytest.raises(MemoryError):
            train(stateful, tmp_path / "run")
    assert last_state(tmp_path / "run")[1]["step"] == 5
    train(stateful, tmp_path / "run")
    assert_same_run(tmp_path / "run", uninterrupted)


def test_sums_are_taken_in_one_order(uninterrupted):
    """TensorFlow's arithmetic optimizer makes their order depend on timing."""
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


def test_the_checkpoint_holds_random_states_optimizer_and_averages(uninterrupted):
    arrays, facts = last_state(uninterrupted)
    kinds = [name.partition("/")[0] for name in arrays]
    assert kinds.count("optimizer") > 2 * kinds.count(
        "average"
    )  # two moments a weight, and the iterations
    assert kinds.count("model") == kinds.count("average") and kinds.count("random") > 5
    assert facts["step"] == 12


def test_training_again_what_is_trained_changes_nothing_but_the_log(
    stateful, uninterrupted, tmp_path, instant
):
    run = shutil.copytree(uninterrupted, tmp_path / "run")

    def contents():
        return {
            file: file.read_bytes() for file in run.rglob("*") if file.suffix in (".npz", ".csv")
        }

    before = contents()
    train(stateful, run)
    assert contents() == before


@pytest.mark.parametrize("stops", [(1, 2, 3), (3, 3), (5, 6)], ids=str)
def test_every_pair_is_seen_once_an_epoch_wherever_training_stopped(
    stops, small, tmp_path, monkeypatch, instant, before_each_step
):
    seen = []
    before_each_step(lambda trainer, source, target: seen.append(source.numpy()))
    expected = train(small(), tmp_path / "expected").path
    expected_batches, seen = seen, []
    before_each_step(lambda trainer, source, target: seen.append(source.numpy()))
    for steps in stops:
        interrupt(monkeypatch, small(), tmp_path / "run", steps)
    train(small(), tmp_path / "run")
    assert len(seen) == 12
    for ours, theirs in zip(seen, expected_batches, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert without_times(history(tmp_path / "run")) == without_times(history(expected))


def test_several_corpora_are_drawn_alike_wherever_training_stopped(
    small, data, tmp_path, monkeypatch, instant, before_each_step, caplog
):
    """Half of the 48 pairs of one text, and every pair of the other twice, in each epoch."""
    other = write_pairs(tmp_path / "other", toy_pairs(8, seed=7))
    train_texts = [{"path": data["train"], "weight": 0.5}, {"path": other, "weight": 2}]
    config = tiny_config({**data, "train": train_texts}, training=TRAINING)
    seen = []
    before_each_step(lambda trainer, source, target: seen.append(source.numpy().tolist()))
    with caplog.at_level("INFO", logger="nmt"):
        train(config, tmp_path / "expected")
    assert f"encoding {other}" in caplog.text  # what a log shows while a large text is encoded
    assert f"{other}: 16 of 8 pairs an epoch (40.0% of the pairs" in caplog.text
    expected = seen.copy()
    assert [sum(map(len, expected[i : i + 3])) for i in (0, 3, 6, 9)] == [24 + 16] * 4
    seen.clear()
    for steps in (2, 3):
        interrupt(monkeypatch, config, tmp_path / "run", steps)
    train(config, tmp_path / "run")
    assert seen == expected
    assert_same_run(tmp_path / "run", tmp_path / "expected")


def test_dropout_may_come_and_go(small, tmp_path, monkeypatch, instant, caplog):
    interrupt(monkeypatch, small(), tmp_path / "run", 3)
    assert not any(name.startswith("random/") for name in last_state(tmp_path / "run")[0])
    dropped = {"dropout": {"embedding": 0.1, "source_word": 0.1}}
    run = train(small(dropped), tmp_path / "run", accept_changes=True).path
    assert "random states" in caplog.text
    arrays, facts = last_state(run)
    assert (
        facts["step"] == 12 and sum(name.startswith("random/") for name in arrays) == 3
    )  # words, and vectors of both sides


def test_a_checkpoint_of_another_model_is_refused(small, tmp_path, instant):
    run = train(small(max_steps=1), tmp_path / "run").path
    other = train(small({"encoder": {"units": 5}}, max_steps=1), tmp_path / "other").path
    last_checkpoint(run).write_bytes(last_checkpoint(other).read_bytes())
    with pytest.raises(UserError, match=r"checkpoints does not fit this config: \d+ arrays differ"):
        train(small(max_steps=1), run)


@pytest.mark.parametrize("facts", [{}, {"step": 1, "later": 2}])
def test_what_training_did_not_save_is_no_state(facts, small, tmp_path, instant):
    run = train(small(max_steps=1), tmp_path / "run").path
    arrays, _ = load_arrays(run / "best.npz")
    sums = {"sums": np.zeros(4)} if facts else {}
    save_arrays(last_checkpoint(run), {**arrays, **sums}, facts)
    with pytest.raises(UserError, match=r"newest state in .*checkpoints is none that training"):
        train(small(max_steps=1), run)


def test_a_lost_history_is_written_again(small, tmp_path, instant):
    run = train(small(max_steps=1), tmp_path / "run").path
    before = (run / "history.csv").read_bytes()
    (run / "history.csv").write_text("step\nx\n")
    train(small(max_steps=1), run)
    assert (run / "history.csv").read_bytes() == before


def test_weights_without_a_state_are_not_trained_over(small, tmp_path, instant):
    run = train(small(max_steps=1), tmp_path / "run").path
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(UserError, match="trained weights, but no state"):
        train(small(max_steps=1), run)


def test_a_run_is_trained_by_one_process_at_a_time(small, tmp_path, instant):
    run = train(small(max_steps=1), tmp_path / "run").path
    with only_trainer(run), pytest.raises(UserError, match="trained by another process"):
        train(small(max_steps=1), run)


def test_long_training_is_saved_between_evaluations(small, tmp_path, monkeypatch, instant):
    saved, save = [], Trainer.save
    monkeypatch.setattr(
        Trainer, "save", lambda self: (saved.append(self.progress.step), save(self))
    )
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SAVES", 0.0)
    train(small(), tmp_path / "run")
    assert set(saved) == set(range(13))


# ------------------------------------------------------------------------------------------ signals


def test_sigterm_saves_and_another_process_resumes(small, tmp_path, caplog):
    config = small(epochs=60, evaluate_every=30)
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(config.to_yaml())
    command = [sys.executable, "-m", "nmt", "train", str(recipe), "--run", str(run)]
    # Sums depend on the number of threads, which an earlier test may have set for this process.
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads)},
    ) as process:
        deadline = time.monotonic() + 300
        while not (run / "best.npz").is_file():  # its first evaluation
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, err
    assert out == "" and "Traceback" not in err
    assert err.rstrip().endswith(
        "stopped by SIGTERM; everything is saved. The same command resumes."
    )
    stopped_at = last_state(run)[1]["step"]
    assert 30 <= stopped_at < 180

    with caplog.at_level("INFO", logger="nmt"):
        train(load_config(recipe), run)
    log = (run / "train.log").read_text("utf-8")
    for part in (
        "48 training pairs; dropped: none; 3 dev pairs",
        f"resumed at step {stopped_at} of 180",
        "dev BLEU",
        "reference  ",
    ):
        assert part in log, part
    assert_same_run(run, train(config, tmp_path / "in this process").path)


def test_the_command_ends_with_an_export(small, tmp_path):
    config = small({"decoder": {"attention": "luong"}}, max_steps=1)
    (tmp_path / "recipe.yaml").write_text(config.to_yaml())
    recipe, run = str(tmp_path / "recipe.yaml"), tmp_path / "run"
    command = [sys.executable, "-m", "nmt", "train", recipe, "--run", str(run)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, ""), process.stderr
    assert process.stderr.endswith(f"done. Translate with: nmt translate {run}\n")
    assert list((run / "onnx").iterdir())


def test_a_second_signal_stops_at_once():
    with pytest.raises(KeyboardInterrupt), module._caught_signals() as noted:
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 5
        while not noted and time.monotonic() < deadline:
            time.sleep(0.001)
        assert noted == [signal.SIGINT]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_signal_handlers_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with module._caught_signals():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signals_are_left_alone_outside_the_main_thread():
    results = []

    def use():
        with module._caught_signals() as noted:
            results.append(noted)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert results == [[]]


# ---------------------------------------------------------------------- the run that is left behind


def test_a_run_leaves_weights_history_and_a_curve(uninterrupted):
    assert {file.name for file in uninterrupted.iterdir()} == {
        ".lock",
        "config.yaml",
        "run.json",
        "tokenizer.model",
        "corpus",
        "checkpoints",
        "best.npz",
        "history.csv",
        "curve.png",
        "train.log",
    }
    assert (uninterrupted / "curve.png").read_bytes().startswith(b"\x89PNG")
    rows = history(uninterrupted)
    assert list(rows[0]) == [
        "step",
        "epoch",
        "minutes",
        "learning_rate",
        "train_objective",
        "train_loss",
        "train_accuracy",
        "dev_loss",
        "dev_bleu",
    ]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())


def test_losses_fall(uninterrupted):
    rows = history(uninterrupted)
    for name in ("train_objective", "train_loss", "dev_loss"):
        assert float(rows[-1][name]) < float(rows[0][name]), name
