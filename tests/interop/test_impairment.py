"""Bad cables: what arrives is byte for byte what was served, whatever the network loses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.bundle import Bundle, make_bundle
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Lab

pytestmark = pytest.mark.interop

KERNEL = "i386/x86_64/kernelcache"
PATIENT = 100.0
"""Seconds for one transfer: its client waits whole seconds for each answer that was lost."""
TRIES = 5
"""One frame in twenty comes twice: five OACKs in a row that do are one case in three million."""

WIRES = [
    pytest.param(("--loss", "0.01"), id="loss"),
    pytest.param(("--duplicate", "0.05"), id="duplicate"),
    pytest.param(("--reorder", "0.05"), id="reorder"),
    pytest.param(("--loss", "0.01", "--duplicate", "0.02", "--reorder", "0.02"), id="all"),
]
NETEM = [
    pytest.param(("loss", "1%"), id="loss"),
    pytest.param(("delay", "2ms", "reorder", "90%"), id="reorder"),
    pytest.param(("duplicate", "5%"), id="duplicate"),
]
READERS = [
    pytest.param("curl-tftp", id="tftp"),
    pytest.param("atftp", id="tftp-window"),
    pytest.param("curl-http", id="http"),
]


@dataclass(frozen=True, slots=True)
class Ends:
    server: Host
    client: Host
    sierra: Bundle

    def read(self, reader: str) -> bytes:
        """The kernel, as the client got it."""
        name = f"NetBoot/NetBootSP0/Sierra.nbi/{KERNEL}"
        output = self.client.folder / "received"
        commands: dict[str, tuple[str, ...]] = {
            # Without options: curl's `timeout 6` would bind the server to that pace (RFC 2349).
            "curl-tftp": (
                *("curl", "-sS", "--tftp-no-options"),
                *("-o", str(output), f"tftp://10.77.0.1//{name}"),
            ),
            "curl-http": ("curl", "-sS", "-o", str(output), f"http://10.77.0.1/{name}"),
            "atftp": (
                *("atftp", "--get", "--remote-file", name, "--local-file", str(output)),
                *("--option", "blksize 1428", "--option", "windowsize 8"),
                *("--option", "timeout 1", "10.77.0.1", "69"),
            ),
        }
        for _ in range(TRIES):
            done = self.client.run(*commands[reader], timeout=PATIENT, check=False)
            # atftp gives up when the cable repeats our OACK; whoever uses it asks again.
            if "unexpected OACK" not in done.stdout + done.stderr:
                break
        assert done.returncode == 0, done.stdout + done.stderr
        return output.read_bytes()


def serve(server: Host) -> Bundle:
    sierra = make_bundle(server.folder / "images", "Sierra", index=1322)
    Daemon(server).start()
    return sierra


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("faults", WIRES)
def test_transfer_over_a_bad_wire(lab: Lab, faults: tuple[str, ...], reader: str) -> None:
    """A transfer over a cable that loses, repeats and swaps frames ends with the same bytes."""
    server, cable, client = lab.host("server"), lab.host("cable"), lab.host("client")
    near, far = lab.switch("near"), lab.switch("far")
    server.plug(near, "10.77.0.1/24")
    client.plug(far, "10.77.0.50/24")
    ends = (cable.plug(near, interface="c0"), cable.plug(far, interface="c1"))
    script = str(Path(__file__).with_name("wire.py"))
    cable.start(sys.executable, script, *ends, *faults, "--seed", "1").wait_for("carrying")
    sierra = serve(server)

    assert Ends(server, client, sierra).read(reader) == sierra.read(KERNEL)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("faults", NETEM)
def test_transfer_through_netem(lab: Lab, faults: tuple[str, ...], reader: str) -> None:
    """The same through the kernel's own network emulation, in both directions."""
    server, client, switch = lab.host("server"), lab.host("client"), lab.switch("lan")
    interfaces = {
        server: server.plug(switch, "10.77.0.1/24"),
        client: client.plug(switch, "10.77.0.50/24"),
    }
    for host, interface in interfaces.items():
        discipline = ("tc", "qdisc", "add", "dev", interface, "root", "netem", *faults)
        if host.run(*discipline, check=False).returncode != 0:
            pytest.skip("this kernel has no netem")
    sierra = serve(server)

    assert Ends(server, client, sierra).read(reader) == sierra.read(KERNEL)
