"""BSDP answers per second beside dnsmasq's DHCPINFORM answers; start and idle memory.

Two network namespaces for each server, joined by a veth pair: both want port 67. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

from images.author import sample_bundle_thd
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.inform import Machine, list_request
from protocols.dhcp.codec import encode
from protocols.dhcp.message import BOOTREQUEST, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import MESSAGE_TYPE, PARAMETER_REQUEST_LIST
from protocols.dhcp.value import MessageType

from .bench import TWISTD, Bench, Row, tool

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
MAC = bytes.fromhex("a82066010203")
SECONDS = 1.0
WINDOW = 32
MACHINES = 64
MAX_START_SECONDS = 1.5
MAX_IDLE_MIB = 60.0


class Link:
    """A server's namespace and a client's, joined."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.server, self.client = (f"nbb{os.getpid()}{name}{side}" for side in "sc")
        for namespace in (self.server, self.client):
            run("ip", "netns", "add", namespace)
            bench.cleanup(run, "ip", "netns", "del", namespace)
        ends = ("eth0", "netns", self.server, "type", "veth", "peer", "name", "eth0", "netns")
        run("ip", "link", "add", *ends, self.client)
        for namespace, address in ((self.server, SERVER), (self.client, CLIENT)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                run("ip", "-n", namespace, "link", "set", device, "up")

    def at(self, namespace: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", namespace)

    def load(self, bench: Bench, request: bytes, reply_port: int) -> float:
        """Replies per second."""
        command = [bench.compiled("dhcp_load"), SERVER, "67", CLIENT, str(reply_port)]
        command += [str(SECONDS), str(WINDOW), str(MACHINES)]
        replies, seconds, _ = bench.load(
            command, prefix=self.at(self.client), input=request
        ).split()
        return int(replies) / float(seconds)

    def answers(self, bench: Bench, request: bytes, reply_port: int) -> bool:
        command = [bench.compiled("dhcp_load"), SERVER, "67", CLIENT, str(reply_port), "0.05"]
        printed = bench.load([*command, "1", "1"], prefix=self.at(self.client), input=request)
        return int(printed.split()[0]) > 0


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def machine() -> Machine:
    return Machine(
        mac=MAC,
        address=IPv4Address(CLIENT),
        class_id=ClassId(arch="i386", system_id="iMac14,2"),
        reply_port=993,
    )


def plain_inform() -> bytes:
    message = DhcpMessage(
        op=BOOTREQUEST,
        ciaddr=IPv4Address(CLIENT),
        chaddr=MAC,
        options=(
            MESSAGE_TYPE.of(MessageType.INFORM),
            RawOption(PARAMETER_REQUEST_LIST.code, bytes((1, 3, 6, 15))),
        ),
    )
    return encode(message)


class Netbootd:
    """Our daemon in its namespace, with one sample image."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.link = Link(bench, "o")
        self.request = list_request(machine(), 1)
        folder = bench.folder / "netbootd"
        (folder / "images").mkdir(parents=True)
        sample_bundle_thd(folder / "images" / "Sample.nbi", root_image_size=1 << 20)
        self.configuration = folder / "netbootd.toml"
        self.configuration.write_text(f'[state]\ndirectory = "{folder / "state"}"\n')
        bench.compiled("dhcp_load")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", str(self.configuration)]

    def up(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            self.process = self.bench.serve(
                self.command,
                prefix=self.link.at(self.link.server),
                is_up=lambda: self.link.answers(self.bench, self.request, 993),
            )
        return self.process

    def lists_per_second(self) -> float:
        self.up()
        return self.link.load(self.bench, self.request, 993)

    def idle_mib(self) -> float:
        return resident_mib(self.up().pid)

    def seconds_to_first_reply(self) -> float:
        """From exec to the first ACK[LIST], the configuration read and the images scanned."""
        bench, link = self.bench, Link(self.bench, f"f{time.monotonic_ns() % 10000}")
        self.configuration.with_name("cold.toml").write_text(
            f'[state]\ndirectory = "{bench.folder / f"state{time.monotonic_ns()}"}"\n'
        )
        command = [*self.command[:-1], str(self.configuration.with_name("cold.toml"))]
        began = time.monotonic()
        process = bench.serve(
            command,
            prefix=link.at(link.server),
            is_up=lambda: link.answers(bench, self.request, 993),
        )
        took = time.monotonic() - began
        process.terminate()
        process.wait()
        return took


class Dnsmasq:
    """dnsmasq in its namespace, answering DHCPINFORM."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.link: Link | None = None
        self.request = plain_inform()

    def replies_per_second(self) -> float:
        if self.link is None:
            link = self.link = Link(self.bench, "p")
            folder = self.bench.folder
            command = [
                tool("dnsmasq", "dnsmasq-base"),
                "--keep-in-foreground",
                "--conf-file=/dev/null",
            ]
            command += ["--port=0", "--interface=eth0", "--dhcp-range=10.77.0.100,10.77.0.200"]
            command += [f"--dhcp-leasefile={folder / 'leases'}", "--user=root", "--pid-file="]
            command += [f"--log-facility={folder / 'dnsmasq.log'}", "--quiet-dhcp"]
            self.bench.serve(
                command,
                prefix=link.at(link.server),
                is_up=lambda: link.answers(self.bench, self.request, 68),
            )
        return self.link.load(self.bench, self.request, 68)


def resident_mib(pid: int) -> float:
    """VmRSS of a process; the one that `ip netns exec` and `taskset` became."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def rows(bench: Bench) -> Iterator[Row]:
    ours, peer = Netbootd(bench), Dnsmasq(bench)
    yield Row(
        name="start to first BSDP reply, cold",
        unit="s",
        peer_name="1.5 s",
        goal=1.0,
        ours=ours.seconds_to_first_reply,
        peer=lambda: MAX_START_SECONDS,
        less_is_better=True,
    )
    yield Row(
        name="idle memory",
        unit="MiB",
        peer_name="60 MiB",
        goal=1.0,
        ours=ours.idle_mib,
        peer=lambda: MAX_IDLE_MIB,
        less_is_better=True,
    )
    yield Row(
        name="BSDP LIST answered",
        unit="replies/s",
        peer_name="dnsmasq, DHCPINFORM",
        goal=1.6,
        ours=ours.lists_per_second,
        peer=peer.replies_per_second,
    )
