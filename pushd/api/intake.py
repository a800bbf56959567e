"""From what was sent to a job, or to the reason why it is none. Nothing here is queued.

bytes ──▶ Push ──▶ Notification | Broadcast ──objection_to──▶ Job | Refusal
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import msgspec

from protocols.apns.message import (
    MAX_EXPIRATION,
    MAX_PAYLOAD,
    MAX_TOKEN_DIGITS,
    MDM_TOPIC,
    SUFFIXES,
    Broadcast,
    Notification,
    PushType,
    mdm_payload,
    objection_to,
    topic_for,
)
from protocols.apns.reason import Reason
from pushd.api.identity import Identity
from pushd.api.item import Push, Wake
from pushd.api.limit import MAX_ITEM
from pushd.job import Job, OrderedIds, deadline_of

MDM_LIFETIME: Final = 7 * 24 * 3600
"""Seconds for which Apple is to store a wake: a Mac sleeps over a long weekend. Without an
expiration it is lost when the Mac naps (fleetdm issue 40693)."""
MAX_AGE: Final = 30 * 24 * 3600.0
"""Seconds for which a push is tried: as long as Apple stores one at most."""

MAX_WAYS: Final = 1_000
"""Topics, types and priorities that a request may have in common with itself: 300 kB."""

_TOKEN: Final = re.compile(r"[0-9a-f]+", re.ASCII)
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_OBJECT: Final = ord("{")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_PLACE: Final = re.compile(r"(.*?)(?: - at `(?:key in )?\$?(.*)`)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a push is not taken."""

    status: int
    reason: str
    detail: str
    path: str | None = None
    """Below the push, as JSONPath without the `$`: `.mdm.token`."""


class _Way(msgspec.Struct, frozen=True, kw_only=True):
    """What pushes have in common that differ in device, payload and times: nothing is wrong with
    it."""

    topic: str
    push_type: PushType
    priority: int | None
    credential: str


class CredentialChoice(Protocol):
    """Which credentials there are."""

    def names_for(self, topic: str) -> Sequence[str]:
        """Those that may send to `topic`, in the order of the configuration."""


class Intake:
    """Makes the jobs of one client."""

    def __init__(
        self,
        identity: Identity,
        credentials: CredentialChoice,
        *,
        unix: Callable[[], float],
        ids: OrderedIds,
        max_age: float = MAX_AGE,
    ) -> None:
        """`unix` gives seconds since 1970; `max_age` is in seconds."""
        self.identity = identity
        """Whose pushes they are."""
        self._credentials = credentials
        self._unix = unix
        self._ids = ids
        self._max_age = max_age
        self._choices: dict[tuple[str, str], str | Refusal] = {}
        self._ways: dict[tuple[str, PushType | None, int | None, str], _Way] = {}

    def text(self, text: bytes | msgspec.Raw) -> Job | Refusal:
        """The job that the JSON `text` asks for."""
        if len(text) > MAX_ITEM:
            detail = f"a push has at most {MAX_ITEM} bytes"
            return Refusal(status=413, reason=Reason.PAYLOAD_TOO_LARGE, detail=detail)
        try:
            push = _DECODER.decode(text)
        except msgspec.ValidationError as error:
            match = _PLACE.fullmatch(str(error))
            what, place = match.groups() if match else (str(error), None)
            return Refusal(status=400, reason="BadRequest", detail=what, path=place or "")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Refusal(status=400, reason="BadJSON", detail=_why(error))
        return self._quick(push) or self.push(push)

    def push(self, push: Push) -> Job | Refusal:
        """The job that `push` asks for."""
        now = int(self._unix() * 1000)
        id = push.id.lower() if push.id else self._ids.new(now)
        made: Notification | Broadcast | Refusal
        if push.mdm is not None:
            made = _wake(push, push.mdm, id, now)
        elif push.broadcast is not None:
            made = _broadcast(push, id)
        else:
            made = _notification(push, id)
        if isinstance(made, Refusal):
            return made
        job = self.job(made, now, push.credential)
        if isinstance(job, Refusal):
            if push.mdm is not None:
                return replace(job, path=_WAKE_PATHS.get(job.path or "", job.path))
        elif push.device and push.alert is None:
            self._remember(push, job)
        return job

    def _quick(self, push: Push) -> Job | None:
        """What `push` gives, in a third of the time, if it is to a device and like one before but
        for device, payload and times. None: find out by `push`.

        The decoder has seen that the payload is JSON; not that it is an object, nor UTF-8.
        """
        way = self._ways.get((push.topic, push.push_type, push.priority, push.credential))
        if way is None or push.mdm is not None or push.broadcast is not None:
            return None
        payload, device, expiration = bytes(push.payload), push.device.lower(), push.expiration
        if (
            push.alert is not None
            or push.collapse_id is not None
            or not 0 < len(payload) <= MAX_PAYLOAD  # a call may have more, and is looked at
            or payload[0] != _OBJECT
            or not (payload.isascii() or _is_utf8(payload))
            or len(device) > MAX_TOKEN_DIGITS
            or len(device) % 2
            or not _TOKEN.fullmatch(device)
            or (push.id and not _UUID.fullmatch(push.id))
            or (expiration is not None and not 0 <= expiration <= MAX_EXPIRATION)
        ):
            return None
        now = int(self._unix() * 1000)
        made = Notification(
            device=device,
            topic=way.topic,
            push_type=way.push_type,
            payload=payload,
            apns_id=push.id.lower() or self._ids.new(now),
            expiration=expiration,
            priority=way.priority,
        )
        deadline = deadline_of(made, submitted_at=now, max_age=self._max_age)
        return Job(push=made, credential=way.credential, submitted_at=now, deadline=deadline)

    def _remember(self, push: Push, job: Job) -> None:
        """It may be sent, and so may others like it."""
        made = job.push
        if not isinstance(made, Notification) or made.push_type is PushType.MDM:
            return
        if len(self._ways) >= MAX_WAYS:
            self._ways.clear()
        self._ways[push.topic, push.push_type, push.priority, push.credential] = _Way(
            topic=made.topic,
            push_type=made.push_type,
            priority=made.priority,
            credential=job.credential,
        )

    def job(self, push: Notification | Broadcast, now: int, credential: str = "") -> Job | Refusal:
        """The job to deliver `push`, which may still be wrong. `now` is milliseconds since 1970;
        `credential` is the one asked for by name."""
        objection = objection_to(push)
        if objection is not None:
            reason = "BadPayload" if objection.reason is None else objection.reason.value
            path = _PATHS.get(objection.reason)
            return Refusal(
                status=objection.status, reason=reason, detail=objection.detail, path=path
            )
        if isinstance(push, Notification):
            topic = push.topic
        else:
            topic = topic_for(push.bundle_id, PushType.LIVEACTIVITY)
        key = (topic, credential)
        choice = self._choices.get(key)
        if choice is None:
            choice = self._choices[key] = self._choose(topic, credential)
        if isinstance(choice, Refusal):
            return choice
        deadline = deadline_of(push, submitted_at=now, max_age=self._max_age)
        return Job(push=push, credential=choice, submitted_at=now, deadline=deadline)

    def _choose(self, topic: str, wanted: str) -> str | Refusal:
        """The credential by which to send to `topic`."""
        if not self.identity.knows(topic):
            detail = "this client may not push to that topic"
            return Refusal(status=403, reason=_DISALLOWED, detail=detail, path=".topic")
        names = [n for n in self._credentials.names_for(topic) if self.identity.uses(n)]
        if wanted:
            names = [name for name in names if name == wanted]
        if len(names) == 1:
            return names[0]
        if not names:
            detail = "there is no credential for that topic"
            path = ".credential" if wanted else ".topic"
            return Refusal(status=400, reason=_DISALLOWED, detail=detail, path=path)
        detail = f"several credentials may send to that topic: {', '.join(names)}; name one"
        return Refusal(status=400, reason=_DISALLOWED, detail=detail, path=".credential")


def type_of_topic(topic: str) -> PushType:
    """The push type that goes with a topic where none was named, as old clients do."""
    if topic.startswith(MDM_TOPIC):
        return PushType.MDM
    for push_type, suffix in SUFFIXES.items():
        if topic.endswith(suffix):
            return push_type
    return PushType.ALERT


def _notification(push: Push, id: str) -> Notification | Refusal:
    payload = bytes(push.payload)
    if push.alert is not None:
        if payload:
            return _contradiction(".alert", "`alert` and `payload` exclude each other")
        payload = msgspec.json.encode({"aps": {"alert": push.alert}})
    push_type = type_of_topic(push.topic) if push.push_type is None else push.push_type
    priority = push.priority
    if push_type is PushType.BACKGROUND and priority is None:
        priority = 5  # what Apple wants to be said
    return Notification(
        device=push.device.lower(),
        topic=push.topic,
        push_type=push_type,
        payload=payload,
        apns_id=id,
        expiration=push.expiration,
        priority=priority,
        collapse_id=push.collapse_id,
    )


def _wake(push: Push, wake: Wake, id: str, now: int) -> Notification | Refusal:
    for name in ("device", "topic", "payload", "alert", "broadcast", "collapse_id"):
        if getattr(push, name) not in _ABSENT:
            return _contradiction(f".{name}", f"`mdm` and `{name}` exclude each other")
    if push.push_type not in (None, PushType.MDM):
        return _contradiction(".push_type", "with `mdm`, the push type is mdm")
    device = _device(wake.token)
    if device is None:
        detail = "is neither hexadecimal nor base64"
        return Refusal(status=400, reason=Reason.BAD_DEVICE_TOKEN, detail=detail, path=".mdm.token")
    return Notification(
        device=device,
        topic=wake.topic,
        push_type=PushType.MDM,
        payload=mdm_payload(wake.push_magic),
        apns_id=id,
        expiration=now // 1000 + MDM_LIFETIME if push.expiration is None else push.expiration,
        priority=10 if push.priority is None else push.priority,
    )


def _broadcast(push: Push, id: str) -> Broadcast | Refusal:
    for name in ("device", "topic", "alert", "collapse_id"):
        if getattr(push, name) not in _ABSENT:
            return _contradiction(f".{name}", f"`broadcast` and `{name}` exclude each other")
    if push.push_type not in (None, PushType.LIVEACTIVITY):
        return _contradiction(".push_type", "a broadcast is a liveactivity push")
    if push.expiration is None:
        detail = "a broadcast has an expiration; 0 for a channel that stores nothing"
        return Refusal(
            status=400, reason=Reason.BAD_EXPIRATION_DATE, detail=detail, path=".expiration"
        )
    assert push.broadcast is not None  # noqa: S101 - else we would not be here
    return Broadcast(
        bundle_id=push.broadcast.bundle_id,
        channel_id=push.broadcast.channel_id,
        payload=bytes(push.payload),
        expiration=push.expiration,
        request_id=id,
        priority=push.priority,
    )


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _device(token: str) -> str | None:
    """A token as it is written in paths. MDM's TokenUpdate has it as base64."""
    if _HEX.fullmatch(token):
        return token.lower()
    try:
        return base64.b64decode(token, validate=True).hex()
    except (binascii.Error, ValueError):
        return None


def _contradiction(path: str, detail: str) -> Refusal:
    return Refusal(status=400, reason="BadRequest", detail=detail, path=path)


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"the text is not UTF-8 (byte {error.start})"
    return str(error)


_DECODER: Final = msgspec.json.Decoder(Push)
_ABSENT: Final = (None, "", msgspec.Raw())
_DISALLOWED: Final = Reason.TOPIC_DISALLOWED.value
_PATHS: Final = {
    Reason.MISSING_DEVICE_TOKEN: ".device",
    Reason.BAD_DEVICE_TOKEN: ".device",
    Reason.BAD_MESSAGE_ID: ".id",
    Reason.MISSING_TOPIC: ".topic",
    Reason.BAD_TOPIC: ".topic",
    Reason.TOPIC_DISALLOWED: ".topic",
    Reason.BAD_EXPIRATION_DATE: ".expiration",
    Reason.BAD_PRIORITY: ".priority",
    Reason.BAD_COLLAPSE_ID: ".collapse_id",
    Reason.PAYLOAD_EMPTY: ".payload",
    Reason.PAYLOAD_TOO_LARGE: ".payload",
    Reason.MISSING_CHANNEL_ID: ".broadcast.channel_id",
    Reason.BAD_CHANNEL_ID: ".broadcast.channel_id",
    None: ".payload",
}
"""The key that an objection is about."""
_WAKE_PATHS: Final = {
    ".device": ".mdm.token",
    ".topic": ".mdm.topic",
    ".payload": ".mdm.push_magic",
}
