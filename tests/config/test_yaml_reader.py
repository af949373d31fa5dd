"""YAML 1.2: values are what they look like, nothing is dropped, and nothing is executed."""

import logging
import math

import pytest
import yaml

from nmt.config.loader import Config, ConfigError, load_config
from nmt.config.yaml_reader import MAX_VALUES, read_yaml


def read(text):
    return read_yaml(text, lambda path: False)


def written(folder, text):
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", 10),  # decimal in YAML 1.2
        ("0x1F", 31),
        ("0o17", 15),
        ("3e-3", 0.003),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("12:30:45", "12:30:45"),  # 45045 in YAML 1.1
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("1_000", "1_000"),
    ],
)
def test_a_scalar_is_what_it_looks_like(text, value):
    found = read(text)
    assert found == value and type(found) is type(value)


def test_not_a_number_is_written_with_a_dot():
    assert math.isnan(read(".nan")) and read("nan") == "nan"


def test_a_duplicate_key_is_refused_with_both_lines(tmp_path):
    path = written(tmp_path, "training:\n  epochs: 3\ndata:\n  target: de\ntraining:\n  seed: 2\n")
    with pytest.raises(ConfigError, match=r"line 5: duplicate key 'training', already in line 1"):
        load_config(path)
    path = written(tmp_path, "training:\n  epochs: 3\n  seed: 1\n  epochs: 4\n")
    with pytest.raises(
        ConfigError, match=r"line 4: duplicate key 'training.epochs', already in line 2"
    ):
        load_config(path)


@pytest.mark.parametrize("text", ["no", "nan", "2016", "1e5", "on", "0x10", "true", "12:30"])
def test_the_value_of_a_text_key_is_what_was_typed(text, tmp_path):
    path = written(tmp_path, f"data:\n  dev: {text}\ntraining:\n  freeze: [{text}]\n")
    assert load_config(path).data.dev == text
    assert load_config(path).training.freeze == [text]
    assert load_config(written(tmp_path, ""), [f"data.train={text}"]).data.train == text
    assert load_config(path, [f"data={{dev: {text}}}"]).data.dev == text


def test_a_text_key_can_still_be_none(tmp_path):
    path = written(tmp_path, "data:\n  train: here\n")
    assert load_config(path, ["data.train=null"]).data.train is None


def test_a_config_that_is_written_is_read_as_the_same(tmp_path):
    config = Config.model_validate({"data": {"source": "no", "target": "yes", "train": "010"}})
    assert load_config(written(tmp_path, config.to_yaml())) == config


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [echo]",
        "a: !!python/name:os.system",
        "!!timestamp 2026-01-01",
        "? [a, b]\n: 1",
        "a: 1\n---\nb: 2",
        "[" * 5000,
        "&a [*a]",
    ],
)
def test_what_is_no_plain_yaml_is_refused(text):
    with pytest.raises((ValueError, yaml.YAMLError)):
        read(text)


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(ValueError, match=rf"at most {MAX_VALUES:,} values"):
        read("\n".join(lines))


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("training.average_decay", "training.ema_decay", 0.5),
        ("training.accumulate", "training.gradient_accumulation", 2),
        ("training.patience", "training.early_stopping_patience", 3),
        ("decoding.consensus", "decoding.mbr", 10.0),
    ],
)
def test_an_old_key_is_read_and_the_new_one_named(old, new, value, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (section, key), (_, present) = old.split("."), new.split(".")
    config = load_config(written(tmp_path, f"{section}:\n  {key}: {value}\n"))
    assert getattr(getattr(config, section), present) == value
    assert f"'{old}' is now '{new}'" in caplog.text
    caplog.clear()
    assert load_config(written(tmp_path, ""), [f"{old}={value}"]) == config
    assert f"'{old}' is now '{new}'" in caplog.text


def test_old_and_new_name_beside_each_other_are_refused(tmp_path):
    path = written(tmp_path, "training: {patience: 2, early_stopping_patience: 3}\n")
    with pytest.raises(ConfigError, match=r"old name of 'training.early_stopping_patience'"):
        load_config(path)
