"""The OpenAPI 3.1 document of our own API, made of its types and of the table of operations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from pushd.api.item import Push
from pushd.api.problem import Problem
from pushd.api.route import OPERATIONS, Operation

_ERRORS: Final = {
    400: "The request, or every push in it, is wrong.",
    401: "Log in.",
    403: "This client may not do that.",
    404: "There is no such thing.",
    409: "It is too late for that.",
    413: "The body is too large.",
    415: "The body is of another type.",
    429: "Too many pushes wait, or too many logins failed. Nothing was taken.",
    503: "It cannot be stored, or read, at the moment. Nothing was taken.",
}
_OF: Final = {
    "submit": (400, 401, 403, 413, 415, 429, 503),
    "status": (401, 403, 404, 429, 503),
    "cancel": (401, 403, 404, 409, 429, 503),
    "results": (400, 401, 403, 429, 503),
    "invalid_tokens": (400, 401, 403, 429, 503),
}
_DONE: Final = {200: "Done.", 202: "On disk, and on its way."}
Schema: TypeAlias = Callable[[tuple[type, ...]], dict[str, Any]]

_TEMPLATE: Final = "#/components/schemas/{name}"


@functools.cache
def document(version: str) -> bytes:
    """The document, as JSON. `version` is the daemon's."""
    types: dict[type, None] = {Problem: None}
    for operation in OPERATIONS:
        said = [type for types in operation.answers.values() for type in types]
        types |= dict.fromkeys(said if operation.takes is None else [operation.takes, *said])
    schemas, components = msgspec.json.schema_components(list(types), ref_template=_TEMPLATE)
    refer = dict(zip(types, schemas, strict=True))

    def schema(types: tuple[type, ...]) -> dict[str, Any]:
        if len(types) == 1:
            return refer[types[0]]
        return {"oneOf": [refer[type] for type in types]} if types else {"type": "object"}

    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(
            operation, schema
        )
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "pushd",
                "version": version,
                "description": "Durable delivery of Apple push notifications.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "security": [{"bearer": []}, {"certificate": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "certificate": {"type": "mutualTLS"},
                },
            },
        }
    )


def _described(operation: Operation, schema: Schema) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.help,
        "parameters": _parameters(operation),
        "responses": {},
    }
    if operation.scope is not None:
        described["description"] = f"Needs the scope `{operation.scope}`."
    if operation.takes is not None:
        described["requestBody"] = _body(schema((operation.takes,)))
    responses = described["responses"]
    for status, types in operation.answers.items():
        content = {"application/json": {"schema": schema(types)}}
        if operation.takes is Push:
            content["application/x-ndjson"] = {"schema": {"$ref": _TEMPLATE.format(name="Result")}}
        responses[str(status)] = {"description": _DONE[status], "content": content}
    for status in _OF.get(operation.name, (401, 429)):
        responses[str(status)] = _error(status)
    return described


def _error(status: int) -> dict[str, Any]:
    problem = {"$ref": _TEMPLATE.format(name="Problem")}
    error: dict[str, Any] = {
        "description": _ERRORS[status],
        "content": {"application/problem+json": {"schema": problem}},
    }
    if status in (429, 503):
        error["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return error


def _body(push: dict[str, Any]) -> dict[str, Any]:
    one_or_many = {"oneOf": [push, {"type": "array", "items": push, "minItems": 1}]}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": one_or_many},
            "application/x-ndjson": {"schema": push},
        },
    }


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "{id}" in operation.path:
        schema = {"type": "string", "maxLength": 36}
        parameters.append({"name": "id", "in": "path", "required": True, "schema": schema})
    for name, parameter in (operation.parameters or {}).items():
        parameters.append(
            {
                "name": name,
                "in": "query",
                "description": parameter.help,
                "schema": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": parameter.most,
                    "default": parameter.default,
                },
            }
        )
    return parameters
