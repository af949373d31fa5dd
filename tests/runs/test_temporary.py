"""What killed processes leave behind is removed; what others still use is not."""

import os
import signal
import subprocess
import sys

import pytest

from nmt.runs.checkpoints import only_trainer
from nmt.runs.temporary import remove_leftovers, temporary_folder

HOLDER = """
import sys, time
from pathlib import Path
from nmt.runs.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1]), "onnx") as folder:
    (folder / "new").mkdir()
    (folder / "new" / "encoder.onnx").write_bytes(b"half of a graph")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        folder = process.stdout.readline().strip()
        yield process, tmp_path / os.path.basename(folder)
        process.kill()


def test_the_folder_of_a_killed_export_does_not_stop_training(holder, tmp_path):
    process, folder = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "new" / "encoder.onnx").exists()
    with only_trainer(tmp_path):
        assert not folder.exists()


def test_the_folder_of_a_living_export_is_left_alone(holder, tmp_path):
    _, folder = holder
    remove_leftovers(tmp_path)
    with temporary_folder(tmp_path, "onnx") as other:
        assert other != folder
    assert (folder / "new" / "encoder.onnx").exists()


def test_another_export_removes_what_a_killed_one_left_beside_it(tmp_path):
    left_over, other = tmp_path / ".my[1].abc.tmp", tmp_path / ".onnx.abc.tmp"
    for folder in (left_over, other):
        (folder / "old").mkdir(parents=True)
    with temporary_folder(tmp_path, "my[1]") as folder:
        assert folder.is_dir() and not left_over.exists() and other.exists()
    assert not folder.exists()


def test_files_links_and_nested_folders_are_removed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    run = tmp_path / "run"
    (run / ".onnx.a1b2c3d_.tmp" / "new" / ".y.tmp").mkdir(parents=True)
    (run / ".history.csv.0123456789ab.tmp").write_text("half")
    (run / ".link.0123456789ab.tmp").symlink_to(outside)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / ".step-1.npz.0123456789ab.tmp").write_text("half")
    (run / "best.npz").write_text("weights")
    remove_leftovers(run)
    assert {path.name for path in run.rglob("*")} == {"best.npz", "checkpoints"}
    assert outside.is_dir()


def test_files_of_others_stay(tmp_path):
    names = [".notes.tmp", "sub/.onnx.a1b2c3d_.tmp", "sub/.out.fr.0123456789ab.tmp"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    remove_leftovers(tmp_path)
    assert all((tmp_path / name).exists() for name in names)


def test_what_cannot_be_removed_is_reported_and_stops_nothing(tmp_path, monkeypatch, caplog):
    (tmp_path / ".onnx.a1b2c3d_.tmp").mkdir()

    def rmtree(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nmt.runs.temporary.shutil.rmtree", rmtree)
    remove_leftovers(tmp_path)
    assert "cannot be removed (Permission denied)" in caplog.text
