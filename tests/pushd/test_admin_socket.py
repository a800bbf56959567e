"""The admin API of a daemon in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.cli import Failed
from pushd.admin.client import admin_client
from pushd.testing.background import simulator_in_background
from tests.pushd.daemon import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with simulator_in_background() as apple:
        yield Site(tmp_path, apple)


def test_killed_and_started_again(site: Site) -> None:
    """After kill -9 the socket is left behind, and nobody answers; the next daemon has it."""
    file = site.folder / "pushd.toml"
    with site.daemon() as daemon:
        client = admin_client(file)
        first = client.get("/v1/status")["pid"]
        daemon.kill()
        left = (site.folder / "state/admin.sock").exists()

        with pytest.raises(Failed, match="pushd does not run"):
            client.get("/v1/status")

    with site.daemon():
        second = client.get("/v1/status")["pid"]

    assert left
    assert first != second


def test_stopped(site: Site) -> None:
    """A daemon that is ended takes its socket with it."""
    with site.daemon() as daemon:
        there = (site.folder / "state/admin.sock").exists()

        daemon.stop()

        assert there
        assert not (site.folder / "state/admin.sock").exists()
