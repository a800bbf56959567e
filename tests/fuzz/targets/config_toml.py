"""Any bytes are either settings within their ranges or one ConfigError whose line is printable."""

from __future__ import annotations

from netbootd.config import Config
from ops.config import ConfigError, parse


def target(data: bytes) -> None:
    line = ""
    try:
        check(parse(data, Config))
    except ConfigError as error:
        line = str(error)
    assert line.isprintable()


def check(settings: Config) -> None:
    assert 512 <= settings.tftp.max_blksize <= 65464
    assert 1 <= settings.http.idle_timeout <= 3600
    assert settings.images.shares
    assert all(len(mac) == 6 for mac in (*settings.bsdp.allow, *settings.bsdp.deny))
    assert settings.bsdp.machine_name_format % 7
    assert settings.dhcp.lease_time >= 4
