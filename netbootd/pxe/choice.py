"""Which boot entry was chosen at a PC to stay: in memory to answer from, on disk to outlast us.

    menu: "the same next time" ─▶ keep() ─▶ store ─▶ committed ─▶ lookup() knows it

As with the images that Macs select (`netbootd.binding`), what is not on disk is never looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Self

from twisted.internet.defer import Deferred, fail

from images.info import parse_mac
from netbootd.statement import FORGET_CHOICE, LOAD_CHOICES, SAVE_CHOICE
from ops.counter import Counters
from ops.database import StoreError
from ops.store import Store

MAX_CHOICES = 32_768
"""Machines whose choice is kept: about 200 bytes each, so 6.5 MiB."""


class TableFull(Exception):
    """`MAX_CHOICES` machines have a choice already; this one has none."""


class Choices:
    """The choices that stay. Reactor thread only."""

    def __init__(self, store: Store, *, now: Callable[[], datetime], counters: Counters) -> None:
        """`now` gives aware UTC. Call `load_thd` before use."""
        self._store = store
        self._now = now
        self._entries: dict[bytes, str] = {}
        self._arriving = 0  # choices on their way to disk for machines that have none
        self._refused = counters.counter(
            "netbootd_pxe_refused_choices_total", "Choices not kept because the table is full."
        )

    def load_thd(self) -> Self:
        """Read what is on disk. Blocks; call it once the store is open. Raises StoreError."""
        self._entries = dict(map(_choice, self._store.read_thd(LOAD_CHOICES)))
        return self

    @property
    def count(self) -> int:
        """Machines with a choice."""
        return len(self._entries)

    def lookup(self, mac: bytes) -> str | None:
        """The name of the entry that was chosen at this machine."""
        return self._entries.get(mac)

    def keep(self, mac: bytes, entry: str) -> Deferred[None]:
        """Fires when the choice is on disk, and `lookup` knows it.

        Fails with TableFull, or with StoreError if it could not be stored; then nothing changed.
        """
        is_new = mac not in self._entries
        if is_new and len(self._entries) + self._arriving >= MAX_CHOICES:
            self._refused.inc()
            return fail(TableFull(f"{MAX_CHOICES} machines have a choice already"))
        self._arriving += is_new

        def settle(result: Any) -> Any:
            self._arriving -= is_new
            return result

        def remember(_: None) -> None:
            self._entries[mac] = entry

        done = self._store.write(
            SAVE_CHOICE, mac=mac.hex(":"), entry=entry, chosen_at=int(self._now().timestamp())
        )
        return done.addBoth(settle).addCallback(remember)

    def forget(self, mac: bytes) -> Deferred[None]:
        """Have the machine asked again. Fires when disk and memory have forgotten; fails with
        StoreError."""

        def forgotten(_: None) -> None:
            self._entries.pop(mac, None)

        return self._store.write(FORGET_CHOICE, mac=mac.hex(":")).addCallback(forgotten)


def _choice(row: tuple[Any, ...]) -> tuple[bytes, str]:
    mac, entry, _ = row
    address = parse_mac(mac)
    if address is None:
        problem = f"the choice of machine {mac!r} in the database makes no sense"
        raise StoreError(problem, "correct or delete its row in the table `choices`")
    return address, entry
