"""The schema documents itself: a comment above each key, for readers and for the reference."""

import ast
import inspect

import pytest

from nmt.config import schema

LINES = inspect.getsource(schema).splitlines()
SECTIONS = {
    node.name: node
    for node in ast.parse("\n".join(LINES)).body
    if isinstance(node, ast.ClassDef)
    and issubclass(getattr(schema, node.name), schema.Section)
    and node.name not in ("Section", "Config")
}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_section_has_a_docstring_and_every_key_a_one_line_comment(section):
    assert ast.get_docstring(section)
    keys = [node for node in section.body if isinstance(node, ast.AnnAssign)]
    for key in keys:
        if ast.unparse(key.annotation).endswith("Config"):
            continue  # a section, which has a docstring
        above, before_it = LINES[key.lineno - 2].strip(), LINES[key.lineno - 3].strip()
        assert above.startswith("# ") and above.endswith("."), ast.unparse(key)
        assert not before_it.startswith("#"), ast.unparse(key)
