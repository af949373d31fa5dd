"""The HTTP API, over a translator that shouts."""

import asyncio
import json
import re
import resource
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fixtures.run import trained_translator
from fixtures.shouter import Shouter

from nmt.documents.formats import available
from nmt.errors import LineError
from nmt.serving.dynamic_batching import Batcher, QueueFull
from nmt.serving.middleware import RateLimit
from nmt.serving.schemas import Refusal
from nmt.text.lines import read_lines, text_path
from nmt.text.tokenizer import Tokenizer

pytest_plugins = ["fixtures.server"]

PAIR = {"source": "en", "target": "fr"}
JSON = {"Content-Type": "application/json"}


def assert_refused(answer, status, error):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"error": error}


# ------------------------------------------------- LibreTranslate's documented requests and answers


def test_a_text_is_answered_with_a_text(client):
    answer = client.post("/translate", {"q": "Hello!", **PAIR, "api_key": "xxxxxx"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"translatedText": "HELLO!"}


def test_a_list_is_answered_with_a_list(client):
    assert client.translate(["a", "b c", ""]).json() == {"translatedText": ["A", "B C", ""]}


def test_slashes_in_a_row_count_as_one(client):
    answer = client.post("http://testserver//translate", {"q": "Hello!", **PAIR})
    assert answer.json() == {"translatedText": "HELLO!"}


def test_auto_says_which_language_it_took_and_how_sure_it_is(client_of):
    client = client_of(Shouter("en", "fr"), Shouter("fr", "en"))
    text = "Le petit chien noir court dans l'herbe avec les enfants."
    answer = client.post("/translate", {"q": text, "source": "auto", "target": "en"}).json()
    assert answer["translatedText"] == text.upper()
    assert answer["detectedLanguage"]["language"] == "fr"
    assert answer["detectedLanguage"]["confidence"] > 90
    answer = client.post("/translate", {"q": [text, text], "source": "auto", "target": "en"}).json()
    assert [detected["language"] for detected in answer["detectedLanguage"]] == ["fr", "fr"]


def test_auto_with_one_pair_takes_its_source_but_is_not_sure_of_another_language(client):
    text = "Der kleine schwarze Hund rennt mit den Kindern über die Wiese."
    answer = client.post("/translate", {"q": text, "source": "auto", "target": "fr"}).json()
    assert answer["translatedText"] == text.upper()
    detected = answer["detectedLanguage"]
    assert detected["language"] == "en" and detected["confidence"] < 10


FRENCH = "Le petit chien noir court dans l'herbe avec les enfants."
ENGLISH = "The little black dog is running through the grass with the children."


def test_auto_leaves_a_text_that_is_in_the_target_language_already(client):
    asked = {"source": "auto", "target": "fr"}
    answer = client.post("/translate", {"q": FRENCH, **asked}).json()
    assert answer["translatedText"] == FRENCH
    assert answer["detectedLanguage"]["language"] == "fr"
    assert answer["detectedLanguage"]["confidence"] >= 50
    answer = client.post("/translate", {"q": [FRENCH, ENGLISH], "alternatives": 1, **asked}).json()
    assert answer["translatedText"] == [FRENCH, ENGLISH.upper()]
    assert answer["alternatives"] == [[], [ENGLISH.upper() + " 2"]]
    assert [one["language"] for one in answer["detectedLanguage"]] == ["fr", "en"]
    html = f"<p>{FRENCH}</p>"
    answer = client.post("/translate", {"q": html, "format": "html", **asked}).json()
    assert answer["translatedText"] == html


def test_auto_translates_short_texts_that_only_look_like_the_target_language(client):
    """`Important message` is French to the detector, which is not sure of it."""
    for text in ("Important message", "Pizza", "Danger"):
        answer = client.post("/translate", {"q": text, "source": "auto", "target": "fr"}).json()
        assert answer["translatedText"] == text.upper()
        assert answer["detectedLanguage"]["language"] == "en"


def translated_lines(client, lines):
    answer = client.post("/translate", {"q": lines, "source": "auto", "target": "fr"})
    assert answer.status_code == 200
    return answer.json()["translatedText"]


def test_auto_translates_a_short_text_among_texts_in_the_target_language(client):
    """`Hello.` and `I know.` are English to the detector, which is not sure of it."""
    for text in ("The dog is tired.", "I know.", "Hello."):
        assert translated_lines(client, [FRENCH, text]) == [FRENCH, text.upper()]


def test_auto_leaves_a_short_text_among_others_that_is_in_the_target_language(client):
    text = "Le petit chien est fatigué."
    assert translated_lines(client, [ENGLISH, text]) == [ENGLISH.upper(), text]


def test_auto_takes_a_short_text_that_may_be_in_either_language_for_that_of_the_list(client):
    short = ["Pizza", "Danger", "Menu", "2024"]
    shouted = [text.upper() for text in short]
    assert translated_lines(client, [ENGLISH, *short]) == [ENGLISH.upper(), *shouted]
    assert translated_lines(client, [FRENCH, *short]) == [FRENCH, *short]


def test_auto_translates_ordinary_short_lines_of_any_list(client):
    """At most 0.5 % of them stay, as the detector is wrong sometimes."""
    lines = [line for line in read_lines(text_path("everyday/dev.en")) if len(line) <= 40][:400]
    for first in (FRENCH, ENGLISH):
        stay = [
            line
            for line, translated in zip(
                lines, translated_lines(client, [first, *lines])[1:], strict=True
            )
            if line == translated
        ]
        assert len(stay) <= 0.005 * len(lines), stay


def test_a_short_text_in_a_language_that_is_not_served_does_not_refuse_a_list(client_of):
    client = client_of(Shouter("en", "fr"), Shouter("de", "en"))
    text = "Der kleine Hund schläft heute nicht."
    assert translated_lines(client, [ENGLISH, text]) == [ENGLISH.upper(), text.upper()]
    assert translated_lines(client, [FRENCH, text]) == [FRENCH, text]


def test_auto_refuses_a_language_that_cannot_be_translated_to_the_target(client_of):
    client = client_of(Shouter("en", "fr"), Shouter("de", "en"))
    text = "Der kleine schwarze Hund rennt mit den Kindern über die Wiese."
    answer = client.post("/translate", {"q": text, "source": "auto", "target": "fr"})
    error = "French (fr) is not available as a target language from German (de)"
    assert_refused(answer, 400, error)


def test_source_and_target_alike_leave_the_text(client):
    for code in ("fr", "en"):
        answer = client.post("/translate", {"q": "a", "source": code, "target": code})
        assert answer.json() == {"translatedText": "a"}
    asked = {"q": "a b\n", "source": "fr", "target": "fr", "attention": True}
    first, last = client.post("/v1/translate", asked).json()["lines"]
    assert first["hypotheses"][0]["text"] == "a b" and last["hypotheses"] == []


# ------------------------------------------------------------------------------------- glossaries


class Glossed(Shouter):
    """Shouts, and appends the phrases that a glossary requires; cannot spell `unspeakable`."""

    def translate(self, lines, *, glossary=None, **options):
        translations = super().translate(lines, glossary=glossary, **options)
        return [
            self._with(translation, index, glossary.required(translation.source))
            if glossary
            else translation
            for index, translation in enumerate(translations)
        ]

    @staticmethod
    def _with(translation, index, required):
        if "unspeakable" in required:
            return LineError(index, "the target vocabulary cannot spell 'unspeakable'.")
        candidates = tuple(
            replace(candidate, text=" ".join([candidate.text, *required]))
            for candidate in translation.candidates
        )
        return replace(translation, candidates=candidates)


@pytest.mark.parametrize("glossary", [[["dog", "chien"]], {"dog": "chien"}])
def test_a_glossary_is_required_of_the_lines_that_have_its_phrases(client_of, glossary):
    client = client_of(Glossed())
    answer = client.translate(["a dog\na cat", "a dog"], glossary=glossary).json()
    assert answer["translatedText"] == ["A DOG chien\nA CAT", "A DOG chien"]
    asked = {"q": "a dog\na cat", **PAIR, "glossary": glossary}
    lines = client.post("/v1/translate", asked).json()["lines"]
    assert [line["hypotheses"][0]["text"] for line in lines] == ["A DOG chien", "A CAT"]
    form = {"q": "a dog", **PAIR, "glossary": json.dumps(glossary)}
    assert client.post("/translate", data=form).json() == {"translatedText": "A DOG chien"}


@pytest.mark.parametrize("glossary", [[], {}, None])
def test_an_empty_glossary_is_none(client_of, glossary):
    client = client_of(Glossed())
    assert client.translate("a dog", glossary=glossary).json() == {"translatedText": "A DOG"}


def test_requests_with_different_glossaries_do_not_mix(client_of):
    glossed = Glossed()
    glossed.num_workers = 1
    client = client_of(glossed)
    entries = [{"dog": "chien"}, {"dog": "clebs"}, {"dog": "unspeakable"}, None, {"dog": "chien"}]
    answers = client.together(
        *(
            client.http.post("/translate", json={"q": "a dog", **PAIR, "glossary": glossary})
            for glossary in entries
        )
    )
    assert [answer.json() for answer in answers] == [
        {"translatedText": "A DOG chien"},
        {"translatedText": "A DOG clebs"},
        {"error": "the target vocabulary cannot spell 'unspeakable'."},
        {"translatedText": "A DOG"},
        {"translatedText": "A DOG chien"},
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 200, 200]


SHAPE = (
    "Invalid request: glossary parameter must have at most 1000 pairs of phrases, each phrase with"
    " at most 200 characters"
)


@pytest.mark.parametrize("path", ["/translate", "/v1/translate"])
@pytest.mark.parametrize(
    ("glossary", "error"),
    [
        ("dog", SHAPE),
        ([["dog"]], SHAPE),
        ([["dog", "chien", "canis"]], SHAPE),
        ([["dog", 3]], SHAPE),
        ([["", "chien"]], SHAPE),
        ([["x" * 201, "chien"]], SHAPE),
        ([[f"dog {n}", "chien"] for n in range(1001)], SHAPE),
        (
            [[" ", "chien"]],
            "Invalid request: a glossary entry needs a source and a target phrase, each a line of"
            " text in UTF-8, of visible characters. Received: ' ', 'chien'.",
        ),
        (
            [["dog", "\u200b"]],
            "Invalid request: a glossary entry needs a source and a target phrase, each a line of"
            " text in UTF-8, of visible characters. Received: 'dog', '\\u200b'.",
        ),
        (
            [["dog", "chien"], ["dog", "clebs"]],
            "Invalid request: a glossary must give each source phrase one translation. Received for"
            " 'dog': 'chien' and 'clebs'.",
        ),
    ],
)
def test_what_is_no_glossary_is_refused(client_of, path, glossary, error):
    client = client_of(Glossed())
    assert_refused(client.post(path, {"q": "a", **PAIR, "glossary": glossary}), 400, error)


def test_a_glossary_that_is_too_long_or_no_json_is_refused(client_of):
    client = client_of(Glossed())
    glossary = [[f"{n:0200}", "é" * 200] for n in range(101)]
    error = "Invalid request: glossary (40400) exceeds text limit (40000)"
    assert_refused(client.translate("a", glossary=glossary), 413, error)
    assert client.translate("a", glossary=glossary[:100]).status_code == 200
    form = {"q": "a", **PAIR, "glossary": "dog=chien"}
    error = "Invalid request: glossary parameter is not JSON"
    assert_refused(client.post("/translate", data=form), 400, error)
    assert client.post("/translate", data={**form, "glossary": ""}).status_code == 200


def test_a_glossary_reaches_the_search_of_a_model(client_of):
    translator = trained_translator()
    served = SimpleNamespace(
        run=translator.run, num_workers=1, translate=translator.translate, gate=threading.Event()
    )
    client = client_of(served)
    answer = client.translate("the cat", glossary={"cat": "lait"}).json()["translatedText"]
    assert "lait" in answer.split()
    html = client.translate("<p>the <b>cat</b></p>", format="html", glossary={"cat": "lait"})
    assert "lait" in html.json()["translatedText"]
    assert client.translate("the cat", glossary={"dog": "lait"}).json() == (
        client.translate("the cat").json()
    )


def test_a_glossary_that_does_not_fit_into_a_line_is_refused_with_line_and_entry(client_of):
    translator = trained_translator()
    served = SimpleNamespace(
        run=translator.run, num_workers=1, translate=translator.translate, gate=threading.Event()
    )
    long = "lait " * 30
    answer = client_of(served).translate("the dog\nthe cat", glossary={"cat": long})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error.startswith("line 2: the glossary requires 'cat' -> 'lait lait")
    assert error.endswith("Shorten the phrases, or leave entries out.")


def test_half_a_surrogate_pair_in_a_glossary_is_refused(client_of):
    body = rb'{"q": "a dog", "source": "en", "target": "fr", "glossary": [["dog\ud800", "chien"]]}'
    answer = client_of(Glossed()).post("/translate", content=body, headers=JSON)
    assert_refused(answer, 400, SHAPE)


@pytest.mark.parametrize(("source", "target"), [("EN", "FR"), ("en-US", "fr_CA"), ("En", "fr-FR")])
def test_codes_of_regions_mean_their_language(client, source, target):
    answer = client.post("/translate", {"q": "a", "source": source, "target": target})
    assert answer.json() == {"translatedText": "A"}
    answer = client.post("/v1/translate", {"q": "a", "source": source, "target": target}).json()
    assert (answer["source"], answer["target"]) == ("en", "fr")


def test_html_keeps_its_tags_and_attributes(client):
    answer = client.translate('<p class="green">Hello! <b>a &lt; b</b></p>', format="html")
    assert answer.json() == {"translatedText": '<p class="green">HELLO! <b>A &lt; B</b></p>'}
    assert client.translate(["<p>a</p>", "b"], format="html").json() == {
        "translatedText": ["<p>A</p>", "B"]
    }


class Reverser(Shouter):
    """Translates "a b c" to "C B A", and aligns the words so."""

    @staticmethod
    def _candidates(line, n_best, alignments, choices):
        (shouted,) = Shouter._candidates(" ".join(line.split()[::-1]), 1, alignments, choices)
        if shouted.alignment is None:
            yield shouted
            return
        alignment = replace(
            shouted.alignment,
            weights_TS=shouted.alignment.weights_TS[:, ::-1],
            source_spans=Tokenizer.words(line),
        )
        yield replace(shouted, alignment=alignment)


def test_the_text_of_a_block_is_one_sentence_and_its_tags_follow_their_words(client_of):
    translator = Reverser()
    client = client_of(translator)
    document = "<p>A <b>brown <i>dog</i></b> runs.</p><p><i>Alone</i></p>"
    expected = "<p>RUNS. <b><i>DOG</i> BROWN</b> A</p><p><i>ALONE</i></p>"
    answer = client.translate(document, format="html").json()
    assert answer == {"translatedText": expected}
    asked = {tuple(lines): options["alignments"] for lines, options in translator.calls}
    assert asked == {("A brown dog runs.",): True, ("Alone",): False}
    answer = client.translate(["<b>x</b> y", document, "x y"], format="html").json()
    assert answer == {"translatedText": ["Y <b>X</b>", expected, "Y X"]}


def test_a_trained_model_translates_html(client_of):
    translator = trained_translator()
    served = SimpleNamespace(
        run=translator.run, num_workers=1, translate=translator.translate, gate=threading.Event()
    )
    document = "<p>cat <b>dog <i>house</i></b> <br>tree <u>bird</u>.</p><p>milk &nbsp;</p>"
    answer = client_of(served).translate(document, format="html").json()["translatedText"]
    tags = re.findall("<.*?>", answer)
    assert sorted(tags) == sorted(re.findall("<.*?>", document))
    order = r"<p>.*<b>.*<i>.*</i>.*</b>.*<br>.*<u>.*</u>.*</p><p>.* &nbsp;</p>"
    assert re.fullmatch(order, answer)
    assert "chat" in answer and "lait" in answer


def test_attributes_are_translated_on_request(client):
    document = "<img alt='a dog' title=x>b"
    for asked in ({}, {"translate_attributes": False}, {"translate_attributes": None}):
        answer = client.translate(document, format="html", **asked).json()
        assert answer == {"translatedText": "<img alt='a dog' title=x>B"}
    answer = client.translate(document, format="html", translate_attributes=True).json()
    assert answer == {"translatedText": "<img alt='A DOG' title=\"X\">B"}
    form = {"q": document, **PAIR, "format": "html", "translate_attributes": "true"}
    assert client.post("/translate", data=form).json() == answer


def test_a_model_that_copies_placeholders_places_what_is_not_translated(client_of):
    document = "<p>Run <code>ls</code> now</p>"
    for classes in ([], ["placeholders"]):
        translator = Reverser()
        translator.run.config.copying.classes[:] = classes
        answer = client_of(translator).translate(document, format="html").json()
        ((lines, _),) = translator.calls
        if classes:
            assert lines == ["Run {1} now"]
            assert answer == {"translatedText": "<p>NOW <code>ls</code> RUN</p>"}
        else:
            assert lines == ["Run now"]
            assert answer == {"translatedText": "<p>NOW RUN <code>ls</code></p>"}


def test_a_block_too_long_to_align_is_translated_without_alignment(client_of):
    translator = Shouter()
    client = client_of(translator)
    document = f"<p><b>a</b> {'b ' * 2500}</p><p>c <b>d</b></p>"
    answer = client.translate(document, format="html").json()
    assert answer == {"translatedText": f"<p><b>A</b> {'B ' * 2500}</p><p>C <b>D</b></p>"}
    assert {len(lines[0]): options["alignments"] for lines, options in translator.calls} == {
        5001: False,
        3: True,
    }


def test_alternatives_are_added(client):
    answer = client.translate("Hello", alternatives=3).json()
    assert answer == {"translatedText": "HELLO", "alternatives": ["HELLO 2", "HELLO 3", "HELLO 4"]}
    answer = client.translate(["a\nb", ""], alternatives=1).json()
    assert answer == {"translatedText": ["A\nB", ""], "alternatives": [["A 2\nB 2"], []]}


def test_html_has_no_alternatives(client):
    answer = client.translate("<p>a", alternatives=3, format="html").json()
    assert answer == {"translatedText": "<p>A", "alternatives": []}


@pytest.mark.parametrize("way", ["data", "files"])
def test_forms_are_as_good_as_json(client, way):
    fields = {"q": "a\r\nb", **PAIR, "alternatives": "1", "api_key": "", "format": "text"}
    fields = fields if way == "data" else {name: (None, value) for name, value in fields.items()}
    assert client.post("/translate", **{way: fields}).json() == {
        "translatedText": "A\r\nB",
        "alternatives": ["A 2\r\nB 2"],
    }


def test_a_form_may_stand_in_the_query(client):
    """As clients send it that post parameters without a body."""
    fields = {"q": "a", **PAIR, "format": "text", "api_key": "x"}
    assert client.post("/translate", params=fields).json() == {"translatedText": "A"}
    answer = client.post("/translate", params={"q": "a", "source": "en"}, data={"target": "fr"})
    assert answer.json() == {"translatedText": "A"}
    answer = client.post("/translate", params={"q": ["a", "b"]}, data={"q": "c", **PAIR})
    assert answer.json() == {"translatedText": ["A", "B"]}
    assert_refused(client.post("/translate?q=%ff"), 400, "Invalid request: expected UTF-8")
    answer = client.post("/translate", {"q": "a", "source": "en"}, params={"target": "fr"})
    assert_refused(answer, 400, "Invalid request: missing target parameter")  # JSON is complete


def test_a_number_may_be_a_string_and_a_format_empty(client):
    answer = client.translate("a", alternatives="1", format="").json()
    assert answer == {"translatedText": "A", "alternatives": ["A 2"]}
    assert client.translate("a", format=None).json() == {"translatedText": "A"}


def test_json_may_begin_with_a_byte_order_mark(client):
    body = b"\xef\xbb\xbf" + json.dumps({"q": "a", **PAIR}).encode()
    answer = client.post("/translate", content=body, headers=JSON)
    assert answer.json() == {"translatedText": "A"}


def test_a_compressed_body_is_a_415(client):
    body = json.dumps({"q": "a", **PAIR}).encode()
    for encoding, status in (("gzip", 415), ("br", 415), ("identity", 200)):
        headers = {**JSON, "Content-Encoding": encoding}
        answer = client.post("/translate", content=body, headers=headers)
        assert answer.status_code == status
    assert_refused(
        client.post("/translate", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
        415,
        "Invalid request: expected a body without Content-Encoding",
    )


@pytest.mark.parametrize("path", ["/languages", "/frontend/settings", "/health", "/metrics", "/"])
def test_head_answers_where_get_does(client, path):
    answer = client.together(client.http.head(path))[0]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == client.get(path).headers["content-type"]


def test_a_form_may_have_several_texts(client):
    answer = client.post("/translate", data={"q": ["a", "b"], **PAIR})
    assert answer.json() == {"translatedText": ["A", "B"]}


def test_languages_say_what_they_can_be_translated_to(client_of):
    languages = client_of(Shouter("en", "fr"), Shouter("en", "tlh")).get("/languages").json()
    assert languages == [
        {"code": "en", "name": "English", "targets": ["fr", "tlh"]},
        {"code": "fr", "name": "French", "targets": []},
        {"code": "tlh", "name": "tlh", "targets": []},
    ]


def test_detect_lists_the_languages_of_the_server_best_first(client):
    found = client.post(
        "/detect", data={"q": "Bonjour, je suis un petit chien et je cours dans l'herbe."}
    ).json()
    assert [one["language"] for one in found] == ["fr", "en"]
    assert found[0]["confidence"] > 90 > 10 > found[1]["confidence"]


def test_the_confidence_is_a_whole_number(client):
    """Clients read it into an int, as it is in LibreTranslate, or into a float."""
    text = "Bonjour, je suis"
    for one in client.post("/detect", data={"q": text}).json():
        assert isinstance(one["confidence"], float) and one["confidence"].is_integer()
    fields = {"q": text, "source": "auto", "target": "fr"}
    confidence = client.post("/translate", data=fields).json()["detectedLanguage"]["confidence"]
    assert isinstance(confidence, float) and confidence.is_integer()


def test_the_language_of_several_texts_is_detected_together(client):
    texts = ["Bonjour, je suis un petit chien.", "Je cours dans l'herbe."]
    together = client.post("/detect", data={"q": "\n".join(texts)}).json()
    assert client.post("/detect", json={"q": texts}).json() == together
    assert together[0]["language"] == "fr"


def test_a_client_knows_the_api_by_its_description(client):
    """Dialect takes a server only if this is the title."""
    described = client.get("/spec").json()
    assert described["info"]["title"] == "LibreTranslate" and "/translate" in described["paths"]


def test_settings_tell_a_page_what_it_needs(client_of):
    settings = (
        client_of(api_keys=frozenset({"k"}), max_characters=7).get("/frontend/settings").json()
    )
    assert settings["charLimit"] == 7 and settings["keyRequired"] and settings["apiKeys"]
    assert settings["language"]["source"] == {"code": "en", "name": "English"}
    assert settings["filesTranslation"] and not settings["suggestions"]
    assert settings["glossaryLimit"] == 1000 and settings["glossaryCharLimit"] == 40_000
    assert settings["supportedFilesFormat"] == available()
    assert {".docx", ".srt", ".po", ".jsonl"} < set(settings["supportedFilesFormat"])
    settings = client_of(max_file_bytes=0).get("/frontend/settings").json()
    assert not settings["filesTranslation"] and settings["supportedFilesFormat"] == []


def test_health_is_ok(client):
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"q": "a", "source": "en"}, "Invalid request: missing target parameter"),
        ({"q": "a", "target": "fr"}, "Invalid request: missing source parameter"),
        (PAIR, "Invalid request: missing q parameter"),
        ({"q": "", **PAIR}, "Invalid request: missing q parameter"),
        ({"q": "a", "source": "", "target": "fr"}, "Invalid request: missing source parameter"),
        ({"q": "a", "source": "en", "target": ""}, "Invalid request: missing target parameter"),
        ({"q": [], **PAIR}, "Invalid request: missing q parameter"),
        ({"q": "a", "source": "zz", "target": "fr"}, "zz is not supported"),
        ({"q": "a", "source": "en", "target": "zz"}, "zz is not supported"),
        ({"q": "a", "source": "auto", "target": "zz"}, "zz is not supported"),
        (
            {"q": "a", "source": "fr", "target": "en"},
            "English (en) is not available as a target language from French (fr)",
        ),
        ({"q": "a", **PAIR, "format": "xml"}, "xml format is not supported"),
        (
            {"q": "a", **PAIR, "alternatives": "abc"},
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            {"q": "a", **PAIR, "alternatives": "-1"},
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            {"q": "a", **PAIR, "alternatives": True},
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            {"q": "a", **PAIR, "alternatives": 10},
            "Invalid request: alternatives parameter must be <= 9",
        ),
        ({"q": {"a": "b"}, **PAIR}, "Invalid request: q parameter: input should be a valid string"),
        ({"q": ["a", 1], **PAIR}, "Invalid request: q parameter: input should be a valid string"),
        (
            {"q": "a", "source": 1, "target": None},
            "Invalid request: source parameter: input should be a valid string",
        ),
        (["not", "a", "dict"], "Invalid JSON format"),
    ],
)
def test_what_is_no_request_is_a_400_that_says_why(client, fields, error):
    assert_refused(client.post("/translate", fields), 400, error)


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b'{"q": "a"', "application/json", "Invalid JSON format"),
        (b"", "application/json", "Invalid JSON format"),
        (b"[" * 100_000, "application/json", "Invalid JSON format"),
        (b'{"q": %b}' % (b"9" * 10_000), "application/json", "Invalid JSON format"),
        (b'{"q": "\xff"}', "application/json; charset=utf-8", "Invalid request: expected UTF-8"),
        (
            b"q=%ff&source=en&target=fr",
            "application/x-www-form-urlencoded",
            "Invalid request: expected UTF-8",
        ),
        (
            b"q=\xff&source=en&target=fr",
            "application/x-www-form-urlencoded",
            "Invalid request: expected UTF-8",
        ),
        (
            b"a=&" * 2000,
            "application/x-www-form-urlencoded",
            "Invalid request: expected at most 1000 fields",
        ),
        (b"--x\r\n\xff", "multipart/form-data; boundary=x", "Invalid request: expected UTF-8"),
        (b"hello", "multipart/form-data", "Missing boundary in multipart."),
        (b"hello", "text/plain", "Invalid request: expected application/json, or a form"),
    ],
)
def test_a_body_that_makes_no_sense_is_a_400(client, body, kind, error):
    assert_refused(
        client.post("/translate", content=body, headers={"Content-Type": kind}), 400, error
    )


@pytest.mark.parametrize("path", ["/translate", "/translate_file"])
@pytest.mark.parametrize("charset", ["punycode", "undefined", "utf-16", "cp500", "", "no-codec"])
def test_a_form_in_another_charset_than_utf_8_is_a_415(client, path, charset):
    """Decoding 100 kB of punycode takes a minute, and that of `undefined` fails."""
    kind = f"multipart/form-data; boundary=x; Charset={charset}"
    body = b'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\na\r\n--x--\r\n'
    answer = client.post(path, content=body, headers={"Content-Type": kind})
    assert_refused(answer, 415, "Invalid request: expected UTF-8")


def test_a_form_may_name_its_charset(client):
    kind = 'multipart/form-data; boundary=x; charset="UTF-8"'
    fields = {"q": "é", **PAIR}
    body = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    answer = client.post("/translate", content=f"{body}--x--\r\n", headers={"Content-Type": kind})
    assert answer.json() == {"translatedText": "É"}


@pytest.mark.parametrize("given", ["my secret " * 100, ["my secret"], {"a": "my secret"}, 3, True])
def test_an_unknown_format_is_not_quoted_unless_it_is_a_short_name(client, given):
    assert_refused(client.translate("a", format=given), 400, "This format is not supported")


def test_a_form_may_not_have_files(client):
    assert client.post("/translate", files={"q": b"a"}, data=PAIR).status_code == 400


def test_half_a_surrogate_pair_breaks_nothing(client):
    answer = client.post(
        "/translate", content=json.dumps({"q": "a", **PAIR, "format": "\ud83d"}), headers=JSON
    )
    assert_refused(answer, 400, "? format is not supported")
    assert (
        client.post(
            "/translate", content=json.dumps({"q": "a\ud83d", **PAIR}), headers=JSON
        ).status_code
        == 400
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_ends_of_lines_stay(client, end):
    text = end.join(["a b", "", "c", ""])
    assert client.translate(text).json() == {"translatedText": text.upper()}
    answer = client.post("/v1/translate", {"q": text, "source": "en", "target": "fr"}).json()
    assert [line["source_text"] for line in answer["lines"]] == ["a b", "", "c", ""]


def test_a_number_with_a_point_is_a_number(client):
    answer = client.post(
        "/translate", content=json.dumps({"q": "a", **PAIR, "alternatives": 1.0}), headers=JSON
    )
    assert answer.json()["alternatives"] == ["A 2"]


def test_no_such_path_and_no_such_method_are_json_too(client):
    assert_refused(client.get("/nothing"), 404, "Not Found")
    answer = client.get("/translate")
    assert_refused(answer, 405, "Method Not Allowed")
    assert answer.headers["allow"] == "POST"


# ------------------------------------------------------------------------------------ /v1/translate


def test_a_line_is_explained_word_by_word(client):
    asked = {
        "q": "A dog\n\nruns",
        **PAIR,
        "n_best": 2,
        "beam_size": 5,
        "attention": True,
        "choices": True,
    }
    answer = client.post("/v1/translate", asked).json()
    assert (answer["source"], answer["target"]) == ("en", "fr") and "detectedLanguage" not in answer
    first, blank, last = answer["lines"]
    assert blank == {"source_text": "", "source_tokens": [], "hypotheses": []}
    assert [line["source_text"] for line in (first, last)] == ["A dog", "runs"]
    assert first["source_tokens"] == [
        {"text": "A", "start": 0, "end": 1},
        {"text": "dog", "start": 2, "end": 5},
    ]
    best, second = first["hypotheses"]
    other = {"piece": "▁other", "text": "other", "log_probability": -1.5}
    assert best == {
        "text": "A DOG",
        "score": -0.5,
        "log_probability": -1.5,
        "truncated": False,
        "tokens": [
            {"text": "A", "start": 0, "end": 1, "log_probability": -0.5},
            {"text": "DOG", "start": 2, "end": 5, "log_probability": -0.5},
        ],
        "alignment": [[0, 0], [1, 1]],
        "attention": [[1.0, 0.0], [0.0, 1.0]],
        "pieces": ["▁A", "▁DOG", "</s>"],
        "piece_words": [0, 1, -1],
        "choices": [
            [{"piece": "▁A", "text": "A", "log_probability": -0.5}, other],
            [{"piece": "▁DOG", "text": "DOG", "log_probability": -0.5}, other],
            [{"piece": "</s>", "text": "</s>", "log_probability": -0.5}, other],
        ],
    }
    assert second["text"] == "A DOG 2" and second["score"] == -1.5 and "choices" not in second


def test_attention_is_computed_only_if_it_is_asked_for(client_of):
    translator = Shouter()
    client = client_of(translator)
    always = {"text", "score", "log_probability", "truncated", "tokens"}
    for asked, more in (
        ({}, set()),
        ({"alignment": True}, {"alignment"}),
        ({"attention": True}, {"alignment", "attention"}),
        ({"choices": True}, {"pieces", "piece_words", "choices"}),
    ):
        answer = client.post("/v1/translate", {"q": "a b", **PAIR, **asked}).json()
        ((hypothesis,),) = [line["hypotheses"] for line in answer["lines"]]
        assert set(hypothesis) == always | more
        assert [token["text"] for token in hypothesis["tokens"]] == ["A", "B"]
        assert translator.calls[-1][1]["alignments"] == bool(asked)


def test_the_beam_is_the_runs_unless_asked_for_and_wide_enough_for_all_that_is_wanted(client_of):
    translator = Shouter()
    client = client_of(translator)
    for asked in ({}, {"n_best": 9}, {"beam_size": 2}, {"beam_size": 1, "n_best": 3}):
        client.post("/v1/translate", {"q": "a", **PAIR, **asked})
    usual = translator.run.config.decoding.beam_size
    assert [options["beam_size"] for _, options in translator.calls] == [usual, 9, 2, 3]


def test_a_run_that_samples_or_searches_in_groups_is_served(client_of):
    for decoding, beam_sizes in (
        ({"sampling": True}, [None] * 3),
        ({"beam_size": 4, "num_beam_groups": 2}, [4, 6, 6]),
    ):
        translator = Shouter()
        usual = translator.run.config.decoding
        translator.run.config = translator.run.config.model_copy(
            update={"decoding": usual.model_copy(update=decoding)}
        )
        client = client_of(translator)
        for asked in ({}, {"n_best": 5}, {"beam_size": 5}):
            assert client.post("/v1/translate", {"q": "a", **PAIR, **asked}).status_code == 200
        assert [options["beam_size"] for _, options in translator.calls] == beam_sizes


def test_what_would_fill_the_memory_is_not_explained(client):
    asked = {"q": "1 2 3 4 5 6 7 8 9 0 " * 90, **PAIR, "n_best": 4, "alignment": True}
    assert client.post("/v1/translate", asked).status_code == 200
    answer = client.post("/v1/translate", {**asked, "n_best": 5})
    assert answer.status_code == 413 and "Too much to explain at once" in answer.json()["error"]


@pytest.mark.parametrize("looks", ["alignment", "attention", "choices"])
def test_a_long_line_without_spaces_is_translated_but_not_explained(client, looks):
    """It is one word, and its attention is a matrix of pieces."""
    asked = {"q": "字" * 5000, **PAIR}
    assert client.post("/v1/translate", asked).status_code == 200
    answer = client.post("/v1/translate", {**asked, looks: True})
    assert answer.status_code == 413 and "Too much to explain at once" in answer.json()["error"]
    assert client.post("/v1/translate", {**asked, "q": "字" * 500, looks: True}).status_code == 200


def test_one_request_of_20000_characters_without_spaces_takes_little_memory(client_of):
    """Dense attention between its pieces would be 3 GB for each hypothesis."""
    translator = trained_translator()
    translator_of_server = SimpleNamespace(
        run=translator.run, num_workers=1, translate=translator.translate, gate=threading.Event()
    )
    client = client_of(translator_of_server)
    assert client.post("/v1/translate", {"q": "cat", **PAIR, "attention": True}).status_code == 200
    asked = {"q": "x" * 20_000, **PAIR, "beam_size": 1}
    size = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, before[1]))
    try:
        assert client.post("/v1/translate", asked).status_code == 200
        assert client.post("/v1/translate", {**asked, "attention": True}).status_code == 413
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    "asked", [{"n_best": 0}, {"n_best": 11}, {"beam_size": 17}, {"q": ["a"]}, {"attention": 1}]
)
def test_v1_checks_its_fields(client, asked):
    answer = client.post("/v1/translate", {"q": "a", **PAIR, **asked})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"Invalid request: {next(iter(asked))} parameter")


# ------------------------------------------------------------------------------------------- limits


def test_a_key_is_needed_where_there_are_keys(client_of):
    client = client_of(api_keys=frozenset({"sesame", "clé"}))
    asked = {"q": "a", **PAIR}
    for path in ("/translate", "/v1/translate", "/detect"):
        assert_refused(
            client.post(path, asked), 403, "Please contact the server operator to get an API key"
        )
        assert_refused(client.post(path, {**asked, "api_key": "sesam"}), 403, "Invalid API key")
        assert client.post(path, {**asked, "api_key": "clé"}).status_code == 200
    assert client.get("/languages").status_code == 200


def test_too_many_characters_are_a_413_and_too_many_texts_a_400(client_of):
    client = client_of(max_characters=5, max_texts=2)
    assert client.translate(["ab", "cde"]).status_code == 200
    assert_refused(
        client.translate("abcdef"), 413, "Invalid request: request (6) exceeds text limit (5)"
    )
    assert_refused(
        client.translate(["a", "b", "c"]),
        400,
        "Invalid request: request (3) exceeds text limit (2)",
    )


def test_an_address_that_asks_too_often_is_slowed_down(client_of):
    client = client_of(requests_a_minute=2)
    assert [client.translate("a").status_code for _ in range(3)] == [200, 200, 429]
    answer = client.translate("a")
    assert answer.json()["error"].startswith("Slowdown")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert client.get("/languages").status_code == 200


def test_an_ipv6_network_of_one_customer_is_one_address(client_of):
    limit = RateLimit(requests_a_minute=1)
    limit.admit("2001:db8:1:2::1")
    with pytest.raises(Refusal, match="Slowdown"):
        limit.admit("2001:db8:1:2:ffff:ffff:ffff:ffff")
    limit.admit("2001:db8:1:3::1")
    limit.admit("192.0.2.1")
    limit.admit("192.0.2.2")
    for same in ("::ffff:192.0.2.1", "192.0.2.2"):
        with pytest.raises(Refusal, match="Slowdown"):
            limit.admit(same)
    limit.admit("fe80::1%eth0")
    limit.admit("")


def test_a_full_queue_is_a_503_that_says_when_to_come_again(client_of):
    translator = Shouter()
    translator.gate.clear()
    client = client_of(translator, max_waiting=1)

    async def ask():
        answer = await client.http.post("/translate", json={"q": "a", **PAIR})
        if answer.status_code == 503:
            translator.gate.set()
        return answer

    answers = client.together(*(ask() for _ in range(200)))  # two workers hold 128 at most
    assert {answer.status_code for answer in answers} == {200, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert int(refused.headers["retry-after"]) >= 1 and "busy" in refused.json()["error"]


def test_a_long_request_leaves_room_in_the_queue_for_others(client_of):
    translator = Shouter()
    translator.gate.clear()
    client = client_of(translator)

    async def ask_later():
        while not translator.calls:
            await asyncio.sleep(0.01)
        sent = [
            asyncio.ensure_future(client.http.post("/translate", json={"q": text, **PAIR}))
            for text in ("b", "c")
        ]
        await asyncio.sleep(0.1)
        translator.gate.set()
        return await asyncio.gather(*sent)

    text = "no\n" * 6666
    long, others = client.together(
        client.http.post("/translate", json={"q": text, **PAIR, "alternatives": 9}), ask_later()
    )
    assert long.json()["translatedText"] == text.upper()
    assert [answer.json() for answer in others] == [
        {"translatedText": "B"},
        {"translatedText": "C"},
    ]
    place = next(i for i, (lines, _) in enumerate(translator.calls) if "b" in lines)
    assert place < 6 < len(translator.calls)


def test_the_rest_of_a_long_request_waits_for_a_full_queue(client_of, monkeypatch):
    monkeypatch.setattr("nmt.serving.service.LINES_AT_ONCE", 2)
    submit, outcomes = Batcher.submit, iter([True, False, False, True, True])

    def submit_if_not_full(batcher, kind, lines):
        if not next(outcomes):
            raise QueueFull(7)
        return submit(batcher, kind, lines)

    monkeypatch.setattr(Batcher, "submit", submit_if_not_full)
    client = client_of()
    assert client.translate("a\nb\nc\nd\ne").json() == {"translatedText": "A\nB\nC\nD\nE"}
    assert list(outcomes) == []


def test_a_request_that_outlasts_the_end_of_the_server_is_a_503(client_of):
    """uvicorn cancels what it has waited for long enough."""
    translator = Shouter()
    translator.gate.clear()
    client = client_of(translator)

    async def cancelled():
        sent = asyncio.ensure_future(client.http.post("/translate", json={"q": "a", **PAIR}))
        while not translator.calls:
            await asyncio.sleep(0.01)
        sent.cancel()
        return await sent

    (answer,) = client.together(cancelled())
    assert_refused(answer, 503, "The server is stopping")
    assert int(answer.headers["retry-after"]) >= 1


def test_requests_side_by_side_share_batches_and_are_not_mixed_up(client_of):
    translator = Shouter()
    translator.gate.clear()
    client = client_of(translator)

    async def release():
        await asyncio.sleep(0.2)
        translator.gate.set()

    texts = [f"sentence {i}" for i in range(100)]
    asked = (client.http.post("/translate", json={"q": text, **PAIR}) for text in texts)
    *answers, _ = client.together(*asked, release())
    assert [answer.json()["translatedText"] for answer in answers] == [
        text.upper() for text in texts
    ]
    assert len(translator.calls) < 20


# ----------------------------------------------------------------------------------- around the API


def test_two_runs_of_one_pair_are_refused(client_of):
    with pytest.raises(ValueError, match="two runs translate en to fr"):
        client_of(Shouter(), Shouter())


def test_the_page_is_served_and_may_load_nothing_from_elsewhere(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "<html" in page.text
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )
    assert (
        policy["default-src"] == "'none'"
        and policy["script-src"] == "'self'" == policy["style-src"]
    )
    assert "unsafe" not in page.headers["content-security-policy"]
    assert (
        page.headers["x-content-type-options"] == "nosniff"
        and page.headers["referrer-policy"] == "no-referrer"
    )


def test_other_pages_may_use_the_api_only_if_allowed_to(client_of):
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    for client, allowed in (
        (client_of(), None),
        (client_of(cors_origins=["https://a.example"]), "https://a.example"),
    ):
        assert (
            client.translate("a").headers.get("access-control-allow-origin") is None
        )  # it came from no page
        answer = client.together(client.http.options("/translate", headers=asked))[0]
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert (answer.status_code == 200) == bool(allowed)
        assert allowed or set(answer.json()) == {"error"}
        answer = client.get("/languages", headers={"Origin": "https://a.example"})
        assert answer.headers.get("access-control-allow-origin") == allowed


def test_a_page_that_may_use_the_api_may_read_its_errors(client_of):
    translator = Shouter()
    translator.translate = lambda lines, **options: [][len(lines[0])]
    client = client_of(translator, cors_origins=["https://a.example"])
    origin = {"Origin": "https://a.example"}
    for body, status in (({"q": "a", **PAIR}, 500), ({"q": "a" * 10**6, **PAIR}, 413)):
        answer = client.together(client.http.post("/translate", json=body, headers=origin))[0]
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://a.example"


def test_a_preflight_request_may_ask_for_authorization(client_of):
    client = client_of(cors_origins=["https://a.example"])

    def preflight(origin, header):
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": header,
        }
        return client.together(client.http.options("/translate", headers=asked))[0]

    answer = preflight("https://a.example", "authorization, content-type")
    assert answer.status_code == 200
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert_refused(preflight("https://b.example", "content-type"), 400, "Disallowed CORS origin")
    assert_refused(preflight("https://a.example", "x-other"), 400, "Disallowed CORS headers")


def test_metrics_count_requests_and_batches(client):
    client.translate(["a", "b"])
    client.get("/nothing/secret")
    metrics = client.get("/metrics").text
    assert 'nmt_requests_total{path="/translate",status="200"} 1.0' in metrics
    assert 'nmt_requests_total{path="other",status="404"} 1.0' in metrics
    assert "nmt_batch_lines_sum 2.0" in metrics and "nmt_waiting_lines 0.0" in metrics
    assert "nmt_characters_total 2.0" in metrics and "secret" not in metrics


def test_the_log_has_a_line_a_request_and_nothing_that_a_user_wrote(client, caplog):
    caplog.set_level("INFO")
    client.translate("my secret")
    client.post("/translate/secret?secret=secret", {"q": "secret"})
    records = [
        json.loads(record.message)
        for record in caplog.records
        if record.name == "nmt.serving.middleware"
    ]
    assert [(record["path"], record["status"]) for record in records] == [
        ("/translate", 200),
        ("other", 404),
    ]
    assert (
        records[0]["method"] == "POST" and records[0]["characters"] == 9 and records[0]["ms"] >= 0
    )
    assert not [
        record for record in caplog.records if "secret" in record.message and record.name != "httpx"
    ]


class Panic(BaseException):
    """As PyO3 raises it for a panic in Rust."""


class Fragile(Shouter):
    """Fails on every batch with the text "bad"."""

    error: BaseException = Panic("a panic")

    def translate(self, lines, **options):
        if "bad" in lines:
            raise self.error
        return super().translate(lines, **options)


@pytest.mark.parametrize("error", [Panic("x"), RuntimeError("x"), StopIteration(), SystemExit(1)])
def test_one_text_that_fails_harms_no_other_request(client_of, error):
    translator = Fragile()
    translator.error = error
    translator.gate.clear()
    client = client_of(translator)

    async def release():
        await asyncio.sleep(0.2)
        translator.gate.set()

    texts = ["bad" if i % 20 == 3 else f"sentence {i}" for i in range(60)]
    asked = (client.http.post("/translate", json={"q": text, **PAIR}) for text in texts)
    *answers, _ = client.together(*asked, release())
    for text, answer in zip(texts, answers, strict=True):
        if text == "bad":
            assert_refused(answer, 500, "Internal server error")
        else:
            assert answer.json() == {"translatedText": text.upper()}
    assert client.translate("still here").json() == {"translatedText": "STILL HERE"}


def test_a_translator_may_return_errors_of_lines(client_of):
    """Those without a cause are what the client can mend."""

    class Returning(Shouter):
        def translate(self, lines, *, errors, **options):
            assert errors == "return"
            results = super().translate(lines, **options)
            for index, line in enumerate(lines):
                if line.startswith("bad"):
                    results[index] = LineError(index, "cannot be met")
                if line.startswith("bad fault"):
                    results[index].__cause__ = KeyError("secret")
            return results

    translator = Returning()
    translator.gate.clear()
    client = client_of(translator)

    async def release():
        await asyncio.sleep(0.2)
        translator.gate.set()

    texts = ["a", "b", "bad", "c", "bad fault"]
    asked = (client.http.post("/translate", json={"q": text, **PAIR}) for text in texts)
    *good, fault, _ = client.together(*asked, release())
    assert [answer.status_code for answer in good] == [200, 200, 400, 200]
    assert_refused(good[2], 400, "cannot be met")
    assert_refused(fault, 500, "Internal server error")
    assert len(translator.calls) < 5


@pytest.mark.parametrize(
    ("q", "fields", "place"),
    [
        ("bad", {}, ""),
        ("a\nbad\nbad", {}, "line 2: "),
        ("a\n" * 300 + "bad", {}, "line 301: "),
        (["a", "bad"], {}, "text 2: "),
        (["a\nb", "a\nb\nbad"], {}, "text 2, line 3: "),
        ("<p>a</p><p>bad</p>", {"format": "html"}, "segment 2: "),
    ],
)
def test_an_error_of_a_line_says_which_one(client_of, q, fields, place):
    class Returning(Shouter):
        def translate(self, lines, **options):
            results = super().translate(lines, **options)
            return [
                LineError(index, "cannot be met") if line == "bad" else result
                for index, (line, result) in enumerate(zip(lines, results, strict=True))
            ]

    client = client_of(Returning())
    assert_refused(client.translate(q, **fields), 400, f"{place}cannot be met")
    if not isinstance(q, list) and not fields:
        asked = {"q": q, **PAIR}
        assert_refused(client.post("/v1/translate", asked), 400, f"{place}cannot be met")


def test_a_panic_outside_of_translation_is_json_too(client, monkeypatch):
    def panic(*arguments):
        raise Panic

    monkeypatch.setattr("nmt.serving.app.detect", panic)
    assert_refused(client.post("/detect", {"q": "a"}), 500, "Internal server error")


def test_a_fault_is_a_500_that_gives_nothing_away(client_of, caplog):
    translator = Shouter()
    translator.translate = lambda lines, **options: [][len(lines[0])]
    client = client_of(translator)
    assert_refused(client.translate("secret"), 500, "Internal server error")
    report = next(
        json.loads(record.message) for record in caplog.records if record.levelname == "ERROR"
    )
    assert report["error"] == "builtins.IndexError" and "test_app.py" in report["place"]
    assert "secret" not in caplog.text
