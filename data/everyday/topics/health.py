"""Aches, illness, hunger and fear, and the weather."""

from .. import english, french
from .. import lexicon as words
from ..core import NOTHING, Draw, Pair, Subject, pairs
from ..grammar import clause, definite, finish, thing
from ..lexicon import NOUN, pick
from ..registry import (
    future_time,
    past_time,
    pattern,
)
from ..subjects import name, someone
from ..verbs import (
    VERB,
    Verb,
)


@pattern(1.5)
def aches(d: Draw) -> Pair:
    """My head hurts. Marie's feet hurt. Paul, does your back hurt?"""
    s = someone(d, second=False)
    noun = d.of(words.BODY)
    plural = (noun.en in ("foot", "tooth", "eye", "ear", "leg", "knee") and d.chance(0.6)) or noun.en in (
        "tooth",
        "eye",
    )
    d.note("body", noun.en)
    text = noun.en_plural if plural else noun.en
    if noun.en == "finger":
        noun, text, plural = NOUN["head"], "head", False
    owner = (
        s.possessive[0]
        if s.person < 3 or s.en in ("he", "she")
        else f"{s.en}'"
        if s.plural and s.en.endswith("s")
        else f"{s.en}'s"
    )
    if (s.plural and s.key == "we") or s.many:
        text, plural = noun.en_plural, True
    where = definite(noun, plural and noun.en in ("foot", "tooth", "eye", "ear", "leg", "knee"))
    tense = d.of(("present", "present", "habit"))
    if tense == "present":
        hurt, have = ("hurt" if plural else "hurts"), s.form("avoir")
        time = d.of((NOTHING, ("today", "aujourd'hui"), ("this morning", "ce matin"), ("in the evening", "°le soir")))
    else:
        hurt, have = "hurt", s.form("avoir", "imperfect")
        time = d.of(
            pairs(
                """
        yesterday = hier; yesterday evening = hier soir; last week = la semaine dernière
        """
            )
        )
    return finish(d, (f"{owner} {text} {hurt}", f"{s.fr} {have} mal à {where}"), time=time)


@pattern(1)
def broken_bones(d: Draw) -> Pair:
    """Marie broke her leg last winter. He washes his hands before eating."""
    if d.chance(0.5):
        s = someone(d, second=False)
        noun = d.of(pick("arm, leg, foot, ankle, shoulder, finger, tooth"))
        d.note("body", noun.en)
        en = f"{s.possessive[0]} {noun.en}"
        if s.many:
            s = name(d)
            en = f"{s.possessive[0]} {noun.en}"
        fr = f"un{'e' if noun.gender == 'f' else ''} {noun.fr}" if noun.en in ("finger", "tooth") else definite(noun)
        if noun.en in ("finger", "tooth"):
            en = f"a {noun.en}"
        hurt = Verb("break", "broke", "broken", "breaking", "", "casser", True, True)
        return finish(d, clause(d, s, hurt, "past", (en, fr), agrees=False), time=past_time(d))
    s = someone(d)
    part = d.of(
        (
            ("hands", "laver", "les mains"),
            ("teeth", "brosser", "les dents"),
            ("feet", "laver", "les pieds"),
            ("hair", "brosser", "les cheveux"),
        )
    )
    v = Verb(
        *(
            ("wash", "washed", "washed", "washing")
            if part[1] == "laver"
            else ("brush", "brushed", "brushed", "brushing")
        ),
        "",
        part[1],
        True,
        True,
    )
    tense = d.of(("present", "past", "near"))
    before = d.of(
        (
            ("before eating", "avant de manger"),
            ("before going to bed", "avant de aller °au lit".replace("°au", "au")),
            ("every morning", "tous les matins"),
            ("after the meal", "après °le repas"),
        )
    )
    if tense != "present" and before[0].startswith("every"):
        before = past_time(d, False) if tense == "past" else future_time(d, False)
    return finish(
        d,
        clause(d, s, v, tense, (f"{s.possessive[0]} {part[0]} {before[0]}", f"°{part[2]} {before[1]}"), agrees=False),
        s,
    )


ILLS = pairs(
    """
    a fever = de la fièvre; a cold = un rhume; the flu = la grippe; a headache = mal à la tête
    a cough = de la toux; a stomachache = mal à °le ventre; a sore throat = mal à la gorge
    """
)


ADVICE = pairs(
    """
    rest = REFL reposer; drink a lot of water = boire beaucoup de eau; see the doctor = voir °le médecin
    stay in bed = rester au lit; take this medicine = prendre ce médicament; sleep more = dormir plus
    stay at home = rester à la maison; eat more fruit = manger plus de fruits; smoke less = fumer moins
    walk every day = marcher tous les jours; call the doctor = appeler °le médecin
    """
)


@pattern(1.5)
def illness(d: Draw) -> Pair:
    """Marie has a cold; she should rest."""
    s = someone(d, second=False)
    again = s.again()
    en, fr = d.of(ILLS)
    advice, conseil = d.of(ADVICE)
    reflexive = {"I": "me", "we": "nous", "they": "se", "he": "se", "she": "se"}[s.key]
    conseil = conseil.replace("REFL", reflexive)
    kind = d.rng.random()
    have = s.has
    if kind < 0.4:
        head = d.of((("should", "devr", "imperfect"), ("must", "doi", "present")))
        must = (
            french.IRREGULAR["devoir"][2] + french.ENDINGS["imperfect"].split()[s.person - 1 + 3 * s.plural]
            if head[0] == "should"
            else s.form("devoir")
        )
        return finish(
            d,
            (
                f"{s.en} {have} {en}; {again.en} {head[0]} {advice}",
                f"{s.fr} {s.form('avoir')} {fr} ; {again.fr} {must} {conseil}",
            ),
        )
    if kind < 0.6:
        go = d.of(
            (
                ("must see the doctor", "voir °le médecin"),
                ("must stay in bed", "rester au lit"),
                ("must rest", f"{reflexive} reposer"),
            )
        )
        return finish(
            d,
            (
                f"{s.en} {have} {en}, so {again.en} {go[0]}",
                f"{s.fr} {s.form('avoir')} {fr}, donc {again.fr} {s.form('devoir')} {go[1]}",
            ),
        )
    if kind < 0.8:
        had = Verb("have", "had", "had", "having", "", "avoir")
        time = d.of(
            pairs(
                """
        yesterday = hier; last week = la semaine dernière; on Monday = lundi
        last Sunday = dimanche dernier
        """
            )
        )
        return finish(d, clause(d, s, had, "habit", (en, fr)), time=time)
    n = d.between(2, 4)
    medicine = d.of(pairs("this medicine = ce médicament; these pills = ces comprimés"))
    return finish(
        d,
        (
            f"{s.en} must take {medicine[0]} {english.number(n)} times a day",
            f"{s.fr} {s.form('devoir')} prendre {medicine[1]} {french.number(n)} fois par jour",
        ),
    )


SENSATIONS = pairs(
    """
    hungry = faim; thirsty = soif; cold = froid; hot = chaud; afraid = peur; sleepy = sommeil; right = raison
    wrong = tort
    """
)


@pattern(1.2)
def hungry(d: Draw) -> Pair:
    """I am thirsty; I am going to drink some water. The children are afraid of dogs."""
    s = someone(d)
    en, fr = d.of(SENSATIONS)
    question = s.person == 2 and d.chance(0.5)
    feels = Verb("be", "was", "been", "being", "", "avoir")
    kind = d.rng.random()
    if kind < 0.3 and not question:
        animal = d.of(words.ANIMALS)
        return finish(d, _afraid(d, s, animal), s)
    if kind < 0.6 and en in ("hungry", "thirsty") and s.person != 2:
        again = s.again()
        if en == "hungry":
            p = thing(d, d.of(words.FOOD), "a")
            two = clause(d, again, VERB["eat"], "near", p.pair)
        else:
            p = thing(d, d.of(words.DRINKS[:4] + words.DRINKS[6:]), "some")
            two = clause(d, again, VERB["drink"], "near", p.pair)
        return finish(d, (f"{s.en} {s.be} {en}; {two[0].strip()}", f"{s.fr} {s.form('avoir')} {fr} ; {two[1].strip()}"))
    tense = "present" if question else d.of(("present", "present", "habit"))
    negation = "not" if not question and d.chance(0.25) else ""
    time = (
        d.of(
            pairs(
                """
        yesterday = hier; this morning = ce matin; yesterday evening = hier soir
        """
            )
        )
        if tense == "habit"
        else NOTHING
    )
    be = english.be(s.person, s.plural, past=tense == "habit")
    have = s.form("avoir", "imperfect" if tense == "habit" else "present")
    del feels
    if question:
        asked = f"avez-vous {fr}" if s.formal else f"est-ce que {s.fr} {have} {fr}"
        return finish(d, (f"{be} {s.en} {en}", asked), s, "?", time=time)
    if negation:
        return finish(d, (f"{s.en} {be} not {en}", f"{s.fr} ne {have} pas {fr}"), s, time=time)
    return finish(d, (f"{s.en} {be} {en}", f"{s.fr} {have} {fr}"), s, time=time)


def _afraid(d: Draw, s: Subject, animal: words.Noun) -> Pair:
    """afraid of dogs, peur des chiens"""
    d.note("noun", animal.en)
    d.note("in general", animal.en)
    negation = d.chance(0.3)
    be = s.be + (" not" if negation else "")
    have = s.form("avoir")
    text = f"ne {have} pas peur" if negation else f"{have} peur"
    return f"{s.en} {be} afraid of {animal.en_plural}", f"{s.fr} {text} de °les {animal.fr_plural}"
