"""An ASGI app behind a socket, by uvicorn, with deadlines for requests and a graceful shutdown."""

import asyncio
import errno
import json
import logging
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nmt.errors import UserError
from nmt.serving.middleware import timestamp

# For a request, from its first byte, or from the connection, to its last byte. Each byte of a body
# extends the deadline, to at most as long again from now.
REQUEST_SECONDS = 20.0
MIN_BYTES_A_SECOND = 10_000  # of a body
UNREAD_SECONDS = 60.0  # within which a client has to read some of its answer
STOP_SECONDS = 30  # for accepted requests


def listen(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet. Raises UserError for a port in use, OSError for an
    unknown address or one that may not be used."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: a label is empty or too long
        raise OSError(f"host {host}: {error}") from None
    family, kind, protocol, _, address = addresses[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        message = f"{error.strerror}: {host}, port {port}"
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"{message}, perhaps by another `nmt serve`. Choose another port with --port."
            ) from None
        raise OSError(error.errno, message) from None
    return listener


def serve(
    app: Any, listener: socket.socket, on_ready: Callable[[], None], url_prefix: str = ""
) -> None:
    """Serve until SIGINT or SIGTERM, which is raised again once accepted requests are answered.

    Calls `on_ready` once the server accepts requests. `url_prefix` is a path that a proxy removes
    from requests, and that addresses in answers begin with.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        root_path=url_prefix,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    _make_logs_json()
    _Server(config, on_ready).run(sockets=[listener])


def _make_logs_json() -> None:
    """Lines of JSON, as the middleware's. What the parser of forms warns of is in the answer, too;
    its warnings quote the body."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    for name in ("asyncio", "uvicorn.asgi", "uvicorn.error"):
        logger = logging.getLogger(name)
        if _as_json not in logger.filters:
            logger.addFilter(_as_json)


def _as_json(record: logging.LogRecord) -> bool:
    """Makes the message of a record JSON, without a traceback, which may quote a text."""
    fields = {
        "time": timestamp(),
        "logger": record.name,
        "level": record.levelname.lower(),
        "message": record.getMessage().partition("\n")[0],
    }
    if record.exc_info and record.exc_info[0]:
        fields["error"] = f"{record.exc_info[0].__module__}.{record.exc_info[0].__qualname__}"
    record.msg, record.args = json.dumps(fields), ()
    record.exc_info = record.exc_text = None
    return True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]):
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP protocol with errors in JSON, and with deadlines for clients that stop sending
    a request or reading an answer: uvicorn waits for them without limit."""

    _deadline: asyncio.TimerHandle | None = None  # for the rest of a request
    _unread_check: asyncio.TimerHandle | None = None  # while a part of an answer is unread

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # `pause_writing` is called for any unread byte
        self._wait_until(self.loop.time() + REQUEST_SECONDS)

    def data_received(self, data: bytes) -> None:
        latest = self.loop.time() + REQUEST_SECONDS
        if self._deadline is None:
            self._wait_until(latest)
        elif self.conn.their_state is h11.SEND_BODY:  # the upload of a document may take minutes
            extended = self._deadline.when() + len(data) / MIN_BYTES_A_SECOND
            self._wait_until(min(extended, latest))
        super().data_received(data)

    def handle_events(self) -> None:
        """Called for received data, and after an answer for data that arrived before it."""
        super().handle_events()
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):  # the request is complete
            self._stop_waiting()
        elif self.conn.their_state is h11.SEND_BODY and self._deadline is None:
            self._wait_until(self.loop.time() + REQUEST_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_expecting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_expecting()
        super().connection_lost(exc)

    def _wait_until(self, time: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_at(time, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_reading(self, unread: int) -> None:
        self._unread_check = self.loop.call_later(UNREAD_SECONDS, self._check_reading, unread)

    def _check_reading(self, unread_before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread < unread_before:
            self._expect_reading(unread)
        else:
            self.transport.abort()

    def _stop_expecting(self) -> None:
        if self._unread_check is not None:
            self._unread_check.cancel()
            self._unread_check = None

    def send_400_response(self, msg: str) -> None:
        body = json.dumps({"error": msg}).encode()
        head = (
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
        )
        self.transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        self.transport.close()
