#!/usr/bin/env python3
"""New lines of the source language, from the samples that a run of the other direction draws for
each target: of a line's three, best first, two at most, if they are new and have words of the
training text only.

    nmt translate REVERSED --sampling --top-p 0.9 --n-best 3 --input train.fr --output samples
    python scripts/new_sources.py samples train.en > new.en
"""

import itertools
import re
import sys
from pathlib import Path

from nmt.text.lines import read_lines

OF_EACH_TARGET = 2


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    samples, sources = map(Path, sys.argv[1:])
    known = set(read_lines(sources))
    words = {word for line in known for word in _words(line)}
    rows = (line.split(" ||| ") for line in read_lines(samples))
    for _, of_target in itertools.groupby(rows, key=lambda row: row[0]):
        texts = dict.fromkeys(" ||| ".join(row[1:-1]) for row in of_target)
        new = [text for text in texts if text.strip() and text not in known][:OF_EACH_TARGET]
        known.update(new)
        for text in new:
            if words.issuperset(_words(text)):
                print(text)


def _words(line: str) -> list[str]:
    return re.findall(r"\w+", line.lower())


if __name__ == "__main__":
    main()
