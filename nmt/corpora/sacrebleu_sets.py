"""Test sets that sacreBLEU downloads (WMT and others), written like every other corpus."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nmt.corpora.catalogue import matches
from nmt.corpora.getting import TextWriter, Written, paired
from nmt.errors import UserError
from nmt.text.lines import read_lines

TIMEOUT = 60.0


@dataclass(frozen=True)
class TestSet:
    """A test set, such as wmt14, in one pair of languages."""

    name: str
    languages: str
    description: str


def names() -> list[str]:
    from sacrebleu.dataset import DATASETS

    return list(DATASETS)


def search(words: list[str], languages: tuple[str, str] | None) -> Iterator[TestSet]:
    from sacrebleu.dataset import DATASETS

    for name, entry in DATASETS.items():
        for pair in entry.langpairs:
            if languages and pair != "-".join(languages):
                continue
            if matches(f"{name} {pair} {entry.description}", words):
                yield TestSet(name, pair, entry.description or "")


def get(name: str, languages: tuple[str, str], output: Path) -> list[Written]:
    """Write a test set; further references, where it has some, as NAME.ref1.TARGET and so on."""
    from sacrebleu.dataset import DATASETS
    from sacrebleu.utils import get_reference_files, get_source_file

    entry, pair = DATASETS[name], "-".join(languages)
    if pair not in entry.langpairs:
        raise UserError(
            f"{name} has no {pair}. It has {', '.join(entry.langpairs)}: give one as --languages."
        )
    with _one_line(name):
        source = get_source_file(name, pair)
        references = get_reference_files(name, pair)
    about = {
        "corpus": name,
        "licence": "none stated; a test set of a shared task, for evaluation",
        "citation": (entry.citation or "none listed").strip(),
        "homepage": "https://github.com/mjpost/sacrebleu",
        "notes": entry.description or "",
        "files": entry.data,
    }
    writer = TextWriter(output, languages, about)
    base = name.replace("/", "_")
    written = []
    for number, reference in enumerate(references):
        prefix = f"{base}.ref{number}" if number else base
        lines = read_lines(source), read_lines(reference)
        written.append(writer.write(prefix, paired(*lines, (source, reference))))
    return written


@contextlib.contextmanager
def _one_line(name: str) -> Iterator[None]:
    """sacreBLEU's downloader waits without end, exits, and raises whatever urllib raises."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UserError(
            f"sacreBLEU could not download {name} ({getattr(error, 'reason', error)}). Its file"
            " may be fetched by hand: see `sacrebleu --list` and the variable SACREBLEU."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
