"""Workers on a Ray cluster: an actor for each core, each with a translator of its own.

    windows --driver--> actors --driver--> records, in order

Only the driver reads the corpus and writes the folder, so that the nodes need no shared disk for
them. What an actor had when it, or its node, was lost is given to another one.
"""

import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nmt.about import VERSION, install_command
from nmt.bulk.shards import Window
from nmt.bulk.translating import Answer, Request
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.inference.translator import Translator

logger = logging.getLogger(__name__)

WINDOWS_PER_ACTOR = 2  # one is translated while the other one waits
AHEAD_PER_ACTOR = 6  # windows given out before the oldest one is answered: bounds memory
ATTEMPTS = 5  # for a window, before it is held to be what kills its actors
WAIT_SECONDS = 60.0
CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Model:
    """Loads a translator on any node. Both functions are pickled by name."""

    load: Callable[[], "Translator"]
    fingerprint: Callable[[], Any]  # the same wherever the model is

    def identity(self) -> Any:
        return {"model": self.fingerprint(), "nmt": VERSION}


class _Actor:
    """Runs on a node. Errors are values: an exception means that the actor is lost."""

    def __init__(self, model: Model, request: Request):
        self._model, self._request = model, request
        self._translator: Any = None  # until `prepare`

    def prepare(self) -> tuple[Any, str]:
        """What was loaded, or why nothing was."""
        try:
            self._translator = self._model.load()
            return self._model.identity(), ""
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"

    def answer(self, window: Window) -> tuple[Answer | None, str, bool]:
        """The answer, or else an error and whether the user can correct it."""
        try:
            return self._request.answer(self._translator, window), "", False
        except UserError as error:
            return None, str(error), True
        except Exception as error:
            return None, f"{type(error).__name__}: {error}", False


@dataclass(eq=False)
class _Job:
    """A window on its way."""

    number: int
    window: Any  # a reference to it in Ray's object store
    attempts: int = 0


@dataclass(eq=False)
class _Slot:
    """An actor, and what it was given."""

    actor: Any
    is_ready: bool = False
    jobs: list[_Job] = field(default_factory=list)


class RayWorkers:
    """Actors on the cluster at `address`: `auto` (the one that this machine belongs to), or that of
    its head node.

    UserError if there is no such cluster, or if a node has another model.
    """

    def __init__(self, address: str, model: Model, request: Request):
        self._ray = _connect(address)
        self._model, self._request = model, request
        # Keras would use all cores for each actor.
        threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        self._actor_class = self._ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, runtime_env={"env_vars": threads}
        )(_Actor)
        self._identity = model.identity()

    def translate(self, windows: Iterable[Window]) -> Generator[Answer, None, None]:
        return _Driver(self._ray, self._new_actor, self._identity).run(iter(windows))

    def _new_actor(self) -> Any:
        return self._actor_class.remote(self._model, self._request)

    def close(self) -> None:
        self._ray.shutdown()


class _Driver:
    """Gives windows to actors and puts the answers in order."""

    def __init__(self, ray: Any, new_actor: Callable[[], Any], identity: Any):
        self._ray, self._new_actor, self._identity = ray, new_actor, identity
        self._slots: list[_Slot] = []
        self._preparing: dict[Any, _Slot] = {}  # by reference
        self._running: dict[Any, tuple[_Slot, _Job]] = {}
        self._again: deque[_Job] = deque()
        self._answers: dict[int, Answer] = {}  # by number of the window
        self._num_given = self._num_yielded = self._num_lost = 0
        self._exhausted = False

    def run(self, windows: Iterator[Window]) -> Generator[Answer, None, None]:
        try:
            for _ in range(self._num_cores()):
                self._add_slot()
            while True:
                self._give_out(windows)
                while (answer := self._answers.pop(self._num_yielded, None)) is not None:
                    self._num_yielded += 1
                    yield answer
                    self._give_out(windows)
                if self._exhausted and self._num_yielded == self._num_given:
                    return
                self._wait()
        finally:
            for slot in self._slots:
                with contextlib.suppress(Exception):
                    self._ray.kill(slot.actor)

    def _num_cores(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if not cores:
            raise UserError(
                "the Ray cluster has no CPU. Start nodes with `ray start --num-cpus N`."
            )
        return cores

    def _add_slot(self) -> None:
        slot = _Slot(self._new_actor())
        self._slots.append(slot)
        self._preparing[slot.actor.prepare.remote()] = slot

    def _give_out(self, windows: Iterator[Window]) -> None:
        limit = AHEAD_PER_ACTOR * len(self._slots)
        for load in range(WINDOWS_PER_ACTOR):  # each actor gets a first window before any a second
            for slot in self._slots:
                if slot.is_ready and len(slot.jobs) == load:
                    if self._again:
                        job = self._again.popleft()
                    elif self._exhausted or self._num_given - self._num_yielded >= limit:
                        return
                    elif (window := next(windows, None)) is None:
                        self._exhausted = True
                        return
                    else:
                        job = _Job(self._num_given, self._ray.put(window))
                        self._num_given += 1
                    job.attempts += 1
                    slot.jobs.append(job)
                    self._running[slot.actor.answer.remote(job.window)] = slot, job

    def _wait(self) -> None:
        """Waits for one answer or one actor."""
        done, _ = self._ray.wait(
            [*self._running, *self._preparing], num_returns=1, timeout=WAIT_SECONDS
        )
        if not done and not self._running:
            logger.warning("waiting for the Ray cluster to start workers")
        for reference in done:
            try:
                value = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._lose(reference, error)
                continue
            if reference in self._preparing:
                self._check_prepared(*value)
                self._preparing.pop(reference).is_ready = True
                continue
            answer, reason, is_mistake = value
            if is_mistake:
                raise UserError(reason)
            if answer is None:  # such as a MemoryError: another worker may succeed
                self._lose(reference, RuntimeError(reason))
                continue
            slot, job = self._running.pop(reference)
            slot.jobs.remove(job)
            self._answers[job.number] = answer
            self._num_lost = 0

    def _check_prepared(self, identity: Any, error: str) -> None:
        if error:
            raise UserError(
                f"a node of the cluster could not load the model ({error}). The run must be at the"
                " same path on every node, or be an installed model."
            )
        if identity != self._identity:
            raise UserError(
                "a node of the cluster has another model at the path of the run, or another version"
                f" of nmt. Expected {self._identity}, received {identity}."
            )

    def _lose(self, reference: Any, error: Exception) -> None:
        """Starts another actor in place of one that is lost, or that failed, and gives its windows
        to others."""
        pair = self._running.get(reference)
        slot = pair[0] if pair else self._preparing[reference]
        self._running = {ref: (of, job) for ref, (of, job) in self._running.items() if of != slot}
        self._preparing = {ref: of for ref, of in self._preparing.items() if of != slot}
        self._slots.remove(slot)
        for job in slot.jobs:
            if job.attempts == ATTEMPTS:
                raise UserError(
                    f"the same lines failed on {ATTEMPTS} workers ({_first_line(error)}), which may"
                    " have too little memory. Start fewer workers on a node: `ray start --num-cpus"
                    " N`."
                ) from error
        self._num_lost += 1
        if self._num_lost > 3 * (len(self._slots) + 1):
            raise UserError(
                f"workers end before they have translated anything ({_first_line(error)}). See the"
                " logs of Ray on their nodes."
            ) from error
        logger.warning("a worker failed (%s): translating its lines again", _first_line(error))
        self._again.extend(slot.jobs)
        with contextlib.suppress(Exception):
            self._ray.kill(slot.actor)  # unless it is gone, as after a lost connection
        self._add_slot()


def _connect(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError(
            f"--cluster needs Ray, which is not installed: {install_command('cluster')}."
        ) from error
    try:
        _check_reachable(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster at {address!r} ({_first_line(error)}). Start one with `ray"
            " start --head`, and give --cluster auto on one of its machines."
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """OSError if nobody listens there: Ray would try for six minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
