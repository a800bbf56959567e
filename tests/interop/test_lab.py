"""The lab itself: what a test builds is there, is connected, and is gone afterwards."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.capture import Capture
from tests.interop.lab import NAMESPACES, PATIENCE, Lab, sweep

pytestmark = pytest.mark.interop


BURST = 30
"""Datagrams sent without a pause, so that there is what may overtake."""
MOST_BURSTS = 100


def namespaces(process: int) -> set[str]:
    """Those of one test run: others may come and go meanwhile."""
    return {path.name for path in NAMESPACES.glob(f"nb{process}-*")}


def test_hosts_on_one_switch_reach_each_other(lab: Lab) -> None:
    """A datagram crosses the switch, and the capture shows it with a good checksum."""
    lan, left, right = lab.switch("lan"), lab.host("left"), lab.host("right")
    interface = left.plug(lan, "10.77.0.1/24")
    right.plug(lan, "10.77.0.2/24")
    capture = Capture(left, interface)

    with left.socket() as receiver, right.socket() as sender:
        receiver.bind(("10.77.0.1", 6900))
        sender.sendto(b"hello", ("10.77.0.1", 6900))
        data, (source, _) = receiver.recvfrom(64)

    assert (data, source) == (b"hello", "10.77.0.2")
    (packet,) = capture.packets("udp.port == 6900")
    assert packet.one("ip.dst") == "10.77.0.1"
    assert packet.values("udp.payload") == [b"hello"]
    assert capture.complaints() == ""


def test_lab_cleans_up_after_itself(tmp_path: Path) -> None:
    """Neither namespaces nor processes outlive a lab, also when the test in it failed."""
    before = namespaces(os.getpid())

    def fail() -> None:
        with Lab(tmp_path) as lab:
            host = lab.host("host")
            processes.append(host.start("sh", "-c", "trap '' TERM; sleep 600 & wait"))
            raise ZeroDivisionError

    processes: list = []
    with pytest.raises(ZeroDivisionError):
        fail()

    assert namespaces(os.getpid()) == before
    assert not processes[0].running()


def test_lab_of_a_killed_run_is_swept(tmp_path: Path) -> None:
    """A run that was killed leaves namespaces; the next run removes them, and only them."""
    script = (
        "import os, signal, sys; from pathlib import Path; from tests.interop.lab import Lab\n"
        "lab = Lab(Path(sys.argv[1])); lab.host('orphan').start('sh', '-c', 'sleep 600')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with Lab(tmp_path) as alive:
        alive.host("alive")
        mine = namespaces(os.getpid())
        killed = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
        killed.wait(PATIENCE)
        assert namespaces(killed.pid)

        sweep()

        assert not namespaces(killed.pid)
        assert namespaces(os.getpid()) == mine


def test_bad_wire_is_bad(lab: Lab) -> None:
    """The cable of the tests does lose, repeat and swap frames."""
    near, far, cable = lab.switch("near"), lab.switch("far"), lab.host("cable")
    left, right = lab.host("left"), lab.host("right")
    left.plug(near, "10.77.0.1/24")
    right.plug(far, "10.77.0.2/24")
    ends = (cable.plug(near, interface="c0"), cable.plug(far, interface="c1"))
    faults = ("--loss", "0.1", "--duplicate", "0.1", "--reorder", "0.1", "--seed", "1")
    wire = str(Path(__file__).with_name("wire.py"))
    cable.start(sys.executable, wire, *ends, *faults).wait_for("carrying")

    with left.socket() as sender, right.socket() as receiver:
        receiver.bind(("10.77.0.2", 6900))
        received: list[int] = []
        for sent in range(BURST * MOST_BURSTS):
            sender.sendto(sent.to_bytes(2, "big"), ("10.77.0.2", 6900))
            if sent % BURST == BURST - 1:
                while select.select([receiver], [], [], 0.05)[0]:
                    received.append(int.from_bytes(receiver.recv(2), "big"))
                if lost(received) and repeated(received) and swapped(received):
                    break

    assert lost(received)
    assert repeated(received)
    assert swapped(received)


def lost(received: list[int]) -> bool:
    """Nothing is overtaken by a whole burst: what is so old and has not come does not come."""
    return bool({*range(max(received, default=0) - BURST)} - {*received})


def repeated(received: list[int]) -> bool:
    return len(received) > len({*received})


def swapped(received: list[int]) -> bool:
    return received != sorted(received)
