"""The BSDP responder: datagrams on port 67 in, answers out.

    datagram ──▶ memo hit? ──yes──▶ splice, send                          (a LIST seen before)
                    │no
                    ▼
                 decode ──▶ question ──▶ respond (pure) ──▶ effect on disk ──▶ send
                    │          │                             (SELECT only)
                 malformed   plain DHCP: left alone

It lives beside a DHCP server, ours or another: what is not BSDP, and the DHCP half of a Mac's
DISCOVER and REQUEST, is left to that. The packet path is synchronous, touches no disk and writes no
log line; a SELECT is acknowledged once it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from twisted.logger import Logger
from twisted.python.failure import Failure

from netbootd.arrival import Arrival
from netbootd.binding import Bindings
from netbootd.booter import Asker, Booter
from netbootd.bsdp.teller import QUIET, BsdpTeller
from netbootd.datagram import Datagrams, routed_source
from ops.counter import Counter, Counters
from ops.database import StoreError
from protocols.bsdp.offered import ServerIdentity
from protocols.bsdp.outcome import Bind, Moved, Reply, ReplyKind, Silence, Unbind
from protocols.bsdp.request import BsdpRequest, request_from
from protocols.bsdp.server import respond
from protocols.bsdp.template import (
    ETHERNET_REQUEST,
    ReplyTemplate,
    is_memorable,
    question_of,
)
from protocols.dhcp.codec import XID, decode, encode
from protocols.dhcp.registry import MESSAGE_TYPE
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError

MAX_REMEMBERED = 4096
"""Answers remembered: one per machine and message, about 3 KiB each, so 12 MiB. Past it all are
forgotten: 4,096 machines that boot within one catalog change are more than this is for."""
MAX_KEY = 1024
"""Bytes of a question that is remembered: Apple's are 272. Without it, whoever pads questions to
jumbo frames would have us remember 100 MiB."""


_INFORM = MESSAGE_TYPE.encode(MessageType.INFORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Which machines are answered at all (bootpd's allow and deny lists)."""

    allow: frozenset[bytes] = frozenset()
    """Empty: everybody."""
    deny: frozenset[bytes] = frozenset()

    def admits(self, mac: bytes) -> bool:
        return mac not in self.deny and (not self.allow or mac in self.allow)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """Who we are to the clients of one of our addresses."""

    identity: ServerIdentity
    spreads_load: bool
    """Whether our priority falls with each machine that is bound here, as Apple's does."""


@dataclass(slots=True, eq=False)
class _Remembered:
    """A LIST that was answered, ready to be answered again."""

    request: BsdpRequest
    reply: Reply
    template: ReplyTemplate
    arrival: Arrival
    to: tuple[str, int]
    is_routed_right: bool
    """Whether the system sends to `to` from our address of the arrival without being told."""
    quiet_until: float
    """Monotonic seconds until which answering again is no news."""


class BsdpResponder:
    """Answers the BSDP requests of all interfaces. Reactor thread only."""

    def __init__(
        self,
        *,
        booter: Booter,
        bindings: Bindings,
        local_server: Callable[[Arrival], LocalServer],
        teller: BsdpTeller,
        seconds: Callable[[], float],
        counters: Counters,
        admission: Admission,
    ) -> None:
        """`local_server` says who we are where a request arrived; `seconds` is a monotonic
        clock."""
        self._booter = booter
        self._bindings = bindings
        self._local_server = local_server
        self._teller = teller
        self._seconds = seconds
        self._admission = admission
        self._memo: dict[bytes, _Remembered] = {}
        self._generation = self._version = -1
        self._local_servers: dict[tuple[str, str], LocalServer] = {}
        self._selecting: set[bytes] = set()
        self._leaving: set[bytes] = set()
        self._replies: Mapping[ReplyKind, Counter] = {
            kind: counters.counter(
                f"netbootd_bsdp_{kind.name.lower()}_replies_total", f"BSDP {kind.value} sent."
            )
            for kind in ReplyKind
        }
        self._lists = self._replies[ReplyKind.LIST]
        self._requests = counters.counter(
            "netbootd_bsdp_requests_total", "BSDP requests received, answered or not."
        )
        self._malformed = counters.counter(
            "netbootd_dhcp_malformed_datagrams_total", "Datagrams on port 67 that are not DHCP."
        )
        self._refused = counters.counter(
            "netbootd_bsdp_refused_requests_total", "BSDP requests of machines not admitted."
        )
        self._silent = counters.counter(
            "netbootd_bsdp_silent_requests_total", "BSDP requests not answered on purpose."
        )
        self._unstored = counters.counter(
            "netbootd_bsdp_unstored_selections_total",
            "Selections not acknowledged because they could not be stored.",
        )

    def forget(self) -> None:
        """Who we are may have changed (addresses, settings)."""
        self._memo.clear()
        self._local_servers.clear()

    # The packet path.

    def received(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> bool:
        """One datagram. False: a DHCP server has to answer it, or to answer it, too."""
        if self._booter.generation != self._generation or self._bindings.version != self._version:
            self._memo.clear()
            self._generation, self._version = self._booter.generation, self._bindings.version
        remembered = self._memo.get(question_of(data))
        if (
            remembered is not None
            and remembered.arrival is arrival
            and data.startswith(ETHERNET_REQUEST)
        ):
            self._answer_again(datagrams, data, remembered)
            return True
        return self._answer(datagrams, data, peer, arrival)

    def _answer_again(self, datagrams: Datagrams, data: bytes, remembered: _Remembered) -> None:
        self._requests.value += 1
        payload = remembered.template.with_xid(data[XID])
        send = datagrams.send_routed if remembered.is_routed_right else datagrams.send
        if send(payload, remembered.to, remembered.arrival):
            self._lists.value += 1
            now = self._seconds()
            if now >= remembered.quiet_until:
                remembered.quiet_until = now + QUIET
                self._teller.replied(
                    remembered.request, remembered.arrival, remembered.reply, len(payload)
                )

    def _answer(
        self,
        datagrams: Datagrams,
        data: bytes,
        peer: tuple[str, int],
        arrival: Arrival,
    ) -> bool:
        try:
            message = decode(data)
        except DecodeError:
            self._malformed.inc()
            return True
        try:
            request = request_from(message, IPv4Address(peer[0]))
        except DecodeError:
            self._malformed.inc()
            return False
        if request is None:
            return False
        self._requests.inc()
        mac = message.chaddr[:6]
        if not self._admission.admits(mac):
            self._refused.inc()
        elif isinstance(request, Silence):
            self._silent.inc()
            self._teller.unanswered(mac, peer[0], arrival, request)
        else:
            key = question_of(data) if is_memorable(data) else None
            self._converse(datagrams, request, self._server(arrival), key, arrival)
        return message.option(MESSAGE_TYPE.code) == _INFORM

    def _server(self, arrival: Arrival) -> LocalServer:
        key = (arrival.interface, arrival.local)
        server = self._local_servers.get(key)
        if server is None:
            server = self._local_servers[key] = self._local_server(arrival)
        return server

    def _converse(
        self,
        datagrams: Datagrams,
        request: BsdpRequest,
        server: LocalServer,
        key: bytes | None,
        arrival: Arrival,
    ) -> None:
        mac = request.mac
        binding = self._bindings.lookup(mac)
        asker = Asker(
            arch=request.question.class_id.arch,
            system_id=request.question.model,
            mac=mac,
            server=server.identity.address,
            machine_name=binding.machine_name if binding else "",
        )
        outcome = respond(
            request,
            images=self._booter.offered_images(asker),
            server=server.identity,
            binding=binding,
            known_clients=self._bindings.count if server.spreads_load else 0,
            next_number=self._bindings.next_number,
        )
        if isinstance(outcome, Silence):
            self._silent.inc()
            self._forget_or_move(outcome)
            self._teller.silent(request, arrival, outcome)
        elif isinstance(outcome.effect, Bind):
            self._store_then_send(datagrams, request, outcome, outcome.effect, arrival)
        else:
            self._send(datagrams, request, outcome, arrival, key)

    def _send(
        self,
        datagrams: Datagrams,
        request: BsdpRequest,
        reply: Reply,
        arrival: Arrival,
        key: bytes | None = None,
    ) -> None:
        payload = encode(reply.message)
        if not datagrams.deliver(payload, reply.route, request.mac, arrival):
            return
        self._replies[reply.kind].inc()
        self._teller.replied(request, arrival, reply, len(payload))
        if key is not None and len(key) <= MAX_KEY and reply.kind is ReplyKind.LIST:
            self._remember(datagrams, key, request, reply, payload, arrival)

    def _remember(
        self,
        datagrams: Datagrams,
        key: bytes,
        request: BsdpRequest,
        reply: Reply,
        payload: bytes,
        arrival: Arrival,
    ) -> None:
        if len(self._memo) >= MAX_REMEMBERED:
            self._memo.clear()
        to = (str(reply.route.address), reply.route.port)
        self._memo[key] = _Remembered(
            request=request,
            reply=reply,
            template=ReplyTemplate(payload),
            arrival=arrival,
            to=to,
            is_routed_right=routed_source(to) == arrival.local,
            quiet_until=self._seconds() + QUIET,
        )

    # What must be on disk.

    def _store_then_send(
        self,
        datagrams: Datagrams,
        request: BsdpRequest,
        reply: Reply,
        effect: Bind,
        arrival: Arrival,
    ) -> None:
        mac = effect.mac
        if mac in self._selecting:
            return  # the machine asked again before the disk answered; one answer is on its way

        def stored(_: object) -> None:
            self._selecting.discard(mac)
            self._send(datagrams, request, reply, arrival)

        def failed(failure: Failure) -> None:
            self._selecting.discard(mac)
            self._unstored.inc()
            self._teller.unstored(request, arrival, failure.getErrorMessage())

        storing = self._bindings.bind(effect, class_id=request.question.class_id)
        self._selecting.add(mac)
        storing.addCallbacks(stored, failed)
        storing.addErrback(self._broke)

    def _forget_or_move(self, silence: Silence) -> None:
        match silence.effect:
            case Unbind(mac=mac):
                self._unbind(mac)
            case Moved(mac=mac, address=address):
                self._bindings.moved(mac, address)
            case _:
                pass

    def _unbind(self, mac: bytes) -> None:
        """Forget a machine. If that fails it will say again where it belongs."""
        if mac in self._leaving:
            return

        def settled(result: object) -> object:
            self._leaving.discard(mac)
            return result

        forgetting = self._bindings.unbind(mac)
        self._leaving.add(mac)
        forgetting.addBoth(settled)
        forgetting.addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        """What the store could not do it has counted; the rest is a fault of ours."""
        if not isinstance(failure.value, StoreError):
            _log.failure("What a request asked to be stored went wrong", failure=failure)


_log = Logger()
