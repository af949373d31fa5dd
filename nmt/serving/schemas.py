"""Requests and answers of the HTTP API: LibreTranslate's, and those of `/v1/translate`.

JSON is read strictly, but for what LibreTranslate accepts (a number as a string, an empty format);
forms, and the query of a URL, as leniently as they have to be. Errors have LibreTranslate's words.
"""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from nmt.errors import UserError
from nmt.inference.outputs import DIGITS, Candidate, Translation
from nmt.search.glossary import Glossary
from nmt.text.lines import is_blank
from nmt.text.tokenizer import Tokenizer

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
FORM_BOOLEANS = ("true", "false", "1", "0", "yes", "no", "on", "off", "y", "n", "t", "f")
MAX_FIELDS = 1000  # of a form
MAX_PAIRS = 1000  # of a glossary
MAX_PHRASE_CHARACTERS = 200
MAX_GLOSSARY_CHARACTERS = 40_000
MAX_QUOTED_FORMAT = 20  # characters of an unknown `format` that an error quotes
_LINE_END = re.compile(r"(\r\n|\n|\r)")

Fields = Sequence[tuple[str, str]]  # of a form
Request = TypeVar("Request", bound="KeyedRequest")


class Refusal(Exception):
    """An error to answer a request with: `{"error": message}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


# ----------------------------------------------------------------------------------------- requests


def _whole(value: Any) -> Any:
    """JSON has one kind of number, so 3.0 is an integer. Clients also send "3"."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 10:
        return int(value)
    return value


Whole = BeforeValidator(_whole)
Text = Annotated[str, Field(min_length=1)]
Phrase = Annotated[str, Field(min_length=1, max_length=MAX_PHRASE_CHARACTERS)]
Pair = Annotated[list[Phrase], Field(min_length=2, max_length=2)]
GlossaryPairs = (
    Annotated[list[Pair], Field(max_length=MAX_PAIRS)]
    | Annotated[dict[Phrase, Phrase], Field(max_length=MAX_PAIRS)]
)


class KeyedRequest(BaseModel):
    api_key: str | None = None


class GlossaryRequest(KeyedRequest):
    glossary: GlossaryPairs | None = Field(
        None,
        description=(
            "Phrases of the source and their translations, which are required wherever a line has"
            " the phrase: a list of pairs, or an object; in a form, as JSON"
        ),
    )

    def read_glossary(self) -> Glossary | None:
        """Refusal for phrases that are blank or have two translations, and for too many of them."""
        pairs = self.glossary.items() if isinstance(self.glossary, dict) else self.glossary or ()
        entries = [(source, target) for source, target in pairs]
        if not entries:
            return None
        size = sum(len(phrase) for entry in entries for phrase in entry)
        if size > MAX_GLOSSARY_CHARACTERS:
            limit = MAX_GLOSSARY_CHARACTERS
            raise Refusal(413, f"Invalid request: glossary ({size}) exceeds text limit ({limit})")
        try:
            return Glossary(entries)
        except UserError as error:
            raise Refusal(400, f"Invalid request: {error}") from None


class TranslateRequest(GlossaryRequest):
    q: Text | Annotated[list[str], Field(min_length=1)] = Field(
        description="Text, or texts, to translate"
    )
    source: Text = Field(description='Language of the text, or "auto"')
    target: Text = Field(description="Language to translate to")
    format: Literal["text", "html", ""] | None = Field(
        None, description="Plain text (the default) or HTML"
    )
    alternatives: Annotated[int, Field(ge=0), Whole] | None = Field(
        None, description="Number of further translations (none with HTML)"
    )
    translate_attributes: bool | None = Field(
        None,
        description="With HTML: translate alt, title, placeholder and the like too (default: no)",
    )


class FileRequest(GlossaryRequest):
    """The fields of the form beside its file."""

    source: Text = Field(description='Language of the document, or "auto"')
    target: Text = Field(description="Language to translate to")
    progress: Annotated[str, Field(pattern=r"^[\w-]{16,64}$")] | None = Field(
        None, description="A random name, under which /file_progress/NAME reports the progress"
    )


class SuggestRequest(KeyedRequest):
    q: Text = Field(description="Text that was translated")
    s: Text = Field(description="Suggested translation, with as many lines")
    source: Text = Field(description="Language of the text")
    target: Text = Field(description="Language of the suggestion")


class DetectRequest(KeyedRequest):
    q: Text | Annotated[list[str], Field(min_length=1)] = Field(
        description="Text to detect, or texts in one language"
    )


class ExplainRequest(GlossaryRequest):
    q: Text = Field(description="Text to translate, line by line")
    source: Text = Field(description='Language of the text, or "auto"')
    target: Text = Field(description="Language to translate to")
    n_best: Annotated[int, Field(ge=1, le=10), Whole] = Field(
        1, description="Hypotheses of each line"
    )
    beam_size: Annotated[int, Field(ge=1, le=16), Whole] | None = Field(
        None, description="1: greedy (default: the run's)"
    )
    alignment: bool = Field(False, description="Add links between source and target words")
    attention: bool = Field(False, description="Add links, and the attention of each target word")
    choices: bool = Field(
        False, description="Add the likeliest pieces at each place of the first hypothesis"
    )

    @property
    def explains(self) -> bool:
        """Whether the answer needs the attention of the model, which takes time and memory."""
        return self.alignment or self.attention or self.choices


def accepted(
    model: type[KeyedRequest],
    pairs: Sequence[tuple[str, str]],
    max_texts: int,
    max_alternatives: int,
) -> dict[str, Any]:
    """The request body in OpenAPI, by content type: the model with a server's languages and
    limits."""
    schema = model.model_json_schema()
    properties = schema["properties"]
    if "source" in properties:
        sources, targets = (list(dict.fromkeys(side)) for side in zip(*pairs, strict=True))
        auto = [] if model is SuggestRequest else ["auto"]
        properties["source"]["enum"], properties["target"]["enum"] = [*auto, *sources], targets
    if model in (TranslateRequest, DetectRequest):
        properties["q"]["anyOf"][1]["maxItems"] = max_texts
    if model is TranslateRequest:
        properties["alternatives"]["anyOf"][0]["maximum"] = max_alternatives
    # A form can leave out a field but has no null, and its list of one text is a text.
    form = copy.deepcopy(schema)
    for name, field in form["properties"].items():
        if name == "glossary":
            kinds = [kind for kind in field.pop("anyOf") if kind["type"] != "null"]
            field.update(
                type="string",
                contentMediaType="application/json",
                contentSchema={"anyOf": kinds},
            )
        elif "anyOf" in field:
            kinds = [kind for kind in field["anyOf"] if kind["type"] != "null"]
            field["anyOf"] = [_kind_of_form(kind) for kind in kinds]
        elif field["type"] == "boolean":
            field.update(_kind_of_form({"type": field.pop("type")}))
    return {"application/json": {"schema": schema}, **{kind: {"schema": form} for kind in FORMS}}


def _kind_of_form(kind: dict[str, Any]) -> dict[str, Any]:
    if kind["type"] == "boolean":
        return {"enum": [True, False, 1, 0, *FORM_BOOLEANS]}
    return {**kind, "minItems": 2} if kind["type"] == "array" else kind


def accepted_file(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The form with a file in OpenAPI."""
    schema = accepted(FileRequest, pairs, 0, 0)["multipart/form-data"]["schema"]
    file = {"type": "string", "format": "binary", "description": "File to translate"}
    schema["properties"] = {"file": file, **schema["properties"]}
    schema["required"] = ["file", *schema["required"]]
    return {"multipart/form-data": {"schema": schema}}


def read_json(model: type[Request], body: bytes) -> Request:
    """Raises Refusal for everything else."""
    text = decoded(body).removeprefix("\ufeff")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "Invalid JSON format") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "Invalid JSON format")
    return _validated(model, fields, strict=True)


def urlencoded_fields(encoded: bytes) -> Fields:
    """The fields of a form, or of a query. Raises Refusal for everything else."""
    text = decoded(encoded)
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # or UnicodeDecodeError, which is a ValueError
        expected = (
            "UTF-8" if isinstance(error, UnicodeDecodeError) else f"at most {MAX_FIELDS} fields"
        )
        raise Refusal(400, f"Invalid request: expected {expected}") from None


def decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, "Invalid request: expected UTF-8") from None


def read_form(model: type[Request], query: Fields, body: Fields = ()) -> Request:
    """The fields of a form and of its URL's query, which takes precedence; several `q` are a list.
    Raises Refusal for everything else."""
    fields: dict[str, Any] = {}
    texts = []
    in_query = {name for name, _ in query}
    for name, value in (*query, *(field for field in body if field[0] not in in_query)):
        fields.setdefault(name, value)
        if name == "q":
            texts.append(value)
    if len(texts) > 1:
        fields["q"] = texts
    if "glossary" in fields:
        fields["glossary"] = _json_of_field("glossary", fields["glossary"])
    return _validated(model, fields, strict=False)


def _json_of_field(name: str, text: str) -> Any:
    if is_blank(text):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, f"Invalid request: {name} parameter is not JSON") from None


def _validated(model: type[Request], fields: Mapping[str, Any], strict: bool) -> Request:
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise Refusal(400, _explained(error)) from None


def _explained(error: ValidationError) -> str:
    """LibreTranslate's message, where it has one. It names a field and quotes no text."""
    errors = error.errors(include_url=False)
    name = errors[0]["loc"][0]
    if name == "glossary":
        return (
            f"Invalid request: glossary parameter must have at most {MAX_PAIRS} pairs of phrases,"
            f" each phrase with at most {MAX_PHRASE_CHARACTERS} characters"
        )
    types = {one["type"] for one in errors if one["loc"][0] == name}
    if types & {"missing", "string_too_short", "too_short"}:
        return f"Invalid request: missing {name} parameter"
    if name == "format":
        given = errors[0]["input"]
        is_name = isinstance(given, str) and len(given) <= MAX_QUOTED_FORMAT
        return f"{given if is_name else 'This'} format is not supported"
    if types & {"int_parsing", "int_type"}:
        return f"Invalid request: {name} parameter is not a number"
    return f"Invalid request: {name} parameter: {errors[0]['msg'].lower()}"


# ------------------------------------------------------------------------------------------ answers


class Error(BaseModel):
    error: str


class Detection(BaseModel):
    language: str
    confidence: float = Field(ge=0, le=100)


class Language(BaseModel):
    code: str
    name: str
    targets: list[str]


class Translated(BaseModel):
    translatedText: str | list[str]
    alternatives: list[str] | list[list[str]] = Field([], description="If asked for")
    detectedLanguage: Detection | list[Detection] | None = Field(
        None, description='If the source is "auto"'
    )


class TranslatedFile(BaseModel):
    translatedFileUrl: str = Field(
        description="Where the translation can be downloaded for half an hour"
    )
    segments: int = Field(description="Segments of the document")
    untranslated: int = Field(
        description="Segments that could not be translated and stay as they were"
    )


class Suggested(BaseModel):
    success: Literal[True]


class Word(BaseModel):
    text: str
    start: int = Field(description="In characters (code points) of its line")
    end: int
    log_probability: float | None = Field(
        None, description="Sum over its pieces; in hypotheses, with alignment, attention or choices"
    )


class Choice(BaseModel):
    piece: str
    text: str
    log_probability: float


class ExplainedHypothesis(BaseModel):
    text: str
    score: float = Field(description="The score that ranks the hypotheses")
    log_probability: float
    truncated: bool
    tokens: list[Word]
    alignment: list[tuple[int, int]] = Field(
        [], description="Source word, target word; from 0; with alignment or attention"
    )
    attention: list[list[float]] = Field(
        [], description="One row per target word, one column per source word; with attention"
    )
    pieces: list[str] = Field([], description="With choices")
    piece_words: list[int] = Field(
        [], description="With choices: the word of each piece, -1 for </s>"
    )
    choices: list[list[Choice]] = Field([], description="Of each piece, best first; with choices")


class ExplainedLine(BaseModel):
    source_text: str
    source_tokens: list[Word]
    hypotheses: list[ExplainedHypothesis]


class Explained(BaseModel):
    source: str
    target: str
    detectedLanguage: Detection | None = None
    lines: list[ExplainedLine]


def split_lines(text: str) -> tuple[list[str], list[str]]:
    """The lines of a text and the end of each."""
    parts = _LINE_END.split(text)
    return parts[::2], [*parts[1::2], ""]


def explained_line(translation: Translation, asked: ExplainRequest) -> dict[str, Any]:
    """An `ExplainedLine`. What is asked for has to be in the translation."""
    if is_blank(translation.source):
        return {"source_text": translation.source, "source_tokens": [], "hypotheses": []}
    source = translation.source
    return {
        "source_text": source,
        "source_tokens": [_word(source, *span) for span in Tokenizer.words(source)],
        "hypotheses": [
            _explained_hypothesis(candidate, asked) for candidate in translation.candidates
        ],
    }


def _explained_hypothesis(candidate: Candidate, asked: ExplainRequest) -> dict[str, Any]:
    alignment = candidate.alignment
    words = [_word(candidate.text, *span) for span in Tokenizer.words(candidate.text)]
    answer = {
        "text": candidate.text,
        "score": round(candidate.score, DIGITS),
        "log_probability": round(candidate.log_prob, DIGITS),
        "truncated": candidate.truncated,
        "tokens": words,
    }
    if alignment is None:  # not asked for, or a line that was not translated
        return answer
    target_words = iter(alignment.target_word_of_piece)
    piece_words = [-1 if piece == "</s>" else next(target_words) for piece in candidate.tokens]
    log_probs = np.zeros(len(words) + 1)  # the last one is of pieces outside words
    np.add.at(log_probs, piece_words, candidate.token_log_probs)
    for word, log_prob in zip(words, log_probs[:-1], strict=True):
        word["log_probability"] = round(float(log_prob), DIGITS)
    if asked.alignment or asked.attention:
        answer["alignment"] = sorted(alignment.links())
    if asked.attention:
        answer["attention"] = alignment.weights_TS.round(4).tolist()
    if candidate.choices:
        answer["pieces"], answer["piece_words"] = candidate.tokens, piece_words
        answer["choices"] = [
            [
                {
                    "piece": piece,
                    "text": piece.removeprefix("▁"),
                    "log_probability": round(log_prob, DIGITS),
                }
                for piece, log_prob in of_piece
            ]
            for of_piece in candidate.choices
        ]
    return answer


def _word(line: str, start: int, end: int) -> dict[str, Any]:
    return {"text": line[start:end], "start": start, "end": end}
