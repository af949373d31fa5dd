"""French forms: plurals, agreement, conjugation, numbers, and the spelling rules that hold between words.

The grammar writes French with every word in full (`je ai`, `de °le hôtel`, `ma amie`) and `realise` makes it right at
the end (`j'ai`, `de l'hôtel`, `mon amie`). A raised ring marks what only its role tells apart: the article `°le`, which
contracts (`du`), from the pronoun `le`, which does not (`essayer de le voir`); `°beau` before its noun from `beau et`.
"""

import re

NARROW, NO_BREAK = "\u202f", "\u00a0"
VOWELS = "aeiouàâéèêîïôùûœ"
ASPIRATE = ("héros", "haricot", "hamster", "hibou", "haut", "huit", "homard")  # h aspiré: no elision, no liaison
NO_ELISION = ("onze", "oui", "yaourt", "yaourts")


def opens_with_vowel(word: str) -> bool:
    """Whether `le`, `je`, `que` lose their vowel before this word."""
    word = word.lower()
    if word.startswith(NO_ELISION):
        return False
    if word.startswith("h"):
        return not word.startswith(ASPIRATE)
    return word.startswith(tuple(VOWELS)) or re.match(r"y\b", word) is not None


ELIDED = re.compile(r"(?<![\w'°-])(je|me|te|se|°?le|la|ne|de|que|jusque) (?=(\S+))")
BEFORE_VOWEL = {
    "ce": "cet",
    "ma": "mon",
    "ta": "ton",
    "sa": "son",
    "°beau": "bel",
    "°nouveau": "nouvel",
    "°vieux": "vieil",
}
CHANGED = re.compile(r"(?<![\w'°-])(ce|ma|ta|sa|°beau|°nouveau|°vieux) (?=(\S+))")


def realise(text: str) -> str:
    """Elision, contraction, forms before a vowel; then no-break spaces: narrow before ? ! ;, full before : and €."""

    def elide(match: re.Match[str]) -> str:
        word = match.group(1).lstrip("°")
        return word[:-1] + "'" if opens_with_vowel(match.group(2)) else match.group(0)

    def change(match: re.Match[str]) -> str:
        return BEFORE_VOWEL[match.group(1)] + " " if opens_with_vowel(match.group(2)) else match.group(0)

    text = re.sub(r" +", " ", text.strip())
    text = CHANGED.sub(change, text)
    text = ELIDED.sub(elide, text)
    text = re.sub(r"(?<![\w'-])si (?=ils?\b)", "s'", text)
    for full, short in (("de °les", "des"), ("de °le", "du"), ("à °les", "aux"), ("à °le", "au")):
        text = re.sub(rf"(?<![\w-]){full}(?=\s)", short, text)
    text = text.replace("°", "")
    text = re.sub(r" ([?!;])", NARROW + r"\1", text)
    return re.sub(r" ([:€])", NO_BREAK + r"\1", text)


def plural_of(word: str) -> str:
    """Plural of a noun or masculine adjective: the regular rules; the lexicon states the exceptions."""
    if word.endswith(("s", "x", "z")):
        return word
    if word.endswith(("eau", "eu")) and word != "bleu":
        return word + "x"
    if word.endswith("al"):
        return word[:-2] + "aux"
    return word + "s"


FEMININE = {
    "beau": "belle",
    "nouveau": "nouvelle",
    "vieux": "vieille",
    "bon": "bonne",
    "gentil": "gentille",
    "blanc": "blanche",
    "long": "longue",
    "frais": "fraîche",
    "inquiet": "inquiète",
    "discret": "discrète",
    "grec": "grecque",
    "gros": "grosse",
    "neuf": "neuve",
}
INVARIABLE = ("marron", "en colère", "en retard", "en avance")


def agree(adjective: str, gender: str, plural: bool) -> str:
    """Adjective or participle, given in the masculine singular."""
    if adjective in INVARIABLE:
        return adjective
    intensity, _, word = adjective.rpartition(" ")
    if intensity:  # très bon, trop petit
        return f"{intensity} {agree(word, gender, plural)}"
    if gender == "m":
        return plural_of(adjective) if plural else adjective
    if adjective in FEMININE:
        feminine = FEMININE[adjective]
    elif adjective.endswith("e"):
        feminine = adjective
    elif adjective.endswith("er"):
        feminine = adjective[:-2] + "ère"
    elif adjective.endswith("eux"):
        feminine = adjective[:-1] + "se"
    elif adjective.endswith("teur"):
        feminine = adjective[:-3] + "rice"
    elif adjective.endswith("f"):
        feminine = adjective[:-1] + "ve"
    elif adjective.endswith("ien"):
        feminine = adjective + "ne"
    else:
        feminine = adjective + "e"
    return feminine + "s" if plural else feminine


# infinitive -> present (je tu il nous vous ils), past participle, stem of the future; the rest follows from these
IRREGULAR: dict[str, tuple[str, str, str]] = {
    "être": ("suis es est sommes êtes sont", "été", "ser"),
    "avoir": ("ai as a avons avez ont", "eu", "aur"),
    "aller": ("vais vas va allons allez vont", "allé", "ir"),
    "faire": ("fais fais fait faisons faites font", "fait", "fer"),
    "dire": ("dis dis dit disons dites disent", "dit", "dir"),
    "pouvoir": ("peux peux peut pouvons pouvez peuvent", "pu", "pourr"),
    "vouloir": ("veux veux veut voulons voulez veulent", "voulu", "voudr"),
    "devoir": ("dois dois doit devons devez doivent", "dû", "devr"),
    "savoir": ("sais sais sait savons savez savent", "su", "saur"),
    "voir": ("vois vois voit voyons voyez voient", "vu", "verr"),
    "recevoir": ("reçois reçois reçoit recevons recevez reçoivent", "reçu", "recevr"),
    "boire": ("bois bois boit buvons buvez boivent", "bu", "boir"),
    "prendre": ("prends prends prend prenons prenez prennent", "pris", "prendr"),
    "comprendre": ("comprends comprends comprend comprenons comprenez comprennent", "compris", "comprendr"),
    "apprendre": ("apprends apprends apprend apprenons apprenez apprennent", "appris", "apprendr"),
    "mettre": ("mets mets met mettons mettez mettent", "mis", "mettr"),
    "lire": ("lis lis lit lisons lisez lisent", "lu", "lir"),
    "écrire": ("écris écris écrit écrivons écrivez écrivent", "écrit", "écrir"),
    "venir": ("viens viens vient venons venez viennent", "venu", "viendr"),
    "revenir": ("reviens reviens revient revenons revenez reviennent", "revenu", "reviendr"),
    "devenir": ("deviens deviens devient devenons devenez deviennent", "devenu", "deviendr"),
    "partir": ("pars pars part partons partez partent", "parti", "partir"),
    "sortir": ("sors sors sort sortons sortez sortent", "sorti", "sortir"),
    "dormir": ("dors dors dort dormons dormez dorment", "dormi", "dormir"),
    "sentir": ("sens sens sent sentons sentez sentent", "senti", "sentir"),
    "courir": ("cours cours court courons courez courent", "couru", "courr"),
    "ouvrir": ("ouvre ouvres ouvre ouvrons ouvrez ouvrent", "ouvert", "ouvrir"),
    "connaître": ("connais connais connaît connaissons connaissez connaissent", "connu", "connaîtr"),
    "conduire": ("conduis conduis conduit conduisons conduisez conduisent", "conduit", "conduir"),
    "construire": ("construis construis construit construisons construisez construisent", "construit", "construir"),
    "peindre": ("peins peins peint peignons peignez peignent", "peint", "peindr"),
    "naître": ("nais nais naît naissons naissez naissent", "né", "naîtr"),
    "rire": ("ris ris rit rions riez rient", "ri", "rir"),
    "vivre": ("vis vis vit vivons vivez vivent", "vécu", "vivr"),
    "croire": ("crois crois croit croyons croyez croient", "cru", "croir"),
    "pleuvoir": ("- - pleut - - -", "plu", "pleuvr"),
    "envoyer": ("envoie envoies envoie envoyons envoyez envoient", "envoyé", "enverr"),
}
# -er verbs whose stem changes before a silent e: the changed stem, and whether the future takes it too
STRONG = {
    "acheter": ("achèt", True),
    "lever": ("lèv", True),
    "promener": ("promèn", True),
    "appeler": ("appell", True),
    "préférer": ("préfèr", False),
    "espérer": ("espèr", False),
}
ENDINGS = {"imperfect": "ais ais ait ions iez aient", "future": "ai as a ons ez ont"}


def present(infinitive: str) -> list[str]:
    """The six forms of the present."""
    if infinitive in IRREGULAR:
        return IRREGULAR[infinitive][0].split()
    stem, ending = infinitive[:-2], infinitive[-2:]
    if ending == "ir":
        return [stem + e for e in ("is", "is", "it", "issons", "issez", "issent")]
    if ending == "re":
        return [stem + e for e in ("s", "s", "", "ons", "ez", "ent")]
    strong = STRONG[infinitive][0] if infinitive in STRONG else stem[:-1] + "i" if stem.endswith("y") else stem
    soft = {"g": stem + "e", "c": stem[:-1] + "ç"}.get(stem[-1], stem)  # mangeons, commençons
    return [strong + "e", strong + "es", strong + "e", soft + "ons", stem + "ez", strong + "ent"]


def participle(infinitive: str) -> str:
    """The past participle, masculine singular."""
    if infinitive in IRREGULAR:
        return IRREGULAR[infinitive][1]
    return infinitive[:-2] + {"er": "é", "ir": "i", "re": "u"}[infinitive[-2:]]


def conjugate(infinitive: str, tense: str, person: int, plural: bool) -> str:
    """One finite form. `tense`: present, imperfect, future, imperative."""
    index = person - 1 + 3 * plural
    forms = present(infinitive)
    if tense == "present":
        return forms[index]
    if tense == "imperative":
        bare = forms[index].endswith(("es", "as")) and infinitive != "avoir"  # mange, ouvre, va
        return forms[index][:-1] if bare and not plural else forms[index]
    if tense == "imperfect":
        stem = {"être": "ét", "pleuvoir": "pleuv"}.get(infinitive) or forms[3][:-3]
        ending = ENDINGS[tense].split()[index]
        if ending.startswith("i") and infinitive.endswith(("ger", "cer")):
            stem = infinitive[:-2]
        return stem + ending
    if tense != "future":
        raise ValueError(f"tense must be present, imperfect, future or imperative. Received: {tense!r}.")
    if infinitive in IRREGULAR:
        stem = IRREGULAR[infinitive][2]
    elif infinitive in STRONG and STRONG[infinitive][1]:
        stem = STRONG[infinitive][0] + "er"
    elif infinitive.endswith("yer"):
        stem = infinitive[:-3] + "ier"
    else:
        stem = infinitive.removesuffix("e")
    return stem + ENDINGS[tense].split()[index]


UNITS = [
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
]
TENS = {20: "vingt", 30: "trente", 40: "quarante", 50: "cinquante", 60: "soixante", 80: "quatre-vingt"}


def number(n: int, gender: str = "m") -> str:
    """A number from 0 to 99 in words."""
    if not 0 <= n <= 99:
        raise ValueError(f"numbers in words go from 0 to 99. Received: {n}.")
    if n < 20:
        return "une" if n == 1 and gender == "f" else UNITS[n]
    ten = max(t for t in TENS if t <= n)
    rest = n - ten
    if rest == 0:
        return "quatre-vingts" if ten == 80 else TENS[ten]
    joint = " et " if rest in (1, 11) and ten != 80 else "-"
    return TENS[ten] + joint + number(rest, gender)
