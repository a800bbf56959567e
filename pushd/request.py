"""Writes a push as the engine sends it. What pushes have in common is written once."""

from __future__ import annotations

from typing import Final

from protocols.apns.event import Request
from protocols.apns.hpack import Header, Shape
from protocols.apns.message import Broadcast, Notification, PushType

MAX_SHAPES: Final = 256
"""Types and priorities of a topic: 11 times 4."""


class Writer:
    """One topic's."""

    __slots__ = ("_shapes",)

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, str, int | None], Shape] = {}

    def request(self, push: Notification | Broadcast, authorization: bytes | None) -> Request:
        """The request of `push`; `authorization` is the provider token's, if there is one."""
        if isinstance(push, Broadcast):
            return self._broadcast(push, authorization)
        key = push.push_type, push.topic, push.priority
        shape = self._shapes.get(key) or self._add(key, (b"apns-topic", push.topic.encode()))
        own: tuple[Header, ...] = ((b"apns-id", push.apns_id.encode()),)
        if push.expiration is not None:
            own += ((b"apns-expiration", b"%d" % push.expiration),)
        if push.collapse_id is not None:
            own += ((b"apns-collapse-id", push.collapse_id.encode()),)
        path = b"/3/device/" + push.device.encode()
        return Request(path, shape, own, push.payload, authorization)

    def _broadcast(self, push: Broadcast, authorization: bytes | None) -> Request:
        key = PushType.LIVEACTIVITY, "", push.priority
        shape = self._shapes.get(key) or self._add(key)
        own = (
            (b"apns-channel-id", push.channel_id.encode()),
            (b"apns-request-id", push.request_id.encode()),
            (b"apns-expiration", b"%d" % push.expiration),
        )
        return Request(push.path.encode(), shape, own, push.payload, authorization)

    def _add(self, key: tuple[str, str, int | None], *topic: Header) -> Shape:
        kind, _, priority = key
        shape: Shape = ((b"apns-push-type", kind.encode()), *topic)
        if priority is not None:
            shape += ((b"apns-priority", b"%d" % priority),)
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[key] = shape
        return shape
