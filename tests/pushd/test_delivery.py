"""What becomes of pushes, whatever Apple does: each is settled once, and in time."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from h2.errors import ErrorCodes

from ops.setting import Duration
from protocols.apns.message import PushType
from protocols.apns.token import ProviderToken
from pushd.breaker import BreakerState
from pushd.credential import Credential, Kind
from pushd.outcome import Accepted, Expired, Failed, Rejected
from tests.pushd.puppet import START, TOPIC, Stage, alert, fast_breaker


def apns_id(number: int) -> str:
    return str(UUID(int=number))


def test_accepted() -> None:
    """A push that Apple takes is settled with its id, and counted."""
    stage = Stage()
    stage.push(alert(1))

    stage.opened().answer(1)

    assert stage.settled == [(alert(1), Accepted(apns_id=apns_id(1)))]
    assert stage.counted("pushes_accepted") == 1
    assert stage.counted("answers_within_10_ms") == 1
    assert stage.delivery.under_way == 0


def test_nothing_to_do() -> None:
    """Without pushes nothing is dialled."""
    stage = Stage()

    stage.delivery.wake()
    stage.turn()

    assert stage.dials == 0


def test_not_before_settings() -> None:
    """Nothing is sent before Apple's SETTINGS: the certificate may still be refused."""
    stage = Stage()

    stage.push(alert(1))
    stage.fars[0].read()
    before = list(stage.fars[0].received)

    assert before == []
    assert stage.opened().received == [apns_id(1)]


def test_one_write() -> None:
    """What is sent in one turn is one write."""
    stage = Stage()
    stage.push(*map(alert, range(100)))
    stage.fars[0].transport.written.clear()
    stage.fars[0].read = lambda: None  # type: ignore[method-assign]

    stage.fars[0].settings()
    stage.turn()

    written = stage.fars[0].transport.written
    assert len([part for part in written if len(part) > 100]) == 1


def test_limits_rise_and_fall() -> None:
    """One stream, then a thousand, then one, then a thousand: never more than allowed."""
    stage = Stage()
    stage.push(*map(alert, range(3000)))
    far = stage.opened(1)
    assert len(far.streams) == 1

    far.settings(1000)
    stage.turn(10)
    far.read()
    assert len(far.streams) == 1000
    far.settings(1)
    streams = list(far.streams)
    far.answers(streams[:999])
    stage.turn()
    far.read()
    assert len(far.streams) == 1
    far.answer_all()
    stage.turn()
    far.read()
    assert len(far.streams) == 1
    far.settings(1000)
    stage.turn(10)
    far.read()

    assert len(far.streams) == 1000
    assert stage.outcomes() == ["Accepted"] * 1000
    assert stage.dials == 1 or len(stage.fars) == 2


def test_grows_when_full() -> None:
    """Another connection is opened once all are full and proved, up to the number allowed."""
    stage = Stage(connections=3)
    stage.push(*map(alert, range(100)))
    one = stage.opened(10)
    before = stage.dials
    one.answer(1)
    stage.turn()
    two = stage.opened(10)
    two.answer_all()
    stage.turn()
    three = stage.opened(10)
    three.answer_all()
    stage.turn()
    for far in (one, two, three):
        far.read()

    assert before == 1
    assert stage.dials == 3
    assert [len(far.streams) for far in (one, two, three)] == [10, 10, 10]


def test_does_not_grow_at_one_stream() -> None:
    """Where Apple lets one push through at a time, more connections are no help."""
    stage = Stage()
    stage.push(*map(alert, range(10)))
    far = stage.opened(1)

    for _ in range(5):
        far.answer_all()
        stage.turn()

    assert stage.dials == 1


def test_least_loaded() -> None:
    """The connection with the least under way gets the next pushes."""
    stage = Stage(connections=2)
    stage.push(*map(alert, range(12)))
    one = stage.opened(5)
    one.answer(1)
    stage.turn()
    two = stage.opened(100)
    one.read()
    assert [len(one.streams), len(two.streams)] == [5, 6]
    two.answer_all()
    stage.turn()

    stage.push(alert(50))
    one.read()
    two.read()

    assert apns_id(50) in two.received


@pytest.mark.parametrize("last", range(0, 13, 2))
def test_goaway(last: int) -> None:
    """GOAWAY with any last stream: what is above goes elsewhere at once, the rest is waited for."""
    stage = Stage()
    stage.push(*map(alert, range(1, 7)))
    far = stage.opened()
    last_stream = max(0, last - 1)  # 0, 1, 3, 5, 7, 9, 11

    far.goaway(last_stream)
    stage.turn()
    stage.clock.advance(1)
    other = stage.opened() if last < 12 else far
    kept = [stream for stream in far.streams if stream <= last_stream]
    moved = [far.streams[stream] for stream in far.streams if stream > last_stream]
    far.answers(kept)
    stage.turn()
    if last < 12:
        assert sorted(other.received) == sorted(moved)
        other.answer_all()
    stage.turn()

    assert stage.outcomes() == ["Accepted"] * 6
    assert sorted(job.id for job, _ in stage.settled) == [apns_id(n) for n in range(1, 7)]
    assert far.is_gone
    assert stage.counted("pushes_unprocessed") == 6 - last // 2
    assert stage.counted("pushes_uncertain") == 0


def test_pushes_after_goaway() -> None:
    """After GOAWAY new pushes go by another connection, while the old one is drained."""
    stage = Stage()
    stage.push(alert(1), alert(2))
    far = stage.opened()
    far.answer(1)
    far.goaway(3)

    stage.push(alert(3))
    other = stage.opened()

    assert other.received == [apns_id(3)]
    assert not far.is_gone
    far.answer(3)
    assert far.is_gone
    assert stage.outcomes() == ["Accepted", "Accepted"]


def test_refused_stream() -> None:
    """REFUSED_STREAM costs nothing: the push is sent again at once with the same id."""
    stage = Stage(retry_percent=0)
    stage.push(alert(1))
    far = stage.opened()

    far.refuse(1)
    stage.turn()
    far.read()
    far.answer(3)

    assert far.received == [apns_id(1), apns_id(1)]
    assert stage.outcomes() == ["Accepted"]


def test_refused_for_ever() -> None:
    """A push that is refused again and again is put off: no loop at the speed of the line."""
    stage = Stage()
    stage.push(alert(1))
    far = stage.opened()

    for stream in (1, 3, 5, 7):
        far.refuse(stream)
        stage.turn()
        far.read()

    ((_, outcome),) = stage.settled
    assert isinstance(outcome, Failed)
    assert outcome.retry_at is not None
    assert START < outcome.retry_at <= START + 1


def test_lost_answer() -> None:
    """A push whose answer was lost is sent again once, at once, with the same id; that is noted."""
    stage = Stage()
    stage.push(alert(1), alert(2))
    far = stage.opened()
    far.answer(1)

    far.lost()
    stage.turn()
    other = stage.opened()
    other.answer_all()

    assert other.received == [apns_id(2)]
    assert stage.outcomes() == ["Accepted", "Accepted"]
    assert stage.counted("pushes_sent_again") == 1
    ((job, why),) = stage.noted
    assert (job.id, bool(why)) == (apns_id(2), True)


def test_lost_twice() -> None:
    """A push whose answer is lost twice is put off, and kept."""
    stage = Stage()
    stage.push(alert(1))
    for _ in range(2):
        stage.opened().lost()
        stage.clock.advance(2)
        stage.turn()

    ((_, outcome),) = stage.settled
    assert isinstance(outcome, Failed)
    assert outcome.retry_at is not None


@pytest.mark.parametrize(
    ("kind", "name"),
    [(PushType.ALERT, "Failed"), (PushType.VOIP, "Failed"), (PushType.BACKGROUND, "Accepted")],
)
def test_at_most_once(kind: PushType, name: str) -> None:
    """Who does not want anything shown twice has alerts given up, and nothing else."""
    stage = Stage(unanswered="at_most_once")
    stage.push(alert(1, kind))
    stage.opened().lost()
    stage.clock.advance(2)
    stage.turn()
    if name == "Accepted":
        stage.opened().answer_all()

    assert stage.outcomes() == [name]
    assert all(getattr(outcome, "retry_at", None) is None for _, outcome in stage.settled)


def test_retry_budget() -> None:
    """When many answers are lost together, only as many are sent again at once as the budget has;
    the others are put off."""
    stage = Stage()
    stage.push(*map(alert, range(300)))
    stage.opened().lost()
    stage.clock.advance(2)

    assert stage.counted("pushes_uncertain") == 300
    assert stage.delivery.waiting + stage.counted("pushes_held_back") == 300
    assert stage.counted("pushes_sent_again") == 100
    assert stage.outcomes() == ["Failed"] * 200


def test_deadline_while_waiting() -> None:
    """A push that is to be sent again and finds no connection in time has expired."""
    stage = Stage()
    stage.push(alert(1, lasts=30))
    far = stage.opened()
    stage.refuses = "nobody is there"
    far.lost()

    for _ in range(60):
        stage.clock.advance(1)

    stage.refuses = None
    stage.clock.pump([1] * 60)
    stage.turn()
    stage.opened()
    stage.turn()
    assert [outcome for _, outcome in stage.settled] == [Expired()]


def test_black_hole() -> None:
    """A connection that goes silent is found out by PING, and its pushes go elsewhere."""
    stage = Stage(answer_timeout=Duration(600))
    stage.push(alert(1))
    far = stage.opened()

    stage.clock.pump([1] * 61)
    stage.turn()

    assert far.is_gone
    assert stage.opened().received == [apns_id(1)]


def test_no_answer() -> None:
    """One push without an answer is sent again after the time that answers may take; the
    connection stays."""
    stage = Stage(answer_timeout=Duration(30))
    stage.push(alert(1))
    far = stage.opened()

    stage.clock.pump([1] * 31)
    stage.turn()
    far.read()

    assert far.reset == [1]
    assert far.received == [apns_id(1), apns_id(1)]
    assert not far.is_gone


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (400, "BadDeviceToken", Rejected(status=400, reason="BadDeviceToken")),
        (400, "PayloadEmpty", Rejected(status=400, reason="PayloadEmpty")),
        (400, "TopicDisallowed", Rejected(status=400, reason="TopicDisallowed")),
        (410, "Unregistered", Rejected(status=410, reason="Unregistered")),
        (413, "PayloadTooLarge", Rejected(status=413, reason="PayloadTooLarge")),
        (418, "Teapot", Rejected(status=418, reason="Teapot")),
    ],
)
def test_rejected(status: int, reason: str, outcome: Rejected) -> None:
    """What Apple will not have is settled so; the connection stays."""
    stage = Stage()
    stage.push(alert(1))
    far = stage.opened()

    far.answer(1, status, reason)

    assert [outcome for _, outcome in stage.settled] == [outcome]
    assert not far.is_gone


@pytest.mark.parametrize(
    ("status", "reason", "least", "most"),
    [
        (429, "TooManyRequests", 15, 30),
        (500, "InternalServerError", 1, 2),
        (503, "ServiceUnavailable", 1, 2),
    ],
)
def test_put_off(status: int, reason: str, least: float, most: float) -> None:
    """What Apple wants later goes back to the queue with its time, shortened at random."""
    stage = Stage()
    stage.push(alert(1))

    stage.opened().answer(1, status, reason)

    ((_, outcome),) = stage.settled
    assert isinstance(outcome, Failed)
    assert outcome.retry_at is not None
    assert START + least <= outcome.retry_at <= START + most
    assert outcome.why == f"{status} {reason}"


def test_shutdown() -> None:
    """503 Shutdown moves the push to another connection at once."""
    stage = Stage()
    stage.push(alert(1), alert(2))
    far = stage.opened()
    far.answer(1)

    far.answer(3, 503, "Shutdown")
    stage.turn()
    other = stage.opened()
    other.answer_all()

    assert far.is_gone
    assert other.received == [apns_id(2)]
    assert stage.outcomes() == ["Accepted", "Accepted"]


def test_connection_that_is_useless() -> None:
    """A server that takes connections and closes them is asked again later and later."""
    stage = Stage()
    stage.push(alert(1))
    times = []
    for _ in range(8):
        count = stage.dials
        stage.opened().lost()
        while stage.dials == count:
            stage.clock.advance(0.25)
            stage.push(*stage.lane.take(0), *[job for job, _ in stage.settled])
            stage.settled.clear()
        times.append(stage.clock.seconds())

    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses[0] < 3
    assert 30 <= pauses[-1] <= 61
    assert stage.counted("connections_failed") >= 8


def test_back_off() -> None:
    """Where nobody answers, connections are tried after 1, 2, 4 … 60 seconds, each shortened by up
    to a half; a success begins anew."""
    stage = Stage(seed=3)
    stage.refuses = "nobody is there"
    stage.push(alert(1))
    times = [0.0]
    while len(times) < 10:
        count = stage.dials
        while stage.dials == count:
            stage.clock.advance(0.05)
        times.append(stage.clock.seconds())

    pauses = [later - sooner for sooner, later in pairwise(times)]
    for number, pause in enumerate(pauses):
        whole = min(60, 1 << number)
        assert whole / 2 <= pause <= whole + 0.2
    assert len({round(p / min(60, 1 << n), 2) for n, p in enumerate(pauses)}) > 5
    assert stage.delivery.pool.problem == "nobody is there"


def test_short_lives() -> None:
    """A server that answers one push by each connection gets no more of them in a minute than the
    settings allow."""
    stage = Stage(openings=6)
    stage.push(*map(alert, range(100)))

    while stage.clock.seconds() < 300:
        far = stage.fars[-1]
        if far.is_gone:
            stage.wait(1)
            continue
        stage.opened(1)
        far.answer_all()
        far.goaway(1)
        stage.turn()

    assert 24 <= stage.dials <= 32
    assert set(stage.outcomes()) == {"Accepted"}


def test_backpressure() -> None:
    """What the transport does not take is not written, and nothing more is sent meanwhile."""
    stage = Stage()
    stage.push(alert(1))
    far = stage.opened()
    far.connection.pauseProducing()

    stage.push(*map(alert, range(2, 50)))
    far.answer(1)
    stage.turn()
    far.read()
    paused = list(far.received)
    far.connection.resumeProducing()
    stage.turn()
    far.answer_all()

    assert paused == [apns_id(1)]
    assert stage.outcomes() == ["Accepted"] * 49


def test_breaker() -> None:
    """When most answers blame token or topic, the topic stops, tries one push, and goes on."""
    stage = Stage(breaker=fast_breaker())
    stage.push(*map(alert, range(20)))
    far = stage.opened(10)
    far.answer_all(400, "BadDeviceToken")
    stage.turn()
    far.read()
    stopped = stage.delivery.breaker
    assert (stopped, far.streams) == (BreakerState.OPEN, {})

    stage.clock.advance(29)
    stage.turn()
    far.read()
    waiting = dict(far.streams)
    stage.clock.advance(1)
    stage.turn()
    far.read()
    assert (waiting, len(far.streams)) == ({}, 1)
    far.answer_all()
    stage.turn()
    far.read()

    assert stage.delivery.breaker is BreakerState.CLOSED
    assert len(far.streams) == 9
    assert stage.counted("topic_stops") == 1


def test_breaker_again() -> None:
    """A push that tries in vain makes the next pause twice as long."""
    stage = Stage(breaker=fast_breaker())
    stage.push(*map(alert, range(20)))
    far = stage.opened(10)
    far.answer_all(400, "BadDeviceToken")
    stage.wait(30)
    far.answer_all(400, "BadDeviceToken")

    stage.wait(59)
    before = dict(far.streams)
    stage.wait(2)

    assert before == {}
    assert len(far.streams) == 1


def test_gone_devices() -> None:
    """Devices that are gone stop no topic, however many."""
    stage = Stage(breaker=fast_breaker())
    stage.push(*map(alert, range(100)))

    stage.opened().answer_all(410, "Unregistered")

    assert stage.delivery.breaker is BreakerState.CLOSED
    assert stage.outcomes() == ["Rejected"] * 100


@pytest.mark.parametrize("reason", ["BadCertificate", "BadCertificateEnvironment"])
def test_credential_refused(reason: str) -> None:
    """A credential that Apple refuses stops the topic at once; no push is lost by it."""
    stage = Stage()
    stage.push(*map(alert, range(10)))
    far = stage.opened(3)

    far.answer(1, 403, reason)
    stage.turn()
    far.answer_all(403, reason)
    stage.turn()

    assert stage.delivery.breaker is BreakerState.OPEN
    assert stage.outcomes() == ["Failed"] * 3
    retries = [getattr(outcome, "retry_at", None) for _, outcome in stage.settled]
    assert all(retry == START + 60 for retry in retries)
    assert stage.lane.ready == 7
    assert far.is_gone


def test_credential_refused_by_goaway() -> None:
    """GOAWAY that blames the certificate stops the topic, too; nothing has been looked at."""
    stage = Stage()
    stage.push(alert(1), alert(2))
    far = stage.opened()

    far.goaway(0, b'{"reason":"BadCertificateEnvironment"}')
    stage.turn()

    assert stage.delivery.breaker is BreakerState.OPEN
    assert stage.delivery.waiting == 2
    assert stage.settled == []
    assert len(stage.fars) == 1


def test_renewed() -> None:
    """Another credential: connections of the old one are drained, a stopped topic goes on."""
    stage = Stage()
    stage.push(alert(1), alert(2))
    far = stage.opened()
    far.answer(1, 403, "BadCertificate")
    renewed = Credential(
        name="app",
        kind=Kind.CERTIFICATE,
        environment="production",
        topics=frozenset((TOPIC,)),
        fingerprint="01",
    )

    stage.delivery.renew(renewed, stage.dial)
    stage.push(alert(3))
    other = stage.opened()
    far.answer(3)
    other.answer_all()

    assert stage.outcomes() == ["Failed", "Accepted", "Accepted"]
    assert far.is_gone
    assert other.received == [apns_id(3)]


def test_renewed_mid_stream() -> None:
    """What is under way when the certificate is swapped is answered by the old connection."""
    stage = Stage()
    stage.push(*map(alert, range(50)))
    far = stage.opened(10)
    far.answer(1)
    stage.turn()

    stage.delivery.renew(stage.delivery._credential, stage.dial)
    stage.turn()
    other = stage.opened()
    far.answer_all()
    other.answer_all()
    stage.turn()

    assert stage.outcomes() == ["Accepted"] * 50
    assert stage.counted("pushes_uncertain") == stage.counted("pushes_unprocessed") == 0
    assert far.is_gone


def signing() -> Credential:
    """A signing key of a test's own."""
    key = generate_private_key(SECP256R1())
    return Credential(
        name="app",
        kind=Kind.TOKEN,
        environment="production",
        topics=frozenset(),
        fingerprint="02",
        token=ProviderToken(team_id="TEAM123456", key_id="KEY1234567", key=key),
    )


def test_one_token() -> None:
    """All pushes carry the same token, on all connections, until it is 45 minutes old."""
    stage = Stage(credential=signing(), connections=2)
    stage.push(*map(alert, range(20)))
    one = stage.opened(5)
    one.answer(1)
    stage.turn()
    two = stage.opened(100)
    stage.wait(44 * 60)
    stage.push(alert(100))
    stage.turn()
    two.read()
    young = {*one.tokens, *two.tokens}

    stage.wait(2 * 60)
    one.answer_all()
    stage.push(alert(101))
    one.read()
    two.read()

    assert len(young) == 1
    assert len({*one.tokens, *two.tokens}) == 2


@pytest.mark.parametrize("jump", [-86400, -3600, -30, 30])
def test_clock_jumps(jump: int) -> None:
    """A wall clock that is set makes no second token within the 20 minutes that Apple asks for."""
    stage = Stage(credential=signing())
    stage.push(alert(1))
    far = stage.opened()
    far.answer_all()

    stage.wrong = jump
    for number in range(2, 20):
        stage.wait(60)
        stage.push(alert(number, lasts=10**6))
        far.answer_all()

    assert len(far.tokens) == 19
    assert len(set(far.tokens)) == 1


def test_token_expired() -> None:
    """A thousand answers that a token has expired make one new token; the connection that has seen
    the old one is left, and all pushes go by another."""
    stage = Stage(credential=signing())
    stage.push(alert(1))
    far = stage.opened()
    far.answer_all()
    stage.wait(1500)

    stage.push(*map(alert, range(2, 102)))
    far.answer_all(403, "ExpiredProviderToken")
    stage.turn()
    other = stage.opened()
    other.answer_all()

    assert stage.outcomes() == ["Accepted"] * 101
    assert far.is_gone
    assert len(set(far.tokens)) == len(set(other.tokens)) == 1
    assert set(far.tokens) != set(other.tokens)
    assert stage.counted("topic_stops") == 0


def test_young_token_expired() -> None:
    """If a token that is new has expired, our clock is wrong: the topic stops, its pushes stay."""
    stage = Stage(credential=signing())
    stage.push(alert(1))

    stage.opened().answer(1, 403, "ExpiredProviderToken")

    assert stage.delivery.breaker is BreakerState.OPEN
    ((_, outcome),) = stage.settled
    assert isinstance(outcome, Failed)
    assert outcome.retry_at == START + 60


def test_too_many_tokens() -> None:
    """A server that finds our tokens too many is not asked at the speed of the line: connections
    that it lets us keep nothing of count as failures."""
    stage = Stage(credential=signing())
    for number in range(1, 8):
        stage.push(alert(number))
        while len(stage.fars) < number:
            stage.wait(1)
        stage.opened().answer_all(429, "TooManyProviderTokenUpdates")

    assert stage.clock.seconds() > 20
    assert stage.outcomes() == ["Failed"] * 7
    assert len({token for far in stage.fars for token in far.tokens}) == 1


def test_unrelated_key() -> None:
    """A connection that is bound to another key is left, once; then it is the credential."""
    stage = Stage(credential=signing())
    stage.push(alert(1))
    stage.opened().answer_all(403, "UnrelatedKeyIdInToken")
    stage.wait(2)
    stage.opened().answer_all(403, "UnrelatedKeyIdInToken")

    assert len(stage.fars) == 2
    assert stage.delivery.breaker is BreakerState.OPEN


def test_topic_not_covered() -> None:
    """Pushes of a topic that the credential is not for never reach Apple."""
    stage = Stage()
    other = Credential(
        name="app",
        kind=Kind.CERTIFICATE,
        environment="production",
        topics=frozenset(("com.example.other",)),
        fingerprint="01",
    )
    stage.delivery.renew(other, stage.dial)

    stage.push(*map(alert, range(1000)))

    assert stage.outcomes() == ["Rejected"] * 1000
    assert stage.dials == 0


def test_stop() -> None:
    """A stop waits for answers; what waits goes back to the queue."""
    stage = Stage()
    stage.push(*map(alert, range(5)))
    far = stage.opened(2)
    stopped = stage.delivery.stop(10)
    done: list[None] = []
    stopped.addCallback(done.append)
    stage.turn()
    assert (done, far.is_gone) == ([], False)

    far.answers(list(far.streams))

    assert done == [None]
    assert stage.outcomes() == ["Accepted", "Accepted"]
    assert stage.lane.ready == 3
    assert far.is_gone
    assert stage.clock.getDelayedCalls() == []


def test_stop_without_answers() -> None:
    """A stop waits no longer than told; what has no answer by then stays in the queue."""
    stage = Stage()
    stage.push(alert(1), alert(2))
    far = stage.opened()
    done: list[None] = []
    stage.delivery.stop(10).addCallback(done.append)

    stage.clock.advance(10)
    stage.turn()

    assert done == [None]
    assert far.is_gone
    assert stage.outcomes() == ["Failed", "Failed"]
    assert all(getattr(outcome, "retry_at", None) is not None for _, outcome in stage.settled)
    assert stage.clock.getDelayedCalls() == []


def test_stop_while_backing_off() -> None:
    """A stop leaves no timer behind, whatever was being waited for."""
    stage = Stage()
    stage.refuses = "nobody is there"
    stage.push(alert(1))
    done: list[None] = []

    stage.delivery.stop(10).addCallback(done.append)

    assert done == [None]
    assert stage.clock.getDelayedCalls() == []


def test_stop_while_opening() -> None:
    """A connection that is being opened is not waited for."""
    stage = Stage()
    stage.push(alert(1))
    done: list[None] = []

    stage.delivery.stop(10).addCallback(done.append)
    stage.turn()

    assert done == [None]


def test_idle() -> None:
    """Connections are kept, unless the settings say for how long without a push."""
    kept, closed = Stage(), Stage(idle=Duration(3600))
    for stage in (kept, closed):
        stage.push(alert(1))
        stage.opened().answer_all()
        stage.wait(2 * 3600)

    assert not kept.fars[0].is_gone
    assert closed.fars[0].is_gone
    assert closed.counted("connections_failed") == 0


def test_numbers_used_up() -> None:
    """When a connection's stream numbers are used up, another takes over."""
    stage = Stage()
    stage.push(alert(1))
    far = stage.opened()
    far.answer(1)
    far.connection._engine._next_stream = (1 << 31) - 3  # type: ignore[union-attr]

    stage.push(alert(2), alert(3), alert(4))

    assert len(stage.fars) == 2
    stage.opened().answer_all()
    far.read()
    far.answer_all()
    stage.turn()
    assert stage.outcomes() == ["Accepted"] * 4
    assert far.is_gone


def test_stream_error() -> None:
    """A push whose stream Apple breaks off may have been delivered: the same id, once more."""
    stage = Stage()
    stage.push(alert(1))
    far = stage.opened()

    far.refuse(1, ErrorCodes.INTERNAL_ERROR)
    stage.turn()
    far.read()

    assert far.received == [apns_id(1)] * 2
    assert stage.counted("pushes_uncertain") == 1


def test_no_retry_budget() -> None:
    """Without a budget nothing whose answer was lost is sent again at once."""
    stage = Stage(retry_percent=0)
    stage.push(alert(1))

    stage.opened().lost()
    stage.turn()

    ((_, outcome),) = stage.settled
    assert isinstance(outcome, Failed)
    assert outcome.retry_at is not None
