"""Hundreds of DHCP clients behind one socket, who remember all that they were promised.

They come and go at random: ask for an address, ask for more time, give it back. What was
acknowledged to one of them while another's lease lives is a broken promise.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Self

from protocols.dhcp import registry
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import BOOTREPLY, BROADCAST_FLAG, NO_ADDRESS, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import MessageType
from tests.interop.lab import wait_until

UNDER_WAY = 64
"""Conversations at the same time."""
PATIENCE = 0.25
"""Seconds after which a client asks again."""


@dataclass(slots=True)
class Client:
    """One machine."""

    mac: bytes
    address: IPv4Address | None = None
    """What it was promised."""
    xid: int = 0
    message: DhcpMessage | None = None
    """What it waits to have answered."""
    asked_at: float = 0.0


@dataclass(slots=True)
class Promises:
    """Who may use which address, by the ACKs that came."""

    holders: dict[IPv4Address, bytes] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    acknowledged: int = 0

    def keep(self, address: IPv4Address, mac: bytes) -> None:
        holder = self.holders.setdefault(address, mac)
        self.acknowledged += 1
        if holder != mac:
            self.broken.append(f"{address} is {holder.hex(':')}'s, acknowledged to {mac.hex(':')}")


class Crowd:
    """Clients 0 to `count` - 1, in a thread of their own between `with` and its end."""

    def __init__(self, sock: socket.socket, server: tuple[str, int], count: int, seed: int) -> None:
        """`server` is the broadcast address of the network, and the port."""
        self.promises = Promises()
        self._sock = sock
        self._server = server
        self._random = random.Random(seed)
        self._idle = [Client(b"\x52\x54" + n.to_bytes(4, "big")) for n in range(count)]
        self._busy: dict[int, Client] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setblocking(False)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def wait_for(self, acknowledgements: int) -> None:
        """Until so many more have come."""
        goal = self.promises.acknowledged + acknowledgements
        wait_until(lambda: self.promises.acknowledged >= goal)

    def finish(self) -> None:
        """Stop asking, and read what is still to be read."""
        self._stopping.set()
        self._thread.join()
        self._listen()

    def reclaim(self, timeout: float) -> dict[IPv4Address, bytes]:
        """Everybody who holds an address asks for it after a reboot; the addresses that were not
        acknowledged again within `timeout` seconds."""
        missing = dict(self.promises.holders)
        deadline = time.monotonic() + timeout
        while missing and time.monotonic() < deadline:
            for address, mac in list(missing.items())[:UNDER_WAY]:
                wanted = registry.REQUESTED_ADDRESS.of(address)
                self._send(_message(MessageType.REQUEST, mac, self._xid(), wanted))
            while select.select([self._sock], [], [], PATIENCE)[0]:
                reply = decode(self._sock.recv(2048))
                if reply.value(registry.MESSAGE_TYPE) is MessageType.ACK:
                    if missing.get(reply.yiaddr) == reply.chaddr[:6]:
                        del missing[reply.yiaddr]
        return missing

    def _run(self) -> None:
        while not self._stopping.is_set():
            while self._idle and len(self._busy) < UNDER_WAY:
                self._begin(self._idle.pop(self._random.randrange(len(self._idle))))
            select.select([self._sock], [], [], 0.02)
            self._listen()
            self._repeat()

    def _begin(self, client: Client) -> None:
        """Ask for something: an address or, with one, more time, or to be rid of it."""
        client.xid = self._xid()
        address = client.address
        if address is None:
            self._ask(client, _message(MessageType.DISCOVER, client.mac, client.xid))
        elif self._random.random() < 0.5:
            wanted = registry.REQUESTED_ADDRESS.of(address)
            self._ask(client, _message(MessageType.REQUEST, client.mac, client.xid, wanted))
        else:
            client.address = None
            self.promises.holders.pop(address, None)  # from now on it may be another's
            self._send(_message(MessageType.RELEASE, client.mac, client.xid, ciaddr=address))
            self._idle.append(client)

    def _ask(self, client: Client, message: DhcpMessage) -> None:
        client.message, client.asked_at = message, time.monotonic()
        self._busy[client.xid] = client
        self._send(message)

    def _listen(self) -> None:
        while True:
            try:
                reply = decode(self._sock.recv(2048))
            except BlockingIOError:
                return
            client = self._busy.get(reply.xid)
            if client is not None and reply.op == BOOTREPLY and reply.chaddr[:6] == client.mac:
                self._take(reply, client)  # what comes late is not for a conversation that is over

    def _take(self, reply: DhcpMessage, client: Client) -> None:
        match reply.value(registry.MESSAGE_TYPE):
            case MessageType.OFFER if _is_discover(client.message):
                server = reply.value(registry.SERVER_IDENTIFIER)
                assert server is not None
                chosen = registry.SERVER_IDENTIFIER.of(server)
                wanted = registry.REQUESTED_ADDRESS.of(reply.yiaddr)
                kind = MessageType.REQUEST
                self._ask(client, _message(kind, client.mac, client.xid, chosen, wanted))
            case MessageType.ACK:
                client.address = reply.yiaddr
                self.promises.keep(reply.yiaddr, client.mac)
                self._end(client)
            case MessageType.NAK:
                if client.address is not None:
                    self.promises.broken.append(f"{client.address} is refused to its holder")
                self._end(client)

    def _end(self, client: Client) -> None:
        del self._busy[client.xid]
        self._idle.append(client)

    def _repeat(self) -> None:
        """Ask again, or give up, where nobody answered."""
        now = time.monotonic()
        for client in [c for c in self._busy.values() if now - c.asked_at > PATIENCE]:
            if self._random.random() < 0.3:
                self._end(client)
            elif client.message is not None:
                self._ask(client, client.message)

    def _xid(self) -> int:
        return self._random.getrandbits(32)

    def _send(self, message: DhcpMessage) -> None:
        self._sock.sendto(encode(message), self._server)


def _message(
    kind: MessageType, mac: bytes, xid: int, *options: RawOption, ciaddr: IPv4Address = NO_ADDRESS
) -> DhcpMessage:
    return DhcpMessage(
        op=1,
        htype=1,
        hlen=6,
        xid=xid,
        flags=BROADCAST_FLAG,
        ciaddr=ciaddr,
        chaddr=mac.ljust(16, b"\0"),
        options=(registry.MESSAGE_TYPE.of(kind), *options),
    )


def _is_discover(message: DhcpMessage | None) -> bool:
    return message is not None and message.value(registry.MESSAGE_TYPE) is MessageType.DISCOVER
