"""Translates, scores and aligns lines: tokenizer, engine and search, from text to text.

S source  T target
"""

import copy
import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from nmt.config.loader import DecodingConfig, parse_config
from nmt.errors import LineError, UserError
from nmt.evaluation.word_alignment import Alignment, with_lag
from nmt.inference.arguments import (
    check_single_line,
    checked_count,
    checked_glossary,
    checked_integer,
    checked_lines,
    checked_mapping,
    checked_pairs,
    checked_phrases,
    checked_translators,
    plain,
)
from nmt.inference.onnx_artifact import select_export
from nmt.inference.outputs import Candidate, Choices, ScoredTarget, Translation
from nmt.inference.parallel import isolate_failures, side_by_side
from nmt.inference.segments import (
    ReadText,
    Segment,
    Sentence,
    SourceLine,
    WordAttention,
    cut,
    is_copy,
    join,
    joined_text,
    read_pair,
)
from nmt.runs.package import open_run
from nmt.runs.run_folder import Run, check_compatible
from nmt.search.beam import Hypothesis
from nmt.search.constraints import SearchBatch
from nmt.search.controls import (
    check_n_best,
    controlled_search,
    maximum_lengths,
    minimum_lengths,
)
from nmt.search.ensemble import Ensemble, ForcingEngine
from nmt.search.glossary import ConstraintEncoder, Glossary, check_constraints
from nmt.search.numbers import DigitPieces, SourceNumbers
from nmt.text.characters import CharacterView
from nmt.text.characters import typography as output_typography
from nmt.text.tokenizer import COPY_IDS, padded

__all__ = ["Alignment", "Candidate", "LineError", "ScoredTarget", "Translation", "Translator"]

logger = logging.getLogger(__name__)

# Called with the number of lines finished since its last call.
ProgressCallback = Callable[[int], Any]
Pair = tuple[Sequence[int], Sequence[int]]  # source ids, target ids

# Tokens forced together, padding included: their logits have as many rows, as wide as the
# vocabulary.
FORCED_TOKENS = 4096


@dataclass(frozen=True)
class Constraints:
    """What the caller asks of the words of all translations."""

    prefixes: Sequence[str]  # one for each line, or none
    required: Sequence[str]
    glossary: Glossary | None
    constraint_encoder: ConstraintEncoder | None  # None if nothing is asked


@dataclass(frozen=True)
class SearchSettings:
    """What all batches of a call are searched with."""

    options: DecodingConfig
    n_best: int
    constraint_encoder: ConstraintEncoder | None


class Forced(NamedTuple):
    """The result of forcing one pair, </s> included."""

    log_probs_T: np.ndarray
    weights_TS: np.ndarray


class Translator:
    """Translates, scores and aligns lines with the model of a run: one result for each line, in
    order.

    Threads may share a translator; they take turns. Two translators share nothing.
    """

    def __init__(
        self, run: Run, engine: ForcingEngine, dictionary: Mapping[str, str] | None = None
    ):
        self.run, self._engine = run, engine
        if dictionary is not None:
            checked_mapping(dictionary, "dictionary")
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
        allow_custom: bool = False,
    ) -> "Translator":
        """Loads a run folder, the folder of an export, a package NAME.nmt, or an installed model by
        its name.

        `engine` is `onnx`, which loads no TensorFlow, or `keras`; `precision` is `float32` or, with
        `onnx`, `int8`. By default ONNX, if there is an export, in the precision that the export
        chose. `dictionary` maps words of the source to what they become
        (`nmt.text.placeholders`). `allow_custom` permits Keras to import a score MODULE:CLASS that
        the run's config names: it is code, to be run only if you trust the run.

        Raises UserError if something is missing, or if the run was not trained to use a dictionary.
        """
        run = run if isinstance(run, Run) else open_run(run, allow_custom)
        chosen = select_export(run, engine, precision)
        if chosen is None:
            return cls.from_model(run, run.load_model(), dictionary)
        export, precision = chosen
        onnx_engine = export.engine(precision, run.forbidden_ids)
        export.check(precision, cls.greedy(run, onnx_engine).translate)
        return cls(run, onnx_engine, dictionary)

    @classmethod
    def greedy(cls, run: Run, engine: ForcingEngine) -> "Translator":
        """A translator that searches greedily and without controls, whatever the run's config says:
        to compare models."""
        sizes = {
            "max_length_ratio",
            "max_length_offset",
            "max_source_tokens",
            "batch_size",
            "split_sentences",
            "source_numbers",
            "typography",
        }
        decoding = DecodingConfig(beam_size=1, **run.config.decoding.model_dump(include=sizes))
        return cls(run.with_decoding(decoding), engine)

    @classmethod
    def from_model(
        cls, run: Run, model: Any, dictionary: Mapping[str, str] | None = None
    ) -> "Translator":
        from nmt.inference.keras_engine import KerasEngine  # loads TensorFlow

        return cls(run, KerasEngine(model, run.forbidden_ids), dictionary)

    @classmethod
    def ensemble(cls, translators: Iterable["Translator"]) -> "Translator":
        """Combines translators into one that averages their probabilities at each step, with the
        options of the first.

        Raises UserError if there are none, or if they differ in vocabulary, copying or
        normalisation.
        """
        translators = checked_translators(translators, cls)
        if len(translators) == 1:
            return translators[0]
        runs = [translator.run for translator in translators]
        check_compatible(runs)
        combined = cls(runs[0], Ensemble([translator._engine for translator in translators]))
        combined._copier = translators[0]._copier
        return combined

    # ---------------------------------------------------------------------------------- translation

    # Written out, because type checkers, editors and the reference show these signatures.

    @overload
    def translate(
        self,
        lines: Iterable[str],
        *,
        errors: Literal["raise"] = ...,
        n_best: int = ...,
        alignments: bool = ...,
        choices: int = ...,
        prefixes: Sequence[str] = ...,
        required: Sequence[str] = ...,
        banned: Iterable[str] = ...,
        glossary: Glossary | Mapping[str, str] | None = ...,
        progress: ProgressCallback | None = ...,
        num_workers: int | None = ...,
        **decoding: Any,
    ) -> list[Translation]: ...

    @overload
    def translate(
        self,
        lines: Iterable[str],
        *,
        errors: Literal["return"],
        n_best: int = ...,
        alignments: bool = ...,
        choices: int = ...,
        prefixes: Sequence[str] = ...,
        required: Sequence[str] = ...,
        banned: Iterable[str] = ...,
        glossary: Glossary | Mapping[str, str] | None = ...,
        progress: ProgressCallback | None = ...,
        num_workers: int | None = ...,
        **decoding: Any,
    ) -> list[Translation | LineError]: ...

    def translate(
        self,
        lines: Iterable[str],
        *,
        errors: Literal["raise", "return"] = "raise",
        n_best: int = 1,
        alignments: bool = False,
        choices: int = 0,
        prefixes: Sequence[str] = (),
        required: Sequence[str] = (),
        banned: Iterable[str] = (),
        glossary: Glossary | Mapping[str, str] | None = None,
        progress: ProgressCallback | None = None,
        num_workers: int | None = None,
        **decoding: Any,
    ) -> Sequence[Translation | LineError]:
        """Translates each line. `decoding` are options of that section of the run's config, for
        this call only: `beam_size=1` (greedy), `length_penalty=0.6`, `sampling=True`. None leaves
        the config's value.

        Blank lines stay as they are, and so does what the run's config says is copied. With the
        option `split_sentences` a line is translated sentence by sentence, by the rules of the
        language `data.source`, and the white space between them is kept. What is longer than
        `decoding.max_source_tokens` is translated in parts, which are joined by a space.

        With `alignments` each candidate says where the model looked. With `choices` the best one
        has, in the place of each of its tokens, that many tokens which the model liked best there.
        `num_workers` batches are searched at once, by default one for each core. `progress` is
        called with the number of lines that were finished since its last call.

        `prefixes`, one for each line, begin the translations. `required` words are in all of them,
        `banned` words in none, and the target phrases of a `glossary` (or a mapping of source to
        target phrases) wherever the line has the source phrase. See `nmt.search.glossary` for what
        counts as the same word. Constraints that cannot be met are refused before anything is
        searched.

        A batch that fails is repeated line by line, so that a line that cannot be translated does
        not affect the others. With `errors="raise"` the first such line raises LineError, which has
        its index. With `errors="return"` a LineError stands in the place of its translation; its
        `__cause__` is the exception if something broke, None if the request cannot be fulfilled.
        What is wrong with the options, for all lines alike, always raises UserError.
        """
        if errors not in ("raise", "return"):
            raise UserError(f'errors must be "raise" or "return". Received: {errors!r}.')
        raw_lines = checked_lines(lines)
        choices = checked_count(choices, "choices", least=0)
        if num_workers is not None:
            num_workers = checked_count(num_workers, "num_workers", least=1)
        n_best = checked_count(n_best, "n-best", least=1)
        options = self._search_options(n_best, decoding)
        constraints = self._constraints(len(raw_lines), prefixes, required, banned, glossary)
        source_lines = [SourceLine(index, raw) for index, raw in enumerate(raw_lines)]

        def fail(index: int, error: Exception) -> None:
            line_error = _line_error(index, error)
            if errors == "raise":
                raise line_error
            source_lines[index].error = line_error

        for line in source_lines:
            try:
                line.sentences = self._cut(line, options, constraints)
                self._constrain(line, constraints, options)
            except Exception as error:
                fail(line.index, error)
        remaining = Counter(segment.line for line in source_lines for segment in line.segments)
        if progress:
            progress(len(source_lines) - len(remaining))
        segments = [segment for line in source_lines for segment in line.segments]
        search = SearchSettings(options, n_best, constraints.constraint_encoder)
        for batch in self._search(segments, search, num_workers or self.num_workers):
            for segment, result in batch:
                remaining[segment.line] -= 1
                if isinstance(result, Exception):
                    fail(segment.line, result)
                else:
                    segment.hypotheses = result
            if progress:
                finished = {segment.line for segment, _ in batch if not remaining[segment.line]}
                progress(len(finished))
        if choices:
            self._choose(source_lines, choices, options.batch_size, fail)
        typography = output_typography(**dict(options.typography))
        aligned = (
            self._align(source_lines, options.batch_size, typography, fail) if alignments else {}
        )
        return [line.error or self._translation(line, aligned, typography) for line in source_lines]

    @cached_property
    def _digit_pieces(self) -> DigitPieces:
        return DigitPieces.of(self.run.target_tokenizer)

    @cached_property
    def _plain_constraint_encoder(self) -> ConstraintEncoder:
        return self._encoder_of_constraints(())

    def _encoder_of_constraints(self, banned: Iterable[str]) -> ConstraintEncoder:
        characters = self.run.model_input.target
        return ConstraintEncoder(
            self.run.target_tokenizer, self.run.forbidden_ids, banned, characters
        )

    def check_options(self, **options: Any) -> None:
        """Raises UserError for options that `translate` would refuse whatever the lines."""
        self.translate([], **options)

    def _search_options(self, n_best: int, decoding: Mapping[str, Any]) -> DecodingConfig:
        options = self._options(**decoding)
        check_n_best(options, n_best)
        if options.sampling and decoding.get("beam_size"):
            raise UserError(
                "sampling searches no beam: it draws n-best samples. Leave beam_size out."
            )
        if options.beam_size == 1:
            # Greedy. With a length penalty, search would look for something better than the first.
            options = options.model_copy(update={"stopping": "first"})
        return options

    def _constraints(
        self,
        num_lines: int,
        prefixes: Sequence[str],
        required: Sequence[str],
        banned: Iterable[str],
        glossary: Glossary | Mapping[str, str] | None,
    ) -> Constraints:
        prefixes = checked_lines(prefixes, "prefixes")
        required = checked_phrases(required, "required")
        banned = checked_phrases(banned, "banned")
        glossary = checked_glossary(glossary)
        if prefixes and len(prefixes) != num_lines:
            raise UserError(
                f"prefixes must be as many as lines ({num_lines}). Received: {len(prefixes)}."
            )
        constraint_encoder = None
        if prefixes or required or banned or glossary:
            # The encoder reads the whole vocabulary: 18 ms for 8,000 pieces.
            constraint_encoder = (
                self._encoder_of_constraints(banned) if banned else self._plain_constraint_encoder
            )
            constraint_encoder.encode(required=required)  # wrong for all lines, if at all
        return Constraints(prefixes, required, glossary, constraint_encoder)

    def _cut(
        self, line: SourceLine, options: DecodingConfig, constraints: Constraints
    ) -> list[Sentence]:
        """The sentences of a line, in segments that know how long their translations may be."""
        check_single_line(line.raw)
        tokenizer, limit = self.run.source_tokenizer, options.max_source_tokens
        language = self.run.config.data.source if options.split_sentences else None
        sentences = cut(line.index, line.raw, tokenizer, self._copier, limit, language)
        if constraints.required and len(sentences) > 1:
            logger.info(
                "line %d is translated as one sentence, as words are required of the whole line",
                line.index + 1,
            )
            sentences = cut(line.index, line.raw, tokenizer, self._copier, limit, None)
        for sentence in sentences if options.source_numbers else ():
            if len(sentence.segments) == 1:
                text = sentence.masked.replaced(lambda copy: " ")
                sentence.segments[0].numbers = SourceNumbers.of(text)
                continue
            copies = [copy._replace(restored=" ") for copy in sentence.masked.copies]
            for segment in sentence.segments:
                segment.numbers = SourceNumbers.of(tokenizer.decode(segment.ids, copies))
        for segment in (segment for sentence in sentences for segment in sentence.segments):
            (segment.max_length,) = maximum_lengths(
                [len(segment.ids) + 1], options.max_length_ratio, options.max_length_offset
            ).tolist()
        return sentences

    def _constrain(
        self, line: SourceLine, constraints: Constraints, options: DecodingConfig
    ) -> None:
        """Sets the constraints of each segment. Raises UserError if they cannot be satisfied."""
        constraint_encoder, glossary = constraints.constraint_encoder, constraints.glossary
        if constraint_encoder is None:
            return
        if constraints.required and len(line.segments) > 1:
            raise UserError(
                "a line that is translated in parts has no one place for what is required."
                " Give its parts as lines, or raise decoding.max_source_tokens."
            )
        prefix = constraints.prefixes[line.index].rstrip(" ") if constraints.prefixes else ""
        check_single_line(prefix)
        # The marks around a line are put back around its translation, a prefix included.
        opening = line.sentences[0].before.strip()
        if opening and prefix.startswith(opening):
            prefix = prefix[len(opening) :].lstrip()
        for sentence in line.sentences:
            copies = [copy._replace(restored="\ufffc") for copy in sentence.masked.copies]
            for segment in sentence.segments:
                required, text = list(constraints.required), ""
                if required or glossary:
                    text = self.run.source_tokenizer.decode(segment.ids, copies)
                entries = glossary.entries_in(text) if glossary else []
                required += dict.fromkeys(target for _, target in entries)
                masked = self._copier.mask_target(sentence.masked, prefix) if prefix else ""
                segment.constraints = constraint_encoder.encode(masked, required, text)
                if options.source_numbers:
                    asked = SourceNumbers.of("\n".join([prefix, *required]))
                    segment.asked_numbers = asked._replace(required=())
                prefix = ""  # begins the first segment only
                num_copies = sum(id in COPY_IDS for id in segment.ids)  # translated to themselves
                max_length = segment.max_length - num_copies
                check_constraints(segment.constraints, max_length, options, entries)

    def _search(
        self, segments: Sequence[Segment], search: SearchSettings, num_workers: int
    ) -> Iterator[list[tuple[Segment, list[Hypothesis] | Exception]]]:
        """The hypotheses of each segment, batch by batch."""
        # Longest first: segments of one length share a batch, and what does not fit into memory
        # shows at once.
        order = sorted(segments, key=lambda segment: -len(segment.ids))
        size = min(search.options.batch_size, math.ceil(len(order) / num_workers) or 1)
        batches = [order[start : start + size] for start in range(0, len(order), size)]

        def search_batch(batch: Sequence[Segment]) -> list[list[Hypothesis]]:
            with self._turns:
                return self._hypotheses(batch, search)

        results = side_by_side(partial(isolate_failures, search_batch), batches, num_workers)
        for batch, of_batch in zip(batches, results, strict=True):
            yield list(zip(batch, of_batch, strict=True))

    def _hypotheses(
        self, segments: Sequence[Segment], search: SearchSettings
    ) -> list[list[Hypothesis]]:
        """The hypotheses of a batch.

        A number that cannot be written, because it is banned or has no pieces, must not keep a
        translation from ending. What has not ended is therefore searched again, first without
        required numbers, and then without numbers. The same holds for what is cut within a number.
        """
        tokenizer = self.run.target_tokenizer

        def searched(
            segments: Sequence[Segment], numbers: Iterable[SourceNumbers]
        ) -> list[list[Hypothesis]]:
            batch = self._search_batch(segments, numbers, search)
            return controlled_search(self._engine, batch, search.options, search.n_best)

        results = searched(segments, (segment.numbers for segment in segments))
        for kept in ({"required": ()}, {"required": (), "permitted": ()}):
            relaxed = {
                i: segment.numbers._replace(**kept)
                for i, segment in enumerate(segments)
                if results[i][0].truncated
            }
            again = [i for i, numbers in relaxed.items() if numbers != segments[i].numbers]
            if not again:
                continue
            found = searched([segments[i] for i in again], (relaxed[i] for i in again))
            for i, result in zip(again, found, strict=True):
                permitted = segments[i].numbers + segments[i].asked_numbers
                text = tokenizer.decode(results[i][0].ids)
                if not result[0].truncated or not permitted.permits(text):
                    results[i] = result
        return results

    def _search_batch(
        self, segments: Sequence[Segment], numbers: Iterable[SourceNumbers], search: SearchSettings
    ) -> SearchBatch:
        ratio, constraint_encoder = search.options.min_length_ratio, search.constraint_encoder
        batch = SearchBatch(
            source_BS=padded(segment.ids for segment in segments),
            max_lengths_B=np.array([segment.max_length for segment in segments]),
            min_lengths_B=minimum_lengths([len(segment.ids) + 1 for segment in segments], ratio),
            copy_ids=COPY_IDS if self.run.config.copying.classes else (),
        )
        if search.options.source_numbers:
            batch = replace(
                batch,
                numbers=[
                    of_source + segment.asked_numbers
                    for of_source, segment in zip(numbers, segments, strict=True)
                ],
                digit_pieces=self._digit_pieces,
            )
        if constraint_encoder is None:
            return batch
        return replace(
            batch,
            banned=constraint_encoder.banned,
            word_boundaries=constraint_encoder.word_boundaries,
            prefixes=[segment.constraints.prefix for segment in segments],
            required=[segment.constraints.required for segment in segments],
            closing_ids=constraint_encoder.closing_ids,
            is_one_sentence=[segment.constraints.is_one_sentence for segment in segments],
        )

    def _choose(
        self,
        lines: Sequence[SourceLine],
        count: int,
        batch_size: int,
        fail: Callable[[int, Exception], None],
    ) -> None:
        """Sets `choices` of each segment: the `count` likeliest tokens in the place of each token
        of its best hypothesis, when the model is made to write that one."""
        segments = [segment for line in lines for segment in line.segments]
        for start in range(0, len(segments), batch_size):
            batch = segments[start : start + batch_size]
            results = isolate_failures(partial(self._choices, count=count), batch)
            for segment, result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    fail(segment.line, result)
                else:
                    segment.choices = result

    def _choices(self, segments: Sequence[Segment], count: int) -> list[list[Choices]]:
        best = [segment.hypotheses[0] for segment in segments]
        target_BT = padded((hypothesis.ids for hypothesis in best), begin=True)
        choices: list[list[Choices]] = [[] for _ in segments]
        with self._turns:
            memory, state = self._engine.encode(padded(segment.ids for segment in segments))
            for t in range(target_BT.shape[1] - 1):
                log_probs_B1C, ids_B1C, state, _ = self._engine.step(
                    target_BT[:, t : t + 1], state, memory, count
                )
                for b, hypothesis in enumerate(best):
                    if t < len(hypothesis.token_log_probs):
                        choices[b].append(self._likeliest(log_probs_B1C[b, 0], ids_B1C[b, 0]))
        return choices

    def _likeliest(self, log_probs_C: np.ndarray, ids_C: np.ndarray) -> Choices:
        """Tokens and log-probabilities, best first. An engine that is asked for the whole
        vocabulary does not sort it."""
        order = np.argsort(-log_probs_C, kind="stable")
        order = order[np.isfinite(log_probs_C[order])]
        tokens = self.run.target_tokenizer.pieces(ids_C[order])
        return tuple(zip(tokens, log_probs_C[order].tolist(), strict=True))

    def _align(
        self,
        lines: Sequence[SourceLine],
        batch_size: int,
        typography: CharacterView,
        fail: Callable[[int, Exception], None],
    ) -> dict[tuple[int, int], Alignment]:
        """(line, candidate) -> its alignment, by forcing the hypotheses: search and training share
        one recurrence, so that attention need not be carried through the beam."""
        tokenizer = self.run.source_tokenizer
        sums: dict[tuple[int, int], WordAttention] = {}
        places: list[tuple[int, int, int, int]] = []  # line, candidate, first piece of each side
        pairs: list[Pair] = []
        for line in lines:
            if line.error:
                continue
            source_spans = [span for one in line.sentences for span in one.spans(tokenizer)]
            for n in range(line.num_candidates):
                text, spans = joined_text(
                    self.run.target_tokenizer, line, n, typography, with_spans=True
                )
                sums[line.index, n] = WordAttention(line.raw, text, source_spans, spans)
                target_start = source_start = 0
                for segment in line.segments:
                    places.append((line.index, n, target_start, source_start))
                    pairs.append((segment.ids, segment.hypotheses[n].ids))
                    target_start += len(segment.hypotheses[n].ids)
                    source_start += len(segment.ids)
        for pair, forced in self._force(pairs, batch_size):
            index, n, target_start, source_start = places[pair]
            if isinstance(forced, Exception):
                fail(index, forced)
            else:  # without the row and the column of </s>, which belong to no word
                source_ids, target_ids = pairs[pair]
                weights_TS = forced.weights_TS[: len(target_ids), : len(source_ids)]
                sums[index, n].add(weights_TS, target_start, source_start)
        return {place: attention.alignment() for place, attention in sums.items()}

    def _translation(
        self,
        line: SourceLine,
        aligned: Mapping[tuple[int, int], Alignment],
        typography: CharacterView,
    ) -> Translation:
        candidates = []
        for n in range(line.num_candidates):
            candidate = join(self.run.target_tokenizer, line, n, typography)
            candidates.append(replace(candidate, alignment=aligned.get((line.index, n))))
        return Translation(line.raw, tuple(candidates))

    # ------------------------------------------------------------------ translations that are given

    def score(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        batch_size: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> list[ScoredTarget]:
        """The log-probability of each target line given its source line, token by token, by teacher
        forcing.

        It equals the `log_prob` of a candidate of `translate`, except for lines that were truncated
        or translated in parts, and for words that the model spelt in other pieces than the
        tokenizer. Lines that are not translated, such as blank ones, have probability 1.
        `batch_size` and `progress` are as in `translate`.

        Raises UserError unless there are equally many sources and targets.
        """
        pairs = checked_pairs(sources, targets)
        scored = [ScoredTarget(target, 0.0, (), ()) for _, target in pairs]
        read = [read_pair(self._copier, *pair) for pair in pairs]
        view = self.run.model_input
        forced = [i for i, pair in enumerate(read) if not is_copy(*pair, view)]
        ids = [self._encoded(read[i]) for i in forced]
        if progress:
            progress(len(pairs) - len(forced))
        for index, result in self._force(
            ids, self._options(batch_size=batch_size).batch_size, progress
        ):
            i = forced[index]
            if isinstance(result, Exception):
                raise _line_error(i, result)
            tokens = (*self.run.target_tokenizer.pieces(ids[index][1]), "</s>")
            log_probs = tuple(result.log_probs_T.tolist())
            scored[i] = ScoredTarget(pairs[i][1], sum(log_probs), tokens, log_probs)
        return scored

    def align(self, source: str, target: str, *, lag: int = 0) -> Alignment:
        """The alignment of one pair of lines; see `align_lines`."""
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
        """Attention between the words of each pair of lines, by teacher forcing. `lag`: see
        `nmt.evaluation.word_alignment`. `batch_size` and `progress` are as in `translate`.

        Raises UserError unless there are equally many sources and targets.
        """
        pairs = checked_pairs(sources, targets)
        lag = checked_integer(lag, "lag")
        read = [read_pair(self._copier, *pair) for pair in pairs]
        alignments: list[Any] = [None] * len(pairs)
        batch_size = self._options(batch_size=batch_size).batch_size
        tokenizers = self.run.source_tokenizer, self.run.target_tokenizer
        ids = [self._encoded(pair) for pair in read]
        for i, result in self._force(ids, batch_size, progress):
            if isinstance(result, Exception):
                raise _line_error(i, result)
            spans = [
                text.spans(tokenizer) for tokenizer, text in zip(tokenizers, read[i], strict=True)
            ]
            attention = WordAttention(*pairs[i], *spans)
            # The row and the column of </s> belong to no word.
            attention.add(with_lag(result.weights_TS, lag)[:-1, :-1])
            alignments[i] = attention.alignment()
        return alignments

    def _force(
        self,
        ids: Sequence[Pair],
        batch_size: int,
        progress: ProgressCallback | None = None,
    ) -> Iterator[tuple[int, Forced | Exception]]:
        """Teacher-forces pairs of ids, longest first -> index and result of each."""
        order = sorted(range(len(ids)), key=lambda i: (-len(ids[i][1]), -len(ids[i][0])))
        while order:
            longest = len(ids[order[0]][1]) + 1
            count = max(1, min(batch_size, FORCED_TOKENS // longest))
            batch, order = order[:count], order[count:]
            yield from zip(
                batch,
                isolate_failures(self._force_batch, [ids[i] for i in batch]),
                strict=True,
            )
            if progress:
                progress(len(batch))

    def _force_batch(self, pairs: Sequence[Pair]) -> list[Forced]:
        source_BS = padded(source for source, _ in pairs)
        target_BT = padded((target for _, target in pairs), begin=True)
        with self._turns:
            log_probs_BT, weights_BTS = self._engine.force(source_BS, target_BT)
        return [
            Forced(log_probs_T[: len(target) + 1], weights_TS[: len(target) + 1, : len(source) + 1])
            for (source, target), log_probs_T, weights_TS in zip(
                pairs, log_probs_BT, weights_BTS, strict=True
            )
        ]

    # --------------------------------------------------------------------------------- shared parts

    def _options(self, **given: Any) -> DecodingConfig:
        """The run's decoding options, with those that are given instead of its own."""
        given = {key: plain(value) for key, value in given.items() if value is not None}
        last, options = self._last_options
        if given != last:  # validation takes time, which counts for calls with single lines
            decoding = {**self.run.config.decoding.model_dump(), **given}
            options = parse_config({"decoding": decoding}, "search options").decoding
            self._last_options = copy.deepcopy(given), options  # the caller may change a dict
        return options

    def _encoded(self, pair: tuple[ReadText, ReadText]) -> tuple[list[int], list[int]]:
        source, target = pair
        return (
            self.run.source_tokenizer.encode(source.masked),
            self.run.target_tokenizer.encode(target.masked),
        )


def _line_error(index: int, error: Exception) -> LineError:
    """The error of one line. `__cause__` is set for what is not the user's mistake."""
    if isinstance(error, UserError):
        return LineError(index, str(error))
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line_error = LineError(index, f"could not be processed ({detail}).")
    line_error.__cause__ = error
    return line_error
