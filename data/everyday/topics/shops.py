"""Shops: prices, opening hours, choosing, gifts."""

from .. import english, french
from .. import lexicon as words
from ..core import NOTHING, Clitic, Draw, Pair, pairs
from ..grammar import adjective_for, clause, finish, infinitive, pronoun, thing
from ..lexicon import NOUN, pick
from ..registry import (
    clock,
    future_time,
    past_time,
    pattern,
    weekday,
)
from ..subjects import possessed, someone
from ..verbs import (
    VERB,
)


def money(d: Draw, low: int, high: int) -> Pair:
    """€12.50, 12,50 €."""
    euros = d.between(low, high)
    cents = d.of((0, 50, 20, 80, 95))
    if cents == 0:
        return (f"€{euros}", f"{euros} €") if d.chance(0.5) else (f"{euros} euros", f"{euros} euros")
    return f"€{euros}.{cents}", f"{euros},{cents} €"


PRICED = (
    words.CLOTHES
    + tuple(n for n in words.OBJECTS if n.en not in ("key", "photo", "passport", "gift"))
    + words.FURNITURE
)


DEAR = ("watch", "computer", "phone", "camera", "ring", "guitar", "suit", "coat")


@pattern(2)
def price(d: Draw) -> Pair:
    """This dress costs €45.50. How much do these shoes cost?"""
    noun = d.of(PRICED + words.PAIRS)
    plural = noun in words.PAIRS or d.chance(0.25)
    a = adjective_for(d, noun) if d.chance(0.4) else None
    if a and a.en in ("expensive", "beautiful", "old"):
        a = None
    p = thing(d, noun, d.of(("this", "this", "the")), plural, a)
    cost, coute = ("cost", "coûtent") if plural else ("costs", "coûte")
    kind = d.rng.random()
    if kind < 0.25:
        return finish(d, (f"how much {'do' if plural else 'does'} {p.en} cost", f"combien {coute} {p.fr}"), None, "?")
    m = money(d, 40, 300) if noun.kind == "furniture" or noun.en in DEAR else money(d, 5, 99)
    if kind < 0.75:
        return finish(d, (f"{p.en} {cost} {m[0]}", f"{p.fr} {coute} {m[1]}"))
    s = someone(d, second=False)
    o = thing(d, noun, "this", plural)
    return finish(d, clause(d, s, VERB["buy"], "past", (f"{o.en} for {m[0]}", f"{o.fr} pour {m[1]}")))


@pattern(1.5)
def too_expensive(d: Draw) -> Pair:
    """This coat is too expensive; I am not going to buy it."""
    s = someone(d, second=False)
    noun = d.of(PRICED + words.VEHICLES[:3])
    if (noun.en in ("dress", "skirt") and s.gender == "m") or (noun.en == "tie" and s.gender == "f"):
        noun = words.NOUN["coat"]
    plural = noun in words.PAIRS or d.chance(0.3)
    p = thing(d, noun, "this", plural)
    it = pronoun(d, p)
    be, etre = ("are", "sont") if plural else ("is", "est")
    looks = noun.kind in ("clothes", "furniture") or noun.en in ("bag", "ring", "watch", "suitcase", "motorcycle")
    if d.chance(0.5):
        faults = pairs("too expensive = trop cher; too old = trop vieux; not very pretty = pas très joli")
        en, fr = d.of(faults if looks else faults[:2])
        en2, fr2 = clause(d, s, VERB["buy"], "near", clitic=it, negation="not")
    else:
        merits = pairs("not expensive = pas cher; very beautiful = très beau; very pretty = très joli")
        en, fr = d.of(merits if looks else merits[:1])
        if d.chance(0.5):
            to_en, to_fr = infinitive(d, s, VERB["buy"], clitic=it)
            en2, fr2 = clause(d, s, VERB["want"], "present", (f"to {to_en}", to_fr))
        else:
            en2, fr2 = clause(d, s, VERB["buy"], "near", clitic=it)
    agreed = french.agree(fr.removeprefix("pas "), p.gender, plural)
    ne, pas = ("ne ", "pas ") if fr.startswith("pas ") else ("", "")
    return finish(d, (f"{p.en} {be} {en}; {en2.strip()}", f"{p.fr} {ne}{etre} {pas}{agreed} ; {fr2.strip()}"))


SHOPS = pick(
    "bakery, bank, pharmacy, library, museum, bookstore, market, supermarket, restaurant, town hall, "
    "swimming pool, movie theater, castle"
)


@pattern(1.5)
def opening_hours(d: Draw) -> Pair:
    """The bakery opens at half past seven. The museum is closed on Tuesdays."""
    noun = d.of(SHOPS)
    p = thing(d, noun, d.of(("the", "the", "this")))
    day, jour = weekday(d)
    kind = d.rng.random()
    if kind < 0.4:
        one, two = d.of(pairs("opens = ouvre; closes = ferme"))
        t = clock(d, 7, 10)
        if one == "closes":
            hour = d.between(5, 9)
            t = f"{english.number(hour)} o'clock in the evening", f"{french.number(hour)} heures du soir"
        return finish(
            d,
            (f"{p.en} {one} at {t[0]}", f"{p.fr} {two} à {t[1]}"),
            time=d.of(((f"on {day}s", f"°le {jour}"), ("every day", "tous les jours"), NOTHING)),
        )
    if kind < 0.8:
        en, fr = d.of(pairs("open = ouvert; closed = fermé"))
        return finish(d, (f"{p.en} is {en} on {day}s", f"{p.fr} est {french.agree(fr, p.gender, False)} °le {jour}"))
    when = d.of(
        pairs(
            """
        in the morning = °le matin; on Sundays = °le dimanche; today = aujourd'hui; tomorrow = demain
        """
        )
    )
    return finish(
        d,
        (f"is {p.en} open {when[0]}", f"est-ce que {p.fr} est {french.agree('ouvert', p.gender, False)} {when[1]}"),
        None,
        "?",
    )


@pattern(0.8)
def which(d: Draw) -> Pair:
    """Which dress does Marie prefer?"""
    noun = d.of(words.CLOTHES + words.TEXTS[:6] + words.FURNITURE + words.ANIMALS[:6])
    plural = d.chance(0.25)
    s = someone(d)
    while s.person == 1 or (noun.en in ("dress", "skirt") and s.gender == "m"):
        s = someone(d)
    v = VERB[d.of(("prefer", "choose", "want", "buy") if noun.kind != "animal" else ("prefer", "want"))]
    tense = "past" if v.name in ("choose", "buy") else "present"
    d.note("noun", noun.en)
    d.note("which", noun.en)
    quel = french.agree("quel", noun.gender, plural).replace("quele", "quelle")
    en, fr = (noun.en_plural, noun.fr_plural) if plural else (noun.en, noun.fr)
    it = Clitic("", "", (noun.gender, plural)) if tense == "past" else None
    en2, fr2 = clause(d, s, v, tense, question=True, clitic=it)
    return finish(d, (f"which {en} {en2}", f"{quel} {fr} {fr2}"), s, "?")


@pattern(0.8)
def gift_for(d: Draw) -> Pair:
    """I am looking for a gift for my mother."""
    s = someone(d)
    noun = d.of(words.OBJECTS + words.CLOTHES[2:8] + pick("book, flower, cake"))
    if noun.en in ("passport", "key", "wallet", "photo", "skirt"):
        noun = NOUN["bag"]
    p = thing(
        d,
        noun,
        "some" if noun.en == "flower" else "a",
        noun.en == "flower",
        adjective_for(d, noun) if d.chance(0.3) else None,
    )
    target = possessed(s, d.of([n for n in words.KIN[:8] if n.en != s.word]))
    v, tense = d.of(pairs("look for = progressive; buy = past; choose = past; buy = near"))
    time = {"progressive": NOTHING, "past": past_time(d, False), "near": future_time(d, False)}[tense]
    return finish(
        d, clause(d, s, VERB[v], tense, (f"{p.en} for {target.en}", f"{p.fr} pour {target.fr}")), s, time=time
    )


GOOD_BAD = words.adjectives("good, bon <; bad, mauvais <")
STRIKING = (
    *("beautiful", "big", "small", "pretty", "old", "elegant", "interesting", "boring", "good", "bad"),
    *("comfortable", "long", "fast", "slow", "delicious"),
)


@pattern(0.8)
def what_a(d: Draw) -> Pair:
    """What a beautiful house! This tree is very tall."""
    noun = d.of(
        words.HOMES
        + words.NATURE
        + words.ANIMALS
        + words.CLOTHES
        + words.PLACES[:1]
        + pick("painting, story, poem, gift, car, boat, castle, church, meal, idea")
    )
    options = [a for a in words.ADJECTIVES.get(noun.kind, GOOD_BAD) if a.en in STRIKING]
    a = d.of(options)
    p = thing(d, noun, "a", False, a)
    quel = {"m": "quel", "f": "quelle"}[noun.gender]
    return finish(d, (f"what {p.en}", f"{quel} {p.fr.split(' ', 1)[1]}"), None, "!")
