"""docs/develop/invariants.md cites tests that exist, and tests cite invariants that it defines."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/develop/invariants.md").read_text("utf-8")
CITED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)]


def test_invariants_are_numbered_in_order():
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("file", "name"), CITED, ids="::".join)
def test_a_cited_test_exists(file, name):
    functions = [
        node.name
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    assert name in functions, f"docs/develop/invariants.md cites {name}, which is not in {file}"


def test_every_invariant_that_code_and_tests_cite_is_defined():
    for path in [*(ROOT / "nmt").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for cited_numbers in re.findall(
            r"\b[Ii]nvariants? (\d+(?:(?:, | and )\d+)*)", path.read_text("utf-8")
        ):
            cited = {int(number) for number in re.findall(r"\d+", cited_numbers)}
            assert cited <= {*numbers}, f"{path}: invariants {sorted(cited - {*numbers})}"
