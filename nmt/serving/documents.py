"""Documents of the HTTP API: an upload is translated in parts, between other requests, and its
translation can be downloaded for a while.

A translated document is a file in a folder of the server's own, under a random name; its address
has another random part, which only the client learns.
"""

import asyncio
import contextlib
import re
import secrets
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote, unquote

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from nmt.documents.document import Document, ReadingOptions
from nmt.documents.formats import read_document
from nmt.documents.translating import Line, Outcome, finish, lines_of
from nmt.errors import UserError
from nmt.inference.outputs import Candidate
from nmt.serving.schemas import Refusal
from nmt.serving.service import BatchKey, Service
from nmt.text.spans import Span

LINES_AT_ONCE = 64  # of a document, between two reports of its progress
MAX_DOCUMENTS = 4  # in progress
DOWNLOAD_SECONDS = 1800.0
MAX_STORED = 200_000_000  # bytes of all translated documents; the oldest ones go first
# Words times words, and pieces times pieces, of a line that is aligned; in longer ones tags return
# to the same relative position.
MAX_ALIGNED_CELLS = 1_000_000
_MAX_NAME = 100  # characters of a file's name
_EXTENDED_NAME = re.compile(r";\s*filename\*=(utf-8|iso-8859-1)'[^']*'([^;\s]+)", re.IGNORECASE)
_RETRY_SECONDS = 2.0  # until a line is offered again to a queue that was full


@dataclass(frozen=True)
class _Links:
    """An alignment without its weights: those of a long document take too much memory."""

    source_spans: Sequence[Span]
    target_spans: Sequence[Span]
    pairs: frozenset[tuple[int, int]]

    def links(self) -> Iterable[tuple[int, int]]:
        return self.pairs


@dataclass(frozen=True)
class _Text:
    """A translation of a line."""

    text: str
    alignment: _Links | None


@dataclass(frozen=True)
class _Stored:
    path: Path
    name: str
    media_type: str
    size: int
    expires: float


class Downloads:
    """Translated documents in a temporary folder, each for `DOWNLOAD_SECONDS`."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: OrderedDict[str, _Stored] = OrderedDict()  # oldest first

    async def add(self, content: bytes, name: str, media_type: str) -> str:
        """Keeps a file. Returns the last part of its address, as LibreTranslate's: TOKEN.NAME."""
        if self._folder and not Path(self._folder.name).is_dir():  # a cleaner of /tmp removed it
            self._folder.cleanup()
            self._folder = None
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="nmt-documents-")
        path = Path(self._folder.name) / secrets.token_hex(16)
        try:
            await asyncio.to_thread(path.write_bytes, content)
        except OSError:  # the disk is full: what fits has no address
            path.unlink(missing_ok=True)
            raise
        address = f"{secrets.token_urlsafe(24)}.{name}"
        expires = time.monotonic() + DOWNLOAD_SECONDS
        self._files[address] = _Stored(path, name, media_type, len(content), expires)
        self.remove_expired()
        asyncio.get_running_loop().call_later(DOWNLOAD_SECONDS + 1, self.remove_expired)
        return address

    def get(self, address: str) -> _Stored | None:
        """The file at an address; its name never becomes a path."""
        self.remove_expired()
        stored = self._files.get(address)
        return stored if stored and stored.path.is_file() else None

    def remove_expired(self) -> None:
        now, size = time.monotonic(), sum(stored.size for stored in self._files.values())
        for address, stored in list(self._files.items()):
            if stored.expires > now and (size <= MAX_STORED or len(self._files) == 1):
                break
            size -= stored.size
            stored.path.unlink(missing_ok=True)
            del self._files[address]

    def close(self) -> None:
        self._files.clear()
        if self._folder is not None:
            self._folder.cleanup()


class DocumentTranslator:
    """Translates uploaded documents with a service."""

    def __init__(self, service: Service):
        self.service, self.downloads = service, Downloads()
        self._num_in_progress = 0
        self.progress: dict[str, tuple[int, int]] = {}  # name -> lines done, all lines
        # One document is read or written at a time: both take memory and processor time.
        self._lock = asyncio.Lock()

    async def read(self, content: bytes, suffix: str, options: ReadingOptions) -> Document:
        async with self._lock:
            try:
                return await asyncio.to_thread(read_document, content, suffix, options)
            except UserError as error:
                raise Refusal(400, f"Invalid request: {error}") from None

    async def translate(
        self, request: Request, key: BatchKey, document: Document, progress: str | None = None
    ) -> Outcome:
        """Raises Refusal if it takes too long. `progress` names an entry of that dictionary."""
        seconds = self.service.limits.document_seconds
        try:
            async with asyncio.timeout(seconds):
                translations = await self._translations(request, key, document, progress)
                async with self._lock:
                    return await asyncio.to_thread(finish, document, translations)
        except TimeoutError:
            raise Refusal(
                503, f"The document took longer than {seconds} s. Split it, or try again later"
            ) from None
        finally:
            self.progress.pop(progress or "", None)

    @contextlib.asynccontextmanager
    async def in_progress(self) -> AsyncIterator[None]:
        """Refusal for one document too many."""
        if self._num_in_progress >= MAX_DOCUMENTS:
            raise Refusal(503, "The server is busy with other documents", {"Retry-After": "10"})
        self._num_in_progress += 1
        try:
            yield
        finally:
            self._num_in_progress -= 1

    async def _translations(
        self, request: Request, key: BatchKey, document: Document, progress: str | None
    ) -> dict[Line, _Text | Exception]:
        found: dict[Line, _Text | Exception] = {}
        by_key: dict[BatchKey, list[Line]] = {}
        if key.split_sentences is None:  # a unit of a document is a paragraph
            key = key._replace(split_sentences=True)
        all_lines = lines_of(document)
        for line in all_lines:
            is_aligned = line.needs_alignment and self._has_room(key, line.text)
            by_key.setdefault(key._replace(alignments=is_aligned), []).append(line)
        for line_key, lines in by_key.items():
            for start in range(0, len(lines), LINES_AT_ONCE):
                if progress:
                    self.progress[progress] = len(found), len(all_lines)
                chunk = lines[start : start + LINES_AT_ONCE]
                found.update(await self._translated(request, line_key, chunk))
        return found

    def _has_room(self, key: BatchKey, text: str) -> bool:
        return (
            len(text.split()) ** 2 <= MAX_ALIGNED_CELLS
            and self.service.num_pieces(key, text) ** 2 <= MAX_ALIGNED_CELLS
        )

    async def _translated(
        self, request: Request, key: BatchKey, lines: Sequence[Line]
    ) -> dict[Line, _Text | Exception]:
        """Lines that cannot be translated do not affect the others: they are tried one by one."""
        while True:
            try:
                texts = [line.text for line in lines]
                translations = await self.service.translate(request, key, texts)
                break
            except Refusal as refusal:
                if refusal.status != 503:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)  # the queue is full
            except ClientDisconnect:
                raise
            except Exception as error:
                if len(lines) == 1:
                    return {lines[0]: error}
                found: dict[Line, _Text | Exception] = {}
                for line in lines:
                    found.update(await self._translated(request, key, [line]))
                return found
        return {
            line: _without_weights(translation.candidates[0])
            for line, translation in zip(lines, translations, strict=True)
        }


def _without_weights(candidate: Candidate) -> _Text:
    alignment = candidate.alignment
    if alignment is None:
        return _Text(candidate.text, None)
    links = _Links(alignment.source_spans, alignment.target_spans, frozenset(alignment.links()))
    return _Text(candidate.text, links)


# -------------------------------------------------------------------------------------------- names


def file_name(given: str, disposition: str = "") -> str:
    """The name of an uploaded file, without folders and control characters. .NET writes a name that
    is not ASCII as an encoded word, and readably in the header's `filename*` (RFC 5987)."""
    if extended := _EXTENDED_NAME.search(disposition):
        given = unquote(extended[2], encoding=extended[1], errors="replace")
    name = PurePath(given.replace("\\", "/")).name
    name = "".join(one for one in name if one.isprintable())
    path = PurePath(name)
    return path.stem[:_MAX_NAME] + path.suffix[:_MAX_NAME]


def download(stored: _Stored, content: bytes) -> Response:
    """A file that a browser saves and does not show."""
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "._- ") else "_" for one in stored.name
    )
    disposition = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(stored.name, safe='')}"
    )
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return Response(content, media_type=stored.media_type, headers=headers)
