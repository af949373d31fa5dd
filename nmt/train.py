"""The training loop, in sight: batches, step, schedule, evaluation, checkpoints, resume.

B batch  S source  T target
"""

import logging
import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from nmt.config import Config, TrainingConfig
from nmt.data import batches, padded, plan_epoch
from nmt.errors import UserError
from nmt.evaluate import bleu
from nmt.losses import masked_loss
from nmt.prepare import Prepared, prepare
from nmt.run import Run, load_arrays, save_arrays
from nmt.text import normalize
from nmt.translator import Translator
from nmt.visualize import plot_history

logger = logging.getLogger(__name__)

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
SECONDS_BETWEEN_SAVES = 600
NUM_SAMPLES = 3


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
    with _log_file(prepared.run.path / "train.log"), _signals_noted() as noted:
        corpus, pairs = prepared.corpus, len(prepared.corpus)
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in corpus.dropped.items()) or "none"
        logger.info(f"{pairs:,} training pairs; dropped: {dropped}; {len(prepared.dev):,} dev pairs")
        Trainer(prepared).run_to_end(noted)
    return prepared.run


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def learning_rate(config: TrainingConfig, step: int, total_steps: int) -> float:
    """The rate of a step, from 0: a linear warm-up, then the schedule.

    cosine: to 0 at `total_steps` (Loshchilov and Hutter, 2017); inverse_sqrt: rate * sqrt(warmup / step).
    """
    warmup = min(config.warmup_steps, total_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "cosine":
        share = (step - warmup) / max(1, total_steps - warmup)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
    if config.schedule == "inverse_sqrt":
        return config.learning_rate * math.sqrt(max(1, warmup) / (step + 1))
    return config.learning_rate


class Trainer:
    """The trained model, the averaged one that is evaluated and kept, the optimizer, and their progress."""

    def __init__(self, prepared: Prepared):
        self.run, self.corpus, self.dev = prepared.run, prepared.corpus, prepared.dev
        self.config = self.run.config.training
        self.progress = Progress()
        dtype = "mixed_bfloat16" if self.run.facts["precision"] == "bfloat16" else "float32"
        self.model = self.run.build_model(dtype)
        self.averaged = self.run.build_model()  # in float32, as it will be used
        self.optimizer = OPTIMIZERS[self.config.optimizer](self.config.learning_rate)
        self.optimizer.build(self.model.trainable_variables)
        self.translator = Translator.of_model(self.run, self.averaged)
        self.lengths = self.corpus.source.lengths, self.corpus.target.lengths
        # Measured in target tokens, not every epoch has as many batches.
        differing = self.config.epochs if self.config.batch_unit == "target_tokens" else 1
        self.total_steps = sum(len(self._plan(epoch)) for epoch in range(differing)) * (self.config.epochs // differing)
        if self.config.max_steps:
            self.total_steps = min(self.total_steps, self.config.max_steps)
        self._step = self._compile()
        self._sums = np.zeros(4)  # objective, cross-entropy, correct, tokens since the last evaluation
        self._saved_at = self._clock = time.monotonic()

    # ------------------------------------------------------------------------------------------------ the loop

    def run_to_end(self, noted: Sequence[int] = ()) -> None:
        """Trains until the last step, or until `noted` holds a signal."""
        if (self.run.path / "last.npz").is_file():
            self.restore()
            logger.info("resumed at step %d of %d", self.progress.step, self.total_steps)
        count = self.model.count_params()
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
        start = time.perf_counter()
        self.optimizer.learning_rate = learning_rate(self.config, self.progress.step, self.total_steps)
        # The average of few steps must not be dominated by the random start.
        decay = min(self.config.average_decay, (1 + self.progress.step) / (10 + self.progress.step))
        sums = np.array([float(value) for value in self._step(source, target, tf.constant(decay, tf.float32))])
        if not np.all(np.isfinite(sums)):
            raise UserError(
                f"loss or gradient is no longer finite at step {self.progress.step}. The last saved state is intact in "
                f"{self.run.path}. Lower training.learning_rate or training.clip_norm and train a new run."
            )
        self._sums += sums[:4]
        self.progress.step += 1
        seconds = time.perf_counter() - start
        bar.set_postfix_str(f"loss {sums[1] / sums[3]:.3f}, {sums[3] / seconds:,.0f} tokens/s", refresh=False)
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

    # ---------------------------------------------------------------------------------------------- one step

    def _compile(self) -> Any:
        """One update as a graph: source bs, target bt, decay of the average -> sums of `Loss`."""
        spec = tf.TensorSpec((None, None), tf.int32)
        strategy = tf.distribute.get_strategy()

        @tf.function(input_signature=[spec, spec, tf.TensorSpec((), tf.float32)])
        def step(source_BS: Any, target_BT: Any, decay: Any) -> Any:
            return strategy.run(self._update, args=(source_BS, target_BT, decay))

        return step

    def _update(self, source_BS: Any, target_BT: Any, decay: Any) -> Any:
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            logits_BTV = self.model(source_BS, target_BT[:, :-1], training=True)
            sums = masked_loss(logits_BTV, target_BT[:, 1:], self.config.label_smoothing)
            loss = sums.objective / sums.tokens
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, variables)]
        gradients, norm = tf.clip_by_global_norm(gradients, self.config.clip_norm)
        self.optimizer.apply(gradients, variables)
        for average, variable in zip(self.averaged.trainable_variables, variables, strict=True):
            average.assign(average + (1.0 - decay) * (variable - average))
        return (*sums, norm)  # the norm only to be checked: a finite loss can have a gradient that is not

    # ------------------------------------------------------------------------------------------- evaluation

    def evaluate(self) -> None:
        """Translates the dev set greedily with the averaged weights; keeps them if they are the best so far."""
        progress = self.progress
        with tqdm(total=len(self.dev), desc="dev", unit="line", leave=False, disable=None, dynamic_ncols=True) as bar:
            sources, references = zip(*self.dev, strict=True)
            translations = self.translator.translate(sources, beam_size=1, progress=bar.update)
        hypotheses = [translation.text for translation in translations]
        score = bleu(hypotheses, [references])
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
            "dev_loss": round(self._dev_loss(), 4),
            "dev_bleu": round(score, 2),
        }
        progress.history.append(row)
        if score > progress.best_bleu:
            progress.best_bleu, progress.evaluations_since_best = score, 0
            weights = {variable.path: variable.numpy() for variable in self.averaged.trainable_variables}
            save_arrays(self.run.path / "best.npz", weights, row)
        else:
            progress.evaluations_since_best += 1
        logger.info(
            f"epoch {row['epoch']}, step {row['step']}, {row['minutes']:.1f} min: train loss {row['train_loss']:.3f}, "
            f"dev loss {row['dev_loss']:.3f}, dev BLEU {score:.2f} (greedy; best {progress.best_bleu:.2f})"
        )
        self._report(sources, hypotheses, references)

    def _dev_loss(self) -> float:
        """Cross-entropy a target token, of the averaged model."""
        tokenizers = self.run.source_tokenizer, self.run.target_tokenizer
        form = self.run.config.data.normalization
        ids = [
            tokenizer.encode_batch(normalize(line, form) for line in side)
            for tokenizer, side in zip(tokenizers, zip(*self.dev, strict=True), strict=True)
        ]
        loss = tokens = 0.0
        order = sorted(range(len(self.dev)), key=lambda i: len(ids[1][i]))
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            source, target = (
                padded((side[i] for i in chosen), begin=begin) for side, begin in zip(ids, (False, True), strict=True)
            )
            sums = self._dev_step(source, target)
            loss, tokens = loss + float(sums.cross_entropy), tokens + float(sums.tokens)
        return loss / tokens

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)] * 2)
    def _dev_step(self, source_BS: Any, target_BT: Any) -> Any:
        return masked_loss(self.averaged(source_BS, target_BT[:, :-1]), target_BT[:, 1:])

    def _report(self, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """History, curve and samples, for people to look at."""
        history = self.progress.history
        self.run.write_history(history)
        samples = []
        for index in np.linspace(0, len(sources) - 1, NUM_SAMPLES, dtype=int):
            samples += [
                f"  source     {sources[index]}",
                f"  model      {hypotheses[index]}",
                f"  reference  {references[index]}",
            ]
        logger.info("samples\n%s", "\n".join(samples))
        if len(history) > 1:
            try:
                plot_history(history, self.run.path / "curve.png")
            except (UserError, OSError) as error:
                logger.info("no learning curve: %s", error)

    # ------------------------------------------------------------------------------------------ checkpoints

    def _state(self) -> dict[str, Any]:
        """Name -> variable, for everything that changes: weights, averages, optimizer, random states."""
        named = {f"model/{i:04d}": variable for i, variable in enumerate(self.model.variables)}
        named |= {f"average/{i:04d}": variable for i, variable in enumerate(self.averaged.trainable_variables)}
        return named | {f"optimizer/{i:04d}": variable for i, variable in enumerate(self.optimizer.variables)}

    def save(self) -> None:
        """Writes last.npz: the state after the last step."""
        arrays = {name: variable.numpy() for name, variable in self._state().items()}
        arrays["sums"] = self._sums
        self._spent()
        save_arrays(self.run.path / "last.npz", arrays, vars(self.progress))
        self._saved_at = time.monotonic()

    def restore(self) -> None:
        path = self.run.path / "last.npz"
        arrays, facts = load_arrays(path)
        self._sums = arrays.pop("sums")
        state = self._state()
        if {k: tuple(v.shape) for k, v in state.items()} != {k: v.shape for k, v in arrays.items()}:
            raise UserError(f"{path} does not fit the config in {self.run.path}. Train a new run.")
        for name, variable in state.items():
            variable.assign(arrays[name])
        self.progress = Progress(**facts)


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
