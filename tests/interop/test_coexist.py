"""Beside other DHCP servers and behind firewalls, all of them real: what is found, and what not."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from netbootd.coexist.nft import tables_from
from netbootd.coexist.ruleset import Packet
from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Lab, Process

pytestmark = pytest.mark.interop

NETBOOTCTL = str(Path(sys.executable).with_name("netbootctl"))
LEASING = '[dhcp]\nenabled = true\n[[dhcp.subnet]]\nnetwork = "10.77.0.0/24"\n'


def check(daemon: Daemon) -> dict[str, list[str]]:
    """What `netbootctl check` says on the server, by subject."""
    done = daemon.host.run(NETBOOTCTL, "check", str(daemon.config), check=False, timeout=60)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        text = f"{line[:9].strip()}: {line[24:]}"
        found.setdefault(line[9:24].strip(), []).append(text)
    assert found, done.stderr
    return found


def other(lan: Lan) -> tuple[Host, str]:
    """A host with the address 10.77.0.2."""
    host = lan.lab.host("other")
    return host, host.plug(lan.switch, "10.77.0.2/24")


def start_dnsmasq(host: Host, interface: str, *options: str) -> Process:
    process = host.start(
        *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0"),
        *("--conf-file=/dev/null", f"--interface={interface}", "--user=root", "--pid-file="),
        *("--dhcp-range=10.77.0.100,10.77.0.150,1h", "--dhcp-leasefile=/dev/null", *options),
    )
    process.wait_for("DHCP, (sockets bound|IP range)")
    return process


def start_kea(host: Host, interface: str) -> Process:
    settings = {
        "interfaces-config": {"interfaces": [interface]},
        "lease-database": {"type": "memfile", "persist": False},
        "subnet4": [
            {"subnet": "10.77.0.0/24", "pools": [{"pool": "10.77.0.100 - 10.77.0.150"}]},
        ],
        "loggers": [
            {"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}
        ],
    }
    configuration = host.folder / "kea.json"
    configuration.write_text(json.dumps({"Dhcp4": settings}))
    folders = {"KEA_PIDFILE_DIR": str(host.folder), "KEA_LOCKFILE_DIR": str(host.folder)}
    process = host.start("kea-dhcp4", "-c", str(configuration), env=folders)
    process.wait_for("DHCP4_STARTED")
    return process


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty network, in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with Lab(Path(name)) as lab:
            yield lab


# Other DHCP servers.


@pytest.mark.parametrize("start", [start_dnsmasq, start_kea])
def test_check_finds_a_dhcp_server(lan: Lan, sierra: Bundle, start: object) -> None:
    """dnsmasq, which pings an address for three seconds before it offers it, and Kea are found;
    neither leases anything for it."""
    host, interface = other(lan)
    assert callable(start)
    process = start(host, interface)

    found = check(Daemon(lan.server))

    assert found["DHCP servers"] == ["ok: DHCP server 10.77.0.2 on server0 gives addresses"]
    assert "DHCPACK" not in process.output()
    assert "DHCP4_LEASE_ALLOC" not in process.output()


def test_check_finds_that_there_is_none(lan: Lan, sierra: Bundle) -> None:
    """Without any, and with [dhcp] off, that is a warning; with [dhcp] on it is as it should be."""
    assert check(Daemon(lan.server))["DHCP servers"] == [
        "WARNING: no DHCP server answers on server0: machines get no address there; start one, or"
        " enable [dhcp] here"
    ]
    assert check(Daemon(lan.server, LEASING))["DHCP servers"] == [
        "ok: no other DHCP server answers on server0"
    ]


def test_daemon_beside_a_dhcp_server(lan: Lan, sierra: Bundle) -> None:
    """A daemon that leases tells of another that does, and the other way round."""
    start_dnsmasq(*other(lan), "--no-ping")

    beside = Daemon(lan.server, 'user = "nobody"').start()
    beside.wait_for("DHCP server 10.77.0.2 on server0 gives addresses")
    beside.stop()
    both = Daemon(lan.server, LEASING).start()
    line = both.wait_for("DHCP server 10.77.0.2 on server0 gives addresses, and so do we.*")

    assert "one address may go to two machines" in line[0]
    assert " warn " in both.output().splitlines()[-1]


def test_check_beside_our_own_daemon(lan: Lan, sierra: Bundle) -> None:
    """A running daemon with the same state is no stranger: neither its ports nor its leases."""
    daemon = Daemon(lan.server, LEASING)
    daemon.start()

    found = check(daemon)

    for service, port in (
        ("DHCP", "UDP port 67"),
        ("TFTP", "UDP port 69"),
        ("HTTP", "TCP port 80"),
    ):
        assert found[service][-1] == f"ok: {port} is in use by this netbootd, which runs"
    assert found["DHCP servers"] == ["ok: no other DHCP server answers on server0"]


# Ports.


def test_program_that_has_our_port(lan: Lan, sierra: Bundle) -> None:
    """A port that another program has is an error that names it, before the start and at it."""
    dnsmasq = start_dnsmasq(lan.server, lan.server_interface)
    daemon = Daemon(lan.server)
    said = (
        rf"cannot bind UDP port 67 for BSDP: it is in use by dnsmasq \(pid {dnsmasq.pid}\); stop"
        " that, or set another port, or set bsdp.share_port = true if that program shares the"
        " port, too"
    )

    (line,) = check(daemon)["BSDP"]

    assert re.fullmatch(f"ERROR: {said}", line)
    with suppress(AssertionError):
        daemon.start()
    assert daemon.process is not None
    assert re.search(said, daemon.process.output())


def test_shared_port(lan: Lan, sierra: Bundle) -> None:
    """A DHCP server on the same computer that shares its port is not missed."""
    dnsmasq = start_dnsmasq(lan.server, lan.server_interface, "--bind-interfaces")

    daemon = Daemon(lan.server, "[bsdp]\nshare_port = true")

    found = check(daemon)

    assert found["BSDP"] == ["ok: UDP port 67 is free"]
    assert found["DHCP servers"] == [
        f"ok: dnsmasq (pid {dnsmasq.pid}) on this computer has UDP port 67 and may give addresses"
        " on server0"
    ]


# Firewalls.

HEAD = "table inet f {\nchain in {\ntype filter hook input priority 0\n"
DROPPING = HEAD + "policy drop\n%s\n}\n}\n"
ACCEPTING = HEAD + "%s\n}\n}\n"
NAMED = "table inet f {\nset ours {\ntype inet_service\nelements = { 67 }\n}\n}\n" + DROPPING
CHAINS = "table inet f {\nchain sub {\n%s\n}\n}\n" + DROPPING
OTHER = "table %s f {\nchain it {\ntype filter hook %s priority 0\npolicy drop\n}\n}\n"


def load_rules(host: Host, rules: str) -> None:
    file = host.folder / "rules.nft"
    file.write_text(rules)
    host.run("nft", "-f", str(file))


@pytest.mark.parametrize(
    ("rules", "is_closed"),
    [
        (DROPPING % "", True),
        (ACCEPTING % "", False),
        (ACCEPTING % "reject", True),
        (ACCEPTING % "udp dport 1-100 drop", True),
        (ACCEPTING % "udp dport != 69 accept; drop", None),
        (DROPPING % "ct state established,related accept; iif lo accept", True),
        (DROPPING % "ct state vmap { established : accept, new : accept }", False),
        (DROPPING % "udp dport 67 accept", False),
        (DROPPING % "udp dport { 66-68, 4011 } counter accept", False),
        (DROPPING % "udp dport 69 accept", True),
        (DROPPING % "tcp dport 67 accept", True),
        (DROPPING % "meta l4proto { tcp, udp } th dport 67 accept", False),
        (DROPPING % "ip protocol udp accept", False),
        (DROPPING % "meta l4proto != udp accept", True),
        (DROPPING % 'iifname "server*" accept', False),
        (DROPPING % 'iifname { "lo", "server0" } accept', False),
        (DROPPING % 'iifname != "server0" accept', True),
        (DROPPING % "ip saddr 10.77.0.0/24 accept", None),
        (DROPPING % "ip saddr 10.77.0.0/24 drop; udp dport 67 accept", None),
        (DROPPING % "udp dport vmap { 53 : drop, 67 : accept }", False),
        (DROPPING % "limit rate 100/second udp dport 67 accept", False),
        (NAMED % "udp dport @ours accept", None),
        (CHAINS % ("udp dport 67 accept", "jump sub"), False),
        (CHAINS % ("udp dport 67 accept", "goto sub; accept"), False),
        (CHAINS % ("return", "goto sub; accept"), True),
        (CHAINS % ("return", "jump sub; accept"), False),
        (CHAINS % ("accept", 'iifname vmap { "lo" : jump sub }'), True),
        (OTHER % ("ip6", "input"), False),
        (OTHER % ("ip", "forward"), False),
    ],
)
def test_firewall_is_understood_as_it_works(lan: Lan, rules: str, is_closed: bool | None) -> None:
    """What is said to be closed lets no packet through, and what lets none through is said to be
    closed, save for rules of which that cannot be told (None): then nothing is said."""
    load_rules(lan.server, rules)
    packet = Packet(interface=lan.server_interface, protocol="udp", port=67)

    tables = tables_from(lan.server.run("nft", "-j", "list", "ruleset").stdout)

    found = any(table.closed_by(packet) for table in tables)
    assert found is bool(is_closed)
    if is_closed is not None:
        assert gets_through(lan) is not is_closed


def gets_through(lan: Lan) -> bool:
    """Whether a packet of the client's gets to port 67, by the kernel's own account."""
    with lan.server.socket() as server, lan.client.socket() as client:
        server.bind(("10.77.0.1", 67))
        server.settimeout(0.3)
        client.sendto(b"discover", ("10.77.0.1", 67))
        try:
            return server.recv(100) == b"discover"
        except TimeoutError:
            return False


def test_remedy_opens_the_firewall(lan: Lan, sierra: Bundle) -> None:
    """The command that is proposed is one that helps."""
    load_rules(lan.server, DROPPING % "ct state established accept")
    daemon = Daemon(lan.server)

    (line,) = check(daemon)["firewall"]

    assert line.startswith(
        "WARNING: inet f in lets no client to UDP 67, UDP 69, TCP 80 on server0; `nft "
    )
    lan.server.run("sh", "-c", line.partition("`")[2].partition("`")[0])
    assert check(daemon)["firewall"] == ["ok: closes no port that clients need"]
    assert gets_through(lan)


def test_without_privileges_nothing_is_asked(lan: Lan, sierra: Bundle) -> None:
    """Who may not look is told what was not looked at, and what a start would go without."""
    daemon = Daemon(lan.server, LEASING)

    done = lan.server.run(
        *("setpriv", "--bounding-set=-net_raw,-net_admin", NETBOOTCTL, "check"),
        str(daemon.config),
    )

    assert "firewall       not looked at: its rules are for root to read" in done.stdout
    assert "DHCP servers   not looked for: packet sockets need root or CAP_NET_RAW" in done.stdout
    assert (
        "DHCP           run like this, would answer by broadcast and offer addresses unprobed:"
        " packet sockets need root or CAP_NET_RAW"
    ) in done.stdout
