"""Prefixes, banned and required phrases over tables, by hand, by property and against brute force.

The ids of these tables are 4 `x` and 5 `y`, which start words, and 6 `-z` and 7 `-w`, which
continue one. In half of the tests `y` is an apostrophe.
"""

import numpy as np
import pytest
from fixtures.search import (
    EOS,
    TableEngine,
    beam_search,
    beam_search_oracle,
    every_hypothesis,
    one,
    penalty_of,
    random_table,
    sentences,
    summary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.search.constraints import (
    BannedPhrases,
    PhraseAutomaton,
    Spelling,
    Start,
    WordBoundaries,
)

X, Y, Z, W = 4, 5, 6, 7
V = 8
INSIDE = np.array([False] * 6 + [True] * 2)
PARTS = WordBoundaries(
    INSIDE, ends_with_letter_V=np.arange(8) >= 4, ends_with_joiner_V=np.zeros(8, bool)
)
APOSTROPHE = WordBoundaries(
    INSIDE,
    ends_with_letter_V=np.isin(np.arange(8), [X, Z, W]),
    ends_with_joiner_V=np.arange(8) == Y,
)

seeds = st.integers(0, 10**6)
beam_sizes = st.integers(1, 4)
ids = st.lists(st.sampled_from([X, Y, Z, W]), min_size=1, max_size=3).map(tuple)
spelled = st.builds(Spelling, ids, st.booleans(), st.booleans())
unattached = st.builds(Spelling, ids, st.booleans(), st.just(False))
every_kind = st.sampled_from([PARTS, APOSTROPHE])


def joins(parts, left, right):
    return parts.ends_with_letter_V[left] and parts.starts_with_letter_V[right]


def places(spelling, tokens, parts=PARTS):
    """Where a spelling is completed in tokens, from the left edge of a word on."""
    size = len(spelling.ids)
    for start in range(len(tokens) - size + 1):
        before = tokens[start - 1] if start else 2
        if (
            tokens[start : start + size] == spelling.ids
            and not joins(parts, before, tokens[start])
            and (start == 0 or not spelling.initial)
            and (parts.ends_with_joiner_V[before] or not spelling.attached)
        ):
            yield start + size


def stands_in(spelling, tokens, parts=PARTS):
    """As whole words."""
    return any(
        end == len(tokens) or not joins(parts, tokens[end - 1], tokens[end])
        for end in places(spelling, tokens, parts)
    )


def assert_invariant_2(hypothesis, table, sentence):
    tokens = hypothesis.ids if hypothesis.truncated else (*hypothesis.ids, EOS)
    by_table = [table(sentence, tokens[:t])[token] for t, token in enumerate(tokens)]
    np.testing.assert_allclose(hypothesis.token_log_probs, by_table)


# --------------------------------------------------------------------------------------- the prefix


def with_prefixes(table, prefix_of):
    def changed(sentence, tokens):
        log_probs, prefix = table(sentence, tokens), prefix_of[sentence]
        if len(tokens) < len(prefix):
            return np.where(np.arange(len(log_probs)) == prefix[len(tokens)], log_probs, -np.inf)
        return log_probs

    return changed


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    prefixes=st.lists(st.lists(st.sampled_from([X, Y, Z, W]), max_size=4), min_size=1, max_size=4),
    beam_size=beam_sizes,
    alpha=st.sampled_from([0.0, 1.0]),
)
def test_a_forced_prefix_equals_search_on_a_table_without_other_tokens(
    seed, prefixes, beam_size, alpha
):
    table, ids_BS = random_table(seed, vocabulary=V, sharpness=3.0), sentences(len(prefixes))
    changed = with_prefixes(table, dict(zip(ids_BS[:, 0].tolist(), prefixes, strict=True)))
    found = beam_search(
        TableEngine(table),
        ids_BS,
        np.full(len(prefixes), 7),
        beam_size=beam_size,
        n_best=beam_size,
        length_penalty=alpha,
        prefixes=prefixes,
    )
    for sentence, prefix, hypotheses in zip(ids_BS[:, 0].tolist(), prefixes, found, strict=True):
        expected = beam_search_oracle(changed, sentence, 7, beam_size, penalty_of("power", alpha))
        assert [summary(hypothesis) for hypothesis in hypotheses] == expected
        for hypothesis in hypotheses:
            assert list(hypothesis.ids[: len(prefix)]) == prefix
            assert_invariant_2(hypothesis, table, sentence)


def test_a_prefix_is_stronger_than_a_ban_a_minimum_and_a_repetition():
    table = random_table(0, vocabulary=V)
    [[hypothesis]] = beam_search(
        TableEngine(table),
        *one(6),
        beam_size=2,
        prefixes=[[X, X, X]],
        banned=[Spelling((X,))],
        word_boundaries=PARTS,
        no_repeat_ngram_size=1,
        min_lengths=[4],
    )
    assert hypothesis.ids[:3] == (X, X, X)
    assert X not in hypothesis.ids[3:]


# --------------------------------------------------------------------------------------------- bans


def without_banned(table, banned):
    def changed(sentence, tokens):
        log_probs = table(sentence, tokens).copy()
        for token in range(len(log_probs)):
            longer = (*tokens, token)
            if any(end == len(longer) for spelling in banned for end in places(spelling, longer)):
                log_probs[token] = -np.inf
        return log_probs

    return changed


@settings(deadline=None, max_examples=80)
@given(
    seed=seeds,
    banned=st.lists(unattached, min_size=1, max_size=4),
    beam_size=beam_sizes,
)
def test_bans_equal_search_on_a_table_without_what_would_complete_them(seed, banned, beam_size):
    table = random_table(seed, vocabulary=V)
    found = beam_search(
        TableEngine(table),
        sentences(2),
        np.array([6, 4]),
        beam_size=beam_size,
        n_best=beam_size,
        banned=banned,
        word_boundaries=PARTS,
    )
    for sentence, max_length, hypotheses in zip((5, 6), (6, 4), found, strict=True):
        expected = beam_search_oracle(
            without_banned(table, banned), sentence, max_length, beam_size, penalty_of("power", 0.0)
        )
        assert [summary(hypothesis) for hypothesis in hypotheses] == expected
        for hypothesis in hypotheses:
            assert not any(stands_in(spelling, hypothesis.ids) for spelling in banned)
            assert_invariant_2(hypothesis, table, sentence)


def test_a_ban_counts_from_the_edge_of_a_word_and_an_initial_one_at_the_line_s_start():
    banned = BannedPhrases(
        [Spelling((Z,)), Spelling((X, Y)), Spelling((Y, Y), initial=True)], PARTS
    )
    assert banned.find([Z]) == 0
    assert banned.find([X, Z]) is None  # `xz` is one word
    assert banned.find([Y, X, Y]) == 2
    assert banned.find([Y, Y]) == 1
    assert banned.find([Z]) == 0 and banned.find([X, Y, Y]) == 1


# --------------------------------------------------------------------------------- required phrases

plain = st.lists(st.sampled_from([X, Y, Z, W]), max_size=2).map(lambda rest: Spelling((X, *rest)))
phrases = st.tuples(plain, st.lists(spelled, max_size=2)).map(lambda pair: (pair[0], *pair[1]))


def holds(phrase, tokens, parts=PARTS):
    return any(stands_in(spelling, tokens, parts) for spelling in phrase)


def run(automaton, *steps):
    """The state after steps (flags, id) from the initial one."""
    state = 0
    for flags, id in steps:
        state = automaton.transitions.get((state, flags, id), 0)
    return automaton.states[state]


def test_an_automaton_finds_a_phrase_that_starts_within_a_failed_match():
    automaton = PhraseAutomaton.build((Spelling((X, X, Y)),), PARTS)
    word = Start.OF_WORD
    after_x_x = run(automaton, (word, X), (word, X))
    assert not after_x_x.is_complete and after_x_x.next_ids == (Y, X)
    assert after_x_x.num_saved == after_x_x.num_saved_apart == 2
    assert run(automaton, (word, X), (word, X), (word, X), (word, Y)).is_complete
    assert not run(automaton, (word, X), (word, X), (word, Z), (word, Y)).is_complete


def test_an_automaton_starts_each_spelling_only_where_it_may_stand():
    phrase = Spelling((X, Z)), Spelling((Y, Z), initial=True), Spelling((W, Z), attached=True)
    automaton = PhraseAutomaton.build(phrase, PARTS)
    in_line, at_line_start = Start.OF_WORD, Start.OF_WORD | Start.OF_LINE
    after_joiner = Start.OF_WORD | Start.AFTER_JOINER
    complete = {
        (first, flags)
        for first in (X, Y, W)
        for flags in (0, in_line, at_line_start, after_joiner)
        if run(automaton, (flags, first), (0, Z)).is_complete
    }
    assert complete == {
        (X, in_line),
        (X, at_line_start),
        (X, after_joiner),
        (Y, at_line_start),
        (W, after_joiner),
    }


def test_what_an_automaton_saves_apart_does_not_join_the_last_word():
    joining = PhraseAutomaton.build((Spelling((X, Z)),), PARTS)  # `x-z` is one word
    begun = run(joining, (Start.OF_WORD, X))
    assert (begun.num_saved, begun.num_saved_apart) == (1, 0)


@settings(deadline=None, max_examples=80)
@given(
    seed=seeds,
    required=st.lists(st.lists(phrases, max_size=2), min_size=1, max_size=3),
    beam_size=st.integers(1, 5),
    spare=st.integers(0, 4),
    alpha=st.sampled_from([0.0, 1.0]),
    parts=every_kind,
    closing=st.lists(st.sampled_from([X, Y, Z, W]), max_size=3),
)
def test_what_is_required_is_there(seed, required, beam_size, spare, alpha, parts, closing):
    table, ids_BS = random_table(seed, vocabulary=V, sharpness=3.0), sentences(len(required))
    needed = [sum(len(phrase[0].ids) for phrase in of_sentence) + 1 for of_sentence in required]
    found = beam_search(
        TableEngine(table),
        ids_BS,
        np.array(needed) + spare,
        beam_size=beam_size,
        n_best=beam_size,
        required=required,
        word_boundaries=parts,
        closing_ids=closing,
        is_one_sentence=[row % 2 == 0 for row in range(len(required))],
        length_penalty=alpha,
    )
    for sentence, of_sentence, hypotheses in zip(
        ids_BS[:, 0].tolist(), required, found, strict=True
    ):
        assert hypotheses
        for hypothesis in hypotheses:
            assert all(holds(phrase, hypothesis.ids, parts) for phrase in of_sentence)
            assert_invariant_2(hypothesis, table, sentence)
            # Without a length penalty if anything is required.
            length = 1 if of_sentence else len(hypothesis.token_log_probs)
            assert hypothesis.score == pytest.approx(hypothesis.log_prob / length**alpha)


@pytest.mark.parametrize(
    "required",
    [
        [(Spelling((X, Y)),)],
        [(Spelling((X, Z)),), (Spelling((Y,)),)],
        [(Spelling((X, Z)), Spelling((Z,)), Spelling((W, Z), initial=True))],
        [(Spelling((X, Z)), Spelling((Z, Z), attached=True))],
        [(Spelling((X, X, Y)),)],  # which `x x x y` completes at its second beginning
    ],
)
@pytest.mark.parametrize("parts", [PARTS, APOSTROPHE], ids=["words", "apostrophe"])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_enough_beam_finds_the_required_hypotheses_that_brute_force_finds(
    seed, required, parts
):
    table = random_table(seed, vocabulary=V)
    [found] = beam_search(
        TableEngine(table),
        *one(5),
        beam_size=1500,
        n_best=1500,
        required=[required],
        word_boundaries=parts,
    )
    expected = [
        (ids, cut, score)
        for ids, cut, score in every_hypothesis(table, 7, 5, lambda length: 1.0)
        if not cut and all(holds(phrase, ids, parts) for phrase in required)
    ]
    found = [summary(hypothesis) for hypothesis in found if not hypothesis.truncated]
    if any(len(phrase) > 1 for phrase in required):
        # Room is kept for the plain spelling, so one that is shorter does not come at the last
        # moment.
        assert set(found) <= set(expected)
        found, expected = (
            [h for h in hypotheses if len(h[0]) <= 3] for hypotheses in (found, expected)
        )
    assert found == expected


def test_no_sentence_is_closed_before_what_is_required_of_it():
    def find(is_one_sentence):
        [hypotheses] = beam_search(
            TableEngine(random_table(1, vocabulary=V)),
            *one(5),
            beam_size=1500,
            n_best=1500,
            required=[[(Spelling((X, Z)),)]],
            word_boundaries=PARTS,
            closing_ids=[W],
            is_one_sentence=[is_one_sentence],
        )
        return [summary(hypothesis) for hypothesis in hypotheses if not hypothesis.truncated]

    def is_closed_early(ids):
        return W in ids and not holds((Spelling((X, Z)),), ids[: ids.index(W)])

    everything = find(is_one_sentence=False)
    assert any(is_closed_early(ids) for ids, *_ in everything)
    assert find(is_one_sentence=True) == [h for h in everything if not is_closed_early(h[0])]


def test_sentences_with_and_without_requirements_share_a_batch():
    engine, ids_BS, max_lengths_B = (
        TableEngine(random_table(5, vocabulary=V)),
        sentences(4),
        np.array([7, 8, 7, 9]),
    )
    required = [
        [],
        [(Spelling((X, Z)),)],
        [(Spelling((Y,)),), (Spelling((X, W)), Spelling((W,)))],
        [],
    ]

    def find(rows):
        return beam_search(
            engine,
            ids_BS[rows],
            max_lengths_B[rows],
            beam_size=3,
            n_best=3,
            required=[required[row] for row in rows],
            word_boundaries=PARTS,
        )

    together = find([0, 1, 2, 3])
    assert find([3, 1, 0, 2]) == [together[row] for row in [3, 1, 0, 2]]
    assert [find([row])[0] for row in range(4)] == together
    # And a sentence of which nothing is required is searched as if there were no such thing.
    plain = beam_search(engine, ids_BS, max_lengths_B, beam_size=3, n_best=3)
    assert [together[0], together[3]] == [plain[0], plain[3]]


def test_a_requirement_may_be_met_by_the_prefix():
    engine = TableEngine(random_table(5, vocabulary=V))
    [[hypothesis]] = beam_search(
        engine,
        *one(4),
        beam_size=2,
        prefixes=[[Y, X, Z]],
        required=[[(Spelling((X, Z)),)]],
        word_boundaries=PARTS,
    )
    assert hypothesis.ids[:3] == (Y, X, Z)
