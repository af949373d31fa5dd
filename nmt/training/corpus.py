"""Parallel text as ids: filtered, encoded once, and memory-mapped.

The pairs of an epoch are a pure function of (seed, epoch), so that resuming needs no more than the
epoch and the number of batches. Only indices and lengths are held in memory.
"""

import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nmt.config.loader import Config, CorpusConfig, DataConfig
from nmt.errors import UserError
from nmt.runs.run_folder import copier
from nmt.seeding import derive_seed
from nmt.text.back_translation import has_tag, without_tag
from nmt.text.lines import (
    ParallelFiles,
    atomic_write,
    is_blank,
    make_folder,
    read_lines,
    read_parallel,
)
from nmt.text.model_input import ModelInput
from nmt.text.placeholders import PairMasker, translations_of_words
from nmt.text.tokenizer import TAG_ID, Tokenizer, sample_lines

FORMAT = 1
MODEL_INPUT_FORMAT = 2  # raised when the view of a line changes
LINES_AT_ONCE = 10_000  # encoded together
PAIRS_FOR_TRANSLATIONS = 10_000  # drawn to learn which words translate each other


@dataclass(frozen=True)
class CorpusSide:
    """One language of a corpus: all ids in a row and the start of each line, memory-mapped."""

    ids: np.memmap
    offsets: np.memmap

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets).astype(np.int32)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def lines(self, indices: np.ndarray) -> list[np.ndarray]:
        """Reads from the file: touched pages of a memory map stay in the process's memory."""
        path: Any = self.ids.filename
        found = []
        with open(path, "rb") as file:
            for start, end in zip(
                self.offsets[indices].tolist(), self.offsets[indices + 1].tolist(), strict=True
            ):
                file.seek(start * self.ids.itemsize)
                found.append(np.fromfile(file, self.ids.dtype, end - start))
        return found


@dataclass(frozen=True)
class JoinedSide:
    """The lines of several sides, one side after the other."""

    sides: Sequence[CorpusSide]

    def __len__(self) -> int:
        return sum(map(len, self.sides))

    @cached_property
    def _starts(self) -> np.ndarray:
        """The index of each side's first line."""
        return np.cumsum([0, *map(len, self.sides)])[:-1]

    @property
    def lengths(self) -> np.ndarray:
        return np.concatenate([side.lengths for side in self.sides])

    def __getitem__(self, index: int) -> np.ndarray:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.sides[number][index - self._starts[number]]

    def lines(self, indices: np.ndarray) -> list[np.ndarray]:
        numbers = np.searchsorted(self._starts, indices, side="right") - 1
        lines: list[Any] = [None] * len(indices)
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            found = self.sides[number].lines(indices[places] - self._starts[number])
            for place, line in zip(places, found, strict=True):
                lines[place] = line
        return lines


@dataclass(frozen=True)
class CorpusPart:
    """A text of a corpus: `num_pairs` consecutive pairs, of which an epoch draws `num_drawn`."""

    name: str
    num_pairs: int
    num_drawn: int

    def pairs_of_epoch(self, seed: int, epoch: int) -> np.ndarray:
        """Indices, from 0, of the pairs of an epoch.

        They are a window on all pairs in one random order, repeated without end; the window of an
        epoch begins where the last one ended. So no pair is drawn twice more than another.
        """
        if self.num_drawn == self.num_pairs:
            return np.arange(self.num_pairs, dtype=np.int32)
        order = np.random.default_rng(seed).permutation(np.arange(self.num_pairs, dtype=np.int32))
        start = epoch * self.num_drawn % self.num_pairs
        return order[np.arange(start, start + self.num_drawn) % self.num_pairs]


@dataclass(frozen=True)
class Corpus:
    """Encoded training pairs; `dropped` counts the pairs that were left out, by reason.

    `parts` are the texts that the pairs come from, in order; empty where all pairs are drawn once
    an epoch.
    """

    source: CorpusSide | JoinedSide
    target: CorpusSide | JoinedSide
    fingerprint: str
    dropped: dict[str, int]
    weights: np.ndarray | None = None  # float32, one a pair; None: all count alike
    parts: Sequence[CorpusPart] = ()

    def __len__(self) -> int:
        return len(self.source)

    def pairs_of_epoch(self, seed: int, epoch: int) -> np.ndarray:
        """Indices of the pairs of an epoch, not yet shuffled: a pure function of its arguments."""
        drawn, start = [], 0
        for number, part in enumerate(self.parts or [CorpusPart("", len(self), len(self))]):
            drawn.append(start + part.pairs_of_epoch(derive_seed(seed, "corpus", number), epoch))
            start += part.num_pairs
        return np.concatenate(drawn)

    def composition(self) -> list[str]:
        """For each of several texts: what it contributes to an epoch."""
        lengths = self.target.lengths + 1  # with </s>
        ends = np.cumsum([part.num_pairs for part in self.parts])
        tokens = [
            lengths[end - part.num_pairs : end].sum() * part.num_drawn / part.num_pairs
            for part, end in zip(self.parts, ends, strict=True)
        ]
        num_drawn = sum(part.num_drawn for part in self.parts)
        return [
            f"{part.name}: {part.num_drawn:,} of {part.num_pairs:,} pairs an epoch"
            f" ({part.num_drawn / num_drawn:.1%} of the pairs, {count / sum(tokens):.1%} of the"
            " target tokens)"
            for part, count in zip(self.parts, tokens, strict=True)
        ]


def join(corpora: Sequence[Corpus], configs: Sequence[CorpusConfig]) -> Corpus:
    """One corpus of several, from which pairs are drawn as the configs say."""
    weights = None
    if any(corpus.weights is not None for corpus in corpora):
        weights = np.concatenate(
            [np.ones(len(c), np.float32) if c.weights is None else c.weights for c in corpora]
        )
    dropped: Counter[str] = Counter()
    for corpus in corpora:
        dropped.update(corpus.dropped)
    counts = _counts([len(corpus) for corpus in corpora], configs)
    return Corpus(
        JoinedSide([corpus.source for corpus in corpora]),  # type: ignore[misc]
        JoinedSide([corpus.target for corpus in corpora]),  # type: ignore[misc]
        "-".join(corpus.fingerprint for corpus in corpora),
        dict(dropped),
        weights,
        [
            CorpusPart(config.path, len(corpus), count)
            for corpus, config, count in zip(corpora, configs, counts, strict=True)
        ],
    )


def _counts(sizes: Sequence[int], configs: Sequence[CorpusConfig]) -> list[int]:
    """How many pairs of each corpus an epoch has; the same number in every epoch."""
    weighted = [
        max(1, round(config.weight * size)) if config.share is None else 0
        for size, config in zip(sizes, configs, strict=True)
    ]
    shares = [config.share or 0.0 for config in configs]
    total = sum(weighted) / (1.0 - sum(shares))
    return [
        count if config.share is None else round(total * config.share)
        for count, config in zip(weighted, configs, strict=True)
    ]


def read_untagged(files: ParallelFiles) -> Iterator[tuple[str, str]]:
    """The pairs of a training text, without the tags of back-translated sources."""
    for source, target in read_parallel(files):
        yield without_tag(source), target


def fingerprint(
    text: Sequence[str], config: Config, source: Tokenizer, target: Tokenizer, view: ModelInput
) -> str:
    """Identifies the ids on disk: by the files (`text` are their fingerprints), the tokenizers and
    the settings that they depend on."""
    parts = [*text, source.fingerprint, target.fingerprint]
    parts += [
        {"raw": "none"}.get(view.kind, view.kind),  # as encoded by older versions
        str(config.data.max_tokens),
        str(config.data.max_ratio),
        str(FORMAT),
    ]
    if view.kind == "view":
        casing = view.source_casing.as_dict(), view.target_casing.as_dict()
        parts += [str(MODEL_INPUT_FORMAT), config.data.typography.model_dump_json(), repr(casing)]
    if config.copying.classes:
        parts += [
            *sorted(config.copying.classes),
            *sorted(config.copying.translated),
            str(config.copying.replaced_pairs),
            str(config.training.seed),
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def encode_corpus(
    files: ParallelFiles,
    text: Sequence[str],
    config: Config,
    source: Tokenizer,
    target: Tokenizer,
    view: ModelInput,
    folder: Path,
    *,
    weights: Path | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Corpus:
    """Encodes a parallel text into `folder`, or opens the result of an earlier call with the same
    text; `text` are the fingerprints of the files.

    Pairs with a blank side, with more than `max_tokens` on a side or with a ratio above `max_ratio`
    are dropped. The tag of a back-translated source becomes `TAG_ID`. `config.copying` names what
    becomes copy symbols. `weights` has a number a line. `progress` wraps the iterator over pairs.
    Raises UserError if no pair is left.
    """
    key = fingerprint(text, config, source, target, view)
    folder = folder / key
    if not (folder / "corpus.json").is_file():
        _write(files, weights, config, source, target, view, folder, progress)
    return _open(folder, key, files.source)


def pair_masker(
    files: ParallelFiles, config: Config, source: Tokenizer, view: ModelInput
) -> PairMasker:
    """Masks the training pairs of these files."""
    masks = copier(config, source, view)
    if not config.copying.classes or not config.copying.replaced_pairs:
        return PairMasker(masks, {}, 0.0, config.training.seed)
    seed = derive_seed(config.training.seed, "translations of words")
    partners = translations_of_words(
        sample_lines(read_untagged(files), PAIRS_FOR_TRANSLATIONS, seed)
    )
    return PairMasker(masks, partners, config.copying.replaced_pairs, config.training.seed)


def _write(
    files: ParallelFiles,
    weights: Path | None,
    config: Config,
    source: Tokenizer,
    target: Tokenizer,
    view: ModelInput,
    folder: Path,
    progress: Any,
) -> None:
    make_folder(folder, "run folder")
    dropped: Counter[str] = Counter()
    masker = pair_masker(files, config, source, view)
    num_masked = 0
    is_chosen = [np.zeros(0, bool)]  # of each line
    sides = [
        (tokenizer, _dtype(tokenizer), name)
        for tokenizer, name in ((source, "source"), (target, "target"))
    ]
    with (
        atomic_write(folder / "source.ids") as source_ids,
        atomic_write(folder / "source.offsets") as source_offsets,
        atomic_write(folder / "target.ids") as target_ids,
        atomic_write(folder / "target.offsets") as target_offsets,
    ):
        streams = [(source_ids, source_offsets), (target_ids, target_offsets)]
        ends = [0, 0]
        for _, offsets in streams:
            offsets.write(np.int64(0).tobytes())
        remaining = iter(progress(read_parallel(files)))
        while read := list(itertools.islice(remaining, LINES_AT_ONCE)):
            pairs = [(without_tag(source), target) for source, target in read]
            numbers = [
                i for i, pair in enumerate(pairs) if not (is_blank(pair[0]) or is_blank(pair[1]))
            ]
            kept = [pairs[i] for i in numbers]
            dropped["blank"] += len(pairs) - len(kept)
            masked = [masker.mask(number, *pair) for number, pair in enumerate(kept, num_masked)]
            num_masked += len(kept)
            encoded = [
                tokenizer.encode_batch([pair[i] for pair in masked])
                for i, (tokenizer, _, _) in enumerate(sides)
            ]
            for number, source_row in zip(numbers, encoded[0], strict=True):
                if has_tag(read[number][0]):
                    source_row.insert(0, TAG_ID)
            chosen = []
            is_chosen.append(np.zeros(len(pairs), bool))
            for i, *pair in zip(numbers, *encoded, strict=True):
                reason = _why_drop(len(pair[0]), len(pair[1]), config.data)
                if reason:
                    dropped[reason] += 1
                else:
                    chosen.append(pair)
                    is_chosen[-1][i] = True
            for i, (_, dtype, _) in enumerate(sides):
                ids, offsets = streams[i]
                for pair in chosen:
                    ids.write(np.asarray(pair[i], dtype).tobytes())
                lengths = np.asarray([len(pair[i]) for pair in chosen], np.int64)
                offsets.write((ends[i] + np.cumsum(lengths)).tobytes())
                ends[i] += int(lengths.sum())
    chosen_lines = np.concatenate(is_chosen)
    if weights:
        with atomic_write(folder / "weights") as stream:
            stream.write(_read_weights(weights, len(chosen_lines))[chosen_lines].tobytes())
    dtypes = [np.dtype(dtype).name for _, dtype, _ in sides]
    report = {"num_pairs": int(chosen_lines.sum()), "dropped": dict(+dropped), "dtypes": dtypes}
    with atomic_write(
        folder / "corpus.json", "w"
    ) as stream:  # last: its presence marks a complete corpus
        json.dump(report, stream)


def _read_weights(path: Path, num_lines: int) -> np.ndarray:
    weights = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            weight = float(line)
        except ValueError:
            weight = math.nan
        if not 0.0 <= weight < math.inf:
            raise UserError(
                f"{path}, line {number}: expected a number, 0 or more. Received: {line[:60]!r}."
            )
        weights.append(weight)
    if len(weights) != num_lines:
        raise UserError(
            f"{path}: expected one weight for each line of the training text ({num_lines})."
            f" Received: {len(weights)}."
        )
    if weights and not any(weights):
        raise UserError(
            f"{path}: expected a weight above 0. Received: none, so that there is nothing to"
            " train on."
        )
    return np.asarray(weights, np.float32)


def _dtype(tokenizer: Tokenizer) -> Any:
    return np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.int32


def _why_drop(source_length: int, target_length: int, config: DataConfig) -> str | None:
    if max(source_length, target_length) > config.max_tokens:
        return f"longer than {config.max_tokens} tokens"
    if max(source_length, target_length) > config.max_ratio * min(source_length, target_length):
        return f"length ratio above {config.max_ratio:g}"
    return None


def _open(folder: Path, key: str, text: Path) -> Corpus:
    weights = None
    try:
        report = json.loads((folder / "corpus.json").read_bytes())
        num_pairs, dropped = int(report["num_pairs"]), dict(report["dropped"])
        if num_pairs:
            source, target = (
                _open_side(folder / name, dtype, num_pairs)
                for name, dtype in zip(("source", "target"), report["dtypes"], strict=True)
            )
            if (folder / "weights").is_file():
                weights = np.memmap(folder / "weights", np.float32, "r", shape=num_pairs)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{folder} is damaged ({error}). Delete the folder: it is made anew from the text."
        ) from error
    if not num_pairs:
        raise UserError(
            f"expected at least one training pair in {text}. Received: none; dropped"
            f" {dropped or 'nothing'}. Check data.train, data.max_tokens and data.max_ratio."
        )
    return Corpus(source, target, key, dropped, weights)


def _open_side(path: Path, dtype: str, num_pairs: int) -> CorpusSide:
    ids = np.memmap(path.with_suffix(".ids"), dtype, "r")
    offsets = np.memmap(path.with_suffix(".offsets"), np.int64, "r")
    if len(offsets) != num_pairs + 1 or offsets[-1] != len(ids):
        raise ValueError(f"{path.name} is not as long as corpus.json says")
    return CorpusSide(ids, offsets)
