"""Home: where things are, orders, needs."""

from .. import french
from .. import lexicon as words
from ..core import Draw, Pair, Subject, pairs
from ..grammar import adjective_for, clause, definite, finish, pronoun, thing
from ..lexicon import NOUN, pick
from ..registry import MANY_OWNED, pattern
from ..subjects import HE, SHE, I, someone, you
from ..verbs import BE, VERB, Verb

SPOTS = pairs("on = sur; under = sous; behind = derrière; in front of = devant; next to = à côté de; near = près de")


@pattern(1.5)
def where_things_are(d: Draw) -> Pair:
    """My keys are on the table. The black cat is sleeping under the bed."""
    spot = d.of(SPOTS)
    furniture = d.of(words.FURNITURE[:9] + pick("door, window"))
    if spot[0] in ("on", "under") and furniture.en in ("mirror", "lamp", "clock", "door", "window"):
        furniture = NOUN["table"]
    at = f"{spot[0]} the {furniture.en}", f"{spot[1]} {definite(furniture)}"
    if d.chance(0.35):
        noun = d.of(words.ANIMALS[:2] + words.ANIMALS[4:5] + words.ANIMALS[6:7])
        p = thing(d, noun, d.of(("the", "this")), d.chance(0.3), adjective_for(d, noun) if d.chance(0.5) else None)
        s = Subject(p.en, p.fr, 3, p.plural, p.gender, p.plural)
        return finish(d, clause(d, s, VERB["sleep"], d.of(("progressive", "was")), at))
    noun = d.of(words.OBJECTS + words.CLOTHES[:8] + words.PAIRS + words.TEXTS[:4])
    owner = d.of((I, HE, SHE))
    if noun.en in ("dress", "skirt") and owner is not SHE:
        noun = NOUN["coat"]
    mine = d.chance(0.4)
    plural = noun in words.PAIRS or (d.chance(0.3) and (not mine or noun.en in MANY_OWNED))
    p = thing(
        d,
        noun,
        "my" if mine else d.of(("the", "the", "this")),
        plural,
        None,
        owner=owner if mine else None,
    )
    s = Subject(p.en, p.fr, 3, plural, p.gender, plural)
    return finish(
        d, clause(d, s, BE, "present" if d.chance(0.75) else "habit", at, negation="not" if d.chance(0.2) else "")
    )


ORDERS = pairs(
    """
    close the door = {fermer} la porte; open the window = {ouvrir} la fenêtre
    wash your hands = {laver}-{REFL} les mains; come here = {venir} ici; wait for me here = {attendre}-moi ici
    listen to me = {écouter}-moi; call me tomorrow = {appeler}-moi demain
    clean the kitchen = {nettoyer} la cuisine; speak more slowly = {parler} plus lentement
    show me your ticket = {montrer}-moi DET billet; give me the key = {donner}-moi la clé
    look at this painting = {regarder} ce tableau; help me = {aider}-moi
    bring me a chair = {apporter}-moi une chaise; cut the bread = {couper} le pain
    finish the exercise = {finir} l'exercice; read this letter = {lire} cette lettre
    take a taxi = {prendre} un taxi; put your coat on the chair = {mettre} DET manteau sur la chaise
    prepare the salad = {préparer} la salade; write your name here = {écrire} DET nom ici
    close the suitcase = {fermer} la valise; taste the soup = {goûter} la soupe
    """
)


FORBIDDEN_ORDERS = pairs(
    """
    don't open the window = ne {ouvrir} pas la fenêtre; don't forget your keys = ne {oublier} pas DETS clés
    don't touch the plates = ne {toucher} pas °les assiettes
    don't eat too much chocolate = ne {manger} pas trop de chocolat
    don't lose your passport = ne {perdre} pas DET passeport; don't drink this water = ne {boire} pas cette eau
    don't close the door = ne {fermer} pas la porte; don't run in the street = ne {courir} pas dans la rue
    don't buy this bread = ne {acheter} pas ce pain; don't take the bus = ne {prendre} pas °le bus
    don't forget your umbrella = ne {oublier} pas DET parapluie; don't speak so loudly = ne {parler} pas si fort
    """
)


def ordered(fr: str, s: Subject) -> str:
    """The French order for this you: verb, reflexive pronoun and possessive put in."""
    head, _, rest = fr.partition("{")
    verb, _, rest = rest.partition("}")
    rest = rest.replace("{REFL}", "vous" if s.plural else "toi")
    _, masculine, _, several = s.possessive
    return (
        head
        + french.conjugate(verb, "imperative", 2, s.plural)
        + rest.replace("DETS", several).replace("DET", masculine)
    )


@pattern(1.5)
def order(d: Draw) -> Pair:
    """Close the door, please, Paul. Madam, don't forget your umbrella."""
    s = you(d)
    if d.chance(0.4):
        en, fr = d.of(FORBIDDEN_ORDERS)
        return finish(d, (en, ordered(fr, s)), s)
    en, fr = d.of(ORDERS)
    return finish(d, (en, ordered(fr, s)), s)


@pattern(1.5)
def order_it(d: Draw) -> Pair:
    """The soup is ready; eat it, Paul. Here is the key; don't lose it, Marie."""
    s = you(d)
    to = f", {s.aside[0]}", f", {s.aside[1]}"
    kind = d.rng.random()
    if kind < 0.5:
        noun = d.of(words.OBJECTS + words.TEXTS[:4] + words.PAIRS)
        plural = noun in words.PAIRS or d.chance(0.3)
        p = thing(d, noun, d.of(("the", "my")), plural, owner=I)
        it = pronoun(d, p)
        verb = VERB[d.of(("lose", "forget", "sell", "open", "break"))]
        if verb.en == "open" and noun.en not in ("letter", "suitcase", "gift", "umbrella", "bag", "wallet"):
            verb = VERB["lose"]
        if verb.en == "break" and noun.en not in ("phone", "watch", "camera", "computer", "umbrella", "guitar", "toy"):
            verb = VERB["forget"]
        order_fr = f"ne {it.fr} {french.conjugate(verb.fr, 'imperative', 2, s.plural)} pas"
        return finish(
            d,
            (
                f"here {'are' if plural else 'is'} {p.en}; do not {verb.en} {it.en}{to[0]}",
                f"voici {p.fr} ; {order_fr}{to[1]}",
            ),
        )
    nouns, states, verbs_ = d.of(
        (
            (words.FRUIT, pairs("ripe = mûr; delicious = délicieux"), ("eat", "taste")),
            (
                pick("soup, chicken, fish, rice, salad"),
                pairs("ready = prêt; delicious = délicieux; very good = très bon"),
                ("eat", "taste"),
            ),
            (words.CLOTHES[:8], (("dirty", "sale"),), ("wash",)),
            (words.ROOMS[:5] + pick("window, table, carpet"), (("dirty", "sale"),), ("clean",)),
            (words.TEXTS[:2] + words.TEXTS[3:8], pairs("interesting = intéressant; short = court"), ("read",)),
            (pick("watch, computer, radio, clock, lamp, bike, car"), (("broken", "cassé"),), ("repair",)),
            (pick("dog, cat, horse, rabbit, hen, goat"), (("very hungry", "=avoir très faim"),), ("feed",)),
        )
    )
    noun = d.of(nouns)
    plural = d.chance(0.4) and noun.kind not in ("mass", "room")
    p = thing(d, noun, d.of(("the", "this")), plural)
    state, etat = d.of(states)
    it = pronoun(d, p)
    be = "are" if plural else "is"
    if etat.startswith("="):
        fr = f"{p.fr} {'ont' if plural else 'a'} très faim"
    else:
        fr = f"{p.fr} {'sont' if plural else 'est'} {french.agree(etat, p.gender, plural)}"
    verb = VERB[d.of(verbs_)]
    return finish(
        d,
        (
            f"{p.en} {be} {state}; {verb.en} {it.en}{to[0]}",
            f"{fr} ; {french.conjugate(verb.fr, 'imperative', 2, s.plural)}-{it.fr}{to[1]}",
        ),
    )


@pattern(1.5)
def needs(d: Draw) -> Pair:
    """She needs a new computer. Do you need the key, Paul?"""
    s = someone(d)
    noun = d.of(
        words.OBJECTS + words.CLOTHES[:8] + words.FURNITURE[:9] + words.VEHICLES[:3] + pick("doctor, lawyer, dentist")
    )
    if (noun.en in ("dress", "skirt") and s.gender != "f") or noun.en == "tie":
        noun = NOUN["coat"]
    question = s.person == 2 and d.chance(0.6)
    negation = "not" if not question and d.chance(0.3) else ""
    a = adjective_for(d, noun) if d.chance(0.5) and not noun.human else None
    if a and a.en in ("expensive", "old", "heavy", "beautiful", "pretty"):
        a = words.Adjective("new", "nouveau", True)
    p = thing(d, noun, d.of(("a", "a", "this")) if not negation else "this", False, a)
    need = Verb("need", "needed", "needed", "needing", "", "avoir")
    return finish(
        d,
        clause(d, s, need, "present", (p.en, f"besoin de {p.fr}"), negation=negation, question=question),
        s,
        "?" if question else ".",
    )
