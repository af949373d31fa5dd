"""A toy language, the config of a tiny model of it, and one trained run of it that several test modules share."""

import contextlib
import csv
import functools
import re
import signal
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.checkpoints import Checkpoints
from nmt.config import Config, parse_config
from nmt.run import load_arrays
from nmt.text import write_lines

SOURCE_WORDS = ["cat", "dog", "house", "tree", "river", "bird", "night", "milk"]
TARGET_WORDS = ["chat", "chien", "maison", "arbre", "rivière", "oiseau", "nuit", "lait"]


def toy_pairs(count: int, seed: int = 0, longest: int = 5) -> list[tuple[str, str]]:
    """Sentences of 1 to `longest` words, translated word by word; a question's mark stands after U+202F."""
    generator = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        chosen = generator.integers(len(SOURCE_WORDS), size=generator.integers(1, longest + 1))
        source, target = (" ".join(words[i] for i in chosen) for words in (SOURCE_WORDS, TARGET_WORDS))
        question = generator.random() < 0.3
        pairs.append((source + "?", target + "\u202f?") if question else (source + ".", target + "."))
    return pairs


def write_pairs(prefix: Path, pairs: Iterable[tuple[str, str]]) -> str:
    """Writes `prefix`.en and `prefix`.fr and returns the prefix as a config names it."""
    pairs = list(pairs)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for suffix, side in (("en", 0), ("fr", 1)):
        write_lines(prefix.with_name(f"{prefix.name}.{suffix}"), (pair[side] for pair in pairs))
    return str(prefix)


def toy_data(folder: Path, num_pairs: int = 200, num_dev: int = 10) -> dict[str, str]:
    """`data.train` and `data.dev` of a config, written into `folder`."""
    return {
        "train": write_pairs(folder / "train", toy_pairs(num_pairs, seed=1)),
        "dev": write_pairs(folder / "dev", toy_pairs(num_dev, seed=2)),
    }


TINY: dict[str, Any] = {
    # 4 special pieces, 16 copy symbols, 256 bytes, some 25 characters: the rest is learnt
    "tokenizer": {"vocabulary_size": 340, "character_coverage": 1.0},
    "model": {
        "embedding_units": 12,
        "encoder": {"units": 8},
        "decoder": {"units": 16, "attention": "bahdanau", "attention_units": 8},
        "dropout": {"embedding": 0.0, "layer": 0.0, "readout": 0.0},
    },
    "training": {
        "epochs": 1,
        "batch_size": 16,
        "learning_rate": 0.02,
        "warmup_steps": 5,
        "average_decay": 0.5,
        "precision": "float32",
    },
    "decoding": {"beam_size": 3, "batch_size": 16, "max_source_tokens": 40},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `changes`, section by section."""
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def tiny_config(data: dict[str, Any], **changes: Any) -> Config:
    """The tiny config over `data`; `changes` are sections: `training={"epochs": 2}`."""
    return parse_config(merged({**TINY, "data": data}, changes), "the test")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nmt-tests-")  # removed when the process ends


@functools.cache
def trained_run() -> Path:
    """A run trained until it translates most of the toy language, once a process. Read only."""
    from nmt.train import train

    folder = Path(_folder().name)
    config = tiny_config(
        toy_data(folder / "text", num_pairs=600, num_dev=20),
        training={"epochs": 8, "warmup_steps": 20, "average_decay": 0.9, "evaluate_every": 150},
    )
    return train(config, folder / "run").path


@functools.cache
def trained_translator() -> Any:
    from nmt.translator import Translator

    return Translator.load(trained_run())


# ------------------------------------------------------------------------------------------ runs, and their likeness


class After(list):
    """What `run_to_end` asks after each step whether a signal has come: one does after so many steps."""

    def __init__(self, steps):
        super().__init__([signal.SIGINT])
        self.steps = steps

    def __bool__(self):
        self.steps -= 1
        return self.steps <= 0


def interrupt(monkeypatch, config, path, steps):
    """Trains a run for so many steps and stops it as Ctrl-C would; returns what that raises."""
    from nmt import train

    with monkeypatch.context() as patch:
        patch.setattr(train, "_signals_noted", lambda: contextlib.nullcontext(After(steps)))
        with pytest.raises(train.Interrupted, match="SIGINT") as raised:
            train.train(config, path)
    return raised.value


def history(run):
    with open(run / "history.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def steps_of(run):
    return [int(row["step"]) for row in history(run)]


def without_times(values):
    if isinstance(values, list):
        return [without_times(value) for value in values]
    if isinstance(values, dict):
        return {key: without_times(value) for key, value in values.items() if key not in ("minutes", "seconds")}
    return values


def last_checkpoint(run):
    return Checkpoints(run, 2).paths()[-1]


def last_state(run):
    """Arrays and facts of the newest checkpoint."""
    return load_arrays(last_checkpoint(run))


def assert_same_run(ours, expected):
    """Every weight, average, optimizer slot and random state bit for bit, and every number ever reported."""
    for name, run_state in (("checkpoint", last_state), ("best", lambda run: load_arrays(run / "best.npz"))):
        arrays, facts = run_state(ours)
        expected_arrays, expected_facts = run_state(expected)
        assert arrays.keys() == expected_arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, expected_arrays[key], err_msg=f"{name} {key}", strict=True)
        assert without_times(facts) == without_times(expected_facts)
    assert without_times(history(ours)) == without_times(history(expected))


# --------------------------------------------------------------------------------------------- what a command answered


def assert_error(result, message):
    code, out, err = result
    assert code == 1 and out == ""
    assert re.fullmatch(rf"nmt: error: .*(?:{message}).*\n", err), err


def expected_texts(lines, **options):
    return [translation.text for translation in trained_translator().translate(lines, **options)]
