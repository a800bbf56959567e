"""A computer that has its network settings from DHCP: one of four real clients, its real script,
and what came of it in the kernel and in `/etc/resolv.conf`.

The clients write where they always write. What they write to is the station's own: each of its
programs sees the folders in OWN in place of the machine's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from .lab import Host, Process, wait_until
from .peer import peer, peer_file

OWN = ("/etc", "/run", "/var/lib")


class Station:
    """A host with one interface, and folders that nobody else sees."""

    def __init__(self, host: Host, interface: str) -> None:
        self.host = host
        self.interface = interface
        self.mac = host.mac(interface).hex(":")
        self._folder = host.folder / f"{host.name}-own"
        for path in OWN:
            self.own(path).mkdir(parents=True)
        shutil.copytree("/etc", self.own("/etc"), symlinks=True, dirs_exist_ok=True)
        self.own("/etc/resolv.conf").unlink(missing_ok=True)
        self.own("/etc/resolv.conf").touch()

    def own(self, path: str) -> Path:
        """Where a file of the station really is."""
        return self._folder / path.lstrip("/")

    def _private(self, command: tuple[str, ...]) -> tuple[str, ...]:
        mounts = "".join(f"mount --bind {self.own(path)} {path} && " for path in OWN)
        # networkd waits for udev unless /sys is read-only, as in a container.
        return ("sh", "-c", f'{mounts}mount -o remount,ro /sys && exec "$@"', "sh", *command)

    def run(self, *command: str) -> str:
        """Run a program of the station to its end."""
        return self.host.run(*self._private(command), timeout=30, check=False).stdout

    def start(self, *command: str) -> Process:
        """Start a program of the station."""
        return self.host.start(*self._private(command))

    # What came of it.

    def address(self) -> str | None:
        """`10.77.0.100/24`, once the interface has an IPv4 address."""
        for link in self._ip("address", "show", "dev", self.interface):
            for found in link.get("addr_info", ()):
                return f"{found['local']}/{found['prefixlen']}"
        return None

    def router(self) -> str | None:
        """Where everything goes that is not on the wire."""
        for route in self._ip("route", "show", "default"):
            return str(route["gateway"])
        return None

    def _ip(self, *arguments: str) -> list[dict[str, Any]]:
        found = json.loads(self.host.run(peer("ip"), "-json", "-4", *arguments).stdout or "[]")
        return [each for each in found if each]

    def wait_for_address(self) -> str:
        """Wait until there is one; the address without its mask."""
        wait_until(lambda: self.address() is not None)
        return str(self.address()).partition("/")[0]


class Client(ABC):
    """A DHCP client on a station."""

    name: str
    memory = ""
    """Pattern of the files in which it remembers its lease."""
    renew_signal: signal.Signals | None = None
    """What makes it renew now, where it does not care for T1."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.process: Process | None = None

    @abstractmethod
    def start(self) -> None:
        """Ask for an address, and keep it."""

    @abstractmethod
    def release(self) -> None:
        """Give the address back and end."""

    def renew(self) -> None:
        """Renew, at T1 or now."""
        if self.renew_signal is not None:
            assert self.process is not None
            os.kill(self.process.pid, self.renew_signal)

    def crash(self) -> None:
        """The station loses power when the client has saved its lease: only that is left of it."""
        station = self.station
        wait_until(lambda: any(f.stat().st_size for f in station.own("/").glob(self.memory)))
        assert self.process is not None
        self.process.stop(signal.SIGKILL)
        station.host.run("ip", "-4", "address", "flush", "dev", station.interface)
        for file in station.own("/run").rglob("*.pid"):
            file.unlink()

    def resolver(self) -> tuple[list[str], list[str]]:
        """DNS servers, and domains to search."""
        text = self.station.own("/etc/resolv.conf").read_text()
        servers = re.findall(r"^nameserver (\S+)", text, re.MULTILINE)
        domains = re.findall(r"^(?:domain|search) (.*)", text, re.MULTILINE)
        return servers, sorted({name.rstrip(".") for line in domains for name in line.split()})


class Dhclient(Client):
    """ISC dhclient with Debian's dhclient-script."""

    name = "dhclient"
    memory = "var/lib/dhcp/leases"

    def _command(self, *flags: str) -> tuple[str, ...]:
        folder = self.station.own("/var/lib/dhcp")
        folder.mkdir(exist_ok=True)
        (folder / "leases").touch()
        files = ("-lf", "/var/lib/dhcp/leases", "-pf", "/run/dhclient.pid")
        return (peer("dhclient"), "-4", "-d", "-v", *files, *flags, self.station.interface)

    def start(self) -> None:
        self.process = self.station.start(*self._command())

    def release(self) -> None:
        self.station.run(*self._command("-r"))


class Udhcpc(Client):
    """udhcpc of busybox with Debian's script."""

    name = "udhcpc"
    renew_signal = signal.SIGUSR1  # It renews after a minute at the earliest.
    flags: tuple[str, ...] = ()

    def start(self) -> None:
        script = str(peer_file("/etc/udhcpc/default.script"))
        flags = ("-f", "-i", self.station.interface, "-s", script, "-T", "1", "-t", "5")
        self.process = self.station.start(peer("busybox"), "udhcpc", *flags, *self.flags)

    def release(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGUSR2)


class Dhcpcd(Client):
    """dhcpcd with its hooks."""

    name = "dhcpcd"
    memory = "var/lib/dhcpcd/*.lease"
    flags: tuple[str, ...] = ()

    def start(self) -> None:
        self.station.own("/var/lib/dhcpcd").mkdir(exist_ok=True)
        flags = ("-4", "-B", "-d", *self.flags, self.station.interface)
        self.process = self.station.start(peer("dhcpcd"), *flags)

    def release(self) -> None:
        self.station.run(peer("dhcpcd"), "-4", "-k", self.station.interface)


class Networkd(Client):
    """systemd-networkd, without systemd."""

    name = "networkd"
    settings = ""

    def start(self) -> None:
        folder = self.station.own("/etc/systemd/network")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "10-lan.network").write_text(
            f"[Match]\nName={self.station.interface}\n[Network]\nDHCP=ipv4\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
            f"[DHCPv4]\nUseDomains=yes\nClientIdentifier=mac\n{self.settings}"
        )
        self.station.own("/run/systemd").mkdir(exist_ok=True)  # It makes and owns what is in it.
        self.process = self.station.start(str(peer_file("/lib/systemd/systemd-networkd")))

    def release(self) -> None:
        assert self.process is not None
        self.process.stop()

    def resolver(self) -> tuple[list[str], list[str]]:
        files = self.station.own("/run/systemd/netif/leases").glob("*")
        lines = [line for file in files for line in file.read_text().splitlines()]
        lease = dict(line.partition("=")[::2] for line in lines)
        return lease.get("DNS", "").split(), lease.get("DOMAINNAME", "").split()


CLIENTS: tuple[type[Client], ...] = (Dhclient, Udhcpc, Dhcpcd, Networkd)
