"""A push as a provider states it, and what Apple would refuse of it.

    POST /3/device/<token>          Notification
    POST /4/broadcasts/apps/<app>   Broadcast

`objection_to` finds what is wrong before it costs a round trip, and too many refusals, which slow a
provider down until Apple closes the connection. Its reasons are Apple's ("Handling notification
responses from APNs"); limits and headers are those of "Sending notification requests to APNs". The
payload is bytes: it is sent as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from protocols.apns.reason import Reason

MAX_PAYLOAD: Final = 4096
MAX_VOIP_PAYLOAD: Final = 5120
MAX_BROADCAST_PAYLOAD: Final = 5120
MAX_COLLAPSE_ID: Final = 64
MAX_TOKEN_DIGITS: Final = 400
"""Apple: "don't hard-code" a size; tokens have 64 hexadecimal digits and some push types more."""
MAX_TOPIC: Final = 300
"""Characters: a bundle id has up to 155, and the longest suffix 26."""
MAX_EXPIRATION: Final = (1 << 63) - 1
PRIORITIES: Final = frozenset((1, 5, 10))
MDM_TOPIC: Final = "com.apple.mgmt."

_TOKEN: Final = re.compile(r"([0-9a-f]{2})+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class PushType(StrEnum):
    """The values of `apns-push-type`."""

    ALERT = "alert"
    BACKGROUND = "background"
    VOIP = "voip"
    COMPLICATION = "complication"
    FILEPROVIDER = "fileprovider"
    MDM = "mdm"
    LOCATION = "location"
    LIVEACTIVITY = "liveactivity"
    PUSHTOTALK = "pushtotalk"
    WIDGETS = "widgets"
    CONTROLS = "controls"


SUFFIXES: Final[Mapping[PushType, str]] = {
    PushType.VOIP: ".voip",
    PushType.COMPLICATION: ".complication",
    PushType.FILEPROVIDER: ".pushkit.fileprovider",
    PushType.LOCATION: ".location-query",
    PushType.LIVEACTIVITY: ".push-type.liveactivity",
    PushType.PUSHTOTALK: ".voip-ptt",
    PushType.WIDGETS: ".push-type.widgets",
    PushType.CONTROLS: ".push-type.controls",
}
"""What follows the bundle id in the topic, for the types that have such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a push is not sent. `reason` is what Apple would say, None where nobody knows what."""

    status: int
    reason: Reason | None
    detail: str
    """For who wrote the push: the header or key, and what would be right."""


class Notification(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A push to one device. Any values may be in it; `objection_to` judges them."""

    device: str
    """The device token, lower-case hexadecimal."""
    topic: str
    push_type: PushType
    payload: bytes
    """JSON, UTF-8."""
    apns_id: str
    """A UUID in canonical form, lower case."""
    expiration: int | None = None
    """Seconds since 1970 (UTC); 0 is one attempt, None Apple's choice."""
    priority: int | None = None
    """10, 5 or 1; None is Apple's default, 10."""
    collapse_id: str | None = None

    @property
    def path(self) -> str:
        """The request's `:path`."""
        return f"/3/device/{self.device}"

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Apple's headers, without the pseudo-headers and `authorization`."""
        return _headers(
            ("apns-push-type", self.push_type.value),
            ("apns-topic", self.topic),
            ("apns-priority", self.priority),
            ("apns-id", self.apns_id),
            ("apns-expiration", self.expiration),
            ("apns-collapse-id", self.collapse_id),
        )


class Broadcast(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Live Activity push to all that listen to a channel (iOS 18)."""

    bundle_id: str
    channel_id: str
    """As Apple gave it when the channel was made: base64."""
    payload: bytes
    expiration: int
    """Seconds since 1970 (UTC), 0 for channels that store nothing."""
    request_id: str
    """A UUID in canonical form, lower case."""
    priority: int | None = None

    @property
    def path(self) -> str:
        """The request's `:path`."""
        return f"/4/broadcasts/apps/{self.bundle_id}"

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Apple's headers, without the pseudo-headers and `authorization`."""
        return _headers(
            ("apns-push-type", PushType.LIVEACTIVITY.value),
            ("apns-channel-id", self.channel_id),
            ("apns-priority", self.priority),
            ("apns-request-id", self.request_id),
            ("apns-expiration", self.expiration),
        )


def topic_for(bundle_id: str, push_type: PushType) -> str:
    """The topic of pushes of that type to an app. MDM's is the UID of the push certificate."""
    return bundle_id + SUFFIXES.get(push_type, "")


def mdm_payload(push_magic: str) -> bytes:
    """The payload that wakes a managed device: its PushMagic and nothing else."""
    return json.dumps({"mdm": push_magic}, ensure_ascii=False, separators=(",", ":")).encode()


def objection_to(push: Notification | Broadcast) -> Objection | None:
    """What Apple would refuse of `push`; None: nothing that we know of."""
    if isinstance(push, Broadcast):
        return (
            _uuid_objection("apns-request-id", push.request_id)
            or _topic_objection(push.bundle_id)
            or _channel_objection(push.channel_id)
            or _time_objection(push.expiration, push.priority)
            or _payload_objection(push.payload, MAX_BROADCAST_PAYLOAD)
        )
    maximum = MAX_VOIP_PAYLOAD if push.push_type is PushType.VOIP else MAX_PAYLOAD
    return (
        _device_objection(push.device)
        or _uuid_objection("apns-id", push.apns_id)
        or _topic_objection(push.topic)
        or _suffix_objection(push.topic, push.push_type)
        or _time_objection(push.expiration, push.priority)
        or _background_objection(push)
        or _collapse_objection(push.collapse_id)
        or _payload_objection(push.payload, maximum)
        or _mdm_objection(push)
    )


def _headers(*pairs: tuple[str, str | int | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in pairs if value is not None)


def _bad(reason: Reason, detail: str, status: int = 400) -> Objection:
    return Objection(status=status, reason=reason, detail=detail)


def _device_objection(device: str) -> Objection | None:
    if not device:
        return _bad(Reason.MISSING_DEVICE_TOKEN, "the device token is empty")
    if len(device) > MAX_TOKEN_DIGITS or not _TOKEN.fullmatch(device):
        return _bad(
            Reason.BAD_DEVICE_TOKEN,
            f"a device token is an even number of lower-case hexadecimal digits, 2 to"
            f" {MAX_TOKEN_DIGITS}",
        )
    return None


def _uuid_objection(header: str, value: str) -> Objection | None:
    if _UUID.fullmatch(value):
        return None
    detail = f"{header} is a UUID such as 123e4567-e89b-12d3-a456-4266554400a0, in lower case"
    return _bad(Reason.BAD_MESSAGE_ID, detail)


def _topic_objection(topic: str) -> Objection | None:
    if not topic:
        return _bad(Reason.MISSING_TOPIC, "apns-topic is empty")
    if len(topic) > MAX_TOPIC or not _TOPIC.fullmatch(topic):
        detail = f"apns-topic is a bundle id of up to {MAX_TOPIC} characters, with its suffix"
        return _bad(Reason.BAD_TOPIC, detail)
    return None


def _suffix_objection(topic: str, push_type: PushType) -> Objection | None:
    """A topic that may be somebody's, but not of that push type. Apple says TopicDisallowed of it
    (pushy issue 522, PyAPNs2 issue 70, node-apn issue 635)."""
    suffix = SUFFIXES.get(push_type, "")
    if not topic.endswith(suffix) or topic == suffix:
        return _bad(Reason.TOPIC_DISALLOWED, f"the topic of a {push_type} push ends in {suffix}")
    if push_type is PushType.MDM and not topic.startswith(MDM_TOPIC):
        detail = f"the topic of an mdm push is the UID of its certificate, {MDM_TOPIC}…"
        return _bad(Reason.TOPIC_DISALLOWED, detail)
    return None


def _channel_objection(channel_id: str) -> Objection | None:
    if not channel_id:
        return _bad(Reason.MISSING_CHANNEL_ID, "apns-channel-id is empty")
    if len(channel_id) > 200 or not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", channel_id):
        return _bad(Reason.BAD_CHANNEL_ID, "apns-channel-id is base64, as Apple gave it")
    return None


def _time_objection(expiration: int | None, priority: int | None) -> Objection | None:
    if expiration is not None and not 0 <= expiration <= MAX_EXPIRATION:
        detail = "apns-expiration is seconds since 1970, or 0 for one attempt"
        return _bad(Reason.BAD_EXPIRATION_DATE, detail)
    if priority is not None and priority not in PRIORITIES:
        return _bad(Reason.BAD_PRIORITY, "apns-priority is 10, 5 or 1")
    return None


def _background_objection(push: Notification) -> Objection | None:
    if push.push_type is PushType.BACKGROUND and push.priority != 5:
        return _bad(Reason.BAD_PRIORITY, "the priority of a background push is 5, and said")
    return None


def _collapse_objection(collapse_id: str | None) -> Objection | None:
    if collapse_id is None:
        return None
    # A header value: what HTTP forbids in one (RFC 9110 §5.5) cannot be sent.
    if 0 < len(collapse_id.encode()) <= MAX_COLLAPSE_ID and collapse_id.isprintable():
        return None
    detail = f"apns-collapse-id has 1 to {MAX_COLLAPSE_ID} bytes, all printable"
    return _bad(Reason.BAD_COLLAPSE_ID, detail)


def _payload_objection(payload: bytes, maximum: int) -> Objection | None:
    if not payload:
        return _bad(Reason.PAYLOAD_EMPTY, "the payload is empty")
    if len(payload) > maximum:
        detail = f"the payload has {len(payload)} bytes, {maximum} may be sent"
        return _bad(Reason.PAYLOAD_TOO_LARGE, detail, 413)
    if _object_in(payload) is None:
        return Objection(status=400, reason=None, detail="the payload is no JSON object in UTF-8")
    return None


def _mdm_objection(push: Notification) -> Objection | None:
    """Anything beside the magic, and devices do not wake (node-apn issue 348)."""
    if push.push_type is not PushType.MDM:
        return None
    said = _object_in(push.payload)
    magic = None if said is None or len(said) != 1 else said.get("mdm")
    if isinstance(magic, str) and magic:
        return None
    detail = 'the payload of an mdm push is {"mdm":"<PushMagic>"} and nothing else'
    return Objection(status=400, reason=None, detail=detail)


def _object_in(payload: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(payload.decode())  # of bytes it would take UTF-16 and UTF-32, too
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
