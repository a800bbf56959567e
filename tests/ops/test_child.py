"""A daemon as a child process: what is said when it does not come up."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ops.child import START_TIMEOUT, STOP_TIMEOUT, Daemon
from ops.stage import StageFailed

READY = b"2026-03-01T09:30:00Z info  netbootd.service  netbootd 0.1 is ready: BSDP 1067\n"


class FakeProcesses(Clock):
    """A reactor whose child the test plays."""

    def __init__(self) -> None:
        super().__init__()
        self.signals: list[str] = []
        self.is_gone = False

    def spawnProcess(self, protocol: Any, *arguments: Any, **options: Any) -> None:
        self.options = options
        protocol.makeConnection(self)

    def signalProcess(self, name: str) -> None:
        if self.is_gone:
            raise ProcessExitedAlready
        self.signals.append(name)


class DaemonTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeProcesses()
        self.daemon = Daemon(self.reactor, "netbootd", Path("/etc/netbootd.toml"))
        self.started = self.daemon.start()

    def says(self, data: bytes) -> None:
        self.daemon.childDataReceived(1, data)

    def ends(self, reason: Exception) -> None:
        self.daemon.processEnded(Failure(reason))

    def failure(self) -> str:
        return str(self.failureResultOf(self.started, StageFailed).value)

    def test_it_is_ready_when_it_says_so(self) -> None:
        """The ready line may come in pieces, after others."""
        self.says(b"starting up\n" + READY[:70])
        self.assertNoResult(self.started)

        self.says(READY[70:])

        self.successResultOf(self.started)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_ends_at_once(self) -> None:
        """What it said last is why."""
        self.says(b"starting up\nnetbootd: cannot bind UDP port 67 for BSDP\n")

        self.ends(ProcessTerminated(1))

        self.assertEqual(
            self.failure(), "daemon: it ended: netbootd: cannot bind UDP port 67 for BSDP"
        )
        self.assertEqual(self.successResultOf(self.daemon.ended), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_ends_without_a_word(self) -> None:
        """Then that is what there is to say."""
        self.ends(ProcessTerminated(1))

        self.assertEqual(self.failure(), "daemon: it ended: it said nothing")

    def test_last_words_without_an_end_of_line(self) -> None:
        """A line that the end cut off counts, too."""
        self.says(b"netbootd: no more memory")

        self.ends(ProcessTerminated(1))

        self.assertEqual(self.failure(), "daemon: it ended: netbootd: no more memory")

    def test_it_is_never_ready(self) -> None:
        """It is waited for so long, and then stopped like any other."""
        self.says(b"starting up\n")

        self.reactor.advance(START_TIMEOUT)

        self.assertEqual(
            self.failure(), f"daemon: it was not ready after {START_TIMEOUT:.0f} s: starting up"
        )
        self.says(READY)  # too late, and no error
        self.daemon.stop()
        self.assertEqual(self.reactor.signals, ["TERM"])

    def test_a_stop(self) -> None:
        """It is asked to end; the status is 0 whether it exits or dies of what it was asked by."""
        for reason in (ProcessDone(0), ProcessTerminated(None, signal.SIGTERM)):
            self.setUp()
            self.says(READY)

            ended = self.daemon.stop()
            self.assertNoResult(ended)
            self.ends(reason)

            self.assertEqual(self.successResultOf(ended), 0)
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one_that_does_not_stop(self) -> None:
        """After a while it is killed, and that is no good end."""
        self.says(READY)
        ended = self.daemon.stop()

        self.reactor.advance(STOP_TIMEOUT)

        self.assertEqual(self.reactor.signals, ["TERM", "KILL"])
        self.ends(ProcessTerminated(None, signal.SIGKILL))
        self.assertEqual(self.successResultOf(ended), 1)

    def test_one_that_has_just_ended(self) -> None:
        """A process that is gone before its end was heard of cannot be signalled: no error."""
        self.says(READY)
        self.reactor.is_gone = True

        ended = self.daemon.stop()
        self.ends(ProcessTerminated(3))

        self.assertEqual(self.successResultOf(ended), 1)

    def test_a_stop_after_the_end(self) -> None:
        """Then there is nobody to signal."""
        self.ends(ProcessTerminated(1))
        self.failure()

        self.assertEqual(self.successResultOf(self.daemon.stop()), 1)
        self.assertEqual(self.reactor.signals, [])

    def test_a_daemon_that_talks_for_ever(self) -> None:
        """Only its last lines are kept."""
        for _ in range(1000):
            self.says(b"line\n")

        self.assertEqual(len(self.daemon.lines), self.daemon.lines.maxlen)
        self.reactor.advance(START_TIMEOUT)
        self.failure()
