"""Brings the pushes of one credential and topic to Apple, and what came of them to the queue.

    lane ──take──▶ attempt ──▶ connection ──▶ Answered ──verdict──▶ settle, or once more
                      ▲                   ├─▶ Unprocessed ──▶ at once, elsewhere
                      │                   └─▶ Uncertain ────▶ once more at once, then later
                      └───────────────────────────┘

It is a bulkhead: its own connections, breaker and retry budget, so what happens to one topic does
not happen to another. Pushes that are sent again at once keep their place: the queue lets no other
of the same device out until they are settled. Must never lose a push: each that was taken is
settled exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ops.text import escape
from protocols.apns.answer import Answer
from protocols.apns.event import Answered, Event, GoingAway, Request, Uncertain, Unprocessed
from protocols.apns.message import PushType
from protocols.apns.reason import SOON, VERDICTS, Disposition, Verdict, verdict_of
from protocols.apns.reason import Connection as Fate
from pushd.breaker import Breaker, BreakerState
from pushd.connection import Connection
from pushd.credential import Credential
from pushd.job import Job, LaneKey
from pushd.meter import Meter
from pushd.outcome import Accepted, Expired, Failed, Outcome, Rejected
from pushd.pool import Dial, Pool
from pushd.request import Writer
from pushd.settings import AppleSettings
from pushd.world import World

BATCH: Final = 500
"""Pushes sent in one turn: 4 ms of work; other topics have their turn, too."""
LEAST: Final = 100
PARTS: Final = 5
"""Of the streams not more than a fifth is used in one turn, or LEAST. All at once, their answers
came at once, too, and the streams would lie idle while we read them."""
FREE_REFUSALS: Final = 3
"""Times that a push not looked at is sent again at once; a server that refuses it for ever is asked
again later and later."""
MAX_RESERVE: Final = 100.0
"""Pushes that may be sent again at once after a long time without any."""

FAULTS: Final = frozenset(
    (Disposition.BAD_TOKEN, Disposition.TOPIC_FAULT, Disposition.CREDENTIAL_FAULT)
)
"""What the breaker counts."""
BLAMING: Final = frozenset(
    str(reason)
    for (_, reason), verdict in VERDICTS.items()
    if verdict.disposition is Disposition.CREDENTIAL_FAULT
)
"""What Apple says of a credential, in an answer or in a GOAWAY."""
INCONCLUSIVE: Final = frozenset((Disposition.RETRY, Disposition.MOVE))
"""What says nothing of topic, token or credential."""
SEEN: Final = frozenset((PushType.ALERT, PushType.VOIP, PushType.PUSHTOTALK))
"""What a person would see or hear twice."""


class Lane(Protocol):
    """What is used of the queue's lane."""

    @property
    def key(self) -> LaneKey: ...

    @property
    def ready(self) -> int:
        """Pushes that could be taken now."""

    def take(self, limit: int) -> list[Job]:
        """Up to so many, each to be settled."""


Settle = Callable[[Job, Outcome], None]
Note = Callable[[Job, str], None]
"""Told of an attempt that failed and is made again at once, and why it failed."""


class Attempt(msgspec.Struct, eq=False, gc=False):
    """A push that was taken, until it is settled."""

    job: Job
    sent_at: float = 0.0
    authorization: bytes | None = None
    refusals: int = 0
    """Times that Apple did not look at it."""
    losses: int = 0
    """Times that its answer was lost."""
    moves: int = 0
    """Times that Apple wanted it by another connection."""


class Delivery:
    """One topic's."""

    def __init__(
        self,
        lane: Lane,
        *,
        credential: Credential,
        dial: Dial,
        settle: Settle,
        note: Note,
        settings: AppleSettings,
        world: World,
        meter: Meter,
    ) -> None:
        self.lane = lane
        self._name = f"{lane.key.credential}, {lane.key.topic}"
        self._credential = credential
        self._settle = settle
        self._note = note
        self._settings = settings
        self._world = world
        self._meter = meter
        self._writer = Writer()
        self._breaker = Breaker(settings.breaker)
        self._again: deque[Attempt] = deque()
        self._reserve = MAX_RESERVE if settings.retry_percent else 0.0
        self._under_way = 0
        self._is_stopping = False
        self._resting: IDelayedCall | None = None
        self.pool = Pool(
            dial, name=self._name, client=self, settings=settings, world=world, meter=meter
        )

    # What there is to know.

    @property
    def under_way(self) -> int:
        """Pushes that Apple has not answered."""
        return self._under_way

    @property
    def waiting(self) -> int:
        """Pushes that are to be sent again at once, as soon as there is a connection."""
        return len(self._again)

    @property
    def breaker(self) -> BreakerState:
        """Whether the topic is stopped."""
        return self._breaker.state

    # What the dispatcher asks for.

    def wake(self) -> None:
        """There is something in the lane."""
        self.pool.turn_soon()

    def hurry(self) -> bool:
        """Try at once, whatever Apple said before. Whether anything kept it from that."""
        self._rested()
        stopped, paused = self._breaker.hurry(), self.pool.hurry()
        return stopped or paused

    def renew(self, credential: Credential, dial: Dial) -> None:
        """Go on with another credential; what is under way is waited for."""
        self._credential = credential
        self._breaker.reset()
        self._rested()
        self.pool.renew(dial)

    def stop(self, grace: float) -> Deferred[None]:
        """Take nothing more; fires when everything taken is settled."""
        if self._is_stopping:
            return succeed(None)
        self._is_stopping = True
        self._rested()
        while self._again:
            self._put_off(self._again.popleft(), "we stop", 0.0)
        return self.pool.stop(grace)

    # What the pool tells.

    def pump(self) -> None:
        """Send as much as there is room for."""
        lane, again = self.lane, self._again
        if self._is_stopping or not (again or lane.ready):
            return
        if not self._credential.covers(lane.key.topic):
            self._disallow()
            return
        now = self._world.monotonic()
        allowance = self._breaker.allowance(now) - self._under_way
        if self._breaker.state is BreakerState.OPEN:
            self._rest(self._breaker.until - now)
            return
        able = [(c, slots) for c in self.pool.ready if (slots := c.free_slots) > 0]
        slots = sum(free for _, free in able)
        most = min(slots, allowance)
        room = min(most, BATCH, max(LEAST, self._streams() // PARTS))
        if room > 0:
            attempts = self._next(room)
            if attempts:
                self._place(attempts, [connection for connection, _ in able], now)
        if again or lane.ready:
            if room == slots:
                self.pool.want()
            elif room < most and attempts:
                self.pool.turn_soon()

    def _streams(self) -> int:
        """Pushes that may be under way on all connections."""
        return sum(min(c.limit, self._settings.streams) for c in self.pool.ready)

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        """Answers, and what else became of pushes."""
        now = self._world.monotonic()
        settle, observe = self._settle, self._meter.latency.observe
        accepted = 0
        for event in events:
            kind = type(event)
            if kind is Answered and event.answer.status == 200:  # type: ignore[union-attr]
                attempt, answer = event.key, event.answer  # type: ignore[union-attr]
                observe(now - attempt.sent_at)  # type: ignore[union-attr]
                job = attempt.job  # type: ignore[union-attr]
                id_ = answer.apns_id or job.id
                settle(job, Accepted(apns_id=id_, unique_id=answer.unique_id))
                accepted += 1
                continue
            if accepted:
                self._accepted(connection, accepted, now)
                accepted = 0
            if kind is Answered:
                self._answered(connection, event.key, event.answer, now)  # type: ignore[union-attr, arg-type]
            elif kind is Unprocessed:
                self._unprocessed(event.key)  # type: ignore[union-attr, arg-type]
            elif kind is Uncertain:
                self._uncertain(event.key, event.why)  # type: ignore[union-attr, arg-type]
            elif kind is GoingAway:
                self._leave(event)  # type: ignore[arg-type]
        if accepted:
            self._accepted(connection, accepted, now)

    # Sending.

    def _next(self, room: int) -> list[Attempt]:
        """What is sent next: what was sent before comes first."""
        attempts: list[Attempt] = []
        again = self._again
        if again:
            now = self._world.unix()
            while again and len(attempts) < room:
                attempt = again.popleft()
                if attempt.job.deadline <= now:
                    self._meter.expired.inc()
                    self._settle(attempt.job, Expired())
                else:
                    attempts.append(attempt)
        if len(attempts) < room:
            attempts += map(Attempt, self.lane.take(room - len(attempts)))
        return attempts

    def _place(self, attempts: list[Attempt], able: list[Connection], now: float) -> None:
        """Spread over the connections, those with the least under way first."""
        token = self._credential.token
        bearer = None if token is None else token.bearer(int(self._world.unix()), now)
        able.sort(key=_load)
        at, total = 0, len(attempts)
        while at < total and able:
            share = -(-(total - at) // len(able))
            for connection in able:
                end = min(at + share, total)
                at = self._send(connection, attempts, at, end, bearer, now)
            able = [connection for connection in able if connection.free_slots > 0]
        self._again.extendleft(reversed(attempts[at:]))  # a window is full

    def _send(
        self,
        connection: Connection,
        attempts: list[Attempt],
        start: int,
        end: int,
        bearer: bytes | None,
        now: float,
    ) -> int:
        """Those from `start` to `end`, as far as there are slots; the first that was not sent."""
        request = self._writer.request
        going: list[tuple[Attempt, Request]] = []
        for attempt in attempts[start : min(end, start + connection.free_slots)]:
            attempt.sent_at = now
            attempt.authorization = bearer
            going.append((attempt, request(attempt.job.push, bearer)))
        sent = connection.send_all(going, now)
        at = start + sent
        self._under_way += sent
        earned = sent * self._settings.retry_percent / 100
        self._reserve = max(self._reserve, min(self._reserve + earned, MAX_RESERVE))
        return at

    def _disallow(self) -> None:
        """The credential is not for the topic: Apple would say so of each."""
        for attempt in self._next(BATCH):
            self._meter.answers[Disposition.TOPIC_FAULT].inc()
            self._settle(attempt.job, Rejected(status=400, reason="TopicDisallowed"))
        if self.lane.ready:
            self.pool.turn_soon()

    # What came of it.

    def _accepted(self, connection: Connection, pushes: int, now: float) -> None:
        """So many, which are settled."""
        self._under_way -= pushes
        connection.answered += pushes
        self._meter.accepted.value += pushes
        self._breaker.accepted(pushes, now)

    def _answered(
        self, connection: Connection, attempt: Attempt, answer: Answer, now: float
    ) -> None:
        """It has not been accepted."""
        self._under_way -= 1
        self._meter.latency.observe(now - attempt.sent_at)
        verdict = verdict_of(answer)
        self._meter.answers[verdict.disposition].inc()
        if verdict.connection is Fate.REPLACE:
            self.pool.replace(connection)
        else:
            connection.answered += 1
        self._obey(attempt, answer, verdict, now)

    def _obey(self, attempt: Attempt, answer: Answer, verdict: Verdict, now: float) -> None:
        said = f"{answer.status} {answer.reason or 'without a reason'}"
        disposition = verdict.disposition
        if disposition is Disposition.MOVE and not self._may_move(attempt, verdict, now):
            disposition = Disposition.CREDENTIAL_FAULT
        if disposition is Disposition.CREDENTIAL_FAULT:
            self._blame_credential(said, now)
            self._put_off(attempt, said, self._breaker.until - now)
            return
        judged = disposition not in INCONCLUSIVE
        if judged and self._breaker.record(disposition in FAULTS, now):
            self._tell_stop(f"too many refusals, the last {said}", now)
        if disposition is Disposition.MOVE:
            attempt.moves += 1
            self._send_again(attempt, said)
        elif disposition is Disposition.RETRY:
            backoff = verdict.backoff or SOON
            jitter = self._world.random.random()
            self._put_off(attempt, said, backoff.delay(attempt.job.tries + 1, jitter))
        else:
            self._settle(
                attempt.job,
                Rejected(
                    status=answer.status, reason=answer.reason, invalid_since=answer.timestamp
                ),
            )

    def _may_move(self, attempt: Attempt, verdict: Verdict, now: float) -> bool:
        """Whether another connection may help, and for a token that has expired a new one."""
        if verdict.retries is not None and attempt.moves >= verdict.retries:
            return False
        token = self._credential.token
        if not verdict.mints or token is None or attempt.authorization is None:
            return True
        return token.expired(attempt.authorization, int(self._world.unix()), now)

    def _unprocessed(self, attempt: Attempt) -> None:
        self._under_way -= 1
        self._meter.unprocessed.inc()
        attempt.refusals += 1
        beyond = attempt.refusals - FREE_REFUSALS
        if self._is_stopping:
            self._put_off(attempt, "we stop", 0.0)
        elif beyond > 0:
            jitter = self._world.random.random()
            self._put_off(attempt, "Apple does not look at it", SOON.delay(beyond, jitter))
        else:
            self._again.append(attempt)

    def _uncertain(self, attempt: Attempt, why: str) -> None:
        self._under_way -= 1
        self._meter.uncertain.inc()
        attempt.losses += 1
        push = attempt.job.push
        kind = getattr(push, "push_type", None)
        if self._settings.unanswered == "at_most_once" and kind in SEEN:
            self._meter.given_up.inc()
            self._settle(attempt.job, Failed(why=why))
        elif attempt.losses > 1:
            jitter = self._world.random.random()
            self._put_off(attempt, why, SOON.delay(attempt.job.tries + 1, jitter))
        else:
            self._send_again(attempt, why)

    def _send_again(self, attempt: Attempt, why: str) -> None:
        """At once, if the budget has it: when all goes wrong, twice the pushes do not help."""
        if self._is_stopping:
            self._put_off(attempt, why, 0.0)
        elif self._reserve >= 1.0:
            self._reserve -= 1.0
            self._meter.sent_again.inc()
            self._note(attempt.job, why)
            self._again.append(attempt)
        else:
            self._meter.held_back.inc()
            jitter = self._world.random.random()
            self._put_off(attempt, why, SOON.delay(attempt.job.tries + 1, jitter))

    def _put_off(self, attempt: Attempt, why: str, delay: float) -> None:
        self._settle(attempt.job, Failed(why=why, retry_at=self._world.unix() + delay))

    # Stopping the topic.

    def _leave(self, event: GoingAway) -> None:
        """GOAWAY may say what is wrong with the credential: {"reason":"BadCertificate..."}."""
        reason = event.explanation.reason
        if reason in BLAMING:
            self._blame_credential(str(reason), self._world.monotonic())

    def _blame_credential(self, said: str, now: float) -> None:
        if self._breaker.state is not BreakerState.OPEN:
            self._breaker.trip(now)
            self._tell_stop(f"Apple does not take its credential, {said}", now)

    def _tell_stop(self, why: str, now: float) -> None:
        self._meter.stops.inc()
        _log.error(
            "{name}: stopped, {why}; next try in {delay} s, or with another credential",
            name=self._name,
            why=escape(why),
            delay=f"{self._breaker.until - now:.0f}",
        )

    def _rest(self, delay: float) -> None:
        if self._resting is None:
            self._resting = self._world.reactor.callLater(delay, self._try_again)

    def _try_again(self) -> None:
        self._resting = None
        self.pool.turn_soon()

    def _rested(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None


def _load(connection: Connection) -> int:
    return connection.under_way


_log = Logger()
