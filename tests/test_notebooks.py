"""The notebooks run from start to end, at their small setting, on a little of the corpus."""

import ast
import os
import shutil
from itertools import islice
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
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
def test_a_notebook_is_committed_without_outputs(name):
    assert not [cell for cell in code(read(name)) if cell.outputs or cell.execution_count]


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
