"""A TCP connection to a name: looked up anew each time, its addresses tried in random order.

Apple's names have many addresses and mean connections to be spread over them; a resolver's order is
that of RFC 6724, the same for everybody. So the order is ours, and all are tried before we give up.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - for names; once root is given up it may be out of reach
from random import Random
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

ATTEMPT: Final = 5.0
"""Seconds for one address: a SYN that is lost twice is answered by then."""
MAX_ADDRESSES: Final = 64
"""Addresses of a name that are looked at; Apple's have up to 8."""

Address = IPv4Address | IPv6Address


class NotReached(Exception):
    """No address took the connection; `str()` says what each said."""


@implementer(IStreamClientEndpoint)
class NamedEndpoint:
    """Connects to `host`, a name or an address, on `port`."""

    def __init__(self, reactor: Any, host: str, port: int, random: Random) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._random = random

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fails with NotReached; may be cancelled."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        try:
            addresses = await self._resolve()
        except DNSLookupError as error:
            raise NotReached(f"{self._host} cannot be looked up ({error})") from error
        if not addresses:
            raise NotReached(f"{self._host} has no address")
        self._random.shuffle(addresses)
        said = []
        for address in addresses:
            try:
                return await self._endpoint(address).connect(factory)
            except ConnectingCancelledError as error:  # Twisted's own name for it
                raise CancelledError from error
            except ConnectError as error:
                said.append(f"{address.host} port {address.port}: {_reason(error)}")
        raise NotReached(f"{self._host} is not reached ({'; '.join(said)})")

    def _resolve(self) -> Deferred[list[Address]]:
        receiver = _Receiver()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port)
        return receiver.done

    def _endpoint(self, address: Address) -> IStreamClientEndpoint:
        if isinstance(address, IPv6Address):
            return TCP6ClientEndpoint(  # type: ignore[no-untyped-call]
                self._reactor, address.host, address.port, ATTEMPT
            )
        return TCP4ClientEndpoint(self._reactor, address.host, address.port, ATTEMPT)


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects the addresses of one name."""

    def __init__(self) -> None:
        self._addresses: list[Address] = []
        self.done: Deferred[list[Address]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """The answer comes later."""

    def addressResolved(self, address: IAddress) -> None:
        known = isinstance(address, (IPv4Address, IPv6Address))
        if known and address not in self._addresses and len(self._addresses) < MAX_ADDRESSES:
            self._addresses.append(address)  # type: ignore[arg-type]

    def resolutionComplete(self) -> None:
        if not self.done.called:
            self.done.callback(self._addresses)


def _reason(error: ConnectError) -> str:
    return str(error).rstrip(".") or type(error).__name__
