"""The quick way of pushes that are like one before: it gives what the long way gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pushd.api.identity import ANYBODY
from pushd.api.intake import Intake, Refusal
from pushd.job import Job, OrderedIds

ID = "123e4567-e89b-12d3-a456-4266554400a0"
GOOD: dict[str, Any] = {
    "device": "0a" * 32,
    "topic": "com.example.app",
    "push_type": "alert",
    "priority": 10,
    "payload": {"aps": {"alert": "hello"}},
}
KEYS = {
    "device": ["0A" * 32, "0a" * 200, "0a" * 201, "0", "", "zz", "0a\n", "é0", "0a 0"],
    "topic": ["com.example.app", "com.example.app.voip", "com.example.none", "", "com.example/app"],
    "push_type": ["alert", "background", "voip", "mdm", "liveactivity", None],
    "priority": [10, 5, 1, 0, 7, None],
    "payload": [
        b'{"aps":{}}',
        b"{}",
        b" {}",
        b"[]",
        b'"{"',
        b"7",
        b"null",
        '{"aps":{"alert":"Grüße"}}'.encode(),
        b'{"aps":"\xff"}',
        b'{"aps":"\xed\xa0\x80"}',
        b'{"n":' + b"9" * 4_400 + b"}",
        b'{"aps":"' + b"x" * 4_085 + b'"}',
        b'{"aps":"' + b"x" * 4_086 + b'"}',
        b'{"aps":"' + b"x" * 5_109 + b'"}',
    ],
    "id": [ID, ID.upper(), "", "x", ID + "\n"],
    "expiration": [0, 1_700_000_000, 1_900_000_000, -1, (1 << 63) - 1, 1 << 63, None],
    "collapse_id": ["news", "", None],
    "alert": ["hello", None],
    "credential": ["main", "other", ""],
    "mdm": [{"push_magic": "m", "token": "0a" * 32, "topic": "com.apple.mgmt.x"}, None],
    "broadcast": [{"bundle_id": "com.example.app", "channel_id": "YWJj"}, None],
}
CHANGES = st.lists(
    st.sampled_from(sorted(KEYS)).flatmap(
        lambda key: st.tuples(st.just(key), st.sampled_from([*KEYS[key], ...]))
    ),
    max_size=3,
)


class Choice:
    """One credential for all topics but one."""

    def names_for(self, topic: str) -> Sequence[str]:
        return () if topic == "com.example.none" else ("main",)


def intake() -> Intake:
    return Intake(
        ANYBODY, Choice(), unix=lambda: 1.8e9, ids=OrderedIds(random.Random(1).getrandbits)
    )


def text(push: dict[str, Any]) -> bytes:
    """JSON, in which bytes stand for themselves; `...` is left out."""
    raw = {
        k: msgspec.Raw(v) if isinstance(v, bytes) else v for k, v in push.items() if v is not ...
    }
    return msgspec.json.encode(raw)


def without_id(job: Job | Refusal) -> Job | Refusal:
    if isinstance(job, Refusal) or job.id == ID:
        return job
    return msgspec.structs.replace(job, push=msgspec.structs.replace(job.push, apns_id=ID))


@given(first=CHANGES, then=CHANGES)
def test_a_push_like_one_before_becomes_what_it_would_have_become_alone(
    first: list[tuple[str, Any]], then: list[tuple[str, Any]]
) -> None:
    """Whatever was taken before, a push becomes the same job, or the same refusal."""
    before, push = GOOD | dict(first), GOOD | dict(first) | dict(then)
    alone = without_id(intake().text(text(push)))
    busy = intake()

    busy.text(text(before))
    after = without_id(busy.text(text(push)))

    assert after == alone


def test_the_ids_of_a_batch_are_all_different_and_grow() -> None:
    """Ids of one millisecond go on from each other, so that a database appends them."""
    ids = OrderedIds(random.Random(2).getrandbits)

    made = [ids.new(1_800_000_000_000 + number // 1_000) for number in range(5_000)]

    assert len(set(made)) == 5_000
    assert made == sorted(made)
    assert all(id[14] == "7" and id[19] in "89ab" and len(id) == 36 for id in made)
