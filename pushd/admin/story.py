"""What became of pushes: the whole of one, the newest outcomes, invalid tokens."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ops.store import Store
from ops.web.route import Json, Problem, Request
from pushd.admin import query, shape
from pushd.admin.queue import push_type_of
from pushd.api.item import Outcome
from pushd.api.said import status_of
from pushd.queue import Queue
from pushd.statement import FIND_PUSH


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryDesk:
    """Answers what is asked of pushes."""

    queue: Queue
    store: Store

    async def story(self, request: Request) -> Json:
        """`GET /v1/pushes/{id}`."""
        id = request.path["id"].lower()
        entry = self.queue.in_memory(id)
        if entry is None:
            rows = await self.store.read(FIND_PUSH, id=id)
            entry = self.queue.from_disk(rows[0]) if rows else None
        status = await self.queue.find(id)
        if status is None:
            raise Problem(404, "no push has that id, or not any more", "see `queue.retention`")
        said = status_of(status)
        story = shape.Story(
            id=said.id,
            state=said.state,
            submitted_at=said.submitted_at,
            credential=said.credential,
            topic=said.topic,
            device=status.device,
            tries=said.tries,
            attempts=said.attempts,
            retry_at=said.retry_at,
            settled_at=said.settled_at,
            outcome=said.outcome,
        )
        if entry is None:
            return Json(story)
        whole = msgspec.structs.replace(
            story,
            device=entry.device,
            push_type=push_type_of(entry.job.push),
            priority=entry.job.priority,
            collapse_id=getattr(entry.job.push, "collapse_id", None),
            size=entry.size,
            deadline=entry.job.deadline * 1000,
        )
        return Json(whole)

    async def results(self, request: Request) -> Json:
        """`GET /v1/results`."""
        before, most = _page(request)
        found = await self.queue.results.before(before, most + 1)
        lines = []
        for result in found[:most]:
            said = status_of(result.status)
            lines.append(
                shape.Result(
                    seq=result.seq,
                    id=said.id,
                    state=said.state,
                    submitted_at=said.submitted_at,
                    settled_at=said.settled_at or 0,
                    credential=said.credential,
                    topic=said.topic,
                    device=result.status.device,
                    tries=said.tries,
                    outcome=None if said.outcome == Outcome() else said.outcome,
                )
            )
        more = len(found) > most
        return Json(shape.Results(results=tuple(lines), next=lines[-1].seq if more else 0))

    async def tokens(self, request: Request) -> Json:
        """`GET /v1/tokens`."""
        before, most = _page(request)
        found = await self.queue.results.invalid_before(before, most + 1)
        lines = [
            shape.InvalidToken(
                seq=invalid.seq,
                device=invalid.token,
                topic=invalid.topic,
                reason=invalid.reason,
                invalid_since=invalid.since,
                submitted_at=invalid.sent_at,
                settled_at=invalid.settled_at,
            )
            for invalid in found[:most]
        ]
        more = len(found) > most
        return Json(shape.InvalidTokens(tokens=tuple(lines), next=lines[-1].seq if more else 0))


def _page(request: Request) -> tuple[int, int]:
    asked = query.known(request, "before", "limit")
    return query.number(asked, "before", 0) or query.MAX_NUMBER, query.limit(asked)
