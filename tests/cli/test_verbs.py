"""The verbs beside `translate`: evaluate, plot, tokenizer and train."""

import json
import re
import shutil
from pathlib import Path

import pytest
from fixtures.package import packaged_run
from fixtures.run import assert_error, expected_texts, tiny_config, toy_data, toy_pairs, trained_run

from nmt.cli.main import main
from nmt.config.schema import CorpusConfig
from nmt.runs.package import installed_models
from nmt.runs.run_folder import Run
from nmt.text.lines import EVERYDAY, read_lines, write_lines

pytest_plugins = ["fixtures.cli"]
pytestmark = pytest.mark.usefixtures("one_model")

LINES = [source for source, _ in toy_pairs(8, seed=11)]


# ----------------------------------------------------------------------------------------- evaluate


@pytest.fixture
def test_set(tmp_path):
    """Files of sources and of two references; the first is the right one."""
    pairs = toy_pairs(8, seed=12)
    paths = [tmp_path / name for name in ("source", "reference", "other")]
    for path, lines in zip(
        paths, [*zip(*pairs, strict=True), [target + " x" for _, target in pairs]], strict=True
    ):
        write_lines(path, lines)
    return paths


def test_scores_are_those_of_sacrebleu_with_their_signatures(run, nmt_, test_set):
    from nmt.evaluation.metrics import corpus_scores, typography_agreement

    source, reference, _ = test_set
    code, out, err = nmt_("evaluate", run, "--source", source, "--reference", reference)
    hypotheses, references = expected_texts(list(read_lines(source))), [list(read_lines(reference))]
    expected = [
        *corpus_scores(hypotheses, references),
        typography_agreement(hypotheses, references),
    ]
    assert code == 0 and out.splitlines() == list(map(str, expected))
    assert re.fullmatch(r"BLEU = \d+\.\d\d  nrefs:1\|.*\|version:.*", out.splitlines()[0])
    assert re.fullmatch(r"8 lines in \d+\.\d s.*\n", err)


@pytest.mark.parametrize("option", ["--source", "--reference"])
def test_a_dash_is_a_text_from_standard_input(option, run, nmt_, test_set):
    source, reference, _ = test_set
    texts = {"--source": source, "--reference": reference}

    def scores(texts, stdin=b""):
        given = [word for pair in texts.items() for word in pair]
        return nmt_("evaluate", run, *given, stdin=stdin)[:2]

    assert scores(texts | {option: "-"}, texts[option].read_bytes()) == scores(texts)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "quickstart", "--run", ""),
        ("evaluate", "en-fr", "--source", "", "--reference", "x"),
        ("translate", ""),
        ("export", "en-fr", "--output", ""),
        ("compare", "attention", "--output", ""),
    ],
)
def test_an_empty_path_is_not_the_current_folder(arguments, nmt_):
    code, out, err = nmt_(*arguments)
    assert (code, out) == (2, "") and "expected a path. Received: an empty text" in err


def test_several_references_count_together(run, nmt_, test_set):
    source, reference, other = test_set
    scores = []
    for references in ([reference], [reference, other]):
        arguments = [word for path in references for word in ("--reference", path)]
        code, out, _ = nmt_("evaluate", run, "--source", source, "--json", *arguments)
        assert code == 0
        scores.append(json.loads(out))
    assert [score["scores"][0]["signature"].split("|")[0] for score in scores] == [
        "nrefs:1",
        "nrefs:2",
    ]
    assert scores[1]["scores"][0]["value"] >= scores[0]["scores"][0]["value"]
    assert scores[0]["lines"] == 8 and set(scores[0]["typography"]) == {"matched", "total", "share"}
    assert [score["name"] for score in scores[0]["scores"]] == ["BLEU", "chrF2", "TER"]


def test_references_of_the_same_source_may_be_grouped(run, nmt_, tmp_path):
    write_lines(tmp_path / "source", ["cat dog.", "tree.", "cat dog.", "cat dog."])
    write_lines(tmp_path / "reference", ["chat chien.", "arbre.", "chien chat.", "chat chien."])
    arguments = [
        "--source",
        tmp_path / "source",
        "--reference",
        tmp_path / "reference",
        "--group-references",
    ]
    code, out, _ = nmt_(
        "evaluate", run, *arguments, "--json", "--save-hypotheses", tmp_path / "out"
    )
    assert code == 0
    report = json.loads(out)
    assert report["lines"] == 2 and report["scores"][0]["signature"].startswith("nrefs:var")
    assert list(read_lines(tmp_path / "out")) == expected_texts(["cat dog.", "tree."])
    assert_error(
        nmt_("evaluate", run, *arguments, "--reference", tmp_path / "reference"),
        "takes one --reference. Received: 2",
    )


def test_hypotheses_are_saved(run, nmt_, test_set, tmp_path):
    source, reference, _ = test_set
    arguments = [
        "--source",
        source,
        "--reference",
        reference,
        "--save-hypotheses",
        tmp_path / "out.gz",
    ]
    assert nmt_("evaluate", run, *arguments)[0] == 0
    assert list(read_lines(tmp_path / "out.gz")) == expected_texts(list(read_lines(source)))


def test_unequal_counts_are_both_said_and_nothing_is_translated(
    run, nmt_, test_set, tmp_path, monkeypatch
):
    source, reference, _ = test_set
    write_lines(tmp_path / "short", ["chat."])
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: pytest.fail("loaded"))
    arguments = ["--source", source, "--reference", reference, "--reference", tmp_path / "short"]
    assert_error(
        nmt_("evaluate", run, *arguments), f"Received: 8 in {source}, 1 in {tmp_path / 'short'}"
    )
    write_lines(tmp_path / "empty", [])
    arguments = ["--source", tmp_path / "empty", "--reference", tmp_path / "empty"]
    assert_error(nmt_("evaluate", run, *arguments), "at least one line")


def test_a_place_where_nothing_can_be_saved_is_found_before_translating(
    run, nmt_, test_set, monkeypatch
):
    source, reference, _ = test_set
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: pytest.fail("loaded"))
    arguments = [
        "--source",
        source,
        "--reference",
        reference,
        "--save-hypotheses",
        "missing/out.txt",
    ]
    assert_error(nmt_("evaluate", run, *arguments), "missing/out.txt.*create it first")
    assert_error(
        nmt_("evaluate", run, *arguments[:-1], source.parent),
        "expected a file to write to. Received: a folder",
    )


def test_scores_are_printed_even_if_nothing_can_be_saved(run, nmt_, test_set):
    source, reference, _ = test_set
    arguments = ["--source", source, "--reference", reference, "--save-hypotheses", "/dev/full"]
    code, out, err = nmt_("evaluate", run, *arguments)
    assert code == 1 and out.startswith("BLEU = ") and "No space left" in err


# --------------------------------------------------------------------------------------------- plot


@pytest.mark.parametrize(
    "suffix, magic", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_plot_draws_a_picture_and_prints_the_translation(suffix, magic, run, nmt_, tmp_path):
    picture = tmp_path / f"x.{suffix}"
    assert nmt_("plot", run, LINES[0], "--output", picture) == (
        0,
        expected_texts(LINES[:1])[0] + "\n",
        "",
    )
    assert picture.read_bytes().startswith(magic)


def test_plot_looks_at_a_given_translation(run, nmt_, tmp_path):
    assert (
        nmt_("plot", run, "cat dog.", "--target", "chien\u202f!", "--output", tmp_path / "x.svg")[1]
        == "chien\u202f!\n"
    )
    assert "chien" in (tmp_path / "x.svg").read_text("utf-8")


def test_a_picture_that_cannot_be_written_is_said_before_a_model_loads(
    run, nmt_, tmp_path, monkeypatch
):
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: pytest.fail("loaded"))
    (tmp_path / "words.png").write_text("cat\tchat\n")
    for name, message in (
        ("missing/x.png", "missing does not exist: create it first"),
        ("x.gif", r"must end in one of \.png"),
        ("words.png", "is an input, and would be overwritten"),
    ):
        arguments = ("--output", tmp_path / name, "--dictionary", tmp_path / "words.png")
        assert_error(nmt_("plot", run, LINES[0], *arguments), message)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["\u202f "], "blank one"),
        (["cat.", "--target", ""], "word"),
        (["cat.", "--output", "x.gif"], r"\.png"),
        (["cat.", "--output", "missing/x.png"], "missing"),
    ],
    ids=str,
)
def test_errors_of_plot_are_one_line(arguments, message, run, nmt_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_error(nmt_("plot", run, *arguments), message)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------- tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    write_lines(folder / "en", LINES)
    write_lines(folder / "fr", [target for _, target in toy_pairs(40)])
    arguments = ["--input", folder / "en", folder / "fr", "--vocabulary-size", 330]
    assert main([str(word) for word in ["tokenizer", "train", folder / "x.model", *arguments]]) == 0
    return folder / "x.model"


STRANGE_LINES = [
    "cat  dog.",
    "",
    " ",
    "\u202f? é 日本 🙂",
    "▁ ｟1｠\t\x00",
    "a\rb",
    "\u2028",
    "\x85",
]


def test_encode_and_decode_in_a_pipe_lose_nothing(model, nmt_):
    stdin = "".join(line + "\n" for line in STRANGE_LINES).encode()
    code, ids, err = nmt_("tokenizer", "encode", model, "--ids", stdin=stdin)
    assert code == 0 and err == ""
    assert re.fullmatch(r"(?:[\d ]*\n)*", ids) and ids.count("\n") == len(STRANGE_LINES)
    assert nmt_("tokenizer", "decode", model, stdin=ids.encode()) == (0, stdin.decode(), "")


def test_pieces_are_decoded_too(model, nmt_):
    stdin = "".join(line + "\n" for line in [*STRANGE_LINES, "1 2", "12", "3 cats"]).encode()
    code, pieces, err = nmt_("tokenizer", "encode", model, stdin=stdin)
    assert code == 0 and err == ""
    assert nmt_("tokenizer", "decode", model, stdin=pieces.encode()) == (0, stdin.decode(), "")


def test_encode_shows_pieces(model, nmt_):
    code, out, _ = nmt_("tokenizer", "encode", model, stdin="cat é".encode())
    assert code == 0 and "".join(out.split()).replace("▁", " ").startswith(" cat ")
    assert "<0xC3> <0xA9>" in out or "é" in out


def test_a_tokenizer_is_trained_from_files(nmt_, tmp_path):
    write_lines(tmp_path / "text.gz", LINES)
    arguments = [
        "--input",
        tmp_path / "text.gz",
        "--vocabulary-size",
        64,
        "--no-byte-fallback",
        "--algorithm",
        "bpe",
    ]
    code, out, err = nmt_("tokenizer", "train", tmp_path / "x.model", *arguments)
    assert (code, out) == (0, "") and err == f"{tmp_path / 'x.model'}: 64 pieces\n"
    assert (
        nmt_("tokenizer", "encode", tmp_path / "x.model", "--ids", stdin="é".encode())[1].split()[
            -1
        ]
        == "1"
    )


def test_where_a_tokenizer_cannot_be_written_none_is_trained(nmt_, tmp_path, monkeypatch):
    monkeypatch.setattr("nmt.text.tokenizer.train_tokenizer", lambda *_, **__: pytest.fail("read"))
    write_lines(tmp_path / "text", LINES)
    for model, message in (
        (tmp_path, "expected a file to write to. Received: a folder"),
        (tmp_path / "no" / "x.model", "no does not exist: create it first"),
    ):
        assert_error(nmt_("tokenizer", "train", model, "--input", tmp_path / "text"), message)
    twice = nmt_("tokenizer", "train", tmp_path / "x.model", "--input", "-", "-")
    assert_error(twice, "standard input is one text")


def test_a_tokenizer_does_not_replace_its_text(nmt_, tmp_path):
    write_lines(tmp_path / "text", LINES)
    result = nmt_("tokenizer", "train", tmp_path / "text", "--input", tmp_path / "text")
    assert_error(result, "is an input, and would be overwritten")
    assert (tmp_path / "text").read_text("utf-8").splitlines() == LINES


@pytest.mark.parametrize("line", [b"xyzzy", b"1 2.5", b"99999", b"-1"])
def test_what_are_neither_ids_nor_pieces_is_named_by_line(line, model, nmt_):
    result = nmt_("tokenizer", "decode", model, stdin=b"5\n" + line + b"\n")
    assert result[0] == 1
    assert re.fullmatch(r"nmt: error: standard input, line 2: expected ids.*\n", result[2])


@pytest.mark.parametrize("size", [9, 99999, 0, -5])
def test_a_vocabulary_size_that_cannot_be_is_refused(size, nmt_, tmp_path):
    write_lines(tmp_path / "text", LINES)
    arguments = ["--input", tmp_path / "text", "--vocabulary-size", size]
    assert_error(nmt_("tokenizer", "train", tmp_path / "x.model", *arguments), str(size))
    assert not (tmp_path / "x.model").exists()


@pytest.mark.parametrize("action", ["encode", "decode"])
def test_a_missing_tokenizer_is_named(action, nmt_):
    assert_error(nmt_("tokenizer", action, "missing.model"), r"missing\.model")


# -------------------------------------------------------------------------------------------- train


@pytest.fixture
def trained(monkeypatch, run):
    """What `train` was called with, instead of a training. (After that of `run`.)"""
    calls = []

    def train(config, path, accept_changes, allow_custom):
        calls.append((config, path))
        return type("Run", (), {"path": path})

    monkeypatch.setattr("nmt.training.trainer.train", train)
    monkeypatch.setattr("nmt.cli.train._export_trained", lambda run: None)
    monkeypatch.setattr("nmt.training.setup.find_texts", lambda config: None)
    return calls


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny_config(toy_data(tmp_path / "text", num_pairs=40, num_dev=2)).to_yaml())
    return path


def test_train_takes_recipe_data_and_overrides(recipe, nmt_, trained):
    code, out, err = nmt_(
        "train",
        recipe,
        "--data",
        "x/été",
        "--dev",
        "y",
        "--set",
        "training.epochs=3",
        "--set",
        "training.seed=5",
    )
    ((config, path),) = trained
    assert (code, out) == (0, "") and "nmt translate runs/tiny" in err
    assert (config.data.train, config.data.dev) == ("x/été", "y")
    assert (config.training.epochs, config.training.seed) == (3, 5)
    assert path == Path("runs/tiny")


def test_train_takes_a_budget_and_a_run_to_begin_with(recipe, nmt_, trained):
    assert nmt_("train", recipe, "--budget", "1h30m", "--init-from", "123")[0] == 0
    ((config, _),) = trained
    assert (config.training.budget, config.training.init_from) == ("1h30m", "123")


def test_without_a_recipe_the_config_is_that_of_the_run_to_begin_with(nmt_, trained):
    texts = ["--data", "x", "--dev", "y", "--set", "training.seed=5"]
    for parent in (trained_run(), packaged_run()):
        assert nmt_("train", "--init-from", parent, *texts)[0] == 0
        config, path = trained.pop()
        assert config.model == Run.open(trained_run()).config.model
        assert (config.data.train, config.data.dev, config.training.seed) == ("x", "y", 5)
        assert config.training.keep_initial and config.training.batch_unit == "sentences"
        assert (
            config.training.label_smoothing
            == Run.open(trained_run()).config.training.label_smoothing
        )
        assert config.training.init_from == str(parent)
        assert path == Path(f"runs/{parent.stem}-tuned")
    assert_error(nmt_("train", "--data", "x"), "name a recipe .* or a run with --init-from")
    assert_error(nmt_("train", "--init-from", "nowhere"), "nowhere: no such run folder")


def test_without_development_text_a_part_of_the_corrections_is_held_out(nmt_, trained, tmp_path):
    (tmp_path / "corrections.tsv").write_text(
        "".join(f"dog {n}.\tchien {n}.\n" for n in range(200)), "utf-8"
    )
    arguments = ["--data", tmp_path / "corrections.tsv", "--run", tmp_path / "run"]
    code, _, err = nmt_("train", "--init-from", trained_run(), *arguments)
    ((config, _),) = trained
    texts = tmp_path / "run" / "texts"
    assert (code, config.data.train, config.data.dev) == (
        0,
        str(texts / "train"),
        str(texts / "dev"),
    )
    assert "no --dev: 20 of 200 pairs are held out as development text" in err
    assert config.training.batch_size == 16 and config.training.epochs == 32


def test_an_installed_model_is_fine_tuned_beside_sentences_of_the_package(
    nmt_, trained, tmp_path, monkeypatch
):
    """Against forgetting; unless the texts are given as a list."""
    monkeypatch.chdir(tmp_path)
    rehearsal = CorpusConfig(path="everyday/sentences", share=0.3)
    for name in ("en-fr", "fr-en", installed_models()["en-fr"]):
        assert nmt_("train", "--init-from", name, "--data", "x", "--dev", "y")[0] == 0
        config, _ = trained.pop()
        assert config.data.train == [CorpusConfig(path="x"), rehearsal] and config.data.dev == "y"
    (tmp_path / "corrections.tsv").write_text(
        "".join(f"dog {n}.\tchien {n}.\n" for n in range(200)), "utf-8"
    )
    arguments = ["--data", tmp_path / "corrections.tsv", "--run", tmp_path / "run"]
    assert nmt_("train", "--init-from", "en-fr", *arguments)[0] == 0
    config, _ = trained.pop()
    assert config.data.train == [CorpusConfig(path=str(tmp_path / "run/texts/train")), rehearsal]
    texts = ["--set", "data.train=[{path: x}]", "--dev", "y"]
    assert nmt_("train", "--init-from", "en-fr", *texts)[0] == 0
    config, _ = trained.pop()
    assert config.data.train == [CorpusConfig(path="x")]
    german = ["--set", "data.source=de", "--dev", "y"]  # of which there are no such sentences
    assert nmt_("train", "--init-from", "en-fr", "--data", "x", *german)[0] == 0
    config, _ = trained.pop()
    assert config.data.train == "x"
    (tmp_path / "everyday").mkdir()  # of the user
    assert nmt_("train", "--init-from", "en-fr", "--data", "x", "--dev", "y")[0] == 0
    config, _ = trained.pop()
    assert config.data.corpora[1].path == str(EVERYDAY / "sentences")


@pytest.mark.parametrize(
    "prefix", ["123", "1e3", "nan", "null", "yes", "a: b", "[x", "~/🙂", "a,b", " x", "#x"]
)
def test_any_path_may_hold_data(prefix, recipe, nmt_, trained):
    assert nmt_("train", recipe, "--data", prefix, "--run", "there")[0] == 0
    ((config, path),) = trained
    assert config.data.train == prefix and path == Path("there")


def test_a_shipped_recipe_is_named_without_its_suffix(nmt_, trained):
    assert nmt_("train", "quickstart")[0] == 0
    ((config, path),) = trained
    assert config.data.train == "everyday/train" and path == Path("runs/quickstart")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--set", "training.lr=1"],
            r"unknown key 'training\.lr'\. Did you mean 'training\.learning_rate'",
        ),
        (["--set", "training.epochs"], "expected KEY=VALUE"),
        (["--set", "training.epochs=many"], r"'training\.epochs'.*received 'many'"),
        (
            ["--data", "missing"],
            r"no parallel text at missing\..*suffixes are the languages \(--set data\.source=",
        ),
        (
            ["--set", "model.decoder.attention=attend_first/nowhere:Score"],
            "no score 'nowhere:Score'.*PYTHONPATH",
        ),
        (["--budget", "soon"], r"training\.budget: expected a duration such as 90s"),
        (["--init-from", "nowhere"], "nowhere: no such run folder"),
        (["--dev", "missing.tsv"], r"missing\.tsv: no such file"),
    ],
    ids=str,
)
def test_errors_of_train_are_one_line(arguments, message, recipe, nmt_, tmp_path):
    assert_error(nmt_("train", recipe, "--run", tmp_path / "run", *arguments), message)
    assert not (tmp_path / "run").exists()


def test_a_recipe_in_the_run_folder_is_not_replaced_by_the_config_of_the_run(
    recipe, nmt_, tmp_path
):
    mine = tmp_path / "exp" / "config.yaml"
    mine.parent.mkdir()
    text = "# my notes\n" + Path(recipe).read_text()
    mine.write_text(text)
    assert_error(nmt_("train", mine, "--run", mine.parent), "would be replaced")
    assert mine.read_text() == text


def test_a_recipe_that_is_no_utf8_is_one_error(nmt_, tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"# caf\xe9\n")
    assert_error(nmt_("recipes", tmp_path / "x.yaml"), "x.yaml: expected UTF-8")


def test_a_run_to_begin_with_that_has_no_weights_is_refused_at_once(nmt_, tmp_path):
    parent = shutil.copytree(trained_run(), tmp_path / "parent")
    (parent / "best.npz").unlink()
    data = toy_data(tmp_path / "text", num_pairs=40, num_dev=2)
    arguments = "--init-from", parent, "--data", data["train"], "--dev", data["dev"]
    assert_error(nmt_("train", *arguments, "--run", tmp_path / "run"), "best.npz is missing")
    assert not (tmp_path / "run" / "corpus").exists()


def test_a_missing_recipe_is_named_with_those_there_are(nmt_):
    assert_error(
        nmt_("train", "quickstrat"),
        r"quickstrat.*multi30k, multi30k-fast, q.*Did you mean 'quickstart'",
    )


def test_a_run_of_another_config_is_refused(recipe, nmt_, tmp_path):
    run = shutil.copytree(trained_run(), tmp_path / "run", ignore=shutil.ignore_patterns("corpus"))
    code, out, err = nmt_("train", recipe, "--run", run)
    assert (code, out) == (1, "")
    assert (
        "training.epochs: 8 -> 1\n" in err
        and err.startswith("nmt: error: ")
        and "Traceback" not in err
    )


def test_an_interrupted_training_says_so(recipe, nmt_, monkeypatch):
    from nmt.errors import Interrupted

    def train(config, path, accept_changes, allow_custom):
        raise Interrupted(15)

    monkeypatch.setattr("nmt.training.trainer.train", train)
    code, out, err = nmt_("train", recipe)
    assert (code, out) == (143, "") and err.endswith(
        "stopped by SIGTERM; everything is saved. The same command resumes.\n"
    )


def test_ctrl_c_anywhere_else_is_no_traceback(recipe, nmt_, monkeypatch):
    def train(config, path, accept_changes, allow_custom):
        raise KeyboardInterrupt

    monkeypatch.setattr("nmt.training.trainer.train", train)
    assert nmt_("train", recipe) == (130, "", "nmt: interrupted\n")
