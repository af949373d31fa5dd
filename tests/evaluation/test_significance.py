import itertools
import os
import random
import tracemalloc

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from nmt.evaluation import significance
from nmt.evaluation.metrics import corpus_scores
from nmt.evaluation.significance import METRICS, SEED, bootstrap_interval, holm, randomization_p

WORDS = [
    "le",
    "chien",
    "la",
    "maison",
    "est",
    ",",
    "«",
    "oui",
    "»",
    ".",
    "et",
    "un",
    "dort",
    "là-bas",
    "longtemps",
]
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def spoilt(lines, share, seed):
    """The lines with a share of their words replaced."""
    generator = random.Random(seed)
    return [
        " ".join(generator.choice(WORDS) if generator.random() < share else w for w in line.split())
        for line in lines
    ]


def text(count, seed=0):
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, 14))) for _ in range(count)]


REFERENCES = text(60)


def system(metric, *shares, references=REFERENCES, seed=0):
    """Counts knc of runs that spoil such shares of the words."""
    runs = [spoilt(references, share, 100 * seed + k) for k, share in enumerate(shares)]
    return np.stack([metric.sentence_counts(run, references) for run in runs])


def constant(value):
    """A metric's `score` of one count a sentence: their mean."""
    return lambda sums: sums[..., 0] / value


# -------------------------------------------------------------------------------- counts and scores


@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        (spoilt(REFERENCES, 0.3, 1), REFERENCES),
        (spoilt(REFERENCES, 0.95, 2), REFERENCES),  # orders without a match
        (["Où est la gare\u202f?", "", "a"], ["Où est la gare ?", "Une femme lit.", ""]),
        (["a b c"], ["a b c"]),  # too short for 4-grams
        (["x y z w v"], ["a b c d e"]),  # nothing in common
        ([""], ["a"]),
        (["a longer line than its reference is , by far ."], ["a line ."]),
    ],
)
def test_scores_of_summed_counts_are_sacrebleus_with_its_signature(hypotheses, references):
    expected = corpus_scores(hypotheses, [references])[:2]
    for metric, score in zip(METRICS, expected, strict=True):
        assert (metric.name, metric.signature) == (score.name, score.signature)
        found = metric.score(metric.sentence_counts(hypotheses, references).sum(axis=0))
        assert found == pytest.approx(score.value, abs=1e-9)


@every_metric
def test_many_sums_are_scored_at_once(metric):
    counts_KNC = system(metric, 0.1, 0.5, 0.9)
    sums_KC = counts_KNC.sum(axis=1)
    assert metric.score(sums_KC).tolist() == pytest.approx(
        [float(metric.score(sums_C)) for sums_C in sums_KC]
    )


# ------------------------------------------------------------------------------------ randomisation


@pytest.mark.parametrize("share", [0.2, 0.25, 0.3])
def test_with_one_seed_the_p_value_is_sacrebleus_own(share, monkeypatch):
    monkeypatch.setitem(os.environ, "SACREBLEU_SEED", str(SEED))
    baseline, ours = spoilt(REFERENCES, 0.2, 3), spoilt(REFERENCES, share, 4)
    metrics = {"BLEU": BLEU(), "chrF2": CHRF()}
    _, results = PairedTest(
        [("baseline", baseline), ("ours", ours)], metrics, [REFERENCES], n_samples=2000
    )()
    for metric in METRICS:
        theirs = results[metric.name][1].p_value
        arrays = (metric.sentence_counts(run, REFERENCES)[None] for run in (ours, baseline))
        assert randomization_p(*arrays, metric.score, 2000) == theirs
        assert 0.0005 < theirs < 1.0


@pytest.mark.parametrize(("num_seeds", "num_sentences"), [(1, 60), (3, 61), (5, 7)])
def test_swaps_in_chunks_are_those_of_one_draw(num_seeds, num_sentences, monkeypatch):
    monkeypatch.setattr(significance, "SWAPS_AT_ONCE", 100 * num_sentences)
    whole = np.random.default_rng(SEED).integers(
        2, size=(203, num_seeds, num_sentences), dtype=bool
    )
    chunks = [*significance._swaps(203, num_seeds, num_sentences, SEED)]
    assert len(chunks) > 2 and np.array_equal(np.concatenate(chunks), whole)


def test_memory_for_swaps_does_not_grow_with_the_number_of_trials(monkeypatch):
    monkeypatch.setattr(significance, "SWAPS_AT_ONCE", 1 << 16)
    ours, baseline = np.random.default_rng(1).integers(5, size=(2, 2, 500, 1)).astype(float)
    tracemalloc.start()
    try:
        randomization_p(ours, baseline, constant(500), 5000)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000  # 5 MB for all swaps
    finally:
        tracemalloc.stop()


def test_a_p_value_by_enumeration():
    """Two seeds, two sentences, one count: all 16 ways to swap, and how often the difference is as
    large."""
    ours_KNC, baseline_KNC = (
        np.array([[[4.0], [2.0]], [[3.0], [1.0]]]),
        np.array([[[1.0], [1.0]], [[2.0], [3.0]]]),
    )
    gains = (ours_KNC - baseline_KNC).ravel()
    signed = [abs(np.dot(gains, signs)) for signs in itertools.product((-1, 1), repeat=4)]
    expected = np.mean(np.array(signed) >= abs(gains.sum()))
    assert randomization_p(ours_KNC, baseline_KNC, constant(2)) == pytest.approx(expected, abs=0.02)
    assert 0.1 < expected < 0.9


@every_metric
def test_a_system_does_not_differ_from_itself(metric):
    ours = system(metric, 0.2, 0.3)
    assert randomization_p(ours, ours, metric.score, 100) == 1.0
    assert bootstrap_interval(ours, ours, metric.score, 100) == (0.0, 0.0)


@every_metric
def test_a_p_value_does_not_depend_on_which_system_is_the_baseline(metric):
    ours, baseline = system(metric, 0.2, 0.2), system(metric, 0.3, 0.25, seed=1)
    assert randomization_p(ours, baseline, metric.score, 1000) == pytest.approx(
        randomization_p(baseline, ours, metric.score, 1000), abs=0.02
    )


@every_metric
def test_swaps_stay_within_a_pair_of_runs(metric):
    """Runs that are far apart say nothing about systems that are alike in each pair."""
    baseline, better = system(metric, 0.05, 0.8), system(metric, 0.0, 0.6, seed=5)
    assert randomization_p(better, baseline, metric.score, 2000) < 0.01
    assert randomization_p(better, baseline[::-1], metric.score, 2000) > 0.01


def test_p_values_of_like_systems_are_spread_evenly():
    """What a p-value promises: under the null hypothesis it is below 5 % in 5 % of the cases."""
    generator = np.random.default_rng(1)
    p_values = []
    for seed in range(200):
        ours, baseline = generator.normal(size=(2, 2, 20, 1))
        p_values.append(randomization_p(ours, baseline, constant(20), 200, seed))
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)


# ----------------------------------------------------------------------------------------- interval


@every_metric
def test_an_interval_is_that_of_trials_drawn_one_by_one(metric):
    ours, baseline = system(metric, 0.2, 0.3), system(metric, 0.3, 0.3, seed=1)
    generator = np.random.default_rng(7)
    means = []
    for _ in range(4000):
        sentences, pairs = generator.integers(60, size=60), generator.integers(2, size=2)
        differences = [
            metric.score(ours[k, sentences].sum(axis=0))
            - metric.score(baseline[k, sentences].sum(axis=0))
            for k in pairs
        ]
        means.append(np.mean(differences))
    width = np.std(means)
    expected = np.quantile(means, [0.025, 0.975])
    assert bootstrap_interval(ours, baseline, metric.score) == pytest.approx(
        expected, abs=0.15 * width
    )


def test_an_interval_holds_the_true_difference_in_about_95_of_100_cases():
    """Sentences of one system gain 0.5 on average; both systems share how hard a sentence is."""
    generator = np.random.default_rng(2)
    held = []
    for _ in range(200):
        hard = generator.normal(scale=3.0, size=(1, 40, 1))
        ours, baseline = hard + generator.normal(size=(2, 1, 40, 1))
        low, high = bootstrap_interval(ours + 0.5, baseline, constant(40), 400)
        held.append(low <= 0.5 <= high)
    assert np.mean(held) == pytest.approx(0.94, abs=0.05)


def test_an_interval_knows_the_spread_between_seeds():
    """All sentences alike: what varies is the pair of runs alone."""
    ours, baseline = np.broadcast_to([[[1.0]], [[2.0]], [[6.0]]], (3, 10, 1)), np.zeros((3, 10, 1))
    low, high = bootstrap_interval(ours, baseline, constant(10))
    assert (low, high) == pytest.approx(
        (1.0, 6.0)
    )  # 1 of 27 draws takes the same pair thrice: 3.7 %


# --------------------------------------------------------------------------------------------- Holm


def test_holm_by_hand():
    # 0.01 * 4, 0.02 * 3, then 0.03 * 2 is no more than what came before, and 0.5 stays.
    assert holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.3]) == [0.3]
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
