"""Results of a translator, as typed objects and as lines of text.

A token is a piece of the target vocabulary ("▁chien", "s", "</s>"). Log-probabilities are natural
logarithms and the model's own, whatever ranked a translation; those of the tokens sum to that of
the text.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nmt.evaluation.word_alignment import Alignment, format_pharaoh

DIGITS = 6  # after the decimal point, in JSON

Choices = tuple[tuple[str, float], ...]  # tokens and their log-probabilities, the likeliest first


@dataclass(frozen=True)
class Candidate:
    """One translation of a line. `log_prob` is the model's, </s> included; `score` ranked it."""

    text: str
    log_prob: float
    score: float
    truncated: bool  # cut at the maximum length
    tokens: tuple[str, ...] = ()  # with the </s> of each part, unless truncated
    token_log_probs: tuple[float, ...] = ()  # one for each of `tokens`
    alignment: Alignment | None = field(default=None, compare=False)
    choices: tuple[Choices, ...] = field(
        default=(), compare=False
    )  # in the place of each of `tokens`

    def as_dict(self) -> dict[str, Any]:
        alignment = (
            {} if self.alignment is None else {"alignment": format_pharaoh(self.alignment.links())}
        )
        return {
            "text": self.text,
            "log_prob": round(self.log_prob, DIGITS),
            "score": round(self.score, DIGITS),
            "truncated": self.truncated,
            **tokens_as_dict(self.tokens, self.token_log_probs),
            **alignment,
        }


@dataclass(frozen=True)
class Translation:
    """The translations of a line, best first. A blank line is its only translation.

    `text`, and `str` of it, is the text of the best.
    """

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        return self.candidates[0].text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class ScoredTarget:
    """The model's log-probabilities of a given translation, </s> included."""

    text: str
    log_prob: float
    tokens: tuple[str, ...]
    token_log_probs: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "log_prob": round(self.log_prob, DIGITS),
            **tokens_as_dict(self.tokens, self.token_log_probs),
        }


def perplexity(log_prob: float, num_tokens: int) -> float:
    """exp(-log P / number of tokens), </s> included. 1 for no tokens; may be infinite."""
    try:
        return math.exp(-log_prob / max(num_tokens, 1))
    except OverflowError:
        return math.inf


def tokens_as_dict(tokens: tuple[str, ...], log_probs: tuple[float, ...]) -> dict[str, Any]:
    return {"tokens": tokens, "token_log_probs": [round(value, DIGITS) for value in log_probs]}


# --------------------------------------------------------------------------------- as lines of text


def json_line(index: int, fields: Mapping[str, Any]) -> str:
    return json.dumps({"id": index, **fields}, ensure_ascii=False)


def as_text(index: int, translation: Translation) -> Iterator[str]:
    """The best translation; if it was aligned, ` ||| ` and its links in Pharaoh format follow."""
    yield translation.text + _links(translation.candidates[0])


def as_n_best(index: int, translation: Translation) -> Iterator[str]:
    """`id ||| hypothesis ||| score`, best first, and ` ||| ` and its links if it was aligned."""
    for candidate in translation.candidates:
        yield f"{index} ||| {candidate.text} ||| {candidate.score:.4f}{_links(candidate)}"


def as_json(index: int, translation: Translation) -> Iterator[str]:
    """One object: {"id", "source", "candidates": [...]}."""
    candidates = [candidate.as_dict() for candidate in translation.candidates]
    yield json_line(index, {"source": translation.source, "candidates": candidates})


def _links(candidate: Candidate) -> str:
    return (
        "" if candidate.alignment is None else f" ||| {format_pharaoh(candidate.alignment.links())}"
    )
