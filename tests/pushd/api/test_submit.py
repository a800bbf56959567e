"""POST /v1/pushes: what is taken, what is refused, and when that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.apns.message import Broadcast, Notification, PushType
from pushd.api.intake import MDM_LIFETIME
from pushd.api.limit import MAX_ITEM, Limits
from pushd.outcome import Accepted, Rejected
from pushd.queue_settings import QueueSettings
from tests.pushd.api.stand import APP, PUSH, Stand
from tests.pushd.rig import MDM_TOPIC, START, push_id
from tests.pushd.test_queue import full_disk

WAKE_DEVICE = "ababababab"
WAKE = {"push_magic": "Magic", "token": "q6urq6s=", "topic": MDM_TOPIC}


def test_a_push_is_acknowledged_after_its_commit(stand: Stand) -> None:
    """202, the id and where to ask for it: not before it is on disk."""
    asked = stand.post(PUSH, disk=False)
    stand.rig.turn()
    before = asked.status
    stand.rig.settle_down()

    assert before == 0
    assert asked.status == 202
    assert asked.json == {"index": 0, "status": 202, "id": asked.json["id"], "state": "queued"}
    assert asked.headers["location"] == f"/v1/pushes/{asked.json['id']}"
    assert stand.only_push() == Notification(
        device="aabb",
        topic=APP,
        push_type=PushType.ALERT,
        payload=b'{"aps":{"alert":"hello"}}',
        apns_id=asked.json["id"],
    )


def test_a_payload_is_sent_as_it_came(stand: Stand) -> None:
    """Byte by byte, spaces and escapes included."""
    payload = b'{ "aps" : {"alert":"\\u00e9"} , "n": 1.50 }'

    stand.post(b'{"device":"AABB","topic":"com.example.app","payload":' + payload + b"}")

    push = stand.only_push()
    assert (push.payload, push.device) == (payload, "aabb")


def test_a_wake_needs_only_what_token_update_said(stand: Stand) -> None:
    """Payload, type, priority and a week's expiration follow; the token may be base64."""
    asked = stand.post({"mdm": WAKE})

    assert asked.status == 202
    push = stand.only_push(MDM_TOPIC)
    assert (push.device, push.payload) == (WAKE_DEVICE, b'{"mdm":"Magic"}')
    assert (push.push_type, push.priority) == (PushType.MDM, 10)
    assert push.expiration == START + MDM_LIFETIME


def test_a_broadcast_goes_to_a_channel(stand: Stand) -> None:
    """By bundle id, in the lane of live activities."""
    to = {"bundle_id": APP, "channel_id": "dHN0LXNyY2gtY2hubA=="}

    asked = stand.post({"broadcast": to, "payload": {"aps": {}}, "expiration": 0})

    assert asked.status == 202
    push = stand.only_push(f"{APP}.push-type.liveactivity")
    assert push == Broadcast(
        bundle_id=APP,
        channel_id="dHN0LXNyY2gtY2hubA==",
        payload=b'{"aps":{}}',
        expiration=0,
        request_id=asked.json["id"],
    )


@pytest.mark.parametrize(
    ("push", "problem"),
    [
        ({**PUSH, "devcie": "aa"}, (400, "BadRequest", "$")),
        ({"mdm": {**WAKE, "magic": "x"}}, (400, "BadRequest", "$.mdm")),
        ({**PUSH, "priority": "10"}, (400, "BadRequest", "$.priority")),
        ({**PUSH, "push_type": "alarm"}, (400, "BadRequest", "$.push_type")),
        ({**PUSH, "priority": 7}, (400, "BadPriority", "$.priority")),
        ({**PUSH, "device": "xyz"}, (400, "BadDeviceToken", "$.device")),
        ({**PUSH, "device": ""}, (400, "MissingDeviceToken", "$.device")),
        ({**PUSH, "topic": ""}, (400, "MissingTopic", "$.topic")),
        ({**PUSH, "push_type": "voip"}, (400, "TopicDisallowed", "$.topic")),
        ({**PUSH, "id": "1"}, (400, "BadMessageId", "$.id")),
        ({**PUSH, "expiration": -1}, (400, "BadExpirationDate", "$.expiration")),
        ({**PUSH, "collapse_id": "x" * 65}, (400, "BadCollapseId", "$.collapse_id")),
        ({**PUSH, "alert": "x" * 5000}, (413, "PayloadTooLarge", "$.payload")),
        ({**PUSH, "alert": None}, (400, "PayloadEmpty", "$.payload")),
        ({**PUSH, "payload": {}}, (400, "BadRequest", "$.alert")),
        ({**PUSH, "alert": None, "payload": [1]}, (400, "BadPayload", "$.payload")),
        ({"mdm": {**WAKE, "token": "?"}}, (400, "BadDeviceToken", "$.mdm.token")),
        ({"mdm": {**WAKE, "topic": APP}}, (400, "TopicDisallowed", "$.mdm.topic")),
        ({"mdm": WAKE, "topic": APP}, (400, "BadRequest", "$.topic")),
        ({**PUSH, "topic": "com.example.none"}, (400, "TopicDisallowed", "$.topic")),
        ({**PUSH, "topic": "com.example.two"}, (400, "TopicDisallowed", "$.credential")),
        ({**PUSH, "credential": "nobody's"}, (400, "TopicDisallowed", "$.credential")),
        (b'{"device":', (400, "BadJSON", "$")),
        (b"", (400, "BadJSON", "$")),
        (b'{"device":"\xff"}', (400, "BadJSON", "$")),
        (b"[" * 100_000, (400, "BadJSON", "$")),
        (b'{"payload":' + b"[" * 60_000, (400, "BadJSON", "$")),
        (b'{"payload":{"a":' + b"[" * 2000 + b"]" * 2000 + b"}}", (400, "BadJSON", "$")),
        (b" " * (MAX_ITEM + 1), (413, "TooLarge", None)),
        (b"[]", (400, "BadRequest", None)),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(
    stand: Stand, push: Any, problem: tuple[int, str, str | None]
) -> None:
    """Before anything is queued; the reason is Apple's where Apple has one."""
    asked = stand.post(push)

    assert asked.problem == problem
    assert stand.rig.queue.depth == 0


def test_one_of_several_credentials_is_named(stand: Stand) -> None:
    """Where two may send to a topic."""
    asked = stand.post({**PUSH, "topic": "com.example.two", "credential": "other"})

    assert asked.status == 202
    assert [key.credential for key in stand.rig.queue.lanes] == ["other"]


def test_the_same_id_is_one_push(stand: Stand) -> None:
    """The second is told what became of the first."""
    push = {**PUSH, "id": push_id(1).upper()}
    first = stand.post(push)
    second = stand.post(push)

    assert (first.status, first.json["id"]) == (202, push_id(1))
    assert (second.status, second.json["duplicate"], second.json["state"]) == (200, True, "queued")
    assert stand.rig.queue.depth == 1


@pytest.mark.parametrize("as_lines", [False, True])
def test_a_batch_is_answered_item_by_item(stand: Stand, as_lines: bool) -> None:
    """In order; what is wrong with one is no other's concern."""
    pushes = [PUSH, {**PUSH, "device": "x"}, {**PUSH, "alert": {"title": "a", "body": "b"}}]

    asked = stand.post_lines(pushes) if as_lines else stand.post(pushes)

    results = asked.lines if as_lines else asked.json["results"]
    assert asked.status == 202
    assert [(line["index"], line["status"]) for line in results] == [(0, 202), (1, 400), (2, 202)]
    assert (results[1]["reason"], results[1]["path"]) == ("BadDeviceToken", "$[1].device")
    assert stand.rig.queue.depth == 2


def test_lines_need_not_be_json(stand: Stand) -> None:
    """Each stands for itself; blank ones are nothing; one too long is refused like any other."""
    long = b'{"device":"' + b"a" * MAX_ITEM + b'"}'

    asked = stand.post_lines([PUSH, b"", b"{", b"[]", long, PUSH])

    said = [(line["status"], line.get("reason")) for line in asked.lines]
    assert said == [
        (202, None),
        (400, "BadJSON"),
        (400, "BadRequest"),
        (413, "PayloadTooLarge"),
        (202, None),
    ]


def test_a_large_batch_is_taken_in_chunks(stand: Stand) -> None:
    """Answered when the last one is on disk."""
    asked = stand.post_lines([PUSH] * 12_000)

    assert asked.status == 202
    assert [line["status"] for line in asked.lines] == [202] * 12_000
    assert stand.rig.queue.depth == 12_000
    assert stand.ration.left == 64 << 20


def test_a_large_array_is_taken_in_turns(stand: Stand) -> None:
    """Others are served between its slices, and nothing is held when it is done."""
    asked = stand.post([PUSH] * 1000, disk=False)
    waited = stand.rig.queue.depth
    stand.rig.settle_down()

    assert waited == 0
    assert (asked.status, len(asked.json["results"])) == (202, 1000)
    assert stand.ration.left == 64 << 20


def test_of_a_batch_all_wrong_nothing_is_taken(stand: Stand) -> None:
    """The whole is a problem, with the results in it."""
    asked = stand.post_lines([{}] * 200)

    assert asked.problem == (400, "BadRequest", None)
    assert [line["reason"] for line in asked.json["results"]] == ["MissingDeviceToken"] * 100


def test_a_full_queue_is_said(tmp_path: Path) -> None:
    """429 with Retry-After; in a batch for those that found no room."""
    stand = Stand(tmp_path, queue=QueueSettings(pushes=2))

    some = stand.post_lines([PUSH] * 3)
    none = stand.post_lines([PUSH] * 3)
    one = stand.post(PUSH)
    provider = stand.push()
    stand.close()

    assert (some.status, [line["status"] for line in some.lines]) == (202, [202, 202, 429])
    assert (some.headers["retry-after"], some.lines[2]["retry_after"]) == ("5", 5.0)
    assert (none.problem, none.headers["retry-after"]) == ((429, "QueueFull", None), "5")
    assert (one.problem, one.headers["retry-after"]) == ((429, "QueueFull", None), "5")
    assert (provider.status, provider.json) == (429, {"reason": "TooManyRequests"})
    assert provider.headers["retry-after"] == "5"


def test_a_full_disk_is_said(stand: Stand) -> None:
    """503 with Retry-After, and what was taken before is still there."""
    stand.post(PUSH)
    full_disk(stand.rig)

    one = stand.post({**PUSH, "payload": {"x": "x" * 4000}, "alert": None})
    many = stand.post_lines([{**PUSH, "payload": {"x": "x" * 4000}, "alert": None}] * 9)
    provider = stand.push(body=b'{"x":"' + b"x" * 4000 + b'"}')

    assert (one.problem, one.headers["retry-after"]) == ((503, "Unstored", None), "5")
    assert (many.problem, many.headers["retry-after"]) == ((503, "Unstored", None), "5")
    assert (provider.status, provider.json) == (503, {"reason": "ServiceUnavailable"})
    assert stand.rig.queue.depth == 1


def test_bodies_are_bounded(tmp_path: Path) -> None:
    """By bytes and by pushes; by what it says it will be, too."""
    limits = Limits(max_array=3000, max_body=5000, max_items=10)
    stand = Stand(tmp_path, limits=limits)

    problems = [
        stand.post([PUSH] * 60).problem,
        stand.post_lines([b" " * 6000]).problem,
        stand.post_lines([{}] * 11).problem,
        stand.post([{}] * 11).problem,
        stand.post(PUSH, headers={"content-length": "3001"}).problem,
    ]
    left, depth = stand.ration.left, stand.rig.queue.depth
    stand.close()

    assert [problem[:2] for problem in problems] == [
        (413, "TooLarge"),
        (413, "TooLarge"),
        (413, "TooMany"),
        (413, "TooMany"),
        (413, "TooLarge"),
    ]
    assert (left, depth) == (64 << 20, 0)


def test_memory_is_shared(tmp_path: Path) -> None:
    """What would take more than there is has to come back; what was refused holds nothing."""
    stand = Stand(tmp_path, memory=40_000)

    held = stand.begin("POST", "/v1/pushes", headers={"content-type": "application/json"})
    assert held.sink is not None
    held.sink.received(b" " * 30_000)
    lines = stand.post_lines([PUSH] * 20)
    array = stand.post(b"[" + b" " * 20_000 + b"]")
    provider = stand.push()
    held.sink.lost()
    after = stand.post_lines([PUSH] * 20)
    stand.close()

    assert (lines.problem, array.problem) == ((503, "Busy", None), (503, "Busy", None))
    assert (provider.status, provider.json) == (503, {"reason": "ServiceUnavailable"})
    assert after.status == 202
    assert stand.ration.left == 40_000


def test_a_client_that_leaves_before_the_end_queues_nothing(stand: Stand) -> None:
    """A request is taken whole or not at all."""
    asked = stand.begin("POST", "/v1/pushes", headers={"content-type": "application/x-ndjson"})
    assert asked.sink is not None

    asked.sink.received(b'{"device":"aabb","topic":"com.example.app","alert":"x"}\n' * 5)
    asked.sink.lost()
    stand.rig.settle_down()

    assert (stand.rig.queue.depth, asked.status) == (0, 0)
    assert stand.ration.left == 64 << 20


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, (415, "MediaType", None)),
        ({"content-type": "text/plain"}, (415, "MediaType", None)),
        ({"content-type": "application/json", "content-encoding": "gzip"}, (415, "Encoded", None)),
    ],
)
def test_other_types_are_refused(
    stand: Stand, headers: dict[str, str], problem: tuple[int, str, None]
) -> None:
    """415."""
    assert stand.ask("POST", "/v1/pushes", b"{}", headers=headers).problem == problem


def test_waiting_for_an_outcome(stand: Stand) -> None:
    """200 with the outcome, as soon as it is on disk."""
    asked = stand.post(PUSH, "/v1/pushes?wait=30")
    before = asked.status
    (job,) = stand.rig.jobs()
    stand.rig.settle(job, Rejected(status=410, reason="Unregistered", invalid_since=5))

    assert before == 0
    assert asked.status == 200
    assert asked.json["state"] == "rejected"
    assert asked.json["outcome"] == {"status": 410, "reason": "Unregistered", "invalid_since": 5}


def test_waiting_has_an_end(stand: Stand) -> None:
    """202 then, as without waiting; of a batch, with the outcomes that are known."""
    one = stand.post(PUSH, "/v1/pushes?wait=30")
    other = {**PUSH, "device": "ccdd"}
    many = stand.post_lines([other, {}, {**other, "device": "ee"}], "/v1/pushes?wait=30")
    jobs = stand.rig.jobs()
    stand.rig.settle(jobs[1])
    before = (one.status, many.status)
    stand.clock.advance(31)

    assert before == (0, 0)
    assert (one.status, one.json["state"]) == (202, "queued")
    assert many.status == 202
    assert [line.get("state") for line in many.lines] == ["accepted", None, "queued"]
    assert stand.rig.queue._watchers == {}


def test_waiting_for_what_was_settled_already(stand: Stand) -> None:
    """A duplicate's outcome is that of the first."""
    push = {**PUSH, "id": push_id(1)}
    stand.post(push)
    (job,) = stand.rig.jobs()
    stand.rig.settle(job, Accepted(apns_id=job.id))

    asked = stand.post(push, "/v1/pushes?wait=30")

    assert (asked.status, asked.json["state"], asked.json["duplicate"]) == (200, "accepted", True)


def test_nobody_waits_for_a_client_that_left(stand: Stand) -> None:
    """Nothing is kept of it, and the push is sent all the same."""
    asked = stand.post(PUSH, "/v1/pushes?wait=30")
    assert asked.sink is not None
    asked.sink.lost()

    assert stand.rig.queue._watchers == {}
    assert not stand.clock.getDelayedCalls()
    assert stand.queued() == 1


texts = st.text(max_size=8)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    "device topic push_type payload alert mdm broadcast id expiration priority credential".split()
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(body=st.dictionaries(keys, jsons, max_size=6) | jsons)
def test_any_json_has_an_answer(stand: Stand, body: Any) -> None:
    """Taken, or refused with a status, a reason and a place; never anything else."""
    asked = stand.post(body)

    assert asked.status in (202, 400, 413)
    if asked.status != 202:
        _, reason, path = asked.problem
        assert reason
        assert path is None or path.startswith("$")
    assert stand.ration.left == 64 << 20
