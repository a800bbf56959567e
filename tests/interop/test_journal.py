"""systemd's own journal takes our entries, and finds them by their fields."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.peer import need_namespaces, peer, peer_file

pytestmark = pytest.mark.interop

JOURNALD = "/lib/systemd/systemd-journald"

HOST = f"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
echo 0123456789abcdef0123456789abcdef > /run/machine-id
mount --bind /run/machine-id /etc/machine-id
{JOURNALD} &
journal=$!
trap 'kill $journal; wait $journal' EXIT
until [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
"$1" -c "$2"
journalctl --directory /run/log/journal --sync || true
until journalctl --directory /run/log/journal --quiet NETBOOTD_LOGGER=the.end | grep -q .; do
    sleep 0.05
done
journalctl --directory /run/log/journal --no-pager --output cat \
    SYSLOG_IDENTIFIER=netbootd NETBOOTD_MACHINE=a8:20:66:01:02:03 PRIORITY=4
journalctl --directory /run/log/journal --no-pager --output json --all NETBOOTD_LOGGER=long | wc -c
"""
"""A computer's journal in a mount namespace of its own; $2 is what a daemon does."""

DAEMON = """
from twisted.logger import LogLevel
from ops.log_journal import Journal

journal = Journal("netbootd")
for logger, text, more in (
    ("netbootd.boot", "for {machine}", {"machine": "a8:20:66:01:02:03"}),
    ("netbootd.boot", "for {machine}", {"machine": "a8:20:66:01:02:04"}),
    ("long", "{data}", {"data": "x" * 500_000}),
    ("the.end", "end", {}),
):
    journal(
        {"log_format": text, "log_level": LogLevel.warn, "log_namespace": logger, **more}
    )
journal.close()
"""


def test_entries_are_found_by_their_fields() -> None:
    """By the machine that they are about; one of 500,000 characters is there, too."""
    need_namespaces()
    peer("journalctl")
    peer_file(JOURNALD)

    done = subprocess.run(
        [peer("unshare"), "--mount", "sh", "-c", HOST, "sh", sys.executable, DAEMON],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found, length = done.stdout.splitlines()
    assert found == "for a8:20:66:01:02:03"
    assert int(length) > 500_000
