"""The notebooks run from start to end, at their small setting, on a little of the corpus."""

import ast
import os
import runpy
import shutil
from itertools import islice
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "run_notebooks.py"))
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def read(name):
    return nbformat.read(ROOT / "notebooks" / name, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@every_notebook
def test_a_notebook_runs_from_start_to_end(name, tmp_path, monkeypatch):
    for prefix, lines in (("train", 160), ("dev", 8), ("test", 8)):
        for side in ("en", "fr"):
            path = tmp_path / "notebooks" / "everyday" / f"{prefix}.{side}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with (ROOT / "nmt" / "everyday" / path.name).open(
                encoding="utf-8", newline="\n"
            ) as stream:
                path.write_text("".join(islice(stream, lines)), "utf-8", newline="\n")
    shutil.copy(ROOT / "notebooks" / name, tmp_path / "notebooks")
    monkeypatch.setenv("NMT_NOTEBOOK_SMALL", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # not the user's own settings
    notebook = read(name)
    resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(
        notebook, timeout=None, startup_timeout=600, kernel_name="python3", resources=resources
    ).execute()
    assert all(cell.execution_count for cell in code(notebook))


@every_notebook
def test_a_notebook_is_committed_with_the_outputs_of_its_code(name):
    """As `scripts/run_notebooks.py` writes them: of one run of this code, in order, without errors,
    without paths of a machine, and small."""
    assert list(SCRIPT["faults"](read(name))) == []


def executed(*cells):
    """A notebook of (code, output) pairs."""
    notebook = nbformat.v4.new_notebook()
    for count, (source, output) in enumerate(cells, 1):
        cell = nbformat.v4.new_code_cell(source, execution_count=count, outputs=[output])
        notebook.cells += [nbformat.v4.new_markdown_cell("text"), cell]
    notebook.metadata["code_of_outputs"] = SCRIPT["code_digest"](notebook)
    return notebook


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_outputs_that_are_in_step_have_no_faults():
    assert list(SCRIPT["faults"](executed(("1", printed("1")), ("2", printed("runs/a"))))) == []


def test_faults_of_outputs_are_found():
    def only_fault(notebook):
        (fault,) = SCRIPT["faults"](notebook)
        return fault

    edited = executed(("1", printed("1")))
    edited.cells[1].source = "2"
    assert "its code has changed" in only_fault(edited)
    twice = executed(("1", printed("1")), ("2", printed("2")))
    twice.cells[1].execution_count = 3
    assert "in order. Received: [3, 2]" in only_fault(twice)
    error = nbformat.v4.new_output("error", ename="KeyError", evalue="", traceback=[])
    assert only_fault(executed(("1", error))) == "cell 1 failed: KeyError"
    assert "/home/me/run" in only_fault(executed(("1", printed("saved in /home/me/run."))))
    result = nbformat.v4.new_output("execute_result", data={"text/plain": "'/tmp/x'"})
    assert "path of this machine" in only_fault(executed(("1", result)))
    assert "bytes, more than" in only_fault(executed(("1", printed("x" * 1_000_000))))


def test_outputs_are_tidied_before_they_are_written(tmp_path):
    outputs = [
        printed("WARNING: All log messages before absl::InitializeLog() is called\n", "stderr"),
        printed("I0000 00:00:17.5   95 port.cc:153] oneDNN is on.\n", "stderr"),
        printed("epoch 1\n", "stderr"),
        printed(f"{tmp_path}/runs/a\n"),
        printed("b\n"),
        nbformat.v4.new_output("execute_result", data={"text/plain": f"{tmp_path}/c"}),
    ]
    tidy = SCRIPT["tidied"](outputs, tmp_path)
    assert [(one.get("name"), one.get("text")) for one in tidy] == [
        ("stderr", "epoch 1\n"),
        ("stdout", "runs/a\nb\n"),
        (None, None),
    ]
    assert tidy[2].data["text/plain"] == "c"


@every_notebook
def test_a_notebook_uses_the_package_and_defines_nothing_of_its_own(name):
    tree = ast.parse("\n".join(cell.source for cell in code(read(name))))
    nodes = list(ast.walk(tree))
    assert not [
        node
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    assert [
        node
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nmt")
    ]


def test_the_readme_names_every_notebook():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert NOTEBOOKS and not [name for name in NOTEBOOKS if f"notebooks/{name}" not in readme]
