"""From text to lexical constraints: glossaries, and the spellings of required and banned words.

A word has up to three spellings: after a space (also used at the start of a line, where tokenizers
put a space), after an apostrophe, a hyphen or a bracket ("l'arbre"), and at the start of a line,
with a capital letter. Words that differ in case otherwise are different words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.config.loader import DecodingConfig
from nmt.errors import UserError
from nmt.search.constraints import BannedPhrases, Phrase, Spelling, WordBoundaries
from nmt.text.characters import RAW, SOURCE, TARGET, CharacterView
from nmt.text.escaping import escape, fold
from nmt.text.lines import is_blank, read_phrase_table
from nmt.text.placeholders import MaskedLine
from nmt.text.tokenizer import Tokenizer

# Of a banned word into pieces; exceeded only by long words with an unusual vocabulary.
MAX_SEGMENTATIONS = 1000

_MOST_NAMED = 5  # entries in an error
_NO_LINE = re.compile("[\n\ud800-\udfff]")
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_FINAL = ".!?…。！？"
_CLOSING_PIECE = re.compile(rf"[▁\s]*[{_FINAL}]+\W*")
_ONE_SENTENCE = re.compile(rf"[^{_FINAL}]*[{_FINAL}]+[^\w{_FINAL}]*")


class Glossary:
    """Source phrases and their required translations. Phrases match whole words.

    Glossaries with the same entries are equal.
    """

    def __init__(self, entries: Iterable[tuple[str, str]]):
        self._targets: dict[tuple[str, ...], str] = {}
        self._sources: dict[tuple[str, ...], str] = {}  # as they were written
        for source, target in entries:
            if not _words(source) or not _is_visible(target):
                raise UserError(
                    "a glossary entry needs a source and a target phrase, each a line of text in"
                    f" UTF-8, of visible characters. Received: {source!r}, {target!r}."
                )
            self._sources.setdefault(_words(source), source.strip())
            known = self._targets.setdefault(_words(source), target.strip())
            if known != target.strip():
                raise UserError(
                    "a glossary must give each source phrase one translation. Received for"
                    f" {source!r}: {known!r} and {target!r}."
                )
        self._longest = max(map(len, self._targets), default=0)
        self._hash = hash(frozenset(self._targets.items()))  # a key of batches hashes it often

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Glossary) and self._targets == other._targets

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def load(cls, path: str | Path) -> "Glossary":
        """Reads lines `source phrase TAB target phrase`. UserError for anything else."""
        entries = read_phrase_table(path).items()
        try:
            return cls(entries)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def required(self, line: str) -> list[str]:
        """The target phrases of the glossary entries in a line, without duplicates."""
        return list(dict.fromkeys(target for _, target in self.entries_in(line)))

    def entries_in(self, line: str) -> list[tuple[str, str]]:
        """The entries whose source phrase stands in a line: source and target phrase.

        Of overlapping entries the leftmost counts, and of several that start there the longest. The
        first letter of the line may be a capital.
        """
        words, entries, start = _words(line), [], 0
        while start < len(words):
            longest = min(self._longest, len(words) - start)
            phrases = (self._phrase(words, start, n) for n in range(longest, 0, -1))
            phrase = next((one for one in phrases if one in self._targets), ())
            if phrase:
                entries.append((self._sources[phrase], self._targets[phrase]))
            start += max(len(phrase), 1)
        return entries

    def _phrase(self, words: tuple[str, ...], start: int, length: int) -> tuple[str, ...]:
        phrase = words[start : start + length]
        if start == 0 and phrase not in self._targets:
            phrase = (phrase[0][:1].lower() + phrase[0][1:], *phrase[1:])
        return phrase


@dataclass(frozen=True)
class TargetConstraints:
    """The lexical constraints on one translation, in ids."""

    prefix: tuple[int, ...] = ()
    required: tuple[Phrase, ...] = ()
    # The only full stop, question or exclamation mark is the one at the end.
    is_one_sentence: bool = False


class ConstraintEncoder:
    """Encodes lexical constraints with a target vocabulary, and rejects impossible ones.

    `forbidden_ids` are the ids that search never emits.
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
        self.word_boundaries = WordBoundaries(
            starts_with_letter_V=np.array([_is_word_character(name, 0) for name in names]),
            ends_with_letter_V=np.array([_is_word_character(name, -1) for name in names]),
            ends_with_joiner_V=np.array([_is_joiner(name[-1]) for name in names]),
        )
        self.closing_ids = [id for name, id in self._ids.items() if _CLOSING_PIECE.fullmatch(name)]
        banned = [self._phrase(word, "a banned word") for word in banned]
        self.banned = list(
            dict.fromkeys(spelling for word in banned for spelling in self._banned(word))
        )
        self._bans = BannedPhrases(self.banned, self.word_boundaries) if self.banned else None

    def encode(
        self, prefix: str | MaskedLine = "", required: Iterable[str] = (), source: str = ""
    ) -> TargetConstraints:
        """The constraints on the translation of `source`. UserError for text that the vocabulary
        cannot spell or that contains a banned word."""
        line = (
            prefix if isinstance(prefix, MaskedLine) else MaskedLine(self._characters.read(prefix))
        )
        prefix_ids = self._allowed(self._tokenizer.encode(line), line.text)
        if self._bans and self._bans.find(prefix_ids) is not None:
            raise UserError(f"the prefix {line.text!r} contains a banned word. Change one of them.")
        phrases = (self._phrase(phrase, "a required phrase") for phrase in required)
        return TargetConstraints(
            tuple(prefix_ids),
            tuple(self.spellings(phrase) for phrase in dict.fromkeys(phrases)),
            bool(_ONE_SENTENCE.fullmatch(source)),
        )

    def spellings(self, phrase: str) -> Phrase:
        """The spellings of a phrase in the tokenizer's own pieces, the plain one first."""
        plain = self._allowed(self._tokenizer.encode(phrase, initial=False), phrase)
        spellings = [Spelling(tuple(plain))]
        # After a letter: at the beginning of a line it may open a quotation.
        apostrophe, after_it = (
            self._tokenizer.encode(text, initial=False) for text in ("l'", f"l'{phrase}")
        )
        if after_it[: len(apostrophe)] == apostrophe:
            spellings.append(Spelling(tuple(after_it[len(apostrophe) :]), attached=True))
        if (as_initial := self._as_initial(phrase)) != phrase:
            spellings.append(
                Spelling(tuple(self._tokenizer.encode(as_initial, initial=False)), initial=True)
            )
        allowed = [spelling for spelling in spellings if not self._is_excluded(spelling)]
        if spellings[0] not in allowed:
            raise UserError(
                f"the required phrase {phrase!r} contains a banned word, or begins with one. Change"
                " one of them."
            )
        return tuple(dict.fromkeys(allowed))

    def _phrase(self, text: str, what: str) -> str:
        if not _is_visible(text):
            raise UserError(
                f"{what} must be a line of text in UTF-8, of visible characters. Received:"
                f" {text!r}."
            )
        return self._characters.read(text.strip())

    def _is_excluded(self, spelling: Spelling) -> bool:
        # Every spelling is checked as if it stood at the start of the line, where initial bans
        # apply, too: stricter than necessary, but simpler.
        banned = self._bans is not None and self._bans.find(spelling.ids) is not None
        return banned or not self._forbidden.isdisjoint(spelling.ids)

    def _allowed(self, ids: list[int], text: str) -> list[int]:
        if not self._forbidden.isdisjoint(ids):
            raise UserError(
                f"the target vocabulary cannot spell {text!r}, or search never emits its ids."
                " Choose another word, or train with tokenizer.byte_fallback."
            )
        return ids

    def _banned(self, word: str) -> Iterator[Spelling]:
        """All spellings that the vocabulary allows, as a model may choose pieces that the tokenizer
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
        # With byte pieces, if a character has no piece of its own.
        yield Spelling(tuple(self._tokenizer.encode(word, initial=False)))

    def _as_initial(self, phrase: str) -> str:
        """The phrase as it is encoded at the start of a line."""
        return (fold(phrase) or phrase) if self._tokenizer.folds_initial else _capitalised(phrase)

    def _segmentations(self, text: str) -> list[tuple[int, ...]]:
        rest = escape(text).replace(" ", "▁")
        if any(character not in self._ids for character in rest):
            return []
        segmentations: list[tuple[int, ...]] = []
        stack: list[tuple[tuple[int, ...], int]] = [((), 0)]
        while stack and len(segmentations) < MAX_SEGMENTATIONS:
            ids, start = stack.pop()
            if start == len(rest):
                segmentations.append(ids)
            # The longest piece ends up on top of the stack.
            for end in range(start + 1, min(len(rest), start + self._longest) + 1):
                if rest[start:end] in self._ids:
                    stack.append(((*ids, self._ids[rest[start:end]]), end))
        return segmentations


def check_constraints(
    constraints: TargetConstraints,
    max_length: int,
    options: DecodingConfig,
    entries: Sequence[tuple[str, str]] = (),
) -> None:
    """UserError if no translation of at most `max_length` tokens, including `</s>`, can satisfy the
    constraints. It names the glossary `entries` that they are made of, if any: whoever sends them
    to a server cannot change its options."""
    if not (constraints.prefix or constraints.required):
        return
    distinct = [f"{source!r} -> {target!r}" for source, target in dict.fromkeys(entries)]
    more = [f"{len(distinct) - _MOST_NAMED} more"] if len(distinct) > _MOST_NAMED else []
    named = ", ".join(distinct[:_MOST_NAMED] + more)
    if constraints.required and (options.sampling or options.num_beam_groups > 1):
        raise UserError(
            "required words need a beam search without sampling and without num_beam_groups. Leave"
            f" these options out, or {f'the glossary: {named}' if named else 'require nothing'}."
        )
    plain = [phrase[0].ids for phrase in constraints.required]
    needed = len(constraints.prefix) + sum(map(len, plain)) + 1
    if needed > max_length:
        raise UserError(
            f"the glossary requires {named}, which does not fit into a translation of this line:"
            f" {needed} tokens including </s> are needed, but at most {max_length} are allowed."
            " Shorten the phrases, or leave entries out."
            if named
            else f"the prefix and the required phrases need {needed} tokens including </s>, but at"
            f" most {max_length} are allowed. Ask for less, or raise decoding.max_length_ratio or"
            " decoding.max_length_offset."
        )
    size = options.no_repeat_ngram_size
    ngrams = [
        ids[i : i + size]
        for ids in (constraints.prefix, *plain)
        for i in range(len(ids) - size + 1)
        if size
    ]
    if constraints.required and len(set(ngrams)) < len(ngrams):
        raise UserError(
            f"the glossary requires {named}, which repeats {size} tokens. The options of this"
            " model (no_repeat_ngram_size) forbid that. Leave entries out."
            if named
            else f"the prefix and the required phrases repeat {size} tokens, which"
            " no_repeat_ngram_size forbids. Raise it, or set it to 0."
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD_OR_MARK.findall(SOURCE.read(text)))


def _is_visible(text: str) -> bool:
    """Whether a text is one line, of which a model can read anything: of a zero-width space it
    reads nothing. Arguments of a command that are not UTF-8 have lone surrogates."""
    return not _NO_LINE.search(text.strip()) and not is_blank(TARGET.read(text))


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_joiner(character: str) -> bool:
    """Whether a word may follow without a space: after apostrophes, hyphens, opening brackets and
    quotes, and spaces of any kind."""
    return character in "'’-‐‑" or unicodedata.category(character) in ("Ps", "Pi", "Zs")


def _is_word_character(name: str, place: int) -> bool:
    """Whether the first (0) or last (-1) character of a piece can be part of a longer word."""
    if byte := _BYTE.fullmatch(name):
        return int(byte[1], 16) >= 0x80 or chr(int(byte[1], 16)).isalnum()
    if name.startswith("<") and name.endswith(">"):
        return False
    return name[place].isalnum() or unicodedata.category(name[place]) == "Mn"
