"""The verbs, and what each of them takes as its object."""

from dataclasses import dataclass

from . import english
from . import lexicon as words
from .lexicon import Noun, pick


@dataclass(frozen=True)
class Verb:
    """An English verb with its parts, its particle (`look for`), and the French infinitive.

    `reflexive`: French adds se; `goes`: its past is built with être; `modal`: English can, must, should.
    """

    en: str
    past: str
    participle: str
    ing: str
    particle: str
    fr: str
    reflexive: bool = False
    goes: bool = False
    modal: bool = False

    @property
    def third(self) -> str:
        """he eats"""
        return self.en if self.modal else english.third_person(self.en)

    @property
    def name(self) -> str:
        """The English verb with its particle: what features and frames call it by."""
        return f"{self.en} {self.particle}".strip()


GO = (
    *("aller", "arriver", "partir", "rentrer", "venir", "sortir", "rester"),
    *("tomber", "naître", "monter", "revenir", "devenir"),
)


def verb(row: str) -> Verb:
    """Read `eat ate eaten eating, manger` or, if regular in English, `wash, laver`. Particles follow a +."""
    left, fr = row.split(", ")
    parts, _, particle = left.partition(" + ")
    forms = parts.split(" ")
    if len(forms) == 1:
        regular = english.past_of(forms[0])
        forms += [regular, regular, english.ing_of(forms[0])]
    infinitive = fr.removeprefix("se ").removeprefix("s'")
    base, past, participle, ing = forms
    reflexive = infinitive != fr
    return Verb(base, past, participle, ing, particle, infinitive, reflexive, reflexive or infinitive in GO)


ROWS = """
eat ate eaten eating, manger
drink drank drunk drinking, boire
buy bought bought buying, acheter
sell sold sold selling, vendre
prepare, préparer
taste, goûter
cut cut cut cutting, couper
like, aimer
love, adorer
hate, détester
prefer preferred preferred preferring, préférer
read read read reading, lire
write wrote written writing, écrire
finish, finir
wear wore worn wearing, porter
wash, laver
lose lost lost losing, perdre
find found found finding, trouver
look + for, chercher
forget forgot forgotten forgetting, oublier
break broke broken breaking, casser
repair, réparer
open, ouvrir
close, fermer
clean, nettoyer
paint, peindre
visit, visiter
see saw seen seeing, voir
watch, regarder
listen + to, écouter
wait + for, attendre
take took taken taking, prendre
drive drove driven driving, conduire
sing sang sung singing, chanter
invite, inviter
help, aider
meet met met meeting, rencontrer
call, appeler
thank, remercier
feed fed fed feeding, nourrir
choose chose chosen choosing, choisir
rent, louer
build built built building, construire
learn learned learned learning, apprendre
speak spoke spoken speaking, parler
study, étudier
play, jouer
understand understood understood understanding, comprendre
receive, recevoir
send sent sent sending, envoyer
give gave given giving, donner
show showed shown showing, montrer
lend lent lent lending, prêter
bring brought brought bringing, apporter
explain, expliquer
photograph, photographier
say said said saying, dire
sleep slept slept sleeping, dormir
work, travailler
dance, danser
swim swam swum swimming, nager
run ran run running, courir
travel traveled traveled traveling, voyager
laugh, rire
cry, pleurer
cook, cuisiner
walk, marcher
live, habiter
smoke, fumer
go went gone going, aller
arrive, arriver
leave left left leaving, partir
come came come coming, venir
come came come coming + home, rentrer
come came come coming + back, revenir
go went gone going + out, sortir
stay, rester
become became become becoming, devenir
get got gotten getting + up, se lever
wake woke woken waking + up, se réveiller
go went gone going + to bed, se coucher
get got gotten getting + dressed, s'habiller
have had had having + fun, s'amuser
hurry, se dépêcher
rest, se reposer
get got gotten getting + bored, s'ennuyer
get got gotten getting + lost, se perdre
take took taken taking + a walk, se promener
get got gotten getting + married, se marier
get got gotten getting + angry, se fâcher
have had had having, avoir
be was been being, être
want, vouloir
hope, espérer
try, essayer
"""
VERB = {v.name: v for v in map(verb, ROWS.split("\n")[1:-1])}
BE, HAVE = VERB["be"], VERB["have"]
CAN = Verb("can", "could", "", "", "", "pouvoir", modal=True)
MUST = Verb("must", "", "", "", "", "devoir", modal=True)
ALONE = ["sleep", "work", "dance", "swim", "run", "travel", "laugh", "cry", "cook", "walk", "smoke", "sing"]
ROUTINE = ["get up", "wake up", "go to bed", "get dressed", "rest", "take a walk", "have fun"]
MISHAPS = ["get bored", "get lost", "get angry", "hurry"]
MOVES = ["arrive", "leave", "come home", "come back", "go out"]


@dataclass(frozen=True)
class Frame:
    """A verb, its objects, and the determiners they take.

    `count`: a, some, numbers, this; `mass`: some, the; `several`: some, these; `one`: a, this; `known`: the, this;
    `ride`: the, a, this; `own`: my as well; `worn`: a, this, my. `habit`: one may do it every day, so it has a present
    of habit. `rare`: it may be said of last year, or of next summer.
    """

    verb: Verb
    objects: tuple[Noun, ...]
    determiners: str
    habit: bool = False
    rare: bool = False

    @property
    def impersonal(self) -> bool:
        """Whether its objects need no owner: for who and nobody."""
        return self.determiners not in ("own", "worn")


def frames(*rows: tuple[str, tuple[Noun, ...], str]) -> tuple[Frame, ...]:
    """After the determiners a star marks a habit, an exclamation mark what is rare."""
    return tuple(Frame(VERB[v], objects, d.rstrip("*!"), "*" in d, "!" in d) for v, objects, d in rows)


FRAMES = frames(
    ("eat", tuple(n for n in words.FOOD if n.en not in ("lemon", "onion")), "count*"),
    ("eat", words.MASS, "mass*"),
    ("drink", words.DRINKS, "mass*"),
    ("buy", words.FOOD + words.PAIRS, "several*"),
    ("buy", words.MASS + words.SEASONING + words.DRINKS, "mass*"),
    ("buy", words.CLOTHES + words.OBJECTS + words.FURNITURE, "one!"),
    ("buy", words.VEHICLES[:3] + words.HOMES + words.ANIMALS[:3], "one!"),
    ("sell", words.VEHICLES[:5] + words.HOMES + words.FURNITURE, "own!"),
    ("prepare", pick("salad, soup, chicken, fish, tea, coffee, rice"), "mass*"),
    ("prepare", pick("cake, sandwich, meal, dinner"), "known"),
    ("taste", pick("soup, cheese, wine, jam, cake, honey, ham"), "known"),
    ("cut", pick("bread, cheese, meat, cake, tomato, carrot, onion, apple, mushroom"), "known"),
    ("read", words.TEXTS, "count*"),
    ("write", pick("letter, article, poem, message, report, story"), "count*"),
    ("finish", pick("book, novel, letter, exercise, report, soup, cake, article, meal"), "known"),
    ("wear", words.CLOTHES, "worn*"),
    ("wear", words.PAIRS, "worn"),
    ("wash", words.CLOTHES[:8] + pick("car, bike"), "own*"),
    ("wash", pick("plate, glass, window"), "known*"),
    ("lose", words.OBJECTS + words.CLOTHES[:8], "own"),
    ("find", words.OBJECTS, "count!"),
    ("look for", words.OBJECTS + words.CLOTHES + words.PAIRS + pick("cat, dog"), "own"),
    ("forget", words.OBJECTS[:10] + pick("notebook, gift, coat, hat, jacket"), "own"),
    ("break", pick("lamp, mirror, vase, glass, plate, bottle, window, chair, clock, watch, phone"), "known"),
    ("repair", words.VEHICLES[:5] + pick("watch, computer, bike"), "own!"),
    ("repair", pick("roof, door, clock, radio, machine, lamp, bridge"), "known!"),
    ("open", pick("door, window, suitcase, letter, bottle, gift, closet, umbrella, message"), "known"),
    ("close", pick("door, window, suitcase, closet, book, bag"), "known"),
    ("clean", words.ROOMS + pick("window, table, carpet"), "known*"),
    ("paint", words.ROOMS[:4] + pick("door, wall, chair, house, boat"), "known!"),
    ("visit", pick("museum, castle, church, city, island, village, library"), "known!"),
    ("see", words.ANIMALS + pick("lake, bridge, tree, boat, plane, castle, church"), "count!"),
    ("watch", pick("movie, bird, boat, plane"), "known"),
    ("listen to", pick("radio, song, story, teacher, bird"), "known"),
    ("wait for", words.TRANSPORT[:2] + pick("taxi, plane"), "ride"),
    ("wait for", pick("doctor, guest, teacher, nurse, waiter, customer, friend"), "known"),
    ("take", pick("train, bus, taxi"), "ride*"),
    ("take", pick("plane"), "ride!"),
    ("drive", pick("car, truck, bus"), "known"),
    ("invite", words.KIN[:6] + pick("neighbor, boss, teacher, friend, engineer, artist"), "own"),
    ("help", words.KIN[2:8] + pick("neighbor, child, tourist, customer, lady, student, friend"), "own*"),
    ("meet", pick("actor, actress, engineer, lawyer, artist, hero, mayor, dentist"), "known!"),
    ("call", words.KIN[:8] + pick("doctor, boss, lawyer, dentist, friend"), "own*"),
    ("thank", pick("teacher, nurse, doctor, waiter, neighbor, waitress, policeman, guest"), "known"),
    ("feed", pick("dog, cat, horse, rabbit, goat, hen, duck, cow, turtle, hamster, bird"), "own*"),
    ("choose", words.CLOTHES + pick("gift, book, cake, carpet, lamp, painting, hotel"), "one"),
    ("rent", pick("car, bike, boat, house, apartment, garage, room, motorcycle"), "one!"),
    ("build", pick("wall, boat, garage"), "one!"),
    ("understand", pick("question, lesson, exercise, story, word, article, poem, message"), "known"),
    ("receive", pick("letter, gift, message, book, photo, report, flower, newspaper"), "count!"),
    ("photograph", words.ANIMALS[:6] + pick("castle, church, bridge, lake, mountain, tree, flower, owl"), "known"),
    ("explain", pick("lesson, exercise, question, idea, word"), "known"),
)
BRIEF = tuple(f for f in FRAMES if f.verb.name not in ("wait for", "look for", "wear", "watch", "listen to", "build"))
HABITS = tuple(f for f in FRAMES if f.habit)
LASTING = tuple(
    f
    for f in FRAMES
    if f.verb.name not in ("lose", "find", "forget", "break", "see", "receive", "meet", "understand", "invite", "thank")
)
WANTED = tuple(f for f in FRAMES if f.verb.name not in ("lose", "forget", "break", "receive", "find"))
