from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.bundle import Bundle
from images.catalog import Root, Snapshot, scan_thd
from images.select import applicable, applicable_entries, matches, selectable, supports

from .entries import DEBIAN, make_entry
from .folder import make_folder

MAC = bytes.fromhex("aabbccddeeff")
OTHER = bytes.fromhex("000102030405")


def catalog(root: Path, *images: dict[str, Any]) -> Snapshot:
    root.mkdir(exist_ok=True)
    for number, keys in enumerate(images):
        index = keys.get("Index", number + 1)
        name = keys.get("Name", f"image {number}")
        make_folder(root, f"{number}.nbi", **{**keys, "Index": index, "Name": name})
    snapshot = scan_thd([Root(root)])
    assert snapshot.errors == ()
    return snapshot


def titles(
    snapshot: Snapshot,
    *,
    arch: str = "i386",
    system_id: str = "iMac14,2",
    mac: bytes = MAC,
    attributes: Collection[int] | None = None,
) -> list[str]:
    found = applicable(snapshot, arch=arch, system_id=system_id, mac=mac, attributes=attributes)
    return [bundle.title for bundle in found]


def test_list_of_apple(tmp_path: Path) -> None:
    """The images of the captured ACK[LIST] are offered to the machine that was offered them."""
    snapshot = catalog(
        tmp_path,
        {"Name": "Catalina", "Index": 4100, "IsDefault": True},
        {"Name": "Sierra Install", "Index": 1001},
        {"Name": "NFSImage", "Index": 7, "Type": "NFS", "IsInstall": False},
        {"Name": "AHT", "Index": 300, "Kind": 3, "IsInstall": False},
        {"Name": "iMacOnly", "Index": 50, "EnabledSystemIdentifiers": ["iMac14,2"]},
        {"Name": "MacAddr", "Index": 51, "EnabledMACAddresses": [MAC.hex(":")]},
        {"Name": "DisMac", "Index": 54, "DisabledMACAddresses": [MAC.hex(":")]},
        {"Name": "Disabled", "Index": 52, "IsEnabled": False},
    )

    others = ["Catalina", "NFSImage", "DisMac", "Sierra Install"]
    assert titles(snapshot, system_id="Macmini6,1", mac=OTHER) == others
    imac = ["Catalina", "NFSImage", "iMacOnly", "DisMac", "Sierra Install"]
    assert titles(snapshot, mac=OTHER) == imac
    named = ["Catalina", "NFSImage", "iMacOnly", "MacAddr", "Sierra Install"]
    assert titles(snapshot) == named
    assert titles(snapshot, attributes=[0x0300]) == ["AHT"]
    assert titles(snapshot, attributes=[0x0100, 0x0300]) == ["NFSImage", "AHT"]
    assert titles(snapshot, attributes=[0x0200]) == []
    assert titles(snapshot, attributes=[]) == []
    assert titles(snapshot, arch="ppc") == []
    assert titles(snapshot, arch="") == []


def test_models_are_compared_exactly(tmp_path: Path) -> None:
    """Upper and lower case differ, and an empty array means every model."""
    snapshot = catalog(
        tmp_path,
        {"Name": "some", "EnabledSystemIdentifiers": ["iMac14,2"]},
        {"Name": "all", "EnabledSystemIdentifiers": []},
    )

    assert titles(snapshot, system_id="iMac14,2") == ["some", "all"]
    for system_id in ("imac14,2", "iMac14,2 ", "iMac14", ""):
        assert titles(snapshot, system_id=system_id) == ["all"]


def test_disabled_models_win(tmp_path: Path) -> None:
    """A model in both lists is disabled; one in neither is judged by the enabled list."""
    snapshot = catalog(
        tmp_path,
        {"Name": "not mine", "DisabledSystemIdentifiers": ["iMac14,2"]},
        {
            "Name": "both",
            "DisabledSystemIdentifiers": ["iMac14,2"],
            "EnabledSystemIdentifiers": ["iMac14,2", "iMac15,1"],
        },
    )

    assert titles(snapshot, system_id="iMac14,2") == []
    assert titles(snapshot, system_id="iMac15,1") == ["not mine", "both"]
    assert titles(snapshot, system_id="Macmini6,1") == ["not mine"]


def test_disabled_addresses_win(tmp_path: Path) -> None:
    """An address in both lists is disabled; an empty enabled list means every address."""
    snapshot = catalog(
        tmp_path,
        {
            "Name": "both",
            "DisabledMACAddresses": [MAC.hex(":")],
            "EnabledMACAddresses": [MAC.hex("-"), OTHER.hex(":")],
        },
        {"Name": "empty", "EnabledMACAddresses": [], "DisabledMACAddresses": []},
    )

    assert titles(snapshot, mac=MAC) == ["empty"]
    assert titles(snapshot, mac=OTHER) == ["both", "empty"]


def test_every_architecture_of_an_image(tmp_path: Path) -> None:
    """An image for two architectures is seen by machines of both."""
    make_folder(tmp_path, files={"ppc/booter": b"x"}, Architectures=["i386", "ppc"])
    snapshot = scan_thd([Root(tmp_path)])

    assert titles(snapshot, arch="i386") == titles(snapshot, arch="ppc") == ["Alpha"]
    assert titles(snapshot, arch="arm") == []


def test_default_is_the_first_that_applies(tmp_path: Path) -> None:
    """A default for some models only is passed over by the others."""
    snapshot = catalog(
        tmp_path,
        {"Name": "first by index", "Index": 1},
        {"Name": "for minis", "Index": 3, "IsDefault": True, "EnabledSystemIdentifiers": ["mini"]},
        {"Name": "for all", "Index": 9, "IsDefault": True, "EnabledMACAddresses": [MAC.hex(":")]},
    )

    assert titles(snapshot, mac=MAC)[0] == "for all"
    assert titles(snapshot, mac=OTHER, system_id="mini")[0] == "for minis"
    assert titles(snapshot, mac=OTHER)[0] == "first by index"


def test_select_does_not_look_at_the_filter(tmp_path: Path) -> None:
    """A diagnostics image is hidden from a LIST without filter, yet it can be selected."""
    snapshot = catalog(tmp_path, {"Kind": 3, "Index": 300, "EnabledSystemIdentifiers": ["mini"]})
    image_id = snapshot.bundles[0].image_id

    assert titles(snapshot, system_id="mini") == []
    found = selectable(snapshot, image_id, arch="i386", system_id="mini", mac=MAC)
    assert found is snapshot.bundles[0]


@pytest.mark.parametrize(
    ("image_id", "arch", "system_id"),
    [(0x8100012D, "i386", "mini"), (0x8300012C, "ppc", "mini"), (0x8300012C, "i386", "iMac14,2")],
)
def test_select_of_another_image_or_machine(
    tmp_path: Path, image_id: int, arch: str, system_id: str
) -> None:
    """An unknown ID, architecture or model selects nothing."""
    snapshot = catalog(tmp_path, {"Kind": 3, "Index": 300, "EnabledSystemIdentifiers": ["mini"]})

    found = selectable(snapshot, image_id, arch=arch, system_id=system_id, mac=MAC)

    assert found is None


MODELS = ["iMac14,2", "Macmini6,1", "x"]
MACS = [MAC, OTHER]


def written(bundle: Bundle, system_id: str, mac: bytes) -> bool:
    """The rules once more, as nbimages.c writes them: one early exit after the other."""
    if bundle.disabled_system_ids and system_id in bundle.disabled_system_ids:
        return False
    if bundle.enabled_system_ids and system_id not in bundle.enabled_system_ids:
        return False
    if bundle.disabled_macs and mac in bundle.disabled_macs:
        return False
    return not (bundle.enabled_macs and mac not in bundle.enabled_macs)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    models=st.tuples(*[st.lists(st.sampled_from(MODELS), max_size=2)] * 2),
    macs=st.tuples(*[st.lists(st.sampled_from(MACS), max_size=2)] * 2),
    kind=st.integers(0, 4),
    filter_only=st.booleans(),
    attributes=st.none() | st.lists(st.sampled_from([0x8100, 0x8300, 0x0100]), max_size=2),
)
def test_applicable_agrees_with_the_rules(
    tmp_path: Path,
    models: tuple[list[str], list[str]],
    macs: tuple[list[bytes], list[bytes]],
    kind: int,
    filter_only: bool,
    attributes: list[int] | None,
) -> None:
    """For any filters, an image is listed exactly when each rule by itself lets it pass."""
    snapshot = catalog(
        tmp_path,
        {
            "Kind": kind,
            "FilterOnly": filter_only,
            "EnabledSystemIdentifiers": models[0],
            "DisabledSystemIdentifiers": models[1],
            "EnabledMACAddresses": [mac.hex() for mac in macs[0]],
            "DisabledMACAddresses": [mac.hex() for mac in macs[1]],
        },
    )
    (bundle,) = snapshot.bundles
    seen = not filter_only if attributes is None else bundle.image_id >> 16 in attributes

    assert matches(bundle, attributes) is seen
    for system_id in MODELS:
        for mac in MACS:
            expected = written(bundle, system_id, mac)
            assert supports(bundle, arch="i386", system_id=system_id, mac=mac) is expected
            listed = titles(snapshot, system_id=system_id, mac=mac, attributes=attributes)
            assert bool(listed) is (expected and seen)


MACHINE = UUID("4c4c4544-0043-3010-8052-b4c04f564231")
ANOTHER = UUID("564d4c55-0001-0002-0003-525400770010")


def entries_for(
    root: Path,
    *keys: str,
    platform: str = "uefi-x86-64",
    machine_id: UUID | None = MACHINE,
    mac: bytes = MAC,
) -> list[int]:
    """Which of the entries with these further keys the machine may boot, by their place."""
    for number, more in enumerate(keys):
        make_entry(root, f"{number}", DEBIAN + more)
    snapshot = scan_thd([Root(root)])
    assert snapshot.errors == ()
    found = applicable_entries(snapshot, platform=platform, machine_id=machine_id, mac=mac)
    return [int(entry.name) for entry in found]


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("bios", [0, 1]), ("uefi-x86-64", [0]), ("uefi-arm64", [2]), ("uefi-x86", [])],
)
def test_entries_by_platform(tmp_path: Path, platform: str, expected: list[int]) -> None:
    """A machine sees what is for it."""
    keys = ("", 'architectures = ["bios"]\n', 'architectures = ["uefi-arm64"]\n')

    assert entries_for(tmp_path, *keys, platform=platform) == expected


@pytest.mark.parametrize(
    ("machine_id", "expected"), [(MACHINE, [0, 1]), (ANOTHER, [0, 2]), (None, [0, 2])]
)
def test_entries_by_system_identifier(
    tmp_path: Path, machine_id: UUID | None, expected: list[int]
) -> None:
    """An identifier in both lists is disabled; who tells none is on no list."""
    enabled = f'enabled_system_identifiers = ["{MACHINE}"]\n'
    disabled = f'disabled_system_identifiers = ["{MACHINE}"]\n'
    keys = ("", enabled, disabled, enabled + disabled)

    assert entries_for(tmp_path, *keys, machine_id=machine_id) == expected


def test_system_identifier_in_either_byte_order(tmp_path: Path) -> None:
    """What dmidecode prints of old machines is not what their firmware sends, but for the order of
    some bytes."""
    swapped = UUID(bytes=MACHINE.bytes_le)
    keys = (f'enabled_system_identifiers = ["{swapped}"]\n',)

    assert entries_for(tmp_path, *keys, machine_id=MACHINE) == [0]


def test_entries_by_address(tmp_path: Path) -> None:
    """As with images, an address in both lists is disabled."""
    mine, other = MAC.hex(":"), OTHER.hex(":")
    keys = (
        f'enabled_mac_addresses = ["{mine}"]\n',
        f'enabled_mac_addresses = ["{other}"]\n',
        f'disabled_mac_addresses = ["{mine}"]\n',
        f'enabled_mac_addresses = ["{mine}"]\ndisabled_mac_addresses = ["{mine}"]\n',
    )

    assert entries_for(tmp_path, *keys) == [0]
    assert entries_for(tmp_path, *keys, mac=OTHER) == [1, 2]
