"""Pictures of the attention of every mechanism on one sentence, for docs/attention/mechanisms.md.

    python scripts/draw_mechanisms.py

Trains the recipe quickstart, shortened, once for each score and cell (17 runs, in runs/mechanisms),
and draws the weights on a sentence of the test set with its reference as the target. A run that is
complete is not trained again, and an interrupted one is resumed: start the script again.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from nmt import Translator
from nmt.config.schema import SCORES

SOURCE = "The mayors chose some red scarves, but they didn't buy them."
TARGET = "Les maires ont choisi des écharpes rouges, mais ils ne les ont pas achetées."
CELLS = ("attend_first", "update_first", "conditional")
# In a window of 10 states to either side, a sentence of 11 words would be whole.
WINDOW = {"local_m": 2, "local_p": 2}

CELL, FONT = 20, 12  # pixels
CHARACTER = 0.58 * FONT  # mean width
MARGIN = 6
# An `img` follows the theme of the system. Its own background keeps it legible on any page.
STYLE = """
.paper{fill:#fffefb}.grid{fill:none;stroke:#dfdacf}text{fill:#1e1c19}.w{fill:#0f5d66}
@media(prefers-color-scheme:dark){
.paper{fill:#1e2024}.grid{stroke:#4a4d54}text{fill:#ece9e2}.w{fill:#8fd0d8}}
"""


def variants() -> dict[str, str]:
    """Name of the picture -> CELL/SCORE: every score in one cell, and one score in every cell."""
    scores = {score: f"update_first/{score}" for score in SCORES}
    return scores | {cell: f"{cell}/additive" for cell in CELLS if cell != "update_first"}


def train(name: str, attention: str, options: argparse.Namespace) -> Path:
    run = options.runs / name
    if (run / "onnx" / "export.json").is_file():  # the last thing that training writes
        return run
    overrides = [
        f"model.decoder.attention={attention}",
        f"training.epochs={options.epochs}",
        *options.set,
    ]
    if name in WINDOW:
        overrides.append(f"model.decoder.score_options.window={WINDOW[name]}")
    command = [sys.executable, "-m", "nmt", "train", "quickstart", "--run", str(run)]
    if subprocess.run([*command, *(f"--set={one}" for one in overrides)]).returncode:
        sys.exit(f"{name}: training failed")
    return run


def picture(weights_TS: np.ndarray, source: Sequence[str], target: Sequence[str]) -> str:
    """An SVG: a column for each source word, a row for each target word."""
    left = MARGIN + CHARACTER * max(map(len, target)) + MARGIN
    top = MARGIN + 0.8 * CHARACTER * max(map(len, source)) + FONT
    width, height = CELL * len(source), CELL * len(target)
    # Slanted labels stick out on the right.
    right = 0.6 * CHARACTER * len(source[-1]) + FONT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{left + width + right:.0f}"'
        f' height="{top + height + MARGIN:.0f}" font-family="system-ui,sans-serif"'
        f' font-size="{FONT}">',
        f"<title>{escape(' '.join(source))} / {escape(' '.join(target))}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%" rx="4"/>',
    ]
    for s, word in enumerate(source):
        x, y = left + CELL * (s + 0.6), top - 4
        lines.append(
            f'<text transform="translate({x:.0f} {y:.0f})rotate(-52)">{escape(word)}</text>'
        )
    for t, word in enumerate(target):
        x, y = left - MARGIN, top + CELL * (t + 0.5) + 0.35 * FONT
        lines.append(f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="end">{escape(word)}</text>')
    for t, s in np.argwhere(weights_TS >= 0.005):
        x, y = left + CELL * s, top + CELL * t
        lines.append(
            f'<rect class="w" x="{x:.0f}" y="{y:.0f}" width="{CELL}" height="{CELL}"'
            f' fill-opacity="{min(weights_TS[t, s], 1):.2f}"/>'
        )
    columns = "".join(f"M{left + CELL * s:.0f} {top:.0f}v{height}" for s in range(len(source) + 1))
    rows = "".join(f"M{left:.0f} {top + CELL * t:.0f}h{width}" for t in range(len(target) + 1))
    return "\n".join([*lines, f'<path class="grid" d="{columns}{rows}"/>', "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pictures (default: all)")
    parser.add_argument("--runs", type=Path, default=Path("runs/mechanisms"), metavar="DIR")
    parser.add_argument(
        "--output", type=Path, default=Path("docs/attention/weights"), metavar="DIR"
    )
    parser.add_argument("--epochs", type=int, default=2, metavar="N")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    unknown = set(options.names) - variants().keys()
    if unknown:
        parser.error(f"expected names among {', '.join(variants())}. Received: {unknown}.")
    options.output.mkdir(parents=True, exist_ok=True)
    for name, attention in variants().items():
        if options.names and name not in options.names:
            continue
        run = train(name, attention, options)
        alignment = Translator.load(run).align(SOURCE, TARGET)
        path = options.output / f"{name}.svg"
        drawn = picture(alignment.weights_TS, alignment.source_words, alignment.target_words)
        path.write_text(drawn, "utf-8")
        print(f"{path}: {attention}, {path.stat().st_size / 1000:.1f} kB", flush=True)


if __name__ == "__main__":
    main()
