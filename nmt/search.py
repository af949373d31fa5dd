"""Greedy and beam search: pure functions in NumPy over an engine that does the arithmetic; no model is known here.

    candidates = expand(engine, live)      the one place where an engine is asked and hypotheses are compared
    live       = extend(live, candidates)  state in, state out

Lengths. `|y|` and a maximum length both count every emitted token, `</s>` included: a sentence with maximum length 3
ends as `a b </s>` or is cut after `a b c`. A hypothesis cut there, or because nothing may follow it, is *truncated*:
its log-probability lacks `</s>`, and it ranks behind every finished one.

Log-probabilities are summed in float64, and ties go to the better parent, then to the engine's order, so that a
sentence is searched alike alone and in any batch.
"""

# B sentences still searched   K live hypotheses of each   C candidates of a hypothesis   N candidates of a sentence
# S source tokens   T tokens so far, the first of them <s>

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from nmt.errors import UserError

Tree = Any  # nested tuples, named tuples, lists, dicts and None, with arrays as leaves


class Step(NamedTuple):
    """What an engine answers to one step of K hypotheses of each sentence."""

    log_probs_BKC: np.ndarray  # float32, natural logarithm, the model's own but for -inf where an id is forbidden
    ids_BKC: np.ndarray  # int32
    state: Tree  # leaves bk...
    weights_BKS: np.ndarray | None = None  # float32, the attention that predicted these candidates; if asked for


class Engine(Protocol):
    """What a search asks of a model. Ids that must never be emitted are masked by the engine, with -inf, after the
    softmax, so that the other log-probabilities stay the model's own."""

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

        The first `num_candidates` on the C axis are the best of each row, descending. Where that is the vocabulary's
        size or more, they are the whole row instead, all V ids in their own order, unsorted. After them come the N
        `named_ids_BKN` of the row, in the order given (again, if they are among the best); the id -1 names nothing
        and gets -inf, and so does a forbidden id.

        K is 1 at first, then the beam size. `with_weights` asks for the attention weights bks of this step.
        """


@dataclass(frozen=True)
class Hypothesis:
    """One translation. `ids` has neither `<s>` nor `</s>`; the log-probabilities count `</s>`, unless truncated."""

    ids: tuple[int, ...]
    log_prob: float
    score: float  # log_prob / length penalty: what hypotheses are ranked by
    truncated: bool
    token_log_probs: tuple[float, ...]


@dataclass(frozen=True)
class Live:
    """Everything about the sentences still searched. A slot that holds no hypothesis has log-probability -inf."""

    rows_B: np.ndarray  # the place of each sentence in the input
    max_lengths_B: np.ndarray
    memory: Tree
    state: Tree
    ids_BKT: np.ndarray
    token_log_probs_BKT: np.ndarray  # of all but <s>, so one shorter than ids
    log_probs_BK: np.ndarray  # descending

    @property
    def length(self) -> int:
        return self.token_log_probs_BKT.shape[2]


@dataclass(frozen=True)
class Candidates:
    """Continuations of a sentence's live hypotheses, best first, and the decoder state that led to them."""

    parents_BN: np.ndarray
    ids_BN: np.ndarray
    token_log_probs_BN: np.ndarray
    log_probs_BN: np.ndarray  # of the whole hypothesis
    state: Tree


# ---------------------------------------------------------------------------------------------- length penalties


def power_penalty(lengths: Any, alpha: float) -> np.ndarray:
    """|y|^alpha. alpha 1 ranks by the mean log-probability of a token (Cho et al., 2014, "On the Properties")."""
    return np.asarray(lengths, np.float64) ** alpha


def gnmt_penalty(lengths: Any, alpha: float) -> np.ndarray:
    """((5 + |y|) / (5 + 1))^alpha (Wu et al., 2016, eq. 14, without its coverage term)."""
    return ((5.0 + np.asarray(lengths, np.float64)) / 6.0) ** alpha


# name -> penalty(|y|, alpha): positive, and monotone in |y|, for the stopping rule relies on it.
LENGTH_PENALTIES: dict[str, Callable[[Any, float], np.ndarray]] = {"power": power_penalty, "gnmt": gnmt_penalty}


def maximum_lengths(source_lengths_B: Any, ratio: float, offset: int, limit: int | None = None) -> np.ndarray:
    """floor(ratio * source length) + offset, at most `limit` and at least 1 -> b. Counts `</s>`."""
    lengths_B = np.floor(ratio * np.asarray(source_lengths_B, np.float64)).astype(np.int64) + offset
    return np.clip(lengths_B, 1, limit)


# ------------------------------------------------------------------------------------------------ the two searches


def greedy(
    engine: Engine, ids_BS: np.ndarray, max_lengths_B: Any, *, bos_id: int = 2, eos_id: int = 3
) -> list[Hypothesis]:
    """The likeliest token at every step. One hypothesis a sentence, in input order; its score is its log-probability.

    UserError: maximum lengths below 1 or not one a sentence; log-probabilities that are no numbers.
    """
    results: dict[int, Hypothesis] = {}
    live = start(engine, ids_BS, max_lengths_B, bos_id)
    while live.rows_B.size:
        candidates = expand(engine, live, eos_id, of_each=1, of_all=1)
        extended = extend(live, candidates)
        stuck_B = np.isneginf(candidates.log_probs_BN[:, 0])
        ended_B = ~stuck_B & (candidates.ids_BN[:, 0] == eos_id)
        done_B = stuck_B | ended_B | (extended.length >= live.max_lengths_B)
        for b in np.flatnonzero(done_B).tolist():
            if ended_B[b]:
                hypothesis = finished(live, candidates, b, 0)
            else:
                hypothesis = truncated(live if stuck_B[b] else extended, b, 0)
            results[int(live.rows_B[b])] = hypothesis
        live = leave(extended, done_B)
    return [results[row] for row in range(len(results))]


def beam_search(
    engine: Engine,
    ids_BS: np.ndarray,
    max_lengths_B: Any,
    *,
    beam_size: int,
    length_penalty: float = 0.0,
    penalty: str = "power",
    n_best: int = 1,
    bos_id: int = 2,
    eos_id: int = 3,
) -> list[list[Hypothesis]]:
    """The best hypotheses of every sentence, in input order: at most `n_best`, at least one, best first.

    Of the best 2K candidates, those that end among the first K finish and leave; the best K others live on. A sentence
    stops when no live hypothesis can still beat its K-th finished one. A hypothesis scores
    log_prob / LENGTH_PENALTIES[penalty](|y|, length_penalty).

    UserError: beam_size below 1, n_best outside 1..beam_size, a penalty of no known name or not finite; as `greedy`.
    """
    if beam_size < 1:
        raise UserError(f"beam_size must be at least 1. Received: {beam_size}. Beam size 1 is greedy search.")
    if not 1 <= n_best <= beam_size:
        raise UserError(
            f"n_best must be from 1 to beam_size ({beam_size}). Received: {n_best}. Ask for fewer, or widen the beam."
        )
    if penalty not in LENGTH_PENALTIES:
        raise UserError(f"penalty must be one of {', '.join(LENGTH_PENALTIES)}. Received: {penalty!r}.")
    if not math.isfinite(length_penalty):
        raise UserError(f"length_penalty must be a finite number. Received: {length_penalty}. 0 is no penalty.")

    def penalise(lengths: Any) -> np.ndarray:
        return LENGTH_PENALTIES[penalty](lengths, length_penalty)

    results: dict[int, list[Hypothesis]] = {}
    live = start(engine, ids_BS, max_lengths_B, bos_id)
    best: list[list[Hypothesis]] = [[] for _ in live.rows_B]  # input row -> its finished ones, at most K, best first
    kth_scores = np.full(len(best), -np.inf)  # input row -> score of the K-th finished one, if there are so many

    while live.rows_B.size:
        # The best 2K hold K that live on, as each of K hypotheses can end in one way only. To find them it is enough to
        # ask each hypothesis for its best K + 1: the first K of the sentence take at most K from one hypothesis, and so
        # do the best K that do not end, before which a hypothesis has `</s>` but once.
        candidates = expand(engine, live, eos_id, of_each=beam_size + 1, of_all=2 * beam_size)
        ends_BN = candidates.ids_BN == eos_id
        for b, n in np.argwhere(ends_BN[:, :beam_size] & np.isfinite(candidates.log_probs_BN[:, :beam_size])).tolist():
            row = live.rows_B[b]
            hypothesis = finished(live, candidates, b, n, penalise)
            best[row] = ranked([*best[row], hypothesis])[:beam_size]
            if len(best[row]) == beam_size:
                kth_scores[row] = best[row][-1].score

        extended = extend(live, without_ends(candidates, ends_BN, beam_size))
        # Tokens to come can only lower a log-probability. So the best a hypothesis can hope for is to lose nothing more
        # and to be divided by the largest penalty ahead: at the maximum length if alpha > 0, at the next token if < 0.
        largest_penalty_B = np.maximum(penalise(extended.length + 1), penalise(live.max_lengths_B))
        beaten_B = extended.log_probs_BK[:, 0] / largest_penalty_B <= kth_scores[live.rows_B]
        stuck_B = np.isneginf(extended.log_probs_BK[:, 0])
        done_B = beaten_B | stuck_B | (extended.length >= live.max_lengths_B)
        nothing_follows_B = np.isneginf(candidates.log_probs_BN[:, 0])
        for b in np.flatnonzero(done_B).tolist():
            row = int(live.rows_B[b])
            results[row] = best[row][:n_best]
            if len(results[row]) < n_best:
                cut = live if nothing_follows_B[b] else extended
                slots = np.flatnonzero(np.isfinite(cut.log_probs_BK[b])).tolist()
                results[row] = (results[row] + ranked(truncated(cut, b, k, penalise) for k in slots))[:n_best]
        live = leave(extended, done_B)
    return [results[row] for row in range(len(results))]


# --------------------------------------------------------------------------------------------------- their parts


def start(engine: Engine, ids_BS: np.ndarray, max_lengths_B: Any, bos_id: int) -> Live:
    """One live hypothesis a sentence: `<s>`."""
    max_lengths_B = np.asarray(max_lengths_B)
    num_sentences = len(ids_BS)
    if max_lengths_B.shape != (num_sentences,):
        raise UserError(
            f"max_lengths_B must hold one length for each of {num_sentences} sentences. Received shape: "
            f"{max_lengths_B.shape}. See maximum_lengths."
        )
    if num_sentences and max_lengths_B.min() < 1:
        raise UserError(f"Maximum lengths must be at least 1, as </s> counts. Received: {max_lengths_B.min()}.")
    memory, state = engine.encode(ids_BS) if num_sentences else (None, None)
    return Live(
        rows_B=np.arange(num_sentences),
        max_lengths_B=max_lengths_B,
        memory=memory,
        state=state,
        ids_BKT=np.full((num_sentences, 1, 1), bos_id, np.int32),
        token_log_probs_BKT=np.zeros((num_sentences, 1, 0)),
        log_probs_BK=np.zeros((num_sentences, 1)),
    )


def expand(engine: Engine, live: Live, eos_id: int, *, of_each: int, of_all: int) -> Candidates:
    """The best `of_all` candidates of every sentence, among the best `of_each` of each of its live hypotheses."""
    log_probs_BKC, ids_BKC, state, _ = engine.step(live.ids_BKT[:, :, -1], live.state, live.memory, of_each)
    if not np.all(log_probs_BKC < np.inf):  # false for NaN, too
        raise UserError(
            f"Log-probabilities must be numbers below infinity. Received NaN or +inf for token {live.length + 1}. The "
            "weights have probably diverged in training: take an earlier checkpoint."
        )
    missing = of_each - log_probs_BKC.shape[2]
    if missing > 0:  # a vocabulary smaller than the beam
        log_probs_BKC = np.pad(log_probs_BKC, ((0, 0), (0, 0), (0, missing)), constant_values=-np.inf)
        ids_BKC = np.pad(ids_BKC, ((0, 0), (0, 0), (0, missing)), constant_values=eos_id)

    num_sentences, _, width = log_probs_BKC.shape
    token_log_probs_BN = log_probs_BKC.reshape(num_sentences, -1).astype(np.float64)
    log_probs_BN = (live.log_probs_BK[:, :, None] + log_probs_BKC).reshape(num_sentences, -1)
    order_BN = np.argsort(-log_probs_BN, axis=1, kind="stable")[:, :of_all]
    return Candidates(
        parents_BN=order_BN // width,
        ids_BN=np.take_along_axis(ids_BKC.reshape(num_sentences, -1), order_BN, axis=1),
        token_log_probs_BN=np.take_along_axis(token_log_probs_BN, order_BN, axis=1),
        log_probs_BN=np.take_along_axis(log_probs_BN, order_BN, axis=1),
        state=state,
    )


def without_ends(candidates: Candidates, ends_BN: np.ndarray, beam_size: int) -> Candidates:
    """The best K that do not end, in their order; where there are fewer, the rest are emptied with -inf."""
    order_BK = np.argsort(ends_BN, axis=1, kind="stable")[:, :beam_size]
    log_probs_BN = np.where(ends_BN, -np.inf, candidates.log_probs_BN)
    return Candidates(
        parents_BN=np.take_along_axis(candidates.parents_BN, order_BK, axis=1),
        ids_BN=np.take_along_axis(candidates.ids_BN, order_BK, axis=1),
        token_log_probs_BN=np.take_along_axis(candidates.token_log_probs_BN, order_BK, axis=1),
        log_probs_BN=np.take_along_axis(log_probs_BN, order_BK, axis=1),
        state=candidates.state,
    )


def extend(live: Live, candidates: Candidates) -> Live:
    """The candidates as the new live hypotheses: each takes over what belongs to its parent."""
    parents_BK = candidates.parents_BN
    rows_B1 = np.arange(len(parents_BK))[:, None]

    def of_parents(leaf: np.ndarray) -> np.ndarray:
        return leaf[rows_B1, parents_BK]

    return replace(
        live,
        state=map_arrays(of_parents, candidates.state),
        ids_BKT=append(of_parents(live.ids_BKT), candidates.ids_BN),
        token_log_probs_BKT=append(of_parents(live.token_log_probs_BKT), candidates.token_log_probs_BN),
        log_probs_BK=candidates.log_probs_BN,
    )


def leave(live: Live, done_B: np.ndarray) -> Live:
    """Without the sentences that are done, so that the engine spends nothing on them."""
    if not done_B.any():
        return live
    kept_B = np.flatnonzero(~done_B)

    def kept(leaf: np.ndarray) -> np.ndarray:
        return leaf[kept_B]

    return Live(
        rows_B=kept(live.rows_B),
        max_lengths_B=kept(live.max_lengths_B),
        memory=map_arrays(kept, live.memory),
        state=map_arrays(kept, live.state),
        ids_BKT=kept(live.ids_BKT),
        token_log_probs_BKT=kept(live.token_log_probs_BKT),
        log_probs_BK=kept(live.log_probs_BK),
    )


def no_penalty(length: int) -> float:
    return 1.0


def finished(
    live: Live, candidates: Candidates, b: int, n: int, penalise: Callable[[int], Any] = no_penalty
) -> Hypothesis:
    """Candidate n of sentence b, which ends: its parent and `</s>`."""
    k = candidates.parents_BN[b, n]
    log_prob = float(candidates.log_probs_BN[b, n])
    return Hypothesis(
        ids=tuple(live.ids_BKT[b, k, 1:].tolist()),
        log_prob=log_prob,
        score=log_prob / float(penalise(live.length + 1)),
        truncated=False,
        token_log_probs=(*live.token_log_probs_BKT[b, k].tolist(), float(candidates.token_log_probs_BN[b, n])),
    )


def truncated(live: Live, b: int, k: int, penalise: Callable[[int], Any] = no_penalty) -> Hypothesis:
    """Live hypothesis k of sentence b as it stands, without `</s>`."""
    log_prob = float(live.log_probs_BK[b, k])
    return Hypothesis(
        ids=tuple(live.ids_BKT[b, k, 1:].tolist()),
        log_prob=log_prob,
        score=log_prob / float(penalise(max(live.length, 1))),  # 0^alpha: nothing could follow <s>
        truncated=True,
        token_log_probs=tuple(live.token_log_probs_BKT[b, k].tolist()),
    )


def ranked(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Best score first; among equals, the one that came first."""
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)


def append(values_BKT: np.ndarray, last_BK: np.ndarray) -> np.ndarray:
    return np.concatenate([values_BKT, last_BK[:, :, None].astype(values_BKT.dtype)], axis=2)


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
