"""The whole daemon in a process of its own, with Apple's simulator and programs that push."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from pushd.job import ordered_id
from pushd.testing import Authority, KeyPair
from pushd.testing.background import Background

TWISTD = (str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=")
APP = "com.example.app"
PATIENCE = 60.0
"""Seconds until something that must happen counts as failed."""


def device(number: int) -> str:
    """A device token."""
    return f"{number:064x}"


def pushes(count: int, *, first: int = 0, topic: str = APP) -> list[dict[str, Any]]:
    """Pushes to as many devices, each with an id of its own."""
    random = Random(first)
    now = int(time.time() * 1000)
    return [
        {
            "id": ordered_id(now, random.getrandbits),
            "device": device(first + number),
            "topic": topic,
            "payload": {"aps": {"alert": f"push {first + number}"}},
        }
        for number in range(count)
    ]


class Site:
    """A folder with a configuration, the keys and certificates for it, and the daemon's state."""

    def __init__(self, folder: Path, apple: Background) -> None:
        self.folder = folder
        self.apple = apple
        self.settings: dict[str, str] = {
            "api": 'port = 0\ncertificate = "api.pem"\nkey = "api.key"\nanonymous = true',
            "apple": f'production = "localhost"\nport = {apple.port}\ntrust_roots = "ca.pem"\n'
            'stop_timeout = "5s"',
            "state": 'directory = "state"',
        }
        self.head = ""
        self.tail = '[[credential]]\nname = "app"\ncertificate = "app.pem"\nkey = "app.key"\n'
        self.authority: Authority = apple.run(lambda simulator: simulator.authority)
        (folder / "ca.pem").write_bytes(self.authority.pem)
        self.authority.server().write(folder / "api.pem", folder / "api.key")
        self.renew()

    def renew(self, provider: KeyPair | None = None) -> None:
        """Another push certificate in place of the one that is there."""
        pair = provider or self.authority.provider(APP)
        pair.write(self.folder / "new.pem", self.folder / "new.key")
        (self.folder / "new.key").replace(self.folder / "app.key")
        (self.folder / "new.pem").replace(self.folder / "app.pem")

    def add(self, table: str, text: str) -> None:
        """More lines for a table of the configuration."""
        self.settings[table] = f"{self.settings.get(table, '')}\n{text}"

    def write(self) -> Path:
        """The configuration as a file."""
        file = self.folder / "pushd.toml"
        tables = (f"[{table}]\n{text}\n" for table, text in self.settings.items())
        file.write_text(self.head + "\n".join(tables) + self.tail)
        return file

    @property
    def database(self) -> Path:
        return self.folder / "state/pushd.sqlite"

    @contextmanager
    def daemon(self, runner: Sequence[str] = TWISTD) -> Iterator[Daemon]:
        """It runs, and is killed at the end if the test has not ended it."""
        daemon = Daemon(self, runner)
        try:
            daemon.wait_for("is ready: ")
            yield daemon
        finally:
            daemon.kill()

    def accepted(self, ids: Iterable[str]) -> dict[str, int]:
        """How often Apple accepted each."""
        wanted = list(ids)
        return self.apple.run(
            lambda simulator: {id: simulator.record.count_of(id) for id in wanted}
        )

    def until_accepted(self, ids: Sequence[str]) -> None:
        """Wait until Apple has all of them."""
        wait_until(lambda: all(self.accepted(ids).values()))


class Daemon:
    """A process; what it says is read all the time."""

    def __init__(self, site: Site, runner: Sequence[str]) -> None:
        self.site = site
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*runner, "pushd", "--config", str(site.write())],
            cwd=site.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, text: str) -> list[str]:
        """The lines that have `text`."""
        return [line for line in list(self.lines) if text in line]

    def wait_for(self, text: str, times: int = 1) -> str:
        """The line with `text`, once it was said so often."""

        def there() -> bool:
            assert self.process.poll() is None or not self._reader.is_alive(), self.lines
            assert len(self.said(text)) >= times or self.process.poll() is None, self.lines
            return len(self.said(text)) >= times

        wait_until(there)
        return self.said(text)[-1]

    @property
    def port(self) -> int:
        """The API's."""
        line = self.wait_for("is ready: ")
        return int(line.partition(": API ")[2].split()[0])

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """kill -9."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        """End it as an operator does; its status."""
        self.signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def api(self) -> Api:
        return Api(self.port, self.site.authority.pem.decode())


class Refused(Exception):
    """The daemon would have none of it: status and body."""


class Api:
    """A program that speaks to the daemon, one connection for each request."""

    def __init__(self, port: int, authority: str) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cadata=authority)

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body. Raises OSError."""
        connection = http.client.HTTPSConnection(
            "localhost", self._port, context=self._tls, timeout=PATIENCE
        )
        try:
            said = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, said)
            answer = connection.getresponse()
            lower = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, lower, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, value: object = None) -> tuple[int, Any]:
        """Status, and what the body says."""
        body = b"" if value is None else json.dumps(value).encode()
        status, _, answer = self.ask(method, path, body, content_type="application/json")
        return status, json.loads(answer)

    def batch(self, items: Sequence[dict[str, Any]], wait: int = 0) -> list[dict[str, Any]]:
        """Hand in a batch; what became of each. Raises Refused, OSError or
        http.client.HTTPException."""
        body = b"".join(json.dumps(item).encode() + b"\n" for item in items)
        path = f"/v1/pushes?wait={wait}" if wait else "/v1/pushes"
        status, _, answer = self.ask("POST", path, body, content_type="application/x-ndjson")
        if status not in (200, 202):
            raise Refused(status, answer)
        return [json.loads(line) for line in answer.splitlines()]


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Look again and again."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
