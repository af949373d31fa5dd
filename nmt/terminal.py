"""Progress bars, and a quiet way to load TensorFlow."""

import contextlib
import ctypes
import os
import sys
import tempfile
from typing import Any


def import_tensorflow() -> None:
    """Imports TensorFlow without its greetings, which it writes to the terminal whatever it is
    told."""
    keep_memory_together()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what comes later
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as greetings:
        os.dup2(greetings.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            greetings.seek(0)
            os.write(terminal, greetings.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h


def keep_memory_together() -> None:
    """Of glibc, which gives eight heaps to each core, and keeps what is freed there: TensorFlow
    allocates in one thread what it frees in another, in sizes that differ with each batch, and so
    leaves the heaps full of holes."""
    if not any(name.startswith("MALLOC_") for name in os.environ):  # then somebody knows better
        with contextlib.suppress(OSError, AttributeError):  # another system
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_ARENA_MAX, os.cpu_count() or 1)
            mallopt(M_MMAP_THRESHOLD, 4 << 20)  # larger ones are returned at once
            mallopt(M_TRIM_THRESHOLD, 16 << 20)


def progress_bar(description: str, total: int | None = None, hidden: bool = False) -> Any:
    from tqdm import tqdm

    # disable=None: no bar where standard error is no terminal.
    return tqdm(
        desc=description, total=total, unit="line", leave=False, disable=True if hidden else None
    )
