"""Which machine selected which image: in memory to answer from, on disk to outlast us.

    SELECT ─▶ bind() ─▶ store ─▶ committed ─▶ lookup() knows it ─▶ ACK[SELECT] may leave

Reading is a look into a dict, so the packet path may. What is not on disk is never looked up, so a
machine that was told "selected" finds its image again after any crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, Self

from twisted.internet.defer import Deferred, fail

from netbootd.statement import FORGET_MACHINE, LOAD_MACHINES, SAVE_MACHINE
from ops.counter import Counters
from ops.database import StoreError
from ops.store import Store
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.outcome import Bind, Binding
from protocols.errors import EncodeError

MAX_MACHINES = 32_768
"""Machines that may be bound. A machine takes about 0.8 kB of memory, so 26 MiB in all; and at this
number the priority that we announce, which counts down from 32768, has reached 0."""

MAX_TEXT = 255
"""Characters of architecture and model that are kept; one DHCP option holds no more."""


class TableFull(Exception):
    """`MAX_MACHINES` machines are bound already; this one was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is known of a machine that selected an image."""

    mac: bytes
    binding: Binding
    architecture: str
    system_id: str
    address: IPv4Address
    """The last one that it used or asked for."""
    selected_at: datetime
    """Aware, UTC."""


class Bindings:
    """The bound machines. Reactor thread only."""

    def __init__(self, store: Store, *, now: Callable[[], datetime], counters: Counters) -> None:
        """`now` gives aware UTC. Call `load_thd` before use."""
        self._store = store
        self._now = now
        self._machines: dict[bytes, Machine] = {}
        self._arriving = 0  # machines on their way to disk for the first time
        self._next_number = 1
        self.version = 0
        """Changes whenever `lookup` or `count` would answer differently."""
        self._refused = counters.counter(
            "netbootd_bsdp_refused_bindings_total", "Selections refused because the table is full."
        )

    def load_thd(self) -> Self:
        """Read what is on disk. Blocks; call it once the store is open. Raises StoreError."""
        machines = [_machine(row) for row in self._store.read_thd(LOAD_MACHINES)]
        self._machines = {machine.mac: machine for machine in machines}
        # As Apple's server starts (bsdpd.c:736).
        self._next_number = 1 + max((m.binding.number for m in machines), default=0)
        self.version += 1
        return self

    @property
    def count(self) -> int:
        """Machines that are bound."""
        return len(self._machines)

    @property
    def next_number(self) -> int:
        """The number that the next new machine gets. Never given twice while we run."""
        return self._next_number

    def lookup(self, mac: bytes) -> Binding | None:
        """What the machine selected here, if it did."""
        machine = self._machines.get(mac)
        return None if machine is None else machine.binding

    def machine(self, mac: bytes) -> Machine | None:
        """All that is known of a bound machine."""
        return self._machines.get(mac)

    def bind(self, effect: Bind, *, class_id: ClassId) -> Deferred[None]:
        """Fires when the selection is on disk, and `lookup` knows it.

        Fails with TableFull, or with StoreError if it could not be stored; then nothing changed.
        """
        is_new = effect.mac not in self._machines
        if is_new and len(self._machines) + self._arriving >= MAX_MACHINES:
            self._refused.inc()
            return fail(TableFull(f"{MAX_MACHINES} machines have selected an image already"))
        machine = Machine(
            mac=effect.mac,
            binding=effect.binding,
            architecture=_kept(class_id.arch),
            system_id=_kept(class_id.system_id),
            address=effect.address,
            selected_at=self._now(),
        )
        self._next_number = max(self._next_number, 1 + effect.binding.number)
        self._arriving += is_new

        def settle(result: Any) -> Any:
            self._arriving -= is_new
            return result

        def remember(_: None) -> None:
            self._machines[machine.mac] = machine
            self.version += 1

        return self._save(machine).addBoth(settle).addCallback(remember)

    def unbind(self, mac: bytes) -> Deferred[None]:
        """Forget a machine. Fires when disk and memory have; fails with StoreError."""

        def forget(_: None) -> None:
            if self._machines.pop(mac, None) is not None:
                self.version += 1

        return self._store.write(FORGET_MACHINE, mac=mac.hex(":")).addCallback(forget)

    def moved(self, mac: bytes, address: IPv4Address) -> None:
        """Note a bound machine's new address. Best effort: no answer depends on it."""
        machine = self._machines.get(mac)
        if machine is None or machine.address == address:
            return
        self._machines[mac] = machine = replace(machine, address=address)
        self._save(machine).addErrback(_already_counted)

    def _save(self, machine: Machine) -> Deferred[None]:
        return self._store.write(
            SAVE_MACHINE,
            mac=machine.mac.hex(":"),
            number=machine.binding.number,
            machine_name=machine.binding.machine_name,
            image_id=int(machine.binding.image_id),
            architecture=machine.architecture,
            system_id=machine.system_id,
            address=str(machine.address),
            selected_at=int(machine.selected_at.timestamp()),
        )


def _already_counted(failure: Any) -> None:
    """The store has counted, and told, what it could not write."""
    failure.trap(StoreError)


def _kept(text: str) -> str:
    """A text of the peer's as a database takes it; bytes that are not UTF-8 become `\\xff`."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return clean.replace("\0", "\\x00")[:MAX_TEXT]


def _machine(row: tuple[Any, ...]) -> Machine:
    mac, number, machine_name, image_id, architecture, system_id, address, selected_at = row
    try:
        return Machine(
            mac=bytes.fromhex(mac.replace(":", "")),
            binding=Binding(
                image_id=BootImageId(image_id), number=number, machine_name=machine_name
            ),
            architecture=architecture,
            system_id=system_id,
            address=IPv4Address(address),
            selected_at=datetime.fromtimestamp(selected_at, UTC),
        )
    except (ValueError, OverflowError, EncodeError) as error:
        problem = f"machine {mac!r} in the database makes no sense ({error})"
        raise StoreError(problem, "correct or delete its row in the table `machines`") from error
