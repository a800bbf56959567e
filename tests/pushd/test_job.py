"""A push to be delivered: its lane, its order, what makes it pointless, and its id."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.apns.message import Broadcast, Notification, PushType, objection_to
from pushd.job import Job, LaneKey, deadline_of, ordered_id

NOW = 1_790_000_000_000
DEVICE = "ab" * 32
ID = "0190b3b0-0000-7000-8000-000000000000"


def alert(
    *,
    push_type: PushType = PushType.ALERT,
    collapse_id: str | None = None,
    priority: int | None = None,
    expiration: int | None = None,
) -> Notification:
    return Notification(
        device=DEVICE,
        topic="com.example.app",
        push_type=push_type,
        payload=b'{"aps":{}}',
        apns_id=ID,
        collapse_id=collapse_id,
        priority=priority,
        expiration=expiration,
    )


def broadcast() -> Broadcast:
    return Broadcast(
        bundle_id="com.example.app",
        channel_id="dHN0LXNyY2gtY2hubA==",
        payload=b"{}",
        expiration=0,
        request_id=ID,
    )


def job(push: Notification | Broadcast) -> Job:
    return Job(push=push, credential="main", submitted_at=NOW, deadline=NOW // 1000 + 60)


def test_a_notification_goes_by_its_topic_and_its_device() -> None:
    """Its id is the apns-id, its priority Apple's default, and nothing collapses it."""
    made = job(alert())

    assert (made.id, made.lane) == (ID, LaneKey("main", "com.example.app"))
    assert (made.order_key, made.priority, made.collapse_key) == (DEVICE, 10, None)


def test_a_broadcast_goes_by_its_live_activity_and_its_channel() -> None:
    """Its id is the request id; channels keep their order as devices do."""
    made = job(broadcast())

    assert made.lane == LaneKey("main", "com.example.app.push-type.liveactivity")
    assert (made.id, made.order_key) == (ID, "dHN0LXNyY2gtY2hubA==")
    assert made.collapse_key is None


def test_a_collapse_id_and_a_wake_collapse_per_device() -> None:
    """No collapse id, which has a character at least, is taken for a wake."""
    assert job(alert(collapse_id="score")).collapse_key == (DEVICE, "score")
    assert job(alert(push_type=PushType.MDM)).collapse_key == (DEVICE, "")


@pytest.mark.parametrize(
    ("expiration", "deadline"),
    [
        (None, 1_790_003_600),
        (0, 1_790_003_600),
        (1_790_000_005, 1_790_000_005),
        (1 << 62, 1_790_003_600),
    ],
)
def test_a_push_is_worth_sending_until(expiration: int | None, deadline: int) -> None:
    """The expiration counts, but no push waits longer than the configured age."""
    push = alert(expiration=expiration)

    assert deadline_of(push, submitted_at=NOW, max_age=3600.0) == deadline


@given(now=st.integers(0, (1 << 48) - 1), seed=st.integers())
def test_our_ids_are_canonical_uuids_that_tell_their_time(now: int, seed: int) -> None:
    """Version 7, variant of RFC 9562, as Apple writes them; the first 48 bits are milliseconds."""
    made = ordered_id(now, random.Random(seed).getrandbits)

    parsed = uuid.UUID(made)
    assert str(parsed) == made
    assert (parsed.version, parsed.variant, parsed.int >> 80) == (7, uuid.RFC_4122, now)


def test_all_random_bits_are_used() -> None:
    """74 random bits make 74 bits of the id differ, and no others."""
    zeros = uuid.UUID(ordered_id(5, lambda bits: 0))
    ones = uuid.UUID(ordered_id(5, lambda bits: (1 << bits) - 1))

    assert (zeros.int ^ ones.int).bit_count() == 74
    assert objection_to(alert()) is None
