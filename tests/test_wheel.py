"""The built wheel, installed where the checkout is not: what ships is found in any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, as setuptools writes its own folders beside setup.cfg.
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "nmt", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT,
        capture_output=True,
    )
    if tracked.returncode:
        pytest.skip("needs a git checkout, to know which files belong to the package")
    names = [name for name in os.fsdecode(tracked.stdout).split("\0") if (ROOT / name).is_file()]
    for name in names:
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    _pip("wheel", "--no-build-isolation", "--wheel-dir", folder, folder / "source")
    (path,) = folder.glob("*.whl")
    return path, [name for name in names if name.startswith("nmt/")]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs the installed package's Python or command in an empty folder -> standard output."""
    site, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    _pip("install", "--target", site, wheel[0])
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*arguments, text=""):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=empty, env=environment, input=text, capture_output=True, text=True
        )

    assert Path(run("-c", "import nmt; print(nmt.__file__)").stdout.strip()).is_relative_to(site)
    return run


def _pip(verb, *arguments):
    command = [sys.executable, "-m", "pip", verb, "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    path, tracked = wheel
    with zipfile.ZipFile(path) as archive:
        assert sorted(n for n in archive.namelist() if n.startswith("nmt/")) == sorted(tracked)


def test_recipes_corpus_and_models_are_found_in_an_empty_folder(installed):
    recipe = installed("-m", "nmt", "recipes", "quickstart").stdout
    assert "train: everyday/train" in recipe
    code = (
        "from nmt.config.loader import load_config\n"
        "from nmt.text.lines import read_parallel, resolve_parallel\n"
        "data = load_config('quickstart').data\n"
        "for prefix in (data.train, data.dev):\n"
        "    print(len(list(read_parallel(resolve_parallel(prefix, 'en', 'fr')))))\n"
    )
    assert installed("-c", code).stdout == "24000\n1000\n"
    listed = installed("-m", "nmt", "models")
    assert listed.returncode == 0, listed.stderr
