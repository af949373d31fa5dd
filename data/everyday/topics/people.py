"""Names, ages, trades, countries, languages, moods and what causes them."""

from .. import english, french
from .. import lexicon as words
from ..core import NOTHING, Draw, Pair, Subject, pairs
from ..grammar import clause, finish
from ..registry import (
    country_from,
    country_in,
    date,
    pattern,
)
from ..subjects import HE, SHE, I, couple, kin, name, someone, you
from ..verbs import (
    BE,
    VERB,
)


def be_pair(
    d: Draw, s: Subject, adjective: words.Adjective, tense: str = "present", negation: str = "", question: bool = False
) -> Pair:
    """She is tired, elle est fatiguée."""
    d.note("adjective", adjective.en)
    d.note("said of one" if not s.many else "said of several", adjective.en)
    return clause(
        d,
        s,
        BE,
        tense,
        (adjective.en, french.agree(adjective.fr, s.gender, s.many)),
        negation=negation,
        question=question,
    )


@pattern(0.5)
def my_name_is(d: Draw) -> Pair:
    """Her brother's name is Paul."""
    s = d.of((I, HE, SHE)) if d.chance(0.2) else kin(d)
    gender = s.gender or d.of("mf")
    first = d.of(words.MEN if gender == "m" else words.WOMEN)
    owner = f"{s.possessive[0]} name" if s.word == "" else f"{s.en}'s name"
    return finish(d, (f"{owner} is {first}", f"{s.fr} {'me' if s is I else 'se'} {s.form('appeler')} {first}"))


@pattern(1)
def age(d: Draw) -> Pair:
    """Her aunt is fifty-one years old. Paul, how old are you?"""
    if d.chance(0.2):
        s = d.of((you(d), kin(d), name(d)))
        if s.person == 2:
            return finish(d, ("how old are you", f"quel âge {s.form('avoir')}-{s.fr}"), s, "?")
        return finish(d, (f"how old is {s.en}", f"quel âge a {s.fr}"), None, "?")
    s = someone(d, single=True, second=False)
    n = (
        d.between(4, 12)
        if s.minor
        else d.between(60, 90)
        if s.word.startswith("grand")
        else d.between(18, 30)
        if s.word == "student"
        else d.between(30, 65)
        if s.word
        else d.between(18, 69)
    )
    if d.chance(0.6):
        return finish(
            d, (f"{s.en} {s.be} {english.number(n)} years old", f"{s.fr} {s.form('avoir')} {french.number(n)} ans")
        )
    return finish(d, (f"{s.en} {s.be} {n} years old", f"{s.fr} {s.form('avoir')} {n} ans"))


@pattern(1)
def trade(d: Draw) -> Pair:
    """Her sister is a lawyer. Marie wants to become an engineer."""
    s = someone(d, gendered=True, second=False)
    while s.word in [
        n.en for n in words.ROLES if n.en not in ("man", "woman", "boy", "girl", "neighbor", "tourist")
    ] or (s.en in ("he", "she") and d.chance(0.5)):
        s = someone(d, gendered=True, second=False)
    en, masculine, feminine = d.of(words.TRADES)
    fr = feminine if s.gender == "f" else masculine
    fr = french.plural_of(fr) if s.many else fr
    en = english.plural_of(en) if s.many else f"{english.article(en)} {en}"
    kind = d.rng.random()
    if kind < 0.45 and not s.minor:
        return finish(d, clause(d, s, BE, "present", (en, fr), negation=d.of(("", "", "", "not", "no longer"))))
    if kind < 0.7:
        return finish(d, clause(d, s, VERB["want"], "present", (f"to become {en}", f"devenir {fr}")))
    if kind < 0.85 and not s.minor:
        return finish(d, clause(d, s, BE, "used", (en, fr)))
    return finish(d, clause(d, s, VERB["become"], "near", (en, fr)))


@pattern(1)
def nationality(d: Draw) -> Pair:
    """The nurse is Portuguese. Is your... Paul, are you Belgian?"""
    s = someone(d, gendered=True)
    question = d.chance(0.8 if s.person == 2 else 0.15)
    a = d.of(words.NATIONALITIES)
    return finish(
        d,
        be_pair(d, s, a, negation="not" if d.chance(0.2) and not question else "", question=question),
        s,
        "?" if question else ".",
    )


@pattern(1)
def origin(d: Draw) -> Pair:
    """Our neighbor comes from Japan."""
    s = someone(d, second=False)
    country = d.of(words.COUNTRIES)
    d.note("from", country[0])
    return finish(
        d,
        clause(
            d,
            s,
            VERB["come"],
            "present",
            (f"from {country[0]}", country_from(country)),
            negation="not" if d.chance(0.15) else "",
        ),
        s,
    )


@pattern(1.2)
def home_country(d: Draw) -> Pair:
    """They have lived in Canada for six years. She used to live in Rome."""
    s = someone(d, second=False)
    if d.chance(0.5):
        country = d.of(words.COUNTRIES)
        d.note("in", country[0])
        en, fr = f"in {country[0]}", country_in(country)
    else:
        city = d.of(words.CITIES)
        en, fr = f"in {city[0]}", f"à {city[1]}"
    kind, live = d.rng.random(), VERB["live"]
    if kind < 0.3:
        return finish(d, clause(d, s, live, "present", (en, fr), negation="not" if d.chance(0.3) else ""), s)
    if kind < 0.5:
        return finish(d, clause(d, s, live, "used", (en, fr)), s)
    n = d.between(2, 20)
    since = (
        (f"for {english.number(n)} years", f"depuis {french.number(n)} ans")
        if d.chance(0.5)
        else (f"since {1980 + n * 2}", f"depuis {1980 + n * 2}")
    )
    have = s.has
    verb = d.of(pairs("lived = habiter; worked = travailler"))
    d.note("since", verb[0])
    return finish(d, (f"{s.en} {have} {verb[0]} {en} {since[0]}", f"{s.fr} {s.form(verb[1])} {fr} {since[1]}"), s)


@pattern(1)
def languages(d: Draw) -> Pair:
    """My uncle speaks Italian very well. We are learning Japanese."""
    s = someone(d, second=False)
    en, fr = d.of(words.LANGUAGES)
    kind = d.rng.random()
    if kind < 0.5:
        how = d.of(pairs("very well = très bien; well = bien; a little = un peu"))
        return finish(d, clause(d, s, VERB["speak"], "present", (f"{en} {how[0]}", f"{how[1]} {fr}")), s)
    if kind < 0.7:
        return finish(d, clause(d, s, VERB["speak"], "present", (en, fr), negation=d.of(("not", "never"))), s)
    if kind < 0.9:
        return finish(
            d,
            clause(d, s, VERB[d.of(("learn", "study"))], "progressive", (en, f"°le {fr}")),
            s,
            time=d.of(
                pairs(
                    """
        at school = à l'école; at the moment = en ce moment; at the university = à l'université
        """
                )
            ),
        )
    other = d.of(words.LANGUAGES)
    return (
        finish(
            d,
            clause(
                d, s, VERB["understand"], "present", (f"{en} but not {other[0]}", f"°le {fr} mais pas °le {other[1]}")
            ),
            s,
        )
        if other[0] != en
        else finish(d, clause(d, s, VERB["speak"], "present", (en, fr)), s)
    )


@pattern(2)
def mood(d: Draw) -> Pair:
    """Marie is very tired today. Sir, are you ready?"""
    s = someone(d, gendered=True)
    a = d.of(words.MOODS)
    question = d.chance(0.7 if s.person == 2 else 0.15)
    tense = d.of(("present", "present", "was"))
    negation = "not" if d.chance(0.25) and not question else ""
    time = d.of((("today", "aujourd'hui"), ("this morning", "ce matin"), ("at the moment", "en ce moment"), NOTHING))
    if tense == "was":
        time = d.of(pairs("yesterday = hier; yesterday evening = hier soir; last week = la semaine dernière"))
    en, fr = be_pair(d, s, a, "habit" if tense == "was" else tense, negation, question)
    return finish(d, (en, fr), s, "?" if question else ".", time=time)


@pattern(1)
def trait(d: Draw) -> Pair:
    """Her brothers are very funny. Paul looks serious."""
    s = someone(d, gendered=True)
    a = d.of(words.TRAITS)
    if d.chance(0.3):
        much = d.of(pairs("very = très; too = trop; really = vraiment"))
        a = words.Adjective(f"{much[0]} {a.en}", f"{much[1]} {a.fr}")
        return finish(d, be_pair(d, s, a), s)
    if d.chance(0.4):
        d.note("adjective", a.en)
        seem = "seems" if s.third else "seem"
        return finish(
            d, (f"{s.en} {seem} {a.en}", f"{s.fr} {s.form('sembler')} {french.agree(a.fr, s.gender, s.many)}"), s
        )
    return finish(d, be_pair(d, s, a, d.of(("present", "used")), ""), s)


@pattern(1.5)
def mood_because(d: Draw) -> Pair:
    """Marie is tired because she slept badly."""
    s = someone(d, gendered=True, third=True)
    again = s.again()
    mood_en, mood_fr, reasons = d.of(REASONS)
    reason = d.of(reasons)
    en, fr = be_pair(d, s, words.Adjective(mood_en, mood_fr))
    verb_name, tense, (what_en, what_fr), negation = reason
    if what_fr.startswith("<"):  # elle a mal dormi: before the participle
        en2, fr2 = clause(d, again, VERB[verb_name], tense, (what_en, ""), adverb=("", what_fr[1:]))
    else:
        en2, fr2 = clause(d, again, VERB[verb_name], tense, (what_en, what_fr), negation=negation)
    mine = dict(zip(("MY", "MON", "MA", "MES"), again.possessive, strict=True))
    en2, fr2 = (" ".join(mine.get(w, w) for w in text.split()) for text in (en2, fr2))
    return finish(d, (f"{en} because {en2}", f"{fr} parce que {fr2}"))


Reason = tuple[str, str, Pair, str]


REASONS: tuple[tuple[str, str, tuple[Reason, ...]], ...] = (
    (
        "tired",
        "fatigué",
        (
            ("work", "past", ("a lot", "<beaucoup"), ""),
            ("sleep", "past", ("badly", "<mal"), ""),
            ("dance", "past", ("all night", "toute la nuit"), ""),
            ("walk", "past", ("a lot", "<beaucoup"), ""),
            ("have", "present", ("too much work", "trop de travail"), ""),
        ),
    ),
    (
        "happy",
        "heureux",
        (
            ("find", "past", ("MY keys", "MES clés"), ""),
            ("receive", "past", ("a letter", "une lettre"), ""),
            ("find", "past", ("a job", "un travail"), ""),
            ("buy", "past", ("a house", "une maison"), ""),
        ),
    ),
    (
        "sad",
        "triste",
        (
            ("lose", "past", ("MY dog", "MON chien"), ""),
            ("lose", "past", ("MY ring", "MA bague"), ""),
            ("have", "present", ("any friends", "de amis"), "not"),
            ("receive", "past", ("any letters", "de lettres"), "not"),
        ),
    ),
    (
        "late",
        "en retard",
        (
            ("wake up", "past", ("too late", "trop tard"), ""),
            ("find", "past", ("MY keys", "MES clés"), "not"),
            ("get lost", "past", NOTHING, ""),
        ),
    ),
    (
        "worried",
        "inquiet",
        (
            ("lose", "past", ("MY passport", "MON passeport"), ""),
            ("receive", "past", ("any news", "de nouvelles"), "not"),
            ("have", "present", ("any money", "de argent"), "not"),
        ),
    ),
    (
        "angry",
        "en colère",
        (
            ("lose", "past", ("MY wallet", "MON portefeuille"), ""),
            ("break", "past", ("MY watch", "MA montre"), ""),
            ("lose", "past", ("MY keys", "MES clés"), ""),
        ),
    ),
    (
        "sick",
        "malade",
        (
            ("eat", "past", ("too many cherries", "trop de cerises"), ""),
            ("eat", "past", ("too much chocolate", "trop de chocolat"), ""),
            ("drink", "past", ("too much wine", "trop de vin"), ""),
        ),
    ),
    (
        "furious",
        "furieux",
        (("break", "past", ("MY phone", "MON téléphone"), ""), ("lose", "past", ("MY ticket", "MON billet"), "")),
    ),
    (
        "busy",
        "occupé",
        (
            ("have", "present", ("a lot of work", "beaucoup de travail"), ""),
            ("prepare", "progressive", ("dinner", "°le dîner"), ""),
            ("write", "progressive", ("a report", "un rapport"), ""),
        ),
    ),
)


@pattern(0.8)
def born(d: Draw) -> Pair:
    """Marie was born in Lyon on June 12, 1987."""
    s = someone(d, gendered=True, third=True, single=True)
    on = date(d)
    year = d.between(1950, 2005)
    city = d.of(words.CITIES)
    d.note("in city", city[0])
    born_fr = f"{s.fr} est {french.agree('né', s.gender, False)}"
    kind = d.rng.random()
    if kind < 0.5:
        return finish(d, (f"{s.en} was born on {on[0]}, {year}", f"{born_fr} °le {on[1]} {year}"))
    if kind < 0.8:
        return finish(d, (f"{s.en} was born in {city[0]} in {year}", f"{born_fr} à {city[1]} en {year}"))
    country = d.of(words.COUNTRIES)
    return finish(d, (f"{s.en} was born in {country[0]} in {year}", f"{born_fr} {country_in(country)} en {year}"))


@pattern(0.5)
def this_is_friend(d: Draw) -> Pair:
    """This is my friend Marie; she is a journalist."""
    who = name(d)
    en, masculine, feminine = d.of(words.TRADES)
    owner = d.of((("my", "ma" if who.gender == "f" else "mon"), ("our", "notre")))
    ami = "amie" if who.gender == "f" else "ami"
    again = who.again()
    a = d.of(words.NATIONALITIES)
    if d.chance(0.5):
        end = (
            f"{again.en} is {english.article(en)} {en}",
            f"{again.fr} est {feminine if who.gender == 'f' else masculine}",
        )
    else:
        end = (f"{again.en} is {a.en}", f"{again.fr} est {french.agree(a.fr, who.gender, False)}")
    return finish(d, (f"this is {owner[0]} friend {who.en}; {end[0]}", f"voici {owner[1]} {ami} {who.fr} ; {end[1]}"))


@pattern(0.5)
def pair_of_people(d: Draw) -> Pair:
    """Marie and Paul got married three years ago. They... love each other."""
    s = couple(d)
    if d.chance(0.5):
        n = d.between(2, 30)
        year = d.between(1980, 2020)
        time = (
            (f"{english.number(n)} years ago", f"il y a {french.number(n)} ans")
            if d.chance(0.5)
            else (f"in {year}", f"en {year}")
        )
        return finish(d, clause(d, s, VERB["get married"], "past"), time=time)
    v, fr = d.of(
        pairs(
            """
        know each other well = se connaissent bien; love each other = s'aiment
        call each other every day = s'appellent tous les jours; often see each other = se voient souvent
        """
        )
    )
    return finish(d, (f"{s.en} {v}", f"{s.fr} {fr}"))
