"""Copies through a whole translation, with engines in the place of a model: whatever it would like
to write, each copy of the source comes out exactly once."""

import pytest
from fixtures.run import assert_error, tiny_config
from fixtures.search import ScriptedEngine
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run
from nmt.text.tokenizer import COPY_IDS, train_tokenizer

pytest_plugins = ["fixtures.cli"]

CLASSES = ["urls", "emails", "placeholders", "unseen"]
WORDS = [
    "the",
    "dog",
    "{name}",
    "%s",
    "www.a.org/b",
    "a.b@c.fr",
    "Łódź",
    "😀",
    "▁",
    "｟0｠",
    "{name}",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    tokenizer = train_tokenizer(
        ["the dog sees a man.", "where is the old house?"] * 20,
        algorithm="bpe",
        vocabulary_size=310,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=1000,
    )
    config = tiny_config({}, copying={"classes": CLASSES})
    return Run.create(tmp_path_factory.mktemp("runs") / "run", config, tokenizer, tokenizer, {})


def translator(run, script, **options):
    engine = ScriptedEngine(script, run.target_tokenizer.vocabulary_size, run.forbidden_ids)
    return Translator(run, engine, **options)


def no_copies(ids):
    return [id for id in ids if id not in COPY_IDS]


LINES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


@given(st.lists(LINES, min_size=1, max_size=4), st.sampled_from([1, 3]))
@settings(max_examples=20, deadline=None)
def test_a_model_that_writes_its_source_again_translates_to_the_very_line(run, lines, beam_size):
    translations = translator(run, lambda ids: ids).translate(lines, beam_size=beam_size)
    assert [translation.text for translation in translations] == lines


SCRIPTS = {
    "omits them": no_copies,
    "repeats them": lambda ids: [id for id in ids for _ in range(3)],
    "prefers others": lambda ids: [
        COPY_IDS[-1 - COPY_IDS.index(id)] if id in COPY_IDS else id for id in ids
    ],
    "ends at once": lambda ids: [],
    "never ends": lambda ids: [id for id in ids for _ in range(50)],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("beam_size", [1, 3])
def test_whatever_a_model_likes_each_copy_comes_out_once(run, script, beam_size):
    lines = [
        "the {name} sees %s and Łódź.",
        "{a} {b} the dog {c} www.a.org",
        "the dog.",
        "{a} dog {a}",
    ]
    for line, translation in zip(
        lines, translator(run, script).translate(lines, beam_size=beam_size), strict=True
    ):
        for word in ("{name}", "%s", "Łódź", "{a}", "{b}", "{c}", "www.a.org"):
            assert translation.text.count(word) == line.count(word)
        assert "｟" not in translation.text


def test_where_the_model_would_end_the_missing_copies_follow(run):
    (translation,) = translator(run, no_copies).translate(
        ["the {name} sees a %s dog."], beam_size=1
    )
    assert translation.text == "the  sees a  dog.{name}%s"


@pytest.mark.parametrize("prefix", ["a man {name}", "Łódź {name} the", "{name}"])
def test_copies_in_a_prefix_are_those_of_the_source(run, prefix):
    line = "the {name} sees Łódź"
    (translation,) = translator(run, lambda ids: ids).translate([line], prefixes=[prefix])
    assert translation.text.startswith(prefix)
    assert translation.text.count("{name}") == translation.text.count("Łódź") == 1


def test_every_candidate_has_every_copy(run):
    (translation,) = translator(run, no_copies).translate(
        ["the {name} sees %s."], beam_size=3, n_best=3
    )
    assert len(translation.candidates) == 3
    assert all(
        candidate.text.count(word) == 1
        for candidate in translation.candidates
        for word in ("{name}", "%s")
    )


@pytest.mark.parametrize("beam_size", [1, 3])
def test_what_search_has_no_room_for_follows_at_the_end(run, beam_size):
    shortest = {"beam_size": beam_size, "max_length_ratio": 0.01, "max_length_offset": 2}
    (translation,) = translator(run, lambda ids: ids).translate(["{a} {b} dog {c}"], **shortest)
    assert translation.candidates[0].truncated
    assert all(translation.text.count(copy) == 1 for copy in ("{a}", "{b}", "{c}"))


@pytest.mark.parametrize("line", ["{name}", "  😀\t%s ", "www.a.org/b Łódź"])
def test_a_line_of_copies_alone_is_not_translated(run, line):
    (translation,) = translator(run, lambda ids: [30]).translate([line])
    assert (translation.text, translation.candidates[0].log_prob) == (line, 0.0)


def test_a_long_line_is_copied_in_all_its_parts(run):
    line = " ".join(f"the dog sees {{{i}}} and the old house." for i in range(12))
    assert len(run.source_tokenizer.encode(line)) > 2 * run.config.decoding.max_source_tokens
    (translation,) = translator(run, no_copies).translate([line], beam_size=1)
    assert all(translation.text.count(f"{{{i}}}") == 1 for i in range(12))
    places = [translation.text.index(f"{{{i}}}") for i in range(12)]
    assert places == sorted(places)


def test_a_dictionary_says_what_a_word_becomes(run):
    listed = translator(run, lambda ids: ids, dictionary={"dog": "Łódź chien", "old house": "x"})
    assert [t.text for t in listed.translate(["the dog, dogs", "old house"])] == [
        "the Łódź chien, dogs",
        "x",
    ]


@pytest.fixture
def plain(run, tmp_path):
    return Run.create(
        tmp_path / "plain", tiny_config({}), run.source_tokenizer, run.target_tokenizer, {}
    )


def test_a_run_without_symbols_refuses_a_dictionary(plain):
    with pytest.raises(UserError, match=r"trained without copy symbols, which a dictionary needs"):
        translator(plain, list, dictionary={"dog": "chien"})


@pytest.mark.parametrize(
    ("text", "message"),
    [("dog chien", "line 1 must be source phrase, tab, target"), ("dog\tchien", "trained without")],
)
def test_a_dictionary_of_no_use_is_said_before_tensorflow_loads(
    text, message, plain, tmp_path, nmt_, monkeypatch
):
    monkeypatch.setattr("nmt.cli.shared.import_tensorflow", None)
    path = tmp_path / "words.tsv"
    path.write_text(text, encoding="utf-8")
    assert_error(nmt_("translate", plain.path, "--dictionary", path), message)


def test_symbols_are_forbidden_where_they_were_not_learnt(run, plain):
    assert set(COPY_IDS) <= set(plain.forbidden_ids) and not set(COPY_IDS) & set(run.forbidden_ids)
    assert set(run.forbidden_ids) < set(plain.forbidden_ids)
    line = "the {name} sees 😀."
    (translation,) = translator(plain, lambda ids: ids).translate([line])
    assert translation.text == line  # byte by byte, as no real model would
