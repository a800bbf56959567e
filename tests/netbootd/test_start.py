"""Why a port could not be bound, in one line with the remedy."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from netbootd.start import bind_error
from ops import start


def told(number: int, service: str = "TFTP", kind: str = "UDP", port: int = 69) -> str:
    return str(bind_error(OSError(number, os.strerror(number)), service, kind, port))


@pytest.mark.skipif(sys.platform != "linux", reason="names a tool of Linux")
def test_in_use() -> None:
    """The operator is told how to find the program that has the port."""
    assert told(errno.EADDRINUSE) == (
        "cannot bind UDP port 69 for TFTP: it is in use; `ss -ulnp 'sport = :69'` names the"
        " program that has it; stop that, or set another port"
    )
    assert "`ss -tlnp 'sport = :80'`" in told(errno.EADDRINUSE, "HTTP", "TCP", 80)


def test_in_use_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """On other systems netstat tells."""
    monkeypatch.setattr(start.sys, "platform", "win32")

    assert "netstat names the program that has it" in told(errno.EADDRINUSE)


def test_port_67_can_be_shared() -> None:
    """A DHCP server on the same computer is no reason to give up."""
    assert told(errno.EADDRINUSE, "BSDP", port=67).endswith(
        ", or set bsdp.share_port = true if that program shares the port, too"
    )
    assert "share_port" not in told(errno.EADDRINUSE)


def test_port_67_of_the_dhcp_server() -> None:
    """Where we lease addresses, whoever has the port does, too, and nothing can be shared."""
    line = told(errno.EADDRINUSE, "DHCP", port=67)

    assert line.endswith("; stop that, or set dhcp.enabled = false and leave the addresses to it")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_not_permitted(number: int) -> None:
    """A privileged port needs root for a moment, and the remedy says how to be rid of it."""
    assert told(number) == (
        "cannot bind UDP port 69 for TFTP: not permitted; ports below 1024 need root or"
        " CAP_NET_BIND_SERVICE; start as root with `user` set in the configuration, and netbootd"
        " gives the privilege up once its ports are bound"
    )
    assert told(number, port=6969).endswith("not permitted; a security policy forbids it")


def test_an_address_that_is_gone() -> None:
    """An address that went between looking and binding is named as such."""
    assert told(errno.EADDRNOTAVAIL, "HTTP", "TCP", 80) == (
        "cannot bind TCP port 80 for HTTP: its address is not on this machine;"
        " check [network] and the interfaces' state"
    )


def test_anything_else_is_told_as_the_system_says_it() -> None:
    """An error that nobody thought of keeps its words."""
    assert told(errno.ENOBUFS) == (
        f"cannot bind UDP port 69 for TFTP: {os.strerror(errno.ENOBUFS)}"
    )
    assert str(bind_error(OSError("odd"), "TFTP", "UDP", 69)).endswith(": odd")
