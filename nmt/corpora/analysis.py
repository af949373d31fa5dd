"""Reads a corpus twice and applies the checks, for `nmt data check` and `nmt data clean`."""

import itertools
import random
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nmt.corpora.checks import CHECKS, Check, Task
from nmt.corpora.pairs import Learned, Pair, read_pairs
from nmt.corpora.words import num_words
from nmt.errors import UserError
from nmt.text.lines import ParallelFiles

SAMPLE = 20_000  # pairs from which vocabularies and conventions are learnt
NUM_EXAMPLES = 10
AT_ONCE = 1000  # pairs that `observe` is given
SEED = 1
NUM_PLACES = 100  # parts of the corpus in which findings are counted, for the picture

Progress = Callable[[str, Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Example:
    """A pair that was found, with what is wrong with it."""

    line: int
    source: str
    target: str
    detail: str


@dataclass
class Finding:
    """What a check found: the line numbers, in order, and some examples, drawn at random."""

    check: Check
    lines: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    examples: list[Example] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class SideStatistics:
    """Lengths of the lines of a side."""

    words: np.ndarray
    characters: np.ndarray
    num_distinct: int


@dataclass(frozen=True)
class Analysis:
    """All findings about a corpus, by the keys of CHECKS; `not_checked` has reasons."""

    files: ParallelFiles
    task: Task
    num_pairs: int
    source: SideStatistics
    target: SideStatistics
    findings: Mapping[str, Finding]
    not_checked: Mapping[str, str]

    @property
    def length_ratios(self) -> np.ndarray:
        """Characters of the target for each of the source; blank pairs left out."""
        kept = (self.source.characters > 0) & (self.target.characters > 0)
        return self.target.characters[kept] / self.source.characters[kept]


def analyse(
    files: ParallelFiles,
    task: Task,
    keys: Iterable[str] | None = None,
    progress: Progress = lambda _, pairs: pairs,
) -> Analysis:
    """Apply the checks, by default all, to a corpus.

    Raises UserError for text that cannot be read, is not parallel, or is empty.
    """
    _check_readable_twice(files)
    checks = {key: CHECKS[key](key, task) for key in (CHECKS if keys is None else keys)}
    not_checked = {key: reason for key, check in checks.items() if (reason := check.missing())}
    made = {key: check for key, check in checks.items() if key not in not_checked}
    statistics, sample = _first_pass(progress("reading", read_pairs(files)), made.values())
    num_pairs = len(statistics[0].words)
    if not num_pairs:
        raise UserError(f"expected at least one pair of lines. Received: none in {files.source}.")
    is_sampled = any(check.needs_sample for check in made.values())
    learned = Learned.from_sample(sample if is_sampled else [], task.languages)
    for check in made.values():
        check.learn(learned)
    findings = _second_pass(progress("checking", read_pairs(files)), made)
    _add_later_findings(files, findings)
    return Analysis(files, task, num_pairs, *statistics, findings, not_checked)


def _check_readable_twice(files: ParallelFiles) -> None:
    for path in (files.source, files.target):
        if not Path(path).is_file():
            raise UserError(
                f"{path}: the text is read twice, and must be a regular file, not a pipe."
            )


def _first_pass(
    pairs: Iterable[Pair], checks: Iterable[Check]
) -> tuple[tuple[SideStatistics, SideStatistics], list[Pair]]:
    lengths: list[np.ndarray] = []
    distinct: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    sample: list[Pair] = []
    generator = random.Random(SEED)
    for batch in _batches(pairs):
        for check in checks:
            check.observe(batch)
        rows = []
        for pair in batch:
            sides = (pair.source, pair.target)
            rows.append([n for side in sides for n in (num_words(side), len(side))])
            if pair.number <= SAMPLE:
                sample.append(pair)
            elif (slot := int(generator.random() * pair.number)) < SAMPLE:
                sample[slot] = pair
        lengths.append(np.array(rows, np.int32))
        for number, name in enumerate(("source", "target")):
            hashes = [hash(getattr(pair, name)) for pair in batch]
            distinct[number].append(np.array(hashes, np.int64))
    sample.sort(key=lambda pair: pair.number)
    table = np.concatenate(lengths) if lengths else np.zeros((0, 4), np.int32)
    source, target = (
        SideStatistics(
            table[:, 2 * side],
            table[:, 2 * side + 1],
            len(np.unique(np.concatenate(distinct[side]))) if distinct[side] else 0,
        )
        for side in (0, 1)
    )
    return (source, target), sample


def _batches(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    remaining = iter(pairs)
    while batch := list(itertools.islice(remaining, AT_ONCE)):
        yield batch


def _second_pass(pairs: Iterable[Pair], checks: Mapping[str, Check]) -> dict[str, Finding]:
    lines = {key: array("q") for key in checks}  # 8 bytes for each finding
    examples: dict[str, list[Example]] = {key: [] for key in checks}
    generator = random.Random(SEED)
    for pair in pairs:
        for key, check in checks.items():
            detail = check.at(pair)
            if detail is None:
                continue
            found = lines[key]
            found.append(pair.number)
            example = Example(pair.number, pair.source, pair.target, detail)
            if len(found) <= NUM_EXAMPLES:
                examples[key].append(example)
            elif (slot := int(generator.random() * len(found))) < NUM_EXAMPLES:
                examples[key][slot] = example
    return {
        key: Finding(
            check,
            np.array(lines[key], np.int64),
            sorted(examples[key], key=lambda example: example.line),
        )
        for key, check in checks.items()
    }


def _add_later_findings(files: ParallelFiles, findings: dict[str, Finding]) -> None:
    """What checks know only after the last pair; the texts of the examples are read again."""
    chosen: dict[str, dict[int, str]] = {}
    for key, finding in findings.items():
        later = list(finding.check.afterwards())
        if later:
            finding.lines = np.array([line for line, _ in later], np.int64)
            places = np.linspace(0, len(later) - 1, min(NUM_EXAMPLES, len(later))).astype(int)
            chosen[key] = dict(later[place] for place in places)
    wanted = {line for details in chosen.values() for line in details}
    if not wanted:
        return
    for pair in itertools.islice(read_pairs(files), max(wanted)):
        for key, details in chosen.items():
            if pair.number in details:
                findings[key].examples.append(
                    Example(pair.number, pair.source, pair.target, details[pair.number])
                )


def places_of(lines: Sequence[int] | np.ndarray, num_pairs: int) -> np.ndarray:
    """How many of the lines are in each of NUM_PLACES equal parts of the corpus."""
    parts = (np.asarray(lines, np.int64) - 1) * NUM_PLACES // max(1, num_pairs)
    return np.bincount(parts, minlength=NUM_PLACES)
