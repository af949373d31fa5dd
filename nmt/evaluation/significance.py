"""Whether one system translates better than another, from what sacreBLEU counts in each sentence.

N sentences  K seeds  M trials  C counts

A corpus score is a function of sums of counts over the sentences, so a trial on other sentences, or
with some of them swapped between two systems, needs new sums and no new translations. A *system* is
an array knc: for each seed, the counts of each sentence. Two systems that are compared share their
seeds: run k of one and run k of the other began with the same weights and read the same batches.

Clark et al. (2011), Better Hypothesis Testing for Statistical Machine Translation: Controlling for
Optimizer Instability.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.helpers import extract_all_char_ngrams

NUM_TRIALS = 10_000
SEED = 12345  # sacreBLEU's default
CONFIDENCE = 0.95
TRIALS_AT_ONCE = 500

_BLEU, _CHRF = (
    BLEU(force=True),
    CHRF(),
)  # `force` changes no number: it silences a warning about tokenised text
_HALF_UNIT = (
    1e-9  # scores that differ by less are equal: they are sums of the same counts in another order
)


@dataclass(frozen=True)
class Metric:
    """A score of sacreBLEU's with its default settings, for one reference a line."""

    name: str
    signature: str
    counts: Callable[[str, str], list[int]]  # of a hypothesis against its reference
    score: Callable[[np.ndarray], np.ndarray]  # sums of counts ...c -> ...

    def of_sentences(self, hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Counts nc. Their sum over the sentences gives the corpus's `score`."""
        counts = [self.counts(*pair) for pair in zip(hypotheses, references, strict=True)]
        return np.asarray(counts, np.float64)


def _bleu_counts(hypothesis: str, reference: str) -> list[int]:
    """Length of both, n-grams that match and n-grams of the hypothesis, for n from 1 to 4."""
    score = _BLEU.corpus_score([hypothesis], [[reference]])
    return [score.sys_len, score.ref_len, *score.counts, *score.totals]


def _bleu(sums: np.ndarray) -> np.ndarray:
    """With the smoothing `exp`: the k-th order without a match counts as 1 / 2^k matches."""
    length, reference_length, matches, totals = (
        sums[..., 0],
        sums[..., 1],
        sums[..., 2:6],
        sums[..., 6:10],
    )
    defined = matches.any(axis=-1) & totals.all(axis=-1)  # else it is 0
    missing = matches == 0
    smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=-1), matches)
    precision = np.exp(np.mean(np.log(smoothed / np.where(totals == 0, 1.0, totals)), axis=-1))
    brevity_penalty = np.exp(
        np.minimum(0.0, 1.0 - reference_length / np.where(defined, length, 1.0))
    )
    return np.where(defined, 100.0 * brevity_penalty * precision, 0.0)


def _chrf_counts(hypothesis: str, reference: str) -> list[int]:
    """n-grams of the hypothesis, of the reference and in both, for n from 1 to 6 characters, white
    space left out."""
    counts = []
    both = (extract_all_char_ngrams(text, CHRF.CHAR_ORDER) for text in (hypothesis, reference))
    for ours, theirs in zip(*both, strict=True):
        # As sacreBLEU does, n-grams are not held against a hypothesis whose reference is too short
        # to have any.
        counts += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return counts


def _chrf(sums: np.ndarray) -> np.ndarray:
    """F2 of precision and recall, each averaged over the orders that both sides have."""
    ours, theirs, matches = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    defined = (ours > 0) & (theirs > 0)
    num_orders = np.maximum(defined.sum(axis=-1), 1)
    precision, recall = (
        np.sum(matches / np.where(defined, side, np.inf), axis=-1) / num_orders
        for side in (ours, theirs)
    )
    weighted = CHRF.BETA**2 * precision + recall
    return 100.0 * (1 + CHRF.BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)


def _signed(metric: Any, counts: Any, score: Any) -> Metric:
    name = metric.corpus_score(
        ["x"], [["x"]]
    ).name  # and the signature states the number of references only now
    return Metric(name, str(metric.get_signature()), counts, score)


METRICS = (_signed(_BLEU, _bleu_counts, _bleu), _signed(_CHRF, _chrf_counts, _chrf))


# -------------------------------------------------------------------------------------- two systems


def randomization_p(
    ours_KNC: np.ndarray,
    baseline_KNC: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    num_trials: int = NUM_TRIALS,
    seed: int = SEED,
) -> float:
    """The p-value of stratified approximate randomisation, two-sided.

    If the systems were alike, one could swap their translations of any sentence, within a pair of
    runs, and the difference of the means over the runs would be as large as often as not. -> (1 +
    trials in which it is at least as large) / (1 + trials).

    With one seed the trials are those of `sacrebleu.significance.PairedTest` (`ar`) under its seed,
    and so is the p-value unless trials tie with the actual difference. It counts only larger ones,
    and so calls a system different from itself.
    """
    difference_KNC = baseline_KNC - ours_KNC
    ours_K1C, baseline_K1C = (
        system.sum(axis=1, keepdims=True) for system in (ours_KNC, baseline_KNC)
    )

    def distance(sums_a: np.ndarray, sums_b: np.ndarray) -> np.ndarray:
        return np.abs(score(sums_a).mean(axis=0) - score(sums_b).mean(axis=0))

    actual = distance(ours_K1C, baseline_K1C)
    as_large = 0
    for swapped_MKN in _in_parts(_swaps(num_trials, *ours_KNC.shape[:2], seed)):
        moved_KMC = swapped_MKN.transpose(1, 0, 2) @ difference_KNC
        as_large += int(
            np.sum(distance(ours_K1C + moved_KMC, baseline_K1C - moved_KMC) >= actual - _HALF_UNIT)
        )
    return (1 + as_large) / (1 + num_trials)


def bootstrap_interval(
    ours_KNC: np.ndarray,
    baseline_KNC: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    num_trials: int = NUM_TRIALS,
    seed: int = SEED,
) -> tuple[float, float]:
    """The interval that holds the mean difference, ours minus the baseline's, in 95 % of the
    trials.

    Each trial draws as many sentences, the same for all runs, and as many pairs of runs, with
    replacement.
    """
    num_seeds, num_sentences = ours_KNC.shape[:2]
    both_XNC = np.concatenate([ours_KNC, baseline_KNC])
    scores = [
        score(np.tensordot(part_MN, both_XNC, (1, 1)))
        for part_MN in _in_parts(_draws(num_trials, num_sentences, seed))
    ]
    scores_MX = np.concatenate(scores)
    difference_KM = (scores_MX[:, :num_seeds] - scores_MX[:, num_seeds:]).T
    pairs_KM = np.random.default_rng([seed, num_seeds]).integers(
        num_seeds, size=(num_seeds, num_trials)
    )
    means_M = np.take_along_axis(difference_KM, pairs_KM, axis=0).mean(axis=0)
    low, high = np.quantile(means_M, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjustment: reject what is below alpha, and any false rejection has at most
    probability alpha."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


# Every pair of systems takes the same trials, so they are drawn once for a test set, and held in a
# byte each.


@functools.lru_cache(maxsize=1)
def _swaps(num_trials: int, num_seeds: int, num_sentences: int, seed: int) -> np.ndarray:
    """bool mkn: whether a sentence is swapped; for one seed, as sacreBLEU draws it."""
    generator = np.random.default_rng(seed)
    return generator.integers(2, size=(num_trials, num_seeds, num_sentences), dtype=bool)


@functools.lru_cache(maxsize=1)
def _draws(num_trials: int, num_sentences: int, seed: int) -> np.ndarray:
    """uint8 mn: how often a sentence was drawn."""
    generator = np.random.default_rng(seed)
    counts_MN = np.empty((num_trials, num_sentences), np.uint8)
    for counts_N in counts_MN:
        counts_N[:] = np.bincount(
            generator.integers(num_sentences, size=num_sentences), minlength=num_sentences
        )
    return counts_MN


def _in_parts(trials: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(trials), TRIALS_AT_ONCE):
        yield trials[start : start + TRIALS_AT_ONCE].astype(np.float64)
