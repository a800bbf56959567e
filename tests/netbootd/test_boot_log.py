"""The lines that an admin reads, word for word."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twisted.logger import LogEvent, Logger, LogLevel, formatEvent

from netbootd.boot_log import MAX_MISSED, boot_log, identifier
from netbootd.event import (
    BootMenuOffered,
    BootOffered,
    BootUnanswered,
    EntrySelected,
    Event,
    FileMissing,
    ImageOffered,
    ImageSelected,
    ImagesListed,
    RequestUnanswered,
    SelectionFailed,
    TransferFinished,
    TransferProgressed,
    TransferStarted,
)
from netbootd.transfer import Outcome
from ops.log import human_line, json_line

WHO: dict[str, Any] = {
    "at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "machine": "a8:20:66:01:02:03",
    "address": "10.0.0.50",
}
BSDP: dict[str, Any] = {**WHO, "interface": "en0"}
MODEL = {"architecture": "i386", "system_id": "iMac14,2"}
LISTED = ImagesListed(**BSDP, **MODEL, images=3, applicable=3, size=302)
PC: dict[str, Any] = {**WHO, "service": "http", "platform": "bios"}
FIRMWARE: dict[str, Any] = {**WHO, "client": "PXE", "platform": "uefi-x86-64"}
FILE: dict[str, Any] = {
    **WHO,
    "service": "tftp",
    "name": "A.nbi/i386/booter",
    "role": "booter",
    "size": 1000,
}


def finished(outcome: Outcome, sent: int = 1000) -> TransferFinished:
    return TransferFinished(**FILE, sent=sent, outcome=outcome, seconds=1.25)


def logged(*events: Event) -> list[LogEvent]:
    """What is logged of the events, in order."""
    lines: list[LogEvent] = []
    write = boot_log(Logger("netbootd.boot", observer=lines.append))  # type: ignore[arg-type]
    for event in events:
        write(event)
    return lines


def text(line: LogEvent) -> str:
    return f"{line['log_level'].name}: {formatEvent(line)}"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            LISTED,
            "info: NetBoot: [1,a8:20:66:1:2:3] BSDP ACK[LIST] sent 10.0.0.50 pktsize 302"
            " [en0] arch=i386 sysid=iMac14,2 images=3",
        ),
        (
            ImageSelected(
                **BSDP,
                **MODEL,
                image="High Sierra",
                image_id=0x81000001,
                machine_name="NetBoot007",
                size=363,
            ),
            "info: NetBoot: [1,a8:20:66:1:2:3] BSDP ACK[SELECT] sent 10.0.0.50 pktsize 363"
            " [en0] NetBoot007 arch=i386 sysid=iMac14,2 image=High Sierra",
        ),
        (
            SelectionFailed(**BSDP, **MODEL, image_id=0x99, why="image is not offered"),
            "warn: NetBoot: [1,a8:20:66:1:2:3] BSDP ACK[FAILED] sent 10.0.0.50 [en0]"
            " arch=i386 sysid=iMac14,2 image=0x00000099: image is not offered",
        ),
        (
            ImageOffered(**BSDP, image="High Sierra", image_id=0x81000001, size=342),
            "info: NetBoot: [1,a8:20:66:1:2:3] BSDP OFFER sent pktsize 342 image=High Sierra",
        ),
        (
            RequestUnanswered(**BSDP, **MODEL, why="no image is offered to this machine"),
            "warn: NetBoot: [1,a8:20:66:1:2:3] not answered 10.0.0.50 [en0]"
            " arch=i386 sysid=iMac14,2: no image is offered to this machine",
        ),
        (
            RequestUnanswered(**BSDP, architecture="", system_id="", why="version is missing"),
            "warn: NetBoot: [1,a8:20:66:1:2:3] not answered 10.0.0.50 [en0]: version is missing",
        ),
        (
            EntrySelected(**PC, entry="debian", title="Debian 12", stays=False),
            "info: NetBoot: [1,a8:20:66:1:2:3] selected 10.0.0.50 arch=bios entry=debian"
            " “Debian 12”",
        ),
        (
            EntrySelected(**PC, entry="debian", title="Debian 12", stays=True),
            "info: NetBoot: [1,a8:20:66:1:2:3] selected 10.0.0.50 arch=bios entry=debian"
            " “Debian 12” from now on",
        ),
        (
            BootOffered(**FIRMWARE, file="snponly.efi", entry=""),
            "info: NetBoot: [1,a8:20:66:1:2:3] PXE client told to load snponly.efi"
            " arch=uefi-x86-64",
        ),
        (
            BootMenuOffered(**FIRMWARE, entries=3, applicable=3),
            "info: NetBoot: [1,a8:20:66:1:2:3] PXE client told to show a menu of 3 entries"
            " arch=uefi-x86-64",
        ),
        (
            BootUnanswered(**FIRMWARE, why="no boot entry is for it (uefi-x86-64)"),
            "warn: NetBoot: [1,a8:20:66:1:2:3] PXE client told nothing"
            " arch=uefi-x86-64: no boot entry is for it (uefi-x86-64)",
        ),
        (
            TransferStarted(**FILE),
            "debug: tftp: a8:20:66:01:02:03 10.0.0.50 reads A.nbi/i386/booter (1000 bytes)",
        ),
        (
            finished(Outcome.COMPLETE),
            "info: tftp: a8:20:66:01:02:03 10.0.0.50 has read A.nbi/i386/booter"
            " (1000 of 1000 bytes in 1.2 s)",
        ),
        (
            finished(Outcome.PROBE, 0),
            "debug: tftp: a8:20:66:01:02:03 10.0.0.50 asked the size of A.nbi/i386/booter"
            " (0 of 1000 bytes in 1.2 s)",
        ),
        (
            finished(Outcome.ABORTED, 512),
            "warn: tftp: a8:20:66:01:02:03 10.0.0.50 stopped reading A.nbi/i386/booter"
            " (512 of 1000 bytes in 1.2 s)",
        ),
        (
            finished(Outcome.TIMEOUT, 512),
            "warn: tftp: a8:20:66:01:02:03 10.0.0.50 went silent reading A.nbi/i386/booter"
            " (512 of 1000 bytes in 1.2 s)",
        ),
        (
            finished(Outcome.FAILED, 512),
            "error: tftp: a8:20:66:01:02:03 10.0.0.50 could not be given A.nbi/i386/booter"
            " (512 of 1000 bytes in 1.2 s)",
        ),
        (
            finished(Outcome.STOPPED, 512),
            "info: tftp: a8:20:66:01:02:03 10.0.0.50 was cut off by our stop reading"
            " A.nbi/i386/booter (512 of 1000 bytes in 1.2 s)",
        ),
        (
            FileMissing(**WHO, service="tftp", name="A.nbi/none", why="no such file"),
            "warn: tftp: a8:20:66:01:02:03 10.0.0.50 asked for A.nbi/none: no such file",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_line(event: Event, line: str) -> None:
    """Each stage of a boot is one line, in the words of Apple's server where it had some."""
    (only,) = logged(event)

    assert text(only) == line


def missing(name: str = "A.nbi/none", *, seconds: int = 0) -> FileMissing:
    """A want of `name`, `seconds` after the first event of these tests."""
    who = {**WHO, "at": WHO["at"] + timedelta(seconds=seconds)}
    return FileMissing(**who, service="tftp", name=name, why="no such file")


def levels(*events: Event) -> list[str]:
    return [text(each).partition(":")[0] for each in logged(*events)]


@pytest.mark.parametrize(
    "name",
    [
        "A.nbi/i386/PlatformSupport.plist",
        r"i386\com.apple.Boot.plist",
        # captures `chain-*`: shim beside itself, PXELINUX by MAC and address, GRUB
        "revocations_sku.efi",
        "debian/revocations_sbat.efi",
        "/debian/shim_certificate_0.efi",
        "pxelinux.cfg/01-52-54-00-77-00-11",
        "pxelinux.cfg/0A4D0092",
        "pxelinux.cfg/default",
        "/grub/x86_64-efi/command.lst",
        "/grub/x86_64-efi/terminal.lst",
        "/grub/grub.cfg-01-52-54-00-77-00-10",
        "/grub/grub.cfg-0A4D",
        "autoexec.ipxe",
    ],
)
def test_what_firmware_boots_without_is_not_missed(name: str) -> None:
    """A file that need not exist is told to those who debug only."""
    assert levels(missing(name)) == ["debug"]


@pytest.mark.parametrize(
    "name",
    [
        "grubx64.efi",
        "/grub/x86_64-efi/http.mod",
        "ldlinux.c32",
        "snponly.efi",
        "xrevocations_sku.efi",
        "pxelinux.cfg/a/b",
        "PlatformSupport.plist/x",
    ],
)
def test_what_firmware_needs_is_missed(name: str) -> None:
    """A loader, its parts, and what only looks like a file that need not exist."""
    assert levels(missing(name)) == ["warn"]


def test_the_same_want_is_told_once_a_minute() -> None:
    """A machine that asks again and again for a file is one warning a minute."""
    assert levels(missing(), missing(seconds=59), missing(seconds=60)) == ["warn", "debug", "warn"]


def test_whoever_scans_for_files_does_not_fill_the_log() -> None:
    """Warnings of missing files are bounded, and come again when the minute is over."""
    scan = [missing(f"file{number}") for number in range(MAX_MISSED + 50)]

    assert levels(*scan).count("warn") == MAX_MISSED
    assert levels(*scan, missing("another", seconds=60))[-1] == "warn"


def test_a_reader_that_never_spoke_bsdp() -> None:
    """Where no hardware address is known, the address stands alone."""
    (only,) = logged(
        FileMissing(
            at=WHO["at"], machine="10.0.0.9", address="10.0.0.9", service="http", name="x", why="y"
        )
    )

    assert text(only) == "warn: http: 10.0.0.9 asked for x: y"


def test_every_outcome_has_its_line() -> None:
    """However a transfer ends, it can be told."""
    assert all(len(logged(finished(outcome))) == 1 for outcome in Outcome)


def test_a_truncated_menu_is_a_second_line() -> None:
    """Firmware takes 255 bytes of menu; the log says how many entries are not in it."""
    _, cut = logged(BootMenuOffered(**FIRMWARE, entries=4, applicable=9))

    assert f"{cut['log_level'].name}: {formatEvent(cut)}" == (
        "warn: NetBoot: [1,a8:20:66:1:2:3] menu truncated to first 4 entries of 9:"
        " firmware takes no longer one"
    )


def test_a_truncated_list_is_a_second_line() -> None:
    """As Apple's server did, a list that was cut says how much of it was sent."""
    cut = ImagesListed(**BSDP, **MODEL, images=17, applicable=20, size=548)

    _, second = logged(cut)

    assert text(second) == (
        "warn: NetBoot: [1,a8:20:66:1:2:3] image list truncated to first 17 images of 20:"
        " the machine takes no longer message"
    )


def test_progress_is_not_logged() -> None:
    """A root image that flows for an hour is no line every half second."""
    assert logged(TransferProgressed(**FILE, sent=500)) == []


def test_probes_and_misses_are_not_shown_by_default() -> None:
    """Firmware asks for sizes first and for files that need not exist: nothing above debug."""
    usual = [
        TransferStarted(**FILE),
        finished(Outcome.PROBE, 0),
        missing("A.nbi/i386/PlatformSupport.plist"),
    ]

    assert {line["log_level"] for event in usual for line in logged(event)} == {LogLevel.debug}


@pytest.mark.parametrize(
    ("machine", "shown"),
    [
        ("00:16:cb:aa:bb:0c", "1,0:16:cb:aa:bb:c"),
        ("ff:ff:ff:ff:ff:ff", "1,ff:ff:ff:ff:ff:ff"),
        ("10.0.0.50", "10.0.0.50"),
    ],
)
def test_identifier(machine: str, shown: str) -> None:
    """Apple's logs name a machine by type and address without leading zeros."""
    assert identifier(machine) == shown


@pytest.mark.parametrize("hostile", ["iMac\x1b[2J", "a\nb", "x\u202ey", "\udcff\x00"])
def test_what_a_machine_says_of_itself_is_escaped(hostile: str) -> None:
    """A model, or an image's name, can neither fake a second line nor steer a terminal."""
    (line,) = logged(
        ImagesListed(**BSDP, architecture="i386", system_id=hostile, images=1, applicable=1, size=1)
    )

    for shown in (human_line(line), json_line(line)):
        assert shown.count("\n") == 1
        assert shown[:-1].isprintable()
    assert "sysid=" in human_line(line)


def test_a_json_line_has_the_events_fields() -> None:
    """A machine reads fields, not sentences."""
    (line,) = logged(LISTED)

    record = json.loads(io.StringIO(json_line(line)).readline())

    assert record["event"] == {
        "at": "2026-03-01T09:30:00+00:00",
        "machine": "a8:20:66:01:02:03",
        "address": "10.0.0.50",
        "interface": "en0",
        "architecture": "i386",
        "system_id": "iMac14,2",
        "images": 3,
        "applicable": 3,
        "size": 302,
    }
