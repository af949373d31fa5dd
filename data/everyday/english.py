"""English forms: plurals, third persons, `a` and `an`, numbers, the auxiliaries of a clause, contractions."""

import re

VOWEL_SOUND_NOT = ("uni", "use", "one", "eur")  # a university, a useful book


def article(following: str) -> str:
    """`a` or `an`, by the word that follows."""
    word = following.lower()
    return "an" if word[0] in "aeiou" and not word.startswith(VOWEL_SOUND_NOT) else "a"


def plural_of(noun: str) -> str:
    """Regular plural; the lexicon states the exceptions."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def third_person(verb: str) -> str:
    """Present, third person singular."""
    irregular = {"have": "has", "go": "goes", "do": "does", "be": "is"}
    return irregular.get(verb) or plural_of(verb)


def past_of(verb: str) -> str:
    """Regular simple past."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + ("d" if verb.endswith("e") else "ed")


def ing_of(verb: str) -> str:
    """Regular present participle."""
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"


def be(person: int, plural: bool, past: bool = False) -> str:
    """The finite form of `be`; `you` counts as plural."""
    if past:
        return "were" if plural or person == 2 else "was"
    return "are" if plural or person == 2 else "am" if person == 1 else "is"


def comparative(adjective: str) -> str:
    """taller, bigger, happier, more patient."""
    special = {"good": "better", "bad": "worse", "big": "bigger", "sad": "sadder", "hot": "hotter"}
    if adjective in special:
        return special[adjective]
    if adjective.endswith("y") and len(adjective) <= 6:
        return adjective[:-1] + "ier"
    short = len(re.findall(r"[aeiouy]+", adjective.removesuffix("e"))) == 1 and not adjective.endswith("ed")
    return adjective.removesuffix("e") + "er" if short else "more " + adjective


def superlative(adjective: str) -> str:
    """tallest, most patient."""
    form = {"good": "best", "bad": "worst"}.get(adjective)
    if form:
        return form
    form = comparative(adjective)
    return form.replace("more ", "most ", 1) if form.startswith("more ") else form[:-1] + "st"


UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def number(n: int) -> str:
    """A number from 0 to 99 in words."""
    if n < 20:
        return UNITS[n]
    return TENS[n // 10] + ("-" + UNITS[n % 10] if n % 10 else "")


NOT = re.compile(r"\b(do|does|did|is|are|was|were|has|have|will|can|must|should|would) not\b")
SHORT_NOT = {"will": "won't", "can": "can't", "must": "must not"}
PRONOUN = re.compile(
    r"\b(I am|you are|we are|they are|he is|she is|it is|I will|she will|he will|we will) (?=(?!not\b)\w)"
)


def contract_not(text: str) -> str:
    """does not -> doesn't."""
    text = text.replace("cannot ", "can not ")
    return NOT.sub(lambda m: SHORT_NOT.get(m.group(1), m.group(1) + "n't"), text)


def contract_pronoun(text: str) -> str:
    """she is -> she's. Never before `not`, which is contracted by itself."""

    def shorten(match: re.Match[str]) -> str:
        pronoun, verb = match.group(1).split()
        return pronoun + {"am": "'m", "are": "'re", "is": "'s", "will": "'ll"}[verb] + " "

    return PRONOUN.sub(shorten, text)
