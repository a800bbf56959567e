"""The vendor class identifier (DHCP option 60) that marks a message as BSDP (bsdplib.c:172).

    client:  AAPLBSDPC/<architecture>/<system identifier>      AAPLBSDPC/i386/Macmini6,1
    server:  AAPLBSDPC

Architectures are not a closed set. Seen are `ppc`, `i386` (every Intel Mac, 64-bit ones too), `arm`
in Apple's newest client, and the tests of third parties send `x86_64`; any text is an architecture,
and a machine for which no image names it simply finds none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFIX: Final = b"AAPLBSDPC"
SERVER_CLASS_ID: Final = PREFIX
"""What a server sends, exactly: firmware ignores a reply with anything else (BSDPClient.c:775)."""

OLD_FIRMWARE_SYSTEM_ID: Final = "/NetBoot1"
"""What Apple's server takes NetBoot 1.0 firmware for when it filters by model (bsdpd.c:1745)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassId:
    """Who asks: architecture and model; both empty for a bare `AAPLBSDPC`."""

    arch: str
    system_id: str

    @property
    def packed(self) -> bytes:
        """The identifier as a client sends it."""
        text = f"/{self.arch}/{self.system_id}"
        return PREFIX + text.encode("utf-8", "surrogateescape")


def parse_class_id(data: bytes) -> ClassId | None:
    """Parse option 60, or None if Apple's server would not take it for BSDP.

    The prefix is case-sensitive; nothing may follow it but `/arch/`, then the model, which may be
    empty and may hold slashes. A newline or NUL anywhere refuses it (Apple's own tests,
    BSDPClient.c:86). Bytes that are not UTF-8 are kept as surrogate escapes.
    """
    if not data.startswith(PREFIX):
        return None
    rest = data[len(PREFIX) :]
    if not rest:
        return ClassId(arch="", system_id="")
    if rest[:1] != b"/" or b"\n" in rest or b"\0" in rest:
        return None
    arch, slash, system_id = rest[1:].partition(b"/")
    if not slash:
        return None
    return ClassId(
        arch=arch.decode("utf-8", "surrogateescape"),
        system_id=system_id.decode("utf-8", "surrogateescape"),
    )
