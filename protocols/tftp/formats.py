"""The bytes of TFTP, as construct definitions: the normative description.

    RRQ, WRQ   | 1, 2 | file name | 0 | mode | 0 | { option | 0 | value | 0 } ...   RFC 1350, 2347
    DATA       |  3   | block | 0 to blksize bytes |
    ACK        |  4   | block |
    ERROR      |  5   | code  | message | 0 |
    OACK       |  6   | { option | 0 | value | 0 } ...                                   RFC 2347

Opcode, block and code are 16 bits, big-endian. Two leniencies, both of tftp-hpa's server, the one
that firmware has been tested against: bytes after an ACK's block and after an ERROR's message are
ignored, and an ERROR's message may lack its final zero.
"""

from __future__ import annotations

from construct import (
    GreedyBytes,
    GreedyRange,
    Int16ub,
    NullTerminated,
    Optional,
    Pass,
    Struct,
    Switch,
    Terminated,
    this,
)

RRQ = 1
WRQ = 2
DATA = 3
ACK = 4
ERROR = 5
OACK = 6

TEXT = NullTerminated(GreedyBytes)
OPTIONS = GreedyRange(Struct("name" / TEXT, "value" / TEXT))

REQUEST_BODY = Struct("filename" / TEXT, "mode" / TEXT, "options" / OPTIONS, Terminated)
DATA_BODY = Struct("block" / Int16ub, "data" / GreedyBytes)
ACK_BODY = Struct("block" / Int16ub, Optional(GreedyBytes))
ERROR_BODY = Struct(
    "code" / Int16ub, "message" / NullTerminated(GreedyBytes, require=False), Optional(GreedyBytes)
)
OACK_BODY = Struct("options" / OPTIONS, Terminated)

PACKET = Struct(
    "opcode" / Int16ub,
    "body"
    / Switch(
        this.opcode,
        {
            RRQ: REQUEST_BODY,
            WRQ: REQUEST_BODY,
            DATA: DATA_BODY,
            ACK: ACK_BODY,
            ERROR: ERROR_BODY,
            OACK: OACK_BODY,
        },
        default=Pass,
    ),
)
