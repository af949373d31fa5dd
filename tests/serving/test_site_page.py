"""The static site in headless Chromium, on a server of static files: typing, looking, files,
offline. Skipped where there is no Chromium or no onnxruntime-web."""

import functools
import http.server
import re
import shutil
import threading

import pytest
from fixtures.chromium import PATIENCE, needs_chromium, playwright
from fixtures.node import onnxruntime_web
from fixtures.package import packaged_run

from nmt.inference.translator import Translator
from nmt.runs.package import open_run
from nmt.serving.static_site import export_site, read_runtime

pytest_plugins = ["fixtures.browsing"]
pytestmark = needs_chromium
LINES = ["cat dog house.", "night river?"]


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    """As `python -m http.server`, but for its log."""

    def log_message(self, *arguments):
        pass


class StaticHost:
    def __init__(self, folder):
        self.folder, self.asked = folder, []
        self.sends_weights = threading.Event()
        self.sends_weights.set()
        host = self

        class Handler(SilentHandler):
            def do_GET(self):
                host.asked.append(self.path)
                if self.path == "/model/weights.bin":
                    host.sends_weights.wait()
                super().do_GET()

            def end_headers(self):
                self.send_header("Vary", "Accept")  # as some hosts do
                super().end_headers()

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
        )
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("site")
    export_site(open_run(packaged_run()), path, read_runtime(onnxruntime_web()))
    return path


@pytest.fixture
def host(folder):
    host = StaticHost(folder)
    yield host
    host.stop()


@pytest.fixture
def open_page(browser, host):
    """Opens the site; at the end the browser must not have complained, of its policy, say."""
    contexts, complaints, elsewhere = [], [], []

    def open_(width=1200, height=900, query=""):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((host.address, "data:", "blob:"))
                else elsewhere.append(request.url)
            ),
        )
        page.goto(host.address + query)
        playwright.expect(page.locator("#target")).to_be_enabled()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints
    assert not elsewhere


def expect_translation(page, lines):
    rows = page.locator("#translation .row")
    playwright.expect(rows).to_have_text(lines)
    playwright.expect(page.locator("#translation")).not_to_have_attribute("aria-busy", "true")


def translated(lines):
    translator = Translator.load(packaged_run())
    return [one.text for one in translator.translate(lines, n_best=3, beam_size=5)]


@pytest.mark.parametrize("width", [1200, 360])
def test_what_is_typed_is_translated_as_in_python_and_explained(open_page, width):
    page = open_page(width)
    page.locator("#text").press_sequentially(LINES[0])
    expect_translation(page, translated(LINES[:1]))
    page.locator("#text").fill("\n".join(LINES))
    expect_translation(page, translated(LINES))
    page.locator("#translation [data-word]").first.hover()
    playwright.expect(page.locator("#looked")).to_contain_text("looked at")
    playwright.expect(page.locator("#mirror .lit").first).to_be_visible()
    playwright.expect(page.locator("#choices ol").first).to_be_visible()
    playwright.expect(page.locator("#alternatives label")).to_have_count(3)
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


@pytest.mark.parametrize("name", ["", "index.html"])
def test_the_site_works_offline_after_its_first_visit(open_page, host, name):
    page = open_page()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    host.stop()
    page.goto(f"{host.address}{name}?q=cat+dog+house.")
    expect_translation(page, translated(LINES[:1]))


def test_the_copy_that_works_offline_is_made_after_the_model_is_loaded(open_page, host):
    page = open_page()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    # So the second request is answered with "not modified".
    assert host.asked.count("/model/weights.bin") == 2
    places = [index for index, path in enumerate(host.asked) if path == "/model/weights.bin"]
    assert places[0] < host.asked.index("/service_worker.js") < places[1]


def test_a_file_is_translated_in_the_tab(open_page, tmp_path):
    (tmp_path / "song.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\ncat dog house.\n")
    page = open_page()
    page.locator("#file").set_input_files(tmp_path / "song.srt")
    playwright.expect(page.locator("#document-state")).to_contain_text("is translated")
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "song_fr.srt"
    lines = download.value.path().read_text(encoding="utf-8").split("\n")
    assert lines[2:] == [*translated(LINES[:1]), ""]


def test_text_that_is_typed_need_not_wait_for_a_file(open_page, tmp_path):
    (tmp_path / "long.txt").write_text("cat dog house tree river bird night milk.\n" * 20_000)
    expected = translated(LINES[:1])
    page = open_page()
    page.locator("#file").set_input_files(tmp_path / "long.txt")
    playwright.expect(page.locator("#document-progress")).to_have_attribute(
        "value", re.compile(".")
    )
    page.locator("#text").fill(LINES[0])
    expect_translation(page, expected)
    playwright.expect(page.locator("#document-progress")).to_be_visible()
    page.locator("#document-close").click()  # cancels


def test_text_that_is_typed_on_ends_the_translation_of_the_old_one(open_page):
    page = open_page()
    page.locator("#text").fill("\n".join(["cat dog house tree river bird night milk."] * 30))
    page.locator("#text").fill(LINES[1])
    expect_translation(page, translated(LINES[1:]))


def test_the_page_says_that_the_model_is_being_loaded_also_to_somebody_who_types(open_page, host):
    host.sends_weights.clear()
    page = open_page()
    says = "The model is being loaded"
    playwright.expect(page.locator("#loading")).to_contain_text(says)
    playwright.expect(page.locator("#loading")).to_have_role("status")
    page.locator("#text").fill(LINES[0])
    playwright.expect(page.locator("#copy")).to_be_hidden()
    playwright.expect(page.locator("#loading")).to_contain_text(says)
    host.sends_weights.set()
    expect_translation(page, translated(LINES[:1]))
    playwright.expect(page.locator("#loading")).to_be_empty()


def test_a_model_that_cannot_be_loaded_is_reported(browser, folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model" / "weights.bin").unlink()
    host = StaticHost(broken)
    page = browser.new_page()
    page.goto(host.address + "?q=cat")
    playwright.expect(page.locator("#message")).to_contain_text(
        "This cannot be done: model/weights.bin cannot be loaded (404)"
    )
    page.close()
    host.stop()


@pytest.mark.parametrize("width", [1200, 360])
def test_axe_finds_nothing_serious(open_page, width):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="scripts/test.sh installs it"
    )
    page = open_page(width)
    page.locator("#text").fill(LINES[0])
    expect_translation(page, translated(LINES[:1]))
    found = axe.Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
