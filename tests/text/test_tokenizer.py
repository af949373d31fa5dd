"""Lossless text to ids and back, and where in the text each id stands."""

import io
import itertools
import pickle
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.text.escaping import attach, detach, escape, fold, unescape, unfold
from nmt.text.lines import read_lines
from nmt.text.placeholders import Copy, MaskedLine
from nmt.text.tokenizer import (
    BOS_ID,
    COPY_IDS,
    DETACHES,
    EOS_ID,
    NUM_COPY_SYMBOLS,
    PAD_ID,
    SMALL_ID,
    UNK_ID,
    Tokenizer,
    copy_symbol,
    sample_lines,
    train_tokenizer,
)

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
ALGORITHMS = ("bpe", "unigram")

# Pieces, escapes and everything with a name of its own; joined by hypothesis in any order.
WHITE = [" ", "  ", "\t", "\r", "\x00", "\x0c", "\x85", "\u2028", "\u00a0", "\u202f", "\u200d"]
MARKS = [
    "▁",
    "▁▁",
    "\u2585",
    "\uf8e0",
    "\uf8e01",
    "\uf8e0\uf8e0",
    "\ue000",
    "\ufffd",
    "\ufeff",
    "\U0010ffff",
]
NAMES = [
    "｟",
    "｠",
    "｟0｠",
    "｟15｠",
    "｟99｠",
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<0x0A>",
    "<0xE2>",
    "⁇",
    " ⁇ ",
]
OPENING = ['"', "(", '("', "«\u00a0", "« ", "¿", "'", "—", "/"]
WORDS = ["a", "man", "é", "e\u0301", "œ", "中", "👩‍👩‍👧", "🇫🇷", "2024"]
TROUBLE = [*WORDS, *OPENING, *WHITE, *MARKS, *NAMES]
LINES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40),
    st.lists(st.sampled_from(TROUBLE), max_size=12).map("".join),
)

ENGLISH = (
    ["the man", "a dog", "two girls", "the old car"],
    ["sees", "follows", "paints"],
    ["in 2024.", "here!", "."],
)
FRENCH = (
    ["l’homme", "un chien", "deux filles", "été"],
    ["voit", "suit", "où est"],
    ["« ici\u202f»", "là\u202f!", "."],
)


def corpus() -> list[str]:
    """Three hundred lines composed from the words above."""
    generator = random.Random(5)
    lines = []
    for subjects, verbs, ends in (ENGLISH, FRENCH):
        for _ in range(150):
            words = [generator.choice(part) for part in (subjects, verbs, subjects, ends)]
            lines.append(" ".join(words) + generator.choice(["", "", " ", "  yes", "\tyes"]))
    return lines


def train(lines=None, **changes) -> Tokenizer:
    settings = {
        "algorithm": "bpe",
        "vocabulary_size": 400,
        "byte_fallback": True,
        "character_coverage": 1.0,
    }
    return train_tokenizer(
        corpus() if lines is None else lines, **{**settings, "max_lines": 10_000, **changes}
    )


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    trained = {
        name: train(algorithm=name, vocabulary_size=size)
        for name, size in zip(ALGORITHMS, (400, 320), strict=True)
    }
    return {**trained, "folding": train(fold_initial=True)}


@pytest.fixture(params=[*ALGORITHMS, "folding"])
def tokenizer(request, tokenizers) -> Tokenizer:
    return tokenizers[request.param]


def spans_obey_the_law(line: str, spans: list[tuple[int, int]]) -> bool:
    in_line = all(0 <= start <= end <= len(line) for start, end in spans)
    in_order = [start for start, _ in spans] == sorted(start for start, _ in spans)
    covered = {index for start, end in spans for index in range(start, end)}
    return (
        in_line
        and in_order
        and covered >= {index for index, character in enumerate(line) if character != " "}
    )


# Folded initials


@given(LINES)
def test_what_is_folded_is_unfolded_to_the_same_line(line):
    assert fold(line) is None or unfold(fold(line)) == line


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("Dogs run.", "dogs run."),
        ("Été", "été"),
        ("I am", "i am"),
        ("NASA", "NASA"),
        ("3 a", "3 a"),
        ('"No"', '"No"'),
        ("", ""),
        (" A", " A"),
        ("ßa", "ßa"),
        ("İa", "İa"),
        ("ǅ", "ǅ"),
        ("dogs run.", None),
        ("été", None),
    ],
)
def test_a_capital_first_letter_is_folded_where_it_comes_back(line, folded):
    assert fold(line) == folded


def test_the_first_word_of_a_line_has_the_pieces_it_has_anywhere(tokenizers):
    folding = tokenizers["folding"]
    line = folding.encode("The man sees.")
    assert folding.encode("x the man sees.")[-len(line) :] == line
    assert folding.encode("the man sees.") == [SMALL_ID, *folding.encode("The man sees.")]
    assert folding.encode("the man", initial=False) == folding.encode("The man")
    assert folding.encode_batch(["The man", "the man"]) == [
        folding.encode("The man"),
        folding.encode("the man"),
    ]
    assert folding.decode(folding.encode("The man"), initial=False) == "the man"
    assert not tokenizers["bpe"].folds_initial and tokenizers["bpe"].encode(
        "The man"
    ) != folding.encode("The man")


def test_a_copy_at_the_start_of_a_line_keeps_its_letters(tokenizers):
    folding = tokenizers["folding"]
    line = MaskedLine("iOS sees", (Copy(0, 3, 0, "iOS"),))
    assert SMALL_ID not in folding.encode(line)
    assert folding.decode(folding.encode(line), line.copies) == "iOS sees"
    assert folding.decode_with_spans(folding.encode(line), line.copies)[0] == "iOS sees"


# Opening marks


@pytest.mark.parametrize(
    ("line", "detached"),
    [
        ('the "man" sees', 'the " man" sees'),
        ('"man"', '" man"'),
        ("a (man) [man", "a ( man) [ man"),
        ("«\u00a0man\u00a0» “man”", "«\u00a0 man\u00a0» “ man”"),
        ('("man', '(" man'),
        ("man/dog man—dog", "man/ dog man— dog"),
        ('a " man', 'a "  man'),
        ("man(s) 5/6 (5 ''). a —b", "man(s) 5/6 (5 ''). a —b"),
        ('"', '"'),
    ],
)
def test_a_word_is_detached_from_the_mark_that_opens_before_it(line, detached):
    assert detach(line) == detached
    assert attach(" " + detached) == " " + line


def test_a_word_has_the_same_pieces_after_an_opening_mark(tokenizer):
    man = tokenizer.encode("the man")[len(tokenizer.encode("the")) :]
    for mark in OPENING[:4]:
        ids = tokenizer.encode(f"the {mark}man sees")
        assert any(ids[i : i + len(man)] == man for i in range(len(ids))), mark


def test_tokenizers_of_older_versions_detach_nothing(tokenizer):
    older = Tokenizer(tokenizer.model.removesuffix(DETACHES))
    assert tokenizer.detaches and not older.detaches
    assert older.encode("the man") == tokenizer.encode("the man")
    assert older.encode("the (man") != tokenizer.encode("the (man")
    assert older.decode(older.encode("the (man")) == "the (man"


@given(LINES, LINES, LINES)
def test_what_copies_restore_is_not_attached(tokenizers, before, restored, after):
    tokenizer = tokenizers["bpe"]
    copy = Copy(len(before), len(before) + 1, 0, restored)
    line = MaskedLine(f"{before}#{after}", (copy,))
    ids = tokenizer.encode(line)
    expected = before + restored + after
    assert tokenizer.decode(ids, line.copies) == expected
    assert tokenizer.decode_with_spans(ids, line.copies)[0] == expected


# Vocabulary


def test_specials_and_copy_symbols_come_first(tokenizer):
    specials = tokenizer.pieces([PAD_ID, UNK_ID, BOS_ID, EOS_ID])
    assert specials == ["<pad>", "<unk>", "<s>", "</s>"]
    assert tokenizer.pieces(COPY_IDS) == [copy_symbol(index) for index in range(NUM_COPY_SYMBOLS)]
    assert copy_symbol(0) == "｟0｠" and copy_symbol(15) == "｟15｠"
    with pytest.raises(ValueError, match=r"0\.\.15"):
        copy_symbol(16)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_training_is_deterministic(tokenizers, algorithm):
    again = train(algorithm=algorithm, vocabulary_size=tokenizers[algorithm].vocabulary_size)
    assert again.model == tokenizers[algorithm].model
    assert again.fingerprint == tokenizers[algorithm].fingerprint
    assert again.vocabulary_size == {"bpe": 400, "unigram": 320}[algorithm]
    assert len({tokenizer.fingerprint for tokenizer in tokenizers.values()}) == 3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_too_large_a_vocabulary_is_answered_with_both_bounds(algorithm):
    with pytest.raises(UserError, match=r"at most \d+ pieces.* \(at least \d+\)") as caught:
        train(algorithm=algorithm, vocabulary_size=9000)
    smallest = int(re.search(r"at least (\d+)", str(caught.value))[1])
    assert train(algorithm=algorithm, vocabulary_size=smallest).vocabulary_size == smallest
    with pytest.raises(UserError, match=f"at least {smallest}"):
        train(algorithm=algorithm, vocabulary_size=smallest - 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("size", "words", "beyond"), [(9000, r"at most (\d+)", 1), (64, r"at least (\d+)", -1)]
)
def test_an_impossible_vocabulary_is_answered_with_the_nearest_possible(
    algorithm, size, words, beyond
):
    with pytest.raises(
        UserError, match=rf"Received: {size}\. Set tokenizer\.vocabulary_size to"
    ) as caught:
        train(algorithm=algorithm, vocabulary_size=size)
    (limit,) = map(int, re.findall(words, str(caught.value)))
    assert train(algorithm=algorithm, vocabulary_size=limit).vocabulary_size == limit
    with pytest.raises(UserError, match=f"{limit}"):
        train(algorithm=algorithm, vocabulary_size=limit + beyond)


@pytest.mark.parametrize("lines", [[], [""], ["", " \t", "\u00a0"], ["\x00"]])
def test_no_text_is_a_user_error(lines):
    with pytest.raises(UserError):
        train(lines)


def test_training_says_nothing(capfd):
    train()
    assert capfd.readouterr() == ("", "")


def test_a_line_with_a_reserved_character_is_learnt_from():
    # SentencePiece's trainer drops lines with U+2585, and ends words at U+2581.
    tokenizer = train(["zebra \u2585 ▁ zebra"] * 20, vocabulary_size=290)
    assert set("zebra") <= set("".join(tokenizer.pieces(tokenizer.encode("zebra"))))


def test_long_lines_are_learnt_from():
    # SentencePiece's default drops lines over 4,192 bytes.
    tokenizer = train(["zebra " * 3000], vocabulary_size=285)
    assert set("zebra") <= set("".join(tokenizer.pieces(tokenizer.encode("zebra"))))


def test_lines_are_drawn_from_the_whole_text():
    drawn = sample_lines(map(str, range(10_000)), 100, seed=1)
    numbers = list(map(int, drawn))
    assert numbers == sorted(numbers) and len(set(numbers)) == 100
    assert 4000 < sum(numbers) / 100 < 6000
    assert drawn == sample_lines(map(str, range(10_000)), 100, seed=1)
    assert drawn != sample_lines(map(str, range(10_000)), 100, seed=2)
    assert sample_lines(["a", "b"], 3, seed=1) == ["a", "b"]
    with pytest.raises(UserError, match="max_lines"):
        sample_lines(["a"], 0, seed=1)


def test_each_line_is_drawn_equally_often():
    counts = [0] * 5
    for seed in range(2000):
        for line in sample_lines("01234", 2, seed):
            counts[int(line)] += 1
    assert all(abs(count - 800) < 100 for count in counts)  # 4.6 standard deviations


# Lossless


@given(line=LINES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_line_comes_back_exactly(tokenizers, algorithm, line):
    tokenizer = tokenizers[algorithm]
    ids = tokenizer.encode(line)
    assert tokenizer.decode(ids) == line
    assert not set(ids) & {PAD_ID, UNK_ID, BOS_ID, EOS_ID, *COPY_IDS}
    assert tokenizer.encode_batch([line, line]) == [ids, ids]


def test_trouble_comes_back_exactly_wherever_it_stands(tokenizer):
    for text in ["", *TROUBLE]:
        for line in (
            text,
            f" {text}",
            f"{text} ",
            f"man{text}man",
            f"man {text} man",
            f"  {text}  {text}",
            text * 3,
        ):
            assert tokenizer.decode(tokenizer.encode(line)) == line


@given(LINES)
def test_escapes_are_undone_and_hide_what_sentencepiece_reads(line):
    escaped = escape(line)
    assert unescape(escaped) == line
    assert not set(escaped) & set("▁｟\u2585")


def test_real_lines_come_back_exactly(tokenizers):
    files = {
        path: 1
        for path in sorted((ROOT / "nmt" / "everyday").glob("*.*"))
        if path.suffix in (".en", ".fr")
    }
    for name, step in (("multi30k", 10), ("tatoeba", 10), ("europarl", 50)):
        files |= {
            path: step
            for path in (SHARED / name / "train.en", SHARED / name / "train.fr")
            if path.exists()
        }
    if not files:
        pytest.skip("no real text at hand")
    for path, step in files.items():
        lines = list(itertools.islice(read_lines(path), 0, None, step))
        for tokenizer in tokenizers.values():
            batch = tokenizer.encode_batch(lines)
            assert [tokenizer.decode(ids) for ids in batch] == lines, path
            for line in lines[:200]:
                assert spans_obey_the_law(line, tokenizer.spans(line)), line


def test_known_characters_come_back_without_byte_fallback():
    lines = [*corpus(), "▁ \u2585 ｟0｠ \uf8e0"] * 2
    tokenizer = train(lines, byte_fallback=False, vocabulary_size=120)
    for line in lines[:301]:
        assert tokenizer.decode(tokenizer.encode(line)) == line
    assert tokenizer.decode(tokenizer.encode("the 中中 man")) == "the ⁇ man"
    assert UNK_ID in tokenizer.encode("中")
    assert tokenizer.spans("a 中中 man")[-1] == (5, 8)


@pytest.mark.parametrize("tokenizer", ALGORITHMS, indirect=True)
def test_plain_text_is_decoded_as_sentencepiece_does(tokenizer):
    oracle = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    for line in corpus():
        assert oracle.decode(tokenizer.encode(line)) == detach(line)
        assert tokenizer.decode(tokenizer.encode(line)) == line


def test_a_line_feed_and_a_lone_surrogate_are_refused(tokenizer):
    with pytest.raises(UserError, match="with a line feed at 1"):
        tokenizer.encode("a\nb")
    with pytest.raises(UserError, match="with a lone surrogate at 0"):
        tokenizer.encode_batch(["a", "\ud800"])


# Decoding what a model writes


def byte_ids(tokenizer: Tokenizer, data: bytes) -> list[int]:
    first = tokenizer.pieces(range(tokenizer.vocabulary_size)).index("<0x00>")
    return [first + byte for byte in data]


def test_specials_are_ignored(tokenizer):
    ids = tokenizer.encode("the man")
    assert tokenizer.decode([BOS_ID, *ids, EOS_ID, PAD_ID, PAD_ID]) == "the man"
    assert tokenizer.decode([]) == tokenizer.decode([EOS_ID]) == ""


def test_bytes_that_are_no_utf8_are_dropped(tokenizer):
    man = tokenizer.encode("man")
    for bad in (
        b"\xe2",
        b"\xe2\x82",
        b"\xff",
        b"\x80\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
    ):
        assert tokenizer.decode([*man, *byte_ids(tokenizer, bad), *man]) == "man man"
        assert tokenizer.decode([*man, *byte_ids(tokenizer, bad)]) == "man"
    assert tokenizer.decode([*man, *byte_ids(tokenizer, b"\xe2\xe2\x82\xac")]) == "man€"


@given(data=st.data())
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_ids_decode_to_a_line_feed(tokenizers, algorithm, data):
    tokenizer = tokenizers[algorithm]
    interesting = [*range(20), *byte_ids(tokenizer, b" \n\r\xef\xa3\xa00123\xe2\x96\x81\xc3\xa9")]
    ids = data.draw(
        st.lists(st.sampled_from(interesting) | st.integers(0, tokenizer.vocabulary_size - 1))
    )
    text, spans = tokenizer.decode_with_spans(ids)
    assert text == tokenizer.decode(ids)
    assert "\n" not in text
    assert len(spans) == len(ids) and spans_obey_the_law(text, spans)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_copy_symbol_is_visible_text_once_decoded(tokenizer):
    text = tokenizer.decode([*tokenizer.encode("a "), COPY_IDS[3]])
    assert text == "a ｟3｠"
    assert COPY_IDS[3] not in tokenizer.encode(text)


@pytest.mark.parametrize("ids", [[-1], [400], [3, 10**9]])
def test_ids_outside_the_vocabulary_are_refused(tokenizers, ids):
    for call in (
        tokenizers["bpe"].decode,
        tokenizers["bpe"].pieces,
        tokenizers["bpe"].decode_with_spans,
    ):
        with pytest.raises(ValueError, match=r"ids must be in 0\.\.399"):
            call(ids)


def test_search_is_forbidden_what_is_no_text(tokenizer):
    forbidden = set(tokenizer.forbidden_ids)
    assert {PAD_ID, UNK_ID, BOS_ID, *COPY_IDS} <= forbidden and EOS_ID not in forbidden
    assert forbidden >= set(
        byte_ids(tokenizer, bytes([*range(32), 127, 0xC0, 0xC1, *range(0xF5, 0x100)]))
    )
    assert not forbidden & set(
        byte_ids(tokenizer, bytes([*range(32, 127), *range(0x80, 0xC0), *range(0xC2, 0xF5)]))
    )
    assert tokenizer.forbidden_ids == sorted(forbidden)


def test_pieces_with_control_characters_are_forbidden():
    tokenizer = train(["a\x85b \u2028 c\td \x0c \r \u2029 \x9f \u202f é"] * 20, vocabulary_size=298)
    free = set(range(20, tokenizer.vocabulary_size)) - set(tokenizer.forbidden_ids)
    texts = [tokenizer.decode([id]) for id in free]
    assert not [text for text in texts if re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)]
    assert "\u202f" in texts and "é" in texts


# Spans


@given(line=LINES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_spans_are_in_order_in_the_line_and_cover_it(tokenizers, algorithm, line):
    tokenizer = tokenizers[algorithm]
    ids, spans = tokenizer.encode(line), tokenizer.spans(line)
    assert len(spans) == len(ids)
    assert spans_obey_the_law(line, spans)
    assert [end for _, end in spans] == sorted(end for _, end in spans)
    assert not any(
        line[start:end].startswith(" ") or line[start:end].endswith(" ") for start, end in spans
    )
    assert tokenizer.decode_with_spans(ids) == (line, spans)


def test_a_span_leaves_out_the_leading_space(tokenizers):
    tokenizer = tokenizers["bpe"]
    assert tokenizer.pieces(tokenizer.encode(" the  man ")) == ["▁", "▁the", "▁", "▁man", "▁"]
    assert tokenizer.spans(" the  man ") == [(0, 0), (1, 4), (5, 5), (6, 9), (10, 10)]
    assert tokenizer.word_of_piece(" the  man ") == [-1, 0, -1, 1, -1]


def test_a_byte_piece_has_the_span_of_its_character(tokenizers):
    tokenizer = tokenizers["bpe"]
    assert tokenizer.pieces(tokenizer.encode("😀 man")) == [
        "▁",
        "<0xF0>",
        "<0x9F>",
        "<0x98>",
        "<0x80>",
        "▁man",
    ]
    assert tokenizer.spans("😀 man") == [(0, 0), (0, 1), (0, 1), (0, 1), (0, 1), (2, 5)]
    assert tokenizer.word_of_piece("😀 man") == [0, 0, 0, 0, 0, 1]


def test_accents_count_as_characters(tokenizers):
    tokenizer = tokenizers["bpe"]
    pieces, spans = tokenizer.pieces(tokenizer.encode("été où man")), tokenizer.spans("été où man")
    assert pieces[-1] == "▁man" and spans[-1] == (7, 10)
    texts = ["été où man"[start:end] for start, end in spans]
    assert texts == [piece.removeprefix("▁") for piece in pieces]


def test_a_tab_has_a_span_and_no_word(tokenizer):
    spans, words = tokenizer.spans("man\tman"), tokenizer.word_of_piece("man\tman")
    assert (3, 4) in spans and words[spans.index((3, 4))] == -1
    assert words[0] == 0 and words[-1] == 1


@pytest.mark.parametrize("character", ["▁", "\uf8e0", "｟", "\u2585"])
def test_an_escape_has_the_span_of_its_character(tokenizers, character):
    tokenizer = tokenizers["bpe"]
    line = f"man {character} man"
    spans = tokenizer.spans(line)
    assert spans[0] == (0, 3) and spans[-1] == (6, 9)
    assert set(spans[1:-1]) <= {(4, 4), (4, 5)} and (4, 5) in spans


def test_a_model_s_own_splitting_has_its_own_spans(tokenizers):
    tokenizer = tokenizers["bpe"]
    ids = [*tokenizer.encode("the"), *byte_ids(tokenizer, b" \xc3\xa9\xe2"), EOS_ID]
    text, spans = tokenizer.decode_with_spans(ids)
    assert text == "the é"
    assert spans == [(0, 3), (4, 4), (4, 5), (4, 5), (5, 5), (5, 5)]
    assert tokenizer.words_of_spans(text, spans) == [0, 1, 1, 1, -1, -1]


@given(LINES)
def test_words_are_those_of_split(line):
    assert [line[start:end] for start, end in Tokenizer.words(line)] == line.split()


@given(line=LINES)
def test_each_word_has_a_piece(tokenizers, line):
    tokenizer = tokenizers["bpe"]
    words = tokenizer.word_of_piece(line)
    assert len(words) == len(tokenizer.encode(line))
    # A piece may span two words where U+202F or the like parts them; never where a space does.
    assert {word for word in words if word >= 0} <= set(range(len(tokenizer.words(line))))
    if not re.search(r"[^\S ]", line):
        assert {word for word in words if word >= 0} == set(range(len(tokenizer.words(line))))


# Files, processes, threads


def test_a_tokenizer_is_saved_loaded_and_pickled(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.model")
    for copy in (
        Tokenizer.load(tmp_path / "tokenizer.model"),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert copy.fingerprint == tokenizer.fingerprint
        assert copy.encode("the man") == tokenizer.encode("the man")
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


def test_threads_share_a_tokenizer(tokenizer):
    lines = corpus()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tokenizer.encode, lines)) == tokenizer.encode_batch(
            lines, num_threads=1
        )


def test_other_files_are_refused(tmp_path, capfd):
    with pytest.raises(UserError, match="the tokenizer cannot be read: No such file"):
        Tokenizer.load(tmp_path / "missing")
    for content in (b"", b"garbage", train().model[:1000]):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(UserError, match=r"x: expected"):
            Tokenizer.load(tmp_path / "x")
    assert capfd.readouterr().err == ""


def test_a_foreign_sentencepiece_model_is_refused():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_writer=model,
        vocab_size=100,
        minloglevel=3,
        hard_vocab_limit=False,
    )
    with pytest.raises(
        UserError, match=r"expected a model that `nmt` trained.*Received: <unk> <s> </s>"
    ):
        Tokenizer.from_bytes(model.getvalue())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<unk>", b"<un\xff>"),
        (b"<0xC3>", b"<0xZZ>"),
        (b"<0xC3>", b"<0\xff3>>"),
        ("｟3｠".encode(), b"\xff" * 7),
    ],
)
def test_a_model_with_a_piece_that_cannot_be_is_refused(old, new, tokenizers):
    model = tokenizers["bpe"].model
    assert old in model
    with pytest.raises(UserError, match=r"^x: expected a SentencePiece model\. Received: "):
        Tokenizer(model.replace(old, new, 1), "x")  # of the pieces, which come first


def test_a_damaged_model_is_refused_or_encodes(tokenizers):
    """SentencePiece's own errors quote pieces that are not UTF-8."""
    model = tokenizers["bpe"].model
    for seed in range(200):
        generator, damaged = random.Random(seed), bytearray(model)
        for _ in range(generator.randint(1, 50)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            tokenizer = Tokenizer(bytes(damaged), "x")
            tokenizer.decode(tokenizer.encode("Hello wörld 日本"))
        except UserError as error:
            assert str(error).startswith("x: expected a ")
