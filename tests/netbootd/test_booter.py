"""What each machine may boot, by real folders and Apple's rules; and which files it may read."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase

from images.catalog import Catalog, Root, Snapshot
from images.paths import PathRefused, Refusal
from images.root_path import NfsExport
from netbootd import booter as booter_module
from netbootd.booter import (
    Asker,
    CatalogBooter,
    PcAsker,
    Publication,
    why_entry_not_offered,
    why_not_offered,
)
from tests.images.conftest import as_nobody
from tests.images.entries import DEBIAN, efi_program, make_entry
from tests.images.folder import make_folder, write
from tests.netbootd.lines import capture
from tests.netbootd.temporary import folder

MAC = bytes.fromhex("a82066010203")
OTHER = bytes.fromhex("a82066010204")
ASKER = Asker(arch="i386", system_id="iMac14,2", mac=MAC, server=IPv4Address("10.0.0.1"))
HTTP = Publication(http_port=80, nfs=None)


class BooterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = folder(self)
        self.catalog = Catalog([Root(self.root)])
        self.booter = CatalogBooter(HTTP)

    def publish(self) -> Snapshot:
        """The folders as a daemon that starts now finds them."""
        snapshot = Catalog([Root(self.root)]).scan_thd()
        self.booter.publish(snapshot)
        return snapshot

    def names(self, asker: Asker = ASKER) -> list[str]:
        return [one.name for one in self.booter.offered_images(asker)]

    def test_before_the_first_scan_there_is_nothing(self) -> None:
        """A booter without a catalog offers nothing and refuses every file."""
        self.assertEqual(self.names(), [])
        with self.assertRaises(PathRefused):
            self.booter.open_file(b"A.nbi/i386/booter", peer="10.0.0.50", service="tftp")

    def test_an_image_as_bsdp_needs_it(self) -> None:
        """The boot file is Apple's absolute path; the root path names our address and port."""
        make_folder(self.root, Index=7, Name="Alpha", SupportsDiskless=True)
        self.booter = CatalogBooter(Publication(http_port=8080, nfs=None))
        self.publish()

        (image,) = self.booter.offered_images(ASKER)

        self.assertEqual(
            (image.image_id, image.name, image.boot_file, image.root_path, image.diskless),
            (
                0x81000007,
                "Alpha",
                "/private/tftpboot/NetBoot/NetBootSP0/A.nbi/i386/booter",
                "http://10.0.0.1:8080/NetBoot/NetBootSP0/A.nbi/NetInstall.dmg",
                True,
            ),
        )

    def test_our_address_is_that_of_the_asker(self) -> None:
        """A machine on another LAN is told the address that it can reach."""
        make_folder(self.root)
        self.publish()

        for address in ("10.0.0.1", "10.1.0.1"):
            (image,) = self.booter.offered_images(replace(ASKER, server=IPv4Address(address)))

            self.assertEqual(
                image.root_path, f"http://{address}/NetBoot/NetBootSP0/A.nbi/NetInstall.dmg"
            )

    def test_the_default_is_first(self) -> None:
        """The images are in list order: the first is the default of the machine that asks."""
        make_folder(self.root, "A.nbi", Index=1, Name="One")
        make_folder(self.root, "B.nbi", Index=2, Name="Two", IsDefault=True)
        self.publish()

        self.assertEqual(self.names(), ["Two", "One"])

    def test_models_and_architectures(self) -> None:
        """A machine sees the images for its architecture and its model."""
        make_folder(self.root, "A.nbi", Index=1, Name="Any")
        make_folder(
            self.root, "B.nbi", Index=2, Name="Mini", EnabledSystemIdentifiers=["Macmini6,1"]
        )
        make_folder(
            self.root, "C.nbi", Index=3, Name="No iMac", DisabledSystemIdentifiers=["iMac14,2"]
        )
        self.publish()

        self.assertEqual(self.names(), ["Any"])
        self.assertEqual(
            self.names(replace(ASKER, system_id="Macmini6,1")), ["Any", "Mini", "No iMac"]
        )
        self.assertEqual(self.names(replace(ASKER, arch="ppc")), [])

    def test_machines_by_address(self) -> None:
        """EnabledMACAddresses lets a machine in, and the answer to one is never another's."""
        make_folder(
            self.root, "A.nbi", Index=1, Name="Mine", EnabledMACAddresses=["a8:20:66:1:2:3"]
        )
        make_folder(
            self.root, "B.nbi", Index=2, Name="Yours", DisabledMACAddresses=["a8:20:66:01:02:03"]
        )
        self.publish()

        for _ in range(2):
            self.assertEqual(self.names(), ["Mine"])
            self.assertEqual(self.names(replace(ASKER, mac=OTHER)), ["Yours"])

    def test_a_booter_of_its_own(self) -> None:
        """A machine for which there is `booter.<its name>` loads that, the others do not."""
        make_folder(self.root, files={"i386/booter.NetBoot007": b"personal"})
        self.publish()

        def boot_file(name: str) -> str:
            (image,) = self.booter.offered_images(replace(ASKER, machine_name=name))
            return image.boot_file.rpartition("/")[2]

        self.assertEqual(
            [boot_file(name) for name in ("", "NetBoot007", "NetBoot008", "NetBoot007")],
            ["booter", "booter.NetBoot007", "booter", "booter.NetBoot007"],
        )

    def test_an_image_that_another_server_shares(self) -> None:
        """LoadBalanceServer takes our place in the boot server and in the root path."""
        make_folder(self.root, Index=5000, LoadBalanceServer="10.0.0.77")
        self.publish()

        (image,) = self.booter.offered_images(ASKER)

        self.assertEqual(str(image.server), "10.0.0.77")
        self.assertEqual(
            image.root_path, "http://10.0.0.77/NetBoot/NetBootSP0/A.nbi/NetInstall.dmg"
        )

    def test_an_image_that_cannot_be_reached_is_not_offered(self) -> None:
        """Without HTTP, or without an NFS export, the images of that type are kept back."""
        make_folder(self.root, "A.nbi", Index=1, Name="HTTP", Type="HTTP")
        make_folder(self.root, "B.nbi", Index=2, Name="NFS", Type="NFS")
        make_folder(self.root, "C.nbi", Index=3, Name="Boot", Type="BootFileOnly", Kind=1)
        make_folder(self.root, "D.nbi", Index=4, Name="There", RootPath="http://10.9.9.9/a.dmg")
        export = NfsExport(path="/exports/NetBoot", server=IPv4Address("10.0.0.20"))
        offered = {}

        for port, nfs in ((80, None), (None, None), (None, export), (80, export)):
            self.booter = CatalogBooter(Publication(http_port=port, nfs=nfs))
            self.publish()
            offered[port, nfs is not None] = self.names()

        self.assertEqual(
            offered,
            {
                (80, False): ["HTTP", "Boot", "There"],
                (None, False): ["Boot", "There"],
                (None, True): ["NFS", "Boot", "There"],
                (80, True): ["HTTP", "NFS", "Boot", "There"],
            },
        )

    def test_a_new_catalog_is_answered_from_at_once(self) -> None:
        """What was remembered of the old catalog is forgotten, and who listens is told."""
        make_folder(self.root, "A.nbi", Index=1, Name="One")
        heard: list[Snapshot] = []
        self.booter.listen(heard.append)
        first = self.publish()
        self.assertEqual(self.names(), ["One"])

        make_folder(self.root, "B.nbi", Index=2, Name="Two")
        second = replace(self.publish(), generation=first.generation + 1)
        self.booter.publish(second)

        self.assertEqual(self.names(), ["One", "Two"])
        self.assertEqual((heard[0], heard[-1]), (first, second))
        self.assertEqual(self.booter.generation, second.generation)

    def test_the_same_catalog_is_no_news(self) -> None:
        """Publishing a snapshot twice tells nobody."""
        heard: list[Snapshot] = []
        snapshot = self.publish()
        self.booter.listen(heard.append)

        self.booter.publish(snapshot)

        self.assertEqual(heard, [])

    def test_machines_of_one_model_share_an_answer(self) -> None:
        """Where no image depends on the machine, the same tuple answers all of a model."""
        make_folder(self.root)
        self.publish()

        answers = [self.booter.offered_images(replace(ASKER, mac=mac)) for mac in (MAC, OTHER)]

        self.assertIs(answers[0], answers[1])

    def test_what_is_remembered_is_bounded(self) -> None:
        """Models and addresses that never end cannot fill our memory."""
        self.patch(booter_module, "MAX_REMEMBERED", 8)
        make_folder(self.root, EnabledMACAddresses=["a8:20:66:01:02:03"])
        self.publish()

        for number in range(50):
            mac = number.to_bytes(6, "big")
            self.booter.offered_images(replace(ASKER, mac=mac, system_id=f"Mac{number}"))

        self.assertLessEqual(len(self.booter._images), 8)


PC = PcAsker(mac=MAC, platform="uefi-x86-64", server=IPv4Address("10.0.0.1"))
SHIM = 'title = "Shim"\nefi = "shimx64.efi"\n'


class EntryTests(SynchronousTestCase):
    """PCs and what they may boot."""

    def setUp(self) -> None:
        self.root = folder(self)
        self.booter = CatalogBooter(HTTP)
        make_entry(self.root)
        make_entry(self.root, "shim", SHIM, files={"shimx64.efi": efi_program()})

    def publish(self, *more: Root, loaders: Path | None = None) -> None:
        self.booter.publish(Catalog([Root(self.root), *more], loaders=loaders).scan_thd())

    def names(self, asker: PcAsker = PC) -> list[str]:
        return [each.name for each in self.booter.boot_entries(asker)]

    def test_an_entry_as_pxe_needs_it(self) -> None:
        """With the path of the EFI program, if firmware starts it by itself."""
        self.publish()

        linux, shim = self.booter.boot_entries(PC)

        self.assertEqual(
            (linux.name, linux.title, linux.efi), ("debian", "Debian 12 installer", None)
        )
        self.assertEqual(
            (shim.name, shim.title, shim.efi),
            ("shim", "Shim", "NetBoot/NetBootSP0/shim/shimx64.efi"),
        )

    def test_machines_of_another_kind(self) -> None:
        """Each platform sees what is for it."""
        self.publish()

        self.assertEqual(self.names(replace(PC, platform="bios")), ["debian"])
        self.assertEqual(self.names(replace(PC, platform="uefi-arm64")), [])

    def test_one_machine_is_never_answered_for_another(self) -> None:
        """Where an entry is for some machines only, the answers are kept apart."""
        make_entry(self.root, "mine", DEBIAN + f'enabled_mac_addresses = ["{MAC.hex()}"]\n')
        self.publish()

        for _ in range(2):
            self.assertEqual(self.names(), ["debian", "mine", "shim"])
            self.assertEqual(self.names(replace(PC, mac=OTHER)), ["debian", "shim"])

    def test_machines_of_one_platform_share_an_answer(self) -> None:
        """Where no entry depends on the machine, the same tuple answers all."""
        self.publish()

        answers = [self.booter.boot_entries(replace(PC, mac=mac)) for mac in (MAC, OTHER)]

        self.assertIs(answers[0], answers[1])

    def test_two_entries_of_one_name(self) -> None:
        """The one in a later share point goes by its share as well, and by that it is chosen."""
        make_entry(self.root / "two", "debian")
        self.publish(Root(self.root / "two", "SP1"))

        self.assertEqual(self.names(), ["debian", "SP1/debian", "shim"])
        chosen = self.booter.chosen_entry(PC, "SP1/debian")
        assert chosen is not None
        self.assertEqual(chosen.entry.share, "SP1")

    def test_what_was_chosen(self) -> None:
        """The configuration's word goes before what was chosen at the machine; what the machine may
        not boot is not chosen."""
        self.publish()
        kept: dict[bytes, str] = {}
        self.booter.choice = kept.get

        def chosen(boot: str | None, asker: PcAsker = PC) -> str | None:
            entry = self.booter.chosen_entry(asker, boot)
            return None if entry is None else entry.name

        self.assertIsNone(chosen(None))
        self.assertEqual(chosen("shim"), "shim")
        kept[MAC] = "shim"
        self.assertEqual((chosen(None), chosen("debian")), ("shim", "debian"))
        self.assertIsNone(chosen("gone"))
        self.assertIsNone(chosen(None, replace(PC, platform="bios")))
        self.assertIsNone(chosen(None, replace(PC, mac=OTHER)))

    def test_entries_that_need_http(self) -> None:
        """Without HTTP there is no URL of ours to put into a command line."""
        offline = Publication(http_port=None, nfs=None)
        self.booter = CatalogBooter(offline)
        self.publish()

        self.assertEqual(self.names(), ["shim"])
        (debian, shim) = self.booter.snapshot.entries
        self.assertEqual(
            why_entry_not_offered(debian, offline),
            "its command line has {base_url} and http.enabled is false",
        )
        self.assertIsNone(why_entry_not_offered(shim, offline))

    def test_what_a_pc_said_of_itself_is_remembered(self) -> None:
        """The last word counts, and the number of machines is bounded."""
        self.patch(booter_module, "MAX_ASKERS", 4)
        self.publish()
        self.booter.boot_entries(PC)
        self.booter.chosen_entry(replace(PC, platform="bios"), None)
        self.assertEqual(self.booter.asker(MAC), replace(PC, platform="bios"))

        for number in range(3):
            self.booter.boot_entries(replace(PC, mac=bytes([number] * 6)))
        self.booter.boot_entries(replace(PC, platform="bios"))
        self.booter.boot_entries(replace(PC, mac=OTHER))

        self.assertIsNotNone(self.booter.asker(MAC))
        self.assertIsNone(self.booter.asker(bytes(6)))

    def test_loaders(self) -> None:
        """It can be asked whether a loader is there."""
        self.assertIs(self.booter.has_loader("snponly.efi"), False)
        write(self.root / "loaders/snponly.efi", efi_program())
        self.publish(loaders=self.root / "loaders")

        self.assertIs(self.booter.has_loader("snponly.efi"), True)
        self.assertIs(self.booter.has_loader("undionly.kpxe"), False)
        with self.booter.open_file("/snponly.efi", peer="10.0.0.50", service="tftp") as file:
            self.assertEqual((file.name, file.is_efi), ("snponly.efi", True))


class OpenFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = folder(self)
        make_folder(self.root)
        make_folder(self.root, "Off.nbi", Index=8, IsEnabled=False)
        write(self.root / "secret", b"secret")
        self.booter = CatalogBooter(HTTP)
        self.booter.publish(Catalog([Root(self.root)]).scan_thd())
        self.lines = capture(self)

    def open(self, name: bytes | str) -> Any:
        file = self.booter.open_file(name, peer="10.0.0.50", service="tftp")
        self.addCleanup(file.close)
        return file

    def refused(self, name: bytes | str) -> Refusal:
        with self.assertRaises(PathRefused) as caught:
            self.open(name)
        return caught.exception.reason

    def test_the_names_that_firmware_uses(self) -> None:
        """Absolute as in our replies, relative, and with backslashes: the same file."""
        for name in (
            b"/private/tftpboot/NetBoot/NetBootSP0/A.nbi/i386/booter",
            b"NetBoot/NetBootSP0/A.nbi/i386/booter",
            b"A.nbi/i386/booter",
            rb"\private\tftpboot\NetBoot\NetBootSP0\A.nbi\i386\booter",
        ):
            file = self.open(name)

            self.assertEqual(os.pread(file.fd, 100, 0), b"the booter")

    def test_what_is_not_published_is_refused(self) -> None:
        """Each refusal has its reason, and none of them reads a disk."""
        refusals = {
            b"": Refusal.EMPTY,
            b"secret": Refusal.NO_BUNDLE,
            b"A.nbi/../secret": Refusal.TRAVERSAL,
            b"A.nbi/none": Refusal.NO_FILE,
            b"Off.nbi/i386/booter": Refusal.DISABLED,
        }

        self.assertEqual({name: self.refused(name) for name in refusals}, refusals)
        self.assertEqual(self.lines, [])

    def test_a_file_that_has_gone_is_refused(self) -> None:
        """Between two scans a published file may vanish: that is a miss, not an error of ours."""
        (self.root / "A.nbi/i386/booter").unlink()

        self.assertEqual(self.refused(b"A.nbi/i386/booter"), Refusal.VANISHED)
        self.assertEqual(self.lines, [])

    def test_a_link_put_in_its_place_is_never_followed(self) -> None:
        """Whoever swaps a published file for a link to elsewhere gets a refusal."""
        booter = self.root / "A.nbi/i386/booter"
        booter.unlink()
        booter.symlink_to(self.root / "secret")

        self.assertEqual(self.refused(b"A.nbi/i386/booter"), Refusal.CHANGED)

    def test_a_file_that_we_may_not_read_is_the_operators_to_mend(self) -> None:
        """It is told once for each catalog, with the remedy, however often machines ask."""
        (self.root / "A.nbi/i386/booter").chmod(0)

        with as_nobody():
            me = os.geteuid()
            for _ in range(3):
                self.assertEqual(self.refused(b"A.nbi/i386/booter"), Refusal.UNREADABLE)

        self.assertEqual(
            self.lines,
            [
                "warn: the file cannot be read: A.nbi/i386/booter;"
                f" give uid {me} the right to read it"
            ],
        )


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"Type": "HTTP"}, "its Type is HTTP and http.enabled is false"),
        (
            {"Type": "NFS"},
            "its Type is NFS; name the NFS server in [nfs], or set its Type to HTTP",
        ),
        ({"Type": "BootFileOnly", "Kind": 1}, None),
        ({"Type": "HTTP", "LoadBalanceServer": "10.0.0.77", "Index": 5000}, None),
        ({"Type": "NFS", "RootPath": "10.0.0.9:/exports:a.dmg"}, None),
    ],
)
def test_why_an_image_is_not_offered(
    tmp_path: Path, keys: dict[str, object], why: str | None
) -> None:
    """The operator is told what to change; what another server serves needs nothing here."""
    make_folder(tmp_path, **keys)
    snapshot = Catalog([Root(tmp_path)]).scan_thd()
    (bundle,) = snapshot.bundles

    assert why_not_offered(bundle, Publication(http_port=None, nfs=None)) == why
