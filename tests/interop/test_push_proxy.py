"""Tinyproxy on our way to Apple: a CONNECT proxy as Debian packages it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from protocols.apns.event import Answered
from pushd.dial import ConnectFailed
from pushd.settings import ProxySettings
from pushd.testing.authority import write_private
from tests.interop.peer import peer
from tests.pushd.apple import AppleCase, Recorder, until, wake

pytestmark = pytest.mark.interop

CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 20
Allow 127.0.0.1
BasicAuth pushd {password}
ConnectPort {allowed}
"""


class TinyproxyTests(AppleCase):
    """A proxy that asks who we are, and lets us reach one port."""

    timeout = 30

    async def setUp(self) -> None:
        await super().setUp()
        self.password = self.folder / "proxy.password"
        write_private(self.password, b"s3cret\n")

    async def test_tunnel(self) -> None:
        """Pushes go through it, on a connection whose TLS it does not see."""
        port = await self.proxy(self.simulator.port)
        owner = Recorder()

        connection = await self.line(proxy=self.through(port))(owner)
        connection.send("key", wake(1), connection.used_at)
        connection.flush()
        await until(lambda: owner.of(Answered))

        assert self.simulator.statistics.accepted == 1
        connection.drain()
        connection.flush()
        await until(lambda: owner.why)

    async def test_wrong_password(self) -> None:
        """It answers 401 to a wrong password, where RFC 9110 has 407; we say what to check."""
        port = await self.proxy(self.simulator.port)
        write_private(self.password, b"guess\n")

        why = await self.refused(port)

        assert "check proxy.user and proxy.password_file" in why

    async def test_forbidden_port(self) -> None:
        """It answers 403 for a port that it does not let us reach."""
        port = await self.proxy(1)

        assert "the proxy answered 403" in await self.refused(port)

    async def test_server_away(self) -> None:
        """It says that the server is not there."""
        port = await self.proxy(self.simulator.port)
        line = self.line(proxy=self.through(port))
        await self.simulator.stop()

        with pytest.raises(ConnectFailed) as caught:
            await line(Recorder())

        assert "the proxy answered 500" in str(caught.value)

    def through(self, port: int) -> ProxySettings:
        return ProxySettings(host="127.0.0.1", port=port, user="pushd", password_file=self.password)

    async def refused(self, port: int) -> str:
        with pytest.raises(ConnectFailed) as caught:
            await self.line(proxy=self.through(port))(Recorder())
        return str(caught.value)

    async def proxy(self, allowed: int) -> int:
        """Run it until the test is over; its port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        path = Path(self.folder / "tinyproxy.conf").absolute()
        path.write_text(CONFIGURATION.format(port=port, password="s3cret", allowed=allowed))
        process = subprocess.Popen(
            [peer("tinyproxy"), "-d", "-c", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(_end, process)
        while not _listens(port):
            assert process.poll() is None, "tinyproxy does not start"
            await _pause()
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _pause() -> Deferred[Any]:
    return deferLater(reactor, 0.02)  # type: ignore[arg-type]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
