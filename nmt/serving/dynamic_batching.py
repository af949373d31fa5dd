"""Requests that come one by one, decoded together: a bounded queue before the threads that
translate.

A worker takes the line that is due first and, with it, others of the same kind and about the same
length. A line is due when a reader who began with its request would have read up to it: so a short
request overtakes most of a long one that came before it, and, as time goes by, nothing waits for
ever. Idle workers share what waits.
"""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

READING_SPEED = 1000.0  # characters a second, which a request is read at
SHORT = 7  # lines of up to 2^7 characters are all of one length; longer ones by powers of two
BATCH_CHARACTERS = (
    64 << SHORT
)  # at most: a batch of longer lines has fewer of them, as others wait for it

Translate = Callable[[Any, list[str]], Sequence[Any]]  # kind, lines -> one result a line


class QueueFull(Exception):
    """Too many lines wait already. There should be room after so many `seconds`."""

    def __init__(self, seconds: int):
        super().__init__(f"the queue is full, try again in {seconds} s")
        self.seconds = seconds


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
    """Calls `translate` from `num_workers` threads, with at most `batch_lines` lines of one kind at
    once.

    Where a worker is idle, a line waits `window` seconds for others to share its batch. `observe`
    is told the size of each batch.
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
        self._groups: dict[
            tuple[Hashable, int], list[_Line]
        ] = {}  # (kind, length) -> heap; none is empty
        self._num_waiting = self._num_idle = 0
        self._seconds_a_line = 0.01  # of one worker, lately
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        # Daemons: a process that is told to end at once does not wait for them.
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
        """The results of the lines, in order, when all are there. If it is cancelled, lines that
        wait are dropped.

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
        """Takes no more requests, finishes those that it has, and ends the threads."""
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
            start = time.monotonic()
            try:
                results: Sequence[Any] | BaseException = self._translate(
                    kind, [line.text for line in lines]
                )
            except BaseException as error:  # whatever it is: somebody waits for an answer
                results = error
            seconds = (time.monotonic() - start) / len(lines)
            self._observe(len(lines))
            with self._changed:  # one at a time, as a request's lines may be in several batches
                self._seconds_a_line += 0.1 * (seconds - self._seconds_a_line)
                if isinstance(results, BaseException):
                    for line in lines:
                        _finish(line.request, results)
                else:
                    for line, result in zip(lines, results, strict=True):
                        line.request.results[line.place] = result
                        line.request.remaining -= 1
                        if not line.request.remaining:
                            _finish(line.request)

    def _take(self) -> tuple[Hashable, list[_Line]] | None:
        """Waits for a batch, which is empty if nobody wants it any more. None: there will be no
        other."""
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
        """The group of the line that is due first."""
        return min(self._groups, key=lambda group: self._groups[group][0])

    def _limit(self, size: int) -> int:
        return min(self.batch_lines, max(1, BATCH_CHARACTERS >> size))

    def _patience(self) -> float:
        """Seconds until the next batch begins, should nothing else come."""
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


def _finish(request: _PendingRequest, error: BaseException | None = None) -> None:
    if request.future.done() or not request.future.set_running_or_notify_cancel():
        return  # another of its batches failed, or nobody waits any more
    if error:
        request.future.set_exception(error)
    else:
        request.future.set_result(request.results)
