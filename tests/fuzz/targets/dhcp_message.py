"""The DHCP codec and the normative definitions see the same in any bytes: both refuse them, or both
find the same message, and that encodes to the same bytes again.
"""

from __future__ import annotations

from protocols.dhcp.codec import decode, encode, split_header
from protocols.errors import DecodeError
from tests.protocols.dhcp.reference import reference_decode


def target(data: bytes) -> None:
    try:
        message = decode(data)
    except DecodeError:
        message = None
    assert message == reference_decode(data)
    if message is not None:
        assert encode(message) == data
        assert split_header(data) == (data[:236], data[240:])
