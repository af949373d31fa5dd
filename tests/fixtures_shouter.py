"""A translator that is a function, for servers."""

import json
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np

from nmt.alignment import Alignment
from nmt.config import parse_config
from nmt.results import Candidate, Translation
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


def main(port, api_key):
    """A server in a process of its own, whose deadlines are short: `python fixtures_shouter.py 0 KEY`."""
    from nmt import server
    from nmt.app import make_app
    from nmt.gate import Metrics
    from nmt.service import Limits, Service

    class Sleeper(Shouter):
        def translate(self, lines, **options):
            numbers = (float(line) for line in lines if line.replace(".", "", 1).isdigit())
            time.sleep(max(0.002 * len(lines), *numbers, 0.0))
            return super().translate(lines, **options)

    server.REQUEST_SECONDS = 1.0
    limits = Limits(api_keys=frozenset({api_key} if api_key else ()))
    with server.listen("127.0.0.1", int(port)) as listener:
        service = Service([Sleeper()], limits, Metrics())
        ready = {"port": listener.getsockname()[1]}
        server.serve(make_app(service), listener, lambda: print(json.dumps(ready), flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
