"""What the version before the packages wrote is still read: a run and its export.

`fixtures/old/run` was trained by nmt 0.1.0 when its modules lay in one folder; its config has keys
that have other names now. The translations are those of that version.
"""

import shutil
from pathlib import Path

import pytest

from nmt.inference.onnx_artifact import Export
from nmt.inference.translator import Translator
from nmt.runs.averaging import average
from nmt.runs.run_folder import Run

OLD = Path(__file__).parents[1] / "fixtures" / "old"
EXPECTED = {  # beam search of size 3, in float32
    "night cat night tree?": ("nuit nuit chat arbre\u202f?", -5.8452),
    "milk cat house.": ("lait chat maison.", -2.2153),
    "dog cat?": ("chien chat\u202f?", -2.1737),
    "milk.": ("lait.", -0.4902),
    "dog house tree house.": ("chien arbre maison.", -2.6981),
    "night night cat tree bird.": ("nuit arbre chat oiseau.", -4.855),
    "": ("", 0.0),
    "Ça va ? x@y.z": ("lait nuit lait chat maison lait\u202f?", -7.8381),
}


def assert_translates_as_before(translator):
    for translation in translator.translate(list(EXPECTED)):
        text, log_prob = EXPECTED[translation.source]
        assert translation.text == text
        assert translation.candidates[0].log_prob == pytest.approx(log_prob, abs=1e-3)


@pytest.mark.parametrize("engine", ["onnx", "keras"])
def test_an_old_run_translates_as_before(engine):
    assert_translates_as_before(Translator.load(OLD / "run", engine, "float32"))


def test_an_old_export_translates_as_before_without_its_run(tmp_path, caplog):
    moved = shutil.copytree(OLD / "run" / "onnx", tmp_path / "export")
    assert_translates_as_before(Translator.load(moved, precision="float32"))
    assert Export.find(moved).precision == "int8"
    assert Translator.load(moved).translate(["milk."])[0].text == "lait."
    assert "does not translate as it did" not in caplog.text


def test_old_keys_are_read_under_their_new_names():
    config = Run.open(OLD / "run").config
    assert "average_decay" in (OLD / "run" / "config.yaml").read_text()
    assert config.training.ema_decay == 0.9
    assert (config.decoding.num_beam_groups, config.decoding.mbr) == (1, 0.0)


def test_old_runs_have_a_mean(tmp_path):
    average([Run.open(OLD / "run")] * 2, tmp_path / "average")
    assert_translates_as_before(Translator.load(tmp_path / "average", "keras"))
