"""The HTTP API and the page, as an ASGI app over a service: LibreTranslate's endpoints, and
`/v1/translate`.

The event loop reads, checks and writes; longer work is done in threads.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from nmt.about import VERSION
from nmt.documents.document import Document, ReadingOptions
from nmt.documents.formats import FORMATS, available, output_name
from nmt.errors import LineError, UserError
from nmt.inference.outputs import Candidate, Translation
from nmt.serving import schemas
from nmt.serving.documents import DocumentTranslator, download, file_name
from nmt.serving.middleware import JsonAnswer, RateLimit, RequestMiddleware, refused
from nmt.serving.schemas import Refusal
from nmt.serving.service import BatchKey, Service
from nmt.serving.suggestions import Suggestions
from nmt.text.html import parse_html
from nmt.text.language_id import Detected, detect, language_name

NUM_CHOICES = 5  # of `/v1/translate`, at each piece
# Limit of `/v1/translate`: words times words of all its lines and hypotheses, which it answers
# with, and pieces times pieces of one line, which it computes them from.
MAX_ATTENTION_CELLS = 4_000_000
# A text that is, with this confidence, in the target language already is not translated. Of 2,000
# English sentences of Tatoeba the detector takes none for French with so much; of 2,000 French
# ones it recognises 95 %.
MIN_CONFIDENCE = 50.0
SHORT_TEXT = 40  # characters; see `_Endpoints._detected_in_list`
BYTES_A_CHARACTER = 12  # at most: "\ud83d\ude00" in JSON
DEBOUNCE = 300  # ms without a keystroke before the page sends a request
FILE_PATH = "/translate_file"
DETECTED_CHARACTERS = 5000  # of a document, to tell its language from
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

Body = TypeVar("Body", bound=schemas.KeyedRequest)


def make_app(service: Service, suggestions: Suggestions | None = None) -> FastAPI:
    """The app, which closes the service when it ends. Without `suggestions` it takes none."""

    endpoints = _Endpoints(service, suggestions)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(endpoints.close)

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
    glossary_bytes = BYTES_A_CHARACTER * schemas.MAX_GLOSSARY_CHARACTERS + 16 * schemas.MAX_PAIRS
    max_bytes = BYTES_A_CHARACTER * service.limits.max_characters + glossary_bytes + 2**14
    app.add_middleware(
        RequestMiddleware,
        metrics=service.metrics,
        max_bytes=max_bytes,
        max_bytes_at={FILE_PATH: service.limits.max_file_bytes + glossary_bytes + 2**14},
    )
    # The middleware added last sees a response last: refusals and failures have its headers, too.
    if service.limits.cors_origins:
        app.add_middleware(
            JsonCORSMiddleware,
            allow_origins=service.limits.cors_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    _add_error_handlers(app)
    endpoints.add_to(app)
    for file in resources.files("nmt.serving").joinpath("static").iterdir():
        if media_type := MEDIA_TYPES.get(PurePath(file.name).suffix):
            path = "/" if file.name == "index.html" else f"/{file.name}"
            endpoint = _static(file.read_bytes(), media_type)
            app.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)
    return app


class JsonCORSMiddleware(CORSMiddleware):
    """Starlette's, whose refusal of a preflight request is plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        headers = dict(response.headers)
        del headers["content-type"], headers["content-length"]
        error = bytes(response.body).decode()
        return refused(Refusal(response.status_code, error, headers))


def _static(content: bytes, media_type: str) -> Callable[[], Any]:
    async def file() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return file


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refuse(request: Request, refusal: Refusal) -> Response:
        return refused(refusal)

    @app.exception_handler(UserError)  # raised by a translator
    async def explain(request: Request, error: UserError) -> Response:
        return refused(Refusal(400, str(error)))

    @app.exception_handler(HTTPException)  # unknown path or method, malformed form
    async def pass_on(request: Request, error: HTTPException) -> Response:
        return refused(Refusal(error.status_code, str(error.detail), error.headers))


class _Endpoints:
    def __init__(self, service: Service, suggestions: Suggestions | None):
        self.service, self.limits, self.suggestions = service, service.limits, suggestions
        self.documents = DocumentTranslator(service)
        per_minute = self.limits.requests_a_minute
        self._rate_limit = RateLimit(per_minute) if per_minute else None

    def close(self) -> None:
        self.service.close()
        self.documents.downloads.close()

    def add_to(self, app: FastAPI) -> None:
        errors: dict[int | str, dict[str, Any]] = {
            400: {"description": "The request is invalid"},
            403: {
                "description": (
                    "An API key is needed, the server does not offer this, or a page of another"
                    " site asks"
                )
            },
            413: {
                "description": (
                    "The request is too large, for example more than"
                    f" {self.limits.max_characters} characters"
                )
            },
            415: {"description": "The body has a Content-Encoding, or a form is not in UTF-8"},
            429: {"description": "Too many requests"},
            500: {"description": "Internal error of the server"},
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

        app.add_api_route(
            FILE_PATH,
            self.translate_file,
            methods=["POST"],
            summary=self.translate_file.__doc__,
            responses={200: {"model": schemas.TranslatedFile}, **errors},
            openapi_extra={
                "requestBody": {
                    "required": True,
                    "content": schemas.accepted_file(self.service.pairs),
                }
            },
        )

        def get(path: str, endpoint: Any, **description: Any) -> None:
            description = {"summary": endpoint.__doc__, **description}
            app.add_api_route(path, endpoint, **description)
            app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)

        post("/translate", self.translate, schemas.TranslateRequest, schemas.Translated)
        post("/detect", self.detect, schemas.DetectRequest, list[schemas.Detection])
        post("/v1/translate", self.explain, schemas.ExplainRequest, schemas.Explained)
        post("/suggest", self.suggest, schemas.SuggestRequest, schemas.Suggested)
        get("/languages", self.languages, responses={200: {"model": list[schemas.Language]}})
        get("/download_file/{name}", self.download_file, include_in_schema=False)
        get("/file_progress/{name}", self.file_progress, include_in_schema=False)
        # Clients of early versions of LibreTranslate (libretranslatepy 2.1.1) post for it.
        app.add_api_route("/languages", self.languages, methods=["POST"], include_in_schema=False)
        get("/frontend/settings", self.settings, responses={200: {"model": dict[str, Any]}})
        get("/health", self.health, responses={200: {"model": dict[str, str]}})
        get("/spec", self.spec, include_in_schema=False)
        get("/metrics", self.metrics, response_class=PlainTextResponse)

    def _accepted(self, model: type[schemas.KeyedRequest]) -> dict[str, Any]:
        return schemas.accepted(
            model, self.service.pairs, self.limits.max_texts, self.limits.max_alternatives
        )

    # ----------------------------------------------------------------------------------- in and out

    async def _read(self, request: Request, model: type[Body]) -> Body:
        """The fields of a request. Refusal for a client that may not ask, and for other bodies.

        As in LibreTranslate's app, the fields of a form may also stand in the URL's query.
        """
        content_type = self._admit(request)
        body = await request.body()
        query = schemas.urlencoded_fields(request.scope["query_string"])
        if content_type == "application/json":
            read = schemas.read_json(model, body)
        elif not body:
            read = schemas.read_form(model, query)
        elif content_type == "application/x-www-form-urlencoded":
            read = schemas.read_form(model, query, schemas.urlencoded_fields(body))
        elif content_type == "multipart/form-data":
            schemas.decoded(body)
            form = await request.form(
                max_files=0, max_fields=schemas.MAX_FIELDS, max_part_size=len(body)
            )
            fields = [(name, str(value)) for name, value in form.multi_items()]
            read = schemas.read_form(model, query, fields)
        else:
            raise Refusal(400, "Invalid request: expected application/json, or a form")
        self._check_key(read.api_key)
        return read

    def _admit(self, request: Request) -> str:
        """The content type of a request. Refusal for a client that sends too many, for a
        Content-Encoding, and for a form in another charset than UTF-8."""
        if self._rate_limit:
            self._rate_limit.admit(request.client.host if request.client else "")
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise Refusal(415, "Invalid request: expected a body without Content-Encoding")
        kind, parameters = parse_options_header(request.headers.get("content-type", ""))
        # Starlette decodes forms with any codec of Python that they name: punycode takes minutes.
        charset = parameters.get(b"charset", b"utf-8").lower()
        if kind == b"multipart/form-data" and charset not in (b"utf-8", b"utf8", b"us-ascii"):
            raise Refusal(415, "Invalid request: expected UTF-8")
        return kind.decode("latin-1")

    def _check_site(self, request: Request) -> None:
        """Refusal for a request that changes something and that a browser sends for a page of
        another site, unless that site may use the API. Other clients send neither header."""
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        if {origin, "*"} & {*self.limits.cors_origins}:
            return
        # A proxy may change `Host`; the browser knows better.
        is_own = site in ("same-origin", "none")
        if not site and origin:
            is_own = urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
        if (site or origin) and not is_own:
            raise Refusal(
                403,
                "Requests from pages of other sites are disabled on this server. Its operator can"
                " allow a site with --cors-origin",
            )

    async def _read_file(self, request: Request) -> tuple[schemas.FileRequest, str, bytes]:
        """The fields of a form, and the name and content of its file."""
        if self._admit(request) != "multipart/form-data":
            raise Refusal(400, "Invalid request: missing file parameter")
        if not self.limits.max_file_bytes:
            raise Refusal(403, "Files translation are disabled on this server.")
        query = schemas.urlencoded_fields(request.scope["query_string"])
        async with request.form(max_files=1, max_fields=schemas.MAX_FIELDS) as form:
            fields = [(name, one) for name, one in form.multi_items() if isinstance(one, str)]
            file = form.get("file")
            if isinstance(file, str) or file is None:
                raise Refusal(400, "Invalid request: missing file parameter")
            disposition = file.headers.get("content-disposition", "")
            name, content = file_name(file.filename or "", disposition), await file.read()
        asked = schemas.read_form(schemas.FileRequest, query, fields)
        self._check_key(asked.api_key)
        if not name:
            raise Refusal(400, "Invalid request: empty file")
        if len(content) > self.limits.max_file_bytes:
            limit = self.limits.max_file_bytes
            raise Refusal(413, f"Invalid request: the file is longer than {limit} bytes")
        return asked, name, content

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

    async def _sources(self, source: str, target: str, texts: Sequence[str]) -> "list[_Source]":
        """The source language of each text: the one asked for, or a detected one."""
        if source.lower() != "auto":
            language = self.service.language(source)
            return [_Source(language)] * len(texts)
        if not self.service.sources(target):
            raise Refusal(400, f"{target} is not supported")
        return await asyncio.to_thread(self._detected_sources, target, texts)

    def _detected_sources(self, target: str, texts: Sequence[str]) -> "list[_Source]":
        of_all = self._detected(target, "\n".join(texts))
        of_each = (
            [self._detected_in_list(target, text, of_all) for text in texts]
            if len(texts) > 1
            else [of_all]
        )
        return [_Source(one.language, one) for one in of_each]

    def _detected_in_list(self, target: str, text: str, of_all: Detected) -> Detected:
        """The language of one of several texts. A short one of which the detector is not sure has
        the language of the list. In a list in the target language it would then stay untranslated,
        so there it has its own language if that is more probable than the target.

        Of 3,000 short English lines of everyday/train, 0.1 % stay untranslated in a French list,
        and 0.1 % of 3,000 French ones are taken for English.
        """
        own = self._detected(target, text)
        if len(text) > SHORT_TEXT:
            return own
        if own.language not in (target, *self.service.sources(target)):
            return of_all  # a short text should not make the server refuse the whole list
        if own.confidence >= MIN_CONFIDENCE:
            return own
        if of_all.language != target:
            return of_all
        confidences = dict(detect(text, self.service.languages))
        return own if own.confidence > confidences[target] else of_all

    def _detected(self, target: str, text: str) -> Detected:
        """The most probable language, if it is sure; else the most probable one that can be
        translated to the target."""
        found = detect(text, self.service.languages)
        if found[0].confidence >= MIN_CONFIDENCE:
            return found[0]
        sources = self.service.sources(target)
        return next(one for one in found if one.language in sources)

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
        if asked.format == "html":  # has none, as in LibreTranslate, whose page asks for them
            alternatives = 0
        glossary = asked.read_glossary()
        target = self.service.language(asked.target)
        units = await asyncio.to_thread(_units, texts, asked, ())
        plain = ["\n".join(of_text.lines) for of_text in units]
        sources = await self._sources(asked.source, target, plain)
        keys = {
            source.language: self.service.batch_key(
                source.language, target, n_best=1 + alternatives, glossary=glossary
            )
            for source in sources
            if source.language != target
        }
        keys_of_texts = [keys.get(source.language) for source in sources]
        if asked.format == "html":
            stand_ins = [
                key is not None and self.service.copies_placeholders(key) for key in keys_of_texts
            ]
            if any(stand_ins):
                units = await asyncio.to_thread(_units, texts, asked, stand_ins)
            units = await asyncio.to_thread(self._limit_alignments, keys_of_texts, units)
        translations = await self._translate_texts(request, keys_of_texts, units)

        def rebuilt() -> list[list[str]]:
            return [
                [text]
                if source.language == target
                else _distinct(_rebuilt(translated, of_text.join, 1 + alternatives))
                for text, source, of_text, translated in zip(
                    texts, sources, units, translations, strict=True
                )
            ]

        # Placing the tags of a document may take a while.
        candidates = await asyncio.to_thread(rebuilt) if asked.format == "html" else rebuilt()
        answer: dict[str, Any] = {"translatedText": [of_text[0] for of_text in candidates]}
        if asked.alternatives:
            answer["alternatives"] = [of_text[1:] for of_text in candidates]
        if all(source.detected for source in sources):
            answer["detectedLanguage"] = [
                _detection(source.detected) for source in sources if source.detected
            ]
        if isinstance(asked.q, str):
            answer = {name: values[0] for name, values in answer.items()}
        return JsonAnswer(answer)

    async def translate_file(self, request: Request) -> Response:
        """Translate a document"""
        self._check_site(request)
        asked, name, content = await self._read_file(request)
        glossary = asked.read_glossary()
        suffix = PurePath(name).suffix.lower()
        if suffix not in available():
            raise Refusal(400, "Invalid request: file format not supported")
        target = self.service.language(asked.target)
        async with self.documents.in_progress():
            source = await self._source_of_file(asked, target, content, suffix)
            new_name, media_type = output_name(name, target), FORMATS[suffix].media_type
            if source == target:
                new, num_units, num_left = content, 0, 0
                if FORMATS[suffix].output_suffix:  # this is no translation, and of another format
                    new_name, media_type = name, "application/octet-stream"
            else:
                key = self.service.batch_key(source, target, n_best=1, glossary=glossary)
                options = ReadingOptions(source, target, self.service.copies_placeholders(key))
                document = await self._document(request, content, suffix, options)
                outcome = await self.documents.translate(request, key, document, asked.progress)
                new, num_units, num_left = outcome.content, outcome.num_units, len(outcome.left)
        address = await self.documents.downloads.add(new, new_name, media_type)
        url = f"{request.base_url}download_file/{quote(address)}"
        answer = {"translatedFileUrl": url, "segments": num_units, "untranslated": num_left}
        return JsonAnswer(answer)

    async def _document(
        self, request: Request, content: bytes, suffix: str, options: ReadingOptions
    ) -> Document:
        """Refusal for a document that cannot be read, or that is too long."""
        document = await self.documents.read(content, suffix, options)
        num_characters = sum(len(unit.text) for unit in document.units)
        limit = self.limits.max_document_characters
        if num_characters > limit:
            error = f"Invalid request: request ({num_characters}) exceeds text limit ({limit})"
            raise Refusal(413, error)
        request.scope["noted"] = {"texts": len(document.units), "characters": num_characters}
        return document

    async def _source_of_file(
        self, asked: schemas.FileRequest, target: str, content: bytes, suffix: str
    ) -> str:
        if asked.source.lower() != "auto":
            return self.service.language(asked.source)
        options = ReadingOptions(source="", target=target)
        document = await self.documents.read(content, suffix, options)
        text = "\n".join(unit.text for unit in document.units[:500])[:DETECTED_CHARACTERS]
        (source,) = await self._sources("auto", target, [text])
        return source.language

    async def file_progress(self, name: str) -> Response:
        """Progress of a document that is being translated"""
        done, total = self.documents.progress.get(name, (0, 0))
        return JsonAnswer({"done": done, "total": total})

    async def download_file(self, name: str) -> Response:
        """Download a translated document"""
        stored = self.documents.downloads.get(name)
        if stored is None:
            raise Refusal(404, "There is no such file, or no longer")
        return download(stored, await asyncio.to_thread(stored.path.read_bytes))

    async def _translate_texts(
        self, request: Request, keys: Sequence[BatchKey | None], texts: "Sequence[_Units]"
    ) -> list[list[Translation]]:
        """The translations of each text's lines; none where the key is None."""
        places: dict[BatchKey, list[tuple[int, int]]] = {}
        for i, (key, units) in enumerate(zip(keys, texts, strict=True)):
            if key is None:
                continue
            for j, is_aligned in enumerate(units.needs_alignment):
                line_key = key._replace(alignments=is_aligned)
                places.setdefault(line_key, []).append((i, j))
        found: dict[tuple[int, int], Translation] = {}
        for line_key, of_key in places.items():
            lines = [texts[i].lines[j] for i, j in of_key]
            try:
                translated = await self.service.translate(request, line_key, lines)
            except LineError as error:
                i, j = of_key[error.index]
                place = [f"text {i + 1}"] if len(texts) > 1 else []
                place += [f"{texts[i].unit} {j + 1}"] if len(texts[i].lines) > 1 else []
                raise _refused_at(place, error) from None
            found.update(zip(of_key, translated, strict=True))
        return [
            [found[i, j] for j in range(len(units.lines))] if key else []
            for i, (key, units) in enumerate(zip(keys, texts, strict=True))
        ]

    def _limit_alignments(
        self, keys: Sequence[BatchKey | None], texts: "Sequence[_Units]"
    ) -> "list[_Units]":
        """The units, of which the first ones are aligned that fit into memory together. In the
        others, tags return to the same relative position."""
        cells = 0
        limited = []
        for key, units in zip(keys, texts, strict=True):
            needs_alignment = []
            for line, is_needed in zip(units.lines, units.needs_alignment, strict=True):
                if key and is_needed:
                    of_line = len(line.split()) ** 2
                    is_needed = cells + of_line <= MAX_ATTENTION_CELLS and (
                        self.service.num_pieces(key, line) ** 2 <= MAX_ATTENTION_CELLS
                    )
                    cells += of_line * is_needed
                needs_alignment.append(is_needed)
            limited.append(replace(units, needs_alignment=needs_alignment))
        return limited

    async def explain(self, request: Request) -> Response:
        """Translate text, with scores and, on request, alignment, attention and choices"""
        asked = await self._read(request, schemas.ExplainRequest)
        self._check_size(request, [asked.q])
        glossary = asked.read_glossary()
        target = self.service.language(asked.target)
        (source,) = await self._sources(asked.source, target, [asked.q])
        lines = schemas.split_lines(asked.q)[0]
        if source.language == target:
            translations = [Translation(line, (_unchanged(line),)) for line in lines]
        else:
            key = self.service.batch_key(
                source.language,
                target,
                asked.n_best,
                asked.beam_size,
                alignments=asked.explains,
                choices=NUM_CHOICES if asked.choices else 0,
                glossary=glossary,
            )
            if asked.explains:
                await asyncio.to_thread(self._check_explainable, key, lines)
            try:
                translations = await self.service.translate(request, key, lines)
            except LineError as error:
                place = [f"line {error.index + 1}"] if len(lines) > 1 else []
                raise _refused_at(place, error) from None

        def answer() -> Response:  # formatting of matrices may take a while
            fields: dict[str, Any] = {"source": source.language, "target": target}
            if source.detected:
                fields["detectedLanguage"] = _detection(source.detected)
            fields["lines"] = [
                schemas.explained_line(translation, asked) for translation in translations
            ]
            return JsonAnswer(fields)

        return await asyncio.to_thread(answer)

    def _check_explainable(self, key: BatchKey, lines: Sequence[str]) -> None:
        """Refusal for attention that would not fit into memory. Lines without spaces have few words
        and many pieces."""
        cells = key.n_best * sum(len(line.split()) ** 2 for line in lines)
        if cells <= MAX_ATTENTION_CELLS:
            cells = max(self.service.num_pieces(key, line) ** 2 for line in lines)
        if cells > MAX_ATTENTION_CELLS:
            raise Refusal(
                413,
                "Too much to explain at once: ask for fewer hypotheses, fewer or shorter lines, or"
                " a translation without alignment, attention and choices",
            )

    async def detect(self, request: Request) -> Response:
        """Detect the language of a text, among the languages of the server"""
        asked = await self._read(request, schemas.DetectRequest)
        texts = [asked.q] if isinstance(asked.q, str) else asked.q
        self._check_size(request, texts)
        found = await asyncio.to_thread(detect, "\n".join(texts), self.service.languages)
        return JsonAnswer([_detection(one) for one in found])

    async def suggest(self, request: Request) -> Response:
        """Suggest a better translation of a text"""
        self._check_site(request)
        asked = await self._read(request, schemas.SuggestRequest)
        if self.suggestions is None:
            raise Refusal(403, "Suggestions are disabled on this server.")
        self._check_size(request, [asked.q + asked.s])
        pair = self.service.language(asked.source), self.service.language(asked.target)
        self.service.batch_key(*pair, n_best=1)  # Refusal for a pair that is not served
        await asyncio.to_thread(self.suggestions.add, pair, asked.q, asked.s)
        return JsonAnswer({"success": True})

    async def languages(self) -> Response:
        """List the languages, and the targets of each"""
        return JsonAnswer(
            [
                {**_language(code), "targets": self.service.targets(code)}
                for code in self.service.languages
            ]
        )

    async def settings(self) -> Response:
        """Settings of the page"""
        source, target = self.service.pairs[0]
        return JsonAnswer(
            {
                "apiKeys": bool(self.limits.api_keys),
                "charLimit": self.limits.max_characters,
                "filesTranslation": bool(self.limits.max_file_bytes),
                "frontendTimeout": DEBOUNCE,
                "glossaryCharLimit": schemas.MAX_GLOSSARY_CHARACTERS,
                "glossaryLimit": schemas.MAX_PAIRS,
                "keyRequired": bool(self.limits.api_keys),
                "language": {"source": _language(source), "target": _language(target)},
                "suggestions": self.suggestions is not None,
                "supportedFilesFormat": available() if self.limits.max_file_bytes else [],
            }
        )

    async def spec(self, request: Request) -> Response:
        """The description of the API, at the path and with the title by which a client knows that
        a server has LibreTranslate's API (Dialect of GNOME)"""
        described = request.app.openapi()
        return JsonAnswer({**described, "info": {**described["info"], "title": "LibreTranslate"}})

    async def health(self) -> Response:
        """Check that the server answers"""
        return JsonAnswer({"status": "ok"})

    async def metrics(self) -> Response:
        """Metrics for Prometheus"""
        return Response(
            generate_latest(self.service.metrics.registry), media_type=CONTENT_TYPE_LATEST
        )


@dataclass(frozen=True)
class _Source:
    """The source language of a text, and the detection if it was detected."""

    language: str
    detected: Detected | None = None


def _refused_at(place: Sequence[str], error: LineError) -> Refusal:
    """Names the text and line that cannot be translated as asked for, if there are several."""
    return Refusal(400, ": ".join([*([", ".join(place)] if place else []), error.message]))


def _unchanged(line: str) -> Candidate:
    return Candidate(line, log_prob=0.0, score=0.0, truncated=False)


def _detection(one: Detected) -> dict[str, Any]:
    """As LibreTranslate answers: a whole number of per cent, which clients read into an int, or
    into a float."""
    return {"language": one.language, "confidence": float(round(one.confidence))}


def _language(code: str) -> dict[str, Any]:
    return {"code": code, "name": language_name(code)}


@dataclass(frozen=True)
class _Units:
    """The lines of a text to translate, whether each needs an alignment, a function that joins
    their translations, and what an error calls a line."""

    lines: Sequence[str]
    needs_alignment: Sequence[bool]
    join: Callable[[Sequence[Candidate]], str]
    unit: str = "line"


def _units(
    texts: Sequence[str], asked: schemas.TranslateRequest, stand_ins: Sequence[bool]
) -> list[_Units]:
    """Of each text. `stand_ins` says of each HTML document whether its model copies placeholders;
    by default none does."""
    if asked.format != "html":
        return list(map(_from_text, texts))
    attributes = bool(asked.translate_attributes)
    return [
        _from_html(text, attributes, has_stand_ins)
        for text, has_stand_ins in zip(texts, stand_ins or [False] * len(texts), strict=True)
    ]


def _from_text(text: str) -> _Units:
    lines, ends = schemas.split_lines(text)

    def join(translated: Sequence[Candidate]) -> str:
        return "".join(line.text + end for line, end in zip(translated, ends, strict=True))

    return _Units(lines, [False] * len(lines), join)


def _from_html(document: str, attributes: bool, stand_ins: bool) -> _Units:
    markup = parse_html(document, attributes=attributes, stand_ins=stand_ins)
    return _Units(markup.texts, markup.needs_alignment, markup.filled, unit="segment")


def _rebuilt(
    translations: Sequence[Translation], join: Callable[[Sequence[Candidate]], str], count: int
) -> list[str]:
    """The n-th translation of a text is made of the n-th of each line, or of the last one that a
    line has."""
    candidates = [translation.candidates for translation in translations]
    return [
        join([of_line[min(n, len(of_line) - 1)] for of_line in candidates]) for n in range(count)
    ]


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))
