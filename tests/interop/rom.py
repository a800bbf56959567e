"""Network boot firmware as far as its datagrams go: what real firmware sent, to our servers.

The messages are OVMF's and iPXE's, byte for byte as captured (`tests/data/real_clients.json`), but
for hardware address, transaction and what answers put into them. The answers are read by scapy, so
that our codec cannot vouch for itself.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from scapy.layers.dhcp import BOOTP

from tests.protocols.dhcp.capture import captured

from .lab import Host

OVMF_PXE = "ovmf-pxe4-proxy"
OVMF_HTTP = "ovmf-http4"
IPXE = "bios-ipxe-proxymenu"
COOKIE = 236
END = b"\xff"


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, as scapy reads it."""

    source: tuple[str, int]
    message: BOOTP

    def option(self, code: int) -> bytes | None:
        """The raw value of an option that occurs at most once."""
        found = [data for number, data in tlvs(bytes(self.message)[COOKIE + 4 :]) if number == code]
        assert len(found) < 2, f"option {code} occurs {len(found)} times"
        return found[0] if found else None

    @property
    def boot_file(self) -> str:
        data: bytes = self.message.file
        return data.partition(b"\0")[0].decode()

    @property
    def menu(self) -> list[tuple[bytes, str]]:
        """Type and text of the entries in the PXE boot menu."""
        lines = []
        data = dict(tlvs(self.option(43) or b"")).get(9, b"")
        while data:
            size = data[2]
            lines.append((data[:2], data[3 : 3 + size].decode()))
            data = data[3 + size :]
        return lines


def tlvs(data: bytes) -> list[tuple[int, bytes]]:
    """Options up to the end."""
    found = []
    while data and data[:1] != END:
        if data[0] == 0:
            data = data[1:]
            continue
        code, size = data[0], data[1]
        assert len(data) >= 2 + size, f"option {code} runs over its end"
        found.append((code, data[2 : 2 + size]))
        data = data[2 + size :]
    return found


def first_discover(capture: str) -> bytes:
    """The first DISCOVER in a capture."""
    return next(each.payload for each in captured() if each.capture == capture and each.is_dhcp)


class Rom:
    """The firmware of one machine, which has no address yet."""

    def __init__(self, host: Host, interface: str, capture: str = OVMF_PXE) -> None:
        self._host = host
        self._interface = interface
        self._hardware = host.mac(interface)
        self._header = first_discover(capture)[:COOKIE]
        self.options = tlvs(first_discover(capture)[COOKIE + 4 :])
        """What every message says, message type included."""
        self._xids = itertools.count(0x50584501)
        self._sockets = {port: self._open(port) for port in (68, 4011)}

    def _open(self, port: int) -> socket.socket:
        opened = self._host.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
        opened.bind(("0.0.0.0", port))
        return opened

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()

    def message(
        self, kind: int, *more: tuple[int, bytes], ciaddr: str = "0.0.0.0", giaddr: str = "0.0.0.0"
    ) -> bytes:
        """A message of DHCP type `kind`, with options besides those that firmware sends."""
        header = bytearray(self._header)
        header[4:8] = next(self._xids).to_bytes(4, "big")
        header[10] |= 0x80  # broadcast, for nobody answers ARP for us
        header[12:16] = IPv4Address(ciaddr).packed
        header[24:28] = IPv4Address(giaddr).packed
        header[28:34] = self._hardware
        rest = [(code, data) for code, data in self.options if code != 53]
        options = [(53, bytes((kind,))), *rest, *more]
        written = b"".join(bytes((code, len(data))) + data for code, data in options)
        return bytes(header) + bytes((99, 130, 83, 99)) + written + END

    def ask(
        self,
        data: bytes,
        to: tuple[str, int] = ("255.255.255.255", 67),
        *,
        port: int = 68,
        answers: int = 1,
        patience: float = 5.0,
    ) -> list[Answer]:
        """Send from `port`; the answers to it there, `answers` of them unless patience runs out."""
        here = self._sockets[port]
        here.sendto(data, to)
        found: list[Answer] = []
        deadline = time.monotonic() + patience
        while len(found) < answers and (left := deadline - time.monotonic()) > 0:
            if not select.select([here], [], [], left)[0]:
                break
            reply, source = here.recvfrom(9000)
            if reply[:1] == b"\2" and reply[4:8] == data[4:8]:
                found.append(Answer(source, BOOTP(reply)))
        return found

    def discover(self, *, answers: int) -> dict[str, Answer]:
        """The offers to a DISCOVER, by server."""
        found = self.ask(self.message(1), answers=answers)
        return {answer.source[0]: answer for answer in found}

    def lease(self, offer: Answer) -> str:
        """Take the address that a DHCP server offered."""
        address = str(offer.message.yiaddr)
        asked = self.message(3, (54, offer.option(54) or b""), (50, IPv4Address(address).packed))
        (ack,) = self.ask(asked)
        assert ack.option(53) == b"\5"
        self._host.address(self._interface, f"{address}/24")
        return address

    def ask_boot_server(
        self, server: str, address: str, *more: tuple[int, bytes], patience: float = 5.0
    ) -> list[Answer]:
        """Ask port 4011 from port 4011, as EDK2 does, once we have an address."""
        asked = self.message(3, *more, ciaddr=address)
        return self.ask(asked, (server, 4011), port=4011, patience=patience)
