"""A run folder: everything that training writes and that translation reads.

config.yaml        the resolved config               best.npz     the weights with the best dev BLEU
run.json           versions, seed, fingerprints      history.csv, curve.png, train.log
tokenizer.model    (or source.model, target.model)   (needed only to train:)
corpus/            the encoded training text         checkpoints/ the last states of training
"""

import contextlib
import copy
import csv
import io
import json
import logging
import platform
import shlex
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from nmt.about import VERSION
from nmt.config.loader import Config, DecodingConfig, load_config
from nmt.errors import UserError
from nmt.text.characters import target_view
from nmt.text.lines import atomic_write, make_folder
from nmt.text.model_input import Casing, ModelInput
from nmt.text.placeholders import Copier
from nmt.text.tokenizer import COPY_IDS, Tokenizer

if TYPE_CHECKING:
    from nmt.model.seq2seq import Seq2Seq
    from nmt.runs.package import Package

WEIGHTS = "best.npz"  # the weights with the best dev BLEU
EXPORT_RECORD = "export.json"  # is in the folder of an ONNX export
FORMAT = 2  # of the folder; raised when older versions cannot read it


# What training writes: files, and folders with all that is in them.
_WRITTEN_FILES = (
    *("config.yaml", "run.json", "tokenizer.model", "source.model", "target.model", WEIGHTS),
    *("history.csv", "curve.png", "train.log", ".lock"),
)
_WRITTEN_FOLDERS = ("checkpoints", "corpus", "texts", "tensorboard", "onnx")


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ignores a full disk: training reports it once, where it stops."""


class Run:
    """An existing run folder. `Run.create` creates one, `Run.open` reads one.

    `allow_custom` is the user's permission to import a score MODULE:CLASS that the config names.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        allow_custom: bool = False,
    ):
        self.path, self.config, self.allow_custom = path, config, allow_custom
        self.source_tokenizer, self.target_tokenizer = source_tokenizer, target_tokenizer
        self.package: Package | None = None  # if `path` is not a folder but one file

    def with_decoding(self, decoding: DecodingConfig) -> "Run":
        """The same run with other options of decoding."""
        run = copy.copy(self)
        run.config = self.config.model_copy(update={"decoding": decoding})
        return run

    @classmethod
    def create(
        cls,
        path: Path,
        config: Config,
        source: Tokenizer,
        target: Tokenizer,
        metadata: Mapping[str, Any],
    ) -> "Run":
        """Creates a run. `metadata` (fingerprints of the data) is recorded in run.json, with the
        versions and the seed.

        Raises UserError if the folder holds a run already: nothing is ever overwritten.
        """
        if cls.exists(path):
            raise UserError(
                f"{path} already holds a run. Resume it with the same command, or choose another"
                " folder."
            )
        make_folder(path, "run folder")
        if config.tokenizer.joint:
            source.save(path / "tokenizer.model")
        else:
            source.save(path / "source.model")
            target.save(path / "target.model")
        run = cls(path, config, source, target)
        seed = config.training.seed
        run._write({"format": FORMAT, **cls.versions(), "seed": seed, **metadata})
        return run

    @property
    def name(self) -> str:
        return self.package.name if self.package else self.path.absolute().name

    def clear(self) -> None:
        """Removes what keeps another run from being created here; the encoded text stays."""
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        (self.path / "run.json").unlink()

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of Python and of the packages that may change a number."""
        names = ("tensorflow", "keras", "numpy", "sentencepiece", "sacrebleu")
        versions = {name: version(name) for name in names}
        return {"nmt": VERSION, "python": platform.python_version(), **versions}

    @staticmethod
    def exists(path: Path) -> bool:
        return (path / "run.json").is_file()

    @classmethod
    def open(cls, path: str | Path, allow_custom: bool = False) -> "Run":
        """Raises UserError, saying what is missing, if the folder is no run, incomplete, or from a
        newer version. Imports nothing that the config names."""
        path = Path(path)
        if not path.is_dir():
            raise UserError(
                f"{path}: no such run folder. Train one with `nmt train RECIPE --run"
                f" {shlex.quote(str(path))}`."
            )
        metadata = _read_json(path / "run.json")
        check_format(metadata, path)
        config = load_config(_existing(path / "config.yaml"), of_run=True)
        names = cls.tokenizer_names(config)
        tokenizers = {name: Tokenizer.load(_existing(path / name)) for name in names}
        source, target = (tokenizers[name] for name in names)
        run = cls(path, config, source, target, allow_custom)
        run.metadata = metadata
        return run

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What run.json records."""
        return _read_json(self.path / "run.json")

    def record_change(self, config: Config, metadata: Mapping[str, Any]) -> None:
        """Replaces the config, and adds `metadata` to run.json."""
        self.config = config
        self._write({**self.metadata, **metadata})

    def _write(self, metadata: dict[str, Any]) -> None:
        """Writes the config and run.json, whose presence says that the run has begun."""
        with atomic_write(self.path / "config.yaml", "w") as stream:
            stream.write(self.config.to_yaml())
        with atomic_write(self.path / "run.json", "w") as stream:
            json.dump(metadata, stream, indent=2)
        self.metadata = metadata

    @staticmethod
    def tokenizer_names(config: Config) -> list[str]:
        return (
            ["tokenizer.model"] * 2 if config.tokenizer.joint else ["source.model", "target.model"]
        )

    def initial_files(self) -> dict[str, bytes]:
        """Name -> content of the files of a run that is not trained yet: another worker's copy."""
        names = ["config.yaml", "run.json", *self.tokenizer_names(self.config)]
        return {name: (self.path / name).read_bytes() for name in names}

    def copier(self, dictionary: Mapping[str, str] | None = None) -> Copier:
        """Masks and restores the lines that this run's model translates. Raises UserError for a
        dictionary if the model has not learnt copy symbols (`copying.classes`)."""
        if dictionary and not self.config.copying.classes:
            raise UserError(
                f"{self.path} was trained without copy symbols, which a dictionary needs. Leave the"
                " dictionary out, or train a run with copying.classes set (`nmt recipes"
                " quickstart` shows how)."
            )
        return copier(self.config, self.source_tokenizer, self.model_input, dictionary)

    @cached_property
    def model_input(self) -> ModelInput:
        """How this run's model reads lines. UserError if run.json is damaged."""
        has_metadata = self.package is not None or self.exists(self.path)
        casing = self.metadata.get("casing", {}) if has_metadata else {}
        try:
            casings = {side: Casing.from_dict(record) for side, record in dict(casing).items()}
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.path / 'run.json'} is damaged: 'casing': {error}.") from error
        return model_input(self.config, casings)

    @property
    def forbidden_ids(self) -> list[int]:
        """Ids that search must never select; copy symbols among them unless the model has learnt
        them."""
        ids = self.target_tokenizer.forbidden_ids
        return [id for id in ids if id not in COPY_IDS] if self.config.copying.classes else ids

    def build_model(self, dtype: str = "float32") -> "Seq2Seq":
        """A new model of this run's config, seed and vocabularies. Raises UserError if it has a
        custom score and `allow_custom` is not set."""
        from nmt.model.seq2seq import Seq2Seq  # loads TensorFlow

        sizes = self.source_tokenizer.vocabulary_size, self.target_tokenizer.vocabulary_size
        return Seq2Seq(
            self.config.model,
            *sizes,
            seed=self.config.training.seed,
            dtype=dtype,
            allow_custom=self.allow_custom,
        )

    def weights_file(self) -> Path:
        """The file of trained weights. Raises UserError if there is none yet."""
        path = self.path / WEIGHTS
        if not path.is_file():
            refuse_export(self.path)
            has_begun = (self.path / "checkpoints").is_dir()
            hint = " Training stopped before its first evaluation." if has_begun else ""
            raise UserError(
                f"{self.path} is incomplete: {WEIGHTS} is missing.{hint} The same `nmt train`"
                " command resumes it."
            )
        return path

    def load_model(self) -> "Seq2Seq":
        """The model with its trained weights, in float32."""
        path = self.weights_file()
        weights, _ = load_arrays(path)
        model = self.build_model()
        assign({variable.path: variable for variable in model.trainable_variables}, weights, path)
        return model

    @contextlib.contextmanager
    def log_file(self) -> Iterator[None]:
        """Appends the package's log messages to train.log, too."""
        handler = _LogFile(self.path / "train.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        package = logging.getLogger("nmt")
        package.addHandler(handler)
        try:
            yield
        finally:
            package.removeHandler(handler)
            with contextlib.suppress(OSError):
                handler.close()

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rewrites history.csv with all `rows`."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        with atomic_write(self.path / "history.csv", "w") as stream:
            stream.write(text.getvalue())

    def read_history(self) -> list[dict[str, float]]:
        """The rows of history.csv. Raises UserError if it is damaged."""
        path = _existing(self.path / "history.csv")
        try:
            with open(path, encoding="utf-8", newline="") as stream:
                return [
                    {key: float(value) for key, value in row.items()}
                    for row in csv.DictReader(stream)
                ]
        except (ValueError, TypeError) as error:  # TypeError: too few or too many columns
            raise UserError(
                f"{path} is damaged: expected a number in each column. {error}. The same `nmt"
                " train` command writes it again."
            ) from error


def refuse_export(path: Path) -> None:
    """Raises UserError for a package and for the folder of an ONNX export: neither has weights to
    train or to convert."""
    if path.is_file() or (path / EXPORT_RECORD).is_file():
        others = " A package may be used with --format web and --init-from." * path.is_file()
        raise UserError(
            f"{path} is an export, which only translates. Name the run folder that it was made"
            f" from.{others}"
        )


def refuse_links(run: Path) -> None:
    """Raises UserError if a link would lead what training writes out of the folder, which may come
    from somebody else."""
    files = (run / name for name in (*_WRITTEN_FILES, *_WRITTEN_FOLDERS))
    inside = (path for name in _WRITTEN_FOLDERS for path in (run / name).rglob("*"))
    for path in chain(files, inside):
        if path.is_symlink():
            raise UserError(
                f"{path}: expected a file or folder of the run, which training may write to."
                f" Received: a link. Copy the run with `cp -rL`, or replace the link."
            )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(
            f"{path.parent} is not a complete run: {path.name} is missing. If its training was"
            " interrupted, the same `nmt train` command resumes it."
        )
    return path


def _read_json(path: Path) -> dict[str, Any]:
    text = _existing(path).read_bytes()
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged: expected a JSON object. {error}") from error


def check_format(metadata: Mapping[str, Any], path: Path) -> None:
    """Raises UserError for the run.json of a newer version."""
    number = metadata.get("format", 0)
    if not isinstance(number, int):
        raise UserError(f"{path} is damaged: expected a number as 'format', received {number!r}.")
    if number > FORMAT:
        raise UserError(
            f"{path} was written by nmt {metadata.get('nmt')} (format {number}); this"
            f" is nmt {VERSION}, which reads formats up to {FORMAT}. Upgrade nmt."
        )


def model_input(config: Config, casings: Mapping[str, Casing]) -> ModelInput:
    """How a model of this config reads lines; `casings` are those of "source" and "target"."""
    return ModelInput(
        config.data.model_input,
        config.data.target,
        casings.get("source", Casing()),
        casings.get("target", Casing()),
        target_view(**dict(config.data.typography)),
    )


def copier(
    config: Config,
    source: Tokenizer,
    view: ModelInput,
    dictionary: Mapping[str, str] | None = None,
) -> Copier:
    """What masks the lines of a model of this config; `source` is the source's tokenizer."""
    return Copier(
        config.copying.classes,
        source.unknown_characters,
        view,
        dictionary,
        (config.data.source, config.data.target),
        config.copying.translated,
    )


def check_compatible(runs: Sequence[Run]) -> None:
    """Raises UserError unless all runs encode lines to the same ids, so that their models can
    decode together."""
    first = runs[0]
    for other in runs[1:]:
        for side, ours, theirs in (
            ("source", first.source_tokenizer, other.source_tokenizer),
            ("target", first.target_tokenizer, other.target_tokenizer),
        ):
            if ours.fingerprint != theirs.fingerprint:
                raise UserError(
                    f"an ensemble needs one vocabulary. The {side} tokenizers of {first.path} and"
                    f" {other.path} differ: train with the same tokenizer and data."
                )
        settings = [(run.config.copying, run.config.data.model_input) for run in (first, other)]
        if settings[0] != settings[1]:
            raise UserError(
                f"the models of an ensemble must read a line alike. {first.path} and {other.path}"
                " differ in copying or data.model_input."
            )


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Writes named arrays and facts (JSON) as one .npz file, completely or not at all."""
    with atomic_write(path) as stream:
        _write_arrays(stream, arrays, facts)


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `save_arrays` wrote. Raises UserError if the file is damaged (each array carries a
    CRC-32)."""
    try:
        return _read_arrays(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except Exception as error:  # of a dozen kinds from zipfile and NumPy, depending on the damage
        raise UserError(
            f"{path} is damaged and cannot be read ({error}). Restore it, or train again."
        ) from error


def pack_arrays(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> bytes:
    """The bytes of the file that `save_arrays` would write."""
    stream = io.BytesIO()
    _write_arrays(stream, arrays, facts)
    return stream.getvalue()


def unpack_arrays(packed: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return _read_arrays(io.BytesIO(packed))


def _write_arrays(
    stream: IO[bytes], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> None:
    named: dict[str, Any] = {
        "facts.json": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        **arrays,
    }
    np.savez(stream, **named)


def _refuse_bombs(file: Path | IO[bytes]) -> None:
    """Raises ValueError for members that take more memory than the file has bytes: `np.savez`
    compresses none."""
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    if isinstance(file, Path):
        size = file.stat().st_size
    else:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ValueError("it is compressed")
    if sum(info.file_size for info in infos) > size:
        raise ValueError("its members are larger than the file")


def _read_arrays(file: Path | IO[bytes]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    _refuse_bombs(file)
    with np.load(file, allow_pickle=False) as stream:
        arrays = {name: stream[name] for name in stream.files}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name} is of type {array.dtype}, and not of numbers")
    return arrays, dict(json.loads(arrays.pop("facts.json").tobytes()))


def assign(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Assigns arrays to the variables of the same names: all of them, or none if any differs."""
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        differing = sorted(
            name for name in {*wanted, *found} if wanted.get(name) != found.get(name)
        )
        raise UserError(
            f"{path} does not fit this config: {len(differing)} arrays differ, the first"
            f" {differing[0]}: expected {wanted.get(differing[0])}, received"
            f" {found.get(differing[0])}."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
