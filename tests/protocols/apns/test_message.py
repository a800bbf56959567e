"""Pushes: what is sent, and what is refused before Apple would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.apns.message import (
    SUFFIXES,
    Broadcast,
    Notification,
    PushType,
    mdm_payload,
    objection_to,
    topic_for,
)

APP = "com.example.app"
UUID = "123e4567-e89b-12d3-a456-4266554400a0"
MDM_TOPIC = "com.apple.mgmt.External.18a16429-886b-41f1-9c30-2bd04ae4fc37"
ALERT = Notification(
    device="00" * 32,
    topic=APP,
    push_type=PushType.ALERT,
    payload=b'{"aps":{"alert":"Hello"}}',
    apns_id=UUID,
)
WAKE = replace(
    ALERT, topic=MDM_TOPIC, push_type=PushType.MDM, payload=b'{"mdm":"0B5A"}', priority=10
)
BROADCAST = Broadcast(
    bundle_id=APP, channel_id="dHN0LXNyY2gtY2hubA==", payload=b"{}", expiration=0, request_id=UUID
)


def of_size(size: int) -> bytes:
    """A JSON object of so many bytes."""
    return b'{"a":"%s"}' % (b"x" * (size - 8))


def test_what_is_sent() -> None:
    """Path and headers are Apple's; what is not said is not sent."""
    whole = replace(ALERT, expiration=0, priority=5, collapse_id="news")

    assert ALERT.path == "/3/device/" + "00" * 32
    assert ALERT.headers() == (
        ("apns-push-type", "alert"),
        ("apns-topic", APP),
        ("apns-id", UUID),
    )
    assert dict(whole.headers()) == {
        "apns-push-type": "alert",
        "apns-topic": APP,
        "apns-priority": "5",
        "apns-id": UUID,
        "apns-expiration": "0",
        "apns-collapse-id": "news",
    }


def test_what_is_broadcast() -> None:
    """A broadcast names its app in the path and its channel in a header."""
    assert BROADCAST.path == f"/4/broadcasts/apps/{APP}"
    assert BROADCAST.headers() == (
        ("apns-push-type", "liveactivity"),
        ("apns-channel-id", "dHN0LXNyY2gtY2hubA=="),
        ("apns-request-id", UUID),
        ("apns-expiration", "0"),
    )


@pytest.mark.parametrize("push_type", list(PushType))
def test_every_type_with_its_topic(push_type: PushType) -> None:
    """A push of each type to the topic that Apple asks for is right."""
    topic = MDM_TOPIC if push_type is PushType.MDM else topic_for(APP, push_type)
    payload = mdm_payload("m") if push_type is PushType.MDM else b"{}"
    push = replace(ALERT, push_type=push_type, topic=topic, payload=payload, priority=5)

    assert objection_to(push) is None


@pytest.mark.parametrize("push_type", list(SUFFIXES))
def test_the_suffix_is_asked_for(push_type: PushType) -> None:
    """Without its suffix, or with nothing before it, a topic is none of that type."""
    for topic in (APP, "x" + SUFFIXES[push_type][1:]):
        objection = objection_to(replace(ALERT, push_type=push_type, topic=topic))

        assert objection is not None
        assert (objection.status, objection.reason) == (400, "TopicDisallowed")
        assert SUFFIXES[push_type] in objection.detail


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"device": ""}, 400, "MissingDeviceToken"),
        ({"device": "0"}, 400, "BadDeviceToken"),
        ({"device": "00FF"}, 400, "BadDeviceToken"),
        ({"device": "zz"}, 400, "BadDeviceToken"),
        ({"device": "00" * 201}, 400, "BadDeviceToken"),
        ({"device": "00\n"}, 400, "BadDeviceToken"),
        ({"apns_id": UUID.upper()}, 400, "BadMessageId"),
        ({"apns_id": ""}, 400, "BadMessageId"),
        ({"apns_id": UUID + "\n"}, 400, "BadMessageId"),
        ({"topic": ""}, 400, "MissingTopic"),
        ({"topic": "com example"}, 400, "BadTopic"),
        ({"topic": "x" * 301}, 400, "BadTopic"),
        ({"topic": "com.example\r\nx: y"}, 400, "BadTopic"),
        ({"push_type": PushType.MDM}, 400, "TopicDisallowed"),
        ({"expiration": -1}, 400, "BadExpirationDate"),
        ({"expiration": 1 << 63}, 400, "BadExpirationDate"),
        ({"priority": 0}, 400, "BadPriority"),
        ({"priority": 7}, 400, "BadPriority"),
        ({"push_type": PushType.BACKGROUND}, 400, "BadPriority"),
        ({"push_type": PushType.BACKGROUND, "priority": 10}, 400, "BadPriority"),
        ({"collapse_id": ""}, 400, "BadCollapseId"),
        ({"collapse_id": "x" * 65}, 400, "BadCollapseId"),
        ({"collapse_id": "ü" * 33}, 400, "BadCollapseId"),
        ({"collapse_id": "a\nb"}, 400, "BadCollapseId"),
        ({"payload": b""}, 400, "PayloadEmpty"),
        ({"payload": of_size(4097)}, 413, "PayloadTooLarge"),
        ({"payload": b"no json"}, 400, None),
        ({"payload": b"[1]"}, 400, None),
        ({"payload": b'{"a":"\xff"}'}, 400, None),
        ({"payload": b'{"a":' * 700 + b"1" + b"}" * 500}, 400, None),
    ],
)
def test_what_apple_would_refuse(change: dict[str, Any], status: int, reason: str | None) -> None:
    """Each fault has the status and the reason that Apple would give, and says what is right."""
    objection = objection_to(replace(ALERT, **change))

    assert objection is not None
    assert (objection.status, objection.reason) == (status, reason)
    assert objection.detail


@pytest.mark.parametrize(
    ("push", "maximum"),
    [
        (ALERT, 4096),
        (replace(ALERT, push_type=PushType.VOIP, topic=f"{APP}.voip"), 5120),
        (BROADCAST, 5120),
    ],
)
def test_the_longest_payload(push: Notification | Broadcast, maximum: int) -> None:
    """4096 bytes; 5120 for VoIP and broadcasts; not one more."""
    assert objection_to(replace(push, payload=of_size(maximum))) is None
    objection = objection_to(replace(push, payload=of_size(maximum + 1)))
    assert objection is not None
    assert (objection.status, objection.reason) == (413, "PayloadTooLarge")


def test_a_collapse_id_of_64_bytes() -> None:
    """The limit counts bytes."""
    assert objection_to(replace(ALERT, collapse_id="ü" * 32)) is None


@pytest.mark.parametrize(
    "payload",
    [b'{"mdm":"m","aps":{}}', b'{"aps":{}}', b'{"mdm":""}', b'{"mdm":1}', b"{}"],
)
def test_an_mdm_push_carries_its_magic_alone(payload: bytes) -> None:
    """Whatever is not exactly {"mdm": PushMagic} is refused: the device would not wake."""
    objection = objection_to(replace(WAKE, payload=payload))

    assert objection is not None
    assert "PushMagic" in objection.detail


@given(magic=st.text(min_size=1))
def test_the_payload_of_a_wake(magic: str) -> None:
    """Any PushMagic makes a payload that says it and nothing else."""
    payload = mdm_payload(magic.encode("utf-8", "replace").decode())

    assert json.loads(payload) == {"mdm": magic.encode("utf-8", "replace").decode()}
    assert b" :" not in payload[:8]


def test_a_wake_is_right() -> None:
    """The usual wake of a managed Mac."""
    assert objection_to(WAKE) is None
    assert WAKE.payload == mdm_payload("0B5A")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"request_id": "x"}, "BadMessageId"),
        ({"bundle_id": "../x"}, "BadTopic"),
        ({"channel_id": ""}, "MissingChannelId"),
        ({"channel_id": "no base64!"}, "BadChannelId"),
        ({"channel_id": "a" * 201}, "BadChannelId"),
        ({"expiration": -1}, "BadExpirationDate"),
        ({"priority": 2}, "BadPriority"),
        ({"payload": b""}, "PayloadEmpty"),
    ],
)
def test_broadcasts_that_apple_would_refuse(change: dict[str, Any], reason: str) -> None:
    """A broadcast is judged as a push to a device is."""
    objection = objection_to(replace(BROADCAST, **change))

    assert objection is not None
    assert (objection.status, objection.reason) == (400, reason)
