"""Whatever a request says, the APNs simulator answers it: 200, or a status and reason of Apple's.

The input is the method and the path on the first line, then headers (`name: value`), an empty line
and the body. The headers are those that h2 lets through: lower-case names.
"""

from __future__ import annotations

import json
from random import Random

from protocols.apns.reason import Reason
from pushd.testing.certificate import Scope
from pushd.testing.service import MAX_BODY, Call, PushService

TOPICS = frozenset({"com.example.app", "com.example.app.voip", "com.apple.mgmt.External.1"})
SCOPE = Scope(topics=TOPICS, names_topics=True, environments=frozenset())
REASONS = {str(reason) for reason in Reason}
DONE = {200, 201, 204}


def target(data: bytes) -> None:
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, path = first.partition(b" ")
    headers = [(b":method", method), (b":scheme", b"https"), (b":path", path)]
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.append((name.lower().lstrip(b":"), value))
    service = PushService(random=Random(1))
    for scope in (SCOPE, None):
        call = Call(connection=1, stream=1, headers=headers, body=body[:MAX_BODY], at=1.8e9)
        answer = service.answer(service.caller(scope), call)
        assert answer.headers
        assert answer.status in DONE or json.loads(answer.body)["reason"] in REASONS
        assert scope is not None or answer.status not in DONE
