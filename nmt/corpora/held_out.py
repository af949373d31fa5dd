"""Dev and test sets as hashes: the same split of a corpus whose text is not ours to give.

`splits/CORPUS.SET` has a line for each pair of the set, in its order: the hash of the source and
the hash of the pair, 8 hex digits each. A pair of the corpus with both hashes is that pair; a pair
with the source's hash alone shares its source with the set, and is kept out of the training text.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources

Pair = tuple[str, str]


def line_hash(text: str) -> str:
    """8 hex digits of SHA-256, the same for every kind of space and apostrophe: those differ
    between versions of a corpus."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    return hashlib.sha256(re.sub(r"\s+", "", text).encode()).hexdigest()[:8]


def pair_hashes(source: str, target: str) -> tuple[str, str]:
    return line_hash(source), line_hash(f"{line_hash(source)}{target}")


def read_hashes(corpus: str, name: str) -> list[tuple[str, str]]:
    """The hashes of a set that ships with the package."""
    file = resources.files("nmt.corpora") / "splits" / f"{corpus}.{name}"
    return [(line[:8], line[9:17]) for line in file.read_text("ascii").splitlines()]


@dataclass
class Split:
    """A corpus divided into training text and held-out sets."""

    sets: dict[str, list[tuple[str, str]]]  # of each set the hashes of its pairs
    pairs: dict[str, dict[int, Pair]] = field(init=False)  # of each set, by their place in it

    def __post_init__(self) -> None:
        self.pairs = {name: {} for name in self.sets}
        self._places: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for name, hashes in self.sets.items():
            for place, both in enumerate(hashes):
                self._places.setdefault(both, []).append((name, place))
        self._sources = {source for source, _ in self._places}

    def training_pairs(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """The pairs that are not held out; `pairs` of this object has the others afterwards."""
        for source, target in pairs:
            source_hash, pair_hash = pair_hashes(source, target)
            if places := self._places.get((source_hash, pair_hash)):
                # The same pair twice, perhaps in two typographies, takes two places.
                name, place = places.pop(0) if len(places) > 1 else places[0]
                self.pairs[name].setdefault(place, (source, target))
            elif source_hash not in self._sources:
                yield source, target

    def held_out(self, name: str) -> list[Pair]:
        """The pairs of a set that were found, in the order of the set."""
        return [pair for _, pair in sorted(self.pairs[name].items())]
