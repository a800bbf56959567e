"""A connection as the service sees it, whatever carries it.

One `Transfer` is told for each file that is read on a connection, one after another: a Mac reads
its root image by a hundred thousand ranges, and that is one transfer, which is complete when the
connection ends between two responses. Who has been given all bytes of a file, and leaves its
connection open at a menu or in a kernel that it started, has read it a second later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from netbootd.http.conversation import Conversation
from netbootd.http.files import PublishedFile
from netbootd.http.limit import Patience, Phase
from netbootd.http.response import Response
from netbootd.http.site import Site
from netbootd.transfer import PROGRESS_INTERVAL, Outcome, Transfer

REST = 1.0
"""Seconds after the last byte of a file was sent, until it counts as read."""


class Connection(Protocol):
    """What the service does with its connections."""

    def sweep(self, now: float) -> None:
        """Look for timeouts, tell of progress. Called about twice a second; `now` is monotonic."""

    def stop(self) -> None:
        """Close at once, since the service stops."""


class Session:
    """The part of a connection that has nothing to do with sockets."""

    __slots__ = (
        "_file",
        "_patience",
        "_peer",
        "_requests",
        "_sent",
        "_sent_at",
        "_site",
        "_told",
        "conversation",
        "transfer",
    )

    def __init__(self, site: Site, peer: str) -> None:
        self._site = site
        self._peer = peer
        self._patience = Patience(site.limits, site.monotonic())
        self._file: PublishedFile | None = None
        self._told = 0
        self._sent_at = 0.0
        self.conversation = Conversation(site, peer)
        self.transfer: Transfer | None = None
        """What the bytes that are sent add to."""
        self._requests = site.counters.requests
        self._sent = site.counters.sent
        site.counters.connections.inc()

    def begin(self, response: Response) -> None:
        """A response is about to be sent."""
        self._requests.inc()
        file = response.file
        if file is None:
            if response.status >= 400:
                self._site.counters.errors.inc()
        elif file is not self._file:
            self._begin_file(file)

    def _begin_file(self, file: PublishedFile) -> None:
        self._file = file
        transfer = self.transfer
        if transfer is not None and (transfer.name, transfer.size) == (file.name, file.size):
            return  # a lease of the same file, renewed
        self._finish(Outcome.COMPLETE)
        now = self._sent_at = self._site.monotonic()
        self.transfer = Transfer(
            service=self._site.service,
            peer=self._peer,
            name=file.name,
            role=file.role,
            size=file.size,
            started_at=now,
            told_at=now,
        )
        self._site.observer.started(self.transfer)

    def sent(self, count: int) -> None:
        """Bytes of the file of the current response were sent."""
        self._sent.inc(count)
        if self.transfer is not None:
            self.transfer.sent += count
            self._sent_at = self._site.monotonic()

    def phase(self, *, responding: bool, lingering: bool) -> Phase:
        if responding:
            return Phase.RESPONSE
        if lingering:
            return Phase.LINGER
        first = not self.conversation.requests
        return Phase.REQUEST if first or self.conversation.begun else Phase.IDLE

    def sweep(self, phase: Phase, now: float) -> bool:
        """Tell of progress, if it is time; True when the client has been silent for too long."""
        transfer = self.transfer
        if transfer is not None and transfer.sent != self._told:
            if now - transfer.told_at >= PROGRESS_INTERVAL:
                transfer.told_at = now
                self._told = transfer.sent
                self._site.observer.progressed(transfer)
        headway = self.conversation.requests
        if phase is Phase.RESPONSE:
            headway = transfer.sent if transfer is not None else 0
        elif phase is Phase.IDLE:
            self.conversation.rest()
        return self._patience.exhausted(phase, headway, now)

    @property
    def has_all(self) -> bool:
        """Whether each byte of the file was sent once."""
        transfer = self.transfer
        return transfer is not None and 0 < transfer.sent == transfer.size

    def rest(self, now: float) -> None:
        """Nothing is left to send: what was read whole is read, unless it is read on at once."""
        if self.has_all and now - self._sent_at >= REST:
            self._finish(Outcome.COMPLETE)
            self._file = None

    def end(self, outcome: Outcome) -> None:
        """The connection is gone."""
        counters = self._site.counters
        if outcome is Outcome.ABORTED:
            counters.aborted.inc()
        elif outcome is Outcome.TIMEOUT:
            counters.timeouts.inc()
        elif outcome is Outcome.FAILED:
            counters.failures.inc()
        self.conversation.close()
        self._site.admission.leave(self._peer)
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        transfer, self.transfer = self.transfer, None
        self._told = 0
        if transfer is not None:
            transfer.outcome = outcome
            # A connection may rest long after its last byte, before it is known to be that.
            is_complete = outcome is Outcome.COMPLETE
            transfer.ended_at = self._sent_at if is_complete else self._site.monotonic()
            self._site.observer.finished(transfer)


class TimedConnection(ABC):
    """What a connection does about time, whatever carries it."""

    _session: Session
    _conversation: Conversation
    _lingering: bool
    _response: Response | None
    """The one on its way."""

    @property
    def _is_resting(self) -> bool:
        """Whether all that was to be sent has been handed on."""
        return self._response is None

    def sweep(self, now: float) -> None:
        if self._is_resting:
            self._session.rest(now)
        responding = self._response is not None
        phase = self._session.phase(responding=responding, lingering=self._lingering)
        if not self._session.sweep(phase, now):
            return
        if phase is Phase.REQUEST and self._conversation.begun:
            self._response = self._conversation.timed_out()
            self._session.begin(self._response)
            self._proceed()
        elif phase in (Phase.REQUEST, Phase.RESPONSE):
            self._end(Outcome.TIMEOUT)
        else:
            self._end(Outcome.COMPLETE)

    def stop(self) -> None:
        read = self._is_resting and self._session.has_all
        self._end(Outcome.COMPLETE if read else Outcome.STOPPED)

    @abstractmethod
    def _proceed(self) -> None:
        """Send what is to be sent and answer what has been asked."""

    @abstractmethod
    def _end(self, outcome: Outcome) -> None:
        """Close at once, unless that is done."""
