"""Numbers in a translation are those of its source: a control of search.

A tokenizer of this package gives every digit a piece of its own, so a model spells a number digit
by digit, and "3.5 euros" may become "35 euros". With this control a digit is a candidate only where
it goes on with a digit group that the source permits, and a number that was begun is completed.
What stands between the groups is the model's choice: "3.5" may become "3,5", or "trois et demi".
"""

# B sentences   K live hypotheses of each   C candidates of each   N named ids   V vocabulary

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from nmt.search.beam import BeamState, Candidates, Control, StepRequest
from nmt.search.constraints import SearchBatch, mask_out, request_ids
from nmt.text.tokenizer import Tokenizer

SPARE_CANDIDATES = 4  # beside those that a search needs: the likeliest may be digits, masked out

_GROUP = re.compile(r"[0-9]+")
_THOUSANDS = re.compile(r"(?<![0-9])[0-9]{1,3}(?:[ ,.'’\u00a0\u202f][0-9]{3})+(?![0-9])")
_DECADE = re.compile(r"(?<![0-9])[0-9]{2}([0-9]0)(?:'?s\b)")
_CLOCK = re.compile(
    r"(?<![0-9])([0-9]{1,2})\s?(?:[:.h]\s?[0-9]{2}\s?)?(?:p\.?\s?m\b|h\b|:[0-9]{2})", re.I
)


def permitted_numbers(text: str) -> frozenset[str]:
    """The digit groups that a translation of a source may have: its own, and the same numbers as
    another language writes them.

    1,234 may be 1234; 05 may be 5 and the other way round; 1990s may be 90; 7.45 p.m. may be
    19 h 45, and 19:45 be 7.45.
    """
    groups = set(_GROUP.findall(text))
    groups.update("".join(_GROUP.findall(match[0])) for match in _THOUSANDS.finditer(text))
    groups.update(match[1] for match in _DECADE.finditer(text))
    for group in tuple(groups):
        groups.add(group.lstrip("0") or "0")
        if len(group) == 1:
            groups.add(f"0{group}")
    for match in _CLOCK.finditer(text):
        hour = int(match[1])
        groups.update(str(other) for other in (hour + 12, hour - 12) if 0 < other < 24)
    return frozenset(groups)


class DigitPieces(NamedTuple):
    """Which ids of a vocabulary are digits."""

    digit_V: np.ndarray  # int8, -1: none
    is_spaced_V: np.ndarray  # bool: with a space before it, so that another group begins

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> DigitPieces:
        digit_V = np.full(tokenizer.vocabulary_size, -1, np.int8)
        is_spaced_V = np.zeros(tokenizer.vocabulary_size, bool)
        for id, name in enumerate(tokenizer.pieces(range(tokenizer.vocabulary_size))):
            text = name.removeprefix("▁")
            if tokenizer.is_byte(id):
                text = chr(int(name[3:5], 16))
            if text in "0123456789" and text:
                digit_V[id], is_spaced_V[id] = int(text), name.startswith("▁")
        return cls(digit_V, is_spaced_V)


def source_numbers(batch: SearchBatch) -> Control | None:
    """Digits only as the source's numbers go on, and no number left unfinished."""
    if batch.digit_pieces is None:
        return None
    digit_V, is_spaced_V = batch.digit_pieces
    plain_ids = {
        int(digit): int(id)
        for id, digit in enumerate(digit_V)
        if digit >= 0 and not is_spaced_V[id]
    }
    beginnings = {numbers: _beginnings(numbers) for numbers in set(batch.numbers)}

    def unfinished(live: BeamState) -> dict[tuple[int, int], str]:
        """(b, k) -> the digits with which a hypothesis ends."""
        ends = {}
        for b, k in np.argwhere(digit_V[live.ids_BKT[:, :, -1]] >= 0).tolist():
            digits = ""
            for id in live.ids_BKT[b, k, ::-1].tolist():
                if digit_V[id] < 0:
                    break
                digits = f"{digit_V[id]}{digits}"
                if is_spaced_V[id]:
                    break
            ends[b, k] = digits
        return ends

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        named: dict[tuple[int, int], list[int]] = {}
        for (b, k), digits in unfinished(live).items():
            numbers = batch.numbers[live.rows_B[b]]
            if digits not in numbers:
                named[b, k] = [
                    id
                    for digit, id in plain_ids.items()
                    if f"{digits}{digit}" in beginnings[numbers]
                ]
        if named:
            ids_BKN = np.full((*live.scores_BK.shape, max(map(len, named.values()))), -1, np.int32)
            for place, ids in named.items():
                ids_BKN[place][: len(ids)] = ids
            request = request_ids(request, ids_BKN)
        return request._replace(num_candidates=request.num_candidates + SPARE_CANDIDATES), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        digit_BKC = digit_V[np.maximum(candidates.ids_BKC, 0)]
        ends = unfinished(live)
        digits = np.argwhere(digit_BKC >= 0)
        if not (len(digits) or ends):
            return candidates, live
        masked_BKC = np.zeros(digit_BKC.shape, bool)
        for (b, k), before in ends.items():
            if before not in batch.numbers[live.rows_B[b]]:
                masked_BKC[b, k] = True  # but for the digits that go on with it, below
        for b, k, c in digits.tolist():
            numbers = batch.numbers[live.rows_B[b]]
            before = ends.get((b, k), "")
            if is_spaced_V[candidates.ids_BKC[b, k, c]]:
                if before and before not in numbers:
                    continue
                before = ""
            masked_BKC[b, k, c] = f"{before}{digit_BKC[b, k, c]}" not in beginnings[numbers]
        return mask_out(candidates, masked_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


def _beginnings(numbers: Iterable[str]) -> frozenset[str]:
    return frozenset(number[:end] for number in numbers for end in range(1, len(number) + 1))
