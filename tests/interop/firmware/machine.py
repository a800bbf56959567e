"""A PC in software: QEMU with real firmware, a network card on a switch and a serial console.

The firmware is what Debian ships: SeaBIOS with iPXE's boot ROM, or OVMF with its own UEFI network
stack. Everything that the machine says goes to its serial port, so a test waits for what a
technician in front of it would read: `Console.expect` takes markers in the order in which they
must appear. When one does not come, the failure shows when the others came, the end of the
console, and the boot server's log.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from tests.interop.lab import Host, Process, Switch
from tests.interop.peer import peer_file

PATIENCE = 150.0
"""Seconds for all markers of a boot together: four times and more of what the slowest takes on two
idle cores, because firmware is emulated instruction by instruction."""

LOOK = 0.1
"""Seconds between two looks at a console, which may be long."""

TAIL = 40
"""Lines of the console that a failure shows."""

X509 = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
"""EFI_CERT_X509_GUID."""
OWNER = UUID("52540077-0010-4000-8000-000000000000")
"""Who enrolled a certificate; anything will do."""
SIGNATURE_LIST = 28
"""Bytes of an EFI_SIGNATURE_LIST before its signatures."""

DEAD_END = re.compile(
    r"PXE-E\d+: .*|No more network devices|Nothing to boot: .*|^grub> ", re.MULTILINE
)
"""What firmware and loaders say when they have given up."""

# Where a screen would move its cursor or change its colours.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][0-9A-Za-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """A machine's firmware, as arguments of QEMU."""

    machine: str
    flash: tuple[tuple[str, str], ...] = ()
    """Images of the flash chips, and how each is opened: variables are never written back."""
    card: str
    """The network card's properties: with an empty `romfile` UEFI drives it by itself."""
    options: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        arguments = ["-machine", self.machine]
        for path, access in self.flash:
            arguments += ["-drive", f"if=pflash,format=raw,{access},file={peer_file(path)}"]
        return [*arguments, *self.options]


CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"

BIOS = Firmware(machine="pc,graphics=off", card="bootindex=0")
"""SeaBIOS; the card's ROM is iPXE. Without graphics both talk on the serial port."""

UEFI = Firmware(
    machine="q35",
    flash=((CODE, "readonly=on"), (VARIABLES, "snapshot=on")),
    card="bootindex=0,romfile=",
    options=("-device", "virtio-rng-pci"),
)
"""OVMF for x86-64. Newer ones have no network without a random number generator."""


def _setting(name: str, value: str) -> tuple[str, str]:
    """One of OVMF's settings."""
    return "-fw_cfg", f"name=opt/org.tianocore/{name},string={value}"


UEFI_HTTP = replace(
    UEFI,
    options=(
        *UEFI.options,
        *_setting("IPv4PXESupport", "no"),
        *_setting("IPv6PXESupport", "no"),
        *_setting("IPv6Support", "no"),
    ),
)
"""The same, which boots from a URL at once, rather than after two minutes of PXE in vain."""

SECURE_BOOT = replace(
    UEFI,
    machine="q35,smm=on",
    flash=(
        ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "readonly=on"),
        ("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", "snapshot=on"),
    ),
    options=(
        *UEFI.options,
        *("-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-global", "ICH9-LPC.disable_s3=1"),
    ),
)
"""The same, which starts only what Microsoft's keys, or what these trust, have signed."""


def trusting(authority: Path, folder: Path) -> tuple[str, str]:
    """QEMU's option that makes OVMF trust a PEM certificate as an HTTPS authority.

    OVMF wants a list of signatures (UEFI 2.10 §32.4.1): one list of one X.509 certificate.
    """
    certificate = load_pem_x509_certificate(authority.read_bytes()).public_bytes(Encoding.DER)
    entry = OWNER.bytes_le + certificate
    sizes = struct.pack("<III", SIGNATURE_LIST + len(entry), 0, len(entry))
    file = folder / "authorities.esl"
    file.write_bytes(X509.bytes_le + sizes + entry)
    return "-fw_cfg", f"name=etc/edk2/https/cacerts,file={file}"


@dataclass(slots=True)
class Console:
    """What a machine writes on its serial port, read marker by marker."""

    process: Process
    log: Callable[[], str]
    """The boot server's log, for failures."""
    patience: float = PATIENCE
    timeline: list[tuple[float, str]] = field(default_factory=list)
    """When each marker was seen, in seconds since the machine was switched on."""
    _begun: float = field(default_factory=time.monotonic)
    _read: int = 0

    def text(self) -> str:
        return _ESCAPES.sub("", self.process.output()).replace("\r", "")

    def expect(self, *markers: str) -> re.Match[str]:
        """Wait for regular expressions, each after the one before; the last one's match."""
        assert markers
        for marker in markers:
            found = self._wait(marker)
        return found

    def _wait(self, marker: str) -> re.Match[str]:
        while True:
            running = self.process.running()
            text = self.text()
            if found := re.compile(marker).search(text, self._read):
                self._read = found.end()
                self.timeline.append((self._seconds(), found[0]))
                return found
            over = not running or DEAD_END.search(text, self._read)
            if over or self._seconds() > self.patience:
                raise AssertionError(self._story(marker, running=running))
            time.sleep(LOOK)

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def _story(self, marker: str, *, running: bool) -> str:
        seen = "".join(f"{seconds:7.1f} s  {text}\n" for seconds, text in self.timeline)
        end = "still runs" if running else "is off"
        tail = "\n".join(self.text().splitlines()[-TAIL:])
        return (
            f"no {marker!r} after {self._seconds():.1f} s; the machine {end}\n"
            f"--- seen\n{seen}--- console\n{tail}\n--- boot server\n{self.log()}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A PC that is plugged in and switched off."""

    host: Host
    """Where QEMU runs."""
    tap: str
    firmware: Firmware
    mac: str
    uuid: str

    @classmethod
    def plugged(cls, host: Host, switch: Switch, firmware: Firmware, mac: str) -> Machine:
        """Connect a machine to a switch. Its identifier is made of its hardware address."""
        uuid = f"564d4c55-0001-0002-0003-{mac.replace(':', '')}"
        return cls(host=host, tap=host.plug_tap(switch), firmware=firmware, mac=mac, uuid=uuid)

    def boot(self, *options: str, log: Callable[[], str]) -> Console:
        """Switch it on; `options` are further arguments of QEMU."""
        process = self.host.start(
            *("qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nodefaults", "-no-reboot"),
            *("-display", "none", "-vga", "none", "-serial", "stdio", "-uuid", self.uuid),
            *self.firmware.arguments(),
            *("-netdev", f"tap,id=lan,ifname={self.tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=lan,mac={self.mac},{self.firmware.card}"),
            *options,
        )
        return Console(process, log)
