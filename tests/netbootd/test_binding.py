"""Which machine selected which image: on disk before it is known, and found again after a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netbootd import binding
from netbootd.binding import Bindings, Machine, TableFull
from netbootd.statement import SCHEMA
from ops.counter import Counters
from ops.database import Database, StoreError
from ops.store import Store, StoreClosed
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.outcome import Bind, Binding
from tests.ops.facts import temporary_folder
from tests.ops.mailbox import Mailbox

MAC = bytes.fromhex("a82066010203")
OTHER = bytes.fromhex("a82066010204")
MACMINI = ClassId(arch="i386", system_id="Macmini6,1")
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def select(mac: bytes, *, image: int = 0x81000001, number: int = 1, name: str = "") -> Bind:
    return Bind(
        mac=mac,
        binding=Binding(
            image_id=BootImageId(image),
            number=number,
            machine_name=name or f"NetBoot{number:03}",
        ),
        address=IPv4Address("10.0.0.50"),
    )


class BindingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Mailbox()
        self.counters = Counters()
        self.now = START
        database = Database(temporary_folder(self) / "netbootd.db", SCHEMA)
        self.store = Store(
            database, reactor=self.reactor, counters=self.counters, prefix="netbootd"
        )
        self.addCleanup(lambda: self.reactor.until(self.store.close()))
        self.bindings = self.start()

    def start(self) -> Bindings:
        """The bindings as a daemon that starts now finds them."""
        self.reactor.until(self.store.close())
        self.store.open_thd()
        made = Bindings(self.store, now=lambda: self.now, counters=self.counters)
        return made.load_thd()

    def bind(self, effect: Bind) -> Deferred[None]:
        done = self.bindings.bind(effect, class_id=MACMINI)
        self.reactor.until(done)
        return done

    def test_a_selection_is_known_once_it_is_on_disk(self) -> None:
        """Until the commit nothing is answered from it; after it, lookup and count know it."""
        done = self.bindings.bind(select(MAC), class_id=MACMINI)
        self.assertNoResult(done)
        self.assertEqual((self.bindings.lookup(MAC), self.bindings.count), (None, 0))

        self.reactor.until(done)

        self.successResultOf(done)
        self.assertEqual(self.bindings.lookup(MAC), select(MAC).binding)
        self.assertEqual(self.bindings.count, 1)

    def test_a_selection_survives_a_restart(self) -> None:
        """Everything that is known of a machine is known to the next process."""
        self.bind(select(MAC, image=0xFFFFFFFF, number=7, name="Büro 007"))

        self.assertEqual(
            self.start().machine(MAC),
            Machine(
                mac=MAC,
                binding=Binding(
                    image_id=BootImageId(0xFFFFFFFF), number=7, machine_name="Büro 007"
                ),
                architecture="i386",
                system_id="Macmini6,1",
                address=IPv4Address("10.0.0.50"),
                selected_at=START,
            ),
        )

    def test_a_second_selection_replaces_the_first(self) -> None:
        """A machine has one image, the last that it selected, and the time of that."""
        self.bind(select(MAC))
        self.now += timedelta(hours=1)
        self.bind(select(MAC, image=0x01000002))

        machine = self.start().machine(MAC)

        assert machine is not None
        self.assertEqual(machine.binding.image_id, 0x01000002)
        self.assertEqual(machine.selected_at, START + timedelta(hours=1))
        self.assertEqual(self.bindings.count, 1)

    def test_numbers_count_up_from_the_highest_on_disk(self) -> None:
        """A start continues after the highest number; no number is given twice while we run."""
        self.assertEqual(self.bindings.next_number, 1)
        first = self.bindings.bind(select(MAC, number=self.bindings.next_number), class_id=MACMINI)
        self.assertEqual(self.bindings.next_number, 2)  # before the first is on disk
        second = self.bindings.bind(select(OTHER, number=2), class_id=MACMINI)
        self.reactor.until(first, second, self.bindings.unbind(OTHER))

        self.assertEqual(self.bindings.next_number, 3)
        self.assertEqual(self.start().next_number, 2)

    def test_a_machine_that_chose_another_server_is_forgotten(self) -> None:
        """Unbinding takes it out of memory and off the disk, and leaves the others."""
        self.bind(select(MAC))
        self.bind(select(OTHER, number=2))

        done = self.bindings.unbind(MAC)
        self.reactor.until(done)

        self.successResultOf(done)
        for bindings in (self.bindings, self.start()):
            self.assertIsNone(bindings.lookup(MAC))
            self.assertIsNotNone(bindings.lookup(OTHER))

    def test_the_version_tells_every_change_of_an_answer(self) -> None:
        """Whoever remembers answers can see that they are stale; an address changes none."""
        versions = [self.bindings.version]

        for change in (
            lambda: self.bindings.bind(select(MAC), class_id=MACMINI),
            lambda: self.bindings.unbind(OTHER),
            lambda: self.bindings.unbind(MAC),
        ):
            self.reactor.until(change())
            versions.append(self.bindings.version)

        self.assertLess(versions[0], versions[1])
        self.assertEqual(versions[1], versions[2])
        self.assertLess(versions[2], versions[3])

    def test_a_new_address_of_a_bound_machine_is_noted(self) -> None:
        """What a bound machine asks DHCP for is kept; of others nothing is."""
        self.bind(select(MAC))

        self.bindings.moved(MAC, IPv4Address("10.0.0.99"))
        self.bindings.moved(OTHER, IPv4Address("10.0.0.98"))

        for bindings in (self.bindings, self.start()):
            machine = bindings.machine(MAC)
            assert machine is not None
            self.assertEqual(machine.address, IPv4Address("10.0.0.99"))
            self.assertEqual(bindings.count, 1)

    def test_an_address_that_did_not_change_costs_no_write(self) -> None:
        """DHCP renewals of a bound machine do not wear the disk."""
        self.bind(select(MAC))
        before = self.counters.snapshot()["netbootd_store_writes_total"]

        self.bindings.moved(MAC, IPv4Address("10.0.0.50"))
        self.reactor.until(self.bindings.unbind(OTHER))

        self.assertEqual(self.counters.snapshot()["netbootd_store_writes_total"], before + 1)

    def test_a_selection_that_cannot_be_stored_fails_and_lookups_go_on(self) -> None:
        """Without a disk no new selection is acknowledged, and the old ones are still answered."""
        self.bind(select(MAC))
        pages = self.store.read_thd("PRAGMA page_count")[0][0]
        self.store.read_thd(f"PRAGMA max_page_count = {pages}")
        macs = [bytes([2, 0, 0, 0, n >> 8, n & 255]) for n in range(400)]
        many = {mac: self.bindings.bind(select(mac), class_id=MACMINI) for mac in macs}
        self.reactor.until(*many.values())

        results: dict[bytes, list[object]] = {mac: [] for mac in macs}
        for mac, done in many.items():
            done.addBoth(results[mac].append)
        failed = {mac: result for mac, [result] in results.items() if result is not None}
        self.assertGreater(len(failed), 300)  # what fits the last page of the file still succeeds
        for mac in macs:
            self.assertEqual(self.bindings.lookup(mac) is None, mac in failed)
        for failure in failed.values():
            assert isinstance(failure, Failure)
            self.assertIn(
                "is full; free space on its disk", str(failure.check(StoreError) and failure.value)
            )
        self.assertEqual(self.bindings.lookup(MAC), select(MAC).binding)

    def test_a_stopped_store_refuses_selections(self) -> None:
        """While the service stops, nothing is acknowledged that is not kept."""
        self.reactor.until(self.store.close())

        self.failureResultOf(self.bindings.bind(select(MAC), class_id=MACMINI), StoreClosed)
        self.assertEqual(self.bindings.count, 0)

    def test_the_table_is_bounded(self) -> None:
        """Beyond its limit new machines are refused and counted; known ones may still choose."""
        self.patch(binding, "MAX_MACHINES", 2)
        self.bind(select(MAC))
        arriving = self.bindings.bind(select(OTHER, number=2), class_id=MACMINI)

        refused = self.bindings.bind(select(b"\2\0\0\0\0\1", number=3), class_id=MACMINI)

        self.failureResultOf(refused, TableFull)
        self.assertEqual(self.counters.snapshot()["netbootd_bsdp_refused_bindings_total"], 1)
        self.reactor.until(arriving)
        self.successResultOf(self.bind(select(MAC, image=0x01000002)))
        self.reactor.until(self.bindings.unbind(OTHER))
        self.successResultOf(self.bind(select(b"\2\0\0\0\0\1", number=3)))

    def test_a_model_that_is_not_text_is_kept_readable(self) -> None:
        """Bytes that are not UTF-8, NULs and endless names reach the database as plain text."""
        odd = ClassId(arch="i386\0", system_id="\udcff" + "x" * 400)

        self.reactor.until(self.bindings.bind(select(MAC), class_id=odd))

        machine = self.start().machine(MAC)
        assert machine is not None
        self.assertEqual(machine.architecture, r"i386\x00")
        self.assertEqual(machine.system_id, (r"\xff" + "x" * 400)[:255])

    def test_a_row_that_makes_no_sense_stops_the_start(self) -> None:
        """A table edited by hand is told with the machine and the remedy."""
        self.bind(select(MAC))
        self.reactor.until(self.store.write("UPDATE machines SET image_id = -1"))

        with self.assertRaisesRegex(StoreError, "a8:20:66:01:02:03.*correct or delete its row"):
            self.start()
