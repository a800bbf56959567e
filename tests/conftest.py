"""What every test has in common: the same terminal everywhere, and no trace in the checkout."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from twisted.trial.unittest import SynchronousTestCase


@pytest.fixture(autouse=True)
def trial_mktemp(request: pytest.FixtureRequest) -> None:
    """Trial's `mktemp` uses the working directory: its tests get one of their own."""
    if request.cls is not None and issubclass(request.cls, SynchronousTestCase):
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(folder)


@pytest.fixture(scope="session", autouse=True)
def terminal() -> Iterator[None]:
    """What a test sees of a terminal does not depend on who started it, nor from where."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell starts background jobs so, and every program started here would inherit it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
