"""Downloads: resumed, checked before they count, and put in place by a rename.

A download in progress is FILE.part. It is continued with a Range request, and becomes FILE only
when its size and checksum are right. Everything that can go wrong ends in a UserError that says
what to fetch by hand and where to put it.
"""

import contextlib
import email.utils
import errno
import fcntl
import gzip
import hashlib
import http.client
import itertools
import json
import logging
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from nmt.about import VERSION
from nmt.corpora.catalogue import RemoteFile
from nmt.errors import UserError
from nmt.terminal import progress_bar

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
MAX_REDIRECTS = 5
_DIGITS = "[0-9]{1,18}"
RETRIED = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """How long a download waits and how often it tries again.

    `attempts` in a row without a new byte end it, and so do `requests` in all. A server that sends
    nothing for `timeout` seconds, or fewer than `min_rate` bytes a second over `rate_seconds`, has
    broken off.
    """

    attempts: int = 5
    requests: int = 100
    timeout: float = 30.0
    first_wait: float = 1.0
    longest_wait: float = 30.0
    min_rate: float = 500.0
    rate_seconds: float = 60.0


PATIENCE = Patience()


class _BrokenOff(Exception):
    """A failure after which the same request may succeed; `wait` is what the server asks for."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class _Failed(Exception):
    """A failure that trying again does not mend."""


def fetch(
    file: RemoteFile, folder: Path, mirror: str | None = None, may_have_mirror: bool = True
) -> Path:
    """The path of a file of the cache; downloads what is missing. `folder` is that of its corpus.

    With a mirror, from MIRROR/CORPUS/FILE. Raises UserError if the file cannot be had, which
    advises a mirror unless it cannot have one.
    """
    url = f"{mirror.rstrip('/')}/{folder.name}/{file.name}" if mirror else file.url
    check_address(url)
    path = folder / file.name
    with _explained(url, path, may_have_mirror):
        if not _is_cached(path, file):  # looked for without a lock: a cache may be read-only
            with _locked(path):
                if not _is_cached(path, file):  # another process may have downloaded it meanwhile
                    _download(url, path, file)
    return path


def _is_cached(path: Path, file: RemoteFile) -> bool:
    if not path.exists():
        return False
    if difference := _difference(path, file):
        # Put there by hand, or damaged on disk. What somebody else put there is not deleted.
        raise _Failed(f"the file in the cache {difference}; delete it or replace it")
    return True


def check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises for one that is no number, or above 65535
    except ValueError:
        is_address = False
    if not is_address:
        raise UserError(
            f"expected an address http://HOST/... or https://HOST/... Received: {url!r}."
        )


@contextlib.contextmanager
def _explained(url: str, path: Path, may_have_mirror: bool) -> Iterator[None]:
    try:
        yield
    except (_Failed, OSError) as error:
        reason = str(error)
        if isinstance(error, OSError):
            reason = f"{error.filename or path}: {error.strerror or error}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                reason += "; free some disk space, and the same command resumes"
        advice = "; or give another server with --mirror" if may_have_mirror else ""
        raise UserError(
            f"{url} could not be downloaded: {reason}. To fetch it by hand, save it as {path} and"
            f" run the same command again{advice}."
        ) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for another process that downloads the same file. On a file system without locks
    nobody waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another process that downloads it", path)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


# --------------------------------------------------------------------------------- one file


def _download(url: str, path: Path, file: RemoteFile) -> None:
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists()
    _receive(url, part, file)
    difference = _difference(part, file)
    if difference and resumed:
        # The first half may be of another version, or from another server: once more, as a whole.
        logger.info("%s: what was resumed %s; downloading it anew", path.name, difference)
        part.unlink()
        _receive(url, part, file)
        difference = _difference(part, file)
    if difference:
        part.unlink()
        raise _Failed(f"what came {difference}")
    with open(part, "rb") as stream:
        os.fsync(stream.fileno())
    os.replace(part, path)
    _state_path(part).unlink(missing_ok=True)


def _receive(url: str, part: Path, file: RemoteFile) -> None:
    """Downloads until the file is complete, with retries."""
    failures, longest = 0, _size(part)
    with progress_bar(file.name, unit="B") as bar:
        for number in itertools.count(1):
            try:
                _request(url, part, file, bar)
                return
            except _BrokenOff as error:
                size = _size(part)
                failures = 1 if size > longest else failures + 1
                longest = max(longest, size)
                if failures >= PATIENCE.attempts or number >= PATIENCE.requests:
                    kept = f"; {size:,} bytes are kept, and the same command resumes"
                    raise _Failed(f"{error}{kept if size else ''}") from error
                wait = PATIENCE.first_wait * 2 ** (failures - 1)
                wait = min(max(wait, error.wait or 0.0), PATIENCE.longest_wait)
                logger.info("%s: %s; trying again in %.1f s", file.name, error, wait)
                time.sleep(wait)


def _request(url: str, part: Path, file: RemoteFile, bar: Any) -> None:
    """One request, which continues at the end of the partial file."""
    start, validator = _state(part, url)
    headers = {"User-Agent": f"nmt/{VERSION}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:  # another version since then: the server sends it all
            headers["If-Range"] = validator
    try:
        response = _OPENER.open(
            urllib.request.Request(url, headers=headers), timeout=PATIENCE.timeout
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:  # nothing after `start`: complete, or another file
                if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                    return
                part.unlink()
                raise _BrokenOff("the server has nothing to resume from") from error
            reason = f"the server answered {error.code} {error.reason}".splitlines()[0]
            if 300 <= error.code < 400:
                reason = "it redirects in a circle, or to where downloads are not followed"
            if error.code in RETRIED:
                raise _BrokenOff(reason, _retry_after(error.headers)) from error
            raise _Failed(reason) from error
    except _Failed:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _connection_failure(error) from error
    with response, open(part, "ab") as stream:
        start, total = _announced(response, start, stream)
        limit = file.max_bytes
        if total is not None and total > limit:
            raise _Failed(f"expected at most {limit:,} bytes. The server announces {total:,}")
        if total is not None and total - start > shutil.disk_usage(part.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))
        _write_state(part, url, response)
        if total is not None:
            bar.total = total
        bar.n = start
        bar.refresh()
        received = _copy(response, stream, limit - start, bar.update)
    if total is not None and start + received < total:
        raise _BrokenOff(f"the connection broke off at {start + received:,} of {total:,} bytes")


def _announced(response: Any, start: int, stream: BinaryIO) -> tuple[int, int | None]:
    """Where the answer begins and the size of the whole file, as far as it is said. A server that
    ignores Range sends the file from its beginning."""
    length = _count(response.headers.get("Content-Length", ""))
    if response.status == 206:
        match = re.fullmatch(
            rf"bytes ({_DIGITS})-{_DIGITS}/({_DIGITS}|\*)",
            response.headers.get("Content-Range", "").strip(),
        )
        if match and int(match[1]) == start:
            if match[2] != "*":
                return start, int(match[2])
            return start, None if length is None else start + length
        stream.truncate(0)
        raise _BrokenOff("the server sent another range than was asked for")
    if response.status != 200:
        raise _Failed(f"the server answered {response.status}")
    stream.truncate(0)
    return 0, length


def _count(header: str) -> int | None:
    """A number of a header; None for anything else, such as one of thousands of digits."""
    return int(header) if re.fullmatch(_DIGITS, header) else None


def _copy(response: Any, stream: BinaryIO, limit: int, update: Callable[[int], Any]) -> int:
    received = 0
    window_start, window_bytes = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _connection_failure(error) from error
        if not chunk:
            return received
        try:
            stream.write(chunk)
        except OSError as error:
            error.filename = error.filename or stream.name
            raise
        received += len(chunk)
        window_bytes += len(chunk)
        update(len(chunk))
        if received > limit:
            stream.truncate(0)
            raise _Failed("the file is longer than expected")
        elapsed = time.monotonic() - window_start
        if elapsed >= PATIENCE.rate_seconds:
            if window_bytes < PATIENCE.min_rate * elapsed:
                raise _BrokenOff(f"the server sends {window_bytes / elapsed:.0f} bytes a second")
            window_start, window_bytes = time.monotonic(), 0


def _connection_failure(error: Exception) -> Exception:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError | socket.timeout):
        return _BrokenOff(f"the server sent nothing for {PATIENCE.timeout:g} seconds")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _Failed(f"its certificate cannot be trusted ({reason.verify_message})")
    if isinstance(reason, OSError) and reason.strerror:
        return _BrokenOff(f"{reason.strerror}")
    return _BrokenOff(f"the connection failed ({reason or type(error).__name__})")


def _retry_after(headers: Any) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if (seconds := _count(text)) is not None:
        return float(seconds)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    return None


# --------------------------------------------------------------------------------- redirects


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other web addresses, but never from https to http."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            raise _Failed(f"it redirects to {newurl}, which is not followed from {old}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)


# ----------------------------------------------------------------------------- partial files


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _state(part: Path, url: str) -> tuple[int, str]:
    """How much of the file is there, and what identifies the version that it is from, if known."""
    if not part.exists():
        return 0, ""
    validator = ""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        state = json.loads(_state_path(part).read_text("utf-8"))
        # A validator says nothing to another server.
        if isinstance(state, dict) and state.get("url") == url:
            validator = str(state.get("validator") or "")
    # A header holds one line of ASCII; the file may be damaged.
    is_header = validator.isascii() and validator.isprintable()
    return part.stat().st_size, validator if is_header else ""


def _write_state(part: Path, url: str, response: Any) -> None:
    etag = response.headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else None  # weak ones do not do
    validator = validator or response.headers.get("Last-Modified")
    _state_path(part).write_text(json.dumps({"url": url, "validator": validator}), "utf-8")


# --------------------------------------------------------------------------------- checksums


def sha256_of(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _difference(path: Path, file: RemoteFile) -> str:
    """How a file differs from what was expected, or nothing. A file without a checksum is tried
    when it is read."""
    if file.sha256 is None:
        return "" if path.stat().st_size else "is empty"
    received = sha256_of(path)
    if received == file.sha256 or (file.text_sha256 and _text_sha256(path, file)):
        return ""
    size = path.stat().st_size
    return f"is another file ({size:,} bytes, SHA-256 {received}; expected {file.sha256})"


def _text_sha256(path: Path, file: RemoteFile) -> bool:
    """Whether the text in a gzip file is the expected one."""
    digest, remaining = hashlib.sha256(), file.text_bytes or file.max_bytes
    try:
        with gzip.open(path) as stream:
            while remaining >= 0 and (chunk := stream.read(CHUNK)):
                digest.update(chunk)
                remaining -= len(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return remaining >= 0 and digest.hexdigest() == file.text_sha256
