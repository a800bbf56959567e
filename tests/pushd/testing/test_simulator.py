"""The simulator on the reactor of a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pushd.testing import GoAway, KeyPair, Rule, Simulator
from tests.pushd.testing.hand import TOPIC, Answer, Hand


class SimulatorTests(TestCase):
    """Started, asked and stopped."""

    timeout = 30

    def setUp(self) -> None:
        self.simulator = Simulator(reactor)
        self.pair = self.simulator.authority.provider(TOPIC)

    async def tearDown(self) -> None:
        await self.simulator.stop()

    async def push(self, count: int = 1) -> list[Answer]:
        """Pushes by a client in a thread, one after the other."""
        port, trusted = self.simulator.port, self.simulator.authority.pem
        answers: list[Answer] = await deferToThread(
            push_thd, port, trusted, self.pair, Path(self.mktemp()), count
        )
        return answers

    async def test_what_it_saw_is_there(self) -> None:
        """Pushes, sums and connections can be asked for without waiting."""
        await self.simulator.start()

        await self.push(3)
        await self.simulator.until(lambda: not self.simulator.connections)

        said = self.simulator.statistics
        assert (said.accepted, said.connections, said.open_connections) == (3, 1, 0)
        assert [push.connection for push in self.simulator.pushes] == [1, 1, 1]
        assert [push.stream for push in self.simulator.pushes] == [1, 3, 5]

    async def test_the_same_again(self) -> None:
        """It can be stopped and started, and keeps its record."""
        for _ in range(2):
            await self.simulator.start()
            await self.push()
            await self.simulator.stop()

        assert self.simulator.record.accepted == 2

    async def test_stopped_with_a_push_under_way(self) -> None:
        """Stopping cuts what is open."""
        await self.simulator.start()
        self.simulator.rules.add(Rule(latency=60.0))
        pushing = deferToThread(
            push_thd,
            self.simulator.port,
            self.simulator.authority.pem,
            self.pair,
            Path(self.mktemp()),
            1,
        )
        await self.simulator.until(lambda: self.simulator.record.received == 1)

        await self.simulator.stop()

        with pytest.raises(AssertionError, match="ended"):
            await pushing
        assert self.simulator.connections == []

    async def test_a_port_that_is_taken(self) -> None:
        """Is told, as by any endpoint."""
        await self.simulator.start()

        with pytest.raises(CannotListenError):
            await Simulator(reactor).start(self.simulator.port)

    async def test_all_are_sent_away(self) -> None:
        """Shutdown, as of a server that goes down for maintenance."""
        await self.simulator.start()
        self.simulator.rules.add(Rule(latency=0.2))
        pushing = deferToThread(
            push_thd,
            self.simulator.port,
            self.simulator.authority.pem,
            self.pair,
            Path(self.mktemp()),
            1,
        )
        await self.simulator.until(lambda: self.simulator.record.received == 1)

        for connection in self.simulator.connections:
            connection.goaway(GoAway(reason="Shutdown"))
        (answer,) = await pushing

        assert answer.status == 200

    def test_before_it_listens(self) -> None:
        """There is no port yet."""
        with pytest.raises(RuntimeError, match="start"):
            assert self.simulator.port


def push_thd(port: int, trusted: bytes, pair: KeyPair, folder: Path, count: int) -> list[Answer]:
    folder.mkdir()
    with Hand(port, trusted, certificate=pair, folder=folder) as hand:
        return [hand.push() for _ in range(count)]
