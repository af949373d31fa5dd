"""Several processes and devices train as one: the same losses, one folder, and a clear end when one
of them is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from fixtures.run import last_state, steps_of, tiny_config, toy_data

from nmt.errors import UserError
from nmt.model.losses import Loss
from nmt.runs.checkpoints import Checkpoints
from nmt.training.distributed import Workers, _cluster
from nmt.training.train_step import TrainStep
from nmt.training.trainer import train

STEPS = 50
PROGRAM = """
import json, sys, time
from pathlib import Path
import tensorflow as tf
recipe, run, log, num_devices = sys.argv[1:]
if int(num_devices) > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * int(num_devices)
    tf.config.set_logical_device_configuration(cpu, devices)
from nmt.config.loader import load_config
from nmt.errors import UserError
from nmt.training.trainer import train
from nmt.training.train_step import TrainStep

apply = TrainStep.apply
def logged(self, parts, **numbers):
    sums, applied = apply(self, parts, **numbers)
    with open(log, "a") as stream:
        print(json.dumps(sums), file=stream)
    time.sleep(0.02)  # so that a test may come in between
    return sums, applied
TrainStep.apply = logged
try:
    train(load_config(recipe), Path(run))
except UserError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Without dropout. 97 pairs in batches of 16: the last batch of an epoch is a single pair, a
    part of it empty. The model is one that compiles fast."""
    data = toy_data(tmp_path_factory.mktemp("text"), num_pairs=97, num_dev=3)
    return tiny_config(
        data,
        model={
            "encoder": {"bidirectional": False},
            "decoder": {"attention": "update_first/general"},
        },
        training={"epochs": 9, "max_steps": STEPS, "evaluate_every": 10, "warmup_steps": 10},
    )


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    """The sums of each step of one process with one device."""
    sums, apply = [], TrainStep.apply

    def noting(self, parts, **numbers):
        result = apply(self, parts, **numbers)
        sums.append(result[0])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainStep, "apply", noting)
        train(config, tmp_path_factory.mktemp("alone") / "run")
    return sums


def start(config, run, log, num_devices=1, tf_config=None):
    recipe = run.with_name("recipe.yaml")
    recipe.write_text(config.to_yaml())
    environment = {**os.environ, **({"TF_CONFIG": json.dumps(tf_config)} if tf_config else {})}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(recipe), str(run), str(log), str(num_devices)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(config, run, logs):
    """Two workers; each has a folder of its own, but the chief's is the one that is kept."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return [
        start(
            config,
            path,
            log,
            tf_config={"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index, (path, log) in enumerate(zip((run, run.with_name("unused")), logs, strict=True))
    ]


def logged(path):
    return [Loss(*json.loads(line)) for line in path.read_text().splitlines()]


def assert_same_losses(ours, theirs):
    for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        assert our.tokens == their.tokens, number
        assert our.objective / our.tokens == pytest.approx(
            their.objective / their.tokens, abs=1e-5
        ), number


def test_two_workers_lose_one_resume_and_train_as_one(config, alone, tmp_path):
    run, logs = (
        tmp_path / "run",
        [[tmp_path / f"{session}{worker}" for worker in range(2)] for session in range(2)],
    )
    chief, other = start_two(config, run, logs[0])
    deadline = time.monotonic() + 400
    while not (states := Checkpoints(run, 2).paths()) or Checkpoints.step_of(states[-1]) < 20:
        assert chief.poll() is None and time.monotonic() < deadline, chief.communicate()
        time.sleep(0.01)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    error = chief.communicate(timeout=60)[1]
    assert chief.returncode == 1
    assert (
        "worker 0 of 2 lost contact" in error
        and "start the same command on all hosts again" in error
    )
    resumed_at = last_state(run)[1]["step"]
    assert 20 <= resumed_at < STEPS

    for process in start_two(config, run, logs[1]):
        error = process.communicate(timeout=400)[1]
        assert process.returncode == 0, error
    assert steps_of(run) == [10, 20, 30, 40, 50] and not run.with_name("unused").exists()
    first, second = logged(logs[0][0])[:resumed_at], logged(logs[1][0])
    assert_same_losses(first + second, alone)
    assert logged(logs[1][1]) == second  # every worker sees the sums of all


def test_two_devices_train_as_one(config, alone, tmp_path):
    process = start(config, tmp_path / "run", tmp_path / "log", num_devices=2)
    error = process.communicate(timeout=400)[1]
    assert process.returncode == 0, error
    assert_same_losses(logged(tmp_path / "log"), alone)


def test_two_slices_of_a_batch_train_as_one(config, alone, tmp_path):
    config = config.model_copy(
        update={"training": config.training.model_copy(update={"batch_slices": 2})}
    )
    process = start(config, tmp_path / "run", tmp_path / "log")
    error = process.communicate(timeout=400)[1]
    assert process.returncode == 0, error
    assert_same_losses(logged(tmp_path / "log"), alone)


# As the guide on clusters does it; each worker's process is the program above.
RAY_TRAIN = """
import subprocess, sys

import ray
import ray.train
from ray.train import RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

program, folder = sys.argv[1:]

def train_on_worker():
    rank = ray.train.get_context().get_world_rank()
    arguments = [f"{folder}/{name}" for name in ("recipe.yaml", f"worker{rank}", f"log{rank}")]
    subprocess.run([sys.executable, "-c", program, *arguments, "1"], check=True)

ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20)
workers = ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1})
storage = RunConfig(storage_path=f"{folder}/storage")
TensorflowTrainer(train_on_worker, scaling_config=workers, run_config=storage).fit()
"""


def test_two_workers_of_ray_train_are_one(config, alone, tmp_path):
    for module in ("ray", "pandas", "pyarrow"):
        pytest.importorskip(module, reason="Ray Train is not installed: pip install 'ray[train]'")
    (tmp_path / "recipe.yaml").write_text(config.to_yaml())
    process = subprocess.run(
        [sys.executable, "-c", RAY_TRAIN, PROGRAM, str(tmp_path)],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert_same_losses(logged(tmp_path / "log0"), alone)
    assert logged(tmp_path / "log1") == logged(tmp_path / "log0")
    assert steps_of(tmp_path / "worker0") == [10, 20, 30, 40, 50]
    assert not (tmp_path / "worker1").exists()


# TensorFlow is imported once; each case starts it in a process of its own, forked before it runs
# anything. Six cores.
FORKING = """
import json, os, sys
os.sched_getaffinity = lambda process: set(range(6))
import tensorflow as tf
from nmt.training.distributed import Workers

def two_devices():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

def slices():
    workers, threading = Workers(batch_slices=2), tf.config.threading
    inter, intra = (
        threading.get_inter_op_parallelism_threads(), threading.get_intra_op_parallelism_threads()
    )
    return [inter, intra], workers.num_devices

def threads_chosen():
    os.environ["TF_NUM_INTRAOP_THREADS"] = "5"
    return slices()

def devices():
    two_devices()
    return slices()

def shared():
    two_devices()
    workers = Workers()
    workers.count = 2
    value = bytes(range(256)) + b'{"result": null}'
    return workers.share(value) == value, workers.any(True, False)

for case in (slices, threads_chosen, devices, shared):
    if not (child := os.fork()):
        print(json.dumps({case.__name__: case()}), flush=True)
        os._exit(0)
    if status := os.waitpid(child, 0)[1]:
        sys.exit(f"{case.__name__}: {status}")
"""


@pytest.fixture(scope="module")
def in_own_process():
    """What each case of `FORKING` returned."""
    process = subprocess.run([sys.executable, "-c", FORKING], text=True, capture_output=True)
    assert process.returncode == 0, process.stderr
    results = {}
    for line in process.stdout.splitlines():
        results.update(json.loads(line))
    return results


@pytest.mark.parametrize(
    ("case", "threads"), [("slices", [2, 3]), ("threads_chosen", [0, 0]), ("devices", [0, 0])]
)
def test_slices_share_the_cores(case, threads, in_own_process):
    """Two slices on six cores. A user who has chosen the threads keeps them, and so do several
    devices, which leave no slices to be made (TensorFlow's 0 is: not set here)."""
    assert in_own_process[case] == [threads, 2]


def test_the_devices_of_one_process_share_its_bytes_once(in_own_process):
    """Among several processes (one here): a sum over two devices has no room for bytes above 127
    twice."""
    assert in_own_process["shared"] == [True, [True, False]]


def test_the_parts_of_a_batch_are_the_batch_without_overlap():
    def parts(rank, count, num_devices, indices):
        workers = Workers()
        workers.rank, workers.num_devices, workers.num_replicas = (
            rank,
            num_devices,
            count * num_devices,
        )
        return workers.parts(indices)

    for size in (0, 1, 5, 16):
        indices = np.arange(100, 100 + size)
        taken = [part for rank in range(3) for part in parts(rank, 3, 2, indices)]
        assert len(taken) == 6 and sorted(np.concatenate(taken).tolist()) == indices.tolist()
        assert max(map(len, taken)) - min(map(len, taken)) <= 1


def test_alone_everything_is_shared_with_oneself():
    workers = Workers()
    assert workers.is_chief and workers.num_replicas == 1
    assert workers.share(b"abc") == b"abc"
    assert workers.any(True, False) == [True, False]
    assert workers.on_chief(lambda: [1, "x"]) == [1, "x"]


def test_the_chief_comes_first_in_a_cluster():
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for kind, index, rank in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        text = json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})
        assert _cluster(text) == (["a:1", "b:1", "c:1"], rank)
    assert _cluster("") == ([], 0)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_damaged_tf_config_is_refused_with_an_example(text):
    with pytest.raises(
        UserError, match=r'TF_CONFIG: expected \{"cluster": \{"worker": \["HOST:PORT"'
    ):
        _cluster(text)
