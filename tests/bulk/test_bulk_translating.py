"""Translating shards into a folder: finishing what was interrupted, and noticing what changed."""

import fcntl
import gzip
import itertools
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import sys
import time
from contextlib import nullcontext

import pytest
from fixtures.bulk import SETTINGS, Upper, contents, numbered, translate_all

from nmt.about import VERSION
from nmt.bulk import folder as folder_module
from nmt.bulk import shards as shards_module
from nmt.bulk.folder import OutputFolder, Settings
from nmt.bulk.shards import Shard, read_shards
from nmt.bulk.translating import Request, Threads, translate_shard, translate_shards
from nmt.errors import UserError
from nmt.search.glossary import Glossary
from nmt.text.lines import atomic_write, read_lines, write_lines


@pytest.fixture(autouse=True)
def short_windows(monkeypatch):
    monkeypatch.setattr(shards_module, "WINDOW_LINES", 4)


@pytest.fixture
def corpus(tmp_path):
    """Shards of 10 lines: three of a.en.gz, one of b.en, and the empty one of c.en."""
    (tmp_path / "text").mkdir()
    write_lines(tmp_path / "text" / "a.en.gz", numbered(25))
    write_lines(tmp_path / "text" / "b.en", ["one", "", "two"])
    (tmp_path / "text" / "c.en").touch()
    return str(tmp_path / "text" / "*.en*")


@pytest.fixture
def expected(corpus, tmp_path):
    translate_all(corpus, tmp_path / "expected", Upper())
    return contents(tmp_path / "expected")


def assert_refused(summary, message):
    (refused,) = summary.failed
    assert re.search(message, refused)


def test_each_shard_becomes_a_file_and_a_manifest(expected):
    assert sorted(expected) == [
        "a-00000.fr.gz",
        "a-00001.fr.gz",
        "a-00002.fr.gz",
        "b-00000.fr",
        "c-00000.fr",
        *(f"manifests/{name}.json" for name in ("a-00000", "a-00001", "a-00002")),
        "manifests/b-00000.json",
        "manifests/c-00000.json",
    ]
    assert expected["b-00000.fr"] == b"ONE\n\nTWO\n" and expected["c-00000.fr"] == b""
    lines = b"".join(gzip.decompress(expected[f"a-0000{n}.fr.gz"]) for n in range(3))
    assert lines.decode().split("\n") == [*(line.upper() for line in numbered(25)), ""]
    manifest = json.loads(expected["manifests/a-00001.json"])
    assert manifest["source"]["first_line"] == 10 and manifest["source"]["lines"] == 10
    assert manifest["run"] == SETTINGS.run and manifest["options"] == SETTINGS.options


def test_the_number_of_threads_changes_nothing(corpus, expected, tmp_path):
    for number in (1, 3, 8):
        translate_all(corpus, tmp_path / f"out{number}", Upper(num_workers=number))
        assert contents(tmp_path / f"out{number}") == expected


def test_complete_shards_are_not_translated_again(corpus, tmp_path):
    assert translate_all(corpus, tmp_path / "out", Upper()).num_translated == 5
    translator = Upper()
    summary = translate_all(corpus, tmp_path / "out", translator)
    assert (summary.num_translated, summary.num_complete, translator.calls) == (0, 5, 0)


@pytest.mark.parametrize("call", range(1, 10))
def test_the_same_command_finishes_what_broke_off_at_any_window(corpus, expected, tmp_path, call):
    class Broken(Exception):
        pass

    def breaks(number):
        if number == call:
            raise Broken

    with pytest.raises(Broken):
        translate_all(corpus, tmp_path / "out", Upper(before=breaks, num_workers=1))
    left = contents(tmp_path / "out")
    assert left.items() <= expected.items()  # whole shards only
    summary = translate_all(corpus, tmp_path / "out", Upper())
    assert summary.num_complete == len([name for name in left if name.endswith(".json")])
    assert contents(tmp_path / "out") == expected
    assert not list((tmp_path / "out").rglob("*.lock")) + list((tmp_path / "out").rglob(".*.tmp"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"[" * 200_000),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"ONE", b"UNE")),
        lambda path: path.write_bytes(path.read_bytes().removeprefix(b"ONE\n")),
    ],
)
@pytest.mark.parametrize("name", ["b-00000.fr", "manifests/b-00000.json"])
def test_a_damaged_or_missing_file_is_written_again(corpus, expected, tmp_path, name, damage):
    translate_all(corpus, tmp_path / "out", Upper())
    damage(tmp_path / "out" / name)
    if not (tmp_path / "out" / "manifests" / "b-00000.json").exists():
        (tmp_path / "out" / "b-00000.fr").unlink()  # else it may be somebody else's
    summary = translate_all(corpus, tmp_path / "out", Upper())
    unharmed = contents(tmp_path / "out") == expected and summary.num_translated == 0
    assert unharmed or (summary.num_translated, summary.num_complete) == (1, 4)
    assert contents(tmp_path / "out") == expected


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_may_have_a_name_that_is_no_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.en")
    path.write_text("one\n")
    assert translate_all(path, tmp_path / "out", Upper()).num_translated == 1
    assert translate_all(path, tmp_path / "out", Upper()).num_complete == 1


def test_a_file_without_a_manifest_is_replaced_only_if_asked(corpus, expected, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b-00000.fr").write_text("mine")
    summary = translate_all(corpus, tmp_path / "out", Upper())
    assert_refused(summary, r"b-00000\.fr exists, and has no manifest.*--overwrite")
    assert summary.num_translated == 4
    assert (tmp_path / "out" / "b-00000.fr").read_text() == "mine"
    translate_all(corpus, tmp_path / "out", Upper(), overwrite=True)
    assert contents(tmp_path / "out") == expected


def test_a_file_whose_manifest_was_not_yet_written_is_ours(corpus, expected, tmp_path):
    translate_all(corpus, tmp_path / "out", Upper())
    manifests = tmp_path / "out" / "manifests"
    (manifests / "b-00000.json").rename(manifests / "b-00000.lock")  # killed in between
    assert translate_all(corpus, tmp_path / "out", Upper()).num_translated == 1
    assert contents(tmp_path / "out") == expected


def test_a_changed_option_or_run_is_refused_and_nothing_is_touched(corpus, expected, tmp_path):
    for changed, message in (
        (Settings(SETTINGS.run, {"beam_size": 1}), "options.beam_size was 5, is 1"),
        (Settings(SETTINGS.run, {"beam_size": 5, "mbr": 2}), "options.mbr was null, is 2"),
        (Settings({"models": ["n"]}, SETTINGS.options), r'run.models was \["m"\], is \["n"\]'),
    ):
        write_lines(tmp_path / "text" / "new.en", ["new"])
        summary = translate_all(corpus, tmp_path / "expected", Upper(), settings=changed)
        assert_refused(summary, message)
        assert contents(tmp_path / "expected") == expected


def test_another_release_is_refused_and_another_patch_is_not(
    corpus, expected, tmp_path, monkeypatch
):
    major, minor, patch = VERSION.split(".")
    monkeypatch.setattr(folder_module, "VERSION", f"{major}.{minor}.{patch}9")
    assert translate_all(corpus, tmp_path / "expected", Upper()).num_complete == 5
    monkeypatch.setattr(folder_module, "VERSION", f"{major}.{minor}9.0")
    summary = translate_all(corpus, tmp_path / "expected", Upper())
    assert_refused(summary, rf"nmt was {re.escape(VERSION)}, is {major}\.{minor}9")
    assert contents(tmp_path / "expected") == expected
    summary = translate_all(corpus, tmp_path / "expected", Upper(), overwrite=True)
    assert summary.num_translated == 5


def test_changed_lines_are_refused_by_their_numbers(corpus, expected, tmp_path):
    lines = numbered(25)
    lines[12] = "another line"
    write_lines(tmp_path / "text" / "a.en.gz", lines)
    summary = translate_all(corpus, tmp_path / "expected", Upper())
    assert_refused(summary, r"a\.en\.gz, lines 11 to 20, had other text")
    assert contents(tmp_path / "expected") == expected


def test_shards_that_a_shortened_source_no_longer_has_are_noticed(corpus, expected, tmp_path):
    write_lines(tmp_path / "text" / "a.en.gz", numbered(20))
    assert_refused(translate_all(corpus, tmp_path / "expected", Upper()), "had more lines")


def test_shards_that_a_shortened_source_no_longer_has_are_removed_if_asked(corpus, tmp_path):
    write_lines(tmp_path / "text" / "a-1.en.gz", numbered(45))
    translate_all(corpus, tmp_path / "out", Upper())
    for name in ("a-1-00002.fr.gz", "manifests/a-1-00002.json"):
        (tmp_path / "out" / name).unlink()  # failed, or was interrupted
    write_lines(tmp_path / "text" / "a-1.en.gz", numbered(20))
    assert_refused(translate_all(corpus, tmp_path / "out", Upper()), "a-1-00003 is left over")
    translate_all(corpus, tmp_path / "out", Upper(), overwrite=True)
    translate_all(corpus, tmp_path / "fresh", Upper())
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    assert translate_all(corpus, tmp_path / "out", Upper()).num_translated == 0


def test_only_changed_shards_are_overwritten_if_asked(corpus, expected, tmp_path):
    write_lines(tmp_path / "text" / "b.en", ["three"])
    summary = translate_all(corpus, tmp_path / "expected", Upper(), overwrite=True)
    assert (summary.num_translated, summary.num_complete) == (1, 4)
    assert (tmp_path / "expected" / "b-00000.fr").read_bytes() == b"THREE\n"


def test_a_file_that_was_added_is_translated_and_the_others_stay(corpus, expected, tmp_path):
    write_lines(tmp_path / "text" / "0.en", ["new"])
    summary = translate_all(corpus, tmp_path / "expected", Upper())
    assert (summary.num_translated, summary.num_complete) == (1, 5)


def test_a_line_that_cannot_be_translated_fails_its_shard_only(corpus, expected, tmp_path):
    summary = translate_all(corpus, tmp_path / "out", Upper(bad="line 16"))
    assert (summary.num_translated, len(summary.failed)) == (4, 1)
    assert summary.failed[0].endswith("a.en.gz, line 17: cannot be translated.")
    assert contents(tmp_path / "out").keys() == {name for name in expected if "a-00001" not in name}
    translate_all(corpus, tmp_path / "out", Upper())
    assert contents(tmp_path / "out") == expected


NOT_UTF8 = b"ok\n" * 10 + b"\xff\n"


@pytest.mark.parametrize("num_workers", [1, 2, 8])
def test_a_file_that_cannot_be_read_fails_alone(corpus, expected, tmp_path, num_workers):
    (tmp_path / "text" / "a2.en").write_bytes(NOT_UTF8)
    (tmp_path / "text" / "b2.en").write_bytes(b"\xff\n")
    summary = translate_all(corpus, tmp_path / "out", Upper(num_workers=num_workers))
    assert [message.partition(":")[0] for message in summary.failed] == [
        f"{tmp_path}/text/a2.en, line 11",
        f"{tmp_path}/text/b2.en, line 1",
    ]
    written = contents(tmp_path / "out")
    assert written.pop("a2-00000.fr") == b"OK\n" * 10  # whole, before the line
    written.pop("manifests/a2-00000.json")
    assert written == expected
    (tmp_path / "text" / "a2.en").write_bytes(NOT_UTF8.replace(b"\xff", b"end"))
    assert translate_all(corpus, tmp_path / "out", Upper()).num_translated == 1


def test_with_prefixes_files_after_one_that_cannot_be_read_are_named(corpus, tmp_path):
    (tmp_path / "text" / "a2.en").write_bytes(b"\xff\n")
    folder = OutputFolder(tmp_path / "out", ".fr", SETTINGS)
    shards = read_shards(shards_module.input_files(corpus), "en", 10, prefixes=["x"] * 29)
    summary = translate_shards(shards, folder, Threads(Upper(), Request()))
    assert summary.num_translated == 3
    assert_refused(summary, r"a2\.en, line 1: expected UTF-8.* after a2\.en were not translated")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["an input", "a link to an input", "a folder", "a pipe"])
def test_a_shard_that_must_not_be_written_fails_alone(corpus, expected, tmp_path, overwrite, kind):
    out, text = tmp_path / "out", tmp_path / "text"
    out.mkdir()
    target, mine = out / "a-00001.fr.gz", tmp_path / "mine"
    mine.write_text("mine")
    if kind == "an input":
        mine = mine.rename(target)
    elif kind == "a link to an input":
        target.symlink_to(mine)
    else:
        os.mkfifo(target) if kind == "a pipe" else target.mkdir()
    folder = OutputFolder(out, ".fr", SETTINGS, overwrite)
    folder.protect([text / "b.en", mine], {})
    shards = read_shards(shards_module.input_files(corpus), "en", 10)
    summary = translate_shards(shards, folder, Threads(Upper(), Request()))
    assert_refused(summary, rf"{target}: expected a file|{target} is an input")
    assert mine.read_text() == "mine" and summary.num_translated == 4
    with pytest.raises(UserError, match="is an input") if "input" in kind else nullcontext():
        folder.protect([mine], {text / "a.en.gz": "a"})


def test_only_names_of_shards_are_reserved(tmp_path):
    inputs = [tmp_path / name for name in ("a.en", "a-1.fr", "b-00000.fr", "a-00000.fr.gz")]
    for path in inputs:
        path.touch()
    folder = OutputFolder(tmp_path, ".fr", SETTINGS)
    folder.protect(inputs, {path: path.name.removesuffix(".en") for path in inputs})


@pytest.mark.parametrize("pointed_to", ["other", "missing"])
def test_a_link_is_replaced_and_not_what_it_points_to(corpus, expected, tmp_path, pointed_to):
    (tmp_path / "out").mkdir()
    (tmp_path / "other").write_text("mine")
    (tmp_path / "out" / "b-00000.fr").symlink_to(tmp_path / pointed_to)
    assert_refused(translate_all(corpus, tmp_path / "out", Upper()), "b-00000.fr exists")
    translate_all(corpus, tmp_path / "out", Upper(), overwrite=True)
    assert contents(tmp_path / "out") == expected
    assert (tmp_path / "other").read_text() == "mine" and not (tmp_path / "missing").exists()


def test_overwriting_removes_shards_with_another_suffix(corpus, tmp_path):
    out = tmp_path / "out"
    translate_all(corpus, out, Upper())
    write_lines(tmp_path / "text" / "a.en", numbered(15))
    (tmp_path / "text" / "a.en.gz").unlink()
    translate_all(corpus, out, Upper(), overwrite=True)
    translate_all(corpus, tmp_path / "fresh", Upper())
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_source_that_was_renamed_only_is_named(tmp_path):
    write_lines(tmp_path / "a.en", numbered(3))
    translate_all(tmp_path / "a.en", tmp_path / "out", Upper())
    write_lines(tmp_path / "a.en.gz", numbered(3))
    summary = translate_all(tmp_path / "a.en.gz", tmp_path / "out", Upper())
    assert_refused(
        summary, r"a-00000\.fr was .*: the source was called 'a\.en', is called 'a\.en\.gz'\."
    )


@pytest.mark.parametrize(
    "file", ["../mine.fr", "/mine.fr", "b-00000./../../mine.fr", "mine.fr", "b-000001.fr", 5, "\0"]
)
def test_a_manifest_cannot_have_other_files_removed(corpus, tmp_path, file):
    out = tmp_path / "out"
    translate_all(corpus, out, Upper())
    mine = [tmp_path / "mine.fr", out / "mine.fr", out / "b-000001.fr"]
    for path in mine:
        path.touch()
    manifest = out / "manifests" / "b-00000.json"
    record = json.loads(manifest.read_bytes())
    record["target"]["file"] = file
    manifest.write_text(json.dumps(record))
    assert translate_all(corpus, out, Upper(), overwrite=True).num_translated == 1
    assert all(path.exists() for path in mine)


@pytest.mark.parametrize("length", [245, 252])
def test_a_name_that_is_too_long_for_the_folder_fails_alone(corpus, expected, tmp_path, length):
    path = tmp_path / "text" / f"{'b' * length}.en"
    if length > 250:
        path = path.with_suffix("")
        corpus = corpus.removesuffix(".en*") + "*"
    path.write_text("one\n")
    summary = translate_all(corpus, tmp_path / "out", Upper())
    assert_refused(summary, r"bbb.*: this name is too long for the output folder.*shorter name")
    assert contents(tmp_path / "out") == expected


def test_a_translator_that_loses_a_line_writes_nothing(tmp_path):
    class Loser(Upper):
        def translate(self, lines, **options):
            return super().translate(lines, **options)[1:]

    write_lines(tmp_path / "a.en", numbered(3))
    with pytest.raises(ValueError, match=r"a translation for each line. Received: 2 for 3"):
        translate_all(tmp_path / "a.en", tmp_path / "out", Loser())
    assert not contents(tmp_path / "out")


def test_n_best_lists_and_json_have_the_line_s_number_in_its_file(corpus, tmp_path):
    request = Request(n_best=2, form="n-best")
    translate_all(corpus, tmp_path / "out", Upper(), request=request)
    lines = list(read_lines(tmp_path / "out" / "a-00001.fr.gz"))
    assert lines[:2] == ["10 ||| LINE 10 ||| -1.0000", "10 ||| LINE 10 again ||| -2.0000"]
    assert len(lines) == 20
    translate_all(corpus, tmp_path / "json", Upper(), request=Request(form="json"))
    records = map(json.loads, read_lines(tmp_path / "json" / "a-00001.fr.gz"))
    assert [record["id"] for record in records] == list(range(10, 20))


def test_one_shard_can_be_translated_alone(tmp_path):
    folder = OutputFolder(tmp_path / "out", ".fr", SETTINGS)
    shard = Shard(tmp_path / "a.en", "a-00000", 0, numbered(9))
    assert translate_shard(Upper(), shard, folder) is True
    assert translate_shard(Upper(), shard, folder) is False
    with pytest.raises(UserError, match="line 4: cannot be translated"):
        translate_shard(
            Upper(bad="line 3"), Shard(tmp_path / "b.en", "b-00000", 0, numbered(9)), folder
        )


def test_a_request_can_be_sent_to_another_machine():
    request = Request(2, True, "n-best", {"glossary": Glossary([("a cat", "un chat")]), "mbr": 1.0})
    received = pickle.loads(pickle.dumps(request))
    assert received.keywords["glossary"].required("A cat runs.") == ["un chat"]
    assert received.form == "n-best" and received.n_best == 2


def test_windows_are_read_as_threads_need_them(tmp_path):
    taken = itertools.count()
    windows = (
        window
        for window in Shard(tmp_path / "a.en", "a-00000", 0, numbered(400)).windows()
        if next(taken) >= 0
    )
    answers = Threads(Upper(num_workers=2), Request()).translate(windows)
    next(answers)
    assert next(taken) <= 4
    answers.close()


# --------------------------------------------------------------------------- several processes


def slowly(call):
    time.sleep(0.02)


def translate_in_a_process(corpus, output):
    shards_module.WINDOW_LINES = 4
    translate_all(corpus, output, Upper(before=slowly, num_workers=1))


def test_a_driver_that_is_killed_at_any_moment_leaves_whole_shards(corpus, expected, tmp_path):
    context = multiprocessing.get_context("fork")
    for round in range(6):
        driver = context.Process(target=translate_in_a_process, args=(corpus, tmp_path / "out"))
        driver.start()
        time.sleep(0.03 + 0.04 * round)
        os.kill(driver.pid, signal.SIGKILL)
        driver.join()
        left = contents(tmp_path / "out") if (tmp_path / "out").exists() else {}
        assert all(expected[name] == content for name, content in left.items())
    translate_all(corpus, tmp_path / "out", Upper())
    assert contents(tmp_path / "out") == expected
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_what_a_killed_process_was_writing_is_removed_whatever_its_name(tmp_path):
    name = "Statmt-news_commentary-16-eng-fra.part" + "x" * 40
    write_lines(tmp_path / f"{name}.en", numbered(25))
    out = tmp_path / "out"

    def killed_writing(path):
        with pytest.raises(KeyboardInterrupt), atomic_write(path):
            before = set(path.parent.glob(f".*.{'0' * 12}.tmp"))
            (written,) = set(path.parent.glob(".*.tmp")) - before
            shutil.copy(written, left := written.with_name(f"{written.name[:-16]}{'0' * 12}.tmp"))
            raise KeyboardInterrupt
        return left

    (out / "manifests").mkdir(parents=True)
    targets = out / f"{name}-00001.fr", out / "manifests" / f"{name}-00001.json"
    left = [*map(killed_writing, targets)]
    other = killed_writing(out / f"{name}-00003.fr")
    translate_all(tmp_path / f"{name}.en", out, Upper())
    assert not any(path.exists() for path in left) and other.exists()


def test_processes_with_the_same_command_share_the_shards(corpus, expected, tmp_path):
    context = multiprocessing.get_context("fork")
    drivers = [
        context.Process(target=translate_in_a_process, args=(corpus, tmp_path / "out"))
        for _ in range(3)
    ]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(30)
        assert driver.exitcode == 0
    assert contents(tmp_path / "out") == expected


def test_a_shard_that_another_process_translates_is_left_to_it(corpus, tmp_path):
    (tmp_path / "out" / "manifests").mkdir(parents=True)
    with open(tmp_path / "out" / "manifests" / "b-00000.lock", "ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        summary = translate_all(corpus, tmp_path / "out", Upper())
    assert (summary.num_translated, summary.busy) == (4, ["b-00000"])
    summary = translate_all(corpus, tmp_path / "out", Upper())
    assert (summary.num_translated, summary.busy) == (1, [])


def test_without_locks_two_processes_write_the_same_bytes(corpus, expected, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("nmt.bulk.folder.fcntl.flock", refuse)
    folders = [OutputFolder(tmp_path / "out", ".fr", SETTINGS) for _ in range(2)]
    files = [tmp_path / "text" / name for name in ("a.en.gz", "b.en", "c.en")]
    inner = iter(read_shards(files, "en", 10))

    def meanwhile(call):  # the other process writes a shard during each window of this one
        for shard in itertools.islice(inner, 1):
            translate_shards([shard], folders[1], Threads(Upper(), Request()))

    outer = Threads(Upper(before=meanwhile, num_workers=1), Request())
    translate_shards(read_shards(files, "en", 10), folders[0], outer)
    assert contents(tmp_path / "out") == expected
