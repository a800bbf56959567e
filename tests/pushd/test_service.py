"""The whole daemon against the simulator: what is handed in is delivered once, whatever happens."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pushd.testing import Conduct, GoAway, Rule
from pushd.testing.background import Background, simulator_in_background
from tests.pushd.daemon import APP, PATIENCE, Api, Refused, Site, device, pushes, wait_until

KILLS = int(os.environ.get("PUSHD_KILLS", "5"))
"""How often the daemon is killed under load."""


@pytest.fixture
def apple() -> Iterator[Background]:
    with simulator_in_background() as background:
        yield background


@pytest.fixture
def site(tmp_path: Path, apple: Background) -> Site:
    return Site(tmp_path, apple)


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def all_settled(api: Api, items: list[dict[str, Any]]) -> dict[str, str]:
    """The states of these pushes, once every one has an outcome."""
    states: dict[str, str] = {}

    def settled() -> bool:
        for id in ids(items):
            if states.get(id) in (None, "queued", "sending"):
                states[id] = api.json("GET", f"/v1/pushes/{id}")[1]["state"]
        return not {"queued", "sending"} & set(states.values())

    wait_until(lambda: api.json("GET", "/v1/health")[1]["waiting"] == 0)
    wait_until(settled)
    return states


class TestDelivery:
    def test_a_batch(self, site: Site) -> None:
        """Each push is accepted by Apple once, and its outcome can be asked for."""
        items = pushes(1000)

        with site.daemon() as daemon:
            results = daemon.api().batch(items)
            states = all_settled(daemon.api(), items[:20])

        assert [result["status"] for result in results] == [202] * 1000
        assert [result["id"] for result in results] == ids(items)
        assert set(states.values()) == {"accepted"}
        assert set(site.accepted(ids(items)).values()) == {1}

    def test_the_provider_api(self, site: Site) -> None:
        """A program that knows only Apple's API gets Apple's answer, id and reason included."""
        site.apple.run(
            lambda apple: apple.rules.add(
                Rule(
                    prefix=device(2), status=410, reason="Unregistered", timestamp=1_700_000_000_000
                )
            )
        )
        (named,) = ids(pushes(1))
        headers = {"apns_topic": APP, "apns_push_type": "alert", "prefer": "wait=20"}

        with site.daemon() as daemon:
            good = daemon.api().ask(
                "POST", f"/3/device/{device(1)}", b'{"aps":{}}', apns_id=named, **headers
            )
            gone = daemon.api().ask("POST", f"/3/device/{device(2)}", b'{"aps":{}}', **headers)
            feed = daemon.api().json("GET", "/v1/invalid-tokens")

        assert (good[0], good[1]["apns-id"].lower()) == (200, named)
        assert gone[0] == 410
        assert b'"Unregistered"' in gone[2]
        assert b"1700000000000" in gone[2]
        assert device(2) in str(feed[1])
        assert site.accepted([named]) == {named: 1}

    def test_what_apple_refuses(self, site: Site) -> None:
        """The push has Apple's reason, and is not sent again."""
        site.apple.run(
            lambda apple: apple.rules.add(
                Rule(prefix=device(0), status=400, reason="BadDeviceToken")
            )
        )

        with site.daemon() as daemon:
            (result,) = daemon.api().batch(pushes(1), wait=20)

        assert result["state"] == "rejected"
        assert result["outcome"]["reason"] == "BadDeviceToken"

    def test_while_apple_is_away(self, site: Site) -> None:
        """Pushes are taken in, kept over a restart, and delivered when Apple is back."""
        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct(tls="close")))
        items = pushes(50)
        with site.daemon() as daemon:
            daemon.api().batch(items)
            daemon.stop()
        assert daemon.said("pushd has stopped; 50 pushes wait")

        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct()))
        with site.daemon() as daemon:
            assert daemon.said("50 pushes wait")
            site.until_accepted(ids(items))

        assert set(site.accepted(ids(items)).values()) == {1}


class TestChanges:
    def test_goaway(self, site: Site) -> None:
        """Apple sends connections away in the middle of it: nothing is lost, nothing sent twice."""
        site.apple.run(
            lambda apple: apple.rules.add(
                *(Rule(skip=200 + n, times=1, instead=GoAway(reason="Shutdown")) for n in range(3))
            )
        )
        items = pushes(1500)

        with site.daemon() as daemon:
            daemon.api().batch(items)
            site.until_accepted(ids(items))

        assert set(site.accepted(ids(items)).values()) == {1}
        assert site.apple.run(lambda apple: apple.statistics.connections) > 1

    def test_a_renewed_certificate(self, site: Site) -> None:
        """SIGHUP in the middle of it: what comes later uses the new one; nothing is lost."""
        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct(latency=0.2)))
        before, after = pushes(300), pushes(300, first=300)

        with site.daemon() as daemon:
            daemon.api().batch(before)
            site.renew()
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("Credential app: a certificate until", times=2)
            daemon.api().batch(after)
            site.until_accepted(ids(before + after))

        assert set(site.accepted(ids(before + after)).values()) == {1}
        assert daemon.said("Configuration read again: nothing new")

    def test_a_broken_certificate(self, site: Site) -> None:
        """It is told, and the one before stays in use."""
        with site.daemon() as daemon:
            (site.folder / "app.pem").write_text("nothing")
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("Credential app cannot be used; the one before stays")
            (result,) = daemon.api().batch(pushes(1), wait=20)

        assert result["state"] == "accepted"

    def test_a_credential_that_comes_late(self, site: Site) -> None:
        """Pushes for the topics that the configuration gives it are taken in, and wait for it."""
        good = (site.folder / "app.pem").read_bytes()
        (site.folder / "app.pem").write_text("nothing")
        site.tail += f'topics = ["{APP}"]\n'
        items = pushes(10)

        with site.daemon() as daemon:
            assert daemon.said("1 credential (1 unusable)")
            assert len(hand_in(daemon.api(), items)) == 10
            (other,) = pushes(1, first=10, topic="com.example.other")
            refused, _ = daemon.api().json("POST", "/v1/pushes", other)
            (site.folder / "app.pem").write_bytes(good)
            daemon.signal(signal.SIGHUP)
            site.until_accepted(ids(items))

        assert refused == 400

    def test_clients_are_read_again(self, site: Site) -> None:
        """SIGHUP: a client that is no longer in the file is not let in; a wrong file changes
        nothing."""
        pushctl = str(Path(sys.executable).with_name("pushctl"))
        made = subprocess.run(
            [pushctl, "token", "new", "console"], capture_output=True, text=True, check=True
        )
        clients = site.folder / "clients.toml"
        clients.write_text(made.stdout)
        login = {"authorization": f"Bearer {made.stderr.split()[-1]}"}
        site.settings["api"] = site.settings["api"].replace(
            "anonymous = true", 'clients = "clients.toml"'
        )

        with site.daemon() as daemon:
            assert daemon.api().ask("GET", "/v1/health", **login)[0] == 200
            clients.write_text("nonsense = 1")
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("The old settings stay, for the new ones are wrong: ")
            assert daemon.api().ask("GET", "/v1/health", **login)[0] == 200
            clients.write_text("")
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("Configuration read again")
            assert daemon.api().ask("GET", "/v1/health", **login)[0] in (401, 403)

    def test_a_stop_waits_for_answers(self, site: Site) -> None:
        """What Apple was sent is answered and settled before the daemon ends: it is not sent again
        after the next start."""
        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct(latency=1.0)))
        items = pushes(100)

        with site.daemon() as daemon:
            daemon.api().batch(items)
            site.until_accepted(ids(items))
            daemon.stop()

        assert daemon.said("pushd has stopped; 0 pushes wait")


def hand_in(api: Api, items: list[dict[str, Any]]) -> list[str]:
    """Hand in a batch to a daemon that may die or refuse; the ids that it acknowledged."""
    try:
        results = api.batch(items)
    except (Refused, OSError, http.client.HTTPException):
        return []
    return [result["id"] for result in results if result["status"] in (200, 202)]


def settled_on_disk(site: Site) -> set[str]:
    """The ids whose outcomes a daemon that is dead has committed."""
    with closing(sqlite3.connect(site.database)) as database:
        return {id for (id,) in database.execute("SELECT id FROM results")}


class TestKill:
    # ssl forgets to close a socket whose peer is killed between connect and handshake (Python
    # 3.11, SSLSocket._create: the `raise` after recv), and nobody else has it.
    @pytest.mark.filterwarnings(
        r"ignore:Exception ignored in. <ssl\.SSLSocket:pytest.PytestUnraisableExceptionWarning"
    )
    def test_kill_in_a_loop(self, site: Site) -> None:
        """kill -9 under load, again and again: all that was acknowledged is delivered, and nothing
        is sent again of which the answer was on disk."""
        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct(latency=0.05)))
        acknowledged: list[str] = []
        at_death: dict[str, int] = {}

        for number in range(KILLS):
            with site.daemon() as daemon:
                api = daemon.api()
                acknowledged += hand_in(api, pushes(300, first=number * 1200))
                killer = threading.Timer(0.04 * (number % 6), daemon.process.kill)
                killer.start()
                for part in range(1, 4):
                    acknowledged += hand_in(api, pushes(300, first=number * 1200 + part * 300))
                killer.join()
                daemon.process.wait(PATIENCE)
            site.apple.until(lambda apple: apple.statistics.open_connections == 0, PATIENCE)
            for id, count in site.accepted(settled_on_disk(site)).items():
                assert at_death.setdefault(id, count) == count, f"{id} was sent again"
        with site.daemon() as daemon:
            wait_until(lambda: daemon.api().json("GET", "/v1/health")[1]["waiting"] == 0)

        counts = site.accepted(acknowledged)
        assert len(counts) >= KILLS * 300
        assert [id for id, count in counts.items() if count == 0] == []
        again = site.accepted(at_death)
        assert [id for id, count in at_death.items() if again[id] != count] == []


class TestDisk:
    """What cannot be kept is not acknowledged; what was, is not forgotten."""

    def test_full(self, site: Site) -> None:
        """503 while nothing can be written; outcomes that came meanwhile are kept for later."""
        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct(latency=1.0)))
        before, refused = pushes(20), pushes(20, first=20)

        with site.daemon() as daemon:
            daemon.api().batch(before)
            pid = daemon.process.pid
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
            body = b"\n".join(json.dumps(item).encode() for item in refused)
            status, headers, _ = daemon.api().ask(
                "POST", "/v1/pushes", body, content_type="application/x-ndjson"
            )
            daemon.wait_for("writes failed: ")
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert status == 503
            assert int(headers["retry-after"]) > 0
            assert site.accepted(ids(refused)) == dict.fromkeys(ids(refused), 0)
            wait_until(lambda: hand_in(daemon.api(), refused) == ids(refused))
            states = all_settled(daemon.api(), before + refused)

        assert set(states.values()) == {"accepted"}
        assert set(site.accepted(ids(before + refused)).values()) == {1}

    def test_locked(self, site: Site) -> None:
        """503 while another program keeps the database to itself for long; 202 once it ends."""
        (push,) = pushes(1)

        with site.daemon() as daemon:
            with closing(sqlite3.connect(site.database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                status, _ = daemon.api().json("POST", "/v1/pushes", push)
            assert status == 503
            wait_until(lambda: hand_in(daemon.api(), [push]) == ids([push]))
            states = all_settled(daemon.api(), [push])

        assert states == {push["id"]: "accepted"}
        assert site.accepted(ids([push])) == {push["id"]: 1}
