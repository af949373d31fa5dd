"""What a comparison trains: the variants of a recipe, each with every seed, and their folders."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from nmt.config.loader import Config
from nmt.errors import UserError
from nmt.training.setup import find_texts

SHARED_KEYS = ("training.seed", "data.dev", "data.source", "data.target")  # by all variants
MAX_FOLDER_NAME = 120


@dataclass(frozen=True)
class PlannedRun:
    variant: str
    seed: int
    config: Config
    path: Path


def plan(
    base: Callable[[Sequence[str]], Config],
    attentions: str | None,
    varied: Sequence[str],
    num_seeds: int,
    folder: Path,
) -> list[PlannedRun]:
    """Every variant with every seed; seeds outermost, so that an unfinished comparison has the same
    seeds for all variants.

    `base` returns the config with overrides `KEY=VALUE`. `attentions` lists values of
    `model.decoder.attention`, each with other keys of that section if wanted:
    "luong,luong+input_feeding=true"; None: the recipe's own. `varied` are `KEY=VALUE,VALUE`: every
    attention is combined with every value. Raises UserError for an invalid variant, and for two
    variants that are the same.
    """
    recipe = base([])
    find_texts(recipe)  # errors of the recipe are not reported as those of a variant
    if attentions is None:
        attentions = f"{recipe.model.decoder.cell}/{recipe.model.decoder.score}"
    if "" in _split(attentions):
        raise UserError(
            f"--attention: expected names with commas between them. Received: {attentions!r}."
        )
    axes = [
        [f"{key}={value}" for value in _split(values)]
        for key, values in map(_key_and_values, varied)
    ]
    variants: dict[str, Config] = {}
    for attention, *values in product(_split(attentions), *axes):
        name = "+".join([attention, *(value.removeprefix("model.decoder.") for value in values)])
        config = _variant_config(base, name, attention, values)
        same = next(
            (other for other, others in variants.items() if other == name or others == config), None
        )
        if same:
            raise UserError(f"the variants {same} and {name} are the same. Leave one of them out.")
        variants[name] = config
    first = recipe.training.seed
    return [
        PlannedRun(name, seed, _with_seed(config, seed), folder / folder_name(name) / f"seed{seed}")
        for seed in range(first, first + num_seeds)
        for name, config in variants.items()
    ]


def folder_name(variant: str) -> str:
    """A file name for a variant; no two variants have the same."""
    attention, plus, values = variant.partition("+")
    # CELL/SCORE becomes CELL-SCORE: no name of a cell has a hyphen.
    name = attention.replace("/", "-", 1) + plus + values
    safe = re.sub(r"[^\w.+=-]", "-", name)
    if safe == name and len(name) <= MAX_FOLDER_NAME:
        return name
    return f"{safe[:MAX_FOLDER_NAME]}-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"


def _variant_config(
    base: Callable[[Sequence[str]], Config], name: str, attention: str, values: Sequence[str]
) -> Config:
    cell_and_score, *options = attention.split("+")
    overrides = [
        f"model.decoder.attention={cell_and_score}",
        *(f"model.decoder.{option}" for option in options),
        *values,
    ]
    try:
        config = base(overrides)
        find_texts(config)
    except UserError as error:
        raise UserError(f"variant {name}: {error}") from error
    return config


def _split(text: str) -> list[str]:
    """Parts between commas outside brackets: a value may be a list."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _key_and_values(varied: str) -> tuple[str, str]:
    key, equals, values = varied.partition("=")
    if not (key and equals and values):
        raise UserError(
            f"--vary {varied}: expected KEY=VALUE,VALUE, for example model.decoder.units=128,256."
        )
    if key in SHARED_KEYS:
        raise UserError(
            f"--vary {varied}: all variants share {', '.join(SHARED_KEYS)}. For more seeds use"
            " --seeds."
        )
    return key, values


def _with_seed(config: Config, seed: int) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})})
