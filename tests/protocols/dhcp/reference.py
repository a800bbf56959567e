"""The slow decoder and encoder, straight from the normative definitions in `formats`.

The twin tests and the fuzz target `dhcp_message` hold the production codec against these.
"""

from __future__ import annotations

from construct import ConstructError, Container

from protocols.dhcp.formats import MESSAGE
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption

FIELDS = (
    *("op", "htype", "hlen", "hops", "xid", "secs", "flags"),
    *("ciaddr", "yiaddr", "siaddr", "giaddr", "chaddr", "sname", "file"),
)


def reference_decode(data: bytes) -> DhcpMessage | None:
    """The message that the definitions see in `data`, or None where they refuse it."""
    try:
        found = MESSAGE.parse(data)
    except ConstructError:
        return None
    return DhcpMessage(
        **{name: found[name] for name in FIELDS},
        options=tuple(RawOption(option.code, option.data) for option in found.area.options),
        tail=found.area.tail,
    )


def reference_encode(message: DhcpMessage) -> bytes:
    """The bytes that the definitions make of a message with a `tail` and short options."""
    options = [Container(code=code, data=data) for code, data in message.options]
    fields = {name: getattr(message, name) for name in FIELDS}
    built: bytes = MESSAGE.build(
        Container(**fields, area=Container(options=options, tail=message.tail))
    )
    return built
