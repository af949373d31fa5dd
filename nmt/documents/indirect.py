"""INDIRECT in the formulas of a spreadsheet: it reads the names of sheets and of ranges in cells,
which stay therefore."""

import re
from collections.abc import Iterable

_CALL = re.compile(rb"\bINDIRECT\s*\(", re.IGNORECASE)


def has_indirect(formulas: bytes) -> bool:
    return bool(_CALL.search(formulas))


def texts_of_names(names: Iterable[str]) -> set[str]:
    """The texts of cells that refer to these names, without case. A name has no space: formulas
    turn those of a text into underscores."""
    return {text.casefold() for name in names if name for text in (name, name.replace("_", " "))}
