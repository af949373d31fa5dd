"""Who sentences are about: pronouns, names, relatives, trades, and every kind of you with its vocative."""

from . import lexicon as words
from .core import Draw, Phrase, Subject
from .lexicon import Noun

I = Subject("I", "je", 1, False, "", False)  # noqa: E741 - it is its name


HE, SHE = Subject("he", "il", 3, False, "m", False), Subject("she", "elle", 3, False, "f", False)
WE = Subject("we", "nous", 1, True, "", True)


POLITE = (("Sir", "Monsieur", "m"), ("Madam", "Madame", "f"), ("Doctor", "Docteur", "m"))


GROUPS = (
    ("children", "les enfants", "m"),
    ("girls", "les filles", "f"),
    ("boys", "les garçons", "m"),
    ("ladies", "mesdames", "f"),
    ("gentlemen", "messieurs", "m"),
)


AGENTS = tuple(n for n in words.ROLES if n.en not in ("baby", "child", "hero", "friend"))


def name(d: Draw) -> Subject:
    """Marie or Paul."""
    gender = d.of("mf")
    first = d.of(words.MEN if gender == "m" else words.WOMEN)
    return Subject(first, first, 3, False, gender, False)


def you(d: Draw) -> Subject:
    """You, with the vocative that settles tu or vous, gender and number."""
    kind = d.rng.random()
    if kind < 0.5:
        who = name(d)
        return Subject("you", "tu", 2, False, who.gender, False, (who.en, who.fr))
    if kind < 0.6:
        en, fr, gender = d.of((("Mom", "Maman", "f"), ("Dad", "Papa", "m")))
        return Subject("you", "tu", 2, False, gender, False, (en, fr))
    if kind < 0.85:
        en, fr, gender = d.of(POLITE)
        return Subject("you", "vous", 2, True, gender, False, (en, fr))
    en, fr, gender = d.of(GROUPS)
    return Subject("you", "vous", 2, True, gender, True, (en, fr))


SEVERAL = ("brother", "sister", "uncle", "aunt", "son", "daughter")


def kin(d: Draw, plural: bool = False) -> Subject:
    """my sister, her brothers."""
    noun = d.of([n for n in words.KIN if n.en in SEVERAL] if plural else words.KIN)
    owners = {"husband": (I, SHE), "wife": (I, HE)}.get(noun.en, (I, I, HE, SHE, WE))
    phrase = possessed(d.of(owners), noun, plural)
    return Subject(phrase.en, phrase.fr, 3, phrase.plural, noun.gender, phrase.plural, word=noun.en)


def role(d: Draw, plural: bool = False) -> Subject:
    """the doctor, the tourists."""
    noun = d.of(AGENTS)
    text = (noun.en_plural if plural else noun.en), definite(noun, plural)
    return Subject("the " + text[0], text[1], 3, plural, noun.gender, plural, word=noun.en)


def couple(d: Draw) -> Subject:
    """Marie and Paul: masculine unless both are women."""
    one, other = name(d), name(d)
    while one.en == other.en:
        other = name(d)
    gender = "f" if one.gender == other.gender == "f" else "m"
    return Subject(f"{one.en} and {other.en}", f"{one.fr} et {other.fr}", 3, True, gender, True)


def someone(d: Draw, gendered: bool = False, second: bool = True, third: bool = False, single: bool = False) -> Subject:
    """A subject. `gendered`: its gender shows in English; `second`: you may come; `third`: no I, we, you."""
    kind = d.rng.random()
    if kind < 0.14 and not (gendered or third):
        return I
    if kind < 0.22 and not (gendered or third or single):
        return WE
    if kind < 0.32 and second and not third and not single:
        return you(d)
    kind = d.rng.random()
    if kind < 0.3:
        return name(d)
    if kind < 0.45:
        return d.of((HE, SHE))
    if kind < 0.65:
        return kin(d)
    if kind < 0.8 or single:
        return role(d)
    return couple(d) if kind < 0.88 else kin(d, plural=True) if kind < 0.95 else role(d, plural=True)


def possessed(owner: Subject, noun: Noun, plural: bool = False) -> Phrase:
    """her hat, son chapeau."""
    en, masculine, feminine, several = owner.possessive
    fr = several if plural else feminine if noun.gender == "f" else masculine
    text = (noun.en_plural, noun.fr_plural) if plural else (noun.en, noun.fr)
    return Phrase(f"{en} {text[0]}", f"{fr} {text[1]}", noun.gender, plural, noun.en, noun.human)


def definite(noun: Noun, plural: bool = False) -> str:
    """French `the` and the noun."""
    return f"°les {noun.fr_plural}" if plural else f"{'la' if noun.gender == 'f' else '°le'} {noun.fr}"
