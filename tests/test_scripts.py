"""The scripts: those that make text, by hand; the gate, with commands that do nothing."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest

from nmt.config.schema import SCORES, DecoderConfig

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"


@pytest.fixture
def run_script(tmp_path):
    """A script over files of these lines, in this order -> what it prints, as lines."""

    def run(name: str, *files: list[str]) -> list[str]:
        paths = [tmp_path / str(number) for number in range(len(files))]
        for path, lines in zip(paths, files, strict=True):
            path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        command = [sys.executable, SCRIPTS / name, *paths]
        return subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8"
        ).stdout.splitlines()

    return run


def test_a_student_reads_all_pairs_then_the_best_translations_and_the_closest_if_they_are_others(
    run_script,
):
    translations = [
        "0 ||| un chien noir ||| -0.1",  # the best
        "0 ||| le chien dort ||| -0.2",  # the reference
        "1 ||| un chat ||| -0.1",  # both
        "1 ||| des chats ||| -0.3",
    ]
    table = run_script(
        "distilled_text.py", translations, ["the dog sleeps", "a cat"], ["le chien dort", "un chat"]
    )
    assert table == [
        "the dog sleeps\tle chien dort",
        "a cat\tun chat",
        "the dog sleeps\tun chien noir",
        "the dog sleeps\tle chien dort",
        "a cat\tun chat",
    ]


def test_new_sources_are_new_two_of_each_target_at_most_and_of_known_words(run_script):
    samples = [
        "0 ||| A dog sleeps. ||| -0.1",  # in the text
        "0 ||| A cat sleeps. ||| -0.2",
        "0 ||| A cat sleeps. ||| -0.2",  # again
        "0 ||| A gnu sleeps. ||| -0.3",  # the second of two, but an unknown word
        "0 ||| The dog runs. ||| -0.4",  # a third
        "1 |||  ||| -0.1",
        "1 ||| A cat sleeps. ||| -0.2",  # another target had it
        "1 ||| the DOG ||| runs ||| -0.3",
    ]
    found = run_script("new_sources.py", samples, ["A dog sleeps.", "The cat runs."])
    assert found == ["A cat sleeps.", "the DOG ||| runs"]


@pytest.fixture
def gate(tmp_path):
    """gate(**commands): runs `.ci/run` where only these shell scripts, by name, are installed."""

    def gate(**commands):
        for name in (".ci/run", "scripts/test.sh", *(f"bin/{name}" for name in commands)):
            (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
        for name, word in (("test.sh", "tested"), ("docs.sh", "documented")):
            (tmp_path / "scripts" / name).write_text(f"echo {word}")
        for name in ("bash", "sh", "dirname", "timeout", "mkdir"):
            (tmp_path / "bin" / name).symlink_to(shutil.which(name))
        for name, script in commands.items():
            path = tmp_path / "bin" / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
        command = [str(tmp_path / "bin" / "bash"), str(tmp_path / ".ci" / "run")]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return gate


PROGRAMS = {"chromium": "", "npm": "exit 1", "msgfmt": "", "soffice": ""}


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("chromium", "chromium"),
        ("npm", "nodejs npm"),
        ("msgfmt", "gettext"),
        ("soffice", "libreoffice-writer libreoffice-calc libreoffice-impress"),
    ],
)
def test_the_gate_fails_without_a_program_that_tests_need(gate, program, package):
    process = gate(apt_get="exit 100", **{k: v for k, v in PROGRAMS.items() if k != program})
    assert process.returncode == 1 and "tested" not in process.stdout
    assert f"could not be installed: {package}." in process.stderr


def test_the_gate_installs_what_is_missing_and_tests(gate):
    process = gate(apt_get='echo "$@"')
    assert process.returncode == 0
    updated, installed, *rest = process.stdout.splitlines()
    assert updated == "update" and rest == ["tested", "documented"]
    assert "chromium nodejs npm gettext libreoffice-writer" in installed


def test_the_gate_installs_nothing_that_is_there(gate):
    process = gate(apt_get="exit 100", **PROGRAMS)
    assert (process.returncode, process.stdout) == (0, "tested\ndocumented\n"), process.stderr
    assert "onnxruntime-web could not be fetched: tests that need it are skipped" in process.stderr


def test_the_tests_install_nothing_of_the_system_and_name_what_they_skip():
    script = (SCRIPTS / "test.sh").read_text("utf-8")
    assert "apt-get" not in script and " -rs " in script


def test_a_picture_of_attention_has_a_cell_for_each_weight_and_is_small():
    script = runpy.run_path(str(SCRIPTS / "draw_mechanisms.py"))
    weights_TS = np.array([[1.0, 0.0], [0.25, 0.75], [0.0, 0.0]])
    picture = script["picture"](weights_TS, ["A", "<dog>."], ["Un", "chien", "."])
    root = ElementTree.fromstring(picture)
    cells = [one for one in root.iter() if one.get("class") == "w"]
    assert [cell.get("fill-opacity") for cell in cells] == ["1.00", "0.25", "0.75"]
    assert "<dog>." in [one.text for one in root.iter() if one.tag.endswith("text")]
    source, target = script["SOURCE"].split(), script["TARGET"].split()
    full = script["picture"](np.full((len(target), len(source)), 0.05), source, target)
    assert len(full) < 40_000


def test_every_score_and_every_cell_has_a_picture():
    script = runpy.run_path(str(SCRIPTS / "draw_mechanisms.py"))
    attentions = set(script["variants"]().values())
    assert {one.partition("/")[2] for one in attentions} == SCORES.keys()
    assert {one.partition("/")[0] for one in attentions} == set(
        get_args(DecoderConfig.model_fields["cell"].annotation)
    )
