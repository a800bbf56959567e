"""DECLINE, RELEASE, INFORM, and what is no message for a server (RFC 2131 §4.3.3 to §4.3.5)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.lease import LeaseState
from protocols.dhcp.server.outcome import Decline, Inform, Reason, Release
from protocols.dhcp.server.plan import Host
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.server.site import (
    MAC,
    NOW,
    OTHER_MAC,
    PLAN,
    SERVER,
    Site,
    address_of,
    codes,
    message,
    offered,
    reason,
    requested,
    wants,
)

ELSEWHERE = r.SERVER_IDENTIFIER.of(IPv4Address("10.0.0.2"))


class TestDecline:
    def test_address_is_left_alone(self) -> None:
        """A declined address is nobody's for `decline_hold` seconds; the client gets another."""
        site = Site()
        site.bind("10.0.0.10")

        outcome = site.asked(MessageType.DECLINE, requested("10.0.0.10"))

        assert isinstance(outcome, Decline)
        assert outcome.store.state is LeaseState.DECLINED
        assert (outcome.store.client, outcome.store.ends) == (b"", NOW + 600)
        assert address_of(site.discover(requested("10.0.0.10"))) == "10.0.0.11"
        site.bind("10.0.0.11")
        site.bind("10.0.0.12", chaddr=OTHER_MAC)
        assert reason(site.discover(chaddr=bytes(6))) is Reason.NO_FREE_ADDRESS

        site.now += 600
        assert address_of(site.discover(chaddr=bytes(6))) == "10.0.0.10"

    def test_offer(self) -> None:
        """An address that is only on offer can be declined, too."""
        site = Site()
        address = address_of(site.discover())

        outcome = site.asked(
            MessageType.DECLINE, requested(address), r.SERVER_IDENTIFIER.of(SERVER)
        )

        assert isinstance(outcome, Decline)

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ((), Reason.NOT_HELD),
            ((requested("10.0.0.12"),), Reason.NOT_HELD),
            ((requested("10.0.0.11"),), Reason.NOT_HELD),
            ((requested("10.0.0.10"), ELSEWHERE), Reason.OTHER_SERVER),
        ],
    )
    def test_of_what_is_not_its_own(self, options: tuple[RawOption, ...], why: Reason) -> None:
        """Nobody can decline what we did not give it."""
        site = Site()
        mine = site.bind("10.0.0.10")
        others = site.bind("10.0.0.11", chaddr=OTHER_MAC)

        assert reason(site.asked(MessageType.DECLINE, *options)) is why
        assert site.leases.at(mine.address) is mine
        assert site.leases.at(others.address) is others


class TestRelease:
    def test_address_is_free(self) -> None:
        """A released address is free for others at once, and remembered as its client's last."""
        site = Site()
        lease = site.bind("10.0.0.12")
        site.now += 5

        outcome = site.asked(MessageType.RELEASE, ciaddr=IPv4Address("10.0.0.12"))

        assert isinstance(outcome, Release)
        assert outcome.store == lease._replace(state=LeaseState.RELEASED, ends=NOW + 5)
        assert address_of(site.discover()) == "10.0.0.12"
        assert address_of(site.discover(requested("10.0.0.12"), chaddr=OTHER_MAC)) == "10.0.0.10"

    def test_free_for_others(self) -> None:
        """While its former client is away, a released address serves others."""
        site = Site()
        for turn in range(3):
            site.bind(f"10.0.0.1{turn}", chaddr=bytes((2, 0, 0, 0, 0, turn)))

        site.asked(
            MessageType.RELEASE,
            ciaddr=IPv4Address("10.0.0.11"),
            chaddr=bytes((2, 0, 0, 0, 0, 1)),
        )

        assert address_of(site.discover()) == "10.0.0.11"

    def test_of_what_is_not_its_own(self) -> None:
        """Only its client can release a lease, only once, and only to the server that gave it."""
        site = Site()
        mine = site.bind("10.0.0.10")
        address = IPv4Address("10.0.0.10")

        another = site.asked(MessageType.RELEASE, ciaddr=address, chaddr=OTHER_MAC)
        elsewhere = site.asked(MessageType.RELEASE, ELSEWHERE, ciaddr=address)
        nothing = site.asked(MessageType.RELEASE, ciaddr=IPv4Address("10.0.0.12"))

        assert reason(another) is reason(nothing) is Reason.NOT_HELD
        assert reason(elsewhere) is Reason.OTHER_SERVER
        assert site.leases.at(mine.address) is mine

        site.asked(MessageType.RELEASE, ciaddr=address)
        assert reason(site.asked(MessageType.RELEASE, ciaddr=address)) is Reason.NOT_HELD


class TestInform:
    def test_options_without_a_lease(self) -> None:
        """An ACK to an INFORM gives options, neither an address nor times, whoever asks."""
        plan = replace(PLAN, options=(RawOption(6, bytes(4)),))
        address = IPv4Address("10.0.0.77")

        outcome = Site(plan).asked(MessageType.INFORM, wants(6, 51, 58, 59, 3), ciaddr=address)

        assert isinstance(outcome, Inform)
        assert codes(outcome.reply) == [53, 54, 1, 6]
        assert outcome.reply.value(r.MESSAGE_TYPE) is MessageType.ACK
        assert outcome.reply.ciaddr == address
        assert outcome.reply.yiaddr == IPv4Address(0)

    def test_without_ciaddr(self) -> None:
        """A client that leaves ciaddr empty is of the subnet that it writes from."""
        site = Site()

        outcome = site.hears(message(MessageType.INFORM), IPv4Address("10.0.1.7"))

        assert isinstance(outcome, Inform)
        assert outcome.reply.value(r.BROADCAST_ADDRESS) == IPv4Address("10.0.1.255")

    def test_changes_no_lease(self) -> None:
        """An INFORM leaves the lease table as it is."""
        site = Site()
        lease = site.bind("10.0.0.11")

        site.asked(MessageType.INFORM, ciaddr=IPv4Address("10.0.0.11"))

        assert list(site.leases) == [lease]


class TestBootp:
    HOST = Host(name="old", hardware=MAC, address=IPv4Address("10.0.0.200"))

    def test_reserved(self) -> None:
        """A BOOTP client gets its reserved address for ever, in a reply without DHCP's options."""
        site = Site(replace(PLAN, hosts=(self.HOST,)))

        outcome = site.asked(None)

        assert address_of(outcome) == "10.0.0.200"
        (lease,) = site.leases
        assert lease.ends == 0xFFFFFFFF
        assert codes(outcome.reply) == [1, 28]  # type: ignore[union-attr]

    def test_not_reserved(self) -> None:
        """Without a reservation it gets nothing, unless pools are open to BOOTP."""
        assert reason(Site().asked(None)) is Reason.BOOTP
        assert address_of(Site(replace(PLAN, bootp=True)).asked(None)) == "10.0.0.10"

    def test_reserved_address_in_use(self) -> None:
        """While a stranger uses its address it gets none of a pool that is closed to it."""
        site = Site(replace(PLAN, hosts=(self.HOST,)))
        site.leases.conflicted(int(IPv4Address("10.0.0.200")), NOW)

        assert reason(site.asked(None)) is Reason.NO_FREE_ADDRESS

    def test_vendor_area(self) -> None:
        """The options of a BOOTP reply fit 64 bytes with cookie and end."""
        plan = replace(
            PLAN, bootp=True, options=(RawOption(12, bytes(30)), RawOption(15, bytes(30)))
        )

        outcome = Site(plan).asked(None)

        assert codes(outcome.reply) == [1, 12, 28]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "kind", [MessageType.OFFER, MessageType.ACK, MessageType.NAK, MessageType.LEASEQUERY]
)
def test_messages_that_are_not_for_a_server(kind: MessageType) -> None:
    """What a client does not send gets no answer."""
    assert reason(Site().asked(kind)) is Reason.MESSAGE_TYPE


def test_replies_are_not_answered() -> None:
    """A BOOTREPLY is not for a server."""
    assert reason(Site().discover(op=2)) is Reason.NOT_A_REQUEST


@pytest.mark.parametrize("code", [50, 53, 54])
def test_malformed_options(code: int) -> None:
    """An option that decides what is asked, and is malformed, gets silence and not a guess."""
    asked = message(MessageType.REQUEST, RawOption(code, b"\1\2\3"))

    assert reason(Site().hears(asked)) is Reason.MALFORMED


def test_offer_that_cannot_be_written_is_not_held() -> None:
    """A boot file that does not fit its field makes no OFFER, and holds no address."""
    site = Site(boot=lambda asked, name: BootParameters(file=bytes(129)))

    assert reason(site.discover(RawOption(60, b"PXEClient"))) is Reason.UNSENDABLE
    assert len(site.leases) == 0
    assert offered(site.discover())
