"""Sockets that were bound before us, in processes that are given them as systemd gives them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ops.service.inherited import inherited_of

CHILD = """
    import os, socket, sys
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


@pytest.fixture
def sockets() -> Iterator[dict[str, socket.socket]]:
    """One of each kind that a unit may ask for."""
    with ExitStack() as undo:
        made = {}
        for name, family, kind, address in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
            ("tcp6", socket.AF_INET6, socket.SOCK_STREAM, "::1"),
        ):
            sock = undo.enter_context(socket.socket(family, kind))
            sock.bind((address, 0))
            if kind == socket.SOCK_STREAM:
                sock.listen()
            made[name] = sock
        yield made


def hand_over(sockets: list[socket.socket], names: str, script: str) -> str:
    """What `script` writes in a process that has `sockets` from descriptor 3 on, and the name
    `inherited` for what it found."""
    begin = """
        import os, socket
        from ops.service.inherited import environment_of_start, inherited_of
        inherited = inherited_of(environment_of_start(), pid=os.getpid())
    """
    code = textwrap.dedent(begin) + textwrap.dedent(script)
    wanted = [sock.fileno() for sock in sockets]

    def arrange() -> None:
        high = [os.dup2(descriptor, 100 + n) for n, descriptor in enumerate(wanted)]
        for n, descriptor in enumerate(high):
            os.dup2(descriptor, 3 + n)

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), code],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": names,
        },
        preexec_fn=arrange,
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_what_is_asked_for_is_found(sockets: dict[str, socket.socket]) -> None:
    """By kind, address and port; anything else is not there."""
    port = sockets["udp"].getsockname()[1]
    script = f"""
        found = inherited.take(socket.SOCK_DGRAM, "127.0.0.1", {port})
        print(found.getsockname()[1] == {port}, found.getblocking(), found.get_inheritable())
        print(inherited.take(socket.SOCK_STREAM, "127.0.0.1", {port}))
        print(inherited.take(socket.SOCK_DGRAM, "0.0.0.0", {port}))
        print(inherited.take(socket.SOCK_DGRAM, "127.0.0.1", 0))
    """

    assert hand_over([sockets["udp"]], "", script) == "True False False\nNone\nNone\nNone\n"


def test_a_socket_can_be_taken_again(sockets: dict[str, socket.socket]) -> None:
    """A service that has closed what it took finds it again when it is started anew."""
    port = sockets["tcp"].getsockname()[1]
    script = f"""
        for _ in range(2):
            taken = inherited.take(socket.SOCK_STREAM, "127.0.0.1", {port})
            taken.close()
        again = inherited.take(socket.SOCK_STREAM, "127.0.0.1", {port})
        client = socket.create_connection(("127.0.0.1", {port}))
        again.setblocking(True)
        print(again.accept()[1][0])
    """

    assert hand_over([sockets["tcp"]], "", script) == "127.0.0.1\n"


def test_what_nobody_took_is_named(sockets: dict[str, socket.socket]) -> None:
    """A unit that has more than the configuration is told to its author."""
    udp, tcp6 = (sockets[name].getsockname()[1] for name in ("udp", "tcp6"))
    script = f"""
        inherited.take(socket.SOCK_DGRAM, "127.0.0.1", {udp})
        print(inherited.unused())
    """

    shown = hand_over([sockets["udp"], sockets["tcp6"]], "first:second", script)

    assert shown == f"['second (TCP [::1]:{tcp6})']\n"


def test_an_address_of_ipv6(sockets: dict[str, socket.socket]) -> None:
    """pushd may listen there."""
    port = sockets["tcp6"].getsockname()[1]
    script = f"""
        print(inherited.take(socket.SOCK_STREAM, "::1", {port}) is not None)
    """

    assert hand_over([sockets["tcp6"]], "", script) == "True\n"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "7", "LISTEN_FDS": "many"},
        {"LISTEN_PID": "7"},
        {"LISTEN_PID": "7", "LISTEN_FDS": "0"},
    ],
)
def test_what_is_not_meant_for_us_is_left_alone(environment: dict[str, str]) -> None:
    """No variables, those of a parent, or nonsense: there are no sockets."""
    assert inherited_of(environment, pid=7).unused() == []


def test_sockets_outlast_a_look_for_endpoints(sockets: dict[str, socket.socket]) -> None:
    """Twisted takes systemd's variables away when its endpoints are asked for; the sockets are
    found nevertheless."""
    script = """
        from twisted.internet.endpoints import serverFromString
        from twisted.internet import reactor
        serverFromString(reactor, "tcp:0")
        print("LISTEN_FDS" in os.environ)
        print(len(inherited_of(environment_of_start(), pid=os.getpid()).unused()))
    """

    assert hand_over([sockets["tcp"]], "", script) == "False\n1\n"
