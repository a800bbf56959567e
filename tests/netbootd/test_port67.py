"""Port 67: who is asked about a datagram, in which order, on which interface."""

from __future__ import annotations

import pytest

from netbootd.arrival import Arrival, arrival_at
from netbootd.datagram import Datagrams
from netbootd.port67 import Answer, Port67
from ops.counter import Counters
from protocols.dhcp.codec import encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption

LAN = arrival_at("en0", 7, "10.0.0.1")
OTHER = arrival_at("en1", 8, "10.1.0.1")
PLAIN = encode(DhcpMessage(op=1, options=(RawOption(53, b"\1"),)))
APPLE = encode(DhcpMessage(op=1, options=(RawOption(60, b"AAPLBSDPC/i386/iMac14,2"),)))


class Asked:
    """Who was asked, in order; each says that it is done only if its name is in `ends`."""

    def __init__(self, *ends: str) -> None:
        self.names: list[str] = []
        self._ends = ends

    def answer(self, name: str) -> Answer:
        def asked(
            datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
        ) -> bool:
            self.names.append(name)
            return name in self._ends

        return asked


def counts(counters: Counters) -> tuple[int, int]:
    seen = counters.snapshot()
    return (
        seen["netbootd_dhcp_malformed_datagrams_total"],
        seen["netbootd_dhcp_ignored_datagrams_total"],
    )


@pytest.mark.parametrize(
    ("data", "arrival", "ends", "asked"),
    [
        (PLAIN, LAN, (), ["dhcp", "pxe"]),
        (PLAIN, LAN, ("dhcp",), ["dhcp"]),
        (APPLE, LAN, ("bsdp",), ["bsdp"]),
        (APPLE, LAN, ("dhcp",), ["bsdp", "dhcp"]),
        (APPLE, LAN, (), ["bsdp", "dhcp", "pxe"]),
        (APPLE, OTHER, (), ["pxe"]),
        (PLAIN, OTHER, (), ["pxe"]),
    ],
)
def test_who_is_asked(data: bytes, arrival: Arrival, ends: tuple[str, ...], asked: object) -> None:
    """BSDP hears only what names Apple, proxyDHCP what DHCP leaves, nobody where he is off."""
    who = Asked(*ends)
    port67 = Port67(
        bsdp=who.answer("bsdp"),
        dhcp=who.answer("dhcp"),
        proxy=who.answer("pxe"),
        is_on=lambda interface, service: interface == "en0" or service == "pxe",
        counters=Counters(),
    )

    port67.received(None, data, ("0.0.0.0", 68), arrival)  # type: ignore[arg-type]

    assert who.names == asked


def test_what_nobody_answers_is_counted() -> None:
    """DHCP for other servers and what is no DHCP at all are told apart, and no more than that."""
    counters = Counters()
    port67 = Port67(bsdp=None, dhcp=None, proxy=None, is_on=lambda *names: True, counters=counters)

    for data in (PLAIN, PLAIN, b"", PLAIN[:239]):
        port67.received(None, data, ("10.0.0.9", 68), LAN)  # type: ignore[arg-type]

    assert counts(counters) == (2, 2)


def test_a_new_configuration_replaces_who_is_asked() -> None:
    """From `replace` on the new ones hear, and the old ones do not."""
    old, new = Asked("dhcp"), Asked("dhcp")
    port67 = Port67(
        bsdp=None,
        dhcp=old.answer("dhcp"),
        proxy=None,
        is_on=lambda *names: True,
        counters=Counters(),
    )
    port67.received(None, PLAIN, ("0.0.0.0", 68), LAN)  # type: ignore[arg-type]

    port67.replace(dhcp=new.answer("dhcp"), proxy=None)
    port67.received(None, PLAIN, ("0.0.0.0", 68), LAN)  # type: ignore[arg-type]

    assert (old.names, new.names) == (["dhcp"], ["dhcp"])
