"""Sub-options of options 43 and 175: values, the walk over them, agreement with the definitions."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from construct import ConstructError
from hypothesis import given
from hypothesis import strategies as st

from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import OptionType
from protocols.errors import DecodeError, EncodeError
from protocols.pxe import registry
from protocols.pxe.formats import SUB_OPTIONS
from protocols.pxe.value import BootItem, BootServer, MenuEntry, MenuPrompt, MulticastBlock

EXAMPLES: list[tuple[OptionType[Any], Any, str]] = [
    (registry.MTFTP_ADDRESS, IPv4Address("224.1.1.1"), "e0010101"),
    (registry.MTFTP_CLIENT_PORT, 1758, "06de"),
    (registry.MTFTP_SERVER_PORT, 1759, "06df"),
    (registry.MTFTP_TIMEOUT, 5, "05"),
    (registry.MTFTP_DELAY, 4, "04"),
    (registry.DISCOVERY_CONTROL, 8, "08"),
    (registry.DISCOVERY_ADDRESS, IPv4Address("224.0.1.2"), "e0000102"),
    (
        registry.BOOT_SERVERS,
        (
            BootServer(type=0x8002, addresses=(IPv4Address("10.77.0.2"),)),
            BootServer(type=0, addresses=()),
        ),
        "8002 01 0a4d0002  0000 00",
    ),
    (
        registry.BOOT_MENU,
        (MenuEntry(type=0x8002, text="First"), MenuEntry(type=0, text="Größe")),
        "8002 05 4669727374  0000 07 4772c3b6c39f65",
    ),
    (
        registry.MENU_PROMPT,
        MenuPrompt(seconds=2, text="E2E boot menu"),
        "02 45324520626f6f74206d656e75",
    ),
    (
        registry.MULTICAST_BLOCK,
        MulticastBlock(base=IPv4Address("224.1.1.0"), block=16, range=256),
        "e0010100 0010 0100",
    ),
    (registry.CREDENTIAL_TYPES, (1, 0x80000000), "00000001 80000000"),
    (registry.BOOT_ITEM, BootItem(type=0x8000, layer=0x8001), "8000 8001"),
    (registry.PRIORITY, -10, "f6"),
    (registry.KEEP_SAN, 1, "01"),
    (registry.SKIP_SAN_BOOT, 1, "01"),
    (registry.NO_PROXY_DHCP, 1, "01"),
    (registry.BUS_ID, bytes.fromhex("011af41000"), "011af41000"),
    (registry.BIOS_DRIVE, 0x80, "80"),
    (registry.USER_NAME, "jo", "6a6f"),
    (registry.PASSWORD, "secret", "736563726574"),
    (registry.VERSION, b"\1\0\0", "010000"),
]


@pytest.mark.parametrize(
    ("kind", "value", "data"), EXAMPLES, ids=lambda it: getattr(it, "name", None)
)
def test_value_and_its_bytes(kind: OptionType[Any], value: Any, data: str) -> None:
    """Each sub-option has one value for its bytes, and the same bytes for that value."""
    raw = bytes.fromhex(data)

    assert kind.decode(raw) == value
    assert kind.of(value) == RawOption(kind.code, raw)


def test_every_sub_option_has_an_example() -> None:
    """All sub-options are known by code: PXE's 1 to 12 and 71, and iPXE's."""
    kinds = [kind for kind, _, _ in EXAMPLES]

    assert sorted(registry.PXE_SUB_OPTIONS) == [*range(1, 13), 71]
    assert kinds == [*registry.PXE_SUB_OPTIONS.values(), *registry.IPXE_SUB_OPTIONS.values()]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (registry.DISCOVERY_CONTROL, ""),
        (registry.MTFTP_CLIENT_PORT, "06"),
        (registry.BOOT_SERVERS, "8000 02 0a4d0002"),  # two addresses announced, one there
        (registry.BOOT_SERVERS, ""),
        (registry.BOOT_MENU, "8000 05 4669"),
        (registry.MENU_PROMPT, ""),
        (registry.BOOT_ITEM, "8000 00"),
        (registry.BOOT_ITEM, "8000 0000 00"),
        (registry.CREDENTIAL_TYPES, "000001"),
    ],
)
def test_malformed_value_is_refused(kind: OptionType[Any], data: str) -> None:
    """A value cut short or too long raises DecodeError with the sub-option's name."""
    with pytest.raises(DecodeError, match=rf"PXE sub-option {kind.code} \("):
        kind.decode(bytes.fromhex(data))


def test_pads_and_an_inner_end_are_tolerated() -> None:
    """Firmware ends option 43 with an end of its own and pads it."""
    data = bytes.fromhex("00 06 01 08 00 ff 47")

    assert registry.pxe_sub_options(data) == (registry.DISCOVERY_CONTROL.of(8),)


@pytest.mark.parametrize("data", ["06", "06 02 08", "06 01 08 47"])
def test_sub_option_that_runs_out_is_refused(data: str) -> None:
    """Bytes announced and not there make the option malformed."""
    with pytest.raises(DecodeError, match="PXE sub-option"):
        registry.pxe_sub_options(bytes.fromhex(data))


def test_sub_options_end_with_an_end() -> None:
    """What we write carries the end that RFC 2132 section 8.4 speaks of and dnsmasq sends."""
    data = registry.encode_sub_options([registry.DISCOVERY_CONTROL.of(8)])

    assert data == bytes.fromhex("06 01 08 ff")


def test_more_than_one_instance_is_not_written() -> None:
    """ROMs read one instance of option 43, so what does not fit it is an error of ours."""
    with pytest.raises(EncodeError, match="256 bytes"):
        registry.encode_sub_options([RawOption(9, bytes(253))])


@given(
    st.binary(max_size=300)
    | st.lists(
        st.builds(
            lambda code, data: bytes((code, len(data))) + data,
            st.integers(0, 255),
            st.binary(max_size=9),
        )
    ).map(b"".join)
)
def test_walk_agrees_with_the_definition(data: bytes) -> None:
    """The walk finds what the construct definition finds, and refuses what that refuses."""
    try:
        found = SUB_OPTIONS.parse(data).sub_options
        normative = [(each.code, each.data) for each in found if each.code]
    except ConstructError:
        with pytest.raises(DecodeError):
            registry.pxe_sub_options(data)
    else:
        assert [tuple(each) for each in registry.pxe_sub_options(data)] == normative
        assert [tuple(each) for each in registry.ipxe_sub_options(data)] == normative


@given(
    st.lists(st.builds(RawOption, st.integers(1, 254), st.binary(max_size=60)), max_size=4).map(
        tuple
    )
)
def test_round_trip(sub_options: tuple[RawOption, ...]) -> None:
    """What is written is read again, all of it, in its order."""
    assert registry.pxe_sub_options(registry.encode_sub_options(sub_options)) == sub_options
