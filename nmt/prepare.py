"""From a config to all that training needs: checked data, tokenizers, an encoded corpus and a run folder.

Loads no TensorFlow: whatever is wrong with the data is said at once.
"""

import logging
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nmt.config import Config, differences
from nmt.copying import Copier, MaskedLine, PairMasker
from nmt.data import Corpus, encode_corpus
from nmt.data import fingerprint as corpus_fingerprint
from nmt.errors import UserError
from nmt.run import FORMAT, Run
from nmt.seeds import derive_seed
from nmt.text import ParallelFiles, is_blank, read_parallel, resolve_parallel
from nmt.tokenizer import Tokenizer, sample_lines, train_tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    run: Run
    corpus: Corpus
    dev: list[tuple[str, str]]  # raw: references are never tokenised, filtered or normalised by us


def prepare(config: Config, path: Path) -> Prepared:
    """Begins the run at `path`, or opens it if it exists; a run of another config or other data is refused."""
    files, dev_files = (_resolve(config, name) for name in ("train", "dev"))
    dev = list(read_parallel(dev_files))
    if not dev:
        raise UserError(f"expected at least one line in the dev set. Received: none in {dev_files.source}.")
    if Run.exists(path):
        run = Run.open(path)
        if run.facts["format"] < FORMAT:
            raise UserError(
                f"{path} was begun by nmt {run.facts['nmt']}, whose states this version does not read. It translates "
                "as before; to train, begin a new run in another folder."
            )
        _check_same(config, run)
        tokenizers = run.source_tokenizer, run.target_tokenizer
        if corpus_fingerprint(files, config, *tokenizers) != run.facts["data"]:
            raise UserError(
                f"{path} was trained on other text than {files.source} and {files.target} hold now. Restore them, or "
                "train a new run in another folder."
            )
        corpus = _encode(files, config, tokenizers, path)
    else:
        tokenizers = build_tokenizers(config, files)
        # Before the run begins: text of no use must leave no run behind, which would refuse the config that mends it.
        corpus = _encode(files, config, tokenizers, path)
        facts = {"data": corpus.fingerprint, "precision": choose_precision(config.training.precision)}
        run = Run.create(path, config, *tokenizers, facts)
    return Prepared(run, corpus, dev)


def build_tokenizers(config: Config, files: ParallelFiles) -> tuple[Tokenizer, Tokenizer]:
    """Trains the tokenizers of source and target, one for both if they share it."""
    settings = config.tokenizer

    # What will be copied takes no room in the vocabulary. Characters are unseen only to a tokenizer that exists.
    copier = Copier(config.copying.classes, lambda line: set(), config.data.normalization)
    masker = PairMasker(copier, {}, 0.0, config.training.seed)

    def lines(side: int) -> list[MaskedLine]:
        masked = (masker.mask(number, *pair)[side] for number, pair in enumerate(read_parallel(files)))
        kept = (line for line in masked if not is_blank(line.text))
        return sample_lines(kept, settings.max_lines, derive_seed(config.training.seed, "tokenizer", side))

    def learn(text: list[MaskedLine]) -> Tokenizer:
        return train_tokenizer(
            text, algorithm=settings.algorithm, vocabulary_size=settings.vocabulary_size,
            byte_fallback=settings.byte_fallback, character_coverage=settings.character_coverage,
            max_lines=2 * settings.max_lines,
        )  # fmt: skip

    logger.info("training the tokenizer: %s, %d pieces", settings.algorithm, settings.vocabulary_size)
    if settings.joint:
        both = learn(lines(0) + lines(1))
        return both, both
    return learn(lines(0)), learn(lines(1))


def choose_precision(precision: str) -> str:
    """`auto` is bfloat16 on a processor that multiplies in it (elsewhere it is emulated, slowly), else float32."""
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
    return resolve_parallel(spec, config.data.source, config.data.target)


def _check_same(config: Config, run: Run) -> None:
    # Where the data lie may change, what they hold is checked by fingerprint; decoding does not touch training.
    differing = [
        line
        for line in differences(run.config, config)
        if not line.startswith(("data.train:", "data.dev:", "decoding."))
    ]
    if differing:
        raise UserError(
            f"{run.path} holds a run with another config:\n  "
            + "\n  ".join(differing)
            + "\nResume with the run's own config, or choose another folder with --run."
        )


def _encode(files: ParallelFiles, config: Config, tokenizers: tuple[Tokenizer, Tokenizer], path: Path) -> Corpus:
    with tqdm(desc="encoding", unit="pair", leave=False, disable=None, dynamic_ncols=True) as bar:

        def counted(pairs: Iterable[Any]) -> Iterator[Any]:
            for pair in pairs:
                yield pair
                bar.update()

        return encode_corpus(files, config, *tokenizers, path / "corpus", counted)
