"""The descriptions of keys that the command line and the documentation print."""

import subprocess
import sys

import pytest
from pydantic import BaseModel

from nmt.config.keys import field_comments, find_keys, sections
from nmt.config.schema import Config
from nmt.errors import UserError


def test_every_key_of_a_config_is_described():
    names = {key.name for key in find_keys("")}

    def missing(values, prefix=""):
        for key, value in values.items():
            if isinstance(value, dict) and value:
                yield from missing(value, f"{prefix}{key}.")
            elif prefix + key not in names:
                yield prefix + key

    assert not list(missing(Config().model_dump()))
    assert {"data.train[].path", "model.decoder.attention"} <= names
    assert all(key.meaning and key.values for key in find_keys(""))


def test_a_key_is_found_by_a_word_of_its_name_or_meaning():
    (key,) = find_keys("EMA_decay")
    assert (key.name, key.values, key.default) == ("training.ema_decay", "number ≥ 0, < 1", "0.999")
    assert key.meaning.startswith("Decay of the moving average")
    assert "training.ema_decay" in [key.name for key in find_keys("moving average")]
    assert [key.name for key in find_keys("data.train[].path")] == ["data.train[].path"]
    (heads,) = find_keys("score_options.heads")
    assert heads.meaning == "Score multihead: Attention heads."


@pytest.mark.parametrize(
    "word, answer",
    [
        ("learning_rte", r"Did you mean 'learning_rate'\?"),
        ("training.batchsize", r"Did you mean 'training\.batch_size'\?"),
        ("qqq", r"`nmt recipes --keys` prints all"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest_name(word, answer):
    with pytest.raises(UserError, match=f"no key has '{word}' in its name or meaning.*{answer}"):
        find_keys(word)


def test_a_field_has_the_comment_above_it_or_behind_it():
    source = (
        "class A:\n"
        "    x: int = 1  # one\n"
        "    y: int | None = (\n"
        "        None  # two\n"
        "    )\n"
        "    # three\n"
        "    # lines\n"
        "    z: int = 3\n"
        "\n"
        "    # not of w\n"
        "\n"
        "    w: int = 4\n"
    )
    expected = {"x": "one", "y": "two", "z": "three lines", "w": ""}
    assert field_comments(source) == {("A", key): text for key, text in expected.items()}


def test_the_entries_of_a_list_are_a_section_of_their_own():
    class Corpus(BaseModel):
        path: str
        weight: float = 1.0

    class Data(BaseModel):
        train: str | list[Corpus] | None = None

    class Config(BaseModel):
        data: Data = Data()

    data, corpus = sections(Config)
    assert (data.title, corpus.title) == ("data", "data.train[]")
    assert data.keys[0].values == "text or list of mapping (`path`, `weight`) or `null`"
    assert [(key.name, key.default) for key in corpus.keys] == [("path", ""), ("weight", "1.0")]


def test_keys_are_described_without_tensorflow():
    code = (
        "import sys; from nmt.cli.main import main; main(['recipes', '--keys', 'ema_decay']);"
        " sys.exit('tensorflow' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0 and process.stdout.startswith("training.ema_decay: number")
