"""A Mac's BSDP requests, made and read by scapy, so that our codec cannot vouch for itself."""

from __future__ import annotations

import itertools
import select
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address

from scapy.layers.dhcp import BOOTP, DHCP, DHCPTypes

from .lab import Host

CLASS = b"AAPLBSDPC/i386/iMac14,2"
SERVER_CLASS = b"AAPLBSDPC"
LIST, SELECT, FAILED = b"\x01", b"\x02", b"\x03"
VERSION_1_1 = b"\x01\x01"

Vendor = tuple[tuple[int, bytes], ...]
"""The sub-options of option 43, in wire order."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer, as scapy reads it."""

    source: IPv4Address
    message: BOOTP

    def options(self, code: int) -> list[bytes]:
        """The raw value of every instance of an option."""
        return [data for found, data in _tlvs(bytes(self.message)[240:], end=255) if found == code]

    @property
    def kind(self) -> str:
        (value,) = self.options(53)
        return str(DHCPTypes[value[0]])

    @property
    def vendor(self) -> Vendor:
        """Each instance of option 43 is read on its own, as Apple's client does."""
        return tuple(itertools.chain.from_iterable(map(_tlvs, self.options(43))))

    def sub(self, code: int) -> bytes | None:
        """A sub-option of option 43 that occurs at most once."""
        found = [data for number, data in self.vendor if number == code]
        assert len(found) < 2
        return found[0] if found else None

    @property
    def images(self) -> list[tuple[bytes, str]]:
        """The image list: identifier and name."""
        images = []
        for code, data in self.vendor:
            while code == 9 and data:
                length = data[4]
                images.append((data[:4], data[5 : 5 + length].decode()))
                data = data[5 + length :]
        return images

    @property
    def boot_file(self) -> str:
        return self.message.file.rstrip(b"\0").decode()

    @property
    def root_path(self) -> str:
        (value,) = self.options(17)
        return value.decode()


def _tlvs(data: bytes, end: int | None = None) -> Vendor:
    found = []
    while data and data[0] != end:
        if data[0] == 0:
            data = data[1:]
            continue
        code, length = data[0], data[1]
        assert len(data) >= 2 + length, f"option {code} runs over its end"
        found.append((code, data[2 : 2 + length]))
        data = data[2 + length :]
    return tuple(found)


class Mac:
    """The firmware of one Mac: what it sends, and the answers that reach it."""

    def __init__(self, host: Host, interface: str, *, port: int = 68) -> None:
        self.address = host.addresses[interface].ip
        self.hardware = host.mac(interface)
        self.port = port
        self._xids = itertools.count(0x4E620001)
        self._socket = host.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self._socket.bind(("0.0.0.0", port))

    def close(self) -> None:
        self._socket.close()

    def request(self, kind: str, vendor: Vendor, **fields: object) -> BOOTP:
        """A BSDP request; `fields` override the header's."""
        header = {"ciaddr": str(self.address), "xid": next(self._xids), **fields}
        options = [
            ("message-type", kind),
            ("vendor_class_id", CLASS),
            ("max_dhcp_size", 1500),
            ("param_req_list", [60, 43]),
            ("vendor_specific", b"".join(bytes((c, len(d))) + d for c, d in vendor)),
            "end",
        ]
        return BOOTP(op=1, chaddr=self.hardware, **header) / DHCP(options=options)

    def listing(self, *more: tuple[int, bytes]) -> BOOTP:
        return self.request("inform", ((1, LIST), (2, VERSION_1_1), *self._reply_port(), *more))

    def selection(self, server: str, image: bytes | None, **fields: object) -> BOOTP:
        chosen = () if image is None else ((8, image),)
        server_id = (3, IPv4Address(server).packed)
        vendor = ((1, SELECT), (2, VERSION_1_1), *self._reply_port(), server_id, *chosen)
        return self.request("inform", vendor, **fields)

    def discovery(self) -> BOOTP:
        """What firmware sends when it was told in an earlier boot what to load."""
        return self.request("discover", ((2, VERSION_1_1),), ciaddr="0.0.0.0")

    def _reply_port(self) -> Vendor:
        return () if self.port == 68 else ((5, self.port.to_bytes(2, "big")),)

    def send(self, request: BOOTP, server: str = "255.255.255.255") -> None:
        self._socket.sendto(bytes(request), (server, 67))

    def receive(self, request: BOOTP) -> Reply:
        """The next BSDP answer, which must be to `request`; DHCP servers' are passed over."""
        while True:
            data, (source, port) = self._socket.recvfrom(9000)
            reply = Reply(IPv4Address(source), BOOTP(data))
            if SERVER_CLASS not in reply.options(60):
                continue
            assert port == 67
            assert reply.message.xid == request.xid, "an answer to another request"
            return reply

    def ask(self, request: BOOTP, server: str = "255.255.255.255") -> Reply:
        self.send(request, server)
        return self.receive(request)

    def list(self, server: str = "255.255.255.255") -> Reply:
        return self.ask(self.listing(), server)

    def heard_nothing(self) -> bool:
        """Whether no datagram has come that was not received."""
        readable, _, _ = select.select([self._socket], [], [], 0)
        return not readable

    def assert_silence(self, request: BOOTP) -> None:
        """The server answers in order: when it answers what is sent next, it answered this not."""
        self.send(request)
        self.list()
