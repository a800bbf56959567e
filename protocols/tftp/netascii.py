r"""Netascii (RFC 764, as RFC 1350 uses it): text with CR LF line ends, and CR NUL for a bare CR.

    in the file        on the wire
    LF                 CR LF
    CR                 CR NUL
    any other byte     itself

What a file grows to is not known before all of it was read, so a block of the transfer has no
fixed place in the file: `TextBlocks` converts as it goes and keeps the blocks that may be asked for
again. For the same reason a server does not acknowledge `tsize` for netascii.
"""

from __future__ import annotations

from collections import deque

from protocols.errors import StateError

CR = b"\r"
LF = b"\n"


def to_wire(text: bytes) -> bytes:
    """Convert bytes of a file. Each byte stands for itself, so any cut of the file will do."""
    return text.replace(CR, b"\r\0").replace(LF, b"\r\n")


class FromWire:
    """Converts back to a file's bytes; a CR may end one block and its LF begin the next.

    A CR before anything but LF or NUL breaks the rule; it is kept as it came.
    """

    def __init__(self) -> None:
        self._held_cr = False

    def feed(self, block: bytes) -> bytes:
        if self._held_cr:
            block = CR + block
        self._held_cr = block.endswith(CR)
        if self._held_cr:
            block = block[:-1]
        return _unescape(block)

    def finish(self) -> bytes:
        """What was held back for a byte that never came."""
        rest, self._held_cr = (CR if self._held_cr else b""), False
        return rest


def _unescape(text: bytes) -> bytes:
    """Left to right, so that the second CR of CR CR LF is the one that pairs with the LF."""
    first, *rest = text.split(CR)
    out = [first]
    for part in rest:
        if part[:1] == LF:
            out.append(part)
        elif part[:1] == b"\0":
            out.append(CR + part[1:])
        else:
            out.append(CR + part)
    return b"".join(out)


class TextBlocks:
    """Cuts converted text into the blocks of a transfer, and keeps those not yet acknowledged.

    Whoever reads the file calls `feed` while `wants(block)`, then `take(block)`; it holds no more
    than the window and one feed.
    """

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self._first = 1
        """Number of the first block in `_blocks`."""
        self._blocks: deque[bytes] = deque()
        self._rest = bytearray()
        self._ended = False

    def wants(self, block: int) -> bool:
        """Whether more of the file is needed before `block` can be taken."""
        return not self._ended and block >= self._first + len(self._blocks)

    def feed(self, text: bytes) -> None:
        """The next bytes of the file; none at its end."""
        if self._ended:
            raise StateError("fed after the end of the file")
        self._rest += to_wire(text)
        size = self._block_size
        whole = len(self._rest) // size * size
        for at in range(0, whole, size):
            self._blocks.append(bytes(self._rest[at : at + size]))
        del self._rest[:whole]
        if not text:
            self._blocks.append(bytes(self._rest))
            self._rest.clear()
            self._ended = True

    def take(self, block: int) -> bytes:
        """A block by number, from 1. `StateError`: it was released, or lies past the last one."""
        at = block - self._first
        if not 0 <= at < len(self._blocks):
            raise StateError(f"block {block} is not at hand")
        return self._blocks[at]

    def release(self, block: int) -> None:
        """Forget all before `block`."""
        while self._first < block and self._blocks:
            self._blocks.popleft()
            self._first += 1
