"""Exports: proved as they are written, found by their run, portable, and the same translator
without TensorFlow."""

import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import onnx
import pytest
import tensorflow as tf
from fixtures.run import toy_pairs, trained_run, trained_translator

from nmt import Translator
from nmt.cli.main import main
from nmt.errors import UserError
from nmt.export import onnx as export
from nmt.export.onnx import export_onnx, export_saved_model
from nmt.inference.onnx_artifact import Export, select_export
from nmt.inference.onnx_engine import OnnxEngine
from nmt.model.signatures import named_leaves
from nmt.runs.run_folder import Run

LINES = [source for source, _ in toy_pairs(12, seed=5)] + ["", "Ça va ? x@y.z", "日本"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A copy of the trained run, and its export. Read only."""
    run = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(trained_run(), run)
    return run, export_onnx(Run.open(run))


@pytest.fixture
def copied(exported, tmp_path):
    return Path(shutil.copytree(exported[0], tmp_path / "run"))


@pytest.fixture
def instant(monkeypatch):
    """An export that converts nothing: the graphs of the one before."""

    def instant(exported):
        graphs = [
            onnx.load(exported[1].folder / f"{name}.float32.onnx") for name in ("encoder", "step")
        ]
        monkeypatch.setattr(export, "encoder_graph", lambda model, native=True: graphs[0])
        monkeypatch.setattr(export, "step_graph", lambda model: graphs[1])
        return graphs

    return instant


def texts(translator, **options):
    return [one.text for one in translator.translate(LINES, **options)]


WITHOUT_TENSORFLOW = """
import json, sys

BLOCKED = ("tensorflow", "keras", "tf2onnx", "onnx", "sacrebleu", "matplotlib")

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(name + " is not installed")

sys.meta_path.insert(0, Blocked())
from nmt import Translator

translator = Translator.load(sys.argv[1], precision=sys.argv[2])
lines = json.load(sys.stdin)
translations = translator.translate(lines, n_best=2)
found = [[[one.text, one.log_prob] for one in line.candidates] for line in translations]
alignment = translator.align(lines[0], found[0][0][0])
json.dump([found, alignment.weights_TS.tolist(), alignment.source_words], sys.stdout)
"""


def test_the_folder_alone_translates_and_aligns_where_tensorflow_is_not_installed(
    exported, tmp_path
):
    """Invariant 5, without TensorFlow installed; ONNX Runtime sends no telemetry."""
    moved = shutil.copytree(exported[1].folder, tmp_path / "elsewhere")
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"
    }
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, moved, "float32"],
        env={**environment, "HOME": str(home)},
        input=json.dumps(LINES),
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stderr == "" and not any(home.iterdir())
    found, weights, words = json.loads(process.stdout)
    expected = trained_translator().translate(LINES, n_best=2)
    for ours, line in zip(found, expected, strict=True):
        assert [text for text, _ in ours] == [one.text for one in line.candidates]
        np.testing.assert_allclose(
            [p for _, p in ours], [one.log_prob for one in line.candidates], atol=1e-3
        )
    alignment = trained_translator().align(LINES[0], expected[0].text)
    np.testing.assert_allclose(weights, alignment.weights_TS, atol=1e-4)
    assert words == alignment.source_words


WITHOUT_TENSORFLOW_SERVED = (
    WITHOUT_TENSORFLOW.partition("from nmt import")[0]
    + """
from nmt.cli.main import main

sys.exit(main(["serve", sys.argv[1], "--port", "0"]))
"""
)


def test_a_server_is_ready_in_two_seconds_where_tensorflow_is_not_installed(exported):
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW_SERVED, exported[1].folder]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            ready = process.stderr.readline()
            match = re.fullmatch(r"en -> fr at (http://127.0.0.1:\d+)  \(Ctrl-C stops\)\n", ready)
            assert match, ready
            seconds = process_seconds(process.pid)
            asked = json.dumps({"q": LINES, "source": "en", "target": "fr"}).encode()
            request = Request(f"{match[1]}/translate", asked, {"Content-Type": "application/json"})
            with urlopen(request, timeout=60) as answer:
                assert json.load(answer)["translatedText"] == texts(
                    Translator.load(exported[1].folder)
                )
        finally:
            process.terminate()
            _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and said.endswith("stopped\n")
    assert seconds < 2  # of the processor, as the machine may have other things to do


def process_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_the_proof_is_on_record(exported):
    export = Export.find(exported[0])
    assert export == exported[1] and export.folder == exported[0] / "onnx"
    assert 0.0 < export.proof.largest_difference < 1e-4
    assert export.proof.bleu["float32"] == pytest.approx(export.proof.bleu["keras"], abs=0.05)
    assert export.proof.lines == 20 and "onnxruntime" in export.versions
    assert export.proof.int8_loss == pytest.approx(0.0, abs=0.05)
    assert [one.text for one in export.golden["float32"]] == [
        one.text
        for one in trained_translator().translate(
            [one.source for one in export.golden["float32"]], beam_size=1
        )
    ]


def test_what_is_used_by_default_and_on_demand(exported, tmp_path):
    run, export = exported
    assert select_export(run) == (export, export.precision) == select_export(export.folder)
    assert (
        select_export(run, "onnx", "float32")
        == select_export(run, precision="float32")
        == (export, "float32")
    )
    assert (
        select_export(run, "keras")
        is None
        is select_export(run, "keras", "float32")
        is select_export(tmp_path)
    )
    assert isinstance(Translator.load(run)._engine, OnnxEngine)
    assert texts(Translator.load(run, "keras")) == texts(Translator.load(run, precision="float32"))


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("torch", None, "expected an engine of keras, onnx"),
        (None, "float16", "a precision of float32, int8"),
        ("keras", "int8", "Keras translates in float32"),
        ("onnx", None, "no ONNX export. Write one with `nmt export"),
        (None, "int8", "no ONNX export"),
    ],
)
def test_what_does_not_exist_is_refused(engine, precision, message):
    with pytest.raises(UserError, match=message):
        select_export(trained_run(), engine, precision)


def test_a_run_without_export_says_that_keras_translates(caplog):
    with caplog.at_level(logging.INFO):
        assert select_export(trained_run()) is None
    assert "no ONNX export: translating with Keras" in caplog.text


def test_an_export_of_older_weights_is_not_used(copied, caplog):
    with open(copied / "best.npz", "ab") as stream:
        stream.write(b"more")
    with caplog.at_level(logging.INFO):
        assert select_export(copied) is None
    assert "an ONNX export of older weights" in caplog.text
    with pytest.raises(UserError, match="older weights"):
        select_export(copied, "onnx")


@pytest.mark.parametrize("change", [{"text": "autre"}, {"log_prob": -99.0}])
def test_a_drift_of_the_golden_translations_is_reported(change, copied, caplog):
    path = copied / "onnx" / "export.json"
    record = json.loads(path.read_text())
    Translator.load(copied)
    assert not caplog.records
    record["golden"][record["precision"]][1] |= change
    path.write_text(json.dumps(record))
    Translator.load(copied)
    (report,) = caplog.messages
    assert (
        "does not translate as it did when it was exported" in report
        and str(next(iter(change.values()))) in report
    )


def test_an_export_by_a_newer_version_is_not_called_damaged(copied):
    record = json.loads((copied / "onnx" / "export.json").read_bytes())
    (copied / "onnx" / "export.json").write_text(
        json.dumps({**record, "format": record["format"] + 1})
    )
    with pytest.raises(UserError, match="exported by a newer nmt"):
        Translator.load(copied)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "proof": {}, "golden": {}}'])
def test_a_damaged_record_is_named(text, copied):
    (copied / "onnx" / "export.json").write_text(text)
    with pytest.raises(UserError, match=r"export\.json is damaged"):
        Translator.load(copied)


def test_a_graph_that_is_not_the_model_is_not_written_and_the_old_export_stays(
    exported, copied, instant
):
    encoder, _ = instant(exported)
    before = (copied / "onnx" / "encoder.float32.onnx").read_bytes()
    largest = max(encoder.graph.initializer, key=lambda constant: int(np.prod(constant.dims)))
    largest.CopyFrom(
        onnx.numpy_helper.from_array(
            onnx.numpy_helper.to_array(largest) * np.float32(1.01), largest.name
        )
    )
    with pytest.raises(UserError, match=r"differs from Keras: \w+ by up to [\d.]+.*not written"):
        export_onnx(Run.open(copied))
    assert (copied / "onnx" / "encoder.float32.onnx").read_bytes() == before
    assert not list(copied.glob(".onnx*"))


def test_int8_that_is_too_far_off_is_left_out(exported, copied, instant, monkeypatch, caplog):
    instant(exported)
    monkeypatch.setattr(export, "MAX_INT8_LOSS", -1.0)
    export_onnx(Run.open(copied))
    assert "no int8: its cross-entropy on the dev set is" in caplog.text
    assert not list((copied / "onnx").glob("*int8*")) and select_export(copied)[1] == "float32"
    with pytest.raises(UserError, match="holds no int8"):
        select_export(copied, precision="int8")


@pytest.mark.parametrize(("changed", "precision"), [(0.0, "int8"), (0.5, "float32")])
def test_int8_is_the_default_only_if_lines_do_not_change_with_their_batch(
    changed, precision, exported, copied, instant, monkeypatch
):
    instant(exported)
    monkeypatch.setattr(export, "MAX_INT8_LOSS", 100.0)
    monkeypatch.setattr(export, "_share_changed", lambda *_: changed)
    there = copied.parent / "there"
    assert export_onnx(Run.open(copied), there).precision == precision == select_export(there)[1]


def test_dev_text_that_has_gone_is_asked_for(copied, tmp_path):
    config = (copied / "config.yaml").read_text()
    (copied / "config.yaml").write_text(config.replace("dev: ", f"dev: {tmp_path}/gone #"))
    with pytest.raises(UserError, match="gone"):
        export_onnx(Run.open(copied))


def test_a_folder_with_something_else_in_it_is_left_alone(copied):
    with pytest.raises(UserError, match="exists and is no export"):
        export_onnx(Run.open(copied), copied)
    with pytest.raises(UserError, match="exists and is no export"):
        export_saved_model(Run.open(copied), copied)


def test_a_saved_model_has_the_signatures_encode_and_step(tmp_path):
    run, model = Run.open(trained_run()), trained_translator()._engine.model
    loaded = tf.saved_model.load(str(export_saved_model(run, tmp_path / "saved")))
    source, ids = tf.constant([[40, 50, 3], [45, 3, 0]]), tf.constant([[2], [2]])
    memory, state = model.encode(source)
    encoded = loaded.signatures["encode"](ids=source)
    expected = dict([*named_leaves(memory, "memory"), *named_leaves(state, "state")])
    assert encoded.keys() == expected.keys()
    logits, weights, new = model.step(ids, state, memory)
    stepped = loaded.signatures["step"](ids=ids, **encoded)
    expected |= {"logits": logits, "weights": weights, **dict(named_leaves(new, "next_state"))}
    assert expected.keys() == encoded.keys() | stepped.keys()
    for name, value in {**encoded, **stepped}.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


# --------------------------------------------------------------------------------- the command line


def test_weights_that_training_writes_meanwhile_make_an_outdated_export(
    exported, copied, instant, monkeypatch
):
    instant(exported)
    load_model = Run.load_model

    def load_before_they_are_replaced(run):
        model = load_model(run)
        (run.path / "best.npz").write_bytes(b"newer")
        return model

    monkeypatch.setattr(Run, "load_model", load_before_they_are_replaced)
    assert export_onnx(Run.open(copied)).is_outdated(copied)


def test_export_says_where_it_wrote_and_what_was_proved(
    exported, copied, instant, tmp_path, capsys
):
    instant(exported)
    assert main(["export", str(copied), "--output", str(tmp_path / "there")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'there'}\n"
    assert "equal to Keras within" in err and "greedy BLEU on 20 dev lines: keras" in err
    assert main(["translate", str(tmp_path / "there"), "--precision", "int3"]) == 1
    assert "a precision of float32, int8" in capsys.readouterr().err


@pytest.mark.parametrize("error", [UserError, OSError])
def test_training_whose_export_fails_leaves_a_run_for_keras(error, exported, monkeypatch, capsys):
    def refuse(run):
        raise error("the step holds a loop")

    monkeypatch.setattr("nmt.training.trainer.train", lambda *_: Run.open(exported[0]))
    monkeypatch.setattr(export, "export_onnx", refuse)
    assert main(["train", "quickstart"]) == 0
    assert "no ONNX export: the step holds a loop\ndone." in capsys.readouterr().err


def test_the_commands_at_the_end_can_be_pasted(exported, tmp_path, monkeypatch, capsys):
    def refuse(run):
        raise UserError("the step holds a loop")

    run = Path(shutil.copytree(exported[0], tmp_path / "my run"))
    monkeypatch.setattr("nmt.training.trainer.train", lambda *_: Run.open(run))
    monkeypatch.setattr(export, "export_onnx", refuse)
    assert main(["train", "quickstart"]) == 0
    commands = [shlex.split(said) for said in re.findall("(?<=: )nmt .*", capsys.readouterr().err)]
    assert commands == [["nmt", "translate", str(run)], ["nmt", "export", str(run)]]
