"""The server's side of a read, packet by packet."""

from __future__ import annotations

import pytest

from protocols.errors import DecodeError, StateError
from protocols.tftp.negotiate import Terms
from protocols.tftp.packet import Ack, Data, Error, OptionAck, ReadRequest, encode
from protocols.tftp.rto import MAXIMUM, MINIMUM
from protocols.tftp.sender import UNCONFIRMED_REPEATS, Blocks, Ended, Sender

WINDOWED = Terms(window_size=4, accepted=((b"windowsize", b"4"),))
PROBING = Terms(size_asked=True, accepted=((b"tsize", b"2000"),))


def ack(block: int) -> bytes:
    return encode(Ack(block=block & 0xFFFF))


def started(terms: Terms, last_block: int | None = 10, now: float = 0.0) -> Sender:
    sender = Sender(terms, last_block)
    sender.start(now)
    return sender


def test_lock_step() -> None:
    """Without options DATA 1 follows the request, and each ACK brings the next block."""
    sender = Sender(Terms(), 3)

    assert sender.start(0.0) == (1, 1)
    assert sender.receive(ack(1), 0.1) == (2, 1)
    assert sender.receive(ack(2), 0.2) == (3, 1)
    assert sender.receive(ack(3), 0.3) is None
    assert sender.ended is Ended.COMPLETE


def test_options_first() -> None:
    """An OACK is block 0: the first window follows its acknowledgement."""
    sender = Sender(WINDOWED, 10)

    assert sender.start(0.0) == (0, 1)
    assert sender.receive(ack(0), 0.1) == (1, 4)
    assert sender.receive(ack(4), 0.2) == (5, 4)
    assert sender.receive(ack(8), 0.3) == (9, 2)
    assert sender.receive(ack(10), 0.4) is None
    assert sender.ended is Ended.COMPLETE


def test_duplicate_acks_send_nothing() -> None:
    """An ACK that comes twice does not bring a block twice: no sorcerer's apprentice."""
    sender = started(Terms())
    assert sender.receive(ack(1), 0.1) == (2, 1)

    for _ in range(5):
        assert sender.receive(ack(1), 0.2) is None
    assert sender.repeated == 0


def test_gap_in_a_window() -> None:
    """An ACK within the window brings what follows it, once."""
    sender = started(WINDOWED, 100)
    sender.receive(ack(0), 0.1)

    assert sender.receive(ack(2), 0.2) == (3, 4)
    assert sender.receive(ack(2), 0.2) is None
    assert sender.repeated == 2
    assert sender.receive(ack(6), 0.3) == (7, 4)


@pytest.mark.parametrize("stale", [1, 3, 65535, 9, 32771])
def test_acks_of_something_else(stale: int) -> None:
    """An ACK of old blocks, or of blocks not sent, changes nothing."""
    sender = started(WINDOWED, 100)
    sender.receive(ack(0), 0.1)
    sender.receive(ack(4), 0.2)

    assert sender.receive(ack(stale), 0.3) is None
    assert sender.receive(ack(8), 0.3) == (9, 4)


def test_repeats_after_silence() -> None:
    """An overdue window is sent again, each time after twice the wait, until there is an answer."""
    sender = started(WINDOWED, 100)
    sender.receive(ack(0), 0.001)
    waits = []
    now = 0.001

    for _ in range(3):
        assert sender.tick(sender.deadline - 0.0001) is None
        waits.append(sender.deadline - now)
        now = sender.deadline
        assert sender.tick(now) == (1, 4)
    assert waits == pytest.approx([MINIMUM, 2 * MINIMUM, 4 * MINIMUM])
    assert sender.repeated == 12
    assert sender.receive(ack(4), now) == (5, 4)


def test_karn() -> None:
    """What was sent twice is no measure: the wait stays backed off until a clean round trip."""
    sender = started(Terms(), 100)
    sender.receive(ack(1), 0.001)
    sender.tick(sender.deadline)
    backed_off = 2 * MINIMUM

    sender.receive(ack(2), 9.0)
    assert sender.deadline == pytest.approx(9.0 + backed_off)
    sender.receive(ack(3), 9.001)
    assert sender.deadline == pytest.approx(9.001 + MINIMUM)


def test_slow_peer() -> None:
    """A peer that takes its time is waited for longer, up to the maximum."""
    sender = started(Terms(), 100)
    now = 0.0
    for block in range(1, 20):
        now += 0.8
        sender.receive(ack(block), now)
    assert 0.8 < sender.deadline - now < 2.4

    for block in range(20, 60):
        now += 30
        sender.receive(ack(block), now)
    assert sender.deadline - now == MAXIMUM


def test_timeout_option() -> None:
    """Once the OACK is acknowledged, the wait is what the client asked for, and no other."""
    sender = started(Terms(timeout=7, accepted=((b"timeout", b"7"),)))
    assert sender.deadline == 1.0

    sender.receive(ack(0), 0.001)
    assert sender.deadline == 7.001
    sender.tick(8.0)
    assert sender.deadline == 15.0


def test_timeout_option_longer_than_patience() -> None:
    """A client that asked for a long wait is waited for three times."""
    sender = started(Terms(timeout=255, accepted=((b"timeout", b"255"),)))
    sender.receive(ack(0), 0.0)

    assert [sender.tick(255.0), sender.tick(510.0), sender.tick(765.0)] == [(1, 1), (1, 1), None]
    assert sender.ended is Ended.TIMEOUT


def _sends_until_it_gives_up(sender: Sender) -> tuple[int, float]:
    sends = 0
    while sender.ended is None:
        now = sender.deadline
        sends += sender.tick(now) is not None
    return sends, now


def test_forged_source() -> None:
    """One who never answers from its port gets four packets at most, and is forgotten in 12 s."""
    repeats, seconds = _sends_until_it_gives_up(started(Terms()))

    assert repeats == UNCONFIRMED_REPEATS
    assert seconds == 12.0


def test_peer_that_goes_away() -> None:
    """A peer that has answered is given up after thirty seconds of silence and a dozen repeats."""
    sender = started(WINDOWED, 100)
    sender.receive(ack(0), 0.001)

    repeats, seconds = _sends_until_it_gives_up(sender)

    assert sender.ended is Ended.TIMEOUT
    assert repeats <= 12
    assert 30 <= seconds <= 35


def test_size_probe() -> None:
    """Firmware that asks for the size and stops has had what it wanted (EDK2: ERROR 8)."""
    sender = started(PROBING)

    assert sender.receive(encode(Error(code=8, message=b"User aborted")), 0.1) is None
    assert sender.ended is Ended.PROBE


def test_probe_that_takes_the_oack() -> None:
    """… even where it acknowledges the OACK before it stops."""
    sender = started(PROBING)
    sender.receive(ack(0), 0.1)

    sender.receive(encode(Error(code=0)), 0.2)
    assert sender.ended is Ended.PROBE


@pytest.mark.parametrize(("terms", "acks"), [(Terms(), 0), (WINDOWED, 0), (PROBING, 2)])
def test_error_from_the_peer(terms: Terms, acks: int) -> None:
    """Any other ERROR is the peer's wish to stop."""
    sender = started(terms)
    for block in range(acks):
        sender.receive(ack(block), 0.1)

    sender.receive(encode(Error(code=3)), 0.2)
    assert sender.ended is Ended.ABORTED


@pytest.mark.parametrize(
    "packet",
    [ReadRequest(filename=b"again"), Data(block=1, data=b"x"), OptionAck(options=((b"a", b"b"),))],
)
def test_other_packets(packet: ReadRequest | Data | OptionAck) -> None:
    """A packet that a reader has no business to send is ignored."""
    sender = started(Terms())

    assert sender.receive(encode(packet), 0.1) is None
    assert sender.ended is None
    assert sender.receive(ack(1), 0.1) == (2, 1)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\4", b"\0\4\0"])
def test_short_datagrams(data: bytes) -> None:
    """Less than an ACK is a DecodeError, and the transfer goes on."""
    sender = started(Terms())

    with pytest.raises(DecodeError):
        sender.receive(data, 0.1)
    assert sender.receive(ack(1), 0.1) == (2, 1)


def test_nothing_after_the_end() -> None:
    """A transfer that has ended sends nothing more."""
    sender = started(Terms(), 1)
    sender.receive(ack(1), 0.1)

    assert sender.receive(ack(1), 0.2) is None
    assert sender.receive(encode(Error(code=0)), 0.2) is None
    assert sender.tick(1000.0) is None
    assert sender.ended is Ended.COMPLETE


def test_start_twice() -> None:
    """A transfer begins once."""
    with pytest.raises(StateError):
        started(Terms()).start(1.0)


def test_end_found_on_the_way() -> None:
    """Where the size is not known, the short block that was found ends the transfer."""
    sender = started(WINDOWED, None)
    assert sender.receive(ack(0), 0.1) == (1, 4)
    sender.ends_at(3)

    assert sender.receive(ack(3), 0.2) is None
    assert sender.ended is Ended.COMPLETE


@pytest.mark.parametrize(("block_size", "window_size"), [(8, 32767), (512, 16384), (65464, 1)])
def test_more_than_four_gigabytes(block_size: int, window_size: int) -> None:
    """Block numbers roll over to 0 as often as it takes, at any block size."""
    size = 2**32 + 12345
    terms = Terms(block_size=block_size, window_size=window_size)
    last = size // block_size + 1
    sender = Sender(terms, last)
    blocks: Blocks | None = sender.start(0.0)
    expected = 1

    while blocks is not None:
        first, count = blocks
        assert first == expected
        expected = first + count
        blocks = sender.receive(ack(expected - 1), 0.0)

    assert expected == last + 1
    assert sender.ended is Ended.COMPLETE
    assert sender.acknowledged == last
