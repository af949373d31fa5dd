"""What a translator answers beside the text: scores by token, alignments to the raw line, sentences
joined again."""

import functools
import json
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from fixtures.run import toy_pairs, trained_run, trained_translator
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.inference.outputs import as_json, as_n_best, as_text, perplexity
from nmt.inference.segments import WordAttention
from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run
from nmt.text.tokenizer import padded

PAIRS = toy_pairs(12, seed=5)
LINES = [source for source, _ in PAIRS]
STRANGE = ["Ça va ? déjà", " cat  dog.", "\u2028cat\x85dog", "日本語", "🙂🙂 é", "e\u0301 x"]
LONG = "cat dog river. " * 30  # beyond max_source_tokens


@pytest.fixture
def translator():
    return trained_translator()


@functools.cache
def variant(**sections):
    """The trained model under another config: variant(data=(("model_input", "nfkc"),))."""
    run, model = trained_translator().run, trained_translator()._engine.model
    update = {
        name: getattr(run.config, name).model_copy(update=dict(values))
        for name, values in sections.items()
    }
    config = run.config.model_copy(update=update)
    return Translator.from_model(
        Run(run.path, config, run.source_tokenizer, run.target_tokenizer), model
    )


def normalizing(form):
    return variant(data=(("model_input", form),))


# ------------------------------------------------------------------------------- scores and choices


def test_what_the_model_likes_best_is_what_a_greedy_search_takes(translator):
    lines = [*LINES, *STRANGE, LONG, ""]
    for translation in translator.translate(lines, beam_size=1, choices=3):
        (candidate,) = translation.candidates
        assert [of_token[0][0] for of_token in candidate.choices] == list(candidate.tokens)
        best = [of_token[0][1] for of_token in candidate.choices]
        np.testing.assert_allclose(best, candidate.token_log_probs, atol=1e-5)


def test_choices_are_the_best_at_each_token_of_the_best_candidate_only(translator):
    for translation in translator.translate(LINES, n_best=3, choices=4):
        best, *others = translation.candidates
        assert len(best.choices) == len(best.tokens) and not any(other.choices for other in others)
        for token, log_prob, of_token in zip(
            best.tokens, best.token_log_probs, best.choices, strict=True
        ):
            assert len(of_token) == 4
            assert sorted(of_token, key=lambda choice: -choice[1]) == list(of_token)
            assert dict(of_token).get(token, log_prob) == pytest.approx(log_prob, abs=1e-5)


def test_so_many_batches_at_once_change_nothing(translator):
    one, three = (map(str, translator.translate(LINES, num_workers=count)) for count in (1, 3))
    assert list(one) == list(three)


@given(st.lists(st.sampled_from([*LINES, *STRANGE, LONG, ""]), min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_every_piece_but_the_last_belongs_to_the_word_it_is_part_of(lines):
    for translation in trained_translator().translate(lines, alignments=True):
        (candidate,) = translation.candidates
        pieces = [token for token in candidate.tokens if token != "</s>"]
        words = candidate.alignment.target_word_of_piece
        assert len(words) == len(pieces)
        assert set(words) <= {-1, *range(len(candidate.alignment.target_words))}
        for piece, word in zip(pieces, words, strict=True):
            if word >= 0 and not piece.startswith("<0x"):
                assert piece.removeprefix("▁") in candidate.alignment.target_words[word]


@pytest.mark.parametrize("beam_size, n_best", [(1, 1), (3, 3)])
def test_the_scores_of_tokens_sum_to_the_score_of_the_text(beam_size, n_best, translator):
    for translation in translator.translate(
        [*LINES, *STRANGE, LONG, ""], beam_size=beam_size, n_best=n_best
    ):
        for candidate in translation.candidates:
            assert len(candidate.tokens) == len(candidate.token_log_probs)
            assert sum(candidate.token_log_probs) == pytest.approx(candidate.log_prob, abs=1e-9)
            assert all(value <= 0 for value in candidate.token_log_probs)
            ends = candidate.tokens.count("</s>")
            assert ends == {LONG: ends if ends > 1 else None, "": 0}.get(
                translation.source, not candidate.truncated
            )


def test_a_translation_is_scored_as_it_was_found(translator):
    """Invariant 2, through text: where the tokenizer spells the translation as the model did."""
    translations = translator.translate(LINES, n_best=3)
    found = [
        (line, candidate)
        for line, of in zip(LINES, translations, strict=True)
        for candidate in of.candidates
    ]
    scored = translator.score(
        [line for line, _ in found], [candidate.text for _, candidate in found]
    )
    same = 0
    for (_, candidate), again in zip(found, scored, strict=True):
        assert again.text == candidate.text
        if again.tokens == candidate.tokens:
            same += 1
            assert again.log_prob == pytest.approx(candidate.log_prob, abs=1e-4)
            np.testing.assert_allclose(again.token_log_probs, candidate.token_log_probs, atol=1e-4)
    assert same > 0.8 * len(found)


def test_a_score_is_the_teacher_forced_log_probability(translator):
    sources, targets = [*LINES[:3], "", "cat."], [*(target for _, target in PAIRS[:3]), "chat.", ""]
    for source, target, scored in zip(
        sources, targets, translator.score(sources, targets), strict=True
    ):
        ids = [
            tokenizer.encode(text)
            for tokenizer, text in zip(tokenizers(translator), (source, target), strict=True)
        ]
        forced = padded([ids[1]], begin=True)
        logits, _ = translator._engine.model.teacher_forced(padded([ids[0]]), forced[:, :-1])
        expected = tf.nn.log_softmax(logits)[0].numpy()[np.arange(len(ids[1]) + 1), forced[0, 1:]]
        np.testing.assert_allclose(scored.token_log_probs, expected, atol=1e-4)
        assert scored.log_prob == pytest.approx(expected.sum(), abs=1e-4)
        assert scored.tokens == (*translator.run.target_tokenizer.pieces(ids[1]), "</s>")


def tokenizers(translator):
    return translator.run.source_tokenizer, translator.run.target_tokenizer


def test_a_blank_line_for_a_blank_line_is_certain(translator):
    (scored,) = translator.score([" "], [""])
    assert (scored.log_prob, scored.tokens) == (0.0, ())
    assert translator.translate([" "])[0].candidates[0].log_prob == 0.0


def test_company_changes_no_score(translator):
    sources, targets = (
        [*LINES, *STRANGE, LONG],
        [*(target for _, target in PAIRS), *STRANGE, "x " * 300],
    )
    expected = [translator.score([s], [t])[0] for s, t in zip(sources, targets, strict=True)]
    for batch_size in (4, 64):
        for ours, alone in zip(
            translator.score(sources, targets, batch_size=batch_size), expected, strict=True
        ):
            assert (ours.text, ours.tokens) == (alone.text, alone.tokens)
            np.testing.assert_allclose(ours.token_log_probs, alone.token_log_probs, atol=2e-4)


def test_what_is_scored_together_is_bounded(translator, monkeypatch):
    """The logits of a batch are its tokens times the vocabulary: 64 lines of 700 tokens would need
    gigabytes."""
    shapes = []
    force = translator._engine.force
    monkeypatch.setattr(
        translator._engine, "force", lambda s, t: shapes.append(t.shape) or force(s, t)
    )
    monkeypatch.setattr("nmt.inference.translator.FORCED_TOKENS", 100)
    done = []
    translator.score(
        ["cat."] * 9,
        ["x " * n for n in (200, 3, 20, 3, 3, 20, 3, 0, 3)],
        batch_size=4,
        progress=done.append,
    )
    assert (
        all(rows == 1 or rows * (length - 1) <= 100 for rows, length in shapes)
        and max(s[0] for s in shapes) == 4
    )
    assert sum(done) == 9


@pytest.mark.parametrize("method", ["score", "align_lines"])
def test_unequal_counts_are_refused(method, translator):
    with pytest.raises(UserError, match=r"equally many lines\. Received: 2 and 1"):
        getattr(translator, method)(["a", "b"], ["c"])
    with pytest.raises(TypeError, match="a single str"):
        getattr(translator, method)("cat", ["c", "d", "e"])


def test_perplexity_by_hand():
    assert perplexity(-np.log(8.0), 3) == pytest.approx(2.0)
    assert perplexity(0.0, 0) == 1.0 and perplexity(-1e6, 1) == np.inf


# --------------------------------------------------------------------------------------- alignments


@pytest.mark.parametrize("beam_size, n_best", [(1, 1), (3, 2)])
def test_the_alignment_of_a_translation_is_that_of_its_text(beam_size, n_best, translator):
    lines = [*LINES[:6], STRANGE[1]]
    translations = translator.translate(lines, beam_size=beam_size, n_best=n_best, alignments=True)
    assert translations == translator.translate(lines, beam_size=beam_size, n_best=n_best)
    compared = 0
    for line, translation in zip(lines, translations, strict=True):
        for candidate in translation.candidates:
            ours, expected = candidate.alignment, translator.align(line, candidate.text)
            assert ours.source_words == line.split() and ours.target_words == candidate.text.split()
            assert (ours.source_spans, ours.target_spans) == (
                expected.source_spans,
                expected.target_spans,
            )
            if candidate.tokens[:-1] == tuple(tokens(translator, candidate.text)):
                np.testing.assert_allclose(ours.weights_TS, expected.weights_TS, atol=1e-5)
                compared += 1
    assert compared > len(lines) // 2


def tokens(translator, text):
    tokenizer = translator.run.target_tokenizer
    return tokenizer.pieces(tokenizer.encode(text))


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("cat dog\u0301é日🙂 \u202f\u2028ﬁ…´"), max_size=12), max_size=4
    ),
    st.sampled_from(["none", "nfkc"]),
)
def test_words_stand_in_the_raw_line_where_their_spans_say(lines, form):
    translator = normalizing(form)
    for line, translation in zip(
        lines, translator.translate(lines, beam_size=1, alignments=True), strict=True
    ):
        alignment = translation.candidates[0].alignment
        if not line.strip():
            assert alignment.weights_TS.shape == (0, 0)
            continue
        for words, spans, text in (
            (alignment.source_words, alignment.source_spans, line),
            (alignment.target_words, alignment.target_spans, translation.text),
        ):
            assert words == text.split() == [text[start:end] for start, end in spans]
        assert alignment.weights_TS.shape == (len(translation.text.split()), len(line.split()))
        assert np.all(alignment.weights_TS >= 0) and np.all(
            alignment.weights_TS.sum(axis=1) <= 1 + 1e-5
        )


def test_a_normal_form_that_adds_characters_moves_no_word():
    """NFKC makes three characters of "…" and two of "ﬁ"; the weights stay with the word they belong
    to."""
    translator = normalizing("nfkc")
    expected = trained_translator().align("cat... find dog", "chat chien")
    ours = translator.align("cat… ﬁnd dog", "chat chien")
    assert ours.source_words == ["cat…", "ﬁnd", "dog"] and ours.source_spans == [
        (0, 4),
        (5, 8),
        (9, 12),
    ]
    np.testing.assert_allclose(ours.weights_TS, expected.weights_TS, atol=1e-6)


def test_what_is_copied_stays_where_it_was_in_the_raw_line():
    """NFKC makes two characters of "ﬁ" before the address and would make "e" of "ｅ" in it."""
    translator = variant(copying=(("classes", ("urls",)),), data=(("model_input", "nfkc"),))
    source, target = "ﬁnd www.ｅ.org dog", "chat www.ｅ.org"
    alignment = translator.align(source, target)
    assert alignment.source_words == source.split() and alignment.target_words == target.split()
    assert (
        alignment.source_spans == [(0, 3), (4, 13), (14, 17)]
        and alignment.weights_TS[:, 1].min() > 0
    )
    for line in (source, "www.ｅ.org"):
        (translation,) = translator.translate([line], alignments=True)
        assert "www.ｅ.org" in translation.text
        alignment = translation.candidates[0].alignment
        assert (
            alignment.source_words == line.split()
            and alignment.target_words == translation.text.split()
        )
    assert translator.score(["www.ｅ.org"], [" www.ｅ.org"])[0].log_prob == 0.0
    assert translator.score(["www.ｅ.org"], ["www.e.org"])[0].log_prob < 0.0


class DiagonalEngine:
    """The step that predicts target token t looks at source token t."""

    def force(self, source, target):
        length = target.shape[1] - 1
        return np.zeros((len(target), length)), np.eye(length, source.shape[1], dtype=np.float32)[
            None
        ]


def test_a_row_of_attention_belongs_to_the_token_it_predicts(translator):
    line = "cat dog river"
    translator = Translator(translator.run, DiagonalEngine())
    lengths = [len(translator.run.source_tokenizer.encode(word)) for word in line.split()]
    np.testing.assert_allclose(translator.align(line, line).weights_TS, np.eye(3))
    late = translator.align(
        line, line, lag=1
    ).weights_TS  # as if each token's attention came one step later
    # Each word's last piece takes the row of the next word's first piece, and that of the last word
    # the row of </s>.
    expected = np.diag([1 - 1 / n for n in lengths]) + np.diag([1 / n for n in lengths[:-1]], k=1)
    np.testing.assert_allclose(late, expected, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.text(
            st.one_of(
                st.characters(exclude_characters="\n"),
                st.sampled_from("cat. Dog! \r\t\u202f«»é"),
            ),
            max_size=14,
        ),
        max_size=6,
    )
)
def test_any_lines_may_be_split_and_aligned(lines):
    """Surrogates, controls and all: one line in, one line out, and the words are where they are
    said."""
    options = {"split_sentences": True, "alignments": True, "n_best": 2, "beam_size": 2}
    translations = trained_translator().translate(lines, **options)
    assert len(translations) == len(lines)
    for translation in translations:
        for candidate in translation.candidates:
            assert "\n" not in candidate.text
            candidate.text.encode("utf-8")  # strict: no half of a surrogate pair
            assert candidate.alignment.target_words == candidate.text.split()
            assert candidate.alignment.source_words == translation.source.split()


def test_segments_that_are_forced_in_several_batches_keep_their_places(translator, monkeypatch):
    expected = translator.translate([*LINES, LONG], beam_size=1, alignments=True)
    monkeypatch.setattr("nmt.inference.translator.FORCED_TOKENS", 1)
    for ours, theirs in zip(
        translator.translate([*LINES, LONG], beam_size=1, alignments=True), expected, strict=True
    ):
        weights = [translation.candidates[0].alignment.weights_TS for translation in (ours, theirs)]
        np.testing.assert_allclose(*weights, atol=1e-5)


def test_the_alignment_of_a_line_without_spaces_takes_memory_for_its_words_only():
    """A matrix over the pieces of the whole line would have 3.2 GB."""
    num_pieces, size = 20_000, 40
    line, spans = "x" * num_pieces, [(i, i + 1) for i in range(num_pieces)]
    tracemalloc.start()
    try:
        attention = WordAttention(line, line, spans, spans)
        for start in range(0, num_pieces, size):
            block = np.full((size, size), 1 / size, np.float32)
            attention.add(block, target_start=start, source_start=start)
        alignment = attention.alignment()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert alignment.source_words == alignment.target_words == [line]
    np.testing.assert_allclose(alignment.weights_TS, [[1.0]])
    assert peak < 20e6


def test_a_long_line_without_spaces_is_aligned(translator):
    (translation,) = translator.translate(["x" * 300], beam_size=1, alignments=True)
    alignment = translation.candidates[0].alignment
    assert alignment.source_words == ["x" * 300]
    assert alignment.weights_TS.shape == (len(translation.text.split()), 1)
    assert len(alignment.target_word_of_piece) >= len(alignment.target_words) > 1


def test_nothing_is_forced_unless_alignments_are_asked_for(translator, monkeypatch):
    monkeypatch.setattr(translator._engine, "force", None)
    translator.translate(LINES, choices=2)


def test_the_parts_of_a_long_line_look_at_their_own_source_only(translator):
    (translation,) = translator.translate([LONG], beam_size=1, alignments=True)
    alignment = translation.candidates[0].alignment
    assert (
        alignment.source_words == LONG.split()
        and alignment.target_words == translation.text.split()
    )
    assert alignment.weights_TS[0, -1] == alignment.weights_TS[-1, 0] == 0
    assert alignment.weights_TS[0, 0:3].sum() > 0 and alignment.weights_TS[-1, -4:].sum() > 0


# ---------------------------------------------------------------------------------------- sentences


def test_a_paragraph_is_translated_sentence_by_sentence(translator):
    one, two, three = "Cat dog.", "Tree river?", "Milk bird."
    paragraph = f"{one}  {two}\u2028{three} "
    expected = [translation.text for translation in translator.translate([one, two, three])]
    first, blank, last = translator.translate(
        [paragraph, "\t", one], split_sentences=True, alignments=True
    )
    assert first.text == f"{expected[0]}  {expected[1]}\u2028{expected[2]} "
    assert (blank.text, last.text) == ("\t", expected[0])
    alignment = first.candidates[0].alignment
    assert (
        alignment.source_words == paragraph.split() and alignment.target_words == first.text.split()
    )
    num_words = len(expected[0].split())
    assert np.all(alignment.weights_TS[:num_words, 2:] == 0) and np.all(
        alignment.weights_TS[num_words:, :2] == 0
    )
    assert first.candidates[0].tokens.count("</s>") == 3


# ------------------------------------------------------------------------------------------ as text


def formatted(form, translations):
    return (
        line for index, translation in enumerate(translations) for line in form(index, translation)
    )


def test_results_as_lines(translator):
    lines = ["cat dog.", ""]
    plain = translator.translate(lines, n_best=2)
    best = [translation.text for translation in plain]
    assert list(formatted(as_text, plain)) == best
    n_best = [f"0 ||| {c.text} ||| {c.score:.4f}" for c in plain[0].candidates]
    assert list(formatted(as_n_best, plain)) == [*n_best, "1 |||  ||| 0.0000"]
    aligned = translator.translate(lines, n_best=2, alignments=True)
    links = " ".join(f"{s}-{t}" for s, t in sorted(aligned[0].candidates[0].alignment.links()))
    assert links and list(formatted(as_text, aligned)) == [f"{best[0]} ||| {links}", " ||| "]
    assert next(formatted(as_n_best, aligned)) == f"{n_best[0]} ||| {links}"


def test_results_as_json(translator):
    first, second = map(
        json.loads, formatted(as_json, translator.translate(["cat «\u202f», é", ""], n_best=2))
    )
    assert (first["id"], first["source"], len(first["candidates"])) == (0, "cat «\u202f», é", 2)
    for candidate in first["candidates"]:
        assert set(candidate) == {
            "text",
            "log_prob",
            "score",
            "truncated",
            "tokens",
            "token_log_probs",
        }
        assert sum(candidate["token_log_probs"]) == pytest.approx(candidate["log_prob"], abs=1e-4)
        assert len(candidate["tokens"]) == len(candidate["token_log_probs"])
    assert second == {
        "id": 1,
        "source": "",
        "candidates": [
            {
                "text": "",
                "log_prob": 0.0,
                "score": 0.0,
                "truncated": False,
                "tokens": [],
                "token_log_probs": [],
            }
        ],
    }
    (aligned,) = map(
        json.loads, formatted(as_json, translator.translate(["cat dog."], alignments=True))
    )
    assert aligned["candidates"][0]["alignment"].startswith("0-0")


# ----------------------------------------------------------------------------------- two of one run


def test_two_translators_of_one_run_share_nothing():
    one, other = Translator.load(trained_run()), Translator.load(trained_run())
    before = other.translate(LINES[:3])
    assert one.translate(LINES[:3]) == before
    for variable in one._engine.model.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    assert one.translate(LINES[:3]) != before
    assert other.translate(LINES[:3]) == before
