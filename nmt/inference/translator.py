"""Text to text: lines through tokenizer, engine and search, and back.

S source  T target
"""

import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nmt.config.loader import DecodingConfig, parse_config
from nmt.errors import LineError, UserError
from nmt.evaluation.word_alignment import Alignment, with_lag
from nmt.inference import segments
from nmt.inference.onnx_artifact import choose
from nmt.inference.outputs import Candidate, Choices, ScoredTarget, Translation
from nmt.inference.parallel import side_by_side
from nmt.runs.run_folder import Run, refuse_unlike
from nmt.search.beam import Hypothesis
from nmt.search.constraints import SearchBatch
from nmt.search.controls import (
    controlled_search,
    maximum_lengths,
    minimum_lengths,
    refuse_impossible,
)
from nmt.search.ensemble import Ensemble, ForcingEngine
from nmt.search.glossary import Demand, Glossary, Wording, refuse_impossible_demand
from nmt.text.placeholders import MaskedLine
from nmt.text.tokenizer import COPY_IDS, padded

__all__ = ["Alignment", "Candidate", "ScoredTarget", "Translation", "Translator"]

ProgressCallback = Callable[
    [int], Any
]  # called with the number of lines finished since its last call

ALIGNED_PARTS = 256  # whose attention between pieces is held at once
FORCED_TOKENS = 4096  # forced together, padding included: their logits are so many rows of the vocabulary's width


class Translator:
    """Translates, scores and aligns lines with the model of a run. One line in, one result out, in
    order.

    Threads may share a translator, and take turns; two translators share nothing.
    """

    def __init__(
        self, run: Run, engine: ForcingEngine, dictionary: Mapping[str, str] | None = None
    ):
        self.run, self._engine = run, engine
        self._copier = run.copier(dictionary)
        self._last_options: tuple[dict[str, Any], DecodingConfig] = {}, run.config.decoding
        self.num_workers = getattr(engine, "num_workers", 1)
        self._turns = threading.BoundedSemaphore(self.num_workers)

    @classmethod
    def load(
        cls,
        run: str | Path | Run,
        engine: str | None = None,
        precision: str | None = None,
        dictionary: Mapping[str, str] | None = None,
    ) -> "Translator":
        """From a run folder, or an export's. Engine: `onnx`, which loads no TensorFlow, or `keras`;
        precision `float32` or, with `onnx`, `int8`. By default ONNX, if there is an export, in the
        precision it was proved good in. `dictionary` maps words of the source to what they become
        (`nmt.text.placeholders`).

        Raises UserError if something is missing, or if the run was not trained to use a dictionary.
        """
        run = run if isinstance(run, Run) else Run.open(run)
        chosen = choose(run.path, engine, precision)
        if chosen is None:
            return cls.of_model(run, run.load_model(), dictionary)
        export, precision = chosen
        onnx_engine = export.engine(precision, run.forbidden_ids)
        export.check(precision, cls.greedy(run, onnx_engine).translate)
        return cls(run, onnx_engine, dictionary)

    @classmethod
    def greedy(cls, run: Run, engine: ForcingEngine) -> "Translator":
        """One that searches greedily and without controls, whatever the run's config says: to
        compare models."""
        sizes = {"max_length_ratio", "max_length_offset", "max_source_tokens", "batch_size"}
        decoding = DecodingConfig(beam_size=1, **run.config.decoding.model_dump(include=sizes))
        config = run.config.model_copy(update={"decoding": decoding})
        return cls(Run(run.path, config, run.source_tokenizer, run.target_tokenizer), engine)

    @classmethod
    def of_model(
        cls, run: Run, model: Any, dictionary: Mapping[str, str] | None = None
    ) -> "Translator":
        from nmt.inference.keras_engine import KerasEngine  # here, as it loads TensorFlow

        return cls(run, KerasEngine(model, run.forbidden_ids), dictionary)

    @classmethod
    def ensemble(cls, translators: Sequence["Translator"]) -> "Translator":
        """Several translators as one, which averages their probabilities at each step; the options
        are the first's.

        UserError: other vocabularies, or other things that are copied, than the first's.
        """
        if len(translators) == 1:
            return translators[0]
        runs = [translator.run for translator in translators]
        refuse_unlike(runs)
        combined = cls(runs[0], Ensemble([translator._engine for translator in translators]))
        combined._copier = translators[0]._copier
        return combined

    # ---------------------------------------------------------------------------------- translation

    def translate(
        self,
        lines: Iterable[str],
        *,
        n_best: int = 1,
        alignments: bool = False,
        choices: int = 0,
        split_sentences: bool = False,
        prefixes: Sequence[str] = (),
        required: Sequence[str] = (),
        banned: Iterable[str] = (),
        glossary: Glossary | None = None,
        progress: ProgressCallback | None = None,
        num_workers: int | None = None,
        **decoding: Any,
    ) -> list[Translation]:
        """Translates each line. `decoding` are options of that section of the run's config, here
        for this call: `beam_size=1` (which is greedy), `length_penalty=0.6`, `sampling=True`. None
        leaves the config's value.

        Blank lines stay as they are, and so does what the run's config says is copied. With
        `split_sentences` a line is translated sentence by sentence, by the rules of the language
        `data.source`, and the white space between them is kept. What is longer than
        `decoding.max_source_tokens` is translated in parts, which are joined by a space. With
        `alignments` each candidate says where the model looked; with `choices` the best one says
        which so many tokens the model liked best in the place of each of its own. So many batches
        as `num_workers` are searched at once, by default as many as the machine has cores.

        `prefixes`, one a line, are what the translations begin with; `required` and `banned` words
        are in all of them, and in none, and the target phrases of a `glossary` wherever the line
        has the source phrase. See `nmt.search.glossary` for what counts as the same word. What
        cannot be is refused before anything is searched.
        """
        lines = _lines(lines)
        options = self._options(**decoding)
        refuse_impossible(options, n_best)
        if options.sampling and decoding.get("beam_size"):
            raise UserError(
                "sampling searches no beam: it draws n-best samples. Leave beam_size out."
            )
        if (
            options.beam_size == 1
        ):  # with a length penalty, search would look for something better behind the first end
            options = options.model_copy(update={"stopping": "first"})
        language = self.run.config.data.source if split_sentences else None
        tokenizer, limit = self.run.source_tokenizer, options.max_source_tokens
        cut = [segments.cut(line, tokenizer, self._copier, limit, language) for line in lines]
        ids = [part for sentences in cut for sentence in sentences for part in sentence.parts]
        line_of_part = [
            i for i, sentences in enumerate(cut) for sentence in sentences for _ in sentence.parts
        ]
        limits = maximum_lengths(
            [len(part) + 1 for part in ids], options.max_length_ratio, options.max_length_offset
        )
        wording = None
        if prefixes or required or banned or glossary:
            form = self.run.config.data.normalization
            wording = Wording(self.run.target_tokenizer, self.run.forbidden_ids, banned, form)
        demands = self._demands(wording, cut, ids, line_of_part, prefixes, required, glossary)
        for i, of_part, demand, max_length in zip(
            line_of_part, ids, demands, limits.tolist(), strict=True
        ):
            num_copies = sum(id in COPY_IDS for id in of_part)  # which are in the translation, too
            with _of_line(i):
                refuse_impossible_demand(demand, max_length - num_copies, options)
        remaining = np.bincount(line_of_part, minlength=len(lines))
        if progress:
            progress(int(np.count_nonzero(remaining == 0)))
        found: list[list[Hypothesis]] = [[] for _ in ids]
        # Longest first: lines of a length share a batch, and what does not fit into memory shows at
        # once.
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        num_workers = num_workers or self.num_workers
        size = min(options.batch_size, math.ceil(len(order) / num_workers) or 1)
        batches = [order[start : start + size] for start in range(0, len(order), size)]

        def search(chosen: list[int]) -> list[list[Hypothesis]]:
            of_chosen = [ids[i] for i in chosen], limits[chosen], [demands[i] for i in chosen]
            return self._search(*of_chosen, wording, options, n_best)

        results = side_by_side(search, batches, num_workers)
        for chosen, of_batch in zip(batches, results, strict=True):
            for i, hypotheses in zip(chosen, of_batch, strict=True):
                found[i] = hypotheses
                remaining[line_of_part[i]] -= 1
            if progress:
                progress(len({line_of_part[i] for i in chosen if remaining[line_of_part[i]] == 0}))
        weights = self._attention(ids, found, options.batch_size)
        chosen_from = self._choices(ids, found, choices, options.batch_size) if choices else None
        translations, end = [], 0
        for line, sentences in zip(lines, cut, strict=True):
            start, end = end, end + sum(len(sentence.parts) for sentence in sentences)
            of_line = list(itertools.islice(weights, end - start)) if alignments else None
            candidates = self._candidates(sentences, found[start:end], of_line)
            if chosen_from and candidates:
                of_best = tuple(itertools.chain.from_iterable(chosen_from[start:end]))
                candidates = (replace(candidates[0], choices=of_best), *candidates[1:])
            translations.append(Translation(line, candidates))
        return translations

    def _candidates(
        self,
        line: Sequence[segments.Sentence],
        found: Sequence[Sequence[Hypothesis]],
        weights: Sequence[Sequence[np.ndarray]] | None,
    ) -> tuple[Candidate, ...]:
        """The i-th best of a line is made of the i-th best of its parts; `weights` are for
        alignments."""
        source, target, form = (
            self.run.source_tokenizer,
            self.run.target_tokenizer,
            self.run.config.data.normalization,
        )
        candidates = []
        for i in range(min(map(len, found), default=1)):
            chosen = [hypotheses[i] for hypotheses in found]
            candidate = segments.join(target, line, chosen)
            if weights is not None:
                of_parts = [of_part[i] for of_part in weights]
                alignment = segments.align_parts(source, target, form, line, chosen, of_parts)
                candidate = replace(candidate, alignment=alignment)
            candidates.append(candidate)
        return tuple(candidates)

    def _demands(
        self,
        wording: Wording | None,
        cut: Sequence[list[segments.Sentence]],
        ids: Sequence[list[int]],
        line_of_part: Sequence[int],
        prefixes: Sequence[str],
        required: Sequence[str],
        glossary: Glossary | None,
    ) -> list[Demand]:
        """What is asked of each part."""
        if wording is None:
            return [Demand()] * len(ids)
        if prefixes and len(prefixes) != len(cut):
            raise UserError(
                f"prefixes must be as many as lines ({len(cut)}). Received: {len(prefixes)}."
            )
        sentence_of_part = [sentence for line in cut for sentence in line for _ in sentence.parts]
        demands = []
        for p, (i, sentence) in enumerate(zip(line_of_part, sentence_of_part, strict=True)):
            is_first = p == 0 or line_of_part[p - 1] != i
            is_only = is_first and line_of_part[p + 1 : p + 2] != [i]
            with _of_line(i):
                if required and not is_only:
                    raise UserError(
                        "a line that is translated in parts has no one place for what is required."
                        " Give its parts as lines, or raise decoding.max_source_tokens."
                    )
                here: Sequence[str] = ()
                if glossary:
                    copies = [copy._replace(restored="\ufffc") for copy in sentence.masked.copies]
                    here = glossary.required(self.run.source_tokenizer.decode(ids[p], copies))
                prefix: str | MaskedLine = ""
                if prefixes and is_first:
                    prefix = self._copier.mask_target(sentence.masked, prefixes[i].rstrip(" "))
                demands.append(wording.demand(prefix, [*required, *here]))
        return demands

    def _search(
        self,
        ids: Sequence[list[int]],
        limits_B: np.ndarray,
        demands: Sequence[Demand],
        wording: Wording | None,
        options: DecodingConfig,
        n_best: int,
    ) -> list[list[Hypothesis]]:
        batch = SearchBatch(
            source_BS=padded(ids),
            max_lengths_B=limits_B,
            min_lengths_B=minimum_lengths([len(row) + 1 for row in ids], options.min_length_ratio),
            copy_ids=COPY_IDS if self.run.config.copying.classes else (),
        )
        if wording:
            batch = replace(
                batch,
                banned=wording.banned,
                word_parts=wording.word_parts,
                prefixes=[demand.prefix for demand in demands],
                required=[demand.required for demand in demands],
            )
        with self._turns:
            return controlled_search(self._engine, batch, options, n_best)

    def _attention(
        self, ids: Sequence[Sequence[int]], found: Sequence[Sequence[Hypothesis]], batch_size: int
    ) -> Iterator[list[np.ndarray]]:
        """The attention of the hypotheses of each part, by forcing them: search and training share
        one recurrence, so that it need not ride through the beam."""
        for start in range(0, len(ids), ALIGNED_PARTS):
            here = range(start, min(start + ALIGNED_PARTS, len(ids)))
            places = [(i, n) for i in here for n in range(len(found[i]))]
            weights: dict[int, list[Any]] = {i: [None] * len(found[i]) for i in here}
            pairs = [(ids[i], found[i][n].ids) for i, n in places]
            for index, _, weights_TS in self._force(pairs, batch_size):
                i, n = places[index]
                weights[i][n] = weights_TS
            yield from weights.values()

    def _choices(
        self,
        ids: Sequence[list[int]],
        found: Sequence[Sequence[Hypothesis]],
        count: int,
        batch_size: int,
    ) -> list[list[Choices]]:
        """What the model likes best at each place of the best hypothesis of each part, made to
        write that one."""
        chosen_from: list[list[Choices]] = [[] for _ in ids]
        for start in range(0, len(ids), batch_size):
            here = range(start, min(start + batch_size, len(ids)))
            target_BT = padded((found[i][0].ids for i in here), begin=True)
            with self._turns:
                memory, state = self._engine.encode(padded(ids[i] for i in here))
                for t in range(target_BT.shape[1] - 1):
                    log_probs_B1C, ids_B1C, state, _ = self._engine.step(
                        target_BT[:, t : t + 1], state, memory, count
                    )
                    for i, log_probs_C, ids_C in zip(
                        here, log_probs_B1C[:, 0], ids_B1C[:, 0], strict=True
                    ):
                        if t < len(found[i][0].token_log_probs):
                            possible = np.isfinite(log_probs_C)
                            pieces = self.run.target_tokenizer.pieces(ids_C[possible])
                            chosen_from[i].append(
                                tuple(zip(pieces, log_probs_C[possible].tolist(), strict=True))
                            )
        return chosen_from

    # ------------------------------------------------------------------ translations that are given

    def score(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        batch_size: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[ScoredTarget]:
        """The log-probability of each target line, given its source line: teacher-forced, token by
        token.

        Of a line that `translate` wrote it is that candidate's `log_prob`, but for lines that were
        truncated or translated in parts, and for words that the model spelt with other pieces than
        the tokenizer does. What stays as it is, such as a blank line, is certain.

        UserError: not equally many of both.
        """
        pairs = _pairs(sources, targets)
        scored = [ScoredTarget(target, 0.0, (), ()) for _, target in pairs]
        masked = [self._copier.mask_both(*pair) for pair in pairs]
        chosen = [i for i, pair in enumerate(pairs) if not segments.stays(masked[i][0], pair[1])]
        ids = [self._encoded(masked[i]) for i in chosen]
        if progress:
            progress(len(pairs) - len(chosen))
        for index, log_probs_T, _ in self._force(
            ids, self._options(batch_size=batch_size).batch_size, progress
        ):
            tokens = (*self.run.target_tokenizer.pieces(ids[index][1]), "</s>")
            log_probs = tuple(log_probs_T.tolist())
            scored[chosen[index]] = ScoredTarget(
                pairs[chosen[index]][1], sum(log_probs), tokens, log_probs
            )
        return scored

    def align(self, source: str, target: str, *, lag: int = 0) -> Alignment:
        """Where the model looks when it is made to write the target line; see `align_lines`."""
        return self.align_lines([source], [target], lag=lag)[0]

    def align_lines(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        lag: int = 0,
        batch_size: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[Alignment]:
        """The attention of a teacher-forced pass over each pair of lines, between words. `lag`: see
        `nmt.evaluation.word_alignment`.

        UserError: not equally many of both.
        """
        pairs = _pairs(sources, targets)
        masked = [self._copier.mask_both(*pair) for pair in pairs]
        alignments: list[Any] = [None] * len(pairs)
        batch_size = self._options(batch_size=batch_size).batch_size
        for i, _, weights_TS in self._force(
            [self._encoded(pair) for pair in masked], batch_size, progress
        ):
            (source, target), (masked_source, masked_target) = pairs[i], masked[i]
            form = self.run.config.data.normalization
            source_spans = segments.raw_spans(
                self.run.source_tokenizer, source, masked_source, form
            )
            target_spans = segments.raw_spans(
                self.run.target_tokenizer, target, masked_target, form
            )
            # The row and the column of </s> belong to no word.
            weights_TS = with_lag(weights_TS, lag)[:-1, :-1]
            alignments[i] = segments.align_words(
                source, target, source_spans, target_spans, weights_TS
            )
        return alignments

    def _force(
        self,
        ids: Sequence[tuple[Sequence[int], Sequence[int]]],
        batch_size: int,
        progress: ProgressCallback | None = None,
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Pairs of ids -> (which, log-probabilities t, weights ts) of each, </s> included, the
        longest first."""
        order = sorted(range(len(ids)), key=lambda i: (-len(ids[i][1]), -len(ids[i][0])))
        while order:
            longest = len(ids[order[0]][1]) + 1
            count = max(1, min(batch_size, FORCED_TOKENS // longest))
            chosen, order = order[:count], order[count:]
            source_BS, target_BT = (
                padded(ids[i][0] for i in chosen),
                padded((ids[i][1] for i in chosen), begin=True),
            )
            with self._turns:
                log_probs_BT, weights_BTS = self._engine.force(source_BS, target_BT)
            for i, log_probs_T, weights_TS in zip(chosen, log_probs_BT, weights_BTS, strict=True):
                num_source, num_target = (len(side) + 1 for side in ids[i])
                yield i, log_probs_T[:num_target], weights_TS[:num_target, :num_source]
            if progress:
                progress(len(chosen))

    # --------------------------------------------------------------------------------- shared parts

    def _options(self, **given: Any) -> DecodingConfig:
        """The run's options of decoding, but for those that are given. Raises UserError for what
        cannot be."""
        given = {key: value for key, value in given.items() if value is not None}
        last, options = self._last_options
        if (
            given != last
        ):  # to check them takes a while, which counts where line after line comes alone
            decoding = {**self.run.config.decoding.model_dump(), **given}
            options = parse_config({"decoding": decoding}, "search options").decoding
            self._last_options = given, options
        return options

    def _encoded(self, pair: tuple[MaskedLine, MaskedLine]) -> tuple[list[int], list[int]]:
        return self.run.source_tokenizer.encode(pair[0]), self.run.target_tokenizer.encode(pair[1])


@contextmanager
def _of_line(index: int) -> Iterator[None]:
    """Names the line in errors."""
    try:
        yield
    except UserError as error:
        raise LineError(index, str(error)) from None


def _lines(lines: Iterable[str]) -> list[str]:
    """Python callers may pass a line's own LF, more of them, or half a surrogate pair: no part of a
    line of text."""
    if isinstance(lines, str):
        raise TypeError(
            "lines must be an iterable of strings. Received: a single string. Wrap it in a list."
        )
    return [
        line.removesuffix("\n").replace("\n", " ").encode("utf-8", "ignore").decode("utf-8")
        for line in lines
    ]


def _pairs(sources: Iterable[str], targets: Iterable[str]) -> list[tuple[str, str]]:
    sources, targets = _lines(sources), _lines(targets)
    if len(sources) != len(targets):
        raise UserError(
            f"source and target must have equally many lines. Received: {len(sources)} and"
            f" {len(targets)}."
        )
    return list(zip(sources, targets, strict=True))
