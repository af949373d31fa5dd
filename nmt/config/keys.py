"""Describes every key of a config: its values, default and meaning, read from the schema.

For `nmt recipes --keys` and for the reference of the documentation.
"""

import ast
import inspect
import io
import json
import tokenize
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from nmt.config import schema
from nmt.config.schema import nearest
from nmt.errors import UserError


@dataclass(frozen=True)
class Key:
    """A key of the config. `values` is Markdown: literal values are in backquotes."""

    name: str
    values: str
    default: str  # "" if it must be given
    meaning: str


class KeySection(NamedTuple):
    """A section: its full name, with `[]` at the end for a list's entries, its description, and
    its keys by their names in it."""

    title: str
    description: str
    keys: list[Key]


def find_keys(word: str) -> list[Key]:
    """Keys, by their full names, with `word` in their name or meaning; all keys for "". Raises
    UserError, with the nearest name, if there is none."""
    keys = _all_keys()
    found = [key for key in keys if word.lower() in f"{key.name}\n{key.meaning}".lower()]
    if not found:
        names = [name for key in keys for name in (key.name, key.name.rpartition(".")[2])]
        raise UserError(
            f"no key has '{word}' in its name or meaning"
            + (nearest(word, names) or ". `nmt recipes --keys` prints all keys.")
        )
    return found


def _all_keys() -> list[Key]:
    keys = [
        replace(key, name=f"{section.title}.{key.name}")
        for section in sections()
        for key in section.keys
    ]
    cells = ", ".join(f"`{name}`" for name in schema.ATTENTIONS)
    decoder = schema.DecoderConfig()
    default = f"{decoder.cell}/{decoder.score}"
    keys.append(
        Key("model.decoder.attention", f"{cells} or CELL/SCORE", default, "Sets cell and score.")
    )
    for score, key in score_options():
        meaning = f"Score {score}: {key.meaning}"
        keys.append(replace(key, name=f"model.decoder.score_options.{key.name}", meaning=meaning))
    return keys


def sections(model: type[BaseModel] = schema.Config, prefix: str = "") -> Iterator[KeySection]:
    """Each section of the config."""
    for name, field in model.model_fields.items():
        for kind, is_entry in _models(field.annotation):
            title = f"{prefix}{name}{'[]' if is_entry else ''}"
            text = inspect.cleandoc(kind.__doc__ or "") if "__doc__" in vars(kind) else ""
            yield KeySection(title, text, list(_keys(kind)))
            yield from sections(kind, f"{title}.")


def score_options() -> Iterator[tuple[str, Key]]:
    """The name of a score, and an option of it."""
    for score, mechanism in schema.SCORES.items():
        for key in _keys(mechanism.options):
            yield score, key


def _keys(section: type[BaseModel]) -> Iterator[Key]:
    """The keys of a section that are no sections themselves."""
    for name, field in section.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            meaning = field.description or _meanings().get((section.__name__, name), "")
            values = _values(field.annotation, field.metadata)
            yield Key(name, values, _default(field), meaning)


def _models(annotation: Any, in_list: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models in a type, and whether they are entries of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, in_list
    in_list = in_list or typing.get_origin(annotation) is list
    for argument in typing.get_args(annotation):
        yield from _models(argument, in_list)


@cache
def _meanings() -> dict[tuple[str, str], str]:
    return field_comments(inspect.getsource(schema))


def field_comments(source: str) -> dict[tuple[str, str], str]:
    """(class, field) -> the comment in the lines above the field's definition, or behind it."""
    lines, comments = source.splitlines(), {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.lstrip("# ")
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    first, last = field.lineno, field.end_lineno or field.lineno
                    while lines[first - 2].lstrip().startswith("#"):
                        first -= 1
                    numbers = range(first, last + 1)
                    text = " ".join(comments[number] for number in numbers if number in comments)
                    found[node.name, field.target.id] = text
    return found


def _values(annotation: Any, metadata: Any = ()) -> str:
    """A field's type as a user writes its value, with its limits."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _values(arguments[0], arguments[1:])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        kinds = [_values(kind) for kind in arguments if kind is not type(None)]
        return " or ".join([*kinds, *(["`null`"] if type(None) in arguments else [])])
    if origin is list:
        return f"list of {_values(arguments[0])}"
    if origin is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"mapping ({', '.join(f'`{name}`' for name in annotation.model_fields)})"
    name = {int: "integer", float: "number", str: "text", bool: "`true`, `false`"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )
    limits = [
        f"{sign} {getattr(entry, key):g}"
        for entry in _flattened(metadata)
        for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(entry, key, None) is not None
    ]
    return " ".join([name, ", ".join(limits)]).strip()


def _flattened(metadata: Any) -> Iterator[Any]:
    for entry in metadata:
        yield from getattr(entry, "metadata", None) or [entry]


def _default(field: Any) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False, default=str)
