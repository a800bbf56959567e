"""What a server brings to a conversation: who it is, and the images it has for this machine.

Plain values, built by the daemon from its configuration and its catalog. Nothing here knows a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from protocols.bsdp.image_id import BootImageId
from protocols.errors import EncodeError

PRIORITY_BASE: Final = 32768
"""What a server without clients says (bsdp.h:67); each known client takes one off."""
MACHINE_NAME_FORMAT: Final = "NetBoot%03d"
SHADOW_FILE_PATH: Final = "%s/Shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedImage:
    """What BSDP must know of an image that this machine may boot."""

    image_id: BootImageId
    name: str
    boot_file: str
    """Path for TFTP, as sent in `file`; one over 127 bytes is left out, as Apple's server does."""
    root_path: str | None
    """`http://…` or `nfs:…`, at most 255 bytes; None for an image that is a boot file only."""
    server: IPv4Address | None = None
    """Who serves the files, if another machine shares the load."""
    diskless: bool = False
    filter_only: bool = False
    """Shown only to clients that ask for its attributes (diagnostics); selectable all the same."""

    def matches(self, attributes: frozenset[int] | None) -> bool:
        """Whether a client with this attribute filter sees it (nbimages.c:1135)."""
        if attributes is None:
            return not self.filter_only
        return self.image_id.attributes in attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """Who answers, and how. Raises EncodeError for settings that no reply could carry."""

    address: IPv4Address
    """Ours on the interface where the request arrived."""
    host_name: str
    priority: int = PRIORITY_BASE
    machine_name_format: str = MACHINE_NAME_FORMAT
    """Takes the running number, in printf's notation as in Apple's settings (bootpd.plist)."""
    shadow_mount_path: str | None = None
    """`afp://user:password@address/share` for diskless images; without it none are diskless."""
    shadow_file_path: str = SHADOW_FILE_PATH
    """`%s` becomes the machine's name: two machines must never share a shadow file."""
    allow_unprivileged_reply_port: bool = False
    """For clients that run without privileges, such as our own in a demonstration."""
    answer_old_firmware: bool = False
    """Whether clients with NetBoot 1.0 firmware (sub-option 10) get an answer."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^%]*%(0?[1-9])?d[^%]*", self.machine_name_format):
            raise EncodeError(f"machine name format {self.machine_name_format!r} has not one %d")
        if not 0 <= self.priority <= 0xFFFF:
            raise EncodeError(f"priority {self.priority} is not in 0..65535")

    def machine_name(self, number: int) -> str:
        """The name of the machine that was the `number`th to select an image here."""
        return self.machine_name_format % number
