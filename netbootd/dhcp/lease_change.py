"""`netbootctl leases reserve`, `unreserve` and `release`: done by the netbootd that runs; where
none does, in its database, which its next start reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click

from netbootd import config
from netbootd.admin.client import running_client
from netbootd.config import Config
from netbootd.dhcp.leases import leases_of, row_of
from netbootd.dhcp.reservation import (
    Reservation,
    candidates,
    last_lease,
    objection,
    reservations_of,
)
from netbootd.statement import (
    FORGET_RESERVATION,
    LOAD_LEASES,
    LOAD_RESERVATIONS,
    SAVE_LEASE,
    SAVE_RESERVATION,
    SCHEMA,
)
from netbootd.stored import database_of
from ops.cli import Failed
from ops.config import Invalid
from ops.database import Database, StoreError
from ops.setting import MacAddress
from ops.table import print_json
from ops.text import escape
from protocols.dhcp.server.lease import Lease, LeaseState


def reserve(
    configuration: Path | None, mac: MacAddress, address: IPv4Address | None, name: str | None
) -> dict[str, Any]:
    """Keep an address for a machine. Raises Failed."""
    client = running_client(configuration)
    if client is not None:
        value = {"mac": str(mac), "address": address and str(address), "name": name}
        answer: dict[str, Any] = client.post("/v1/reservations", value)
        return answer
    settings = _leasing(configuration)
    with _offline(configuration) as database:
        known = list(reservations_of(database.read_thd(LOAD_RESERVATIONS, {})))
        leases = leases_of(database.read_thd(LOAD_LEASES, {}))
        before = next((one for one in known if one.mac == mac), None)
        own, now = last_lease(leases, mac), int(time.time())
        try:
            choices = candidates(mac, address, name, own=own, before=before, now=now)
            chosen = _first(settings, choices, known)
        except Invalid as error:
            raise Failed(f"{error.problem}; {error.remedy}") from None
        _write(database, SAVE_RESERVATION, chosen.row())
    return chosen.row() | {"held_by": None}


def _first(settings: Config, choices: list[Reservation], known: list[Reservation]) -> Reservation:
    """The first that can be. Raises Invalid, of the last one."""
    for choice in choices:
        why = objection(choice, settings.dhcp, known)
        if why is None:
            return choice
    assert why is not None  # noqa: S101 - there is a choice at least
    raise why


def unreserve(configuration: Path | None, mac: MacAddress) -> dict[str, Any]:
    """Keep no address for a machine any more. Raises Failed."""
    client = running_client(configuration)
    if client is not None:
        answer: dict[str, Any] = client.delete(f"/v1/reservations/{mac}")
        return answer
    with _offline(configuration) as database:
        for each in reservations_of(database.read_thd(LOAD_RESERVATIONS, {})):
            if each.mac == mac:
                _write(database, FORGET_RESERVATION, {"mac": str(mac)})
                return each.row()
    raise Failed(
        f"nothing is reserved for {mac}; `netbootctl leases list` shows what is, and what the"
        " configuration reserves is in its file"
    )


def release(configuration: Path | None, whose: IPv4Address | MacAddress) -> dict[str, Any]:
    """End a lease, by its address or its machine. Raises Failed."""
    client = running_client(configuration)
    if client is not None:
        answer: dict[str, Any] = client.delete(f"/v1/leases/{whose}")
        return answer
    now = int(time.time())
    with _offline(configuration) as database:
        leases = list(leases_of(database.read_thd(LOAD_LEASES, {})))
        if isinstance(whose, IPv4Address):
            lease = next((one for one in leases if one.address == int(whose)), None)
        else:
            lease = last_lease(leases, whose)
        if lease is None or lease.ends <= now:
            raise Failed(f"{whose} has no lease; `netbootctl leases list` shows them")
        ended: Lease = lease._replace(state=LeaseState.RELEASED, ends=now)
        _write(database, SAVE_LEASE, row_of(ended))
    return {
        "address": str(IPv4Address(ended.address)),
        "hardware": ended.hardware.hex(":") or None,
        "state": ended.state.value,
    }


def _leasing(configuration: Path | None) -> Config:
    settings = config.load(configuration)
    if not settings.dhcp.enabled:
        raise Failed("netbootd leases no addresses here; set dhcp.enabled = true")
    return settings


@contextmanager
def _offline(configuration: Path | None) -> Iterator[Database]:
    """The database, which is ours meanwhile. Raises Failed."""
    database = Database(database_of(configuration), SCHEMA)
    if not database.path.exists():
        raise Failed(
            f"{database.path} does not exist: netbootd has not run with this state folder; name its"
            " configuration: --config FILE"
        )
    try:
        database.open_thd()
        try:
            yield database
        finally:
            database.close_thd()
    except StoreError as error:
        raise Failed(str(error)) from None


def _write(database: Database, statement: str, parameters: dict[str, Any]) -> None:
    (error,) = database.write_thd([(statement, parameters)])
    if error is not None:
        raise error


# What is said of it.


def tell_reserved(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    name = escape(answer["name"])
    click.echo(f"{answer['address']} is reserved for {answer['mac']} ({name})")
    if answer["held_by"]:
        click.echo(
            f"{answer['held_by']} has it until its lease ends, or `netbootctl leases release`"
        )


def tell_unreserved(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    click.echo(f"{answer['address']} is not reserved for {answer['mac']} any more")


def tell_released(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    machine = answer["hardware"] or "its machine"
    click.echo(f"{answer['address']} is free: {machine} has no lease of it any more")
