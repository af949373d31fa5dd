"""Directives that write the reference from the code itself:

nmt-command-line    every verb and option, from the argparse parsers
nmt-configuration   every key with its type, default and meaning, from `nmt.config.schema`
nmt-http-api        every endpoint of `nmt serve`, from its OpenAPI description
"""

import argparse
import ast
import inspect
import io
import json
import re
import textwrap
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class MarkdownDirective(SphinxDirective):
    """A directive whose content is Markdown that `markdown` returns."""

    def markdown(self) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        # MyST's state parses Markdown here, headings included: one section for each of them.
        return self.parse_text_to_nodes(self.markdown(), allow_section_headings=True)


# ------------------------------------------------------------------------------- command line


class CommandLine(MarkdownDirective):
    def markdown(self) -> str:
        from nmt.cli.main import parser

        return command_line(parser())


def command_line(parser: argparse.ArgumentParser) -> str:
    return "\n\n".join(_verb(name, verb, level) for name, verb, level in _verbs(parser))


def _verbs(
    parser: argparse.ArgumentParser, level: int = 2
) -> Iterator[tuple[str, argparse.ArgumentParser, int]]:
    """Each verb, and each action of a verb, in the order of `nmt --help`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield verb.prog, verb, level
                yield from _verbs(verb, level + 1)


def _verb(name: str, parser: argparse.ArgumentParser, level: int) -> str:
    parts = [f"{'#' * level} {name}", parser.description or ""]
    usage = textwrap.dedent(" " * 7 + parser.format_usage().removeprefix("usage: ")).strip()
    parts.append(f"```text\n{usage}\n```")
    for group in parser._action_groups:
        options = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS
            and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]
        if not options:
            continue
        title = (group.title or "").capitalize()
        rows = [f"| {_invocation(action)} | {_help(action)} |" for action in options]
        parts.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part)


def _invocation(action: argparse.Action) -> str:
    if not action.option_strings:
        text = str(action.metavar or action.dest)
    else:
        metavar = action.metavar
        if metavar is None and action.choices:
            metavar = "|".join(map(str, action.choices))
        elif metavar is None and action.nargs is None:
            metavar = action.dest.upper()
        names = metavar if isinstance(metavar, tuple) else (metavar,) if metavar else ()
        text = ", ".join(action.option_strings) + "".join(f" {name}" for name in names)
    return f"`{text}`".replace("|", r"\|")


def _help(action: argparse.Action) -> str:
    text = (action.help or "") % {**vars(action), "prog": "nmt"}
    if action.required and action.option_strings:
        text = f"{text} (required)" if text else "(required)"
    return _cell(text)


def _cell(text: str) -> str:
    """Plain text in a cell of a table."""
    code = re.split(r"(`[^`]*`)", text)
    escaped = [
        part if index % 2 else re.sub(r"([*_<>{}\[\]^~])", r"\\\1", part)
        for index, part in enumerate(code)
    ]
    return "".join(escaped).replace("|", r"\|").replace("\n", " ")


# ------------------------------------------------------------------------------ configuration


class Configuration(MarkdownDirective):
    def markdown(self) -> str:
        from nmt.config import schema

        return configuration(schema)


def configuration(schema: types.ModuleType) -> str:
    meanings = field_comments(inspect.getsource(schema))
    parts = [_section(title, section, meanings) for title, section in _sections(schema.Config, "")]
    rows = []
    for name, mechanism in schema.SCORES.items():
        fields = mechanism.options.model_fields
        rows += [
            f"| `{name}` | `{option}` | {_type(field.annotation, field.metadata)} |"
            f" {_default(field)} |"
            f" {_cell(meanings.get((mechanism.options.__name__, option), ''))} |"
            for option, field in fields.items()
        ]
    parts.append(
        "\n".join(
            [
                "## model.decoder.score_options",
                "",
                "| score | option | type | default | meaning |",
                "|---|---|---|---|---|",
                *rows,
            ]
        )
    )
    renamed = [f"| `{old}` | `{new}` |" for old, new in schema.RENAMED_KEYS.items()]
    parts.append(
        "\n".join(["## Renamed keys", "", "Old names are still read.", "", "| old | new |",
                   "|---|---|", *renamed])
    )  # fmt: skip
    return "\n\n".join(parts)


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Each section of the config, by its full name; `[]` after the name: of a list's entries."""
    for name, field in model.model_fields.items():
        for kind, is_entry in _models(field.annotation):
            title = f"{prefix}{name}{'[]' if is_entry else ''}"
            yield title, kind
            yield from _sections(kind, f"{title}.")


def _models(annotation: Any, in_list: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models in a type, and whether they are entries of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, in_list
    in_list = in_list or typing.get_origin(annotation) is list
    for argument in typing.get_args(annotation):
        yield from _models(argument, in_list)


def _section(title: str, section: type[BaseModel], meanings: Mapping[Any, str]) -> str:
    rows = [
        f"| `{name}` | {_type(field.annotation, field.metadata)} | {_default(field)} |"
        f" {_cell(field.description or meanings.get((section.__name__, name), ''))} |"
        for name, field in section.model_fields.items()
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    ]
    text = inspect.cleandoc(section.__doc__ or "") if "__doc__" in vars(section) else ""
    table = ["| key | type | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {title}", "", text, "", *table])


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


def _type(annotation: Any, metadata: Any = ()) -> str:
    """A field's type as a user writes its value, with its limits."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0], arguments[1:])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        kinds = [_type(kind) for kind in arguments if kind is not type(None)]
        return " or ".join([*kinds, *(["`null`"] if type(None) in arguments else [])])
    if origin is list:
        return f"list of {_type(arguments[0])}"
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
        return "(required)"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, float) and value.is_integer():
        value = f"{value:.1f}"
        return f"`{value}`"
    return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"


# ----------------------------------------------------------------------------------- HTTP API


class HttpApi(MarkdownDirective):
    def markdown(self) -> str:
        from nmt.config.schema import Config
        from nmt.serving.app import make_app
        from nmt.serving.middleware import Metrics
        from nmt.serving.service import Limits, Service

        # Enough of a translator, English to French, for a server to describe itself.
        translator: Any = types.SimpleNamespace(
            num_workers=1, run=types.SimpleNamespace(config=Config())
        )
        service = Service([translator], Limits(), Metrics(), split_sentences=True)
        try:
            return http_api(make_app(service).openapi())
        finally:
            service.close()


def http_api(description: Mapping[str, Any]) -> str:
    schemas = description.get("components", {}).get("schemas", {})
    parts = [
        _operation(f"{method.upper()} {path}", operation, schemas)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    answers = sorted(_objects(description["paths"], schemas) - {"Error"})
    parts += [f"## {name}\n\n{_fields(schemas[name], 'always there')}" for name in answers]
    return "\n\n".join(parts)


def _operation(title: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [f"## {title}", operation.get("description") or operation.get("summary") or ""]
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        parts.append(_fields(content["application/json"]["schema"], "required"))
        parts.append("Accepted as " + ", ".join(f"`{kind}`" for kind in content) + ".")
    rows = []
    for status, response in operation.get("responses", {}).items():
        text = _cell(response.get("description", ""))
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        if status == "200":
            text = _json_type(schema) if schema else "text"
        rows.append(f"| {status} | {text} |")
    parts.append("\n".join(["| status | answer |", "|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part)


def _fields(schema: Mapping[str, Any], presence: str) -> str:
    required = schema.get("required", ())
    rows = [
        f"| `{name}` | {_json_type(field)} | {'yes' if name in required else 'no'} |"
        f" {_cell(field.get('description', ''))} |"
        for name, field in schema.get("properties", {}).items()
    ]
    return "\n".join([f"| field | type | {presence} | meaning |", "|---|---|---|---|", *rows])


def _objects(tree: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Names of the objects with fields that a description refers to, directly or through others."""
    if isinstance(tree, Mapping):
        names = set()
        if "$ref" in tree:
            name = tree["$ref"].rpartition("/")[2]
            if "properties" in schemas.get(name, {}):
                names = {name} | _objects(schemas[name]["properties"], schemas)
        return names.union(*(_objects(branch, schemas) for branch in tree.values()))
    if isinstance(tree, list):
        return set().union(*(_objects(branch, schemas) for branch in tree))
    return set()


def _json_type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(map(_json_type, field["anyOf"])))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_json_type(field.get('items', {}))}"
    limits = [
        f"{sign} {field[key]:g}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"))
        if key in field
    ]
    return " ".join([str(field.get("type", "any")), ", ".join(limits)]).strip()


def _without_constructor(app: Sphinx, kind: str, name: str, *_: Any) -> tuple[str, str] | None:
    """`Translator.load` makes translators; what its constructor takes is not public."""
    return ("", "") if name == "nmt.Translator" else None


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("nmt-command-line", CommandLine)
    app.add_directive("nmt-configuration", Configuration)
    app.add_directive("nmt-http-api", HttpApi)
    app.connect("autodoc-process-signature", _without_constructor)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
