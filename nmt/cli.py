"""The command line: results on standard output, logs and progress on standard error, exit code not 0 on error.

Each verb imports what it needs when it runs, so that `nmt --help` and a mistake in a config answer at once.
"""

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nmt
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.translator import Translation, Translator

LINES_AT_ONCE = 2048  # read, sorted by length and translated together from a file or a pipe

PROMPT_HELP = """Type a sentence to translate it. Commands:
  :look    show, or stop showing, where the model looked
  :help    this text
  :quit    leave (also Ctrl-D)"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        code = options.verb(options) or 0
        sys.stdout.flush()  # here, where a reader who has left is expected
        return code
    except UserError as error:
        _say(f"nmt: error: {error}")
        return 1
    except BrokenPipeError:  # the reader has enough: `nmt translate RUN < file | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # of the machine and not of ours: no space, no permission, no such folder
        _say(f"nmt: error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("nmt: interrupted")
        return 130


def _say(text: str) -> None:
    print(text, file=sys.stderr)


# ---------------------------------------------------------------------------------------------------- verbs


def _train(options: argparse.Namespace) -> int:
    from nmt.config import load_config

    config = load_config(options.recipe, options.set)
    # Not as overrides: those are read as YAML, and a path may look like a number.
    given = {key: path for key, path in (("train", options.data), ("dev", options.dev)) if path is not None}
    config = config.model_copy(update={"data": config.data.model_copy(update=given)})
    path = options.run or Path("runs") / Path(options.recipe).stem

    _import_tensorflow()
    from tqdm.contrib.logging import logging_redirect_tqdm

    from nmt.train import Interrupted, train

    with logging_redirect_tqdm():
        try:
            run = train(config, path)
        except Interrupted as stop:
            _say(f"stopped by {stop}; everything is saved. The same command resumes.")
            return 128 + stop.signal_number
    _say(f"done. Translate with: nmt translate {run.path}")
    return 0


def _translate(options: argparse.Namespace) -> int:
    from nmt.text import decode_lines, read_lines, write_lines

    source = read_lines(options.input) if options.input else None
    first = list(islice(source, 1)) if source else []  # a missing file is reported before the model loads
    translator = _load(options.run)
    if source is None and sys.stdin.isatty():
        return _prompt(translator, options)
    if source is None:
        source = decode_lines(sys.stdin.buffer, "standard input")
    with _bar("translating", hidden=not options.output) as bar:
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
    _say(f"{config.source} -> {config.target}. :help for help, Ctrl-D to leave.")
    look = False
    while True:
        try:
            line = input("> " if sys.stdout.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            _say("")
            return 0
        except UnicodeDecodeError as error:
            _say(f"expected UTF-8. Received: {error.object!r}.")
            continue
        if line in (":quit", ":q"):
            return 0
        if line == ":look":
            look = not look
            _say(f"attention is {'shown' if look else 'hidden'}")
        elif line.startswith(":"):
            _say(PROMPT_HELP)
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
    with _bar("translating", total=len(sources)) as bar:
        translations = translator.translate(sources, **_search_options(options), progress=bar.update)
    seconds = time.perf_counter() - start
    hypotheses = [translation.text for translation in translations]
    if saved:
        write_lines(saved, hypotheses)
    scores, typography = corpus_scores(hypotheses, references), typography_agreement(hypotheses, references)
    _say(f"{len(sources):,} lines in {seconds:.1f} s, the first step's compilation included")
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


def _tokenizer_train(options: argparse.Namespace) -> int:
    from nmt.config import parse_config
    from nmt.text import read_lines
    from nmt.tokenizer import train_tokenizer

    given = {"algorithm": options.algorithm, "vocabulary_size": options.vocabulary_size}
    given["byte_fallback"] = not options.no_byte_fallback
    config = parse_config({"tokenizer": given}, "the command line").tokenizer
    tokenizer = train_tokenizer(
        (line for path in options.input for line in read_lines(path)),
        algorithm=config.algorithm, vocabulary_size=config.vocabulary_size, byte_fallback=config.byte_fallback,
        character_coverage=config.character_coverage, max_lines=config.max_lines,
    )  # fmt: skip
    tokenizer.save(options.model)
    _say(f"{options.model}: {tokenizer.vocabulary_size} pieces")
    return 0


def _tokenizer_encode(options: argparse.Namespace) -> int:
    from nmt.text import decode_lines
    from nmt.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(options.model)
    for line in decode_lines(sys.stdin.buffer, "standard input"):
        ids = tokenizer.encode(line)
        words = map(str, ids) if options.ids else tokenizer.pieces(ids)
        sys.stdout.buffer.write(" ".join(words).encode() + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _tokenizer_decode(options: argparse.Namespace) -> int:
    from nmt.text import decode_lines
    from nmt.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(options.model)
    for number, line in enumerate(decode_lines(sys.stdin.buffer, "standard input"), 1):
        try:
            text = tokenizer.decode(map(int, line.split()))
        except ValueError as error:
            raise UserError(f"standard input, line {number}: expected ids, as of `encode --ids`. {error}") from error
        sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _recipes(options: argparse.Namespace) -> int:
    from nmt.config import find_recipe, recipes

    if options.name:
        print(find_recipe(options.name).read_text("utf-8"), end="")
        return 0
    for name, path in recipes().items():
        print(f"{name:16} {path.read_text('utf-8').splitlines()[0].removeprefix('# ')}")
    return 0


# ----------------------------------------------------------------------------------------------- their parts


def _load(run: Path) -> "Translator":
    from nmt.run import Run

    opened = Run.open(run)  # before TensorFlow loads
    _import_tensorflow()
    from nmt.translator import Translator

    return Translator.load(opened)


def _import_tensorflow() -> None:
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


def _search_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("beam_size", "length_penalty", "batch_size")}


def _bar(description: str, total: int | None = None, hidden: bool = False) -> Any:
    from tqdm import tqdm

    # disable=None: no bar where standard error is no terminal.
    return tqdm(desc=description, total=total, unit="line", leave=False, disable=True if hidden else None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nmt", description="Recurrent neural machine translation with attention.")
    parser.add_argument("--version", action="version", version=f"nmt {nmt.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    train = _verb(verbs, "train", _train, "train a translator, or resume its training")
    train.add_argument("recipe", metavar="RECIPE", help="a recipe's name (see `nmt recipes`) or a YAML file")
    train.add_argument("--run", type=Path, metavar="DIR", help="run folder (default: runs/RECIPE)")
    train.add_argument("--data", metavar="PREFIX", help="training text: PREFIX.en and PREFIX.fr, A,B or a .tsv")
    train.add_argument("--dev", metavar="PREFIX", help="development text")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, e.g. training.batch_size=32"
    )

    translate = _verb(verbs, "translate", _translate, "translate lines, or sentences at a prompt")
    _run_argument(translate)
    translate.add_argument("--input", type=Path, metavar="FILE", help="(default: standard input)")
    translate.add_argument("--output", type=Path, metavar="FILE", help="(default: standard output)")
    translate.add_argument("--n-best", type=int, default=1, metavar="N", help="write `id ||| hypothesis ||| score`")
    _search_arguments(translate)

    evaluate = _verb(verbs, "evaluate", _evaluate, "translate a test set and score it")
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

    plot = _verb(verbs, "plot", _plot, "draw where the model looked")
    _run_argument(plot)
    plot.add_argument("sentence", metavar="SENTENCE")
    plot.add_argument("--target", metavar="SENTENCE", help="look at this translation instead of the model's own")
    plot.add_argument("--output", type=Path, default=Path("heatmap.png"), metavar="FILE", help=".png, .svg or .pdf")
    _search_arguments(plot)

    tokenizer = verbs.add_parser("tokenizer", help="train and apply a SentencePiece tokenizer")
    actions = tokenizer.add_subparsers(title="actions", metavar="ACTION", required=True)
    learn = _verb(actions, "train", _tokenizer_train, "learn a vocabulary from text")
    learn.add_argument("model", type=Path, metavar="MODEL", help="file to write")
    learn.add_argument("--input", type=Path, nargs="+", required=True, metavar="FILE")
    learn.add_argument("--vocabulary-size", type=int, default=8000, metavar="N")
    learn.add_argument("--algorithm", choices=["bpe", "unigram"], default="bpe")
    learn.add_argument("--no-byte-fallback", action="store_true", help="characters never seen become <unk>")
    encode = _verb(actions, "encode", _tokenizer_encode, "lines to pieces, from standard input to standard output")
    encode.add_argument("model", type=Path, metavar="MODEL")
    encode.add_argument("--ids", action="store_true", help="write ids, which `decode` reads")
    decode = _verb(actions, "decode", _tokenizer_decode, "ids to lines, from standard input to standard output")
    decode.add_argument("model", type=Path, metavar="MODEL")

    recipes = _verb(verbs, "recipes", _recipes, "list the recipes that ship with nmt, or print one")
    recipes.add_argument("name", nargs="?", metavar="NAME")
    return parser


def _verb(verbs: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(verb=function)
    return parser


def _run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beam-size", type=int, metavar="K", help="1: greedy (default: the run's config)")
    parser.add_argument("--length-penalty", type=float, metavar="ALPHA", help="0: none (default: the run's config)")
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="lines decoded together (default: the run's config)"
    )
