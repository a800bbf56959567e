"""What the daemon promised it keeps, even if it is killed in the next moment."""

from __future__ import annotations

import signal

import pytest

from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.mac import Mac

pytestmark = pytest.mark.interop


def test_selection_survives_a_kill(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """A daemon killed right after its answer to SELECT knows the machine when it is back."""
    mac.ask(mac.selection(lan.address, sierra.image_id))
    assert daemon.process is not None
    daemon.process.stop(signal.SIGKILL)

    daemon.start()

    offer = mac.ask(mac.discovery())
    assert (offer.kind, offer.sub(8)) == ("offer", sierra.image_id)
    assert mac.list().sub(8) == sierra.image_id
    assert mac.ask(mac.selection(lan.address, sierra.image_id)).sub(130) == b"NetBoot001"


def test_asked_to_end(lan: Lan, daemon: Daemon, mac: Mac) -> None:
    """On SIGTERM the daemon ends in order, and tells its parent that the signal was the reason."""
    mac.list()

    assert daemon.stop() == -signal.SIGTERM  # twistd ends itself by the signal it was sent.

    assert daemon.process is not None
    assert "netbootd has stopped" in daemon.process.output()
    assert "Traceback" not in daemon.process.output()
