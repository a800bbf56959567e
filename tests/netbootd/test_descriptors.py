"""The limit on open files and sockets."""

from __future__ import annotations

from netbootd.config import Config, HttpSettings, TftpSettings
from netbootd.descriptors import descriptors_for
from ops.descriptor import SPARE


def test_what_the_limits_add_up_to() -> None:
    """Each transfer and each connection is counted, of the services that are enabled."""
    tftp, http = TftpSettings(max_transfers=10), HttpSettings(max_connections=100)
    without = TftpSettings(enabled=False, max_transfers=10)

    assert descriptors_for(Config(tftp=tftp, http=http)) == 10 * 3 + 100 * 2 + SPARE
    assert descriptors_for(Config(tftp=without, http=http)) == 100 * 2 + SPARE
