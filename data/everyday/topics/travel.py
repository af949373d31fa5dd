"""Towns and countries: what is where, how one gets there, how long it takes."""

from .. import english, french
from .. import lexicon as words
from ..core import NOTHING, THERE, Draw, Pair, pairs
from ..grammar import adjective_for, clause, definite, finish, thing
from ..registry import (
    HABIT_TIMES,
    clock,
    country_in,
    future_time,
    past_time,
    pattern,
    to_place,
)
from ..subjects import someone, you
from ..verbs import (
    BE,
    VERB,
)

BESIDE: tuple[Pair, ...] = pairs(
    """
        next to = à côté de; in front of = devant; behind = derrière; near = près de; far from = loin de
        across from = en face de
        """
)


@pattern(2)
def there_is(d: Draw) -> Pair:
    """There is a pharmacy next to the bank. Is there a hotel near the station?"""
    one, other = d.two(words.PLACES)
    side = d.of([b for b in BESIDE if b[0] != "far from"])
    question, negation = d.chance(0.25), d.chance(0.2)
    if question:
        negation = False
    a = adjective_for(d, one) if d.chance(0.25) and not negation else None
    p = thing(d, one, "a", False, a, negation)
    where = (f"{side[0]} the {other.en}", f"{side[1]} {definite(other)}")
    if question:
        return finish(d, (f"is there {p.en} {where[0]}", f"est-ce qu'il y a {p.fr} {where[1]}"), None, "?")
    if negation:
        return finish(d, (f"there is no {one.en} {where[0]}", f"il n'y a pas {p.fr} {where[1]}"))
    return finish(d, (f"there is {p.en} {where[0]}", f"il y a {p.fr} {where[1]}"))


@pattern(1)
def where_is(d: Draw) -> Pair:
    """Excuse me, where is the train station? The bank is across from the church."""
    one, other = d.two(words.PLACES)
    if d.chance(0.4):
        excuse = d.of(pairs("excuse me = excusez-moi; Sir = Monsieur; Madam = Madame"))
        p = thing(d, one, "the", False, adjective_for(d, one) if d.chance(0.5) else None)
        return finish(d, (f"{excuse[0]}, where is {p.en}", f"{excuse[1]}, où est {p.fr}"), None, "?")
    side = d.of(BESIDE)
    p = thing(d, one, "the")
    return finish(d, (f"{p.en} is {side[0]} the {other.en}", f"{p.fr} est {side[1]} {definite(other)}"))


def day_past(d: Draw) -> Pair:
    """A time gone by that is long enough for a journey."""
    time = past_time(d)
    while any(part in time[0] for part in ("morning", "afternoon", "evening", "yesterday")):
        time = past_time(d)
    return time


@pattern(2)
def going(d: Draw) -> Pair:
    """Marie is going to the market. We went to Japan last year."""
    s = someone(d)
    go = VERB["go"]
    kind = d.rng.random()
    if kind < 0.4:
        country = d.of(words.COUNTRIES)
        d.note("to", country[0])
        to = (f"to {country[0]}", country_in(country))
    elif kind < 0.55:
        city = d.of(words.CITIES)
        to = (f"to {city[0]}", f"à {city[1]}")
    else:
        place = d.of(words.PLACES)
        d.note("to the", place.en)
        d.note("noun", place.en)
        to = to_place(place)
    far = kind < 0.55
    tense = d.of(("past", "future", "present", "perfect"))
    if tense in ("past", "perfect"):
        s = someone(d, gendered=True)
    if tense == "past":
        return finish(
            d,
            clause(d, s, go, "past", to, negation="not" if d.chance(0.25) else ""),
            s,
            time=day_past(d) if far else past_time(d, False),
        )
    if tense == "future":
        return finish(
            d,
            clause(d, s, go, d.of(("future", "near")), to, negation="not" if d.chance(0.2) else ""),
            s,
            time=future_time(d, far),
        )
    if tense == "perfect" and far:
        if d.chance(0.5):
            s = you(d)
            be_ever = "have you ever been"
            asked = "êtes-vous" if s.formal else f"est-ce que {s.fr} {s.form('être')}"
            return finish(
                d, (f"{be_ever} {to[0]}", f"{asked} déjà {french.agree('allé', s.gender, s.many)} {to[1]}"), s, "?"
            )
        have = s.has
        etre = s.form("être")
        return finish(
            d,
            (
                f"{s.en} {have} never been {to[0]}",
                f"{s.fr} ne {etre} jamais {french.agree('allé', s.gender, s.many)} {to[1]}",
            ),
            s,
        )
    time = (
        d.of(HABIT_TIMES)
        if not far
        else d.of(
            pairs(
                """
        every year = tous les ans; every summer = tous les étés; every winter = tous les hivers
        """
            )
        )
    )
    return finish(d, clause(d, s, go, "present", to, adverb=NOTHING), s, time=time)


@pattern(1)
def by_train(d: Draw) -> Pair:
    """My father goes to work by bike. The train to Lyon leaves at 6:45."""
    if d.chance(0.5):
        s = someone(d)
        where = d.of(
            pairs(
                """
        work = à °le travail; school = à l'école; the office = à °le bureau
        the university = à l'université; the market = à °le marché; the beach = à la plage
        """
            )
        )
        by = d.of(
            pairs(
                """
        by car = en voiture; by bus = en bus; by train = en train; by bike = à vélo; on foot = à pied
        by taxi = en taxi; by subway = en métro
        """
            )
        )
        tense = d.of(("present", "used", "near"))
        time = {"present": d.of(HABIT_TIMES[:9]), "used": NOTHING, "near": future_time(d, False)}[tense]
        return finish(
            d, clause(d, s, VERB["go"], tense, (f"to {where[0]} {by[0]}", f"{where[1]} {by[1]}")), s, time=time
        )
    city = d.of(words.CITIES)
    vehicle = ("plane", "avion") if city[0] in OVERSEAS else d.of(pairs("train = train; bus = bus; plane = avion"))
    t = clock(d)
    does, fait = d.of(pairs("leaves = part; arrives = arrive"))
    if does == "leaves":
        return finish(
            d,
            (f"the {vehicle[0]} to {city[0]} leaves at {t[0]}", f"°le {vehicle[1]} pour {city[1]} part à {t[1]}"),
            time=d.of((NOTHING, ("on Sundays", "°le dimanche"), ("every day", "tous les jours"))),
        )
    return finish(
        d, (f"the {vehicle[0]} from {city[0]} {does} at {t[0]}", f"°le {vehicle[1]} de {city[1]} {fait} à {t[1]}")
    )


OVERSEAS = ("Tokyo", "Montreal")


@pattern(0.8)
def it_takes(d: Draw) -> Pair:
    """It takes two hours to go to Lyon by train. The beach is two kilometers from the hotel."""
    if d.chance(0.5):
        one, other = d.two(words.PLACES)
        n = d.between(2, 20)
        unit = d.of(pairs("kilometers = kilomètres; minutes = minutes"))
        return finish(
            d,
            (
                f"the {one.en} is {english.number(n)} {unit[0]} from the {other.en}",
                f"{definite(one)} est à {french.number(n)} {unit[1]} de {definite(other)}",
            ),
        )
    n = d.between(2, 15)
    city = d.of(words.CITIES)
    by = d.of(pairs("by train = en train; by car = en voiture; by bus = en bus"))
    if city[0] in OVERSEAS:
        by = ("by plane", "en avion")
    return finish(
        d,
        (
            f"it takes {english.number(n)} hours to go to {city[0]} {by[0]}",
            f"il faut {french.number(n)} heures pour aller à {city[1]} {by[1]}",
        ),
    )


@pattern(1)
def there_again(d: Draw) -> Pair:
    """Marie loves Rome; she goes there every summer. (y)"""
    s = someone(d, second=False)
    again = s.again()
    city = d.of(words.CITIES)
    country = d.of(words.COUNTRIES)
    if d.chance(0.5):
        en, fr = city
    else:
        en, fr = country[0], {"f": "la ", "m": "°le ", "p": "°les "}[country[2]] + country[1]
        d.note("likes", country[0])
    love = clause(d, s, VERB["love"], "present", (en, fr))
    kind = d.rng.random()
    if kind < 0.5:
        time = d.of(
            pairs(
                """
        every summer = tous les étés; every year = tous les ans; every winter = tous les hivers
        twice a year = deux fois par an
        """
            )
        )
        en2, fr2 = clause(d, again, VERB["go"], "present", time, clitic=THERE)
    else:
        en2, fr2 = clause(d, again, VERB["go"], "near", future_time(d), clitic=THERE)
    return finish(d, (f"{love[0].strip()}; {en2}", f"{love[1].strip()} ; {fr2}"))


@pattern(1)
def directions(d: Draw) -> Pair:
    """Sir, turn left after the church, please."""
    s = you(d)
    n = 2, s.plural
    place, _other = d.two(words.PLACES)
    after = d.of(pairs("after = après; before = avant; in front of = devant"))
    deed = d.of(
        (
            (f"turn left {after[0]} the {place.en}", "{tourner} à gauche " + f"{after[1]} {definite(place)}"),
            (f"turn right {after[0]} the {place.en}", "{tourner} à droite " + f"{after[1]} {definite(place)}"),
            (f"go straight ahead to the {place.en}", "{aller} tout droit jusque " + to_place(place)[1]),
            (
                f"take the second street on the left after the {place.en}",
                "{prendre} la deuxième rue à gauche après " + definite(place),
            ),
            (
                f"take the first street on the right before the {place.en}",
                "{prendre} la première rue à droite avant " + definite(place),
            ),
            (f"wait for me {d.of(('in front of',))} the {place.en}", "{attendre}-moi devant " + definite(place)),
        )
    )
    verb = deed[1][1 : deed[1].index("}")]
    form = french.conjugate(verb, "imperative", *n) if verb != "aller" or s.plural else "va"
    return finish(d, (deed[0], deed[1].replace("{" + verb + "}", form)), s)


@pattern(0.8)
def booked(d: Draw) -> Pair:
    """I booked a room for three nights."""
    s = someone(d)
    noun = d.of(
        pairs(
            """
        a room = une chambre; a quiet room = une chambre calme; a table = une table
        a big room = une grande chambre
        """
        )
    )
    n = d.between(2, 9)
    end = (
        (f"for {english.number(n)} nights", f"pour {french.number(n)} nuits")
        if "room" in noun[0]
        else (f"for {english.number(n)} people", f"pour {french.number(n)} personnes")
    )
    book = type(BE)("book", "booked", "booked", "booking", "", "réserver")
    tense = d.of(("past", "near"))
    return finish(
        d,
        clause(d, s, book, tense, (f"{noun[0]} {end[0]}", f"{noun[1]} {end[1]}")),
        s,
        time=past_time(d, False) if tense == "past" else future_time(d, False),
    )
