"""Port 67, which BSDP, DHCP and PXE share: who may answer a datagram.

    datagram ──▶ names Apple's class? ──yes──▶ BSDP ──▶ an INFORM ends here
                      │no                       │ a Mac's DISCOVER, REQUEST
                      ▼                         ▼
                 the DHCP server ◀──────────────┘
                      │ no subnet of ours there, or [dhcp] is off
                      ▼
                 proxyDHCP ──▶ left alone

The packet path: no log line, no decoding but by those who answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netbootd.arrival import Arrival
from netbootd.datagram import Datagrams
from ops.counter import Counters
from protocols.dhcp.codec import split_header
from protocols.errors import DecodeError

Answer = Callable[[Datagrams, bytes, tuple[str, int], Arrival], bool]
"""Deals with a datagram as `netbootd.datagram.Receive` does; False: others may answer it."""

APPLE: Final = b"AAPLBSDPC"
"""The vendor class that every BSDP message names; found by a search of 0.2 us."""


class Port67:
    """Hands each datagram to those that are switched on where it arrived."""

    def __init__(
        self,
        *,
        bsdp: Answer | None,
        dhcp: Answer | None,
        proxy: Answer | None,
        is_on: Callable[[str, str], bool],
        counters: Counters,
    ) -> None:
        """`is_on(interface, service)` tells whether the operator wants `bsdp`, `dhcp` or `pxe`
        on an interface."""
        self._answers = {"bsdp": bsdp, "dhcp": dhcp, "pxe": proxy}
        self._is_on = is_on
        self._here: dict[str, tuple[Answer | None, tuple[Answer, ...]]] = {}
        self._malformed = counters.counter(
            "netbootd_dhcp_malformed_datagrams_total", "Datagrams on port 67 that are not DHCP."
        )
        self._ignored = counters.counter(
            "netbootd_dhcp_ignored_datagrams_total", "DHCP messages left to other servers."
        )

    def replace(self, *, dhcp: Answer | None, proxy: Answer | None) -> None:
        """Ask these from now on: the configuration was read anew."""
        self._answers.update(dhcp=dhcp, pxe=proxy)
        self._here.clear()

    def received(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> None:
        """One datagram."""
        here = self._here.get(arrival.interface)
        if here is None:
            here = self._here[arrival.interface] = self._on(arrival.interface)
        bsdp, others = here
        if bsdp is not None and APPLE in data and bsdp(datagrams, data, peer, arrival):
            return
        for answer in others:
            if answer(datagrams, data, peer, arrival):
                return
        self._set_aside(data)

    def _on(self, interface: str) -> tuple[Answer | None, tuple[Answer, ...]]:
        on = {
            service: answer
            for service, answer in self._answers.items()
            if answer is not None and self._is_on(interface, service)
        }
        return on.pop("bsdp", None), tuple(on.values())

    def _set_aside(self, data: bytes) -> None:
        try:
            split_header(data)
        except DecodeError:
            self._malformed.inc()
        else:
            self._ignored.inc()
