"""Word alignments: by hand, by invariant, and against Moses' symal on the same links."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.evaluation.word_alignment import (
    SYMMETRISATIONS,
    Alignment,
    Behaviour,
    alignment_score,
    attention_behaviour,
    diagonal_links,
    format_pharaoh,
    merge_pieces,
    parse_gold,
    parse_pharaoh,
    reversed_links,
    strongest_links,
    with_lag,
)

links = st.frozensets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


# ---------------------------------------------------------------------------------- pieces to words


def test_pieces_are_summed_over_source_words_and_averaged_over_target_words():
    # Source words: pieces 0-1, 2; `</s>` is left out. Target words: piece 0, pieces 1-2; `</s>` is
    # left out.
    weights = [
        [0.1, 0.2, 0.6, 0.1],
        [0.5, 0.1, 0.3, 0.1],
        [0.3, 0.1, 0.5, 0.1],
        [0.0, 0.0, 0.0, 1.0],
    ]
    merged = merge_pieces(weights, [0, 0, 1, -1], [0, 1, 1, -1])
    np.testing.assert_allclose(merged, [[0.3, 0.6], [0.5, 0.4]])


def test_merged_rows_still_sum_to_one_when_no_source_piece_is_left_out():
    weights = np.random.default_rng(1).dirichlet(np.ones(6), size=5)
    merged = merge_pieces(weights, [0, 1, 1, 2, 2, 2], [0, 0, 1, -1, 2])
    assert merged.shape == (3, 3)
    np.testing.assert_allclose(merged.sum(axis=1), 1)


def test_one_piece_a_word_changes_nothing():
    weights = np.random.default_rng(1).dirichlet(np.ones(4), size=3)
    np.testing.assert_array_equal(merge_pieces(weights, range(4), range(3)), weights)


def test_a_nan_stays_in_its_own_word():
    merged = merge_pieces([[np.nan, 0.5, 0.5], [0.2, 0.3, 0.5]], [0, 1, 1], [0, 1])
    np.testing.assert_array_equal(merged, [[np.nan, 1.0], [0.2, 0.8]])


def test_a_word_without_pieces_gets_zeros_and_no_pieces_give_no_words():
    np.testing.assert_array_equal(
        merge_pieces([[0.4, 0.6]], [0, 2], [1]), [[0, 0, 0], [0.4, 0, 0.6]]
    )
    assert merge_pieces(np.zeros((0, 2)), [0, 1], []).shape == (0, 2)
    assert merge_pieces([[1.0]], [-1], [-1]).shape == (0, 0)


def test_merging_refuses_indices_that_do_not_fit():
    with pytest.raises(ValueError, match=r"source piece: \(1, 3\). Received: \(1, 2\)"):
        merge_pieces([[0.4, 0.6]], [0, 1, 2], [0])
    with pytest.raises(ValueError, match="Received: -2"):
        merge_pieces([[0.4, 0.6]], [0, -2], [0])


def test_words_may_be_counted_beforehand():
    np.testing.assert_array_equal(
        merge_pieces([[1.0]], [0], [1], num_words=(2, 3)), [[0, 0], [1, 0], [0, 0]]
    )


def test_a_lag_takes_the_row_of_a_later_or_earlier_step():
    weights = np.arange(3.0)[:, None]
    assert with_lag(weights, 1).ravel().tolist() == [1, 2, 2]
    assert with_lag(weights, -1).ravel().tolist() == [0, 0, 1]
    assert with_lag(weights, 0).ravel().tolist() == [0, 1, 2]
    assert with_lag(weights, 10**20).ravel().tolist() == [2, 2, 2]
    assert with_lag(weights, -(10**20)).ravel().tolist() == [0, 0, 0]
    assert with_lag(np.zeros((0, 2)), 1).shape == (0, 2)


# ----------------------------------------------------------------------------------- words to links


def test_a_target_word_is_linked_to_the_source_word_it_looks_at_most():
    weights = np.array([[0.1, 0.6, 0.2], [0.45, 0.1, 0.45], [0.0, 0.0, 0.0]])
    assert strongest_links(weights) == {(1, 0), (0, 1)}
    assert strongest_links(weights, threshold=0.5) == {(1, 0)}
    assert strongest_links(np.zeros((2, 0))) == strongest_links(np.zeros((0, 2))) == frozenset()


def test_the_diagonal_links_words_equally_far_along():
    assert diagonal_links(3, 3) == {(0, 0), (1, 1), (2, 2)}
    assert diagonal_links(2, 4) == {(0, 0), (0, 1), (1, 2), (1, 3)}
    assert diagonal_links(4, 2) == {(1, 0), (3, 1)}
    assert diagonal_links(0, 2) == diagonal_links(2, 0) == frozenset()


# ----------------------------------------------------------------------------------- symmetrisation


@pytest.mark.parametrize(
    "forward, backward, grow_diag, final, final_and",
    [
        (
            "0-1 1-0 1-2 1-3 3-4 4-5",
            "0-0 1-1 2-1 3-4 4-3",
            "3-4 4-3 4-5",
            "0-1 1-0 1-2 2-1 3-4 4-3 4-5",
            "0-1 1-0 3-4 4-3 4-5",
        ),
        ("1-0 1-1", "0-0 1-1 2-3 3-3", "0-0 1-0 1-1", "0-0 1-0 1-1 2-3 3-3", "0-0 1-0 1-1 2-3"),
        (
            "1-0 2-1",
            "0-1 1-0 2-2 4-4 5-4",
            "0-1 1-0 2-1 2-2",
            "0-1 1-0 2-1 2-2 4-4 5-4",
            "0-1 1-0 2-1 2-2 4-4",
        ),
        (
            "0-0 1-1 2-3 2-5 3-4",
            "0-1 1-1",
            "0-0 0-1 1-1",
            "0-0 0-1 1-1 2-3 2-5 3-4",
            "0-0 0-1 1-1 2-3 3-4",
        ),
    ],
)
def test_growing_is_that_of_symal(forward, backward, grow_diag, final, final_and):
    """Expected values from Moses' symal (commit 14d2a67), its two directions drawn at random."""
    both = parse_pharaoh(forward), parse_pharaoh(backward)
    assert format_pharaoh(SYMMETRISATIONS["grow-diag"](*both)) == grow_diag
    assert format_pharaoh(SYMMETRISATIONS["grow-diag-final"](*both)) == final
    assert format_pharaoh(SYMMETRISATIONS["grow-diag-final-and"](*both)) == final_and


@settings(max_examples=200, deadline=None)
@given(links, links)
def test_each_symmetrisation_lies_between_the_intersection_and_the_union(forward, backward):
    results = {name: symmetrise(forward, backward) for name, symmetrise in SYMMETRISATIONS.items()}
    assert (results["forward"], results["backward"]) == (forward, backward)
    assert results["intersection"] == forward & backward and results["union"] == forward | backward
    chain = ["intersection", "grow-diag", "grow-diag-final-and"]
    for smaller, larger in [*itertools.pairwise(chain), ("grow-diag", "grow-diag-final")]:
        assert results[smaller] <= results[larger] <= results["union"]
    # After `final` no link is left out that would reach a new word.
    sources, targets = ({link[side] for link in results["grow-diag-final"]} for side in (0, 1))
    assert sources == {s for s, _ in results["union"]} and targets == {
        t for _, t in results["union"]
    }


@given(links)
def test_two_models_that_agree_are_left_as_they_are(agreed):
    assert all(symmetrise(agreed, agreed) == agreed for symmetrise in SYMMETRISATIONS.values())
    assert reversed_links(reversed_links(agreed)) == agreed


# ------------------------------------------------------------------------------------------ formats


@given(links)
def test_links_survive_the_pharaoh_format(some):
    assert parse_pharaoh(format_pharaoh(some)) == some


def test_pharaoh_is_source_first_from_0_and_sorted():
    assert format_pharaoh(frozenset({(10, 0), (0, 1), (0, 0)})) == "0-0 0-1 10-0"
    assert format_pharaoh(frozenset()) == "" and parse_pharaoh(" ") == frozenset()


def test_gold_counts_from_1_and_sure_links_are_possible_too():
    sure, possible = parse_gold("1-1 2p3 4-2")
    assert sure == {(0, 0), (3, 1)} and possible == {(0, 0), (3, 1), (1, 2)}


@pytest.mark.parametrize(
    "parse, line, message",
    [
        (parse_pharaoh, "0-0 1p1", "0-0 1-2. Received: '1p1'"),
        (parse_pharaoh, "0-0-1", "'0-0-1'"),
        (parse_gold, "1-1 2:2", "1-1 2p3. Received: '2:2'"),
        (parse_gold, "1-1 0-2", "from 1. Received: 0-2"),
        (parse_gold, "1-1 " + "2" * 5000 + "-1", r"Received: '2{60}'\.$"),
        (parse_pharaoh, "0-" + "1" * 5000, r"Received: '0-1{58}'\.$"),
    ],
)
def test_what_are_no_links_is_shown(parse, line, message):
    with pytest.raises(UserError, match=message):
        parse(line)


# --------------------------------------------------------------------------------------- error rate


def test_the_error_rate_by_hand():
    """Och and Ney (2003): A = 3 links, S = 2, P = 3; |A & S| = 1, |A & P| = 2, AER = 1 - (1 + 2) /
    (3 + 2)."""
    score = alignment_score([parse_pharaoh("0-0 1-2 3-3")], [parse_gold("1-1 2-2 2p3")])
    assert (score.precision, score.recall, score.num_links) == (2 / 3, 1 / 2, 3)
    assert score.error_rate == pytest.approx(0.4)
    assert str(score) == "AER = 40.0  precision 66.7, recall 50.0, 3 links"
    assert score.as_dict() == {
        "precision": 2 / 3,
        "recall": 0.5,
        "aer": pytest.approx(0.4),
        "links": 3,
    }


def test_the_error_rate_is_of_all_sentences_together():
    one = parse_gold("1-1"), parse_gold("1-1 2-2 3-3")
    score = alignment_score([parse_pharaoh("0-0"), parse_pharaoh("0-1 1-0")], one)
    assert score.error_rate == pytest.approx(1 - (1 + 1) / (3 + 4))  # and not the mean of 0 and 1


@given(links.filter(bool))
def test_what_is_between_sure_and_possible_has_no_error(sure):
    possible = sure | {(0, 9), (1, 9)}
    for found in (sure, possible):
        assert alignment_score([found], [(sure, possible)]).error_rate == 0
    nothing = alignment_score([frozenset()], [(sure, possible)])
    assert (nothing.precision, nothing.recall, nothing.error_rate) == (1, 0, 1)


def test_scores_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="Received: 1 and 2"):
        alignment_score([frozenset()], [parse_gold("1-1")] * 2)
    with pytest.raises(UserError, match="sure"):
        alignment_score([frozenset()], [parse_gold("1p1")])


# ---------------------------------------------------------------------------------------- behaviour


def alignment(weights_TS):
    weights_TS = np.array(weights_TS, float)
    target, source = ([f"w{i}" for i in range(size)] for size in weights_TS.shape)
    return Alignment(source, target, weights_TS, [], [])


def test_behaviour_by_hand():
    found = attention_behaviour(
        [alignment([[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0.5, 0.1, 0.1, 0.1], [0.6, 0, 0, 0]])]
    )
    third = -(
        0.625 * np.log2(0.625) + 3 * 0.125 * np.log2(0.125)
    )  # 0.5 and thrice 0.1, scaled to sum to 1
    assert found.entropy == pytest.approx((0 + 1 + third + 0) / 4)
    assert found.coverage == pytest.approx(
        (1 + 0.6 + 0.6 + 0.1) / 4
    )  # the first word has 2.1, which counts as 1
    assert found.monotonicity == 0.5  # one step forward, one back; the last stays


def test_behaviour_is_a_mean_over_words_and_not_over_sentences():
    one, three = alignment([[1.0]]), alignment(np.full((3, 2), 0.5))
    assert attention_behaviour([one, three]).entropy == pytest.approx(3 / 4)
    assert attention_behaviour([one, three]).coverage == 1


def test_attention_that_never_moves_has_no_direction_and_none_at_all_no_behaviour():
    uniform = alignment(np.full((3, 4), 0.25))
    assert attention_behaviour([uniform]) == Behaviour(
        entropy=2.0, coverage=0.75, monotonicity=None
    )
    assert (
        attention_behaviour([alignment(np.zeros((3, 4))), alignment(np.zeros((0, 0)))])
        == Behaviour()
    )
