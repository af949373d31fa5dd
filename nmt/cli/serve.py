"""The verb `serve`: an HTTP API and a page."""

import argparse
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.about import install_command
from nmt.cli import shared
from nmt.cli.console import say, verb
from nmt.cli.shared import RunOptions, given_path
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.serving.service import Limits

_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^\s/?#@A-Z]+")


def add_verbs(verbs: Any) -> None:
    serve = verb(verbs, "serve", _serve, "serve LibreTranslate's HTTP API, and a web page")
    serve.add_argument(
        "runs",
        type=given_path,
        nargs="*",
        metavar="RUN",
        help="runs, exports or models: one per language pair (default: all installed models)",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0: all interfaces (default: %(default)s)",
    )
    serve.add_argument(
        "--port", type=_port, default=5000, help="0: any free port (default: %(default)s)"
    )
    serve.add_argument(
        "--url-prefix",
        type=_url_prefix,
        default="",
        metavar="/PATH",
        help="path below which a proxy serves this server, and which it removes from requests",
    )
    shared.engine_arguments(serve)
    serve.add_argument(
        "--split-sentences",
        action=argparse.BooleanOptionalAction,
        help="translate a line sentence by sentence (default: the run's config)",
    )
    serve.add_argument(
        "--suggestions",
        type=given_path,
        metavar="FILE.tsv",
        help="accept corrections of translations and append them to this file (default: do not)",
    )
    limits = serve.add_argument_group("limits")

    def limit(name: str, type: Any, metavar: str, help: str, **rest: Any) -> None:
        limits.add_argument(f"--{name}", type=type, metavar=metavar, help=help, **rest)

    limit(
        "api-key-file",
        Path,
        "FILE",
        "API keys, one per line; each request to translate must have one, as its field `api_key`",
    )
    limit(
        "rate-limit",
        int,
        "N",
        "requests per minute from one address (an IPv6 /64 counts as one; default: no limit)",
    )
    limit("max-characters", int, "N", "characters in one request (default: 20000)")
    limit("max-texts", int, "N", "texts in the list of one request (default: 500)")
    limit(
        "max-waiting",
        int,
        "N",
        "lines in the queue, beyond which requests are refused (default: 2048)",
    )
    limit("max-file-megabytes", int, "N", "size of a document; 0: no documents (default: 10)")
    limit(
        "cors-origin",
        str,
        "ORIGIN",
        "origin whose pages may use the API, * for all; may be repeated",
        action="append",
    )


def _serve(options: argparse.Namespace) -> int:
    try:
        from nmt.serving.server import listen, serve
    except ImportError as error:
        raise UserError(
            f"nmt serve needs {error.name}. Install it with: {install_command('serve')}"
        ) from error
    from nmt.runs.package import installed_models
    from nmt.serving.app import make_app
    from nmt.serving.middleware import Metrics
    from nmt.serving.service import Service
    from nmt.serving.suggestions import Suggestions
    from nmt.text.lines import refuse_overwriting

    if options.suggestions:
        refuse_overwriting(options.suggestions, shared.paths_read(options, "suggestions"))
    limits = _limits(options)
    runs = options.runs or list(installed_models().values())
    if not runs:
        raise UserError("no models are installed. Name a run: nmt serve RUN.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping is no error
    try:
        with listen(options.host, options.port) as listener:  # first, as a port may be taken
            translators = [
                shared.load(
                    RunOptions(
                        (run,),
                        options.engine,
                        options.precision,
                        allow_custom=options.allow_custom,
                    )
                )
                for run in runs
            ]
            service = Service(translators, limits, Metrics(), options.split_sentences)
            suggestions = (
                Suggestions(options.suggestions, service.pairs) if options.suggestions else None
            )
            pairs = ", ".join(f"{source} -> {target}" for source, target in service.pairs)
            serve(
                make_app(service, suggestions),
                listener,
                lambda: say(f"{pairs} at {_url(listener)}  (Ctrl-C stops)"),
                options.url_prefix,
            )
    except KeyboardInterrupt:  # raised again once accepted requests are answered
        say("stopped")
    return 0


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to 65535. Received: {text!r}"
        )
    return port


def _url_prefix(text: str) -> str:
    """Without a slash at its end."""
    if not re.fullmatch(r"(/[\w.~-]+)*/?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be a path such as /translate. Received: {text!r}")
    return text.rstrip("/")


def _limits(options: argparse.Namespace) -> "Limits":
    """The limits of the server. UserError for those that no request could pass."""
    from nmt.serving.service import Limits
    from nmt.text.lines import is_blank, read_lines

    numbers = {
        "--rate-limit": options.rate_limit,
        "--max-characters": options.max_characters,
        "--max-texts": options.max_texts,
        "--max-waiting": options.max_waiting,
    }
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1. Received: {value}.")
    given: dict[str, Any] = {
        "requests_a_minute": options.rate_limit,
        "max_characters": options.max_characters,
        "max_texts": options.max_texts,
        "max_waiting": options.max_waiting,
    }
    if options.api_key_file:
        keys = frozenset(
            line.strip() for line in read_lines(options.api_key_file) if not is_blank(line)
        )
        if not keys:
            raise UserError(f"{options.api_key_file} must have a key a line. Received: none.")
        given["api_keys"] = keys
    if options.max_file_megabytes is not None:
        if not 0 <= options.max_file_megabytes <= 50:
            raise UserError(
                "--max-file-megabytes must be from 0 to 50."
                f" Received: {options.max_file_megabytes}."
            )
        given["max_file_bytes"] = 10**6 * options.max_file_megabytes
    for origin in options.cors_origin or ():
        if not _ORIGIN.fullmatch(origin):
            raise UserError(
                "--cors-origin must be * or an origin as browsers send it: in lower case and"
                f" without a path, such as https://example.org. Received: {origin}."
            )
    given["cors_origins"] = tuple(options.cors_origin or ())
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
