"""DHCP servers that netbootd works beside: dnsmasq, ISC dhcpd, Kea, each with one small pool.

With `to_boot_server` a server sends PXE clients on to port 4011 of its own address, by option 60;
`docs/beside-dhcp.md` has the same settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from .lab import Host, Process

NETWORK = "10.77.0.0/24"
DNSMASQ_LEASES, DHCPD_LEASES, KEA_LEASES = "dnsmasq.leases", "dhcpd.leases", "kea-leases4.csv"
"""Files in the folder of the host."""
FIRST, LAST = "10.77.0.100", "10.77.0.150"


def dnsmasq(host: Host, interface: str, *, to_boot_server: bool = False) -> Process:
    options: tuple[str, ...] = ()
    if to_boot_server:
        options = (
            "--dhcp-vendorclass=set:pxe,PXEClient",
            "--dhcp-option-force=tag:pxe,60,PXEClient",
        )
    process = host.start(
        *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root"),
        *("--conf-file=/dev/null", "--pid-file=", "--no-ping"),
        f"--dhcp-leasefile={host.folder / DNSMASQ_LEASES}",
        *(f"--interface={interface}", "--bind-interfaces", "--dhcp-authoritative"),
        *(f"--dhcp-range={FIRST},{LAST},1h", *options),
    )
    process.wait_for("DHCP, sockets bound exclusively")
    return process


def dhcpd(host: Host, interface: str, *, to_boot_server: bool = False) -> Process:
    pxe = """
        class "pxe" {
          match if substring(option vendor-class-identifier, 0, 9) = "PXEClient";
          option vendor-class-identifier "PXEClient";
        }
    """
    configuration = host.folder / "dhcpd.conf"
    configuration.write_text(
        "authoritative; ping-check false;\n"
        f"subnet 10.77.0.0 netmask 255.255.255.0 {{ range {FIRST} {LAST}; }}\n"
        f"{pxe if to_boot_server else ''}"
    )
    leases = host.folder / DHCPD_LEASES
    leases.touch()
    files = ("-cf", str(configuration), "-lf", str(leases), "--no-pid")
    process = host.start("dhcpd", "-4", "-f", "-d", *files, interface)
    process.wait_for("Server starting service")
    return process


def kea(host: Host, interface: str, *, to_boot_server: bool = False) -> Process:
    settings = {
        "interfaces-config": {"interfaces": [interface]},
        "lease-database": {"type": "memfile", "name": str(host.folder / KEA_LEASES)},
        "subnet4": [{"subnet": NETWORK, "pools": [{"pool": f"{FIRST} - {LAST}"}]}],
        "loggers": [
            {"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}
        ],
    }
    if to_boot_server:
        option = {"name": "vendor-class-identifier", "data": "PXEClient"}
        test = "substring(option[60].hex, 0, 9) == 'PXEClient'"
        settings["client-classes"] = [{"name": "pxe", "test": test, "option-data": [option]}]
    configuration = host.folder / "kea.json"
    configuration.write_text(json.dumps({"Dhcp4": settings}))
    folders = {"KEA_PIDFILE_DIR": str(host.folder), "KEA_LOCKFILE_DIR": str(host.folder)}
    process = host.start("kea-dhcp4", "-c", str(configuration), env=folders)
    process.wait_for("DHCP4_STARTED")
    return process


SERVERS: tuple[Callable[..., Process], ...] = (dnsmasq, dhcpd, kea)
