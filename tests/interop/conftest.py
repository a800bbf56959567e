"""Fixtures of the tests that run real peers in network namespaces."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.lab import Lab, sweep


@pytest.fixture(scope="session", autouse=True)
def swept() -> None:
    """What a killed run left behind is gone before the first test of this one."""
    if sys.platform == "linux" and os.geteuid() == 0:
        sweep()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty network; what the test puts into it is gone when the test is over."""
    with Lab(tmp_path) as lab:
        yield lab
