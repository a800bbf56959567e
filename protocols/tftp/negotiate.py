"""What a read request asks for, and what it gets: RFC 2347, 2348 (blksize), 2349 (timeout, tsize),
7440 (windowsize).

Options that we do not know, cannot read or find out of range are ignored, never refused: a client
sends `timeout 3000` beside good ones (npm tftp) and still wants its file. Only what is accepted is
acknowledged; where nothing is, there is no OACK and DATA 1 follows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.errors import DecodeError
from protocols.tftp.packet import Options

DEFAULT_BLOCK_SIZE: Final = 512
DEFAULT_WINDOW_SIZE: Final = 1
BLOCK_SIZES: Final = range(8, 65464 + 1)
WINDOW_SIZES: Final = range(1, 65535 + 1)
MAX_WINDOW: Final = 32767
"""Granted at most: a new ACK is told from a stale one by being less than half of 65,536 ahead."""
TIMEOUTS: Final = range(1, 255 + 1)
"""Seconds."""
MAX_DIGITS: Final = 20
"""A 64-bit size is 19 digits long; longer values are not read as numbers."""

BLKSIZE: Final = b"blksize"
TSIZE: Final = b"tsize"
TIMEOUT: Final = b"timeout"
WINDOWSIZE: Final = b"windowsize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server grants at most."""

    block_size: int = 1468
    """An Ethernet frame less IPv4, UDP and TFTP headers (1500 - 20 - 8 - 4). Real Macs ask for 8192
    and then hang on the fragments (facts of the field: ursecta.com 2011, NetSUS issue 86)."""
    window_size: int = 64
    """A burst of 64 x 1,472 bytes fits a default receive buffer of 212,992 bytes."""

    def __post_init__(self) -> None:
        if self.block_size not in BLOCK_SIZES:
            raise ValueError(f"block size {self.block_size} is not within 8 to 65464")
        if self.window_size not in WINDOW_SIZES:
            raise ValueError(f"window size {self.window_size} is not within 1 to 65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How one transfer is to go."""

    block_size: int = DEFAULT_BLOCK_SIZE
    window_size: int = DEFAULT_WINDOW_SIZE
    timeout: int | None = None
    """Seconds before a retransmission; None: adapt to the peer."""
    size_asked: bool = False
    """The client wants to know the file's size, perhaps only that."""
    size: int | None = None
    """What the peer says of it; a client's view."""
    accepted: Options = ()
    """What an OACK says, in the request's order and spelling; none: no OACK."""


def negotiate(options: Options, *, size: int | None, limits: Limits) -> Terms:
    """The server's side. `size` is that of the transfer, or None where it is not known before."""
    found: dict[bytes, int] = {}
    accepted = []
    grants = _grants(size, limits)
    for spelt, value in options:
        name = spelt.lower()
        grant = grants.get(name)
        # "An option may only be specified once" (RFC 2347): the first one counts.
        if grant is None or name in found:
            continue
        number = read_number(value)
        granted = None if number is None else grant(number)
        if granted is not None:
            found[name] = granted
            accepted.append((spelt, b"%d" % granted))
    return Terms(
        block_size=found.get(BLKSIZE, DEFAULT_BLOCK_SIZE),
        window_size=found.get(WINDOWSIZE, DEFAULT_WINDOW_SIZE),
        timeout=found.get(TIMEOUT),
        size_asked=TSIZE in found,
        size=found.get(TSIZE),
        accepted=tuple(accepted),
    )


def agree(requested: Options, answered: Options) -> Terms:
    """The client's side: what an OACK settles. Raises `DecodeError` for an answer that may not
    be given (an option not asked for, a larger value, another timeout); it deserves an ERROR 8.
    """
    asked = {name.lower(): read_number(value) for name, value in requested}
    found: dict[bytes, int] = {}
    for spelt, value in answered:
        name, number = spelt.lower(), read_number(value)
        wish = asked.get(name)
        if name not in _ANSWERS or wish is None or number is None or name in found:
            raise DecodeError("TFTP OACK", 0, f"{spelt!r}={value!r} answers nothing that was asked")
        if not _ANSWERS[name](wish, number):
            raise DecodeError("TFTP OACK", 0, f"{spelt!r}={number} where {wish} was asked for")
        found[name] = number
    return Terms(
        block_size=found.get(BLKSIZE, DEFAULT_BLOCK_SIZE),
        window_size=found.get(WINDOWSIZE, DEFAULT_WINDOW_SIZE),
        timeout=found.get(TIMEOUT),
        size_asked=TSIZE in asked,
        size=found.get(TSIZE),
        accepted=answered,
    )


def read_number(value: bytes) -> int | None:
    """Decimal ASCII digits, as RFC 2347 writes numbers; None for anything else."""
    if not value.isdigit() or len(value) > MAX_DIGITS:
        return None
    return int(value)


def _grants(size: int | None, limits: Limits) -> dict[bytes, Callable[[int], int | None]]:
    """For each option, the value granted for the one asked; None: ignore the option."""
    window = min(limits.window_size, MAX_WINDOW)
    return {
        BLKSIZE: lambda asked: min(asked, limits.block_size) if asked in BLOCK_SIZES else None,
        TSIZE: lambda asked: size,
        TIMEOUT: lambda asked: asked if asked in TIMEOUTS else None,
        WINDOWSIZE: lambda asked: min(asked, window) if asked in WINDOW_SIZES else None,
    }


_ANSWERS: Final[dict[bytes, Callable[[int, int], bool]]] = {
    BLKSIZE: lambda wish, answer: BLOCK_SIZES.start <= answer <= wish,
    TSIZE: lambda wish, answer: True,
    TIMEOUT: lambda wish, answer: answer == wish,
    WINDOWSIZE: lambda wish, answer: 1 <= answer <= wish,
}
