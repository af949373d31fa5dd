"""The folder in which downloads are kept, once for all uses."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """NMT_CACHE; else `nmt` where the platform keeps caches: XDG_CACHE_HOME, ~/Library/Caches on
    macOS, ~/.cache elsewhere."""
    if own := environment.get("NMT_CACHE"):
        return Path(own).expanduser()
    # A relative XDG_CACHE_HOME is to be ignored, says the specification.
    shared = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(shared):
        return Path(shared) / "nmt"
    default = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    return Path(default).expanduser() / "nmt"


def data_folder(corpus: str) -> Path:
    """Where the downloaded files of a corpus are kept. A mirror has the same layout below its
    address: CORPUS/FILE."""
    return cache_folder() / "data" / corpus
