"""Corpora from a mirror, written as parallel text."""

import hashlib
import io
import json
import re
import zipfile

import pytest
from fixtures.tiny_corpora import CAPTIONS, lines

from nmt.corpora.catalogue import CATALOGUE

pytest_plugins = ["fixtures.cli", "fixtures.mirror"]


@pytest.fixture
def get(mirror, nmt_, tmp_path):
    return lambda *arguments: nmt_(
        "data", "get", *arguments, "--mirror", mirror.address, "--output", tmp_path / "out"
    )


def test_multi30k_is_written_with_licence_and_citation(get, tmp_path):
    code, out, err = get("multi30k")
    assert code == 0, err
    assert out.split() == [str(tmp_path / "out" / name) for name in CAPTIONS]
    for name, pairs in CAPTIONS.items():
        for side, suffix in enumerate(("en", "fr")):
            assert (tmp_path / "out" / f"{name}.{suffix}").read_bytes() == lines(pairs, side)
    assert "Licence: none stated" in err and "Citation: Elliott" in err
    about = json.loads((tmp_path / "out" / "train.about.json").read_text())
    assert about["pairs"] == 2 and about["languages"] == ["en", "fr"]
    assert about["files"]["train.en.gz"]["address"].startswith("https://raw.githubusercontent")
    english = hashlib.sha256(lines(CAPTIONS["train"], 0)).hexdigest()
    assert about["outputs"]["train.en"] == {"sha256": english}


def test_the_same_command_again_downloads_and_changes_nothing(get, mirror, tmp_path):
    get("multi30k")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.??")}
    num_requests = len(mirror.requests)
    code, _, err = get("multi30k")
    assert code == 0 and "as before" in err and len(mirror.requests) == num_requests
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.??")}
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_text_that_was_interrupted_between_its_sides_is_completed(get, tmp_path):
    get("multi30k")
    (tmp_path / "out" / "val.fr").unlink()
    (tmp_path / "out" / "val.about.json").unlink()
    assert get("multi30k")[0] == 0
    assert (tmp_path / "out" / "val.fr").read_text() == "Deux hommes.\n"
    assert (tmp_path / "out" / "val.about.json").exists()


def test_other_text_is_never_overwritten(get, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "val.en").write_text("mine\n")
    code, _, err = get("multi30k")
    assert code == 1 and "val.en: exists, and is not what would be written" in err
    assert (tmp_path / "out" / "val.en").read_text() == "mine\n"
    assert not list((tmp_path / "out").glob("*.part"))


@pytest.mark.parametrize(
    "content",
    ["mine", "[" * 100_000, '"multi30k"', '{"corpus": "europarl"}', '{"corpus": ["x"]}'],
    ids=lambda content: content[:20],
)
def test_another_file_is_not_replaced_by_the_record(get, tmp_path, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.about.json").write_text(content)
    code, _, err = get("multi30k")
    assert code == 1 and "train.about.json: expected the record that `nmt data get`" in err
    assert "Choose another --output, or move the file away" in err and "Traceback" not in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.about.json"]
    assert (tmp_path / "out" / "train.about.json").read_text() == content


@pytest.mark.parametrize("is_other_text", [False, True])
def test_files_with_names_like_temporary_ones_are_left(get, tmp_path, is_other_text):
    assert get("multi30k")[0] == 0
    own = [tmp_path / "out" / f"train.{suffix}.part" for suffix in ("en", "fr")]
    for path in own:
        path.write_text("mine\n")
    if is_other_text:
        (tmp_path / "out" / "train.en").write_text("mine\n")
    assert get("multi30k")[0] == int(is_other_text)
    assert [path.read_text() for path in own] == ["mine\n"] * 2
    assert not list((tmp_path / "out").glob(".*"))


def test_what_a_killed_process_has_left_is_removed(get, tmp_path):
    (tmp_path / "out").mkdir()
    left_over = tmp_path / "out" / ".train.en.0123456789ab.tmp"
    left_over.touch()
    assert get("multi30k")[0] == 0 and not left_over.exists()


def test_a_mirror_may_be_named_by_the_environment(mirror, nmt_, tmp_path, monkeypatch):
    monkeypatch.setenv("NMT_DATA_MIRROR", mirror.address)
    monkeypatch.chdir(tmp_path)
    assert nmt_("data", "get", "multi30k")[0] == 0
    assert (tmp_path / "multi30k" / "train.en").exists()


@pytest.mark.parametrize("name", ["wmt14", "OPUS-books-v1-eng-fra"])
def test_a_mirror_of_what_it_cannot_have_is_refused(get, mirror, name):
    code, _, err = get(name)
    assert code == 1 and "--mirror: a mirror has multi30k, tatoeba, europarl." in err
    assert f"Received: {name}" in err and not mirror.requests


def test_the_cache_serves_as_a_mirror(get, tmp_path):
    get("multi30k")
    assert (tmp_path / "cache" / "data" / "multi30k" / "train.en.gz").is_file()


@pytest.mark.parametrize("corpus", ["tatoeba", "europarl"])
def test_held_out_lines_are_taken_from_the_text(get, corpus, tmp_path):
    code, out, err = get(corpus)
    assert code == 0, err
    assert [line.rsplit("/", 1)[1] for line in out.split()] == ["train", "dev", "test"]
    read = lambda name: (tmp_path / "out" / name).read_text().splitlines()  # noqa: E731
    assert (read("train.en"), read("train.fr")) == (["Hi."], ["Salut !"])
    assert (read("dev.en"), read("dev.fr")) == (["Run!"], ["Cours !"])
    assert (read("test.en"), read("test.fr")) == (["No."], ["Non."])
    about = json.loads((tmp_path / "out" / "dev.about.json").read_text())
    assert about["pairs_of_the_project"] == 1 and "notes" in about


def test_a_failure_says_what_to_fetch_and_where_to_put_it(get, mirror, tmp_path):
    del mirror.files["/multi30k/val.fr.gz"]
    code, out, err = get("multi30k")
    assert code == 1 and not out and "Traceback" not in err
    assert (
        f"{mirror.address}/multi30k/val.fr.gz could not be downloaded: the server answered" in err
    )
    assert f"save it as {tmp_path}/cache/data/multi30k/val.fr.gz" in err
    assert not (tmp_path / "out").exists()


def test_a_failure_names_the_other_files_that_are_missing(get, mirror, tmp_path):
    get("multi30k")
    cache = next(tmp_path.rglob("val.fr.gz")).parent
    for name in ("val.en.gz", "val.fr.gz", "test_2016_flickr.fr.gz"):
        (cache / name).unlink()
        del mirror.files[f"/multi30k/{name}"]
    code, _, err = get("multi30k")
    needed = err.partition("Needed, too: ")[2]
    assert code == 1 and "val.en.gz could not be downloaded" in err
    addresses = dict(one.split(" as ")[::-1] for one in needed.rstrip(".\n").split(", "))
    assert list(addresses) == [str(cache / "val.fr.gz"), str(cache / "test_2016_flickr.fr.gz")]
    assert all(address.endswith(path.rpartition("/")[2]) for path, address in addresses.items())


def test_a_page_instead_of_an_archive_is_said(get, mirror):
    mirror.files["/tatoeba/fra-eng.zip"] = b"<html>We have moved.</html>"
    code, _, err = get("tatoeba")
    assert code == 1 and "expected an archive. Received: a file that begins with b'<html>" in err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"no tab\n", "line 1: expected source, tab, target"),
        (b"a\tb\n\xff\tc\n", "line 2: expected UTF-8"),
    ],
)
def test_a_table_with_a_faulty_line_is_said(get, mirror, table, message):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("fra.txt", table)
    mirror.files["/tatoeba/fra-eng.zip"] = stream.getvalue()
    code, _, err = get("tatoeba")
    assert code == 1 and message in err


def test_languages_that_a_corpus_lacks_are_refused(get):
    code, _, err = get("multi30k", "--languages", "en-de")
    assert code == 1 and "multi30k is en-fr" in err
    code, _, err = get("multi30k", "--languages", "english")
    assert code == 1 and "--languages: expected two" in err


def test_an_unknown_corpus_is_refused_with_those_known(get):
    code, _, err = get("multi31k")
    assert code == 1 and "no corpus is called 'multi31k'. Known: multi30k, tatoeba" in err


def test_list_shows_name_languages_and_licence(nmt_):
    code, out, err = nmt_("data", "list")
    assert code == 0 and re.search(r"^multi30k +en-fr  image captions", out, re.MULTILINE)
    assert "licence: CC BY 2.0" in out and "test sets of sacreBLEU" in err
    assert nmt_("data") == (code, out, err)


def test_list_searches_by_words_and_languages(nmt_, monkeypatch):
    from nmt.corpora import mtdata_index

    monkeypatch.setattr(mtdata_index, "is_installed", lambda: False)
    code, out, err = nmt_("data", "list", "WMT14", "--languages", "en-fr")
    assert code == 0 and out.startswith("wmt14 ") and "multi30k" not in out
    assert "pip install" in err
    assert "tatoeba" in nmt_("data", "list", "everyday")[1]
    code, out, err = nmt_("data", "list", "zzz")
    assert (code, out) == (0, "") and err.endswith("lists what has a name of its own.\n")
    assert "nothing found" not in nmt_("data", "list", "everyday")[2]


def test_every_file_of_the_catalogue_has_a_secure_address_and_a_name_of_its_own():
    for name, corpus in CATALOGUE.items():
        names = [file.name for file in corpus.files]
        assert corpus.name == name and len(set(names)) == len(names)
        assert corpus.licence and corpus.citation
        for file in corpus.files:
            assert file.url.startswith("https://") and file.url.endswith(file.name)
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert CATALOGUE["multi30k"].is_pinned and not CATALOGUE["tatoeba"].is_pinned
