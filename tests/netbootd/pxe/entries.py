"""Boot entries read from a disk and offered to a machine, for what is made of them."""

from __future__ import annotations

import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID

from images.catalog import Root, scan_thd
from netbootd.booter import CatalogBooter, OfferedEntry, PcAsker, Publication
from tests.images.entries import efi_program, make_entry

MAC = bytes.fromhex("525400770010")
SERVER = IPv4Address("10.77.0.1")
PC = PcAsker(
    mac=MAC,
    platform="uefi-x86-64",
    server=SERVER,
    machine_id=UUID("564d4c55-0001-0002-0003-525400770010"),
)


def linux_entry(title: str, command_line: str = "", *, initrds: tuple[str, ...] = ()) -> str:
    """A boot.toml, for any title and command line that TOML can write in single quotes."""
    return (
        f"title = {_toml(title)}\nkernel = 'linux'\ninitrd = {list(initrds)}\n"
        f"command_line = {_toml(command_line)}\n"
    )


def _toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08X}" for character in text) + '"'


def offered(
    *boot_tomls: str, asker: PcAsker = PC, http_port: int | None = 80
) -> tuple[OfferedEntry, ...]:
    """What `asker` is offered of entries with these files, in the order given."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(boot_tomls):
            files = {
                "grubx64.efi": efi_program(),
                "second.img": b"x",
                "x y.ipxe": b"#!ipxe\n",
                "a'b c/linux #1": efi_program(),
            }
            make_entry(Path(folder), f"entry {number}", text, files=files)
        snapshot = scan_thd([Root(Path(folder))])
    assert snapshot.errors == ()
    booter = CatalogBooter(Publication(http_port=http_port, nfs=None))
    booter.publish(snapshot)
    return booter.boot_entries(asker)
