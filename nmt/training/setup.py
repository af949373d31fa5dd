"""From a config to all that training needs: checked data, tokenizers, an encoded corpus and a run
folder.

Loads no TensorFlow, so that errors in the data are reported at once.
"""

import logging
import platform
import random
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nmt.config.differences import Difference, Kind, differences
from nmt.config.loader import Config, CorpusConfig, TokenizerConfig
from nmt.errors import UserError
from nmt.runs.checkpoints import Checkpoints, only_trainer
from nmt.runs.package import open_run
from nmt.runs.run_folder import FORMAT, Run, model_input, refuse_export, refuse_links
from nmt.seeding import derive_seed
from nmt.terminal import quoted
from nmt.text.lines import (
    ParallelFiles,
    file_fingerprint,
    is_blank,
    read_parallel,
    resolve_parallel,
    text_path,
)
from nmt.text.model_input import Casing, ModelInput
from nmt.text.placeholders import Copier, MaskedLine, PairMasker
from nmt.text.tokenizer import LineSample, Tokenizer, sample_lines, train_tokenizer
from nmt.training.corpus import Corpus, encode_corpus, join, read_untagged

logger = logging.getLogger(__name__)

PAIRS_FOR_CASING = 100_000  # sampled to learn which words are capitalised


@dataclass(frozen=True)
class TrainingText:
    """A training text that the config names; its files are found but not yet read."""

    config: CorpusConfig
    files: ParallelFiles
    weights: Path | None

    def fingerprints(self, number: int) -> dict[str, str]:
        """Part of the text -> SHA-256 of the file; `number` is the text's, from 1."""
        suffix = "" if number == 1 else f" {number}"
        paths = {f"train{suffix}, source": self.files.source}
        paths[f"train{suffix}, target"] = self.files.target
        if self.weights:
            paths[f"weights{suffix}"] = self.weights
        return {name: file_fingerprint([path]) for name, path in paths.items()}


@dataclass(frozen=True)
class Texts:
    """The files that a config names, found but not yet read."""

    train: list[TrainingText]
    dev: ParallelFiles

    def fingerprints(self) -> "Fingerprints":
        dev = {"dev, source": self.dev.source, "dev, target": self.dev.target}
        return Fingerprints(
            [text.fingerprints(number) for number, text in enumerate(self.train, 1)],
            {name: file_fingerprint([path]) for name, path in dev.items()},
        )


@dataclass(frozen=True)
class Fingerprints:
    """What the files hold: for each training text and for the dev set, part -> SHA-256."""

    train: list[dict[str, str]]
    dev: dict[str, str]

    def as_facts(self) -> dict[str, str]:
        """As run.json records them."""
        return {name: digest for part in (*self.train, self.dev) for name, digest in part.items()}


@dataclass(frozen=True)
class TextDifference:
    """A file whose content is not what the run was begun with; None: there was or is no file."""

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        old, new = ((digest or "none")[:12] for digest in (self.old, self.new))
        return f"{self.name}: other text, {old} -> {new} (SHA-256)"


@dataclass(frozen=True)
class Reading:
    """How lines become ids: the view that the model has of a line, and tokenizers trained on it."""

    source: Tokenizer
    target: Tokenizer
    view: ModelInput

    @classmethod
    def of(cls, run: Run) -> "Reading":
        return cls(run.source_tokenizer, run.target_tokenizer, run.model_input)

    @classmethod
    def learn(cls, config: Config, texts: Sequence[TrainingText]) -> "Reading":
        view = learn_model_input(config, texts)
        return cls(*build_tokenizers(config, texts, view), view)


@dataclass(frozen=True)
class Prepared:
    run: Run
    corpus: Corpus
    dev: list[tuple[str, str]]  # raw: references are never tokenised, filtered or normalised by us


def find_texts(config: Config) -> Texts:
    """Raises UserError if a file is missing or the config cannot be trained; reads no text."""
    if (
        config.model.decoder.all_score_options.get("mode") == "hard"
        and config.model.decoder.score == "monotonic"
    ):
        raise UserError(
            "model.decoder.score_options.mode 'hard' has no gradient. Train with 'expected'; a"
            " trained run translates with 'hard' once its config.yaml says so and `nmt export RUN`"
            " has been run again."
        )
    if not config.data.corpora:
        raise UserError("no train text: set data.train in the recipe, or give --data PREFIX.")
    if config.data.dev is None:
        raise UserError("no dev text: set data.dev in the recipe, or give --dev PREFIX.")
    named = [("data.weights", corpus.weights) for corpus in config.data.corpora]
    for key, path in [("training.init_from", config.training.init_from), *named]:
        if path == "":  # left by an unset variable of a shell; not the same as none
            raise UserError(f"{key}: expected a path, or null for none. Received: an empty text.")
    train = [_find_training_text(corpus, config) for corpus in config.data.corpora]
    return Texts(train, _resolve(config, config.data.dev, "data.dev"))


def _find_training_text(corpus: CorpusConfig, config: Config) -> TrainingText:
    weights = text_path(corpus.weights) if corpus.weights else None
    if weights and not weights.is_file():  # it is read more than once
        other = "expected a regular file. Received: a folder or a pipe"
        problem = other if weights.exists() else "no such file"
        raise UserError(
            f"{weights}: {problem}. data.weights names one with a number for each line of"
            " data.train."
        )
    return TrainingText(corpus, _resolve(config, corpus.path, "data.train"), weights)


def _resolve(config: Config, path: str, key: str) -> ParallelFiles:
    files = resolve_parallel(path, config.data.source, config.data.target)
    for file in (files.source, files.target):
        if not file.is_file():  # text is read more than once
            raise UserError(
                f"{file}: expected a file of text for {key}. Received: a pipe or the like."
            )
    return files


def prepare(
    config: Config, path: Path, accept_changes: bool = False, like: Run | None = None
) -> Prepared:
    """Begins the run at `path`, or opens it if it exists.

    A run of another config or other text is refused, with what differs, unless `accept_changes`. A
    new run takes the tokenizers and the encoded text of `like`, if given; the tokenizers are those
    of the run that training starts from, if there is one.
    """
    refuse_links(path)
    texts = find_texts(config)
    dev = list(read_parallel(texts.dev))
    if not dev:
        raise UserError(
            f"expected at least one line in the dev set. Received: none in {texts.dev.source}."
        )
    fingerprints = texts.fingerprints()
    if Run.exists(path):
        run = Run.open(path)
        corpus = _resume(run, config, texts, fingerprints, accept_changes)
    else:
        run, corpus = _begin(path, config, texts, fingerprints, like)
    return Prepared(run, corpus, dev)


def _begin(
    path: Path, config: Config, texts: Texts, fingerprints: Fingerprints, like: Run | None
) -> tuple[Run, Corpus]:
    if Checkpoints.has_trained(path):  # weights that would stand beside another vocabulary
        raise UserError(
            f"{path} holds trained weights, but no run.json, without which they cannot be resumed."
            " Restore that file, or choose another folder with --run."
        )
    if config.training.init_from:
        reading = _reading_of_parent(open_run(config.training.init_from), config)
    elif like:
        reading = Reading.of(like)
    else:
        reading = Reading.learn(config, texts.train)
    if like:
        shutil.copytree(like.path / "corpus", path / "corpus", dirs_exist_ok=True)
    # Encoded before the run is created: a run of unusable text would refuse the corrected config.
    corpus = _encode(texts, fingerprints, config, reading, path)
    facts: dict[str, Any] = {
        "texts": fingerprints.as_facts(),
        "precision": choose_precision(config.training.precision),
    }
    if reading.view.kind == "view":
        facts["casing"] = {
            "source": reading.view.source_casing.as_dict(),
            "target": reading.view.target_casing.as_dict(),
        }
    return Run.create(path, config, reading.source, reading.target, facts), corpus


def _reading_of_parent(parent: Run, config: Config) -> Reading:
    """That of the run whose weights a new run of `config` starts with."""
    differing = [d for d in differences(parent.config, config) if d.kind is Kind.WEIGHTS]
    if differing:
        raise UserError(
            f"a run that begins with the weights of {parent.path} must have its model and"
            f" tokenizers. These differ:\n  {_lines(differing)}\nLeave the recipe out, and give"
            " what is to be new with --set."
        )
    if not parent.package:
        parent.weights_file()  # before the text is encoded
    return Reading.of(parent)


def _resume(
    run: Run, config: Config, texts: Texts, fingerprints: Fingerprints, accept_changes: bool
) -> Corpus:
    """Opens the corpus of an existing run and records what has changed since it began."""
    refuse_export(run.path)
    if "average_of" in run.metadata:
        raise UserError(
            f"{run.path} is the average of other runs, with nothing to resume. Train on from its"
            f" weights in a new run: --init-from {shlex.quote(str(run.path))} --run ANOTHER."
        )
    _check_facts(run)
    if run.metadata["format"] < FORMAT:
        raise UserError(
            f"{run.path} was begun by nmt {run.metadata['nmt']}, whose states this version does not"
            " read. It translates as before; to train, begin a new run in another folder."
        )
    changes = _find_changes(run, config, fingerprints)
    changes.check(run, accept_changes)
    _warn_of_other_versions(run)
    # Encoded before the changes are recorded: unusable text must not replace the run's own.
    corpus = _encode(texts, fingerprints, config, Reading.of(run), run.path)
    if changes:
        facts = changes.as_facts(run, config, fingerprints)
        with only_trainer(run.path):
            run.record_change(config, facts)
    return corpus


def _check_facts(run: Run) -> None:
    """Raises UserError if run.json lacks what resuming needs."""
    kinds = {"format": int, "nmt": str, "texts": dict, "precision": str}
    for name, kind in kinds.items():
        fact = run.metadata.get(name)
        of_texts = fact.values() if isinstance(fact, dict) else ()
        if not isinstance(fact, kind) or not all(isinstance(digest, str) for digest in of_texts):
            raise UserError(
                f"{run.path / 'run.json'} is damaged: {name!r} is {quoted(fact)}. Restore the file,"
                " or train a new run in another folder; if there are weights, --init-from begins"
                " with them."
            )


@dataclass(frozen=True)
class Changes:
    """What differs from the config and the text that a run has recorded."""

    config: list[Difference]
    texts: list[TextDifference]

    def __bool__(self) -> bool:
        return bool(self.config or self.texts)

    @property
    def free(self) -> list[Difference]:
        return [difference for difference in self.config if difference.kind is Kind.FREE]

    @property
    def affecting_training(self) -> list[Difference | TextDifference]:
        return [*(one for one in self.config if one.kind is not Kind.FREE), *self.texts]

    def check(self, run: Run, accept_changes: bool) -> None:
        """Raises UserError for changes that need permission, or that the state does not survive."""
        fixed = any(one.kind in (Kind.WEIGHTS, Kind.OPTIMIZER) for one in self.config)
        affecting = self.affecting_training
        if fixed or (affecting and not accept_changes):
            raise UserError(
                f"{run.path} holds a run with another config or other text:\n "
                f" {_lines(affecting)}\nResume with the run's own, or choose another folder with"
                " --run (of a comparison: --output)"
                f"{'.' if fixed else ', or accept the changes: `nmt train ... --accept-changes`.'}"
            )
        if self.free:
            logger.info("from now on:\n  %s", _lines(self.free))
        if affecting:
            logger.warning("accepted changes:\n  %s", _lines(affecting))

    def as_facts(self, run: Run, config: Config, fingerprints: Fingerprints) -> dict[str, Any]:
        """What run.json records of them."""
        facts: dict[str, Any] = {}
        if self.affecting_training:
            accepted = [str(one) for one in self.affecting_training]
            facts["texts"] = fingerprints.as_facts()
            facts["changes"] = [*run.metadata.get("changes", []), accepted]
        if run.config.training.precision != config.training.precision:
            facts["precision"] = choose_precision(config.training.precision)
        return facts


def _find_changes(run: Run, config: Config, fingerprints: Fingerprints) -> Changes:
    # The second text was called mix while there could be no more than two.
    old = {
        name.replace("mix,", "train 2,"): digest for name, digest in run.metadata["texts"].items()
    }
    new = fingerprints.as_facts()
    texts = [
        TextDifference(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    return Changes(differences(run.config, config), texts)


def _lines(found: Iterable[Difference | TextDifference]) -> str:
    return "\n  ".join(map(str, found))


def _warn_of_other_versions(run: Run) -> None:
    facts = run.metadata
    versions = [
        f"{name} {facts[name]} -> {now}"
        for name, now in Run.versions().items()
        if facts.get(name) != now
    ]
    if versions:
        logger.warning(
            "begun with other versions, so that the last bits may differ: %s", ", ".join(versions)
        )


def pairs_to_learn_from(texts: Sequence[TrainingText], seed: int) -> Iterator[tuple[str, str]]:
    """The pairs that a vocabulary is learnt from: of a text with a weight below 1, that share. What
    is rarely trained on must not decide what the pieces are."""
    for number, text in enumerate(texts):
        weight, generator = text.config.weight, random.Random(derive_seed(seed, "learn", number))
        for pair in read_untagged(text.files):
            if weight >= 1 or generator.random() < weight:
                yield pair


def learn_model_input(config: Config, texts: Sequence[TrainingText]) -> ModelInput:
    """How the model will read lines; how the languages are cased is learnt from the texts."""
    if config.data.model_input != "view":
        return model_input(config, {})
    seed = derive_seed(config.training.seed, "casing")
    pairs = pairs_to_learn_from(texts, config.training.seed)
    sources, targets = zip(*sample_lines(pairs, PAIRS_FOR_CASING, seed) or [("", "")], strict=True)
    # Whether a line is in title case is asked of sources only.
    target = replace(Casing.learn(targets), common=frozenset())
    return model_input(config, {"source": Casing.learn(sources), "target": target})


def build_tokenizers(
    config: Config, texts: Sequence[TrainingText], view: ModelInput
) -> tuple[Tokenizer, Tokenizer]:
    """Trains the tokenizers of source and target on all texts, one for both if they share it."""
    source, target = _tokenizer_lines(config, texts, view)
    if config.tokenizer.joint:
        tokenizer = _train_tokenizer(config.tokenizer, source + target)
        return tokenizer, tokenizer
    return _train_tokenizer(config.tokenizer, source), _train_tokenizer(config.tokenizer, target)


def _tokenizer_lines(
    config: Config, texts: Sequence[TrainingText], view: ModelInput
) -> tuple[list[MaskedLine], list[MaskedLine]]:
    """A sample of each side of the texts, without what will be copied, which needs no pieces of the
    vocabulary."""
    # No character is unseen yet: that takes a tokenizer.
    languages = config.data.source, config.data.target
    copier = Copier(config.copying.classes, lambda line: set(), view, languages=languages)
    masker = PairMasker(copier, {}, 0.0, config.training.seed)
    samples = [
        LineSample[MaskedLine](
            config.tokenizer.max_lines, derive_seed(config.training.seed, "tokenizer", side)
        )
        for side in (0, 1)
    ]
    for number, pair in enumerate(pairs_to_learn_from(texts, config.training.seed)):
        for sample, line in zip(samples, masker.mask(number, *pair), strict=True):
            if not is_blank(line.text):
                sample.add(line)
    source, target = (sample.lines for sample in samples)
    for lines, files in ((source, "source"), (target, "target")):
        if not lines:
            paths = ", ".join(str(getattr(text.files, files)) for text in texts)
            raise UserError(
                f"{paths}: a tokenizer needs text to learn from. Received: no line that is not"
                " blank."
            )
    return source, target


def _train_tokenizer(config: TokenizerConfig, lines: list[MaskedLine]) -> Tokenizer:
    logger.info("training the tokenizer: %s, %d pieces", config.algorithm, config.vocabulary_size)
    return train_tokenizer(
        lines,
        algorithm=config.algorithm,
        vocabulary_size=config.vocabulary_size,
        byte_fallback=config.byte_fallback,
        character_coverage=config.character_coverage,
        max_lines=2 * config.max_lines,
        fold_initial=config.fold_initial,
    )


def choose_precision(precision: str) -> str:
    """`auto` is bfloat16 on processors with bfloat16 instructions, else float32, as emulation is
    slow."""
    if precision != "auto":
        return precision
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        flags = platform.processor()
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def _encode(
    texts: Texts,
    fingerprints: Fingerprints,
    config: Config,
    reading: Reading,
    path: Path,
) -> Corpus:
    with tqdm(desc="encoding", unit="pair", leave=False, disable=None, dynamic_ncols=True) as bar:

        def counted(text: TrainingText, pairs: Iterable[Any]) -> Iterator[Any]:
            if len(texts.train) > 1:
                logger.info("encoding %s", text.config.path)
            for pair in pairs:
                yield pair
                bar.update()

        corpora = [
            encode_corpus(
                text.files,
                list(digests.values()),
                config,
                reading.source,
                reading.target,
                reading.view,
                path / "corpus",
                weights=text.weights,
                progress=partial(counted, text),
            )
            for text, digests in zip(texts.train, fingerprints.train, strict=True)
        ]
    configs = [text.config for text in texts.train]
    if len(corpora) == 1 and configs[0].weight == 1.0:
        return corpora[0]
    return join(corpora, configs)
