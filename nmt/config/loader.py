"""Reads the YAML file of an experiment, applies overrides, and explains what is wrong with it.

Loads no TensorFlow, so that a mistake in a config is reported at once.
"""

import difflib
import importlib.util
import json
import logging
import math
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from nmt.config.schema import (
    ABSENT_FROM_RUNS,
    ATTENTIONS,
    CORPORA_TAG,
    RENAMED_KEYS,
    RENAMED_VALUES,
    SCORES,
    Config,
    CopyingConfig,
    CorpusConfig,
    DataConfig,
    DecoderConfig,
    DecodingConfig,
    ModelConfig,
    Section,
    TokenizerConfig,
    TrainingConfig,
    duration_seconds,
    expand_attention,
    installed_scores,
    nearest,
)
from nmt.config.yaml_reader import read_yaml
from nmt.errors import UserError
from nmt.terminal import quoted

logger = logging.getLogger(__name__)

# What installed models are fine-tuned on beside a text, and its share of an epoch's pairs.
REHEARSAL, REHEARSAL_SHARE = "everyday/sentences", 0.3
REHEARSAL_LANGUAGES = {"en", "fr"}
# Text of few pairs: steps of fine-tuning to aim for, and the most epochs to take for them.
MIN_FINE_TUNING_STEPS = 400
MAX_FINE_TUNING_EPOCHS = 50

__all__ = [
    "ATTENTIONS",
    "Config",
    "ConfigError",
    "CopyingConfig",
    "CorpusConfig",
    "DataConfig",
    "DecoderConfig",
    "DecodingConfig",
    "ModelConfig",
    "SCORES",
    "Section",
    "TokenizerConfig",
    "TrainingConfig",
    "check_score",
    "config_of_text",
    "duration_seconds",
    "expand_attention",
    "find_recipe",
    "fine_tuning_config",
    "is_typed_score",
    "load_config",
    "nearest",
    "parse_config",
    "recipes",
    "without_texts",
]


MAX_PROBLEMS = 20  # that one error lists
MIX_KEYS = ("data.mix", "data.mix_share")  # of earlier versions, see `_convert_mix`


class ConfigError(UserError):
    """An invalid config. The message names the file, the key, what was expected and received."""


def load_config(recipe: str | Path, overrides: Sequence[str] = (), of_run: bool = False) -> Config:
    """The config of a recipe, given by name or path, with `overrides` such as
    `training.batch_size=64`. `of_run`: the config of a run, which may lack keys added since."""
    path = find_recipe(recipe)
    return config_of_text(path.read_bytes(), str(path), overrides, of_run)


def config_of_text(
    text: bytes, where: str, overrides: Sequence[str] = (), of_run: bool = False
) -> Config:
    """The config that a YAML text says; see `load_config`. `where` names it in errors."""
    if isinstance(overrides, str):
        raise TypeError(
            f"overrides must be a list of KEY=VALUE. Received: a single str, {overrides!r}."
        )
    try:
        values = read_yaml(text.decode("utf-8"), _is_text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: expected a YAML file in UTF-8. {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where}: expected a YAML file. {_sentence(error)}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{where}: expected sections (data, tokenizer, ...), received {type(values).__name__}."
        )
    _rename_keys(values, where)
    for key, value in ABSENT_FROM_RUNS.items() if of_run else ():
        section, name = key.split(".")
        inner = values.get(section) or {}
        if isinstance(inner, Mapping):  # else the schema reports it
            values[section] = {name: value, **inner}
    for override in overrides:
        _apply(values, override)
    _convert_mix(values, where)
    return parse_config(values, f"{where} with --set" if overrides else where)


def without_texts(config: Config) -> Config:
    """A config that names no training text and no other run."""
    no_texts = {"train": None, "dev": None, "weights": None}
    no_run = {"init_from": None, "keep_initial": 0.0}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=no_texts),
            "training": config.training.model_copy(update=no_run),
        }
    )


def fine_tuning_config(
    parent: Config, run: str, overrides: Sequence[str] = (), pairs: Iterable[Any] = ()
) -> Config:
    """The config of training that starts from `run`, whose config is `parent`, for other text: its
    own but for fine_tuning.yaml, and for what suits a text of few `pairs`. No more of them are read
    than it takes to know that they are not few."""
    values = without_texts(parent).model_dump()
    changes = read_yaml(
        (resources.files("nmt.config") / "fine_tuning.yaml").read_text("utf-8"), _is_text
    )
    values["training"] |= changes["training"] | {"init_from": run}
    values["training"] |= _for_few_pairs(changes["training"], pairs)
    text = Config.model_validate(values).to_yaml()
    return config_of_text(text.encode(), run, overrides)


def _for_few_pairs(training: Mapping[str, Any], pairs: Iterable[Any]) -> dict[str, Any]:
    """Smaller batches and more epochs for a text that would be learnt from in too few steps."""
    enough = math.ceil(MIN_FINE_TUNING_STEPS * training["batch_size"] / training["epochs"])
    num_pairs = sum(1 for _ in islice(pairs, enough))
    if num_pairs in (0, enough):
        return {}
    batch_size = 16
    epochs = math.ceil(MIN_FINE_TUNING_STEPS * batch_size / num_pairs)
    epochs = min(max(epochs, training["epochs"]), MAX_FINE_TUNING_EPOCHS)
    steps = math.ceil(num_pairs / batch_size) * epochs
    return {
        "batch_size": batch_size,
        "epochs": epochs,
        "warmup_steps": min(training["warmup_steps"], steps // 10),
        "early_stopping_patience": max(training["early_stopping_patience"], epochs // 5),
    }


def parse_config(values: Mapping[str, Any], where: str) -> Config:
    """Validates plain values; `where` names them in errors."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        lines = [_explain(problem, where) for problem in problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            lines.append(f"{where}: {len(problems) - MAX_PROBLEMS:,} more mistakes.")
        raise ConfigError("\n".join(lines)) from None


def check_score(score: str, allow_custom: bool) -> None:
    """Raises UserError for a score MODULE:CLASS unless the user permits it, as a config may come
    from somebody else and must not run code, and for one whose module is not found. Imports
    nothing."""
    if score in SCORES or score in installed_scores():
        return
    if allow_custom:
        package = score.partition(":")[0].partition(".")[0]
        if not package or (package not in sys.modules and not importlib.util.find_spec(package)):
            raise ConfigError(
                f"no score {quoted(score)}: No module named {quoted(package)}. Put the folder that"
                f" holds it on PYTHONPATH. Use one of {', '.join(SCORES)}, or MODULE:CLASS."
            )
        return
    raise ConfigError(
        f"score {quoted(score)} is code from outside nmt, and this config must not run it by"
        " itself. If you trust it, say so: --allow-custom (in Python allow_custom=True) or, to"
        f" train, --set model.decoder.score={score}. The scores of installed packages (entry points"
        " of the group nmt.scores) need no permission."
    )


def is_typed_score(score: str, overrides: Iterable[str]) -> bool:
    """Whether one of the overrides `KEY=VALUE` that the user typed names this score."""
    keys = ("model.decoder.score", "model.decoder.attention")
    typed = (override.partition("=") for override in overrides)
    return any(key in keys and value.rpartition("/")[2] == score for key, _, value in typed)


def recipes() -> dict[str, Path]:
    """Name -> path of every recipe that ships with the package."""
    folder = Path(str(resources.files("nmt.config") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}


def find_recipe(recipe: str | Path) -> Path:
    path, shipped = Path(recipe), recipes()
    if path.is_file():
        return path
    if str(recipe) in shipped:
        return shipped[str(recipe)]
    raise ConfigError(
        f"recipe '{recipe}' is neither a file nor a recipe of this package ({', '.join(shipped)})"
        + (nearest(str(recipe), list(shipped)) or ".")
    )


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"--set {override}: expected KEY=VALUE, for example training.batch_size=64."
        )
    if key in MIX_KEYS:
        raise ConfigError(
            f"--set {override}: several texts are now a list: --set 'data.train=[{{path: TEXT}},"
            " {path: OTHER, share: 0.5}]'."
        )
    if key in RENAMED_KEYS:
        logger.info(f"--set {override}: '{key}' is now '{RENAMED_KEYS[key]}'")
        text = RENAMED_VALUES.get((key, text), text)
        key = RENAMED_KEYS[key]
    *sections, last = key.split(".")
    try:
        value = read_yaml(text, _is_text, (*sections, last))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"--set {override}: the value is not YAML. {_sentence(error)}") from error
    for section in sections:
        inner = values.get(section)
        values[section] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[section]
    if sections == ["model", "decoder"] and last in ("attention", "cell", "score"):
        # An override replaces the recipe's value, whether that is given as `attention` or as cell
        # and score.
        try:
            expanded = {} if last == "attention" else expand_attention(values)
        except ValueError:
            expanded = values  # the schema reports an unknown name with its key
        for key in ("attention", "cell", "score"):
            values.pop(key, None)
        values.update({key: expanded[key] for key in ("cell", "score") if key in expanded})
    values[last] = value


def _rename_keys(values: dict[str, Any], where: str) -> None:
    """Replaces keys by their present names."""
    for old, new in RENAMED_KEYS.items():
        (section, old_key), (_, new_key) = old.split("."), new.split(".")
        inner = values.get(section)
        if not isinstance(inner, dict) or old_key not in inner:
            continue
        if new_key in inner:
            raise ConfigError(
                f"{where}: '{old}' is the old name of '{new}'. Keep the new one only."
            )
        logger.info(f"{where}: '{old}' is now '{new}'")
        value = inner.pop(old_key)
        # The schema reports a list or a section, which no dictionary looks up.
        is_word = isinstance(value, str)
        inner[new_key] = RENAMED_VALUES.get((old, value), value) if is_word else value


def _convert_mix(values: dict[str, Any], where: str) -> None:
    """Reads `data.mix` and `data.mix_share` of earlier versions as a second corpus of
    `data.train`."""
    data = values.get("data")
    if not isinstance(data, dict):
        return
    mix, share = data.pop("mix", None), data.pop("mix_share", 0.5)
    if mix is None:
        return
    train = data.get("train")
    if not isinstance(train, str):
        raise ConfigError(
            f"{where}: 'data.mix' is the old form of an entry of 'data.train'. Write data.train:"
            f" [{{path: TEXT}}, {{path: {mix}, share: {share}}}]."
        )
    logger.info(
        f"{where}: 'data.mix' is now an entry of 'data.train': {{path: {mix}, share: {share}}}"
    )
    own = {"path": train, "weights": data.pop("weights", None)}
    data["train"] = [own, {"path": mix, "share": share}]


def _is_text(path: Sequence[str]) -> bool:
    """Whether the value of a key is text, to be kept as typed even if it looks like a number."""
    keys = [key for key in path if not key.isdecimal()]  # without list indices
    try:
        options = _options(_fields(keys[:-1])[keys[-1]].annotation)
    except (KeyError, IndexError, AttributeError):  # an unknown key, which the schema reports
        return False
    return str in options or bool(_choices(path))


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())  # those of YAML have several lines
    text = text if len(text) <= 500 else f"{text[:496]} ..."  # and may quote a whole key
    return text if text.endswith(".") else f"{text}."


def _explain(problem: Any, where: str) -> str:
    keys = [str(key) for key in problem["loc"] if key != CORPORA_TAG]
    path = ".".join(keys)
    if problem["type"] in ("extra_forbidden", "invalid_key"):  # the latter is no text
        names = list(_fields(keys[:-1])) + (
            ["attention"] if keys[:-1] == ["model", "decoder"] else []
        )
        elsewhere = [f"'{name}'" for name in _all_keys() if name.rpartition(".")[2] == keys[-1]]
        prefix = "".join(f"{key}." for key in keys[:-1])
        initials = [
            name for name in names if "".join(word[0] for word in name.split("_")) == keys[-1]
        ]
        if elsewhere:
            return f"{where}: unknown key {quoted(path)}. Did you mean {' or '.join(elsewhere)}?"
        best = initials or difflib.get_close_matches(keys[-1], names, n=1)
        if best:
            return f"{where}: unknown key {quoted(path)}. Did you mean '{prefix}{best[0]}'?"
        return f"{where}: unknown key {quoted(path)}. Known here: {', '.join(names)}."
    if problem["type"] == "value_error":  # one of our own rules
        text = str(problem["ctx"]["error"])
        return f"{where}: {path + ': ' if path else ''}{text}{'' if text.endswith('?') else '.'}"
    if problem["type"] == "missing":
        return f"{where}: '{path}' is missing."
    received = problem["input"]
    hint = "."
    if problem["type"] == "literal_error" and isinstance(received, str):
        hint = nearest(received, [str(x) for x in _choices(keys)]) or "."
    message = problem["msg"].removeprefix("Input should be ")
    if problem["type"] in ("model_type", "model_attributes_type"):
        message = f"a section with keys ({', '.join(_fields(keys))})"
    is_word = received is None or isinstance(received, bool)
    shown = json.dumps(received) if is_word else quoted(received)  # null, true: as in YAML
    subject = f"'{path}'" if path else "a config"
    return f"{where}: {subject} must be {message}, received {shown}{hint}"


def _fields(keys: Sequence[str]) -> Mapping[str, Any]:
    """The fields of a section by its path, in which positions in lists do not count. KeyError if
    there is none."""
    section: type[BaseModel] = Config
    for key in keys:
        if not key.isdecimal():
            section = _section(section.model_fields[key].annotation)
    return section.model_fields


def _section(annotation: Any) -> type[Section]:
    """The section that a key holds, as its value or in a list."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, Section):
            return option
    raise KeyError(str(annotation))


def _all_keys(prefix: tuple[str, ...] = ()) -> list[str]:
    names = []
    for name, field in _fields(prefix).items():
        inner = field.annotation
        is_section = isinstance(inner, type) and issubclass(inner, Section)
        names += _all_keys((*prefix, name)) if is_section else [".".join((*prefix, name))]
    return names


def _options(annotation: Any) -> list[Any]:
    """The types that a value, or an item of a list, may have."""
    if get_origin(annotation) in (Union, types.UnionType, list):
        return [option for inner in get_args(annotation) for option in _options(inner)]
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    return [annotation]


def _choices(keys: Sequence[str]) -> Sequence[Any]:
    names = [key for key in keys if not key.isdecimal()]  # without list indices
    options = _options(_fields(names[:-1])[names[-1]].annotation)
    return [
        choice for option in options if get_origin(option) is Literal for choice in get_args(option)
    ]
