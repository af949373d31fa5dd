"""Cutting a corpus into shards and windows."""

import gzip
import os

import pytest
from fixtures.bulk import numbered

from nmt.bulk.shards import WINDOW_LINES, Shard, input_files, output_names, read_shards
from nmt.errors import UserError
from nmt.text.lines import write_lines


def shards_of(path, count, **options):
    return list(read_shards([path], "en", count, **options))


def test_shards_are_consecutive_lines_of_one_file(tmp_path):
    write_lines(tmp_path / "a.en", numbered(7))
    shards = shards_of(tmp_path / "a.en", 3)
    assert [shard.name for shard in shards] == ["a-00000", "a-00001", "a-00002"]
    assert [list(shard.lines) for shard in shards] == [numbered(3), numbered(3, 3), numbered(1, 6)]
    assert [shard.first_line for shard in shards] == [0, 3, 6]
    assert [shard.is_last for shard in shards] == [False, False, True]


def test_a_file_that_fills_its_last_shard_has_no_empty_one(tmp_path):
    write_lines(tmp_path / "a.en", numbered(6))
    assert [len(shard.lines) for shard in shards_of(tmp_path / "a.en", 3)] == [3, 3]


def test_an_empty_file_is_one_empty_shard_with_one_empty_window(tmp_path):
    (tmp_path / "a.en").touch()
    (shard,) = shards_of(tmp_path / "a.en", 3)
    assert shard.is_last and [list(window.lines) for window in shard.windows()] == [[]]


def test_compressed_text_has_the_shards_of_plain_text(tmp_path):
    write_lines(tmp_path / "a.en", numbered(5))
    (tmp_path / "b.en.gz").write_bytes(gzip.compress((tmp_path / "a.en").read_bytes()))
    plain, compressed = (shards_of(tmp_path / name, 2) for name in ("a.en", "b.en.gz"))
    assert [one.checksum for one in plain] == [one.checksum for one in compressed]


def test_windows_begin_anew_with_each_shard():
    lines = numbered(WINDOW_LINES + 1)
    first, second = Shard("a.en", "a-00000", 100, lines).windows()
    assert (first.first_line, len(first.lines)) == (100, WINDOW_LINES)
    assert (second.first_line, len(second.lines)) == (100 + WINDOW_LINES, 1)


def test_a_checksum_depends_on_lines_their_ends_and_prefixes():
    texts = [(["ab"], ()), (["a", "b"], ()), (["ab", ""], ()), (["ab"], ["x"]), (["ab"], [""])]
    assert len({Shard("a", "a", 0, *text).checksum for text in texts}) == len(texts)


def test_prefixes_go_with_their_lines(tmp_path):
    write_lines(tmp_path / "a.en", numbered(3))
    first, second = shards_of(tmp_path / "a.en", 2, prefixes=["x", "y", "z"])
    assert (first.prefixes, second.prefixes) == (["x", "y"], ["z"])
    assert [list(window.prefixes) for window in first.windows()] == [["x", "y"]]


@pytest.mark.parametrize(("count", "message"), [(2, "ends before line 3"), (4, "has more")])
def test_prefixes_must_be_as_many_as_lines(tmp_path, count, message):
    write_lines(tmp_path / "a.en", numbered(3))
    with pytest.raises(UserError, match=message):
        shards_of(tmp_path / "a.en", 2, prefixes=["x"] * count)


def test_a_pattern_is_a_file_of_that_name_or_all_files_that_match(tmp_path):
    for name in ("b.en", "a.en", "c.fr", "d[1].en"):
        (tmp_path / name).touch()
    names = [path.name for path in input_files(tmp_path / "?.en")]
    assert names == ["a.en", "b.en"]
    assert [path.name for path in input_files(tmp_path / "d[1].en")] == ["d[1].en"]
    with pytest.raises(UserError, match="no file matches"):
        input_files(tmp_path / "*.de")
    with pytest.raises(UserError, match="no such file"):
        input_files(tmp_path / "e.en")


@pytest.mark.parametrize("pattern", ["pipe", "p*"])
def test_a_pipe_is_refused_before_anything_is_read_of_it(tmp_path, pattern):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe: expected a file, .* Received: a pipe"):
        input_files(tmp_path / pattern)


@pytest.mark.parametrize("pattern", ["b.en", "*.en"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path, pattern):
    (tmp_path / "a.en").touch()
    (tmp_path / "b.en").symlink_to("missing")
    with pytest.raises(UserError, match=r"b\.en: .* Received: a link to missing, which does not"):
        input_files(tmp_path / pattern)


def test_a_pattern_leaves_out_folders_and_follows_links(tmp_path):
    (tmp_path / "a.en").touch()
    (tmp_path / "b.en").symlink_to("a.en")
    (tmp_path / "c.en").mkdir()
    (tmp_path / "d.en").symlink_to("c.en")
    assert [path.name for path in input_files(tmp_path / "*.en")] == ["a.en", "b.en"]


def test_outputs_are_called_after_their_inputs(tmp_path):
    files = [tmp_path / name for name in ("a.en.gz", "b.en", "c.txt", "d")]
    assert list(output_names(files, "en").values()) == ["a", "b", "c.txt", "d"]


def test_two_inputs_with_one_name_are_refused(tmp_path):
    with pytest.raises(UserError, match="both be written as a-00000"):
        output_names([tmp_path / "a.en", tmp_path / "a.en.gz"], "en")


@pytest.mark.parametrize("number", [0, -1, 10**20])
def test_a_shard_has_at_least_a_line_and_fits_into_memory(tmp_path, number):
    write_lines(tmp_path / "a.en", numbered(3))
    with pytest.raises(UserError, match=f"shard-lines must be at least 1 and .*Received: {number}"):
        shards_of(tmp_path / "a.en", number)


def test_text_that_breaks_off_is_reported_after_what_could_be_read(tmp_path):
    compressed = gzip.compress(b"".join(b"%d\n" % number for number in range(100_000)))
    (tmp_path / "a.en.gz").write_bytes(compressed[: len(compressed) // 2])
    shards = read_shards([tmp_path / "a.en.gz"], "en", 1000)
    assert next(shards).lines[0] == "0"
    with pytest.raises(UserError, match="reading broke off after line"):
        list(shards)


def test_a_shard_before_a_line_that_cannot_be_read_is_whole(tmp_path):
    (tmp_path / "a.en").write_bytes(b"one\ntwo\n\xff\n")
    write_lines(tmp_path / "b.en", ["three"])
    shards = read_shards([tmp_path / "a.en", tmp_path / "b.en"], "en", 2)
    first = next(shards)
    assert (first.lines, first.is_last) == (["one", "two"], False)
    with pytest.raises(UserError, match=r"a\.en, line 3: expected UTF-8"):
        next(shards)
    assert [shard.name for shard in shards] == ["b-00000"]
