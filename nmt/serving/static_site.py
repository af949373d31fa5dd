"""The page as a static folder that translates in the browser: `nmt export RUN --format web`.

index.html, page.css, *.js   the server's page, but for server.js, which asks a worker instead
worker/*.js                  the translator: the modules of `nmt/serving/browser`
model/                       settings.json, tokenizers, graphs, and weights.bin of an int8 model
onnxruntime/                 ONNX Runtime for the browser, from the npm package onnxruntime-web
service_worker.js            keeps all of it for use offline

Large files are stored gzip-compressed, and inflated by the page: few hosts compress them.
"""

import gzip
import hashlib
import html
import json
import logging
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from nmt.config.schema import DecodingConfig
from nmt.errors import UserError
from nmt.inference.onnx_artifact import file_name, select_export
from nmt.runs.package import GRAPHS, Package
from nmt.runs.run_folder import Run
from nmt.text.language_id import language_name
from nmt.text.lines import atomic_write, make_folder

logger = logging.getLogger(__name__)

ONNXRUNTIME_WEB = "onnxruntime-web@1.30.0"  # the release that was tested
RUNTIME_MODULE = "ort.wasm.bundle.min.mjs"
RUNTIME_BINARY = "ort-wasm-simd-threaded.wasm"  # the smallest one: for processors only
SETTINGS = "model/settings.json"

# `connect-src` is for the model, `img-src` for the icon.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "worker-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
)
FOOTER = "Translated on this device: nothing that you type leaves it."
# Options of search that the browser does not have, and their values where they are off.
LEFT_OUT = {"num_beam_groups": 1, "mbr": 0.0, "sampling": False}


@dataclass(frozen=True)
class RuntimeFiles:
    """ONNX Runtime for the browser."""

    module: bytes
    binary: bytes


def export_site(run: Run, output: Path, runtime: RuntimeFiles, precision: str | None = None) -> int:
    """Writes the site of a package, or of a run with an ONNX export, and returns its size in bytes.

    Raises UserError if `output` holds something else than a site.
    """
    if output.exists() and not (output / SETTINGS).is_file() and any(output.iterdir()):
        raise UserError(f"{output} is not empty, and no site of nmt. Choose another --output.")
    for name, off in LEFT_OUT.items():
        if getattr(run.config.decoding, name) != off:
            logger.warning("decoding.%s is left out: the browser searches with a plain beam", name)
    files = {**_runtime(runtime), **_model(run, precision), **_page(run)}
    # Written first: it marks the folder of an interrupted export as a site, too.
    files = {SETTINGS: _settings(run, files), **files}
    files["service_worker.js"] = _service_worker(files)
    for name, content in files.items():
        make_folder((output / name).parent)
        with atomic_write(output / name) as stream:
            stream.write(content)
    for folder in ("worker", "model", "onnxruntime"):
        for path in (output / folder).iterdir():
            if path.is_file() and f"{folder}/{path.name}" not in files:
                path.unlink()  # of an earlier site
    return sum(map(len, files.values()))


# ---------------------------------------------------------------------------------------- the model


def _model(run: Run, precision: str | None) -> dict[str, bytes]:
    source, target = run.tokenizer_names(run.config)
    models = {source: run.source_tokenizer.model, target: run.target_tokenizer.model}
    if run.package:
        if precision == "float32":
            raise UserError(f"{run.path} is a package, which holds int8 only. Leave out float32.")
        graphs = _packaged_graphs(run.package)
        models["weights.bin"] = run.package.members["weights.bin"]
    else:
        chosen = select_export(run, "onnx", precision)
        if chosen is None:
            raise RuntimeError("expected an export: asked for onnx, select_export finds or raises")
        export, precision = chosen
        graphs = {
            name: (export.folder / file_name(name, precision)).read_bytes() for name in GRAPHS
        }
    files = {f"{name}.onnx": content for name, content in graphs.items()} | models
    return {f"model/{name}": _compressed(content) for name, content in files.items()}


def _settings(run: Run, files: Mapping[str, bytes]) -> bytes:
    source, target = run.tokenizer_names(run.config)
    settings = {
        **settings_of(run),
        "files": {
            "source": source,
            "target": target,
            "weights": "weights.bin" if "model/weights.bin" in files else None,
        },
        "bytes": sum(map(len, files.values())),  # to be loaded
    }
    return json.dumps(settings, ensure_ascii=False, indent=1).encode()


def settings_of(run: Run) -> dict[str, Any]:
    """What the browser needs to know of a run: `Settings` of nmt/serving/browser/translator.js."""
    view = run.model_input
    languages = run.config.data.source, run.config.data.target
    return {
        "source": languages[0],
        "target": languages[1],
        "names": {code: language_name(code) for code in languages},
        "model_input": view.kind,
        "casing": view.source_casing.as_dict(),
        "copying": list(run.config.copying.classes),
        "translated": list(run.config.copying.translated),
        "forbidden_ids": run.forbidden_ids,
        "vocabulary_size": run.target_tokenizer.vocabulary_size,
        "decoding": _decoding(run.config.decoding),
    }


def _decoding(options: DecodingConfig) -> dict[str, Any]:
    return {name: value for name, value in options.model_dump().items() if name not in LEFT_OUT}


def _packaged_graphs(package: Package) -> dict[str, bytes]:
    """The graphs of a package, which say where in weights.bin their arrays are: ONNX Runtime for
    the browser takes external arrays from a file only."""
    try:
        import onnx
    except ImportError as error:
        raise UserError(
            "a site of a package needs the package `onnx`. Install nmt with its dependencies."
        ) from error
    places, graphs = package.array_places(), {}
    for name, graph in package.graphs().items():
        model = onnx.load_from_string(graph.model)
        for constant in model.graph.initializer:
            if (index := package.manifest.graphs[name].get(constant.name)) is not None:
                offset, length = places[index]
                constant.external_data.add(key="offset", value=str(offset))
                constant.external_data.add(key="length", value=str(length))
        graphs[name] = model.SerializeToString(deterministic=True)
    return graphs


def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


# ---------------------------------------------------------------------------------------- the page


def _page(run: Run) -> dict[str, bytes]:
    static = resources.files("nmt.serving").joinpath("static")
    browser = resources.files("nmt.serving").joinpath("browser")
    files = {one.name: one.read_bytes() for one in static.iterdir() if one.is_file()}
    names = [language_name(code) for code in (run.config.data.source, run.config.data.target)]
    title = f"nmt: {names[0]} to {names[1]}, in this browser"
    files["index.html"] = _html(files["index.html"].decode(), title).encode()
    for one in browser.iterdir():
        in_page = one.name in ("server.js", "service_worker.js")
        files[one.name if in_page else f"worker/{one.name}"] = one.read_bytes()
    return files


def _html(page: str, title: str) -> str:
    """The server's page with a policy, which no server adds, and without its API."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    changes = {  # what comes between the two groups
        r'(<meta charset="utf-8">)()': f"\n  {policy}",
        r"(<title>).*?(</title>)": html.escape(title),
        r"(<noscript>.*?JavaScript\.).*?(</p>)": "",
        r"(<footer[^>]*>).*?(</footer>)": FOOTER,
    }
    for pattern, text in changes.items():
        page, count = re.subn(pattern, partial(_filled, text), page, flags=re.DOTALL)
        if count != 1:
            raise RuntimeError(f"index.html has {count} places for {pattern!r}, and should have 1")
    return page


def _filled(text: str, match: re.Match[str]) -> str:
    """A function, as backslashes have a meaning in a replacement."""
    return f"{match[1]}{text}{match[2]}"


def _service_worker(files: Mapping[str, bytes]) -> bytes:
    """With the names of all files, and a version that changes with any of them."""
    digest = hashlib.sha256()
    names = sorted(name for name in files if name != "service_worker.js")
    for name in (*names, "service_worker.js"):
        digest.update(name.encode() + hashlib.sha256(files[name]).digest())
    paths = ["./" if name == "index.html" else name for name in names]
    text = files["service_worker.js"].decode()
    for old, new in (
        ('const VERSION = "";', f'const VERSION = "{digest.hexdigest()[:16]}";'),
        ("const FILES = [];", f"const FILES = {json.dumps(paths)};"),
    ):
        if text.count(old) != 1:
            raise RuntimeError(f"service_worker.js should have one line {old!r}")
        text = text.replace(old, new)
    return text.encode()


# ------------------------------------------------------------------------ ONNX Runtime for browsers


def _runtime(files: RuntimeFiles) -> dict[str, bytes]:
    # A host that does not know .mjs sends it as a download; and .wasm would promise what is not
    # gzip-compressed.
    return {
        "onnxruntime/ort.js": files.module,
        "onnxruntime/ort.wasm.bin": _compressed(files.binary),
    }


def read_runtime(path: Path | None = None) -> RuntimeFiles:
    """ONNX Runtime for the browser: from a folder or an archive of the npm package
    onnxruntime-web, or by `npm pack`. Raises UserError if it is not to be had."""
    if path is not None:
        return _read_runtime(path)
    if not shutil.which("npm"):
        raise UserError(
            f"{ONNXRUNTIME_WEB} is fetched with npm, which is not installed. Install Node.js, or"
            " name a folder or an archive of the npm package with --onnxruntime-web PATH."
        )
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, ONNXRUNTIME_WEB]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(
                f"`npm pack {ONNXRUNTIME_WEB}` failed: {reason}. Without network, name a folder or"
                " an archive of the npm package with --onnxruntime-web PATH."
            )
        return _read_runtime(archives[0])


def _read_runtime(path: Path) -> RuntimeFiles:
    try:
        if path.is_dir():
            found = next(f for f in (path / "dist", path / "package" / "dist", path) if f.is_dir())
            return RuntimeFiles(
                *((found / n).read_bytes() for n in (RUNTIME_MODULE, RUNTIME_BINARY))
            )
        with tarfile.open(path) as archive:
            streams = [
                archive.extractfile(f"package/dist/{name}")
                for name in (RUNTIME_MODULE, RUNTIME_BINARY)
            ]
            module, binary = (stream.read() if stream else b"" for stream in streams)
            return RuntimeFiles(module, binary)
    except Exception as error:  # of a dozen kinds from tarfile, depending on the damage
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{path}: expected the npm package onnxruntime-web, with dist/{RUNTIME_MODULE} and"
            f" dist/{RUNTIME_BINARY}. Received: {reason}."
        ) from error
