"""The day: getting up, coming and going, hours, dates, appointments, games."""

from .. import french
from ..core import NOTHING, Draw, Pair, pairs
from ..grammar import clause, finish, infinitive
from ..registry import (
    HABIT_TIMES,
    SELDOM_TIMES,
    clock,
    date,
    future_time,
    past_time,
    pattern,
    weekday,
)
from ..subjects import someone, you
from ..verbs import ALONE, CAN, HAVE, MISHAPS, MOVES, MUST, ROUTINE, VERB


@pattern(1.5)
def routine(d: Draw) -> Pair:
    """I get up at seven o'clock every day. Did you have fun, girls?"""
    v = VERB[d.of(ROUTINE + MISHAPS)]
    kind = d.rng.random()
    if kind < 0.4:
        v = VERB[d.of(("get up", "wake up", "get up", "go to bed", "get dressed"))]
        s = someone(d)
        t = clock(d, 9, 11) if v.name == "go to bed" else clock(d, 5, 9)
        when = (
            d.of((HABIT_TIMES[0], HABIT_TIMES[1], HABIT_TIMES[4], HABIT_TIMES[5], HABIT_TIMES[6]))
            if v.name != "go to bed"
            else d.of(
                pairs(
                    """
        every day = tous les jours; on Mondays = le lundi; every evening = tous les soirs
        """
                )
            )
        )
        if when[0] == "every evening" and v.name != "go to bed":
            when = HABIT_TIMES[0]
        return finish(d, clause(d, s, v, "present", (f"at {t[0]} {when[0]}", f"à {t[1]} {when[1]}")), s)
    if kind < 0.6:
        s = someone(d, gendered=True)
        negation = "not" if d.chance(0.3) else ""
        return finish(d, clause(d, s, v, "past", negation=negation), s, time=past_time(d, False))
    if kind < 0.75:
        s = you(d)
        return finish(d, clause(d, s, v, "past", question=True), s, "?", time=past_time(d, False))
    s = someone(d)
    v = VERB[d.of([r for r in ROUTINE])]
    if kind < 0.85:
        head = d.of(("can", "must", "want"))
        en, fr = infinitive(d, s, v)
        time = future_time(d, False)
        if v.name in ("wake up", "get up", "go to bed", "get dressed"):
            time = (
                ("quickly", "vite")
                if v.name == "get dressed"
                else d.of(
                    (
                        ("early", "tôt"),
                        ("late", "tard"),
                        ("before her", "avant elle")
                        if s.gender == "m" and s.third
                        else ("early tomorrow", "tôt demain"),
                    )
                )
            )
            en, fr, time = f"{en} {time[0]}", f"{fr} {time[1]}", NOTHING
        if head == "want":
            return finish(d, clause(d, s, VERB["want"], "present", (f"to {en}", fr)), s, time=time)
        return finish(
            d,
            clause(
                d,
                s,
                CAN if head == "can" else MUST,
                "present",
                (en, fr),
                negation="not" if head == "can" and d.chance(0.5) else "",
            ),
            s,
            time=time,
        )
    v = VERB[d.of(("rest", "take a walk", "have fun", "get bored", "get lost"))]
    return finish(
        d,
        clause(d, s, v, "near", negation="not" if d.chance(0.3) or v.name == "get lost" else ""),
        s,
        time=future_time(d, False),
    )


@pattern(2)
def movement(d: Draw) -> Pair:
    """My sisters left at half past six. Paul, when did you come back?"""
    v = VERB[d.of(MOVES)]
    kind = d.rng.random()
    s = someone(d, gendered=kind < 0.7)
    if kind < 0.5:
        t = clock(d)
        obj = (
            (f"at {t[0]}", f"à {t[1]}")
            if d.chance(0.6)
            else d.of(
                (
                    ("early", "tôt"),
                    ("late", "tard"),
                    ("alone", french.agree("seul", s.gender, s.many)),
                    ("without saying anything", "sans rien dire"),
                )
            )
            if v.name != "arrive"
            else d.of(pairs("early = en avance; late = en retard"))
        )
        return finish(
            d, clause(d, s, v, "past", obj, negation="not" if d.chance(0.2) else ""), s, time=past_time(d, False)
        )
    if kind < 0.7:
        if s.person == 3 and d.chance(0.5):
            s = you(d)
        q = d.of(
            pairs("when = quand; why = pourquoi; with whom = avec qui")
            if v.name != "arrive"
            else pairs("when = quand; how = comment")
        )
        en, fr = clause(d, s, v, "past", question=True)
        return finish(d, (f"{q[0]} {en.strip()}", f"{q[1]} {fr.strip()}"), s, "?")
    t = clock(d)
    tense = d.of(("near", "future", "present"))
    time = future_time(d, False) if tense != "present" else d.of(HABIT_TIMES[:8])
    return finish(
        d,
        clause(
            d, s, v, tense, (f"at {t[0]}", f"à {t[1]}"), negation="not" if tense == "near" and d.chance(0.2) else ""
        ),
        s,
        time=time if time[0] not in ("every morning", "every evening", "tonight", "soon") else NOTHING,
    )


@pattern(1)
def alone(d: Draw) -> Pair:
    """My father doesn't smoke anymore. She can swim very well."""
    s = someone(d)
    v = VERB[d.of(ALONE)]
    kind = d.rng.random()
    if kind < 0.3:
        return finish(d, clause(d, s, v, "present", negation=d.of(("never", "no longer"))), s)
    if kind < 0.6:
        how = d.of(
            pairs(
                """
        too much = trop; a lot = beaucoup; less than before = moins qu'avant
        more than before = plus qu'avant
        """
            )
        )
        return finish(d, clause(d, s, v, "present", how), s)
    if kind < 0.8:
        v = VERB[d.of(("swim", "dance", "cook", "sing", "run", "work"))]
        how = d.of(
            pairs(
                """
        very well = très bien; badly = mal; with friends = avec des amis; every day = tous les jours
        """
            )
        )
        return finish(d, clause(d, s, v, "present", how), s)
    en, fr = infinitive(d, s, v)
    head, _ = d.of(pairs("like = aimer; love = adorer; hate = détester"))
    return finish(
        d,
        clause(
            d, s, VERB[head], "present", (f"to {en}", fr), negation="not" if head == "like" and d.chance(0.4) else ""
        ),
        s,
    )


@pattern(1)
def playing(d: Draw) -> Pair:
    """Marie plays the piano every evening. Do you play chess, Paul?"""
    s = someone(d)
    what = d.of(
        pairs(
            """
        the piano = de °le piano; the guitar = de la guitare; the violin = de °le violon
        soccer = à °le football; tennis = à °le tennis; chess = à °les échecs; cards = à °les cartes
        basketball = à °le basket
        """
        )
    )
    tense = d.of(("present", "used", "near", "past"))
    question = s.person == 2 and tense in ("present", "past")
    time = {"present": d.of(HABIT_TIMES), "used": NOTHING, "near": future_time(d, False), "past": past_time(d, False)}[
        tense
    ]
    negation = "not" if d.chance(0.2) and not question and tense != "used" else ""
    if negation and tense == "present":
        time = d.of(SELDOM_TIMES)
    return finish(
        d,
        clause(d, s, VERB["play"], tense, what, negation=negation, question=question),
        s,
        "?" if question else ".",
        time=time,
    )


@pattern(1)
def dates(d: Draw) -> Pair:
    """Today is Monday, March 3. My sister's birthday is on May 1."""
    day, on = weekday(d), date(d)
    kind = d.rng.random()
    if kind < 0.3:
        return finish(d, (f"today is {day[0]}, {on[0]}", f"nous sommes °le {day[1]} {on[1]}"))
    if kind < 0.6:
        s = someone(d, third=True, single=True)
        owner = f"{s.en}'s" if s.en not in ("he", "she") else s.possessive[0]
        of = f"°le anniversaire de {s.fr}" if s.en not in ("he", "she") else "son anniversaire"
        return finish(d, (f"{owner} birthday is on {on[0]}", f"{of} est °le {on[1]}"))
    what = d.of(
        pairs(
            """
        the exam = l'examen; the party = la fête; the meeting = la réunion; the wedding = °le mariage
        the concert = °le concert; the match = °le match
        """
        )
    )
    return finish(d, (f"{what[0]} is on {day[0]}, {on[0]}", f"{what[1]} est °le {day[1]} {on[1]}"))


@pattern(1.2)
def appointments(d: Draw) -> Pair:
    """I have a meeting at 10:15 on Tuesday. The concert starts at half past eight."""
    t, day = clock(d, 8, 11), weekday(d)
    if d.chance(0.5):
        s = someone(d)
        what = d.of(
            pairs(
                """
        a meeting = une réunion; an exam = un examen; a French class = un cours de français
        an appointment with the doctor = rendez-vous avec °le médecin
        an appointment with the dentist = rendez-vous avec °le dentiste
        """
            )
        )
        if what[0].startswith("an app") and s.word in ("doctor", "dentist"):
            what = ("a meeting", "une réunion")
        return finish(
            d, clause(d, s, HAVE, "present", (f"{what[0]} on {day[0]} at {t[0]}", f"{what[1]} {day[1]} à {t[1]}")), s
        )
    what = d.of(
        pairs(
            """
        the movie = °le film; the concert = °le concert; the party = la fête; the meeting = la réunion
        the French class = °le cours de français; the exam = l'examen
        """
        )
    )
    verb = d.of(pairs("starts = commence; ends = se termine"))
    on = (f"on {day[0]}", day[1]) if d.chance(0.6) else NOTHING
    return finish(d, (f"{what[0]} {verb[0]} {on[0]} at {t[0]}", f"{what[1]} {verb[1]} {on[1]} à {t[1]}"))


@pattern(0.5)
def what_time(d: Draw) -> Pair:
    """It is half past seven. Excuse me, what time is it?"""
    t = clock(d, 2, 12)
    now = d.of(
        pairs(
            """
        it is {} now = il est {} maintenant; it is already {} = il est déjà {}; it is {} = il est {}
        """
        )
    )
    return finish(d, (now[0].format(t[0]), now[1].format(t[1])))
