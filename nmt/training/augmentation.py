"""Training pairs as people type them: in capitals, without a final mark, with typing errors (after
OpusTrainer; Bogoychev et al., 2023, "OpusCleaner and OpusTrainer").

What happens to a pair is a pure function of the seed, the epoch and the pair's number, so that an
interrupted run goes on with the same text.
"""

import random
from collections.abc import Sequence

import numpy as np

from nmt.config.schema import AugmentationConfig
from nmt.seeding import derive_seed
from nmt.text.model_input import ModelInput
from nmt.text.perturbations import (
    final_mark,
    small_initial,
    title_case,
    typing_error,
    without_final_mark,
)
from nmt.text.tokenizer import COPY_IDS, TAG_ID, Tokenizer

MARKS = (  # around both sides: source, target
    ('"', '"', "«\u00a0", "\u00a0»"),
    ('"', '"', '"', '"'),
    ("(", ")", "(", ")"),
    ("'", "'", "'", "'"),
    ("*", "*", "*", "*"),
    ("[", "]", "[", "]"),
)


class Augmentation:
    """Changes encoded pairs at the rates of a config; pairs with copy symbols stay as they are."""

    def __init__(
        self,
        config: AugmentationConfig,
        view: ModelInput,
        tokenizers: tuple[Tokenizer, Tokenizer],
        seed: int,
    ):
        self.config, self.view, self.tokenizers, self.seed = config, view, tokenizers, seed

    def batch(
        self,
        sources: Sequence[np.ndarray],
        targets: Sequence[np.ndarray],
        numbers: Sequence[int],
        epoch: int,
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Ids of sources and targets, and the pairs' numbers in the corpus -> the same, changed."""
        rows = list(sources), list(targets)
        for i, number in enumerate(numbers):
            generator = random.Random(derive_seed(self.seed, "augmentation", epoch, int(number)))
            kinds = self._drawn(generator)
            if not kinds or any(id in COPY_IDS for side in rows for id in side[i].tolist()):
                continue
            texts = [t.decode(side[i]) for t, side in zip(self.tokenizers, rows, strict=True)]
            source, target = self.changed(texts[0], texts[1], kinds, generator)
            for tokenizer, side, before, after in zip(
                self.tokenizers, rows, texts, (source, target), strict=True
            ):
                if after != before and after:
                    tag = [TAG_ID] if side[i][0] == TAG_ID else []  # which is no text
                    side[i] = np.asarray([*tag, *tokenizer.encode(after)], side[i].dtype)
        return rows

    def _drawn(self, generator: random.Random) -> list[str]:
        """The kinds that befall a pair. Each draws, whether it can or not: rates stay apart."""
        rates = self.config.model_dump()
        return [kind for kind, rate in rates.items() if generator.random() < rate]

    def changed(
        self, source: str, target: str, kinds: Sequence[str], generator: random.Random
    ) -> tuple[str, str]:
        """A pair with these kinds of changes, which are fields of `AugmentationConfig`."""
        if "typing_errors" in kinds:
            source = typing_error(source, generator)
        if "no_final_mark" in kinds and final_mark(source) == final_mark(target):
            source, target = without_final_mark(source), without_final_mark(target)
        if "capitals" in kinds:  # the view reads these in small letters, where names are lost
            source = self.view.source_casing.quiet(source.upper())
        elif "title_case" in kinds:
            source = title_case(source)
            if self.view.is_titled(source):
                source = self.view.source_casing.lowered(source)
        elif "small_initial" in kinds:
            source, target = small_initial(source), small_initial(target)
        if "enclosed" in kinds:
            marks = generator.choice(MARKS)
            source = f"{marks[0]}{source}{marks[1]}"
            target = f"{marks[2]}{target}{marks[3]}"
        return source, target
