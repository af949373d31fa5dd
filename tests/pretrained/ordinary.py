"""Ordinary sentences that a stranger types first, with the translations that are accepted.

`sentences.SOURCE-TARGET.tsv` holds a sentence a line: the source, then accepted translations. In a
translation, `[a|b|]` stands for `a`, `b` or nothing. The sentences were written before any model
was trained on general text, and `scripts/general_corpus.py` keeps them and their near copies out of
that text: translating them is no act of memory.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent

_CHOICE = re.compile(r"\[([^\]]*)\]")


class Ordinary(NamedTuple):
    """A sentence and all its accepted translations, as they are spelt in the file."""

    source: str
    translations: tuple[str, ...]

    def accepts(self, translation: str) -> bool:
        """Whether a translation equals an accepted one but for typography."""
        return plain(translation) in {plain(accepted) for accepted in self.translations}


def read_ordinary(source: str, target: str) -> list[Ordinary]:
    """The sentences of one direction, such as "en" to "fr"."""
    path = FOLDER / f"sentences.{source}-{target}.tsv"
    rows = (line.split("\t") for line in path.read_text("utf-8").split("\n") if line)
    return [
        Ordinary(sentence, tuple(text for pattern in patterns for text in expand(pattern)))
        for sentence, *patterns in rows
    ]


def expand(pattern: str) -> Iterator[str]:
    """All texts that a pattern stands for: "[a|b] c" is "a c" and "b c"."""
    parts = _CHOICE.split(pattern)  # text, choices, text, choices, ..., text
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    for choice in itertools.product(*choices):
        yield re.sub(" {2,}", " ", "".join(choice)).strip()


def plain(text: str) -> str:
    """Text without the differences in typography that a reader does not mind.

    Quotes and apostrophes are straight, no space stands before `! ? : ;` or inside guillemets, any
    other run of white space is one space. Letters, capitals, digits and marks count.
    """
    text = unicodedata.normalize("NFC", text)
    text = re.sub("[’‘ʼ′]", "'", text)
    text = re.sub(r"«\s*|\s*»|[“”„]", '"', text)
    text = re.sub(r"\s+(?=[!?:;])", "", text)
    text = text.replace("…", "...")
    text = re.sub(r"(?<=\d)\s(?=\d{3}\b)", "", text)  # thousands: "250 000" is "250000"
    return re.sub(r"\s+", " ", text).strip()
