"""Augmentation: a pure function of seed, epoch and pair, at the rates that a config states."""

import random
from dataclasses import replace

import numpy as np
import pytest

from nmt.config.schema import AugmentationConfig
from nmt.text.model_input import Casing, ModelInput
from nmt.text.tokenizer import COPY_IDS, TAG_ID, train_tokenizer
from nmt.training.augmentation import Augmentation

PAIRS = [
    ("Paul and Nina sleep well.", "Paul et Nina dorment bien."),
    ("Where are the dogs?", "Où sont les chiens ?"),
    ("No", "Non"),
]
KINDS = list(AugmentationConfig.model_fields)
VIEW = ModelInput("view", "fr", Casing(True, {"paul": "Paul"}), Casing(True, {"paul": "Paul"}))


@pytest.fixture(scope="module")
def tokenizer():
    lines = [line for pair in PAIRS for line in pair]
    return train_tokenizer(
        lines,
        algorithm="bpe",
        vocabulary_size=330,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=100,
    )


@pytest.fixture
def augmented(tokenizer):
    def augment(epoch=0, seed=1, numbers=None, pairs=PAIRS, **rates):
        augmentation = Augmentation(AugmentationConfig(**rates), VIEW, (tokenizer, tokenizer), seed)
        rows = [[np.array(tokenizer.encode(pair[i]), np.uint16) for pair in pairs] for i in (0, 1)]
        changed = augmentation.batch(*rows, numbers or range(len(pairs)), epoch)
        texts = [[tokenizer.decode(row) for row in side] for side in changed]
        return list(zip(*texts, strict=True))

    return augment


def changed(kind, source, target):
    augmentation = Augmentation(AugmentationConfig(), VIEW, (None, None), 1)
    return augmentation.changed(source, target, [kind], random.Random(1))


def test_a_title_is_changed_to_what_the_view_makes_of_it():
    common = frozenset(["and", "nina", "sleep", "well"])
    view = replace(VIEW, source_casing=replace(VIEW.source_casing, common=common))
    augmentation = Augmentation(AugmentationConfig(), view, (None, None), 1)
    pair = augmentation.changed("Paul and Nina sleep well.", "x", ["title_case"], random.Random(1))
    assert pair[0] == "Paul and nina sleep well."


def test_at_rate_zero_nothing_changes(augmented):
    assert augmented() == PAIRS


@pytest.mark.parametrize("kind", KINDS)
def test_what_befalls_a_pair_depends_on_seed_epoch_and_number_alone(kind, augmented):
    rates = {kind: 0.5}
    alone = [augmented(pairs=[pair], numbers=[i], **rates)[0] for i, pair in enumerate(PAIRS)]
    assert augmented(**rates) == alone
    epochs = [augmented(epoch, **rates) for epoch in range(8)]
    assert len({str(one) for one in epochs}) > 1
    assert epochs == [augmented(epoch, **rates) for epoch in range(8)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_is_the_share_of_pairs(kind):
    augmentation = Augmentation(AugmentationConfig(**{kind: 0.25}), VIEW, (None, None), 1)
    drawn = [kind in augmentation._drawn(random.Random(i)) for i in range(4000)]
    assert 0.22 < np.mean(drawn) < 0.28


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("capitals", "Paul and nina sleep well.", "Paul et Nina dorment bien."),
        ("title_case", "Paul And Nina Sleep Well.", "Paul et Nina dorment bien."),
        ("small_initial", "paul and Nina sleep well.", "paul et Nina dorment bien."),
        ("no_final_mark", "Paul and Nina sleep well", "Paul et Nina dorment bien"),
    ],
)
def test_each_kind_changes_what_it_says(kind, source, target):
    assert changed(kind, *PAIRS[0]) == (source, target)


def test_marks_stand_around_both_sides():
    source, target = changed("enclosed", *PAIRS[0])
    assert source[1:-1] == PAIRS[0][0] and PAIRS[0][1] in target and len(target) > len(PAIRS[0][1])


def test_different_final_marks_stay():
    pair = "He sleeps.", "Il dort !"
    assert changed("no_final_mark", *pair) == pair


def test_pairs_with_copies_stay(tokenizer):
    augmentation = Augmentation(
        AugmentationConfig(typing_errors=0.99), VIEW, (tokenizer, tokenizer), 1
    )
    row = np.array([*tokenizer.encode("sleep well"), COPY_IDS[0]], np.uint16)
    sources, _ = augmentation.batch([row] * 20, [row] * 20, range(20), 0)
    assert all(np.array_equal(source, row) for source in sources)


def test_a_tag_stays_before_whatever_happens_to_its_source(tokenizer):
    rates = AugmentationConfig(**dict.fromkeys(KINDS, 0.9))
    augmentation = Augmentation(rates, VIEW, (tokenizer, tokenizer), 1)
    source = np.array([TAG_ID, *tokenizer.encode(PAIRS[0][0])], np.uint16)
    target = np.array(tokenizer.encode(PAIRS[0][1]), np.uint16)
    for epoch in range(5):
        (changed_source,), (changed_target,) = augmentation.batch([source], [target], [0], epoch)
        assert changed_source[0] == TAG_ID and TAG_ID not in changed_source[1:]
        assert changed_source.tolist() != source.tolist() and TAG_ID not in changed_target
