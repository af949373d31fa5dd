"""Members of zip and tar archives, read as streams.

Nothing is unpacked to disk, so that no name in an archive can lead out of a folder. What a member
may expand to is bounded.
"""

import contextlib
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from nmt.errors import UserError

# Text compresses to a third or a fifth; a hundredth is an archive made to fill a disk.
MAX_EXPANSION = 100
DAMAGES = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError)


class _Bounded:
    """A stream of at most so many bytes."""

    def __init__(self, stream: Any, limit: int, name: str):
        self._stream, self._remaining, self._name = stream, limit, name

    def readline(self) -> bytes:
        line: bytes = self._stream.readline(self._remaining + 1)
        self._remaining -= len(line)
        if self._remaining < 0:
            raise UserError(f"{self._name}: expands to more than text would. It is not read.")
        return line


@contextlib.contextmanager
def open_member(archive: Path, name: str) -> Iterator[BinaryIO]:
    """Open the member with this file name, in whatever folder of a zip or tar archive."""
    limit = MAX_EXPANSION * archive.stat().st_size + 1024
    with contextlib.ExitStack() as stack:
        try:
            if zipfile.is_zipfile(archive):
                stream = _open_zip(stack, archive, name)
            elif tarfile.is_tarfile(archive):
                stream = _open_tar(stack, archive, name, limit)
            else:
                with open(archive, "rb") as file:
                    beginning = file.read(40)
                raise UserError(
                    f"{archive}: expected an archive. Received: a file that begins with"
                    f" {beginning!r}. Delete it and run the same command again."
                )
            yield cast(BinaryIO, _Bounded(stream, limit, f"{archive}, {name}"))
        except DAMAGES as error:
            raise UserError(
                f"{archive} is damaged: {error}. Delete it and run the same command again."
            ) from error


def _open_zip(stack: contextlib.ExitStack, archive: Path, name: str) -> Any:
    opened = stack.enter_context(zipfile.ZipFile(archive))
    members = [info for info in opened.infolist() if _is_called(info.filename, name)]
    if not members:
        raise _missing(archive, name, opened.namelist())
    if members[0].flag_bits & 1:
        raise UserError(f"{archive}: {name} is encrypted, and cannot be read.")
    return stack.enter_context(opened.open(members[0]))


def _open_tar(stack: contextlib.ExitStack, archive: Path, name: str, limit: int) -> Any:
    opened = stack.enter_context(tarfile.open(archive))  # noqa: SIM115
    names, size = [], 0
    for member in opened:
        size += member.size
        if size > limit:  # members before the one wanted are decompressed, too
            raise UserError(f"{archive}: expands to more than text would. It is not read.")
        if member.isfile() and _is_called(member.name, name):
            stream = opened.extractfile(member)
            if stream is not None:
                return stack.enter_context(stream)
        names.append(member.name)
    raise _missing(archive, name, names)


def _is_called(path: str, name: str) -> bool:
    return posixpath.basename(path) == name


def _missing(archive: Path, name: str, names: list[str]) -> UserError:
    shown = ", ".join(map(repr, names[:8])) or "nothing"
    return UserError(f"{archive}: expected a member {name}. It holds {shown}.")
