"""Fixtures of the tests that run real peers in network namespaces."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.bundle import Bundle, make_bundle
from tests.interop.capture import Capture
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Lab, Switch, sweep
from tests.interop.mac import Mac


@pytest.fixture(scope="session", autouse=True)
def swept() -> None:
    """What a killed run left behind is gone before the first test of this one."""
    if sys.platform == "linux" and os.geteuid() == 0:
        sweep()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty network; what the test puts into it is gone when the test is over."""
    with Lab(tmp_path) as lab:
        yield lab


@dataclass(frozen=True, slots=True)
class Lan:
    """One network: a server with the daemon's configuration at hand, and one client beside it."""

    lab: Lab
    switch: Switch
    server: Host
    server_interface: str
    client: Host
    client_interface: str

    @property
    def address(self) -> str:
        """The server's address."""
        return str(self.server.addresses[self.server_interface].ip)

    def capture(self, filter: str = "udp port 67 or udp port 68") -> Capture:
        """Watch the server's interface."""
        return Capture(self.server, self.server_interface, filter)


@pytest.fixture
def lan(lab: Lab) -> Lan:
    """A switch with a server, 10.77.0.1, and a client, 10.77.0.50."""
    switch = lab.switch("lan")
    server, client = lab.host("server"), lab.host("client")
    return Lan(
        lab=lab,
        switch=switch,
        server=server,
        server_interface=server.plug(switch, "10.77.0.1/24"),
        client=client,
        client_interface=client.plug(switch, "10.77.0.50/24", mac="52:54:00:77:00:50"),
    )


@pytest.fixture
def sierra(lan: Lan) -> Bundle:
    """An image in the server's folder."""
    images = lan.server.folder / "images"
    return make_bundle(images, "Sierra", index=1322, title="Install macOS Sierra")


@pytest.fixture
def daemon(lan: Lan, sierra: Bundle) -> Daemon:
    """The daemon, running on the server with that image."""
    daemon = Daemon(lan.server)
    daemon.start()
    return daemon


@pytest.fixture
def mac(lan: Lan) -> Iterator[Mac]:
    """A Mac's firmware on the client."""
    mac = Mac(lan.client, lan.client_interface)
    yield mac
    mac.close()
