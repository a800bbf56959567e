"""A push that the operator sends: judged and queued as one that a program hands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ops.web.route import Json, Problem, Request
from pushd.admin import query
from pushd.api.desk import Busy, Desk, Submission
from pushd.api.identity import Identity, Scope
from pushd.api.intake import Refusal
from pushd.api.submit import result_of
from pushd.receipt import Full, Unstored

OPERATOR: Final = Identity(name="operator", scopes=frozenset({Scope.ADMIN}))
MAX_WAIT: Final = 300
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDesk:
    """Takes pushes."""

    desk: Desk

    async def send(self, request: Request) -> Json:
        """`POST /v1/pushes`."""
        asked = query.known(request, "wait")
        wait = query.number(asked, "wait", 0, MAX_WAIT)
        submission = Submission(self.desk, self.desk.intake(OPERATOR), wait=wait)
        try:
            submission.add([request.body])
        except Busy:
            raise Problem(503, "too much is being read at the moment", "ask again") from None
        done: Deferred[None] = Deferred()
        submission.submit(lambda: done.callback(None))
        await done
        (answer,) = submission.answers
        match answer:
            case Refusal(status=status, reason=reason, detail=detail, path=path):
                where = f"look at `{path[1:]}`" if path else ""
                raise Problem(status, f"{reason}: {detail}", where)
            case Full(retry_after=seconds):
                remedy = f"ask again in {seconds:.0f} seconds, or raise `queue.pushes`"
                raise Problem(429, "QueueFull: too many pushes wait", remedy)
            case Unstored(why=why):
                raise Problem(503, f"Unstored: {why}", "")
        _log.info("{who} sends push {id}", who=request.who, id=answer.id)
        result = result_of(0, answer, submission.known)
        return Json(result, result.status)


_log = Logger()
