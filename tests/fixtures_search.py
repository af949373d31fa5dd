"""Tables in place of models, and a search over them under any options.

B batch  K hypotheses  C candidates  N named ids  T tokens  V vocabulary  S source
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nmt.config import DecodingConfig
from nmt.constraints import Batch, WordParts
from nmt.controls import LENGTH_PENALTIES, controlled_search
from nmt.search import Hypothesis, Step

BOS, EOS = 2, 3
Table = Callable[[int, tuple[int, ...]], np.ndarray]  # sentence, tokens so far -> log-probabilities of all ids


class Memory(NamedTuple):
    sentences_B: np.ndarray
    ids_BS: np.ndarray
    nothing: None


class TableEngine:
    """Looks log-probabilities up. It knows the tokens so far by its state alone, so a state given to the wrong
    hypothesis, or a memory to the wrong sentence, shows in the log-probabilities."""

    def __init__(self, table: Table, weights: Table | None = None):
        self.table, self.weights = table, weights or random_weights
        self.fed: list[list[list[int]]] = []  # the ids of every step

    def encode(self, ids_BS):
        memory = Memory(ids_BS[:, 0], ids_BS, None)
        return memory, {"tokens": [np.zeros((len(ids_BS), 1, 0), np.int32)], "steps": (np.zeros((len(ids_BS), 1)),)}

    def step(self, ids_BK, state, memory, num_candidates, named_ids_BKN=None, with_weights=False):
        self.fed.append(ids_BK.tolist())
        tokens_BKT = np.concatenate([state["tokens"][0], ids_BK[:, :, None]], axis=2)
        assert len(memory.ids_BS) == len(ids_BK)
        log_probs_BKV = self.look_up(self.table, memory, tokens_BKT)
        if num_candidates < log_probs_BKV.shape[2]:
            best_BKC = np.argsort(-log_probs_BKV, axis=2, kind="stable")[:, :, :num_candidates]
        else:
            best_BKC = np.broadcast_to(np.arange(log_probs_BKV.shape[2]), log_probs_BKV.shape)
        log_probs_BKC = np.take_along_axis(log_probs_BKV, best_BKC, axis=2)
        # The id of a masked candidate means nothing. </s> is the one most easily taken for something.
        ids_BKC = np.where(np.isneginf(log_probs_BKC), EOS, best_BKC)
        if named_ids_BKN is not None:
            named = np.take_along_axis(log_probs_BKV, np.maximum(named_ids_BKN, 0), axis=2)
            log_probs_BKC = np.concatenate([log_probs_BKC, np.where(named_ids_BKN < 0, -np.inf, named)], axis=2)
            ids_BKC = np.concatenate([ids_BKC, named_ids_BKN], axis=2)
        weights = self.look_up(self.weights, memory, tokens_BKT) if with_weights else None
        state = {"tokens": [tokens_BKT], "steps": (state["steps"][0] + 1,)}
        return Step(log_probs_BKC, ids_BKC.astype(np.int32), state, weights)

    @staticmethod
    def look_up(table, memory, tokens_BKT):
        return np.array(
            [
                [table(sentence, tuple(tokens[1:])) for tokens in beam]
                for sentence, beam in zip(memory.sentences_B.tolist(), tokens_BKT.tolist(), strict=True)
            ]
        )


WORDS = ["<pad>", "<unk>", "<s>", "</s>", "a", "b", "c", "d", "e"]


def table_engine(table: dict[str, dict[str, float]]) -> TableEngine:
    """{"<s>": {"h": 0.6, ...}}: the probabilities of the next word after a word, or after several ("a b")."""

    def look_up(sentence: int, tokens: tuple[int, ...]) -> np.ndarray:
        words = [WORDS[token] for token in tokens] or ["<s>"]
        following = table.get(" ".join(words), table.get(words[-1], {}))
        with np.errstate(divide="ignore"):
            return np.log([following.get(word, 0.0) for word in WORDS])

    return TableEngine(look_up)


def words(hypothesis: Hypothesis) -> str:
    return " ".join(WORDS[token] for token in hypothesis.ids)


def one(max_length: int = 10):
    """A batch of one sentence."""
    return np.array([[7, 3]], np.int32), np.array([max_length])


def sentences(count: int) -> np.ndarray:
    return np.array([[5 + row, 3] for row in range(count)], np.int32).reshape(count, 2)


def random_table(
    seed: int, *, vocabulary: int = 7, ties: bool = False, masked: float = 0.0, sharpness: float = 1.5
) -> Table:
    """Log-probabilities that hang on the sentence and on every token before. Ids 0 to 2 are never emitted."""
    known: dict[tuple[int, ...], np.ndarray] = {}

    def look_up(sentence: int, tokens: tuple[int, ...]) -> np.ndarray:
        key = (seed, sentence, *tokens)
        if key not in known:
            random = np.random.default_rng(key)
            logits = (
                random.integers(0, 3, vocabulary).astype(float) if ties else random.normal(0, sharpness, vocabulary)
            )
            logits[: BOS + 1] = -np.inf
            log_probs = logits - np.log(np.exp(logits).sum())
            log_probs[random.random(vocabulary) < masked] = -np.inf
            known[key] = log_probs
        return known[key]

    return look_up


def random_weights(sentence: int, tokens: tuple[int, ...]) -> np.ndarray:
    """Attention over two source positions that hangs on the sentence and on every token before."""
    share = np.random.default_rng((7, sentence, *tokens)).random()
    return np.array([share, 1 - share], np.float32)


def no_words(size: int) -> WordParts:
    """Ids none of which joins with another."""
    return WordParts(*[np.zeros(size, bool)] * 3)


def options_of(**options: Any) -> DecodingConfig:
    """Without the length penalty that is the default."""
    return DecodingConfig(**{"length_penalty": 0.0, **options})


def beam_search(
    engine: Any,
    ids_BS: np.ndarray,
    max_lengths_B: np.ndarray,
    *,
    n_best: int = 1,
    min_lengths: Sequence[int] | None = None,
    word_parts: WordParts | None = None,
    prefixes: Sequence[Sequence[int]] = (),
    required: Any = (),
    banned: Any = (),
    **options: Any,
) -> list[list[Hypothesis]]:
    """A search under `options`, which are those of the config."""
    minima = np.zeros(len(ids_BS), int) if min_lengths is None else np.array(min_lengths)
    word_parts = word_parts or no_words(20)
    batch = Batch(ids_BS, max_lengths_B, minima, prefixes, required, banned, word_parts)
    return controlled_search(engine, batch, options_of(**options), n_best)


def greedy(engine: Any, ids_BS: np.ndarray, max_lengths_B: np.ndarray, **options: Any) -> list[Hypothesis]:
    return [best for [best] in beam_search(engine, ids_BS, max_lengths_B, beam_size=1, stopping="first", **options)]


def summary(hypothesis: Hypothesis) -> tuple[tuple[int, ...], bool, float]:
    return hypothesis.ids, hypothesis.truncated, round(hypothesis.score, 9)


def every_hypothesis(table: Table, sentence: int, max_length: int, penalise) -> list:
    """Brute force: all there is, finished before truncated, then best first."""
    found = []

    def follow(tokens: tuple[int, ...], log_prob: float):
        if len(tokens) == max_length:
            found.append((tokens, True, round(log_prob / penalise(max_length), 9)))
            return
        for token, token_log_prob in enumerate(table(sentence, tokens)):
            if token == EOS and np.isfinite(token_log_prob):
                found.append((tokens, False, round((log_prob + token_log_prob) / penalise(len(tokens) + 1), 9)))
            elif np.isfinite(token_log_prob):
                follow((*tokens, token), log_prob + token_log_prob)

    follow((), 0.0)
    return sorted(found, key=lambda hypothesis: (hypothesis[1], -hypothesis[2]))


def law_3_in_slow_motion(table: Table, sentence: int, max_length: int, beam_size: int, penalise, stop: bool = True):
    """Law 3 written out over lists, with every candidate there is, and a bound that tries every length."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    done: list[tuple[tuple[int, ...], bool, float]] = []
    for length in range(1, max_length + 1):
        candidates = [
            (tokens, token, log_prob + token_log_prob)
            for tokens, log_prob in live
            for token, token_log_prob in sorted(enumerate(table(sentence, tokens)), key=lambda pair: -pair[1])
            if np.isfinite(token_log_prob)
        ]
        if not candidates:
            length -= 1
            break
        candidates = sorted(candidates, key=lambda candidate: -candidate[2])[: 2 * beam_size]
        done += [
            (tokens, False, log_prob / penalise(length))
            for tokens, token, log_prob in candidates[:beam_size]
            if token == EOS
        ]
        done = sorted(done, key=lambda hypothesis: -hypothesis[2])[:beam_size]
        live = [((*tokens, token), log_prob) for tokens, token, log_prob in candidates if token != EOS][:beam_size]
        if not live:
            break
        hope = (
            max(lp / penalise(later) for _, lp in live for later in range(length + 1, max_length + 1))
            if (length < max_length)
            else -np.inf
        )
        if stop and len(done) == beam_size and hope <= done[-1][2]:
            break
    cut = [(tokens, True, log_prob / penalise(max(length, 1))) for tokens, log_prob in live]
    best = (done + sorted(cut, key=lambda hypothesis: -hypothesis[2]))[:beam_size]
    return [(tokens, was_cut, round(float(score), 9)) for tokens, was_cut, score in best]


def penalty_of(name: str, alpha: float):
    return lambda length: float(LENGTH_PENALTIES[name](length, alpha))
