"""The verb `data`: corpora by name, a report on a corpus, cleaning it, and back-translation."""

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.cli import bulk
from nmt.cli.console import say, verb
from nmt.cli.shared import given_path, run_argument, search_arguments
from nmt.errors import UserError
from nmt.terminal import progress_bar

if TYPE_CHECKING:
    from nmt.corpora.checks import Task

LANGUAGES = "--languages"
MIRROR_VARIABLE = "NMT_DATA_MIRROR"


def add_verbs(verbs: Any) -> None:
    data = verb(verbs, "data", _list, "download, check and clean corpora, and back-translate")
    data.set_defaults(words=[], languages=None)
    actions = data.add_subparsers(title="actions", metavar="ACTION")

    listed = verb(actions, "list", _list, "list corpora that can be downloaded")
    listed.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="search in sacreBLEU's test sets and mtdata's data sets, too",
    )
    _languages(listed, "only corpora of these languages")

    get = verb(actions, "get", _get, "download a corpus, check it, and write it as parallel text")
    get.add_argument("name", metavar="NAME", help="name of the corpus: see `nmt data list`")
    _languages(get, "suffixes of the two sides")
    get.add_argument(
        "--output", type=given_path, metavar="DIR", help="folder of the text (default: NAME)"
    )
    get.add_argument(
        "--mirror",
        metavar="URL",
        help=f"fetch URL/NAME/FILE instead (default: {MIRROR_VARIABLE})",
    )

    check = verb(actions, "check", _check, "report what is wrong with a corpus")
    _corpus(check)
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.add_argument(
        "--html", type=given_path, metavar="FILE", help="also write the report as a web page"
    )
    check.add_argument("--strict", action="store_true", help="exit with 1 if anything was found")

    clean = verb(
        actions, "clean", _clean, "write a copy of a corpus without the faults that `check` reports"
    )
    _corpus(clean)
    clean.add_argument(
        "--output",
        required=True,
        metavar="PREFIX",
        help="write PREFIX.SOURCE, PREFIX.TARGET and PREFIX.dropped.tsv, or a table .tsv",
    )
    clean.add_argument(
        "--drop",
        metavar="KEYS",
        help="drop pairs with these faults: keys, comma-separated, or `none`",
    )
    clean.add_argument(
        "--fix", metavar="KEYS", help="fix these faults: keys, comma-separated, or `none`"
    )

    backtranslate = verb(
        actions,
        "backtranslate",
        bulk.back_translate,
        "make training pairs from target-language text, with a run of the other direction",
    )
    run_argument(backtranslate, ensemble=True)
    backtranslate.add_argument(
        "--input",
        type=given_path,
        required=True,
        metavar="FILE",
        help="text of the target language, or a pattern, 'DIR/*.fr.gz'",
    )
    backtranslate.add_argument(
        "--output",
        required=True,
        metavar="PREFIX",
        help="write PREFIX.SOURCE, which the run has translated, and PREFIX.TARGET, the text",
    )
    backtranslate.add_argument(
        "--tag",
        action="store_true",
        help="begin sources with <BT>, so that the model can tell them from human sources",
    )
    bulk.arguments(backtranslate, "shards, in PREFIX.shards")
    search_arguments(backtranslate)


def _languages(parser: argparse.ArgumentParser, text: str, default: str | None = None) -> None:
    parser.add_argument(LANGUAGES, metavar="SOURCE-TARGET", default=default, help=text)


def _corpus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "corpus",
        metavar="PREFIX",
        help="prefix of two files; also FILE,FILE or a .tsv; each also as .gz",
    )
    _languages(parser, "languages and suffixes of the two sides (default: en-fr)", "en-fr")
    for name in ("dev", "test"):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="PREFIX",
            help=f"{name} set that the corpus must not contain; may be repeated",
        )


def _pair_of_languages(text: str) -> tuple[str, str]:
    source, _, target = text.partition("," if "," in text else "-")
    if not source or not target or source == target:
        raise UserError(
            f"--languages: expected two, such as en-fr or en,pt-BR. Received: {text!r}."
        )
    return source, target


# --------------------------------------------------------------------------------- list and get


def _list(options: argparse.Namespace) -> int:
    from nmt.corpora import mtdata_index, sacrebleu_sets
    from nmt.corpora.catalogue import CATALOGUE, matches

    languages = _pair_of_languages(options.languages) if options.languages else None
    num_found = 0
    for corpus in CATALOGUE.values():
        if languages and sorted(languages) != sorted(corpus.languages):
            continue
        text = f"{corpus.name} {corpus.summary} {corpus.licence}"
        if matches(text, options.words):
            pinned = "checksums known" if corpus.is_pinned else "no checksum: the file may change"
            print(f"{corpus.name:12} {'-'.join(corpus.languages)}  {corpus.summary}")
            print(f"{'':12} {pinned}; licence: {corpus.licence}")
            num_found += 1
    if not options.words and not languages:
        more = f"{len(sacrebleu_sets.names())} test sets of sacreBLEU"
        if mtdata_index.is_installed():
            more += ", and all data sets of mtdata"
        say(f"More with words or --languages: {more}.")
        return 0
    for test_set in sacrebleu_sets.search(options.words, languages):
        print(f"{test_set.name:12} {test_set.languages}  {test_set.description} (sacreBLEU)")
        num_found += 1
    if not mtdata_index.is_installed():
        from nmt.about import install_command

        say(f"mtdata knows many more: {install_command('data')}.")
    else:
        say("searching in mtdata, which takes half a minute the first time")
        for data_set in mtdata_index.search(options.words, languages):
            print(f"{data_set.id}  {data_set.address}")
            num_found += 1
    if not num_found:
        say("nothing found. `nmt data list` without words lists what has a name of its own.")
    return 0


def _get(options: argparse.Namespace) -> int:
    from nmt.corpora import getting, mtdata_index, sacrebleu_sets
    from nmt.corpora.catalogue import CATALOGUE, find_corpus
    from nmt.corpora.download import check_address

    name = options.name
    languages = _pair_of_languages(options.languages) if options.languages else None
    output = options.output or Path(name.replace("/", "_"))
    mirror = options.mirror or os.environ.get(MIRROR_VARIABLE)
    if mirror:
        check_address(mirror)
    is_known = name in CATALOGUE or name in sacrebleu_sets.names() or mtdata_index.is_id(name)
    if options.mirror and is_known and name not in CATALOGUE:
        raise UserError(
            f"--mirror: a mirror has {', '.join(CATALOGUE)}. Received: {name}, which sacreBLEU or"
            " mtdata download from addresses of their own. Leave it out."
        )
    if name in CATALOGUE:
        corpus = find_corpus(name)
        written = getting.get_corpus(corpus, languages or corpus.languages, output, mirror)
    elif name in sacrebleu_sets.names():
        written = sacrebleu_sets.get(name, languages or ("en", "fr"), output)
    elif mtdata_index.is_id(name):
        written = mtdata_index.get(name, languages, output)
    else:
        find_corpus(name)  # says what there is
    about = json.loads(Path(f"{written[0].prefix}.about.json").read_text("utf-8"))
    for text in written:
        state = "" if text.is_new else ", as before"
        say(f"{text.num_pairs:,} pairs{state}")
        print(text.prefix)
    for key in ("licence", "citation", "notes"):
        if about.get(key):
            say(f"{key.capitalize()}: {about[key]}")
    return 0


# ------------------------------------------------------------------------------- check and clean


def _check(options: argparse.Namespace) -> int:
    from nmt.corpora import report
    from nmt.corpora.analysis import analyse
    from nmt.corpora.report_html import as_html
    from nmt.text.lines import atomic_write, refuse_overwriting, refuse_unwritable, resolve_parallel

    task = _task(options)
    page = options.html
    if page:
        refuse_unwritable(page)  # said now, and not after some minutes
    files = resolve_parallel(options.corpus, *task.languages, LANGUAGES)
    if page:
        held_out = [one.files for sets in task.held_out.values() for one in sets]
        refuse_overwriting(
            page, [p for one in (files, *held_out) for p in (one.source, one.target)]
        )
    analysis = analyse(files, task, progress=_progress)
    if options.json:
        print(json.dumps(report.as_dict(analysis), ensure_ascii=False, indent=2))
    else:
        print(report.as_text(analysis))
    if page:
        with atomic_write(page, "w") as stream:
            name = os.fsencode(options.corpus).decode("utf-8", "replace")  # may be no UTF-8
            stream.write(as_html(analysis, f"Report on {name}"))
    return int(options.strict and report.num_found(analysis) > 0)


def _clean(options: argparse.Namespace) -> int:
    from nmt.corpora.checks import CHECKS
    from nmt.corpora.cleaning import Output, Rules, clean
    from nmt.text.lines import resolve_parallel

    task = _task(options)
    files = resolve_parallel(options.corpus, *task.languages, LANGUAGES)
    output = Output.from_prefix(options.output, task.languages)
    rules = Rules(_keys(options.drop), _keys(options.fix))
    cleaned = clean(files, task, output, rules, _progress)
    print(f"kept {cleaned.num_kept:,} of {cleaned.num_pairs:,} pairs")
    for name, counts in (("dropped", cleaned.dropped), ("fixed", cleaned.fixed)):
        for key in CHECKS:
            if counts[key]:
                print(f"{name} {counts[key]:,}: {key}")
    for key, reason in cleaned.not_checked.items():
        say(f"not checked: {key} ({reason})")
    say(f"The dropped pairs are in {output.dropped}.")
    return 0


def _keys(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [] if text == "none" else [key.strip() for key in text.split(",") if key.strip()]


def _task(options: argparse.Namespace) -> "Task":
    from nmt.corpora.checks import HeldOut, Task
    from nmt.text.lines import resolve_parallel

    languages = _pair_of_languages(options.languages)
    held_out = {
        name: [
            HeldOut(resolve_parallel(spec, *languages, LANGUAGES))
            for spec in getattr(options, name)
        ]
        for name in ("dev", "test")
    }
    return Task(languages, held_out)


def _progress(description: str, pairs: Iterable[Any]) -> Iterable[Any]:
    with progress_bar(description) as bar:
        for pair in pairs:
            bar.update()
            yield pair
