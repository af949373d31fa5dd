"""Search: beams in NumPy over an engine that does the arithmetic; no model and no control of search
is known here.

    request    = what the controls ask of the engine for this step
    candidates = expand(engine, live, request)   what may follow each live hypothesis; controls weigh it
    chosen     = choose(candidates, ...)         the best of each beam; controls rate it
    live       = extend(live, survivors(chosen)) state in, state out

Lengths. `|y|` and a maximum length both count every emitted token, `</s>` included: a sentence with
maximum length 3 ends as `a b </s>` or is cut after `a b c`. A hypothesis cut there, or because
nothing may follow it, is *truncated*: its log-probability lacks `</s>`, and it ranks behind every
finished one.

Log-probabilities are summed in float64, and ties go to the better parent, then to the engine's
order, so that a sentence is searched alike alone and in any batch.
"""

# B sentences still searched   G groups (beams) of each, R = B*G beams in all   K live hypotheses of a sentence
# C candidates of a hypothesis   N candidates of a beam   S source tokens   T tokens so far, the first of them <s>

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

from nmt.errors import UserError

Tree = Any  # nested tuples, named tuples, lists, dicts and None, with arrays as leaves


class Step(NamedTuple):
    """What an engine answers to one step of K hypotheses of each sentence."""

    log_probs_BKC: (
        np.ndarray
    )  # float32, natural logarithm, the model's own but for -inf where an id is forbidden
    ids_BKC: np.ndarray  # int32
    state: Tree  # leaves bk...
    weights_BKS: np.ndarray | None = (
        None  # float32, the attention that predicted these candidates; if asked for
    )


class Engine(Protocol):
    """What a search asks of a model. Ids that must never be emitted are masked by the engine, with
    -inf, after the softmax, so that the other log-probabilities stay the model's own."""

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
        """Last ids bk, state (leaves bk...) -> candidates bkc to follow each, and the new state.

        The first `num_candidates` on the C axis are the best of each row, descending. Where that is
        the vocabulary's size or more, they are the whole row instead, all V ids in their own order,
        unsorted. After them come the N `named_ids_BKN` of the row, in the order given (again, if
        they are among the best); the id -1 names nothing and gets -inf, and so does a forbidden id.

        K is the number of live hypotheses, 1 at first. `with_weights` asks for the attention
        weights bks of this step.
        """


@dataclass(frozen=True)
class Hypothesis:
    """One translation. `ids` has neither `<s>` nor `</s>`; the log-probabilities count `</s>`,
    unless truncated.

    The log-probabilities are the model's own, whatever the controls did; `score` is what hypotheses
    are ranked by.
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float
    truncated: bool
    token_log_probs: tuple[float, ...]


class BeamState(NamedTuple):
    """Everything about the sentences still searched. A slot that holds no hypothesis has the score
    -inf."""

    rows_B: np.ndarray  # the place of each sentence in the input
    max_lengths_B: np.ndarray
    memory: Tree
    state: Tree
    ids_BKT: np.ndarray
    token_log_probs_BKT: np.ndarray  # the model's, of all but <s>, so one shorter than ids
    log_probs_BK: np.ndarray  # their sum
    scores_BK: np.ndarray  # what search adds up in its place: the same, unless a control changes it
    ratings_BK: np.ndarray  # the score of a hypothesis if it is cut here
    kept: dict[str, Tree]  # what controls build_memory of each hypothesis: name -> leaves bk...

    @property
    def length(self) -> int:
        return self.token_log_probs_BKT.shape[2]


class StepRequest(NamedTuple):
    """What controls ask of the engine for the next step."""

    num_candidates: (
        int  # of each hypothesis: K + 1, and one more for each that a control may strike out
    )
    named_ids_BKN: np.ndarray | None = None
    with_weights: bool = False


class Candidates(NamedTuple):
    """All that may follow each live hypothesis, and what the engine says beside it."""

    ids_BKC: np.ndarray
    token_log_probs_BKC: np.ndarray  # the model's
    scores_BKC: np.ndarray  # of the whole hypothesis; -inf: struck out
    keys_BKC: np.ndarray  # what the choice goes by: scores, unless a control orders otherwise
    state: Tree
    weights_BKS: np.ndarray | None


class Selection(NamedTuple):
    """The best candidates of each beam, best first."""

    ids_RN: np.ndarray
    token_log_probs_RN: np.ndarray
    scores_RN: np.ndarray
    keys_RN: np.ndarray
    parents_RN: np.ndarray  # flat places among the B*K hypotheses
    ratings_RN: np.ndarray  # the score if it ends here
    upper_bounds_RN: np.ndarray  # an upper bound of every score that can still come of it


class Control(NamedTuple):
    """What one option does to a search: pure functions, each called once a step at its moment,
    state in, state out.

    ask:   before the engine is asked. More candidates, the log-probabilities of named ids, attention weights.
    weigh: of all candidates change `scores` (which add up), or `keys` (which count for this one choice).
    rate:  of those chosen change `ratings` and `upper_bounds`.
    """

    ask: Callable[[StepRequest, BeamState], tuple[StepRequest, BeamState]] | None = None
    weigh: Callable[[Candidates, BeamState], tuple[Candidates, BeamState]] | None = None
    rate: Callable[[Selection, BeamState], tuple[Selection, BeamState]] | None = None


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
    """The best hypotheses of every sentence, in input order: at most `n_best`, at least one, best
    first.

    Of the best 2K candidates, those that end among the first K finish and drop_finished; the best K others
    live on. A sentence stops when no live hypothesis can still beat its `n_best`-th finished one,
    for whatever else is found would not be asked for; or its `num_wanted`-th, if that is given.
    With groups a sentence has several beams of K = beam_size / num_groups, each with candidates and
    an end of its own.

    UserError: sizes that do not fit together; maximum lengths below 1 or not one a sentence;
    log-probabilities that are no numbers.
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
    of_group = beam_size // num_groups
    num_wanted = num_wanted or min(n_best, of_group)
    num_needed = -(
        -n_best // num_groups
    )  # of each group; if fewer finish, truncated ones are added
    live = start(engine, ids_BS, max_lengths_B, bos_id, num_groups)
    # A beam's finished ones, best first, and the score of the last that is wanted; beam g of input
    # row i: i * G + g.
    found: list[list[Hypothesis]] = [[] for _ in range(len(ids_BS) * num_groups)]
    to_beat = np.full(len(found), -np.inf)
    groups_G = np.arange(num_groups)

    while live.rows_B.size:
        request = StepRequest(of_group + 1)
        for control in controls:
            if control.ask:
                request, live = control.ask(request, live)
        candidates = expand(engine, live, request)
        for control in controls:
            if control.weigh:
                candidates, live = control.weigh(candidates, live)
        # The best 2K hold K that live on, as each of K hypotheses can end in one way only. To find
        # them it is enough to ask each hypothesis for its best K + 1: the first K of the beam take
        # at most K from one hypothesis, and so do the best K that do not end, before which a
        # hypothesis has `</s>` but once.
        chosen = choose(candidates, num_groups, 2 * of_group)
        for control in controls:
            if control.rate:
                chosen, live = control.rate(chosen, live)

        beams_R = (
            live.rows_B
            if num_groups == 1
            else (live.rows_B[:, None] * num_groups + groups_G).ravel()
        )
        ends_RN = chosen.ids_RN == eos_id
        some_end = np.count_nonzero(ends_RN)  # several times as fast as `any`
        if some_end:
            finished_RN = ends_RN[:, :of_group] & (chosen.keys_RN[:, :of_group] > -np.inf)
            for r, n in np.argwhere(finished_RN).tolist():
                hypotheses = found[beams_R[r]]
                insort(hypotheses, finished(live, chosen, r, n), key=_by_score)
                del hypotheses[max(num_wanted, num_needed) :]
                if len(hypotheses) >= num_wanted:
                    to_beat[beams_R[r]] = hypotheses[num_wanted - 1].score

        survivors = (
            others(chosen, ends_RN, of_group)
            if some_end
            else Selection(*(x[:, :of_group] for x in chosen))
        )
        extended = extend(live, survivors, candidates.state)
        at_limit_R = (extended.length >= live.max_lengths_B).repeat(num_groups)
        # Hopes are -inf where nothing lives on.
        done_R = (survivors.upper_bounds_RN.max(axis=1) <= to_beat[beams_R]) | at_limit_R
        if np.count_nonzero(done_R):
            for r in np.flatnonzero(done_R).tolist():
                hypotheses = found[beams_R[r]]
                if len(hypotheses) < num_needed:
                    cut = (
                        live if chosen.keys_RN[r, 0] == -np.inf else extended
                    )  # nothing may follow, or not so long
                    hypotheses += truncated(cut, r, num_groups)[: num_needed - len(hypotheses)]
            extended = drop_finished(extended, done_R, num_groups)
        live = extended

    return [
        sorted(chain(*found[i : i + num_groups]), key=_finished_first)[:n_best]
        for i in range(0, len(found), num_groups)
    ]


def _by_score(hypothesis: Hypothesis) -> float:
    return -hypothesis.score


def _finished_first(hypothesis: Hypothesis) -> tuple[bool, float]:
    return hypothesis.truncated, -hypothesis.score


# ---------------------------------------------------------------------------------------- its parts


def start(
    engine: Engine, ids_BS: np.ndarray, max_lengths_B: Any, bos_id: int, num_groups: int = 1
) -> BeamState:
    """One live hypothesis a beam: `<s>`."""
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
        ratings_BK=zeros_BK,
        kept={},
    )


def expand(engine: Engine, live: BeamState, request: StepRequest) -> Candidates:
    """What may follow each live hypothesis, bkc; an id that the engine gives twice, as it was
    named, counts once."""
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
        width, ids_BKC = (
            ids_BKC.shape[2],
            np.maximum(ids_BKC, 0),
        )  # an empty slot is fed to the engine, too
        for c in range(width - request.named_ids_BKN.shape[2], width):
            twice_BK = (ids_BKC[:, :, :c] == ids_BKC[:, :, c : c + 1]).any(axis=2)
            scores_BKC[:, :, c][twice_BK] = -np.inf
    return Candidates(ids_BKC, log_probs_BKC, scores_BKC, scores_BKC, step.state, step.weights_BKS)


def choose(candidates: Candidates, num_groups: int, count: int) -> Selection:
    """The best `count` of every beam by their keys, or fewer where there are fewer."""
    num_sentences, _, width = candidates.keys_BKC.shape
    keys_RN = candidates.keys_BKC.reshape(num_sentences * num_groups, -1)
    flat_RN = flat((-keys_RN).argsort(axis=1, kind="stable")[:, :count], keys_RN.shape[1])
    scores_RN = candidates.scores_BKC.ravel()[flat_RN]
    return Selection(
        ids_RN=candidates.ids_BKC.ravel()[flat_RN],
        token_log_probs_RN=candidates.token_log_probs_BKC.ravel()[flat_RN],
        scores_RN=scores_RN,
        keys_RN=(
            scores_RN if candidates.keys_BKC is candidates.scores_BKC else keys_RN.ravel()[flat_RN]
        ),
        parents_RN=flat_RN // width,
        ratings_RN=scores_RN,
        upper_bounds_RN=scores_RN,
    )


def others(chosen: Selection, ends_RN: np.ndarray, count: int) -> Selection:
    """The best `count` that do not end, in their order; where there are fewer, the rest are emptied
    with -inf."""
    flat_RN = flat(ends_RN.argsort(axis=1, kind="stable")[:, :count], ends_RN.shape[1])
    empty_RN = np.where(ends_RN, -np.inf, 0.0)
    emptied = chosen._replace(
        scores_RN=chosen.scores_RN + empty_RN, upper_bounds_RN=chosen.upper_bounds_RN + empty_RN
    )
    return Selection(*(values_RN.ravel()[flat_RN] for values_RN in emptied))


def flat(order_RN: np.ndarray, width: int) -> np.ndarray:
    """Places in rows of this width as places in the raveled array: many times faster than
    `take_along_axis`."""
    return order_RN + np.arange(0, len(order_RN) * width, width)[:, None]


def extend(live: BeamState, survivors: Selection, state: Tree) -> BeamState:
    """The survivors as the new live hypotheses: each takes over what belongs to its parent."""
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
        ratings_BK=survivors.ratings_RN.reshape(parents_BK.shape),
        kept=map_arrays(of_parents, live.kept),
    )


def drop_finished(live: BeamState, done_R: np.ndarray, num_groups: int) -> BeamState:
    """Without the sentences that are done, so that the engine spends nothing on them, and the beams
    emptied that are done while another of their sentence is not."""
    done_BG = done_R.reshape(-1, num_groups)
    kept_B = np.flatnonzero(~done_BG.all(axis=1))
    if num_groups > 1:
        done_BK = np.repeat(done_BG, live.scores_BK.shape[1] // num_groups, axis=1)
        live = live._replace(scores_BK=np.where(done_BK, -np.inf, live.scores_BK))
    if len(kept_B) == len(done_BG):
        return live
    return map_arrays(lambda leaf: leaf[kept_B], live)


def finished(live: BeamState, chosen: Selection, r: int, n: int) -> Hypothesis:
    """Candidate n of beam r, which ends: its parent and `</s>`."""
    b, k = divmod(int(chosen.parents_RN[r, n]), live.ids_BKT.shape[1])
    token_log_prob = float(chosen.token_log_probs_RN[r, n])
    return Hypothesis(
        ids=tuple(live.ids_BKT[b, k, 1:].tolist()),
        log_prob=float(live.log_probs_BK[b, k]) + token_log_prob,
        score=float(chosen.ratings_RN[r, n]),
        truncated=False,
        token_log_probs=(*live.token_log_probs_BKT[b, k].tolist(), token_log_prob),
    )


def truncated(live: BeamState, r: int, num_groups: int) -> list[Hypothesis]:
    """The live hypotheses of beam r as they stand, without `</s>`, best first."""
    b, g = divmod(r, num_groups)
    of_group = live.scores_BK.shape[1] // num_groups
    slots = [k for k in range(g * of_group, (g + 1) * of_group) if live.scores_BK[b, k] > -np.inf]
    hypotheses = [
        Hypothesis(
            ids=tuple(live.ids_BKT[b, k, 1:].tolist()),
            log_prob=float(live.log_probs_BK[b, k]),
            score=float(live.ratings_BK[b, k]),
            truncated=True,
            token_log_probs=tuple(live.token_log_probs_BKT[b, k].tolist()),
        )
        for k in slots
    ]
    return sorted(hypotheses, key=_by_score)


def append(values_BKT: np.ndarray, last_BK: np.ndarray) -> np.ndarray:
    return np.concatenate([values_BKT, last_BK[:, :, None]], axis=2, dtype=values_BKT.dtype)


def map_arrays(function: Callable[[np.ndarray], np.ndarray], tree: Tree) -> Tree:
    """The same nesting with `function` applied to every array."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: map_arrays(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        branches = [map_arrays(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return function(tree)
