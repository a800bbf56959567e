"""The bytes of BSDP, as construct definitions: the normative description (bootplib/bsdp.h:156-184).

The hand-written decoders in `vendor`, `image_id` and `image_list` are their twins, about thirty
times faster; tests hold the two together on every input, malformed ones included.

    option 43:   +------+-----+---------+------+-----+---------+
                 | code | len | value … | code | len | value … | …     0 = pad, 255 = end
                 +------+-----+---------+------+-----+---------+
    image id:    |I|    kind   |  reserved 0   |             index             |
    image list:  | image id (4) | name length (1) | name, UTF-8, no NUL | …
"""

from __future__ import annotations

from typing import Any, Final

from construct import (
    BitsInteger,
    BitStruct,
    Byte,
    Bytes,
    Construct,
    ExprValidator,
    Flag,
    FocusedSeq,
    GreedyBytes,
    GreedyRange,
    IfThenElse,
    Int16ub,
    Pass,
    Prefixed,
    Struct,
    Terminated,
    this,
)

PAD: Final = 0
END: Final = 255

BOOT_IMAGE_ID: Final = BitStruct(
    "install" / Flag,
    "kind" / BitsInteger(7),
    "reserved" / BitsInteger(8),
    "index" / BitsInteger(16),
)

IMAGE_DESCRIPTION: Final = Struct(
    "image_id" / BOOT_IMAGE_ID,
    "name" / Prefixed(Byte, GreedyBytes),
)

IMAGE_LIST: Final = FocusedSeq("images", "images" / GreedyRange(IMAGE_DESCRIPTION), Terminated)

SUB_OPTION: Final = Struct(
    "code" / ExprValidator(Byte, lambda code, _: code != END),
    "data" / IfThenElse(this.code == PAD, Pass, Prefixed(Byte, GreedyBytes)),
)

VENDOR_AREA: Final = Struct(
    "sub_options" / GreedyRange(SUB_OPTION),
    "tail" / ExprValidator(GreedyBytes, lambda tail, _: not tail or tail[0] == END),
)
"""One instance of option 43. `tail` is the end sub-option and what follows it, which is ignored."""


def _whole(value: Construct[Any, Any]) -> Construct[Any, Any]:
    """`value` and nothing after it."""
    return FocusedSeq("value", "value" / value, Terminated)


SUB_OPTION_VALUES: Final[dict[int, Construct[Any, Any]]] = {
    1: _whole(Byte),  # message type: 1 LIST, 2 SELECT, 3 FAILED
    2: _whole(Int16ub),  # version: 0x0100, 0x0101; 0 is tolerated
    3: _whole(Bytes(4)),  # server identifier, an IPv4 address
    4: _whole(Int16ub),  # server priority
    5: _whole(Int16ub),  # reply port
    6: GreedyBytes,  # boot image list path, unused since 1.0.4
    7: _whole(BOOT_IMAGE_ID),  # default boot image
    8: _whole(BOOT_IMAGE_ID),  # selected boot image
    9: IMAGE_LIST,  # of all instances joined
    10: GreedyBytes,  # NetBoot 1.0 firmware: there or not (0 bytes; one table of the document: 1)
    11: _whole(GreedyRange(Int16ub)),  # image attributes filter list
    12: _whole(Int16ub),  # maximum message size, IP and UDP headers included
    128: GreedyBytes,  # shadow mount path
    129: GreedyBytes,  # shadow file path
    130: GreedyBytes,  # machine name
}
