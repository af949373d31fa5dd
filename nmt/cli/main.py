"""The command line: results on standard output, logs and progress on standard error, exit code not
0 on error.

Each verb imports what it needs when it runs, so that `nmt --help` and a mistake in a config answer
at once.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from nmt.about import VERSION
from nmt.cli import align, compare, evaluate, serve, train, translate
from nmt.cli.console import say
from nmt.errors import Interrupted, UserError


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        try:
            options = parser().parse_args(arguments)
            options.owns_process = (
                arguments is None and os.name == "posix"
            )  # and may end as another program
        finally:
            sys.stdout.flush()  # --help, to a reader who may have left
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
        logging.getLogger("absl").setLevel(logging.ERROR)
        code = options.verb(options) or 0
        sys.stdout.flush()  # here, where a reader who has left is expected
        return code
    except UserError as error:
        say(f"nmt: error: {error}")
        return 1
    except Interrupted as stop:
        saved = (
            "everything is saved"
            if stop.saved
            else "steps were being skipped, so the last state is an earlier one"
        )
        say(f"stopped by {stop}; {saved}. The same command resumes.")
        return 128 + stop.signal_number
    except BrokenPipeError:  # the reader has enough: `nmt translate RUN < file | head`
        _write_no_more()
        return 0
    except (
        OSError
    ) as error:  # of the machine and not of ours: no space, no permission, no such folder
        say(f"nmt: error: {error}")
        try:
            sys.stdout.flush()
        except OSError:
            _write_no_more()
        return 1
    except KeyboardInterrupt:
        say("nmt: interrupted")
        return 130


def _write_no_more() -> None:
    """What waits to be written goes nowhere, and is no error when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nmt", description="Recurrent neural machine translation with attention."
    )
    parser.add_argument("--version", action="version", version=f"nmt {VERSION}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in (train, translate, serve, evaluate, align, compare):
        module.add_verbs(verbs)
    return parser
