"""Evaluation on the development set during training: BLEU of greedy decoding, loss, samples.

B batch  S source  T target
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from nmt.evaluation.metrics import bleu
from nmt.inference.keras_engine import KerasEngine
from nmt.inference.segments import read_pair
from nmt.inference.translator import Translator
from nmt.model.losses import vocabulary_loss
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.run_folder import Run
from nmt.text.lines import is_blank
from nmt.text.tokenizer import padded
from nmt.training.input_pipeline import cut

logger = logging.getLogger(__name__)

BATCH_SIZE = (
    2048  # target tokens with their padding: as much memory for long lines as for short ones
)
COLLAPSED = 0.9  # share of lines with the same translation above which a warning is logged
FEWEST_ANSWERS = 10  # needed for that warning
NUM_SAMPLES = 3


class Validation:
    """Evaluates the current weights of one model of `run` on raw pairs."""

    def __init__(self, run: Run, model: Seq2Seq, pairs: Sequence[tuple[str, str]]):
        self.model = model
        self.sources, self.references = zip(*pairs, strict=True)
        self._translator = Translator.greedy(run, KerasEngine(model, run.forbidden_ids))
        self._batches = _encode(run, self.sources, self.references)

    def evaluate(self) -> tuple[float, float]:
        """Returns BLEU of greedy translations, and the loss. Logs samples."""
        hypotheses = self._translate(self.sources)
        self._show(hypotheses)
        self._warn_if_collapsed(hypotheses)
        return bleu(hypotheses, [self.references]), self.loss()

    def seconds(self) -> float:
        """Seconds of an evaluation; untrained weights, which do not stop in time, take longer."""
        self._translate(self.sources[:1])  # the first call compiles
        self.loss()
        start = time.perf_counter()
        self._translate(self.sources)
        self.loss()
        return time.perf_counter() - start

    def _translate(self, lines: Sequence[str]) -> list[str]:
        with tqdm(
            total=len(lines), desc="dev", unit="line", leave=False, disable=None, dynamic_ncols=True
        ) as bar:
            translations = self._translator.translate(lines, progress=bar.update)
        return [translation.text for translation in translations]

    def loss(self) -> float:
        """Cross-entropy a target token; NaN where all pairs are too long for it."""
        loss = tokens = 0.0
        for source_BS, target_BT in self._batches:
            sums = self._loss(source_BS, target_BT)
            loss, tokens = loss + float(sums.cross_entropy), tokens + float(sums.tokens)
        return loss / tokens if tokens else math.nan

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)] * 2, autograph=False)
    def _loss(self, source_BS: Any, target_BT: Any) -> Any:
        output_BTR, _ = self.model.outputs(source_BS, target_BT[:, :-1])
        return vocabulary_loss(output_BTR, *self.model.decoder.vocabulary_weights, target_BT[:, 1:])

    def _warn_if_collapsed(self, hypotheses: Sequence[str]) -> None:
        answers = Counter(
            text for text, line in zip(hypotheses, self.sources, strict=True) if not is_blank(line)
        )
        for answer, count in answers.most_common(1):
            if answers.total() >= FEWEST_ANSWERS and count > COLLAPSED * answers.total():
                logger.warning(
                    f"{count} of {answers.total()} dev lines have the same translation,"
                    f" {repr(answer[:60]) if answer else 'an empty one'}. In the first few hundred"
                    " steps this is usual. If it lasts: the lines of source and target do not"
                    " belong together (compare some, far down in the files), the learning rate is"
                    " too high (training.learning_rate, training.warmup_steps), or there is too"
                    " little text for so much dropout"
                )

    def _show(self, hypotheses: Sequence[str]) -> None:
        samples = []
        for index in np.linspace(0, len(hypotheses) - 1, NUM_SAMPLES, dtype=int):
            samples += [
                f"  source     {self.sources[index]}",
                f"  model      {hypotheses[index]}",
                f"  reference  {self.references[index]}",
            ]
        logger.info("samples\n%s", "\n".join(samples))


def _encode(run: Run, *sides: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """source bs and target bt of the pairs that are no longer than those of training, in batches of
    similar lengths.

    Attention may hold a number for each source token, target token and unit: a long pair would take
    all memory.
    """
    copier = run.copier()
    read = [read_pair(copier, *pair) for pair in zip(*sides, strict=True)]
    masked = [[pair[side].masked for pair in read] for side in (0, 1)]
    tokenizers = run.source_tokenizer, run.target_tokenizer
    encoded = zip(
        *(t.encode_batch(side) for t, side in zip(tokenizers, masked, strict=True)), strict=True
    )
    limit = run.config.data.max_tokens
    pairs = [pair for pair in encoded if max(map(len, pair)) <= limit]
    if len(pairs) < len(sides[0]):
        number = len(sides[0]) - len(pairs)
        logger.info(
            f"the dev loss leaves out {number:,} of {len(sides[0]):,} pairs: longer than {limit}"
            " tokens"
        )
    source, target = [source for source, _ in pairs], [target for _, target in pairs]
    lengths = np.array([len(row) for row in target])
    parts = cut(lengths.argsort(kind="stable"), lengths, BATCH_SIZE, "target_tokens")
    return [
        (padded(source[i] for i in part), padded((target[i] for i in part), begin=True))
        for part in parts
    ]
