"""Temporary folders that a killed process leaves behind, and their removal."""

import contextlib
import fcntl
import glob
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

SUFFIX = ".tmp"
# Names that `atomic_write` and `tempfile` make.
_OURS = re.compile(r"\..+\.(?:[0-9a-f]{12}|[a-z0-9_]{8})\.tmp")
_SUBFOLDERS = ("checkpoints", "corpus", "texts")  # of a run


@contextlib.contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A hidden folder `.NAME.*.tmp` in `parent` for the length of a `with`. Those that killed
    processes left under this name are removed."""
    _remove(parent.glob(f".{glob.escape(name)}.*{SUFFIX}"))
    made = tempfile.TemporaryDirectory(prefix=f".{name}.", suffix=SUFFIX, dir=parent)
    with made as folder, _locked(Path(folder)):
        yield Path(folder)


def remove_leftovers(run: Path) -> None:
    """Removes the temporary files of a run, and temporary folders that no living process uses.
    What cannot be removed stays, with a warning."""
    folders = run, *(run / name for name in _SUBFOLDERS)
    for folder in folders:
        paths = folder.glob(f".*{SUFFIX}")
        _remove(path for path in paths if _OURS.fullmatch(path.name))


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        try:
            if not path.is_dir() or path.is_symlink():
                path.unlink(missing_ok=True)
                continue
            with _locked(path) as is_locked:
                if is_locked:
                    shutil.rmtree(path)
        except FileNotFoundError:  # was inside a folder that has been removed
            pass
        except OSError as error:
            logger.warning("%s is left over and cannot be removed (%s)", path, error.strerror)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Locks a folder; yields False if another process has. The system releases the lock when its
    holder ends, however it ends. On a file system without locks nobody has."""
    descriptor = os.open(folder, os.O_RDONLY)
    is_locked = True
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_locked = False
        except OSError:
            pass
        yield is_locked
    finally:
        os.close(descriptor)
