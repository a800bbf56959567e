"""The parent of a daemon where a service manager has no signals: real children, a manager that
only remembers what it was told."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.service.parent import Parent, Policy
from tests.interop.lab import wait_until

PATIENCE = 60.0
QUICK = Policy(first=0.01, most=0.02, tries=4)

ENDS_WITH_STDIN = """
import pathlib, sys
pathlib.Path(sys.argv[1]).write_text("runs")
print("is ready", flush=True)
while sys.stdin.read(1024):
    pass
pathlib.Path(sys.argv[1]).write_text("committed")
"""
STUBBORN = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text("runs")
while True:
    time.sleep(3600)
"""
FAILS = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
runs = len(path.read_text()) if path.exists() else 0
path.write_text("x" * (runs + 1))
print(f"cannot start for the {runs + 1}. time")
sys.exit(3)
"""


class Manager:
    """Remembers."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.events: queue.Queue[str] = queue.Queue()

    def running(self) -> None:
        self.states.append("running")

    def stopping(self) -> None:
        self.states.append("stopping")

    def event(self, text: str, *, is_error: bool) -> None:
        assert is_error
        self.events.put(text)


class Service:
    """A parent in a thread of its own, as the service manager has it."""

    def __init__(self, parent: Parent, manager: Manager) -> None:
        self.parent = parent
        self.manager = manager
        self.status: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.status = self.parent.run()

    def ended(self) -> int | None:
        self._thread.join(PATIENCE)
        return self.status


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """Where a child says how far it is."""
    return tmp_path / "note"


@pytest.fixture
def start(note: Path) -> Iterator[list[Service]]:
    """Services that are ended with the test."""
    services: list[Service] = []
    yield services
    for service in services:
        service.parent.stop()
        assert service.ended() is not None


def started(start: list[Service], script: str, note: Path, policy: Policy = QUICK) -> Service:
    manager = Manager()
    command = [sys.executable, "-c", script, str(note)]
    service = Service(Parent(command, manager, policy=policy), manager)
    start.append(service)
    return service


def says(note: Path, text: str) -> None:
    wait_until(lambda: note.exists() and note.read_text() == text, PATIENCE)


def test_a_stop_lets_the_daemon_finish(note: Path, start: list[Service]) -> None:
    """It is told by the end of its standard input, commits, and is waited for."""
    service = started(start, ENDS_WITH_STDIN, note)
    says(note, "runs")

    service.parent.stop()

    assert service.ended() == 0
    assert note.read_text() == "committed"
    assert service.manager.states == ["running", "stopping"]
    assert service.manager.events.empty()


def test_a_daemon_that_does_not_stop_is_killed(note: Path, start: list[Service]) -> None:
    """The service ends in the time that it promised, and says what it did."""
    service = started(start, STUBBORN, note, Policy(patience=0.1))
    says(note, "runs")

    service.parent.stop()

    assert service.ended() == 0
    assert service.manager.events.get(timeout=PATIENCE).startswith("It did not stop within 0.1 s")


def test_a_daemon_that_ends_is_started_again(note: Path, start: list[Service]) -> None:
    """Each end is in the system's log with the daemon's own words; after the last try the service
    ends, too, with the daemon's status."""
    service = started(start, FAILS, note)

    assert service.ended() == 3
    assert note.read_text() == "xxxx"
    events = [service.manager.events.get_nowait() for _ in range(4)]
    assert "status 3; it is started again in 0.01 s" in events[0]
    assert "cannot start for the 1. time" in events[0]
    assert "it is started again in 0.02 s" in events[2]
    assert "it ended 4 times and is not started again" in events[3]
    assert service.manager.events.empty()


def test_a_daemon_that_ran_for_long_has_all_its_tries(note: Path, start: list[Service]) -> None:
    """Ends that are far apart are not counted together."""
    service = started(start, FAILS, note, Policy(first=0.01, most=0.02, steady=0.0, tries=2))

    wait_until(lambda: note.exists() and len(note.read_text()) >= 4, PATIENCE)

    assert service.status is None


def test_a_stop_between_two_tries(note: Path, start: list[Service]) -> None:
    """Nothing is started any more."""
    service = started(start, FAILS, note, Policy(first=3600.0, most=3600.0))
    service.manager.events.get(timeout=PATIENCE)

    service.parent.stop()

    assert service.ended() == 0
    assert note.read_text() == "x"


def test_a_talkative_daemon_is_not_held_up(note: Path, start: list[Service]) -> None:
    """What it writes is read all the time, and of that the last lines are kept."""
    script = """
import pathlib, sys
for number in range(100_000):
    print(number)
pathlib.Path(sys.argv[1]).write_text("said")
sys.exit(1)
"""
    service = started(start, script, note, Policy(first=3600.0, most=3600.0))

    event = service.manager.events.get(timeout=PATIENCE)

    assert event.endswith("\n99999")
    assert len(event.splitlines()) < 30
