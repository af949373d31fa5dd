"""Averaging weights: by hand over small arrays, and what has no mean."""

import numpy as np
import pytest
from fixtures.run import tiny_config, toy_pairs

from nmt.errors import UserError
from nmt.runs.averaging import average
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.run_folder import Run, load_arrays, save_arrays
from nmt.text.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    lines = [line for pair in toy_pairs(60) for line in pair]
    options = {
        "vocabulary_size": 310,
        "byte_fallback": True,
        "character_coverage": 1.0,
        "max_lines": 1000,
    }
    return train_tokenizer(lines, algorithm="bpe", **options)


@pytest.fixture
def a_run(tokenizer, tmp_path):
    """a_run(name, weights) -> a run with these best weights."""

    def create(name, value, config=None):
        run = Run.create(
            tmp_path / name,
            config or tiny_config({}),
            tokenizer,
            tokenizer,
            {"texts": {}, "more": 1},
        )
        save_arrays(run.path / "best.npz", {"w": np.array(value, np.float32)}, {})
        return run

    return create


def test_the_best_weights_of_runs_are_averaged_into_a_run(a_run, tmp_path):
    runs = [a_run("one", [1.0, 2.0]), a_run("two", [3.0, 4.0]), a_run("three", [5.0, -6.0])]
    paths = average(runs, tmp_path / "mean")
    assert paths == [run.path / "best.npz" for run in runs]
    made = Run.open(tmp_path / "mean")
    weights, facts = load_arrays(made.path / "best.npz")
    np.testing.assert_array_equal(weights["w"], np.array([3.0, 0.0], np.float32))
    assert weights["w"].dtype == np.float32
    assert made.config == runs[0].config
    assert made.target_tokenizer.model == runs[0].target_tokenizer.model
    assert made.metadata["average_of"] == facts["average_of"] == [str(path) for path in paths]


def test_the_last_checkpoints_are_averaged_by_the_weights_that_are_evaluated(a_run, tmp_path):
    run = a_run("run", [100.0])
    for step, value in [(0, 100.0), (20, 2.0), (30, 4.0)]:
        arrays = {
            "average/w": np.array([value]),
            "model/w": np.array([-1.0]),
            "optimizer/000": np.zeros(3),
        }
        Checkpoints(run.path, 3).save(step, arrays, {})
    average([run], tmp_path / "mean", last=2)
    weights, _ = load_arrays(tmp_path / "mean" / "best.npz")
    assert {name: array.tolist() for name, array in weights.items()} == {"w": [3.0]}
    for last in (0, 3):  # what was there before the first step has learnt nothing
        with pytest.raises(
            UserError, match=rf"number of trained states in .*run \(2\)\. Received: {last}"
        ):
            average([run], tmp_path / "other", last=last)


def test_runs_that_began_with_the_weights_of_another_may_have_other_seeds(a_run, tmp_path):
    tuned = tiny_config({}, training={"seed": 2, "init_from": "one"})
    average([a_run("one", [1.0]), a_run("tuned", [3.0], tuned)], tmp_path / "mean")
    weights, _ = load_arrays(tmp_path / "mean" / "best.npz")
    assert weights["w"].tolist() == [2.0]


def test_what_has_no_mean_is_refused(a_run, tmp_path):
    one, other = a_run("one", [1.0, 2.0]), a_run("other", [1.0])
    with pytest.raises(UserError, match="names or shapes"):
        average([one, other], tmp_path / "mean")
    with pytest.raises(UserError, match="two files or more"):
        average([one], tmp_path / "mean")
    with pytest.raises(UserError, match=r"number of trained states in .*one \(0\)\. Received: 2"):
        average([one], tmp_path / "mean", last=2)
    wider = tiny_config({}, model={"decoder": {"units": 18}})
    with pytest.raises(UserError, match="differ in `model`"):
        average([one, a_run("wider", [1.0, 2.0], wider)], tmp_path / "mean")
    with pytest.raises(
        UserError, match=r"different random weights, as their training\.seed differs"
    ):
        average([one, a_run("seed 2", [1.0, 2.0], tiny_config({}, training={"seed": 2}))], one.path)
    for value in (np.nan, np.inf):
        with pytest.raises(UserError, match=r"best\.npz cannot be averaged.*NaN in w"):
            average([one, a_run(f"diverged {value}", [1.0, value])], tmp_path / "mean")
    with pytest.raises(UserError, match="already holds a run"):
        average([one, one], other.path)
    assert not (tmp_path / "mean").exists()
