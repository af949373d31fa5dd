"""Corrections that users suggest, appended to tables `source TAB target` that `nmt train` reads."""

import fcntl
import os
import re
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import UserError
from nmt.serving.schemas import Refusal
from nmt.text.lines import is_blank

MAX_BYTES = 50_000_000  # of a file; later suggestions are refused

# What ends a line for some programs, separates columns, or cannot be seen.
_SEPARATORS = re.compile(r"[\t\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f]")


class Suggestions:
    """A file for one language pair; with several pairs, `NAME.SOURCE-TARGET.tsv` for each."""

    def __init__(self, path: Path, pairs: Sequence[tuple[str, str]]):
        """Creates the files. UserError where that is not possible."""
        if path.suffix != ".tsv":
            raise UserError(f"suggestions need a file NAME.tsv. Received: {path}.")
        self._paths = {
            pair: path if len(pairs) == 1 else path.with_suffix(f".{pair[0]}-{pair[1]}.tsv")
            for pair in pairs
        }
        for one in self._paths.values():
            try:
                one.open("ab").close()
            except OSError as error:
                missing = "" if one.parent.is_dir() else f" Create the folder {one.parent} first."
                raise UserError(f"{one}: cannot be written: {error.strerror}.{missing}") from error

    def add(self, pair: tuple[str, str], text: str, correction: str) -> None:
        """Appends the lines of a text and of its translation. Refusal for what is no translation
        line by line, and once the file is full."""
        rows = "".join(f"{source}\t{target}\n" for source, target in _lines(text, correction))
        content = rows.encode("utf-8")
        with self._paths[pair].open("a+b") as stream:
            # Other threads and processes open the file themselves, and wait here.
            fcntl.flock(stream, fcntl.LOCK_EX)
            size = stream.seek(0, os.SEEK_END)
            if size and not _ends_line(stream.fileno(), size):
                content = b"\n" + content
            if size + len(content) > MAX_BYTES:
                raise Refusal(503, "The file of suggestions is full")
            try:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:  # the disk is full: no half of a line may stay
                os.ftruncate(stream.fileno(), size)
                raise


def _lines(text: str, correction: str) -> list[tuple[str, str]]:
    sources, targets = (_plain(side).split("\n") for side in (text, correction))
    if len(sources) != len(targets):
        raise Refusal(
            400,
            "Invalid request: q and s must have equally many lines"
            f" ({len(sources)} and {len(targets)})",
        )
    pairs = list(zip(sources, targets, strict=True))
    if any(is_blank(source) != is_blank(target) for source, target in pairs):
        raise Refusal(400, "Invalid request: a line of q and s is blank on one side only")
    pairs = [(source, target) for source, target in pairs if not is_blank(source)]
    if not pairs:
        raise Refusal(400, "Invalid request: missing q parameter")
    return pairs


def _plain(text: str) -> str:
    """The text without control characters. Line feeds stay; tabs, and what else some programs take
    for the end of a line, become spaces."""
    text = _CONTROLS.sub("", text.replace("\r\n", "\n")).strip("\n")
    return "\n".join(_SEPARATORS.sub(" ", line).strip() for line in text.split("\n"))


def _ends_line(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"
