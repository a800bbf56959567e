"""`netbootctl config init`: asks what cannot be found out, with what was found as the answer.

Nothing is written before every answer is there and what follows is a file that netbootd takes.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Final

import click

from netbootd.config import Config
from netbootd.setup import (
    IMAGE_FOLDERS,
    USER,
    Found,
    Mode,
    Wanted,
    holds_images,
    look,
    network_of,
    suggested_pool,
    toml_of,
)
from ops.cli import Failed, usual_configuration
from ops.config import parse
from ops.replace import replace_file
from ops.setting import AddressRange

MODES: Final = (
    (Mode.ALONE, "From netbootd. It boots Macs and PCs."),
    (Mode.BESIDE, "From another server. netbootd boots Macs."),
    (Mode.PROXY, "From another server. netbootd boots Macs and PCs."),
)
WIDEST: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says; None: ask, or take what is found."""

    file: Path | None
    mode: Mode | None
    interfaces: tuple[str, ...]
    images: Path | None
    pool: AddressRange | None
    router: IPv4Address | None
    dns: tuple[IPv4Address, ...]
    loaders: Path | None
    user: str | None
    yes: bool
    """Ask nothing."""
    force: bool
    """Put it in the place of a file that is there."""
    search: bool


def init(given: Given) -> Path:
    """Ask, and write the file; where it is. Raises Failed."""
    file = given.file or _usual_file()
    if file.exists() and not given.force:
        raise Failed(f"{file} exists; name another file, or --force to replace it")
    if given.search:
        _say("Looking around; DHCP servers have four seconds to answer …")
    found = look(search=given.search)
    _tell(found, given)
    try:
        wanted = _ask(found, given)
        text = toml_of(wanted)
        parse(text.encode(), Config)  # what is asked for may contradict itself: nothing is written
        if not given.yes:
            _confirm(text, file)
    except click.Abort:
        click.echo()
        raise Failed("nothing is written; answer all questions, or say --yes") from None
    _make_folder(wanted.images)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode(), mode=0o644)
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}") from None
    click.echo(f"{click.style('✓', fg='green')} {file} is written")
    return file


def _confirm(text: str, file: Path) -> None:
    """Raises Failed if that is not what is wanted."""
    click.echo()
    click.echo(click.style(text.rstrip(), dim=True))
    click.echo()
    if not click.confirm(f"Write this to {file}?", default=True):
        raise Failed("nothing is written")


def _usual_file() -> Path:
    usual = usual_configuration("netbootd")
    is_root = os.name == "posix" and os.geteuid() == 0
    return usual if is_root else Path("netbootd.toml")


# What was found.


def _tell(found: Found, given: Given) -> None:
    if not found.interfaces:
        _say("No interface has a private address: give one an address first.", fg="yellow")
    for one in found.interfaces:
        addresses = ", ".join(str(address) for address in one.addresses)
        _fact("interface", f"{one.name}: {addresses}")
    for offer in found.offers:
        _fact("DHCP server", f"{offer.server} gives addresses on {offer.interface}")
    if found.was_searched and not found.offers:
        _fact("DHCP server", "none answers")
    elif given.search and not found.was_searched:
        _fact("DHCP server", "not looked for: that needs root")
    if found.images is not None:
        _fact("images", str(found.images.absolute()))
    if found.loaders is not None:
        _fact("boot loaders", str(found.loaders))


def _fact(name: str, text: str) -> None:
    click.echo(f"  {name:<13} {text}")


def _say(text: str, **style: Any) -> None:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        click.echo(click.style(line, **style))


# What is to be done.


def _ask(found: Found, given: Given) -> Wanted:
    mode = given.mode or _ask_mode(found, given)
    leases = [("--pool", given.pool), ("--router", given.router), ("--dns", given.dns)]
    useless = [name for name, value in leases if value and mode is not Mode.ALONE]
    if useless:
        text = f"{' and '.join(useless)}: another server gives the addresses (--mode {mode.value})"
        raise Failed(f"{text}; leave that out, or say --mode alone")
    names = _ask_interfaces(found, given)
    images = given.images or _ask_images(found, given)
    network, pool, router, dns = None, None, None, given.dns
    if mode is Mode.ALONE:
        network = network_of(found, names)
        if network is None:
            raise Failed("no interface has an address to lease others beside; give one an address")
        _warn_of_others(found, given)
        pool = given.pool or _ask_pool(network, found, given)
        router = given.router or _ask_router(network, found, given)
        dns = given.dns or found.dns
    boots_pcs = mode is Mode.PROXY or (mode is Mode.ALONE and _ask_pcs(found, given))
    user = given.user or (USER if found.has_user else None)
    return Wanted(
        mode=mode,
        interfaces=names,
        images=images.absolute(),
        network=network,
        pool=pool,
        router=router,
        dns=dns,
        boots_pcs=boots_pcs,
        loaders=(given.loaders or found.loaders) if boots_pcs else None,
        user=user,
    )


def _ask_mode(found: Found, given: Given) -> Mode:
    if given.yes:
        return found.mode
    click.echo()
    _say("Where do machines get their addresses from?", bold=True)
    for number, (_, text) in enumerate(MODES, 1):
        click.echo(f"  {number}  {text}")
    usual = [mode for mode, _ in MODES].index(found.mode) + 1
    number = click.prompt("Number", default=usual, type=click.IntRange(1, len(MODES)))
    return MODES[number - 1][0]


def _ask_interfaces(found: Found, given: Given) -> tuple[str, ...]:
    """Empty: all."""
    known = [one.name for one in found.interfaces]
    for name in given.interfaces:
        if name not in known:
            raise Failed(f"{name} has no private address; those that have: {', '.join(known)}")
    if given.interfaces or given.yes or len(known) < 2:
        return given.interfaces
    click.echo()
    _say("Serve on which interfaces? Names with spaces between, or all.", bold=True)
    while True:
        names = tuple(click.prompt("Interfaces", default="all").split())
        if names == ("all",):
            return ()
        wrong = [name for name in names if name not in known]
        if names and not wrong:
            return names
        click.echo(f"{' '.join(wrong)} is none of {' '.join(known)}")


def _ask_images(found: Found, given: Given) -> Path:
    usual = found.images or Path(IMAGE_FOLDERS[1])
    if given.yes:
        return usual
    click.echo()
    _say("Which folder has the images, or will have them?", bold=True)
    return Path(click.prompt("Folder", default=str(usual.absolute()))).expanduser()


def _warn_of_others(found: Found, given: Given) -> None:
    if not found.offers:
        return
    who = ", ".join(f"{offer.server} on {offer.interface}" for offer in found.offers)
    _say(f"DHCP server {who} gives addresses: one may go to two machines.", fg="yellow")
    if not given.yes and not click.confirm("Lease addresses all the same?", default=False):
        raise Failed("nothing is written; stop the other server, or choose to work beside it")


def _ask_pool(network: IPv4Interface, found: Found, given: Given) -> AddressRange:
    usual = suggested_pool(network, [network.ip])
    if given.yes:
        return usual
    click.echo()
    _say(f"Which addresses of {network.network} may machines get?", bold=True)
    while True:
        try:
            pool = AddressRange.parse(click.prompt("Addresses", default=str(usual)))
        except ValueError:
            click.echo(f"write {AddressRange.form}")
            continue
        if pool.first in network.network and pool.last in network.network:
            return pool
        click.echo(f"they must be in {network.network}")


def _ask_router(network: IPv4Interface, found: Found, given: Given) -> IPv4Address | None:
    usual = found.router
    if usual is not None and usual not in network.network:
        usual = None
    if given.yes:
        return usual
    click.echo()
    _say("Which router leads out of this network? Write - for none.", bold=True)
    while True:
        text = click.prompt("Router", default=str(usual or "-"))
        if text == "-":
            return None
        try:
            router = IPv4Address(text)
        except ValueError:
            click.echo("write an IPv4 address, or -")
            continue
        if router in network.network:
            return router
        click.echo(f"it must be in {network.network}")


def _ask_pcs(found: Found, given: Given) -> bool:
    if given.yes:
        return found.loaders is not None or given.loaders is not None
    click.echo()
    return click.confirm("Boot PCs and virtual machines, too?", default=found.loaders is not None)


def _make_folder(images: Path) -> None:
    if images.is_dir():
        if not holds_images(images):
            click.echo(f"  {images} is empty yet: put images there")
        return
    try:
        images.mkdir(parents=True)
    except FileExistsError:
        raise Failed(f"{images} is no folder; name one with --images") from None
    except OSError as error:
        raise Failed(f"{images} cannot be made: {error.strerror}") from None
    click.echo(f"{click.style('✓', fg='green')} {images} is made, for your images")
