"""Middleware of all requests: limits of size and rate, headers, metrics, the log, errors as JSON.

No text of a user's is logged: no body, no query, no path but the server's own, and of an error
only its type and place.
"""

import asyncio
import ipaddress
import json
import logging
import re
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nmt.serving.schemas import Refusal

logger = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
MAX_ADDRESSES = 10_000


class Metrics:
    """Metrics of one server, for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._of(Counter, "nmt_requests", "Requests answered", ["path", "status"])
        self.seconds = self._of(
            Histogram, "nmt_request_seconds", "Time from request to answer", ["path"]
        )
        self.characters = self._of(Counter, "nmt_characters", "Characters accepted for translation")
        self.batch_lines = self._of(
            Histogram,
            "nmt_batch_lines",
            "Lines decoded together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )
        self.waiting_lines = self._of(Gauge, "nmt_waiting_lines", "Lines that wait to be decoded")
        ProcessCollector(registry=self.registry)

    def _of(self, kind: Any, name: str, text: str, labels: Any = (), **options: Any) -> Any:
        return kind(name, text, labels, registry=self.registry, **options)


class RateLimit:
    """A token bucket for each client: `requests_a_minute`, at once or spread over the minute."""

    def __init__(self, requests_a_minute: int):
        self.capacity, self.refill = float(requests_a_minute), requests_a_minute / 60
        # client -> (tokens, when); longest unused first
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, address: str) -> None:
        """Raises Refusal where the client at the address has used up its requests."""
        now, client = time.monotonic(), client_of(address)
        tokens, then = self._buckets.pop(client, (self.capacity, now))
        tokens = min(self.capacity, tokens + (now - then) * self.refill)
        admitted = tokens >= 1
        self._buckets[client] = tokens - admitted, now
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if not admitted:
            seconds = int((1 - tokens) / self.refill) + 1
            raise Refusal(429, f"Slowdown: try again in {seconds} s", {"Retry-After": str(seconds)})


def client_of(address: str) -> str:
    """The network that counts as one client: a provider gives a whole /64 to one IPv6 customer."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])  # without the zone of fe80::1%eth0
    except ValueError:
        return address  # not an IP address: a Unix socket
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))


class JsonAnswer(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        # JSON may escape half a surrogate pair, which an error may quote; UTF-8 has none.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def refused(refusal: Refusal) -> Response:
    return JsonAnswer({"error": refusal.message}, refusal.status, dict(refusal.headers))


class RequestMiddleware:
    """ASGI middleware around the whole app. Bodies have at most `max_bytes`, or what
    `max_bytes_at` says of their path."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        max_bytes: int,
        max_bytes_at: Mapping[str, int] | None = None,
    ):
        self.app, self.metrics, self.max_bytes = app, metrics, max_bytes
        self.max_bytes_at = max_bytes_at or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        # As LibreTranslate: a client that appends "/translate" to "http://host/" is answered.
        scope["path"] = re.sub("/{2,}", "/", scope["path"])
        start, status = time.perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_RAW_HEADERS]
            await send(message)

        try:
            await self.app(scope, self._bounded(receive, scope), send_on)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except asyncio.CancelledError:  # the server stops, and has waited for requests long enough
            if status:
                raise
            stopping = Refusal(503, "The server is stopping", {"Retry-After": "10"})
            await refused(stopping)(scope, receive, send_on)
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # native extensions raise such (PyO3's PanicException)
            self._report(error)
            if not status:
                await refused(Refusal(500, "Internal server error"))(scope, receive, send_on)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            seconds = time.perf_counter() - start
            self.metrics.requests.labels(path, status or "gone").inc()
            self.metrics.seconds.labels(path).observe(seconds)
            self._log(scope, path, status, seconds)

    def _bounded(self, receive: Receive, scope: Scope) -> Receive:
        """Raises Refusal from `receive` as soon as a body is too long, or is announced to be."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        remaining = max_bytes = self.max_bytes_at.get(path, self.max_bytes)
        announced = dict(scope["headers"]).get(b"content-length", b"0")

        async def receive_on() -> Message:
            nonlocal remaining
            message = await receive()
            remaining -= len(message.get("body", b""))
            if remaining < 0 or int(announced) > max_bytes:
                raise Refusal(413, f"Invalid request: the body is longer than {max_bytes} bytes")
            return message

        return receive_on

    @staticmethod
    def _log(scope: Scope, path: str, status: int, seconds: float) -> None:
        client = scope["client"][0] if scope.get("client") else None
        record = {
            "method": scope["method"],
            "path": path,
            "status": status,
            "ms": round(1000 * seconds, 1),
        }
        logger.info(
            json.dumps({"time": timestamp(), "client": client, **record, **scope.get("noted", {})})
        )

    @staticmethod
    def _report(error: BaseException) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        logger.error(
            json.dumps(
                {"time": timestamp(), "error": name, "place": f"{place.filename}:{place.lineno}"}
            )
        )


def timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
