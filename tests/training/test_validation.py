"""The dev set: its loss by hand, and samples of it."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from fixtures.run import tiny_config, trained_run

from nmt.inference.translator import Candidate, Translation, Translator
from nmt.runs.run_folder import Run
from nmt.training.setup import prepare
from nmt.training.validation import Validation


@pytest.fixture(scope="module")
def trained():
    run = Run.open(trained_run())
    return run, run.load_model()


PAIRS = [
    ("cat dog.", "chat chien."),
    ("milk?", "lait\u202f?"),
    ("tree tree tree.", "arbre arbre arbre."),
]


def test_the_loss_is_the_mean_over_the_references_tokens(trained):
    run, model = trained
    tokenizers = run.source_tokenizer, run.target_tokenizer
    losses = []
    for pair in PAIRS:
        source, target = (
            tokenizer.encode(line) for tokenizer, line in zip(tokenizers, pair, strict=True)
        )
        logits = model(tf.constant([[*source, 3]]), tf.constant([[2, *target]]))
        log_probs = tf.nn.log_softmax(logits)[0].numpy()
        losses += [-log_probs[t, id] for t, id in enumerate([*target, 3])]
    assert Validation(run, model, PAIRS).loss() == pytest.approx(np.mean(losses), abs=1e-4)


def test_the_loss_is_that_of_normalised_text(trained, tmp_path):
    run, model = trained
    data = {name: getattr(run.config.data, name) for name in ("train", "dev")}
    nfkc = prepare(tiny_config({**data, "model_input": "nfkc"}), tmp_path / "run").run
    wide, plain = (
        Validation(nfkc, model, [pair])._batches
        for pair in (("ｃａｔ.", "ｃｈａｔ."), ("cat.", "chat."))
    )
    for ours, theirs in zip(wide[0], plain[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_pairs_longer_than_those_of_training_are_no_part_of_the_loss(trained, caplog):
    run, model = trained
    limit = run.config.data.max_tokens
    source_is_long, target_is_long = (
        (" ".join(["cat"] * (limit + 1)), "chat"),
        ("cat", " ".join(["chat"] * (limit + 1))),
    )
    with caplog.at_level(logging.INFO, logger="nmt"):
        loss = Validation(run, model, [source_is_long, *PAIRS, target_is_long]).loss()
    assert loss == pytest.approx(Validation(run, model, PAIRS).loss(), abs=1e-5)
    assert f"leaves out 2 of 5 pairs: longer than {limit} tokens" in caplog.text
    assert np.isnan(Validation(run, model, [source_is_long]).loss())


@pytest.fixture
def answers(monkeypatch):
    """answers(f) makes every translator answer f(line)."""
    monkeypatch.setattr(Validation, "loss", lambda self: 1.5)

    def answers(function):
        monkeypatch.setattr(
            Translator,
            "translate",
            lambda self, lines, **_: [
                Translation(x, (Candidate(function(x), 0.0, 0.0, False),)) for x in lines
            ],
        )

    return answers


@pytest.mark.parametrize(
    "answer, warning",
    [
        (lambda line: "Un homme.", "20 of 20 dev lines have the same translation, 'Un homme.'"),
        (lambda line: "", "20 of 20 dev lines have the same translation, an empty one"),
        (lambda line: line if line < "cat 12" else "x", None),
        (lambda line: line, None),
    ],
    ids=["one sentence", "nothing", "often the same", "each its own"],
)
def test_a_collapsed_output_is_warned_about(answer, warning, trained, answers, caplog):
    answers(answer)
    Validation(*trained, [*((f"cat {i}.", "chat.") for i in range(20)), ("", "")]).evaluate()
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == bool(warning) and all(message.startswith(warning) for message in said)


def test_samples_are_logged(trained, answers, caplog):
    answers(lambda line: line)
    with caplog.at_level(logging.INFO, logger="nmt"):
        Validation(*trained, PAIRS).evaluate()
    for source, target in PAIRS:  # three, all of them samples
        assert f"  source     {source}\n  model      {source}\n  reference  {target}" in caplog.text
