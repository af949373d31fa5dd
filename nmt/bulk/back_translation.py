"""Joins translated shards and their sources to the two sides of a training text."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nmt.bulk.folder import OutputFolder
from nmt.bulk.shards import Shard
from nmt.errors import UserError
from nmt.text.back_translation import with_tag
from nmt.text.lines import atomic_write, is_blank, read_lines, refuse_overwriting


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
            refuse_overwriting(path, inputs)
            if path.exists() and not self.shards.is_dir() and not overwrite:
                raise UserError(
                    f"{path} exists. Choose another --output, or add --overwrite to replace it."
                )

    def write(self, shards: Iterable[Shard], folder: OutputFolder, tag: bool) -> int:
        """Writes both sides from shards that are complete; returns the number of pairs. With
        `tag`, sources get the tag of back-translations (`nmt.text.back_translation`), unless they
        are blank. UserError if a shard is not the one that was translated."""
        count = 0
        with atomic_write(self.source) as sources, atomic_write(self.target) as targets:
            for shard in shards:
                if not folder.is_complete(shard):  # the shards are read again
                    raise UserError(f"{shard.source} has changed. Run the same command again.")
                translations = read_lines(folder.target(shard))
                for target, source in zip(shard.lines, translations, strict=True):
                    tagged = with_tag(source) if tag and not is_blank(source) else source
                    sources.write(tagged.encode() + b"\n")
                    targets.write(target.encode() + b"\n")
                    count += 1
        return count
