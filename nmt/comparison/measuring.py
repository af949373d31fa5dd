"""What is measured of a finished run: translations, attention, alignment error rate, size and
speed.

Results are stored in the run's folder `compare`, and computed again only if what they depend on has
changed. Loads no TensorFlow, unless a run has no export.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nmt.comparison.plan import PlannedRun
from nmt.comparison.statistics import RunResult
from nmt.config.loader import Config
from nmt.evaluation.significance import METRICS
from nmt.evaluation.word_alignment import Alignment, Behaviour, attention_behaviour
from nmt.inference.aligner import Gold, align_pairs, alignment_scores
from nmt.inference.onnx_artifact import select_export
from nmt.inference.translator import Translator
from nmt.runs.run_folder import WEIGHTS, Run, load_arrays
from nmt.terminal import import_tensorflow, progress_bar
from nmt.text.lines import (
    atomic_write,
    file_fingerprint,
    is_blank,
    make_folder,
    read_lines,
    write_lines,
)
from nmt.training.corpus import Corpus
from nmt.training.input_pipeline import plan_updates
from nmt.training.setup import Prepared

logger = logging.getLogger(__name__)

DEV = "dev"
NUM_SAMPLES, SAMPLE_WORDS = 3, range(8, 15)  # dev lines shown as heat maps
NUM_WARM_UP = 64  # lines translated before the clock starts


@dataclass(frozen=True)
class ComparedText:
    sources: list[str]
    references: list[str]


@dataclass(frozen=True)
class GoldAlignments:
    text: ComparedText
    links: list[Gold]


@dataclass(frozen=True)
class EvaluationTexts:
    """What all runs are measured on: texts by name, the dev set among them as `DEV`."""

    texts: Mapping[str, ComparedText]
    gold: GoldAlignments | None = None


def is_finished(run: Path) -> bool:
    """Whether training has ended: only then is a run measured."""
    return (run / "compare" / "measured.json").is_file()


def measure(run: PlannedRun, prepared: Prepared, tests: EvaluationTexts) -> RunResult:
    prepared.run.allow_custom = True  # `compare` has refused what the user does not permit
    measured = RunMeasurements(prepared.run, run.config)
    texts = tests.texts
    weights, _ = load_arrays(run.path / WEIGHTS)
    history = prepared.run.read_history()
    translated = {name: measured.translations(name, text) for name, text in texts.items()}
    behaviour, samples = measured.attention(texts[DEV])
    facts = prepared.run.metadata
    versions = ", ".join(f"{name} {facts[name]}" for name in Run.versions())
    return RunResult(
        variant=run.variant,
        seed=run.seed,
        parameters=sum(array.size for array in weights.values()),
        history=history,
        target_tokens=_tokens_per_update(prepared.corpus, run.config) * history[-1]["step"],
        lines_per_second=sum(len(text.sources) for text in texts.values())
        / sum(s for _, s in translated.values()),
        behaviour=behaviour,
        error_rate=measured.error_rate(tests.gold) if tests.gold else None,
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


class RunMeasurements:
    """Measures a run with the recipe's search, in float32, with the run's export if it has one."""

    def __init__(self, run: Run, config: Config):
        self.run = run.with_decoding(config.decoding)
        self.folder = run.path / "compare"
        make_folder(self.folder)
        self.file = self.folder / "measured.json"
        self._weights = file_fingerprint([run.path / WEIGHTS])
        self._record = self._read_record()

    def _read_record(self) -> dict[str, Any]:
        """What has been measured; nothing if the file is damaged."""
        if not self.file.is_file():
            return {}
        try:
            return dict(json.loads(self.file.read_bytes()))
        except (ValueError, TypeError) as error:
            logger.warning("%s is damaged (%s): measured anew", self.file, error)
            return {}

    @cached_property
    def _export(self) -> Any:
        return select_export(self.run.path, precision="float32")

    @cached_property
    def _translator(self) -> Translator:
        logger.info("%s: measuring", self.run.path)
        if self._export is None:
            import_tensorflow()
        return Translator.load(self.run, precision="float32")

    @property
    def engine(self) -> str:
        return self._once("engine", [], lambda: "ONNX Runtime" if self._export else "Keras")

    def translations(self, name: str, text: ComparedText) -> tuple[list[str], float]:
        """The translations of a text, and the seconds that they took."""
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
        """The behaviour of attention when the model is forced to write the references, and the
        attention in some of the pairs."""
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

    def error_rate(self, gold: GoldAlignments) -> float:
        """The alignment error rate."""
        text = gold.text

        def align() -> float:
            aligned = align_pairs(self._translator, None, text.sources, text.references)
            return alignment_scores(aligned, gold.links)["forward"].error_rate

        links = [[sorted(sure), sorted(possible)] for sure, possible in gold.links]
        return self._once("error rate", [text.sources, text.references, links], align)

    def _once(self, name: str, depends_on: list[Any], measure: Callable[[], Any]) -> Any:
        """The stored value of a measurement; measured anew if what it depends on has changed."""
        key = hashlib.sha256(json.dumps([self._weights, depends_on]).encode()).hexdigest()
        found = self._record.get(name)
        if found is None or found["key"] != key:
            found = self._record[name] = {"key": key, "value": measure()}
            with atomic_write(self.file, "w") as stream:
                json.dump(self._record, stream, ensure_ascii=False)
        return found["value"]


def _samples(sources: Sequence[str]) -> list[int]:
    """Lines for heat maps: of moderate length, if there are any, and spread over the text."""
    lines = [i for i, line in enumerate(sources) if not is_blank(line)]
    chosen = [i for i in lines if len(sources[i].split()) in SAMPLE_WORDS] or lines
    places = np.linspace(0, len(chosen) - 1, NUM_SAMPLES if chosen else 0, dtype=int)
    return [chosen[place] for place in dict.fromkeys(places.tolist())]


def _tokens_per_update(corpus: Corpus, config: Config) -> float:
    """Mean number of target tokens of an update, with </s> and without padding."""
    updates, lengths = plan_updates(corpus, config, epoch=0), corpus.target.lengths
    return float(np.mean([sum((lengths[part] + 1).sum() for part in update) for update in updates]))
