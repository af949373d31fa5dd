"""Packages: small, whole, and the same translator as the int8 export."""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from fixtures.onnx import FORBIDDEN, SOURCE, VARIANTS, graph_files
from fixtures.package import exported_run, packaged_run
from fixtures.run import toy_pairs, trained_run
from onnx import numpy_helper

from nmt import Translator
from nmt.cli.main import main
from nmt.config.loader import config_of_text, parse_config, without_texts
from nmt.errors import UserError
from nmt.export import packaging as export
from nmt.export.packaging import ArrayStore, PackageOptions, export_package
from nmt.inference.onnx_artifact import Export
from nmt.inference.onnx_engine import OnnxEngine
from nmt.runs.package import GivenCard, Package, PackagedGraph
from nmt.runs.run_folder import Run

LINES = [source for source, _ in toy_pairs(12, seed=5)] + ["", "Ça va ? x@y.z", "日本"]


def test_translations_and_scores_equal_those_of_the_int8_export_bit_for_bit():
    ours = Translator.load(packaged_run())
    run = Translator.load(exported_run(), precision="int8")
    for options in ({"n_best": 2}, {"beam_size": 1}):
        found, expected = (one.translate(LINES, **options) for one in (ours, run))
        for line, other in zip(found, expected, strict=True):
            assert [(c.text, c.log_prob) for c in line.candidates] == [
                (c.text, c.log_prob) for c in other.candidates
            ]
    pairs = [(one.source, one.text) for one in found if one.text.strip()]
    scores = (one.score(*zip(*pairs, strict=True)) for one in (ours, run))
    assert [s.log_prob for s in next(scores)] == [s.log_prob for s in next(scores)]


def test_the_config_of_a_fine_tuned_run_names_no_other_run():
    values = Run.open(trained_run()).config.model_dump()
    values["training"] |= {"init_from": "elsewhere", "keep_initial": 0.3}
    packaged = without_texts(parse_config(values, "here"))
    text = packaged.to_yaml().encode()
    assert config_of_text(text, "a package", of_run=True) == packaged
    assert packaged.training.init_from is None and packaged.data.train is None


WITHOUT = """
import json, sys

BLOCKED = ("tensorflow", "keras", "tf2onnx", "onnx", "sacrebleu", "matplotlib")

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(name + " is not installed")

sys.meta_path.insert(0, Blocked())
from nmt import Translator

translations = Translator.load(sys.argv[1]).translate(json.load(sys.stdin))
json.dump([one.text for one in translations], sys.stdout)
"""


def test_the_file_alone_translates_where_only_onnx_runtime_is_installed(tmp_path):
    moved = shutil.copy(packaged_run(), tmp_path / "x.nmt")
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT, moved],
        env={**os.environ, "HOME": str(tmp_path / "no home")},
        input=json.dumps(LINES),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert process.stderr == "" and [path.name for path in tmp_path.iterdir()] == ["x.nmt"]
    expected = Translator.load(exported_run(), precision="int8").translate(LINES)
    assert json.loads(process.stdout) == [one.text for one in expected]


def test_weights_are_stored_once_in_8_bits():
    package = Package.open(packaged_run())
    stored = [tuple(array["shape"]) for array in package.manifest.arrays]
    parameters = package.card.parameters
    assert parameters == sum(array.size for array in package.weights().values())
    scales = sum(max(shape) for shape in stored)
    assert len(package.members["weights.bin"]) < parameters + 4 * 3 * scales + 64 * len(stored)


@pytest.mark.parametrize("name", VARIANTS)
def test_graphs_without_their_arrays_compute_the_same(name, tiny_model, tmp_path, monkeypatch):
    """For every cell and score: constants are moved out of loops and shared."""
    monkeypatch.setattr(export, "SMALL", 16)
    files = graph_files(tiny_model(**VARIANTS[name]), native=False, integers=True)
    engine = OnnxEngine(*files, FORBIDDEN)
    store, graphs = ArrayStore(), []
    for file in files:
        model = onnx.load(file)
        export._move_out_of_bodies(model.graph)
        taken = export._take_initializers(model.graph, store)
        graphs.append((model, taken))
    package = fake_package(store, graphs)
    ours = OnnxEngine(*(package(index) for index in range(2)), [0, 1, 2, 7])
    (memory, state), (expected_memory, expected_state) = ours.encode(SOURCE), engine.encode(SOURCE)
    for name, array in {**expected_memory, **expected_state}.items():
        np.testing.assert_array_equal({**memory, **state}[name], array, err_msg=name)
    ids = np.array([[2], [4], [2]])
    found, expected = (one.step(ids, state, memory, 5) for one in (ours, engine))
    np.testing.assert_array_equal(found.log_probs_BKC, expected.log_probs_BKC)


def fake_package(store, graphs):
    views = [
        np.frombuffer(store.content(), export.DTYPES[one["dtype"]], int(np.prod(one["shape"])), at)
        for one, at in zip(store.described, positions(store), strict=True)
    ]
    arrays = [view.reshape(one["shape"]) for view, one in zip(views, store.described, strict=True)]

    def graph(index):
        model, taken = graphs[index]
        content = model.SerializeToString()
        return PackagedGraph("x.nmt", content, {key: arrays[at] for key, at in taken.items()})

    return graph


def positions(store):
    start = 0
    for one in store.described:
        yield start
        size = int(np.prod(one["shape"])) * export.DTYPES[one["dtype"]].itemsize
        start = export.aligned(start + size)


def test_no_graph_keeps_a_large_constant():
    package = Package.open(packaged_run())
    for name in ("encoder", "step"):
        graph = onnx.load_from_string(package.members[f"{name}.onnx"]).graph
        for constant in graph.initializer:
            if not constant.external_data:
                assert numpy_helper.to_array(constant).nbytes < export.SMALL


def test_the_same_run_makes_the_same_file(tmp_path):
    export_package(Run.open(exported_run()), tmp_path / "again.nmt")
    digests = {
        hashlib.sha256(path.read_bytes()).digest()
        for path in (packaged_run(), tmp_path / "again.nmt")
    }
    assert len(digests) == 1


def test_golden_sentences_may_be_given_and_are_tested_by_loading(tmp_path, caplog):
    golden = ["cat dog.", "tree."]
    path = tmp_path / "golden.nmt"
    package = export_package(Run.open(exported_run()), path, PackageOptions(golden=golden))
    record = json.loads(package.members["export.json"])
    assert [one["source"] for one in record["golden"]["int8"]] == golden
    assert list(record["golden"]) == ["int8"]
    with caplog.at_level(logging.WARNING):
        Translator.load(path)
    assert not caplog.records


@pytest.mark.parametrize("golden", [["cat."] * 33, ["cat " * 251]], ids=["many", "long"])
def test_more_golden_sentences_than_a_package_holds_are_refused(golden, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "export_onnx", None)  # refused before anything is computed
    message = "at most 32 golden sentences, of at most 1,000 characters"
    with pytest.raises(UserError, match=message):
        export_package(Run.open(exported_run()), tmp_path / "x.nmt", PackageOptions(golden=golden))
    assert not any(tmp_path.iterdir())


def test_a_run_without_export_is_exported_first(tmp_path, monkeypatch):
    run = shutil.copytree(exported_run(), tmp_path / "run")
    record = json.loads((run / "onnx" / "export.json").read_text())
    calls = []

    def exported(run, dev=None):
        calls.append(dev)
        return Export.find(exported_run())

    monkeypatch.setattr(export, "export_onnx", exported)
    export_package(Run.open(run), tmp_path / "x.nmt")
    assert calls == []
    (run / "onnx" / "export.json").write_text(json.dumps({**record, "format": 3}))
    export_package(Run.open(run), tmp_path / "x.nmt", PackageOptions(dev="there"))
    shutil.rmtree(run / "onnx")
    export_package(Run.open(run), tmp_path / "x.nmt")
    assert calls == ["there", None]


def test_what_cannot_be_packaged_is_refused(tmp_path):
    run = Run.open(shutil.copytree(exported_run(), tmp_path / "run"))
    with pytest.raises(UserError, match=r"a package is a file NAME\.nmt"):
        export_package(run, tmp_path / "x.zip")
    decoder = run.config.model.decoder.model_copy(update={"score": "evil:Score"})
    model = run.config.model.model_copy(update={"decoder": decoder})
    custom = Run.open(exported_run())
    custom.config = run.config.model_copy(update={"model": model})
    with pytest.raises(UserError, match="code of its own"):
        export_package(custom, tmp_path / "x.nmt")
    record = json.loads((run.path / "onnx" / "export.json").read_text())
    del record["golden"]["int8"]
    (run.path / "onnx" / "export.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="holds no int8"):
        export_package(run, tmp_path / "x.nmt")
    assert not (tmp_path / "x.nmt").exists()


def test_a_package_that_would_be_refused_does_not_replace_an_older_one(tmp_path):
    output = tmp_path / "x.nmt"
    output.write_bytes(b"older")
    card = GivenCard(description="much to say. " * 100_000)
    with pytest.raises(UserError, match=r"card\.json would have .* bytes, of at most 1,048,576"):
        export_package(Run.open(exported_run()), output, PackageOptions(card=card))
    assert output.read_bytes() == b"older"


# --------------------------------------------------------------------------------- the command line


def test_the_command_writes_a_package_with_a_card(tmp_path, capsys):
    (tmp_path / "card.json").write_text('{"licence": "CC0", "limits": ["A toy."]}')
    (tmp_path / "golden").write_text("cat dog.\n\ntree.\n")
    given = ["--card", str(tmp_path / "card.json"), "--golden", str(tmp_path / "golden")]
    output = ["--format", "package", "--output", str(tmp_path / "toy.nmt")]
    assert main(["export", str(exported_run()), *output, *given]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'toy.nmt'}\n"
    card = Package.open(tmp_path / "toy.nmt").card
    assert card.licence == "CC0" and card.limits == ("A toy.",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "package"], "Name it with --output NAME.nmt"),
        (["--card", "x"], "--card and --golden are for --format package"),
        (["--format", "package", "--output", "x.onnx"], "a package is a file NAME.nmt"),
        (["--format", "package", "--output", "no/x.nmt"], "the folder no does not exist: create"),
        (
            ["--format", "package", "--output", "x.nmt", "--golden", "/dev/null"],
            "/dev/null: expected sentences to check the package with. Received: none",
        ),
    ],
)
def test_arguments_that_do_not_belong_together(arguments, message, capsys):
    assert main(["export", str(exported_run()), *arguments]) == 1
    assert message in capsys.readouterr().err
