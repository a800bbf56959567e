"""The demonstration: what it counts, and that it ends with everything it began."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from twisted.trial.unittest import TestCase

from ops import child
from ops.stage import StageFailed, Unwatched
from pushd import demo as module
from pushd.demo import Demo, judged
from pushd.testing import Conduct


class TestVerdict:
    def test_each_once(self) -> None:
        """The best that there is."""
        verdict = judged(["a", "b"], {"a": 1, "b": 1}, {"a": 1}, 0.5)

        assert str(verdict) == "2 accepted, none lost, none twice; 4 pushes/s"

    def test_answers_that_were_lost(self) -> None:
        """A push is sent again if the daemon died before it had the answer on disk."""
        verdict = judged(["a", "b"], {"a": 2, "b": 1}, {"b": 1}, 1.0)

        assert str(verdict) == "2 accepted, none lost, 1 sent again for lost answers; 2 pushes/s"

    def test_one_that_is_lost(self) -> None:
        """It is a failure."""
        with pytest.raises(StageFailed, match="1 pushes lost, 0 sent twice without need"):
            judged(["a", "b"], {"a": 1}, {}, 1.0)

    def test_one_that_was_sent_twice(self) -> None:
        """So is a push that was sent again although its answer was on disk."""
        with pytest.raises(StageFailed, match="0 pushes lost, 1 sent twice without need"):
            judged(["a"], {"a": 2}, {"a": 1}, 1.0)


class Notes(Unwatched):
    """What was said between the stages."""

    def __init__(self) -> None:
        self.noted_: list[str] = []

    def noted(self, what: str) -> None:
        self.noted_.append(what)


class DemoTests(TestCase):
    timeout = 100

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.notes = Notes()
        self.patch(module, "BATCH", 100)
        self.demo = Demo(self.reactor, self.folder, self.notes, Random(1))

    async def test_all_of_it(self) -> None:
        """Both accidents happen, and no push is lost."""
        verdict = await self.demo.run(1000)

        self.assertTrue(verdict.startswith("1000 accepted, none lost, "), verdict)
        goaway, kill = self.notes.noted_
        self.assertIn("GOAWAY", goaway)
        self.assertIn("kill -9, with ", kill)

    async def test_a_daemon_that_does_not_start(self) -> None:
        """The demonstration ends with the daemon's own words."""
        self.patch(child, "RUN_TWISTD", "import sys; sys.exit('pushd: no luck')")

        with pytest.raises(StageFailed, match=r"^daemon: it ended: pushd: no luck$"):
            await self.demo.run(1000)

    async def test_pushes_that_do_not_arrive(self) -> None:
        """They are not waited for for ever, and the daemon is not left behind."""
        self.patch(module, "PATIENCE", 1.0)
        self.demo._simulator.conduct = Conduct(tls="close")

        with pytest.raises(StageFailed, match=r"^pushes: .* accepted after 1 s: "):
            await self.demo.run(1000)

        self.assertTrue(self.demo._daemon.ended.called)
        self.assertFalse(os.path.exists(self.folder / "twistd.pid"))
