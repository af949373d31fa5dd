"""Data sets of mtdata, with a fake of the parts of mtdata 0.5 that are used."""

import gzip
import importlib.machinery
import json
import logging
import sys
import types
from dataclasses import dataclass

import pytest
from fixtures import file_server as served
from fixtures.file_server import file_server

from nmt.corpora import download, mtdata_index
from nmt.errors import UserError

pytest_plugins = ["fixtures.cli"]


@dataclass(frozen=True)
class Tag:
    lang: str

    def is_compatible(self, other):
        return self.lang == other.lang

    def __str__(self):
        return self.lang


@dataclass(frozen=True)
class Id:
    text: str
    langs: tuple

    def __str__(self):
        return self.text


@dataclass
class Entry:
    did: Id
    url: str
    cite: tuple = ()
    in_ext: str | None = None


CODES = {"en": "eng", "fr": "fra", "de": "deu"}


def bcp47(code):
    if code not in {*CODES, *CODES.values()}:
        raise Exception(f"Unable to identify {code}")
    return Tag(CODES.get(code, code))


def fake_modules(entries, folder):
    class Cache:
        def __init__(self, root):
            self.root = root

        def get_entry(self, entry):
            path = self.root / entry.url.rsplit("/", 1)[1]
            return self.download(entry.url, path, entry=entry)

    class Parser:
        def __init__(self, paths, ext=None, ent=None):
            self.path = paths

        def read_segs(self, show_pbar=True):
            logging.getLogger().warning("mtdata is talkative")
            for line in gzip.decompress(self.path.read_bytes()).decode().split("\n"):
                yield line.split("\t")

    class ReferenceDb:
        def get_bibtex(self, key):
            return f"@inproceedings{{{key}}}"

    def get_entries(langs=None, fuzzy_match=False):
        if langs is None:
            return entries
        wanted = sorted(tag.lang for tag in langs)
        return [e for e in entries if sorted(tag.lang for tag in e.did.langs) == wanted]

    contents = {
        "mtdata": {"cache_dir": folder},
        "mtdata.index": {
            "get_entries": get_entries,
            "INDEX": types.SimpleNamespace(get_entries=lambda: entries),
            "ReferenceDb": ReferenceDb,
        },
        "mtdata.cache": {"Cache": Cache},
        "mtdata.parser": {"Parser": Parser},
        "mtdata.iso": {},
        "mtdata.iso.bcp47": {"bcp47": bcp47},
    }
    for name, content in contents.items():
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module).update(content)
        yield name, module


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PATIENCE", download.Patience(attempts=1))
    with file_server() as server:
        pair, one = (Tag("eng"), Tag("fra")), (Tag("fra"),)
        entries = [
            Entry(Id("Some-talks-1-eng-fra", pair), f"{server.address}/talks.gz", ("her2020",)),
            Entry(Id("Some-books-2-deu-fra", (Tag("deu"), Tag("fra"))), "https://x/books"),
            Entry(Id("Some-news-1-fra", one), "https://x/news"),
        ]
        text = "Hi.\tSalut !\nOne\ttwo\tthree\n\tRien.\nNo.\tNon."
        server.files["/talks.gz"] = gzip.compress(text.encode())
        for name, module in fake_modules(entries, tmp_path / "mtdata"):
            monkeypatch.setitem(sys.modules, name, module)
        yield server


def test_parallel_data_sets_are_searched_by_words_and_languages(server, nmt_):
    code, out, _ = nmt_("data", "list", "some")
    assert code == 0 and "Some-talks-1-eng-fra" in out and "Some-books-2-deu-fra" in out
    assert "Some-news" not in out  # one language only
    code, out, _ = nmt_("data", "list", "some", "--languages", "fr-en")
    assert code == 0 and "Some-talks" in out and "Some-books" not in out
    assert "Some" not in nmt_("data", "list", "some", "nothing")[1]


def test_a_data_set_is_written_with_the_codes_of_iso_639_1(server, nmt_, tmp_path):
    code, out, err = nmt_("data", "get", "some-TALKS-1-eng-fra", "--output", tmp_path / "out")
    assert code == 0, err
    prefix = tmp_path / "out" / "some-TALKS-1-eng-fra"
    assert out.strip() == str(prefix) and "talkative" not in err
    assert prefix.with_name(f"{prefix.name}.en").read_text() == "Hi.\nOne\nNo.\n"
    assert prefix.with_name(f"{prefix.name}.fr").read_text() == "Salut !\ntwo\nNon.\n"
    about = json.loads(prefix.with_name(f"{prefix.name}.about.json").read_text())
    assert about["citation"] == "@inproceedings{her2020}"


def test_what_is_said_about_a_download_is_seen(server, nmt_, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", download.Patience(attempts=2, first_wait=0.01))
    server.behaviours = [served.status(503)]
    code, _, err = nmt_("data", "get", "Some-talks-1-eng-fra", "--output", tmp_path / "out")
    assert code == 0 and "503" in err and "trying again" in err and "talkative" not in err


def test_the_sides_are_in_the_order_that_was_asked_for(server, nmt_, tmp_path):
    arguments = ["Some-talks-1-eng-fra", "--languages", "fr-en", "--output", tmp_path]
    code, _, err = nmt_("data", "get", *arguments)
    assert code == 0, err
    assert (tmp_path / "Some-talks-1-eng-fra.fr").read_text().startswith("Salut !\n")


def test_what_cannot_be_had_is_said_in_a_line(server, nmt_, tmp_path):
    get = lambda *arguments: nmt_("data", "get", *arguments, "--output", tmp_path)  # noqa: E731
    code, _, err = get("Some-other-1-eng-fra")
    assert code == 1 and "mtdata knows no data set 'Some-other-1-eng-fra'" in err
    code, _, err = get("Some-talks-1-eng-fra", "--languages", "en-de")
    assert code == 1 and "Some-talks-1-eng-fra is en-fr. Received: --languages en-de" in err
    server.files.clear()
    code, _, err = nmt_("data", "get", "Some-talks-1-eng-fra", "--output", tmp_path / "new")
    assert code == 1 and "404" in err and "save it as" in err and "Traceback" not in err
    assert not (tmp_path / "new").exists()
    assert "--mirror" not in err  # has no copies of mtdata's files
    code, _, err = nmt_("data", "list", "x", "--languages", "en-xx")
    assert code == 1 and "mtdata does not know a language of en-xx" in err


def test_without_mtdata_its_extra_is_named(nmt_, monkeypatch):
    monkeypatch.setattr(mtdata_index, "is_installed", lambda: False)
    code, _, err = nmt_("data", "get", "Some-talks-1-eng-fra")
    assert code == 1 and "needs mtdata, which is not installed: pip install" in err


def test_a_damaged_index_is_one_line(monkeypatch):
    """Another process may be writing what mtdata reads."""
    monkeypatch.setattr(mtdata_index, "is_installed", lambda: True)

    def damaged(name):
        raise EOFError("Ran out of input")

    monkeypatch.setattr(mtdata_index.importlib, "import_module", damaged)
    with pytest.raises(UserError, match=r"could not search its index: Ran out of input.*\.mtdata"):
        list(mtdata_index.search(["x"], None))
