"""The demonstration with a daemon that is not what it should be."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import TestCase

from netbootd import demo as module
from netbootd.demo import demo, free_ports
from netbootd.simulate.watch import BootFailed, Unwatched
from ops import child as child_module
from ops.stage import StageFailed
from tests.netbootd.temporary import folder


class DemoTests(TestCase):
    """The demonstration with a real child that is not what it should be."""

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.patch(module, "ROOT_DISK", 1 << 20)
        self.patch(module, "KERNELCACHE", 1 << 16)
        self.children: list[Any] = []
        spawn = self.reactor.spawnProcess

        def spawned(*arguments: Any, **options: Any) -> Any:
            self.children.append(spawn(*arguments, **options))
            return self.children[-1]

        self.patch(self.reactor, "spawnProcess", spawned)

    async def failure(self, program: str) -> str:
        self.patch(child_module, "RUN_TWISTD", program)
        try:
            await demo(self.reactor, folder(self), Unwatched(), Random(1))
        except StageFailed as error:
            return str(error)
        self.fail("it booted")

    async def test_a_daemon_that_does_not_start(self) -> None:
        """The demonstration ends with the daemon's own words."""
        text = await self.failure("import sys; sys.exit('netbootd: no luck')")

        self.assertEqual(text, "daemon: it ended: netbootd: no luck")

    async def test_a_daemon_that_is_never_ready_is_not_left_behind(self) -> None:
        """It is ended before the demonstration is."""
        self.patch(child_module, "START_TIMEOUT", 0.5)

        text = await self.failure("import time; time.sleep(60)")

        self.assertTrue(text.startswith("daemon: it was not ready after "), text)
        (child,) = self.children
        self.assertIsNone(child.pid)

    async def test_a_daemon_that_answers_nothing_is_not_left_behind(self) -> None:
        """When the Mac fails, the daemon is stopped all the same."""

        async def boot(mac: Any) -> None:
            raise BootFailed("LIST", "no server answered")

        self.patch(module.SimulatedMac, "boot", boot)

        text = await self.failure(
            "import time\nprint('netbootd is ready: ', flush=True)\ntime.sleep(60)"
        )

        self.assertEqual(text, "LIST: no server answered")
        (child,) = self.children
        self.assertIsNone(child.pid)


def test_free_ports_are_three() -> None:
    """Each service has a port of its own that can be bound."""
    ports = free_ports()

    assert len({ports.bsdp, ports.tftp}) == 2
    assert all(0 < port < 65536 for port in (ports.bsdp, ports.tftp, ports.http))
