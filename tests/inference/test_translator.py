"""Text to text, by invariant: one line in, one line out; the model's own scores; the same text
whatever the batch."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from fixtures.run import tiny_config, toy_pairs, trained_run, trained_translator, write_pairs
from fixtures.search import beam_search, greedy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nmt import Translator as TranslatorOfThePackage
from nmt.errors import LineError, UserError
from nmt.inference.segments import ReadText, Segment, Sentence, SourceLine, joined_text, split
from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run
from nmt.search.beam import Hypothesis
from nmt.text.characters import RAW
from nmt.text.lines import is_blank
from nmt.text.placeholders import MaskedLine
from nmt.text.tokenizer import padded, train_tokenizer

LINES = [source for source, _ in toy_pairs(12, seed=5)]
STRANGE = [
    "Ça va ? déjà",
    "x",
    "cat  dog",
    " cat.",
    "\u2028cat\x85dog",
    "\x00\x07",
    "日本語のテキスト",
    "🙂🙂",
    "▁ ｟3｠",
]


@pytest.fixture
def translator():
    return trained_translator()


@pytest.fixture
def variant():
    """variant(decoding={...}) -> the same model under another config."""

    def variant(**sections):
        run, model = trained_translator().run, trained_translator()._engine.model
        update = {
            name: getattr(run.config, name).model_copy(update=values)
            for name, values in sections.items()
        }
        config = run.config.model_copy(update=update)
        return Translator.from_model(
            Run(run.path, config, run.source_tokenizer, run.target_tokenizer), model
        )

    return variant


def texts(translations):
    return [translation.text for translation in translations]


def test_it_has_learnt_the_toy_language(translator):
    pairs = toy_pairs(60, seed=6)
    translations = texts(translator.translate([source for source, _ in pairs]))
    assert (
        np.mean([ours == target for ours, (_, target) in zip(translations, pairs, strict=True)])
        > 0.3
    )


# -------------------------------------------------------------- invariant 2: scores are the model's


def teacher_forced(model, source_ids, hypothesis):
    """The model's log-probability of a hypothesis, computed without the search: with </s> unless it
    was truncated."""
    target = padded([hypothesis.ids], begin=True)
    logits, _ = model.teacher_forced(padded([source_ids]), target[:, :-1])
    log_probs = tf.nn.log_softmax(logits)[0].numpy()
    chosen = log_probs[np.arange(target.shape[1] - 1), target[0, 1:]]
    return chosen[:-1] if hypothesis.truncated else chosen


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("max_length", [3, 40])
def test_a_hypothesis_has_its_teacher_forced_log_probability(beam_size, max_length, translator):
    model, tokenizers = (
        translator._engine.model,
        (translator.run.source_tokenizer, translator.run.target_tokenizer),
    )
    engine, lines = translator._engine, [*LINES[:4], *STRANGE[:3]]
    ids = [tokenizers[0].encode(line) for line in lines]
    limits = np.array([max_length] * len(lines))
    if beam_size == 1:
        found = [[hypothesis] for hypothesis in greedy(engine, padded(ids), limits)]
    else:
        options = {"beam_size": beam_size, "n_best": 2, "length_penalty": 1.0}
        found = beam_search(engine, padded(ids), limits, **options)
    hypotheses = [
        (row, hypothesis) for row, of_line in zip(ids, found, strict=True) for hypothesis in of_line
    ]
    for row, hypothesis in hypotheses:
        expected = teacher_forced(model, row, hypothesis)
        np.testing.assert_allclose(hypothesis.token_log_probs, expected, atol=1e-4)
        assert hypothesis.log_prob == pytest.approx(expected.sum(), abs=1e-4)
        assert hypothesis.truncated == (len(hypothesis.ids) == max_length)
        assert not set(hypothesis.ids) & {*tokenizers[1].forbidden_ids, 3}
    assert any(hypothesis.truncated == (max_length == 3) for _, hypothesis in hypotheses)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_candidate_has_the_log_probability_of_its_hypothesis(beam_size, translator):
    decoding = translator.run.config.decoding
    for translation, line in zip(
        translator.translate(LINES, beam_size=beam_size), LINES, strict=True
    ):
        ids = translator.run.source_tokenizer.encode(line)
        limit = int(decoding.max_length_ratio * (len(ids) + 1)) + decoding.max_length_offset
        if beam_size == 1:
            (expected,) = greedy(
                translator._engine, padded([ids]), np.array([limit]), length_penalty=1.0
            )
        else:
            ((expected,),) = beam_search(
                translator._engine,
                padded([ids]),
                np.array([limit]),
                beam_size=3,
                length_penalty=1.0,
            )
        (candidate,) = translation.candidates
        assert candidate.text == translator.run.target_tokenizer.decode(expected.ids)
        assert candidate.log_prob == pytest.approx(expected.log_prob, abs=1e-4)
        assert candidate.score == pytest.approx(expected.score, abs=1e-4)
        assert candidate.truncated == expected.truncated


def test_a_length_penalty_ranks_and_leaves_log_probabilities_alone(translator):
    for translation in translator.translate(LINES, length_penalty=0.0):
        assert translation.candidates[0].score == translation.candidates[0].log_prob
    ranked_by_mean = translator.translate(LINES, length_penalty=1.0)
    assert any(
        translation.candidates[0].score > translation.candidates[0].log_prob
        for translation in ranked_by_mean
    )


def test_what_was_cut_is_flagged(variant):
    short = variant(decoding={"max_length_ratio": 0.01, "max_length_offset": 1})
    for beam_size in (1, 3):
        (translation,) = short.translate([LINES[0]], beam_size=beam_size)
        assert translation.candidates[0].truncated
    assert not any(
        translation.candidates[0].truncated for translation in trained_translator().translate(LINES)
    )


# ---------------------------------------------------------------------- invariant 4: in any company


@pytest.mark.parametrize("beam_size", [1, 3])
def test_company_changes_no_translation(beam_size, translator):
    lines = LINES + STRANGE[:4]
    expected = translator.translate(lines, beam_size=beam_size, batch_size=len(lines))
    for batch_size in (1, 7, 64):
        ours = translator.translate(lines, beam_size=beam_size, batch_size=batch_size)
        assert texts(ours) == texts(expected)
        for x, y in zip(ours, expected, strict=True):
            assert x.candidates[0].log_prob == pytest.approx(y.candidates[0].log_prob, abs=1e-4)
    order = np.random.default_rng(1).permutation(len(lines))
    shuffled = texts(
        translator.translate([lines[i] for i in order], beam_size=beam_size, batch_size=7)
    )
    assert shuffled == [expected[i].text for i in order]
    padded_by_a_longer_one = translator.translate(
        [*lines, "cat dog " * 7], beam_size=beam_size, batch_size=64
    )
    assert texts(padded_by_a_longer_one)[:-1] == texts(expected)


def test_the_same_lines_give_the_same_translations_again(translator):
    assert translator.translate(LINES) == translator.translate(LINES)


def test_threads_take_turns(translator):
    expected = texts(translator.translate(LINES))

    def some(i):
        return texts(translator.translate(LINES[i:], beam_size=1 + i % 3))

    one_by_one = list(map(some, range(8)))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(some, range(8))) == one_by_one
        assert (
            list(pool.map(lambda _: texts(translator.translate(LINES)), range(4))) == [expected] * 4
        )


# ---------------------------------------------------------------------------- invariant 5: anywhere

IN_A_FRESH_PROCESS = """
import json, sys
from nmt import Translator
lines = json.load(sys.stdin)
translator = Translator.load(sys.argv[1])
results = [[t.text for t in translator.translate(lines, beam_size=k)] for k in (1, 3)]
words = translator.align(lines[0], results[0][0]).target_words
json.dump({"texts": results, "words": words}, sys.stdout)
"""


def test_a_fresh_process_in_another_folder_translates_alike(translator, tmp_path):
    moved = shutil.copytree(
        trained_run(),
        tmp_path / "moved run",
        ignore=shutil.ignore_patterns("corpus", "checkpoints"),
    )
    lines = [*LINES, *STRANGE, ""]
    process = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, moved],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout)
    assert results["texts"] == [texts(translator.translate(lines, beam_size=k)) for k in (1, 3)]
    assert results["words"] == results["texts"][0][0].split()


def test_the_package_gives_the_translator_itself():
    assert TranslatorOfThePackage is Translator


# ----------------------------------------------------------- invariant 8: one line in, one line out

characters = st.one_of(
    st.characters(),  # surrogates, too
    st.sampled_from(" \t\r\n\x00\x1b\x0b\x0c\x85\xa0\u202f\u2028\u2029\u200b\ufeff▁▅｟\uf8e0."),
    st.sampled_from("catdoghusenv"),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(characters, max_size=12), max_size=8), st.sampled_from([1, 2]))
@example(
    [
        "",
        " ",
        "\n",
        "\r\n",
        "\u2028",
        "\ud800",
        "\ud800 ",
        "cat.\n",
        "a\nb",
        "\r",
        "\x00",
        "\ufeff",
    ],
    1,
)
def test_as_many_lines_come_out_as_went_in(lines, beam_size):
    translations = trained_translator().translate(lines, beam_size=beam_size, errors="return")
    assert len(translations) == len(lines)
    for line, translation in zip(lines, translations, strict=True):
        if "\n" in line.removesuffix("\n"):
            assert isinstance(translation, LineError)
            continue
        assert "\n" not in translation.text
        assert translation.text.encode("utf-8").decode("utf-8") == translation.text
        if is_blank(line) and "\n" not in line:
            assert translation.text == line


def test_lines_may_be_read_from_a_file_with_their_ends(translator, tmp_path):
    (tmp_path / "text").write_text("".join(line + "\n" for line in ["", *LINES]), encoding="utf-8")
    with open(tmp_path / "text", encoding="utf-8", newline="\n") as stream:
        assert texts(translator.translate(stream)) == texts(translator.translate(["", *LINES]))


def test_blank_lines_cost_nothing_and_keep_their_places(translator, monkeypatch):
    expected = texts(translator.translate(LINES[:2]))
    mixed = ["", LINES[0], "\u00a0\t", LINES[1], " "]
    assert texts(translator.translate(mixed, n_best=2)) == [
        "",
        expected[0],
        "\u00a0\t",
        expected[1],
        " ",
    ]
    monkeypatch.setattr(translator, "_engine", None)
    assert texts(translator.translate(["", "\u2028"])) == ["", "\u2028"]
    assert translator.translate([]) == []


def test_one_string_is_not_taken_for_lines_of_one_character(translator):
    with pytest.raises(TypeError, match="a single str"):
        translator.translate("cat dog.")


# --------------------------------------------------------------------------------------- long lines


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["cat", "dog.", "house!", "élève;", "日本", "\u00a0?", "x" * 9]),
        min_size=1,
        max_size=60,
    ),
    st.integers(8, 40),
)
def test_a_line_is_split_into_parts_that_lose_nothing_and_fit(words, limit):
    tokenizer = trained_translator().run.source_tokenizer
    ids = tokenizer.encode(" ".join(words))
    parts = split(tokenizer, ids, limit)
    assert [id for part in parts for id in part] == ids
    assert all(0 < len(part) <= limit for part in parts)
    assert len(parts) <= 1 + len(ids) // (limit // 4)


def test_with_folded_initials_a_translation_begins_as_its_source_does(tmp_path):
    """Learnt from lines half of which begin with a capital; a word's translation is learnt from
    both alike."""
    from nmt.training.trainer import train

    pairs = toy_pairs(600, seed=1)
    pairs[::2] = [(capital(source), capital(target)) for source, target in pairs[::2]]
    data = {
        "train": write_pairs(tmp_path / "train", pairs),
        "dev": write_pairs(tmp_path / "dev", toy_pairs(6, seed=2)),
    }
    training = {"epochs": 8, "warmup_steps": 20, "ema_decay": 0.9}
    run = train(
        tiny_config(data, tokenizer={"fold_initial": True}, training=training), tmp_path / "run"
    )
    sources = [source for source, _ in toy_pairs(12, seed=3)]
    translator = Translator.load(run.path)
    for lines in (sources, [*map(capital, sources)]):
        for line, translation in zip(
            lines, translator.translate(lines, alignments=True), strict=True
        ):
            assert translation.text[0].isupper() == line[0].isupper()
            alignment = translation.candidates[0].alignment
            assert (
                alignment.source_words == line.split()
                and alignment.target_words == translation.text.split()
            )


def capital(line):
    return line[:1].upper() + line[1:]


def test_a_part_begins_with_a_capital_where_a_sentence_does():
    options = {
        "vocabulary_size": 300,
        "byte_fallback": True,
        "character_coverage": 1.0,
        "max_lines": 10,
    }
    folding = train_tokenizer(["The cat. The dog."], algorithm="bpe", fold_initial=True, **options)
    segments = [
        Segment(0, [9], hypotheses=[Hypothesis(tuple(folding.encode(text)), -1.0, -1.0, False, ())])
        for text in ("The cat", "The dog.", "The cat")
    ]
    line = SourceLine(0, "raw", [Sentence(ReadText("raw", 0, MaskedLine("raw"), RAW), segments)])
    text, spans = joined_text(folding, line, 0, with_spans=True)
    assert text == joined_text(folding, line, 0)[0] == "The cat the dog. The cat"
    assert "".join(text[start:end] for start, end in spans) == text.replace(" ", "")


def test_a_long_line_is_cut_after_its_sentences(translator):
    sentence = "cat dog house."
    tokens = len(translator.run.source_tokenizer.encode(sentence))
    limit = translator.run.config.decoding.max_source_tokens
    fitting = limit // tokens
    (alone,) = texts(translator.translate([" ".join([sentence] * fitting)]))
    (twice,) = texts(translator.translate([" ".join([sentence] * 2 * fitting)]))
    assert twice == f"{alone} {alone}"


def test_a_long_line_is_cut_between_words_where_it_has_no_sentences(translator):
    tokenizer = translator.run.source_tokenizer
    parts = split(tokenizer, tokenizer.encode("house river " * 30), 40)
    assert len(parts) > 2
    for part in parts:
        assert {*tokenizer.decode(part).split()} <= {"house", "river"}


def test_very_long_lines_are_translated_beside_short_ones(translator):
    long, monster = "cat dog river. " * 40, "x" * 1500
    lines = [LINES[0], long, "", monster, LINES[1]]
    done = []
    translations = translator.translate(lines, beam_size=1, progress=done.append)
    assert texts(translations)[::4] == texts(
        translator.translate([LINES[0], LINES[1]], beam_size=1)
    )
    assert len(translations[1].text.split()) > 20
    assert sum(done) == len(lines)
    (candidate,) = translations[1].candidates
    assert candidate.log_prob < 0 and not candidate.truncated


# ------------------------------------------------------------------------------------------ options


def test_n_best_are_ranked_and_begin_with_the_best(translator):
    for translation, best in zip(
        translator.translate(LINES, n_best=3), translator.translate(LINES), strict=True
    ):
        scores = [candidate.score for candidate in translation.candidates]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)
        assert translation.candidates[0].tokens == best.candidates[0].tokens
        # To rounding: who asks for fewer leaves the batch sooner.
        assert translation.candidates[0].log_prob == pytest.approx(
            best.candidates[0].log_prob, abs=1e-5
        )
        assert translation.text == str(translation) == translation.candidates[0].text
        assert translation.source == best.source


@pytest.mark.parametrize("n_best, beam_size", [(4, 3), (2, 1), (0, 3)])
def test_n_best_beyond_the_beam_is_refused(n_best, beam_size, translator):
    with pytest.raises(UserError, match="n-best must be"):
        translator.translate(LINES, n_best=n_best, beam_size=beam_size)


@pytest.mark.parametrize("option", ["beam_size", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_an_option_that_is_no_count_is_refused_by_name(option, value, translator):
    with pytest.raises(UserError, match=rf"decoding\.{option}.*received {value}"):
        translator.translate(LINES, **{option: value})


def test_a_penalty_that_is_no_number_is_refused(translator):
    with pytest.raises(UserError, match="finite"):
        translator.translate(LINES, length_penalty=float("nan"))


def test_options_not_given_are_those_of_the_run(translator, variant):
    assert texts(variant(decoding={"beam_size": 1}).translate(LINES)) == texts(
        translator.translate(LINES, beam_size=1)
    )
    given = variant(decoding={"beam_size": 2, "length_penalty": 0.5}).translate(LINES)
    assert given == translator.translate(LINES, beam_size=2, length_penalty=0.5)


def test_progress_counts_every_line_once(translator):
    for batch_size in (1, 5, 100):
        done = []
        translator.translate(
            ["", *LINES, " "], beam_size=1, batch_size=batch_size, progress=done.append
        )
        assert sum(done) == len(LINES) + 2


def test_the_source_is_normalised_as_in_training(translator, variant):
    nfkc = variant(data={"model_input": "nfkc"})
    raw = variant(data={"model_input": "raw"})
    fullwidth, plain = "ｃａｔ ｄｏｇ.", "cat dog."
    assert texts(nfkc.translate([fullwidth])) == texts(translator.translate([plain]))
    assert texts(translator.translate([fullwidth])) == texts(translator.translate([plain]))
    assert texts(raw.translate([fullwidth])) != texts(raw.translate([plain]))
    assert nfkc.translate([fullwidth])[0].source == fullwidth
    assert nfkc.align(fullwidth, "chat").source_words == fullwidth.split()


# ---------------------------------------------------------------------------------------- alignment


@pytest.mark.parametrize("source", [*LINES[:2], *STRANGE])
@pytest.mark.parametrize("target", ["chat chien.", "Où\u202f? 🙂", ""])
def test_an_alignment_is_over_words(source, target, translator):
    alignment = translator.align(source, target)
    assert alignment.source_words == source.split() and alignment.target_words == target.split()
    assert alignment.weights_TS.shape == (len(target.split()), len(source.split()))
    assert np.all(alignment.weights_TS >= 0)
    assert np.all(alignment.weights_TS.sum(axis=1) <= 1 + 1e-5)


def test_a_trained_model_looks_somewhere(translator):
    alignment = translator.align(LINES[0], translator.translate(LINES[:1])[0].text)
    assert np.all(alignment.weights_TS.sum(axis=1) > 0.3)  # the rest is on </s>


def test_an_alignment_is_the_model_s_attention_on_pieces_added_up(translator):
    source, target = "cat dog", "chat"
    tokenizers = translator.run.source_tokenizer, translator.run.target_tokenizer
    ids = [
        tokenizer.encode(line) for tokenizer, line in zip(tokenizers, (source, target), strict=True)
    ]
    first_word = len(tokenizers[0].encode("cat"))
    _, weights = translator._engine.model.teacher_forced(
        padded([ids[0]]), padded([ids[1]], begin=True)[:, :-1]
    )
    mean_S = np.asarray(weights)[0, : len(ids[1])].mean(axis=0)  # over the pieces of "chat"
    expected = [mean_S[:first_word].sum(), mean_S[first_word : len(ids[0])].sum()]
    np.testing.assert_allclose(translator.align(source, target).weights_TS, [expected], atol=1e-6)


def test_a_last_line_feed_and_half_a_surrogate_pair_do_not_stop_an_alignment(translator):
    assert translator.align("cat dog\n", "chat \ud800 chien").target_words == ["chat", "chien"]


# ------------------------------------------------------------------------------------------ loading


def test_an_incomplete_run_is_refused_with_what_is_missing(tmp_path):
    copy = shutil.copytree(
        trained_run(), tmp_path / "run", ignore=shutil.ignore_patterns("corpus", "best.npz")
    )
    with pytest.raises(UserError, match=r"best\.npz is missing"):
        Translator.load(copy)
    with pytest.raises(UserError, match="no such run folder"):
        Translator.load(tmp_path / "nowhere")


def test_a_run_that_is_open_already_can_be_loaded(translator):
    loaded = Translator.load(Run.open(trained_run()))
    assert texts(loaded.translate(LINES[:3])) == texts(translator.translate(LINES[:3]))
