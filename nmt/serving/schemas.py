"""What the server is asked and what it answers: LibreTranslate's requests and answers, and those of
`/v1/translate`.

JSON is taken strictly ("3" is no number), and forms as leniently as they must be. Errors say what
LibreTranslate's do.
"""

import copy
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from nmt.inference.outputs import DIGITS, Candidate, Translation
from nmt.text.lines import is_blank

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MAX_FIELDS = 1000  # of a form
_LINE_END = re.compile(r"(\r?\n)")

Request = TypeVar("Request", bound="KeyedRequest")


class Refusal(Exception):
    """An error that a request is answered with: `{"error": message}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


# ----------------------------------------------------------------------------------------- requests


# JSON has one kind of number: 3.0 is an integer.
Whole = BeforeValidator(
    lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
)
Text = Annotated[str, Field(min_length=1)]


class KeyedRequest(BaseModel):
    api_key: str | None = None


class TranslateRequest(KeyedRequest):
    q: Text | Annotated[list[str], Field(min_length=1)] = Field(
        description="Text, or texts, to translate"
    )
    source: str = Field(description='Language of the text, or "auto"')
    target: str = Field(description="Language to translate to")
    format: Literal["text", "html"] | None = Field(
        None, description="Plain text (the default) or HTML"
    )
    alternatives: Annotated[int, Field(ge=0), Whole] | None = Field(
        None, description="How many others to add (not in HTML)"
    )


class DetectRequest(KeyedRequest):
    q: Text = Field(description="Text to detect")


class ExplainRequest(KeyedRequest):
    q: Text = Field(description="Text to translate, line by line")
    source: str = Field(description='Language of the text, or "auto"')
    target: str = Field(description="Language to translate to")
    n_best: Annotated[int, Field(ge=1, le=10), Whole] = Field(
        1, description="Hypotheses of each line"
    )
    beam_size: Annotated[int, Field(ge=1, le=16), Whole] | None = Field(
        None, description="1: greedy (default: the run's)"
    )
    attention: bool = Field(False, description="Add where the model looked for each word")
    choices: bool = Field(
        False, description="Add what the model liked best at each piece of the first hypothesis"
    )


def accepted(
    model: type[KeyedRequest],
    pairs: Sequence[tuple[str, str]],
    max_texts: int,
    max_alternatives: int,
) -> dict[str, Any]:
    """What OpenAPI says of a body: the model, with a server's languages and limits; by kind of
    content."""
    schema = model.model_json_schema()
    properties = schema["properties"]
    if "source" in properties:
        sources, targets = (list(dict.fromkeys(side)) for side in zip(*pairs, strict=True))
        properties["source"]["enum"], properties["target"]["enum"] = ["auto", *sources], targets
    if model is TranslateRequest:
        properties["q"]["anyOf"][1]["maxItems"] = max_texts
        properties["alternatives"]["anyOf"][0]["maximum"] = max_alternatives
        html = {"properties": {"format": {"const": "html"}}, "required": ["format"]}
        others = {
            "properties": {"alternatives": {"type": "integer", "minimum": 1}},
            "required": ["alternatives"],
        }
        schema["not"] = {"allOf": [html, others]}
    # A form can leave a field out, but has no word for null; and a list of one text is a text.
    form = copy.deepcopy(schema)
    for field in form["properties"].values():
        if "anyOf" in field:
            kinds = [kind for kind in field["anyOf"] if kind["type"] != "null"]
            field["anyOf"] = [
                {**kind, "minItems": 2} if kind["type"] == "array" else kind for kind in kinds
            ]
    return {"application/json": {"schema": schema}, **{kind: {"schema": form} for kind in FORMS}}


def read_json(model: type[Request], body: bytes) -> Request:
    """Raises Refusal for everything that is no such request."""
    text = decoded(body)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "Invalid JSON format") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "Invalid JSON format")
    return _validated(model, fields, strict=True)


def read_urlencoded(model: type[Request], body: bytes) -> Request:
    """Raises Refusal for everything that is no such request."""
    text = decoded(body)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # of which UnicodeDecodeError is one kind
        expected = (
            "UTF-8" if isinstance(error, UnicodeDecodeError) else f"at most {MAX_FIELDS} fields"
        )
        raise Refusal(400, f"Invalid request: expected {expected}") from None
    return read_form(model, pairs)


def decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, "Invalid request: expected UTF-8") from None


def read_form(model: type[Request], pairs: Iterable[tuple[str, str]]) -> Request:
    """The fields of a form; where `q` stands several times, it is a list. Raises Refusal, as above."""
    fields: dict[str, Any] = {}
    texts = []
    for name, value in pairs:
        fields.setdefault(name, value)
        if name == "q":
            texts.append(value)
    if len(texts) > 1:
        fields["q"] = texts
    return _validated(model, fields, strict=False)


def _validated(model: type[Request], fields: Mapping[str, Any], strict: bool) -> Request:
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        raise Refusal(400, _explained(error)) from None


def _explained(error: ValidationError) -> str:
    """In LibreTranslate's words, where it has any. Of a text's fields one name is said, and nothing
    of its value."""
    errors = error.errors(include_url=False)
    name = errors[0]["loc"][0]
    types = {one["type"] for one in errors if one["loc"][0] == name}
    if types & {"missing", "string_too_short", "too_short"}:
        return f"Invalid request: missing {name} parameter"
    if name == "format":
        return f"{errors[0]['input']} format is not supported"
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


class Word(BaseModel):
    text: str
    start: int = Field(description="In characters (code points) of its line")
    end: int
    log_probability: float | None = Field(
        None, description="The sum of its pieces', of a hypothesis"
    )


class Choice(BaseModel):
    piece: str
    text: str
    log_probability: float


class ExplainedHypothesis(BaseModel):
    text: str
    score: float = Field(description="What it was ranked by")
    log_probability: float
    truncated: bool
    tokens: list[Word]
    alignment: list[tuple[int, int]] = Field(description="Source word, target word; from 0")
    attention: list[list[float]] = Field(
        [], description="A row a target word, a column a source word; if asked for"
    )
    pieces: list[str] = Field([], description="With the choices")
    piece_words: list[int] = Field(
        [], description="With the choices: the word of each piece, -1 for </s>"
    )
    choices: list[list[Choice]] = Field([], description="Of each piece, best first; if asked for")


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
    """The lines of a text and what ends each."""
    parts = _LINE_END.split(text)
    return parts[::2], [*parts[1::2], ""]


def explained_line(translation: Translation, attention: bool) -> dict[str, Any]:
    """An `ExplainedLine`. The translation has alignments and, if they are asked for, choices."""
    if is_blank(translation.source):
        return {"source_text": translation.source, "source_tokens": [], "hypotheses": []}
    alignment = _alignment(translation.candidates[0])
    return {
        "source_text": translation.source,
        "source_tokens": [_word(translation.source, *span) for span in alignment.source_spans],
        "hypotheses": [
            _explained_hypothesis(candidate, attention) for candidate in translation.candidates
        ],
    }


def _explained_hypothesis(candidate: Candidate, attention: bool) -> dict[str, Any]:
    alignment = _alignment(candidate)
    words = iter(alignment.target_word_of_piece)
    piece_words = [-1 if piece == "</s>" else next(words) for piece in candidate.tokens]
    log_probs = np.zeros(len(alignment.target_spans) + 1)  # the last one is that of no word
    np.add.at(log_probs, piece_words, candidate.token_log_probs)
    answer = {
        "text": candidate.text,
        "score": round(candidate.score, DIGITS),
        "log_probability": round(candidate.log_prob, DIGITS),
        "truncated": candidate.truncated,
        "tokens": [
            {**_word(candidate.text, *span), "log_probability": round(float(log_prob), DIGITS)}
            for span, log_prob in zip(alignment.target_spans, log_probs[:-1], strict=True)
        ],
        "alignment": sorted(alignment.links()),
    }
    if attention:
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


def _alignment(candidate: Candidate) -> Any:
    if candidate.alignment is None:
        raise ValueError("only translations that were made with alignments can be explained")
    return candidate.alignment


def _word(line: str, start: int, end: int) -> dict[str, Any]:
    return {"text": line[start:end], "start": start, "end": end}
