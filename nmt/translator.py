"""Text to text: lines through tokenizer, engine and search, and back.

S source  T target
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nmt.config import DecodingConfig, parse_config
from nmt.constraints import Batch
from nmt.controls import controlled_search, maximum_lengths, minimum_lengths, refuse_impossible
from nmt.copying import MaskedLine
from nmt.data import padded
from nmt.run import Run
from nmt.search import Engine, Hypothesis
from nmt.text import is_blank
from nmt.tokenizer import COPY_IDS


@dataclass(frozen=True)
class Candidate:
    """One of a line's translations. `log_prob` is the model's, </s> included; `score` is what ranked it."""

    text: str
    log_prob: float
    score: float
    truncated: bool  # cut at the maximum length


@dataclass(frozen=True)
class Translation:
    """A line's translations, best first. A blank line has itself as its only one."""

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        return self.candidates[0].text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Alignment:
    """Where the model looked while it wrote `target_words`: weights ts over words; rows sum to at most 1."""

    source_words: list[str]
    target_words: list[str]
    weights_TS: np.ndarray


class ForcingEngine(Engine, Protocol):
    """An engine that also says what a model thinks of a translation that is given."""

    def force(self, source_BS: np.ndarray, target_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Padded ids, targets from <s> on -> log-probabilities bt of what follows <s>, attention weights bts."""


class Translator:
    """Translates lines with the model of a run. One line in, one translation out, in order; threads take turns."""

    def __init__(self, run: Run, engine: ForcingEngine):
        self.run, self._engine = run, engine
        self._copier = run.copier()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, run: str | Path | Run) -> "Translator":
        """From a run folder. Raises UserError if it is incomplete."""
        run = run if isinstance(run, Run) else Run.open(run)
        return cls.of_model(run, run.load_model())

    @classmethod
    def of_model(cls, run: Run, model: Any) -> "Translator":
        from nmt.keras_engine import KerasEngine  # here, as it loads TensorFlow

        return cls(run, KerasEngine(model, run.forbidden_ids))

    def translate(
        self,
        lines: Iterable[str],
        *,
        n_best: int = 1,
        progress: Callable[[int], Any] | None = None,
        **decoding: Any,
    ) -> list[Translation]:
        """Translates each line. `decoding` are options of that section of the run's config, here for this call:
        `beam_size=1` (which is greedy), `length_penalty=0.6`, `sampling=True`. None leaves the config's value.

        Blank lines stay as they are, and so does what the run's config says is copied. Lines longer than
        `decoding.max_source_tokens` are translated in parts, which are joined again. `progress` is called with the
        number of lines finished since its last call.
        """
        if isinstance(lines, str):
            raise TypeError("lines must be an iterable of strings. Received: a single string. Wrap it in a list.")
        given = {key: value for key, value in decoding.items() if value is not None}
        values = {**self.run.config.decoding.model_dump(), **given}
        options = parse_config({"decoding": values}, "search options").decoding
        refuse_impossible(options, n_best)
        if options.beam_size == 1:  # with a length penalty, search would look for something better behind the first end
            options = options.model_copy(update={"stopping": "first"})
        lines = [_one_line(line) for line in lines]
        masked = [MaskedLine(line) if is_blank(line) else self._copier.mask(line) for line in lines]
        parts: list[tuple[int, list[int]]] = []  # of which line, source ids
        for index, line in enumerate(masked):
            if not (is_blank(line.text) or line.is_all_copies):
                ids = self.run.source_tokenizer.encode(line)
                parts += [(index, part) for part in self._split(ids, options.max_source_tokens)]
            elif progress:
                progress(1)
        remaining = np.bincount([index for index, _ in parts], minlength=len(lines))
        found: list[list[Hypothesis]] = [[] for _ in parts]
        # Longest first: lines of a length share a batch, and what does not fit into memory shows at once.
        order = sorted(range(len(parts)), key=lambda i: -len(parts[i][1]))
        for start in range(0, len(order), options.batch_size):
            chosen = order[start : start + options.batch_size]
            hypotheses = self._search([parts[i][1] for i in chosen], options, n_best)
            for i, of_part in zip(chosen, hypotheses, strict=True):
                found[i] = of_part
                remaining[parts[i][0]] -= 1
            if progress:
                progress(len({parts[i][0] for i in chosen if remaining[parts[i][0]] == 0}))
        results: list[list[list[Hypothesis]]] = [[] for _ in lines]
        for (index, _), of_part in zip(parts, found, strict=True):
            results[index].append(of_part)
        return [
            Translation(line, self._candidates(of_line, of))
            for line, of_line, of in zip(lines, masked, results, strict=True)
        ]

    def align(self, source: str, target: str) -> Alignment:
        """Attention weights of a teacher-forced pass over words: valid as training and search share one recurrence."""
        from nmt.visualize import merge_pieces

        masked = self._copier.mask_both(_one_line(source), _one_line(target))
        source, target = (line.text for line in masked)
        tokenizers = self.run.source_tokenizer, self.run.target_tokenizer
        ids = [tokenizer.encode(line) for tokenizer, line in zip(tokenizers, masked, strict=True)]
        with self._lock:
            _, weights = self._engine.force(padded([ids[0]]), padded([ids[1]], begin=True))
        words = [  # the position of </s> belongs to no word
            [*tokenizer.word_of_piece(line), -1] for tokenizer, line in zip(tokenizers, masked, strict=True)
        ]
        return Alignment(
            [source[start:end] for start, end in tokenizers[0].words(source)],
            [target[start:end] for start, end in tokenizers[1].words(target)],
            merge_pieces(weights[0], *words),
        )

    def _search(self, ids: Sequence[Sequence[int]], options: DecodingConfig, n_best: int) -> list[list[Hypothesis]]:
        lengths_B = [len(row) + 1 for row in ids]
        batch = Batch(
            source_BS=padded(ids),
            max_lengths_B=maximum_lengths(lengths_B, options.max_length_ratio, options.max_length_offset),
            min_lengths_B=minimum_lengths(lengths_B, options.min_length_ratio),
        )
        with self._lock:
            return controlled_search(self._engine, batch, options, n_best)

    def _split(self, ids: list[int], limit: int) -> list[list[int]]:
        """Parts of at most `limit` ids, cut after the last sentence end, else before the last word, that fits."""
        parts = []
        while len(ids) > limit:
            names = self.run.source_tokenizer.pieces(ids[: limit + 1])
            starts = [i for i in range(1, limit + 1) if names[i].startswith("▁")]
            ends = [i for i in starts if names[i - 1].endswith((".", "!", "?", ";"))]
            cut = next((places[-1] for places in (ends, starts) if places and places[-1] > limit // 4), limit)
            parts.append(ids[:cut])
            ids = ids[cut:]
        return [*parts, ids]

    def _candidates(self, line: MaskedLine, parts: list[list[Hypothesis]]) -> tuple[Candidate, ...]:
        """The i-th best of a line is made of the i-th best of its parts."""
        if not parts:
            return (Candidate(line.replaced(lambda copy: copy.restored), 0.0, 0.0, False),)
        count = min(len(of_part) for of_part in parts)
        return tuple(
            Candidate(
                self._restored(line, [of_part[i].ids for of_part in parts]),
                sum(of_part[i].log_prob for of_part in parts),
                float(np.mean([of_part[i].score for of_part in parts])),
                any(of_part[i].truncated for of_part in parts),
            )
            for i in range(count)
        )

    def _restored(self, line: MaskedLine, ids_of_parts: Sequence[Sequence[int]]) -> str:
        """The text of a line's parts. A copy that search could not place follows at the end: it must not be lost."""
        emitted = {id for ids in ids_of_parts for id in ids}
        texts = [self.run.target_tokenizer.decode(ids, line.copies) for ids in ids_of_parts]
        return " ".join(texts + [copy.restored for copy in line.copies if COPY_IDS[copy.symbol] not in emitted])


def _one_line(line: str) -> str:
    """Python callers may pass a line's own LF, more of them, or half a surrogate pair: no part of a line of text."""
    return line.removesuffix("\n").replace("\n", " ").encode("utf-8", "ignore").decode("utf-8")
