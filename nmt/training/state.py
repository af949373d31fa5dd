"""The progress of training; with the variables, all that resuming needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

USUAL_LOSS_DECAY = 0.99


@dataclass
class TrainingState:
    """Saved in each checkpoint. `step` counts updates, including skipped ones."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # next one of this epoch
    seconds: float = 0.0
    best_bleu: float = -1.0
    evaluations_since_best: int = 0
    usual_loss: float | None = None  # moving average of the objective a token
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    budget: str | None = None  # `training.budget` when it was planned for
    budgeted_steps: int | None = None  # in all, as planned for it
    dev: list[str] = field(default_factory=list)  # fingerprints of the dev set that is evaluated
    first_row: int = 0  # of history, that was evaluated on it: only its scores compare
    earlier_reductions: int = 0  # of a rate on a plateau, by scores on other dev sets
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def comparable(self) -> list[dict[str, float]]:
        """The evaluations on the current dev set."""
        return self.history[self.first_row :]

    def evaluate_on(self, dev: list[str], patience: int) -> None:
        """Sets the dev set by its fingerprints. Scores on another one do not compare."""
        if self.dev and self.dev != dev:
            self.earlier_reductions = self.reductions(patience)
            self.first_row, self.best_bleu, self.evaluations_since_best = len(self.history), -1.0, 0
        self.dev = dev

    def reductions(self, patience: int) -> int:
        """How often a rate on a plateau has been reduced."""
        scores = [row["dev_bleu"] for row in self.comparable]
        return self.earlier_reductions + reductions(scores, patience)

    def loss_limit(self, vocabulary_size: int) -> float:
        """The objective per token above which a step is skipped: it exceeds its running mean by
        more than log V."""
        return math.inf if self.usual_loss is None else self.usual_loss + math.log(vocabulary_size)

    def note_step(self, loss: float, applied: bool) -> None:
        """Counts a step. `loss` is its objective a token, nan without tokens; `applied`: the
        weights were updated."""
        self.step += 1
        if not applied:
            self.skipped_in_a_row += 1
            return
        self.skipped_in_a_row = 0
        if math.isnan(loss):
            return
        usual = loss if self.usual_loss is None else self.usual_loss
        self.usual_loss = USUAL_LOSS_DECAY * usual + (1.0 - USUAL_LOSS_DECAY) * loss


def reductions(scores: Sequence[float], patience: int) -> int:
    """How often a rate on a plateau is reduced: once for every `patience` scores in a row without
    a better one."""
    best, waited, count = -math.inf, 0, 0
    for score in scores:
        best, waited = (score, 0) if score > best else (best, waited + 1)
        if waited == patience:
            waited, count = 0, count + 1
    return count
