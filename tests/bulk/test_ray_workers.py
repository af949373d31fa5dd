"""Workers on a Ray cluster of two nodes, both of which are this machine."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from fixtures.bulk import (
    SETTINGS,
    Upper,
    by_process,
    contents,
    load_nothing,
    load_slowly,
    load_suicidal,
    numbered,
    same_everywhere,
    translate_all,
)

from nmt.bulk.folder import OutputFolder
from nmt.bulk.ray_workers import Model, RayWorkers
from nmt.bulk.shards import Shard, input_files, read_shards
from nmt.bulk.translating import Request, translate_shards
from nmt.errors import UserError
from nmt.text.lines import write_lines

ray = pytest.importorskip("ray", reason="Ray is not installed (extra `cluster`)")

TESTS = Path(__file__).parents[1]
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    paths = [str(TESTS), str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    config = {
        # A node that is killed without a word is noticed within some seconds, not half a minute.
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 2,
        "worker_niceness": 0,  # other tests, beside these, would take their cores
    }
    options = {**NODE, "include_dashboard": False, "_system_config": config}
    started = Cluster(initialize_head=True, head_node_args=options)
    try:
        started.add_node(**NODE)
        yield started
    finally:
        ray.shutdown()
        started.shutdown()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def workers(cluster):
    """workers(load, fingerprint=...) -> workers on the cluster."""
    opened = []

    def open_workers(load, fingerprint=same_everywhere):
        model = Model(load, fingerprint)
        opened.append(RayWorkers(cluster.address, model, Request()))
        return opened[-1]

    yield open_workers
    for one in opened:
        one.close()


@pytest.fixture
def corpus(tmp_path):
    write_lines(tmp_path / "a.en.gz", numbered(30_000))
    write_lines(tmp_path / "b.en", numbered(3))
    translate_all(tmp_path / "*.en*", tmp_path / "expected", Upper(), shard_lines=10_000)
    return tmp_path


def translate(corpus, output, workers, progress=lambda count: None):
    folder = OutputFolder(corpus / output, ".fr", SETTINGS)
    shards = read_shards(input_files(corpus / "*.en*"), "en", 10_000)
    return translate_shards(shards, folder, workers, progress)


def test_a_cluster_writes_the_bytes_of_one_machine(corpus, workers):
    pids = corpus / "pids"
    pids.mkdir()
    counts = []
    summary = translate(corpus, "out", workers(partial(load_slowly, pids)), counts.append)
    assert summary.num_translated == 4 and sum(counts) == 30_003
    assert contents(corpus / "out") == contents(corpus / "expected")
    assert len(list(pids.iterdir())) == 2  # one translator for each core


def test_an_actor_that_is_killed_loses_nothing(corpus, workers):
    marker = corpus / "killed"
    assert translate(corpus, "out", workers(partial(load_suicidal, marker))).num_translated == 4
    assert marker.exists()
    assert contents(corpus / "out") == contents(corpus / "expected")


def test_a_node_that_is_lost_loses_nothing(corpus, cluster, workers):
    pids = corpus / "pids"
    pids.mkdir()
    node = cluster.add_node(**NODE)
    killed = []

    def progress(count):
        while len(list(pids.iterdir())) < 3:  # the new node works, too
            time.sleep(0.1)
        if not killed:
            for (process,) in [node.all_processes["raylet"]]:
                killed.append(process.process.pid)
                os.kill(killed[-1], signal.SIGKILL)

    summary = translate(corpus, "out", workers(partial(load_slowly, pids)), progress)
    assert summary.num_translated == 4 and killed
    assert contents(corpus / "out") == contents(corpus / "expected")


def test_memory_is_bounded_however_long_the_corpus(corpus, workers):
    read = []

    def shards():
        for number in range(1000):
            read.append(number)
            yield Shard(corpus / "a.en", f"a-{number:05}", 0, numbered(10))

    answers = workers(partial(load_slowly, corpus)).translate(
        window for shard in shards() for window in shard.windows()
    )
    for _ in range(5):
        next(answers)
    assert len(read) <= 5 + 2 * 6
    answers.close()


def test_a_model_that_cannot_be_loaded_is_reported(corpus, workers):
    with pytest.raises(UserError, match=r"could not load the model \(FileNotFoundError: no model"):
        translate(corpus, "out", workers(load_nothing))


def test_nodes_with_another_model_are_refused(corpus, workers):
    with pytest.raises(UserError, match="another model"):
        translate(corpus, "out", workers(partial(load_slowly, corpus), by_process))


def test_an_address_without_a_cluster_is_a_user_error():
    with pytest.raises(UserError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        RayWorkers("127.0.0.1:1", Model(load_nothing, same_everywhere), Request())
