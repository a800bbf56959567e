"""NBImageInfo.plist: what a boot image says about itself, with the defaults of Apple's server.

The rules are those of `NBImageEntry_create` in Apple's bootplib/nbimages.c and of the NetBoot
chapter of bootpd(8), wrong types included: a flag that is no boolean and a Kind out of range count
as absent there, so they do here, with a warning. Three keys that Apple's server does not read are
taken up as well because the tools that make images write them: DisabledSystemIdentifiers (honoured
by Server.app and bsdpy) and the descriptive ones. Pure: bytes in, a value or a `BundleError` out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, TypeVar

from images.errors import BundleError
from images.name import objection
from images.plist import PlistError, kind_of, parse_plist

FILE_NAME = "NBImageInfo.plist"

# A real one holds 2 KiB; a thousand model identifiers and a thousand addresses fit in 100 KiB.
MAX_BYTES = 1024 * 1024

MAX_INDEX = 0xFFFF
MAX_KIND = 0x7F

# From here on an index names the same image on every server that offers it (bsdp.h).
FIRST_GLOBAL_INDEX = 4096

_T = TypeVar("_T")


class ImageType(Enum):
    """How a booted machine reaches its root file system."""

    HTTP = "HTTP"
    NFS = "NFS"
    BOOT_FILE_ONLY = "BootFileOnly"


class ImageKind(IntEnum):
    """The kinds that BSDP names; 4 to 127 are reserved and accepted as numbers."""

    MAC_OS_9 = 0
    MAC_OS_X = 1
    MAC_OS_X_SERVER = 2
    DIAGNOSTICS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageInfo:
    """The keys of NBImageInfo.plist; the key is named where ours differs from it."""

    title: str  # Name
    index: int  # 1..65535
    kind: int  # 0..127
    type: ImageType
    boot_file: str  # BootFile: a path below the folder of an architecture
    root_path_key: str | None  # RootPath as written; None for BootFileOnly
    architectures: tuple[str, ...]
    is_enabled: bool
    is_install: bool
    is_default: bool
    is_diskless: bool  # SupportsDiskless
    is_filter_only: bool  # FilterOnly
    enabled_system_ids: frozenset[str]  # empty: every model
    disabled_system_ids: frozenset[str]
    enabled_macs: frozenset[bytes]  # empty: every address
    disabled_macs: frozenset[bytes]
    load_balance_host: str | None  # LoadBalanceServer as written
    description: str | None
    language: str | None
    image_type: str | None  # imageType: netboot, netinstall, netrestore
    os_version: str | None  # osVersion
    is_backward_compatible: bool | None  # BackwardCompatible
    warnings: tuple[str, ...]

    @property
    def image_id(self) -> int:
        """The boot image ID of BSDP: install bit and kind, a reserved zero byte, the index."""
        return (self.is_install << 7 | self.kind) << 24 | self.index

    @property
    def attributes(self) -> int:
        """The upper half of the ID, which a client's attribute filter is matched against."""
        return self.image_id >> 16

    @property
    def is_global(self) -> bool:
        """Whether this index means the same image on every server, so that priority decides."""
        return self.index >= FIRST_GLOBAL_INDEX


INFO_FIELDS = tuple(field.name for field in fields(ImageInfo))


def parse_info(data: bytes, path: Path) -> ImageInfo:
    """Read the bytes of an NBImageInfo.plist; `path` is where they came from, for the error."""
    try:
        keys = parse_plist(data, maximum=MAX_BYTES)
    except PlistError as error:
        raise BundleError(
            path, f"{FILE_NAME} {error}", "write it again (plutil -lint tells what is wrong)"
        ) from error
    return _Reader(keys, path).info()


class _Reader:
    """One reading of the dictionary; collects the warnings on its way."""

    def __init__(self, keys: Mapping[str, Any], path: Path) -> None:
        self._keys = keys
        self._path = path
        self._warnings: list[str] = []

    def info(self) -> ImageInfo:
        image_type = self._type()
        boot_file_only = image_type is ImageType.BOOT_FILE_ONLY
        kind = self._kind(image_type)
        return ImageInfo(
            title=self._required_text("Name"),
            index=self._index(),
            kind=kind,
            type=image_type,
            boot_file=self._boot_file(),
            root_path_key=None if boot_file_only else self._required_text("RootPath"),
            architectures=self._architectures(),
            is_enabled=self._flag("IsEnabled", True),
            is_install=self._flag("IsInstall", False),
            is_default=self._flag("IsDefault", False),
            is_diskless=self._flag("SupportsDiskless", False) and not boot_file_only,
            is_filter_only=self._filter_only(kind),
            enabled_system_ids=frozenset(self._texts("EnabledSystemIdentifiers") or ()),
            disabled_system_ids=frozenset(self._texts("DisabledSystemIdentifiers") or ()),
            enabled_macs=self._macs("EnabledMACAddresses"),
            disabled_macs=self._macs("DisabledMACAddresses"),
            load_balance_host=self._optional("LoadBalanceServer", str),
            description=self._optional("Description", str),
            language=self._optional("Language", str),
            image_type=self._optional("imageType", str),
            os_version=self._optional("osVersion", str),
            is_backward_compatible=self._optional("BackwardCompatible", bool),
            warnings=tuple(self._warnings),
        )

    def _error(self, why: str, remedy: str) -> BundleError:
        return BundleError(self._path, why, remedy)

    def _required_text(self, key: str) -> str:
        value = self._keys.get(key)
        if isinstance(value, str) and value:
            return value
        why = f"{key} is missing" if value is None else f"{key} is {_described(value)}"
        raise self._error(why, f"set {key} to a string that is not empty")

    def _index(self) -> int:
        value = self._keys.get("Index")
        index = _integer(value)
        if index is not None and 1 <= index <= MAX_INDEX:
            return index
        why = "Index is missing" if value is None else f"Index is {_described(value)}"
        raise self._error(why, f"set Index to an <integer> from 1 to {MAX_INDEX}")

    def _type(self) -> ImageType:
        value = self._required_text("Type")
        if value == "Classic":
            raise self._error(
                "Type is Classic, a Mac OS 9 image, which lives on an AFP server",
                "remove it, or set IsEnabled to false and serve it with Mac OS X Server",
            )
        try:
            return ImageType(value)
        except ValueError:
            raise self._error(
                f"Type is {_described(value)}", "set Type to HTTP, NFS or BootFileOnly"
            ) from None

    def _kind(self, image_type: ImageType) -> int:
        value = self._keys.get("Kind")
        kind = _integer(value)
        if kind is not None and 0 <= kind <= MAX_KIND:
            return kind
        if image_type is ImageType.BOOT_FILE_ONLY:
            raise self._error(
                "Kind is missing or no number from 0 to 127, and BootFileOnly has no default",
                "set Kind to <integer>1</integer> (Mac OS X) or 3 (diagnostics)",
            )
        if value is not None:
            self._warnings.append(f"Kind is {_described(value)}; read as 1 (Mac OS X)")
        return int(ImageKind.MAC_OS_X)

    def _filter_only(self, kind: int) -> bool:
        if kind == ImageKind.DIAGNOSTICS and "FilterOnly" not in self._keys:
            return True
        return self._flag("FilterOnly", False)

    def _boot_file(self) -> str:
        value = self._required_text("BootFile")
        for part in value.split("/"):
            problem = objection(part)
            if problem:
                raise self._error(
                    f"BootFile is {_described(value)}, in which {part!r} {problem}",
                    "set BootFile to the name of the booter in the folder of the architecture",
                )
        return value

    def _architectures(self) -> tuple[str, ...]:
        architectures = self._texts("Architectures")
        if architectures is None:
            self._warnings.append("Architectures is missing; read as [ppc]: no Intel Mac sees it")
            return ("ppc",)
        if not architectures or any(objection(name) for name in architectures):
            raise self._error(
                "Architectures is empty or holds what is no folder name",
                "set it to an array that holds i386 (every Intel Mac, 64-bit ones included)",
            )
        return tuple(dict.fromkeys(architectures))

    def _texts(self, key: str) -> list[str] | None:
        value = self._keys.get(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise self._error(f"{key} is no array of strings", f"write {key} as <array> of <string>")

    def _macs(self, key: str) -> frozenset[bytes]:
        return frozenset(self._mac(key, text) for text in self._texts(key) or ())

    def _mac(self, key: str, text: str) -> bytes:
        address = parse_mac(text)
        if address is None:
            raise self._error(
                f"{key} holds {_described(text)}", "write addresses as aa:bb:cc:dd:ee:ff"
            )
        return address

    def _flag(self, key: str, default: bool) -> bool:
        value = self._optional(key, bool)
        if value is None and key in self._keys:
            read_as = str(default).lower()
            self._warnings.append(f"{key} is {_described(self._keys[key])}; read as {read_as}")
        return default if value is None else value

    def _optional(self, key: str, kind: Callable[..., _T]) -> _T | None:
        value = self._keys.get(key)
        return value if isinstance(value, kind) else None  # type: ignore[arg-type]


def parse_mac(text: str) -> bytes | None:
    """Six bytes from any usual spelling, `0:1b:2:...` included (ether_aton), or `None`."""
    for pattern in _MACS:
        if pattern.fullmatch(text):
            octets = re.split("[:-]", text)
            if len(octets) == 6:
                return bytes(int(octet, 16) for octet in octets)
            return bytes.fromhex(text.replace(".", ""))
    return None


_MACS = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        "[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}",
        "[0-9a-f]{1,2}(-[0-9a-f]{1,2}){5}",
        r"[0-9a-f]{4}(\.[0-9a-f]{4}){2}",
        "[0-9a-f]{12}",
    )
)


def _integer(value: object) -> int | None:
    """The number as CFNumberGetValue gives it: reals without a fraction count, booleans do not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _described(value: object) -> str:
    """The value for an error message: short, escaped, never walked into."""
    if isinstance(value, str):
        return f"the string {value[:60]!r}"
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
        return f"the number {value}"
    return kind_of(value)
