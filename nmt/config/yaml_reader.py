"""Reads YAML 1.2 into plain values: `no` is text, `3e-3` a number, and a duplicate key an error.

PyYAML by itself reads YAML 1.1, in which `no` is false and `3e-3` is text, and silently keeps the
last of duplicate keys.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

MAX_VALUES = 10_000  # in a file; bounds the memory that nested aliases could take

Path = tuple[str, ...]  # keys from the outermost section to a value


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars by YAML 1.2's core schema (YAML 1.2.2, section 10.3.2)."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012, PyYAML's own


_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)


def read_yaml(text: str, is_text: Callable[[Path], bool], path: Path = ()) -> Any:
    """The values of a YAML text that belongs at `path` in the config.

    `is_text(path)` is true for keys whose value is text; `2016` is then kept as typed. Raises
    ValueError or yaml.YAMLError, with the line, for anything but plain YAML.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except RecursionError:
        raise ValueError("expected sections and values, received hundreds of levels") from None
    finally:
        loader.dispose()
    return _Values(is_text).of(node, path) if node else None


class _Values:
    def __init__(self, is_text: Callable[[Path], bool]):
        self.is_text, self.count = is_text, 0

    def of(self, node: yaml.Node, path: Path) -> Any:
        self.count += 1
        if self.count > MAX_VALUES or len(path) > 100:
            raise ValueError(
                f"expected at most {MAX_VALUES:,} values, without aliases that multiply"
            )
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.of(item, (*path, str(i))) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise ValueError(f"expected plain YAML, received {node.tag}")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ValueError(f"line {line}: expected a key that is a word")
            key = key_node.value
            if key in values:
                raise ValueError(
                    f"line {line}: duplicate key '{'.'.join((*path, key))}', already in"
                    f" line {lines[key]}. Keep one of them"
                )
            lines[key], values[key] = line, self.of(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "str" or (self.is_text(path) and node.style is None):
            return text
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int" and len(text) < 100:
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if kind == "float":
            return float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))
        line = node.start_mark.line + 1
        raise ValueError(f"line {line}: expected plain YAML, received {node.tag} {text[:50]!r}")
