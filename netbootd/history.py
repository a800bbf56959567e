"""The boots of all machines: those under way, and in the store those that are over.

    Timeline ──events──▶ Boots ──changed──▶ whoever watches
                           └────over──────▶ store, in its own time

Nothing waits for it: where the store does not take a boot, that boot is forgotten. What is kept is
bounded by number and by age.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from netbootd.boot import Boot, BootOutcome, Boots, Listener, Stage
from netbootd.config import HistorySettings
from netbootd.statement import (
    FORGET_BOOTS_BEFORE,
    FORGET_BOOTS_UP_TO,
    LAST_BOOT,
    SAVE_BOOT,
)
from netbootd.timeline import Timeline
from ops.database import StoreError
from ops.store import Store

LOOK: Final = 5.0
"""Seconds between looks for boots that have gone quiet."""
PRUNE: Final = 720
"""Looks between those for boots that are too old: an hour."""
MAX_TEXT: Final = 255
MAX_WHY: Final = 500


class History(Service):
    """Keeps the boots. Reactor thread only."""

    name = "history"

    def __init__(
        self,
        settings: HistorySettings,
        *,
        store: Store,
        timeline: Timeline,
        clock: IReactorTime,
    ) -> None:
        self._settings = settings
        self._store = store
        self._now = timeline.now
        self._watchers: list[Listener] = []
        self._last = 0
        self._looks = 0
        self.boots = Boots(ended=self._ended, changed=self._changed)
        timeline.listen(self.boots.heard)
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    # What Twisted calls.

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._looks = 0
        self._looking.start(LOOK).addErrback(self._broke)

    def stopService(self) -> None:
        """What is under way is over; the store closes after us."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._looking.running:
            self._looking.stop()
        self.boots.end_all()

    # Our own.

    def load_thd(self) -> None:
        """Read where to go on counting. Blocks; call it once the store is open. Raises
        StoreError."""
        ((last,),) = self._store.read_thd(LAST_BOOT)
        self._last = last or 0

    def watch(self, watcher: Listener) -> Callable[[], None]:
        """Tell `watcher` each boot that goes on or ends, from now on; the result ends that."""
        self._watchers.append(watcher)

        def unwatch() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    @property
    def last(self) -> int:
        """The number of the boot that ended last."""
        return self._last

    def _changed(self, boot: Boot) -> None:
        for watcher in tuple(self._watchers):
            watcher(boot)

    def _ended(self, boot: Boot) -> None:
        if self._settings.boots:
            self._last += 1
            boot.number = self._last
            self._submit(SAVE_BOOT, row_of(boot))
        self._changed(boot)

    def _look(self) -> None:
        self.boots.end_quiet(self._now())
        if self._looks % PRUNE == 0:
            self._prune()
        self._looks += 1

    def _prune(self) -> None:
        oldest = _milliseconds(self._now()) - int(self._settings.keep * 1000)
        self._submit(FORGET_BOOTS_BEFORE, {"ended": oldest})
        self._submit(FORGET_BOOTS_UP_TO, {"number": self._last - self._settings.boots})

    def _submit(self, statement: str, parameters: dict[str, int | str]) -> None:
        try:
            self._store.submit(statement, parameters, lambda error: None)
        except StoreError:  # counted by the store, and told
            return

    def _broke(self, failure: Any) -> None:
        _log.failure("Boots are not ended any more", failure=failure)


def row_of(boot: Boot) -> dict[str, int | str]:
    """`boot` as the store keeps it. Stages are JSON: name, about, seconds from the beginning to its
    own beginning and end, bytes read, size, outcome."""
    stages = [
        [
            stage.name,
            stage.about[:MAX_TEXT],
            _seconds(boot, stage.began),
            None if stage.ended is None else _seconds(boot, stage.ended),
            stage.done,
            stage.size,
            stage.outcome,
        ]
        for stage in boot.stages
    ]
    return {
        "number": boot.number or 0,
        "machine": boot.machine[:MAX_TEXT],
        "address": boot.address,
        "client": boot.client,
        "architecture": _kept(boot.architecture),
        "model": _kept(boot.model),
        "image": _kept(boot.image),
        "began": _milliseconds(boot.began),
        "ended": _milliseconds(boot.ended),
        "outcome": boot.outcome.value,
        "why": _kept(boot.why, MAX_WHY),
        "bytes": boot.size,
        "stages": json.dumps(stages),  # ASCII, so that every database takes it
    }


def boots_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[Boot]:
    """The boots in rows of the table. Raises StoreError for one that makes no sense."""
    for row in rows:
        try:
            yield _boot(row)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            problem = f"boot {row[0]!r} in the database makes no sense ({error})"
            raise StoreError(problem, "delete its row in the table `boots`") from error


def _boot(row: tuple[Any, ...]) -> Boot:
    number, machine, address, client, architecture, model, image, began, ended = row[:9]
    outcome, why, size, stages = row[9:]
    start = began / 1000
    return Boot(
        number=number,
        machine=machine,
        address=address,
        client=client,
        architecture=architecture,
        model=model,
        image=image,
        began=_moment(start),
        ended=_moment(ended / 1000),
        outcome=BootOutcome(outcome),
        why=why,
        size=size,
        stages=[
            Stage(
                name=name,
                about=about,
                began=_moment(start + begins),
                ended=None if ends is None else _moment(start + ends),
                done=done,
                size=of,
                outcome=how,
            )
            for name, about, begins, ends, done, of, how in json.loads(stages)
        ],
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _seconds(boot: Boot, moment: datetime) -> float:
    return round((moment - boot.began).total_seconds(), 3)


def _kept(text: str, limit: int = MAX_TEXT) -> str:
    """A text of the peer's as a database takes it; bytes that are not UTF-8 become `\\xff`."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return clean.replace("\0", "\\x00")[:limit]


_log = Logger()
