"""`netbootctl console password`, `pushctl console password`: make the file that lets people log in
to the console. The password is never an argument, which every user of the system could read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli import Failed, config_option

if TYPE_CHECKING:
    from ops.web.settings import ConsoleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOf:
    """What the command has to know of a configuration."""

    settings: ConsoleSettings
    user: str | None
    group: str | None


def console_commands(daemon: str, read: Callable[[Path | None], ConsoleOf]) -> click.Group:
    """The group `console`; `read` gives what a configuration says."""

    @click.group("console", short_help="Let people log in to the console.")
    def console() -> None:
        """The console: what the daemon does, as web pages."""

    @console.command(short_help="Set the password of the console.")
    @click.argument("file", type=click.Path(path_type=Path), required=False)
    @config_option(daemon)
    def password(file: Path | None, configuration: Path | None) -> None:
        """Ask for a password, and write its hash to FILE.

        Without FILE it is the file that console.password_file names. What is read from a pipe is
        the password, up to the end of the line. A daemon that runs goes by the new one at once, and
        whoever had logged in has to do so again.
        """
        known = read(configuration)
        target = file or known.settings.password_file
        if target is None:
            raise Failed("console.password_file is not set; name a FILE here, and there")
        _write(target, _asked(), known)
        click.echo(f"{target} holds the new password")
        if known.settings.password_file is None:
            click.echo(f"Set console.password_file to it in the configuration of {daemon}.")

    return console


def _asked() -> str:
    import sys

    from ops.web.password import MAX_LENGTH, MIN_LENGTH

    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more")
    else:
        given = sys.stdin.readline(MAX_LENGTH + 2).rstrip("\r\n")
    if not MIN_LENGTH <= len(given) <= MAX_LENGTH:
        raise Failed(f"that password has {len(given)} characters; take {MIN_LENGTH} or more")
    return given


def _write(target: Path, password: str, known: ConsoleOf) -> None:
    import os

    from ops.privilege import resolve_identity
    from ops.replace import replace_file
    from ops.start import StartError
    from ops.web.password import hashed_thd

    try:
        is_root = os.name != "nt" and os.geteuid() == 0
        identity = resolve_identity(known.user, known.group) if is_root else None
    except StartError as error:
        raise Failed(str(error)) from error
    owner = None if identity is None else (identity.uid, identity.gid)
    try:
        replace_file(target, f"{hashed_thd(password)}\n".encode(), mode=0o600, owner=owner)
    except OSError as error:
        raise Failed(f"{target} cannot be written: {error.strerror}") from error
