"""Translates a document that has been read, and says what could not be translated."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nmt.documents.document import (
    ICU_MESSAGE,
    Document,
    Unit,
    in_order,
    placeholders_of,
    written,
)
from nmt.errors import LineError
from nmt.text.html import Translated
from nmt.text.html_blocks import AlignedText, Block, Entry, Tag

# lines, alignments=... -> a translation for each line, or the exception that it failed with
Translate = Callable[..., Sequence[Translated | Exception]]
MAX_SHOWN = 3  # units that a summary names
_SHOWN_CHARACTERS = 60
_ESCAPED_BYTE = re.compile("%[0-9a-fA-F]{2}")  # of an address: no placeholder


class Line(NamedTuple):
    """What is translated: units with the same text are translated once."""

    text: str
    needs_alignment: bool


class Left(NamedTuple):
    """A unit that stays as it was."""

    text: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """A translated document. `left` are the units that stay as they were."""

    content: bytes
    num_units: int
    left: Sequence[Left]

    @property
    def has_failed(self) -> bool:
        """Whether there was something to translate, and all of it stays as it was."""
        return 0 < self.num_units == len(self.left)

    def summary(self) -> str:
        """One line for people."""
        if not self.num_units:
            return "nothing to translate: the document stays as it is"
        num_left = len(self.left)
        text = f"{_counted(self.num_units - num_left)} translated"
        if not num_left:
            return text
        shown = [f"{_shortened(unit.text)} ({unit.reason})" for unit in self.left[:MAX_SHOWN]]
        more = ["..."] if num_left > MAX_SHOWN else []
        be = "it was" if num_left == 1 else "they were"
        text = "nothing was translated" if self.has_failed else text
        return f"{text}, {num_left} left as {be}: {', '.join([*shown, *more])}"


def _counted(count: int) -> str:
    return f"{count} segment{'s' * (count != 1)}"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def lines_of(document: Document) -> list[Line]:
    """What to translate, each line once, those without alignments first."""
    found = dict.fromkeys(Line(unit.text, unit.needs_alignment) for unit in document.units)
    return sorted(found, key=lambda line: line.needs_alignment)


def finish(document: Document, translations: Mapping[Line, AlignedText | Exception]) -> Outcome:
    """The document with the translations of its lines.

    A unit stays as it was where its translation failed, lost a placeholder, or would break the
    document.
    """
    accepted: dict[Unit, AlignedText] = {}
    left = []
    for unit in document.units:
        translation = translations[Line(unit.text, unit.needs_alignment)]
        if isinstance(translation, LineError):
            left.append(Left(unit.text, translation.message))
        elif isinstance(translation, Exception):
            left.append(Left(unit.text, str(translation)))
        elif reason := _problem(unit, translation) or document.problem(unit, translation):
            left.append(Left(unit.text, reason))
        elif document.is_bilingual or translation.text != unit.text:
            accepted[unit] = translation
    return Outcome(document.filled(accepted), len(document.units), left)


def translate_document(document: Document, translate: Translate) -> Outcome:
    """Translates a document with `translate(lines, alignments=...)`, a translator's as in
    `nmt.text.html.translate_html`."""
    translations: dict[Line, AlignedText | Exception] = {}
    lines = lines_of(document)
    for is_aligned in (False, True):
        of_kind = [line for line in lines if line.needs_alignment == is_aligned]
        texts = [line.text for line in of_kind]
        results = translate(texts, alignments=is_aligned) if texts else ()
        for line, result in zip(of_kind, results, strict=True):
            translations[line] = result if isinstance(result, Exception) else result.candidates[0]
    return finish(document, translations)


def _problem(unit: Unit, translation: AlignedText) -> str | None:
    """Why a translation can stand in no document: a message of ICU, or changed placeholders.

    A stand-in may be lost: it is put back by the alignment.
    """
    if ICU_MESSAGE.search(unit.text):
        return "a message with plural forms"
    stand_ins = getattr(unit, "stand_ins", ())
    before, after = (
        [one for one in placeholders_of(text) if one not in stand_ins]
        for text in (unit.text, translation.text)
    )
    lost, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if not (lost or new):
        values = _values(unit, None)
        moved = (a for a, b in zip(values, _values(unit, translation), strict=False) if a != b)
        return next((f"placeholder {one} takes another value" for one, _ in moved), None)
    changes = [f"{one} is lost" for one in lost] or [f"{one} is new" for one in new]
    return f"placeholder {changes[0]}"


def _values(unit: Unit, translation: AlignedText | None) -> list[tuple[str, Tag | None]]:
    """The placeholders that take their values in order, in text and in tags, and their tags."""
    entries: Iterable[Entry] = [translation.text if translation else unit.text]
    if isinstance(unit, Block):
        entries = unit.placed(translation)
    found: list[tuple[str, Tag | None]] = []
    for tag, group in itertools.groupby(entries, _as_tag):
        text = _ESCAPED_BYTE.sub("", tag.raw) if tag else written(group)
        found += [(placeholder, tag) for placeholder in placeholders_of(text)]
    ordered = set(in_order(placeholder for placeholder, _ in found))
    return [value for value in found if value[0] in ordered]


def _as_tag(entry: Entry) -> Tag | None:
    return entry if isinstance(entry, Tag) else None
