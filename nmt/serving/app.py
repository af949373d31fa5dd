"""The HTTP API and the page, as an ASGI app over a service: LibreTranslate's endpoints, and
`/v1/translate`.

The event loop reads, checks and writes; what takes longer is done in threads.
"""

import asyncio
import hmac
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import PurePath
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from nmt.about import VERSION
from nmt.errors import UserError
from nmt.inference.translator import Translation
from nmt.serving import schemas
from nmt.serving.middleware import JsonAnswer, RateLimit, RequestMiddleware, refused
from nmt.serving.schemas import Refusal
from nmt.serving.service import Service
from nmt.text.html import parse_markup
from nmt.text.language_id import Detected, detect, language_name

NUM_CHOICES = 5  # of `/v1/translate`, at each piece
MAX_CELLS = (
    4_000_000  # of its matrices of attention together: words times words, of each hypothesis
)
BYTES_A_CHARACTER = 12  # at most: "\ud83d\ude00" in JSON
DEBOUNCE = 300  # ms without a keystroke before the page asks
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
}  # of the page's files

Body = TypeVar("Body", bound=schemas.KeyedRequest)


def make_app(service: Service) -> FastAPI:
    """The app, which closes the service when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="nmt",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        description=(
            "Translation, with LibreTranslate's API. Every error is an object with the key `error`."
        ),
    )
    if service.limits.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.limits.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=["Retry-After"],
        )
    max_bytes = BYTES_A_CHARACTER * service.limits.max_characters + 2**14
    app.add_middleware(RequestMiddleware, metrics=service.metrics, max_bytes=max_bytes)
    _add_error_handlers(app)
    _Endpoints(service).add_to(app)
    for file in resources.files("nmt.serving").joinpath("static").iterdir():
        if media_type := MEDIA_TYPES.get(PurePath(file.name).suffix):
            path = "/" if file.name == "index.html" else f"/{file.name}"
            app.add_api_route(path, _static(file.read_bytes(), media_type), include_in_schema=False)
    return app


def _static(content: bytes, media_type: str) -> Callable[[], Any]:
    async def file() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return file


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refuse(request: Request, refusal: Refusal) -> Response:
        return refused(refusal)

    @app.exception_handler(UserError)  # of a translator
    async def explain(request: Request, error: UserError) -> Response:
        return refused(Refusal(400, str(error)))

    @app.exception_handler(HTTPException)  # no such path, no such method, no such form
    async def pass_on(request: Request, error: HTTPException) -> Response:
        return refused(Refusal(error.status_code, str(error.detail), error.headers))


class _Endpoints:
    def __init__(self, service: Service):
        self.service, self.limits = service, service.limits
        per_minute = self.limits.requests_a_minute
        self._rate_limit = RateLimit(per_minute) if per_minute else None

    def add_to(self, app: FastAPI) -> None:
        errors: dict[int | str, dict[str, Any]] = {
            400: {"description": "No such request can be answered"},
            403: {"description": "An API key is needed"},
            413: {"description": f"More than {self.limits.max_characters} characters"},
            429: {"description": "Too many requests"},
            500: {"description": "A fault of the server"},
            503: {"description": "The queue is full"},
        }
        errors = {status: {"model": schemas.Error, **error} for status, error in errors.items()}

        def post(
            path: str, endpoint: Any, request: type[schemas.KeyedRequest], answer: Any
        ) -> None:
            app.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                summary=endpoint.__doc__,
                responses={200: {"model": answer}, **errors},
                openapi_extra={
                    "requestBody": {"required": True, "content": self._accepted(request)}
                },
            )

        def get(path: str, endpoint: Any, answer: Any) -> None:
            app.add_api_route(
                path, endpoint, summary=endpoint.__doc__, responses={200: {"model": answer}}
            )

        post("/translate", self.translate, schemas.TranslateRequest, schemas.Translated)
        post("/detect", self.detect, schemas.DetectRequest, list[schemas.Detection])
        post("/v1/translate", self.explain, schemas.ExplainRequest, schemas.Explained)
        get("/languages", self.languages, list[schemas.Language])
        get("/frontend/settings", self.settings, dict[str, Any])
        get("/health", self.health, dict[str, str])
        app.add_api_route(
            "/metrics", self.metrics, summary=self.metrics.__doc__, response_class=PlainTextResponse
        )

    def _accepted(self, model: type[schemas.KeyedRequest]) -> dict[str, Any]:
        return schemas.accepted(
            model, self.service.pairs, self.limits.max_texts, self.limits.max_alternatives
        )

    # ----------------------------------------------------------------------------------- in and out

    async def _read(self, request: Request, model: type[Body]) -> Body:
        """The body, if it is one, and if the client may ask at all."""
        if self._rate_limit:
            self._rate_limit.admit(request.client.host if request.client else "")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await request.body()
        if content_type == "application/json":
            read = schemas.read_json(model, body)
        elif content_type == "application/x-www-form-urlencoded":
            read = schemas.read_urlencoded(model, body)
        elif content_type == "multipart/form-data":
            schemas.decoded(body)
            form = await request.form(
                max_files=0, max_fields=schemas.MAX_FIELDS, max_part_size=len(body)
            )
            read = schemas.read_form(
                model, [(name, str(value)) for name, value in form.multi_items()]
            )
        else:
            raise Refusal(400, "Invalid request: expected application/json, or a form")
        self._check_key(read.api_key)
        return read

    def _check_key(self, key: str | None) -> None:
        if not self.limits.api_keys:
            return
        if not key:
            raise Refusal(403, "Please contact the server operator to get an API key")
        given = key.encode("utf-8", "replace")
        if not any([hmac.compare_digest(given, known.encode()) for known in self.limits.api_keys]):
            raise Refusal(403, "Invalid API key")

    def _check_size(self, request: Request, texts: Sequence[str]) -> None:
        for size, limit, status in (
            (len(texts), self.limits.max_texts, 400),
            (sum(map(len, texts)), self.limits.max_characters, 413),
        ):
            if size > limit:
                raise Refusal(
                    status, f"Invalid request: request ({size}) exceeds text limit ({limit})"
                )
        request.scope["noted"] = {"texts": len(texts), "characters": sum(map(len, texts))}

    async def _source(
        self, source: str, target: str, texts: Sequence[str]
    ) -> tuple[str, Detected | None]:
        """The source language and, if it was left to us, how sure that is: the best of those that
        can be translated."""
        if source != "auto":
            return source, None
        sources = self.service.sources(target)
        if not sources:
            raise Refusal(400, f"{target} is not supported")
        best = (await asyncio.to_thread(detect, "\n".join(texts), sources))[0]
        return best.language, best

    # ------------------------------------------------------------------------------------ endpoints

    async def translate(self, request: Request) -> Response:
        """Translate text or HTML"""
        asked = await self._read(request, schemas.TranslateRequest)
        texts = [asked.q] if isinstance(asked.q, str) else asked.q
        alternatives = asked.alternatives or 0
        self._check_size(request, texts)
        if alternatives > self.limits.max_alternatives:
            limit = self.limits.max_alternatives
            raise Refusal(400, f"Invalid request: alternatives parameter must be <= {limit}")
        if alternatives and asked.format == "html":
            raise Refusal(400, "Invalid request: alternatives parameter is not for the html format")
        source, detected = await self._source(asked.source, asked.target, texts)
        wish = self.service.wish(source, asked.target, n_best=1 + alternatives)
        split = [(_from_html if asked.format == "html" else _from_text)(text) for text in texts]
        lines = [line for of_text, _ in split for line in of_text]
        translations = iter(await self.service.translate(request, wish, lines))
        found = [
            _distinct(
                _rebuilt(list(itertools.islice(translations, len(of_text))), join, 1 + alternatives)
            )
            for of_text, join in split
        ]
        answer: dict[str, Any] = {"translatedText": [of_text[0] for of_text in found]}
        if alternatives:
            answer["alternatives"] = [of_text[1:] for of_text in found]
        if detected:
            answer["detectedLanguage"] = [detected._asdict()] * len(texts)
        if isinstance(asked.q, str):
            answer = {name: values[0] for name, values in answer.items()}
        return JsonAnswer(answer)

    async def explain(self, request: Request) -> Response:
        """Translate text, and say where the model looked and what else it thought of"""
        asked = await self._read(request, schemas.ExplainRequest)
        self._check_size(request, [asked.q])
        source, detected = await self._source(asked.source, asked.target, [asked.q])
        lines = schemas.split_lines(asked.q)[0]
        if asked.n_best * sum(len(line.split()) ** 2 for line in lines) > MAX_CELLS:
            raise Refusal(
                413, "Too much to explain at once: ask for fewer hypotheses or lines, or /translate"
            )
        choices = NUM_CHOICES if asked.choices else 0
        wish = self.service.wish(
            source, asked.target, asked.n_best, asked.beam_size, explained=True, choices=choices
        )
        translations = await self.service.translate(request, wish, lines)

        def answer() -> Response:  # matrices to text may take a while
            explained = [
                schemas.explained_line(translation, asked.attention) for translation in translations
            ]
            about = {"source": source, "target": asked.target}
            return JsonAnswer(
                {
                    **about,
                    **({"detectedLanguage": detected._asdict()} if detected else {}),
                    "lines": explained,
                }
            )

        return await asyncio.to_thread(answer)

    async def detect(self, request: Request) -> Response:
        """Which of the server's languages a text is in; confidence is low where it is none of them"""
        asked = await self._read(request, schemas.DetectRequest)
        self._check_size(request, [asked.q])
        found = await asyncio.to_thread(detect, asked.q, self.service.languages)
        return JsonAnswer([one._asdict() for one in found])

    async def languages(self) -> Response:
        """The languages, and what each can be translated to"""
        return JsonAnswer(
            [
                {**_language(code), "targets": self.service.targets(code)}
                for code in self.service.languages
            ]
        )

    async def settings(self) -> Response:
        """What a page needs to know"""
        source, target = self.service.pairs[0]
        return JsonAnswer(
            {
                "apiKeys": bool(self.limits.api_keys),
                "charLimit": self.limits.max_characters,
                "filesTranslation": False,
                "frontendTimeout": DEBOUNCE,
                "keyRequired": bool(self.limits.api_keys),
                "language": {"source": _language(source), "target": _language(target)},
                "suggestions": False,
                "supportedFilesFormat": [],
            }
        )

    async def health(self) -> Response:
        """Whether the server answers"""
        return JsonAnswer({"status": "ok"})

    async def metrics(self) -> Response:
        """Counts and times, for Prometheus"""
        return Response(
            generate_latest(self.service.metrics.registry), media_type=CONTENT_TYPE_LATEST
        )


def _language(code: str) -> dict[str, Any]:
    return {"code": code, "name": language_name(code)}


Join = Callable[[Sequence[str]], str]


def _from_text(text: str) -> tuple[Sequence[str], Join]:
    """What is to be translated of a text, and how the translations become one again."""
    lines, ends = schemas.split_lines(text)
    return lines, lambda translated: "".join(
        itertools.chain.from_iterable(zip(translated, ends, strict=True))
    )


def _from_html(text: str) -> tuple[Sequence[str], Join]:
    markup = parse_markup(text)
    return markup.texts, markup.filled


def _rebuilt(translations: Sequence[Translation], join: Join, count: int) -> list[str]:
    """The n-th translation of a text is made of the n-th of each line, or of the last one that a
    line has."""
    candidates = [translation.candidates for translation in translations]
    return [
        join([of_line[min(n, len(of_line) - 1)].text for of_line in candidates])
        for n in range(count)
    ]


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))
