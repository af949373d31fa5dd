"""From a config to all that training needs: checked data, tokenizers, an encoded corpus and a run
folder.

Loads no TensorFlow: whatever is wrong with the data is said at once.
"""

import logging
import platform
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nmt.config.loader import Config, differences
from nmt.errors import UserError
from nmt.runs.checkpoints import only_trainer
from nmt.runs.run_folder import FORMAT, Run, model_input
from nmt.seeding import derive_seed
from nmt.text.lines import (
    ParallelFiles,
    file_fingerprint,
    is_blank,
    read_parallel,
    resolve_parallel,
)
from nmt.text.model_input import Casing, ModelInput
from nmt.text.placeholders import Copier, MaskedLine, PairMasker
from nmt.text.tokenizer import Tokenizer, sample_lines, train_tokenizer
from nmt.training.corpus import Corpus, encode_corpus, join

logger = logging.getLogger(__name__)

PAIRS_FOR_CASING = 100_000  # drawn to learn what is written with capitals

# What the weights depend on: changed, they mean nothing. (Dropout has none.)
FIXED = (
    "model.layer",
    "model.embedding",
    "model.tied",
    "model.encoder",
    "model.decoder",
    "tokenizer.",
    "data.source",
    "data.target",
    "data.model_input",
)
FIXED_STATE = (
    *FIXED,
    "training.optimizer:",
    "training.freeze:",
)  # nor do an optimizer's moments fit another one


@dataclass(frozen=True)
class Texts:
    """The files that a config names, found but not yet read."""

    train: ParallelFiles
    dev: ParallelFiles
    mix: ParallelFiles | None
    weights: Path | None

    def fingerprints(self) -> dict[str, str]:
        """Name of each file's part -> SHA-256 of what it holds."""
        paths: dict[str, Path] = {}
        for name, files in (("train", self.train), ("dev", self.dev), ("mix", self.mix)):
            if files:
                paths |= {f"{name}, source": files.source, f"{name}, target": files.target}
        if self.weights:
            paths["weights"] = self.weights
        return {name: file_fingerprint([path]) for name, path in paths.items()}


@dataclass(frozen=True)
class Prepared:
    run: Run
    corpus: Corpus
    dev: list[tuple[str, str]]  # raw: references are never tokenised, filtered or normalised by us


def find_texts(config: Config) -> Texts:
    """Raises UserError where a file is missing, or training impossible, before anything is read."""
    if (
        config.model.decoder.all_score_options.get("mode") == "hard"
        and config.model.decoder.score == "monotonic"
    ):
        raise UserError(
            "model.decoder.score_options.mode 'hard' has no gradient. Train with 'expected'; a"
            " trained run translates with 'hard' once its config.yaml says so and `nmt export RUN`"
            " has been run again."
        )
    mix = _resolve(config, "mix") if config.data.mix else None
    weights = Path(config.data.weights) if config.data.weights else None
    if weights and not weights.exists():
        raise UserError(
            f"{weights}: no such file. data.weights names one with a number for each line of"
            " data.train."
        )
    return Texts(_resolve(config, "train"), _resolve(config, "dev"), mix, weights)


def prepare(
    config: Config, path: Path, accept_changes: bool = False, like: Run | None = None
) -> Prepared:
    """Begins the run at `path`, or opens it if it exists; a run of another config or other text is
    refused, with what differs, unless `accept_changes`. A new run takes the tokenizers and the
    encoded text of `like`, if given."""
    texts = find_texts(config)
    dev = list(read_parallel(texts.dev))
    if not dev:
        raise UserError(
            f"expected at least one line in the dev set. Received: none in {texts.dev.source}."
        )
    fingerprints = texts.fingerprints()
    if Run.exists(path):
        run = Run.open(path)
        if "average_of" in run.facts:
            raise UserError(
                f"{path} is the average of other runs, with nothing to resume. Train on from its"
                f" weights in a new run: --init-from {shlex.quote(str(path))} --run ANOTHER."
            )
        view = run.model_input
        changes = _changes(run, config, fingerprints, accept_changes)
        # Before they are recorded: text of no use must not replace what the run can be resumed
        # with.
        corpus = _encode(
            texts, fingerprints, config, (run.source_tokenizer, run.target_tokenizer), view, path
        )
        if changes is not None:
            with only_trainer(path):
                run.record_change(config, changes)
    else:
        if like:
            tokenizers, view = (like.source_tokenizer, like.target_tokenizer), like.model_input
            shutil.copytree(like.path / "corpus", path / "corpus", dirs_exist_ok=True)
        else:
            tokenizers, view = _reading_to_begin_with(config, texts)
        # Before the run begins: text of no use must leave no run behind, which would refuse the
        # config that mends it.
        corpus = _encode(texts, fingerprints, config, tokenizers, view, path)
        facts: dict[str, Any] = {
            "texts": fingerprints,
            "precision": choose_precision(config.training.precision),
        }
        if view.kind == "view":
            facts["casing"] = {
                "source": view.source_casing.as_dict(),
                "target": view.target_casing.as_dict(),
            }
        run = Run.create(path, config, *tokenizers, facts)
    return Prepared(run, corpus, dev)


def _reading_to_begin_with(
    config: Config, texts: Texts
) -> tuple[tuple[Tokenizer, Tokenizer], ModelInput]:
    """Tokenizers, and the view that they were trained on: new ones, or those of a parent run."""
    if config.training.init_from is None:
        view = learn_model_input(config, texts.train)
        return build_tokenizers(config, texts.train, view), view
    parent = Run.open(config.training.init_from)
    differing = [line for line in differences(parent.config, config) if line.startswith(FIXED)]
    if differing:
        raise UserError(
            f"a run that begins with the weights of {parent.path} must have its model and"
            " tokenizers. These differ:\n  "
            + "\n  ".join(differing)
            + f"\nUse {parent.path / 'config.yaml'} as the recipe, with --set for what is to be"
            " new."
        )
    return (parent.source_tokenizer, parent.target_tokenizer), parent.model_input


def learn_model_input(config: Config, files: ParallelFiles) -> ModelInput:
    """How the model will read lines; how the languages are cased is learnt from the text."""
    if config.data.model_input != "view":
        return model_input(config, {})
    seed = derive_seed(config.training.seed, "casing")
    sources, targets = zip(
        *sample_lines(read_parallel(files), PAIRS_FOR_CASING, seed) or [("", "")], strict=True
    )
    return model_input(config, {"source": Casing.learn(sources), "target": Casing.learn(targets)})


def build_tokenizers(
    config: Config, files: ParallelFiles, view: ModelInput
) -> tuple[Tokenizer, Tokenizer]:
    """Trains the tokenizers of source and target, one for both if they share it."""
    settings = config.tokenizer

    # What will be copied takes no room in the vocabulary. Characters are unseen only to a tokenizer
    # that exists.
    copier = Copier(config.copying.classes, lambda line: set(), view)
    masker = PairMasker(copier, {}, 0.0, config.training.seed)

    def lines(side: int) -> list[MaskedLine]:
        masked = (
            masker.mask(number, *pair)[side] for number, pair in enumerate(read_parallel(files))
        )
        kept = (line for line in masked if not is_blank(line.text))
        found = sample_lines(
            kept, settings.max_lines, derive_seed(config.training.seed, "tokenizer", side)
        )
        if not found:
            path = (files.source, files.target)[side]
            raise UserError(
                f"{path}: a tokenizer needs text to learn from. Received: no line that is not"
                " blank."
            )
        return found

    def learn(text: list[MaskedLine]) -> Tokenizer:
        return train_tokenizer(
            text,
            algorithm=settings.algorithm,
            vocabulary_size=settings.vocabulary_size,
            byte_fallback=settings.byte_fallback,
            character_coverage=settings.character_coverage,
            max_lines=2 * settings.max_lines,
            fold_initial=settings.fold_initial,
        )

    logger.info(
        "training the tokenizer: %s, %d pieces", settings.algorithm, settings.vocabulary_size
    )
    if settings.joint:
        both = learn(lines(0) + lines(1))
        return both, both
    return learn(lines(0)), learn(lines(1))


def choose_precision(precision: str) -> str:
    """`auto` is bfloat16 on a processor that multiplies in it (elsewhere it is emulated, slowly),
    else float32."""
    if precision != "auto":
        return precision
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        flags = platform.processor()
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def _resolve(config: Config, name: str) -> ParallelFiles:
    spec = getattr(config.data, name)
    if spec is None:
        option = "--data" if name == "train" else "--dev"
        raise UserError(f"no {name} text: set data.{name} in the recipe, or give {option} PREFIX.")
    files = resolve_parallel(spec, config.data.source, config.data.target)
    for path in (files.source, files.target):
        if not path.is_file():  # text is read more than once
            raise UserError(
                f"{path}: expected a file of text for data.{name}. Received: a pipe or the like."
            )
    return files


def _changes(
    run: Run, config: Config, fingerprints: dict[str, str], accept_changes: bool
) -> dict[str, Any] | None:
    """What accepted changes of config and text add to run.json; None if nothing differs. UserError
    for those that are not accepted, and for those that no weights survive."""
    facts = run.facts
    if facts["format"] < FORMAT:
        raise UserError(
            f"{run.path} was begun by nmt {facts['nmt']}, whose states this version does not read."
            " It translates as before; to train, begin a new run in another folder."
        )
    # Where the text lies may change, what it holds is checked by fingerprint; decoding does not
    # touch training.
    anywhere = ("data.train:", "data.dev:", "data.mix:", "data.weights:", "decoding.")
    every = differences(run.config, config)
    free = [line for line in every if line.startswith(anywhere)]
    differing = [line for line in every if not line.startswith(anywhere)]
    fixed = [line for line in differing if line.startswith(FIXED_STATE)]
    old = facts["texts"]
    changed = [
        f"{name}: other text, {old.get(name, 'none')[:12]} -> {fingerprints.get(name, 'none')[:12]}"
        " (SHA-256)"
        for name in sorted({*old, *fingerprints})
        if old.get(name) != fingerprints.get(name)
    ]
    if fixed or ((differing or changed) and not accept_changes):
        raise UserError(
            f"{run.path} holds a run with another config or other text:\n  "
            + "\n  ".join([*differing, *changed])
            + "\nResume with the run's own, or choose another folder with --run"
            + ("." if fixed else ", or accept the changes with --accept-changes.")
        )
    news: dict[str, Any] = {}
    if free:
        logger.info("from now on:\n  %s", "\n  ".join(free))
    if differing or changed:
        logger.warning("accepted changes:\n  %s", "\n  ".join([*differing, *changed]))
        news = {"texts": fingerprints, "changes": [*facts.get("changes", []), differing + changed]}
        if run.config.training.precision != config.training.precision:
            news["precision"] = choose_precision(config.training.precision)
    versions = [
        f"{name} {facts[name]} -> {now}"
        for name, now in Run.versions().items()
        if facts.get(name) != now
    ]
    if versions:
        logger.warning(
            "begun with other versions, so that the last bits may differ: %s", ", ".join(versions)
        )
    return news if free or differing or changed else None


def _encode(
    texts: Texts,
    fingerprints: dict[str, str],
    config: Config,
    tokenizers: tuple[Tokenizer, Tokenizer],
    view: ModelInput,
    path: Path,
) -> Corpus:
    with tqdm(desc="encoding", unit="pair", leave=False, disable=None, dynamic_ncols=True) as bar:

        def counted(pairs: Iterable[Any]) -> Iterator[Any]:
            for pair in pairs:
                yield pair
                bar.update()

        def encoded(files: ParallelFiles, name: str, weights: Path | None = None) -> Corpus:
            text = [digest for key, digest in fingerprints.items() if key.startswith(name)]
            text += [fingerprints["weights"]] if weights else []
            return encode_corpus(
                files,
                text,
                config,
                *tokenizers,
                view,
                path / "corpus",
                weights=weights,
                progress=counted,
            )

        corpus = encoded(texts.train, "train", texts.weights)
        return join(corpus, encoded(texts.mix, "mix")) if texts.mix else corpus
