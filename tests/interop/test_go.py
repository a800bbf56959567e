"""The BSDP client of insomniacslk's DHCP library for Go, as Debian packages it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.peer import FILES, peer, peer_file

pytestmark = pytest.mark.interop

LIBRARY = next(path for path in FILES if path.startswith("/usr/share/gocode"))


@pytest.fixture(scope="module")
def gobsdp(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Our ten lines around the library, built."""
    peer_file(LIBRARY)
    folder = tmp_path_factory.mktemp("gobsdp")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
        "CGO_ENABLED": "0",
    }
    build = [peer("go"), "build", "-o", str(folder / "gobsdp"), "main.go"]
    source = Path(__file__).parent / "gobsdp"
    subprocess.run(build, cwd=source, env=environment, check=True, timeout=110)
    return str(folder / "gobsdp")


def test_list_and_select(lan: Lan, daemon: Daemon, sierra: Bundle, gobsdp: str) -> None:
    """The library lists, selects the first image, and accepts both answers.

    Its SELECT leaves ciaddr empty: it is answered because the sender's address is known.
    """
    done = lan.client.run(gobsdp, lan.client_interface)

    assert done.stdout.count("ACK") == 2
    assert sierra.title in done.stdout
    assert "/private/tftpboot/NetBoot/NetBootSP0/Sierra.nbi/i386/booter" in done.stdout
    assert f"http://{lan.address}/NetBoot/NetBootSP0/Sierra.nbi/NetInstall.dmg" in done.stdout
