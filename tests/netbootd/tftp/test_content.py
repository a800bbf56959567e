"""The blocks of a file, whole and in runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.tftp import content
from netbootd.tftp.content import (
    MAX_RUN_BYTES,
    NetasciiContent,
    OctetContent,
    Unreadable,
)
from protocols.tftp.packet import Data, decode

DATA = Random(2).randbytes(70_000)


@pytest.fixture(scope="module")
def fd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("content") / "file"
    path.write_bytes(DATA)
    opened = os.open(path, os.O_RDONLY)
    yield opened
    os.close(opened)


def expected(block: int, block_size: int, size: int = len(DATA)) -> Data:
    return Data(
        block=block & 0xFFFF, data=DATA[:size][(block - 1) * block_size : block * block_size]
    )


@given(
    block_size=st.sampled_from([8, 100, 512, 1000, 1468, 65464]),
    window=st.integers(1, 80),
    wishes=st.lists(st.floats(0, 1), max_size=12),
)
def test_any_order(fd: int, block_size: int, window: int, wishes: list[float]) -> None:
    """Whatever blocks are asked for, and in what order, each is what stands there in the file."""
    made = OctetContent(fd, len(DATA), block_size, window)

    for wish in wishes:
        block = 1 + round(wish * (made.last_block - 1))
        assert decode(bytes(made.datagram(block))) == expected(block, block_size)
        run = bytes(made.run(block, min(window, made.last_block - block + 1)))
        assert 0 < len(run) <= MAX_RUN_BYTES
        for at in range(0, len(run), block_size + 4):
            piece = decode(run[at : at + block_size + 4])
            assert piece == expected(block + at // (block_size + 4), block_size)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024])
def test_last_block(fd: int, size: int) -> None:
    """The last block is short, and empty where the file fills the one before it."""
    made = OctetContent(fd, size, 512, 4)

    assert made.last_block == size // 512 + 1
    assert decode(bytes(made.datagram(made.last_block))) == expected(made.last_block, 512, size)
    assert decode(bytes(made.run(made.last_block, 1))) == expected(made.last_block, 512, size)


def test_block_numbers_roll_over(tmp_path: Path) -> None:
    """Block 65,536 is numbered 0, and what is read is what lies that far in the file."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(5 << 30)
        file.seek(65_535 * 512)
        file.write(b"here")
    opened = os.open(path, os.O_RDONLY)
    made = OctetContent(opened, 5 << 30, 512, 1)

    assert bytes(made.datagram(65_536))[:8] == b"\0\3\0\0here"
    beyond = ((5 << 30) // 512) + 1
    assert decode(bytes(made.datagram(beyond))) == Data(block=beyond & 0xFFFF, data=b"")
    os.close(opened)


def test_file_that_became_shorter(fd: int) -> None:
    """Less than there was when the file was opened is no file."""
    made = OctetContent(fd, len(DATA) + 1, 512, 1)

    with pytest.raises(Unreadable):
        made.datagram(made.last_block)


def test_unreadable(tmp_path: Path) -> None:
    """A read error is told as such, for octet and for netascii."""
    folder = os.open(tmp_path, os.O_RDONLY)

    for made in (OctetContent(folder, 1000, 512, 1), NetasciiContent(folder, 512, 1)):
        with pytest.raises(Unreadable):
            made.datagram(1)
    os.close(folder)


def test_without_preadv(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no preadv, the same is read by other means."""
    monkeypatch.setattr(content, "read_at", content._seek_and_read)
    made = OctetContent(fd, len(DATA), 1468, 4)

    for block in (1, 2, 30, made.last_block, 3):
        assert decode(bytes(made.datagram(block))) == expected(block, 1468)


def test_text(tmp_path: Path) -> None:
    """Blocks of a text can be repeated within a window, and the last one is short."""
    path = tmp_path / "text"
    path.write_bytes(b"a\n" * 1000)
    wire = b"a\r\n" * 1000
    opened = os.open(path, os.O_RDONLY)
    made = NetasciiContent(opened, 100, 4)

    for block in (1, 2, 3, 4, 2, 3, 4, 5, 6, 30, 31):
        expected_text = wire[(block - 1) * 100 : block * 100]
        assert decode(made.datagram(block)) == Data(block=block, data=expected_text)
    os.close(opened)
