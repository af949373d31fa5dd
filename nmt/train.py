"""The training loop, in sight: batches, updates, evaluations, checkpoints, and going on where it stopped."""

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from nmt.checkpoints import Checkpoints, only_trainer
from nmt.config import Config
from nmt.data import batches, plan_epoch
from nmt.errors import UserError
from nmt.optimizers import learning_rate
from nmt.prepare import Prepared, prepare
from nmt.run import Run, save_arrays
from nmt.update import Update
from nmt.validation import Validation
from nmt.visualize import plot_history

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 600


class Interrupted(Exception):
    """Training was asked to stop by a signal and has saved its state."""

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


@dataclass
class Progress:
    """Where training stands; with the weights, all that resuming needs."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # next one of this epoch
    seconds: float = 0.0
    best_bleu: float = -1.0
    evaluations_since_best: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def train(config: Config, path: Path) -> Run:
    """Trains, or resumes, the run at `path` and returns it. Raises UserError, or Interrupted with all state saved."""
    prepared = prepare(config, path)
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    path = prepared.run.path
    with only_trainer(path), _log_file(path / "train.log"), _signals_noted() as noted:
        corpus, pairs = prepared.corpus, len(prepared.corpus)
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in corpus.dropped.items()) or "none"
        logger.info(f"{pairs:,} training pairs; dropped: {dropped}; {len(prepared.dev):,} dev pairs")
        Trainer(prepared).run_to_end(noted)
    return prepared.run


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    package = logging.getLogger("nmt")
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        handler.close()


class Trainer:
    """The trained model, the averaged one that is evaluated and kept, and their progress."""

    def __init__(self, prepared: Prepared):
        self.run, self.corpus = prepared.run, prepared.corpus
        self.config = self.run.config.training
        self.progress = Progress()
        dtype = "mixed_bfloat16" if self.run.facts["precision"] == "bfloat16" else "float32"
        averaged = self.run.build_model()  # in float32, as it will be used
        self.update = Update(self.run.build_model(dtype), averaged, self.config)
        self.validation = Validation(self.run, averaged, prepared.dev)
        self.checkpoints = Checkpoints(self.run.path, self.config.keep_checkpoints)
        self.lengths = self.corpus.source.lengths, self.corpus.target.lengths
        # Measured in target tokens, not every epoch has as many batches.
        differing = self.config.epochs if self.config.batch_unit == "target_tokens" else 1
        self.total_steps = sum(len(self._plan(epoch)) for epoch in range(differing)) * (self.config.epochs // differing)
        if self.config.max_steps:
            self.total_steps = min(self.total_steps, self.config.max_steps)
        self._sums = np.zeros(4)  # of `Loss`, since the last evaluation
        self._saved_at = self._clock = time.monotonic()

    # ------------------------------------------------------------------------------------------------ the loop

    def run_to_end(self, noted: Sequence[int] = ()) -> None:
        """Trains until the last step, or until `noted` holds a signal."""
        if self.restore():
            logger.info("resumed at step %d of %d", self.progress.step, self.total_steps)
        else:
            self.save()  # before the first step: a disk that is too small is better known now
        count = self.update.model.count_params()
        logger.info("%.1f M parameters, %d steps, %s", count / 1e6, self.total_steps, self.run.facts["precision"])
        progress = self.progress
        with tqdm(
            total=self.total_steps, initial=progress.step, unit="step", smoothing=0.02, disable=None, dynamic_ncols=True
        ) as bar:
            while progress.step < self.total_steps and not self._out_of_patience():
                plan = self._plan(progress.epoch)
                for source, target in self._dataset(plan[progress.batch :]):
                    self._train_on(source, target, bar)
                    progress.batch += 1
                    last = progress.step == self.total_steps
                    if last or self._evaluation_is_due(len(plan)):
                        self.evaluate()
                        self.save()
                    if noted and not last:
                        logger.info("%s: saving", signal.Signals(noted[0]).name)
                        self.save()
                        raise Interrupted(noted[0])
                    if time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES:
                        self.save()
                    if last or self._out_of_patience():
                        return
                progress.epoch, progress.batch = progress.epoch + 1, 0

    def _train_on(self, source: Any, target: Any, bar: tqdm) -> None:
        start, step = time.perf_counter(), self.progress.step
        rate = learning_rate(self.config, step, self.total_steps)
        # The average of few steps must not be dominated by the random start.
        decay = min(self.config.average_decay, (1 + step) / (10 + step))
        sums, finite = self.update.apply(source, target, rate, decay)
        if not finite:
            raise UserError(
                f"loss or gradient is no longer finite at step {step}. The last saved state is intact in "
                f"{self.run.path}. Lower training.learning_rate or training.clip_norm and train a new run."
            )
        self._sums += sums
        self.progress.step += 1
        seconds = time.perf_counter() - start
        loss = sums.cross_entropy / sums.tokens
        bar.set_postfix_str(f"loss {loss:.3f}, {sums.tokens / seconds:,.0f} tokens/s", refresh=False)
        bar.update()

    def _spent(self) -> float:
        """Seconds spent in the loop so far, waiting and evaluating included, over all sessions."""
        now = time.monotonic()
        self.progress.seconds, self._clock = self.progress.seconds + now - self._clock, now
        return self.progress.seconds

    def _plan(self, epoch: int) -> list[np.ndarray]:
        config = self.config
        return plan_epoch(
            *self.lengths, batch_size=config.batch_size, batch_unit=config.batch_unit, seed=config.seed, epoch=epoch
        )

    def _dataset(self, plan: list[np.ndarray]) -> tf.data.Dataset:
        spec = tf.TensorSpec((None, None), tf.int32)
        generator = tf.data.Dataset.from_generator(lambda: batches(self.corpus, plan), output_signature=(spec, spec))
        return generator.prefetch(8)

    def _evaluation_is_due(self, steps_per_epoch: int) -> bool:
        if self.config.evaluate_every:
            return self.progress.step % self.config.evaluate_every == 0
        return self.progress.batch == steps_per_epoch

    def _out_of_patience(self) -> bool:
        return self.config.patience is not None and self.progress.evaluations_since_best >= self.config.patience

    # -------------------------------------------------------------------------------------- evaluating and saving

    def evaluate(self) -> None:
        """Evaluates the averaged weights; keeps them if they are the best so far."""
        progress = self.progress
        score, dev_loss = self.validation.evaluate()
        objective, cross_entropy, correct, tokens = self._sums
        self._sums = np.zeros(4)
        row = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "minutes": round(self._spent() / 60, 3),
            "learning_rate": learning_rate(self.config, progress.step - 1, self.total_steps),
            "train_objective": round(objective / max(1, tokens), 4),
            "train_loss": round(cross_entropy / max(1, tokens), 4),
            "train_accuracy": round(correct / max(1, tokens), 4),
            "dev_loss": round(dev_loss, 4),
            "dev_bleu": round(score, 2),
        }
        progress.history.append(row)
        if score > progress.best_bleu:
            progress.best_bleu, progress.evaluations_since_best = score, 0
            save_arrays(self.run.path / "best.npz", self.update.averaged_weights(), row)
        else:
            progress.evaluations_since_best += 1
        logger.info(
            f"epoch {row['epoch']}, step {row['step']}, {row['minutes']:.1f} min: train loss {row['train_loss']:.3f}, "
            f"dev loss {row['dev_loss']:.3f}, dev BLEU {score:.2f} (greedy; best {progress.best_bleu:.2f})"
        )
        self.run.write_history(progress.history)
        if len(progress.history) > 1:
            try:
                plot_history(progress.history, self.run.path / "curve.png")
            except (UserError, OSError) as error:
                logger.info("no learning curve: %s", error)

    def save(self) -> None:
        """Writes the state after the last step."""
        self._spent()
        arrays = {name: variable.numpy() for name, variable in self.update.state.items()}
        self.checkpoints.save(self.progress.step, {**arrays, "sums": self._sums}, vars(self.progress))
        self._saved_at = time.monotonic()

    def restore(self) -> bool:
        """Whether there was a state to go on from."""
        found = self.checkpoints.load()
        if found is None:
            if (self.run.path / "best.npz").is_file():
                raise UserError(
                    f"{self.run.path} holds trained weights, but no state in {self.checkpoints.folder} to resume from. "
                    "Train a new run in another folder."
                )
            return False
        arrays, facts = found
        self._sums = arrays.pop("sums")
        self.update.restore(arrays, self.checkpoints.folder)
        self.progress = Progress(**facts)
        return True


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are noted, to be acted on between two steps; a second Ctrl-C acts at once."""
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)  # and no more: a handler that writes may interrupt a write to the same stream

    try:
        old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals are somebody else's
        old = {}
    try:
        yield noted
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
