"""SIGHUP at the running daemon: new settings for the next client, nothing lost for the last."""

from __future__ import annotations

import os
import signal

import pytest

from tests.interop.client import udhcpc
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon

pytestmark = pytest.mark.interop

SETTINGS = """
[dhcp]
enabled = true
probe = "off"
[[dhcp.subnet]]
network = "10.77.0.0/24"
pools = ["10.77.0.100"]
domain = "old.example.com"
"""


def test_settings_are_read_again_without_losing_leases(lan: Lan) -> None:
    """The pool grows while a lease runs: nobody else gets its address, the next client gets one
    of the new pool with the new options; a file that is wrong changes nothing."""
    (lan.server.folder / "images").mkdir()
    daemon = Daemon(lan.server, SETTINGS)
    process = daemon.start()
    written = daemon.config.read_text()
    first = udhcpc(lan.client, lan.client_interface)
    assert first is not None
    assert (first["ip"], first["domain"]) == ("10.77.0.100", "old.example.com")

    new = written.replace("10.77.0.100", "10.77.0.100-10.77.0.101").replace("old.", "new.")
    daemon.config.write_text(new + "\n[http]\nport = 8080\n")
    os.kill(process.pid, signal.SIGHUP)
    process.wait_for(r"Configuration read again: dhcp\.subnet")
    process.wait_for(r"Restart netbootd for the change of http\.port")
    lan.client.run("ip", "link", "set", lan.client_interface, "address", "52:54:00:77:00:51")
    second = udhcpc(lan.client, lan.client_interface)
    assert second is not None
    assert (second["ip"], second["domain"]) == ("10.77.0.101", "new.example.com")

    daemon.config.write_text(new.replace("0.101", "1.101"))
    os.kill(process.pid, signal.SIGHUP)
    process.wait_for(r"The old settings stay.*10\.77\.1\.101 is not in 10\.77\.0\.0/24")
    again = udhcpc(lan.client, lan.client_interface)
    assert again is not None
    assert again["ip"] == "10.77.0.101"
