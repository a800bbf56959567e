"""The bodies of `POST /v1/pushes`: one push, an array, or NDJSON, read as they arrive.

NDJSON is taken line by line, so that its size is bounded by the number of pushes alone. A JSON
array has to be held until it is complete; it is then taken in slices, so that others get their
turn. Nothing is queued before the whole body has been read: a request is one commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from pushd.api import item
from pushd.api.desk import RETRY_UNSTORED, Busy, Desk, Submission
from pushd.api.exchange import JSON, NDJSON, Exchange, Fields, Response
from pushd.api.identity import Identity
from pushd.api.intake import Refusal
from pushd.api.item import Result, encoded, encoded_lines
from pushd.api.limit import MAX_ITEM
from pushd.api.lines import Lines
from pushd.api.problem import problem, retry_header
from pushd.api.said import outcome_of, state_of
from pushd.outcome import Outcome
from pushd.receipt import Duplicate, Full, Queued, State, Unstored

SLICE: Final = 200
"""Pushes of an array that are looked at in one turn: 5 ms."""
PIECE: Final = 500
"""Results that are written at once: 40 kB."""
SHOWN: Final = 100
"""Results in a problem."""
BUSY: Final = 1.0
"""Seconds after which a client may come back."""


class _Taking:
    """What the two kinds of bodies have in common."""

    def __init__(self, exchange: Exchange, desk: Desk, identity: Identity, wait: int) -> None:
        self._exchange = exchange
        self._desk = desk
        self._submission = Submission(desk, desk.intake(identity), wait=wait)
        self._waits = wait > 0
        self._over = False

    def lost(self) -> None:
        self._over = True
        self._submission.give_up()
        self._let_go()

    def _let_go(self) -> None:
        """Give back what the body took."""

    def _refuse(self, response: Response) -> None:
        if not self._over:
            self.lost()
            self._exchange.respond(response)

    def _too_large(self, size: int) -> None:
        self._refuse(problem(413, "TooLarge", f"the body may have {size} bytes"))

    def _busy(self) -> None:
        detail = "too much is being read at the moment"
        self._refuse(problem(503, "Busy", detail, retry_after=BUSY))

    def _add(self, texts: Sequence[bytes | msgspec.Raw]) -> bool:
        """Whether to go on."""
        if len(self._submission.answers) + len(texts) > self._desk.limits.max_items:
            detail = f"one request may have {self._desk.limits.max_items} pushes"
            self._refuse(problem(413, "TooMany", detail))
            return False
        try:
            self._submission.add(texts)
        except Busy:
            self._busy()
            return False
        return True

    def _submit_batch(self, kind: tuple[str, str]) -> None:
        if not self._submission.answers:
            self._refuse(problem(400, "BadRequest", "the body holds no push"))
            return
        self._submission.submit(lambda: self._answer_batch(kind))

    def _answer_batch(self, kind: tuple[str, str]) -> None:
        submission = self._submission
        self._over = True
        self._let_go()
        if not submission.taken:
            self._exchange.respond(_nothing_taken(submission))
            return
        known = submission.known
        settled = self._waits and all(
            not isinstance(answer, (Queued, Duplicate)) or answer.id in known
            for answer in submission.answers
        )
        headers: Fields = (kind,)
        waits = [answer.retry_after for answer in submission.answers if isinstance(answer, Full)]
        if waits:
            headers += (retry_header(max(waits)),)
        body = (_lines if kind is NDJSON else _array)(submission)
        self._exchange.respond(Response(status=200 if settled else 202, headers=headers, body=body))


class NdjsonSink(_Taking):
    """Takes one push a line."""

    def __init__(self, exchange: Exchange, desk: Desk, identity: Identity, wait: int) -> None:
        super().__init__(exchange, desk, identity, wait)
        self._lines = Lines()
        self._size = 0

    def received(self, data: bytes) -> None:
        if self._over:
            return
        self._size += len(data)
        if self._size > self._desk.limits.max_body:
            self._too_large(self._desk.limits.max_body)
            return
        self._add(self._lines.received(data))

    def ended(self) -> None:
        if not self._over and self._add(self._lines.ended()):
            self._submit_batch(NDJSON)


class JsonSink(_Taking):
    """Takes one push, or an array."""

    def __init__(self, exchange: Exchange, desk: Desk, identity: Identity, wait: int) -> None:
        super().__init__(exchange, desk, identity, wait)
        self._parts: list[bytes] = []
        self._size = 0

    def received(self, data: bytes) -> None:
        if self._over:
            return
        if self._size + len(data) > self._desk.limits.max_array:
            self._too_large(self._desk.limits.max_array)
        elif not self._desk.ration.take(len(data)):
            self._busy()
        else:
            self._size += len(data)
            self._parts.append(data)

    def ended(self) -> None:
        if self._over:
            return
        body = b"".join(self._parts)
        self._parts.clear()
        if body.lstrip(b" \t\r\n")[:1] == b"[":
            self._begin_array(body)
        elif len(body) > MAX_ITEM:
            self._too_large(MAX_ITEM)
        elif self._add([body]):
            self._submission.submit(self._answer_one)

    def _let_go(self) -> None:
        self._desk.ration.give(self._size)
        self._size = 0
        self._parts.clear()

    def _begin_array(self, body: bytes) -> None:
        try:
            items = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            self._refuse(problem(400, "BadJSON", str(error), path="$"))
            return
        self._take(items, 0)

    def _take(self, items: list[msgspec.Raw], start: int) -> None:
        """The next slice."""
        if self._over or not self._add(items[start : start + SLICE]):
            return
        start += SLICE
        if start < len(items):
            self._desk.clock.callLater(0, self._take, items, start)
        else:
            self._submit_batch(JSON)

    def _answer_one(self) -> None:
        self._over = True
        self._let_go()
        (answer,) = self._submission.answers
        match answer:
            case Refusal():
                response = problem(
                    answer.status, answer.reason, answer.detail, path="$" + (answer.path or "")
                )
            case Full():
                detail = "too many pushes wait already"
                response = problem(429, "QueueFull", detail, retry_after=answer.retry_after)
            case Unstored():
                response = problem(503, "Unstored", answer.why, retry_after=RETRY_UNSTORED)
            case Queued() | Duplicate():
                result = result_of(0, answer, self._submission.known)
                location = ("location", f"/v1/pushes/{answer.id}")
                response = Response(
                    status=result.status, headers=(JSON,), own=(location,), body=encoded(result)
                )
        self._exchange.respond(response)


def result_of(
    index: int, answer: Refusal | Queued | Duplicate | Full | Unstored, known: dict[str, Outcome]
) -> Result:
    """What a client is told of one push."""
    match answer:
        case Queued(id=id):
            outcome = known.get(id)
            if outcome is None:
                return Result(index=index, status=202, id=id, state="queued")
            said = outcome_of(outcome)
            return Result(index=index, status=200, id=id, state=state_of(outcome), outcome=said)
        case Duplicate(id=id, state=state):
            outcome = known.get(id)
            return Result(
                index=index,
                status=200,
                id=id,
                duplicate=True,
                state=_STATES.get(state) if outcome is None else state_of(outcome),
                outcome=None if outcome is None else outcome_of(outcome),
            )
        case Full():
            return Result(
                index=index, status=429, reason="QueueFull", retry_after=answer.retry_after
            )
        case Unstored():
            return Result(index=index, status=503, reason="Unstored", detail=answer.why)
        case Refusal():
            return Result(
                index=index,
                status=answer.status,
                reason=answer.reason,
                detail=answer.detail,
                path=f"$[{index}]{answer.path or ''}",
            )


_STATES: Final[dict[State, item.State]] = {State.QUEUED: "queued", State.SENDING: "sending"}


def _pieces(submission: Submission) -> Iterator[list[Result]]:
    known = submission.known
    answers = submission.answers
    for start in range(0, len(answers), PIECE):
        piece = answers[start : start + PIECE]
        yield [result_of(start + n, answer, known) for n, answer in enumerate(piece)]


def _lines(submission: Submission) -> Iterator[bytes]:
    for results in _pieces(submission):
        yield encoded_lines(results)


def _array(submission: Submission) -> Iterator[bytes]:
    before = b'{"results":['
    for results in _pieces(submission):
        yield before + encoded(results)[1:-1]
        before = b","
    yield b"]}"


def _nothing_taken(submission: Submission) -> Response:
    answers = submission.answers
    shown = tuple(
        msgspec.Raw(encoded(result_of(n, answer, {}))) for n, answer in enumerate(answers[:SHOWN])
    )
    detail = f"none of {len(answers)} pushes was taken"
    if any(isinstance(answer, Unstored) for answer in answers):
        return problem(503, "Unstored", detail, retry_after=RETRY_UNSTORED, results=shown)
    waits = [answer.retry_after for answer in answers if isinstance(answer, Full)]
    if waits:
        return problem(429, "QueueFull", detail, retry_after=max(waits), results=shown)
    return problem(400, "BadRequest", detail, results=shown)
