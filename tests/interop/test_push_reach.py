"""Tinyproxy on the way that `pushctl doctor` tries."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushd.dial import read_trust_roots_thd
from pushd.reach import Reached, Unreached, reach_thd
from pushd.settings import AppleSettings, ProxySettings
from pushd.testing.authority import write_private
from pushd.testing.background import Background, simulator_in_background
from tests.interop.peer import peer

pytestmark = pytest.mark.interop

PATIENCE = 60
CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 20
Allow 127.0.0.1
BasicAuth pushd s3cret
ConnectPort {allowed}
"""

Proxy = Callable[[int], int]


@pytest.fixture
def apple() -> Iterator[Background]:
    with simulator_in_background() as apple:
        yield apple


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Runs one that lets us reach a port; its own port."""
    running = []

    def run(allowed: int) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        path = tmp_path / "tinyproxy.conf"
        path.write_text(CONFIGURATION.format(port=port, allowed=allowed))
        output = subprocess.DEVNULL
        command = [peer("tinyproxy"), "-d", "-c", str(path)]
        running.append(subprocess.Popen(command, stdout=output, stderr=output))
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            assert running[-1].poll() is None, "tinyproxy does not start"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return port

    yield run
    for process in running:
        process.terminate()
        process.wait(PATIENCE)


def reach(folder: Path, apple: Background, port: int, password: bytes = b"s3cret") -> Reached:
    (folder / "ca.pem").write_bytes(apple.simulator.authority.pem)
    write_private(folder / "password", password)
    way = ProxySettings(
        host="127.0.0.1", port=port, user="pushd", password_file=folder / "password"
    )
    return reach_thd(
        AppleSettings(production="localhost", port=apple.port, proxy=way),
        "production",
        trust_roots=read_trust_roots_thd(folder / "ca.pem"),
    )


def test_through_it(tmp_path: Path, apple: Background, proxy: Proxy) -> None:
    """The way leads through it, and TLS to the far end."""
    reached = reach(tmp_path, apple, proxy(apple.port))

    assert reached.by_proxy
    assert reached.root == "APNs simulator (trust nothing it signs)"


def test_wrong_password(tmp_path: Path, apple: Background, proxy: Proxy) -> None:
    """It is told which settings are wrong."""
    with pytest.raises(Unreached) as caught:
        reach(tmp_path, apple, proxy(apple.port), b"guess")

    assert caught.value.step == "proxy"
    assert caught.value.remedy == "check apple.proxy.user and apple.proxy.password_file"


def test_forbidden_port(tmp_path: Path, apple: Background, proxy: Proxy) -> None:
    """The proxy's administrator is told which port to allow."""
    with pytest.raises(Unreached) as caught:
        reach(tmp_path, apple, proxy(1))

    assert "403" in caught.value.why
    assert caught.value.remedy == f"let the proxy CONNECT to localhost, port {apple.port}"


def test_no_proxy(tmp_path: Path, apple: Background) -> None:
    """A proxy that is not there is not taken for Apple not being there."""
    with pytest.raises(Unreached) as caught:
        reach(tmp_path, apple, 1)

    assert caught.value.remedy == "check apple.proxy.host and apple.proxy.port"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
