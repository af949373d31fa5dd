"""The pages as files: links that lead somewhere, and what the README and the metadata promise."""

import ast
import re
import runpy
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nmt.about import VERSION
from nmt.config.schema import SCORES

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
    if "_build" not in path.parts
)


def without_code(text):
    return re.sub(r"^( *)(```|:::).*?^\1\2$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """Of the headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", without_code(path.read_text("utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_to_files_and_headings(page):
    generated = ("command_line.md", "configuration.md", "http_api.md", "api.md")
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    for link in links:
        if re.match(r"https?:|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor and target.suffix == ".md" and target.name not in generated:
            assert anchor in anchors(target), link


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_readme_names_the_two_set_up_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    assert "scripts/quickstart.sh" in text and "scripts/test.sh" in text


def test_the_readme_counts_the_attention_scores():
    assert len(SCORES) == 15 and "Fifteen attention scores" in (ROOT / "README.md").read_text(
        "utf-8"
    )


def test_every_page_of_the_site_names_the_next_one():
    site = [page for page in PAGES if page.relative_to(ROOT).parts[0] == "docs"]
    ends = {page.relative_to(ROOT / "docs").as_posix(): page.read_text("utf-8") for page in site}
    last = {name for name, text in ends.items() if "\nNext: [" not in text}
    assert last == {"index.md", "develop/contributing.md"}


def test_citation_and_changelog_agree_with_the_version():
    assert f"version: {VERSION}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changelog or f"## [{VERSION}]" in changelog


def strings(tree):
    """All texts of a module, those in pieces joined, with a blank for each value in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else " " for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_messages_of_troubleshooting_are_those_of_the_package():
    page = (ROOT / "docs" / "develop" / "troubleshooting.md").read_text("utf-8")
    terms = re.findall(r"^(`.+)\n: ", page, re.MULTILINE)
    messages = [message for term in terms for message in re.findall("`([^`]+)`", term)]
    package = "\n".join(
        text
        for path in (ROOT / "nmt").rglob("*.py")
        for text in strings(ast.parse(path.read_text("utf-8")))
    )
    assert len(messages) > 10
    for message in messages:
        if message.startswith("No module named"):  # Python's
            continue
        for part in re.split(r"\.\.\.|'\.\.\.'|\bN\b|0x\.\.", message):
            assert part.strip(" '") in package, message


def test_the_constraints_have_a_version_of_every_requirement():
    script = runpy.run_path(str(ROOT / "scripts" / "constraints.py"))
    required = [Requirement(line).name for line in script["requirements"](ROOT / "setup.cfg")]
    assert "tensorflow" in required and "sphinx" in required
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    versions = {line.partition("==")[0] for line in lines}
    assert not [name for name in required if canonicalize_name(name) not in versions]
