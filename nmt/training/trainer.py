"""The training loop: batches, updates, evaluations, checkpoints and resuming."""

import itertools
import logging
import math
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from nmt.about import install_command, is_installed
from nmt.attention import score_class
from nmt.config.loader import Config, duration_seconds
from nmt.errors import Interrupted, UserError
from nmt.evaluation.plots import plot_history
from nmt.model.losses import Loss
from nmt.runs.checkpoints import Checkpoints, only_trainer
from nmt.runs.package import open_run
from nmt.runs.run_folder import (
    WEIGHTS,
    Run,
    assign,
    load_arrays,
    pack_arrays,
    save_arrays,
    unpack_arrays,
)
from nmt.training.distributed import Workers
from nmt.training.input_pipeline import InputPipeline, TrainingBatch
from nmt.training.optimizers import learning_rate
from nmt.training.setup import Prepared, prepare
from nmt.training.state import TrainingState
from nmt.training.train_step import TrainStep
from nmt.training.validation import Validation

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 600
SECONDS_BETWEEN_LINES = 60  # of a log, where no progress bar is shown
STEPS_TO_SKIP = 10  # skipped in a row before training returns to the last checkpoint
MAX_ROLLBACKS = 3
NUM_MEASURED = 12  # batches timed to plan a budget
BUDGET_SHARE = 0.97  # of a budget is planned for: better to end early than late


def train(
    config: Config, path: str | Path, accept_changes: bool = False, allow_custom: bool = False
) -> Run | None:
    """Trains, or resumes, the run at `path` and returns it; None in workers that are not the chief.

    A run of another config or other text is resumed only if `accept_changes`; a score MODULE:CLASS
    is imported only if `allow_custom`. Raises UserError, or Interrupted with all state saved.
    """
    if not isinstance(config, Config):
        raise TypeError(
            "config must be a Config, such as load_config(recipe) of nmt.config.loader. Received:"
            f" {config!r} ({type(config).__name__})."
        )
    score_class(config.model.decoder.score, allow_custom)  # a mistake is reported before any work
    started = time.monotonic()
    if config.training.deterministic:
        make_deterministic()
    workers = Workers(config.training.batch_slices)
    with workers.lost_is_an_error(), tempfile.TemporaryDirectory(prefix="nmt-worker-") as elsewhere:
        prepared = _prepare(workers, config, Path(path), accept_changes, Path(elsewhere))
        run = prepared.run
        run.allow_custom = allow_custom
        with only_trainer(run.path), run.log_file(), _caught_signals() as signals:
            _log_texts(prepared)
            try:
                Trainer(prepared, workers, started).run_to_end(signals)
            except UserError:
                # A run without weights would only refuse the corrected config.
                if not Checkpoints.has_trained(run.path):
                    run.clear()
                raise
    return run if workers.is_chief else None


def make_deterministic() -> None:
    """From here on, the same operations in the same order give the same bits.

    TensorFlow's arithmetic optimizer merges sums of two into sums of many, and such a sum begins
    with whichever buffer is free to hold it: its last bit would depend on timing.
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def _log_texts(prepared: Prepared) -> None:
    corpus = prepared.corpus
    counts = [f"{count:,} {reason}" for reason, count in corpus.dropped.items()]
    logger.info(
        f"{len(corpus):,} training pairs; dropped: {', '.join(counts) or 'none'};"
        f" {len(prepared.dev):,} dev pairs"
    )
    for line in corpus.composition():
        logger.info("%s", line)


def _prepare(
    workers: Workers, config: Config, path: Path, accept_changes: bool, elsewhere: Path
) -> Prepared:
    """The chief begins or opens the run; the other workers open a copy of it.

    So all have the same tokenizers, and a worker with another config or other text is refused as on
    resuming.
    """
    chiefs: list[Prepared] = []
    workers.on_chief(lambda: chiefs.append(prepare(config, path, accept_changes)))
    if workers.count == 1:
        return chiefs[0]
    logger.info("worker %d of %d", workers.rank, workers.count)
    files = chiefs[0].run.initial_files() if chiefs else {}
    shared, _ = unpack_arrays(
        workers.share(pack_arrays({k: np.frombuffer(v, np.uint8) for k, v in files.items()}, {}))
    )
    if chiefs:
        return chiefs[0]
    for name, content in shared.items():
        (elsewhere / name).write_bytes(content.tobytes())
    return prepare(config, elsewhere)


class StepLog:
    """Logs the mean loss and the speed of the last steps once a minute."""

    def __init__(self, step: int):
        self._begin(step)

    def _begin(self, step: int) -> None:
        self._step, self._time, self._sums = step, time.monotonic(), np.zeros(4)

    def add(self, sums: Loss, step: int, total_steps: int) -> None:
        """Adds the sums of a step, `step` being the number of steps so far."""
        self._sums += sums
        seconds = time.monotonic() - self._time
        if step <= self._step or seconds < SECONDS_BETWEEN_LINES:
            return
        loss = Loss(*self._sums)
        remaining = tqdm.format_interval(seconds / (step - self._step) * (total_steps - step))
        logger.info(
            f"step {step:,} of {total_steps:,}: loss {loss.objective / loss.tokens:.3f},"
            f" {loss.tokens / seconds:,.0f} tokens/s, {remaining} left"
        )
        self._begin(step)


class Trainer:
    """Trains a model, evaluates the moving average of its weights, and saves both."""

    def __init__(self, prepared: Prepared, workers: Workers, started: float | None = None):
        """`started`: start of the budget, by `time.monotonic()`; default: now."""
        self.run, self.workers = prepared.run, workers
        self.config = self.run.config.training
        self.progress = TrainingState()
        self.train_step, self.validation = _build(self.run, prepared.dev, workers)
        self.checkpoints = Checkpoints(self.run.path, self.config.keep_checkpoints)
        self.pipeline = InputPipeline(self.run, prepared.corpus, workers)
        self.total_steps = self.pipeline.total_steps()
        self.tensorboard = (
            _tensorboard(self.run.path) if self.config.tensorboard and workers.is_chief else None
        )
        self._step_log: StepLog | None = None
        self._loss_sums = np.zeros(4)  # fields of `Loss`, since the last evaluation
        self._saved_at = self._clock = time.monotonic()
        self._started = self._clock if started is None else started

    # ------------------------------------------------------------------------------------- the loop

    def run_to_end(self, signals: Sequence[int] = ()) -> None:
        """Trains until the last step, or until `signals` holds a signal."""
        self._restore_or_begin()
        with tqdm(
            total=self.total_steps,
            initial=self.progress.step,
            unit="step",
            smoothing=0.02,
            dynamic_ncols=True,
            disable=None if self.workers.is_chief else True,
        ) as bar:
            self._step_log = (
                StepLog(self.progress.step) if bar.disable and self.workers.is_chief else None
            )
            while not self._finished():
                self._train_epoch(bar, signals)
        evaluated = self.progress.comparable
        if not evaluated or evaluated[-1]["step"] != self.progress.step:
            # A changed config ended training between two evaluations, or the dev set has changed.
            self.evaluate()
            self.save()
        self._log_summary()

    def _restore_or_begin(self) -> None:
        resumed = self.restore()
        if not resumed:
            self._begin()
        self._plan_budget()
        texts = self.run.metadata["texts"]
        dev = [texts[name] for name in sorted(texts) if name.startswith("dev")]
        self.progress.evaluate_on(dev, self.config.plateau_patience)
        self.total_steps = self.progress.budgeted_steps or self.total_steps
        if resumed:
            self.workers.on_chief(self._write_history)
            logger.info("resumed at step %d of %d", self.progress.step, self.total_steps)
        logger.info(
            "%s parameters, %d steps, %s",
            f"{self.train_step.model.count_params():,}",
            self.total_steps,
            self.run.metadata["precision"],
        )

    def _log_summary(self) -> None:
        best = max(self.progress.comparable, key=lambda row: row["dev_bleu"])
        logger.info(
            f"trained {self.progress.step:,} steps in {self.progress.seconds / 60:.1f} min; best"
            f" dev BLEU {best['dev_bleu']:.2f} (greedy) after step {best['step']:,}, epoch"
            f" {best['epoch']}: its weights are kept"
        )

    def _begin(self) -> None:
        """Saves the state before the first step, so that a full disk is noticed now."""
        if self.config.init_from and self.workers.is_chief:
            self._take_weights(open_run(self.config.init_from))
        self.save()
        if self.workers.count > 1:
            self.restore()  # all begin with the chief's weights
        if self.config.init_from:
            score, _ = self.workers.on_chief(self.validation.evaluate)
            logger.info("dev BLEU %.2f (greedy) before training", score)

    def _take_weights(self, parent: Run) -> None:
        path = parent.path if parent.package else parent.path / WEIGHTS
        weights = parent.package.weights() if parent.package else load_arrays(path)[0]
        for model in (self.train_step.model, self.train_step.averaged):
            variables = {variable.path: variable for variable in model.trainable_variables}
            assign(variables, weights, path)
        for name, variable in self.train_step.initial.items():
            variable.assign(weights[name])
        logger.info("begun with the weights of %s", path)

    def _plan_budget(self) -> None:
        """Stores how many steps fit into the budget, unless they are stored already; a changed
        budget is planned again."""
        budget = self.config.budget
        if budget == self.progress.budget:
            return
        steps = None
        if budget:
            spent = self.progress.seconds if self.progress.step else 0.0
            steps = self.progress.step + self._steps_within(duration_seconds(budget) - spent)
        self.progress.budget, self.progress.budgeted_steps = budget, steps
        self.save()

    def _steps_within(self, budget: float) -> int:
        """How many steps fit into so many seconds, estimated from a few steps that are undone."""
        step, compiling = self._time_steps()
        evaluation = self._time_evaluation()
        preparing = time.monotonic() - self._started + compiling
        each = step + evaluation / (self.config.evaluate_every or len(self.pipeline.plan(0)))
        count = self.workers.on_chief(
            lambda: int((BUDGET_SHARE * budget - preparing - evaluation) / each)
        )
        if count < 1:
            least = math.ceil((preparing + evaluation + each) / BUDGET_SHARE)
            raise UserError(
                f"training.budget: {self.config.budget} is not enough: preparing takes"
                f" {preparing:.1f} s, a step {step:.1f} s and the evaluation at the end"
                f" {evaluation:.1f} s. Give {least}s at the least, which is one step, or a smaller"
                " model and dev set."
            )
        logger.info(
            f"{self.config.budget}: {count:,} steps of {step:.3f} s, evaluations of"
            f" {evaluation:.1f} s"
        )
        return count

    def _time_steps(self) -> tuple[float, float]:
        """Seconds of a step, and of all compilation in an epoch. Changes the weights."""
        firsts: list[float] = []
        times: list[float] = []
        for parts in itertools.islice(self.pipeline.batches(0), NUM_MEASURED):
            # Each batch twice: products are compiled once for each size of a batch.
            for seconds in (firsts, times):
                start = time.perf_counter()
                self.train_step.apply(parts, learning_rate=self._learning_rate(0), decay=0.0)
                seconds.append(time.perf_counter() - start)
        step = float(np.mean(times))
        # The median, as a few of the first calls compile the loss, too.
        compiling = max(0.0, float(np.median(firsts[1:] or times)) - step)
        return step, self.pipeline.num_sizes() * compiling

    def _time_evaluation(self) -> float:
        """Seconds of an evaluation and of saving. Restores the state before `_time_steps`."""
        evaluation = self.workers.on_chief(self.validation.seconds)
        start = time.perf_counter()
        self.restore()
        self.save()
        return evaluation + time.perf_counter() - start

    def _train_epoch(self, bar: tqdm, signals: Sequence[int]) -> None:
        """Trains on what remains of the current epoch, or of training."""
        steps_per_epoch = len(self.pipeline.plan(self.progress.epoch))
        for parts in self.pipeline.batches(self.progress.epoch, self.progress.batch):
            self._train_on(parts, bar)
            self.progress.batch += 1
            if self.progress.skipped_in_a_row == STEPS_TO_SKIP:
                self._roll_back()
                return  # to the batches of an earlier step, perhaps of another epoch
            last = self.progress.step == self.total_steps
            if last or self._evaluation_is_due(steps_per_epoch):
                self.evaluate()
                self.save()
            self._save_if_due(() if last else signals)
            if self._finished():
                return
        self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def _save_if_due(self, signals: Sequence[int]) -> None:
        """Saves after a long time without saving. Raises Interrupted if a worker was signalled."""
        overdue = time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES
        interrupted, overdue = self.workers.any(bool(signals), overdue)
        if interrupted:
            number = signals[0] if signals else signal.SIGTERM  # received by another worker
            logger.info("%s: saving", signal.Signals(number).name)
            raise Interrupted(number, self.save())
        if overdue:
            self.save()

    def _finished(self) -> bool:
        return self.progress.step >= self.total_steps or self._out_of_patience()

    def _train_on(self, parts: list[list[TrainingBatch]], bar: tqdm) -> None:
        start, progress = time.perf_counter(), self.progress
        sums, applied = self.train_step.apply(
            parts,
            learning_rate=self._learning_rate(progress.step),
            # The average of the first steps must not be dominated by the random start.
            decay=min(self.config.ema_decay, (1 + progress.step) / (10 + progress.step)),
            limit=progress.loss_limit(self.train_step.model.vocabulary_sizes[1]),
        )
        loss = sums.objective / sums.tokens if sums.tokens else math.nan
        progress.note_step(loss, applied)
        if applied:
            self._loss_sums += sums
        else:
            logger.warning(
                f"step {progress.step}: loss {loss:.3g} a token (usually"
                f" {progress.usual_loss or math.nan:.3g}), or a gradient that is not finite:"
                " skipped"
            )
        tokens_per_second = sums.tokens / (time.perf_counter() - start)
        bar.set_postfix_str(f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s", refresh=False)
        bar.update(progress.step - bar.n)  # negative after a rollback
        if self._step_log and applied:
            self._step_log.add(sums, progress.step, self.total_steps)

    def _learning_rate(self, step: int) -> float:
        reductions = self.progress.reductions(self.config.plateau_patience)
        scheduled = learning_rate(self.config, step, self.total_steps, reductions)
        return scheduled * 0.5**self.progress.rollbacks

    def _roll_back(self) -> None:
        """Returns to the last checkpoint, with half the learning rate."""
        progress = self.progress
        if progress.rollbacks == MAX_ROLLBACKS:
            raise self._divergence()
        # A checkpoint after which all steps failed may itself be the cause.
        self.workers.on_chief(
            lambda: self.checkpoints.set_aside(progress.step - progress.skipped_in_a_row)
        )
        rollbacks = progress.rollbacks + 1
        self.restore()
        self.progress.rollbacks = rollbacks
        self.save()
        logger.warning(
            f"training diverged: {STEPS_TO_SKIP} steps in a row were skipped. Back to step"
            f" {self.progress.step}, with {0.5**rollbacks:g} of the scheduled learning rate"
        )

    def _divergence(self) -> UserError:
        step = self.progress.step
        kept = f"{self.run.path} holds the best weights so far and the last state. "
        return UserError(
            f"training diverged at step {step}, for the {MAX_ROLLBACKS + 1}th time, with a learning"
            f" rate of {self._learning_rate(step):.2g}. {kept if self.progress.history else ''}"
            "Train a new run with a lower training.learning_rate, more training.warmup_steps"
            " or training.precision=float32; look at the training text for lines that are no"
            " translations."
        )

    def _spent(self) -> float:
        """Seconds in the loop so far, including waiting and evaluations, over all sessions."""
        now = time.monotonic()
        self.progress.seconds, self._clock = self.progress.seconds + now - self._clock, now
        return self.progress.seconds

    def _evaluation_is_due(self, steps_per_epoch: int) -> bool:
        if self.config.evaluate_every:
            return self.progress.step % self.config.evaluate_every == 0
        return self.progress.batch == steps_per_epoch

    def _out_of_patience(self) -> bool:
        return (
            self.config.early_stopping_patience is not None
            and self.progress.evaluations_since_best >= self.config.early_stopping_patience
        )

    # ------------------------------------------------------------------------ evaluating and saving

    def evaluate(self) -> None:
        """Evaluates the averaged weights, and keeps them if they are the best so far."""
        score, dev_loss = self.workers.on_chief(self.validation.evaluate)
        row = self._history_row(score, dev_loss)
        self.progress.history.append(row)
        self._keep_if_best(score, row)
        logger.info(
            f"epoch {row['epoch']}, step {row['step']}, {row['minutes']:.1f} min: train loss"
            f" {row['train_loss']:.3f}, dev loss {row['dev_loss']:.3f}, dev BLEU {score:.2f}"
            f" (greedy; best {self.progress.best_bleu:.2f})"
        )
        self.workers.on_chief(self._report)

    def _history_row(self, score: float, dev_loss: float) -> dict[str, float]:
        """Training losses are means over the tokens since the last evaluation."""
        objective, cross_entropy, correct, tokens = self._loss_sums.tolist()
        self._loss_sums = np.zeros(4)
        tokens = max(1.0, tokens)
        return {
            "step": self.progress.step,
            "epoch": self.progress.epoch + 1,
            "minutes": round(self._spent() / 60, 3),
            "learning_rate": self._learning_rate(self.progress.step - 1),
            "train_objective": round(objective / tokens, 4),
            "train_loss": round(cross_entropy / tokens, 4),
            "train_accuracy": round(correct / tokens, 4),
            "dev_loss": round(dev_loss, 4),
            "dev_bleu": round(score, 2),
        }

    def _keep_if_best(self, score: float, row: dict[str, float]) -> None:
        if score <= self.progress.best_bleu:
            self.progress.evaluations_since_best += 1
            return
        self.progress.best_bleu, self.progress.evaluations_since_best = score, 0
        path = self.run.path / WEIGHTS
        self.workers.on_chief(lambda: save_arrays(path, self.train_step.averaged_weights(), row))

    def _report(self) -> None:
        """Writes history.csv, curve.png and the events of TensorBoard."""
        history = self.progress.history
        self._write_history()
        if self.tensorboard:
            with self.tensorboard.as_default(step=history[-1]["step"]):
                for name, value in history[-1].items():
                    tf.summary.scalar(name, value)
            self.tensorboard.flush()
        if len(history) > 1:
            try:
                plot_history(history, self.run.path / "curve.png")
            except (UserError, OSError) as error:
                logger.info("no learning curve: %s", error)

    def _write_history(self) -> None:
        if self.progress.history:
            self.run.write_history(self.progress.history)

    def save(self) -> bool:
        """Writes a checkpoint and returns True; not while steps are being skipped, as the state may
        be the cause.

        Every worker calls this, to check that all have the same weights; the chief writes.
        """
        if self.progress.skipped_in_a_row and not self._finished():
            return False
        self._spent()
        checksum = self.train_step.checksum() if self.workers.count > 1 else 0
        if self.workers.any(checksum != self.workers.on_chief(lambda: checksum))[0]:
            raise UserError(
                f"the workers' weights differ after step {self.progress.step}, so this state is not"
                " saved. Check that all hosts have the same versions, and start the same command"
                " again."
            )
        self.workers.on_chief(self._write_state)
        self._saved_at = time.monotonic()
        return True

    def _write_state(self) -> None:
        arrays = {name: variable.numpy() for name, variable in self.train_step.state.items()}
        self.checkpoints.save(
            self.progress.step, {**arrays, "sums": self._loss_sums}, vars(self.progress)
        )

    def restore(self) -> bool:
        """Loads the last checkpoint; False if there is none."""
        found = self.checkpoints.load() if self.workers.is_chief else None
        if self.workers.count > 1:
            packed = self.workers.share(pack_arrays(*found) if found else b"")
            found = unpack_arrays(packed) if packed else None
        if found is None:
            if (self.run.path / WEIGHTS).is_file():
                raise UserError(
                    f"{self.run.path} holds trained weights, but no state in"
                    f" {self.checkpoints.folder} to resume from. Train a new run in another folder."
                )
            return False
        arrays, facts = found
        try:
            sums, progress = arrays.pop("sums"), TrainingState(**facts)
        except (KeyError, TypeError) as error:
            raise UserError(
                f"the newest state in {self.checkpoints.folder} is none that training saved"
                f" ({error}). Move it away to resume from the one before."
            ) from error
        self.train_step.restore(arrays, self.checkpoints.folder)
        self._loss_sums, self.progress = sums, progress
        return True


def _build(
    run: Run, dev: Sequence[tuple[str, str]], workers: Workers
) -> tuple[TrainStep, Validation]:
    """What is compiled at its first call: the update of a new model, and its evaluation."""
    dtype = "mixed_bfloat16" if run.metadata["precision"] == "bfloat16" else "float32"
    averaged = run.build_model()  # in float32, as in translation
    train_step = TrainStep(run.build_model(dtype), averaged, run.config.training, workers)
    return train_step, Validation(run, averaged, dev)


def _tensorboard(run: Path) -> Any:
    if not is_installed("tensorboard"):
        raise UserError(
            "training.tensorboard needs the package tensorboard. Install it with:"
            f" {install_command('tensorboard')}"
        )
    return tf.summary.create_file_writer(str(run / "tensorboard"))


@contextmanager
def _caught_signals() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM, to be handled between two steps; a second one acts at once."""
    signals: list[int] = []

    def catch(number: int, _: Any) -> None:
        if signals:
            raise KeyboardInterrupt
        # Nothing else: a handler that logs may interrupt a write to the same stream.
        signals.append(number)

    try:
        old = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals belong to another part of the program
        old = {}
    try:
        yield signals
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
