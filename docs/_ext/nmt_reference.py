"""Directives that write the reference from the code itself:

nmt-command-line    every verb and option, from the argparse parsers
nmt-configuration   every key with its type, default and meaning, from `nmt.config.keys`
nmt-http-api        every endpoint of `nmt serve`, from its OpenAPI description
"""

import argparse
import re
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nmt.config.keys import Key, score_options, sections


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
        return configuration()


def configuration() -> str:
    from nmt.config.schema import RENAMED_KEYS

    parts = [_section(*section) for section in sections()]
    rows = [
        f"| `{score}` | `{key.name}` | {key.values} | `{key.default}` | {_cell(key.meaning)} |"
        for score, key in score_options()
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
    renamed = [f"| `{old}` | `{new}` |" for old, new in RENAMED_KEYS.items()]
    parts.append(
        "\n".join(["## Renamed keys", "", "Old names are still read.", "", "| old | new |",
                   "|---|---|", *renamed])
    )  # fmt: skip
    return "\n\n".join(parts)


def _section(title: str, text: str, keys: Sequence[Key]) -> str:
    rows = [
        f"| `{key.name}` | {key.values} |"
        f" {f'`{key.default}`' if key.default else '(required)'} | {_cell(key.meaning)} |"
        for key in keys
    ]
    table = ["| key | type | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {title}", "", text, "", *table])


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
