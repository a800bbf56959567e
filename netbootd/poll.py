"""Many descriptors behind one: what lets a service own thousands of sockets cheaply.

A Twisted reactor spends several microseconds on each ready descriptor: a log context, a lookup, a
check that it is still connected. A TFTP window or a small range of a disk image takes no longer
than that. So a service keeps its own epoll set, whose descriptor is the only thing the reactor
watches; when it becomes readable, the callbacks of all ready members run in one reactor event.

    reactor ──(one descriptor)──▶ EpollGroup ──▶ on_readable() of each ready member

Where epoll is missing (Windows, macOS) each member is watched by the reactor itself.

A callback must tolerate being called when there is nothing to do (its descriptor may be the number
of one closed a moment ago), must not block, and must never keep the reactor waiting for its peer.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

Callback = Callable[[], object]

EVENTS_PER_LOOK = 256
"""Ready members served at once: 256 x about 10 us is 2.5 ms."""
SECOND_LOOK = 50e-6
"""Seconds spent looking for the next event before the reactor gets its turn. A peer on this
computer or a virtual one answers within that time, and then both sides are spared falling asleep
and being woken, which costs more than all else in lock-step TFTP."""
TURN = 2e-3
"""Seconds of such looks in a row, however successful: others wait no longer."""
MAX_REST = 6
"""After the nth look in vain there is none for 2**n - 1 turns, n growing up to this: where peers
take longer, looking costs 50 us in 64 turns."""


class PollGroup(Protocol):
    """Descriptors of one service, each with what to call when it is ready (level-triggered)."""

    def watch(
        self, fileno: int, on_readable: Callback | None = None, on_writable: Callback | None = None
    ) -> None:
        """Add a descriptor, or change what is called for it; None: not interested, and both None
        is the same as `forget`.

        An error or a hang-up calls `on_readable`, or `on_writable` where there is no other: its
        next system call reports it. A callback that raises is logged and its descriptor forgotten.
        """

    def forget(self, fileno: int) -> None:
        """Stop watching, before the descriptor is closed; one that is not watched is no error."""

    def close(self) -> None:
        """Forget all members and release what the group holds."""


def poll_group(reactor: IReactorFDSet, after: Callback = lambda: None) -> PollGroup:
    """The fastest kind of group that this platform has.

    `after` is called when the callbacks of all members that were ready together have run: whoever
    reads in the callbacks and sends in `after` lets its peers work while it sends, and wakes one
    that sleeps once rather than for each datagram. Should it raise, that is logged.
    """
    if hasattr(select, "epoll"):
        return EpollGroup(reactor, after)
    return ReactorGroup(reactor, after)


@implementer(IReadDescriptor)
class EpollGroup:
    """A private epoll set; the reactor watches its descriptor while it has members."""

    def __init__(self, reactor: IReactorFDSet, after: Callback) -> None:
        self._reactor = reactor
        self._after = after
        self._epoll: select.epoll | None = None
        """Open while there are members."""
        self._members: dict[int, tuple[Callback | None, Callback | None]] = {}
        self._in_vain = 0
        """Second looks without result since the last good one."""
        self._rest = 0
        """Turns without a second look that are still to come."""

    # What the reactor calls.

    def fileno(self) -> int:
        return -1 if self._epoll is None else self._epoll.fileno()

    def logPrefix(self) -> str:
        return "poll"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops, or our own descriptor went bad."""
        self.close()

    def doRead(self) -> None:
        self._look()
        if self._rest:
            self._rest -= 1
        else:
            self._look_again()

    # What the service calls.

    def watch(
        self, fileno: int, on_readable: Callback | None = None, on_writable: Callback | None = None
    ) -> None:
        mask = (select.EPOLLIN if on_readable else 0) | (select.EPOLLOUT if on_writable else 0)
        if not mask:  # a hang-up would be reported for ever
            self.forget(fileno)
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
        if fileno in self._members:
            self._epoll.modify(fileno, mask)
        else:
            self._epoll.register(fileno, mask)
        self._members[fileno] = (on_readable, on_writable)

    def forget(self, fileno: int) -> None:
        if self._members.pop(fileno, None) is None or self._epoll is None:
            return
        self._epoll.unregister(fileno)
        if not self._members:
            self.close()

    def close(self) -> None:
        self._members.clear()
        if self._epoll is not None:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None

    # Its own.

    def _look(self) -> bool:
        """Serve the members that are ready; whether there were any."""
        ready = self._epoll.poll(0, EVENTS_PER_LOOK) if self._epoll is not None else []
        if ready:
            self._serve(ready)
        return bool(ready)

    def _look_again(self) -> None:
        """Serve what becomes ready soon, for a bounded time."""
        started = served = perf_counter()
        while self._members:
            if self._look():
                self._in_vain = 0
                now = served = perf_counter()
            else:
                now = perf_counter()
            if now - served > SECOND_LOOK:
                self._in_vain = min(self._in_vain + 1, MAX_REST)
                self._rest = (1 << self._in_vain) - 1
                return
            if now - started > TURN:
                return

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        for fileno, event in ready:
            member = self._members.get(fileno)
            if member is None:  # forgotten by a callback that ran before it
                continue
            on_readable, on_writable = member
            try:
                if on_readable and event != select.EPOLLOUT:
                    on_readable()
                    if not on_writable or self._members.get(fileno) is not member:
                        continue
                if on_writable and (event & select.EPOLLOUT or not on_readable):
                    on_writable()
            except Exception:
                _log.failure("a poll callback raised; its descriptor is no longer watched")
                self.forget(fileno)
        _finish(self._after)


@implementer(IReadWriteDescriptor)
class _Member:
    """One descriptor as the reactor wants to see it."""

    def __init__(self, group: ReactorGroup, fileno: int) -> None:
        self._group = group
        self._fileno = fileno
        self.on_readable: Callback | None = None
        self.on_writable: Callback | None = None

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "poll"

    def connectionLost(self, reason: Failure) -> None:
        self._group.forget(self._fileno)

    def doRead(self) -> None:
        self._call(self.on_readable)

    def doWrite(self) -> None:
        self._call(self.on_writable)

    def _call(self, callback: Callback | None) -> None:
        if callback is None:
            return
        try:
            callback()
        except Exception:
            _log.failure("a poll callback raised; its descriptor is no longer watched")
            self._group.forget(self._fileno)
        _finish(self._group.after)


class ReactorGroup:
    """Each member is watched by the reactor itself: slower, and everywhere."""

    def __init__(self, reactor: IReactorFDSet, after: Callback) -> None:
        self._reactor = reactor
        self.after = after
        self._members: dict[int, _Member] = {}

    def watch(
        self, fileno: int, on_readable: Callback | None = None, on_writable: Callback | None = None
    ) -> None:
        if not on_readable and not on_writable:
            self.forget(fileno)
            return
        member = self._members.get(fileno)
        if member is None:
            member = self._members[fileno] = _Member(self, fileno)
        member.on_readable, member.on_writable = on_readable, on_writable
        if on_readable:
            self._reactor.addReader(member)
        else:
            self._reactor.removeReader(member)
        if on_writable:
            self._reactor.addWriter(member)
        else:
            self._reactor.removeWriter(member)

    def forget(self, fileno: int) -> None:
        member = self._members.pop(fileno, None)
        if member is not None:
            self._reactor.removeReader(member)
            self._reactor.removeWriter(member)

    def close(self) -> None:
        for fileno in list(self._members):
            self.forget(fileno)


def _finish(after: Callback) -> None:
    try:
        after()
    except Exception:
        _log.failure("what was to be done after the poll callbacks raised")


_log = Logger()
