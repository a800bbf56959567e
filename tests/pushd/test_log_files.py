"""pushd's own log files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.testing.background import Background, simulator_in_background
from tests.pushd.daemon import TWISTD, Api, Site, device, wait_until


@pytest.fixture
def apple() -> Iterator[Background]:
    with simulator_in_background() as background:
        yield background


def test_requests_have_a_file_of_their_own(tmp_path: Path, apple: Background) -> None:
    """Each request is in access.log, with the last digits of a device token; the daemon's news are
    in pushd.log."""
    site = Site(tmp_path, apple)
    site.add("log", 'destination = "file"\ndirectory = "log"')
    site.add("api", "access_log = true")
    own, access = tmp_path / "log/pushd.log", tmp_path / "log/access.log"

    with subprocess.Popen(
        [*TWISTD, "pushd", "--config", str(site.write())], cwd=tmp_path
    ) as process:
        try:
            wait_until(lambda: own.exists() and "is ready: API" in own.read_text())
            (port,) = re.findall(r"is ready: API (\d+)", own.read_text())
            headers = {"apns_topic": "com.example.app", "apns_push_type": "alert"}
            Api(int(port), site.authority.pem.decode()).ask(
                "POST", f"/3/device/{device(0xABCDEF)}", b'{"aps":{}}', **headers
            )
            wait_until(lambda: "POST" in access.read_text())
        finally:
            process.terminate()

    (line,) = access.read_text().splitlines()
    assert line.endswith("info  pushd.api.access_log  127.0.0.1 POST /3/device/…abcdef 200")
    assert "pushd has stopped" in own.read_text()
    assert "POST" not in own.read_text()
