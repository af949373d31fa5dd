"""The verbs that use a trained run: translate, evaluate, plot."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.console import import_tensorflow, progress_bar, say, verb
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.translator import Translation, Translator

LINES_AT_ONCE = 2048  # read, sorted by length and translated together from a file or a pipe

PROMPT_HELP = """Type a sentence to translate it. Commands:
  :look    show, or stop showing, where the model looked
  :help    this text
  :quit    leave (also Ctrl-D)"""


def add_verbs(verbs: Any) -> None:
    translate = verb(verbs, "translate", _translate, "translate lines, or sentences at a prompt")
    _run_argument(translate)
    translate.add_argument("--input", type=Path, metavar="FILE", help="(default: standard input)")
    translate.add_argument("--output", type=Path, metavar="FILE", help="(default: standard output)")
    translate.add_argument("--n-best", type=int, default=1, metavar="N", help="write `id ||| hypothesis ||| score`")
    _search_arguments(translate)

    evaluate = verb(verbs, "evaluate", _evaluate, "translate a test set and score it")
    _run_argument(evaluate)
    evaluate.add_argument("--source", type=Path, required=True, metavar="FILE")
    evaluate.add_argument(
        "--reference", type=Path, required=True, action="append", metavar="FILE", help="may be repeated"
    )
    evaluate.add_argument(
        "--group-references", action="store_true", help="each distinct source against all its references"
    )
    evaluate.add_argument("--save-hypotheses", type=Path, metavar="FILE")
    evaluate.add_argument("--json", action="store_true", help="print the scores as JSON")
    _search_arguments(evaluate)

    plot = verb(verbs, "plot", _plot, "draw where the model looked")
    _run_argument(plot)
    plot.add_argument("sentence", metavar="SENTENCE")
    plot.add_argument("--target", metavar="SENTENCE", help="look at this translation instead of the model's own")
    plot.add_argument("--output", type=Path, default=Path("heatmap.png"), metavar="FILE", help=".png, .svg or .pdf")
    _search_arguments(plot)


def _translate(options: argparse.Namespace) -> int:
    from nmt.text import decode_lines, read_lines, write_lines

    source = read_lines(options.input) if options.input else None
    first = list(islice(source, 1)) if source else []  # a missing file is reported before the model loads
    translator = _load(options.run)
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
        yield from translator.translate(window, **_search_options(options), n_best=options.n_best, progress=bar.update)
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
            (translation,) = translator.translate([line], **_search_options(options), n_best=options.n_best)
            for candidate in translation.candidates:
                print(candidate.text if options.n_best == 1 else f"{candidate.score:8.4f}  {candidate.text}")
            if look and translation.text.strip():
                alignment = translator.align(line, translation.text)
                print(text_heatmap(alignment.weights_TS, alignment.source_words, alignment.target_words))


def _evaluate(options: argparse.Namespace) -> int:
    from nmt.evaluate import corpus_scores, group_references, typography_agreement
    from nmt.text import read_lines, write_lines

    sources = list(read_lines(options.source))
    references: Sequence[Sequence[str | None]] = [list(read_lines(path)) for path in options.reference]
    for path, lines in zip(options.reference, references, strict=True):
        if len(lines) != len(sources):
            raise UserError(
                f"source and reference must have equally many lines. Received: {len(sources)} in {options.source}, "
                f"{len(lines)} in {path}."
            )
    if not sources:
        raise UserError(f"expected at least one line. Received: none in {options.source}.")
    saved = options.save_hypotheses
    if saved and not saved.parent.is_dir():  # said now, and not after the translation
        raise UserError(f"{saved}: cannot be written. The folder {saved.parent} does not exist: create it first.")
    if options.group_references:
        if len(references) > 1:
            raise UserError(f"--group-references takes one --reference. Received: {len(references)}.")
        sources, references = group_references(sources, [str(line) for line in references[0]])
    translator = _load(options.run)
    start = time.perf_counter()
    with progress_bar("translating", total=len(sources)) as bar:
        translations = translator.translate(sources, **_search_options(options), progress=bar.update)
    seconds = time.perf_counter() - start
    hypotheses = [translation.text for translation in translations]
    if saved:
        write_lines(saved, hypotheses)
    scores, typography = corpus_scores(hypotheses, references), typography_agreement(hypotheses, references)
    say(f"{len(sources):,} lines in {seconds:.1f} s, the first step's compilation included")
    if options.json:
        print(
            json.dumps(
                {"scores": [s.as_dict() for s in scores], "typography": typography.as_dict(), "lines": len(sources)}
            )
        )
    else:
        print(*scores, typography, sep="\n")
    return 0


def _plot(options: argparse.Namespace) -> int:
    from nmt.text import is_blank
    from nmt.visualize import plot_attention

    if is_blank(options.sentence):
        raise UserError("expected a sentence to translate. Received: a blank one.")
    translator = _load(options.run)
    target = options.target
    if target is None:
        (translation,) = translator.translate([options.sentence], **_search_options(options))
        target = translation.text
    alignment = translator.align(options.sentence, target)
    plot_attention(alignment.weights_TS, alignment.source_words, alignment.target_words, options.output)
    print(target)
    return 0


def _load(run: Path) -> "Translator":
    from nmt.run import Run

    opened = Run.open(run)  # before TensorFlow loads
    import_tensorflow()
    from nmt.translator import Translator

    return Translator.load(opened)


def _search_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("beam_size", "length_penalty", "batch_size")}


def _run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beam-size", type=int, metavar="K", help="1: greedy (default: the run's config)")
    parser.add_argument("--length-penalty", type=float, metavar="ALPHA", help="0: none (default: the run's config)")
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="lines decoded together (default: the run's config)"
    )
