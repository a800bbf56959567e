"""An error as `application/problem+json` (RFC 9457), with Apple's reason where there is one."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from ops.text import escape
from pushd.api.exchange import Fields, Response

PROBLEM_JSON: Final = ("content-type", "application/problem+json")
MAX_DETAIL: Final = 300
"""Characters; a detail may repeat a part of what was sent."""


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was not done (RFC 9457; `type` is about:blank, so that `title` is the
    status)."""

    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    reason: str | None = None
    """One word for programs: Apple's, where Apple has one for it."""
    detail: str | None = None
    """For people: what is wrong, and what would be right."""
    path: str | None = None
    """Where in the body, as JSONPath; or the query parameter, as `?name`."""
    results: tuple[msgspec.Raw, ...] | None = None
    """Of a batch of which nothing was taken: why, for each push."""


def problem(
    status: int,
    reason: str | None = None,
    detail: str | None = None,
    *,
    path: str | None = None,
    headers: Fields = (),
    retry_after: float | None = None,
    results: tuple[msgspec.Raw, ...] | None = None,
) -> Response:
    """The response that says so. `retry_after` is seconds."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        reason=reason,
        detail=None if detail is None else escape(detail, MAX_DETAIL),
        path=None if path is None else escape(path, MAX_DETAIL),
        results=results,
    )
    if retry_after is not None:
        headers += (retry_header(retry_after),)
    return Response(status=status, headers=(PROBLEM_JSON, *headers), body=msgspec.json.encode(body))


def retry_header(seconds: float) -> tuple[str, str]:
    """Retry-After has whole seconds (RFC 9110 §10.2.3)."""
    return "retry-after", str(max(1, math.ceil(seconds)))
