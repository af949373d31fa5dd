"""Documents of the HTTP API, over a translator that shouts."""

import asyncio
import shutil
import time
from pathlib import Path

import httpx
import pytest
from fixtures.documents import docx_letter, pdf, unzipped, zipped
from fixtures.shouter import Shouter

from nmt.errors import LineError
from nmt.search.glossary import Glossary
from nmt.serving import documents
from nmt.serving.documents import file_name

pytest_plugins = ["fixtures.server"]

PAIR = {"source": "en", "target": "fr"}


def upload(client, name, content, fields=PAIR, path="/translate_file"):
    return client.post(path, data=fields, files={"file": (name, content)})


def downloaded(client, answer):
    assert answer.status_code == 200, answer.text
    return client.get(answer.json()["translatedFileUrl"])


def test_a_document_is_translated_and_can_be_downloaded(client):
    answer = upload(client, "a letter.docx", docx_letter())
    assert answer.json()["segments"] == 7 and answer.json()["untranslated"] == 0
    file = downloaded(client, answer)
    assert b"A BIG TITLE" in unzipped(file.content)["word/document.xml"]
    assert file.headers["content-type"].endswith("wordprocessingml.document")
    assert 'attachment; filename="a letter_fr.docx"' in file.headers["content-disposition"]
    assert file.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"one\n\ntwo", b"ONE\n\nTWO"),
        ("a.HTML", b"<p>one <b>two</b>", b"<p>ONE <b>TWO</b>"),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\none\n", None),
        ("a.json", b'{"a": "one {x}"}', b'{"a": "one {x}"}'),  # {x} would be {X}
    ],
)
def test_documents_of_any_format(client, name, content, expected):
    file = downloaded(client, upload(client, name, content))
    assert file.content == (expected or content.replace(b"one", b"ONE"))


def test_a_pdf_comes_back_as_text(client):
    file = downloaded(client, upload(client, "a.pdf", pdf(["one two"])))
    assert (file.content, file.headers["content-type"]) == (
        b"ONE TWO\n",
        "text/plain; charset=utf-8",
    )
    assert "a_fr.txt" in file.headers["content-disposition"]


def test_a_pdf_in_the_target_language_stays_a_pdf(client_of):
    client = client_of(Shouter("en", "fr"), Shouter("fr", "en"))
    content = pdf(["one two"])
    file = downloaded(client, upload(client, "a.pdf", content, {"source": "fr", "target": "fr"}))
    assert file.content == content
    assert file.headers["content-type"] == "application/octet-stream"
    assert 'filename="a.pdf"' in file.headers["content-disposition"]


def test_paragraphs_are_translated_sentence_by_sentence(client_of):
    shouter = Shouter()
    client = client_of(shouter)
    upload(client, "a.txt", b"one")
    assert shouter.calls[-1][1]["split_sentences"] is True


def test_a_glossary_comes_as_json_in_the_form(client_of):
    shouter = Shouter()
    client = client_of(shouter)
    upload(client, "a.txt", b"a dog\n\na cat", {**PAIR, "glossary": '{"dog": "chien"}'})
    glossaries = [options["glossary"] for _, options in shouter.calls]
    assert glossaries and set(glossaries) == {Glossary([("dog", "chien")])}
    answer = upload(client, "a.txt", b"a dog", {**PAIR, "glossary": '[["dog"]]'})
    assert answer.status_code == 400 and "glossary parameter" in answer.json()["error"]


def test_auto_takes_the_language_of_the_document(client_of):
    client = client_of(Shouter("en", "fr"), Shouter("fr", "en"))
    text = "Le petit chien noir court dans l'herbe avec les enfants."
    answer = upload(client, "a.txt", text.encode(), {"source": "auto", "target": "en"})
    assert downloaded(client, answer).content.decode() == text.upper()
    answer = upload(client, "a.txt", text.encode(), {"source": "auto", "target": "fr"})
    assert downloaded(client, answer).content.decode() == text


def test_auto_reads_bilingual_documents_of_any_language(client_of):
    client = client_of(Shouter("en", "fr"), Shouter("fr", "en"))
    text = "Le petit chien noir court dans l'herbe avec les enfants."
    documents = {
        "a.xliff": '<xliff version="1.2"><file source-language="fr"><body><trans-unit id="1">'
        f"<source>{text}</source></trans-unit></body></file></xliff>",
        "a.tmx": f'<tmx><header srclang="fr"/><body><tu><tuv xml:lang="fr"><seg>{text}</seg></tuv>'
        "</tu></body></tmx>",
    }
    for name, content in documents.items():
        answer = upload(client, name, content.encode(), {"source": "auto", "target": "en"})
        assert text.upper() in downloaded(client, answer).content.decode()


@pytest.mark.parametrize(
    ("name", "fields", "status", "error"),
    [
        ("a.txt", {"target": "fr"}, 400, "Invalid request: missing source parameter"),
        ("a.txt", {"source": "en"}, 400, "Invalid request: missing target parameter"),
        ("a.txt", {"source": "en", "target": "xx"}, 400, "xx is not supported"),
        ("a.xyz", PAIR, 400, "Invalid request: file format not supported"),
        ("a.docm", PAIR, 400, "Invalid request: file format not supported"),
        ("docx", PAIR, 400, "Invalid request: file format not supported"),
    ],
)
def test_errors_have_the_words_of_libretranslate(client, name, fields, status, error):
    answer = upload(client, name, b"one", fields)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_request_without_a_file_is_refused(client):
    expected = {"error": "Invalid request: missing file parameter"}
    assert client.post("/translate_file", PAIR).json() == expected
    assert client.post("/translate_file", data=PAIR).json() == expected
    form = {"file": (None, "text"), "source": (None, "en"), "target": (None, "fr")}
    assert client.post("/translate_file", files=form).json() == expected


@pytest.mark.parametrize("content", [b"PK", docx_letter()[:-500], zipped({"a": "b"}), bytes(99)])
def test_a_damaged_document_is_refused_in_one_line(client, content):
    answer = upload(client, "a.docx", content)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request: expected a Word document")
    assert "\n" not in answer.json()["error"]


def test_a_key_is_needed_where_there_are_keys(client_of):
    client = client_of(api_keys=frozenset({"sesame"}))
    assert upload(client, "a.txt", b"one").status_code == 403
    assert upload(client, "a.txt", b"one", {**PAIR, "api_key": "barley"}).status_code == 403
    answer = upload(client, "a.txt", b"one", {**PAIR, "api_key": "sesame"})
    assert downloaded(client, answer).content == b"ONE"


def test_files_can_be_switched_off(client_of):
    answer = upload(client_of(max_file_bytes=0), "a.txt", b"one")
    assert answer.status_code == 403


def test_long_files_and_long_texts_are_refused(client_of):
    client = client_of(max_file_bytes=10_000, max_document_characters=100)
    assert upload(client, "a.txt", b"a" * 100).status_code == 200
    assert upload(client, "a.txt", b"a" * 101).status_code == 413
    assert upload(client, "a.txt", b" " * 10_001).status_code == 413
    assert upload(client, "a.txt", b" " * 50_000).status_code == 413
    assert client.translate("a" * 20_001).status_code == 413  # other bodies are as limited as ever


class Choosy(Shouter):
    """Fails for lines with "bad"; in a batch, for all of them."""

    def translate(self, lines, **options):
        if len(lines) > 1 and any("bad" in line for line in lines):
            raise RuntimeError("broken")
        return [
            LineError(0, "no")
            if "bad" in line
            else super(Choosy, self).translate([line], **options)[0]
            for line in lines
        ]


def test_a_line_that_cannot_be_translated_stays_and_is_counted(client_of):
    client = client_of(Choosy())
    answer = upload(client, "a.txt", b"one\n\nbad\n\ntwo\n")
    assert answer.json()["untranslated"] == 1
    assert downloaded(client, answer).content == b"ONE\n\nbad\n\nTWO\n"


def test_a_long_document_lets_other_requests_through(client_of):
    shouter = Shouter()
    client = client_of(shouter)
    content = "\n\n".join(f"line {n}" for n in range(300)).encode()
    file = {"file": ("a.txt", content)}
    answers = client.together(
        client.http.post("/translate_file", data=PAIR, files=file),
        client.http.post("/translate", json={"q": "short", **PAIR}),
    )
    assert [answer.status_code for answer in answers] == [200, 200]
    assert max(len(lines) for lines, _ in shouter.calls) <= 65


def test_the_progress_of_a_document_can_be_watched(client_of):
    shouter = Shouter()
    client = client_of(shouter)
    name = "0123456789abcdef"
    content = "\n\n".join(f"line {n}" for n in range(70)).encode()

    async def watched():
        shouter.gate.clear()
        fields = {**PAIR, "progress": name}
        file = {"file": ("a.txt", content)}
        sent = asyncio.ensure_future(client.http.post("/translate_file", data=fields, files=file))
        progress = {"total": 0}
        while not progress["total"]:
            await asyncio.sleep(0.01)
            progress = (await client.http.get(f"/file_progress/{name}")).json()
        shouter.gate.set()
        await sent
        return progress, (await client.http.get(f"/file_progress/{name}")).json()

    ((during, after),) = client.together(watched())
    assert during == {"done": 0, "total": 70}
    assert after == {"done": 0, "total": 0}


def test_a_document_that_takes_too_long_is_refused(client_of):
    shouter = Shouter()
    client = client_of(shouter, document_seconds=0.2)
    shouter.gate.clear()
    answer = upload(client, "a.txt", b"one")
    assert answer.status_code == 503 and "took longer" in answer.json()["error"]
    shouter.gate.set()
    assert client.translate("a").json() == {"translatedText": "A"}


def test_only_so_many_documents_are_in_progress(client_of, monkeypatch):
    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 0)
    answer = upload(client_of(), "a.txt", b"one")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


# ---------------------------------------------------------------------------------------- downloads


def test_addresses_cannot_be_guessed_and_are_no_paths(client):
    addresses = [upload(client, "a.txt", b"one").json()["translatedFileUrl"] for _ in range(2)]
    tokens = [address.rsplit("/", 1)[1].partition(".")[0] for address in addresses]
    assert tokens[0] != tokens[1] and min(map(len, tokens)) == 32
    for name in ("a_fr.txt", "..%2f..%2fetc%2fpasswd", "%00", f"{tokens[0]}.b.txt"):
        assert client.get(f"/download_file/{name}").status_code == 404


def test_a_download_is_removed_after_a_time(client, monkeypatch):
    url = upload(client, "a.txt", b"one").json()["translatedFileUrl"]
    assert client.get(url).content == b"ONE"
    later = time.monotonic() + documents.DOWNLOAD_SECONDS + 1
    monkeypatch.setattr("nmt.serving.documents.time.monotonic", lambda: later)
    assert client.get(url).status_code == 404


def test_the_oldest_downloads_make_room(client, monkeypatch):
    monkeypatch.setattr(documents, "MAX_STORED", 10)
    urls = [upload(client, "a.txt", b"123 one").json()["translatedFileUrl"] for _ in range(2)]
    assert [client.get(url).status_code for url in urls] == [404, 200]


def test_a_file_that_does_not_fit_on_the_disk_leaves_nothing(monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError("No space left on device")

    async def kept():
        downloads = documents.Downloads()
        with pytest.raises(OSError, match="No space left"):
            await downloads.add(b"one", "a.txt", "text/plain")
        files = list(Path(downloads._folder.name).iterdir())
        downloads.close()
        return files

    monkeypatch.setattr(Path, "write_bytes", full)
    assert asyncio.run(kept()) == []


def test_the_folder_goes_with_the_server(client_of):
    async def kept():
        downloads = documents.Downloads()
        await downloads.add(b"one", "a.txt", "text/plain")
        folder = Path(downloads._folder.name)
        assert [file.read_bytes() for file in folder.iterdir()] == [b"one"]
        downloads.close()
        return folder.exists()

    assert not asyncio.run(kept())


def test_a_folder_that_a_cleaner_of_tmp_removed_is_made_again():
    async def addresses():
        downloads = documents.Downloads()
        lost = await downloads.add(b"one", "a.txt", "text/plain")
        shutil.rmtree(downloads._folder.name)
        kept = await downloads.add(b"two", "b.txt", "text/plain")
        stored = downloads.get(kept)
        assert downloads.get(lost) is None and stored.path.read_bytes() == b"two"
        downloads.close()

    asyncio.run(addresses())


def test_a_download_whose_file_is_gone_is_a_404(client, monkeypatch, tmp_path):
    monkeypatch.setattr(documents.tempfile, "tempdir", str(tmp_path))
    url = upload(client, "a.txt", b"one").json()["translatedFileUrl"]
    (folder,) = tmp_path.glob("nmt-documents-*")
    shutil.rmtree(folder)
    assert client.get(url).status_code == 404


def test_below_the_prefix_of_a_proxy_addresses_and_limits_are_the_same(client_of):
    client = client_of(max_characters=10, max_file_bytes=900_000)
    app = client.http._transport.app
    client.http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, root_path="/nmt"), base_url="http://test/nmt/"
    )
    answer = upload(client, "a.txt", b" " * 800_000 + b"one", path="translate_file")
    assert answer.json()["translatedFileUrl"].startswith("http://test/nmt/download_file/")
    assert downloaded(client, answer).content.strip() == b"ONE"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/a.txt", "a.txt"),
        ("C:\\docs\\a.txt", "a.txt"),
        ('a"\r\nSet-Cookie: b.txt', 'a"Set-Cookie: b.txt'),
        ("x" * 300 + ".txt", "x" * 100 + ".txt"),
        ("..", ".."),
        ("", ""),
    ],
)
def test_the_name_of_a_file_is_a_name_only(given, name):
    assert file_name(given) == name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("form-data; filename=\"=?utf-8?B?eA==?=\"; filename*=utf-8''caf%C3%A9.txt", "café.txt"),
        ("form-data; filename=x; filename*=ISO-8859-1'fr'caf%E9.txt", "café.txt"),
        ("form-data; filename*=UTF-8''..%2F..%2Fa.txt; filename=x", "a.txt"),
    ],
)
def test_the_readable_form_of_a_name_counts(disposition, name):
    """.NET sends both."""
    assert file_name("=?utf-8?B?Y2Fmw6kudHh0?=", disposition) == name


def test_a_client_of_net_may_upload_a_name_that_is_not_ascii(client):
    body = (
        "--b\r\nContent-Disposition: form-data; name=file; "
        "filename=\"=?utf-8?B?Y2Fmw6kudHh0?=\"; filename*=utf-8''caf%C3%A9.txt\r\n\r\n"
        "one\r\n--b\r\nContent-Disposition: form-data; name=source\r\n\r\nen\r\n"
        "--b\r\nContent-Disposition: form-data; name=target\r\n\r\nfr\r\n--b--\r\n"
    )
    answer = client.post(
        "/translate_file",
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 200 and "translatedFileUrl" in answer.json()


def test_a_name_in_any_script_comes_back(client):
    file = downloaded(client, upload(client, "lettre à l'été.txt", b"one"))
    disposition = file.headers["content-disposition"]
    assert "filename*=UTF-8''lettre%20%C3%A0%20l%27%C3%A9t%C3%A9_fr.txt" in disposition
    assert disposition.isascii()
