"""What the DHCP responder tells the timeline, at a pace that a flood cannot set.

A room that is switched on asks for three hundred leases in a second, and every one is news. A
broken or hostile client asks thousands of times; the counters have them all, the timeline what
`netbootd.pace` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from ipaddress import IPv4Address
from typing import Final, TypedDict

from netbootd.dhcp.event import (
    AddressDeclined,
    AddressLeased,
    AddressReleased,
    AddressRenewed,
    ClientUnanswered,
    ConflictFound,
    LeaseUnstored,
    PoolExhausted,
    RequestRefused,
)
from netbootd.pace import Pace
from netbootd.timeline import Timeline
from ops.counter import Counters
from protocols.dhcp.server.lease import Lease
from protocols.dhcp.server.outcome import Reason, Silence
from protocols.dhcp.server.plan import INFINITE

QUIET: Final = 1.0
"""Seconds for which the same news of one machine is not told again."""
UNANSWERED_QUIET: Final = 60.0
"""The same for a request that gets no answer: the machine will ask for as long as it is on."""
MAX_STARVED: Final = 4096
"""Machines without an address that are told apart, in each network and minute."""

REMARKABLE: Final = {
    Reason.DENIED: "its [[dhcp.host]] has deny = true",
    Reason.UNKNOWN_CLIENT: "dhcp.known_only is set, and it has no [[dhcp.host]]",
    Reason.BOOTP: "it speaks BOOTP and has no [[dhcp.host]] with an address; dhcp.bootp is off",
    Reason.NO_SUBNET: "no [[dhcp.subnet]] has the address of that relay",
    Reason.NO_IDENTITY: "it sends neither hardware address nor client identifier",
    Reason.MALFORMED: "its message is malformed",
    Reason.UNSENDABLE: "the reply cannot be put on the wire",
}
"""Silence that an admin should hear of. The rest is how things should be: another server's client,
say."""


class _Where(TypedDict):
    """What every event of the conversation tells (`netbootd.dhcp.event.DhcpEvent`)."""

    at: datetime
    machine: str
    address: str
    via: str


class DhcpTeller:
    """Turns outcomes into events. `seconds` is a monotonic clock.

    `hardware` is what the machine calls itself, `via` where its message came from.
    """

    def __init__(
        self, timeline: Timeline, seconds: Callable[[], float], counters: Counters
    ) -> None:
        self._timeline = timeline
        untold = counters.counter(
            "netbootd_dhcp_untold_events_total", "DHCP events left out to keep the pace."
        )
        self._pace = Pace(seconds, untold)
        self._starved: dict[str, set[bytes]] = {}
        """By network, of which a plan has not many: who got no address since that was told."""

    def acknowledged(self, lease: Lease, via: Callable[[], str], now: int) -> None:
        """`lease` is on disk, and its ACK was sent; `via` is only asked if that is told."""
        if not self._pace.allows((lease.hardware, lease.address), QUIET):
            return
        kind = AddressLeased if lease.starts == now else AddressRenewed
        seconds = lease.ends if lease.ends == INFINITE else lease.ends - now
        where = self._where(lease.hardware or lease.client, lease.address, via())
        self._timeline.record(kind(**where, host_name=lease.host_name, seconds=seconds))

    def released(self, lease: Lease, via: str) -> None:
        """The machine gave its address back."""
        if self._pace.allows((lease.hardware, lease.address, "released"), QUIET):
            where = self._where(lease.hardware or lease.client, lease.address, via)
            self._timeline.record(AddressReleased(**where, host_name=lease.host_name))

    def declined(self, hardware: bytes, declined: Lease, via: str, host: str) -> None:
        """The machine found its address in use; nobody gets it until `declined` ends. It is
        reserved for `host`, if not empty."""
        if self._pace.allows((hardware, declined.address, "declined"), QUIET):
            where = self._where(hardware, declined.address, via)
            seconds = declined.ends - declined.starts
            self._timeline.record(AddressDeclined(**where, seconds=seconds, host=host))

    def conflicted(self, hardware: bytes, declined: Lease, via: str, host: str) -> None:
        """We found the address in use that the machine was about to be offered. It is reserved for
        `host`, if not empty."""
        if self._pace.allows((declined.address, "conflict"), QUIET):
            where = self._where(hardware, declined.address, via)
            seconds = declined.ends - declined.starts
            self._timeline.record(ConflictFound(**where, seconds=seconds, host=host))

    def refused(self, hardware: bytes, address: int, via: str, reason: Reason) -> None:
        """A NAK was sent to the machine, which asked for `address`."""
        if self._pace.allows((hardware, address, reason), QUIET):
            where = self._where(hardware, address, via)
            self._timeline.record(RequestRefused(**where, why=reason.value))

    def silent(self, hardware: bytes, via: str, silence: Silence) -> None:
        """A message got no answer on purpose."""
        reason = silence.reason
        if reason is Reason.NO_FREE_ADDRESS:
            self._exhausted(hardware, via, silence.detail)
            return
        why = REMARKABLE.get(reason)
        if why is None:
            return
        news: Hashable = (via if reason is Reason.NO_SUBNET else hardware, reason)
        if self._pace.allows(news, UNANSWERED_QUIET):
            if silence.detail:
                why = f"{why} ({silence.detail})"
            self._timeline.record(ClientUnanswered(**self._where(hardware, 0, via), why=why))

    def _exhausted(self, hardware: bytes, via: str, network: str) -> None:
        starved = self._starved.setdefault(network, set())
        if len(starved) < MAX_STARVED:
            starved.add(hardware)
        if self._pace.allows((network, Reason.NO_FREE_ADDRESS), UNANSWERED_QUIET):
            del self._starved[network]
            others = len(starved - {hardware})
            where = self._where(hardware, 0, via)
            self._timeline.record(PoolExhausted(**where, network=network, others=others))

    def unstored(self, lease: Lease, via: str, why: str) -> None:
        """The lease could not be stored, so it is not acknowledged."""
        if self._pace.allows((lease.hardware, "unstored"), UNANSWERED_QUIET):
            where = self._where(lease.hardware or lease.client, lease.address, via)
            self._timeline.record(LeaseUnstored(**where, why=why))

    def _where(self, machine: bytes, address: int, via: str) -> _Where:
        return _Where(
            at=self._timeline.now(),
            machine=machine.hex(":"),
            address=str(IPv4Address(address)),
            via=via,
        )
