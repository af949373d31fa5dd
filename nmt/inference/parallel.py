"""Runs batches in parallel, and isolates the item that makes a batch fail."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_cores() -> int:
    """CPU cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    function: Callable[[Any], Any], batches: Sequence[Any], num_workers: int
) -> Iterator[Any]:
    """Yields function(batch) for each batch, in order, computed by `num_workers` threads. After an
    error no further batch is started."""
    if num_workers == 1 or len(batches) == 1:
        yield from map(function, batches)
        return
    pool = ThreadPoolExecutor(num_workers)
    try:
        yield from pool.map(function, batches)
    finally:
        pool.shutdown(cancel_futures=True)


def isolate_failures(
    function: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> list[Result | Exception]:
    """function(batch), one result for each item. If it fails, each item is tried alone, and the
    exception is the result of an item that fails alone, too."""
    try:
        return list(function(batch))
    except Exception as error:
        if len(batch) == 1:
            return [error]
    return [result for item in batch for result in isolate_failures(function, [item])]
