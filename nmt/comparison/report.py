"""The report of a comparison, from the runs that have finished.

report.md                      tables, pictures and how to read them
report.json                    all figures
report.csv                     a row for each run and text
curves.png, attention-N.png    the pictures in report.md
"""

import csv
import io
import json
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from nmt.comparison.statistics import ALPHA, Row, RunResult, by_variant, rows, shortest_minutes
from nmt.errors import UserError
from nmt.evaluation.plots import plot_attentions, plot_curves
from nmt.evaluation.significance import METRICS, NUM_TRIALS, Metric
from nmt.text.lines import atomic_write

logger = logging.getLogger(__name__)

FEW_SEEDS = 10  # fewer hardly estimate the variance of training


def write_report(
    folder: Path,
    title: str,
    variants: Sequence[str],
    num_planned: int,
    results: Sequence[RunResult],
) -> None:
    """Writes the report on `results`, some or all of `num_planned` runs; replaces older files.

    The first of the variants is the baseline. Without Matplotlib, everything but the pictures is
    written.
    """
    table = rows(variants, results)
    finished = f"{len(results)} of {num_planned} runs have finished."
    files = {
        "report.json": _as_json(title, variants[0], finished, table, results),
        "report.csv": _as_csv(results),
        "report.md": _as_markdown(title, variants[0], finished, table, results),
    }
    for name, content in files.items():
        with atomic_write(folder / name, "w") as stream:
            stream.write(content)
    try:
        _draw(folder, by_variant(variants, results))
    except UserError as error:
        logger.warning("no pictures: %s", error)


def _draw(folder: Path, runs: Mapping[str, Sequence[RunResult]]) -> None:
    """Draws the learning curves of all runs, and a picture for each sample sentence: heat maps of
    the first run of each variant."""
    plot_curves(
        {name: [run.history for run in of_variant] for name, of_variant in runs.items()},
        folder / "curves.png",
    )
    samples = {name: of_variant[0].samples for name, of_variant in runs.items()}
    for number, of_sentence in enumerate(zip(*samples.values(), strict=True), 1):
        weights = {
            name: sample.weights_TS for name, sample in zip(samples, of_sentence, strict=True)
        }
        words = of_sentence[0].source_words, of_sentence[0].target_words
        plot_attentions(weights, *words, folder / f"attention-{number}.png")


def _as_json(
    title: str, baseline: str, finished: str, table: Sequence[Row], results: Sequence[RunResult]
) -> str:
    record = {
        "title": title,
        "baseline": baseline,
        "finished": finished,
        "made_with": sorted({run.made_with for run in results}),
        "signatures": {metric.name: metric.signature for metric in METRICS},
        "variants": [asdict(row) for row in table],
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _as_csv(results: Sequence[RunResult]) -> str:
    """The figures of each run, unrounded."""
    limits = shortest_minutes(results)
    lines = [
        {
            "variant": run.variant,
            "seed": run.seed,
            "text": text,
            **{metric.name: run.score(text, metric) for metric in METRICS},
            "parameters": run.parameters,
            "minutes": run.minutes,
            "tokens_per_second": run.tokens_per_second,
            "lines_per_second": run.lines_per_second,
            "dev_bleu": run.best_dev_bleu(),
            "dev_bleu_at_equal_time": run.best_dev_bleu(limits[run.seed]),
            **asdict(run.behaviour),
            "error_rate": run.error_rate,
        }
        for run in results
        for text in run.counts
    ]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=[*lines[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


# ----------------------------------------------------------------------------------------- Markdown


def _as_markdown(
    title: str, baseline: str, finished: str, table: Sequence[Row], results: Sequence[RunResult]
) -> str:
    texts = list(results[0].counts)
    pictures = range(1, len(results[0].samples) + 1)
    parts = [
        f"# {title}",
        f"{finished} The baseline is `{baseline}`. How to read the tables is explained at the end.",
        "## Scores",
        _overview(table, texts),
        "\n".join(f"- {metric.name} `{metric.signature}`" for metric in METRICS),
        "![learning curves](curves.png)",
        "## Size and speed",
        _speed(table, statistics.mean(shortest_minutes(results).values())),
        "## Attention",
        _attention(table),
        *(f"![attention in a sentence of dev](attention-{number}.png)" for number in pictures),
        "## Differences to the baseline",
    ]
    for text in texts:
        for metric in METRICS:
            parts += [f"### {text}, {metric.name}", _differences(table, text, metric)]
    parts += ["## How to read this", _notes(table, results)]
    return "\n\n".join(parts) + "\n"


def _overview(table: Sequence[Row], texts: Sequence[str]) -> str:
    """Mean ± deviation."""
    columns = [(text, metric.name) for text in texts for metric in METRICS]
    lines = []
    for row in table:
        cells = [row.scores[text][name] for text, name in columns]
        spread = ["" if cell.deviation is None else f" ± {cell.deviation:.2f}" for cell in cells]
        means = [f"{cell.mean:.2f}{suffix}" for cell, suffix in zip(cells, spread, strict=True)]
        lines.append([_name(row), len(row.seeds), *means])
    return _table(["variant", "seeds", *(f"{text}, {name}" for text, name in columns)], lines)


def _speed(table: Sequence[Row], minutes: float) -> str:
    columns = [
        "variant",
        "parameters",
        "difference",
        "minutes",
        "target tokens/s",
        "lines/s",
        "dev BLEU, greedy",
        "the same at equal time",
    ]
    lines = [
        [
            _name(row),
            f"{row.parameters:,}",
            "" if row.more_parameters is None else f"{row.more_parameters:+,}",
            f"{row.minutes:.1f}",
            f"{row.tokens_per_second:,.0f}",
            f"{row.lines_per_second:,.0f}",
            _number(row.dev_bleu),
            _number(row.dev_bleu_at_equal_time),
        ]
        for row in table
    ]
    return (
        _table(columns, lines)
        + "\n\nMinutes and tokens/s are those of training as a whole, including evaluations; "
        "lines/s are those of the recipe's search over all texts of this report. Other load on the"
        " machine lowers both. At equal time: the best evaluation before the fastest variant with"
        f" the same seed ended, after {minutes:.1f} minutes on average. The learning rate of slower"
        " variants had not been annealed by then, as it would have been in a shorter training."
    )


def _attention(table: Sequence[Row]) -> str:
    lines = [
        [
            _name(row),
            _number(row.behaviour.entropy),
            _number(row.behaviour.coverage),
            _number(row.behaviour.monotonicity),
            "" if row.error_rate is None else f"{100 * row.error_rate:.1f}",
        ]
        for row in table
    ]
    return (
        _table(["variant", "entropy, bits", "coverage", "monotonicity", "AER"], lines)
        + "\n\nWeights between words while the model is forced to write the references of dev;"
        " means over the seeds. Entropy: of the weights of a target word. Coverage: the sum of a"
        " source word's weights over all target words, at most 1. Monotonicity: among the steps to"
        " the next target word that change the source word with the largest weight, the share that"
        " moves forward. AER: alignment error rate against gold alignments, in per cent, if given."
    )


def _differences(table: Sequence[Row], text: str, metric: Metric) -> str:
    lines = []
    for row in table:
        scores = row.scores[text][metric.name]
        line = [
            _name(row),
            _number(scores.mean),
            _number(scores.deviation),
            _by_seed(scores.by_seed, "{:.2f}"),
        ]
        one = scores.comparison
        if one:
            line += [
                _by_seed(one.differences, "{:+.2f}"),
                f"{one.mean:+.2f}",
                "{:+.2f} to {:+.2f}".format(*one.interval),
                _probability(one.p),
                _probability(one.p_holm),
                one.reading,
            ]
        lines.append(line + [""] * (10 - len(line)))
    columns = [
        "variant",
        "mean",
        "deviation",
        "by seed",
        "difference by seed",
        "mean difference",
        "95 % interval",
        "p",
        "p, Holm",
        "reading",
    ]
    return _table(columns, lines)


def _notes(table: Sequence[Row], results: Sequence[RunResult]) -> str:
    num_seeds = max(len(row.seeds) for row in table)
    made_with = sorted({run.made_with for run in results})
    notes = [
        (
            "A run and the baseline's run with the same seed share the tokenizer, the text, the"
            " order of batches, hyper-parameters and the initial values of the weights that both"
            " have."
        ),
        "Deviation: the sample standard deviation over the seeds.",
        (
            f"p: stratified approximate randomisation (Clark et al., 2011) with {NUM_TRIALS:,}"
            " trials that swap sentences between the two runs with the same seed; the statistic is"
            " the difference of the means over the seeds."
        ),
        (
            f"95 % interval: bootstrap with {NUM_TRIALS:,} trials that draw sentences, the same"
            " ones for all systems, and pairs of runs."
        ),
        "p, Holm: adjusted for the number of variants, separately for each text and metric.",
        (
            f"Reading: *better* or *worse* if the adjusted p is below {ALPHA:.2f} and the interval"
            " excludes 0; *no difference shown* if neither holds, which does not mean that there is"
            " none; *no conclusion* if only one of them holds."
        ),
        "The weights were selected by BLEU on dev, so scores on dev are optimistic.",
        "Made with " + "; and ".join(made_with) + ".",
    ]
    if num_seeds == 1:
        notes.insert(
            1,
            "**One seed says nothing about the variance of training: another seed may reverse the"
            " order.**",
        )
    elif num_seeds < FEW_SEEDS:
        notes.insert(
            1,
            f"**{num_seeds} seeds hardly estimate the variance of training.** (With three seeds,"
            " the true deviation lies between half and six times the one shown, at 95 %"
            " confidence.)",
        )
    if len(made_with) > 1:
        notes.append(
            "**Not all runs were made with the same versions and precision, which may explain part"
            " of the differences.**"
        )
    return "\n".join(f"- {note}" for note in notes)


def _table(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    return "\n".join(
        f"| {' | '.join(map(str, line))} |" for line in [header, ["---"] * len(header), *lines]
    )


def _name(row: Row) -> str:
    return f"`{row.variant}`"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _by_seed(values: Mapping[int, float], form: str) -> str:
    return ", ".join(form.format(values[seed]) for seed in values)


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
