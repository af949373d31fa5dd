"""What the verbs of the command line share: messages, progress bars, and a quiet way to load TensorFlow."""

import argparse
import os
import sys
import tempfile
from typing import Any


def say(text: str) -> None:
    print(text, file=sys.stderr)


def import_tensorflow() -> None:
    """Imports TensorFlow without its greetings, which it writes to the terminal whatever it is told."""
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


def progress_bar(description: str, total: int | None = None, hidden: bool = False) -> Any:
    from tqdm import tqdm

    # disable=None: no bar where standard error is no terminal.
    return tqdm(desc=description, total=total, unit="line", leave=False, disable=True if hidden else None)


def verb(verbs: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(verb=function)
    return parser
