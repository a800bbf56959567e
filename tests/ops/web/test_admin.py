"""The admin API: who reaches it, what is asked and answered, what it bears."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest

from ops.cli import Failed
from ops.start import StartError
from ops.web import http as http_module
from ops.web import stream
from ops.web.settings import AdminSettings
from tests.interop.peer import required
from tests.ops.web.served import AdminTestCase


def curl(*arguments: str) -> tuple[int, Any]:
    """Status, and the body decoded."""
    command = shutil.which("curl")
    if command is None:
        assert not required()
        raise SkipTest("curl is not installed: apt-get install curl")
    done = subprocess.run(
        [command, "--silent", "--max-time", "60", "--write-out", "\n%{http_code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


def ask(path: Path, data: bytes) -> bytes:
    """All that comes back on a connection, until the other side closes it."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        sock.sendall(data)
        received = b""
        try:
            while more := sock.recv(65536):
                received += more
        except ConnectionResetError:
            pass
        return received


class AskTests(AdminTestCase):
    async def test_curl(self) -> None:
        """curl reads what is there, has something done, and is told what is wrong."""
        self.started()
        unix = ("--unix-socket", str(self.socket))

        read = await self.in_thread(curl, *unix, "http://localhost/v1/things/a%20b?x=1")
        done = await self.in_thread(curl, *unix, "-d", '{"a": 1}', "http://localhost/v1/things")
        wrong = await self.in_thread(curl, *unix, "-d", '{"a": "b"}', "http://localhost/v1/things")
        nowhere = await self.in_thread(curl, *unix, "http://localhost/v2")
        method = await self.in_thread(curl, *unix, "-X", "PUT", "http://localhost/v1/things")

        self.assertEqual(read[0], 200)
        self.assertEqual(read[1][:2], ["a b", {"x": "1"}])
        if sys.platform == "linux":
            self.assertEqual(read[1][2], "user root" if os.geteuid() == 0 else read[1][2])
        self.assertEqual(done, (201, {"a": 1}))
        self.assertEqual(wrong[0], 400)
        self.assertIn("$[...]", wrong[1]["remedy"])
        self.assertEqual(nowhere, (404, {"error": "there is nothing of that name", "remedy": ""}))
        self.assertEqual(method[0], 405)

    async def test_the_client_of_commands(self) -> None:
        """An answer is a value; a refusal is one line with the remedy; a bug is told as such and
        logged."""
        self.started()
        client = self.client()

        self.assertEqual(await self.in_thread(client.get, "/v1/later"), {"later": True})
        self.assertEqual(await self.in_thread(client.post, "/v1/things", {"a": 2}), {"a": 2})
        refused = await self.assertFailure(self.in_thread(client.delete, "/v1/things/x"), Failed)
        broken = await self.assertFailure(self.in_thread(client.get, "/v1/fail"), Failed)

        self.assertEqual(str(refused), "it is asleep; wake it")
        self.assertEqual(str(broken), "that went wrong; the daemon's log says why")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_events(self) -> None:
        """Events come line by line; with the reader goes its subscription."""
        self.started()
        events = self.client().events("/v1/events")
        first = self.in_thread(next, events)
        await self.subscribers.came

        (tell,) = self.subscribers.tellers
        tell({"n": 1})

        self.assertEqual(await first, {"n": 1})
        await self.in_thread(events.close)
        await self.subscribers.left

    async def test_events_end_with_the_daemon(self) -> None:
        """A reader hears of the end; the daemon does not wait for it."""
        service = self.started()
        events = self.client().events("/v1/events")
        first = self.in_thread(lambda: list(events))
        await self.subscribers.came

        await service.stopService()

        self.assertEqual(await first, [])

    async def test_nobody_there(self) -> None:
        """Without a daemon a command says so, and what to do."""
        self.settings = AdminSettings()

        failed = await self.assertFailure(self.in_thread(self.client().get, "/v1/later"), Failed)

        self.assertIn("netbootd does not run", str(failed))
        self.assertIn("--config", str(failed))

    def test_switched_off(self) -> None:
        """Where the settings have no admin API, a command names the setting."""
        self.settings = AdminSettings(enabled=False)

        with pytest.raises(Failed, match=r"admin\.enabled"):
            self.client()


class SocketTests(AdminTestCase):
    async def test_the_socket(self) -> None:
        """It is for user and group; it goes with the daemon, which may start again."""
        service = self.started()
        self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o660)

        await service.stopService()
        self.assertFalse(self.socket.exists())
        service.startService()

        self.assertEqual(await self.in_thread(self.client().get, "/v1/later"), {"later": True})

    async def test_a_killed_daemon(self) -> None:
        """What a daemon that was killed has left is replaced: a socket, a token."""
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.socket))
        (self.folder / "admin.json").write_text('{"port": 1, "token": "x"}')

        self.started()

        self.assertEqual(await self.in_thread(self.client().get, "/v1/later"), {"later": True})

    def test_another_file(self) -> None:
        """A file that is no socket is never removed: a path that is set stops the start."""
        file = self.folder / "precious"
        file.write_text("data")

        with pytest.raises(StartError, match=r"another file is there; set admin\.socket"):
            self.started(AdminSettings(socket=file))

        self.assertEqual(file.read_text(), "data")

    async def test_a_long_path(self) -> None:
        """In a folder whose path no socket may have, it is on loopback, for those who may read its
        token."""
        told: list[str] = []
        observer = lambda event: told.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.folder = self.folder / ("d" * 120)
        self.folder.mkdir()

        self.started()

        known = self.folder / "admin.json"
        self.assertEqual(stat.S_IMODE(known.stat().st_mode), 0o600)
        self.assertEqual(await self.in_thread(self.client().get, "/v1/later"), {"later": True})
        self.assertTrue(any("served on 127.0.0.1 instead" in line for line in told))


class LoopbackTests(AdminTestCase):
    async def test_the_token(self) -> None:
        """Nobody gets in without the token; it goes with the daemon."""
        service = self.started(AdminSettings(loopback=True))
        known = json.loads((self.folder / "admin.json").read_text())
        url = f"http://127.0.0.1:{known['port']}/v1/later"

        without = await self.in_thread(curl, url)
        wrong = await self.in_thread(curl, "-H", "authorization: Bearer x", url)
        right = await self.in_thread(curl, "-H", f"authorization: Bearer {known['token']}", url)

        self.assertEqual((without[0], wrong[0], right), (401, 401, (200, {"later": True})))
        await service.stopService()
        self.assertFalse((self.folder / "admin.json").exists())

    async def test_a_web_page(self) -> None:
        """A page that a browser on this computer shows is refused, whatever else it sends."""
        self.started(AdminSettings(loopback=True))
        known = json.loads((self.folder / "admin.json").read_text())
        url = f"http://127.0.0.1:{known['port']}/v1/later"

        status, _ = await self.in_thread(
            curl,
            "-H",
            "origin: http://evil.example",
            "-H",
            f"authorization: Bearer {known['token']}",
            url,
        )

        self.assertEqual(status, 403)


class BoundTests(AdminTestCase):
    async def test_a_large_request(self) -> None:
        """A body beyond the bound is refused, however its length is told."""
        self.patch(http_module, "MAX_BODY", 10)
        self.started()
        head = b"POST /v1/things HTTP/1.1\r\nHost: x\r\n"

        told = await self.in_thread(ask, self.socket, head + b"Content-Length: 11\r\n\r\n")
        chunked = await self.in_thread(
            ask,
            self.socket,
            head + b"Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
        )

        self.assertTrue(told.startswith(b"HTTP/1.1 413 "), told)
        self.assertTrue(chunked.startswith(b"HTTP/1.1 413 "), chunked)
        self.assertEqual((told + chunked).count(b"HTTP/1.1"), 2)

    async def test_a_slow_request(self) -> None:
        """A request that does not arrive in time is cut off, though bytes come."""
        self.patch(http_module, "REQUEST_TIME", 0.05)
        self.started()

        answer = await self.in_thread(ask, self.socket, b"GET /v1/later HTTP/1.1\r\nHost:")

        self.assertEqual(answer, b"")

    async def test_many_connections(self) -> None:
        """One too many is closed; when one has gone there is room."""
        self.patch(http_module, "MAX_CONNECTIONS", 1)
        self.started()
        events = self.client().events("/v1/events")
        first = self.in_thread(next, events)
        await self.subscribers.came

        failed = self.in_thread(self.client().get, "/v1/later")

        await self.assertFailure(failed, Failed)
        self.subscribers.tellers[0]({})
        await first
        await self.in_thread(events.close)
        await self.subscribers.left
        self.assertEqual(await self.in_thread(self.client().get, "/v1/later"), {"later": True})

    async def test_a_slow_reader(self) -> None:
        """Who does not read its events is dropped, and finds that as the last line."""
        self.patch(stream, "MAX_WAITING", 100_000)
        self.started()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.socket))
            sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await self.subscribers.came
            (tell,) = self.subscribers.tellers
            event = {"text": "x" * 1000}
            for _ in range(10_000):
                tell(event)
                if self.subscribers.left.called:
                    break
                turned: Deferred[None] = Deferred()
                self.reactor.callLater(0, turned.callback, None)
                await turned

            await self.subscribers.left
            received = await self.in_thread(_rest, sock)

        lines = [line for line in received.split(b"\r\n") if line.startswith(b"{")]
        self.assertEqual(json.loads(lines[-1])["event"], "dropped")
        self.assertEqual(json.loads(lines[0]), event)


def _rest(sock: socket.socket) -> bytes:
    sock.settimeout(60)
    received = b""
    while more := sock.recv(1 << 16):
        received += more
    return received


@pytest.mark.parametrize("daemon", ["netbootd", "pushd"])
def test_an_idle_daemon_has_no_web_server(daemon: str) -> None:
    """Twisted's web server, and what only handlers need, is not imported by a start."""
    code = (
        f"import sys, {daemon}.tap;"
        "print([n for n in sys.modules if n in ('twisted.web.http', 'click')"
        f" or n.startswith('{daemon}.admin')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
