"""`nmt translate` with a folder as output."""

import gzip
import json
import sys

import pytest

from nmt.text.lines import write_lines

pytest_plugins = ["fixtures.cli"]

LINES = ["cat dog.", "", "river?", "night milk.", "tree house."]


@pytest.fixture
def corpus(tmp_path, monkeypatch, one_model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").mkdir()
    write_lines(tmp_path / "text" / "a.en.gz", LINES)
    write_lines(tmp_path / "text" / "b.en", LINES[:2])
    return tmp_path


def translate(nmt_, run, *arguments, pattern="text/*.en*", output="out/"):
    return nmt_("translate", run, "--input", pattern, "--output", output, *arguments)


def test_a_folder_gets_a_file_for_each_shard(corpus, run, nmt_):
    code, out, err = translate(nmt_, run, "--shard-lines", "3")
    assert code == 0 and out == "" and "out: 3 shards translated." in err
    names = sorted(path.name for path in (corpus / "out").iterdir())
    assert names == ["a-00000.fr.gz", "a-00001.fr.gz", "b-00000.fr", "manifests"]
    for name, lines in (("a-00000.fr.gz", LINES[:3]), ("a-00001.fr.gz", LINES[3:])):
        alone = nmt_("translate", run, stdin="".join(f"{line}\n" for line in lines).encode())[1]
        assert gzip.decompress((corpus / "out" / name).read_bytes()).decode() == alone


def test_the_same_command_translates_nothing_again_and_another_one_is_refused(corpus, run, nmt_):
    translate(nmt_, run)
    assert "0 shards translated, 2 were complete" in translate(nmt_, run)[2]
    for changed, what in (
        (("--beam-size", "1"), "options.beam_size was null, is 1"),
        (("--shard-lines", "2"), "options.shard_lines was 250000, is 2"),
        (("--ban", "chat"), "options.banned was null, is "),
    ):
        code, _, err = translate(nmt_, run, *changed)
        assert code == 1 and what in err and "--overwrite" in err
    assert "2 shards translated" in translate(nmt_, run, "--beam-size", "1", "--overwrite")[2]


def test_an_existing_folder_needs_no_slash(corpus, run, nmt_):
    (corpus / "there").mkdir()
    assert translate(nmt_, run, output="there")[0] == 0
    assert (corpus / "there" / "b-00000.fr").is_file()


def test_shards_go_into_a_folder_of_other_files_only_with_a_slash(corpus, run, nmt_):
    code, _, err = translate(nmt_, run, output="text")
    assert code == 1 and "text is a folder of other files" in err and "--output text/" in err
    assert sorted(path.name for path in (corpus / "text").iterdir()) == ["a.en.gz", "b.en"]
    assert translate(nmt_, run, output="text/")[0] == 0
    assert "0 shards translated" in translate(nmt_, run, output="text")[2]


def test_a_file_that_cannot_be_read_fails_alone_and_is_named(corpus, run, nmt_):
    (corpus / "text" / "b1.en").write_bytes(b"\xff\n")
    write_lines(corpus / "text" / "c.en", LINES)
    (corpus / "out").mkdir()
    (corpus / "out" / "c-00000.fr").write_text("mine")
    code, _, err = translate(nmt_, run)
    assert code == 1 and "text/b1.en, line 1: expected UTF-8" in err
    assert "out/c-00000.fr exists, and has no manifest" in err
    assert "nmt: error: out: 2 shards translated; 2 failures, see above." in err


@pytest.mark.parametrize("option", ["--input", "--glossary", "--ban-file", "--prefix-file"])
@pytest.mark.parametrize("is_link", [False, True])
def test_an_input_is_never_overwritten(corpus, run, nmt_, option, is_link):
    (corpus / "out").mkdir()
    target, read = corpus / "out" / "b-00000.fr", "out/b-00000.fr"
    target.write_text("chat\tcat\n")
    pattern = "*/b*"
    if is_link:
        target.rename(corpus / "text" / "b.tsv")
        target.symlink_to("../text/b.tsv")
        read, pattern = "text/b.tsv", "text/b*"
    options = () if option == "--input" else (option, read)
    pattern = pattern if option == "--input" else "text/*.en"
    code, _, err = translate(nmt_, run, "--overwrite", *options, pattern=pattern)
    assert code == 1 and "out/b-00000.fr is an input, and would be overwritten" in err
    assert (corpus / read).read_text() == "chat\tcat\n" and not (corpus / "out/manifests").exists()


@pytest.mark.parametrize("pattern", ["text/*", "text/**"])
def test_a_folder_s_own_shards_are_not_translated(corpus, run, nmt_, pattern):
    translate(nmt_, run, pattern=pattern, output="text/")
    names = sorted(path.name for path in (corpus / "text").rglob("*"))
    (corpus / "text" / "manifests" / "b-00000.lock").touch()  # of a process that was killed
    code, _, err = translate(nmt_, run, pattern=pattern, output="text/")
    assert code == 0 and "shards of this folder, left out of the input: " in err
    assert "0 shards translated, 2 were complete" in err
    (corpus / "text" / "manifests" / "b-00000.lock").unlink()
    assert sorted(path.name for path in (corpus / "text").rglob("*")) == names
    code, _, err = translate(nmt_, run, pattern="text/b-00000.fr", output="text/")
    assert code == 1 and "Received: only shards of the output folder text" in err


def test_a_changed_glossary_or_dictionary_is_noticed(corpus, run, nmt_):
    (corpus / "glossary.tsv").write_text("cat\tlait\n")
    options = ("--glossary", "glossary.tsv", "--length-penalty", "0")
    assert translate(nmt_, run, *options)[0] == 0
    assert translate(nmt_, run, *options)[0] == 0
    (corpus / "glossary.tsv").write_text("cat\tnuit\n")
    code, _, err = translate(nmt_, run, *options)
    assert code == 1 and "options.glossary was" in err


def test_n_best_lists_json_and_alignments_have_numbers_of_lines(corpus, run, nmt_):
    assert translate(nmt_, run, "--n-best", "2", "--shard-lines", "3", output="n/")[0] == 0
    lines = gzip.decompress((corpus / "n" / "a-00001.nbest.gz").read_bytes()).decode().split("\n")
    assert [line.partition(" ||| ")[0] for line in lines] == ["3", "3", "4", "4", ""]
    assert translate(nmt_, run, "--json", "--shard-lines", "3", output="j/")[0] == 0
    lines = gzip.decompress((corpus / "j" / "a-00001.jsonl.gz").read_bytes()).decode()
    assert [json.loads(line)["id"] for line in lines.splitlines()] == [3, 4]
    assert translate(nmt_, run, "--alignments", output="l/")[0] == 0
    assert " ||| 0-0" in (corpus / "l" / "b-00000.fr").read_text()


def test_samples_do_not_depend_on_the_shard(corpus, run, nmt_):
    options = ("--sampling", "--seed", "7")
    translate(nmt_, run, *options, "--shard-lines", "2", output="two/")
    translate(nmt_, run, *options, output="one/")
    joined = b"".join(
        gzip.decompress(path.read_bytes()) for path in sorted((corpus / "two").glob("a-*.gz"))
    )
    assert joined == gzip.decompress((corpus / "one" / "a-00000.fr.gz").read_bytes())


def test_prefixes_belong_to_the_lines_of_all_files(corpus, run, nmt_):
    write_lines(corpus / "prefixes", ["nuit", "", "", "", "", "lait", ""])
    options = ("--prefix-file", "prefixes")
    assert translate(nmt_, run, *options)[0] == 0
    assert (corpus / "out" / "b-00000.fr").read_text("utf-8").startswith("lait")
    assert gzip.decompress((corpus / "out" / "a-00000.fr.gz").read_bytes()).startswith(b"nuit")
    write_lines(corpus / "prefixes", [""] * 6)
    code, _, err = translate(nmt_, run, *options, output="other/")
    assert code == 1 and "must have a line for each line" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--input", "none.en", "--output", "out/"), "none.en: no such file"),
        (("--input", "text/*.de", "--output", "out/"), "no file matches"),
        (("--output", "out/"), "needs --input"),
        (("--input", "-", "--output", "out/"), "needs --input"),
        (("--input", "page.html", "--output", "out/"), "translated one by one"),
        (("--input", "text/b.en", "--output", "out.fr", "--cluster", "auto"), "--cluster needs a"),
        (("--input", "text/b.en", "--shard-lines", "5"), "--shard-lines needs a folder"),
        (("--input", "text/b.en", "--output", "out/", "--shard-lines", "0"), "at least 1"),
        (("--input", "text/b.en", "--output", "out/", "--unbuffered"), "--unbuffered"),
        (
            ("--input", "text/b.en", "--output", "out/", "--sampling", "--beam-size", "2"),
            "sampling searches no beam",
        ),
    ],
)
def test_mistakes_are_named(corpus, run, nmt_, arguments, message):
    code, _, err = nmt_("translate", run, *arguments)
    assert code == 1 and message in err
    assert not list(corpus.glob("out/*.fr"))


def test_without_ray_the_extra_is_named(corpus, run, nmt_, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = translate(nmt_, run, "--cluster", "auto")
    assert code == 1 and "--cluster needs Ray" in err and "nmt-attention[cluster]" in err
