"""The catalog watch: the booter follows the disks, and the log says what is new."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from images.catalog import Catalog, Root, Snapshot
from netbootd.booter import CatalogBooter, Publication
from netbootd.catalog import CatalogWatch
from tests.images.entries import DEBIAN, make_entry
from tests.images.folder import make_folder, write
from tests.netbootd.lines import capture
from tests.netbootd.temporary import folder

PUBLICATION = Publication(http_port=80, nfs=None)
Scan = Callable[[], Snapshot]


class WatchTests(SynchronousTestCase):
    """A watch over real folders, its thread and its clock in the test's hand."""

    def setUp(self) -> None:
        self.root = folder(self)
        self.booter = CatalogBooter(PUBLICATION)
        self.clock = Clock()
        self.lines = capture(self)
        self.scans = 0

    def at_once(self, scan: Scan) -> Deferred[Snapshot]:
        self.scans += 1
        return execute(scan)

    def watch(self, in_thread: Callable[[Scan], Deferred[Snapshot]] | None = None) -> CatalogWatch:
        watch = CatalogWatch(
            booter=self.booter,
            catalog=Catalog([Root(self.root)]),
            publication=PUBLICATION,
            interval=2.0,
            clock=self.clock,
            in_thread=in_thread or self.at_once,
        )
        return watch

    def look(self, times: int = 2) -> None:
        """A change is read when two scans in a row saw the folder the same."""
        self.clock.pump([2.0] * times)

    def titles(self) -> list[str]:
        return [bundle.title for bundle in self.booter.snapshot.bundles]

    def told(self) -> list[str]:
        """The lines since the last time, folders from the root on."""
        lines = [line.replace(f"{self.root}/", "") for line in self.lines]
        self.lines.clear()
        return lines


class FollowTests(WatchTests):
    def test_the_first_scan_is_done_when_the_start_returns(self) -> None:
        """No machine is ever told of an empty catalog because the disks were not read yet."""
        make_folder(self.root, Name="Alpha")

        self.watch().startService()

        self.assertEqual((self.titles(), self.scans), (["Alpha"], 0))
        self.assertEqual(self.told(), ['info: A.nbi: image 7 "Alpha" is served'])

    def test_boot_entries_are_told_of_like_images(self) -> None:
        """Served, disabled, broken and mended: each is one line, by the folder."""
        make_entry(self.root)
        make_entry(self.root, "off", DEBIAN + "enabled = false\n")
        make_entry(self.root, "odd", "title = 1")
        self.watch().startService()
        self.assertEqual(
            self.told(),
            [
                'info: debian: boot entry "Debian 12 installer" (bios, uefi-x86-64) is served',
                'info: off: boot entry "Debian 12 installer" (bios, uefi-x86-64) is disabled',
                "warn: odd/boot.toml: says nothing to boot;"
                ' write kernel = "..." (and initrd), efi = "..." or script = "..."',
            ],
        )

        make_entry(self.root, "odd")
        shutil.rmtree(self.root / "off")
        self.look(3)

        self.assertEqual(
            self.told(),
            [
                "info: off: gone",
                'info: odd: boot entry "Debian 12 installer" (bios, uefi-x86-64) is served',
            ],
        )

    def test_a_bundle_that_is_added_is_served(self) -> None:
        """A folder copied in while the daemon runs is picked up, and told once."""
        self.watch().startService()
        make_folder(self.root, Name="Alpha")

        self.look(1)
        self.assertEqual(self.titles(), [])
        self.look(3)

        self.assertEqual(self.titles(), ["Alpha"])
        self.assertEqual(
            self.told(),
            [
                "warn: A.nbi: is still being copied;"
                " wait: it is published seconds after its last change",
                'info: A.nbi: image 7 "Alpha" is served',
            ],
        )

    def test_a_bundle_that_changes_is_read_again(self) -> None:
        """A new title in NBImageInfo.plist is a new catalog."""
        make_folder(self.root, Name="Alpha")
        self.watch().startService()
        generation = self.booter.generation
        self.told()

        make_folder(self.root, Name="Beta")
        self.look(3)

        self.assertEqual(self.titles(), ["Beta"])
        self.assertGreater(self.booter.generation, generation)
        self.assertEqual(self.told(), ['info: A.nbi: image 7 "Beta" is served'])

    def test_a_bundle_that_is_removed_is_gone(self) -> None:
        """A deleted folder is offered no more, and that is told."""
        make_folder(self.root, Name="Alpha")
        self.watch().startService()
        self.told()

        shutil.rmtree(self.root / "A.nbi")
        self.look(1)

        self.assertEqual(self.titles(), [])
        self.assertEqual(self.told(), ["info: A.nbi: gone"])

    def test_a_bundle_that_breaks_is_not_gone(self) -> None:
        """It is told what is missing and how to mend it; the others go on being served."""
        make_folder(self.root, "A.nbi", Index=1, Name="Alpha")
        make_folder(self.root, "B.nbi", Index=2, Name="Beta")
        self.watch().startService()
        self.told()

        (self.root / "A.nbi/i386/booter").unlink()
        self.look(3)

        self.assertEqual(self.titles(), ["Beta"])
        self.assertEqual(
            self.told(),
            [
                "warn: A.nbi/i386/booter: the booter for i386 is missing; put it there, or take"
                " i386 out of Architectures in NBImageInfo.plist"
            ],
        )

        shutil.rmtree(self.root / "A.nbi")
        self.look(1)
        self.assertEqual(self.told(), ["info: A.nbi: gone"])

    def test_nothing_is_told_while_nothing_changes(self) -> None:
        """An image, a disabled one and a broken one are told once, not every two seconds."""
        make_folder(self.root, "A.nbi", Index=1, Name="Alpha")
        make_folder(self.root, "B.nbi", Index=2, Name="Beta", IsEnabled=False)
        make_folder(self.root, "C.nbi", without=("NetInstall.dmg",))
        self.watch().startService()
        self.assertEqual(len(self.told()), 3)

        self.look(10)

        self.assertEqual((self.told(), self.scans), ([], 10))

    def test_news_of_one_bundle_repeats_nothing_of_the_others(self) -> None:
        """Only what is new is told, though the whole catalog is another one."""
        make_folder(self.root, "A.nbi", Index=1, Name="Alpha")
        self.watch().startService()
        self.told()

        make_folder(self.root, "B.nbi", Index=2, Name="Beta", Type="NFS")
        self.look(3)

        self.assertEqual(self.titles(), ["Alpha", "Beta"])
        self.assertEqual(
            self.told()[1:],
            [
                'warn: B.nbi: image 2 "Beta" is not offered: its Type is NFS;'
                " name the NFS server in [nfs], or set its Type to HTTP"
            ],
        )

    def test_doubts_are_warnings(self) -> None:
        """An image that is served and may not boot says so."""
        make_folder(self.root, Name="Alpha", without=("i386/x86_64/kernelcache",))

        self.watch().startService()

        self.assertEqual(
            self.told(),
            [
                'info: A.nbi: image 7 "Alpha" is served',
                "warn: A.nbi: no kernelcache beside the i386 booter",
            ],
        )

    def test_a_folder_of_images_that_vanishes_and_returns(self) -> None:
        """An unmounted disk is told; when it is back, its images are served again."""
        make_folder(self.root, Name="Alpha")
        self.watch().startService()
        self.told()
        away = self.root.with_name(self.root.name + "-away")

        self.root.rename(away)
        self.look(1)
        away.rename(self.root)

        self.assertEqual(len(self.told()), 2)
        self.assertEqual(self.titles(), [])
        self.look(3)
        self.assertEqual(self.titles(), ["Alpha"])

    def test_started_again_it_follows_again(self) -> None:
        """Stopped, it leaves no timer; what changed meanwhile is found at the next start."""
        make_folder(self.root, "A.nbi", Index=1, Name="Alpha")
        watch = self.watch()
        watch.startService()
        watch.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        shutil.rmtree(self.root / "A.nbi")

        watch.startService()

        self.assertEqual(self.titles(), [])


class ThreadTests(WatchTests):
    """What can happen to a scan in its thread."""

    def setUp(self) -> None:
        super().setUp()
        make_folder(self.root, Name="Alpha")
        self.running: list[Deferred[Snapshot]] = []
        self.watched = self.watch(self.later)
        self.watched.startService()
        self.told()

    def later(self, scan: Scan) -> Deferred[Snapshot]:
        result: Deferred[Snapshot] = Deferred()
        self.running.append(result)
        return result

    def test_a_scan_that_takes_long_delays_the_next(self) -> None:
        """There is never more than one scan, however slow the disks are."""
        self.clock.pump([2.0] * 5)
        self.assertEqual(len(self.running), 1)

        self.running[0].callback(self.booter.snapshot)
        self.clock.advance(2.0)

        self.assertEqual(len(self.running), 2)

    def test_a_scan_that_raises_keeps_the_last_catalog(self) -> None:
        """Whatever a disk does: it is logged, the images stay, the next scan comes."""
        self.clock.advance(2.0)

        self.running[0].errback(OSError("input/output error"))

        self.assertEqual(self.titles(), ["Alpha"])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.clock.advance(2.0)
        self.assertEqual(len(self.running), 2)

    def test_a_listener_that_fails_ends_nothing(self) -> None:
        """What goes wrong with a new catalog is logged; the disks go on being followed."""
        self.booter.listen(lambda snapshot: 1 / 0)  # type: ignore[arg-type, return-value]
        self.clock.advance(2.0)

        self.running[0].callback(Snapshot(generation=99))

        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(2.0)
        self.assertEqual(len(self.running), 2)

    def test_the_stop_waits_for_the_scan(self) -> None:
        """The thread may still read the disks: the service has stopped when it is done."""
        self.clock.advance(2.0)

        stopped = self.watched.stopService()

        assert stopped is not None
        self.assertNoResult(stopped)
        self.running[0].callback(self.booter.snapshot)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_first_scan_that_raises_is_tried_again(self) -> None:
        """A daemon starts without images rather than not at all."""
        watch = self.watch(lambda scan: succeed(Snapshot(generation=5)))
        self.patch(watch._catalog, "scan_thd", self.fail_to_scan)

        watch.startService()

        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.clock.advance(2.0)
        self.assertEqual(self.booter.generation, 5)

    def fail_to_scan(self) -> Snapshot:
        raise OSError("input/output error")


class TextTests(WatchTests):
    def test_a_folder_whose_name_is_not_utf8(self) -> None:
        """Its bytes are shown, so that the line can be written anywhere."""
        write(Path(str(self.root) + "/B\udcfc.nbi/NBImageInfo.plist"), b"")

        self.watch().startService()

        (line,) = self.told()
        self.assertTrue(line.startswith("warn: B\\xfc.nbi: "), line)
        line.encode("ascii")


class RescanTests(WatchTests):
    """Somebody changed something and wants to know what came of it."""

    def rescanned(self, watch: CatalogWatch) -> Deferred[Snapshot]:
        return Deferred.fromCoroutine(watch.rescan())

    def test_nothing_has_changed(self) -> None:
        """It is answered at once."""
        make_folder(self.root, Name="Alpha")
        watch = self.watch()
        watch.startService()

        snapshot = self.successResultOf(self.rescanned(watch))

        self.assertEqual([bundle.title for bundle in snapshot.bundles], ["Alpha"])

    def test_an_image_that_is_new(self) -> None:
        """It is answered when the image is served, at the next look."""
        watch = self.watch()
        watch.startService()
        make_folder(self.root, Name="Alpha")

        waiting = self.rescanned(watch)
        self.assertNoResult(waiting)
        self.look(1)

        snapshot = self.successResultOf(waiting)
        self.assertEqual([bundle.title for bundle in snapshot.bundles], ["Alpha"])

    def test_a_folder_that_goes_on_changing(self) -> None:
        """It is answered all the same, after three looks."""
        watch = self.watch()
        watch.startService()
        make_folder(self.root, Name="Alpha")

        waiting = self.rescanned(watch)
        for size in (1, 2):
            self.assertNoResult(waiting)
            write(self.root / "A.nbi/more", bytes(size))
            self.look(1)

        snapshot = self.successResultOf(waiting)
        self.assertIn("still being copied", str(snapshot.errors))

    def test_a_service_that_stops(self) -> None:
        """Whoever waits is answered; whoever asks afterwards, too."""
        watch = self.watch()
        watch.startService()
        make_folder(self.root, Name="Alpha")
        waiting = self.rescanned(watch)

        self.successResultOf(watch.stopService())

        self.assertEqual(self.successResultOf(waiting).bundles, ())
        write(self.root / "A.nbi/more", b"")
        self.successResultOf(self.rescanned(watch))

    def test_one_scan_at_a_time(self) -> None:
        """A rescan waits for the look that is under way, and a stop for both."""
        threads: list[tuple[Scan, Deferred[Snapshot]]] = []

        def in_thread(scan: Scan) -> Deferred[Snapshot]:
            threads.append((scan, Deferred()))
            return threads[-1][1]

        watch = self.watch(in_thread)
        watch.startService()
        self.look(1)
        waiting = self.rescanned(watch)
        self.assertEqual(len(threads), 1)
        stopped = watch.stopService()
        self.assertNoResult(stopped)

        for number in range(2):
            scan, done = threads[number]
            done.callback(scan())

        self.successResultOf(waiting)
        self.successResultOf(stopped)
