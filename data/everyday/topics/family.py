"""Families, comparisons, what belongs to whom, who gives what to whom."""

from .. import english, french
from .. import lexicon as words
from ..core import Draw, Pair, Phrase, Subject, pairs
from ..grammar import adjective_for, clause, finish, thing, to_whom
from ..registry import (
    future_time,
    past_time,
    pattern,
)
from ..subjects import WE, I, name, possessed, role, someone
from ..verbs import (
    HAVE,
    VERB,
)


@pattern(1.5)
def taller(d: Draw) -> Pair:
    """Marie is taller than her brother. Paul is less patient than Emma."""
    s = someone(d, gendered=True, third=True)
    a = d.of(words.TRAITS + words.MOODS[1:2])
    d.note("comparative", a.en)
    d.note("adjective", a.en)
    if d.chance(0.5):
        other = possessed(s, d.of(words.KIN[:6])) if not s.word else Phrase(*couple_word(d, s), "m", False)
    else:
        other = Phrase(*couple_word(d, s), "m", False)
    agreed = french.agree(a.fr, s.gender, s.many)
    be, etre = s.be, s.form("être")
    kind = d.rng.random()
    if kind < 0.5:
        return finish(
            d,
            (f"{s.en} {be} {english.comparative(a.en)} than {other.en}", f"{s.fr} {etre} plus {agreed} que {other.fr}"),
        )
    if kind < 0.75:
        return finish(d, (f"{s.en} {be} less {a.en} than {other.en}", f"{s.fr} {etre} moins {agreed} que {other.fr}"))
    return finish(d, (f"{s.en} {be} as {a.en} as {other.en}", f"{s.fr} {etre} aussi {agreed} que {other.fr}"))


def couple_word(d: Draw, s: Subject) -> Pair:
    """Somebody to be compared with."""
    other = role(d) if d.chance(0.4) else name(d)
    while other.en in s.en or (other.word and other.word == s.word):
        other = name(d)
    return other.en, other.fr


@pattern(0.6)
def tallest(d: Draw) -> Pair:
    """Julie is the most serious girl in the class."""
    s = name(d)
    a = d.of(words.TRAITS)
    noun = pairs("girl = fille; student = étudiante") if s.gender == "f" else pairs("boy = garçon; student = étudiant")
    en, fr = d.of(noun)
    where = d.of(
        pairs(
            """
        in the class = de la classe; in the school = de l'école; in the group = du groupe
        """
        )
    )
    agreed = french.agree(a.fr, s.gender, False)
    d.note("superlative", a.en)
    the = "la" if s.gender == "f" else "°le"
    before = a.fr in ("grand", "jeune")
    french_part = f"{the} plus {agreed} {fr}" if before else f"{the} {fr} {the} plus {agreed}"
    return finish(
        d, (f"{s.en} is the {english.superlative(a.en)} {en} {where[0]}", f"{s.fr} est {french_part} {where[1]}")
    )


@pattern(1)
def family(d: Draw) -> Pair:
    """I have two brothers and one sister. Paul doesn't have any children."""
    s = someone(d, second=False)
    one, other = d.two(
        [n for n in words.KIN if n.en in ("brother", "sister", "uncle", "aunt", "son", "daughter")]
        if not s.minor
        else [n for n in words.KIN if n.en in ("brother", "sister", "uncle", "aunt")]
    )
    if d.chance(0.25):
        o = thing(d, one, "a", negated=True)
        return finish(d, clause(d, s, HAVE, "present", o.pair, negation="not"), s)
    n, m = d.between(1, 4), d.between(1, 3)
    a = thing(d, one, str(n) if n > 1 else "a", n > 1)
    b = thing(d, other, str(m) if m > 1 else "a", m > 1)
    return finish(d, clause(d, s, HAVE, "present", (f"{a.en} and {b.en}", f"{a.fr} et {b.fr}")), s)


@pattern(1)
def owner_of(d: Draw) -> Pair:
    """Marie's car is red. The doctor's house is very old."""
    s = name(d) if d.chance(0.5) else role(d)
    noun = d.of(words.OBJECTS + words.CLOTHES + words.VEHICLES[:4] + words.HOMES + words.ANIMALS[:3])
    if noun.en in ("dress", "skirt") and s.gender == "m":
        noun = words.NOUN["coat"]
    a = adjective_for(d, noun) or words.COLORS[0]
    d.note("noun", noun.en)
    d.note("adjective", a.en)
    d.note("whose", noun.en)
    much = d.of((("very ", "très "), ("", ""), ("", ""))) if a not in words.COLORS and a.en != "new" else ("", "")
    agreed = french.agree("neuf" if a.fr == "nouveau" else a.fr, noun.gender, False)
    owner = s.fr
    head = "la" if noun.gender == "f" else "°le"
    return finish(d, (f"{s.en}'s {noun.en} is {much[0]}{a.en}", f"{head} {noun.fr} de {owner} est {much[1]}{agreed}"))


@pattern(1.2)
def given(d: Draw) -> Pair:
    """Paul gave his sister a watch. Marie gave her the book yesterday. (dative)"""
    s = someone(d, second=False)
    v = d.of(("give", "lend", "send", "show", "bring"))
    verb = VERB[v]
    presents = tuple(n for n in words.OBJECTS if n.en not in ("passport", "wallet"))
    pool = {
        "give": presents + words.CLOTHES[1:6],
        "lend": presents[:16],
        "send": words.pick("letter, gift, photo, book, message, newspaper, map"),
        "show": words.pick("photo, letter, painting, map, ring, watch, picture, passport"),
        "bring": words.pick("flower, cake, gift, book, newspaper, suitcase, bag, chair, chocolate"),
    }[v]
    noun = d.of(pool)
    kin_speaks = s.word in words.NOUN and words.NOUN[s.word].kind == "kin"
    if kin_speaks and (noun.en in ("ring", "toy", "guitar") or noun.kind == "clothes"):
        noun = words.NOUN["book"]
    o = thing(
        d, noun, "some" if noun.kind == "mass" or noun.en == "flower" else d.of(("a", "the", "a")), noun.en == "flower"
    )
    tense = d.of(("past", "past", "near"))
    time = past_time(d, False) if tense == "past" else future_time(d, False)
    if d.chance(0.5):
        if kin_speaks:
            to = role(d)
            to_pair = (to.en, to.fr)
            if to.word == s.word:
                to_pair = ("the neighbor", "°le voisin")
        else:
            noun2 = d.of(words.KIN[:8])
            p = possessed(s, noun2)
            to_pair = p.pair
        return finish(d, clause(d, s, verb, tense, (f"{o.en} to {to_pair[0]}", f"{o.fr} à {to_pair[1]}")), s, time=time)
    a, b = someone(d, third=True), s
    if a.en in ("he", "she") or a.word == b.word:
        a = name(d)
    if b.en in ("he", "she"):  # who gives whom would be left open
        b = d.of((I, WE))
    them = to_whom(a)
    d.note("indirect pronoun", verb.name)
    en, fr = clause(d, b, verb, tense, o.pair, clitic=them)
    first = (f"{a.en} {a.be} here", f"{a.fr} {a.form('être')} ici")
    if v == "send":
        city = d.of(words.CITIES)
        first = (f"{a.en} {'lives' if a.third else 'live'} in {city[0]}", f"{a.fr} {a.form('habiter')} à {city[1]}")
        en, fr = f"{en} {time[0]}", f"{fr} {time[1]}"
    elif tense == "past":
        t = time
        first = (f"{a.en} came {t[0]}", f"{a.fr} {a.form('être')} {french.agree('venu', a.gender, a.many)} {t[1]}")
        return finish(d, (f"{first[0]}, and {en.strip()}", f"{first[1]} et {fr.strip()}"))
    return finish(d, (f"{first[0]}, and {en.strip()}", f"{first[1]} et {fr.strip()}"))
