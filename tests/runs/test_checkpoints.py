"""States on disk: the last few, whole, and whatever happens to the process that writes them."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nmt.errors import UserError
from nmt.runs.checkpoints import Checkpoints, only_trainer


def state(step):
    return {"weights": np.full((100, 100), step, np.float32), "moment": np.full(5, step)}


def steps(checkpoints):
    return [int(path.stem.removeprefix("step-")) for path in checkpoints.paths()]


@pytest.fixture
def saved(tmp_path):
    """Three states, after 5, 10 and 100 steps."""
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (5, 10, 100):
        checkpoints.save(step, state(step), {"step": step})
    return checkpoints


def assert_loads(checkpoints, step):
    arrays, facts = checkpoints.load()
    assert facts == {"step": step}
    assert (
        all(np.all(array == step) for array in arrays.values()) and arrays.keys() == state(0).keys()
    )


def test_before_the_first_state_there_is_none(tmp_path):
    assert Checkpoints(tmp_path, keep=3).load() is None


def test_the_last_states_are_kept_and_the_newest_is_loaded(saved):
    assert_loads(saved, 100)
    saved.save(1000, state(1000), {"step": 1000})
    assert steps(saved) == [10, 100, 1000]
    assert_loads(saved, 1000)


@pytest.mark.parametrize("length", [0, 100, -100])
def test_a_truncated_state_is_noticed_and_the_one_before_is_used(length, saved, caplog):
    newest = saved.paths()[-1]
    newest.write_bytes(newest.read_bytes()[:length])
    assert_loads(saved, 10)
    assert f"{newest} is damaged" in caplog.text and "resuming from" in caplog.text
    assert "train again" not in caplog.text
    assert steps(saved) == [5, 10] and newest.with_suffix(".damaged").exists()
    assert_loads(saved, 10)


def test_a_flipped_bit_is_noticed(saved):
    newest = saved.paths()[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert_loads(saved, 10)


def test_a_damaged_state_displaces_no_whole_one(saved):
    for path in saved.paths()[1:]:
        path.write_bytes(b"")
    assert_loads(saved, 5)
    for step in (6, 7):
        saved.save(step, state(step), {"step": step})
    assert steps(saved) == [5, 6, 7]


def test_when_all_are_damaged_this_is_said_again_and_again(saved):
    for path in saved.paths():
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(UserError, match=r"no state in .* can be read"):
            saved.load()
    assert steps(saved) == [5, 10, 100]


def test_a_full_disk_costs_no_state(saved, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="Free some disk space"):
        saved.save(101, state(101), {"step": 101})
    assert [path.name for path in saved.folder.iterdir()] == [
        path.name for path in saved.folder.glob("step-*.npz")
    ]
    assert steps(saved) == [5, 10, 100]
    assert_loads(saved, 100)


def test_what_a_killed_process_was_writing_is_cleared_away(saved, tmp_path):
    left_over = saved.folder / ".step-00000101.npz.0a1b2c3d4e5f.tmp"
    left_over.write_bytes(b"half of a st")
    with only_trainer(tmp_path):
        assert not left_over.exists()
    assert steps(saved) == [5, 10, 100]


def test_a_lock_is_neither_cut_off_nor_followed_to_another_file(tmp_path):
    (tmp_path / ".lock").write_text("mine")
    with only_trainer(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "mine"
    (tmp_path / ".lock").rename(tmp_path / "other")
    (tmp_path / ".lock").symlink_to("other")
    with pytest.raises(UserError, match=r"\.lock: cannot be opened"), only_trainer(tmp_path):
        pass
    assert (tmp_path / "other").read_text() == "mine"


SAVER = """
import sys, itertools
from pathlib import Path
import numpy as np
from nmt.runs.checkpoints import Checkpoints, only_trainer
run = Path(sys.argv[1])
with only_trainer(run):
    checkpoints = Checkpoints(run, keep=2)
    found = checkpoints.load()
    for step in itertools.count(found[1]["step"] + 1 if found else 1):
        checkpoints.save(step, {str(i): np.full(100_000, step) for i in range(5)}, {"step": step})
"""


def test_a_process_that_is_killed_at_any_moment_leaves_a_whole_state(tmp_path):
    """It does nothing but save; and each one goes on where the one before was killed."""
    chance, last = random.Random(1), 0
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", SAVER, str(tmp_path)]) as process:
            deadline = time.monotonic() + 60
            while (
                not (path := Checkpoints(tmp_path, 2).paths()[-1:])
                or int(path[0].stem[5:]) < last + 3
            ):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
        arrays, facts = Checkpoints(tmp_path, 2).load()
        assert all(np.all(array == facts["step"]) for array in arrays.values()) and len(arrays) == 5
        assert facts["step"] >= last + 3
        last = facts["step"]
    assert not list(tmp_path.rglob("*.damaged"))


def test_a_copy_that_somebody_made_is_no_state(saved, tmp_path):
    states = saved.paths()
    shutil.copy(states[-1], states[-1].with_name(f"{states[-1].stem} copy.npz"))
    assert saved.paths() == states and Checkpoints.has_trained(tmp_path)
