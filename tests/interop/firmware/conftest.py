"""Fixtures of the tests in which firmware boots."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.interop.firmware.deployment import DHCP, PXE, Deployment
from tests.interop.firmware.linux import Linux, make_linux
from tests.interop.lab import Lab


@pytest.fixture(scope="session")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Linux:
    """Debian's kernel and our initrd."""
    return make_linux(tmp_path_factory.mktemp("linux"))


@pytest.fixture
def lay_out(lab: Lab, linux: Linux) -> Callable[[str], Deployment]:
    """netbootd alone on a network, with settings of the test's own; not yet running."""
    return functools.partial(Deployment.laid_out, lab, linux)


@pytest.fixture
def deployment(lay_out: Callable[[str], Deployment]) -> Deployment:
    """netbootd alone on a network, running, with one boot entry."""
    deployment = lay_out(DHCP + PXE)
    deployment.daemon.start()
    return deployment
