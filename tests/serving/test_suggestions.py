"""Corrections that users suggest: LibreTranslate's `/suggest`, and the table that it fills."""

import os
import threading

import pytest
from fixtures.shouter import Shouter

from nmt.errors import UserError
from nmt.serving import suggestions
from nmt.serving.suggestions import Suggestions
from nmt.text.lines import read_parallel, resolve_parallel

pytest_plugins = ["fixtures.server"]

PAIR = {"source": "en", "target": "fr"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "corrections.tsv"


def pairs_in(path):
    return list(read_parallel(resolve_parallel(path, "en", "fr")))


def test_a_suggestion_is_stored_where_training_reads_it(client_of, path):
    client = client_of(suggestions=path)
    assert client.get("/frontend/settings").json()["suggestions"] is True
    answer = client.post("/suggest", {"q": "a dog", "s": "un chien", **PAIR})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    form = {"q": "a cat", "s": "un chat", "source": "en-GB", "target": "FR"}
    assert client.post("/suggest", data=form).json() == {"success": True}
    assert pairs_in(path) == [("a dog", "un chien"), ("a cat", "un chat")]


ALLOWED = "https://editor.example"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://test"}, 200),
        ({"Origin": "http://test:5000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.test"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ALLOWED}, 200),
        ({"Origin": ALLOWED}, 200),
    ],
)
def test_pages_of_other_sites_change_nothing_unless_they_are_allowed_to(
    client_of, path, headers, status
):
    client = client_of(suggestions=path, cors_origins=(ALLOWED,))
    form = {"q": "a dog", "s": "un chien", **PAIR}
    answer = client.post("/suggest", data=form, headers=headers)
    assert answer.status_code == status
    assert path.read_text("utf-8") == ("a dog\tun chien\n" if status == 200 else "")
    upload = client.post(
        "/translate_file", data=PAIR, files={"file": ("a.txt", b"a")}, headers=headers
    )
    assert upload.status_code == status
    if status == 403:
        assert "other sites are disabled" in answer.json()["error"]
    # This changes nothing, and other sites cannot read the answer.
    assert client.post("/translate", {"q": "a", **PAIR}, headers=headers).status_code == 200


def test_a_server_that_is_open_to_all_pages_takes_suggestions_from_them(client_of, path):
    client = client_of(suggestions=path, cors_origins=("*",))
    headers = {"Origin": "https://any.example", "Sec-Fetch-Site": "cross-site"}
    answer = client.post("/suggest", {"q": "a dog", "s": "un chien", **PAIR}, headers=headers)
    assert answer.status_code == 200


def test_a_server_without_the_option_takes_none(client):
    assert client.get("/frontend/settings").json()["suggestions"] is False
    answer = client.post("/suggest", {"q": "a", "s": "b", **PAIR})
    assert answer.status_code == 403
    assert answer.json() == {"error": "Suggestions are disabled on this server."}


def test_text_of_several_lines_is_stored_line_by_line(client_of, path):
    client = client_of(suggestions=path)
    client.post("/suggest", {"q": "one\r\n\r\ntwo\r\n", "s": "un\n\ndeux", **PAIR})
    assert pairs_in(path) == [("one", "un"), ("two", "deux")]


def test_no_character_breaks_the_table(client_of, path):
    client = client_of(suggestions=path)
    odd = "a\tb\x00\x0bc\u2028d\x85e\rf"
    client.post("/suggest", {"q": odd, "s": odd, **PAIR})
    assert path.read_bytes() == b"a b c d e f\ta b c d e f\n"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"s": "x"}, "Invalid request: missing q parameter"),
        ({"q": "a", "s": ""}, "Invalid request: missing s parameter"),
        ({"q": "\n \n", "s": "\n\n"}, "Invalid request: missing q parameter"),
        (
            {"q": "a\nb", "s": "x"},
            "Invalid request: q and s must have equally many lines (2 and 1)",
        ),
        (
            {"q": "a\n\nb", "s": "x\ny\nz"},
            "Invalid request: a line of q and s is blank on one side only",
        ),
        ({"q": "a", "s": "x", "source": "auto"}, "auto is not supported"),
        (
            {"q": "a", "s": "x", "source": "fr"},
            "French (fr) is not available as a target language from French (fr)",
        ),
    ],
)
def test_what_is_no_correction_is_refused_and_not_stored(client_of, path, fields, error):
    client = client_of(suggestions=path)
    answer = client.post("/suggest", {**PAIR, **fields})
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert path.read_bytes() == b""


def test_limits_and_keys_hold_for_suggestions_too(client_of, path):
    client = client_of(suggestions=path, max_characters=7, api_keys=frozenset({"k"}))
    correction = {"q": "abcd", "s": "efg", **PAIR}
    assert client.post("/suggest", correction).status_code == 403
    assert client.post("/suggest", {**correction, "api_key": "k"}).status_code == 200
    answer = client.post("/suggest", {**correction, "s": "efgh", "api_key": "k"})
    assert answer.status_code == 413


def test_each_of_several_pairs_has_a_file(client_of, path):
    client = client_of(Shouter("en", "fr"), Shouter("fr", "en"), suggestions=path)
    client.post("/suggest", {"q": "a", "s": "x", "source": "fr", "target": "en"})
    assert path.with_suffix(".fr-en.tsv").read_text() == "a\tx\n"
    assert path.with_suffix(".en-fr.tsv").read_text() == ""
    assert not path.exists()


def test_a_full_file_is_said_and_keeps_what_it_has(client_of, path, monkeypatch):
    monkeypatch.setattr(suggestions, "MAX_BYTES", 9)
    client = client_of(suggestions=path)
    assert client.post("/suggest", {"q": "ab", "s": "cde", **PAIR}).status_code == 200
    answer = client.post("/suggest", {"q": "a", "s": "x", **PAIR})
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "The file of suggestions is full"},
    )
    assert path.read_text() == "ab\tcde\n"


def test_a_file_that_somebody_edited_by_hand_is_continued_on_a_new_line(path):
    path.write_text("a dog\tun chien")
    Suggestions(path, [("en", "fr")]).add(("en", "fr"), "a cat", "un chat")
    assert path.read_text() == "a dog\tun chien\na cat\tun chat\n"


def test_a_suggestion_that_the_disk_has_no_room_for_leaves_no_half_line(path, monkeypatch):
    stored = Suggestions(path, [("en", "fr")])
    stored.add(("en", "fr"), "a dog", "un chien")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            stored.add(("en", "fr"), "a cat", "un chat")
    assert path.read_text() == "a dog\tun chien\n"


def test_concurrent_suggestions_do_not_mix(path):
    stores = [Suggestions(path, [("en", "fr")]) for _ in range(2)]  # as of two processes
    threads = [
        threading.Thread(target=stores[n % 2].add, args=(("en", "fr"), f"{n}" * 999, f"{n}" * 999))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pairs_in(path)) == [(f"{n}" * 999,) * 2 for n in range(8)]


def test_a_file_that_cannot_be_written_is_a_mistake_of_the_command(tmp_path):
    with pytest.raises(UserError, match=r"need a file NAME\.tsv"):
        Suggestions(tmp_path / "corrections.txt", [("en", "fr")])
    with pytest.raises(UserError, match="cannot be written: No such file"):
        Suggestions(tmp_path / "none" / "corrections.tsv", [("en", "fr")])
