"""A simulator in a thread of its own, for tests that know nothing of Twisted.

    with simulator_in_background() as background:
        background.run(lambda apple: apple.rules.add(Rule(prefix="dead", ...)))
        ... push to localhost, `background.port` ...
        background.until(lambda apple: apple.record.accepted == 3)

It has a reactor of its own there; the process's is not touched, nor needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pushd.testing.simulator import Simulator

PATIENCE: Final = 30.0
"""Seconds until something that must happen counts as failed."""

T = TypeVar("T")


class Background:
    """The thread and its simulator."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._reactor = _new_reactor()
        self.simulator = Simulator(self._reactor, **options)
        """To be touched by `run` and `until` only, once it runs."""
        self._thread = threading.Thread(
            target=self._reactor.run,
            kwargs={"installSignalHandlers": False},
            name="apns-simulator",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.run(lambda simulator: simulator.port)

    def run(self, work: Callable[[Simulator], T]) -> T:
        """What `work` returns, done in the simulator's thread. Raises what it raises."""
        result: Future[T] = Future()

        def call() -> None:
            try:
                result.set_result(work(self.simulator))
            except BaseException as error:
                result.set_exception(error)

        self._reactor.callFromThread(call)
        return result.result(PATIENCE)

    def until(self, condition: Callable[[Simulator], bool], patience: float = PATIENCE) -> None:
        """Wait until `condition` holds. Raises TimeoutError."""
        self._wait(lambda: self.simulator.until(lambda: condition(self.simulator)), patience)

    def start(self) -> None:
        """Begin to listen. Raises CannotListenError."""
        self._thread.start()
        self._wait(lambda: Deferred.fromCoroutine(self.simulator.start()))

    def stop(self) -> None:
        """Close the port and all connections, end the thread."""
        try:
            self._wait(lambda: Deferred.fromCoroutine(self.simulator.stop()))
        finally:
            self._reactor.callFromThread(self._reactor.stop)
            self._thread.join(PATIENCE)

    def _wait(self, begin: Callable[[], Deferred[None]], patience: float = PATIENCE) -> None:
        over: Future[None] = Future()

        def failed(failure: Failure) -> None:
            over.set_exception(failure.value)

        self._reactor.callFromThread(lambda: begin().addCallbacks(over.set_result, failed))
        over.result(patience)


@contextmanager
def simulator_in_background(**options: Any) -> Iterator[Background]:
    """A simulator with those options of `Simulator`, on a free port of 127.0.0.1."""
    background = Background(options)
    background.start()
    try:
        yield background
    finally:
        background.stop()


def _new_reactor() -> Any:
    """One that is not the process's."""
    make: Any
    try:
        from twisted.internet.epollreactor import EPollReactor as make
    except ImportError:
        from twisted.internet.selectreactor import SelectReactor as make
    return make()
