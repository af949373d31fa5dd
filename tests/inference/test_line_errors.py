"""Law 11: what is wrong with one line harms no other, batched or not."""

import copy
import pickle

import numpy as np
import pytest
from fixtures.run import toy_pairs, trained_translator

from nmt.errors import Interrupted, LineError, UserError
from nmt.inference.parallel import isolate_failures
from nmt.inference.translator import Translator

LINES = [source for source, _ in toy_pairs(6, seed=5)]
POISON = "dog dog dog dog dog dog dog."


class FailingEngine:
    """The trained engine, but it breaks on a batch that holds the ids of POISON."""

    def __init__(self, *phases):
        self._engine, self._phases = trained_translator()._engine, phases
        self._ids = trained_translator().run.source_tokenizer.encode(POISON)

    def _check(self, phase, source_BS):
        for row in np.asarray(source_BS):
            if phase in self._phases and row[: len(self._ids)].tolist() == self._ids:
                raise RuntimeError("poisoned")

    def encode(self, source_BS):
        self._check("encode", source_BS)
        return self._engine.encode(source_BS)

    def step(self, *arguments, **options):
        return self._engine.step(*arguments, **options)

    def force(self, source_BS, target_BT):
        self._check("force", source_BS)
        return self._engine.force(source_BS, target_BT)


@pytest.fixture
def failing():
    return lambda *phases: Translator(trained_translator().run, FailingEngine(*phases))


def texts(results):
    return [str(result) for result in results]


@pytest.mark.parametrize("phase", ["encode", "force"])
def test_a_line_that_breaks_the_engine_fails_alone(phase, failing):
    options = {"beam_size": 2, "alignments": True, "n_best": 2, "choices": 2}
    done = []
    ours = failing(phase).translate(
        [*LINES[:3], POISON, *LINES[3:]], errors="return", progress=done.append, **options
    )
    assert sum(done) == len(ours) == 7
    error = ours.pop(3)
    assert isinstance(error, LineError) and error.index == 3
    assert "RuntimeError: poisoned" in error.message
    assert isinstance(error.__cause__, RuntimeError)
    expected = trained_translator().translate(LINES, **options)
    assert texts(ours) == texts(expected)
    assert all(translation.candidates[1].alignment is not None for translation in ours)


@pytest.mark.parametrize("phase", ["encode", "force"])
def test_by_default_it_raises_with_its_place(phase, failing):
    with pytest.raises(LineError, match=r"line 4: .*poisoned") as raised:
        failing(phase).translate([*LINES[:3], POISON, *LINES[3:]], alignments=True)
    assert raised.value.index == 3


def test_a_pair_that_breaks_the_engine_is_named(failing):
    pairs = [*LINES[:3], POISON], ["chat"] * 4
    for method in (failing("force").score, failing("force").align_lines):
        with pytest.raises(LineError, match=r"line 4: .*poisoned"):
            method(*pairs)


def test_a_request_that_cannot_be_met_fails_alone(failing):
    translator = trained_translator()
    lines, prefixes = LINES[:3], ["", "chat " * 300, ""]
    ours = translator.translate(lines, prefixes=prefixes, errors="return")
    assert isinstance(ours[1], LineError) and ours[1].__cause__ is None
    assert "at most" in ours[1].message
    assert texts([ours[0], ours[2]]) == texts(translator.translate([lines[0], lines[2]]))
    with pytest.raises(LineError, match="line 2"):
        translator.translate(lines, prefixes=prefixes)


def test_what_is_wrong_for_all_lines_is_raised_either_way():
    for errors in ("raise", "return"):
        with pytest.raises(UserError, match="n-best"):
            trained_translator().translate(LINES, n_best=9, errors=errors)
    with pytest.raises(UserError, match='"raise" or "return"'):
        trained_translator().translate(LINES, errors="ignore")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), Interrupted(15)])
def test_an_interruption_is_no_failure_of_a_line(interruption, failing, monkeypatch):
    translator = failing()

    def interrupted(*_):
        raise interruption

    monkeypatch.setattr(translator._engine, "encode", interrupted)
    with pytest.raises(type(interruption)):
        translator.translate(LINES, errors="return")


def test_each_item_of_a_batch_that_fails_is_tried_alone():
    calls = []

    def inverse(batch):
        calls.append(batch)
        return [1 / x for x in batch]

    first, broken, last = isolate_failures(inverse, [1, 0, 2])
    assert (first, last) == (1, 0.5) and isinstance(broken, ZeroDivisionError)
    assert calls == [[1, 0, 2], [1], [0], [2]]
    assert isolate_failures(inverse, []) == []


def test_a_line_that_the_splitter_cannot_take_is_translated_unsplit():
    lines = ["Le plan A\u00a0.", *LINES]
    data = trained_translator().run.config.data.model_copy(update={"source": "fr"})
    run = trained_translator().run
    config = run.config.model_copy(update={"data": data})
    translator = Translator(
        type(run)(run.path, config, run.source_tokenizer, run.target_tokenizer),
        trained_translator()._engine,
    )
    split = translator.translate(lines, split_sentences=True)
    assert texts(split) == texts(translator.translate(lines))


@pytest.mark.parametrize(
    "error", [LineError(2, "is odd."), Interrupted(15), Interrupted(2, saved=False)], ids=repr
)
def test_an_error_of_a_worker_process_arrives_whole(error):
    """A pool of processes whose worker raises what cannot be pickled waits for ever."""
    for arrived in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(arrived) is type(error) and str(arrived) == str(error)
        assert vars(arrived) == vars(error)
