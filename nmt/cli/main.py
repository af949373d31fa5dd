"""The command line: results on standard output, logs and progress on standard error, exit code not
0 on error.

Each verb imports what it needs when it runs, so that `nmt --help` and a mistake in a config answer
at once.
"""

import argparse
import errno
import logging
import os
import sys
from collections.abc import Sequence

from nmt.about import VERSION
from nmt.cli import align, compare, data, evaluate, models, serve, train, translate
from nmt.cli.console import is_terminal, open_standard_streams, refuse_unknown, say, use_utf8
from nmt.errors import Interrupted, UserError

# What requirements-translate.txt leaves out of setup.cfg's install_requires.
NOT_FOR_TRANSLATING = ("tensorflow", "keras", "onnx", "tf2onnx", "sacrebleu", "regex")
STREAM_ERRORS = {
    errno.EBADF: "standard output is closed.",
    errno.ENOSPC: "No space left on device, where standard output or a temporary file goes. Free"
    " some disk space and run the same command again.",
}
GREETING = """nmt: recurrent neural machine translation with attention. Next steps:
  nmt translate en-fr       translate English to French: type sentences, or pipe lines
  nmt serve                 translate in a browser, or from programs as with LibreTranslate
  nmt train quickstart      train a small translator from start to end, in a few minutes
  nmt --help                list all verbs; `nmt VERB --help` explains one"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Without `arguments`, those of the process."""
    open_standard_streams()
    # Whether this process belongs to the command, and may be replaced by another program.
    owns_process = arguments is None and os.name == "posix"
    if owns_process:
        use_utf8()
    if arguments is None:
        arguments = sys.argv[1:]
    try:
        if not arguments and is_terminal(sys.stdout):
            print(GREETING)
            return 0
        try:
            options, unknown = parser().parse_known_args(arguments)
            if unknown:
                refuse_unknown(options.of_verb, unknown)
            options.owns_process = owns_process
        finally:
            sys.stdout.flush()  # --help: its reader may have left
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
        for library in ("absl", "matplotlib"):
            logging.getLogger(library).setLevel(logging.ERROR)
        code = options.verb(options) or 0
        sys.stdout.flush()  # inside the `try`, where a broken pipe is expected
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
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in NOT_FOR_TRANSLATING:
            raise
        say(
            f"nmt: error: this needs {name}, which is not installed: an installation for"
            " translating only cannot train, export or evaluate. In a checkout, install all with:"
            " pip install ."
        )
        return 1
    except BrokenPipeError:  # the reader has enough: `nmt translate RUN < file | head`
        _discard_output()
        return 0
    except OSError as error:  # no space, no permission, no such folder
        reasons = {} if error.filename else STREAM_ERRORS  # without a name it is a stream's
        say(f"nmt: error: {reasons.get(error.errno or 0, error)}")
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return 1
    except KeyboardInterrupt:
        say("nmt: interrupted")
        return 130


def _discard_output() -> None:
    """Send what is still buffered nowhere, so that it is no error when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nmt", description="Recurrent neural machine translation with attention."
    )
    parser.add_argument("--version", action="version", version=f"nmt {VERSION}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in (translate, serve, models, train, evaluate, compare, align, data):
        module.add_verbs(verbs)
    return parser
