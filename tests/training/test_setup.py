"""From a config to checked data, tokenizers and a run: what is wrong is said at once, and leaves
nothing behind."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fixtures.run import tiny_config, toy_data, toy_pairs, write_pairs

from nmt.config.loader import Config
from nmt.config.schema import RENAMED_KEYS
from nmt.errors import UserError
from nmt.runs.checkpoints import only_trainer
from nmt.runs.run_folder import Run
from nmt.text.lines import read_lines
from nmt.text.model_input import ModelInput
from nmt.text.tokenizer import Tokenizer
from nmt.training import setup as module
from nmt.training.setup import (
    build_tokenizers,
    choose_precision,
    find_texts,
    pairs_to_learn_from,
    prepare,
)


@pytest.fixture
def data(tmp_path):
    return toy_data(tmp_path / "text", num_pairs=60, num_dev=5)


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def test_a_new_run_has_config_tokenizer_corpus_and_facts(data, run):
    config = tiny_config(data)
    prepared = prepare(config, run)
    assert len(prepared.corpus) == 60
    assert prepared.dev == toy_pairs(5, seed=2)
    opened = Run.open(run)
    assert opened.config == config
    assert opened.source_tokenizer.fingerprint == opened.target_tokenizer.fingerprint
    assert set(opened.metadata["texts"]) == {
        "train, source",
        "train, target",
        "dev, source",
        "dev, target",
    }
    assert opened.metadata["precision"] == "float32"
    assert not list(run.glob("*.npz"))


def test_the_dev_set_is_raw(data, run):
    pairs = [("ﬁsh", "poisson\u202f!"), ("", ""), ("cat " * 200, "x\u2028y")]
    write_pairs(Path(data["dev"]), pairs)
    data["model_input"] = "nfkc"
    assert prepare(tiny_config({**data, "max_tokens": 10}), run).dev == pairs


def test_the_same_config_opens_the_run_and_trains_no_tokenizer(data, run, monkeypatch):
    first = prepare(tiny_config(data), run)
    monkeypatch.setattr(module, "train_tokenizer", lambda *_, **__: pytest.fail("trained again"))
    second = prepare(tiny_config(data), run)
    assert second.corpus.fingerprint == first.corpus.fingerprint
    assert second.run.target_tokenizer.model == first.run.target_tokenizer.model


def test_the_same_config_and_text_make_the_same_tokenizer_anywhere(data, run, tmp_path):
    moved = {
        name: write_pairs(tmp_path / "moved" / name, read_pairs(prefix))
        for name, prefix in data.items()
    }
    first, second = prepare(tiny_config(data), run), prepare(tiny_config(moved), tmp_path / "other")
    assert first.run.source_tokenizer.model == second.run.source_tokenizer.model
    assert first.corpus.fingerprint == second.corpus.fingerprint


def test_a_run_like_another_has_its_vocabulary_and_encodes_nothing(
    data, run, tmp_path, monkeypatch
):
    first = prepare(tiny_config(data), run)
    monkeypatch.setattr(module, "train_tokenizer", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr("nmt.training.corpus._write", lambda *_: pytest.fail("encoded again"))
    config = tiny_config(data, training={"seed": 7}, model={"decoder": {"attention": "luong"}})
    second = prepare(config, tmp_path / "other", like=first.run)
    assert second.run.source_tokenizer.model == first.run.source_tokenizer.model
    assert second.corpus.fingerprint == first.corpus.fingerprint and second.run.config == config
    assert Run.open(tmp_path / "other").config == config


def read_pairs(prefix):
    return list(zip(read_lines(f"{prefix}.en"), read_lines(f"{prefix}.fr"), strict=True))


# ------------------------------------------------------------------------------------- vocabularies


def characters_of(tokenizer: Tokenizer) -> set[str]:
    pieces = (tokenizer.pieces([id])[0] for id in range(20, tokenizer.vocabulary_size))
    return {character for piece in pieces if not piece.startswith("<0x") for character in piece}


def test_a_joint_vocabulary_serves_both_languages(data, run):
    prepared = prepare(tiny_config(data), run).run
    assert prepared.source_tokenizer is prepared.target_tokenizer
    assert {"è", "g"} <= characters_of(prepared.source_tokenizer)  # rivière, dog
    assert (run / "tokenizer.model").is_file() and not (run / "source.model").exists()
    assert prepared.source_tokenizer.vocabulary_size == 340


def test_separate_vocabularies_know_one_language_each(data, run):
    config = tiny_config(
        data,
        tokenizer={"joint": False, "vocabulary_size": 310},
        model={"tied_embeddings": "target"},
    )
    prepared = prepare(config, run).run
    source, target = (
        characters_of(prepared.source_tokenizer),
        characters_of(prepared.target_tokenizer),
    )
    assert "è" not in source and "g" in source
    assert "è" in target and "g" not in target
    assert not (run / "tokenizer.model").exists()
    opened = Run.open(run)
    assert opened.source_tokenizer.fingerprint != opened.target_tokenizer.fingerprint
    assert opened.source_tokenizer.model == prepared.source_tokenizer.model


def test_the_tokenizer_learns_from_a_sample_of_each_language(data, monkeypatch):
    seen = []

    def train_tokenizer(lines, **options):
        seen.append([line.text for line in lines])
        assert len(lines) <= options["max_lines"]

    monkeypatch.setattr(module, "train_tokenizer", train_tokenizer)
    config = tiny_config(data, tokenizer={"max_lines": 7})
    build_tokenizers(config, find_texts(config).train, ModelInput())
    sides = [set(side) for side in zip(*read_pairs(data["train"]), strict=True)]
    assert [sum(line in side for line in seen[0]) for side in sides] == [7, 7]


def test_each_pair_is_masked_once_for_both_tokenizers(data, monkeypatch):
    masked, mask = [], module.PairMasker.mask

    def noted(self, number, *pair):
        masked.append(number)
        return mask(self, number, *pair)

    monkeypatch.setattr(module, "train_tokenizer", lambda lines, **_: None)
    monkeypatch.setattr(module.PairMasker, "mask", noted)
    config = tiny_config(data)
    build_tokenizers(config, find_texts(config).train, ModelInput())
    assert masked == list(range(len(read_pairs(data["train"]))))


def test_the_tokenizer_learns_from_normalised_text(data, run):
    write_pairs(
        Path(data["train"]), [(f"ﬁne {source}", target) for source, target in toy_pairs(60)]
    )
    plain = prepare(tiny_config({**data, "model_input": "raw"}), run).run.source_tokenizer
    nfkc = prepare(
        tiny_config({**data, "model_input": "nfkc"}), run.with_name("nfkc")
    ).run.source_tokenizer
    assert "ﬁ" in characters_of(plain) and "ﬁ" not in characters_of(nfkc)


# ----------------------------------------------------------------------------------------- refusals


def refuses(config: Config, path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(config, path)


@pytest.mark.parametrize("name, option", [("train", "--data PREFIX"), ("dev", "--dev PREFIX")])
def test_a_config_without_text_says_which_key_and_option_to_set(name, option, data, run):
    refuses(tiny_config({**data, name: None}), run, rf"set data\.{name} .* {option}")
    assert not run.exists()


@pytest.mark.parametrize("name", ["train", "dev"])
@pytest.mark.parametrize("suffix", ["en", "fr"])
def test_a_missing_file_is_named(name, suffix, data, run):
    file = Path(f"{data[name]}.{suffix}")
    file.unlink()
    refuses(tiny_config(data), run, f"did not find: {file}")
    assert not run.exists()


@pytest.mark.parametrize("name", ["train", "dev"])
def test_unequal_line_counts_are_both_said(name, data, run):
    with open(f"{data[name]}.en", "ab") as stream:
        stream.write(b"one more\nand another\n")
    count = {"train": 60, "dev": 5}[name]
    refuses(tiny_config(data), run, rf"{count + 2} in .*{name}\.en, {count} in .*{name}\.fr")
    assert not run.exists()


@pytest.mark.parametrize("name", ["train", "dev"])
def test_text_that_is_no_utf8_is_named_with_file_and_line(name, data, run):
    file = Path(f"{data[name]}.fr")
    lines = file.read_bytes().split(b"\n")
    lines[2] = "rivière".encode("latin-1")
    file.write_bytes(b"\n".join(lines))
    refuses(tiny_config(data), run, rf"{name}\.fr, line 3: expected UTF-8")
    assert not run.exists()


def test_an_empty_dev_set_is_refused(data, run):
    write_pairs(Path(data["dev"]), [])
    refuses(tiny_config(data), run, "at least one line in the dev set")


@pytest.mark.parametrize(
    "pairs", [[], [("", ""), (" ", "\u202f")]], ids=["no lines", "blank lines"]
)
def test_a_training_text_without_text_is_refused(pairs, data, run):
    write_pairs(Path(data["train"]), pairs)
    refuses(tiny_config(data), run, rf"{data['train']}\.en: a tokenizer needs text")
    assert not run.exists()


@pytest.mark.parametrize("size, message", [(5000, "at most"), (100, "at least")])
def test_a_vocabulary_that_the_text_does_not_allow_is_refused_with_the_limit(
    size, message, data, run
):
    refuses(tiny_config(data, tokenizer={"vocabulary_size": size}), run, rf"{message} \d+")
    assert not run.exists()


def test_text_of_which_every_pair_is_dropped_leaves_no_run_behind(data, run):
    refuses(
        tiny_config({**data, "max_tokens": 1}), run, "none; dropped {'longer than 1 tokens': 60}"
    )
    assert len(prepare(tiny_config({**data, "max_tokens": 50}), run).corpus) == 60


def test_a_run_folder_that_cannot_be_made_is_named(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refuses(tiny_config(data), tmp_path / "file", "cannot be made.*another run folder")
    refuses(tiny_config(data), tmp_path / "file" / "run", "cannot be made.*another run folder")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_run_of_another_config_is_refused_key_by_key(data, run):
    prepare(tiny_config(data), run)
    other = tiny_config(data, model={"encoder": {"units": 9}}, training={"seed": 2, "epochs": 1})
    with pytest.raises(UserError) as caught:
        prepare(other, run)
    lines = str(caught.value).split("\n")
    assert lines[1:-1] == ["  model.encoder.units: 8 -> 9", "  training.seed: 1 -> 2"]
    assert str(run) in lines[0] and "--run" in lines[-1]


@pytest.mark.parametrize(
    "name",
    [".lock", "train.log", "history.csv", "best.npz", "checkpoints", "checkpoints/step-1.npz"],
)
@pytest.mark.parametrize("has_begun", [True, False])
def test_a_link_out_of_the_run_is_refused(name, has_begun, data, run, tmp_path):
    if has_begun:
        prepare(tiny_config(data), run)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(victim)
    with pytest.raises(UserError, match=f"{name}: expected a file or folder.*Received: a link"):
        prepare(tiny_config(data), run)
    assert victim.read_text() == "mine"


def test_the_run_folder_itself_may_be_a_link(data, run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    run.symlink_to(tmp_path / "elsewhere")
    assert prepare(tiny_config(data), run).run.path == run


def test_an_average_of_runs_is_not_resumed(data, run):
    config = tiny_config(data)
    prepare(config, run)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"average_of": ["a/best.npz", "b/best.npz"]}))
    with pytest.raises(UserError, match=rf"nothing to resume.*--init-from {run} --run ANOTHER"):
        prepare(config, run)


def test_an_export_is_not_resumed(data, run):
    prepare(tiny_config(data), run)
    (run / "export.json").write_text("{}")
    refuses(tiny_config(data), run, f"{run} is an export.*Name the run folder")


@pytest.mark.parametrize(
    ("name", "fact"),
    [("format", None), ("nmt", 3), ("texts", ["a"]), ("texts", {"a": 1}), ("precision", None)],
)
def test_a_record_without_what_resuming_needs_is_damaged(name, fact, data, run):
    prepare(tiny_config(data), run)
    facts = json.loads((run / "run.json").read_text()) | {name: fact}
    facts = {key: value for key, value in facts.items() if value is not None}
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=rf"run\.json is damaged: '{name}' is.*--init-from"):
        prepare(tiny_config(data), run)


def test_a_run_may_be_decoded_otherwise_and_its_text_may_move(data, run, tmp_path, caplog):
    prepare(tiny_config(data), run)
    moved = {
        name: write_pairs(tmp_path / "moved" / name, read_pairs(prefix))
        for name, prefix in data.items()
    }
    other = tiny_config(moved, decoding={"beam_size": 2})
    with caplog.at_level(logging.INFO, logger="nmt"):
        prepare(other, run)
    assert Run.open(run).config == other  # what comes after training, an export say, finds the text
    assert re.search(
        r"from now on:\n  data\.train: .* -> .*\n  data\.dev: .*\n  decoding\.beam_size: \d -> 2",
        caplog.text,
    )


def test_a_run_of_other_text_is_refused_before_it_is_encoded(data, run):
    prepare(tiny_config(data), run)
    with open(f"{data['train']}.en", "ab") as source, open(f"{data['train']}.fr", "ab") as target:
        source.write(b"cat\n"), target.write(b"chat\n")
    refuses(
        tiny_config(data),
        run,
        r"other text:\n  train, source: .* -> .*\n  train, target: [^\n]*\n"
        r".*\(of a comparison: --output\).*--accept-changes",
    )
    assert len(list((run / "corpus").iterdir())) == 1


def test_another_dev_set_is_refused_too(data, run):
    prepare(tiny_config(data), run)
    write_pairs(Path(data["dev"]), toy_pairs(5, seed=3))
    refuses(tiny_config(data), run, "dev, source: other text")


def test_changes_are_accepted_on_request_and_recorded(data, run, caplog):
    prepare(tiny_config(data), run)
    write_pairs(Path(data["train"]), toy_pairs(70, seed=4))
    other = tiny_config(data, training={"epochs": 7}, model={"dropout": {"layer": 0.3}})
    prepared = prepare(other, run, accept_changes=True)
    assert len(prepared.corpus) == 70
    opened = Run.open(run)
    assert prepared.run.config == opened.config == other
    (changes,) = opened.metadata["changes"]
    assert (
        changes[:2] == ["model.dropout.layer: 0.0 -> 0.3", "training.epochs: 1 -> 7"]
        and len(changes) == 4
    )
    assert "accepted changes" in caplog.text and "train, source: other text" in caplog.text
    prepare(other, run)  # from now on it is the run's own


def test_text_that_can_be_read_only_once_is_refused(data, run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe: expected a file of text for data\.train"):
        prepare(tiny_config({**data, "train": f"{tmp_path / 'pipe'},{data['train']}.fr"}), run)


def test_accepted_text_of_no_use_changes_no_run(data, run):
    prepare(tiny_config(data), run)
    with pytest.raises(UserError):
        prepare(tiny_config({**data, "max_tokens": 1}), run, accept_changes=True)
    prepare(tiny_config(data), run)


def test_a_run_that_is_being_trained_takes_no_changes(data, run):
    prepare(tiny_config(data), run)
    with only_trainer(run), pytest.raises(UserError, match="being trained by another process"):
        prepare(tiny_config(data, training={"epochs": 7}), run, accept_changes=True)
    prepare(tiny_config(data), run)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"encoder": {"units": 9}}},
        {"tokenizer": {"vocabulary_size": 345}},
        {"training": {"optimizer": "sgd"}},
        {"training": {"freeze": ["encoder"]}},
    ],
    ids=["model", "tokenizer", "optimizer", "freeze"],
)
def test_what_no_weights_survive_is_refused_on_request_too(changes, data, run):
    prepare(tiny_config(data), run)
    with pytest.raises(UserError) as caught:
        prepare(tiny_config(data, **changes), run, accept_changes=True)
    assert "another folder" in str(caught.value) and "--accept-changes" not in str(caught.value)


def test_other_versions_are_said(data, run, caplog, monkeypatch):
    prepare(tiny_config(data), run)
    assert "versions" not in caplog.text
    monkeypatch.setattr(Run, "versions", lambda: {**Run.open(run).metadata, "numpy": "9.9"})
    prepare(tiny_config(data), run)
    assert "begun with other versions" in caplog.text and "-> 9.9" in caplog.text


# --------------------------------------------------------------------- more than text and tokenizer


def test_several_corpora_are_one_corpus(data, run):
    other = write_pairs(run.with_name("other"), toy_pairs(20, seed=9))
    weights = run.with_name("weights")
    weights.write_text("0.5\n" * 60)
    first, second = {"path": data["train"], "weights": str(weights)}, {"path": other, "weight": 2}
    config = tiny_config({**data, "train": [first, second]})
    corpus = prepare(config, run).corpus
    assert len(corpus) == 80
    assert [(part.name, part.num_pairs, part.num_drawn) for part in corpus.parts] == [
        (data["train"], 60, 60),
        (other, 20, 40),
    ]
    assert corpus.weights.tolist() == [0.5] * 60 + [1.0] * 20
    assert set(Run.open(run).metadata["texts"]) >= {"train, source", "train 2, target", "weights"}
    weights.write_text("0.6\n" * 60)
    refuses(config, run, "weights: other text")


def test_a_tokenizer_learns_from_all_corpora(data, run):
    other = write_pairs(run.with_name("other"), [("zebu œ", "zébu œ")] * 20)
    config = tiny_config({**data, "train": [{"path": data["train"]}, {"path": other}]})
    assert "œ" in characters_of(prepare(config, run).run.source_tokenizer)


def test_a_missing_file_of_any_corpus_is_named(data, run):
    corpora = [{"path": data["train"]}, {"path": "nowhere", "weight": 2}]
    refuses(tiny_config({**data, "train": corpora}), run, "no parallel text at nowhere")
    corpora = [{"path": data["train"]}, {"path": data["train"], "weights": "nowhere"}]
    refuses(tiny_config({**data, "train": corpora}), run, "nowhere: no such file")


def test_another_weight_of_a_corpus_is_a_difference_and_another_path_is_not(data, run):
    def config(weight, path=data["train"]):
        corpora = [{"path": data["train"]}, {"path": path, "weight": weight}]
        return tiny_config({**data, "train": corpora})

    prepare(config(2), run)
    moved = write_pairs(run.with_name("moved"), read_pairs(data["train"]))
    prepare(config(2, moved), run)
    refuses(config(3), run, r"\n  data\.train\.1\.weight: 2\.0 -> 3\.0\n")
    refuses(tiny_config(data), run, r"\n  data\.train: \[.*\] -> \[.*\]\n.*train 2, source: other")
    assert prepare(config(3), run, accept_changes=True).corpus.parts[1].num_drawn == 180


def test_a_run_with_a_mixture_of_an_older_version_resumes_with_a_list(data, run):
    """Its config.yaml and its fingerprints have the old names."""
    mix = write_pairs(run.with_name("mix"), toy_pairs(20, seed=9))
    corpora = [{"path": data["train"]}, {"path": mix, "share": 0.25}]
    config = tiny_config({**data, "train": corpora})
    corpus = prepare(config, run).corpus
    rewrite_config(run, lambda values: values["data"].update(data, mix=mix, mix_share=0.25))
    facts = (run / "run.json").read_text()
    assert "train 2," in facts
    (run / "run.json").write_text(facts.replace("train 2,", "mix,"))
    resumed = prepare(config, run).corpus
    assert resumed.fingerprint == corpus.fingerprint and resumed.parts == corpus.parts
    assert [part.num_drawn for part in corpus.parts] == [60, 20]


def test_renamed_keys_are_no_difference_on_resuming(data, run, caplog):
    config = tiny_config(
        data,
        training={"ema_decay": 0.7, "early_stopping_patience": 3, "gradient_accumulation": 2},
        decoding={"mbr": 2.0},
    )
    prepare(config, run)

    def rename(values):
        values["data"].update(mix=None, mix_share=0.5)  # every older config has them
        for old, new in RENAMED_KEYS.items():
            (section, old_key), (_, new_key) = old.split("."), new.split(".")
            values[section][old_key] = values[section].pop(new_key)

    rewrite_config(run, rename)
    before = (run / "config.yaml").read_text()
    assert "average_decay: 0.7" in before and "consensus: 2.0" in before
    with caplog.at_level(logging.INFO, logger="nmt"):
        prepare(config, run)
    assert "from now on" not in caplog.text
    assert (run / "config.yaml").read_text() == before


def rewrite_config(run, change):
    values = yaml.safe_load((run / "config.yaml").read_text())
    change(values)
    (run / "config.yaml").write_text(yaml.safe_dump(values))


def test_weights_of_a_run_that_has_lost_its_record_get_no_other_vocabulary(data, run):
    prepare(tiny_config(data), run)
    (run / "best.npz").write_bytes(b"weights")
    (run / "run.json").unlink()
    before = (run / "tokenizer.model").read_bytes()
    other = {**data, "train": data["dev"]}
    refuses(tiny_config(other), run, r"holds trained weights, but no run\.json")
    assert (run / "tokenizer.model").read_bytes() == before and not Run.exists(run)


@pytest.mark.parametrize(
    ("section", "key"), [("training", "init_from"), ("data", "weights")], ids=str
)
def test_an_empty_path_is_not_taken_for_none(section, key, data, run):
    sections = {"data": data, "training": {}}
    sections[section] = {**sections[section], key: ""}
    config = tiny_config(**sections)
    refuses(config, run, rf"{section}\.{key}: expected a path, or null for none. Received: an emp")


def test_weights_may_lie_in_the_home_folder(data, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w").write_text("2\n" * 60)
    assert prepare(tiny_config({**data, "weights": "~/w"}), run).corpus.weights.tolist() == [2] * 60


def test_weights_are_a_file_which_can_be_read_again(data, run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        config = tiny_config({**data, "weights": str(path)})
        refuses(config, run, r"Received: a folder or a pipe\. data\.weights names")


def test_missing_weights_are_named(data, run):
    refuses(
        tiny_config({**data, "weights": "nowhere"}),
        run,
        r"nowhere: no such file. data\.weights names",
    )


def test_fine_tuning_keeps_the_vocabulary(data, run):
    parent = prepare(tiny_config(data), run).run
    (run / "best.npz").write_bytes(b"")  # read when training begins
    new = {**data, "train": write_pairs(run.with_name("new"), [("xylophone", "vibraphone")] * 30)}
    config = tiny_config(new, training={"init_from": str(run)}, model={"dropout": {"layer": 0.3}})
    child = prepare(config, run.with_name("child")).run
    assert child.source_tokenizer.model == parent.source_tokenizer.model
    refuses(
        tiny_config(new, training={"init_from": str(run)}, model={"encoder": {"units": 9}}),
        run.with_name("other"),
        r"must have its model and tokenizers.*\n  model\.encoder\.units: 8 -> 9\nLeave the recipe"
        r" out",
    )


def test_a_run_that_lost_its_corpus_encodes_it_again(data, run):
    first = prepare(tiny_config(data), run)
    for file in (run / "corpus" / first.corpus.fingerprint).iterdir():
        file.unlink()
    assert len(prepare(tiny_config(data), run).corpus) == 60


# ----------------------------------------------------------------------------------------- the rest


def test_auto_is_bfloat16_where_the_processor_multiplies_in_it(monkeypatch):
    assert choose_precision("float32") == "float32"
    assert choose_precision("bfloat16") == "bfloat16"
    for flags, expected in [
        ("flags : avx512f avx512_bf16 avx2", "bfloat16"),
        ("flags : amx_bf16", "bfloat16"),
        ("flags : avx2 avx512f", "float32"),
        ("", "float32"),
    ]:
        monkeypatch.setattr(Path, "read_text", lambda self, flags=flags: flags)
        assert choose_precision("auto") == expected


def test_auto_is_float32_where_nothing_is_known(monkeypatch):
    def missing(self):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert choose_precision("auto") == "float32"


def test_prepare_loads_no_tensorflow(data, run):
    recipe = run.with_name("recipe.yaml")
    recipe.write_text(tiny_config(data).to_yaml())
    program = (
        "import sys; from pathlib import Path; from nmt.config.loader import load_config; from"
        f" nmt.training.setup import prepare\nprepare(load_config({str(recipe)!r}),"
        f" Path({str(run)!r}))\nprint({{'tensorflow', 'keras', 'matplotlib'}} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stdout == "set()\n", process.stderr


def test_hard_attention_is_not_trained(data, run):
    decoder = {"attention": "attend_first/monotonic", "score_options": {"mode": "hard"}}
    refuses(tiny_config(data, model={"decoder": decoder}), run, "Train with 'expected'")


def test_a_vocabulary_is_learnt_from_a_text_as_often_as_it_is_trained_on(data, tmp_path):
    rare = write_pairs(tmp_path / "rare", [(f"rare {i}", f"rare {i}") for i in range(400)])
    corpora = [{"path": data["train"], "weight": 2.0}, {"path": rare, "weight": 0.25}]
    texts = find_texts(tiny_config({**data, "train": corpora})).train
    drawn = list(pairs_to_learn_from(texts, 1))
    assert drawn == list(pairs_to_learn_from(texts, 1))
    assert sum(not source.startswith("rare") for source, _ in drawn) == 60
    assert 70 < sum(source.startswith("rare") for source, _ in drawn) < 130
