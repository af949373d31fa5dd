"""Cuts a raw line into the segments that are searched, and joins their translations into one line.

    raw line -> sentences -> segments -> hypotheses -> one text for each sentence -> text of the line

A line is one sentence, or is split into several. What has to be copied in a sentence is masked. A
sentence with more tokens than the model takes is cut into several segments. Each sentence records
where it stands in the raw line, so that alignments refer to what the user typed.

S source pieces or words  T target pieces or words
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nmt.errors import LineError
from nmt.evaluation.word_alignment import Alignment, Span, add_pieces, mean_over_pieces
from nmt.inference.outputs import Candidate, Choices
from nmt.search.beam import Hypothesis
from nmt.search.glossary import Demand
from nmt.text.lines import NormalForm, is_blank, normalized_spans
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
    demand: Demand = field(default_factory=Demand)
    hypotheses: list[Hypothesis] = field(default_factory=list)  # best first
    choices: list[Choices] = field(default_factory=list)  # for each token of the best hypothesis


@dataclass(frozen=True)
class Sentence:
    """A line, or a sentence of one: the view of it that the model reads, and where it stands."""

    raw: str
    start: int  # in the raw line
    gap: str  # white space after it, kept in the translation
    masked: MaskedLine
    segments: list[Segment]  # none if there is nothing to translate

    def spans(self, tokenizer: Tokenizer, form: NormalForm) -> list[Span]:
        """Where each source id stands in the raw line."""
        if not self.segments:
            return []
        return shifted(raw_spans(tokenizer, self.raw, self.masked, form), self.start)


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
    found, start = list[Sentence](), 0
    for text in [raw] if language is None or is_blank(raw) else sentences(raw, language):
        sentence = text if language is None else text.rstrip()
        masked = MaskedLine(sentence) if is_blank(sentence) else copier.mask(sentence)
        parts = (
            []
            if has_nothing_to_translate(masked)
            else split(tokenizer, tokenizer.encode(masked), max_tokens)
        )
        segments = [Segment(index, ids) for ids in parts]
        found.append(Sentence(sentence, start, text[len(sentence) :], masked, segments))
        start += len(text)
    return found


def has_nothing_to_translate(line: MaskedLine) -> bool:
    return is_blank(line.text) or line.is_all_copies


def is_copy(source: MaskedLine, target: str) -> bool:
    """Whether the source is not translated and the target is what it becomes, but for white space."""
    return has_nothing_to_translate(source) and copied(source).split() == target.split()


def copied(line: MaskedLine) -> str:
    return line.replaced(lambda copy: copy.restored)


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


def join(tokenizer: Tokenizer, line: SourceLine, n: int) -> Candidate:
    """The n-th best translation of a line.

    The log-probabilities of its segments add up; the ranking score is their mean.
    """
    found = line.hypotheses(n)
    return Candidate(
        joined_text(tokenizer, line, n)[0],
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
    tokenizer: Tokenizer, line: SourceLine, n: int, with_spans: bool = False
) -> tuple[str, list[Span]]:
    """The text of the n-th best translation and, if asked for (it takes time), the span of each of
    its tokens."""
    text, spans = "", list[Span]()
    for sentence in line.sentences:
        of_sentence, its_spans = _sentence_text(tokenizer, sentence, n, with_spans)
        spans += shifted(its_spans, len(text))
        text += of_sentence + sentence.gap
    return text, spans


def _sentence_text(
    tokenizer: Tokenizer, sentence: Sentence, n: int, with_spans: bool
) -> tuple[str, list[Span]]:
    if not sentence.segments:
        return copied(sentence.masked), []
    text, spans = "", list[Span]()
    copies, emitted = sentence.masked.copies, set[int]()
    for number, segment in enumerate(sentence.segments):
        ids = segment.hypotheses[n].ids
        begins_sentence = not number or text.endswith(SENTENCE_ENDS)
        text += " " if number else ""
        if with_spans:
            part, its_spans = tokenizer.decode_with_spans(ids, copies, begins_sentence)
            spans += shifted(its_spans, len(text))
        else:
            part = tokenizer.decode(ids, copies, begins_sentence)
        text += part
        emitted.update(ids)
    # A copy that search could not place is appended: it must not be lost.
    missing = (copy for copy in copies if COPY_IDS[copy.symbol] not in emitted)
    return text + "".join(f" {copy.restored}" for copy in missing), spans


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


def raw_spans(tokenizer: Tokenizer, line: str, masked: MaskedLine, form: NormalForm) -> list[Span]:
    """Where each id of a masked line stands in the raw one: a normal form moves characters, a copy
    keeps its own."""
    places: list[Span] = []
    end = 0
    for copy in masked.copies:
        places += shifted(normalized_spans(line[end : copy.raw_start], form), end)
        end = copy.raw_start + copy.end - copy.start
        places += [(character, character + 1) for character in range(copy.raw_start, end)]
    places += [*shifted(normalized_spans(line[end:], form), end), (len(line), len(line))]
    return [
        (places[start][0], places[max(start, stop - 1)][start < stop])
        for start, stop in tokenizer.spans(masked)
    ]


def shifted(spans: Iterable[Span], by: int) -> list[Span]:
    return [(start + by, end + by) for start, end in spans]
