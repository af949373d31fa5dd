"""Cuts a corpus into shards and windows.

    files of lines -> shards (a file of the output each) -> windows (translated together)

A shard is at most `shard_lines` lines of one file. Its windows begin anew, so its translation
depends on nothing outside it.
"""

import glob
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

from nmt.errors import UserError
from nmt.text.lines import read_lines, text_path

SHARD_LINES = 250_000
MAX_SHARD_LINES = 100_000_000  # they are held in memory
WINDOW_LINES = 2048  # sorted by length and translated together


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive lines of a shard, the unit of work."""

    first_line: int  # of the file, from 0
    lines: Sequence[str]
    prefixes: Sequence[str] = ()  # one for each line, or none


@dataclass(frozen=True, eq=False)
class Shard:
    """Consecutive lines of a file. `eq=False`: shards are compared by identity."""

    source: Path
    name: str  # of the output, without suffix
    first_line: int  # from 0
    lines: Sequence[str]
    prefixes: Sequence[str] = field(default=())  # one for each line, or none
    is_last: bool = True  # of its file

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the lines, and of their prefixes if there are any."""
        digest = hashlib.sha256()
        for line in self.lines:
            digest.update(line.encode() + b"\n")
        if self.prefixes:
            digest.update(json.dumps(self.prefixes).encode())
        return digest.hexdigest()

    def windows(self) -> Iterator[Window]:
        """At least one: that of an empty shard is empty."""
        for start in range(0, max(len(self.lines), 1), WINDOW_LINES):
            part = slice(start, start + WINDOW_LINES)
            yield Window(self.first_line + start, self.lines[part], self.prefixes[part])


def input_files(pattern: str | Path) -> list[Path]:
    """The file of this name, or all files that match a pattern, sorted by name; a pattern leaves
    out folders. UserError if there are none, and for a link that leads nowhere or a pipe."""
    path = text_path(pattern)
    _refuse_links_and_pipes(path)
    if path.exists() or not glob.has_magic(str(path)):
        next(read_lines(path), None)  # reports what cannot be read, before a model is loaded
        return [path]
    names = glob.glob(str(path), recursive=True)
    files = [path for path in map(Path, sorted(names)) if not path.is_dir()]
    if not files:
        raise UserError(f"{pattern}: no file matches this pattern.")
    for path in files:
        _refuse_links_and_pipes(path)
    return files


def _refuse_links_and_pipes(path: Path) -> None:
    """UserError for a link that leads nowhere, and for a pipe: what is read of it at first would be
    lost."""
    if path.is_file() or path.is_dir():
        return
    if path.exists():
        raise UserError(f"{path}: expected a file, which can be read again. Received: a pipe.")
    if path.is_symlink():
        raise UserError(
            f"{path}: expected a file. Received: a link to {os.readlink(path)}, which does not"
            " exist. Correct the link, or remove it."
        )


def output_names(files: Sequence[Path], language: str) -> dict[Path, str]:
    """What the shards of each file are called: its name without .gz and without the suffix of the
    source language. UserError if two files would have the same."""
    names: dict[str, Path] = {}
    for path in files:
        name = path.name.removesuffix(".gz").removesuffix(f".{language}")
        if names.setdefault(name, path) != path:
            raise UserError(
                f"{names[name]} and {path} would both be written as {name}-00000. Rename one, or"
                " translate them into two folders."
            )
    return {path: name for name, path in names.items()}


def read_shards(
    files: Sequence[Path],
    language: str,
    shard_lines: int = SHARD_LINES,
    prefixes: Iterable[str] | None = None,
) -> Iterator[Shard]:
    """The shards of all files, read one at a time. `language` is that of the source; `prefixes`
    are as many as all lines together.

    A file without lines is one empty shard. UserError for a file that cannot be read, once it is
    reached: who then asks for the next shard gets that of the next file. With prefixes there is
    none, because it is not known which of them belong to the next file.
    """
    if not 1 <= shard_lines <= MAX_SHARD_LINES:
        raise UserError(
            f"--shard-lines must be at least 1 and at most {MAX_SHARD_LINES:,}. Received:"
            f" {shard_lines}."
        )
    names = output_names(files, language)
    if prefixes is not None:
        return _with_prefixes(files, names, shard_lines, prefixes)
    # A chain goes on with the next file after an exception. A generator would have ended.
    return chain.from_iterable(_shards_of(path, names[path], shard_lines) for path in files)


def _shards_of(path: Path, name: str, shard_lines: int) -> Iterator[Shard]:
    """The shards of a file. UserError where it cannot be read, after all shards before."""
    lines = read_lines(path)
    following = list(islice(lines, 1))  # whether there are more
    first_line = number = 0
    while following or number == 0:
        part = following + list(islice(lines, shard_lines - 1))
        failure = None
        try:
            following = list(islice(lines, 1))
        except UserError as error:  # in the next shard: this one is whole
            failure = error
        is_last = not (following or failure)
        yield Shard(path, f"{name}-{number:05}", first_line, part, is_last=is_last)
        if failure:
            raise failure
        first_line, number = first_line + len(part), number + 1


def _with_prefixes(
    files: Sequence[Path], names: Mapping[Path, str], shard_lines: int, prefixes: Iterable[str]
) -> Iterator[Shard]:
    remaining = iter(prefixes)
    for path in files:
        try:
            for shard in _shards_of(path, names[path], shard_lines):
                of_shard = list(islice(remaining, len(shard.lines)))
                if len(of_shard) < len(shard.lines):
                    raise UserError(
                        "--prefix-file must have a line for each line. It ends before line"
                        f" {shard.first_line + len(of_shard) + 1} of {path}."
                    )
                yield replace(shard, prefixes=of_shard)
        except UserError as error:
            if path == files[-1]:
                raise
            raise UserError(
                f"{error} Files after {path.name} were not translated, because each line of"
                " --prefix-file belongs to a line of the input."
            ) from error
    if next(remaining, None) is not None:
        raise UserError("--prefix-file must have a line for each line. It has more.")
