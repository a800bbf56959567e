"""Apple as a puppet: connections whose far end does what a test says, on a clock of its own.

    lane ──▶ Delivery ──▶ Pool ──▶ real Connection and engine ──▶ bytes ──▶ h2, pulled by strings

No socket, no TLS: the transport keeps what is written, and h2 reads it as a server would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, SettingsFrame
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ops.counter import Counters
from ops.setting import Duration
from protocols.apns.engine import Limits
from protocols.apns.message import Notification, PushType
from pushd.connection import Connection, Owner
from pushd.credential import Credential, Kind
from pushd.delivery import Delivery
from pushd.dial import ConnectFailed
from pushd.job import Job, LaneKey
from pushd.meter import Meter
from pushd.outcome import Outcome
from pushd.settings import AppleSettings, BreakerSettings
from pushd.world import World

TOPIC = "com.example.app"
START = 1_790_000_000
KEY = LaneKey("app", TOPIC)
CREDENTIAL = Credential(
    name="app",
    kind=Kind.CERTIFICATE,
    environment="production",
    topics=frozenset((TOPIC,)),
    fingerprint="00",
)


def alert(number: int, kind: PushType = PushType.ALERT, lasts: int = 3600) -> Job:
    """Push `number`, to a device of its own."""
    push = Notification(
        device=f"{number:064x}",
        topic=TOPIC,
        push_type=kind,
        payload=b'{"aps":{}}',
        apns_id=str(UUID(int=number)),
        priority=5 if kind is PushType.BACKGROUND else None,
    )
    return Job(push=push, credential="app", submitted_at=START * 1000, deadline=START + lasts)


class FakeLane:
    """A list of pushes."""

    def __init__(self) -> None:
        self.key = KEY
        self.jobs: deque[Job] = deque()

    @property
    def ready(self) -> int:
        return len(self.jobs)

    def take(self, limit: int) -> list[Job]:
        return [self.jobs.popleft() for _ in range(min(limit, len(self.jobs)))]


class Transport:
    """What the connection writes to: h2 reads it when the test pulls."""

    negotiatedProtocol = b"h2"

    def __init__(self, far: Far) -> None:
        self._far = far
        self.written: list[bytes] = []
        self.is_gone = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def loseConnection(self) -> None:
        self._far.lost()

    def abortConnection(self) -> None:
        self._far.lost()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass


class Far:
    """The other end of one connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self._clock = clock
        self.transport = Transport(self)
        self.streams: dict[int, str] = {}
        """Requests that were received and not answered: stream and apns-id."""
        self.received: list[str] = []
        """Apns-ids in the order of their arrival."""
        self.tokens: list[str | None] = []
        """Provider tokens, one for each."""
        self.reset: list[int] = []
        self.is_gone = False
        self._has_settings = False
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.makeConnection(self.transport)  # type: ignore[arg-type]
        connection.handshakeCompleted()

    @property
    def is_begun(self) -> bool:
        """It has said SETTINGS."""
        return self._has_settings

    def settings(self, streams: int = 1000) -> None:
        """SETTINGS, the first or any other."""
        if not self._has_settings:
            self._has_settings = True
            self._h2.initiate_connection()
            self._h2.clear_outbound_data_buffer()
            # More than it would let in by itself: how many come is what tests look at.
            self._h2.local_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 1 << 20})
            self._h2.local_settings.acknowledge()
        # As bytes: h2 would hold the client to a limit that it cannot know yet.
        frame = SettingsFrame(0, {SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.say(frame.serialize())

    def say(self, data: bytes) -> None:
        self.connection.dataReceived(data)
        self._clock.advance(0)

    def read(self) -> None:
        """Read all that was written so far."""
        data = b"".join(self.transport.written)
        self.transport.written.clear()
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                assert event.stream_id is not None
                headers: dict[Any, Any] = dict(event.headers or [])
                self.tokens.append(headers.get("authorization"))
                self.streams[event.stream_id] = headers["apns-id"]
                self.received.append(str(headers["apns-id"]))  # type: ignore[index]
            elif isinstance(event, StreamReset):
                assert event.stream_id is not None
                self.reset.append(event.stream_id)
                self.streams.pop(event.stream_id, None)
        replies = self._h2.data_to_send()
        if replies and self._has_settings and not self.is_gone:
            self.say(replies)

    def answer(self, stream: int, status: int = 200, reason: str | None = None) -> None:
        self.answers([stream], status, reason)

    def answers(self, streams: Sequence[int], status: int = 200, reason: str | None = None) -> None:
        for stream in list(streams):
            del self.streams[stream]
            self._h2.send_headers(stream, [(":status", str(status))], end_stream=reason is None)
            if reason is not None:
                self._h2.send_data(stream, b'{"reason":"%s"}' % reason.encode(), end_stream=True)
        self.say(self._h2.data_to_send())

    def answer_all(self, status: int = 200, reason: str | None = None) -> None:
        self.read()
        self.answers(list(self.streams), status, reason)

    def refuse(self, stream: int, code: ErrorCodes = ErrorCodes.REFUSED_STREAM) -> None:
        del self.streams[stream]
        self._h2.reset_stream(stream, code)
        self.say(self._h2.data_to_send())

    def goaway(self, last: int, debug: bytes = b"") -> None:
        self.say(GoAwayFrame(0, last_stream_id=last, additional_data=debug).serialize())

    def lost(self) -> None:
        """The connection ends, whoever wanted it."""
        if not self.is_gone:
            self.is_gone = True
            self._clock.callLater(0, self.connection.connectionLost, Failure(ConnectionDone()))
            self._clock.advance(0)


class Stage:
    """A delivery, its lane, and every connection that it dials."""

    def __init__(self, seed: int = 1, credential: Credential = CREDENTIAL, **settings: Any) -> None:
        self.clock = Clock()
        self.wrong = 0.0
        """Seconds by which our wall clock is ahead of the true one."""
        self.lane = FakeLane()
        self.settled: list[tuple[Job, Outcome]] = []
        self.noted: list[tuple[Job, str]] = []
        """Attempts that failed and are made again at once."""
        self.fars: list[Far] = []
        self.dials = 0
        self.refuses: str | None = None
        """Why connections fail, if they do."""
        self.counters = Counters()
        self.settings = AppleSettings(**settings)
        self.limits = Limits(
            answer=self.settings.answer_timeout,
            quiet=self.settings.ping,
            pong=self.settings.pong_timeout,
        )
        self.world = World(
            reactor=self.clock,
            monotonic=self.clock.seconds,
            unix=lambda: START + self.clock.seconds() + self.wrong,
            random=Random(seed),
        )
        self.delivery = Delivery(
            self.lane,
            credential=credential,
            dial=self.dial,
            settle=self._settle,
            note=lambda job, why: self.noted.append((job, why)),
            settings=self.settings,
            world=self.world,
            meter=Meter(self.counters),
        )

    def dial(self, owner: Owner) -> Deferred[Connection]:
        self.dials += 1
        dialled: Deferred[Connection] = Deferred()
        if self.refuses is not None:
            dialled.errback(ConnectFailed(self.refuses))
            return dialled
        opening = _Opening(owner, dialled)
        connection = Connection(
            authority=b"localhost", limits=self.limits, world=self.world, owner=opening
        )
        self.fars.append(Far(connection, self.clock))
        return dialled

    def push(self, *jobs: Job) -> None:
        """Put pushes in the lane, and let the reactor turn."""
        self.lane.jobs += jobs
        self.delivery.wake()
        self.turn()

    def turn(self, times: int = 5) -> None:
        for _ in range(times):
            self.clock.advance(0)

    def opened(self, streams: int = 1000) -> Far:
        """The newest connection, with SETTINGS, and all read that was sent by it."""
        far = self.fars[-1]
        far.settings(streams)
        self.turn()
        far.read()
        return far

    def wait(self, seconds: int) -> None:
        """Let time pass, while the far ends read and acknowledge what they are asked."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.turn()
            for far in self.fars:
                if not far.is_gone and far.is_begun:
                    far.read()

    def outcomes(self) -> list[str]:
        """The kinds of outcomes, in their order."""
        return [type(outcome).__name__ for _, outcome in self.settled]

    def counted(self, name: str) -> int:
        return self.counters.snapshot()[f"pushd_{name}_total"]

    def _settle(self, job: Job, outcome: Outcome) -> None:
        assert (job.id, True) not in [(j.id, _final(o)) for j, o in self.settled], "settled twice"
        self.settled.append((job, outcome))


def _final(outcome: Outcome) -> bool:
    return getattr(outcome, "retry_at", None) is None


class _Opening:
    """Fires the dial's Deferred when the connection is opened, as `pushd.dial` does."""

    def __init__(self, owner: Owner, dialled: Deferred[Connection]) -> None:
        self._owner = owner
        self._dialled = dialled
        self._is_open = False

    def opened(self, connection: Connection) -> None:
        self._is_open = True
        self._owner.opened(connection)
        self._dialled.callback(connection)

    def happened(self, connection: Connection, events: Any) -> None:
        if self._is_open:
            self._owner.happened(connection, events)

    def turn_soon(self) -> None:
        if self._is_open:
            self._owner.turn_soon()

    def closed(self, connection: Connection, why: str) -> None:
        if self._is_open:
            self._owner.closed(connection, why)
        elif not self._dialled.called:
            self._dialled.errback(ConnectFailed(why))


def fast_breaker(**changes: Any) -> BreakerSettings:
    """One that judges ten answers."""
    given = {"answers": 10, "pause": Duration(30)} | changes
    return BreakerSettings(**given)
