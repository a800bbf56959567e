"""`netbootctl import` as an operator types it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netbootd.cli import main
from netbootd.service import DATABASE
from netbootd.statement import SCHEMA
from ops.database import Database
from tests.netbootd.dhcp.importer.data import FOLDER

NEVER = 0xFFFFFFFF
LEASE = (
    "lease 10.0.0.9 {{\n starts epoch 1000;\n ends {ends};\n binding state {state};\n"
    ' hardware ethernet 0:1:2:3:4:5;\n uid {uid};\n client-hostname "blue";\n}}\n'
)


class Site:
    """A configuration with a state folder of its own, and files to import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "state" / DATABASE
        self.config = folder / "netbootd.toml"
        self.config.write_text('[state]\ndirectory = "state"\n')

    def leases(self, text: str, *options: str) -> Result:
        file = self.folder / "dhcpd.leases"
        file.write_text(text)
        return self.run("leases", str(file), "--config", str(self.config), *options)

    @staticmethod
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["import", *arguments])

    def rows(self) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.database) as connection:
            found = connection.execute("SELECT * FROM leases ORDER BY address").fetchall()
        connection.close()
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_lease_is_in_the_database(site: Site) -> None:
    """A lease is written as netbootd writes its own."""
    result = site.leases(LEASE.format(ends="never", state="active", uid="1:0:1:2:3:4:5"))

    assert result.exit_code == 0
    assert result.output == (
        f"{site.database}: 1 leases that hold, 0 that are over, 0 addresses of strangers\n"
    )
    assert site.rows() == [
        (0x0A000009, "01000102030405", "00:01:02:03:04:05", "bound", 1000, NEVER, "blue", "", "")
    ]


def test_lease_that_is_over(site: Site) -> None:
    """A lease that was given back holds no longer, whatever its end; its client is remembered."""
    result = site.leases(LEASE.format(ends="never", state="released", uid="ff:1"))

    ((address, client, _, state, _, ends, *_),) = site.rows()
    assert "0 leases that hold, 1 that are over" in result.output
    assert (address, client, state) == (0x0A000009, "ff01", "released")
    assert isinstance(ends, int)
    assert ends < NEVER


def test_address_of_a_stranger(site: Site) -> None:
    """An abandoned address has no client, and is left alone until its time is over."""
    result = site.leases(LEASE.format(ends="epoch 4000000000", state="abandoned", uid="ff:1"))

    assert "1 addresses of strangers" in result.output
    assert site.rows()[0][1:6] == ("", "00:01:02:03:04:05", "declined", 1000, 4000000000)


def test_identifiers_that_are_ignored(site: Site) -> None:
    """Clients are known as the configuration wants them to be known."""
    site.config.write_text(f"{site.config.read_text()}[dhcp]\nignore_client_identifier = true\n")

    site.leases(LEASE.format(ends="never", state="active", uid="ff:1"))

    assert site.rows()[0][1] == "01000102030405"


def test_machine_that_has_a_host(site: Site) -> None:
    """A machine with a [[dhcp.host]] is known by the Ethernet address there, whatever it sends."""
    site.config.write_text(
        f'{site.config.read_text()}[[dhcp.host]]\nname = "x"\nmac = "00:01:02:03:04:05"\n'
        '[[dhcp.host]]\nname = "y"\nmac = "00:01:02:03:04:06"\nclient_id = "hex:ff02"\n'
    )

    site.leases(LEASE.format(ends="epoch 3000000000", state="active", uid="ff:1"))
    first = site.rows()[0][1]
    site.leases(LEASE.format(ends="epoch 4000000000", state="active", uid="ff:2"))

    assert (first, site.rows()[0][1]) == ("01000102030405", "01000102030406")


def test_newer_lease_stays(site: Site) -> None:
    """What netbootd leased since is not overwritten by an older file, and that is told."""
    site.leases(LEASE.format(ends="epoch 4000000000", state="active", uid="ff:1"))

    result = site.leases(LEASE.format(ends="epoch 3000000000", state="active", uid="ff:2"))

    assert "dhcpd.leases:1: 10.0.0.9 has a newer lease here; left out\n" in result.output
    assert site.rows()[0][1] == "ff01"


def test_the_same_lease_again(site: Site) -> None:
    """A file that is imported twice says the same twice."""
    text = LEASE.format(ends="epoch 4000000000", state="active", uid="ff:1")
    first = site.leases(text)

    assert site.leases(text).output == first.output
    assert "1 leases that hold, 0 that are over" in first.output


def test_lease_of_no_subnet(site: Site) -> None:
    """A lease that the configuration has no subnet for is told: nobody will renew it."""
    subnet = '[[dhcp.subnet]]\nnetwork = "10.9.0.0/24"\n'
    site.config.write_text(site.config.read_text() + subnet)

    result = site.leases(LEASE.format(ends="never", state="active", uid="ff:1"))

    assert "dhcpd.leases:1: 10.0.0.9 is in no [[dhcp.subnet]]: " in result.output


def test_leases_are_no_settings(site: Site) -> None:
    """Who mistakes one file for the other is told which command takes it."""
    file = FOLDER / "dhcpd-utc.leases"

    result = site.run("settings", str(file))

    assert result.exit_code == 1
    assert f"{file} holds leases, no settings: netbootctl import leases {file}" in result.output


def test_newer_file_wins(site: Site) -> None:
    """A file may be imported again later."""
    site.leases(LEASE.format(ends="epoch 3000000000", state="active", uid="ff:1"))

    site.leases(LEASE.format(ends="epoch 4000000000", state="active", uid="ff:2"))

    assert site.rows()[0][1] == "ff02"


def test_remarks_have_file_and_line(site: Site) -> None:
    """What stays out is told with its place, and the command succeeds."""
    result = site.leases("# x\nlease x { }\nauthoring-byte-order little-endian;\n")

    assert result.exit_code == 0
    assert f"{site.folder}/dhcpd.leases:2: `lease x` names no IPv4 address\n" in result.output


def test_daemon_that_runs(site: Site) -> None:
    """While netbootd has its database, nothing is imported and the remedy is said."""
    database = Database(site.database, SCHEMA)
    database.open_thd()
    try:
        result = site.leases(LEASE.format(ends="never", state="active", uid="ff:1"))
    finally:
        database.close_thd()

    assert result.exit_code == 1
    assert "nothing is imported: " in result.output
    assert "is in use by another process; stop that process" in result.output
    assert site.rows() == []


@pytest.mark.parametrize(
    "file", ["dhcpd-utc.leases", "dhcpd-epoch.leases", "dnsmasq.leases", "kea-leases4.csv"]
)
def test_files_are_recognised(site: Site, file: str) -> None:
    """It is seen what wrote a file of leases."""
    result = site.run("leases", str(FOLDER / file), "--config", str(site.config))

    assert result.exit_code == 0
    assert len(site.rows()) >= 7


@pytest.mark.parametrize("file", ["dhcpd.conf", "dnsmasq.conf"])
def test_settings_are_a_configuration(site: Site, file: str) -> None:
    """What is printed for a configuration is one that netbootd takes; remarks are beside it."""
    result = site.run("settings", str(FOLDER / file))

    site.config.write_text(result.stdout)
    checked = CliRunner().invoke(main, ["check", str(site.config)])
    assert result.exit_code == 0
    assert f"ok       configuration  {site.config}\n" in checked.output
    assert f"{FOLDER / file}:" in result.stderr
    assert f"{FOLDER / file}:" not in result.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x01\x02", "it is not clear what wrote this; name it: --from "),
        (b"address,hwaddr,x\n", "its first line names no column client_id; nothing is imported"),
        (b"lease 1.1.1.1 { " + b"x" * 70_000, "line 1 is longer than 64 KiB"),
    ],
)
def test_other_files(site: Site, content: bytes, told: str) -> None:
    """A file of something else is refused, and no database is made."""
    file = site.folder / "file"
    file.write_bytes(content)

    result = site.run("leases", str(file), "--config", str(site.config))

    assert result.exit_code == 1
    assert told in result.output
    assert not site.database.exists()


def test_file_that_is_not_there(site: Site) -> None:
    """A missing file is an expected failure."""
    result = site.run("settings", str(site.folder / "none"))

    assert (result.exit_code, result.output) == (
        1,
        f"Error: {site.folder}/none cannot be read: No such file or directory\n",
    )


def test_source_can_be_named(site: Site) -> None:
    """--from wins over what a file looks like."""
    result = site.run("leases", str(FOLDER / "dnsmasq.leases"), "--from", "kea")

    assert result.exit_code == 1
    assert "names no column" in result.output
