"""The verb `translate`: lines in a pipe, files, documents, corpora in shards, or sentences at a
prompt."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli import bulk, documents, shared
from nmt.cli.console import is_terminal, say, verb
from nmt.cli.prompt import Prompt
from nmt.cli.shared import (
    LINES_AT_ONCE,
    Once,
    RunOptions,
    SearchOptions,
    file_or_standard,
    given_path,
    numbered_from,
    paths_read,
    run_argument,
    search_arguments,
    write_answers,
)
from nmt.errors import UserError
from nmt.terminal import progress_bar

if TYPE_CHECKING:
    from nmt.inference.translator import Translator


def add_verbs(verbs: Any) -> None:
    translate = verb(
        verbs,
        "translate",
        _translate,
        "translate lines, documents, corpora, or sentences typed at a prompt",
    )
    run_argument(translate, ensemble=True)
    translate.add_argument(
        "--input",
        type=file_or_standard,
        action=Once,
        metavar="FILE",
        help="file to translate (default, or -: standard input); with --output DIR/ also a quoted"
        " pattern, 'DIR/*.en.gz'",
    )
    translate.add_argument(
        "--output",
        metavar="FILE|DIR/",
        help="file to write (default, or -: standard output), or a folder for one file per shard",
    )
    translate.add_argument(
        "--n-best",
        type=int,
        default=1,
        metavar="N",
        help="write N translations per line, as `id ||| hypothesis ||| score`",
    )
    translate.add_argument(
        "--json",
        action="store_true",
        help="write one JSON object per line, with candidates and scores",
    )
    translate.add_argument(
        "--alignments", action="store_true", help="append ` ||| ` and word links `i-j`, from 0"
    )
    translate.add_argument(
        "--unbuffered", action="store_true", help="translate each line before reading the next one"
    )
    bulk.arguments(translate, "corpora, with --output DIR/")
    documents.arguments(translate)
    search_arguments(translate)
    translate.add_argument(
        "--prefix-file",
        type=given_path,
        metavar="FILE",
        help="beginnings of the translations, one line per source line",
    )


@dataclass(frozen=True)
class _LineOptions:
    """What is done with each line, and how its translations are written."""

    search: SearchOptions
    n_best: int = 1
    alignments: bool = False
    as_json: bool = False
    lines_at_once: int = LINES_AT_ONCE
    prefixes: Sequence[str] | None = None  # a prefix for each line
    prefix_file: Path | None = None  # where the prefixes come from


def _translate(options: argparse.Namespace) -> int:
    from nmt.text.lines import decode_lines, read_lines, refuse_overwriting

    if options.unbuffered and options.output:
        raise UserError(
            "--unbuffered answers on standard output, but --output appears only when it is whole."
            " Drop one."
        )
    is_folder = bool(options.output) and bulk.is_folder(options.output)
    options.output = file_or_standard(options.output or "-")
    if not is_folder:
        bulk.check_output(options)
        if options.output:
            refuse_overwriting(options.output, paths_read(options))
    if suffix := documents.suffix_asked_for(options):
        if is_folder:
            raise UserError(
                f"documents ({suffix}) are translated one by one. Give --output a file, or add"
                " --format lines."
            )
        return documents.translate(options, suffix)
    if options.output and not is_folder:
        documents.check_output_of_lines(options.output)
    if is_folder:
        parsed = bulk.BulkOptions.parsed(options, options.output)
        bulk.translate(
            replace(
                parsed,
                n_best=options.n_best,
                alignments=options.alignments,
                as_json=options.json,
                prefix_file=options.prefix_file,
            )
        )
        return 0
    source = read_lines(options.input) if options.input else None
    line_options = _LineOptions(
        search=SearchOptions.parsed(options),
        n_best=options.n_best,
        alignments=options.alignments,
        as_json=options.json,
        lines_at_once=1 if options.unbuffered else LINES_AT_ONCE,
        prefixes=list(read_lines(options.prefix_file)) if options.prefix_file else None,
        prefix_file=options.prefix_file,
    )
    # A missing file is reported before the model loads.
    first = list(islice(source, 1)) if source else []
    translator = shared.load(RunOptions.parsed(options))
    # Wrong options are reported before a line is read, and where there is none.
    translator.check_options(n_best=options.n_best, **line_options.search.keywords())
    at_prompt = source is None and is_terminal(sys.stdin)
    to_a_program = options.json or options.alignments or options.unbuffered or options.output
    if at_prompt:
        if not (to_a_program or options.prefix_file):
            return Prompt(translator, line_options.search, line_options.n_best).run()
        say("reading lines from the terminal; Ctrl-D ends them")
    lines = chain(first, source or decode_lines(sys.stdin.buffer, "standard input"))
    with progress_bar("translating", hidden=not options.output) as bar:
        write_answers(_answers(translator, lines, line_options, bar), options.output)
    return 0


def _answers(
    translator: "Translator", lines: Iterable[str], options: _LineOptions, bar: Any
) -> Iterator[Sequence[str]]:
    """The lines to write, window by window. A window is answered before the next one is read."""
    from nmt.inference.outputs import as_json, as_n_best, as_text

    form = as_json if options.as_json else as_n_best if options.n_best > 1 else as_text
    prefixes = options.prefixes
    lines, number = iter(lines), 0
    while window := list(islice(lines, options.lines_at_once)):
        of_window = [] if prefixes is None else prefixes[number : number + len(window)]
        if prefixes is not None and len(of_window) < len(window):
            raise UserError(
                f"{options.prefix_file} must have a line for each line. Received: {len(prefixes)}"
                " only."
            )
        with numbered_from(number):
            translations = translator.translate(
                window,
                n_best=options.n_best,
                alignments=options.alignments,
                prefixes=of_window,
                progress=bar.update,
                **options.search.keywords(),
            )
        yield [
            line
            for index, translation in enumerate(translations, number)
            for line in form(index, translation)
        ]
        number += len(window)
    if prefixes is not None and len(prefixes) > number:
        raise UserError(
            f"{options.prefix_file} must have a line for each line. Received: {len(prefixes)} for"
            f" {number}."
        )
