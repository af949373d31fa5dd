"""The page in a real browser: headless Chromium types, points, presses keys. Skipped where there is
none."""

import contextlib
import io
import json
import math
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import uvicorn
from fixtures.chromium import PATIENCE, needs_chromium, playwright
from fixtures.shouter import Shouter
from matplotlib.image import imread

from nmt.evaluation.word_alignment import Alignment
from nmt.inference.outputs import Candidate
from nmt.serving.app import make_app
from nmt.serving.middleware import Metrics
from nmt.serving.server import listen
from nmt.serving.service import Limits, Service
from nmt.serving.suggestions import Suggestions
from nmt.text.tokenizer import Tokenizer

pytest_plugins = ["fixtures.browsing"]
pytestmark = needs_chromium

WIDE, NARROW, NARROWEST = (1280, 800), (390, 760), (320, 640)
FRENCH = {
    "A": "Un",
    "black": "noir",
    "cat": "chat",
    "sleeps.": "dort.",
    "He": "Il",
    "is": "est",
    "tired.": "fatigué.",
}


# ------------------------------------------------------------------------ a translator word by word


class WordByWord(Shouter):
    """Adjectives behind their nouns; in the second place where they were. Looks with 0.8 at the
    word it translates, and with the rest at the one before, or at itself."""

    def translate(self, lines, *, glossary=None, **options):
        """What a glossary requires stands at the end."""
        translations = super().translate(lines, **options)
        return [
            replace(
                one, candidates=tuple(_with(each, glossary, one.source) for each in one.candidates)
            )
            for one in translations
        ]

    @classmethod
    def _candidates(cls, line, n_best, alignments, choices):
        source = line.split()
        order = list(range(len(source)))
        if "black" in source[:-1]:
            at = source.index("black")
            order[at : at + 2] = at + 1, at
        yield cls._candidate(line, source, order, -0.1, best=True)
        yield cls._candidate(line, source, sorted(order), -0.9, best=False)

    @staticmethod
    def _candidate(line, source, order, log_prob, best):
        target = [FRENCH.get(source[index], source[index]) for index in order]
        weights = np.zeros((len(order), len(source)))
        for row, index in zip(weights, order, strict=True):
            row[max(index - 1, 0)] += 0.2
            row[index] += 0.8
        text = " ".join(target)
        spans = Tokenizer.words(line), Tokenizer.words(text)
        pieces = (*(f"▁{word}" for word in target), "</s>")
        offered = [
            [(piece, math.log(0.7)), ("▁autre", math.log(0.2)), ("s", math.log(0.0004))]
            for piece in pieces
        ]
        return Candidate(
            text,
            log_prob,
            log_prob / len(pieces),
            False,
            pieces,
            (log_prob / len(pieces),) * len(pieces),
            Alignment(source, target, weights, *spans, list(range(len(target)))),
            tuple(offered) if best else (),
        )


def _with(candidate, glossary, line):
    required = glossary.required(line) if glossary else []
    return replace(candidate, text=" ".join([candidate.text, *required]))


@pytest.fixture(scope="module")
def corrections(tmp_path_factory):
    return tmp_path_factory.mktemp("suggestions") / "corrections.tsv"


@pytest.fixture(scope="module")
def address(corrections):
    limits = Limits(max_characters=3000)
    service = Service(
        [WordByWord(), WordByWord("fr", "en")], limits, Metrics(), split_sentences=True
    )
    app = make_app(service, Suggestions(corrections, service.pairs))

    async def proxy(scope, receive, send):
        """Serves the app below /below, too."""
        await app({**scope, "path": scope.get("path", "").removeprefix("/below")}, receive, send)

    config = uvicorn.Config(proxy, lifespan="on", log_config=None, log_level="warning")
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listener:
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


# ---------------------------------------------------------------------------------------- a browser


@pytest.fixture
def open_page(browser, address):
    """Opens the page: `open_page(WIDE)`. At the end no script may have failed, and the browser must
    not have complained, of what the Content-Security-Policy forbids, say."""
    contexts, complaints = [], []

    def complain(message):
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_(size=WIDE, scheme="light", **options):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **options
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.asked = []
        page.on(
            "request",
            lambda request: (
                page.asked.append(request.post_data_json)
                if request.headers.get("content-type") == "application/json"
                else None
            ),
        )
        page.goto(address)
        playwright.expect(page.locator("#target")).to_be_enabled()
        contexts.append(context)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


def expect_translation(page, text):
    playwright.expect(page.locator("#translation")).to_have_text(text)
    playwright.expect(page.locator("#translation")).not_to_have_attribute("aria-busy", "true")


def open_link(open_page, address, query):
    page = open_page()
    page.goto(f"{address}?{query}")
    playwright.expect(page.locator("#target")).to_be_enabled()
    return page


def word(page, text, side="#translation"):
    return page.locator(f"{side} [data-word]", has_text=re.compile(f"^{re.escape(text)}$"))


def lit(page, side):
    """The lit words and their weights."""
    read = (
        "spans => spans.map(span => [span.textContent,"
        " Number(span.style.getPropertyValue('--weight'))])"
    )
    return dict(page.locator(f"{side} .lit").evaluate_all(read))


CAT, CHAT = "A black cat sleeps.", "Un chat noir dort."


# ------------------------------------------------------------------------------------ what one sees


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_what_is_typed_is_translated_and_a_word_shows_what_it_looked_at(open_page, size):
    page = open_page(size)
    page.locator("#text").press_sequentially(CAT)
    expect_translation(page, CHAT)
    word(page, "noir").hover()
    assert lit(page, "#mirror") == {"A": 0.2, "black": 0.8}
    playwright.expect(page.locator("#looked")).to_have_text("noir looked at black 80 %, A 20 %")
    page.locator("h1").hover()
    assert lit(page, "#mirror") == {}


def test_a_word_of_the_text_shows_which_words_looked_at_it(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    box = word(page, "black", "#mirror").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert lit(page, "#translation") == {"noir": 0.8, "chat": 0.2}


def test_text_of_both_directions_lies_letter_for_letter_over_its_words(open_page):
    """The letters of the text area, and those of the mirror in the same colour, are one picture."""
    page = open_page()
    lines = ["שלום cat, עולם!", CAT, "(12) ...", "مرحبا", "12 שלום", "", "cat שלום."]
    page.fill("#text", "\n".join(lines))
    playwright.expect(page.locator("#copy")).to_be_visible()
    page.locator("h1").click()
    area = page.locator(".stack")
    pictures = []
    for shown, hidden in (("text", "mirror"), ("mirror", "text")):
        page.evaluate(
            """([shown, hidden]) => {
                document.getElementById(hidden).style.visibility = "hidden";
                const { style } = document.getElementById(shown);
                [style.visibility, style.color, style.outline] = ["visible", "black", "none"];
            }""",
            [shown, hidden],
        )
        pictures.append(imread(io.BytesIO(area.screenshot()))[:, :, :3])
    text, mirror = pictures
    assert text.min() < 0.1 and abs(text - mirror).max() < 0.5  # the letters of spans: 0.25
    directions = "rows => rows.map(row => getComputedStyle(row).direction)"
    assert page.locator("#mirror .row").evaluate_all(directions)[:2] == ["rtl", "ltr"]


@pytest.mark.parametrize("size", [WIDE, NARROW, NARROWEST])
def test_nothing_sticks_out_and_narrow_screens_stack_both_sides(open_page, size):
    page = open_page(size)
    page.fill("#text", f"{CAT} {'Donaudampfschifffahrtsgesellschaft' * 3} {CAT}")
    playwright.expect(page.locator("#details")).to_be_visible()
    page.click("#heatmap summary")
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    source, target = (page.locator(side).bounding_box() for side in ("#text", "#translation"))
    assert (source["y"] == target["y"]) == (size == WIDE)


def test_the_words_behind_the_text_area_lie_letter_for_letter_under_its_own(open_page):
    """Both are equally high at any width, for they break their lines at the same places."""
    measure = """() => {
        const [text, mirror] = ["text", "mirror"].map((id) => document.getElementById(id));
        text.style.height = text.style.minHeight = mirror.style.minHeight = "0";
        mirror.style.alignSelf = "start";
        return [text.scrollHeight, mirror.scrollHeight];
    }"""
    for size in (WIDE, NARROWEST):
        page = open_page(size)
        page.fill("#text", f"{f'{CAT} ' * 30}\n\n  two  spaces \t{'x' * 200}\n")
        playwright.expect(page.locator("#copy")).to_be_visible()
        text, mirror = page.evaluate(measure)
        assert text == mirror > 200


def test_the_keyboard_alone_reaches_every_word(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    for _ in range(3):  # past "Translate a file" and "Clear"
        page.keyboard.press("Tab")
    focused = page.locator(":focus")
    playwright.expect(focused).to_have_text("Un")
    page.keyboard.press("ArrowRight")
    playwright.expect(focused).to_have_text("chat")
    playwright.expect(focused).to_have_accessible_description("chat looked at cat 80 %, black 20 %")
    assert lit(page, "#mirror") == {"black": 0.2, "cat": 0.8}
    page.keyboard.press("End")
    playwright.expect(focused).to_have_text("dort.")
    page.keyboard.press("Tab")
    playwright.expect(focused).to_have_text("Copy")
    page.keyboard.press("Shift+Tab")  # the translation is one stop
    playwright.expect(focused).to_have_text("dort.")


def test_the_caret_shows_who_looked_at_its_word(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    for key in ["Home", "ArrowRight", "ArrowRight"]:
        page.keyboard.press(key)
    assert lit(page, "#translation") == {"noir": 0.8, "chat": 0.2}


def test_a_finger_lights_the_words_of_both_sides(open_page):
    page = open_page(NARROW, has_touch=True)
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    word(page, "noir").tap()
    assert lit(page, "#mirror") == {"A": 0.2, "black": 0.8}
    page.locator("#text").tap(position={"x": 50, "y": 25})  # on "black"
    playwright.expect(page.locator("#looked")).to_have_text(
        "black was looked at by noir 80 %, chat 20 %"
    )
    assert lit(page, "#translation") == {"noir": 0.8, "chat": 0.2}


def test_a_screen_reader_hears_the_translation_once_typing_has_paused(open_page):
    page = open_page()
    page.fill("#text", CAT)
    playwright.expect(page.get_by_role("status")).to_have_text(CHAT)


def test_the_heat_map_is_a_table_of_the_weights(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    page.click("#heatmap summary")
    rows = page.locator("#map tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert rows == [
        ["", "A", "black", "cat", "sleeps."],
        ["Un", "100", "", "", ""],
        ["chat", "", "20", "80", ""],
        ["noir", "20", "80", "", ""],
        ["dort.", "", "", "20", "80"],
    ]


def test_choices_at_a_word_and_alternatives_of_a_line(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    word(page, "noir").click()
    assert page.locator("#choices li").all_text_contents() == [
        "noir 70\xa0%, taken",
        "autre 20\xa0%",
        "-s < 0.1\xa0%",
    ]
    labels = page.locator("#alternatives label")
    assert labels.all_text_contents() == [
        "Un chat noir dort.probability 90\xa0%, score −0.02",
        "Un noir chat dort.probability 41\xa0%, score −0.18",
    ]
    page.get_by_role("radio").nth(0).focus()
    page.keyboard.press("ArrowDown")
    expect_translation(page, "Un noir chat dort.")
    playwright.expect(page.get_by_role("radio").nth(1)).to_be_focused()
    word(page, "chat").hover()
    assert lit(page, "#mirror") == {"black": 0.2, "cat": 0.8}


# -------------------------------------------------------------------------------- what is asked for


def test_a_line_is_asked_for_once_and_blank_lines_stay(open_page):
    page = open_page()
    page.fill("#text", f"{CAT}\n\nHe is tired.")
    playwright.expect(page.locator("#translation .row")).to_have_text([CHAT, "", "Il est fatigué."])
    page.locator("#text").press_sequentially("\nHe is A cat")
    playwright.expect(page.locator("#translation .row").last).to_have_text("Il est Un chat")
    assert page.asked[0]["q"] == f"{CAT}\nHe is tired."
    assert all(CAT not in asked["q"] for asked in page.asked[1:])


def test_an_answer_that_is_out_of_date_is_dropped(open_page):
    page = open_page()
    held = []

    def hold_first(route):
        (held.append if not held else lambda route: route.continue_())(route)

    page.route("**/v1/translate", hold_first)
    with page.expect_request("**/v1/translate") as first:
        page.fill("#text", "He is")
    page.wait_for_timeout(50)
    with page.expect_event("requestfailed") as failed:
        page.fill("#text", CAT)
    assert failed.value.url == first.value.url
    expect_translation(page, CHAT)


def test_an_answer_to_a_request_that_another_one_replaced_is_dropped(open_page):
    page = open_page()
    held = []

    def answer(route):
        if route.request.post_data_json["source"] == "fr":
            route.continue_()
        elif len(page.asked) == 1:
            route.fulfill(status=500, json={"error": "a fault"})
        else:
            held.append(route)

    page.route("**/v1/translate", answer)
    page.fill("#text", CAT)
    for count in (1, 2):  # each click sends a request
        page.get_by_role("button", name="Try again").click()
        while len(held) < count:
            page.wait_for_timeout(20)
    page.select_option("#source", "fr")
    expect_translation(page, CHAT)
    wrong = {"text": "wrong", "tokens": [], "score": 0, "log_probability": 0, "truncated": False}
    for route in held:
        with contextlib.suppress(playwright.Error):  # it was aborted
            route.fulfill(json={"lines": [{"source_tokens": [], "hypotheses": [wrong]}]})
    page.wait_for_timeout(300)
    expect_translation(page, CHAT)


def refuse_tired(page):
    def answer(route):
        asked = route.request.post_data_json["q"].split("\n")
        if "He is tired." not in asked:
            route.continue_()
        else:
            place = f"line {asked.index('He is tired.') + 1}: " if len(asked) > 1 else ""
            route.fulfill(status=400, json={"error": f"{place}the glossary does not fit."})

    page.route("**/v1/translate", answer)


def test_a_line_that_is_refused_leaves_the_others_translated(open_page):
    page = open_page()
    refuse_tired(page)
    page.fill("#text", f"{CAT}\nHe is tired.\nHe is")
    expect_rows = playwright.expect(page.locator("#translation .row"))
    expect_rows.to_have_text([CHAT, "", "Il est"])
    alert = page.get_by_role("alert")
    playwright.expect(alert).to_contain_text(
        "The server cannot do this: line 2: the glossary does not fit."
    )
    assert [asked["q"].count("\n") for asked in page.asked] == [2, 0, 0, 0]
    page.fill("#text", f"{CAT}\nHe is tired.\nHe is A")
    playwright.expect(page.locator("#translation .row").last).to_have_text("Il est Un")
    assert [asked["q"] for asked in page.asked[4:]] == ["He is A"]
    playwright.expect(alert).to_be_visible()
    page.unroute("**/v1/translate")
    page.get_by_role("button", name="Try again").click()
    expect_rows.to_have_text([CHAT, "Il est fatigué.", "Il est Un"])
    playwright.expect(page.locator("#trouble")).to_be_hidden()


def test_what_is_refused_of_every_line_is_asked_for_twice_and_not_line_by_line(open_page):
    page = open_page()
    page.route(
        "**/v1/translate", lambda route: route.fulfill(status=400, json={"error": "no cats"})
    )
    page.fill("#text", "\n".join(f"cat {number}" for number in range(9)))
    playwright.expect(page.get_by_role("alert")).to_contain_text("no cats")
    page.wait_for_timeout(200)
    assert len(page.asked) == 2


def test_half_a_surrogate_pair_harms_nothing(open_page):
    page = open_page()
    page.evaluate("""() => {
        const text = document.getElementById("text");
        text.value = "A black \\ud83d cat";
        text.dispatchEvent(new Event("input"));
    }""")
    expect_translation(page, "Un \ufffd noir chat")
    page.locator("#glossary summary").click()
    page.evaluate("""localStorage.setItem("glossary.en-fr", '[["cat", "\\\\ud83d matou"]]')""")
    page.reload()
    page.fill("#text", "cat")
    expect_translation(page, "chat \ufffd matou")


def test_typing_is_not_asked_for_letter_by_letter(open_page):
    page = open_page()
    page.evaluate("""() => {
        const text = document.getElementById("text");
        for (const letter of "A black cat sleeps.") {
            text.value += letter;
            text.dispatchEvent(new Event("input"));
        }
    }""")
    expect_translation(page, CHAT)
    assert [asked["q"] for asked in page.asked] == [CAT]


def test_a_long_text_comes_in_parts_and_one_beyond_the_limit_is_not_sent(open_page):
    page = open_page()
    page.fill("#text", "\n".join(f"He is {number}" for number in range(40)))
    playwright.expect(page.locator("#translation .row").last).to_have_text("Il est 39")
    assert [asked["q"].count("\n") + 1 for asked in page.asked] == [16, 16, 8]
    page.fill("#text", "x" * 3001)
    playwright.expect(page.locator("#size")).to_contain_text("3001 of 3000 characters")
    page.wait_for_timeout(500)
    assert len(page.asked) == 3


def test_a_very_long_line_is_translated_without_its_attention(open_page):
    page = open_page()
    page.fill("#text", f"He is tired.\n{'cat ' * 600}")
    playwright.expect(page.locator("#translation .row").last).to_have_text(("chat " * 600).strip())
    assert [asked["attention"] for asked in page.asked] == [True, False]
    word(page, "chat").first.hover()
    playwright.expect(page.locator("#looked")).to_have_text("chat looked at nothing in particular")


def test_no_text_asks_for_nothing(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    page.click("#clear")
    expect_translation(page, "")
    page.fill("#text", " \n\t\n")
    page.wait_for_timeout(500)
    assert len(page.asked) == 1
    playwright.expect(page.locator("#details")).to_be_hidden()
    playwright.expect(page.locator("#copy")).to_be_hidden()


def test_markup_is_text_and_characters_beyond_16_bits_are_one(open_page):
    page = open_page()
    text = "<img src=x onerror=alert(1)> 🐈🐈 <b>black</b> &amp; cat"
    page.fill("#text", text)
    expect_translation(page, text.replace("cat", "chat"))
    assert page.locator("main img, main b:not(#looked b)").count() == 0
    word(page, "chat").hover()
    assert lit(page, "#mirror") == {"cat": 0.8, "&amp;": 0.2}
    word(page, "🐈🐈").hover()
    assert lit(page, "#mirror") == {"🐈🐈": 0.8, "onerror=alert(1)>": 0.2}


# ----------------------------------------------------------------------------- when things go wrong


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (429, "more than the server allows"),
        (503, "The server is busy"),
        (500, "The server cannot do this: out of cats"),
    ],
)
def test_a_refusal_is_explained_and_the_page_tries_again_when_it_may(open_page, status, says):
    page = open_page()
    refusal = {"status": status, "headers": {"Retry-After": "1"}, "json": {"error": "out of cats"}}
    page.route("**/v1/translate", lambda route: route.fulfill(**refusal))
    page.fill("#text", CAT)
    playwright.expect(page.get_by_role("alert")).to_contain_text(says)
    playwright.expect(page.get_by_role("alert")).to_contain_text("Trying again in 1 s.")
    page.unroute("**/v1/translate")
    expect_translation(page, CHAT)
    playwright.expect(page.locator("#trouble")).to_be_hidden()


def test_a_server_that_is_away_loses_no_text(open_page):
    page = open_page()
    page.route("**/v1/translate", lambda route: route.abort())
    page.fill("#text", CAT)
    playwright.expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.unroute("**/v1/translate")
    expect_translation(page, CHAT)
    playwright.expect(page.locator("#text")).to_have_value(CAT)


def test_a_key_is_asked_for_where_one_is_needed(open_page):
    page = open_page()
    page.route(
        "**/v1/translate",
        lambda route: route.fulfill(status=403, json={"error": "no key"}),
        times=1,
    )
    page.fill("#text", CAT)
    page.get_by_label("API key").fill("secret")
    page.keyboard.press("Enter")
    expect_translation(page, CHAT)
    assert [asked.get("api_key") for asked in page.asked] == [None, "secret"]


def test_a_key_can_be_given_before_any_text(open_page, address):
    page = open_page()
    playwright.expect(page.get_by_label("API key")).to_be_hidden()
    settings = page.request.get(f"{address}frontend/settings").json()
    settings["keyRequired"] = True
    page.route("**/frontend/settings", lambda route: route.fulfill(json=settings))
    page.reload()
    page.get_by_label("API key").fill("secret")
    with page.expect_request("**/translate_file") as uploaded:
        page.evaluate(DROP, ["cat.txt", CAT])
    assert "secret" in uploaded.value.post_data
    playwright.expect(page.locator("#document-state")).to_contain_text("is translated")
    page.get_by_label("API key").press("Enter")
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    assert [asked["api_key"] for asked in page.asked] == ["secret"]


def test_what_is_typed_before_the_languages_are_known_is_translated_once_they_are(
    open_page, address
):
    page = open_page()
    page.route("**/languages", lambda route: route.abort())
    page.reload()
    playwright.expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.locator("#text").press_sequentially(CAT)
    page.unroute("**/languages")
    expect_translation(page, CHAT)


def test_an_error_goes_with_the_text_that_was_refused(open_page):
    page = open_page()
    refusal = {"status": 400, "json": {"error": "out of cats"}}
    page.route("**/v1/translate", lambda route: route.fulfill(**refusal))
    page.fill("#text", CAT)
    playwright.expect(page.get_by_role("alert")).to_contain_text("out of cats")
    page.click("#clear")
    playwright.expect(page.locator("#trouble")).to_be_hidden()


# -------------------------------------------------------------------------------- the small buttons


def test_copy_swap_and_clear(open_page):
    page = open_page()
    page.fill("#text", f"{CAT}\nHe is tired.")
    playwright.expect(page.locator("#translation .row")).to_have_text([CHAT, "Il est fatigué."])
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"{CHAT}\nIl est fatigué."
    page.get_by_role("button", name="Translate from French to English").click()
    playwright.expect(page.locator("#text")).to_have_value(f"{CHAT}\nIl est fatigué.")
    playwright.expect(page.get_by_label("Translate from", exact=True)).to_have_value("fr")
    page.get_by_role("button", name="Clear").click()
    playwright.expect(page.locator("#text")).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_switched_and_then_remembered(open_page, scheme):
    page = open_page(scheme=scheme)
    is_dark = "parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]) < 128"
    assert page.evaluate(is_dark) == (scheme == "dark")
    page.click("#theme")
    assert page.evaluate(is_dark) == (scheme == "light")
    page.reload()
    playwright.expect(page.locator("#target")).to_be_enabled()
    assert page.evaluate(is_dark) == (scheme == "light")


def test_a_theme_of_another_page_of_the_host_is_none_and_paper_is_light(open_page):
    page = open_page(scheme="dark")
    page.evaluate("localStorage.setItem('theme', 'auto')")
    page.reload()
    page.get_by_role("button", name="Use the light theme").click()
    page.get_by_role("button", name="Use the dark theme").click()
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(22, 23, 26)"
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(247, 245, 240)"


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROWEST, "dark")])
def test_axe_finds_nothing_serious(open_page, size, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="scripts/test.sh installs it"
    ).Axe()
    page = open_page(size, scheme)

    def serious():
        found = axe.run(page).response["violations"]
        return [
            (rule["id"], [node["html"] for node in rule["nodes"]])
            for rule in found
            if rule["impact"] != "minor"
        ]

    assert serious() == []
    page.fill("#text", f"{CAT}\n\n{CAT}")
    playwright.expect(page.locator("#translation .row")).to_have_text([CHAT, "", CHAT])
    page.click("#heatmap summary")
    word(page, "noir").first.hover()
    assert serious() == []
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "matou")
    page.get_by_role("button", name="Suggest a correction").click()
    assert serious() == []
    page.route("**/v1/translate", lambda route: route.fulfill(status=403, json={"error": "no key"}))
    page.fill("#text", "He")
    playwright.expect(page.get_by_role("alert")).to_be_visible()
    assert serious() == []


# -------------------------------------------------------------------------------------------- links


def test_a_link_brings_text_and_languages(open_page, address):
    page = open_link(open_page, address, "source=en&target=fr&q=A+black+cat%0Asleeps.")
    playwright.expect(page.locator("#text")).to_have_value("A black cat\nsleeps.")
    expect_translation(page, "Un chat noirdort.")
    page = open_link(open_page, address, "source=FR-ca&target=en_US&q=chat")
    assert page.locator("#source").input_value() == "fr"
    assert page.locator("#target").input_value() == "en"
    page = open_link(open_page, address, "source=auto&target=xx&q=%3Cb%3E")
    assert page.locator("#source").input_value() == "en"
    expect_translation(page, "<b>")


def test_a_line_of_too_many_pieces_is_translated_without_attention(open_page):
    page = open_page()
    refused = []

    def refuse(route):
        if route.request.post_data_json["attention"]:
            refused.append(route)
            route.fulfill(status=413, json={"error": "Too much to explain at once"})
        else:
            route.continue_()

    page.route("**/v1/translate", refuse)
    page.locator("#text").fill(CAT)
    expect_translation(page, CHAT)
    assert len(refused) == 1 and page.locator("#trouble").is_hidden()


# ------------------------------------------------------------------------------------------- files


DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(
      new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


@pytest.mark.parametrize("size", [WIDE, (360, 760)])
def test_a_file_that_is_dropped_comes_back_translated(open_page, size):
    page = open_page(size)
    page.evaluate(DROP, ["cat.html", f"<p>{CAT}</p>"])
    playwright.expect(page.locator("#document-state")).to_have_text("cat.html is translated.")
    playwright.expect(page.locator("#download")).to_be_focused()
    with page.expect_download() as started:
        page.locator("#download").click()
    assert started.value.suggested_filename == "cat_fr.html"
    with open(started.value.path(), encoding="utf-8") as file:
        assert file.read() == f"<p>{CHAT}</p>"
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.locator("#document-close").click()
    playwright.expect(page.locator("#document")).to_be_hidden()


def test_a_file_that_is_done_leaves_the_focus_where_somebody_types(open_page):
    page = open_page()
    page.locator("#text").focus()
    page.evaluate(DROP, ["cat.txt", CAT])
    playwright.expect(page.locator("#document-state")).to_have_text("cat.txt is translated.")
    playwright.expect(page.locator("#text")).to_be_focused()


def test_a_file_can_be_chosen_and_one_that_is_no_document_is_refused(open_page):
    page = open_page()
    with page.expect_file_chooser() as chooser:
        page.locator("#open").click()
    chooser.value.set_files({"name": "a.docx", "mimeType": "", "buffer": b"no archive"})
    playwright.expect(page.locator("#document-state")).to_contain_text("expected a Word document")
    page.evaluate(DROP, ["a.exe", "MZ"])
    playwright.expect(page.locator("#document-state")).to_contain_text("not supported")
    playwright.expect(page.locator("#download")).to_be_hidden()


def test_a_file_is_translated_below_the_prefix_of_a_proxy(open_page, address):
    page = open_page()
    page.goto(f"{address}below/")
    playwright.expect(page.locator("#target")).to_be_enabled()
    page.evaluate(DROP, ["cat.txt", CAT])
    with page.expect_download() as started:
        page.locator("#download").click()
    assert "/below/download_file/" in started.value.url
    with open(started.value.path(), encoding="utf-8") as file:
        assert file.read() == CHAT


def test_a_file_that_a_proxy_refuses_is_too_large(open_page):
    page = open_page()
    html = {"status": 413, "content_type": "text/html", "body": "<h1>Too Large</h1>"}
    page.route("**/translate_file", lambda route: route.fulfill(**html))
    page.evaluate(DROP, ["cat.txt", CAT])
    playwright.expect(page.locator("#document-state")).to_have_text(
        "cat.txt: The file is too large for the server."
    )


def test_one_segment_that_was_left_is_named_as_one(open_page):
    page = open_page()
    answer = {"translatedFileUrl": "http://a/b", "segments": 3, "untranslated": 1}
    page.route("**/translate_file", lambda route: route.fulfill(json=answer))
    page.evaluate(DROP, ["cat.txt", CAT])
    playwright.expect(page.locator("#document-state")).to_have_text(
        "cat.txt is translated, 1 of 3 segments was left untranslated."
    )


# ----------------------------------------------------------------------------------------- glossary

# Keys that end what an input method composes, not least in Safari, where the composition has ended.
COMPOSING = ["isComposing: true", "keyCode: 229"]


def press_composing(field, key, state):
    event = f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true, {state}}})"
    field.evaluate(f"element => element.dispatchEvent({event})")


def add_entry(page, phrase, translation):
    page.get_by_role("button", name="Add an entry").click()
    page.keyboard.type(phrase)
    page.keyboard.press("Enter")
    page.keyboard.type(translation)
    page.keyboard.press("Tab")


def glossaries(page):
    return [asked.get("glossary") for asked in page.asked]


@pytest.mark.parametrize("size", [WIDE, (360, 760)])
def test_an_entry_of_the_glossary_is_sent_with_each_request_and_remembered(open_page, size):
    page = open_page(size)
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "matou")
    expect_translation(page, f"{CHAT} matou")
    assert glossaries(page) == [None, [["cat", "matou"]]]
    playwright.expect(page.locator("#glossary summary")).to_have_text("Glossary (1)")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.reload()
    playwright.expect(page.locator("#target")).to_be_enabled()
    page.fill("#text", CAT)
    expect_translation(page, f"{CHAT} matou")
    page.locator("#glossary summary").click()
    page.get_by_role("button", name="Remove entry 1").click()
    expect_translation(page, CHAT)
    playwright.expect(page.get_by_role("button", name="Add an entry")).to_be_focused()
    assert page.evaluate("Object.keys(localStorage)") == []


def test_incomplete_entries_are_kept_but_not_sent(open_page):
    page = open_page()
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "")
    add_entry(page, "black ", " noire")
    add_entry(page, "black", "noirs")
    playwright.expect(page.locator("#glossary-trouble")).to_contain_text("listed twice")
    page.fill("#text", CAT)
    expect_translation(page, f"{CHAT} noire")
    assert glossaries(page) == [[["black", "noire"]]]
    page.get_by_label("Translation 1").fill("matou")
    page.get_by_label("Translation 1").press("Enter")
    expect_translation(page, f"{CHAT} noire matou")


def test_phrases_that_differ_in_typography_alone_are_one(open_page):
    """The server refuses two entries for one phrase, and with them each request."""
    page = open_page()
    page.locator("#glossary summary").click()
    add_entry(page, "black", "noire")
    for phrase in ("cat’s", "cat's"):
        add_entry(page, phrase, "du chat")
    playwright.expect(page.locator("#glossary-trouble")).to_contain_text("“cat's” is listed twice")
    page.fill("#text", CAT)
    expect_translation(page, f"{CHAT} noire")
    assert glossaries(page)[-1] == [["black", "noire"], ["cat’s", "du chat"]]


def test_a_key_of_an_input_method_stays_in_its_field(open_page):
    page = open_page()
    page.locator("#glossary summary").click()
    page.get_by_role("button", name="Add an entry").click()
    for state in COMPOSING:
        press_composing(page.get_by_label("Phrase 1"), "Enter", state)
        playwright.expect(page.get_by_label("Phrase 1")).to_be_focused()


def test_several_tabs_add_to_one_glossary(open_page, address):
    page = open_page()
    other = page.context.new_page()
    other.goto(address)
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "matou")
    playwright.expect(other.get_by_label("Translation 1")).to_have_value("matou")
    other.locator("#glossary summary").click()
    add_entry(other, "black", "sombre")
    playwright.expect(page.get_by_label("Translation 2")).to_have_value("sombre")
    page.fill("#text", CAT)
    expect_translation(page, f"{CHAT} sombre matou")
    stored = page.evaluate("localStorage.getItem('glossary.en-fr')")
    assert json.loads(stored) == [["cat", "matou"], ["black", "sombre"]]


def test_each_pair_of_languages_has_a_glossary(open_page):
    page = open_page()
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "matou")
    page.get_by_role("button", name="Translate from French to English").click()
    playwright.expect(page.locator("#glossary input[type=text]")).to_have_count(0)
    page.fill("#text", "cat")
    expect_translation(page, "chat")
    page.get_by_role("button", name="Translate from English to French").click()
    playwright.expect(page.get_by_label("Phrase 1")).to_have_value("cat")


def test_a_glossary_is_imported_and_exported_as_tsv(open_page):
    page = open_page()
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "chat")
    table = "\ufeffcat\tmatou\r\nno tab\nblack\tsombre\n\n"
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import TSV").click()
    chooser.value.set_files({"name": "a.tsv", "mimeType": "", "buffer": table.encode()})
    playwright.expect(page.locator("#glossary-state")).to_have_text(
        "a.tsv: 2 entries. Left out: 1 line that is not phrase, tab, translation."
    )
    page.fill("#text", CAT)
    expect_translation(page, f"{CHAT} sombre matou")
    with page.expect_download() as started:
        page.get_by_role("button", name="Export TSV").click()
    assert started.value.suggested_filename == "glossary.en-fr.tsv"
    with open(started.value.path(), encoding="utf-8") as file:
        assert file.read() == "cat\tmatou\nblack\tsombre\n"


def test_a_file_is_translated_with_the_glossary(open_page):
    page = open_page()
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "matou")
    page.evaluate(DROP, ["cat.txt", CAT])
    with page.expect_download() as started:
        page.locator("#download").click()
    with open(started.value.path(), encoding="utf-8") as file:
        assert file.read() == f"{CHAT} matou"


def test_lines_get_their_attention_back_after_a_glossary_that_was_too_long(open_page):
    page = open_page()

    def refuse(route):
        if route.request.post_data_json.get("glossary"):
            route.fulfill(status=413, json={"error": "glossary exceeds text limit"})
        else:
            route.continue_()

    page.route("**/v1/translate", refuse)
    page.locator("#glossary summary").click()
    add_entry(page, "cat", "matou")
    page.fill("#text", CAT)
    playwright.expect(page.get_by_role("alert")).to_contain_text("exceeds text limit")
    page.get_by_role("button", name="Remove entry 1").click()
    expect_translation(page, CHAT)
    word(page, "noir").hover()
    assert lit(page, "#mirror") == {"A": 0.2, "black": 0.8}


def test_a_glossary_is_sent_as_far_as_the_server_takes_it(open_page, address):
    page = open_page()
    long = [[f"{n:0200}", "é" * 200] for n in range(101)]
    page.evaluate(
        "entries => localStorage.setItem('glossary.en-fr', JSON.stringify(entries))", long
    )
    page.reload()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    assert glossaries(page) == [long[:100]]
    playwright.expect(page.locator("#glossary-trouble")).to_have_text(
        "The server takes no longer glossary: only the first 100 entries are used."
    )


def test_what_is_stored_as_something_else_is_no_glossary(open_page):
    page = open_page()
    page.evaluate("""localStorage.setItem("glossary.en-fr", '[["a"], 3, ["cat", "matou"]]')""")
    page.evaluate("""localStorage.setItem("glossary.fr-en", '{')""")
    page.reload()
    page.fill("#text", CAT)
    expect_translation(page, f"{CHAT} matou")
    page.get_by_role("button", name="Translate from French to English").click()
    expect_translation(page, "Un chat noir dort. matou")
    assert glossaries(page)[-1] is None


# -------------------------------------------------------------------------------------- suggestions


def test_a_correction_is_sent_line_by_line(open_page, corrections):
    page = open_page()
    page.fill("#text", f"{CAT}\n\nHe is tired.")
    playwright.expect(page.locator("#translation .row").last).to_have_text("Il est fatigué.")
    page.get_by_role("button", name="Suggest a correction").click()
    correction = page.locator("#correction")
    playwright.expect(correction).to_be_focused()
    playwright.expect(correction).to_have_value(f"{CHAT}\nIl est fatigué.")
    page.get_by_role("button", name="Send").click()
    playwright.expect(page.locator("#suggestion-state")).to_have_text("Nothing is corrected yet.")
    correction.fill(CHAT)
    page.get_by_role("button", name="Send").click()
    playwright.expect(page.locator("#suggestion-state")).to_contain_text("Keep the lines")
    correction.fill(f"{CHAT}\nIl est las.")
    page.get_by_role("button", name="Send").click()
    playwright.expect(page.locator("#suggestion")).to_be_hidden()
    playwright.expect(page.locator("#state")).to_have_text("Thank you for the correction")
    playwright.expect(page.get_by_role("button", name="Suggest a correction")).to_be_focused()
    assert corrections.with_suffix(".en-fr.tsv").read_text("utf-8") == "He is tired.\tIl est las.\n"


def test_a_refused_correction_stays_in_its_form(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    page.get_by_role("button", name="Suggest a correction").click()
    page.route(
        "**/suggest", lambda route: route.fulfill(status=503, json={"error": "full of cats"})
    )
    page.locator("#correction").fill("Chat.")
    page.get_by_role("button", name="Send").click()
    playwright.expect(page.locator("#suggestion-state")).to_contain_text("full of cats")
    playwright.expect(page.locator("#correction")).to_have_value("Chat.")
    page.locator("#correction").press("Escape")
    playwright.expect(page.locator("#suggestion")).to_be_hidden()


def test_a_correction_is_sent_once_and_takes_no_focus_from_what_is_done_meanwhile(open_page):
    page = open_page()
    held = []
    page.route("**/suggest", lambda route: held.append(route))
    send, correction = page.get_by_role("button", name="Send"), page.locator("#correction")

    def suggest(source, target):
        page.fill("#text", source)
        playwright.expect(page.locator("#translation .row")).not_to_have_class(re.compile("stale"))
        page.get_by_role("button", name="Suggest a correction").click()
        correction.fill(target)

    suggest(CAT, "Chat.")
    send.dblclick()
    correction.press("Escape")
    suggest("He is tired.", "Il est las.")
    assert len(held) == 1
    held.pop().fulfill(json={"success": True})
    playwright.expect(page.locator("#state")).to_have_text("Thank you for the correction")
    playwright.expect(correction).to_have_value("Il est las.")
    playwright.expect(correction).to_be_focused()
    with page.expect_request("**/suggest"):
        send.click()
    page.locator("#text").focus()
    held.pop().fulfill(json={"success": True})
    playwright.expect(correction).to_be_hidden()
    playwright.expect(page.locator("#text")).to_be_focused()


def test_escape_keeps_a_correction_of_the_same_lines(open_page):
    page = open_page()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    suggest = page.get_by_role("button", name="Suggest a correction")
    correction = page.locator("#correction")
    suggest.click()
    correction.fill("Chat.")
    for state in COMPOSING:
        press_composing(correction, "Escape", state)
        playwright.expect(correction).to_be_visible()
    correction.press("Escape")
    playwright.expect(correction).to_be_hidden()
    suggest.click()
    playwright.expect(correction).to_have_value("Chat.")
    correction.press("Escape")
    page.fill("#text", "He is tired.")
    expect_translation(page, "Il est fatigué.")
    suggest.click()
    playwright.expect(correction).to_have_value("Il est fatigué.")


def test_a_server_that_offers_neither_shows_neither(open_page, address):
    page = open_page()
    settings = page.request.get(f"{address}frontend/settings").json()
    del settings["glossaryLimit"]
    settings["suggestions"] = False
    page.route("**/frontend/settings", lambda route: route.fulfill(json=settings))
    page.reload()
    page.fill("#text", CAT)
    expect_translation(page, CHAT)
    playwright.expect(page.locator("#glossary")).to_be_hidden()
    playwright.expect(page.locator("#suggest")).to_be_hidden()
