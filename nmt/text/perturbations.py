"""What people do to a sentence as they type it: to train with (`nmt.training.augmentation`) and to
measure robustness with. Each function is pure: text and a generator in, text out.
"""

import random
import re
from collections.abc import Callable

# Neighbours on a QWERTY keyboard, those of AZERTY's moved letters among them.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS: dict[str, str] = {
    letter: "".join(
        other
        for r, other_row in enumerate(_ROWS)
        for c, other in enumerate(other_row)
        if (r, c) != (row, column) and abs(r - row) <= 1 and -1 <= c - column + (r - row) <= 1
    )
    for row, letters in enumerate(_ROWS)
    for column, letter in enumerate(letters)
}
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_FINAL = re.compile(r"(?:\s?[.!?…]+)$")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def neighbouring_key(word: str, index: int, generator: random.Random) -> str:
    near = _NEIGHBOURS.get(word[index].lower(), "")
    if not near:
        return doubled_letter(word, index, generator)
    wrong = generator.choice(near)
    return word[:index] + (wrong.upper() if word[index].isupper() else wrong) + word[index + 1 :]


def doubled_letter(word: str, index: int, generator: random.Random) -> str:
    return word[: index + 1] + word[index].lower() + word[index + 1 :]


def dropped_letter(word: str, index: int, generator: random.Random) -> str:
    return word[:index] + word[index + 1 :]


def swapped_letters(word: str, index: int, generator: random.Random) -> str:
    index = min(index, len(word) - 2)
    first, second = word[index], word[index + 1]
    if first.isupper():  # the capital stays where it is
        first, second = first.lower(), second.upper()
    return word[:index] + second + first + word[index + 2 :]


TYPING_ERRORS: dict[str, Callable[[str, int, random.Random], str]] = {
    "neighbouring_key": neighbouring_key,
    "doubled_letter": doubled_letter,
    "dropped_letter": dropped_letter,
    "swapped_letters": swapped_letters,
}


def typing_error(text: str, generator: random.Random, kind: str | None = None) -> str:
    """One typing error, of any kind by default, in a word of three letters or more."""
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return text
    word = generator.choice(words)
    error = TYPING_ERRORS[kind or generator.choice(list(TYPING_ERRORS))]
    wrong = error(word[0], generator.randrange(1, len(word[0])), generator)
    return text[: word.start()] + wrong + text[word.end() :]


def without_final_mark(text: str) -> str:
    """A sentence whose writer has left the last punctuation mark out."""
    return _FINAL.sub("", text) or text


def final_mark(text: str) -> str:
    """The punctuation that `without_final_mark` leaves out, without its space; "" if none."""
    match = _FINAL.search(text)
    return match[0].strip() if match and match.start() else ""


def small_initial(text: str) -> str:
    """A sentence that begins with a small letter. A first word in capitals keeps them."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def with_marks(text: str, start: int, end: int, before: str, after: str) -> str:
    """A text with marks around text[start:end]."""
    return f"{text[:start]}{before}{text[start:end]}{after}{text[end:]}"


def title_case(text: str) -> str:
    """Every Word With A Capital."""
    return _WORD.sub(lambda match: match[0][:1].upper() + match[0][1:], text)
