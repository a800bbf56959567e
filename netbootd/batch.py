"""Datagrams for one peer that leave in one system call.

A relay passes on what a whole building asks when it is switched on, and gets the answers back: a
hundred datagrams within a millisecond for one address. Linux takes them together (`sendmmsg`),
which saves a fifth of what a DHCPOFFER costs. Python has no such call, so it is made through
ctypes, which is not imported before there are two datagrams to send.

Not UDP segmentation (`netbootd.tftp.segment`), which would save more: a relay that reads raw frames
(ISC dhcrelay does) would find all of them in one frame where the link is virtual.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

MAX_BATCH: Final = 64
"""Datagrams sent together: what is answered in a millisecond."""
ROOM: Final = 1536
"""Bytes for each: a whole Ethernet frame, so 96 KiB in all."""

_ADDRESS: Final = struct.Struct("=H2s4s8x")
"""`struct sockaddr_in`: family; port and address as on the wire."""


class Batch:
    """Sends many datagrams through one socket. Linux only. Raises OSError or AttributeError at
    birth where the system cannot."""

    def __init__(self) -> None:
        import ctypes  # 1 MiB that a daemon without relays does without

        class Vector(ctypes.Structure):
            """`struct iovec`"""

            _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))

        class Message(ctypes.Structure):
            """`struct msghdr`"""

            _fields_ = (
                ("name", ctypes.c_void_p),
                ("name_size", ctypes.c_uint32),
                ("vectors", ctypes.c_void_p),
                ("vector_count", ctypes.c_size_t),
                ("control", ctypes.c_void_p),
                ("control_size", ctypes.c_size_t),
                ("flags", ctypes.c_int),
            )

        class Header(ctypes.Structure):
            """`struct mmsghdr`"""

            _fields_ = (("message", Message), ("sent", ctypes.c_uint))

        self._send: Any = ctypes.CDLL(None).sendmmsg
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._name: Any = ctypes.create_string_buffer(_ADDRESS.size)
        self._control: Any = ctypes.create_string_buffer(256)
        self._payloads = ctypes.create_string_buffer(MAX_BATCH * ROOM)
        self._view = memoryview(self._payloads).cast("B")
        self._headers: Any = (Header * MAX_BATCH)()
        self._header_size = ctypes.sizeof(Header)
        self._vectors: list[Any] = list((Vector * MAX_BATCH)())
        self._messages: list[Any] = [header.message for header in self._headers]
        for number, (vector, message) in enumerate(zip(self._vectors, self._messages, strict=True)):
            vector.base = ctypes.addressof(self._payloads) + number * ROOM
            message.name, message.name_size = ctypes.addressof(self._name), _ADDRESS.size
            message.vectors, message.vector_count = ctypes.addressof(vector), 1
            message.control = ctypes.addressof(self._control)
        self._first = ctypes.addressof(self._headers)

    def send(
        self,
        sock: socket.socket,
        payloads: Sequence[bytes],
        ancillary: Sequence[tuple[int, int, bytes]],
        to: tuple[str, int],
    ) -> int:
        """Send up to `MAX_BATCH` payloads of up to `ROOM` bytes; how many the system refused."""
        host, port = to
        self._name[:] = _ADDRESS.pack(
            socket.AF_INET, port.to_bytes(2, "big"), socket.inet_aton(host)
        )
        control = b"".join(map(_control, ancillary))
        self._control[: len(control)] = control
        if self._messages[0].control_size != len(control):
            for message in self._messages:
                message.control_size = len(control)
        view, start = self._view, 0
        for payload, vector in zip(payloads, self._vectors, strict=False):
            size = vector.size = len(payload)
            view[start : start + size] = payload
            start += ROOM
        at = refused = 0
        while at < len(payloads):
            where = self._first + at * self._header_size
            sent = self._send(sock.fileno(), where, len(payloads) - at, 0)
            if sent < 0:  # the first of them
                refused += 1
                sent = 1
            at += sent
        return refused


def _control(ancillary: tuple[int, int, bytes]) -> bytes:
    """One item of ancillary data as the system reads it (`struct cmsghdr`, padded)."""
    level, kind, data = ancillary
    size = socket.CMSG_LEN(len(data))
    header = struct.pack("@Nii", size, level, kind)
    return (header + data).ljust(socket.CMSG_SPACE(len(data)), b"\0")
