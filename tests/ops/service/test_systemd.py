"""systemd, as its commands answer."""

from __future__ import annotations

from collections.abc import Sequence
from subprocess import CompletedProcess

import pytest

from ops.cli import Failed
from ops.service.systemd import Systemd

NO_BUS = """\
System has not been booted with systemd as init system (PID 1). Can't operate.
Failed to connect to bus: Host is down
"""


def test_a_computer_without_systemd() -> None:
    """In a container, for one: what to do instead is told."""

    def run(command: Sequence[str]) -> CompletedProcess[str]:
        return CompletedProcess(command, 1, "", NO_BUS)

    with pytest.raises(Failed, match=r"connect to bus: Host is down; .* start twistd by what is"):
        Systemd(lambda text: None, run=run).status("netbootd")
