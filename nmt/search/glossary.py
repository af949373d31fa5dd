"""Words that translations must or must not contain: from text to the spellings that search works
with, and glossaries.

A word is spelt in three ways: as it stands after a space (and, as a tokenizer puts a space before
each line, at its start), as it stands after an apostrophe, a hyphen or a bracket ("l'arbre"), and,
where it begins the line, with a capital letter. Other changes of case make other words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.config.loader import DecodingConfig
from nmt.errors import UserError
from nmt.search.constraints import Bans, Phrase, Spelling, WordParts
from nmt.text.characters import RAW, SOURCE, CharacterView
from nmt.text.escaping import escape, fold
from nmt.text.lines import is_blank, read_phrase_table
from nmt.text.placeholders import MaskedLine
from nmt.text.tokenizer import Tokenizer

MAX_SEGMENTATIONS = (
    1000  # of a banned word into pieces; it has fewer, but for long words of an unusual vocabulary
)

_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class Glossary:
    """Source phrases and the target phrase that is required where one occurs, as whole words, in a
    line."""

    def __init__(self, entries: Iterable[tuple[str, str]]):
        self._targets: dict[tuple[str, ...], str] = {}
        for source, target in entries:
            if is_blank(source) or is_blank(target):
                raise UserError(
                    f"a glossary's entry needs a source and a target phrase. Received: {source!r},"
                    f" {target!r}."
                )
            known = self._targets.setdefault(_words(source), target.strip())
            if known != target.strip():
                raise UserError(
                    f"a glossary must say one thing. Received for {source!r}: {known!r} and"
                    f" {target!r}."
                )
        self._longest = max(map(len, self._targets), default=0)

    @classmethod
    def load(cls, path: str | Path) -> "Glossary":
        """From a file of lines `source phrase TAB target phrase`. UserError for any other."""
        entries = read_phrase_table(path).items()
        try:
            return cls(entries)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def required(self, line: str) -> list[str]:
        """The target phrases of a line, each once. Where phrases overlap, the longest of the first
        place counts. The line's first letter may be a capital."""
        words, found, start = _words(line), [], 0
        while start < len(words):
            length = next(
                (
                    n
                    for n in range(min(self._longest, len(words) - start), 0, -1)
                    if self._target(words, start, n)
                ),
                0,
            )
            if length:
                found.append(self._target(words, start, length))
            start += max(length, 1)
        return list(dict.fromkeys(found))

    def _target(self, words: tuple[str, ...], start: int, length: int) -> str:
        phrase = words[start : start + length]
        if start == 0 and phrase not in self._targets:
            phrase = (phrase[0][:1].lower() + phrase[0][1:], *phrase[1:])
        return self._targets.get(phrase, "")


@dataclass(frozen=True)
class Demand:
    """What is asked of one translation, in ids."""

    prefix: tuple[int, ...] = ()
    required: tuple[Phrase, ...] = ()


class Wording:
    """Spells what is asked of translations with a target vocabulary, and refuses what cannot be.

    `forbidden_ids` are those that search never picks.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        forbidden_ids: Iterable[int],
        banned: Iterable[str] = (),
        characters: CharacterView = RAW,
    ):
        self._tokenizer, self._forbidden = tokenizer, {*forbidden_ids}
        self._characters = characters
        names = tokenizer.pieces(range(tokenizer.vocabulary_size))
        self._ids = {
            name: id
            for id, name in enumerate(names)
            if id not in self._forbidden and not _BYTE.fullmatch(name)
        }
        self._longest = max(map(len, self._ids))
        self.word_parts = WordParts(
            np.array([_is_inside(name, 0) for name in names]),
            np.array([_is_inside(name, -1) for name in names]),
            np.array(
                [
                    name[-1] in "'’-‐‑" or unicodedata.category(name[-1]) in ("Ps", "Pi", "Zs")
                    for name in names
                ]
            ),
        )
        banned = [self._phrase(word, "a banned word") for word in banned]
        self.banned = list(
            dict.fromkeys(spelling for word in banned for spelling in self._banned(word))
        )
        self._bans = Bans(self.banned, self.word_parts) if self.banned else None

    def demand(self, prefix: str | MaskedLine = "", required: Iterable[str] = ()) -> Demand:
        """UserError for what the vocabulary cannot spell and for what is banned."""
        line = (
            prefix if isinstance(prefix, MaskedLine) else MaskedLine(self._characters.read(prefix))
        )
        prefix_ids = self._checked(self._tokenizer.encode(line), line.text)
        if self._bans and self._bans.first_in(prefix_ids) is not None:
            raise UserError(f"the prefix {line.text!r} contains a banned word. Change one of them.")
        phrases = (self._phrase(phrase, "a required phrase") for phrase in required)
        return Demand(
            tuple(prefix_ids), tuple(self.spellings(phrase) for phrase in dict.fromkeys(phrases))
        )

    def spellings(self, phrase: str) -> Phrase:
        """In the tokenizer's own pieces, the plain one first."""
        plain = self._checked(self._tokenizer.encode(phrase, initial=False), phrase)
        spellings = [Spelling(tuple(plain))]
        apostrophe, behind_it = (
            self._tokenizer.encode(text, initial=False) for text in ("'", "'" + phrase)
        )
        if behind_it[: len(apostrophe)] == apostrophe:
            spellings.append(Spelling(tuple(behind_it[len(apostrophe) :]), attached=True))
        if (as_initial := self._as_initial(phrase)) != phrase:
            spellings.append(
                Spelling(tuple(self._tokenizer.encode(as_initial, initial=False)), initial=True)
            )
        allowed = [spelling for spelling in spellings if not self._is_out(spelling)]
        if spellings[0] not in allowed:
            raise UserError(
                f"{phrase!r} is required and a banned word is in it, or begins it. Change one of"
                " them."
            )
        return tuple(dict.fromkeys(allowed))

    def _phrase(self, text: str, what: str) -> str:
        if is_blank(text):
            raise UserError(f"{what} must be text. Received: {text!r}.")
        return self._characters.read(text.strip())

    def _is_out(self, spelling: Spelling) -> bool:
        # Behind <s> an initial one is looked for, too; for others that is strict, but harms none.
        banned = self._bans is not None and self._bans.first_in(spelling.ids) is not None
        return banned or not self._forbidden.isdisjoint(spelling.ids)

    def _checked(self, ids: list[int], text: str) -> list[int]:
        if not self._forbidden.isdisjoint(ids):
            raise UserError(
                f"the target vocabulary cannot spell {text!r}, or search must not. Choose another"
                " word, or train with tokenizer.byte_fallback."
            )
        return ids

    def _banned(self, word: str) -> Iterator[Spelling]:
        """In every way that the vocabulary allows, for a model may choose pieces that the tokenizer
        would not."""
        as_initial = self._as_initial(word)
        yield from (
            Spelling(ids) for text in (" " + word, word) for ids in self._segmentations(text)
        )
        if as_initial != word:
            initials = (
                ids for text in (" " + as_initial, as_initial) for ids in self._segmentations(text)
            )
            yield from (Spelling(ids, initial=True) for ids in initials)
        # In bytes, where a character has no piece.
        yield Spelling(tuple(self._tokenizer.encode(word, initial=False)))

    def _as_initial(self, phrase: str) -> str:
        """What a line that the phrase begins is encoded with."""
        return (fold(phrase) or phrase) if self._tokenizer.folds_initial else _capitalised(phrase)

    def _segmentations(self, text: str) -> list[tuple[int, ...]]:
        rest = escape(text).replace(" ", "▁")
        if any(character not in self._ids for character in rest):
            return []
        found: list[tuple[int, ...]] = []
        open_: list[tuple[tuple[int, ...], int]] = [((), 0)]
        while open_ and len(found) < MAX_SEGMENTATIONS:
            ids, start = open_.pop()
            if start == len(rest):
                found.append(ids)
            for end in range(
                start + 1, min(len(rest), start + self._longest) + 1
            ):  # the longest piece on top
                if rest[start:end] in self._ids:
                    open_.append(((*ids, self._ids[rest[start:end]]), end))
        return found


def refuse_impossible_demand(demand: Demand, max_length: int, options: DecodingConfig) -> None:
    """UserError if no translation of at most so many tokens, `</s>` included, can do what is asked."""
    if not (demand.prefix or demand.required):
        return
    if demand.required and (options.sampling or options.num_beam_groups > 1):
        raise UserError(
            "words can be required of a beam search only, without sampling and without num_beam_groups."
        )
    plain = [phrase[0].ids for phrase in demand.required]
    needed = len(demand.prefix) + sum(map(len, plain)) + 1
    if needed > max_length:
        raise UserError(
            f"the prefix and what is required have {needed} tokens with </s>, of {max_length} at"
            " most. Ask for less, or raise decoding.max_length_ratio or"
            " decoding.max_length_offset."
        )
    size = options.no_repeat_ngram_size
    ngrams = [
        ids[i : i + size]
        for ids in (demand.prefix, *plain)
        for i in range(len(ids) - size + 1)
        if size
    ]
    if demand.required and len(set(ngrams)) < len(ngrams):
        raise UserError(
            f"what is required repeats {size} tokens, which no_repeat_ngram_size forbids. Raise"
            " that, or set it to 0."
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD_OR_MARK.findall(SOURCE.read(text)))


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_inside(name: str, place: int) -> bool:
    """Whether the first or last character of a piece can be part of a longer word."""
    if byte := _BYTE.fullmatch(name):
        return int(byte[1], 16) >= 0x80 or chr(int(byte[1], 16)).isalnum()
    if name.startswith("<") and name.endswith(">"):
        return False
    return name[place].isalnum() or unicodedata.category(name[place]) == "Mn"
