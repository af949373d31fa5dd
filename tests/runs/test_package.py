"""One-file models: read whole and checked, or refused in one line."""

import hashlib
import json
import math
import os
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from fixtures.package import install, packaged_run, rewritten
from fixtures.run import trained_run
from onnx import TensorProto, helper

from nmt import Translator
from nmt.cli.console import say
from nmt.errors import UserError
from nmt.inference.onnx_artifact import select_export
from nmt.runs import package as packages
from nmt.runs.onnx_file import external_initializers
from nmt.runs.package import GivenCard, ModelCard, Package, find_run, open_run
from nmt.runs.run_folder import load_arrays


@pytest.fixture
def path():
    return packaged_run()


def opened(path):
    """Everything that a translator reads of a package."""
    package = Package.open(path)
    run = package.run()
    assert package.card.source == "en"
    return select_export(run)[0].engine("int8", run.forbidden_ids)


def test_a_package_reads_lines_as_its_run_does(path):
    ours, run = open_run(path), open_run(trained_run())
    assert ours.config.model == run.config.model and ours.config.decoding == run.config.decoding
    assert ours.source_tokenizer.fingerprint == run.source_tokenizer.fingerprint
    assert ours.model_input == run.model_input and ours.forbidden_ids == run.forbidden_ids


def test_a_package_names_no_file_of_the_machine_that_trained_it(path):
    for name, content in Package.open(path).members.items():
        assert str(trained_run().parent).encode() not in content, name


def test_its_weights_are_those_of_the_run_in_8_bits(path):
    ours, weights = Package.open(path).weights(), load_arrays(trained_run() / "best.npz")[0]
    assert ours.keys() == weights.keys()
    for name, exact in weights.items():
        assert ours[name].shape == exact.shape
        np.testing.assert_allclose(ours[name], exact, atol=np.abs(exact).max() / 250, err_msg=name)


def test_a_package_has_one_engine_and_one_precision(path):
    run = open_run(path)
    with pytest.raises(UserError, match=r"is a package, which translates in int8"):
        select_export(run, "keras")
    with pytest.raises(UserError, match=r"is a package, which translates in int8"):
        select_export(run, precision="float32")


# ------------------------------------------------------------------------------------------ finding


def test_a_name_means_an_installed_model_unless_something_has_this_path(
    path, tmp_path, monkeypatch
):
    install(monkeypatch, tmp_path / "installed", {"en-fr": path})
    monkeypatch.chdir(tmp_path)
    assert find_run("en-fr") == tmp_path / "installed" / "en-fr.nmt"
    assert open_run("en-fr").package
    (tmp_path / "en-fr").mkdir()  # of a corpus
    assert find_run("en-fr") == tmp_path / "installed" / "en-fr.nmt"
    (tmp_path / "en-fr" / "run.json").write_text("{}")
    assert find_run("en-fr") == Path("en-fr")


def test_what_is_no_run_does_not_hide_an_installed_model(path, tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "installed", {"en-fr": path, "fr-en": path})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en-fr").write_text("Hello.\n")
    (tmp_path / "fr-en" / "config.yaml").mkdir(parents=True)
    for name in ("en-fr", "fr-en"):
        assert find_run(name) == tmp_path / "installed" / f"{name}.nmt"
    (tmp_path / "en-fr").write_bytes(path.read_bytes())
    assert find_run("en-fr") == Path("en-fr")


@pytest.mark.parametrize("name", ["EN-FR", "En-Fr", "en-Fr.nmt"])
def test_a_name_in_capitals_has_a_suggestion(name, path, tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "installed", {"en-fr": path})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"Did you mean 'en-fr'\?"):
        find_run(name)


@pytest.mark.parametrize("name", ["letter.docx", "letter"])
def test_a_document_is_told_where_it_belongs(name, path, tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "installed", {"en-fr": path})
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(UserError, match=rf"/{name} is no model\. .* --input .*/{name}$"):
        open_run(tmp_path / name)
    (tmp_path / "text.nmt").write_text("Hello.\n")
    with pytest.raises(UserError, match="is damaged, or not a model of nmt"):
        open_run(tmp_path / "text.nmt")


def test_a_package_of_another_name_is_opened(path, tmp_path):
    assert open_run(Path(shutil.copy(path, tmp_path / "model.zip"))).package


def test_a_sentence_in_place_of_a_run_is_told_where_it_belongs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"echo 'Where is it' \| nmt translate"):
        find_run("Where is it")


def test_a_run_in_the_home_folder_is_found_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert find_run("~/mine") == tmp_path / "mine"


@pytest.mark.parametrize("name", ["fr-de", "there/fr-de", "fr-de.nmt"])
def test_an_unknown_name_lists_the_installed_models(name, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    install(monkeypatch, tmp_path / "installed", {"en-fr": path, "fr-en": path})
    with pytest.raises(UserError, match=r"no such .* Installed models: en-fr, fr-en\.$"):
        Translator.load(name)
    install(monkeypatch, tmp_path / "none", {})
    with pytest.raises(UserError, match=r"no such .* No models are installed\.$"):
        Translator.load(name)


# ---------------------------------------------------------------------------------------- bad input


def refused(path, message):
    with pytest.raises(UserError) as raised:
        opened(path)
    text = str(raised.value)
    assert message in text and text.startswith(str(path)) and "\n" not in text, text


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 0.9999])
def test_a_truncated_file_is_refused(share, path, tmp_path):
    content = path.read_bytes()
    (tmp_path / "cut.nmt").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "cut.nmt", "is damaged")


def test_a_changed_byte_anywhere_is_refused_or_changes_nothing(path, tmp_path):
    content, changed = path.read_bytes(), tmp_path / "changed.nmt"
    members = Package.open(path).members
    for position in np.linspace(0, len(content) - 1, 97).astype(int):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        changed.write_bytes(damaged)
        try:
            assert Package.open(changed).members == members
        except UserError as error:
            assert "\n" not in str(error)


def test_other_files_are_refused(tmp_path):
    for content in (b"", b"PK", b"text\n", os.urandom(4096)):
        (tmp_path / "x.nmt").write_bytes(content)
        refused(tmp_path / "x.nmt", "is damaged, or not a model of nmt")


def test_a_file_larger_than_any_package_is_not_even_opened(tmp_path, monkeypatch):
    with open(tmp_path / "x.nmt", "wb") as stream:
        stream.truncate(sum(packages.LIMITS.values()) + 1)  # takes no space
    monkeypatch.setattr(packages.zipfile, "ZipFile", None)
    refused(tmp_path / "x.nmt", "it is too large")


def test_a_member_that_was_changed_has_the_wrong_checksum(path, tmp_path):
    changed = rewritten(path, tmp_path / "x.nmt", {"config.yaml": b"model: {}\n"}, checksums=False)
    refused(changed, "the checksum of config.yaml is wrong")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "..\\evil", "encoder.onnx/x", "ENCODER.ONNX", "a.py", "dir/"]
)
def test_a_name_that_is_not_on_the_list_is_refused(name, path, tmp_path):
    refused(rewritten(path, tmp_path / "x.nmt", {name: b"import os"}), "unexpected member")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.nmt"]


def test_a_config_larger_than_any_is_refused_before_it_is_parsed(path, tmp_path, monkeypatch):
    large = b"x: [" + b"0, " * 30_000 + b"]\n"
    monkeypatch.setattr(packages, "config_of_text", None)
    refused(rewritten(path, tmp_path / "x.nmt", {"config.yaml": large}), "config.yaml is too large")


@pytest.mark.parametrize("key", ["source", "target"])
def test_a_language_that_leads_to_another_folder_is_refused(key, path, tmp_path):
    config = yaml.safe_load(Package.open(path).members["config.yaml"])
    config["data"][key] = "/../../victim"
    changes = {"config.yaml": yaml.safe_dump(config).encode()}
    refused(rewritten(path, tmp_path / "x.nmt", changes), f"data.{key}: expected a language")


@pytest.mark.parametrize("name", sorted(packages.REQUIRED))
def test_a_missing_member_is_refused(name, path, tmp_path):
    refused(rewritten(path, tmp_path / "x.nmt", {name: None}), "is damaged")


def test_a_missing_tokenizer_is_refused(path, tmp_path):
    refused(rewritten(path, tmp_path / "x.nmt", {"tokenizer.model": None}), "tokenizer.model is")


def test_double_members_are_refused(path, tmp_path):
    double = Path(rewritten(path, tmp_path / "x.nmt", {}))
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(double, "a") as archive,
    ):
        archive.writestr("config.yaml", "model: {}")
    refused(double, "double members")


def test_links_are_refused(path, tmp_path):
    def link(info):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    changes = {"config.yaml": b"/etc/passwd"}
    refused(rewritten(path, tmp_path / "x.nmt", changes, change=link), "is no plain file")


def test_an_unusual_compression_is_refused(path, tmp_path):
    def compress(info):
        info.compress_type = zipfile.ZIP_LZMA

    refused(rewritten(path, tmp_path / "x.nmt", {}, change=compress), "in an unknown way")


@pytest.mark.parametrize("name", ["weights.bin", "run.json"])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(name, path, tmp_path, monkeypatch):
    bomb = rewritten(path, tmp_path / "x.nmt", {name: bytes(30 * packages.MB)})
    monkeypatch.setattr(packages, "_read", None)
    refused(bomb, f"{name} is too large")


def test_a_size_that_the_archive_understates_is_refused(path, tmp_path):
    rewritten(path, tmp_path / "x.nmt", {})
    with zipfile.ZipFile(tmp_path / "x.nmt") as archive:
        info = archive.getinfo("weights.bin")
    content = (tmp_path / "x.nmt").read_bytes()
    size = info.file_size.to_bytes(4, "little")
    (tmp_path / "x.nmt").write_bytes(content.replace(size, (8).to_bytes(4, "little")))
    refused(tmp_path / "x.nmt", "is damaged")


def test_a_newer_format_asks_for_an_upgrade(path, tmp_path):
    manifest = json.loads(zipfile.ZipFile(path).read("manifest.json"))
    newer = json.dumps({**manifest, "format": 2, "new": 1}).encode()
    changes = {"manifest.json": newer}
    refused(rewritten(path, tmp_path / "x.nmt", changes), "was made by a newer nmt. Upgrade nmt")


@pytest.mark.parametrize("member", ["run.json", "export.json"])
def test_a_newer_member_asks_for_an_upgrade(member, path, tmp_path):
    record = json.loads(Package.open(path).members[member])
    newer = json.dumps({**record, "format": 99}).encode()
    refused(rewritten(path, tmp_path / "x.nmt", {member: newer}), "Upgrade nmt")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"{}", b'{"format": 1}', b"[" * 100_000, b'{"format": "x"}']
)
@pytest.mark.parametrize(
    "member", ["manifest.json", "run.json", "export.json", "card.json", "tokenizer.model"]
)
def test_a_record_that_is_something_else_is_refused(member, text, path, tmp_path):
    if member == "run.json" and text in (b"[]", b"{}", b'{"format": 1}'):
        pytest.skip("as good as none")
    refused(rewritten(path, tmp_path / "x.nmt", {member: text}), str(tmp_path / "x.nmt"))


def with_manifest(path, tmp_path, change):
    manifest = json.loads(zipfile.ZipFile(path).read("manifest.json"))
    change(manifest)
    changes = {"manifest.json": json.dumps(manifest).encode()}
    return rewritten(path, tmp_path / "x.nmt", changes, checksums=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["arrays"][0].update(shape=[2**62, 2**62]),
        lambda manifest: manifest["arrays"][0].update(shape=[-1, -7]),
        lambda manifest: manifest["arrays"][0].update(shape="12"),
        lambda manifest: manifest["arrays"][0].update(dtype="object"),
        lambda manifest: manifest["arrays"].pop(0),
        lambda manifest: manifest["graphs"]["encoder"].popitem(),
        lambda manifest: manifest["graphs"]["encoder"].update(other=0),
        lambda manifest: manifest["arrays"][0].update(shape=[math.inf]),
        lambda manifest: manifest.update(graphs={}),
        lambda manifest: manifest["graphs"].update(encoder=[]),
        lambda manifest: manifest.update(members=[]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, path, tmp_path):
    refused(with_manifest(path, tmp_path, change), str(tmp_path / "x.nmt"))


GOLDEN = {"source": "cat.", "text": "chat.", "log_prob": 0.0}
NO_LOG_PROBS = (10**400, math.nan, -math.inf, None, "0")


@pytest.mark.parametrize(
    "member, text",
    [
        ("config.yaml", "data: text"),
        ("export.json", {"versions": []}),
        ("export.json", {"precision": ["int8"]}),
        ("export.json", {"precision": "../../int8"}),
        ("export.json", {"golden": {"int8": [{"source": 5, "text": "x", "log_prob": 0.0}]}}),
        ("export.json", {"golden": {"int8": [{"source": "x", "text": "x", "log_prob": "0"}]}}),
        *(("export.json", {"golden": {"int8": [GOLDEN | {"log_prob": x}]}}) for x in NO_LOG_PROBS),
        ("card.json", {"parameters": 10**400}),
        ("run.json", {"format": None}),
    ],
)
def test_a_value_of_another_kind_is_refused(member, text, path, tmp_path):
    if isinstance(text, dict):
        text = json.dumps({**json.loads(Package.open(path).members[member]), **text})
    refused(rewritten(path, tmp_path / "x.nmt", {member: text.encode()}), str(tmp_path / "x.nmt"))


def with_golden(path, output, *golden):
    record = json.loads(Package.open(path).members["export.json"])
    record["golden"]["int8"] = [{**GOLDEN, **one} for one in golden]
    return rewritten(path, output, {"export.json": json.dumps(record).encode()})


@pytest.mark.parametrize(
    "golden",
    [[{}] * 33, [{"source": "cat " * 251}], [{"text": "x" * 1001}]],
    ids=["many", "long source", "long text"],
)
def test_more_stored_translations_than_are_quickly_checked_are_refused(golden, path, tmp_path):
    refused(
        with_golden(path, tmp_path / "x.nmt", *golden),
        "Expected at most 32, of at most 1,000 characters. Get it again.",
    )


def test_a_fault_of_the_package_is_not_blamed_on_a_line_of_the_user(path, tmp_path):
    with pytest.raises(UserError) as raised:
        Translator.load(with_golden(path, tmp_path / "x.nmt", {}, {"source": "a\nb"}))
    text = str(raised.value)
    assert text.startswith(f"{tmp_path / 'x.nmt'} is damaged, or not a model of nmt: its stored")
    assert "translations fail (a line must not contain a line feed" in text
    assert text.endswith("Get it again.") and "line 2" not in text and "\n" not in text


def test_a_changed_translation_is_quoted_in_short(path, tmp_path, caplog):
    Translator.load(with_golden(path, tmp_path / "x.nmt", {"text": "x" * 1000}))
    (record,) = caplog.records
    assert "does not translate as it did" in record.message and len(record.message) < 800


def test_graphs_of_something_else_are_refused(path, tmp_path):
    encoder = Package.open(path).members["encoder.onnx"]

    def change(manifest):
        manifest["graphs"]["step"] = manifest["graphs"]["encoder"]

    changed = with_manifest(path, tmp_path, change)
    refused(
        rewritten(changed, tmp_path / "y.nmt", {"step.onnx": encoder}),
        "its graphs cannot be used: there is no tensor 'next_state_",
    )


def test_weights_that_would_grow_without_bound_are_refused(path, tmp_path):
    def widen(manifest):  # a column times a row
        arrays = manifest["arrays"]
        arrays[0]["shape"], arrays[1]["shape"] = [4, 1], [1, 4]
        manifest["variables"] = {"x": [{"array": 0, "scale": 1}]}

    def repeat(manifest):
        manifest["variables"] = {"x": [{"array": 0, "scale": None}] * 10_000_000}

    for change in (widen, repeat):
        with pytest.raises(UserError, match=str(tmp_path)):
            Package.open(with_manifest(path, tmp_path, change)).weights()


def test_messages_do_not_control_the_terminal(capsys):
    say("unknown key 'a\x1b[2J\u202e'\tand\nmore")
    assert capsys.readouterr().err == "unknown key 'a\ufffd[2J\ufffd'\tand\nmore\n"


def test_a_score_that_is_code_is_refused_and_never_imported(path, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    config = Package.open(path).members["config.yaml"].decode()
    assert "score: additive" in config
    evil = config.replace("score: additive", "score: evil:Score").encode()
    refused(rewritten(path, tmp_path / "x.nmt", {"config.yaml": evil}), "which is not part of nmt")


# ------------------------------------------------------------------------------------------- graphs


def external(location, name="weights"):
    tensor = TensorProto(name=name, dims=[4], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def graph_with(initializers=(), nodes=()):
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "graph", [], [output], initializers)


def test_tensors_outside_the_graph_are_found():
    inside = helper.make_tensor("inside", TensorProto.FLOAT, [1], [1.0])
    model = helper.make_model(graph_with([external("x", "a"), inside, external("y", "b")]))
    assert external_initializers(model.SerializeToString()) == {"a", "b"}


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Constant", [], ["y"], value=external("/etc/passwd")),
        helper.make_node("If", ["x"], ["y"], then_branch=graph_with([external("/etc/passwd")])),
    ],
    ids=["constant", "inner graph"],
)
def test_a_file_that_is_named_elsewhere_is_refused(node):
    model = helper.make_model(graph_with(nodes=[node]))
    with pytest.raises(ValueError, match="not in the file"):
        external_initializers(model.SerializeToString())


def test_functions_and_bytes_that_are_no_model_are_refused():
    model = helper.make_model(graph_with())
    model.functions.add(name="f")
    for content in (model.SerializeToString(), b"\xff" * 20, b"\x3a\x7f", b"\x3b"):
        with pytest.raises(ValueError):
            external_initializers(content)


def test_a_package_that_would_fill_the_memory_is_refused(path, tmp_path):
    model = onnx.load_from_string(Package.open(path).members["encoder.onnx"])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([10**10]), "huge"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["huge"], ["zeros"]))
    changes = {"encoder.onnx": model.SerializeToString()}
    refused(
        rewritten(path, tmp_path / "x.nmt", changes),
        "its graphs cannot be used: the operator ConstantOfShape makes too large a tensor",
    )


def test_a_graph_that_names_a_file_is_refused(path, tmp_path):
    model = onnx.load_from_string(Package.open(path).members["encoder.onnx"])
    model.graph.initializer.append(external(str(tmp_path / "secret")))
    changes = {"encoder.onnx": model.SerializeToString()}
    refused(rewritten(path, tmp_path / "x.nmt", changes), "encoder.onnx cannot be used")


def test_a_graph_that_onnx_runtime_cannot_load_is_refused(path, tmp_path):
    model = onnx.load_from_string(Package.open(path).members["step.onnx"])
    model.graph.node[0].op_type = "Not" if model.graph.node[0].op_type != "Not" else "Abs"
    changes = {"step.onnx": model.SerializeToString()}
    refused(rewritten(path, tmp_path / "x.nmt", changes), "step.onnx cannot be loaded")


# --------------------------------------------------------------------------------------------- card


CARD = {
    "description": "A toy.",
    "licence": "CC BY 2.0 FR",
    "sources": [{"name": "Tatoeba", "licence": "CC BY 2.0 FR", "attribution": "its authors"}],
    "scores": [{"test_set": "toy test", "metric": "BLEU", "score": 52, "signature": "nrefs:1"}],
    "limits": ["Short sentences only."],
}


def test_a_card_is_read_and_written_as_text(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    given = GivenCard.read(tmp_path / "card.json")
    facts = {"source": "en", "target": "fr", "parameters": 9_000_000, "dev_bleu": 40.0}
    text = ModelCard(**given.model_dump(), **facts).as_text("en-fr")
    for line in (
        "# en-fr: en to fr",
        "A toy.",
        "9.0 M parameters in 8 bits.",
        "Licence of the training text: CC BY 2.0 FR",
        "- toy test: BLEU 52.00 (nrefs:1)",
        "- Tatoeba: CC BY 2.0 FR, its authors",
        "- Short sentences only.",
    ):
        assert line in text.splitlines()


def test_a_card_cannot_rewrite_a_terminal():
    facts = {"source": "en", "target": "\x1b[2J", "parameters": 1, "dev_bleu": 1.0}
    text = ModelCard(limits=("\x1b]0;evil\x07\u202e",), **facts).as_text("x")
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ('{"licences": ""}', "licences: Extra inputs"),
        ('{"scores": [{"test_set": "x"}]}', r"scores\.0\.metric: Field required"),
    ],
)
def test_a_card_that_says_something_else_is_refused(text, message, tmp_path):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(UserError, match=message):
        GivenCard.read(tmp_path / "card.json")
    with pytest.raises(UserError, match="cannot be read"):
        GivenCard.read(tmp_path / "none.json")


def test_checksums_are_those_of_sha256(path):
    package = Package.open(path)
    for name, content in package.members.items():
        assert package.manifest.members[name] == {
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
