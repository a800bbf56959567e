"""`pushctl credentials`: take in, list and try out what proves to Apple who we are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli import config_option
from pushd.cli.place import owner_of_state

if TYPE_CHECKING:
    from ops.doctor import Check
    from ops.table import Cell
    from pushd.admin.shape import Credential as Row
    from pushd.config import Config
    from pushd.credential_folder import AskPassword
    from pushd.credential_import import Done
    from pushd.settings import CredentialSettings

NAME = r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
FORBIDDEN = "cannot be read (Permission denied)"
TEN = r"\A[A-Z0-9]{10}\Z"


def _matching(pattern: str, what: str) -> Any:
    import re

    def check(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.match(pattern, value):
            raise click.BadParameter(f"{value!r} is not {what}")
        return value

    return check


@click.group(short_help="Certificates and keys for Apple.")
def credentials() -> None:
    """Certificates and signing keys, which prove to Apple who we are."""


@credentials.command("import", short_help="Take in a .p12, .cer, .pem or .p8.")
@click.argument("source", metavar="SOURCE", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key, where SOURCE is a certificate without it.",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File whose first line is the password. Default: it is asked for.",
)
@click.option(
    "--name",
    callback=_matching(NAME, "a name of up to 64 letters, digits, dots, dashes or underlines"),
    help="What pushes name it by. Default: mdm, team, or the end of the app's bundle id.",
)
@click.option(
    "--environment",
    type=click.Choice(["production", "development"]),
    help="Default: what a certificate says; production, if it is for both, and for a .p8.",
)
@click.option(
    "--team-id",
    callback=_matching(TEN, "ten capital letters or digits"),
    metavar="ID",
    help="The team of a .p8.",
)
@click.option(
    "--key-id",
    callback=_matching(TEN, "ten capital letters or digits"),
    metavar="ID",
    help="The identifier of a .p8. Default: the one in its file's name.",
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="Use it for these topics only; may be given several times.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the table, do not add it.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def import_(
    source: Path,
    key: Path | None,
    password_file: Path | None,
    name: str | None,
    environment: Any,
    team_id: str | None,
    key_id: str | None,
    topics: tuple[str, ...],
    only_print: bool,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """Take in the credential in SOURCE: a .p12, a PEM file, a .cer and its key, or a .p8.

    It is checked as the daemon would, then kept among pushd's state where the daemon alone can
    read it, and the configuration gets its [[credential]]. One of the same name and topics is
    renewed: a running daemon takes the new one by itself.
    """
    from ops.cli import Failed
    from pushd.config import load
    from pushd.credential import CredentialError
    from pushd.credential_folder import Source
    from pushd.credential_import import Import, ImportRefused

    settings = load(configuration)
    work = Import(configuration, settings, owner_of_state(settings), only_print=only_print)
    offered = Source(
        file=source,
        key=key,
        name=name,
        environment=environment,
        topics=topics,
        team_id=team_id,
        key_id=key_id,
    )
    try:
        done = work.run_thd(offered, _asker(password_file))
    except (CredentialError, ImportRefused) as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise Failed(f"{error.filename}: cannot be written ({error.strerror})") from error
    _tell(done, as_json)


def _asker(password_file: Path | None) -> AskPassword:
    """Where passwords come from: the file, or the terminal."""
    from ops.cli import Failed
    from pushd.credential import CredentialError, read_password_thd

    def ask(path: Path, again: bool) -> bytes:
        if password_file is not None:
            if again:
                remedy = "write the password of its export into the first line"
                raise CredentialError(password_file, f"does not open {path}", remedy)
            return read_password_thd(password_file).encode()
        if not sys.stdin.isatty():
            raise Failed(f"{path}: needs a password; name the file it is in: --password-file FILE")
        wrong = "That was not it. " if again else ""
        prompt = f"{wrong}Password of {path.name}"
        return str(click.prompt(prompt, hide_input=True, err=True, default="")).encode()

    return ask


def _tell(done: Done, as_json: bool) -> None:
    from ops.table import print_facts, print_json

    if as_json:
        print_json(
            {
                "credential": _record(done.settings),
                "file": str(done.kept),
                "renewed": done.renewed,
                "table": done.table,
                "added_to": None if done.added_to is None else str(done.added_to),
                "rivals": done.rivals,
            }
        )
    else:
        print_facts(_facts(done))
        if done.added_to is None and not done.renewed:
            click.echo("\nFor the configuration:\n")
            click.echo(done.table, nl=False)
    for name, shared in done.rivals.items():
        click.echo(
            f"Credential {name} is for {', '.join(shared)}, too: pushes that name neither will be"
            f" refused. Take the table of one out of the configuration; to renew {name}, import"
            f" with --name {name}.",
            err=True,
        )
    for path in done.exposed:
        click.echo(f"Others may read the key in {path}: remove it, or chmod 600 it.", err=True)


def _facts(done: Done) -> list[tuple[str, Cell]]:
    from pushd.cli.words import topics_shown

    credential = done.credential
    facts: list[tuple[str, Cell]] = [
        ("renewed" if done.renewed else "imported", (credential.name, "bold green")),
        ("environment", credential.environment),
        ("topics", topics_shown(credential.topics)),
    ]
    if credential.expires_at is not None:
        until = f"{credential.expires_at:%Y-%m-%d}"
        before = None if done.before is None else done.before.expires_at
        if before is not None and before != credential.expires_at:
            until += f" (the one before: {before:%Y-%m-%d})"
        facts.append(("until", until))
    facts.append(("kept in", str(done.kept)))
    if done.added_to is not None:
        facts.append(("added to", str(done.added_to)))
        facts.append(("next", "reload a pushd that runs: SIGHUP, systemctl reload pushd"))
    elif done.renewed:
        facts.append(("next", "nothing: a pushd that runs takes it within seconds"))
    return facts


@credentials.command("list", short_help="Topics, environment, days left.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(configuration: Path | None, as_json: bool) -> None:
    """List the credentials of the configuration, as their files are now.

    Who may not read the files is told what a running pushd has of them.
    """
    from ops.table import print_json, print_table
    from pushd.config import load

    settings = load(configuration)
    rows = _as_the_daemon_has_them([_row(one) for one in settings.credentials], configuration)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(rows))
        return
    print_table(
        ["name", "left", "until", "environment", "topics"],
        [_cells(row) for row in rows],
        nothing="No credential is configured; pushctl credentials import takes one in.",
    )
    for row in rows:
        if row.problem is not None:
            problem = row.problem
            click.echo(f"{row.name}: {problem.file}: {problem.why}; {problem.remedy}", err=True)


def _as_the_daemon_has_them(rows: list[Row], configuration: Path | None) -> list[Row]:
    """With what a daemon that runs says of those whose files are not for us to read."""
    if not any(row.problem is not None and FORBIDDEN in row.problem.why for row in rows):
        return rows
    import msgspec

    from ops.cli import Failed
    from pushd.admin.client import admin_client
    from pushd.admin.shape import Credentials

    try:
        answer = admin_client(configuration).get("/v1/credentials")
    except Failed:
        return rows
    told = {one.name: one for one in msgspec.convert(answer, Credentials).credentials}
    return [
        told.get(row.name, row) if row.problem is not None and FORBIDDEN in row.problem.why else row
        for row in rows
    ]


def _row(one: CredentialSettings) -> Row:
    """As the admin API tells of it."""
    from datetime import UTC, datetime

    from protocols.apns.token import ProviderTokens
    from pushd.admin.shape import Credential, CredentialProblem
    from pushd.credential import CredentialError, files_of, load_credential_thd

    now = datetime.now(UTC)
    kind: Any = "certificate" if one.p8 is None else "key"
    common: dict[str, Any] = {
        "name": one.name,
        "kind": kind,
        "environment": one.environment,
        "files": tuple(map(str, files_of(one))),
    }
    try:
        loaded = load_credential_thd(one, tokens=ProviderTokens(), now=now)
    except CredentialError as error:
        problem = CredentialProblem(file=str(error.path), why=error.why, remedy=error.remedy)
        return Credential(usable=False, topics=one.topics, problem=problem, **common)
    end = loaded.expires_at
    return Credential(
        usable=True,
        topics=tuple(sorted(loaded.topics)),
        fingerprint=loaded.fingerprint,
        expires_at=None if end is None else int(end.timestamp() * 1000),
        days_left=None if end is None else (end - now).days,
        **common,
    )


def _cells(row: Row) -> list[Cell]:
    from datetime import UTC, datetime

    from pushd.cli.words import topics_shown
    from pushd.credentials import WARNED_AT

    until, left = "", ("does not expire", "dim")
    if not row.usable:
        left = ("cannot be used", "bold red")
    elif row.expires_at is not None and row.days_left is not None:
        until = f"{datetime.fromtimestamp(row.expires_at / 1000, UTC):%Y-%m-%d}"
        soon = row.days_left <= max(WARNED_AT)
        days = "1 day" if row.days_left == 1 else f"{row.days_left} days"
        left = (days, "bold yellow" if soon else "green")
    topics = topics_shown(row.topics) if row.topics or row.kind == "key" else ""
    return [(row.name, "bold"), left, until, row.environment, topics]


def _record(settings: CredentialSettings) -> dict[str, Any]:
    import msgspec

    return {
        name: value if isinstance(value, str | tuple) else str(value)
        for name, value in msgspec.structs.asdict(settings).items()
        if value not in (None, ())
    }


@credentials.command(short_help="Load each, or connect to Apple.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--connect", is_flag=True, help="Connect to Apple with it; no push is sent.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def check(
    ctx: click.Context,
    names: tuple[str, ...],
    connect: bool,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """Load each credential as the daemon does, or those that are named.

    With --connect, also open a connection to Apple with it, and close it again. What a certificate
    is worth is known by then; a signing key is not shown before there is a push.
    """
    from ops.cli import Failed
    from ops.doctor import Check, doctor
    from pushd.config import load
    from pushd.credential_check import rivals_thd

    settings = load(configuration)
    known = {one.name: one for one in settings.credentials}
    for name in names:
        if name not in known:
            raise Failed(f"no credential is named {name}; there are: {', '.join(known) or 'none'}")
    wanted = [known[name] for name in names or known]
    if not wanted:
        raise Failed("no credential is configured; pushctl credentials import takes one in")
    checks = [one for settings_ in wanted for one in _checks(settings, settings_, connect)]
    checks.append(Check(subject="credential", look=lambda: rivals_thd(settings)))
    ctx.exit(doctor("Credentials", checks, as_json=as_json))


def _checks(settings: Config, one: CredentialSettings, connect: bool) -> list[Check]:
    from ops.doctor import Check
    from pushd.credential_check import connect_thd, look_thd

    checks = [Check(subject=one.name, look=lambda: look_thd(settings, one))]
    if connect:
        checks.append(Check(subject=one.name, look=lambda: connect_thd(settings, one)))
    return checks
