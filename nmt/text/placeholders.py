"""Text that is copied, not translated: addresses, placeholders, words with characters that were
not in the training text; and prices and times, which are rewritten by rule (`nmt.text.amounts`).

A span of the source becomes one numbered copy symbol, and where the translation has that symbol,
the span is restored: the network learns where such a span belongs, not how it is spelt.

    raw line --Copier.mask--> line with copies --tokenizer--> ids with symbols --search--> ids
    --decode--> text

In training, a span becomes a symbol only if both sides of a pair contain it equally often (as Luong
et al., 2015, "Addressing the Rare Word Problem", and Crego et al., 2016, do with names and
numbers). Most text has too few such spans to learn from, so in a share of the pairs, words that
translate each other become symbols, too: see `PairMasker`.

A dictionary masks the words it lists and restores them as it says. A glossary requires a phrase of
the output instead: the model reads the source unchanged and may inflect the words around the
phrase, but must be able to spell it.
"""

import itertools
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from nmt.seeding import derive_seed
from nmt.text import amounts
from nmt.text.characters import QUOTE_ENTITY
from nmt.text.lines import is_blank
from nmt.text.model_input import CharacterView, ModelInput, has_letters

NUM_COPY_SYMBOLS = (
    16  # and so the most copies of a line; what else would be one is encoded as any text
)


def copy_symbol(index: int) -> str:
    """The text of copy symbol `index`, from 0: "｟0｠". In a raw line it is ordinary text
    (`nmt.text.tokenizer.escape`)."""
    if not 0 <= index < NUM_COPY_SYMBOLS:
        raise ValueError(
            f"a copy symbol's index must be in 0..{NUM_COPY_SYMBOLS - 1}. Received: {index}."
        )
    return f"｟{index}｠"


class Copy(NamedTuple):
    """Characters `start` to `end` of a line, encoded as one copy symbol, and the text that restores
    it."""

    start: int
    end: int
    symbol: int
    restored: str
    raw_start: int = 0  # in the raw line; the view moves characters


@dataclass(frozen=True)
class MaskedLine:
    """A line whose `copies`, ascending and apart, are to be encoded as copy symbols."""

    text: str
    copies: tuple[Copy, ...] = ()

    def replaced(self, text_of: Callable[[Copy], str], rest: Callable[[str], str] = str) -> str:
        """The line with `text_of` each copy in its place, and `rest` applied to the text between
        them."""
        parts, end = [], 0
        for copy in self.copies:
            parts += [rest(self.text[end : copy.start]), text_of(copy)]
            end = copy.end
        return "".join([*parts, rest(self.text[end:])])

    @property
    def is_all_copies(self) -> bool:
        """Whether nothing but white space stands beside the copies."""
        return bool(self.copies) and is_blank(self.replaced(lambda copy: ""))

    @property
    def has_letters(self) -> bool:
        """Whether letters stand beside the copies."""
        return has_letters(self.replaced(lambda copy: " "))

    def recased(self, recase: Callable[[str, bool], str]) -> "MaskedLine":
        """The line with `recase(text, is_start)`, as long as before, of the text beside its copies:
        a method of `Casing`."""
        text, end = "", 0
        for copy in (*self.copies, None):
            stretch = self.text[end : copy.start if copy else None]
            text += recase(stretch, end == 0)
            if copy:
                text, end = text + self.text[copy.start : copy.end], copy.end
        return replace(self, text=text)


# ----------------------------------------------------------------------------------- finding copies

# Up to the punctuation that ends a sentence or a parenthesis around the address, but not one
# inside: wiki/Tea_(meal)
_REST_OF_URL = r"""(?:[^\s<>()\[\]{}"“”«»。，、]|\([^\s<>()]*\)|\{[^\s{}]*\})*(?<![.,;:!?'’…])"""

# {name} {} ${name} %{name} {{ name }} %#@name@ %s %-5.2f %1$s %(name)d %@ %%; not "50%" and not
# "100 %increase"
FORMAT_PLACEHOLDER = (
    r"\{\{[^{}]*\}\}|[$%#]?\{[^{}\s]*\}|%#@\w+@"
    r"|(?<![\d%])%(?:\(\w+\)|\d+\$)?[-+#0]*+\d*+(?:\.\d+)?(?:hh?|ll?|[jzt])?(?:[sd@]|[iufeEgGxXoc](?![A-Za-z]))|%%"
)
ENTITY = r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{0,31});"
# What a plain text has of markup: `code` <b> </b> <x id="1"/> <0> &amp; :smile: #tag @name
# first_name; not "x<y and y>z", "#1" and "a:b:c"
MARKUP = (
    r"(?<![\w`])`[^`\s](?:[^`]*[^`\s])?`(?![\w`])"
    r"|</?[A-Za-z0-9][\w:.-]*(?:\s+[\w:.@-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/?>"
    rf"|(?!{QUOTE_ENTITY}){ENTITY}|(?<![\w:]):(?:[a-z]\w*|[+-]1):(?![\w:])"
    r"|(?<![\w&#/])#\d*[^\W\d]\w*|(?<![\w@.])@[A-Za-z_]\w*|(?<!\w)[^\W_]+(?:_[^\W_]+)+(?!\w)"
)
# Of names of files, without their point
FILE_SUFFIXES = (
    r"avif|bmp|css|csv|docx?|gif|gz|html?|ico|jpe?g|js|json|md|mp[34]|odt|ogg|pdf|php|png|pptx?|py"
    r"|svg|tiff?|tsx?|txt|wav|webm|webp|xlsx?|xml|ya?ml|zip"
)

PATTERNS = {  # class -> regular expression. Where several match at one place, the first does.
    "urls": (
        rf"(?<![\w+-])(?:[A-Za-z][A-Za-z0-9+.-]{{0,20}}://|www\.){_REST_OF_URL}"
        rf"|(?<![\w@.-])(?:[\w-]+\.)+(?:com|edu|gov|info|io|net|org)\b(?:[/?#:]{_REST_OF_URL})?"
        # names of files: report_v2.pdf
        rf"|(?<![\w@./\\~-])(?:[\w-]+\.)+(?:{FILE_SUFFIXES}|{FILE_SUFFIXES.upper()})(?![\w-]|\.\w)"
        # paths: /usr/bin, ~/.bashrc, C:\Users\Bob; not and/or, 5/6, he /she
        r"|(?<![\w./\\:~)-])(?:(?:[A-Za-z]:\\|~/|\.{1,2}/)[\w.~-]+|/[\w.~-]+/[\w.~-]+)"
        r"(?:[/\\][\w.~-]+)*[/\\]?(?<!\.)"
    ),
    "emails": r"(?<![\w.+-])(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "placeholders": f"{FORMAT_PLACEHOLDER}|{MARKUP}",
    # +33 6 12 34 56 78, 06.12.34.56.78, (212) 555-0123, 555-123-4567, and addresses such as
    # 192.168.0.1; not dates, nor 12 345 678 900. Then what else has groups of digits: ISBN, UUID,
    # checksums, fe80::1, 14:05:33
    "phones": (
        r"(?<![\w.,/+-])(?!\d{1,3}(?:[ \u00a0\u202f.]\d{3})+(?![ .]?\d))"
        r"(?:\+?\d{1,4}(?: ?\(0\) ?\d{1,4})?(?:[ \u00a0\u202f.-]\d{1,4}){3,}"
        r"|(?:\(\d{3}\) ?|\d{3}-)\d{3}[ -]\d{4})(?!\w|[.,/-]\d|:\d\d?(?!\d))"
        r"|(?<![\w.,/+-])\d{1,13}(?:-\d{1,13}){3,}(?!\w|[.,/-]\d)"
        r"|(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"
        r"|(?<!\w)(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{7,}(?!\w)"
        r"|(?<![\w:.-])(?=[a-fA-F:]*[0-9])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}(?:[.,]\d+)?(?![\w:])"
    ),
    **amounts.PATTERNS,
    "numbers": r"(?<![\w.,])\d+(?:[.,:/-]\d+)*(?!\w)",
}


class CopySpan(NamedTuple):
    """A span of a raw line, and the text that restores it."""

    start: int
    end: int
    restored: str


class Copier:
    """Finds and masks the spans of a line that its translation has to copy.

    `classes` are names of PATTERNS, or "unseen": words with, and runs of, the characters that
    `unknown_characters` says a line has, but for words that are `translated`, in any case. A
    `dictionary` maps words or phrases of the source, exactly as they stand there, to what they
    become. `view` says how the model reads what stands between the copies; what is copied stays as
    it is, but for prices and times: those are written as the second of the two `languages` does.
    """

    def __init__(
        self,
        classes: Collection[str],
        unknown_characters: Callable[[str], set[str]],
        view: ModelInput | None = None,
        dictionary: Mapping[str, str] | None = None,
        languages: tuple[str, str] = ("", ""),
        translated: Collection[str] = (),
    ):
        self._translated = set(map(_spelling, translated))
        self.classes, self.dictionary, self.languages = classes, dictionary or {}, languages
        self.view = view or ModelInput()
        self._unknown_characters = unknown_characters if "unseen" in classes else None
        patterns = [
            f"(?P<{name}>{pattern})" for name, pattern in PATTERNS.items() if name in classes
        ]
        # The longest first, as alternatives are tried in order.
        words = "|".join(map(re.escape, sorted(self.dictionary, key=len, reverse=True)))
        patterns += [rf"(?P<listed>(?<!\w)(?:{words})(?!\w))"] if words else []
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def find(self, line: str) -> list[CopySpan]:
        """The spans of a raw line that would be copied, in order, without overlaps."""
        spans = [
            CopySpan(*match.span(), restored)
            for match in (self._pattern.finditer(line) if self._pattern else ())
            if (restored := self._restored(match)) is not None
        ]
        unknown = self._unknown(line)
        if unknown:
            edges = [0, *itertools.chain.from_iterable(span[:2] for span in spans), len(line)]
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                for a, b in unseen_runs(line[start:end], unknown):
                    run = line[start + a : start + b]
                    if _spelling(run) not in self._translated:
                        spans.append(CopySpan(start + a, start + b, run))
        return sorted(spans)

    def _restored(self, match: re.Match[str]) -> str | None:
        if match.lastgroup == "listed":
            return self.dictionary[match[0]]
        return amounts.rewritten(str(match.lastgroup), match[0], *self.languages)

    def _unknown(self, line: str) -> set[str]:
        """Those of a raw line's characters that are unknown, also as the model reads them."""
        if not self._unknown_characters:
            return set()
        unknown = self._unknown_characters(line)
        if unknown and self.view.is_shouted(line):  # and read in small letters
            unknown = {one for one in unknown if self._unknown_characters(one.lower())}
        if unknown and self.view.kind != "raw":
            read = self.view.source.read(line)
            still = self._unknown_characters(read)
            spans = zip(read, self.view.source.spans(line), strict=True)
            unknown &= {
                raw for character, span in spans if character in still for raw in line[slice(*span)]
            }
        return unknown

    def mask(self, line: str) -> MaskedLine:
        """Masks a raw line to be translated: its first 16 copies become symbols 0, 1, ..."""
        spans = self.find(line)[:NUM_COPY_SYMBOLS]
        return _masked(
            line,
            [Copy(*span[:2], symbol, span.restored) for symbol, span in enumerate(spans)],
            self.view.source,
        )

    def mask_target(self, source: MaskedLine, target: str) -> MaskedLine:
        """A raw target line, or the beginning of one, with the symbols of its source for what they
        restore."""
        symbols: dict[str, list[int]] = {}
        for copy in source.copies:
            symbols.setdefault(copy.restored, []).append(copy.symbol)
        found = self.find(target)
        copies: list[Copy] = []
        for restored in sorted(
            symbols, key=len, reverse=True
        ):  # what is part of another copy is none
            places = [
                place for place in places_of(restored, target, found) if not _touches(place, copies)
            ]
            copies += [
                Copy(place.start, place.end, symbol, restored)
                for place, symbol in zip(places, symbols[restored], strict=False)
            ]
        return _masked(target, sorted(copies), self.view.target)

    def pair_up(self, source: str, target: str) -> list[tuple[CopySpan, CopySpan]]:
        """What both lines of a raw pair hold equally often, first to first."""
        groups: dict[str, list[CopySpan]] = {}
        for span in self.find(source):
            groups.setdefault(span.restored, []).append(span)
        found = self.find(target) if groups else []
        pairs: list[tuple[CopySpan, CopySpan]] = []
        for restored, spans in groups.items():
            places = places_of(restored, target, found)
            if len(places) == len(spans) and not any(
                _touches(place, [pair[1] for pair in pairs]) for place in places
            ):
                pairs += zip(spans, places, strict=True)
        return sorted(pairs)


def unseen_runs(text: str, unknown: set[str]) -> list[tuple[int, int]]:
    """(start, end) of what holds `unknown` characters: whole words, and signs or spaces alone;
    joined where they touch.

    So "Łódź," is copied without its comma, and of "fine😀" the end. Apostrophes are never copied:
    "man’s" is grammar.
    """
    is_copied: list[bool] = []
    for kind, group in itertools.groupby(text, _kind):
        run = "".join(group)
        of_run = [character in unknown and character not in "’ʼ" for character in run]
        is_copied += [any(of_run)] * len(run) if kind == "word" else of_run
    edges = [
        i
        for i in range(len(text) + 1)
        if (i > 0 and is_copied[i - 1]) != (i < len(text) and is_copied[i])
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _spelling(word: str) -> str:
    """A word without its case and without the ways to encode an accent."""
    return unicodedata.normalize("NFC", word).lower()


def _kind(character: str) -> str:
    """Letters, their marks and digits make words, in scripts without spaces long ones."""
    return "word" if unicodedata.category(character)[0] in "LMN" else "other"


def places_of(text: str, line: str, found: Iterable[CopySpan] = ()) -> list[CopySpan]:
    """Wherever `text` stands in a line as a word, or as a whole one of `found`, never as a part of
    one. A space is any that may stand in a number."""
    before, after = (
        (r"(?<!\w)" if text[:1].isalnum() else ""),
        (r"(?!\w)" if text[-1:].isalnum() else ""),
    )
    spaced = re.sub(r"\\?[ \u00a0\u202f]", "[ \u00a0\u202f]", re.escape(text))
    places = [CopySpan(*match.span(), text) for match in re.finditer(before + spaced + after, line)]
    whole = {(span.start, span.end) for span in found}
    return [
        place for place in places if (place.start, place.end) in whole or not _touches(place, found)
    ]


def _touches(place: CopySpan, others: Iterable[CopySpan | Copy]) -> bool:
    return any(place.start < other.end and other.start < place.end for other in others)


def _masked(line: str, copies: Iterable[Copy], characters: CharacterView) -> MaskedLine:
    """A raw line as the model reads it, but for its copies, which stay; their places follow."""
    text, end, moved = "", 0, []
    for copy in copies:
        text += characters.read(line[end : copy.start])
        kept = line[copy.start : copy.end]
        moved.append(
            copy._replace(start=len(text), end=len(text) + len(kept), raw_start=copy.start)
        )
        text, end = text + kept, copy.end
    return MaskedLine(text + characters.read(line[end:]), tuple(moved))


# ----------------------------------------------------------------------------------------- training

_WORD_OF_LETTERS = re.compile(r"(?<![\w'’-])\w+(?:-\w+)*(?![\w'’-])")  # one that stands alone
_MIN_LETTERS = 3  # of words to be replaced: shorter ones are grammar
_MIN_DICE = 0.5
_MIN_PAIRS = 3
_MAX_CELLS = 4_000_000  # pairs of words to count: bounds memory for text of long lines
_MOST_REPLACED = 3  # words of a pair
_SHARE_ADDED = 0.25  # of the pairs in which words are replaced


def lone_words(line: str) -> dict[str, list[CopySpan]]:
    """The words that stand alone, not those of "l'homme" and "man's", and their places."""
    places: dict[str, list[CopySpan]] = {}
    for match in _WORD_OF_LETTERS.finditer(line):
        places.setdefault(match[0], []).append(CopySpan(*match.span(), match[0]))
    return places


def translations_of_words(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Source word -> target word, for words that mostly occur together.

    By Dice's coefficient, 2 |pairs with both| / (|pairs with one| + |pairs with the other|), of at
    least 0.5, and each the other's best: a few thousand pairs give the common words, which is
    enough. Of long lines fewer are read.
    """
    source_counts: Counter[str] = Counter()
    target_counts: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    num_cells = 0
    for pair in pairs:
        source, target = (
            {word for word in _WORD_OF_LETTERS.findall(line) if len(word) >= _MIN_LETTERS}
            for line in pair
        )
        num_cells += len(source) * len(target)
        if num_cells > _MAX_CELLS:
            break
        source_counts.update(source)
        target_counts.update(target)
        both.update(itertools.product(source, target))
    best: dict[
        tuple[int, str], tuple[float, str]
    ] = {}  # (side, word) -> Dice and word of the other side
    for (source_word, target_word), count in both.items():
        dice = 2 * count / (source_counts[source_word] + target_counts[target_word])
        if count >= _MIN_PAIRS and dice >= _MIN_DICE:
            for key, other in (((0, source_word), target_word), ((1, target_word), source_word)):
                best[key] = max(best.get(key, (0.0, "")), (dice, other))
    return {
        word: other
        for (side, word), (_, other) in best.items()
        if side == 0 and best[1, other][1] == word
    }


class PairMasker:
    """Masks raw training pairs, each by a pure function of the seed and its number.

    Symbols are drawn at random, so that all of them are learnt. In a `share` of the pairs up to
    three words that translate each other are replaced as well (by `partners`, or the same name or
    number on both sides), and in a quarter of these a symbol is added at the start or at the end,
    where emoji, links and names of speakers stand.
    """

    def __init__(self, copier: Copier, partners: Mapping[str, str], share: float, seed: int):
        self._copier, self._partners, self._share, self._seed = copier, partners, share, seed

    def mask(self, number: int, source: str, target: str) -> tuple[MaskedLine, MaskedLine]:
        """Source and target of training pair `number`."""
        view = self._copier.view
        source, target = (side.core for side in view.peel_pair(source, target))
        masked = self._masked_cores(number, source, target)
        if view.is_shouted(source) and view.is_shouted(target):
            return (
                masked[0].recased(view.source_casing.quiet),
                masked[1].recased(view.target_casing.quiet),
            )
        if view.is_titled(source):
            return masked[0].recased(view.source_casing.lowered), masked[1]
        return masked

    def _masked_cores(self, number: int, source: str, target: str) -> tuple[MaskedLine, MaskedLine]:
        characters = self._copier.view.source, self._copier.view.target
        if not (self._copier.classes or self._share):
            return _masked(source, [], characters[0]), _masked(target, [], characters[1])
        generator = random.Random(derive_seed(self._seed, "copies", number))
        chosen, added, at_start = (
            generator.random() < share for share in (self._share, _SHARE_ADDED, 0.5)
        )
        pairs = []
        if chosen and added:
            source, target = (f"x {line}" if at_start else f"{line} x" for line in (source, target))
            places = [
                (0, 1) if at_start else (len(line) - 1, len(line)) for line in (source, target)
            ]
            pairs.append((CopySpan(*places[0], "x"), CopySpan(*places[1], "x")))
        pairs += self._copier.pair_up(source, target)
        if chosen:
            words = self._replaceable(source, target, pairs)
            generator.shuffle(words)
            pairs += words[: generator.randint(1, _MOST_REPLACED)]
        pairs = pairs[:NUM_COPY_SYMBOLS]
        symbols = generator.sample(range(NUM_COPY_SYMBOLS), len(pairs))
        masked = [
            _masked(
                line,
                sorted(
                    Copy(*pair[side][:2], symbol, pair[side].restored)
                    for pair, symbol in zip(pairs, symbols, strict=True)
                ),
                characters[side],
            )
            for side, line in enumerate((source, target))
        ]
        return masked[0], masked[1]

    def _replaceable(
        self, source: str, target: str, pairs: Iterable[tuple[CopySpan, CopySpan]]
    ) -> list[tuple[CopySpan, CopySpan]]:
        """The words of a pair that translate each other, are there once, and are not in `pairs`
        already."""
        taken = [[pair[side] for pair in pairs] for side in (0, 1)]
        places = lone_words(source), lone_words(target)
        found = []
        for word, of_word in places[0].items():
            is_name = word in places[1] and (word[0].isupper() or word.isdecimal())
            partner = word if is_name else self._partners.get(word, "")
            of_partner = places[1].get(partner, [])
            if len(of_word) == len(of_partner) == 1:
                pair = of_word[0], of_partner[0]
                if not any(
                    _touches(place, others) for place, others in zip(pair, taken, strict=True)
                ):
                    found.append(pair)
        return found
