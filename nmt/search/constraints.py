"""Lexical control of search: what a translation must begin with, must contain, and must not
contain.

A phrase is a tuple of spellings (id sequences), any of which will do, for "arbre" is spelt
otherwise in "l'arbre" and at the line's start. It counts where it stands as whole words: `chat` is
not in `chats`. Neither text nor tokenizer is known here: `WordParts` says which ids can join with a
neighbour into one word.
"""

# B sentences   K live hypotheses of each   C candidates of each   T tokens so far, the first of them <s>
# Q required phrases of a sentence   A spellings of a phrase   L ids of a spelling   V vocabulary

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nmt.search.beam import BeamState, Candidates, Control, StepRequest


class Spelling(NamedTuple):
    """The first of a phrase's spellings is the plain one, which can stand anywhere."""

    ids: tuple[int, ...]
    initial: bool = False  # counts at the line's start only
    attached: bool = (
        False  # counts only behind an id that invites a word without a space, such as an apostrophe
    )


Phrase = tuple[Spelling, ...]


class WordParts(NamedTuple):
    """Id x joins with id y into one word if x ends and y starts inside a word."""

    starts_inside_V: (
        np.ndarray
    )  # bool: the id's text starts with a letter, without a space before it
    ends_inside_V: np.ndarray  # bool: it ends with a letter
    invites_V: np.ndarray  # bool: it ends with what a word follows without a space

    @classmethod
    def none(cls) -> WordParts:
        return cls(*[np.zeros(0, bool)] * 3)

    def join(self, left: np.ndarray | int, right: np.ndarray | int) -> np.ndarray:
        return self.ends_inside_V[left] & self.starts_inside_V[right]


@dataclass(frozen=True)
class SearchBatch:
    """Sentences to search for, and what is asked of each translation."""

    source_BS: np.ndarray  # ids, padded with 0
    max_lengths_B: np.ndarray  # these two count </s>
    min_lengths_B: np.ndarray
    prefixes: Sequence[Sequence[int]] = ()  # of each sentence; none: no prefixes at all
    required: Sequence[Sequence[Phrase]] = ()
    banned: Sequence[Spelling] = ()  # of all sentences
    word_parts: WordParts = field(
        default_factory=WordParts.none
    )  # if phrases are required or banned
    copy_ids: Sequence[
        int
    ] = ()  # ascending; each that a source holds appears once in its translation, and no other
    eos_id: int = 3


def strike(candidates: Candidates, struck_BKC: np.ndarray) -> Candidates:
    """Without those candidates: they will not be chosen."""
    scores_BKC = np.where(struck_BKC, -np.inf, candidates.scores_BKC)
    return candidates._replace(scores_BKC=scores_BKC, keys_BKC=scores_BKC)


# --------------------------------------------------------------------------------------- the copies


def copied(batch: SearchBatch) -> Control | None:
    """Each copy symbol of the source appears exactly once, and no other.

    A symbol is struck out unless it is missing yet. As long as one is, `</s>` is struck out, and so
    is what the model likes less: where it would end, a missing symbol follows instead. Where there
    is just room for what is missing, all else is. So the model chooses the places to the last,
    unlike `required`, which reserves a part of the beam for hypotheses that have them early.
    """
    copy_ids_N = np.array(batch.copy_ids, np.int32)
    if not copy_ids_N.size:
        return None
    of_source_BN = (batch.source_BS[:, :, None] == copy_ids_N).any(axis=1)

    def missing(live: BeamState) -> np.ndarray:
        """Whether a hypothesis still lacks the symbol -> bkn."""
        has_BKN = (live.ids_BKT[:, :, :, None] == copy_ids_N).any(axis=2)
        return of_source_BN[live.rows_B][:, None] & ~has_BKN

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        missing_BKN = missing(live)
        if missing_BKN.any():
            request = name_ids(request, np.where(missing_BKN, copy_ids_N, -1))
            request = name_ids(request, np.full((*missing_BKN.shape[:2], 1), batch.eos_id))
        return request._replace(num_candidates=request.num_candidates + copy_ids_N.size + 1), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        missing_BKN = missing(live)
        num_missing_BK1 = missing_BKN.sum(axis=2, keepdims=True)
        place_BKC = np.searchsorted(copy_ids_N, candidates.ids_BKC).clip(max=copy_ids_N.size - 1)
        is_copy_BKC = copy_ids_N[place_BKC] == candidates.ids_BKC
        is_missing_BKC = is_copy_BKC & np.take_along_axis(missing_BKN, place_BKC, axis=2)
        room_B11 = (
            live.max_lengths_B[:, None, None] - live.length - 2
        )  # after this token, before </s>
        too_late_BK1 = num_missing_BK1 > room_B11
        ends_BKC = candidates.ids_BKC == batch.eos_id
        end_BK1 = candidates.token_log_probs_BKC.max(
            axis=2, where=ends_BKC, initial=-np.inf, keepdims=True
        )
        late_BKC = (num_missing_BK1 > 0) & (
            too_late_BK1 | (candidates.token_log_probs_BKC <= end_BK1)
        )
        return strike(candidates, ~is_missing_BKC & (is_copy_BKC | late_BKC)), live

    return Control(ask=ask, weigh=weigh)


# --------------------------------------------------------------------------------------- the prefix


def forced_prefix(batch: SearchBatch) -> Control | None:
    """A translation begins with the ids of its prefix. This is stronger than all else: whatever
    else would strike out an id of the prefix does not."""
    if not any(batch.prefixes):
        return None
    longest = max(map(len, batch.prefixes))
    prefixes_BT = np.full((len(batch.prefixes), longest), -1, np.int32)
    for row, prefix in enumerate(batch.prefixes):
        prefixes_BT[row, : len(prefix)] = prefix

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        if live.length >= longest:
            return request, live
        forced_B = prefixes_BT[live.rows_B, live.length]
        forced_BK1 = np.broadcast_to(forced_B[:, None, None], (*live.scores_BK.shape, 1))
        return name_ids(request, forced_BK1), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        if live.length >= longest:
            return candidates, live
        forced_B11 = prefixes_BT[live.rows_B, live.length][:, None, None]
        is_forced_BKC = candidates.ids_BKC == forced_B11
        is_forced_BKC &= np.cumsum(is_forced_BKC, axis=2) == 1  # named, it may be there twice
        scores_BKC = live.scores_BK[:, :, None] + candidates.token_log_probs_BKC
        only_forced_BKC = np.where(is_forced_BKC, scores_BKC, -np.inf)
        scores_BKC = np.where(forced_B11 >= 0, only_forced_BKC, candidates.scores_BKC)
        return candidates._replace(scores_BKC=scores_BKC, keys_BKC=scores_BKC), live

    return Control(ask=ask, weigh=weigh)


def name_ids(request: StepRequest, ids_BKN: np.ndarray) -> StepRequest:
    """Asks for the log-probabilities of these ids, too; -1 is none."""
    if request.named_ids_BKN is not None:
        ids_BKN = np.concatenate([request.named_ids_BKN, ids_BKN], axis=2)
    return request._replace(named_ids_BKN=ids_BKN)


# --------------------------------------------------------------------------------------------- bans


class Bans:
    """Banned spellings, by what stands before their last id."""

    def __init__(self, spellings: Sequence[Spelling], word_parts: WordParts):
        self.word_parts = word_parts
        size = len(word_parts.starts_inside_V)
        # Of one id: looked up for all candidates at once. Of several: from all ids but the last to
        # the last ones.
        self.single_V, self.initial_single_V = np.zeros(size, bool), np.zeros(size, bool)
        self.following: dict[tuple[int, ...], set[int]] = defaultdict(set)
        self.initial_following: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for spelling in spellings:
            *before, last = spelling.ids
            if before:
                (self.initial_following if spelling.initial else self.following)[tuple(before)].add(
                    last
                )
            else:
                (self.initial_single_V if spelling.initial else self.single_V)[last] = True
        self.lengths = sorted(
            {len(before) for before in (*self.following, *self.initial_following)}
        )
        self.num_single = int((self.single_V | self.initial_single_V).sum())

    def may_not_follow(self, tokens: Sequence[int]) -> Iterator[int]:
        """Ids that would complete a banned spelling of several ids after these tokens, the first of
        them <s>."""
        for length in self.lengths:
            start = len(tokens) - length
            if start >= 1 and not self.word_parts.join(tokens[start - 1], tokens[start]):
                tail = tuple(tokens[start:])
                yield from self.following.get(tail, ())
                if start == 1:
                    yield from self.initial_following.get(tail, ())

    def singles(self, ids: np.ndarray, last: np.ndarray, at_start: bool) -> np.ndarray:
        """Which ids are banned spellings by themselves, after `last`."""
        single_V = self.single_V | self.initial_single_V if at_start else self.single_V
        return single_V[ids] & ~self.word_parts.join(last, ids)

    def first_in(self, ids: Sequence[int], bos_id: int = 2) -> int | None:
        """The place in `ids` (a whole line's, or its beginning's) where a banned spelling is
        completed, if any is."""
        tokens = [bos_id, *ids]
        for t in range(1, len(tokens)):
            if self.singles(np.array(tokens[t]), np.array(tokens[t - 1]), t == 1) or tokens[
                t
            ] in set(self.may_not_follow(tokens[:t])):
                return t - 1
        return None


def banned(batch: SearchBatch) -> Control | None:
    """No banned spelling is completed: the last of its ids is struck out. So a longer word that
    begins with the very ids of a banned one is lost, too."""
    if not batch.banned:
        return None
    bans = Bans(batch.banned, batch.word_parts)

    def struck(live: BeamState) -> list[list[int]]:
        """Of each of the B*K hypotheses."""
        if not bans.lengths:
            return []
        hypotheses = live.ids_BKT.reshape(-1, live.length + 1).tolist()
        return [list(bans.may_not_follow(tokens)) for tokens in hypotheses]

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        longest = max(map(len, struck(live)), default=0)
        return (
            request._replace(num_candidates=request.num_candidates + longest + bans.num_single),
            live,
        )

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        struck_BKC = bans.singles(candidates.ids_BKC, live.ids_BKT[:, :, -1:], live.length == 0)
        num_hypotheses = live.ids_BKT.shape[1]
        for index, ids in enumerate(struck(live)):
            if ids:
                b, k = divmod(index, num_hypotheses)
                struck_BKC[b, k] |= np.isin(candidates.ids_BKC[b, k], ids)
        return strike(candidates, struck_BKC), live

    return Control(ask=ask, weigh=weigh)


# --------------------------------------------------------------------------------- required phrases


class Required(NamedTuple):
    """Required phrases of a batch as arrays. A missing phrase has the length 0 and is met from the
    beginning; a missing spelling has ids of -1 and never starts."""

    ids_BQAL: np.ndarray
    lengths_BQA: np.ndarray
    initial_BQA: np.ndarray
    attached_BQA: np.ndarray

    @classmethod
    def of(cls, phrases: Sequence[Sequence[Phrase]]) -> Required:
        num_phrases = max(map(len, phrases))
        num_spellings = max(len(phrase) for of_sentence in phrases for phrase in of_sentence)
        longest = max(
            len(s.ids) for of_sentence in phrases for phrase in of_sentence for s in phrase
        )
        shape = len(phrases), num_phrases, num_spellings
        # One -1 more than the longest has: what follows a spelling that is complete.
        ids_BQAL, lengths_BQA = (
            np.full((*shape, longest + 1), -1, np.int32),
            np.zeros(shape, np.int64),
        )
        initial_BQA, attached_BQA = np.zeros(shape, bool), np.zeros(shape, bool)
        for b, of_sentence in enumerate(phrases):
            for q, phrase in enumerate(of_sentence):
                for a, (ids, initial, attached) in enumerate(phrase):
                    ids_BQAL[b, q, a, : len(ids)], lengths_BQA[b, q, a] = ids, len(ids)
                    initial_BQA[b, q, a], attached_BQA[b, q, a] = initial, attached
        return cls(ids_BQAL, lengths_BQA, initial_BQA, attached_BQA)

    def may_start(
        self, before: np.ndarray, joined: np.ndarray, at_start: bool, parts: WordParts
    ) -> np.ndarray:
        """Whether a spelling may start behind an id that its first one joins with, or not -> ...qa;
        both are b..."""
        batch = (len(before), *[1] * (before.ndim - 1))
        allowed = ~joined[..., None, None] & (at_start | ~self._spread(self.initial_BQA, batch))
        return allowed & (
            parts.invites_V[before][..., None, None] | ~self._spread(self.attached_BQA, batch)
        )

    @staticmethod
    def _spread(values_BQA: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
        return values_BQA.reshape(*batch, *values_BQA.shape[1:])


class RequiredProgress(NamedTuple):
    """How far a hypothesis is with its phrases."""

    met_BKQ: np.ndarray  # stands there as whole words
    complete_BKQ: np.ndarray  # has just been completed: met, unless the next id joins its last word
    begun_BKQAL: np.ndarray  # the hypothesis ends with the first l ids of the spelling, l from 0 on


def required(batch: SearchBatch) -> Control | None:
    """Every required phrase appears: lexically constrained decoding by dynamic beam allocation
    (Post and Vilar, 2018).

    Candidates belong to a bank by the number of ids that their phrases still lack. The beam takes
    the best of every bank, then the second of every bank, and so on, from the bank that lacks
    least; so a bank with few candidates leaves its share to the others. The ids that would bring a
    phrase forward are always among the candidates, and therefore the beam's first hypothesis lacks
    one less at each step until it lacks none. `</s>` follows those only.
    """
    if not any(batch.required):
        return None
    phrases, parts = Required.of(batch.required), batch.word_parts

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        here = Required(*(array[live.rows_B] for array in phrases))
        progress = _progress(live, here, parts)
        # The ids that go on with the most that is begun of each spelling.
        length_BKQA = (
            progress.begun_BKQAL.shape[4] - 1 - np.argmax(progress.begun_BKQAL[..., ::-1], axis=4)
        )
        ids_BKQAL = np.broadcast_to(here.ids_BQAL[:, None], progress.begun_BKQAL.shape)
        next_BKQA = np.take_along_axis(ids_BKQAL, length_BKQA[..., None], axis=4)[..., 0]
        # Or begin the plain one anew: what goes on may join with the last word of another phrase,
        # and so break it.
        anew_BKQ1 = np.broadcast_to(here.ids_BQAL[:, None, :, :1, 0], (*next_BKQA.shape[:3], 1))
        next_BKQA = np.concatenate([next_BKQA, anew_BKQ1], axis=3)
        next_BKQA = np.where(progress.met_BKQ[..., None], -1, next_BKQA)
        request = name_ids(request, next_BKQA.reshape(*next_BKQA.shape[:2], -1))
        # One more, for </s>
        request = request._replace(num_candidates=request.num_candidates + 1)
        return request, live._replace(kept={**live.kept, "required": progress})

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        here = Required(*(array[live.rows_B] for array in phrases))
        lacking_BKC = _lacking(candidates.ids_BKC, live, here, parts)
        # Room for what is lacking and for </s>; at the very last place it is too late for </s>
        # alone.
        room_B = np.maximum(live.max_lengths_B - live.length - 2, 0)
        too_late_BKC = lacking_BKC > np.where(
            candidates.ids_BKC == batch.eos_id, 0, room_B[:, None, None]
        )
        candidates = strike(candidates, too_late_BKC)
        return candidates._replace(keys_BKC=_by_banks(candidates.scores_BKC, lacking_BKC)), live

    return Control(ask=ask, weigh=weigh)


def _progress(live: BeamState, phrases: Required, parts: WordParts) -> RequiredProgress:
    """The progress of hypotheses that have just got one token more; what they had is in
    `live.kept`."""
    ids_BKT = live.ids_BKT
    num_tokens = ids_BKT.shape[2]
    lengths_BQA = phrases.lengths_BQA
    met_BKQ = np.repeat((lengths_BQA[:, :, 0] == 0)[:, None], ids_BKT.shape[1], axis=1)
    if num_tokens > 1:
        last: RequiredProgress = live.kept["required"]
        joined_BK = parts.join(ids_BKT[:, :, -2], ids_BKT[:, :, -1])
        met_BKQ = last.met_BKQ | (last.complete_BKQ & ~joined_BK[:, :, None])
    begun_BKQAL = np.zeros((*ids_BKT.shape[:2], *phrases.ids_BQAL.shape[1:]), bool)
    begun_BKQAL[..., 0] = True
    for length in range(1, min(num_tokens, phrases.ids_BQAL.shape[3])):
        start = num_tokens - length
        tail_BK11L = ids_BKT[:, :, None, None, start:]
        begun = (tail_BK11L == phrases.ids_BQAL[:, None, :, :, :length]).all(axis=-1)
        before_BK = ids_BKT[:, :, start - 1]
        joined_BK = parts.join(before_BK, ids_BKT[:, :, start])
        begun_BKQAL[..., length] = begun & phrases.may_start(
            before_BK, joined_BK, start == 1, parts
        )
    complete_BKQA = np.take_along_axis(begun_BKQAL, lengths_BQA[:, None, :, :, None], axis=4)[
        ..., 0
    ]
    complete_BKQA &= (lengths_BQA > 0)[:, None]
    return RequiredProgress(met_BKQ, complete_BKQA.max(axis=3), begun_BKQAL)


def _lacking(
    ids_BKC: np.ndarray, live: BeamState, phrases: Required, parts: WordParts
) -> np.ndarray:
    """The number of ids that the phrases still lack after each candidate -> bkc."""
    progress: RequiredProgress = live.kept["required"]
    last_BK1 = live.ids_BKT[:, :, -1:]
    joined_BKC = parts.join(last_BK1, ids_BKC)
    may_start = phrases.may_start(last_BK1, joined_BKC, live.length == 0, parts)
    shape = (*ids_BKC.shape, *phrases.lengths_BQA.shape[1:])
    begun_BKCQA, would_join_BKCQA = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for length in range(phrases.ids_BQAL.shape[3] - 1):
        ids_B11QA, next_B11QA = (
            phrases.ids_BQAL[:, None, None, :, :, place] for place in (length, length + 1)
        )
        goes_on = ids_BKC[..., None, None] == ids_B11QA
        goes_on &= progress.begun_BKQAL[:, :, None, :, :, length] & (may_start | (length > 0))
        begun_BKCQA[goes_on] = length + 1
        would_join_BKCQA[goes_on] = parts.join(ids_BKC[..., None, None], next_B11QA)[goes_on]
    lengths_B11Q = phrases.lengths_BQA[:, None, None, :, 0]
    # What a begun spelling spares, against the plain one from its beginning.
    spared_BKCQA = lengths_B11Q[..., None] - (phrases.lengths_BQA[:, None, None] - begun_BKCQA)
    spared_BKCQA = np.where(begun_BKCQA > 0, spared_BKCQA, 0)
    met_BKCQ = progress.met_BKQ[:, :, None] | (
        progress.complete_BKQ[:, :, None] & ~joined_BKC[..., None]
    )
    is_complete_BKCQA = (begun_BKCQA == phrases.lengths_BQA[:, None, None]) & (begun_BKCQA > 0)
    complete_BKCQ = is_complete_BKCQA.any(axis=-1) & ~met_BKCQ
    unmet_BKCQ = ~(met_BKCQ | complete_BKCQ)
    lacking_BKC = (lengths_B11Q * unmet_BKCQ).sum(axis=-1)
    broken_BKC = (lengths_B11Q * complete_BKCQ).sum(axis=-1)
    # Of what has begun, one can be gone on with; if that would join the last word, all that are
    # complete are lost.
    spared_BKCQA = np.where(unmet_BKCQ[..., None], spared_BKCQA, 0)
    most_BKC = spared_BKCQA.max(axis=(3, 4))
    harmless_BKC = np.where(would_join_BKCQA, 0, spared_BKCQA).max(axis=(3, 4))
    return np.minimum(lacking_BKC - harmless_BKC, lacking_BKC + broken_BKC - most_BKC)


def _by_banks(scores_BKC: np.ndarray, lacking_BKC: np.ndarray) -> np.ndarray:
    """Keys in the order of places within a bank, and of banks within a place."""
    scores_BN, banks_BN = (
        values.reshape(len(scores_BKC), -1) for values in (scores_BKC, lacking_BKC)
    )
    order_BN = np.argsort(-scores_BN, axis=1, kind="stable")
    num_banks = int(banks_BN.max()) + 1
    in_order = np.take_along_axis(banks_BN, order_BN, axis=1)[:, :, None] == np.arange(num_banks)
    place_BN = ((np.cumsum(in_order, axis=1) - 1) * in_order).sum(axis=2)
    keys_BN = np.empty(scores_BN.shape)
    np.put_along_axis(keys_BN, order_BN, -place_BN * float(num_banks), axis=1)
    keys_BN = np.where(np.isneginf(scores_BN), -np.inf, keys_BN - banks_BN)
    return keys_BN.reshape(scores_BKC.shape)
