"""The history: what is kept of boots, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netbootd.boot import QUIET, Boot, BootOutcome
from netbootd.config import HistorySettings
from netbootd.event import TransferFinished, TransferStarted
from netbootd.history import LOOK, PRUNE, History, boots_of, row_of
from netbootd.schema import BOOTS
from netbootd.statement import (
    COUNT_BOOTS,
    LAST_BOOTS,
    NEWEST_BOOTS,
    SCHEMA,
)
from netbootd.timeline import Timeline
from netbootd.transfer import Outcome
from ops.database import Database, StoreError
from ops.setting import Duration
from tests.netbootd.temporary import folder

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
MAC = "a8:20:66:01:02:03"
ABOUT = {"machine": MAC, "address": "10.0.0.50", "service": "tftp", "name": "a/kernel"}


class Disk:
    """A store that writes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refuses = False

    def submit(self, statement: str, parameters: dict[str, Any], done: Any) -> None:
        if self.refuses:
            raise StoreError("the queue is full", "ask again later")
        (outcome,) = self._database.write_thd([(statement, parameters)])
        assert outcome is None
        done(outcome)

    def read_thd(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._database.read_thd(statement, parameters)


class HistoryTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.database = Database(folder(self) / "netbootd.sqlite", SCHEMA)
        self.database.open_thd()
        self.addCleanup(self.database.close_thd)
        self.clock = Clock()
        self.disk = Disk(self.database)

    def history(self, **settings: Any) -> tuple[History, Timeline]:
        timeline = Timeline(lambda: START + timedelta(seconds=self.clock.seconds()))
        history = History(
            HistorySettings(**settings),
            store=cast("Any", self.disk),
            timeline=timeline,
            clock=self.clock,
        )
        history.load_thd()
        history.startService()
        return history, timeline

    def boot(self, timeline: Timeline, machine: str = MAC) -> None:
        about: dict[str, Any] = {**ABOUT, "machine": machine, "role": "kernel", "size": 9}
        timeline.record(TransferStarted(at=timeline.now(), **about))
        done: dict[str, Any] = {"sent": 9, "outcome": Outcome.COMPLETE, "seconds": 0.1}
        timeline.record(TransferFinished(at=timeline.now(), **about, **done))

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([LOOK] * int(seconds / LOOK + 1))

    def kept(self) -> list[Boot]:
        return list(boots_of(self.database.read_thd(NEWEST_BOOTS, {"most": 1000})))

    def test_kept(self) -> None:
        """A boot that has gone quiet is in the database, whole."""
        history, timeline = self.history()

        self.boot(timeline)
        assert self.kept() == []
        self.pass_time(QUIET.total_seconds())

        (boot,) = self.kept()
        assert (boot.number, boot.machine, boot.size) == (1, MAC, 9)
        assert boot.outcome == BootOutcome.BOOTED
        assert boot.stages[0].began == boot.began
        assert history.boots.under_way() == ()

    def test_stop(self) -> None:
        """A stop ends what is under way, and a start goes on counting."""
        for _ in range(2):
            history, timeline = self.history()
            self.boot(timeline)
            history.stopService()

        assert [boot.number for boot in self.kept()] == [2, 1]

    def test_number(self) -> None:
        """No more boots are kept than the settings say: the newest."""
        _, timeline = self.history(boots=2)

        for number in range(4):
            self.boot(timeline, f"00:00:00:00:00:0{number}")
        self.pass_time(QUIET.total_seconds() + 2 * PRUNE * LOOK)

        assert [boot.number for boot in self.kept()] == [4, 3]

    def test_none(self) -> None:
        """Where none are to be kept, none are; who watches is told all the same."""
        history, timeline = self.history(boots=0)
        told: list[str] = []
        unwatch = history.watch(lambda boot: told.append(boot.outcome.value))

        self.boot(timeline)
        self.pass_time(QUIET.total_seconds())
        unwatch()
        self.boot(timeline)

        assert told == ["booting", "booting", "booted"]
        assert self.kept() == []

    def test_age(self) -> None:
        """A boot that is older than the settings say is forgotten."""
        _, timeline = self.history(keep=Duration(3600))

        self.boot(timeline)
        self.pass_time(QUIET.total_seconds())
        assert len(self.kept()) == 1
        self.pass_time(3600 + 2 * PRUNE * LOOK)

        assert self.kept() == []

    def test_full(self) -> None:
        """A store that takes no more costs history, and nothing else."""
        _, timeline = self.history()
        self.disk.refuses = True

        self.boot(timeline)
        self.pass_time(QUIET.total_seconds())

        assert self.kept() == []

    def test_last_of_each(self) -> None:
        """Of each machine the last boot, and how many there were."""
        _, timeline = self.history()
        for machine in (MAC, "00:00:00:00:00:01", MAC):
            self.boot(timeline, machine)
            self.pass_time(QUIET.total_seconds())

        last = [boot.number for boot in boots_of(self.database.read_thd(LAST_BOOTS, {}))]
        counts = dict(self.database.read_thd(COUNT_BOOTS, {}))

        assert last == [2, 3]
        assert counts == {MAC: 2, "00:00:00:00:00:01": 1}


def test_what_peers_say_is_cut() -> None:
    """Texts of machines fit their columns, whatever is in them."""
    boot = Boot(machine=MAC, address="10.0.0.50", began=START, ended=START)
    boot.model, boot.why = "\udcff" + "a" * 1000, "\0" * 1000

    row = row_of(boot)

    for column in BOOTS.columns:
        limit = getattr(column.type, "length", None)
        if limit is not None:
            assert len(str(row[column.name])) <= limit


@pytest.mark.parametrize("stages", ["", "[1]", "[[1]]"])
def test_a_row_that_makes_no_sense(stages: str) -> None:
    """A row that somebody spoilt is named, with its remedy."""
    row = (7, MAC, "10.0.0.50", "", "", "", "", 0, 0, "booted", "", 0, stages)

    with pytest.raises(StoreError, match="boot 7 in the database makes no sense"):
        list(boots_of([row]))
