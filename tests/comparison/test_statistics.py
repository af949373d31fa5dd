"""Figures and report of a comparison, from results made by hand."""

import csv
import json

import numpy as np
import pytest

from nmt.comparison.report import write_report
from nmt.comparison.statistics import RunResult, compare_all, reading, rows, shortest_minutes
from nmt.evaluation.significance import METRICS, bootstrap_interval, holm, randomization_p
from nmt.evaluation.word_alignment import Alignment, Behaviour

BLEU = METRICS[0]
REFERENCES = [f"le chien numéro {i} dort sur la chaise {i % 7} de la maison" for i in range(30)]
SAMPLE = Alignment(
    ["a", "dog"],
    ["un", "chien"],
    np.array([[0.9, 0.1], [0.2, 0.8]]),
    [(0, 1), (2, 5)],
    [(0, 2), (3, 8)],
)


def result(
    variant,
    seed,
    *,
    wrong=5,
    minutes=(1.0, 2.0),
    bleu=(10.0, 20.0),
    entropy=1.0,
    made_with="nmt 0",
    **changes,
):
    """A run with a wrong word in the translations of so many lines, others for each seed."""
    hypotheses = [
        line.replace("dort", "court") if (i * 7 + seed) % 30 < wrong else line
        for i, line in enumerate(REFERENCES)
    ]
    counts = {metric.name: metric.sentence_counts(hypotheses, REFERENCES) for metric in METRICS}
    history = [
        {"step": 10 * n, "minutes": m, "dev_bleu": b}
        for n, (m, b) in enumerate(zip(minutes, bleu, strict=True), 1)
    ]
    return RunResult(
        **{
            "variant": variant,
            "seed": seed,
            "parameters": 1000 + len(variant),
            "history": history,
            "target_tokens": 6000.0,
            "lines_per_second": 50.0,
            "behaviour": Behaviour(entropy, 0.5, 0.75),
            "error_rate": None,
            "samples": [SAMPLE],
            "counts": {"dev": counts, "test": counts},
            "made_with": made_with,
            **changes,
        }
    )


# ------------------------------------------------------------------------------------------ figures


@pytest.mark.parametrize(
    ("p", "interval", "expected"),
    [
        (0.01, (0.1, 0.9), "better"),
        (0.01, (-0.9, -0.1), "worse"),
        (0.01, (-0.1, 0.9), "no conclusion"),
        (0.2, (0.1, 0.9), "no conclusion"),
        (0.2, (-0.1, 0.9), "no difference shown"),
        (1.0, (0.0, 0.0), "no difference shown"),
    ],
)
def test_what_interval_and_p_value_say_together(p, interval, expected):
    assert reading(p, interval) == expected


def test_a_variant_is_compared_over_the_seeds_that_it_shares_with_the_baseline():
    results = [
        result("base", 1),
        result("base", 2),
        result("other", 2, wrong=15),
        result("other", 3, wrong=0),
    ]
    (one,) = compare_all(["base", "other"], results, "test", BLEU).values()
    assert one.differences == {2: results[2].score("test", BLEU) - results[1].score("test", BLEU)}
    arrays = [results[i].counts["test"]["BLEU"][None] for i in (2, 1)]
    assert one.p == one.p_holm == randomization_p(*arrays, BLEU.score)
    assert one.interval == bootstrap_interval(*arrays, BLEU.score)
    assert (one.mean, one.reading) == (one.differences[2], "worse")


def test_p_values_are_adjusted_for_all_variants_of_a_text_and_metric():
    results = [
        result(name, 1, wrong=wrong) for name, wrong in (("base", 5), ("a", 12), ("b", 6), ("c", 8))
    ]
    found = compare_all(["base", "a", "b", "c"], results, "dev", BLEU)
    assert [one.p_holm for one in found.values()] == holm([one.p for one in found.values()])
    assert found["a"].p_holm > found["a"].p


def test_rows_are_means_over_seeds_in_the_order_of_the_variants():
    results = [
        result("b", 1, wrong=3),
        result("a", 1),
        result("b", 2, wrong=9, minutes=(2.0, 4.0)),
        result("a", 2),
    ]
    first, second = rows(["a", "b", "not yet trained"], results)
    assert (first.variant, first.seeds, second.variant) == ("a", [1, 2], "b")
    assert second.minutes == 3.0 and second.tokens_per_second == (6000 / 120 + 6000 / 240) / 2
    scores = second.scores["dev"]["BLEU"]
    values = [run.score("dev", BLEU) for run in results if run.variant == "b"]
    assert list(scores.by_seed.values()) == values
    assert (scores.mean, scores.deviation) == pytest.approx(
        (np.mean(values), np.std(values, ddof=1))
    )
    assert scores.comparison and first.scores["dev"]["BLEU"].comparison is None


def test_one_seed_has_no_deviation():
    (row,) = rows(["a"], [result("a", 1)])
    assert row.scores["dev"]["BLEU"].deviation is None


def test_at_equal_time_counts_what_was_reached_when_the_fastest_of_the_seed_ended():
    results = [
        result("fast", 1, minutes=(1.0, 2.0), bleu=(30.0, 29.0)),
        result("slow", 1, minutes=(1.5, 3.0), bleu=(10.0, 40.0)),
        result("fast", 2, minutes=(2.0, 4.0)),
        result("slow", 2, minutes=(3.0, 6.0), bleu=(12.0, 40.0)),
    ]
    assert shortest_minutes(results) == {1: 2.0, 2: 4.0}
    fast, slow = rows(["fast", "slow"], results)
    assert (fast.dev_bleu, fast.dev_bleu_at_equal_time) == (25.0, 25.0)
    assert (slow.dev_bleu, slow.dev_bleu_at_equal_time) == (40.0, 11.0)
    late = result("later", 1, minutes=(2.5, 5.0))
    assert rows(["fast", "later"], [*results[:1], late])[1].dev_bleu_at_equal_time is None


# ------------------------------------------------------------------------------------------- report


@pytest.fixture
def written(tmp_path):
    """written(*results) -> report.md, report.json and report.csv."""

    def written(*results, variants=("base", "other")):
        write_report(tmp_path, "A title", variants, 6, results)
        with open(tmp_path / "report.csv", encoding="utf-8", newline="") as stream:
            table = list(csv.DictReader(stream))
        return (
            (tmp_path / "report.md").read_text("utf-8"),
            json.loads((tmp_path / "report.json").read_bytes()),
            table,
        )

    return written


def cells(markdown, heading):
    """The table under a heading, as lists of cells."""
    section = markdown.partition(heading + "\n")[2].strip().partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.split("\n")]


def test_the_report_says_what_was_found_and_how_to_read_it(written, tmp_path):
    results = [
        result(name, seed, wrong=5 if name == "base" else 20)
        for seed in (1, 2)
        for name in ("base", "other")
    ]
    markdown, record, table = written(*results)
    assert "4 of 6 runs have finished. The baseline is `base`." in markdown
    assert all(metric.signature in markdown for metric in METRICS)
    *_, header, rule, base, other = cells(markdown, "### test, BLEU")
    assert len(header) == len(rule) == len(base) == len(other) == 10
    assert base[0] == "`base`" and base[4:] == [""] * 6
    found = record["variants"][1]["scores"]["test"]["BLEU"]["comparison"]
    assert other[-1] == found["reading"] == "worse"
    assert other[5] == f"{found['mean']:+.2f}" and other[7] == "< 0.001"
    assert "**2 seeds hardly estimate the variance of training.**" in markdown
    assert "Not all runs were made in the same way" not in markdown
    assert [(row["variant"], row["seed"], row["text"]) for row in table[:2]] == [
        ("base", "1", "dev"),
        ("base", "1", "test"),
    ]
    assert float(table[0]["BLEU"]) == results[0].score("dev", BLEU)
    assert len(table) == 8 and "1,000" not in cells(markdown, "## Size and speed")[2]
    assert cells(markdown, "## Size and speed")[3][1:3] == ["1,005", "+1"]
    assert {path.name for path in tmp_path.glob("*.png")} == {"curves.png", "attention-1.png"}
    assert all(f"({path.name})" in markdown for path in tmp_path.glob("*.png"))


def test_one_seed_and_other_versions_are_warned_about(written):
    markdown, _, _ = written(result("base", 1), result("other", 1, made_with="nmt 1"))
    assert "**One seed says nothing" in markdown
    assert (
        "Made with nmt 0; and nmt 1." in markdown
        and "**Not all runs were made with the same versions and precision" in markdown
    )


def test_what_a_model_without_attention_lacks_is_left_blank(written):
    markdown, record, _ = written(
        result("base", 1, error_rate=0.5), result("other", 1, behaviour=Behaviour())
    )
    assert cells(markdown, "## Attention")[2:] == [
        ["`base`", "1.00", "0.50", "0.75", "50.0"],
        ["`other`", "", "", "", ""],
    ]
    assert record["variants"][1]["behaviour"]["entropy"] is None


def test_a_report_without_the_baseline_compares_nothing(written):
    markdown, record, _ = written(result("other", 1))
    assert "The baseline is `base`." in markdown and record["baseline"] == "base"
    assert record["variants"][0]["more_parameters"] is None
    assert cells(markdown, "### test, BLEU")[2][4:] == [""] * 6


def test_a_report_without_matplotlib_has_no_pictures(written, monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    written(result("base", 1))
    assert "pip install 'nmt-attention[plot]'" in caplog.text
