#!/usr/bin/env python
"""BLEU of a run on clean text, and on the same text as keyboards, PDFs and web pages deliver it.

    scripts/measure_robustness.py RUN SOURCE REFERENCE [--lines N] [--seed N] [--beam-size K]

Each line is changed once for each kind; marks around a line are expected around its translation, a
line in capitals is expected in capitals. `same` is the share of lines whose translation, without
such marks and in any case, is that of the clean line. Where a word of a line is put in quotes or
brackets, BLEU is of the translation without any, and `same` lines have more of them than the clean
ones.
"""

import argparse
import random
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

from nmt import Translator
from nmt.evaluation.metrics import corpus_scores
from nmt.search.numbers import SourceNumbers
from nmt.seeding import derive_seed
from nmt.text.lines import read_lines
from nmt.text.model_input import peel
from nmt.text.perturbations import (
    small_initial,
    title_case,
    typing_error,
    with_marks,
    without_final_mark,
)

NUMBERS = Path(__file__).parents[1] / "data" / "robustness" / "numbers.en"
Change = Callable[[str, random.Random], str]


def in_place_of_a_space(character: str) -> Change:
    def change(line: str, generator: random.Random) -> str:
        places = [i for i, c in enumerate(line) if c == " "]
        i = generator.choice(places) if places else len(line)
        return line[:i] + character + line[i + 1 :]

    return change


def inside_a_word(character: str) -> Change:
    def change(line: str, generator: random.Random) -> str:
        places = [i for i in range(1, len(line)) if line[i - 1].isalpha() and line[i].isalpha()]
        i = generator.choice(places) if places else len(line)
        return line[:i] + character + line[i:]

    return change


def around(before: str, after: str = "") -> Change:
    return lambda line, generator: f"{before}{line}{after}"


def around_a_word(before: str, after: str) -> Change:
    def change(line: str, generator: random.Random) -> str:
        words = list(LONG_WORD.finditer(line))
        start, end = generator.choice(words).span() if words else (0, len(line))
        return with_marks(line, start, end, before, after)

    return change


LONG_WORD = re.compile(r"(?<!\S)[^\W\d_]{4,}(?=[\s.,!?]|$)")
MARK = re.compile(r"«\s?|\s?»|[\"“”()]")
SAME: dict[str, Change] = {  # what does not change a sentence
    "no-break space": in_place_of_a_space("\u00a0"),
    "narrow no-break space": in_place_of_a_space("\u202f"),
    "thin space": in_place_of_a_space("\u2009"),
    "tab": in_place_of_a_space("\t"),
    "several spaces": in_place_of_a_space("   "),
    "soft hyphen": inside_a_word("\u00ad"),
    "zero-width space": inside_a_word("\u200b"),
    "word joiner": inside_a_word("\u2060"),
    "byte order mark": around("\ufeff"),
    "direction marks": around("\u200e", "\u200f"),
    "decomposed letters": lambda line, generator: unicodedata.normalize("NFD", line),
    "curly apostrophes": lambda line, generator: line.replace("'", "\u2019"),
    "edge space": around("  ", " "),
    "quotes around": around('"', '"'),
    "curly quotes around": around("\u201c", "\u201d"),
    "brackets around": around("(", ")"),
    "asterisks around": around("**", "**"),
    "list marker": around("- "),
    "number before": around("1. "),
}
OTHER: dict[str, Change] = {  # what does, a little
    "capitals": lambda line, generator: line.upper(),
    "title case": lambda line, generator: title_case(line),
    "small initial": lambda line, generator: small_initial(line),
    "no final mark": lambda line, generator: without_final_mark(line),
    "one typing error": typing_error,
    "two typing errors": lambda line, generator: typing_error(
        typing_error(line, generator), generator
    ),
}
WORD: dict[str, Change] = {  # marks that are expected somewhere
    "one word in quotes": around_a_word('"', '"'),
    "one word in brackets": around_a_word("(", ")"),
}


def num_marks(text: str) -> int:
    return len(MARK.findall(text))


def expected(line: str, original: str, reference: str, kind: str, language: str) -> str:
    """The reference of a changed line. Marks that the original had, too, are there once."""
    if kind in WORD:
        return MARK.sub("", reference)
    if kind == "capitals":
        return reference.upper()
    if kind == "small initial":
        return small_initial(reference)
    if kind == "no final mark":
        return without_final_mark(reference)
    own, peeled = peel(original, language), peel(line, language)
    reference = reference.removeprefix(own.before).removesuffix(own.after)
    return f"{peeled.before}{reference}{peeled.after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("reference", type=Path, metavar="REFERENCE")
    parser.add_argument("--lines", type=int, metavar="N", help="the first N lines only")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--beam-size", type=int, metavar="K", help="1: greedy")
    options = parser.parse_args()

    translator = Translator.load(options.run)
    language = translator.run.config.data.target
    sources = list(read_lines(options.source))[: options.lines]
    references = list(read_lines(options.reference))[: options.lines]

    def translated(lines: list[str]) -> list[str]:
        return [one.text for one in translator.translate(lines, beam_size=options.beam_size)]

    def score(hypotheses: list[str], references: list[str]) -> float:
        return corpus_scores(hypotheses, [references])[0].value

    clean = translated(sources)
    bleu = corpus_scores(clean, [references])[0]
    print(f"{len(sources)} lines, seed {options.seed}, {bleu.signature}")
    print(f"{'clean':24}{bleu.value:7.2f}")
    for kind, change in {**SAME, **OTHER, **WORD}.items():
        changed = [
            change(line, random.Random(derive_seed(options.seed, kind, i)))
            for i, line in enumerate(sources)
        ]
        hypotheses = translated(changed)
        wanted = [
            expected(line, original, reference, kind, language)
            for line, original, reference in zip(changed, sources, references, strict=True)
        ]
        # The same marks around the clean translations: what they weigh in BLEU is no loss.
        changed_clean = [
            expected(line, original, text, kind, language)
            for line, original, text in zip(changed, sources, clean, strict=True)
        ]
        read = [MARK.sub("", line) if kind in WORD else line for line in hypotheses]
        same = sum(
            a.lower() == b.lower() and (kind not in WORD or num_marks(line) > num_marks(of_clean))
            for a, b, line, of_clean in zip(read, changed_clean, hypotheses, clean, strict=True)
        )
        found, base = score(read, wanted), score(changed_clean, wanted)
        print(f"{kind:24}{found:7.2f}{found - base:+7.2f}  same {100 * same / len(sources):5.1f} %")
        sys.stdout.flush()
    if translator.run.config.data.source == "en":
        kept, foreign = numbers(translated)
        print(f"{'numbers':24}{kept:6.1%} of lines keep them, {foreign:.1%} have others")


def numbers(translated: Callable[[list[str]], list[str]]) -> tuple[float, float]:
    """The share of 500 lines whose translation has all of their digits, in this order of groups or
    another; and of those with a digit group that the source does not permit."""
    lines = list(read_lines(NUMBERS))
    hypotheses = translated(lines)
    kept = foreign = 0
    for line, hypothesis in zip(lines, hypotheses, strict=True):
        digits = [sorted("".join(re.findall(r"[0-9]", text))) for text in (line, hypothesis)]
        kept += digits[0] == digits[1]
        permitted = frozenset().union(*SourceNumbers.of(line).permitted)
        foreign += not permitted.issuperset(re.findall(r"[0-9]+", hypothesis))
    return kept / len(lines), foreign / len(lines)


if __name__ == "__main__":
    main()
