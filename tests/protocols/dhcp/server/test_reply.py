"""The options of a reply: whose, in which order, and which fall out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.plan import ClientClass, Host, LeaseTimes, Plan, Pool, Subnet
from protocols.dhcp.server.reply import size_of
from protocols.dhcp.value import ClasslessRoute
from protocols.errors import DecodeError
from tests.protocols.dhcp.server.site import (
    HOME,
    MAC,
    PLAN,
    TIMES,
    Site,
    acknowledged,
    codes,
    message,
    offered,
    wants,
)

ROUTER = r.ROUTER.of((IPv4Address("10.0.0.254"),))
PXE = RawOption(60, b"PXEClient:Arch:00007:UNDI:003000")


def reply_of(plan: Plan, *options: RawOption, boot: BootParameters | None = None) -> DhcpMessage:
    site = Site(plan, boot=lambda asked, name: boot)
    return offered(site.discover(*options)).reply


class TestOrder:
    def test_asked_for(self) -> None:
        """What every reply needs comes first, then what is asked for, most wanted first."""
        plan = replace(PLAN, options=(RawOption(6, b"dns!"), RawOption(15, b"lan"), ROUTER))

        assert codes(reply_of(plan, wants(15, 3, 28, 1, 6, 15, 42))) == [
            *(53, 54, 51, 1),
            *(15, 3, 28, 6),
        ]

    def test_not_asked_for(self) -> None:
        """What is not asked for is not sent, except by a client that asks for nothing."""
        plan = replace(PLAN, options=(RawOption(15, b"lan"), ROUTER))

        assert codes(reply_of(plan, wants(3))) == [53, 54, 51, 1, 3]
        assert codes(reply_of(plan)) == [53, 54, 51, 1, 3, 15, 28, 58, 59]

    def test_timers_that_are_set(self) -> None:
        """T1 and T2 that are not the usual ones are told unasked: a client would assume those."""
        times = LeaseTimes(default=3600, minimum=60, maximum=7200, renewal=100, rebinding=200)
        plan = replace(PLAN, subnets=(replace(HOME, lease_times=times),))

        reply = reply_of(plan, wants(3))

        assert (reply.value(r.RENEWAL_TIME), reply.value(r.REBINDING_TIME)) == (100, 200)

    def test_usual_timers(self) -> None:
        """T1 and T2 are half and seven eighths of the lease (RFC 2131 §4.4.5)."""
        reply = reply_of(PLAN, wants(59, 58), r.LEASE_TIME.of(800))

        assert (reply.value(r.RENEWAL_TIME), reply.value(r.REBINDING_TIME)) == (400, 700)

    def test_point_to_point_network_has_no_broadcast_address(self) -> None:
        """A network of two hosts has no broadcast address (RFC 3021)."""
        first = int(IPv4Address("10.0.0.0"))
        tiny = Subnet(
            network=IPv4Network("10.0.0.0/31"),
            lease_times=TIMES,
            pools=(Pool(ranges=((first, first),)),),
        )

        assert codes(reply_of(replace(PLAN, subnets=(tiny,)))) == [53, 54, 51, 1, 58, 59]


class TestLayers:
    def test_precedence(self) -> None:
        """Host before class before pool before subnet before global before what we know ourselves;
        of two classes the first."""
        layers = [bytes((n,)) for n in range(7)]
        plan = Plan(
            options=(RawOption(15, layers[6]), RawOption(28, layers[6])),
            subnets=(
                replace(
                    HOME,
                    options=(RawOption(15, layers[5]),),
                    pools=(replace(HOME.pools[0], options=(RawOption(15, layers[4]),)),),
                ),
            ),
        )
        early = ClientClass(name="a", hardware_prefix=MAC[:3], options=(RawOption(15, layers[2]),))
        late = ClientClass(name="b", hardware_prefix=MAC[:2], options=(RawOption(15, layers[3]),))
        host = Host(name="h", hardware=MAC, options=(RawOption(15, layers[1]),))
        boot = BootParameters(options=(RawOption(15, layers[0]),))

        assert reply_of(plan).option(28) == layers[6]
        assert reply_of(replace(plan, subnets=(HOME,))).option(15) == layers[6]
        assert (
            reply_of(
                replace(plan, subnets=(replace(HOME, options=plan.subnets[0].options),))
            ).option(15)
            == layers[5]
        )
        assert reply_of(plan).option(15) == layers[4]
        plan = replace(plan, classes=(late,))
        assert reply_of(plan).option(15) == layers[3]
        plan = replace(plan, classes=(early, late))
        assert reply_of(plan).option(15) == layers[2]
        plan = replace(plan, hosts=(host,))
        assert reply_of(plan).option(15) == layers[1]
        assert reply_of(plan, PXE, boot=boot).option(15) == layers[0]

    def test_layer_replaces_all_instances(self) -> None:
        """A code that comes several times in one layer is sent so; another layer replaces all."""
        twice = (RawOption(43, b"\1\1a"), RawOption(43, b"\2\1b"))
        plan = replace(PLAN, options=twice)
        host = Host(name="h", hardware=MAC, options=(RawOption(43, b"\3\1c"),))

        assert reply_of(plan).instances(43) == (b"\1\1a", b"\2\1b")
        assert reply_of(replace(plan, hosts=(host,))).instances(43) == (b"\3\1c",)

    def test_host_name(self) -> None:
        """The name of a host is option 12, unless its options say otherwise."""
        host = Host(name="h", hardware=MAC, host_name="mac-7")
        other = replace(host, options=(r.HOST_NAME.of("mac-8"),))

        assert reply_of(replace(PLAN, hosts=(host,))).value(r.HOST_NAME) == "mac-7"
        assert reply_of(replace(PLAN, hosts=(other,))).value(r.HOST_NAME) == "mac-8"

    def test_lease_times_of_a_class(self) -> None:
        """The first class with lease times decides them, else the subnet."""
        none = ClientClass(name="a", hardware_prefix=MAC[:3])
        short = LeaseTimes(default=60, minimum=60, maximum=60)
        plan = replace(PLAN, classes=(none, replace(none, name="b", lease_times=short)))

        assert reply_of(plan).value(r.LEASE_TIME) == 60
        assert reply_of(replace(PLAN, classes=(none,))).value(r.LEASE_TIME) == 3600


class TestClassMembership:
    @pytest.mark.parametrize(
        ("member", "options"),
        [
            ({"vendor_class": b"MSFT"}, (RawOption(60, b"MSFT 5.0"),)),
            ({"user_class": b"iPXE"}, (RawOption(77, b"iPXE"),)),
            ({"user_class": b"lab"}, (RawOption(77, b"\5first\3lab"),)),
            ({"architectures": frozenset({7, 9})}, (RawOption(93, b"\0\7"),)),
            ({"hardware_prefix": MAC[:3]}, ()),
            ({"circuit_id": b"p"}, (RawOption(82, b"\1\1p"),)),
            ({"remote_id": b"s"}, (RawOption(82, b"\2\1s"),)),
            (
                {"vendor_class": b"M", "user_class": b"u"},
                (RawOption(60, b"M"), RawOption(77, b"u")),
            ),
        ],
    )
    def test_members(self, member: dict[str, bytes], options: tuple[RawOption, ...]) -> None:
        """A client is a member that has all that the class says, and no other is."""
        own = RawOption(15, b"class")
        plan = replace(PLAN, classes=(ClientClass(name="c", options=(own,), **member),))  # type: ignore[arg-type]
        stranger = message(
            r.MESSAGE_TYPE.decode(b"\1"), *(each for each in options[1:]), chaddr=bytes(6)
        )

        assert own in reply_of(plan, *options).options
        assert own not in offered(Site(plan).hears(stranger)).reply.options


class TestRoom:
    def test_reply_fits_what_the_client_takes(self) -> None:
        """The least wanted options fall out of a reply that would exceed option 57; smaller ones
        behind them may still fit."""
        plan = replace(
            PLAN,
            options=(
                *(RawOption(code, bytes(200)) for code in (200, 201, 202)),
                RawOption(15, b"lan"),
            ),
        )
        asked = wants(201, 200, 202, 15)

        assert codes(reply_of(plan, asked)) == [53, 54, 51, 1, 201, 15]
        assert codes(reply_of(plan, asked, RawOption(57, b"\2\xff"))) == [
            53,
            54,
            51,
            1,
            201,
            200,
            15,
        ]

    @pytest.mark.parametrize(
        ("said", "payload"),
        [(b"", 548), (b"\0\0", 548), (b"\2\x3f", 548), (b"\2\xee", 722), (b"\xff\xff", 1472)],
    )
    def test_limits(self, said: bytes, payload: int) -> None:
        """A client takes 576 bytes of datagram at least, and no more than a frame is sent."""
        plan = replace(PLAN, options=tuple(RawOption(code, b"x") for code in range(129, 224)) * 9)

        reply = encode(reply_of(plan, RawOption(57, said), RawOption(61, b"\0" * 40)))

        assert payload - 27 <= len(reply) <= payload

    def test_echoes_take_their_room(self) -> None:
        """Client identifier and relay information are never left out for other options."""
        plan = replace(PLAN, options=tuple(RawOption(code, bytes(60)) for code in (200, 201, 202)))
        information = RawOption(82, b"\1\xc8" + bytes(200))

        reply = offered(Site(plan).discover(RawOption(61, b"\0id"), information)).reply

        assert reply.options[-1] == information
        assert codes(reply)[-3:] == [59, 61, 82]
        assert len(encode(reply)) <= 548

    def test_size_of_a_long_option(self) -> None:
        """A long option counts with the headers of its instances."""
        assert size_of([RawOption(15, bytes(255)), RawOption(15, bytes(256))]) == 257 + 260
        assert size_of([RawOption(15)]) == 2


class TestRoutes:
    ROUTE = ClasslessRoute(
        destination=IPv4Network("192.0.2.0/24"), router=IPv4Address("10.0.0.253")
    )
    DEFAULT = ClasslessRoute(destination=IPv4Network("0.0.0.0/0"), router=IPv4Address("10.0.0.254"))

    def test_default_route_is_among_the_classless_ones(self) -> None:
        """Who is told classless routes ignores option 3 (RFC 3442), so they repeat the router."""
        plan = replace(PLAN, options=(r.CLASSLESS_ROUTES.of((self.ROUTE,)), ROUTER))

        reply = reply_of(plan, wants(121, 3))

        assert reply.value(r.CLASSLESS_ROUTES) == (self.ROUTE, self.DEFAULT)
        assert reply.value(r.ROUTER) == (IPv4Address("10.0.0.254"),)

    def test_default_route_that_is_set(self) -> None:
        """Routes that have a default route, or a site without a router, stay as they are."""
        own = ClasslessRoute(destination=self.DEFAULT.destination, router=self.ROUTE.router)
        both = r.CLASSLESS_ROUTES.of((self.ROUTE, own))
        one = r.CLASSLESS_ROUTES.of((self.ROUTE,))

        assert both in reply_of(replace(PLAN, options=(both, ROUTER)), wants(121)).options
        assert one in reply_of(replace(PLAN, options=(one,)), wants(121)).options
        assert codes(reply_of(replace(PLAN, options=(ROUTER,)), wants(121))) == [53, 54, 51, 1]


class TestBoot:
    PARAMETERS = BootParameters(
        next_server=IPv4Address("10.0.0.2"),
        server_name=b"tftp",
        file=b"snponly.efi",
        options=(RawOption(60, b"PXEClient"), RawOption(43, b"\6\1\x08")),
    )

    def test_reply_to_a_boot_client(self) -> None:
        """Boot parameters are in OFFER and ACK, whether asked for or not."""
        site = Site(boot=lambda asked, name: self.PARAMETERS)

        offer = offered(site.discover(PXE, wants(3))).reply
        ack = acknowledged(site.select("10.0.0.10", PXE, wants(3))).reply

        assert codes(offer) == codes(ack) == [53, 54, 51, 1, 60, 43]
        for reply in (offer, ack):
            assert reply.siaddr == IPv4Address("10.0.0.2")
            assert (reply.server_name, reply.boot_file) == (b"tftp", b"snponly.efi")

    def test_refusal_boots_nothing(self) -> None:
        """A NAK has neither boot file nor boot options."""
        site = Site(boot=lambda asked, name: self.PARAMETERS)

        reply = site.select("192.0.2.1", PXE).reply  # type: ignore[union-attr]

        assert (reply.boot_file, codes(reply)) == (b"", [53, 54, 56])

    def test_who_is_asked(self) -> None:
        """What to boot is asked for network boot clients and for BOOTP clients alone, with the
        entry that the host or else a class names."""
        asked: list[str | None] = []
        named = ClientClass(name="c", hardware_prefix=MAC[:3], boot="of class")
        plan = replace(PLAN, bootp=True, classes=(replace(named, name="b", boot=None), named))
        host = Host(name="h", hardware=MAC, boot="of host")

        def boot(request: DhcpMessage, name: str | None) -> None:
            asked.append(name)

        Site(plan, boot=boot).discover(RawOption(60, b"udhcp 1.35"))
        Site(plan, boot=boot).discover(PXE)
        Site(plan, boot=boot).discover(RawOption(60, b"HTTPClient:Arch:00016"), chaddr=bytes(6))
        Site(replace(plan, hosts=(host,)), boot=boot).asked(None)

        assert asked == ["of class", None, "of host"]

    def test_malformed_boot_client(self) -> None:
        """A client whose boot options are malformed still gets its address."""

        def boot(request: DhcpMessage, name: str | None) -> None:
            raise DecodeError("option 93", 0, "is odd")

        assert offered(Site(boot=boot).discover(PXE)).reply.boot_file == b""


def test_auto_configuration() -> None:
    """A client that asks whether it may configure itself is told, if that is configured
    (RFC 2563)."""
    plan = replace(PLAN, options=(r.AUTO_CONFIGURE.of(False),))
    asking = RawOption(116, b"\1")

    assert reply_of(plan, asking, wants(3)).value(r.AUTO_CONFIGURE) is False
    assert reply_of(PLAN, asking, wants(3)).value(r.AUTO_CONFIGURE) is None
    assert reply_of(plan, wants(3)).value(r.AUTO_CONFIGURE) is None
