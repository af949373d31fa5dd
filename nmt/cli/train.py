"""The verbs that make translators, or parts of them: train, average, export, tokenizer, recipes."""

import argparse
import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli.console import say, verb
from nmt.cli.shared import (
    check_read_once,
    custom_argument,
    file_or_standard,
    given_path,
    given_texts,
    lines_of,
    paths_read,
    recipe_arguments,
)
from nmt.errors import UserError
from nmt.terminal import import_tensorflow, nmt_process

if TYPE_CHECKING:
    from nmt.config.loader import Config
    from nmt.runs.run_folder import Run


def add_verbs(verbs: Any) -> None:
    train = verb(verbs, "train", _train, "train a translator, or resume its training")
    recipe_arguments(train, optional="; with --init-from, by default that run's config")
    train.add_argument(
        "--run",
        type=given_path,
        metavar="DIR",
        help="run folder (default: runs/RECIPE; without a recipe runs/RUN-tuned)",
    )
    train.add_argument(
        "--budget", metavar="TIME", help="training time, e.g. 30m, in place of the recipe's epochs"
    )
    train.add_argument(
        "--init-from",
        metavar="RUN",
        help="start from the tokenizers and weights of a run or package: fine-tune it",
    )
    train.add_argument(
        "--accept-changes",
        action="store_true",
        help="resume although config or text have changed since the run started",
    )
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key, e.g. training.batch_size=32",
    )

    custom_argument(train)

    average = verb(verbs, "average", _average, "make a run from the mean of other runs' weights")
    average.add_argument(
        "runs",
        type=given_path,
        nargs="+",
        metavar="RUN",
        help="run folders whose best weights are averaged",
    )
    average.add_argument(
        "--last", type=int, metavar="N", help="average the last N checkpoints of each run instead"
    )
    average.add_argument(
        "--output", type=given_path, required=True, metavar="RUN", help="the folder of the new run"
    )

    export = verb(
        verbs, "export", _export, "write a run for ONNX Runtime, as a package, or for a browser"
    )
    export.add_argument(
        "run",
        type=given_path,
        metavar="RUN",
        help="run folder; web: also NAME.nmt, or an installed model",
    )
    export.add_argument(
        "--format",
        choices=["onnx", "savedmodel", "package", "web"],
        default="onnx",
        help="onnx: a folder for ONNX Runtime (default); package: one file, in 8 bits; web: a"
        " static site that translates in the browser",
    )
    export.add_argument(
        "--output",
        type=given_path,
        metavar="DIR|FILE",
        help="(default: RUN/onnx, where RUN finds it, or RUN/savedmodel; a package needs NAME.nmt,"
        " and a site a folder)",
    )
    export.add_argument(
        "--card",
        type=given_path,
        metavar="JSON",
        help="package: description, licences, sources, scores and limits of the model",
    )
    export.add_argument(
        "--golden",
        type=given_path,
        metavar="FILE",
        help="package: sentences to check whenever it is loaded (default: four of the dev text)",
    )
    export.add_argument(
        "--dev",
        metavar="PREFIX",
        help="dev text that the ONNX export is checked on, if it has moved",
    )
    export.add_argument(
        "--precision",
        choices=["float32", "int8"],
        help="web: precision of the model (default: int8, a quarter of the size)",
    )
    export.add_argument(
        "--onnxruntime-web",
        type=given_path,
        metavar="PATH",
        help="web: folder or archive of this npm package (default: fetched by npm pack)",
    )
    custom_argument(export)
    # The last step of `train`.
    export.add_argument("--trained", action="store_true", help=argparse.SUPPRESS)

    tokenizer = verbs.add_parser(
        "tokenizer",
        help="train and apply a SentencePiece tokenizer",
        description="Train and apply a SentencePiece tokenizer.",
    )
    actions = tokenizer.add_subparsers(title="actions", metavar="ACTION", required=True)
    learn = verb(actions, "train", _tokenizer_train, "train a tokenizer on text")
    learn.add_argument("model", type=given_path, metavar="MODEL", help="file to write")
    learn.add_argument(
        "--input",
        type=file_or_standard,
        nargs="+",
        required=True,
        metavar="FILE",
        help="text, one sentence per line; -: standard input",
    )
    learn.add_argument(
        "--vocabulary-size",
        type=int,
        default=8000,
        metavar="N",
        help="pieces (default: %(default)s)",
    )
    learn.add_argument(
        "--algorithm", choices=["bpe", "unigram"], default="bpe", help="(default: %(default)s)"
    )
    learn.add_argument(
        "--no-byte-fallback", action="store_true", help="unseen characters become <unk>"
    )
    learn.add_argument(
        "--fold-initial",
        action="store_true",
        help='read "Dogs" at the start of a line with the pieces of "dogs"',
    )
    encode = verb(
        actions,
        "encode",
        _tokenizer_encode,
        "read lines from standard input and write their pieces",
    )
    encode.add_argument("model", type=given_path, metavar="MODEL", help="file of a tokenizer")
    encode.add_argument("--ids", action="store_true", help="write ids instead of pieces")
    decode = verb(
        actions,
        "decode",
        _tokenizer_decode,
        "read pieces or ids from standard input and write lines",
    )
    decode.add_argument("model", type=given_path, metavar="MODEL", help="file of a tokenizer")

    recipes = verb(
        verbs,
        "recipes",
        _recipes,
        "list the recipes that ship with nmt, print one, or explain its keys",
    )
    recipes.add_argument(
        "name", nargs="?", metavar="NAME", help="the recipe to print (default: list all)"
    )
    recipes.add_argument(
        "--keys",
        nargs="?",
        const="",
        metavar="WORD",
        help="explain the keys of recipes with WORD in their name or meaning; without WORD, all",
    )


def _train(options: argparse.Namespace) -> int:
    from nmt.config.loader import check_score, is_typed_score
    from nmt.training.setup import find_texts

    config = config_of(options)
    path = _run_folder(options)
    score = config.model.decoder.score
    allow_custom = options.allow_custom or is_typed_score(score, options.set)
    check_score(score, allow_custom)
    if not options.recipe:
        if config.data.dev is None:
            config = with_held_out_dev(config, path)
        config = with_rehearsal(config)
    find_texts(config)  # a missing file is reported before TensorFlow loads, which takes seconds

    import_tensorflow()
    from tqdm.contrib.logging import logging_redirect_tqdm

    from nmt.training.trainer import train

    with logging_redirect_tqdm():
        run = train(config, path, options.accept_changes, allow_custom)
    if run is None:  # a worker: the chief does the rest
        return 0
    if options.owns_process:  # returns training's memory first, as an export takes 2 GB, too
        sys.stderr.flush()
        allowed = ["--allow-custom"] if allow_custom else []
        command, environment = nmt_process("export", "--trained", *allowed, str(run.path))
        os.execve(command[0], command, environment)
    return _complete(run)


def _run_folder(options: argparse.Namespace) -> Path:
    from nmt.runs.package import SUFFIX
    from nmt.runs.run_folder import Run

    if not options.recipe:
        name = Path(options.init_from).name.removesuffix(SUFFIX)
        return options.run or Path("runs") / f"{name}-tuned"
    recipe = Path(options.recipe)
    path = options.run or Path("runs") / recipe.stem
    if not Run.exists(path) and recipe.resolve() == (path / "config.yaml").resolve():
        raise UserError(
            f"{recipe} would be replaced by the config that the run stores. Rename it, or choose"
            " another --run."
        )
    return path


def config_of(options: argparse.Namespace) -> "Config":
    """The config that the arguments of `train` say."""
    from nmt.config.loader import load_config, parse_config

    config = (
        load_config(options.recipe, options.set) if options.recipe else _config_of_parent(options)
    )
    # Not as overrides: those are read as YAML, where a path may look like a number.
    training = {"budget": options.budget, "init_from": options.init_from}
    values = config.model_dump()
    values["data"] |= given_texts(options)
    values["training"] |= {key: value for key, value in training.items() if value is not None}
    return parse_config(values, "the command line")


def _config_of_parent(options: argparse.Namespace) -> "Config":
    """The config for fine-tuning the run or package that training starts from."""
    from nmt.config.loader import fine_tuning_config
    from nmt.runs.package import open_run

    if not options.init_from:
        raise UserError("name a recipe (see `nmt recipes`), or a run with --init-from.")
    parent = open_run(options.init_from)
    pairs = _readable_pairs(options.data, parent.config) if options.data else ()
    return fine_tuning_config(parent.config, options.init_from, options.set, pairs)


def _readable_pairs(text: str, config: "Config") -> Iterator[tuple[str, str]]:
    """Ends where the text cannot be read: that is reported when the run begins."""
    from nmt.text.lines import read_parallel, resolve_parallel

    with contextlib.suppress(UserError):
        files = resolve_parallel(text, config.data.source, config.data.target)
        if files.source.is_file():  # a pipe can be read once only
            yield from read_parallel(files)


def with_held_out_dev(config: "Config", run: Path) -> "Config":
    """A part of the training text becomes the development text, where there is one text only."""
    from nmt.config.loader import parse_config
    from nmt.text.lines import resolve_parallel
    from nmt.training.held_out import hold_out

    data = config.data
    if not isinstance(data.train, str) or data.weights:
        return config
    languages = data.source, data.target
    held_out = hold_out(resolve_parallel(data.train, *languages), languages, run)
    say(
        f"no --dev: {held_out.num_dev} of {held_out.num_dev + held_out.num_train} pairs are held"
        f" out as development text, in {held_out.dev}.{data.source} and .{data.target}"
    )
    values = config.model_dump()
    values["data"] |= {"train": str(held_out.train), "dev": str(held_out.dev)}
    return parse_config(values, "the command line")


def with_rehearsal(config: "Config") -> "Config":
    """Sentences like those that an installed model knows, beside the one text that it is fine-tuned
    on: against forgetting."""
    from nmt.config.loader import REHEARSAL, REHEARSAL_LANGUAGES, REHEARSAL_SHARE, parse_config
    from nmt.runs.package import find_run, installed_models
    from nmt.text.lines import EVERYDAY, text_path

    data = config.data
    if not isinstance(data.train, str) or {data.source, data.target} != REHEARSAL_LANGUAGES:
        return config
    if find_run(config.training.init_from or "") not in installed_models().values():
        return config
    # By its name, which holds wherever the run is taken, unless the current folder has another one.
    is_found = text_path(REHEARSAL).is_relative_to(EVERYDAY)
    path = REHEARSAL if is_found else str(EVERYDAY.parent / REHEARSAL)
    texts = [*data.corpora, {"path": path, "share": REHEARSAL_SHARE}]
    values = config.model_dump()
    values["data"] |= {"train": texts, "weights": None}
    return parse_config(values, "the command line")


def _complete(run: "Run") -> int:
    failure = _export_trained(run)
    path = shlex.quote(str(run.path))
    say(f"done. Translate with: nmt translate {path}")
    if failure:
        say(f"To export it once the cause is fixed: nmt export {path}")
    return 0


def _export_trained(run: "Run") -> UserError | OSError | None:
    from nmt.export.onnx import export_onnx

    try:
        export_onnx(run)
    except (UserError, OSError) as error:  # the run is complete without an export
        say(f"no ONNX export: {error}")
        return error
    return None


def _export(options: argparse.Namespace) -> int:
    from nmt.text.lines import refuse_overwriting, refuse_unwritable

    is_web = options.format == "web"
    if not is_web and (options.precision or options.onnxruntime_web):
        raise UserError("--precision and --onnxruntime-web are for --format web. Leave them out.")
    if is_web:
        return _export_web(options)
    run = _trained(options.run, options.allow_custom)
    if options.format == "savedmodel" and options.dev:
        raise UserError("--dev is for the ONNX export, which is tested on it. Leave it out.")
    is_package = options.format == "package"
    if is_package and not options.output:
        raise UserError("a package is one file. Name it with --output NAME.nmt.")
    if is_package:
        refuse_unwritable(options.output)
        refuse_overwriting(options.output, paths_read(options))
    if not is_package and (options.card or options.golden):
        raise UserError("--card and --golden are for --format package. Leave them out.")
    import_tensorflow()
    if options.trained:
        return _complete(run)
    from nmt.export.onnx import export_onnx, export_saved_model

    if options.format == "package":
        return _export_package(run, options)
    if options.format == "savedmodel":
        print(export_saved_model(run, options.output))
    else:
        print(export_onnx(run, options.output, options.dev).folder)
    return 0


def _trained(name: Path, allow_custom: bool = False) -> "Run":
    """The run of a folder with float32 weights. Raises UserError for a package, which has none."""
    from nmt.runs.package import find_run
    from nmt.runs.run_folder import Run, refuse_export

    path = find_run(name)
    refuse_export(path)
    return Run.open(path, allow_custom)


def _export_package(run: "Run", options: argparse.Namespace) -> int:
    from nmt.export.packaging import PackageOptions, export_package
    from nmt.runs.package import GivenCard
    from nmt.text.lines import is_blank, read_lines

    lines = read_lines(options.golden) if options.golden else ()
    golden = [line for line in lines if not is_blank(line)]
    if options.golden and not golden:
        raise UserError(
            f"{options.golden}: expected sentences to check the package with. Received: none."
        )
    card = GivenCard.read(options.card) if options.card else GivenCard()
    package = export_package(run, options.output, PackageOptions(card, golden, options.dev))
    say(f"{package.path}: {package.size / 1e6:.1f} MB")
    print(package.path)
    return 0


def _export_web(options: argparse.Namespace) -> int:
    from nmt.runs.package import SUFFIX, open_run
    from nmt.runs.run_folder import WEIGHTS
    from nmt.serving.static_site import ONNXRUNTIME_WEB, export_site, read_runtime

    if not options.output:
        raise UserError("a site is a folder. Name it with --output DIR.")
    if options.card or options.golden or options.dev:
        raise UserError("--card, --golden and --dev are for other formats. Leave them out.")
    run = open_run(options.run, options.allow_custom)
    if not options.onnxruntime_web:
        say(f"fetching {ONNXRUNTIME_WEB} (33 MB)")
    runtime = read_runtime(options.onnxruntime_web)
    has_weights = run.package is None and (run.path / WEIGHTS).is_file()
    if options.precision == "float32" or not has_weights:
        size = export_site(run, options.output, runtime, options.precision)
    else:
        # In a package, both graphs share their weights.
        import_tensorflow()
        from nmt.export.packaging import export_package

        with tempfile.TemporaryDirectory() as folder:
            package = export_package(run, Path(folder) / f"model{SUFFIX}")
            size = export_site(package.run(), options.output, runtime)
    say(f"{options.output}: {size / 1e6:.1f} MB. Try it: python -m http.server -d {options.output}")
    print(options.output)
    return 0


def _average(options: argparse.Namespace) -> int:
    from nmt.runs.averaging import average

    paths = average([_trained(path) for path in options.runs], options.output, options.last)
    say(f"{options.output}: the mean of {', '.join(map(str, paths))}")
    return 0


def _tokenizer_train(options: argparse.Namespace) -> int:
    from nmt.config.loader import parse_config
    from nmt.text.lines import refuse_overwriting, refuse_unwritable
    from nmt.text.tokenizer import train_tokenizer

    check_read_once(options.input)
    refuse_unwritable(options.model)
    refuse_overwriting(options.model, paths_read(options, "model"))

    given = {"algorithm": options.algorithm, "vocabulary_size": options.vocabulary_size}
    given |= {"byte_fallback": not options.no_byte_fallback, "fold_initial": options.fold_initial}
    config = parse_config({"tokenizer": given}, "the command line").tokenizer
    tokenizer = train_tokenizer(
        chain.from_iterable(map(lines_of, options.input)),
        algorithm=config.algorithm,
        vocabulary_size=config.vocabulary_size,
        byte_fallback=config.byte_fallback,
        character_coverage=config.character_coverage,
        max_lines=config.max_lines,
        fold_initial=config.fold_initial,
    )
    tokenizer.save(options.model)
    say(f"{options.model}: {tokenizer.vocabulary_size} pieces")
    return 0


def _tokenizer_encode(options: argparse.Namespace) -> int:
    from nmt.text.lines import decode_lines
    from nmt.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(options.model)
    for line in decode_lines(sys.stdin.buffer, "standard input"):
        ids = tokenizer.encode(line)
        words = map(str, ids) if options.ids else tokenizer.pieces(ids)
        sys.stdout.buffer.write(" ".join(words).encode() + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _tokenizer_decode(options: argparse.Namespace) -> int:
    from nmt.text.lines import decode_lines
    from nmt.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(options.model)
    for number, line in enumerate(decode_lines(sys.stdin.buffer, "standard input"), 1):
        # The first piece of a line begins with "▁" or is a special symbol: it is no number.
        is_ids = not line.strip() or line.split()[0].isdecimal()
        try:
            ids = map(int, line.split()) if is_ids else tokenizer.ids_of_pieces(line.split(" "))
            text = tokenizer.decode(ids)
        except ValueError as error:
            raise UserError(
                f"standard input, line {number}: expected ids or pieces, as `nmt tokenizer encode`"
                f" writes them. {error}"
            ) from error
        sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _recipes(options: argparse.Namespace) -> int:
    from nmt.config.loader import find_recipe, recipes

    if options.keys is not None:
        return _print_keys(options)
    if options.name:
        path = find_recipe(options.name)
        try:
            print(path.read_text("utf-8"), end="")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: expected UTF-8. {error}.") from error
        return 0
    for name, path in recipes().items():
        print(f"{name:16} {path.read_text('utf-8').splitlines()[0].removeprefix('# ')}")
    return 0


def _print_keys(options: argparse.Namespace) -> int:
    from nmt.config.keys import find_keys

    if options.name:
        raise UserError("--keys is about the keys of all recipes. Leave out NAME.")
    for key in find_keys(options.keys):
        values = key.values.replace("`", "")
        print(f"{key.name}: {values}; {f'default {key.default}' if key.default else 'required'}")
        print(f"    {key.meaning}")
    return 0
