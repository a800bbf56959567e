"""What the API asks of the queue, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from pushd.job import Job
from pushd.outcome import Outcome
from pushd.receipt import Receipt, State


class PushStatus(Protocol):
    """One push, as `pushd.receipt.Status`."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def submitted_at(self) -> int: ...
    @property
    def outcome(self) -> Outcome | None: ...
    @property
    def settled_at(self) -> int | None: ...
    @property
    def credential(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def tries(self) -> int: ...
    @property
    def why(self) -> str | None:
        """Of the last attempt that failed."""

    @property
    def retry_at(self) -> float | None:
        """Seconds since 1970."""


class SettledPush(Protocol):
    """One line of the feed of results."""

    @property
    def seq(self) -> int:
        """Grows in the order of the commits."""

    @property
    def id(self) -> str: ...
    @property
    def credential(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def submitted_at(self) -> int: ...
    @property
    def settled_at(self) -> int: ...
    @property
    def outcome(self) -> Outcome: ...


class InvalidDevice(Protocol):
    """One line of the feed of tokens that are to be pushed to no more."""

    @property
    def seq(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def invalid_since(self) -> int | None: ...
    @property
    def noticed_at(self) -> int: ...


class Pushes(Protocol):
    """The durable queue. On the reactor thread."""

    @property
    def waiting(self) -> int:
        """Pushes that have no outcome yet."""

    def submit(self, jobs: Sequence[Job], done: Callable[[Sequence[Receipt]], object]) -> None:
        """Queue them with one commit; then `done`, with a receipt for each."""

    def find(self, id: str) -> Deferred[PushStatus | None]: ...

    def cancel(self, id: str) -> Deferred[PushStatus | None]: ...

    def results(self, after: int, limit: int) -> Deferred[Sequence[SettledPush]]: ...

    def invalid_tokens(self, after: int, limit: int) -> Deferred[Sequence[InvalidDevice]]: ...

    def on_settled(self, callback: Callable[[Sequence[SettledPush]], object]) -> None:
        """Call it after each commit of outcomes."""


class CredentialChoice(Protocol):
    """Which credentials there are."""

    def names_for(self, topic: str) -> Sequence[str]:
        """Those that may send to `topic`, in the order of the configuration."""
