"""What a Python caller passes by mistake is named, with what to pass."""

import numpy as np
import pytest
from fixtures.run import toy_pairs, trained_translator

from nmt.errors import LineError, UserError
from nmt.inference.translator import Translator
from nmt.search.glossary import Glossary

LINES = [source for source, _ in toy_pairs(3, seed=5)]


@pytest.fixture
def translate():
    return trained_translator().translate


@pytest.mark.parametrize(
    "lines, message",
    [
        ("cat.", r"a single str, 'cat\.'.*list"),
        (b"cat.", r"a single bytes, b'cat\.'.*list"),
        (None, r"lines must be an iterable of strings. Received: None"),
        (3, r"lines must be an iterable of strings. Received: 3 \(int\)"),
        ({"cat": "chat"}, r"lines must be an iterable of strings. Received: .* \(dict\)"),
        (["x", float("nan")], r"lines\[1\] must be a string. Received: nan \(float\)"),
        ([None], r"lines\[0\] must be a string. Received: None"),
        ([b"cat."], r"lines\[0\] must be a string. Received: b'cat.' \(bytes\). Decode it"),
        ([["cat."]], r"lines\[0\] must be a string. Received: \['cat.'\] \(list\)"),
    ],
)
def test_what_is_no_line_is_refused(lines, message, translate):
    for errors in ("raise", "return"):
        with pytest.raises(TypeError, match=message):
            translate(lines, errors=errors)
    translator = trained_translator()
    for method in (translator.score, translator.align_lines):
        with pytest.raises(TypeError, match=message.replace("lines", "sources")):
            method(lines, ["chat"])
        with pytest.raises(TypeError, match=message.replace("lines", "targets")):
            method(["cat"], lines)


def test_strings_of_any_iterable_and_of_numpy_are_lines(translate):
    expected = translate(LINES)
    assert translate(line for line in LINES) == expected
    assert translate(np.array(LINES)) == translate(tuple(LINES)) == expected
    assert translate([f"{line}\n" for line in LINES]) == expected


def test_two_lines_in_one_are_refused_and_alone(translate):
    with pytest.raises(LineError, match=r"line 2: .*line feed.*'cat\\ndog'.*splitlines"):
        translate(["cat", "cat\ndog", "dog"])
    first, error, last = translate(["cat", "cat\ndog", "dog"], errors="return")
    assert isinstance(error, LineError) and [first, last] == translate(["cat", "dog"])
    with pytest.raises(LineError, match=r"line 1: .*line feed"):
        translate(["cat"], prefixes=["le\nchat"])
    translator = trained_translator()
    for method in (translator.score, translator.align_lines):
        for pair in (["cat\ndog"], ["chat"]), (["cat"], ["le\nchat"]):
            with pytest.raises(LineError, match=r"line 1: .*line feed"):
                method(*pair)


@pytest.mark.parametrize("option", ["required", "banned", "prefixes"])
def test_a_string_is_not_taken_as_its_letters(option, translate):
    with pytest.raises(TypeError, match=rf"{option} must be .*a single str, 'malade'.*list"):
        translate(LINES, **{option: "malade"})
    with pytest.raises(TypeError, match=rf"{option}\[1\] must be a string. Received: None"):
        translate(LINES, **{option: ["le", None, "chat"]})
    with pytest.raises(
        TypeError, match=rf"{option} must be an iterable of strings. Received: None"
    ):
        translate(LINES, **{option: None})


def test_a_mapping_is_a_glossary(translate):
    entries = {"cat": "lait"}
    lines = ["cat dog.", "dog."]
    ours = translate(lines, glossary=entries)
    assert ours == translate(lines, glossary=Glossary(entries.items()))
    assert "lait" in ours[0].text and "lait" not in ours[1].text


@pytest.mark.parametrize(
    "glossary, message",
    [
        ("words.tsv", r"glossary must map .*Glossary\.load\(path\).*'words.tsv' \(str\)"),
        ([("cat", "chat")], r"glossary must map .*\(list\)"),
        ({"cat": None}, r"glossary must map strings to strings. Received: 'cat': None"),
    ],
)
def test_what_is_no_glossary_is_refused(glossary, message, translate):
    with pytest.raises(TypeError, match=message):
        translate(LINES, glossary=glossary)


def test_what_is_no_dictionary_is_refused():
    translator = trained_translator()
    for dictionary in ("words.tsv", {"cat": 1}, [("cat", "chat")]):
        with pytest.raises(TypeError, match="dictionary must map strings to strings"):
            Translator(translator.run, translator._engine, dictionary)


@pytest.mark.parametrize("option, least", [("n_best", 1), ("choices", 0), ("num_workers", 1)])
def test_counts_are_counts(option, least, translate):
    with pytest.raises(UserError, match=f"must be at least {least}. Received: {least - 1}"):
        translate(LINES, **{option: least - 1})
    for value in ("2", 2.0, True):
        with pytest.raises(TypeError, match=r"must be an integer. Received"):
            translate(LINES, **{option: value})


def test_numbers_may_be_those_of_numpy(translate):
    options = {"n_best": 2, "choices": 1, "num_workers": 1, "beam_size": 3, "length_penalty": 0.5}
    of_numpy = {
        name: (np.float32 if isinstance(value, float) else np.int64)(value)
        for name, value in options.items()
    }
    assert translate(LINES, **of_numpy) == translate(LINES, **options)
    ours, expected = (
        trained_translator().align("cat.", "chat.", lag=lag) for lag in (np.int64(1), 1)
    )
    np.testing.assert_array_equal(ours.weights_TS, expected.weights_TS)
    for option in ("n_best", "choices", "num_workers"):
        with pytest.raises(TypeError, match=r"must be an integer. Received"):
            translate(LINES, **{option: np.float32(2.0)})


def test_options_in_a_dict_that_has_changed_are_read_again(translate):
    typography = {"quotes": "guillemets"}
    translate(LINES, typography=typography)
    typography["quotes"] = "none at all"
    with pytest.raises(UserError, match=r"decoding.typography.quotes' must be"):
        translate(LINES, typography=typography)


def test_more_choices_than_the_vocabulary_has_are_sorted(translate):
    size = trained_translator().run.target_tokenizer.vocabulary_size
    few = translate(LINES, beam_size=1, choices=5)
    for count in (size, size + 7):
        for ours, expected in zip(translate(LINES, beam_size=1, choices=count), few, strict=True):
            for all_of_it, best in zip(
                ours.candidates[0].choices, expected.candidates[0].choices, strict=True
            ):
                log_probs = [log_prob for _, log_prob in all_of_it]
                assert log_probs == sorted(log_probs, reverse=True) and len(log_probs) > 5
                assert [token for token, _ in all_of_it[:5]] == [token for token, _ in best]


def test_an_ensemble_is_of_translators():
    translator = trained_translator()
    assert Translator.ensemble(iter([translator])) is translator
    with pytest.raises(UserError, match="at least one translator"):
        Translator.ensemble([])
    with pytest.raises(TypeError, match=r"must be an iterable of them. Received: <nmt"):
        Translator.ensemble(translator)
    with pytest.raises(
        TypeError, match=r"translators\[0\] must be a Translator. Received: 'en-fr'"
    ):
        Translator.ensemble(["en-fr", translator])


@pytest.mark.parametrize("lag", ["1", 1.5, None, True])
def test_a_lag_is_an_integer(lag):
    with pytest.raises(TypeError, match=r"lag must be an integer. Received"):
        trained_translator().align("cat.", "chat.", lag=lag)
