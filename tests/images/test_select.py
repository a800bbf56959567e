from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.bundle import Bundle
from images.catalog import Root, Snapshot, scan_thd
from images.select import applicable, matches, selectable, supports

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
