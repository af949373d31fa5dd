"""Batches side by side."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def num_cores() -> int:
    """Of those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    function: Callable[[Any], Any], batches: Sequence[Any], num_workers: int
) -> Iterator[Any]:
    """function(batch) of each, in order, by so many threads at once. After an error no further one
    is begun."""
    if num_workers == 1 or len(batches) == 1:
        yield from map(function, batches)
        return
    pool = ThreadPoolExecutor(num_workers)
    try:
        yield from pool.map(function, batches)
    finally:
        pool.shutdown(cancel_futures=True)
