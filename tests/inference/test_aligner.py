"""Alignments by two models, and their error rates: by hand, with weights for models."""

import json

import numpy as np
import pytest
from fixtures.run import trained_translator

from nmt.errors import UserError
from nmt.evaluation.word_alignment import Alignment, parse_pharaoh
from nmt.inference.aligner import AlignedPair, align_pairs, alignment_scores, read_gold
from nmt.inference.translator import Translator
from nmt.runs.run_folder import Run
from nmt.text.lines import write_lines


def alignment(weights):
    weights = np.array(weights)
    words = [[f"w{i}" for i in range(size)] for size in weights.shape[::-1]]
    spans = [[(3 * i, 3 * i + 2) for i in range(size)] for size in weights.shape[::-1]]
    return Alignment(*words, weights, *spans)


THERE = alignment([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]])  # 0-0 1-1
BACK = alignment([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])  # 0-0 1-0 2-1, read as source-target


def reversing():
    """The trained translator, as if for the other direction."""
    translator = trained_translator()
    run = translator.run
    data = run.config.data.model_copy(
        update={"source": run.config.data.target, "target": run.config.data.source}
    )
    config = run.config.model_copy(update={"data": data})
    return Translator(
        Run(run.path, config, run.source_tokenizer, run.target_tokenizer), translator._engine
    )


def test_links_of_both_models_are_symmetrised():
    pair = AlignedPair(THERE, BACK)
    assert pair.links("forward") == parse_pharaoh("0-0 1-1")
    assert pair.links("backward") == parse_pharaoh("0-0 1-0 2-1")
    assert pair.links("intersection") == parse_pharaoh("0-0")
    assert pair.links("union") == parse_pharaoh("0-0 1-0 1-1 2-1")
    assert pair.links("union", threshold=0.55) == parse_pharaoh("0-0 1-0 2-1")
    assert AlignedPair(THERE).links() == parse_pharaoh("0-0 1-1")


def test_a_pair_as_json_has_words_spans_and_the_weights_of_both():
    fields = json.loads(json.dumps(AlignedPair(THERE, BACK).as_dict()))
    assert (fields["source_words"], fields["target_words"]) == (["w0", "w1", "w2"], ["w0", "w1"])
    assert (fields["source_spans"][1], fields["target_spans"][1]) == ([3, 5], [3, 5])
    assert (
        fields["weights"] == THERE.weights_TS.tolist()
        and fields["reverse_weights"] == BACK.weights_TS.tolist()
    )
    assert "reverse_weights" not in AlignedPair(THERE).as_dict()


def test_the_second_model_aligns_the_other_way_round():
    forward, backward = trained_translator(), reversing()
    (pair,) = align_pairs(forward, backward, ["cat dog river."], ["chat chien."])
    np.testing.assert_array_equal(
        pair.forward.weights_TS, forward.align("cat dog river.", "chat chien.").weights_TS
    )
    np.testing.assert_array_equal(
        pair.backward.weights_TS, backward.align("chat chien.", "cat dog river.").weights_TS
    )
    assert pair.backward.weights_TS.shape == (3, 2)


def test_models_that_are_not_each_other_s_reverse_are_refused():
    with pytest.raises(UserError, match=r"must translate fr -> en\. Received: one for en -> fr"):
        align_pairs(trained_translator(), trained_translator(), ["cat."], ["chat."])


def test_every_method_is_scored_beside_the_diagonal(tmp_path):
    write_lines(tmp_path / "gold", ["1-1 2-2 3p2"])
    gold = read_gold(tmp_path / "gold", ["a b c"], ["x y"])
    alone = alignment_scores([AlignedPair(THERE)], gold)
    assert {name: score.error_rate for name, score in alone.items()} == {
        "forward": 0.0,
        "diagonal": pytest.approx(0.25),
    }
    both = alignment_scores([AlignedPair(THERE, BACK)], gold)
    assert (
        list(both)[:3] == ["forward", "backward", "intersection"] and list(both)[-1] == "diagonal"
    )
    assert both["backward"].error_rate == pytest.approx(
        1 - (1 + 2) / (3 + 2)
    )  # 0-0 is right, 1-0 wrong, 2-1 possible
    assert both["intersection"].error_rate == pytest.approx(1 - 2 / 3)


@pytest.mark.parametrize(
    "lines, message",
    [
        (["1-1"], r"Received: 2, 2, and 1 in .*gold"),
        (["1-1", "1:1"], r"gold, line 2: expected sure and possible links"),
        (["1-1", "0-1"], r"gold, line 2: gold alignments count words from 1"),
        (
            ["1-1", "1-1 1p4"],
            r"gold, line 2: expected links between 2 source and 3 target words.* Received: 1 to 4",
        ),
        (["1p1", ""], r"gold: an error rate needs sure gold links.* Received: none"),
    ],
)
def test_gold_links_that_do_not_fit_the_text_are_named_by_line(lines, message, tmp_path):
    write_lines(tmp_path / "gold", lines)
    with pytest.raises(UserError, match=message):
        read_gold(tmp_path / "gold", ["a", "a b"], ["x", "x y z"])
