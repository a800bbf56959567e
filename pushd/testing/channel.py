"""Broadcast channels: made, read, listed, deleted, and pushed to.

    POST   /1/apps/<app>/channels      201, apns-channel-id
    GET    /1/apps/<app>/channels      200, its settings   (apns-channel-id says which)
    DELETE /1/apps/<app>/channels      204                 (likewise)
    GET    /1/apps/<app>/all-channels  200, {"channels":[...]}

Source: Apple's "Sending channel management requests to APNs". Apple keeps this on hosts and ports
of its own; the simulator has one port for everything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from protocols.apns.reason import Reason
from pushd.testing.refusal import Refused
from pushd.testing.request import Fields, PushRequest, channel_in, object_in

MAX_CHANNELS: Final = 10_000
"""Of an app (Apple)."""
MAX_BODY: Final = 4096

_PATH: Final = re.compile(r"/1/apps/([A-Za-z0-9][A-Za-z0-9._-]*)/(?:all-)?channels", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """The answer to a request that manages channels."""

    status: int
    body: dict[str, Any] | None = None
    channel_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Channel:
    """One channel."""

    stores: bool
    """Its most recent message is kept for who comes late."""
    stored: bytes | None = None


def app_of(path: str) -> str | None:
    """The app whose channels a request to `path` is about, if it is about channels."""
    match = _PATH.fullmatch(path)
    return match[1] if match else None


class Channels:
    """The channels of all apps."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._apps: dict[str, dict[str, Channel]] = {}
        self.disabled: set[str] = set()
        """Apps that may have none: FeatureNotEnabled."""

    def manage(self, fields: Fields, body: bytes) -> Managed:
        """Do what a request to a path of `app_of` asks for. Raises Refused."""
        _, _, _, app, what = fields[":path"].split("/")
        if app in self.disabled:
            raise Refused(400, Reason.FEATURE_NOT_ENABLED)
        method = fields[":method"]
        channels = self._apps.get(app, {})
        if what == "all-channels":
            if method != "GET":
                raise Refused(405, Reason.METHOD_NOT_ALLOWED)
            return Managed(status=200, body={"channels": list(channels)})
        if method == "POST":
            return Managed(status=201, channel_id=self.create(app, _stores(body)))
        if method not in ("GET", "DELETE"):
            raise Refused(405, Reason.METHOD_NOT_ALLOWED)
        channel_id = channel_in(fields)
        channel = self._find(app, channel_id)
        if method == "DELETE":
            del channels[channel_id]
            return Managed(status=204)
        policy = int(channel.stores)
        said = {"message-storage-policy": policy, "push-type": "LiveActivity"}
        return Managed(status=200, body=said, channel_id=channel_id)

    def create(self, app: str, stores: bool) -> str:
        """A new channel's id. Raises Refused if there are too many."""
        channels = self._apps.setdefault(app, {})
        if len(channels) >= MAX_CHANNELS:
            raise Refused(400, Reason.CANNOT_CREATE_CHANNEL_CONFIG)
        channel_id = base64.b64encode(self._random_bytes(16)).decode()
        channels[channel_id] = Channel(stores=stores)
        return channel_id

    def push(self, push: PushRequest, payload: bytes) -> None:
        """A broadcast to one of them. Raises Refused."""
        if push.bundle_id in self.disabled:
            raise Refused(400, Reason.FEATURE_NOT_ENABLED)
        channel = self._find(push.bundle_id, push.target)
        # "Set it to 0 for channels that have no message storage policy."
        if not channel.stores and push.expiration != 0:
            raise Refused(400, Reason.BAD_EXPIRATION_DATE)
        if channel.stores and push.expiration:
            channel.stored = payload

    def stored(self, app: str, channel_id: str) -> bytes | None:
        """What a device is told that begins to listen now."""
        channel = self._apps.get(app, {}).get(channel_id)
        return None if channel is None else channel.stored

    def _find(self, app: str, channel_id: str) -> Channel:
        channel = self._apps.get(app, {}).get(channel_id)
        if channel is None:
            raise Refused(400, Reason.CHANNEL_NOT_REGISTERED)
        return channel


def _stores(body: bytes) -> bool:
    said = object_in(body, MAX_BODY)
    policy = said.get("message-storage-policy", 0)
    if said.get("push-type") is None:
        raise Refused(400, Reason.MISSING_PUSH_TYPE)
    if said["push-type"] != "LiveActivity":
        raise Refused(400, Reason.INVALID_PUSH_TYPE)
    if isinstance(policy, bool) or policy not in (0, 1):
        raise Refused(400, Reason.CANNOT_CREATE_CHANNEL_CONFIG)
    return bool(policy)
