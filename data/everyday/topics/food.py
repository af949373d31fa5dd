"""Food: likes, quantities, orders at the counter, what is on the table."""

from .. import english, french
from .. import lexicon as words
from ..core import NOTHING, Clitic, Draw, Pair, Subject, pairs
from ..grammar import clause, finish, generic, thing
from ..lexicon import pick
from ..registry import (
    HABIT_TIMES,
    future_time,
    past_time,
    pattern,
    quantity,
)
from ..subjects import I, someone, you
from ..verbs import (
    BE,
    VERB,
)

CAFE = pick("croissant, cookie, sandwich, cake, egg, apple, pear, orange, banana, peach, strawberry")
EATABLE = words.FOOD + words.MASS + words.DRINKS


@pattern(2)
def tastes(d: Draw) -> Pair:
    """Marie loves cherries. The children don't like garlic."""
    s = someone(d)
    noun = d.of(
        words.FOOD + words.MASS + words.DRINKS + words.SEASONING[2:3] + words.ANIMALS[:6] + pick("flower, movie, song")
    )
    while s.minor and noun.en in ("wine", "beer", "coffee"):
        noun = d.of(words.FOOD)
    g = generic(d, noun)
    d.note("noun", noun.en)
    v = d.of(("like", "love", "hate", "like"))
    question = s.person == 2 and d.chance(0.7)
    negation = "not" if v == "like" and not question and d.chance(0.6) else ""
    return finish(
        d, clause(d, s, VERB[v], "present", g.pair, negation=negation, question=question), s, "?" if question else "."
    )


@pattern(1)
def prefers(d: Draw) -> Pair:
    """My sister prefers tea to coffee."""
    s = someone(d)
    one, other = d.two(d.of(ALIKE))
    while s.minor and {"wine", "beer", "coffee"} & {one.en, other.en}:
        one, other = d.two(words.FRUIT)
    a, b = generic(d, one), generic(d, other)
    if s.person == 2:
        return finish(
            d,
            clause(d, s, VERB["prefer"], "present", (f"{a.en} or {b.en}", f"{a.fr} ou {b.fr}"), question=True),
            s,
            "?",
        )
    return finish(d, clause(d, s, VERB["prefer"], "present", (f"{a.en} to {b.en}", f"{a.fr} à {b.fr}")), s)


ALIKE = (  # what one may well compare
    words.DRINKS,
    words.FRUIT,
    pick("meat, fish, chicken, ham, egg, cheese"),
    pick("bread, rice, salad, soup, potato, bean, mushroom, carrot"),
    pick("jam, honey, chocolate, ice cream, cake, cookie, croissant"),
    words.ANIMALS[:6],
)


@pattern(0.6)
def neither(d: Draw) -> Pair:
    """Paul likes neither tea nor coffee."""
    s = someone(d, second=False)
    one, other = d.two(d.of(ALIKE))
    a, b = generic(d, one), generic(d, other)
    like = "likes" if s.third else "like"
    aime = s.form("aimer")
    return finish(d, (f"{s.en} {like} neither {a.en} nor {b.en}", f"{s.fr} ne {aime} ni {a.fr} ni {b.fr}"))


@pattern(2)
def quantities(d: Draw) -> Pair:
    """Yesterday, he bought a kilo of tomatoes. I eat too much chocolate."""
    s = someone(d)
    noun = d.of(EATABLE)
    while s.minor and noun.en in ("wine", "beer", "coffee"):
        noun = d.of(words.FOOD)
    q = quantity(d, noun)
    buys = q[0].startswith(("a kilo", "a pound", "a bottle", "a jar", "a liter"))
    v = VERB["buy" if buys else "drink" if noun.kind == "drink" else d.of(("eat", "buy"))]
    if v.en == "buy" and not buys and q[0].startswith(("a plate", "a glass", "a cup")):
        v = VERB["eat" if noun.kind != "drink" else "drink"]
    tense = d.of(("past", "near", "present"))
    if q[0].startswith(("too", "a little")) and tense == "near":
        tense = "past"
    time = {"past": past_time(d, False), "near": future_time(d, False), "present": d.of(HABIT_TIMES[:4])}[tense]
    return finish(d, clause(d, s, v, tense, q), s, time=time)


@pattern(1.5)
def i_would_like(d: Draw) -> Pair:
    """I would like a coffee and two croissants, please."""
    s = d.of((I, I, Subject("we", "nous", 1, True, "", True)))
    wish = "voudrais" if s is I else "voudrions"
    kind = d.rng.random()
    if kind < 0.5:
        noun = d.of(CAFE)
        n = d.between(2, 8)
        one = thing(d, noun, str(n), True) if d.chance(0.6) else thing(d, noun, "a")
        drink = d.of(
            pairs(
                """
        a coffee = un café; a tea = un thé; a beer = une bière; an orange juice = un jus d'orange
        a lemonade = une limonade; a hot chocolate = un chocolat chaud
        """
            )
        )
        en, fr = (f"{drink[0]} and {one.en}", f"{drink[1]} et {one.fr}")
    else:
        q = quantity(d, d.of(EATABLE))
        while q[0].startswith(("too", "a lot")):
            d.again(0)
            q = quantity(d, d.of(EATABLE))
        en, fr = q
    return finish(d, (f"{s.en} would like {en}, please", f"{s.fr} {wish} {fr}, s'il vous plaît"))


@pattern(1)
def some_more(d: Draw) -> Pair:
    """There is some cheese in the fridge; do you want some, Paul? (en)"""
    noun = d.of(words.MASS + words.DRINKS)
    p = thing(d, noun, "some")
    where = d.of(
        pairs(
            """
        on the table = sur la table; in the kitchen = dans la cuisine
        in the fridge = dans °le réfrigérateur
        """
        )
    )
    if d.chance(0.5):
        s = you(d)
        while s.minor and noun.en in ("wine", "beer", "coffee"):
            noun = words.NOUN["milk"]
            d.again(0)
            p = thing(d, noun, "some")
        ask = clause(d, s, VERB["want"], "present", clitic=Clitic("some", "en"), question=True)
        end = f", {s.aside[0]}", f", {s.aside[1]}"
        return finish(
            d,
            (
                f"there is {p.en} {where[0]}; {ask[0].strip()}{end[0]}",
                f"il y a {p.fr} {where[1]} ; {ask[1].strip()}{end[1]}",
            ),
            None,
            "?",
        )
    s = someone(d, second=False)
    while s.minor and noun.en in ("wine", "beer", "coffee"):
        noun = words.NOUN["milk"]
    love = clause(d, s, VERB[d.of(("like", "love"))], "present", generic(d, noun).pair)
    again = s.again()
    eat = VERB["drink" if noun.kind == "drink" else "eat"]
    time = d.of(HABIT_TIMES[:4])
    en, fr = clause(d, again, eat, "present", (f"some {time[0]}", time[1]), clitic=Clitic("", "en"))
    return finish(d, (f"{love[0].strip()}; {en}", f"{love[1].strip()} ; {fr}"))


@pattern(1)
def food_is(d: Draw) -> Pair:
    """The soup is too salty. These pears are ripe."""
    if d.chance(0.5):
        noun = d.of(words.MASS + words.DRINKS)
        en, fr = d.of(
            pairs("very good = très bon; delicious = délicieux; too expensive = trop cher; excellent = excellent")
        )
        if noun.en in ("soup", "tea", "coffee", "rice", "water", "milk") and d.chance(0.6):
            en, fr = d.of(pairs("too hot = trop chaud; cold = froid; hot = chaud; too cold = trop froid"))
        p = thing(d, noun, d.of(("the", "this")))
    else:
        noun = d.of(words.FOOD)
        p = thing(d, noun, d.of(("the", "this")), d.chance(0.7))
        en, fr = d.of(
            pairs(
                """
        ripe = mûr; too small = trop petit; very fresh = très frais; delicious = délicieux
        very expensive = très cher
        """
            )
        )
        if en == "ripe" and noun not in words.FRUIT:
            en, fr = "fresh", "frais"
    tense = d.of(("present", "present", "habit"))
    s = Subject(p.en, p.fr, 3, p.plural, p.gender, p.plural)
    negation = "not" if d.chance(0.25) and not en.startswith("too") else ""
    return finish(d, clause(d, s, BE, tense, (en, french.agree(fr, p.gender, p.plural)), negation=negation))


@pattern(0.8)
def no_more(d: Draw) -> Pair:
    """There is no bread left. There are no tomatoes in the kitchen."""
    noun = d.of(words.MASS + words.DRINKS + words.SEASONING + words.FOOD)
    counted = noun.kind == "food"
    text, texte = (noun.en_plural, noun.fr_plural) if counted else (noun.en, noun.fr)
    d.note("noun", noun.en)
    be = "are" if counted else "is"
    where = d.of(
        pairs(
            """
        in the kitchen = dans la cuisine; on the table = sur la table
        at the supermarket = à °le supermarché; at the market = à °le marché; at home = à la maison
        """
        )
    )
    if d.chance(0.5):
        return finish(d, (f"there {be} no {text} left {where[0]}", f"il n'y a plus de {texte} {where[1]}"))
    if d.chance(0.4):
        return finish(d, (f"there {be} no {text} {where[0]}", f"il n'y a pas de {texte} {where[1]}"))
    d.note("a lot of", noun.en)
    return finish(d, (f"there {be} a lot of {text} {where[0]}", f"il y a beaucoup de {texte} {where[1]}"))


@pattern(0.6)
def only(d: Draw) -> Pair:
    """I only have ten euros. She only eats vegetables."""
    s = someone(d, second=False)
    if d.chance(0.5):
        n = d.between(2, 60)
        unit = d.of(pairs("euros = euros; dollars = dollars; minutes = minutes"))
        en, fr = f"{english.number(n)} {unit[0]}", f"{french.number(n)} {unit[1]}"
        have = s.has
        return finish(d, (f"{s.en} only {have} {en}", f"{s.fr} ne {s.form('avoir')} que {fr}"))
    noun = d.of(words.DRINKS[:4] if d.chance(0.4) else words.FOOD + words.MASS[:10])
    v = VERB["drink" if noun.kind == "drink" else "eat"]
    p = thing(d, noun, "bare") if noun.kind in ("mass", "drink") else thing(d, noun, "bare", True)
    verb = v.third if s.third else v.en
    when = d.of((("in the morning", "°le matin"), ("in the evening", "°le soir"), NOTHING, ("at noon", "à midi")))
    return finish(d, (f"{s.en} only {verb} {p.en}", f"{s.fr} ne {s.form(v.fr)} que {p.fr}"), time=when)
