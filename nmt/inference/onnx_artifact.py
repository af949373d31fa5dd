"""An ONNX export: a folder that translates without TensorFlow, and the record of its proof.

config.yaml, run.json, the SentencePiece model(s)    copied from the run
encoder.float32.onnx, step.float32.onnx              and the same for int8, if that was proved
export.json                                          fingerprint of the weights, proof, golden lines
"""

import json
import logging
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import LineError, UserError
from nmt.runs.package import Package, damaged
from nmt.runs.run_folder import EXPORT_RECORD, WEIGHTS, Run
from nmt.terminal import printable, quoted
from nmt.text.lines import atomic_write, file_fingerprint

if TYPE_CHECKING:
    from nmt.inference.onnx_engine import OnnxEngine

logger = logging.getLogger(__name__)

# Formats 1 (forbidden ids in the graphs), 2 (more computed in each step) and 3 (tables of products
# in int8) are read as well.
FORMAT = 4
COMPACT_FORMAT = 4  # the first whose int8 graphs hold each weight once, in 8 bits
ENGINES = ("keras", "onnx")
PRECISIONS = ("float32", "int8")
FOLDER = "onnx"  # of a run
LOG_PROB_TOLERANCE = 0.05  # of a golden translation: processors round differently
# Of the golden translations in a package, which are checked whenever it is loaded.
MAX_GOLDEN, MAX_GOLDEN_CHARACTERS = 32, 1000


@dataclass(frozen=True)
class Golden:
    """A greedy translation, recorded when the export was made."""

    source: str
    text: str
    log_prob: float

    @property
    def is_short(self) -> bool:
        """Whether a package may hold it."""
        return max(len(self.source), len(self.text)) <= MAX_GOLDEN_CHARACTERS


@dataclass(frozen=True)
class Proof:
    """How the export compares with Keras on the dev set."""

    largest_difference: float  # of any number of the encoder or the steps
    lines: int
    bleu: dict[str, float]  # greedy, by precision, and "keras"
    changed: float | None  # share of lines that change with the batch size in int8
    # By how much int8's cross-entropy exceeds that of float32, in nats per token of the references
    int8_loss: float | None = None


@dataclass(frozen=True)
class Export:
    """A proved export. `Export.find` reads that of a run, `select_export` decides whether to use
    it."""

    folder: Path
    weights: str
    precision: str  # the default
    golden: dict[str, list[Golden]]  # by precision; one that is missing may not be used
    proof: Proof
    versions: dict[str, str]
    format: int = FORMAT

    @classmethod
    def find(cls, run: Path) -> "Export | None":
        """The export in the folder of a run, or the folder itself if it is an export. Raises
        UserError if it is damaged or too new."""
        folder = next((f for f in (run, run / FOLDER) if (f / EXPORT_RECORD).is_file()), None)
        if folder is None:
            return None
        try:
            return cls(folder=folder, **_parsed((folder / EXPORT_RECORD).read_bytes(), folder))
        except UserError:
            raise
        except _NO_RECORD as error:
            raise UserError(
                f"{folder / 'export.json'} is damaged. Write it again with `nmt export`."
            ) from error

    def as_dict(self) -> dict[str, Any]:
        """What export.json records."""
        record = asdict(self)
        del record["folder"]
        return record

    def save(self) -> None:
        with atomic_write(self.folder / EXPORT_RECORD, "w") as stream:
            json.dump(self.as_dict(), stream, indent=2, ensure_ascii=False)

    def engine(self, precision: str, forbidden_ids: Sequence[int]) -> "OnnxEngine":
        return open_engine(self.folder, precision, forbidden_ids)

    @property
    def advice(self) -> str:
        """What to do if it translates otherwise than when it was made."""
        return " Write it again with `nmt export`, which proves it anew."

    def damaged(self, what: str) -> UserError:
        return UserError(
            f"{self.folder} is damaged: {printable(what)}. Write it again with `nmt export`."
        )

    def is_outdated(self, run: Path) -> bool:
        """Whether the run has other weights now. A folder with the export only has none."""
        weights = run / WEIGHTS
        return weights.is_file() and file_fingerprint([weights]) != self.weights

    def check(self, precision: str, translate: Callable[[list[str]], Sequence[Any]]) -> None:
        """Translates the golden lines again, and warns if the result has changed, for example after
        an upgrade. Raises UserError if they cannot be translated."""
        golden = self.golden[precision]
        try:
            translations = translate([one.source for one in golden])
        except LineError as error:  # of a line that the user did not write
            what = f"its stored translations fail ({error.message.rstrip('.')})"
            raise self.damaged(what) from error
        candidates = [translation.candidates[0] for translation in translations]
        for one, candidate in zip(golden, candidates, strict=True):
            if (
                candidate.text != one.text
                or abs(candidate.log_prob - one.log_prob) > LOG_PROB_TOLERANCE
            ):
                logger.warning(
                    f"{self.folder} ({precision}) does not translate as it did when it was"
                    f" exported: {quoted(one.source)} was {quoted(one.text)} ({one.log_prob:.3f}),"
                    f" is {quoted(candidate.text)} ({candidate.log_prob:.3f}). Exported with"
                    f" {', '.join(f'{name} {version}' for name, version in self.versions.items())}."
                    + self.advice
                )
                return


@dataclass(frozen=True, kw_only=True)
class PackagedExport(Export):
    """The export in a package."""

    package: Package

    @property
    def advice(self) -> str:
        return " Another processor may round otherwise; if more than this differs, report it."

    def damaged(self, what: str) -> UserError:
        return damaged(self.folder, what)

    @classmethod
    def of(cls, package: Package) -> "PackagedExport":
        path = package.path
        try:
            record = _parsed(package.members["export.json"], path)
            if set(record["golden"]) != {"int8"}:
                raise ValueError("golden translations of another precision")
            golden = record["golden"]["int8"]
            if len(golden) > MAX_GOLDEN or not all(one.is_short for one in golden):
                raise damaged(
                    path,
                    f"export.json has {len(golden):,} stored translations. Expected at most"
                    f" {MAX_GOLDEN}, of at most {MAX_GOLDEN_CHARACTERS:,} characters",
                )
            return cls(folder=path, package=package, **record)
        except UserError:
            raise
        except _NO_RECORD as error:
            raise damaged(path, "export.json cannot be read") from error

    def engine(self, precision: str, forbidden_ids: Sequence[int]) -> "OnnxEngine":
        from nmt.inference.onnx_engine import OnnxEngine  # loads ONNX Runtime

        graphs = self.package.graphs()
        try:
            return OnnxEngine(**graphs, forbidden_ids=forbidden_ids)
        except UserError:
            raise
        except Exception as error:  # graphs with other inputs and outputs
            raise self.damaged("its graphs are not those of a translator") from error


# What `_parsed` raises for a record that is no record of an export.
_NO_RECORD = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)


def _parsed(text: bytes, where: Path) -> dict[str, Any]:
    """The fields of an Export that export.json records."""
    record = json.loads(text)
    if record["format"] > FORMAT:
        raise UserError(f"{where} was exported by a newer nmt. Upgrade nmt to use it.")
    record["golden"] = {
        name: [Golden(**one) for one in ones] for name, ones in record["golden"].items()
    }
    if not {record["precision"]} | record["golden"].keys() <= set(PRECISIONS):
        raise ValueError("expected the precisions float32 and int8")
    for one in chain.from_iterable(record["golden"].values()):
        if not (isinstance(one.source, str) and isinstance(one.text, str)):
            raise TypeError("expected lines of text as golden translations")
        if not math.isfinite(one.log_prob):
            raise ValueError("expected a finite number as log-probability")
    versions = record["versions"].items()
    record["versions"] = {printable(str(name)): printable(str(one)) for name, one in versions}
    return {**record, "proof": Proof(**record["proof"])}


def open_engine(folder: Path, precision: str, forbidden_ids: Sequence[int]) -> "OnnxEngine":
    from nmt.inference.onnx_engine import OnnxEngine  # loads ONNX Runtime

    encoder, step = (folder / file_name(graph, precision) for graph in ("encoder", "step"))
    return OnnxEngine(encoder, step, forbidden_ids)


def file_name(graph: str, precision: str) -> str:
    return f"{graph}.{precision}.onnx"


def select_export(
    run: Path | Run, engine: str | None = None, precision: str | None = None
) -> tuple[Export, str] | None:
    """The export to use and its precision, or None for Keras. The default is ONNX if there is an
    export of the run's present weights. Raises UserError for an export or a combination that does
    not exist."""
    package = run.package if isinstance(run, Run) else None
    run = run.path if isinstance(run, Run) else run
    if engine not in (None, *ENGINES) or precision not in (None, *PRECISIONS):
        raise UserError(
            f"expected an engine of {', '.join(ENGINES)} and a precision of"
            f" {', '.join(PRECISIONS)}. Received: {engine}, {precision}."
        )
    if package:
        if engine == "keras" or precision == "float32":
            raise UserError(
                f"{run} is a package, which translates in int8 with the engine onnx. Leave out"
                " --engine and --precision."
            )
        return PackagedExport.of(package), "int8"
    if engine == "keras":
        if precision == "int8":
            raise UserError("Keras translates in float32. For int8 choose the engine onnx.")
        return None
    export = Export.find(run)
    outdated = export is not None and export.is_outdated(run)
    if export is None or outdated:
        what = "an ONNX export of older weights" if outdated else "no ONNX export"
        command = f"nmt export {shlex.quote(str(run))}"
        if engine == "onnx" or precision == "int8":
            raise UserError(f"{run} holds {what}. Write one with `{command}`.")
        if (run / WEIGHTS).is_file():  # else there is nothing to export or to translate with
            logger.info(f"{run} holds {what}: translating with Keras. `{command}` makes it faster.")
        return None
    precision = precision or export.precision
    if precision not in export.golden:
        raise UserError(
            f"{export.folder} holds no {precision}: it was not close enough to Keras. Use float32."
        )
    return export, precision
