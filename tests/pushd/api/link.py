"""A session's link, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pushd.api.exchange import Client, Link, Session
from pushd.api.http1 import Http1Session
from pushd.api.http2 import Http2Session
from tests.pushd.api.stand import Stand

S = TypeVar("S", Http1Session, Http2Session)

DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"


class FakeLink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.writable = True
        self.reading = True
        self.finished = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.finished, "written after the end"
        self.written += data

    def read(self, wanted: bool) -> None:
        self.reading = wanted

    def finish(self) -> None:
        self.finished = True

    def abort(self) -> None:
        self.aborted = True

    def taken(self) -> bytes:
        """What was written since."""
        data, self.written = self.written, b""
        return data


def session_on(stand: Stand, kind: Callable[..., S]) -> tuple[S, FakeLink]:
    """A session of that kind, and its link."""
    link = FakeLink()
    checked: Link = link
    session = kind(
        stand.site,
        checked,
        Client(address="192.0.2.7"),
        limits=stand.limits,
        counters=stand.counters,
        monotonic=stand.clock.seconds,
        date=lambda: DATE,
    )
    also_checked: Session = session
    assert also_checked is session
    return session, link


def sweep(stand: Stand, session: Session, seconds: float) -> None:
    """Let time pass, with a look at the session every half second."""
    for _ in range(int(seconds * 2)):
        stand.clock.advance(0.5)
        session.sweep(stand.clock.seconds())
