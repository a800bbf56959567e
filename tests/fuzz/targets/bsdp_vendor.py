"""Option 43 is read or refused as its construct definition says, as DecodeError, and round-trips.

So are all values in it. The input is cut at 0xfe 0xfe into instances.
"""

from __future__ import annotations

from construct import ConstructError

from protocols.bsdp import vendor
from protocols.bsdp.formats import PAD, SUB_OPTION_VALUES, VENDOR_AREA
from protocols.bsdp.vendor import VendorOptions, decode, decode_instance, decode_lenient, encode
from protocols.errors import DecodeError

CUT = b"\xfe\xfe"


def target(data: bytes) -> None:
    instances = data.split(CUT)
    for instance in instances:
        _agrees(instance)
    try:
        options = decode(instances)
    except DecodeError:
        try:
            options = decode_lenient(instances)
        except DecodeError:
            return
    else:
        assert decode_lenient(instances) == options
    _values(options)
    if all(len(found.data) <= 253 for found in options.sub_options):
        assert decode(encode(options.sub_options)) == options


def _agrees(instance: bytes) -> None:
    try:
        normative = [
            (found.code, found.data)
            for found in VENDOR_AREA.parse(instance).sub_options
            if found.code != PAD
        ]
    except ConstructError:
        normative = None
    try:
        ours = [tuple(found) for found in decode_instance(instance)]
    except DecodeError:
        ours = None
    assert ours == normative


def _values(options: VendorOptions) -> None:
    for field in vendor.FIELDS:
        data = options.joined(field.code) if field.code == 9 else options.first(field.code)
        try:
            value = options.value(field)
        except DecodeError:
            assert data is not None
            assert not _takes(field.code, data)
            continue
        assert (value is None) == (data is None)
        assert data is None or _takes(field.code, data)


def _takes(code: int, data: bytes) -> bool:
    try:
        SUB_OPTION_VALUES[code].parse(data)
    except ConstructError:
        return False
    return True
