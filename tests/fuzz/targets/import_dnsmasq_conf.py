"""Whatever the bytes of a configuration, it is refused as a whole, or becomes one that netbootd
takes, with remarks about lines that are there."""

from __future__ import annotations

from netbootd.config import Config
from netbootd.dhcp.importer.dnsmasq_conf import read_settings
from netbootd.dhcp.importer.found import Unreadable
from netbootd.dhcp.importer.ours import toml_of
from ops.config import parse


def target(data: bytes) -> None:
    try:
        found = read_settings(data)
        text, remarks = toml_of(found)
    except Unreadable:
        return
    parse(text.encode(), Config)
    last_line = data.count(b"\n") + 1
    for remark in (*found.remarks, *remarks):
        assert 1 <= remark.line <= last_line
        assert remark.text.isprintable()
