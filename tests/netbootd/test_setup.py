"""The first configuration: what is suggested, and the file that follows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from netbootd.config import Config
from netbootd.setup import (
    Mode,
    Wanted,
    default_router,
    dns_servers,
    holds_images,
    suggested_pool,
    toml_of,
)
from ops.config import parse
from ops.setting import AddressRange
from tests.images.entries import make_entry


@pytest.mark.parametrize(
    ("own", "pool"),
    [
        ("192.168.1.10/24", "192.168.1.100-192.168.1.199"),
        ("10.0.5.1/16", "10.0.0.100-10.0.0.199"),
        ("192.168.1.130/25", "192.168.1.192-192.168.1.254"),
        ("10.0.0.1/30", "10.0.0.2"),
        ("192.168.1.100/24", "192.168.1.101-192.168.1.199"),
    ],
)
def test_pool(own: str, pool: str) -> None:
    """A hundred addresses, or the upper half of a small network; not our own at its beginning."""
    interface = IPv4Interface(own)

    assert str(suggested_pool(interface, [interface.ip])) == pool


def test_router(tmp_path: Path) -> None:
    """The way out of this computer, as the kernel's table has it."""
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth0\t00000000\tFE01A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    )

    assert default_router(table) == IPv4Address("192.168.1.254")
    assert default_router(tmp_path / "none") is None


def test_dns(tmp_path: Path) -> None:
    """Name servers that other machines could ask, too."""
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.53\nnameserver 192.168.1.2\nnameserver fe80::1\n")

    assert list(dns_servers(file)) == [IPv4Address("192.168.1.2")]


def test_folders(tmp_path: Path) -> None:
    """A folder is of images if something in it could be booted."""
    assert not holds_images(tmp_path / "none")
    (tmp_path / "other").mkdir()
    assert not holds_images(tmp_path)

    make_entry(tmp_path)

    assert holds_images(tmp_path)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("has_more", [True, False])
def test_the_file(mode: Mode, has_more: bool) -> None:
    """Whatever is asked for, the file is one that netbootd takes, and says just that."""
    is_alone = mode is Mode.ALONE
    wanted = Wanted(
        mode=mode,
        interfaces=("eth0", 'a"b\\c') if has_more else (),
        images=Path("/srv/net boot"),
        network=IPv4Interface("192.168.1.10/24") if is_alone else None,
        pool=AddressRange.parse("192.168.1.100-192.168.1.199") if is_alone else None,
        router=IPv4Address("192.168.1.1") if has_more else None,
        dns=(IPv4Address("192.168.1.2"),) if has_more else (),
        boots_pcs=mode is Mode.PROXY or has_more,
        loaders=Path("/usr/lib/ipxe") if has_more else None,
        user="netbootd" if has_more else None,
    )

    settings = parse(toml_of(wanted).encode(), Config)

    assert settings.dhcp.enabled is is_alone
    assert settings.pxe.enabled is wanted.boots_pcs
    assert settings.user == wanted.user
    assert settings.images.shares[0].path == wanted.images
    assert settings.pxe.loaders == (wanted.loaders if wanted.boots_pcs else None)
    if has_more:
        assert settings.network.interfaces == wanted.interfaces
    if is_alone:
        (subnet,) = settings.dhcp.subnets
        assert str(subnet.network) == "192.168.1.0/24"
        assert subnet.router == wanted.router
