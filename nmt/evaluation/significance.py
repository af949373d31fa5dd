"""Significance tests between systems, from the counts that sacreBLEU makes in each sentence.

N sentences  K seeds  M trials  C counts

A corpus score is a function of sums of counts over sentences, so a trial that resamples sentences,
or swaps some between two systems, needs new sums but no new translations. A *system* is an array
knc: the counts of each sentence for each seed. Compared systems share their seeds: run k of either
starts with the same weights and reads the same batches.

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
SWAPS_AT_ONCE = 1 << 23  # 64 MB

# `force` only silences a warning about tokenised text.
_BLEU, _CHRF = BLEU(force=True), CHRF()
# Scores that differ by less are equal: they are sums of the same counts in another order.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Metric:
    """A sacreBLEU metric with its default settings, for one reference per line."""

    name: str
    signature: str
    counts: Callable[[str, str], list[int]]  # hypothesis, reference -> counts
    score: Callable[[np.ndarray], np.ndarray]  # sums of counts ...c -> ...

    def sentence_counts(self, hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Counts nc, whose sum over sentences gives the corpus `score`."""
        counts = [self.counts(*pair) for pair in zip(hypotheses, references, strict=True)]
        return np.asarray(counts, np.float64)


def _bleu_counts(hypothesis: str, reference: str) -> list[int]:
    """Length of both texts, then matching n-grams and n-grams of the hypothesis for n = 1 to 4."""
    score = _BLEU.corpus_score([hypothesis], [[reference]])
    return [score.sys_len, score.ref_len, *score.counts, *score.totals]


def _bleu(sums: np.ndarray) -> np.ndarray:
    """Smoothing method `exp`: the k-th order without a match counts as 1 / 2^k matches."""
    length, reference_length = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2:6], sums[..., 6:10]
    defined = matches.any(axis=-1) & totals.all(axis=-1)  # otherwise BLEU is 0
    missing = matches == 0
    smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=-1), matches)
    precision = np.exp(np.mean(np.log(smoothed / np.where(totals == 0, 1.0, totals)), axis=-1))
    brevity_penalty = np.exp(
        np.minimum(0.0, 1.0 - reference_length / np.where(defined, length, 1.0))
    )
    return np.where(defined, 100.0 * brevity_penalty * precision, 0.0)


def _chrf_counts(hypothesis: str, reference: str) -> list[int]:
    """Character n-grams of the hypothesis, of the reference and in both, for n = 1 to 6, without
    white space."""
    counts = []
    both = (extract_all_char_ngrams(text, CHRF.CHAR_ORDER) for text in (hypothesis, reference))
    for ours, theirs in zip(*both, strict=True):
        # As in sacreBLEU, orders for which the reference is too short are ignored.
        counts += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return counts


def _chrf(sums: np.ndarray) -> np.ndarray:
    """F2 of precision and recall, each averaged over the n-gram orders present in both texts."""
    ours, theirs, matches = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    defined = (ours > 0) & (theirs > 0)
    num_orders = np.maximum(defined.sum(axis=-1), 1)
    precision, recall = (
        np.sum(matches / np.where(defined, side, np.inf), axis=-1) / num_orders
        for side in (ours, theirs)
    )
    weighted = CHRF.BETA**2 * precision + recall
    return 100.0 * (1 + CHRF.BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)


def _metric(metric: Any, counts: Any, score: Any) -> Metric:
    # The signature includes the number of references, which is known after scoring only.
    name = metric.corpus_score(["x"], [["x"]]).name
    return Metric(name, str(metric.get_signature()), counts, score)


METRICS = (_metric(_BLEU, _bleu_counts, _bleu), _metric(_CHRF, _chrf_counts, _chrf))


# -------------------------------------------------------------------------------------- two systems


def randomization_p(
    ours_KNC: np.ndarray,
    baseline_KNC: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    num_trials: int = NUM_TRIALS,
    seed: int = SEED,
) -> float:
    """Two-sided p-value of stratified approximate randomisation.

    Under the null hypothesis the systems are exchangeable: each trial swaps their translations of
    random sentences within each pair of runs. The p-value is (1 + number of trials whose difference
    of means over runs is at least as large as the actual one) / (1 + number of trials).

    With one seed the trials equal those of `sacrebleu.significance.PairedTest` (`ar`) with the same
    seed, and so does the p-value unless trials tie with the actual difference: sacreBLEU counts
    larger differences only, and thus finds a system different from itself.
    """
    difference_KNC = baseline_KNC - ours_KNC
    ours_K1C, baseline_K1C = (
        system.sum(axis=1, keepdims=True) for system in (ours_KNC, baseline_KNC)
    )

    def distance(sums_a: np.ndarray, sums_b: np.ndarray) -> np.ndarray:
        return np.abs(score(sums_a).mean(axis=0) - score(sums_b).mean(axis=0))

    actual = distance(ours_K1C, baseline_K1C)
    as_large = 0
    num_seeds, num_sentences = ours_KNC.shape[:2]
    for swapped_MKN in _swaps(num_trials, num_seeds, num_sentences, seed):
        moved_KMC = swapped_MKN.transpose(1, 0, 2) @ difference_KNC
        as_large += int(
            np.sum(distance(ours_K1C + moved_KMC, baseline_K1C - moved_KMC) >= actual - _TOLERANCE)
        )
    return (1 + as_large) / (1 + num_trials)


def bootstrap_interval(
    ours_KNC: np.ndarray,
    baseline_KNC: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    num_trials: int = NUM_TRIALS,
    seed: int = SEED,
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean difference, ours minus the baseline's.

    Each trial draws sentences, the same ones for all runs, and pairs of runs, both with
    replacement.
    """
    num_seeds, num_sentences = ours_KNC.shape[:2]
    both_XNC = np.concatenate([ours_KNC, baseline_KNC])
    scores = [
        score(np.tensordot(part_MN, both_XNC, (1, 1)))
        for part_MN in _in_chunks(_draws(num_trials, num_sentences, seed))
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
    """p-values adjusted by Holm (1979): rejecting those below alpha bounds the probability of any
    false rejection by alpha."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def _swaps(num_trials: int, num_seeds: int, num_sentences: int, seed: int) -> Iterator[np.ndarray]:
    """float64 mkn, in chunks: 1 where a sentence is swapped. For one seed, drawn as sacreBLEU draws
    them. The same for all pairs of systems, and drawn again for each: all at once may take 1 GB."""
    generator = np.random.default_rng(seed)
    fitting = SWAPS_AT_ONCE // (num_seeds * num_sentences)
    # The generator makes 32 booleans at a time, and drops the rest of them after each call.
    at_once = max(32, fitting - fitting % 32)
    for start in range(0, num_trials, at_once):
        size = (min(at_once, num_trials - start), num_seeds, num_sentences)
        yield generator.integers(2, size=size, dtype=bool).astype(np.float64)


# Counts of sentences take longer to draw, and one byte each: they are drawn once for a test set.


@functools.lru_cache(maxsize=1)
def _draws(num_trials: int, num_sentences: int, seed: int) -> np.ndarray:
    """uint8 mn: how often each sentence is drawn."""
    generator = np.random.default_rng(seed)
    counts_MN = np.empty((num_trials, num_sentences), np.uint8)
    for counts_N in counts_MN:
        counts_N[:] = np.bincount(
            generator.integers(num_sentences, size=num_sentences), minlength=num_sentences
        )
    return counts_MN


def _in_chunks(trials: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(trials), TRIALS_AT_ONCE):
        yield trials[start : start + TRIALS_AT_ONCE].astype(np.float64)
