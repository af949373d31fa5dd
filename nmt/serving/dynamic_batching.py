"""Dynamic batching: lines of separate requests are decoded together, by threads behind a bounded
queue.

A worker takes the line with the earliest due time and, with it, other lines of the same kind and
of about the same length. A line is due when a reader who started with the arrival of its request
would have read up to it: so a short request overtakes most of an earlier long one, and yet no line
waits for ever. Idle workers share the waiting lines.

Requests do not harm each other: a result that is an exception fails its own request only, and when
a batch fails, each of its requests is run again alone. A LineError has the line's index in its
request.
"""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from nmt.errors import LineError

READING_SPEED = 1000.0  # characters per second, for due times
SHORT = 7  # lines of up to 2^7 characters count as equally long; longer ones by powers of two
BATCH_CHARACTERS = 64 << SHORT  # a batch of longer lines has fewer of them, as others wait for it

# kind, lines -> a result for each line, which may be an exception
Translate = Callable[[Any, list[str]], Sequence[Any]]


class QueueFull(Exception):
    """Too many lines are waiting. A request after `seconds` is likely to be accepted."""

    def __init__(self, seconds: int):
        super().__init__(f"the queue is full, try again in {seconds} s")
        self.seconds = seconds


class TranslationFailed(Exception):
    """Stands for an exception that no caller expects: of a native extension, or a BaseException."""


class _PendingRequest:
    def __init__(self, num_lines: int):
        self.future: Future[list[Any]] = Future()
        self.results: list[Any] = [None] * num_lines
        self.remaining = num_lines


class _Line(NamedTuple):
    """Compares by `due`, then by arrival."""

    due: float
    number: int
    arrived: float
    text: str
    request: _PendingRequest
    place: int  # in its request


class Batcher:
    """Calls `translate` from `num_workers` threads, each time with at most `batch_lines` lines of
    one kind.

    While a worker is idle, a line waits `window` seconds for others to share its batch. `observe`
    is called with the size of each batch.
    """

    def __init__(
        self,
        translate: Translate,
        *,
        num_workers: int = 1,
        batch_lines: int = 64,
        max_waiting: int = 2048,
        window: float = 0.003,
        observe: Callable[[int], Any] = lambda size: None,
    ):
        self._translate, self._observe = translate, observe
        self.batch_lines, self.max_waiting, self.window = batch_lines, max_waiting, window
        # (kind, length) -> heap of lines; no heap is empty.
        self._groups: dict[tuple[Hashable, int], list[_Line]] = {}
        self._num_waiting = self._num_idle = 0
        self._seconds_a_line = 0.01  # of one worker, a running mean
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        # Daemons: a process that has to end at once does not wait for them.
        self._workers = [
            threading.Thread(target=self._work, name=f"translate-{i}", daemon=True)
            for i in range(num_workers)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def num_waiting(self) -> int:
        """Lines that no worker has taken yet."""
        return self._num_waiting

    def submit(self, kind: Hashable, lines: Sequence[str]) -> "Future[list[Any]]":
        """A future of the lines' results, in order. If it is cancelled, waiting lines are dropped.

        Raises QueueFull. One request may be longer than the queue, if nothing else waits.
        """
        request = _PendingRequest(len(lines))
        if not lines:
            request.future.set_result([])
            return request.future
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            if self._num_waiting and self._num_waiting + len(lines) > self.max_waiting:
                raise QueueFull(
                    math.ceil(self._num_waiting * self._seconds_a_line / len(self._workers))
                )
            now, characters = time.monotonic(), 0
            for place, text in enumerate(lines):
                characters += len(text)
                due = now + characters / READING_SPEED
                line = _Line(due, next(self._numbers), now, text, request, place)
                group = (kind, max(SHORT, (len(text) - 1).bit_length()))
                heapq.heappush(self._groups.setdefault(group, []), line)
            self._num_waiting += len(lines)
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Refuse new requests, finish the accepted ones, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    # ------------------------------------------------------------------------------- in the workers

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            kind, lines = batch
            if not lines:
                continue
            results = self._run(kind, lines)
            requests = list(dict.fromkeys(line.request for line in lines))
            if not isinstance(results, Exception):
                self._deliver(lines, results)
            elif len(requests) == 1:
                self._fail(requests[0], results)
            else:  # one of them may have failed the others
                for request in requests:
                    own = [line for line in lines if line.request is request]
                    if request.future.done():  # nobody waits any more
                        continue
                    results = self._run(kind, own)
                    if isinstance(results, Exception):
                        self._fail(request, results)
                    else:
                        self._deliver(own, results)

    def _run(self, kind: Hashable, lines: Sequence[_Line]) -> list[Any] | Exception:
        """The results of one batch, or the exception that it raised."""
        start = time.monotonic()
        try:
            results = list(self._translate(kind, [line.text for line in lines]))
            if len(results) != len(lines):
                raise TranslationFailed(f"{len(results)} results for {len(lines)} lines")
            self._observe(len(lines))
        except BaseException as error:  # whatever it is, the thread goes on and clients wait
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                return error
            # Native extensions raise BaseException (PyO3's PanicException), and futures do not
            # take StopIteration: frameworks let both pass their error handlers.
            failure = TranslationFailed(f"{type(error).__module__}.{type(error).__qualname__}")
            failure.__cause__ = error
            return failure.with_traceback(error.__traceback__)
        seconds = (time.monotonic() - start) / len(lines)
        with self._changed:
            self._seconds_a_line += 0.1 * (seconds - self._seconds_a_line)
        return results

    def _deliver(self, lines: Sequence[_Line], results: Sequence[Any]) -> None:
        with self._changed:  # one at a time, as a request's lines may be in several batches
            for line, result in zip(lines, results, strict=True):
                if isinstance(result, LineError):  # which counts from the start of the batch
                    result = LineError(line.place, result.message)
                if isinstance(result, Exception):
                    _finish(line.request, result)
                line.request.results[line.place] = result
                line.request.remaining -= 1
                if not line.request.remaining:
                    _finish(line.request)

    def _fail(self, request: _PendingRequest, error: Exception) -> None:
        with self._changed:
            _finish(request, error)

    def _take(self) -> tuple[Hashable, list[_Line]] | None:
        """Wait for a batch, which is empty if its requests were cancelled. None: the batcher is
        closed and nothing waits."""
        with self._changed:
            self._num_idle += 1
            try:
                while (seconds := self._patience()) > 0:
                    if self._closed and not self._groups:
                        return None
                    self._changed.wait(seconds if seconds < math.inf else None)
                batch = self._pop()
            finally:
                self._num_idle -= 1
            if self._groups:
                self._changed.notify()  # the next worker
            return batch

    def _first(self) -> tuple[Hashable, int]:
        """The group of the line with the earliest due time."""
        return min(self._groups, key=lambda group: self._groups[group][0])

    def _limit(self, size: int) -> int:
        return min(self.batch_lines, max(1, BATCH_CHARACTERS >> size))

    def _patience(self) -> float:
        """Seconds until the next batch starts, if no other line arrives."""
        if not self._groups:
            return math.inf
        group = self._first()
        if self._closed or len(self._groups[group]) >= self._limit(group[1]):
            return 0.0
        return self._groups[group][0].arrived + self.window - time.monotonic()

    def _pop(self) -> tuple[Hashable, list[_Line]]:
        kind, size = group = self._first()
        waiting = self._groups[group]
        share = math.ceil(len(waiting) / self._num_idle)
        lines = [heapq.heappop(waiting) for _ in range(min(share, self._limit(size)))]
        self._num_waiting -= len(lines)
        if not waiting:
            del self._groups[group]
        return kind, [line for line in lines if not line.request.future.done()]


def _finish(request: _PendingRequest, error: Exception | None = None) -> None:
    if request.future.done() or not request.future.set_running_or_notify_cancel():
        return  # another of its batches failed, or it was cancelled
    if error:
        request.future.set_exception(error)
    else:
        request.future.set_result(request.results)
