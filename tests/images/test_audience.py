"""Who would see an image, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from images.audience import audience, purpose, short_audience
from images.bundle import Bundle, read_bundle_thd
from images.entry import BootEntry, read_entry_thd
from images.standing import rival_entries, rivals

from .entries import DEBIAN, make_entry
from .folder import make_folder

ONE, TWO = "a8:20:66:1:2:3", "a8:20:66:1:2:4"


def bundle(root: Path, name: str = "A.nbi", **keys: Any) -> Bundle:
    files = {"ppc/booter": b"x"} if "ppc" in keys.get("Architectures", ()) else {}
    return read_bundle_thd(make_folder(root, name, files=files, **keys))


def entry(root: Path, more: str = "", name: str = "debian") -> BootEntry:
    return read_entry_thd(make_entry(root, name, DEBIAN + more))


@pytest.mark.parametrize(
    ("keys", "short", "lines", "what"),
    [
        ({}, "all Intel Macs", ("all Intel Macs",), "install"),
        (
            {"EnabledSystemIdentifiers": ["iMac14,2"], "IsInstall": False},
            "1 model",
            ("Intel Macs of iMac14,2",),
            "system",
        ),
        (
            {
                "EnabledSystemIdentifiers": ["iMac14,2", "Macmini6,1"],
                "DisabledSystemIdentifiers": ["iMac1,1"],
                "Architectures": ["i386", "ppc"],
            },
            "2 models",
            ("Intel Macs and PowerPC Macs of Macmini6,1, iMac14,2", "not iMac1,1"),
            "install",
        ),
        (
            {"EnabledMACAddresses": [ONE, TWO], "DisabledMACAddresses": [TWO], "Kind": 3},
            "2 machines",
            (
                "all Intel Macs",
                "only when they ask for images of its kind",
                "only by the address a8:20:66:01:02:03, a8:20:66:01:02:04",
                "not by the address a8:20:66:01:02:04",
            ),
            "diagnostics",
        ),
    ],
)
def test_images(
    tmp_path: Path, keys: dict[str, Any], short: str, lines: tuple[str, ...], what: str
) -> None:
    """Models and addresses, those that are left out as well."""
    found = bundle(tmp_path, **keys)

    assert (short_audience(found), audience(found), purpose(found)) == (short, lines, what)


def test_entries(tmp_path: Path) -> None:
    """Platforms and identifiers."""
    ids = ["12345678-1234-1234-1234-123456789abc", "22345678-1234-1234-1234-123456789abc"]
    plain = entry(tmp_path)
    some = entry(
        tmp_path,
        f'enabled_system_identifiers = ["{ids[0]}"]\ndisabled_system_identifiers = ["{ids[1]}"]\n',
        "some",
    )

    assert short_audience(plain) == "bios, uefi-x86-64"
    assert audience(plain) == ("PCs: bios, uefi-x86-64",)
    assert audience(some)[1:] == (
        f"only with the identifier {ids[0]}",
        f"not with the identifier {ids[1]}",
    )
    assert purpose(plain) == "for PCs"


def test_rivals(tmp_path: Path) -> None:
    """Other defaults that a machine may boot as well stand in the way; others do not."""
    chosen = bundle(tmp_path, EnabledSystemIdentifiers=["iMac14,2"])
    others = {
        "All.nbi": {"IsDefault": True},
        "Same.nbi": {"IsDefault": True, "EnabledSystemIdentifiers": ["iMac14,2", "x"]},
        "No.nbi": {"IsDefault": False},
        "Model.nbi": {"IsDefault": True, "EnabledSystemIdentifiers": ["x"]},
        "Ppc.nbi": {"IsDefault": True, "Architectures": ["ppc"]},
    }
    found = [bundle(tmp_path, name, **keys) for name, keys in others.items()]

    assert [each.name for each in rivals(chosen, [chosen, *found])] == ["All.nbi", "Same.nbi"]


def test_rivals_by_address(tmp_path: Path) -> None:
    """An address that is meant by both is a machine that may boot both."""
    chosen = bundle(tmp_path, EnabledMACAddresses=[ONE])
    same = bundle(tmp_path, "B.nbi", IsDefault=True, EnabledMACAddresses=[ONE, TWO])
    other = bundle(tmp_path, "C.nbi", IsDefault=True, EnabledMACAddresses=[TWO])

    assert rivals(chosen, [same, other]) == [same]


def test_rivals_of_an_entry(tmp_path: Path) -> None:
    """By platform, identifier and address."""
    chosen = entry(tmp_path, f'enabled_mac_addresses = ["{ONE}"]\n')
    same = entry(tmp_path, "default = true\n", "same")
    plain = entry(tmp_path, "", "plain")
    other = entry(tmp_path, f'default = true\nenabled_mac_addresses = ["{TWO}"]\n', "other")

    assert rival_entries(chosen, [chosen, same, plain, other]) == [same]
