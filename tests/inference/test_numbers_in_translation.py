"""Numbers, copies and typography from text to text, with an engine in the place of a model: what it
would like to write, what the source asks for, and what cannot be written. In the browser alike."""

import base64

import pytest
from fixtures.node import in_node, needs_node
from fixtures.run import tiny_config
from fixtures.search import ScriptedEngine

from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run
from nmt.search.numbers import DigitPieces
from nmt.serving.static_site import settings_of
from nmt.text.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    tokenizer = train_tokenizer(
        ["the dog sees a man at 12.", "where is the 3 old house?", "I 0 4 5 6 7 8 9"] * 20,
        algorithm="bpe",
        vocabulary_size=320,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=1000,
    )
    config = tiny_config({}, copying={"classes": ["urls", "placeholders"]})
    return Run.create(tmp_path_factory.mktemp("runs") / "run", config, tokenizer, tokenizer, {})


def translated(run, line, wanted="", unwritable="", **options):
    """The text of a model that would like to write `wanted`, and whether it was cut."""
    tokenizer = run.target_tokenizer
    script = tokenizer.encode(wanted)
    digit_V = DigitPieces.of(tokenizer).digit_V
    forbidden = [*run.forbidden_ids, *(i for i, d in enumerate(digit_V) if str(d) in unwritable)]
    engine = ScriptedEngine(lambda ids: script, tokenizer.vocabulary_size, forbidden)
    translator = Translator(run, engine)
    (translation,) = translator.translate([line], **{"beam_size": 1, **options})
    return translation.text, translation.candidates[0].truncated


LONG = " ".join(f"the dog sees {number}" for number in range(31, 50))
NO_ROOM = {"max_length_ratio": 0.01, "max_length_offset": 1}
CURLY = {"typography": {"apostrophe": "curly", "space": "narrow"}}


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("wanted", ["dog", "dog 3"])
def test_missing_numbers_and_missing_copies_do_not_exclude_each_other(run, wanted, beam_size):
    text, truncated = translated(run, "the 31 {name}", wanted, beam_size=beam_size)
    assert text.replace(" ", "") == "dog31{name}" and not truncated


def test_digits_are_no_repetition(run):
    line, wanted = "the 100000 and 11112 men", "dog 100000 a dog a"
    assert translated(run, line, wanted, no_repeat_ngram_size=2) == ("dog 100000 a 11112", False)


@pytest.mark.parametrize(
    ("number", "wanted", "options", "expected"),
    [
        ("25", "dog", {"unwritable": "5"}, "dog"),  # required
        ("25", "dog 25", {"banned": ["25"]}, "dog "),  # begun, and never whole
        ("100000", "dog 100000", {"banned": ["100000"]}, "dog "),  # begun, and not required
    ],
)
def test_a_number_that_cannot_be_written_keeps_no_translation_from_ending(
    run, number, wanted, options, expected
):
    assert translated(run, f"the {number} men", wanted, **options) == (expected, False)


def test_a_translation_is_not_cut_within_a_number(run):
    options = {"max_length_ratio": 0.01, "max_length_offset": 5}
    wanted = "dog 8756843 a dog sees a dog"
    assert translated(run, "the 8756843 men", wanted, **options) == ("dog ", False)


def test_the_numbers_of_a_prefix_stay_where_those_of_the_source_cannot_be_written(run):
    options = {"prefixes": ["dog 37"], "unwritable": "5"}
    assert translated(run, "the 25 men", "dog 37 a 25", **options) == ("dog 37 a ", False)


def test_parts_of_a_long_line_have_the_numbers_of_their_own(run):
    assert len(run.source_tokenizer.encode(LONG)) > 2 * run.config.decoding.max_source_tokens
    text, truncated = translated(run, LONG, "dog")
    places = [text.index(str(number)) for number in range(31, 50) if number % 10]
    assert places == sorted(places) and text.count("dog") > 2 and not truncated


def test_copies_without_room_are_not_put_into_capitals(run):
    text, truncated = translated(run, "THE DOG IS {name} {other}", "dog", **NO_ROOM)
    assert text == "{name} {other}" and truncated


@pytest.mark.parametrize(
    ("line", "wanted", "expected"),
    [
        ("dog", "l'dog?", "l’dog\u202f?"),
        ("see www.a.org/l'eau", "l'dog", "l’dogwww.a.org/l'eau"),
        ("«12!» 10 : 30 ?", "", "«12!» 10 : 30 ?"),
    ],
)
def test_what_is_copied_keeps_its_typography(run, line, wanted, expected):
    assert translated(run, line, wanted, **CURLY)[0] == expected


@pytest.mark.parametrize(
    ("line", "prefix", "expected"),
    [
        ('"the dog."', "« the", "«\u00a0the\u00a0»"),
        ('"the dog."', "the", "«\u00a0the\u00a0»"),
        ("- the dog", "- the", "- the"),
        ("the dog", "« the", "« the"),
    ],
)
def test_a_prefix_may_begin_with_the_marks_of_its_line(run, line, prefix, expected):
    assert translated(run, line, "the", prefixes=[prefix])[0] == expected


@needs_node
def test_the_browser_writes_the_same(run):
    cases = [
        ("the 31 {name}", "dog", {}),
        ("the 31 {name}", "dog 3", {}),
        ("the 31 {name}", "dog 3", {"beam_size": 3}),
        ("the 100000 and 11112 men", "dog 100000 a dog a", {"no_repeat_ngram_size": 2}),
        ("the 25 men", "dog 37 " * 100, {}),
        ("the 25 men", "dog 37 " * 100, {"max_length_ratio": 0.01, "max_length_offset": 2}),
        (LONG, "dog", {}),
        (
            "the 8756843 men",
            "dog 8756843 a dog",
            {"max_length_ratio": 0.01, "max_length_offset": 5},
        ),
        ("the 1980-1990s", "dog 1980 90", {}),
        ("THE DOG IS {name}", "dog", {}),
        ("THE DOG IS {name} {other}", "dog", NO_ROOM),
        ("see www.a.org/l'eau", "l'dog?", CURLY),
        ("see www.a.org/l'eau! www.b.org/l'eau", "l'dog?", NO_ROOM | CURLY),
        ("SEE www.a.org/l'eau!", "l'dog?", NO_ROOM | CURLY),
        ("«12!» 10 : 30 ?", "", CURLY),
    ]
    calls = [
        {
            "line": line,
            "script": run.target_tokenizer.encode(wanted),
            "options": {"beam_size": 1, **options},
        }
        for line, wanted, options in cases
    ]
    model = base64.b64encode(run.target_tokenizer.model).decode()
    found = in_node("translate", calls=calls, settings=settings_of(run), model=model)
    for (line, wanted, options), of_browser in zip(cases, found, strict=True):
        expected = translated(run, line, wanted, **options)
        assert (of_browser["text"], of_browser["truncated"]) == expected
