"""Batches of lines that come one by one, over translators that are functions."""

import threading
import time
from concurrent.futures import CancelledError

import pytest

from nmt.serving.dynamic_batching import Batcher, QueueFull, TranslationFailed


class Recorder:
    """Upper case for a translation. Holds each batch back until it is let go, and remembers what
    was in it."""

    def __init__(self, held=False):
        self.batches, self.gate = [], threading.Event()
        if not held:
            self.gate.set()

    def __call__(self, kind, lines):
        self.batches.append((kind, list(lines)))
        assert self.gate.wait(10)
        return [f"{kind}:{line.upper()}" for line in lines]

    def wait_for(self, num_batches):
        deadline = time.monotonic() + 10
        while len(self.batches) < num_batches:
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def batcher_of():
    """Batchers that are closed at the end of the test."""
    made = []

    def make(translate, **options):
        made.append((translate, Batcher(translate, **options)))
        return made[-1][1]

    yield make
    for translate, batcher in made:
        if isinstance(translate, Recorder):
            translate.gate.set()
        batcher.close()


def busy(batcher, translate):
    """Lets the only worker begin something, so that what comes next has to wait."""
    future = batcher.submit("busy", ["x"])
    translate.wait_for(1)
    return future


def test_each_request_gets_its_own_lines_back_in_order(batcher_of):
    batcher = batcher_of(Recorder(), num_workers=3, batch_lines=4)
    requests = [[f"{i} {j} " + "y" * (37 * i * j % 400) for j in range(i % 5)] for i in range(60)]
    futures = [batcher.submit("k", lines) for lines in requests]
    for lines, future in zip(requests, futures, strict=True):
        assert future.result(10) == [f"k:{line.upper()}" for line in lines]
    assert batcher.num_waiting == 0


def test_what_waits_for_a_worker_is_decoded_together(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate)
    busy(batcher, translate)
    futures = [batcher.submit("k", [word]) for word in "abc"]
    translate.gate.set()
    assert [future.result(10) for future in futures] == [["k:A"], ["k:B"], ["k:C"]]
    assert translate.batches[1:] == [("k", ["a", "b", "c"])]


def test_an_idle_worker_waits_for_others_to_come_but_not_for_long(batcher_of):
    translate = Recorder()
    batcher = batcher_of(translate, window=0.2)
    start = time.monotonic()
    futures = [batcher.submit("k", [word]) for word in "ab"]
    assert [future.result(10) for future in futures] == [["k:A"], ["k:B"]]
    assert len(translate.batches) == 1
    assert 0.2 <= time.monotonic() - start < 5


def test_a_full_batch_waits_for_nobody(batcher_of):
    batcher = batcher_of(Recorder(), window=60, batch_lines=2)
    assert batcher.submit("k", ["a", "b"]).result(10) == ["k:A", "k:B"]


def test_idle_workers_share_what_waits(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate, num_workers=2, window=0.1)
    future = batcher.submit("k", list("abcdef"))
    translate.wait_for(2)
    translate.gate.set()
    future.result(10)
    assert sorted(len(lines) for _, lines in translate.batches) == [3, 3]


def test_lines_of_another_kind_or_length_are_decoded_apart(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate)
    busy(batcher, translate)
    long = "z" * 500
    futures = [
        batcher.submit(kind, [line])
        for kind, line in [("k", "a"), ("l", "b"), ("k", long), ("k", "c")]
    ]
    translate.gate.set()
    for future in futures:
        future.result(10)
    assert translate.batches[1:] == [("k", ["a", "c"]), ("l", ["b"]), ("k", [long])]


def test_a_short_request_overtakes_most_of_a_long_one(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate, batch_lines=10)
    busy(batcher, translate)
    many = batcher.submit("k", [f"{i:03}" * 30 for i in range(100)])
    short = batcher.submit("k", ["short"])
    translate.gate.set()
    short.result(10)
    many.result(10)
    assert "short" in translate.batches[1][1]
    assert [line for _, lines in translate.batches[1:] for line in lines if line != "short"] == [
        f"{i:03}" * 30 for i in range(100)
    ]


def test_a_long_line_is_not_kept_waiting_by_short_ones_that_keep_coming(batcher_of):
    def translate(kind, lines):
        time.sleep(0.01)
        return lines

    batcher = batcher_of(translate, batch_lines=1)
    long = batcher.submit("k", ["z" * 100])  # due in 0.1 s
    deadline = time.monotonic() + 10
    while not long.done():
        assert time.monotonic() < deadline
        batcher.submit("k", ["a"])
        batcher.submit("k", ["b"])
        time.sleep(0.01)  # twice what can be done


def test_a_batch_of_long_lines_is_small(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate)
    busy(batcher, translate)
    future = batcher.submit("k", ["z" * 2000] * 10)
    translate.gate.set()
    future.result(10)
    assert [len(lines) for _, lines in translate.batches[1:]] == [4, 4, 2]


def test_a_full_queue_refuses_and_says_when_to_come_again(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate, max_waiting=3)
    busy(batcher, translate)
    accepted = batcher.submit("k", ["a", "b", "c"])
    with pytest.raises(QueueFull) as refusal:
        batcher.submit("k", ["d"])
    assert refusal.value.seconds >= 1
    translate.gate.set()
    assert accepted.result(10) == ["k:A", "k:B", "k:C"]
    assert (
        batcher.submit("k", list("abcdef")).result(10)[-1] == "k:F"
    )  # alone, it may be longer than the queue


def test_what_nobody_waits_for_is_not_translated(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate)
    first = busy(batcher, translate)
    given_up, kept = batcher.submit("k", ["a"]), batcher.submit("k", ["b"])
    assert given_up.cancel()
    translate.gate.set()
    assert kept.result(10) == ["k:B"] and first.result(10) == ["busy:X"]
    assert translate.batches[1:] == [("k", ["b"])]
    with pytest.raises(CancelledError):
        given_up.result()


def test_a_request_may_be_given_up_while_it_is_translated(batcher_of):
    translate = Recorder(held=True)
    batcher = batcher_of(translate)
    assert busy(batcher, translate).cancel()
    translate.gate.set()
    assert batcher.submit("k", ["a"]).result(10) == ["k:A"]


class Panic(BaseException):
    """As PyO3 raises it."""


def fragile(kind, lines):
    if "bad" in lines:
        raise Panic
    if "short" in lines:
        return []
    return [line.upper() for line in lines]


def test_requests_of_a_failing_batch_are_run_again_alone(batcher_of):
    held = threading.Event()

    def translate(kind, lines):
        assert held.wait(10)
        return fragile(kind, lines)

    batcher = batcher_of(translate)
    texts = [["a"], ["bad"], ["b", "c"], ["d", "bad"], ["short"], ["e"]]
    futures = [batcher.submit("k", lines) for lines in texts]
    held.set()
    for lines, future in zip(texts, futures, strict=True):
        if "bad" in lines or "short" in lines:
            with pytest.raises(TranslationFailed):
                future.result(10)
        else:
            assert future.result(10) == [line.upper() for line in lines]
    assert batcher.submit("k", ["f"]).result(10) == ["F"]


def test_an_error_reaches_who_asked_and_the_worker_goes_on(batcher_of):
    def translate(kind, lines):
        return [1 // len(line) for line in lines]

    batcher = batcher_of(translate, batch_lines=1)
    with pytest.raises(ZeroDivisionError):
        batcher.submit("k", ["a", "", "b"]).result(10)
    assert batcher.submit("k", ["a"]).result(10) == [1]


def test_closing_finishes_what_was_accepted_and_refuses_the_rest():
    translate = Recorder(held=True)
    batcher = Batcher(translate, window=60, batch_lines=2)
    futures = [batcher.submit("k", [word, word]) for word in "abc"] + [batcher.submit("k", ["d"])]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    translate.gate.set()
    closing.join(10)
    assert [future.result(0) for future in futures] == [
        ["k:A"] * 2,
        ["k:B"] * 2,
        ["k:C"] * 2,
        ["k:D"],
    ]
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit("k", ["e"])


def test_the_size_of_each_batch_is_observed(batcher_of):
    sizes = []
    batcher_of(Recorder(), batch_lines=2, observe=sizes.append).submit("k", list("abc")).result(10)
    assert sizes == [2, 1]
