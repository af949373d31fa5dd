"""Temporary files that killed processes have left beside the files that they were writing."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from nmt.text.lines import left_over_temporaries


@contextlib.contextmanager
def without_left_overs(paths: Iterable[Path]) -> Iterator[None]:
    """Removes what killed processes have left of these files, and keeps what is written in the
    block from being removed by others.

    Who writes holds a shared lock on the folder, which ends with the process. Who gets the folder
    alone knows that nobody writes: what is there then is left over. On a file system without locks
    nothing is removed.
    """
    targets = [path.resolve() for path in paths]  # of a link, where `atomic_write` writes
    with contextlib.ExitStack() as stack:
        for folder in sorted({target.parent for target in targets}):
            with contextlib.suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(path for path in targets if path.parent == folder)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        for temporary in left_over_temporaries(path):
            with contextlib.suppress(OSError):
                temporary.unlink()
