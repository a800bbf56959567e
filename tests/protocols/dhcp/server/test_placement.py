"""Whose a request is: its subnet, its host, its key."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.case import Link, client_key
from protocols.dhcp.server.outcome import Reason
from protocols.dhcp.server.plan import Host
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.server.site import (
    AWAY,
    HOME,
    LINK,
    MAC,
    OTHER_MAC,
    PLAN,
    RELAY,
    SERVER,
    Site,
    acknowledged,
    address_of,
    codes,
    offered,
    pool,
    reason,
    refused,
    relayed,
    requested,
    subnet,
)

THIRD = subnet("10.0.2.0/24", pool("10.0.2.10", "10.0.2.12"))
SITE_PLAN = replace(PLAN, subnets=(HOME, AWAY, THIRD))
AWAY_ADDRESS, THIRD_ADDRESS = bytes((10, 0, 1, 0)), bytes((10, 0, 2, 99))


class TestSubnet:
    @pytest.mark.parametrize(
        ("giaddr", "options", "subnet_of_offer"),
        [
            (None, (), "10.0.0."),
            ("10.0.1.1", (), "10.0.1."),
            ("10.0.1.1", (RawOption(118, THIRD_ADDRESS),), "10.0.2."),
            ("10.0.1.1", (relayed((1, b"p"), (5, THIRD_ADDRESS)),), "10.0.2."),
            (
                "10.0.0.1",
                (RawOption(118, AWAY_ADDRESS), relayed((5, THIRD_ADDRESS))),
                "10.0.2.",
            ),
            ("10.0.1.1", (RawOption(118, b"short"),), "10.0.1."),
            ("10.0.1.1", (relayed((5, b"short")),), "10.0.1."),
            (None, (RawOption(118, THIRD_ADDRESS),), "10.0.2."),
        ],
    )
    def test_choice(
        self, giaddr: str | None, options: tuple[RawOption, ...], subnet_of_offer: str
    ) -> None:
        """Link selection (RFC 3527) counts before subnet selection (RFC 3011), that before giaddr,
        that before the interface where the message came in."""
        relay = IPv4Address(giaddr or 0)

        assert address_of(Site(SITE_PLAN).discover(*options, giaddr=relay)).startswith(
            subnet_of_offer
        )

    @pytest.mark.parametrize(
        "selection",
        [RawOption(118, bytes((192, 0, 2, 0))), relayed((5, bytes((192, 0, 2, 0))))],
    )
    def test_selected_subnet_that_is_not_ours(self, selection: RawOption) -> None:
        """A selected subnet that is not configured is not replaced by a guess (RFC 3011 §2)."""
        assert reason(Site().discover(selection, giaddr=RELAY)) is Reason.NO_SUBNET

    def test_unknown_relay(self) -> None:
        """A relay on a network that is not configured gets no answer."""
        assert reason(Site().discover(giaddr=IPv4Address("192.0.2.1"))) is Reason.NO_SUBNET

    def test_unknown_interface(self) -> None:
        """Neither does an interface whose networks are not configured."""
        link = Link(local=SERVER, networks=(IPv4Network("192.0.2.0/24"),))

        assert reason(Site(link=link).discover()) is Reason.NO_SUBNET

    def test_routed_renewal(self) -> None:
        """A renewal that reaches us by routing, past its relay, is of the subnet of its ciaddr."""
        site = Site()
        site.bind("10.0.1.10", giaddr=RELAY)

        assert address_of(site.renew("10.0.1.10")) == "10.0.1.10"

    def test_links_are_remembered_within_bounds(self) -> None:
        """However many links a caller makes, few are remembered, and none is mistaken."""
        site = Site()
        for _ in range(1100):
            site.link = Link(local=SERVER, networks=LINK.networks)
            offered(site.discover())

        site.link = Link(local=SERVER, networks=())
        assert reason(site.discover()) is Reason.NO_SUBNET


class TestServerIdentifier:
    def test_override(self) -> None:
        """A relay that wants to be the server for its clients is named as such (RFC 5107), and is
        the server that they then choose."""
        option = relayed((11, RELAY.packed))
        site = Site()

        offer = offered(site.discover(option, giaddr=RELAY))
        chosen = site.select(str(offer.reply.yiaddr), option, server=RELAY, giaddr=RELAY)
        other = site.select(str(offer.reply.yiaddr), option, server=SERVER, giaddr=RELAY)

        assert offer.reply.value(r.SERVER_IDENTIFIER) == RELAY
        assert acknowledged(chosen).reply.value(r.SERVER_IDENTIFIER) == RELAY
        assert reason(other) is Reason.OTHER_SERVER


class TestEchoes:
    def test_what_the_relay_added_comes_last(self) -> None:
        """Option 82 comes back whole, behind all others (RFC 3046 §2.2), the client identifier
        (RFC 6842 §3) and the subnet selection (RFC 3011 §2) before it."""
        information = relayed((1, b"port 7"), (200, b"\0\xff"))
        selection, identifier = RawOption(118, AWAY_ADDRESS), RawOption(61, b"\xffid")

        reply = offered(Site().discover(information, selection, identifier, giaddr=RELAY)).reply

        assert reply.options[-3:] == (selection, identifier, information)

    def test_in_a_refusal(self) -> None:
        """A NAK echoes them, too."""
        site = Site()
        site.bind("10.0.1.10", chaddr=OTHER_MAC, giaddr=RELAY)

        outcome = site.select(
            "10.0.1.10", RawOption(61, b"\xffid"), relayed((1, b"port 7")), giaddr=RELAY
        )

        assert codes(refused(outcome).reply) == [53, 54, 56, 61, 82]


class TestKey:
    def test_usual_identifier_is_the_hardware_address(self) -> None:
        """Type 1 and the Ethernet address in option 61 is the same client as none: firmware, iPXE
        and system share a lease."""
        site = Site()
        site.bind("10.0.0.12", RawOption(61, b"\1" + MAC))

        assert address_of(site.discover()) == "10.0.0.12"

    def test_other_identifier_is_another_client(self) -> None:
        """Any other option 61 tells clients apart, also two behind one hardware address."""
        site = Site()
        site.bind("10.0.0.12")

        assert address_of(site.discover(RawOption(61, b"\xff\0\0\0\1id"))) == "10.0.0.10"

    def test_identifier_ignored(self) -> None:
        """Where the plan says so, the hardware address alone counts."""
        site = Site(replace(PLAN, ignore_client_identifier=True))
        site.bind("10.0.0.12", RawOption(61, b"\0" + bytes(16)))

        assert address_of(site.discover(RawOption(61, b"\xff\0\0\0\1id"))) == "10.0.0.12"

    def test_nobody(self) -> None:
        """Without hardware address and identifier nobody can hold a lease (RFC 4390 §2.1)."""
        assert reason(Site().discover(hlen=0)) is Reason.NO_IDENTITY
        assert client_key(32, b"", b"\0id", ignore=True) == b"\0id"

    def test_hardware_types_differ(self) -> None:
        """The same bytes on another kind of network are another client."""
        site = Site()
        site.bind("10.0.0.12")

        assert address_of(site.discover(htype=6)) == "10.0.0.10"


class TestHost:
    @pytest.mark.parametrize(
        "known",
        [
            {"hardware": MAC},
            {"client_id": b"\xffid"},
            {"hardware": OTHER_MAC, "client_id": b"\xffid"},
            {"circuit_id": b"port 7"},
            {"remote_id": b"switch 1"},
            {"circuit_id": b"port 7", "remote_id": b"switch 1"},
        ],
    )
    def test_ways_to_know_it(self, known: dict[str, bytes]) -> None:
        """A host is known by hardware address, client identifier, or where it is plugged in."""
        host = Host(name="it", address=IPv4Address("10.0.1.200"), **known)
        site = Site(replace(PLAN, hosts=(host,)))
        said = (RawOption(61, b"\xffid"), relayed((1, b"port 7"), (2, b"switch 1")))

        assert address_of(site.discover(*said, giaddr=RELAY)) == "10.0.1.200"

    @pytest.mark.parametrize(
        "known",
        [
            {"hardware": OTHER_MAC},
            {"client_id": b"\xff"},
            {"circuit_id": b"port 8"},
            {"circuit_id": b"port 7", "remote_id": b"switch 2"},
        ],
    )
    def test_others(self, known: dict[str, bytes]) -> None:
        """A client that is like a host in part is not it."""
        host = Host(name="it", address=IPv4Address("10.0.1.200"), **known)
        site = Site(replace(PLAN, hosts=(host,)))
        said = (RawOption(61, b"\xffid"), relayed((1, b"port 7"), (2, b"switch 1")))

        assert address_of(site.discover(*said, giaddr=RELAY)) == "10.0.1.10"

    def test_two_machines_at_one_port(self) -> None:
        """A port's address goes to one machine at a time; a second one gets one of the pool."""
        host = Host(name="it", address=IPv4Address("10.0.1.200"), circuit_id=b"port 7")
        site = Site(replace(PLAN, hosts=(host,)))
        port = relayed((1, b"port 7"))
        site.bind("10.0.1.200", port, giaddr=RELAY)

        assert address_of(site.discover(port, giaddr=RELAY, chaddr=OTHER_MAC)) == "10.0.1.10"

    def test_denied(self) -> None:
        """A host that is denied gets no answer at all."""
        site = Site(replace(PLAN, hosts=(Host(name="it", hardware=MAC, denied=True),)))

        assert reason(site.discover()) is Reason.DENIED
        assert reason(site.asked(MessageType.INFORM)) is Reason.DENIED
        assert offered(site.discover(chaddr=OTHER_MAC))

    def test_known_only(self) -> None:
        """Where only known hosts are served, others get no answer, and a host needs no address."""
        plan = replace(PLAN, known_only=True, hosts=(Host(name="it", hardware=MAC),))

        assert address_of(Site(plan).discover()) == "10.0.0.10"
        assert reason(Site(plan).discover(chaddr=OTHER_MAC)) is Reason.UNKNOWN_CLIENT

    def test_host_without_address_prefers_nothing(self) -> None:
        """A reservation elsewhere does not hide what another entry says about the same machine."""
        hosts = (
            Host(name="away", hardware=MAC, address=IPv4Address("10.0.1.200")),
            Host(name="anywhere", hardware=MAC, host_name="mac-7"),
        )

        reply = offered(Site(replace(PLAN, hosts=hosts)).discover(requested("10.0.0.12"))).reply

        assert str(reply.yiaddr) == "10.0.0.12"
        assert reply.value(r.HOST_NAME) == "mac-7"
