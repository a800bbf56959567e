"""What a push certificate allows: topics and environments, from its subject and its extensions.

    subject UID                 the topic of a certificate for one (MDM's, or an app's of old)
    1.2.840.113635.100.6.3.1    may push in the development environment
    1.2.840.113635.100.6.3.2    may push in production
    1.2.840.113635.100.6.3.6    SEQUENCE of topic, SEQUENCE of kinds ("app", "voip", …), topic, …

Source: Apple's certificates as Apple's "Communicating with APNs" describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

MDM_PREFIX: Final = "com.apple.mgmt."
"""How the topic of a certificate for MDM begins."""
TOPICS: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.3.6")

_SEQUENCE: Final = 0x30
_UTF8_STRING: Final = 0x0C


class Environment(Enum):
    """Which of Apple's two services."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"

    @property
    def extension(self) -> x509.ObjectIdentifier:
        """The extension by which a certificate is good for it."""
        last = 2 if self is Environment.PRODUCTION else 1
        return x509.ObjectIdentifier(f"1.2.840.113635.100.6.3.{last}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the holder of a certificate may push."""

    topics: frozenset[str]
    names_topics: bool
    """It has the list of topics, so requests must say theirs."""
    environments: frozenset[Environment]
    """Empty: it does not say."""

    def suits(self, environment: Environment) -> bool:
        """Whether it is good for `environment`. MDM's are for production only."""
        if self.environments:
            return environment in self.environments
        is_mdm = any(topic.startswith(MDM_PREFIX) for topic in self.topics)
        return environment is Environment.PRODUCTION or not is_mdm


def scope_of(certificate: x509.Certificate) -> Scope:
    """The scope of `certificate`. A list of topics that cannot be read allows none."""
    uids = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    own = frozenset(str(uid.value) for uid in uids)
    listed: frozenset[str] | None = None
    environments = set()
    for extension in certificate.extensions:
        value = extension.value
        if extension.oid == TOPICS and isinstance(value, x509.UnrecognizedExtension):
            listed = frozenset(decode_topics(value.value))
        for environment in Environment:
            if extension.oid == environment.extension:
                environments.add(environment)
    return Scope(
        topics=own if listed is None else listed,
        names_topics=listed is not None,
        environments=frozenset(environments),
    )


def encode_topics(topics: Sequence[str]) -> x509.UnrecognizedExtension:
    """The extension that lists `topics`, each of the kind its suffix tells."""
    content = b""
    for topic in topics:
        kind = topic.rpartition(".")[2]
        kinds = kind if kind in ("voip", "complication") else "app"
        content += _element(_UTF8_STRING, topic.encode())
        content += _element(_SEQUENCE, _element(_UTF8_STRING, kinds.encode()))
    return x509.UnrecognizedExtension(TOPICS, _element(_SEQUENCE, content))


def decode_topics(value: bytes) -> list[str]:
    """The topics in the value of the extension; none if it is no such list."""
    try:
        ((tag, content),) = _elements(value)
        if tag != _SEQUENCE:
            return []
        return [text.decode() for tag, text in _elements(content) if tag == _UTF8_STRING]
    except ValueError:
        return []


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The DER elements of `data` side by side. Raises ValueError."""
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise ValueError("ends within an element")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = data[at : at + (length & 0x7F)]
            at += length & 0x7F
            length = int.from_bytes(octets, "big")
        if length > len(data) - at:
            raise ValueError("ends within an element")
        yield tag, data[at : at + length]
        at += length
