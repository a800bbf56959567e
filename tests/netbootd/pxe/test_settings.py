"""[pxe]: defaults, and errors that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbootd.config import Config, load
from ops.config import ConfigError, parse
from protocols.pxe.architecture import PLATFORMS
from tests.netbootd.pxe.offered import settings


def test_defaults_are_off_and_ipxe() -> None:
    """Nobody is answered until the operator says so; loaders have the names of iPXE's builds."""
    found = settings()

    assert not found.enabled
    assert found.port == 4011
    assert found.loader.of("bios") == "undionly.kpxe"
    assert found.loader.of("uefi-x86-64") == "snponly.efi"
    assert found.loader.of("uefi-arm64") == "arm64-efi/snponly.efi"


def test_platform_without_a_loader() -> None:
    """Platforms that no loader is known for have none, whatever a client calls itself."""
    for platform in ("s390-basic", "architecture-999", "of", "__class__"):
        assert settings().loader.of(platform) == ""


def test_loaders_are_for_platforms_that_there_are() -> None:
    """Each key of [pxe.loader] is a platform as the log and boot entries name it."""
    keys = set(settings("[loader]").loader.__struct_encode_fields__)

    assert keys <= set(PLATFORMS)


def test_loader_is_named_by_platform() -> None:
    """A loader may lie in a folder; an empty name stands for none."""
    found = settings('[loader]\nuefi-x86-64 = "grub/grubx64.efi"\nbios = ""')

    assert found.loader.of("uefi-x86-64") == "grub/grubx64.efi"
    assert found.loader.of("bios") == ""


def test_relative_folder_is_taken_from_the_file(tmp_path: Path) -> None:
    """`loaders` follows the rule for all paths."""
    file = tmp_path / "netbootd.toml"
    file.write_text('[pxe]\nloaders = "loaders"\n')

    assert load(file).pxe.loaders == tmp_path / "loaders"


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ("menu = 1", "pxe.menu"),
        ('menu = "yes"', "pxe.menu"),
        ('timeout = "255s"', "pxe.timeout"),
        ('timeout = "1500ms"', "pxe.timeout"),
        ('scheme = "ftp"', "pxe.scheme"),
        ('prompt = ""', "pxe.prompt"),
        ('prompt = "Größe"', "pxe.prompt"),
        ('host_name = "http://boot"', "pxe.host_name"),
        ('host_name = "boot_server"', "pxe.host_name"),
        ('[pxe.loader]\nbios = "/undionly.kpxe"', "pxe.loader.bios"),
        ('[pxe.loader]\nbios = "../undionly.kpxe"', "pxe.loader.bios"),
        ('[pxe.loader]\nbios = "a/../b"', "pxe.loader.bios"),
        ('[pxe.loader]\nbios = "a b"', "pxe.loader.bios"),
        (f'[pxe.loader]\nbios = "{"x" * 128}"', "pxe.loader.bios"),
        ('[pxe.loader]\nuefi-x64 = "a"', "pxe.loader.uefi-x64"),
    ],
)
def test_error_names_the_key(document: str, key: str) -> None:
    """A wrong setting stops the start with its path."""
    with pytest.raises(ConfigError) as caught:
        parse(f"[pxe]\n{document}".encode(), Config)

    assert caught.value.key == key


@pytest.mark.parametrize("menu", ['"auto"', "true", "false"])
def test_menu_is_a_word_or_a_switch(menu: str) -> None:
    """`menu` may be "auto", true or false."""
    assert settings(f"menu = {menu}").menu in ("auto", True, False)
