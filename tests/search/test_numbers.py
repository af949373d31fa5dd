"""Numbers of a translation are those of its source."""

import re
import tracemalloc

import numpy as np
import pytest
from fixtures.search import EOS, TableEngine, options_of, random_table, sentences

from nmt.search.constraints import SearchBatch
from nmt.search.controls import controlled_search
from nmt.search.numbers import DigitPieces, SourceNumbers, without_used

# ids 4, 5, 6 are "1", "2", "3", and 7, 8, 9 the same after a space; 10 is a word, 11 and 12 are the
# two bytes of a letter.
TEXT = {4: "1", 5: "2", 6: "3", 7: " 1", 8: " 2", 9: " 3", 10: " a", 11: "\udcc3", 12: "\udca9"}
PIECES = DigitPieces(
    np.array([-1] * 4 + [1, 2, 3] * 2 + [-1] * 3, np.int8),
    np.array([False] * 7 + [True] * 4 + [False] * 2),
    bytes={11: 0xC3, 12: 0xA9},
)


def forms(*groups):
    return [frozenset(group.split()) for group in groups]


@pytest.mark.parametrize(
    ("text", "permitted", "required"),
    [
        ("no number", [], []),
        ("3 boys and 20 girls", ["3 03", "20"], []),
        ("25 girls", ["25"], ["25"]),
        ("98.67 euros", ["98", "67"], ["98", "67"]),
        ("in 2016", ["2016"], ["2016"]),
        ("about 500 people", ["500"], []),
        ("45 min 30 s, 100 km/h", ["45", "30", "100"], ["45", "30", "100"]),
        ("50 sheep, 20 s and 30 %", ["50", "20", "30"], []),
        ("1,000 people", ["1000 1", "000"], []),
        ("1,234 people", ["1234 1", "234"], ["1234 234"]),
        ("12 345 people", ["12345 12", "345"], ["12345 345"]),
        ("the 1990s", ["1990 90"], ["1990 90"]),
        ("the 1980-1990s", ["1980", "1990 90"], ["1980", "1990 90"]),
        ("at 7.45 p.m.", ["7 07 19", "45"], ["7 07 19", "45"]),
        ("à 19 h", ["19 7"], []),
        ("05", ["05 5"], []),
        ("2024-05-12", ["2024", "05 5", "12"], ["2024", "05 5", "12"]),
        ("34 48 06 10", ["34", "48", "06 6", "10"], ["34", "48", "06 6", "10"]),
        ("+33 6 12 34 05.", ["33", "6 06", "12", "34", "05 5"], ["33", "6 06", "12", "34", "05 5"]),
        ("12 34 56 7.50", ["12", "34", "56", "7 07 19", "50"], ["12", "34", "56", "7 07 19", "50"]),
        ("3 boys 2 girls", ["3 03", "2 02"], []),
    ],
)
def test_a_source_permits_and_requires_its_numbers(text, permitted, required):
    assert SourceNumbers.of(text) == (tuple(forms(*permitted)), tuple(forms(*required)))


@pytest.mark.parametrize(
    ("translation", "permitted"),
    [("7 filles, 25", True), ("07", True), ("aucune", True), ("2", False), ("7 et 7", False)],
)
def test_a_translation_may_have_each_number_once_and_no_part_of_it(translation, permitted):
    assert SourceNumbers.of("7 girls and 25 boys").permits(translation) == permitted


def batch_of(numbers, max_length=8, required=None):
    count = len(numbers)
    return SearchBatch(
        source_BS=sentences(count),
        max_lengths_B=np.full(count, max_length),
        min_lengths_B=np.zeros(count, int),
        numbers=[
            SourceNumbers(tuple(forms(*permitted)), tuple(forms(*needed)))
            for permitted, needed in zip(numbers, required or [()] * count, strict=True)
        ],
        digit_pieces=PIECES,
    )


def groups_of(hypothesis):
    text = "".join(TEXT[id] for id in hypothesis.ids)
    return re.findall(r"\d+", text.encode(errors="surrogateescape").decode(errors="ignore"))


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("seed", range(20))
def test_every_number_is_permitted_and_whole_and_none_comes_too_often(seed, beam_size):
    numbers = [["12"], [], ["1", "123"], ["3 31", "3"], ["2", "22", "2"]]
    engine = TableEngine(random_table(seed, vocabulary=13, sharpness=1.0))
    found = controlled_search(
        engine, batch_of(numbers), options_of(beam_size=beam_size, stopping="best"), beam_size
    )
    for hypotheses, permitted in zip(found, numbers, strict=True):
        for hypothesis in hypotheses:
            groups = groups_of(hypothesis)
            # A hypothesis that was cut may end within a number.
            whole = groups[:-1] if hypothesis.truncated else groups
            assert len(without_used(forms(*permitted), whole)) == len(permitted) - len(whole)


def test_a_number_that_was_begun_is_completed_however_unlikely():
    def table(sentence, tokens):
        wanted = {(): 7, (7,): EOS}.get(tokens, EOS)  # " 1", then the end
        log_probs = np.full(11, -20.0)
        log_probs[wanted] = -0.01
        return log_probs

    (found,) = controlled_search(TableEngine(table), batch_of([["123"]]), options_of(beam_size=1))
    assert found[0].ids == (7, 5, 6) and not found[0].truncated


@pytest.mark.parametrize(("between", "groups"), [((11,), ["12"]), ((11, 12), ["1", "2"])])
@pytest.mark.parametrize("permitted", [["12"], ["1", "2"]])
def test_bytes_of_no_character_part_no_numbers(between, groups, permitted):
    """The first byte of a letter leaves no trace in the text; a letter between two digits does."""
    wanted = (7, *between, 5)

    def table(sentence, tokens):
        log_probs = np.full(13, -20.0)
        log_probs[10] = -15.0
        is_begun = len(tokens) < len(wanted) and tokens == wanted[: len(tokens)]
        log_probs[wanted[len(tokens)] if is_begun else EOS] = -0.01
        return log_probs

    batch = batch_of([permitted])
    (found,) = controlled_search(TableEngine(table), batch, options_of(beam_size=1))
    assert (groups_of(found[0]) == groups) == (permitted == groups)
    assert not without_used(forms(*groups_of(found[0])), permitted)


def test_a_missing_number_is_placed_where_the_model_would_end():
    def table(sentence, tokens):
        log_probs = np.full(11, -20.0)
        log_probs[4:7] = -25.0  # a number begins after a space
        log_probs[EOS if tokens else 10] = -0.01  # a word, then the end
        return log_probs

    batch = batch_of([["123", "2"]], required=[["123"]])
    (found,) = controlled_search(TableEngine(table), batch, options_of(beam_size=1))
    assert found[0].ids == (10, 7, 5, 6) and not found[0].truncated
    unasked = batch_of([["123", "2"]])
    (found,) = controlled_search(TableEngine(table), unasked, options_of(beam_size=1))
    assert found[0].ids == (10,)


def test_a_long_number_takes_little_memory():
    digits = "123" * 1000
    table = {"1": 5, "2": 6, "3": 4}  # the digit that follows each

    def follow(sentence, tokens):
        log_probs = np.full(11, -20.0)
        log_probs[table[TEXT[tokens[-1]].strip()] if tokens else 7] = -0.01
        return log_probs

    tracemalloc.start()
    (found,) = controlled_search(
        TableEngine(follow), batch_of([[digits]], max_length=12), options_of(beam_size=1)
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert groups_of(found[0]) == [digits[:12]]
    assert peak < 2_000_000


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("seed", range(15))
def test_no_required_number_is_missing_however_unlikely(seed, beam_size):
    required = [["12"], ["3 31", "2"], []]
    numbers = [["12"], ["3 31", "2"], ["1"]]
    engine = TableEngine(random_table(seed, vocabulary=13, sharpness=1.0))
    found = controlled_search(
        engine, batch_of(numbers, 30, required), options_of(beam_size=beam_size), beam_size
    )
    for hypotheses, needed in zip(found, required, strict=True):
        for hypothesis in hypotheses:
            if not hypothesis.truncated:
                assert not without_used(forms(*needed), groups_of(hypothesis))


def test_where_no_digit_is_likely_nothing_changes():
    table = random_table(3, vocabulary=11)

    def without_digits(sentence, tokens):
        log_probs = table(sentence, tokens).copy()
        log_probs[4:10] = -1000.0
        return log_probs

    batch = batch_of([["1"], []])
    options = options_of(beam_size=3)
    plain = SearchBatch(batch.source_BS, batch.max_lengths_B, batch.min_lengths_B)
    assert controlled_search(TableEngine(without_digits), batch, options, 3) == controlled_search(
        TableEngine(without_digits), plain, options, 3
    )


def test_digit_pieces_of_a_tokenizer(tiny_tokenizer):
    pieces = DigitPieces.of(tiny_tokenizer)
    ids = tiny_tokenizer.encode("a 31 b2")
    spelt = "".join(str(pieces.digit_V[id]) for id in ids if pieces.digit_V[id] >= 0)
    assert spelt == "312"


@pytest.fixture
def tiny_tokenizer():
    from nmt.text.tokenizer import train_tokenizer

    return train_tokenizer(
        ["a 12 b", "1 a 2 b"] * 20,
        algorithm="bpe",
        vocabulary_size=283,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=100,
    )
