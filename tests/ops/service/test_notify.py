"""What systemd reads from us, at a socket of the kind that it has."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from ops.service.notify import Notifier, notifier_of


class Listener:
    """systemd's end."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """The lines of each datagram since the last look."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both kinds of address that there are."""
    return str(tmp_path / "notify") if request.param == "path" else f"@notify-{os.getpid()}"


@pytest.fixture
def listener(address: str) -> Iterator[Listener]:
    listener = Listener(address)
    yield listener
    listener.close()


def test_ready_with_a_status(listener: Listener, address: str) -> None:
    """The start is over; what was logged is what `systemctl status` shows."""
    Notifier(address, watchdog=None, clock=Clock()).ready("netbootd is ready")

    assert listener.heard() == [["READY=1", "STATUS=netbootd is ready"]]


def test_signs_of_life_come_with_the_reactor(listener: Listener, address: str) -> None:
    """From the start on, three in the time allowed; none while the reactor stands still."""
    clock = Clock()
    notifier = Notifier(address, watchdog=30.0, clock=clock)
    notifier.ready("")
    listener.heard()

    clock.pump([10.0, 10.0, 10.0])

    assert listener.heard() == [["WATCHDOG=1"]] * 3


def test_signs_of_life_begin_once(listener: Listener, address: str) -> None:
    """A service that is stopped and started again gives no more of them than before."""
    clock = Clock()
    notifier = Notifier(address, watchdog=30.0, clock=clock)
    notifier.ready("")
    notifier.ready("")
    listener.heard()

    clock.advance(10.0)

    assert listener.heard() == [["WATCHDOG=1"]]


def test_a_reload_begins_and_ends(listener: Listener, address: str) -> None:
    """Also one that fails; the status is the old one then. The moment is CLOCK_MONOTONIC's, as
    Type=notify-reload wants it."""
    notifier = Notifier(address, watchdog=None, clock=Clock())
    notifier.ready("serves")
    listener.heard()

    with pytest.raises(RuntimeError), notifier.reloading():
        raise RuntimeError

    (begin, moment, _), end = listener.heard()
    assert begin == "RELOADING=1"
    assert moment.removeprefix("MONOTONIC_USEC=").isdecimal()
    assert end == ["READY=1", "STATUS=serves"]


def test_stopping(listener: Listener, address: str) -> None:
    """The end is announced."""
    Notifier(address, watchdog=None, clock=Clock()).stopping()

    assert listener.heard() == [["STOPPING=1", "STATUS=Stops"]]


def test_nobody_listens(tmp_path: Path) -> None:
    """What cannot be told is lost, and the daemon goes on."""
    notifier = Notifier(str(tmp_path / "absent"), watchdog=None, clock=Clock())

    notifier.ready("serves")
    notifier.stopping()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:3"}])
def test_without_systemd(environment: dict[str, str]) -> None:
    """No address, or one of a kind that we do not know: nothing is told."""
    assert notifier_of(environment, pid=7, clock=Clock()) is None


@pytest.mark.parametrize(
    ("given", "signs"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 1),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 1),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({}, 0),
    ],
)
def test_who_is_watched(
    listener: Listener, address: str, given: dict[str, str], signs: int
) -> None:
    """Only the process that systemd means gives signs of life; none of our children hears of it."""
    environment = {"NOTIFY_SOCKET": address, "PATH": "/bin", **given}
    clock = Clock()

    notifier = notifier_of(environment, pid=7, clock=clock)
    assert notifier is not None
    notifier.ready("")
    listener.heard()
    clock.advance(10.0)

    assert listener.heard() == [["WATCHDOG=1"]] * signs
    assert environment == {"PATH": "/bin"}
