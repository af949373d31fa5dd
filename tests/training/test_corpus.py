"""Text to ids on disk, and ids to batches: nothing is lost unsaid, and nothing depends on when one
looks."""

import json

import numpy as np
import pytest
from fixtures.run import toy_pairs, write_pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.loader import Config, CorpusConfig, DataConfig
from nmt.errors import UserError
from nmt.runs.run_folder import model_input
from nmt.text.lines import file_fingerprint, resolve_parallel, write_lines
from nmt.text.model_input import ModelInput
from nmt.text.tokenizer import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    TAG_ID,
    Tokenizer,
    padded,
    train_tokenizer,
)
from nmt.training import corpus as data
from nmt.training.corpus import encode_corpus, join, read_untagged
from nmt.training.input_pipeline import batches, plan_epoch

PAIRS = toy_pairs(60, seed=3)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(
        [side for pair in PAIRS for side in pair],
        algorithm="bpe",
        vocabulary_size=330,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=1000,
    )


@pytest.fixture
def encode(tokenizer, tmp_path):
    """encode(pairs, **config) -> the corpus of these pairs, in one folder for the whole test."""

    def encode(pairs=PAIRS, source=tokenizer, target=tokenizer, weights=None, **config):
        files = resolve_parallel(write_pairs(tmp_path / "text", pairs), "en", "fr")
        text = [file_fingerprint([files.source, files.target])]
        if weights is not None:
            write_lines(tmp_path / "weights", weights)
            text.append(file_fingerprint([tmp_path / "weights"]))
            weights = tmp_path / "weights"
        config = Config(data=DataConfig(**{"model_input": "raw", **config}))
        view = model_input(config, {})
        return encode_corpus(
            files, text, config, source, target, view, tmp_path / "corpus", weights=weights
        )

    return encode


@pytest.fixture
def count_encodings(monkeypatch):
    """Number of lines that have been tokenised so far."""
    encoded = []
    encode_batch = Tokenizer.encode_batch

    def counting(self, lines, *arguments):
        lines = list(lines)
        encoded.extend(lines)
        return encode_batch(self, lines, *arguments)

    monkeypatch.setattr(Tokenizer, "encode_batch", counting)
    return lambda: len(encoded)


def texts(corpus, tokenizer):
    return [
        (tokenizer.decode(corpus.source[i]), tokenizer.decode(corpus.target[i]))
        for i in range(len(corpus))
    ]


# ------------------------------------------------------------------------------------------ on disk


def test_a_tag_is_one_id_before_the_source_that_no_text_is_encoded_to(encode, tokenizer):
    source, target = "cat dog.", "chat chien."
    corpus = encode(
        [(f"<BT> {source}", target), (source, target), (f"{source} <BT> {source}", "x x")]
    )
    ids = tokenizer.encode(source)
    assert corpus.source[0].tolist() == [TAG_ID, *ids] and corpus.source[1].tolist() == ids
    assert corpus.target[0].tolist() == tokenizer.encode(target)
    assert TAG_ID not in corpus.source[2]
    for text in ("<BT> cat", "<s> cat", "<s>", "<BT>", "\u2581<s>", "｟BT｠", "</s><s>"):
        assert TAG_ID not in tokenizer.encode(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_tag_alone_is_a_blank_source(encode):
    corpus = encode([("<BT> ", "chat."), ("cat.", "chat.")])
    assert len(corpus) == 1 and corpus.dropped == {"blank": 1}


def test_pieces_are_learnt_from_text_without_tags(tmp_path):
    pairs = [(f"<BT> {source}", target) for source, target in PAIRS]
    files = resolve_parallel(write_pairs(tmp_path / "tagged", pairs), "en", "fr")
    assert list(read_untagged(files)) == PAIRS


def test_a_corpus_holds_every_pair_in_order(encode, tokenizer):
    corpus = encode()
    assert len(corpus) == len(PAIRS)
    assert corpus.dropped == {}
    assert texts(corpus, tokenizer) == PAIRS
    np.testing.assert_array_equal(
        corpus.source.lengths, [len(tokenizer.encode(source)) for source, _ in PAIRS]
    )


def test_pairs_are_dropped_for_a_stated_reason_and_counted(encode, tokenizer):
    long, wide = "cat " * 30, "dog cat dog cat dog cat"
    kept = [("cat.", "chat."), ("dog\u2028cat", "chien\u0085chat")]
    blank = [("", ""), ("cat", ""), ("", "chat"), ("\u00a0\t", "chat"), ("cat", "\u202f \u2028")]
    pairs = [kept[0], *blank, (long, long), ("cat", long), ("cat", wide), (wide, "chat"), kept[1]]
    corpus = encode(pairs, max_tokens=20, max_ratio=3.0)
    assert corpus.dropped == {"blank": 5, "longer than 20 tokens": 2, "length ratio above 3": 2}
    assert texts(corpus, tokenizer) == kept


def test_limits_are_allowed_themselves(encode, tokenizer):
    source, target = "cat dog", "chat chien maison arbre"
    lengths = sorted(len(tokenizer.encode(line)) for line in (source, target))
    assert lengths[0] < lengths[1]
    limits = {"max_tokens": lengths[1], "max_ratio": lengths[1] / lengths[0]}
    assert len(encode([(source, target)], **limits)) == 1
    with pytest.raises(UserError, match="longer than"):
        encode([(source, target)], max_tokens=lengths[1] - 1)
    with pytest.raises(UserError, match="length ratio"):
        encode([(source, target)], max_ratio=limits["max_ratio"] - 0.01)


def test_text_is_normalised_before_it_is_encoded(encode, tokenizer):
    pairs = [("ﬁsh cafe\u0301", "poisson\u202f!")]
    assert texts(encode(pairs, model_input="raw"), tokenizer) == pairs
    assert texts(encode(pairs, model_input="nfkc"), tokenizer) == [("fish café", "poisson !")]


class Wide:
    """A tokenizer of more pieces than 16 bits can number: ids are code points."""

    vocabulary_size, fingerprint = 2**16 + 1, "wide"

    def encode_batch(self, lines):
        return [list(map(ord, line.text)) for line in lines]

    def unknown_characters(self, line):
        return set()


class Narrow(Wide):
    vocabulary_size, fingerprint = 2**16, "narrow"


def test_each_side_takes_two_bytes_a_token_where_its_vocabulary_allows(encode):
    corpus = encode([("\ufffe", "\U00010000")], Narrow(), Wide())
    assert (corpus.source.ids.dtype, corpus.target.ids.dtype) == (np.uint16, np.int32)
    assert (corpus.source[0].tolist(), corpus.target[0].tolist()) == ([0xFFFE], [0x10000])


def test_ids_and_offsets_stay_on_disk(encode):
    corpus = encode()
    for side in (corpus.source, corpus.target):
        assert isinstance(side.ids, np.memmap) and isinstance(side.offsets, np.memmap)
        assert isinstance(side[3], np.memmap)
        assert side.lengths.sum() == len(side.ids)


def test_lines_are_encoded_a_few_at_a_time(encode, monkeypatch, tokenizer):
    whole = encode()
    sizes = []
    encode_batch = Tokenizer.encode_batch

    def counting(self, lines):
        sizes.append(len(lines))
        return encode_batch(self, lines)

    monkeypatch.setattr(data, "LINES_AT_ONCE", 7)
    monkeypatch.setattr(Tokenizer, "encode_batch", counting)
    (whole_folder,) = {side.ids.filename.parent for side in (whole.source, whole.target)}
    (whole_folder / "corpus.json").unlink()
    again = encode()
    assert max(sizes) == 7 and sum(sizes) == 2 * len(PAIRS)
    assert again.fingerprint == whole.fingerprint
    assert texts(again, tokenizer) == PAIRS


def test_the_same_text_is_opened_and_not_encoded_again(encode, count_encodings):
    first = encode()
    assert count_encodings() == 2 * len(PAIRS)
    second = encode()
    assert count_encodings() == 2 * len(PAIRS)
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(first.target.ids, second.target.ids)


def test_what_decides_the_ids_decides_the_fingerprint(encode, tokenizer):
    changed = [*PAIRS[:-1], (PAIRS[-1][0], PAIRS[-1][1] + " ")]
    other = train_tokenizer(
        [source for source, _ in PAIRS],
        algorithm="bpe",
        vocabulary_size=320,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=1000,
    )
    corpora = [
        encode(),
        encode(changed),
        encode(PAIRS[:-1]),
        encode([pair[::-1] for pair in PAIRS]),
        encode(max_tokens=50),
        encode(max_ratio=5.0),
        encode(model_input="nfc"),
        encode(source=other),
        encode(target=other),
    ]
    assert len({corpus.fingerprint for corpus in corpora}) == len(corpora)


def test_where_the_text_lies_does_not_decide_the_fingerprint(encode, tokenizer, tmp_path):
    files = resolve_parallel(write_pairs(tmp_path / "elsewhere" / "moved", PAIRS), "en", "fr")
    config = Config(data=DataConfig(train="moved", dev="somewhere", model_input="raw"))
    text = [file_fingerprint([files.source, files.target])]
    assert (
        data.fingerprint(text, config, tokenizer, tokenizer, ModelInput()) == encode().fingerprint
    )


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interrupted_encoding_is_done_anew(after, encode, monkeypatch, tokenizer):
    monkeypatch.setattr(data, "LINES_AT_ONCE", 20)
    calls = []
    encode_batch = Tokenizer.encode_batch

    def interrupted(self, lines):
        calls.append(lines)
        if len(calls) > 2 * after:
            raise KeyboardInterrupt
        return encode_batch(self, lines)

    with monkeypatch.context() as patch:
        patch.setattr(Tokenizer, "encode_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            encode()
    assert texts(encode(), tokenizer) == PAIRS


def test_an_encoding_that_was_killed_before_its_last_file_is_done_anew(encode, tokenizer):
    folder = encode().source.ids.filename.parent
    (folder / "corpus.json").unlink()
    (folder / "target.ids").write_bytes(b"half")
    assert texts(encode(), tokenizer) == PAIRS


@pytest.mark.parametrize("name", ["source.ids", "target.offsets"])
@pytest.mark.parametrize(
    "damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-8])]
)
def test_a_damaged_corpus_is_reported_with_the_way_out(name, damage, encode):
    damage(encode().source.ids.filename.parent / name)
    with pytest.raises(UserError, match=r"is damaged .* Delete the folder"):
        encode()


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b'{"num_pairs": "x"}', b"\xff"])
def test_a_damaged_record_or_weights_of_a_corpus_are_reported_likewise(record, encode):
    weights = ["1"] * len(PAIRS)
    folder = encode(weights=weights).source.ids.filename.parent
    (folder / "weights").write_bytes(b"1234")
    with pytest.raises(UserError, match=r"is damaged .* Delete the folder"):
        encode(weights=weights)
    (folder / "corpus.json").write_bytes(record)
    with pytest.raises(UserError, match=r"is damaged .* Delete the folder"):
        encode(weights=weights)


def test_a_corpus_whose_pairs_were_all_dropped_says_why(encode):
    with pytest.raises(UserError, match=r"Received: none.*'longer than 1 tokens': 2"):
        encode(PAIRS[:2], max_tokens=1)
    with pytest.raises(UserError, match="'blank': 1"):
        encode([("", "")])
    with pytest.raises(UserError, match="none; dropped nothing"):
        encode([])


def test_progress_sees_every_pair(tokenizer, tmp_path):
    files = resolve_parallel(write_pairs(tmp_path / "text", PAIRS), "en", "fr")
    seen = []

    def progress(pairs):
        for pair in pairs:
            seen.append(pair)
            yield pair

    encode_corpus(
        files,
        ["text"],
        Config(),
        tokenizer,
        tokenizer,
        ModelInput(),
        tmp_path / "corpus",
        progress=progress,
    )
    assert seen == PAIRS


def test_the_report_on_disk_is_plain_json(encode):
    folder = encode([*PAIRS, ("", "")]).source.ids.filename.parent
    report = json.loads((folder / "corpus.json").read_text())
    assert report == {
        "num_pairs": len(PAIRS),
        "dropped": {"blank": 1},
        "dtypes": ["uint16", "uint16"],
    }


# ------------------------------------------------------------------------------------------ batches


def realistic_lengths(count, seed=0):
    """About those of image captions: log-normal, and the target a little longer."""
    generator = np.random.default_rng(seed)
    source = np.clip(generator.lognormal(2.7, 0.3, count), 1, 100).astype(np.int32)
    target = np.clip(source * generator.normal(1.15, 0.15, count), 1, 100).astype(np.int32)
    return source, target


LENGTHS = realistic_lengths(3000)


def plan_of(lengths=LENGTHS, batch_size=64, batch_unit="sentences", seed=1, epoch=0):
    return plan_epoch(
        *lengths, batch_size=batch_size, batch_unit=batch_unit, seed=seed, epoch=epoch
    )


def flat(plan):
    return np.concatenate(plan).tolist()


both_units = pytest.mark.parametrize(
    "batch_size, batch_unit", [(64, "sentences"), (1500, "target_tokens")]
)


@both_units
def test_a_plan_is_a_pure_function(batch_size, batch_unit):
    first = plan_of(batch_size=batch_size, batch_unit=batch_unit)
    np.random.seed(0)  # a global state that nothing may read
    again = plan_of(batch_size=batch_size, batch_unit=batch_unit)
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    for other in ({"epoch": 1}, {"seed": 2}):
        assert flat(plan_of(batch_size=batch_size, batch_unit=batch_unit, **other)) != flat(first)


@both_units
@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_pair_comes_exactly_once_an_epoch(batch_size, batch_unit, epoch):
    assert sorted(flat(plan_of(batch_size=batch_size, batch_unit=batch_unit, epoch=epoch))) == list(
        range(3000)
    )


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=80),
    batch_size=st.integers(1, 60),
    batch_unit=st.sampled_from(["sentences", "target_tokens"]),
    epoch=st.integers(0, 3),
)
def test_no_batch_is_larger_than_asked_and_none_is_empty(lengths, batch_size, batch_unit, epoch):
    source, target = np.array(lengths, np.int32).T
    plan = plan_epoch(
        source, target, batch_size=batch_size, batch_unit=batch_unit, seed=1, epoch=epoch
    )
    assert sorted(flat(plan)) == list(range(len(lengths)))
    for batch in plan:
        size = len(batch) if batch_unit == "sentences" else len(batch) * (target[batch].max() + 1)
        assert size <= batch_size or len(batch) == 1
        assert len(batch)


def test_batches_of_target_tokens_are_well_filled():
    plan = plan_of(batch_size=1500, batch_unit="target_tokens")
    filled = [len(batch) * (LENGTHS[1][batch].max() + 1) / 1500 for batch in plan]
    assert np.mean(filled) > 0.9


def test_all_batches_but_one_have_the_number_of_sentences_asked_for():
    sizes = sorted(len(batch) for batch in plan_of())
    assert sizes == [3000 % 64] + [64] * (3000 // 64)


@pytest.mark.parametrize("seed", [1, 2])
def test_little_is_padded(seed):
    lengths = realistic_lengths(30_000, seed)
    plan = plan_of(lengths, seed=seed)
    real = [(side + 1).sum() for side in lengths]  # with </s>
    computed = [sum(len(batch) * (side[batch].max() + 1) for batch in plan) for side in lengths]
    assert 1 - sum(real) / sum(computed) < 0.08
    assert (
        1 - real[1] / computed[1] < 0.02
    )  # the target costs most: the decoder's loop, and the vocabulary


def test_batches_come_in_no_order_of_length():
    longest = [LENGTHS[1][batch].max() for batch in plan_of(batch_size=10)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.2


def test_an_epoch_makes_other_batches_of_the_same_pairs():
    first, second = (
        {tuple(sorted(batch.tolist())) for batch in plan_of(epoch=epoch)} for epoch in (0, 1)
    )
    assert not first & second


def test_padded_closes_rows_and_fills_them_up():
    assert (PAD_ID, BOS_ID, EOS_ID) == (0, 2, 3)
    array = padded([[7, 8], [], np.array([9], np.uint16)])
    assert array.dtype == np.int32
    assert array.tolist() == [[7, 8, 3], [3, 0, 0], [9, 3, 0]]
    assert padded([[7, 8], []], begin=True).tolist() == [[2, 7, 8, 3], [2, 3, 0, 0]]
    assert padded([]).shape == (0, 0)


def test_batches_are_the_pairs_of_the_plan(encode, tokenizer):
    corpus = encode()
    plan = [np.array([5, 2]), np.array([40])]
    (source, target, weights), (source_1, target_1, _) = batches(corpus, plan)
    assert weights.tolist() == [1.0, 1.0] and weights.dtype == np.float32
    assert [tokenizer.decode(row) for row in source] == [PAIRS[5][0], PAIRS[2][0]]
    assert [tokenizer.decode(row) for row in target] == [PAIRS[5][1], PAIRS[2][1]]
    assert (
        tokenizer.decode(target_1[0]) == PAIRS[40][1]
        and tokenizer.decode(source_1[0]) == PAIRS[40][0]
    )
    assert np.all(target[:, 0] == BOS_ID) and not np.any(source == BOS_ID)
    assert np.all(np.sum(target == EOS_ID, axis=1) == 1) and np.all(
        np.sum(source == EOS_ID, axis=1) == 1
    )


# ----------------------------------------------------------------------------- weights and mixtures


def test_weights_stay_with_their_pairs(encode):
    """Some pairs are left out; the weights of the others are those of their lines."""
    pairs = [("a", "b"), ("", "b"), ("a " * 60, "b " * 60), ("c", "d"), ("e", "f")]
    corpus = encode(pairs, weights=["1", "2", "3", "0.25", "0"], max_tokens=50)
    assert corpus.weights.tolist() == [1.0, 0.25, 0.0]
    (*_, weights) = next(batches(corpus, [np.array([2, 1])]))
    assert weights.tolist() == [0.0, 0.25]


def test_other_weights_are_another_corpus(encode):
    first, second = (encode(weights=[str(w)] * len(PAIRS)) for w in (1, 2))
    assert len({encode().fingerprint, first.fingerprint, second.fingerprint}) == 3
    assert set(second.weights.tolist()) == {2.0}


@pytest.mark.parametrize(
    "lines, message",
    [
        (["1"], r"one weight for each line of the training text \(5\). Received: 1"),
        (["1", "2", "-1", "1", "1"], "line 3: expected a number, 0 or more. Received: '-1'"),
        (["1", "much", "1", "1", "1"], "line 2: expected a number"),
        (["1", "nan", "1", "1", "1"], "line 2: expected a number"),
        (["inf", "1", "1", "1", "1"], "line 1: expected a number"),
        (["0", "0.0", "0", "0", "0"], "expected a weight above 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused(lines, message, encode):
    with pytest.raises(UserError, match=message):
        encode(PAIRS[:5], weights=lines)


def joined(*corpora, **options):
    """Corpora with options for the last: {"weight": 2}."""
    configs = [CorpusConfig(path=str(number)) for number in range(len(corpora) - 1)]
    return join(corpora, [*configs, CorpusConfig(path="last", **options)])


def test_joined_corpora_are_one_after_the_other(encode, tokenizer):
    parts = [encode(PAIRS[:7]), encode(PAIRS[10:13], weights=["2"] * 3), encode(PAIRS[20:22])]
    corpus = joined(*parts)
    assert len(corpus) == 12
    assert texts(corpus, tokenizer) == PAIRS[:7] + PAIRS[10:13] + PAIRS[20:22]
    assert corpus.source.lengths.tolist() == [len(corpus.source[i]) for i in range(12)]
    assert corpus.weights.tolist() == [1.0] * 7 + [2.0] * 3 + [1.0] * 2


def test_lines_are_read_in_the_order_asked_for(encode):
    parts = encode(PAIRS[:7]), encode(PAIRS[10:13]), encode(PAIRS[20:25])
    for side in (parts[0].target, joined(*parts).target):
        indices = np.random.default_rng(1).permutation(len(side.lengths)).repeat(2)
        assert [line.tolist() for line in side.lines(indices)] == [
            side[i].tolist() for i in indices
        ]


@pytest.mark.parametrize("share, count", [(0.0, 0), (0.3, 3), (0.5, 7), (0.75, 21)])
def test_an_epoch_has_all_own_pairs_and_a_share_of_others(share, count, encode):
    both = joined(encode(PAIRS[:7]), encode(PAIRS[10:15]), share=share)
    first, again, other = (both.pairs_of_epoch(1, epoch).tolist() for epoch in (0, 0, 1))
    assert first[:7] == list(range(7)) and len(first) == 7 + count
    assert first == again and (first != other or not count)
    drawn = [first[7:].count(index) for index in range(7, 12)]
    assert sum(drawn) == count and max(drawn) - min(drawn) <= 1


@pytest.mark.parametrize("weight", [0.25, 0.4, 1.0, 1.5, 2.0, 2.75])
def test_a_pair_is_drawn_as_often_as_its_weight_says(weight, encode):
    num_pairs = 20
    corpus = joined(encode(PAIRS[:3]), encode(PAIRS[20:40]), weight=weight)
    total = np.zeros(num_pairs, int)
    for epoch in range(8):
        pairs = corpus.pairs_of_epoch(1, epoch)
        assert pairs.tolist() == corpus.pairs_of_epoch(1, epoch).tolist()
        assert pairs[:3].tolist() == [0, 1, 2] and len(pairs) == 3 + round(weight * num_pairs)
        drawn = np.bincount(pairs[3:] - 3, minlength=num_pairs)
        assert set(drawn.tolist()) <= {int(weight), int(np.ceil(weight))}
        total += drawn
        # Evenly over the epochs, too: no pair comes again before all others have been drawn.
        assert total.max() - total.min() <= 1
    assert total.mean() == 8 * weight


def test_another_seed_draws_other_pairs(encode):
    corpus = joined(encode(PAIRS[:3]), encode(PAIRS[20:40]), weight=0.25)
    assert corpus.pairs_of_epoch(1, 0).tolist() != corpus.pairs_of_epoch(2, 0).tolist()


def test_a_small_weight_draws_at_least_a_pair(encode):
    assert len(joined(encode(PAIRS[:9]), weight=0.001).pairs_of_epoch(1, 0)) == 1


def test_every_text_is_said_with_its_part_of_an_epoch(encode):
    corpus = joined(encode(PAIRS[:10]), encode(PAIRS[:10]), weight=3)
    assert corpus.composition() == [
        "0: 10 of 10 pairs an epoch (25.0% of the pairs, 25.0% of the target tokens)",
        "last: 30 of 10 pairs an epoch (75.0% of the pairs, 75.0% of the target tokens)",
    ]


def test_a_corpus_of_its_own_is_drawn_from_whole(encode):
    corpus = encode()
    assert corpus.pairs_of_epoch(1, 0).tolist() == list(range(len(corpus)))


def test_a_plan_may_be_of_some_pairs_only(encode):
    corpus = encode()
    some = np.array([3, 5, 8, 13, 21])
    lengths = corpus.source.lengths, corpus.target.lengths
    plan = plan_epoch(*lengths, batch_size=2, batch_unit="sentences", seed=1, epoch=0, pairs=some)
    assert sorted(np.concatenate(plan).tolist()) == some.tolist()


def test_a_text_in_parts_gives_the_batches_of_the_joined_text(encode):
    whole = encode()
    parts = join([encode(PAIRS[:23]), encode(PAIRS[23:])], [CorpusConfig(path=n) for n in "ab"])
    for epoch in range(2):
        of_whole, of_parts = (
            [
                (corpus.source.lines(indices), corpus.target.lines(indices))
                for indices in plan_epoch(
                    corpus.source.lengths,
                    corpus.target.lengths,
                    batch_size=8,
                    batch_unit="sentences",
                    seed=1,
                    epoch=epoch,
                    pairs=corpus.pairs_of_epoch(1, epoch),
                )
            ]
            for corpus in (whole, parts)
        )
        assert str(of_whole) == str(of_parts)
