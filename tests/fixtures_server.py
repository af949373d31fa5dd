"""A server over a translator that is a function: `pytest_plugins = ["fixtures_server"]`."""

import asyncio
import contextlib
import threading
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from nmt.alignment import Alignment
from nmt.app import make_app
from nmt.config import parse_config
from nmt.gate import Metrics
from nmt.results import Candidate, Translation
from nmt.service import Limits, Service
from nmt.text import is_blank
from nmt.tokenizer import Tokenizer


class Shouter:
    """Translates "abc" into "ABC", in the second place "ABC 2", and so on. Looks at each word in turn.

    `gate` holds it back; `calls` remembers what it was asked.
    """

    num_workers = 2

    def __init__(self, source="en", target="fr"):
        config = parse_config({"data": {"source": source, "target": target}}, "the test")
        self.run = SimpleNamespace(config=config)
        self.calls, self.gate = [], threading.Event()
        self.gate.set()

    def translate(self, lines, *, n_best, alignments, choices, **options):
        self.calls.append((list(lines), {"n_best": n_best, **options}))
        assert self.gate.wait(20)
        return [Translation(line, tuple(self._candidates(line, n_best, alignments, choices))) for line in lines]

    @staticmethod
    def _candidates(line, n_best, alignments, choices):
        if is_blank(line):
            yield Candidate(line, 0.0, 0.0, False)
            return
        for n in range(n_best):
            text = line.upper() + (f" {n + 1}" if n else "")
            spans = Tokenizer.words(line), Tokenizer.words(text)
            words = [[of[start:end] for start, end in side] for of, side in zip((line, text), spans, strict=True)]
            weights = [[float(s == t) for s in range(len(words[0]))] for t in range(len(words[1]))]
            tokens = (*(f"▁{word}" for word in words[1]), "</s>")
            array = np.array(weights, float).reshape(len(words[1]), len(words[0]))
            alignment = Alignment(*words, array, *spans, list(range(len(words[1]))))
            yield Candidate(
                text, -0.5 * len(tokens), -0.5 - n, False, tokens, (-0.5,) * len(tokens),
                alignment if alignments else None,
                tuple(((token, -0.5), ("▁other", -1.5)) for token in tokens) if choices and not n else (),
            )  # fmt: skip


class Client:
    """`get` and `post` of an app, without a socket; one loop, so that requests may be sent side by side."""

    def __init__(self, app):
        self.loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")

    def together(self, *requests):
        async def gathered():
            return await asyncio.gather(*requests)

        return self.loop.run_until_complete(gathered())

    def get(self, path, **options):
        return self.together(self.http.get(path, **options))[0]

    def post(self, path, fields=None, **options):
        """`fields` as JSON."""
        return self.together(self.http.post(path, **({"json": fields} if fields is not None else {}), **options))[0]

    def translate(self, q, **fields):
        return self.post("/translate", {"q": q, "source": "en", "target": "fr", **fields})


@pytest.fixture
def client_of():
    """client_of(*translators, **limits) -> a client of a server of them, by default of one that shouts."""
    with contextlib.ExitStack() as stack:

        def make(*translators, **limits):
            translators = translators or (Shouter(),)
            service = Service(translators, Limits(**limits), Metrics(), split_sentences=True)
            stack.callback(service.close)
            stack.callback(lambda: [translator.gate.set() for translator in translators])
            client = Client(make_app(service))
            stack.callback(client.loop.close)
            return client

        yield make


@pytest.fixture
def client(client_of):
    return client_of()
