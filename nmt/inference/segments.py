"""A raw line as the parts that are searched at once, and their translations as one line again.

A line is one sentence, or is split into several; what is to be copied in a sentence is masked; and
a sentence that is too long is searched in parts.

S source pieces  T target pieces
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nmt.evaluation.word_alignment import Alignment, Span, block_diagonal, merge_pieces
from nmt.inference.outputs import Candidate
from nmt.search.beam import Hypothesis
from nmt.text.lines import NormalForm, is_blank, normalized_spans
from nmt.text.placeholders import Copier, MaskedLine
from nmt.text.sentence_splitter import sentences
from nmt.text.tokenizer import COPY_IDS, Tokenizer

SENTENCE_ENDS = (".", "!", "?")


@dataclass(frozen=True)
class Sentence:
    """A line, or a sentence of one. Where there is nothing to translate, it has no parts."""

    raw: str
    start: int  # in the raw line
    gap: str  # the white space that follows it, in the translation too
    masked: MaskedLine
    parts: list[list[int]]  # ids


def cut(
    line: str, tokenizer: Tokenizer, copier: Copier, max_tokens: int, language: str | None
) -> list[Sentence]:
    """The sentences of a line by the rules of a language, or the line as it is; in parts of at most
    `max_tokens`."""
    found, start = [], 0
    for text in [line] if language is None or is_blank(line) else sentences(line, language):
        raw = text if language is None else text.rstrip()
        masked = MaskedLine(raw) if is_blank(raw) else copier.mask(raw)
        parts = (
            []
            if has_nothing_to_translate(masked)
            else split(tokenizer, tokenizer.encode(masked), max_tokens)
        )
        found.append(Sentence(raw, start, text[len(raw) :], masked, parts))
        start += len(text)
    return found


def has_nothing_to_translate(line: MaskedLine) -> bool:
    return is_blank(line.text) or line.is_all_copies


def stays(source: MaskedLine, target: str) -> bool:
    """Whether the target is what a source becomes without any translation, but for white space."""
    return has_nothing_to_translate(source) and copied(source).split() == target.split()


def copied(line: MaskedLine) -> str:
    return line.replaced(lambda copy: copy.restored)


def split(tokenizer: Tokenizer, ids: list[int], limit: int) -> list[list[int]]:
    """Parts of at most `limit` ids, cut after the last sentence end, else before the last word,
    that fits."""
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


def join(tokenizer: Tokenizer, line: Sequence[Sentence], found: Sequence[Hypothesis]) -> Candidate:
    """One translation of a line, made of one for each of its parts, in order.

    The log-probabilities of the parts add up; the ranking score is their mean.
    """
    return Candidate(
        joined_text(tokenizer, line, found)[0],
        log_prob=float(sum(hypothesis.log_prob for hypothesis in found)),
        score=float(np.mean([hypothesis.score for hypothesis in found])) if found else 0.0,
        truncated=any(hypothesis.truncated for hypothesis in found),
        tokens=tuple(token for hypothesis in found for token in _tokens(tokenizer, hypothesis)),
        token_log_probs=tuple(
            value for hypothesis in found for value in hypothesis.token_log_probs
        ),
    )


def _tokens(tokenizer: Tokenizer, hypothesis: Hypothesis) -> list[str]:
    return [*tokenizer.pieces(hypothesis.ids), *([] if hypothesis.truncated else ["</s>"])]


def joined_text(
    tokenizer: Tokenizer,
    line: Sequence[Sentence],
    found: Sequence[Hypothesis],
    with_spans: bool = False,
) -> tuple[str, list[Span]]:
    """The text of a line's translation and, if asked for (it takes time), the span of each token in
    it."""
    text, remaining = "", iter(found)
    spans: list[Span] = []
    for sentence in line:
        copies = sentence.masked.copies
        emitted: set[int] = set()
        if not sentence.parts:
            text += copied(sentence.masked)
        for number in range(len(sentence.parts)):
            ids = next(remaining).ids
            begins = not number or text.endswith(SENTENCE_ENDS)
            text += " " if number else ""
            if with_spans:
                of_part, of_ids = tokenizer.decode_with_spans(ids, copies, begins)
                spans += shifted(of_ids, len(text))
            else:
                of_part = tokenizer.decode(ids, copies, begins)
            text += of_part
            emitted.update(ids)
        if (
            sentence.parts
        ):  # a copy that search could not place follows at the end: it must not be lost
            text += "".join(
                f" {copy.restored}" for copy in copies if COPY_IDS[copy.symbol] not in emitted
            )
        text += sentence.gap
    return text, spans


# ---------------------------------------------------------------------------------------- alignment


def align_parts(
    source: Tokenizer,
    target: Tokenizer,
    form: NormalForm,
    line: Sequence[Sentence],
    found: Sequence[Hypothesis],
    weights: Sequence[np.ndarray],
) -> Alignment:
    """Where the model looked while it wrote a line's translation; `weights` holds the attention ts
    of each part."""
    raw_line = "".join(sentence.raw + sentence.gap for sentence in line)
    source_spans = [
        span
        for sentence in line
        if sentence.parts
        for span in shifted(raw_spans(source, sentence.raw, sentence.masked, form), sentence.start)
    ]
    text, target_spans = joined_text(target, line, found, with_spans=True)
    sizes = [len(ids) for sentence in line for ids in sentence.parts]
    # The row and the column of </s> belong to no word.
    blocks = [
        of_part[: len(h.ids), :size] for of_part, h, size in zip(weights, found, sizes, strict=True)
    ]
    return align_words(raw_line, text, source_spans, target_spans, block_diagonal(blocks))


def align_words(
    source: str,
    target: str,
    source_spans: Sequence[Span],
    target_spans: Sequence[Span],
    weights_TS: np.ndarray,
) -> Alignment:
    """The alignment of two raw lines, from attention between pieces whose places in them are known."""
    words = Tokenizer.words(source), Tokenizer.words(target)
    of_pieces = (
        Tokenizer.words_of_spans(source, source_spans),
        Tokenizer.words_of_spans(target, target_spans),
    )
    return Alignment(
        [source[start:end] for start, end in words[0]],
        [target[start:end] for start, end in words[1]],
        merge_pieces(weights_TS, *of_pieces, num_words=(len(words[0]), len(words[1]))),
        *words,
        of_pieces[1],
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
