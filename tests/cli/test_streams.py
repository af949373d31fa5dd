"""The command line where its surroundings are unusual: closed streams, the C locale, a current
folder with an `nmt.py`."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fixtures.run import expected_texts, toy_pairs, trained_run, write_pairs

from nmt.about import VERSION
from nmt.cli import train
from nmt.cli.console import is_terminal
from nmt.cli.main import main, parser
from nmt.terminal import nmt_process

pytest_plugins = ["fixtures.cli"]

NMT = f"'{sys.executable}' -m nmt"


def shell(command, **options):
    """-> exit code, standard output, standard error"""
    ended = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=600, **options
    )
    return ended.returncode, ended.stdout, ended.stderr


# ------------------------------------------------------------------------------------------ streams


@pytest.mark.parametrize("arguments", ["recipes", "--help", "recipes quickstart"])
def test_a_closed_standard_output_is_one_error(arguments):
    assert shell(f"{NMT} {arguments} >&-") == (1, "", "nmt: error: standard output is closed.\n")


def test_a_closed_standard_input_is_one_error_where_it_is_read(run):
    model = f"{run}/tokenizer.model"
    code, out, err = shell(f"{NMT} tokenizer encode {model} <&-")
    assert (code, out) == (1, "")
    assert err.startswith("nmt: error: standard input: reading broke off") and err.count("\n") == 1
    code, out, err = shell(f"{NMT} recipes <&-")
    assert (code, err) == (0, "") and "quickstart" in out


def test_messages_to_a_closed_standard_error_do_not_join_the_results():
    assert shell(f"{NMT} train nonsense 2>&-") == (1, "", "")
    assert shell(f"{NMT} nonsense 2>&-") == (2, "", "")


def test_files_do_not_take_the_descriptor_of_a_closed_stream(run, tmp_path):
    """A native library that writes to descriptor 1 would write into them."""
    (tmp_path / "text").write_text("cat.\n")
    model = f"{run}/tokenizer.model"
    code, _, err = shell(f"{NMT} tokenizer encode {model} < {tmp_path}/text >&-")
    assert (code, err) == (1, "nmt: error: standard output is closed.\n")


def test_streams_without_isatty_are_no_terminals(run, one_model, monkeypatch, capfdbinary):
    assert not is_terminal(SimpleNamespace())
    closed = io.StringIO()
    closed.close()
    assert not is_terminal(closed)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"cat dog.\n")))
    assert main(["translate", run]) == 0
    assert capfdbinary.readouterr()[0].decode() == expected_texts(["cat dog."])[0] + "\n"


def test_a_dash_is_standard_input_and_output(run, nmt_, one_model, tmp_path):
    expected = expected_texts(["cat dog."])[0] + "\n"
    arguments = ["--input", "-", "--output", "-"]
    assert nmt_("translate", run, *arguments, stdin=b"cat dog.\n") == (0, expected, "")
    assert not Path("-").exists()


# ------------------------------------------------------------------------------------------- locale


def test_the_c_locale_breaks_neither_paths_nor_results(tmp_path):
    folder = shutil.copytree(trained_run(), tmp_path / "r é", ignore=lambda *_: ["corpus"])
    dev = write_pairs(tmp_path / "dév", toy_pairs(3, seed=2))
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **c_locale}
    code, out, err = shell(f"{NMT} export '{folder}' --dev '{dev}'", env=environment)
    assert (code, out) == (0, f"{folder}/onnx\n"), err
    picture = tmp_path / "é.svg"
    arguments = f"'{folder}' 'cat é' --target 'chien déjà' --output '{picture}'"
    assert shell(f"{NMT} plot {arguments}", env=environment) == (0, "chien déjà\n", "")
    assert "déjà" in picture.read_text("utf-8")
    code, out, err = shell(f"{NMT} translate '{tmp_path}/ü' < /dev/null", env=environment)
    assert code == 1 and f"{tmp_path}/ü: no such run folder" in err


def test_results_are_utf8_in_any_locale():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    program = "import sys; from nmt.cli.console import use_utf8; use_utf8(); print('œ\\udcff')"
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert ended.stdout == "œ".encode() + b"\xff\n"


# ---------------------------------------------------------------------------------- child processes


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A current folder in which somebody keeps modules with the names of ours."""
    for name in ("nmt.py", "yaml.py"):
        (tmp_path / name).write_text("print('not ours')")
    monkeypatch.chdir(tmp_path)


def test_a_child_process_does_not_run_modules_of_the_current_folder(trap):
    command, environment = nmt_process("--version")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == (f"nmt {VERSION}\n", "")


def test_a_child_process_has_the_users_pythonpath(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command, environment = nmt_process("train", "x")
    assert command == [sys.executable, "-P", "-m", "nmt", "train", "x"]
    assert environment["PYTHONPATH"].split(os.pathsep)[-1] == str(tmp_path)


def test_a_child_process_finds_the_package_in_a_checkout(monkeypatch):
    """`python -m nmt` in a checkout finds it only in the current folder."""
    checkout = str(Path(train.__file__).parents[2])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [checkout, *sys.path])
    assert nmt_process()[1]["PYTHONPATH"] == checkout
    monkeypatch.setattr(sys, "path", ["/usr/bin", *sys.path])
    assert "PYTHONPATH" not in nmt_process()[1]


def test_training_ends_as_an_export_in_a_child_process(monkeypatch):
    executed = []
    monkeypatch.setattr("nmt.training.setup.find_texts", lambda config: None)
    monkeypatch.setattr(
        "nmt.training.trainer.train", lambda *arguments: SimpleNamespace(path=Path("r"))
    )
    monkeypatch.setattr("nmt.cli.train._complete", lambda run: 0)
    monkeypatch.setattr(os, "execve", lambda *arguments: executed.append(arguments[1]))
    options = parser().parse_args(["train", "quickstart"])
    options.owns_process = True
    assert train._train(options) == 0
    assert executed == [[sys.executable, "-P", "-m", "nmt", "export", "--trained", "r"]]


def test_a_reader_of_messages_that_leaves_does_not_end_the_command(run, tmp_path):
    """`nmt ... 2>&1 | true`: what the command does is not what it says."""
    reading, writing = os.pipe()
    os.close(reading)
    command, environment = nmt_process("translate", "missing")
    process = subprocess.run(command, env=environment, stderr=writing, stdin=subprocess.DEVNULL)
    os.close(writing)
    assert process.returncode == 1
