"""What an operator does: `netbootctl config init`, and at a netbootd that runs `leases`, `machines`
and `doctor`, by its admin API, and the same where none runs."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from netbootd import config
from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import READY, TWISTD, Daemon
from tests.interop.dhcp_server import row, serve
from tests.interop.lab import Process, wait_until
from tests.interop.lessor import dnsmasq

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

NETBOOTCTL = str(Path(sys.executable).with_name("netbootctl"))
HOLDER = """
import signal, socket
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("0.0.0.0", 69))
print("has it", flush=True)
signal.pause()
"""
CLIENT = "52:54:00:77:00:50"
SIMULATED = "a8:20:66:01:02:03"


def ctl(daemon: Daemon, *command: str, check: bool = True) -> str:
    """Output of a command at the server, errors included."""
    done = daemon.host.run(NETBOOTCTL, *command, "--config", str(daemon.config), check=check)
    return done.stdout + done.stderr


def ctl_json(daemon: Daemon, *command: str, check: bool = True) -> Any:
    done = daemon.host.run(
        NETBOOTCTL, *command, "--config", str(daemon.config), "--json", check=check
    )
    return json.loads(done.stdout)


def ask_for_address(lan: Lan) -> str:
    """What the client is leased, by busybox."""
    command = ("udhcpc", "-i", lan.client_interface, "-f", "-q", "-n", "-s", "/bin/true")
    done = lan.client.run("busybox", *command)
    match = re.search(r"lease of (\S+) obtained", done.stdout + done.stderr)
    assert match is not None, done.stderr
    return match[1]


def test_reserve(lan: Lan) -> None:
    """A machine gets the address that was reserved for it, by a netbootd that runs or not, and
    after a restart, too, until that is taken back."""
    daemon = serve(lan)

    assert ask_for_address(lan) == "10.77.0.100"
    said = ctl(daemon, "leases", "reserve", CLIENT, "10.77.0.42", "--name", "imac-17")
    assert said == f"10.77.0.42 is reserved for {CLIENT} (imac-17)\n"
    assert ask_for_address(lan) == "10.77.0.42"

    daemon.stop()
    daemon.start()
    assert ask_for_address(lan) == "10.77.0.42"
    assert "10.77.0.42 is reserved" in ctl(
        daemon, "leases", "reserve", "52:54:00:77:00:51", "10.77.0.42", check=False
    )

    daemon.stop()
    ctl(daemon, "leases", "unreserve", CLIENT)
    ctl(daemon, "leases", "reserve", CLIENT, "10.77.0.43")
    listed = {one["address"]: one for one in ctl_json(daemon, "leases", "list")}
    assert listed["10.77.0.43"]["reserved"] == "netbootctl"
    assert listed["10.77.0.42"]["reserved"] is None
    daemon.start()
    assert ask_for_address(lan) == "10.77.0.43"


def test_a_reservation_that_the_configuration_contradicts(lan: Lan) -> None:
    """It cannot be made; one that was made before rests, is told of, and does not stop a start."""
    daemon = serve(lan)
    ctl(daemon, "leases", "reserve", CLIENT, "10.77.0.42")
    daemon.stop()
    daemon.config.write_text(
        f'{daemon.config.read_text()}\n[[dhcp.host]]\nname = "imac"\nmac = "{CLIENT}"\n'
        'address = "10.77.0.60"\n'
    )

    process = daemon.start()

    assert process.wait_for("Reservation rests: 10.77.0.42")
    assert ask_for_address(lan) == "10.77.0.60"
    said = ctl(daemon, "leases", "reserve", CLIENT, "10.77.0.61", check=False)
    assert '[[dhcp.host]] "imac" of the configuration is this machine' in said


def test_release(lan: Lan) -> None:
    """A lease that is ended is ended on disk, by address or by machine, running or not."""
    daemon = serve(lan, rest='lease_time = "1h"')
    ask_for_address(lan)

    said = ctl(daemon, "leases", "release", "10.77.0.100")
    wait_until(lambda: row(daemon, CLIENT).state == "released")
    assert said == f"10.77.0.100 is free: {CLIENT} has no lease of it any more\n"
    assert "has no lease" in ctl(daemon, "leases", "release", CLIENT, check=False)

    ask_for_address(lan)
    daemon.stop()
    assert ctl_json(daemon, "leases", "release", CLIENT)["state"] == "released"
    assert row(daemon, CLIENT).state == "released"


def boot(lan: Lan) -> None:
    """A simulated Mac at the client boots."""
    lan.client.run(
        *(NETBOOTCTL, "simulate", "mac", "--server", lan.address, "--address", "10.77.0.50"),
        *("--mac", SIMULATED),
        timeout=120,
    )


def watch(daemon: Daemon, *more: str) -> Process:
    """A watcher that has begun."""
    process = daemon.host.start(
        NETBOOTCTL, "machines", "watch", "--config", str(daemon.config), *more
    )
    process.wait_for("watching")
    return process


def test_history(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """A boot is under way, then in the history, which is there while netbootd does not run."""
    boot(lan)

    (machine,) = ctl_json(daemon, "machines", "list")
    assert (machine["machine"], machine["image"]) == (SIMULATED, "Install macOS Sierra")
    shown = ctl_json(daemon, "machines", "show", SIMULATED)
    names = [stage["name"] for stage in shown["history"][0]["stages"]]
    assert names[:3] == ["list", "select", "booter"]
    assert {"kernelcache", "root_image"} <= set(names)

    daemon.stop()
    (machine,) = ctl_json(daemon, "machines", "list")
    assert (machine["outcome"], machine["boots"]) == ("booted", 1)
    text = ctl(daemon, "machines", "show", "10.77.0.50")
    assert "kernelcache" in text
    assert "Install macOS Sierra" in text


def test_watch(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """Who watches is told each stage as it is over, and at the end how it went."""
    lines = watch(daemon, "--boots", "1")
    records = watch(daemon, "--boots", "1", "--json")

    boot(lan)

    lines.wait_for(f"{SIMULATED} booted Install macOS Sierra", timeout=120)
    records.wait_for('"outcome": "booted"', timeout=120)
    assert f"{SIMULATED} select Install macOS Sierra" in lines.output()
    told = [json.loads(line) for line in records.output().splitlines() if line[0] == "{"]
    assert told[0]["stages"][0]["name"] == "list"
    assert told[-1]["outcome"] == "booted"


def test_nobody_to_watch(lan: Lan) -> None:
    """Where netbootd does not run, that is said at once."""
    daemon = Daemon(lan.server)

    said = ctl(daemon, "machines", "watch", check=False)

    assert "netbootd does not run" in said


def severities(report: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in report["findings"]:
        found.setdefault(one["subject"], set()).add(one["severity"])
    return found


def test_doctor_of_a_daemon_that_runs(lan: Lan, daemon: Daemon) -> None:
    """Ports are its own, and whoever gives addresses on the wire is named."""
    dnsmasq(lan.client, lan.client_interface)

    report = ctl_json(daemon, "doctor")

    assert report["ok"] is True
    found = severities(report)
    assert found["netbootd"] == found["privileges"] == {"ok"}
    assert found["BSDP"] == found["TFTP"] == found["HTTP"] == {"ok"}
    assert found["database"] == found["disk space"] == found["images"] == {"ok"}
    texts = [one["text"] for one in report["findings"] if one["subject"] == "DHCP servers"]
    assert texts == [f"DHCP server 10.77.0.50 on {lan.server_interface} gives addresses"]


def test_doctor_of_one_that_does_not(lan: Lan) -> None:
    """A port that somebody has is an error with a remedy, and the exit status; nobody who gives
    addresses, and a firewall that lets no client in, are warnings."""
    daemon = Daemon(lan.server)
    holder = lan.server.start(sys.executable, "-c", HOLDER)
    holder.wait_for("has it")
    lan.server.run("nft", "add table inet strict")
    lan.server.run(
        "nft", "add chain inet strict input { type filter hook input priority 0; policy drop; }"
    )

    done = daemon.host.run(
        NETBOOTCTL, "doctor", "--config", str(daemon.config), "--json", check=False
    )

    holder.stop()
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (1, False)
    found = severities(report)
    assert found["TFTP"] == {"error"}
    assert found["netbootd"] == found["firewall"] == found["DHCP servers"] == {"warning"}
    for one in report["findings"]:
        assert one["remedy"] or one["severity"] == "ok", one


def init(lan: Lan, *options: str, answers: str | None = None) -> tuple[str, Path]:
    """What `config init` says at the server, and its file."""
    file = lan.server.folder / "first.toml"
    images = lan.server.folder / "boot-images"
    command = [NETBOOTCTL, "config", "init", str(file), "--images", str(images), *options]
    if answers is None:
        done = lan.server.run(*command, "--yes", check=False)
    else:
        shell = f"printf '{answers}' | {shlex.join(command)}"
        done = lan.server.run("sh", "-c", shell, check=False)
    return done.stdout + done.stderr, file


def test_init_alone(lan: Lan) -> None:
    """Where nobody gives addresses netbootd is set up to do it, and does with that file."""
    said, file = init(lan)

    assert "DHCP server   none answers" in said
    assert "ERROR" not in said
    settings = config.load(file)
    assert settings.dhcp.enabled
    assert str(settings.dhcp.subnets[0].pools[0]) == "10.77.0.100-10.77.0.199"
    assert settings.images.shares[0].path == lan.server.folder / "boot-images"
    state = f'[state]\ndirectory = "{lan.server.folder / "state"}"\n'
    file.write_text(file.read_text() + state)
    daemon = lan.server.start(TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", str(file))
    daemon.wait_for(READY)
    assert ask_for_address(lan) == "10.77.0.100"


def test_init_beside(lan: Lan) -> None:
    """Where somebody gives addresses netbootd is set up not to."""
    dnsmasq(lan.client, lan.client_interface)

    said, file = init(lan)

    assert f"10.77.0.50 gives addresses on {lan.server_interface}" in said
    assert not config.load(file).dhcp.enabled


def test_init_overwrites_nothing(lan: Lan) -> None:
    """A file that is there stays, unless that is asked for."""
    file = lan.server.folder / "first.toml"
    file.write_text("[bsdp]\nport = 6700\n")

    said, _ = init(lan, "--no-search", "--mode", "beside")
    assert f"{file} exists" in said
    assert config.load(file).bsdp.port == 6700

    init(lan, "--no-search", "--mode", "beside", "--force")
    assert config.load(file).bsdp.port == 67


def test_init_without_answers(lan: Lan) -> None:
    """Where nobody answers, nothing is written, and it says how to have nothing asked."""
    said, file = init(lan, "--no-search", answers=r"1\n")

    assert said.endswith("Error: nothing is written; answer all questions, or say --yes\n")
    assert not file.exists()


def test_init_with_what_contradicts_itself(lan: Lan) -> None:
    """Addresses to lease are not passed over in silence where another server gives them."""
    said, file = init(lan, "--no-search", "--mode", "beside", "--pool", "10.77.0.20-10.77.0.40")

    assert "--pool: another server gives the addresses (--mode beside); leave that out" in said
    assert not file.exists()


def test_init_says_what_is_next(lan: Lan) -> None:
    """The commands that go on from there name the file."""
    said, file = init(lan, "--no-search", "--mode", "beside")

    assert f"next  netbootctl images import FOLDER --config {file}\n" in said
    assert said.endswith(f"twistd -n netbootd --config {file}\n")


def test_init_asks(lan: Lan) -> None:
    """Answers that cannot be are asked for again; who says no at the end has nothing written."""
    wrong_then_right = r"1\n10.9.0.1\n10.77.0.20-10.77.0.40\n10.9.9.9\n10.77.0.254\nn\n"

    said, file = init(lan, "--no-search", answers=wrong_then_right + r"n\n")
    assert "nothing is written" in said
    assert not file.exists()

    said, file = init(lan, "--no-search", answers=wrong_then_right + r"y\n")
    (subnet,) = config.load(file).dhcp.subnets
    assert said.count("must be in 10.77.0.0/24") == 2
    assert [str(pool) for pool in subnet.pools] == ["10.77.0.20-10.77.0.40"]
    assert str(subnet.router) == "10.77.0.254"
