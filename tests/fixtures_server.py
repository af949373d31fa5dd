"""A server over a translator that is a function: `pytest_plugins = ["fixtures_server"]`."""

import asyncio
import contextlib

import httpx
import pytest
from fixtures_shouter import Shouter

from nmt.app import make_app
from nmt.gate import Metrics
from nmt.service import Limits, Service


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
