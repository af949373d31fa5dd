"""Batches side by side come back in order, and an error begins no more of them."""

import threading
import time

import pytest

from nmt.inference.parallel import side_by_side


@pytest.mark.parametrize("num_workers", [1, 3])
def test_results_come_in_order(num_workers):
    def slow_at_first(batch):
        time.sleep(0.02 / (1 + batch))
        return 2 * batch

    assert list(side_by_side(slow_at_first, [*range(7)], num_workers)) == [0, 2, 4, 6, 8, 10, 12]
    assert list(side_by_side(slow_at_first, [], num_workers)) == []


def test_so_many_run_at_once():
    meet = threading.Barrier(2, timeout=10)  # passed only by two together
    assert list(side_by_side(lambda batch: meet.wait() * 0 + batch, [1, 2, 3, 4], 2)) == [
        1,
        2,
        3,
        4,
    ]


def test_an_error_is_raised_and_ends_it():
    begun = []

    def fail(batch):
        begun.append(batch)
        time.sleep(0.01)
        raise OSError(f"batch {batch}")

    with pytest.raises(OSError, match="batch 0"):
        list(side_by_side(fail, [*range(100)], 2))
    assert len(begun) < 10
