"""Ports that were bound before the daemon: systemd's own tool binds them, waits for the first
request, and hands them over with the start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.lab import wait_until
from tests.interop.peer import peer
from tests.netbootd.daemon import free_port

pytestmark = pytest.mark.interop

PATIENCE = 60.0
TWISTD = str(Path(sys.executable).with_name("twistd"))
READ_REQUEST = b"\x00\x01NetBoot/NetBootSP0/Absent.nbi/booter\x00octet\x00"
NO_FILE = b"\x00\x05\x00\x01"
CONFIG = """\
network.addresses = ["127.0.0.0/8"]
bsdp.enabled = false
tftp.port = {tftp}
http.port = {http}
state.directory = "state"
"""


@contextmanager
def activated(folder: Path, *options: str) -> Iterator[Path]:
    """`systemd-socket-activate` with netbootd as what it starts; gives the file of its output."""
    (folder / "images").mkdir()
    daemon = [TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", "netbootd.toml"]
    output = folder / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [peer("systemd-socket-activate"), "--setenv=PATH", *options, *daemon],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ,
        )
    try:
        wait_until(
            lambda: output.read_text().count("Listening on") == options.count("-l"), PATIENCE
        )
        yield output
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def test_the_datagram_that_starts_the_daemon_is_answered(tmp_path: Path) -> None:
    """TFTP, on a socket that systemd bound and a client wrote to before there was a daemon."""
    tftp, http = free_port(), free_port(socket.SOCK_STREAM)
    (tmp_path / "netbootd.toml").write_text(CONFIG.format(tftp=tftp, http=http))

    with (
        activated(tmp_path, "--datagram", "-l", f"127.0.0.1:{tftp}") as output,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(PATIENCE)
        client.sendto(READ_REQUEST, ("127.0.0.1", tftp))
        answer, server = client.recvfrom(2048)

        assert answer.startswith(NO_FILE), output.read_text()
        assert server == ("127.0.0.1", tftp)


def test_the_connection_that_starts_the_daemon_is_answered(tmp_path: Path) -> None:
    """HTTP on a socket for all addresses, and a socket that nothing serves, which is named."""
    tftp, http, other = free_port(), free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    (tmp_path / "netbootd.toml").write_text(CONFIG.format(tftp=tftp, http=http))
    places = ["-l", f"0.0.0.0:{http}", "-l", f"127.0.0.1:{other}", "--fdname=web:spare"]

    with activated(tmp_path, *places) as output:
        with socket.create_connection(("127.0.0.1", http), PATIENCE) as client:
            client.settimeout(PATIENCE)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = client.recv(4096)

        assert answer.startswith(b"HTTP/1.1 404 "), output.read_text()
        unused = rf"systemd handed over \S+ \(TCP 127\.0\.0\.1:{other}\), and nothing"
        assert re.search(unused, output.read_text())


def test_an_address_that_is_not_served_is_turned_away(tmp_path: Path) -> None:
    """A socket for all addresses does not widen what is served: on another of this computer's
    addresses the connection is closed without a word."""
    tftp, http = free_port(), free_port(socket.SOCK_STREAM)
    (tmp_path / "netbootd.toml").write_text(CONFIG.format(tftp=tftp, http=http))

    with activated(tmp_path, "-l", f"0.0.0.0:{http}") as output:
        with socket.create_connection(("127.0.0.2", http), PATIENCE) as client:
            client.settimeout(PATIENCE)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                answer = client.recv(4096)
            except ConnectionResetError:
                answer = b""
        wait_until(lambda: "is ready" in output.read_text(), PATIENCE)

        assert answer == b""
