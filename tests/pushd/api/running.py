"""The API in a process of its own (`tests.pushd.api.process`), as programs meet it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.peer import peer
from tests.pushd.api.authority import Authority

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE = 60
"""Seconds for a client to do its work on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Curl:
    """What curl printed."""

    status: int
    version: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Running:
    """Where it listens, and what it was given."""

    port: int
    folder: Path
    authority: Authority

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """A program that has to succeed; what it printed."""
        done = subprocess.run(
            [peer(command[0]), *command[1:]],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=cwd,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def curl(self, path: str, *options: str, input: bytes | None = None) -> Curl:
        """One request by curl, which trusts the server's authority."""
        done = subprocess.run(
            [
                *(
                    peer("curl"),
                    "--silent",
                    "--show-error",
                    "--include",
                    "--max-time",
                    str(PATIENCE),
                ),
                *("--cacert", str(self.folder / "authority.pem"), *options, self.url + path),
            ],
            input=input,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        version, status = first.split(" ")[:2]
        headers = dict(line.split(": ", 1) for line in lines)
        return Curl(status=int(status), version=version, headers=headers, body=body)


@contextmanager
def running(folder: Path, *, clients: str = "", arguments: Sequence[str] = ()) -> Iterator[Running]:
    """Start it. Without `clients`, the text of a clients file, everybody is let in."""
    authority = Authority()
    authority.write(folder / "authority.pem")
    authority.server().write(folder)
    if clients:
        (folder / "clients.toml").write_text(clients)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.pushd.api.process", folder, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate()[1])
        yield Running(port=int(line), folder=folder, authority=authority)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors
