"""Lexical constraints as controls of search: forced prefixes, banned and required phrases, copies.

A phrase is a tuple of spellings, each a sequence of ids; any of them satisfies it, as "arbre" has
other pieces in "l'arbre" and at the start of the line. Phrases match whole words: `chat` does not
match within `chats`. This module knows ids only; `WordBoundaries` says which neighbouring ids
belong to one word.
"""

# B sentences   K live hypotheses of each   C candidates of each   T tokens so far, the first <s>
# Q required phrases of a sentence   X states of all automata   N ids   V vocabulary

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nmt.search.beam import BeamState, Candidates, Control, StepRequest

if TYPE_CHECKING:
    from nmt.search.numbers import DigitPieces, SourceNumbers


class Spelling(NamedTuple):
    """One way to write a phrase. The first spelling of a phrase is the plain one, which may stand
    anywhere in a line."""

    ids: tuple[int, ...]
    initial: bool = False  # matches at the start of the line only
    attached: bool = False  # matches only after an id with `ends_with_joiner_V`


Phrase = tuple[Spelling, ...]


class Start(enum.IntFlag):
    """What may start at a position: the conditions that hold there."""

    OF_WORD = 1  # the id before does not continue in this one
    AFTER_JOINER = 2  # the id before ends with an apostrophe, a hyphen, an opening bracket, ...
    OF_LINE = 4


# The values that occur: the other two flags count only where a word starts.
START_FLAGS = (0, *(int(Start.OF_WORD) + other for other in (0, 2, 4, 6)))


class WordBoundaries(NamedTuple):
    """Which ids join: id y continues the word of id x before it if x ends and y starts with a
    letter and no space is between them."""

    starts_with_letter_V: np.ndarray  # bool: and not with a space before the letter
    ends_with_letter_V: np.ndarray  # bool
    ends_with_joiner_V: np.ndarray  # bool: a word may follow without a space, as after "l'"

    @classmethod
    def none(cls) -> WordBoundaries:
        return cls(*[np.zeros(0, bool)] * 3)

    def join(self, left: np.ndarray | int, right: np.ndarray | int) -> np.ndarray:
        return self.ends_with_letter_V[left] & self.starts_with_letter_V[right]

    def start(self, left: np.ndarray, right: np.ndarray, at_line_start: bool) -> np.ndarray:
        """`Start` flags of the position of `right`; 0 where no word starts."""
        line_start = Start.OF_LINE if at_line_start else 0
        flags = Start.OF_WORD | line_start | Start.AFTER_JOINER * self.ends_with_joiner_V[left]
        return np.where(self.join(left, right), 0, flags)


@dataclass(frozen=True)
class SearchBatch:
    """Sentences to search for, and the constraints on each translation."""

    source_BS: np.ndarray  # ids, padded with 0
    max_lengths_B: np.ndarray  # in tokens, including </s>, as min_lengths
    min_lengths_B: np.ndarray
    prefixes: Sequence[Sequence[int]] = ()  # one per sentence; empty: no prefixes at all
    required: Sequence[Sequence[Phrase]] = ()  # likewise
    banned: Sequence[Spelling] = ()  # for all sentences
    # Ids that close a sentence, such as "." and "?". Where the translation is one sentence, none of
    # them comes before what is required, which would otherwise be appended after the full stop.
    closing_ids: Sequence[int] = ()
    is_one_sentence: Sequence[bool] = ()  # one per sentence
    # Needed for required and banned phrases only.
    word_boundaries: WordBoundaries = field(default_factory=WordBoundaries.none)
    # Ascending. Each of these in a source appears once in its translation, and no other.
    copy_ids: Sequence[int] = ()
    # The numbers of each sentence; used if there are digit pieces.
    numbers: Sequence[SourceNumbers] = ()
    digit_pieces: DigitPieces | None = None
    eos_id: int = 3


def mask_out(candidates: Candidates, masked_BKC: np.ndarray) -> Candidates:
    """Excludes candidates from selection."""
    scores_BKC = np.where(masked_BKC, -np.inf, candidates.scores_BKC)
    return candidates._replace(scores_BKC=scores_BKC, sort_keys_BKC=scores_BKC)


def request_ids(request: StepRequest, ids_BKN: np.ndarray) -> StepRequest:
    """Requests the log-probabilities of these ids, too; -1 marks an empty slot."""
    if request.named_ids_BKN is not None:
        ids_BKN = np.concatenate([request.named_ids_BKN, ids_BKN], axis=2)
    return request._replace(named_ids_BKN=ids_BKN)


# ------------------------------------------------------------------------------------------- copies


def copied_symbols(batch: SearchBatch) -> Control | None:
    """Each copy symbol of the source appears exactly once in the translation, and no other.

    A symbol that is not missing is masked out. While one is missing, `</s>` and every token less
    likely than `</s>` are masked out, so a missing symbol is placed where the model would end and
    could: not where `</s>` is masked out already, for the sake of a number that must be completed.
    When only the missing symbols still fit, everything else is masked out. The model thus places
    symbols freely, unlike `required_phrases`, which reserves part of the beam for hypotheses that
    have them early.
    """
    copy_ids_N = np.array(batch.copy_ids, np.int32)
    if not copy_ids_N.size:
        return None
    in_source_BN = (batch.source_BS[:, :, None] == copy_ids_N).any(axis=1)

    def missing_symbols(live: BeamState) -> np.ndarray:
        """bool bkn."""
        in_target_BKN = (live.ids_BKT[:, :, :, None] == copy_ids_N).any(axis=2)
        return in_source_BN[live.rows_B][:, None] & ~in_target_BKN

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        missing_BKN = missing_symbols(live)
        if missing_BKN.any():
            request = request_ids(request, np.where(missing_BKN, copy_ids_N, -1))
            request = request_ids(request, np.full((*missing_BKN.shape[:2], 1), batch.eos_id))
        return request._replace(num_candidates=request.num_candidates + copy_ids_N.size + 1), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        missing_BKN = missing_symbols(live)
        num_missing_BK1 = missing_BKN.sum(axis=2, keepdims=True)
        index_BKC = np.searchsorted(copy_ids_N, candidates.ids_BKC).clip(max=copy_ids_N.size - 1)
        is_copy_BKC = copy_ids_N[index_BKC] == candidates.ids_BKC
        is_missing_BKC = is_copy_BKC & np.take_along_axis(missing_BKN, index_BKC, axis=2)
        # Tokens that fit after this one and before </s>.
        room_B11 = live.max_lengths_B[:, None, None] - live.length - 2
        no_room_BK1 = num_missing_BK1 > room_B11
        is_possible_eos_BKC = candidates.ids_BKC == batch.eos_id
        is_possible_eos_BKC &= candidates.scores_BKC > -np.inf
        eos_log_prob_BK1 = candidates.token_log_probs_BKC.max(
            axis=2, where=is_possible_eos_BKC, initial=-np.inf, keepdims=True
        )
        worse_than_eos_BKC = candidates.token_log_probs_BKC <= eos_log_prob_BK1
        must_copy_BKC = (num_missing_BK1 > 0) & (no_room_BK1 | worse_than_eos_BKC)
        return mask_out(candidates, ~is_missing_BKC & (is_copy_BKC | must_copy_BKC)), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


# ------------------------------------------------------------------------------------------- prefix


def forced_prefix(batch: SearchBatch) -> Control | None:
    """Each translation begins with its prefix, which overrides all controls before this one."""
    if not any(batch.prefixes):
        return None
    longest = max(map(len, batch.prefixes))
    prefixes_BT = np.full((len(batch.prefixes), longest), -1, np.int32)
    for row, prefix in enumerate(batch.prefixes):
        prefixes_BT[row, : len(prefix)] = prefix

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        if live.length >= longest:
            return request, live
        forced_B = prefixes_BT[live.rows_B, live.length]
        forced_BK1 = np.broadcast_to(forced_B[:, None, None], (*live.scores_BK.shape, 1))
        return request_ids(request, forced_BK1), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        if live.length >= longest:
            return candidates, live
        forced_B11 = prefixes_BT[live.rows_B, live.length][:, None, None]
        is_forced_BKC = candidates.ids_BKC == forced_B11
        is_forced_BKC &= np.cumsum(is_forced_BKC, axis=2) == 1  # a named id may occur twice
        scores_BKC = live.scores_BK[:, :, None] + candidates.token_log_probs_BKC
        only_forced_BKC = np.where(is_forced_BKC, scores_BKC, -np.inf)
        scores_BKC = np.where(forced_B11 >= 0, only_forced_BKC, candidates.scores_BKC)
        return candidates._replace(scores_BKC=scores_BKC, sort_keys_BKC=scores_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


# ----------------------------------------------------------------------------------- banned phrases


class BannedPhrases:
    """Finds the ids that would complete a banned spelling."""

    def __init__(self, spellings: Sequence[Spelling], word_boundaries: WordBoundaries):
        self.word_boundaries = word_boundaries
        size = len(word_boundaries.starts_with_letter_V)
        # Spellings of one id are looked up for all candidates at once. Longer ones map all ids but
        # the last to the set of last ids.
        self.single_V, self.initial_single_V = np.zeros(size, bool), np.zeros(size, bool)
        self.last_ids: dict[tuple[int, ...], set[int]] = defaultdict(set)
        self.initial_last_ids: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for spelling in spellings:
            *before, last = spelling.ids
            if before:
                last_ids = self.initial_last_ids if spelling.initial else self.last_ids
                last_ids[tuple(before)].add(last)
            else:
                (self.initial_single_V if spelling.initial else self.single_V)[last] = True
        self.lengths = sorted({len(ids) for ids in (*self.last_ids, *self.initial_last_ids)})
        self.num_single = int((self.single_V | self.initial_single_V).sum())

    def completing_ids(self, tokens: Sequence[int]) -> Iterator[int]:
        """Ids that complete a spelling of several ids after these tokens, the first of them <s>."""
        for length in self.lengths:
            start = len(tokens) - length
            if start >= 1 and not self.word_boundaries.join(tokens[start - 1], tokens[start]):
                tail = tuple(tokens[start:])
                yield from self.last_ids.get(tail, ())
                if start == 1:
                    yield from self.initial_last_ids.get(tail, ())

    def are_single(self, ids: np.ndarray, last: np.ndarray, at_line_start: bool) -> np.ndarray:
        """Whether ids are banned spellings of one id, after `last`."""
        single_V = self.single_V | self.initial_single_V if at_line_start else self.single_V
        return single_V[ids] & ~self.word_boundaries.join(last, ids)

    def find(self, ids: Sequence[int], bos_id: int = 2) -> int | None:
        """The index in a line's ids at which the first banned spelling is complete, if any is."""
        tokens = [bos_id, *ids]
        for t in range(1, len(tokens)):
            is_single = self.are_single(np.array(tokens[t]), np.array(tokens[t - 1]), t == 1)
            if is_single or tokens[t] in set(self.completing_ids(tokens[:t])):
                return t - 1
        return None


def banned_phrases(batch: SearchBatch) -> Control | None:
    """No banned spelling is completed: its last id is masked out.

    This also excludes longer words that begin with the ids of a banned one.
    """
    if not batch.banned:
        return None
    banned = BannedPhrases(batch.banned, batch.word_boundaries)

    def completing_ids(live: BeamState) -> list[list[int]]:
        """For each of the B*K hypotheses."""
        if not banned.lengths:
            return []
        hypotheses = live.ids_BKT.reshape(-1, live.length + 1).tolist()
        return [list(banned.completing_ids(tokens)) for tokens in hypotheses]

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        num_masked = max(map(len, completing_ids(live)), default=0) + banned.num_single
        return request._replace(num_candidates=request.num_candidates + num_masked), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        last_BK1 = live.ids_BKT[:, :, -1:]
        masked_BKC = banned.are_single(candidates.ids_BKC, last_BK1, live.length == 0)
        num_hypotheses = live.ids_BKT.shape[1]
        for index, ids in enumerate(completing_ids(live)):
            if ids:
                b, k = divmod(index, num_hypotheses)
                masked_BKC[b, k] |= np.isin(candidates.ids_BKC[b, k], ids)
        return mask_out(candidates, masked_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


# --------------------------------------------------------------------------------- required phrases


Beginning = tuple[int, int]  # index of a spelling, number of its ids that have matched


class PhraseState(NamedTuple):
    """A state of a `PhraseAutomaton`: which beginnings of spellings the hypothesis ends with."""

    is_complete: bool  # it ends with a whole spelling: met, unless the next id continues the word
    next_ids: tuple[int, ...]  # continue the longest beginning of each spelling, or start anew
    num_saved: int  # ids fewer to go than to write the plain spelling from its start
    num_saved_apart: int  # the same, from beginnings whose next id starts a new word


@dataclass(frozen=True)
class PhraseAutomaton:
    """Deterministic automaton that recognises the spellings of one phrase, id by id.

    State 0 is the initial one. Transitions that are not listed lead back to it.
    """

    num_ids: int  # of the plain spelling
    states: list[PhraseState]
    transitions: dict[tuple[int, int, int], int]  # (state, `Start` flags, id) -> state

    @classmethod
    def build(cls, phrase: Phrase, word_boundaries: WordBoundaries) -> PhraseAutomaton:
        """By subset construction over the beginnings of spellings."""
        starting: dict[int, dict[int, set[Beginning]]] = {}  # flags -> id -> beginnings
        for flags in START_FLAGS:
            starting[flags] = defaultdict(set)
            for a, spelling in enumerate(phrase):
                if _needed_flags(spelling) & ~flags == 0:
                    starting[flags][spelling.ids[0]].add((a, 1))
        beginnings_of: list[frozenset[Beginning]] = [frozenset()]
        index_of = {beginnings_of[0]: 0}
        transitions: dict[tuple[int, int, int], int] = {}
        for state, beginnings in enumerate(beginnings_of):  # which grows on the way
            continuing: dict[int, set[Beginning]] = defaultdict(set)
            for a, length in beginnings:
                if length < len(phrase[a].ids):
                    continuing[phrase[a].ids[length]].add((a, length + 1))
            for flags, starts in starting.items():
                for id in {*continuing, *starts}:
                    following = frozenset(continuing.get(id, set()) | starts.get(id, set()))
                    if following not in index_of:
                        index_of[following] = len(beginnings_of)
                        beginnings_of.append(following)
                    transitions[state, flags, id] = index_of[following]
        states = [_phrase_state(phrase, begun, word_boundaries) for begun in beginnings_of]
        return cls(len(phrase[0].ids), states, transitions)


def _needed_flags(spelling: Spelling) -> int:
    attached = Start.AFTER_JOINER if spelling.attached else 0
    return Start.OF_WORD | attached | (Start.OF_LINE if spelling.initial else 0)


def _phrase_state(
    phrase: Phrase, beginnings: frozenset[Beginning], word_boundaries: WordBoundaries
) -> PhraseState:
    longest = [0] * len(phrase)
    for a, length in beginnings:
        longest[a] = max(longest[a], length)
    next_ids, saved, saved_apart = [], [0], [0]
    for spelling, length in zip(phrase, longest, strict=True):
        if length < len(spelling.ids):
            next_ids.append(spelling.ids[length])
            if length:
                saved.append(len(phrase[0].ids) - (len(spelling.ids) - length))
                if not word_boundaries.join(spelling.ids[length - 1], spelling.ids[length]):
                    saved_apart.append(saved[-1])
    # Continuing may join the last word of another phrase, and so break it; starting anew does not.
    next_ids.append(phrase[0].ids[0])
    is_complete = any(length == len(phrase[a].ids) for a, length in beginnings)
    return PhraseState(is_complete, tuple(next_ids), max(saved), max(saved_apart))


class PhraseProgress(NamedTuple):
    """How far each hypothesis is with each required phrase of its sentence."""

    states_BKQ: np.ndarray  # indices into the states of all automata
    met_BKQ: np.ndarray  # bool: the phrase stands there as whole words


class PhraseAutomata:
    """The automata of a batch side by side, as arrays over all their states.

    State 0 belongs to no automaton; it fills up sentences with fewer phrases than others.
    """

    def __init__(self, phrases: Sequence[Sequence[Phrase]], word_boundaries: WordBoundaries):
        self.word_boundaries = word_boundaries
        self.initial_BQ = np.zeros((len(phrases), max(map(len, phrases))), np.int64)
        states, initial, num_ids = [PhraseState(False, (), 0, 0)], [0], [0]
        transitions: dict[int, int] = {}
        initial_of: dict[Phrase, int] = {}  # sentences with the same phrase share its automaton
        for b, of_sentence in enumerate(phrases):
            for q, phrase in enumerate(of_sentence):
                if phrase not in initial_of:
                    automaton = PhraseAutomaton.build(phrase, word_boundaries)
                    initial_of[phrase] = first = len(states)
                    states += automaton.states
                    initial += [first] * len(automaton.states)
                    num_ids += [automaton.num_ids] * len(automaton.states)
                    for (state, flags, id), following in automaton.transitions.items():
                        transitions[int(self._key(first + state, flags, id))] = first + following
                self.initial_BQ[b, q] = initial_of[phrase]
        self.initial_X, self.num_ids_X = np.array(initial), np.array(num_ids)
        self.is_complete_X = np.array([state.is_complete for state in states])
        self.num_saved_X = np.array([state.num_saved for state in states])
        self.num_saved_apart_X = np.array([state.num_saved_apart for state in states])
        self.next_ids_XN = np.full((len(states), max(len(s.next_ids) for s in states)), -1)
        for next_ids_N, (_, next_ids, *_) in zip(self.next_ids_XN, states, strict=True):
            next_ids_N[: len(next_ids)] = next_ids
        self._keys = np.array(sorted(transitions))
        self._targets = np.array([transitions[key] for key in self._keys.tolist()])

    def _key(
        self, state: np.ndarray | int, flags: np.ndarray | int, id: np.ndarray | int
    ) -> np.ndarray | int:
        vocabulary_size = len(self.word_boundaries.starts_with_letter_V)
        return (state * (START_FLAGS[-1] + 1) + flags) * vocabulary_size + id

    def advance(
        self, progress: PhraseProgress, last: np.ndarray, ids: np.ndarray, at_line_start: bool
    ) -> PhraseProgress:
        """The progress ...q after one more id; `last` and `ids` are ..."""
        flags = self.word_boundaries.start(last, ids, at_line_start)[..., None]
        keys = self._key(progress.states_BKQ, flags, ids[..., None])
        places = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        is_listed = self._keys[places] == keys
        states = np.where(is_listed, self._targets[places], self.initial_X[progress.states_BKQ])
        is_apart = ~self.word_boundaries.join(last, ids)[..., None]
        met = progress.met_BKQ | (self.is_complete_X[progress.states_BKQ] & is_apart)
        return PhraseProgress(states, met)

    def progress(self, live: BeamState) -> PhraseProgress:
        """The progress of hypotheses that have just got one more token."""
        if live.length == 0:
            states_BKQ = self.initial_BQ[live.rows_B][:, None].repeat(live.ids_BKT.shape[1], axis=1)
            return PhraseProgress(states_BKQ, self.num_ids_X[states_BKQ] == 0)
        last_BK, ids_BK = live.ids_BKT[:, :, -2], live.ids_BKT[:, :, -1]
        before = live.control_state(PhraseProgress)
        return self.advance(before, last_BK, ids_BK, live.length == 1)

    def num_missing(self, ids_BKC: np.ndarray, live: BeamState) -> np.ndarray:
        """The number of ids that the phrases still need after each candidate -> bkc."""
        progress = live.control_state(PhraseProgress)
        before = PhraseProgress(progress.states_BKQ[:, :, None], progress.met_BKQ[:, :, None])
        after = self.advance(before, live.ids_BKT[:, :, -1:], ids_BKC, live.length == 0)
        states_BKCQ, met_BKCQ = after
        num_ids_BKCQ = self.num_ids_X[states_BKCQ]
        complete_BKCQ = self.is_complete_X[states_BKCQ] & ~met_BKCQ
        unmet_BKCQ = ~(met_BKCQ | complete_BKCQ)
        missing_BKC = (num_ids_BKCQ * unmet_BKCQ).sum(axis=-1)
        # Only one of the phrases begun can be continued. If its next id joins the last word, all
        # phrases that have just been completed are lost.
        saved_BKC = (self.num_saved_X[states_BKCQ] * unmet_BKCQ).max(axis=-1)
        saved_apart_BKC = (self.num_saved_apart_X[states_BKCQ] * unmet_BKCQ).max(axis=-1)
        lost_BKC = (num_ids_BKCQ * complete_BKCQ).sum(axis=-1)
        return np.minimum(missing_BKC - saved_apart_BKC, missing_BKC + lost_BKC - saved_BKC)


def required_phrases(batch: SearchBatch) -> Control | None:
    """Every required phrase appears: lexically constrained decoding by dynamic beam allocation
    (Post and Vilar, 2018).

    Candidates are divided into banks by the number of ids that their phrases still need. The beam
    takes the best of every bank, then the second of every bank, and so on, starting from the bank
    that needs least; a bank with few candidates leaves its share to the others. The ids that
    advance a phrase are always among the candidates, so the first hypothesis of the beam needs one
    id less at each step until it needs none. Only then may `</s>` follow and, where the translation
    is one sentence, an id that closes it.
    """
    if not any(batch.required):
        return None
    automata = PhraseAutomata(batch.required, batch.word_boundaries)
    closing_ids = np.array(batch.closing_ids if any(batch.is_one_sentence) else (), np.int32)

    def next_ids(progress: PhraseProgress) -> np.ndarray:
        """The ids that advance a phrase that is not met -> bkn, -1 for none."""
        next_ids_BKQN = automata.next_ids_XN[progress.states_BKQ]
        next_ids_BKQN = np.where(progress.met_BKQ[..., None], -1, next_ids_BKQN)
        return next_ids_BKQN.reshape(*next_ids_BKQN.shape[:2], -1)

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        progress = automata.progress(live)
        request = request_ids(request, next_ids(progress))
        num_masked = 1 + closing_ids.size  # with </s>
        request = request._replace(num_candidates=request.num_candidates + num_masked)
        return request, live.with_control_state(progress)

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        num_missing_BKC = automata.num_missing(candidates.ids_BKC, live)
        # Tokens that fit after this one and before </s>; none after </s>.
        room_B = np.maximum(live.max_lengths_B - live.length - 2, 0)
        is_eos_BKC = candidates.ids_BKC == batch.eos_id
        no_room_BKC = num_missing_BKC > np.where(is_eos_BKC, 0, room_B[:, None, None])
        candidates = mask_out(candidates, no_room_BKC)
        if closing_ids.size:
            is_one_B = np.asarray(batch.is_one_sentence)[live.rows_B]
            is_early_BKC = is_one_B[:, None, None] & (num_missing_BKC > 0)
            is_early_BKC &= np.isin(candidates.ids_BKC, closing_ids)
            next_ids_BK1N = next_ids(live.control_state(PhraseProgress))[:, :, None]
            advances_BKC = (candidates.ids_BKC[..., None] == next_ids_BK1N).any(axis=-1)
            candidates = mask_out(candidates, is_early_BKC & ~advances_BKC)
        sort_keys_BKC = _sort_keys_by_bank(candidates.scores_BKC, num_missing_BKC)
        return candidates._replace(sort_keys_BKC=sort_keys_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


def _sort_keys_by_bank(scores_BKC: np.ndarray, banks_BKC: np.ndarray) -> np.ndarray:
    """Sort keys that order candidates by their rank within their bank, then by bank."""
    scores_BN, banks_BN = (
        values.reshape(len(scores_BKC), -1) for values in (scores_BKC, banks_BKC)
    )
    order_BN = np.argsort(-scores_BN, axis=1, kind="stable")
    num_banks = int(banks_BN.max()) + 1
    in_bank = np.take_along_axis(banks_BN, order_BN, axis=1)[:, :, None] == np.arange(num_banks)
    rank_BN = ((np.cumsum(in_bank, axis=1) - 1) * in_bank).sum(axis=2)
    keys_BN = np.empty(scores_BN.shape)
    np.put_along_axis(keys_BN, order_BN, -rank_BN * float(num_banks), axis=1)
    keys_BN = np.where(np.isneginf(scores_BN), -np.inf, keys_BN - banks_BN)
    return keys_BN.reshape(scores_BKC.shape)
