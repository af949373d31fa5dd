"""Plain sentences: who does what, in every tense, denied, asked, wished."""

from .. import french
from ..core import Draw, Pair, Subject, pairs
from ..grammar import clause, finish, infinitive
from ..registry import (
    NOW_TIMES,
    OFTEN,
    SELDOM_TIMES,
    action,
    future_time,
    habit_time,
    past_time,
    pattern,
)
from ..subjects import someone
from ..verbs import ALONE, BE, BRIEF, CAN, FRAMES, HABITS, LASTING, MUST, VERB, WANTED


@pattern(2)
def habit(d: Draw) -> Pair:
    """Marie buys bread every morning."""
    s, f, o = action(d, HABITS, habit=True)
    if d.chance(0.5):
        return finish(d, clause(d, s, f.verb, "present", o.pair, adverb=d.of(OFTEN)), s)
    return finish(d, clause(d, s, f.verb, "present", o.pair), s, time=habit_time(d, f.verb.name))


@pattern(1.5)
def habit_denied(d: Draw) -> Pair:
    """Paul never eats meat. Paul doesn't drink any coffee in the evening."""
    negation = d.of(("not", "never", "no longer"))
    s, f, o = action(d, HABITS, negated=True, habit=True)
    pair = clause(d, s, f.verb, "present", o.pair, negation=negation)
    if negation != "not":
        pair = pair[0].replace(" any ", " "), pair[1]
    return finish(d, pair, s, time=d.of(SELDOM_TIMES) if negation == "not" else ("", ""))


@pattern(1.5)
def at_the_moment(d: Draw) -> Pair:
    """She is reading a novel at the moment."""
    negation = "not" if d.chance(0.2) else ""
    s, f, o = action(d, LASTING, negated=bool(negation))
    return finish(d, clause(d, s, f.verb, "progressive", o.pair, negation=negation), s, time=d.of(NOW_TIMES))


@pattern(4)
def past(d: Draw) -> Pair:
    """Yesterday, Marie bought two red dresses."""
    s, f, o = action(d)
    return finish(d, clause(d, s, f.verb, "past", o.pair), s, time=past_time(d, f.rare))


@pattern(2)
def past_denied(d: Draw) -> Pair:
    """He didn't find his keys. We have never visited this museum."""
    negation = "not" if d.chance(0.7) else "never"
    s, f, o = action(d, negated=True)
    pair = clause(d, s, f.verb, "past", o.pair, negation=negation)
    return finish(d, pair, s, time=past_time(d, f.rare) if negation == "not" and d.chance(0.7) else ("", ""))


@pattern(1)
def already(d: Draw) -> Pair:
    """She has already closed the windows."""
    s, f, o = action(d, BRIEF)
    return finish(d, clause(d, s, f.verb, "past", o.pair, adverb=("already", "déjà")), s)


@pattern(1)
def just_now(d: Draw) -> Pair:
    """Paul has just broken a glass."""
    s, f, o = action(d, BRIEF)
    d.note("just", f.verb.name)
    have = s.has
    come = s.form("venir")
    en = f"{s.en} {have} just {f.verb.participle} {f.verb.particle} {o.en}"
    return finish(d, (en, f"{s.fr} {come} de {f.verb.fr} {o.fr}"), s)


@pattern(2.5)
def near_future(d: Draw) -> Pair:
    """We are going to rent a boat next summer."""
    negation = "not" if d.chance(0.25) else ""
    s, f, o = action(d, WANTED + FORBIDDEN if negation else WANTED, negated=bool(negation))
    return finish(d, clause(d, s, f.verb, "near", o.pair, negation=negation), s, time=future_time(d, f.rare))


@pattern(1.2)
def future(d: Draw) -> Pair:
    """Tomorrow, my sister will clean the kitchen."""
    negation = "not" if d.chance(0.25) else ""
    s, f, o = action(d, WANTED + FORBIDDEN if negation else WANTED, negated=bool(negation))
    return finish(d, clause(d, s, f.verb, "future", o.pair, negation=negation), s, time=future_time(d, f.rare))


@pattern(1.5)
def used_to(d: Draw) -> Pair:
    """My uncle used to drive a truck. When she was little, she ate apples every day."""
    if d.chance(0.5):
        s, f, o = action(d, HABITS, habit=True)
        return finish(
            d, clause(d, s, f.verb, "used", o.pair), s, time=habit_time(d, f.verb.name) if d.chance(0.5) else ("", "")
        )
    s, f, o = action(d, CHILDHOOD, habit=True, gendered=True, third=True)
    again = s.again()
    first = clause(d, s, BE, "habit", ("", ""))
    little = d.of(pairs("little = petit; young = jeune"))
    agreed = french.agree(little[1], s.gender, s.many)
    en, fr = clause(d, again, f.verb, "habit", o.pair)
    time = habit_time(d, f.verb.name)
    return finish(
        d,
        (f"when {first[0].strip()} {little[0]}, {en} {time[0]}", f"quand {first[1].strip()} {agreed}, {fr} {time[1]}"),
    )


@pattern(1.5)
def was_doing(d: Draw) -> Pair:
    """Paul was reading the newspaper when the phone rang."""
    if d.chance(0.4):
        s = someone(d)
        pair = clause(d, s, VERB[d.of(ALONE)], "was")
    else:
        s, f, o = action(d, HABITS)
        pair = clause(d, s, f.verb, "was", o.pair)
    event = d.of(
        pairs(
            """
        the phone rang = °le téléphone a sonné; it started to rain = il a commencé à pleuvoir
        the lights went out = la lumière s'est éteinte
        someone knocked on the door = quelqu'un a frappé à la porte
        the doctor called = °le médecin a appelé; the guests arrived = °les invités sont arrivés
        the dog started to bark = °le chien a commencé à aboyer
        the baby woke up = °le bébé s'est réveillé
        """
        )
    )
    return finish(d, (f"{pair[0].strip()} when {event[0]}", f"{pair[1].strip()} quand {event[1]}"), s)


@pattern(1)
def while_other(d: Draw) -> Pair:
    """Marie was cooking while her brothers were watching a movie."""
    s, other = someone(d, second=False), someone(d, third=True)
    if (s.word == other.word and s.key == other.key) or other.en in ("he", "she"):
        other = Subject("the neighbors", "°les voisins", 3, True, "m", True, word="neighbor")
    _, f, o = action(d, HABITS, s=other)
    one = clause(d, s, VERB[d.of(ALONE)], "was")
    two = clause(d, other, f.verb, "was", o.pair)
    return finish(d, (f"{one[0].strip()} while {two[0]}", f"{one[1].strip()} pendant que {two[1]}"))


@pattern(2.5)
def modal(d: Draw) -> Pair:
    """Marie can't find her ring. We must clean the kitchen. She wants to sell her car."""
    kind = d.of(("can", "must", "want", "would like", "hope", "try", "should"))
    negation = "not" if kind in ("can", "must", "want") and d.chance(0.35) else ""
    frames = (
        FORBIDDEN
        if kind == "must" and negation and d.chance(0.4)
        else LASTING
        if kind in ("must", "should", "try")
        else WANTED
    )
    s, f, o = action(d, frames, negated=bool(negation))
    to_en, to_fr = infinitive(d, s, f.verb, o.pair)
    d.note(kind, f.verb.name)
    if kind == "would like":
        return finish(d, (f"{s.en} would like to {to_en}", f"{s.fr} {conditional('vouloir', s)} {to_fr}"), s)
    if kind == "should":
        return finish(d, (f"{s.en} should {to_en}", f"{s.fr} {conditional('devoir', s)} {to_fr}"), s)
    if kind in ("can", "must"):
        return finish(d, clause(d, s, CAN if kind == "can" else MUST, "present", (to_en, to_fr), negation=negation), s)
    if kind == "try":
        return finish(d, clause(d, s, VERB["try"], "progressive", (f"to {to_en}", f"de {to_fr}")), s)
    return finish(d, clause(d, s, VERB[kind], "present", (f"to {to_en}", to_fr), negation=negation), s)


FORBIDDEN = tuple(f for f in FRAMES if f.verb.name in ("lose", "forget", "break"))


CHILDHOOD = tuple(
    f for f in HABITS if f.verb.name not in ("wear", "take", "write", "prepare", "buy", "drink", "clean", "call")
)


def conditional(infinitive_fr: str, s: Subject) -> str:
    """voudrais, devrions: the stem of the future, the endings of the imperfect."""
    stem = french.IRREGULAR[infinitive_fr][2]
    return stem + french.ENDINGS["imperfect"].split()[s.person - 1 + 3 * s.plural]
