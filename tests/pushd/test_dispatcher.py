"""The queue on a real database, delivered to the simulator over real TLS, whatever goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from ops.counter import Counters
from ops.database import Database
from ops.setting import Duration
from ops.store import Store
from protocols.apns.message import Broadcast, Notification, PushType, mdm_payload
from pushd.credential import Credential
from pushd.credentials import Credentials
from pushd.dispatcher import Dispatcher
from pushd.job import Job, LaneKey
from pushd.outcome import Accepted, Outcome
from pushd.queue import Queue
from pushd.queue_settings import QueueSettings
from pushd.settings import BreakerSettings, CredentialSettings
from pushd.statement import SCHEMA
from pushd.testing import Conduct, Cut, CutAt, GoAway, Reset, Rule, Silence
from pushd.testing.rule import REFUSED_STREAM
from pushd.world import World
from tests.pushd.apple import APP, MDM, AppleCase, until

TEAM_APP = f"{APP}.team"


class KnownCredentials:
    """Credentials that a test changes."""

    def __init__(self) -> None:
        self.known: dict[str, Credential] = {}
        self._listeners: list[Callable[[Credential], object]] = []
        self._removed: list[Callable[[str], object]] = []

    def get(self, name: str) -> Credential | None:
        return self.known.get(name)

    def listen(
        self, listener: Callable[[Credential], object], removed: Callable[[str], object]
    ) -> None:
        self._listeners.append(listener)
        self._removed.append(removed)

    def remove(self, name: str) -> None:
        del self.known[name]
        for removed in self._removed:
            removed(name)

    def put(self, credential: Credential) -> None:
        self.known[credential.name] = credential
        for listener in self._listeners:
            listener(credential)


class Noted(Queue):
    """The queue, and a note of what its pushes came to."""

    outcomes: dict[str, list[Outcome]]

    def settle(self, job: Job, outcome: Outcome, done: Any = lambda: None) -> None:
        self.outcomes.setdefault(job.id, []).append(outcome)
        super().settle(job, outcome, done)


def wake(number: int) -> Job:
    """A wake of device `number`."""
    push = Notification(
        device=f"{number:064x}",
        topic=MDM,
        push_type=PushType.MDM,
        payload=mdm_payload("magic"),
        apns_id=str(UUID(int=number)),
        priority=10,
        expiration=int(time.time()) + 3600,
    )
    return _job(push, "mdm")


def alert(number: int, topic: str = APP, name: str = "app", size: int = 0) -> Job:
    """An alert for device `number`."""
    push = Notification(
        device=f"{number:064x}",
        topic=topic,
        push_type=PushType.ALERT,
        payload=b'{"aps":{"alert":"%s"}}' % (b"x" * size),
        apns_id=str(UUID(int=number)),
        collapse_id="c",
        priority=5,
    )
    return _job(push, name)


def _job(push: Notification | Broadcast, name: str) -> Job:
    now = time.time()
    return Job(push=push, credential=name, submitted_at=int(now * 1000), deadline=int(now) + 86400)


class DispatcherCase(AppleCase):
    """A dispatcher between a queue and a simulator."""

    async def setUp(self) -> None:
        await super().setUp()
        self.counters = Counters()
        database = Database(self.folder / "pushd.db", SCHEMA)
        self.store = Store(
            database,
            reactor=reactor,  # type: ignore[arg-type]
            counters=self.counters,
            prefix="pushd",
        )
        self.store.open_thd()
        self.addCleanup(self.store.close)
        self.queue = Noted(
            self.store,
            settings=QueueSettings(),
            clock=reactor,  # type: ignore[arg-type]
            unix=time.time,
            counters=self.counters,
        )
        self.queue.outcomes = {}
        self.queue.load_thd()
        self.queue.start()
        self.addCleanup(self.queue.stop)
        self.credentials = KnownCredentials()

    def dispatch(
        self, *credentials: Credential, world: World | None = None, **changes: Any
    ) -> Dispatcher:
        """A running dispatcher."""
        for credential in credentials:
            self.credentials.put(credential)
        settings = self.settings(**changes)
        world = world or self.world()
        dialer = self.dialer(world=world, **changes)
        dispatcher = Dispatcher(
            self.queue,
            self.credentials,
            dialer=dialer,
            world=world,
            settings=settings,
            counters=self.counters,
        )
        dispatcher.startService()
        self.addCleanup(dispatcher.stopService)
        return dispatcher

    async def submit(self, *jobs: Job) -> None:
        done: Deferred[Any] = Deferred()
        self.queue.submit(jobs, done.callback)
        await done

    async def delivered(self, *jobs: Job) -> None:
        """All are accepted, and their outcome is on disk."""
        await until(lambda: not self.queue.depth)
        for job in jobs:
            outcomes = self.queue.outcomes[job.id]
            assert isinstance(outcomes[-1], Accepted), outcomes

    def counted(self, name: str) -> int:
        return self.counters.snapshot()[f"pushd_{name}_total"]

    def once(self, *jobs: Job) -> None:
        """Apple has each exactly once."""
        for job in jobs:
            assert self.simulator.record.count_of(job.id) == 1, job.id


class DeliveryTests(DispatcherCase):
    """What goes well."""

    async def test_certificate(self) -> None:
        """Wakes reach Apple as they were submitted, each once, over one connection."""
        jobs = [wake(number) for number in range(1, 1501)]
        self.dispatch(self.certificate())

        await self.submit(*jobs)
        await self.delivered(*jobs)

        self.once(*jobs)
        push = self.simulator.pushes[0]
        assert push.topic == MDM
        assert push.push_type == "mdm"
        assert push.priority == 10
        assert push.expiration is not None
        assert push.payload == b'{"mdm":"magic"}'
        assert list(self.simulator.violations) == []
        assert self.simulator.statistics.refused == 0

    async def test_waiting_before_start(self) -> None:
        """What waits in the queue is sent when the dispatcher starts."""
        await self.submit(wake(1), wake(2))

        self.dispatch(self.certificate())

        await self.delivered(wake(1), wake(2))

    async def test_token(self) -> None:
        """With a signing key one stream is open until Apple knows the token, then many."""
        jobs = [alert(number) for number in range(1, 201)]
        self.dispatch(self.signing_key())

        await self.submit(*jobs)
        await self.delivered(*jobs)

        self.once(*jobs)
        assert self.simulator.statistics.refused == 0
        assert {push.collapse_id for push in self.simulator.pushes} == {"c"}

    async def test_broadcast(self) -> None:
        """A broadcast goes to its channel."""
        dispatcher = self.dispatch(self.signing_key())
        push = Broadcast(
            bundle_id=APP,
            channel_id="dHN0LXNyY2gtY2hubA==",
            payload=b'{"aps":{}}',
            expiration=0,
            request_id=str(UUID(int=9)),
        )

        await self.submit(_job(push, "app"))
        await until(lambda: self.queue.outcomes)

        assert self.simulator.pushes or self.simulator.statistics.received == 1
        assert dispatcher.under_way == 0

    async def test_large_payloads(self) -> None:
        """Payloads that fill the windows wait for them, and all arrive."""
        jobs = [alert(number, size=4000) for number in range(1, 101)]
        self.dispatch(self.signing_key())

        await self.submit(*jobs)
        await self.delivered(*jobs)

        self.once(*jobs)

    async def test_growth(self) -> None:
        """A slow far end gets more connections, as many as the settings allow."""
        self.simulator.conduct = Conduct(streams=20, latency=0.05)
        jobs = [wake(number) for number in range(1, 401)]
        dispatcher = self.dispatch(self.certificate(), connections=3)

        await self.submit(*jobs)
        await until(lambda: dispatcher.connections == 3)
        await self.delivered(*jobs)

        self.once(*jobs)
        assert self.simulator.statistics.connections == 3
        assert self.simulator.statistics.refused == 0

    async def test_start_stop_start(self) -> None:
        """A dispatcher that was stopped closes all, and works again when it is started."""
        dispatcher = self.dispatch(self.certificate())
        await self.submit(wake(1))
        await self.delivered(wake(1))

        await dispatcher.stopService()
        await self.simulator.until(lambda: not self.simulator.connections)
        await self.submit(wake(2))
        dispatcher.startService()

        await self.delivered(wake(2))
        self.once(wake(1), wake(2))

    async def test_stop_under_load(self) -> None:
        """A stop in the middle loses nothing and sends nothing twice."""
        self.simulator.conduct = Conduct(streams=50, latency=0.02)
        jobs = [wake(number) for number in range(1, 501)]
        dispatcher = self.dispatch(self.certificate())
        await self.submit(*jobs)
        await until(lambda: self.counted("pushes_accepted") > 100)

        await dispatcher.stopService()
        assert self.counted("pushes_accepted") == self.simulator.statistics.accepted
        dispatcher.startService()
        await self.delivered(*jobs)

        self.once(*jobs)


class CredentialTests(DispatcherCase):
    """What is changed while it runs."""

    async def test_missing(self) -> None:
        """A lane without a credential waits for it."""
        dispatcher = self.dispatch()
        await self.submit(wake(1))
        await until(lambda: list(dispatcher.troubles()))

        self.credentials.put(self.certificate())

        await self.delivered(wake(1))

    async def test_renewed_under_load(self) -> None:
        """A certificate that is swapped in the middle costs no push and repeats none."""
        self.simulator.conduct = Conduct(streams=50, latency=0.02)
        jobs = [wake(number) for number in range(1, 501)]
        self.dispatch(self.certificate())
        await self.submit(*jobs)

        for accepted in (50, 150, 250):
            await until(lambda accepted=accepted: self.counted("pushes_accepted") > accepted)
            self.credentials.put(self.certificate())
        await self.delivered(*jobs)

        self.once(*jobs)
        assert self.simulator.statistics.connections >= 4
        assert self.counted("pushes_uncertain") == 0

    async def test_removed_under_load(self) -> None:
        """What was sent is answered, what was not waits; it is delivered when the credential is
        back, all of it once."""
        self.simulator.conduct = Conduct(streams=50, latency=0.02)
        jobs = [wake(number) for number in range(1, 1501)]
        certificate = self.certificate()
        dispatcher = self.dispatch(certificate)
        await self.submit(*jobs)
        await until(lambda: self.counted("pushes_accepted") > 50)

        self.credentials.remove("mdm")
        await self.simulator.until(lambda: not self.simulator.connections)
        assert 0 < self.queue.depth < 1500
        assert [why for _, why in dispatcher.troubles()] == ["its credential cannot be used"]
        self.credentials.put(certificate)
        await self.delivered(*jobs)

        self.once(*jobs)

    async def test_stop_after_a_removal(self) -> None:
        """A stop waits for what was sent by a credential that is gone."""
        self.simulator.conduct = Conduct(latency=0.2)
        dispatcher = self.dispatch(self.certificate())
        await self.submit(wake(1))
        await until(lambda: dispatcher.under_way)

        self.credentials.remove("mdm")
        await dispatcher.stopService()

        assert isinstance(self.queue.outcomes[wake(1).id][-1], Accepted)

    async def test_redial(self) -> None:
        """Connections are left for new ones, without a push lost or sent twice."""
        self.simulator.conduct = Conduct(streams=50, latency=0.02)
        jobs = [wake(number) for number in range(1, 301)]
        dispatcher = self.dispatch(self.certificate())
        await self.submit(*jobs)
        await until(lambda: self.counted("pushes_accepted") > 50)

        dispatcher.redial()
        await self.delivered(*jobs)

        self.once(*jobs)
        assert self.simulator.statistics.connections >= 2

    async def test_hurry(self) -> None:
        """A topic that rests after a failure is tried at once where somebody asks for it."""
        self.simulator.conduct = Conduct(tls="close")
        dispatcher = self.dispatch(self.certificate(), first_retry=60.0, longest_retry=60.0)
        await self.submit(wake(1))
        await until(lambda: self.counted("connections_failed"))
        self.simulator.conduct = Conduct()

        rested = dispatcher.hurry(list(self.queue.lanes))
        await self.delivered(wake(1))

        assert rested == 1
        assert dispatcher.hurry(list(self.queue.lanes)) == 0

    async def test_files(self) -> None:
        """A certificate that is renewed on disk is used for what comes then, without a stop."""
        pair = self.simulator.authority.provider(MDM)
        certificate, key = self.folder / "mdm.pem", self.folder / "mdm.key"
        pair.write(certificate, key)
        followed = Credentials(
            [CredentialSettings(name="mdm", certificate=certificate, key=key)],
            clock=reactor,  # type: ignore[arg-type]
            unix=time.time,
            in_thread=deferToThread,
            counters=self.counters,
        )
        self.credentials = followed  # type: ignore[assignment]
        followed.startService()
        self.addCleanup(followed.stopService)
        self.dispatch()
        await self.submit(wake(1))
        await self.delivered(wake(1))

        self.simulator.authority.provider(MDM).write(certificate, key)
        await followed.look(patient=False)
        await self.submit(wake(2))
        await self.delivered(wake(2))

        self.once(wake(1), wake(2))
        assert self.simulator.statistics.connections == 2
        assert self.counted("connections_replaced") == 1

    async def test_bulkheads(self) -> None:
        """A credential that Apple refuses, and a topic that gets no answers, keep no other from
        being delivered."""
        stranger = self.certificate("com.example.stranger", name="bad")
        bad = [_job(alert(number, "com.example.stranger").push, "bad") for number in range(1, 101)]
        silent = [alert(number) for number in range(1001, 2001)]
        good = [wake(number) for number in range(5001, 5501)]
        for job in silent[:1000]:
            self.simulator.rules.add(Rule(prefix=str(job.push.device), instead=Silence()))  # type: ignore[union-attr]
        for job in bad:
            self.simulator.rules.add(
                Rule(prefix=str(job.push.device), status=403, reason="BadCertificate")  # type: ignore[union-attr]
            )
        dispatcher = self.dispatch(
            self.certificate(), stranger, self.signing_key(), stop_timeout=Duration(0.1)
        )

        await self.submit(*bad, *silent)
        await until(lambda: dispatcher.under_way and self.counted("topic_stops"))
        await self.submit(*good)
        await until(lambda: self.counted("pushes_accepted") == 500)

        self.once(*good)
        assert [key for key, _ in dispatcher.troubles()] == [LaneKey("bad", "com.example.stranger")]

    async def test_token_for_hours(self) -> None:
        """A token is renewed before its hour is over, and not before Apple wants a new one."""
        clock = _Hours()
        world = World(reactor=reactor, monotonic=clock.monotonic, unix=clock.unix)
        self.simulator._unix = clock.unix
        self.dispatch(self.signing_key(), world=world)

        for number in range(1, 41):
            await self.submit(alert(number))
            await self.delivered(alert(number))
            clock.pass_time(300)

        self.once(*map(alert, range(1, 41)))
        assert self.simulator.statistics.rejected == 0


class FaultTests(DispatcherCase):
    """What goes wrong."""

    async def test_cut_at_every_frame(self) -> None:
        """A connection that is cut after any frame, received or sent, costs no push; one is sent
        twice only if its answer was lost."""
        self.dispatch(
            self.certificate(), openings=1000, first_retry=Duration(0.1), longest_retry=Duration(1)
        )
        number = 0
        for direction in ("received", "sent"):
            for abort in (False, True):
                for count in range(1, 16):
                    cut = CutAt(count=count, direction=direction, abort=abort)  # type: ignore[arg-type]
                    await self._cut(Conduct(cut=cut), number)
                    number += 5

    async def _cut(self, conduct: Conduct, first: int) -> None:
        for connection in self.simulator.connections:
            connection.goaway(GoAway())
        await self.simulator.until(lambda: not self.simulator.connections)
        jobs = [wake(1 + first + n) for n in range(5)]
        self.simulator.script(conduct)
        lost = self.counted("pushes_uncertain")

        await self.submit(*jobs)
        await self.delivered(*jobs)

        lost = self.counted("pushes_uncertain") - lost
        counts = [self.simulator.record.count_of(job.id) for job in jobs]
        assert all(count >= 1 for count in counts), (conduct, counts)
        assert sum(counts) <= len(jobs) + lost, (conduct, counts, lost)

    async def test_goaway_storm(self) -> None:
        """GOAWAY again and again, with the last stream that was received: nothing is repeated."""
        jobs = [wake(number) for number in range(1, 301)]
        self.simulator.rules.add(
            *(Rule(skip=n * 50, times=1, instead=GoAway(reason="Shutdown")) for n in range(4))
        )
        self.dispatch(self.certificate())

        await self.submit(*jobs)
        await self.delivered(*jobs)

        self.once(*jobs)

    async def test_refused_streams(self) -> None:
        """Refused streams are sent again at once, and count once."""
        jobs = [wake(number) for number in range(1, 101)]
        self.simulator.rules.add(Rule(times=60, instead=Reset(code=REFUSED_STREAM)))
        self.dispatch(self.certificate(), retry_percent=0)

        await self.submit(*jobs)
        await self.delivered(*jobs)

        assert self.counted("pushes_unprocessed") >= 60
        assert self.counted("pushes_uncertain") == 0

    async def test_lost_answers(self) -> None:
        """A connection that ends in the middle: pushes without an answer are sent once more, with
        the same id; those with one are not."""
        jobs = [wake(number) for number in range(1, 101)]
        self.simulator.rules.add(Rule(skip=50, times=1, instead=Cut()))
        self.dispatch(self.certificate())

        await self.submit(*jobs)
        await self.delivered(*jobs)

        uncertain = self.counted("pushes_uncertain")
        duplicates = self.simulator.statistics.duplicates
        assert duplicates <= uncertain
        assert uncertain >= 1

    async def test_black_hole(self) -> None:
        """A server that takes pushes and says nothing, not even to PING, is left."""
        jobs = [wake(number) for number in range(1, 11)]
        self.simulator.script(Conduct(pongs=False))
        for _ in range(10):
            self.simulator.rules.add(Rule(times=1, instead=Silence()))
        self.dispatch(self.certificate(), ping=Duration(0.3), pong_timeout=Duration(0.2))

        await self.submit(*jobs)
        await self.delivered(*jobs)

        assert self.simulator.statistics.connections == 2

    async def test_expired_token(self) -> None:
        """A token that has expired is minted anew if it may be, and the connection is left."""
        self.simulator.rules.add(Rule(skip=1, times=1, status=403, reason="ExpiredProviderToken"))
        clock = _Hours()
        world = World(reactor=reactor, monotonic=clock.monotonic, unix=clock.unix)
        self.simulator._unix = clock.unix
        self.dispatch(self.signing_key(), world=world)
        await self.submit(alert(1))
        await self.delivered(alert(1))

        clock.pass_time(1500)
        await self.submit(alert(2))
        await self.delivered(alert(2))

        assert self.counted("topic_stops") == 0
        assert self.simulator.statistics.connections == 2

    async def test_too_many_updates(self) -> None:
        """TooManyProviderTokenUpdates: another connection, the same token, a little later."""
        self.simulator.rules.add(Rule(times=1, status=429, reason="TooManyProviderTokenUpdates"))
        self.dispatch(self.signing_key())

        await self.submit(alert(1))
        await self.delivered(alert(1))

        assert len(self.queue.outcomes[alert(1).id]) == 2
        assert self.simulator.statistics.connections == 2

    async def test_limit_falls_to_one(self) -> None:
        """Apple lowers the limit after a rejection and raises it again: no stream too many."""
        self.simulator.conduct = Conduct(lowers=True, excess="goaway")
        jobs = [alert(number) for number in range(1, 301)]
        for number in range(10, 300, 10):
            self.simulator.rules.add(
                Rule(prefix=f"{number:064x}", status=400, reason="BadDeviceToken")
            )
        self.dispatch(self.signing_key())

        await self.submit(*jobs)
        await until(lambda: not self.queue.depth)

        assert self.counted("pushes_accepted") == 271
        assert self.counted("pushes_bad_token") == 29

    async def test_breaker(self) -> None:
        """Mass rejections stop the topic, and one push tries again after the pause."""
        breaker = BreakerSettings(answers=20, pause=Duration(1))
        self.simulator.conduct = Conduct(streams=10)
        self.simulator.rules.add(Rule(times=21, status=400, reason="DeviceTokenNotForTopic"))
        jobs = [wake(number) for number in range(1, 101)]
        self.dispatch(self.certificate(), breaker=breaker)

        await self.submit(*jobs)
        await until(lambda: not self.queue.depth)

        assert self.counted("topic_stops") == 2
        assert self.counted("pushes_wrong_topic") == 21
        assert self.counted("pushes_accepted") == 79

    async def test_server_away(self) -> None:
        """While nobody listens pushes wait; they are sent when the server is back."""
        port = self.simulator.port
        dispatcher = self.dispatch(
            self.certificate(), first_retry=Duration(0.1), longest_retry=Duration(1)
        )
        await self.simulator.stop()
        await self.submit(wake(1))
        await until(lambda: list(dispatcher.troubles()))

        await self.simulator.start(port)

        await self.delivered(wake(1))
        self.once(wake(1))


class _Hours:
    """Clocks that a test moves on."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._start = time.time()

    def monotonic(self) -> float:
        return self._clock.seconds()

    def unix(self) -> float:
        return self._start + self._clock.seconds()

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)
