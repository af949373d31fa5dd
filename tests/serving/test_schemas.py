"""What the server says of itself in OpenAPI is true: schemathesis asks what it allows, and what it
does not."""

import pytest
import schemathesis
from fixtures.server import Client
from fixtures.shouter import Shouter
from hypothesis import HealthCheck, Phase, assume, given, settings

from nmt.errors import UserError
from nmt.search.glossary import Glossary
from nmt.serving.app import make_app
from nmt.serving.middleware import Metrics
from nmt.serving.schemas import FORMS, ExplainRequest, read_form
from nmt.serving.service import Limits, Service

POSTS = ["/translate", "/detect", "/v1/translate", "/suggest"]
FILES = ["/translate_file"]
GETS = ["/languages", "/frontend/settings", "/health", "/metrics"]


@pytest.fixture(scope="module")
def schema():
    service = Service([Shouter()], Limits(), Metrics())
    close, service.close = (
        service.close,
        lambda: None,
    )  # schemathesis starts and ends the app more than once
    yield schemathesis.openapi.from_asgi("/openapi.json", make_app(service))
    close()


def is_described(case):
    """Whether a schema can say what is wrong with the glossary of a request: not that a phrase has
    two translations, nor that a string of a form is no JSON."""
    glossary = case.body.get("glossary") if isinstance(case.body, dict) else None
    if not glossary or case.media_type != "application/json":
        return not glossary
    try:
        Glossary(glossary.items() if isinstance(glossary, dict) else glossary)
    except UserError:
        return False
    except (AttributeError, TypeError, ValueError):  # not of the shape that the schema describes
        pass
    return True


def ask(operation, mode, count):
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def asked(case):
        assume(is_described(case))
        case.call_and_validate()

    asked()


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_what_is_allowed_is_answered_and_what_is_not_is_refused(schema, path, mode):
    ask(schema[path]["POST"], mode, 25)


def test_a_form_may_write_a_boolean_in_all_ways_that_are_described(schema):
    content = schema.raw_schema["paths"]["/v1/translate"]["post"]["requestBody"]["content"]
    for kind in FORMS:
        described = content[kind]["schema"]["properties"]["alignment"]["enum"]
        for value in ("true", "0", *described):
            form = [("q", "a"), ("source", "en"), ("target", "fr"), ("alignment", str(value))]
            assert read_form(ExplainRequest, form).alignment in (True, False)
    assert content["application/json"]["schema"]["properties"]["alignment"]["type"] == "boolean"


@pytest.mark.parametrize("path", GETS)
def test_what_can_be_read_is_as_described(schema, path):
    ask(schema[path]["GET"], schemathesis.GenerationMode.POSITIVE, 1)


def test_every_path_and_every_error_is_described(schema):
    assert sorted(schema.raw_schema["paths"]) == sorted(POSTS + FILES + GETS)
    for path in POSTS:
        described = schema.raw_schema["paths"][path]["post"]
        assert {"200", "400", "403", "413", "415", "429", "500", "503"} == set(
            described["responses"]
        )
        assert len(described["requestBody"]["content"]) == 3


def test_limits_and_languages_are_in_it():
    service = Service(
        [Shouter("en", "fr"), Shouter("de", "fr")], Limits(max_characters=7, max_texts=3), Metrics()
    )
    described = Client(make_app(service)).get("/openapi.json").json()
    service.close()
    schema = described["paths"]["/translate"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert schema["properties"]["source"]["enum"] == ["auto", "en", "de"]
    assert schema["properties"]["target"]["enum"] == ["fr"]
    assert schema["properties"]["q"]["anyOf"][1]["maxItems"] == 3
    assert (
        "7 characters"
        in described["paths"]["/translate"]["post"]["responses"]["413"]["description"]
    )
