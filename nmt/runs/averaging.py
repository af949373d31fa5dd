"""The mean of the weights of several states of training, as a run of its own.

The last states of a run lie in one valley of the loss, and their mean is often better than each of
them (Junczys-Dowmunt et al., 2016; Izmailov et al., 2018). Weights of runs with other initial
weights cannot be averaged: use an ensemble.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nmt.errors import UserError
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.run_folder import WEIGHTS, Run, check_compatible, load_arrays, save_arrays
from nmt.text.lines import make_folder

# Prefix, in a checkpoint, of the moving average of the weights, which is kept in best.npz.
AVERAGE = "average/"


def average(runs: Sequence[Run], output: Path, last: int | None = None) -> list[Path]:
    """Writes the run `output`: the mean of the runs' best weights or, with `last`, of each one's
    last checkpoints.

    Returns the files that were read. Raises UserError if the models, vocabularies or initial
    weights differ, if there are fewer checkpoints than `last` or fewer than two files in all, or if
    the output is a run already.
    """
    first = runs[0]
    check_compatible(runs)
    for run in runs[1:]:
        if run.config.model != first.config.model:
            raise UserError(
                f"only weights of one model can be averaged. {first.path} and {run.path} differ"
                " in `model`."
            )
        if _begin_otherwise(first, run):
            raise UserError(
                f"only weights with a common beginning can be averaged. {first.path} and"
                f" {run.path} began with different random weights, as their training.seed differs."
                " Name both runs to `nmt translate` or `nmt evaluate`: an ensemble."
            )
    paths = [
        path
        for run in runs
        for path in ([run.weights_file()] if last is None else _last(run, last))
    ]
    if len(paths) < 2:
        raise UserError(
            f"an average needs two files or more. Received: {paths[0]}. Name more runs, or use"
            " --last."
        )
    if Run.exists(output):
        raise UserError(f"{output} already holds a run. Choose another folder.")
    weights = mean([_weights(path) for path in paths], paths)
    of_first = {
        key: value
        for key, value in first.metadata.items()
        if key in ("texts", "precision", "casing")
    }
    facts = {"average_of": [str(path) for path in paths]}
    make_folder(output)
    save_arrays(output / WEIGHTS, weights, facts)  # first: a run without weights is a half one
    Run.create(
        output, first.config, first.source_tokenizer, first.target_tokenizer, {**of_first, **facts}
    )
    return paths


def _begin_otherwise(one: Run, other: Run) -> bool:
    """Whether two runs of the same model had different random weights at first. Runs that began
    with the weights of another one may have a common beginning."""
    ours, theirs = one.config.training, other.config.training
    return ours.seed != theirs.seed and not (ours.init_from or theirs.init_from)


def mean(
    states: Sequence[Mapping[str, np.ndarray]], paths: Sequence[Path]
) -> dict[str, np.ndarray]:
    """The mean of each named array, summed in float64. Raises UserError unless all states have the
    same names and shapes."""
    shapes = [{name: array.shape for name, array in state.items()} for state in states]
    for path, of_state in zip(paths, shapes, strict=True):
        if of_state != shapes[0]:
            raise UserError(
                f"{paths[0]} and {path} hold weights of different names or shapes, which cannot be"
                " averaged."
            )
    return {
        name: (
            np.mean([state[name] for state in states], axis=0, dtype=np.float64).astype(array.dtype)
        )
        for name, array in states[0].items()
    }


def _last(run: Run, count: int) -> list[Path]:
    states = Checkpoints(run.path, count)
    paths = [
        path for path in states.paths() if states.step_of(path)
    ]  # that of step 0 has learnt nothing
    if not 1 <= count <= len(paths):
        raise UserError(
            f"--last must be from 1 to the number of trained states in {run.path} ({len(paths)})."
            f" Received: {count}. `training.keep_checkpoints` says how many are kept."
        )
    return paths[-count:]


def _weights(path: Path) -> dict[str, np.ndarray]:
    arrays, _ = load_arrays(path)
    averaged = {
        name.removeprefix(AVERAGE): array
        for name, array in arrays.items()
        if name.startswith(AVERAGE)
    }
    for name, array in (averaged or arrays).items():
        if not np.isfinite(array).all():
            raise UserError(
                f"{path} cannot be averaged: expected finite weights. Received: infinity or NaN in"
                f" {name}. Its training has diverged: leave it out."
            )
    return averaged or arrays
