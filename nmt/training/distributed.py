"""The processes and devices that train one model together.

Every process holds the whole model in plain variables, does the same steps on its part of each
batch, and adds up its gradient with the others'. All see the same sums, so all make the same update
and the same decisions; the chief alone evaluates and writes. What a process knows alone (a signal,
a score, a file) is shared before anyone acts on it.
"""

import contextlib
import functools
import json
import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from nmt.errors import UserError
from nmt.inference.parallel import num_cores

LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class Workers:
    """`count` processes, this one of number `rank`, each with `num_devices` of the `num_replicas`
    in all.

    The environment determines them: a TF_CONFIG that names several workers, else several GPUs (or
    logical CPUs), else one device. A single device computes `batch_slices` at once: two halves of a
    batch, each on one core, take an eighth less time than two cores that synchronize after every
    operation. Create it before TensorFlow has executed anything.
    """

    def __init__(self, batch_slices: int = 1) -> None:
        addresses, self.rank = _cluster(os.environ.get("TF_CONFIG", ""))
        self.count = max(1, len(addresses))
        num_slices = batch_slices if self.count == 1 and _one_processor() else 1
        if num_slices > 1:
            _divide_cores(num_slices)
        self.strategy: tf.distribute.Strategy = tf.distribute.get_strategy()
        if self.count > 1:
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        else:
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            if len(devices) > 1:
                self.strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        self.num_replicas = num_slices * self.strategy.num_replicas_in_sync
        self.num_devices = self.num_replicas // self.count
        self._sum = tf.function(
            self._sum_of_all, input_signature=[tf.TensorSpec((None,), tf.int32)], autograph=False
        )

    @property
    def is_chief(self) -> bool:
        return self.rank == 0

    def parts(self, indices: np.ndarray) -> list[np.ndarray]:
        """The part of a batch for each device of this process; the parts of all processes are the
        batch, without overlap.

        A batch is sorted by length, so each device takes every n-th pair: none waits for another.
        A part may be empty.
        """
        first = self.rank * self.num_devices
        return [indices[first + device :: self.num_replicas] for device in range(self.num_devices)]

    def add(self, gradient: Callable[[Any], list[Any]], batches: list[Any]) -> list[Any]:
        """In a graph: calls `gradient` on each device's batch, and adds up the results of all
        devices everywhere."""
        if (
            self.strategy.num_replicas_in_sync == 1
        ):  # slices, which nothing but the sum makes wait for each other
            results = [gradient(batch) for batch in batches]
            return [functools.reduce(operator.add, values) for values in zip(*results, strict=True)]

        def on_one_device() -> list[Any]:
            context = tf.distribute.get_replica_context()
            device = 0
            if len(batches) > 1:  # the number is a constant of the graph
                device = (
                    int(tf.get_static_value(context.replica_id_in_sync_group))
                    - self.rank * self.num_devices
                )
            return context.all_reduce(tf.distribute.ReduceOp.SUM, gradient(batches[device]))

        sums = self.strategy.run(on_one_device)
        return [self.strategy.experimental_local_results(value)[0] for value in sums]

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is set in any process."""
        return (
            list(flags)
            if self.count == 1
            else [bool(x) for x in self._sum(np.array(flags, np.int32)).numpy()]
        )

    def share(self, value: bytes) -> bytes:
        """Returns the chief's bytes in every process."""
        if self.count == 1:
            return value
        mine = value if self.is_chief else b""
        size = int(self._sum(np.array([len(mine)], np.int32))[0])
        if not size:  # TensorFlow 2.21 dies of a sum of nothing
            return b""
        padded = np.frombuffer(
            mine.ljust(-(-size // 4) * 4, b"\0"), np.int32
        )  # the others' are zeros: a sum is a copy
        return self._sum(padded).numpy().tobytes()[:size]

    def on_chief(self, function: Callable[[], Any]) -> Any:
        """Calls `function` in the chief alone; its result (of JSON's types), or its UserError, is
        everyone's."""
        if self.count == 1:
            return function()
        answer: dict[str, Any] = {}
        if self.is_chief:
            try:
                answer = {"result": function()}
            except UserError as error:
                answer = {"error": str(error)}
        answer = json.loads(self.share(json.dumps(answer).encode()))
        if "error" in answer:
            raise UserError(answer["error"])
        return answer["result"]

    @contextlib.contextmanager
    def lost_is_an_error(self) -> Iterator[None]:
        """A process that is gone breaks the others' next sum; TensorFlow notices at once or, by
        heartbeats, soon."""
        try:
            yield
        except LOST as error:
            if self.count == 1:
                raise
            raise UserError(
                f"worker {self.rank} of {self.count} lost contact with another one: see its"
                " messages for the cause. What was saved is intact: start the same command on all"
                " hosts again, and it resumes."
            ) from error

    def _sum_of_all(self, values: Any) -> Any:
        """The sum over all processes. Each contributes its values once, however many devices it
        has, as a sum of two copies could overflow."""
        others = [tf.zeros_like(values)] * (self.num_devices - 1)
        return self.add(lambda batch: [tf.identity(batch)], [values, *others])[0]


def _one_processor() -> bool:
    """Whether no GPU does the work, and the processor is not divided into logical ones. Does not
    start TensorFlow."""
    cpus = tf.config.list_physical_devices("CPU")
    divided = [
        cpu for cpu in cpus if len(tf.config.get_logical_device_configuration(cpu) or [cpu]) > 1
    ]
    return not divided and not tf.config.list_physical_devices("GPU")


def _divide_cores(num_slices: int) -> None:
    """So many operations at once, each by its part of the cores, unless the user has chosen how
    many threads it has."""
    if "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    with contextlib.suppress(
        RuntimeError
    ):  # TensorFlow has begun: right all the same, and no slower than one slice
        tf.config.threading.set_inter_op_parallelism_threads(num_slices)
        tf.config.threading.set_intra_op_parallelism_threads(max(1, num_cores() // num_slices))


def _cluster(text: str) -> tuple[list[str], int]:
    """Addresses of all workers, the chief first, and the number of this one, from a TF_CONFIG.
    None, if it is empty."""
    if not text:
        return [], 0
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        addresses = [*cluster.get("chief", []), *cluster["worker"]]
        rank = int(task["index"]) + (
            len(cluster.get("chief", [])) if task["type"] == "worker" else 0
        )
        if not 0 <= rank < len(addresses) or task["type"] not in ("chief", "worker"):
            raise ValueError(f"there is no {task['type']} {task['index']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            'TF_CONFIG: expected {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type":'
            f' "worker", "index": N}}}}. Received: {text[:200]} ({type(error).__name__}: {error}).'
        ) from error
    return addresses, rank
