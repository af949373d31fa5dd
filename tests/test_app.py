"""The HTTP API, over a translator that shouts."""

import pytest

pytest_plugins = ["fixtures_server"]


def test_a_text_is_answered_with_a_text(client):
    answer = client.translate("hello")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"translatedText": "HELLO"}


def test_a_list_is_answered_with_a_list(client):
    assert client.translate(["a", "b c", ""]).json() == {"translatedText": ["A", "B C", ""]}


def test_lines_are_translated_one_by_one_and_their_ends_kept(client):
    assert client.translate("a\n\n b\r\nc\n").json() == {"translatedText": "A\n\n B\r\nC\n"}


@pytest.mark.parametrize("way", ["data", "files"])
def test_forms_are_as_good_as_json(client, way):
    fields = {"q": "a\r\nb", "source": "en", "target": "fr", "alternatives": "1", "api_key": ""}
    fields = fields if way == "data" else {name: (None, value) for name, value in fields.items()}
    answer = client.post("/translate", **{way: fields})
    assert answer.json() == {"translatedText": "A\nB", "alternatives": ["A 2\nB 2"]}
