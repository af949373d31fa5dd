"""`nmt data backtranslate`, with a tiny run of the other direction."""

import pytest
from fixtures.run import reversed_run, tiny_config, toy_data, toy_pairs

from nmt.text.lines import read_lines, resolve_parallel, write_lines
from nmt.text.tokenizer import TAG_ID
from nmt.training.setup import prepare

pytest_plugins = ["fixtures.cli"]

LINES = ["chat chien.", "", "rivière\u202f?"]


@pytest.fixture(scope="module")
def run_back():
    return reversed_run()


@pytest.fixture
def mono(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "mono.fr", LINES)
    return tmp_path


def back_translate(nmt_, run, *arguments, source="mono.fr", output="bt"):
    command = ("data", "backtranslate", run, "--input", source, "--output", output)
    return nmt_(*command, *arguments)


def test_sources_are_translations_and_targets_are_the_text(run_back, mono, nmt_):
    code, out, err = back_translate(nmt_, run_back, "--shard-lines", "2")
    assert code == 0 and out == "" and "3 pairs in bt.en and bt.fr" in err
    assert list(read_lines(mono / "bt.fr")) == LINES
    expected = nmt_("translate", run_back, "--input", "mono.fr")[1]
    assert (mono / "bt.en").read_text("utf-8") == expected
    assert resolve_parallel(mono / "bt", "en", "fr")


def test_the_prefix_may_begin_with_the_home_folder(mono, nmt_, monkeypatch):
    monkeypatch.setenv("HOME", str(mono))
    run = prepare(tiny_config(toy_data(mono / "text", num_pairs=60, num_dev=5)), mono / "run").run
    (mono / "home.fr").touch()
    code, _, err = back_translate(nmt_, run.path, output="~/home")
    assert code == 1 and f"{mono}/home.fr exists. Choose another --output" in err


def test_a_tag_goes_before_each_source_and_needs_no_translation(run_back, mono, nmt_):
    back_translate(nmt_, run_back)
    plain = list(read_lines(mono / "bt.en"))
    err = back_translate(nmt_, run_back, "--tag")[2]
    assert "0 shards translated, 1 were complete" in err
    assert list(read_lines(mono / "bt.en")) == [f"<BT> {plain[0]}", "", f"<BT> {plain[2]}"]


def test_samples_differ_from_the_best_translations(run_back, mono, nmt_):
    back_translate(nmt_, run_back)
    options = ("--sampling", "--seed", "3")
    assert back_translate(nmt_, run_back, *options, output="sampled")[0] == 0
    assert (mono / "sampled.en").read_bytes() != (mono / "bt.en").read_bytes()


def test_other_options_are_refused_until_asked_to_overwrite(run_back, mono, nmt_):
    back_translate(nmt_, run_back)
    before = (mono / "bt.en").read_bytes()
    code, _, err = back_translate(nmt_, run_back, "--sampling")
    assert code == 1 and "options.sampling was null, is true" in err
    assert (mono / "bt.en").read_bytes() == before
    assert back_translate(nmt_, run_back, "--sampling", "--overwrite")[0] == 0


def test_a_file_of_somebody_else_and_the_input_are_not_replaced(run_back, mono, nmt_):
    (mono / "bt.en").write_text("mine\n")
    code, _, err = back_translate(nmt_, run_back)
    assert code == 1 and "bt.en exists" in err and (mono / "bt.en").read_text() == "mine\n"
    code, _, err = back_translate(nmt_, run_back, output="mono")
    assert code == 1 and "mono.fr is an input" in err
    assert list(read_lines(mono / "mono.fr")) == LINES
    options = ("--ban-file", "bans.en", "--overwrite")
    (mono / "bans.en").write_text("cat\n")
    code, _, err = back_translate(nmt_, run_back, *options, output="bans")
    assert code == 1 and "bans.en is an input" in err


@pytest.mark.parametrize("output", ["", ".", "folder/", "folder/.", ".."])
def test_an_output_without_a_name_is_refused(run_back, mono, nmt_, output):
    (mono / "folder").mkdir()
    code, _, err = back_translate(nmt_, run_back, output=output)
    assert code == 1 and "--output: expected a prefix" in err and f"Received: {output!r}." in err
    assert sorted(path.name for path in mono.rglob("*")) == ["folder", "mono.fr"]


def test_a_model_is_trained_on_tagged_text_and_its_users_tags_are_text(
    run_back, mono, nmt_, tmp_path
):
    write_lines(tmp_path / "mono.fr", [target for _, target in toy_pairs(60, seed=9)])
    back_translate(nmt_, run_back, "--tag")
    from nmt.training.trainer import train

    data = toy_data(tmp_path / "text")
    data["train"] = [{"path": data["train"]}, {"path": str(tmp_path / "bt")}]
    run = train(tiny_config(data), tmp_path / "run")
    corpus = [path.read_bytes() for path in (tmp_path / "run" / "corpus").glob("*/source.ids")]
    tag = TAG_ID.to_bytes(2, "little")
    assert sorted(any(ids[i : i + 2] == tag for i in range(0, len(ids), 2)) for ids in corpus) == [
        False,
        True,
    ]
    assert not [piece for piece in run.source_tokenizer.pieces(range(340)) if "BT" in piece]
    assert TAG_ID not in run.source_tokenizer.encode("<BT> cat dog.")
    assert nmt_("translate", tmp_path / "run", stdin=b"<BT> cat dog.\n")[0] == 0
