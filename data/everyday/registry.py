"""The register of sentence patterns, and what several topics share: times, clock, dates, quantities, objects.

A pattern is a function from a `Draw` to one finished pair. Its weight says how often it is drawn against the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import english, french
from . import lexicon as words
from .core import Draw, Pair, Phrase, Subject, pairs
from .grammar import adjective_for, thing
from .lexicon import Noun
from .subjects import someone
from .verbs import FRAMES, Frame

Pattern = Callable[[Draw], Pair]


@dataclass(frozen=True)
class Registered:
    """One pattern under its name."""

    name: str
    weight: float
    make: Pattern


PATTERNS: list[Registered] = []


def pattern(weight: float = 1.0) -> Callable[[Pattern], Pattern]:
    """Register a function as a pattern."""

    def register(make: Pattern) -> Pattern:
        PATTERNS.append(Registered(make.__name__, weight, make))
        return make

    return register


# -------------------------------------------------------------------------------------------------------- times
def weekday(d: Draw) -> Pair:
    """Monday, lundi."""
    en, fr = d.of(words.DAYS)
    return en, fr


def past_time(d: Draw, rare: bool = True) -> Pair:
    """A moment gone by: it asks for the passé composé. Only what is `rare` is told of last year."""
    kind = d.rng.random()
    if kind < 0.5:
        return d.of(PAST_TIMES if rare else PAST_TIMES[:RECENT])
    if rare and kind < 0.7:
        n = d.between(2, 9)
        en, fr = d.of(pairs("days = jours; weeks = semaines; months = mois; years = ans"))
        return f"{english.number(n)} {en} ago", f"il y a {french.number(n, 'f' if en == 'weeks' else 'm')} {fr}"
    if kind < 0.85:
        en, fr = weekday(d)
        return f"last {en}", f"{fr} dernier"
    en, fr = d.of(pairs("morning = matin; evening = soir; afternoon = après-midi"))
    day, jour = weekday(d)
    return f"on {day} {en}", f"{jour} {fr}"


RECENT = 6  # so many of the times below are near
PAST_TIMES: tuple[Pair, ...] = pairs(
    """
    yesterday = hier; yesterday evening = hier soir; yesterday morning = hier matin
    yesterday afternoon = hier après-midi; the day before yesterday = avant-hier
    two days ago = il y a deux jours; last week = la semaine dernière; last month = le mois dernier
    last year = l'année dernière; last summer = l'été dernier; last winter = l'hiver dernier
    last weekend = le week-end dernier
    """
)
FUTURE_TIMES: tuple[Pair, ...] = pairs(
    """
    tomorrow = demain; tomorrow morning = demain matin; tomorrow evening = demain soir
    tonight = ce soir; this afternoon = cet après-midi; the day after tomorrow = après-demain
    next week = la semaine prochaine; next month = le mois prochain; next year = l'année prochaine
    next summer = l'été prochain; this weekend = ce week-end; in two days = dans deux jours
    in three weeks = dans trois semaines; in six months = dans six mois; soon = bientôt
    """
)
HABIT_TIMES: tuple[Pair, ...] = pairs(
    """
    every day = tous les jours; every morning = tous les matins; every evening = tous les soirs
    every week = toutes les semaines; every Sunday = tous les dimanches
    every Saturday = tous les samedis; on Mondays = le lundi; on Wednesdays = le mercredi
    on Fridays = le vendredi; in the morning = le matin; in the evening = le soir
    twice a week = deux fois par semaine
    """
)
DAILY = ("eat", "drink", "prepare", "take", "feed")


def habit_time(d: Draw, verb: str = "") -> Pair:
    """A time of habits; one eats and feeds daily, and does the rest when one likes."""
    return d.of(DAILY_TIMES if verb in DAILY else WEEKLY_TIMES if verb in ("wash", "clean") else HABIT_TIMES)


SELDOM_TIMES: tuple[Pair, ...] = pairs(
    """
    in the morning = le matin; in the evening = le soir; at noon = à midi; on Mondays = le lundi
    on Fridays = le vendredi; on Sundays = le dimanche
    """
)
DAILY_TIMES: tuple[Pair, ...] = pairs(
    """
    every day = tous les jours; every morning = tous les matins; every evening = tous les soirs
    in the morning = le matin; in the evening = le soir; at noon = à midi
    """
)
WEEKLY_TIMES: tuple[Pair, ...] = pairs(
    """
    every week = toutes les semaines; every Sunday = tous les dimanches; every Saturday = tous les samedis
    on Mondays = le lundi; twice a week = deux fois par semaine; once a month = une fois par mois
    """
)
NOW_TIMES: tuple[Pair, ...] = pairs("at the moment = en ce moment; now = maintenant; today = aujourd'hui")
OFTEN: tuple[Pair, ...] = pairs(
    """
    often = souvent; always = toujours; sometimes = parfois; rarely = rarement; usually = d'habitude
    """
)


def future_time(d: Draw, rare: bool = True) -> Pair:
    """A moment to come."""
    if d.chance(0.2):
        en, fr = weekday(d)
        return f"next {en}", f"{fr} prochain"
    return d.of(FUTURE_TIMES if rare else FUTURE_TIMES[:RECENT])


def clock(d: Draw, low: int = 6, high: int = 11) -> Pair:
    """An hour: digits answer digits, words words."""
    hour = d.between(low, high)
    hours = f"{french.number(hour, 'f')} heure{'s' if hour > 1 else ''}"
    if d.chance(0.5):
        minutes = d.of((10, 15, 20, 30, 40, 45, 50))
        return f"{hour}:{minutes}", f"{hour}\u00a0h\u00a0{minutes}"
    if hour > 12 or d.chance(0.4):
        return (f"{english.number(hour)} o'clock", hours) if hour <= 12 else (f"{hour}:30", f"{hour}\u00a0h\u00a030")
    return d.of(
        (
            (f"half past {english.number(hour)}", f"{hours} et demie"),
            (f"a quarter past {english.number(hour)}", f"{hours} et quart"),
            (f"a quarter to {english.number(hour)}", f"{hours} moins °le quart"),
        )
    )


def date(d: Draw) -> Pair:
    """March 3, 3 mars; May 1, 1er mai."""
    en, fr = d.of(words.MONTHS)
    day = d.between(1, 28)
    return f"{en} {day}", f"{'1er' if day == 1 else day} {fr}"


# ------------------------------------------------------------------------------------------------------ objects
def fits(s: Subject, f: Frame, noun: Noun) -> bool:
    """Whether this person does this to that: no boy sells a house, no waiter looks for his skirt."""
    if s.minor and (noun.kind in ("home", "vehicle") or f.verb.name in ADULT or noun.en in ("wine", "beer", "coffee")):
        return False
    if noun.en in ("dress", "skirt") and (s.gender == "m" or not s.gender):
        return False
    if noun.en in ("tie", "suit") and s.gender == "f":
        return False
    return not (noun.en == s.word or (noun.kind == "kin" and s.word in words.NOUN and words.NOUN[s.word].kind == "kin"))


ADULT = ("build", "rent", "sell", "drive", "meet", "repair", "paint")


def action(
    d: Draw,
    frames: tuple[Frame, ...] = FRAMES,
    negated: bool = False,
    habit: bool = False,
    s: Subject | None = None,
    **who: bool,
) -> tuple[Subject, Frame, Phrase]:
    """Someone, a verb, and something it may be done to. `who` goes to `someone`."""
    subject = s or someone(d, **who)
    while True:
        frame = d.of(frames)
        noun = d.of(frame.objects)
        if fits(subject, frame, noun):
            return subject, frame, object_of(d, frame, noun, subject, negated, habit)


def object_of(d: Draw, frame: Frame, noun: Noun, s: Subject, negated: bool = False, habit: bool = False) -> Phrase:
    """The noun with a determiner this verb takes."""
    kind, rules = d.rng.random(), frame.determiners
    dressed = adjective_for(d, noun) if d.chance(0.25) and not (habit and rules != "worn") else None
    if rules == "mass":
        determiner = "some" if kind < 0.75 or habit else "the"
        if determiner == "some" and not negated and (habit or d.chance(0.4)):
            determiner = "bare"
        return thing(d, noun, determiner, False, dressed, negated)
    if habit and rules in ("count", "several", "worn"):
        return thing(d, noun, "some" if negated else "bare", True, dressed, negated)
    if rules == "several" or (rules == "count" and kind < 0.4):
        determiner = d.of(("some", "some", "this", "number", "the"))
        few = 5 if noun.kind == "food" else 3
        if determiner == "number":
            determiner = "some" if negated else str(d.between(2, few))
        return thing(d, noun, determiner, True, dressed, negated)
    if rules == "worn":
        several = noun in words.PAIRS
        determiner = d.of(("some" if several else "a", "this", "my"))
        several = several or (determiner == "my" and s.many)  # their jackets
        return thing(d, noun, determiner, several, dressed, negated, owner=s)
    if rules == "ride":
        return thing(d, noun, "the" if habit else d.of(("the", "the", "a", "this")), negated=negated)
    if rules in ("one", "count"):
        return thing(d, noun, d.of(("a", "a", "a", "this")), False, dressed, negated)
    if noun.kind == "kin" or (
        rules == "own" and kind < 0.6 and s.en != "who" and noun.kind not in ("furniture", "role")
    ):
        several = noun in words.PAIRS or (noun.en in MANY_OWNED and d.chance(0.4)) or (habit and noun.kind == "clothes")
        several = several or (s.many and noun.kind in ("clothes", "object"))
        return thing(d, noun, "my", several, dressed if noun.kind != "kin" else None, owner=s)
    if habit:
        return thing(
            d,
            noun,
            "the",
            noun.kind in ("animal", "role") or noun.en in ("plate", "glass", "window") or frame.verb.en == "wash",
        )
    if noun in words.PAIRS or (
        d.chance(0.3) and noun.kind not in ("room", "mass", "drink", "home") and noun.en not in ("dinner", "radio")
    ):
        return thing(d, noun, d.of(("the", "this")), True, dressed)
    return thing(d, noun, d.of(("the", "the", "this")), False, dressed)


MANY_OWNED = tuple(
    [
        "key",
        "pen",
        "notebook",
        "photo",
        "toy",
        "gift",
        "ticket",
        "suitcase",
        "bag",
        "shirt",
        "sweater",
        "dog",
        "cat",
        "horse",
        "rabbit",
        "hen",
        "duck",
        "cow",
        "goat",
    ]
)


def quantity(d: Draw, noun: Noun) -> Pair:
    """a lot of apples, a bottle of milk, too much sugar."""
    d.note("noun", noun.en)
    counted = noun.kind not in ("mass", "drink")
    en, fr = (noun.en_plural, noun.fr_plural) if counted else (noun.en, noun.fr)
    kind = d.rng.random()
    if kind < 0.35:
        d.note("a lot of", noun.en)
        return f"a lot of {en}", f"beaucoup de {fr}"
    if kind < 0.55:
        return f"too {'many' if counted else 'much'} {en}", f"trop de {fr}"
    if kind < 0.75:
        return (f"a few {en}", f"quelques {fr}") if counted else (f"a little {en}", f"un peu de {fr}")
    if noun.kind == "drink":
        box, vessel = d.of(pairs("a glass = un verre; a bottle = une bouteille; a liter = un litre"))
        if noun.en in ("tea", "coffee"):
            box, vessel = "a cup", "une tasse"
    elif counted:
        box, vessel = d.of(pairs("a kilo = un kilo; a pound = une livre"))
    else:
        box, vessel = (
            ("a jar", "un pot")
            if noun.en in ("jam", "honey")
            else ("a plate", "une assiette")
            if noun.en in ("soup", "salad", "rice")
            else ("a piece", "un morceau")
            if noun.en in ("bread", "cheese", "meat", "fish", "chicken", "chocolate", "ham", "butter")
            else ("a little", "un peu")
        )
        if box == "a little":
            return f"a little {en}", f"un peu de {fr}"
    return f"{box} of {en}", f"{vessel} de {fr}"


def to_place(noun: Noun) -> Pair:
    """to the hotel, à l'hôtel."""
    return f"to the {noun.en}", f"à {'la' if noun.gender == 'f' else '°le'} {noun.fr}"


def country_in(country: tuple[str, str, str]) -> str:
    """en Italie, au Japon, aux Pays-Bas, en Iran."""
    _, fr, gender = country
    return f"aux {fr}" if gender == "p" else f"en {fr}" if gender == "f" or french.opens_with_vowel(fr) else f"au {fr}"


def country_from(country: tuple[str, str, str]) -> str:
    """d'Italie, du Japon, des Pays-Bas."""
    _, fr, gender = country
    return f"des {fr}" if gender == "p" else f"de {fr}" if gender == "f" or french.opens_with_vowel(fr) else f"du {fr}"
