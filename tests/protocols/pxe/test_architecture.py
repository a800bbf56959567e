"""Option 93: the types that are registered, and the platforms that boot files are for."""

from __future__ import annotations

import pytest

from protocols.pxe.architecture import PLATFORMS, Architecture, platform_of


@pytest.mark.parametrize(
    ("number", "platform", "is_http"),
    [
        (0, "bios", False),
        (6, "uefi-x86", False),
        (7, "uefi-x86-64", False),
        (9, "uefi-x86-64", False),
        (10, "uefi-arm", False),
        (11, "uefi-arm64", False),
        (15, "uefi-x86", True),
        (16, "uefi-x86-64", True),
        (17, "uefi-x86-64", True),
        (18, "uefi-arm", True),
        (19, "uefi-arm64", True),
        (20, "bios", True),
        (22, "uboot-arm64", False),
        (24, "uboot-arm64", True),
        (27, "uefi-riscv64", False),
        (28, "uefi-riscv64", True),
        (39, "uefi-loongarch64", False),
        (40, "uefi-loongarch64", True),
        (41, "arm-rpiboot", False),
    ],
)
def test_type_has_a_platform(number: int, platform: str, is_http: bool) -> None:
    """A boot file is for a platform, whichever number and transport the firmware has for it."""
    architecture = Architecture(number)

    assert (architecture.platform, architecture.is_http) == (platform, is_http)
    assert platform_of(number) == platform


def test_registry_is_complete() -> None:
    """IANA has registered 0 to 41 without a gap; each has a platform."""
    assert [int(each) for each in Architecture] == list(range(42))
    assert {each.platform for each in Architecture} == set(PLATFORMS)


@pytest.mark.parametrize("architecture", [each for each in Architecture if each.is_http])
def test_http_variant_boots_what_its_sibling_boots(architecture: Architecture) -> None:
    """A type that loads by HTTP has the platform of the type of the same name that does not."""
    sibling = Architecture[architecture.name.removesuffix("_HTTP")]

    assert sibling.platform == architecture.platform


@pytest.mark.parametrize("number", [42, 0xFFFF])
def test_unknown_type_has_a_name_of_its_own(number: int) -> None:
    """What is not registered is named by its number, and by no platform that has boot files."""
    assert platform_of(number) == f"architecture-{number}"
    assert platform_of(number) not in PLATFORMS
