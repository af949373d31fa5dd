"""`nmt models`, and packages wherever a command takes a run."""

import json

import pytest
from fixtures.package import install, packaged_run
from fixtures.run import assert_error, toy_pairs

from nmt import Translator
from nmt.export.packaging import PackageOptions, export_package
from nmt.runs.package import GivenCard
from nmt.runs.run_folder import Run
from nmt.text.lines import write_lines

pytest_plugins = ["fixtures.cli"]

LINES = [source for source, _ in toy_pairs(4, seed=11)]


@pytest.fixture
def installed(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path / "installed", {"en-fr": packaged_run()})
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def expected():
    return [one.text for one in Translator.load(packaged_run()).translate(LINES)]


def test_without_models_it_says_so_in_one_line(nmt_, monkeypatch, tmp_path):
    install(monkeypatch, tmp_path / "installed", {})
    assert nmt_("models") == (0, "No models are installed.\n", "")
    assert_error(nmt_("models", "show", "en-fr"), "No models are installed")
    assert_error(nmt_("serve", "--port", 0), "no models are installed. Name a run")


def test_models_are_listed_with_languages_size_scores_and_licence(nmt_, monkeypatch, tmp_path):
    from fixtures.package import exported_run

    score = {"test_set": "toy test", "metric": "BLEU", "score": 52.04}
    card = GivenCard.model_validate_json(json.dumps({"licence": "CC0", "scores": [score]}))
    path = tmp_path / "toy.nmt"
    export_package(Run.open(exported_run()), path, PackageOptions(card=card))
    install(monkeypatch, tmp_path / "installed", {"en-fr": path})
    code, out, _ = nmt_("models")
    size = path.stat().st_size / 1e6
    assert (code, out) == (
        0,
        f"en-fr            en -> fr; {size:.1f} MB; toy test BLEU 52.0; CC0\n",
    )
    code, out, _ = nmt_("models", "show", "en-fr")
    assert code == 0 and out.startswith("# en-fr: en to fr\n") and "toy test: BLEU 52.04" in out
    assert nmt_("models", "show", path)[1].startswith("# toy: en to fr\n")


def test_a_package_is_neither_exported_again_nor_averaged(nmt_, installed, tmp_path):
    for name in (packaged_run(), "en-fr"):
        for command in (["export", name], ["average", name, name, "--output", tmp_path / "mean"]):
            assert_error(nmt_(*command), "is an export, which only translates. Name the run folder")


def test_a_folder_has_no_card(nmt_, installed, tmp_path):
    assert_error(nmt_("models", "show", tmp_path), "a folder, which has no card")


def test_a_name_translates(nmt_, installed, expected):
    for name in ("en-fr", packaged_run()):
        code, out, err = nmt_("translate", name, stdin="".join(f"{x}\n" for x in LINES).encode())
        assert (code, out.splitlines(), err) == (0, expected, "")


def test_an_ensemble_and_the_other_verbs_take_a_name(nmt_, installed, expected, tmp_path):
    write_lines(tmp_path / "source", LINES)
    write_lines(tmp_path / "target", expected)
    files = ["--source", tmp_path / "source"]
    code, out, _ = nmt_("translate", "en-fr", packaged_run(), "--input", tmp_path / "source")
    assert (code, out.splitlines()) == (0, expected)
    for verb, file in (("score", "--target"), ("align", "--target"), ("evaluate", "--reference")):
        code, out, err = nmt_(verb, "en-fr", *files, file, tmp_path / "target")
        assert code == 0 and out, err
    pytest.importorskip("matplotlib")
    assert nmt_("plot", "en-fr", LINES[0], "--output", tmp_path / "x.png")[0] == 0


def test_an_unknown_name_lists_what_is_installed(nmt_, installed):
    assert_error(nmt_("translate", "fr-en"), "no such run folder. Train.*Installed models: en-fr")


@pytest.mark.parametrize(
    "arguments",
    [
        ("translate", "enfr"),
        ("serve", "enfr", "--port", 0),
        ("models", "show", "enfr.nmt"),
        ("train", "--init-from", "enfr", "--data", "x"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_name_is_answered_with_the_nearest_model(arguments, nmt_, installed):
    assert_error(nmt_(*arguments), r"no such (run folder|file)\. Did you mean 'en-fr'\? ")


def test_an_unknown_name_is_answered_with_the_nearest_run(nmt_, installed, tmp_path):
    (tmp_path / "runs" / "small").mkdir(parents=True)
    (tmp_path / "runs" / "small" / "run.json").write_text("{}")
    assert_error(nmt_("translate", "runs/smal"), r"Did you mean 'runs/small'\?")
    assert "Did you mean" not in nmt_("translate", "runs/other")[2]


def test_the_list_has_a_name_like_that_of_corpora(nmt_, installed):
    assert nmt_("models", "list") == nmt_("models") and "en -> fr" in nmt_("models", "list")[1]


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--beam-size", 0, r"decoding\.beam_size"),
        ("--batch-size", 0, r"decoding\.batch_size"),
        ("--length-penalty", "nan", r"decoding\.length_penalty"),
        ("--mbr", -1, r"decoding\.mbr"),
        ("--coverage-penalty", -1, r"decoding\.coverage_penalty"),
        ("--max-length-ratio", 0, r"decoding\.max_length_ratio"),
        ("--min-length-ratio", -1, r"decoding\.min_length_ratio"),
        ("--no-repeat-ngram-size", -1, r"decoding\.no_repeat_ngram_size"),
        ("--repetition-penalty", 0.5, r"decoding\.repetition_penalty"),
        ("--num-beam-groups", 0, r"decoding\.num_beam_groups"),
        ("--diversity-penalty", -1, r"decoding\.diversity_penalty"),
        ("--temperature", 0, r"decoding\.temperature"),
        ("--top-k", 5, "with 'sampling: true' only"),
        ("--top-p", 2, r"decoding\.top_p"),
        ("--seed", -1, r"decoding\.seed"),
        ("--n-best", 0, "at least 1"),
        ("--n-best", 99, "at most the beam size"),
    ],
)
def test_an_impossible_option_is_refused_though_there_is_no_line(
    option, value, message, nmt_, installed
):
    assert_error(nmt_("translate", "en-fr", option, value), message)


@pytest.mark.parametrize(
    "verb",
    [
        ["translate", "en-fr", "--input", "empty", "--output", "there/"],
        ["score", "en-fr", "--source", "empty", "--target", "empty"],
        ["align", "en-fr", "--source", "empty", "--target", "empty"],
        ["plot", "en-fr", "cat.", "--target", "chat."],
        ["data", "backtranslate", "en-fr", "--input", "empty", "--output", "back"],
    ],
    ids=lambda verb: verb[0],
)
def test_every_verb_refuses_an_impossible_option(verb, nmt_, installed, tmp_path):
    (tmp_path / "empty").write_text("")
    assert_error(nmt_(*verb, "--batch-size", 0), r"decoding\.batch_size.*received 0")


def test_a_damaged_package_is_refused_in_one_line(nmt_, tmp_path):
    (tmp_path / "x.nmt").write_bytes(packaged_run().read_bytes()[:-100])
    assert_error(nmt_("translate", tmp_path / "x.nmt"), "x.nmt is damaged, or not a model of nmt")
