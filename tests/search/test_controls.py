"""The controls of search over tables: by hand, and against search without controls on a changed
table.

A control that masks out tokens equals invariant 3 on a table without them; one that changes scores
equals invariant 3 on a table with those scores. The log-probabilities always stay those of the
original table (invariant 2).
"""

import itertools
import math

import numpy as np
import pytest
from fixtures.search import (
    EOS,
    TableEngine,
    beam_search,
    beam_search_oracle,
    every_hypothesis,
    greedy,
    one,
    options_of,
    penalty_of,
    random_table,
    random_weights,
    sentences,
    summary,
    table_engine,
    words,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.loader import ConfigError, parse_config
from nmt.errors import UserError
from nmt.search.beam import Control
from nmt.search.constraints import SearchBatch
from nmt.search.controls import (
    CONTROLS,
    check_n_best,
    controlled_search,
    maximum_lengths,
    minimum_lengths,
)

seeds = st.integers(0, 10**6)
beam_sizes = st.integers(1, 4)


def assert_invariant_2(hypothesis, table, sentence):
    tokens = hypothesis.ids if hypothesis.truncated else (*hypothesis.ids, EOS)
    by_table = [table(sentence, tokens[:t])[token] for t, token in enumerate(tokens)]
    np.testing.assert_allclose(hypothesis.token_log_probs, by_table)
    assert hypothesis.log_prob == pytest.approx(sum(by_table))


# ------------------------------------------------------------------------------------------ lengths


def test_lengths_grow_with_the_source():
    assert maximum_lengths(np.array([1, 10, 100]), ratio=1.5, offset=5).tolist() == [6, 20, 155]
    assert maximum_lengths([0, 1], ratio=0.5, offset=0).tolist() == [1, 1]
    assert minimum_lengths([1, 10, 100], ratio=0.25).tolist() == [0, 2, 25]


def test_a_minimum_length_counts_the_end():
    engine = table_engine(
        {"<s>": {"</s>": 0.9, "a": 0.1}, "a": {"</s>": 0.9, "b": 0.1}, "b": {"</s>": 1.0}}
    )
    found = [words(greedy(engine, *one(), min_lengths=[minimum])[0]) for minimum in (0, 1, 2, 3)]
    assert found == ["", "", "a", "a b"]


# -------------------------------------------- controls that mask out or change scores: by an oracle


def without_short_ones(table, minimum):
    def changed(sentence, tokens):
        log_probs = table(sentence, tokens).copy()
        if len(tokens) + 1 < minimum:
            log_probs[EOS] = -np.inf
        return log_probs

    return changed


def without_repeated_ngrams(table, size):
    def changed(sentence, tokens):
        log_probs = table(sentence, tokens).copy()
        ngrams = {tokens[i : i + size] for i in range(len(tokens) - size + 1)}
        for token in range(len(log_probs)):
            if (*tokens, token)[-size:] in ngrams:
                log_probs[token] = -np.inf
        return log_probs

    return changed


def with_dearer_repetitions(table, factor):
    def changed(sentence, tokens):
        log_probs = table(sentence, tokens).copy()
        for token in set(tokens):
            log_probs[token] *= factor
        return log_probs

    return changed


@settings(deadline=None, max_examples=80)
@given(
    seed=seeds,
    ties=st.booleans(),
    max_lengths=st.lists(st.integers(2, 9), min_size=1, max_size=3),
    beam_size=beam_sizes,
    minimum=st.integers(0, 5),
    size=st.integers(0, 3),
    factor=st.sampled_from([1.0, 1.3, 3.0]),
    penalty=st.sampled_from([("power", 0.0), ("power", 1.0), ("gnmt", 0.8)]),
)
def test_controls_equal_search_on_a_changed_table(
    seed, ties, max_lengths, beam_size, minimum, size, factor, penalty
):
    table = random_table(seed, vocabulary=7, ties=ties, sharpness=2.0)
    changed = with_dearer_repetitions(table, factor)
    changed = without_short_ones(
        without_repeated_ngrams(changed, size) if size else changed, minimum
    )
    ids_BS, (name, alpha) = sentences(len(max_lengths)), penalty
    found = beam_search(
        TableEngine(table),
        ids_BS,
        np.array(max_lengths),
        beam_size=beam_size,
        n_best=beam_size,
        penalty=name,
        length_penalty=alpha,
        min_lengths=[minimum] * len(ids_BS),
        no_repeat_ngram_size=size,
        repetition_penalty=factor,
    )
    for sentence, max_length, hypotheses in zip(
        ids_BS[:, 0].tolist(), max_lengths, found, strict=True
    ):
        expected = beam_search_oracle(
            changed, sentence, max_length, beam_size, penalty_of(name, alpha)
        )
        assert [(ids, cut) for ids, cut, _ in map(summary, hypotheses)] == [
            (ids, cut) for ids, cut, _ in expected
        ]
        for hypothesis, (_, _, score) in zip(hypotheses, expected, strict=True):
            assert hypothesis.score == pytest.approx(score)
            assert_invariant_2(hypothesis, table, sentence)


@pytest.mark.parametrize("size", [1, 2])
def test_a_wide_beam_without_repeated_ngrams_finds_what_brute_force_finds(size):
    table = random_table(5, vocabulary=6)
    [found] = beam_search(
        TableEngine(table), *one(6), beam_size=64, n_best=64, no_repeat_ngram_size=size
    )
    expected = every_hypothesis(without_repeated_ngrams(table, size), 7, 6, lambda length: 1.0)
    assert [summary(hypothesis) for hypothesis in found] == expected[:64]
    for ids in (hypothesis.ids for hypothesis in found):
        ngrams = [ids[i : i + size] for i in range(len(ids) - size + 1)]
        assert len(set(ngrams)) == len(ngrams)


def test_a_repetition_penalty_multiplies_the_log_probability_of_a_repeated_token():
    engine = table_engine(
        {"<s>": {"a": 0.5}, "a": {"a": 0.6, "b": 0.4}, "a a": {"</s>": 0.5}, "b": {"</s>": 0.5}}
    )
    [[hypothesis]] = beam_search(engine, *one(), beam_size=1, repetition_penalty=1.5)
    assert words(hypothesis) == "a a"
    assert hypothesis.log_prob == pytest.approx(math.log(0.5 * 0.6 * 0.5))
    assert hypothesis.score == pytest.approx(math.log(0.5 * 0.5) + 1.5 * math.log(0.6))
    [[hypothesis]] = beam_search(engine, *one(), beam_size=1, repetition_penalty=2.0)
    assert words(hypothesis) == "a b"
    assert hypothesis.score == hypothesis.log_prob


# ----------------------------------------------------------------------------------------- coverage


def test_a_coverage_penalty_by_hand():
    """Wu et al. (2016), equation 14, over two source tokens; the third position is padding."""
    looked_at = {(): [0.9, 0.1, 0.0], (4,): [0.6, 0.4, 0.0]}  # by <s> and by `a`
    engine = table_engine({"<s>": {"a": 0.5}, "a": {"</s>": 0.5}})
    engine.weights = lambda sentence, tokens: np.array(looked_at[tokens], np.float32)
    source = np.array([[7, 3, 0]], np.int32)
    options = {"beam_size": 1, "coverage_penalty": 0.3, "penalty": "gnmt", "length_penalty": 0.6}
    [[hypothesis]] = beam_search(engine, source, np.array([9]), **options)
    assert hypothesis.log_prob == pytest.approx(2 * math.log(0.5))
    covered = math.log(min(0.9 + 0.6, 1.0)) + math.log(0.1 + 0.4)
    assert hypothesis.score == pytest.approx(2 * math.log(0.5) / (7 / 6) ** 0.6 + 0.3 * covered)


def test_a_position_that_was_never_looked_at_costs_much_and_breaks_nothing():
    engine = table_engine({"<s>": {"</s>": 1.0}})
    engine.weights = lambda sentence, tokens: np.array([1.0, 0.0], np.float32)
    [[hypothesis]] = beam_search(engine, *one(), beam_size=2, coverage_penalty=1.0)
    assert -100 < hypothesis.score < -50


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    beam_size=beam_sizes,
    alpha=st.sampled_from([0.0, 0.7]),
    max_length=st.integers(1, 7),
)
def test_a_coverage_penalty_scores_every_hypothesis_by_its_own_attention(
    seed, beam_size, alpha, max_length
):
    table = random_table(seed)
    found = beam_search(
        TableEngine(table),
        sentences(2),
        np.array([max_length] * 2),
        beam_size=beam_size,
        n_best=beam_size,
        coverage_penalty=0.5,
        length_penalty=alpha,
    )
    for sentence, hypotheses in zip((5, 6), found, strict=True):
        for hypothesis in hypotheses:
            num_tokens = len(hypothesis.token_log_probs)
            weights = sum(
                random_weights(sentence, hypothesis.ids[:t]).astype(float)
                for t in range(num_tokens)
            )
            coverage = 0.5 * np.log(np.minimum(weights, 1.0)).sum()
            assert hypothesis.score == pytest.approx(
                hypothesis.log_prob / num_tokens**alpha + coverage
            )
            assert_invariant_2(hypothesis, table, sentence)


def test_a_wide_beam_finds_the_best_covered_of_all():
    table = random_table(2, vocabulary=6)
    [[found]] = beam_search(TableEngine(table), *one(5), beam_size=128, coverage_penalty=2.0)

    def score(ids, log_prob):
        weights = sum(random_weights(7, ids[:t]).astype(float) for t in range(len(ids) + 1))
        return log_prob + 2.0 * np.log(np.minimum(weights, 1.0)).sum()

    finished = [
        (ids, lp) for ids, cut, lp in every_hypothesis(table, 7, 5, lambda length: 1.0) if not cut
    ]
    assert found.ids == max(finished, key=lambda hypothesis: score(*hypothesis))[0]
    assert found.ids != max(finished, key=lambda hypothesis: hypothesis[1])[0]


# ----------------------------------------------------------------------------------- diverse groups


def diverse_beam_search_oracle(table, sentence, max_length, group_size, num_groups, strength):
    """Vijayakumar et al. (2016), equation 5, over lists, group by group and step by step. Each
    group ends by invariant 3."""
    live = [[((), 0.0)] for _ in range(num_groups)]
    done = [[] for _ in range(num_groups)]
    closed = [False] * num_groups
    for _ in range(max_length):
        taken = []
        for g in range(num_groups):
            if closed[g]:
                continue
            candidates = [
                (
                    tokens,
                    token,
                    log_prob + token_log_prob,
                    log_prob + token_log_prob - strength * taken.count(token),
                )
                for tokens, log_prob in live[g]
                for token, token_log_prob in sorted(
                    enumerate(table(sentence, tokens)), key=lambda pair: -pair[1]
                )
                if np.isfinite(token_log_prob)
            ]
            candidates = sorted(candidates, key=lambda candidate: -candidate[3])[: 2 * group_size]
            done[g] += [
                (tokens, False, lp)
                for tokens, token, lp, _ in candidates[:group_size]
                if token == EOS
            ]
            done[g] = sorted(done[g], key=lambda hypothesis: -hypothesis[2])[:group_size]
            taken += [token for _, token, _, _ in candidates[:group_size]]
            live[g] = [
                ((*tokens, token), lp) for tokens, token, lp, _ in candidates if token != EOS
            ][:group_size]
            best = max((lp for _, lp in live[g]), default=-np.inf)
            closed[g] = not live[g] or (len(done[g]) == group_size and best <= done[g][-1][2])
            if closed[g]:
                live[g] = live[g][: group_size - len(done[g])] if len(done[g]) < group_size else []
    for g in range(num_groups):
        cut = sorted(
            [(tokens, True, log_prob) for tokens, log_prob in live[g]],
            key=lambda hypothesis: -hypothesis[2],
        )
        done[g] += cut[: group_size - len(done[g])]
    found = sorted(itertools.chain(*done), key=lambda hypothesis: (hypothesis[1], -hypothesis[2]))
    found = [
        hypothesis
        for i, hypothesis in enumerate(found)
        if hypothesis[0] not in [ids for ids, *_ in found[:i]]
    ]
    return [(tokens, cut, round(float(log_prob), 9)) for tokens, cut, log_prob in found]


@settings(deadline=None, max_examples=80)
@given(
    seed=seeds,
    num_groups=st.integers(2, 3),
    group_size=st.integers(1, 3),
    strength=st.sampled_from([0.3, 1.0, 5.0]),
    max_lengths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
)
def test_diverse_groups_follow_the_formula(seed, num_groups, group_size, strength, max_lengths):
    table, ids_BS, beam_size = (
        random_table(seed),
        sentences(len(max_lengths)),
        num_groups * group_size,
    )
    found = beam_search(
        TableEngine(table),
        ids_BS,
        np.array(max_lengths),
        beam_size=beam_size,
        n_best=beam_size,
        num_beam_groups=num_groups,
        diversity_penalty=strength,
    )
    for sentence, max_length, hypotheses in zip(
        ids_BS[:, 0].tolist(), max_lengths, found, strict=True
    ):
        expected = diverse_beam_search_oracle(
            table, sentence, max_length, group_size, num_groups, strength
        )
        assert [summary(hypothesis) for hypothesis in hypotheses] == expected
        for hypothesis in hypotheses:
            assert_invariant_2(hypothesis, table, sentence)


def test_strong_diversity_makes_groups_begin_differently():
    engine = TableEngine(random_table(1, vocabulary=8))
    [found] = beam_search(
        engine, *one(3), beam_size=3, n_best=3, num_beam_groups=3, diversity_penalty=100.0
    )
    assert len({(*hypothesis.ids, EOS)[0] for hypothesis in found}) == 3


# ----------------------------------------------------------------------------------------- sampling


def chi_square(counts, probabilities):
    expected = np.array(probabilities) * sum(counts)
    return float((((np.array(counts) - expected) ** 2) / expected).sum())


# Critical values of chi-square at p = 0.001, by degrees of freedom.
CRITICAL = {1: 10.83, 2: 13.82, 3: 16.27, 9: 27.88, 15: 37.70, 127: 181.99}
WORDS_DRAWN = ["a", "b", "c", "d"]
PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])


def drawn(count, n_best=1, **options):
    table = {
        "<s>": dict(zip(WORDS_DRAWN, PROBABILITIES, strict=True)),
        **{word: {"</s>": 1.0} for word in WORDS_DRAWN},
    }
    source = np.stack([np.arange(10, 10 + count), np.full(count, 3)], axis=1).astype(np.int32)
    return beam_search(
        table_engine(table),
        source,
        np.full(count, 3),
        n_best=n_best,
        beam_size=5,
        sampling=True,
        **options,
    )


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, PROBABILITIES),
        ({"seed": 99}, PROBABILITIES),
        ({"temperature": 0.5}, PROBABILITIES**2),
        ({"temperature": 2.0}, PROBABILITIES**0.5),
        ({"top_k": 3}, PROBABILITIES[:3]),
        ({"top_p": 0.75}, PROBABILITIES[:2]),
        ({"top_k": 3, "top_p": 0.9, "temperature": 2.0}, PROBABILITIES[:3] ** 0.5),
    ],
    ids=str,
)
def test_samples_have_the_distribution_of_the_table(options, expected):
    samples = [words(hypothesis) for [hypothesis] in drawn(2000, **options)]
    counts = [samples.count(word) for word in WORDS_DRAWN[: len(expected)]]
    assert sum(counts) == 2000
    assert chi_square(counts, expected / expected.sum()) < CRITICAL[len(expected) - 1]


def test_many_tokens_can_be_needed_to_reach_top_p():
    weights = np.arange(1, 201) ** -0.5
    probabilities = np.r_[np.zeros(4), weights / weights.sum()]
    engine = TableEngine(lambda sentence, tokens: np.log(np.maximum(probabilities, 1e-300)))
    source = np.stack([np.arange(4000), np.full(4000, 3)], axis=1).astype(np.int32)
    found = beam_search(engine, source, np.full(4000, 1), beam_size=1, sampling=True, top_p=0.787)
    expected = probabilities[4:132]
    assert expected.sum() > 0.787 > expected[:-1].sum()
    counts = np.bincount([hypothesis.ids[0] for [hypothesis] in found], minlength=204)[4:]
    assert counts[:128].sum() == 4000
    assert chi_square(counts[:128], expected / expected.sum()) < CRITICAL[127]


def test_samples_of_one_sentence_are_independent_of_each_other():
    pairs = [
        {words(hypothesis) for hypothesis in hypotheses} for hypotheses in drawn(4000, n_best=2)
    ]
    # Ranked by score, so a pair and its mirror image are one.
    joint = np.outer(PROBABILITIES, PROBABILITIES)
    kinds = list(itertools.combinations_with_replacement(range(4), 2))
    expected = [joint[i, j] * (1 if i == j else 2) for i, j in kinds]
    counts = [sum({WORDS_DRAWN[i], WORDS_DRAWN[j]} == pair for pair in pairs) for i, j in kinds]
    assert chi_square(counts, expected) < CRITICAL[9]


def test_the_tokens_of_a_sample_are_independent_of_each_other():
    every_time = dict(zip(WORDS_DRAWN, PROBABILITIES, strict=True))
    engine = table_engine({word: every_time for word in ["<s>", *WORDS_DRAWN]})
    source = np.stack([np.arange(4000), np.full(4000, 3)], axis=1).astype(np.int32)
    samples = [
        h.ids for [h] in beam_search(engine, source, np.full(4000, 2), beam_size=1, sampling=True)
    ]
    counts = [samples.count(pair) for pair in itertools.product(range(4, 8), repeat=2)]
    assert chi_square(counts, np.outer(PROBABILITIES, PROBABILITIES).ravel()) < CRITICAL[15]


def test_samples_do_not_depend_on_batch_mates_order_or_padding_and_change_with_the_seed():
    engine, ids_BS, max_lengths_B = TableEngine(random_table(1)), sentences(20), np.full(20, 8)

    def sample(rows, seed=1, padding=0):
        source = np.pad(ids_BS[rows], ((0, 0), (0, padding)))
        return beam_search(
            engine, source, max_lengths_B[rows], beam_size=1, n_best=3, sampling=True, seed=seed
        )

    together = sample(list(range(20)))
    assert sample(list(range(20))[::-1]) == together[::-1]
    assert [sample([row], padding=2)[0] for row in range(20)] == together
    assert sample(list(range(20)), seed=2) != together


@settings(deadline=None, max_examples=40)
@given(
    seed=seeds,
    temperature=st.sampled_from([0.5, 1.0, 3.0]),
    top_k=st.integers(0, 3),
    n_best=st.integers(1, 4),
)
def test_a_sample_has_the_model_s_log_probability(seed, temperature, top_k, n_best):
    table = random_table(seed, masked=0.2)
    [hypotheses] = beam_search(
        TableEngine(table),
        *one(6),
        beam_size=1,
        n_best=n_best,
        sampling=True,
        temperature=temperature,
        top_k=top_k,
    )
    assert len(hypotheses) == n_best
    for hypothesis in hypotheses:
        assert_invariant_2(hypothesis, table, 7)
        assert hypothesis.score == hypothesis.log_prob


def test_a_very_low_temperature_is_greedy():
    engine = TableEngine(random_table(4))
    sampled = beam_search(
        engine, sentences(5), np.full(5, 8), beam_size=1, sampling=True, temperature=1e-4
    )
    assert [hypothesis for [hypothesis] in sampled] == greedy(engine, sentences(5), np.full(5, 8))


# ----------------------------------------------------------------------------------------- stopping


def test_the_rule_first_stops_when_n_best_have_finished():
    table = {
        "<s>": {"</s>": 0.5, "a": 0.3, "b": 0.2},
        "a": {"</s>": 0.6, "a": 0.4},
        "b": {"b": 1.0},
    }
    for n_best, steps in [(1, 1), (2, 2)]:
        engine = table_engine(table)
        [found] = beam_search(
            engine, *one(9), beam_size=2, n_best=n_best, stopping="first", length_penalty=1.0
        )
        assert len(engine.fed) == steps
        assert [words(hypothesis) for hypothesis in found] == ["", "a"][:n_best]
    engine = table_engine(table)
    beam_search(engine, *one(9), beam_size=2, length_penalty=1.0)
    assert len(engine.fed) > 2


@settings(deadline=None, max_examples=60)
@given(seed=seeds, max_length=st.integers(1, 8), masked=st.sampled_from([0.0, 0.4]))
def test_greedy_takes_the_best_token_until_the_end(seed, max_length, masked):
    table = random_table(seed, masked=masked)
    tokens = []
    while (
        len(tokens) < max_length
        and EOS not in tokens
        and np.isfinite(table(5, tuple(tokens)).max())
    ):
        tokens.append(int(np.argmax(table(5, tuple(tokens)))))
    [hypothesis] = greedy(
        TableEngine(table), sentences(1), np.array([max_length]), length_penalty=1.0
    )
    assert list(hypothesis.ids) == [token for token in tokens if token != EOS]
    assert hypothesis.truncated == (EOS not in tokens)


# ------------------------------------------------------------------------------- extension, refusal


def test_a_control_of_one_s_own_is_called_by_search(monkeypatch):
    """The dict is the place to extend search: here, nothing may follow but `b` and the end."""

    def only_b(options, batch):
        def adjust_candidates(candidates, live):
            allowed = np.isin(candidates.ids_BKC, [EOS, 5])
            scores = np.where(allowed, candidates.scores_BKC, -np.inf)
            return candidates._replace(scores_BKC=scores, sort_keys_BKC=scores), live

        return Control(adjust_candidates=adjust_candidates)

    monkeypatch.setitem(CONTROLS, "only_b", only_b)
    engine = table_engine({"<s>": {"a": 0.5, "b": 0.3}, "b": {"a": 0.5, "</s>": 0.4}})
    [[hypothesis]] = beam_search(engine, *one(), beam_size=3)
    assert words(hypothesis) == "b"


def test_no_option_no_control():
    batch = SearchBatch(sentences(2), np.array([5, 5]), np.array([0, 0]))
    assert not any(make(options_of(), batch) for make in CONTROLS.values())


def test_an_empty_batch_is_no_matter():
    batch = SearchBatch(np.zeros((0, 0), np.int32), np.zeros(0, int), np.zeros(0, int))
    options = options_of(
        coverage_penalty=1.0, length_penalty=1.0, no_repeat_ngram_size=2, min_length_ratio=0.5
    )
    engine: object = None
    assert controlled_search(engine, batch, options) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"beam_size": 5, "num_beam_groups": 2, "diversity_penalty": 0.5},
            "multiple of num_beam_groups, received 5 and 2",
        ),
        ({"num_beam_groups": 5}, "need each other, received 5 and 0.0"),
        ({"diversity_penalty": 0.5}, "need each other, received 1 and 0.5"),
        (
            {"min_length_ratio": 3.0},
            r"min_length_ratio \(3.0\) must not exceed max_length_ratio \(2.0\)",
        ),
        ({"temperature": 0.5}, "with 'sampling: true' only"),
        ({"top_k": 5}, "with 'sampling: true' only"),
        ({"sampling": True, "temperature": 0.0}, "temperature.*greater than 0"),
        ({"sampling": True, "top_p": 0.0}, "top_p.*greater than 0"),
        (
            {"sampling": True, "num_beam_groups": 5, "diversity_penalty": 1.0},
            "allows no num_beam_groups",
        ),
        ({"repetition_penalty": 0.5}, "repetition_penalty.*greater than or equal to 1"),
        ({"coverage_penalty": -1.0}, "coverage_penalty.*greater than or equal to 0"),
        ({"stopping": "last"}, "'best' or 'first'"),
        ({"penalty": "wu"}, "'power' or 'gnmt'"),
        ({"length_penalty": math.nan}, "length_penalty.*finite"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({"decoding": options}, "the test")


@pytest.mark.parametrize("n_best", [0, 6])
def test_n_best_beyond_the_beam_is_refused(n_best):
    with pytest.raises(UserError, match="n-best must be"):
        check_n_best(options_of(beam_size=5), n_best)


def test_more_hypotheses_than_memory_holds_are_refused():
    with pytest.raises(UserError, match="at most 2000"):
        check_n_best(options_of(sampling=True), 10**9)
    with pytest.raises(UserError, match="less than or equal to 2000"):
        parse_config({"decoding": {"beam_size": 10**9}}, "options")
