"""The timeline: what is remembered of each machine, what is told, and what is bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netbootd.event import (
    Event,
    FileMissing,
    ImageSelected,
    ImagesListed,
    TransferFinished,
    TransferProgressed,
    TransferStarted,
)
from netbootd.timeline import MAX_EVENTS, Timeline
from netbootd.transfer import Outcome, Transfer

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
MAC = "a8:20:66:01:02:03"
ADDRESS = "10.0.0.50"


class Wall:
    """A wall clock that advances one second a reading."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def listed(*, machine: str = MAC, address: str = ADDRESS, at: datetime = START) -> ImagesListed:
    return ImagesListed(
        at=at,
        machine=machine,
        address=address,
        interface="en0",
        architecture="i386",
        system_id="iMac14,2",
        images=1,
        applicable=1,
        size=300,
    )


def selected(*, machine: str = MAC, address: str = ADDRESS) -> ImageSelected:
    return ImageSelected(
        at=START,
        machine=machine,
        address=address,
        interface="en0",
        architecture="i386",
        system_id="iMac14,2",
        image="High Sierra",
        image_id=0x81000001,
        machine_name="NetBoot001",
        size=363,
    )


def transfer(*, sent: int = 0, role: str = "root_image") -> Transfer:
    return Transfer(
        service="http",
        peer=ADDRESS,
        name="A.nbi/NetInstall.dmg",
        role=role,
        size=1000,
        started_at=10.0,
        sent=sent,
    )


class TimelineTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.timeline = Timeline(Wall())

    def test_a_transfer_belongs_to_the_machine_last_seen_at_that_address(self) -> None:
        """A file read by 10.0.0.50 is an event of the Mac that spoke BSDP from 10.0.0.50."""
        self.timeline.record(listed())

        self.timeline.started(transfer())

        machine = self.timeline.machine(MAC)
        assert machine is not None
        self.assertEqual([type(event) for event in machine.events], [ImagesListed, TransferStarted])

    def test_an_unknown_reader_is_kept_by_its_address(self) -> None:
        """A reader that never spoke BSDP has its address for a key."""
        self.timeline.started(transfer())

        (machine,) = self.timeline.machines()
        self.assertEqual((machine.key, machine.address), (ADDRESS, ADDRESS))

    def test_an_address_given_to_another_machine_moves(self) -> None:
        """When DHCP hands an address on, later transfers belong to its new holder."""
        other = "a8:20:66:ff:ff:ff"
        self.timeline.record(listed())
        self.timeline.record(listed(machine=other))

        self.timeline.started(transfer())

        self.assertEqual(self.timeline.key_for(ADDRESS), other)
        machine = self.timeline.machine(MAC)
        assert machine is not None
        self.assertEqual(len(machine.events), 1)

    def test_a_machine_that_changes_address_leaves_the_old_one(self) -> None:
        """A Mac seen at a new address is no longer found by its old one."""
        self.timeline.record(listed())

        self.timeline.record(listed(address="10.0.0.51"))

        self.assertEqual(self.timeline.key_for(ADDRESS), ADDRESS)
        self.assertEqual(self.timeline.key_for("10.0.0.51"), MAC)

    def test_progress_replaces_progress(self) -> None:
        """Of one file's progress only the latest stays, so that it cannot push out the rest."""
        self.timeline.record(selected())
        for sent in range(0, 1000, 10):
            self.timeline.progressed(transfer(sent=sent))

        machine = self.timeline.machine(MAC)
        assert machine is not None
        _, progress = machine.events
        assert isinstance(progress, TransferProgressed)
        self.assertEqual(progress.sent, 990)

    def test_files_side_by_side_do_not_push_out_the_rest(self) -> None:
        """Two files whose progress is told in turn take one entry each."""
        self.timeline.record(selected())
        for sent in range(0, 1000, 10):
            for role in ("root_image", "kernelcache"):
                progress = transfer(sent=sent, role=role)
                progress.name = f"A.nbi/{role}"
                self.timeline.progressed(progress)

        machine = self.timeline.machine(MAC)
        assert machine is not None
        self.assertEqual(
            [getattr(event, "sent", None) for event in machine.events], [None, 990, 990]
        )

    def test_a_question_for_the_size_is_no_transfer(self) -> None:
        """Firmware asks for the size first; its story has the file once, listeners hear of both."""
        heard: list[Event] = []
        self.timeline.listen(heard.append)
        probe, real = transfer(role="loader"), transfer(role="loader")

        self.timeline.started(probe)
        probe.outcome = Outcome.PROBE
        self.timeline.finished(probe)
        self.timeline.started(real)
        real.outcome = Outcome.COMPLETE
        self.timeline.finished(real)

        (machine,) = self.timeline.machines()
        told = [type(event) for event in machine.events]
        self.assertEqual(told, [TransferStarted, TransferFinished])
        self.assertEqual(len(heard), 4)

    def test_the_progress_of_an_earlier_boot_stays(self) -> None:
        """A file that is read again has an entry of its own: the first is history."""
        self.timeline.record(selected())
        for sent in (100, 200):
            self.timeline.started(transfer())
            self.timeline.progressed(transfer(sent=sent))

        machine = self.timeline.machine(MAC)
        assert machine is not None
        told = [event.sent for event in machine.events if isinstance(event, TransferProgressed)]
        self.assertEqual(told, [100, 200])

    def test_root_image_bytes_count_while_they_flow(self) -> None:
        """A Mac that runs from its image keeps one connection for hours; each byte counts once."""
        self.timeline.record(selected())
        reading = transfer()
        self.timeline.started(reading)
        for sent in (300, 500):
            reading.sent = sent
            self.timeline.progressed(reading)

            machine = self.timeline.machine(MAC)
            assert machine is not None
            self.assertEqual(machine.root_image_bytes, sent)

        self.timeline.record(selected())
        reading.sent = 600
        reading.outcome = Outcome.ABORTED
        self.timeline.finished(reading)

        self.assertEqual(machine.root_image_bytes, 100)
        self.assertEqual(self.timeline._counted, {})

    def test_root_image_bytes_count_from_the_selection(self) -> None:
        """What was read of the root image is summed over connections, anew for each boot."""
        for _ in range(2):
            self.timeline.record(selected())
            for _ in range(3):
                done = transfer(sent=100)
                done.outcome = Outcome.COMPLETE
                done.ended_at = 12.5
                self.timeline.finished(done)

        machine = self.timeline.machine(MAC)
        assert machine is not None
        self.assertEqual(machine.root_image_bytes, 300)
        finished = machine.events[-1]
        assert isinstance(finished, TransferFinished)
        self.assertEqual(finished.seconds, 2.5)

    def test_events_per_machine_are_bounded(self) -> None:
        """A machine that loops keeps its newest events only."""
        for _ in range(MAX_EVENTS * 2):
            self.timeline.missing("tftp", ADDRESS, "x", "not published")

        machine = self.timeline.machine(ADDRESS)
        assert machine is not None
        self.assertEqual(len(machine.events), MAX_EVENTS)
        self.assertIsInstance(machine.events[-1], FileMissing)

    def test_machines_are_bounded(self) -> None:
        """The machine unseen for longest is forgotten, with its address."""
        timeline = Timeline(Wall(), max_machines=3)
        for number in range(4):
            timeline.record(listed(machine=f"m{number}", address=f"10.0.0.{number}"))

        self.assertEqual([machine.key for machine in timeline.machines()], ["m1", "m2", "m3"])
        self.assertEqual(timeline.key_for("10.0.0.0"), "10.0.0.0")

    def test_a_forgotten_machine_takes_no_other_ones_address(self) -> None:
        """Whoever has the address of a machine that is forgotten is still found by it."""
        timeline = Timeline(Wall(), max_machines=2)
        timeline.record(listed(machine="old"))
        timeline.record(listed(machine="new"))

        timeline.record(listed(machine="third", address="10.0.0.99"))

        self.assertIsNone(timeline.machine("old"))
        self.assertEqual(timeline.key_for(ADDRESS), "new")

    def test_a_subscriber_gets_events_in_order(self) -> None:
        """`async for` yields what was recorded, waits for more, and ends when closed."""
        subscription = self.timeline.subscribe()
        got: list[Event] = []

        async def collect() -> None:
            async for event in subscription:
                got.append(event)

        done = Deferred.fromCoroutine(collect())
        first, second = listed(), selected()
        self.timeline.record(first)
        self.timeline.record(second)
        self.assertNoResult(done)
        subscription.close()

        self.successResultOf(done)
        self.assertEqual(got, [first, second])

    def test_a_slow_subscriber_loses_the_oldest_and_is_told(self) -> None:
        """A backlog is bounded; what it lost is counted."""
        subscription = self.timeline.subscribe(backlog=2)
        for number in range(5):
            self.timeline.record(listed(machine=f"m{number}"))

        first = self.successResultOf(Deferred.fromCoroutine(subscription.__anext__()))

        self.assertEqual((first.machine, subscription.lost), ("m3", 3))

    def test_a_failing_listener_hurts_nobody(self) -> None:
        """A listener that raises is logged; the others are still told."""
        got: list[Event] = []

        def broken(event: Event) -> None:
            raise RuntimeError("listener")

        self.timeline.listen(broken)
        self.timeline.listen(got.append)
        self.timeline.record(listed())

        self.assertEqual(len(got), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
