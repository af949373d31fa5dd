"""Translating a corpus into a folder of shards, on this machine's cores or on a Ray cluster."""

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli import shared
from nmt.cli.console import say
from nmt.cli.shared import RunOptions, SearchOptions
from nmt.errors import UserError
from nmt.terminal import progress_bar

if TYPE_CHECKING:
    from nmt.bulk.folder import OutputFolder
    from nmt.bulk.shards import Shard
    from nmt.bulk.translating import Request, Summary, Workers

_SUFFIXES = {"n-best": ".nbest", "json": ".jsonl"}  # of what is not plain text


def arguments(parser: argparse.ArgumentParser, title: str) -> None:
    """Options of bulk translation."""
    bulk = parser.add_argument_group(title)
    bulk.add_argument(
        "--shard-lines",
        type=int,
        metavar="N",
        help="lines of the input per output file, at most (default: 250000)",
    )
    bulk.add_argument(
        "--cluster",
        metavar="auto|ADDRESS",
        help="translate on a Ray cluster: this machine's, or that of a head node HOST:PORT",
    )
    bulk.add_argument(
        "--overwrite",
        action="store_true",
        help=(
            "translate shards again whose source, run or options have changed, and remove those"
            " that a source no longer has"
        ),
    )


def is_folder(output: str) -> bool:
    """Whether shards are to be written. Raises UserError for a folder of other things, unless its
    name ends with a slash."""
    from nmt.bulk.folder import MANIFESTS

    path = Path(os.path.expanduser(output))
    if output.endswith("/") or not path.is_dir():
        return output.endswith("/")
    if any(path.iterdir()) and not (path / MANIFESTS).is_dir():
        raise UserError(
            f"{output} is a folder of other files. To write shards into it, end its name with a"
            f" slash: --output {output}/"
        )
    return True


def check_output(options: argparse.Namespace) -> None:
    """UserError for options of bulk translation without a folder."""
    given = {
        "--shard-lines": options.shard_lines is not None,
        "--cluster": options.cluster,
        "--overwrite": options.overwrite,
    }
    if names := [name for name, value in given.items() if value]:
        raise UserError(f"{names[0]} needs a folder to write shards to: --output DIR/.")


@dataclass(frozen=True)
class BulkOptions:
    """Where a corpus is, where its translation goes, and who translates it."""

    run: RunOptions
    search: SearchOptions
    input: Path
    output: Path
    shard_lines: int
    cluster: str | None = None
    overwrite: bool = False
    n_best: int = 1
    alignments: bool = False
    as_json: bool = False
    prefix_file: Path | None = None
    glossary: Path | None = None  # as in `search`
    paths_read: tuple[Path, ...] = ()  # all files that the options name

    @classmethod
    def parsed(cls, options: argparse.Namespace, output: Path) -> "BulkOptions":
        from nmt.bulk.shards import SHARD_LINES

        if options.input is None:
            raise UserError("--output DIR/ needs --input, a file or a pattern such as 'DIR/*.en'.")
        return cls(
            RunOptions.parsed(options),
            SearchOptions.parsed(options),
            options.input,
            output,
            SHARD_LINES if options.shard_lines is None else options.shard_lines,
            options.cluster,
            options.overwrite,
            glossary=options.glossary,
            paths_read=tuple(shared.paths_read(options)),
        )


@dataclass(frozen=True)
class Translated:
    """What became of the shards, and where they are."""

    summary: "Summary"
    shards: "Callable[[], Iterable[Shard]]"  # reads them again
    folder: "OutputFolder"


def translate(bulk: BulkOptions) -> Translated:
    """Translates the corpus and says what was done. UserError if a shard could not be written."""
    from nmt.bulk.fingerprint import fingerprint
    from nmt.bulk.folder import OutputFolder, Settings
    from nmt.bulk.shards import input_files, output_names, read_shards
    from nmt.bulk.translating import Form, Request, translate_shards
    from nmt.runs.package import open_run
    from nmt.text.lines import read_lines

    bulk = replace(bulk, run=_with_absolute_paths(bulk.run))
    files = input_files(bulk.input)
    languages = open_run(bulk.run.runs[0], bulk.run.allow_custom).config.data
    form: Form = "json" if bulk.as_json else "n-best" if bulk.n_best > 1 else "text"
    request = Request(bulk.n_best, bulk.alignments, form, bulk.search.keywords())
    identify = partial(
        fingerprint,
        bulk.run.runs,
        bulk.run.engine,
        bulk.run.precision,
        bulk.run.dictionary,
        bulk.run.allow_custom,
    )
    folder = OutputFolder(
        bulk.output,
        _SUFFIXES.get(form, f".{languages.target}"),
        Settings(identify(), _options_record(bulk, request)),
        bulk.overwrite,
    )
    files = _without_shards(files, folder, bulk.input)
    folder.protect([*files, *bulk.paths_read], output_names(files, languages.source))
    prefixes = read_lines(bulk.prefix_file) if bulk.prefix_file else None
    with _workers(bulk, request, identify) as workers, progress_bar("translating") as bar:
        shards = read_shards(files, languages.source, bulk.shard_lines, prefixes)
        summary = translate_shards(shards, folder, workers, bar.update)
    _report(summary, folder)
    return Translated(
        summary, partial(read_shards, files, languages.source, bulk.shard_lines), folder
    )


def back_translate(options: argparse.Namespace) -> int:
    """Writes the back-translations of a text, and the text, as the two sides of a training text."""
    from nmt.bulk.back_translation import SyntheticText
    from nmt.bulk.shards import input_files
    from nmt.runs.package import open_run
    from nmt.text.lines import refuse_nameless

    prefix = os.path.expanduser(options.output)
    refuse_nameless(options.output, prefix, "bt")
    languages = open_run(options.runs[0], options.allow_custom).config.data
    text = SyntheticText(
        source=Path(f"{prefix}.{languages.target}"),
        target=Path(f"{prefix}.{languages.source}"),
    )
    inputs = [*input_files(options.input), *shared.paths_read(options)]
    text.check(inputs, options.overwrite)
    translated = translate(BulkOptions.parsed(options, text.shards))
    if translated.summary.busy:
        raise UserError(
            f"{text.source} is not written yet: other processes are translating"
            f" {len(translated.summary.busy)} shards. Run the same command again."
        )
    count = text.write(translated.shards(), translated.folder, options.tag)
    say(f"{count:,} pairs in {text.source} and {text.target}; {text.shards} can be removed.")
    return 0


def _without_shards(files: Sequence[Path], folder: "OutputFolder", pattern: Path) -> list[Path]:
    """The files that are not shards of the output folder itself, which a pattern may match."""
    shards = folder.own_files(files)
    remaining = [path for path in files if path not in shards]
    if not remaining:
        raise UserError(
            f"{pattern}: expected files to translate. Received: only shards of the output folder"
            f" {folder.path}. Choose another folder."
        )
    if shards:
        say(f"{folder.path}: shards of this folder, left out of the input: {len(shards)}.")
    return remaining


def _with_absolute_paths(run: RunOptions) -> RunOptions:
    """Workers may have another current folder. The name of an installed model stays a name."""
    from nmt.runs.package import find_run

    runs = tuple(path if find_run(path) != path else path.absolute() for path in run.runs)
    return replace(run, runs=runs, dictionary=run.dictionary and run.dictionary.absolute())


def _options_record(bulk: BulkOptions, request: "Request") -> dict[str, Any]:
    """What a manifest says of the options: those that change the output."""
    from nmt.text.lines import file_fingerprint

    given = {key: value for key, value in bulk.search.decoding.items() if value is not None}
    record: dict[str, Any] = {
        "form": request.form,
        "n_best": request.n_best,
        "alignments": request.alignments,
        "shard_lines": bulk.shard_lines,
        **given,
    }
    if bulk.glossary:
        record["glossary"] = file_fingerprint([bulk.glossary])
    if bulk.search.required:
        record["required"] = bulk.search.required
    if bulk.search.banned:
        record["banned"] = _digest(bulk.search.banned)
    return record


def _digest(value: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@contextmanager
def _workers(
    bulk: BulkOptions, request: "Request", identify: Callable[[], Any]
) -> "Iterator[Workers]":
    if not bulk.cluster:
        from nmt.bulk.translating import Threads

        translator = shared.load(bulk.run)
        translator.check_options(n_best=bulk.n_best, **bulk.search.decoding)
        yield Threads(translator, request)
        return
    from nmt.bulk.ray_workers import Model, RayWorkers

    model = Model(partial(shared.load, bulk.run), identify)
    workers = RayWorkers(bulk.cluster, model, request)
    try:
        yield workers
    finally:
        workers.close()


def _report(summary: "Summary", folder: "OutputFolder") -> None:
    plural = "" if summary.num_translated == 1 else "s"
    said = f"{summary.num_translated} shard{plural} translated"
    if summary.num_complete:
        said += f", {summary.num_complete} were complete"
    if summary.busy:
        said += f", {len(summary.busy)} are being translated by other processes"
    if summary.failed:
        for message in summary.failed:
            say(message)
        plural = "" if len(summary.failed) == 1 else "s"
        raise UserError(f"{folder.path}: {said}; {len(summary.failed)} failure{plural}, see above.")
    say(f"{folder.path}: {said}.")
