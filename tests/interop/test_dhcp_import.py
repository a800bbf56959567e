"""A network changes its DHCP server: from one that runs to netbootd, under its clients."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.dhcp_server import row, settings, station
from tests.interop.lab import Process, wait_until
from tests.interop.lessor import DHCPD_LEASES, DNSMASQ_LEASES, KEA_LEASES, dhcpd, dnsmasq, kea
from tests.interop.station import Dhclient, Udhcpc

pytestmark = pytest.mark.interop

NETBOOTCTL = str(Path(sys.executable).with_name("netbootctl"))
FIRST, SECOND, THIRD = (f"52:54:00:77:00:6{number}" for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("start", "file"),
    [(dnsmasq, DNSMASQ_LEASES), (dhcpd, DHCPD_LEASES), (kea, KEA_LEASES)],
    ids=["dnsmasq", "dhcpd", "kea"],
)
def test_clients_keep_their_addresses(lan: Lan, start: Callable[..., Process], file: str) -> None:
    """Who has a lease renews it here, who restarts has its address back, nobody else gets it."""
    old = start(lan.server, lan.server_interface)
    renewing = Udhcpc(station(lan, FIRST, "first"))
    returning = Dhclient(station(lan, SECOND, "second"))
    for client in (renewing, returning):
        client.start()
        client.station.wait_for_address()
    addresses = [renewing.station.address(), returning.station.address()]
    returning.crash()
    old.stop()
    daemon = Daemon(lan.server, settings())

    path = str(lan.server.folder / file)
    done = lan.server.run(NETBOOTCTL, "import", "leases", path, "--config", str(daemon.config))
    daemon.start()
    imported = row(daemon, FIRST)
    renewing.renew()
    returning.start()
    stranger = Udhcpc(station(lan, THIRD, "third"))
    stranger.start()

    assert "2 leases that hold, 0 that are over, 0 addresses of strangers" in done.stdout
    wait_until(lambda: row(daemon, FIRST).ends != imported.ends)
    returning.station.wait_for_address()
    stranger.station.wait_for_address()
    assert [renewing.station.address(), returning.station.address()] == addresses
    assert stranger.station.address() not in addresses
