"""Broadcast channels: managed, and pushed to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pushd.testing import Rule
from pushd.testing.background import Background
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import APNS_ID, TOPIC, Answer, Hand
from tests.pushd.testing.test_request import of_size, reason

CHANNELS = f"/1/apps/{TOPIC}/channels"
ALL = f"/1/apps/{TOPIC}/all-channels"
BROADCASTS = f"/4/broadcasts/apps/{TOPIC}"
NO_PUSH: dict[str, Any] = {"apns_topic": None, "apns_push_type": None, "apns_id": None}


@pytest.fixture
def hand(connect: Connect, authorization: str) -> Hand:
    return connect(authorization=authorization)


def manage(hand: Hand, method: str, path: str = CHANNELS, **request: Any) -> Answer:
    request.setdefault("payload", None)
    return hand.push(method=method, path=path, **NO_PUSH | request)


def create(hand: Hand, policy: int = 1) -> str:
    body = json.dumps({"message-storage-policy": policy, "push-type": "LiveActivity"})
    answer = manage(hand, "POST", payload=body.encode(), apns_request_id=APNS_ID)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["apns-request-id"] == APNS_ID
    return answer.headers["apns-channel-id"]


def broadcast(hand: Hand, channel: str | None, **request: Any) -> Answer:
    usual = {
        "path": BROADCASTS,
        "apns_channel_id": channel,
        "apns_push_type": "liveactivity",
        "apns_expiration": "0",
        "apns_request_id": APNS_ID,
        "apns_id": None,
        "apns_topic": None,
    }
    return hand.push(**usual | request)


def test_the_life_of_a_channel(hand: Hand) -> None:
    """Created, read, listed and deleted, after which it is not registered."""
    first, second = create(hand, 0), create(hand, 1)

    read = manage(hand, "GET", apns_channel_id=second)
    listed = manage(hand, "GET", ALL)
    deleted = manage(hand, "DELETE", apns_channel_id=first)
    again = manage(hand, "GET", apns_channel_id=first)
    left = manage(hand, "GET", ALL)

    assert read.status == 200
    assert json.loads(read.body) == {"message-storage-policy": 1, "push-type": "LiveActivity"}
    assert json.loads(listed.body) == {"channels": [first, second]}
    assert deleted.verdict == (204, b"")
    assert again.verdict == (400, reason("ChannelNotRegistered"))
    assert json.loads(left.body) == {"channels": [second]}


def test_a_broadcast(apple: Background, hand: Hand) -> None:
    """It is accepted with its request id, and kept where the channel's policy says so."""
    channel = create(hand)

    answer = broadcast(hand, channel, apns_expiration="1900000000", payload=of_size(5120))

    assert answer.verdict == (200, b"")
    assert answer.headers["apns-request-id"] == APNS_ID
    channels = apple.run(lambda simulator: simulator.service.channels)
    assert channels.stored(TOPIC, channel) == of_size(5120)
    (push,) = apple.run(lambda simulator: simulator.pushes)
    assert (push.token, push.topic) == (channel, TOPIC + ".push-type.liveactivity")


@pytest.mark.parametrize(
    ("request_", "status", "why"),
    [
        ({"apns_channel_id": None}, 400, "MissingChannelId"),
        ({"apns_channel_id": "~"}, 400, "BadChannelId"),
        ({"apns_channel_id": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400, "ChannelNotRegistered"),
        ({"apns_push_type": None}, 400, "MissingPushType"),
        ({"apns_push_type": "alert"}, 400, "InvalidPushType"),
        ({"apns_expiration": None}, 400, "BadExpirationDate"),
        ({"apns_expiration": "1900000000"}, 400, "BadExpirationDate"),
        ({"apns_priority": "2"}, 400, "BadPriority"),
        ({"apns_request_id": "1"}, 400, "BadMessageId"),
        ({"payload": of_size(5121)}, 413, "PayloadTooLarge"),
        ({"method": "PUT"}, 405, "MethodNotAllowed"),
        ({"path": "/4/broadcasts/apps/"}, 400, "BadTopic"),
    ],
)
def test_a_wrong_broadcast(hand: Hand, request_: dict[str, Any], status: int, why: str) -> None:
    """Each mistake has its reason; this channel stores nothing, so 0 is the only expiration."""
    answer = broadcast(hand, create(hand, 0), **request_)

    assert answer.verdict == (status, reason(why))


@pytest.mark.parametrize(
    ("request_", "status", "why"),
    [
        ({"method": "GET"}, 400, "MissingChannelId"),
        ({"method": "PUT"}, 405, "MethodNotAllowed"),
        ({"method": "DELETE", "path": ALL}, 405, "MethodNotAllowed"),
        ({"method": "POST", "payload": b"{}"}, 400, "MissingPushType"),
        ({"method": "POST", "payload": b'{"push-type":"Alert"}'}, 400, "InvalidPushType"),
        (
            {
                "method": "POST",
                "payload": b'{"push-type":"LiveActivity","message-storage-policy":2}',
            },
            400,
            "CannotCreateChannelConfig",
        ),
        ({"method": "GET", "path": "/1/apps/../channels"}, 404, "BadPath"),
    ],
)
def test_wrong_management(hand: Hand, request_: dict[str, Any], status: int, why: str) -> None:
    """Each mistake has its reason."""
    assert manage(hand, **request_).verdict == (status, reason(why))


def test_an_app_without_channels(apple: Background, hand: Hand) -> None:
    """An app for which broadcasts are not enabled has none."""
    apple.run(lambda simulator: simulator.service.channels.disabled.add(TOPIC))

    verdicts = [manage(hand, "GET", ALL).verdict, broadcast(hand, "AAAAAAAA").verdict]

    assert verdicts == [(400, reason("FeatureNotEnabled"))] * 2


def test_scripted(apple: Background, hand: Hand) -> None:
    """Rules go by the channel's id, as by a device's token."""
    channel = create(hand)
    rule = Rule(prefix=channel[:6], status=429, reason="TooManyRequests")
    apple.run(lambda simulator: simulator.rules.add(rule))

    assert broadcast(hand, channel).verdict == (429, reason("TooManyRequests"))
