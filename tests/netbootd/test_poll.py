"""Many descriptors behind one, and each by itself where there is no epoll."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import LogEvent, globalLogPublisher

from netbootd.poll import EpollGroup, PollGroup, ReactorGroup, poll_group
from tests.netbootd.turning import TurningReactor

Make = Callable[[IReactorFDSet, Callable[[], object]], PollGroup]

needs_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")
each_kind = pytest.mark.parametrize(
    "make", [pytest.param(EpollGroup, marks=needs_epoll), ReactorGroup]
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def failures(events: list[LogEvent]) -> list[str]:
    return [event["log_failure"].getErrorMessage() for event in events if "log_failure" in event]


@each_kind
def test_reading(make: Make, pair: tuple[socket.socket, socket.socket]) -> None:
    """A member is called while it has something to read, and `after` behind it."""
    reactor, calls = TurningReactor(), list[object]()
    group = make(reactor, lambda: calls.append("after"))
    near, far = pair
    group.watch(near.fileno(), lambda: calls.append(near.recv(1)))

    far.send(b"ab")
    reactor.turn_until(lambda: len(calls) == 4)

    assert calls == [b"a", "after", b"b", "after"]
    assert not reactor.turn(0)


@each_kind
def test_writing(make: Make, pair: tuple[socket.socket, socket.socket]) -> None:
    """A member is called while it can write, until it is no longer interested."""
    reactor, calls = TurningReactor(), list[str]()
    group = make(reactor, lambda: None)
    near, _ = pair

    def on_writable() -> None:
        calls.append("w")
        if len(calls) == 3:
            group.watch(near.fileno(), lambda: calls.append("r"))

    group.watch(near.fileno(), None, on_writable)
    reactor.settle()

    assert calls == ["w", "w", "w"]


@each_kind
def test_reading_and_writing(make: Make, pair: tuple[socket.socket, socket.socket]) -> None:
    """A member that is ready for both is read before it is written."""
    reactor, calls = TurningReactor(), list[str]()
    group = make(reactor, lambda: None)
    near, far = pair

    def on_writable() -> None:
        calls.append("w")
        group.forget(near.fileno())

    far.send(b"x")
    group.watch(near.fileno(), lambda: calls.append("r" + near.recv(1).decode()), on_writable)
    reactor.settle()

    assert calls == ["rx", "w"]


@each_kind
def test_hang_up(make: Make, pair: tuple[socket.socket, socket.socket]) -> None:
    """A member whose peer is gone is called, and finds out by its own system call."""
    reactor, calls = TurningReactor(), list[bytes]()
    group = make(reactor, lambda: None)
    near, far = pair

    def on_readable() -> None:
        calls.append(near.recv(1))
        group.forget(near.fileno())

    group.watch(near.fileno(), on_readable)
    far.close()
    reactor.settle()

    assert calls == [b""]


@each_kind
@pytest.mark.parametrize("watched_for_nothing", [False, True])
def test_forgotten(
    make: Make, pair: tuple[socket.socket, socket.socket], watched_for_nothing: bool
) -> None:
    """What is forgotten, or watched for nothing, is not called; forgetting it again is no error."""
    reactor, calls = TurningReactor(), list[bytes]()
    group = make(reactor, lambda: None)
    near, far = pair
    group.watch(near.fileno(), lambda: calls.append(near.recv(1)))

    if watched_for_nothing:
        group.watch(near.fileno())
    group.forget(near.fileno())
    group.forget(near.fileno())
    far.send(b"x")

    assert not reactor.turn(0)
    assert (calls, reactor.getReaders(), reactor.getWriters()) == ([], [], [])


@each_kind
def test_forgotten_by_another_member(make: Make) -> None:
    """A member that a callback forgets is not called in the same turn."""
    reactor, calls = TurningReactor(), list[int]()
    group = make(reactor, lambda: None)
    pipes = [os.pipe() for _ in range(3)]
    readers = [reader for reader, _ in pipes]

    def on_readable() -> None:
        calls.append(1)
        for reader in readers:
            group.forget(reader)

    for reader, writer in pipes:
        group.watch(reader, on_readable)
        os.write(writer, b"x")
    reactor.settle()

    assert calls == [1]
    for descriptor in (descriptor for pipe in pipes for descriptor in pipe):
        os.close(descriptor)


@each_kind
def test_callback_that_raises(
    make: Make, pair: tuple[socket.socket, socket.socket], logged: list[LogEvent]
) -> None:
    """A callback that raises is logged and forgotten; the others go on."""
    reactor, calls = TurningReactor(), list[bytes]()
    group = make(reactor, lambda: None)
    near, far = pair

    def fail() -> None:
        raise RuntimeError("a bug")

    group.watch(near.fileno(), fail)
    group.watch(far.fileno(), lambda: calls.append(far.recv(1)))
    far.send(b"x")
    near.send(b"y")
    reactor.settle()

    assert failures(logged) == ["a bug"]
    assert calls == [b"y"]


@each_kind
def test_after_that_raises(
    make: Make, pair: tuple[socket.socket, socket.socket], logged: list[LogEvent]
) -> None:
    """What comes after the callbacks may fail, too, and is logged."""
    reactor, calls = TurningReactor(), list[bytes]()

    def fail() -> None:
        raise RuntimeError("a bug")

    group = make(reactor, fail)
    near, far = pair
    group.watch(near.fileno(), lambda: calls.append(near.recv(1)))
    far.send(b"xy")
    reactor.settle()

    assert failures(logged) == ["a bug", "a bug"]
    assert calls == [b"x", b"y"]


@each_kind
def test_close(make: Make, pair: tuple[socket.socket, socket.socket]) -> None:
    """A closed group leaves nothing with the reactor, and can be used again."""
    reactor, calls = TurningReactor(), list[bytes]()
    group = make(reactor, lambda: None)
    near, far = pair
    group.watch(near.fileno(), lambda: calls.append(near.recv(1)))

    for _ in range(2):
        group.close()
    assert (reactor.getReaders(), reactor.getWriters()) == ([], [])

    group.watch(near.fileno(), lambda: calls.append(near.recv(1)))
    far.send(b"x")
    reactor.turn_until(lambda: calls == [b"x"])
    group.close()


@needs_epoll
def test_one_descriptor_for_the_reactor() -> None:
    """However many members there are, the reactor watches one descriptor, and none without any."""
    reactor = TurningReactor()
    group = poll_group(reactor)
    pipes = [os.pipe() for _ in range(20)]

    for reader, _ in pipes:
        group.watch(reader, lambda: None)
    assert reactor.getReaders() == [group]
    for reader, writer in pipes:
        group.forget(reader)
        os.close(reader)
        os.close(writer)

    assert reactor.getReaders() == []


@needs_epoll
def test_a_member_that_is_always_ready() -> None:
    """A member that is always ready does not keep the reactor for ever."""
    reactor, calls = TurningReactor(), list[int]()
    group = poll_group(reactor)
    reader, writer = os.pipe()
    group.watch(writer, None, lambda: calls.append(1))

    reactor.turn()

    assert calls
    group.close()
    os.close(reader)
    os.close(writer)
