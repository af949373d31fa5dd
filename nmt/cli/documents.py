"""Documents for the verb `translate`: which inputs are documents, and translating one."""

import argparse
import sys
from pathlib import Path

from nmt.cli import shared
from nmt.cli.console import is_terminal, say
from nmt.cli.shared import RunOptions, SearchOptions
from nmt.errors import UserError
from nmt.terminal import progress_bar

LINES = "lines"  # the name of what is no document
_NAMES = {"text": ".txt"}  # names of formats that are not their suffixes
_SCANNED = 256  # bytes of an input of no known suffix, in which XML declares itself


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="lines, text (paragraphs), or a document's: html, md, srt, po, docx, odt, ... "
        "(default: by the suffix of --input; .txt and unknown ones are lines)",
    )
    parser.add_argument(
        "--retranslate",
        action="store_true",
        help="in .po, .xliff and .tmx, also translate what has a translation",
    )


def suffix_asked_for(options: argparse.Namespace) -> str | None:
    """The suffix of the document to translate, or None for lines. UserError for an unknown format,
    or for options that are for lines."""
    if options.format == LINES or not (options.format or options.input):
        return None
    from nmt.documents.formats import FORMATS, suffix_of

    if options.format:
        name = options.format.lower().removeprefix(".")
        suffix = _NAMES.get(name, f".{name}")
        if suffix not in FORMATS:
            names = ", ".join([LINES, *_NAMES, *(one[1:] for one in FORMATS)])
            raise UserError(f"--format must be one of {names}. Received: {options.format}.")
    else:
        found = suffix_of(options.input)
        if found is None:
            _refuse_xml(options.input)
        if found is None or found == ".txt":
            return None
        suffix = found
    for_lines = {
        "--n-best": options.n_best > 1,
        "--json": options.json,
        "--alignments": options.alignments,
        "--unbuffered": options.unbuffered,
        "--prefix-file": options.prefix_file,
    }
    if given := [name for name, value in for_lines.items() if value]:
        raise UserError(
            f"{given[0]} is for lines, and the input is a document ({suffix}). Leave it out, or add"
            " --format lines."
        )
    if options.output:
        _check_output_suffix(options.output, suffix)
    return suffix


def _check_output_suffix(output: Path, suffix: str) -> None:
    """Raises UserError for the name of another format than that in which a document comes back."""
    from nmt.documents.formats import FORMATS, suffix_of

    written = FORMATS[suffix].output_suffix or suffix
    found = suffix_of(output)
    is_text = found == ".txt" and not FORMATS[written].is_archive
    if found is not None and not is_text and FORMATS[found] is not FORMATS[written]:
        raise UserError(
            f"the translation of {suffix} is {written}. Give --output a name in {written}."
            f" Received: {output}."
        )


def check_output_of_lines(output: Path) -> None:
    """Raises UserError for the name of a document that is no text."""
    from nmt.documents.formats import FORMATS, suffix_of

    found = suffix_of(output)
    if found and (FORMATS[found].is_archive or FORMATS[found].output_suffix):
        raise UserError(
            f"lines of text are no {found}. Give --output another name. Received: {output}."
        )


def _refuse_xml(path: Path) -> None:
    """Markup that is translated line by line is destroyed."""
    try:
        if not path.is_file():  # what is read from a pipe cannot be read again
            return
        with path.open("rb") as stream:
            start = stream.read(_SCANNED)
    except OSError:
        return  # said by what reads the lines
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<?xml"):
        raise UserError(
            f"{path}: expected lines of text. Received: XML. Name its format, such as"
            " --format xhtml, or translate its markup too with --format lines."
        )


def translate(options: argparse.Namespace, suffix: str) -> int:
    """Translates a document, and says on standard error what could not be translated. The exit code
    is 1 if that is all of it."""
    from nmt.documents.document import ReadingOptions
    from nmt.documents.formats import FORMATS, read_document
    from nmt.documents.translating import translate_document
    from nmt.text.lines import atomic_write

    name = options.input or "standard input"
    if FORMATS[suffix].is_archive and not options.output and is_terminal(sys.stdout):
        raise UserError(f"a translated {suffix} is no text for a terminal. Give --output FILE.")
    content = _read(options.input)
    search = SearchOptions.parsed(options)
    if FORMATS[suffix].libraries:  # what is missing is reported before the model loads
        from nmt.documents.document import library

        for of_format in FORMATS[suffix].libraries:
            library(of_format)
    translator = shared.load(RunOptions.parsed(options))
    translator.check_options(**search.decoding)
    config = translator.run.config
    reading = ReadingOptions(
        source=config.data.source,
        target=config.data.target,
        stand_ins="placeholders" in config.copying.classes,
        retranslate=options.retranslate,
    )
    try:
        document = read_document(content, suffix, reading)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    keywords = search.keywords()
    if keywords["split_sentences"] is None:  # a unit of a document is a paragraph
        keywords["split_sentences"] = True
    with progress_bar("translating", hidden=not options.output) as bar:

        def translated(lines: list[str], alignments: bool) -> list:
            return translator.translate(
                lines, errors="return", alignments=alignments, progress=bar.update, **keywords
            )

        outcome = translate_document(document, translated)
    if options.output:
        with atomic_write(options.output) as stream:
            stream.write(outcome.content)
    else:
        sys.stdout.buffer.write(outcome.content)
        sys.stdout.buffer.flush()
    say(outcome.summary())
    return 1 if outcome.has_failed else 0


def _read(path: Path | None) -> bytes:
    """The content of a file or of standard input, one byte more than a document may have at most:
    that is too long, however long it is."""
    from nmt.documents.document import MAX_BYTES

    if path is None:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from error
