"""Fixtures for the tests of the command line: `pytest_plugins = ["fixtures_cli"]`."""

import io
import os
import sys

import pytest
from fixtures_run import trained_run, trained_translator

from nmt.cli import main


@pytest.fixture
def run():
    trained_translator()  # what its training and loading say is none of a command's
    return str(trained_run())


@pytest.fixture
def one_model(monkeypatch):
    """Loading the trained run takes a second each time; `load` itself is tested in a process of its own."""
    monkeypatch.setattr("nmt.verbs_shared.load", lambda options: loaded(options.run))


def loaded(path):
    from nmt.run import Run
    from nmt.translator import Translator

    return trained_translator() if path == trained_run() else Translator.load(Run.open(path))


@pytest.fixture
def nmt_(capfdbinary, monkeypatch):
    """nmt_(*arguments, stdin=...) -> exit code, standard output, standard error."""

    def call(*arguments, stdin=b""):
        with open(os.devnull, "rb") as devnull:
            stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8") if stdin else io.TextIOWrapper(devnull)
            monkeypatch.setattr(sys, "stdin", stream)
            capfdbinary.readouterr()  # the training of the run, for whoever comes first
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as stop:  # argparse
                code = stop.code
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return call
