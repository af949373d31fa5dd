#!/usr/bin/env python3
"""Shows that bulk translation on Ray loses nothing and repeats nothing, whatever is killed.

    python scripts/prove_cluster.py [--run en-fr] [--lines N] [--rounds N] [-- OPTION ...]

Two nodes (raylets) of this machine share its cores. A corpus is translated without Ray, then on the
cluster, then once a round on the cluster while an actor, a raylet or the driver is killed
(`kill -9`) at random moments; a driver that was killed is started again, and a raylet is replaced.
The bytes of all files must be those of the translation without Ray. Options after `--` are those of
`nmt translate`, such as `--beam-size 1`. Throughput means something on an idle machine only.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from nmt.inference.parallel import num_cores
from nmt.text.lines import read_lines, write_lines

MB = 1 << 20
# A killed raylet is noticed within some seconds, not half a minute.
CHECKS = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5}


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory(prefix="nmt-proof-") as name:
        folder = Path(name)
        corpus = write_corpus(folder, options.text, options.lines)
        command = [sys.executable, "-P", "-m", "nmt", "translate", options.run, "--input", corpus]
        command += ["--shard-lines", str(options.shard_lines), *options.options]

        alone = timed([*command, "--output", f"{folder}/alone/"])
        expected = contents(folder / "alone")
        report("without Ray", options.lines, alone)
        with RayCluster() as cluster:
            on_cluster = [*command, "--cluster", cluster.address]
            undisturbed = timed([*on_cluster, "--output", f"{folder}/cluster/"])
            compare(contents(folder / "cluster"), expected)
            report("on two nodes", options.lines, undisturbed)
            print(f"throughput on Ray: {alone.seconds / undisturbed.seconds:.1%} of that without")
            generator = random.Random(options.seed)
            for round in range(options.rounds):
                output = folder / f"round{round}"
                killed = disturbed(
                    [*on_cluster, "--output", f"{output}/"],
                    cluster,
                    generator,
                    longest_wait=max(undisturbed.seconds / 2, 5.0),
                )
                compare(contents(output), expected)
                num_lines = sum(1 for path in shards(output) for _ in read_lines(path))
                if num_lines != options.lines:
                    raise SystemExit(f"{num_lines} lines of {options.lines}")
                print(
                    f"round {round + 1}: same bytes; killed: {', '.join(killed) or 'nothing'}",
                    flush=True,
                )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="en-fr")
    parser.add_argument("--text", default="everyday/train.en", help="repeated as often as needed")
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--shard-lines", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("options", nargs="*", metavar="OPTION")
    return parser.parse_args()


def write_corpus(folder: Path, text: str, num_lines: int) -> str:
    """Two files, one of them compressed; no two lines are the same."""
    lines = list(read_lines(text))
    numbered = [f"{line} {n}" for n, line in enumerate(islice(cycle(lines), num_lines))]
    write_lines(folder / "a.en.gz", numbered[: num_lines // 2])
    write_lines(folder / "b.en", numbered[num_lines // 2 :])
    return f"{folder}/?.en*"


# ------------------------------------------------------------------------------------------ cluster


class RayCluster:
    """A head without cores, and two nodes that share this machine's."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        options = {"num_cpus": 0, "include_dashboard": False, "_system_config": CHECKS}
        self._cluster = Cluster(
            initialize_head=True, head_node_args={**options, "object_store_memory": 200 * MB}
        )
        cores = max(num_cores(), 2)
        self._cores = [cores - cores // 2, cores // 2]
        self._nodes = [self._new_node(count) for count in self._cores]

    @property
    def address(self) -> str:
        return self._cluster.address

    def _new_node(self, num_cpus: int) -> Any:
        return self._cluster.add_node(num_cpus=num_cpus, object_store_memory=200 * MB)

    def __enter__(self) -> "RayCluster":
        return self

    def __exit__(self, *error: Any) -> None:
        self._cluster.shutdown()

    def kill_actor(self, generator: random.Random) -> str | None:
        raylets = {self._raylet(node) for node in self._nodes}
        actors = [
            pid
            for pid, parent, title in processes()
            if parent in raylets and title.startswith("ray::_Actor")
        ]
        if not actors:
            return None
        kill(generator.choice(actors))
        return "an actor"

    def kill_raylet(self, generator: random.Random) -> str:
        """Kills one and starts another node in its place."""
        index = generator.randrange(len(self._nodes))
        lost = self._nodes[index]
        kill(self._raylet(lost))
        time.sleep(generator.uniform(0.0, 10.0))
        with contextlib.suppress(Exception):
            self._cluster.remove_node(lost, allow_graceful=False)
        self._nodes[index] = self._new_node(self._cores[index])
        return "a raylet"

    @staticmethod
    def _raylet(node: Any) -> int:
        return node.all_processes["raylet"][0].process.pid


def processes() -> list[tuple[int, int, str]]:
    """Id, parent and title of each process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            found.append((int(folder.name), int(parent), title))
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


# ----------------------------------------------------------------------------------------- commands


class Measured:
    """How long a command took, and its memory at most."""

    def __init__(self, seconds: float, peak_mb: float):
        self.seconds, self.peak_mb = seconds, peak_mb


def timed(command: list[str]) -> Measured:
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) / 1024)
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return Measured(time.perf_counter() - start, peak)


def disturbed(
    command: list[str], cluster: RayCluster, generator: random.Random, longest_wait: float
) -> list[str]:
    """Runs a command to its end, while things are killed one to four times; says which."""
    killed: list[str] = []
    remaining = generator.randint(1, 4)
    while True:
        # Ray prints the end of the logs of lost nodes there.
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while remaining and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(generator.uniform(0.0, longest_wait))
                    break
                remaining -= 1
                victim = generator.choice(["actor", "raylet", "driver"])
                if victim == "driver":
                    process.kill()
                    killed.append("the driver")
                elif victim == "raylet":
                    killed.append(cluster.kill_raylet(generator))
                elif what := cluster.kill_actor(generator):
                    killed.append(what)
        if process.returncode == 0:
            return killed
        if process.returncode != -signal.SIGKILL:
            raise SystemExit(f"{command} failed with {process.returncode}")


# ------------------------------------------------------------------------------------------ results


def shards(output: Path) -> list[Path]:
    return [path for path in sorted(output.iterdir()) if path.is_file()]


def contents(output: Path) -> dict[str, bytes]:
    """All files, manifests too. What is left over, such as a temporary file, is a difference."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file()
    }


def compare(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    if different := [
        name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)
    ]:
        raise SystemExit(f"different from the translation without Ray: {', '.join(different)}")


def report(what: str, num_lines: int, measured: Measured) -> None:
    print(
        f"{what}: {num_lines:,} lines in {measured.seconds:.1f} s with the start,"
        f" {num_lines / measured.seconds:.0f} lines/s; the command's memory at most"
        f" {measured.peak_mb:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
