"""Conditional requests: entity tags, dates, and the order in which they are asked (RFC 9110, 13).

A client that resumes (wget -c, curl -C) must never glue two versions of an image together; what
protects it is here.
"""

from __future__ import annotations

import re
from calendar import timegm
from email.utils import formatdate
from http import HTTPStatus
from time import gmtime

from netbootd.http.request import Request

_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH = b"(?P<month>" + b"|".join(_MONTHS) + b")"
_TIME = rb"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_DATES = (
    # Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(
        rb"[A-Z][a-z]{2}, (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _TIME + b" GMT"
    ),
    # Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(rb"[A-Z][a-z]+, (?P<day>\d\d)-" + _MONTH + rb"-(?P<year>\d\d) " + _TIME + b" GMT"),
    # Sun Nov  6 08:49:37 1994
    re.compile(rb"[A-Z][a-z]{2} " + _MONTH + rb" (?P<day>[ \d]\d) " + _TIME + rb" (?P<year>\d{4})"),
)


def http_date(posix: float) -> bytes:
    """`Sun, 06 Nov 1994 08:49:37 GMT`: the form that senders use (RFC 9110, 5.6.7)."""
    return formatdate(posix, usegmt=True).encode()


def parse_http_date(value: bytes, now: float) -> int | None:
    """POSIX seconds of a date in any of the three forms; None for what is no date.

    A two-digit year that seems to be more than 50 years after `now` is one of the last century.
    """
    for form in _DATES:
        match = form.fullmatch(value)
        if match is not None:
            break
    else:
        return None
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        this_year = gmtime(now).tm_year
        year = this_year + (year - this_year) % 100
        if year > this_year + 50:
            year -= 100
    month = _MONTHS.index(match["month"]) + 1
    clock = int(match["hour"]), int(match["minute"]), int(match["second"])
    posix = timegm((year, month, day, *clock))
    # timegm carries a 31 June over to July; a date must come back as it was written.
    return posix if gmtime(posix - clock[2])[:3] == (year, month, day) else None


def failed_precondition(
    request: Request, tag: bytes, modified: int, now: float
) -> HTTPStatus | None:
    """304 or 412 when that is the answer, None when the request is to be carried out.

    `tag` is the entity tag of the file as it stands, strong, with its quotes; `modified` and `now`
    are POSIX seconds. The order is that of RFC 9110, 13.2.2.
    """
    if request.if_match is not None:
        if not _matches(request.if_match, tag, weak=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif request.if_unmodified_since is not None:
        since = parse_http_date(request.if_unmodified_since, now)
        if since is not None and modified > since:
            return HTTPStatus.PRECONDITION_FAILED
    if request.if_none_match is not None:
        if _matches(request.if_none_match, tag, weak=True):
            return HTTPStatus.NOT_MODIFIED
    elif request.if_modified_since is not None:
        since = parse_http_date(request.if_modified_since, now)
        if since is not None and modified <= since:
            return HTTPStatus.NOT_MODIFIED
    return None


def range_applies(request: Request, tag: bytes, modified: int, now: float) -> bool:
    """Whether If-Range, if there is one, lets the Range field count (RFC 9110, 13.1.5).

    A date counts only if it is exactly that of the file, and the file has been at rest for a
    second: in that second it may have changed twice (8.8.2.2).
    """
    value = request.if_range
    if value is None or value == tag:
        return True
    return parse_http_date(value, now) == modified and now - modified >= 1


def _matches(listed: bytes, tag: bytes, *, weak: bool) -> bool:
    if listed == b"*":
        return True
    return any(match[2] == tag and (weak or not match[1]) for match in _TAG.finditer(listed))
