"""A browser for the tests of pages."""

from collections.abc import Iterator
from typing import Any

import pytest


# Once a module and no longer: while Playwright runs, no other test can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Not at the top: that would skip the tests that need no browser, too.
    from fixtures.chromium import BROWSER, PATIENCE, QUIET, playwright

    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=BROWSER, args=QUIET)
