"""Requests as Apple documents them: paths, headers and payloads, and what is said to wrong ones.

    POST /3/device/<token>             apns-push-type, apns-topic, apns-id, apns-expiration,
                                       apns-priority, apns-collapse-id; up to 4096 bytes, voip 5120
    POST /4/broadcasts/apps/<app>      apns-channel-id, apns-push-type, apns-expiration,
                                       apns-priority, apns-request-id; up to 5120 bytes

Written from Apple's "Sending notification requests to APNs", "Sending broadcast push notification
requests to APNs" and "Handling notification responses from APNs". What Apple says where those are
silent is marked as a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from protocols.apns.reason import Reason
from pushd.testing.certificate import MDM_PREFIX
from pushd.testing.refusal import Refused

SUFFIX_BY_TYPE: Final[Mapping[str, str]] = {
    "alert": "",
    "background": "",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "mdm": "",
    "location": ".location-query",
    "liveactivity": ".push-type.liveactivity",
    "pushtotalk": ".voip-ptt",
    "widgets": ".push-type.widgets",
    "controls": ".push-type.controls",
}
"""Values of `apns-push-type`, and what follows the bundle id in the topic."""
MAX_PAYLOAD: Final = 4096
MAX_LARGE_PAYLOAD: Final = 5120
"""VoIP, and broadcasts."""
MAX_COLLAPSE_ID: Final = 64
MIN_TOKEN: Final = 64
"""Digits: no token of Apple's has had fewer than 32 bytes."""
MAX_TOKEN: Final = 400
MAX_NUMBER: Final = 20
"""Digits of a number in a header: 64 bits have no more."""

DEVICE_PATH: Final = "/3/device"
BROADCAST_PATH: Final = "/4/broadcasts/apps/"

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII | re.IGNORECASE)
_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)
_BUNDLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,299}", re.ASCII)
_CHANNEL: Final = re.compile(r"[A-Za-z0-9+/]{4,196}={0,2}", re.ASCII)

Fields = Mapping[str, str]
"""The header fields of a request by name, pseudo-headers included."""


class PushRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A push whose headers are right, each by itself."""

    target: str
    """The device token, lower case, or the channel id."""
    topic: str | None
    push_type: str | None
    """Absent: Apple takes such, and guesses."""
    priority: int
    expiration: int | None = None
    collapse_id: str | None = None

    @property
    def bundle_id(self) -> str:
        """The topic without the suffix of its type."""
        return (self.topic or "").removesuffix(SUFFIX_BY_TYPE.get(self.push_type or "", ""))


def fields_of(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by name. Raises Refused if one that Apple reads is there twice."""
    fields = {name.decode("latin-1"): value.decode("utf-8", "replace") for name, value in headers}
    if len(fields) != len(headers):
        names = [name for name, _ in headers if name.startswith((b"apns-", b"authorization"))]
        if len(set(names)) != len(names):
            raise Refused(400, Reason.DUPLICATE_HEADERS)
    return fields


def uuid_in(fields: Fields, header: str) -> str | None:
    """A canonical UUID, as it was written. Raises Refused."""
    value = fields.get(header)
    if value is not None and not _UUID.fullmatch(value):
        raise Refused(400, Reason.BAD_MESSAGE_ID)
    return value


def device_push(fields: Fields) -> PushRequest:
    """The push of a request to a device, its payload apart. Raises Refused."""
    path = fields[":path"]
    token = path[len(DEVICE_PATH) + 1 :]
    if path[len(DEVICE_PATH) : len(DEVICE_PATH) + 1] not in ("", "/"):
        raise Refused(404, Reason.BAD_PATH)
    if not token:
        raise Refused(400, Reason.MISSING_DEVICE_TOKEN)
    if not (MIN_TOKEN <= len(token) <= MAX_TOKEN and _HEX.fullmatch(token)):
        raise Refused(400, Reason.BAD_DEVICE_TOKEN)
    expiration = _expiration(fields)
    priority = _priority(fields)
    collapse_id = fields.get("apns-collapse-id")
    if collapse_id is not None and len(collapse_id.encode()) > MAX_COLLAPSE_ID:
        raise Refused(400, Reason.BAD_COLLAPSE_ID)
    push_type = fields.get("apns-push-type")
    if push_type is not None and push_type not in SUFFIX_BY_TYPE:
        raise Refused(400, Reason.INVALID_PUSH_TYPE)
    # "Using priority 10 is an error" for these, and 10 is what no header means.
    if push_type == "background" and priority != 5:
        raise Refused(400, Reason.BAD_PRIORITY)
    topic = fields.get("apns-topic")
    if topic is not None and not _BUNDLE.fullmatch(topic):
        raise Refused(400, Reason.BAD_TOPIC)
    return PushRequest(
        target=token.lower(),
        topic=topic,
        push_type=push_type,
        priority=priority,
        expiration=expiration,
        collapse_id=collapse_id,
    )


def broadcast_push(fields: Fields) -> PushRequest:
    """The push of a request to a channel, its payload apart. Raises Refused."""
    bundle_id = fields[":path"].removeprefix(BROADCAST_PATH)
    if not _BUNDLE.fullmatch(bundle_id):
        raise Refused(400, Reason.BAD_TOPIC)
    channel_id = channel_in(fields)
    push_type = fields.get("apns-push-type")
    if push_type is None:
        raise Refused(400, Reason.MISSING_PUSH_TYPE)
    if push_type != "liveactivity":
        raise Refused(400, Reason.INVALID_PUSH_TYPE)
    expiration = _expiration(fields)
    if expiration is None:
        raise Refused(400, Reason.BAD_EXPIRATION_DATE)
    return PushRequest(
        target=channel_id,
        topic=bundle_id + SUFFIX_BY_TYPE[push_type],
        push_type=push_type,
        priority=_priority(fields),
        expiration=expiration,
    )


def channel_in(fields: Fields) -> str:
    """The channel that a request is about. Raises Refused."""
    channel_id = fields.get("apns-channel-id")
    if not channel_id:
        raise Refused(400, Reason.MISSING_CHANNEL_ID)
    if not _CHANNEL.fullmatch(channel_id):
        raise Refused(400, Reason.BAD_CHANNEL_ID)
    return channel_id


def check_suffix(push: PushRequest) -> None:
    """Raises Refused if pushes of that type do not go to such a topic."""
    topic, push_type = push.topic or "", push.push_type
    suffix = SUFFIX_BY_TYPE.get(push_type or "", "")
    # What providers report for a bundle id without `.voip` or `.complication` (pushy issue 522,
    # PyAPNs2 issue 70, node-apn issue 635). For other types, and for mdm, that is a guess.
    if not topic.endswith(suffix) or topic == suffix:
        raise Refused(400, Reason.TOPIC_DISALLOWED)
    if push_type is not None and (push_type == "mdm") != topic.startswith(MDM_PREFIX):
        raise Refused(400, Reason.TOPIC_DISALLOWED)


def payload_limit(fields: Fields) -> int:
    """Bytes that the body of a request may have."""
    if fields.get("apns-push-type") == "voip" or not fields[":path"].startswith(DEVICE_PATH):
        return MAX_LARGE_PAYLOAD
    return MAX_PAYLOAD


def object_in(payload: bytes, limit: int) -> dict[str, Any]:
    """The JSON object that a payload is. Raises Refused."""
    if not payload:
        raise Refused(400, Reason.PAYLOAD_EMPTY)
    if len(payload) > limit:
        raise Refused(413, Reason.PAYLOAD_TOO_LARGE)
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A guess: nothing in what Apple reads as JSON.
        raise Refused(400, Reason.PAYLOAD_EMPTY) from None


def _expiration(fields: Fields) -> int | None:
    value = fields.get("apns-expiration")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= MAX_NUMBER):
        raise Refused(400, Reason.BAD_EXPIRATION_DATE)
    return int(value)


def _priority(fields: Fields) -> int:
    value = fields.get("apns-priority", "10")
    if value not in ("10", "5", "1"):
        raise Refused(400, Reason.BAD_PRIORITY)
    return int(value)
