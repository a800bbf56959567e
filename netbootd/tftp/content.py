"""The blocks of an open file, ready for the wire: each with its header before it in one buffer.

An octet file is read ahead into a buffer that already holds the headers (`os.preadv` leaves the
gaps), so that a block costs a sixteenth of a system call and no copy in Python, and a run of blocks
lies in one piece, as the kernel wants it to cut it into datagrams (`netbootd.tftp.segment`).

    | 3 | n | block n ... | 3 | n+1 | block n+1 ... | 3 | n+2 | the last, short |

Reading blocks the reactor for as long as the disk takes. Boot files are small, are read by many
machines at once and stay in the page cache; the kernel is asked to fetch them ahead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from protocols.tftp.formats import DATA
from protocols.tftp.netascii import TextBlocks
from protocols.tftp.packet import HEAD, MAX_BLOCK

MAX_RUN_BYTES = 65_507
"""Longest UDP payload over IPv4 (65,535 - 20 - 8): a run may not exceed it."""
MAX_RUN_BLOCKS = 64
"""UDP_MAX_SEGMENTS of Linux, before it became 128."""
READ_AHEAD = 16
"""Blocks read at once in lock-step: 23 KiB a transfer, 12 MiB for 500 of them."""
TEXT_READ = 16_384
"""Bytes of a text file converted at once."""
FETCH_AHEAD = 1 << 20
"""Bytes that the kernel is asked to have ready when a transfer starts."""


class Unreadable(Exception):
    """The file cannot be read on; or it has become shorter, and what we sent of it is no file."""


class Content(Protocol):
    """What a transfer sends."""

    @property
    def last_block(self) -> int | None:
        """Number of the short block that ends it; None where that is not known beforehand."""

    def datagram(self, block: int) -> memoryview | bytes:
        """One block with its header, valid until the next call. Raises `Unreadable`."""


class OctetContent:
    """A file byte for byte."""

    def __init__(self, fd: int, size: int, block_size: int, window_size: int) -> None:
        self.last_block = size // block_size + 1
        self._fd = fd
        self._size = size
        self._block_size = block_size
        self._stride = stride = HEAD.size + block_size
        self._room = room = _room(stride, window_size)
        self._buffer = bytearray(room * stride)
        self._view = view = memoryview(self._buffer)
        self._datagrams = [view[at : at + stride] for at in range(0, room * stride, stride)]
        self._bodies = [datagram[HEAD.size :] for datagram in self._datagrams]
        self._first = 1
        """The block at the start of the buffer."""
        self._held = 0
        """Blocks in the buffer."""
        self._used = 0
        """Bytes in the buffer."""
        _fetch_ahead(fd)

    def datagram(self, block: int) -> memoryview:
        at = block - self._first
        if not 0 <= at < self._held:
            self._read(block)
            at = 0
        if block == self.last_block:
            return self._view[at * self._stride : self._used]
        return self._datagrams[at]

    def run(self, first: int, count: int) -> memoryview:
        """At least one and at most `count` blocks in one piece, valid until the next call. Raises
        `Unreadable`."""
        at = first - self._first
        if not 0 <= at < self._held:
            self._read(first)
            at = 0
        beyond = min((at + count) * self._stride, self._used)
        return self._view[at * self._stride : beyond]

    def _read(self, first: int) -> None:
        """Fill the buffer with the blocks from `first` on."""
        start = (first - 1) * self._block_size
        wanted = min(self._room * self._block_size, self._size - start)
        held = min(self._room, wanted // self._block_size + 1)
        self._held = 0  # whatever happens below, the old blocks are gone
        try:
            got = read_at(self._fd, self._bodies[:held], start)
        except OSError as error:
            raise Unreadable(error.strerror) from error
        if got < wanted:
            raise Unreadable("the file has become shorter")
        buffer, stride = self._buffer, self._stride
        for at in range(held):
            HEAD.pack_into(buffer, at * stride, DATA, first + at & MAX_BLOCK)
        self._first = first
        self._held = held
        self._used = wanted + held * HEAD.size


class NetasciiContent:
    """A text file, converted on its way. Firmware never asks for it; people with `tftp` do."""

    last_block = None

    def __init__(self, fd: int, block_size: int, window_size: int) -> None:
        self._fd = fd
        self._window_size = window_size
        self._blocks = TextBlocks(block_size)
        self._buffer = bytearray(TEXT_READ)
        self._offset = 0

    def datagram(self, block: int) -> bytes:
        while self._blocks.wants(block):
            try:
                got = read_at(self._fd, [self._buffer], self._offset)
            except OSError as error:
                raise Unreadable(error.strerror) from error
            self._offset += got
            self._blocks.feed(bytes(self._buffer[:got]))
        # Whoever gets this block has acknowledged what lies a window before it.
        self._blocks.release(block - self._window_size + 1)
        return HEAD.pack(DATA, block & MAX_BLOCK) + self._blocks.take(block)


def _room(stride: int, window_size: int) -> int:
    """Blocks in the buffer: whole windows, as many as a run may have or as reading ahead wants."""
    windows = max(1, READ_AHEAD // window_size)
    return min(MAX_RUN_BLOCKS, MAX_RUN_BYTES // stride, windows * window_size)


def _seek_and_read(fd: int, buffers: Sequence[memoryview | bytearray], offset: int) -> int:
    """`os.preadv` where there is none; the descriptor is the transfer's own."""
    os.lseek(fd, offset, os.SEEK_SET)
    total = 0
    for buffer in buffers:
        data = os.read(fd, len(buffer))
        buffer[: len(data)] = data
        total += len(data)
        if len(data) < len(buffer):
            break
    return total


read_at: Callable[[int, Sequence[memoryview | bytearray], int], int] = getattr(
    os, "preadv", _seek_and_read
)


def _fetch_ahead(fd: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        os.posix_fadvise(fd, 0, FETCH_AHEAD, os.POSIX_FADV_WILLNEED)
