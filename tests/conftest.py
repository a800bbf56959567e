"""What every test has in common: it leaves no trace in the checkout."""

from __future__ import annotations

import pytest
from twisted.trial.unittest import SynchronousTestCase


@pytest.fixture(autouse=True)
def trial_mktemp(request: pytest.FixtureRequest) -> None:
    """Trial's `mktemp` uses the working directory: its tests get one of their own."""
    if request.cls is not None and issubclass(request.cls, SynchronousTestCase):
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(folder)
