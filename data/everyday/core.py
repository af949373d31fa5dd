"""What the grammar is made of: the draw and its notes, noun phrases, subjects, object pronouns."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from . import english, french
from .lexicon import rows_of

Pair = tuple[str, str]


Feature = tuple[str, str]  # construction, word


T = TypeVar("T")


NOTHING: Pair = ("", "")


def pairs(rows: str) -> tuple[Pair, ...]:
    """Read `English = French` rows, separated by semicolons or lines."""
    found = []
    for row in rows_of(rows):
        en, fr = row.split(" = ")
        found.append((en, fr))
    return tuple(found)


@dataclass
class Draw:
    """The choices of one sentence, and a note of what it shows."""

    rng: random.Random
    features: list[Feature] = field(default_factory=list)

    def of(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self.rng.random() * len(options))]

    def two(self, options: Sequence[T]) -> tuple[T, T]:
        """Two different ones."""
        first = int(self.rng.random() * len(options))
        second = int(self.rng.random() * (len(options) - 1))
        return options[first], options[second + (second >= first)]

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self.rng.random() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.rng.random() * (high - low + 1))

    def again(self, mark: int) -> None:
        """Forget what was noted after `mark` notes: that attempt is not used."""
        del self.features[mark:]

    def note(self, construction: str, word: str) -> None:
        """This sentence shows `word` in `construction`."""
        self.features.append((construction, word))


@dataclass(frozen=True)
class Phrase:
    """A noun phrase in both languages. `word` is the English noun it is built on."""

    en: str
    fr: str
    gender: str
    plural: bool
    word: str = ""
    human: bool = False

    @property
    def pair(self) -> Pair:
        """Both texts."""
        return self.en, self.fr


TITLES = ("Sir", "Madam", "Doctor")
POSSESSIVES = {  # English, French before masculine, feminine, plural
    "I": ("my", "mon", "ma", "mes"),
    "tu": ("your", "ton", "ta", "tes"),
    "he": ("his", "son", "sa", "ses"),
    "she": ("her", "son", "sa", "ses"),
    "we": ("our", "notre", "notre", "nos"),
    "vous": ("your", "votre", "votre", "vos"),
    "they": ("their", "leur", "leur", "leurs"),
}


@dataclass(frozen=True)
class Subject:
    """Who a sentence is about.

    `gender` is "" where English does not tell (I, we). `plural` is the verb's number, `many` that of adjectives: a
    polite vous is plural and one person. `address` is the vocative that settles which you it is.
    """

    en: str
    fr: str
    person: int
    plural: bool
    gender: str
    many: bool
    address: Pair = NOTHING
    word: str = ""

    @property
    def key(self) -> str:
        """Which pronoun it answers to."""
        if self.person == 1:
            return "we" if self.plural else "I"
        if self.person == 2:
            return "vous" if self.plural else "tu"
        return "they" if self.plural else "he" if self.gender == "m" else "she"

    @property
    def minor(self) -> bool:
        """Children, who buy no houses and drink no wine."""
        return self.word in ("boy", "girl", "son", "daughter") or self.address[0] in ("children", "girls", "boys")

    @property
    def formal(self) -> bool:
        """Sir and Madam, who are asked questions with inversion."""
        return self.person == 2 and self.plural and not self.many

    @property
    def aside(self) -> Pair:
        """The vocative inside a sentence: sir, monsieur, maman, but Mom and Marie."""
        en, fr = self.address
        return (en.lower() if en in TITLES else en), (fr.lower() if en in (*TITLES, "Mom", "Dad") else fr)

    @property
    def possessive(self) -> tuple[str, str, str, str]:
        """my, mon, ma, mes."""
        return POSSESSIVES[self.key]

    @property
    def third(self) -> bool:
        """Whether English adds its -s."""
        return self.person == 3 and not self.plural

    @property
    def has(self) -> str:
        """has or have."""
        return "has" if self.third else "have"

    @property
    def be(self) -> str:
        """am, is or are."""
        return english.be(self.person, self.plural)

    def form(self, infinitive: str, tense: str = "present") -> str:
        """A French finite form that agrees."""
        return french.conjugate(infinitive, tense, self.person, self.plural)

    def again(self) -> "Subject":
        """The pronoun that takes up this subject."""
        pronouns = {
            "he": ("he", "il"),
            "she": ("she", "elle"),
            "they": ("they", "elles" if self.gender == "f" else "ils"),
        }
        if self.person < 3:
            return self
        en, fr = pronouns[self.key]
        return Subject(en, fr, 3, self.plural, self.gender, self.many)


@dataclass(frozen=True)
class Clitic:
    """An object pronoun. `agreement`: gender and number it lends to a participle, if it is a direct object."""

    en: str
    fr: str
    agreement: tuple[str, bool] | None = None


THERE = Clitic("there", "y")
