"""The batches of each epoch, in parts and for each device, prepared in the background."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from nmt.config.loader import Config
from nmt.runs.run_folder import Run
from nmt.seeding import derive_seed
from nmt.text.bpe_dropout import SubwordSampler
from nmt.text.tokenizer import padded
from nmt.training.augmentation import Augmentation
from nmt.training.corpus import Corpus
from nmt.training.distributed import Workers

BATCHES_AT_ONCE = 200  # sorted by length together; more waste less padding but mix less
# Batches of tokens have a multiple of so many sentences: products are compiled, and kept in memory,
# for each number of rows.
SENTENCES_MULTIPLE = 8

TrainingBatch = tuple[Any, Any, Any]  # source bs, target bt, weights b


class InputPipeline:
    """The batches of a run, in an order that is a pure function of the seed and the epoch.

    The batch of an update has up to `training.gradient_accumulation` parts, and each part has one
    batch for each device of this process.
    """

    def __init__(self, run: Run, corpus: Corpus, workers: Workers):
        self.corpus, self.workers = corpus, workers
        self.run_config, self.config = run.config, run.config.training
        tokenizers = run.source_tokenizer, run.target_tokenizer
        dropout, seed = self.config.bpe_dropout, self.config.seed
        rates = self.config.augmentation
        self.augmentation = (
            Augmentation(rates, run.model_input, tokenizers, seed)
            if any(rates.model_dump().values())
            else None
        )
        self.samplers = (
            [SubwordSampler(tokenizer, dropout, seed) for tokenizer in tokenizers]
            if dropout
            else []
        )

    def plan(self, epoch: int) -> list[list[np.ndarray]]:
        """The indices of the parts of each batch."""
        return plan_updates(self.corpus, self.run_config, epoch)

    def num_sizes(self) -> int:
        """The number of different batch sizes in an epoch: products are compiled for each."""
        lengths = self.corpus.target.lengths
        parts = [
            own
            for batch in self.plan(0)
            for part in batch
            for own in self.workers.parts(part)
            if len(own)
        ]
        return len({len(part) * (int(lengths[part].max()) + 1) for part in parts})

    def total_steps(self) -> int:
        """The number of steps by the config, without regard to a budget."""
        most = self.config.max_steps or math.inf
        total = 0
        for epoch in range(self.config.epochs):
            # Epochs of batches of target tokens differ in their number of batches.
            if epoch == 0 or self.config.batch_unit == "target_tokens":
                batches = len(self.plan(epoch))
            total += batches
            if total >= most:
                return int(most)
        return total

    def batches(self, epoch: int, first: int = 0) -> Iterator[list[list[TrainingBatch]]]:
        """The batches of an epoch from number `first` on: each its parts, and each part its
        devices' batches."""
        plan = self.plan(epoch)
        parts = [part for batch in plan for part in batch]
        start = first * self.config.gradient_accumulation
        ids, weights = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.float32)

        def changed(number: int, indices: np.ndarray, source: Any, target: Any) -> Any:
            if self.augmentation:
                source, target = self.augmentation.batch(source, target, indices.tolist(), epoch)
            if not self.samplers:
                return source, target
            return [
                sampler.batch(side, epoch, number)
                for sampler, side in zip(self.samplers, (source, target), strict=True)
            ]

        changes = changed if self.samplers or self.augmentation else None

        def generate() -> Iterator[TrainingBatch]:
            for number, part in enumerate(parts[start:], start):
                for indices in self.workers.parts(part):
                    yield from batches(self.corpus, [indices], number, changes)

        ready = iter(
            tf.data.Dataset.from_generator(generate, output_signature=(ids, ids, weights)).prefetch(
                8
            )
        )
        for batch in plan[first:]:
            yield [list(itertools.islice(ready, self.workers.num_devices)) for _ in batch]


def plan_epoch(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    batch_size: int,
    batch_unit: Literal["sentences", "target_tokens"],
    seed: int,
    epoch: int,
    pairs: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The batches of an epoch, each an array of indices; a pure function of its arguments.

    All pairs, or those of the indices `pairs`, are shuffled; long runs of them are sorted by length
    and cut into batches of similar lengths; the batches are shuffled again. So any two pairs may
    meet, and little is padded. `batch_size` counts sentences, or target tokens with their padding.
    """
    generator = np.random.default_rng(derive_seed(seed, "batches", epoch))
    order = generator.permutation(len(source_lengths) if pairs is None else pairs)
    mean_length = max(1.0, float(np.mean(target_lengths)))
    sentences = batch_size if batch_unit == "sentences" else max(1, int(batch_size / mean_length))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), BATCHES_AT_ONCE * sentences):
        chunk = order[start : start + BATCHES_AT_ONCE * sentences]
        chunk = chunk[np.lexsort((source_lengths[chunk], target_lengths[chunk]))]
        batches += cut(chunk, target_lengths, batch_size, batch_unit)
    return [batches[index] for index in generator.permutation(len(batches))]


def plan_updates(corpus: "Corpus", config: Config, epoch: int) -> list[list[np.ndarray]]:
    """The updates of an epoch: up to `training.gradient_accumulation` arrays of indices each."""
    training = config.training
    plan = plan_epoch(
        corpus.source.lengths,
        corpus.target.lengths,
        batch_size=training.batch_size,
        batch_unit=training.batch_unit,
        seed=training.seed,
        epoch=epoch,
        pairs=corpus.pairs_of_epoch(training.seed, epoch),
    )
    return [
        plan[start : start + training.gradient_accumulation]
        for start in range(0, len(plan), training.gradient_accumulation)
    ]


def cut(
    chunk: np.ndarray, target_lengths: np.ndarray, batch_size: int, batch_unit: str
) -> list[np.ndarray]:
    """Indices `chunk`, ascending by target length, in batches; those of tokens as full as
    SENTENCES_MULTIPLE allows."""
    if batch_unit == "sentences":
        return [chunk[start : start + batch_size] for start in range(0, len(chunk), batch_size)]
    batches, start, end = [], 0, 0
    lengths = (target_lengths[chunk] + 1).tolist()  # with </s>
    while end < len(chunk):
        end += 1
        # Ascending: the next one would be the longest of its batch. One sentence is a batch however
        # long it is.
        if end == len(chunk) or (end + 1 - start) * lengths[end] > batch_size:
            if end < len(chunk) and end - start > SENTENCES_MULTIPLE:
                end -= (end - start) % SENTENCES_MULTIPLE
            batches.append(chunk[start:end])
            start = end
    return batches


def batches(
    corpus: Corpus,
    plan: Sequence[np.ndarray],
    first: int = 0,
    changed: Callable[..., Any] | None = None,
) -> Iterator[TrainingBatch]:
    """source bs, target bt (from <s> to </s>) and weights b for each batch of a plan, which begins
    with number `first`.

    `changed(number, indices, sources, targets)` may replace a batch's ids. A batch of no pairs is
    one that weighs nothing.
    """
    for number, indices in enumerate(plan, first):
        if not len(indices):
            yield padded([[]]), padded([[]], begin=True), np.zeros(1, np.float32)
            continue
        rows = [side.lines(indices) for side in (corpus.source, corpus.target)]
        source, target = changed(number, indices, *rows) if changed else rows
        weights = (
            np.ones(len(indices), np.float32) if corpus.weights is None else corpus.weights[indices]
        )
        yield padded(source), padded(target, begin=True), weights
