"""What holds for every module. Who may import whom is held by the contracts in pyproject.toml
(import-linter)."""

import ast
import fnmatch
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import nmt
from nmt.about import DISTRIBUTION, install_command
from nmt.config.schema import SCORES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nmt"
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
)
PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
every_module = pytest.mark.parametrize("module", MODULES)


def test_no_two_test_files_have_one_name():
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def source(module):
    return (PACKAGE / f"{module}.py").read_text(encoding="utf-8")


def tree(module):
    return ast.parse(source(module))


def imports(module):
    """Full dotted names of all imports, those inside functions too."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_used(module):
    return {
        ast.unparse(node)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Name | ast.Attribute)
    }


def test_packages_are_one_level_deep():
    assert not [module for module in MODULES if module.count("/") > 1]


@every_module
def test_every_module_and_package_says_what_it_is_for(module):
    assert ast.get_docstring(tree(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_no_module_of_it(package):
    assert not list(imports(f"{package}/__init__"))


def test_the_package_itself_imports_nothing_heavy_before_it_is_asked():
    top_level = [node.module for node in tree("__init__").body if isinstance(node, ast.ImportFrom)]
    assert [name for name in top_level if name != "typing"] == ["nmt.about", "nmt.errors"]
    assert not [node for node in tree("__init__").body if isinstance(node, ast.Import)]


def test_the_package_itself_lists_its_names_before_they_are_imported(monkeypatch):
    assert {*nmt.__all__} <= {*dir(nmt)}
    monkeypatch.setattr("nmt.about.is_installed", lambda package: False)
    assert {*nmt.__all__} - {*dir(nmt)} == {"train"}


def test_a_type_checker_finds_a_misspelt_name_of_the_package(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text("from nmt import Translator, Translater\n")
    command = [sys.executable, "-m", "mypy", "--follow-imports=skip", "--cache-dir=cache"]
    process = subprocess.run(
        [*command, PACKAGE / "__init__.py", "user.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.stdout.count("error:") == 1, process.stdout
    assert 'has no attribute "Translater"' in process.stdout


@every_module
def test_only_the_command_line_parses_arguments_prints_and_exits(module):
    found = set(imports(module)) & {"argparse", "sys.exit"}
    found |= names_used(module) & {"print", "sys.exit"}
    raised = {ast.unparse(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Raise)}
    found |= {text for text in raised if "SystemExit" in text}
    if module == "__main__":
        assert found == {"sys.exit"}
    else:
        assert found <= ({"argparse", "print"} if module.startswith("cli/") else set())


@every_module
def test_no_module_asserts(module):
    """`python -O` strips assertions, and an AssertionError tells a user nothing."""
    assert not [node.lineno for node in ast.walk(tree(module)) if isinstance(node, ast.Assert)]


@every_module
def test_no_module_uses_private_parts_of_tensorflow_or_keras(module):
    private = ("tensorflow.python", "keras.src", "tensorflow.compat", "tensorflow.contrib")
    assert not [name for name in imports(module) if name.startswith(private)]
    assert not names_used(module) & {"tf.python", "tensorflow.python", "keras.src"}


def test_matplotlib_loads_only_when_something_is_drawn():
    for module in MODULES:
        outside_functions = [
            node for node in tree(module).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert "matplotlib" not in " ".join(map(ast.unparse, outside_functions)), module


@pytest.mark.parametrize("path", [mechanism.path for mechanism in SCORES.values()])
def test_class_paths_in_strings_lead_to_classes(path):
    module, _, name = path.partition(":")
    assert isinstance(getattr(importlib.import_module(module), name), type)


def test_without_tensorflow_an_extra_is_its_packages_alone(monkeypatch):
    monkeypatch.setattr("nmt.about.is_installed", lambda package: package != "tensorflow")
    words = shlex.split(install_command("plot"))
    assert words[:2] == ["pip", "install"] and words[2].startswith("matplotlib")
    assert not any(word.startswith((DISTRIBUTION, "tensorflow")) for word in words)


def test_messages_name_the_distribution_that_can_be_installed():
    assert re.search(rf"^name = {DISTRIBUTION}$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert install_command("plot") == f"pip install '{DISTRIBUTION}[plot]'"
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    texts = [
        ROOT / name
        for name in files
        if name.endswith((".py", ".md", ".sh", ".ipynb", ".cfg", "Dockerfile"))
    ]
    for path in texts or PACKAGE.rglob("*.py"):
        commands = re.findall(
            r"pip install\s+(?:-\S+\s+)*['\"]?nmt\b(?!-attention)\S*", path.read_text("utf-8")
        )
        assert not commands, f"{path}: {commands}"


def test_what_translates_needs_no_more_than_the_whole_package():
    light = (ROOT / "requirements-translate.txt").read_text().splitlines()
    whole = (ROOT / "setup.cfg").read_text()
    for line in light:
        assert line.startswith("#") or f"    {line}\n" in whole, line


def test_the_image_can_copy_what_it_asks_for():
    patterns = (ROOT / ".dockerignore").read_text().split()

    def is_sent(name):
        matching = [one for one in patterns if fnmatch.fnmatch(name, one.removeprefix("!"))]
        return not matching or matching[-1].startswith("!")

    copies = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = " ".join(copies).split()
    assert names
    assert [name for name in names if not (is_sent(name) and (ROOT / name).exists())] == []


IS_LOADED = (
    "print([name for name in ('tensorflow', 'keras', 'tf2onnx', 'torch') if name in sys.modules])"
)
OLD_RUN = ROOT / "tests" / "fixtures" / "old" / "run"


def test_what_translates_with_onnx_is_imported_without_tensorflow():
    modules = ["inference.translator", "inference.aligner", "serving.app", "search.controls"]
    code = "import sys\n" + "\n".join(f"import nmt.{name}; {IS_LOADED}" for name in modules)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    loaded = dict(zip(modules, process.stdout.splitlines(), strict=True))
    assert loaded == dict.fromkeys(modules, "[]")


@pytest.mark.parametrize("verb", ["translate", "score", "align", "serve"])
def test_a_verb_that_has_an_export_loads_no_tensorflow(verb, tmp_path):
    (tmp_path / "source").write_text("cat dog.\n")
    (tmp_path / "target").write_text("chat chien.\n")
    pair = ["--source", str(tmp_path / "source"), "--target", str(tmp_path / "target")]
    arguments = {
        "translate": ["--input", str(tmp_path / "source"), "--output", str(tmp_path / "out")],
        "score": pair,
        "align": [*pair, "--output", str(tmp_path / "out")],
        "serve": ["--port", "0"],
    }[verb]
    # A server would wait for requests: what it loads before it listens is what counts.
    code = (
        "import sys; from nmt.cli.main import main; import nmt.serving.server as server;"
        " server.serve = lambda *_, **__: None;"
        f" code = main({[verb, str(OLD_RUN), '--engine', 'onnx', *arguments]!r});"
        f" assert code == 0; {IS_LOADED}"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.strip().endswith("[]"), process.stdout + process.stderr


@every_module
def test_no_graph_is_rewritten_by_autograph(module):
    """Loops and branches on tensors are TensorFlow's own operations. To look for others takes a
    second or more of each start."""
    graphs, plain = 0, 0
    for node in ast.walk(tree(module)):
        graphs += isinstance(node, ast.Attribute) and ast.unparse(node) == "tf.function"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "tf.function":
            plain += any(ast.unparse(keyword) == "autograph=False" for keyword in node.keywords)
    assert plain == graphs
