"""Cuts a raw line into the segments that are searched, and joins their translations into one line.

    raw line -> sentences -> segments -> hypotheses -> texts of sentences -> text of the line

A line is peeled of what stands around it and is one sentence, or is split into several, which are
peeled as well (`nmt.text.model_input`). What has to be copied in a sentence is masked. A sentence
with more tokens than the model takes is cut into several segments. Each sentence records where it
stands in the raw line, so that alignments refer to what the user typed.

S source pieces or words  T target pieces or words
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nmt.errors import LineError
from nmt.evaluation.word_alignment import Alignment, add_pieces, mean_over_pieces
from nmt.inference.outputs import Candidate, Choices
from nmt.search.beam import Hypothesis
from nmt.search.glossary import TargetConstraints
from nmt.search.numbers import SourceNumbers
from nmt.text.amounts import regrouped
from nmt.text.characters import RAW, CharacterView, Span
from nmt.text.lines import is_blank
from nmt.text.model_input import ModelInput
from nmt.text.placeholders import Copier, MaskedLine
from nmt.text.sentence_splitter import sentences
from nmt.text.tokenizer import COPY_IDS, Tokenizer

SENTENCE_ENDS = (".", "!", "?")


@dataclass
class Segment:
    """The unit of search: a sentence, or a part of a long one. Each phase fills in its result."""

    line: int  # index of its line
    ids: list[int]
    max_length: int = 0  # of a hypothesis, </s> included
    constraints: TargetConstraints = field(default_factory=TargetConstraints)
    numbers: SourceNumbers = field(default_factory=SourceNumbers)
    asked_numbers: SourceNumbers = field(default_factory=SourceNumbers)  # of prefix and required
    hypotheses: list[Hypothesis] = field(default_factory=list)  # best first
    choices: list[Choices] = field(default_factory=list)  # for each token of the best hypothesis


@dataclass(frozen=True)
class ReadText:
    """A stretch of a raw line as the model reads it."""

    raw: str
    start: int  # in the raw line
    masked: MaskedLine
    characters: CharacterView

    def spans(self, tokenizer: Tokenizer) -> list[Span]:
        """Where each of its ids stands in the raw line."""
        return shifted(raw_spans(tokenizer, self.raw, self.masked, self.characters), self.start)


@dataclass(frozen=True)
class Sentence:
    """A line, or a sentence of one: what the model reads of it, and how it is written again."""

    text: ReadText
    segments: list[Segment]  # none if there is nothing to translate
    before: str = ""  # what stands around its translation
    after: str = ""
    is_shouted: bool = False  # answered in capitals
    languages: tuple[str, str] = ("", "")  # in which its large numbers are written

    @property
    def masked(self) -> MaskedLine:
        return self.text.masked

    def spans(self, tokenizer: Tokenizer) -> list[Span]:
        """Where each source id stands in the raw line."""
        return self.text.spans(tokenizer) if self.segments else []


@dataclass
class SourceLine:
    """A raw line on its way to a translation, or to the error that ends it."""

    index: int
    raw: str
    sentences: list[Sentence] = field(default_factory=list)
    error: LineError | None = None

    @property
    def segments(self) -> list[Segment]:
        """Segments that still have to be processed: none once the line has failed."""
        if self.error:
            return []
        return [segment for sentence in self.sentences for segment in sentence.segments]

    @property
    def num_candidates(self) -> int:
        """The n-th best of a line is made of the n-th best of each segment."""
        return min((len(segment.hypotheses) for segment in self.segments), default=1)

    def hypotheses(self, n: int) -> list[Hypothesis]:
        return [segment.hypotheses[n] for segment in self.segments]


# ------------------------------------------------------------------------------------------ cutting


def cut(
    index: int,
    raw: str,
    tokenizer: Tokenizer,
    copier: Copier,
    max_tokens: int,
    language: str | None,
) -> list[Sentence]:
    """Cuts a line into sentences by the rules of `language` (None: one sentence), and those into
    segments of at most `max_tokens`."""
    view = copier.view
    outer = view.peel(raw)
    if is_blank(raw) or view.is_copied(raw):
        return [Sentence(ReadText(raw, 0, MaskedLine(raw), view.source), [])]
    is_shouted = view.is_shouted(outer.core)
    recase = view.recasing(outer.core)
    texts = [outer.core] if language is None else sentences(outer.core, language)
    found, start = list[Sentence](), outer.start
    for number, text in enumerate(texts):
        core = text if language is None else text.rstrip()
        before, after, core_start = "", text[len(core) :], 0
        if len(texts) > 1:
            inner = view.peel(core)
            before, after = inner.before, inner.after + after
            core, core_start = inner.core, inner.start
        before = before if number else outer.before + before
        after = after if number + 1 < len(texts) else after + outer.after
        masked = MaskedLine(core) if is_blank(core) else copier.mask(core)
        if has_nothing_to_translate(masked, view):
            segments = []
        else:
            masked = masked.recased(recase) if recase else masked
            ids = tokenizer.encode(masked)
            segments = [Segment(index, part) for part in split(tokenizer, ids, max_tokens)]
        read = ReadText(core, start + core_start, masked, view.source)
        found.append(Sentence(read, segments, before, after, is_shouted, copier.languages))
        start += len(text)
    return found


def read_pair(copier: Copier, source: str, target: str) -> tuple[ReadText, ReadText]:
    """Source and target of a raw pair to be scored or aligned, as the model would have read the one
    and written the other."""
    view = copier.view
    outer = view.peel(source)
    inner = view.peel_target(outer, target)
    masked = copier.mask(outer.core)
    masked_target = copier.mask_target(masked, inner.core)
    if recase := view.recasing(outer.core):
        masked = masked.recased(recase)
    if view.is_shouted(outer.core) and inner.core.upper() == inner.core:
        masked_target = masked_target.recased(view.target_casing.quiet)
    return (
        ReadText(outer.core, outer.start, masked, view.source),
        ReadText(inner.core, inner.start, masked_target, view.target),
    )


def has_nothing_to_translate(line: MaskedLine, view: ModelInput) -> bool:
    """Whether white space, copies and, in the view, what has no letters are all there is."""
    if view.kind == "view":
        return not line.has_letters
    return is_blank(line.text) or line.is_all_copies


def is_copy(source: ReadText, target: ReadText, view: ModelInput) -> bool:
    """Whether the source is copied and the target is its copy, but for white space."""
    if not has_nothing_to_translate(source.masked, view):
        return False
    return copied(source).split() == target.raw.split()


def copied(text: ReadText) -> str:
    """What becomes of a text that is not translated: it stays, and so does what was masked in it,
    or what a dictionary has for that."""
    parts, end = [], 0
    for copy in text.masked.copies:
        parts += [text.raw[end : copy.raw_start], copy.restored]
        end = copy.raw_start + copy.end - copy.start
    return "".join([*parts, text.raw[end:]])


def split(tokenizer: Tokenizer, ids: list[int], limit: int) -> list[list[int]]:
    """Parts of at most `limit` ids, each cut after the last sentence end that fits, else before the
    last word that fits."""
    parts = []
    while len(ids) > limit:
        names = tokenizer.pieces(ids[: limit + 1])
        starts = [i for i in range(1, limit + 1) if names[i].startswith("▁")]
        ends = [i for i in starts if names[i - 1].endswith((*SENTENCE_ENDS, ";"))]
        place = next(
            (places[-1] for places in (ends, starts) if places and places[-1] > limit // 4), limit
        )
        parts.append(ids[:place])
        ids = ids[place:]
    return [*parts, ids]


# ------------------------------------------------------------------------------------------ joining


def join(
    tokenizer: Tokenizer, line: SourceLine, n: int, typography: CharacterView = RAW
) -> Candidate:
    """The n-th best translation of a line, written with a typography.

    The log-probabilities of its segments add up; the ranking score is their mean.
    """
    found = line.hypotheses(n)
    return Candidate(
        joined_text(tokenizer, line, n, typography)[0],
        log_prob=float(sum(hypothesis.log_prob for hypothesis in found)),
        score=float(np.mean([hypothesis.score for hypothesis in found])) if found else 0.0,
        truncated=any(hypothesis.truncated for hypothesis in found),
        tokens=tuple(token for hypothesis in found for token in _tokens(tokenizer, hypothesis)),
        token_log_probs=tuple(
            value for hypothesis in found for value in hypothesis.token_log_probs
        ),
        choices=() if n else tuple(one for segment in line.segments for one in segment.choices),
    )


def _tokens(tokenizer: Tokenizer, hypothesis: Hypothesis) -> list[str]:
    return [*tokenizer.pieces(hypothesis.ids), *([] if hypothesis.truncated else ["</s>"])]


def joined_text(
    tokenizer: Tokenizer,
    line: SourceLine,
    n: int,
    typography: CharacterView = RAW,
    with_spans: bool = False,
) -> tuple[str, list[Span]]:
    """The text of the n-th best translation and, if asked for (it takes time), the span of each of
    its tokens."""
    text, spans = "", list[Span]()
    for sentence in line.sentences:
        # Copies are neither put into capitals nor written in a typography, nor regrouped. The spans
        # of the pieces say where they stand.
        is_rewritten = sentence.is_shouted or sentence.masked.copies
        of_sentence, its_spans, kept = _sentence_text(
            tokenizer, sentence, n, with_spans or bool(is_rewritten)
        )
        of_sentence = regrouped(of_sentence, kept, sentence.text.raw, *sentence.languages)
        if sentence.is_shouted:
            of_sentence, places = _in_capitals(of_sentence, kept)
            its_spans, kept = _moved(its_spans, places), _moved(kept, places)
        if typography.rules:
            of_sentence, places = _in_typography(of_sentence, kept, typography)
            its_spans = _moved(its_spans, places)
        text += sentence.before
        spans += shifted(its_spans, len(text))
        text += of_sentence + sentence.after
    return text, spans


def _are_kept(text: str, kept: Sequence[Span]) -> list[bool]:
    are_kept = [False] * len(text)
    for start, end in kept:
        are_kept[start:end] = [True] * (end - start)
    return are_kept


def _in_capitals(text: str, kept: Sequence[Span]) -> tuple[str, list[Span]]:
    """A text in capitals, but for what stands in the spans `kept`, and the old span of each
    character."""
    are_kept = _are_kept(text, kept)
    capitals = [c if is_kept else c.upper() for c, is_kept in zip(text, are_kept, strict=True)]
    return "".join(capitals), [(i, i + 1) for i, c in enumerate(capitals) for _ in c]


def _in_typography(
    text: str, kept: Sequence[Span], typography: CharacterView
) -> tuple[str, list[Span]]:
    """The same in a typography, which changes no letter: what is kept is letters to it."""
    are_kept = _are_kept(text, kept)
    masked = "".join("x" if is_kept else c for c, is_kept in zip(text, are_kept, strict=True))
    places = typography.spans(masked)
    written = [
        text[start] if c == "x" and are_kept[start] else c
        for c, (start, _) in zip(typography.read(masked), places, strict=True)
    ]
    return "".join(written), places


def _moved(spans: Sequence[Span], places: Sequence[Span]) -> list[Span]:
    """Spans of a text in one that was made of it; `places` are the old spans of its characters."""
    starts = [start for start, _ in places]
    ends = [end for _, end in places]
    moved = []
    for start, end in spans:
        first = bisect_right(ends, start)
        last = bisect_left(starts, end) if end > start else first
        moved.append((first, max(first, last)))
    return moved


def _sentence_text(
    tokenizer: Tokenizer, sentence: Sentence, n: int, with_spans: bool
) -> tuple[str, list[Span], list[Span]]:
    """The text of the n-th best translation, and if asked for, the span of each of its tokens and
    those of its copies."""
    if not sentence.segments:
        text = copied(sentence.text)
        return text, [], [(0, len(text))]
    text, spans, kept = "", list[Span](), list[Span]()
    copies, emitted = sentence.masked.copies, set[int]()
    for number, segment in enumerate(sentence.segments):
        ids = segment.hypotheses[n].ids
        begins_sentence = not number or text.endswith(SENTENCE_ENDS)
        text += " " if number else ""
        if with_spans:
            part, its_spans = tokenizer.decode_with_spans(ids, copies, begins_sentence)
            its_spans = shifted(its_spans, len(text))
            spans += its_spans
            kept += [span for id, span in zip(ids, its_spans, strict=True) if id in COPY_IDS]
        else:
            part = tokenizer.decode(ids, copies, begins_sentence)
        text += part
        emitted.update(ids)
    # A copy that search could not place is appended: it must not be lost.
    for copy in copies:
        if COPY_IDS[copy.symbol] not in emitted:
            text += f" {copy.restored}"
            kept.append((len(text) - len(copy.restored), len(text)))
    return text, spans, kept


# ---------------------------------------------------------------------------------------- alignment


class WordAttention:
    """Attention between the words of two raw lines, summed up from blocks of attention between
    their pieces.

    Each block is merged to words at once. A matrix of pieces for the whole line would take
    gigabytes for a long line without spaces, which is one word.
    """

    def __init__(
        self, source: str, target: str, source_spans: Sequence[Span], target_spans: Sequence[Span]
    ):
        """The spans are those of the pieces, in order, without </s>."""
        self._texts = source, target
        self._words = Tokenizer.words(source), Tokenizer.words(target)
        self._source_words = np.array(Tokenizer.words_of_spans(source, source_spans), int)
        self._target_words = np.array(Tokenizer.words_of_spans(target, target_spans), int)
        self._sums_TS = np.zeros((len(self._words[1]), len(self._words[0])))

    def add(self, weights_TS: np.ndarray, target_start: int = 0, source_start: int = 0) -> None:
        """Adds the attention of the target pieces from `target_start` on to the source pieces from
        `source_start` on. Pieces of no word (-1) are left out."""
        num_target, num_source = weights_TS.shape
        targets = self._target_words[target_start : target_start + num_target]
        sources = self._source_words[source_start : source_start + num_source]
        add_pieces(self._sums_TS, weights_TS, sources, targets)

    def alignment(self) -> Alignment:
        """Columns are sums over the pieces of a source word, rows means over those of a target
        word."""
        (source, target), (source_spans, target_spans) = self._texts, self._words
        return Alignment(
            [source[start:end] for start, end in source_spans],
            [target[start:end] for start, end in target_spans],
            mean_over_pieces(self._sums_TS, self._target_words),
            source_spans,
            target_spans,
            self._target_words.tolist(),
        )


def raw_spans(
    tokenizer: Tokenizer, line: str, masked: MaskedLine, characters: CharacterView
) -> list[Span]:
    """Where each id of a masked line stands in the raw one: the view moves characters, a copy keeps
    its own."""
    places: list[Span] = []
    end = 0
    for copy in masked.copies:
        places += shifted(characters.spans(line[end : copy.raw_start]), end)
        end = copy.raw_start + copy.end - copy.start
        places += [(character, character + 1) for character in range(copy.raw_start, end)]
    places += [*shifted(characters.spans(line[end:]), end), (len(line), len(line))]
    return [
        (places[start][0], places[max(start, stop - 1)][start < stop])
        for start, stop in tokenizer.spans(masked)
    ]


def shifted(spans: Iterable[Span], by: int) -> list[Span]:
    return [(start + by, end + by) for start, end in spans]
