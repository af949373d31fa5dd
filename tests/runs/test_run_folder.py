"""A run folder: complete or refused with what is missing; written whole or not at all."""

import csv
import errno
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fixtures.run import tiny_config, toy_pairs

import nmt
from nmt.errors import UserError
from nmt.runs.run_folder import FORMAT, Run, assign, load_arrays, save_arrays
from nmt.text.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizers():
    return [
        train_tokenizer(
            side,
            algorithm="bpe",
            vocabulary_size=310,
            byte_fallback=True,
            character_coverage=1.0,
            max_lines=1000,
        )
        for side in zip(*toy_pairs(60), strict=True)
    ]


@pytest.fixture
def joint(tokenizers, tmp_path):
    return Run.create(
        tmp_path / "run", tiny_config({}), tokenizers[0], tokenizers[0], {"data": "of the text"}
    )


@pytest.fixture
def separate(tokenizers, tmp_path):
    config = tiny_config({}, tokenizer={"joint": False}, model={"tied_embeddings": "target"})
    return Run.create(tmp_path / "separate", config, *tokenizers, {})


def test_what_is_created_can_be_opened(joint, separate, tokenizers):
    for run in (joint, separate):
        opened = Run.open(str(run.path))
        assert opened.config == run.config
        assert opened.source_tokenizer.model == tokenizers[0].model
        assert opened.target_tokenizer.model == run.target_tokenizer.model
    assert opened.target_tokenizer.model == tokenizers[1].model


def test_facts_tell_where_a_run_comes_from(joint):
    facts = Run.open(joint.path).metadata
    assert facts["format"] == FORMAT and facts["nmt"] == nmt.__version__ and facts["seed"] == 1
    assert {"python", "tensorflow", "keras", "numpy", "sentencepiece", "sacrebleu"} < set(facts)
    assert facts["data"] == "of the text"


def test_nothing_is_ever_overwritten(joint, tokenizers):
    before = {file.name: file.read_bytes() for file in joint.path.iterdir()}
    with pytest.raises(UserError, match=f"{joint.path} already holds a run"):
        Run.create(joint.path, tiny_config({}, training={"seed": 2}), *tokenizers, {})
    assert {file.name: file.read_bytes() for file in joint.path.iterdir()} == before


def test_a_run_begins_with_its_last_file(joint):
    assert Run.exists(joint.path)
    (joint.path / "run.json").unlink()
    assert not Run.exists(joint.path) and not Run.exists(joint.path / "nowhere")


# --------------------------------------------------------------------------------------- incomplete


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "tokenizer.model"])
def test_a_missing_file_is_named(name, joint):
    (joint.path / name).unlink()
    with pytest.raises(UserError, match=f"{joint.path} is not a complete run: {name} is missing"):
        Run.open(joint.path)


@pytest.mark.parametrize("name", ["source.model", "target.model"])
def test_a_missing_tokenizer_of_one_language_is_named(name, separate):
    (separate.path / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        Run.open(separate.path)


def test_no_folder_and_a_file_are_no_runs(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UserError, match=f"{path}: no such run folder. Train one"):
            Run.open(path)
    with pytest.raises(UserError, match=r"run\.json is missing"):
        Run.open(tmp_path)


@pytest.mark.parametrize("hint", [False, True])
def test_missing_weights_are_named_with_the_next_move(hint, joint):
    if hint:
        (joint.path / "checkpoints").mkdir()
    with pytest.raises(
        UserError, match=r"best\.npz is missing.*same `nmt train` command resumes"
    ) as caught:
        joint.load_model()
    assert ("before its first evaluation" in str(caught.value)) == hint


def test_a_run_of_a_newer_version_is_refused(joint):
    record = {**joint.metadata, "format": FORMAT + 1, "nmt": "9.9"}
    (joint.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(
        UserError, match=rf"nmt 9\.9 \(format {FORMAT + 1}\).*up to {FORMAT}.*Upgrade"
    ):
        Run.open(joint.path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"3", b'"text"', b"null", b"\xff\xfe\x00", b"[" * 100_000]
)
def test_a_damaged_record_is_reported(content, joint):
    (joint.path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json is damaged: expected a JSON object"):
        Run.open(joint.path)


def test_a_format_that_is_no_number_is_reported(joint):
    (joint.path / "run.json").write_text('{"format": null}')
    with pytest.raises(UserError, match=r"is damaged: expected a number as 'format'"):
        Run.open(joint.path)


@pytest.mark.parametrize(
    "content",
    [
        b"data: text",
        b"model: {decoder: {attention: [a]}}",
        b"a: [",
        b"- 1",
        b"\xff\xfe",
        b"data: {max_tokens: x}",
        b"model: {units: 3}",
        b"\tx: 1",
    ],
)
def test_a_damaged_config_is_reported(content, joint):
    (joint.path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.yaml"):
        Run.open(joint.path)


def test_a_damaged_tokenizer_is_reported(joint):
    (joint.path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"tokenizer\.model: expected a SentencePiece model"):
        Run.open(joint.path)


# ------------------------------------------------------------------------------------------- arrays

ARRAYS = {
    "layer/kernel": np.linspace(0, 1, 200, dtype=np.float32).reshape(20, 10),
    "layer/seed": np.array([1, 2**32 - 1], np.uint32),
    "layer/scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
}
FACTS = {"step": 12, "best_bleu": 0.1 + 0.2, "history": [{"step": 3, "name": "é"}], "none": None}


@pytest.fixture
def saved(tmp_path):
    save_arrays(tmp_path / "x.npz", ARRAYS, FACTS)
    return tmp_path / "x.npz"


def assert_same(arrays, expected):
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype and array.shape == expected[name].shape
        np.testing.assert_array_equal(array, expected[name])


def test_arrays_and_facts_come_back_bit_for_bit(saved):
    arrays, facts = load_arrays(saved)
    assert_same(arrays, ARRAYS)
    assert facts == FACTS


def test_the_file_is_a_plain_archive_that_numpy_alone_can_read(saved):
    with np.load(saved, allow_pickle=False) as stream:
        assert set(stream.files) == {*ARRAYS, "facts.json"}


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.npz: no such file"):
        load_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("length", [0, 1, 100, -100, -1])
def test_a_truncated_file_is_reported(length, saved):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(UserError, match=r"x\.npz is damaged.*Restore it, or train again"):
        load_arrays(saved)


def test_a_flipped_bit_makes_no_array_wrong(saved):
    """It is reported, or lies where nothing is read (dates, padding of headers), or hides an array:
    see below."""
    original = saved.read_bytes()
    reported, places = 0, range(0, len(original), 3)
    for place in places:
        content = bytearray(original)
        content[place] ^= 1 << place % 8
        saved.write_bytes(content)
        try:
            arrays, facts = load_arrays(saved)
        except UserError as error:
            assert "is damaged" in str(error)
            reported += 1
        else:
            assert_same(arrays, {name: ARRAYS[name] for name in arrays})
            assert facts == FACTS
    assert reported > len(places) / 2


def test_other_peoples_archives_are_reported(tmp_path):
    np.savez(tmp_path / "x.npz", weights=np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        load_arrays(tmp_path / "x.npz")
    np.save(tmp_path / "y.npy", np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        load_arrays(tmp_path / "y.npy")
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("facts.json.npy", b"no array")
    with pytest.raises(UserError, match="is damaged"):
        load_arrays(tmp_path / "z.npz")
    np.savez(tmp_path / "p.npz", **{"facts.json": np.array([{"object": 1}], dtype=object)})
    with pytest.raises(UserError, match="is damaged"):
        load_arrays(tmp_path / "p.npz")


@pytest.mark.parametrize(
    "array", [np.array(["a"]), np.array([b"a"]), np.array([1j]), np.zeros(3, [("x", int)])]
)
def test_arrays_of_something_else_than_numbers_are_reported(array, tmp_path):
    save_arrays(tmp_path / "x.npz", {"weights": array}, {})
    with pytest.raises(UserError, match=r"is damaged.*weights is of type"):
        load_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("facts", [b"[1]", b"1", b"{", b"[" * 10**5])
def test_facts_that_are_no_object_are_reported(facts, tmp_path):
    np.savez(tmp_path / "x.npz", **{"facts.json": np.frombuffer(facts, np.uint8)})
    with pytest.raises(UserError, match="is damaged"):
        load_arrays(tmp_path / "x.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "deflated.npz", **ARRAYS)
    with zipfile.ZipFile(tmp_path / "overlapping.npz", "w") as archive:
        archive.writestr("a.npy", bytes(1000))
        archive.filelist += archive.filelist * 9  # the same bytes ten times
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpacked"))
    for name, message in (("deflated", "compressed"), ("overlapping", "larger than the file")):
        with pytest.raises(UserError, match=f"is damaged.*{message}"):
            load_arrays(tmp_path / f"{name}.npz")


class Full(io.RawIOBase):
    """A file on a disk that is full after `room` bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def writable(self):
        return True

    def seekable(self):
        return True

    def fileno(self):
        return self.file.fileno()

    def seek(self, *arguments):
        return self.file.seek(*arguments)

    def tell(self):
        return self.file.tell()

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def close(self):
        self.file.close()
        super().close()


@pytest.mark.parametrize("room", [0, 500, 1500])
def test_a_full_disk_leaves_the_previous_file_intact(room, saved, monkeypatch):
    before = saved.read_bytes()

    def open_full(path, mode):
        return Full(open(path, mode), room)

    monkeypatch.setattr("nmt.text.lines._open", open_full)
    with pytest.raises(
        UserError, match=r"No space left on device\. Free some disk space.*previous file is intact"
    ):
        save_arrays(saved, {**ARRAYS, "layer/kernel": np.ones((20, 10), np.float32)}, FACTS)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_a_disk_that_fills_up_at_the_last_moment_leaves_the_previous_file_intact(
    saved, monkeypatch
):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(UserError, match="Free some disk space"):
        save_arrays(saved, {}, {})
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_an_interrupted_save_leaves_the_previous_file_intact(saved, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_arrays(saved, {}, {})
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


# ------------------------------------------------------------------------------------------ weights


class Variable:
    def __init__(self, value):
        self.value = np.asarray(value)
        self.shape = self.value.shape

    def assign(self, value):
        self.value = value


def test_weights_are_restored_by_name(tmp_path):
    variables = {"a": Variable([0.0, 0.0]), "b": Variable([[0.0]])}
    assign(variables, {"b": np.array([[3.0]]), "a": np.array([1.0, 2.0])}, tmp_path)
    assert [variable.value.tolist() for variable in variables.values()] == [[1.0, 2.0], [[3.0]]]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"a": np.ones(2)}, r"1 arrays differ, the first b: expected \(1, 1\), received None"),
        (
            {"a": np.ones(2), "b": np.ones((1, 1)), "c": np.ones(1)},
            r"1 arrays differ, the first c: expected None, received \(1,\)",
        ),
        (
            {"a": np.ones(3), "b": np.ones((1, 2))},
            r"2 arrays differ, the first a: expected \(2,\), received \(3,\)",
        ),
    ],
    ids=["one is missing", "one too many", "other shapes"],
)
def test_weights_that_do_not_fit_are_refused_and_none_is_assigned(arrays, message, tmp_path):
    variables = {"a": Variable([0.0, 0.0]), "b": Variable([[0.0]])}
    with pytest.raises(UserError, match=f"best.npz does not fit this config: {message}"):
        assign(variables, arrays, tmp_path / "best.npz")
    assert not any(np.any(variable.value) for variable in variables.values())


def test_the_weights_of_a_model_come_back_in_a_new_one(joint, randomize):
    model = randomize(joint.build_model())
    weights = {variable.path: variable.numpy() for variable in model.trainable_variables}
    save_arrays(joint.path / "best.npz", weights, {})
    loaded = Run.open(joint.path).load_model()
    assert_same(
        {variable.path: variable.numpy() for variable in loaded.trainable_variables}, weights
    )


def test_weights_of_another_config_do_not_load(joint, separate):
    weights = {
        variable.path: variable.numpy() for variable in joint.build_model().trainable_variables
    }
    save_arrays(separate.path / "best.npz", weights, {})
    with pytest.raises(
        UserError, match=r"best\.npz does not fit this config: 1 arrays differ.*source_embedding"
    ):
        separate.load_model()


def test_a_new_model_is_that_of_the_seed_and_of_both_vocabularies(joint, separate):
    first, second = joint.build_model(), joint.build_model()
    for ours, theirs in zip(first.trainable_variables, second.trainable_variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert separate.build_model().vocabulary_sizes == tuple(
        tokenizer.vocabulary_size
        for tokenizer in (separate.source_tokenizer, separate.target_tokenizer)
    )


# ------------------------------------------------------------------------------------------ history


def test_history_is_a_table_that_is_written_anew_each_time(joint):
    rows = [{"step": 10, "dev_bleu": np.float64(1.5)}, {"step": 20, "dev_bleu": 2.25}]
    joint.write_history(rows[:1])
    joint.write_history(rows)
    with open(joint.path / "history.csv", newline="") as stream:
        assert list(csv.DictReader(stream)) == [
            {"step": "10", "dev_bleu": "1.5"},
            {"step": "20", "dev_bleu": "2.25"},
        ]
    assert joint.read_history() == rows


@pytest.mark.parametrize(
    "content", [b"step\nx\n", b"step,epoch\n1\n", b"step\n1,2\n", b"\xff\n1\n"]
)
def test_a_damaged_history_is_reported(content, joint):
    (joint.path / "history.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"history\.csv is damaged.*`nmt train` command writes it"):
        joint.read_history()


def test_the_folder_of_an_export_is_no_run_to_train_or_convert(joint):
    (joint.path / "export.json").write_text("{}")
    with pytest.raises(UserError, match=f"{joint.path} is an export.*Name the run folder"):
        joint.weights_file()


def test_a_run_may_be_moved_and_renamed(joint, tmp_path):
    moved = shutil.move(joint.path, tmp_path / "été 1")
    assert Run.open(moved).config == joint.config


def test_run_json_is_read_once_and_follows_a_change(joint, monkeypatch):
    reads = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read_bytes(path))
    run = Run.open(joint.path)
    assert run.metadata["seed"] == run.metadata["seed"]
    assert [path.name for path in reads].count("run.json") == 1
    monkeypatch.undo()
    run.record_change(run.config, {"note": "changed"})
    assert run.metadata["note"] == Run.open(joint.path).metadata["note"] == "changed"


def test_other_decoding_options_leave_the_run_as_it_is(joint):
    decoding = joint.config.decoding.model_copy(update={"beam_size": 7})
    other = joint.with_decoding(decoding)
    assert (other.config.decoding.beam_size, other.path) == (7, joint.path)
    assert joint.config.decoding.beam_size != 7
