"""Mistakes that `nmt evaluate` reports before it loads a model."""

import pytest

from nmt.text.lines import write_lines

pytest_plugins = ["fixtures.cli"]


@pytest.fixture
def evaluate(tmp_path, monkeypatch, nmt_):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: pytest.fail("loaded"))
    write_lines("source", ["A dog.", "A cat."])
    write_lines("reference", ["Un chien.", "Un chat."])
    texts = ("--source", "source", "--reference", "reference")

    def evaluate(*arguments):
        code, out, err = nmt_("evaluate", "run", *texts, *arguments)
        assert code == 1 and not out and err.count("\n") == 1
        return err

    return evaluate


@pytest.mark.parametrize("name", ["source", "reference", "./source", "link"])
def test_hypotheses_do_not_replace_an_input(evaluate, tmp_path, name):
    (tmp_path / "link").symlink_to("reference")
    before = [(tmp_path / side).read_bytes() for side in ("source", "reference")]
    assert "is an input, and would be overwritten" in evaluate("--save-hypotheses", name)
    for option in ("--glossary", "--dictionary", "--ban-file"):
        given = ("--save-hypotheses", "other.tsv", option, "other.tsv")
        (tmp_path / "other.tsv").write_text("cat\tchat\n")
        assert "other.tsv is an input" in evaluate(*given)
    assert before == [(tmp_path / side).read_bytes() for side in ("source", "reference")]


def test_standard_input_is_one_text_and_standard_output_is_for_scores(evaluate):
    message = "standard input is one text. Received: - for 2"
    assert message in evaluate("--reference", "-", "--reference", "-")
    assert "standard output has other results" in evaluate("--save-hypotheses", "-")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beam-size", "3"], "Received: beam_size"),
        (
            ["--no-split-sentences", "--require", "y", "--ban", "x"],
            "Received: split_sentences, required, banned",
        ),
        (["--glossary", "none.tsv"], "none.tsv: no such file"),
        (["--batch-size", "3"], "gold: no such file"),
    ],
)
def test_options_of_search_have_no_effect_on_alignments_and_are_refused(
    evaluate, arguments, message
):
    assert message in evaluate("--gold-alignments", "gold", *arguments)
