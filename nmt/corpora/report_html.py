"""A report on a corpus as one HTML page: pictures are inline SVG, and nothing else is loaded."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from nmt.corpora.analysis import Analysis, places_of
from nmt.corpora.report import as_dict, detail_text, printable

WIDTH, HEIGHT = 360, 120
NUM_BARS = 40
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; vertical-align: top;
         border-top: 1px solid #8884; overflow-wrap: anywhere }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0 }
figcaption { font-size: .85rem }
svg { max-width: 100%; height: auto }
svg rect { fill: #3a78b5 } svg text { font-size: 11px; fill: currentColor }
.detail { font-size: .85rem; opacity: .8 }
"""


def as_html(analysis: Analysis, title: str) -> str:
    report = as_dict(analysis)
    source, target = map(html.escape, report["languages"])
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " style-src 'unsafe-inline'\">",
        f"<style>{_STYLE}</style></head><body><main>",
        f"<h1>{html.escape(title)}</h1>",
        _facts(report),
        _histogram(analysis.source.words, f"Words a line, {source}"),
        _histogram(analysis.target.words, f"Words a line, {target}"),
        _histogram(analysis.length_ratios, f"Characters of {target} for one of {source}"),
        "<h2>Findings</h2>",
        _summary(analysis, report),
    ]
    for key, finding in report["findings"].items():
        if finding["count"]:
            parts.append(_finding(key, finding))
    if report["not_checked"]:
        rows = [[key, reason] for key, reason in report["not_checked"].items()]
        parts += ["<h2>Not checked</h2>", _table(["check", "reason"], rows)]
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _facts(report: dict[str, Any]) -> str:
    rows = []
    for side, language in zip(("source", "target"), report["languages"], strict=True):
        facts = report[side]
        words = facts["words_per_line"]
        rows.append(
            [
                f"{side} ({language})",
                f"{facts['words']:,}",
                f"{facts['characters']:,}",
                f"{facts['distinct_lines']:,}",
                f"{words['median']:g}",
                f"{words['max']:g}",
            ]
        )
    header = ["side", "words", "characters", "different lines", "median words", "longest"]
    return f"<p>{report['lines']:,} pairs of lines.</p>" + _table(header, rows)


def _summary(analysis: Analysis, report: dict[str, Any]) -> str:
    """A row for each check, with where in the corpus its findings are."""
    rows = []
    for key, finding in report["findings"].items():
        name = f'<a href="#{key}">{key}</a>' if finding["count"] else key
        places = places_of(analysis.findings[key].lines, analysis.num_pairs)
        picture = _strip(places, f"where in the corpus: {key}") if finding["count"] else ""
        rows.append(
            f'<tr><td>{name}</td><td class="n">{finding["count"]:,}</td>'
            f'<td class="n">{finding["share"]:.2%}</td><td>{picture}</td></tr>'
        )
    header = ("check", "pairs", "share", "from the first line to the last")
    head = "".join(f"<th>{cell}</th>" for cell in header)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _finding(key: str, finding: dict[str, Any]) -> str:
    parts = [
        f'<h3 id="{key}">{key}: {finding["count"]:,}</h3>',
        f"<p>{html.escape(_sentence(finding['meaning']))}"
        f" <strong>{html.escape(finding['advice'])}</strong></p>",
    ]
    for name, value in finding.get("details", {}).items():
        text = printable(f"{name}: {detail_text(value)}", 2000)
        parts.append(f'<p class="detail">{html.escape(text)}</p>')
    rows = [
        [
            str(example["line"]),
            *(printable(example[name], 500) for name in ("source", "target", "detail")),
        ]
        for example in finding["examples"]
    ]
    return "\n".join([*parts, _table(["line", "source", "target", ""], rows)])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<tr>{cells('th', header)}</tr>"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


# ----------------------------------------------------------------------------------- pictures


def _histogram(values: np.ndarray, title: str) -> str:
    """Bars up to the 99th percentile; the last bar holds everything above it."""
    if not len(values):
        return ""
    limit = max(float(np.quantile(values, 0.99)), 1e-9)
    counts, _ = np.histogram(np.minimum(values, limit), NUM_BARS, (0, limit))
    bars = _bars(counts, WIDTH, HEIGHT)
    labels = (
        f'<text x="0" y="{HEIGHT + 14}">0</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">{limit:.3g} and more</text>'
    )
    return _figure(bars + labels, WIDTH, HEIGHT + 20, title)


def _strip(counts: np.ndarray, title: str) -> str:
    label = html.escape(title, quote=True)
    return (
        f'<svg role="img" aria-label="{label}" width="300" height="24" viewBox="0 0 300 24">'
        f"{_bars(counts, 300, 24)}</svg>"
    )


def _bars(counts: np.ndarray, width: int, height: int) -> str:
    top, step = max(1, int(counts.max())), width / len(counts)
    return "".join(
        f'<rect x="{i * step:.1f}" y="{height - bar:.1f}" width="{step * 0.9:.1f}"'
        f' height="{bar:.1f}"/>'
        for i, count in enumerate(counts.tolist())
        if (bar := max(1.0, height * count / top) if count else 0.0)
    )


def _figure(content: str, width: int, height: int, title: str) -> str:
    return (
        f'<figure><svg role="img" aria-label="{title}" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}">{content}</svg><figcaption>{title}</figcaption></figure>'
    )
