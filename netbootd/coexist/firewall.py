"""Does this computer's packet filter let clients in? Asked of nftables, else of iptables.

Only root may read the rules. Whatever cannot be read or understood raises no alarm.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from netbootd.coexist import iptables, nft
from netbootd.coexist.ruleset import Packet, Table
from netbootd.config import Config
from netbootd.interface import Interface
from ops.finding import Finding, Severity

SUBJECT = "firewall"
PATIENCE: Final = 5.0
"""Seconds that a listing may take."""
SEARCH: Final = "/usr/sbin:/sbin:/usr/bin:/bin"

Run = Callable[[Sequence[str]], str]
"""Runs a command and gives its output. Raises OSError, SubprocessError."""


def run(command: Sequence[str]) -> str:
    """The output of a program of the system. Raises FileNotFoundError where it is not installed."""
    program = shutil.which(command[0], path=SEARCH)
    if program is None:
        raise FileNotFoundError(command[0])
    done = subprocess.run(  # noqa: S603 - our own words, a program of the system's folders
        [program, *command[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def read_tables_thd(run: Run = run) -> list[Table] | None:
    """The rules for packets to this computer; None: they cannot be read."""
    try:
        return nft.tables_from(run(["nft", "-j", "list", "ruleset"]))
    except FileNotFoundError:
        pass
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    try:
        return [iptables.table_from(run(["iptables-save"]))]
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def wanted(settings: Config, interface: str) -> list[Packet]:
    """The packets that must get through on an interface."""
    here = settings.on(interface)
    asks_67 = (
        (settings.bsdp.enabled and here.bsdp)
        or (settings.dhcp.enabled and here.dhcp)
        or (settings.pxe.enabled and here.pxe)
    )
    ports = (
        (asks_67, "udp", settings.bsdp.port),
        (settings.pxe.enabled and here.pxe, "udp", settings.pxe.port),
        (settings.tftp.enabled and here.tftp, "udp", settings.tftp.port),
        (settings.http.enabled and here.http, "tcp", settings.http.port),
        (settings.https.enabled and here.http, "tcp", settings.https.port),
    )
    return [
        Packet(interface=interface, protocol=protocol, port=port)
        for is_wanted, protocol, port in ports
        if is_wanted
    ]


def about_firewall(
    settings: Config, interfaces: Sequence[Interface], tables: Sequence[Table]
) -> Iterator[Finding]:
    """A finding for each chain that closes ports of ours, or one that says that none does."""
    closed: dict[tuple[str, str], list[Packet]] = {}
    remedies: dict[tuple[str, str], Callable[[Sequence[Packet]], str]] = {}
    for table in tables:
        for packet in (it for one in interfaces for it in wanted(settings, one.name)):
            chain = table.closed_by(packet)
            if chain is not None:
                closed.setdefault((table.name, chain), []).append(packet)
                remedies[table.name, chain] = _remedy(table, chain)
    for (name, chain), packets in closed.items():
        ports = ", ".join(dict.fromkeys(f"{it.protocol.upper()} {it.port}" for it in packets))
        where = ", ".join(dict.fromkeys(it.interface for it in packets))
        remedy = remedies[name, chain](packets)
        text = f"{name} {chain} lets no client to {ports} on {where}"
        yield Finding(Severity.WARNING, SUBJECT, text, f"`{remedy}` opens the way")
    if not closed:
        yield Finding(Severity.OK, SUBJECT, "closes no port that clients need")


def _remedy(table: Table, chain: str) -> Callable[[Sequence[Packet]], str]:
    """The command for whoever manages that table."""
    if table.name.endswith(" firewalld"):
        return _by_firewalld
    if any(name.startswith("ufw-") for name in table.chains):
        return _by_ufw
    if (table.name, chain) == ("ip filter", "INPUT"):
        return _by_iptables
    return lambda packets: " && ".join(
        f"nft insert rule {table.name} {chain} {protocol} dport '{{ {ports} }}' accept"
        for protocol, ports in _by_protocol(packets, ", ")
    )


def _by_firewalld(packets: Sequence[Packet]) -> str:
    added = dict.fromkeys(f"--add-port={it.port}/{it.protocol}" for it in packets)
    return f"firewall-cmd {' '.join(added)}"


def _by_ufw(packets: Sequence[Packet]) -> str:
    return " && ".join(dict.fromkeys(f"ufw allow {it.port}/{it.protocol}" for it in packets))


def _by_iptables(packets: Sequence[Packet]) -> str:
    return " && ".join(
        f"iptables -I INPUT -p {protocol} -m multiport --dports {ports} -j ACCEPT"
        for protocol, ports in _by_protocol(packets, ",")
    )


def _by_protocol(packets: Sequence[Packet], separator: str) -> Iterator[tuple[str, str]]:
    for protocol in dict.fromkeys(it.protocol for it in packets):
        ports = dict.fromkeys(str(it.port) for it in packets if it.protocol == protocol)
        yield protocol, separator.join(ports)
