"""Variants of a recipe x seeds -> runs, what each of them does, and a report that is rewritten
after each.

    DIR/VARIANT/seedN            a run folder like any other
    DIR/VARIANT/seedN/compare    what was measured of it: NAME.txt are the translations of a text
    DIR/report.md, ...           see nmt.comparison.report

All of it is done once: started again, a comparison goes on where it was. Loads no TensorFlow,
unless a run has no export.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nmt.comparison.report import write_report
from nmt.comparison.statistics import RunResult
from nmt.config.loader import Config
from nmt.errors import Interrupted, UserError
from nmt.evaluation.significance import METRICS
from nmt.evaluation.word_alignment import Alignment, Behaviour, attention_behaviour
from nmt.inference.aligner import Gold, align_pairs, alignment_scores
from nmt.inference.onnx_artifact import WEIGHTS, choose
from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run, load_arrays
from nmt.terminal import import_tensorflow, nmt_process, progress_bar
from nmt.text.lines import atomic_write, file_fingerprint, is_blank, read_lines, write_lines
from nmt.training.corpus import Corpus
from nmt.training.input_pipeline import plan_updates
from nmt.training.setup import Prepared, find_texts, prepare

logger = logging.getLogger(__name__)

DEV = "dev"
FIXED = (
    "training.seed",
    "data.dev",
    "data.source",
    "data.target",
)  # what all variants must share, or nothing compares
NUM_SAMPLES, SAMPLE_WORDS = 3, range(8, 15)  # of dev, for heat maps
NUM_WARM_UP = 64  # lines translated before the clock starts
POLL = 0.2  # seconds


@dataclass(frozen=True)
class ComparedText:
    sources: list[str]
    references: list[str]


@dataclass(frozen=True)
class Planned:
    variant: str
    seed: int
    config: Config
    path: Path


# ----------------------------------------------------------------------------------------- the plan


def plan(
    base: Callable[[Sequence[str]], Config],
    attentions: str | None,
    varied: Sequence[str],
    num_seeds: int,
    folder: Path,
) -> list[Planned]:
    """Every variant with every seed, seeds outermost, so that all variants have the same ones while
    runs are missing.

    `base` makes the config of overrides `KEY=VALUE`. `attentions` lists `model.decoder.attention`s,
    each of them with other keys of that section where one likes: "luong,luong+input_feeding=true";
    None: the recipe's own. `varied` are `KEY=VALUE,VALUE`: every attention with every value. Raises
    UserError for what is no variant, and for two that are the same.
    """
    recipe = base([])
    find_texts(recipe)  # what is wrong with the recipe is said as such
    attentions = attentions or f"{recipe.model.decoder.cell}/{recipe.model.decoder.score}"
    axes = [
        [f"{key}={value}" for value in _split(values)]
        for key, values in map(_key_and_values, varied)
    ]
    variants: dict[str, Config] = {}
    for attention, *values in product(_split(attentions), *axes):
        name, *options = attention.split("+")
        overrides = [
            f"model.decoder.attention={name}",
            *(f"model.decoder.{option}" for option in options),
            *values,
        ]
        name = "+".join([attention, *(value.removeprefix("model.decoder.") for value in values)])
        try:
            config = base(overrides)
            find_texts(config)
        except UserError as error:
            raise UserError(f"variant {name}: {error}") from error
        same = next(
            (other for other, others in variants.items() if other == name or others == config), None
        )
        if same:
            raise UserError(f"the variants {same} and {name} are the same. Leave one of them out.")
        variants[name] = config
    first = next(iter(variants.values())).training.seed
    return [
        Planned(
            name,
            seed,
            _with_seed(config, seed),
            folder / re.sub(r"[^\w.+=-]", "-", name) / f"seed{seed}",
        )
        for seed in range(first, first + num_seeds)
        for name, config in variants.items()
    ]


def _split(text: str) -> list[str]:
    """At commas, but for those in brackets: a value may be a list."""
    return [part.strip() for part in re.split(r",(?![^\[{]*[\]}])", text)]


def _key_and_values(varied: str) -> tuple[str, str]:
    key, equals, values = varied.partition("=")
    if not (key and equals and values):
        raise UserError(
            f"--vary {varied}: expected KEY=VALUE,VALUE, for example model.decoder.units=128,256."
        )
    if key in FIXED:
        raise UserError(
            f"--vary {varied}: all variants share {', '.join(FIXED)}. For more seeds use --seeds."
        )
    return key, values


def _with_seed(config: Config, seed: int) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})})


# ------------------------------------------------------------------------------------------ running


def compare(
    title: str,
    planned: Sequence[Planned],
    texts: dict[str, ComparedText],
    gold: tuple[ComparedText, list[Gold]] | None,
    folder: Path,
    train: Callable[[Sequence[Path]], Generator[tuple[Path, UserError | None]]],
) -> None:
    """Trains what is not trained and measures what is not measured yet; the report is in `folder`
    after each run.

    `train`, which is `train_apart` or made by `one_by_one`, trains or resumes runs that have begun,
    by their folders, and yields each as it ends. A run that fails does not keep the others from
    being trained; UserError names it at the end. Runs of another config or other text are refused
    before anything is done.
    """
    variants = list(dict.fromkeys(run.variant for run in planned))
    begun = {run.path: prepare(run.config, run.path) for run in planned if Run.exists(run.path)}
    # Runs that read the same text in the same way share the tokenizers, and the encoded text, of
    # the first of them.
    lenders = {_reading(prepared.run.config): prepared.run for prepared in reversed(begun.values())}
    finished = [run for run in planned if _is_finished(run.path)]
    results = [_result(run, begun[run.path], texts, gold) for run in finished]
    if results:
        write_report(folder, title, variants, len(planned), results)
    waiting = {run.path: run for run in planned if run not in finished}
    for run in (run for run in waiting.values() if run.path not in begun):
        begun[run.path] = prepare(run.config, run.path, like=lenders.get(_reading(run.config)))
        lenders.setdefault(_reading(run.config), begun[run.path].run)
    failed: list[Planned] = []
    with contextlib.closing(train(list(waiting))) as ended:
        for path, error in ended:
            run = waiting[path]
            if error:
                logger.error("%s", error)
                failed.append(run)
                continue
            results.append(_result(run, begun[path], texts, gold))
            write_report(folder, title, variants, len(planned), results)
            logger.info("%s: %d of %d runs", folder / "report.md", len(results), len(planned))
    if failed:
        names = ", ".join(f"{run.variant} (seed {run.seed})" for run in failed)
        raise UserError(
            f"these runs failed: {names}. See their train.log; the same command tries again."
        )


def _reading(config: Config) -> str:
    """What decides how text is read, whatever the model."""
    return config.model_dump_json(include={"data", "tokenizer", "copying"})


def one_by_one(
    train: Callable[[Path], object],
) -> Callable[[Sequence[Path]], Generator[tuple[Path, UserError | None]]]:
    """What `compare` takes, of a function that trains the run of one folder in this process."""

    def train_all(paths: Sequence[Path]) -> Generator[tuple[Path, UserError | None]]:
        for path in paths:
            try:
                train(path)
            except UserError as error:
                yield path, error
            else:
                yield path, None

    return train_all


def train_apart(
    paths: Sequence[Path], num_jobs: int = 1
) -> Generator[tuple[Path, UserError | None]]:
    """`nmt train` of runs that have begun, so many at a time -> each as it ends, with what went
    wrong.

    In a process of its own each starts alike, whatever was trained before it, returns all its
    memory, and takes no other with it should it run out; several at a time have each a part of the
    processor's cores. A signal is passed on to them and raises Interrupted; they have saved when
    this generator is closed.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    free = [cores[job::num_jobs] for job in range(num_jobs)]
    waiting, running = list(paths), dict[Path, tuple[subprocess.Popen[bytes], list[int]]]()
    with _passing_signals_on(running) as passed:
        try:
            while waiting or running:
                while waiting and free:
                    path, share = waiting.pop(0), free.pop(0)
                    logger.info("%s: training", path)
                    command, environment = nmt_process(
                        "train", str(path / "config.yaml"), "--run", str(path)
                    )
                    # In a session of its own, or Ctrl-C at a terminal would reach it twice, which
                    # means "at once".
                    process = subprocess.Popen(command, env=environment, start_new_session=True)
                    running[path] = process, share
                    if share and num_jobs > 1:
                        os.sched_setaffinity(process.pid, share)
                done = [
                    path for path, (process, _) in running.items() if process.poll() is not None
                ]
                for path in done:
                    process, share = running.pop(path)
                    free.append(share)
                    code = process.returncode
                    yield (
                        path,
                        UserError(f"the training of {path} failed with exit code {code}.")
                        if code
                        else None,
                    )
                if not done:
                    time.sleep(POLL)
        finally:
            for process, _ in running.values():
                if not passed:  # whoever asked for these runs has failed
                    process.terminate()
            for process, _ in running.values():
                process.wait()


@contextlib.contextmanager
def _passing_signals_on(
    running: Mapping[Path, tuple[subprocess.Popen[bytes], list[int]]],
) -> Iterator[list[int]]:
    """Yields what has been passed on so far."""
    passed: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        passed.append(number)
        for process, _ in running.values():
            process.send_signal(number)
        if len(passed) == 1:
            raise Interrupted(number)

    old = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield passed
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------------------------------- measuring


def _is_finished(run: Path) -> bool:
    """A run is measured once its training has ended."""
    return (run / "compare" / "measured.json").is_file()


def _result(
    run: Planned,
    prepared: Prepared,
    texts: dict[str, ComparedText],
    gold: tuple[ComparedText, list[Gold]] | None,
) -> RunResult:
    measured = Measured(prepared.run, run.config)
    weights, _ = load_arrays(run.path / WEIGHTS)
    history = prepared.run.read_history()
    translated = {name: measured.translations(name, text) for name, text in texts.items()}
    behaviour, samples = measured.attention(texts[DEV])
    facts = prepared.run.facts
    versions = ", ".join(f"{name} {facts[name]}" for name in Run.versions())
    return RunResult(
        variant=run.variant,
        seed=run.seed,
        parameters=sum(array.size for array in weights.values()),
        history=history,
        target_tokens=_tokens_an_update(prepared.corpus, run.config) * history[-1]["step"],
        lines_per_second=sum(len(text.sources) for text in texts.values())
        / sum(s for _, s in translated.values()),
        behaviour=behaviour,
        error_rate=None if gold is None else measured.error_rate(*gold),
        samples=samples,
        counts={
            name: {
                metric.name: metric.sentence_counts(translated[name][0], text.references)
                for metric in METRICS
            }
            for name, text in texts.items()
        },
        made_with=f"{versions}; trained in {facts['precision']}, translated by {measured.engine}",
    )


class Measured:
    """What a trained run does, in its folder `compare`: computed once, unless what it depends on
    has changed.

    The search is that of the recipe, in float32 and in the run's export if it has one, as is
    everything here.
    """

    def __init__(self, run: Run, config: Config):
        self.run = Run(
            run.path,
            run.config.model_copy(update={"decoding": config.decoding}),
            run.source_tokenizer,
            run.target_tokenizer,
        )
        self.folder = run.path / "compare"
        self.folder.mkdir(exist_ok=True)
        self.file = self.folder / "measured.json"
        self._weights = file_fingerprint([run.path / WEIGHTS])
        self._record: dict[str, Any] = (
            json.loads(self.file.read_bytes()) if self.file.is_file() else {}
        )

    @cached_property
    def _chosen(self) -> Any:
        return choose(self.run.path, precision="float32")

    @cached_property
    def _translator(self) -> Translator:
        logger.info("%s: measuring", self.run.path)
        if self._chosen is None:
            import_tensorflow()
        return Translator.load(self.run, precision="float32")

    @property
    def engine(self) -> str:
        return self._once("engine", [], lambda: "ONNX Runtime" if self._chosen else "Keras")

    def translations(self, name: str, text: ComparedText) -> tuple[list[str], float]:
        """Of a text, and the seconds that they took."""
        path = self.folder / f"{name}.txt"

        def translate() -> float:
            self._translator.translate(text.sources[:NUM_WARM_UP])
            with progress_bar(name, total=len(text.sources)) as bar:
                start = time.perf_counter()
                translations = self._translator.translate(text.sources, progress=bar.update)
                seconds = time.perf_counter() - start
            write_lines(path, (translation.text for translation in translations))
            return seconds

        if not path.is_file():
            self._record.pop(f"text {name}", None)
        seconds = self._once(
            f"text {name}", [self.run.config.decoding.model_dump(), text.sources], translate
        )
        return list(read_lines(path)), seconds

    def attention(self, text: ComparedText) -> tuple[Behaviour, list[Alignment]]:
        """How attention behaves as the model writes the references, and the attention in some of
        the pairs."""
        lines = _samples(text.sources)

        def align() -> dict[str, Any]:
            alignments = self._translator.align_lines(text.sources, text.references)
            chosen = [
                {**vars(alignments[i]), "weights_TS": alignments[i].weights_TS.tolist()}
                for i in lines
            ]
            return {"behaviour": asdict(attention_behaviour(alignments)), "samples": chosen}

        found = self._once("attention", [text.sources, text.references, lines], align)
        samples = [
            Alignment(**{**one, "weights_TS": np.array(one["weights_TS"])})
            for one in found["samples"]
        ]
        return Behaviour(**found["behaviour"]), samples

    def error_rate(self, text: ComparedText, gold: list[Gold]) -> float:
        def align() -> float:
            aligned = align_pairs(self._translator, None, text.sources, text.references)
            return alignment_scores(aligned, gold)["forward"].error_rate

        links = [[sorted(sure), sorted(possible)] for sure, possible in gold]
        return self._once("error rate", [text.sources, text.references, links], align)

    def _once(self, name: str, depends_on: list[Any], measure: Callable[[], Any]) -> Any:
        key = hashlib.sha256(json.dumps([self._weights, depends_on]).encode()).hexdigest()
        found = self._record.get(name)
        if found is None or found["key"] != key:
            found = self._record[name] = {"key": key, "value": measure()}
            with atomic_write(self.file, "w") as stream:
                json.dump(self._record, stream, ensure_ascii=False)
        return found["value"]


def _samples(sources: Sequence[str]) -> list[int]:
    """Lines for heat maps: of a moderate length, if there are such, and from all over the text."""
    lines = [i for i, line in enumerate(sources) if not is_blank(line)]
    chosen = [i for i in lines if len(sources[i].split()) in SAMPLE_WORDS] or lines
    places = np.linspace(0, len(chosen) - 1, NUM_SAMPLES if chosen else 0, dtype=int)
    return [chosen[place] for place in dict.fromkeys(places.tolist())]


def _tokens_an_update(corpus: Corpus, config: Config) -> float:
    """Real target tokens, </s> included, mean over an epoch."""
    updates, lengths = plan_updates(corpus, config, epoch=0), corpus.target.lengths
    return float(np.mean([sum((lengths[part] + 1).sum() for part in update) for update in updates]))
