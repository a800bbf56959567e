"""Who asks to be booted: a DHCP message as a network boot client, if one sent it.

    option 60   PXEClient:Arch:00007:UNDI:003000     a PXE ROM, or UEFI's PXE
                HTTPClient:Arch:00016:UNDI:003000    UEFI HTTP boot
    option 77   iPXE, or option 175                  iPXE, which calls itself PXEClient too

It must leave Macs alone: their firmware is no PXE client, and iPXE that calls itself a Mac
(`AAPLBSDPC/…`) wants to be treated as one. Nothing here decides what a client boots.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from protocols.dhcp.message import BOOTREQUEST, DhcpMessage
from protocols.dhcp.registry import (
    CLASS_IDENTIFIER,
    CLIENT_ARCHITECTURE,
    CLIENT_MACHINE,
    USER_CLASS,
    VENDOR_SPECIFIC,
)
from protocols.pxe.architecture import Architecture, platform_of
from protocols.pxe.registry import (
    BOOT_ITEM,
    FEATURES,
    HTTP_FEATURE,
    IPXE_ENCAPSULATED,
    ipxe_sub_options,
    pxe_sub_options,
)
from protocols.pxe.value import BootItem

PXE_CLASS: Final = b"PXEClient"
HTTP_CLASS: Final = b"HTTPClient"
LEGACY_BIOS_CLASS: Final = b"PXEClient:Arch:00000"
"""ROMs of PXE 1.x and early 2.x name their architecture in the class only."""
IPXE_USER_CLASS: Final = b"iPXE"
ONE_TYPE: Final = 2
"""Bytes of an option 93 with one type, which is what all firmware sends."""
MACHINE_ID_SIZE: Final = 17
"""A type byte, 0, and a UUID (RFC 4578 §2.3)."""


class ClientKind(Enum):
    """How a client loads what it is told to boot."""

    PXE = "PXE"
    """By TFTP, a file."""
    HTTP = "HTTP boot"
    """By HTTP or HTTPS, a UEFI program."""
    IPXE = "iPXE"
    """By a script of ours, over HTTP or TFTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PxeClient:
    """A network boot client, as one message of it tells."""

    kind: ClientKind
    architecture: int
    """The first type in option 93; see `Architecture`, which need not know it."""
    mac: bytes
    """The hardware address: 6 bytes, but for InfiniBand and other links; may be empty."""
    machine_id: bytes | None = None
    """The data of option 97, to be echoed. Some ROMs omit it."""
    vendor_class: bytes
    features: frozenset[int] = frozenset()
    """What was built into an iPXE: numbers of `registry.FEATURES`."""
    boot_item: BootItem | None = None
    """What it chose in a PXE boot menu."""

    @property
    def platform(self) -> str:
        """What its boot files must be for, such as `uefi-x86-64`."""
        return platform_of(self.architecture)

    @property
    def machine_uuid(self) -> UUID | None:
        """The machine's SMBIOS UUID; None where it is missing, malformed or all zero.

        In SMBIOS byte order: OVMF of a machine 564d4c55-0001-… sends 00 554c4d56 0100 … (capture
        `ovmf-pxe4-ra`), and zeros where the machine has none (`ovmf-pxe4`).
        """
        raw = self.machine_id
        if raw is None or len(raw) != MACHINE_ID_SIZE or not any(raw[1:]) or raw[0]:
            return None
        return UUID(bytes_le=raw[1:])

    @property
    def takes_http(self) -> bool:
        """Whether it can load a URL by HTTP; an iPXE that tells no features is taken to."""
        if self.kind is ClientKind.IPXE:
            return not self.features or HTTP_FEATURE in self.features
        return self.kind is ClientKind.HTTP


def client_from(message: DhcpMessage) -> PxeClient | None:
    """The network boot client that sent `message`, or None if none did.

    None too for a PXE client that does not tell its architecture, unless its class does (RFC 4578
    §2.1 requires option 93, and no boot file suits a machine unknown). Raises DecodeError for
    malformed options 43, 93 or 175.
    """
    if message.op != BOOTREQUEST:
        return None
    vendor_class = message.option(CLASS_IDENTIFIER.code)
    if vendor_class is None:
        return None
    is_http = vendor_class.startswith(HTTP_CLASS)
    if not is_http and not vendor_class.startswith(PXE_CLASS):
        return None
    architecture = _architecture(message, vendor_class)
    if architecture is None:
        return None
    encapsulated = message.option(IPXE_ENCAPSULATED)
    kind = ClientKind.HTTP if is_http else ClientKind.PXE
    if encapsulated is not None or _says_ipxe(message):
        kind = ClientKind.IPXE
    return PxeClient(
        kind=kind,
        architecture=architecture,
        mac=message.hardware_address,
        machine_id=message.option(CLIENT_MACHINE.code),
        vendor_class=vendor_class,
        features=frozenset() if encapsulated is None else _features(encapsulated),
        boot_item=_boot_item(message),
    )


def _architecture(message: DhcpMessage, vendor_class: bytes) -> int | None:
    types = message.option(CLIENT_ARCHITECTURE.code)
    if types is not None and len(types) == ONE_TYPE:
        return int.from_bytes(types, "big")
    if types is not None:
        return CLIENT_ARCHITECTURE.decode(types)[0]
    return Architecture.X86_BIOS if vendor_class.startswith(LEGACY_BIOS_CLASS) else None


def _says_ipxe(message: DhcpMessage) -> bool:
    """iPXE sends its name without the length byte of RFC 3004 (captures `bios-ipxe-*`)."""
    user_class = message.option(USER_CLASS.code)
    if not user_class:
        return False
    return user_class == IPXE_USER_CLASS or IPXE_USER_CLASS in USER_CLASS.decode(user_class).classes


def _features(encapsulated: bytes) -> frozenset[int]:
    """A feature of value 0 is one left out."""
    found = ipxe_sub_options(encapsulated)
    return frozenset(code for code, data in found if code in FEATURES and any(data))


def _boot_item(message: DhcpMessage) -> BootItem | None:
    vendor_options = message.option(VENDOR_SPECIFIC.code)
    if not vendor_options:
        return None
    for code, data in pxe_sub_options(vendor_options):
        if code == BOOT_ITEM.code:
            return BOOT_ITEM.decode(data)
    return None
