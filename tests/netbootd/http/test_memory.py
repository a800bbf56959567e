"""Memory of the server's process, which neither big files nor many clients may drive up."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.images.folder import make_folder
from tests.netbootd.http.client import ask, connect, get, read_exactly, read_head

REPOSITORY = Path(__file__).parents[3]
MIB = 1 << 20
SIZE = 6 << 30
CLIENTS = 200
ALLOWED = 12 * MIB
"""For 200 connections: 60 KiB each, of Python objects and what malloc keeps; not of file content,
since one send of 256 KiB each would make 50 MiB."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[psutil.Process, tuple[str, int]]]:
    """A process that serves an image of 6 GiB, all of it a hole but for its last four bytes."""
    bundle = make_folder(tmp_path)
    with (bundle / "NetInstall.dmg").open("r+b") as image:
        os.truncate(image.fileno(), 0)
        os.truncate(image.fileno(), SIZE)
        image.seek(-4, os.SEEK_END)
        image.write(b"koly")
    command = [sys.executable, "-m", "tests.netbootd.http.process", str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield psutil.Process(process.pid), ("127.0.0.1", port)
        finally:
            process.terminate()


def test_memory(server: tuple[psutil.Process, tuple[str, int]]) -> None:
    """200 clients in the middle of a file of 6 GiB cost little more memory than one of 4 bytes."""
    process, address = server
    last = get(f"Range: bytes={SIZE - 4}-{SIZE - 1}")
    assert ask(address, [last])[0].body == b"koly"
    before = process.memory_info().rss

    with contextlib.ExitStack() as clients:
        for _ in range(CLIENTS):
            sock = clients.enter_context(connect(address, receive_buffer=65536))
            sock.sendall(get())
            read_head(sock)
            assert read_exactly(sock, MIB) == bytes(MIB)
        during = process.memory_info().rss

    assert during - before < ALLOWED
    assert ask(address, [last])[0].body == b"koly"
