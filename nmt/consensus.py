"""Of several hypotheses the one that the others agree with most: minimum Bayes risk, the risk being BLEU."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nmt.search import Hypothesis

ORDERS = (1, 2, 3, 4)  # of n-grams


def by_consensus(hypotheses: Sequence[Hypothesis], scale: float) -> list[Hypothesis]:
    """The same, by their BLEU (0 to 1, over tokens) against the n-grams that one of them is expected to have, p of each
    being ~ exp(scale * score); the BLEU is the new score. Truncated ones stay behind the others.

    DeNero, Chiang and Knight, 2009, "Fast Consensus Decoding over Translation Forests", eq. 7, with one added to the
    counts above unigrams. It takes no pair of hypotheses, as minimum Bayes risk does by definition (Kumar and Byrne,
    2004), and so as many operations as there are tokens.
    """
    best = max((hypothesis.score for hypothesis in hypotheses), default=0.0)
    weights = np.exp(scale * np.array([hypothesis.score - best for hypothesis in hypotheses]))
    weights /= weights.sum()
    counts = [[_ngrams(hypothesis.ids, n) for n in ORDERS] for hypothesis in hypotheses]
    expected: list[Counter[tuple[int, ...]]] = [Counter() for _ in ORDERS]
    for weight, of_hypothesis in zip(weights.tolist(), counts, strict=True):
        for total, of_order in zip(expected, of_hypothesis, strict=True):
            for ngram, count in of_order.items():
                total[ngram] += weight * count
    length = float(weights @ [len(hypothesis.ids) for hypothesis in hypotheses])
    scored = [
        replace(hypothesis, score=_bleu(len(hypothesis.ids), of_hypothesis, length, expected))
        for hypothesis, of_hypothesis in zip(hypotheses, counts, strict=True)
    ]
    return sorted(scored, key=lambda hypothesis: (hypothesis.truncated, -hypothesis.score))


def _ngrams(ids: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    return Counter(zip(*(itertools.islice(ids, start, None) for start in range(n)), strict=False))


def _bleu(
    length: int, counts: Sequence[Counter[tuple[int, ...]]], expected_length: float,
    expected: Sequence[Counter[tuple[int, ...]]],
) -> float:  # fmt: skip
    if not length:
        return 0.0
    precisions = []
    for n, of_order, total in zip(ORDERS, counts, expected, strict=True):
        matched = sum(min(count, total[ngram]) for ngram, count in of_order.items())
        added = int(n > 1)
        precisions.append((matched + added) / (max(0, length - n + 1) + added))
    return math.prod(precisions) ** (1 / len(ORDERS)) * min(1.0, math.exp(1 - expected_length / length))
