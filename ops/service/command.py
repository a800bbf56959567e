"""`service install`, `uninstall` and `status`, which every daemon's command line has, on systemd
and on Windows alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from ops.cli import ExitCode, Failed, config_option, usual_configuration

if TYPE_CHECKING:
    from ops.service.plan import Plan


class PlanOf(Protocol):
    """A daemon's way to its plan, from its configuration."""

    def __call__(self, configuration: Path, *, user: str | None) -> Plan: ...


def service_command(daemon: str, load: Callable[[], PlanOf]) -> click.Group:
    """The commands. `load` imports what makes the plan, when a command runs."""

    @click.group("service", short_help="Run it as a service of the system.")
    def service() -> None:
        """Install the daemon as a service of systemd or Windows, remove it, ask what it does."""

    @service.command("install", short_help="Start it now and at every boot.")
    @config_option(daemon)
    @click.option("--user", metavar="NAME", default=daemon, help=f"Its user. Default: {daemon}.")
    @click.option("--dynamic-user", is_flag=True, help="Have systemd make a user up at each start.")
    @click.option("--socket", is_flag=True, help="Have systemd bind its ports.")
    @click.option("--no-start", is_flag=True, help="Do not start it now.")
    @click.option("--dry-run", is_flag=True, help="Only print what would be written.")
    def install(
        configuration: Path | None,
        user: str,
        dynamic_user: bool,
        socket: bool,
        no_start: bool,
        dry_run: bool,
    ) -> None:
        """Install the service for a configuration, or bring an installed one up to it.

        On Linux it writes a unit for systemd that may do what this configuration needs, makes its
        user if there is none, and starts it. Run it again after a change of ports, folders or
        features. On Windows it registers the service; there --user, --dynamic-user and --socket
        mean nothing.
        """
        if configuration is None:
            usual = usual_configuration(daemon)
            raise Failed(f"{usual} does not exist; write it, or name another: --config FILE")
        plan = load()(configuration, user=None if dynamic_user else user)
        if dry_run:
            _print(plan, socket=socket)
        elif os.name == "nt":
            _windows().install(plan, start=not no_start)
        else:
            _systemd().install(plan, with_socket=socket, start=not no_start)

    @service.command("uninstall", short_help="Stop and remove it; state and settings stay.")
    def uninstall() -> None:
        """Stop the service and remove it. Configuration, state and user stay."""
        _manager().uninstall(daemon)

    @service.command("status", short_help="Tell whether it runs.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.pass_context
    def status(ctx: click.Context, as_json: bool) -> None:
        """Tell what the system knows of the service. The exit status is 0 if it runs, else 1."""
        from ops.table import print_facts, print_json

        found = _manager().status(daemon)
        if as_json:
            print_json({"service": daemon, **found})
        else:
            print_facts([("service", daemon), *((k, v) for k, v in found.items() if v)])
        ctx.exit(ExitCode.OK if found["state"] in ("active", "reloading") else ExitCode.FAILED)

    return service


def _print(plan: Plan, *, socket: bool) -> None:
    if os.name == "nt":
        click.echo(" ".join(plan.command))
        return
    from ops.service.systemd import UNITS, units

    for unit in units(plan, with_socket=socket):
        click.echo(f"# {UNITS / unit.name}")
        click.echo(unit.text)


def _manager() -> Any:
    return _windows() if os.name == "nt" else _systemd()


def _windows() -> Any:
    from ops.service.windows import Windows

    return Windows(click.echo)


def _systemd() -> Any:
    from ops.service.systemd import Systemd

    return Systemd(click.echo)
