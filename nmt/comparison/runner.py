"""Trains what a plan lists, measures each run as it ends, and rewrites the report after each.

    DIR/VARIANT/seedN            a run folder like any other
    DIR/VARIANT/seedN/compare    what was measured of it: NAME.txt are the translations of a text
    DIR/report.md, ...           see nmt.comparison.report

A comparison that is started again goes on where it stopped.
"""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nmt.comparison.measuring import EvaluationTexts, is_finished, measure
from nmt.comparison.plan import PlannedRun
from nmt.comparison.report import write_report
from nmt.config.loader import Config, check_score
from nmt.errors import Interrupted, UserError
from nmt.runs.run_folder import Run
from nmt.terminal import nmt_process
from nmt.training.setup import Prepared, prepare

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds

# Trains or resumes the runs of these folders, and yields each with its error, if any, as it ends.
TrainRuns = Callable[[Sequence[Path]], Generator[tuple[Path, UserError | None]]]


def compare(
    title: str,
    planned: Sequence[PlannedRun],
    tests: EvaluationTexts,
    folder: Path,
    train: TrainRuns,
    allow_custom: bool = False,
) -> None:
    """Trains and measures what has not been trained and measured yet.

    The report in `folder` is rewritten after each run. A run that fails does not keep the others
    from being trained; UserError names it at the end. Runs of another config or other text are
    refused before anything is done, and so are scores MODULE:CLASS unless `allow_custom`. `train`
    is `train_in_processes` or made by `one_by_one`.
    """
    for run in planned:
        check_score(run.config.model.decoder.score, allow_custom)
    variants = list(dict.fromkeys(run.variant for run in planned))
    prepared = _prepare_all(planned)
    finished = [run for run in planned if is_finished(run.path)]
    results = [measure(run, prepared[run.path], tests) for run in finished]
    if results:
        write_report(folder, title, variants, len(planned), results)
    waiting = {run.path: run for run in planned if run not in finished}
    failed: list[PlannedRun] = []
    with contextlib.closing(train(list(waiting))) as ended:
        for path, error in ended:
            run = waiting[path]
            if error:
                logger.error("%s", error)
                failed.append(run)
                continue
            results.append(measure(run, prepared[path], tests))
            write_report(folder, title, variants, len(planned), results)
            logger.info("%s: %d of %d runs", folder / "report.md", len(results), len(planned))
    if failed:
        names = ", ".join(f"{run.variant} (seed {run.seed})" for run in failed)
        raise UserError(
            f"these runs failed: {names}. See their train.log; the same command tries again."
        )


def _prepare_all(planned: Sequence[PlannedRun]) -> dict[Path, Prepared]:
    """Opens all runs that exist, so that a changed config is refused first, then begins the others.

    Runs that read the same text in the same way share the tokenizers and the encoded text of the
    first of them.
    """
    prepared = {run.path: prepare(run.config, run.path) for run in planned if Run.exists(run.path)}
    first: dict[str, Run] = {}
    for existing in prepared.values():
        first.setdefault(_text_key(existing.run.config), existing.run)
    for run in planned:
        if run.path not in prepared:
            key = _text_key(run.config)
            prepared[run.path] = prepare(run.config, run.path, like=first.get(key))
            first.setdefault(key, prepared[run.path].run)
    return prepared


def _text_key(config: Config) -> str:
    """Equal for configs that read and encode text in the same way. The tokenizers of a run are
    those of the run that it starts from, if there is one."""
    return config.model_dump_json(
        include={"data": True, "tokenizer": True, "copying": True, "training": {"init_from"}}
    )


def one_by_one(train: Callable[[Path], object]) -> TrainRuns:
    """Trains runs in this process, with a function that trains the run of one folder."""

    def train_all(paths: Sequence[Path]) -> Generator[tuple[Path, UserError | None]]:
        for path in paths:
            try:
                train(path)
            except UserError as error:
                yield path, error
            else:
                yield path, None

    return train_all


@dataclass
class TrainingProcess:
    """A child process that trains a run, and the cores that it may use."""

    process: subprocess.Popen[bytes]
    cores: list[int]

    @classmethod
    def start(cls, run: Path, cores: list[int], restrict: bool, allow_custom: bool) -> Self:
        logger.info("%s: training", run)
        allowed = ["--allow-custom"] if allow_custom else []
        config = str(run / "config.yaml")
        command, environment = nmt_process("train", config, "--run", str(run), *allowed)
        # In a session of its own: Ctrl-C at a terminal would reach it twice, which means "at once".
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        if cores and restrict:
            os.sched_setaffinity(process.pid, cores)
        return cls(process, cores)


def train_in_processes(
    paths: Sequence[Path], num_jobs: int = 1, allow_custom: bool = False
) -> Generator[tuple[Path, UserError | None]]:
    """Trains runs that have begun with `nmt train`, `num_jobs` at a time, and yields each with its
    error, if any, as it ends.

    A process of its own starts every run in the same state, returns all its memory, and does not
    take others with it if it runs out of memory. Several at a time divide the cores among them. A
    signal is passed on to them and raises Interrupted; when this generator is closed, they have
    saved.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    free = [cores[job::num_jobs] for job in range(num_jobs)]
    waiting, running = list(paths), dict[Path, TrainingProcess]()
    with _passing_signals_on(running) as passed:
        try:
            while waiting or running:
                while waiting and free:
                    path, cores = waiting.pop(0), free.pop(0)
                    running[path] = TrainingProcess.start(path, cores, num_jobs > 1, allow_custom)
                done = [path for path, job in running.items() if job.process.poll() is not None]
                for path in done:
                    job = running.pop(path)
                    free.append(job.cores)
                    yield path, _failure(path, job.process.returncode)
                if not done:
                    time.sleep(POLL)
        finally:
            for job in running.values():
                if not passed:  # the caller has failed
                    job.process.terminate()
            for job in running.values():
                job.process.wait()


def _failure(path: Path, code: int) -> UserError | None:
    return UserError(f"the training of {path} failed with exit code {code}.") if code else None


@contextlib.contextmanager
def _passing_signals_on(running: Mapping[Path, TrainingProcess]) -> Iterator[list[int]]:
    """Yields the signals that have been passed on so far."""
    passed: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        passed.append(number)
        for job in running.values():
            job.process.send_signal(number)
        if len(passed) == 1:
            raise Interrupted(number)

    old = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield passed
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
