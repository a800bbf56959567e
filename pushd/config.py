"""What an operator may set for pushd, and every default.

The tables are declared by the parts that they are for; here they come together, with what is the
daemon's own. The text below each setting is what `docs/pushd.example.toml` tells the operator;
`ops.config` checks what the operator writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from ops import config, state
from ops.config import Invalid
from ops.log import LogSettings
from ops.metrics import MetricsSettings
from ops.setting import Port
from ops.web.settings import AdminSettings, ConsoleSettings
from pushd.api.settings import ApiSettings
from pushd.queue_settings import QueueSettings
from pushd.settings import AppleSettings, CredentialSettings

DATABASE = "pushd.sqlite"


class StateSettings(Struct, frozen=True, kw_only=True):
    """What must survive a restart: the pushes that wait, and what became of the others."""

    directory: Annotated[Path | None, Meta(examples=["/var/lib/pushd"])] = None
    """Folder of the database; created if missing. Default: /var/lib/pushd for root, otherwise
    $XDG_STATE_HOME/pushd (~/.local/state/pushd), %PROGRAMDATA%\\pushd on Windows."""


class PushMetricsSettings(MetricsSettings, frozen=True, kw_only=True):
    """Metrics for Prometheus, at http://…/metrics. They are numbers only, for everybody who reaches
    the port. See docs/monitoring.md."""

    port: Port = 9068
    """TCP port."""


class PushConsoleSettings(ConsoleSettings, frozen=True, kw_only=True):
    __doc__ = ConsoleSettings.__doc__

    port: Port = 8068
    """TCP port."""


class Config(Struct, frozen=True, kw_only=True):
    """pushd's settings."""

    user: Annotated[str | None, Meta(examples=["pushd"], min_length=1, max_length=64)] = None
    """User to become once the API's port is bound. Default: stay who we are."""
    group: Annotated[str | None, Meta(examples=["pushd"], min_length=1, max_length=64)] = None
    """Group to become. Default: the user's own."""
    api: ApiSettings = ApiSettings()
    credentials: tuple[CredentialSettings, ...] = field(default=(), name="credential")
    """What proves to Apple who we are: a certificate, or a signing key. Without any, nothing can be
    sent. Give each a table of its own; where several are for one topic, a push has to name one."""
    apple: AppleSettings = AppleSettings()
    queue: QueueSettings = QueueSettings()
    state: StateSettings = StateSettings()
    admin: AdminSettings = AdminSettings()
    console: PushConsoleSettings = PushConsoleSettings()
    metrics: PushMetricsSettings = PushMetricsSettings()
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        names = [credential.name for credential in self.credentials]
        for number, name in enumerate(names):
            if name in names[:number]:
                key = f"credential[{number}].name"
                raise Invalid(key, f'"{name}" is taken', "give each credential a name of its own")


HEADING = """\
pushd.toml: every setting of pushd, with its default.

Delete what you do not change: a default may improve with a later version. Lines that begin with #
and no space are examples for settings that are off or found out by default.

Durations have a unit (500ms, 30s, 5m, 1h), and so have sizes (64 KiB, 1 MiB). Relative paths are
taken from the folder of this file. `pushctl check FILE` tells whether pushd would start with it."""


def example() -> str:
    """The annotated example configuration."""
    from ops.example import example  # the daemon itself never needs it

    return example(Config, HEADING)


def load(file: Path | None) -> Config:
    """The settings in `file`, or the defaults; relative paths are from the file's folder, or from
    the working directory. Raises ops.config.ConfigError."""
    if file is None:
        return config.anchored(Config(), Path.cwd())
    return config.load(file, Config)


def state_directory(settings: StateSettings) -> Path:
    """Where the database is: as configured, or where this system keeps the state of a daemon."""
    return state.state_directory(settings.directory, "pushd")


def database(settings: Config) -> Path:
    """The database."""
    return state_directory(settings.state) / DATABASE
