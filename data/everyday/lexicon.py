"""The words: nouns by class of meaning, adjectives by what they can be said of, names, places, languages, trades.

A class is what a verb or an adjective asks for, so that nobody eats a train. One noun a row: `english[/plural],
french[/plural] gender`; the plural is written only where the rules of `english.py` and `french.py` would miss it.
"""

from dataclasses import dataclass

from . import english, french


@dataclass(frozen=True)
class Noun:
    """An English noun and its French one. `kind` is its class of meaning."""

    en: str
    en_plural: str
    fr: str
    fr_plural: str
    gender: str
    kind: str

    @property
    def human(self) -> bool:
        """Whether English calls it he or she."""
        return self.kind in ("kin", "role")


@dataclass(frozen=True)
class Adjective:
    """An English adjective and the masculine of the French one. `before`: it stands before the noun."""

    en: str
    fr: str
    before: bool = False


def rows_of(text: str) -> list[str]:
    """The rows of a table: one a line, or several with semicolons between."""
    return [row.strip() for row in text.replace(";", "\n").splitlines() if row.strip()]


def table(text: str) -> tuple[tuple[str, ...], ...]:
    """Read rows of words separated by commas."""
    return tuple(tuple(row.split(", ")) for row in rows_of(text))


def nouns(kind: str, rows: str) -> tuple[Noun, ...]:
    """Read a table of nouns."""
    found = []
    for row in rows_of(rows):
        left, right = row.split(", ")
        en, _, en_plural = left.partition("/")
        right, gender = right.rsplit(" ", 1)
        fr, _, fr_plural = right.partition("/")
        plurals = en_plural or english.plural_of(en), fr_plural or french.plural_of(fr)
        found.append(Noun(en, plurals[0], fr, plurals[1], gender, kind))
    return tuple(found)


FOOD = nouns(  # one can count it
    "food",
    """
    apple, pomme f; pear, poire f; orange, orange f; banana, banane f; peach, pêche f; strawberry, fraise f
    tomato/tomatoes, tomate f; carrot, carotte f; potato/potatoes, pomme de terre/pommes de terre f; egg, œuf m
    cake, gâteau m; cookie, biscuit m; sandwich, sandwich m; onion, oignon m; cherry, cerise f; lemon, citron m
    mushroom, champignon m; bean, haricot m; croissant, croissant m
    """,
)
FRUIT = tuple(
    n for n in FOOD if n.en in ["apple", "pear", "orange", "banana", "peach", "strawberry", "cherry", "tomato"]
)
MASS = nouns(  # one cannot
    "mass",
    """
    bread, pain m; cheese, fromage m; meat, viande f; rice, riz m; salad, salade f; butter, beurre m
    fish, poisson m; soup, soupe f; chicken, poulet m; jam, confiture f; ham, jambon m; chocolate, chocolat m
    ice cream, glace f; honey, miel m
    """,
)
SEASONING = nouns("mass", "sugar, sucre m; salt, sel m; garlic, ail m; oil, huile f; flour, farine f")
DRINKS = nouns(
    "drink",
    """
    water, eau f; milk, lait m; coffee, café m; tea, thé m; wine, vin m; beer, bière f
    orange juice, jus d'orange m; lemonade, limonade f
    """,
)
CLOTHES = nouns(
    "clothes",
    """
    dress, robe f; shirt, chemise f; coat, manteau m; hat, chapeau m; skirt, jupe f; jacket, veste f
    scarf/scarves, écharpe f; sweater, pull m; tie, cravate f; suit, costume m
    """,
)
PAIRS = nouns("clothes", "shoe, chaussure f; glove, gant m; sock, chaussette f; boot, botte f")  # in the plural
TEXTS = nouns(
    "text",
    """
    book, livre m; letter, lettre f; newspaper, journal m; magazine, magazine m; novel, roman m
    article, article m; poem, poème m; story, histoire f; message, message m; report, rapport m
    """,
)
OBJECTS = nouns(  # what one carries, loses and finds
    "object",
    """
    key, clé f; phone, téléphone m; wallet, portefeuille m; bag, sac m; umbrella, parapluie m; ticket, billet m
    passport, passeport m; camera, appareil photo/appareils photo m; watch, montre f; ring, bague f; pen, stylo m
    suitcase, valise f; notebook, cahier m; computer, ordinateur m; photo, photo f; gift, cadeau m; map, carte f
    toy, jouet m; ball, ballon m; guitar, guitare f
    """,
)
FURNITURE = nouns(
    "furniture",
    """
    table, table f; chair, chaise f; lamp, lampe f; bed, lit m; armchair, fauteuil m; mirror, miroir m
    sofa, canapé m; closet, armoire f; clock, horloge f; carpet, tapis m; vase, vase m; painting, tableau m
    """,
)
ROOMS = nouns(
    "room",
    """
    kitchen, cuisine f; bedroom, chambre f; bathroom, salle de bains/salles de bains f; living room, salon m
    garage, garage m; attic, grenier m; office, bureau m
    """,
)
PLACES = nouns(  # in a town, where one goes
    "place",
    """
    hotel, hôtel m; school, école f; hospital, hôpital m; church, église f; museum, musée m
    restaurant, restaurant m; bank, banque f; library, bibliothèque f; bakery, boulangerie f; pharmacy, pharmacie f
    market, marché m; supermarket, supermarché m; train station, gare f; airport, aéroport m; park, parc m
    movie theater, cinéma m; swimming pool, piscine f; bookstore, librairie f; castle, château m
    town hall, mairie f; university, université f; stadium, stade m; theater, théâtre m; beach, plage f
    """,
)
HOMES = nouns("home", "house, maison f; apartment, appartement m")
NATURE = nouns(
    "nature",
    """
    village, village m; lake, lac m; river, rivière f; island, île f; mountain, montagne f
    forest, forêt f; garden, jardin m; city, ville f
    """,
)
VEHICLES = nouns(
    "vehicle",
    "car, voiture f; bike, vélo m; motorcycle, moto f; truck, camion m; boat, bateau m; bus/buses, bus m",
)
TRANSPORT = nouns("vehicle", "train, train m; bus/buses, bus m; plane, avion m; boat, bateau m; taxi, taxi m")
ANIMALS = nouns(
    "animal",
    """
    dog, chien m; cat, chat m; horse, cheval m; bird, oiseau m; rabbit, lapin m; cow, vache f; hamster, hamster m
    goat, chèvre f; mouse/mice, souris f; duck, canard m; owl, hibou/hiboux m; turtle, tortue f; hen, poule f
    """,
)
KIN = nouns(
    "kin",
    """
    brother, frère m; sister, sœur f; mother, mère f; father, père m; uncle, oncle m; aunt, tante f
    grandmother, grand-mère/grands-mères f; grandfather, grand-père/grands-pères m
    son, fils m; daughter, fille f; husband, mari m; wife/wives, femme f
    """,
)
ROLES = nouns(
    "role",
    """
    teacher, professeur m; doctor, médecin m; nurse, infirmière f; neighbor, voisin m; baker, boulanger m
    student, étudiant m; waiter, serveur m; waitress, serveuse f; lawyer, avocat m; engineer, ingénieur m
    actor, acteur m; actress, actrice f; hero/heroes, héros m; policeman/policemen, policier m; farmer, fermier m
    boss, patron m; dentist, dentiste m; artist, artiste m; man/men, homme m; woman/women, femme f
    boy, garçon m; girl, fille f; child/children, enfant m; baby, bébé m; lady, dame f
    guest, invité m; tourist, touriste m; customer, client m; mayor, maire m; friend, ami m
    """,
)
BODY = nouns(
    "body",
    """
    head, tête f; back, dos m; arm, bras m; leg, jambe f; foot/feet, pied m; hand, main f; tooth/teeth, dent f
    ear, oreille f; stomach/stomachs, ventre m; throat, gorge f; knee, genou/genoux m; eye, œil/yeux m
    shoulder, épaule f; finger, doigt m; neck, cou m; ankle, cheville f
    """,
)
NOUN = {
    n.en: n
    for group in (
        FOOD,
        MASS,
        SEASONING,
        DRINKS,
        CLOTHES,
        PAIRS,
        TEXTS,
        OBJECTS,
        FURNITURE,
        ROOMS,
        PLACES,
        HOMES,
        NATURE,
        VEHICLES,
        TRANSPORT,
        ANIMALS,
        KIN,
        ROLES,
        BODY,
    )
    for n in group
}
COLORED = ("umbrella", "bag", "pen", "suitcase", "notebook", "ball", "toy", "wallet")  # objects one tells by color
EXTRA = {
    n.en: n
    for n in nouns(
        "extra",
        """
        door, porte f; window, fenêtre f; wall, mur m; roof, toit m; bottle, bouteille f; glass/glasses, verre m
        plate, assiette f; song, chanson f; movie, film m; street, rue f; bridge, pont m; tree, arbre m
        flower, fleur f; meal, repas m; store, magasin m; question, question f; idea, idée f; lesson, leçon f
        exercise, exercice m; job, travail/travaux m; room, chambre f; picture, dessin m; medicine, médicament m
        radio, radio f; dinner, dîner m; machine, machine f; word, mot m
        """,
    )
}


def pick(names: str) -> tuple[Noun, ...]:
    """Nouns by their English names, separated by commas."""
    return tuple(NOUN.get(name) or EXTRA[name] for name in names.split(", "))


def adjectives(rows: str) -> tuple[Adjective, ...]:
    """Read `english, french` rows; a < after the French puts it before the noun."""
    found = []
    for row in rows_of(rows):
        en, fr = row.split(", ")
        found.append(Adjective(en, fr.rstrip(" <"), fr.endswith("<")))
    return tuple(found)


COLORS = adjectives(
    "red, rouge; green, vert; blue, bleu; white, blanc; black, noir; yellow, jaune; gray, gris; brown, marron"
)
ADJECTIVES = {  # what can be said of a class of nouns
    "food": adjectives("big, gros <; small, petit <; good, bon <; fresh, frais; delicious, délicieux"),
    "mass": adjectives("good, bon <; delicious, délicieux; bad, mauvais <"),
    "drink": adjectives("good, bon <; cold, froid; bad, mauvais <"),
    "clothes": (
        *COLORS,
        *adjectives(
            """
            beautiful, beau <; new, nouveau <; old, vieux <; pretty, joli <; elegant, élégant; expensive, cher
            warm, chaud
            """
        ),
    ),
    "text": adjectives(
        """
        long, long <; interesting, intéressant; short, court; boring, ennuyeux; new, nouveau <; good, bon <
        bad, mauvais <
        """
    ),
    "object": (
        *adjectives("new, nouveau <; old, vieux <; small, petit <; expensive, cher; beautiful, beau <; heavy, lourd"),
    ),
    "furniture": (
        *COLORS,
        *adjectives(
            "new, nouveau <; old, vieux <; big, grand <; small, petit <; comfortable, confortable; beautiful, beau <"
        ),
    ),
    "room": adjectives(
        "big, grand <; small, petit <; beautiful, beau <; quiet, calme; clean, propre; dirty, sale; cold, froid"
    ),
    "place": adjectives(
        """
        big, grand <; small, petit <; old, vieux <; new, nouveau <; beautiful, beau <; modern, moderne
        famous, célèbre
        """
    ),
    "home": adjectives(
        """
        big, grand <; small, petit <; old, vieux <; new, nouveau <; beautiful, beau <; modern, moderne
        comfortable, confortable; quiet, calme
        """
    ),
    "nature": adjectives("big, grand <; small, petit <; beautiful, beau <; quiet, calme; famous, célèbre"),
    "vehicle": (
        *COLORS,
        *adjectives(
            """
            fast, rapide; slow, lent; new, nouveau <; old, vieux <; comfortable, confortable; big, grand <
            expensive, cher
            """
        ),
    ),
    "animal": adjectives(
        """
        big, gros <; small, petit <; old, vieux <; black, noir; white, blanc; gray, gris; beautiful, beau <
        hungry, affamé
        """
    ),
    "role": adjectives(
        """
        young, jeune <; old, vieux <; intelligent, intelligent; patient, patient; polite, poli; famous, célèbre
        generous, généreux; nice, gentil; serious, sérieux; rich, riche; lazy, paresseux; curious, curieux
        """
    ),
    "kin": adjectives("young, jeune <; old, vieux <"),
}
UNFIT = {  # what is not said of some of a class
    adjective: tuple(text.split(", "))
    for adjective, text in {
        "comfortable": "table, lamp, mirror, closet, clock, carpet, vase, painting, boat",
        "heavy": "key, photo, pen, ticket, passport, ring, map, wallet, umbrella, notebook, watch, phone",
        "expensive": "key, photo, passport, map, notebook, wallet",
        "old": "gift, ticket, baby, boy, girl, child, student",
        "new": "passport, key, photo, ticket",
        "beautiful": "ticket, passport, key, computer, phone",
        "delicious": "oil, salt, garlic, sugar, flour",
        "bad": "salt, sugar",
        "young": "baby, child",
        "rich": "child, baby",
    }.items()
}
MOODS = adjectives(  # of people, after `be`; those of SAME are one word for both genders
    """
    tired, fatigué; happy, heureux; sad, triste; sick, malade; busy, occupé; ready, prêt; late, en retard
    worried, inquiet; surprised, surpris; furious, furieux; calm, calme; angry, en colère; proud, fier
    disappointed, déçu; jealous, jaloux; absent, absent
    """
)
TRAITS = adjectives(
    """
    tall, grand; young, jeune; intelligent, intelligent; patient, patient; polite, poli; famous, célèbre; shy, timide
    generous, généreux; nice, gentil; serious, sérieux; rich, riche; lazy, paresseux; curious, curieux; strong, fort
    brave, courageux; funny, drôle; poor, pauvre; careful, prudent; discreet, discret
    """
)
WOMEN = ["Marie", "Julie", "Alice", "Emma", "Claire", "Sophie", "Anne", "Nadia"]
MEN = ["Paul", "Thomas", "Lucas", "Karim", "Antoine", "Marc", "Olivier", "Pierre"]
CITIES = table(
    """
    Paris, Paris; Lyon, Lyon; London, Londres; Brussels, Bruxelles; Geneva, Genève; Montreal, Montréal
    Madrid, Madrid; Rome, Rome; Berlin, Berlin; Lisbon, Lisbonne; Athens, Athènes; Tokyo, Tokyo
    Marseille, Marseille; Nice, Nice
    """
)
# English, French, gender; p for the plural. A feminine or a vowel takes `en`, the others `au`, the plural `aux`
COUNTRIES: tuple[tuple[str, str, str], ...] = tuple(
    (en, fr, gender)
    for en, fr, gender in table(
        """
        France, France, f; Italy, Italie, f; Spain, Espagne, f; Germany, Allemagne, f; Belgium, Belgique, f
        Switzerland, Suisse, f; Greece, Grèce, f; England, Angleterre, f; Japan, Japon, m; Canada, Canada, m
        Portugal, Portugal, m; Brazil, Brésil, m; Morocco, Maroc, m; Mexico, Mexique, m; Senegal, Sénégal, m
        Iran, Iran, m; the United States, États-Unis, p; the Netherlands, Pays-Bas, p
        """
    )
)
NATIONALITIES = adjectives(
    """
    French, français; English, anglais; Italian, italien; Spanish, espagnol; German, allemand; Japanese, japonais
    American, américain; Canadian, canadien; Belgian, belge; Swiss, suisse; Brazilian, brésilien; Moroccan, marocain
    Greek, grec; Portuguese, portugais; Mexican, mexicain
    """
)
LANGUAGES = table(
    """
    French, français; English, anglais; Italian, italien; Spanish, espagnol; German, allemand
    Japanese, japonais; Arabic, arabe; Portuguese, portugais; Chinese, chinois
    """
)
TRADES = table(  # English, masculine, feminine
    """
    engineer, ingénieur, ingénieure; teacher, professeur, professeure; lawyer, avocat, avocate
    baker, boulanger, boulangère; student, étudiant, étudiante; journalist, journaliste, journaliste
    musician, musicien, musicienne; farmer, agriculteur, agricultrice; doctor, médecin, médecin
    dentist, dentiste, dentiste; writer, écrivain, écrivaine; nurse, infirmier, infirmière
    pharmacist, pharmacien, pharmacienne; mechanic, mécanicien, mécanicienne
    architect, architecte, architecte; singer, chanteur, chanteuse; hairdresser, coiffeur, coiffeuse
    """
)
DAYS = table(
    """
    Monday, lundi; Tuesday, mardi; Wednesday, mercredi; Thursday, jeudi; Friday, vendredi; Saturday, samedi
    Sunday, dimanche
    """
)
MONTHS = table(
    """
    January, janvier; February, février; March, mars; April, avril; May, mai; June, juin; July, juillet
    August, août; September, septembre; October, octobre; November, novembre; December, décembre
    """
)
