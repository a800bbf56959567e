"""proxyDHCP on its two ports: who is answered, to where, with what; and who is left alone."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netbootd.arrival import Arrival, arrival_at
from netbootd.pxe.proxy import ProxyResponder
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import MessageType
from tests.netbootd.pxe.offered import SERVER, Rig
from tests.netbootd.responder import FakeDatagrams, Sent
from tests.protocols.dhcp.capture import captured
from tests.protocols.pxe.ask import BIOS, HTTP, IPXE, UEFI, message

LAN = arrival_at("en0", 7, str(SERVER))
NOBODY = ("0.0.0.0", 68)
CLIENT = ("10.77.0.145", 4011)
LOADERS = 'loaders = "/srv/loaders"\n'


class Proxy:
    """The responder with a socket that remembers."""

    def __init__(self, document: str = LOADERS, *, told: str | None = None, **booter: object):
        """`told` is the address that clients are told instead of the arrival's."""
        self.rig = Rig(document, **booter)
        self.asked: list[Arrival] = []
        self.responder = ProxyResponder(
            answers=self.rig.answers,
            server_address=lambda arrival: self._address(arrival, told),
            counters=self.rig.counters,
        )
        self.socket = FakeDatagrams()
        self.handled = False

    def _address(self, arrival: Arrival, told: str | None) -> IPv4Address:
        self.asked.append(arrival)
        return IPv4Address(told) if told else arrival.local_address

    def on_67(self, data: bytes | DhcpMessage, peer: tuple[str, int] = NOBODY) -> list[Sent]:
        """What is sent at once in answer to a datagram on port 67."""
        self.socket.sent.clear()
        payload = data if isinstance(data, bytes) else encode(data)
        self.handled = self.responder.received(
            self.socket,  # type: ignore[arg-type]
            payload,
            peer,
            LAN,
        )
        return list(self.socket.sent)

    def on_4011(self, data: bytes | DhcpMessage, peer: tuple[str, int] = CLIENT) -> list[Sent]:
        """The same on port 4011."""
        self.socket.sent.clear()
        payload = data if isinstance(data, bytes) else encode(data)
        self.responder.received_4011(
            self.socket,  # type: ignore[arg-type]
            payload,
            peer,
            LAN,
        )
        return list(self.socket.sent)

    def counts(self) -> dict[str, int]:
        """Our counters that are not zero."""
        found = self.rig.counters.snapshot().items()
        return {
            name.removeprefix("netbootd_pxe_").removesuffix("_total"): value
            for name, value in found
            if value
        }


def real(capture: str, number: int) -> bytes:
    """The request `number` of a network boot client in a capture."""
    found = [d for d in captured() if d.capture == capture and d.is_dhcp and d.payload[0] == 1]
    return found[number].payload


def on_request(**more: object) -> DhcpMessage:
    return message(kind=MessageType.REQUEST, ciaddr="10.77.0.145", flags=0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("capture", "file"),
    [
        ("ovmf-pxe4-proxy", b"snponly.efi"),
        ("bios-ipxe-proxymenu", b"http://10.77.0.2/ipxe/52-54-00-77-00-11/boot.ipxe"),
        ("ovmf-http4", b"http://10.77.0.2/snponly.efi"),
    ],
)
def test_discover_is_offered(capture: str, file: bytes) -> None:
    """OVMF and iPXE are offered what they are to load, by broadcast to port 68, with no address."""
    proxy = Proxy()

    (sent,) = proxy.on_67(real(capture, 0))

    reply = decode(sent.data)
    assert proxy.handled
    assert sent.to == ("broadcast", 68)
    assert (reply.boot_file, reply.siaddr) == (file, SERVER)
    assert (reply.option(53), reply.option(54)) == (b"\2", SERVER.packed)
    assert str(reply.yiaddr) == "0.0.0.0"
    assert not {1, 3, 51, 58, 59} & {code for code, _ in reply.options}
    assert proxy.counts() == {"requests": 1, "offer_replies": 1}


@pytest.mark.parametrize(
    ("capture", "number", "peer", "file"),
    [
        ("ovmf-pxe4-proxy", -1, ("10.77.0.145", 4011), b"snponly.efi"),
        (
            "bios-ipxe-http-script",
            -1,
            ("10.77.0.146", 68),
            b"http://10.77.0.2/ipxe/52-54-00-77-00-11/boot.ipxe",
        ),
    ],
)
def test_request_on_4011_is_acknowledged(
    capture: str, number: int, peer: tuple[str, int], file: bytes
) -> None:
    """The answer goes to where the question came from: port 4011 of EDK2, port 68 of iPXE."""
    proxy = Proxy()
    asked = decode(real(capture, number))
    asked = message(
        asked.option(60),
        *[each for each in asked.options if each.code not in (53, 54, 60, 93, 97, 50)],
        architecture=int.from_bytes(asked.option(93) or b"", "big"),
        kind=MessageType.REQUEST,
        ciaddr=peer[0],
        mac=asked.hardware_address,
    )

    (sent,) = proxy.on_4011(asked, peer)

    reply = decode(sent.data)
    assert sent.to == peer
    assert reply.option(53) == b"\5"
    assert (str(reply.ciaddr), reply.boot_file) == (peer[0], file)
    assert proxy.counts() == {"requests": 1, "ack_replies": 1}


@pytest.mark.parametrize(
    "capture",
    [
        "dhclient-plain",
        "udhcpc",
        "dhcpcd",
        "networkd",
        "networkmanager",
        "perfdhcp",
        "bsdp-go-go",
        "relay-isc",
    ],
)
def test_others_are_left_alone(capture: str) -> None:
    """What no network boot client sent is nobody's here, and is not even counted."""
    proxy = Proxy()
    requests = [d for d in captured() if d.capture == capture and d.is_dhcp and d.payload[0] == 1]

    for each in requests:
        assert proxy.on_67(each.payload) == []
        assert not proxy.handled

    assert requests
    assert proxy.counts() == {}


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind is not MessageType.DISCOVER])
def test_port_67_answers_discover_alone(kind: MessageType) -> None:
    """A REQUEST of a PXE client on port 67 is the DHCP server's."""
    proxy = Proxy()

    assert proxy.on_67(message(kind=kind)) == []
    assert not proxy.handled


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind is not MessageType.REQUEST])
def test_port_4011_answers_request_alone(kind: MessageType) -> None:
    """No other message is one to a boot server."""
    proxy = Proxy()

    assert proxy.on_4011(message(kind=kind)) == []
    assert proxy.counts() == {"ignored_datagrams": 1}


@pytest.mark.parametrize(
    "data", [b"", b"PXEClient", b"\2" * 300, encode(message(None)), encode(message(HTTP[:4]))]
)
def test_port_4011_ignores_what_is_none_of_its(data: bytes) -> None:
    """Strangers' datagrams are counted and dropped."""
    proxy = Proxy()

    assert proxy.on_4011(data) == []
    assert sum(proxy.counts().values()) == 1


def test_malformed_client_is_counted() -> None:
    """A PXE client whose option 93 is garbled is malformed, on either port."""
    proxy = Proxy()
    garbled = message(UEFI, RawOption(93, b"\7"), architecture=None)

    assert proxy.on_67(garbled) == []
    assert not proxy.handled
    assert proxy.counts() == {"malformed_datagrams": 1}


def test_request_for_another_server() -> None:
    """A boot server that the client names is the one that answers."""
    proxy = Proxy()
    other = RawOption(54, IPv4Address("10.77.0.1").packed)
    asked = message(UEFI, other, kind=MessageType.REQUEST, ciaddr="10.77.0.145")

    assert proxy.on_4011(asked) == []
    assert proxy.counts() == {"requests": 1, "silent_requests": 1}
    assert proxy.rig.events == []


def test_nothing_to_boot_is_silence() -> None:
    """A client that we have nothing for hears nothing, so that another server's offer wins."""
    proxy = Proxy(entries=[])

    assert proxy.on_67(message()) == []
    assert proxy.handled
    assert proxy.on_4011(on_request()) == []
    assert proxy.counts() == {"requests": 2, "silent_requests": 2}


def test_address_that_clients_are_told() -> None:
    """`interface.<name>.server_address` is what clients hear, and what they may call us."""
    proxy = Proxy(told="192.0.2.9")

    (sent,) = proxy.on_67(message())
    ours = RawOption(54, IPv4Address("192.0.2.9").packed)
    (acknowledged,) = proxy.on_4011(message(UEFI, ours, kind=MessageType.REQUEST))

    for each in (sent, acknowledged):
        reply = decode(each.data)
        assert str(reply.siaddr) == "192.0.2.9"
        assert reply.option(54) == ours.data


def test_who_we_are_is_asked_once() -> None:
    """An arrival's address is remembered until interfaces change."""
    proxy = Proxy()

    proxy.on_67(message())
    proxy.on_67(message())
    assert len(proxy.asked) == 1

    proxy.responder.forget()
    proxy.on_67(message())
    assert len(proxy.asked) == 2


def test_relayed_client_is_answered_through_its_relay() -> None:
    """An OFFER goes to giaddr, port 67, with option 82 as it came."""
    proxy = Proxy()
    relayed = message(UEFI, RawOption(82, b"\1\4port"), giaddr="10.88.0.1", flags=0)

    (sent,) = proxy.on_67(relayed, ("10.88.0.1", 67))

    reply = decode(sent.data)
    assert sent.to == ("10.88.0.1", 67)
    assert str(reply.giaddr) == "10.88.0.1"
    assert reply.option(82) == b"\1\4port"
    assert reply.broadcast


def test_short_datagram_is_answered() -> None:
    """A DISCOVER below BOOTP's 300 bytes is one all the same."""
    data = encode(message(BIOS, architecture=0, machine_id=None), minimum=0)
    assert len(data) < 300

    (sent,) = Proxy().on_67(data)

    assert decode(sent.data).boot_file == b"undionly.kpxe"


def test_options_are_never_in_the_fields() -> None:
    """A request that overloads its fields is read; its answer does not (ROMs read no more)."""
    asked = message(UEFI, RawOption(52, b"\1"))

    (sent,) = Proxy().on_67(asked)

    reply = decode(sent.data)
    assert reply.option(52) is None
    assert reply.file.startswith(b"snponly.efi\0")


def test_refused_by_the_kernel_is_no_reply() -> None:
    """What could not be sent is not counted as sent."""
    proxy = Proxy()
    proxy.socket.refuses = True

    proxy.on_67(message())
    proxy.on_4011(on_request())

    assert proxy.counts() == {"requests": 2}


def test_ipxe_asks_port_4011_too() -> None:
    """iPXE of another server's menu is given its script as well."""
    asked = message(BIOS, IPXE, architecture=0, kind=MessageType.REQUEST, ciaddr="10.77.0.146")

    (sent,) = Proxy().on_4011(asked, ("10.77.0.146", 68))

    assert decode(sent.data).boot_file.endswith(b"/boot.ipxe")
