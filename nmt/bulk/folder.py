"""A folder of translated shards that several processes may fill.

NAME-00000.fr                 the translation of a shard: complete, or not there
manifests/NAME-00000.json     its checksums, and those of the source, the run and the options
manifests/NAME-00000.lock     locked by the process that translates the shard

A shard counts as translated if its manifest is there and agrees with the file, the source and the
settings. The lock disappears with its process, and is held only to avoid double work: files are
replaced atomically, so that two processes without it would write the same bytes twice.
"""

import contextlib
import errno
import fcntl
import gzip
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from nmt.about import VERSION
from nmt.bulk.shards import Shard
from nmt.errors import UserError
from nmt.text.lines import atomic_write, left_over_temporaries

logger = logging.getLogger(__name__)

MANIFESTS = "manifests"
# What file systems without locks answer.
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)


class Claim:
    """The right to translate a shard."""

    def __init__(self, path: Path, stream: IO[bytes], is_locked: bool):
        self._path, self._stream, self.is_locked = path, stream, is_locked

    @classmethod
    def take(cls, path: Path) -> "Claim | None":
        """None if another process holds it."""
        stream = open(path, "ab")  # noqa: SIM115  open as long as the claim is held
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
        # As it is read back from a manifest.
        self._settings = json.loads(json.dumps({"run": settings.run, "options": settings.options}))

    def create(self) -> None:
        try:
            (self.path / MANIFESTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be created: {error.strerror}.") from error

    def target(self, shard: Shard) -> Path:
        compression = ".gz" if shard.source.suffix == ".gz" else ""
        return self.path / f"{shard.name}{self._suffix}{compression}"

    def manifest(self, name: str) -> Path:
        return self.path / MANIFESTS / f"{name}.json"

    def _lock(self, shard: Shard) -> Path:
        return self.path / MANIFESTS / f"{shard.name}.lock"

    def is_complete(self, shard: Shard) -> bool:
        """Whether the shard is translated. UserError if it was, from another source or with
        another run or options, and if a file of its name has no manifest and so may be somebody
        else's, unless those are to be overwritten."""
        path, target = self.manifest(shard.name), self.target(shard)
        # Before the manifest is read, which another process may be about to write.
        is_foreign = target.exists() and not self._lock(shard).exists()
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
        except FileNotFoundError as error:
            if is_foreign and not self._overwrite:
                raise UserError(
                    f"{target} exists, and has no manifest ({path}): nmt may not have written it."
                    " Choose another folder, or add --overwrite to replace it."
                ) from error
            return False
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            logger.warning("%s is damaged (%s): translating %s again", path, error, shard.name)
            return False
        if changes := [*self._changes(recorded, shard)]:
            if self._overwrite:
                return False
            raise UserError(
                f"{target} was translated from something else: {'; '.join(changes)}. Choose another"
                " folder, or add --overwrite to translate such shards again."
            )
        if told != (_checksum(target), target.name):
            logger.warning("%s is missing or damaged: translating it again", target)
            return False
        return True

    def _changes(self, recorded: Mapping[str, Any], shard: Shard) -> Iterator[str]:
        for section, now in self._settings.items():
            then = recorded.get(section)
            then = then if isinstance(then, dict) else {}
            for key in sorted({*then, *now}):
                if then.get(key) != now.get(key):
                    yield f"{section}.{key} was {_shown(then.get(key))}, is {_shown(now.get(key))}"
        if recorded.get("source") != _source_record(shard):
            first, last = shard.first_line + 1, shard.first_line + len(shard.lines)
            yield f"{shard.source}, lines {first} to {last}, had other text"
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
        with contextlib.suppress(FileNotFoundError):
            manifest.unlink()  # it would not describe the new file
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
            self.target(replace(shard, name=name)).unlink(missing_ok=True)
            self.manifest(name).unlink(missing_ok=True)


def _release(version: str) -> list[str]:
    """Major and minor version: releases that change translations change one of them."""
    return version.split(".")[:2]


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
    except FileNotFoundError:
        return None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 20 else f"{text[:12]}...{text[-1]}"
