"""Beam search in NumPy over an engine that runs the model. It knows no model and no control.

Each step of the loop maps state to state:

    request    = StepRequest(...)                  controls may ask the engine for more
    candidates = expand(engine, live, request)     every continuation of each live hypothesis
    selection  = select_best(candidates, ...)      the best 2K of each beam
    live       = extend(live, survivors, ...)      the best K that do not end

Lengths. `|y|` and the maximum length count every emitted token, including `</s>`: a sentence with
maximum length 3 ends as `a b </s>` or is cut after `a b c`. A hypothesis that is cut there, or
because the engine allows no continuation, is *truncated*: its log-probability lacks `</s>`, and it
ranks behind every finished hypothesis.

Numerics. Log-probabilities are summed in float64. Ties go to the better parent, then follow the
engine's order. A sentence therefore gives the same result alone and in any batch.
"""

# B sentences still searched   G groups (beams) of each, R = B*G beams in all
# K live hypotheses of a sentence   C candidates of a hypothesis   N candidates of a beam
# S source tokens   T tokens so far, the first of them <s>

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from nmt.errors import UserError

Tree = Any  # nested tuples, named tuples, lists, dicts and None, with arrays as leaves
ControlState = TypeVar("ControlState")


class Step(NamedTuple):
    """An engine's output for one step of K hypotheses per sentence."""

    log_probs_BKC: np.ndarray  # float32, natural log, the model's own; -inf for forbidden ids
    ids_BKC: np.ndarray  # int32
    state: Tree  # leaves bk...
    weights_BKS: np.ndarray | None = None  # float32, attention of this step, on request


class Engine(Protocol):
    """The model as search sees it.

    The engine masks ids that must never be emitted with -inf after the softmax, so that the
    log-probabilities of all other ids stay the model's own.
    """

    def encode(self, ids_BS: np.ndarray) -> tuple[Tree, Tree]:
        """int32 ids, padded with 0 -> memory (leaves b...), first decoder state (leaves b1...)."""

    def step(
        self,
        ids_BK: np.ndarray,
        state: Tree,
        memory: Tree,
        num_candidates: int,
        named_ids_BKN: np.ndarray | None = None,
        with_weights: bool = False,
    ) -> Step:
        """Last ids bk, state (leaves bk...) -> candidates bkc and the new state.

        The first `num_candidates` entries on the C axis are the best ids of each row in descending
        order. If `num_candidates` is at least the vocabulary size, they are instead all V ids in
        vocabulary order, unsorted. The N `named_ids_BKN` of the row follow in the order given, even
        if they are among the best. The id -1 marks an empty slot and gets -inf, as do forbidden
        ids.

        K is the number of live hypotheses, 1 at first. `with_weights` requests the attention
        weights bks of this step.
        """


@dataclass(frozen=True)
class Hypothesis:
    """A translation in ids, without `<s>` and `</s>`.

    The log-probabilities include `</s>` unless the hypothesis is truncated. They are always the
    model's own, whatever the controls did; `score` is what hypotheses are ranked by.
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float
    truncated: bool
    token_log_probs: tuple[float, ...]


class BeamState(NamedTuple):
    """The live hypotheses of all sentences still searched. Empty slots have the score -inf."""

    rows_B: np.ndarray  # index of each sentence in the input
    max_lengths_B: np.ndarray
    memory: Tree
    state: Tree
    ids_BKT: np.ndarray
    token_log_probs_BKT: np.ndarray  # the model's, for every token but <s>: one shorter than ids
    log_probs_BK: np.ndarray  # their sum
    scores_BK: np.ndarray  # what search accumulates: log_probs, unless a control changes it
    final_scores_BK: np.ndarray  # the score of a hypothesis if it is cut here
    control_states: dict[type, Any]  # state of the controls by its class, with leaves bk...

    @property
    def length(self) -> int:
        return self.token_log_probs_BKT.shape[2]

    def control_state(self, kind: type[ControlState]) -> ControlState:
        """The state of this class, which a control has stored at an earlier moment."""
        return self.control_states[kind]

    def with_control_state(self, state: NamedTuple) -> BeamState:
        """Stores a control's state, a named tuple with leaves bk...; it follows its hypotheses."""
        return self._replace(control_states={**self.control_states, type(state): state})


class StepRequest(NamedTuple):
    """Arguments for the next `Engine.step`."""

    num_candidates: int  # K + 1 per hypothesis, plus one for each that a control may mask out
    named_ids_BKN: np.ndarray | None = None
    with_weights: bool = False


class Candidates(NamedTuple):
    """All continuations of the live hypotheses, and the rest of the engine's output."""

    ids_BKC: np.ndarray
    token_log_probs_BKC: np.ndarray  # the model's
    scores_BKC: np.ndarray  # of the hypothesis with this token; -inf: masked out
    sort_keys_BKC: np.ndarray  # what selection sorts by: scores, unless a control changes it
    state: Tree
    weights_BKS: np.ndarray | None


class Selection(NamedTuple):
    """The best candidates of each beam, best first."""

    ids_RN: np.ndarray
    token_log_probs_RN: np.ndarray
    scores_RN: np.ndarray
    sort_keys_RN: np.ndarray
    parents_RN: np.ndarray  # flat indices into the B*K hypotheses
    final_scores_RN: np.ndarray  # the score if the hypothesis ends here
    upper_bounds_RN: np.ndarray  # no descendant can score higher


class Control(NamedTuple):
    """A decoding option as pure functions, each called once per step.

    adjust_request:     before the engine runs. May request more candidates, the log-probabilities
                        of particular ids, or attention weights.
    adjust_candidates:  may change `scores`, which accumulate, or `sort_keys`, which count for this
                        step's selection only.
    adjust_selection:   may change `final_scores` and `upper_bounds`.

    Each returns the search state, too, in which it may store a state of its own
    (`BeamState.with_control_state`).
    """

    adjust_request: Callable[[StepRequest, BeamState], tuple[StepRequest, BeamState]] | None = None
    adjust_candidates: Callable[[Candidates, BeamState], tuple[Candidates, BeamState]] | None = None
    adjust_selection: Callable[[Selection, BeamState], tuple[Selection, BeamState]] | None = None


def search(
    engine: Engine,
    ids_BS: np.ndarray,
    max_lengths_B: Any,
    *,
    beam_size: int,
    n_best: int = 1,
    num_groups: int = 1,
    num_wanted: int | None = None,
    controls: Sequence[Control] = (),
    bos_id: int = 2,
    eos_id: int = 3,
) -> list[list[Hypothesis]]:
    """At least one and at most `n_best` hypotheses per sentence, best first, in input order.

    Of the best 2K candidates, those that end among the first K finish and leave the beam; the best
    K that do not end live on. A sentence stops when no live hypothesis can still beat its
    `num_wanted`-th finished one (default: `n_best`), since any later one would not be returned.
    With groups, a sentence has several beams of K = beam_size / num_groups hypotheses, each with
    its own candidates and its own end.

    UserError: sizes that do not fit together; maximum lengths that are below 1 or not one per
    sentence; log-probabilities that are NaN or +inf.
    """
    if beam_size < 1 or num_groups < 1 or beam_size % num_groups:
        raise UserError(
            f"beam_size must be a positive multiple of the number of groups. Received: {beam_size}"
            f" and {num_groups}."
        )
    if not 1 <= n_best <= beam_size:
        raise UserError(
            f"n_best must be from 1 to beam_size ({beam_size}). Received: {n_best}. Ask for fewer,"
            " or widen the beam."
        )
    group_size = beam_size // num_groups
    num_wanted = num_wanted or min(n_best, group_size)
    num_needed = -(-n_best // num_groups)  # per group; if fewer finish, truncated ones are added
    live = initial_state(engine, ids_BS, max_lengths_B, bos_id, num_groups)
    # Finished hypotheses of each beam, best first, and the score of the last one wanted. Beam g of
    # input row i is at i * G + g.
    finished: list[list[Hypothesis]] = [[] for _ in range(len(ids_BS) * num_groups)]
    scores_to_beat = np.full(len(finished), -np.inf)
    groups_G = np.arange(num_groups)

    while live.rows_B.size:
        request = StepRequest(group_size + 1)
        for control in controls:
            if control.adjust_request:
                request, live = control.adjust_request(request, live)
        candidates = expand(engine, live, request)
        for control in controls:
            if control.adjust_candidates:
                candidates, live = control.adjust_candidates(candidates, live)
        # The best 2K contain K that live on, as each of K hypotheses can end in one way only. To
        # find them, the best K + 1 of each hypothesis suffice: the first K of the beam take at most
        # K from one hypothesis, and so do the best K that do not end, before which a hypothesis has
        # `</s>` only once.
        selection = select_best(candidates, num_groups, 2 * group_size)
        for control in controls:
            if control.adjust_selection:
                selection, live = control.adjust_selection(selection, live)

        beams_R = (
            live.rows_B
            if num_groups == 1
            else (live.rows_B[:, None] * num_groups + groups_G).ravel()
        )
        ends_RN = selection.ids_RN == eos_id
        any_ends = np.count_nonzero(ends_RN)  # several times as fast as `any`
        if any_ends:
            is_candidate_RN = selection.sort_keys_RN[:, :group_size] > -np.inf
            finishes_RN = ends_RN[:, :group_size] & is_candidate_RN
            for r, n in np.argwhere(finishes_RN).tolist():
                hypotheses = finished[beams_R[r]]
                insort(hypotheses, finished_hypothesis(live, selection, r, n), key=_by_score)
                del hypotheses[max(num_wanted, num_needed) :]
                if len(hypotheses) >= num_wanted:
                    scores_to_beat[beams_R[r]] = hypotheses[num_wanted - 1].score

        survivors = (
            select_unfinished(selection, ends_RN, group_size)
            if any_ends
            else Selection(*(values[:, :group_size] for values in selection))
        )
        extended = extend(live, survivors, candidates.state)
        at_limit_R = (extended.length >= live.max_lengths_B).repeat(num_groups)
        # Upper bounds are -inf where nothing lives on.
        done_R = (survivors.upper_bounds_RN.max(axis=1) <= scores_to_beat[beams_R]) | at_limit_R
        if np.count_nonzero(done_R):
            for r in np.flatnonzero(done_R).tolist():
                hypotheses = finished[beams_R[r]]
                if len(hypotheses) < num_needed:
                    # Without a single candidate, the hypotheses end where they are.
                    is_dead_end = selection.sort_keys_RN[r, 0] == -np.inf
                    cut = truncated_hypotheses(live if is_dead_end else extended, r, num_groups)
                    hypotheses += cut[: num_needed - len(hypotheses)]
            extended = drop_finished(extended, done_R, num_groups)
        live = extended

    return [
        sorted(chain(*finished[i : i + num_groups]), key=_finished_first)[:n_best]
        for i in range(0, len(finished), num_groups)
    ]


def _by_score(hypothesis: Hypothesis) -> float:
    return -hypothesis.score


def _finished_first(hypothesis: Hypothesis) -> tuple[bool, float]:
    return hypothesis.truncated, -hypothesis.score


# ------------------------------------------------------------------------------- steps of the loop


def initial_state(
    engine: Engine, ids_BS: np.ndarray, max_lengths_B: Any, bos_id: int, num_groups: int = 1
) -> BeamState:
    """One live hypothesis per beam: `<s>`."""
    max_lengths_B = np.asarray(max_lengths_B)
    num_sentences = len(ids_BS)
    if max_lengths_B.shape != (num_sentences,):
        raise UserError(
            f"max_lengths_B must hold one length for each of {num_sentences} sentences. Received"
            f" shape: {max_lengths_B.shape}. See maximum_lengths."
        )
    if num_sentences and max_lengths_B.min() < 1:
        raise UserError(
            f"Maximum lengths must be at least 1, as </s> counts. Received: {max_lengths_B.min()}."
        )
    memory, state = engine.encode(ids_BS) if num_sentences else (None, None)
    state = map_arrays(lambda leaf: np.repeat(leaf, num_groups, axis=1), state)
    zeros_BK = np.zeros((num_sentences, num_groups))
    return BeamState(
        rows_B=np.arange(num_sentences),
        max_lengths_B=max_lengths_B,
        memory=memory,
        state=state,
        ids_BKT=np.full((num_sentences, num_groups, 1), bos_id, np.int32),
        token_log_probs_BKT=np.zeros((num_sentences, num_groups, 0)),
        log_probs_BK=zeros_BK,
        scores_BK=zeros_BK,
        final_scores_BK=zeros_BK,
        control_states={},
    )


def expand(engine: Engine, live: BeamState, request: StepRequest) -> Candidates:
    """All continuations of the live hypotheses, bkc.

    An id that the engine returns twice, because it was also named, is kept once.
    """
    step = engine.step(live.ids_BKT[:, :, -1], live.state, live.memory, *request)
    log_probs_BKC, ids_BKC = step.log_probs_BKC, step.ids_BKC
    if not log_probs_BKC.max() < np.inf:  # false for NaN, too
        raise UserError(
            "Log-probabilities must be numbers below infinity. Received NaN or +inf for token"
            f" {live.length + 1}. The weights have probably diverged in training: take an earlier"
            " checkpoint."
        )
    scores_BKC = live.scores_BK[:, :, None] + log_probs_BKC
    if request.named_ids_BKN is not None:
        width = ids_BKC.shape[2]
        ids_BKC = np.maximum(ids_BKC, 0)  # the engine is fed the ids of empty slots, too
        for c in range(width - request.named_ids_BKN.shape[2], width):
            is_duplicate_BK = (ids_BKC[:, :, :c] == ids_BKC[:, :, c : c + 1]).any(axis=2)
            scores_BKC[:, :, c][is_duplicate_BK] = -np.inf
    return Candidates(ids_BKC, log_probs_BKC, scores_BKC, scores_BKC, step.state, step.weights_BKS)


def select_best(candidates: Candidates, num_groups: int, count: int) -> Selection:
    """The `count` candidates of each beam with the highest sort keys, or all if there are fewer."""
    num_sentences, _, width = candidates.sort_keys_BKC.shape
    sort_keys_RN = candidates.sort_keys_BKC.reshape(num_sentences * num_groups, -1)
    order_RN = (-sort_keys_RN).argsort(axis=1, kind="stable")[:, :count]
    flat_RN = flat_indices(order_RN, sort_keys_RN.shape[1])
    scores_RN = candidates.scores_BKC.ravel()[flat_RN]
    keys_are_scores = candidates.sort_keys_BKC is candidates.scores_BKC
    return Selection(
        ids_RN=candidates.ids_BKC.ravel()[flat_RN],
        token_log_probs_RN=candidates.token_log_probs_BKC.ravel()[flat_RN],
        scores_RN=scores_RN,
        sort_keys_RN=scores_RN if keys_are_scores else sort_keys_RN.ravel()[flat_RN],
        parents_RN=flat_RN // width,
        final_scores_RN=scores_RN,
        upper_bounds_RN=scores_RN,
    )


def select_unfinished(selection: Selection, ends_RN: np.ndarray, count: int) -> Selection:
    """The best `count` that do not end, best first; -inf marks empty slots if there are fewer."""
    flat_RN = flat_indices(ends_RN.argsort(axis=1, kind="stable")[:, :count], ends_RN.shape[1])
    empty_RN = np.where(ends_RN, -np.inf, 0.0)
    unfinished = selection._replace(
        scores_RN=selection.scores_RN + empty_RN,
        upper_bounds_RN=selection.upper_bounds_RN + empty_RN,
    )
    return Selection(*(values_RN.ravel()[flat_RN] for values_RN in unfinished))


def flat_indices(order_RN: np.ndarray, width: int) -> np.ndarray:
    """Indices within rows of this width as indices into the raveled array.

    Many times as fast as `take_along_axis`.
    """
    return order_RN + np.arange(0, len(order_RN) * width, width)[:, None]


def extend(live: BeamState, survivors: Selection, state: Tree) -> BeamState:
    """The survivors as the new live hypotheses, each with the state of its parent."""
    num_sentences, num_before, _ = live.ids_BKT.shape
    parents_BK = survivors.parents_RN.reshape(num_sentences, -1)
    token_log_probs_BK = survivors.token_log_probs_RN.reshape(parents_BK.shape)

    def of_parents(leaf: np.ndarray) -> np.ndarray:
        return leaf.reshape(num_sentences * num_before, *leaf.shape[2:]).take(parents_BK, axis=0)

    return live._replace(
        state=map_arrays(of_parents, state),
        ids_BKT=append(of_parents(live.ids_BKT), survivors.ids_RN.reshape(parents_BK.shape)),
        token_log_probs_BKT=append(of_parents(live.token_log_probs_BKT), token_log_probs_BK),
        log_probs_BK=live.log_probs_BK.ravel()[parents_BK] + token_log_probs_BK,
        scores_BK=survivors.scores_RN.reshape(parents_BK.shape),
        final_scores_BK=survivors.final_scores_RN.reshape(parents_BK.shape),
        control_states=map_arrays(of_parents, live.control_states),
    )


def drop_finished(live: BeamState, done_R: np.ndarray, num_groups: int) -> BeamState:
    """Removes the sentences whose beams are all done, so that the engine spends nothing on them.

    A beam that is done before the other beams of its sentence is emptied.
    """
    done_BG = done_R.reshape(-1, num_groups)
    remaining_B = np.flatnonzero(~done_BG.all(axis=1))
    if num_groups > 1:
        done_BK = np.repeat(done_BG, live.scores_BK.shape[1] // num_groups, axis=1)
        live = live._replace(scores_BK=np.where(done_BK, -np.inf, live.scores_BK))
    if len(remaining_B) == len(done_BG):
        return live
    return map_arrays(lambda leaf: leaf[remaining_B], live)


def finished_hypothesis(live: BeamState, selection: Selection, r: int, n: int) -> Hypothesis:
    """Candidate n of beam r, which is `</s>`, after its parent."""
    b, k = divmod(int(selection.parents_RN[r, n]), live.ids_BKT.shape[1])
    token_log_prob = float(selection.token_log_probs_RN[r, n])
    return Hypothesis(
        ids=tuple(live.ids_BKT[b, k, 1:].tolist()),
        log_prob=float(live.log_probs_BK[b, k]) + token_log_prob,
        score=float(selection.final_scores_RN[r, n]),
        truncated=False,
        token_log_probs=(*live.token_log_probs_BKT[b, k].tolist(), token_log_prob),
    )


def truncated_hypotheses(live: BeamState, r: int, num_groups: int) -> list[Hypothesis]:
    """The live hypotheses of beam r, without `</s>`, best first."""
    b, g = divmod(r, num_groups)
    group_size = live.scores_BK.shape[1] // num_groups
    slots = [
        k for k in range(g * group_size, (g + 1) * group_size) if live.scores_BK[b, k] > -np.inf
    ]
    hypotheses = [
        Hypothesis(
            ids=tuple(live.ids_BKT[b, k, 1:].tolist()),
            log_prob=float(live.log_probs_BK[b, k]),
            score=float(live.final_scores_BK[b, k]),
            truncated=True,
            token_log_probs=tuple(live.token_log_probs_BKT[b, k].tolist()),
        )
        for k in slots
    ]
    return sorted(hypotheses, key=_by_score)


def append(values_BKT: np.ndarray, last_BK: np.ndarray) -> np.ndarray:
    return np.concatenate([values_BKT, last_BK[:, :, None]], axis=2, dtype=values_BKT.dtype)


def map_arrays(function: Callable[[np.ndarray], np.ndarray], tree: Tree) -> Tree:
    """Applies `function` to every array of a tree."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: map_arrays(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        branches = [map_arrays(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return function(tree)
