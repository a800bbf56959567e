"""The rest of our own API: status, cancel, feeds, health, and who may."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from twisted.logger import capturedLogs

from ops.database import StoreError
from ops.log import json_line
from pushd.api.bearer import new_token
from pushd.api.outcomes import PAUSE
from pushd.outcome import Accepted, Collapsed, Expired, Failed, Outcome, Rejected
from tests.pushd.api.stand import APP, PUSH, Stand
from tests.pushd.rig import START, push_id
from tests.pushd.test_queue import full_disk

GONE = Rejected(status=410, reason="Unregistered", invalid_since=5)
NOBODY = {"authorization": "bearer pushd_aaaaaaaa_" + "x" * 43}


def settled(stand: Stand, number: int, outcome: Outcome | None = None) -> str:
    """A push that has its outcome."""
    id = push_id(number)
    stand.post({**PUSH, "id": id, "device": f"{number:064x}"})
    (job,) = stand.rig.jobs()
    stand.rig.settle(job, outcome or Accepted(apns_id=id))
    return id


def test_the_status_of_a_push(stand: Stand) -> None:
    """Queued, sending, and then its outcome."""
    id = stand.post(PUSH).json["id"]
    queued = stand.ask("GET", f"/v1/pushes/{id}")
    (job,) = stand.rig.jobs()
    sending = stand.ask("GET", f"/v1/pushes/{id.upper()}")
    stand.rig.settle(job, GONE)
    over = stand.ask("GET", f"/v1/pushes/{id}")

    at = START * 1000
    lane = {"credential": "main", "topic": APP}
    assert queued.json == {"id": id, "state": "queued", "submitted_at": at, **lane}
    assert sending.json == {"id": id, "state": "sending", "submitted_at": at, **lane}
    assert over.json == {
        "id": id,
        "state": "rejected",
        "submitted_at": at,
        **lane,
        "settled_at": at,
        "outcome": {"status": 410, "reason": "Unregistered", "invalid_since": 5},
    }


def test_the_story_of_a_push(stand: Stand) -> None:
    """Each attempt that failed: when and why; when the next is due; and all of it in the end."""
    id = stand.post(PUSH).json["id"]
    (job,) = stand.rig.jobs()
    stand.rig.settle(job, Failed(why="503 Shutdown", retry_at=START + 10.0))
    waiting = stand.ask("GET", f"/v1/pushes/{id}").json
    stand.rig.clock.advance(10)
    (job,) = stand.rig.jobs()
    sending = stand.ask("GET", f"/v1/pushes/{id}").json
    stand.rig.settle(job)
    over = stand.ask("GET", f"/v1/pushes/{id}").json
    feed = stand.ask("GET", "/v1/results").json

    attempts = [{"at": START * 1000, "why": "503 Shutdown"}]
    assert (waiting["state"], waiting["retry_at"]) == ("queued", (START + 10) * 1000)
    assert [told["attempts"] for told in (waiting, sending, over)] == [attempts] * 3
    assert [told["tries"] for told in (waiting, sending, over)] == [1] * 3
    assert "retry_at" not in sending
    assert (over["state"], over["settled_at"]) == ("accepted", (START + 10) * 1000)
    assert (feed["results"][0]["tries"], feed["results"][0]["topic"]) == (1, APP)


@pytest.mark.parametrize(
    ("outcome", "state", "said"),
    [
        (
            Accepted(apns_id=push_id(1), unique_id="u"),
            "accepted",
            {"status": 200, "unique_id": "u"},
        ),
        (Failed(why="no answer"), "failed", {"reason": "no answer"}),
        (Expired(), "expired", {}),
        (Collapsed(into=push_id(2)), "collapsed", {"collapsed_into": push_id(2)}),
    ],
)
def test_each_outcome_has_a_state(
    stand: Stand, outcome: Outcome, state: str, said: dict[str, object]
) -> None:
    """And what else is known."""
    id = settled(stand, 1, outcome)

    asked = stand.ask("GET", f"/v1/pushes/{id}")

    assert (asked.json["state"], asked.json["outcome"]) == (state, said)


def test_a_push_can_be_taken_back(stand: Stand) -> None:
    """Until it is sent; again is the same as once."""
    id = stand.post(PUSH).json["id"]
    first = stand.ask("DELETE", f"/v1/pushes/{id}")
    again = stand.ask("DELETE", f"/v1/pushes/{id}")
    late = stand.post({**PUSH, "device": "cc"}).json["id"]
    stand.rig.jobs()
    sending = stand.ask("DELETE", f"/v1/pushes/{late}")
    over = stand.ask("DELETE", f"/v1/pushes/{settled(stand, 1)}")

    assert (first.status, first.json["state"]) == (200, "cancelled")
    assert (again.status, again.json["state"]) == (200, "cancelled")
    assert sending.problem == (409, "Sending", None)
    assert over.problem == (409, "Accepted", None)


def test_the_feed_of_results(stand: Stand) -> None:
    """Pages in the order in which outcomes were stored, each to be asked for from the last one."""
    ids = [settled(stand, number) for number in (1, 2, 3)]

    first = stand.ask("GET", "/v1/results?limit=2").json
    second = stand.ask("GET", f"/v1/results?after={first['next']}&limit=2").json
    third = stand.ask("GET", f"/v1/results?after={second['next']}").json

    assert [line["id"] for line in first["results"] + second["results"]] == ids
    assert (first["more"], second["more"]) == (True, False)
    assert third == {"results": [], "next": second["next"], "more": False}


def test_a_long_poll_ends_when_there_is_something(stand: Stand) -> None:
    """Soon after it is on disk; or with nothing, when its time is up."""
    asked = stand.ask("GET", "/v1/results?wait=60")
    before = asked.status
    id = settled(stand, 1)
    stand.clock.advance(PAUSE)
    stand.rig.settle_down()
    seq = asked.json["next"]
    empty = stand.ask("GET", f"/v1/results?after={seq}&wait=60")
    stand.clock.advance(60)
    stand.rig.settle_down()

    assert before == 0
    assert [line["id"] for line in asked.json["results"]] == [id]
    assert empty.json == {"results": [], "next": seq, "more": False}
    assert not stand.clock.getDelayedCalls()


def test_news_while_a_page_is_read_is_not_missed(stand: Stand) -> None:
    """It is read once more then."""
    asked = stand.ask("GET", "/v1/results?wait=60", disk=False)
    stand.rig.store.reader.answer()  # nothing there, but we are not told yet
    id = push_id(1)
    stand.post({**PUSH, "id": id}, disk=False)
    stand.rig.settle_down()
    (job,) = stand.rig.jobs()
    stand.rig.settle(job)
    stand.clock.advance(PAUSE)
    stand.rig.settle_down()

    assert [line["id"] for line in asked.json["results"]] == [id]


def test_a_poller_that_left_is_forgotten(stand: Stand) -> None:
    """Nothing is read for it."""
    asked = stand.ask("GET", "/v1/results?wait=60")
    assert asked.sink is not None
    asked.sink.lost()
    settled(stand, 1)
    stand.clock.advance(100)
    stand.rig.settle_down()

    assert asked.status == 0


def test_the_feed_of_invalid_tokens(stand: Stand) -> None:
    """What Apple said of the token, and when it was pushed to."""
    settled(stand, 1, GONE)
    settled(stand, 2)

    asked = stand.ask("GET", "/v1/invalid-tokens")

    (line,) = asked.json["tokens"]
    assert (line["device"], line["topic"]) == (f"{1:064x}", PUSH["topic"])
    assert (line["reason"], line["invalid_since"]) == ("Unregistered", 5)
    assert line["submitted_at"] == START * 1000


def test_health(stand: Stand) -> None:
    """How much waits."""
    stand.post(PUSH)

    assert stand.ask("GET", "/v1/health").json == {
        "status": "ok",
        "version": "1.2.3",
        "waiting": 1,
    }


@pytest.mark.parametrize(
    ("method", "target", "problem"),
    [
        ("GET", "/", (404, "NotFound", None)),
        ("GET", "/v1/", (404, "NotFound", None)),
        ("GET", "/v1/pushes/", (404, "NotFound", None)),
        ("GET", "/v1/pushes/a/b", (404, "NotFound", None)),
        ("GET", f"/v1/pushes/{push_id(9)}", (404, "UnknownPush", None)),
        ("DELETE", f"/v1/pushes/{push_id(9)}", (404, "UnknownPush", None)),
        ("GET", "/v1/pushes", (405, "MethodNotAllowed", None)),
        ("POST", "/v1/results", (405, "MethodNotAllowed", None)),
        ("GET", "/v1/results?after=x", (400, "BadRequest", "?after")),
        ("GET", "/v1/results?after=-1", (400, "BadRequest", "?after")),
        ("GET", "/v1/results?limit=1001", (400, "BadRequest", "?limit")),
        ("GET", "/v1/results?after=1&after=2", (400, "BadRequest", "?after")),
        ("GET", "/v1/results?token=secret", (400, "BadRequest", "?token")),
        ("GET", "/v1/results?" + "9" * 5000, (400, "BadRequest", "?")),
        ("GET", "/v1/results?wait=301", (400, "BadRequest", "?wait")),
    ],
)
def test_what_is_not_there(
    stand: Stand, method: str, target: str, problem: tuple[int, str, str | None]
) -> None:
    """404, 405 with what is allowed, 400 for a query that means nothing."""
    asked = stand.ask(method, target)

    assert asked.problem == problem
    assert (asked.status == 405) == ("allow" in asked.headers)
    assert b"secret" not in asked.body


def test_a_database_that_cannot_be_read_is_said(stand: Stand) -> None:
    """503 with Retry-After."""
    full_disk(stand.rig)
    reading = [
        stand.ask("GET", target, disk=False)
        for target in (f"/v1/pushes/{push_id(9)}", "/v1/results", "/v1/invalid-tokens")
    ]
    while stand.rig.store.reader.answer(StoreError("it broke", "mend it")):
        stand.rig.turn()

    assert [asked.problem for asked in reading] == [(503, "Unreadable", None)] * 3
    assert {asked.headers["retry-after"] for asked in reading} == {"5"}


def test_who_shows_nothing_is_asked_to_log_in(tmp_path: Path) -> None:
    """401 with a challenge; by Apple's face, as Apple would say it."""
    stand = Stand(tmp_path, anonymous=False)

    ours = stand.ask("GET", "/v1/health")
    wrong = stand.ask("GET", "/v1/health", headers=NOBODY)
    provider = stand.push()
    wrong_provider = stand.push(headers=NOBODY)
    stand.close()

    assert ours.problem == wrong.problem == (401, "Unauthorized", None)
    assert ours.headers["www-authenticate"] == 'Bearer realm="pushd"'
    assert (provider.status, provider.json) == (403, {"reason": "MissingProviderToken"})
    assert (wrong_provider.status, wrong_provider.json) == (403, {"reason": "InvalidProviderToken"})
    assert stand.rig.queue.depth == 0


def test_failed_logins_are_slowed_down(tmp_path: Path) -> None:
    """After some, nothing of that address is looked at for a while; others are not concerned."""
    made = new_token(Random(1).randbytes)
    clients = f'[[client]]\nname = "console"\ntoken = "{made.entry}"\n'
    stand = Stand(tmp_path, anonymous=False, clients=clients)
    good = {"authorization": f"Bearer {made.token}"}
    for _ in range(3):
        stand.ask("GET", "/v1/health", headers=NOBODY)

    blocked = stand.ask("GET", "/v1/health", headers=good)
    provider = stand.push(headers=good)
    stand.clock.advance(60)
    later = stand.ask("GET", "/v1/health", headers=good)
    stand.close()

    assert (blocked.problem[0], blocked.headers["retry-after"]) == (429, "60")
    assert (provider.status, provider.json) == (429, {"reason": "TooManyRequests"})
    assert later.status == 200


def test_scopes_and_topics(tmp_path: Path) -> None:
    """A client does what it may, with the topics that are its own."""
    read, send = (new_token(Random(seed).randbytes) for seed in (1, 2))
    clients = f"""
        [[client]]
        name = "reader"
        token = "{read.entry}"
        scopes = ["read"]
        [[client]]
        name = "app"
        token = "{send.entry}"
        topics = ["com.example.a*"]
        credentials = ["main"]
    """
    stand = Stand(tmp_path, anonymous=False, clients=clients)
    reader = {"authorization": f"bearer {read.token}"}
    app = {"authorization": f"bearer {send.token}"}

    said = {
        "reader submits": stand.post(PUSH, headers=reader).status,
        "reader pushes": stand.push(headers=reader).status,
        "reader reads": stand.ask("GET", "/v1/results", headers=reader).status,
        "reader cancels": stand.ask("DELETE", "/v1/pushes/x", headers=reader).status,
        "app submits": stand.post(PUSH, headers=app).status,
        "app pushes": stand.push(headers=app).status,
        "another's topic": stand.post({**PUSH, "topic": "org.b"}, headers=app).status,
        "pushes there": stand.push(headers={**app, "apns-topic": "org.b"}).status,
        "another's credential": stand.post({**PUSH, "credential": "other"}, headers=app).status,
        "all results": stand.ask("GET", "/v1/results", headers=app).status,
        "tokens": stand.ask("GET", "/v1/invalid-tokens", headers=app).status,
    }
    stand.close()

    assert said == {
        "reader submits": 403,
        "reader pushes": 403,
        "reader reads": 200,
        "reader cancels": 403,
        "app submits": 202,
        "app pushes": 200,
        "another's topic": 403,
        "pushes there": 400,
        "another's credential": 400,
        "all results": 200,
        "tokens": 200,
    }


def test_a_client_sees_what_it_may_push_to(tmp_path: Path) -> None:
    """Of pushes of other topics, or by other credentials, it hears nothing: neither by id, nor in
    a feed, nor by handing in the same id."""
    one, other = (new_token(Random(seed).randbytes) for seed in (1, 2))
    scopes = 'scopes = ["submit", "read", "cancel"]'
    clients = f"""
        [[client]]
        name = "one"
        token = "{one.entry}"
        topics = ["com.example.app"]
        {scopes}
        [[client]]
        name = "other"
        token = "{other.entry}"
        topics = ["com.example.*"]
        credentials = ["other"]
        {scopes}
    """
    stand = Stand(tmp_path, anonymous=False, clients=clients)
    mine = {"authorization": f"bearer {one.token}"}
    theirs = {"authorization": f"bearer {other.token}"}
    gone = stand.post({**PUSH, "device": "aa01"}, headers=mine).json["id"]
    stand.rig.settle(stand.rig.jobs()[0], GONE)
    waits = stand.post({**PUSH, "device": "aa02"}, headers=mine).json["id"]
    elsewhere = {**PUSH, "topic": "com.example.two", "device": "aa03"}
    sent = stand.post(elsewhere, headers=theirs).json["id"]

    def seen(who: dict[str, str], id: str) -> int:
        return stand.ask("GET", f"/v1/pushes/{id}", headers=who).status

    by_id = [[seen(who, id) for id in (gone, waits, sent)] for who in (mine, theirs)]
    feeds = [
        [len(stand.ask("GET", f"/v1/{feed}", headers=who).json[key]) for who in (mine, theirs)]
        for feed, key in (("results", "results"), ("invalid-tokens", "tokens"))
    ]
    cancelled = stand.ask("DELETE", f"/v1/pushes/{waits}", headers=theirs)
    again = stand.post({**elsewhere, "id": gone}, "/v1/pushes?wait=1", headers=theirs, disk=True)
    stand.clock.advance(1)
    depth = stand.rig.queue.depth
    stand.close()

    assert by_id == [[200, 200, 404], [404, 404, 200]]
    assert feeds == [[1, 0], [1, 0]]
    assert cancelled.problem == (404, "UnknownPush", None)
    assert (again.json["duplicate"], again.json.get("outcome")) == (True, None)
    assert depth == 2


def test_a_failed_login_is_logged_without_its_secret(tmp_path: Path) -> None:
    """Who, and why; and counted."""
    stand = Stand(tmp_path, anonymous=False)

    with capturedLogs() as events:
        stand.ask("GET", "/v1/health", headers=NOBODY)
        stand.ask("GET", "/v1/health")
    stand.close()

    (event,) = events
    assert event["client"] == "192.0.2.7"
    assert "x" * 43 not in json_line(event)
    assert stand.counters.failed_logins.value == 1
