"""Search in the browser is Python's: the same hypotheses with the same scores, of tables of
probabilities and under every control that the browser has."""

import random

import numpy as np
import pytest
from fixtures.node import in_node, needs_node
from fixtures.search import TableEngine

from nmt.config.loader import DecodingConfig
from nmt.search.constraints import SearchBatch
from nmt.search.controls import controlled_search
from nmt.search.numbers import DigitPieces, SourceNumbers
from nmt.text.tokenizer import COPY_IDS

pytestmark = needs_node

SIZE = 48
SPACE_ID, PLAIN_DIGITS, SPACED_DIGITS = 21, range(22, 32), range(32, 42)


def random_tables(count, seed, ties=False):
    """A table a sentence: log-probabilities of all ids, in single precision. Ids 0 to 2 are never
    emitted."""
    generator = np.random.default_rng(seed)
    shape = (count, SIZE, SIZE)
    logits = generator.integers(0, 3, shape) * 1.0 if ties else generator.normal(0, 2, shape)
    logits[:, :, :3] = -np.inf
    logits[:, :, 3] += 2
    log_probs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return log_probs.astype(np.float32)


def digit_pieces():
    digits, is_spaced = np.full(SIZE, -1, np.int8), np.zeros(SIZE, bool)
    digits[PLAIN_DIGITS] = digits[SPACED_DIGITS] = np.arange(10)
    is_spaced[SPACED_DIGITS] = True
    return DigitPieces(digits, is_spaced, SPACE_ID)


NUMBERS = SourceNumbers((frozenset({"12"}), frozenset({"7", "07"})), (frozenset({"12"}),))


@pytest.mark.parametrize(
    "options",
    [
        {"length_penalty": 0.0},
        {},
        {"penalty": "gnmt", "length_penalty": 0.6},
        {"length_penalty": -0.5},
        {"beam_size": 1, "stopping": "first"},
        {"stopping": "first"},
        {"beam_size": 50},  # wider than the vocabulary
        {"min_length_ratio": 2.0},
        {"no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.5},
        {"repetition_penalty": 1.2},
        {"copies": True},
        {"numbers": True},
        {"numbers": True, "no_repeat_ngram_size": 1},
        {"copies": True, "numbers": True, "no_repeat_ngram_size": 3, "min_length_ratio": 1.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("ties", [False, True])
def test_search_finds_what_python_finds(options, ties):
    options = dict(options)
    copies, numbers = options.pop("copies", False), options.pop("numbers", False)
    tables = random_tables(12, seed=5, ties=ties)
    decoding = DecodingConfig(beam_size=options.pop("beam_size", 4), **options)
    n_best = min(3, decoding.beam_size)
    engine = TableEngine(
        lambda sentence, tokens: tables[
            sentence % len(tables), ((tokens or (2,))[-1] + len(tokens)) % SIZE
        ]
    )
    generator = random.Random(7)
    searches, expected = [], []
    for sentence in range(len(tables)):
        ids = [sentence + len(tables) * 4, *generator.sample(COPY_IDS, 2 * copies), 45, 3]
        max_length = generator.randint(1, 9)
        batch = SearchBatch(
            source_BS=np.array([ids], np.int32),
            max_lengths_B=np.array([max_length]),
            min_lengths_B=np.array([int(decoding.min_length_ratio * len(ids))]),
            copy_ids=COPY_IDS if copies else (),
            numbers=[NUMBERS] if numbers else (),
            digit_pieces=digit_pieces() if numbers else None,
        )
        (found,) = controlled_search(engine, batch, decoding, n_best)
        expected.append(found)
        searches.append({"sourceIds": ids, "maxLength": max_length})
    found = in_node(
        "search",
        engine={"tables": [[as_row(row) for row in table] for table in tables], "size": SIZE},
        searches=searches,
        options={**decoding.model_dump(), "copies": copies},
        nBest=n_best,
        numbers=as_lists(NUMBERS) if numbers else None,
        digitPieces={
            "digits": digit_pieces().digit_V.tolist(),
            "isSpaced": digit_pieces().is_spaced_V.tolist(),
            "spaceId": SPACE_ID,
            "bytes": list(digit_pieces().bytes.items()),
        },
    )
    for ours, theirs in zip(expected, found, strict=True):
        assert [list(one.ids) for one in ours] == [one["ids"] for one in theirs]
        assert [one.truncated for one in ours] == [one["truncated"] for one in theirs]
        for name, key in (("score", "score"), ("log_prob", "logProb")):
            values = [getattr(one, name) for one in ours]
            np.testing.assert_allclose([one[key] for one in theirs], values, rtol=1e-12)


def as_row(log_probs_V):
    """JSON has no infinity."""
    return [float(one) if np.isfinite(one) else None for one in log_probs_V]


def as_lists(numbers):
    return {
        "permitted": [sorted(one) for one in numbers.permitted],
        "required": [sorted(one) for one in numbers.required],
    }
