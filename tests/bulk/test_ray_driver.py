"""Giving windows to actors, with a fake of Ray whose actors answer at once."""

from types import SimpleNamespace

import pytest
from fixtures.bulk import SETTINGS, Upper, numbered, same_everywhere

from nmt.bulk.folder import OutputFolder
from nmt.bulk.ray_workers import ATTEMPTS, Model, _Actor, _Driver
from nmt.bulk.shards import Window, read_shards
from nmt.bulk.translating import Request, translate_shards
from nmt.errors import UserError
from nmt.text.lines import write_lines


class FakeRay:
    """Calls of an actor are references, and are made when they are waited for."""

    exceptions = SimpleNamespace(RayError=OSError)

    def __init__(self, translator):
        self.model = Model(lambda: translator, same_everywhere)
        self.num_actors = 0

    def new_actor(self):
        self.num_actors += 1
        actor = _Actor(self.model, Request())
        return SimpleNamespace(
            prepare=SimpleNamespace(remote=lambda: lambda: actor.prepare()),
            answer=SimpleNamespace(remote=lambda window: lambda: actor.answer(window)),
        )

    def answers(self, windows):
        return _Driver(self, self.new_actor, self.model.identity()).run(iter(windows))

    def translate(self, windows):
        return list(self.answers(windows))

    def cluster_resources(self):
        return {"CPU": 2}

    def put(self, value):
        return value

    def wait(self, references, **options):
        return references[:1], references[1:]

    def get(self, reference):
        return reference()

    def kill(self, actor):
        pass


WINDOWS = [Window(start, numbered(3, start)) for start in range(0, 15, 3)]
ANSWERS = [[line.upper() for line in window.lines] for window in WINDOWS]


def failing(*calls, error):
    def before(call):
        if call in calls:
            raise error

    return Upper(before=before)


def test_answers_are_in_the_order_of_the_windows():
    assert FakeRay(Upper()).translate(WINDOWS) == ANSWERS


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("onnxruntime: bad allocation")])
def test_lines_that_fail_on_a_worker_are_given_to_another_one(error):
    ray = FakeRay(failing(2, 5, error=error))
    assert ray.translate(WINDOWS) == ANSWERS
    assert ray.num_actors == 2 + 2


def test_lines_that_fail_on_every_worker_are_a_user_error():
    ray = FakeRay(failing(*range(100), error=MemoryError("17 GB")))
    with pytest.raises(UserError, match=rf"failed on {ATTEMPTS} workers \(MemoryError: 17 GB\)"):
        ray.translate(WINDOWS[:1])


def test_what_the_user_can_correct_is_not_tried_again():
    ray = FakeRay(failing(1, error=UserError("beam_size must be at least 1.")))
    with pytest.raises(UserError, match="beam_size"):
        ray.translate(WINDOWS)
    assert ray.num_actors == 2


def test_a_file_that_cannot_be_read_fails_alone(tmp_path):
    files = [tmp_path / name for name in ("a.en", "b.en", "c.en")]
    for path in files:
        write_lines(path, ["one"])
    files[1].write_bytes(b"\xff\n")
    folder = OutputFolder(tmp_path / "out", ".fr", SETTINGS)
    workers = SimpleNamespace(translate=FakeRay(Upper()).answers)
    summary = translate_shards(read_shards(files, "en"), folder, workers)
    assert (summary.num_translated, len(summary.failed)) == (2, 1)
    assert (tmp_path / "out" / "a-00000.fr").read_text() == "ONE\n"
    assert (tmp_path / "out" / "c-00000.fr").read_text() == "ONE\n"
