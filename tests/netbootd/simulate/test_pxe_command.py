"""`netbootctl simulate pxe`: the machines that can be named."""

from __future__ import annotations

import pytest

from netbootd.cli.pxe import FIRMWARE
from protocols.pxe.architecture import Architecture


@pytest.mark.parametrize("platform", FIRMWARE)
def test_platform_is_one_of_boot_entries(platform: str) -> None:
    """What can be simulated is called as in boot.toml, and has PXE."""
    assert any(one.platform == platform and not one.is_http for one in Architecture)
