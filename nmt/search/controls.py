"""The controls of search: one function per decoding option, and `CONTROLS`, the dict of them.

Each function makes a `Control` for a batch if the config's options ask for one. Search calls the
controls in the order of the dict and knows none by name: first those that mask out candidates or
change their scores, then those that change the order of selection, then those that change final
scores.
"""

# B sentences   G groups of each, R = B*G beams   K live hypotheses of a sentence
# C candidates of a hypothesis   N selected candidates of a beam   S source tokens
# T tokens so far, the first of them <s>   W windows of n tokens

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from nmt.config.schema import MAX_BEAM_SIZE, DecodingConfig
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
from nmt.search.constraints import SearchBatch, mask_out
from nmt.search.mbr import minimum_bayes_risk
from nmt.search.numbers import source_numbers

# ------------------------------------------------------------------------------------------ lengths


def power_penalty(lengths: Any, alpha: float) -> np.ndarray:
    """|y|^alpha. With alpha 1, hypotheses are ranked by mean log-probability per token (Cho et
    al., 2014, "On the Properties of Neural Machine Translation")."""
    return np.asarray(lengths, np.float64) ** alpha


def gnmt_penalty(lengths: Any, alpha: float) -> np.ndarray:
    """((5 + |y|) / (5 + 1))^alpha (Wu et al., 2016, eq. 14)."""
    return ((5.0 + np.asarray(lengths, np.float64)) / 6.0) ** alpha


# name -> penalty(|y|, alpha). Must be positive and monotone in |y|: the upper bounds rely on it.
LENGTH_PENALTIES: dict[str, Callable[[Any, float], np.ndarray]] = {
    "power": power_penalty,
    "gnmt": gnmt_penalty,
}


def maximum_lengths(source_lengths_B: Any, ratio: float, offset: int) -> np.ndarray:
    """The integer part of ratio * source length, plus offset, at least 1 -> b. With `</s>`."""
    lengths_B = np.floor(ratio * np.asarray(source_lengths_B, np.float64)).astype(np.int64) + offset
    return np.maximum(lengths_B, 1)


def minimum_lengths(source_lengths_B: Any, ratio: float) -> np.ndarray:
    """The integer part of ratio * source length -> b. With `</s>`."""
    return np.floor(ratio * np.asarray(source_lengths_B, np.float64)).astype(np.int64)


def length_penalty(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """score = log_prob / penalty(|y|), and log_prob where phrases are required: a translation with
    something unlikely in it would gain by likely tokens that are added to raise its mean."""
    if options.length_penalty == 0:
        return None
    num_sentences = len(batch.source_BS)
    is_penalised_B = np.array([not of_one for of_one in batch.required] or [True] * num_sentences)
    longest = int(np.max(batch.max_lengths_B, initial=1))
    lengths_T = np.arange(1, longest + 1)
    penalties_T = LENGTH_PENALTIES[options.penalty](
        np.concatenate([[1], lengths_T]), options.length_penalty
    )

    def adjust_selection(selection: Selection, live: BeamState) -> tuple[Selection, BeamState]:
        length = live.length + 1
        # Further tokens can only lower a log-probability. The upper bound is therefore the present
        # one divided by the largest penalty ahead: the one of the maximum length if alpha > 0, of
        # the next token if alpha < 0.
        largest_B = np.maximum(
            penalties_T[min(length + 1, longest)], penalties_T[live.max_lengths_B]
        )
        is_penalised_B1 = is_penalised_B[live.rows_B][:, None]

        def divided(values_RN: np.ndarray, penalties: np.ndarray) -> np.ndarray:
            values_BN = values_RN.reshape(len(is_penalised_B1), -1)
            return (values_BN / np.where(is_penalised_B1, penalties, 1.0)).reshape(values_RN.shape)

        selection = selection._replace(
            final_scores_RN=divided(selection.final_scores_RN, penalties_T[length]),
            upper_bounds_RN=divided(selection.upper_bounds_RN, largest_B[:, None]),
        )
        return selection, live

    return Control(adjust_selection=adjust_selection)


def minimum_length(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """No `</s>` before the minimum length."""
    longest = int(np.max(batch.min_lengths_B, initial=0))
    if longest < 2:  # </s> alone has length 1
        return None

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        return request._replace(num_candidates=request.num_candidates + 1), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        if live.length + 1 >= longest:
            return candidates, live
        too_short_B = live.length + 1 < batch.min_lengths_B[live.rows_B]
        is_eos_BKC = candidates.ids_BKC == batch.eos_id
        return mask_out(candidates, is_eos_BKC & too_short_B[:, None, None]), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


# ----------------------------------------------------------------------------------------- coverage

# Coverage of a position without any attention, so that its logarithm is finite.
MIN_COVERAGE = float(np.finfo(np.float32).tiny)


class Coverage(NamedTuple):
    """The sum of the attention weights of each hypothesis so far; 1 on padding."""

    weights_BKS: np.ndarray


def coverage_penalty(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """score += beta * sum over source positions of log(min(sum over target of attention, 1)) (Wu et
    al., 2016, eq. 14).

    The term is at most 0 and can only grow, so upper bounds without it hold.
    """
    beta = options.coverage_penalty
    if beta == 0:
        return None
    padding_BS = (batch.source_BS == 0).astype(np.float64)

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        return request._replace(with_weights=True), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        is_first = live.length == 0
        before = (
            Coverage(padding_BS[live.rows_B][:, None]) if is_first else live.control_state(Coverage)
        )
        coverage = Coverage(before.weights_BKS + candidates.weights_BKS)
        return candidates, live.with_control_state(coverage)

    def adjust_selection(selection: Selection, live: BeamState) -> tuple[Selection, BeamState]:
        covered_BKS = np.clip(live.control_state(Coverage).weights_BKS, MIN_COVERAGE, 1.0)
        penalties_BK = beta * np.log(covered_BKS).sum(axis=2)
        final_scores_RN = selection.final_scores_RN + penalties_BK.ravel()[selection.parents_RN]
        return selection._replace(final_scores_RN=final_scores_RN), live

    return Control(
        adjust_request=adjust_request,
        adjust_candidates=adjust_candidates,
        adjust_selection=adjust_selection,
    )


# --------------------------------------------------------------------------------------- repetition


def no_repeat_ngram(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """No sequence of `no_repeat_ngram_size` tokens occurs twice in a translation (Paulus et al.,
    2018, section 2.5). Digits are left to `source_numbers`, if it is on: 100000 repeats 00."""
    size = options.no_repeat_ngram_size
    if size == 0:
        return None

    def repeating_ids(live: BeamState) -> np.ndarray:
        """Ids that would complete an n-gram a second time -> bkw; -1 marks empty slots."""
        tokens_BKT = live.ids_BKT[:, :, 1:]
        if live.length < size:
            return np.zeros((*live.scores_BK.shape, 0), np.int32)
        windows_BKWN = np.lib.stride_tricks.sliding_window_view(tokens_BKT, size, axis=2)
        tail_BK1N = tokens_BKT[:, :, None, live.length - size + 1 :]
        same_BKW = (windows_BKWN[..., :-1] == tail_BK1N).all(axis=3)
        return np.where(same_BKW, windows_BKWN[..., -1], -1)

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        most = int(np.max((repeating_ids(live) >= 0).sum(axis=2)))
        return request._replace(num_candidates=request.num_candidates + most), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        repeats_BKC = is_among(candidates.ids_BKC, repeating_ids(live))
        if batch.digit_pieces is not None:
            repeats_BKC &= batch.digit_pieces.digit_V[np.maximum(candidates.ids_BKC, 0)] < 0
        return mask_out(candidates, repeats_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


def repetition_penalty(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """score += repetition_penalty * log-probability for a token that the translation already
    contains (after Keskar et al., 2019, section 4.1, who penalise logits)."""
    if options.repetition_penalty == 1:
        return None

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        return request._replace(num_candidates=request.num_candidates + live.length), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        seen_BKC = is_among(candidates.ids_BKC, live.ids_BKT[:, :, 1:])
        log_probs_BKC = candidates.token_log_probs_BKC.astype(np.float64)  # as scores are summed
        surplus_BKC = (options.repetition_penalty - 1) * log_probs_BKC
        scores_BKC = candidates.scores_BKC + np.where(seen_BKC, surplus_BKC, 0.0)
        return candidates._replace(scores_BKC=scores_BKC, sort_keys_BKC=scores_BKC), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


def is_among(ids_BKC: np.ndarray, known_ids_BKN: np.ndarray) -> np.ndarray:
    """Whether each id is one of the known ids of its hypothesis -> bkc."""
    return (ids_BKC[:, :, :, None] == known_ids_BKN[:, :, None, :]).any(axis=3)


# ----------------------------------------------------------------------- groups, sampling, stopping


def diverse_groups(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """Diverse beam search with Hamming diversity (Vijayakumar et al., 2016, eq. 5).

    Group g sorts its candidates by log-probability minus `diversity_penalty` times the number of
    hypotheses of earlier groups that take the same token at this step. The term affects this step's
    selection only; scores stay log-probabilities.
    """
    num_groups = options.num_beam_groups
    if num_groups == 1:
        return None
    group_size = options.beam_size // num_groups

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        num_taken = options.beam_size - group_size  # tokens that earlier groups may have taken
        return request._replace(num_candidates=request.num_candidates + num_taken), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        num_sentences = len(live.rows_B)
        ids_BGN, keys_BGN = (
            values.reshape(num_sentences, num_groups, -1)
            for values in (candidates.ids_BKC, candidates.sort_keys_BKC)
        )
        keys_BGN, taken_BN = keys_BGN.copy(), np.zeros((num_sentences, 0), ids_BGN.dtype)
        for g in range(num_groups):
            times_BN = (ids_BGN[:, g, :, None] == taken_BN[:, None]).sum(axis=2)
            keys_BGN[:, g] -= options.diversity_penalty * times_BN
            best_BN = np.argsort(-keys_BGN[:, g], axis=1, kind="stable")[:, :group_size]
            best_keys_BN = np.take_along_axis(keys_BGN[:, g], best_BN, axis=1)
            best_ids_BN = np.take_along_axis(ids_BGN[:, g], best_BN, axis=1)
            taken_BN = np.concatenate(
                [taken_BN, np.where(np.isneginf(best_keys_BN), -1, best_ids_BN)], axis=1
            )
        return candidates._replace(
            sort_keys_BKC=keys_BGN.reshape(candidates.sort_keys_BKC.shape)
        ), live

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


def sampling(options: DecodingConfig, batch: SearchBatch) -> Control | None:
    """Each token is drawn from softmax(log_prob / temperature), restricted to the `top_k` likeliest
    (Fan et al., 2018), then to the fewest likeliest whose probabilities reach `top_p` (Holtzman et
    al., 2020).

    The token drawn is the first at which the cumulative probability exceeds a uniform number. That
    number is a pure function of seed, source sentence, sample and position, so a sentence's samples
    depend neither on its place nor on its batch.
    """
    if not options.sampling:
        return None
    seeds_B = _mix_in(np.full(len(batch.source_BS), options.seed, np.uint64), np.uint64(0))
    for ids_B in batch.source_BS.T:
        seeds_B = np.where(ids_B > 0, _mix_in(seeds_B, ids_B), seeds_B)

    def adjust_request(request: StepRequest, live: BeamState) -> tuple[StepRequest, BeamState]:
        count = request.num_candidates + options.top_k if options.top_k else np.iinfo(np.int32).max
        return request._replace(num_candidates=int(count)), live

    def adjust_candidates(candidates: Candidates, live: BeamState) -> tuple[Candidates, BeamState]:
        probs_BKC = _softmax(candidates.scores_BKC, options.temperature)
        probs_BKC = _only_top_p(_only_top_k(probs_BKC, options.top_k), options.top_p)
        sums_BKC = np.cumsum(probs_BKC, axis=2)
        samples_K = np.arange(live.ids_BKT.shape[1])
        uniform_BK1 = _uniform(
            _mix_in(_mix_in(seeds_B[live.rows_B, None], samples_K), live.length)
        )[:, :, None]
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
                sort_keys_BKC=scores_BK1,
            ),
            live,
        )

    return Control(adjust_request=adjust_request, adjust_candidates=adjust_candidates)


def _softmax(scores_BKC: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities; zeros for empty slots."""
    best_BK1 = scores_BKC.max(axis=2, keepdims=True)
    probs_BKC = np.exp((scores_BKC - np.where(np.isneginf(best_BK1), 0.0, best_BK1)) / temperature)
    return probs_BKC / np.maximum(probs_BKC.sum(axis=2, keepdims=True), 1.0)


def _only_top_k(probs_BKC: np.ndarray, top_k: int) -> np.ndarray:
    if not 0 < top_k < probs_BKC.shape[2]:
        return probs_BKC
    ranks_BKC = np.argsort(np.argsort(-probs_BKC, axis=2, kind="stable"), axis=2)
    return np.where(ranks_BKC < top_k, probs_BKC, 0.0)


def _only_top_p(probs_BKC: np.ndarray, top_p: float) -> np.ndarray:
    """Sorts the best 64 of each row, which usually reach `top_p`, and more only where needed."""
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


def _mix_in(state: np.ndarray, value: Any) -> np.ndarray:
    """Mixes a value into a 64-bit hash, by the finaliser of SplitMix64 (Steele et al., 2014)."""
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
    """Rule `first`: stop once enough hypotheses have finished. `best` is the rule of `search`."""
    if options.stopping == "best" and not options.sampling:  # a sample finishes only once
        return None
    lowest = np.finfo(np.float64).min  # above the -inf of an empty slot

    def adjust_selection(selection: Selection, live: BeamState) -> tuple[Selection, BeamState]:
        is_empty_RN = np.isneginf(selection.upper_bounds_RN)
        return selection._replace(upper_bounds_RN=np.where(is_empty_RN, -np.inf, lowest)), live

    return Control(adjust_selection=adjust_selection)


CONTROLS: dict[str, Callable[[DecodingConfig, SearchBatch], Control | None]] = {
    "minimum_length": minimum_length,
    "no_repeat_ngram": no_repeat_ngram,
    "repetition_penalty": repetition_penalty,
    "source_numbers": lambda options, batch: source_numbers(batch),
    "banned": lambda options, batch: constraints.banned_phrases(batch),
    "copied": lambda options, batch: constraints.copied_symbols(batch),
    "forced_prefix": lambda options, batch: constraints.forced_prefix(batch),
    "required": lambda options, batch: constraints.required_phrases(batch),
    "diverse_groups": diverse_groups,
    "sampling": sampling,
    "length_penalty": length_penalty,
    "coverage_penalty": coverage_penalty,
    "stopping": stopping,
}


def check_n_best(options: DecodingConfig, n_best: int) -> None:
    """UserError if these options cannot give so many translations per sentence."""
    if n_best < 1:
        raise UserError(f"n-best must be at least 1, received {n_best}.")
    if n_best > MAX_BEAM_SIZE:
        raise UserError(f"n-best must be at most {MAX_BEAM_SIZE}, received {n_best}.")
    if not options.sampling and n_best > options.beam_size:
        raise UserError(
            f"n-best must be at most the beam size ({options.beam_size}), received {n_best}."
            " Widen the beam."
        )


def controlled_search(
    engine: Engine, batch: SearchBatch, options: DecodingConfig, n_best: int = 1
) -> list[list[Hypothesis]]:
    """`search` with the options of a config. Sampling draws `n_best` samples, whatever the beam
    size."""
    beam_size, num_groups = (
        (n_best, n_best) if options.sampling else (options.beam_size, options.num_beam_groups)
    )
    controls = {name: make(options, batch) for name, make in CONTROLS.items()}
    num_found = beam_size if options.mbr else n_best
    found = search(
        engine,
        batch.source_BS,
        batch.max_lengths_B,
        beam_size=beam_size,
        # Groups may find the same hypotheses, so more are needed to choose from.
        n_best=beam_size if options.num_beam_groups > 1 and not controls["stopping"] else num_found,
        num_groups=num_groups,
        num_wanted=-(-num_found // num_groups) if controls["stopping"] else None,
        controls=[control for control in controls.values() if control],
        eos_id=batch.eos_id,
    )
    if options.num_beam_groups > 1:
        found = [distinct(hypotheses) for hypotheses in found]
    if options.mbr:
        found = [minimum_bayes_risk(hypotheses, options.mbr) for hypotheses in found]
    return [hypotheses[:n_best] for hypotheses in found]


def distinct(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Without duplicates; the first of each is kept."""
    by_ids: dict[tuple[int, ...], Hypothesis] = {}
    for hypothesis in hypotheses:
        by_ids.setdefault(hypothesis.ids, hypothesis)
    return list(by_ids.values())
