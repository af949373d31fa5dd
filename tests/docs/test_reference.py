"""The generated reference: every option, every key, every endpoint."""

import argparse
import inspect
import pydoc
import re
import sys
import typing
from pathlib import Path

import pytest

import nmt
from nmt.config.keys import sections

ROOT = Path(__file__).parents[2]

pytest.importorskip("sphinx")
sys.path.insert(0, str(ROOT / "docs" / "_ext"))
reference = pytest.importorskip("nmt_reference")


def test_the_command_line_has_every_verb_and_option():
    from nmt.cli.main import parser

    text = reference.command_line(parser())
    assert "## nmt train\n" in text and "### nmt tokenizer encode\n" in text
    assert r"| `--set KEY=VALUE` |" in text
    assert r"`--engine keras\|onnx`" in text
    assert "--trained" not in text  # which is not for users


def test_an_option_shows_choices_and_whether_it_is_required():
    verb = argparse.ArgumentParser(prog="nmt try")
    verb.add_argument("--form", choices=["a", "b"], help="how | what <x>", required=True)
    text = reference._verb("nmt try", verb, 2)
    assert r"| `--form a\|b` | how \| what \<x\> (required) |" in text


def test_the_configuration_has_every_key_with_type_default_and_meaning():
    text = reference.configuration()
    for section in sections():
        table = text.partition(f"## {section.title}\n")[2].partition("\n## ")[0]
        for key in section.keys:
            assert f"| `{key.name}` | {key.values} |" in table, f"{section.title}.{key.name}"
    assert not [line for line in text.splitlines() if line.endswith("|  |")]  # no meaning
    assert "| `label_smoothing` | number ≥ 0, < 1 | `0.1` |" in text
    assert "| `path` | text | (required) |" in text
    assert "| `window` | integer ≥ 1 | `10` |" in text
    assert "| `training.patience` | `training.early_stopping_patience` |" in text


def test_the_http_api_has_every_endpoint_with_its_fields():
    pytest.importorskip("fastapi")
    description = {
        "paths": {
            "/translate": {
                "post": {
                    "summary": "Translate",
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "required": ["q"],
                                    "properties": {
                                        "q": {"type": "string", "description": "Text"},
                                        "n": {"anyOf": [{"type": "integer", "minimum": 0}]},
                                    },
                                }
                            }
                        }
                    },
                    "responses": {
                        "200": {
                            "content": {
                                "application/json": {
                                    "schema": {"$ref": "#/components/schemas/Good"}
                                }
                            }
                        },
                        "400": {"description": "Bad"},
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "Good": {"properties": {"all": {"type": "array", "items": {"type": "string"}}}},
                "Unused": {"properties": {"x": {"type": "string"}}},
            }
        },
    }
    text = reference.http_api(description)
    assert "## POST /translate" in text and "| `q` | string | yes | Text |" in text
    assert "| `n` | integer ≥ 0 | no |  |" in text
    assert "| 200 | [Good](#good) |" in text and "| 400 | Bad |" in text
    assert "## Good\n" in text and "| `all` | list of string | no |  |" in text
    assert "Unused" not in text


def test_every_name_of_the_python_api_has_a_description():
    """Sphinx leaves out members without a docstring, even if they are named."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    entries = re.findall(r"^\.\. auto\w+:: (\S+)\n(?:   :members: (.+))?", page, re.MULTILINE)
    names = [name for name, _ in entries]
    names += [f"{name}.{member}" for name, members in entries for member in members.split(", ")]
    assert "nmt.Translator.align_lines" in names
    missing = [name for name in names if name[-1] != "." and not pydoc.locate(name).__doc__]
    assert missing == []


def test_the_reference_shows_the_arguments_of_overloaded_methods():
    """Sphinx shows the signatures of the overloads, and not that of the method."""
    for method in (nmt.Translator.translate,):
        arguments = inspect.signature(method).parameters.keys()
        for overload in typing.get_overloads(method):
            assert inspect.signature(overload).parameters.keys() == arguments
