"""The console behind nginx, by the configuration that docs/console.md shows."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.docs.page import blocks
from tests.interop.lab import wait_until
from tests.interop.peer import peer
from tests.netbootd.certificate import write_certificate
from tests.netbootd.console.scene import PASSWORD, Scene
from tests.netbootd.daemon import free_port
from tests.netbootd.temporary import folder

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
NAME = "netboot.example.org"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

AROUND = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {name};
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        {location}
    }}
}}
"""


@contextmanager
def nginx(directory: Path, console: str) -> Iterator[int]:
    """nginx before a console; its port."""
    (shown,) = [b for b in blocks(ROOT / "docs/console.md") if b.language == "nginx"]
    location = shown.text.replace("http://127.0.0.1:8067", console)
    assert location != shown.text
    write_certificate(directory / "certificate.pem", directory / "key.pem")
    port = free_port(socket.SOCK_STREAM)
    file = directory / "nginx.conf"
    file.write_text(AROUND.format(folder=directory, port=port, name=NAME, location=location))
    process = subprocess.Popen([peer("nginx"), "-p", str(directory), "-c", str(file)])
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


class Visitor:
    """A browser's part, by TLS, under the proxy's name."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cookie = ""

    @contextmanager
    def ask(self, method: str, path: str, **form: str) -> Iterator[http.client.HTTPResponse]:
        trusting = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, context=trusting, timeout=60
        )
        headers = {"Host": NAME, "Cookie": self.cookie, "Origin": f"https://{NAME}"}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, urlencode(form) if form else None, headers)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()


class ProxyTests(TestCase):
    timeout = 800

    def in_thread(self, work: Callable[..., T], *arguments: Any) -> Deferred[T]:
        done: Deferred[T] = deferToThread(work, *arguments)
        return done

    async def test_log_in_and_watch(self) -> None:
        """Who comes by nginx logs in, is given a cookie for TLS only, and gets each change at
        once, not when a buffer is full."""
        from twisted.internet import reactor

        peer("nginx")
        site = folder(self)
        scene = Scene(site, reactor, hosts=(NAME,))
        self.addCleanup(scene.service.stopService)
        scene.service.privilegedStartService()
        scene.service.startService()
        scene.under_way()

        def visit() -> tuple[int, str, set[str]]:
            with nginx(site, scene.url) as port:
                visitor = Visitor(port)
                with visitor.ask("POST", "/login", password=PASSWORD, next="/") as login:
                    status, cookie = login.status, login.headers["set-cookie"]
                visitor.cookie = cookie.partition(";")[0]
                line = b""
                with visitor.ask("GET", "/live?at=/") as live:
                    while not line.startswith(b"data: "):
                        line = live.readline()
                return status, cookie, set(json.loads(line[6:]))

        status, cookie, parts = await self.in_thread(visit)
        self.assertEqual(status, 303)
        self.assertTrue(cookie.startswith("__Host-"))
        self.assertTrue(cookie.endswith("Secure"))
        self.assertIn("now", parts)
