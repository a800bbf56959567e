"""Conditional requests."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.http.precondition import (
    failed_precondition,
    http_date,
    parse_http_date,
    range_applies,
)
from netbootd.http.request import Request

NOON = 784111777
EXAMPLE = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
TAG = b'"a-b-c"'
NOW = NOON + 86400.0


@pytest.mark.parametrize(
    "date",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ],
)
def test_dates(date: bytes) -> None:
    """All three forms of RFC 9110, 5.6.7 are understood."""
    assert parse_http_date(date, NOW) == NOON


@pytest.mark.parametrize(
    "date",
    [
        b"",
        b"0",
        b"yesterday",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Jun 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 29 Feb 1995 08:49:37 GMT",
    ],
)
def test_no_dates(date: bytes) -> None:
    """What is no date is none, and not a guess."""
    assert parse_http_date(date, NOW) is None


@pytest.mark.parametrize(
    ("year", "written", "now"),
    [(1994, b"94", NOON), (2026, b"26", NOON), (2043, b"43", NOON), (1945, b"45", NOON)],
)
def test_two_digit_years(year: int, written: bytes, now: float) -> None:
    """A two-digit year more than 50 years ahead is one of the century before."""
    posix = parse_http_date(b"Sunday, 06-Nov-" + written + b" 08:49:37 GMT", now)

    assert posix is not None
    assert b" %d " % year in http_date(posix)


@given(st.integers(0, 253402300799))
def test_date_round_trip(posix: int) -> None:
    """Every second up to the year 9999 is read back as it was written."""
    assert parse_http_date(http_date(posix), NOW) == posix


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"if_none_match": TAG}, 304),
        ({"if_none_match": b"W/" + TAG}, 304),
        ({"if_none_match": b'"x", ' + TAG + b', "y"'}, 304),
        ({"if_none_match": b"*"}, 304),
        ({"if_none_match": b'"other"'}, None),
        ({"if_none_match": b"a-b-c"}, None),
        ({"if_none_match": b'"a-b-c'}, None),
        ({"if_modified_since": EXAMPLE}, 304),
        ({"if_modified_since": AFTER}, 304),
        ({"if_modified_since": BEFORE}, None),
        ({"if_modified_since": b"rubbish"}, None),
        # If-None-Match is asked instead of If-Modified-Since
        ({"if_none_match": b'"other"', "if_modified_since": EXAMPLE}, None),
        ({"if_none_match": TAG, "if_modified_since": BEFORE}, 304),
        ({"if_match": TAG}, None),
        ({"if_match": b"*"}, None),
        ({"if_match": b"W/" + TAG}, 412),  # compared strongly
        ({"if_match": b'"other"'}, 412),
        ({"if_unmodified_since": EXAMPLE}, None),
        ({"if_unmodified_since": AFTER}, None),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_unmodified_since": b"rubbish"}, None),
        # If-Match is asked instead of If-Unmodified-Since, and before all others
        ({"if_match": TAG, "if_unmodified_since": BEFORE}, None),
        ({"if_match": b'"other"', "if_none_match": TAG}, 412),
        ({"if_match": TAG, "if_none_match": TAG}, 304),
    ],
)
def test_preconditions(fields: dict[str, bytes], expected: int | None) -> None:
    """The order of precedence and the comparisons are those of RFC 9110, 13.2.2."""
    request = Request(name=b"x", conditional=True, **fields)

    failed = failed_precondition(request, TAG, NOON, NOW)

    assert failed == (None if expected is None else HTTPStatus(expected))


@pytest.mark.parametrize(
    ("value", "now", "applies"),
    [
        (None, NOW, True),
        (TAG, NOW, True),
        (b"W/" + TAG, NOW, False),
        (b'"other"', NOW, False),
        (EXAMPLE, NOW, True),
        (EXAMPLE, NOON + 0.5, False),  # may still change within that second
        (BEFORE, NOW, False),
        (AFTER, NOW, False),
        (b"rubbish", NOW, False),
    ],
)
def test_if_range(value: bytes | None, now: float, applies: bool) -> None:
    """If-Range compares strongly, dates by equality; if it fails, the whole file is sent."""
    request = Request(name=b"x", conditional=True, if_range=value)

    assert range_applies(request, TAG, NOON, now) is applies
