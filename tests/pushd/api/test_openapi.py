"""The OpenAPI document: valid, and true."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from pushd.api.route import OPERATIONS
from tests.pushd.api.stand import PUSH, Stand
from tests.pushd.rig import MDM_TOPIC, push_id

WAKE = {"push_magic": "Magic", "token": "q6urq6s=", "topic": MDM_TOPIC}


@pytest.fixture
def document(stand: Stand) -> Any:
    return stand.ask("GET", "/v1/openapi.json").json


def matches(document: Any, schema: Any, value: Any) -> bool:
    """Whether `value` is what `schema` says, by a validator that is not ours."""
    whole = {**schema, "components": document["components"]}
    return bool(Draft202012Validator(whole).is_valid(value))


def test_the_document_is_valid(document: Any) -> None:
    """By the specification of OpenAPI 3.1."""
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_operation_is_in_it(document: Any) -> None:
    """With its scope and its answers."""
    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        assert described["operationId"] == operation.name
        assert {str(status) for status in operation.answers} <= set(described["responses"])
        if operation.scope is not None:
            assert operation.scope in described["description"]


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (PUSH, True),
        ([PUSH, PUSH], True),
        ({"mdm": WAKE}, True),
        ({**PUSH, "alert": {"title": "a"}, "priority": 5, "expiration": 0}, True),
        ({**PUSH, "alert": None, "payload": {"aps": {}}, "push_type": "background"}, True),
        ({**PUSH, "devcie": ""}, False),
        ({**PUSH, "push_type": "alarm"}, False),
        ({**PUSH, "priority": "5"}, False),
        ({**PUSH, "payload": [1]}, False),
        ({"mdm": {**WAKE, "push_magic": ""}}, False),
        ([], False),
        ("push", False),
    ],
)
def test_what_the_schema_allows_is_taken(
    stand: Stand, document: Any, value: Any, good: bool
) -> None:
    """And what it does not is refused, before any meaning is asked for."""
    content = document["paths"]["/v1/pushes"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]

    asked = stand.post(value)

    assert matches(document, schema, value) is good
    assert (asked.status in (200, 202)) is good


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v1/pushes/{id}", f"/v1/pushes/{push_id(1)}"),
        ("GET", "/v1/pushes/{id}", "/v1/pushes/unknown"),
        ("DELETE", "/v1/pushes/{id}", f"/v1/pushes/{push_id(1)}"),
        ("DELETE", "/v1/pushes/{id}", f"/v1/pushes/{push_id(2)}"),
        ("GET", "/v1/results", "/v1/results"),
        ("GET", "/v1/results", "/v1/results?limit=x"),
        ("GET", "/v1/invalid-tokens", "/v1/invalid-tokens"),
        ("GET", "/v1/health", "/v1/health"),
    ],
)
def test_answers_are_what_it_says(
    stand: Stand, document: Any, method: str, path: str, target: str
) -> None:
    """Status, type and body of each."""
    stand.post({**PUSH, "id": push_id(1)})
    stand.rig.settle(stand.rig.jobs()[0])
    stand.post({**PUSH, "id": push_id(2)})

    asked = stand.ask(method, target)

    described = document["paths"][path][method.lower()]["responses"][str(asked.status)]
    schema = described["content"][asked.headers["content-type"]]["schema"]
    assert matches(document, schema, asked.json)


@pytest.mark.parametrize(
    "value", [PUSH, [PUSH, {}], {}, [{}, {}], {**PUSH, "topic": "com.example.none"}]
)
def test_answers_to_pushes_are_what_it_says(stand: Stand, document: Any, value: Any) -> None:
    """Of one, of many, and of those that were refused."""
    responses = document["paths"]["/v1/pushes"]["post"]["responses"]
    asked = stand.post(value)
    lines = stand.post_lines([PUSH, {}])

    content = responses[str(asked.status)]["content"]
    assert matches(document, content[asked.headers["content-type"]]["schema"], asked.json)
    schema = responses["202"]["content"]["application/x-ndjson"]["schema"]
    assert all(matches(document, schema, line) for line in lines.lines)
    assert msgspec.json.decode(asked.body) == asked.json
