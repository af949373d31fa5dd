"""Joins translated shards and their sources to the two sides of a training text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nmt.bulk.folder import OutputFolder
from nmt.bulk.shards import Shard
from nmt.errors import UserError
from nmt.text.back_translation import with_tag
from nmt.text.lines import is_blank, read_lines, write_lines


@dataclass(frozen=True)
class SyntheticText:
    """Back-translations in `source`, and the text that they translate in `target`."""

    source: Path
    target: Path

    @property
    def shards(self) -> Path:
        """The folder of the translated shards."""
        return self.source.with_suffix(".shards")

    def check(self, inputs: Iterable[Path], overwrite: bool) -> None:
        """UserError if a file would be replaced that was not written by the same command."""
        for path in (self.source, self.target):
            if any(path.exists() and path.samefile(one) for one in inputs):
                raise UserError(f"{path} is the input. Choose another --output.")
            if path.exists() and not self.shards.is_dir() and not overwrite:
                raise UserError(
                    f"{path} exists. Choose another --output, or add --overwrite to replace it."
                )

    def write(self, shards: Iterable[Shard], folder: OutputFolder, tag: bool) -> None:
        """Writes both sides from shards that are complete. With `tag`, sources get the tag of
        back-translations (`nmt.text.back_translation`), unless they are blank."""
        # One side after the other: neither has to fit into memory.
        given = list(shards_of(shards, folder))
        translations = (line for _, path in given for line in read_lines(path))
        write_lines(
            self.source,
            (with_tag(line) if tag and not is_blank(line) else line for line in translations),
        )


def shards_of(shards: Iterable[Shard], folder: OutputFolder) -> Iterator[tuple[Shard, Path]]:
    for shard in shards:
        yield shard, folder.target(shard)
