"""Search over tables instead of models: by hand, clause by clause of invariant 3, and against two
slow oracles."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from fixtures.search import (
    BOS,
    EOS,
    WORDS,
    Memory,
    TableEngine,
    beam_search,
    beam_search_oracle,
    every_hypothesis,
    greedy,
    one,
    penalty_of,
    random_table,
    sentences,
    summary,
    table_engine,
    words,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.search.beam import Hypothesis, map_arrays, search

PENALTIES = list(itertools.product(["power", "gnmt"], [-1.0, 0.0, 0.6, 1.0, 2.0]))


# ------------------------------------------------------------------------------------------ by hand


GARDEN_PATH = {
    "<s>": {"a": 0.6, "b": 0.4},
    "a": {"c": 0.5, "d": 0.5},
    "b": {"e": 1.0},
    "c": {"</s>": 1.0},
    "d": {"</s>": 1.0},
    "e": {"</s>": 1.0},
}


def test_greedy_takes_the_likeliest_word_each_time():
    [hypothesis] = greedy(table_engine(GARDEN_PATH), *one())
    assert words(hypothesis) == "a c"
    assert hypothesis.log_prob == hypothesis.score == pytest.approx(math.log(0.3))
    assert hypothesis.token_log_probs == pytest.approx([math.log(0.6), math.log(0.5), 0.0])
    assert not hypothesis.truncated


def test_beam_2_sees_past_the_garden_path():
    [hypotheses] = beam_search(table_engine(GARDEN_PATH), *one(), beam_size=2, n_best=2)
    assert [words(hypothesis) for hypothesis in hypotheses] == ["b e", "a c"]
    assert [hypothesis.log_prob for hypothesis in hypotheses] == pytest.approx(
        [math.log(0.4), math.log(0.3)]
    )


def test_scores_are_log_probabilities_over_the_penalty_and_count_the_end():
    engine = table_engine({"<s>": {"a": 0.5}, "a": {"b": 0.5}, "b": {"</s>": 0.5}})
    for name, penalty in [("power", 3**0.7), ("gnmt", (8 / 6) ** 0.7)]:
        [[hypothesis]] = beam_search(engine, *one(), beam_size=1, length_penalty=0.7, penalty=name)
        assert hypothesis.log_prob == pytest.approx(3 * math.log(0.5))
        assert hypothesis.score == pytest.approx(3 * math.log(0.5) / penalty)


def test_a_length_penalty_prefers_the_longer_of_two():
    table = {"<s>": {"</s>": 0.5, "a": 0.4}, "a": {"b": 0.9}, "b": {"</s>": 1.0}}
    best = [
        words(beam_search(table_engine(table), *one(), beam_size=2, length_penalty=alpha)[0][0])
        for alpha in (0, 1)
    ]
    assert best == ["", "a b"]


def test_the_best_k_others_live_on_when_one_ends():
    engine = table_engine(
        {"<s>": {"</s>": 0.5, "a": 0.3, "b": 0.2}, "a": {"c": 1.0}, "b": {"d": 1.0}}
    )
    beam_search(engine, *one(2), beam_size=2, n_best=2)
    assert engine.fed == [[[BOS]], [[WORDS.index("a"), WORDS.index("b")]]]


def test_an_end_behind_the_first_k_candidates_does_not_finish():
    # alpha -1 multiplies by the length, so the empty sentence (-0.92) would win over `a` (2 x
    # -0.51), had it finished.
    engine = table_engine({"<s>": {"a": 0.6, "</s>": 0.4}, "a": {"</s>": 1.0}})
    [[hypothesis]] = beam_search(engine, *one(), beam_size=1, length_penalty=-1.0)
    assert words(hypothesis) == "a"


def test_search_stops_as_soon_as_nothing_live_can_win():
    table = {"<s>": {"</s>": 0.6, "a": 0.4}, "a": {"</s>": 0.1, "a": 0.9}}
    engine = table_engine(table)
    beam_search(engine, *one(1000), beam_size=1)
    assert len(engine.fed) == 1
    engine = table_engine(table)
    # Mean log-probability: the empty sentence has log 0.6 = -0.51; one of n tokens may still reach
    # log 0.4 / 5 = -0.18.
    beam_search(engine, *one(5), beam_size=1, length_penalty=1.0)
    assert len(engine.fed) == 5


def test_a_penalty_that_favours_length_keeps_a_hopeful_hypothesis_alive():
    # After one token, log 0.3 / 2 = -0.60 is beaten by log 0.6 = -0.51; over six tokens, log 0.3 /
    # 6 = -0.20 is not.
    table = {
        "<s>": {"</s>": 0.6, "a": 0.3},
        "a": {"b": 1.0},
        "b": {"c": 1.0},
        "c": {"d": 1.0},
        "d": {"e": 1.0},
    }
    table |= {"e": {"</s>": 1.0}}
    [[hypothesis]] = beam_search(table_engine(table), *one(), beam_size=1, length_penalty=1.0)
    assert words(hypothesis) == "a b c d e"


def test_a_penalty_that_favours_brevity_is_bounded_by_the_next_token():
    # `a` has finished with 2 log 0.1 = -4.6. `a c` can still end now, with 3 log 0.4 = -2.7, if not
    # at ten tokens.
    table = {
        "<s>": {"a": 0.5, "</s>": 0.3, "b": 0.2},
        "a": {"c": 0.8, "</s>": 0.2},
        "b": {"d": 0.4},
    }
    table |= {"c": {"</s>": 1.0}}
    [hypotheses] = beam_search(
        table_engine(table), *one(10), beam_size=2, n_best=2, length_penalty=-1.0
    )
    assert [words(hypothesis) for hypothesis in hypotheses] == ["", "a c"]


def test_search_goes_on_until_k_have_finished():
    engine = table_engine({"<s>": {"</s>": 0.9, "a": 0.1}, "a": {"b": 1.0}, "b": {"</s>": 1.0}})
    [hypotheses] = beam_search(engine, *one(), beam_size=2, n_best=2)
    assert [words(hypothesis) for hypothesis in hypotheses] == ["", "a b"]


def test_search_stops_when_nothing_can_change_what_is_asked_for():
    table = {"<s>": {"</s>": 0.6, "a": 0.4}, "a": {"</s>": 0.1, "a": 0.9}}
    for n_best, num_steps in [(1, 1), (2, 7)]:
        engine = table_engine(table)
        beam_search(engine, *one(7), beam_size=2, n_best=n_best)
        assert len(engine.fed) == num_steps


def test_the_maximum_length_counts_the_end():
    table = {"<s>": {"a": 1.0}, "a": {"b": 1.0}, "b": {"</s>": 1.0}}
    for find in (greedy, lambda *arguments: beam_search(*arguments, beam_size=2)[0]):
        [whole] = find(table_engine(table), *one(3))
        [cut] = find(table_engine(table), *one(2))
        assert (words(whole), whole.truncated, len(whole.token_log_probs)) == ("a b", False, 3)
        assert (words(cut), cut.truncated, len(cut.token_log_probs)) == ("a b", True, 2)


def test_finished_hypotheses_rank_before_better_truncated_ones():
    engine = table_engine({"<s>": {"a": 0.9, "</s>": 0.1}, "a": {"b": 1.0}})
    [hypotheses] = beam_search(engine, *one(2), beam_size=2, n_best=2)
    assert [(words(hypothesis), hypothesis.truncated) for hypothesis in hypotheses] == [
        ("", False),
        ("a b", True),
    ]
    assert hypotheses[0].score < hypotheses[1].score


def test_masked_tokens_are_never_chosen_and_a_dead_end_is_truncated():
    engine = table_engine({"<s>": {"a": 1.0}, "a": {}})
    [hypothesis] = greedy(engine, *one())
    [hypotheses] = beam_search(engine, *one(), beam_size=3, n_best=3)
    assert hypotheses == [hypothesis]
    assert (words(hypothesis), hypothesis.truncated, hypothesis.log_prob) == ("a", True, 0.0)


@pytest.mark.parametrize(("penalty", "alpha"), PENALTIES)
def test_nothing_may_follow_the_beginning(penalty, alpha):
    [hypotheses] = beam_search(
        table_engine({}), *one(), beam_size=2, penalty=penalty, length_penalty=alpha
    )
    assert hypotheses == greedy(table_engine({}), *one()) == [Hypothesis((), 0.0, 0.0, True, ())]


def test_a_dead_end_leaves_its_place_to_others():
    engine = table_engine({"<s>": {"a": 0.9, "b": 0.1}, "a": {}, "b": {"</s>": 1.0}})
    [hypotheses] = beam_search(engine, *one(), beam_size=2, n_best=2)
    assert [words(hypothesis) for hypothesis in hypotheses] == ["b"]


def test_a_beam_wider_than_the_vocabulary_works():
    [hypotheses] = beam_search(table_engine(GARDEN_PATH), *one(), beam_size=50, n_best=50)
    assert [words(hypothesis) for hypothesis in hypotheses] == ["b e", "a c", "a d"]


def test_a_finished_sentence_leaves_the_batch_at_once():
    def ends_after(sentence: int, tokens: tuple[int, ...]) -> np.ndarray:
        log_probs = np.full(6, -np.inf)
        log_probs[EOS if len(tokens) == sentence else 4] = 0.0
        return log_probs

    ids_BS = np.array([[3], [1], [2], [1]], np.int32)
    for find in (greedy, lambda *arguments: [h for [h] in beam_search(*arguments, beam_size=1)]):
        engine = TableEngine(ends_after)
        hypotheses = find(engine, ids_BS, np.full(4, 9))
        assert [len(hypothesis.ids) for hypothesis in hypotheses] == [3, 1, 2, 1]
        assert [len(ids_BK) for ids_BK in engine.fed] == [4, 4, 2, 1]


def test_every_sentence_has_its_own_maximum_length():
    engine = table_engine({"<s>": {"a": 1.0}, "a": {"a": 1.0}})
    lengths = [
        len(hypothesis.ids) for hypothesis in greedy(engine, sentences(3), np.array([4, 1, 2]))
    ]
    assert lengths == [4, 1, 2]
    lengths = [
        len(best.ids)
        for [best] in beam_search(engine, sentences(3), np.array([4, 1, 2]), beam_size=3)
    ]
    assert lengths == [4, 1, 2]


# ------------------------------------------------------------------------------------- by invariant


@pytest.mark.parametrize(("penalty", "alpha"), PENALTIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_enough_beam_finds_all_that_brute_force_finds(seed, penalty, alpha):
    table = random_table(seed, vocabulary=6)  # </s> and two words
    max_length = 5
    [hypotheses] = beam_search(
        TableEngine(table),
        *one(max_length),
        beam_size=64,
        n_best=64,
        penalty=penalty,
        length_penalty=alpha,
    )
    assert [summary(hypothesis) for hypothesis in hypotheses] == every_hypothesis(
        table, 7, max_length, penalty_of(penalty, alpha)
    )


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    vocabulary=st.integers(4, 8),
    ties=st.booleans(),
    masked=st.sampled_from([0.0, 0.0, 0.3, 0.7]),
    sharpness=st.sampled_from([1.0, 3.0, 8.0]),
    max_lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    beam_size=st.integers(1, 5),
    penalty=st.sampled_from(PENALTIES),
)
def test_beam_search_equals_invariant_3_written_out(
    seed, vocabulary, ties, masked, sharpness, max_lengths, beam_size, penalty
):
    table = random_table(seed, vocabulary=vocabulary, ties=ties, masked=masked, sharpness=sharpness)
    ids_BS = sentences(len(max_lengths))
    name, alpha = penalty
    n_best = beam_search(
        TableEngine(table),
        ids_BS,
        np.array(max_lengths),
        beam_size=beam_size,
        n_best=beam_size,
        penalty=name,
        length_penalty=alpha,
    )
    for sentence, max_length, hypotheses in zip(
        ids_BS[:, 0].tolist(), max_lengths, n_best, strict=True
    ):
        found = [summary(hypothesis) for hypothesis in hypotheses]
        for stop in (True, False):  # stopping early changes nothing
            expected = beam_search_oracle(
                table, sentence, max_length, beam_size, penalty_of(name, alpha), stop=stop
            )
            assert found == expected

        assert 1 <= len(found) <= beam_size
        assert len(set(found)) == len(found)
        assert [(cut, -score) for _, cut, score in found] == sorted(
            (cut, -score) for _, cut, score in found
        )
        for hypothesis in hypotheses:  # invariant 2
            tokens = hypothesis.ids if hypothesis.truncated else (*hypothesis.ids, EOS)
            by_table = [table(sentence, tokens[:t])[token] for t, token in enumerate(tokens)]
            assert list(hypothesis.token_log_probs) == by_table
            assert hypothesis.log_prob == pytest.approx(sum(by_table))
            assert EOS not in hypothesis.ids
            assert len(tokens) <= max_length


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 10**6),
    ties=st.booleans(),
    max_length=st.integers(1, 8),
    penalty=st.sampled_from(PENALTIES),
)
def test_who_asks_for_fewer_gets_the_first_of_more(seed, ties, max_length, penalty):
    table = random_table(seed, vocabulary=6, ties=ties, masked=0.3)
    options = {"beam_size": 4, "penalty": penalty[0], "length_penalty": penalty[1]}
    best, two, most = (
        beam_search(TableEngine(table), *one(max_length), n_best=count, **options)[0]
        for count in (1, 2, 4)
    )
    assert best == most[:1] and two == most[:2]


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 10**6),
    ties=st.booleans(),
    masked=st.sampled_from([0.0, 0.5]),
    max_lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5),
)
def test_beam_1_without_penalty_is_greedy(seed, ties, masked, max_lengths):
    table = random_table(seed, vocabulary=6, ties=ties, masked=masked)
    arguments = sentences(len(max_lengths)), np.array(max_lengths)
    beam_1 = [
        hypothesis for [hypothesis] in beam_search(TableEngine(table), *arguments, beam_size=1)
    ]
    assert greedy(TableEngine(table), *arguments) == beam_1


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 10**6),
    max_lengths=st.lists(st.integers(1, 8), min_size=2, max_size=6),
    beam_size=st.integers(1, 4),
    random=st.randoms(use_true_random=False),
)
def test_batch_mates_and_their_order_change_nothing(seed, max_lengths, beam_size, random):
    engine = TableEngine(random_table(seed))
    ids_BS, max_lengths_B = sentences(len(max_lengths)), np.array(max_lengths)
    order = list(range(len(max_lengths)))
    random.shuffle(order)

    def search(rows):
        return beam_search(
            engine, ids_BS[rows], max_lengths_B[rows], beam_size=beam_size, n_best=beam_size
        )

    together = search(range(len(max_lengths)))
    assert search(order) == [together[row] for row in order]
    assert [search([row])[0] for row in order] == [together[row] for row in order]
    alone = [greedy(engine, ids_BS[[row]], max_lengths_B[[row]])[0] for row in order]
    assert greedy(engine, ids_BS[order], max_lengths_B[order]) == alone


def test_a_finished_hypothesis_keeps_its_score():
    # `a` finishes at once; `b`, which lives on and moves to the first place, must not touch it.
    table = {
        "<s>": {"a": 0.6, "b": 0.4},
        "a": {"</s>": 0.5, "c": 0.1},
        "b": {"c": 1.0},
        "c": {"d": 0.9},
    }
    table |= {"d": {"</s>": 0.9}}
    [hypotheses] = beam_search(
        table_engine(table), *one(), beam_size=2, n_best=2, length_penalty=1.0
    )
    scores = {words(hypothesis): hypothesis.score for hypothesis in hypotheses}
    assert scores == pytest.approx({"a": math.log(0.3) / 2, "b c d": math.log(0.4 * 0.9 * 0.9) / 4})


# ------------------------------------------------------------------------------------ edges, errors


def test_an_empty_batch_gives_an_empty_list_and_leaves_the_engine_alone():
    engine: Any = None
    nothing = np.zeros((0, 0), np.int32), np.zeros(0, int)
    assert search(engine, *nothing, beam_size=3) == beam_search(engine, *nothing, beam_size=1) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be a positive multiple"),
        ({"beam_size": 2, "n_best": 3}, r"n_best must be from 1 to beam_size \(2\). Received: 3"),
        ({"beam_size": 2, "n_best": 0}, "n_best must be from 1"),
        (
            {"beam_size": 3, "num_groups": 2},
            "a positive multiple of the number of groups. Received: 3 and 2",
        ),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        search(table_engine(GARDEN_PATH), *one(), **options)


def test_impossible_lengths_are_refused():
    with pytest.raises(UserError, match="at least 1"):
        greedy(table_engine(GARDEN_PATH), *one(0))
    with pytest.raises(UserError, match="one length for each of 2 sentences"):
        greedy(table_engine(GARDEN_PATH), sentences(2), np.array([3]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_log_probabilities_that_are_no_numbers_are_refused(value):
    engine = TableEngine(lambda sentence, tokens: np.array([value] * 6))
    with pytest.raises(UserError, match=r"Received NaN or \+inf for token 1"):
        greedy(engine, *one())
    with pytest.raises(UserError, match=r"Received NaN or \+inf for token 1"):
        beam_search(engine, *one(), beam_size=2)


def test_map_arrays_keeps_the_nesting():
    tree = {"memory": Memory(np.ones(2), np.ones((2, 3)), None), "list": [(np.zeros(2),), ()]}
    doubled = map_arrays(lambda array: array * 2, tree)
    assert isinstance(doubled["memory"], Memory)
    assert doubled["memory"].ids_BS.tolist() == [[2, 2, 2]] * 2
    assert doubled["memory"].nothing is None
    assert isinstance(doubled["list"][0], tuple)
    assert doubled["list"][1] == ()
