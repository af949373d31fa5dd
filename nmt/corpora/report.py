"""A report on a corpus: as JSON and as text."""

from typing import Any

import numpy as np

from nmt.corpora.analysis import Analysis, Finding, SideStatistics

TEXT_EXAMPLES = 3  # of each finding on the terminal; JSON and HTML have all
SHOWN = 100  # characters of a line on the terminal
STORED = 500  # the same in JSON and HTML


def as_dict(analysis: Analysis) -> dict[str, Any]:
    """The whole report, for JSON."""
    return {
        "source_file": str(analysis.files.source),
        "target_file": str(analysis.files.target),
        "languages": list(analysis.task.languages),
        "lines": analysis.num_pairs,
        "source": _side(analysis.source),
        "target": _side(analysis.target),
        "characters_of_target_per_source": quantiles(analysis.length_ratios),
        "findings": {key: _finding(one, analysis) for key, one in analysis.findings.items()},
        "not_checked": dict(analysis.not_checked),
    }


def _side(side: SideStatistics) -> dict[str, Any]:
    return {
        "words": int(side.words.sum(dtype=np.int64)),
        "characters": int(side.characters.sum(dtype=np.int64)),
        "distinct_lines": side.num_distinct,
        "words_per_line": quantiles(side.words),
    }


def quantiles(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    names = ("min", "p1", "median", "p99", "max")
    found = np.quantile(values, [0, 0.01, 0.5, 0.99, 1])
    return {
        "mean": round(float(values.mean()), 2),
        **{name: round(float(value), 2) for name, value in zip(names, found, strict=True)},
    }


def _finding(finding: Finding, analysis: Analysis) -> dict[str, Any]:
    return {
        "count": finding.count,
        "share": round(finding.count / analysis.num_pairs, 6),
        "meaning": finding.check.meaning,
        "advice": finding.check.advice,
        **({"details": details} if finding.count and (details := finding.check.details()) else {}),
        "examples": [
            {
                "line": example.line,
                "source": shortened(example.source, STORED),
                "target": shortened(example.target, STORED),
                "detail": example.detail,
            }
            for example in finding.examples
        ],
    }


def as_text(analysis: Analysis) -> str:
    """The report for a terminal: figures, what was found with some examples, what was not."""
    report = as_dict(analysis)
    lines = [f"{report['lines']:,} pairs of {' and '.join(report['languages'])}"]
    for side in ("source", "target"):
        facts = report[side]
        words = facts["words_per_line"]
        lines.append(
            f"  {side}: {facts['words']:,} words, {facts['characters']:,} characters,"
            f" {facts['distinct_lines']:,} different lines; words a line: median"
            f" {words['median']:g}, mean {words['mean']:g}, longest {words['max']:g}"
        )
    if ratios := report["characters_of_target_per_source"]:
        lines.append(
            "  characters of the target for one of the source: median"
            f" {ratios['median']:g}, 98 % between {ratios['p1']:g} and {ratios['p99']:g}"
        )
    for key, finding in report["findings"].items():
        if finding["count"]:
            lines += ["", *_text_of(key, finding)]
    clean = [key for key, finding in report["findings"].items() if not finding["count"]]
    if clean:
        lines += ["", f"Not found: {', '.join(clean)}."]
    for key, reason in report["not_checked"].items():
        lines.append(f"Not checked: {key} ({reason}).")
    return "\n".join(lines)


def _text_of(key: str, finding: dict[str, Any]) -> list[str]:
    lines = [
        f"{key}: {finding['count']:,} ({finding['share']:.2%}), {finding['meaning']}.",
        f"  {finding['advice']}",
    ]
    for name, value in finding.get("details", {}).items():
        lines.append(f"  {name}: {detail_text(value)}")
    for example in finding["examples"][:TEXT_EXAMPLES]:
        detail = f" ({printable(example['detail'])})" if example["detail"] else ""
        lines.append(f"  line {example['line']}{detail}")
        lines += [f"    {printable(example[side])}" for side in ("source", "target")]
    return lines


def detail_text(value: Any) -> str:
    """Nested figures in a line: `both 1, source 0`."""
    if isinstance(value, dict):
        separator = "; " if any(isinstance(v, dict) for v in value.values()) else ", "
        return separator.join(f"{name} {detail_text(v)}" for name, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(detail_text, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def printable(text: str, limit: int = SHOWN) -> str:
    """A line for a terminal: short, and without characters that would steer it."""
    text = shortened(text, limit)
    return "".join(
        c if c.isprintable() or c in "\u00a0\u202f" else f"<U+{ord(c):04X}>" for c in text
    )


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def num_found(analysis: Analysis) -> int:
    """How many checks found something."""
    return sum(bool(finding.count) for finding in analysis.findings.values())
