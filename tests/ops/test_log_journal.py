"""The journal's native protocol, on a real socket."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from ops.log_journal import MAX_WAITING, Journal, datagram, entry


def event(text: str = "", level: LogLevel = LogLevel.info, **more: Any) -> dict[str, Any]:
    return {
        "log_time": 0.0,
        "log_level": level,
        "log_namespace": "netbootd.boot",
        "log_format": text,
        **more,
    }


@dataclass(frozen=True)
class Seen:
    machine: str
    name: str


class Reader:
    """A socket as the journal has one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(60)
        self.journal = Journal("netbootd", path=self.path, patience=60)

    def entry(self) -> dict[str, str]:
        """The next entry, however it comes."""
        data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        if ancillary:
            (descriptor,) = struct.unpack("i", ancillary[0][2])
            with open(descriptor, "rb") as file:
                file.seek(0)
                data = file.read()
        return parsed(data)


def parsed(data: bytes) -> dict[str, str]:
    """What the journal reads in an entry."""
    found = {}
    while data:
        head, _, rest = data.partition(b"\n")
        name, equals, text = head.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", rest)
            text, rest = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()] = text.decode()
        data = rest
    return found


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.socket.close()
    made.journal.close()


def test_an_event_has_its_fields(reader: Reader) -> None:
    """Message, priority and identifier as every program has them; the event's own with our name."""
    seen = Seen(machine="a8:20:66:01:02:03", name="Büro")

    reader.journal(event("saw {event.name}", LogLevel.warn, event=seen, n=3, model="", why=None))

    assert reader.entry() == {
        "MESSAGE": "saw Büro",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "netbootd",
        "SYSLOG_PID": str(os.getpid()),
        "NETBOOTD_LOGGER": "netbootd.boot",
        "NETBOOTD_MACHINE": "a8:20:66:01:02:03",
        "NETBOOTD_NAME": "Büro",
        "NETBOOTD_N": "3",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", "7"), ("info", "6"), ("warn", "4"), ("error", "3"), ("critical", "2")],
)
def test_priorities(level: str, priority: str) -> None:
    """Levels are those of syslog."""
    found = entry(event("x", LogLevel.lookupByName(level)), "netbootd")

    assert found["PRIORITY"] == priority


def test_a_peer_cannot_write_fields(reader: Reader) -> None:
    """A line end, or half a character, in what a peer sent stays in its field."""
    reader.journal(event("name {name}", name="x\nPRIORITY=0\n\ud800"))

    found = reader.entry()
    assert found["PRIORITY"] == "6"
    assert found["NETBOOTD_NAME"] == "x\nPRIORITY=0\n\\ud800"
    assert "\n" not in found["MESSAGE"]


def test_names_of_fields_are_the_journals(reader: Reader) -> None:
    """Letters, digits and underlines, 64 at most; none of ours is replaced by an event's."""
    reader.journal(event("x", **{"a-b": 1, "c" * 100: 2, "logger": "forged"}))

    found = reader.entry()
    assert found["NETBOOTD_A_B"] == "1"
    assert found["NETBOOTD_LOGGER"] == "netbootd.boot"
    assert max(map(len, found)) == 64


def test_a_traceback_and_no_password(reader: Reader) -> None:
    """A failure is told with where it happened; passwords in URLs are masked."""
    try:
        raise ValueError("afp://boot:hunter2@10.0.0.1/Shadow")
    except ValueError:
        failure = Failure()

    reader.journal(event(level=LogLevel.critical, log_failure=failure, url="afp://a:b@10.0.0.1/"))

    found = reader.entry()
    assert "test_a_traceback_and_no_password" in found["MESSAGE"]
    assert "hunter2" not in str(found)
    assert found["NETBOOTD_URL"] == "afp://a:***@10.0.0.1/"


def test_what_is_too_long_for_a_datagram_comes_as_a_file(reader: Reader) -> None:
    """An event of any size arrives whole, in a file that nobody can change any more."""
    reader.journal(event("{long}", long="x" * 1_000_000))

    assert reader.entry()["NETBOOTD_LONG"] == "x" * 1_000_000


def test_a_slow_journal_is_waited_for_elsewhere(reader: Reader) -> None:
    """The one who logs is never held up; entries come in their order."""
    for number in range(500):
        reader.journal(event("{n}", n=number))

    assert [reader.entry()["NETBOOTD_N"] for _ in range(500)] == [str(n) for n in range(500)]


def test_what_is_too_much_is_counted(reader: Reader) -> None:
    """Beyond the bound entries are lost, and when the journal reads again it is told how many."""
    for number in range(MAX_WAITING + 1000):
        reader.journal(event("{n}", n=number))
    lost = reader.journal.lost

    found = [reader.entry()]
    while "lost" not in found[-1]["MESSAGE"]:
        found.append(reader.entry())

    assert lost > 0
    assert found[-1]["MESSAGE"] == f"{lost} entries were lost: the journal did not take them"
    assert len(found) - 1 + lost == MAX_WAITING + 1000


def test_a_journal_that_restarts(reader: Reader) -> None:
    """While nobody listens entries are lost, and counted; who listens next gets the rest."""
    reader.socket.close()
    reader.path.unlink()
    reader.journal(event("nobody hears this"))
    reader.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.socket.bind(str(reader.path))
    reader.socket.settimeout(60)

    reader.journal(event("here again"))

    assert reader.entry()["MESSAGE"] == "here again"
    assert reader.entry()["MESSAGE"] == "1 entry was lost: the journal did not take them"


def test_without_a_journal(tmp_path: Path) -> None:
    """It is an error at the start, not later."""
    with pytest.raises(FileNotFoundError):
        Journal("netbootd", path=tmp_path / "none")


def test_the_form_of_an_entry() -> None:
    """Each field a line; with line ends in it, its length as 64 bits, little end first."""
    assert datagram({"A": "b", "C": "d\ne"}) == (
        b"A=b\n"  # NAME=text
        b"C\n"  # NAME
        b"\x03\0\0\0\0\0\0\0"  # length of what follows
        b"d\ne\n"
    )
