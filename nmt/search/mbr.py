"""Minimum Bayes risk decoding: choose the hypothesis that the others agree with most, by BLEU.

K hypotheses  G n-grams
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nmt.search.beam import Hypothesis

ORDERS = (1, 2, 3, 4)  # of n-grams


def minimum_bayes_risk(hypotheses: Sequence[Hypothesis], scale: float) -> list[Hypothesis]:
    """Reranks hypotheses by expected BLEU (0 to 1), which becomes their score.

    The expectation is over the hypotheses as references, with probabilities proportional to
    exp(scale * score). Truncated hypotheses stay behind the others.

    Kumar and Byrne, 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation", eq. 4.
    """
    if not hypotheses:
        return []
    scores = np.array([hypothesis.score for hypothesis in hypotheses])
    weights = np.exp(scale * (scores - scores.max()))
    expected = bleu_of_pairs([hypothesis.ids for hypothesis in hypotheses]) @ (
        weights / weights.sum()
    )
    scored = [
        replace(hypothesis, score=float(score))
        for hypothesis, score in zip(hypotheses, expected, strict=True)
    ]
    return sorted(scored, key=lambda hypothesis: (hypothesis.truncated, -hypothesis.score))


def bleu_of_pairs(texts: Sequence[Sequence[int]]) -> np.ndarray:
    """BLEU (0 to 1, over tokens) of each text (row) against each as reference (column) -> kk.

    Add-one smoothing above unigrams (Lin and Och, 2004, "ORANGE"). An empty text scores 0 against
    others and 1 against an empty one.
    """
    lengths = np.array([len(text) for text in texts], np.float64)
    precision = np.ones((len(texts), len(texts)))
    for n in ORDERS:
        counts_KG = _ngram_counts(texts, n)
        matched = np.minimum(counts_KG[:, None], counts_KG[None]).sum(axis=2)
        added = int(n > 1)
        precision *= (matched + added) / np.maximum(lengths - n + 1 + added, 1)[:, None]
    brevity = np.exp(np.minimum(0, 1 - lengths[None] / np.maximum(lengths, 1)[:, None]))
    scores = precision ** (1 / len(ORDERS)) * brevity
    scores[np.ix_(lengths == 0, lengths == 0)] = 1.0
    return scores


def _ngram_counts(texts: Sequence[Sequence[int]], n: int) -> np.ndarray:
    """Counts of every n-gram of all texts in each text -> kg."""
    columns: dict[tuple[int, ...], int] = {}
    columns_of = [
        [
            columns.setdefault(ngram, len(columns))
            for ngram in zip(*(text[start:] for start in range(n)), strict=False)
        ]
        for text in texts
    ]
    return np.stack(
        [np.bincount(np.array(row, np.int64), minlength=len(columns)) for row in columns_of]
    )
