"""The prompt's commands. tests/cli/test_main.py types at a terminal."""

import json

import pytest
from fixtures.package import install, packaged_run, rewritten
from fixtures.run import toy_pairs

from nmt import Translator
from nmt.cli.prompt import Prompt
from nmt.cli.shared import SearchOptions
from nmt.runs.package import Package

LINES = [source for source, _ in toy_pairs(4, seed=11)]


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    """The packaged run, and the same weights under the languages of the other direction."""
    members = Package.open(packaged_run()).members
    card = {**json.loads(members["card.json"]), "source": "fr", "target": "en"}
    config = members["config.yaml"].decode()
    for old, new in (("source: en", "source: fr"), ("target: fr", "target: en")):
        assert old in config
        config = config.replace(old, new)
    back = tmp_path / "back.nmt"
    changes = {"card.json": json.dumps(card | {"limits": ["Toy sentences only."]}).encode()}
    rewritten(packaged_run(), back, changes | {"config.yaml": config.encode()})
    install(monkeypatch, tmp_path / "installed", {"en-fr": packaged_run(), "fr-en": back})


@pytest.fixture
def typed(monkeypatch, capsys):
    """What the prompt writes in answer to lines: standard output, standard error."""

    def answers(*lines, search=None, n_best=1):
        remaining = iter(lines)

        def read(_):
            try:
                return next(remaining)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", read)
        translator = Translator.load(packaged_run())
        assert Prompt(translator, search or SearchOptions({}), n_best).run() == 0
        return capsys.readouterr()

    return answers


def expected(line, n_best=1):
    (translation,) = Translator.load(packaged_run()).translate([line], n_best=n_best)
    return [candidate.text for candidate in translation.candidates]


def test_alternatives_are_shown_for_the_last_sentence_and_the_next(typed):
    first, second = LINES[:2]
    written = typed(first, ":alternatives", second, ":alternatives", first)
    beam_size = Translator.load(packaged_run()).run.config.decoding.beam_size
    shown = []
    for line in (first, second):
        best, *others = dict.fromkeys(expected(line, beam_size))
        assert others
        shown += [best, *(f"  or  {text}" for text in others)]
    assert written.out.splitlines() == [*expected(first), *shown, *expected(first)]
    assert "alternatives are shown\nalternatives are hidden\n" in written.err


def test_the_attention_of_the_last_sentence_is_shown(typed):
    written = typed(LINES[0], ":look")
    plain = typed(LINES[0])
    assert written.out.startswith(plain.out * 2) and "<-" in written.out


def test_swap_translates_with_the_installed_model_of_the_other_direction(typed):
    written = typed(":swap", LINES[0], ":swap", LINES[1])
    introductions = [line for line in written.err.splitlines() if "->" in line]
    assert [line.split(":")[0] for line in introductions] == ["toy", "fr-en", "toy"]
    assert "Toy sentences only." in written.err
    assert written.out.splitlines() == [*expected(LINES[0]), *expected(LINES[1])]


def test_phrases_of_one_direction_do_not_apply_to_the_other(typed):
    banned = expected(LINES[0])[0].split()[0]
    written = typed(LINES[0], ":swap", LINES[0], search=SearchOptions({}, None, (), (banned,)))
    assert "do not apply" in written.err
    there, back = written.out.splitlines()
    assert banned not in there.split() and [back] == expected(LINES[0])


def test_a_mistyped_command_is_not_translated(typed):
    written = typed(":loook", ":swap en", LINES[0], ":smile:", ":-) cat.")
    assert "no such command: :loook. :help lists the commands.\n" in written.err
    assert "no such command: :swap en. " in written.err
    texts = [expected(line)[0] for line in (LINES[0], ":smile:", ":-) cat.")]
    assert written.out.splitlines() == texts


def test_without_a_model_of_the_other_direction_it_says_so(typed, monkeypatch, tmp_path):
    install(monkeypatch, tmp_path / "one", {"en-fr": packaged_run()})
    written = typed(":swap", LINES[0])
    assert "no installed model translates fr -> en." in written.err
    assert written.out.splitlines() == expected(LINES[0])
