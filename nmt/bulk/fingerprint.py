"""Identifies a model by the content of the files that it translates with, wherever they lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.inference.onnx_artifact import file_name, select_export
from nmt.runs.package import open_run
from nmt.runs.run_folder import Run
from nmt.text.lines import file_fingerprint


def fingerprint(
    runs: Sequence[str | Path],
    engine: str | None = None,
    precision: str | None = None,
    dictionary: Path | None = None,
    allow_custom: bool = False,
) -> dict[str, Any]:
    """The same for models that translate alike, given the arguments of `Translator.load`; several
    runs are an ensemble."""
    opened = [open_run(path, allow_custom) for path in runs]
    record: dict[str, Any] = {"models": [_of_run(run, engine, precision) for run in opened]}
    if dictionary:
        record["dictionary"] = file_fingerprint([dictionary])
    return record


def _of_run(run: Run, engine: str | None, precision: str | None) -> str:
    if run.package:
        return f"int8 {file_fingerprint([run.path])}"
    files = ["config.yaml", "run.json", *dict.fromkeys(run.tokenizer_names(run.config))]
    paths = [run.path / name for name in files]
    selected = select_export(run, engine, precision)
    if selected is None:
        return f"keras {file_fingerprint([*paths, run.weights_file()])}"
    export, precision = selected
    paths += [export.folder / file_name(graph, precision) for graph in ("encoder", "step")]
    return f"{precision} {file_fingerprint(paths)}"
