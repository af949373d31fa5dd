"""Cleaning a corpus: drops and fixes what the checks found, and keeps a record of it.

The rules are few and simple: in the data selection of Mozilla's translation models, plain rules
did as well as any learnt filter.
"""

import contextlib
import gzip
import heapq
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from nmt.corpora.analysis import Analysis, Progress, analyse
from nmt.corpora.checks import CHECKS, Check, Sides, Task
from nmt.corpora.duplicates import pair_hash
from nmt.corpora.pairs import Pair
from nmt.corpora.temporaries import without_left_overs
from nmt.errors import UserError
from nmt.text.lines import (
    TABLE_SUFFIXES,
    ParallelFiles,
    atomic_write,
    is_blank,
    read_parallel,
    refuse_nameless,
    refuse_overwriting,
    refuse_unwritable,
)

DEFAULT_DROP = tuple(key for key, check in CHECKS.items() if check.is_dropped)
DEFAULT_FIX = tuple(key for key, check in CHECKS.items() if check.is_fixed)
# Made of the pairs that would be written: fixing may make copies, and the first of several copies
# may be dropped for another reason.
COPIES = "exact_duplicates"
# A pair that was fixed is checked again: removing characters may leave nothing, or a held-out line,
# and a repaired letter may be one that another check looks for. Not by checks of the place of a
# pair among others, nor for exchanged sides, which would be exchanged back.
NOT_MADE_AGAIN = ("exact_duplicates", "near_duplicates", "misaligned", "swapped")
MOST_PASSES = 5  # of the fixes over a pair: an end to letters that were decoded wrongly many times
FIXABLE = tuple(key for key, check in CHECKS.items() if check.is_fixable)


@dataclass(frozen=True)
class Output:
    """The files that a cleaned corpus is written to."""

    source: Path
    target: Path  # the same as `source` for a table
    dropped: Path

    @classmethod
    def from_prefix(cls, prefix: str, languages: tuple[str, str]) -> "Output":
        """PREFIX.SOURCE and PREFIX.TARGET, or one table if the name ends in .tsv or .tsv.gz. Raises
        UserError for a prefix without a file name."""
        text = os.path.expanduser(prefix)
        is_table = text.endswith(TABLE_SUFFIXES)
        base = text.removesuffix(".gz").removesuffix(".tsv") if is_table else text
        refuse_nameless(prefix, base, "clean.tsv" if is_table else "clean")
        if is_table:
            return cls(Path(text), Path(text), Path(f"{base}.dropped.tsv"))
        return cls(
            Path(f"{text}.{languages[0]}"),
            Path(f"{text}.{languages[1]}"),
            Path(f"{text}.dropped.tsv"),
        )


@dataclass(frozen=True)
class Cleaned:
    """How many pairs were kept, and how many were dropped and fixed for each reason."""

    num_pairs: int
    num_kept: int
    dropped: Counter[str]
    fixed: Counter[str]
    not_checked: dict[str, str]


@dataclass(frozen=True)
class Rules:
    """Keys of the checks whose findings are dropped and fixed; None: the defaults."""

    drop: Sequence[str] | None = None
    fix: Sequence[str] | None = None

    def resolved(self, task: Task) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The keys. Raises UserError for an unknown one, and for one that was asked for although
        its check cannot be made."""
        for option, keys, known in (("--drop", self.drop, CHECKS), ("--fix", self.fix, FIXABLE)):
            for key in keys or ():
                if key not in known:
                    raise UserError(f"{option}: expected {', '.join(known)}. Received: {key!r}.")
                if missing := CHECKS[key](key, task).missing():
                    raise UserError(f"{option} {key}: cannot be checked: {missing}.")
        drop = DEFAULT_DROP if self.drop is None else tuple(self.drop)
        fix = DEFAULT_FIX if self.fix is None else tuple(self.fix)
        return drop, fix


def clean(
    files: ParallelFiles,
    task: Task,
    output: Output,
    rules: Rules,
    progress: Progress = lambda _, pairs: pairs,
) -> Cleaned:
    """Write the corpus without the pairs that are to be dropped, and those to be fixed mended.

    A pair is dropped for the first reason that applies, in the order of CHECKS, copies last. Where
    a finding is to be fixed and dropped, it is dropped if there is nothing to mend. The dropped
    pairs are written with their line numbers and reasons. Raises UserError if a file of the output
    is one of the input.
    """
    drop, fix = rules.resolved(task)
    held_out = [held.files for sets in task.held_out.values() for held in sets]
    _check_writable(output, [files, *held_out])
    keys = [key for key in CHECKS if key in {*drop, *fix} - {COPIES}]
    analysis = analyse(files, task, keys, progress)
    checks = {key: finding.check for key, finding in analysis.findings.items()}
    cleaner = _Cleaner(checks, frozenset(drop), frozenset(fix))
    dropped: Counter[str] = Counter()
    fixed: Counter[str] = Counter()
    num_kept = 0
    pairs: Any = progress("writing", read_parallel(files))
    with _writer(output) as (write, write_dropped):
        found = _found(analysis)
        for number, pair in enumerate(pairs, start=1):
            mended, mended_keys, reason = cleaner.clean(pair, next(found))
            if reason:
                dropped[reason] += 1
                write_dropped(number, reason, pair)
            else:
                fixed.update(mended_keys)
                write(mended)
                num_kept += 1
    not_checked = {k: v for k, v in analysis.not_checked.items() if not v.startswith("give --")}
    return Cleaned(analysis.num_pairs, num_kept, dropped, fixed, not_checked)


def _found(analysis: Analysis) -> Iterator[list[str]]:
    """For each line of the corpus, and without end, the keys of the checks that found it."""
    lines = [
        zip(map(int, finding.lines), itertools.repeat(key))
        for key, finding in analysis.findings.items()
    ]
    by_line = itertools.groupby(heapq.merge(*lines, key=itemgetter(0)), key=itemgetter(0))
    found = ((line, [key for _, key in keys]) for line, keys in by_line)
    following = next(found, None)
    for line in itertools.count(1):
        if following and following[0] == line:
            yield following[1]
            following = next(found, None)
        else:
            yield []


@dataclass
class _Cleaner:
    """Fixes pairs, and decides which are dropped."""

    checks: Mapping[str, Check]
    drop: frozenset[str]
    fix: frozenset[str]
    kept: set[int] = field(default_factory=set)  # hashes

    def clean(self, pair: Sides, found: Sequence[str]) -> tuple[Sides, list[str], str | None]:
        """The fixed pair, the keys of what was fixed, and why the pair is dropped, if it is.
        `found` are the keys of the checks that found it."""
        fixed, fixed_keys = pair, []
        for key in found:
            before = fixed
            if key in self.fix:
                fixed = self.checks[key].fix(*fixed)
                fixed_keys += [key] * (fixed != before)
            if key in self.drop and fixed == before:
                return fixed, fixed_keys, key
        if fixed != pair:
            fixed, more_keys = self._fixed_again(fixed)
            fixed_keys += [key for key in more_keys if key not in fixed_keys]
        return fixed, fixed_keys, self._later_reason(fixed, is_fixed=fixed != pair)

    def _fixed_again(self, pair: Sides) -> tuple[Sides, set[str]]:
        """The pair without the faults that fixing has made, such as a zero-width space that was
        decoded wrongly before, and the keys of those."""
        keys = set()
        for _ in range(MOST_PASSES):
            before = pair
            for key in self._made_again(self.fix):
                if self.checks[key].at(Pair(0, *pair)) is not None:
                    fixed = self.checks[key].fix(*pair)
                    keys |= {key} if fixed != pair else set()
                    pair = fixed
            if pair == before:
                break
        return pair, keys

    def _made_again(self, keys: frozenset[str]) -> list[str]:
        return [key for key in self.checks if key in keys and key not in NOT_MADE_AGAIN]

    def _later_reason(self, pair: Sides, is_fixed: bool) -> str | None:
        """Why a pair that would be written is dropped all the same, if it is."""
        if is_fixed:
            numbered = Pair(0, *pair)
            for key in self._made_again(self.drop):
                if self.checks[key].at(numbered) is not None:
                    return key
        if COPIES in self.drop and not any(map(is_blank, pair)):
            pair_id = pair_hash(*pair)
            if pair_id in self.kept:
                return COPIES
            self.kept.add(pair_id)
        return None


def _check_writable(output: Output, inputs: Sequence[ParallelFiles]) -> None:
    """Before the corpus is read, which may take minutes."""
    read = [path for files in inputs for path in (files.source, files.target)]
    for path in (output.source, output.target, output.dropped):
        refuse_overwriting(path, read)
        refuse_unwritable(path)


@contextlib.contextmanager
def _writer(
    output: Output,
) -> Iterator[tuple[Callable[[Sides], None], Callable[[int, str, Sides], None]]]:
    """Functions that write a kept and a dropped pair; all files appear at the end, or none."""
    with contextlib.ExitStack() as stack:
        paths = (output.source, output.target, output.dropped)
        stack.enter_context(without_left_overs(paths))
        dropped = stack.enter_context(atomic_write(output.dropped))
        source = _open(stack, output.source)
        target = source if output.target == output.source else _open(stack, output.target)

        def write(pair: Sides) -> None:
            if source is target:
                source.write(_table_row(pair))
            else:
                source.write(pair[0].encode() + b"\n")
                target.write(pair[1].encode() + b"\n")

        def write_dropped(number: int, reason: str, pair: Sides) -> None:
            dropped.write(_table_row((str(number), reason, *pair)))

        yield write, write_dropped


def _open(stack: contextlib.ExitStack, path: Path) -> Any:
    stream = stack.enter_context(atomic_write(path))
    if path.suffix == ".gz":
        # No name and no time in the header: the same lines make the same bytes.
        return stack.enter_context(gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0))
    return stream


def _table_row(fields: Sequence[str]) -> bytes:
    return "\t".join(field.replace("\t", " ") for field in fields).encode() + b"\n"
