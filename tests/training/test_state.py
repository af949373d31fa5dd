"""The progress of training: the limit of a loss, and when a rate is reduced; by hand."""

import math

import pytest

from nmt.training.state import TrainingState, reductions


def test_before_the_first_step_any_loss_is_usual():
    assert TrainingState().loss_limit(100) == math.inf


def test_the_usual_loss_is_a_moving_average_and_skipped_steps_are_no_part_of_it():
    progress = TrainingState()
    progress.note_step(4.0, True)
    progress.note_step(2.0, True)
    progress.note_step(math.nan, False)
    assert progress.usual_loss == pytest.approx(0.99 * 4.0 + 0.01 * 2.0)
    assert progress.loss_limit(100) == pytest.approx(3.98 + math.log(100))
    assert (progress.step, progress.skipped_in_a_row) == (3, 1)
    progress.note_step(2.0, True)
    assert (progress.step, progress.skipped_in_a_row) == (4, 0)
    usual = progress.usual_loss
    progress.note_step(math.nan, True)  # a batch without tokens
    assert (progress.step, progress.skipped_in_a_row, progress.usual_loss) == (5, 0, usual)


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([], 0),
        ([1, 2, 3, 4], 0),
        ([2, 1], 0),
        ([2, 1, 2], 1),  # as good is no better
        ([2, 1, 1, 1], 1),
        ([2, 1, 1, 1, 1], 2),
        ([2, 1, 1, 3, 1, 1], 2),
        ([0], 0),
    ],
)
def test_a_rate_is_reduced_after_two_scores_without_a_better_one(scores, expected):
    assert reductions(scores, 2) == expected


def test_reductions_outlive_another_dev_set():
    scores = [{"dev_bleu": score} for score in (2.0, 1.0, 1.0)]
    progress = TrainingState(dev=["old"], history=list(scores))
    progress.evaluate_on(["new"], 2)
    assert progress.reductions(2) == 1
    progress.history += scores
    assert progress.reductions(2) == 2
    progress.evaluate_on(["newer"], 2)
    assert progress.reductions(2) == 2
