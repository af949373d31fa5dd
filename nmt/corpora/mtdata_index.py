"""The data sets that mtdata knows (the extra `data`): search by words and languages, download.

mtdata finds the files of a data set and reads its many formats; the downloads are ours, with their
retries and messages.
"""

import contextlib
import importlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt import about
from nmt.about import install_command
from nmt.corpora import download
from nmt.corpora.catalogue import RemoteFile, matches
from nmt.corpora.getting import TextWriter, Written
from nmt.corpora.held_out import Pair
from nmt.errors import UserError
from nmt.text.language_id import NAMES
from nmt.text.lines import is_blank


@dataclass(frozen=True)
class DataSet:
    """A data set of mtdata: its id, such as Statmt-europarl-7-fra-eng, and its address."""

    id: str
    address: str


def is_installed() -> bool:
    return about.is_installed("mtdata")


def is_id(name: str) -> bool:
    """Whether a name has the form GROUP-NAME-VERSION-LANGUAGE-LANGUAGE."""
    return name.count("-") == 4


def search(words: list[str], languages: tuple[str, str] | None) -> Iterator[DataSet]:
    """Parallel data sets whose id or address has all of the words. Raises UserError if mtdata is
    not installed or does not know a language."""
    with _mtdata(), _one_line("search its index"):
        index = importlib.import_module("mtdata.index")
        tags = _tags(*languages) if languages else None
        entries = index.get_entries(langs=tags, fuzzy_match=True)
    for entry in entries:
        address = entry.url if isinstance(entry.url, str) else entry.url[0]
        if len(entry.did.langs) == 2 and matches(f"{entry.did} {address}", words):
            yield DataSet(str(entry.did), address)


def get(name: str, languages: tuple[str, str] | None, output: Path) -> list[Written]:
    """Download a data set and write it into a folder, as ID.SOURCE and ID.TARGET.

    Without `languages` the suffixes are those of the data set, as ISO 639-1 has them.
    """
    with _mtdata(), _one_line(f"get {name}"):
        index = importlib.import_module("mtdata.index")
        entry = _entry(index, name)
        sides = tuple(_suffix(tag) for tag in entry.did.langs)
        suffixes = languages or sides
        is_reversed = False
        if languages:
            wanted = _tags(*languages)
            compatible = [
                all(a.is_compatible(b) for a, b in zip(wanted, tags, strict=True))
                for tags in (entry.did.langs, entry.did.langs[::-1])
            ]
            if not any(compatible):
                raise UserError(
                    f"{name} is {'-'.join(sides)}. Received: --languages {'-'.join(languages)}."
                )
            is_reversed = not compatible[0]
        about = {
            "corpus": name,
            "licence": "as its source states it; mtdata does not record licences",
            "citation": _citation(index, entry),
            "homepage": "https://github.com/thammegowda/mtdata",
            "files": entry.url,
        }
        writer = TextWriter(output, (suffixes[0], suffixes[1]), about)
        return [writer.write(name, _pairs(entry, is_reversed))]


def _pairs(entry: Any, is_reversed: bool) -> Iterator[Pair]:
    cache = importlib.import_module("mtdata.cache")
    parser = importlib.import_module("mtdata.parser")
    folder = importlib.import_module("mtdata").cache_dir

    class Cache(cache.Cache):  # type: ignore[name-defined]
        def download(self, url: str, save_at: Path, timeout: Any = None, entry: Any = None) -> Path:
            file = RemoteFile(save_at.name, url, max_bytes=1 << 40)
            with _log_level_above(logging.NOTSET):  # what is said about the download is ours
                return download.fetch(file, save_at.parent, may_have_mirror=False)

    paths = Cache(folder).get_entry(entry)
    reader = parser.Parser(paths, ext=entry.in_ext or None, ent=entry)
    for segments in reader.read_segs(show_pbar=False):
        pair = [" ".join(str(side).split("\n")).strip() for side in segments[:2]]
        if len(pair) == 2 and not any(map(is_blank, pair)):
            yield (pair[1], pair[0]) if is_reversed else (pair[0], pair[1])


@contextlib.contextmanager
def _mtdata() -> Iterator[None]:
    """mtdata without its messages, of which loading its index prints a hundred lines."""
    if not is_installed():
        raise UserError(f"this needs mtdata, which is not installed: {install_command('data')}.")
    with _log_level_above(logging.WARNING):  # mtdata logs as the root logger
        yield


@contextlib.contextmanager
def _log_level_above(level: int) -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _one_line(action: str) -> Iterator[None]:
    """Failures of mtdata, which raises AssertionError, bare Exception and others, as UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise UserError(
            f"mtdata could not {action}: {reason}. If its cached files are damaged, remove the"
            f" folder {Path.home() / '.mtdata'}."
        ) from error


def _entry(index: Any, name: str) -> Any:
    entries = {str(entry.did).casefold(): entry for entry in index.INDEX.get_entries()}
    if name.casefold() not in entries:
        raise UserError(
            f"mtdata knows no data set {name!r}. `nmt data list WORDS` searches for one."
        )
    return entries[name.casefold()]


def _tags(*languages: str) -> tuple[Any, ...]:
    bcp47 = importlib.import_module("mtdata.iso.bcp47").bcp47
    try:
        return tuple(bcp47(language) for language in languages)
    except Exception as error:  # a bare one, for an unknown code
        raise UserError(f"mtdata does not know a language of {'-'.join(languages)}.") from error


def _suffix(tag: Any) -> str:
    """`fr` for mtdata's `fra`; mtdata's code where there is no shorter one."""
    bcp47 = importlib.import_module("mtdata.iso.bcp47").bcp47
    for code in NAMES:
        with contextlib.suppress(Exception):  # a bare one, for a code that it does not know
            if bcp47(code).lang == tag.lang:
                return code
    return str(tag)


def _citation(index: Any, entry: Any) -> str:
    keys = entry.cite or ()
    return "\n".join(index.ReferenceDb().get_bibtex(key) for key in keys) or "none listed"
