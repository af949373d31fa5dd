"""The examples of the README and of the documentation run as they are printed, over a tiny run.

A command that would train for longer than half a minute, or change the machine, is checked without
running it: its options are parsed, its recipe and overrides are loaded, its files are looked for.
"""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fixtures.examples import (
    ROOT,
    Block,
    blocks,
    environment,
    lay_out,
    served,
    simple_commands,
)

from nmt.cli.main import parser
from nmt.cli.shared import given_texts
from nmt.cli.train import config_of, with_held_out_dev
from nmt.config.loader import load_config, parse_config

ADDRESS = "127.0.0.1:5000"
SITE = (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in SITE)]
LONG_VERBS = ("train", "compare", "serve")
NOT_RUN = (".", "pip", "docker", "jupyter", "twine", "export")
PLACEHOLDERS = re.compile(r"\b(RUN|FILE|DIR|DATA_DIR|PYTHON|COMMAND|GOLD_DIR|WORD)\b")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_language(language):
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


@pytest.mark.parametrize("page", with_language("console"))
def test_console_examples_run_as_printed(page, workspace):
    with contextlib.ExitStack() as stack:
        address = None
        for block in blocks(page):
            if block.language != "console":
                continue
            for command, output in block.commands():
                place = f"{page}, block at line {block.line}: {command}"
                programs = simple_commands(command)
                is_mistake = output.startswith("nmt: error: ")
                if not is_mistake and any(is_only_checked(words) for words in programs):
                    for words in programs:
                        check(words, place)
                    continue
                if ADDRESS in command:
                    if not shutil.which("curl"):
                        continue
                    address = address or stack.enter_context(served(workspace))
                    command = command.replace(ADDRESS, address)
                answer = run(command, workspace)
                assert answer.returncode == int(is_mistake), f"{place}\n{answer.stdout}"
                if block.compared:
                    assert answer.stdout.strip() == output.strip(), place


def run(command, workspace):
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=workspace,
        env=environment(workspace),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
    )


def is_only_checked(words):
    program = words[0]
    return (
        program in NOT_RUN
        or program.startswith(("scripts/", "/tmp/"))
        or (program == "nmt" and words[1] in LONG_VERBS)
        or (words[:2] == ["nmt", "export"] and "web" in words)  # fetches an npm package
        or (program == "python" and not words[1].startswith("-c"))
        or any(PLACEHOLDERS.search(word) for word in words)
    )


def check(words, place):
    program, *arguments = words
    if program.endswith("nmt") and arguments[0] != "translate":
        options = parser().parse_args(arguments)
        if arguments[0] in ("train", "compare") and not any(map(PLACEHOLDERS.search, arguments)):
            check_training(arguments[0], options)
    elif program == "pip" and arguments[-1].startswith("."):
        extras = (ROOT / "setup.cfg").read_text("utf-8")
        for extra in re.findall(r"\w+", arguments[-1].partition("[")[2]):
            assert f"\n{extra} =\n" in extras, place
    elif program.startswith("scripts/"):
        assert (ROOT / program).stat().st_mode & 0o100, place
    elif program == "python" and arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).is_file(), place


def check_training(verb, options):
    """The recipe, its overrides, and the text."""
    from nmt.training.setup import find_texts

    if verb == "train":
        config = config_of(options)
        if not options.recipe and config.data.dev is None:
            config = with_held_out_dev(config, Path("new"))
        find_texts(config)
        return
    values = load_config(options.recipe, options.set).model_dump()
    values["data"] |= given_texts(options)
    find_texts(parse_config(values, "the example"))


@pytest.mark.parametrize("page", with_language("python"))
def test_python_examples_run_as_printed(page, workspace):
    with contextlib.ExitStack() as stack:
        names = {"__name__": page}
        for block in blocks(page):
            if block.language == "python":
                code = block.text
                if ADDRESS in code:
                    code = code.replace(ADDRESS, stack.enter_context(served(workspace)))
                lines = "\n" * block.line  # so that a traceback names the page's line
                exec(compile(lines + code, ROOT / page, "exec"), names)


def test_a_console_block_has_commands_with_their_outputs():
    block = Block("console", "$ one \\\n    --more\nout\n\nput\n$ two | three\n", 1, False)
    assert list(block.commands()) == [("one \\\n    --more", "out\n\nput"), ("two | three", "")]


def test_programs_of_a_command_are_found_behind_assignments_pipes_and_redirections():
    command = "A=1 nmt translate 'a b' <in.en | paste in.en - && pip install x >log"
    assert simple_commands(command) == [
        ["nmt", "translate", "a b"],
        ["paste", "in.en", "-"],
        ["pip", "install", "x"],
    ]
