"""`pushctl`: what an operator types. Commands import what they need when they run, so that help
and completion are quick."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from ops.cli import ExitCode, Root, config_argument
from ops.completion import completion_of
from pushd import __version__
from pushd.cli import backup, service
from pushd.cli.config import config
from pushd.cli.console import console
from pushd.cli.credentials import credentials
from pushd.cli.csr import csr
from pushd.cli.doctor import doctor
from pushd.cli.pushes import pushes
from pushd.cli.queue import queue
from pushd.cli.send import send
from pushd.cli.tokens import tokens
from pushd.cli.watch import watch


@click.group("pushctl", cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Check and try out pushd, let programs in, and be Apple to them."""


@main.command(short_help="Check configuration, files and port.")
@config_argument("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, as doctor does.")
@click.pass_context
def check(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Check the configuration FILE, its credentials and ports. Starts nothing.

    Without FILE it is that of $PUSHD_CONFIG, or /etc/pushd/pushd.toml; where there is none, the
    defaults are checked.
    """
    from ops.doctor import write_report
    from ops.wrapped import wrapped_stdout
    from pushd.check import check, findings_of

    if as_json:
        ctx.exit(write_report(list(findings_of(file))))
    ctx.exit(check(file, wrapped_stdout()))


@main.command(short_help="Deliver pushes, all on this computer.")
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Deliver ten thousand pushes with a real daemon to a simulator of Apple's, all on this
    computer, and kill the daemon halfway.

    Needs no privilege, uses the loopback interface only and leaves nothing behind.
    """
    import tempfile
    from random import SystemRandom

    from ops.screen import PIECES
    from ops.show import show
    from pushd.demo import PUSHES, Demo

    with tempfile.TemporaryDirectory(prefix="pushd-demo-") as folder:
        delivered = show(
            f"pushd {__version__}: {PUSHES} pushes, and a kill -9 halfway",
            lambda reactor, watcher: Demo(reactor, Path(folder), watcher, SystemRandom()).run(),
            not_done="Not delivered",
            amounts=PIECES,
        )
    ctx.exit(ExitCode.OK if delivered else ExitCode.FAILED)


@main.group(short_help="Make tokens for the API.")
def token() -> None:
    """Tokens by which programs log in to the API."""


@token.command("new", short_help="Make a token for a program.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["submit", "read", "cancel", "admin"]),
    default=("submit", "read"),
    show_default=True,
    help="What it may do; may be given several times.",
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    default=("*",),
    show_default=True,
    help="Topic that it may push to, or the beginning of some and `*`; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print table and token as JSON.")
def new_token(name: str, scopes: tuple[str, ...], topics: tuple[str, ...], as_json: bool) -> None:
    """Make a token for the program NAME.

    What goes into the file of clients is printed; the token itself, which cannot be had again, on
    standard error, or in the JSON document.
    """
    import secrets

    from ops.table import print_json
    from pushd.api.bearer import new_token
    from pushd.config_edit import client_table

    made = new_token(secrets.token_bytes)
    table = client_table(name, made.entry, scopes, topics)
    if as_json:
        print_json({"name": name, "token": made.token, "table": table})
        return
    click.echo(table, nl=False)
    click.echo(f"The token of {name}, shown this once: {made.token}", err=True)


@main.command("apns-simulator", short_help="Be Apple for a test.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=2197,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TCP port to listen on; 0 is a free one.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where certificates and keys are written. Default: a folder that is removed at the end.",
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    default=("com.example.app",),
    show_default=True,
    metavar="BUNDLE-ID",
    help="App that the certificate is for; may be given several times.",
)
@click.option("--development", is_flag=True, help="Be the development environment.")
@click.option(
    "--latency",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    metavar="SECONDS",
    help="Time from a request to its answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each push as a line of JSON.")
@click.option(
    "--control",
    is_flag=True,
    help="Obey orders on standard input, a line of JSON each, until it ends.",
)
def apns_simulator(
    address: str,
    port: int,
    directory: Path | None,
    topics: tuple[str, ...],
    development: bool,
    latency: float,
    as_json: bool,
    control: bool,
) -> None:
    """Be Apple's push service: check pushes as Apple does, deliver them to nobody.

    Certificates and keys are made afresh each time.
    """
    import tempfile

    from pushd.testing.certificate import Environment
    from pushd.testing.command import CommandOptions, simulate
    from pushd.testing.conduct import Conduct

    with ExitStack() as stack:
        if directory is None:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="apns-simulator-"))
            directory = Path(made)
        simulate(
            CommandOptions(
                port=port,
                address=address,
                directory=directory,
                environment=Environment.DEVELOPMENT if development else Environment.PRODUCTION,
                topics=topics,
                conduct=Conduct(latency=latency),
                json=as_json,
                control=control,
            )
        )


main.add_command(config)
main.add_command(console)
main.add_command(credentials)
main.add_command(csr)
main.add_command(doctor)
main.add_command(pushes)
main.add_command(queue)
main.add_command(send)
main.add_command(tokens)
main.add_command(watch)
main.add_command(completion_of(main, "pushctl"))
main.add_command(backup.backup)
main.add_command(backup.restore)
main.add_command(service.service)
