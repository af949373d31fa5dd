"""`nmt serve`: what it refuses before it loads anything. That it serves is tested where there is an
export."""

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
