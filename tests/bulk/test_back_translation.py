"""Joining translated shards and their sources."""

import pytest
from fixtures.bulk import SETTINGS, Upper, numbered, translate_all

from nmt.bulk.back_translation import SyntheticText
from nmt.bulk.folder import OutputFolder
from nmt.bulk.shards import read_shards
from nmt.errors import UserError
from nmt.text.lines import read_lines, write_lines


@pytest.fixture
def write(tmp_path):
    """write(lines) translates numbered lines, and joins them after the input has become `lines`."""

    def write(lines):
        path = tmp_path / "mono.en"
        write_lines(path, numbered(25))
        text = SyntheticText(tmp_path / "bt.fr", tmp_path / "bt.en")
        translate_all(path, text.shards, Upper())
        write_lines(path, lines)
        shards = read_shards([path], "en", 10)
        text.write(shards, OutputFolder(text.shards, ".fr", SETTINGS), tag=False)
        return text

    return write


def test_each_translation_goes_with_its_line(write):
    text = write(numbered(25))
    assert list(read_lines(text.target)) == numbered(25)
    assert list(read_lines(text.source)) == [line.upper() for line in numbered(25)]


@pytest.mark.parametrize(
    "changed",
    [
        ["other", *numbered(24, 1)],
        numbered(26),
        numbered(35),
        numbered(24),
        numbered(20),
        numbered(15),
    ],
)
def test_an_input_that_has_changed_since_is_refused(write, changed, tmp_path):
    with pytest.raises(UserError, match=r"had other text|had more lines|has changed"):
        write(changed)
    assert not (tmp_path / "bt.fr").exists() and not (tmp_path / "bt.en").exists()
