"""Lines of text: reading, writing and pairing them.

Only LF ends a line, and one CR before it is dropped. U+0085, U+2028, form feed and a lone CR are
ordinary characters inside a line, which is why nothing here calls `splitlines()` or opens a file in
text mode: both would split such a line, and every following source would be paired with the
wrong target.
"""

import contextlib
import errno
import glob
import gzip
import hashlib
import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

from nmt.errors import UserError

# Windows-1252 has the characters of Latin-1, and quotes, dashes and the euro sign besides.
HOW_TO_CONVERT = (
    "Convert the file, for example with `iconv -f WINDOWS-1252 -t UTF-8` if a Windows program wrote"
    " it, or if it is Latin-1."
)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# First bytes of files that are no UTF-8, and what to do with them.
_FROM_UTF_16 = "Convert it with `iconv -f UTF-16 -t UTF-8`."
OTHER_FORMATS = {
    b"\xff\xfe": ("UTF-16", _FROM_UTF_16),
    b"\xfe\xff": ("UTF-16", _FROM_UTF_16),
    b"\x1f\x8b": (
        "gzip-compressed data",
        "Convert it with `gzip -dc`, or give a file its suffix .gz.",
    ),
    b"BZh": ("bzip2-compressed data", "Decompress it with `bzip2 -d`; only .gz is read as it is."),
    b"\xfd7zXZ": ("xz-compressed data", "Decompress it with `xz -d`; only .gz is read as it is."),
    b"\x28\xb5\x2f\xfd": (
        "zstd-compressed data",
        "Decompress it with `zstd -d`; only .gz is read as it is.",
    ),
    b"PK\x03\x04": (
        "a ZIP archive, as office documents are",
        "Give a document its suffix, such as .docx, or name its format, as in --format docx.",
    ),
    b"%PDF": ("a PDF", "Give it the suffix .pdf, or add --format pdf."),
}
_BINARY = "It has NUL bytes: it is UTF-16 (`iconv -f UTF-16LE -t UTF-8` converts it), or no text."
TABLE_SUFFIXES = (".tsv", ".tsv.gz")
EVERYDAY = Path(str(resources.files("nmt.everyday")))  # the embedded corpus


def text_path(path: str | Path) -> Path:
    """The file or prefix that a user means: the path itself, or a name such as `everyday/test.en`
    of the embedded corpus, if the current folder has no folder `everyday`."""
    path = Path(os.path.expanduser(path))
    is_embedded = path.parts[:1] == (EVERYDAY.name,) and not Path(EVERYDAY.name).exists()
    return EVERYDAY.joinpath(*path.parts[1:]) if is_embedded else path


def split_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a binary stream without their ends, each as soon as it arrives.

    The last line needs no LF. A CR is dropped only where an LF follows it.
    """
    # `readline` returns at the first LF, so a pipe that stays open is answered line by line.
    while line := stream.readline():
        yield line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line


def decode_lines(stream: BinaryIO, name: str | Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 stream (a file, or `sys.stdin.buffer`) lazily; `name` is what
    errors call it.

    A byte order mark at the very start is dropped: Windows editors write it, and it would become
    part of the first word. Raises UserError, with the line's number from 1, if the bytes are not
    UTF-8 or the stream ends early.
    """
    number = 0
    lines = split_lines(stream)
    while True:
        try:
            line = next(lines, None)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{name}: reading broke off after line {number}: {reason}.") from error
        if line is None:
            return
        number += 1
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            start = next(filter(line.startswith, OTHER_FORMATS), None) if number == 1 else None
            if start is not None:
                received, advice = OTHER_FORMATS[start]
                raise UserError(
                    f"{name}: expected UTF-8. Received: {received}. {advice}"
                ) from error
            raise UserError(
                f"{name}, line {number}: expected UTF-8. Received: the byte"
                f" 0x{line[error.start]:02x} at position {error.start} ({error.reason})."
                f" {_BINARY if bytes(1) in line else HOW_TO_CONVERT}"
            ) from error
        yield text


def refuse_overwriting(output: Path, inputs: Iterable[Path | None]) -> None:
    """Raises UserError if a file to be written is one of those that are read."""
    if output.exists() and any(path and path.exists() and output.samefile(path) for path in inputs):
        raise UserError(f"{output} is an input, and would be overwritten. Choose another file.")


def refuse_unwritable(path: Path) -> None:
    """Raises UserError if a file cannot be written because a folder is in its place, or its folder
    is missing. For what is written after long work."""
    if path.is_dir():
        raise UserError(f"{path}: expected a file to write to. Received: a folder.")
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist: create it first.")


def refuse_nameless(output: str, base: str, example: str) -> None:
    """Raises UserError if `base`, to which suffixes are added, ends in no file name: the files
    would be hidden ones, such as DIR/.en. `output` is what the user gave."""
    folder, name = os.path.split(base)
    if name in ("", ".", ".."):
        raise UserError(
            "--output: expected a prefix that ends in the beginning of a file name, as in"
            f" {os.path.join(folder, name, example)}. Received: {output!r}."
        )


def make_folder(path: Path, kind: str = "folder") -> None:
    """Make a folder, and those above it, unless it exists. Raises UserError if it cannot be made;
    `kind` is what the user then chooses another one of."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        file = next((one for one in (path, *path.parents) if os.path.isfile(one)), None)
        reason = f"{'it' if file == path else file} is a file" if file else error.strerror
        raise UserError(
            f"{path}: the folder cannot be made: {reason}. Choose another {kind}."
        ) from error


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, `.gz` or plain (see `text_path`). Raises UserError where it
    is missing, unreadable or no UTF-8."""
    path = text_path(path)
    try:
        stream = cast(BinaryIO, (gzip.open if path.suffix == ".gz" else open)(path, "rb"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file.{_similar_files(path)}") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: expected a text file. Received: a folder.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
    with stream:
        yield from decode_lines(stream, path)


def is_blank(line: str) -> bool:
    """Whether a line holds only white space, which includes U+00A0, U+202F, U+2028, U+0085 and
    control separators.

    White space is what Unicode and `str.isspace` say. Zero-width characters (U+200B, U+200D,
    U+FEFF, soft hyphen) are format characters and no white space: a line of them is not blank, and
    is translated like any other.
    """
    return not line or line.isspace()


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write one line each, ended by LF, through `atomic_write`; a path that ends in `.gz` is
    compressed.

    Raises UserError for a line that holds an LF: it would be read back as two.
    """
    with contextlib.ExitStack() as stack:
        stream: Any = stack.enter_context(atomic_write(path))
        if Path(path).suffix == ".gz":
            # No name and no time in the header: the same lines make the same bytes.
            stream = stack.enter_context(
                gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0)
            )
        for number, line in enumerate(lines, start=1):
            if "\n" in line:
                raise UserError(
                    f"{path}: line {number} to be written holds a line feed: {line!r}. Split it"
                    " first."
                )
            stream.write(line.encode("utf-8") + b"\n")


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: Literal["wb", "w"] = "wb") -> Iterator[IO[Any]]:
    """Open a file that replaces `path` only once it is complete and on disk.

    Readers see the old file or the new one, never a part. After an exception in the block the old
    file is untouched and the temporary one is removed. Anything but a regular file (a pipe,
    /dev/stdout) is written to directly. Raises UserError if the file cannot be written.
    """
    final = _without_links(Path(path))
    # In the same folder, which is the same file system, on which a rename is atomic.
    temporary = final.with_name(f".{_short_name(final.name)}.{secrets.token_hex(6)}.tmp")
    try:
        old_mode = _mode_of(Path(path))
        if old_mode is not None and stat.S_ISDIR(old_mode):
            raise UserError(f"{path}: expected a file to write to. Received: a folder.")
        if old_mode is not None and not stat.S_ISREG(old_mode):
            with _open(path, mode) as stream:  # by its own name: that of a pipe's end leads nowhere
                yield stream
            return
        try:
            # Not `tempfile`, whose files are private (0600): the new file gets the old one's mode,
            # or the umask's.
            with _open(temporary, mode.replace("w", "x")) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if old_mode is not None:
                os.chmod(temporary, stat.S_IMODE(old_mode))
            os.replace(temporary, final)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(final.parent)
    except OSError as error:
        ours = error.filename is None or str(error.filename) in (str(final), str(temporary))
        if isinstance(error, BrokenPipeError) or not ours:
            raise  # the reader has gone, or another file failed inside the block
        raise UserError(_write_failure(path, final, error)) from error


def left_over_temporaries(path: Path) -> list[Path]:
    """Files that `atomic_write(path)` has left in killed processes, and those of processes that are
    writing."""
    pattern = f".{glob.escape(_short_name(path.name))}.{'[0-9a-f]' * 12}.tmp"
    return list(path.parent.glob(pattern))


def _without_links(path: Path) -> Path:
    """A symbolic link stays one: what it points to is replaced. Only links are followed: `realpath`
    would also drop `missing/..`, and so find a file that the system does not."""
    path = path.absolute()
    for _ in range(40):  # as many as Linux follows
        if not path.is_symlink():
            break
        path = path.parent / os.readlink(path)
    return path


def _short_name(name: str) -> str:
    """Different for different names, and short enough for the name of a temporary file."""
    if len(name) <= 40:
        return name
    return f"{name[:28]}{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"


def _mode_of(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _open(path: str | Path, mode: str) -> IO[Any]:
    return open(path, mode) if "b" in mode else open(path, mode, encoding="utf-8", newline="")


def _sync_folder(folder: Path) -> None:
    """Makes the rename survive a power cut, where the system can (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_failure(path: str | Path, final: Path, error: OSError) -> str:
    message = f"{path}: could not be written: {error.strerror or error}."
    if error.errno == errno.ENOENT:
        message += f" The folder {final.parent} does not exist: create it first."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        message += " Free some disk space and run the same command again."
    if os.path.isfile(final):
        message += " The previous file is intact."
    return message


@dataclass(frozen=True)
class ParallelFiles:
    """The files of a parallel text: line N of `source` pairs with line N of `target`; a table is
    both."""

    source: Path
    target: Path

    @property
    def is_table(self) -> bool:
        """Whether both sides stand in one file, source TAB target."""
        return self.source == self.target and self.source.name.endswith(TABLE_SUFFIXES)


def resolve_parallel(
    spec: str | Path,
    source: str,
    target: str,
    set_by: str = "--set data.source=... --set data.target=...",
) -> ParallelFiles:
    """Find the files a user means; `source` and `target` are the suffixes, such as "en" and "fr",
    and `set_by` is how the user chooses them.

    `spec` is a prefix (`spec.en` and `spec.fr`, each plain or `.gz`), a table (`.tsv`, `.tsv.gz`)
    or "FILE,FILE". Raises UserError, listing what was looked for and which files are similar.
    """
    if not str(spec):
        raise UserError(
            "expected the prefix of a parallel text, FILE,FILE or a table. Received: an empty text."
        )
    table = text_path(spec)
    text = str(table)
    if text.endswith(TABLE_SUFFIXES) and ("," not in text or _is_readable_file(table)):
        if not _is_readable_file(table):
            raise UserError(f"{table}: no such file.{_similar_files(table)}")
        return ParallelFiles(table, table)

    source_candidates = [Path(f"{text}.{source}"), Path(f"{text}.{source}.gz")]
    target_candidates = [Path(f"{text}.{target}"), Path(f"{text}.{target}.gz")]
    source_path = next(filter(_is_readable_file, source_candidates), None)
    target_path = next(filter(_is_readable_file, target_candidates), None)
    if source_path and target_path:
        return ParallelFiles(source_path, target_path)

    if "," in text:  # after the prefix: a folder's name may hold a comma
        pairs = [_pair_at(text, index) for index, character in enumerate(text) if character == ","]
        for pair in pairs:
            if _is_readable_file(pair[0]) and _is_readable_file(pair[1]):
                return ParallelFiles(*pair)
        missing = [path for path in pairs[0] if not _is_readable_file(path)]
        raise UserError(
            f"expected two files, FILE,FILE. Not found: {_listing(missing)}."
            + "".join(dict.fromkeys(_similar_files(path) for path in missing))
        )

    missing = ([] if source_path else source_candidates) + (
        [] if target_path else target_candidates
    )
    message = f"no parallel text at {spec}. Looked for, and did not find: {_listing(missing)}."
    for suffix in (f".{source}", f".{target}"):
        if text.removesuffix(".gz").endswith(suffix) and _is_readable_file(Path(text)):
            message += f" Give the prefix: {text.removesuffix('.gz').removesuffix(suffix)}."
    message += f" The suffixes are the languages ({set_by})."
    if Path(text).is_dir():
        prefixes = [path.name.removesuffix(f".{source}") for path in Path(text).glob(f"*.{source}")]
        example = Path(text) / min(prefixes, default="train")
        raise UserError(f"{message} {text} is a folder: name the files in it, as in {example}.")
    raise UserError(message + _similar_files(Path(text)))


def read_parallel(files: ParallelFiles) -> Iterator[tuple[str, str]]:
    """Yield (source, target) pairs, streaming: the files are never held in memory.

    In a table, text after a second TAB is ignored, and quotes have no meaning. Raises UserError for
    a table's line without TAB and, once the shorter side has ended, for unequal line counts; the
    earlier pairs have been yielded by then.
    """
    if files.is_table:
        for number, line in enumerate(read_lines(files.source), start=1):
            fields = line.split("\t", 2)
            if len(fields) < 2:
                raise UserError(
                    f"{files.source}, line {number}: expected source TAB target. Received:"
                    f" {line[:80]!r}."
                )
            yield fields[0], fields[1]
        return
    source_lines, target_lines = read_lines(files.source), read_lines(files.target)
    count = 0
    while True:
        source, target = next(source_lines, None), next(target_lines, None)
        if source is None or target is None:
            break
        count += 1
        yield source, target
    num_source = count + (source is not None) + sum(1 for _ in source_lines)
    num_target = count + (target is not None) + sum(1 for _ in target_lines)
    if num_source != num_target:
        raise UserError(
            f"source and target must have equally many lines. Received: {num_source} in"
            f" {files.source}, {num_target} in {files.target}."
        )


def read_phrase_table(path: str | Path) -> dict[str, str]:
    """Read a file of lines `source phrase TAB target phrase`. Raises UserError for any other line,
    or if a source phrase has two targets."""
    entries: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if is_blank(line):
            continue
        source, *rest = (column.strip() for column in line.split("\t"))
        if not source or len(rest) != 1 or not rest[0]:
            raise UserError(
                f"{path}: line {number} must be source phrase, tab, target phrase. Received:"
                f" {line[:80]!r}."
            )
        if entries.setdefault(source, rest[0]) != rest[0]:
            raise UserError(
                f"{path}: line {number}: {source!r} is listed twice. Keep one of its two targets."
            )
    return entries


def file_fingerprint(paths: Iterable[str | Path]) -> str:
    """SHA-256, in hex, of the files' bytes in the order given; names and times do not count."""
    whole = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as stream:
                # A digest of digests: a line moved from one file's end to the next file's start
                # changes it.
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
    return whole.hexdigest()


def _is_readable_file(path: Path) -> bool:
    # Not `is_file()`: a shell's <(command) is a pipe.
    return path.exists() and not path.is_dir()


def _pair_at(text: str, comma: int) -> tuple[Path, Path]:
    return text_path(text[:comma].strip()), text_path(text[comma + 1 :].strip())


def _listing(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))


def _similar_files(path: Path) -> str:
    """A sentence on what lies where `path` was looked for, by the start of its name."""
    try:
        # A name may hold a line feed; a message is one line.
        names = sorted(repr(entry.name)[1:-1] for entry in path.parent.iterdir())
    except OSError:
        return f" The folder {path.parent} cannot be read or does not exist."
    stem = path.name.split(".")[0].lower()
    similar = [
        name for name in names if stem and name.lower().startswith(stem[: max(3, len(stem) - 2)])
    ]
    if similar:
        return f" Similar names in {path.parent}: {', '.join(similar[:8])}."
    return (
        f" The folder {path.parent} holds:"
        f" {', '.join(names[:8]) or 'nothing'}{', ...' if len(names) > 8 else ''}."
    )
