"""What is right in a request, and what Apple answers to everything else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pushd.testing import Authority, Environment
from pushd.testing.background import Background
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import APNS_ID, PAYLOAD, TOKEN, TOPIC, bearer

UUID = r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}"


def reason(name: str) -> bytes:
    return b'{"reason":"%s"}' % name.encode()


def of_size(size: int) -> bytes:
    return b'{"a":"%s"}' % (b"x" * (size - 8))


def test_a_right_push_is_accepted_with_its_id(apple: Background, connect: Connect) -> None:
    """Status 200, the id echoed, no body, and the push on record as it came."""
    answer = connect().push(apns_expiration="0", apns_priority="5", apns_collapse_id="score")

    assert answer.verdict == (200, b"")
    assert answer.headers == {":status": "200", "apns-id": APNS_ID}
    (push,) = apple.run(lambda simulator: simulator.pushes)
    assert (push.token, push.topic, push.push_type) == (TOKEN, TOPIC, "alert")
    assert (push.expiration, push.priority, push.collapse_id) == (0, 5, "score")
    assert (push.payload, push.status, push.delivery) == (PAYLOAD, 200, "delivered")
    assert apple.run(lambda simulator: simulator.record.count_of(APNS_ID)) == 1


def test_an_id_is_given_in_capitals_where_there_is_none(connect: Connect) -> None:
    """A request without apns-id gets one."""
    answer = connect().push(apns_id=None)

    assert answer.status == 200
    assert re.fullmatch(UUID, answer.headers["apns-id"])


@pytest.mark.parametrize("options", [{"environment": Environment.DEVELOPMENT}])
def test_development_gives_a_unique_id(connect: Connect) -> None:
    """In the development environment an answer has apns-unique-id beside apns-id."""
    answer = connect().push()

    assert set(answer.headers) == {":status", "apns-id", "apns-unique-id"}


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"apns_id": "123"}, 400, "BadMessageId"),
    ({"apns_id": APNS_ID.replace("-", "")}, 400, "BadMessageId"),
    ({"apns_expiration": "soon"}, 400, "BadExpirationDate"),
    ({"apns_expiration": "-1"}, 400, "BadExpirationDate"),
    ({"apns_priority": "7"}, 400, "BadPriority"),
    ({"apns_push_type": "background"}, 400, "BadPriority"),
    ({"apns_push_type": "background", "apns_priority": "10"}, 400, "BadPriority"),
    ({"apns_collapse_id": "x" * 65}, 400, "BadCollapseId"),
    ({"apns_push_type": "postcard"}, 400, "InvalidPushType"),
    ({"apns_topic": "<com.example.app>"}, 400, "BadTopic"),
    ({"apns_topic": "com.example.other"}, 400, "TopicDisallowed"),
    ({"apns_topic": TOPIC, "apns_push_type": "voip"}, 400, "TopicDisallowed"),
    ({"apns_push_type": "mdm"}, 400, "TopicDisallowed"),
    ({"extra": [("apns-priority", "5"), ("apns-priority", "5")]}, 400, "DuplicateHeaders"),
    ({"extra": [("apns-topic", TOPIC)]}, 400, "DuplicateHeaders"),
    ({"token": "ab" * 31}, 400, "BadDeviceToken"),
    ({"token": "xy" * 32}, 400, "BadDeviceToken"),
    ({"token": "ab" * 32 + "a"}, 400, "BadDeviceToken"),
    ({"token": "ab" * 201}, 400, "BadDeviceToken"),
    ({"token": ""}, 400, "MissingDeviceToken"),
    ({"path": "/3/device"}, 400, "MissingDeviceToken"),
    ({"path": "/3/devices/" + TOKEN}, 404, "BadPath"),
    ({"path": "/"}, 404, "BadPath"),
    ({"method": "GET", "payload": None}, 405, "MethodNotAllowed"),
    ({"payload": b""}, 400, "PayloadEmpty"),
    ({"payload": None}, 400, "PayloadEmpty"),
    ({"payload": b"Hello"}, 400, "PayloadEmpty"),
    ({"payload": b'"Hello"'}, 400, "PayloadEmpty"),
    ({"payload": b'{"a":"\xff"}'}, 400, "PayloadEmpty"),
    ({"payload": of_size(4097)}, 413, "PayloadTooLarge"),
    ({"payload": of_size(16000)}, 413, "PayloadTooLarge"),
]


@pytest.mark.parametrize(("request_", "status", "why"), REFUSALS)
def test_a_wrong_request_is_refused(
    connect: Connect, request_: dict[str, Any], status: int, why: str
) -> None:
    """Each mistake has Apple's status and reason, and the answer an id."""
    answer = connect().push(**request_)

    assert answer.verdict == (status, reason(why))
    assert answer.headers["apns-id"]


@pytest.mark.parametrize(
    ("push_type", "suffix", "priority"),
    [
        ("alert", "", "10"),
        ("background", "", "5"),
        ("voip", ".voip", "10"),
        ("complication", ".complication", "10"),
        ("fileprovider", ".pushkit.fileprovider", "10"),
        ("location", ".location-query", "10"),
        ("liveactivity", ".push-type.liveactivity", "10"),
        ("pushtotalk", ".voip-ptt", "10"),
        ("widgets", ".push-type.widgets", "1"),
        ("controls", ".push-type.controls", "5"),
    ],
)
def test_each_push_type_has_its_topic(
    connect: Connect, authorization: str, push_type: str, suffix: str, priority: str
) -> None:
    """With a provider token, every type goes to the bundle id with its suffix."""
    answer = connect(authorization=authorization).push(
        apns_push_type=push_type, apns_topic=TOPIC + suffix, apns_priority=priority
    )

    assert answer.verdict == (200, b"")


@pytest.mark.parametrize(("push_type", "limit"), [("alert", 4096), ("voip", 5120)])
def test_payloads_have_a_limit(
    connect: Connect, authorization: str, push_type: str, limit: int
) -> None:
    """The largest payload of a type is accepted, a byte more is not."""
    hand = connect(authorization=authorization)
    topic = TOPIC + (".voip" if push_type == "voip" else "")
    headers = {"apns_push_type": push_type, "apns_topic": topic}

    largest = hand.push(payload=of_size(limit), **headers)
    larger = hand.push(payload=of_size(limit + 1), **headers)

    assert largest.verdict == (200, b"")
    assert larger.verdict == (413, reason("PayloadTooLarge"))


def test_a_push_without_type_is_accepted(connect: Connect) -> None:
    """apns-push-type is a recommendation."""
    assert connect().push(apns_push_type=None).status == 200


class TestCertificates:
    """What a certificate allows."""

    def test_its_only_topic_need_not_be_named(self, connect: Connect) -> None:
        """Without apns-topic, the UID of the certificate is the topic."""
        assert connect().push(apns_topic=None).status == 200

    def test_of_several_topics_one_is_named(self, connect: Connect, authority: Authority) -> None:
        """With the extension that lists topics, apns-topic is mandatory, and one of them."""
        pair = authority.provider(TOPIC, topics=[TOPIC, TOPIC + ".voip"])
        hand = connect(certificate=pair)

        answers = [
            hand.push(apns_topic=None),
            hand.push(apns_topic=TOPIC + ".voip", apns_push_type="voip"),
            hand.push(apns_topic=TOPIC + ".complication", apns_push_type="complication"),
        ]

        assert [answer.verdict for answer in answers] == [
            (400, reason("MissingTopic")),
            (200, b""),
            (400, reason("TopicDisallowed")),
        ]

    def test_mdm(self, connect: Connect, authority: Authority) -> None:
        """MDM's topic is the UID of its certificate, for pushes of type mdm."""
        topic = "com.apple.mgmt.External.9e1d2a38-0001-4f8e-b000-3c7c4a5f8e11"
        hand = connect(certificate=authority.provider(topic, environments=()))

        right = hand.push(apns_topic=topic, apns_push_type="mdm", payload=b'{"mdm":"MAGIC"}')
        wrong = hand.push(apns_topic=topic, apns_push_type="alert")

        assert right.verdict == (200, b"")
        assert wrong.verdict == (400, reason("TopicDisallowed"))

    @pytest.mark.parametrize("options", [{"environment": Environment.DEVELOPMENT}])
    def test_of_the_other_environment(self, connect: Connect, authority: Authority) -> None:
        """A certificate for production only is refused by the development environment."""
        pair = authority.provider(TOPIC, environments=[Environment.PRODUCTION])

        answer = connect(certificate=pair).push()

        assert answer.verdict == (403, reason("BadCertificateEnvironment"))

    def test_without_topic(self, connect: Connect, authority: Authority) -> None:
        """A certificate that names no topic is none for pushes."""
        answer = connect(certificate=authority.provider(None)).push()

        assert answer.verdict == (403, reason("BadCertificate"))

    def test_authorization_is_ignored(self, connect: Connect) -> None:
        """Beside a certificate, a provider token is not looked at."""
        assert connect().push(authorization="bearer nonsense").status == 200

    @pytest.mark.parametrize("options", [{"topics": frozenset({"com.example.other"})}])
    def test_topics_that_exist(self, connect: Connect) -> None:
        """A certificate is no good for an app that does not exist (any more)."""
        assert connect().push().verdict == (400, reason("TopicDisallowed"))


def test_a_token_of_topic_bound_key(apple: Background, connect: Connect) -> None:
    """A key for certain apps is good for these only, whatever the suffix."""
    key = apple.run(lambda simulator: simulator.new_key(topics=frozenset({TOPIC})))
    hand = connect(authorization=bearer(key))

    own = hand.push(apns_topic=TOPIC + ".voip", apns_push_type="voip")
    other = hand.push(apns_topic="com.example.other")
    none = hand.push(apns_topic=None)

    assert [answer.verdict for answer in (own, other, none)] == [
        (200, b""),
        (400, reason("TopicDisallowed")),
        (400, reason("MissingTopic")),
    ]
