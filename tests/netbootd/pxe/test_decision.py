"""Which boot file a client is to load: entries, loaders, menus, choices."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.task import Clock

from netbootd.booter import OfferedEntry
from netbootd.pxe import decision
from netbootd.pxe.decision import MAX_LINES, PICK_TIME, Decider, Decision, File, Menu, Nothing
from protocols.pxe.client import ClientKind, PxeClient
from protocols.pxe.menu import menu_types
from protocols.pxe.value import BootItem
from tests.netbootd.pxe.offered import DEBIAN, FEDORA, MEMTEST, entry, settings

MAC = bytes.fromhex("525400770010")
SCRIPTS = "ipxe/52-54-00-77-00-10"
ALL = (DEBIAN, FEDORA, MEMTEST)
LOADERS = 'loaders = "/srv/loaders"\n'


def client(
    kind: ClientKind = ClientKind.PXE,
    *,
    architecture: int = 7,
    item: BootItem | None = None,
    mac: bytes = MAC,
) -> PxeClient:
    return PxeClient(
        kind=kind, architecture=architecture, mac=mac, vendor_class=b"PXEClient", boot_item=item
    )


def decider(document: str = LOADERS, *, loader: str | None = "snponly.efi") -> Decider:
    return Decider(settings(document), has_loader=lambda name: name == loader, seconds=lambda: 0.0)


def decide(
    asked: PxeClient,
    entries: Sequence[OfferedEntry],
    using: Decider,
    *,
    boot: str | None = None,
    kept: OfferedEntry | None = None,
) -> Decision:
    configured = next((each for each in entries if each.name == boot), None)
    return using.decide(asked, entries, boot=boot, chosen=configured if boot else kept)


def item(of: OfferedEntry, among: Sequence[OfferedEntry] = ALL) -> BootItem:
    types = menu_types([each.name for each in among])
    return BootItem(type=types[list(among).index(of)], layer=0)


@pytest.mark.parametrize("kind", [ClientKind.PXE, ClientKind.HTTP])
def test_several_entries_are_the_loaders(kind: ClientKind) -> None:
    """Where a machine may boot several entries it loads the loader, which shows them."""
    assert decide(client(kind), ALL, decider()) == File(name="snponly.efi")


@pytest.mark.parametrize("kind", [ClientKind.PXE, ClientKind.HTTP])
def test_sole_entry_is_started_by_firmware(kind: ClientKind) -> None:
    """A single EFI program needs no loader, which Secure Boot may refuse besides."""
    found = decide(client(kind), [FEDORA], decider())

    assert found == File(name="NetBoot/NetBootSP0/fedora/shimx64.efi", entry="Fedora")


def test_sole_kernel_needs_the_loader() -> None:
    """Firmware starts no kernel with an initrd."""
    assert decide(client(), [DEBIAN], decider()) == File(name="snponly.efi")


@pytest.mark.parametrize("kind", [ClientKind.PXE, ClientKind.HTTP])
def test_configured_entry_goes_before_all(kind: ClientKind) -> None:
    """What a host or class is to boot is started by firmware, if that can."""
    found = decide(client(kind), ALL, decider(LOADERS + "menu = true"), boot="memtest")

    assert found == File(name="NetBoot/NetBootSP0/memtest/memtest.efi", entry="Memtest")


def test_configured_kernel_goes_through_the_loader() -> None:
    """The loader asks again as iPXE and is given the entry's script, not the menu."""
    using = decider()

    first = decide(client(), ALL, using, boot="debian")
    then = decide(client(ClientKind.IPXE), ALL, using, boot="debian")

    assert first == File(name="snponly.efi")
    assert then == File(name=f"{SCRIPTS}/debian.ipxe", entry="Debian")


def test_configured_entry_that_is_missing() -> None:
    """Nothing else is booted instead of what the configuration wants, and the log says which."""
    found = decide(client(), ALL, decider(), boot="windows")

    assert isinstance(found, Nothing)
    assert "windows" in found.why


def test_choice_kept_can_be_changed() -> None:
    """What was chosen at the machine is booted by the loader's menu, which can be stopped."""
    assert decide(client(), ALL, decider(), kept=FEDORA) == File(name="snponly.efi")


def test_choice_kept_without_a_loader() -> None:
    """Without a loader the choice is all there is."""
    found = decide(client(), ALL, decider(loader=None), kept=MEMTEST)

    assert found == File(name="NetBoot/NetBootSP0/memtest/memtest.efi", entry="Memtest")


def test_ipxe_runs_its_menu() -> None:
    """iPXE is given the script of its machine, never the loader that it is."""
    found = decide(client(ClientKind.IPXE), ALL, decider(), kept=FEDORA)

    assert found == File(name=f"{SCRIPTS}/boot.ipxe")


def test_ipxe_without_a_hardware_address() -> None:
    """A machine that cannot be told by its address runs the script for anybody."""
    assert decide(client(ClientKind.IPXE, mac=b""), ALL, decider()) == File(name="boot.ipxe")


@pytest.mark.parametrize("kind", list(ClientKind))
def test_nothing_for_its_platform(kind: ClientKind) -> None:
    """A machine that no entry is for is not sent a loader that would find nothing."""
    found = decide(client(kind), [], decider())

    assert found == Nothing(why="no boot entry is for it (uefi-x86-64)")


def test_auto_menu_stands_in_for_a_loader() -> None:
    """Several EFI programs and no loader: firmware shows the menu, of what it can start."""
    found = decide(client(), ALL, decider(loader=None))

    assert isinstance(found, Menu)
    assert [(line.type, line.text) for line in found.entries] == [
        (item(FEDORA).type, "Fedora"),
        (item(MEMTEST).type, "Memtest"),
    ]


def test_menu_switched_on_has_all() -> None:
    """With `menu = true` firmware shows what the loader boots, too."""
    found = decide(client(), ALL, decider(LOADERS + "menu = true"))

    assert isinstance(found, Menu)
    assert [line.text for line in found.entries] == ["Debian", "Fedora", "Memtest"]


@pytest.mark.parametrize(
    ("kind", "document"),
    [(ClientKind.PXE, "menu = false"), (ClientKind.HTTP, "menu = true"), (ClientKind.HTTP, "")],
)
def test_first_that_firmware_starts(kind: ClientKind, document: str) -> None:
    """Without menu and loader the first EFI program in the list is the default."""
    found = decide(client(kind), ALL, decider(document, loader=None))

    assert found == File(name="NetBoot/NetBootSP0/fedora/shimx64.efi", entry="Fedora")


@pytest.mark.parametrize(
    ("document", "architecture", "why"),
    [
        ("", 7, "name a folder of loaders in pxe.loaders"),
        (LOADERS, 7, "its loader snponly.efi is not in /srv/loaders; put it there"),
        (LOADERS + '[loader]\nuefi-x86-64 = ""', 7, "name one in [pxe.loader]"),
        (LOADERS, 31, "there is no loader for s390-basic"),
    ],
)
def test_reason_has_a_remedy(document: str, architecture: int, why: str) -> None:
    """Whoever reads that nothing is booted reads what to do."""
    found = decide(client(architecture=architecture), [DEBIAN], decider(document, loader=None))

    assert isinstance(found, Nothing)
    assert why in found.why


def test_picked_in_the_menu() -> None:
    """The item that comes back is the entry that was shown."""
    found = decide(client(item=item(MEMTEST)), ALL, decider(loader=None))

    assert found == File(name="NetBoot/NetBootSP0/memtest/memtest.efi", entry="Memtest")


def test_picked_kernel_is_booted_by_ipxe() -> None:
    """What was picked in firmware's menu is not asked for again in iPXE's."""
    using = decider()

    first = decide(client(item=item(DEBIAN)), ALL, using)
    then = decide(client(ClientKind.IPXE), ALL, using)
    other = decide(client(ClientKind.IPXE, mac=bytes(6)), ALL, using)

    assert first == File(name="snponly.efi", entry="Debian")
    assert then == File(name=f"{SCRIPTS}/debian.ipxe", entry="Debian")
    assert other == File(name="ipxe/00-00-00-00-00-00/boot.ipxe")


def test_pick_is_forgotten() -> None:
    """The next time the machine starts, it is asked again."""
    clock = Clock()
    using = Decider(settings(), has_loader=lambda _: True, seconds=clock.seconds)
    decide(client(item=item(DEBIAN)), ALL, using)

    clock.advance(PICK_TIME)

    assert decide(client(ClientKind.IPXE), ALL, using) == File(name=f"{SCRIPTS}/boot.ipxe")


def test_picks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of picks cannot be filled; the newest stay."""
    monkeypatch.setattr(decision, "MAX_PICKS", 3)
    using = decider()
    machines = [bytes((2, 0, 0, 0, 0, n)) for n in range(5)]

    for mac in machines:
        decide(client(item=item(DEBIAN), mac=mac), ALL, using)

    found = [decide(client(ClientKind.IPXE, mac=mac), ALL, using) for mac in machines]
    assert [f.entry for f in found if isinstance(f, File)] == ["", "", *["Debian"] * 3]


@pytest.mark.parametrize(
    "picked",
    [
        BootItem(type=0, layer=0),
        BootItem(type=0x8001, layer=0),
        BootItem(type=item(FEDORA).type, layer=0x8000),
    ],
)
def test_item_that_is_not_there(picked: BootItem) -> None:
    """A type that we did not send, or a request for credentials, gets nothing."""
    found = decide(client(item=picked), ALL, decider())

    assert isinstance(found, Nothing)
    assert f"{picked.type:#06x}" in found.why


def test_picked_kernel_without_a_loader() -> None:
    """An entry that lost its loader since the menu was shown gets a reason."""
    found = decide(client(item=item(DEBIAN)), ALL, decider("", loader=None))

    assert isinstance(found, Nothing)


def test_thousands_of_entries() -> None:
    """A menu is made of the first entries only, however many there are."""
    many = [entry(f"e{n}", efi="x.efi") for n in range(70_000)]

    found = decide(client(), many, decider(loader=None))

    assert isinstance(found, Menu)
    assert len(found.entries) == MAX_LINES
