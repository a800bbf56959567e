"""The leases: in memory to answer from, on disk before anybody is told of them.

    Acknowledge ─▶ acknowledge() ─▶ store ─▶ committed ─▶ the ACK may leave
                                       └──▶ refused   ─▶ as if nobody had asked, no ACK

What is not on disk is never acknowledged, so whoever was told that an address is its own finds it
so after any crash, and nobody else is told the same. A RELEASE or a conflict is written, too, but
nothing waits for it: were it lost, the address would only stay taken for longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Self

from twisted.logger import Logger

from netbootd.statement import FORGET_LEASE, LOAD_LEASES, SAVE_LEASE
from ops.counter import Counters
from ops.database import StoreError
from ops.store import Store
from protocols.dhcp.server.lease import Lease, LeaseState, LeaseTable

PRUNED_AT_ONCE: Final = 1000
"""Ended leases forgotten in one go: a tenth of what the store takes, so that ACKs have room."""

_NAMES: Final = {state: state.value for state in LeaseState}
_STATES: Final = {state.value: state for state in LeaseState}

Done = Callable[[StoreError | None], object]


class Leases:
    """The lease table and its copy on disk. Reactor thread only."""

    def __init__(self, store: Store, table: LeaseTable, counters: Counters) -> None:
        """Call `load_thd` before use."""
        self.table = table
        self._store = store
        self._failing = False
        self._unstored = counters.counter(
            "netbootd_dhcp_unstored_leases_total", "Leases and releases that could not be stored."
        )

    def load_thd(self) -> Self:
        """Read what is on disk. Blocks; call it once the store is open. Raises StoreError."""
        self.table.load(leases_of(self._store.each_thd(LOAD_LEASES)))
        return self

    def acknowledge(self, lease: Lease, done: Done) -> None:
        """Store `lease`, which is pending in the table; then it is committed there, or abandoned,
        and `done` is told None or the error."""
        settled = partial(self._settled, lease, done)
        try:
            self._store.submit(SAVE_LEASE, row_of(lease), settled)
        except StoreError as error:
            settled(error)

    def _settled(self, lease: Lease, done: Done, error: StoreError | None) -> None:
        if error is None:
            self.table.commit(lease)
            if self._failing:
                self._succeeded()
        else:
            self.table.abandon(lease)
            self._failed(error)
        done(error)

    def record(self, lease: Lease) -> None:
        """Store a lease that was released or declined. No answer depends on it."""
        self._submit(SAVE_LEASE, row_of(lease))

    def prune(self, before: int) -> int:
        """Forget leases that ended before `before`, unix seconds; tells how many."""
        addresses = self.table.prune(before, PRUNED_AT_ONCE)
        for address in addresses:
            self._submit(FORGET_LEASE, {"address": address})
        return len(addresses)

    def _submit(self, statement: str, parameters: dict[str, int | str]) -> None:
        def settled(error: StoreError | None) -> None:
            if error is not None:
                self._failed(error)

        try:
            self._store.submit(statement, parameters, settled)
        except StoreError as error:
            settled(error)

    def _failed(self, error: StoreError) -> None:
        """Tell the first of a row of failures; the others are counted."""
        self._unstored.inc()
        if not self._failing:
            self._failing = True
            _log.error("Leases cannot be stored, so none is acknowledged: {why}", why=error)

    def _succeeded(self) -> None:
        self._failing = False
        _log.info("Leases are stored again")


def row_of(lease: Lease) -> dict[str, int | str]:
    """As the store keeps it."""
    address, client, hardware, state, starts, ends, host_name, circuit_id, remote_id = lease
    return {
        "address": address,
        "client": client.hex(),
        "hardware": hardware.hex(":"),
        "state": _NAMES[state],
        "starts": starts,
        "ends": ends,
        "host_name": host_name,
        "circuit_id": circuit_id.hex(),
        "remote_id": remote_id.hex(),
    }


def leases_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[Lease]:
    """The leases in the rows of LOAD_LEASES. Raises StoreError for one that makes no sense."""
    from_hex = bytes.fromhex
    for address, client, hardware, state, starts, ends, host_name, circuit_id, remote_id in rows:
        try:
            yield Lease(
                address,
                from_hex(client),
                from_hex(hardware.replace(":", "")),
                _STATES[state],
                starts,
                ends,
                host_name,
                from_hex(circuit_id),
                from_hex(remote_id),
            )
        except (ValueError, KeyError) as error:
            problem = f"lease {address!r} in the database makes no sense ({error})"
            raise StoreError(problem, "correct or delete its row in the table `leases`") from error


_log = Logger()
