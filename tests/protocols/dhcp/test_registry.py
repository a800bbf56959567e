"""Every typed option: its bytes, its value, and bytes that it refuses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any
from uuid import UUID

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import OPTIONS, OptionType
from protocols.dhcp.value import (
    ClasslessRoute,
    ClientIdentifier,
    MessageType,
    NetworkInterface,
    RelayAgentInformation,
    UserClass,
)
from protocols.errors import DecodeError, EncodeError

A1 = IPv4Address("10.0.0.1")
A2 = IPv4Address("192.168.1.2")
ADDRESS = (A1, "0a000001")
ADDRESSES = ((A1, A2), "0a000001 c0a80102")
PAIRS = (((A1, A2), (A2, A1)), "0a000001 c0a80102 c0a80102 0a000001")
TEXT = ("caf\u00e9", "636166c3a9")
FLAG = (True, "01")
OPAQUE = (b"\x00\xffAB", "00ff4142")


def classless(network: str, router: str) -> ClasslessRoute:
    return ClasslessRoute(destination=IPv4Network(network), router=IPv4Address(router))


VALUES: list[tuple[OptionType[Any], tuple[Any, str]]] = [
    (r.SUBNET_MASK, (IPv4Address("255.255.254.0"), "fffffe00")),
    (r.TIME_OFFSET, (-3600, "fffff1f0")),
    (r.ROUTER, ADDRESSES),
    (r.TIME_SERVER, ADDRESSES),
    (r.NAME_SERVER, ADDRESSES),
    (r.DOMAIN_NAME_SERVER, ADDRESSES),
    (r.LOG_SERVER, ADDRESSES),
    (r.COOKIE_SERVER, ADDRESSES),
    (r.LPR_SERVER, ADDRESSES),
    (r.IMPRESS_SERVER, ADDRESSES),
    (r.RESOURCE_LOCATION_SERVER, ADDRESSES),
    (r.HOST_NAME, TEXT),
    (r.BOOT_FILE_SIZE, (0x1234, "1234")),
    (r.MERIT_DUMP_FILE, TEXT),
    (r.DOMAIN_NAME, TEXT),
    (r.SWAP_SERVER, ADDRESS),
    (r.ROOT_PATH, ("nfs:10.0.0.1:/nbi:a.dmg", b"nfs:10.0.0.1:/nbi:a.dmg".hex())),
    (r.EXTENSIONS_PATH, TEXT),
    (r.IP_FORWARDING, FLAG),
    (r.NON_LOCAL_SOURCE_ROUTING, FLAG),
    (r.POLICY_FILTER, PAIRS),
    (r.MAXIMUM_REASSEMBLY_SIZE, (576, "0240")),
    (r.DEFAULT_IP_TTL, (64, "40")),
    (r.PATH_MTU_AGING_TIMEOUT, (600, "00000258")),
    (r.PATH_MTU_PLATEAU_TABLE, ((68, 1500), "004405dc")),
    (r.INTERFACE_MTU, (1500, "05dc")),
    (r.ALL_SUBNETS_ARE_LOCAL, FLAG),
    (r.BROADCAST_ADDRESS, ADDRESS),
    (r.PERFORM_MASK_DISCOVERY, FLAG),
    (r.MASK_SUPPLIER, (False, "00")),
    (r.PERFORM_ROUTER_DISCOVERY, FLAG),
    (r.ROUTER_SOLICITATION_ADDRESS, ADDRESS),
    (r.STATIC_ROUTE, PAIRS),
    (r.TRAILER_ENCAPSULATION, FLAG),
    (r.ARP_CACHE_TIMEOUT, (0xFFFFFFFF, "ffffffff")),
    (r.ETHERNET_ENCAPSULATION, FLAG),
    (r.TCP_DEFAULT_TTL, (255, "ff")),
    (r.TCP_KEEPALIVE_INTERVAL, (0, "00000000")),
    (r.TCP_KEEPALIVE_GARBAGE, FLAG),
    (r.NIS_DOMAIN, TEXT),
    (r.NIS_SERVER, ADDRESSES),
    (r.NTP_SERVER, ADDRESSES),
    (r.VENDOR_SPECIFIC, OPAQUE),
    (r.NETBIOS_NAME_SERVER, ADDRESSES),
    (r.NETBIOS_DATAGRAM_SERVER, ADDRESSES),
    (r.NETBIOS_NODE_TYPE, (8, "08")),
    (r.NETBIOS_SCOPE, OPAQUE),
    (r.X_FONT_SERVER, ADDRESSES),
    (r.X_DISPLAY_MANAGER, ADDRESSES),
    (r.REQUESTED_ADDRESS, ADDRESS),
    (r.LEASE_TIME, (86400, "00015180")),
    (r.OVERLOAD, (3, "03")),
    (r.MESSAGE_TYPE, (MessageType.INFORM, "08")),
    (r.SERVER_IDENTIFIER, ADDRESS),
    (r.PARAMETER_REQUEST_LIST, ((1, 3, 43, 60), "01032b3c")),
    (r.ERROR_MESSAGE, TEXT),
    (r.MAXIMUM_MESSAGE_SIZE, (1500, "05dc")),
    (r.RENEWAL_TIME, (43200, "0000a8c0")),
    (r.REBINDING_TIME, (75600, "00012750")),
    (r.CLASS_IDENTIFIER, (b"AAPLBSDPC", b"AAPLBSDPC".hex())),
    (
        r.CLIENT_IDENTIFIER,
        (ClientIdentifier(type=1, identifier=b"\2\0\0\0\0\1"), "01 020000000001"),
    ),
    (r.NIS_PLUS_DOMAIN, TEXT),
    (r.NIS_PLUS_SERVER, ADDRESSES),
    (r.TFTP_SERVER_NAME, TEXT),
    (r.BOOT_FILE_NAME, TEXT),
    (r.MOBILE_IP_HOME_AGENT, ADDRESSES),
    (r.MOBILE_IP_HOME_AGENT, ((), "")),
    (r.SMTP_SERVER, ADDRESSES),
    (r.POP3_SERVER, ADDRESSES),
    (r.NNTP_SERVER, ADDRESSES),
    (r.WWW_SERVER, ADDRESSES),
    (r.FINGER_SERVER, ADDRESSES),
    (r.IRC_SERVER, ADDRESSES),
    (r.STREETTALK_SERVER, ADDRESSES),
    (r.STDA_SERVER, ADDRESSES),
    (r.USER_CLASS, (UserClass(classes=(b"ab", b"c")), "02 6162 01 63")),
    (r.USER_CLASS, (UserClass(classes=(b"iPXE",), framed=False), "69505845")),
    (
        r.RELAY_AGENT_INFORMATION,
        (
            RelayAgentInformation(sub_options=(RawOption(1, b"r1"), RawOption(9, b""))),
            "01 02 7231 09 00",
        ),
    ),
    (r.CLIENT_ARCHITECTURE, ((7, 16), "00070010")),
    (r.CLIENT_INTERFACE, (NetworkInterface(type=1, major=3, minor=16), "010310")),
    (
        r.CLIENT_MACHINE,
        (
            UUID("564d4c55-0001-0002-0003-525400770010"),
            "00 554c4d56 0100 0200 0003 525400770010",  # as OVMF sends it
        ),
    ),
    (r.AUTO_CONFIGURE, FLAG),
    (r.SUBNET_SELECTION, ADDRESS),
    (
        r.DOMAIN_SEARCH,
        (
            ("eng.apple.com", "marketing.apple.com"),
            "03 656e67 05 6170706c65 03 636f6d 00 09 6d61726b6574696e67 c004",
        ),
    ),
    (
        r.CLASSLESS_ROUTES,  # the table of RFC 3442, each destination through 10.0.0.1
        (
            tuple(
                classless(network, "10.0.0.1")
                for network in (
                    "0.0.0.0/0",
                    "10.0.0.0/8",
                    "10.0.0.0/24",
                    "10.17.0.0/16",
                    "10.27.129.0/24",
                    "10.229.0.128/25",
                    "10.198.122.47/32",
                )
            ),
            "00 0a000001"
            "08 0a 0a000001"
            "18 0a0000 0a000001"
            "10 0a11 0a000001"
            "18 0a1b81 0a000001"
            "19 0ae50080 0a000001"
            "20 0ac67a2f 0a000001",
        ),
    ),
    (r.CIRCUIT_ID, OPAQUE),
    (r.REMOTE_ID, OPAQUE),
    (r.DEVICE_CLASS, (1, "00000001")),
    (r.LINK_SELECTION, ADDRESS),
    (r.SUBSCRIBER_ID, TEXT),
    (r.RELAY_FLAGS, (0x80, "80")),
    (r.SERVER_IDENTIFIER_OVERRIDE, ADDRESS),
    (r.RELAY_AGENT_ID, OPAQUE),
]


def test_every_option_is_there() -> None:
    """The registry types RFC 2132 whole, and the later options that booting needs."""
    rfc_2132 = {*range(1, 62), *range(64, 77)}

    assert set(OPTIONS) == rfc_2132 | {77, 82, 93, 94, 97, 116, 118, 119, 121}
    assert {kind.code for kind, _ in VALUES if kind.within == "option"} == set(OPTIONS)
    assert all(OPTIONS[kind.code] is kind for kind, _ in VALUES if kind.within == "option")


@pytest.mark.parametrize(
    ("kind", "pair"), VALUES, ids=[f"{kind}-{number}" for number, (kind, _) in enumerate(VALUES)]
)
def test_value_and_bytes(kind: OptionType[Any], pair: tuple[Any, str]) -> None:
    """An option's value and bytes stand for each other."""
    value, wire = pair[0], bytes.fromhex(pair[1])

    assert kind.decode(wire) == value
    assert kind.encode(value) == wire
    assert kind.of(value) == RawOption(kind.code, wire)


REFUSED: list[tuple[OptionType[Any], str, int]] = [
    (r.SUBNET_MASK, "", 0),
    (r.SUBNET_MASK, "ffffff", 3),
    (r.SUBNET_MASK, "ffffff0000", 4),
    (r.ROUTER, "", 0),
    (r.ROUTER, "0a000001 0a", 4),
    (r.POLICY_FILTER, "0a000001", 0),
    (r.TIME_OFFSET, "0000", 2),
    (r.BOOT_FILE_SIZE, "000000", 2),
    (r.LEASE_TIME, "000000", 3),
    (r.DEFAULT_IP_TTL, "", 0),
    (r.IP_FORWARDING, "02", 1),
    (r.IP_FORWARDING, "0101", 1),
    (r.HOST_NAME, "", 0),
    (r.HOST_NAME, "0000", 2),
    (r.PATH_MTU_PLATEAU_TABLE, "0044ff", 2),
    (r.MOBILE_IP_HOME_AGENT, "0a", 0),
    (r.OVERLOAD, "00", 1),
    (r.OVERLOAD, "04", 1),
    (r.MESSAGE_TYPE, "00", 1),
    (r.MESSAGE_TYPE, "13", 1),
    (r.MESSAGE_TYPE, "0101", 1),
    (r.PARAMETER_REQUEST_LIST, "", 0),
    (r.CLASS_IDENTIFIER, "", 0),
    (r.CLIENT_IDENTIFIER, "", 0),
    (r.CLIENT_IDENTIFIER, "01", 1),
    (r.USER_CLASS, "", 0),
    (r.RELAY_AGENT_INFORMATION, "", 0),
    (r.RELAY_AGENT_INFORMATION, "01", 0),
    (r.RELAY_AGENT_INFORMATION, "010161 0205 62", 3),
    (r.CLIENT_ARCHITECTURE, "000700", 2),
    (r.CLIENT_INTERFACE, "0103", 2),
    (r.CLIENT_MACHINE, "00" * 16, 16),
    (r.CLIENT_MACHINE, "01" + "00" * 16, 1),
    (r.CLASSLESS_ROUTES, "", 0),
    (r.CLASSLESS_ROUTES, "21 0a00000001 0a000001", 0),
    (r.CLASSLESS_ROUTES, "08 0a 0a0000", 0),
    (r.DOMAIN_SEARCH, "", 0),
    (r.LINK_SELECTION, "0a0000", 3),
]


@pytest.mark.parametrize(
    ("kind", "wire", "offset"),
    REFUSED,
    ids=[f"{kind}-{number}" for number, (kind, *_) in enumerate(REFUSED)],
)
def test_malformed_bytes(kind: OptionType[Any], wire: str, offset: int) -> None:
    """Malformed data is refused with the option's name and the byte where reading failed."""
    with pytest.raises(DecodeError) as caught:
        kind.decode(bytes.fromhex(wire))

    assert caught.value.what == str(kind)
    assert caught.value.offset == offset
    assert caught.value.why.endswith(kind.layout.shape)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (r.LEASE_TIME, 1 << 32),
        (r.LEASE_TIME, -1),
        (r.DEFAULT_IP_TTL, 256),
        (r.PARAMETER_REQUEST_LIST, (1, 256)),
        (r.PARAMETER_REQUEST_LIST, ()),
        (r.ROUTER, ()),
        (r.OVERLOAD, 4),
        (r.HOST_NAME, ""),
        (r.HOST_NAME, "\ud800"),
        (r.CLASS_IDENTIFIER, b""),
        (r.CLIENT_IDENTIFIER, ClientIdentifier(type=256, identifier=b"x")),
        (r.USER_CLASS, UserClass(classes=(b"x" * 256,))),
        (r.USER_CLASS, UserClass(classes=())),
        (r.USER_CLASS, UserClass(classes=(b"a", b"b"), framed=False)),
        (r.RELAY_AGENT_INFORMATION, RelayAgentInformation(sub_options=())),
    ],
)
def test_value_that_the_option_cannot_say(kind: OptionType[Any], value: Any) -> None:
    """A value out of range is refused and never cut."""
    with pytest.raises(EncodeError, match=kind.name):
        kind.encode(value)


class TestLongValues:
    """Values of several instances are read and written up to a bound."""

    def test_at_the_limit(self) -> None:
        """Sixteen full instances are a value."""
        routers = (A1,) * 1020

        assert r.ROUTER.decode(r.ROUTER.encode(routers)) == routers

    def test_beyond_the_limit(self) -> None:
        """What a peer can join from more instances is refused before it is unfolded."""
        with pytest.raises(DecodeError, match="4084 bytes, more than 4080"):
            r.ROUTER.decode(bytes(4084))
        with pytest.raises(EncodeError, match="4084 bytes, more than 4080"):
            r.ROUTER.encode((A1,) * 1021)

    def test_largest_forged_search_list(self) -> None:
        """Pointers unfold to no more than a name of 255 bytes for each two bytes."""
        name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"

        names = r.DOMAIN_SEARCH.decode(name + b"\xc0\0" * ((4080 - len(name)) // 2))

        assert len(names) == 1 + 1912
        assert {len(found) for found in names} == {253}


class TestText:
    def test_trailing_nuls(self) -> None:
        """Trailing NULs do not belong to a text; dnsmasq sends them (captures `ovmf-*`)."""
        assert r.BOOT_FILE_NAME.decode(b"snponly.efi\0\0") == "snponly.efi"
        assert r.BOOT_FILE_NAME.decode(b"a\0b\0") == "a\0b"

    def test_bytes_that_are_not_utf_8(self) -> None:
        """Any bytes survive being read as text and written again."""
        assert r.HOST_NAME.encode(r.HOST_NAME.decode(b"caf\xe9\xff")) == b"caf\xe9\xff"


class TestClasslessRoutes:
    def test_bits_beyond_the_mask(self) -> None:
        """Bits of the destination beyond its mask are ignored (RFC 3442)."""
        assert r.CLASSLESS_ROUTES.decode(bytes.fromhex("0c 0aff 0a000001")) == (
            classless("10.240.0.0/12", "10.0.0.1"),
        )


class TestRelayAgentInformation:
    def test_typed_sub_options(self) -> None:
        """Sub-options have names and types of their own (RFC 3046, RFC 3527, RFC 5107)."""
        information = r.RELAY_AGENT_INFORMATION.decode(
            bytes.fromhex(
                "01 02 7231"  # circuit id "r1"
                "05 04 0a000001"  # link selection
                "0b 04 c0a80102"  # server identifier override
                "01 01 78"  # a second circuit id
            )
        )

        assert information.value(r.CIRCUIT_ID) == b"r1"
        assert information.value(r.LINK_SELECTION) == A1
        assert information.value(r.SERVER_IDENTIFIER_OVERRIDE) == A2
        assert information.value(r.REMOTE_ID) is None
        assert information.sub_option(2) is None

    def test_malformed_sub_option(self) -> None:
        """A malformed sub-option is refused by name when it is asked for."""
        information = RelayAgentInformation(sub_options=(RawOption(5, b"\x0a"),))

        with pytest.raises(DecodeError, match=r"relay agent sub-option 5 \(link selection\)"):
            information.value(r.LINK_SELECTION)

    def test_neither_pad_nor_end(self) -> None:
        """Codes 0 and 255 are sub-options like any other here (RFC 3046 §2.0)."""
        information = r.RELAY_AGENT_INFORMATION.decode(b"\x00\x01a\xff\x00")

        assert information.sub_options == (RawOption(0, b"a"), RawOption(255, b""))
