"""The server as the network sees it: a process of its own, sockets, clients with manners and
without."""

import asyncio
import http.client
import itertools
import json
import logging
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from fixtures.served import PAIR, Served
from uvicorn.server import ServerState

from nmt.serving import server
from nmt.serving.server import PatientProtocol

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


def test_a_client_that_leaves_ends_its_long_request(served):
    done = served.metric("nmt_batch_lines_sum")
    fields = json.dumps({"q": "no\n" * 5000, **PAIR}).encode()
    with served.socket(head(len(fields)) + fields):
        time.sleep(0.3)
    assert served.shouts()
    assert served.metric("nmt_batch_lines_sum") - done < 2000
    time.sleep(0.5)
    between = served.metric("nmt_batch_lines_sum")
    time.sleep(0.5)
    assert served.metric("nmt_batch_lines_sum") == between


# -------------------------------------------------------------------------------- without a network


class Timer:
    def __init__(self, time, call):
        self.time, self.call = time, call

    def when(self):
        return self.time

    def cancel(self):
        self.call = lambda: None


class Loop:
    """The running loop, but with a clock that a test sets forward."""

    def __init__(self):
        self.now, self.timers = 1000.0, []
        self.create_task = asyncio.get_running_loop().create_task

    def time(self):
        return self.now

    def call_at(self, time, call, *arguments):
        self.timers.append(Timer(time, lambda: call(*arguments)))
        return self.timers[-1]

    def call_later(self, seconds, call, *arguments):
        return self.call_at(self.now + seconds, call, *arguments)

    def advance(self, seconds):
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.time <= end]:
            timer = min(due, key=Timer.when)
            self.timers.remove(timer)
            self.now = timer.time
            timer.call()
        self.now = end


class Transport(asyncio.Transport):
    """To a client that reads `reads` bytes of what is written at once."""

    def __init__(self, reads=10**9):
        super().__init__()
        self.reads, self.written, self.unread, self.ended = reads, b"", 0, ""
        self.high = 2**16

    def get_extra_info(self, name, default=None):
        return {"peername": ("192.0.2.1", 5), "sockname": ("192.0.2.2", 80)}.get(name, default)

    def set_write_buffer_limits(self, high=None, low=None):
        self.high = high

    def get_write_buffer_size(self):
        return self.unread

    def write(self, data):
        self.written += data
        self.unread += len(data)
        self.read(min(self.reads, self.unread))

    def read(self, size):
        """As if the client did. Tells the protocol, as asyncio's transports do."""
        self.reads -= size
        self.unread -= size
        is_paused = self.protocol.flow.write_paused
        if self.unread > self.high and not is_paused:
            self.protocol.pause_writing()
        elif not self.unread and is_paused:
            self.protocol.resume_writing()

    def close(self):
        self.ended = self.ended or "closed"

    def abort(self):
        self.ended = "aborted"

    def is_closing(self):
        return bool(self.ended)

    def pause_reading(self):
        pass

    resume_reading = pause_reading


async def length(scope, receive, send):
    """An app that answers with the length of a body, in 100 digits."""
    size, is_complete = 0, False
    while not is_complete:
        message = await receive()
        assert message["type"] == "http.request"
        size, is_complete = size + len(message["body"]), not message["more_body"]
    body = b"%0100d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Connection:
    """A client's, to `length`."""

    def __init__(self, **options):
        config = uvicorn.Config(length, log_config=None, ws="none", lifespan="off")
        self.loop, self.transport = Loop(), Transport(**options)
        self.protocol = PatientProtocol(config, ServerState(), {}, self.loop)
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    async def send(self, data):
        self.protocol.data_received(data)
        await self.work()

    async def read(self, size):
        self.transport.read(size)
        await self.work()

    @staticmethod
    async def work():
        """What the app can do without waiting for the client."""
        for _ in range(9):
            await asyncio.sleep(0)


async def a_long_upload(connection):
    await connection.send(head(1_200_000))
    for _ in range(20):
        connection.loop.advance(5)  # 12 kB/s, for 100 s
        await connection.send(b"x" * 60_000)
    assert connection.transport.written.endswith(b"1200000")
    assert not connection.transport.ended


async def an_upload_that_stops(connection):
    await connection.send(head(20_000_000))
    for _ in range(100):
        await connection.send(b"x" * 100_000)
    connection.loop.advance(19)
    assert not connection.transport.ended
    connection.loop.advance(2)
    assert connection.transport.ended == "aborted"


async def an_upload_in_drops(connection):
    await connection.send(head(1000))
    for _ in range(21):
        connection.loop.advance(1)
        await connection.send(b"x" * 9)
    assert connection.transport.ended == "aborted"


async def half_a_request_behind_a_complete_one(connection):
    await connection.send(COMPLETE + head(100) + b"x")
    assert connection.transport.written.endswith(b"0" * 100)
    connection.loop.advance(19)
    assert not connection.transport.ended
    connection.loop.advance(2)
    assert connection.transport.ended == "aborted"


@pytest.mark.parametrize(
    "client",
    [
        a_long_upload,
        an_upload_that_stops,
        an_upload_in_drops,
        half_a_request_behind_a_complete_one,
    ],
)
def test_a_request_may_take_long_as_long_as_it_goes_on(client):
    async def run():
        await client(Connection())

    asyncio.run(run())


@pytest.mark.parametrize("reads", [10, 100])
def test_a_client_that_does_not_read_its_answer_is_hung_up_on(reads):
    """It reads a part of the head, or the head and a part of the body."""

    async def run():
        connection = Connection(reads=reads)
        await connection.send(COMPLETE)
        connection.loop.advance(59)
        assert connection.transport.ended != "aborted"
        connection.loop.advance(2)
        assert connection.transport.ended == "aborted"
        connection.protocol.connection_lost(ConnectionError())
        await connection.work()

    asyncio.run(run())


def test_a_client_that_reads_slowly_gets_its_whole_answer():
    async def run():
        connection = Connection(reads=10)
        await connection.send(COMPLETE)
        while connection.transport.unread:
            connection.loop.advance(50)
            await connection.read(min(10, connection.transport.unread))
        assert connection.transport.written.endswith(b"0" * 100)
        connection.loop.advance(1000)
        assert connection.transport.ended == "closed"  # as it was kept alive for long enough

    asyncio.run(run())


@pytest.mark.parametrize(
    ("trusted", "proxy"),
    [
        (None, "127.0.0.1"),
        ("172.16.0.0/12", "172.17.0.1"),
        ("127.0.0.1,::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_the_client_of_a_trusted_proxy_is_known(monkeypatch, trusted, proxy):
    """With the values of FORWARDED_ALLOW_IPS that docs/guides/serving.md names."""
    clients = []

    async def app(scope, receive, send):
        clients.append(scope["client"][0])

    async def client_of(proxy):
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        config.load()
        headers = [(b"x-forwarded-for", b"192.0.2.7")]
        scope = {"type": "http", "client": (proxy, 5), "headers": headers, "scheme": "http"}
        await config.loaded_app(scope, None, None)
        return clients.pop()

    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted:
        assert asyncio.run(client_of(proxy)) == proxy
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    assert asyncio.run(client_of(proxy)) == "192.0.2.7"
    assert asyncio.run(client_of("198.51.100.1")) == "198.51.100.1"


def test_the_prefix_of_a_proxy_reaches_the_app(monkeypatch):
    configs = []

    class Server:
        def __init__(self, config, on_ready):
            configs.append(config)

        def run(self, sockets):
            pass

    monkeypatch.setattr(server, "_Server", Server)
    server.serve(length, None, lambda: None, "/translate")
    assert [config.root_path for config in configs] == ["/translate"]


# ---------------------------------------------------------------------------------------------- log


FORM = b"--x\r\nContent-Disposition: form-data; name=q\r\n\r\nsecret\r\n--x"


def test_every_line_of_the_log_is_json_and_has_nothing_that_a_user_wrote():
    served = Served()
    request = (
        b"POST /translate HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%b"
    )
    for body in (FORM + b"Q", b"Q" + FORM):
        assert served.raw(request % (len(body), body)).startswith(b"HTTP/1.1 400 ")
    assert served.raw(b"secret\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    lines = served.stop().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["Invalid HTTP request received."]


def test_a_traceback_does_not_enter_the_log():
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "Failed\n%s", ("secret",), None)
    try:
        raise KeyError("secret")
    except KeyError:
        record.exc_info = sys.exc_info()
    assert server._as_json(record)
    line = logging.Formatter("%(message)s").format(record)
    assert json.loads(line).items() >= {"message": "Failed", "error": "builtins.KeyError"}.items()
    assert "secret" not in line


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
    assert served.shouts()  # it has taken the signals over
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(20) in (-signal.SIGINT, 1)
