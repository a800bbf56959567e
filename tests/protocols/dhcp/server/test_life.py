"""Clients and a server, in any order of events, against a model of who may use which address.

The model keeps what a client believes: an address is its own from an ACK until the lease ends, or
until it gives it back. The server must never say the same to two.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from protocols.dhcp import registry as r
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.lease import Lease, LeaseState, LeaseTable
from protocols.dhcp.server.outcome import (
    Acknowledge,
    Decline,
    Offer,
    Outcome,
    Reason,
    Refuse,
    Release,
    Silence,
)
from protocols.dhcp.server.plan import ClientClass, Host, Plan
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.server.site import AWAY, HOME, PLAN, SERVER, Site, pool, requested

CLIENTS = [bytes((2, 0, 0, 0, 0, n)) for n in range(6)]
ADDRESSES = [f"10.0.{net}.{host}" for net in (0, 1) for host in (10, 11, 12, 200)]
PLANS = [
    PLAN,
    replace(
        PLAN,
        hosts=(
            Host(name="a", hardware=CLIENTS[0], address=IPv4Address("10.0.0.10")),
            Host(name="b", hardware=CLIENTS[1], address=IPv4Address("10.0.0.200")),
            Host(name="c", circuit_id=b"port", address=IPv4Address("10.0.1.11")),
        ),
    ),
    replace(
        PLAN,
        subnets=(replace(HOME, shared_network="x"), replace(AWAY, shared_network="x")),
        ignore_client_identifier=True,
    ),
    Plan(
        subnets=(
            replace(
                HOME,
                authoritative=True,
                pools=(
                    pool("10.0.0.10", "10.0.0.10", classes=frozenset({"few"})),
                    pool("10.0.0.12", "10.0.0.12"),
                ),
            ),
        ),
        classes=(ClientClass(name="few", hardware_prefix=CLIENTS[2]),),
        bootp=True,
    ),
]
EXTRAS: list[tuple[RawOption, ...]] = [
    (),
    (RawOption(61, b"\0odd"),),
    (RawOption(82, b"\1\4port"),),
    (RawOption(51, b"\0\0\0\x64"),),
]

clients = st.sampled_from(CLIENTS)
addresses = st.sampled_from(ADDRESSES)
extras = st.sampled_from(EXTRAS)
relays = st.sampled_from([IPv4Address(0), IPv4Address("10.0.1.1")])


class Life(RuleBasedStateMachine):
    """`held` is what the clients believe: address to client and end. `disk` is what was stored."""

    @initialize(plan=st.sampled_from(PLANS))
    def start(self, plan: Plan) -> None:
        self.site = Site(plan)
        self.held: dict[int, tuple[bytes, int]] = {}
        self.disk: dict[int, Lease] = {}
        self.waiting: list[Lease] = []

    def hear(self, request: DhcpMessage) -> Outcome[DhcpMessage]:
        """Let the server answer, twice: the second answer must not contradict the first."""
        outcome = self.site.hears(request)
        if isinstance(outcome, Offer | Acknowledge):
            self.take(outcome)
            again = self.site.hears(request)
            assert type(again) is type(outcome)
            assert again.reply == outcome.reply
            self.take(again)
        elif isinstance(outcome, Release | Decline):
            self.disk[outcome.store.address] = outcome.store
            self.held.pop(outcome.store.address, None)
        elif isinstance(outcome, Refuse):
            assert self.site.hears(request) == outcome
        return outcome

    def take(self, outcome: Outcome[DhcpMessage]) -> None:
        if isinstance(outcome, Acknowledge):
            store = outcome.store
            self.waiting.append(store)
            client, ends = self.held.get(store.address, (b"", 0))
            if client == store.client:  # who asks anew takes what it gets, even if it is less
                self.held[store.address] = (client, min(ends, store.ends))
        elif isinstance(outcome, Offer):
            self.check_free(outcome.lease)

    def check_free(self, lease: Lease) -> None:
        client, ends = self.held.get(lease.address, (lease.client, 0))
        assert client == lease.client or ends <= self.site.now

    @rule(mac=clients, extra=extras, giaddr=relays, wish=st.none() | addresses)
    def discover(self, wish: str | None, extra: tuple[RawOption, ...], **who: Any) -> None:
        said = () if wish is None else (requested(wish),)
        self.hear(self.message(MessageType.DISCOVER, *said, *extra, **who))

    @rule(mac=clients, extra=extras, giaddr=relays, address=addresses, ours=st.booleans())
    def select(self, address: str, extra: tuple[RawOption, ...], ours: bool, **who: Any) -> None:
        server = r.SERVER_IDENTIFIER.of(SERVER if ours else IPv4Address("10.0.0.2"))
        self.hear(self.message(MessageType.REQUEST, requested(address), server, *extra, **who))

    @rule(mac=clients, extra=extras, giaddr=relays)
    def discover_and_select(self, extra: tuple[RawOption, ...], **who: Any) -> None:
        outcome = self.hear(self.message(MessageType.DISCOVER, *extra, **who))
        if isinstance(outcome, Offer):
            said = (requested(str(outcome.reply.yiaddr)), r.SERVER_IDENTIFIER.of(SERVER))
            taken = self.hear(self.message(MessageType.REQUEST, *said, *extra, **who))
            assert isinstance(taken, Acknowledge)
            assert taken.reply.yiaddr == outcome.reply.yiaddr

    @rule(mac=clients, extra=extras, giaddr=relays, address=addresses)
    def reboot(self, address: str, extra: tuple[RawOption, ...], **who: Any) -> None:
        self.hear(self.message(MessageType.REQUEST, requested(address), *extra, **who))

    @rule(mac=clients, extra=extras, giaddr=relays, address=addresses)
    def renew(self, address: str, extra: tuple[RawOption, ...], **who: Any) -> None:
        ciaddr = IPv4Address(address)
        self.hear(self.message(MessageType.REQUEST, *extra, ciaddr=ciaddr, **who))

    @rule(mac=clients, extra=extras, giaddr=relays, address=addresses)
    def release(self, address: str, extra: tuple[RawOption, ...], **who: Any) -> None:
        ciaddr = IPv4Address(address)
        self.hear(self.message(MessageType.RELEASE, *extra, ciaddr=ciaddr, **who))

    @rule(mac=clients, extra=extras, giaddr=relays, address=addresses)
    def decline(self, address: str, extra: tuple[RawOption, ...], **who: Any) -> None:
        self.hear(self.message(MessageType.DECLINE, requested(address), *extra, **who))

    @rule(mac=clients, giaddr=relays)
    def bootp(self, **who: Any) -> None:
        self.hear(self.message(None, **who))

    @rule(fails=st.booleans())
    def settle(self, fails: bool) -> None:
        """The disk takes what waits, or fails; only then do ACKs leave."""
        waiting, self.waiting = self.waiting, []
        for lease in waiting:
            if fails:
                self.site.leases.abandon(lease)
                continue
            self.site.leases.commit(lease)
            self.check_free(lease)
            found = self.site.leases.at(lease.address)
            if found and (found.client, found.state) == (lease.client, LeaseState.BOUND):
                self.disk[lease.address] = lease
                self.held[lease.address] = (lease.client, lease.ends)

    @rule(seconds=st.sampled_from([1, 30, 60, 100, 700, 3600]))
    def wait(self, seconds: int) -> None:
        self.settle(fails=False)
        self.site.now += seconds

    @rule(plan=st.sampled_from(PLANS))
    def reload(self, plan: Plan) -> None:
        """Another configuration, the same leases, some of them on their way to the disk."""
        self.site = replace(self.site, plan=plan)

    @rule()
    def crash(self) -> None:
        """What was not on disk is lost, and nobody was told of it."""
        self.waiting = []
        leases = LeaseTable()
        leases.load(self.disk.values())
        self.site = replace(self.site, leases=leases)

    @invariant()
    def leases_last(self) -> None:
        """What a client was told is its own, and nobody else's, until it ends."""
        for address, (client, ends) in getattr(self, "held", {}).items():
            if ends > self.site.now:
                lease = self.site.leases.at(address)
                assert lease is not None
                assert (lease.client, lease.state) == (client, LeaseState.BOUND)
                assert lease.ends >= ends

    def message(
        self, kind: MessageType | None, *options: RawOption, mac: bytes, **header: Any
    ) -> DhcpMessage:
        said = () if kind is None else (r.MESSAGE_TYPE.of(kind),)
        return DhcpMessage(op=1, chaddr=mac, options=(*said, *options), **header)


Life.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
test_life = Life.TestCase


def test_silence_is_the_same_again() -> None:
    """What got no answer gets none when it is sent again."""
    site = Site()

    for _ in range(2):
        assert site.reboot("10.0.0.11") == Silence(Reason.UNKNOWN_LEASE)
