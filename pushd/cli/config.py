"""`pushctl config`: all settings, or a first configuration by question and answer."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ops.table import Cell
    from pushd.set_up import Answers, Written

USER = "pushd"
"""The daemon's, if there is one by that name."""


@click.group(short_help="Set up pushd, or print all settings.")
def config() -> None:
    """Configuration files."""


@config.command(short_help="Print all settings with defaults.")
def example() -> None:
    """Print an annotated configuration file with every setting and its default."""
    from pushd.config import example

    click.echo(example(), nl=False)


@config.command(short_help="Make the first configuration.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: take what would be proposed.")
@click.option("--public", is_flag=True, help="Programs on other computers hand in pushes, too.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port of the API. Default: 8443.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Certificate of the API, PEM. Default: one that signs itself is made.",
)
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its key.")
@click.option("--client", metavar="NAME", help="The first program that pushes. Default: console.")
@click.option("--proxy", metavar="HOST:PORT", help="An HTTP proxy on the way to Apple.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where pushes and credentials are kept. Default: where this system keeps such.",
)
@click.option("--user", metavar="NAME", help=f"User to become. Default: {USER}, if it exists.")
@click.pass_context
def init(ctx: click.Context, /, file: Path | None, yes: bool, **given: Any) -> None:
    """Make a configuration by question and answer: FILE, and beside it what it names: the API's
    certificate and the file of clients with the first one's token.

    Then a credential for Apple is taken in, if there is one, and everything is checked. No file is
    written over. What is given by an option is not asked.
    """
    from ops.cli import Failed
    from pushd import __version__

    file = file or _usual()
    if os.path.lexists(file):
        raise Failed(f"{file} exists; edit it, or name another file")
    click.echo(f"pushd {__version__}: {file}")
    ask = _Questions(is_silent=yes)
    try:
        answers = _answers(file, ask, given)
        written = _write(answers)
        _tell(answers, written)
        _take_in_credential(ctx, file, ask)
    except click.Abort as error:
        raise Failed("nobody answers; to take what is proposed, say --yes") from error
    _finish(ctx, file)


def _usual() -> Path:
    from ops.cli import usual_configuration

    is_root = os.name == "nt" or os.geteuid() == 0
    return usual_configuration("pushd") if is_root else Path("pushd.toml")


class _Questions:
    """Asks, or takes what would be proposed."""

    def __init__(self, *, is_silent: bool) -> None:
        self.is_silent = is_silent

    def text(self, question: str, proposed: str = "", hint: str = "") -> str:
        if self.is_silent:
            return proposed
        if hint:
            click.echo(click.style(hint, dim=True))
        answer: str = click.prompt(question, default=proposed, show_default=bool(proposed))
        return answer.strip()

    def yes(self, question: str) -> bool:
        return not self.is_silent and click.confirm(question, default=False)

    def port(self, question: str, proposed: int) -> int:
        if self.is_silent:
            return proposed
        answer: int = click.prompt(question, default=proposed, type=click.IntRange(0, 65535))
        return answer

    def file(self, question: str, hint: str = "") -> Path | None:
        """A file that exists, or none."""
        while True:
            text = self.text(question, hint=hint)
            if not text:
                return None
            path = Path(text).expanduser()
            if path.is_file():
                return path
            click.echo(f"{path} is no file.")
            hint = ""


def _answers(file: Path, ask: _Questions, given: dict[str, Any]) -> Answers:
    from pushd.set_up import Answers

    is_public = given["public"] or ask.yes("Do programs on other computers hand in pushes?")
    port = given["port"] if given["port"] is not None else ask.port("TCP port of the API", 8443)
    certificate, key = given["certificate"], given["key"]
    if certificate is None:
        hint = "Programs reach the API by TLS. Without a certificate one is made that signs itself."
        certificate = ask.file("Certificate of the API, PEM (empty: make one)", hint)
    if certificate is not None and key is None:
        key = ask.file("Its key, PEM") or certificate
    names, addresses = _names(is_public)
    return Answers(
        file=file,
        is_public=is_public,
        port=port,
        certificate=certificate,
        key=key,
        names=names,
        addresses=addresses,
        client=given["client"] or ask.text("Name of the first program that pushes", "console"),
        proxy=_proxy(given["proxy"], ask),
        user=_user(given["user"], ask),
        state=given["state"],
    )


def _proxy(given: str | None, ask: _Questions) -> tuple[str, int] | None:
    text = given
    if text is None:
        text = ask.text("HTTP proxy on the way to Apple, host:port (empty: none)")
    if not text:
        return None
    match = re.fullmatch(r"(?:http://)?\[?([A-Za-z0-9._:-]+?)\]?:([0-9]{1,5})/?", text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise click.BadParameter(f"{text!r} is no proxy such as proxy.example.com:3128")
    return match[1], int(match[2])


def _user(given: str | None, ask: _Questions) -> str | None:
    if given is not None or os.name == "nt" or os.geteuid() != 0:
        return given
    import pwd

    exists = any(entry.pw_name == USER for entry in pwd.getpwall())
    text = ask.text(
        "User to become once the port is bound (empty: stay root)", USER if exists else ""
    )
    return text or None


def _names(is_public: bool) -> tuple[list[str], list[str]]:
    """Host names and addresses that programs will use."""
    names, addresses = ["localhost"], ["127.0.0.1", "::1"]
    if is_public:
        import psutil

        names = [*dict.fromkeys([socket.getfqdn(), socket.gethostname(), "localhost"])]
        for entries in psutil.net_if_addrs().values():
            for entry in entries:
                if entry.family in (socket.AF_INET, socket.AF_INET6):
                    addresses.append(entry.address.partition("%")[0])
    return names, [*dict.fromkeys(addresses)]


def _write(answers: Answers) -> Written:
    import secrets
    from datetime import UTC, datetime

    from ops.cli import Failed
    from pushd.cli.place import owner_of_state
    from pushd.set_up import Occupied, set_up_thd, settings_of

    owner = owner_of_state(settings_of(answers))
    try:
        return set_up_thd(
            answers, now=datetime.now(UTC), random_bytes=secrets.token_bytes, owner=owner
        )
    except Occupied as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise Failed(f"{error.filename}: cannot be written ({error.strerror})") from error


def _tell(answers: Answers, written: Written) -> None:
    from ops.table import print_facts

    facts: list[tuple[str, Cell]] = [
        ("written" if not number else "", str(path)) for number, path in enumerate(written.files)
    ]
    trusted = str(written.trusted)
    if written.expires_at is not None:
        trusted += f", until {written.expires_at:%Y-%m-%d}"
    facts.append(("to be trusted", f"{trusted}: programs are to trust it, or who signed it"))
    click.echo()
    print_facts(facts)
    click.echo(f"\nThe token of {answers.client}, shown this once:")
    click.echo(written.token)  # on a line of its own, so that it can be copied whole


def _take_in_credential(ctx: click.Context, file: Path, ask: _Questions) -> None:
    """Until one is good, or none is wanted."""
    from ops.cli import Failed
    from pushd.cli.credentials import import_

    hint = "Apple wants to know who pushes: a .p12, .pem, .cer or .p8 file."
    click.echo()
    while (source := ask.file("Credential (empty: later)", hint)) is not None:
        given: dict[str, Any] = {"source": source, "configuration": file}
        if source.suffix == ".p8":
            given["team_id"] = ask.text("Team id, ten characters")
            if "AuthKey_" not in source.name:
                given["key_id"] = ask.text("Key id, ten characters")
        elif source.suffix != ".p12" and b"PRIVATE KEY-----" not in source.read_bytes():
            given["key"] = ask.file("The key of its request")
        try:
            ctx.invoke(import_, **given)
        except Failed as error:
            hint = f"{error.message}."
        else:
            click.echo()
            return


def _finish(ctx: click.Context, file: Path) -> None:
    from ops.cli import usual_configuration
    from ops.table import print_facts
    from ops.wrapped import wrapped_stdout
    from pushd.check import check
    from pushd.config import load

    status = check(file, wrapped_stdout())
    named = "" if file == usual_configuration("pushd") else f" --config {file}"
    steps = [f"twistd -n pushd --config {file}", f'pushctl send alert TOKEN "Hello" --wait{named}']
    if not load(file).credentials:
        steps.insert(0, f"pushctl credentials import FILE{named}")
    click.echo()
    print_facts([("next" if not number else "", step) for number, step in enumerate(steps)])
    ctx.exit(status)
