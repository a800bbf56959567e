"""Apple's provider API, so that any APNs client may speak to us instead.

    POST /3/device/<token>          200, apns-id      when the push is on disk; or, in wait mode,
    POST /4/broadcasts/apps/<app>   Apple's answer    when Apple has answered

Statuses and reasons are Apple's ("Handling notification responses from APNs"). What Apple leaves to
the certificate, an old client may leave to us: the topic, if its client has only one; the push
type, which then is what goes with the topic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from protocols.apns.message import Broadcast, Notification, PushType
from protocols.apns.reason import Reason
from pushd.api.access import Denied
from pushd.api.desk import RETRY_UNSTORED, Desk, Submission
from pushd.api.exchange import JSON, Exchange, Fields, Response, Sink
from pushd.api.identity import Identity, Scope
from pushd.api.intake import MDM_LIFETIME, Refusal, type_of_topic
from pushd.api.limit import ITEM_COST, MAX_PROVIDER_BODY
from pushd.api.problem import retry_header
from pushd.api.said import state_of
from pushd.job import Job
from pushd.outcome import Accepted, Expired, Failed, Outcome, Rejected
from pushd.receipt import Duplicate, Full, Queued, Unstored

DEVICE: Final = "/3/device/"
BROADCAST: Final = "/4/broadcasts/apps/"

_WAIT: Final = re.compile(r"(?:^|[,; ])wait=([0-9]{1,6})(?:$|[,; ])", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_TYPES: Final = {push_type.value: push_type for push_type in PushType}
_STATUS: Final = {
    Reason.TOO_MANY_REQUESTS: 429,
    Reason.BAD_PATH: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.PAYLOAD_TOO_LARGE: 413,
    Reason.INVALID_PROVIDER_TOKEN: 403,
    Reason.EXPIRED_PROVIDER_TOKEN: 403,
    Reason.MISSING_PROVIDER_TOKEN: 403,
    Reason.BAD_CERTIFICATE: 403,
    Reason.FORBIDDEN: 403,
    Reason.SERVICE_UNAVAILABLE: 503,
    Reason.INTERNAL_SERVER_ERROR: 500,
}
"""Where it is not 400."""


class _Body(msgspec.Struct, omit_defaults=True):
    reason: str
    timestamp: int | None = None


class ProviderFace:
    """Answers what is below `/3/` and `/4/`."""

    def __init__(self, desk: Desk, *, wait: float) -> None:
        """`wait`: seconds for which a push waits for Apple's answer, unless its request says."""
        self._desk = desk
        self._wait = wait

    def open(self, exchange: Exchange, identity: Identity | Denied) -> Sink | None:
        """Take a request."""
        request = exchange.request
        response = _objection(request.method, request.path, identity)
        if response is None and request.repeated and _repeats(request.repeated):
            response = refused(Reason.DUPLICATE_HEADERS)
        if response is None and not self._desk.ration.take(_COST):
            response = refused(Reason.SERVICE_UNAVAILABLE, retry_after=1)
        if response is not None:
            exchange.respond(_with_id(response, request.headers, request.path))
            return None
        assert isinstance(identity, Identity)  # noqa: S101 - else there is a response
        wait = _WAIT.search(request.headers.get("prefer", ""))
        seconds = min(float(wait[1]), self._desk.limits.max_wait) if wait else self._wait
        return ProviderSink(exchange, self._desk, identity, wait=seconds)


_COST: Final = ITEM_COST + MAX_PROVIDER_BODY


def _objection(method: str, path: str, identity: Identity | Denied) -> Response | None:
    if not path.startswith((DEVICE, BROADCAST)) or "/" in _last(path):
        missing = path.rstrip("/") == DEVICE.rstrip("/")
        return refused(Reason.MISSING_DEVICE_TOKEN if missing else Reason.BAD_PATH)
    if isinstance(identity, Denied):
        return refused(identity.reason, retry_after=identity.retry_after)
    if method != "POST":
        return refused(Reason.METHOD_NOT_ALLOWED)
    return None if identity.may(Scope.SUBMIT) else refused(Reason.FORBIDDEN)


def _last(path: str) -> str:
    return path.removeprefix(DEVICE).removeprefix(BROADCAST)


def _repeats(names: frozenset[str]) -> bool:
    return any(name.startswith("apns-") for name in names)


class ProviderSink:
    """One push on its way."""

    def __init__(self, exchange: Exchange, desk: Desk, identity: Identity, *, wait: float) -> None:
        """Its share of the ration has been taken."""
        self._exchange = exchange
        self._desk = desk
        self._identity = identity
        self._wait = wait
        self._parts: list[bytes] = []
        self._size = 0
        self._id: Fields = ()
        self._submission: Submission | None = None
        self._over = False

    def received(self, data: bytes) -> None:
        if self._over:
            return
        self._size += len(data)
        if self._size > MAX_PROVIDER_BODY:
            self._answer(refused(Reason.PAYLOAD_TOO_LARGE))
        else:
            self._parts.append(data)

    def ended(self) -> None:
        if self._over:
            return
        request = self._exchange.request
        now = int(self._desk.unix() * 1000)
        intake = self._desk.intake(self._identity)
        payload = b"".join(self._parts)
        id_name = _id_name(request.path)
        given = request.headers.get(id_name)
        id = given.lower() if given else self._desk.ids.new(now)
        self._id = ((id_name, given or id),)
        push = push_of(request.path, request.headers, payload, id, self._identity, now)
        job = push if isinstance(push, Refusal) else intake.job(push, now)
        if isinstance(job, Refusal):
            # Apple says 400 to a topic that is not the credential's; 403 is for credentials.
            status = 400 if job.reason == Reason.TOPIC_DISALLOWED else job.status
            self._answer(_response(status, job.reason))
            return
        self._submit(job)

    def lost(self) -> None:
        if self._submission is not None:
            self._submission.give_up()
        self._end()

    def _submit(self, job: Job) -> None:
        submission = Submission(self._desk, self._desk.intake(self._identity), wait=self._wait)
        submission.add_job(job)
        self._submission = submission
        submission.submit(lambda: self._answer(_settled(submission)))

    def _answer(self, response: Response) -> None:
        if self._over:
            return
        self._end()
        if self._id:
            response = Response(
                status=response.status,
                headers=response.headers,
                own=(*self._id, *response.own),
                body=response.body,
            )
        else:
            request = self._exchange.request
            response = _with_id(response, request.headers, request.path)
        self._exchange.respond(response)

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._parts.clear()
            self._desk.ration.give(_COST)


def push_of(
    path: str, headers: Mapping[str, str], payload: bytes, id: str, identity: Identity, now: int
) -> Notification | Broadcast | Refusal:
    """The push that a request is, or what Apple would say. `now` is milliseconds."""
    said = headers.get("apns-push-type")
    push_type = None if said is None else _TYPES.get(said)
    if said is not None and push_type is None:
        return _refusal(Reason.INVALID_PUSH_TYPE)
    priority = _number(headers.get("apns-priority"))
    if priority is _WRONG:
        return _refusal(Reason.BAD_PRIORITY)
    expiration = _number(headers.get("apns-expiration"))
    if expiration is _WRONG:
        return _refusal(Reason.BAD_EXPIRATION_DATE)
    if path.startswith(BROADCAST):
        return _broadcast(path, headers, payload, id, push_type, priority, expiration)
    topic = headers.get("apns-topic") or identity.only_topic or ""
    if push_type is None:
        push_type = type_of_topic(topic)
    if push_type is PushType.MDM and expiration is None:
        expiration = now // 1000 + MDM_LIFETIME
    return Notification(
        device=path.removeprefix(DEVICE).lower(),
        topic=topic,
        push_type=push_type,
        payload=payload,
        apns_id=id,
        expiration=expiration,
        priority=priority,
        collapse_id=headers.get("apns-collapse-id"),
    )


def _broadcast(
    path: str,
    headers: Mapping[str, str],
    payload: bytes,
    id: str,
    push_type: PushType | None,
    priority: int | None,
    expiration: int | None,
) -> Broadcast | Refusal:
    if push_type is not PushType.LIVEACTIVITY:
        missing = push_type is None
        return _refusal(Reason.MISSING_PUSH_TYPE if missing else Reason.INVALID_PUSH_TYPE)
    if expiration is None:
        return _refusal(Reason.BAD_EXPIRATION_DATE)
    return Broadcast(
        bundle_id=path.removeprefix(BROADCAST),
        channel_id=headers.get("apns-channel-id", ""),
        payload=payload,
        expiration=expiration,
        request_id=id,
        priority=priority,
    )


_WRONG: Final = -1
"""What no header may say."""


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if _NUMBER.fullmatch(text) else _WRONG


def _refusal(reason: Reason) -> Refusal:
    return Refusal(status=_STATUS.get(reason, 400), reason=reason.value, detail="")


def refused(reason: Reason, *, retry_after: float | None = None) -> Response:
    """Apple's way to say no."""
    response = _response(_STATUS.get(reason, 400), reason.value)
    if retry_after is None:
        return response
    headers = (*response.headers, retry_header(retry_after))
    return Response(status=response.status, headers=headers, body=response.body)


def _response(status: int, reason: str | None, timestamp: int | None = None) -> Response:
    if reason is None:
        return Response(status=status)
    body = msgspec.json.encode(_Body(reason=reason, timestamp=timestamp))
    return Response(status=status, headers=(JSON,), body=body)


def _id_name(path: str) -> str:
    return "apns-request-id" if path.startswith("/4/") else "apns-id"


def _with_id(response: Response, headers: Mapping[str, str], path: str) -> Response:
    """Apple echoes the id in every answer; clients match by it."""
    name = _id_name(path)
    given = headers.get(name)
    if not given:
        return response
    return Response(
        status=response.status,
        headers=response.headers,
        own=((name, given),),
        body=response.body,
    )


def _settled(submission: Submission) -> Response:
    (answer,) = submission.answers
    match answer:
        case Queued(id=id) | Duplicate(id=id):
            outcome = submission.known.get(id)
            return _ACCEPTED if outcome is None else answer_of(outcome)
        case Full():
            return refused(Reason.TOO_MANY_REQUESTS, retry_after=answer.retry_after)
        case Unstored():
            return refused(Reason.SERVICE_UNAVAILABLE, retry_after=RETRY_UNSTORED)
        case Refusal():
            return _response(answer.status, answer.reason)


_ACCEPTED: Final = Response(status=200)


def answer_of(outcome: Outcome) -> Response:
    """Apple's answer, or what comes nearest. What was replaced by a newer push, or taken back, was
    accepted, as Apple would have it; `pushd-state` tells."""
    match outcome:
        case Accepted(unique_id=unique_id):
            own = () if unique_id is None else (("apns-unique-id", unique_id),)
            return Response(status=200, own=own)
        case Rejected():
            return _response(outcome.status, outcome.reason, outcome.invalid_since)
        case Failed():
            return refused(Reason.INTERNAL_SERVER_ERROR)
        case Expired():
            return refused(Reason.BAD_EXPIRATION_DATE)
        case _:
            return Response(status=200, own=(("pushd-state", state_of(outcome)),))
