"""The training loop, in sight: batches, updates, evaluations, checkpoints, and going on where it
stopped."""

import importlib.util
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

from nmt.about import install_command
from nmt.config.loader import Config, duration_seconds
from nmt.errors import Interrupted, UserError
from nmt.evaluation.plots import plot_history
from nmt.runs.checkpoints import Checkpoints, only_trainer
from nmt.runs.run_folder import Run, assign, load_arrays, pack_arrays, save_arrays, unpack_arrays
from nmt.training.distributed import Workers
from nmt.training.input_pipeline import InputPipeline, TrainingBatch
from nmt.training.optimizers import learning_rate
from nmt.training.setup import Prepared, prepare
from nmt.training.state import TrainingState
from nmt.training.train_step import TrainStep
from nmt.training.validation import Validation

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 600
STEPS_TO_SKIP = 10  # in a row, before training goes back to the last state
MAX_ROLLBACKS = 3
NUM_MEASURED = 12  # batches
BUDGET_SHARE = 0.97  # that is planned for: better a little early than late


def train(config: Config, path: Path, accept_changes: bool = False) -> Run | None:
    """Trains, or resumes, the run at `path` and returns it; None in workers that are not the chief.

    A run of another config or other text is resumed only if `accept_changes`. Raises UserError, or
    Interrupted with all state saved.
    """
    started = time.monotonic()
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    workers = Workers(config.training.batch_slices)
    with workers.lost_is_an_error(), tempfile.TemporaryDirectory(prefix="nmt-worker-") as elsewhere:
        prepared = _prepare(workers, config, path, accept_changes, Path(elsewhere))
        run = prepared.run
        with only_trainer(run.path), run.log_file(), _signals_noted() as noted:
            dropped = (
                ", ".join(
                    f"{count:,} {reason}" for reason, count in prepared.corpus.dropped.items()
                )
                or "none"
            )
            logger.info(
                f"{len(prepared.corpus):,} training pairs; dropped: {dropped};"
                f" {len(prepared.dev):,} dev pairs"
            )
            try:
                Trainer(prepared, workers, started).run_to_end(noted)
            except UserError:
                if not Checkpoints.has_trained(
                    run.path
                ):  # it would refuse the config that mends it
                    run.forget()
                raise
    return run if workers.is_chief else None


def _prepare(
    workers: Workers, config: Config, path: Path, accept_changes: bool, elsewhere: Path
) -> Prepared:
    """The chief begins or opens the run; the others open a copy of their own, so that all have the
    same tokenizers, and a worker with another config or other text is refused as if it resumed."""
    chiefs: list[Prepared] = []
    workers.on_chief(lambda: chiefs.append(prepare(config, path, accept_changes)))
    if workers.count == 1:
        return chiefs[0]
    logger.info("worker %d of %d", workers.rank, workers.count)
    files = chiefs[0].run.beginnings() if chiefs else {}
    shared, _ = unpack_arrays(
        workers.share(pack_arrays({k: np.frombuffer(v, np.uint8) for k, v in files.items()}, {}))
    )
    if chiefs:
        return chiefs[0]
    for name, content in shared.items():
        (elsewhere / name).write_bytes(content.tobytes())
    return prepare(config, elsewhere)


class Trainer:
    """The trained model, the averaged one that is evaluated and kept, and their progress."""

    def __init__(self, prepared: Prepared, workers: Workers, started: float | None = None):
        """`started` is when a budget began, by `time.monotonic()`; default: now."""
        self.run, self.workers = prepared.run, workers
        self.config = self.run.config.training
        self.progress = TrainingState()
        dtype = "mixed_bfloat16" if self.run.facts["precision"] == "bfloat16" else "float32"
        averaged = self.run.build_model()  # in float32, as it will be used
        self.update = TrainStep(self.run.build_model(dtype), averaged, self.config, workers)
        self.validation = Validation(self.run, averaged, prepared.dev)
        self.checkpoints = Checkpoints(self.run.path, self.config.keep_checkpoints)
        self.feed = InputPipeline(self.run, prepared.corpus, workers)
        self.total_steps = self.feed.total_steps()
        self.tensorboard = (
            _tensorboard(self.run.path) if self.config.tensorboard and workers.is_chief else None
        )
        self._sums = np.zeros(4)  # of `Loss`, since the last evaluation
        self._saved_at = self._clock = time.monotonic()
        self._started = self._clock if started is None else started

    # ------------------------------------------------------------------------------------- the loop

    def run_to_end(self, noted: Sequence[int] = ()) -> None:
        """Trains until the last step, or until `noted` holds a signal."""
        resumed = self.restore()
        if not resumed:
            self._begin()
        self._plan()
        texts = self.run.facts["texts"]
        self.progress.evaluate_on([texts[name] for name in sorted(texts) if name.startswith("dev")])
        self.total_steps = self.progress.budgeted_steps or self.total_steps
        if resumed:
            logger.info("resumed at step %d of %d", self.progress.step, self.total_steps)
        count = self.update.model.count_params()
        logger.info(
            "%s parameters, %d steps, %s",
            f"{count:,}",
            self.total_steps,
            self.run.facts["precision"],
        )
        with tqdm(
            total=self.total_steps,
            initial=self.progress.step,
            unit="step",
            smoothing=0.02,
            dynamic_ncols=True,
            disable=None if self.workers.is_chief else True,
        ) as bar:
            while not self._finished():
                self._train_epoch(bar, noted)
        if not self.progress.history or self.progress.history[-1]["step"] != self.progress.step:
            self.evaluate()  # a changed config ends training between two evaluations
            self.save()
        self._summarize()

    def _summarize(self) -> None:
        best = max(self.progress.comparable, key=lambda row: row["dev_bleu"])
        logger.info(
            f"trained {self.progress.step:,} steps in {self.progress.seconds / 60:.1f} min; best"
            f" dev BLEU {best['dev_bleu']:.2f} (greedy) after step {best['step']:,}, epoch"
            f" {best['epoch']}: its weights are kept"
        )

    def _begin(self) -> None:
        """Saves the state before the first step: a disk that is too small is better known now."""
        if self.config.init_from and self.workers.is_chief:
            path = Path(self.config.init_from) / "best.npz"
            weights, _ = load_arrays(path)
            for model in (self.update.model, self.update.averaged):
                assign(
                    {variable.path: variable for variable in model.trainable_variables},
                    weights,
                    path,
                )
            logger.info("begun with the weights of %s", path)
        self.save()
        if self.workers.count > 1:
            self.restore()  # all begin with the chief's weights

    def _plan(self) -> None:
        """Stores how many steps the budget has room for, unless that is known; for a changed
        budget, anew."""
        budget, steps, before = (
            self.config.budget,
            None,
            self.progress.seconds if self.progress.step else 0.0,
        )
        if budget == self.progress.budget:
            return
        if budget:
            steps = self.progress.step + self._steps_within(duration_seconds(budget) - before)
        self.progress.budget, self.progress.budgeted_steps = budget, steps
        self.save()

    def _steps_within(self, budget: float) -> int:
        """How many steps fit into so many seconds, by the time that a few take; these leave no
        trace."""
        firsts: list[float] = []
        times: list[float] = []
        for parts in itertools.islice(self.feed.batches(0), NUM_MEASURED):
            for seconds in (
                firsts,
                times,
            ):  # products are made ready for each size of a batch, once
                start = time.perf_counter()
                self.update.apply(parts, learning_rate=self._learning_rate(0), decay=0.0)
                seconds.append(time.perf_counter() - start)
        step = float(np.mean(times))
        # The median: in a few of the firsts the loss is compiled, too.
        compiling = self.feed.num_sizes() * max(0.0, float(np.median(firsts[1:] or times)) - step)
        evaluation = self.workers.on_chief(self.validation.seconds)
        start = time.perf_counter()
        self.restore()
        self.save()
        evaluation += time.perf_counter() - start
        preparing = time.monotonic() - self._started + compiling
        each = step + evaluation / (self.config.evaluate_every or len(self.feed.plan(0)))
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

    def _train_epoch(self, bar: tqdm, noted: Sequence[int]) -> None:
        """What remains of the current epoch, or of training."""
        steps_per_epoch = len(self.feed.plan(self.progress.epoch))
        for parts in self.feed.batches(self.progress.epoch, self.progress.batch):
            self._train_on(parts, bar)
            self.progress.batch += 1
            if self.progress.skipped_in_a_row == STEPS_TO_SKIP:
                self._roll_back()
                return  # to the batches of an earlier step, perhaps of another epoch
            last = self.progress.step == self.total_steps
            if last or self._evaluation_is_due(steps_per_epoch):
                self.evaluate()
                self.save()
            waited = time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES
            interrupted, waited = self.workers.any(bool(noted), waited)
            if interrupted and not last:
                number = noted[0] if noted else signal.SIGTERM  # which another worker has received
                logger.info("%s: saving", signal.Signals(number).name)
                raise Interrupted(number, self.save())
            if waited:
                self.save()
            if self._finished():
                return
        self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def _finished(self) -> bool:
        return self.progress.step >= self.total_steps or self._out_of_patience()

    def _train_on(self, parts: list[list[TrainingBatch]], bar: tqdm) -> None:
        start, progress = time.perf_counter(), self.progress
        sums, applied = self.update.apply(
            parts,
            learning_rate=self._learning_rate(progress.step),
            # The average of few steps must not be dominated by the random start.
            decay=min(self.config.ema_decay, (1 + progress.step) / (10 + progress.step)),
            limit=progress.loss_limit(self.update.model.vocabulary_sizes[1]),
        )
        loss = sums.objective / sums.tokens if sums.tokens else math.nan
        progress.note_step(loss, applied)
        if applied:
            self._sums += sums
        else:
            logger.warning(
                f"step {progress.step}: loss {loss:.3g} a token (usually"
                f" {progress.usual_loss or math.nan:.3g}), or a gradient that is not finite:"
                " skipped"
            )
        seconds = time.perf_counter() - start
        bar.set_postfix_str(
            f"loss {loss:.3f}, {sums.tokens / seconds:,.0f} tokens/s", refresh=False
        )
        bar.update(progress.step - bar.n)  # which goes back, too, after a rollback

    def _learning_rate(self, step: int) -> float:
        scores = [row["dev_bleu"] for row in self.progress.comparable]
        return (
            learning_rate(self.config, step, self.total_steps, scores)
            * 0.5**self.progress.rollbacks
        )

    def _roll_back(self) -> None:
        """Goes back to the last state, with half the rate."""
        progress = self.progress
        if progress.rollbacks == MAX_ROLLBACKS:
            raise UserError(
                f"training diverged at step {progress.step}, for the {MAX_ROLLBACKS + 1}th time,"
                f" with a learning rate of {self._learning_rate(progress.step):.2g}. "
                + (
                    f"{self.run.path} holds the best weights so far and the last state. "
                    if progress.history
                    else ""
                )
                + "Train a new run with a lower training.learning_rate, more training.warmup_steps"
                " or training.precision=float32; look at the training text for lines that are no"
                " translations."
            )
        # A state after which nothing went well may itself be the cause.
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

    def _spent(self) -> float:
        """Seconds spent in the loop so far, waiting and evaluating included, over all sessions."""
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
        """Evaluates the averaged weights; keeps them if they are the best so far."""
        progress = self.progress
        score, dev_loss = self.workers.on_chief(self.validation.evaluate)
        objective, cross_entropy, correct, tokens = self._sums
        self._sums = np.zeros(4)
        row = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "minutes": round(self._spent() / 60, 3),
            "learning_rate": self._learning_rate(progress.step - 1),
            "train_objective": round(objective / max(1, tokens), 4),
            "train_loss": round(cross_entropy / max(1, tokens), 4),
            "train_accuracy": round(correct / max(1, tokens), 4),
            "dev_loss": round(dev_loss, 4),
            "dev_bleu": round(score, 2),
        }
        progress.history.append(row)
        if score > progress.best_bleu:
            progress.best_bleu, progress.evaluations_since_best = score, 0
            self.workers.on_chief(
                lambda: save_arrays(self.run.path / "best.npz", self.update.averaged_weights(), row)
            )
        else:
            progress.evaluations_since_best += 1
        logger.info(
            f"epoch {row['epoch']}, step {row['step']}, {row['minutes']:.1f} min: train loss"
            f" {row['train_loss']:.3f}, dev loss {row['dev_loss']:.3f}, dev BLEU {score:.2f}"
            f" (greedy; best {progress.best_bleu:.2f})"
        )
        self.workers.on_chief(self._report)

    def _report(self) -> None:
        history = self.progress.history
        self.run.write_history(history)
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

    def save(self) -> bool:
        """Writes the state after the last step; not while steps are being skipped, as it may be
        what is wrong.

        All workers come here, to see that their weights are the same; the chief writes them.
        """
        if self.progress.skipped_in_a_row and not self._finished():
            return False
        self._spent()
        checksum = self.update.checksum() if self.workers.count > 1 else 0
        if self.workers.any(checksum != self.workers.on_chief(lambda: checksum))[0]:
            raise UserError(
                f"the workers' weights differ after step {self.progress.step}, which must not be;"
                " this state is not saved. See that all hosts have the same versions, and start"
                " the same command again."
            )
        self.workers.on_chief(self._write_state)
        self._saved_at = time.monotonic()
        return True

    def _write_state(self) -> None:
        arrays = {name: variable.numpy() for name, variable in self.update.state.items()}
        self.checkpoints.save(
            self.progress.step, {**arrays, "sums": self._sums}, vars(self.progress)
        )

    def restore(self) -> bool:
        """Whether there was a state to go on from."""
        found = self.checkpoints.load() if self.workers.is_chief else None
        if self.workers.count > 1:
            packed = self.workers.share(pack_arrays(*found) if found else b"")
            found = unpack_arrays(packed) if packed else None
        if found is None:
            if (self.run.path / "best.npz").is_file():
                raise UserError(
                    f"{self.run.path} holds trained weights, but no state in"
                    f" {self.checkpoints.folder} to resume from. Train a new run in another folder."
                )
            return False
        arrays, facts = found
        self._sums = arrays.pop("sums")
        self.update.restore(arrays, self.checkpoints.folder)
        self.progress = TrainingState(**facts)
        return True


def _tensorboard(run: Path) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "training.tensorboard needs the package tensorboard. Install it with:"
            f" {install_command('tensorboard')}"
        )
    return tf.summary.create_file_writer(str(run / "tensorboard"))


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are noted, to be acted on between two steps; a second Ctrl-C acts at once."""
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(
            number
        )  # and no more: a handler that writes may interrupt a write to the same stream

    try:
        old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals are somebody else's
        old = {}
    try:
        yield noted
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
