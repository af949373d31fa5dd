"""The bilingual grammar: noun phrases, clauses, pronouns and the finished sentence, in both languages at once.

Everything returns a pair or an object with `en` and `fr`. French is written with its words in full; `french.realise`
joins them. A `Draw` makes every choice, and notes which word it put into which construction, so that the split can
withhold some of these combinations from training.
"""

import re

from . import english, french
from . import lexicon as words
from .core import NOTHING, Clitic, Draw, Pair, Phrase, Subject
from .lexicon import Adjective, Noun
from .subjects import definite
from .verbs import BE, Verb


def adjective_for(d: Draw, noun: Noun) -> Adjective | None:
    """One that can be said of this noun."""
    options = words.ADJECTIVES.get(noun.kind)
    if noun.en in words.COLORED and d.chance(0.6):
        options = words.COLORS
    options = tuple(a for a in options or () if noun.en not in words.UNFIT.get(a.en, ()))
    return d.of(options) if options else None


def thing(
    d: Draw,
    noun: Noun,
    determiner: str,
    plural: bool = False,
    adjective: Adjective | None = None,
    negated: bool = False,
    owner: Subject | None = None,
) -> Phrase:
    """A noun phrase. `determiner`: the, a, some, bare, this, my, lots, or a number from 2 to 99.

    After a negation `a`, `some` and `bare` become `de` in French, and `some` becomes `any`.
    """
    d.note("noun", noun.en)
    gender = noun.gender
    en, fr = (noun.en_plural, noun.fr_plural) if plural else (noun.en, noun.fr)
    if adjective:
        d.note("adjective", adjective.en)
        d.note("adjective with plural noun" if plural else "adjective with singular noun", adjective.en)
        en = f"{adjective.en} {en}"
        form = french.agree(adjective.fr, gender, plural)
        if adjective.before:
            fr = ("°" if form in ("beau", "nouveau", "vieux") and not plural else "") + form + " " + fr
        else:
            fr = f"{fr} {form}"
    if determiner == "the":
        en = f"the {en}"
        fr = ("°les " if plural else "la " if gender == "f" else "°le ") + fr
    elif determiner == "a":
        en = f"{english.article(en)} {en}"
        fr = ("de " if negated else "une " if gender == "f" else "un ") + fr
    elif determiner in ("some", "bare"):
        if determiner == "some":
            en = ("any " if negated else "some ") + en
        if negated or (plural and adjective and adjective.before):
            fr = "de " + fr
        else:
            fr = ("des " if plural else "de la " if gender == "f" else "de °le ") + fr
    elif determiner == "this":
        d.note("this, these", noun.en)
        en = ("these " if plural else "this ") + en
        fr = ("ces " if plural else "cette " if gender == "f" else "ce ") + fr
    elif determiner == "my":
        if owner is None:
            raise ValueError("determiner 'my' needs an owner.")
        en_my, masculine, feminine, several = owner.possessive
        # before a vowel the realisation turns ma into mon, looking at the word that really follows
        en, fr = f"{en_my} {en}", (several if plural else feminine if gender == "f" else masculine) + " " + fr
    elif determiner == "lots":
        d.note("a lot of", noun.en)
        en, fr = f"a lot of {en}", f"beaucoup de {fr}"
    else:
        n = int(determiner)
        en, fr = f"{english.number(n)} {en}", f"{french.number(n, gender)} {fr}"
    return Phrase(en, fr, gender, plural, noun.en, noun.human)


def generic(d: Draw, noun: Noun) -> Phrase:
    """All of a kind: apples, les pommes; bread, le pain."""
    d.note("noun", noun.en)
    d.note("in general", noun.en)
    plural = noun.kind not in ("mass", "drink")
    return Phrase(noun.en_plural if plural else noun.en, definite(noun, plural), noun.gender, plural, noun.en)


THERE, SOME_OF_IT = Clitic("there", "y"), Clitic("some", "en")


def pronoun(d: Draw, phrase: Phrase) -> Clitic:
    """it, him, her, them; le, la, les."""
    if phrase.word:
        d.note("object pronoun", phrase.word)
    en = "them" if phrase.plural else "it" if not phrase.human else "him" if phrase.gender == "m" else "her"
    fr = "les" if phrase.plural else "la" if phrase.gender == "f" else "le"
    return Clitic(en, fr, (phrase.gender, phrase.plural))


def to_whom(subject: Subject) -> Clitic:
    """him, her, them; lui, leur."""
    en = {"he": "him", "she": "her", "they": "them"}[subject.key]
    return Clitic(en, "leur" if subject.plural else "lui")


NEGATIONS = {"": "", "not": "pas", "never": "jamais", "no longer": "plus"}
PAST, HABITS = ("past", "perfect"), ("used", "habit", "was")


def english_clause(s: Subject, v: Verb, tense: str, negation: str, adverb: str, question: bool) -> str:
    """Subject and verb, with do, be, have, will where English wants them."""
    agreement = (s.person, s.plural)
    base, third = v.en, s.person == 3 and not s.plural
    have = "has" if third else "have"
    helped = negation == "not" or question
    aux, main = "", ""
    if tense == "progressive":
        aux, main = english.be(*agreement), v.ing
    elif tense == "was":
        aux, main = english.be(*agreement, past=True), v.ing
    elif tense == "near":
        aux, main = english.be(*agreement), f"going to {base}"
    elif tense == "future":
        aux, main = "will", base
    elif tense == "used":
        main = f"used to {base}"
    elif tense == "perfect" or (tense == "past" and (negation == "never" or adverb == "already")):
        aux, main = have, v.participle
    elif tense in ("past", "habit"):
        if v == BE:
            aux = english.be(*agreement, past=True)
        elif helped:
            aux, main = "did", base
        else:
            main = v.past
    elif v == BE:
        aux = english.be(*agreement)
    elif v.modal:
        aux = base
    elif helped:
        aux, main = ("does" if third else "do"), base
    else:
        main = v.third if third else base
    middle = adverb or negation
    order = (aux, s.en, middle, main, v.particle) if question else (s.en, aux, middle, main, v.particle)
    return " ".join(filter(None, order))


REFLEXIVE = {"I": "me", "tu": "te", "he": "se", "she": "se", "we": "nous", "vous": "vous", "they": "se"}


def french_clause(
    s: Subject,
    v: Verb,
    tense: str,
    negation: str,
    adverb: str,
    clitic: Clitic | None,
    question: bool,
    agrees: bool = True,
) -> str:
    """Subject, ne, pronouns, verb, pas, participle, in their order, with the agreement of the participle."""
    before = (REFLEXIVE[s.key] + " " if v.reflexive else "") + (clitic.fr + " " if clitic else "")
    after = ""
    if tense == "near":
        finite, after = french.conjugate("aller", "present", s.person, s.plural), before + v.fr
        before = ""
    elif tense in PAST:
        finite = french.conjugate("être" if v.goes else "avoir", "present", s.person, s.plural)
        after = french.participle(v.fr)
        if v.goes and agrees:
            if not s.gender:
                raise ValueError(f"the participle of {v.fr!r} needs a subject whose gender shows. Received: {s.en!r}.")
            after = french.agree(after, s.gender, s.many)
        elif clitic and clitic.agreement:
            after = french.agree(after, *clitic.agreement)
    else:
        mood = "imperfect" if tense in HABITS else "future" if tense == "future" else "present"
        finite = french.conjugate(v.fr, mood, s.person, s.plural)
    inverted = question and s.formal
    ne = "ne " if negation else ""
    core = f"{ne}{before}{finite}" + (f"-{s.fr}" if inverted else "")
    text = " ".join(filter(None, (core, NEGATIONS[negation], adverb, after)))
    if inverted:
        return text
    return ("est-ce que " if question else "") + f"{s.fr} {text}"


def clause(
    d: Draw,
    s: Subject,
    v: Verb,
    tense: str = "present",
    obj: Pair = NOTHING,
    *,
    negation: str = "",
    adverb: Pair = NOTHING,
    clitic: Clitic | None = None,
    question: bool = False,
    agrees: bool = True,
) -> Pair:
    """Subject, verb and object. `tense`: present, progressive, past, perfect, used, habit, was, near, future.

    used, habit and was are three English ways to the imparfait; `agrees=False` is for `elle s'est lavé les mains`.
    """
    d.note("verb", v.name)
    shape = "question" if question else f"negative {tense}" if negation else tense
    d.note(shape, v.name)
    en = english_clause(s, v, tense, negation, adverb[0], question)
    fr = french_clause(s, v, tense, negation, adverb[1], clitic, question, agrees)
    return f"{en} {clitic.en if clitic else ''} {obj[0]}", f"{fr} {obj[1]}"


def infinitive(d: Draw, s: Subject, v: Verb, obj: Pair = NOTHING, clitic: Clitic | None = None) -> Pair:
    """(to) eat it; la manger; me lever."""
    d.note("verb", v.name)
    d.note("infinitive", v.name)
    before = (REFLEXIVE[s.key] + " " if v.reflexive else "") + (clitic.fr + " " if clitic else "")
    return f"{v.name} {clitic.en if clitic else ''} {obj[0]}", f"{before}{v.fr} {obj[1]}"


def finish(d: Draw, pair: Pair, s: Subject | None = None, mark: str = ".", time: Pair = NOTHING) -> Pair:
    """The sentence as it is printed: time and vocative placed, contractions, elisions, capital, final mark."""
    en, fr = pair
    addressed = s is not None and s.address != NOTHING
    if time != NOTHING:
        if not addressed and mark == "." and d.chance(0.35):
            en, fr = f"{time[0]}, {en}", f"{time[1]}, {fr}"
        else:
            en, fr = f"{en} {time[0]}", f"{fr} {time[1]}"
    if s is not None and addressed:
        if d.chance(0.6):
            en, fr = f"{s.address[0]}, {en}", f"{s.address[1]}, {fr}"
        else:
            en, fr = f"{en}, {s.aside[0]}", f"{fr}, {s.aside[1]}"
    en = en.replace("can not ", "cannot ")
    if d.chance(0.75):
        en = english.contract_not(en)
    if d.chance(0.4):
        en = english.contract_pronoun(en)
    en = re.sub(r"\s+([,.;:?!])", r"\1", re.sub(r" +", " ", f"{en}{mark}".strip()))
    fr = french.realise(re.sub(r"\s+([,.])", r"\1", f"{fr}{mark if mark == '.' else ' ' + mark}"))
    return en[0].upper() + en[1:], fr[0].upper() + fr[1:]
