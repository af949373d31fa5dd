"""Questions, reports, nobody and nothing."""

from .. import french
from ..core import NOTHING, Draw, Pair, Subject
from ..grammar import clause, finish
from ..registry import (
    NOW_TIMES,
    action,
    future_time,
    habit_time,
    past_time,
    pattern,
)
from ..subjects import I, someone
from ..verbs import FRAMES, HABITS, LASTING, VERB, WANTED


@pattern(2)
def asked(d: Draw) -> Pair:
    """Paul, did you buy any bread yesterday? Sir, are you looking for your umbrella?"""
    s = someone(d)
    while s.person == 1:
        s = someone(d)
    tense = d.of(("past", "present", "near", "progressive"))
    frames = {"past": FRAMES, "near": WANTED, "present": HABITS, "progressive": LASTING}[tense]
    _, f, o = action(d, frames, s=s, habit=tense == "present")
    time = {
        "past": past_time(d, f.rare),
        "near": future_time(d, f.rare),
        "present": habit_time(d, f.verb.name),
        "progressive": d.of(NOW_TIMES[:1]),
    }[tense]
    pair = clause(d, s, f.verb, tense, o.pair, question=True)
    return finish(d, pair, s, "?", time=time if d.chance(0.6) else ("", ""))


@pattern(0.7)
def who_did(d: Draw) -> Pair:
    """Who broke the window? Who is going to wash the plates?"""
    who = Subject("who", "qui", 3, False, "m", False)
    tense = d.of(("past", "near", "progressive"))
    frames = {"past": FRAMES, "near": WANTED, "progressive": LASTING}[tense]
    _, f, o = action(d, tuple(f for f in frames if f.impersonal), s=who)
    time = {"past": past_time(d, f.rare), "near": future_time(d, f.rare), "progressive": ("", "")}[tense]
    return finish(d, clause(d, who, f.verb, tense, o.pair), None, "?", time=time if d.chance(0.5) else ("", ""))


@pattern(1)
def said_that(d: Draw) -> Pair:
    """I think that Marie lost her passport."""
    s, other = someone(d, second=False), someone(d, third=True)
    if (other.en in ("he", "she") and s.person == 3) or s.word == other.word:
        s = I
    head = d.of(("think", "say", "know") if s.person == 3 else ("think", "know"))
    third = s.third
    think = {
        "think": ("thinks" if third else "think", "penser"),
        "say": ("says" if third else "say", "dire"),
        "know": ("knows" if third else "know", "savoir"),
    }[head]
    tense = d.of(("past", "near"))
    _, f, o = action(d, FRAMES if tense == "past" else WANTED, s=other)
    inner = clause(d, other, f.verb, tense, o.pair)
    fr = french.conjugate(think[1], "present", s.person, s.plural)
    return finish(d, (f"{s.en} {think[0]} that {inner[0]}", f"{s.fr} {fr} que {inner[1]}"), s)


OF_SOMETHING = (
    *("eat", "buy", "see", "understand", "forget", "find", "say", "drink", "sell", "write", "read"),
    *("finish", "prepare", "explain", "receive"),
)


@pattern(0.8)
def nothing_nobody(d: Draw) -> Pair:
    """She ate nothing yesterday. Nobody repaired the radio."""
    if d.chance(0.5):
        s = someone(d)
        v = VERB[d.of(OF_SOMETHING)]
        if d.chance(0.6) or v.name not in ("eat", "drink", "buy"):
            have = s.form("avoir")
            d.note("nothing", v.name)
            return finish(
                d,
                (f"{s.en} {v.past} nothing", f"{s.fr} ne {have} rien {french.participle(v.fr)}"),
                s,
                time=past_time(d, False),
            )
        en = v.third if s.third else v.en
        fr = s.form(v.fr)
        return finish(d, (f"{s.en} {en} nothing", f"{s.fr} ne {fr} rien"), s, time=habit_time(d, "eat"))
    nobody = Subject("nobody", "personne", 3, False, "m", False)
    _, f, o = action(d, tuple(f for f in FRAMES if f.impersonal), negated=True, s=nobody)
    time = past_time(d, False) if d.chance(0.5) else NOTHING
    return finish(
        d,
        (
            f"nobody {f.verb.past} {f.verb.particle} {o.en.replace('any ', '')}",
            f"personne ne a {french.participle(f.verb.fr)} {o.fr}",
        ),
        time=time,
    )
