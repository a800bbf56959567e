"""The queue: its lanes, its pushes page by page; to try again at once, to take back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ops.store import Store
from ops.web.route import Json, Problem, Request
from protocols.apns.message import Notification
from pushd.admin import query, shape
from pushd.attempt import NONE
from pushd.dispatcher import Dispatcher
from pushd.job import LaneKey, Push
from pushd.lane import Entry, Lane
from pushd.outcome import Cancelled
from pushd.queue import Queue
from pushd.receipt import Status
from pushd.record import BROADCAST
from pushd.search import Chosen, Search, loaded, page, state_of, waiting_in

STATES: Final = ("queued", "waiting", "sending")
_HEXADECIMAL: Final = re.compile("[0-9A-Fa-f]+")
MAX_IDS: Final = 1_000
"""Pushes in one request by their ids: a second of the disk."""
MAX_TAKEN_BACK: Final = 20_000
"""Pushes taken back in one request: two seconds of the disk, then the caller goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDesk:
    """Answers what is asked of the queue."""

    queue: Queue
    store: Store
    dispatcher: Dispatcher

    def lanes(self, request: Request) -> Json:
        """`GET /v1/queue`."""
        asked = query.known(request, "credential", "topic", "after", "limit")
        chosen = Chosen(credential=asked.get("credential"), topic=asked.get("topic"))
        after, most = _lane_after(asked.get("after", "")), query.limit(asked)
        found = sorted(
            key
            for key, lane in self.queue.lanes.items()
            if chosen.has(key) and key > after and waiting_in(lane)
        )
        troubles = dict(self.dispatcher.troubles())
        shown = [self._lane(self.queue.lanes[key], troubles.get(key)) for key in found[:most]]
        return Json(
            shape.Queue(
                waiting=self.queue.depth,
                size=self.queue.size,
                lanes=tuple(shown),
                next=" ".join(found[most - 1]) if len(found) > most else "",
            )
        )

    def _lane(self, lane: Lane, trouble: str | None) -> shape.Lane:
        return shape.Lane(
            credential=lane.key.credential,
            topic=lane.key.topic,
            waiting=waiting_in(lane),
            sending=lane.in_flight,
            retrying=lane.waiting,
            on_disk=sum(level.spilled for level in lane.levels),
            trouble=trouble,
        )

    async def pushes(self, request: Request) -> Json:
        """`GET /v1/queue/pushes`."""
        asked = query.known(request, "credential", "topic", "device", "state", "after", "limit")
        state = asked.get("state") or None
        if state not in (None, *STATES):
            raise Problem(400, "`state` is none", f"give one of {', '.join(STATES)}")
        found, end = await page(
            self.queue,
            self.store,
            _chosen(asked.get("credential"), asked.get("topic"), asked.get("device")),
            state=state,
            after=query.number(asked, "after", 0),
            most=query.limit(asked),
        )
        now = self.queue.now()
        said = tuple(waiting_of(entry, now) for entry in found)
        return Json(shape.Pushes(pushes=said, next="" if end is None else str(end)))

    async def retry(self, request: Request) -> Json:
        """`POST /v1/queue/retry`."""
        selection = _selection(request)
        if selection.ids:
            entries = [entry for id in selection.ids if (entry := self._in_memory(id))]
        else:
            entries = list(loaded(self.queue, _chosen_of(selection)))
        if selection.ids or selection.device is not None:
            keys = {entry.job.lane for entry in entries}
        else:
            keys = set(filter(_chosen_of(selection).has, self.queue.lanes))
            for key in keys:
                self.queue.hurry_lane(key)
        pushes = self.queue.hurry(entries)
        lanes = self.dispatcher.hurry(keys)
        _log.info(
            "{who} has {pushes} pushes and {lanes} topics tried again",
            who=request.who,
            pushes=pushes,
            lanes=lanes,
        )
        return Json(shape.Retried(pushes=pushes, lanes=lanes))

    async def cancel(self, request: Request) -> Json:
        """`POST /v1/queue/cancel`."""
        selection = _selection(request)
        if selection.ids:
            said = await self._cancel_ids(selection.ids)
        else:
            said = await self._cancel_all(selection)
        _log.info("{who} took back {number} pushes", who=request.who, number=said.cancelled)
        return Json(said)

    async def _cancel_ids(self, ids: tuple[str, ...]) -> shape.Cancelled:
        asked = [Deferred.fromCoroutine(self.queue.cancel(id.lower())) for id in dict.fromkeys(ids)]
        answers: list[Status | None] = await gatherResults(asked, consumeErrors=True)
        cancelled = sum(a is not None and isinstance(a.outcome, Cancelled) for a in answers)
        unknown = sum(answer is None for answer in answers)
        late = len(answers) - cancelled - unknown
        return shape.Cancelled(cancelled=cancelled, too_late=late, unknown=unknown)

    async def _cancel_all(self, selection: shape.Selection) -> shape.Cancelled:
        after = query.number({"after": selection.after}, "after", 0)
        search = Search(self.queue, self.store, _chosen_of(selection), after)
        cancelled = late = 0
        async for step in search.steps():
            taken = await self.queue.take_back(step.statement, **step.parameters)
            cancelled += taken.cancelled
            late += taken.late
            search.done(step, taken.cancelled + taken.late, taken.last)
            if cancelled >= MAX_TAKEN_BACK:
                break
        end = "" if search.is_over else str(search.after)
        return shape.Cancelled(cancelled=cancelled, too_late=late, next=end)

    def _in_memory(self, id: str) -> Entry | None:
        return self.queue.in_memory(id.lower())


def waiting_of(entry: Entry, now: float) -> shape.Waiting:
    """What is told of a push without an outcome."""
    job, attempts = entry.job, entry.attempts or NONE
    lane, state = job.lane, state_of(entry, now)
    return shape.Waiting(
        id=entry.id,
        state=state,
        credential=lane.credential,
        topic=lane.topic,
        device=entry.device,
        push_type=push_type_of(job.push),
        priority=job.priority,
        collapse_id=getattr(job.push, "collapse_id", None),
        size=entry.size,
        submitted_at=job.submitted_at,
        deadline=job.deadline * 1000,
        tries=attempts.tries,
        retry_at=attempts.retry_at if state == "waiting" else None,
        why=attempts.told[-1].why if attempts.told else None,
    )


def push_type_of(push: Push) -> str:
    """As in apns-push-type, or that it is a broadcast."""
    return push.push_type.value if isinstance(push, Notification) else BROADCAST


def _lane_after(cursor: str) -> LaneKey:
    credential, _, topic = cursor.partition(" ")
    return LaneKey(credential, topic)


def _chosen(credential: str | None, topic: str | None, device: str | None) -> Chosen:
    """Empty counts as not given, as in a form."""
    if device and _HEXADECIMAL.fullmatch(device):  # else a broadcast's channel
        device = device.lower()
    return Chosen(credential=credential or None, topic=topic or None, device=device or None)


def _chosen_of(selection: shape.Selection) -> Chosen:
    return _chosen(selection.credential, selection.topic, selection.device)


def _selection(request: Request) -> shape.Selection:
    """Which pushes are meant. Raises Problem: nobody takes back everything by leaving something
    out."""
    selection = request.json(shape.Selection)
    by_lane = any((selection.credential, selection.topic, selection.device))
    if bool(selection.ids) + by_lane + selection.everything != 1:
        remedy = "give `ids`, or some of `credential`, `topic` and `device`, or `everything`"
        raise Problem(400, "it is not clear which pushes are meant", remedy)
    if len(selection.ids) > MAX_IDS:
        raise Problem(413, f"there are more than {MAX_IDS} ids", "ask several times")
    return selection


_log = Logger()
