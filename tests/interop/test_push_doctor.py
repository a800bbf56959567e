"""`pushctl doctor` by Apple's own names and ports, on a computer for which simulators are Apple."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.lab import Host, Lab, wait_until
from tests.interop.peer import peer

pytestmark = pytest.mark.interop

PUSHCTL = str(Path(sys.executable).with_name("pushctl"))
PATIENCE = 120
NAME = "api.push.apple.com"
CONFIGURATION = """
[apple]
trust_roots = "roots.pem"
{more}
[state]
directory = "state"
[[credential]]
name = "app"
certificate = "{port}/provider.pem"
key = "{port}/provider.key"
"""
TINYPROXY = """
Port 3128
Listen 127.0.0.2
Allow 127.0.0.1
Allow 127.0.0.2
ConnectPort 443
ConnectPort 2197
"""


class Site:
    """A computer without a way out, whose resolver leads Apple's name to itself."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self.folder = folder
        (folder / "hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
        (folder / "roots.pem").write_bytes(b"")
        self.configure()

    def configure(self, more: str = "", port: int = 443) -> None:
        """`port` is that of the simulator whose certificate we have."""
        text = CONFIGURATION.format(more=more, port=port)
        (self.folder / "pushd.toml").write_text(text)

    def apple(self, port: int) -> None:
        """Be Apple at that port, with an authority of its own."""
        files = self.folder / str(port)
        process = self._host.start(
            PUSHCTL, "apns-simulator", "--port", str(port), "--directory", str(files)
        )
        wait_until(lambda: "is simulated" in process.output(), PATIENCE)
        with (self.folder / "roots.pem").open("ab") as roots:
            roots.write((files / "ca.pem").read_bytes())

    def proxy(self) -> None:
        """A CONNECT proxy at 127.0.0.2, which knows Apple's name, too."""
        (self.folder / "tinyproxy.conf").write_text(TINYPROXY)
        config = str(self.folder / "tinyproxy.conf")
        self._host.start("sh", "-c", self._with_names([peer("tinyproxy"), "-d", "-c", config]))
        probe = "import socket; socket.create_connection(('127.0.0.2', 3128)).close()"
        command = [sys.executable, "-c", probe]
        wait_until(lambda: self._host.run(*command, check=False).returncode == 0, PATIENCE)

    def doctor(self) -> tuple[int, list[dict[str, str]]]:
        """Its exit status, and what it says of Apple."""
        file = str(self.folder / "pushd.toml")
        command = self._with_names([PUSHCTL, "doctor", "--json", "--config", file])
        done = self._host.run("sh", "-c", command, timeout=PATIENCE, check=False)
        report: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, [one for one in report["findings"] if one["subject"] == "Apple"]

    def _with_names(self, command: list[str]) -> str:
        """Run in a place where the resolver has our names; nobody else sees the mount."""
        mount = f"mount --bind {shlex.quote(str(self.folder / 'hosts'))} /etc/hosts"
        return f"{mount} && exec {shlex.join(command)}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Lab(tmp_path) as lab:
        yield Site(lab.host("office"), tmp_path)


def test_both_ports(site: Site) -> None:
    """With nothing but the defaults, each of Apple's ports is tried, and the credential on one."""
    site.apple(443)
    site.apple(2197)

    status, (first, second, credential) = site.doctor()

    assert status == 0
    assert first["text"].startswith(f"{NAME} port 443: 127.0.0.1, TLSv1.3, 1 stream")
    assert second["text"].startswith(f"{NAME} port 2197: 127.0.0.1, TLSv1.3, 1 stream")
    assert credential["text"].startswith(f"app: {NAME} port 443 takes it")


def test_a_firewall_that_knows_only_the_other_port(site: Site) -> None:
    """The remedy is the setting that makes it work."""
    site.apple(2197)
    site.configure(port=2197)

    status, (first, second, hint, credential) = site.doctor()

    assert status == 1
    assert first["remedy"] == f"let TCP port 443 out to {NAME}"
    assert (second["severity"], hint["remedy"]) == ("ok", "set apple.port = 2197")
    assert credential["severity"] == "error"


def test_through_the_proxy(site: Site) -> None:
    """The way that is looked at is the one that pushes take; names are the proxy's to look up."""
    site.apple(443)
    site.apple(2197)
    site.proxy()
    site.configure('[apple.proxy]\nhost = "127.0.0.2"')

    status, findings = site.doctor()

    assert status == 0, findings
    assert "443: proxy 127.0.0.2, TLSv1.3" in findings[0]["text"]
    assert "2197: proxy 127.0.0.2, TLSv1.3" in findings[1]["text"]
