"""Apple's reasons in plain words, each with what to do: for people who read what became of a push.

What pushd itself does about a reason (try again, stop the topic, replace the connection) is in the
table of `protocols.apns.reason`; here is what is left for its operator, and for whoever wrote the
program that pushes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.apns.reason import Reason


@dataclass(frozen=True, slots=True)
class Plain:
    """One reason."""

    meaning: str
    remedy: str


_CREDENTIAL: Final = "look at the credential: pushctl credentials check --connect"
_AGAIN: Final = "nothing: pushd tries again by itself"
_PROGRAM: Final = "correct the program that made the push"

PLAIN: Final[Mapping[Reason, Plain]] = {
    Reason.BAD_COLLAPSE_ID: Plain("the collapse id is longer than 64 bytes", _PROGRAM),
    Reason.BAD_DEVICE_TOKEN: Plain(
        "it is no token of this environment",
        "check that the token is whole, and of the same environment as the credential: a build from"
        " Xcode has development tokens",
    ),
    Reason.BAD_EXPIRATION_DATE: Plain("the expiration is no time", _PROGRAM),
    Reason.BAD_MESSAGE_ID: Plain("the id is no UUID", _PROGRAM),
    Reason.BAD_PRIORITY: Plain(
        "the priority is none, or not 5 with a background push", "give 10, 5 or 1"
    ),
    Reason.BAD_TOPIC: Plain(
        "the topic is malformed", "give the bundle id, with the suffix of the push type"
    ),
    Reason.DEVICE_TOKEN_NOT_FOR_TOPIC: Plain(
        "the token is another app's", "push to the topic of the app that registered the token"
    ),
    Reason.DUPLICATE_HEADERS: Plain("a header was sent twice", "report this: pushd sends none so"),
    Reason.IDLE_TIMEOUT: Plain("the connection was idle for too long", _AGAIN),
    Reason.INVALID_PUSH_TYPE: Plain("the push type does not go with the topic", _PROGRAM),
    Reason.MISSING_DEVICE_TOKEN: Plain("there is no token", _PROGRAM),
    Reason.MISSING_TOPIC: Plain("there is no topic", "name the topic: the app's bundle id"),
    Reason.PAYLOAD_EMPTY: Plain("there is no payload", _PROGRAM),
    Reason.TOPIC_DISALLOWED: Plain(
        "the credential is not for that topic",
        "compare the topic, its suffix too, with: pushctl credentials list",
    ),
    Reason.MISSING_PUSH_TYPE: Plain("there is no push type", _PROGRAM),
    Reason.MISSING_CHANNEL_ID: Plain("there is no channel", _PROGRAM),
    Reason.BAD_CHANNEL_ID: Plain("the channel is malformed", "give it as Apple gave it"),
    Reason.CHANNEL_NOT_REGISTERED: Plain(
        "there is no such channel", "make it, in the same environment as the credential"
    ),
    Reason.FEATURE_NOT_ENABLED: Plain(
        "the app may not broadcast", "enable broadcasts for the app at developer.apple.com"
    ),
    Reason.TOPIC_MISMATCH: Plain("the channel is another app's", _PROGRAM),
    Reason.CANNOT_CREATE_CHANNEL_CONFIG: Plain(
        "Apple could not make the channel", "look whether the app has too many already"
    ),
    Reason.BAD_CERTIFICATE: Plain("Apple does not take the certificate", _CREDENTIAL),
    Reason.BAD_CERTIFICATE_ENVIRONMENT: Plain(
        "the certificate is for the other environment", _CREDENTIAL
    ),
    Reason.EXPIRED_PROVIDER_TOKEN: Plain(
        "the signature is older than an hour", "check this computer's clock: pushctl doctor"
    ),
    Reason.FORBIDDEN: Plain("Apple forbids it", _CREDENTIAL),
    Reason.INVALID_PROVIDER_TOKEN: Plain(
        "Apple does not take the signature",
        "compare team id and key id with developer.apple.com, see whether the key was revoked, and"
        " check the clock: pushctl doctor",
    ),
    Reason.MISSING_PROVIDER_TOKEN: Plain(
        "Apple has seen neither certificate nor signature", _CREDENTIAL
    ),
    Reason.UNRELATED_KEY_ID_IN_TOKEN: Plain("the connection was another key's", _AGAIN),
    Reason.BAD_ENVIRONMENT_KEY_ID_IN_TOKEN: Plain(
        "the signing key is for the other environment", _CREDENTIAL
    ),
    Reason.BAD_ENVIRONMENT_KEY_IN_TOKEN: Plain(
        "the signing key is for the other environment", _CREDENTIAL
    ),
    Reason.BAD_PATH: Plain("Apple does not know the path", "report this: pushd asks for none so"),
    Reason.METHOD_NOT_ALLOWED: Plain(
        "Apple does not know the method", "report this: pushd uses none so"
    ),
    Reason.EXPIRED_TOKEN: Plain(
        "the token has expired", "forget it; the app gets another when it registers"
    ),
    Reason.UNREGISTERED: Plain(
        "the app is gone from the device, or the device has left management",
        "forget the token, unless the device has registered since",
    ),
    Reason.PAYLOAD_TOO_LARGE: Plain(
        "the payload is larger than 4,096 bytes (5,120 for VoIP and broadcasts)",
        "send less, and let the app fetch the rest",
    ),
    Reason.TOO_MANY_PROVIDER_TOKEN_UPDATES: Plain(
        "the signature was renewed too often",
        "see whether another program uses the same key; pushd tries again by itself",
    ),
    Reason.TOO_MANY_REQUESTS: Plain("too many pushes for one device", _AGAIN),
    Reason.INTERNAL_SERVER_ERROR: Plain("Apple has a fault", _AGAIN),
    Reason.SERVICE_UNAVAILABLE: Plain("Apple is not available", _AGAIN),
    Reason.SHUTDOWN: Plain("that server of Apple's was going away", _AGAIN),
}

_BY_NAME: Final = {reason.value: plain for reason, plain in PLAIN.items()}


def plain(reason: str | None) -> Plain | None:
    """What a reason means; None where Apple documents no such."""
    return _BY_NAME.get(reason or "")
