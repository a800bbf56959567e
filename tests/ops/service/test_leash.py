"""netbootd as the child of a parent that stops it without a signal, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ops.service.leash import LEASH

PATIENCE = 60
CONFIG = """\
network.addresses = ["127.0.0.0/8"]
bsdp.port = 0
tftp.port = 0
http.port = 0
state.directory = "state"
"""


def test_the_end_of_standard_input_stops_the_daemon(tmp_path: Path) -> None:
    """It ends in order, as at a signal: with exit status 0 and its last line in the log."""
    (tmp_path / "images").mkdir()
    (tmp_path / "netbootd.toml").write_text(CONFIG)
    twistd = Path(sys.executable).with_name("twistd")
    command = [twistd, "--nodaemon", "--pidfile=", "netbootd", "--config", "netbootd.toml"]
    child = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={LEASH: "1"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    for line in child.stdout:
        if "is ready" in line:
            break

    child.stdin.close()
    rest = child.stdout.read()
    child.stdout.close()

    assert child.wait(PATIENCE) == 0
    assert "netbootd has stopped" in rest
