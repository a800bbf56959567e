"""DHCP clients of the distribution, run once each; what they learned is what their hook was told.

None of them may touch the machine that runs the tests: their scripts only print, and their state
goes to file systems that exist for them alone.
"""

from __future__ import annotations

from .lab import Host, Process
from .peer import peer

MAC_CLASS = "AAPLBSDPC/i386/iMac14,2"


def _script(host: Host) -> str:
    """A hook for any of the clients: prints its environment, changes nothing."""
    script = host.folder / "hook.sh"
    if not script.exists():
        script.write_text("#!/bin/sh\nenv\n")
        script.chmod(0o755)
    return str(script)


def _environment(output: str) -> dict[str, str]:
    lines = (line.partition("=") for line in output.splitlines() if "=" in line)
    return {name: value for name, _, value in lines}


def dhcpcd(host: Host, interface: str, *options: str) -> dict[str, str]:
    """dhcpcd as a BSDP client: it has an address, sends DHCPINFORM, and is told our answer.

    dhcpcd writes a number as four bytes, so single bytes are given as text: `-v 1,"\\x01"`.
    """
    command = (
        *(peer("dhcpcd"), "-4", "-1", "-B", "-t", "10", "--noarp", "-f", "/dev/null"),
        *("-s", str(host.addresses[interface]), "-i", MAC_CLASS),
        *("-o", "17", "-o", "43", "-o", "60", "-c", _script(host)),
    )
    own_state = 'mount -t tmpfs t /run && mount -t tmpfs t /var/lib/dhcpcd && exec "$@"'
    done = host.run("sh", "-c", own_state, "sh", *command, *options, interface, timeout=30)
    return _environment(done.stdout)


def dhcpcd_list(host: Host, interface: str) -> dict[str, str]:
    return dhcpcd(host, interface, "-v", r'1,"\x01"', "-v", "2,01:01", "-v", "12,20:00")


def dhcpcd_select(host: Host, interface: str, server: str, image: bytes) -> dict[str, str]:
    selection = ("-v", r'1,"\x02"', "-v", "2,01:01", "-v", f"3,{server}")
    return dhcpcd(host, interface, *selection, "-v", f"8,{image.hex(':')}")


def udhcpc(host: Host, interface: str, *options: str, tries: int = 3) -> dict[str, str] | None:
    """busybox udhcpc: a lease, or None when no server gave one."""
    command = ("busybox", "udhcpc", "-i", interface, "-f", "-n", "-q", "-T", "1", "-t", str(tries))
    done = host.run(*command, "-s", _script(host), *options, check=False, timeout=30)
    return _environment(done.stdout) if done.returncode == 0 else None


def dhclient(host: Host, interface: str, config: str) -> Process:
    """ISC dhclient in the foreground with a configuration of its own; the caller stops it."""
    folder = host.folder / f"dhclient-{interface}"
    folder.mkdir(exist_ok=True)
    (folder / "conf").write_text(config)
    (folder / "leases").touch()
    files = [str(folder / name) for name in ("conf", "leases", "pid")]
    conf, leases, pid = files
    flags = ("-4", "-1", "-d", "-v", "-sf", _script(host), "-cf", conf, "-lf", leases, "-pf", pid)
    return host.start("dhclient", *flags, interface)
