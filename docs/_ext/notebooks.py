"""Shows the notebooks of `notebooks/` among the tutorials.

They are copied into the site when it is built. Links between pages and notebooks are written as
they are right in the repository, and changed here to where the copies are.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FOLDER = "tutorials"


def _copy(app: Sphinx) -> None:
    docs = Path(app.srcdir)
    for path in sorted((docs.parent / "notebooks").glob("*.ipynb")):
        copy = docs / FOLDER / path.name
        text = path.read_text("utf-8").replace("](../docs/", "](../")
        if not copy.is_file() or copy.read_text("utf-8") != text:
            copy.write_text(text, "utf-8")


def _relink(app: Sphinx, name: str, source: list[str]) -> None:
    for up in ("../../", "../"):
        source[0] = source[0].replace(f"]({up}notebooks/", f"]({up.removeprefix('../')}{FOLDER}/")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _copy)
    app.connect("source-read", _relink)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
