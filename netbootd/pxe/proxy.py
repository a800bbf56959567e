"""proxyDHCP: datagrams of network boot clients in, what they are to load out.

    port 67     DISCOVER of PXEClient, HTTPClient ──▶ OFFER without an address
    port 4011   REQUEST of the same               ──▶ ACK, to where it came from

It lives beside a DHCP server: whatever no network boot client sent is left alone, and so is every
REQUEST on port 67. The packet path is synchronous, reads no disk and writes no log line.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from netbootd.arrival import Arrival
from netbootd.datagram import Datagrams
from netbootd.pxe.answer import PxeAnswers
from ops.counter import Counters
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.route import reply_route
from protocols.errors import DecodeError, EncodeError
from protocols.pxe.client import HTTP_CLASS, PXE_CLASS, PxeClient, client_from
from protocols.pxe.reply import (
    Concern,
    ProxyServer,
    acknowledgement,
    discovery_concern,
    offer,
    request_concern,
)

MAX_IDENTITIES: Final = 256
"""Addresses of ours that are remembered; past it all are looked up anew."""


class ProxyResponder:
    """Answers network boot clients beside a DHCP server. Reactor thread only."""

    def __init__(
        self,
        *,
        answers: PxeAnswers,
        server_address: Callable[[Arrival], IPv4Address],
        counters: Counters,
    ) -> None:
        """`server_address` says which address of ours clients of an arrival are told."""
        self._answers = answers
        self._server_address = server_address
        self._servers: dict[tuple[str, str], ProxyServer] = {}
        self._requests = counters.counter(
            "netbootd_pxe_requests_total",
            "Messages of network boot clients for proxyDHCP, answered or not.",
        )
        self._offers = counters.counter(
            "netbootd_pxe_offer_replies_total", "proxyDHCP offers sent from port 67."
        )
        self._acks = counters.counter(
            "netbootd_pxe_ack_replies_total", "Boot server answers sent from port 4011."
        )
        self._silent = counters.counter(
            "netbootd_pxe_silent_requests_total",
            "Messages of network boot clients not answered on purpose.",
        )
        self._malformed = counters.counter(
            "netbootd_pxe_malformed_datagrams_total",
            "Datagrams that name PXEClient or HTTPClient and are malformed.",
        )
        self._ignored = counters.counter(
            "netbootd_pxe_ignored_datagrams_total",
            "Datagrams on port 4011 that no network boot client sent.",
        )

    def forget(self) -> None:
        """Who we are may have changed (addresses, settings)."""
        self._servers.clear()

    # The packet path.

    def received(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> bool:
        """One datagram on port 67. True: it was a network boot client's DISCOVER."""
        if not _may_be_client(data):
            return False
        try:
            found = _client(data)
        except DecodeError:
            self._malformed.inc()
            return False
        if found is None:
            return False
        message, client = found
        if discovery_concern(message) is not Concern.OURS:
            return False
        self._requests.inc()
        server = self._server(arrival)
        boot = self._answers.parameters(client, server=server.address, boot=None, message=message)
        if boot is None:
            self._silent.inc()
            return True
        try:
            reply = offer(message, client, server, boot)
            payload = encode(reply)
        except EncodeError:
            self._silent.inc()
            return True
        route = reply_route(message, reply, source=IPv4Address(peer[0]))
        if datagrams.deliver(payload, route, client.mac, arrival):
            self._offers.inc()
        return True

    def received_4011(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> None:
        """One datagram on port 4011."""
        try:
            found = _client(data) if _may_be_client(data) else None
        except DecodeError:
            self._malformed.inc()
            return
        if found is None:
            self._ignored.inc()
            return
        message, client = found
        server = self._server(arrival)
        concern = request_concern(message, server)
        if concern is Concern.OTHER_TYPE:
            self._ignored.inc()
            return
        self._requests.inc()
        boot = None
        if concern is Concern.OURS:
            boot = self._answers.boot_server_parameters(
                client, server=server.address, message=message
            )
        if boot is None:
            self._silent.inc()
            return
        try:
            payload = encode(acknowledgement(message, client, server, boot))
        except EncodeError:
            self._silent.inc()
            return
        # EDK2 asks from port 4011, iPXE from 68: to where it came from (captures `ovmf-pxe4-proxy`
        # and `bios-ipxe-proxymenu`).
        if datagrams.send(payload, peer, arrival):
            self._acks.inc()

    def _server(self, arrival: Arrival) -> ProxyServer:
        key = (arrival.interface, arrival.local)
        server = self._servers.get(key)
        if server is None:
            if len(self._servers) >= MAX_IDENTITIES:
                self._servers.clear()
            server = self._servers[key] = ProxyServer(
                address=self._server_address(arrival), local=arrival.local_address
            )
        return server


def _may_be_client(data: bytes) -> bool:
    """A search of 0.2 us: nearly everything on port 67 is of no network boot client."""
    return PXE_CLASS in data or HTTP_CLASS in data


def _client(data: bytes) -> tuple[DhcpMessage, PxeClient] | None:
    """The message and who sent it; None if that is no network boot client. Raises DecodeError."""
    message = decode(data)
    client = client_from(message)
    return None if client is None else (message, client)
