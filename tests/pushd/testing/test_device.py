"""What becomes of accepted pushes: delivered, stored, coalesced, expired, discarded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocols.apns.reason import Reason
from pushd.testing import Authority, Reach
from pushd.testing.background import Background
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import TOKEN, TOPIC
from tests.pushd.testing.test_provider_token import SetClock
from tests.pushd.testing.test_request import reason

LATER = "1800000600"
"""Ten minutes after the clock's time."""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def options(clock: SetClock) -> dict[str, Any]:
    return {"unix": clock}


def reach(apple: Background, how: Reach, at: float) -> list[bytes]:
    """Change how the device is reached; the payloads that it gets now."""
    return apple.run(
        lambda simulator: [
            push.payload for push in simulator.service.devices.reach(TOKEN, how, now=at)
        ]
    )


def payload(number: int) -> bytes:
    return b'{"aps":{"badge":%d}}' % number


def counts(apple: Background) -> dict[str, int]:
    said = apple.run(lambda simulator: simulator.statistics)
    names = ("delivered", "stored", "coalesced", "expired", "discarded")
    return {name: getattr(said, name) for name in names if getattr(said, name)}


def test_the_newest_of_an_app_waits_for_its_device(
    apple: Background, connect: Connect, clock: SetClock
) -> None:
    """Of what is pushed to a device that is offline, one for each app is stored, the newest."""
    hand = connect()
    reach(apple, Reach.OFFLINE, clock.now)

    for number in (1, 2, 3):
        assert hand.push(payload=payload(number), apns_expiration=LATER).status == 200
    waiting = counts(apple)
    delivered = reach(apple, Reach.ONLINE, clock.now + 599)

    assert waiting == {"stored": 1, "coalesced": 2}
    assert delivered == [payload(3)]
    assert counts(apple) == {"stored": 1, "coalesced": 2, "delivered": 1}
    assert [push.delivery for push in apple.run(lambda simulator: simulator.pushes)] == [
        "stored",
        "coalesced",
        "coalesced",
    ]


def test_each_app_has_its_own(
    apple: Background, connect: Connect, authority: Authority, clock: SetClock
) -> None:
    """Apps do not take each other's place; the topics of one app do."""
    topics = [TOPIC, TOPIC + ".voip", "com.example.other"]
    hand = connect(certificate=authority.provider(TOPIC, topics=topics))
    reach(apple, Reach.OFFLINE, clock.now)

    for topic, push_type in zip(topics, ("alert", "voip", "alert"), strict=True):
        hand.push(apns_topic=topic, apns_push_type=push_type, apns_expiration=LATER)

    assert counts(apple) == {"stored": 2, "coalesced": 1}


@pytest.mark.parametrize("expiration", [None, "0", "1799999999"])
def test_what_may_not_be_stored_is_discarded(
    apple: Background, connect: Connect, clock: SetClock, expiration: str | None
) -> None:
    """One attempt: no expiration, 0, or one that has passed."""
    reach(apple, Reach.OFFLINE, clock.now)

    answer = connect().push(apns_expiration=expiration)

    assert answer.status == 200
    assert counts(apple) == {"discarded": 1}


def test_what_waits_too_long_expires(apple: Background, connect: Connect, clock: SetClock) -> None:
    """A stored push is not delivered once its expiration has come."""
    hand = connect()
    reach(apple, Reach.OFFLINE, clock.now)
    hand.push(apns_expiration=LATER)

    before = counts(apple)
    clock.now += 600
    after = counts(apple)

    assert before == {"stored": 1}
    assert after == {"stored": 1, "expired": 1}
    assert reach(apple, Reach.ONLINE, clock.now) == []


def test_what_has_expired_is_not_delivered_late(
    apple: Background, connect: Connect, clock: SetClock
) -> None:
    """Nor if nobody has looked in the meantime; and what comes after it is stored anew."""
    hand = connect()
    reach(apple, Reach.OFFLINE, clock.now)
    hand.push(apns_expiration=LATER)
    clock.now += 600
    hand.push(payload=payload(2), apns_expiration=str(int(clock.now) + 60))

    assert reach(apple, Reach.ONLINE, clock.now) == [payload(2)]
    assert counts(apple) == {"stored": 2, "expired": 1, "delivered": 1}


def test_nothing_is_stored_for_more_than_thirty_days(
    apple: Background, connect: Connect, clock: SetClock
) -> None:
    """However late its expiration."""
    hand = connect()
    reach(apple, Reach.OFFLINE, clock.now)
    hand.push(apns_expiration=str(1 << 40))

    assert reach(apple, Reach.ONLINE, clock.now + 30 * 86400) == []


def test_a_sleeping_device_is_woken_by_priority_10_only(
    apple: Background, connect: Connect, clock: SetClock
) -> None:
    """Priorities 5 and 1 heed the device's power."""
    hand = connect()
    reach(apple, Reach.SLEEPING, clock.now)

    hand.push(payload=payload(5), apns_priority="5", apns_expiration=LATER)
    hand.push(payload=payload(10), apns_priority="10")

    assert counts(apple) == {"stored": 1, "delivered": 1}
    assert reach(apple, Reach.ONLINE, clock.now) == [payload(5)]


def test_an_unregistered_token(apple: Background, connect: Connect) -> None:
    """410, and since when; once it is registered anew it is good again."""
    hand = connect()
    apple.run(
        lambda simulator: simulator.service.devices.unregister(
            TOKEN.upper(), invalid_since=1_700_000_000_123
        )
    )

    gone = hand.push()
    apple.run(lambda simulator: simulator.service.devices.register(TOKEN))
    back = hand.push()

    assert gone.status == 410
    assert json.loads(gone.body) == {"reason": "Unregistered", "timestamp": 1_700_000_000_123}
    assert back.verdict == (200, b"")


def test_an_expired_token(apple: Background, connect: Connect) -> None:
    """Likewise, with the other reason."""
    apple.run(
        lambda simulator: simulator.service.devices.unregister(
            TOKEN, invalid_since=1, reason=Reason.EXPIRED_TOKEN
        )
    )

    answer = connect().push()

    assert (answer.status, json.loads(answer.body)["reason"]) == (410, "ExpiredToken")


def test_a_token_of_another_app(apple: Background, connect: Connect) -> None:
    """A token is good for the topics it was made for."""
    apple.run(
        lambda simulator: simulator.service.devices.register(
            TOKEN, topics=frozenset({"com.example.other"})
        )
    )

    assert connect().push().verdict == (400, reason("DeviceTokenNotForTopic"))


def test_only_registered_tokens(apple: Background, connect: Connect) -> None:
    """When told so, the simulator knows no other tokens."""

    def close(simulator: Any) -> None:
        simulator.service.devices.closed = True
        simulator.service.devices.register(TOKEN, topics=frozenset({TOPIC}))

    apple.run(close)
    hand = connect()

    assert hand.push().verdict == (200, b"")
    assert hand.push("cd" * 32).verdict == (400, reason("BadDeviceToken"))


def test_the_order_of_a_device(apple: Background, connect: Connect) -> None:
    """Pushes to a device are on record in the order in which they came."""
    hand = connect()

    for number in range(6):
        hand.begin(("ab" if number % 2 else "cd") * 32, payload=payload(number), apns_id=None)
    apple.until(lambda simulator: simulator.record.accepted == 6)

    to = apple.run(lambda simulator: simulator.record.to("AB" * 32))
    assert [push.payload for push in to] == [payload(1), payload(3), payload(5)]


def test_an_id_that_comes_twice(apple: Background, connect: Connect) -> None:
    """It is accepted twice, as Apple does, and counted."""
    hand = connect()

    hand.push()
    hand.push()

    assert apple.run(lambda simulator: simulator.statistics).duplicates == 1
