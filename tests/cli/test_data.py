"""`nmt data check` on the command line."""

import json
import os
import re
import sys

import pytest

from nmt.cli.bulk import is_folder
from nmt.cli.main import parser
from nmt.errors import UserError

pytest_plugins = ["fixtures.cli"]


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = ["A dog.", "A cat.", "A dog.", "<script>alert(1)</script>", "A \x1b[31mred\x07 cat."]
    targets = ["Un chien.", "", "Un chien.", "<b>&amp;</b>", "Un chat\u00ad rouge."]
    for suffix, lines in (("en", sources), ("fr", targets)):
        text = "".join(f"{line}\n" for line in lines)
        (tmp_path / f"train.{suffix}").write_text(text, "utf-8", newline="")
    return tmp_path


def test_a_report_has_counts_advice_and_examples_with_line_numbers(corpus, nmt_):
    code, out, _ = nmt_("data", "check", "train")
    assert code == 0 and out.startswith("5 pairs of en and fr\n")
    assert re.search(r"^exact_duplicates: 1 \(20\.00%\), extra copies", out, re.MULTILINE)
    assert "  line 3 (as line 1)\n    A dog.\n    Un chien.\n" in out
    assert "Not found: " in out and "Not checked: dev_in_train (give --dev)." in out


def test_the_home_folder_is_found_where_the_shell_leaves_its_sign(corpus, nmt_, monkeypatch):
    """As in `--html=~/page.html`, or in `--run=~/mine`, which made a folder called `~`."""
    monkeypatch.setenv("HOME", str(corpus))
    (corpus / "train.tsv").write_text("A dog.\tUn chien.\n")
    assert nmt_("data", "check", "~/train.tsv", "--html=~/page.html")[0] == 0
    assert (corpus / "page.html").is_file()
    assert parser().parse_args(["train", "quickstart", "--run=~/mine"]).run == corpus / "mine"
    with pytest.raises(UserError, match="~ is a folder of other files"):
        is_folder("~")


def test_findings_fail_only_if_asked_to(corpus, nmt_):
    assert nmt_("data", "check", "train", "--strict")[0] == 1
    for suffix, text in (("en", "One.\nTwo things.\n"), ("fr", "Un.\nDeux choses.\n")):
        (corpus / f"fine.{suffix}").write_text(text)
    assert nmt_("data", "check", "fine", "--strict")[0] == 0


def test_json_is_all_of_standard_output(corpus, nmt_):
    code, out, _ = nmt_("data", "check", "train", "--json", "--test", "train")
    report = json.loads(out)
    assert code == 0 and report["lines"] == 5 and report["languages"] == ["en", "fr"]
    assert report["source"]["words"] == 10 and report["source"]["distinct_lines"] == 4
    duplicates = report["findings"]["exact_duplicates"]
    assert duplicates["count"] == 1 and duplicates["examples"][0]["line"] == 3
    assert report["findings"]["test_in_train"]["count"] == 5
    assert set(report["not_checked"]) >= {"dev_in_train"}


def test_characters_that_steer_a_terminal_are_shown_by_number(corpus, nmt_):
    out = nmt_("data", "check", "train")[1]
    assert "\x1b" not in out and "A <U+001B>[31mred<U+0007> cat." in out


def test_the_page_is_one_file_that_loads_and_runs_nothing(corpus, nmt_):
    assert nmt_("data", "check", "train", "--html", "report.html")[0] == 0
    page = (corpus / "report.html").read_text("utf-8")
    assert page.count("<svg") >= 4 and 'id="exact_duplicates"' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page) and "url(" not in page
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_corpus_may_have_a_name_that_is_no_utf8(corpus, nmt_):
    name = os.fsdecode(b"caf\xe9")
    for suffix in ("en", "fr"):
        (corpus / f"train.{suffix}").rename(corpus / f"{name}.{suffix}")
    assert nmt_("data", "check", name, "--html", "report.html")[0] == 0
    assert "<h1>Report on caf\ufffd</h1>" in (corpus / "report.html").read_text("utf-8")


def test_mistakes_are_said_in_a_line(corpus, nmt_):
    def err(*arguments):
        code, _, err = nmt_("data", "check", *arguments)
        assert code == 1 and err.startswith("nmt: error: ") and err.count("\n") == 1
        return err

    assert "no parallel text at nothing" in err("nothing")
    assert "no parallel text at no" in err("train", "--dev", "no")
    assert "--languages: expected two" in err("train", "--languages", "en")
    assert "the folder no does not exist" in err("train", "--html", "no/report.html")
    assert "no parallel text at train" in err("train", "--languages", "en-de")
    assert "The suffixes are the languages (--languages)." in err("train", "--languages", "en-de")
    assert "The suffixes are the languages (--languages)." in err("train", "--dev", "no")


def test_a_page_in_the_place_of_a_folder_is_refused_before_the_text_is_read(
    corpus, nmt_, monkeypatch
):
    monkeypatch.setattr("nmt.corpora.analysis.analyse", lambda *_, **__: pytest.fail("read"))
    code, _, err = nmt_("data", "check", "train", "--html", corpus)
    assert code == 1 and f"{corpus}: expected a file to write to. Received: a folder." in err


def test_a_page_does_not_replace_what_is_read(corpus, nmt_):
    (corpus / "dev.tsv").write_text("A bird.\tUn oiseau.\n")
    for name in ("train.en", "train.fr", "dev.tsv"):
        before = (corpus / name).read_bytes()
        code, _, err = nmt_("data", "check", "train", "--dev", "dev.tsv", "--html", name)
        assert code == 1 and f"{name} is an input, and would be overwritten" in err
        assert (corpus / name).read_bytes() == before


def test_a_pipe_is_refused_as_the_text_is_read_twice(corpus, nmt_):
    os.mkfifo("pipe.tsv")
    code, _, err = nmt_("data", "check", "pipe.tsv")
    assert code == 1 and "the text is read twice" in err
