#!/usr/bin/env python3
"""Text for a student of several runs, as a table: all pairs; then each source beside its
translation, and beside that one of its n best which is closest to the reference by sentence BLEU,
if it is another.

    nmt translate RUN1 RUN2 ... --input train.en --beam-size 4 --n-best 4 --output translations
    python scripts/distilled_text.py translations train.en train.fr > student.tsv

Kim and Rush, 2016, "Sequence-Level Knowledge Distillation", sections 3.2 and 3.3.
"""

import itertools
import sys
from pathlib import Path

from sacrebleu.metrics import BLEU
from tqdm import tqdm

from nmt.text.lines import read_lines


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    translations, *sides = map(Path, sys.argv[1:])
    pairs = list(zip(*(read_lines(path) for path in sides), strict=True))
    for pair in pairs:
        write(*pair)
    metric = BLEU(effective_order=True)
    rows = (line.split(" ||| ") for line in read_lines(translations))
    groups = itertools.groupby(rows, key=lambda row: int(row[0]))
    for (_, of_line), (source, reference) in zip(
        groups, tqdm(pairs, unit="line", disable=None), strict=True
    ):
        texts = [" ||| ".join(row[1:-1]) for row in of_line]
        closest = max(texts, key=lambda text: metric.sentence_score(text, [reference]).score)
        for text in dict.fromkeys([texts[0], closest]):
            write(source, text)


def write(source: str, target: str) -> None:
    if "\t" in source + target:
        sys.exit(
            f"a table cannot hold a tab inside of a sentence: {source!r}, {target!r}. Remove it"
            " from the text."
        )
    print(source, target, sep="\t")


if __name__ == "__main__":
    main()
