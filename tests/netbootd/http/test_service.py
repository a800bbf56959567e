"""The HTTP service: binding, starting, stopping."""

from __future__ import annotations

import errno
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from netbootd.http.service import HttpService
from tests.netbootd.http.client import ask, connect, get
from tests.netbootd.http.served import in_thread
from tests.netbootd.http.site import Place


class ServiceTests(TestCase):
    """Binding and stopping."""

    def setUp(self) -> None:
        self.place = Place(Path(self.mktemp()))

    def service(self, *addresses: str, port: int = 0) -> HttpService:
        service = HttpService(
            reactor,  # type: ignore[arg-type]
            Clock(),
            self.place.site,
            addresses=addresses,
            port=port,
        )
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    async def test_start_stop_start(self) -> None:
        """A service that was stopped can be started again."""
        service = self.service("127.0.0.1")
        for _ in range(2):
            service.privilegedStartService()
            service.startService()
            (answer,) = await in_thread(ask, service.bound[0], [get()])
            assert answer.body == b"the root image"
            address = service.bound[0]
            service.stopService()
            with self.assertRaises(ConnectionRefusedError):
                connect(address)

    def test_several_addresses(self) -> None:
        """Each address has its own socket, and no other address is served."""
        service = self.service("127.0.0.1", "127.0.0.2")

        service.privilegedStartService()

        assert [address for address, _ in service.bound] == ["127.0.0.1", "127.0.0.2"]
        service.startService()

    def test_address_in_use(self) -> None:
        """An address in use is an OSError, and no other address stays bound."""
        first = self.service("127.0.0.2")
        first.privilegedStartService()
        first.startService()
        port = first.bound[0][1]
        second = self.service("127.0.0.1", "127.0.0.2", port=port)

        with self.assertRaises(OSError) as raised:
            second.privilegedStartService()

        assert raised.exception.errno == errno.EADDRINUSE
        assert second.bound == []
        with self.assertRaises(ConnectionRefusedError):
            connect(("127.0.0.1", port))
