"""Progress bars, text for terminals, child processes, and a quiet way to load TensorFlow."""

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_controls(text: str) -> str:
    """Text that may quote a stranger, without what could control a terminal; lines and tabs
    stay."""
    return _CONTROLS.sub("\ufffd", text)


def printable(text: str) -> str:
    """The same on one line, without tabs."""
    return re.sub(r"[\t\n\u2028\u2029]", "\ufffd", without_controls(text))


def quoted(value: object) -> str:
    """A value as an error quotes it, in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def import_tensorflow() -> None:
    """Import TensorFlow without the messages that it writes to the terminal at start whatever its
    log level."""
    keep_memory_together()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for messages after the import
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            messages.seek(0)
            os.write(terminal, messages.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h


def keep_memory_together() -> None:
    """Limit the fragmentation of glibc's heaps.

    glibc has eight heaps per core and keeps freed memory in them. TensorFlow frees in one thread
    what another allocated, in sizes that differ with each batch, which leaves the heaps full of
    holes. Settings of the user's own (`MALLOC_*`) take precedence.
    """
    if not any(name.startswith("MALLOC_") for name in os.environ):
        with contextlib.suppress(OSError, AttributeError):  # another system
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_ARENA_MAX, os.cpu_count() or 1)
            mallopt(M_MMAP_THRESHOLD, 4 << 20)  # larger ones are returned at once
            mallopt(M_TRIM_THRESHOLD, 16 << 20)


def progress_bar(
    description: str, total: int | None = None, hidden: bool = False, unit: str = "line"
) -> Any:
    from tqdm import tqdm

    return tqdm(
        desc=description,
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        leave=False,
        disable=True if hidden else None,  # None: no bar where standard error is no terminal
    )


def nmt_process(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of `nmt` in a Python process of its own.

    With `-P` the current folder, in which somebody may keep an `nmt.py`, is not searched for
    modules; PYTHONPATH still is. Where this package was found only through the first entry of
    `sys.path` (`python -m nmt` in a checkout), its parent folder joins PYTHONPATH.
    """
    environment = dict(os.environ)
    parent = Path(__file__).resolve().parents[1]
    if not sys.flags.safe_path and sys.path and Path(sys.path[0]).resolve() == parent:
        paths = [str(parent), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return [sys.executable, "-P", "-m", "nmt", *arguments], environment
