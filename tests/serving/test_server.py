"""The server as the network sees it: a process of its own, sockets, clients with manners and
without."""

import http.client
import itertools
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fixtures.served import PAIR, Served

pytest_plugins = ["fixtures.server"]

MEGABYTE = 2**20


# --------------------------------------------------------------------------------------------- load


def test_64_clients_at_once_get_each_their_own_answer(served):
    """Over connections that stay open, for a few seconds."""
    stop, counts = time.monotonic() + 3, [0] * 64

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        while time.monotonic() < stop:
            text = f"client {number} says {counts[number]}" + " and so on" * (
                number * counts[number] % 20
            )
            assert served.ask({"q": text, **PAIR}, connection=connection) == (
                200,
                {"translatedText": text.upper()},
            )
            counts[number] += 1
        return counts[number]

    with ThreadPoolExecutor(64) as pool:
        assert min(pool.map(client, range(64))) > 0
    assert served.metric("nmt_batch_lines_sum") > 2 * served.metric("nmt_batch_lines_count")


# -------------------------------------------------------------------------------------------- abuse


def ten_megabytes_announced(served):
    body = b'{"q": "' + b"a" * (10 * MEGABYTE) + b'"}'
    with served.socket(head(len(body))) as connection:
        connection.sendall(body)
        assert b"413" in connection.recv(1000)


def ten_megabytes_in_chunks(served):
    with served.socket(head(None)) as connection:
        for _ in range(160):
            connection.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert b"413" in connection.recv(1000)


def no_http(served):
    answer = served.raw(b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and json.loads(answer.split(b"\r\n\r\n")[1])["error"]


def a_header_without_end(served):
    try:
        assert served.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000).startswith(b"HTTP/1.1 400 ")
    except (
        ConnectionError
    ):  # the answer may be lost where the server hangs up before it has read all that was sent
        pass


def a_client_that_leaves(served):
    fields = json.dumps({"q": ["a " * 50] * 100, **PAIR}).encode()
    served.socket(head(len(fields)) + fields).close()


def a_client_that_leaves_in_the_middle_of_a_word(served):
    served.socket(head(100) + b'{"q": "a').close()


def head(length):
    size = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return (
        b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        + size
        + b"\r\n\r\n"
    )


ABUSES = [
    ten_megabytes_announced,
    ten_megabytes_in_chunks,
    no_http,
    a_header_without_end,
    a_client_that_leaves,
    a_client_that_leaves_in_the_middle_of_a_word,
]


@pytest.mark.parametrize("abuse", ABUSES)
def test_abuse_is_refused_and_the_next_one_is_served(served, abuse):
    abuse(served)
    assert served.shouts()


def test_memory_is_flat_after_abuse(served):
    for abuse in ABUSES:
        abuse(served)
    before = served.metric("process_resident_memory_bytes")
    for abuse in itertools.chain.from_iterable([ABUSES] * 5):
        abuse(served)
    assert served.shouts()
    assert served.metric("process_resident_memory_bytes") < before + 20 * MEGABYTE


COMPLETE = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "beginning", [b"", b"POST /trans", head(100) + b'{"q": ', COMPLETE + b"POST /trans"]
)
def test_a_client_that_does_not_go_on_is_hung_up_on(served, beginning):
    """After a second here, 20 otherwise. Bytes that trickle in change nothing."""
    start = time.monotonic()
    with served.socket(beginning) as connection:
        connection.settimeout(0.3)
        while time.monotonic() < start + 10:
            try:
                if beginning:
                    connection.sendall(b" ")
                if not connection.recv(1000):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert 0.9 < time.monotonic() - start < 8


def test_a_connection_may_stay_open_longer_than_one_request_may_take(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    for _ in range(3):
        assert served.ask({"q": "0.6", **PAIR}, connection=connection)[0] == 200


def test_what_a_client_that_left_had_asked_for_is_not_translated(served):
    done = served.metric("nmt_batch_lines_sum")
    busy = [threading.Thread(target=served.shouts, args=("0.8",)) for _ in range(2)]
    for thread in busy:
        thread.start()
        time.sleep(0.2)
    for _ in range(5):
        a_client_that_leaves(served)
    for thread in busy:
        thread.join()
    assert served.shouts()
    assert served.metric("nmt_batch_lines_sum") - done <= 3 + 64 * 2


# ---------------------------------------------------------------------------------------------- end


def test_the_end_comes_when_what_was_accepted_is_answered():
    served, answers = Served(), []
    threads = [
        threading.Thread(target=lambda: answers.append(served.shouts("0.7"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    while served.metric("nmt_batch_lines_count") < 1:
        assert time.sleep(0.01) is None
        if served.metric("nmt_characters_total") >= 9:
            break
    served.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(20)
    assert answers == [True] * 3
    served.process.wait(20)
    with pytest.raises(OSError):
        served.socket()


def test_ctrl_c_ends_it_too():
    served = Served()
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(20) in (-signal.SIGINT, 1)
