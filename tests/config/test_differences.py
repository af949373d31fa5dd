"""Differences between configs as objects: key, old, new, kind."""

import pytest

from nmt.config.differences import Difference, Kind, differences
from nmt.config.loader import parse_config


def config(train=None, **sections):
    return parse_config({"data": {"train": train}, **sections}, "the test")


@pytest.mark.parametrize(
    ("section", "key", "old", "new", "kind"),
    [
        ("model", "layer", "gru", "lstm", Kind.WEIGHTS),
        ("model", "dropout", {"layer": 0.1}, {"layer": 0.3}, Kind.TRAINING),
        ("tokenizer", "vocabulary_size", 500, 600, Kind.WEIGHTS),
        ("training", "optimizer", "adam", "sgd", Kind.OPTIMIZER),
        ("training", "freeze", [], ["encoder"], Kind.OPTIMIZER),
        ("training", "seed", 1, 2, Kind.TRAINING),
        ("data", "max_tokens", 50, 60, Kind.TRAINING),
        ("data", "dev", "a", "b", Kind.FREE),
        ("data", "train", "a", "b", Kind.FREE),
        ("decoding", "beam_size", 3, 4, Kind.FREE),
    ],
)
def test_a_difference_has_a_kind(section, key, old, new, kind):
    before, after = (parse_config({section: {key: value}}, "the test") for value in (old, new))
    if isinstance(old, dict):
        ((key, old), (_, new)) = (
            (f"{key}.{name}", value) for each in (old, new) for name, value in each.items()
        )
    assert differences(before, after) == [Difference(f"{section}.{key}", old, new, kind)]


def test_equal_configs_have_no_differences():
    assert differences(config("a"), config("a")) == []
    assert differences(config("a"), config([{"path": "a"}])) == []  # the same in its long form


def test_corpora_differ_entry_by_entry():
    before = config([{"path": "a"}, {"path": "b", "weight": 2}])
    after = config([{"path": "c"}, {"path": "b", "weight": 3}])
    assert differences(before, after) == [
        Difference("data.train.0.path", "a", "c", Kind.FREE),
        Difference("data.train.1.weight", 2.0, 3.0, Kind.TRAINING),
    ]
    assert differences(before, config("a")) == [
        Difference("data.train", ["a", "b"], ["a"], Kind.TRAINING)
    ]


def test_a_difference_is_shown_as_key_old_and_new():
    (difference,) = differences(config(), config(training={"seed": 3}))
    assert str(difference) == "training.seed: 1 -> 3"
