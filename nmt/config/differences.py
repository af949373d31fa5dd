"""Differences between two configs, and what each of them means for a run that is resumed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nmt.config.schema import Config, CorpusConfig, Section


class Kind(Enum):
    """What a changed key means for a run that was begun with the old value."""

    WEIGHTS = "the trained weights have no meaning under the new value"
    OPTIMIZER = "the saved state of the optimizer does not fit the new value"
    TRAINING = "training goes on, but not as it would have without the change"
    FREE = "training is not affected"


# Kinds by key or by section; the longest match counts. The content of the texts is compared by
# fingerprint, so a path may change freely.
_KINDS = {
    "model": Kind.WEIGHTS,
    "model.dropout": Kind.TRAINING,  # dropout has no weights
    "tokenizer": Kind.WEIGHTS,
    "data.source": Kind.WEIGHTS,
    "data.target": Kind.WEIGHTS,
    "data.model_input": Kind.WEIGHTS,
    "training.optimizer": Kind.OPTIMIZER,
    "training.freeze": Kind.OPTIMIZER,
    "training.keep_initial": Kind.OPTIMIZER,
    "data.train.path": Kind.FREE,
    "data.train.weights": Kind.FREE,
    "data.dev": Kind.FREE,
    "decoding": Kind.FREE,
}


@dataclass(frozen=True)
class Difference:
    key: str
    old: Any
    new: Any
    kind: Kind

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def differences(old: Config, new: Config) -> list[Difference]:
    """The keys in which two configs differ, in the order of the config."""
    return [
        Difference(key, before, after, _kind(kind_of))
        for key, kind_of, before, after in _pairs(old, new)
        if before != after
    ]


def _pairs(old: Section, new: Section, prefix: str = "") -> Iterator[tuple[str, str, Any, Any]]:
    """Key, key that determines its kind, old value, new value."""
    for name in type(old).model_fields:
        key, before, after = f"{prefix}{name}", getattr(old, name), getattr(new, name)
        if key == "data.train":
            yield from _corpora(old.corpora, new.corpora)  # type: ignore[attr-defined]
        elif key == "data.weights":
            continue  # part of the corpora
        elif isinstance(before, Section):
            yield from _pairs(before, after, f"{key}.")
        else:
            yield key, key, before, after


def _corpora(
    old: list[CorpusConfig], new: list[CorpusConfig]
) -> Iterator[tuple[str, str, Any, Any]]:
    if len(old) != len(new):
        yield "data.train", "data.train", [one.path for one in old], [one.path for one in new]
        return
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        for name in CorpusConfig.model_fields:
            key = f"data.train.{number}.{name}"
            if len(old) == 1 and name in ("path", "weights"):  # as in the short form
                key = "data.train" if name == "path" else "data.weights"
            yield key, f"data.train.{name}", getattr(before, name), getattr(after, name)


def _kind(key: str) -> Kind:
    while key:
        if key in _KINDS:
            return _KINDS[key]
        key = key.rpartition(".")[0]
    return Kind.TRAINING
