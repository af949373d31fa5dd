"""The controls of search, each a pure function or a few over candidates and search state, and the
dict that holds them.

A control is made for a batch, from the options of the config, if they ask for it; search calls it
at its moments (`nmt.search.beam.Control`) and knows none by name. They act in the dict's order:
what strikes candidates out or changes their scores, then what orders the choice, then what rates
the chosen.
"""

# B sentences   G groups of each, R = B*G beams   K live hypotheses of a sentence   C candidates of a hypothesis
# N chosen candidates of a beam   T tokens so far, the first of them <s>   S source tokens

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nmt.config.loader import DecodingConfig
from nmt.errors import UserError
from nmt.search import constraints
from nmt.search.beam import (
    BeamState,
    Candidates,
    Control,
    Engine,
    Hypothesis,
    Selection,
    StepRequest,
    search,
)
from nmt.search.constraints import SearchBatch, strike
from nmt.search.mbr import minimum_bayes_risk

# ------------------------------------------------------------------------------------------ lengths


def power_penalty(lengths: Any, alpha: float) -> np.ndarray:
    """|y|^alpha. alpha 1 ranks by the mean log-probability of a token (Cho et al., 2014, "On the Properties")."""
    return np.asarray(lengths, np.float64) ** alpha


def gnmt_penalty(lengths: Any, alpha: float) -> np.ndarray:
    """((5 + |y|) / (5 + 1))^alpha (Wu et al., 2016, eq. 14)."""
    return ((5.0 + np.asarray(lengths, np.float64)) / 6.0) ** alpha


# name -> penalty(|y|, alpha): positive, and monotone in |y|, for the stopping rule relies on it.
LENGTH_PENALTIES: dict[str, Callable[[Any, float], np.ndarray]] = {
    "power": power_penalty,
    "gnmt": gnmt_penalty,
}


def maximum_lengths(source_lengths_B: Any, ratio: float, offset: int) -> np.ndarray:
    """floor(ratio * source length) + offset, at least 1 -> b. Counts `</s>`."""
    lengths_B = np.floor(ratio * np.asarray(source_lengths_B, np.float64)).astype(np.int64) + offset
    return np.maximum(lengths_B, 1)


def minimum_lengths(source_lengths_B: Any, ratio: float) -> np.ndarray:
    """floor(ratio * source length) -> b. Counts `</s>`."""
    return np.floor(ratio * np.asarray(source_lengths_B, np.float64)).astype(np.int64)


def length_penalty(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """score = log_prob / penalty(|y|)."""
    if options.length_penalty == 0:
        return None
    longest = int(np.max(batch.max_lengths_B, initial=1))
    lengths_T = np.arange(1, longest + 1)
    penalties_T = LENGTH_PENALTIES[options.penalty](
        np.concatenate([[1], lengths_T]), options.length_penalty
    )

    def rate(chosen: Selection, live: BeamState) -> tuple[Selection, BeamState]:
        length = live.length + 1
        # Tokens to come can only lower a log-probability. So the best a hypothesis can hope for is
        # to lose nothing more and to be divided by the largest penalty ahead: at the maximum length
        # if alpha > 0, at the next token if < 0.
        largest_B = np.maximum(
            penalties_T[min(length + 1, longest)], penalties_T[live.max_lengths_B]
        )
        upper_bounds_RN = (
            chosen.upper_bounds_RN.reshape(len(largest_B), -1) / largest_B[:, None]
        ).reshape(chosen.upper_bounds_RN.shape)
        return (
            chosen._replace(
                ratings_RN=chosen.ratings_RN / penalties_T[length], upper_bounds_RN=upper_bounds_RN
            ),
            live,
        )

    return Control(rate=rate)


def minimum_length(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """No `</s>` before the minimum length."""
    longest = int(np.max(batch.min_lengths_B, initial=0))
    if longest < 2:  # </s> alone has length 1
        return None

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        return request._replace(num_candidates=request.num_candidates + 1), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        if live.length + 1 >= longest:
            return candidates, live
        too_short_B = live.length + 1 < batch.min_lengths_B[live.rows_B]
        return (
            strike(candidates, (candidates.ids_BKC == batch.eos_id) & too_short_B[:, None, None]),
            live,
        )

    return Control(ask=ask, weigh=weigh)


# ----------------------------------------------------------------------------------------- coverage

UNSEEN = float(np.finfo(np.float32).tiny)  # what a position that attention never touched counts as


def coverage_penalty(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """score += beta * sum over source positions of log(min(sum over target of attention, 1)) (Wu et
    al., 2016, eq. 14).

    It is at most 0 and can only grow, so upper_bounds need not know it.
    """
    beta = options.coverage_penalty
    if beta == 0:
        return None
    padding_BS = (batch.source_BS == 0).astype(np.float64)  # counts as covered

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        return request._replace(with_weights=True), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        before = live.kept["coverage"] if live.length else padding_BS[live.rows_B][:, None]
        return candidates, live._replace(
            kept={**live.kept, "coverage": before + candidates.weights_BKS}
        )

    def rate(chosen: Selection, live: BeamState) -> tuple[Selection, BeamState]:
        covered_BKS = np.clip(live.kept["coverage"], UNSEEN, 1.0)
        penalties_BK = beta * np.log(covered_BKS).sum(axis=2)
        return (
            chosen._replace(ratings_RN=chosen.ratings_RN + penalties_BK.ravel()[chosen.parents_RN]),
            live,
        )

    return Control(ask=ask, weigh=weigh, rate=rate)


# --------------------------------------------------------------------------------------- repetition


def no_repeat_ngram(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """No sequence of `no_repeat_ngram_size` tokens occurs twice in a translation (Paulus et al.,
    2018, section 2.5)."""
    size = options.no_repeat_ngram_size
    if size == 0:
        return None

    def repeating_ids(live: BeamState) -> np.ndarray:
        """What would complete an n-gram that is there already -> bkw; -1 where none would."""
        tokens_BKT = live.ids_BKT[:, :, 1:]
        if live.length < size:
            return np.zeros((*live.scores_BK.shape, 0), np.int32)
        windows_BKWN = np.lib.stride_tricks.sliding_window_view(tokens_BKT, size, axis=2)
        tail_BK1N = tokens_BKT[:, :, None, live.length - size + 1 :]
        same_BKW = (windows_BKWN[..., :-1] == tail_BK1N).all(axis=3)
        return np.where(same_BKW, windows_BKWN[..., -1], -1)

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        most = int(np.max((repeating_ids(live) >= 0).sum(axis=2)))
        return request._replace(num_candidates=request.num_candidates + most), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        return strike(candidates, is_among(candidates.ids_BKC, repeating_ids(live))), live

    return Control(ask=ask, weigh=weigh)


def repetition_penalty(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """Search counts the log-probability of a token that the translation has already
    `repetition_penalty` times (after Keskar et al., 2019, section 4.1, who do so with logits)."""
    if options.repetition_penalty == 1:
        return None

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        return request._replace(num_candidates=request.num_candidates + live.length), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        seen_BKC = is_among(candidates.ids_BKC, live.ids_BKT[:, :, 1:])
        surplus_BKC = (options.repetition_penalty - 1) * candidates.token_log_probs_BKC
        scores_BKC = candidates.scores_BKC + np.where(seen_BKC, surplus_BKC, 0.0)
        return candidates._replace(scores_BKC=scores_BKC, keys_BKC=scores_BKC), live

    return Control(ask=ask, weigh=weigh)


def is_among(ids_BKC: np.ndarray, others_BKN: np.ndarray) -> np.ndarray:
    """Whether an id is one of its hypothesis's others -> bkc."""
    return (ids_BKC[:, :, :, None] == others_BKN[:, :, None, :]).any(axis=3)


# ----------------------------------------------------------------------- groups, sampling, stopping


def diverse_groups(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """Diverse beam search with Hamming diversity (Vijayakumar et al., 2016, eq. 5): group g chooses
    by log-probability minus `diversity_penalty` times the number of hypotheses, in the groups
    before it, that this step gave the token.

    The term counts for the choice of its step alone; scores stay log-probabilities.
    """
    num_groups = options.num_beam_groups
    if num_groups == 1:
        return None
    of_group = options.beam_size // num_groups

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        others = options.beam_size - of_group  # tokens that a group may wish to avoid
        return request._replace(num_candidates=request.num_candidates + others), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        num_sentences = len(live.rows_B)
        ids_BGN, keys_BGN = (
            values.reshape(num_sentences, num_groups, -1)
            for values in (candidates.ids_BKC, candidates.keys_BKC)
        )
        keys_BGN, taken_BN = keys_BGN.copy(), np.zeros((num_sentences, 0), ids_BGN.dtype)
        for g in range(num_groups):
            times_BN = (ids_BGN[:, g, :, None] == taken_BN[:, None]).sum(axis=2)
            keys_BGN[:, g] -= options.diversity_penalty * times_BN
            best_BN = np.argsort(-keys_BGN[:, g], axis=1, kind="stable")[:, :of_group]
            best_keys_BN = np.take_along_axis(keys_BGN[:, g], best_BN, axis=1)
            best_ids_BN = np.take_along_axis(ids_BGN[:, g], best_BN, axis=1)
            taken_BN = np.concatenate(
                [taken_BN, np.where(np.isneginf(best_keys_BN), -1, best_ids_BN)], axis=1
            )
        return candidates._replace(keys_BKC=keys_BGN.reshape(candidates.keys_BKC.shape)), live

    return Control(ask=ask, weigh=weigh)


def sampling(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """Each token is drawn from softmax(log_prob / temperature), from the `top_k` likeliest (Fan et
    al., 2018), from the fewest likeliest whose probabilities reach `top_p` (Holtzman et al., 2020),
    or from both (top_k first).

    A draw is where the sum of the probabilities passes a uniform number, which is a pure function
    of seed, source sentence, sample and position: a sentence's samples do not depend on its place
    or its batch-mates.
    """
    if not options.sampling:
        return None
    seeds_B = _mixed(np.full(len(batch.source_BS), options.seed, np.uint64), np.uint64(0))
    for ids_B in batch.source_BS.T:
        seeds_B = np.where(ids_B > 0, _mixed(seeds_B, ids_B), seeds_B)

    def ask(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        count = request.num_candidates + options.top_k if options.top_k else np.iinfo(np.int32).max
        return request._replace(num_candidates=int(count)), live

    def weigh(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        probs_BKC = _softmax(candidates.scores_BKC, options.temperature)
        probs_BKC = _only_top_p(_only_top_k(probs_BKC, options.top_k), options.top_p)
        sums_BKC = np.cumsum(probs_BKC, axis=2)
        samples_K = np.arange(live.ids_BKT.shape[1])
        uniform_BK1 = _uniform(_mixed(_mixed(seeds_B[live.rows_B, None], samples_K), live.length))[
            :, :, None
        ]
        drawn_BK1 = np.argmax(sums_BKC > uniform_BK1 * sums_BKC[:, :, -1:], axis=2)[:, :, None]

        def drawn(values_BKC: np.ndarray) -> np.ndarray:
            return np.take_along_axis(values_BKC, drawn_BK1, axis=2)

        scores_BK1 = drawn(candidates.scores_BKC)
        ids_BK1, token_log_probs_BK1 = (
            drawn(candidates.ids_BKC),
            drawn(candidates.token_log_probs_BKC),
        )
        return (
            candidates._replace(
                ids_BKC=ids_BK1,
                token_log_probs_BKC=token_log_probs_BK1,
                scores_BKC=scores_BK1,
                keys_BKC=scores_BK1,
            ),
            live,
        )

    return Control(ask=ask, weigh=weigh)


def _softmax(scores_BKC: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities; of a slot without a hypothesis, zeros."""
    best_BK1 = scores_BKC.max(axis=2, keepdims=True)
    probs_BKC = np.exp((scores_BKC - np.where(np.isneginf(best_BK1), 0.0, best_BK1)) / temperature)
    return probs_BKC / np.maximum(probs_BKC.sum(axis=2, keepdims=True), 1.0)


def _only_top_k(probs_BKC: np.ndarray, top_k: int) -> np.ndarray:
    if not 0 < top_k < probs_BKC.shape[2]:
        return probs_BKC
    ranks_BKC = np.argsort(np.argsort(-probs_BKC, axis=2, kind="stable"), axis=2)
    return np.where(ranks_BKC < top_k, probs_BKC, 0.0)


def _only_top_p(probs_BKC: np.ndarray, top_p: float) -> np.ndarray:
    """Few tokens reach `top_p` as a rule, so the best 64 are sorted, and more only of the rows that
    need more."""
    if top_p == 1:
        return probs_BKC
    probs_RC = probs_BKC.reshape(-1, probs_BKC.shape[2])
    wanted_R1 = top_p * probs_RC.sum(axis=1, keepdims=True)
    kept_RC = np.zeros_like(probs_RC)
    rows, count = np.arange(len(probs_RC)), 64
    while rows.size:
        count = min(count, probs_RC.shape[1])
        best_RN = np.argpartition(-probs_RC[rows], count - 1, axis=1)[:, :count]
        sorted_RN = probs_RC[rows[:, None], best_RN]
        order_RN = np.argsort(-sorted_RN, axis=1, kind="stable")
        best_RN, sorted_RN = (
            np.take_along_axis(best_RN, order_RN, 1),
            np.take_along_axis(sorted_RN, order_RN, 1),
        )
        sums_RN = np.cumsum(sorted_RN, axis=1)
        kept_RC[rows[:, None], best_RN] = np.where(
            sums_RN - sorted_RN < wanted_R1[rows], sorted_RN, 0.0
        )
        reached_R = (sums_RN[:, -1:] >= wanted_R1[rows])[:, 0]
        rows = rows[~reached_R] if count < probs_RC.shape[1] else rows[:0]
        count *= 8
    return kept_RC.reshape(probs_BKC.shape)


def _mixed(state: np.ndarray, value: Any) -> np.ndarray:
    """One more value into a hash of 64 bits: the finaliser of SplitMix64 (Steele et al., 2014)."""
    with np.errstate(over="ignore"):
        x = state + (np.asarray(value).astype(np.uint64) + np.uint64(1)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _uniform(bits: np.ndarray) -> np.ndarray:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53  # from 0 to below 1


def stopping(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """The rule `first`: as soon as enough have finished, nothing that lives may hope. `best` is
    search's own rule."""
    if options.stopping == "best" and not options.sampling:  # which has but one end to wait for
        return None
    hopeless = np.finfo(np.float64).min

    def rate(chosen: Selection, live: BeamState) -> tuple[Selection, BeamState]:
        return (
            chosen._replace(
                upper_bounds_RN=np.where(np.isneginf(chosen.upper_bounds_RN), -np.inf, hopeless)
            ),
            live,
        )

    return Control(rate=rate)


CONTROLS: dict[str, Callable[[DecodingConfig, SearchBatch], Control | None]] = {
    "minimum_length": minimum_length,
    "no_repeat_ngram": no_repeat_ngram,
    "repetition_penalty": repetition_penalty,
    "banned": lambda options, batch: constraints.banned(batch),
    "copied": lambda options, batch: constraints.copied(batch),
    "forced_prefix": lambda options, batch: constraints.forced_prefix(batch),
    "required": lambda options, batch: constraints.required(batch),
    "diverse_groups": diverse_groups,
    "sampling": sampling,
    "length_penalty": length_penalty,
    "coverage_penalty": coverage_penalty,
    "stopping": stopping,
}


def refuse_impossible(options: DecodingConfig, n_best: int) -> None:
    """UserError if so many translations of a sentence cannot come of these options."""
    if options.sampling and n_best < 1:
        raise UserError(f"n-best must be at least 1, received {n_best}.")
    if not options.sampling and not 1 <= n_best <= options.beam_size:
        raise UserError(
            f"n-best must be from 1 to the beam size ({options.beam_size}), received {n_best}."
            " Widen the beam."
        )


def controlled_search(
    engine: Engine, batch: SearchBatch, options: DecodingConfig, n_best: int = 1
) -> list[list[Hypothesis]]:
    """`search` under the options of a config. Sampling draws `n_best` samples, whatever the beam
    size."""
    beam_size, num_groups = (
        (n_best, n_best) if options.sampling else (options.beam_size, options.num_beam_groups)
    )
    made = {name: make(options, batch) for name, make in CONTROLS.items()}
    num_found = beam_size if options.mbr else n_best
    found = search(
        engine,
        batch.source_BS,
        batch.max_lengths_B,
        beam_size=beam_size,
        # Groups may find the same, so more must be found to choose from.
        n_best=beam_size if options.num_beam_groups > 1 and not made["stopping"] else num_found,
        num_groups=num_groups,
        num_wanted=-(-num_found // num_groups) if made["stopping"] else None,
        controls=[control for control in made.values() if control],
        eos_id=batch.eos_id,
    )
    if options.num_beam_groups > 1:
        found = [distinct(hypotheses) for hypotheses in found]
    if options.mbr:
        found = [minimum_bayes_risk(hypotheses, options.mbr) for hypotheses in found]
    return [hypotheses[:n_best] for hypotheses in found]


def distinct(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """The first of each text."""
    by_ids: dict[tuple[int, ...], Hypothesis] = {}
    for hypothesis in hypotheses:
        by_ids.setdefault(hypothesis.ids, hypothesis)
    return list(by_ids.values())
