"""Menus and scripts as the machines ask for them, by way of the booter."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from uuid import UUID

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from images.catalog import Root, scan_thd
from images.paths import OpenFile, PathRefused, Refusal, Role
from netbootd.booter import CatalogBooter, PcAsker, Publication
from netbootd.event import EntrySelected, Event
from netbootd.pxe import published
from netbootd.pxe.choice import TableFull
from netbootd.pxe.published import GeneratedFiles, own_address_for
from netbootd.timeline import Timeline
from tests.images.entries import ARM64, DEBIAN, efi_program, make_entry
from tests.images.folder import write
from tests.netbootd.lines import capture
from tests.netbootd.temporary import folder

MAC = bytes.fromhex("525400770010")
SERVER = IPv4Address("10.77.0.1")
PC = PcAsker(mac=MAC, platform="bios", server=SERVER)
PEER = "10.77.0.50"
HYPHENS = "52-54-00-77-00-10"
UUID_TEXT = "564d4c55-0001-0002-0003-525400770010"
START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
GRUB = 'title = "Grub"\n[efi]\nuefi-x86-64 = "x64.efi"\nuefi-arm64 = "aa64.efi"\n'


class Choices:
    """What is kept, in memory only."""

    def __init__(self) -> None:
        self.kept: dict[bytes, str] = {}
        self.full = False

    def lookup(self, mac: bytes) -> str | None:
        return self.kept.get(mac)

    def keep(self, mac: bytes, entry: str) -> Deferred[None]:
        if self.full:
            return fail(TableFull("full"))
        self.kept[mac] = entry
        return succeed(None)

    def forget(self, mac: bytes) -> Deferred[None]:
        del self.kept[mac]
        return succeed(None)


class GeneratedTests(SynchronousTestCase):
    """Debian is the default, for PCs; Grub is for UEFI on x86-64 and arm64."""

    def setUp(self) -> None:
        self.root = folder(self)
        self.share = self.root / "share"
        make_entry(self.share, "debian 12", DEBIAN + "default = true\n")
        programs = {"x64.efi": efi_program(), "aa64.efi": efi_program(ARM64)}
        make_entry(self.share, "second", GRUB, files=programs)
        write(self.root / "loaders/undionly.kpxe", b"ipxe")
        self.now = START
        self.events: list[Event] = []
        self.timeline = Timeline(lambda: self.now)
        self.timeline.listen(self.events.append)
        self.choices = Choices()
        self.booter = CatalogBooter(Publication(http_port=80, nfs=None))
        generated = GeneratedFiles(
            booter=self.booter,
            choices=self.choices,  # type: ignore[arg-type]
            timeline=self.timeline,
            server_for=lambda peer: SERVER,
            timeout=10,
            key=b"secret",
        )
        self.booter.generate = generated.open
        self.booter.choice = self.choices.lookup
        self.publish()

    def publish(self) -> None:
        self.booter.publish(scan_thd([Root(self.share)], loaders=self.root / "loaders"))

    def open(self, name: str) -> OpenFile:
        file = self.booter.open_file(name, peer=PEER, service="http")
        self.addCleanup(file.close)
        return file

    def read(self, name: str) -> str:
        file = self.open(name)
        return os.pread(file.fd, 100_000, 0).decode()

    def refused(self, name: str) -> Refusal:
        with self.assertRaises(PathRefused) as caught:
            self.open(name)
        return caught.exception.reason

    def selected(self) -> list[EntrySelected]:
        return [event for event in self.events if isinstance(event, EntrySelected)]

    def token(self, word: str = "_keep") -> str:
        """The folder of the names to keep (or to forget), from the menu."""
        menu = self.read(f"ipxe/{HYPHENS}/boot.ipxe")
        return next(part for part in menu.split() if part.startswith(word))

    # What is known of a machine.

    def test_a_script_for_anybody(self) -> None:
        """An iPXE that was told nothing else says who it is."""
        file = self.open("boot.ipxe")

        self.assertEqual((file.name, file.role), ("boot.ipxe", Role.SCRIPT))
        self.assertEqual(
            os.pread(file.fd, file.size, 0),
            b"#!ipxe\nchain ipxe/${netX/mac:hexhyp}/boot.ipxe\n",
        )

    def test_the_menu_of_a_machine_that_asked_us_before(self) -> None:
        """What it said of itself over DHCP decides what its menu shows."""
        self.booter.boot_entries(replace(PC, platform="uefi-x86-64"))
        self.assertIn("Debian 12 installer", self.read(f"ipxe/{HYPHENS}/boot.ipxe"))
        self.assertIn("Grub", self.read(f"ipxe/{HYPHENS}/boot.ipxe"))

        self.booter.chosen_entry(PC, None)

        self.assertNotIn("Grub", self.read(f"ipxe/{HYPHENS}/boot.ipxe"))

    def test_a_machine_that_we_know_nothing_of(self) -> None:
        """It is sent to a name that tells what it runs on, and gets its menu or script there."""
        self.assertEqual(
            self.read(f"ipxe/{HYPHENS}/boot.ipxe"),
            "#!ipxe\nchain _${buildarch}-${platform}-${uuid}/boot.ipxe\n",
        )
        self.assertEqual(
            self.read(f"ipxe/{HYPHENS}/debian 12.ipxe"),
            "#!ipxe\nchain _${buildarch}-${platform}-${uuid}/debian%2012.ipxe\n",
        )
        self.assertEqual(self.selected(), [])

        arm = self.read(f"ipxe/{HYPHENS}/_arm64-efi-/boot.ipxe")
        bios = self.read(f"ipxe/{HYPHENS}/_i386-pcbios-{UUID_TEXT}/boot.ipxe")
        x64 = self.read(f"ipxe/{HYPHENS}/_x86_64-efi-{UUID(int=0)}/boot.ipxe")

        self.assertEqual([("Debian" in m, "Grub" in m) for m in (arm, bios, x64)],
                         [(False, True), (True, False), (True, True)])  # fmt: skip
        asker = self.booter.asker(MAC)
        self.assertEqual(asker, replace(PC, platform="uefi-x86-64"))

    def test_filters_see_the_identifier_that_ipxe_tells(self) -> None:
        """An entry for one machine is in the menu of that machine only."""
        one = DEBIAN + f'enabled_system_identifiers = ["{UUID_TEXT}"]\n'
        make_entry(self.share, "debian 12", one)
        self.publish()

        mine = self.read(f"ipxe/{HYPHENS}/_i386-pcbios-{UUID_TEXT}/boot.ipxe")
        other = self.read(f"ipxe/{HYPHENS}/_i386-pcbios-/boot.ipxe")

        self.assertIn("Debian", mine)
        self.assertIn("nothing to boot", other)

    def test_names_that_are_none(self) -> None:
        """What no loader asks for leads nowhere."""
        self.booter.boot_entries(PC)
        for name in (
            "ipxe/boot.ipxe",
            f"ipxe/{HYPHENS}",
            f"ipxe/{HYPHENS}/boot",
            "ipxe/52-54/boot.ipxe",
            f"ipxe/{HYPHENS}/_vax-efi-/boot.ipxe",
            "grub/grub.cfg-01-52-54",
            "grub/a/b/grub.cfg",
            f"grub/vax-efi/grub.cfg-01-{HYPHENS}",
            f"grub/x86_64-emu/grub.cfg-01-{HYPHENS}",
            "boot.ipxe/x",
            f"ipxe/{HYPHENS}/.ipxe",
        ):
            self.assertEqual(self.refused(name), Refusal.NO_BUNDLE, name)
        for name in (f"ipxe/{HYPHENS}/a\nb.ipxe", "ipxe/52-54-00-77-00-99/a\x1bb.ipxe"):
            self.assertEqual(self.refused(name), Refusal.BAD_NAME, name)
        for name in (
            f"ipxe/{HYPHENS}/nothing.ipxe",
            f"ipxe/{HYPHENS}/second.ipxe",  # not for a BIOS
            f"ipxe/{HYPHENS}/_keep/debian 12.ipxe",
        ):
            self.assertEqual(self.refused(name), Refusal.NO_ENTRY, name)
        self.assertEqual(self.selected(), [])

    def test_names_in_the_log(self) -> None:
        """A file is called alike however it was asked for, and no token is told."""
        self.booter.boot_entries(PC)
        asked = {
            f"ipxe/{HYPHENS.upper()}/boot.ipxe": f"ipxe/{HYPHENS}/boot.ipxe",
            f"ipxe/{HYPHENS}/_i386-pcbios-/boot.ipxe": f"ipxe/{HYPHENS}/boot.ipxe",
            f"ipxe/{HYPHENS}/{self.token()}debian 12.ipxe": f"ipxe/{HYPHENS}/debian 12.ipxe",
            "//grub/grub.cfg": "grub/grub.cfg",
            "grub/grub.cfg-01-52:54:00:77:00:10": f"grub/grub.cfg-01-{HYPHENS}",
            f"grub/i386-pc/grub.cfg-01-{HYPHENS}": f"grub/grub.cfg-01-{HYPHENS}",
        }

        self.assertEqual({name: self.open(name).name for name in asked}, asked)

    # What a machine selects.

    def test_a_script_that_is_fetched_is_a_selection(self) -> None:
        """The machine's timeline tells what it boots, by the title and the name."""
        self.booter.boot_entries(PC)

        text = self.read(f"/ipxe/{HYPHENS}/debian 12.ipxe")

        self.assertIn("kernel /NetBoot/NetBootSP0/debian%2012/linux initrd=initrd0", text)
        (event,) = self.selected()
        self.assertEqual(
            event,
            EntrySelected(
                at=START,
                machine="52:54:00:77:00:10",
                address=PEER,
                service="http",
                platform="bios",
                entry="debian 12",
                title="Debian 12 installer",
                stays=False,
            ),
        )
        machine = self.timeline.machine("52:54:00:77:00:10")
        assert machine is not None
        self.assertEqual((machine.image, machine.architecture), ("Debian 12 installer", "bios"))

    def test_a_repeated_request_is_no_new_selection(self) -> None:
        """TFTP asks twice, for the size and for the file; later, or for another, it is new."""
        self.booter.boot_entries(replace(PC, platform="uefi-x86-64"))
        name = f"ipxe/{HYPHENS}/debian 12.ipxe"

        self.read(name)
        self.now += timedelta(seconds=9)
        self.read(name)
        self.assertEqual(len(self.selected()), 1)
        self.read(f"ipxe/{HYPHENS}/second.ipxe")
        self.now += timedelta(seconds=11)
        self.read(name)

        self.assertEqual(
            [event.entry for event in self.selected()], ["debian 12", "second", "debian 12"]
        )

    def test_a_choice_that_is_to_stay(self) -> None:
        """The menu's own name for that keeps it; the next menu boots it, and can have it
        forgotten."""
        self.booter.boot_entries(replace(PC, platform="uefi-x86-64"))

        self.read(f"ipxe/{HYPHENS}/{self.token()}second.ipxe")
        self.assertEqual(self.choices.kept, {MAC: "second"})
        self.assertIs(self.selected()[0].stays, True)
        self.assertIn("goto entry1", self.read(f"ipxe/{HYPHENS}/boot.ipxe"))

        self.read(f"ipxe/{HYPHENS}/{self.token('_forget')}debian 12.ipxe")
        self.assertEqual(self.choices.kept, {})
        self.assertIs(self.selected()[1].stays, False)

    def test_nobody_can_guess_how_to_have_a_choice_stay(self) -> None:
        """Without the token of the machine's own menu an entry boots once."""
        self.booter.boot_entries(PC)
        own = self.token()
        others = self.read("ipxe/52-54-00-77-00-11/_i386-pcbios-/boot.ipxe")
        other = next(part for part in others.split() if part.startswith("_keep"))
        self.assertNotEqual(own, other)

        for guess in ("_keep-/", "_keep-0123456789abcdef/", "_keep-\u00e9/", other):
            self.read(f"ipxe/{HYPHENS}/{guess}debian 12.ipxe")

        self.assertEqual(self.choices.kept, {})

    def test_a_choice_that_cannot_be_kept(self) -> None:
        """The machine boots all the same, and the log says what is wrong."""
        lines = capture(self)
        self.choices.full = True
        self.booter.boot_entries(PC)

        self.assertIn("kernel", self.read(f"ipxe/{HYPHENS}/{self.token()}debian 12.ipxe"))

        self.assertEqual(lines, ["warn: The choice made at 52:54:00:77:00:10 is not kept: full"])

    def test_an_entry_of_another_share_point(self) -> None:
        """Where two have the same name, the second goes by its share as well."""
        make_entry(self.root / "two", "debian 12")
        self.booter.publish(scan_thd([Root(self.share), Root(self.root / "two", "SP1")]))
        self.booter.boot_entries(PC)

        self.assertIn("chain ${how}SP1/debian%2012.ipxe", self.read(f"ipxe/{HYPHENS}/boot.ipxe"))
        self.assertIn(
            "/NetBoot/SP1/debian%2012/linux", self.read(f"ipxe/{HYPHENS}/SP1/debian 12.ipxe")
        )

    # GRUB.

    def test_grub_says_who_it_is(self) -> None:
        """First its address, then, if we know nothing of it, what it runs on."""
        self.assertEqual(
            self.read("/grub/grub.cfg"), "configfile $prefix/grub.cfg-01-$net_default_mac\n"
        )
        self.assertEqual(
            self.read("/grub/grub.cfg-01-52:54:00:77:00:10"),
            f"configfile $prefix/$grub_cpu-$grub_platform/grub.cfg-01-{HYPHENS}\n",
        )

        unknown = self.read(f"/grub/x86_64-efi/grub.cfg-01-{HYPHENS}")
        known = self.read("/grub/grub.cfg-01-52:54:00:77:00:10")

        self.assertEqual(unknown, known)
        self.assertIn("menuentry 'Debian 12 installer' {", known)
        self.assertIn("menuentry 'Grub' {", known)
        self.assertNotIn("Grub", self.read(f"/grub/i386-pc/grub.cfg-01-{HYPHENS}"))

    def test_an_entry_that_the_configuration_names(self) -> None:
        """What DHCP was told for this machine is the default of its menus, until it is told
        nothing; a choice made at the machine comes second."""
        self.choices.kept[MAC] = "debian 12"
        uefi = replace(PC, platform="uefi-x86-64")
        self.booter.chosen_entry(uefi, "second")

        self.assertIn("set default=1", self.read(f"grub/grub.cfg-01-{HYPHENS}"))
        self.assertIn("goto entry1", self.read(f"ipxe/{HYPHENS}/boot.ipxe"))

        self.booter.chosen_entry(uefi, None)
        self.assertIn("set default=0", self.read(f"grub/grub.cfg-01-{HYPHENS}"))

    def test_no_descriptors_left(self) -> None:
        """A file that cannot be made is one that cannot be read."""
        self.patch(published, "_opened", self.fail_to_open)

        self.assertEqual(self.refused("boot.ipxe"), Refusal.UNREADABLE)

    @staticmethod
    def fail_to_open(name: str, text: str) -> OpenFile:
        raise OSError(errno.EMFILE, "Too many open files")

    def test_a_grub_cfg_of_the_operators(self) -> None:
        """Who has put one among the loaders gets that, for every machine."""
        write(self.root / "loaders/grub/grub.cfg", b"mine")
        self.publish()

        self.assertEqual(self.read("grub/grub.cfg"), "mine")
        self.assertEqual(self.refused(f"grub/grub.cfg-01-{HYPHENS}"), Refusal.NO_BUNDLE)

    def test_scripts_of_the_operators(self) -> None:
        """Any file among the loaders goes before one that would be made."""
        write(self.root / "loaders/boot.ipxe", b"#!ipxe\nshell\n")
        self.publish()

        self.assertEqual(self.read("boot.ipxe"), "#!ipxe\nshell\n")


class OwnAddressTests(SynchronousTestCase):
    def test_the_address_that_we_would_send_from(self) -> None:
        """On loopback, that is the peer's own network."""
        self.assertEqual(own_address_for("127.0.0.1"), IPv4Address("127.0.0.1"))
