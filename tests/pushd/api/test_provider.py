"""Apple's provider API, as its clients see it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from protocols.apns.message import Broadcast, Notification, PushType
from pushd.api.bearer import new_token
from pushd.api.intake import MDM_LIFETIME
from pushd.outcome import Accepted, Cancelled, Collapsed, Expired, Failed, Outcome, Rejected
from tests.pushd.api.stand import APP, Stand
from tests.pushd.rig import MDM_TOPIC, START, push_id

TO_APP = f"/4/broadcasts/apps/{APP}"
LIVE = f"{APP}.push-type.liveactivity"
CHANNEL = {
    "apns-push-type": "liveactivity",
    "apns-channel-id": "dHN0LXNyY2gtY2hubA==",
    "apns-expiration": "0",
    "apns-topic": "",
}


def test_a_push_is_acknowledged_after_its_commit(stand: Stand) -> None:
    """200 and the id, which is the client's as it wrote it."""
    asked = stand.push(headers={"apns-id": push_id(1).upper()}, disk=False)
    stand.rig.turn()
    before = asked.status
    stand.rig.settle_down()

    assert (before, asked.status, asked.body) == (0, 200, b"")
    assert asked.headers == {"apns-id": push_id(1).upper()}
    assert stand.only_push().apns_id == push_id(1)


def test_a_push_without_an_id_gets_one(stand: Stand) -> None:
    """As at Apple's."""
    asked = stand.push()

    assert asked.headers["apns-id"] == stand.only_push().apns_id


def test_all_headers_arrive(stand: Stand) -> None:
    """And the payload as it came."""
    headers = {
        "apns-id": push_id(1),
        "apns-priority": "5",
        "apns-expiration": "1800000000",
        "apns-collapse-id": "grün",
        "apns-push-type": "background",
    }

    stand.push("/3/device/AABB", b'{ "aps":{"content-available":1}}', headers=headers)

    assert stand.only_push() == Notification(
        device="aabb",
        topic=APP,
        push_type=PushType.BACKGROUND,
        payload=b'{ "aps":{"content-available":1}}',
        apns_id=push_id(1),
        expiration=1_800_000_000,
        priority=5,
        collapse_id="grün",
    )


def test_a_broadcast(stand: Stand) -> None:
    """Its id is called apns-request-id."""
    asked = stand.push(TO_APP, headers=CHANNEL)

    assert asked.status == 200
    push = stand.only_push(LIVE)
    assert isinstance(push, Broadcast)
    assert asked.headers == {"apns-request-id": push.request_id}


def test_what_old_clients_leave_out_follows_from_the_topic(stand: Stand) -> None:
    """nanopush names no push type and no expiration: a wake needs both."""
    stand.push(body=b'{"mdm":"Magic"}', headers={"apns-topic": MDM_TOPIC, "apns-push-type": ""})

    push = stand.only_push(MDM_TOPIC)
    assert (push.push_type, push.expiration) == (PushType.MDM, START + MDM_LIFETIME)


def test_the_topic_of_a_client_that_has_only_one(tmp_path: Path) -> None:
    """It may leave it out, as with a certificate that has only one."""
    made = new_token(Random(1).randbytes)
    clients = f'[[client]]\nname = "a"\ntoken = "{made.entry}"\ntopics = ["{MDM_TOPIC}"]\n'
    stand = Stand(tmp_path, anonymous=False, clients=clients)

    headers = {"authorization": f"bearer {made.token}", "apns-topic": "", "apns-push-type": ""}
    asked = stand.push(body=b'{"mdm":"Magic"}', headers=headers)
    topic = stand.only_push(MDM_TOPIC).topic
    stand.close()

    assert (asked.status, topic) == (200, MDM_TOPIC)


@pytest.mark.parametrize(
    ("target", "headers", "body", "status", "reason"),
    [
        ("/3/device/", {}, b"", 400, "MissingDeviceToken"),
        ("/3/device", {}, b"", 400, "MissingDeviceToken"),
        ("/3/device/xyz", {}, b"", 400, "BadDeviceToken"),
        ("/3/devices/aabb", {}, b"", 404, "BadPath"),
        ("/3/device/aabb/c", {}, b"", 404, "BadPath"),
        ("/4/broadcasts/apps", {}, b"", 404, "BadPath"),
        ("/3/device/aabb", {"apns-id": "1"}, b"", 400, "BadMessageId"),
        ("/3/device/aabb", {"apns-topic": ""}, b"", 400, "MissingTopic"),
        ("/3/device/aabb", {"apns-topic": "com.example.none"}, b"", 400, "TopicDisallowed"),
        ("/3/device/aabb", {"apns-topic": "com.example.two"}, b"", 400, "TopicDisallowed"),
        ("/3/device/aabb", {"apns-push-type": "x"}, b"", 400, "InvalidPushType"),
        ("/3/device/aabb", {"apns-push-type": "voip"}, b"", 400, "TopicDisallowed"),
        ("/3/device/aabb", {"apns-priority": "high"}, b"", 400, "BadPriority"),
        ("/3/device/aabb", {"apns-priority": "7"}, b"", 400, "BadPriority"),
        ("/3/device/aabb", {"apns-expiration": "soon"}, b"", 400, "BadExpirationDate"),
        ("/3/device/aabb", {"apns-expiration": "-1"}, b"", 400, "BadExpirationDate"),
        ("/3/device/aabb", {"apns-collapse-id": "x" * 65}, b"", 400, "BadCollapseId"),
        ("/3/device/aabb", {}, b'{"x":"' + b"x" * 4200 + b'"}', 413, "PayloadTooLarge"),
        ("/3/device/aabb", {}, b"x" * 20_000, 413, "PayloadTooLarge"),
        ("/3/device/aabb", {}, b"[" * 4000, 400, "BadPayload"),
        ("/3/device/aabb", {}, '{"aps":{}}'.encode("utf-16"), 400, "BadPayload"),
        (TO_APP, {"apns-push-type": ""}, b"", 400, "MissingPushType"),
        (TO_APP, {}, b"", 400, "InvalidPushType"),
        (TO_APP, {**CHANNEL, "apns-channel-id": ""}, b"", 400, "MissingChannelId"),
        (TO_APP, {**CHANNEL, "apns-expiration": ""}, b"", 400, "BadExpirationDate"),
    ],
)
def test_what_apple_would_refuse_is_refused(
    stand: Stand, target: str, headers: dict[str, str], body: bytes, status: int, reason: str
) -> None:
    """With Apple's status and reason, and the client's id."""
    name = "apns-request-id" if "broadcasts" in target else "apns-id"
    asked = stand.push(target, body, headers={name: push_id(1), **headers})

    assert (asked.status, asked.json) == (status, {"reason": reason})
    assert asked.headers[name] == headers.get(name, push_id(1))
    assert stand.rig.queue.depth == 0
    assert stand.ration.left == 64 << 20


def test_an_empty_payload(stand: Stand) -> None:
    """PayloadEmpty."""
    asked = stand.ask("POST", "/3/device/aabb", headers={"apns-topic": APP})

    assert (asked.status, asked.json) == (400, {"reason": "PayloadEmpty"})


def test_another_method(stand: Stand) -> None:
    """MethodNotAllowed."""
    asked = stand.ask("GET", "/3/device/aabb")

    assert (asked.status, asked.json) == (405, {"reason": "MethodNotAllowed"})


def test_repeated_headers(stand: Stand) -> None:
    """DuplicateHeaders, if they are Apple's."""
    apples = stand.push(repeated=frozenset({"apns-id"}))
    others = stand.push(repeated=frozenset({"cookie"}))

    assert (apples.status, apples.json) == (400, {"reason": "DuplicateHeaders"})
    assert others.status == 200


@pytest.mark.parametrize(
    ("outcome", "status", "body", "more"),
    [
        (Accepted(apns_id=push_id(1), unique_id="U"), 200, b"", {"apns-unique-id": "U"}),
        (
            Rejected(status=410, reason="Unregistered", invalid_since=5),
            410,
            b'{"reason":"Unregistered","timestamp":5}',
            {},
        ),
        (Rejected(status=400, reason=None), 400, b"", {}),
        (Failed(why="?"), 500, b'{"reason":"InternalServerError"}', {}),
        (Expired(), 400, b'{"reason":"BadExpirationDate"}', {}),
        (Collapsed(into=push_id(2)), 200, b"", {"pushd-state": "collapsed"}),
        (Cancelled(), 200, b"", {"pushd-state": "cancelled"}),
    ],
)
def test_in_wait_mode_the_answer_is_apples(
    stand: Stand, outcome: Outcome, status: int, body: bytes, more: dict[str, str]
) -> None:
    """Its status, reason and timestamp."""
    asked = stand.push(headers={"prefer": "wait=30", "apns-id": push_id(1)})
    before = asked.status
    (job,) = stand.rig.jobs()
    stand.rig.settle(job, outcome)

    assert (before, asked.status, asked.body) == (0, status, body)
    assert {"apns-id": push_id(1), **more}.items() <= asked.headers.items()
    assert stand.rig.queue._watchers == {}


def test_wait_mode_by_configuration(tmp_path: Path) -> None:
    """As long as that; then 200, for the push is on disk. A request may have it otherwise."""
    stand = Stand(tmp_path, provider_wait=10)

    asked = stand.push()
    at_once = stand.push(headers={"prefer": "wait=0"})
    before = asked.status
    stand.clock.advance(10)
    stand.close()

    assert (at_once.status, before, asked.status) == (200, 0, 200)


def test_a_client_that_left_holds_nothing(stand: Stand) -> None:
    """Neither before its push is whole nor while it waits."""
    begun = stand.begin("POST", "/3/device/aabb", headers={"apns-topic": APP})
    waiting = stand.push(headers={"prefer": "wait=30"})
    assert begun.sink is not None
    assert waiting.sink is not None
    begun.sink.lost()
    waiting.sink.lost()

    assert stand.rig.queue._watchers == {}
    assert stand.ration.left == 64 << 20
