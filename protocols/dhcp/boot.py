"""What a DHCP reply tells a machine that boots from the network.

Decided by whoever knows what the machine should boot, carried by whoever writes the reply. Values
only: this module must know neither images nor addresses of clients.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from protocols.dhcp.message import NO_ADDRESS
from protocols.dhcp.option import RawOption


@dataclass(frozen=True, slots=True, kw_only=True)
class BootParameters:
    """The boot fields and options of one OFFER or ACK."""

    next_server: IPv4Address = NO_ADDRESS
    """`siaddr`: where the boot file is."""
    server_name: bytes = b""
    """`sname`, up to 63 bytes."""
    file: bytes = b""
    """`file`, up to 127 bytes."""
    options: tuple[RawOption, ...] = ()
    """Sent whether asked for or not; they win over configured options of the same code."""
