"""States of training on disk: written atomically, checked when they are read; the last are kept.

checkpoints/step-00001234.npz holds all that resuming after 1,234 steps needs, as arrays:

    model/NAME       the trained weights
    average/NAME     their moving average, as in best.npz
    optimizer/NNN    the optimizer's moments
    random/NNN       the states of dropout
    sums             what is reported, since the last evaluation

and, as facts, the fields of `nmt.training.state.TrainingState`. See `run_folder.load_arrays`.
"""

import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from nmt.errors import UserError
from nmt.runs.run_folder import WEIGHTS, load_arrays, save_arrays
from nmt.runs.temporary import remove_leftovers
from nmt.text.lines import make_folder

logger = logging.getLogger(__name__)

_STEP = re.compile(r"step-\d+\.")  # and no copy that somebody made


class Checkpoints:
    """The last `keep` states of a run. A failure to write loses no state that exists."""

    def __init__(self, run: Path, keep: int):
        self.folder, self.keep = run / "checkpoints", keep

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self.folder.glob("step-*.npz") if _STEP.match(path.name))

    @staticmethod
    def step_of(path: Path) -> int:
        return int(path.name.partition(".")[0].removeprefix("step-"))

    @classmethod
    def has_trained(cls, run: Path) -> bool:
        """Whether a run holds trained weights, damaged or not."""
        return (run / WEIGHTS).exists() or any(
            cls.step_of(path)
            for path in (run / "checkpoints").glob("step-*.*")
            if _STEP.match(path.name)
        )

    def save(self, step: int, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Path:
        """Writes a state, and only then deletes the oldest. Raises UserError if it cannot be
        written."""
        make_folder(self.folder)
        path = self.folder / f"step-{step:08d}.npz"
        save_arrays(path, arrays, facts)
        for old in self.paths()[: -self.keep]:
            old.unlink()
        return path

    def set_aside(self, step: int) -> None:
        """Renames the newest state, so that it is not resumed from, if it is that of `step` and
        there is an older one."""
        paths = self.paths()
        if len(paths) > 1 and self.step_of(paths[-1]) == step:
            paths[-1].rename(paths[-1].with_suffix(".diverged"))

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The newest undamaged state; None if training has not begun. Raises UserError if all are
        damaged."""
        damaged: list[Path] = []
        for path in reversed(self.paths()):
            try:
                found = load_arrays(path)
            except UserError as error:
                logger.warning("%s is damaged (%s)", path, error.__cause__)
                damaged.append(path)
                continue
            if damaged:
                logger.warning("resuming from %s, the newest undamaged state", path)
            for other in damaged:  # kept for inspection, but not as a state
                other.rename(other.with_suffix(".damaged"))
            return found
        if damaged:
            raise UserError(
                f"no state in {self.folder} can be read. Restore one of them, or train a new run in"
                " another folder; with the best weights, best.npz, if there are any, one"
                " translates as before, and --init-from begins."
            )
        return None


def _opened_lock(path: Path) -> IO[bytes]:
    """Not through a link, and nothing is cut off: the file may be somebody else's."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return open(os.open(path, flags, 0o666), "r+b", buffering=0)
    except OSError as error:
        raise UserError(f"{path}: cannot be opened to lock the run: {error.strerror}.") from error


@contextlib.contextmanager
def only_trainer(run: Path) -> Iterator[None]:
    """Locks a run against a second process that trains it, and removes temporary files and folders
    of killed ones.

    The system releases the lock when its holder ends, however it ends. Raises UserError if another
    process holds it.
    """
    with _opened_lock(run / ".lock") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{run} is being trained by another process. Wait for it or stop it, or choose"
                " another folder with --run."
            ) from None
        except OSError as error:  # some network file systems have no locks
            logger.warning(
                "%s: cannot be locked (%s); make sure that nobody else trains it",
                run,
                error.strerror,
            )
        remove_leftovers(run)
        yield
