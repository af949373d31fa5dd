"""Runs the notebooks at full size, and writes them with their outputs, as they are committed.

    python scripts/run_notebooks.py [NAME ...]

They train in runs/notebooks: start the script again to go on where it was interrupted. A notebook
is replaced only once it ran from start to end and nothing is wrong with its outputs.
"""

import argparse
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
MAX_BYTES = 1_000_000

# What TensorFlow's libraries write before Python can silence them.
_NOISE = re.compile(r"^(WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ +\d+ ).*\n?", re.M)
_MACHINE = re.compile(r"/(?:home|root|tmp|Users|usr|opt|var)/[^\s'\"]*|site-packages[^\s'\"]*")


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code_digest(notebook: Any) -> str:
    code = "\n\n".join(cell.source for cell in code_cells(notebook))
    return hashlib.sha256(code.encode("utf-8")).hexdigest()[:16]


def faults(notebook: Any) -> Iterator[str]:
    """What is wrong with the outputs of a notebook that is to be committed."""
    cells = code_cells(notebook)
    if notebook.metadata.get("code_of_outputs") != code_digest(notebook):
        yield "its code has changed since it was run"
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        yield f"expected cells that were run once, in order. Received: {counts}"
    for number, cell in enumerate(cells, 1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {number} failed: {output.ename}"
            for text in texts_of(output):
                if found := _MACHINE.search(text):
                    yield f"cell {number} shows a path of this machine: {found[0]}"
    size = len(nbformat.writes(notebook).encode("utf-8"))
    if size >= MAX_BYTES:
        yield f"it has {size:,} bytes, more than {MAX_BYTES:,}"


def texts_of(output: Any) -> list[str]:
    if output.output_type == "stream":
        return [output.text]
    data = output.get("data", {})
    return [value for kind, value in data.items() if kind.startswith("text/")]


def run(notebook: Any, folder: Path) -> None:
    """Runs all cells in a folder. Raises CellExecutionError."""
    from nbclient import NotebookClient

    metadata = dict(notebook.metadata)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TQDM_DISABLE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "IPYTHONDIR": str(folder / ".ipython"),  # not the user's own settings
    }
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=600,
        kernel_name="python3",
        resources=resources,
        record_timing=False,
    ).execute()
    notebook.metadata = nbformat.from_dict(metadata)  # not the versions of this machine
    notebook.metadata["code_of_outputs"] = code_digest(notebook)
    for cell in code_cells(notebook):
        cell.outputs = tidied(cell.outputs, folder)


def tidied(outputs: list[Any], folder: Path) -> list[Any]:
    """The outputs, without noise and with relative paths. What one stream printed is one output."""
    tidy: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            previous = tidy[-1] if tidy else None
            if previous and previous.output_type == "stream" and previous.name == output.name:
                previous.text += output.text
            else:
                tidy.append(output)
        else:
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = relative(value, folder)
            tidy.append(output)
    for output in tidy:
        if output.output_type == "stream":
            output.text = relative(_NOISE.sub("", output.text), folder)
    return [one for one in tidy if one.output_type != "stream" or one.text.strip()]


def relative(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "").replace(f"{ROOT}/", "")


def main() -> None:
    names = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--output", type=Path, default=NOTEBOOKS, metavar="DIR")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"expected names among {', '.join(names)}. Received: {', '.join(unknown)}.")
    if "NMT_NOTEBOOK_SMALL" in os.environ and options.output.resolve() == NOTEBOOKS:
        parser.error("NMT_NOTEBOOK_SMALL is set: small runs are not committed. Give --output DIR.")
    size = "small" if "NMT_NOTEBOOK_SMALL" in os.environ else "full"
    failed = False
    for name in options.names or names:
        start = time.monotonic()
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        run(notebook, ROOT / "runs" / "notebooks" / size / name)
        if found := list(faults(notebook)):
            print(f"{name}: not written: {'; '.join(found)}", flush=True)
            failed = True
            continue
        options.output.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, options.output / f"{name}.ipynb")
        print(f"{name}: {(time.monotonic() - start) / 60:.1f} min", flush=True)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
