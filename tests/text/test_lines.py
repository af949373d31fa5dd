"""Lines, parallel files, atomic writing."""

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.text.lines import (
    ParallelFiles,
    atomic_write,
    decode_lines,
    file_fingerprint,
    is_blank,
    make_folder,
    read_lines,
    read_parallel,
    read_phrase_table,
    resolve_parallel,
    split_lines,
    write_lines,
)

ANY_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))


def put(path: Path, content: bytes | str) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# Lines


def test_only_a_line_feed_ends_a_line(tmp_path):
    text = "a\x85b\u2028c\x0cd\re\x1cf\vg\n\nlast"
    assert list(read_lines(put(tmp_path / "x", text))) == [
        "a\x85b\u2028c\x0cd\re\x1cf\vg",
        "",
        "last",
    ]


def test_one_carriage_return_before_a_line_feed_is_dropped():
    assert list(split_lines(io.BytesIO(b"a\r\nb\r\r\n\r\nc\r"))) == [b"a", b"b\r", b"", b"c\r"]


def test_an_empty_file_has_no_line_and_a_lone_line_feed_is_one(tmp_path):
    assert list(read_lines(put(tmp_path / "x", ""))) == []
    assert list(read_lines(put(tmp_path / "x", "\n"))) == [""]


def test_a_byte_order_mark_is_dropped_at_the_start_only(tmp_path):
    assert list(read_lines(put(tmp_path / "x", "\ufeffa\n\ufeffb\n"))) == ["a", "\ufeffb"]


def test_gzip_is_read_like_plain_text(tmp_path):
    assert list(read_lines(put(tmp_path / "x.gz", "é\nb\n"))) == ["é", "b"]


@settings(deadline=None)
@given(
    st.lists(
        ANY_LINE.filter(lambda line: not line.endswith("\r") and not line.startswith("\ufeff"))
    )
)
def test_lines_written_are_read_back(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "x"
    write_lines(path, lines)
    assert list(read_lines(path)) == lines


def test_bytes_that_are_no_utf8_name_file_and_line(tmp_path):
    path = put(tmp_path / "latin.en", b"fine\nd\xe9j\xe0 vu\n")
    with pytest.raises(
        UserError,
        match=r"latin\.en, line 2: expected UTF-8\. Received: the byte 0xe9 at position 1",
    ):
        list(read_lines(path))


def test_the_command_of_the_advice_converts_what_windows_wrote(tmp_path):
    """Latin-1 would make quotes and the euro sign control characters."""
    text = "“Hello”, he said. It’s 5 € – déjà vu…"
    path = put(tmp_path / "x", text.encode("cp1252"))
    with pytest.raises(UserError) as error:
        list(read_lines(path))
    (command,) = re.findall("`(iconv [^`]*)`", str(error.value))
    converted = subprocess.run([*command.split(), path], capture_output=True, check=True)
    assert converted.stdout.decode() == text


@pytest.mark.parametrize(
    ("content", "format_name"),
    [
        ("déjà vu\n".encode("utf-16-le"), "0xe9"),
        (b"\xff\xfe" + "déjà vu\n".encode("utf-16-le"), "UTF-16"),
        (b"\xfe\xff" + "déjà vu\n".encode("utf-16-be"), "UTF-16"),
        (gzip.compress(b"text\n", mtime=0), "gzip-compressed data"),
        (bz2.compress(b"text\n"), "bzip2-compressed data.*`bzip2 -d`"),
        (lzma.compress(b"text\n"), "xz-compressed data.*`xz -d`"),
        (bytes.fromhex("28b52ffd2005290000746578740a"), "zstd-compressed data.*`zstd -d`"),
        (b"PK\x03\x04\x14\xe9", r"a ZIP archive.*--format docx"),
        (b"%PDF-1.7 \xb5\xb5", "a PDF.*--format pdf"),
        (b"\x7fELF\x02\x00\x00\xb5", "0xb5.*NUL bytes.*no text"),
    ],
)
def test_other_formats_are_named(tmp_path, content, format_name):
    path = put(tmp_path / "text.en", content)
    with pytest.raises(UserError, match=rf"text\.en.*Received: .*{format_name}"):
        list(read_lines(path))


@pytest.mark.parametrize("content", [b"\xed\xa0\x80", b"\xc0\x80", b"a\xff\xfea\x00", b"\xe2\x82"])
def test_surrogates_overlong_forms_and_cut_characters_are_no_utf8(content):
    with pytest.raises(UserError, match="<stdin>, line 1: expected UTF-8"):
        list(decode_lines(io.BytesIO(content), "<stdin>"))


def test_a_folder_in_the_place_of_a_prefix_is_told_what_to_give(tmp_path):
    put(tmp_path / "news.en", "")
    with pytest.raises(UserError, match=rf"{tmp_path} is a folder: .*, as in {tmp_path}/news\."):
        resolve_parallel(tmp_path, "en", "fr")


def test_a_missing_file_names_its_neighbours(tmp_path):
    put(tmp_path / "train.en", "")
    with pytest.raises(
        UserError, match=r"train\.fr: no such file\. Similar names in .*: train\.en\."
    ):
        list(read_lines(tmp_path / "train.fr"))
    with pytest.raises(UserError, match=r"The folder .*nowhere cannot be read or does not exist"):
        list(read_lines(tmp_path / "nowhere" / "train.fr"))


def test_a_neighbour_with_a_line_feed_in_its_name_keeps_the_message_on_one_line(tmp_path):
    put(tmp_path / "train\n.en", "")
    with pytest.raises(UserError, match=r"train\\n\.en\.$") as error:
        list(read_lines(tmp_path / "train.fr"))
    assert "\n" not in str(error.value)


def test_a_folder_is_no_text_file(tmp_path):
    with pytest.raises(UserError, match="Received: a folder"):
        list(read_lines(tmp_path))


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_a_file_without_permission_is_a_user_error(tmp_path):
    path = put(tmp_path / "secret", "x\n")
    path.chmod(0)
    with pytest.raises(UserError, match=r"cannot be read: Permission denied"):
        list(read_lines(path))


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"a line\n" * 99, mtime=0)[:-9], b"no gzip at all\n", b"\x1f\x8b\x08\x00" * 9],
    ids=["cut off", "plain", "a header only"],
)
def test_broken_gzip_is_a_user_error(tmp_path, content):
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.gz: reading broke off after line"):
        list(read_lines(path))


def test_an_open_pipe_is_answered_line_by_line():
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, open(writer, "wb", buffering=0) as pipe:
        lines = decode_lines(stream, "<stdin>")
        for text in ("first", "second"):
            pipe.write(text.encode() + b"\n")
            answer: list[str] = []
            # In a thread, so that a reader which waits for more fails the test instead of hanging
            # it.
            thread = threading.Thread(
                target=lambda answer=answer: answer.append(next(lines)), daemon=True
            )
            thread.start()
            thread.join(timeout=5)
            assert answer == [text]


@pytest.mark.parametrize(
    "line", ["", " ", "\t \r", "\u00a0", "\u202f\u2003\u3000", "\x85\u2028\x1c\x0c"]
)
def test_white_space_is_blank(line):
    assert is_blank(line) and line.strip() == ""


@pytest.mark.parametrize("line", ["a", " . ", "\u200b", "\ufeff", "\u00ad", "\u200d", "\x00"])
def test_zero_width_and_control_characters_are_not_blank(line):
    assert not is_blank(line)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = put(tmp_path / "x", "old")
    with pytest.raises(KeyError), atomic_write(path) as stream:
        stream.write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old" and names(tmp_path) == ["x"]


def test_an_interrupt_leaves_the_old_file_and_no_other(tmp_path):
    path = put(tmp_path / "x", "old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as stream:
        stream.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and names(tmp_path) == ["x"]


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = put(tmp_path / "x", "old")
    with atomic_write(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_says_what_failed_and_that_the_old_file_is_intact(tmp_path, monkeypatch, call):
    path = put(tmp_path / "model", "old")

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        UserError, match=r"model: could not be written: No space left.*previous file is intact"
    ):
        write_lines(path, ["new"])
    assert path.read_bytes() == b"old" and names(tmp_path) == ["model"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_to_and_not_replaced():
    with pytest.raises(UserError, match="/dev/full: could not be written: No space left"):
        write_lines("/dev/full", ["text"])
    write_lines("/dev/null", ["text"])
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_written_to_by_its_descriptor():
    read, write = os.pipe()
    write_lines(f"/dev/fd/{write}", ["text"])
    os.close(write)
    with open(read, "rb") as stream:
        assert stream.read() == b"text\n"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"The folder .*nowhere does not exist: create it first\.$"):
        write_lines(tmp_path / "nowhere" / "x", [])


def test_a_folder_is_not_written_to(tmp_path):
    with pytest.raises(UserError, match="Received: a folder"):
        write_lines(tmp_path, [])


def test_trouble_of_the_block_with_another_file_is_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "x"):
        (tmp_path / "other").read_bytes()
    assert names(tmp_path) == []


def test_a_file_keeps_its_mode_and_a_new_one_follows_the_umask(tmp_path):
    old = put(tmp_path / "old", "")
    old.chmod(0o640)
    write_lines(old, ["x"])
    write_lines(tmp_path / "new", ["x"])
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_symbolic_link_stays_a_link(tmp_path):
    target = put(tmp_path / "target", "old")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_lines(link, ["new"])
    assert link.is_symlink() and target.read_bytes() == b"new\n"


def test_a_chain_of_links_is_followed_to_a_file_that_may_be_missing(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "first").symlink_to("folder/second")
    (tmp_path / "folder" / "second").symlink_to("../third")
    write_lines(tmp_path / "first", ["new"])
    assert (tmp_path / "third").read_bytes() == b"new\n" and (tmp_path / "first").is_symlink()


def test_a_missing_folder_in_a_path_is_not_skipped(tmp_path):
    victim = put(tmp_path / "victim", "old")
    with pytest.raises(UserError, match="does not exist: create it first"):
        write_lines(tmp_path / "missing" / ".." / "victim", ["new"])
    assert victim.read_bytes() == b"old"


def test_text_mode_translates_no_line_ends(tmp_path):
    with atomic_write(tmp_path / "x", "w") as stream:
        stream.write("é\r\nb\n")
    assert (tmp_path / "x").read_bytes() == "é\r\nb\n".encode()


def test_a_long_file_name_can_be_written(tmp_path):
    write_lines(tmp_path / ("é" * 120), ["x"])
    assert names(tmp_path) == ["é" * 120]


def test_the_same_lines_make_the_same_gzip(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_lines(tmp_path / name, ["é", "b"])
    assert list(read_lines(tmp_path / "a.gz")) == ["é", "b"]
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_line_with_a_line_feed_is_not_written(tmp_path):
    with pytest.raises(UserError, match="line 2 to be written holds a line feed"):
        write_lines(tmp_path / "x", ["a", "b\nc"])
    assert names(tmp_path) == []


# Parallel files


def test_a_prefix_finds_plain_and_gzipped_sides(tmp_path):
    source, target = put(tmp_path / "train.en", "a\n"), put(tmp_path / "train.fr.gz", "b\n")
    files = resolve_parallel(tmp_path / "train", "en", "fr")
    assert files == ParallelFiles(source, target) and not files.is_table
    assert resolve_parallel(str(tmp_path / "train"), "fr", "en") == ParallelFiles(target, source)
    assert list(read_parallel(files)) == [("a", "b")]


def test_two_files_may_have_any_name(tmp_path):
    source, target = put(tmp_path / "a,b.txt", ""), put(tmp_path / "c.txt", "")
    assert resolve_parallel(f"{source}, {target}", "en", "fr") == ParallelFiles(source, target)


def test_a_folder_may_have_a_comma_in_its_name(tmp_path):
    folder = tmp_path / "a,b"
    folder.mkdir()
    for name in ("x.en", "x.fr", "x.tsv"):
        put(folder / name, "")
    assert resolve_parallel(folder / "x", "en", "fr") == ParallelFiles(
        folder / "x.en", folder / "x.fr"
    )
    assert resolve_parallel(folder / "x.tsv", "en", "fr").is_table


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
def test_a_table_is_both_sides(tmp_path, name):
    put(tmp_path / name, 'a "b\tc\tCC-BY\tmore\n\t\n')
    files = resolve_parallel(tmp_path / name, "en", "fr")
    assert files.is_table
    assert list(read_parallel(files)) == [('a "b', "c"), ("", "")]


def test_a_table_line_without_tab_is_named(tmp_path):
    put(tmp_path / "t.tsv", "a\tb\nc d\n")
    with pytest.raises(
        UserError, match=r"t\.tsv, line 2: expected source TAB target\. Received: 'c d'"
    ):
        list(read_parallel(resolve_parallel(tmp_path / "t.tsv", "en", "fr")))


def test_one_file_may_be_its_own_target(tmp_path):
    path = put(tmp_path / "x.txt", "a\nb\n")
    assert list(read_parallel(resolve_parallel(f"{path},{path}", "en", "en"))) == [
        ("a", "a"),
        ("b", "b"),
    ]


def test_what_is_missing_and_what_is_there_are_listed(tmp_path):
    put(tmp_path / "train.en", "")
    put(tmp_path / "train.de", "")
    with pytest.raises(UserError) as caught:
        resolve_parallel(tmp_path / "train", "en", "fr")
    message = str(caught.value)
    assert "train.fr, " in message and "train.fr.gz." in message and "train.en.gz" not in message
    assert "Similar names in" in message and "train.de, train.en" in message


def test_a_whole_file_name_in_place_of_a_prefix_is_answered_with_the_prefix(tmp_path):
    put(tmp_path / "train.en", "")
    with pytest.raises(UserError, match=r"Give the prefix: .*/train\. "):
        resolve_parallel(tmp_path / "train.en", "en", "fr")


@pytest.mark.parametrize("spec", ["missing.tsv", "a.txt,b.txt", "nowhere/train", ""])
def test_nothing_found_is_a_user_error(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        resolve_parallel(spec, "en", "fr")


def test_an_empty_text_is_no_prefix():
    with pytest.raises(UserError, match=r"expected the prefix of a parallel text.*an empty text"):
        resolve_parallel("", "en", "fr")


@pytest.mark.parametrize(("source", "target"), [(3, 5), (5, 3), (4, 5), (0, 1), (1, 0)])
def test_unequal_line_counts_are_both_counted(tmp_path, source, target):
    put(tmp_path / "x.en", "a\n" * source)
    put(tmp_path / "x.fr", "b\n" * target)
    pairs = read_parallel(resolve_parallel(tmp_path / "x", "en", "fr"))
    with pytest.raises(
        UserError,
        match=rf"equally many lines\. Received: {source} in .*x\.en, {target} in .*x\.fr\.",
    ):
        list(pairs)


def test_pairs_stream(tmp_path):
    put(tmp_path / "x.en", b"a\n\xff\n")
    put(tmp_path / "x.fr", "b\nc\n")
    pairs = read_parallel(resolve_parallel(tmp_path / "x", "en", "fr"))
    assert next(pairs) == ("a", "b")  # what is wrong with line 2 is not known yet
    with pytest.raises(UserError, match="line 2"):
        next(pairs)


def test_a_folder_that_cannot_be_made_says_why(tmp_path):
    file = put(tmp_path / "file", "in the way")
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    for path, reason in [(file, "it is a file"), (file / "c", f"{file} is a file")]:
        message = f"{path}: the folder cannot be made: {reason}. Choose another run folder."
        with pytest.raises(UserError, match=re.escape(message)):
            make_folder(path, "run folder")


def test_a_fingerprint_depends_on_content_and_boundaries_alone(tmp_path):
    a, b = put(tmp_path / "a", "1\n2\n"), put(tmp_path / "b", "3\n")
    first = file_fingerprint([a, b])
    assert first == file_fingerprint([put(tmp_path / "c", "1\n2\n"), b]) and len(first) == 64
    assert first != file_fingerprint([b, a])
    assert first != file_fingerprint([put(tmp_path / "d", "1\n"), put(tmp_path / "e", "2\n3\n")])
    with pytest.raises(UserError, match="cannot be read"):
        file_fingerprint([tmp_path / "nowhere"])


# ------------------------------------------------------------------------------------ phrase tables


def test_a_phrase_table_is_two_columns(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("foo\tbar\n\nNew York \t Nouvelle-York\r\nfoo\tbar\n", encoding="utf-8")
    assert read_phrase_table(path) == {"foo": "bar", "New York": "Nouvelle-York"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("foo", "must be source phrase, tab, target phrase"),
        ("foo\t ", "must be"),
        ("\tx", "must be"),
        ("a\tb\tc", "must be"),
        ("ok\tno", ".*listed twice"),
    ],
)
def test_what_is_no_phrase_table_is_said_with_its_line(line, message, tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text(f"ok\tyes\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"words.tsv: line 2:? {message}"):
        read_phrase_table(path)


def test_a_name_of_the_embedded_corpus_is_found_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(list(read_lines("everyday/test.en"))) == 1000
    assert len(list(read_parallel(resolve_parallel("everyday/dev", "fr", "en")))) == 1000
    files = resolve_parallel("everyday/dev.en, everyday/dev.fr", "en", "fr")
    assert next(read_parallel(files))[0] == next(read_lines("everyday/dev.en"))
    with pytest.raises(UserError, match=r"testing\.en: no such file.*everyday holds: .*test\.en"):
        list(read_lines("everyday/testing.en"))


def test_a_folder_of_ones_own_hides_the_embedded_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "everyday").mkdir()
    put(tmp_path / "everyday" / "test.en", "mine\n")
    assert list(read_lines("everyday/test.en")) == ["mine"]
    with pytest.raises(UserError, match="no parallel text at everyday/train"):
        resolve_parallel("everyday/train", "en", "fr")
