"""A small Linux to boot: Debian's kernel as its package has it, and an initrd made here.

The initrd holds busybox and the drivers of a virtual network card. Its /init tells the serial
console what became of each step, one line a step, and switches the machine off:

    USERLAND-OK kernel=6.1.0-56-cloud-amd64 uptime=2.31
    LEASE-OK address=10.77.0.100 server=10.77.0.1
    HTTP-OK sha256=9f86d081884c...
    TFTP-OK sha256=9f86d081884c...
    USERLAND-DONE

What it loads is told on the kernel's command line: `test.http=URL` and `test.tftp=SERVER:NAME`.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peer import peer, unpacked

KERNEL_PACKAGE = "linux-image-cloud-amd64"

MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
)
"""What the cloud kernel needs for a network card of QEMU's, each after those that it needs."""

FOLDERS = ("bin", "dev", "lib", "proc", "tmp")

INIT = f"""\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
for module in {" ".join(MODULES)}; do insmod /lib/$module.ko; done
echo "USERLAND-OK kernel=$(uname -r) uptime=$(cut -d ' ' -f 1 /proc/uptime)"
for word in $(cat /proc/cmdline); do
  case $word in
    test.http=*) url=${{word#*=}} ;;
    test.tftp=*) file=${{word#*=}} ;;
  esac
done
ip link set eth0 up
udhcpc -i eth0 -f -n -q -t 10 -T 2 -s /lease && \\
wget -q -O /tmp/http "$url" && \\
echo "HTTP-OK sha256=$(sha256sum </tmp/http | cut -d ' ' -f 1)" && \\
tftp -g -b 1428 -r "${{file#*:}}" -l /tmp/tftp "${{file%%:*}}" && \\
echo "TFTP-OK sha256=$(sha256sum </tmp/tftp | cut -d ' ' -f 1)" && \\
echo USERLAND-DONE
poweroff -f
"""

LEASE = """\
#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev eth0
[ -z "$router" ] || ip route add default via "$router"
echo "LEASE-OK address=$ip server=$serverid"
"""


@dataclass(frozen=True, slots=True)
class Linux:
    """Kernel and initrd, as a boot server serves them."""

    kernel: Path
    initrd: Path
    release: str
    """What `uname -r` says, such as `6.1.0-56-cloud-amd64`."""


def make_linux(folder: Path) -> Linux:
    """Take the kernel out of its package and make an initrd with its drivers in `folder`."""
    kernel = unpacked("boot/vmlinuz-*-cloud-amd64", KERNEL_PACKAGE)
    release = kernel.name.removeprefix("vmlinuz-")
    drivers = unpacked(f"lib/modules/{release}/kernel", KERNEL_PACKAGE)
    root = folder / "root"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    shutil.copy(peer("busybox"), root / "bin")
    for module in MODULES:
        (source,) = drivers.rglob(f"{module}.ko")
        shutil.copy(source, root / "lib")
    for name, script in (("init", INIT), ("lease", LEASE)):
        (root / name).write_text(script)
        (root / name).chmod(0o755)
    initrd = folder / "initrd.gz"
    initrd.write_bytes(gzip.compress(_archive(root), compresslevel=6))
    return Linux(kernel, initrd, release)


def _archive(root: Path) -> bytes:
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    command = [peer("busybox"), "cpio", "-o", "-H", "newc", "-R", "0:0"]
    done = subprocess.run(
        command, input="\n".join(names).encode(), cwd=root, capture_output=True, check=True
    )
    return done.stdout
