"""The translators of a server by language pair, behind one queue and within limits.

Threads translate; the event loop awaits their results.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastapi import Request
from starlette.requests import ClientDisconnect

from nmt.errors import LineError, UserError
from nmt.inference.translator import Translation, Translator
from nmt.search.glossary import Glossary
from nmt.serving.dynamic_batching import Batcher, QueueFull
from nmt.serving.middleware import Metrics
from nmt.serving.schemas import Refusal
from nmt.text.language_id import language_name, match_language

LINES_AT_ONCE = 128  # of a request in the queue: other requests come between
_RETRY_SECONDS = 0.1  # until lines are offered again to a queue that was full


@dataclass(frozen=True)
class Limits:
    """Limits on requests."""

    max_characters: int = 20_000  # in one request
    max_texts: int = 500  # in one list
    max_alternatives: int = 9
    max_waiting: int = 2048  # lines in the queue
    max_file_bytes: int = 10_000_000  # of a document; 0: no documents
    max_document_characters: int = 500_000
    document_seconds: int = 600  # to translate a document
    requests_a_minute: int | None = None  # from one client, see `client_of`
    api_keys: frozenset[str] = frozenset()  # empty: no key is needed
    cors_origins: Sequence[str] = ()


class BatchKey(NamedTuple):
    """Lines decoded together share these options."""

    source: str
    target: str
    n_best: int = 1
    beam_size: int | None = None
    alignments: bool = False
    choices: int = 0
    split_sentences: bool | None = None  # None: as the run's config says
    glossary: Glossary | None = None


class Service:
    """Translators by language pair, behind one queue."""

    def __init__(
        self,
        translators: Iterable[Translator],
        limits: Limits,
        metrics: Metrics,
        split_sentences: bool | None = None,
    ):
        self._by_pair: dict[tuple[str, str], Translator] = {}
        for translator in translators:
            data = translator.run.config.data
            if (data.source, data.target) in self._by_pair:
                raise UserError(
                    f"two runs translate {data.source} to {data.target}. Serve one of them."
                )
            self._by_pair[data.source, data.target] = translator
        self.limits, self.metrics, self._split_sentences = limits, metrics, split_sentences
        self._batcher = Batcher(
            self._translate,
            num_workers=max(translator.num_workers for translator in self._by_pair.values()),
            max_waiting=limits.max_waiting,
            observe=metrics.batch_lines.observe,
        )
        metrics.waiting_lines.set_function(lambda: self._batcher.num_waiting)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(self._by_pair)

    @property
    def languages(self) -> list[str]:
        """All languages: sources first, in the order of the runs."""
        sources, targets = zip(*self._by_pair, strict=True)
        return list(dict.fromkeys((*sources, *targets)))

    def targets(self, source: str) -> list[str]:
        return [target for code, target in self._by_pair if code == source]

    def sources(self, target: str) -> list[str]:
        return [source for source, code in self._by_pair if code == target]

    def language(self, code: str) -> str:
        """The language that a client's code means. Refusal if the server does not know it."""
        language = match_language(code, self.languages)
        if language is None:
            raise Refusal(400, f"{code} is not supported")
        return language

    def num_pieces(self, key: BatchKey, line: str) -> int:
        """Number of pieces that the line's tokenizer cuts it into."""
        return len(self._by_pair[key.source, key.target].run.source_tokenizer.encode(line))

    def copies_placeholders(self, key: BatchKey) -> bool:
        """Whether the pair's model was trained to copy placeholders such as `{1}`."""
        return "placeholders" in self._by_pair[key.source, key.target].run.config.copying.classes

    def close(self) -> None:
        self._batcher.close()

    def batch_key(
        self, source: str, target: str, n_best: int, beam_size: int | None = None, **asked: Any
    ) -> BatchKey:
        """The key of a request. Its beam, asked for or the run's, is at least as wide as `n_best`.

        Refusal if no translator of the pair is loaded.
        """
        translator = self._by_pair.get((source, target))
        if translator is None:
            raise Refusal(
                400,
                f"{language_name(target)} ({target}) is not available as a target language from "
                f"{language_name(source)} ({source})",
            )
        decoding = translator.run.config.decoding
        asked = {"split_sentences": self._split_sentences, **asked}
        if decoding.sampling:  # without a beam
            return BatchKey(source, target, n_best, None, **asked)
        groups = math.ceil(max(n_best, beam_size or decoding.beam_size) / decoding.num_beam_groups)
        return BatchKey(source, target, n_best, groups * decoding.num_beam_groups, **asked)

    async def translate(
        self, request: Request, key: BatchKey, lines: Sequence[str]
    ) -> list[Translation]:
        """The translations of lines, in order.

        The lines enter the queue in parts, each after the answer to the one before, so that other
        requests come between. Raises Refusal if the queue is full at the start, LineError for a
        line that cannot be translated as asked for, and ClientDisconnect if the client has left:
        lines that still wait are not translated then.
        """
        translations: list[Translation] = []
        gone = asyncio.create_task(_disconnected(request))
        try:
            for start in range(0, len(lines), LINES_AT_ONCE):
                part = lines[start : start + LINES_AT_ONCE]
                future = await self._submitted(key, part, gone, is_first=not start)
                if not start:
                    self.metrics.characters.inc(sum(map(len, lines)))
                translations += await _unless_gone(future, gone)
        except LineError as error:
            raise LineError(len(translations) + error.index, error.message) from None
        finally:
            gone.cancel()
        return translations

    async def _submitted(
        self, key: BatchKey, lines: Sequence[str], gone: "asyncio.Task[None]", is_first: bool
    ) -> "asyncio.Future[list[Translation]]":
        """The future of a part of a request. The first part is refused if the queue is full; a
        later one waits."""
        while True:
            try:
                return asyncio.wrap_future(self._batcher.submit(key, lines))
            except QueueFull as full:
                if is_first:
                    retry = {"Retry-After": str(full.seconds)}
                    raise Refusal(503, f"The server is busy: {full}", retry) from None
            await asyncio.wait({gone}, timeout=_RETRY_SECONDS)
            if gone.done():
                raise ClientDisconnect

    def _translate(self, key: BatchKey, lines: list[str]) -> list[Translation | Exception]:
        translator = self._by_pair[key.source, key.target]
        translations = translator.translate(
            lines,
            errors="return",
            n_best=key.n_best,
            beam_size=key.beam_size,
            alignments=key.alignments,
            choices=key.choices,
            split_sentences=key.split_sentences,
            glossary=key.glossary,
            num_workers=1,
        )
        return [
            _error_of_one_line(result) if isinstance(result, LineError) else result
            for result in translations
        ]


def _error_of_one_line(error: LineError) -> Exception:
    """The failure that caused the error, or the error itself for a line that cannot be translated
    as asked for."""
    return error.__cause__ if isinstance(error.__cause__, Exception) else error


async def _unless_gone(
    future: "asyncio.Future[list[Translation]]", gone: "asyncio.Task[None]"
) -> list[Translation]:
    """The future's result. Raises ClientDisconnect if the client leaves before."""
    ends: set[asyncio.Future[Any]] = {future, gone}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise ClientDisconnect
        return future.result()
    finally:  # also when this task is cancelled
        future.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
