"""The figures of a comparison: of each finished run, of each variant, and against the baseline.

A *text* is a named set of lines with references: `dev`, or a test set.
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nmt.evaluation.significance import (
    CONFIDENCE,
    METRICS,
    Metric,
    bootstrap_interval,
    holm,
    randomization_p,
)
from nmt.evaluation.word_alignment import Alignment, Behaviour

ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run. `history` has a row for each evaluation; `counts` are the statistics of
    `nmt.evaluation.significance` for each sentence of each text."""

    variant: str
    seed: int
    parameters: int
    history: Sequence[Mapping[str, float]]
    target_tokens: float  # trained on, without padding
    lines_per_second: float  # of translation with the recipe's search
    behaviour: Behaviour
    error_rate: float | None  # of alignments
    samples: Sequence[Alignment]
    counts: Mapping[str, Mapping[str, np.ndarray]]  # text -> metric -> nc
    made_with: str

    @property
    def minutes(self) -> float:
        return self.history[-1]["minutes"]

    @property
    def tokens_per_second(self) -> float:
        return self.target_tokens / (60 * self.minutes)

    def score(self, text: str, metric: Metric) -> float:
        return float(metric.score(self.counts[text][metric.name].sum(axis=0)))

    def best_dev_bleu(self, minutes: float = math.inf) -> float | None:
        """The best evaluation within so many minutes of training; None if there was none."""
        return max(
            (row["dev_bleu"] for row in self.history if row["minutes"] <= minutes), default=None
        )


@dataclass(frozen=True)
class Comparison:
    """A variant against the baseline by one metric on one text, over the seeds that are finished
    for both."""

    differences: dict[int, float]  # by seed
    mean: float
    interval: tuple[float, float]
    p: float
    p_holm: float
    reading: str


@dataclass(frozen=True)
class VariantScores:
    """A variant's scores by one metric on one text."""

    by_seed: dict[int, float]
    mean: float
    deviation: float | None  # sample standard deviation; None for one seed
    # None for the baseline, and while the baseline has no run with the same seed.
    comparison: Comparison | None


@dataclass(frozen=True)
class Row:
    """A variant: means over its finished seeds; scores by text and metric."""

    variant: str
    seeds: list[int]
    parameters: int
    more_parameters: int | None  # than the baseline
    minutes: float
    tokens_per_second: float
    lines_per_second: float
    dev_bleu: float  # best greedy one during training
    dev_bleu_at_equal_time: float | None
    behaviour: Behaviour
    error_rate: float | None
    scores: dict[str, dict[str, VariantScores]]


def reading(p: float, interval: tuple[float, float]) -> str:
    """The conclusion from adjusted p-value and interval; none where they disagree."""
    significant, leaves_out_zero = p < ALPHA, not interval[0] <= 0 <= interval[1]
    if significant and leaves_out_zero:
        return "better" if interval[0] > 0 else "worse"
    return "no conclusion" if significant or leaves_out_zero else "no difference shown"


def by_variant(variants: Sequence[str], results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """The runs of each variant that has any, by seed; variants in the order given."""
    runs = {
        name: sorted((r for r in results if r.variant == name), key=lambda r: r.seed)
        for name in variants
    }
    return {name: of_variant for name, of_variant in runs.items() if of_variant}


def rows(variants: Sequence[str], results: Sequence[RunResult]) -> list[Row]:
    """A row for each variant with results. The first of `variants` is the baseline."""
    limits = shortest_minutes(results)
    texts = [(text, metric) for text in results[0].counts for metric in METRICS]
    comparisons = {
        (text, metric.name): compare_all(variants, results, text, metric) for text, metric in texts
    }
    found = []
    of_variants = by_variant(variants, results)
    baseline = of_variants.get(variants[0])
    for name, runs in of_variants.items():
        scores: dict[str, dict[str, VariantScores]] = {}
        for text, metric in texts:
            by_seed = {run.seed: run.score(text, metric) for run in runs}
            deviation = statistics.stdev(by_seed.values()) if len(by_seed) > 1 else None
            comparison = comparisons[text, metric.name].get(name)
            mean = statistics.mean(by_seed.values())
            scores.setdefault(text, {})[metric.name] = VariantScores(
                by_seed, mean, deviation, comparison
            )
        behaviour = {
            field: _mean([getattr(run.behaviour, field) for run in runs])
            for field in Behaviour.__dataclass_fields__
        }
        row = Row(
            variant=name,
            seeds=[run.seed for run in runs],
            parameters=runs[0].parameters,
            more_parameters=runs[0].parameters - baseline[0].parameters if baseline else None,
            minutes=statistics.mean(run.minutes for run in runs),
            tokens_per_second=statistics.mean(run.tokens_per_second for run in runs),
            lines_per_second=statistics.mean(run.lines_per_second for run in runs),
            dev_bleu=statistics.mean(run.best_dev_bleu() or 0.0 for run in runs),
            dev_bleu_at_equal_time=_mean([run.best_dev_bleu(limits[run.seed]) for run in runs]),
            behaviour=Behaviour(**behaviour),
            error_rate=_mean([run.error_rate for run in runs]),
            scores=scores,
        )
        found.append(row)
    return found


def shortest_minutes(results: Sequence[RunResult]) -> dict[int, float]:
    """Training time of the fastest run of each seed."""
    return {
        seed: min(r.minutes for r in results if r.seed == seed)
        for seed in {r.seed for r in results}
    }


def compare_all(
    variants: Sequence[str], results: Sequence[RunResult], text: str, metric: Metric
) -> dict[str, Comparison]:
    """Compares every variant that shares a finished seed with the baseline to it; p-values are
    adjusted for their number."""
    runs_by_seed = {
        name: {run.seed: run for run in runs}
        for name, runs in by_variant(variants, results).items()
    }
    baseline = runs_by_seed.pop(variants[0], {})
    found: dict[str, Comparison] = {}
    for name, ours in runs_by_seed.items():
        seeds = [seed for seed in ours if seed in baseline]
        if not seeds:
            continue
        pairs = tuple((ours[seed], baseline[seed]) for seed in seeds)
        found[name] = _compared(pairs, text, metric)
    adjusted = holm([one.p for one in found.values()])
    return {
        name: replace(one, p_holm=p, reading=reading(p, one.interval))
        for (name, one), p in zip(found.items(), adjusted, strict=True)
    }


@functools.cache  # the report is written after each run, which changes few of its comparisons
def _compared(
    pairs: tuple[tuple[RunResult, RunResult], ...], text: str, metric: Metric
) -> Comparison:
    """Compares pairs of runs, a variant's and the baseline's with the same seed; p-values are not
    adjusted yet."""
    ours_KNC, baseline_KNC = (
        np.stack([run.counts[text][metric.name] for run in runs])
        for runs in zip(*pairs, strict=True)
    )
    differences_K = metric.score(ours_KNC.sum(axis=1)) - metric.score(baseline_KNC.sum(axis=1))
    return Comparison(
        differences={
            ours.seed: difference
            for (ours, _), difference in zip(pairs, differences_K.tolist(), strict=True)
        },
        mean=float(differences_K.mean()),
        interval=bootstrap_interval(ours_KNC, baseline_KNC, metric.score),
        p=randomization_p(ours_KNC, baseline_KNC, metric.score),
        p_holm=1.0,
        reading="",
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None if any value is None."""
    known = [value for value in values if value is not None]
    return statistics.mean(known) if len(known) == len(values) else None
