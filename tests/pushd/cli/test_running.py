"""The commands that ask a pushd that runs: sent by it, to the simulator, and asked about after."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli import ExitCode
from pushd.cli import main
from pushd.testing import Rule
from pushd.testing.background import Background, simulator_in_background
from tests.pushd.daemon import APP, PATIENCE, Daemon, Site, wait_until

MDM = "com.apple.mgmt.External.5a9b3a0c-0000-4000-8000-000000000001"
GONE_AT = 1_700_000_000_000
GONE, AWAY = "dead", "beef"
"""How tokens of devices begin that are gone, and of those for which Apple has no time."""


class World:
    """A daemon that runs, its simulator, and who types."""

    def __init__(self, site: Site, apple: Background, daemon: Daemon) -> None:
        self.site = site
        self.apple = apple
        self.daemon = daemon
        self._devices = iter(range(1, 1 << 16))

    def device(self, prefix: str = "ab") -> str:
        """A new one."""
        return f"{prefix}{next(self._devices):0{64 - len(prefix)}x}"

    def arguments(self, *arguments: object) -> list[str]:
        return [*map(str, arguments), "--config", str(self.site.folder / "pushd.toml")]

    def pushctl(self, *arguments: object) -> Result:
        return CliRunner().invoke(main, self.arguments(*arguments))

    def told(self, *arguments: object) -> Any:
        """By a command that went well, as JSON."""
        result = self.pushctl(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def waiting(self, token: str) -> dict[str, Any]:
        """The push to that device, once an attempt has failed."""

        def failed() -> bool:
            pushes = self.told("queue", "list", "--device", token)["pushes"]
            return bool(pushes and pushes[0].get("tries"))

        wait_until(failed)
        (push,) = self.told("queue", "list", "--device", token)["pushes"]
        return dict(push)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with simulator_in_background() as apple:
        site = Site(tmp_path_factory.mktemp("pushd"), apple)
        site.authority.provider(MDM).write(site.folder / "mdm.pem", site.folder / "mdm.key")
        site.tail += '[[credential]]\nname = "mdm"\ncertificate = "mdm.pem"\nkey = "mdm.key"\n'
        gone = Rule(prefix=GONE, status=410, reason="Unregistered", timestamp=GONE_AT)
        away = Rule(prefix=AWAY, status=503, reason="ServiceUnavailable")
        apple.run(lambda simulator: simulator.rules.add(gone, away))
        with site.daemon() as daemon:
            yield World(site, apple, daemon)


def test_check(world: World) -> None:
    """The port is ours: a check before a reload finds nothing wrong with that."""
    port = world.daemon.port
    text = (world.site.folder / "pushd.toml").read_text()
    file = world.site.folder / "with_port.toml"
    file.write_text(text.replace("port = 0\n", f"port = {port}\n", 1))

    result = CliRunner().invoke(main, ["check", str(file)])

    assert result.exit_code == 0, result.output
    assert f"ok       API            pushd listens on TCP port {port} of 127.0.0.1" in result.stdout


class TestSend:
    def test_an_alert(self, world: World) -> None:
        """It is on disk when the command returns, and what Apple says is waited for."""
        token = world.device()

        result = world.pushctl("send", "alert", token, "Grüße", "--title", "x", "--wait")

        assert result.exit_code == 0, result.output
        state, id = result.stdout.split()[:2]
        assert (state, world.site.accepted([id])) == ("accepted", {id: 1})

    def test_without_waiting(self, world: World) -> None:
        """The command that tells what became of it is named."""
        result = world.pushctl("send", "background", world.device())

        assert result.exit_code == 0, result.output
        state, id = result.stdout.split()[:2]
        assert state == "queued"
        assert f"pushctl pushes show {id}" in result.stdout
        world.site.until_accepted([id])

    def test_a_wake(self, world: World) -> None:
        """MDM's topic is the only one of its kind, so it need not be named."""
        told = world.told("send", "mdm", world.device(), "MAGIC", "--wait")

        assert (told["state"], told["outcome"]["status"]) == ("accepted", 200)

    def test_a_token_as_people_copy_it(self, world: World) -> None:
        """Brackets, spaces and capitals are no part of it."""
        token = world.device().upper()

        told = world.told("send", "alert", f"<{token[:8]} {token[8:]}>", "x", "--wait")

        assert told["state"] == "accepted"

    def test_a_device_that_is_gone(self, world: World) -> None:
        """Apple's reason is told in plain words, with what to do; the exit status is 1."""
        result = world.pushctl("send", "alert", world.device(GONE), "x", "--wait")

        assert result.exit_code == 1
        assert result.stdout.startswith("rejected")
        assert "410 Unregistered: the app is gone from the device" in result.stdout
        assert "→ forget the token" in result.stdout

    def test_the_same_id_twice(self, world: World) -> None:
        """It is one push."""
        id = "0192f0c1-2222-7000-8000-000000000001"
        world.told("send", "alert", world.device(), "x", "--id", id, "--wait")

        again = world.pushctl("send", "alert", world.device(), "x", "--id", id)

        assert "known already" in again.stdout

    def test_a_payload_from_a_file(self, world: World, tmp_path: Path) -> None:
        """It is sent as it is."""
        file = tmp_path / "payload.json"
        file.write_text('{"aps": {"alert": "x"},  "mine": [1]}\n')

        told = world.told("send", "alert", world.device(), "--payload", file, "--wait")

        assert told["state"] == "accepted"
        pushes = world.apple.run(lambda simulator: list(simulator.record.pushes))
        (sent,) = [push.payload for push in pushes if push.apns_id == told["id"]]
        assert sent == b'{"aps": {"alert": "x"},  "mine": [1]}'

    def test_a_topic_that_there_is_no_credential_for(self, world: World) -> None:
        """The option that is wrong is named."""
        result = world.pushctl("send", "alert", world.device(), "x", "--topic", "com.example.other")

        assert result.exit_code == 1
        assert "there is no credential for that topic" in result.stderr
        assert "--topic" in result.stderr


class TestWrong:
    """What Apple would refuse does not get as far as a daemon."""

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("xyz", "Hello"), "BadDeviceToken"),
            (("ab" * 32, "x" * 5000), "PayloadTooLarge"),
            (("ab" * 32, "x", "--collapse-id", "y" * 65), "BadCollapseId"),
            (("ab" * 32, "x", "--id", "1"), "BadMessageId"),
        ],
    )
    def test_push(self, tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
        """It is refused with Apple's reason and what would be right."""
        given = ["send", "alert", *arguments, "--topic", APP]

        result = CliRunner().invoke(main, [*given, "--config", str(settings(tmp_path))])

        assert result.exit_code == 1
        assert f"Apple would refuse it ({complaint})" in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ("alert", "ab" * 32),
            ("alert", "ab" * 32, "x", "--payload", "-"),
            ("alert", "ab" * 32, "x", "--expires-in", "soon", "--topic", APP),
        ],
    )
    def test_usage(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        """Nothing to say, too much to say, and a time that is none."""
        given = ["send", *arguments, "--config", str(settings(tmp_path))]

        assert CliRunner().invoke(main, given).exit_code == 2

    def test_a_payload_that_is_no_json(self, tmp_path: Path) -> None:
        """The file is named, and the place in it."""
        file = tmp_path / "payload.json"
        file.write_text('{"aps": }')
        given = ["send", "alert", "ab" * 32, "--payload", str(file), "--topic", APP]

        result = CliRunner().invoke(main, [*given, "--config", str(settings(tmp_path))])

        assert result.exit_code == 1
        assert f"{file}: is no JSON" in result.stderr

    def test_dry_run(self, tmp_path: Path) -> None:
        """A push can be judged without a daemon."""
        given = ["send", "alert", "ab" * 32, "x", "--topic", APP, "--dry-run", "--json"]

        result = CliRunner().invoke(main, [*given, "--config", str(settings(tmp_path))])

        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["payload"] == {"aps": {"alert": {"body": "x"}}}

    @pytest.mark.parametrize(
        "command",
        [
            ("queue", "list"),
            ("tokens", "list"),
            ("pushes", "show", "1"),
            ("watch",),
            ("send", "mdm", "ab" * 32, "MAGIC"),
        ],
    )
    def test_nobody_runs(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        """One line says so, and what to do."""
        given = [*command, "--config", str(settings(tmp_path))]

        result = CliRunner().invoke(main, given)

        assert result.exit_code == 1
        assert "pushd does not run" in result.stderr
        assert result.stderr.count("\n") == 1


def settings(folder: Path) -> Path:
    """Of a daemon that does not run."""
    file = folder / "pushd.toml"
    file.write_text('[state]\ndirectory = "state"\n')
    return file


class TestQueue:
    def test_what_waits(self, world: World) -> None:
        """By topic, and one by one with why it waits."""
        token = world.device(AWAY)
        world.pushctl("send", "alert", token, "x")

        push = world.waiting(token)
        lanes = world.pushctl("queue", "list")
        pushes = world.pushctl("queue", "list", "--pushes")

        assert push["topic"] == APP
        assert lanes.stdout.splitlines()[0].split()[:2] == ["waiting", "sending"]
        assert APP in lanes.stdout
        assert push["id"] in pushes.stdout
        assert f"{push['id']}: " in pushes.stderr
        assert "ServiceUnavailable" in pushes.stderr
        world.pushctl("queue", "cancel", push["id"])

    def test_the_story_of_one_that_waits(self, world: World) -> None:
        """What it is, each attempt that failed, and when the next is."""
        token = world.device(AWAY)
        world.pushctl("send", "alert", token, "x", "--collapse-id", "news")
        id = world.waiting(token)["id"]

        story = world.pushctl("pushes", "show", id).stdout

        assert story.startswith("queued")
        assert "collapses as news" in story
        assert token in story
        assert "ServiceUnavailable" in story
        assert "Apple is not available → nothing: pushd tries again" in story
        assert "gives up" in story
        world.pushctl("queue", "cancel", id)

    def test_cancel(self, world: World) -> None:
        """It is not sent any more, and that is what its story says."""
        token = world.device(AWAY)
        world.pushctl("send", "alert", token, "x")
        id = world.waiting(token)["id"]

        result = world.pushctl("queue", "cancel", id)

        assert (result.exit_code, result.stdout) == (0, "1 push taken back.\n")
        story = world.pushctl("pushes", "show", id).stdout
        assert story.startswith("cancelled")
        assert "taken back before it was sent" in story

    def test_cancel_many(self, world: World) -> None:
        """All of a device, if that is said twice."""
        token = world.device(AWAY)
        world.pushctl("send", "alert", token, "x")
        world.waiting(token)

        asked = world.pushctl("queue", "cancel", "--device", token)
        result = world.pushctl("queue", "cancel", "--device", token, "--yes")

        assert asked.exit_code == 1
        assert "say --yes if it is meant" in asked.stderr
        assert result.stdout == "1 push taken back.\n"

    def test_cancel_what_is_unknown(self, world: World) -> None:
        """That is an error."""
        result = world.pushctl("queue", "cancel", "0192f0c1-2222-7000-8000-00000000ffff")

        assert result.exit_code == 1
        assert "1 id is unknown" in result.stderr

    def test_retry(self, world: World) -> None:
        """It goes on at once, not when its time comes."""
        token = world.device(AWAY)
        world.pushctl("send", "alert", token, "x")
        push = world.waiting(token)

        def tried_again() -> bool:
            world.pushctl("queue", "retry", push["id"])
            return bool(world.told("pushes", "show", push["id"])["tries"] > push["tries"] + 2)

        wait_until(tried_again)
        world.pushctl("queue", "cancel", push["id"])

    def test_neither_which_nor_all(self, world: World) -> None:
        """Nothing is done to everything by mistake."""
        assert world.pushctl("queue", "cancel").exit_code == 2
        assert world.pushctl("queue", "cancel", "x", "--all").exit_code == 2
        assert world.pushctl("queue", "retry").exit_code == 2


class TestTokens:
    def test_invalid(self, world: World) -> None:
        """Each with its reason, and the time before which it must have been registered."""
        token = world.device(GONE)
        world.pushctl("send", "alert", token, "x", "--wait")

        result = world.pushctl("tokens", "list", "--since", "1h")

        (line,) = [line for line in result.stdout.splitlines() if token in line]
        assert "Unregistered" in line
        assert "2023-11-1" in line

    def test_ndjson(self, world: World) -> None:
        """A line for each, the newest first."""
        tokens = [world.device(GONE) for _ in range(3)]
        for token in tokens:
            world.pushctl("send", "alert", token, "x", "--wait")

        result = world.pushctl("tokens", "list", "--json")

        told = [json.loads(line)["device"] for line in result.stdout.splitlines()]
        assert told[:3] == tokens[::-1]

    def test_since(self, world: World) -> None:
        """What was noticed before is left out; a time that is none is told."""
        future = world.pushctl("tokens", "list", "--since", "2999-01-01")
        wrong = world.pushctl("tokens", "list", "--since", "yesterday")

        assert future.stdout == "Apple has called no token invalid.\n"
        assert wrong.exit_code == 2


class TestPushes:
    def test_the_story_of_one_that_was_refused(self, world: World) -> None:
        """What Apple said, what it means, and what to do."""
        told = world.pushctl("send", "alert", world.device(GONE), "x", "--wait").stdout

        story = world.pushctl("pushes", "show", told.split()[1]).stdout

        assert story.startswith("rejected")
        assert "settled" in story
        assert "(since 2023-11-1" in story
        assert "→ forget the token" in story

    def test_one_that_is_unknown(self, world: World) -> None:
        """That is an error, with what may be the reason."""
        result = world.pushctl("pushes", "show", "0192f0c1-2222-7000-8000-00000000ffff")

        assert result.exit_code == 1
        assert "no push has that id" in result.stderr


class TestWatch:
    def test_events_and_looks(self, world: World) -> None:
        """Each outcome and each look is a line of JSON, until Ctrl-C."""
        with Watching(world, "--json", "--interval", "0.2") as watching:
            watching.until(lambda line: line["event"] == "status")
            token = world.device(GONE)
            world.pushctl("send", "alert", token, "x", "--wait")

            event = watching.until(lambda line: line.get("device") == token)
            look = watching.until(lambda line: line.get("states", {}).get("rejected"))

            assert event["outcome"]["reason"] == "Unregistered"
            assert look["reasons"]["Unregistered"] >= 1
            assert look["median_ms"] is not None
            assert watching.interrupted() == ExitCode.INTERRUPTED

    def test_lines(self, world: World) -> None:
        """Where there is no terminal, a look is a line."""
        result = world.pushctl("watch", "--for", "0")

        assert result.exit_code == 0, result.output
        assert "/s  waiting " in result.stdout

    def test_the_daemon_stops(self, tmp_path: Path) -> None:
        """Whoever watches is told."""
        with simulator_in_background() as apple:
            site = Site(tmp_path, apple)
            with site.daemon() as daemon:
                world = World(site, apple, daemon)
                with Watching(world, "--json", "--interval", "0.2") as watching:
                    watching.until(lambda line: line["event"] == "status")
                    daemon.stop()

                    assert watching.process.wait(PATIENCE) == 1


class Watching:
    """`pushctl watch` in a process of its own."""

    def __init__(self, world: World, *options: str) -> None:
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("pushctl"), *world.arguments("watch", *options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, wanted: Callable[[Any], object]) -> Any:
        """The first line from now on that is wanted."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        for line in self.process.stdout:
            told = json.loads(line)
            if wanted(told):
                return told
            assert time.monotonic() < deadline
        raise AssertionError("it has ended")

    def interrupted(self) -> int:
        """Its exit status after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode
