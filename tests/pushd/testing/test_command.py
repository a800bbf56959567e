"""`pushctl apns-simulator`, as people and programs use it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pushd import __version__
from pushd.cli import main
from pushd.testing import KeyPair
from pushd.testing.process import COMMAND, simulator_process
from tests.pushd.testing.hand import APNS_ID, TOKEN, TOPIC, Hand, bearer

NAMES = {"ca.pem", "provider.pem", "provider.key", "mdm.pem", "mdm.key", "AuthKey_KEY0000001.p8"}


def hand_for(ready: dict[str, Any], folder: Path, **options: Any) -> Hand:
    trusted = Path(ready["authority"]).read_bytes()
    return Hand(ready["port"], trusted, folder=folder, **options)


def pair_of(ready: dict[str, Any], prefix: str = "") -> KeyPair:
    return KeyPair(
        certificate=Path(ready[prefix + "certificate"]).read_bytes(),
        key=Path(ready[prefix + "key"]).read_bytes(),
    )


def test_version() -> None:
    """--version prints name and version."""
    result = CliRunner().invoke(main, ["--version"])

    assert result.output == f"pushctl {__version__}\n"


def test_files_are_private(tmp_path: Path) -> None:
    """Everything is in the folder, and keys can be read by their owner alone."""
    folder = tmp_path / "new" / "apple"

    with simulator_process("--directory", str(folder)) as simulator:
        assert simulator.ready["authority"] == str(folder / "ca.pem")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert set(modes) == NAMES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {name: mode for name, mode in modes.items() if not name.endswith(".pem")} == {
        "provider.key": 0o600,
        "mdm.key": 0o600,
        "AuthKey_KEY0000001.p8": 0o600,
    }


def test_keys_replace_what_was_there(tmp_path: Path) -> None:
    """A file that others can read does not become a key that others can read."""
    key = tmp_path / "provider.key"
    key.write_text("an old one")
    key.chmod(0o644)

    with simulator_process("--directory", str(tmp_path)):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_without_a_folder_nothing_is_left() -> None:
    """What was made for the occasion is removed with it."""
    with simulator_process() as simulator:
        folder = Path(simulator.ready["authority"]).parent
        assert {path.name for path in folder.iterdir()} == NAMES

    assert not folder.exists()


def test_pushes_by_every_credential(tmp_path: Path) -> None:
    """Certificate, certificate for MDM and provider token that it wrote are good."""
    with simulator_process("--topic", TOPIC, "--topic", "com.example.other") as simulator:
        ready = simulator.ready
        with hand_for(ready, tmp_path, certificate=pair_of(ready)) as hand:
            own = [hand.push(apns_topic=topic).status for topic in (TOPIC, "com.example.other")]
        with hand_for(ready, tmp_path, certificate=pair_of(ready, "mdm_")) as hand:
            mdm = hand.push(apns_topic=ready["mdm_topic"], apns_push_type="mdm").status
        token = bearer(
            Path(ready["signing_key"]).read_bytes(), team=ready["team_id"], kid=ready["key_id"]
        )
        with hand_for(ready, tmp_path, authorization=token) as hand:
            by_token = hand.push(apns_topic="com.example.any").status

        assert (own, mdm, by_token) == ([200, 200], 200, 200)
        assert simulator.statistics()["accepted"] == 4


def test_the_development_environment(tmp_path: Path) -> None:
    """It gives what only that gives."""
    with (
        simulator_process("--development") as simulator,
        hand_for(simulator.ready, tmp_path, certificate=pair_of(simulator.ready)) as hand,
    ):
        assert "apns-unique-id" in hand.push().headers


def test_events(tmp_path: Path) -> None:
    """With --json each push is told, in order."""
    with simulator_process("--json") as simulator:
        with hand_for(simulator.ready, tmp_path, certificate=pair_of(simulator.ready)) as hand:
            hand.push(payload=b'{"a":1}')
            hand.push(apns_priority="7")
        simulator.statistics()
    first, second = simulator.pushes

    assert (first["token"], first["apns_id"], first["status"]) == (TOKEN, APNS_ID, 200)
    assert first["payload"] == "eyJhIjoxfQ=="  # base64
    assert (second["status"], second["reason"]) == (400, "BadPriority")


class TestOrders:
    """Orders on standard input."""

    def test_rules(self, tmp_path: Path) -> None:
        """Scripts are added and taken away."""
        rule = {"prefix": "ab", "status": 503, "reason": "Shutdown", "times": 1}
        reset = {"instead": {"type": "reset", "code": 7}}
        with (
            simulator_process() as simulator,
            hand_for(simulator.ready, tmp_path, certificate=pair_of(simulator.ready)) as hand,
        ):
            simulator.order({"do": "rules", "add": [rule, reset]})
            scripted = hand.push(), hand.push()
            simulator.order({"do": "rules", "clear": True})
            usual = hand.push()

            assert scripted[0].status == 503
            assert scripted[1].reset == 7
            assert usual.status == 200
            assert simulator.counts(APNS_ID, "other") == {APNS_ID: 1, "other": 0}

    def test_conduct(self, tmp_path: Path) -> None:
        """Connections to come behave as told: the next, and those after it."""
        with simulator_process() as simulator:
            simulator.order(
                {"do": "conduct", "conduct": {"streams": 5}, "script": [{"streams": 4}]}
            )
            pair = pair_of(simulator.ready)
            for streams in (4, 5, 5):
                with hand_for(simulator.ready, tmp_path, certificate=pair) as hand:
                    assert hand.streams == [streams]

    @pytest.mark.parametrize(
        "order", [{"do": "goaway", "with": {"reason": "Shutdown"}}, {"do": "cut"}]
    )
    def test_the_end_of_connections(self, tmp_path: Path, order: dict[str, Any]) -> None:
        """Politely, or not."""
        with (
            simulator_process() as simulator,
            hand_for(simulator.ready, tmp_path, certificate=pair_of(simulator.ready)) as hand,
        ):
            simulator.order(order)
            hand.until_closed()

            assert (hand.goaway is not None) is (order["do"] == "goaway")

    def test_devices(self, tmp_path: Path) -> None:
        """A device goes, comes back, and is gone for good."""
        with (
            simulator_process() as simulator,
            hand_for(simulator.ready, tmp_path, certificate=pair_of(simulator.ready)) as hand,
        ):
            simulator.order({"do": "device", "token": TOKEN, "reach": "offline"})
            hand.push(apns_expiration=str(1 << 33))
            back = simulator.order({"do": "device", "token": TOKEN, "reach": "online"})
            simulator.order({"do": "device", "token": TOKEN, "invalid_since": 5})
            gone = hand.push()

            assert back == {"delivered": [APNS_ID]}
            assert json.loads(gone.body) == {"reason": "Unregistered", "timestamp": 5}

    @pytest.mark.parametrize(
        ("order", "why"),
        [
            ({"do": "dance"}, "dance"),
            ({"do": "rules", "add": [{"status": 410}]}, "reason"),
            ({"do": "rules", "remove": 1}, "remove"),
            ({"do": "conduct", "conduct": {"window": -1}}, "window"),
        ],
    )
    def test_nonsense(self, order: dict[str, Any], why: str) -> None:
        """What cannot be done is told, and it goes on."""
        with simulator_process() as simulator:
            with pytest.raises(RuntimeError, match=why):
                simulator.order(order)

            assert simulator.statistics()["received"] == 0


class TestTerminal:
    """For people."""

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, "apns-simulator", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_tells_where_it_is(self, number: signal.Signals) -> None:
        """Address and files at the start, sums at the end, which a signal is."""
        process = self.run("--port=0")
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(8)]

        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)

        assert lines[0].startswith("APNs (production) is simulated at 127.0.0.1, port ")
        assert lines[1].endswith("/ca.pem\n")
        assert rest.startswith("0 received: 0 accepted, 0 rejected; ")
        assert errors == ""
        assert not os.path.exists(lines[1].split()[-1])

    def test_an_address_that_is_not_ours(self) -> None:
        """One line that says why."""
        process = self.run("--address=192.0.2.1")

        output, errors = process.communicate(timeout=30)

        assert (output, process.returncode) == ("", 1)
        assert errors == (
            "Error: cannot listen on 192.0.2.1:2197: Cannot assign requested address\n"
        )

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """Likewise."""
        (tmp_path / "file").touch()

        process = self.run("--directory", str(tmp_path / "file" / "folder"))
        _, errors = process.communicate(timeout=30)

        assert process.returncode == 1
        assert errors == f"Error: {tmp_path}/file/folder: Not a directory\n"
