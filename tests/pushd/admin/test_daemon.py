"""The admin API of a daemon that runs, by its own client."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from ops.cli import Failed
from ops.web.client import AdminClient
from ops.web.settings import AdminSettings
from pushd import __version__
from pushd.admin import shape
from pushd.api.item import Result
from pushd.testing import Rule
from pushd.testing.background import Background, simulator_in_background
from pushd.testing.rule import Silence
from tests.pushd.daemon import APP, PATIENCE, Daemon, Site, device, pushes, wait_until


@pytest.fixture(scope="module")
def apple() -> Iterator[Background]:
    with simulator_in_background() as background:
        yield background


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, apple: Background) -> Iterator[Daemon]:
    """One for all tests, with a credential that works and one that does not."""
    site = Site(tmp_path_factory.mktemp("site"), apple)
    site.tail += '[[credential]]\nname = "broken"\np12 = "none.p12"\ntopics = ["com.example.b"]\n'
    with site.daemon() as daemon:
        yield daemon


@pytest.fixture
def client(daemon: Daemon) -> AdminClient:
    return AdminClient.find("pushd", AdminSettings(), daemon.site.folder / "state")


def get(client: AdminClient, type: Any, path: str, **query: object) -> Any:
    return msgspec.convert(client.get(path, **query), type)


def test_status(client: AdminClient, daemon: Daemon) -> None:
    """What runs, since when, where, and with what."""
    said = get(client, shape.Status, "/v1/status")

    assert (said.version, said.pid) == (__version__, daemon.process.pid)
    assert said.api == (f"127.0.0.1:{daemon.port}",)
    assert 0 < said.started_at
    assert (said.credentials, said.unusable, said.disk_fails) == (2, 1, False)
    assert (said.most_waiting, said.most_size) == (1_000_000, 1 << 30)
    assert len(said.answers) == 13
    assert said.answers[-1].seconds is None
    assert "pushd_pushes_accepted_total" in said.counters


def test_credentials(client: AdminClient, daemon: Daemon) -> None:
    """What each is for, how long it lasts, and what is wrong with it."""
    app, broken = get(client, shape.Credentials, "/v1/credentials").credentials

    assert (app.name, app.kind, app.usable, app.problem) == ("app", "certificate", True, None)
    assert APP in app.topics
    assert app.days_left in (363, 364, 365)
    assert app.files == (
        str(daemon.site.folder / "app.pem"),
        str(daemon.site.folder / "app.key"),
    )
    assert (broken.usable, broken.topics, broken.days_left) == (False, ("com.example.b",), None)
    assert broken.problem is not None
    assert broken.problem.file == str(daemon.site.folder / "none.p12")
    assert broken.problem.remedy


def test_a_push_is_sent(client: AdminClient) -> None:
    """By the same rules as a program's; its outcome is told, and its story can be asked for."""
    (push,) = pushes(1)
    said = msgspec.convert(client.post("/v1/pushes?wait=50", push), Result)
    story = get(client, shape.Story, f"/v1/pushes/{push['id']}")
    newest = get(client, shape.Results, "/v1/results", limit=1)

    assert (said.id, said.state) == (push["id"], "accepted")
    assert (story.state, story.credential, story.topic) == ("accepted", "app", APP)
    assert newest.results[0].id == push["id"]


def test_a_push_that_is_wrong(client: AdminClient) -> None:
    """It has Apple's reason, and the place of the mistake."""
    with pytest.raises(Failed, match="BadDeviceToken") as failed:
        client.post("/v1/pushes", {"device": "xyz", "topic": APP, "alert": "hello"})

    assert "`device`" in str(failed.value)


def test_what_waits(client: AdminClient, daemon: Daemon) -> None:
    """Pushes without a credential that works are listed with the reason, and taken back."""
    items = pushes(3, topic="com.example.b")
    for item in items:
        client.post("/v1/pushes", item)

    (lane,) = get(client, shape.Queue, "/v1/queue", credential="broken").lanes
    one = get(client, shape.Pushes, "/v1/queue/pushes", device=items[1]["device"])
    troubles = get(client, shape.Status, "/v1/status").troubles
    taken = client.post("/v1/queue/cancel", {"credential": "broken"})

    assert (lane.waiting, lane.trouble) == (3, "its credential cannot be used")
    assert [push.id for push in one.pushes] == [items[1]["id"]]
    assert [(t.credential, t.topic) for t in troubles] == [("broken", "com.example.b")]
    assert taken["cancelled"] == 3
    assert daemon.wait_for("took back 3 pushes")


def test_another_try(client: AdminClient, daemon: Daemon, apple: Background) -> None:
    """A push that Apple put off is tried at once where somebody asks for it."""
    away = device(0xAAAA)
    apple.run(
        lambda simulator: simulator.rules.add(
            Rule(prefix=away, status=429, reason="TooManyRequests", times=1)
        )
    )
    (push,) = pushes(1, first=0xAAAA)
    client.post("/v1/pushes", push)

    def waits() -> bool:
        said = get(client, shape.Story, f"/v1/pushes/{push['id']}")
        return bool(said.attempts) and said.state == "queued"

    wait_until(waits)
    said = client.post("/v1/queue/retry", {"ids": [push["id"]]})

    assert said["pushes"] == 1
    daemon.site.until_accepted([push["id"]])
    wait_until(lambda: get(client, shape.Story, f"/v1/pushes/{push['id']}").state == "accepted")
    story = get(client, shape.Story, f"/v1/pushes/{push['id']}")
    assert [attempt.why for attempt in story.attempts] == ["429 TooManyRequests"]


def test_events(client: AdminClient, apple: Background) -> None:
    """Who watches is told of what happens, as it happens."""
    apple.run(
        lambda simulator: simulator.rules.add(
            Rule(prefix=device(0xBBBB), status=410, reason="Unregistered", timestamp=5)
        )
    )
    lines: list[Any] = []
    begun = threading.Event()

    def read() -> None:
        events = client.events("/v1/events", state="rejected")
        begun.set()
        lines.append(next(events))
        events.close()  # type: ignore[attr-defined]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    begun.wait(PATIENCE)
    number = 0

    def seen() -> bool:
        """The reader may be connected a little later than it says."""
        nonlocal number
        number += 1
        client.post("/v1/pushes?wait=50", pushes(1, first=0xBBBB)[0] | {"id": str(_uuid(number))})
        return bool(lines)

    wait_until(seen)
    reader.join(PATIENCE)
    event = msgspec.convert(lines[0], shape.Event)
    tokens = get(client, shape.InvalidTokens, "/v1/tokens", limit=1).tokens

    assert (event.state, event.device) == ("rejected", device(0xBBBB))
    assert event.outcome is not None
    assert event.outcome.reason == "Unregistered"
    assert (tokens[0].device, tokens[0].invalid_since) == (device(0xBBBB), 5)


def _uuid(number: int) -> str:
    return f"{os.getpid():08x}-0000-7000-8000-{number:012}"


def test_while_apple_is_silent(client: AdminClient, daemon: Daemon, apple: Background) -> None:
    """What is with Apple is told as such, and cannot be taken back."""
    apple.run(lambda apple: apple.rules.add(Rule(prefix=device(0xCCCC), instead=Silence())))
    (push,) = pushes(1, first=0xCCCC)
    client.post("/v1/pushes", push)
    daemon.site.until_accepted([push["id"]])

    listed = get(client, shape.Pushes, "/v1/queue/pushes", state="sending").pushes
    said = client.post("/v1/queue/cancel", {"ids": [push["id"]]})
    sending = get(client, shape.Status, "/v1/status").sending

    assert [(one.id, one.state) for one in listed] == [(push["id"], "sending")]
    assert said == {"cancelled": 0, "too_late": 1}
    assert sending == 1
