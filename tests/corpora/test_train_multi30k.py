"""`scripts/train_multi30k.sh` without DATA_DIR fetches its text by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.tiny_corpora import CAPTIONS, lines

from nmt.corpora import catalogue

pytest_plugins = ["fixtures.mirror"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the script, with programs that say how they were called. `nmt data` is real, with
    the catalogue of the test."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "train_multi30k.sh", folder / "scripts")
    (folder / "scripts" / "environment.sh").write_text('install() { echo "install $1"; }\n')
    programs = folder / "programs"
    programs.mkdir()
    code = (
        "import nmt.corpora.catalogue as c, sys\n"
        "from nmt.cli.main import main\n"
        "from nmt.corpora.catalogue import *\n"
        f"c.CATALOGUE = {{'multi30k': {catalogue.CATALOGUE['multi30k']!r}}}\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    (programs / "main.py").write_text(code)
    nmt = f'[ "$1" = data ] && exec "{sys.executable}" "{programs}/main.py" "$@"\necho "nmt $*"'
    for name, script in (("nmt", nmt), ("python", 'echo "python $*"')):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    return folder


def test_the_text_is_fetched_checked_and_trained_on(mirror, checkout):
    environment = {
        **os.environ,
        "NMT_DATA_MIRROR": mirror.address,
        "PATH": f"{checkout / 'programs'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RECIPES": "multi30k",
    }
    process = subprocess.run(
        ["bash", checkout / "scripts" / "train_multi30k.sh"],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    text = checkout / "runs" / "text" / "multi30k"
    assert "Citation: Elliott" in process.stderr
    assert (text / "train.en").read_bytes() == lines(CAPTIONS["train"], 0)
    (compare,) = [line for line in process.stdout.splitlines() if line.startswith("nmt compare")]
    assert "--data runs/text/multi30k/train --dev runs/text/multi30k/val" in compare
