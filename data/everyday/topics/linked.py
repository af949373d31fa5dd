"""Two clauses: a pronoun takes up a noun, a relative clause says which, one event follows another."""

from .. import french
from .. import lexicon as words
from ..core import NOTHING, Draw, Pair, Subject, pairs
from ..grammar import adjective_for, clause, finish, infinitive, pronoun, thing
from ..lexicon import pick
from ..registry import future_time, past_time, pattern
from ..subjects import HE, SHE, I, possessed, someone
from ..verbs import BE, CAN, VERB


@pattern(3)
def taken_up(d: Draw) -> Pair:
    """Marie bought a novel, and she is going to read it tonight. (object pronoun in the next clause)"""
    s = someone(d, second=False)
    again = s.again()
    first, second_verbs, nouns = d.of(SEQUELS)
    noun = d.of(nouns)
    if noun.en in ("dress", "skirt") and s.gender != "f":
        noun = words.NOUN["shirt"]
    plural = noun.en in PLURAL_ONLY or (d.chance(0.35) and noun.kind not in ("mass", "drink", "vehicle"))
    dressed = adjective_for(d, noun) if d.chance(0.2) else None
    o = thing(d, noun, str(d.between(2, 3)) if plural and d.chance(0.5) else "some" if plural else "a", plural, dressed)
    it = pronoun(d, o)
    kind = d.rng.random()
    accident = 0.3 <= kind < 0.5  # one may have lost it, but one does not want to
    v = VERB[d.of(tuple(v for v in second_verbs if accident or v not in ("lose", "forget")))]
    one = clause(d, s, VERB[first], "past", o.pair)
    if kind < 0.3:
        two, time, joint = clause(d, again, v, "near", clitic=it), future_time(d, False), ("and", "et")
    elif kind < 0.5:
        two, time, joint = (
            clause(d, again, v, "past", clitic=it),
            d.of(pairs("at once = tout de suite; the next day = le lendemain")),
            ("and", "et"),
        )
    elif kind < 0.75:
        two, time, joint = clause(d, again, v, "past", clitic=it, negation="not"), ("", ""), ("but", "mais")
    else:
        head = d.of(("can", "want"))
        to_en, to_fr = infinitive(d, again, v, clitic=it)
        verb_obj = (to_en, to_fr) if head == "can" else (f"to {to_en}", to_fr)
        two = clause(d, again, CAN if head == "can" else VERB["want"], "present", verb_obj, negation="not")
        time, joint = ("", ""), ("but", "mais")
    en = f"{one[0].strip()}, {joint[0]} {two[0].strip()} {time[0]}"
    return finish(d, (en, f"{one[1].strip()}{',' if joint[1] == 'mais' else ''} {joint[1]} {two[1].strip()} {time[1]}"))


PLURAL_ONLY = ("cherry", "strawberry", "bean", "shoe", "glove", "sock", "boot", "mushroom")


SEQUELS: tuple[tuple[str, tuple[str, ...], tuple[words.Noun, ...]], ...] = (
    ("buy", ("eat", "taste", "cut", "wash"), tuple(n for n in words.FRUIT)),
    ("buy", ("wear", "sell", "forget", "lose"), words.CLOTHES + words.PAIRS),
    ("find", ("sell", "forget", "lose"), words.OBJECTS),
    ("write", ("finish", "send"), words.pick("letter, article, poem, message, report, story")),
    ("receive", ("read", "lose", "open"), words.pick("letter, message, magazine, newspaper")),
    ("buy", ("sell", "repair", "clean", "drive"), words.pick("car, truck, motorcycle, boat")),
    ("see", ("photograph", "feed"), words.ANIMALS),
    ("choose", ("buy",), words.CLOTHES + words.FURNITURE),
    ("prepare", ("eat", "taste"), words.pick("cake, sandwich, cookie")),
    ("buy", ("clean", "sell", "paint", "repair"), words.pick("chair, table, armchair, closet, lamp, clock")),
)


@pattern(1.5)
def that_relative(d: Draw) -> Pair:
    """The book that Marie is reading is interesting. The pears that he bought yesterday are ripe."""
    s = someone(d, second=False)
    verb_name, kinds, judgments = d.of(RELATIVES)
    noun = d.of(kinds)
    plural = noun.en in PLURAL_ONLY or (d.chance(0.5) and noun.kind not in ("mass", "drink", "home", "vehicle"))
    d.note("noun", noun.en)
    v = VERB[verb_name]
    d.note("relative", noun.en)
    en, fr = d.of(judgments)
    agreed = fr[1:] if fr.startswith("=") else french.agree(fr, noun.gender, plural)
    text = noun.en_plural if plural else noun.en
    head = ("°les " if plural else "la " if noun.gender == "f" else "°le ") + (noun.fr_plural if plural else noun.fr)
    be, etre = ("are", "sont") if plural else ("is", "est")
    if d.chance(0.35) and v.name not in ("buy", "see", "choose", "find", "receive"):
        inner_en, inner_fr = clause(d, s, v, "progressive")
        return finish(
            d, (f"the {text} that {inner_en.strip()} {be} {en}", f"{head} que {inner_fr.strip()} {etre} {agreed}")
        )
    d.note("verb", v.name)
    have = s.form("avoir")
    done = french.agree(french.participle(v.fr), noun.gender, plural)
    time = past_time(d, v.name in ("sell", "see", "visit", "rent")) if d.chance(0.6) else ("", "")
    return finish(
        d,
        (
            f"the {text} that {s.en} {v.past} {v.particle} {time[0]} {be} {en}",
            f"{head} que {s.fr} {have} {done} {time[1]} {etre} {agreed}",
        ),
    )


RELATIVES: tuple[tuple[str, tuple[words.Noun, ...], tuple[Pair, ...]], ...] = (
    ("buy", words.FRUIT, pairs("ripe = mûr; delicious = délicieux; fresh = frais; expensive = cher")),
    ("eat", words.MASS + words.pick("cake, cookie, sandwich"), pairs("delicious = délicieux; very good = très bon")),
    (
        "read",
        words.TEXTS,
        pairs(
            """
        interesting = intéressant; boring = ennuyeux; very long = très long; too short = trop court
        """
        ),
    ),
    (
        "write",
        words.pick("letter, article, poem, message, report, story"),
        pairs(
            """
        interesting = intéressant; very long = très long; too short = trop court
        """
        ),
    ),
    ("wear", words.CLOTHES + words.PAIRS, tuple((a.en, a.fr) for a in words.COLORS)),
    ("choose", words.CLOTHES + words.FURNITURE, pairs("expensive = cher; beautiful = beau; elegant = élégant")),
    ("sell", words.VEHICLES[:5], pairs("old = vieux; new = neuf; fast = rapide; expensive = cher")),
    ("see", words.ANIMALS, pairs("black = noir; white = blanc; beautiful = beau; very small = très petit")),
    (
        "visit",
        words.pick("museum, castle, church, city, island, village, house"),
        pairs("beautiful = beau; very old = très vieux; famous = célèbre"),
    ),
    (
        "rent",
        words.HOMES,
        pairs(
            """
        comfortable = confortable; quiet = calme; modern = moderne; too small = trop petit
        """
        ),
    ),
    (
        "look for",
        words.OBJECTS[:12],
        pairs(
            """
        on the table = =sur la table; in the kitchen = =dans la cuisine; under the bed = =sous °le lit
        """
        ),
    ),
)


DEEDS = pairs(
    """
    is waiting for the bus = attend °le bus; lives here = habite ici; is reading the newspaper = lit °le journal
    is talking to the waiter = parle à °le serveur; is wearing a black hat = porte un chapeau noir; is singing = chante
    lost the keys = a perdu °les clés; called yesterday = a appelé hier; is taking photos = prend des photos
    found my passport = a trouvé mon passeport; is looking for the dog = cherche °le chien
    """
)
ADULT_DEEDS = pairs(
    """
    works in the bakery = travaille à la boulangerie; bought this house = a acheté cette maison
    is drinking coffee = boit du café; repaired the car = a réparé la voiture; is looking for a taxi = cherche un taxi
    """
)


@pattern(0.8)
def who_relative(d: Draw) -> Pair:
    """The woman who is waiting for the bus is my aunt."""
    noun = d.of([n for n in words.ROLES if n.en in ("man", "woman", "boy", "girl")])
    plural = False
    d.note("noun", noun.en)
    deed = d.of(DEEDS + ADULT_DEEDS if noun.en in ("man", "woman") else DEEDS)
    the = "la" if noun.gender == "f" else "°le"
    d.note("who", noun.en)
    kins = (
        [n for n in words.KIN[:6] if n.gender == noun.gender]
        if noun.en in ("man", "woman")
        else [n for n in words.KIN[:2] + words.KIN[8:10] if n.gender == noun.gender]
    )
    end = possessed(d.of((I, HE, SHE)), d.of(kins))
    if d.chance(0.4):
        a = d.of(words.TRAITS)
        return finish(
            d,
            (
                f"the {noun.en} who {deed[0]} is very {a.en}",
                f"{the} {noun.fr} qui {deed[1]} est très {french.agree(a.fr, noun.gender, plural)}",
            ),
        )
    return finish(d, (f"the {noun.en} who {deed[0]} is {end.en}", f"{the} {noun.fr} qui {deed[1]} est {end.fr}"))


@pattern(1.5)
def lost_and_found(d: Draw) -> Pair:
    """Marie lost her keys, but she found them under the bed."""
    s = someone(d, second=False)
    again = s.again()
    noun = d.of(words.OBJECTS + words.CLOTHES[:8] + words.PAIRS + words.ANIMALS[:2])
    if noun.en in ("dress", "skirt") and s.gender != "f":
        noun = words.NOUN["hat"]
    plural = s.many or noun in words.PAIRS or noun.en == "key" or (noun.en in ("ticket", "pen") and d.chance(0.5))
    p = thing(d, noun, "my", plural, owner=s)
    it = pronoun(d, p)
    where = d.of(
        pairs(
            """
        under the bed = sous °le lit; in the kitchen = dans la cuisine
        behind the door = derrière la porte; at the train station = à la gare; on the bus = dans °le bus
        in the garden = dans °le jardin; under the table = sous la table; in the car = dans la voiture
        at the hotel = à l'hôtel
        """
        )
    )
    one = clause(d, s, VERB["lose"], "past", p.pair)
    if d.chance(0.6):
        en, fr = clause(d, again, FOUND, "past", where, clitic=it)
        return finish(d, (f"{one[0].strip()}, but {en}", f"{one[1].strip()}, mais {fr}"))
    en, fr = clause(d, again, VERB["look for"], "progressive", where, clitic=it)
    return finish(d, (f"{one[0].strip()}, and {en}", f"{one[1].strip()} et {fr}"))


FOUND = type(BE)("find", "found", "found", "finding", "", "retrouver")


@pattern(1)
def it_is_but(d: Draw) -> Pair:
    """The car is old, but it is fast. These chairs are beautiful, but they are not comfortable. (it, they)"""
    nouns, sides = d.of(
        (
            (
                words.VEHICLES[:5],
                (
                    ("old", "vieux", "fast", "rapide"),
                    ("new", "neuf", "slow", "lent"),
                    ("small", "petit", "comfortable", "confortable"),
                    ("beautiful", "beau", "too expensive", "trop cher"),
                ),
            ),
            (
                words.HOMES + words.PLACES[:1],
                (
                    ("old", "vieux", "comfortable", "confortable"),
                    ("small", "petit", "quiet", "calme"),
                    ("beautiful", "beau", "too expensive", "trop cher"),
                    ("big", "grand", "dirty", "sale"),
                ),
            ),
            (
                words.CLOTHES + words.PAIRS,
                (
                    ("pretty", "joli", "too expensive", "trop cher"),
                    ("old", "vieux", "elegant", "élégant"),
                    ("new", "neuf", "too small", "trop petit"),
                    ("beautiful", "beau", "too big", "trop grand"),
                ),
            ),
            (
                words.TEXTS,
                (
                    ("long", "long", "interesting", "intéressant"),
                    ("short", "court", "boring", "ennuyeux"),
                    ("interesting", "intéressant", "too long", "trop long"),
                ),
            ),
            (
                words.FOOD,
                (
                    ("small", "petit", "delicious", "délicieux"),
                    ("fresh", "frais", "too expensive", "trop cher"),
                    ("big", "gros", "not very good", "pas très bon"),
                ),
            ),
            (
                words.FURNITURE[:7],
                (
                    ("old", "vieux", "comfortable", "confortable"),
                    ("beautiful", "beau", "too expensive", "trop cher"),
                    ("new", "neuf", "broken", "cassé"),
                ),
            ),
        )
    )
    noun = d.of(nouns)
    if noun in words.FURNITURE and noun.en not in ("chair", "bed", "armchair", "sofa"):
        sides = sides[1:]
    one, un, two, deux = d.of(sides)
    plural = noun in words.PAIRS or d.chance(0.4)
    p = thing(d, noun, d.of(("the", "this")), plural)
    past = d.chance(0.25)
    be, etre = (
        (("were", "étaient") if plural else ("was", "était"))
        if past
        else (("are", "sont") if plural else ("is", "est"))
    )
    it = "they" if plural else "it"
    il = ("elle" if p.gender == "f" else "il") + ("s" if plural else "")
    ne = ("ne ", " pas") if deux.startswith("pas ") else ("", "")
    second = french.agree(deux.removeprefix("pas "), p.gender, plural)
    return finish(
        d,
        (
            f"{p.en} {be} {one}, but {it} {be} {two}",
            f"{p.fr} {etre} {french.agree(un, p.gender, plural)}, mais {il} {ne[0]}{etre}{ne[1]} {second}",
        ),
    )


@pattern(1)
def all_the(d: Draw) -> Pair:
    """All the windows are closed. She cleaned all the rooms."""
    noun = d.of(
        pick(
            "window, door, store, museum, bank, restaurant, bakery, pharmacy, glass, plate, bottle, child, "
            "tourist, guest, student, nurse, girl, boy, waitress"
        )
    )
    states = (
        pairs(
            """
        tired = fatigué; happy = heureux; ready = prêt; absent = absent; surprised = surpris
        """
        )
        if noun.human
        else pairs("empty = vide; dirty = sale; clean = propre")
        if noun.en in ("glass", "plate", "bottle")
        else pairs("open = ouvert; closed = fermé")
    )
    en, fr = d.of(states)
    d.note("all", noun.en)
    tout = "toutes" if noun.gender == "f" else "tous"
    past = d.chance(0.4)
    time = (
        d.of(
            pairs(
                """
        yesterday = hier; this morning = ce matin; last Sunday = dimanche dernier
        """
            )
        )
        if past
        else d.of((("today", "aujourd'hui"), ("this morning", "ce matin"), NOTHING))
    )
    return finish(
        d,
        (
            f"all the {noun.en_plural} {'were' if past else 'are'} {en}",
            f"{tout} °les {noun.fr_plural} {'étaient' if past else 'sont'} {french.agree(fr, noun.gender, True)}",
        ),
        time=time,
    )


@pattern(0.8)
def when_future(d: Draw) -> Pair:
    """When Marie arrives, we will eat."""
    s = someone(d, third=True)
    what = d.of(
        pairs(
            """
        arrive = arriver; come home = rentrer; call = appeler; wake up = réveiller; come back = revenir
        """
        )
    )
    v = VERB[what[0]]
    first = clause(d, s, v, "present")[0].strip()
    refl = "se " if v.reflexive else ""
    other = d.of((I, Subject("we", "nous", 1, True, "", True)))
    deed = d.of(
        (
            ("eat", NOTHING),
            ("leave", NOTHING),
            ("prepare", ("dinner", "°le dîner")),
            ("drink", ("some coffee", "de °le café")),
            ("go", ("to the market", "à °le marché")),
            ("watch", ("the movie", "°le film")),
            ("play", ("soccer", "à °le football")),
            ("clean", ("the kitchen", "la cuisine")),
        )
    )
    en, fr = clause(d, other, VERB[deed[0]], "future", deed[1])
    return finish(d, (f"when {first}, {en}", f"quand {s.fr} {refl}{s.form(v.fr, 'future')}, {fr}"))
