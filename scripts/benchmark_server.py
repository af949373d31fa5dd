#!/usr/bin/env python3
"""Measures how fast `nmt serve` is, on a machine that does nothing else.

    python scripts/benchmark_server.py RUN --source FILE [--clients N] [--seconds N]

So many clients at once, each a connection that stays open and asks for one line after the other,
against `nmt serve`: lines a second, their share of `nmt translate --batch-size 64` on the same
lines (without its start), latency, and what the clients took of the processors. The processor's
time a line is that of the whole server, and of `nmt translate` without its start; it says more
where something else is running. Each answer is compared with that of `nmt translate`.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from nmt.text.lines import read_lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    lines = list(read_lines(options.source))[: options.lines]
    command = [
        sys.executable,
        "-m",
        "nmt",
        "translate",
        options.run,
        "--batch-size",
        "64",
        "--split-sentences",
    ]

    def translate(lines: list[str]) -> tuple[list[str], np.ndarray]:
        """The translations, and how long they took: on the clock, and of the processors."""
        before = time.perf_counter(), children_seconds()
        text = "".join(f"{line}\n" for line in lines)
        found = subprocess.run(
            command, input=text, text=True, capture_output=True, check=True
        ).stdout.split("\n")
        return found[:-1], np.array([time.perf_counter(), children_seconds()]) - before

    start = min((translate(lines[:1])[1] for _ in range(3)), key=tuple)
    expected, took = min((translate(lines) for _ in range(3)), key=lambda call: tuple(call[1]))
    offline = (took - start) / len(lines)

    command = [sys.executable, "-m", "nmt", "serve", options.run, "--port", "0"]
    with (
        open(os.devnull, "w") as log,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server,
    ):
        source, target, url = re.match(
            r"(\w+) -> (\w+) at (\S+)", server.stderr.readline()
        ).groups()
        drain = threading.Thread(target=shutil.copyfileobj, args=(server.stderr, log))
        drain.start()
        load = Load(
            url, {"source": source, "target": target}, dict(zip(lines, expected, strict=True))
        )
        load.run(options.clients, 3)  # fills caches
        load.latencies.clear()
        before = np.array([time.perf_counter(), server_seconds(url), time.process_time()])
        load.run(options.clients, options.seconds)
        after = np.array([time.perf_counter(), server_seconds(url), time.process_time()])
        server.terminate()
        drain.join()
    clock, of_server, of_clients = after - before
    count = len(load.latencies)
    middle, late = 1e3 * np.percentile(load.latencies, [50, 95])
    share, of_both = count / clock * offline[0], of_clients / (of_server + of_clients)
    print(
        f"nmt translate --batch-size 64: {1 / offline[0]:.0f} lines/s, processors"
        f" {1e3 * offline[1]:.1f} ms a line"
    )
    print(f"nmt serve: {count / clock:.0f} lines/s, {share:.0%} of that")
    print(f"of the processors {1e3 * of_server / count:.1f} ms a line")
    print(f"clients: {options.clients}; {load.differing} of {count} answers differ")
    print(f"latency {middle:.0f} ms, 95th percentile {late:.0f} ms")
    print(
        f"the clients took of the processors {1e3 * of_clients / count:.2f} ms a line,"
        f" {of_both:.1%} of all"
    )


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def server_seconds(url: str) -> float:
    with urlopen(f"{url}/metrics") as answer:
        return float(
            re.search(r"^process_cpu_seconds_total (\S+)", answer.read().decode(), re.MULTILINE)[1]
        )


class Load:
    """Clients of a server, written for little more than sockets, lest they take the time that they
    measure."""

    def __init__(self, url: str, fields: dict[str, str], expected: dict[str, str]):
        self.port = int(url.rpartition(":")[2])
        requests = [(text, self.request({"q": line, **fields})) for line, text in expected.items()]
        self.requests = itertools.cycle(requests)
        self.latencies: list[float] = []
        self.differing = 0

    @staticmethod
    def request(fields: dict[str, str]) -> bytes:
        body = json.dumps(fields).encode()
        head = "POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def run(self, num_clients: int, duration: float) -> None:
        async def clients() -> None:
            end = time.perf_counter() + duration
            await asyncio.gather(*(self.client(end) for _ in range(num_clients)))

        asyncio.run(clients())

    async def client(self, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while (start := time.perf_counter()) < end:
            expected, request = next(self.requests)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            answer = json.loads(
                await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
            )
            self.latencies.append(time.perf_counter() - start)
            self.differing += answer.get("translatedText") != expected
        writer.close()


if __name__ == "__main__":
    main()
