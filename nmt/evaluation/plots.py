"""Plots of attention and learning curves, and attention as text. They take arrays and rows only.

Matplotlib is an extra (`plot`) and is imported by the `plot_` functions only. They draw on a
`Figure` of their own instead of using pyplot, so no window, backend or global setting is involved.
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.about import install_command
from nmt.errors import UserError
from nmt.text.lines import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

# S source words or pieces  T target words or pieces

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
# Okabe and Ito's palette, which colour-blind readers can tell apart; dark enough on white.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#007A5A"

CELL_INCHES = 0.3
# 130 words of one map at full size. Cells of larger pictures shrink, which bounds their memory.
MAX_PICTURE_INCHES = 40
MAX_LABEL_CHARACTERS = 28
MAPS_PER_ROW = 4
# The lowest BLEU shown, as a share of the lowest final one: keeps the final values apart.
MIN_CURVE_SHARE = 0.6
# The rest of the palette without yellow; further lines are dashed.
CURVE_COLORS = (BLUE, VERMILLION, GREEN, "#E69F00", "#CC79A7", "#56B4E9", "#000000")
CURVE_STYLES = ("-", "--", ":")

Number = float | int | str | None


def text_heatmap(
    weights_TS: ArrayLike,
    source_words: Sequence[str],
    target_words: Sequence[str],
    width: int = 100,
) -> str:
    """Attention for a terminal: a line per target word with its source words, strongest first.

        chien  <- dog 0.91  a 0.05

    The strongest source word is always shown, others if their weight is at least 0.05 and the line
    is wide enough. A source word that occurs more than once is shown with its position from 0:
    `the[4]`.
    No line is wider than `width` columns; wide (East Asian) characters count as two. Returns "" if
    there is no target word. NaN weights are skipped.

    Raises ValueError if the shape does not fit the words, or if `width` is below 20.
    """
    weights_TS = _matrix(weights_TS, len(target_words), len(source_words), "words")
    if width < 20:
        raise ValueError(f"width must be at least 20 columns. Received: {width}.")
    targets = [_cut(_printable(word), width // 3) for word in target_words]
    column = max(map(_columns, targets), default=0)
    repeated = {word for word in source_words if source_words.count(word) > 1}
    sources = [
        f"{_printable(w)}[{s}]" if w in repeated else _printable(w)
        for s, w in enumerate(source_words)
    ]
    lines = []
    for target, weights_S in zip(targets, weights_TS, strict=True):
        line = f"{target}{' ' * (column - _columns(target))}  <-"
        strongest_first = [
            s for s in np.argsort(-weights_S, kind="stable") if not math.isnan(weights_S[s])
        ]
        for rank, s in enumerate(strongest_first):
            weight = f"{weights_S[s]:.2f}"
            columns_left = width - _columns(line) - len(weight) - (2 if rank == 0 else 3)
            if rank > 0 and (weights_S[s] < 0.05 or _columns(sources[s]) > columns_left):
                break
            line += f"{' ' if rank == 0 else '  '}{_cut(sources[s], columns_left)} {weight}"
        lines.append(line if strongest_first else f"{line} ?")
    return "\n".join(lines)


def plot_attention(
    weights_TS: ArrayLike,
    source_words: Sequence[str],
    target_words: Sequence[str],
    path: str | PathLike[str],
    title: str | None = None,
) -> None:
    """Draws attention as a heat map, a column per source word and a row per target word.

    NaN weights are grey. The suffix of `path` selects PNG, SVG or PDF. The picture grows with the
    number of words.

    Raises ValueError if the shape does not fit the words; UserError if a side has no words, the
    suffix is unknown or Matplotlib is not installed.
    """
    weights_TS = _matrix(weights_TS, len(target_words), len(source_words), "words")
    if not weights_TS.size:
        raise UserError(
            "a picture of attention needs words on both sides. "
            f"Received: {len(source_words)} source and {len(target_words)} target words."
        )
    path = picture_path(path)
    num_rows, num_columns = weights_TS.shape
    cell = min(CELL_INCHES, MAX_PICTURE_INCHES / max(num_rows, num_columns))
    width, height = cell * num_columns, cell * num_rows
    # With `parse_math`, a word with two `$` would be typeset as a formula.
    font: dict[str, Any] = {"fontsize": 30 * cell, "parse_math": False}

    # The figure is exactly the matrix. Labels are drawn outside it and included by the tight
    # bounding box on saving, so cells stay square and equally large whatever the length of words.
    figure = _figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_facecolor("0.85")
    image = axes.imshow(
        np.ma.masked_invalid(weights_TS), cmap="Blues", vmin=0, vmax=1, aspect="auto"
    )
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    rotated: dict[str, Any] = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"}
    axes.set_xticks(range(num_columns), [_label(word) for word in source_words], **font, **rotated)
    axes.set_yticks(range(num_rows), [_label(word) for word in target_words], **font)
    axes.set_xticks(np.arange(num_columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(num_rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=min(0.6, 2 * cell))
    axes.tick_params(which="minor", length=0)
    axes.tick_params(which="major", length=2, color="0.5")
    axes.spines[:].set_color("0.6")
    axes.set_xlabel("source", labelpad=6, color="0.35")
    axes.set_ylabel("target", labelpad=6, color="0.35")
    if title:
        title = textwrap.fill(_printable(title), max(40, int(9 * width)))
        axes.set_title(title, fontsize=11, pad=10, parse_math=False)

    bar_height = max(0.9, min(height, 3.0))  # below 0.9 its three labels would overlap
    bar_axes = figure.add_axes(
        (1 + 0.2 / width, 1 - bar_height / height, 0.13 / width, bar_height / height)
    )
    bar = figure.colorbar(image, cax=bar_axes, ticks=[0, 0.5, 1])
    bar.outline.set_edgecolor("0.6")
    bar.ax.tick_params(labelsize=8, length=2, color="0.5")
    bar.set_label("attention", fontsize=8, color="0.35")
    _save(figure, path)


def plot_history(
    rows: Sequence[Mapping[str, Number]], path: str | PathLike[str], x_axis: str | None = None
) -> None:
    """Draws learning curves: losses above, BLEU on the development set with its maximum below.

    A row may hold `step`, `minutes`, `train_loss`, `dev_loss` and `dev_bleu`, as numbers or as text
    from a file. Values that are missing, blank or not finite are skipped, other keys are ignored,
    and a panel without values is omitted. `x_axis` is "minutes" or "step"; None selects minutes if
    every row has them.

    Raises UserError if nothing can be drawn, a value is not a number, the suffix is unknown or
    Matplotlib is not installed.
    """
    if x_axis is None:
        x_axis = "minutes" if all(_number(row, "minutes") is not None for row in rows) else "step"
    if x_axis not in ("minutes", "step"):
        raise UserError(f"x_axis must be 'minutes' or 'step'. Received: {x_axis!r}.")
    curves = {key: _curve(rows, x_axis, key) for key in ("train_loss", "dev_loss", "dev_bleu")}
    panels = [
        keys
        for keys in (("train_loss", "dev_loss"), ("dev_bleu",))
        if any(curves[key] for key in keys)
    ]
    if not panels:
        raise UserError(
            f"a history needs rows with {x_axis!r} and one of 'train_loss', 'dev_loss' or"
            f" 'dev_bleu'. Received: {len(rows)} rows without such a pair. Train for longer, or"
            " check the file."
        )
    path = picture_path(path)
    figure = _figure(7.5, 0.8 + 2.6 * len(panels))
    figure.set_layout_engine("constrained")
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, keys in zip(all_axes, panels, strict=True):
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if keys == ("dev_bleu",):
            _draw_bleu(axes, curves["dev_bleu"])
        else:
            _draw_losses(axes, curves["train_loss"], curves["dev_loss"])
    all_axes[-1].set_xlabel({"minutes": "minutes of training", "step": "step"}[x_axis])
    if x_axis == "step":
        all_axes[-1].xaxis.set_major_formatter("{x:,.0f}")
    _save(figure, path)


def plot_attentions(
    weights: Mapping[str, ArrayLike],
    source_words: Sequence[str],
    target_words: Sequence[str],
    path: str | PathLike[str],
) -> None:
    """Draws the attention of several models on one sentence pair side by side.

    Raises what `plot_attention` raises.
    """
    matrices = {
        name: _matrix(array, len(target_words), len(source_words), "words")
        for name, array in weights.items()
    }
    if not (matrices and source_words and target_words):
        raise UserError(
            "a picture of attention needs models, and words on both sides. Received: nothing of one"
            " kind."
        )
    path = picture_path(path)
    num_columns = min(MAPS_PER_ROW, len(matrices))
    num_rows = math.ceil(len(matrices) / num_columns)
    num_cells = max(num_columns * len(source_words), num_rows * len(target_words))
    cell = min(0.75 * CELL_INCHES, MAX_PICTURE_INCHES / num_cells)
    labels = 0.075 * max(len(_label(word)) for word in (*source_words, *target_words))
    width, height = cell * len(source_words) + 0.3, cell * len(target_words) + labels + 0.5
    figure = _figure(num_columns * width + labels, num_rows * height)
    figure.set_layout_engine("constrained")
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False)
    font: dict[str, Any] = {"fontsize": 30 * cell, "parse_math": False}
    for axes, (name, matrix_TS) in zip(all_axes.flat, matrices.items(), strict=False):
        axes.imshow(np.ma.masked_invalid(matrix_TS), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(
            range(len(source_words)), [_label(word) for word in source_words], rotation=90, **font
        )
        first = axes in all_axes[:, 0]
        axes.set_yticks(
            range(len(target_words)),
            [_label(word) if first else "" for word in target_words],
            **font,
        )
        axes.tick_params(length=2, color="0.5")
        axes.tick_params(axis="y", length=2 if first else 0)
        axes.spines[:].set_color("0.6")
        axes.set_title(_printable(name), fontsize=9, parse_math=False)
    for axes in all_axes.flat[len(matrices) :]:
        axes.set_axis_off()
    _save(figure, path)


def plot_curves(
    runs: Mapping[str, Sequence[Sequence[Mapping[str, Number]]]], path: str | PathLike[str]
) -> None:
    """Draws BLEU on the development set by updates and by minutes, a curve per name.

    A name has the histories (rows as in `plot_history`) of one or several runs that were evaluated
    after the same steps. The curve is their mean, the area around it their range.

    Raises what `plot_history` raises.
    """
    path = picture_path(path)
    figure = _figure(11, 4.5)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, x_axis, label in zip(
        panels, ("step", "minutes"), ("updates", "minutes of training"), strict=True
    ):
        for number, (name, histories) in enumerate(runs.items()):
            curves = [_curve(rows, x_axis, "dev_bleu") for rows in histories]
            points = np.array([curve[: min(map(len, curves))] for curve in curves]).reshape(
                len(curves), -1, 2
            )
            x, y = points[..., 0].mean(axis=0), points[..., 1]
            style: dict[str, Any] = {
                "color": CURVE_COLORS[number % len(CURVE_COLORS)],
                "linestyle": CURVE_STYLES[number // len(CURVE_COLORS) % len(CURVE_STYLES)],
            }
            axes.plot(x, y.mean(axis=0), linewidth=1.3, marker=".", label=_printable(name), **style)
            axes.fill_between(
                x, y.min(axis=0), y.max(axis=0), color=style["color"], alpha=0.15, linewidth=0
            )
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel(label)
    panels[0].xaxis.set_major_formatter("{x:,.0f}")
    panels[0].set_ylabel("dev BLEU, greedy")
    ends = [
        points[-1][1]
        for histories in runs.values()
        for points in [_curve(histories[0], "step", "dev_bleu")]
    ]
    panels[0].set_ylim(bottom=MIN_CURVE_SHARE * min(ends))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    _save(figure, path)


def _draw_losses(
    axes: Axes, train: list[tuple[float, float]], dev: list[tuple[float, float]]
) -> None:
    if train:
        axes.plot(
            *zip(*train, strict=True),
            color=BLUE,
            linewidth=1.3,
            label="train",
            marker="." if len(train) < 3 else "",
        )
    if dev:
        axes.plot(
            *zip(*dev, strict=True),
            color=VERMILLION,
            linewidth=1.3,
            label="dev",
            marker="o",
            markersize=3.5,
        )
    axes.set_ylabel("loss per target piece")
    axes.legend(frameon=False)


def _draw_bleu(axes: Axes, curve: list[tuple[float, float]]) -> None:
    axes.plot(*zip(*curve, strict=True), color=GREEN, linewidth=1.3, marker="o", markersize=3.5)
    # The first of equals, which is the earliest checkpoint.
    x, best = max(curve, key=lambda point: point[1])
    axes.plot(
        [x],
        [best],
        linestyle="",
        marker="*",
        markersize=13,
        color=VERMILLION,
        markeredgecolor="white",
        zorder=3,
    )
    xs = [point[0] for point in curve]
    late = x > (min(xs) + max(xs)) / 2  # then the label goes to the left to stay in the panel
    axes.annotate(
        f"best {best:.2f}",
        (x, best),
        xytext=(4 if not late else -4, 9),
        textcoords="offset points",
        ha="right" if late else "left",
        color=VERMILLION,
    )
    axes.margins(y=0.15)
    axes.set_ylabel("dev BLEU")


def _matrix(
    weights_TS: ArrayLike, num_rows: int, num_columns: int, what: str
) -> NDArray[np.float64]:
    array = np.asarray(weights_TS, np.float64)
    if array.shape != (num_rows, num_columns) and not (
        array.size == 0 and num_rows * num_columns == 0
    ):
        raise ValueError(
            f"weights must have a row for each target and a column for each source of the {what}: "
            f"{(num_rows, num_columns)}. Received: {array.shape}."
        )
    return array.reshape(num_rows, num_columns)


def _number(row: Mapping[str, Number], key: str) -> float | None:
    value = row.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except ValueError:
        raise UserError(
            f"{key!r} must be a number or blank in every row. Received: {value!r}."
        ) from None
    return number if math.isfinite(number) else None


def _curve(
    rows: Sequence[Mapping[str, Number]], x_axis: str, key: str
) -> list[tuple[float, float]]:
    points = ((_number(row, x_axis), _number(row, key)) for row in rows)
    return [(x, y) for x, y in points if x is not None and y is not None]


def _printable(word: str) -> str:
    """In NFC, as Matplotlib misplaces combining accents, and without control characters."""
    composed = unicodedata.normalize("NFC", word)
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in composed
    )


def _label(word: str) -> str:
    return _cut(_printable(word), MAX_LABEL_CHARACTERS)


def _columns(text: str) -> int:
    """Terminal columns: two for wide characters, none for combining and invisible ones."""
    visible = [c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in visible)


def _cut(text: str, columns: int) -> str:
    if _columns(text) <= columns:
        return text
    while text and _columns(text) >= columns:
        text = text[:-1]
    return f"{text}…"


def picture_path(path: str | PathLike[str]) -> Path:
    """Raises UserError if the suffix is unknown."""
    path = Path(path)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise UserError(
            f"a picture's name must end in one of {', '.join(PICTURE_SUFFIXES)}. Received:"
            f" {str(path)!r}."
        )
    return path


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            "pictures need Matplotlib, which is not installed. Install it with:"
            f" {install_command('plot')}"
        ) from error
    return Figure(figsize=(width, height))


def _save(figure: Figure, path: Path) -> None:
    options: dict[str, Any] = {
        "bbox_inches": "tight",
        "pad_inches": 0.15,
        "dpi": 150,
        "facecolor": "white",
    }
    with atomic_write(path) as stream, warnings.catch_warnings():
        # Characters missing from the default font (emoji, Chinese) are drawn as boxes.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure.savefig(stream, format=path.suffix[1:].lower(), **options)
