"""Sender and receiver on a link that drops, duplicates and reorders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.tftp.negotiate import Limits
from protocols.tftp.receiver import Fetched, read_request
from protocols.tftp.sender import Ended
from tests.link import Faults
from tests.protocols.tftp.pair import Pair

CONTENT = bytes(i * 7 & 0xFF for i in range(40_000))


def whole(pair: Pair) -> None:
    pair.run()
    assert pair.receiver.ended is Fetched.COMPLETE
    assert bytes(pair.received) == pair.content


@pytest.mark.parametrize("window", [None, 1, 2, 4, 16, 64])
def test_good_link(window: int | None) -> None:
    """On a good link each block is sent once, and each window acknowledged once."""
    pair = Pair(CONTENT, read_request(b"f", block_size=1000, window_size=window, size=True))

    whole(pair)

    blocks = len(CONTENT) // 1000 + 1
    assert pair.blocks_sent == blocks
    assert pair.sender.ended is Ended.COMPLETE
    assert pair.link.tally.sent == 1 + 1 + blocks + -(-blocks // (window or 1))


@pytest.mark.parametrize("window", [None, 1, 4, 16])
def test_sorcerers_apprentice(window: int | None) -> None:
    """Where the network doubles every datagram, we still send each block once."""
    pair = Pair(
        CONTENT,
        read_request(b"f", block_size=1000, window_size=window),
        faults=Faults(duplicate=1.0),
    )

    whole(pair)

    assert pair.blocks_sent == len(CONTENT) // 1000 + 1
    assert pair.sender.repeated == 0


@given(
    seed=st.integers(0, 2**32),
    size=st.integers(0, 20_000),
    block_size=st.sampled_from([8, 512, 1468, None]),
    window=st.sampled_from([None, 1, 3, 8, 64]),
    drop=st.sampled_from([0.0, 0.02, 0.04]),
    duplicate=st.sampled_from([0.0, 0.1, 0.5]),
    jitter=st.sampled_from([0.0, 0.002, 0.3]),
)
def test_bad_link(
    seed: int,
    size: int,
    block_size: int | None,
    window: int | None,
    drop: float,
    duplicate: float,
    jitter: float,
) -> None:
    """Whatever the network does short of silence, the file arrives whole and nobody runs wild."""
    pair = Pair(
        CONTENT[:size] if block_size != 8 else CONTENT[: size % 2000],
        read_request(b"f", block_size=block_size, window_size=window),
        seed=seed,
        faults=Faults(drop=drop, duplicate=duplicate, jitter=jitter),
    )

    pair.run()

    # With one packet in 25 lost, either way, seven repeats of one of 250 windows are lost once in
    # 200,000 transfers; with one in ten, once in 500.
    assert pair.receiver.ended is Fetched.COMPLETE
    assert bytes(pair.received) == pair.content
    blocks = len(pair.content) // pair.terms.block_size + 1
    # At worst, in complete disorder, each window brings the receiver one block further.
    assert pair.blocks_sent <= 12 * (blocks + 4) * pair.terms.window_size


def test_file_over_thirty_two_megabytes() -> None:
    """At 512 bytes a block, more than 65,535 blocks arrive in order."""
    content = bytes(range(256)) * 131_080  # 33,556,480 bytes, 65,541 blocks
    pair = Pair(content, read_request(b"f", window_size=64))

    whole(pair)


def test_block_size_is_clamped() -> None:
    """A Mac that asks for 8192 gets blocks that are not cut into fragments."""
    pair = Pair(CONTENT, read_request(b"f", block_size=8192), limits=Limits())

    whole(pair)

    assert pair.receiver.terms.block_size == 1468


def test_dead_link() -> None:
    """Where nothing arrives, both sides give up."""
    pair = Pair(CONTENT, read_request(b"f", size=True), faults=Faults(drop=1.0))

    pair.run()

    assert pair.receiver.ended is Fetched.TIMEOUT
    assert pair.sender.ended is Ended.TIMEOUT
