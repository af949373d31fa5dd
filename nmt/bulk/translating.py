"""Translates shards with workers that take windows and give records back, in order."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nmt.bulk.folder import Claim, OtherSettings, OutputFolder
from nmt.bulk.shards import Shard, Window
from nmt.errors import LineError, UserError
from nmt.inference.outputs import as_json, as_n_best, as_text

if TYPE_CHECKING:
    from nmt.inference.translator import Translator

Form = Literal["text", "n-best", "json"]
FORMS = {"text": as_text, "n-best": as_n_best, "json": as_json}


@dataclass(frozen=True)
class FailedLine:
    """The line of a window that could not be translated."""

    index: int  # in its window
    message: str


Answer = list[str] | FailedLine  # a record for each line of a window


@dataclass(frozen=True)
class Request:
    """What is done with each window, on whichever machine. Picklable."""

    n_best: int = 1
    alignments: bool = False
    form: Form = "text"
    keywords: Mapping[str, Any] = field(default_factory=dict)  # of `Translator.translate`

    def answer(
        self, translator: "Translator", window: Window, progress: Callable[[int], Any] | None = None
    ) -> Answer:
        """Batches of one window are searched one after the other: their sizes, which may change the
        last digit, do not depend on the number of cores."""
        try:
            translations = translator.translate(
                window.lines,
                n_best=self.n_best,
                alignments=self.alignments,
                prefixes=window.prefixes,
                num_workers=1,
                progress=progress,
                **self.keywords,
            )
        except LineError as error:
            return FailedLine(error.index, error.message)
        form = FORMS[self.form]
        return [
            "\n".join(form(index, translation))
            for index, translation in enumerate(translations, window.first_line)
        ]


class Workers(Protocol):
    """Translate windows."""

    def translate(self, windows: Iterable[Window]) -> Generator[Answer, None, None]:
        """The answers, in order. Windows are taken from the iterator as workers need them."""
        ...


class _Stopped(Exception):
    """The answer is not needed any more."""


class Threads:
    """This machine's cores: a translator that several threads share."""

    def __init__(self, translator: "Translator", request: Request):
        self._translator, self._request = translator, request

    def translate(self, windows: Iterable[Window]) -> Generator[Answer, None, None]:
        num_threads = self._translator.num_workers
        stopped = threading.Event()

        def progress(count: int) -> None:
            if stopped.is_set():
                raise _Stopped

        pool = ThreadPoolExecutor(num_threads)
        pending: deque[Any] = deque()
        try:
            for window in windows:
                pending.append(
                    pool.submit(self._request.answer, self._translator, window, progress)
                )
                if len(pending) > num_threads:  # one more than there are threads: none waits
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


@dataclass
class Summary:
    """What became of the shards."""

    num_translated: int = 0
    num_complete: int = 0  # before
    busy: list[str] = field(default_factory=list)  # translated by other processes
    failed: list[str] = field(default_factory=list)  # messages: shards, and files not to be read


def translate_shards(
    shards: Iterable[Shard],
    folder: OutputFolder,
    workers: Workers,
    progress: Callable[[int], Any] = lambda count: None,
) -> Summary:
    """Translates the shards that are not complete into the folder; `progress` is called with
    numbers of lines.

    A line that cannot be translated, or a file that must not be replaced, fails its shard only,
    which is then not written; a file that cannot be read fails alone. Other settings than those of
    an earlier translation end the reading of shards. What is wrong with all lines raises UserError.
    """
    folder.create()
    summary = Summary()
    claims: dict[Shard, Claim] = {}
    failed: set[Shard] = set()
    owners: deque[Shard] = deque()  # of the windows that are not answered yet

    def claimed() -> Iterator[Shard]:
        # No error leaves this iterator: the answers to earlier windows are not written yet.
        remaining = iter(shards)
        while True:
            try:
                shard = next(remaining, None)
                if shard is None:
                    return
                claim = _claim(shard, folder, summary)
            except UserError as error:
                summary.failed.append(str(error))
                if isinstance(error, OtherSettings):
                    return
                continue
            if claim:
                claims[shard] = claim
                yield shard
            else:
                progress(len(shard.lines))

    def windows() -> Iterator[Window]:
        for shard in claimed():
            for window in shard.windows():
                if shard in failed:
                    break
                owners.append(shard)
                yield window

    with contextlib.closing(workers.translate(windows())) as answers:
        owned = ((owners.popleft(), answer) for answer in answers)
        try:
            for shard, of_shard in groupby(owned, key=lambda pair: pair[0]):
                try:
                    _write(shard, (answer for _, answer in of_shard), folder, progress)
                    summary.num_translated += 1
                except LineError as error:
                    failed.add(shard)
                    summary.failed.append(f"{shard.source}, {error}")
                claims.pop(shard).release(is_complete=shard not in failed)
        finally:
            for claim in claims.values():
                claim.release(is_complete=False)
    return summary


def _claim(shard: Shard, folder: OutputFolder, summary: Summary) -> Claim | None:
    """None if the shard is complete, or is being translated."""
    if folder.is_complete(shard):
        summary.num_complete += 1
        return None
    claim = folder.claim(shard)
    if claim is None:
        summary.busy.append(shard.name)
    elif folder.is_complete(shard):  # by another process, meanwhile
        summary.num_complete += 1
        claim.release(is_complete=True)
        return None
    return claim


def _write(
    shard: Shard,
    answers: Iterable[Answer],
    folder: OutputFolder,
    progress: Callable[[int], Any],
) -> None:
    with folder.write(shard) as writer:
        for answer in answers:
            if isinstance(answer, FailedLine):
                index = shard.first_line + writer.num_records + answer.index
                raise LineError(index, answer.message)
            writer.write_records(answer)
            progress(len(answer))


def translate_shard(
    translator: "Translator", source: Shard, folder: OutputFolder, request: Request = Request()
) -> bool:
    """Translates one shard into a folder; False if it was complete, or is being translated by
    another process. UserError if a line cannot be translated."""
    summary = translate_shards([source], folder, Threads(translator, request))
    if summary.failed:
        raise UserError(summary.failed[0])
    return summary.num_translated == 1
