"""The client's side of a read, packet by packet."""

from __future__ import annotations

import pytest

from protocols.tftp.packet import UNKNOWN_TID, Ack, Data, Error, OptionAck, encode
from protocols.tftp.receiver import REPEATS, Fetched, Receiver, read_request

SERVER = ("192.0.2.1", 40000)
STRANGER = ("192.0.2.66", 40000)


def data(block: int, length: int = 512) -> bytes:
    return encode(Data(block=block, data=bytes(length)))


def ack(block: int) -> tuple[bytes, object]:
    return encode(Ack(block=block)), SERVER


def asking(**wishes: int | bool) -> Receiver:
    receiver = Receiver(read_request(b"file", **wishes))  # type: ignore[arg-type]
    receiver.start(0.0)
    return receiver


def test_request() -> None:
    """A request names the options wished for, and no other."""
    plain = Receiver(read_request(b"f", mode=b"netascii"))
    rich = Receiver(read_request(b"f", block_size=1468, window_size=4, timeout=2, size=True))

    assert plain.start(0.0).send == [(b"\0\1f\0netascii\0", None)]
    options = b"tsize\0" + b"0\0" + b"blksize\0" + b"1468\0" + b"timeout\0" + b"2\0"
    assert rich.start(0.0).send == [(b"\0\1f\0octet\0" + options + b"windowsize\0" + b"4\0", None)]


def test_server_without_options() -> None:
    """A server that answers with DATA 1 ignores the options: RFC 1350 it is."""
    receiver = asking(block_size=1468, window_size=8)

    step = receiver.receive(data(1), SERVER, 0.1)

    assert (step.data, step.send) == ([bytes(512)], [ack(1)])
    assert receiver.peer == SERVER
    assert receiver.receive(data(2, 5), SERVER, 0.2).send == [ack(2)]
    assert receiver.ended is Fetched.COMPLETE


def test_window() -> None:
    """The last block of each window is acknowledged, and the last block of all."""
    receiver = asking(window_size=3)
    granted = encode(OptionAck(options=((b"windowsize", b"3"),)))

    assert receiver.receive(granted, SERVER, 0.1).send == [ack(0)]
    sent = [receiver.receive(data(block), SERVER, 0.2).send for block in (1, 2, 3, 4)]
    assert sent == [[], [], [ack(3)], []]
    assert receiver.receive(data(5, 0), SERVER, 0.3).send == [ack(5)]


def test_gap() -> None:
    """A missing block is reported once, by the ACK of what came before it."""
    receiver = asking(window_size=4)
    receiver.receive(encode(OptionAck(options=((b"windowsize", b"4"),))), SERVER, 0.1)

    sent = [receiver.receive(data(block), SERVER, 0.2).send for block in (1, 3, 4)]
    assert sent == [[], [ack(1)], []]


def test_duplicates() -> None:
    """The block that came last is acknowledged again, older ones are not; none is given twice."""
    receiver = asking()
    receiver.receive(data(1), SERVER, 0.1)
    receiver.receive(data(2), SERVER, 0.1)

    again, older = receiver.receive(data(2), SERVER, 0.2), receiver.receive(data(1), SERVER, 0.2)
    assert (again.data, again.send) == ([], [ack(2)])
    assert (older.data, older.send) == ([], [])


def test_last_ack_lost() -> None:
    """After the end the last block is still acknowledged, for a server that missed it."""
    receiver = asking()
    receiver.receive(data(1, 5), SERVER, 0.1)

    assert receiver.receive(data(1, 5), SERVER, 0.2).send == [ack(1)]


def test_stray() -> None:
    """A packet from another port is answered with ERROR 5, and the transfer goes on."""
    receiver = asking()
    receiver.receive(data(1), SERVER, 0.1)

    assert receiver.receive(data(2), STRANGER, 0.2).send == [(UNKNOWN_TID, STRANGER)]
    assert receiver.receive(encode(Error(code=1)), STRANGER, 0.2).send == []
    assert receiver.receive(b"nonsense", STRANGER, 0.2).send == []
    assert receiver.receive(data(2), SERVER, 0.3).data == [bytes(512)]


def test_server_says_error() -> None:
    """An ERROR ends it; what the server said is kept."""
    receiver = asking()

    assert receiver.receive(encode(Error(code=1, message=b"no")), SERVER, 0.1).send == []
    assert receiver.ended is Fetched.FAILED
    assert receiver.error == Error(code=1, message=b"no")


@pytest.mark.parametrize(
    "answer", [((b"blksize", b"4096"),), ((b"windowsize", b"2"),), ((b"blksize", b"x"),)]
)
def test_oack_that_says_too_much(answer: tuple[tuple[bytes, bytes], ...]) -> None:
    """An OACK beyond what was asked is answered with ERROR 8."""
    receiver = asking(block_size=1468)

    (sent,) = receiver.receive(encode(OptionAck(options=answer)), SERVER, 0.1).send

    assert sent[0].startswith(b"\0\5\0\x08")
    assert receiver.ended is Fetched.REFUSED


def test_block_longer_than_agreed() -> None:
    """A block longer than agreed is refused and not given out."""
    receiver = asking()

    step = receiver.receive(data(1, 513), SERVER, 0.1)

    assert step.data == []
    assert step.send[0][0].startswith(b"\0\5\0\4")
    assert receiver.ended is Fetched.REFUSED


def test_size() -> None:
    """A server that tells the size is believed."""
    receiver = asking(size=True)

    receiver.receive(encode(OptionAck(options=((b"tsize", b"5000000000"),))), SERVER, 0.1)

    assert receiver.terms.size == 5_000_000_000


def test_silence() -> None:
    """The request is repeated a bounded number of times, each after a longer wait."""
    receiver = asking()
    request = receiver.start(0.0).send
    repeats = 0

    while receiver.ended is None:
        sent = receiver.tick(receiver.deadline).send
        repeats += bool(sent)
        assert sent in ([], request)

    assert (repeats, receiver.ended) == (REPEATS, Fetched.TIMEOUT)
    assert receiver.tick(1e9).send == []


def test_silence_within_a_window() -> None:
    """In the middle of a window, what has come is acknowledged: the server goes on from there."""
    receiver = asking(window_size=8)
    receiver.receive(encode(OptionAck(options=((b"windowsize", b"8"),))), SERVER, 0.1)
    receiver.receive(data(1), SERVER, 0.2)
    receiver.receive(data(2), SERVER, 0.2)

    assert receiver.tick(0.25).send == []
    assert receiver.tick(receiver.deadline).send == [ack(2)]


def test_block_of_an_earlier_transfer() -> None:
    """A server is known by DATA 1 or an OACK; what else comes first belongs to something else."""
    receiver = asking()

    assert receiver.receive(data(7), STRANGER, 0.1).send == []
    assert receiver.peer is None


def test_abort() -> None:
    """The shell can end a transfer, with a word to the server."""
    receiver = asking()
    receiver.receive(data(1), SERVER, 0.1)
    full = Error(code=3, message=b"disk full")

    assert receiver.abort(full).send == [(encode(full), SERVER)]
    assert receiver.ended is Fetched.REFUSED
