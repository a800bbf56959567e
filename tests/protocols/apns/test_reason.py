"""What Apple's answers ask of a provider, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.apns.answer import Answer
from protocols.apns.reason import (
    LATE,
    SAME_TOKEN,
    SOON,
    VERDICTS,
    Backoff,
    Connection,
    Disposition,
    Reason,
    drops_token,
    reason_of,
    verdict_of,
)

ROWS = [
    # status, reason, disposition, connection, tries again, backoff, a new token
    (200, None, "ACCEPTED", "KEEP", 0, None, False),
    (400, "BadCollapseId", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "BadDeviceToken", "BAD_TOKEN", "KEEP", 0, None, False),
    (400, "BadExpirationDate", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "BadMessageId", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "BadPriority", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "BadTopic", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "DeviceTokenNotForTopic", "TOPIC_FAULT", "KEEP", 0, None, False),
    (400, "DuplicateHeaders", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "IdleTimeout", "MOVE", "REPLACE", None, None, False),
    (400, "InvalidPushType", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "MissingDeviceToken", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "MissingTopic", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "MissingPushType", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "PayloadEmpty", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "TopicDisallowed", "TOPIC_FAULT", "KEEP", 0, None, False),
    (400, "TopicMismatch", "TOPIC_FAULT", "KEEP", 0, None, False),
    (400, "MissingChannelId", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "BadChannelId", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "ChannelNotRegistered", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, "FeatureNotEnabled", "TOPIC_FAULT", "KEEP", 0, None, False),
    (400, "CannotCreateChannelConfig", "CALLER_FAULT", "KEEP", 0, None, False),
    (403, "BadCertificate", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (403, "BadCertificateEnvironment", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (403, "ExpiredProviderToken", "MOVE", "REPLACE", 1, None, True),
    (403, "Forbidden", "CALLER_FAULT", "KEEP", 0, None, False),
    (403, "InvalidProviderToken", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (403, "MissingProviderToken", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (403, "UnrelatedKeyIdInToken", "MOVE", "REPLACE", 1, None, False),
    (403, "BadEnvironmentKeyIdInToken", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (403, "BadEnvironmentKeyInToken", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (404, "BadPath", "CALLER_FAULT", "KEEP", 0, None, False),
    (405, "MethodNotAllowed", "CALLER_FAULT", "KEEP", 0, None, False),
    (410, "ExpiredToken", "DROP_TOKEN", "KEEP", 0, None, False),
    (410, "Unregistered", "DROP_TOKEN", "KEEP", 0, None, False),
    (413, "PayloadTooLarge", "CALLER_FAULT", "KEEP", 0, None, False),
    (429, "TooManyProviderTokenUpdates", "RETRY", "REPLACE", None, SOON, False),
    (429, "TooManyRequests", "RETRY", "KEEP", None, SAME_TOKEN, False),
    (500, "InternalServerError", "RETRY", "KEEP", None, LATE, False),
    (503, "ServiceUnavailable", "RETRY", "KEEP", None, LATE, False),
    (503, "Shutdown", "MOVE", "REPLACE", None, None, False),
    # what Apple does not document, by its status
    (400, "SomethingNew", "CALLER_FAULT", "KEEP", 0, None, False),
    (400, None, "CALLER_FAULT", "KEEP", 0, None, False),
    (403, "SomethingNew", "CREDENTIAL_FAULT", "REPLACE", 0, None, False),
    (410, None, "DROP_TOKEN", "KEEP", 0, None, False),
    (418, "Unregistered", "CALLER_FAULT", "KEEP", 0, None, False),
    (429, "SomethingNew", "RETRY", "KEEP", None, SAME_TOKEN, False),
    (502, None, "RETRY", "KEEP", None, LATE, False),
]


@pytest.mark.parametrize(
    ("status", "reason", "disposition", "connection", "retries", "backoff", "mints"), ROWS
)
def test_each_row(
    status: int,
    reason: str | None,
    disposition: str,
    connection: str,
    retries: int | None,
    backoff: Backoff | None,
    mints: bool,
) -> None:
    """Each status and reason has the consequence that Apple, or who learned it, asks for."""
    verdict = verdict_of(Answer(status=status, reason=reason))

    assert verdict.disposition is Disposition[disposition]
    assert verdict.connection is Connection[connection]
    assert (verdict.retries, verdict.backoff, verdict.mints) == (retries, backoff, mints)


def test_every_row_is_tested() -> None:
    """The table holds no row that the list above has not, and every reason is in some row."""
    tested = {(status, reason) for status, reason, *_ in ROWS}

    assert {(status, str(reason)) for status, reason in VERDICTS} <= tested
    assert {reason for _, reason in VERDICTS} == set(Reason)


@given(status=st.integers(100, 999), reason=st.none() | st.text(max_size=20))
def test_any_answer_is_judged(status: int, reason: str | None) -> None:
    """Whatever Apple says, only 200 is an acceptance, and what is tried again later says when."""
    verdict = verdict_of(Answer(status=status, reason=reason))

    assert (verdict.disposition is Disposition.ACCEPTED) == (status == 200)
    assert (verdict.disposition is Disposition.RETRY) == (verdict.backoff is not None)


def test_a_reason_that_is_not_documented_is_none() -> None:
    """Only what Apple documents is a `Reason`."""
    known = reason_of(Answer(status=410, reason="Unregistered"))
    unknown = reason_of(Answer(status=410, reason="Unheard"))

    assert (known, unknown) == (Reason.UNREGISTERED, None)


@pytest.mark.parametrize(
    ("registered_at", "timestamp", "dropped"),
    [(999, 1000, True), (1000, 1000, True), (1001, 1000, False), (5000, None, True),
     (5001, None, False)],
)  # fmt: skip
def test_a_token_registered_later_is_kept(
    registered_at: int, timestamp: int | None, dropped: bool
) -> None:
    """410 ends a registration made at or before its timestamp; without one, before the push."""
    answer = Answer(status=410, reason="Unregistered", timestamp=timestamp)

    assert drops_token(answer, registered_at=registered_at, sent_at=5000) is dropped


def test_only_410_drops_a_token() -> None:
    """A bad token may be one of the other environment: it is not forgotten for that."""
    answer = Answer(status=400, reason="BadDeviceToken", timestamp=10)

    assert not drops_token(answer, registered_at=1, sent_at=5000)


def test_the_delay_doubles_up_to_the_longest() -> None:
    """1, 2, 4 … 60 seconds, each shortened by the jitter by less than a half."""
    delays = [SOON.delay(tries, 0.0) for tries in (1, 2, 3, 7, 1000)]

    assert delays == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert SOON.delay(3, 0.5) == 3.0
