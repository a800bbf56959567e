"""Fetch one file over TFTP, as firmware does: ask for the size and stop, then ask for the file."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol

from protocols.tftp.packet import Error, ErrorCode
from protocols.tftp.receiver import Fetched, Receiver, Step, read_request

BLOCK_SIZE = 1468
"""What UEFI asks for. Macs have been seen to ask for 8192 as well; a server must clamp that."""
MAX_DATAGRAM = 65535
ENOUGH = Error(code=ErrorCode.OPTION_REFUSED, message=b"only the size was wanted")
"""Our end of a size probe, whether the server has told the size or begun to send."""


class TftpFailed(Exception):
    """The file did not come; `missing` where the server says that there is none."""

    def __init__(self, why: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.missing = missing


class TftpFetch(DatagramProtocol):
    """One fetch, on a port of its own. `take` gets the file's bytes in order."""

    def __init__(
        self,
        clock: IReactorTime,
        server: tuple[str, int],
        receiver: Receiver,
        take: Callable[[bytes], None],
        *,
        only_size: bool = False,
    ) -> None:
        self._clock = clock
        self._server = server
        self._receiver = receiver
        self._take = take
        self._only_size = only_size
        self._timer: IDelayedCall | None = None
        self.ended: Deferred[None] = Deferred()

    # What Twisted calls.

    def startProtocol(self) -> None:
        self._do(self._receiver.start(self._clock.seconds()))
        self._set_timer()

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if addr[0] != self._server[0] or self.ended.called:
            return
        step = self._receiver.receive(datagram, addr, self._clock.seconds())
        if self._only_size and self._receiver.peer is not None and self._receiver.ended is None:
            step = self._receiver.abort(ENOUGH)
        self._do(step)
        self._check_end()

    def stopProtocol(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    # Our own.

    def _tick(self) -> None:
        self._do(self._receiver.tick(self._clock.seconds()))
        self._check_end()
        if not self.ended.called:
            self._set_timer()

    def _set_timer(self) -> None:
        wait = max(0.01, self._receiver.deadline - self._clock.seconds())
        self._timer = self._clock.callLater(wait, self._tick)

    def _do(self, step: Step) -> None:
        for data in step.data:
            self._take(data)
        for datagram, peer in step.send:
            self._write(datagram, peer)

    def _write(self, datagram: bytes, peer: Hashable | None) -> None:
        assert self.transport is not None  # noqa: S101 - only called while listening
        try:
            self.transport.write(datagram, cast("tuple[str, int]", peer or self._server))
        except OSError as error:
            if not self.ended.called:
                self.ended.errback(TftpFailed(f"cannot be asked: {error.strerror or error}"))

    def _check_end(self) -> None:
        if self._receiver.ended is not None and not self.ended.called:
            self.ended.callback(None)


async def fetch(
    reactor: IReactorUDP,
    clock: IReactorTime,
    server: tuple[str, int],
    name: str,
    *,
    local: str,
    take: Callable[[bytes], None],
    sized: Callable[[int], None] = lambda size: None,
) -> int:
    """Fetch `name`, giving its bytes to `take`; the size in bytes, told to `sized` beforehand.

    Raises TftpFailed.
    """
    filename = name.encode("utf-8", "surrogateescape")
    probe = Receiver(read_request(filename, block_size=BLOCK_SIZE, size=True))
    await _run(reactor, TftpFetch(clock, server, probe, lambda data: None, only_size=True), local)
    size = probe.terms.size
    if size is None:
        raise _failure(probe)
    sized(size)
    receiver = Receiver(read_request(filename, block_size=BLOCK_SIZE))
    got = 0

    def count(data: bytes) -> None:
        nonlocal got
        got += len(data)
        take(data)

    await _run(reactor, TftpFetch(clock, server, receiver, count), local)
    if receiver.ended is not Fetched.COMPLETE:
        raise _failure(receiver)
    if got != size:
        raise TftpFailed(f"{got} bytes came, {size} were promised")
    return got


async def _run(reactor: IReactorUDP, fetching: TftpFetch, local: str) -> None:
    port = reactor.listenUDP(0, fetching, interface=local, maxPacketSize=MAX_DATAGRAM)
    try:
        await fetching.ended
    finally:
        await _stopped(port.stopListening())


async def _stopped(stopping: Deferred[None] | None) -> None:
    if stopping is not None:
        await stopping


def _failure(receiver: Receiver) -> TftpFailed:
    error = receiver.error
    if receiver.ended is Fetched.TIMEOUT:
        return TftpFailed("no answer")
    if error is None or error is ENOUGH:
        return TftpFailed("the server did not tell the size")
    text = error.message.decode("utf-8", "backslashreplace")
    if receiver.ended is Fetched.REFUSED:
        return TftpFailed(f"the server breaks the protocol: {text}")
    return TftpFailed(f"error {error.code}: {text}", missing=error.code == ErrorCode.FILE_NOT_FOUND)
