#!/usr/bin/env python3
"""Of each line's translations the one closest to a reference, by sentence BLEU: text to learn from.

    nmt translate RUN ... --input train.en --n-best 5 --output translations
    python scripts/choose_closest.py translations train.fr > closest.fr

Kim and Rush, 2016, "Sequence-Level Knowledge Distillation", section 3.3.
"""

import itertools
import sys
from pathlib import Path

from sacrebleu.metrics import BLEU
from tqdm import tqdm

from nmt.text import read_lines


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    metric = BLEU(effective_order=True)
    rows = (line.split(" ||| ") for line in read_lines(Path(sys.argv[1])))
    references = read_lines(Path(sys.argv[2]))
    groups = itertools.groupby(rows, key=lambda row: int(row[0]))
    for (_, of_line), reference in zip(groups, tqdm(references, unit=" lines"), strict=True):
        texts = [" ||| ".join(row[1:-1]) for row in of_line]
        print(max(texts, key=lambda text: metric.sentence_score(text, [reference]).score))


if __name__ == "__main__":
    main()
