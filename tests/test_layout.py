"""The house has floors, and a module imports lower ones only. Read from the source: nothing is imported here."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nmt"
FLOORS = {
    name: floor
    for floor, names in enumerate(
        [
            "errors seeds parallel console progress schema spelling batching markup languages server",
            "config text recurrent losses search visualize quantize alignment sentences significance",
            "copying attention encoder optimizers workers onnx_engine consensus constraints ensemble results findings",
            "tokenizer decoder mechanisms layers controls exported api report",
            "data model glossary parts subwords gate",
            "run keras_engine signatures",
            "translator evaluate checkpoints update feed onnx_graph",
            "prepare validation export aligner average service",
            "train verbs_shared app compare",
            "verbs_train verbs_translate verbs_evaluate verbs_align verbs_serve verbs_compare",
            "cli",
            "__main__",
        ]
    )
    for name in names.split()
}
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
every_module = pytest.mark.parametrize("module", MODULES)


def tree(module):
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imports(module):
    """Full dotted names of all imports, those inside functions too."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "nmt" if node.level and not node.module else ("nmt." if node.level else "") + (node.module or "")
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imports_of_ours(module):
    """Modules of this package: `from nmt.text import x`, `from nmt import text` and `import nmt.text` alike."""
    parts = [name.split(".") for name in imports(module)]
    return {part[1] for part in parts if part[0] == "nmt" and len(part) > 1 and (PACKAGE / f"{part[1]}.py").exists()}


def names_used(module):
    return {ast.unparse(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Name | ast.Attribute)}


@every_module
def test_every_module_has_a_floor(module):
    assert module in FLOORS


@every_module
def test_a_module_imports_lower_floors_only(module):
    higher = {name for name in imports_of_ours(module) if FLOORS[name] >= FLOORS[module]}
    assert not higher, f"{module} (floor {FLOORS[module]}) imports {', '.join(sorted(higher))}"


def test_the_package_itself_imports_nothing_but_errors_before_it_is_asked():
    top_level = [node.module for node in tree("__init__").body if isinstance(node, ast.ImportFrom)]
    assert [name for name in top_level if name != "typing"] == ["nmt.errors"]
    assert not [node for node in tree("__init__").body if isinstance(node, ast.Import)]


@every_module
def test_only_the_command_line_parses_arguments_prints_and_exits(module):
    found = set(imports(module)) & {"argparse", "sys.exit"} | names_used(module) & {"print", "sys.exit", "SystemExit"}
    in_verbs = {"argparse", "print"}
    allowed = {"console": in_verbs, "cli": in_verbs, "__main__": {"sys.exit", "SystemExit"}}
    assert found <= (in_verbs if module.startswith("verbs_") else allowed.get(module, set()))


@every_module
def test_no_module_asserts(module):
    """`python -O` strips assertions, and an AssertionError tells a user nothing."""
    assert not [node.lineno for node in ast.walk(tree(module)) if isinstance(node, ast.Assert)]


@every_module
def test_no_module_reaches_into_the_private_parts_of_tensorflow_or_keras(module):
    private = ("tensorflow.python", "keras.src", "tensorflow.compat", "tensorflow.contrib")
    assert not [name for name in imports(module) if name.startswith(private)]
    assert not names_used(module) & {"tf.python", "tensorflow.python", "keras.src"}


@every_module
def test_a_module_is_read_in_one_sitting(module):
    lines = (PACKAGE / f"{module}.py").read_bytes().count(b"\n")
    assert lines <= 400


def test_matplotlib_loads_only_when_something_is_drawn():
    for module in MODULES:
        outside_functions = [node for node in tree(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert "matplotlib" not in " ".join(map(ast.unparse, outside_functions)), module
