"""The API before a real queue, without sockets: requests go in, responses come out.

The disk works when the test says so, and so does the clock (`tests.pushd.rig`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ops.config import parse
from ops.counter import Counters
from pushd.api.access import Access, ClientsFile
from pushd.api.desk import Desk
from pushd.api.exchange import Client, Request, Response, Sink
from pushd.api.json_face import JsonFace
from pushd.api.limit import Limits, Ration, Throttle
from pushd.api.outcomes import News
from pushd.api.provider import ProviderFace
from pushd.api.site import ApiCounters, Site
from pushd.job import OrderedIds
from pushd.queue_settings import QueueSettings
from tests.pushd.rig import Rig

APP = "com.example.app"
PUSH: dict[str, Any] = {"device": "aabb", "topic": APP, "alert": "hello"}


class Choice:
    """One credential for every topic, but none for `com.example.none`, two for
    `com.example.two`."""

    def names_for(self, topic: str) -> Sequence[str]:
        if topic == "com.example.none":
            return ()
        return ("main", "other") if topic == "com.example.two" else ("main",)


class Asked:
    """One request and what came of it: an `Exchange`."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.response: Response | None = None
        self.body = b""
        self.sink: Sink | None = None

    @property
    def request(self) -> Request:
        return self._request

    def respond(self, response: Response) -> None:
        assert self.response is None, "answered twice"
        self.response = response
        body = response.body
        self.body = body if isinstance(body, bytes) else b"".join(body)

    @property
    def status(self) -> int:
        """0: not answered yet."""
        return 0 if self.response is None else self.response.status

    @property
    def headers(self) -> dict[str, str]:
        assert self.response is not None
        return dict((*self.response.headers, *self.response.own))

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def lines(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.body.splitlines()]

    @property
    def problem(self) -> tuple[int, str | None, str | None]:
        """Status, reason and path, of what is one by its media type."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return self.status, self.json.get("reason"), self.json.get("path")


class Stand:
    """The API, its queue, its disk."""

    def __init__(
        self,
        folder: Path,
        *,
        clients: str = "",
        anonymous: bool = True,
        queue: QueueSettings | None = None,
        limits: Limits | None = None,
        memory: int = 64 << 20,
        provider_wait: float = 0.0,
    ) -> None:
        """`clients` is a clients file."""
        self.rig = Rig(folder / "pushd.db", queue)
        self.clock = self.rig.clock
        self.limits = limits or Limits()
        self.ration = Ration(memory)
        self.desk = Desk(
            queue=self.rig.queue,
            news=News(self.rig.queue.results, self.clock),
            credentials=Choice(),
            limits=self.limits,
            ration=self.ration,
            clock=self.clock,
            unix=self.rig.unix,
            ids=OrderedIds(random.Random(7).getrandbits),
            max_age=3600,
        )
        self.counters = ApiCounters.declared_in(Counters())
        self.site = Site(
            access=Access(
                parse(clients.encode(), ClientsFile),
                anonymous=anonymous,
                throttle=Throttle(failures=3),
                monotonic=self.clock.seconds,
                unix=self.rig.unix,
            ),
            json=JsonFace(self.desk, version="1.2.3"),
            provider=ProviderFace(self.desk, wait=provider_wait),
            counters=self.counters,
        )

    def close(self) -> None:
        self.rig.close()

    def begin(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        client: Client | None = None,
        repeated: frozenset[str] = frozenset(),
    ) -> Asked:
        """The head of a request."""
        path, _, query = target.partition("?")
        asked = Asked(
            Request(
                method=method,
                path=path,
                query=query,
                headers=headers or {},
                repeated=repeated,
                client=client or Client(address="192.0.2.7"),
            )
        )
        asked.sink = self.site.open(asked)
        return asked

    def ask(
        self, method: str, target: str, body: bytes = b"", *, disk: bool = True, **head: Any
    ) -> Asked:
        """A whole request, its body in pieces; and all that the disk has to do for it."""
        asked = self.begin(method, target, **head)
        for at in range(0, len(body), 1000):
            if asked.sink is not None and asked.response is None:
                asked.sink.received(body[at : at + 1000])
        if asked.sink is not None and asked.response is None:
            asked.sink.ended()
        if disk:
            self.rig.settle_down()
        return asked

    def post(self, value: Any, target: str = "/v1/pushes", **more: Any) -> Asked:
        """Hand in JSON."""
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        return self.ask("POST", target, body, headers=headers, **more)

    def post_lines(self, values: Sequence[Any], target: str = "/v1/pushes", **more: Any) -> Asked:
        """Hand in NDJSON."""
        body = b"".join(
            (value if isinstance(value, bytes) else msgspec.json.encode(value)) + b"\n"
            for value in values
        )
        headers = {"content-type": "application/x-ndjson"}
        return self.ask("POST", target, body, headers=headers, **more)

    def push(self, target: str = "/3/device/aabb", body: bytes = b"", **more: Any) -> Asked:
        """Apple's way. The push is a good one but for what is said."""
        headers = {"apns-topic": APP, "apns-push-type": "alert", **more.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value}
        body = body or b'{"aps":{"alert":"hello"}}'
        return self.ask("POST", target, body, headers=headers, **more)

    def queued(self, topic: str = APP) -> int:
        """Pushes that are in the lane of `topic`."""
        lanes = self.rig.queue.lanes
        return sum(lane.ready for key, lane in lanes.items() if key.topic == topic)

    def only_push(self, topic: str = APP) -> Any:
        """The push that was queued for `topic`."""
        (job,) = self.rig.jobs(topic=topic)
        return job.push
