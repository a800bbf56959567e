"""A BSDP client: asks for images, gathers answers, selects one (BSDPClient.c, bsdpc.c). Sans I/O.

    state      datagram                                    wake
    ---------  ------------------------------------------  ------------------------------------
    LISTING    ACK[LIST]: kept; 4 s to gather more         4 s over: LISTED;
                                                           else LIST again, after 7: TIMED_OUT
    SELECTING  ACK[SELECT]: SELECTED; ACK[FAILED]: REFUSED SELECT again, after 2: TIMED_OUT
    others     ignored                                     ignored

Every call takes `now`, in monotonic seconds, and gives a `Step`: at most one datagram for port 67,
what happened, and when `wake` wants to be called. `list` (to LISTING) and `select` (to SELECTING)
may be called in any state and begin anew, as in Apple's library. It must never read a clock or a
random source itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from protocols.bsdp.answer import (
    ImageConfirmed,
    ImageRefused,
    ImagesListed,
    Rejected,
    judge_list,
    judge_select,
)
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine, list_request, select_request
from protocols.bsdp.menu import Choice, menu

LIST_WAITS: Final = (2.0, 4.0, 8.0, 16.0, 16.0, 16.0, 16.0)
"""Seconds after each LIST until the next, or until giving up; up to one random second is added."""
SELECT_WAITS: Final = (2.0, 4.0)
"""The same for SELECT, with nothing added."""
GATHER: Final = 4.0
"""Seconds from the first answer to a LIST until the menu is made (bsdpc.c)."""
XID_LIMIT: Final = 1 << 32


class State(Enum):
    """Where a conversation is."""

    IDLE = "idle"
    LISTING = "listing"
    LISTED = "listed"
    SELECTING = "selecting"
    SELECTED = "selected"
    REFUSED = "refused"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesGathered:
    """The gather window closed; `choices` is never empty."""

    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """Nobody answered while the client was in `state`, LISTING or SELECTING."""

    state: State


Event = ImagesListed | ImagesGathered | ImageConfirmed | ImageRefused | Rejected | TimedOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a call asks of the one who made it."""

    datagram: bytes | None = None
    """To send to UDP port 67."""
    events: tuple[Event, ...] = ()
    wake_at: float | None = None
    """When to call `wake`, replacing what an earlier step said; None: not at all."""


class BsdpClient:
    """One machine's conversation."""

    def __init__(self, machine: Machine, *, xid: int, jitter: Callable[[], float]) -> None:
        """`xid` is that of the first request, chosen at random; `jitter` gives 0 <= x < 1."""
        self.state = State.IDLE
        self._machine = machine
        self._jitter = jitter
        self._xid = xid
        self._sent = 0
        self._begin()

    def list(self, now: float) -> Step:
        """Ask which images there are."""
        self._begin()
        self.state = State.LISTING
        self._request = list_request(self._machine, self._xid)
        return self._send(now)

    def select(self, now: float, server: IPv4Address, image_id: BootImageId) -> Step:
        """Tell all servers that this machine takes `image_id` from `server`."""
        self._begin()
        self.state = State.SELECTING
        self._request = select_request(self._machine, self._xid, server, image_id)
        return self._send(now)

    def receive(self, now: float, data: bytes) -> Step:
        """A datagram came to the reply port, from anywhere."""
        return _ON_DATAGRAM[self.state](self, now, data)

    def wake(self, now: float) -> Step:
        """The time that a step asked for has come; earlier or later than that does no harm."""
        return _ON_WAKE[self.state](self, now)

    def _begin(self) -> None:
        """Forget the last phase; each has its own xid (BSDPClient.c:1325, 1601)."""
        if self._sent:
            self._xid = (self._xid + 1) % XID_LIMIT
        self._request = b""
        self._sent = 0
        self._resend_at = 0.0
        self._gathered_at: float | None = None
        self._answers: dict[IPv4Address, ImagesListed] = {}

    def _send(self, now: float) -> Step:
        if self.state is State.LISTING:
            wait = LIST_WAITS[self._sent] + self._jitter()
        else:
            wait = SELECT_WAITS[self._sent]
        self._sent += 1
        self._resend_at = now + wait
        return self._wait(datagram=self._request)

    def _wait(self, datagram: bytes | None = None, *events: Event) -> Step:
        wake_at = self._resend_at
        if self._gathered_at is not None:
            wake_at = min(wake_at, self._gathered_at)
        return Step(datagram=datagram, events=events, wake_at=wake_at)

    def _end(self, state: State, event: Event) -> Step:
        self.state = state
        return Step(events=(event,))

    def _ignore(self, now: float, data: bytes = b"") -> Step:
        """Nothing is expected: late answers, late timers."""
        return Step()

    def _listed(self, now: float, data: bytes) -> Step:
        verdict = judge_list(data, self._machine, self._xid)
        if isinstance(verdict, ImagesListed):
            self._answers.pop(verdict.server, None)  # a newer answer moves to the end (bsdpc.c)
            self._answers[verdict.server] = verdict
            if self._gathered_at is None:
                self._gathered_at = now + GATHER
        return self._wait(None, verdict)

    def _selected(self, now: float, data: bytes) -> Step:
        verdict = judge_select(data, self._machine, self._xid)
        if isinstance(verdict, ImageConfirmed):
            return self._end(State.SELECTED, verdict)
        if isinstance(verdict, ImageRefused):
            return self._end(State.REFUSED, verdict)
        return self._wait(None, verdict)

    def _list_due(self, now: float) -> Step:
        if self._gathered_at is not None and now >= self._gathered_at:
            return self._end(State.LISTED, ImagesGathered(choices=menu(self._answers.values())))
        if self._gathered_at is not None and self._sent == len(LIST_WAITS):
            return Step(wake_at=self._gathered_at)  # answered at the last try: nothing to repeat
        return self._resend_due(now, len(LIST_WAITS))

    def _select_due(self, now: float) -> Step:
        return self._resend_due(now, len(SELECT_WAITS))

    def _resend_due(self, now: float, tries: int) -> Step:
        if now < self._resend_at:
            return self._wait()
        if self._sent == tries:
            return self._end(State.TIMED_OUT, TimedOut(state=self.state))
        return self._send(now)


_ON_DATAGRAM: Final[dict[State, Callable[[BsdpClient, float, bytes], Step]]] = {
    State.IDLE: BsdpClient._ignore,
    State.LISTING: BsdpClient._listed,
    State.LISTED: BsdpClient._ignore,
    State.SELECTING: BsdpClient._selected,
    State.SELECTED: BsdpClient._ignore,
    State.REFUSED: BsdpClient._ignore,
    State.TIMED_OUT: BsdpClient._ignore,
}
_ON_WAKE: Final[dict[State, Callable[[BsdpClient, float], Step]]] = {
    State.IDLE: BsdpClient._ignore,
    State.LISTING: BsdpClient._list_due,
    State.LISTED: BsdpClient._ignore,
    State.SELECTING: BsdpClient._select_due,
    State.SELECTED: BsdpClient._ignore,
    State.REFUSED: BsdpClient._ignore,
    State.TIMED_OUT: BsdpClient._ignore,
}
