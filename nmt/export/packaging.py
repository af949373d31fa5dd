"""Writes a one-file model, NAME.nmt, from the int8 export of a run: see `nmt.runs.package`."""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

from nmt.config.loader import without_texts
from nmt.config.schema import SCORES
from nmt.errors import UserError
from nmt.export.int8 import as_integers
from nmt.export.onnx import export_onnx
from nmt.inference.onnx_artifact import (
    COMPACT_FORMAT,
    MAX_GOLDEN,
    MAX_GOLDEN_CHARACTERS,
    Export,
    Golden,
    file_name,
)
from nmt.inference.translator import Translator
from nmt.runs.onnx_sizes import check_sizes, read_graph
from nmt.runs.package import (
    DTYPES,
    GRAPHS,
    LIMITS,
    SUFFIX,
    GivenCard,
    Manifest,
    ModelCard,
    Package,
    Part,
    aligned,
)
from nmt.runs.run_folder import WEIGHTS, Run, load_arrays
from nmt.terminal import quoted
from nmt.text.lines import atomic_write

SMALL = 1024  # bytes; smaller constants stay in their graph
METADATA = ("format", "nmt", "python", "tensorflow", "keras", "seed", "casing")  # kept of run.json
DATE = (1980, 1, 1, 0, 0, 0)  # of the members: the same run makes the same file


@dataclass(frozen=True)
class PackageOptions:
    """What a package takes besides the run."""

    card: GivenCard = field(default_factory=GivenCard)
    golden: Sequence[str] = ()  # sentences to translate, in place of lines of the dev set
    dev: str | None = None  # see `export_onnx`


def export_package(run: Run, output: Path, options: PackageOptions | None = None) -> Package:
    """Writes the package of a run. The run is exported first, unless it has an export of its
    weights. Raises UserError if its int8 form failed the proof, or for a custom score."""
    options = options or PackageOptions()
    if output.suffix != SUFFIX:
        raise UserError(f"a package is a file NAME{SUFFIX}. Received: --output {output}.")
    if run.config.model.decoder.score not in SCORES:
        raise UserError(
            f"{run.path} has the score {run.config.model.decoder.score!r}, which is code of its"
            " own. A package holds no code: export it without --format package."
        )
    _check_golden(options.golden)
    export = _int8_export(run, options.dev)
    weights, _ = load_arrays(run.path / WEIGHTS)
    members, manifest = _members(run, export, weights, options)
    _write(output, members, manifest)
    return Package.open(output)


def _check_golden(golden: Sequence[str]) -> None:
    """Raises UserError for more or longer golden sentences than a package may hold."""
    longest = max(map(len, golden), default=0)
    if len(golden) > MAX_GOLDEN or longest > MAX_GOLDEN_CHARACTERS:
        raise UserError(
            f"a package holds at most {MAX_GOLDEN} golden sentences, of at most"
            f" {MAX_GOLDEN_CHARACTERS:,} characters: they are translated whenever it is loaded."
            f" Received: {len(golden):,}, of up to {longest:,} characters. Give --golden a file"
            " with fewer or shorter ones."
        )


def _int8_export(run: Run, dev: str | None) -> Export:
    export = Export.find(run.path)
    if export is None or export.is_outdated(run.path) or export.format < COMPACT_FORMAT:
        export = export_onnx(run, dev=dev)
    if "int8" not in export.golden:
        raise UserError(
            f"{export.folder} holds no int8, which was not close enough to float32, and a package"
            " needs it. Train longer, or use the export as it is; a site may have --precision"
            " float32."
        )
    return replace(export, precision="int8")


def _members(
    run: Run, export: Export, weights: Mapping[str, np.ndarray], options: PackageOptions
) -> tuple[dict[str, bytes], Manifest]:
    store = ArrayStore()
    graphs: dict[str, dict[str, int]] = {}
    splits: Splits = {}
    members: dict[str, bytes] = {}
    read = []
    for name in GRAPHS:
        model = onnx.load(export.folder / file_name(name, "int8"))
        _move_out_of_bodies(model.graph)
        graphs[name] = _take_initializers(model.graph, store)
        for height, divisions in _splits(model.graph, graphs[name]).items():
            splits.setdefault(height, set()).update(divisions)
        members[f"{name}.onnx"] = content = model.SerializeToString(deterministic=True)
        taken = {one.name: tuple(one.dims) for one in model.graph.initializer if one.external_data}
        read.append(read_graph(content, taken))
    try:
        check_sizes(*read)
    except ValueError as error:
        raise UserError(
            f"{run.path} cannot be packaged: {error}. Export it without --format package."
        ) from error
    variables = {name: _parts(array, splits, store) for name, array in weights.items()}
    members["weights.bin"] = store.content()
    metadata = {key: run.metadata[key] for key in METADATA if key in run.metadata}
    card = ModelCard(
        **options.card.model_dump(),
        source=run.config.data.source,
        target=run.config.data.target,
        parameters=sum(int(array.size) for array in weights.values()),
        dev_bleu=export.proof.bleu["int8"],
    )
    members |= {
        "config.yaml": without_texts(run.config).to_yaml().encode(),
        "run.json": _json(metadata),
        "export.json": _json(_record(run, export, options.golden)),
        "card.json": _json(card.model_dump()),
    }
    members["card.md"] = card.as_text(f"{card.source}-{card.target}").encode()
    for name in set(Run.tokenizer_names(run.config)):
        members[name] = (run.path / name).read_bytes()
    checksums = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(members.items())
    }
    return members, Manifest(checksums, store.described, graphs, variables)


def _record(run: Run, export: Export, golden: Sequence[str]) -> dict[str, Any]:
    """The record of the export, with the golden translations of int8 alone."""
    ones = [one for one in export.golden["int8"] if one.is_short]
    if golden:
        translator = Translator.greedy(run, export.engine("int8", run.forbidden_ids))
        ones = [
            Golden(one.source, one.text, one.candidates[0].log_prob)
            for one in translator.translate(golden)
        ]
        for one in ones:
            if not one.is_short:
                raise UserError(
                    "a package holds golden translations of at most"
                    f" {MAX_GOLDEN_CHARACTERS:,} characters. Received: one of"
                    f" {len(one.text):,}, of {quoted(one.source)}. Leave that sentence out."
                )
    return replace(export, golden={"int8": ones}).as_dict()


def _write(output: Path, members: Mapping[str, bytes], manifest: Manifest) -> None:
    everything = {"manifest.json": _json(asdict(manifest)), **members}
    for name, content in everything.items():  # before an older package is replaced
        if len(content) > (limit := LIMITS[name]):
            raise UserError(
                f"{output}: {name} would have {len(content):,} bytes, of at most {limit:,}. Give a"
                " shorter card, or fewer golden sentences."
            )
    with atomic_write(output) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, content in everything.items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content, compresslevel=9)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


# ----------------------------------------------------------------------------------------- weights

Splits = dict[int, set[tuple[int, ...]]]  # height of a matrix -> heights of its parts


class ArrayStore:
    """The content of weights.bin, in which equal arrays are stored once."""

    def __init__(self) -> None:
        self.described: list[dict[str, Any]] = []
        self._content = bytearray()
        self._indices: dict[tuple[Any, ...], int] = {}

    def add(self, array: np.ndarray) -> int:
        """The index of the array."""
        key = self._key(array)
        if key not in self._indices:
            self._indices[key] = len(self.described)
            dtype = key[0]
            self.described.append({"dtype": dtype, "shape": list(array.shape)})
            self._content += bytes(aligned(len(self._content)) - len(self._content))
            self._content += array.astype(DTYPES[dtype]).tobytes()
        return self._indices[key]

    def holds(self, array: np.ndarray) -> bool:
        return self._key(array) in self._indices

    def _key(self, array: np.ndarray) -> tuple[Any, ...]:
        (dtype,) = (name for name, dtype in DTYPES.items() if dtype == array.dtype)
        return dtype, array.shape, hashlib.sha256(array.tobytes()).digest()

    def content(self) -> bytes:
        return bytes(self._content)


def _move_out_of_bodies(graph: onnx.GraphProto) -> None:
    """Moves the large constants of loop bodies into the graph, whose names the bodies see: ONNX
    Runtime takes initialisers from outside for the main graph only."""
    for index, body in enumerate(_bodies(graph)):
        names = {one.name: f"body_{index}_{one.name}" for one in body.initializer if _is_large(one)}
        kept = [one for one in body.initializer if one.name not in names]
        for one in body.initializer:
            if one.name in names:
                moved = graph.initializer.add()
                moved.CopyFrom(one)
                moved.name = names[one.name]
        del body.initializer[:]
        body.initializer.extend(kept)
        for node in body.node:
            node.input[:] = [names.get(name, name) for name in node.input]


def _bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield attribute.g


def _is_large(constant: onnx.TensorProto) -> bool:
    kinds = (TensorProto.INT8, TensorProto.FLOAT)
    return constant.data_type in kinds and numpy_helper.to_array(constant).nbytes >= SMALL


def _take_initializers(graph: onnx.GraphProto, store: ArrayStore) -> dict[str, int]:
    """Takes the large constants out of a graph: their names and indices."""
    taken = {}
    for constant in graph.initializer:
        if _is_large(constant):
            taken[constant.name] = store.add(numpy_helper.to_array(constant))
            constant.ClearField("raw_data")
            constant.data_location = TensorProto.EXTERNAL
            constant.external_data.add(key="location", value="weights.bin")
    return taken


def _splits(graph: onnx.GraphProto, taken: Mapping[str, int]) -> Splits:
    """How `nmt.export.int8` has divided matrices."""
    starts: dict[str, list[tuple[int, int]]] = {}
    for constant in graph.initializer:
        if (match := re.fullmatch(r"(.*)_(\d+)_integer", constant.name)) and constant.name in taken:
            starts.setdefault(match[1], []).append((int(match[2]), constant.dims[0]))
    splits: Splits = {}
    for parts in starts.values():
        rows = tuple(height for _, height in sorted(parts))
        splits.setdefault(sum(rows), set()).add(rows)
    return splits


def _parts(array: np.ndarray, splits: Splits, store: ArrayStore) -> list[Part]:
    """A trained weight as arrays of the store: of those that the graphs have, if it is there."""
    array = np.asarray(array, np.float32)
    if array.ndim != 2 or min(array.shape) == 1:
        return [Part(store.add(array))]
    integers_JI, scale_I = as_integers(array.T)  # as embeddings
    as_rows = np.ascontiguousarray(integers_JI.T), scale_I[:, None]
    if all(map(store.holds, as_rows)):
        return [Part(*map(store.add, as_rows))]
    for heights in sorted(splits.get(len(array), ())):
        parts = [as_integers(rows) for rows in np.split(array, np.cumsum(heights)[:-1])]
        if all(store.holds(integers) for integers, _ in parts):
            return [Part(store.add(integers), store.add(scale)) for integers, scale in parts]
    return [Part(*map(store.add, as_integers(array)))]
