"""Text to ids and back without loss: SentencePiece, trained and wrapped.

Lossless means `decode(encode(line)) == line` for every line, double spaces, tabs and U+202F
included. SentencePiece alone is not: it writes a space as U+2581, so a literal U+2581 comes back as
a space. `escape` closes that gap, and it keeps text that merely looks like a copy symbol apart from
the symbol.
"""

import hashlib
import io
import random
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import sentencepiece

from nmt.errors import UserError
from nmt.text.escaping import (
    SPACE_MARK,
    attach,
    detach,
    escape,
    escape_copy,
    fold,
    locate,
    unescape,
    unfold,
)
from nmt.text.lines import atomic_write, is_blank
from nmt.text.placeholders import NUM_COPY_SYMBOLS, Copy, MaskedLine, copy_symbol

PAD_ID, UNK_ID, BOS_ID, EOS_ID = 0, 1, 2, 3

# What stands for the tag of a back-translated source (`nmt.text.back_translation`): no text is
# encoded to it.
TAG_ID = BOS_ID

# Their ids follow the four above in every vocabulary, whether or not the training text has them.
COPY_IDS = range(EOS_ID + 1, EOS_ID + 1 + NUM_COPY_SYMBOLS)

# In a vocabulary that folds initials: what a line begins with whose first letter is small, see
# `Tokenizer.encode`.
SMALL_ID = COPY_IDS[-1] + 1
_SMALL = "｟small｠"

# What the model file of a tokenizer ends with that detaches words from opening marks: a field
# (number 200, the value 1) of the range that SentencePiece's format leaves to others.
DETACHES = bytes([0xC0, 0x0C, 0x01])

_NO_LINE = re.compile("[\n\ud800-\udfff]")
_NON_SPACE = re.compile(r"\S+")  # the same white space as `str.split` and `is_blank`

_BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")

# What SentencePiece prints for an unknown piece, without the spaces it adds, which would break
# words apart.
_UNKNOWN_SURFACE = "\u2047"


def train_tokenizer(
    lines: Iterable[str | MaskedLine],
    *,
    algorithm: Literal["bpe", "unigram"],
    vocabulary_size: int,
    byte_fallback: bool,
    character_coverage: float,
    max_lines: int,
    fold_initial: bool = False,
    seed: int = 1,
) -> "Tokenizer":
    """Trains a tokenizer on a sample of at most `max_lines` lines (for a joint vocabulary: of both
    languages).

    The same lines and arguments give the same bytes. Raises UserError if there is no text, or if
    the text does not allow this vocabulary size, with the largest or smallest size that it allows.
    """
    drawn = sample_lines((line for line in lines if not is_blank(_text(line))), max_lines, seed)
    sample = [detach(_escape_checked(_folded(line)[1] if fold_initial else line)) for line in drawn]
    if not sample:
        raise UserError(
            "a tokenizer needs text to learn from. Received: no line that is not blank."
        )

    def learn(size: int) -> bytes:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sample),
            model_writer=model,
            model_type=algorithm,
            vocab_size=size,
            pad_id=PAD_ID,
            unk_id=UNK_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            user_defined_symbols=[
                *map(copy_symbol, range(NUM_COPY_SYMBOLS)),
                *[_SMALL] * fold_initial,
            ],
            byte_fallback=byte_fallback,
            character_coverage=character_coverage,
            # Lossless: the default, nmt_nfkc, rewrites ligatures, U+00A0 and U+202F; and spaces are
            # text.
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            # The first word of a line shares its piece with the same word elsewhere. `decode` takes
            # exactly one space away again, so leading spaces survive.
            add_dummy_prefix=True,
            # "mot»" and "mot" share a piece: letters do not merge with punctuation, nor Latin with
            # Greek.
            split_by_unicode_script=True,
            # Numbers are copied digit by digit: an unseen year is made of seen pieces.
            split_by_number=True,
            split_digits=True,
            # No piece across words: spans and word alignments rest on it.
            split_by_whitespace=True,
            # The default of 4,192 bytes drops longer lines with no more than a log line.
            max_sentence_length=2**30,
            # All lines of the sample, in order: SentencePiece's own sampling is seeded by nothing
            # we can set.
            input_sentence_size=0,
            shuffle_input_sentence=False,
            # Unigram sums floats per thread: another count is another sum, so it may not depend on
            # the machine.
            num_threads=4,
            minloglevel=3,
        )
        return model.getvalue() + DETACHES

    try:
        return Tokenizer.from_bytes(learn(vocabulary_size))
    except RuntimeError as error:
        raise _explain(error, vocabulary_size, character_coverage, learn) from error


Sampled = TypeVar("Sampled")


class LineSample(Generic[Sampled]):
    """At most `max_lines` of the lines added, drawn with equal probability in one pass (Vitter's
    algorithm R), in their order.

    The first lines of a file would not be representative: a corpus is often sorted by length, date
    or origin.
    """

    def __init__(self, max_lines: int, seed: int):
        if max_lines < 1:
            raise UserError(f"tokenizer.max_lines must be at least 1. Received: {max_lines}.")
        self._max_lines, self._generator = max_lines, random.Random(seed)
        self._count = 0
        self._sample: list[tuple[int, Sampled]] = []  # with the numbers of the lines

    def add(self, line: Sampled) -> None:
        if self._count < self._max_lines:
            self._sample.append((self._count, line))
        elif (slot := int(self._generator.random() * (self._count + 1))) < self._max_lines:
            self._sample[slot] = (self._count, line)
        self._count += 1

    @property
    def lines(self) -> list[Sampled]:
        return [line for _, line in sorted(self._sample, key=lambda numbered: numbered[0])]


def sample_lines(lines: Iterable[Sampled], max_lines: int, seed: int) -> list[Sampled]:
    """A `LineSample` of all of `lines`."""
    sample = LineSample[Sampled](max_lines, seed)
    for line in lines:
        sample.add(line)
    return sample.lines


_REQUIRED = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


def _smallest_vocabulary(learn: Callable[[int], bytes]) -> int:
    """The size that SentencePiece asks for, before it learns any piece, if given too small a one.
    (The largest it knows only once it has learnt all pieces.)"""
    try:
        learn(1 + max(PAD_ID, UNK_ID, BOS_ID, EOS_ID))
    except RuntimeError as error:
        if match := _REQUIRED.search(str(error)):
            return int(match[1])
    return 1


def _explain(
    error: RuntimeError,
    vocabulary_size: int,
    character_coverage: float,
    learn: Callable[[int], bytes],
) -> Exception:
    """SentencePiece's messages, which name a line of its source code, as the user's next move."""
    message = str(error)
    if match := re.search(r"set it to a value <= (\d+)", message):
        return UserError(
            f"this text allows a vocabulary of at most {match[1]} pieces. Received:"
            f" {vocabulary_size}. Set tokenizer.vocabulary_size to {match[1]} or less (at least"
            f" {_smallest_vocabulary(learn)}), or train on more text."
        )
    if match := _REQUIRED.search(message):
        return UserError(
            f"the characters, bytes and special symbols alone need a vocabulary of {match[1]}"
            f" pieces. Received: {vocabulary_size}. Set tokenizer.vocabulary_size to at least"
            f" {match[1]}, or set tokenizer.character_coverage below {character_coverage} to leave"
            " rare characters out."
        )
    if "sentences_.empty()" in message:
        return UserError(
            "a tokenizer needs text to learn from. Received: no line SentencePiece can use."
        )
    return UserError(f"SentencePiece could not train a tokenizer: {message}")


def _text(line: str | MaskedLine) -> str:
    return line if isinstance(line, str) else line.text


def _escape_checked(line: str | MaskedLine) -> str:
    """The input of SentencePiece: the escaped line, with a symbol in place of each copy."""
    text = _text(line)
    if match := _NO_LINE.search(text):
        what = "line feed" if match[0] == "\n" else "lone surrogate"
        raise UserError(
            f"expected one line of Unicode text. Received: {text[:80]!r}, with a {what} at"
            f" {match.start()}."
        )
    return (
        escape(line)
        if isinstance(line, str)
        else line.replaced(lambda copy: copy_symbol(copy.symbol), escape)
    )


def _folded(line: str | MaskedLine) -> tuple[list[int], str | MaskedLine]:
    """The mark before a line, if any, and the line with its first letter folded. Copies keep
    theirs."""
    if not isinstance(line, str) and line.copies and line.copies[0].start == 0:
        return [], line
    text = fold(_text(line))
    if text is None:
        return [SMALL_ID], line
    return [], text if isinstance(line, str) else replace(line, text=text)


class Tokenizer:
    """A trained SentencePiece model with a lossless `encode` and `decode`. Immutable, picklable and
    thread-safe.

    If it `folds_initial`, the capital first letter of a line is encoded as a small one, so that a
    word has the same pieces everywhere, and restored in decoding; a line that begins with a small
    letter is preceded by `SMALL_ID`.

    If it `detaches`, a word has the same pieces after an opening mark ("(", «"», "« ") as after a
    space (`nmt.text.escaping.detach`). Those of older versions do not.

    Without byte fallback, characters that are not in the training text (and NUL, always) become
    `<unk>` and are lost.
    """

    def __init__(self, model: bytes, name: str | Path = "tokenizer") -> None:
        """From the bytes of a SentencePiece model; `name` is used in errors. Raises UserError for
        any other bytes."""
        self.model = model
        self._processor = processor = sentencepiece.SentencePieceProcessor()
        try:
            # Empty bytes would pass for "load nothing now".
            if not model or not processor.LoadFromSerializedProto(model):
                raise RuntimeError("no model")
            pieces = [processor.id_to_piece(id) for id in range(len(processor))]
            self._is_byte = [processor.is_byte(id) for id in range(len(processor))]
            if not all(map(_BYTE_PIECE.fullmatch, compress(pieces, self._is_byte))):
                raise RuntimeError("a byte piece that names no byte")
        # SentencePiece quotes pieces in its errors, which need not be UTF-8 either.
        except (RuntimeError, UnicodeDecodeError) as error:
            raise UserError(
                f"{name}: expected a SentencePiece model. Received: {len(model)} other bytes."
            ) from error
        expected = ["<pad>", "<unk>", "<s>", "</s>", *map(copy_symbol, range(NUM_COPY_SYMBOLS))]
        received = pieces[: len(expected)]
        if received != expected:
            raise UserError(
                f"{name}: expected a model that `nmt` trained, whose first pieces are"
                f" {' '.join(expected[:5])} ... Received: {' '.join(received[:5])} ... Train it"
                " anew with `nmt tokenizer train`."
            )
        self.detaches = model.endswith(DETACHES)
        self.folds_initial = pieces[SMALL_ID : SMALL_ID + 1] == [_SMALL]
        self._surfaces = [self._surface(id, piece) for id, piece in enumerate(pieces)]

    def _surface(self, id: int, piece: str) -> bytes:
        """The bytes a piece stands for, which are part of a character where it is a byte piece."""
        if id == UNK_ID:
            return _UNKNOWN_SURFACE.encode()
        if self._is_byte[id]:
            return bytes([int(piece[3:5], 16)])
        is_mark = self._processor.is_control(id) or (self.folds_initial and id == SMALL_ID)
        return b"" if is_mark else piece.replace(SPACE_MARK, " ").encode()

    @classmethod
    def from_bytes(cls, model: bytes) -> "Tokenizer":
        """From a SentencePiece model's bytes. Raises UserError for any other bytes."""
        return cls(model)

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Reads a model file. Raises UserError if it is missing or was not made by
        `train_tokenizer`."""
        try:
            model = Path(path).read_bytes()
        except OSError as error:
            raise UserError(
                f"{path}: the tokenizer cannot be read: {error.strerror or error}."
            ) from error
        return cls(model, path)

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all."""
        with atomic_write(path) as stream:
            stream.write(self.model)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self.model,)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, specials, copy symbols and bytes included."""
        return len(self._surfaces)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the model's bytes."""
        return hashlib.sha256(self.model).hexdigest()

    def encode(self, line: str | MaskedLine, initial: bool = True) -> list[int]:
        """The ids of a line, without `<s>` and `</s>`, with copy symbols for its copies. Raises
        UserError for an LF.

        If not `initial`, the text is a phrase from inside a line, and nothing is folded.
        """
        mark, text = self._shown(line, initial)
        return [*mark, *self._processor.encode(text)]

    def encode_batch(
        self, lines: Iterable[str | MaskedLine], num_threads: int = -1
    ) -> list[list[int]]:
        """`encode` of each line, in `num_threads` threads (-1: one a core), whose number does not
        change the ids."""
        shown = [self._shown(line) for line in lines]
        encoded = self._processor.encode([text for _, text in shown], num_threads=num_threads)
        return [[*mark, *ids] for (mark, _), ids in zip(shown, encoded, strict=True)]

    def _shown(self, line: str | MaskedLine, initial: bool = True) -> tuple[list[int], str]:
        """The mark before a line, if any, and the input of SentencePiece."""
        mark, line = _folded(line) if self.folds_initial and initial else ([], line)
        text = _escape_checked(line)
        return mark, detach(text) if self.detaches else text

    def decode(self, ids: Iterable[int], copies: Iterable[Copy] = (), initial: bool = True) -> str:
        """The text of ids. `<pad>`, `<s>` and `</s>` are ignored, bytes that form no UTF-8 dropped,
        and so is an LF.

        The symbols of `copies` become the text they are restored as. Faithful otherwise: control
        characters the ids spell are in the text. Search never picks them (`forbidden_ids`). If not
        `initial`, the ids go on in the midst of a sentence, and their first letter stays as it is.
        """
        ids = self._checked(ids)
        # By hand and not by SentencePiece: it writes U+FFFD for each bad byte, which text may hold
        # in its own right.
        text = b"".join(self._surfaces_of(ids, copies)).decode("utf-8", errors="ignore")
        if self.detaches:
            text = attach(text)
        return self._unfolded(unescape(text.removeprefix(" ")).replace("\n", ""), ids, initial)

    def _unfolded(self, text: str, ids: list[int], initial: bool) -> str:
        if not (self.folds_initial and initial) or SMALL_ID in ids:
            return text
        first = next((id for id in ids if self._surfaces[id].strip(b" ")), None)
        return text if first in COPY_IDS else unfold(text)

    def _surfaces_of(self, ids: list[int], copies: Iterable[Copy]) -> list[bytes]:
        restored = {COPY_IDS[copy.symbol]: escape_copy(copy.restored).encode() for copy in copies}
        return [restored.get(id, self._surfaces[id]) for id in ids]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The piece of each id, for people to read: "▁man", "<0xF0>", "</s>"."""
        return [self._processor.id_to_piece(id) for id in self._checked(ids)]

    def ids_of_pieces(self, pieces: Iterable[str]) -> list[int]:
        """The id of each piece: the inverse of `pieces`. Raises ValueError for an unknown piece."""
        pieces = list(pieces)
        ids = [self._processor.piece_to_id(piece) for piece in pieces]
        for piece, id in zip(pieces, ids, strict=True):
            if self._processor.id_to_piece(id) != piece:
                raise ValueError(f"No piece of this vocabulary: {piece!r}.")
        return ids

    def _checked(self, ids: Iterable[int]) -> list[int]:
        result = [int(id) for id in ids]
        if result and not 0 <= min(result) <= max(result) < self.vocabulary_size:
            raise ValueError(
                f"ids must be in 0..{self.vocabulary_size - 1}. Received:"
                f" {min(result)}..{max(result)}."
            )
        return result

    def spans(self, line: str | MaskedLine) -> list[tuple[int, int]]:
        """(start, end) of each id of `encode(line)`, in characters of the raw line.

        A piece's leading space is not in its span, and a byte piece has the span of its whole
        character. A piece that is only a space, or only the space put before each line, has an
        empty span where the next piece starts. A copy symbol has the span of what it stands for.
        """
        ids = self.encode(line)
        copies = () if isinstance(line, str) else line.copies
        surfaces = self._surfaces_of(
            ids, [copy._replace(restored=_text(line)[slice(*copy[:2])]) for copy in copies]
        )
        if (
            UNK_ID in ids
        ):  # one unknown piece is a run of unknown characters, and its name is their text
            mark, text = self._shown(line)
            names = [*self.pieces(mark), *self._processor.encode(text, out_type=str)]
            surfaces = [
                name.replace(SPACE_MARK, " ").encode() if id == UNK_ID else surface
                for id, name, surface in zip(ids, names, surfaces, strict=True)
            ]
        return locate(surfaces, self.detaches)[1]

    def decode_with_spans(
        self, ids: Iterable[int], copies: Iterable[Copy] = (), initial: bool = True
    ) -> tuple[str, list[tuple[int, int]]]:
        """`decode` of the same, and the span of each id in it, as in `spans`.

        For what a model wrote: it may split a word otherwise than `encode` would. Ids that leave
        nothing in the text, such as `</s>` and bytes that form no character, have empty spans.
        """
        ids = self._checked(ids)
        text, spans = locate(self._surfaces_of(ids, copies), self.detaches)
        return self._unfolded(text, ids, initial), spans

    @staticmethod
    def words(line: str) -> list[tuple[int, int]]:
        """(start, end) of each white-space word, in characters: those of `line.split()`, so U+202F
        parts words too."""
        return [match.span() for match in _NON_SPACE.finditer(line)]

    def word_of_piece(self, line: str | MaskedLine) -> list[int]:
        """Index of the word each id of `encode(line)` belongs to, or -1: `words_of_spans` over
        `spans`."""
        return self.words_of_spans(_text(line), self.spans(line))

    @classmethod
    def words_of_spans(cls, line: str, spans: Iterable[tuple[int, int]]) -> list[int]:
        """Index in `words(line)` of each span's word, or -1 for white space and for the end of the
        line.

        An empty span (a bare space) belongs to the word that starts right there. A span over two
        words counts to the first.
        """
        word_at = [-1] * (len(line) + 1)
        for word, (start, end) in enumerate(cls.words(line)):
            word_at[start:end] = [word] * (end - start)
        return [
            next((word for word in word_at[start : max(end, start + 1)] if word >= 0), -1)
            for start, end in spans
        ]

    def unknown_characters(self, line: str) -> set[str]:
        """The characters of a line that have no piece: they become bytes, or `<unk>`, and no model
        has learnt them. A folded initial is read as the small letter."""
        read = (fold(line) or line) if self.folds_initial else line
        return {
            character
            for character in set(read)
            if not self._known_characters.issuperset(escape(character))
        }

    @cached_property
    def _known_characters(self) -> frozenset[str]:
        pieces = (
            self._processor.id_to_piece(id)
            for id in range(len(self._surfaces))
            if not self._is_byte[id]
        )
        return frozenset({" ", *(piece for piece in pieces if len(piece) == 1)})

    def is_byte(self, id: int) -> bool:
        """Whether a piece is a byte of a character outside the vocabulary."""
        return self._is_byte[id]

    @cached_property
    def forbidden_ids(self) -> list[int]:
        """Ids that search must never pick: what is no text, and control characters, LF above all.

        These are `<pad>`, `<unk>`, `<s>`, the copy symbols, bytes of control characters, bytes that
        occur in no UTF-8 text, and pieces that hold a control character or a Unicode line end. A
        control character of two bytes (U+0085) can still be spelt by byte pieces: its first byte
        also begins "«".
        """
        return [id for id in range(self.vocabulary_size) if self._is_forbidden(id)]

    def _is_forbidden(self, id: int) -> bool:
        if id in (PAD_ID, UNK_ID, BOS_ID) or id in COPY_IDS:
            return True
        if self._is_byte[id]:
            (byte,) = self._surfaces[id]
            return byte < 0x20 or byte == 0x7F or byte in (0xC0, 0xC1) or byte >= 0xF5
        return any(
            unicodedata.category(character) in ("Cc", "Zl", "Zp")
            for character in self._surfaces[id].decode()
        )


def padded(rows: Iterable[Iterable[int]], *, begin: bool = False) -> np.ndarray:
    """Rows of ids -> int32 bs, each row closed by </s> (and opened by <s> if `begin`), padded to
    the longest."""
    framed = [[*([BOS_ID] if begin else []), *row, EOS_ID] for row in rows]
    array = np.full((len(framed), max(map(len, framed), default=0)), PAD_ID, np.int32)
    for row, ids in zip(array, framed, strict=True):
        row[: len(ids)] = ids
    return array
