"""Each machine's way through its boot, kept in memory and told to whoever listens.

    BSDP responder ──┐                       ┌──▶ log (one line an event)
    TFTP, HTTP ──────┼──▶ Timeline ──events──┼──▶ Subscription (bounded; console, event stream)
                     │     machines          └──▶ what a status page asks for: `machines()`

Bounded everywhere: machines, events per machine, addresses, a slow subscriber's backlog. It never
blocks and never raises into the packet path.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from netbootd.event import (
    EntrySelected,
    Event,
    FileMissing,
    ImageSelected,
    ImagesListed,
    PxeEvent,
    TransferFinished,
    TransferProgressed,
    TransferStarted,
)
from netbootd.transfer import Outcome, Transfer

MAX_MACHINES = 4096
"""Machines remembered; the one unseen for longest goes. 3,000 Macs and their mistakes fit; at 64
events of about 300 bytes the table can grow to 80 MB only if all of them boot 10 times."""
MAX_EVENTS = 64
"""Events kept per machine: about five boots (a boot is LIST, LIST, SELECT, six transfers)."""
MAX_BACKLOG = 1024
"""Events a subscriber may lag behind before it loses the oldest."""


@dataclass(slots=True, eq=False)
class Machine:
    """What is known of one machine. Times are aware UTC."""

    key: str
    address: str
    first_seen: datetime
    last_seen: datetime
    architecture: str = ""
    system_id: str = ""
    image: str = ""
    """Name of the image it selected last."""
    root_image_bytes: int = 0
    """Bytes of root disk image read since the last selection."""
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))


class Subscription:
    """A listener's own bounded backlog: `async for event in subscription`.

    When it lags more than `MAX_BACKLOG` events behind, the oldest are lost and counted in `lost`.
    """

    def __init__(self, timeline: Timeline, backlog: int) -> None:
        self._timeline = timeline
        self._pending: deque[Event] = deque(maxlen=backlog)
        self._waiting: Deferred[None] | None = None
        self._closed = False
        self.lost = 0

    def _push(self, event: Event) -> None:
        if len(self._pending) == self._pending.maxlen:
            self.lost += 1
        self._pending.append(event)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def close(self) -> None:
        """No more events; a pending `async for` ends after the backlog."""
        self._closed = True
        self._timeline._subscriptions.discard(self)
        self._wake()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            self._waiting = Deferred()
            await self._waiting
        return self._pending.popleft()


class _About(TypedDict):
    """What every event of a transfer tells."""

    at: datetime
    machine: str
    address: str
    service: str
    name: str
    role: str
    size: int


class Timeline:
    """The machines, newest seen last, and their events. Implements `TransferObserver`."""

    def __init__(self, utcnow: Callable[[], datetime], *, max_machines: int = MAX_MACHINES) -> None:
        self._utcnow = utcnow
        self._max_machines = max_machines
        self._machines: OrderedDict[str, Machine] = OrderedDict()
        self._key_by_address: dict[str, str] = {}
        self._subscriptions: set[Subscription] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._counted: dict[Transfer, int] = {}
        """Bytes of each root image under way that its machine has been credited with."""

    def now(self) -> datetime:
        """The moment to stamp on an event."""
        return self._utcnow()

    def machines(self) -> tuple[Machine, ...]:
        """All machines known, least recently seen first."""
        return tuple(self._machines.values())

    def machine(self, key: str) -> Machine | None:
        return self._machines.get(key)

    def key_for(self, address: str) -> str:
        """The machine that was last seen at `address`, or the address itself."""
        return self._key_by_address.get(address, address)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on, at once."""
        self._listeners.append(listener)

    def ignore(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` no more. It may say so itself while it is called."""
        self._listeners = [one for one in self._listeners if one != listener]

    def subscribe(self, *, backlog: int = MAX_BACKLOG) -> Subscription:
        """An own, bounded view of the events from now on; close it when done."""
        subscription = Subscription(self, backlog)
        self._subscriptions.add(subscription)
        return subscription

    def record(self, event: Event) -> None:
        """Add `event` to its machine's timeline and tell everybody."""
        machine = self._seen(event)
        if isinstance(event, TransferProgressed):
            self._replace_progress(machine, event)
        elif isinstance(event, TransferFinished) and event.outcome is Outcome.PROBE:
            self._leave_out(machine, event)
        else:
            machine.events.append(event)
        self._learn(machine, event)
        for subscription in tuple(self._subscriptions):
            subscription._push(event)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _log.failure("A timeline listener failed")

    def _seen(self, event: Event) -> Machine:
        machine = self._machines.get(event.machine)
        if machine is None:
            machine = Machine(
                key=event.machine,
                address=event.address,
                first_seen=event.at,
                last_seen=event.at,
            )
            self._machines[event.machine] = machine
            if len(self._machines) > self._max_machines:
                _, gone = self._machines.popitem(last=False)
                self._leave(gone)
        else:
            self._machines.move_to_end(event.machine)
        machine.last_seen = event.at
        self._move_to(machine, event.address)
        return machine

    def _move_to(self, machine: Machine, address: str) -> None:
        if address == "0.0.0.0":  # noqa: S104 - no address yet
            return
        if machine.address != address:
            self._leave(machine)
            machine.address = address
        if machine.key != address:
            self._key_by_address[address] = machine.key

    def _leave(self, machine: Machine) -> None:
        """`machine` is not at its address any more, which may be another's by now."""
        if self._key_by_address.get(machine.address) == machine.key:
            del self._key_by_address[machine.address]

    @staticmethod
    def _replace_progress(machine: Machine, event: TransferProgressed) -> None:
        """Only the latest progress of a file stays: a root image would push out all the rest."""
        for past in reversed(machine.events):
            if isinstance(past, TransferProgressed) and past.name == event.name:
                machine.events.remove(past)
                break
            if isinstance(past, TransferStarted) and past.name == event.name:
                break  # what is older belongs to an earlier boot
        machine.events.append(event)

    @staticmethod
    def _leave_out(machine: Machine, probe: TransferFinished) -> None:
        """A question for the size is no transfer: the one that follows is all of the story."""
        for past in reversed(machine.events):
            if isinstance(past, TransferStarted) and past.name == probe.name:
                machine.events.remove(past)
                return

    @staticmethod
    def _learn(machine: Machine, event: Event) -> None:
        match event:
            case ImagesListed():
                machine.architecture = event.architecture
                machine.system_id = event.system_id
            case ImageSelected():
                machine.architecture = event.architecture
                machine.system_id = event.system_id
                machine.image = event.image
                machine.root_image_bytes = 0
            case PxeEvent():
                machine.architecture = event.platform
            case EntrySelected():
                machine.architecture = event.platform
                machine.image = event.title
                machine.root_image_bytes = 0
            case _:
                pass

    # What the file services tell (TransferObserver).

    def started(self, transfer: Transfer) -> None:
        self.record(TransferStarted(**self._about(transfer)))

    def progressed(self, transfer: Transfer) -> None:
        self.record(TransferProgressed(**self._about(transfer), sent=transfer.sent))
        self._count(transfer)

    def finished(self, transfer: Transfer) -> None:
        assert transfer.outcome is not None  # noqa: S101 - the services set it before they tell
        self.record(
            TransferFinished(
                **self._about(transfer),
                sent=transfer.sent,
                outcome=transfer.outcome,
                seconds=transfer.ended_at - transfer.started_at,
            )
        )
        self._count(transfer)

    def _about(self, transfer: Transfer) -> _About:
        return _About(
            at=self.now(),
            machine=self.key_for(transfer.peer),
            address=transfer.peer,
            service=transfer.service,
            name=transfer.name,
            role=transfer.role,
            size=transfer.size,
        )

    def _count(self, transfer: Transfer) -> None:
        """Credit the machine with what it has read since the last time: a Mac that runs from its
        root image keeps one connection for hours."""
        if transfer.role != "root_image":
            return
        machine = self._machines[self.key_for(transfer.peer)]
        machine.root_image_bytes += transfer.sent - self._counted.pop(transfer, 0)
        if transfer.outcome is None:
            self._counted[transfer] = transfer.sent

    def missing(self, service: str, peer: str, name: str, why: str) -> None:
        """A file was asked for that is not published."""
        self.record(
            FileMissing(
                at=self.now(),
                machine=self.key_for(peer),
                address=peer,
                service=service,
                name=name,
                why=why,
            )
        )


_log = Logger()
