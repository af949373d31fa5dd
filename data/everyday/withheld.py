"""Which words training never shows in which constructions: what `test_recombined` asks for.

Each word occurs in training in other constructions, and each construction with other words; only together they are new.
"""

from collections.abc import Iterable

from .core import Feature

WITHHELD_WORDS: dict[str, str] = {
    "object pronoun": "peach, cherry, coat, suitcase, newspaper, camera, guitar, glove, boat, letter, horse",
    "this, these": "lamp, poem, skirt, key, egg, kitchen, castle, truck, bag, bike, book, strawberry",
    "negative past": "visit, finish, repair, wash, feed, sell, come back",
    "question": "paint, wait for, choose, build, get lost",
    "negative near": "call, clean, rent, read",
    "a lot of": "rice, milk, carrot, pear, chocolate, cookie, ham",
    "comparative": "famous, brave, shy, polite, lazy",
    "superlative": "serious, patient",
    "from": "Japan, Italy, Morocco, the United States, Belgium",
    "to": "Greece, Canada, Brazil, the Netherlands",
    "adjective with plural noun": "new, expensive, delicious, beautiful",
    "relative": "dress, tomato, cake, car, cat",
    "in general": "mushroom, cat, honey, banana",
    "whose": "umbrella, house, jacket, watch, sweater",
    "which": "armchair, hat, shirt",
    "just": "eat, open, invite, write",
    "indirect pronoun": "lend",
}
WITHHELD: frozenset[Feature] = frozenset(
    (construction, word) for construction, text in WITHHELD_WORDS.items() for word in text.split(", ")
)


def withheld_in(features: Iterable[Feature]) -> list[Feature]:
    """The withheld combinations a sentence shows, in the order it shows them."""
    return [feature for feature in features if feature in WITHHELD]
