"""What training is fed: the batches of each epoch, in parts and for each device, made ready in the background."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from nmt.data import Batch, Corpus, batches, plan_updates
from nmt.run import Run
from nmt.subwords import SubwordSampler
from nmt.workers import Workers


class Feed:
    """The batches of a run, in an order that is a pure function of the seed and the epoch.

    A batch of an update has up to `training.accumulate` parts, and each part one batch for each device of this process.
    """

    def __init__(self, run: Run, corpus: Corpus, workers: Workers):
        self.corpus, self.workers = corpus, workers
        self.run_config, self.config = run.config, run.config.training
        tokenizers = run.source_tokenizer, run.target_tokenizer
        dropout, seed = self.config.bpe_dropout, self.config.seed
        self.samplers = [SubwordSampler(tokenizer, dropout, seed) for tokenizer in tokenizers] if dropout else []

    def plan(self, epoch: int) -> list[list[np.ndarray]]:
        """The indices of the parts of each batch."""
        return plan_updates(self.corpus, self.run_config, epoch)

    def num_sizes(self) -> int:
        """How many numbers of target positions come in an epoch; the products of each are made ready once."""
        lengths = self.corpus.target.lengths
        parts = [own for batch in self.plan(0) for part in batch for own in self.workers.parts(part) if len(own)]
        return len({len(part) * (int(lengths[part].max()) + 1) for part in parts})

    def total_steps(self) -> int:
        """As many as the config says, but for a budget."""
        # Measured in target tokens, not every epoch has as many batches.
        differing = self.config.epochs if self.config.batch_unit == "target_tokens" else 1
        total = sum(len(self.plan(epoch)) for epoch in range(differing)) * (self.config.epochs // differing)
        return min(total, self.config.max_steps or total)

    def batches(self, epoch: int, first: int = 0) -> Iterator[list[list[Batch]]]:
        """The batches of an epoch from number `first` on: each its parts, and each part its devices' batches."""
        plan = self.plan(epoch)
        parts = [part for batch in plan for part in batch]
        start = first * self.config.accumulate
        ids, weights = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.float32)

        def resegment(number: int, *rows: Any) -> Any:
            return [sampler.batch(side, epoch, number) for sampler, side in zip(self.samplers, rows, strict=True)]

        def generate() -> Iterator[Batch]:
            for number, part in enumerate(parts[start:], start):
                for indices in self.workers.parts(part):
                    yield from batches(self.corpus, [indices], number, resegment if self.samplers else None)

        ready = iter(tf.data.Dataset.from_generator(generate, output_signature=(ids, ids, weights)).prefetch(8))
        for batch in plan[first:]:
            yield [list(itertools.islice(ready, self.workers.num_devices)) for _ in batch]
