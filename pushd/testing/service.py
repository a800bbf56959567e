"""Apple's side of a push, without the wire: a request in, an answer and a record of it out.

    path ──▶ method ──▶ id ──▶ credential ──▶ headers ──▶ topic ──▶ payload ──▶ script ──▶ device
    any of them may refuse; what passes all is delivered, or stored

The order in which Apple looks at a request is not known; this one is a guess.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import msgspec

from protocols.apns.reason import Reason
from pushd.testing.certificate import MDM_PREFIX, Environment, Scope
from pushd.testing.channel import Channels, app_of
from pushd.testing.device import Delivery, Devices
from pushd.testing.provider_token import SigningKey, SigningKeys, TokenBinding
from pushd.testing.record import Push, Record
from pushd.testing.refusal import Refused
from pushd.testing.request import (
    BROADCAST_PATH,
    DEVICE_PATH,
    MAX_LARGE_PAYLOAD,
    SUFFIX_BY_TYPE,
    Fields,
    PushRequest,
    broadcast_push,
    check_suffix,
    device_push,
    fields_of,
    object_in,
    payload_limit,
    uuid_in,
)
from pushd.testing.rule import Instead, Rule, Rules, body_of, is_answered, processes

MAX_BODY: Final = MAX_LARGE_PAYLOAD + 1
"""Bytes of a body that need to be kept in order to judge it."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was received whole."""

    connection: int
    stream: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    """At most MAX_BODY bytes of it."""
    at: float
    """Seconds since 1970."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    latency: float | None = None
    instead: Instead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is at the other end of a connection."""

    scope: Scope | None
    """Of its certificate; None: it has shown none."""
    binding: TokenBinding


@dataclass(slots=True, kw_only=True)
class PushService:
    """Everything that is the same for all connections. May be changed while it runs."""

    random: Random
    environment: Environment = Environment.PRODUCTION
    topics: frozenset[str] | None = None
    """Bundle ids (and topics of MDM) that exist; None: all that a credential allows."""
    keys: SigningKeys = field(default_factory=SigningKeys)
    devices: Devices = field(default_factory=Devices)
    rules: Rules = field(default_factory=Rules)
    record: Record = field(default_factory=Record)
    channels: Channels = field(init=False)
    on_push: Callable[[Push], object] | None = None
    """Told of each push."""

    def __post_init__(self) -> None:
        self.channels = Channels(self.random.randbytes)

    def caller(self, scope: Scope | None) -> Caller:
        """The far end of a new connection."""
        return Caller(scope=scope, binding=TokenBinding(self.keys, self.environment))

    def answer(self, caller: Caller, call: Call) -> Answer:
        """The answer to `call`, whatever is in it."""
        return _Judgement(self, caller, call).answer()

    def new_uuid(self) -> str:
        """A UUID such as Apple gives, in capitals."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4)).upper()


class _Judgement:
    """One request on its way through the checks."""

    __slots__ = ("_apns_id", "_call", "_caller", "_id_header", "_push", "_rule", "_service")

    def __init__(self, service: PushService, caller: Caller, call: Call) -> None:
        self._service = service
        self._caller = caller
        self._call = call
        self._id_header = "apns-id"
        self._apns_id: str | None = None
        self._push: PushRequest | None = None
        self._rule: Rule | None = None

    def answer(self) -> Answer:
        try:
            fields = fields_of(self._call.headers)
            path = fields[":path"]
            if path.startswith(DEVICE_PATH):
                delivery = self._device(fields)
            elif path.startswith(BROADCAST_PATH):
                delivery = self._broadcast(fields)
            elif app_of(path) is not None:
                return self._manage(fields)
            else:
                raise Refused(404, Reason.BAD_PATH)
        except Refused as refused:
            return self._answered(refused.status, str(refused.reason), refused.timestamp)
        return self._answered(200, delivery=delivery)

    def _device(self, fields: Fields) -> Delivery | None:
        key = self._admit(fields)
        push = self._push = device_push(fields)
        if push.topic is None:
            push = self._push = msgspec.structs.replace(push, topic=self._only_topic())
        check_suffix(push)
        self._check_topic(push, key)
        object_in(self._call.body, payload_limit(fields))
        if self._is_scripted(push):
            return None
        devices = self._service.devices
        devices.check(push)
        apns_id = self._apns_id or ""
        return devices.push(push, apns_id, self._call.body, now=self._call.at)

    def _broadcast(self, fields: Fields) -> Delivery | None:
        self._id_header = "apns-request-id"
        key = self._admit(fields)
        push = self._push = broadcast_push(fields)
        self._check_topic(push, key)
        object_in(self._call.body, payload_limit(fields))
        if self._is_scripted(push):
            return None
        self._service.channels.push(push, self._call.body)
        return Delivery.DELIVERED

    def _manage(self, fields: Fields) -> Answer:
        self._id_header = "apns-request-id"
        key = self._admit(fields, methods=("POST", "GET", "DELETE"))
        app = app_of(fields[":path"]) or ""
        topic = app + SUFFIX_BY_TYPE["liveactivity"]
        about = PushRequest(target="", topic=topic, push_type="liveactivity", priority=10)
        self._check_topic(about, key)
        managed = self._service.channels.manage(fields, self._call.body)
        self._service.record.received += 1
        headers = self._headers()
        if managed.channel_id is not None:
            headers = (*headers, ("apns-channel-id", managed.channel_id))
        body = b"" if managed.body is None else msgspec.json.encode(managed.body)
        return Answer(status=managed.status, headers=headers, body=body)

    def _admit(self, fields: Fields, methods: Sequence[str] = ("POST",)) -> SigningKey | None:
        """Method, id and credential. The key of the provider token, if it is by one."""
        if fields[":method"] not in methods:
            raise Refused(405, Reason.METHOD_NOT_ALLOWED)
        self._apns_id = uuid_in(fields, self._id_header) or self._service.new_uuid()
        scope = self._caller.scope
        if scope is None:
            authorization = fields.get("authorization")
            return self._caller.binding.admit(authorization, self._call.at)
        if not scope.topics:
            raise Refused(403, Reason.BAD_CERTIFICATE)
        if not scope.suits(self._service.environment):
            raise Refused(403, Reason.BAD_CERTIFICATE_ENVIRONMENT)
        return None

    def _only_topic(self) -> str:
        """The topic of a request that names none."""
        scope = self._caller.scope
        if scope is None or scope.names_topics or len(scope.topics) != 1:
            raise Refused(400, Reason.MISSING_TOPIC)
        (topic,) = scope.topics
        return topic

    def _check_topic(self, push: PushRequest, key: SigningKey | None) -> None:
        scope, topic, known = self._caller.scope, push.topic or "", self._service.topics
        if key is None:
            allowed = scope is not None and topic in scope.topics
        else:  # MDM is pushed to by certificate only
            allowed = key.topics is None or push.bundle_id in key.topics
            allowed = allowed and not topic.startswith(MDM_PREFIX)
        if not allowed or not (known is None or push.bundle_id in known):
            raise Refused(400, Reason.TOPIC_DISALLOWED)

    def _is_scripted(self, push: PushRequest) -> bool:
        """Whether a script, not Apple's rules, decides from here on. Raises Refused."""
        rule = self._rule = self._service.rules.meet(push.target)
        if rule is None:
            return False
        if rule.status != 200:
            raise Refused(rule.status, rule.reason or "", rule.timestamp)
        return rule.instead is not None and not processes(rule.instead, self._call.stream)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        if self._apns_id is None:
            self._apns_id = self._service.new_uuid()
        own = (self._id_header, self._apns_id)
        if self._service.environment is Environment.DEVELOPMENT and self._id_header == "apns-id":
            return (own, ("apns-unique-id", self._service.new_uuid().lower()))
        return (own,)

    def _answered(
        self,
        status: int,
        reason: str | None = None,
        timestamp: int | None = None,
        delivery: Delivery | None = None,
    ) -> Answer:
        push, call = self._push, self._call
        headers = self._headers()
        instead = None if self._rule is None else self._rule.instead
        received = Push(
            token="" if push is None else push.target,
            topic=None if push is None else push.topic,
            push_type=None if push is None else push.push_type,
            apns_id=headers[0][1],
            priority=None if push is None else push.priority,
            expiration=None if push is None else push.expiration,
            collapse_id=None if push is None else push.collapse_id,
            payload=call.body,
            status=status,
            reason=reason,
            delivery=None if delivery is None else delivery.value,
            answered=instead is None or is_answered(instead, call.stream),
            processed=instead is None or processes(instead, call.stream),
            connection=call.connection,
            stream=call.stream,
            at=call.at,
        )
        self._service.record.add(received)
        if self._service.on_push is not None:
            self._service.on_push(received)
        return Answer(
            status=status,
            headers=headers,
            body=b"" if reason is None else body_of(reason, timestamp),
            latency=None if self._rule is None else self._rule.latency,
            instead=instead,
        )
