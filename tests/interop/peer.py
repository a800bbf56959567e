"""The programs that nobody here wrote: which we drive, and which Debian package each comes from.

A peer that is not installed skips the test that needs it, except where every peer is promised
(`CI=true` or `NETBOOTD_REQUIRE_PEERS=1`): there its absence is a failure, so that a run that
tested nothing cannot look like one that passed.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = {
    "NetworkManager": "network-manager",
    "7zz": "7zip",
    "aria2c": "aria2",
    "atftp": "atftp",
    "bash": "bash",
    "busybox": "busybox-static",
    "chromium": "chromium",
    "curl": "curl",
    "dhclient": "isc-dhcp-client",
    "dhcpcd": "dhcpcd-base",
    "dhcpd": "isc-dhcp-server",
    "dhcping": "dhcping",
    "dhcrelay": "isc-dhcp-relay",
    "dmg2img": "dmg2img",
    "dnsmasq": "dnsmasq-base",
    "ethtool": "ethtool",
    "fish": "fish",
    "go": "golang-go",
    "grub-script-check": "grub-common",
    "h2load": "nghttp2-client",
    "ip": "iproute2",
    "journalctl": "systemd",
    "kea-dhcp4": "kea-dhcp4-server",
    "nbdkit": "nbdkit",
    "nft": "nftables",
    "nghttp": "nghttp2-client",
    "nginx": "nginx-light",
    "node": "nodejs",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "perfdhcp": "kea-admin",
    "plistutil": "libplist-utils",
    "promtool": "prometheus",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "sqlite3": "sqlite3",
    "ss": "iproute2",
    "sysctl": "procps",
    "systemd-analyze": "systemd",
    "systemd-nspawn": "systemd-container",
    "systemd-socket-activate": "systemd",
    "tc": "iproute2",
    "tcpdump": "tcpdump",
    "tftp": "tftp-hpa",
    "tinyproxy": "tinyproxy-bin",
    "tshark": "tshark",
    "unshare": "util-linux",
    "wget": "wget",
    "zsh": "zsh",
}
"""Command → package."""

FILES = {
    "/etc/udhcpc/default.script": "udhcpc",
    "/lib/systemd/systemd-journald": "systemd",
    "/lib/systemd/systemd-networkd": "systemd",
    "/usr/share/gocode/src/github.com/insomniacslk/dhcp/dhcpv4/bsdp": (
        "golang-github-insomniacslk-dhcp-dev"
    ),
    "/usr/lib/ipxe": "ipxe",
    "/usr/lib/ipxe/qemu/efi-virtio.rom": "ipxe-qemu",
    "/usr/lib/x86_64-linux-gnu/qemu/block-curl.so": "qemu-block-extra",
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
    "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd": "ovmf",
    "/usr/share/OVMF/OVMF_VARS_4M.fd": "ovmf",
    "/usr/share/OVMF/OVMF_VARS_4M.ms.fd": "ovmf",
}
"""File or folder → package, for what is no command. (The QEMU path is Debian's on amd64.)"""

UNPACKED = os.environ.get("NETBOOTD_UNPACKED", "/var/tmp/netbootd-unpacked")
"""Folder of packages that are looked into and need no installation, such as a kernel;
`.ci/unpack FOLDER` fills it."""

NODE = os.environ.get("NETBOOTD_NODE", "/var/tmp/netbootd-node")
"""Folder of packages for Node; `.ci/node FOLDER` fills it."""

# Debian keeps servers and relays where an ordinary user's PATH does not look.
SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def required() -> bool:
    """Whether a missing peer is a failure."""
    return os.environ.get("CI") == "true" or os.environ.get("NETBOOTD_REQUIRE_PEERS") == "1"


def missing(why: str) -> None:
    """Skip the running test, or fail it where nothing may be missing."""
    if required():
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def peer(command: str) -> str:
    """The absolute path of a peer's command."""
    path = shutil.which(command, path=SEARCH)
    if path is None:
        missing(f"{command} is not installed: apt-get install {PACKAGES[command]}")
    assert path is not None
    return path


def peer_file(path: str) -> Path:
    """The path of a file that a peer's package brings."""
    if not Path(path).exists():
        missing(f"{path} does not exist: apt-get install {FILES[path]}")
    return Path(path)


def unpacked(pattern: str, package: str) -> Path:
    """The path of a file in an unpacked package."""
    found = sorted(Path(UNPACKED).glob(pattern))
    if not found:
        missing(f"{UNPACKED} has no {pattern} (Debian's {package}): run .ci/unpack {UNPACKED}")
    return found[-1]


def node_modules(package: str) -> Path:
    """The folder of Node's packages, with `package` in it."""
    found = Path(NODE, "node_modules")
    if not (found / package).is_dir():
        missing(f"{NODE} has no {package}: run .ci/node {NODE}")
    return found


def need_namespaces() -> None:
    """Network namespaces take Linux and root."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    if os.geteuid() != 0:
        missing("network namespaces need root: run the tests with sudo")
    if not may_unshare():
        missing("root of this container may not make network namespaces: it lacks CAP_SYS_ADMIN")
    for command in ("ip", "ethtool", "setpriv"):
        peer(command)


@functools.cache
def may_unshare() -> bool:
    """Whether the kernel gives us a network and a mount namespace."""
    command = [peer("unshare"), "--net", "--mount", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
