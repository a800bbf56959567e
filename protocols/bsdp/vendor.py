"""The sub-options inside DHCP option 43: read, looked up, written.

Each instance of option 43 is parsed on its own and holds complete sub-options (bsdpd.c:529); pads
and an end inside it are tolerated and not kept. Order carries no meaning and is kept. Where a
sub-option comes twice the first one counts (`dhcpol_find`), except that image lists are joined.

A value is interpreted only when it is asked for, because Apple's client and server check different
lengths. This is the hand-written twin of `formats.VENDOR_AREA` and `formats.SUB_OPTION_VALUES`; it
must raise nothing but DecodeError, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Any, Final, Generic, NamedTuple, TypeVar

from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.image_list import (
    IMAGE_LIST_CODE,
    INSTANCE_LIMIT,
    TLV_HEADER,
    ImageDescription,
    decode_images,
    encode_images,
)
from protocols.errors import DecodeError, EncodeError

T = TypeVar("T")

PAD: Final = 0
END: Final = 255


class MessageType(IntEnum):
    """Sub-option 1. A message that is neither may carry any other number."""

    LIST = 1
    SELECT = 2
    FAILED = 3


VERSION_1_0: Final = 0x0100
VERSION_1_1: Final = 0x0101
VERSIONS: Final = frozenset({VERSION_1_0, VERSION_1_1, 0x0000})
"""Those that Apple's server answers (bsdpd.c:1373)."""


class SubOption(NamedTuple):
    """One sub-option: its code (1..254) and its data, at most 255 bytes, uninterpreted.

    A named tuple and not a dataclass for the reason given at `protocols.dhcp.option.RawOption`.
    """

    code: int
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Generic[T]):
    """What a sub-option means: its code, its name, how its data becomes a value and back."""

    code: int
    name: str
    size: int | None
    """Bytes of a well-formed one; None where the length is free."""
    read: Callable[[bytes], T]
    write: Callable[[T], bytes]

    def decode(self, data: bytes) -> T:
        """Raises DecodeError, naming the sub-option, if `data` has the wrong length or content.

        Apple's server reads whatever lies there instead (bsdpd.c:1369, 1724, 1868).
        """
        if self.size is not None and len(data) != self.size:
            raise DecodeError(self._what, 0, f"has {len(data)} bytes, not {self.size}")
        try:
            return self.read(data)
        except DecodeError as error:
            raise DecodeError(self._what, error.offset, error.why) from None

    def sub_option(self, value: T) -> SubOption:
        """`value` as a sub-option. Raises EncodeError if it does not fit."""
        try:
            data = self.write(value)
        except OverflowError:
            raise EncodeError(f"{self._what}: {value!r} is out of range") from None
        if len(data) > INSTANCE_LIMIT:
            raise EncodeError(f"{self._what}: {len(data)} bytes do not fit its length byte")
        return SubOption(self.code, data)

    @property
    def _what(self) -> str:
        return f"sub-option {self.code} ({self.name})"


def _unsigned(code: int, name: str, size: int) -> Field[int]:
    return Field(
        code=code,
        name=name,
        size=size,
        read=lambda data: int.from_bytes(data, "big"),
        write=lambda value: value.to_bytes(size, "big"),
    )


def _image_id(code: int, name: str) -> Field[BootImageId]:
    return Field(
        code=code, name=name, size=4, read=BootImageId.decode, write=lambda value: value.packed
    )


def _octets(code: int, name: str) -> Field[bytes]:
    return Field(code=code, name=name, size=None, read=bytes, write=bytes)


def _read_attributes(data: bytes) -> tuple[int, ...]:
    if len(data) % 2:
        raise DecodeError("attributes", len(data), f"{len(data)} bytes are no list of pairs")
    return tuple([int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)])


def _write_attributes(value: tuple[int, ...]) -> bytes:
    return b"".join([attributes.to_bytes(2, "big") for attributes in value])


MESSAGE_TYPE: Final = _unsigned(1, "message type", 1)
VERSION: Final = _unsigned(2, "version", 2)
SERVER_IDENTIFIER: Final = Field(
    code=3,
    name="server identifier",
    size=4,
    read=IPv4Address,
    write=lambda value: value.packed,
)
SERVER_PRIORITY: Final = _unsigned(4, "server priority", 2)
REPLY_PORT: Final = _unsigned(5, "reply port", 2)
BOOT_IMAGE_LIST_PATH: Final = _octets(6, "boot image list path")
DEFAULT_IMAGE: Final = _image_id(7, "default boot image")
SELECTED_IMAGE: Final = _image_id(8, "selected boot image")
BOOT_IMAGE_LIST: Final[Field[tuple[ImageDescription, ...]]] = Field(
    code=IMAGE_LIST_CODE,
    name="boot image list",
    size=None,
    read=decode_images,
    write=encode_images,
)
OLD_FIRMWARE: Final = _octets(10, "NetBoot 1.0 firmware")
"""There or not; its data says nothing (0 bytes by the code, 1 by one table of the document)."""
ATTRIBUTES_FILTER: Final[Field[tuple[int, ...]]] = Field(
    code=11,
    name="image attributes filter list",
    size=None,
    read=_read_attributes,
    write=_write_attributes,
)
MAX_MESSAGE_SIZE: Final = _unsigned(12, "maximum message size", 2)
SHADOW_MOUNT_PATH: Final = _octets(128, "shadow mount path")
SHADOW_FILE_PATH: Final = _octets(129, "shadow file path")
MACHINE_NAME: Final = _octets(130, "machine name")

FIELDS: Final[tuple[Field[Any], ...]] = (
    MESSAGE_TYPE,
    VERSION,
    SERVER_IDENTIFIER,
    SERVER_PRIORITY,
    REPLY_PORT,
    BOOT_IMAGE_LIST_PATH,
    DEFAULT_IMAGE,
    SELECTED_IMAGE,
    BOOT_IMAGE_LIST,
    OLD_FIRMWARE,
    ATTRIBUTES_FILTER,
    MAX_MESSAGE_SIZE,
    SHADOW_MOUNT_PATH,
    SHADOW_FILE_PATH,
    MACHINE_NAME,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorOptions:
    """The sub-options of all instances of option 43 in one message, in wire order."""

    sub_options: tuple[SubOption, ...]

    def first(self, code: int) -> bytes | None:
        """The data of the first sub-option `code`, or None."""
        for found, data in self.sub_options:
            if found == code:
                return data
        return None

    def joined(self, code: int) -> bytes | None:
        """The data of every sub-option `code` in one, or None without any (bsdplib's copy)."""
        found = [data for each, data in self.sub_options if each == code]
        return b"".join(found) if found else None

    def value(self, field: Field[T]) -> T | None:
        """The typed value of `field`, or None where it is absent. Raises DecodeError."""
        data = self.joined(field.code) if field.code == IMAGE_LIST_CODE else self.first(field.code)
        return None if data is None else field.decode(data)


def decode_instance(data: bytes) -> tuple[SubOption, ...]:
    """The sub-options of one instance of option 43, in order, up to an end sub-option.

    Raises DecodeError, naming the sub-option, where one runs past the instance.
    """
    sub_options: list[SubOption] = []
    at, stop = 0, len(data)
    while at < stop:
        code = data[at]
        if code == END:
            break
        if code == PAD:
            at += 1
            continue
        if at + 1 == stop:
            raise DecodeError(f"sub-option {code}", at + 1, "the length byte is missing")
        end = at + TLV_HEADER + data[at + 1]
        if end > stop:
            why = f"{data[at + 1]} bytes announced, {stop - at - TLV_HEADER} left"
            raise DecodeError(f"sub-option {code}", at + 1, why)
        sub_options.append(SubOption(code, data[at + TLV_HEADER : end]))
        at = end
    return tuple(sub_options)


def decode(instances: Sequence[bytes]) -> VendorOptions:
    """All `instances` of option 43, each parsed on its own. Raises DecodeError if one is bad."""
    return VendorOptions(
        sub_options=tuple([found for data in instances for found in decode_instance(data)])
    )


def decode_lenient(instances: Sequence[bytes]) -> VendorOptions:
    """`decode`, for a server: instances that fail on their own are tried as one (RFC 3396).

    A client that splits option 43 by bytes would get no answer from Apple's server. Raises
    DecodeError, that of the instances on their own, if joining does not help either.
    """
    try:
        return decode(instances)
    except DecodeError:
        if len(instances) < 2:
            raise
        try:
            return decode((b"".join(instances),))
        except DecodeError:
            pass
        raise


def encode(sub_options: Iterable[SubOption]) -> tuple[bytes, ...]:
    """Instances of option 43 of at most 255 bytes, each with whole sub-options, in order.

    One that does not fit what is left of an instance opens the next (`dhcpoa_vendor_add`). Raises
    EncodeError for one that fits none.
    """
    instances: list[bytes] = []
    instance = b""
    for code, data in sub_options:
        size = TLV_HEADER + len(data)
        if size > INSTANCE_LIMIT or not PAD < code < END:
            raise EncodeError(f"sub-option {code} of {len(data)} bytes cannot be written")
        if len(instance) + size > INSTANCE_LIMIT:
            instances.append(instance)
            instance = b""
        instance += b"%c%c%b" % (code, len(data), data)
    if instance:
        instances.append(instance)
    return tuple(instances)
