"""The one structure of ASN.1 that no library reads for us: the topics of a push certificate.

    SEQUENCE { UTF8String "com.example.app",      SEQUENCE { UTF8String "app" },
               UTF8String "com.example.app.voip", SEQUENCE { UTF8String "voip" }, ... }

Extension 1.2.840.113635.100.6.3.6, which Apple does not document; so providers read it (pushy,
CertificateUtil): the texts of the outer sequence are topics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

SEQUENCE: Final = 0x30
TEXTS: Final = frozenset((0x0C, 0x13, 0x16))
"""UTF8String, PrintableString, IA5String."""


class DerError(ValueError):
    """Bytes that are no such structure."""


def topics_in(extension: bytes) -> list[str]:
    """The topics in the value of the extension. Raises DerError, or UnicodeDecodeError."""
    outer = list(_elements(extension))
    if len(outer) != 1 or outer[0][0] != SEQUENCE:
        raise DerError("it is no SEQUENCE")
    return [content.decode() for tag, content in _elements(outer[0][1]) if tag in TEXTS]


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise DerError("it ends in a tag")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:  # X.690 §8.1.3.5: so many bytes of length follow
            size = length & 0x7F
            if not 0 < size <= 3 or at + size > len(data):
                raise DerError("it has a length of no DER")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise DerError("it ends in a value")
        yield tag, data[at : at + length]
        at += length
