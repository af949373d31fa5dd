"""A development set from the training text itself, for fine-tuning on a table of corrections."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.errors import UserError
from nmt.runs.run_folder import Run, refuse_links
from nmt.text.lines import (
    ParallelFiles,
    atomic_write,
    is_blank,
    make_folder,
    read_parallel,
    refuse_overwriting,
)

SHARE = 0.1
MAX_PAIRS = 500
MIN_PAIRS = 20  # of the whole text: fewer say nothing about a model

Pair = tuple[str, str]


@dataclass(frozen=True)
class HeldOut:
    """The two parts of a text, as prefixes of their files."""

    train: Path
    dev: Path
    num_train: int
    num_dev: int


def hold_out(files: ParallelFiles, languages: tuple[str, str], run: Path) -> HeldOut:
    """Splits a text in two languages, and writes the parts to the folder `texts` of a run.

    A source is in one of the parts only, whatever its translations. The same text is split alike
    each time, so that training resumes. UserError if the text is too short, and if the run exists
    and was begun with another text.
    """
    refuse_links(run)
    pairs = [pair for pair in read_parallel(files) if not any(map(is_blank, pair))]
    sources = sorted({source for source, _ in pairs}, key=_digest)
    if len(sources) < MIN_PAIRS:
        raise UserError(
            f"{files.source} has {len(sources)} different sources, too few to hold some out as"
            f" development text (at least {MIN_PAIRS}). Give other text with --dev PREFIX."
        )
    chosen = set(sources[: min(MAX_PAIRS, round(SHARE * len(sources)))])
    train = [pair for pair in pairs if pair[0] not in chosen]
    dev = [pair for pair in pairs if pair[0] in chosen]
    folder = run / "texts"
    for name, part in (("train", train), ("dev", dev)):
        for language, lines in zip(languages, zip(*part, strict=True), strict=True):
            path = folder / f"{name}.{language}"
            if not Run.exists(run):
                refuse_overwriting(path, [files.source, files.target])
            _write(path, lines, run)
    return HeldOut(folder / "train", folder / "dev", len(train), len(dev))


def _write(path: Path, lines: Sequence[str], run: Path) -> None:
    content = "".join(f"{line}\n" for line in lines).encode("utf-8")
    if Run.exists(run):
        if not path.is_file() or path.read_bytes() != content:
            raise UserError(
                f"{run} holds a run with other text. Choose another folder with --run, or name the"
                " development text with --dev."
            )
        return
    make_folder(path.parent, "run folder")
    with atomic_write(path) as stream:
        stream.write(content)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()
