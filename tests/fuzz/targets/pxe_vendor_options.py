"""Sub-options of options 43 and 175 are read or refused as their construct definition says.

Refused means DecodeError; what is read round-trips, and so do all values in it.
"""

from __future__ import annotations

from construct import ConstructError

from protocols.dhcp.option import PAD, RawOption
from protocols.errors import DecodeError, EncodeError
from protocols.pxe.formats import SUB_OPTIONS
from protocols.pxe.registry import (
    IPXE_SUB_OPTIONS,
    PXE_SUB_OPTIONS,
    encode_sub_options,
    ipxe_sub_options,
    pxe_sub_options,
)


def target(data: bytes) -> None:
    data = data[:4080]
    try:
        normative = [
            RawOption(each.code, each.data)
            for each in SUB_OPTIONS.parse(data).sub_options
            if each.code != PAD
        ]
    except ConstructError:
        normative = None
    try:
        ours = list(pxe_sub_options(data))
        assert list(ipxe_sub_options(data)) == ours
    except DecodeError:
        ours = None
    assert ours == normative
    if ours is None:
        return
    for each in ours:
        _value(each)
    try:
        written = encode_sub_options(ours)
    except EncodeError:
        assert sum(2 + len(each.data) for each in ours) + 1 > 255
    else:
        assert list(pxe_sub_options(written)) == ours


def _value(found: RawOption) -> None:
    for kinds in (PXE_SUB_OPTIONS, IPXE_SUB_OPTIONS):
        kind = kinds.get(found.code)
        if kind is None:
            continue
        try:
            value = kind.decode(found.data)
        except DecodeError:
            continue
        assert kind.decode(kind.encode(value)) == value
