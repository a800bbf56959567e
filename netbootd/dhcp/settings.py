"""What an operator may set for the DHCP server: `[dhcp]`."""

from __future__ import annotations

from msgspec import Struct


class DhcpSettings(Struct, frozen=True, kw_only=True):
    """The DHCP server, for networks that have no other."""

    enabled: bool = False
    """Lease addresses. Leave it off where another DHCP server does."""
