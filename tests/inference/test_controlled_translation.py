"""The controls of search from text to text, over a trained run: invariants 2, 4 and 8 for each."""

import re

import pytest
from fixtures.run import toy_pairs, trained_run, trained_translator

from nmt.errors import UserError
from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run
from nmt.search.glossary import Glossary
from nmt.text.lines import write_lines
from nmt.text.tokenizer import train_tokenizer

pytest_plugins = ["fixtures.cli"]

LINES = [source for source, _ in toy_pairs(8, seed=5)]
WITH_BLANKS = [LINES[0], "", *LINES[1:5], " \t", *LINES[5:]]
GLOSSARY = Glossary([("cat", "oiseau"), ("tree river", "lait nuit")])
CONTROLS = {
    "coverage": {"coverage_penalty": 0.5},
    "gnmt": {"penalty": "gnmt", "length_penalty": 0.8},
    "minimum length": {"min_length_ratio": 1.5},
    "no repetition": {"no_repeat_ngram_size": 2, "repetition_penalty": 1.2},
    "first": {"stopping": "first"},
    "diverse": {"beam_size": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
    "mbr": {"mbr": 10.0},
    "sampling": {"sampling": True, "temperature": 1.5, "top_p": 0.95, "seed": 3},
    "prefix": {"prefixes": ["Le chat"]},
    "required": {"required": ["maison"]},
    "banned": {"banned": ["chat", "chien"]},
    "glossary": {"glossary": GLOSSARY},
}
every_control = pytest.mark.parametrize("options", CONTROLS.values(), ids=CONTROLS)


def translate(lines, translator=None, **options):
    if "prefixes" in options:
        options["prefixes"] = options["prefixes"] * len(lines)
    return (translator or trained_translator()).translate(lines, **options)


@every_control
def test_one_line_in_one_line_out_whatever_the_batch(options):
    together = translate(WITH_BLANKS, n_best=2, **options)
    assert [translation.source for translation in together] == WITH_BLANKS
    assert [together[i].text for i in (1, 6)] == ["", " \t"]
    alone = [translate([line], n_best=2, **options)[0] for line in WITH_BLANKS[:3]]
    reversed_ = translate(WITH_BLANKS[::-1], n_best=2, batch_size=3, **options)[::-1]
    for one, other in [*zip(together, reversed_, strict=True), *zip(together, alone, strict=False)]:
        assert one.text == other.text
        assert one.candidates[0].log_prob == pytest.approx(other.candidates[0].log_prob, abs=1e-4)


@every_control
def test_the_log_probability_stays_the_model_s(options):
    translator = trained_translator()
    candidates = [
        (line, t.candidates[0]) for line, t in zip(LINES, translate(LINES, **options), strict=True)
    ]
    whole = [(line, candidate) for line, candidate in candidates if not candidate.truncated]
    scored = translator.score(
        [line for line, _ in whole], [candidate.text for _, candidate in whole]
    )
    # Or the model spelt a word in another way.
    alike = [
        (c, other) for (_, c), other in zip(whole, scored, strict=True) if c.tokens == other.tokens
    ]
    for candidate, other in alike:
        assert candidate.log_prob == pytest.approx(other.log_prob, abs=1e-3)
    assert "sampling" in options or len(alike) >= len(LINES) // 2


def test_words_are_there_or_not():
    assert all(
        "maison" in t.text.replace(".", " ").replace("?", " ").split()
        for t in translate(LINES, required=["maison"])
    )
    assert not any(
        {"chat", "chien"} & {*t.text.replace(".", " ").split()}
        for t in translate(LINES, banned=["chat", "chien"])
    )
    assert all(t.text.startswith("Le chat") for t in translate(LINES, prefixes=["Le chat"]))
    assert translate(LINES, prefixes=["Le chat "]) == translate(LINES, prefixes=["Le chat"])
    assert translate(LINES, prefixes=[" "]) == translate(LINES)
    (translation,) = translate(["cat milk."], glossary=GLOSSARY)
    assert "oiseau" in translation.text


def test_an_ensemble_of_a_run_with_itself_translates_like_the_run():
    translator = trained_translator()
    both = Translator.ensemble([translator, translator])
    for one, other in zip(translator.translate(LINES), both.translate(LINES), strict=True):
        assert one.text == other.text
        assert one.candidates[0].log_prob == pytest.approx(other.candidates[0].log_prob, abs=1e-3)
    assert Translator.ensemble([translator]) is translator


def test_runs_of_other_vocabularies_are_no_ensemble(tmp_path):
    run = Run.open(trained_run())
    other = Run(tmp_path / "other", run.config, run.source_tokenizer, run.target_tokenizer)
    Translator.ensemble([trained_translator(), Translator(other, trained_translator()._engine)])
    copying = run.config.copying.model_copy(update={"classes": ["urls"]})
    other = Run(
        tmp_path / "other",
        run.config.model_copy(update={"copying": copying}),
        *[run.source_tokenizer] * 2,
    )
    with pytest.raises(UserError, match="differ in copying"):
        Translator.ensemble([trained_translator(), Translator(other, trained_translator()._engine)])
    small = train_tokenizer(
        ["le chat", "the cat"] * 20,
        algorithm="bpe",
        vocabulary_size=300,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=100,
    )
    other = Run(tmp_path / "other", run.config, run.source_tokenizer, small)
    with pytest.raises(UserError, match=r"one vocabulary\. The target tokenizers"):
        Translator.ensemble([trained_translator(), Translator(other, trained_translator()._engine)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"required": ["chat"], "banned": ["chat"]},
            "^the required phrase 'chat' contains a banned word",
        ),
        ({"required": ["chat", "\udcff"]}, "^a required phrase must be a line of text in UTF-8"),
        ({"required": ["a\nb"]}, "^a required phrase must be a line of text"),
        ({"banned": ["\udcff"]}, "^a banned word must be a line of text in UTF-8"),
        ({"banned": ["a\nb"]}, "^a banned word must be a line of text"),
        ({"glossary": {"cat": "\udcff"}}, "^a glossary entry needs .* a line of text in UTF-8"),
        ({"glossary": {"cat": "a\nb"}}, "^a glossary entry needs .* a line of text"),
        ({"required": ["chat " * 40]}, r"line 1: .* tokens including </s>, but at most \d+"),
        (
            {"required": ["chat"], "sampling": True},
            "line 1: required words need a beam search",
        ),
        ({"prefixes": ["Le"]}, r"prefixes must be as many as lines \(8\)\. Received: 1"),
        ({"sampling": True, "beam_size": 3}, "Leave beam_size out"),
        ({"top_k": 3}, "with 'sampling: true' only"),
        ({"num_beam_groups": 2, "diversity_penalty": 1.0}, "multiple of num_beam_groups"),
        ({"beam_sise": 3}, r"unknown key 'decoding\.beam_sise'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_searched(options, message, monkeypatch):
    translator = trained_translator()
    monkeypatch.setattr(
        "nmt.inference.translator.controlled_search", lambda *_: pytest.fail("searched")
    )
    with pytest.raises(UserError, match=message):
        translator.translate(LINES, **options)


def test_training_evaluates_greedily_whatever_the_config_says():
    run = trained_translator().run
    decoding = run.config.decoding.model_copy(
        update={"beam_size": 4, "num_beam_groups": 2, "sampling": True}
    )
    other = Run(
        run.path, run.config.model_copy(update={"decoding": decoding}), *[run.source_tokenizer] * 2
    )
    greedy = Translator.greedy(other, trained_translator()._engine).translate(LINES)
    assert [t.text for t in greedy] == [
        t.text for t in trained_translator().translate(LINES, beam_size=1)
    ]


@pytest.mark.usefixtures("one_model")
def test_the_command_line_has_it_all(run, nmt_, tmp_path):
    write_lines(tmp_path / "in.en", LINES[:2])
    write_lines(tmp_path / "prefix.fr", ["Le chat", ""])
    write_lines(tmp_path / "glossary.tsv", ["cat\toiseau"])
    write_lines(tmp_path / "banned.fr", ["chien", ""])
    arguments = [
        "--prefix-file",
        tmp_path / "prefix.fr",
        "--glossary",
        tmp_path / "glossary.tsv",
        "--require",
        "nuit",
    ]
    arguments += [
        "--ban",
        "maison",
        "--ban-file",
        tmp_path / "banned.fr",
        "--coverage-penalty",
        0.1,
    ]
    code, out, _ = nmt_("translate", run, "--input", tmp_path / "in.en", *arguments)
    first, second, _ = out.split("\n")
    assert code == 0
    assert first.startswith("Le chat") and all(
        "nuit" in line and "maison" not in line for line in (first, second)
    )

    code, out, err = nmt_(
        "translate", run, "--prefix-file", tmp_path / "prefix.fr", stdin=b"cat.\n" * 3
    )
    assert (code, out) == (1, "") and "must have a line for each line. Received: 2 only" in err
    asked = [
        "--unbuffered",
        "--require",
        "chat " * 9,
    ]  # line by line, and only the last is too short for that
    code, _, err = nmt_(
        "translate", run, *asked, stdin=b"cat cat cat cat cat cat\n" * 2 + b"cat.\n"
    )
    assert code == 1 and re.search(r"line 3: .* at most", err)
    code, _, err = nmt_(
        "translate", run, "--input", tmp_path / "in.en", "--glossary", tmp_path / "in.en"
    )
    assert code == 1 and "line 1 must be source phrase, tab, target phrase" in err
    code, out, _ = nmt_(
        "translate", run, "--input", tmp_path / "in.en", "--sampling", "--n-best", 2, "--top-k", 3
    )
    assert code == 0 and len(out.splitlines()) == 4
