"""No address is promised twice, whatever becomes of the daemon in between."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.interop.crowd import Crowd
from tests.interop.daemon import Daemon
from tests.interop.lab import Lab

pytestmark = pytest.mark.interop

KILLS = 6
"""Each costs the start of a daemon, about a second."""
CLIENTS = 900
"""Half as many again as there are addresses, so that they are always wanted by others."""
SETTINGS = """
[bsdp]
enabled = false
[dhcp]
enabled = true
authoritative = true
probe = "off"
[[dhcp.subnet]]
network = "10.77.0.0/16"
pools = ["10.77.1.0-10.77.3.87"]
"""


def stored(folder: Path) -> dict[IPv4Address, bytes]:
    """The leases that run, as they are on disk: whose each address is."""
    (file,) = (folder / "state").glob("*.sqlite")
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(
            "SELECT address, client FROM leases WHERE state = 'bound' AND ends > ?", (time.time(),)
        )
        return {IPv4Address(address): bytes.fromhex(client)[1:] for address, client in rows}


def test_kill_9_under_load_breaks_no_promise(lab: Lab) -> None:
    """A daemon that is killed again and again while clients come and go never acknowledges an
    address to a second client while the first one's lease runs, and forgets no acknowledged one."""
    seeded = random.Random(11)
    switch = lab.switch("lan")
    server, crowd_host = lab.host("server"), lab.host("crowd")
    server.plug(switch, "10.77.0.1/16")
    crowd_host.plug(switch, "10.77.0.2/16")
    (server.folder / "images").mkdir()
    daemon = Daemon(server, SETTINGS)
    sock = crowd_host.socket()
    sock.bind(("", 68))

    with closing(sock), Crowd(sock, ("10.77.255.255", 67), CLIENTS, seed=12) as crowd:
        promises = crowd.promises
        for _ in range(KILLS):
            process = daemon.start()
            crowd.wait_for(seeded.randrange(1, 1500))
            process.stop(signal.SIGKILL)
        crowd.finish()

        assert promises.broken == []
        on_disk = stored(server.folder)
        lost = {a: mac for a, mac in promises.holders.items() if on_disk.get(a) != mac}
        assert lost == {}

        daemon.start()
        assert crowd.reclaim(timeout=20) == {}
    assert promises.broken == []
