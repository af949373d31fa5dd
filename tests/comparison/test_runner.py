import contextlib
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fixtures.comparison import VARIANTS
from fixtures.run import assert_error, toy_pairs, write_pairs

from nmt.comparison import measuring
from nmt.comparison import runner as module
from nmt.comparison.measuring import ComparedText, EvaluationTexts, GoldAlignments
from nmt.comparison.runner import compare, one_by_one, train_in_processes
from nmt.config.loader import load_config
from nmt.errors import Interrupted, UserError
from nmt.evaluation.word_alignment import Alignment
from nmt.inference.outputs import Candidate, Translation
from nmt.runs.run_folder import Run, save_arrays
from nmt.text.lines import read_lines
from nmt.training.setup import prepare

pytest_plugins = ["fixtures.cli", "fixtures.comparison"]


def as_text(pairs):
    return ComparedText(*map(list, zip(*pairs, strict=True)))


# ------------------------------------------------------------------------------------------ running


class Fake:
    """A translator that knows some of the references, and counts what it is asked."""

    asked: list[int]  # lines, by call

    def __init__(self, run, references):
        self.run, self.references = run, references

    def translate(self, lines, progress=lambda count: None):
        Fake.asked.append(len(lines))
        progress(len(lines))
        known = self.run.config.training.seed
        texts = [self.references[line] if i % 3 < known else "chat" for i, line in enumerate(lines)]
        return [
            Translation(line, (Candidate(text, 0.0, 0.0, False),))
            for line, text in zip(lines, texts, strict=True)
        ]

    def align_lines(self, sources, targets, lag=0, batch_size=None, progress=None):
        words = [
            (source.split(), target.split())
            for source, target in zip(sources, targets, strict=True)
        ]
        return [Alignment(s, t, np.full((len(t), len(s)), 1 / len(s)), [], []) for s, t in words]


@pytest.fixture
def world(recipe, tmp_path, monkeypatch):
    """Trainings that take no time, translators that have learnt nothing; and what was done, in
    order."""

    class World:
        def __init__(self):
            self.trained, self.texts = [], {"dev": as_text(toy_pairs(6, seed=2))}

        def train(self, path):
            self.trained.append(path)
            save_arrays(path / "best.npz", {"weights": np.zeros(7)}, {})
            Run.open(path).write_history([{"step": 4, "minutes": 0.5, "dev_bleu": 1.0}])

        def compare(self, planned, train=None, gold=None, texts=None):
            self.trained, Fake.asked = [], []
            tests = EvaluationTexts(texts or self.texts, gold)
            compare("title", planned, tests, tmp_path / "out", one_by_one(train or self.train))

        def report(self):
            return (tmp_path / "out" / "report.md").read_text("utf-8")

    pairs = dict(toy_pairs(6, seed=2) + toy_pairs(9, seed=5))
    monkeypatch.setattr(measuring.Translator, "load", lambda run, precision: Fake(run, pairs))
    monkeypatch.setattr(measuring, "import_tensorflow", lambda: None)
    monkeypatch.setattr("nmt.comparison.report._draw", lambda *_: None)
    return World()


def test_runs_share_tokenizer_and_encoded_text_and_differ_in_what_varies(world, planned):
    runs = planned()
    world.compare(runs)
    assert world.trained == [run.path for run in runs]
    first, *others = (Run.open(run.path) for run in runs)
    (corpus,) = (first.path / "corpus").iterdir()
    for other in others:
        assert other.source_tokenizer.fingerprint == first.source_tokenizer.fingerprint
        assert [folder.name for folder in (other.path / "corpus").iterdir()] == [corpus.name]
    assert [run.config.model.decoder.score for run in (first, *others)] == [
        "additive",
        "general",
    ] * 2
    assert "4 of 4 runs have finished. The baseline is `bahdanau`." in world.report()
    assert list(read_lines(runs[0].path / "compare" / "dev.txt"))[1] == "chat"


@pytest.mark.parametrize("starts", ["null,{}", "{},null"])
def test_a_run_that_starts_from_another_has_its_vocabulary(
    starts, world, planned, recipe, tmp_path
):
    """Its weights belong to that vocabulary; and nobody else takes it."""
    pairs = toy_pairs(60, seed=9) + [("xylophone", "vibraphone")] * 30
    other = write_pairs(tmp_path / "other", pairs)
    parent = prepare(load_config(recipe, [f"data.train={other}"]), tmp_path / "parent").run
    (parent.path / "best.npz").write_bytes(b"")
    runs = planned("bahdanau", f"training.init_from={starts.format(parent.path)}", seeds=1)
    world.compare(runs)
    for run in runs:
        is_parents = Run.open(run.path).source_tokenizer.model == parent.source_tokenizer.model
        assert is_parents == bool(run.config.training.init_from)


def test_a_model_that_the_weights_do_not_fit_is_refused_before_anything_is_trained(
    world, planned, recipe, tmp_path
):
    parent = prepare(load_config(recipe), tmp_path / "parent").run
    (parent.path / "best.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"must have its model.*\n  model\.decoder\.cell"):
        world.compare(planned(VARIANTS, f"training.init_from={parent.path}"))
    assert world.trained == []


def test_what_is_done_is_not_done_again(world, planned):
    world.compare(planned())
    report = world.report()
    world.compare(planned())
    assert world.trained == [] and Fake.asked == []
    assert world.report() == report


def test_a_comparison_that_was_interrupted_goes_on_where_it_was(world, planned):
    runs = planned()

    def train(path):
        if path == runs[2].path:
            raise Interrupted(signal.SIGTERM)
        world.train(path)

    with pytest.raises(Interrupted):
        world.compare(runs, train)
    assert "2 of 4 runs have finished." in world.report()
    world.compare(runs)
    assert world.trained == [run.path for run in runs[2:]]
    assert "4 of 4" in world.report()


def test_a_measurement_that_was_interrupted_goes_on_and_trains_nothing(world, planned, monkeypatch):
    runs = planned(seeds=1)
    with monkeypatch.context() as patch:
        patch.setattr(
            Fake, "align_lines", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            world.compare(runs)
    world.compare(runs)
    assert world.trained == [runs[1].path]
    assert Fake.asked == [6, 6]  # the warm-up and the text, of the second run alone


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_damaged_record_is_measured_anew_and_trains_nothing(content, world, planned, caplog):
    runs = planned(seeds=1)
    world.compare(runs)
    report = world.report()
    (runs[0].path / "compare" / "measured.json").write_text(content)
    world.compare(runs)
    assert world.trained == [] and Fake.asked == [6, 6]
    assert "measured.json is damaged" in caplog.text
    assert "2 of 2 runs" in report and "2 of 2 runs" in world.report()


def test_a_run_that_fails_does_not_stop_the_others(world, planned):
    runs = planned(seeds=1)

    def train(path):
        if path == runs[0].path:
            raise UserError("diverged")
        world.train(path)

    with pytest.raises(UserError, match=r"these runs failed: bahdanau \(seed 1\)"):
        world.compare(runs, train)
    assert world.trained == [runs[1].path] and "1 of 2 runs" in world.report()
    world.compare(runs)
    assert world.trained == [runs[0].path]


def test_another_recipe_is_refused_before_anything_is_trained(world, planned, recipe):
    world.compare(planned(seeds=1))
    recipe.write_text(recipe.read_text().replace("epochs: 1", "epochs: 2"))
    with pytest.raises(UserError, match=r"training\.epochs: 1 -> 2"):
        world.compare(planned("luong+input_feeding=true," + VARIANTS, seeds=1))
    assert world.trained == []


def test_more_variants_seeds_and_texts_cost_only_what_is_new(world, planned):
    world.compare(planned(seeds=1))
    more = {**world.texts, "other": as_text(toy_pairs(9, seed=5))}
    world.compare(planned(seeds=1), texts=more)
    assert world.trained == [] and Fake.asked == [9, 9] * 2
    runs = planned(VARIANTS + ",luong+input_feeding=true", seeds=2)
    world.compare(runs, texts=more)
    assert world.trained == [runs[i].path for i in (2, 3, 4, 5)]
    assert "### other, BLEU" in world.report()


def test_other_weights_or_another_search_are_measured_again(world, planned, recipe):
    (run,) = planned("luong", seeds=1)
    world.compare([run])
    save_arrays(run.path / "best.npz", {"weights": np.ones(7)}, {})
    world.compare([run])
    assert Fake.asked == [6, 6]
    recipe.write_text(recipe.read_text().replace("beam_size: 3", "beam_size: 2"))
    world.compare(planned("luong", seeds=1))
    assert Fake.asked == [6, 6]


def test_gold_alignments_give_an_error_rate(world, planned):
    text = ComparedText(["cat dog."], ["chat chien."])
    links = [(frozenset({(0, 0)}), frozenset({(0, 0), (1, 1)}))]
    world.compare(planned("luong", seeds=1), gold=GoldAlignments(text, links))
    # Uniform attention: both words to the first source word. 1 - (1 + 1) / (2 + 1)
    assert "| `luong` | 1" in world.report() and "| 33.3 |" in world.report()


# ---------------------------------------------------------------------------------- a process apart


@pytest.fixture
def python(tmp_path, monkeypatch):
    """python(script): a shell script in the place of the interpreter."""

    def python(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))

    return python


def appears(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def test_training_apart_is_nmt_train_of_the_runs_own_config(python, tmp_path):
    python('echo "$@" > arguments')
    assert list(train_in_processes([tmp_path / "run"])) == [(tmp_path / "run", None)]
    assert (tmp_path / "arguments").read_text().split() == [
        "-P",
        "-m",
        "nmt",
        "train",
        str(tmp_path / "run" / "config.yaml"),
        "--run",
        str(tmp_path / "run"),
    ]


def test_a_training_apart_that_fails_is_named_and_the_others_go_on(python, tmp_path):
    python('case "$7" in *bad) exit 3;; esac')
    ended = dict(train_in_processes([tmp_path / "bad", tmp_path / "good"]))
    assert (
        "bad failed with exit code 3" in str(ended[tmp_path / "bad"])
        and ended[tmp_path / "good"] is None
    )


def test_so_many_are_trained_at_a_time_as_there_are_jobs(python, tmp_path):
    python('touch "$7.begun"\nwhile [ ! -f "$7.end" ]; do sleep 0.05; done')
    paths = [tmp_path / name for name in "abc"]

    def direct():
        appears(tmp_path / "a.begun")
        appears(tmp_path / "b.begun")
        begun.append((tmp_path / "c.begun").exists())
        (tmp_path / "b.end").touch()
        appears(tmp_path / "c.begun")
        for name in "ac":
            (tmp_path / f"{name}.end").touch()

    begun = []
    thread = threading.Thread(target=direct)
    thread.start()
    ended = [path.name for path, error in train_in_processes(paths, num_jobs=2) if error is None]
    thread.join()
    assert begun == [False] and ended[0] == "b" and sorted(ended) == ["a", "b", "c"]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores, on Linux",
)
def test_several_at_a_time_share_the_cores(python, tmp_path):
    python('sleep 0.5; exec python3 -c "import os; print(*os.sched_getaffinity(0))" > "$7.cores"')
    paths = [tmp_path / name for name in "ab"]
    assert [error for _, error in train_in_processes(paths, num_jobs=2)] == [None, None]
    of_each = [set((tmp_path / f"{name}.cores").read_text().split()) for name in "ab"]
    assert of_each[0].isdisjoint(of_each[1])
    assert of_each[0] | of_each[1] == set(map(str, os.sched_getaffinity(0)))


@pytest.mark.parametrize("num_jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_each_training_once_and_waits_until_they_have_saved(
    number, num_jobs, python, tmp_path
):
    name = number.name.removeprefix("SIG")
    python(
        f"trap 'echo {name} >> $7.signals; sleep 0.2; echo saved >> $7.signals; exit 9'"
        f" {name}\ntouch $7.ready\nwhile true; do sleep 0.05; done"
    )
    before = signal.getsignal(number)
    paths = [tmp_path / f"run{job}" for job in range(3)]

    def send():
        for path in paths[:num_jobs]:
            appears(Path(f"{path}.ready"))
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(Interrupted) as raised:
        list(train_in_processes(paths, num_jobs))
    thread.join()
    assert raised.value.signal_number == number
    of_each = sorted(path.read_text().split() for path in tmp_path.glob("*.signals"))
    assert of_each == [[name, "saved"]] * num_jobs
    assert signal.getsignal(number) is before


def test_who_asks_for_no_more_lets_the_others_save_and_stop(python, tmp_path):
    python(
        "case $7 in *quick) exit;; esac\ntrap 'sleep 0.2; echo saved > $7.signals; exit 9'"
        " TERM\ntouch $7.ready\nwhile true; do sleep 0.05; done"
    )
    with contextlib.closing(
        train_in_processes([tmp_path / "quick", tmp_path / "slow"], 2)
    ) as ended:
        next(ended)
        appears(tmp_path / "slow.ready")
    assert (tmp_path / "slow.signals").read_text() == "saved\n"


def test_a_signal_ends_measuring_while_another_run_is_trained(python, tmp_path):
    """And that run has saved before anything else happens."""
    python(
        "case $7 in *quick) exit;; esac\ntrap 'sleep 0.2; echo saved > $7.signals; exit 9'"
        " TERM\ntouch $7.ready\nwhile true; do sleep 0.05; done"
    )
    with (
        pytest.raises(Interrupted),
        contextlib.closing(train_in_processes([tmp_path / "quick", tmp_path / "slow"], 2)) as ended,
    ):
        assert next(ended)[0].name == "quick"
        appears(tmp_path / "slow.ready")
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("measured on")
    assert (tmp_path / "slow.signals").read_text() == "saved\n"


# --------------------------------------------------------------------------------- the command line


@pytest.fixture
def verb(world, recipe, tmp_path, monkeypatch, nmt_):
    """verb(*arguments): `nmt compare` of the recipe, with trainings that take no time."""
    monkeypatch.setattr(
        module, "train_in_processes", lambda paths, **_: one_by_one(world.train)(paths)
    )
    write_pairs(tmp_path / "news", toy_pairs(9, seed=5))
    Fake.asked = []
    return lambda *arguments: nmt_("compare", recipe, "--output", tmp_path / "out", *arguments)


def test_the_verb_compares_on_all_texts(verb, world, tmp_path):
    write_pairs(tmp_path / "aligned", [("cat dog.", "chat chien.")])
    (tmp_path / "gold").write_text("1-1 2p2\n")
    code, out, err = verb(
        "--attention",
        "luong,luong+input_feeding=true",
        "--seeds",
        2,
        "--test",
        tmp_path / "news",
        "--test",
        f"again={tmp_path / 'news'}",
        "--gold-alignments",
        tmp_path / "aligned",
        tmp_path / "gold",
        "--set",
        "training.batch_size=8",
        "--dev",
        tmp_path / "text" / "dev",
    )
    assert (code, out) == (0, "") and err.endswith(
        f"done. The report is {tmp_path / 'out' / 'report.md'}\n"
    )
    assert [path.relative_to(tmp_path / "out").as_posix() for path in world.trained] == [
        "luong/seed1",
        "luong+input_feeding=true/seed1",
        "luong/seed2",
        "luong+input_feeding=true/seed2",
    ]
    assert Run.open(world.trained[0]).config.training.batch_size == 8
    report = world.report()
    assert report.startswith("# Comparison: recipe\n") and "33.3" in report
    assert all(f"### {text}, BLEU" in report for text in ("dev", "news", "again"))


def test_without_attentions_the_recipes_own_is_trained(verb, world, tmp_path):
    code, _, err = verb("--seeds", 1, "--vary", "training.batch_size=8,4")
    assert code == 0, err
    assert [path.relative_to(tmp_path / "out").as_posix() for path in world.trained] == [
        "attend_first-additive+training.batch_size=8/seed1",
        "attend_first-additive+training.batch_size=4/seed1",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attention", "luong", "--seeds", "0"], "--seeds must be at least 1"),
        (["--attention", "luong", "--jobs", "0"], "--jobs must be at least 1"),
        (["--attention", "luong,luong"], "are the same"),
        (["--attention", "luong", "--test", "dev=x"], "there is a text 'dev' already"),
        (["--attention", "luong", "--test", "wmt/14=x"], "expected a name of letters"),
        (["--attention", "luong", "--test", "nowhere"], "no parallel text at nowhere"),
        (["--attention", "luong", "--data", "nowhere"], "no parallel text at nowhere"),
    ],
)
def test_what_the_verb_cannot_do_is_refused_before_anything_is_trained(
    arguments, message, verb, world, tmp_path
):
    assert_error(verb(*arguments), message)
    assert not (tmp_path / "out").exists() and not world.trained


# -------------------------------------------------------------------------------------- with models


def test_two_variants_with_two_seeds_from_end_to_end(planned, tmp_path):
    """Real trainings and translations, in this process; the controls show that attention is
    measured as it is."""
    from nmt.training.trainer import train

    runs = planned("luong+units=8,update_first/none+units=8", "training.max_steps=3", seeds=2)
    texts = {"dev": as_text(toy_pairs(6, seed=2))}
    compare(
        "toy",
        runs,
        EvaluationTexts(texts),
        tmp_path / "out",
        one_by_one(lambda path: train(Run.open(path).config, path)),
    )
    report = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "4 of 4 runs have finished" in report
    assert "| `update_first/none+units=8+training.max_steps=3` |  |  |  |  |" in report
    assert "trained in float32, translated by Keras" in report
    assert {path.name for path in (tmp_path / "out").glob("*.png")} >= {
        "curves.png",
        "attention-1.png",
    }
    first, second = (Run.open(run.path).load_model() for run in (runs[0], runs[2]))
    assert not np.array_equal(
        first.trainable_variables[0].numpy(), second.trainable_variables[0].numpy()
    )
