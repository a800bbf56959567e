"""DHCP servers in namespaces of their own, each with a relay's namespace beside it.

Every server gets one subnet, 10.80.0.0/12, with the same half million addresses to lease for an
hour and the same options. Clients come through a relay: the one way to ask that all servers answer
by plain unicast. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from .bench import Bench, tool

SERVER, RELAY, PREFIX = "10.80.0.1", "10.80.0.2", 12
FIRST, LAST = "10.81.0.1", "10.88.255.254"
LEASE_TIME = 3600
PROBE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What `dora_load` saw. Latencies are milliseconds."""

    ended: int
    seconds: float
    lost: int
    refused: int
    ack_p50: float
    ack_p99: float
    exchange_p50: float
    exchange_p99: float

    @property
    def rate(self) -> float:
        """Exchanges per second."""
        return self.ended / self.seconds


class Link:
    """A server's namespace and a relay's, joined by a veth pair."""

    _numbers = count()

    def __init__(self, bench: Bench) -> None:
        name = f"nbd{os.getpid()}x{next(self._numbers)}"
        self.server, self.relay = f"{name}s", f"{name}r"
        for namespace in (self.server, self.relay):
            run("ip", "netns", "add", namespace)
            bench.cleanup(run, "ip", "netns", "del", namespace)
        ends = ("eth0", "netns", self.server, "type", "veth", "peer", "name", "eth0", "netns")
        run("ip", "link", "add", *ends, self.relay)
        for namespace, address in ((self.server, SERVER), (self.relay, RELAY)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/{PREFIX}", "dev", "eth0")
            for device in ("lo", "eth0"):
                run("ip", "-n", namespace, "link", "set", device, "up")


def run(*command: str) -> None:
    subprocess.run(command, check=True)


class DhcpPeer(ABC):
    """One kind of server, started empty for every run: who has leased longest would do worst."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.link = Link(bench)
        self._seeds = count(1)

    @abstractmethod
    def command(self, folder: Path) -> list[str]:
        """What starts it with its state in the empty `folder`."""

    @contextmanager
    def running(self, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A server that answers."""
        if folder is None:
            folder = self.bench.folder / f"{type(self).__name__}-{time.monotonic_ns()}"
            folder.mkdir()
        process = self.bench.serve(
            self.command(folder), prefix=self._at(self.link.server), is_up=self.answers
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def load(
        self,
        mode: str,
        client: str = "host",
        *,
        seconds: float,
        window: int = 1,
        rate: float = 0,
        seed: int | None = None,
    ) -> Load:
        """Load the running server; `mode` is `offer` or `dora`, `client` is `host` or `bare`."""
        seed = next(self._seeds) % 255 + 1 if seed is None else seed
        command = [self.bench.compiled("dora_load"), SERVER, RELAY, mode, client]
        command += [str(seconds), str(window), str(rate), str(seed)]
        printed = self.bench.load(command, prefix=self._at(self.link.relay)).split()
        microseconds = [int(number) / 1e3 for number in printed[4:]]
        return Load(
            ended=int(printed[0]),
            seconds=float(printed[1]),
            lost=int(printed[2]),
            refused=int(printed[3]),
            ack_p50=microseconds[0],
            ack_p99=microseconds[1],
            exchange_p50=microseconds[3],
            exchange_p99=microseconds[4],
        )

    def answers(self) -> bool:
        """Whether it offers; takes the clients of seed 0 for that."""
        return self.load("offer", seconds=PROBE_SECONDS, seed=0).ended > 0

    def _at(self, namespace: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", namespace)


class Kea(DhcpPeer):
    """Kea with its lease file (memfile, persist), without clean-ups of that file in between."""

    def command(self, folder: Path) -> list[str]:
        subnet = {
            "id": 1,
            "subnet": "10.80.0.0/12",
            "pools": [{"pool": f"{FIRST} - {LAST}"}],
            "option-data": [
                {"name": "routers", "data": SERVER},
                {"name": "domain-name-servers", "data": SERVER},
                {"name": "domain-name", "data": "bench.example"},
            ],
        }
        settings = {
            "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "udp"},
            "lease-database": {
                "type": "memfile",
                "persist": True,
                "name": str(folder / "leases.csv"),
                "lfc-interval": 0,
            },
            "valid-lifetime": LEASE_TIME,
            "subnet4": [subnet],
            "loggers": [
                {
                    "name": "kea-dhcp4",
                    "severity": "ERROR",
                    "output_options": [{"output": str(folder / "kea.log")}],
                }
            ],
        }
        configuration = folder / "kea.json"
        configuration.write_text(json.dumps({"Dhcp4": settings}))
        locks = ["env", f"KEA_PIDFILE_DIR={folder}", f"KEA_LOCKFILE_DIR={folder}"]
        return [*locks, tool("kea-dhcp4", "kea-dhcp4-server"), "-c", str(configuration)]


class Dnsmasq(DhcpPeer):
    """dnsmasq with its lease file, without the ping before an offer."""

    def command(self, folder: Path) -> list[str]:
        command = [tool("dnsmasq", "dnsmasq-base"), "--keep-in-foreground", "--conf-file=/dev/null"]
        command += ["--port=0", "--interface=eth0", "--no-ping", "--dhcp-lease-max=1000000"]
        command += [f"--dhcp-range={FIRST},{LAST},255.240.0.0,{LEASE_TIME}"]
        command += [f"--dhcp-option=3,{SERVER}", f"--dhcp-option=6,{SERVER}"]
        command += ["--dhcp-option=15,bench.example", f"--dhcp-leasefile={folder / 'leases'}"]
        command += ["--user=root", "--pid-file=", "--quiet-dhcp"]
        return [*command, f"--log-facility={folder / 'dnsmasq.log'}"]
