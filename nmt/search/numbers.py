"""Numbers in a translation are those of its source: a control of search.

A tokenizer of this package gives every digit a piece of its own, so a model spells a number digit
by digit, and "3.5 euros" may become "35 euros", or the price may be left out. With this control

- a digit is a candidate only where it continues a digit group that the source permits, and a number
  that was begun is completed;
- a translation does not end while a required number (`SourceNumbers`) is missing: it is
  placed where the model would end, as `copied_symbols` does with copies.

What stands between the groups is the model's choice: "3.5" may become "3,5", and "3 boys" "trois
garçons".
"""

# B sentences   K live hypotheses of each   C candidates of each   N named ids   V vocabulary

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from nmt.search.beam import BeamState, Candidates, Control, StepRequest
from nmt.search.constraints import SearchBatch, mask_out, request_ids
from nmt.text.amounts import GROUP_SEPARATOR
from nmt.text.tokenizer import Tokenizer

LARGEST_SPELLED_OUT = 20
MOST_CACHED = 4096  # hypotheses; a step has a few hundred
SPARE_CANDIDATES = 4  # beside those that a search needs: the likeliest may be digits, masked out

_GROUP = re.compile(r"[0-9]+")
_NUMBER = re.compile(
    r"(?:[0-9]{1,4}(?: [0-9]{1,4}){3,}|[0-9]{2,4}(?: [0-9]{2,4}){2,})"  # a telephone number
    r"(?![0-9]|[.,:/-][0-9])"
    r"|[0-9]+(?:[.,:/-][0-9]+|[ \u00a0\u202f'’][0-9]{3}(?![0-9]))*"
)
_THOUSANDS = re.compile(rf"[0-9]{{1,3}}(?:{GROUP_SEPARATOR}[0-9]{{3}})+")
_DECADE = re.compile(r"(?<![0-9])[0-9]{2}([0-9]0)(?:'?s\b)")
_HOUR = re.compile(r"\s?(?:[ap]\.?\s?m\b|h\b|heures?\b|o'clock)", re.IGNORECASE)
# Before these, a number is hardly ever spelled out, as it may be before % (50 pour cent).
_UNIT = re.compile(
    r"[ \u00a0\u202f]?(?:[kcmµ]?m|km/h|[km]?g|[cm]?l|[mk]?[sWV]|min|[kMG]?Hz|[kMGT]B)(?!\w)"
)


Forms = frozenset[str]  # digit groups, of which one stands in a translation


class SourceNumbers(NamedTuple):
    """The numbers of a source, each as the digit groups that may stand for it in a translation."""

    permitted: tuple[Forms, ...] = ()  # each at most once
    required: tuple[Forms, ...] = ()  # each at least once

    @classmethod
    def of(cls, text: str) -> SourceNumbers:
        """1,234 may be 1234; 05 may be 5 and the other way round; 1990s may be 90; 7.45 p.m. may be
        19 h 45, and 19:45 be 7.45.

        Required are the groups of numbers that are rarely spelled out: above 20, and of several
        groups, such as 98.67, 4:58 or a date; of round ones, such as 500, only those before the
        symbol of a unit, as in 30 s.
        """
        permitted, required = list[Forms](), list[Forms]()
        decades = {match.start(1): match[1] for match in _DECADE.finditer(text)}
        for match in _NUMBER.finditer(text):
            groups, digits = _GROUP.findall(match[0]), re.sub("[^0-9]", "", match[0])
            is_clock = len(groups) == 2 or _HOUR.match(text, match.end())
            forms = [_forms(group, bool(is_clock) and not i) for i, group in enumerate(groups)]
            if decade := decades.get(match.end() - 2):  # of the last one in "1980-1990s"
                forms[-1] |= {decade}
            is_small = len(groups) < 2 and int(digits[:3]) <= LARGEST_SPELLED_OUT
            is_round = len(digits.strip("0")) < 2
            is_required = not is_small and not (is_round and not _UNIT.match(text, match.end()))
            if _THOUSANDS.fullmatch(match[0]):  # whole, or with separators
                forms = [frozenset({digits, groups[0]}), *(frozenset({g}) for g in groups[1:])]
                required += [frozenset({digits, groups[-1]})] * is_required
            elif is_required:
                required += forms
            permitted += forms
        return cls(tuple(permitted), tuple(required))

    def permits(self, text: str) -> bool:
        """Whether each digit group of a translation may stand in it."""
        groups = _GROUP.findall(text)
        return len(without_used(self.permitted, groups)) == len(self.permitted) - len(groups)

    def __add__(self, other: SourceNumbers) -> SourceNumbers:  # type: ignore[override]
        return SourceNumbers(self.permitted + other.permitted, self.required + other.required)


def _forms(group: str, is_hour: bool) -> Forms:
    forms = {group, group.lstrip("0") or "0"} | ({f"0{group}"} if len(group) == 1 else set())
    if is_hour and len(group) < 3:
        forms |= {str(hour) for hour in (int(group) + 12, int(group) - 12) if 0 < hour < 24}
    return frozenset(forms)


def without_used(forms: Iterable[Forms], groups: Iterable[str]) -> list[Forms]:
    """The forms of which none stands among the groups; each group counts for one."""
    remaining = list(forms)
    for group in groups:
        for candidate in remaining:
            if group in candidate:
                remaining.remove(candidate)
                break
    return remaining


class DigitPieces(NamedTuple):
    """Which ids of a vocabulary are digits."""

    digit_V: np.ndarray  # int8, -1: none
    is_spaced_V: np.ndarray  # bool: with a space before it, so that another group begins
    space_id: int = -1  # of a space alone, after which a number may begin; -1: none
    bytes: Mapping[int, int] = MappingProxyType({})  # id -> byte of a character; no digits

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> DigitPieces:
        digit_V = np.full(tokenizer.vocabulary_size, -1, np.int8)
        is_spaced_V = np.zeros(tokenizer.vocabulary_size, bool)
        bytes = {}
        for id, name in enumerate(tokenizer.pieces(range(tokenizer.vocabulary_size))):
            text = name.removeprefix("▁")
            if tokenizer.is_byte(id):
                text = chr(int(name[3:5], 16))
            if text in "0123456789" and text:
                digit_V[id], is_spaced_V[id] = int(text), name.startswith("▁")
            elif tokenizer.is_byte(id):
                bytes[id] = ord(text)
        (space_id,) = tokenizer.encode("x 1")[-2:-1]
        is_space = tokenizer.pieces([space_id]) == ["▁"]
        return cls(digit_V, is_spaced_V, space_id if is_space else -1, bytes)


class NumberProgress(NamedTuple):
    """The numbers of one hypothesis so far."""

    last: str  # the digit group that it ends with; "": it does not end with a digit
    permitted: list[Forms]  # the groups that may still stand in it, `last` included
    is_whole: bool  # whether `last` is such a group
    missing: list[Forms]

    def may_begin(self, digits: str) -> bool:
        """Whether a group that may still stand in it begins with these digits."""
        return any(form.startswith(digits) for forms in self.permitted for form in forms)


def source_numbers(batch: SearchBatch) -> Control | None:
    """Digits only as the source's numbers continue, none unfinished, and none missing."""
    if batch.digit_pieces is None:
        return None
    digit_V, is_spaced_V, space_id, byte_of = batch.digit_pieces
    digit_ids = np.flatnonzero(digit_V >= 0).tolist()
    plain_ids = {int(digit_V[id]): id for id in digit_ids if not is_spaced_V[id]}

    def groups_of(ids: Sequence[int]) -> tuple[list[str], bool]:
        """The digit groups of a hypothesis, and whether it ends in the last one."""
        groups: list[str] = []
        in_group = False
        unread = b""  # bytes of which no character is complete: they leave no trace in the text
        for id in ids:
            if id in byte_of:
                unread += bytes([byte_of[id]])
                in_group = in_group and not unread.decode(errors="ignore")
                continue
            unread = b""
            if digit_V[id] < 0:
                in_group = False
            elif in_group and not is_spaced_V[id]:
                groups[-1] += str(digit_V[id])
            else:
                groups.append(str(digit_V[id]))
                in_group = True
        return groups, in_group

    @functools.lru_cache(MOST_CACHED)  # a step asks twice, before and after the engine
    def progress(row: int, ids: tuple[int, ...]) -> NumberProgress:
        groups, in_group = groups_of(ids)
        last = groups.pop() if in_group else ""
        permitted = without_used(batch.numbers[row].permitted, groups)
        missing = without_used(batch.numbers[row].required, [*groups, last])
        is_whole = any(last in forms for forms in permitted)
        return NumberProgress(last, permitted, is_whole, missing)

    def in_progress(
        live: BeamState, is_digit_BK: np.ndarray
    ) -> dict[tuple[int, int], NumberProgress]:
        """(b, k) -> progress, of the hypotheses with numbers to watch."""
        is_watched_BK = is_digit_BK | (digit_V[live.ids_BKT[:, :, -1]] >= 0)
        is_watched_BK |= np.array([[bool(batch.numbers[row].required)] for row in live.rows_B])
        return {
            (b, k): progress(int(live.rows_B[b]), tuple(live.ids_BKT[b, k, 1:].tolist()))
            for b, k in np.argwhere(is_watched_BK).tolist()
        }

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        named: dict[tuple[int, int], list[int]] = {}
        none_BK = np.zeros(live.scores_BK.shape, bool)
        for place, of_place in in_progress(live, none_BK).items():
            last, _, is_whole, missing = of_place
            if last and not is_whole:
                continued = [id for d, id in plain_ids.items() if of_place.may_begin(f"{last}{d}")]
                named[place] = continued
            elif missing:
                firsts = {form[0] for forms in missing for form in forms}
                named[place] = [id for id in digit_ids if str(digit_V[id]) in firsts]
                named[place] += [batch.eos_id, *([space_id] if space_id >= 0 else [])]
        if named:
            ids_BKN = np.full((*live.scores_BK.shape, max(map(len, named.values()))), -1, np.int32)
            for place, ids in named.items():
                ids_BKN[place][: len(ids)] = ids
            request = request_ids(request, ids_BKN)
        return request._replace(num_candidates=request.num_candidates + SPARE_CANDIDATES), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        digit_BKC = digit_V[np.maximum(candidates.ids_BKC, 0)]
        watched = in_progress(live, (digit_BKC >= 0).any(axis=2))
        if not watched:
            return candidates, live
        masked_BKC = np.zeros(digit_BKC.shape, bool)
        for (b, k), of_place in watched.items():
            last, _, is_whole, missing = of_place
            ids_C, digit_C = candidates.ids_BKC[b, k], digit_BKC[b, k]
            firsts = {form[0] for forms in missing for form in forms}
            if last and not is_whole:
                masked_BKC[b, k] = True
            elif missing:
                # Where the model would end, only a missing number may follow.
                log_probs_C = candidates.token_log_probs_BKC[b, k]
                eos_log_prob = log_probs_C.max(where=ids_C == batch.eos_id, initial=-np.inf)
                masked_BKC[b, k] = log_probs_C <= eos_log_prob
                if live.ids_BKT[b, k, -1] != space_id:
                    masked_BKC[b, k, ids_C == space_id] = False
            for c in np.flatnonzero(digit_C >= 0).tolist():
                digit = str(digit_C[c])
                continues = bool(last) and not is_spaced_V[ids_C[c]]
                if continues:
                    masked_BKC[b, k, c] = not of_place.may_begin(f"{last}{digit}")
                elif not last or is_whole:
                    masked_BKC[b, k, c] = not of_place.may_begin(digit) or (
                        bool(masked_BKC[b, k, c]) and digit not in firsts
                    )
        return mask_out(candidates, masked_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)
