"""Following the interfaces: what is told, and what does not end it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netbootd.interface import Interface
from netbootd.interface_watch import INTERVAL, InterfaceWatch
from tests.netbootd.lines import capture

LAN = Interface(name="en0", index=2, addresses=(IPv4Interface("10.0.0.1/24"),))
WIFI = Interface(name="en1", index=3, addresses=(IPv4Interface("10.0.1.1/24"),))


class InterfaceWatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.table: tuple[Interface, ...] = (LAN,)
        self.changes: list[Sequence[Interface]] = []
        self.clock = Clock()
        self.watch = InterfaceWatch(
            read=lambda: self.table,
            changed=self.changes.append,
            current=(LAN,),
            clock=self.clock,
        )
        self.lines = capture(self)
        self.watch.startService()

    def test_nothing_is_told_while_nothing_changes(self) -> None:
        """The table that was there at the start is no change."""
        self.clock.pump([INTERVAL] * 3)

        self.assertEqual((self.changes, self.lines), ([], []))

    def test_an_interface_that_comes_or_goes_is_told_once(self) -> None:
        """Each new table is handed on, and logged; that none is left is a warning."""
        for table in ((LAN, WIFI), (LAN, WIFI), ()):
            self.table = table
            self.clock.advance(INTERVAL)

        self.assertEqual(self.changes, [(LAN, WIFI), ()])
        self.assertEqual(
            self.lines,
            [
                "info: Interfaces changed; serving 10.0.0.1 [en0], 10.0.1.1 [en1]",
                "warn: Interfaces changed; serving none",
            ],
        )

    def test_a_table_that_cannot_be_read_is_read_again(self) -> None:
        """A failing look is logged; the next one is made all the same."""
        self.watch._read = self.fail_to_read
        self.clock.pump([INTERVAL] * 2)
        self.assertEqual(len(self.flushLoggedErrors(PermissionError)), 2)

        self.watch._read = lambda: (WIFI,)
        self.clock.advance(INTERVAL)

        self.assertEqual(self.changes, [(WIFI,)])

    def fail_to_read(self) -> tuple[Interface, ...]:
        raise PermissionError("not yours to see")

    def test_a_change_that_could_not_be_made_is_tried_again(self) -> None:
        """What fails while a change is served is logged, and the change is not forgotten."""
        self.table = (WIFI,)
        self.watch._changed = lambda table: 1 / 0  # type: ignore[assignment, return-value]
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

        self.watch._changed = self.changes.append
        self.clock.advance(INTERVAL)

        self.assertEqual(self.changes, [(WIFI,)])

    def test_it_can_be_stopped_and_started(self) -> None:
        """Stopped, it leaves nothing in the reactor; started again, it looks again."""
        self.watch.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

        self.watch.startService()
        self.table = (WIFI,)
        self.clock.advance(INTERVAL)

        self.assertEqual(self.changes, [(WIFI,)])
