"""Where downloads are kept."""

import sys
from pathlib import Path

from nmt.corpora.cache import cache_folder


def test_the_cache_is_where_the_user_or_the_platform_says(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    home = Path.home()
    assert cache_folder({}) == home / ".cache" / "nmt"
    assert cache_folder({"XDG_CACHE_HOME": "/caches"}) == Path("/caches/nmt")
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == home / ".cache" / "nmt"
    assert cache_folder({"NMT_CACHE": "~/mine", "XDG_CACHE_HOME": "/c"}) == home / "mine"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder({}) == home / "Library" / "Caches" / "nmt"
