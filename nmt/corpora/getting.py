"""From downloaded files to parallel text: PREFIX.SOURCE, PREFIX.TARGET and PREFIX.about.json."""

import contextlib
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from nmt.about import VERSION
from nmt.corpora import download
from nmt.corpora.archives import open_member
from nmt.corpora.cache import data_folder
from nmt.corpora.catalogue import Corpus, RemoteFile, TarredPair, TextPair, ZippedTable
from nmt.corpora.held_out import Pair, Split, read_hashes
from nmt.corpora.temporaries import without_left_overs
from nmt.errors import UserError
from nmt.text.lines import atomic_write, decode_lines, is_blank, make_folder


@dataclass(frozen=True)
class Written:
    """A parallel text that was written, or that was there already."""

    prefix: Path
    num_pairs: int
    is_new: bool


def get_corpus(
    corpus: Corpus, languages: tuple[str, str], output: Path, mirror: str | None = None
) -> list[Written]:
    """Download a corpus, as far as it is not in the cache, and write its texts into a folder.

    Raises UserError if the corpus does not have the languages, a file cannot be had, or other text
    stands in the folder.
    """
    if sorted(languages) != sorted(corpus.languages):
        raise UserError(
            f"{corpus.name} is {'-'.join(corpus.languages)}. Received: --languages"
            f" {'-'.join(languages)}."
        )
    folder = data_folder(corpus.name)
    paths = _fetch_all(corpus.files, folder, mirror)
    about = {
        "corpus": corpus.name,
        "licence": corpus.licence,
        "citation": corpus.citation,
        "homepage": corpus.homepage,
        **({"notes": corpus.notes} if corpus.notes else {}),
        "files": {
            file.name: {"address": file.url, "sha256": download.sha256_of(paths[file.name])}
            for file in corpus.files
        },
    }
    writer = TextWriter(output, corpus.languages, about)
    content = corpus.content
    if isinstance(content, tuple):
        return [writer.write(pair.prefix, _gzip_pairs(pair, paths)) for pair in content]
    if isinstance(content, ZippedTable):
        pairs = _table_pairs(paths[content.file.name], content)
    else:
        pairs = _tarred_pairs(paths[content.file.name], content)
    split = Split({name: read_hashes(corpus.name, name) for name in corpus.held_out})
    written = [writer.write("train", split.training_pairs(pairs))]
    for name in corpus.held_out:
        found, wanted = split.held_out(name), len(split.sets[name])
        written.append(writer.write(name, found, {"pairs_of_the_project": wanted}))
    return written


def _fetch_all(files: Sequence[RemoteFile], folder: Path, mirror: str | None) -> dict[str, Path]:
    """Name -> path. The error of a file that cannot be had names the ones after it, too: who
    fetches by hand needs all of them."""
    paths = {}
    for index, file in enumerate(files):
        try:
            paths[file.name] = download.fetch(file, folder, mirror)
        except UserError as error:
            others = [one for one in files[index + 1 :] if not (folder / one.name).exists()]
            if not others:
                raise
            listed = ", ".join(f"{one.url} as {folder / one.name}" for one in others)
            raise UserError(f"{error} Needed, too: {listed}.") from error
    return paths


@dataclass(frozen=True)
class TextWriter:
    """Writes texts and what is known about them into one folder; never over other text."""

    folder: Path
    languages: tuple[str, str]  # suffixes of the two sides
    about: Mapping[str, Any]

    def write(
        self, prefix: str, pairs: Iterable[Pair], more: Mapping[str, Any] | None = None
    ) -> Written:
        """Write a text; where the same text stands already, nothing is changed."""
        base = self.folder / prefix
        finals = [Path(f"{base}.{language}") for language in self.languages]
        about_path = Path(f"{base}.about.json")
        _refuse_other_record(about_path, self.about["corpus"])
        pairs = iter(pairs)
        first = list(islice(pairs, 1))  # a failure to fetch the text leaves no empty folder
        make_folder(self.folder)
        is_new = not any(path.exists() for path in (*finals, about_path))
        with without_left_overs((*finals, about_path)):
            num_pairs, checksums = _write_sides(finals, chain(first, pairs))
            about = {
                **self.about,
                **(more or {}),
                "languages": list(self.languages),
                "pairs": num_pairs,
                "outputs": {
                    path.name: {"sha256": checksum}
                    for path, checksum in zip(finals, checksums, strict=True)
                },
                "nmt": VERSION,
            }
            with atomic_write(about_path) as stream:  # last: its presence marks a complete text
                stream.write(json.dumps(about, indent=2, ensure_ascii=False).encode() + b"\n")
        return Written(base, num_pairs, is_new)


def _refuse_other_record(path: Path, corpus: str) -> None:
    """Raises UserError for a file that is no PREFIX.about.json of the corpus."""
    if not path.exists():
        return
    record: Any = None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        record = json.loads(path.read_bytes())
    received = record.get("corpus") if isinstance(record, dict) else None
    if received != corpus:
        what = f"that of {received}" if isinstance(received, str) else "another file"
        raise UserError(
            f"{path}: expected the record that `nmt data get` writes of {corpus}. Received: {what}."
            " Choose another --output, or move the file away."
        )


def _write_sides(paths: Sequence[Path], pairs: Iterable[Pair]) -> tuple[int, list[str]]:
    """The number of pairs, and the SHA-256 of each side. A side that exists is compared; it may
    stem from a process that was interrupted before the other side was in place."""
    digests = [hashlib.sha256() for _ in paths]
    num_pairs = 0
    with contextlib.ExitStack() as stack:
        streams = [
            None if path.exists() else stack.enter_context(atomic_write(path)) for path in paths
        ]
        for pair in pairs:
            for stream, digest, text in zip(streams, digests, pair, strict=True):
                line = text.encode() + b"\n"
                digest.update(line)
                if stream:
                    stream.write(line)
            num_pairs += 1
        for path, stream, digest in zip(paths, streams, digests, strict=True):
            if not stream and download.sha256_of(path) != digest.hexdigest():
                raise UserError(
                    f"{path}: exists, and is not what would be written. Choose another --output,"
                    " or move the file away."
                )
    return num_pairs, [digest.hexdigest() for digest in digests]


# ---------------------------------------------------------------------------------- contents


def _gzip_pairs(pair: TextPair, paths: Mapping[str, Path]) -> Iterator[Pair]:
    with _opened(paths, pair.source) as source, _opened(paths, pair.target) as target:
        names = paths[pair.source.name], paths[pair.target.name]
        yield from paired(decode_lines(source, names[0]), decode_lines(target, names[1]), names)


@contextlib.contextmanager
def _opened(paths: Mapping[str, Path], file: RemoteFile) -> Iterator[BinaryIO]:
    with gzip.open(paths[file.name]) as stream:
        yield cast(BinaryIO, stream)


def paired(source: Iterator[str], target: Iterator[str], names: tuple[Any, Any]) -> Iterator[Pair]:
    """Pairs of lines; UserError once one side has ended before the other. `names` are those of the
    sides in messages."""
    try:
        yield from zip(source, target, strict=True)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{names[0]} and {names[1]} must have equally many lines, and do not."
        ) from error


def _table_pairs(archive: Path, table: ZippedTable) -> Iterator[Pair]:
    with open_member(archive, table.member) as stream:
        name = f"{archive}, {table.member}"
        for number, line in enumerate(decode_lines(stream, name), start=1):
            fields = line.split("\t")
            if len(fields) < 2:
                raise UserError(
                    f"{name}, line {number}: expected source, tab, target. Received: {line[:80]!r}."
                )
            yield fields[0], fields[1]


def _tarred_pairs(archive: Path, files: TarredPair) -> Iterator[Pair]:
    members = files.source_member, files.target_member
    with open_member(archive, members[0]) as source, open_member(archive, members[1]) as target:
        names = f"{archive}, {members[0]}", f"{archive}, {members[1]}"
        for pair in paired(decode_lines(source, names[0]), decode_lines(target, names[1]), names):
            if not (is_blank(pair[0]) or is_blank(pair[1])):  # Europarl has many of those
                yield pair
