"""Messages on standard error, the standard streams, and adding a verb to the parser."""

import argparse
import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from nmt.terminal import without_controls


def say(text: str) -> None:
    """Write a message, without what could control the terminal: it may quote a stranger's config.
    Nobody may be reading it."""
    with contextlib.suppress(OSError):
        print(without_controls(text), file=sys.stderr)


def verb(verbs: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    """Add the verb `name`, which calls `function` with the parsed arguments."""
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(verb=function, of_verb=parser)
    return parser


def refuse_unknown(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> None:
    """Ends with what the arguments that a verb does not have may have been meant to be."""
    if os.path.exists(unknown[0]):
        parser.error(
            f"one file more than expected: {unknown[0]}. A pattern has to be quoted, as 'DIR/*.en'."
        )
    options = re.findall(r"--[\w-]+", parser.format_usage())
    close = difflib.get_close_matches(unknown[0].partition("=")[0], options, 1)
    hint = f". Did you mean {close[0]}?" if close else ""
    parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal. What a program puts in place of a standard stream may lack
    `isatty`, or may be closed."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def open_standard_streams() -> None:
    """Replace standard streams that the shell has closed (`<&-`, `>&-`).

    Python leaves None in their place, and the next file that is opened takes the descriptor. As in
    the GNU tools, reading from or writing to the replacement fails ("Bad file descriptor"), so
    that a verb fails only if it uses the stream. Messages to a closed standard error are dropped.
    """
    for descriptor, name, mode, flags in (
        (0, "stdin", "r", os.O_WRONLY),
        (1, "stdout", "w", os.O_RDONLY),
        (2, "stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != descriptor and not _is_open(descriptor):
                os.dup2(opened, descriptor)
                os.close(opened)
                opened = descriptor
            stream = open(opened, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  stays open
            setattr(sys, name, stream)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def use_utf8() -> None:
    """Write results as UTF-8 whatever the locale, and start again where file names are not UTF-8.

    In the C locale with Python's UTF-8 mode off, paths and arguments would be decoded as ASCII,
    and libraries that encode them as UTF-8 could not open them. The mode can be set at the start
    of a process only, so this one is replaced; child processes inherit the mode.
    """
    if sys.getfilesystemencoding() == "ascii" and sys.executable:
        os.environ["PYTHONUTF8"] = "1"
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if is_terminal(stream) or stream is sys.stderr:
                stream.reconfigure(errors="backslashreplace")
            else:
                # File names that are no UTF-8 are written as they are.
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
