"""Archives are data: nothing is unpacked, and what they expand to is bounded."""

import io
import tarfile
import zipfile

import pytest

from nmt.corpora.archives import open_member
from nmt.errors import UserError
from nmt.text.lines import split_lines


def zipped(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "/"), content)
    return path


def tarred(path, **members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("_", "/"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def lines(archive, name):
    with open_member(archive, name) as stream:
        return list(split_lines(stream))


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_member_is_read_from_whatever_folder_it_is_in(make, tmp_path):
    path = make(tmp_path / "a", readme=b"no", deep_er_fra=b"Hi.\tSalut !\nx\n")
    assert lines(path, "fra") == [b"Hi.\tSalut !", b"x"]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_that_lead_out_of_a_folder_write_nothing(make, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = make(folder / "a", **{".._.._fra": b"evil\n"})
    assert lines(path, "fra") == [b"evil"]
    assert [p.name for p in tmp_path.rglob("*")] == ["folder", "a"]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_missing_member_is_named_with_those_there(make, tmp_path):
    with pytest.raises(UserError, match=r"expected a member fra. It holds 'readme'"):
        lines(make(tmp_path / "a", readme=b"no"), "fra")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_that_expands_without_end_is_not_read(make, tmp_path):
    path = make(tmp_path / "a", fra=b"0" * 5_000_000)
    with pytest.raises(UserError, match="expands to more than text would"):
        lines(path, "fra")


def test_a_huge_member_before_the_wanted_one_is_not_decompressed(tmp_path):
    path = tarred(tmp_path / "a", bomb=b"0" * 5_000_000, fra=b"Hi.\n")
    with pytest.raises(UserError, match="expands to more than text would"):
        lines(path, "fra")


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", b"PK\x03\x04"])
def test_what_is_no_archive_is_said(content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=r"expected an archive. Received: a file that begins with"):
        lines(tmp_path / "a", "fra")


def test_a_tar_archive_that_was_cut_is_said(tmp_path):
    (tmp_path / "a").write_bytes(tarred(tmp_path / "whole", fra=b"Hi.\n").read_bytes()[:20])
    with pytest.raises(UserError, match=r"is damaged|expected an archive"):
        lines(tmp_path / "a", "fra")


def test_a_damaged_member_is_said(tmp_path):
    path = zipped(tmp_path / "a", zipfile.ZIP_STORED, fra=b"one line\n" * 10)
    content = bytearray(path.read_bytes())
    content[50] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        lines(path, "fra")


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a", "w") as archive:
        info = tarfile.TarInfo("fra")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UserError, match="expected a member"):
        lines(tmp_path / "a", "fra")
