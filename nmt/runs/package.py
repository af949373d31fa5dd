"""One-file models: NAME.nmt, a zip archive that translates with ONNX Runtime alone.

manifest.json                                   format, size and SHA-256 of the other members
config.yaml, run.json, the SentencePiece model(s)    as in a run
encoder.onnx, step.onnx, weights.bin            the int8 graphs, and the arrays that both share
export.json                                     the proof and the golden translations
card.json, card.md                              the model card

A package may come from a stranger. All of it is data: names come from a closed list, sizes are
limited, checksums are compared before anything is parsed, and no graph may name a file.
"""

import difflib
import hashlib
import json
import os
import shlex
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from nmt.about import VERSION
from nmt.config.loader import config_of_text
from nmt.config.schema import SCORES, Section
from nmt.errors import UserError
from nmt.runs.onnx_file import external_initializers
from nmt.runs.onnx_sizes import check_sizes, read_graph
from nmt.runs.run_folder import Run, check_format
from nmt.terminal import printable, quoted
from nmt.text.tokenizer import Tokenizer

SUFFIX = ".nmt"
MODELS_FOLDER = Path(str(resources.files("nmt.pretrained")))
FORMAT = 1  # raised when older versions cannot read it
GRAPHS = ("encoder", "step")
TOKENIZERS = ("tokenizer.model", "source.model", "target.model")
DTYPES: dict[str, np.dtype[Any]] = {"int8": np.dtype("int8"), "float32": np.dtype("<f4")}
ALIGNMENT = 64  # of the arrays in weights.bin, in bytes

MB = 2**20
# The largest size of each member. No other names are read.
LIMITS = {
    "manifest.json": 4 * MB,
    "config.yaml": 64 * 2**10,  # YAML takes long to parse
    "run.json": MB,
    "export.json": MB,
    "card.json": MB,
    "card.md": MB,
    **dict.fromkeys(TOKENIZERS, 32 * MB),
    **{f"{name}.onnx": 8 * MB for name in GRAPHS},
    "weights.bin": 512 * MB,
}
REQUIRED = LIMITS.keys() - set(TOKENIZERS)
# A zip bomb has 1,000 and more. Text of a megabyte hardly ever shrinks to a fiftieth.
MAX_RATIO = 100


class TextSource(Section):
    """A training text."""

    name: str
    licence: str
    attribution: str = ""
    url: str = ""


class CardScore(Section):
    """A score on a test set."""

    test_set: str
    metric: str
    score: float
    signature: str = ""


class GivenCard(Section):
    """What the author of a model says about it: `nmt export --card FILE.json`."""

    description: str = ""
    licence: str = ""  # of the training text as a whole
    sources: tuple[TextSource, ...] = ()
    scores: tuple[CardScore, ...] = ()
    limits: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "GivenCard":
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"])) or "expected a JSON object"
            raise UserError(f"{path}: {key}: {problem['msg']}.") from error


class ModelCard(GivenCard):
    """What a package says about its model."""

    source: str
    target: str
    parameters: Annotated[int, Field(ge=0, lt=10**12)]
    dev_bleu: float  # greedy, in 8 bits

    def as_text(self, name: str) -> str:
        """Markdown, without control characters, which could rewrite a terminal."""
        lines = [f"# {name}: {self.source} to {self.target}", ""]
        lines += [*self.description.splitlines(), ""] * bool(self.description)
        lines += [f"{self.parameters / 1e6:.1f} M parameters in 8 bits."]
        lines += [f"Licence of the training text: {self.licence}"] * bool(self.licence)
        lines += ["", "## Scores", ""]
        lines += [
            f"- {one.test_set}: {one.metric} {one.score:.2f}"
            + (f" ({one.signature})" if one.signature else "")
            for one in self.scores
        ]
        lines += [f"- development text: BLEU {self.dev_bleu:.2f} (greedy, as the package was made)"]
        if self.sources:
            lines += ["", "## Training text", ""]
        lines += [
            ", ".join(filter(None, (f"- {one.name}: {one.licence}", one.attribution, one.url)))
            for one in self.sources
        ]
        if self.limits:
            lines += ["", "## Limits", "", *(f"- {limit}" for limit in self.limits)]
        return "\n".join(map(printable, lines)) + "\n"


@dataclass(frozen=True)
class PackagedGraph:
    """An ONNX graph, and the initialisers that it does not hold itself."""

    where: str
    model: bytes
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """Some rows of a trained weight: an array, times a scale for each column or row of it."""

    array: int
    scale: int | None = None


@dataclass(frozen=True)
class Manifest:
    """manifest.json: how weights.bin is divided, and which arrays graphs and weights consist of."""

    members: dict[str, dict[str, Any]]  # size and sha256 of each
    arrays: list[dict[str, Any]]  # dtype and shape, in the order of weights.bin
    graphs: dict[str, dict[str, int]]  # graph -> initialiser -> array
    variables: dict[str, list[Part]]  # a trained weight -> its parts, one below the other
    format: int = FORMAT
    nmt: str = VERSION

    @classmethod
    def parse(cls, text: bytes, path: Path) -> "Manifest":
        try:
            record = json.loads(text)
            if record["format"] > FORMAT:
                raise UserError(f"{path} was made by a newer nmt. Upgrade nmt to use it.")
            variables = {
                str(name): [Part(**part) for part in parts]
                for name, parts in record.pop("variables").items()
            }
            manifest = cls(**record, variables=variables)
            for member in manifest.members.values():
                int(member["size"]), str(member["sha256"])
            return manifest
        except UserError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise damaged(path, "manifest.json cannot be read") from error


@dataclass(frozen=True)
class Package:
    """A package whose checksums are right. `Package.open` reads one."""

    path: Path
    manifest: Manifest
    members: dict[str, bytes] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> "Package":
        """Raises UserError for a file that is no package, damaged, or from a newer version."""
        try:
            if path.stat().st_size > sum(LIMITS.values()):
                raise damaged(path, "it is too large")
            with zipfile.ZipFile(path) as archive:
                infos = _checked_infos(archive, path)
                manifest = Manifest.parse(_read(archive, infos["manifest.json"], path), path)
                wanted = infos.keys() - {"manifest.json"}
                if manifest.members.keys() != wanted or not wanted >= REQUIRED - {"manifest.json"}:
                    raise damaged(path, "its members are not those of its manifest")
                members = {name: _read(archive, infos[name], path) for name in sorted(wanted)}
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
        except UserError:
            raise
        except Exception as error:  # of a dozen kinds from zipfile, depending on the damage
            raise damaged(path, "it is no whole zip archive") from error
        for name, content in members.items():
            expected = manifest.members[name]
            digest = hashlib.sha256(content).hexdigest()
            if (len(content), digest) != (expected["size"], expected["sha256"]):
                raise damaged(path, f"the checksum of {name} is wrong")
        return cls(path, manifest, members)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @cached_property
    def card(self) -> ModelCard:
        try:
            return ModelCard.model_validate_json(self.members["card.json"])
        except ValueError as error:
            raise damaged(self.path, "card.json cannot be read") from error

    def run(self) -> Run:
        """The run that was packaged, without its training. Custom scores are refused: no package
        runs code."""
        config = config_of_text(
            self.members["config.yaml"], f"{self.path}: config.yaml", of_run=True
        )
        if config.model.decoder.score not in SCORES:
            raise UserError(
                f"{self.path} names the score {quoted(config.model.decoder.score)}, which is not"
                " part of nmt. A package cannot have one: use the run folder."
            )
        try:
            metadata = dict(json.loads(self.members["run.json"]))
            check_format(metadata, self.path)
        except UserError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            raise damaged(self.path, "run.json cannot be read") from error
        names = Run.tokenizer_names(config)
        missing = [name for name in names if name not in self.members]
        if missing:
            raise damaged(self.path, f"{missing[0]} is missing")
        source, target = (Tokenizer(self.members[n], f"{self.path}: {n}") for n in names)
        run = Run(self.path, config, source, target)
        run.metadata, run.package = metadata, self
        return run

    def graphs(self) -> dict[str, PackagedGraph]:
        """The graphs `encoder` and `step`. Raises UserError if they would read any file, or fill
        the memory."""
        arrays, packaged, read = self._arrays, {}, []
        for name in GRAPHS:
            model = self.members[f"{name}.onnx"]
            try:
                given = {key: arrays[index] for key, index in self.manifest.graphs[name].items()}
                if external_initializers(model) != given.keys():
                    raise ValueError("its initialisers are not those of the manifest")
                read.append(read_graph(model, {key: one.shape for key, one in given.items()}))
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
                raise damaged(self.path, f"{name}.onnx cannot be used: {error}") from error
            packaged[name] = PackagedGraph(f"{self.path}: {name}.onnx", model, given)
        try:
            check_sizes(*read)
        except (ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise damaged(self.path, f"its graphs cannot be used: {error}") from error
        return packaged

    def weights(self) -> dict[str, np.ndarray]:
        """The trained weights by name, to train on from: those that translate, in 8 bits."""
        try:
            sizes = [
                self._arrays[part.array].nbytes
                for parts in self.manifest.variables.values()
                for part in parts
            ]
            if sum(sizes) > LIMITS["weights.bin"]:
                raise ValueError("they are too large")
            return {
                name: np.concatenate([self._values(part) for part in parts])
                for name, parts in self.manifest.variables.items()
            }
        except (ValueError, TypeError, IndexError) as error:
            raise damaged(self.path, f"its weights cannot be read: {error}") from error

    def array_places(self) -> list[tuple[int, int]]:
        """Where each array of weights.bin starts, and its size, in bytes."""
        places, start = [], 0
        for array in self._arrays:
            places.append((start, array.nbytes))
            start = aligned(start + array.nbytes)
        return places

    def _values(self, part: Part) -> np.ndarray:
        values = self._arrays[part.array].astype(np.float32)
        if part.scale is None:
            return values
        scale = self._arrays[part.scale]
        if np.broadcast_shapes(values.shape, scale.shape) != values.shape:
            raise ValueError("a scale has another shape than its array")
        return values * scale

    @cached_property
    def _arrays(self) -> list[np.ndarray]:
        """Views of weights.bin."""
        content, start, arrays = self.members["weights.bin"], 0, []
        try:
            for described in self.manifest.arrays:
                dtype, shape = DTYPES[described["dtype"]], [int(n) for n in described["shape"]]
                count = int(np.prod([1, *shape], dtype=object))
                if min([0, *shape]) < 0 or start + count * dtype.itemsize > len(content):
                    raise ValueError("weights.bin is too small")
                arrays.append(np.frombuffer(content, dtype, count, start).reshape(shape))
                start = aligned(start + count * dtype.itemsize)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise damaged(self.path, f"weights.bin cannot be read: {error}") from error
        return arrays


def aligned(position: int) -> int:
    """The start of the next array in weights.bin."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path} is damaged, or not a model of nmt: {printable(what)}. Get it again.")


def _checked_infos(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members by name. Nothing has been unpacked yet."""
    infos = {info.filename: info for info in archive.infolist()}
    if len(infos) < len(archive.infolist()) or not infos.keys() <= LIMITS.keys():
        unknown = sorted(infos.keys() - LIMITS.keys())
        raise damaged(path, f"unexpected member {unknown[0]!r}" if unknown else "double members")
    if "manifest.json" not in infos:
        raise damaged(path, "manifest.json is missing")
    for name, info in infos.items():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & 0x1 or kind not in (0, stat.S_IFREG):
            raise damaged(path, f"{name} is no plain file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(path, f"{name} is compressed in an unknown way")
        is_bomb = info.file_size > max(MB, MAX_RATIO * info.compress_size)
        if info.file_size > LIMITS[name] or is_bomb:
            raise damaged(path, f"{name} is too large")
    return infos


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    """A member, of the size that the archive says."""
    with archive.open(info) as stream:
        content = stream.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise damaged(path, f"{info.filename} is cut off")
    return content


# ------------------------------------------------------------------------------------------ finding


def installed_models() -> dict[str, Path]:
    """Name -> file of each model that ships with nmt."""
    return {path.stem: path for path in sorted(MODELS_FOLDER.glob(f"*{SUFFIX}"))}


def find_run(name: str | Path) -> Path:
    """The run folder, export or package that a user means: a path, or the name of an installed
    model. Raises UserError for a file of another kind, and with what there is, if there is no such
    thing."""
    path, models = Path(os.path.expanduser(name)), installed_models()
    # A folder or file of that name may hold text of these languages.
    is_run = any((path / file).is_file() for file in ("run.json", "config.yaml"))
    is_run |= path.is_file() and zipfile.is_zipfile(path)
    if str(name) in models and not is_run:
        return models[str(name)]
    if path.is_file() and path.suffix != SUFFIX and not _has_manifest(path):
        raise UserError(
            f"{path} is no model. To translate a file: nmt translate {next(iter(models), 'RUN')}"
            f" --input {shlex.quote(str(path))}"
        )
    if path.exists():
        return path
    hint = _nearest(path, models)
    if " " in str(name).strip() and not hint:
        raise UserError(
            f"{name}: no such run folder. To translate a sentence, pipe it: echo"
            f" {shlex.quote(str(name))} | nmt translate {next(iter(models), 'RUN')}"
        )
    if path.suffix == SUFFIX:
        raise UserError(f"{path}: no such file.{hint}{_list_of(models)}")
    raise UserError(
        f"{path}: no such run folder.{hint} Train one with `nmt train RECIPE --run"
        f" {shlex.quote(str(path))}`.{_list_of(models)}"
    )


def _nearest(path: Path, models: Iterable[str]) -> str:
    """A sentence that suggests the model, or the run or package beside `path`, of the most similar
    name; "" if none is similar."""
    beside = [file.parent for file in path.parent.glob("*/run.json")]
    beside += path.parent.glob(f"*{SUFFIX}")
    names = {name.lower(): name for name in models}
    names |= {one.name.lower(): str(one) for one in beside}
    best = difflib.get_close_matches(path.name.lower(), names, n=1)
    return f" Did you mean '{names[best[0]]}'?" if best else ""


def _list_of(models: Mapping[str, Path]) -> str:
    return f" Installed models: {', '.join(models)}." if models else " No models are installed."


def open_run(name: str | Path, allow_custom: bool = False) -> Run:
    """Opens what `find_run` finds."""
    path = find_run(name)
    return Package.open(path).run() if path.is_file() else Run.open(path, allow_custom)


def _has_manifest(path: Path) -> bool:
    """Whether a file is a zip archive, as documents are, with the manifest of a package."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "manifest.json" in archive.namelist()
    except OSError:  # `Package.open` reports it
        return True
    except Exception:  # of a dozen kinds from zipfile, depending on the damage
        return False
