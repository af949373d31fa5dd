"""sacreBLEU's test sets, with a fake of its downloads."""

import urllib.error

import pytest
import sacrebleu.utils

pytest_plugins = ["fixtures.cli"]


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    def path(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    monkeypatch.setattr(sacrebleu.utils, "get_source_file", lambda *_: path("source", "Hi.\nNo.\n"))
    references = lambda *_: [path("a", "Salut !\nNon.\n"), path("b", "Bonjour.\nNon.\n")]  # noqa: E731
    monkeypatch.setattr(sacrebleu.utils, "get_reference_files", references)


def test_a_test_set_is_written_with_all_its_references(downloads, nmt_, tmp_path):
    output = tmp_path / "out"
    code, out, err = nmt_("data", "get", "wmt14", "--languages", "en-fr", "--output", output)
    assert code == 0, err
    assert out.split() == [str(output / "wmt14"), str(output / "wmt14.ref1")]
    assert (output / "wmt14.en").read_text() == "Hi.\nNo.\n"
    assert (output / "wmt14.fr").read_text() == "Salut !\nNon.\n"
    assert (output / "wmt14.ref1.fr").read_text() == "Bonjour.\nNon.\n"
    assert "bojar" in err


def test_files_of_unequal_length_are_named(downloads, nmt_, monkeypatch, tmp_path):
    (tmp_path / "short").write_text("Salut !\n")
    short = str(tmp_path / "short")
    monkeypatch.setattr(sacrebleu.utils, "get_reference_files", lambda *_: [short])
    code, _, err = nmt_("data", "get", "wmt14", "--output", tmp_path / "out")
    assert code == 1 and f"{short} must have equally many lines" in err


def test_languages_that_a_set_lacks_are_refused_with_those_it_has(nmt_):
    code, _, err = nmt_("data", "get", "wmt14", "--languages", "en-sw")
    assert code == 1 and "wmt14 has no en-sw. It has cs-en" in err


@pytest.mark.parametrize("error", [urllib.error.URLError("no route"), SystemExit(1)])
def test_a_failed_download_is_said_in_a_line(nmt_, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(sacrebleu.utils, "get_source_file", fails)
    code, _, err = nmt_("data", "get", "wmt14")
    assert code == 1 and "sacreBLEU could not download wmt14" in err and "Traceback" not in err
