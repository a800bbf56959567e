"""Fetching by TFTP as firmware does: how it asks, and what it says when the file does not come."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netbootd.simulate.tftp_get import TftpFailed, fetch
from protocols.tftp.packet import (
    Ack,
    Data,
    Error,
    ErrorCode,
    OptionAck,
    Packet,
    ReadRequest,
    decode,
    encode,
)

SERVER = "10.99.0.1"
WELL_KNOWN = (SERVER, 69)
TRANSFER = (SERVER, 40001)
Answers = Callable[[Packet], list[Packet]]


class FakeNetwork(Clock):
    """A reactor whose UDP ports lead to a server made of a function."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers
        self.packets: list[Packet] = []
        self.raw: list[bytes] = []
        self.open = 0
        self.unreachable = False

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str, maxPacketSize: int
    ) -> Any:
        self.open += 1
        self._protocol = protocol
        protocol.makeConnection(self)  # type: ignore[no-untyped-call]
        return self

    def write(self, data: bytes, to: tuple[str, int]) -> None:
        if self.unreachable:
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        self.raw.append(data)
        packet = decode(data)
        self.packets.append(packet)
        for answer in self._answers(packet):
            self.callLater(0, self.deliver, self._protocol, encode(answer))

    def deliver(self, protocol: DatagramProtocol, data: bytes, source: Any = TRANSFER) -> None:
        protocol.datagramReceived(data, source)

    def stopListening(self) -> None:
        self.open -= 1
        self._protocol.doStop()  # type: ignore[no-untyped-call]


def serves(content: bytes, *, told: int | None = None) -> Answers:
    """A server of one file that tells its size, or `told`."""
    size = len(content) if told is None else told

    def answers(packet: Packet) -> list[Packet]:
        match packet:
            case ReadRequest():
                values = {b"tsize": b"%d" % size, b"blksize": b"1468"}
                options = tuple((name, values[name]) for name, _ in packet.options)
                return [OptionAck(options=options)]
            case Ack():
                return [Data(block=packet.block + 1, data=content[packet.block * 1468 :][:1468])]
        return []

    return answers


class FetchTests(SynchronousTestCase):
    def fetch(self, answers: Answers, name: str = "A.nbi/booter") -> Deferred[int]:
        self.network = FakeNetwork(answers)
        self.got = b""
        self.told: list[int] = []
        return self.run_fetch(name)

    def run_fetch(self, name: str) -> Deferred[int]:
        def take(data: bytes) -> None:
            self.got += data

        result = Deferred.fromCoroutine(
            fetch(
                self.network,  # type: ignore[arg-type]
                self.network,
                WELL_KNOWN,
                name,
                local="10.99.0.50",
                take=take,
                sized=self.told.append,
            )
        )
        self.network.pump([0.0] * 60)
        return result

    def failure(self, result: Deferred[int]) -> TftpFailed:
        error = self.failureResultOf(result, TftpFailed).value
        assert isinstance(error, TftpFailed)
        self.assertEqual((self.network.open, self.network.getDelayedCalls()), (0, []))
        return error

    def test_the_size_is_asked_for_first(self) -> None:
        """A probe that ends with ERROR 8 as soon as the size is known, then the real request."""
        content = bytes(range(256)) * 20

        result = self.fetch(serves(content))

        self.assertEqual(self.successResultOf(result), len(content))
        self.assertEqual((self.got, self.told), (content, [len(content)]))
        probe, end, request, *acks = self.network.packets
        assert isinstance(probe, ReadRequest)
        assert isinstance(end, Error)
        assert isinstance(request, ReadRequest)
        self.assertEqual(probe.options, ((b"tsize", b"0"), (b"blksize", b"1468")))
        self.assertEqual(end.code, ErrorCode.OPTION_REFUSED)
        self.assertEqual(request.options, ((b"blksize", b"1468"),))
        self.assertEqual([ack.block for ack in acks], [0, 1, 2, 3, 4])  # type: ignore[union-attr]
        self.assertEqual((self.network.open, self.network.getDelayedCalls()), (0, []))

    def test_a_name_goes_out_as_it_came(self) -> None:
        """Bytes that are not UTF-8, as a boot file may have them, are asked for as they are."""
        self.fetch(serves(b""), name=b"B\xfc.nbi/booter".decode("utf-8", "surrogateescape"))

        self.assertTrue(self.network.raw[0].startswith(b"\0\1B\xfc.nbi/booter\0octet\0"))

    def test_a_file_that_is_not_there(self) -> None:
        """ERROR 1 says that it is missing, with the server's words."""
        refused = Error(code=ErrorCode.FILE_NOT_FOUND, message=b"no \xff such file")

        error = self.failure(self.fetch(lambda packet: [refused]))

        self.assertEqual((str(error), error.missing), ("error 1: no \\xff such file", True))

    def test_a_file_that_may_not_be_read(self) -> None:
        """Any other ERROR is a failure, not a file that is missing."""
        refused = Error(code=ErrorCode.ACCESS_VIOLATION, message=b"not for you")

        error = self.failure(self.fetch(lambda packet: [refused]))

        self.assertEqual((str(error), error.missing), ("error 2: not for you", False))

    def test_nobody_answers(self) -> None:
        """After some repetitions it is given up."""
        result = self.fetch(lambda packet: [])

        self.network.pump([0.5] * 200)

        self.assertEqual(str(self.failure(result)), "no answer")
        self.assertGreater(len(self.network.packets), 3)

    def test_a_server_without_options(self) -> None:
        """A server that begins to send instead of telling the size is stopped at once."""
        content = bytes(512)

        error = self.failure(self.fetch(lambda packet: [Data(block=1, data=content)]))

        self.assertEqual(str(error), "the server did not tell the size")
        self.assertEqual([type(one) for one in self.network.packets], [ReadRequest, Error])
        self.assertEqual(self.got, b"")

    def test_a_server_that_promises_more_than_it_sends(self) -> None:
        """A truncated file is not taken for a whole one."""
        error = self.failure(self.fetch(serves(b"x" * 100, told=200)))

        self.assertEqual(str(error), "100 bytes came, 200 were promised")

    def test_a_server_that_breaks_the_protocol(self) -> None:
        """A block longer than agreed ends the transfer, in other words than a server's ERROR."""
        serve = serves(b"x" * 100)

        def answers(packet: Packet) -> list[Packet]:
            if isinstance(packet, Ack):
                return [Data(block=1, data=bytes(2000))]
            return serve(packet)

        error = self.failure(self.fetch(answers))

        self.assertEqual(str(error), "the server breaks the protocol: block longer than agreed")

    def test_a_stranger_is_not_heard(self) -> None:
        """What comes from another address changes nothing."""
        result = self.fetch(lambda packet: [])
        refused = encode(Error(code=ErrorCode.FILE_NOT_FOUND, message=b"go away"))

        self.network.deliver(self.network._protocol, refused, ("10.99.0.66", 69))

        self.assertNoResult(result)
        self.network.pump([0.5] * 200)
        self.assertEqual(str(self.failure(result)), "no answer")

    def test_a_server_that_cannot_be_reached(self) -> None:
        """Without a route it fails at once, with the system's reason."""
        self.network = FakeNetwork(lambda packet: [])
        self.network.unreachable = True
        self.told = []

        error = self.failure(self.run_fetch("x"))

        self.assertEqual(str(error), "cannot be asked: No route to host")
