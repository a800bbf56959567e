"""Blocking clients for threads, so that a test can be its own reactor's client."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from tests.netbootd.http.site import IMAGE, Answer

TIMEOUT = 20.0
"""Far above what anything here takes."""


def connect(address: tuple[str, int], *, receive_buffer: int = 0) -> socket.socket:
    """A connection; a small `receive_buffer` has the server wait for us."""
    sock = socket.socket()
    sock.settimeout(TIMEOUT)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def get(*fields: str, target: bytes = IMAGE, method: bytes = b"GET") -> bytes:
    """A request."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: boot"]
    return b"\r\n".join([*lines, *(field.encode() for field in fields), b"", b""])


def read_head(sock: socket.socket) -> bytes:
    """Up to and with the empty line."""
    wire = b""
    while not wire.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, wire
        wire += byte
    return wire


def read_exactly(sock: socket.socket, count: int) -> bytes:
    wire = bytearray()
    while len(wire) < count:
        piece = sock.recv(min(count - len(wire), 1 << 16))
        assert piece, f"{len(wire)} of {count} bytes"
        wire += piece
    return bytes(wire)


def read_to_end(sock: socket.socket) -> bytes:
    """Everything up to the server's end of the connection."""
    wire = bytearray()
    while piece := sock.recv(1 << 16):
        wire += piece
    return bytes(wire)


def read_answer(sock: socket.socket) -> Answer:
    """One response that is not to HEAD."""
    head = read_head(sock)
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    return Answer(head + read_exactly(sock, length))


def ask(address: tuple[str, int], requests: Iterable[bytes]) -> list[Answer]:
    """The answers to requests made one after another on one connection."""
    with connect(address) as sock:
        found = []
        for request in requests:
            sock.sendall(request)
            found.append(read_answer(sock))
        return found
