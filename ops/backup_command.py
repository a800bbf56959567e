"""`backup` and `restore`, which every daemon's command line has. They need no running daemon, and
no daemon that stands still: `restore` alone insists on one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli import Failed, config_option

if TYPE_CHECKING:
    from ops.backup import Manifest, State

StateOf = Callable[[Path | None], "State"]
"""The state that a configuration file names; None: the one that is used without."""


def backup_command(daemon: str, state_of: StateOf) -> click.Command:
    """The command `backup FILE`."""

    @click.command("backup", short_help="Save the state to a file.")
    @click.argument("file", type=click.Path(path_type=Path))
    @config_option(daemon)
    @click.option("--replace", is_flag=True, help="FILE may exist; the new backup takes its place.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def backup(file: Path, configuration: Path | None, replace: bool, as_json: bool) -> None:
        """Save the database to FILE, whether the daemon runs or not.

        FILE is checked before it gets its name, and can be read by its owner only. If it is a
        folder, the file in it is named after the daemon and the time.
        """
        from ops.backup import backup_thd
        from ops.database import StoreError

        now = datetime.now(UTC)
        if file.is_dir():
            file /= f"{daemon}-{now:%Y%m%dT%H%M%SZ}.sqlite"
        try:
            manifest = backup_thd(state_of(configuration), file, now=now, replace=replace)
        except StoreError as error:
            raise Failed(str(error)) from None
        _tell(file, manifest, as_json=as_json)

    return backup


def restore_command(daemon: str, state_of: StateOf) -> click.Command:
    """The command `restore FILE`."""

    @click.command("restore", short_help="Go back to the state in a file.")
    @click.argument("file", type=click.Path(path_type=Path))
    @config_option(daemon)
    @click.option("--look", is_flag=True, help="Only say what FILE is; change nothing.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    def restore(file: Path, configuration: Path | None, look: bool, as_json: bool) -> None:
        """Put the backup FILE in the place of the database. The daemon must not run meanwhile.

        The database that it replaces is kept beside it. A backup of an older version is brought to
        today's form when the daemon starts; one of a newer version is refused.
        """
        from ops.backup import inspect_thd, restore_thd
        from ops.database import StoreError

        state = state_of(configuration)
        kept = None
        try:
            if look:
                manifest = inspect_thd(state, file)
            else:
                manifest, kept = restore_thd(state, file, now=datetime.now(UTC))
        except StoreError as error:
            raise Failed(str(error)) from None
        _tell(file, manifest, as_json=as_json, kept=kept)
        if not look and not as_json:
            click.echo(f"{state.database} is restored; start {daemon}")

    return restore


def _tell(file: Path, manifest: Manifest, *, as_json: bool, kept: Path | None = None) -> None:
    from ops.table import print_json

    if as_json:
        record = {"file": str(file), **manifest.record()}
        print_json(record if kept is None else {**record, "kept": str(kept)})
        return
    made_at = manifest.made_at
    when = "" if made_at is None else f" of {made_at.astimezone():%Y-%m-%d %H:%M:%S}"
    click.echo(
        f"{file}: state of {manifest.daemon}{when}, schema {manifest.schema}, "
        f"{manifest.size / 1024:,.0f} KiB"
    )
    if kept is not None:
        click.echo(f"{kept}: the database that was replaced")
