import json
import math
import subprocess
import sys

import pytest

from nmt.errors import UserError
from nmt.evaluation.metrics import (
    Agreement,
    MetricScore,
    bleu,
    corpus_scores,
    group_references,
    typography_agreement,
)

NARROW, NO_BREAK = "\u202f", "\u00a0"

HYPOTHESES = [
    "Un chien brun court dans l'herbe haute .",
    "Deux hommes assis sur un banc regardent la mer.",
    "Où est la gare\u202f?",
    "",
]
FIRST_SET = [
    "Un chien brun court dans les hautes herbes.",
    "Deux hommes sont assis sur un banc et regardent la mer.",
    "Où est la gare ?",
    "Une femme lit.",
]
SECOND_SET = [
    "Un chien marron qui court dans l'herbe.",
    "Deux hommes regardent la mer depuis un banc.",
    "Où se trouve la gare ?",
    "Une dame lit un livre.",
]


def command_line_scores(folder, hypotheses, reference_sets):
    """What `python -m sacrebleu` prints for the same lines, with all the digits it will give."""
    (folder / "hypotheses").write_text(
        "".join(f"{line}\n" for line in hypotheses), encoding="utf-8"
    )
    paths = []
    for number, lines in enumerate(reference_sets):
        paths.append(folder / f"references.{number}")
        paths[-1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        *map(str, paths),
        "-i",
        str(folder / "hypotheses"),
    ]
    command += ["-m", "bleu", "chrf", "ter", "-w", "8"]
    return json.loads(
        subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    )


@pytest.mark.parametrize(
    "reference_sets", [[FIRST_SET], [FIRST_SET, SECOND_SET]], ids=["one set", "two sets"]
)
def test_scores_and_signatures_equal_the_sacrebleu_command_line(tmp_path, reference_sets):
    expected = command_line_scores(tmp_path, HYPOTHESES, reference_sets)
    ours = corpus_scores(HYPOTHESES, reference_sets)
    assert [s.name for s in ours] == [e["name"] for e in expected] == ["BLEU", "chrF2", "TER"]
    assert [s.signature for s in ours] == [e["signature"] for e in expected]
    for score, row in zip(ours, expected, strict=True):
        assert score.value == pytest.approx(row["score"], abs=1e-7)
        assert 0 < score.value < 100


def test_bleu_by_hand():
    # 4 of 5 words, 3 of 4 bigrams, 2 of 3 trigrams and 1 of 2 4-grams are right: 100 * (1/5)^(1/4),
    # no length penalty.
    assert bleu(["a b c d e"], [["a b c d f"]]) == pytest.approx(100 * math.pow(0.2, 0.25))


def test_bleu_is_the_bleu_of_the_full_table():
    table = {score.name: score.value for score in corpus_scores(HYPOTHESES, [FIRST_SET])}
    assert bleu(HYPOTHESES, [FIRST_SET]) == table["BLEU"]


def test_tokenised_text_is_warned_about_in_the_table_but_not_at_every_evaluation_of_a_training(
    caplog,
):
    tokenised = ["Un chien court ."] * 100
    bleu(tokenised, [tokenised])
    assert not caplog.records
    corpus_scores(tokenised, [tokenised])
    assert "detokenize" in caplog.text


def test_a_missing_reference_is_no_reference_rather_than_an_empty_one():
    hypotheses = ["a b c d e", "f g h i j"]
    full = corpus_scores(hypotheses, [["a b c d x", "f g h i y"]])
    padded = corpus_scores(hypotheses, [["a b c d x", "f g h i y"], ["a b c d e", None]])
    assert "nrefs:1|" in full[0].signature and "nrefs:var|" in padded[0].signature
    assert padded[0].value > full[0].value
    all_missing = corpus_scores(hypotheses, [["a b c d x", "f g h i y"], [None, None]])
    assert all_missing == full


@pytest.mark.parametrize("measure", [corpus_scores, bleu, typography_agreement])
def test_faulty_input_is_explained(measure):
    with pytest.raises(UserError, match=r"Received: 2 hypotheses and 1 references \(set 2 of 2\)"):
        measure(["a", "b"], [["a", "b"], ["a"]])
    with pytest.raises(UserError, match="no hypotheses"):
        measure([], [[]])
    with pytest.raises(UserError, match="at least one set"):
        measure(["a"], [])
    with pytest.raises(UserError, match="none for line 2"):
        measure(["a", "b"], [["a", None]])
    with pytest.raises(TypeError, match="one per set"):
        measure(["a"], ["a"])


def test_a_score_reads_well_and_survives_json():
    score = MetricScore("BLEU", 57.1234, "nrefs:1|case:mixed")
    assert str(score) == "BLEU = 57.12  nrefs:1|case:mixed"
    assert MetricScore(**json.loads(json.dumps(score.as_dict()))) == score


@pytest.mark.parametrize(
    ("hypothesis", "reference", "matched", "total"),
    [
        (f"Quoi{NARROW}?", f"Quoi{NARROW}?", 1, 1),
        ("Quoi ?", f"Quoi{NARROW}?", 0, 1),
        ("Quoi?", f"Quoi{NARROW}?", 0, 1),
        (f"Quoi{NO_BREAK}?", f"Quoi{NARROW}?", 0, 1),
        ("Quoi", f"Quoi{NARROW}?", 0, 1),  # the mark itself is lost
        (f"«{NO_BREAK}Oui{NO_BREAK}»", f"«{NO_BREAK}Non{NO_BREAK}»", 2, 2),
        (f"« Oui{NO_BREAK}»", f"«{NO_BREAK}Oui{NO_BREAK}»", 1, 2),
        ("12:30, 5 %, 3 €", f"12:30, 5{NO_BREAK}%, 3 €", 2, 3),
        ("a ! b !", "a ! b ! c !", 2, 3),  # a multiset: two of three
        ("a ! b ! c !", "a !", 1, 1),  # a recall: more marks cost nothing
        ("? «", "? «", 2, 2),  # the edges of a line are no space
        ("Rien.", "Rien.", 0, 0),
    ],
)
def test_typography_by_hand(hypothesis, reference, matched, total):
    assert typography_agreement([hypothesis], [[reference]]) == Agreement(matched, total)


def test_typography_sums_over_lines_and_has_no_share_without_marks():
    agreement = typography_agreement(["a ?", "b!", "c"], [["a ?", "b !", "c"]])
    assert agreement == Agreement(1, 2)
    assert agreement.share == 0.5
    assert agreement.as_dict() == {"matched": 1, "total": 2, "share": 0.5}
    assert str(agreement).startswith("typography = 50.0 %  1 of 2")
    assert typography_agreement(["a ?"], [["a"]]).share is None


def test_of_several_references_the_most_alike_counts():
    assert typography_agreement(["a ?"], [["a!"], ["a ?"]]) == Agreement(1, 1)
    assert typography_agreement(["a ?"], [["a!"], [None]]) == Agreement(0, 1)
    assert typography_agreement(["a"], [["a ?"], ["a"]]) == Agreement(0, 0)
    # A reference without marks is no excuse for marks with the wrong space.
    assert typography_agreement(["a?"], [["a"], ["a ?"]]) == Agreement(0, 1)


def test_no_score_notices_a_lost_narrow_space_but_the_agreement_does():
    reference = [f"Où est la gare{NARROW}? «{NO_BREAK}Là{NO_BREAK}»", "Il est parti hier soir."]
    plain = [line.replace(NARROW, " ").replace(NO_BREAK, " ") for line in reference]
    assert [score.value for score in corpus_scores(plain, [reference])] == pytest.approx(
        [100, 100, 0]
    )
    assert typography_agreement(plain, [reference]) == Agreement(0, 3)


def test_references_of_one_source_are_grouped_in_order_of_appearance():
    sources = ["Go.", "Hi.", "Go.", "Run!", "Go.", "Go."]
    references = ["Va.", "Salut.", "Marche.", "Cours !", "Va.", "Bouge."]
    distinct, sets = group_references(sources, references)
    assert distinct == ["Go.", "Hi.", "Run!"]
    assert sets == [["Va.", "Salut.", "Cours !"], ["Marche.", None, None], ["Bouge.", None, None]]
    translated = ["Bouge.", "Salut.", "Cours !"]
    ter_of_all, ter_of_first = (
        corpus_scores(translated, sets)[2],
        corpus_scores(translated, sets[:1])[2],
    )
    assert ter_of_all.value == 0 < ter_of_first.value


def test_grouping_nothing_gives_nothing_and_unequal_lengths_are_an_error():
    assert group_references([], []) == ([], [])
    with pytest.raises(UserError, match="2 sources and 1 references"):
        group_references(["a", "b"], ["a"])
