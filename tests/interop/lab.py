"""A small network of network namespaces for one test: hosts, switches and cables, all of it ours.

    with Lab(folder) as lab:
        lan = lab.switch("lan")
        server = lab.host("server")
        server.plug(lan, "10.77.0.1/24")

Nothing leaves the machine: no namespace is connected to the one that the tests were started in.
Namespaces are called `nb<pid>-<serial>-<name>`, so that labs of several test runs live side by
side, and a lab that a killed run left behind is recognised and removed by the next one (`sweep`).
Every process is started here, dies with the test run (`PR_SET_PDEATHSIG`), and is ended with its
lab; what daemonised itself is found by its namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Interface
from pathlib import Path
from types import TracebackType

from .peer import missing, need_namespaces, peer

NAMESPACES = Path("/run/netns")
TUN = Path("/dev/net/tun")
CLONE_NEWNET = 0x40000000
PATIENCE = 60.0
"""Seconds that anything local may take on a busy machine before we call it broken."""

POLL = 0.01
"""Seconds between two looks at what another process is doing."""

_serials = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


def wait_until(condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
    """Look until another process has made `condition` true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {timeout:g} s"
        time.sleep(POLL)


def _ip(*arguments: str) -> str:
    command = [peer("ip"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _enter(namespace: Path) -> None:
    with namespace.open("rb") as handle:
        if _libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def _sysctl(namespace: str, key: str, value: str) -> None:
    _ip("netns", "exec", namespace, "sh", "-c", f"echo {value} > /proc/sys/{key}")


def _remove(namespace: str) -> None:
    """End what still runs in one of our namespaces, then delete it."""
    for pid in _ip("netns", "pids", namespace).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "delete", namespace)


def sweep() -> None:
    """Remove the namespaces of test runs that are no more."""
    for path in NAMESPACES.glob("nb*"):
        owner = re.fullmatch(r"nb(\d+)-\d+-\w+", path.name)
        if owner and not Path("/proc", owner[1]).exists():
            _remove(path.name)


class Process:
    """A program running in a host; its output goes to `log`."""

    def __init__(self, command: list[str], log: Path, env: Mapping[str, str] | None) -> None:
        self.log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def output(self) -> str:
        return self.log.read_text(errors="backslashreplace")

    def running(self) -> bool:
        return self._popen.poll() is None

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """The first match of `pattern` in the output; fails when the program ends without it."""
        deadline = time.monotonic() + timeout
        while True:
            running = self.running()
            if match := re.search(pattern, self.output(), re.MULTILINE):
                return match
            if not running or time.monotonic() > deadline:
                state = "runs" if running else f"ended with {self._popen.returncode}"
                raise AssertionError(f"no {pattern!r}; it {state}. Output:\n{self.output()}")
            time.sleep(POLL)

    def wait(self, timeout: float = PATIENCE) -> int:
        return self._popen.wait(timeout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, insist after a while, and give its exit status."""
        if self.running():
            self._popen.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self.wait()


class Switch:
    """An Ethernet switch: a bridge in a namespace of its own."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._ports = itertools.count(1)
        bridge = ("type", "bridge", "stp_state", "0", "forward_delay", "0")
        _ip("-n", namespace, "link", "add", "name", "bridge0", *bridge)
        _ip("-n", namespace, "link", "set", "bridge0", "up")

    def next_port(self) -> str:
        return f"port{next(self._ports)}"


class Host:
    """A machine on the network: a namespace with interfaces, addresses and processes."""

    def __init__(self, name: str, namespace: str, folder: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.folder = folder
        self.addresses: dict[str, IPv4Interface] = {}
        self._processes: list[Process] = []
        self._logs = itertools.count(1)

    def plug(
        self, switch: Switch, address: str | None = None, *, interface: str = "", mac: str = ""
    ) -> str:
        """Run a cable to a switch; the name of the host's end is returned."""
        interface = interface or f"{self.name[:8]}{len(self.addresses)}"
        port = switch.next_port()
        far = ("peer", "name", port, "netns", switch.namespace)
        _ip("link", "add", interface, "netns", self.namespace, "type", "veth", *far)
        _ip("-n", switch.namespace, "link", "set", port, "master", "bridge0", "up")
        if mac:
            _ip("-n", self.namespace, "link", "set", interface, "address", mac)
        self._no_offload(switch.namespace, port)
        self._no_offload(self.namespace, interface)
        _ip("-n", self.namespace, "link", "set", interface, "up")
        if address:
            self.address(interface, address)
        return interface

    def plug_tap(self, switch: Switch) -> str:
        """Run a cable for a virtual machine to a switch; the name of its tap device is returned."""
        if not TUN.exists():
            missing(f"there is no {TUN} to plug virtual machines into (`modprobe tun` makes it)")
        cable = self.plug(switch)
        bridge = ("type", "bridge", "stp_state", "0", "forward_delay", "0")
        _ip("-n", self.namespace, "link", "add", "name", "bridge0", *bridge)
        _ip("-n", self.namespace, "tuntap", "add", "name", "tap0", "mode", "tap")
        for port in (cable, "tap0"):
            _ip("-n", self.namespace, "link", "set", port, "master", "bridge0")
        for link in ("bridge0", "tap0"):
            _ip("-n", self.namespace, "link", "set", link, "up")
        return "tap0"

    def address(self, interface: str, address: str) -> None:
        """Give an interface an address such as `10.77.0.1/24`."""
        _ip("-n", self.namespace, "address", "add", address, "broadcast", "+", "dev", interface)
        self.addresses[interface] = IPv4Interface(address)

    def route(self, destination: str, via: str) -> None:
        _ip("-n", self.namespace, "route", "add", destination, "via", via)

    def forward(self) -> None:
        """Let this host route between its interfaces."""
        _sysctl(self.namespace, "net/ipv4/ip_forward", "1")

    def mac(self, interface: str) -> bytes:
        """The hardware address of an interface."""
        link = _ip("-n", self.namespace, "-oneline", "link", "show", "dev", interface)
        match = re.search(r"link/ether (\S+)", link)
        assert match is not None
        return bytes.fromhex(match[1].replace(":", ""))

    @staticmethod
    def _no_offload(namespace: str, interface: str) -> None:
        # A veth leaves checksums to hardware that is not there; clients that read raw frames
        # (dhclient, dhcpcd, the Go library) then drop every reply as damaged.
        command = ("netns", "exec", namespace, peer("ethtool"), "-K", interface, "tx", "off")
        _ip(*command)

    def _command(self, command: tuple[str, ...]) -> list[str]:
        name, *arguments = command
        program = name if "/" in name or name == "sh" else peer(name)
        within = (peer("ip"), "netns", "exec", self.namespace)
        return [*within, peer("setpriv"), "--pdeathsig", "KILL", "--", program, *arguments]

    def run(
        self,
        *command: str,
        timeout: float = PATIENCE,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here to its end, in the lab's folder."""
        done = subprocess.run(
            self._command(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            check=False,
        )
        if check and done.returncode != 0:
            said = f"{done.stdout}{done.stderr}"
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
        return done

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a program here and leave it running."""
        log = self.folder / f"{self.name}-{next(self._logs)}-{Path(command[0]).name}.log"
        process = Process(self._command(command), log, env)
        self._processes.append(process)
        return process

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in this host's network: sockets made within stay here when the block is left."""
        with Path("/proc/thread-self/ns/net").open("rb") as home:
            _enter(NAMESPACES / self.namespace)
            try:
                yield
            finally:
                if _libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                    os.abort()  # Going on in a wrong network would be worse than not going on.

    def socket(self, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
        """An unbound IPv4 socket of this host, for the test itself to use."""
        with self.entered():
            made = socket.socket(socket.AF_INET, kind)
        made.settimeout(PATIENCE)
        return made

    def close(self) -> None:
        for process in reversed(self._processes):
            process.stop()


class Lab:
    """Hosts and switches that exist for as long as the `with` block runs."""

    def __init__(self, folder: Path) -> None:
        need_namespaces()
        self.folder = folder
        self._prefix = f"nb{os.getpid()}-{next(_serials)}"
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def _namespace(self, name: str) -> str:
        namespace = f"{self._prefix}-{name}"
        _ip("netns", "add", namespace)
        self._undo.callback(_remove, namespace)
        # No IPv6, whose own chatter would be in every capture.
        for scope in ("default", "all"):
            _sysctl(namespace, f"net/ipv6/conf/{scope}/disable_ipv6", "1")
        return namespace

    def host(self, name: str) -> Host:
        host = Host(name, self._namespace(name), self.folder)
        self._undo.callback(host.close)
        _ip("-n", host.namespace, "link", "set", "lo", "up")
        return host

    def switch(self, name: str) -> Switch:
        return Switch(self._namespace(name))
