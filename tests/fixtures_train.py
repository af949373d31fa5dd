"""Fixtures for the tests of training: `pytest_plugins = ["fixtures_train"]`."""

import pytest
from fixtures_run import tiny_config, toy_data

from nmt import validation
from nmt.losses import Loss
from nmt.train import Trainer, train
from nmt.translator import Candidate, Translation, Translator
from nmt.update import Update
from nmt.validation import Validation

# 48 pairs are 3 batches an epoch: 12 steps in all, and evaluations after 5, 10 and 12.
TRAINING = {"epochs": 4, "evaluate_every": 5}
# All that has a state: LSTM cells, dropout everywhere and in two slices, averages, an optimizer with moments.
STATEFUL = {
    "layer": "lstm",
    "decoder": {"attention": "luong", "input_feeding": True, "num_layers": 2},
    "dropout": dict.fromkeys(["embedding", "layer", "readout", "source_word", "target_word"], 0.1),
}
SUMS = Loss(objective=2.0, cross_entropy=1.0, correct=1.0, tokens=2.0)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return toy_data(tmp_path_factory.mktemp("text"), num_pairs=48, num_dev=3)


@pytest.fixture(scope="session")
def small(data):
    def small(model=None, **training):
        return tiny_config(data, model=model or {}, training={**TRAINING, **training})

    return small


@pytest.fixture(scope="session")
def stateful(small):
    return small(STATEFUL, batch_slices=2)


@pytest.fixture(scope="session")
def uninterrupted(stateful, tmp_path_factory):
    return train(stateful, tmp_path_factory.mktemp("runs") / "uninterrupted").path


@pytest.fixture
def instant(monkeypatch):
    """Steps and evaluations that compute nothing; `instant(scores)` says what the evaluations find."""
    monkeypatch.setattr(Update, "apply", lambda *_, **__: (SUMS, True))
    monkeypatch.setattr(Validation, "loss", lambda self: 1.5)

    def translate(self, lines, **_):
        return [Translation(line, (Candidate(line, 0.0, 0.0, False),)) for line in lines]

    monkeypatch.setattr(Translator, "translate", translate)

    def instant(scores):
        scores = iter(scores)
        monkeypatch.setattr(validation, "bleu", lambda *_: next(scores))

    return instant


@pytest.fixture
def before_each_step(monkeypatch):
    """before_each_step(f) calls f(trainer, source, target) before each step of one part."""
    train_on = Trainer._train_on

    def before_each_step(function):
        def both(self, parts, bar):
            (((source, target, _),),) = parts
            function(self, source, target)
            train_on(self, parts, bar)

        monkeypatch.setattr(Trainer, "_train_on", both)

    return before_each_step
