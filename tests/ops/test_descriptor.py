"""The limit on open files and sockets."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="this system has no such limit")


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed"),
    [(64, 256, 128, 128), (64, 100, 128, 100), (200, 256, 128, 200)],
)
def test_raised(soft: int, hard: int, wanted: int, allowed: int) -> None:
    """The limit is raised as far as the system lets us, and never lowered."""
    program = (
        "import resource as r\n"
        "from ops.descriptor import allow_descriptors\n"
        f"r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"assert allow_descriptors({wanted}) == min({wanted}, {allowed})\n"
        f"assert r.getrlimit(r.RLIMIT_NOFILE) == ({allowed}, {hard})\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
