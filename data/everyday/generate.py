"""Write the everyday corpus: `python data/everyday/generate.py [--output DIR | --check]`.

The same files, byte for byte, on every machine: one seeded generator makes all choices, and nothing depends on hashing.
"""

import argparse
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

if __package__ in (None, ""):  # run as a script: put the package itself on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from everyday import topics  # noqa: F401 - importing it registers the patterns
from everyday.core import Draw, Feature, Pair
from everyday.registry import PATTERNS
from everyday.withheld import withheld_in

SEED = 2024
SIZES = {"train": 24_000, "dev": 1_000, "test": 1_000, "test_recombined": 1_000}
COMMON = 6  # a held-out sentence has no rarer word form: other held-out sentences may share it, so training has some
FOLDER = Path(__file__).resolve().parents[2] / "nmt" / "everyday"


@dataclass(frozen=True)
class Sentence:
    """One pair, the pattern that made it, and what it shows."""

    en: str
    fr: str
    pattern: str
    features: tuple[Feature, ...]

    @property
    def pair(self) -> Pair:
        """Both texts."""
        return self.en, self.fr


def english_forms(text: str) -> list[str]:
    """The word forms of an English text, in lower case; `don't` is one."""
    return re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.lower())


def french_forms(text: str) -> list[str]:
    """The word forms of a French text, in lower case; `l'eau` is two."""
    return re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*'?", text.lower())


def draw_pool(rng: random.Random, plain_wanted: int, recombined_wanted: int) -> tuple[list[Sentence], list[Sentence]]:
    """Distinct sentences, no two alike in either language: those without, and those with, a withheld combination."""
    limits = list(accumulate(p.weight for p in PATTERNS))
    seen_en: set[str] = set()
    seen_fr: set[str] = set()
    plain: list[Sentence] = []
    recombined: list[Sentence] = []
    while len(plain) < plain_wanted or len(recombined) < recombined_wanted:
        point = rng.random() * limits[-1]
        chosen = PATTERNS[next(i for i, limit in enumerate(limits) if point < limit)]
        draw = Draw(rng)
        en, fr = chosen.make(draw)
        if en.lower() in seen_en or fr.lower() in seen_fr:
            continue
        seen_en.add(en.lower())
        seen_fr.add(fr.lower())
        sentence = Sentence(en, fr, chosen.name, tuple(draw.features))
        if withheld_in(sentence.features):
            recombined.append(sentence)
        elif len(plain) < plain_wanted:
            plain.append(sentence)
    return plain, recombined


def build() -> dict[str, list[Sentence]]:
    """All splits. Held-out sentences use only word forms that training shows."""
    rng = random.Random(SEED)
    kept = SIZES["train"] + SIZES["dev"] + SIZES["test"]
    plain, candidates = draw_pool(rng, kept, 3 * SIZES["test_recombined"])
    english_counts = Counter(form for s in plain for form in english_forms(s.en))
    french_counts = Counter(form for s in plain for form in french_forms(s.fr))

    def known(s: Sentence) -> bool:
        counts = [english_counts[f] for f in english_forms(s.en)] + [french_counts[f] for f in french_forms(s.fr)]
        return min(counts) >= COMMON

    eligible = [s for s in plain if known(s)]
    held_out = SIZES["dev"] + SIZES["test"]
    held = [
        eligible[i * len(eligible) // held_out] for i in range(held_out)
    ]  # evenly: late draws differ from early ones
    out = {s.en for s in held}
    train = [s for s in plain if s.en not in out]
    return {
        "train": train,
        "dev": held[::2],
        "test": held[1::2],
        "test_recombined": spread([s for s in candidates if known(s)], SIZES["test_recombined"]),
    }


def spread(candidates: list[Sentence], wanted: int) -> list[Sentence]:
    """Take turns over the withheld combinations, so that no frequent one fills the set."""
    queues: dict[Feature, list[Sentence]] = {}
    for s in candidates:
        queues.setdefault(withheld_in(s.features)[0], []).append(s)
    chosen: list[Sentence] = []
    turn = 0
    while len(chosen) < wanted:
        row = [queue[turn] for queue in queues.values() if turn < len(queue)]
        if not row:
            raise ValueError(
                f"expected {wanted} recombined sentences. Received only {len(chosen)}: draw more candidates."
            )
        chosen += row
        turn += 1
    return chosen[:wanted]


def files(splits: dict[str, list[Sentence]]) -> dict[str, bytes]:
    """File name -> contents: UTF-8, one sentence a line, LF."""
    result = {}
    for name, sentences in splits.items():
        for side in ("en", "fr"):
            lines = (s.en if side == "en" else s.fr for s in sentences)
            result[f"{name}.{side}"] = "".join(line + "\n" for line in lines).encode("utf-8")
    return result


def main() -> int:
    """Write the files, or compare them with what is there."""
    parser = argparse.ArgumentParser(description="Write the everyday English-French corpus.")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write to (default: nmt/everyday)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    options = parser.parse_args()
    wrong = []
    for name, content in files(build()).items():
        path = options.output / name
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            wrong.append(name)
    if wrong:
        print(
            f"These files are not what the grammar writes: {', '.join(wrong)}. Run generate.py to rewrite.",
            file=sys.stderr,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
