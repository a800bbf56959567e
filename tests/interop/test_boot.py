"""A whole boot over a network: `netbootctl simulate mac` on one host, the daemon on another."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from images.udzo import write_udzo_thd
from tests.interop.bundle import Bundle, make_bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.lab import wait_until
from tests.interop.mac import Mac

pytestmark = pytest.mark.interop

NETBOOTCTL = str(Path(sys.executable).with_name("netbootctl"))


@pytest.fixture
def sierra(sierra: Bundle) -> Bundle:
    """The image of the other tests, with a root disk image that has checksums."""
    disk = io.BytesIO(bytes(range(256)) * 40_000)
    with (sierra.path / "NetInstall.dmg").open("wb") as file:
        write_udzo_thd(disk, file)
    return sierra


@pytest.mark.parametrize("how", [(), ("--server", "10.77.0.1")], ids=["broadcast", "unicast"])
def test_boot(lan: Lan, sierra: Bundle, daemon: Daemon, how: tuple[str, ...]) -> None:
    """A simulated Mac finds the server, selects its image, loads all of it, and checks it."""
    done = lan.client.run(NETBOOTCTL, "simulate", "mac", *how, timeout=60)

    assert sierra.title in done.stdout
    assert "NetBoot001" in done.stdout
    assert daemon.process is not None
    log = daemon.process.output()
    for stage in (
        "ACK[LIST]",
        "ACK[SELECT]",
        "i386/booter",
        "x86_64/kernelcache",
        "NetInstall.dmg",
    ):
        assert stage in log


def test_boot_of_one_image_among_several(lan: Lan, sierra: Bundle, daemon: Daemon) -> None:
    """An image is chosen by its name."""
    mac = Mac(lan.client, lan.client_interface)
    make_bundle(sierra.path.parent, "Other", index=7, title="Another image", IsDefault=True)
    wait_until(lambda: len(mac.list().images) == 2)
    mac.close()

    done = lan.client.run(NETBOOTCTL, "simulate", "mac", "--image", sierra.title, timeout=60)

    assert f"“{sierra.title}” booted" in done.stdout.replace("\n", " ")


def test_nobody_answers(lan: Lan) -> None:
    """Silence is told after two tries, with what to look at, and the verdict when we want it."""
    command = (NETBOOTCTL, "simulate", "mac", "--timeout", "10")

    done = lan.client.run(*command, check=False, timeout=60)

    assert done.returncode == 1
    _, noted, failed, verdict = done.stdout.splitlines()
    assert noted.startswith("… LIST                  no answer yet: does a server run, ")
    assert noted.endswith("? Asking for 10 s")
    assert failed == "✗ LIST                  no server answered (10.0 s)"
    assert verdict == "✗ Not booted: LIST failed"
