"""The verb `translate`: lines in a pipe, files, or sentences at a prompt."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt import verbs_shared
from nmt.console import progress_bar, say, verb
from nmt.verbs_shared import run_argument, search_arguments, search_options

if TYPE_CHECKING:
    from nmt.translator import Translation, Translator

LINES_AT_ONCE = 2048  # read, sorted by length and translated together from a file or a pipe

PROMPT_HELP = """Type a sentence to translate it. Commands:
  :look    show, or stop showing, where the model looked
  :help    this text
  :quit    leave (also Ctrl-D)"""


def add_verbs(verbs: Any) -> None:
    translate = verb(verbs, "translate", _translate, "translate lines, or sentences at a prompt")
    run_argument(translate)
    translate.add_argument("--input", type=Path, metavar="FILE", help="(default: standard input)")
    translate.add_argument("--output", type=Path, metavar="FILE", help="(default: standard output)")
    translate.add_argument("--n-best", type=int, default=1, metavar="N", help="write `id ||| hypothesis ||| score`")
    search_arguments(translate)


def _translate(options: argparse.Namespace) -> int:
    from nmt.text import decode_lines, read_lines, write_lines

    source = read_lines(options.input) if options.input else None
    first = list(islice(source, 1)) if source else []  # a missing file is reported before the model loads
    translator = verbs_shared.load(options)
    if source is None and sys.stdin.isatty():
        return _prompt(translator, options)
    if source is None:
        source = decode_lines(sys.stdin.buffer, "standard input")
    with progress_bar("translating", hidden=not options.output) as bar:
        lines = _formatted(_in_windows(translator, [*first], source, options, bar), options.n_best)
        if options.output:
            write_lines(options.output, lines)
        else:
            for line in lines:
                sys.stdout.buffer.write(line.encode() + b"\n")
            sys.stdout.buffer.flush()
    return 0


def _in_windows(
    translator: "Translator", first: list[str], lines: Iterator[str], options: argparse.Namespace, bar: Any
) -> "Iterator[Translation]":
    window = [*first, *islice(lines, LINES_AT_ONCE - len(first))]
    while window:
        yield from translator.translate(window, **search_options(options), n_best=options.n_best, progress=bar.update)
        window = list(islice(lines, LINES_AT_ONCE))


def _formatted(translations: "Iterable[Translation]", n_best: int) -> Iterator[str]:
    for index, translation in enumerate(translations):
        if n_best == 1:
            yield translation.text
        else:
            for candidate in translation.candidates:
                yield f"{index} ||| {candidate.text} ||| {candidate.score:.4f}"


def _prompt(translator: "Translator", options: argparse.Namespace) -> int:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  gives `input` line editing and a history

    from nmt.visualize import text_heatmap

    config = translator.run.config.data
    say(f"{config.source} -> {config.target}. :help for help, Ctrl-D to leave.")
    look = False
    while True:
        try:
            line = input("> " if sys.stdout.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            say("")
            return 0
        except UnicodeDecodeError as error:
            say(f"expected UTF-8. Received: {error.object!r}.")
            continue
        if line in (":quit", ":q"):
            return 0
        if line == ":look":
            look = not look
            say(f"attention is {'shown' if look else 'hidden'}")
        elif line.startswith(":"):
            say(PROMPT_HELP)
        elif line:
            (translation,) = translator.translate([line], **search_options(options), n_best=options.n_best)
            for candidate in translation.candidates:
                print(candidate.text if options.n_best == 1 else f"{candidate.score:8.4f}  {candidate.text}")
            if look and translation.text.strip():
                alignment = translator.align(line, translation.text)
                print(text_heatmap(alignment.weights_TS, alignment.source_words, alignment.target_words))
