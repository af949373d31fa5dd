"""Conventions of typography: which one most lines of a side follow, and lines that differ."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from nmt.text.characters import Apostrophe, CharacterView, Space, typography

_GATE = re.compile("['’\"“”„«»!?;:]")
_APOSTROPHE = re.compile(r"(?<=[^\W_])['’](?=[^\W_])")
_SPACE = re.compile(r"(?<=[\w)\]%€\"’»])([ \u00a0\u202f]?)[!?;:]++(?=\s|$)")
_QUOTES = re.compile('["“”„«»]')

_APOSTROPHES = {"'": "straight", "’": "curly"}
_SPACES = {"": "none", " ": "plain", "\u00a0": "no-break", "\u202f": "narrow"}
_QUOTE_KINDS = {'"': "straight", "“": "curly", "”": "curly", "„": "curly"}
_QUOTE_KINDS |= {"«": "guillemets", "»": "guillemets"}

KINDS = ("apostrophe", "quotes", "space before ! ? : ;")


def kinds_of(line: str) -> set[tuple[str, str]]:
    """What a line uses: ("apostrophe", "curly"), ("quotes", "guillemets"), ..."""
    if not _GATE.search(line):
        return set()
    found = {(KINDS[0], _APOSTROPHES[mark]) for mark in set(_APOSTROPHE.findall(line))}
    found |= {(KINDS[1], _QUOTE_KINDS[mark]) for mark in set(_QUOTES.findall(line))}
    found |= {(KINDS[2], _SPACES[space]) for space in set(_SPACE.findall(line))}
    return found


@dataclass(frozen=True)
class Convention:
    """The kind that most lines of a side use, for each of KINDS that occurs."""

    majority: dict[str, str]
    counts: dict[str, dict[str, int]]  # lines of the sample

    def differences(self, line: str) -> list[str]:
        """The kinds in which a line differs."""
        return sorted(
            f"{kind} {name}"
            for kind, name in kinds_of(line)
            if self.majority.get(kind, name) != name
        )

    def normalize(self, line: str) -> str:
        """The line with the apostrophes, spaces and, if they are straight, quotes of the side."""
        line = self._view.read(line)
        if self.majority.get("quotes") == "straight":
            line = re.sub("[“”„]", '"', line)
        return line

    @cached_property
    def _view(self) -> CharacterView:
        apostrophe, space = (self.majority.get(kind, "keep") for kind in (KINDS[0], KINDS[2]))
        return typography(cast(Apostrophe, apostrophe), cast(Space, space.replace("-", "_")))


@dataclass(frozen=True)
class Conventions:
    """The conventions of both sides."""

    source: Convention
    target: Convention

    @classmethod
    def from_sample(cls, pairs: Iterable[tuple[str, str]]) -> "Conventions":
        counters: tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]] = (Counter(), Counter())
        for pair in pairs:
            for counter, line in zip(counters, pair, strict=True):
                counter.update(kinds_of(line))
        return cls(*map(_convention, counters))

    def normalize(self, source: str, target: str) -> tuple[str, str]:
        return self.source.normalize(source), self.target.normalize(target)


def _convention(counter: Counter[tuple[str, str]]) -> Convention:
    counts: dict[str, dict[str, int]] = {}
    for (kind, name), count in sorted(counter.items()):
        counts.setdefault(kind, {})[name] = count
    majority = {kind: max(names, key=names.__getitem__) for kind, names in counts.items()}
    return Convention(majority, counts)
