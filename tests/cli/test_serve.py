"""`nmt serve`: what it refuses before it loads anything. That it serves is tested where there is an
export."""

import re
import socket

import pytest
from fixtures.run import assert_error

from nmt.cli import serve as verbs_serve
from nmt.cli.main import parser

pytest_plugins = ["fixtures.cli"]


@pytest.mark.parametrize("option", ["rate-limit", "max-characters", "max-texts", "max-waiting"])
def test_a_limit_that_lets_nothing_through_is_refused(nmt_, option):
    message = f"--{option} must be at least 1. Received: 0"
    assert_error(nmt_("serve", "run", f"--{option}", 0), message)


def test_a_file_without_keys_is_refused(nmt_, tmp_path):
    (tmp_path / "keys").write_text("\n \n")
    assert_error(
        nmt_("serve", "run", "--api-key-file", tmp_path / "keys"), "must have a key a line"
    )


def test_a_run_that_is_not_there_is_named(nmt_, tmp_path):
    assert_error(nmt_("serve", tmp_path / "nothing", "--port", 0), "nothing: no such run folder")


def test_a_port_that_is_taken_is_said_before_anything_loads(nmt_):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert_error(
            nmt_("serve", "run", "--port", taken.getsockname()[1]), "in use.*127.0.0.1, port"
        )


def test_a_folder_for_suggestions_that_is_not_there_is_named(nmt_, tmp_path):
    path = tmp_path / "no" / "suggestions.tsv"
    answer = nmt_("serve", "en-fr", "--port", 0, "--suggestions", path)
    assert_error(answer, f"No such file or directory. Create the folder {path.parent} first")


def test_a_host_that_is_unknown_is_named(nmt_, monkeypatch):
    assert_error(nmt_("serve", "run", "--port", 0, "--host", "a..b"), r"host a\.\.b: ")

    def unknown(host, port, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = nmt_("serve", "run", "--port", 0, "--host", "no.such.host")
    assert_error(answer, r"host no\.such\.host: .*Name or service not known")


@pytest.mark.parametrize(
    "origin", ["https://e.org/", "https://E.org", "e.org", "https://e.org?a", "https://", ""]
)
def test_an_origin_that_no_browser_sends_is_refused(nmt_, origin):
    message = rf"such as https://example\.org\. Received: {re.escape(origin)}"
    assert_error(nmt_("serve", "run", f"--cors-origin={origin}"), message)


def test_origins_of_browsers_are_accepted():
    origins = ["*", "null", "https://e.org", "http://[::1]:8080", "moz-extension://a-b"]
    options = [part for origin in origins for part in ("--cors-origin", origin)]
    limits = verbs_serve._limits(parser().parse_args(["serve", "run", *options]))
    assert limits.cors_origins == tuple(origins)


@pytest.mark.parametrize(
    ("given", "prefix"), [("/nmt", "/nmt"), ("/a/b/", "/a/b"), ("/", ""), ("", "")]
)
def test_a_prefix_is_a_path_without_a_slash_at_its_end(given, prefix):
    assert parser().parse_args(["serve", "--url-prefix", given]).url_prefix == prefix


@pytest.mark.parametrize("prefix", ["nmt", "https://e.org/nmt", "/é", "/a b", "//"])
def test_what_is_no_prefix_is_refused(nmt_, prefix):
    code, out, err = nmt_("serve", "run", "--url-prefix", prefix)
    assert (code, out) == (2, "") and "must be a path such as /translate" in err


@pytest.mark.parametrize("port", ["99999", "65536", "65537", "-1", "http", "1e3"])
def test_a_port_out_of_range_is_refused(nmt_, port):
    code, out, err = nmt_("serve", "run", f"--port={port}")
    assert (code, out) == (2, "") and "must be a whole number from 0 to 65535" in err
    assert port in err and "_port" not in err


def test_options_become_limits(tmp_path):
    (tmp_path / "keys").write_text("one\n\n two \n")
    options = [
        "--api-key-file",
        str(tmp_path / "keys"),
        "--rate-limit",
        "9",
        "--cors-origin",
        "*",
        "--max-texts",
        "8",
    ]
    limits = verbs_serve._limits(parser().parse_args(["serve", "run", *options]))
    assert limits.api_keys == {"one", "two"} and limits.requests_a_minute == 9
    assert (
        limits.cors_origins == ("*",) and limits.max_texts == 8 and limits.max_characters == 20_000
    )


def test_an_address_of_ipv6_is_a_url(monkeypatch):
    class Listener:
        def getsockname(self):
            return "::1", 5000, 0, 0

    assert verbs_serve._url(Listener()) == "http://[::1]:5000"


def test_suggestions_are_stored_only_where_a_file_is_named(
    nmt_, run, one_model, tmp_path, monkeypatch
):
    apps = []
    monkeypatch.setattr("nmt.serving.server.serve", lambda app, *others: apps.append(app))
    assert nmt_("serve", run, "--port", 0)[0] == 0
    assert nmt_("serve", run, "--port", 0, "--suggestions", tmp_path / "corrections.tsv")[0] == 0
    assert len(apps) == 2 and (tmp_path / "corrections.tsv").read_text() == ""
    refused = nmt_("serve", run, "--port", 0, "--suggestions", tmp_path / "corrections.txt")
    assert_error(refused, r"suggestions need a file NAME\.tsv")
    (tmp_path / "keys.tsv").write_text("secret\n")
    given = ("--suggestions", tmp_path / "keys.tsv", "--api-key-file", tmp_path / "keys.tsv")
    assert_error(nmt_("serve", run, "--port", 0, *given), "keys.tsv is an input")
