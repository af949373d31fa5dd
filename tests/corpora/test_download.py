"""Downloads from a loopback server that is slow, breaks off, redirects, or lies."""

import errno
import gzip
import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest
from fixtures import file_server as served
from fixtures.file_server import file_server

from nmt.corpora import download
from nmt.corpora.catalogue import RemoteFile
from nmt.errors import UserError

CONTENT = bytes(range(256)) * 800  # 204,800 bytes: several reads
LONG = pytest.param("9" * 5000, id="5000 digits")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    patience = download.Patience(
        attempts=3, timeout=2.0, first_wait=0.01, longest_wait=0.05, rate_seconds=0.2
    )
    monkeypatch.setattr(download, "PATIENCE", patience)


@pytest.fixture
def server():
    with file_server() as server:
        server.files["/corpus/file.gz"] = CONTENT
        yield server


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(content=CONTENT, path="/corpus/file.gz", **options):
        sha256 = hashlib.sha256(content).hexdigest()
        file = RemoteFile("file.gz", server.address + path, **{"sha256": sha256, **options})
        return download.fetch(file, tmp_path / "corpus")

    return fetch


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_is_downloaded_once_and_then_taken_from_the_cache(server, fetch, tmp_path):
    path = fetch()
    assert path == tmp_path / "corpus" / "file.gz" and path.read_bytes() == CONTENT
    assert fetch() == path and len(server.requests) == 1
    assert files_in(path.parent) == {"file.gz"}


def test_what_broke_off_is_resumed_where_it_stopped(server, fetch):
    server.behaviours = [served.broken_off(0.5), served.broken_off(0.5)]
    assert fetch().read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=102400-", "bytes=153600-"]


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(server, fetch):
    server.behaviours = [served.broken_off(0.5), served.whole]
    assert fetch().read_bytes() == CONTENT


def test_another_command_resumes_what_one_left(server, fetch, tmp_path):
    server.behaviours = [served.broken_off(0.5), *[served.status(503)] * 3]
    with pytest.raises(UserError, match=r"503.*102,400 bytes are kept"):
        fetch()
    assert fetch().read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=102400-"


def test_a_part_of_an_older_version_is_not_mixed_with_a_newer_one(server, fetch, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "file.gz.part").write_bytes(b"old" * 1000)
    assert fetch().read_bytes() == CONTENT


def test_a_part_that_is_complete_already_is_taken(server, fetch, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "file.gz.part").write_bytes(CONTENT)
    assert fetch().read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_begun_anew(server, fetch, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "file.gz.part").write_bytes(CONTENT + b"more")
    assert fetch().read_bytes() == CONTENT


def failure(fetch, **options) -> str:
    with pytest.raises(UserError) as error:
        fetch(**options)
    message = str(error.value)
    assert "\n" not in message
    assert "To fetch it by hand, save it as" in message and "file.gz" in message
    return message


def test_another_file_than_expected_does_not_count(server, fetch, tmp_path):
    message = failure(fetch, content=b"expected")
    assert "is another file (204,800 bytes, SHA-256" in message
    assert not {"file.gz", "file.gz.part"} & files_in(tmp_path / "corpus")


def test_a_missing_file_is_asked_for_once(server, fetch):
    assert "the server answered 404" in failure(fetch, path="/nothing")
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(server, fetch, code):
    server.behaviours = [served.status(code, Retry_After="0"), served.status(code)]
    assert fetch().read_bytes() == CONTENT


def test_a_server_in_trouble_is_not_asked_for_ever(server, fetch):
    server.behaviours = [served.status(500)] * 10
    assert "500" in failure(fetch)
    assert len(server.requests) == 3


def test_a_server_is_waited_for_no_longer_than_the_limit(server, fetch):
    server.behaviours = [served.status(503, Retry_After="86400")]
    assert fetch().read_bytes() == CONTENT


def test_a_size_that_is_announced_too_large_is_a_connection_that_broke_off(server, fetch):
    server.behaviours = [served.announced(len(CONTENT) + 10)] * 10
    assert "the connection broke off at 204,800 of 204,810 bytes" in failure(fetch)


@pytest.mark.parametrize("size", [LONG, "\u00b2", "-1"])
def test_a_size_that_is_no_number_is_ignored(server, fetch, size):
    server.behaviours = [served.announced(size)]
    assert fetch().read_bytes() == CONTENT


@pytest.mark.parametrize(
    "wait",
    ["\u00b2", LONG, "-1", "soon", "Mon, 01 Jan 9999999999 00:00:00 GMT"],
)
def test_a_time_to_wait_that_is_none_is_ignored(server, fetch, wait):
    server.behaviours = [served.status(503, Retry_After=wait)]
    assert fetch().read_bytes() == CONTENT


def test_a_size_that_is_announced_too_small_gives_another_file(server, fetch):
    server.behaviours = [served.announced(1000)] * 10
    assert "is another file (1,000 bytes" in failure(fetch)


def test_a_file_larger_than_its_bound_is_not_downloaded(server, fetch):
    message = failure(fetch, sha256=None, max_bytes=1000)
    assert "expected at most 1,000 bytes. The server announces 204,800" in message


def test_an_empty_file_without_a_checksum_does_not_count(server, fetch):
    server.files["/empty"] = b""
    assert "is empty" in failure(fetch, path="/empty", sha256=None)


def test_a_silent_server_is_given_up(server, fetch, monkeypatch):
    patience = download.Patience(attempts=2, timeout=0.1, first_wait=0.01)
    monkeypatch.setattr(download, "PATIENCE", patience)
    server.behaviours = [served.silent(0.5)] * 5
    assert "the server sent nothing for 0.1 seconds" in failure(fetch)


def test_a_server_that_drips_is_given_up(server, fetch, monkeypatch):
    patience = download.Patience(attempts=1, rate_seconds=0.1)
    monkeypatch.setattr(download, "PATIENCE", patience)
    server.behaviours = [served.dripping(0.05, 20)]
    assert "bytes a second" in failure(fetch)


def test_a_port_at_which_nobody_listens_is_named(fetch, tmp_path):
    file = RemoteFile("file.gz", "http://127.0.0.1:9/file.gz", "0" * 64)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*refused"):
        download.fetch(file, tmp_path / "corpus")


def test_redirects_are_followed(server, fetch):
    server.behaviours = [served.redirect("/corpus/file.gz")]
    assert fetch(path="/elsewhere").read_bytes() == CONTENT


def test_redirects_in_a_circle_end(server, fetch):
    server.behaviours = [served.redirect("/circle")] * 50
    assert "it redirects in a circle" in failure(fetch, path="/circle")
    assert len(server.requests) < 20


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_lead_to_web_addresses_only(server, fetch, address):
    server.behaviours = [served.redirect(address)]
    assert "it redirects" in failure(fetch) and len(server.requests) == 1


def test_a_redirect_from_https_to_http_is_refused():
    request = download.urllib.request.Request("https://example.org/a")
    with pytest.raises(download._Failed, match="not followed from https"):
        download._Redirects().redirect_request(request, None, 302, "", {}, "http://example.org/b")


def test_a_full_disk_is_named_before_anything_is_written(server, fetch, monkeypatch, tmp_path):
    usage = download.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    message = failure(fetch)
    assert "No space left on device" in message and "free some disk space" in message


def test_a_disk_that_fills_up_keeps_the_part(server, fetch, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_copy", full)
    assert "No space left on device; free some disk space" in failure(fetch)


def test_a_cache_that_cannot_be_written_is_named(server, fetch, tmp_path):
    (tmp_path / "corpus").write_text("a file in the place of the folder")
    assert "corpus: File exists" in failure(fetch)


def test_a_shared_cache_may_be_read_only(server, fetch, monkeypatch):
    def read_only(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path = fetch()
    monkeypatch.setattr(download, "_locked", read_only)
    assert fetch() == path and len(server.requests) == 1
    path.write_bytes(b"wrong")
    assert "the file in the cache is another file" in failure(fetch)


def test_a_file_put_there_by_hand_counts_if_it_is_the_right_one(server, fetch, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "file.gz").write_bytes(CONTENT)
    assert fetch().read_bytes() == CONTENT and not server.requests


def test_a_wrong_file_in_the_cache_is_reported_and_kept(server, fetch, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "file.gz").write_bytes(b"wrong")
    assert "the file in the cache is another file (5 bytes" in failure(fetch)
    assert (tmp_path / "corpus" / "file.gz").read_bytes() == b"wrong"


def test_the_same_text_compressed_in_another_way_counts(server, fetch):
    text = b"un chien court\n" * 100
    server.files["/corpus/file.gz"] = gzip.compress(text, 1)
    pins = {"text_sha256": hashlib.sha256(text).hexdigest(), "text_bytes": len(text)}
    assert gzip.decompress(fetch(content=b"the original", **pins).read_bytes()) == text


def test_more_text_than_expected_does_not_count(server, fetch):
    text = b"un chien court\n" * 100
    server.files["/corpus/file.gz"] = gzip.compress(text + b"\0" * 1_000_000)
    pins = {"text_sha256": hashlib.sha256(text).hexdigest(), "text_bytes": len(text)}
    failure(fetch, content=b"the original", **pins)


def test_a_mirror_has_the_layout_of_the_cache(server, tmp_path):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    file = RemoteFile("file.gz", "https://nowhere.invalid/file.gz", sha256)
    download.fetch(file, tmp_path / "corpus", f"{server.address}/")
    assert server.requests == [("/corpus/file.gz", None)]


@pytest.mark.parametrize(
    "state",
    [
        "[" * 100_000,
        '{"url": URL, "validator": "a\\nb"}',
        '{"url": URL, "validator": "é"}',
        '{"url": URL, "validator": ["a"]}',
        "[1]",
        "",
    ],
    ids=lambda state: state[:30],
)
def test_a_damaged_record_of_a_part_does_no_harm(server, fetch, tmp_path, state):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "file.gz.part").write_bytes(CONTENT[:1000])
    state = state.replace("URL", f'"{server.address}/corpus/file.gz"')
    (folder / "file.gz.part.json").write_text(state, "utf-8")
    assert fetch().read_bytes() == CONTENT
    assert files_in(folder) == {"file.gz"}


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x/y",
        "/a/folder",
        "http://",
        "",
        "http://[::1",
        "http://:80",
        "http://x:port/",
        "http://x:99999/",
    ],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UserError, match="expected an address"):
        download.check_address(address)


def _fetch_in_a_process(address, folder):
    file = RemoteFile("file.gz", f"{address}/corpus/file.gz", hashlib.sha256(CONTENT).hexdigest())
    download.fetch(file, folder)


def test_two_processes_download_a_file_once(server, tmp_path):
    context = multiprocessing.get_context("fork")
    arguments = (server.address, tmp_path / "corpus")
    processes = [context.Process(target=_fetch_in_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(server.requests) == 1
