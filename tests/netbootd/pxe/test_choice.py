"""Which boot entry was chosen at a PC to stay: on disk before it counts, and found again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netbootd.pxe import choice
from netbootd.pxe.choice import Choices, TableFull
from netbootd.statement import SAVE_CHOICE, SCHEMA
from ops.counter import Counters
from ops.database import Database, StoreError
from ops.store import Store, StoreClosed
from tests.ops.facts import temporary_folder
from tests.ops.mailbox import Mailbox

MAC = bytes.fromhex("525400770010")
OTHER = bytes.fromhex("525400770011")
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class ChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Mailbox()
        self.counters = Counters()
        database = Database(temporary_folder(self) / "netbootd.db", SCHEMA)
        self.store = Store(
            database, reactor=self.reactor, counters=self.counters, prefix="netbootd"
        )
        self.addCleanup(lambda: self.reactor.until(self.store.close()))
        self.choices = self.start()

    def start(self) -> Choices:
        """The choices as a daemon that starts now finds them."""
        self.reactor.until(self.store.close())
        self.store.open_thd()
        return Choices(self.store, now=lambda: START, counters=self.counters).load_thd()

    def done(self, deferred: Deferred[Any]) -> None:
        self.reactor.until(deferred)
        self.successResultOf(deferred)

    def test_a_choice_is_known_once_it_is_on_disk(self) -> None:
        """Until the commit the machine has chosen nothing."""
        kept = self.choices.keep(MAC, "debian")
        self.assertIsNone(self.choices.lookup(MAC))

        self.done(kept)

        self.assertEqual((self.choices.lookup(MAC), self.choices.count), ("debian", 1))
        self.assertIsNone(self.choices.lookup(OTHER))

    def test_a_choice_survives_a_restart(self) -> None:
        """The next process boots the same; the latest choice counts."""
        self.done(self.choices.keep(MAC, "debian"))
        self.done(self.choices.keep(MAC, "SP1/büro 2"))

        self.assertEqual(self.start().lookup(MAC), "SP1/büro 2")

    def test_a_choice_can_be_forgotten(self) -> None:
        """For good, and also where there is none."""
        self.done(self.choices.keep(MAC, "debian"))

        self.done(self.choices.forget(MAC))
        self.done(self.choices.forget(OTHER))

        self.assertIsNone(self.choices.lookup(MAC))
        self.assertEqual(self.start().count, 0)

    def test_the_table_is_bounded(self) -> None:
        """Machines that never end cannot fill our memory; those that have a choice may change it,
        and choices on their way count."""
        self.patch(choice, "MAX_CHOICES", 2)
        self.done(self.choices.keep(MAC, "debian"))
        under_way = self.choices.keep(OTHER, "debian")

        self.failureResultOf(self.choices.keep(b"\2\0\0\0\0\0", "debian"), TableFull)
        self.done(self.choices.keep(MAC, "fedora"))

        self.done(under_way)
        refused = self.counters.snapshot()["netbootd_pxe_refused_choices_total"]
        self.assertEqual((self.choices.count, refused), (2, 1))

    def test_what_is_not_stored_is_not_known(self) -> None:
        """A choice that fails to be stored leaves room for another."""
        self.reactor.until(self.store.close())
        failures: list[Failure] = []

        for deferred in (self.choices.keep(MAC, "debian"), self.choices.forget(MAC)):
            deferred.addErrback(failures.append)

        self.assertEqual([failure.type for failure in failures], [StoreClosed, StoreClosed])
        self.assertIsNone(self.choices.lookup(MAC))

    def test_a_row_that_makes_no_sense(self) -> None:
        """Somebody else's hand in the database stops the start, with the row."""
        self.reactor.until(
            self.store.write(SAVE_CHOICE, mac="nonsense", entry="debian", chosen_at=0)
        )

        with self.assertRaisesRegex(StoreError, "machine 'nonsense' .* table `choices`"):
            self.start()
