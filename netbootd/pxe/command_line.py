"""The command line of a boot entry for one machine: its placeholders filled in.

Must never let anything of a machine in but its address: what stands in boot.toml has been checked
(`images.boot_toml`), so that no line of a script ends where it should not.
"""

from __future__ import annotations

from urllib.parse import quote

from images.boot_toml import filled
from images.root_path import HTTP_PORT
from netbootd.booter import OfferedEntry, PcAsker


def command_line(offered: OfferedEntry, asker: PcAsker, http_port: int | None) -> str:
    """What the kernel or EFI program is started with. `http_port` is ours; None: no HTTP, and no
    entry that needs it is offered then."""
    entry = offered.entry
    host = str(asker.server)
    if http_port not in (None, HTTP_PORT):
        host += f":{http_port}"
    return filled(
        entry.command_line,
        {
            "base_url": f"http://{host}/{quote(f'NetBoot/{entry.share}/{entry.name}')}",
            "server": str(asker.server),
            "mac": asker.mac.hex(":"),
            "mac_hyphens": asker.mac.hex("-"),
        },
    )


def published(offered: OfferedEntry, relative: str) -> str:
    """The absolute path by which we publish a file of the entry."""
    return f"/NetBoot/{offered.entry.share}/{offered.entry.name}/{relative}"
