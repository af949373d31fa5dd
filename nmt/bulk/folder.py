"""A folder of translated shards that several processes may fill.

NAME-00000.fr                 the translation of a shard: complete, or not there
manifests/NAME-00000.json     its checksums, and those of the source, the run and the options
manifests/NAME-00000.lock     locked by the process that translates the shard

A shard counts as translated if its manifest is there and agrees with the file, the source and the
settings. The lock disappears with its process, and is held only to avoid double work: files are
replaced atomically, so that two processes without it would write the same bytes twice.

A manifest may come from anybody: the file that it names is removed only if it is in this folder and
has the name of the shard.
"""

import contextlib
import errno
import fcntl
import gzip
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from nmt.about import VERSION
from nmt.bulk.shards import Shard
from nmt.errors import UserError
from nmt.text.lines import (
    atomic_write,
    left_over_temporaries,
    make_folder,
    refuse_overwriting,
    text_path,
)

logger = logging.getLogger(__name__)

MANIFESTS = "manifests"
# What file systems without locks answer.
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)
# What reading a damaged manifest raises.
_DAMAGED = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class OtherSettings(UserError):
    """A shard was translated with another run, other options or another version. The same is to be
    expected of the following shards."""


class Claim:
    """The right to translate a shard."""

    def __init__(self, path: Path, stream: IO[bytes], is_locked: bool):
        self._path, self._stream, self.is_locked = path, stream, is_locked

    @classmethod
    def take(cls, path: Path) -> "Claim | None":
        """None if another process holds it."""
        try:
            stream = open(path, "ab")  # noqa: SIM115  open as long as the claim is held
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                stream.close()
                raise
            return cls(path, stream, is_locked=False)
        return cls(path, stream, is_locked=True)

    def release(self, is_complete: bool) -> None:
        """The file of a complete shard is removed: who locks a removed file finds the shard
        complete."""
        if is_complete:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._stream.close()


@dataclass(frozen=True)
class Settings:
    """What decides how a source is translated, as JSON: it must be the same for all shards."""

    run: Mapping[str, Any]
    options: Mapping[str, Any]


class ShardWriter:
    """Writes the records of a shard and computes their checksum."""

    def __init__(self, stream: IO[bytes], compressed: bool):
        self._stream, self._digest = stream, hashlib.sha256()
        # No name and no time in the header: the same lines make the same bytes.
        self._gzip = (
            gzip.GzipFile(filename="", fileobj=self, mode="wb", mtime=0)  # type: ignore[call-overload]
            if compressed
            else None
        )
        self.num_records = 0

    def write(self, data: bytes) -> int:
        """Bytes of the file, compressed if they are."""
        self._digest.update(data)
        return self._stream.write(data)

    def write_records(self, records: Sequence[str]) -> None:
        """One record for each line of the source: a line, or the lines of an n-best list."""
        data = "".join(f"{record}\n" for record in records).encode()
        (self._gzip or self).write(data)
        self.num_records += len(records)

    def finish(self) -> str:
        """The checksum of the whole file."""
        if self._gzip:
            self._gzip.close()
        return self._digest.hexdigest()


class OutputFolder:
    """Translations of shards, with `suffix` (such as `.fr`) and, where the source is compressed,
    `.gz`.

    With `overwrite` shards of another source, run or options are translated again, and those that
    a source no longer has are removed; otherwise they are a UserError.
    """

    def __init__(self, path: Path, suffix: str, settings: Settings, overwrite: bool = False):
        self.path, self._suffix, self._overwrite = path, suffix, overwrite
        self._protected: dict[tuple[int, int] | None, Path] = {}  # by identity
        # As it is read back from a manifest.
        self._settings = json.loads(json.dumps({"run": settings.run, "options": settings.options}))

    def create(self) -> None:
        make_folder(self.path / MANIFESTS)

    def target(self, shard: Shard) -> Path:
        return self._target(shard.name, shard.source)

    def _target(self, name: str, source: Path) -> Path:
        compression = ".gz" if source.suffix == ".gz" else ""
        return self.path / f"{name}{self._suffix}{compression}"

    def manifest(self, name: str) -> Path:
        return self.path / MANIFESTS / f"{name}.json"

    def _lock(self, shard: Shard) -> Path:
        return self.path / MANIFESTS / f"{shard.name}.lock"

    def _recorded_target(self, name: str) -> Path | None:
        """The file that the manifest of a shard names, if it is one of that shard."""
        try:
            file = json.loads(self.manifest(name).read_bytes())["target"]["file"]
            suffix = file.removeprefix(f"{name}.")
        except _DAMAGED:
            return None
        is_ours = suffix != file and "/" not in suffix and suffix.isprintable()
        return self.path / file if is_ours else None

    def _targets(self, name: str, source: Path) -> list[Path]:
        """The file of a shard, and the one that it had if that has another suffix."""
        target, recorded = self._target(name, source), self._recorded_target(name)
        return [target] if recorded in (None, target) else [target, recorded]

    def own_files(self, paths: Iterable[Path]) -> set[Path]:
        """Those of the paths that are shards of this folder, their manifests or locks."""
        manifests = self.path / MANIFESTS
        if not manifests.is_dir():
            return set()
        # Locks first: when one is released, the manifest is there.
        locked = [path.stem for path in manifests.glob("*.lock")]
        names = {f"{name}{self._suffix}{gz}" for name in locked for gz in ("", ".gz")}
        recorded = (self._recorded_target(path.stem) for path in manifests.glob("*.json"))
        names |= {path.name for path in recorded if path}
        return {
            path
            for path in paths
            if (path.suffix in (".json", ".lock") and path.parent.samefile(manifests))
            or (path.name in names and path.parent.samefile(self.path))
        }

    def protect(self, inputs: Iterable[Path], names: Mapping[Path, str]) -> None:
        """From now on, a shard that would replace an input is a UserError. It is one at once if the
        name of an input is that of a shard; `names` is what `output_names` returns."""
        self._protected = {_identity(text_path(path)): path for path in inputs}
        sources = {name: source for source, name in names.items()}
        for path in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            shard = path.name.removesuffix(".gz").removesuffix(self._suffix)
            base, _, number = shard.rpartition("-")
            if not (base in sources and number.isdecimal() and f"{int(number):05}" == number):
                continue
            if path == self._target(shard, sources[base]):
                self._refuse_protected(path)

    def _refuse_protected(self, path: Path) -> None:
        if protected := self._protected.get(_identity(path)):
            refuse_overwriting(path, [text_path(protected)])

    def _check_files(self, shard: Shard) -> None:
        """UserError if a file of the shard cannot have its name, or would replace an input or what
        is no file."""
        paths = [self._lock(shard), self.manifest(shard.name)]
        for name in (shard.name, *self._left_over(shard)):
            paths += self._targets(name, shard.source)
        for path in paths:
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
                raise UserError(
                    f"{shard.source}: this name is too long for the output folder, which needs"
                    f" {path.name} in {path.parent}. Give the file a shorter name."
                ) from error
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise UserError(
                    f"{path}: expected a file, or none. Received: a folder or a pipe. Remove it, or"
                    " choose another output folder."
                )
            self._refuse_protected(path)

    def is_complete(self, shard: Shard) -> bool:
        """Whether the shard is translated. UserError if it was, from another source or with
        another run or options, and if a file of its name has no manifest and so may be somebody
        else's, unless those are to be overwritten. UserError also if it cannot be written without
        replacing something else."""
        self._check_files(shard)
        path, target = self.manifest(shard.name), self.target(shard)
        # Before the manifest is read, which another process may be about to write.
        is_foreign = os.path.lexists(target) and not self._lock(shard).exists()
        if left_over := self._left_over(shard):
            if self._overwrite:
                return False
            raise UserError(
                f"{self.path}: {shard.source} had more lines or smaller shards ({left_over[0]} is"
                " left over). Choose another folder, or add --overwrite to remove such shards."
            )
        try:
            recorded = dict(json.loads(path.read_bytes()))
            told = recorded["target"]["sha256"], recorded["target"]["file"]
            changed_settings = [*self._changed_settings(recorded)]
            changes = [*changed_settings, *_changed_source(recorded.get("source"), shard)]
        except FileNotFoundError as error:
            if is_foreign and not self._overwrite:
                raise UserError(
                    f"{target} exists, and has no manifest ({path}): nmt may not have written it."
                    " Choose another folder, or add --overwrite to replace it."
                ) from error
            return False
        except _DAMAGED as error:
            logger.warning("%s is damaged (%s): translating %s again", path, error, shard.name)
            return False
        if changes:
            if self._overwrite:
                return False
            error_class = OtherSettings if changed_settings else UserError
            raise error_class(
                f"{self._recorded_target(shard.name) or target} was translated from something else:"
                f" {'; '.join(changes)}. Choose another folder, or add --overwrite to translate"
                " such shards again."
            )
        if told != (_checksum(target), target.name):
            logger.warning("%s is missing or damaged: translating it again", target)
            return False
        return True

    def _changed_settings(self, recorded: Mapping[str, Any]) -> Iterator[str]:
        for section, now in self._settings.items():
            then = recorded.get(section)
            then = then if isinstance(then, dict) else {}
            for key in sorted({*then, *now}):
                if then.get(key) != now.get(key):
                    yield f"{section}.{key} was {_shown(then.get(key))}, is {_shown(now.get(key))}"
        version = str(recorded.get("nmt"))
        if _release(version) != _release(VERSION):
            yield f"nmt was {version}, is {VERSION}"

    @cached_property
    def _earlier(self) -> dict[str, list[str]]:
        """Names of the shards that were translated before this process began, by source."""
        names: dict[str, list[str]] = {}
        for path in sorted((self.path / MANIFESTS).glob("*.json")):
            base, _, number = path.stem.rpartition("-")
            if number.isdecimal():
                names.setdefault(base, []).append(path.stem)
        return names

    def _left_over(self, shard: Shard) -> list[str]:
        """Names of translated shards beyond the last one of its source."""
        base, _, number = shard.name.rpartition("-")
        return [
            name
            for name in (self._earlier.get(base, ()) if shard.is_last else ())
            if int(name.rpartition("-")[2]) > int(number) and self.manifest(name).exists()
        ]

    def claim(self, shard: Shard) -> Claim | None:
        """None if another process translates the shard."""
        claim = Claim.take(self._lock(shard))
        if claim and claim.is_locked:
            for path in (self.target(shard), self.manifest(shard.name)):
                for temporary in left_over_temporaries(path):  # of processes that were killed
                    with contextlib.suppress(OSError):
                        temporary.unlink()
        return claim

    @contextlib.contextmanager
    def write(self, shard: Shard) -> Iterator[ShardWriter]:
        """Writes a shard, which appears when the block ends without an exception, and then its
        manifest."""
        target, manifest = self.target(shard), self.manifest(shard.name)
        for old in self._targets(shard.name, shard.source):
            if old != target or old.is_symlink():  # what a link points to is not replaced
                old.unlink(missing_ok=True)
        manifest.unlink(missing_ok=True)  # it would not describe the new file
        with atomic_write(target) as stream:
            writer = ShardWriter(stream, compressed=target.suffix == ".gz")
            yield writer
            if writer.num_records != len(shard.lines):
                raise ValueError(
                    f"{target}: a translator must return a translation for each line. Received:"
                    f" {writer.num_records} for {len(shard.lines)}."
                )
            checksum = writer.finish()
        record = {
            "source": _source_record(shard),
            "target": {"file": target.name, "sha256": checksum},
            **self._settings,
            "nmt": VERSION,
        }
        with atomic_write(manifest, "w") as stream:
            json.dump(record, stream, indent=2)  # in ASCII: a file's name may be no UTF-8
        for name in self._left_over(shard):  # would be taken for a part of the translation
            for old in self._targets(name, shard.source):
                old.unlink(missing_ok=True)
            self.manifest(name).unlink(missing_ok=True)


def _release(version: str) -> list[str]:
    """Major and minor version: releases that change translations change one of them."""
    return version.split(".")[:2]


def _changed_source(recorded: Any, shard: Shard) -> Iterator[str]:
    now = _source_record(shard)
    then = recorded if isinstance(recorded, dict) else {}
    if {**then, "file": now["file"]} != now:
        first, last = shard.first_line + 1, shard.first_line + len(shard.lines)
        yield f"{shard.source}, lines {first} to {last}, had other text"
    elif then != now:
        yield f"the source was called {then.get('file')!r}, is called {now['file']!r}"


def _source_record(shard: Shard) -> dict[str, Any]:
    return {
        "file": shard.source.name,
        "first_line": shard.first_line,
        "lines": len(shard.lines),
        "sha256": shard.checksum,
    }


def _checksum(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 20 else f"{text[:12]}...{text[-1]}"
