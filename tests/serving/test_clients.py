"""Clients of LibreTranslate: three from PyPI, unmodified, and the requests of two applications.

The replayed requests have the shapes that these versions send:

- Weblate 4.x (form) and 5.x (JSON, a list of texts), `weblate/machinery/libretranslate.py`.
- Nextcloud's app `integration_libretranslate` 1.1.1, which sends what `jefs42/libretranslate` 1.1
  (PHP, cURL) sends: multipart forms, also with GET, and `/detect` with a query and an empty form.
"""

import http.client
import json
from urllib.error import HTTPError

import pytest
from deep_translator import LibreTranslator
from deep_translator.exceptions import AuthorizationException
from fixtures.served import Served
from libretranslatepy import LibreTranslateAPI
from translate import Translator

pytest_plugins = ["fixtures.server"]

ENGLISH = "Hello World, this is a text in English"


@pytest.fixture(scope="module")
def locked():
    served = Served(api_key="sesame")
    yield served
    served.stop()


# --------------------------------------------------------------------------------- libretranslatepy


def test_libretranslatepy_works_unmodified(served):
    client = LibreTranslateAPI(served.url)
    assert client.translate("LibreTranslate is fine!", "en", "fr") == "LIBRETRANSLATE IS FINE!"
    assert client.languages()[0] == {"code": "en", "name": "English", "targets": ["fr"]}
    detected = client.detect(ENGLISH)
    assert detected[0]["language"] == "en" and detected[0]["confidence"] > 50


def test_libretranslatepy_works_with_a_key_and_not_without(locked):
    assert LibreTranslateAPI(locked.url, "sesame").translate("open", "en", "fr") == "OPEN"
    with pytest.raises(HTTPError, match="403"):
        LibreTranslateAPI(locked.url, "barley").translate("open", "en", "fr")


# ---------------------------------------------------------------------------------- deep-translator


def test_deep_translator_works_unmodified(served):
    client = LibreTranslator("en", "fr", api_key="any", custom_url=f"{served.url}/")
    assert client.translate("Ça va & a=b?\n100 %") == "ÇA VA & A=B?\n100 %"
    assert client.translate_batch(["one", "two"]) == ["ONE", "TWO"]
    names = LibreTranslator("English", "French", api_key="any", custom_url=f"{served.url}/")
    assert names.translate("three") == "THREE"


def test_deep_translator_works_with_a_key_and_not_without(locked):
    def client(key):
        return LibreTranslator("en", "fr", api_key=key, custom_url=f"{locked.url}/")

    assert client("sesame").translate("open") == "OPEN"
    with pytest.raises(AuthorizationException):
        client("barley").translate("open")


# ---------------------------------------------------------------------------------------- translate


def test_translate_works_unmodified(served):
    options = {"to_lang": "fr", "provider": "libre", "base_url": served.url}
    assert Translator(from_lang="en", **options).translate("a dog") == "A DOG"
    client = Translator(from_lang="autodetect", **options)
    assert client.translate(ENGLISH) == ENGLISH.upper()


# ------------------------------------------------------------------------------------- applications


def ask(served, method, path, body=None, content_type=None):
    """-> status, what the JSON of the answer says."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    headers = {"Content-Type": content_type} if content_type else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "application/json"
    return answer.status, json.loads(answer.read())


def test_weblate_4_gets_its_translation(served):
    form = "application/x-www-form-urlencoded"
    assert ask(served, "GET", "/languages")[1][0]["code"] == "en"
    body = "api_key=&q=Hello%2C+world%21&source=en&target=fr"
    assert ask(served, "POST", "/translate", body, form) == (
        200,
        {"translatedText": "HELLO, WORLD!"},
    )


def test_weblate_5_gets_its_translations(served):
    for key in ("", "x"):
        fields = {"api_key": key, "q": ["Hello", "world"], "source": "en", "target": "fr"}
        answer = ask(served, "POST", "/translate", json.dumps(fields), "application/json")
        assert answer == (200, {"translatedText": ["HELLO", "WORLD"]})


BOUNDARY = "------------------------d74496d66958873e"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def multipart(**fields):
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode()


@pytest.mark.parametrize("empty", [multipart(), b""], ids=["no parts", "no body"])
def test_nextcloud_gets_languages_and_detection(served, empty):
    assert ask(served, "POST", "/", empty, MULTIPART)[0] == 405  # a test of the connection
    for path in ("/frontend/settings", "/languages"):
        assert ask(served, "GET", path, empty, MULTIPART)[0] == 200
    path = "/detect?q=Hello+World%2C+this+is+a+text+in+English&api_key="
    status, detected = ask(served, "POST", path, empty, MULTIPART)
    assert status == 200 and detected[0]["language"] == "en"


def test_nextcloud_gets_its_translation(served):
    fields = {"q": "Hello, <b>world</b> &amp; all!", "format": "html"}
    body = multipart(**fields, source="en", target="fr", api_key="")
    status, answer = ask(served, "POST", "/translate", body, MULTIPART)
    assert (status, answer["translatedText"]) == (200, "HELLO, <b>WORLD</b> &amp; ALL!")


def test_nextcloud_gets_the_reason_of_a_refusal(served):
    body = multipart(q="a", format="html", source="en", target="xx", api_key="")
    assert ask(served, "POST", "/translate", body, MULTIPART) == (
        400,
        {"error": "xx is not supported"},
    )
