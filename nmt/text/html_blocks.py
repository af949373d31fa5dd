"""A block of HTML as one sentence: its inline tags taken out, and put back into the translation.

A block is cut into pieces: words, their leading and trailing punctuation apart, and cut again
wherever a tag stands inside a word. Its tags form a tree over the pieces. The words of the
translation are cut alike, and the alignment says which source pieces each of them translates. Every
element then takes one run of target pieces, within the run of its parent and apart from those of
its siblings, so that the tags stay well formed whatever the alignment. An element without a target
piece stands empty between its neighbours.
"""

import bisect
import html
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nmt.errors import UserError
from nmt.text.spans import Span

MAX_STAND_INS = 8  # in a block; a model copies few of them reliably
# Words, spaces and tags of a document: 100 bytes of memory and more each. A block takes as much as
# this many.
MAX_ENTRIES = 4_000_000
_BLOCK_ENTRIES = 20
MAX_DEPTH = 32  # of inline elements in a sentence; what is nested deeper is text of its own

COLUMNS = r"\t+| {4,}"  # between texts that stand beside each other, where spaces matter
_WORD = re.compile(r"\S+")
_ALNUM = re.compile(r"[^\W_]")
_STAND_IN = re.compile(r"\{\d{1,9}\}")
_PLAIN_SPACES = re.compile(r"[ \t\n\f\r]*")
_NOTE_MARK = re.compile(r"[\d\[\]()*†‡§,\s]+")
# A short number, a unit of length or a letter: a number above it is an exponent.
_BASE = re.compile(r"(?:(?<!\d)\d{1,3}|(?<![^\W\d_])(?:[cdhkmnµμ]?m|ft|in|mi|yd|[^\W\d_]))\Z")


class WordAlignment(Protocol):
    """Links between the words of a line and of its translation, as `evaluation.word_alignment`."""

    @property
    def source_spans(self) -> Sequence[Span]: ...

    @property
    def target_spans(self) -> Sequence[Span]: ...

    def links(self) -> Iterable[tuple[int, int]]:
        """(source word, target word), from 0."""


class AlignedText(Protocol):
    """A translation, and its alignment if there is one, as `inference.outputs.Candidate`."""

    @property
    def text(self) -> str: ...

    @property
    def alignment(self) -> WordAlignment | None: ...


@dataclass(eq=False)
class Tag:
    """A tag, or an element that is moved as one.

    In documents that are no HTML, whatever marks a stretch of text (formatting, a link) is one.
    """

    raw: str  # rewritten with translated attributes before it is put back
    kind: str  # "open", "close" or "point": what has no content to translate
    is_copied: bool = False  # a point that is part of the sentence: code and the like
    partner: "Tag | None" = None  # the other tag of an element; None: it is no inline tag
    index: int = -1  # among the entries of its block
    name: str = ""  # of its element, if it is open


@dataclass(frozen=True)
class Space:
    """White space as written."""

    raw: str


class Written(str):
    """Characters that a document writes in another way, such as a reference."""

    raw: str
    __slots__ = ("raw",)

    def __new__(cls, text: str, raw: str) -> "Written":
        new = super().__new__(cls, text)
        new.raw = raw
        return new


Entry = str | Space | Tag  # str: decoded characters other than white space


@dataclass(eq=False)
class _Element:
    """An inline element, or the block itself, and the source pieces [start, end) inside it."""

    depth: int
    index: int  # in source order
    start: int
    path: "tuple[_Element, ...]"  # from the block to this element
    tags: tuple[Tag, ...] = ()
    end: int = 0
    children: "list[_Element]" = field(default_factory=list)
    space_before: bool = False
    space_after: bool = False
    gap_end: int = 0  # number of entries in its gap up to its end

    @property
    def is_empty(self) -> bool:
        return self.start == self.end


# Parts of a word: "(", "word", ")." of "(word).". A word of punctuation alone is a core.
_LEADING, _CORE, _TRAILING = -1, 0, 1


@dataclass(frozen=True)
class _Token:
    """A part of a word, as source pieces [start, end), and the innermost element around it."""

    start: int
    end: int
    text: str
    owner: _Element


@dataclass(frozen=True)
class _Word:
    """A word of the source line: its tokens by part, without copies, and all of its pieces."""

    text: str
    tokens: Mapping[int, _Token]
    pieces: range

    @property
    def is_punctuation(self) -> bool:
        return not _ALNUM.search(self.text)


_NO_WORD = _Word("", {}, range(0))


@dataclass(frozen=True)
class _TargetPiece:
    start: int  # in the translation
    end: int
    token: _Token | None = None  # that it translates; None: not aligned
    is_stand_in: bool = False

    @property
    def owner(self) -> _Element | None:
        return self.token.owner if self.token else None


class Block:
    """The text of a block on one line, and its inline tags.

    `text` is what is translated: white space is one space, and a copied element is a stand-in such
    as `{1}` if `stand_ins`, otherwise nothing. `needs_alignment` says whether `filled` uses one.
    """

    def __init__(self, entries: Sequence[Entry], stand_ins: bool = False):
        self.entries = entries
        words = "".join(entry for entry in entries if isinstance(entry, str))
        taken = [int(match[0][1:-1]) for match in _STAND_IN.finditer(words)]
        self._numbers = itertools.count(1 + max(taken, default=0))
        self._chunks: list[str] = []
        self._gaps: list[list[Space | Tag]] = [[]]  # before each chunk, and after the last one
        self._copied: dict[int, Tag] = {}  # chunk -> what it stands for
        self._root = _Element(0, 0, 0, ())
        self._root.path = (self._root,)
        copied = [entry for entry in entries if isinstance(entry, Tag) and entry.is_copied]
        self._read(entries, stand_ins and len(copied) <= MAX_STAND_INS)
        spaces = [self._has_space(i) for i in range(len(self._chunks))]
        parts = [" " * space + chunk for space, chunk in zip(spaces, self._chunks, strict=True)]
        self.text = "".join(parts)
        inner = itertools.chain.from_iterable(self._gaps)
        self.needs_alignment = bool(self._copied) or any(
            isinstance(entry, Tag) or not _PLAIN_SPACES.fullmatch(entry.raw) for entry in inner
        )
        if self.needs_alignment:
            self._cut(spaces)

    # ------------------------------------------------------------------------------------ reading

    def _read(self, entries: Sequence[Entry], stand_ins: bool) -> None:
        open_elements = [self._root]
        self._elements = [self._root]
        for entry in entries:
            gap = self._gaps[-1]
            if isinstance(entry, str):
                if self._chunks and not gap and len(self._chunks) - 1 not in self._copied:
                    self._chunks[-1] += entry
                else:
                    self._add_chunk(entry)
                continue
            if isinstance(entry, Tag) and entry.kind != "close":
                element = self._open(entry, open_elements[-1])
                open_elements.append(element)
                if entry.is_copied and stand_ins:
                    self._copied[len(self._chunks)] = entry
                    self._add_chunk(f"{{{next(self._numbers)}}}")
                else:
                    gap.append(entry)
            else:
                gap.append(entry)
            if isinstance(entry, Tag) and entry.kind != "open":
                element = open_elements.pop()
                element.end, element.gap_end = len(self._chunks), len(self._gaps[-1])
        self._root.end = len(self._chunks)
        for element in self._elements:
            rest = self._gaps[element.end][element.gap_end :]
            element.space_after = any(isinstance(entry, Space) for entry in rest[:1])

    def _add_chunk(self, text: str) -> None:
        self._chunks.append(text)
        self._gaps.append([])

    def _open(self, tag: Tag, parent: _Element) -> _Element:
        tags = (tag,) if tag.partner is None else (tag, tag.partner)
        element = _Element(parent.depth + 1, len(self._elements), len(self._chunks), (), tags)
        element.path = (*parent.path, element)
        element.space_before = any(isinstance(entry, Space) for entry in self._gaps[-1][-1:])
        parent.children.append(element)
        self._elements.append(element)
        return element

    def _has_space(self, chunk: int) -> bool:
        """Whether a space stands before a chunk in the text."""
        gap = self._gaps[chunk]
        if chunk == 0 or not any(isinstance(entry, Space) for entry in gap):
            return False
        # "Run <code>x</code>." is "Run." without its copy.
        is_after_copy = isinstance(gap[-1], Tag) and any(
            isinstance(entry, Tag) and entry.is_copied for entry in gap
        )
        return not is_after_copy or bool(_ALNUM.match(self._chunks[chunk]))

    def _cut(self, spaces: Sequence[bool]) -> None:
        """Cuts the chunks into pieces, and groups the pieces to words."""
        self._pieces: list[_Token] = []
        self._piece_gaps: list[list[Space | Tag]] = []
        self._words: list[_Word] = []
        self._stand_ins: dict[str, _Token] = {}
        owners = self._chunk_owners()
        first_piece: list[int] = []  # of each chunk
        starts = [i for i, space in enumerate(spaces) if space or i == 0]
        for start, end in itertools.pairwise([*starts, len(spaces)]):
            self._cut_word(range(start, end), owners, first_piece)
        first_piece.append(len(self._pieces))
        self._piece_gaps.append(self._gaps[-1])
        self._word_starts = {word.pieces.start for word in self._words}
        for element in self._elements:
            element.start, element.end = first_piece[element.start], first_piece[element.end]

    def _cut_word(self, chunks: range, owners: Sequence[_Element], first_piece: list[int]) -> None:
        word = "".join(self._chunks[i] for i in chunks)
        core_start, core_end = _core(self._masked(chunks))
        by_part: dict[int, list[_Token]] = {}
        start = len(self._pieces)
        position = 0  # in the word
        for i in chunks:
            first_piece.append(len(self._pieces))
            self._piece_gaps.append(self._gaps[i])
            end = position + len(self._chunks[i])
            inner = {cut for cut in (core_start, core_end) if position < cut < end}
            for a, b in itertools.pairwise(sorted({position, end} | inner)):
                number = len(self._pieces)
                piece = _Token(number, number + 1, word[a:b], owners[i])
                self._pieces.append(piece)
                if i in self._copied:
                    self._stand_ins[piece.text] = piece
                else:
                    by_part.setdefault((a >= core_end) - (a < core_start), []).append(piece)
            self._piece_gaps += [[] for _ in inner]
            position = end
        tokens = {part: self._token(pieces) for part, pieces in by_part.items()}
        self._words.append(_Word(word, tokens, range(start, len(self._pieces))))

    def _masked(self, chunks: range) -> str:
        return "".join(
            "x" * len(self._chunks[i]) if i in self._copied else self._chunks[i] for i in chunks
        )

    def _token(self, pieces: Sequence[_Token]) -> _Token:
        """Several pieces as one token, in the innermost of their elements."""
        start, end = pieces[0].start, pieces[-1].end
        owner = max((piece.owner for piece in pieces), key=lambda owner: owner.depth)
        return _Token(start, end, "".join(one.text for one in self._pieces[start:end]), owner)

    def _chunk_owners(self) -> list[_Element]:
        """The innermost element around each chunk: a child starts after its parent."""
        starts: list[list[_Element]] = [[] for _ in range(len(self._chunks) + 1)]
        for element in self._elements:
            starts[element.start].append(element)
        owners: list[_Element] = []
        stack: list[_Element] = []
        for chunk in range(len(self._chunks)):
            while stack and stack[-1].end <= chunk:
                stack.pop()
            stack += [element for element in starts[chunk] if not element.is_empty]
            owners.append(stack[-1])
        return owners

    # ------------------------------------------------------------------------------------ filling

    def filled(
        self, translation: AlignedText | None, rewritten: Mapping[Tag, str] | None = None
    ) -> str:
        """The block with its translation, escaped, and its tags where its words now stand:
        `rewritten`, or as they were. None: with its own text."""

        def written(entry: Entry) -> str:
            if isinstance(entry, Tag):
                return (rewritten or {}).get(entry, entry.raw)
            if isinstance(entry, Space | Written):
                return entry.raw
            return html.escape(entry, quote=False)

        return "".join(map(written, self.placed(translation)))

    def placed(self, translation: AlignedText | None) -> Iterable[Entry]:
        """The translation, and the block's tags where its words now stand: as they were for None,
        and for a text that stayed as it was and has no links, as numbers do."""
        if translation is None:
            return self.entries
        text, alignment = translation.text, translation.alignment
        if text == self.text and not (alignment and any(alignment.links())):
            return self.entries
        if not self.needs_alignment:
            return [text]
        pieces = self._target_pieces(text, alignment)
        placement = _Placement(pieces, len(self._pieces))
        placement.place(self._root, 0, len(pieces))
        return self._written(text, pieces, placement)

    @property
    def stand_ins(self) -> Collection[str]:
        """The words of `text` that stand for copied elements."""
        return self._stand_ins.keys() if self.needs_alignment else ()

    def _target_pieces(self, text: str, alignment: WordAlignment | None) -> list[_TargetPiece]:
        spans = [match.span() for match in _WORD.finditer(text)]
        source_word = self._links(spans, alignment)
        pieces: list[_TargetPiece] = []
        for index, span in enumerate(spans):
            word = self._words[source_word[index]] if source_word[index] >= 0 else _NO_WORD
            if _is_same(text[slice(*span)], word.text):
                pieces += self._same_pieces(span[0], word.pieces)
            else:
                is_final = index == len(spans) - 1
                pieces += self._word_pieces(text, span, word, is_final)
        return pieces

    def _same_pieces(self, position: int, pieces: range) -> Iterable[_TargetPiece]:
        """The pieces of a text that is that of the source pieces."""
        for piece in self._pieces[pieces.start : pieces.stop]:
            end = position + len(piece.text)
            is_stand_in = self._stand_ins.get(piece.text) is piece
            yield _TargetPiece(position, end, piece, is_stand_in)
            position = end

    def _word_pieces(
        self, text: str, span: Span, word: _Word, is_final: bool
    ) -> Iterable[_TargetPiece]:
        """The pieces of a target word that translates another word."""
        start, end = span
        found = [
            match.span()
            for match in (_STAND_IN.finditer(text, start, end) if self._stand_ins else ())
            if match[0] in self._stand_ins
        ]
        masked = text[start:end]
        for a, b in found:
            masked = masked[: a - start] + "x" * (b - a) + masked[b - start :]
        core_start, core_end = (start + cut for cut in _core(masked))
        tokens = self._tokens(masked, word, is_final)
        edges = {start, end, core_start, core_end, *itertools.chain.from_iterable(found)}
        for a, b in itertools.pairwise(sorted(edges)):
            token = tokens.get((a >= core_end) - (a < core_start))
            if (a, b) in found:
                yield _TargetPiece(a, b, self._stand_ins[text[a:b]], is_stand_in=True)
            elif token and _is_same(text[a:b], token.text):
                yield from self._same_pieces(a, range(token.start, token.end))
            else:
                yield _TargetPiece(a, b, token)

    def _tokens(self, target: str, word: _Word, is_final: bool) -> Mapping[int, _Token]:
        """What the parts of a target word translate."""
        tokens = word.tokens
        if is_final and _TRAILING not in tokens:  # the full stop may stand after another word
            last = self._words[-1]
            part = _CORE if last.is_punctuation else _TRAILING
            if part in last.tokens:
                tokens = {**tokens, _TRAILING: last.tokens[part]}
        if not _ALNUM.search(target) and not word.is_punctuation:
            # "happy!" is "heureux !": the mark aligns to the word, and is not in its element.
            mark = tokens.get(_TRAILING, tokens.get(_LEADING))
            return {_CORE: mark} if mark else {}
        return tokens

    def _links(self, spans: Sequence[Span], alignment: WordAlignment | None) -> list[int]:
        """The source word of each target word; -1: none. Without an alignment of these words, the
        one at the same relative position."""
        num_source, num_target = len(self._words), len(spans)
        if alignment is None or (num_source, num_target) != (
            len(alignment.source_spans),
            len(alignment.target_spans),
        ):
            return [(2 * t + 1) * num_source // (2 * num_target) for t in range(num_target)]
        source_word = [-1] * num_target
        for source, target in sorted(alignment.links(), reverse=True):
            source_word[target] = source
        return source_word

    # ------------------------------------------------------------------------------------ writing

    def _written(
        self, text: str, pieces: Sequence[_TargetPiece], placement: "_Placement"
    ) -> Iterable[Entry]:
        """The pieces and tags in the order of the events, with the white space between them."""
        gap: list[Tag | _Empty] = []
        for event in (*placement.events, len(pieces)):
            if not isinstance(event, int):
                gap.append(event)
                continue
            yield from self._written_gap(text, pieces, event, gap)
            gap = []
            if event == len(pieces):
                return
            piece = pieces[event]
            if piece.is_stand_in:
                yield placement.restored.get(event, "")
            else:
                yield text[piece.start : piece.end]

    def _written_gap(
        self, text: str, pieces: Sequence[_TargetPiece], index: int, gap: "Sequence[Tag | _Empty]"
    ) -> Sequence[Space | Tag]:
        """The tags before target piece `index`, and white space.

        Where the words on both sides were neighbours before, and so were the tags, it is the
        source's own.
        """
        is_first, is_last = index == 0, index == len(pieces)
        left = None if is_first else pieces[index - 1]
        right = None if is_last else pieces[index]
        space = text[left.end : right.start] if left and right else ""
        before = left.token.end if left and left.token else None
        after = right.token.start if right and right.token else None
        if is_first or is_last:  # an edge stays an edge
            before = after = 0 if is_first else len(self._pieces)
        if before is not None and before == after and space in ("", " "):
            written = self._piece_gaps[after]
            tags = list(_tags(gap))
            is_space = 0 < after < len(self._pieces) and after in self._word_starts
            if is_space == bool(space) and tags == [e for e in written if isinstance(e, Tag)]:
                return written
            spaces = "".join(entry.raw for entry in written if isinstance(entry, Space))
            if space and not _PLAIN_SPACES.fullmatch(spaces):
                space = spaces
        return _spaced(gap, space, is_first, is_last)


def is_note_mark(text: str, before: str) -> bool:
    """Whether text in superscript is the mark of a note: "1" in "time¹", and not in "m¹".

    A mark is no part of the word that it stands behind; an exponent is, and models copy "m2"."""
    is_exponent = text.isdecimal() and _BASE.search(before[-4:])
    return bool(_NOTE_MARK.fullmatch(text)) and not text.isspace() and not is_exponent


class PartsBuilder:
    """Cuts a sequence of text and tags into `parts`: blocks of text, and what stands between them.

    A boundary ends the text before it, and so do tags without a partner in that text: only whole
    elements are moved.
    """

    def __init__(self, stand_ins: bool = False):
        self._stand_ins = stand_ins
        self.parts: list[str | Tag | Block] = []
        self._entries: list[Entry] = []  # of the text that is read
        self._open: list[Tag] = []  # inline elements in it
        self._num_entries = 0

    @property
    def innermost(self) -> Tag | None:
        """The opening tag of the innermost element that is open in this text."""
        return self._open[-1] if self._open else None

    def add(self, *entries: Entry) -> None:
        self._entries += entries
        self._count(len(entries))

    def _count(self, num_entries: int) -> None:
        self._num_entries += num_entries
        if self._num_entries > MAX_ENTRIES:
            raise UserError("the text is too long to be translated as one document. Split it.")

    def open(self, tag: Tag) -> None:
        if len(self._open) == MAX_DEPTH:
            self.end_text()
        self._open.append(tag)
        self._entries.append(tag)
        self._count(1)

    def close(self, tag: Tag) -> None:
        """Closes the innermost element; there has to be one."""
        opening = self._open.pop()
        opening.partner, tag.partner = tag, opening
        self._entries.append(tag)

    def boundary(self, part: str | Tag) -> None:
        self.end_text()
        self.parts.append(part)
        self._count(1)

    def end_text(self) -> None:
        entries, self._entries, self._open = self._entries, [], []
        start = 0
        for index, entry in enumerate(entries):
            if isinstance(entry, Tag) and entry.kind == "open" and entry.partner is None:
                self._add_block(entries[start:index])
                self.parts.append(entry)
                start = index + 1
        self._add_block(entries[start:])

    def _add_block(self, entries: list[Entry]) -> None:
        first, last = _text_bounds(entries, self._stand_ins)
        for index, entry in enumerate(entries):
            if first <= index < last:
                if index == first:
                    self._count(_BLOCK_ENTRIES)
                    self.parts.append(Block(entries[first:last], self._stand_ins))
            elif isinstance(entry, Space):
                self.parts.append(entry.raw)
            else:
                self.parts.append(entry)


def _text_bounds(entries: Sequence[Entry], stand_ins: bool) -> tuple[int, int]:
    """The entries [first, last) without what stands around the text: white space, elements without
    text, and the tags of elements around all of it. Empty if there is no text."""
    if not any(isinstance(entry, str) for entry in entries):
        return 0, 0
    num_copied = 0
    for index, entry in enumerate(entries):
        if isinstance(entry, Tag):
            entry.index = index
            num_copied += entry.is_copied
    stand_ins = stand_ins and num_copied <= MAX_STAND_INS
    visible = [
        index
        for index, entry in enumerate(entries)
        if isinstance(entry, str) or (isinstance(entry, Tag) and entry.is_copied and stand_ins)
    ]
    first_word, last_word = visible[0], visible[-1]

    def is_around(entry: Entry) -> bool:
        if not isinstance(entry, Tag) or entry.partner is None:
            return True
        start, end = sorted((entry.index, entry.partner.index))
        return end < first_word or start > last_word or (start < first_word and end > last_word)

    first, last = 0, len(entries)
    while first < first_word and is_around(entries[first]):
        first += 1
    while last - 1 > last_word and is_around(entries[last - 1]):
        last -= 1
    return first, last


@dataclass(frozen=True, eq=False)
class _Empty:
    """The tags of an element that stands between two words, or at the edge, without any."""

    tags: Sequence[Tag]
    space_before: bool
    space_after: bool

    @property
    def is_copied(self) -> bool:
        return self.tags[0].is_copied

    @property
    def is_seen(self) -> bool:
        """Whether it may take a place of its own on the line, as an image does."""
        return self.tags[0].kind == "point" and not self.tags[0].raw.startswith(("<!", "<?"))


class _Placement:
    """Where the tags of a block stand in its translation: `events` are the indices of target
    pieces, and tags, in order. `restored` is what stands for the stand-ins among the pieces."""

    def __init__(self, pieces: Sequence[_TargetPiece], num_source: int):
        self.events: list[int | Tag | _Empty] = []
        self.restored: dict[int, Tag] = {}
        self._owners = [piece.owner for piece in pieces]
        # Source piece -> the first and the last target piece that translate it.
        self._first: list[int | None] = [None] * num_source
        self._last: list[int | None] = [None] * num_source
        seen: dict[tuple[int, int], list[int]] = {}
        for target, piece in enumerate(pieces):
            if piece.token:
                span = seen.setdefault((piece.token.start, piece.token.end), [target, target])
                span[1] = target
        for (start, end), (first, last) in seen.items():
            for source in range(start, end):
                known_first, known_last = self._first[source], self._last[source]
                self._first[source] = first if known_first is None else min(first, known_first)
                self._last[source] = last if known_last is None else max(last, known_last)

    def place(self, element: _Element, start: int, end: int) -> None:
        """Adds the events of an element whose content is target pieces [start, end)."""
        runs = self._runs(element, start, end)
        # Before the run that starts at the same place: the elements that stand empty.
        placed = [(first, 1, child.index, child, last) for child, (first, last) in runs.items()]
        placed.sort(key=lambda place: place[:3])
        taken = [(first, last) for first, _, _, _, last in placed]
        for child in element.children:
            if child not in runs:
                gap = self._gap(child, element, start, end, taken)
                placed.append((gap, 0, child.index, child, gap))
        placed.sort(key=lambda place: place[:3])
        position = start
        for first, is_run, _, child, last in placed:
            self.events += range(position, first)
            position = last
            if not is_run:
                tags = list(_subtree_tags(child))
                self.events.append(_Empty(tags, child.space_before, child.space_after))
            elif len(child.tags) == 1:  # a copy, whose stand-in the model has placed
                self.restored[first] = child.tags[0]
                self.events += range(first, last)
            else:
                self.events.append(child.tags[0])
                self.place(child, first, last)
                self.events.append(child.tags[1])
        self.events += range(position, end)

    def _runs(self, element: _Element, start: int, end: int) -> dict[_Element, Span]:
        """The target pieces of each child that has any: the run with the most pieces of its own
        after those of the parent inside it are subtracted, and with none of a sibling's."""
        best: dict[_Element, tuple[int, int, int]] = {}  # score, first, last
        current: _Element | None = None
        score = first = 0
        depth = element.depth + 1
        for target in range(start, end):
            owner = self._owners[target]
            if owner is None:
                continue
            path = owner.path
            child = path[depth] if len(path) > depth and path[depth - 1] is element else None
            if child is None:
                score -= 1
                continue
            if child is not current or score <= 0:
                current, score, first = child, 0, target
            score += 1
            if child not in best or score > best[child][0]:
                best[child] = score, first, target + 1
        return {child: (first, last) for child, (_, first, last) in best.items()}

    def _gap(
        self, child: _Element, parent: _Element, start: int, end: int, taken: Sequence[Span]
    ) -> int:
        """Where a child that no target piece translates stands: beside the translation of the
        source piece before or after it, but inside no run of a sibling."""
        left, right = child.start - 1, child.end
        after = self._last[left] if left >= parent.start else None
        before = self._first[right] if right < parent.end else None
        is_right = before is not None and (
            after is None or (child.space_before and not child.space_after)
        )
        if is_right and before is not None:
            gap = before
        elif after is not None:
            gap = after + 1
        else:  # at the same relative position
            length = max(1, parent.end - parent.start)
            gap = start + (child.start - parent.start) * (end - start) // length
        gap = min(max(gap, start), end)
        place = bisect.bisect_left(taken, (gap, gap)) - 1
        if place >= 0 and gap < taken[place][1]:
            gap = taken[place][0 if is_right else 1]
        return gap


def _subtree_tags(element: _Element) -> Iterable[Tag]:
    yield from element.tags[:1]
    for child in element.children:
        yield from _subtree_tags(child)
    yield from element.tags[1:]


def _tags(gap: "Iterable[Tag | _Empty]") -> Iterable[Tag]:
    for entry in gap:
        yield from (entry,) if isinstance(entry, Tag) else entry.tags


def _core(word: str) -> Span:
    """A word without the punctuation around it, or all of it if it is punctuation alone."""
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    if start == end:
        return 0, end
    while not word[end - 1].isalnum():
        end -= 1
    return start, end


def _is_same(word: str, other: str) -> bool:
    return word == other or (len(word) == len(other) and word.casefold() == other.casefold())


def _spaced(
    gap: Sequence[Tag | _Empty], space: str, is_first: bool, is_last: bool
) -> Sequence[Space | Tag]:
    """Tags and the space between two words: after the elements that end here, before those that
    start, and around elements without words as in the source."""
    closings = (i for i, tag in enumerate(gap) if isinstance(tag, Tag) and tag.kind == "close")
    last_closing = max(closings, default=-1)
    was_apart = bool(space)
    written: list[Space | Tag] = []
    has_space = is_first  # directly before
    is_owed = False  # the space after an element without words
    for i, entry in enumerate(gap):
        before = after = is_seen = False
        is_opening = isinstance(entry, Tag) and entry.kind == "open"
        if isinstance(entry, _Empty):
            before, after, is_seen = entry.space_before, entry.space_after, entry.is_seen
            if entry.is_copied:  # it stands for a word
                before, after = before or was_apart, after or was_apart
        if space and i > last_closing and (before or isinstance(entry, Tag)):
            written.append(Space(space))
            space, has_space = "", True
        elif not has_space and ((is_seen and (is_owed or before)) or (is_opening and is_owed)):
            written.append(Space(" "))
            is_owed = False
        written += _tags([entry])
        # What clings to the word before it may end up before a mark.
        owes = is_seen and after and (before or is_first)
        has_space, is_owed = False, owes or (is_owed and not is_opening)
    if space:
        written.append(Space(space))
    elif is_owed and not is_last:
        written.append(Space(" "))
    return written
