"""Of several hypotheses the one that the others agree with most: minimum Bayes risk, the risk being
BLEU.

K hypotheses  G n-grams
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nmt.search.beam import Hypothesis

ORDERS = (1, 2, 3, 4)  # of n-grams


def minimum_bayes_risk(hypotheses: Sequence[Hypothesis], scale: float) -> list[Hypothesis]:
    """The same, by the BLEU that each is expected to have if one of them is the reference, p of
    each being ~ exp(scale * score); that BLEU (0 to 1) is the new score. Truncated ones stay behind
    the others.

    Kumar and Byrne, 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation", eq. 4,
    over the beam.
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
    """BLEU (0 to 1, over tokens) of each text, a row, against each as reference, a column -> kk.

    One is added to the counts above unigrams (Lin and Och, 2004, "ORANGE"). An empty text has 0,
    but against itself 1.
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
    """How often each text has each n-gram of them all -> kg."""
    columns: dict[tuple[int, ...], int] = {}
    places = [
        [
            columns.setdefault(ngram, len(columns))
            for ngram in zip(*(text[start:] for start in range(n)), strict=False)
        ]
        for text in texts
    ]
    return np.stack(
        [np.bincount(np.array(row, np.int64), minlength=len(columns)) for row in places]
    )
