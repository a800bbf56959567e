"""Boots: which events are one, what its stages are, and how it went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from netbootd.boot import MAX_OPEN, MAX_STAGES, QUIET, SETTLED, Boot, BootOutcome, Boots
from netbootd.event import (
    BootOffered,
    EntrySelected,
    Event,
    FileMissing,
    ImageSelected,
    ImagesListed,
    SelectionFailed,
    TransferFinished,
    TransferProgressed,
    TransferStarted,
)
from netbootd.transfer import Outcome

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
MAC = "a8:20:66:01:02:03"
PC = "52:54:00:77:00:10"


class Room:
    """Machines that boot, second by second."""

    def __init__(self) -> None:
        self.over: list[Boot] = []
        self.changes = 0
        self.boots = Boots(ended=self.over.append, changed=self.count)
        self.at = START

    def count(self, boot: Boot) -> None:
        self.changes += 1

    def hear(self, event: type[Event], machine: str = MAC, **keys: Any) -> None:
        self.at += timedelta(seconds=1)
        self.boots.heard(event(at=self.at, machine=machine, address="10.0.0.50", **keys))

    def list(self, machine: str = MAC) -> None:
        mac: Any = {"interface": "en0", "architecture": "i386", "system_id": "iMac14,2"}
        self.hear(ImagesListed, machine, **mac, images=2, applicable=2, size=300)

    def select(self) -> None:
        mac: Any = {"interface": "en0", "architecture": "i386", "system_id": "iMac14,2"}
        name: Any = {"image": "High Sierra", "image_id": 1, "machine_name": "NetBoot001"}
        self.hear(ImageSelected, **mac, **name, size=300)

    def offer(self, client: str = "PXE", file: str = "ipxe.efi", entry: str = "") -> None:
        pc = {"client": client, "platform": "uefi-x86-64"}
        self.hear(BootOffered, PC, **pc, file=file, entry=entry)

    def read(
        self,
        role: str,
        machine: str = MAC,
        *,
        sent: int = 1000,
        outcome: Outcome | None = Outcome.COMPLETE,
        service: str = "tftp",
    ) -> None:
        about: dict[str, Any] = {
            "service": service,
            "name": f"a/{role}",
            "role": role,
            "size": 1000,
        }
        self.hear(TransferStarted, machine, **about)
        self.hear(TransferProgressed, machine, **about, sent=sent // 2)
        if outcome is not None:
            self.hear(TransferFinished, machine, **about, sent=sent, outcome=outcome, seconds=1.0)

    def wait(self) -> None:
        self.at += QUIET
        self.boots.end_quiet(self.at)


@pytest.fixture
def room() -> Room:
    return Room()


def names(boot: Boot) -> list[str]:
    return [stage.name for stage in boot.stages]


def test_a_mac_boots(room: Room) -> None:
    """LIST, SELECT, what firmware loads and the root image are one boot, which has succeeded."""
    room.list()
    room.select()
    room.read("booter")
    room.read("kernelcache")
    room.read("root_image", sent=400, outcome=None, service="http")
    room.wait()

    (boot,) = room.over
    assert names(boot) == ["list", "select", "booter", "kernelcache", "root_image"]
    assert (boot.client, boot.model, boot.image) == ("Mac", "iMac14,2", "High Sierra")
    assert boot.outcome is BootOutcome.BOOTED
    assert boot.why == ""
    assert boot.size == 2200
    assert boot.began == START + timedelta(seconds=1)


def test_a_pc_boots(room: Room) -> None:
    """The loader's own request goes on with the boot of the firmware that loaded it."""
    room.offer()
    room.read("loader", PC)
    room.offer("iPXE", "http://10.0.0.1/ipxe/boot.ipxe")
    entry = {"platform": "uefi-x86-64", "entry": "debian", "title": "Debian", "stays": False}
    room.hear(EntrySelected, PC, service="http", **entry)
    room.read("script", PC, service="http")
    room.read("kernel", PC, service="http")
    room.read("initrd", PC, service="http")
    room.wait()

    (boot,) = room.over
    assert names(boot) == ["offer", "loader", "offer", "choice", "script", "kernel", "initrd"]
    assert (boot.client, boot.architecture, boot.image) == ("PXE", "uefi-x86-64", "Debian")
    assert boot.outcome is BootOutcome.BOOTED


def test_two_boots(room: Room) -> None:
    """A machine that begins anew ends what it was about, at once."""
    room.list()
    room.select()
    room.read("booter")
    room.list()

    (boot,) = room.over
    assert boot.outcome is BootOutcome.STOPPED
    assert boot.why == "nothing came after a/booter"
    assert [names(each) for each in room.boots.under_way()] == [["list"]]


@pytest.mark.parametrize(
    ("outcome", "verdict", "why"),
    [
        (Outcome.ABORTED, BootOutcome.STOPPED, "a/kernelcache: aborted at 30 %"),
        (Outcome.TIMEOUT, BootOutcome.STOPPED, "a/kernelcache: timeout at 30 %"),
        (Outcome.FAILED, BootOutcome.FAILED, "a/kernelcache: failed at 30 %"),
    ],
)
def test_a_file_that_was_not_read(
    room: Room, outcome: Outcome, verdict: BootOutcome, why: str
) -> None:
    """Who did not get its kernel has not booted; the history says how far it came."""
    room.list()
    room.select()
    room.read("kernelcache", sent=300, outcome=outcome)
    room.wait()

    (boot,) = room.over
    assert (boot.outcome, boot.why) == (verdict, why)


def test_who_has_all_is_done_early(room: Room) -> None:
    """A machine that has its kernel and goes silent has booted, before others are given up."""
    room.read("booter")
    room.read("kernelcache")
    room.offer()
    room.boots.end_quiet(room.at + SETTLED)

    assert [boot.machine for boot in room.over] == [MAC]
    assert [boot.machine for boot in room.boots.under_way()] == [PC]


def test_an_offer_that_is_not_taken(room: Room) -> None:
    """A machine that never comes for what it was told to load is told of as such."""
    room.offer()
    room.offer()
    room.wait()

    (boot,) = room.over
    assert names(boot) == ["offer"]
    assert boot.why == "it was told of ipxe.efi, and never came for it"


def test_a_refused_selection(room: Room) -> None:
    """An image that a machine was refused is a failure, with its reason."""
    mac = {"interface": "en0", "architecture": "i386", "system_id": "iMac14,2"}
    room.hear(SelectionFailed, **mac, image_id=7, why="no image has this id")
    room.wait()

    (boot,) = room.over
    assert (boot.outcome, boot.why) == (BootOutcome.FAILED, "no image has this id")


def test_a_missing_file_is_why(room: Room) -> None:
    """A file that a boot needs and that is not there is why it stopped; others are not."""
    room.offer()
    room.read("loader", PC)
    tried = {"service": "tftp", "why": "no such file"}
    room.hear(FileMissing, PC, name="autoexec.ipxe", **tried)
    room.hear(FileMissing, PC, name="vmlinuz", **tried)
    room.wait()

    (boot,) = room.over
    assert (boot.outcome, boot.why) == (BootOutcome.STOPPED, "vmlinuz: no such file")


def test_looking_at_the_list_is_no_boot(room: Room) -> None:
    """A Mac whose Startup Disk pane asked for images has not booted."""
    room.list()
    room.wait()

    assert room.over == []
    assert room.boots.under_way() == ()


def test_a_size_probe_is_no_stage(room: Room) -> None:
    """A question for the size leaves nothing behind; the read that follows does."""
    room.offer()
    room.read("loader", PC, sent=0, outcome=Outcome.PROBE)
    room.read("loader", PC)
    room.wait()

    assert names(room.over[0]) == ["offer", "loader"]


@pytest.mark.parametrize("outcome", [Outcome.PROBE, Outcome.TIMEOUT, Outcome.ABORTED])
def test_a_request_that_was_repeated(room: Room, outcome: Outcome) -> None:
    """A file that was read whole stays so, whatever becomes of a second request for it."""
    room.read("booter")
    room.read("booter", sent=0, outcome=outcome)
    room.wait()

    (stage,) = room.over[0].stages
    assert (stage.outcome, stage.done) == ("complete", 1000)


@pytest.mark.parametrize("late", [True, False])
def test_two_requests_at_once(room: Room, late: bool) -> None:
    """Of two transfers of a file one is whole, the other nothing: it was read, in either order."""
    about: dict[str, Any] = {"service": "tftp", "name": "a/booter", "role": "booter", "size": 1000}
    ends: list[dict[str, Any]] = [
        {"sent": 1000, "outcome": Outcome.COMPLETE},
        {"sent": 0, "outcome": Outcome.PROBE},
    ]
    room.hear(TransferStarted, **about)
    room.hear(TransferStarted, **about)
    for end in ends if late else reversed(ends):
        room.hear(TransferFinished, **about, **end, seconds=1.0)

    boot = room.boots.of(MAC)
    assert boot is not None
    assert [(one.name, one.outcome, one.done) for one in boot.stages] == [
        ("booter", "complete", 1000)
    ]


def test_a_root_image_over_several_connections(room: Room) -> None:
    """What connections of HTTP read one after the other adds up; TFTP begins anew."""
    room.read("booter", sent=500, outcome=Outcome.ABORTED)
    room.read("booter")
    room.read("kernelcache")
    room.read("root_image", sent=400, service="http")
    room.read("root_image", sent=300, service="http")
    room.wait()

    (boot,) = room.over
    assert [(stage.name, stage.done) for stage in boot.stages] == [
        ("booter", 1000),
        ("kernelcache", 1000),
        ("root_image", 700),
    ]


def test_readers_of_other_files_do_not_boot(room: Room) -> None:
    """Whoever fetches a root image or another file, unasked, is not taken for a machine."""
    room.read("root_image", service="http")
    room.read("other", service="http")

    assert room.boots.under_way() == ()


def test_stop(room: Room) -> None:
    """What is under way when netbootd stops is told apart from what failed."""
    room.list()
    room.select()
    room.read("kernelcache", outcome=Outcome.STOPPED)
    room.boots.end_all()

    assert room.over[0].outcome is BootOutcome.INTERRUPTED


def test_bounds(room: Room) -> None:
    """Neither machines nor stages can grow without end."""
    for number in range(MAX_OPEN + 1):
        room.list(f"00:00:00:00:{number >> 8:02x}:{number & 255:02x}")
    for number in range(MAX_STAGES + 5):
        room.read("other" if number else "booter")
        room.hear(FileMissing, service="tftp", name=f"{number}", why="no such file")
        about: dict[str, Any] = {
            "service": "tftp",
            "name": f"{number}",
            "role": "other",
            "size": 10,
        }
        room.hear(TransferStarted, **about)

    assert len(room.boots.under_way()) == MAX_OPEN
    boot = room.boots.of(MAC)
    assert boot is not None
    assert len(boot.stages) == MAX_STAGES


def test_as_json(room: Room) -> None:
    """A boot is told to programs whole, its times in UTC."""
    room.list()
    room.select()

    (boot,) = room.boots.under_way()
    record = boot.record()
    assert record["began"] == "2026-01-05T08:00:01.000Z"
    assert record["outcome"] == "booting"
    assert record["stages"][1] == {
        "name": "select",
        "about": "High Sierra",
        "began": "2026-01-05T08:00:02.000Z",
        "ended": "2026-01-05T08:00:02.000Z",
        "done": 0,
        "size": 0,
        "outcome": "complete",
    }
