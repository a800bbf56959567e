"""PXE's sub-options of option 43 and iPXE's of option 175: code, name, type of the value.

    BOOT_ITEM.of(BootItem(type=0x8000, layer=0))     # RawOption(71, b"\\x80\\0\\0\\0")
    sub_options(data)                                # the sub-options in an option's data, in order

Definitions, and the one walk over them. A sub-option that is not here is not an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocols.dhcp.layout import VALUE_LIMIT
from protocols.dhcp.option import END, INSTANCE_LIMIT, PAD, RawOption, read_options, write_options
from protocols.dhcp.registry import OptionType
from protocols.errors import DecodeError, EncodeError
from protocols.pxe import formats

# PXE 2.1 §2.1, in option 43
_PXE: Final = "PXE sub-option"
MTFTP_ADDRESS: Final = OptionType(1, "MTFTP address", formats.ADDRESS, _PXE)
MTFTP_CLIENT_PORT: Final = OptionType(2, "MTFTP client port", formats.UINT16, _PXE)
MTFTP_SERVER_PORT: Final = OptionType(3, "MTFTP server port", formats.UINT16, _PXE)
MTFTP_TIMEOUT: Final = OptionType(4, "MTFTP timeout", formats.UINT8, _PXE)
MTFTP_DELAY: Final = OptionType(5, "MTFTP delay", formats.UINT8, _PXE)
DISCOVERY_CONTROL: Final = OptionType(6, "discovery control", formats.UINT8, _PXE)
DISCOVERY_ADDRESS: Final = OptionType(7, "discovery multicast address", formats.ADDRESS, _PXE)
BOOT_SERVERS: Final = OptionType(8, "boot servers", formats.BOOT_SERVERS, _PXE)
BOOT_MENU: Final = OptionType(9, "boot menu", formats.BOOT_MENU, _PXE)
MENU_PROMPT: Final = OptionType(10, "menu prompt", formats.MENU_PROMPT, _PXE)
MULTICAST_BLOCK: Final = OptionType(11, "multicast addresses", formats.MULTICAST_BLOCK, _PXE)
CREDENTIAL_TYPES: Final = OptionType(12, "credential types", formats.CREDENTIAL_TYPES, _PXE)
BOOT_ITEM: Final = OptionType(71, "boot item", formats.BOOT_ITEM, _PXE)

NO_BROADCAST: Final = 0x01
NO_MULTICAST: Final = 0x02
USE_BOOT_FILE: Final = 0x08
"""Bits of the discovery control. The last: load the boot file that this message names; neither ask
another server nor show a menu. (Bit 2 means that servers not listed may not answer.)"""

PXE_SUB_OPTIONS: Final = {
    kind.code: kind
    for kind in (
        MTFTP_ADDRESS,
        MTFTP_CLIENT_PORT,
        MTFTP_SERVER_PORT,
        MTFTP_TIMEOUT,
        MTFTP_DELAY,
        DISCOVERY_CONTROL,
        DISCOVERY_ADDRESS,
        BOOT_SERVERS,
        BOOT_MENU,
        MENU_PROMPT,
        MULTICAST_BLOCK,
        CREDENTIAL_TYPES,
        BOOT_ITEM,
    )
}

# iPXE, in option 175 (`DHCP_EB_*` in its include/ipxe/dhcp.h and features.h)
IPXE_ENCAPSULATED: Final = 175
_IPXE: Final = "iPXE sub-option"
PRIORITY: Final = OptionType(1, "priority", formats.INT8, _IPXE)
KEEP_SAN: Final = OptionType(8, "keep SAN", formats.UINT8, _IPXE)
SKIP_SAN_BOOT: Final = OptionType(9, "skip SAN boot", formats.UINT8, _IPXE)
NO_PROXY_DHCP: Final = OptionType(176, "no proxyDHCP", formats.UINT8, _IPXE)
BUS_ID: Final = OptionType(177, "bus id", formats.OPAQUE, _IPXE)
BIOS_DRIVE: Final = OptionType(189, "BIOS drive", formats.UINT8, _IPXE)
USER_NAME: Final = OptionType(190, "user name", formats.TEXT, _IPXE)
PASSWORD: Final = OptionType(191, "password", formats.TEXT, _IPXE)
VERSION: Final = OptionType(235, "version", formats.OPAQUE, _IPXE)

IPXE_SUB_OPTIONS: Final = {
    kind.code: kind
    for kind in (
        PRIORITY,
        KEEP_SAN,
        SKIP_SAN_BOOT,
        NO_PROXY_DHCP,
        BUS_ID,
        BIOS_DRIVE,
        USER_NAME,
        PASSWORD,
        VERSION,
    )
}

FEATURES: Final = range(0x10, 0x50)
"""The sub-options by which iPXE tells what was built into it."""
HTTP_FEATURE: Final = 0x13


def sub_options(data: bytes, what: str) -> tuple[RawOption, ...]:
    """The sub-options in the `data` of an option, in order, without pads and the end.

    Raises DecodeError, naming `what` (`PXE sub-option`), where one runs past the data.
    """
    if len(data) > VALUE_LIMIT:
        raise DecodeError(what, VALUE_LIMIT, f"{len(data)} bytes, more than {VALUE_LIMIT}")
    found, _ = read_options(data, 0, len(data), what)
    return tuple([each for each in found if each.code != PAD])


def pxe_sub_options(data: bytes) -> tuple[RawOption, ...]:
    """`sub_options` of option 43."""
    return sub_options(data, _PXE)


def ipxe_sub_options(data: bytes) -> tuple[RawOption, ...]:
    """`sub_options` of option 175."""
    return sub_options(data, _IPXE)


def encode_sub_options(found: Iterable[RawOption]) -> bytes:
    """The data of option 43 or 175, with the end that old ROMs look for (RFC 2132 §8.4).

    Raises EncodeError if it does not fit one instance: PXE ROMs read no more than one.
    """
    data = write_options(found) + bytes((END,))
    if len(data) > INSTANCE_LIMIT:
        raise EncodeError(f"{len(data)} bytes of sub-options do not fit one option")
    return data
