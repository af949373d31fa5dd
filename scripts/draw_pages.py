"""Pictures of the web page in docs/_static, of the shipped models in a headless Chromium.

    python scripts/draw_pages.py

Serves the installed models and a static site of en-fr (`onnxruntime-web` is fetched by npm, or
taken from $NMT_ONNXRUNTIME_WEB), and writes page.png, page_file.png, page_glossary.png, site.png
and site_phone.png.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "_static"
NMT = [sys.executable, "-P", "-m", "nmt"]
PORT = 5077

TEXT = "The children are playing in the garden with their new red ball.\nWould you like some tea?"
LOOKED = "rouge"
GLOSSARY = {"tired": "malade", "house": "demeure"}
LETTER = "<p>Thank you very much for your letter.</p><p>We will answer as soon as possible.</p>"


@contextlib.contextmanager
def serving(command: list[str], folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{PORT}/"
    try:
        for _ in range(300):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(address).close()
                break
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def opened(browser: Any, address: str, width: int, height: int) -> Any:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{address}?source=en&target=fr")
    expect(page.locator("#target")).to_be_enabled()
    return page


def translate(page: Any, text: str) -> None:
    page.fill("#text", text)
    expect(page.locator("#translation")).to_have_text(re.compile(r"\w"))
    expect(page.locator("#translation")).not_to_have_attribute("aria-busy", "true")


def look_at(page: Any, word: str) -> None:
    page.locator("#translation [data-word]", has_text=re.compile(f"^{word}\\W*$")).first.hover()
    expect(page.locator("#looked")).to_have_text(re.compile("looked at"))


def save(page: Any, name: str, whole: bool = True) -> None:
    page.screenshot(path=PICTURES / name, full_page=whole)
    print(PICTURES / name)
    page.close()


def main() -> None:
    chromium = next(
        filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
    )
    if not chromium:
        sys.exit("expected Chromium: apt-get install chromium")
    expect.set_options(timeout=60_000)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        browser = driver.chromium.launch(executable_path=chromium)
        serve = [*NMT, "serve", "--port", str(PORT), "--suggestions", "corrections.tsv"]
        with serving(serve, folder) as address:
            draw_server(browser, address, folder)
        runtime = os.environ.get("NMT_ONNXRUNTIME_WEB")
        runtime_option = ["--onnxruntime-web", runtime] if runtime else []
        export = [*NMT, "export", "en-fr", "--format", "web", "--output", "site"]
        subprocess.run([*export, *runtime_option], cwd=folder, check=True)
        static = [sys.executable, "-m", "http.server", str(PORT), "--directory", "site"]
        with serving(static, folder) as address:
            draw_site(browser, address)


def draw_server(browser: Any, address: str, folder: Path) -> None:
    page = opened(browser, address, 1060, 680)
    translate(page, TEXT)
    look_at(page, LOOKED)
    save(page, "page.png")

    letter = folder / "letter.html"
    letter.write_text(LETTER, "utf-8")
    page = opened(browser, address, 1200, 400)
    page.set_input_files("#file", letter)
    expect(page.locator("#download")).to_be_visible()
    save(page, "page_file.png")

    page = opened(browser, address, 960, 820)
    translate(page, "The dog sleeps in the house.\nHe is tired.")
    page.locator("#glossary summary").click()
    for phrase, translation in GLOSSARY.items():
        page.get_by_role("button", name="Add an entry").click()
        page.keyboard.type(phrase)
        page.keyboard.press("Enter")
        page.keyboard.type(translation)
        page.keyboard.press("Tab")
    for translation in GLOSSARY.values():
        expect(page.locator("#translation")).to_have_text(re.compile(translation))
    page.locator("#suggest").click()
    save(page, "page_glossary.png", whole=False)


def draw_site(browser: Any, address: str) -> None:
    for name, width, height in (("site.png", 1200, 760), ("site_phone.png", 360, 760)):
        page = opened(browser, address, width, height)
        translate(page, TEXT)
        look_at(page, LOOKED)
        save(page, name)


if __name__ == "__main__":
    main()
