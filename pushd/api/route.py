"""The operations of our own API: one table, from which requests find theirs and the OpenAPI
document is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl

from pushd.api.identity import Scope
from pushd.api.item import (
    BatchResult,
    Health,
    InvalidTokens,
    Push,
    PushState,
    Result,
    Results,
)

Name = Literal["submit", "status", "cancel", "results", "invalid_tokens", "health", "openapi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter: a whole number."""

    help: str
    default: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path."""

    name: Name
    method: str
    path: str
    """With `{id}` for the id of a push."""
    scope: Scope | None
    """What a client needs; None: nothing but to be known."""
    help: str
    answers: Mapping[int, tuple[type, ...]]
    """By status: the types that the body may have; none for `any JSON object`."""
    takes: type | None = None
    """The type of a request's body."""
    parameters: Mapping[str, Parameter] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The operation of a request, and the id in its path."""

    operation: Operation
    id: str


class BadQuery(ValueError):
    """A query that means nothing: `name` is the parameter."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why


MAX_LIMIT: Final = 1000
"""Lines of a page: 300 kB."""
MAX_SEQ: Final = (1 << 63) - 1

_WAIT: Final = Parameter(
    help="Seconds to wait for outcomes, or for something new.", default=0, most=300
)
_AFTER: Final = Parameter(help="The last one seen, 0 for all.", default=0, most=MAX_SEQ)
_LIMIT: Final = Parameter(help="Lines of a page at most.", default=100, most=MAX_LIMIT)

OPERATIONS: Final = (
    Operation(
        name="submit",
        method="POST",
        path="/v1/pushes",
        scope=Scope.SUBMIT,
        help="Hand in one push, an array of them, or NDJSON. Answered when they are on disk.",
        takes=Push,
        answers={200: (Result, BatchResult), 202: (Result, BatchResult)},
        parameters={"wait": _WAIT},
    ),
    Operation(
        name="status",
        method="GET",
        path="/v1/pushes/{id}",
        scope=Scope.READ,
        help="What became of a push.",
        answers={200: (PushState,)},
    ),
    Operation(
        name="cancel",
        method="DELETE",
        path="/v1/pushes/{id}",
        scope=Scope.CANCEL,
        help="Take a push back that has not been sent.",
        answers={200: (PushState,)},
    ),
    Operation(
        name="results",
        method="GET",
        path="/v1/results",
        scope=Scope.READ,
        help="What became of all pushes, in the order in which it was stored.",
        answers={200: (Results,)},
        parameters={"after": _AFTER, "limit": _LIMIT, "wait": _WAIT},
    ),
    Operation(
        name="invalid_tokens",
        method="GET",
        path="/v1/invalid-tokens",
        scope=Scope.READ,
        help="Tokens that Apple called invalid: to be pushed to no more.",
        answers={200: (InvalidTokens,)},
        parameters={"after": _AFTER, "limit": _LIMIT, "wait": _WAIT},
    ),
    Operation(
        name="health",
        method="GET",
        path="/v1/health",
        scope=None,
        help="Whether pushes are taken.",
        answers={200: (Health,)},
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/v1/openapi.json",
        scope=None,
        help="This document.",
        answers={200: ()},
    ),
)

_BY_PATH: Final[dict[str, dict[str, Operation]]] = {}
for _operation in OPERATIONS:
    _BY_PATH.setdefault(_operation.path, {})[_operation.method] = _operation

_PUSH: Final = "/v1/pushes/"


def find(method: str, path: str) -> Found | tuple[str, ...] | None:
    """The operation; the methods there are, if not this; None if there is nothing."""
    id = ""
    methods = _BY_PATH.get(path)
    if methods is None and path.startswith(_PUSH):
        id = path.removeprefix(_PUSH)
        if 0 < len(id) <= 36 and "/" not in id:
            methods = _BY_PATH[_PUSH + "{id}"]
    if methods is None:
        return None
    operation = methods.get(method)
    return tuple(sorted(methods)) if operation is None else Found(operation=operation, id=id)


def arguments(operation: Operation, query: str) -> dict[str, int]:
    """The values of all parameters of `operation`. Raises BadQuery."""
    known = operation.parameters or {}
    values = {name: parameter.default for name, parameter in known.items()}
    if not query:
        return values
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=10)
    except ValueError:
        raise BadQuery("", "is no list of name=value") from None
    given: set[str] = set()
    for name, text in pairs:
        if name not in known or name in given:
            allowed = ", ".join(known) or "none"
            raise BadQuery(name[:40], f"is not a parameter, or twice; there are: {allowed}")
        given.add(name)
        if (
            not (text.isascii() and text.isdigit())
            or len(text) > 19
            or int(text) > known[name].most
        ):
            raise BadQuery(name, f"is a whole number from 0 to {known[name].most}")
        values[name] = int(text)
    return values
